"""What the workflow claims of the commands it starts: each with its own section's settings, its
arm's λ, γ, seed and files, its kind's threshold. All are read off one dry run."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from isic.settings.sections import Classifier

ROOT = Path(__file__).parents[2]
VIEW = {"resize": 80, "crop": 65}
NAMED = "ResNet18_Weights.IMAGENET1K_V1", "ResNet34_Weights.IMAGENET1K_V1"
RECOGNIZER = {
    "backbone": "resnet50",
    "weights": "ResNet50_Weights.IMAGENET1K_V2",
    "resize": 96,
    "crop": 90,
}
DATASETS = {
    # Two seeds, nothing pretrained, and no value that a default or another section has.
    "own": {
        "source": {"type": "birds"},
        "images": VIEW,
        "seeds": [3, 4],
        "deterministic": True,
        "similarity": {"dimensions": 9},
        "classifier": {
            "backbone": "resnet18",
            "weights": "none",
            "batches": "random",
            "channels": 24,
            "lam": 0.5,
            "gamma": 0.25,
            "epochs": 5,
            "learning_rate": 0.03,
            "backbone_learning_rate": 0.004,
            "momentum": 0.7,
            "weight_decay": 0.002,
            "dropout": 0.3,
            "classes_per_batch": 3,
            "images_per_class": 5,
            "precision": "bf16",
        },
        "features": {"shards": 2},
        "directions": {"solver": "sklearn", "compress": 0.4},
        "masks": {"foreground": 1.7, "background": 0.6},
        "segmenter": {
            "backbone": "resnet34",
            "weights": "none",
            "channels": 12,
            "epochs": 6,
            "learning_rate": 0.05,
            "backbone_learning_rate": 0.006,
            "momentum": 0.6,
            "weight_decay": 0.003,
            "batch_size": 7,
            "precision": "float32",
        },
        "boxes": {"cam": 0.21, "fused_cam": 0.82, "nmf": 1.23, "segmenter": 0.64},
        "scores": {"protocols": ["crop", "original"]},
        "tables": {"lam": [0, 0.5, 2.0], "gamma": [0.25, 0.45]},
    },
    # Pretrained, with a recognizer of its own that is trained, on two GPUs.
    "named": {
        "source": {"type": "birds"},
        "images": VIEW,
        "gpus": 2,
        "classifier": {"backbone": "resnet18", "weights": NAMED[0], "precision": "bf16"},
        "segmenter": {"backbone": "resnet34", "weights": NAMED[1]},
        "features": {"shards": 2},
        "recognizer": {**RECOGNIZER, "epochs": 4, "batch_size": 11, "precision": "float32"},
    },
    # The recognizer as it is downloaded.
    "given": {
        "source": {"type": "birds"},
        "images": VIEW,
        "classifier": {"backbone": "resnet18", "weights": NAMED[0]},
        "segmenter": {"backbone": "resnet34", "weights": NAMED[1]},
        "recognizer": {**RECOGNIZER, "epochs": 0},
    },
}
TARGETS = {
    "own": ("all", "table1.csv", "table2.csv", "table3.csv", "table4.csv", "predictions/boxes.csv"),
    "named": ("table1.csv", "predictions/boxes.csv"),
    "given": ("table1.csv", "predictions/boxes.csv"),
}
BASE, ISIC = "lambda~0_seed~{}", "lambda~0.5_gamma~0.25_seed~{}"


class Command:
    """One command that the workflow would start."""

    def __init__(self, line: str) -> None:
        self.words = shlex.split(line.partition(" 2>&1")[0])
        stage = self.words.index("isic") + 1
        self.stage = " ".join(self.words[stage : stage + 1 + (self.words[stage] == "figure")])

    def all(self, option: str) -> list[str]:
        """The values of an option that may be repeated."""
        following = zip(self.words, self.words[1:], strict=False)
        return [word for name, word in following if name == f"--{option}"]

    def __getitem__(self, option: str) -> str | None:
        """The value of an option, or None."""
        return next(iter(self.all(option)), None)

    def files(self, name: str) -> list[str]:
        """The files it is given, without the folder `results`, whose path has this in it."""
        return [word.removeprefix("results/") for word in self.words if name in word]

    def has(self, settings: dict, *without: str) -> bool:
        """Whether it is given all these settings, and none of those without."""
        for name, value in settings.items():
            found = self[name.replace("_", "-")]
            if name in without:
                assert found is None, f"{name} {found}"
            else:
                assert found is not None, f"no {name}"
                assert found == value if isinstance(value, str) else float(found) == value, name
        return True


Find = Callable[[str, str], Command]


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Find:
    """Gives the command of a stage in which a file below results stands."""
    folder = tmp_path_factory.mktemp("dry")
    (folder / "sets.yaml").write_text(yaml.safe_dump({"datasets": DATASETS}), encoding="utf-8")
    run = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "2"]
    run += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    run += [f"results/{name}/{target}" for name, files in TARGETS.items() for target in files]
    run += ["--configfile", str(folder / "sets.yaml")]
    done = subprocess.run(
        run, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout
    lines = re.findall(r"^Shell command: (.*\bisic .*)$", done.stdout, re.M)
    commands = [Command(line) for line in lines]

    def find(stage: str, path: str) -> Command:
        (found,) = (c for c in commands if c.stage == stage and f"results/{path}" in c.words)
        return found

    return find


def classifier(command: Find, arm: str, dataset: str = "own") -> Command:
    return command("classifier", f"{dataset}/{arm}/classifier.safetensors")


@pytest.mark.parametrize("seed", [3, 4])
def test_a_classifier_is_trained_with_its_arms_values_and_its_sections(
    seed: int, command: Find
) -> None:
    section = DATASETS["own"]["classifier"]
    arms = {
        BASE: {"lam": 0, "gamma": None},
        ISIC: {},
        "lambda~2.0_gamma~0.25_seed~{}": {"lam": 2.0},  # of Table 3
        "lambda~0.5_gamma~0.45_seed~{}": {"gamma": 0.45},  # of Table 4
    }
    for arm, swept in arms.items():
        found = classifier(command, arm.format(seed))
        without = [name for name, value in swept.items() if value is None]
        assert found.has(section | swept, "weights", *without)
        assert found.has({"seed": seed, "crop": 65})
        assert "--deterministic" in found.words


@pytest.mark.parametrize("seed", [3, 4])
def test_the_segmenter_has_its_own_section_and_its_arms_masks(seed: int, command: Find) -> None:
    for arm in (BASE.format(seed), ISIC.format(seed)):
        found = command("segmenter", f"own/{arm}/segmenter.safetensors")
        assert found.has(DATASETS["own"]["segmenter"], "weights")
        assert found.has({"seed": seed, "crop": 65})
        assert "--deterministic" in found.words
        assert found.files("/masks/") == [f"own/{arm}/masks/{shard}.h5" for shard in (0, 1)]


def test_the_plain_network_is_trained_as_the_classifier_is(command: Find) -> None:
    section = DATASETS["own"]["classifier"]
    fusion = ("weights", "channels", "lam", "gamma", "batches")
    for seed in (3, 4):
        found = command("recognizer", f"own/plain_seed~{seed}/recognizer.safetensors")
        assert found.has(section, *fusion, "classes_per_batch", "images_per_class")
        assert found.has({"seed": seed, "crop": 65, "batch_size": 15})
        assert "--deterministic" in found.words


def test_a_recognizer_of_its_own_has_its_own_view(command: Find) -> None:
    for dataset in ("named", "given"):
        section = DATASETS[dataset]["recognizer"]
        settings = {name: section[name] for name in section if name not in ("weights", "resize")}
        found = command("recognizer", f"{dataset}/recognizer/recognizer.safetensors")
        assert found.has(settings | {"seed": 0})
        assert found.files("/images~") == [f"{dataset}/images~96.h5"]
        topk = command("topk", f"{dataset}/topk.csv")
        assert topk.has({"crop": 90})
        assert topk.files("/images~") == [f"{dataset}/images~96.h5"]
        assert topk.files(".safetensors") == [f"{dataset}/recognizer/recognizer.safetensors"]
        plain = command("recognizer", f"{dataset}/plain_seed~0/recognizer.safetensors")
        assert plain.has({"crop": 65})
        assert plain.files("/images~") == [f"{dataset}/images~80.h5"]
    topk = command("topk", "own/topk.csv")
    assert topk.has({"crop": 65})
    assert topk.files("/images~") == ["own/images~80.h5"]
    assert topk.files(".safetensors") == ["own/plain_seed~3/recognizer.safetensors"]


def test_only_for_a_network_that_is_not_trained_the_training_images_are_left_out(
    command: Find,
) -> None:
    for dataset, size, tested in (
        ("own", 80, False), ("named", 96, False), ("given", 80, False), ("given", 96, True)
    ):  # fmt: skip
        found = command("images", f"{dataset}/images~{size}.h5")
        assert found.has({"resize": size})
        assert ("--tested" in found.words) == tested


def test_networks_are_applied_in_the_precision_of_their_section(command: Find) -> None:
    arm = ISIC.format(4)
    for stage, path, precision in (
        ("features", f"own/{arm}/features/1.h5", "bf16"),
        ("maps", f"own/{arm}_cam/maps.h5", "bf16"),
        ("maps", f"own/{arm}_nmf/maps.h5", "bf16"),
        ("maps", "own/plain_seed~4_cam/maps.h5", "bf16"),
        ("maps", f"own/{arm}_segmenter/maps.h5", "float32"),
        ("topk", "own/topk.csv", "bf16"),
        ("topk", "named/topk.csv", "float32"),
        ("model", "own/model.safetensors", "float32"),
        ("model", "named/model.safetensors", "bf16"),
    ):
        assert command(stage, path).has({"precision": precision}), path
    assert command("model", "own/model.safetensors").has({"recognizer_precision": "bf16"})
    assert command("model", "named/model.safetensors").has({"recognizer_precision": "float32"})


def test_networks_are_applied_to_the_view_they_were_trained_on(command: Find) -> None:
    arm = ISIC.format(4)
    for stage, path in (
        ("similarity", "own/similarity.h5"),
        ("features", f"own/{arm}/features/0.h5"),
        *(("maps", f"own/{arm}_{kind}/maps.h5") for kind in ("cam", "nmf", "segmenter")),
        ("scores", f"own/{arm}_cam/scores.json"),
        ("scores", "own/trivial/scores.json"),
        ("model", "own/model.safetensors"),
    ):
        assert command(stage, path).has({"crop": 65}), path
    for stage, path in (
        ("scores", f"own/{arm}_cam/scores.json"),
        ("scores", "own/trivial/scores.json"),
        ("model", "own/model.safetensors"),
    ):
        assert command(stage, path).has({"resize": 80}), path
    for stage, path in (
        ("scores", f"own/{arm}_cam/scores.json"),
        ("scores", "own/trivial/scores.json"),
    ):
        assert command(stage, path)["protocols"] == "crop,original"
    assert command("model", "own/model.safetensors").has(
        {"recognizer_resize": 80, "recognizer_crop": 65}
    )
    assert command("model", "named/model.safetensors").has(
        {"recognizer_resize": 96, "recognizer_crop": 90, **VIEW}
    )


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
        assert found.has(own["masks"] | {"size": 80})
        assert found.files("/features/") == [features]
        assert found.files("/directions/") == [directions]


@pytest.mark.parametrize("seed", [3, 4])
def test_each_run_has_its_networks_maps_its_kinds_threshold_and_its_name(
    seed: int, command: Find
) -> None:
    base, isic, plain = BASE.format(seed), ISIC.format(seed), f"plain_seed~{seed}"
    for network, kind, file, threshold, name in (
        (plain, "cam", "recognizer", 0.21, "CAM"),
        (base, "cam", "classifier", 0.82, "BASE"),
        (isic, "cam", "classifier", 0.82, "BASE+ICFS"),
        (base, "nmf", "classifier", 1.23, "BASE+NMF"),
        (isic, "nmf", "classifier", 1.23, "BASE+ICFS+NMF"),
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


def test_weights_are_those_of_the_section(command: Find) -> None:
    for dataset in ("named", "given"):
        for stage, path, name in (
            ("similarity", "similarity.h5", NAMED[0]),
            ("classifier", "lambda~0_seed~0/classifier.safetensors", NAMED[0]),
            ("recognizer", "plain_seed~0/recognizer.safetensors", NAMED[0]),
            ("recognizer", "recognizer/recognizer.safetensors", RECOGNIZER["weights"]),
        ):
            found = command(stage, f"{dataset}/{path}")
            assert found.all("weights") == [f"results/weights/{name}.pth"], path
        assert command("similarity", f"{dataset}/similarity.h5").has({"backbone": "resnet18"})
        assert not command("similarity", f"{dataset}/similarity.h5").all("classifier")
    arm = f"lambda~{Classifier.lam}_gamma~{Classifier.gamma}_seed~0"
    found = command("segmenter", f"named/{arm}/segmenter.safetensors")
    assert found.all("weights") == [f"results/weights/{NAMED[1]}.pth"]
    for stage, path in (
        ("classifier", f"own/{ISIC.format(3)}/classifier.safetensors"),
        ("segmenter", f"own/{ISIC.format(3)}/segmenter.safetensors"),
        ("recognizer", "own/plain_seed~3/recognizer.safetensors"),
        ("similarity", "own/similarity.h5"),
    ):
        assert not command(stage, path).all("weights")


def test_without_pretrained_weights_the_first_seeds_baseline_says_what_is_similar(
    command: Find,
) -> None:
    similarity = command("similarity", "own/similarity.h5")
    assert similarity.all("classifier") == [f"results/own/{BASE.format(3)}/classifier.safetensors"]
    assert similarity.has({"dimensions": 9, "backbone": None}, "backbone")
    for seed in (3, 4):
        assert not classifier(command, BASE.format(seed)).all("similarity")
        found = classifier(command, ISIC.format(seed)).all("similarity")
        assert found == ["results/own/similarity.h5"]


def test_several_gpus_train_together_and_apply_alone(command: Find) -> None:
    for stage, path, together in (
        ("classifier", "named/lambda~0_seed~0/classifier.safetensors", True),
        ("recognizer", "named/plain_seed~0/recognizer.safetensors", True),
        ("recognizer", "named/recognizer/recognizer.safetensors", True),
        ("topk", "named/topk.csv", False),
        ("classifier", f"own/{BASE.format(3)}/classifier.safetensors", False),
    ):
        words = command(stage, path).words
        assert (words[:4] == ["python", "-m", "isic.training.launch", "2"]) == together, path
        assert ("isic.training.launch" in words) == together


def test_the_model_is_of_the_first_seed_and_has_the_segmenters_threshold(command: Find) -> None:
    found = command("model", "own/model.safetensors")
    assert f"own/{ISIC.format(3)}/segmenter.safetensors" in found.files(".safetensors")
    assert found.all("recognizer") == [f"results/own/{ISIC.format(3)}/classifier.safetensors"]
    assert found.has({"threshold": 0.64})
    found = command("model", "named/model.safetensors")
    assert found.all("recognizer") == ["results/named/recognizer/recognizer.safetensors"]


def test_the_figures_show_the_first_seeds_runs_and_every_seeds_curves(command: Find) -> None:
    columns = command("figure localization", "own/figures/localization.png").all("run")
    assert [column.split("=results/own/") for column in columns] == [
        ["CAM", "plain_seed~3_cam"],
        ["BASE", f"{BASE.format(3)}_cam"],
        ["NMF", f"{ISIC.format(3)}_nmf"],
        ["ISIC", f"{ISIC.format(3)}_segmenter"],
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
