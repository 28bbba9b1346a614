"""What workers do in the tests of the pool; a module of its own, since workers import it."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from generator.errors import DataError, UsageError
from generator.files import write_text

ERRORS = {
    "usage": UsageError("wrong key"),
    "data": DataError("damaged"),
    "full": OSError(28, "No space left on device", "x.arrow"),
    "bug": ZeroDivisionError("division by zero"),
}


def context() -> str:
    return "made"


@dataclass(frozen=True)
class Square:
    number: int

    def __call__(self, context: str) -> tuple[str, int]:
        return context, self.number**2


@dataclass(frozen=True)
class ProcessId:
    number: int

    def __call__(self, context: str) -> int:
        time.sleep(0.02)
        return os.getpid()


@dataclass(frozen=True)
class Fail:
    kind: str

    def __call__(self, context: str) -> None:
        raise ERRORS[self.kind]


@dataclass(frozen=True)
class Die:
    """Kills its process until `deaths` files lie in `folder`, then succeeds."""

    folder: Path
    deaths: int

    def __str__(self) -> str:
        return "unit 7"

    def __call__(self, context: str) -> int:
        died = len(list(self.folder.iterdir()))
        if died < self.deaths:
            (self.folder / str(died)).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return died


@dataclass(frozen=True)
class Hang:
    """Says which process it runs in, then never ends."""

    path: Path

    def __call__(self, context: str) -> None:
        write_text(self.path, str(os.getpid()))
        while True:
            time.sleep(1)


@dataclass(frozen=True)
class BlockedSignals:
    number: int

    def __call__(self, context: str) -> set[signal.Signals]:
        time.sleep(0.02)
        return signal.pthread_sigmask(signal.SIG_BLOCK, set())
