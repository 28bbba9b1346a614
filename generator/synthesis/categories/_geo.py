"""Triangle meshes as arrays: index layouts, corners, and one-rings."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

IVEC3 = T.Vec(3, T.I32)


class Triangles:
    """Vertex positions and triangle indices, in one of the layouts of the field."""

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        faces: int,
        *,
        vertices: int = 0,
        layout: str = "",
        spread: float = 1.0,
    ) -> None:
        self.p = p
        self.k = k
        self.count = vertices or p.pick(64, 80, 100, 128)
        self.layout = layout or p.weighted({"vec3i": 3, "flat": 3, "table": 2})
        hints = ("points|vertices|positions|x|verts", "indices|faces|triangles|tri_indices")
        fill = R.integers(0, self.count)
        self.points: Expr = k.array(hints[0], p.vec(), (self.count,), R.uniform(-spread, spread))
        match self.layout:
            case "vec3i":
                self.table = k.array(hints[1], IVEC3, (faces,), fill)
            case "flat":
                self.table = k.array(hints[1], T.I32, (3 * faces,), fill)
            case _:
                self.table = k.array(hints[1], T.I32, (faces, 3), fill)

    def ids(self, f: Expr) -> list[Expr]:
        """Indices of the corners of a face, as locals."""
        words = self.p.pick(
            ("i0", "i1", "i2"), ("i", "j", "k"), ("ia", "ib", "ic"), ("a_id", "b_id", "c_id")
        )
        match self.layout:
            case "vec3i":
                t = self.k.let("tri|t|idx|f_ids", self.table[f])
                if self.p.chance(0.4):
                    return [t[0], t[1], t[2]]
                raw: list[Expr] = [t[0], t[1], t[2]]
            case "flat":
                raw = [self.table[f * 3 + j if j else f * 3] for j in range(3)]
            case _:
                raw = [self.table[f, j] for j in range(3)]
        return [self.k.let(w, i) for w, i in zip(words, raw, strict=True)]

    def corners(self, ids: list[Expr]) -> list[Name]:
        """Positions of the corners, as locals."""
        words = self.p.pick(
            ("a", "b", "c"), ("p0", "p1", "p2"), ("v0", "v1", "v2"), ("x0", "x1", "x2")
        )
        return [self.k.let(w, self.points[i]) for w, i in zip(words, ids, strict=True)]


def faces_of(p: ProgramBuilder, k: KernelBuilder) -> Entities:
    """Threads over faces."""
    return Entities(k, "face", index="f|face|tid|t", layouts=p.chance(0.5))


@contextmanager
def ring(p: ProgramBuilder, k: KernelBuilder, n: int, i: Expr) -> Iterator[tuple[Name, Expr]]:
    """The neighbours of vertex `i`, with a slot for per-edge data: compressed rows or a padded table."""
    if p.chance(0.65):
        total = n * p.pick(5, 6)
        start = k.array("offsets|row_ptr|ring_offsets|adj_start", T.I32, (n + 1,), R.offsets(total))
        columns = k.array("neighbors|adjacency|ring|col_idx", T.I32, (total,), R.integers(0, n))
        first, last = start[i], start[i + 1]
        if p.chance(0.6):
            first, last = k.let("begin|first|start", first), k.let("end|last|stop", last)
        with k.loop("e|s|slot|n", first, last) as slot:
            yield k.let("j|nb|other", columns[slot]), slot
        return
    width = p.pick(6, 8)
    table = k.array("neighbors|ring_table|adjacency", T.I32, (n, width), R.padded(0, n, 0.25))
    with k.loop("s|m|slot", table.dim(1) if p.chance(0.6) else width) as slot:
        j = k.let("j|nb|other", table[i, slot])
        with k.when(j < 0 if p.chance(0.7) else j == -1):
            k.brk() if p.chance(0.7) else k.cont()
        yield j, j


def accumulate(p: ProgramBuilder, k: KernelBuilder, array: Expr, index: Expr, value: Expr) -> None:
    """Atomic addition, in either of its spellings."""
    if p.augmented_atomics:
        k.aug(array[index], "+", value)
    else:
        k.do(wp.atomic_add(array, index, value))
