"""The exceptions that a person can do something about."""

from collections.abc import Mapping, Sequence

FEW = 3  # faults of a kind that are shown


class InputError(Exception):
    """Bad input: its message is one line that names the file or setting and the remedy."""


class WriteError(InputError):
    """The disk or folder did not take a file; its message is of the same kind."""


def some(image_ids: Sequence[str]) -> str:
    """How many images, and which, in a few words."""
    more = ", …" if len(image_ids) > 3 else ""
    return f"{len(image_ids)} images ({', '.join(image_ids[:3])}{more})"


def printable(name: str) -> str:
    """A file's name for people: bytes that are not UTF-8 as `\\xe9`, which shells take in $'…'."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def is_utf8(name: str) -> bool:
    """Whether a file's name can be written in UTF-8."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def listed(faults: Mapping[str, Sequence[str]], rows: int, noun: str = "rows") -> str:
    """All faults of a table: how many of its rows, and of each kind how many and the first places.

    Args:
        faults: by kind, the places, a row each.
        noun: what the rows are.
    """
    kinds = [
        f"{kind}: {len(places)} ({'; '.join(places[:FEW])}"
        f"{f'; and {len(places) - FEW} more' if len(places) > FEW else ''})"
        for kind, places in faults.items()
    ]
    wrong = sum(map(len, faults.values()))
    if wrong == 1:
        (kind, (place,)) = next(iter(faults.items()))
        return f"{kind} ({place})"
    return f"{wrong} of {rows} {noun} cannot be used: {'; '.join(kinds)}"
