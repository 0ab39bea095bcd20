"""What a change of a setting or of the code makes the workflow run again."""

from __future__ import annotations

import pytest
from workflows import Workflow

# What follows from a run's new boxes, and what a new pseudo-mask comes to.
BOXES = {"boxes": 1, "scores": 1, "table1": 1, "figure_localization": 1}
SEGMENTER = {"segmenter": 1, "maps": 1, **BOXES}
MASKS = {"masks": 2, **SEGMENTER}
DIRECTIONS = {"directions": 2, **MASKS, "maps": 2, "boxes": 2}  # Figure 5 shows NMF's boxes, too
NEW_ARM = {"classifier": 1, "features": 2, **DIRECTIONS}


@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"classifier": {"gamma": 0.4}}, NEW_ARM),
        ({"classifier": {"lam": 0.5}}, NEW_ARM),
        ({"directions": {"compress": 1.0}}, DIRECTIONS),
        ({"masks": {"foreground": 0.7}}, MASKS),
        ({"segmenter": {"epochs": 3}}, SEGMENTER),
        ({"boxes": {"segmenter": 0.6}}, BOXES),
        ({"scores": {"protocols": ["crop"]}}, {"scores": 3, "trivial": 1, "table1": 1}),
        ({"recognizer": {"epochs": 3}}, {}),
        ({"gpus": 2}, {}),
        (
            {"recognizer": {"backbone": "resnet18", "resize": 64, "crop": 56}},
            {"recognizer": 1, "topk": 1, "scores": 3, "trivial": 1, "table1": 1},
        ),
    ],
    ids=str,
)
def test_a_setting_reruns_its_stage_and_what_follows(
    workflow: Workflow, changes: dict, jobs: dict[str, int]
):
    assert workflow.planned(changes={"birds": changes}) == jobs


@pytest.mark.parametrize(
    ("name", "jobs"),
    [
        ("isic/evaluation/figures/localization.py", {"figure_localization": 1}),
        ("isic/evaluation/tables/table1.py", {"table1": 1}),
        ("isic/method/segmenter.py", SEGMENTER),
        ("isic/method/masks.py", MASKS),
        ("isic/method/nmf.py", DIRECTIONS),
    ],
)
def test_code_reruns_its_stage_and_what_follows(
    workflow: Workflow, name: str, jobs: dict[str, int]
):
    line = "from __future__ import annotations\n"
    with workflow.edited(name, line, f"{line}\nEDITED = True\n"):
        assert workflow.planned() == jobs


def test_the_code_of_one_command_reruns_that_stage(workflow: Workflow):
    line = "from __future__ import annotations\n"
    with workflow.edited("isic/commands/evaluation/boxes.py", line, f"{line}\nEDITED = True\n"):
        assert workflow.planned() == {**BOXES, "boxes": 4, "scores": 3}


def test_a_comment_reruns_nothing(workflow: Workflow):
    line = "from __future__ import annotations\n"
    with (
        workflow.edited("isic/method/nmf.py", line, f"{line}# A comment.\n"),
        workflow.edited("isic/storage/files.py", '"""', '"""Other words: '),
    ):
        assert workflow.planned() == {}
