"""The exceptions that a person can do something about."""


class InputError(Exception):
    """Bad input: its message is one line that names the file or setting and the remedy."""


class WriteError(InputError):
    """The disk or folder did not take a file; its message is of the same kind."""
