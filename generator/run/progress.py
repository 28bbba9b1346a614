"""How far a build is, on standard error: a bar on a terminal, a line now and then elsewhere."""

import time
from collections import deque
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

_MIB = 1 << 20
_LINE_SECONDS = 30.0
_RATE_SECONDS = 60.0  # the rate is that of the last minute


class BuildProgress:
    """Shows `code` bytes against the target while programs are made.

    Args:
        target_bytes: UTF-8 bytes of `code` that each config is to reach.
    """

    def __init__(self, target_bytes: int) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._target_bytes = target_bytes
        self._seen = deque([(time.monotonic(), 0, 0)])  # time, rows, bytes
        self._last_line = time.monotonic()
        self._bar = Progress(
            TextColumn("generating"),
            BarColumn(bar_width=24),
            TextColumn("{task.description}", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=target_bytes)

    def __enter__(self) -> "BuildProgress":
        self._bar.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._bar.stop()

    def say(self, text: str) -> None:
        """Prints one line."""
        self._console.print(text, markup=False)

    def update(self, rows: int, code_bytes: int) -> None:
        """Shows the rows kept, and the bytes of `code` in the config that has fewer."""
        now = time.monotonic()
        self._seen.append((now, rows, code_bytes))
        while self._seen[1][0] < now - _RATE_SECONDS:
            self._seen.popleft()
        state = self._state()
        self._bar.update(self._task, completed=code_bytes, description=state)
        if self._bar.disable and now - self._last_line >= _LINE_SECONDS:
            self._last_line = now
            self.say(f"generating: {state}")

    def _state(self) -> str:
        then, rows_then, bytes_then = self._seen[0]
        now, rows, code_bytes = self._seen[-1]
        seconds = max(now - then, 1e-9)
        rate = (code_bytes - bytes_then) / seconds
        left = timedelta(seconds=round(max(self._target_bytes - code_bytes, 0) / max(rate, 1.0)))
        return (
            f"{rows:,} rows, {code_bytes / _MIB:.1f} of {self._target_bytes / _MIB:.1f} MiB, "
            f"{(rows - rows_then) / seconds:.0f} rows/s, {rate / _MIB:.2f} MiB/s, {left} left"
        )
