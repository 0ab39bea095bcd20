"""Every setting of the workflow, declared once: the sections of config.yaml.

"paper" is Wei et al., ECCV 2022; "SPOL" is its baseline, Wei et al., CVPR 2021, which settles much
that the paper leaves open; docs/results/ has what was measured here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from isic.settings.declare import Setting
from isic.settings.kinds import (
    Backbone,
    BatchSize,
    Channels,
    Crop,
    Dropout,
    Gamma,
    Lam,
    Mirrored,
    Precision,
    Resize,
    Seed,
    Sigmoid,
    Store,
    Threads,
    Unreadable,
    Weights,
)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What stands at the top of a data set's settings."""

    seeds: Annotated[
        tuple[int, ...],
        Setting(
            "one whole run for each; tables give the mean, Tables 2 to 4 the deviation, too",
            least=0,
            most=4294967295,
        ),
    ] = (0,)
    gpus: Annotated[
        int, Setting("GPUs that train one network together; reruns nothing", least=1, most=1024)
    ] = 1
    threads: Threads = 4
    deterministic: Annotated[
        bool,
        Setting("the same weights from the same seed on a GPU, too, slower; the CPU always does"),
    ] = False


@dataclass(frozen=True, kw_only=True)
class Birds:
    """The generated data set."""

    genera: Annotated[int, Setting("groups of species that share the body", least=1, most=100)] = 3
    species: Annotated[
        int, Setting("species a genus; they differ in head and beak", least=1, most=100)
    ] = 3
    train_images: Annotated[int, Setting("training images a species", least=1)] = 40
    test_images: Annotated[int, Setting("test images a species", least=1)] = 20
    size: Annotated[int, Setting("longer side of an image in pixels", least=32, most=2048)] = 160
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Source(Birds):
    """Where the images come from."""

    type: Annotated[
        Literal["folder", "cub", "imagenet", "pets", "openimages", "birds"],
        Setting(
            "folder: CLASS/*.jpg, or train/CLASS/*.jpg and test/CLASS/*.jpg, boxes.csv or none; "
            "cub, imagenet, pets, openimages: the layout of that data set; birds: generated"
        ),
    ] = "folder"
    root: Annotated[
        str | None,
        Setting(
            "folder that holds the data set, if you have it",
            pattern=r"^(?!-)[^{}]*$",
            form="a folder without braces in its path, which Snakemake takes for wildcards, nor a "
            "leading dash",
            path=True,
        ),
    ] = None
    url: Annotated[
        tuple[str, ...] | None,
        Setting(
            "otherwise archives to download to data/, or to place there by hand",
            pattern=r"^https?://[^{}]+/[^/?#{}]+$",
            form="an address of a file, beginning with https:// or http://, without braces",
        ),
    ] = None
    checksum: Annotated[
        tuple[str, ...] | None,
        Setting(
            "of each archive: sha256:HEX or md5:HEX",
            pattern=r"^(sha256:[0-9a-f]{64}|md5:[0-9a-f]{32})$",
            form="sha256:HEX (64 digits) or md5:HEX (32 digits)",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Images:
    """The images as all stages see them."""

    resize: Resize = 256
    crop: Crop = 225
    unreadable: Unreadable = "error"
    store: Store = "pixels"
    shards: Annotated[
        int, Setting("jpeg: files that the images are kept in; a job each", least=1, most=1000)
    ] = 8


@dataclass(frozen=True, kw_only=True)
class Similarity:
    """Which classes look alike (Section 3.3)."""

    dimensions: Annotated[
        int, Setting("of an image's vector after PCA (paper 3.3)", least=1, most=4096)
    ] = 128


@dataclass(frozen=True, kw_only=True)
class Network:
    """A network with fused maps (Section 3.2)."""

    backbone: Backbone = "resnet50"
    weights: Weights = "ResNet50_Weights.IMAGENET1K_V1"
    channels: Channels = 128


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a network is trained: SGD with constant learning rates (Section 4.1)."""

    epochs: Annotated[
        int, Setting("passes over the training images (paper 4.1: 32 CUB, 5 ImageNet)", least=1)
    ] = 32
    learning_rate: Annotated[
        float, Setting("of the new layers, constant (paper 4.1)", above=0, most=10)
    ] = 0.02
    backbone_learning_rate: Annotated[
        float,
        Setting(
            "of the pretrained backbone; ours (docs/results/learning-rates.md)", least=0, most=10
        ),
    ] = 0.0005
    momentum: Annotated[float, Setting("of SGD, Nesterov's (SPOL)", least=0, below=1)] = 0.9
    weight_decay: Annotated[float, Setting("of SGD (SPOL)", least=0, most=1)] = 0.0001
    precision: Precision = "bf16"


@dataclass(frozen=True, kw_only=True)
class Classifier(Network, Training):
    """The classifier of the object-mask stage (Sections 3.2, 3.4)."""

    lam: Lam = 1.0
    gamma: Gamma = 0.3
    batches: Annotated[
        Literal["similar", "random"],
        Setting(
            "a batch's classes: near each other in S, or at random, the default with weights: none;"
            " the same in every arm"
        ),
    ] = "similar"
    dropout: Dropout = 0.5
    classes_per_batch: Annotated[
        int, Setting("P, classes a batch; P × K = 64 is SPOL's batch", least=1)
    ] = 16
    images_per_class: Annotated[int, Setting("K, images of a class in a batch", least=1)] = 4


@dataclass(frozen=True, kw_only=True)
class Features:
    """Feature maps, of which CAM and NMF maps are made."""

    mirrored: Mirrored = True
    shards: Annotated[
        int,
        Setting(
            "groups of classes; a job each for features, directions, masks", least=1, most=1000
        ),
    ] = 8
    on_disk: Annotated[
        int | None,
        Setting(
            "null: the maps are kept; a number: so many shards at a time, each deleted after its "
            "masks",
            least=1,
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Directions:
    """Rank-1 NMF of each class (Section 3.5)."""

    solver: Annotated[
        Literal["gram", "sklearn"],
        Setting("gram: exact, streaming; sklearn: iterative, the check on it"),
    ] = "gram"
    compress: Annotated[
        float,
        Setting(
            "exponent put on the features first: 1/3 makes the product of three scales their "
            "geometric mean, 1 is the paper's form (docs/results/units-and-thresholds.md)",
            above=0,
            most=1,
        ),
    ] = 0.3333


@dataclass(frozen=True, kw_only=True)
class Masks:
    """Pseudo-masks, in shares of the map's contrast (docs/results/units-and-thresholds.md)."""

    foreground: Annotated[float, Setting("object above this share; ours", above=0, below=1)] = 0.6
    background: Annotated[float, Setting("background below it; ours", above=0, below=1)] = 0.2
    undecided: Annotated[
        Literal["grabcut", "ignore"],
        Setting(
            "what lies between: GrabCut decides by the image's colours (Rother et al., 2004; "
            "docs/results/masks.md), or it is left out of the loss, with thresholds near each other"
        ),
    ] = "grabcut"


@dataclass(frozen=True, kw_only=True)
class Segmenter(Network, Training):
    """The class-agnostic segmenter (Section 3.6): what it does not say, the classifier does."""

    batch_size: BatchSize = 64


@dataclass(frozen=True, kw_only=True)
class Plain(Training):
    """A plain classification network: backbone, mean, linear layer."""

    backbone: Backbone = "resnet50"
    epochs: Annotated[
        int, Setting("passes over the training images; 0: the weights' own classes", least=0)
    ] = 32
    dropout: Dropout = 0.5
    batch_size: BatchSize = 64


@dataclass(frozen=True, kw_only=True)
class Recognizer(Plain):
    """The network that names the class (Section 3.1): trained as the classifier, if it says no
    more, on images of the same size."""

    backbone: Annotated[
        str | None,
        Setting(
            "a torchvision network (paper: EfficientNet-B7); null: the plain network of Table 1's "
            "CAM row serves, and nothing else of this section is used",
            pattern=r"^[a-z][a-z0-9_]*$",
            form="the name of a torchvision network, or null",
        ),
    ] = None  # type: ignore[assignment]  # null is what the others cannot be
    weights: Weights = "none"
    resize: Resize = 256
    crop: Crop = 225


@dataclass(frozen=True, kw_only=True)
class Boxes:
    """Thresholds of maps; chosen on training boxes (docs/results/icfs.md), never on test boxes."""

    cam: Annotated[
        float, Setting("share of the map's maximum: a plain network's CAM (Zhou et al., CVPR 2016)",
                       above=0, below=1)
    ] = 0.2  # fmt: skip
    fused: Annotated[
        float, Setting("share of the map's contrast: CAM and NMF of fused maps", above=0, below=1)
    ] = 0.38
    segmenter: Sigmoid = 0.5


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Protocols (docs/protocol.md)."""

    protocols: Annotated[
        tuple[Literal["crop", "resize", "original"], ...],
        Setting("each table has its rows for each; crop is the paper's (4.1)"),
    ] = ("crop", "resize", "original")
    without_box: Annotated[
        Literal["skip", "miss"],
        Setting(
            "images without a true box, of a set in which others have one: left out of the "
            "figures, since no box of theirs can be right or wrong, or counted as misses"
        ),
    ] = "skip"


@dataclass(frozen=True, kw_only=True)
class Tables:
    """What Tables 3 and 4 compare."""

    lam: Annotated[tuple[float, ...], Setting("λ (Table 3)", least=0, most=1000)] = (
        0,
        0.5,
        1.0,
        1.5,
    )
    gamma: Annotated[tuple[float, ...], Setting("γ (Table 4)", least=-1, most=1)] = (
        0.2,
        0.3,
        0.4,
        0.5,
    )


@dataclass(frozen=True, kw_only=True)
class Settings(Run):
    """All settings of one data set."""

    source: Source = field(default_factory=Source)
    images: Images = field(default_factory=Images)
    similarity: Similarity = field(default_factory=Similarity)
    classifier: Classifier = field(default_factory=Classifier)
    features: Features = field(default_factory=Features)
    directions: Directions = field(default_factory=Directions)
    masks: Masks = field(default_factory=Masks)
    segmenter: Segmenter = field(default_factory=Segmenter)
    recognizer: Recognizer = field(default_factory=Recognizer)
    boxes: Boxes = field(default_factory=Boxes)
    scores: Scores = field(default_factory=Scores)
    tables: Tables = field(default_factory=Tables)
