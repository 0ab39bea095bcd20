"""What rules and commands promise each other, for every data set that the repository describes."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from isic.cli import FIGURES, PEOPLE, STAGES, isic
from isic.provenance.digests import command_modules
from isic.settings.check import check, merge
from isic.storage.layouts import Files

ROOT = Path(__file__).parents[2]
SETS = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("benchmarks/sets/*.yaml")])
RULE = re.compile(r"^(?:use )?(?:rule|checkpoint) (\w+)[^\n]*:\n((?:[ \t]+.*\n|\n)*)", re.M)


def rules() -> dict[str, str]:
    """The text of each rule that starts a command."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in ROOT.glob("rules/*.smk"))
    return {name: body for name, body in RULE.findall(text) if re.search(r"\bisic \w", body)}


@pytest.mark.parametrize("rule", sorted(rules()))
def test_a_rule_takes_the_digest_of_the_command_that_it_starts(rule: str) -> None:
    body = rules()[rule]
    (command,) = {
        match[1]
        for match in re.finditer(r"[\"}]isic (figure [a-z-]+|[a-z-]+) ", body)
    }  # fmt: skip
    digests = re.findall(r'code\("([^"]+)"\)', body)
    assert digests == ([] if command == "fetch" else [command])  # what it fetches has a checksum


def test_every_command_is_offered_and_has_a_module() -> None:
    offered = {*PEOPLE, *STAGES, *(f"figure {name}" for name in FIGURES)} - {"figure"}
    assert offered == set(command_modules())


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The commands of every data set, from one dry run."""
    folder = tmp_path_factory.mktemp("contract") / "work"
    folder.mkdir()
    config = yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8"))
    for path in SETS:
        config = merge(config, yaml.safe_load(path.read_text(encoding="utf-8")))
    datasets = check(config)
    for own in datasets.values():
        if own.source.root:
            (folder / own.source.root).mkdir(parents=True, exist_ok=True)
        for section in (own.classifier, own.segmenter):
            if section.weights.endswith(".pth"):
                (folder / section.weights).parent.mkdir(parents=True, exist_ok=True)
                (folder / section.weights).touch()
    targets = ["results/imagenet/table1.csv", "results/imagenet/predictions/boxes.csv"]
    for name in datasets.keys() - {"imagenet"}:  # whose shards are thousands of jobs
        targets += [f"results/{name}/{file}" for file in ("all", "check.html", "risk_coverage.csv")]
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2", *targets]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    done = subprocess.run(
        [*command, "--configfile", *map(str, SETS)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return re.findall(r"^Shell command: (.*\bisic .*?) 2>&1", done.stdout, re.M)


@pytest.mark.slow
def test_every_option_that_a_rule_passes_is_one_of_its_command(printed: list[str]) -> None:
    seen = set()
    for line in printed:
        words = shlex.split(line)
        words = words[words.index("isic") + 1 :]
        command = isic.get_command(click.Context(isic), words.pop(0))
        if isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        assert command is not None, line
        command.make_context(command.name, words)  # raises where an option is wrong
        seen.add(command.name)
    unused = {"run", "init", "export", "show", "figure", *FIGURES} - seen
    assert seen == {*PEOPLE, *STAGES, *FIGURES} - unused
    assert unused <= {"run", "init", "export", "show", "figure"}


@pytest.mark.slow
def test_what_the_rules_make_is_listed_in_layouts(printed: list[str]) -> None:
    """Each path below results that a command is given fits a pattern of `Files`."""
    listed = [pattern for name, pattern in vars(Files).items() if not name.startswith("_")]
    patterns = [re.sub(r"\\{\w+\\}", "[^/]+", re.escape(pattern)) for pattern in listed]
    known = re.compile("|".join(f"{pattern}(/.*)?" for pattern in patterns))
    paths = {
        word.rpartition("=results/")[2] if "=results/" in word else word.removeprefix("results/")
        for line in printed
        for word in shlex.split(line)
        if "results/" in word
    }
    wrong = [path for path in paths if not known.fullmatch(f"results/{path}")]
    # A data set's own folder, which the summary reads, and TensorBoard's, which no rule takes.
    assert [path for path in wrong if "/" in path and "/tensorboard/" not in path] == []
