"""The segmenter as an ONNX file, for programs that have no torch (Section 3.6)."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from isic.data.batches import MEAN, STD
from isic.errors import InputError
from isic.networks.files import Model
from isic.storage.files import atomic

TOLERANCE = 1e-4  # of the sigmoid, between ONNX Runtime and torch
TRIED = ((1, 0), (3, 0), (2, 32))  # batch, and pixels above the side that the model was trained at


class Sigmoid(nn.Module):
    """Images as they are, 0 … 1, to the segmenter's map: normalisation and sigmoid included."""

    mean: Tensor
    std: Tensor

    def __init__(self, segmenter: nn.Module) -> None:
        super().__init__()
        self.segmenter = segmenter
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])
        self.register_buffer("std", torch.tensor(STD)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, H, W) float32 RGB, 0 … 1 → (n, h, w) float32, 0 … 1."""
        return torch.sigmoid(self.segmenter((images - self.mean) / self.std)[1][:, 0])


def export_onnx(model: Model, path: Path) -> float:
    """Write the segmenter as ONNX, batch and size left open, and check it against torch.

    Input `images`: float32 (n, 3, H, W), RGB, 0 … 1; output `maps`: float32 (n, h, w), the sigmoid.
    The file's metadata has the side to resize images to, and the threshold.

    Returns:
        The largest difference from torch on the batches and sizes tried.

    Raises:
        InputError: onnx or ONNX Runtime is not installed, or the two differ by more than 1e-4.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401, torch's exporter needs it
    except ImportError as error:
        raise InputError(
            f"the export needs {error.name}: pip install onnx onnxscript onnxruntime"
        ) from error
    network = Sigmoid(model.segmenter).eval().cpu()
    side = int(model.settings["crop"])
    example = torch.rand(2, 3, side, side)
    sizes = {0: torch.export.Dim("n"), 2: torch.export.Dim("H"), 3: torch.export.Dim("W")}
    with atomic(path) as part:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                network,
                (example,),
                dynamo=True,
                input_names=["images"],
                output_names=["maps"],
                dynamic_shapes={"images": sizes},
                verbose=False,
            )
        assert program is not None  # dynamo gives one
        program.save(part)
        proto = onnx.load(part)
        facts = {"side": side, "threshold": model.settings["threshold"]}
        facts |= {
            "input": "RGB, 0 to 1, resized to side x side",
            "isic": json.dumps(model.metadata),
        }
        for key, value in facts.items():
            proto.metadata_props.add(key=key, value=str(value))
        onnx.checker.check_model(proto, full_check=True)
        onnx.save(proto, part)
        worst = difference(part, network, side)
        if worst > TOLERANCE:
            raise InputError(
                f"{path}: ONNX Runtime differs from torch by {worst:.1e}, more than {TOLERANCE}."
            )
    return worst


def difference(path: Path, network: Sigmoid, side: int) -> float:
    """The largest difference between an ONNX file, run by ONNX Runtime, and a network on the CPU.

    Random images, in batches and sizes about `side` other than that of the export; infinite where
    the maps have another shape.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    rng = torch.Generator().manual_seed(1)
    worst = 0.0
    for batch, more in TRIED:
        images = torch.rand(batch, 3, side + more, side + more // 2, generator=rng)
        with torch.inference_mode():
            expected = network(images).numpy()
        found = session.run(["maps"], {"images": images.numpy()})[0]
        if found.shape != expected.shape:
            return float("inf")
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst
