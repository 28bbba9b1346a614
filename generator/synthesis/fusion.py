"""Fused kernels: several steps of one kind of work, done by the same threads in one launch.

A category writes one step at a time. In a fused program the second step is written into the kernel
of the first: it adopts its threads, reads the arrays and parameters that mean the same, and shares
helper functions that came out equal.
"""

import re
from typing import Any

from generator.synthesis import tree as N


class CannotFuse(Exception):
    """The next step cannot run on the threads of the ones before; the program ends without it."""


def overlap(hint: str, other: str) -> bool:
    """Whether two hints share an alternative, and so can mean the same quantity."""
    return not set(hint.split("|")).isdisjoint(other.split("|"))


def usable(have: dict[str, Any], want: dict[str, Any]) -> bool:
    """Whether values made by one array recipe suit where another was asked for."""
    keys = ("dtype", "shape", "role")
    if have["kind"] != "array" or any(have[k] != want[k] for k in keys) or have["role"] != "in":
        return False
    if have["fill"] != want["fill"]:
        return False
    if "low" in want and "high" in want:
        return bool(have["low"] >= want["low"] and have["high"] <= want["high"])
    return all(have[k] == v for k, v in want.items())


def same_function(a: N.FunctionDef, b: N.FunctionDef) -> bool:
    """Whether two functions are equal up to the names in them."""
    return _anonymous(a) == _anonymous(b)


def _anonymous(f: N.FunctionDef) -> str:
    order: dict[str, str] = {q.name: f"p{i}" for i, q in enumerate(f.params)}
    text = repr(([q.type for q in f.params], f.returns, f.body, f.native))
    return re.sub(r"id='(\w+)'", lambda m: order.setdefault(m[1], f"n{len(order)}"), text)
