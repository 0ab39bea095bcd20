"""Curves for TensorBoard, read back with its own reader."""

from pathlib import Path

import pytest

from isic.training.curves import event_log

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")


def curves(folder: Path) -> dict[str, list[tuple[int, float]]]:
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    return {
        tag: [(event.step, pytest.approx(event.value)) for event in events.Scalars(tag)]
        for tag in events.Tags()["scalars"]
    }


def test_the_stages_of_an_arm_are_one_run(tmp_path: Path) -> None:
    arm = tmp_path / "lambda~0_seed~0"
    with event_log(arm, "classifier") as log:
        log(1, {"loss": 2.0, "accuracy": 0.25})
        log(2, {"loss": 1.5, "accuracy": 0.5})
    with event_log(arm, "segmenter") as log:
        log(1, {"loss": 0.7})
    assert curves(arm) == {
        "classifier/loss": [(1, 2.0), (2, 1.5)],
        "classifier/accuracy": [(1, 0.25), (2, 0.5)],
        "segmenter/loss": [(1, 0.7)],
    }


def test_a_training_made_again_replaces_its_curves_and_no_others(tmp_path: Path) -> None:
    for stage, loss in (("classifier", 3.0), ("segmenter", 4.0), ("classifier", 1.0)):
        with event_log(tmp_path, stage) as log:
            log(1, {"loss": loss})
    assert curves(tmp_path) == {"classifier/loss": [(1, 1.0)], "segmenter/loss": [(1, 4.0)]}


def test_no_folder_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with event_log(None, "classifier") as log:
        log(1, {"loss": 1.0})
    assert not list(tmp_path.iterdir())
