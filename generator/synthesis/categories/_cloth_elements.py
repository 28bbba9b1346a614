"""Springs and triangles of a cloth with their vertices."""

from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def open_elements(
    p: ProgramBuilder, k: KernelBuilder, singular: str, index: str
) -> tuple[Entities, Pool]:
    e = Entities(k, singular, count=p.pick(48, 60, 64, 72, 96, 120), index=index)
    return e, Pool(e, p.pick(24, 30, 36, 48, 64))


def open_triangles(
    p: ProgramBuilder, k: KernelBuilder, hint: str, *docs: str
) -> tuple[Entities, Pool, list[Expr]]:
    e, pool = open_elements(p, k, p.pick("triangle", "tri", "face"), "tid|t|tri|face")
    e.guard()
    ids = corners(e, hint, ["i|v0|a", "j|v1|b", "k_|v2|c"], pool.count)
    return e, pool, ids
