"""A digest of the code that a stage runs, so that Snakemake reruns what an edit may change.

A digest says whether a *result* may differ. It covers the stage's command (`isic/commands/`), all
`isic` modules that it imports, directly or not, and the data files that these name. They are found
without being run, in the syntax trees, and what no result depends on is left out: comments,
docstrings, help texts, imports for type checkers, the words of errors and of what is printed, and
the rooms of `LEFT_OUT`. So a comment reruns nothing, an edit of `isic/method/nmf.py` reruns the
stages that use it, and a new command none. Snakemake does not see inside a package by itself.
Imports must be absolute and written out.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from isic.errors import InputError

PACKAGE = Path(__file__).parents[1]
GROUPS = ("figure",)  # folders of isic/commands whose commands are named with the folder's name
DATA = sorted([*PACKAGE.rglob("*.csv"), *PACKAGE.rglob("*.html")])
# How files are written, recorded, named; what a setting may be (its value is a parameter already);
# how processes are started, curves and predictions shown. None of it changes what is computed.
LEFT_OUT = (
    "isic.commands.arguments",
    "isic.commands.options",
    "isic.commands.running",
    "isic.errors",
    "isic.process",
    "isic.product.gallery",
    "isic.provenance",
    "isic.settings.archives",
    "isic.settings.check",
    "isic.settings.declare",
    "isic.settings.inputs",
    "isic.settings.jobs",
    "isic.settings.kinds",
    "isic.settings.page",
    "isic.settings.sections",
    "isic.storage",
    "isic.training.curves",
    "isic.training.launch",
)


def code_digest(stage: str) -> str:
    """Digest of the code of `isic STAGE`: 16 hexadecimal digits.

    Raises:
        InputError: there is no such command, or a module uses a relative import.
    """
    modules = sorted(_reachable([command_module(stage)]))
    parts = [f"{name} {_module_text(name)}" for name in modules]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@cache
def command_modules() -> dict[str, str]:
    """The module of each command: `isic/commands/FOLDER/STAGE.py`, of `figure NAME`
    `isic/commands/figure/NAME.py`."""
    found = {}
    for path in sorted(PACKAGE.glob("commands/*/*.py")):
        name, folder = path.stem.replace("_", "-"), path.parent.name
        if path.stem != "__init__":
            stage = f"{folder} {name}" if folder in GROUPS else name
            found[stage] = f"isic.commands.{folder}.{path.stem}"
    return found


def command_module(stage: str) -> str:
    """The module of a command.

    Raises:
        InputError: there is none of that name.
    """
    known = command_modules()
    if stage not in known:
        raise InputError(f"isic/commands: no command {stage}; it has {', '.join(known)}")
    return known[stage]


def _reachable(modules: Iterable[str]) -> set[str]:
    """`modules` and all modules that they import, directly or not, but for those left out."""
    reached: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= {other for other in _imports(name) if not _left_out(other)} - reached
    return reached


def _left_out(module: str) -> bool:
    return any(module == room or module.startswith(f"{room}.") for room in LEFT_OUT)


@cache
def _imports(module: str) -> frozenset[str]:
    """Modules of the package that a module imports, their packages among them."""
    found: set[str] = set()
    for node in ast.walk(_tree(module)):
        match node:
            case ast.Import(names=names):
                targets = [alias.name for alias in names]
            case ast.ImportFrom(level=level) if level:
                raise InputError(
                    f"{module}: line {node.lineno}: a relative import; write `from isic.… import …`"
                )
            case ast.ImportFrom(module=str(source), names=names):
                targets = [f"{source}.{alias.name}" for alias in names]
            case _:
                continue
        for target in targets:
            parts = target.split(".")
            on_the_way = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            found |= {name for name in on_the_way if parts[0] == "isic" and _path(name)}
    return frozenset(found)


@cache
def _path(module: str) -> Path | None:
    """File of a module of the package, or None where there is no such module."""
    base = PACKAGE.joinpath(*module.split(".")[1:])
    candidates = (base / "__init__.py", base.with_suffix(".py"))
    return next((path for path in candidates if path.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise InputError(f"{module}: no such module in {PACKAGE}")
    return _OnlyWhatComputes().visit(ast.parse(path.read_text(encoding="utf-8"), path.name))


@cache
def _module_text(module: str) -> str:
    """A module's syntax tree, and the data files of the package that it names, as text."""
    tree = _tree(module)
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    data = (path for path in DATA if path.name in named)
    return "\n".join([ast.dump(tree), *(path.read_text(encoding="utf-8") for path in data)])


class _OnlyWhatComputes(ast.NodeTransformer):
    """Takes out docstrings, help texts, `if TYPE_CHECKING`, and the words of errors and prints."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        match node.test:
            case ast.Name(id="TYPE_CHECKING"):
                return None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        if isinstance(node.exc, ast.Call):
            node.exc = node.exc.func
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        match node.func:
            case ast.Name(id="print"):
                node.args, node.keywords = [], []
        node.keywords = [keyword for keyword in node.keywords if keyword.arg != "help"]
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
        return super().generic_visit(node)
