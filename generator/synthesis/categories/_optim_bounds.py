"""Constraints on an updated variable."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._optimisers import Variable
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def constrain_step(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, new: Expr, old: Field
) -> None:
    match p.weighted({"none": 6, "box": 2, "step": 1, "norm": 1, "positive": 0.8, "given": 1}):
        case "box":
            low, high = k.param("lower|x_min|lo", 0.1, 0.6), k.param("upper|x_max|hi", 0.7, 2.0)
            k.set(new, v.each(lambda q: wp.clamp(q, -low, high), new))
        case "given" if v.width == 1:
            low, high = (
                e.field("lower|lb|x_low", p.real, R.uniform(-1.0, -0.2)),
                e.field("upper|ub|x_high", p.real, R.uniform(0.2, 1.0)),
            )
            if p.chance(0.5):
                k.set(new, wp.clamp(new, low.own, high.own))
            else:
                hits = k.out("active_bounds|num_clamped|at_bound", T.I32, (e.worlds or 1,))
                with k.when(any_of(new < low.own, new > high.own)):
                    k.set(new, wp.min(wp.max(new, low.own), high.own))
                    k.do(wp.atomic_add(hits, e.world if e.world is not None else 0, 1))
        case "step":
            limit = k.param("max_step|trust|step_limit", 0.05, 0.5)
            d = k.let("d|delta|move", new - old.own)
            size = k.let("size|len_d|step_len", v.size(d))
            with k.when(size > limit):
                k.set(new, old.own + d * (limit / size))
        case "norm" if v.width > 1:
            if p.chance(0.5):
                k.set(new, wp.normalize(new))
            else:
                radius = k.param("radius|ball|max_radius", 0.5, 1.5)
                size = k.let("size|len_x|r", wp.length(new))
                with k.when(size > radius):
                    k.aug(new, "*", radius / size)
        case "positive":
            floor = p.pick(0.0, 1e-4)
            k.set(new, v.each(lambda q: wp.max(q, floor), new))
