"""Unfinished trainings: saved as they go, and taken up where they stopped.

A checkpoint tells which training it is of (settings, versions, inputs, code) and serves that one
alone. It lies beside the file that the training will write, and goes when that is used
(`isic.provenance.records.forget_checkpoints`).
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from isic.process import rank
from isic.provenance.records import checkpoint_path
from isic.storage.files import atomic

DIGEST = 32  # bytes of SHA-256 that a file begins with: torch does not notice what changed in one


class Checkpoint:
    """The saved state of the training that writes `output`.

    Args:
        output: the file that the finished training will be.
        provenance: settings, code, versions and inputs, see `isic.provenance.records.provenance`.
    """

    def __init__(self, output: Path, provenance: Mapping[str, str]) -> None:
        self.path = checkpoint_path(output)
        self.identity = json.dumps(provenance, sort_keys=True)

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """The state that was saved last, tensors on `device`; None where there is none.

        A checkpoint of another training, or one that cannot be read, is left aside with a line
        that says so: to begin anew loses time, to mix two trainings loses the result.
        """
        if not self.path.exists():
            return None
        try:
            data = self.path.read_bytes()
            if hashlib.sha256(data[DIGEST:]).digest() != data[:DIGEST]:
                raise EOFError
            saved = torch.load(io.BytesIO(data[DIGEST:]), map_location=device, weights_only=True)
            state, identity = saved["state"], saved["identity"]
        except (OSError, RuntimeError, KeyError, TypeError, EOFError, pickle.UnpicklingError):
            print(f"warning: {self.path} is damaged; the training begins anew.")
            return None
        if identity != self.identity:
            print(
                f"{self.path} is of another training (settings, inputs, code or versions differ); "
                "this one begins anew."
            )
            return None
        return state

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace what was saved; of several processes the first does.

        `state` holds tensors, numbers, strings, lists, dictionaries.
        """
        if rank() > 0:
            return
        file = io.BytesIO()  # written to a full disk directly, torch would not say why it failed
        torch.save({"identity": self.identity, "state": dict(state)}, file)
        data = file.getvalue()
        with atomic(self.path) as part:
            part.write_bytes(hashlib.sha256(data).digest() + data)
