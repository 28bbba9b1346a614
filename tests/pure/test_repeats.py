"""Neighbours that a kernel reads more than once get a local."""

import random

import pytest

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.policy import Policy
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.render import Renderer
from generator.synthesis.repeats import name_repeats
from generator.synthesis.style import draw
from generator.synthesis.tree import Expr, KernelDef, Module, Parameter


def _kernel(role: str) -> tuple[KernelBuilder, Expr]:
    k = ProgramBuilder(random.Random(1), Policy()).kernel_builder("smooth", "")
    u = k.array("u", T.F32, (16,), R.uniform(0.0, 1.0), role)
    i = k.let("i", wp.tid())
    k.launch_dim = (16,)
    right = u[wp.min(i + 1, 15)]
    if role == "inout":
        k.set(right, right * 2.0)
    k.set(k.out("gap", T.F32, (16,))[i], right * right - u[i])
    return k, right


def _text(k: KernelBuilder) -> str:
    kernel = KernelDef(k.name, [Parameter(a.name, a.type) for a in k.arguments], k.body, "")
    return Renderer(draw(random.Random(1), lambda _: False)).module(Module("", [], kernel))


def test_a_neighbour_read_twice_is_read_once_into_a_local() -> None:
    k, _ = _kernel("in")
    assert _text(k).count("wp.min(i + 1, 15)") == 2
    name_repeats(k)
    text = _text(k)
    assert text.count("wp.min(i + 1, 15)") == 1
    assert "gap[i] = u_ip * u_ip - u[i]" in text


def test_elements_of_a_written_array_are_read_where_they_stood() -> None:
    k, _ = _kernel("inout")
    name_repeats(k)
    assert "u_ip" not in _text(k)


@pytest.mark.parametrize("role", ["in", "inout"])
def test_naming_twice_changes_nothing_more(role: str) -> None:
    k, _ = _kernel(role)
    name_repeats(k)
    once = _text(k)
    name_repeats(k)
    assert _text(k) == once
