"""Finite elements: connectivity layouts, gathers and scatters, shape functions, materials."""

from typing import Any

from generator.synthesis import idioms
from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand

KINDS = {
    "line": (2, 3),
    "tri": (3, 2),
    "shell": (3, 3),
    "quad": (4, 2),
    "tet": (4, 3),
    "hex": (8, 3),
}  # nodes, dimension


class Mesh:
    """The elements of one kind, one per thread, with nodal data behind their connectivity."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, kind: str, **more: Any) -> None:
        self.p, self.k, self.kind = p, k, kind
        self.nen, self.dim = KINDS[kind]
        word = {
            "line": "bar",
            "tri": "tri",
            "shell": "tri",
            "quad": "quad",
            "tet": "tet",
            "hex": "hex",
        }[kind]
        self.word = word if p.chance(0.5) else p.pick("element", "elem", "cell")
        self.e = Entities(k, self.word, index="e|tid|elem|eid|t", **more)
        self.count = p.pick(24, 32, 48, 60)
        self.layout = p.weighted(
            {"table": 5, "packed": 3 if self.nen <= 4 else 0.5, "flat": 2, "row": 1.5}
        )
        self._nodes: dict[int, Expr] = {}
        self._packed: Expr | None = None
        self._open()

    # --- connectivity -----------------------------------------------------------------------------

    def _open(self) -> None:
        k, e, n = self.k, self.e, self.nen
        hint = (
            f"{self.word}s|{self.word}_indices|connectivity|{self.word}_nodes"
            if self.word != "element"
            else "elements|connectivity|element_nodes"
        )
        nodes = R.integers(0, self.count)
        if self.layout == "packed":
            array = k.array(hint, T.Vec(n, T.I32), (e.n,), nodes)
            self._packed = k.let("conn|idx|nodes|ids", array[e.index])
        elif self.layout == "flat":
            self.array = k.array(hint, T.I32, (e.n * n,), nodes)
        elif self.layout == "row":
            array = k.array(hint, T.I32, (e.n, n), nodes)
            self._packed = k.let("conn|row|nodes", array[e.index])
        else:
            self.array = k.array(hint, T.I32, (e.n, n), nodes)

    def entry(self, a: Operand) -> Expr:
        """Node number `a` of this element, as the layout has it."""
        if self._packed is not None:
            return self._packed[a]
        i = self.e.index
        return self.array[i * self.nen + a] if self.layout == "flat" else self.array[i, a]

    def node(self, a: int) -> Expr:
        """A local that holds node number `a`."""
        if a not in self._nodes:
            names = "ijklmnop"
            self._nodes[a] = self.k.let(f"{names[a]}|n{a}|v{a}|node{a}", self.entry(a))
        return self._nodes[a]

    def nodes(self) -> list[Expr]:
        """Locals for all nodes."""
        return [self.node(a) for a in range(self.nen)]

    # --- nodal data -------------------------------------------------------------------------------

    def nodal(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> "Nodal":
        """An array with one entry per node (and world)."""
        lead = () if self.e.worlds is None else (self.e.worlds,)
        return Nodal(self, self.k.array(hint, dtype, (*lead, self.count), fill, role))

    def collect(self, hint: str, dtype: T.Type) -> "Nodal":
        """A nodal output that elements add to."""
        return self.nodal(hint, dtype, R.zeros(), "out")


class Nodal:
    """A nodal array; ``u[j]`` is the value at node `j` of this thread's world."""

    def __init__(self, mesh: Mesh, array: Expr) -> None:
        self.mesh, self.array = mesh, array

    def _at(self, j: Operand) -> tuple[Any, ...]:
        return (j,) if self.mesh.e.world is None else (self.mesh.e.world, j)

    def __getitem__(self, j: Operand) -> Expr:
        return self.array[self._at(j)]

    def add(self, j: Operand, value: Expr, subtract: bool = False) -> None:
        """Atomic accumulation at a node."""
        k = self.mesh.k
        if k.p.augmented_atomics:
            k.aug(self[j], "-" if subtract else "+", value)
        else:
            k.do((wp.atomic_sub if subtract else wp.atomic_add)(self.array, *self._at(j), value))


# --- geometry ---------------------------------------------------------------------------------------


def edges(m: Mesh, x: Nodal) -> list[Expr]:
    """Edge vectors from node 0 to the others."""
    k, p = m.k, m.p
    if p.chance(0.55):
        points = [k.let(f"x{a}|p{a}|X{a}", x[m.node(a)]) for a in range(m.nen)]
        return [points[a] - points[0] for a in range(1, m.nen)]
    nodes = m.nodes()
    return [x[nodes[a]] - x[nodes[0]] for a in range(1, m.nen)]


def edge_matrix(m: Mesh, x: Nodal, hint: str = "Ds|D|shape_matrix|edges_x") -> Expr:
    """The matrix whose columns are the edge vectors of a triangle or tetrahedron."""
    k, p = m.k, m.p
    e = edges(m, x)
    if p.chance(0.5):
        return k.let(hint, wp.matrix_from_cols(*e))
    named = [k.let(f"e{a + 1}|x{a + 1}0|d{a + 1}", v) for a, v in enumerate(e)]
    if p.chance(0.5):
        return k.let(hint, wp.matrix_from_cols(*named))
    return k.let(
        hint, construct(p.mat(m.dim), *(named[c][r] for r in range(m.dim) for c in range(m.dim)))
    )


def columns(m: Mesh, h: Expr) -> list[Expr]:
    """The columns of a matrix as vectors."""
    return [construct(m.p.vec(m.dim), *(h[r, c] for r in range(m.dim))) for c in range(m.dim)]


def scatter_columns(m: Mesh, out: Nodal, h: Expr, subtract: bool = False) -> None:
    """Adds the columns of `h` to nodes 1…, and what balances them to node 0."""
    k, p = m.k, m.p
    vec = p.vec(m.dim)
    if p.chance(0.3):
        total = k.var("total|f0|balance", construct(vec, 0.0))
        with k.loop("c|a|q", m.dim) as c:
            f = k.let("f|force|fc", construct(vec, *(h[r, c] for r in range(m.dim))))
            out.add(m.entry(c + 1), f, subtract)
            k.aug(total, "-", f)
        out.add(m.entry(0), total, subtract)
        return
    forces = [k.let(f"f{a + 1}|force{a + 1}|g{a + 1}", f) for a, f in enumerate(columns(m, h))]
    rest = forces[0]
    for f in forces[1:]:
        rest = rest + f
    out.add(m.node(0), -rest, subtract) if p.chance(0.6) else out.add(m.node(0), rest, not subtract)
    for a, f in enumerate(forces):
        out.add(m.node(a + 1), f, subtract)


def identity(p: ProgramBuilder, dim: int) -> Expr:
    """The unit matrix, in one of its spellings."""
    if p.chance(0.5):
        return idioms.identity(p, dim)
    return construct(p.mat(dim), *(1.0 if r == c else 0.0 for r in range(dim) for c in range(dim)))


# --- materials --------------------------------------------------------------------------------------
