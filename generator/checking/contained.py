"""A process that may crash, hang, eat memory or print megabytes without harm to this one.

Not a sandbox against malice: programs come from our own synthesis, or from a dataset one trusts.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import multiprocess

from generator.errors import DataError
from generator.records import Verdict

_MESSAGE_BYTES = 1 << 24  # more than any answer has
_START_SECONDS = 120.0
_END_SECONDS = 5.0
_FAULTS: dict[int, tuple[str, str]] = {
    signal.SIGXFSZ: ("prints_too_much", "more output than its file may hold"),
    signal.SIGXCPU: ("timed_out", "the limit of CPU time"),
}


class Lost(Exception):
    """The process ended, or was ended, before it answered.

    Attributes:
        verdict: on what it was doing; None if it was killed from outside, for want of memory say.
    """

    def __init__(self, verdict: Verdict | None) -> None:
        super().__init__(f"{verdict.reason}: {verdict.detail}" if verdict else "it was killed")
        self.verdict = verdict


class Contained:
    """A child process that answers requests in JSON; started on demand, again after each loss.

    Its environment holds the import path and little else; it has no input, sets its own limits and
    leads a process group: Ctrl-C is for this process to answer. It ends when this one does.

    Args:
        module: name of the module whose `serve(descriptor)` is the child's life.
        seconds: how long each answer may take.
    """

    def __init__(self, module: str, seconds: float) -> None:
        self._module = module
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Contained":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.end()

    def ask(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The answers to a request, as they come; the last has the key `end`.

        Raises:
            DataError: the process doesn't start.
            Lost: it ended before the last answer. The next request starts another.
        """
        if self._process is None:
            self._start()
        self._send(request)
        while True:
            answer = self._receive(self._seconds)
            yield answer
            if "end" in answer:
                return

    def end(self) -> None:
        """Kills the process and all that it started."""
        if self._process is None:
            return
        self._kill()
        self._process.wait()
        self._process = None
        self._connection.close()
        self._output.close()
        self._folder.cleanup()

    def _start(self) -> None:
        self._connection, theirs = multiprocess.Pipe()
        # What a killed process leaves in its temporary folder goes too.
        self._folder = tempfile.TemporaryDirectory(prefix="warp-ir-")
        self._output = tempfile.TemporaryFile(dir=self._folder.name)  # noqa: SIM115
        code = f"import sys; from {self._module} import serve; serve(int(sys.argv[1]))"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code, str(theirs.fileno())],
            env={
                "PYTHONPATH": os.pathsep.join(sys.path),
                "TMPDIR": self._folder.name,
                "OPENBLAS_NUM_THREADS": "1",  # the machine's cores are the workers'
            },
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
            pass_fds=[theirs.fileno()],
            start_new_session=True,
        )
        theirs.close()
        try:
            self._receive(_START_SECONDS)
        except Lost as lost:
            raise DataError(f"the process that runs programs doesn't start: {lost}") from None

    def _send(self, request: dict[str, Any]) -> None:
        try:
            self._connection.send_bytes(json.dumps(request).encode())
        except OSError:  # it ended while it had nothing to do
            raise self._lost() from None

    def _receive(self, seconds: float) -> dict[str, Any]:
        late = threading.Event()

        def expire() -> None:
            late.set()
            self._kill()

        timer = threading.Timer(seconds, expire)
        timer.start()
        try:
            message = self._connection.recv_bytes(_MESSAGE_BYTES)
            answer: dict[str, Any] = json.loads(message)
        except (EOFError, OSError, ValueError):
            answer = {}
        timer.cancel()
        timer.join()
        if late.is_set():
            self.end()
            raise Lost(Verdict("failed", "timed_out", f"no answer in {seconds:g} s"))
        if not answer:
            raise self._lost()
        return answer

    def _kill(self) -> None:
        assert self._process is not None
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def _lost(self) -> Lost:
        assert self._process is not None
        try:
            status = self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            status = 0  # it lives, and says what makes no sense
        last = self._last_line()
        self.end()
        if status == -signal.SIGKILL:
            return Lost(None)
        if status < 0:
            reason, detail = _FAULTS.get(-status, ("crashed", f"signal {-status}"))
            return Lost(Verdict("failed", reason, detail))
        return Lost(Verdict("failed", "crashed", last or f"exit status {status}"))

    def _last_line(self) -> str:
        """What it wrote last, which after an exit of its own says why."""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - 4096))
        lines = self._output.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""
