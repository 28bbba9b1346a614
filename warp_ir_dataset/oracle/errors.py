"""Why a program could not be replayed, or what it did wrong."""


class NotReplayable(Exception):
    """The program uses something that CPython has no answer for.

    Attributes:
        reason: a word or three joined by underscores, to be counted.
        detail: what it was.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class OutOfRange(Exception):
    """The program read or wrote outside of an array."""
