"""One build at a time in a folder."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from generator.errors import UsageError

# How long to wait for the workers of a build that was just killed: they end soon after it.
_ORPHAN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class FolderLock:
    """A lock file that a build holds together with its workers.

    As long as one of them lives, even if the build itself does not, no other build gets it.
    """

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock for a build; makes the folder if need be.

        Raises:
            UsageError: another build holds it.
            OSError: the file can't be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        stream = self._acquire()
        try:
            stream.truncate(0)
            stream.write(str(os.getpid()))
            stream.flush()
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)  # so that workers can join
            yield
        finally:
            self.path.unlink(missing_ok=True)
            stream.close()

    def joined(self) -> IO[str]:
        """Holds the lock for a worker of the build that has it, until the stream is closed."""
        stream = self.path.open()
        fcntl.flock(stream, fcntl.LOCK_SH)
        return stream

    def holder(self) -> str | None:
        """Process id of the build that holds the lock, None if there is none."""
        try:
            with self.path.open() as stream:
                process = stream.read()
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return None
        except BlockingIOError:
            return process
        return None

    def _acquire(self) -> IO[str]:
        give_up = time.monotonic() + _ORPHAN_SECONDS
        while True:
            stream = self.path.open("a+")
            if self._locked(stream):
                return stream
            stream.close()
            if time.monotonic() > give_up:
                raise UsageError(
                    f"another build (process {self.holder()}) works in {self.path.parent}: "
                    "wait for it, or build into another folder"
                )
            time.sleep(0.05)

    def _locked(self, stream: IO[str]) -> bool:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The build before may have ended, and removed the file, between the open and the lock.
            return self.path.stat().st_ino == os.fstat(stream.fileno()).st_ino
        except (BlockingIOError, FileNotFoundError):
            return False
