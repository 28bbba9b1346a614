"""Replays a program in CPython, thread by thread: an oracle that needs no code generator."""

from warp_ir_dataset.oracle.agreement import Agreement, agreement
from warp_ir_dataset.oracle.errors import NotReplayable, OutOfRange
from warp_ir_dataset.oracle.machine import cut_dim, replay_python
from warp_ir_dataset.oracle.verdict import replay_verdict

__all__ = [
    "Agreement",
    "NotReplayable",
    "OutOfRange",
    "agreement",
    "cut_dim",
    "replay_python",
    "replay_verdict",
]
