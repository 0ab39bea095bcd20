"""What an artifact says of how it was made, and whether that still holds (`isic show`)."""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from isic.errors import InputError
from isic.provenance.digests import code_digest
from isic.provenance.records import fingerprint, is_untouched, read_record
from isic.storage.faults import reading
from isic.storage.hdf5 import open_hdf5

PARTS = ("command", "settings", "code", "versions", "inputs")


def read_provenance(path: Path) -> dict[str, Any]:
    """`command`, `settings`, `code`, `versions`, `inputs` of a file, see `artifacts.provenance`,
    and, where its record is beside it, its `fingerprint` when it was written.

    Raises:
        InputError: the file is missing, damaged, or does not say.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. Name a file that isic wrote.")
    record = read_record(path)
    if path.suffix == ".h5":
        with open_hdf5(path) as file:
            found = dict(file.attrs)
    elif path.suffix == ".safetensors":
        try:
            with reading(path), safe_open(path, framework="np") as file:
                found = json.loads((file.metadata() or {}).get("isic", "{}"))
        except (SafetensorError, OSError, ValueError) as error:
            raise InputError(
                f"{path}: is damaged, or of another program ({error}). "
                "Delete it and run the same command again."
            ) from error
        found = found.get("model", found)
    elif record:
        found = record
    else:
        beside = (folder / "predictions.json" for folder in path.parents)
        source = next(filter(Path.is_file, beside), None)
        try:
            found = json.loads(source.read_text(encoding="utf-8")) if source else {}
        except ValueError as error:
            raise InputError(f"{source}: is damaged. Make {path} again.") from error
    if not isinstance(found, dict) or not set(PARTS) <= set(found):
        raise InputError(
            f"{path}: does not say how it was made. Name a file of a run: HDF5, safetensors, or a "
            "CSV, JSON, PNG or HTML file with its record, .NAME.made.json, beside it."
        )
    return {
        name: json.loads(value)
        if name in ("settings", "versions", "inputs") and isinstance(value, str)
        else value
        for name, value in found.items()
        if name in PARTS
    } | ({"fingerprint": record["fingerprint"]} if record else {})


def report(path: Path, verify: bool = False) -> list[str]:
    """Lines that tell how a file was made, and what has changed since, seen from this folder.

    Args:
        verify: compare bytes also where length and time say that a file is as it was written.
    """
    made = read_provenance(path)
    lines = [f"{path}: {made['command']}"]
    if "fingerprint" in made and _fingerprint(path, verify) != made["fingerprint"]:
        lines.append("  CHANGED since it was written")
    lines += ["settings", *_table(made["settings"])]
    now = code_digest(made["command"])
    same = "as here" if made["code"] == now else f"here it is {now}"
    lines += ["code", f"  {made['code']} ({same})"]
    lines += ["versions", *_table({k: _version(k, v) for k, v in made["versions"].items()})]
    lines += [
        "inputs",
        *(f"  {name}: {_input(name, then, verify)}" for name, then in made["inputs"]),
    ]
    return lines


def _table(values: Mapping[str, Any]) -> list[str]:
    return [f"  {name}: {value}" for name, value in values.items() if value is not None]


def _version(package: str, then: str) -> str:
    now = importlib.metadata.version(package)
    return then if then == now else f"{then} (here {now})"


def _fingerprint(path: Path, verify: bool) -> str:
    """A file's fingerprint, as its record says where the file is as it was written."""
    record = {} if verify else read_record(path)
    return record["fingerprint"] if record and is_untouched(path, record) else fingerprint(path)


def _input(name: str, then: str | None, verify: bool) -> str:
    if then is None:
        return "a folder"
    if not Path(name).is_file():
        return f"{then} (not here)"
    now = _fingerprint(Path(name), verify)
    return f"{then} ({'unchanged' if now == then else 'CHANGED since'})"
