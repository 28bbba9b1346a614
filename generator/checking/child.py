"""The life of the process that runs programs: limits, then one job after another."""

import ctypes
import gc
import json
import math
import os
import resource
import select
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from multiprocess.connection import Connection

from generator.checking.execution import execute
from generator.checking.gradient import check_gradient
from generator.checking.replaying import replay
from generator.checking.subject import Subject, subject
from generator.errors import RejectProgram
from generator.lowering.warp_backend import ObjectCode, Session
from generator.records import Verdict

_OUTPUT_BYTES = 1 << 20  # of what a program may print
_FILE_BYTES = 1 << 26  # of any file: Warp compiles kernels of its own to make a volume
_MEMORY_BYTES = 1 << 30  # on top of what the process has when it starts

Answer = dict[str, Any]


def serve(descriptor: int) -> None:
    """Answers requests until the other end of the connection closes.

    Args:
        descriptor: file descriptor of the connection.
    """
    threading.Thread(target=_end_with_parent, args=(descriptor,), daemon=True).start()
    connection = Connection(descriptor)
    session = Session(80)  # nothing here is compiled for a GPU
    gc.freeze()
    _limit()
    jobs = _Jobs(session, connection)
    connection.send_bytes(b'{"ready": true}')
    while True:
        try:
            request = json.loads(connection.recv_bytes())
        except EOFError:
            return
        jobs.do(request)
        _forget_output()


class _Jobs:
    """Does jobs over one compile unit after another, which stays loaded until the next."""

    def __init__(self, session: Session, connection: Connection) -> None:
        self._session = session
        self._connection = connection
        self._loaded: tuple[object, ObjectCode] | None = None

    def do(self, request: dict[str, Any]) -> None:
        """Answers with the result of each check wanted, as soon as it is there."""
        _limit_cpu_time(request["cpu_seconds"])
        try:
            code = self._code(Path(request["object_file"]))
            names = ("python", "launch", "prefix", "has_adjoint")
            with subject(self._session, code, *(request[name] for name in names)) as program:
                for check in request["checks"]:
                    _limit_cpu_time(request["cpu_seconds"])
                    answer = _attempt(check, program)
                    self._answer(answer)
                    if check == "executed" and answer["verdict"][0] == "failed":
                        break
        except Exception as error:
            self._answer(_result(_verdict(error)))
        self._answer({"end": True})

    def _answer(self, answer: Answer) -> None:
        self._connection.send_bytes(json.dumps(answer).encode())

    def _code(self, path: Path) -> ObjectCode:
        status = path.stat()
        key = (path, status.st_ino, status.st_mtime_ns, status.st_size)
        if self._loaded is None or self._loaded[0] != key:
            if self._loaded:
                self._loaded[1].close()
                self._loaded = None
            self._loaded = key, ObjectCode(path)
        return self._loaded[1]


def _attempt(check: str, program: Subject) -> Answer:
    answer = _check(check, program)
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)  # what native code printed
    printed = os.fstat(1).st_size
    if printed > _OUTPUT_BYTES:
        return _result(Verdict("failed", "prints_too_much", f"{printed} bytes"))
    return answer


def _check(check: str, program: Subject) -> Answer:
    try:
        match check:
            case "executed":
                return _result(*execute(program))
            case "replayed":
                return _result(replay(program))
            case _:
                return _result(check_gradient(program))
    except Exception as error:
        return _result(_verdict(error))


def _verdict(error: Exception) -> Verdict:
    if isinstance(error, MemoryError) or isinstance(error.__context__, MemoryError):
        return Verdict("failed", "out_of_memory", str(error))
    if isinstance(error, RejectProgram):
        return Verdict("failed", error.reason, error.detail)
    line = " ".join(str(error).split())[:200]
    return Verdict("failed", "raised", f"{type(error).__name__}: {line}")


def _result(verdict: Verdict, outputs: dict[str, Any] | None = None) -> Answer:
    words = [verdict.outcome, verdict.reason, verdict.detail]
    return {"verdict": words, "outputs": outputs or {}}


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_FILE_BYTES, _FILE_BYTES))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # to Python a full file is an error like others
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _limit_cpu_time(seconds: int) -> None:
    """Lets the process compute so much longer: unlike wall time, the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def _forget_output() -> None:
    os.ftruncate(1, 0)
    os.lseek(1, 0, os.SEEK_SET)


def _end_with_parent(descriptor: int) -> None:
    # While native code runs, nothing else would notice that the parent is gone.
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    poll.poll()
    os._exit(1)
