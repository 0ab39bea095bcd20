"""What a file's record holds."""

import hashlib
import json
import os
from pathlib import Path

from isic.provenance.records import fingerprint, provenance


def test_provenance(tmp_path: Path) -> None:
    # Shards of different stages have the same names: none may hide another.
    paths = [tmp_path / "features" / "0.h5", tmp_path / "directions" / "0.h5"]
    for path in paths:
        path.parent.mkdir()
        path.write_text(path.parent.name)
    found = provenance("masks", {"lam": 1.0, "backbone": "resnet18"}, paths)
    assert json.loads(found["settings"]) == {"lam": 1.0, "backbone": "resnet18"}
    assert json.loads(found["versions"]).keys() >= {"isic", "torch", "numpy"}
    for path in paths:
        assert fingerprint(path) in found["inputs"]
    assert fingerprint(paths[0]) == hashlib.sha256(b"features").hexdigest()[:16]
    assert found == provenance("masks", {"backbone": "resnet18", "lam": 1.0}, paths)
    assert str(tmp_path) not in "".join(found.values())
    assert all(isinstance(value, str) for value in found.values())
    os.utime(paths[0], (0, 0))  # a date is no content
    assert found == provenance("masks", {"lam": 1.0, "backbone": "resnet18"}, paths)
