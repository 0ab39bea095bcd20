"""The digest of a stage's code: what an edit reruns, and what it does not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from isic.errors import InputError
from isic.provenance.digests import code_digest, command_modules

ROOT = Path(__file__).parents[2]
ALL = set(command_modules())
FILES = {
    "isic/commands/a/first.py": '''\
"""isic first."""
from isic.commands.arguments import Option
from isic.shared import f

LIMIT = 3

def first(n: int = Option(1, help="A number.")) -> None:
    """First."""
    print(f"{n} of {LIMIT}")
    f(n + LIMIT)
''',
    "isic/commands/a/second_stage.py": "import isic.sub.b\n\n\ndef second_stage(): isic.sub.b.g()",
    "isic/commands/b/third.py": "def third():\n    from isic.sub import b\n\n    b.g()\n",
    "isic/commands/arguments.py": "from isic.settings.sections import Option\n",
    "isic/settings/sections.py": "def Option(default, help):\n    return default\n",
    "isic/shared.py": '''\
from isic.errors import InputError
from isic.storage.files import write

def f(x):
    """Doc."""
    if x < 0:
        raise InputError(f"{x}: below 0.")
    return write("table.csv")
''',
    "isic/errors.py": "class InputError(Exception):\n    pass\n",
    "isic/process.py": "DEFECT = 70\n",
    "isic/storage/files.py": "def write(x):\n    return open(x)\n",
    "isic/sub/b.py": "def g():\n    return 1\n",
    "isic/sub/table.csv": "a,b\n1,2\n",
}
STAGES = ("first", "second-stage", "third")


def copied(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for package in [folder / "isic", *(folder / "isic").rglob("*/")]:
        (package / "__init__.py").touch()
    return folder


def small(folder: Path) -> Path:
    """A small package of the same shape, with isic's own digests.py in it."""
    own = (ROOT / "isic/provenance/digests.py").read_text(encoding="utf-8")
    return copied({**FILES, "isic/provenance/digests.py": own}, folder)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return small(tmp_path)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """A copy of the whole package."""
    shutil.copytree(ROOT / "isic", tmp_path / "isic")
    return tmp_path


def digests(package: Path, stages: tuple[str, ...]) -> dict[str, str]:
    program = (
        "from isic.provenance.digests import code_digest\n"
        f"for stage in {stages * 2!r}: print(code_digest(stage))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=package, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    lines = done.stdout.split()
    assert lines[: len(stages)] == lines[len(stages) :], "asking twice gives the same answer"
    return dict(zip(stages, lines, strict=False))


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of the small package as it is."""
    return digests(small(tmp_path_factory.mktemp("small")), STAGES)


@pytest.fixture(scope="module")
def today() -> dict[str, str]:
    """The digests of the package as it is."""
    return {stage: code_digest(stage) for stage in sorted(ALL)}


def changed(
    package: Path, name: str, edit: Callable[[str], str], before: dict[str, str]
) -> set[str]:
    """The stages that an edit of a file changes."""
    path = package / name
    text = path.read_text(encoding="utf-8")
    assert edit(text) != text
    path.write_text(edit(text), encoding="utf-8")
    after = digests(package, tuple(before))
    return {stage for stage in before if before[stage] != after[stage]}


def replace(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    ("name", "edit", "expected"),
    [
        ("shared.py", lambda text: f"# A comment.\n{text}  # Another.\n", set()),
        ("shared.py", lambda text: f'"""What it is."""\n{text}', set()),
        ("shared.py", replace("Doc.", "Other words."), set()),
        ("shared.py", replace("below 0.", "negative."), set()),
        ("shared.py", replace("InputError(f", "ValueError(f"), {"first"}),
        ("shared.py", replace("x < 0", "x < 1"), {"first"}),
        ("shared.py", replace("write(", "list("), {"first"}),
        ("sub/table.csv", replace("1,2", "1,3"), {"first"}),
        ("storage/files.py", replace("open(x)", "open(x, 'rb')"), set()),
        ("settings/sections.py", replace("default,", "default=2,"), set()),
        ("errors.py", replace("(Exception)", "(ValueError)"), set()),
        ("process.py", lambda text: f"{text}NAME = 'isic'\n", set()),
        ("commands/a/first.py", replace("A number.", "Any number."), set()),
        ("commands/a/first.py", replace('"""First."""', '"""The first."""'), set()),
        ("commands/a/first.py", replace("{n} of", "number {n} of"), set()),
        ("commands/a/first.py", replace("LIMIT = 3", "LIMIT = 4"), {"first"}),
        ("commands/a/second_stage.py", replace("isic.sub.b.g()", "pass"), {"second-stage"}),
        ("sub/b.py", replace("1", "2"), {"second-stage", "third"}),
    ],
)
def test_an_edit_changes_its_users_and_nothing_else(
    package: Path,
    before: dict[str, str],
    name: str,
    edit: Callable[[str], str],
    expected: set[str],
):
    assert changed(package, f"isic/{name}", edit, before) == expected


@pytest.mark.parametrize(
    ("name", "edit", "expected"),
    [
        ("storage/files.py", replace("is a folder. Name", "is none. Name"), set()),
        ("training/loop.py", replace("goes on from epoch", "continues with epoch"), set()),
        ("method/nmf.py", replace("feature maps that are", "maps that are"), set()),
        ("product/exports.py", lambda text: f"{text}\nEXTRA = 1\n", {"export", "run"}),
        ("settings/check.py", lambda text: f"{text}\nEXTRA = 1\n", set()),
        ("method/nmf.py", replace("np.maximum(", "np.minimum("), {"directions"}),
        ("process.py", replace("cores()", "few_cores()"), set()),
    ],
)
def test_an_edit_of_the_package_reruns_what_it_must(
    real: Path,
    today: dict[str, str],
    name: str,
    edit: Callable[[str], str],
    expected: set[str],
):
    assert changed(real, f"isic/{name}", edit, today) == expected


def test_an_edit_of_a_helper_that_computes_reruns_its_users(real: Path, today: dict[str, str]):
    edit = replace("np.linspace(0, length - 1, size)", "np.linspace(0, length, size)")
    found = changed(real, "isic/localization/interpolation.py", edit, today)
    assert found >= {"masks", "boxes", "segmenter", "predict", "figure localization"}
    assert not found & {"index", "images", "similarity", "classifier", "features", "directions"}


def test_a_relative_import_is_refused(package: Path):
    (package / "isic/sub/b.py").write_text("from .shared import f\n", encoding="utf-8")
    with pytest.raises(RuntimeError, match="relative import"):
        digests(package, STAGES)


def test_a_stage_that_is_not_there_is_named():
    with pytest.raises(InputError, match="no command polish; it has "):
        code_digest("polish")
