"""Elements over shared vertices: index layouts of springs, triangles and tetrahedra, and vertex pools."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.entities import Entities, Field
from generator.synthesis.tree import Expr


class Pool:
    """The vertices (particles, nodes, bodies) that elements refer to; one set per world in a batch."""

    def __init__(self, e: Entities, count: int) -> None:
        self.e = e
        self.count = count

    def field(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Field:
        """One quantity per vertex."""
        shape = (self.count,) if self.e.worlds is None else (self.e.worlds, self.count)
        return Field(self.e, self.e.k.array(hint, dtype, shape, fill, role), dtype)

    def out(self, hint: str, dtype: T.Type) -> Field:
        """An output per vertex, zero before the launch."""
        return self.field(hint, dtype, R.zeros(), "out")


def corners(
    e: Entities, hint: str, names: list[str], count: int, *, disjoint: bool = False
) -> list[Expr]:
    """This thread's element's vertex indices as locals, in one of the usual index layouts.

    Args:
        hint: name of the index array.
        names: a hint per corner.
        count: number of vertices; with `disjoint` at least corners times elements.
        disjoint: no vertex is shared, as within one colour of a coloured constraint graph.
    """
    k, p, width = e.k, e.k.p, len(names)
    fill = R.distinct(count, width, disjoint)
    i = e.index
    form = p.weighted(
        {
            "matrix": 4,
            "flat": 4,
            "vector": 2 if width <= 4 else 0,
            "columns": 1.2 if width == 2 and not disjoint else 0,
        }
    )
    if form == "columns":
        half = count // 2
        stem = hint.split("|")[0]
        ends = [("start", "end"), ("a", "b"), ("i", "j"), ("0", "1")][int(p.rng.random() * 4)]
        ranges = [(0, half), (half, count)]
        arrays = [
            k.array(f"{stem}_{s}", T.I32, (e.n,), R.integers(*r))
            for s, r in zip(ends, ranges, strict=True)
        ]
        return [k.let(n, a[i]) for n, a in zip(names, arrays, strict=True)]
    if form == "vector":
        element = k.let("ids|verts|elem|conn", k.array(hint, T.Vec(width, T.I32), (e.n,), fill)[i])
        if p.chance(0.25):
            return [element[c] for c in range(width)]
        dotted = width < 5 and p.chance(0.4)
        return [
            k.let(n, element.field("xyzw"[c]) if dotted else element[c])
            for c, n in enumerate(names)
        ]
    if form == "flat":
        array = k.array(hint, T.I32, (e.n * width,), fill)
        if p.chance(0.3):
            base = k.let("base|offset|first", i * width)
            return [k.let(n, array[base + c] if c else array[base]) for c, n in enumerate(names)]
        return [k.let(n, array[i * width + c]) for c, n in enumerate(names)]
    array = k.array(hint, T.I32, (e.n, width), fill)
    return [k.let(n, array[i, c]) for c, n in enumerate(names)]
