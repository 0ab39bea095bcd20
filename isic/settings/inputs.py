"""The files that a job takes, where they depend on the settings: paths below `results`.

Functions from the settings of one data set, its name and the wildcards' values to paths.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from isic.errors import InputError
from isic.settings import runs
from isic.settings.jobs import topk_view
from isic.settings.kinds import TIMM, named_weights
from isic.settings.sections import Settings
from isic.storage.layouts import Files


def paths(pattern: str, values: Iterable[object], name: str, **wildcards: object) -> list[str]:
    """The paths of a pattern for each value of one wildcard."""
    return [pattern.format(**wildcards, **{name: value}) for value in values]


def from_archives(own: Settings) -> bool:
    """Whether a data set is downloaded."""
    return own.source.type != "birds" and not own.source.root


def archives(datasets: Mapping[str, Settings]) -> dict[str, tuple[str, str]]:
    """Address and checksum of each archive of the data sets, by its file's name.

    Raises:
        InputError: two archives of different addresses have one name.
    """
    found: dict[str, tuple[str, str]] = {}
    for dataset, own in datasets.items():
        if from_archives(own):
            for url, checksum in zip(own.source.url or (), own.source.checksum or (), strict=True):
                name = url.rpartition("/")[2]
                if found.setdefault(name, (url, checksum)) != (url, checksum):
                    raise InputError(
                        f"datasets.{dataset}.source.url: {url} would be kept as data/{name}, as "
                        f"{found[name][0]} is. Unpack it into a folder, and name that as root."
                    )
    return found


def source_archives(own: Settings, dataset: str) -> list[str]:
    names = [url.rpartition("/")[2] for url in own.source.url or ()]
    return paths(Files.archive, names, "archive")


def source_root(own: Settings, dataset: str) -> str:
    """Folder of the data set: the user's own, or the one that a rule makes.

    Raises:
        InputError: the user's folder is not there.
    """
    root = own.source.root
    if own.source.type == "birds" or not root:
        return Files.source.format(dataset=dataset)
    if not Path(root).is_dir():
        raise InputError(
            f"datasets.{dataset}.source.root: no folder {root}{unexpanded(root)}. "
            "Put the data set there, or name the folder that holds it."
        )
    return root


def unexpanded(path: str) -> str:
    """A word on what a shell would have put in place of a part of a path."""
    return " (variables are not expanded)" if "$" in path else ""


def check_origin(own: Settings, dataset: str) -> None:
    """See that the results of this name are of this data set.

    Raises:
        InputError: they are of another one, whose folder is there.
    """
    origin = Path(Files.origin.format(dataset=dataset))
    root = Path(source_root(own, dataset))
    try:
        found = json.loads(origin.read_text(encoding="utf-8"))
        before = Path(os.path.normpath(os.path.realpath(origin.parent) + f"/{found['root']}"))
    except (OSError, ValueError, TypeError, KeyError):  # not indexed yet
        return
    if before.is_dir() and not (root.is_dir() and before.samefile(root)):
        raise InputError(
            f"results/{dataset}: is of {_shown(before)}, and datasets.{dataset}.source is now "
            f"{_shown(root)}. Give this set another name (isic init --name NAME); or, if it is the "
            f"same set at another place, delete {origin}."
        )


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    here = os.path.relpath(path)
    return str(path) if here.startswith("..") else here


def made_source(own: Settings, dataset: str) -> list[str]:
    """The folder of a data set that a rule makes: made again, it is indexed again."""
    root = source_root(own, dataset)
    return [] if root == own.source.root else [root]


def weights(chosen: str, setting: str) -> list[str]:
    """The file of pretrained weights, or nothing for `none`.

    Raises:
        InputError: it is a user's file and not there.
    """
    if chosen == "none":
        return []
    if named_weights(chosen):
        pattern = Files.timm_weights if chosen.startswith(TIMM) else Files.weights
        return [pattern.format(weights=chosen)]
    if not Path(chosen).is_file():
        raise InputError(
            f"{setting}: no file {chosen}{unexpanded(chosen)}. Put a state dict there, give a name "
            "(ResNet50_Weights.IMAGENET1K_V1, timm/resnet50.a1_in1k), which is downloaded, or none."
        )
    return [chosen]


def image_shards(own: Settings, dataset: str, resize: object) -> list[str]:
    count = range(own.images.shards)
    return paths(Files.image_shard, count, "shard", dataset=dataset, resize=resize)


def packed(own: Settings, dataset: str) -> str:
    """The images at the size of all stages but a recognizer with a size of its own."""
    return Files.images.format(dataset=dataset, resize=own.images.resize)


def similarity_classifier(own: Settings, dataset: str) -> list[str]:
    """Without pretrained weights, the λ = 0 classifier's own vectors take their place."""
    if own.classifier.weights != "none":
        return []
    return [Files.classifier.format(dataset=dataset, arm=runs.base(own.seeds[0]))]


