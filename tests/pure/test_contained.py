"""Whatever a contained process does, its parent gets an answer or a verdict, and goes on."""

import os
import signal

import pytest

from generator.checking.contained import Contained, Lost
from generator.errors import DataError
from generator.records import Verdict


@pytest.fixture
def contained():
    with Contained("contained_children", 5.0) as contained:
        yield contained


def pid(contained: Contained) -> int:
    [answer] = contained.ask({"do": "tell"})
    return answer["pid"]


def lost(contained: Contained, **request: object) -> Verdict | None:
    with pytest.raises(Lost) as caught:
        list(contained.ask(request))
    return caught.value.verdict


def test_answers_come_in_order_from_one_process(contained):
    answers = list(contained.ask({"do": "count", "to": 3}))
    assert [answer.get("number") for answer in answers] == [0, 1, 2, None]
    assert pid(contained) == pid(contained)


def test_a_process_sees_no_environment_but_the_import_path(contained, monkeypatch):
    monkeypatch.setenv("SECRET", "1")
    [answer] = contained.ask({"do": "tell"})
    known = {"PYTHONPATH", "TMPDIR", "OPENBLAS_NUM_THREADS", "LC_CTYPE"}
    assert set(answer["environment"]) <= known


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (signal.SIGSEGV, "crashed"),
        (signal.SIGABRT, "crashed"),
        (signal.SIGXCPU, "timed_out"),
        (signal.SIGXFSZ, "prints_too_much"),
    ],
)
def test_a_signal_is_told_and_another_process_takes_over(contained, number, reason):
    before = pid(contained)
    verdict = lost(contained, do="signal", number=number)
    assert (verdict.outcome, verdict.reason) == ("failed", reason)
    assert pid(contained) != before


def test_an_exit_is_told_in_its_own_words(contained):
    assert lost(contained, do="exit") == Verdict("failed", "crashed", "out of words")


def test_a_kill_from_outside_is_no_verdict(contained):
    assert lost(contained, do="signal", number=signal.SIGKILL) is None


def test_a_process_killed_between_requests_is_no_verdict(contained):
    os.kill(pid(contained), signal.SIGKILL)
    assert lost(contained, do="tell") is None
    assert pid(contained)


@pytest.mark.parametrize("deed", ["sleep", "stammer"])
def test_a_process_that_does_not_answer_is_ended(deed):
    with Contained("contained_children", 1.0) as contained:
        before = pid(contained)
        assert lost(contained, do=deed).reason == "timed_out"
        with pytest.raises(ProcessLookupError):
            os.kill(before, 0)


def test_an_answer_without_sense_ends_the_process(contained):
    assert lost(contained, do="babble").reason == "crashed"


def test_a_process_that_does_not_start_is_one_line():
    with (
        Contained("no_such_module", 5.0) as contained,
        pytest.raises(DataError, match=r"doesn't start.*No module named 'no_such_module'"),
    ):
        list(contained.ask({}))


def test_nothing_is_left_behind(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Contained("contained_children", 5.0) as contained:
        child = pid(contained)
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)
