"""A stage run by hand does what the workflow does where the settings say nothing."""

from __future__ import annotations

import shlex

import click
import pytest

from isic.cli import isic
from isic.settings import jobs, runs
from isic.settings.check import check

OWN = check({"datasets": {"mine": {"source": {"root": "photos"}}}})["mine"]
BIRDS = check({"datasets": {"mine": {"source": {"type": "birds"}}}})["mine"]
ARM = runs.arm(OWN, 0)
# The options that the workflow gives with nothing set. What names a run, or a file, has no default.
GIVEN = {
    "birds": jobs.source(BIRDS),
    "index": jobs.index(OWN),
    "truth": jobs.truth(OWN),
    "images": jobs.images(OWN, OWN.images.resize),
    "similarity": jobs.similarity(OWN),
    "classifier": jobs.classifier(OWN, ARM),
    "directions": jobs.directions(OWN),
    "masks": jobs.masks(OWN),
    "segmenter": jobs.segmenter(OWN, ARM),
    "recognizer": jobs.plain(OWN, 0),
    "topk": jobs.topk(OWN),
    "maps": jobs.maps(OWN, ARM, "segmenter"),
    "scores": jobs.view(OWN),
    "model": jobs.model(OWN),
    "figure similarity": jobs.gamma(OWN),
    "figure similar-classes": jobs.gamma(OWN),
    "features": jobs.features(OWN, 0),
}
# What a hand gives by intent, and what stands in the settings for a whole set of jobs.
OWN_WAY = {"features": {"shards"}, "maps": {"kind"}}


def options(stage: str) -> dict[str, click.Parameter]:
    name, _, figure = stage.partition(" ")
    command = isic.get_command(click.Context(isic), name)
    if figure:
        assert isinstance(command, click.Group)
        command = command.commands[figure]
    assert command is not None
    return {flag: one for one in command.params for flag in (*one.opts, *one.secondary_opts)}


@pytest.mark.parametrize("stage", GIVEN)
def test_defaults_are_the_workflows(stage: str) -> None:
    known, words = options(stage), shlex.split(GIVEN[stage])
    compared = 0
    while words:
        flag = words.pop(0)
        one = known[flag]
        if isinstance(one, click.Option) and one.is_flag:
            given: object = flag in one.opts
        else:
            given = one.type.convert(words.pop(0), one, None)
        if flag.lstrip("-") not in OWN_WAY.get(stage, ()):
            assert one.default == given, f"{stage} {flag}: by hand {one.default}"
            compared += 1
    assert compared
