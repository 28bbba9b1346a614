"""Graphs as kernels see them: row offsets, padded tables or edge lists, with weights where a layout has them."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, negate
from generator.synthesis.program import UserFunction
from generator.synthesis.tree import Expr, Name, literal


class Graph:
    """Adjacency of the entity `e` (vertices); a layout is drawn once a program."""

    def __init__(self, e: Entities, layout: str | None = None) -> None:
        p = e.k.p
        known = p.shared.get("graph")
        if p.fusing and known is not None:
            self.__dict__ = known.__dict__
            return
        p.shared["graph"] = self
        self.e, self.k = e, e.k
        self.layout = layout or p.weighted({"csr": 6, "padded": 2.5, "degree": 1.5})
        self.shared = e.world is None or p.chance(0.6)
        self.degree = p.pick(5, 6, 8)
        self.total = e.n * self.degree
        self._weights: Table | None = None
        self._degrees: Table | None = None
        self._filter = p.weighted(
            {"none": 5, "alive": 1.3, "edge": 0.9, "region": 0.9, "bits": 0.9, "function": 1.4}
        )
        self._passes: UserFunction | None = None
        sorted_ids = R.integers(0, e.n)
        if self.layout == "csr":
            self.offsets = self._table(
                "row_offsets|offsets|row_ptr|adj_start", T.I32, (e.n + 1,), R.offsets(self.total)
            )
            self.columns = self._table(
                "columns|col_indices|neighbors|adjacency", T.I32, (self.total,), sorted_ids
            )
        elif self.layout == "padded":
            self.columns = self._table(
                "neighbors|adj|nbr_table", T.I32, (e.n, self.degree), R.padded(0, e.n, 0.3)
            )
        else:
            self.columns = self._table(
                "neighbors|adj|nbr_table", T.I32, (e.n, self.degree), sorted_ids
            )
            self._degrees = self._table(
                "degrees|degree|num_neighbors", T.I32, (e.n,), R.integers(0, self.degree + 1)
            )

    def _table(self, hint: str, t: T.Type, shape: tuple[int, ...], fill: R.Fill) -> Table:
        return Table(self.e, hint, t, shape, fill, shared=self.shared)

    def weights(self, t: T.Scalar = T.F32, low: float = 0.1, high: float = 2.0) -> None:
        """Gives the edges weights."""
        fill = R.uniform(low, high) if t.is_float else R.integers(max(int(low), 1), int(high))
        shape = (self.total,) if self.layout == "csr" else (self.e.n, self.degree)
        self._weights = self._table("weights|edge_weights|lengths|costs", t, shape, fill)

    def weight(self, v: Expr, slot: Expr) -> Expr:
        """Weight of the edge in a slot of vertex v."""
        assert self._weights is not None
        return self._weights[slot] if self.layout == "csr" else self._weights[v, slot]

    def degree_of(self, v: Expr) -> Expr:
        """Number of neighbours, where the layout knows it without a loop."""
        if self.layout == "csr":
            return self.offsets[v + 1] - self.offsets[v]
        if self._degrees is None:
            fill = R.integers(0, self.degree + 1)
            self._degrees = self._table("degrees|degree|num_neighbors", T.I32, (self.e.n,), fill)
        return self._degrees[v]

    @contextmanager
    def around(self, v: Expr, hint: str = "u|nbr|w") -> Iterator[tuple[Name, Expr]]:
        """A loop over the neighbours of v; yields the neighbour and its slot."""
        k, p = self.k, self.k.p
        if self.layout == "csr":
            first, last = self.offsets[v], self.offsets[v + 1]
            if p.chance(0.6):
                first, last = k.let("begin|start|row_start", first), k.let("end|stop|row_end", last)
            with k.loop("slot|e|s|edge", first, last) as slot:
                other = k.let(hint, self.columns[slot])
                self._apply_filter(v, other, slot)
                yield other, slot
        elif self.layout == "padded":
            with k.loop(
                "slot|s|m", self.columns.extent(1) if p.chance(0.6) else self.degree
            ) as slot:
                other = k.let(hint, self.columns[v, slot])
                with k.when(other < 0):
                    k.brk() if p.chance(0.6) else k.cont()
                self._apply_filter(v, other, slot)
                yield other, slot
        else:
            with k.loop("slot|s|m", self.degree_of(v)) as slot:
                other = k.let(hint, self.columns[v, slot])
                self._apply_filter(v, other, slot)
                yield other, slot

    def _apply_filter(self, v: Expr, u: Expr, slot: Expr) -> None:
        """Leaves out neighbours or edges that a subgraph does not have."""
        if self._filter == "none":
            return
        with self.k.when(self._excluded(v, u, slot)):
            self.k.cont()

    def _excluded(self, v: Expr, u: Expr, slot: Expr) -> Expr:
        k, e = self.k, self.e
        if self._filter == "edge" and self.layout == "csr":
            if not hasattr(self, "_mask"):
                self._mask = self._table(
                    "edge_enabled|edge_mask|open_edges", T.I32, (self.total,), R.mask(0.8)
                )
            return self._mask[slot] == 0
        if not hasattr(self, "_tags"):
            hints = {
                "region": "partition|region|layer",
                "bits": "vertex_flags|tags|labels_bits",
                "function": "terrain|vertex_kind|node_type",
            }
            fill = R.integers(0, 2) if self._filter == "region" else R.integers(0, 8)
            alive = self._filter in ("alive", "edge")
            self._tags = self._table(
                "vertex_alive|valid|enabled" if alive else hints[self._filter],
                T.I32,
                (e.n,),
                R.mask(0.8) if alive else fill,
            )
            self._code = k.p.pick(1, 2, 4)
        if self._filter == "region":
            return self._tags[u] != self._tags[v]
        if self._filter == "bits":
            return (self._tags[u] & self._code) != 0
        if self._filter == "function":
            return negate(self._passable()(self._tags[v], self._tags[u]))
        return self._tags[u] == 0

    def _passable(self) -> UserFunction:
        p = self.k.p
        if self._passes is None:
            form = p.pick("step", "parity", "table", "strict")

            def body(b: Block, a: Expr, c: Expr) -> None:
                if form == "step":
                    b.ret(wp.abs(a - c) <= p.pick(2, 3, 4))
                elif form == "parity":
                    with b.when(a == c):
                        b.ret(literal(True, T.BOOL))
                    b.ret((c & 1) == 0)
                elif form == "table":
                    with b.when(any_of(a == 7, c == 7)):
                        b.ret(literal(False, T.BOOL))
                    b.ret(a + c < p.pick(9, 10, 11))
                else:
                    b.ret(any_of(c <= a, c < p.pick(3, 4, 5)))

            params = {"from_kind|kind_v|a": T.I32, "to_kind|kind_u|c": T.I32}
            self._passes = p.func("can_traverse|is_passable|connected_kinds|allows", params, body)
        return self._passes

    def skip_loop(self, v: Expr, u: Expr, chance: float = 0.3) -> None:
        """Passes over self loops, in some programs."""
        if self.k.p.chance(chance):
            with self.k.when(u == v):
                self.k.cont()


class EdgeList:
    """Edges as two endpoint arrays, or as one array of pairs; `e` are the edges."""

    def __init__(self, e: Entities, vertices: int) -> None:
        p = e.k.p
        self.e, self.k, self.vertices = e, e.k, vertices
        fill = R.integers(0, vertices)
        if p.chance(0.35):
            pair = e.field("edges|edge_index|edge_pairs", T.Vec(2, T.I32), fill).read(
                "edge|uv|pair"
            )
            self.u, self.v = self.k.let("u|src|a", pair[0]), self.k.let("v|dst|b", pair[1])
        else:
            names = p.pick(
                ("edge_src|src|sources", "edge_dst|dst|targets"), ("edge_u|tails", "edge_v|heads")
            )
            self.u = e.field(names[0], T.I32, fill).read("u|src_v|a")
            self.v = e.field(names[1], T.I32, fill).read("v|dst_v|b")

    def vertex(self, hint: str, t: T.Type, fill: R.Fill | None = None, role: str = "in") -> Table:
        """A quantity per vertex."""
        return Table(self.e, hint, t, (self.vertices,), fill, role)

    def skip_loops(self, *more: Expr) -> None:
        """Returns for self loops and other edges that don't count."""
        tests = [self.u == self.v, *more]
        with self.k.when(any_of(*tests)):
            self.k.ret()
