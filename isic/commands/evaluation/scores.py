"""isic scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from isic.commands.arguments import Index, Output, TopK, Truth
from isic.commands.options import File
from isic.errors import InputError
from isic.process import cores
from isic.settings.declare import Setting
from isic.settings.kinds import Crop, Resize, Seed
from isic.settings.sections import Images, Scores


def scores(
    index: Index,
    truth: Truth,
    topk: TopK,
    output: Output,
    settings: Scores,
    boxes: Annotated[Path | None, File("boxes.csv; without it trivial boxes are scored.")] = None,
    crop_boxes: Annotated[Path | None, File("crop_boxes.csv of the same run.")] = None,
    maps: Annotated[
        Path | None, File("maps.h5 of the run, for the oracle MaxBoxAcc and the masks.")
    ] = None,
    true_masks: Annotated[Path | None, File("true_masks.h5, for the figures of masks.")] = None,
    model: Annotated[str | None, Setting("the run's name in the tables")] = None,
    backbone: Annotated[str | None, Setting("of the run's network")] = None,
    threshold: Annotated[
        float | None,
        Setting("of boxes and masks, in the unit of maps; the oracles try it, too", least=0),
    ] = None,
    threshold_rule: Annotated[str | None, Setting("how the threshold was chosen, in words")] = None,
    seed: Seed = 0,
    lam: Annotated[float | None, Setting("λ of the network's training", least=0)] = None,
    gamma: Annotated[float | None, Setting("γ of it", least=-1, most=1)] = None,
    resize: Resize = Images.resize,
    crop: Crop = Images.crop,
) -> None:
    """Score one run's boxes under the named protocols; or boxes that look at nothing: the whole
    image, centred boxes."""
    from isic.data.index import read_index, read_truth
    from isic.data.true_masks import read_masks
    from isic.evaluation.scores import read_topk, score
    from isic.evaluation.trivial import score_trivial
    from isic.localization.boxes import read_boxes
    from isic.storage.files import write_json

    tables = read_index(index), read_truth(truth)
    protocols, without_box = settings.protocols, settings.without_box
    if boxes is None:
        trivial = score_trivial(
            *tables,
            read_topk(topk),
            protocols=protocols,
            without_box=without_box,
            resize=resize,
            crop=crop,
        )
        write_json(trivial, output)
        _say(trivial)
        return
    if not (crop_boxes and maps and model and backbone and threshold_rule):
        run = (crop_boxes, maps, model, backbone, threshold_rule)
        names = ("--crop-boxes", "--maps", "--model", "--backbone", "--threshold-rule")
        missing = next(name for name, value in zip(names, run, strict=True) if not value)
        raise InputError(f"--boxes needs {missing} of the same run, too.")
    if true_masks and threshold is None:
        raise InputError("--true-masks needs --threshold, too.")
    result = score(
        *tables,
        read_boxes(boxes),
        read_boxes(crop_boxes),
        read_topk(topk),
        maps=maps,
        fixed=threshold,
        masks=read_masks(true_masks) if true_masks else None,
        workers=cores(),
        model=model,
        backbone=backbone,
        threshold=threshold_rule,
        seed=seed,
        lam=lam,
        gamma=gamma,
        protocols=protocols,
        without_box=without_box,
        resize=resize,
        crop=crop,
    )
    write_json(result, output)
    _say([result])


def _say(results: Sequence[dict[str, Any]]) -> None:
    """What there is to know of the images that are scored, once."""
    for note in dict.fromkeys(result["note"] for result in results if "note" in result):
        print(f"note: {note}")
