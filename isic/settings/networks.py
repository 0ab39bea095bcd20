"""Which networks and weights torchvision and timm have, by their source text.

Importing either would cost seconds at every start. Where one is not installed (the jobs may run
elsewhere) nothing is found, and its names are not checked.
"""

from __future__ import annotations

import difflib
import importlib.util
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from isic.settings.kinds import LITE0, TIMM, TIMM_WEIGHTS, WEIGHTS


def network_conflicts(backbone: str, weights: str) -> Iterator[str]:
    """Backbone or weights that its library does not have, and weights of another backbone."""
    library, name = "torchvision", backbone
    if backbone.startswith(TIMM):
        library, name = "timm", backbone.removeprefix(TIMM)
        networks, tags = timm_names(name)
        own = sorted(f"{backbone}.{tag}" for tag in tags)
    else:
        networks, known = torchvision_names()
        own = sorted(one for one in known if _plain(one.partition("_Weights.")[0]) == _plain(name))
    match = WEIGHTS.fullmatch(weights) or TIMM_WEIGHTS.fullmatch(weights)
    if networks and name not in networks:
        close = difflib.get_close_matches(name, sorted(networks), n=1)
        hint = f"; did you mean {backbone.removesuffix(name)}{close[0]}?" if close else ""
        yield f"backbone: {library} has no network {name}{hint}"
    elif match and (
        weights.startswith(TIMM) != (library == "timm") or _plain(match[1]) != _plain(name)
    ):
        yield f"weights: {weights} is not of the backbone {backbone}"
    elif match and own and weights not in own:
        yield f"weights: {library} has no {weights}; for {backbone} it has {', '.join(own)}"


def _plain(name: str) -> str:
    """A network's name as its weights' class has it, but for capitals and underscores."""
    return name.lower().replace("_", "")


@cache
def torchvision_names() -> tuple[frozenset[str], frozenset[str]]:
    """Networks and weights of the installed torchvision."""
    text = _source("torchvision")
    networks = re.findall(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)", text, re.M)
    classes = re.findall(r"^class (\w+_Weights)\(WeightsEnum\):\n((?:[ \n].*\n?)*)", text, re.M)
    weights = {
        f"{name}.{member}"
        for name, body in classes
        for member in re.findall(r"^    (\w+) = Weights\(", body, re.M)
    }
    return frozenset(networks), frozenset(weights)


def timm_names(network: str) -> tuple[frozenset[str], frozenset[str]]:
    """Networks of the installed timm, and the tags of one network's weights."""
    text = _source("timm")
    networks = re.findall(r"\n@register_model\n(?:@.*\n)*def (\w+)", text)
    tags = re.findall(rf"""["']{network}\.(\w+)["']:""", text)
    own = [LITE0.rpartition(".")[2]] if LITE0.startswith(f"{TIMM}{network}.") else []
    return frozenset(networks), frozenset(tags + own) - {"untrained"}


@cache
def _source(package: str) -> str:
    """The source text of a package's models; nothing where it is not installed."""
    spec = importlib.util.find_spec(package)
    folders = (spec.submodule_search_locations or []) if spec else []
    paths = (path for folder in folders for path in sorted(Path(folder, "models").glob("*.py")))
    return "".join(path.read_text(encoding="utf-8") for path in paths)
