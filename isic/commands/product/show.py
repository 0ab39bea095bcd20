"""isic show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from isic.commands.options import File
from isic.settings.declare import Setting


def show(
    file: Annotated[Path, File("A file that isic wrote.")],
    verify: Annotated[bool, Setting("compare bytes, not length and time alone")] = False,
) -> None:
    """Tell by which command, settings, code, versions and inputs a file was made.

    And whether the file, the code, the versions and the inputs, as far as they are here, are still
    the same.
    """
    from isic.provenance.show import report

    print("\n".join(report(file, verify)))
