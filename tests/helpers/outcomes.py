"""Scores as tables are made of them."""

from isic.evaluation.tables.results import FIGURES


def result(model, seed=0, gt=90.0, protocols=("crop", "original"), **more):
    figures = {"top1_loc": gt - 20, "top5_loc": gt - 10, "gt_known": gt}
    return {
        "model": model,
        "backbone": "resnet18",
        "source": "measured",
        "seed": seed,
        "threshold": "fixed 0.2",
        "images": 100,
        "protocols": {protocol: figures for protocol in protocols},
    } | more


def outcome(model, seed=0, **texts):
    """A result with each image's outcomes: `crop="1101"`; λ and γ as numbers."""
    swept = {name: texts.pop(name) for name in ("lam", "gamma") if name in texts}
    found = {
        protocol: {name: 100 * text.count("1") / len(text) for name in FIGURES}
        | {f"{name}_hits": text for name in FIGURES}
        for protocol, text in texts.items()
    }
    images = len(next(iter(texts.values())))
    return result(model, seed, images=images, **swept) | {"protocols": found}


def difference(table, name, row=-1):
    """A difference of a row and its interval, as the table has it."""
    return table[[name, f"{name}_low", f"{name}_high"]].iloc[row].tolist()


NONE, ALL = "0" * 8, "1" * 8
ARMS = {
    "BASE": NONE,
    "BASE+ICFS": ALL,
    "BASE+NMF": ALL,
    "BASE+ICFS+NMF": ALL,
    "ISIC without ICFS (this run)": NONE,
    "ISIC (this run)": ALL,
}
