"""Periodic boxes: minimum images and wrapping, in the forms people write them in."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


class Box:
    """An orthogonal periodic box of side `side`; `image` maps a difference to its nearest copy."""

    def __init__(
        self, p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, side: float
    ) -> None:
        self.p, self.k, self.vec = p, k, vec
        self.cubic = p.chance(0.4)
        hint = "box|box_length|cell|box_size"
        self.size = (
            k.quantity(hint, p.real, side) if self.cubic else k.quantity(hint, vec, [side] * vec.n)
        )
        self.form = p.pick("round", "round", "branches", "loop")
        self.inline = p.chance(0.3) and self.form == "round"
        self._function: UserFunction | None = None

    def image(self, d: Expr) -> Expr:
        """The nearest periodic copy of the difference `d`."""
        if self.inline:
            first = self.k.let("dr|raw|dx0", d)
            return self._rounded(self.k, first, self.size)
        if self._function is None:
            self._function = self._define()
        return self._function(d, self.size)

    def _rounded(self, b: Block, d: Expr, size: Expr) -> Expr:
        parts = [
            d.field(a) - self._side(size, a) * wp.round(d.field(a) / self._side(size, a))
            for a in "xyz"[: self.vec.n]
        ]
        return construct(self.vec, *parts)

    def _side(self, size: Expr, axis: str) -> Expr:
        return size if self.cubic else size.field(axis)

    def _define(self) -> UserFunction:
        n = self.vec.n

        def body(b: Block, d: Expr, size: Expr) -> None:
            if self.form == "round":
                b.ret(self._rounded(b, d, size))
                return
            out = b.var("r|out|img", construct(self.vec, *[d.field(a) for a in "xyz"[:n]]))
            if self.form == "loop":
                with b.loop("c|axis|k", n) as c:
                    side = size if self.cubic else size[c]
                    with b.when(out[c] > 0.5 * side):
                        b.set(out[c], out[c] - side)
                    with b.elsewhen(out[c] < -0.5 * side):
                        b.set(out[c], out[c] + side)
            else:
                for a in "xyz"[:n]:
                    side = self._side(size, a)
                    with b.when(out.field(a) > 0.5 * side):
                        b.set(out.field(a), out.field(a) - side)
                    with b.elsewhen(out.field(a) < -(0.5 * side)):
                        b.set(out.field(a), out.field(a) + side)
            b.ret(out)

        params = {"d|dr|delta": self.vec, "box|size|l": self.p.real if self.cubic else self.vec}
        doc = self.p.pick(
            "Minimum-image convention.", "Nearest periodic image of a difference.", ""
        )
        return self.p.func(
            "minimum_image|min_image|nearest_image|wrap_delta|pbc_delta", params, body, doc
        )
