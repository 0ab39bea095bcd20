"""The one exception for input that a person can mend."""


class InputError(Exception):
    """Bad input: its message is one line that names the file or setting and the remedy."""