def classifier_similarity(own: Settings, dataset: str, arm: str) -> list[str]:
    """Similar classes matter to the loss where λ > 0, and to all arms' batches where these go by
    S."""
    if own.classifier.batches == "random" and runs.values(arm)["lambda"] == "0":
        return []
    return [Files.similarity.format(dataset=dataset)]


def shards(own: Settings, pattern: str, dataset: str, arm: str) -> list[str]:
    """An arm's files of all shards."""
    return paths(pattern, range(own.features.shards), "shard", dataset=dataset, arm=arm)


def earlier_masks(own: Settings, dataset: str, arm: str, shard: str) -> list[str]:
    """The masks whose features make room for this shard's."""
    earlier = int(shard) - (own.features.on_disk or 0)
    return [Files.masks.format(dataset=dataset, arm=arm, shard=earlier)] if earlier >= 0 else []


def topk_images(own: Settings, dataset: str) -> str:
    """The images at the size that the network which names the classes is made for."""
    return Files.images.format(dataset=dataset, resize=topk_view(own).resize)


def topk_network(own: Settings, dataset: str) -> str:
    """The recognizer, or the plain network where the settings name none."""
    if own.recognizer.backbone:
        return Files.recognizer.format(dataset=dataset)
    return Files.plain.format(dataset=dataset, seed=own.seeds[0])


def map_network(own: Settings, dataset: str, network: str, kind: str) -> str:
    """The network whose maps a run has."""
    if runs.is_plain(network):
        return Files.plain.format(dataset=dataset, seed=runs.values(network)["seed"])
    pattern = Files.segmenter if kind == "segmenter" else Files.classifier
    return pattern.format(dataset=dataset, arm=network)


def map_directions(own: Settings, dataset: str, network: str, kind: str) -> list[str]:
    return shards(own, Files.directions, dataset, network) if kind == "nmf" else []


def scores(dataset: str, names: Iterable[str]) -> list[str]:
    """Scores of runs, of each once."""
    return paths(f"{Files.run}/scores.json", dict.fromkeys(names), "run", dataset=dataset)


def table_scores(own: Settings, dataset: str, table: int | str) -> list[str]:
    """Scores of the rows of a table that need a network, all seeds."""
    if int(table) == 1:
        names = [run for seed in own.seeds for run in runs.table1_runs(own, seed).values()]
    else:
        names = [run for seed in own.seeds for run in runs.ablation_runs(own, int(table), seed)]
    return scores(dataset, names)


def table1_scores(own: Settings, dataset: str) -> list[str]:
    return table_scores(own, dataset, 1)


def baseline_scores(own: Settings, dataset: str, table: int | str) -> list[str]:
    """Scores of BASE, to which Tables 2 to 4 state each row's difference, where it is no row."""
    rows = table_scores(own, dataset, table)
    base = scores(dataset, (f"{runs.base(seed)}_cam" for seed in own.seeds))
    return [path for path in base if path not in rows]


def compared_curves(own: Settings, dataset: str) -> list[tuple[str, str]]:
    """Curves of Figures 4d and 4e, label and path."""
    return [
        (label, Files.curves.format(dataset=dataset, arm=arm))
        for label, arm in runs.compared_arms(own)
    ]


def curve_files(own: Settings, dataset: str) -> list[str]:
    return [path for _, path in compared_curves(own, dataset)]


def figure_maps(own: Settings, dataset: str) -> dict[str, str]:
    """Maps of the columns of Figure 5, by label."""
    return _figure_files(own, dataset, "maps.h5")


def figure_boxes(own: Settings, dataset: str) -> dict[str, str]:
    """Boxes of the columns of Figure 5, by label."""
    return _figure_files(own, dataset, "boxes.csv")


def _figure_files(own: Settings, dataset: str, name: str) -> dict[str, str]:
    columns = runs.figure_columns(own).items()
    return {label: f"{Files.run.format(dataset=dataset, run=run)}/{name}" for label, run in columns}


def figure_files(own: Settings, dataset: str) -> list[str]:
    """What Figure 5 draws."""
    return [*figure_maps(own, dataset).values(), *figure_boxes(own, dataset).values()]


def model_arm(own: Settings) -> str:
    """The arm whose segmenter the model has, and whose pseudo-masks are looked at."""
    return runs.arm(own, own.seeds[0])


def model_files(own: Settings, pattern: str, dataset: str) -> list[str]:
    """That arm's files, of all shards if it has any."""
    return list(dict.fromkeys(shards(own, pattern, dataset, model_arm(own))))


def model_folder(own: Settings, dataset: str) -> str:
    return Files.run.format(dataset=dataset, run=model_arm(own))


def checked_features(own: Settings, dataset: str) -> list[str]:
    """Feature maps, to look at an image at several thresholds, where they are kept."""
    kept = own.features.on_disk is None
    return model_files(own, Files.features, dataset) if kept else []


def model_recognizer(own: Settings, dataset: str) -> str:
    """The recognizer, or, where the settings name none, the classifier: it is there already."""
    if own.recognizer.backbone:
        return Files.recognizer.format(dataset=dataset)
    return Files.classifier.format(dataset=dataset, arm=model_arm(own))
