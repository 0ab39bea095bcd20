"""The one grammar of arms, networks and runs: what they are called in paths and tables.

An *arm* is a classifier and all that follows from it: `lambda~1.0_gamma~0.3_seed~0`, or
`lambda~0_seed~0`, which does not depend on γ. A *network* is an arm or `plain_seed~0`, the plain
network. A *run* is a network with a kind of map: `lambda~0_seed~0_nmf`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from isic.settings.sections import Settings

ARM = r"lambda~0_seed~\d+|lambda~[\d.e-]+_gamma~[\d.e-]+_seed~\d+"
PLAIN = r"plain_seed~\d+"
KINDS = ("cam", "nmf", "segmenter")
ISIC = "ISIC (this run)"
WITHOUT_ICFS = "ISIC without ICFS (this run)"
# Rows of Table 2, and what Table 1 calls them.
ABLATION_ROWS: tuple[str, ...] = ("BASE", "BASE+ICFS", "BASE+NMF", "BASE+ICFS+NMF")
ABLATION_ROWS += ("BASE+NMF+SEG", "BASE+ICFS+NMF+SEG")
IN_TABLE_2 = {ISIC: "BASE+ICFS+NMF+SEG", WITHOUT_ICFS: "BASE+NMF+SEG"}
UNITS = {
    "cam": "of the maximum",
    "fused": "of the contrast",
    "segmenter": "of the sigmoid",
}


def arm(settings: Settings, seed: int, lam: float | None = None, gamma: float | None = None) -> str:
    """An arm's part of the path; λ and γ are the settings' where they are not given."""
    lam = settings.classifier.lam if lam is None else lam
    gamma = settings.classifier.gamma if gamma is None else gamma
    return f"lambda~{float(lam)}_gamma~{float(gamma)}_seed~{seed}" if lam else base(seed)


def base(seed: int) -> str:
    """The arm without ICFS."""
    return f"lambda~0_seed~{seed}"


def plain(seed: int) -> str:
    """The plain network."""
    return f"plain_seed~{seed}"


def values(network: str) -> dict[str, str]:
    """What an arm's or network's name says, as text: `seed`, and of an arm `lambda` and `gamma`."""
    return dict(part.split("~") for part in network.split("_") if "~" in part)


def is_plain(network: str) -> bool:
    return network.startswith("plain")


@dataclass(frozen=True)
class Heading:
    """How a run is called in the tables.

    Attributes:
        map: its name in the section `boxes`.
        network: the section of its network, `classifier` or `segmenter`.
    """

    model: str
    map: str
    network: str


def heading(network: str, kind: str) -> Heading:
    """How the run of a network and a kind of map is called."""
    if is_plain(network):
        return Heading("CAM", "cam", "classifier")
    icfs = "+ICFS" if values(network)["lambda"] != "0" else ""
    if kind == "segmenter":
        return Heading(ISIC if icfs else WITHOUT_ICFS, kind, kind)
    if kind == "nmf":
        return Heading(f"BASE{icfs}+NMF", "fused", "classifier")
    return Heading(f"BASE{icfs}", "fused", "classifier")


def threshold_rule(settings: Settings, network: str, kind: str) -> str:
    """How a run's threshold was chosen, in words."""
    name = heading(network, kind).map
    return f"fixed: {getattr(settings.boxes, name)} {UNITS[name]}"


def table1_runs(settings: Settings, seed: int) -> dict[str, str]:
    """Rows of Table 1 that need a network: CAM, BASE, ISIC."""
    return {
        "CAM": f"{plain(seed)}_cam",
        "BASE": f"{base(seed)}_cam",
        "ISIC": f"{arm(settings, seed)}_segmenter",
    }


def ablation_runs(settings: Settings, table: int, seed: int) -> list[str]:
    """Rows of Table 2 (components), 3 (λ) or 4 (γ); those of 3 and 4 are the classifier's CAM."""
    if table == 2:
        networks = base(seed), arm(settings, seed)
        return [f"{network}_{kind}" for kind in KINDS for network in networks]
    if table == 3:
        return [f"{arm(settings, seed, lam=lam)}_cam" for lam in settings.tables.lam]
    return [f"{arm(settings, seed, gamma=gamma)}_cam" for gamma in settings.tables.gamma]


def compared_arms(settings: Settings) -> Iterator[tuple[str, str]]:
    """Arms of Figures 4d and 4e: without ICFS and with it, all seeds; label and name."""
    for lam in dict.fromkeys((0, settings.classifier.lam)):
        for seed in settings.seeds:
            yield f"λ = {lam:g}", arm(settings, seed, lam=lam)


def figure_columns(settings: Settings) -> dict[str, str]:
    """Columns of Figure 5: the rows of Table 1, and before ISIC the maps of its masks."""
    seed = settings.seeds[0]
    runs = table1_runs(settings, seed)
    return {
        "CAM": runs["CAM"],
        "BASE": runs["BASE"],
        "NMF": f"{arm(settings, seed)}_nmf",
        "ISIC": runs["ISIC"],
    }
