"""Exceptions whose names state the policy: what the command line does with each."""


class UsageError(Exception):
    """The command, the config or a path is wrong: one line on stderr, exit status 2."""


class DataError(Exception):
    """The data or the build is wrong: one line on stderr, exit status 1."""


class RejectProgram(Exception):
    """One program cannot be part of the dataset: counted by reason, the build goes on.

    Args:
        reason: a short stable identifier, used as a counter key.
        detail: one line for a person to read.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
