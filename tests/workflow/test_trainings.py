"""What the workflow claims of the networks' commands: each has its own section's settings, and its
arm's λ, γ, seed and files.
"""

from __future__ import annotations

import pytest
from dry_runs import BASE, DATASETS, ISIC, NAMED, RECOGNIZER, VIEW, Command, Find

from isic.commands.running import COMPUTING
from isic.settings.sections import Classifier


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


def test_the_number_of_threads_reaches_all_that_computes_and_nothing_else(
    dry: list[Command],
) -> None:
    """So that a change of it makes that again, and no more."""
    found = {"own": "2", "named": "4", "given": "4"}
    assert {c.stage for c in dry} >= set(COMPUTING)
    for one in dry:
        expected = found[one.dataset] if one.stage in COMPUTING else None
        assert one["threads"] == expected, one.words


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
