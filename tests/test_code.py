"""The code digest: what an edit changes, and what it does not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

CLI = '''\
"""The command."""
import typer

from isic.errors import InputError

app = typer.Typer()
LIMIT = 3


def helper(x):
    """Help."""
    return x + LIMIT


@app.command()
def first(n: int = typer.Option(1, help="A number.")) -> None:
    """First."""
    from isic.a import work

    work(helper(n))


@app.command("second-stage")
def second() -> None:
    import isic.sub.b

    isic.sub.b.work()


@app.command()
def third_stage() -> None:
    from isic.sub import b

    raise InputError(b)
'''
FILES = {
    "isic/cli.py": CLI,
    "isic/errors.py": "class InputError(Exception):\n    pass\n",
    "isic/a.py": "from isic.shared import f\n\n\ndef work(x):\n    return f(x)\n",
    "isic/shared.py": 'def f(x):\n    """Doc."""\n    return open("table.csv")\n',
    "isic/sub/b.py": "def work():\n    return 1\n",
    "isic/table.csv": "a,b\n1,2\n",
    "isic/__init__.py": "",
    "isic/sub/__init__.py": "",
}
STAGES = ("first", "second-stage", "third-stage")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small package of the same shape, with isic's own code.py in it."""
    own = Path(__file__).parents[1] / "isic" / "code.py"
    for name, text in {**FILES, "isic/code.py": own.read_text(encoding="utf-8")}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def digests(package: Path) -> dict[str, str]:
    program = "from isic.code import code_digest\n" + "".join(
        f"print(code_digest({stage!r}))\n" for stage in STAGES * 2
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = done.stdout.split()
    assert lines[: len(STAGES)] == lines[len(STAGES) :], "asking twice gives the same answer"
    return dict(zip(STAGES, lines, strict=False))


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("name", "edit", "changed"),
    [
        ("isic/a.py", lambda text: f"# A comment.\n{text}  # Another.\n", set()),
        ("isic/a.py", lambda text: f'"""What it is."""\n{text}', set()),
        ("isic/shared.py", replace("Doc.", "Other words."), set()),
        ("isic/cli.py", replace("A number.", "Any number."), set()),
        ("isic/cli.py", replace('"""First."""', '"""The first."""'), set()),
        ("isic/cli.py", lambda text: f"{text}\n\n@app.command()\ndef more():\n    pass\n", set()),
        ("isic/a.py", replace("f(x)", "f(x + 1)"), {"first"}),
        ("isic/shared.py", replace("open(", "list("), {"first"}),
        ("isic/table.csv", replace("1,2", "1,3"), {"first"}),
        ("isic/cli.py", replace("LIMIT = 3", "LIMIT = 4"), {"first"}),
        ("isic/cli.py", replace("x + LIMIT", "x - LIMIT"), {"first"}),
        ("isic/cli.py", replace("isic.sub.b.work()", "pass"), {"second-stage"}),
        ("isic/sub/b.py", replace("1", "2"), {"second-stage", "third-stage"}),
        ("isic/errors.py", replace("(Exception)", "(ValueError)"), {"third-stage"}),
    ],
)
def test_an_edit_changes_its_users_and_nothing_else(
    package: Path, name: str, edit: Callable[[str], str], changed: set[str]
):
    before = digests(package)
    path = package / name
    text = path.read_text(encoding="utf-8")
    assert edit(text) != text
    path.write_text(edit(text), encoding="utf-8")
    after = digests(package)
    assert {stage for stage in STAGES if before[stage] != after[stage]} == changed


def test_a_relative_import_is_refused(package: Path):
    (package / "isic/a.py").write_text("from .shared import f\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="relative import"):
        digests(package)


def test_a_stage_that_is_not_there_is_named():
    from isic.code import code_digest
    from isic.errors import InputError

    with pytest.raises(InputError, match="no command polish; it has "):
        code_digest("polish")
