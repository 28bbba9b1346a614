"""Particles with spatial neighbours: hash grids, neighbour tables, cell lists, and the loop over close pairs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.entities import Entities, Field, neighbours
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import all_of, any_of, between
from generator.synthesis.program import KernelBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

_GRIDS = ("grid", "sorted", "next")
_KINDS = {
    "grid": 3,
    "sorted": 2,
    "next": 0.6,
    "csr": 2,
    "table": 2.5,
    "linked": 0.4,
    "all": 1.2,
    "cells": 1,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A close pair: the other particle, the vector from it to this one, and their distance."""

    j: Name
    r: Expr
    d: Expr


class Cloud:
    """Particles in a box of side `extent` that interact within `reach`; draws one neighbour search.

    Attributes:
        e: the particles.
        x: positions.
        radius: the interaction radius as the kernel learns it.
        vec: vector type of positions.
        listed: neighbours come from lists.
    """

    def __init__(
        self,
        k: KernelBuilder,
        singular: str = "particle",
        *,
        positions: str = "positions|x|particle_x|pos|particle_q",
        radius: str = "smoothing_length|h|radius|support_radius",
        extent: float = 1.0,
        reach: tuple[float, float] = (0.2, 0.3),
        kinds: dict[str, float] | None = None,
        planar: float = 0.2,
    ) -> None:
        p = k.p
        known = p.shared.get("cloud")
        if known is not None and known.extent == extent and known.kind in (kinds or _KINDS):
            self._join(known, k, singular)
            return
        self.k = k
        self.kind = p.weighted(kinds or _KINDS)
        self.extent = extent
        self.gridded = self.kind in _GRIDS
        if self.gridded:
            single_precision(p)
        flat = not self.gridded and self.kind != "cells" and p.chance(planar)
        if (
            p.fusing
            and p.shared.get("dimension", 3) == 2
            and (self.gridded or self.kind == "cells")
        ):
            raise CannotFuse
        self.vec = p.vec(p.shared.setdefault("dimension", 2 if flat else 3))
        self.listed = self.kind in ("csr", "table", "linked")  # random tables hold far pairs too
        self.reach = round(p.rng.uniform(*reach) * extent * (2.0 if self.listed else 1.0), 3)
        self.e = Entities(k, p.pick(*singular.split("|")), layouts=not self.gridded)
        self.x = self._positions(positions)
        self.radius = k.quantity(radius, p.real, self.reach)
        self._here: Name | None = None
        self._smoothing: SmoothingKernel | None = None
        p.shared["cloud"] = self

    def _join(self, known: "Cloud", k: KernelBuilder, singular: str) -> None:
        """Shares particles, positions and neighbour search with the step before."""
        if known.e.singular not in singular.split("|"):
            raise CannotFuse
        Entities(k, known.e.singular, layouts=not known.gridded)
        self.__dict__ = known.__dict__

    def smoothing(self) -> "SmoothingKernel":
        """The program's smoothing kernel."""
        if self._smoothing is None:
            self._smoothing = SmoothingKernel(self)
        return self._smoothing

    def here(self, hint: str) -> Name:
        """A local that holds this thread's position."""
        if self._here is None:
            self._here = self.x.read(hint)
        return self._here

    def _positions(self, hint: str) -> Field:
        k, e = self.k, self.e
        fill = R.uniform(0.0, self.extent)
        if not self.gridded:
            return e.field(hint, self.vec, fill)
        array = k.array(hint, self.vec, (e.n,), fill)
        hint = "grid|hash_grid|grid_id|particle_grid|neighbor_grid"
        self.grid = k.arg(
            hint, T.Handle("hash_grid"), R.hash_grid(array.id, self.reach, k.p.pick(8, 16, 32)), 0
        )
        if self.kind == "sorted":
            e.index = k.let("i|p|particle|pid", wp.hash_grid_point_id(self.grid, e.index))
        return Field(e, array, self.vec)

    @contextmanager
    def others(self, x: Expr) -> Iterator[Name]:
        """A loop over candidates near `x`; the particle itself may be among them."""
        k, e = self.k, self.e
        match self.kind:
            case "grid" | "sorted":
                with k.each(
                    "j|nbr|neighbor|other|index",
                    wp.hash_grid_query(self.grid, x, self.radius),
                    T.I32,
                ) as j:
                    yield j
            case "next":
                query = k.let("query|neighbors|q", wp.hash_grid_query(self.grid, x, self.radius))
                j = k.var("j|index|neighbor", 0)
                with k.repeat(wp.hash_grid_query_next(query, j)):
                    yield j
            case "all":
                with k.loop("j|other|n", e.count()) as j:
                    yield j
            case "cells":
                with self._cells(x) as j:
                    yield j
            case _:
                with neighbours(e, self.kind) as (j, _):
                    yield j

    @contextmanager
    def _cells(self, x: Expr) -> Iterator[Name]:
        k, e, p = self.k, self.e, self.k.p
        side = max(int(self.extent / self.reach), 2)
        cells = k.count("cells_per_side|grid_res|num_cells", side)
        size = k.quantity("cell_size|cell_width|bin_size", p.real, round(self.extent / side, 4))
        start = k.array("cell_start|cell_offsets|bin_start", T.I32, (side**3 + 1,), R.offsets(e.n))
        order = k.array(
            "sorted_ids|cell_particles|particle_order|bin_items", T.I32, (e.n,), R.permutation()
        )
        home = [
            k.let(
                f"c{a}|cell_{a}|i{a}",
                wp.clamp(construct(T.I32, wp.floor(x.field(a) / size)), 0, cells - 1),
            )
            for a in "xyz"
        ]
        if p.chance(0.5):
            with (
                k.loop("dz|oz", -1, 2) as dz,
                k.loop("dy|oy", -1, 2) as dy,
                k.loop("dx|ox", -1, 2) as dx,
            ):
                at = [
                    k.let(f"n{a}|{a}{a}", c + d)
                    for a, c, d in zip("xyz", home, (dx, dy, dz), strict=True)
                ]
                with k.when(any_of(*[t for c in at for t in (c < 0, c >= cells)])):
                    k.cont()
                with self._bin(start, order, (at[2] * cells + at[1]) * cells + at[0]) as j:
                    yield j
        else:
            low = [
                k.let(f"{a}_lo|lo_{a}", wp.max(c - 1, 0)) for a, c in zip("xyz", home, strict=True)
            ]
            high = [
                k.let(f"{a}_hi|hi_{a}", wp.min(c + 2, cells))
                for a, c in zip("xyz", home, strict=True)
            ]
            with (
                k.loop("cz|iz", low[2], high[2]) as z,
                k.loop("cy|iy", low[1], high[1]) as y,
                k.loop("cx|ix", low[0], high[0]) as i,
                self._bin(start, order, (z * cells + y) * cells + i) as j,
            ):
                yield j

    @contextmanager
    def _bin(self, start: Expr, order: Expr, address: Expr) -> Iterator[Name]:
        k = self.k
        c = k.let("c|cell|bin_id", address)
        with k.loop("s|slot|entry", start[c], start[c + 1]) as slot:
            yield k.let("j|other|nbr", order[slot])

    @contextmanager
    def pairs(
        self,
        x: Expr,
        *,
        separate: bool = True,
        reject: "tuple[Field, int] | None" = None,
        within: Expr | None = None,
    ) -> Iterator[Pair]:
        """A loop over the particles within the radius of `x`, by one of the usual culling forms.

        Args:
            separate: leave out the particle itself (and coincident ones).
            reject: an integer field and the value it must not have.
            within: another radius than the cloud's.
        """
        k, p = self.k, self.k.p
        h = self.radius if within is None else within
        form = p.weighted({"continue": 4, "nested": 3, "squared": 3, "chain": 1 if separate else 0})
        by_index = separate and form != "chain" and p.chance(0.6)
        limit = (
            k.let("h2|radius_sq|cutoff_sq|r2_max", h * h)
            if form == "squared" and p.chance(0.6)
            else h * h
        )
        with self.others(x) as j:
            skips = [j == self.e.index] if by_index else []
            skips += [reject[0][j] == reject[1]] if reject is not None else []
            if skips:
                with k.when(any_of(*skips)):
                    k.cont()
            r = k.let("r|r_ij|xij|d|delta|rel|diff", x - self.x[j])
            if form == "squared":
                d2 = k.let("d2|r2|dist_sq|rr", wp.length_sq(r) if p.chance(0.5) else wp.dot(r, r))
                with k.when(any_of(d2 >= limit, d2 < 1.0e-12) if separate else d2 >= limit):
                    k.cont()
                yield Pair(j, r, k.let("dist|d|rij|r_len", wp.sqrt(d2)))
                return
            d = k.let("dist|d|rij|distance|r_len", wp.length(r))
            if form == "continue":
                with k.when(any_of(d >= h, d < 1.0e-6) if separate else d > h):
                    k.cont()
                yield Pair(j, r, d)
                return
            with k.when(self._near(form, separate, by_index, d, h)):
                yield Pair(j, r, d)

    def _near(self, form: str, separate: bool, by_index: bool, d: Expr, h: Expr) -> Expr:
        if form == "chain" and isinstance(h, Name):
            return between(1.0e-6, d, h, ("<", "<"))
        if form == "chain" or (separate and not by_index):
            return all_of(d < h, d > 1.0e-6)
        return d < h if not separate else all_of(d < h, d > 0.0)


