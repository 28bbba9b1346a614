"""Compares what a program's compiled code computes with what CPython does."""

from generator.checking.subject import Subject
from generator.records import Verdict
from warp_ir_dataset.oracle import replay_verdict


def replay(subject: Subject) -> Verdict:
    """The verdict on a program that was executed."""
    found = replay_verdict(subject.python, subject.launch, subject.outputs)
    return Verdict(found.outcome, found.reason, found.detail)
