"""A digest of the code that a stage runs, so that Snakemake reruns what an edit invalidates.

The code of a stage is its command in `isic/cli.py`, with the definitions there that the command
uses, and all `isic` modules that it imports, directly or not, with the data files that they name.
They are found without being run, in the syntax trees, and what does not run is left out: comments,
docstrings, help texts, imports for type checkers. So a comment reruns nothing, an edit in
`isic/nmf.py` reruns the stages that use it, and a new command none. Snakemake does not see inside a
package by itself. Imports must be absolute and written out.
"""

from __future__ import annotations

import ast
import copy
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from isic.errors import InputError

PACKAGE = Path(__file__).parent
DATA = sorted([*PACKAGE.glob("*.csv"), *PACKAGE.glob("*.html")])


def code_digest(stage: str) -> str:
    """Digest of the code of `isic STAGE`: 16 hexadecimal digits.

    Raises:
        InputError: there is no such command, or a module uses a relative import.
    """
    command = _command(stage)
    modules = _reachable(_imports(command))
    parts = [_text(command), *(f"{name} {_module_text(name)}" for name in sorted(modules))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _command(stage: str) -> list[ast.stmt]:
    """The function of a command in `isic/cli.py` and the definitions there that it uses."""
    statements = _tree("isic.cli").body
    commands = {name: node for node in statements for name in _command_names(node)}
    if stage not in commands:
        raise InputError(f"isic/cli.py: no command {stage}; it has {', '.join(sorted(commands))}")
    definitions = {
        name: node
        for node in statements
        if node not in commands.values()
        for name in _defined(node)
    }
    command = copy.copy(commands[stage])
    command.decorator_list = []
    found: list[ast.stmt] = [command]
    for node in found:  # grows as it goes
        used = {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}
        found += [
            definitions[name]
            for name in sorted(used & definitions.keys())
            if definitions[name] not in found
        ]
    return found


def _command_names(node: ast.stmt) -> Iterator[str]:
    """Name under which `@app.command(…)` offers a function, if it does."""
    for decorator in node.decorator_list if isinstance(node, ast.FunctionDef) else []:
        match decorator:
            case ast.Call(
                func=ast.Attribute(attr="command"), args=[ast.Constant(value=str(name)), *_]
            ):
                yield name
            case ast.Call(func=ast.Attribute(attr="command")):
                yield node.name.replace("_", "-")


def _defined(node: ast.stmt) -> list[str]:
    """Names that a statement at the top of a module defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Import(names=names) | ast.ImportFrom(names=names):
            return [(alias.asname or alias.name).partition(".")[0] for alias in names]
        case _:
            names = (name for name in ast.walk(node) if isinstance(name, ast.Name))
            return [name.id for name in names if isinstance(name.ctx, ast.Store)]


def _reachable(modules: Iterable[str]) -> set[str]:
    """`modules` and all modules of the package that they import, directly or not."""
    reached: set[str] = set()
    waiting = set(modules)
    while waiting:
        name = waiting.pop()
        reached.add(name)
        waiting |= _module_imports(name) - reached
    return reached


@cache
def _module_imports(module: str) -> set[str]:
    return set(_imports([_tree(module)]))


def _imports(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Modules of the package that the statements in `nodes` import, their packages among them."""
    for node in (inner for outer in nodes for inner in ast.walk(outer)):
        match node:
            case ast.Import(names=names):
                targets = [alias.name for alias in names]
            case ast.ImportFrom(level=level) if level:
                raise InputError(
                    f"isic: line {node.lineno}: a relative import; write `from isic.… import …`"
                )
            case ast.ImportFrom(module=str(module), names=names):
                targets = [f"{module}.{alias.name}" for alias in names]
            case _:
                continue
        for target in targets:
            parts = target.split(".")
            names_on_the_way = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            yield from (name for name in names_on_the_way if parts[0] == "isic" and _path(name))


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
    return _OnlyWhatRuns().visit(ast.parse(path.read_text(encoding="utf-8"), path.name))


def _text(nodes: Iterable[ast.AST]) -> str:
    return "\n".join(map(ast.dump, nodes))


@cache
def _module_text(module: str) -> str:
    """A module's syntax tree, and the data files of the package that it names, as text."""
    tree = _tree(module)
    named = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}
    data = (path for path in DATA if path.name in named)
    return "\n".join([_text([tree]), *(path.read_text(encoding="utf-8") for path in data)])


class _OnlyWhatRuns(ast.NodeTransformer):
    """Takes docstrings, help texts of options and `if TYPE_CHECKING` out of a tree."""

    def visit_If(self, node: ast.If) -> ast.AST | None:
        match node.test:
            case ast.Name(id="TYPE_CHECKING"):
                return None
        return self.generic_visit(node)

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            match node.body:
                case [ast.Expr(value=ast.Constant(value=str())), *rest]:
                    node.body = rest
        elif isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "help"]
        return super().generic_visit(node)