class SmoothingKernel:
    """A smoothing kernel W and the magnitude of its gradient dW/dr, in one of the usual families."""

    def __init__(self, cloud: Cloud) -> None:
        p = cloud.k.p
        self.cloud = cloud
        self.family = p.pick(
            "cubic", "cubic", "wendland", "poly6", "spiky", "quintic_power", "gaussian"
        )
        self.inline = p.chance(0.3)
        self._w: UserFunction | None = None
        self._dw: UserFunction | None = None

    def w(self, b: Block, d: Expr) -> Expr:
        """W at distance `d`."""
        if self.inline:
            return self._value(b, d, self.cloud.radius)
        if self._w is None:
            self._w = self._define(
                f"{self.family}_kernel|kernel_w|smoothing_kernel|W|sph_kernel",
                self._value,
                "Smoothing kernel value at distance r.",
            )
        return self._w(d, self.cloud.radius)

    def dw(self, b: Block, d: Expr) -> Expr:
        """dW/dr at distance `d` (negative inside the support)."""
        if self.inline:
            return self._slope(b, d, self.cloud.radius)
        if self._dw is None:
            self._dw = self._define(
                f"{self.family}_derivative|kernel_slope|dwdr|kernel_grad|grad_w_mag",
                self._slope,
                "Radial derivative of the smoothing kernel.",
            )
        return self._dw(d, self.cloud.radius)

    def gradient(self, b: Block, pair: Pair) -> Expr:
        """The gradient of W with respect to this particle."""
        return pair.r * (self.dw(b, pair.d) / pair.d)

    def _define(self, hint: str, formula, doc: str) -> UserFunction:  # type: ignore[no-untyped-def]
        p = self.cloud.k.p
        early = p.chance(0.5)

        def body(b: Block, d: Expr, h: Expr) -> None:
            if early:
                with b.when(d >= h):
                    b.ret(literal(0.0, p.real))
            b.ret(formula(b, d, h))

        return p.func(hint, {"r|dist|d": p.real, "h|radius|support": p.real}, body, doc)

    def _norm(self, h: Expr, factor: float) -> Expr:
        """`factor` over h to the power of the dimension."""
        return factor / (h * h * h) if self.cloud.vec.n == 3 else factor / (h * h)

    def _value(self, b: Block, d: Expr, h: Expr) -> Expr:
        solid = self.cloud.vec.n == 3
        if self.family == "poly6":
            diff = b.let("diff|x|t", h * h - d * d)
            scale = (1.5666814 if solid else 1.2732395) / (
                wp.pow(h, 9.0) if solid else wp.pow(h, 8.0)
            )
            return diff * diff * diff * scale
        q = b.let("q|s|u", d / h)
        if self.family == "gaussian":
            return wp.exp(-4.0 * q * q) * self._norm(h, 1.4367 if solid else 1.2732395)
        if self.family == "cubic":
            t = b.let("t|m", 1.0 - q)
            near, far = 6.0 * q * q * (q - 1.0) + 1.0, 2.0 * t * t * t
            return wp.where(q <= 0.5, near, far) * self._norm(h, 2.546479 if solid else 1.818914)
        t = b.let("t|m|s1", 1.0 - q)
        if self.family == "wendland":
            t2 = b.let("t2|tt", t * t)
            return t2 * t2 * (4.0 * q + 1.0) * self._norm(h, 3.342254 if solid else 2.228169)
        if self.family == "spiky":
            return t * t * t * self._norm(h, 4.774648 if solid else 3.183099)
        return t * t * t * t * t * self._norm(h, 13.36902 if solid else 6.684508)

    def _slope(self, b: Block, d: Expr, h: Expr) -> Expr:
        solid = self.cloud.vec.n == 3
        if self.family == "poly6":
            diff = b.let("diff|x|t", h * h - d * d)
            scale = (-9.4000884 if solid else -7.6394373) / (
                wp.pow(h, 9.0) if solid else wp.pow(h, 8.0)
            )
            return d * diff * diff * scale
        q = b.let("q|s|u", d / h)
        if self.family == "gaussian":
            return q * wp.exp(-4.0 * q * q) * self._norm(h, -11.4936 if solid else -10.185916) / h
        if self.family == "cubic":
            t = b.let("t|m", 1.0 - q)
            near, far = q * (18.0 * q - 12.0), -6.0 * t * t
            return (
                wp.where(q <= 0.5, near, far) * self._norm(h, 2.546479 if solid else 1.818914) / h
            )
        t = b.let("t|m|s1", 1.0 - q)
        if self.family == "wendland":
            return q * t * t * t * self._norm(h, -66.84508 if solid else -44.56338) / h
        if self.family == "spiky":
            return t * t * self._norm(h, -14.323945 if solid else -9.549297) / h
        return t * t * t * t * self._norm(h, -66.84508 if solid else -33.42254) / h
