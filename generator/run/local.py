"""Worker processes on this machine.

Each worker is a spawned process that does one task at a time, over a pipe of its own. A worker that
is killed is noticed at once, its task is known and given to a new one; `multiprocess.Pool` would
wait for that task for ever. One worker is a process too: there is one way to run, a crash of native
code never takes the build down, and the parent stays small.
"""

import signal
import tempfile
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from os import _exit
from typing import Any, Generic, TypeVar

import multiprocess
from multiprocess import resource_tracker
from multiprocess.connection import Connection, wait

from generator.errors import DataError, UsageError

_ATTEMPTS = 3
_END_SECONDS = 5.0
_SPAWN = multiprocess.get_context("spawn")

Task = Callable[[Any], Any]  # called with the worker's context; its text names it
T = TypeVar("T", bound=Task)


@dataclass(frozen=True, slots=True)
class _Fault:
    """An error of our own making, as far as it crosses from one process to another."""

    summary: str
    trace: str


class TaskFailed(Exception):
    """A task raised what it should not have.

    Attributes:
        trace: the worker's traceback.
    """

    def __init__(self, task: Task, fault: _Fault) -> None:
        super().__init__(f"{task} failed: {fault.summary}")
        self.trace = fault.trace


class WorkerPool:
    """Spawned processes that do tasks; leaving the `with` block ends them at once.

    Args:
        workers: number of processes.
        make_context: called once in each of them; its result is what tasks are called with.
    """

    def __init__(self, workers: int, make_context: Callable[[], Any]) -> None:
        self._make_context = make_context
        # Workers are killed, so what they leave in temporary folders is for this process to remove.
        self._scratch = tempfile.TemporaryDirectory(prefix="warp-ir-", ignore_cleanup_errors=True)
        self._workers: list[_Worker] = []
        try:
            for _ in range(workers):
                self._workers.append(self._new_worker())
        except BaseException:  # Ctrl-C too: no process may be left to wait for at exit
            self.__exit__()
            raise

    def __enter__(self) -> "WorkerPool":
        return self

    def __exit__(self, *exc_info: object) -> None:
        for worker in self._workers:
            worker.end()
        self._scratch.cleanup()

    def _new_worker(self) -> "_Worker":
        return _Worker(self._make_context, self._scratch.name)

    def results(self, tasks: Iterable[T]) -> Iterator[tuple[T, Any]]:
        """Does the tasks and yields each with its result, as they come.

        The next task is drawn when a worker has nothing to do, so `tasks` may end whenever what
        came back is enough.

        Raises:
            DataError: a worker died again and again over one task.
            TaskFailed: a task raised an error that has no message for the user.
            UsageError, OSError: raised by a task.
        """
        queue = _Queue(tasks)
        doing: dict[_Worker, T] = {}
        while True:
            for worker in self._workers:
                if worker not in doing and (task := queue.next()) is not None:
                    doing[worker] = task
                    worker.give(task)
            if not doing:
                return
            for worker in _ready(doing):
                task = doing.pop(worker)
                try:
                    result = worker.connection.recv()
                except (EOFError, ConnectionError):
                    queue.give_back(task, self._replace(worker))
                else:
                    yield task, _unwrap(task, result)

    def _replace(self, dead: "_Worker") -> str:
        """Puts a new worker in the place of a dead one and says how that one ended."""
        status = dead.exit_status()
        dead.end()
        self._workers[self._workers.index(dead)] = self._new_worker()
        return status


def _ready(workers: Iterable["_Worker"]) -> Iterator["_Worker"]:
    """Waits until at least one of the workers has a result, or has died; those that do."""
    by_connection = {worker.connection: worker for worker in workers}
    for connection in wait(list(by_connection)):
        yield by_connection[connection]


class _Queue(Generic[T]):
    """Tasks to do, those first whose worker died."""

    def __init__(self, tasks: Iterable[T]) -> None:
        self._tasks = iter(tasks)
        self._again: deque[T] = deque()
        self._deaths: dict[str, int] = {}

    def next(self) -> T | None:
        return self._again.popleft() if self._again else next(self._tasks, None)

    def give_back(self, task: T, status: str) -> None:
        deaths = self._deaths[str(task)] = self._deaths.get(str(task), 0) + 1
        if deaths == _ATTEMPTS:
            raise DataError(
                f"a worker process ended with {status} in each of {_ATTEMPTS} attempts at {task}; "
                "if memory is short, use fewer workers; the same command goes on from here"
            )
        self._again.append(task)


class _Worker:
    """The parent's end of one process."""

    def __init__(self, make_context: Callable[[], Any], scratch: str) -> None:
        self.connection, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, make_context, scratch))
        with _interrupts_held():
            self._process.start()
        theirs.close()  # the pipe must break when the process ends

    def give(self, task: Task) -> None:
        with suppress(ConnectionError):  # it died while it had nothing to do: `recv` will tell
            self.connection.send(task)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self.connection.close()

    def exit_status(self) -> str:
        self._process.join(timeout=_END_SECONDS)  # its pipe breaks a moment before it ends
        code = self._process.exitcode
        if code is None:
            return "a broken pipe"
        return f"signal {-code}" if code < 0 else f"exit status {code}"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started meanwhile never see Ctrl-C, which is for the parent to answer."""
    # The first process of a pool starts the tracker, which would let the signal through again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _unwrap(task: Task, result: Any) -> Any:
    if isinstance(result, _Fault):
        raise TaskFailed(task, result)
    if isinstance(result, Exception):
        raise result
    return result


def _serve(connection: Connection, make_context: Callable[[], Any], scratch: str) -> None:
    """The life of a worker process."""
    tempfile.tempdir = scratch
    threading.Thread(target=_end_with_parent, daemon=True).start()
    context = make_context()
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        connection.send(_attempt(task, context))


def _attempt(task: Task, context: Any) -> Any:
    try:
        return task(context)
    except (UsageError, DataError) as error:
        return error
    except OSError as error:
        if error.errno is None:
            return OSError(str(error))
        return OSError(error.errno, error.strerror, error.filename)
    except Exception as error:
        return _Fault(f"{type(error).__name__}: {error}", traceback.format_exc())


def _end_with_parent() -> None:
    # What a killed build leaves behind must not write into the folder of the next one.
    multiprocess.parent_process().join()
    _exit(1)
