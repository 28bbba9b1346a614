"""The nodes around a particle: weights and loops of grid transfers."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

Node = tuple[Expr, ...]


class Stencil:
    """Weights of the grid nodes near a particle; draws weight family, layout of weights, loops and grid arrays once.

    Attributes:
        inverse: one over the grid spacing.
    """

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int) -> None:
        self.p, self.k, self.e, self.n = p, k, e, n
        self.vec = p.vec(n)
        self.size = p.pick(16, 20, 24) if n == 2 else p.pick(8, 10, 12)
        self.family = p.weighted({"quadratic": 5, "linear": 1.5})
        self.layout = (
            p.weighted({"matrix": 4, "function": 3}) if self.family == "quadratic" else "function"
        )
        self.loops = p.weighted({"nested": 6, "flat": 1.5})
        self.flat_array = p.chance(0.2)
        self.checked = p.chance(0.25)
        if p.chance(0.5):
            self.inverse: Expr = k.quantity("inv_dx|inv_h|inv_spacing", p.real, float(self.size))
            self.dx: Expr | None = None
        else:
            self.dx = k.quantity("dx|h|grid_spacing|cell_size", p.real, round(1.0 / self.size, 6))
            self.inverse = k.let("inv_dx|inv_h|inv_d", 1.0 / self.dx)
        self._function: UserFunction | None = None
        self._extent: Expr | None = None

    @staticmethod
    def of(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int) -> "Stencil":
        """The program's stencil; the steps of a fused program share it."""
        if "stencil" not in p.shared:
            p.shared["stencil"] = Stencil(p, k, e, n)
        stencil: Stencil = p.shared["stencil"]
        return stencil

    # --- grid arrays ------------------------------------------------------------------------------

    def _shape(self) -> tuple[int, ...]:
        cells = (self.size**self.n,) if self.flat_array else (self.size,) * self.n
        return cells if self.e.worlds is None else (self.e.worlds, *cells)

    def node_in(self, hint: str, dtype: T.Type, fill: R.Fill) -> Name:
        """A quantity of grid nodes that is read."""
        return self.k.array(hint, dtype, self._shape(), fill)

    def node_out(self, hint: str, dtype: T.Type) -> Name:
        """A quantity of grid nodes that is written."""
        return self.k.out(hint, dtype, self._shape())

    def _address(self, node: Node) -> Node:
        if self.flat_array:
            index = node[0]
            for c in node[1:]:
                index = index * self.extent() + c
            node = (index,)
        return node if self.e.world is None else (self.e.world, *node)

    def extent(self) -> Expr:
        """Nodes per axis."""
        if self._extent is None:
            self._extent = self.k.count("grid_res|n_grid|res|grid_dim", self.size)
        return self._extent

    def read(self, array: Expr, node: Node) -> Expr:
        """The value at a node."""
        return array[self._address(node)]

    def add(self, array: Expr, node: Node, value: Expr) -> None:
        """Atomic accumulation at a node."""
        if self.p.augmented_atomics:
            self.k.aug(array[self._address(node)], "+", value)
        else:
            self.k.do(wp.atomic_add(array, *self._address(node), value))

    # --- weights ----------------------------------------------------------------------------------

    def locate(self, x: Expr) -> None:
        """Writes the base node and the local coordinate, and the weights where they are stored."""
        k, p = self.k, self.p
        shift = 0.5 if self.family == "quadratic" else 0.0
        self.local = k.let("xg|gx|scaled|grid_pos", x * self.inverse)
        axes = "xyz"[: self.n]
        bases = [self.local.field(a) - shift if shift else self.local.field(a) for a in axes]
        floor = p.chance(0.5)
        hints = ["base_x|bx|i0|ix", "base_y|by|j0|iy", "base_z|bz|k0|iz"]
        self.base = [
            k.let(h, construct(T.I32, wp.floor(b) if floor else b))
            for h, b in zip(hints, bases, strict=False)
        ]
        self.fx = k.let(
            "fx|frac|local|t_p",
            construct(
                self.vec,
                *[
                    self.local.field(a) - construct(p.real, b)
                    for a, b in zip(axes, self.base, strict=True)
                ],
            ),
        )
        if self.layout == "matrix":
            self._matrix_weights()
        elif p.chance(0.85):
            self._function = self._weight_function()

    def _matrix_weights(self) -> None:
        """Three weights per axis as the rows of a matrix."""
        k, fx = self.k, self.fx
        one = construct(self.vec, 1.0)
        a = k.let("wa|d0|u0", construct(self.vec, 1.5) - fx)
        b = k.let("wb|d1|u1", fx - one)
        c = k.let("wc|d2|u2", fx - construct(self.vec, 0.5))
        rows = [
            wp.cw_mul(a, a) * 0.5,
            construct(self.vec, 0.75) - wp.cw_mul(b, b),
            wp.cw_mul(c, c) * 0.5,
        ]
        self.weights = k.let("w|weights|w_mat", wp.matrix_from_rows(*rows))

    def _weight_function(self) -> UserFunction:
        branches = self.p.chance(0.5)

        def body(b: Block, t: Expr) -> None:
            a = b.let("a|d|u", wp.abs(t))
            if self.family == "linear":
                b.ret(wp.max(1.0 - a, 0.0))
                return
            outer = b.let("s|m|tail", 1.5 - a)
            if branches:
                with b.when(a < 0.5):
                    b.ret(0.75 - a * a)
                with b.when(a < 1.5):
                    b.ret(0.5 * outer * outer)
                b.ret(a * 0.0)
            else:
                b.ret(
                    wp.where(a < 0.5, 0.75 - a * a, 0.5 * wp.max(outer, 0.0) * wp.max(outer, 0.0))
                )

        doc = self.p.pick(
            "Weight of a node at a signed distance, in cells.",
            f"{self.family.capitalize()} B-spline.",
            "",
        )
        return self.p.func(
            "bspline|node_weight|shape_1d|weight_1d|basis", {"t|x|d": self.p.real}, body, doc
        )

    def _weight(self, offsets: list[Expr]) -> Expr:
        total: Expr | None = None
        for number, (o, a) in enumerate(zip(offsets, "xyz", strict=False)):
            if self.layout == "matrix":
                w: Expr = self.weights[o, number]
            else:
                t = self.fx.field(a) - construct(self.p.real, o)
                w = self._function(t) if self._function is not None else self._inline(a, t)
            total = w if total is None else total * w
        assert total is not None
        return total

    def _inline(self, axis: str, t: Expr) -> Expr:
        if self.family == "linear":
            return 1.0 - wp.abs(t)
        a = self.k.let(f"d{axis}|a{axis}|u{axis}", wp.abs(t))
        return wp.where(a < 0.5, 0.75 - a * a, 0.5 * (1.5 - a) * (1.5 - a))

    # --- loops ------------------------------------------------------------------------------------

    @contextmanager
    def nodes(self, offsets: bool = True) -> Iterator[tuple[Node, Expr, Expr]]:
        """Loops over the stencil: node indices, weight, and the vector from the particle to the node."""
        k, p = self.k, self.p
        width = 3 if self.family == "quadratic" else 2
        if self.loops == "flat":
            with k.loop("s|m|nn|stencil", width**self.n) as s:
                steps = [
                    k.let("di|oi|a", s % width),
                    k.let("dj|oj|b", s // width if self.n == 2 else (s // width) % width),
                ]
                if self.n == 3:
                    steps.append(k.let("dk|ok|c", s // (width * width)))
                yield self._node(steps, offsets)
            return
        if p.real != T.F32:  # an unrolled index cannot be cast to double and used as an index again
            bound: Expr | int = k.scalar("stencil_width|support|width", T.I32, width)
        else:
            dynamic = self.n == 3 and p.chance(0.5)
            bound = k.count("stencil_width|support|width", width) if dynamic else width
        with k.loop("di|i|oi|a", bound) as i, k.loop("dj|j|oj|b", bound) as j:
            if self.n == 2:
                yield self._node([i, j], offsets)
            else:
                with k.loop("dk|kk|ok|c", bound) as kk:
                    yield self._node([i, j, kk], offsets)

    def _node(self, steps: list[Expr], offsets: bool) -> tuple[Node, Expr, Expr]:
        k, p = self.k, self.p
        hints = ["ni|gi|nx", "nj|gj|ny", "nk|gk|nz"]
        node: Node = tuple(b + o for b, o in zip(self.base, steps, strict=True))
        if p.chance(0.6) or self.checked:
            node = tuple(k.let(h, c) for h, c in zip(hints, node, strict=False))
        if self.checked:
            with k.when(any_of(*[t for c in node for t in (c < 0, c >= self.extent())])):
                k.cont()
        weight = k.let("weight|w_n|wt|w_ip", self._weight(steps))
        if not offsets:
            return node, weight, weight
        step = construct(self.vec, *[construct(p.real, o) for o in steps])
        spacing = (
            (step - self.fx) * self.dx if self.dx is not None else (step - self.fx) / self.inverse
        )
        return node, weight, k.let("dpos|d|x_diff|offset", spacing)
