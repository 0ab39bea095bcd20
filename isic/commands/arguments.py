"""Arguments that several commands take."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from isic.commands.options import File
from isic.settings.declare import Setting
from isic.settings.kinds import Crop, Seed
from isic.settings.sections import Images, Run

Index = Annotated[Path, File("index.csv: the images, their split and class.")]
ImagesFile = Annotated[Path, File("images~R.h5: the decoded images.")]
Truth = Annotated[Path, File("truth.csv: the true boxes.")]
TopK = Annotated[Path, File("topk.csv: the recognizer's best classes.")]
SourceRoot = Annotated[Path, File("Folder of the data set.")]
Layout = Annotated[
    Literal["folder", "cub", "imagenet", "pets", "openimages"], Setting("the data set's layout")
]
Output = Annotated[Path, File("File to write.", writes=True)]
Curves = Annotated[Path, File("CSV to write: losses by epoch.", writes=True)]
WeightsFile = Annotated[
    Path | None, File("State dict of the backbone, torchvision's or timm's; none: random weights.")
]
Shard = Annotated[int, Setting("which shard", least=0)]
Shards = Annotated[int, Setting("shards in all", least=1)]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What the trainings have in common besides their sections."""

    seed: Seed = 0
    crop: Crop = Images.crop
    deterministic: Annotated[bool, Setting("the same weights from the same seed on a GPU, too")] = (
        Run.deterministic
    )
    tensorboard: Annotated[
        Path | None, File("Folder for TensorBoard; none: no file.", writes=True)
    ] = None
