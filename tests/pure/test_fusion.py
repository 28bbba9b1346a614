"""Properties of fused kernels and of the passes that tidy them."""

import random

from generator.synthesis import policy
from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.fusion import contained, private, serving_both
from generator.synthesis.names import Names
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.prune import prune
from generator.synthesis.tidy import simplified, tidy
from generator.synthesis.tree import Name
from generator.synthesis.walk import walk

OUT = Name("out", T.Array(T.F32, 1))
SRC = Name("src", T.Array(T.F32, 1))
THREAD = Name("i", T.I32)


def block() -> Block:
    rng = random.Random(0)
    return Block(rng, Names(rng))


def test_an_early_exit_ends_its_own_step_only() -> None:
    first, second = block(), block()
    first.set(OUT[THREAD], 1.0)
    with first.when(SRC[THREAD] > 2.0):
        first.ret()
    first.set(OUT[THREAD], 3.0)
    second.set(OUT[THREAD], 4.0)
    steps = contained([first.body, second.body])
    assert not any(isinstance(n, N.Return) for n in walk(steps))


def test_an_exit_before_anything_is_stored_is_the_threads_own() -> None:
    first, second = block(), block()
    with first.when(SRC[THREAD] > 2.0):
        first.ret()
    first.set(OUT[THREAD], 3.0)
    second.set(OUT[THREAD], 4.0)
    assert contained([first.body, second.body])[0] == first.body


def test_a_shared_array_takes_values_that_suit_both_steps() -> None:
    have = R.array("float32", (8,), R.uniform(0.0, 2.0), "in")
    want = R.array("float32", (8,), R.uniform(1.0, 4.0), "in")
    both = serving_both(have, want)
    assert both is not None
    assert (both["low"], both["high"]) == (1.0, 2.0)
    assert serving_both(have, R.array("float32", (8,), R.uniform(3.0, 4.0), "in")) is None


def test_an_array_that_others_add_to_is_not_private() -> None:
    b = block()
    b.set(OUT[THREAD], 1.0)
    assert private(b.body, "out")
    b.aug(OUT[THREAD], "+", 1.0)
    assert not private(b.body, "out")


def test_an_element_is_read_once() -> None:
    b = block()
    first = b.let("a", SRC[THREAD])
    second = b.let("b", SRC[THREAD])
    b.set(OUT[THREAD], first + second)
    tidy(b.body)
    assert len(b.body) == 2


def test_reads_on_both_sides_of_a_write_both_stay() -> None:
    b = block()
    first = b.let("a", OUT[THREAD])
    b.set(OUT[THREAD], 0.0)
    second = b.let("b", OUT[THREAD])
    b.set(OUT[THREAD], first + second)
    tidy(b.body)
    assert len(b.body) == 4


def test_signs_that_meet_become_one() -> None:
    b = block()
    x = b.let("x", SRC[THREAD])
    b.set(OUT[THREAD], (x + -x) * 1.0)
    simplified(b.body)
    value = b.body[-1].value  # type: ignore[union-attr]
    assert isinstance(value, N.Binary)
    assert value.op == "-"


def test_functions_that_only_a_derivative_names_are_kept() -> None:
    p = ProgramBuilder(random.Random(0), policy.Policy())
    f = p.func("f", {"x": T.F32}, lambda b, x: b.ret(x * x))
    p.func("g", {"x": T.F32}, lambda b, x: b.ret(x + x))
    k = p.kernel_builder("k")
    out = k.out("out", T.F32, (4,))
    x = k.scalar("x", T.F32, 1.0)
    k.set(out[0], N.Call(f"wp.grad({f.name})", (x,), (), T.F32))
    prune(k)
    assert [q.name for q in p.functions] == ["f"]
