"""Random streams of the population methods."""

from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def stream_state(p: ProgramBuilder, k: KernelBuilder, index: Expr) -> Expr:
    seed = k.scalar("seed|rng_seed|base_seed", T.I32, p.pick(1, 7, 42, 1234))
    if p.chance(0.4):
        step = k.scalar("iteration|generation|step", T.I32, p.pick(0, 3, 10))
        return k.let("state|rng|stream", wp.rand_init(seed + step, index))
    return k.let("state|rng|stream", wp.rand_init(seed, index))


def random_vector(n: int, state: Expr, gauss: bool = False) -> Expr:
    draw = wp.randn if gauss else wp.randf
    return construct(T.Vec(n), *(draw(state) for _ in range(n)))


def keep_in_bounds(p: ProgramBuilder, k: KernelBuilder, x: Expr, n: int) -> None:
    if p.chance(0.5):
        low, high = (
            k.quantity("lower|lb|x_min", T.Vec(n), [-2.0] * n),
            k.quantity("upper|ub|x_max", T.Vec(n), [2.0] * n),
        )
        k.set(x, wp.min(wp.max(x, low), high))
