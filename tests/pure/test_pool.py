"""Workers may fail, die or be killed; the pool loses no task, and nothing outlives a build."""

import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from pool_tasks import Die, Fail, Hang, ProcessId, Square, context

from generator.errors import DataError, UsageError
from generator.run.local import TaskFailed, WorkerPool


def test_every_task_is_done_once():
    with WorkerPool(2, context) as pool:
        results = dict(pool.results(map(Square, range(50))))
    assert results == {Square(number): ("made", number**2) for number in range(50)}


def test_work_is_shared_among_processes_other_than_this():
    with WorkerPool(2, context) as pool:
        processes = {process for _, process in pool.results(map(ProcessId, range(20)))}
    assert len(processes) == 2
    assert os.getpid() not in processes


def test_tasks_are_drawn_only_when_a_worker_is_free():
    drawn = []
    with WorkerPool(2, context) as pool:
        tasks = (drawn.append(number) or Square(number) for number in range(1000))
        done = list(islice(pool.results(tasks), 10))
    assert len(drawn) <= len(done) + 2


def test_a_pool_takes_one_batch_of_tasks_after_another():
    with WorkerPool(1, context) as pool:
        assert [result for _, result in pool.results([Square(2)])] == [("made", 4)]
        assert [result for _, result in pool.results([Square(3)])] == [("made", 9)]


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        ("usage", UsageError, "wrong key"),
        ("data", DataError, "damaged"),
        ("full", OSError, "No space left on device: 'x.arrow'"),
        ("bug", TaskFailed, "ZeroDivisionError: division by zero"),
    ],
)
def test_an_error_of_a_task_comes_back(kind, error, words):
    with WorkerPool(1, context) as pool, pytest.raises(error, match=words):
        list(pool.results([Fail(kind)]))


def test_an_unforeseen_error_carries_the_traceback():
    with WorkerPool(1, context) as pool, pytest.raises(TaskFailed) as failure:
        list(pool.results([Fail("bug")]))
    assert "pool_tasks.py" in failure.value.trace


@pytest.mark.parametrize("workers", [1, 2])
def test_the_task_of_a_killed_worker_is_done_by_another(tmp_path, workers):
    tasks = [Square(1), Die(tmp_path, deaths=2), Square(2)]
    with WorkerPool(workers, context) as pool:
        results = dict(pool.results(tasks))
    assert results == {tasks[0]: ("made", 1), tasks[1]: 2, tasks[2]: ("made", 4)}


def test_a_task_that_always_kills_its_worker_ends_the_build(tmp_path):
    with (
        WorkerPool(2, context) as pool,
        pytest.raises(DataError, match=r"signal 9 in each of 3 attempts at unit 7"),
    ):
        list(pool.results([Die(tmp_path, deaths=99)]))


SCRIPT = """
import sys, pathlib
sys.path[:0] = {path!r}
from pool_tasks import Hang, context
from generator.run.local import WorkerPool

if __name__ == "__main__":
    with WorkerPool(1, context) as pool:
        list(pool.results([Hang(pathlib.Path(sys.argv[1]))]))
"""


def test_workers_of_a_killed_process_end(tmp_path):
    started, script = tmp_path / "started", tmp_path / "script.py"
    script.write_text(SCRIPT.format(path=sys.path))
    with subprocess.Popen([sys.executable, script, started]) as process:
        wait_until(started.exists)
        process.send_signal(signal.SIGKILL)
    wait_until(lambda: not running(int(started.read_text())))


def test_every_worker_is_started_with_ctrl_c_held():
    script = "; ".join(
        [
            f"import sys; sys.path[:0] = {sys.path!r}",
            "from pool_tasks import BlockedSignals, context",
            "from generator.run.local import WorkerPool",
            "pool = WorkerPool(2, context)",
            "print([2 in held for _, held in pool.results(map(BlockedSignals, range(6)))])",
            "pool.__exit__()",
        ]
    )  # a process of its own: here the pool's tracker has long been started
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str([True] * 6)


def test_leaving_the_pool_ends_its_workers(tmp_path):
    started = tmp_path / "started"
    with WorkerPool(1, context) as pool:
        pool._workers[0].give(Hang(started))
        wait_until(started.exists)
    assert not running(int(started.read_text()))


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, though nobody has asked how
