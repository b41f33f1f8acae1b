"""What can go wrong, as a user sees it: one line on stderr and an exit code, never a traceback."""


class MidigenError(Exception):
    """A failure whose message is for the user: it names the file or the setting, and the remedy."""

    exit_code = 1


class UsageError(MidigenError):
    """The command line asks for something impossible."""

    exit_code = 2


class SkippedInputsError(MidigenError):
    """The work is done, but some inputs were left out and `--strict` was asked."""

    exit_code = 3
