"""What the workflow claims of what follows from the networks: a shard's way, each run's maps,
threshold and name, the rows of the tables, the model, the figures.
"""

from __future__ import annotations

import json

import pytest
from dry_runs import BASE, DATASETS, ISIC, Find


def test_a_shard_goes_its_way_from_features_to_masks(command: Find) -> None:
    folder = f"own/{ISIC.format(3)}"
    own = DATASETS["own"]
    for shard in (0, 1):
        features, directions, masks = (
            f"{folder}/{stage}/{shard}.h5" for stage in ("features", "directions", "masks")
        )
        found = command("features", features)
        assert found.has({"shard": shard, "shards": 2})
        assert found.files(".safetensors") == [f"{folder}/classifier.safetensors"]
        found = command("directions", directions)
        assert found.has(own["directions"])
        assert found.files("/features/") == [features]
        found = command("masks", masks)
        assert found.has(own["masks"])
        assert found.files("/features/") == [features]
        assert found.files("/directions/") == [directions]


@pytest.mark.parametrize("seed", [3, 4])
def test_each_run_has_its_networks_maps_its_kinds_threshold_and_its_name(
    seed: int, command: Find
) -> None:
    base, isic, plain = BASE.format(seed), ISIC.format(seed), f"plain_seed~{seed}"
    for network, kind, file, threshold, name in (
        (plain, "cam", "recognizer", 0.21, "CAM"),
        (base, "cam", "classifier", 0.43, "BASE"),
        (isic, "cam", "classifier", 0.43, "BASE+ICFS"),
        (base, "nmf", "classifier", 0.43, "BASE+NMF"),
        (isic, "nmf", "classifier", 0.43, "BASE+ICFS+NMF"),
        (isic, "segmenter", "segmenter", 0.64, "ISIC (this run)"),
    ):
        run = f"own/{network}_{kind}"
        maps = command("maps", f"{run}/maps.h5")
        assert maps.has({"kind": kind})
        assert maps.files(".safetensors") == [f"own/{network}/{file}.safetensors"]
        directions = [f"own/{network}/directions/{shard}.h5" for shard in (0, 1)]
        assert maps.files("/directions/") == (directions if kind == "nmf" else [])
        assert command("boxes", f"{run}/boxes.csv").has({"threshold": threshold})
        scores = command("scores", f"{run}/scores.json")
        backbone = "resnet34" if kind == "segmenter" else "resnet18"
        assert scores.has({"model": name, "backbone": backbone, "seed": seed})
        assert str(threshold) in scores["threshold-rule"]
        values = {"lam": 0.5, "gamma": 0.25}
        without = {plain: ("lam", "gamma"), base: ("gamma",), isic: ()}[network]
        assert scores.has(values | {"lam": 0} if network == base else values, *without)
        files = [f"{run}/{name}" for name in ("boxes.csv", "crop_boxes.csv")]
        assert scores.files("boxes.csv") == files


def test_tables_have_their_rows_for_every_seed(command: Find) -> None:
    swept = "lambda~{}_gamma~{}_seed~{}_cam"
    rows = {"1": set(), "3": set(), "4": set()}
    for seed in (3, 4):
        base, isic = BASE.format(seed), ISIC.format(seed)
        rows["1"] |= {f"plain_seed~{seed}_cam", f"{base}_cam", f"{isic}_segmenter"}
        rows["3"] |= {f"{base}_cam", *(swept.format(lam, 0.25, seed) for lam in (0.5, 2.0))}
        rows["4"] |= {swept.format(0.5, gamma, seed) for gamma in (0.25, 0.45)}
    found = command("table", "own/table1.csv").files("/scores.json")
    assert set(found) == {f"own/{row}/scores.json" for row in (*rows["1"], "trivial")}
    for number in "34":
        ablation = command("table", f"own/table{number}.csv")
        assert number in ablation.words
        expected = {f"own/{row}/scores.json" for row in rows[number]}
        assert expected <= set(ablation.files("/scores.json"))
        others = set(ablation.files("/scores.json")) - expected
        assert others <= {f"own/{BASE.format(seed)}_cam/scores.json" for seed in (3, 4)}
    found = command("table", "own/table2.csv").files("/scores.json")
    for seed in (3, 4):
        for arm in (BASE.format(seed), ISIC.format(seed)):
            assert {f"own/{arm}_{kind}/scores.json" for kind in ("cam", "nmf")} <= set(found)
        assert f"own/{ISIC.format(seed)}_segmenter/scores.json" in found


def test_the_model_is_of_the_first_seed_and_has_the_segmenters_threshold(command: Find) -> None:
    found = command("model", "own/model.safetensors")
    assert f"own/{ISIC.format(3)}/segmenter.safetensors" in found.files(".safetensors")
    assert found.all("recognizer") == [f"results/own/{ISIC.format(3)}/classifier.safetensors"]
    assert found.has({"threshold": 0.64})
    found = command("model", "named/model.safetensors")
    assert found.all("recognizer") == ["results/named/recognizer/recognizer.safetensors"]


def test_the_figures_show_the_first_seeds_runs_and_every_seeds_curves(command: Find) -> None:
    drawn = command("figure localization", "own/figures/localization.png")
    for option, file in (("maps", "maps.h5"), ("boxes", "boxes.csv")):
        assert [column.split("=results/own/") for column in drawn.all(option)] == [
            ["CAM", f"plain_seed~3_cam/{file}"],
            ["BASE", f"{BASE.format(3)}_cam/{file}"],
            ["NMF", f"{ISIC.format(3)}_nmf/{file}"],
            ["ISIC", f"{ISIC.format(3)}_segmenter/{file}"],
        ]
    curves = command("figure loss-curves", "own/figures/loss_curves.png").all("curves")
    labels = {curve.rpartition("=results/own/")[::2] for curve in curves}
    assert labels == {
        (f"λ = {lam}", f"{arm.format(seed)}/curves.csv")
        for lam, arm in (("0", BASE), ("0.5", ISIC))
        for seed in (3, 4)
    }
    similar = command("figure similar-classes", "own/figures/similar_classes.png")
    assert similar.has({"gamma": 0.25})


def test_the_summary_shows_the_settings_of_its_data_set(command: Find) -> None:
    shown = json.loads(command("summary", "own/summary.html")["settings"])
    for name, section in DATASETS["own"].items():
        if isinstance(section, dict):
            assert shown[name].items() >= section.items()
        else:
            assert shown[name] == section
