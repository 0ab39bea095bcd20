"""The exceptions that a person can do something about."""

from collections.abc import Sequence


class InputError(Exception):
    """Bad input: its message is one line that names the file or setting and the remedy."""


class WriteError(InputError):
    """The disk or folder did not take a file; its message is of the same kind."""


def some(image_ids: Sequence[str]) -> str:
    """How many images, and which, in a few words."""
    more = ", …" if len(image_ids) > 3 else ""
    return f"{len(image_ids)} images ({', '.join(image_ids[:3])}{more})"
