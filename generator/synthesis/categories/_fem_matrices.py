"""Element matrices of simplices: an intent of fem_assembly."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import Mesh
from generator.synthesis.categories._fem_fields import shape_gradients
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def element_matrix(p: ProgramBuilder) -> None:
    """Element matrices of stiffness, mass and elasticity, written as blocks, triplets or into a global matrix."""
    kind = p.weighted({"tri": 4, "tet": 3})
    what = p.weighted(
        {"stiffness": 4, "mass": 2, "helmholtz": 2, "elasticity": 3, "advection": 1.2}
    )
    k = p.kernel_builder(
        f"assemble_{what}|{kind}_{what}_matrix|local_{what}|{what}_triplets|build_{what}_blocks",
        p.pick(
            "Element matrices of linear simplices.",
            "Local matrices; rows and columns follow the element's nodes.",
            "Dense element blocks for the global matrix.",
        ),
    )
    m = Mesh(p, k, kind, layouts=p.chance(0.4))
    m.e.guard()
    blocks = what == "elasticity"
    if what == "mass":
        volume = k.let(
            "vol|area|meas", m.e.field("volumes|areas|measures", p.real, R.uniform(0.1, 1.0)).own
        )
        grads: list[Expr] = []
    else:
        grads, volume = shape_gradients(m)
    entry: T.Type = p.mat(m.dim) if blocks else p.real
    target = _Target(p, m, entry)
    coefficient = m.e.property("coefficient|kappa|rho|c_e", 0.2, 3.0)
    lam = m.e.property("lam|lame_lambda|la", 0.5, 3.0) if blocks else None
    shift = k.param("k_squared|reaction|omega2|alpha", 0.1, 2.0) if what == "helmholtz" else None
    wind = (
        k.quantity("wind|beta|velocity", p.vec(m.dim), [0.7, -0.3, 0.4][: m.dim])
        if what == "advection"
        else None
    )
    if grads and p.chance(0.45):
        _unrolled(p, m, target, grads, volume, coefficient, lam, shift, wind)
    else:
        _looped(p, m, target, grads, volume, coefficient, lam, shift, wind)
    target.finish()


class _Target:
    """Where entries of an element matrix go."""

    def __init__(self, p: ProgramBuilder, m: Mesh, entry: T.Type) -> None:
        self.p, self.m, self.k, self.entry = p, m, m.k, entry
        self.kind = p.weighted({"blocks": 4, "triplets": 3, "dense": 2, "lumped": 1})
        n, e = m.nen, m.e.n
        if self.kind == "blocks":
            self.out = self.k.out("element_matrices|Ke|blocks_out", entry, (e, n, n))
        elif self.kind == "triplets":
            self.out = self.k.out("values|coo_values|entries", entry, (e * n * n,))
            self.rows = self.k.out("rows|coo_rows|row_ids", T.I32, (e * n * n,))
            self.cols = self.k.out("cols|coo_cols|col_ids", T.I32, (e * n * n,))
        elif self.kind == "dense":
            self.out = self.k.out("K|matrix|global_matrix", entry, (m.count, m.count))
        else:
            self.out = self.k.out("diag|lumped|row_sums", entry, (m.count,))

    def put(self, a: Any, b: Any, value: Expr) -> None:
        """Entry of row node `a` and column node `b`, numbered within the element."""
        k, m, n = self.k, self.m, self.m.nen
        if self.kind == "blocks":
            k.set(self.out[m.e.index, a, b], value)
            return
        row = m.node(a) if isinstance(a, int) else m.entry(a)
        col = m.node(b) if isinstance(b, int) else m.entry(b)
        if self.kind == "triplets":
            local = a * n + b if isinstance(a, int) and isinstance(b, int) else None
            slot = k.let(
                "slot|at|idx", m.e.index * (n * n) + (local if local is not None else a * n + b)
            )
            k.set(self.rows[slot], row)
            k.set(self.cols[slot], col)
            k.set(self.out[slot], value)
        elif self.kind == "dense":
            k.do(wp.atomic_add(self.out, row, col, value))
        else:
            k.do(wp.atomic_add(self.out, row, value))

    def finish(self) -> None:
        """Counts the elements that were assembled, in some programs."""
        if self.p.chance(0.2):
            self.k.do(
                wp.atomic_add(
                    self.k.out("assembled|num_assembled|element_count", T.I32, (1,)), 0, 1
                )
            )


def _mass(p: ProgramBuilder, m: Mesh, same: Expr | bool, scale: Expr) -> Expr:
    """Entry of the consistent mass matrix: twice as large on the diagonal."""
    n = m.nen * (m.nen + 1)
    if not isinstance(same, Expr):
        return scale / float(n // 2) if same else scale / float(n)
    return scale * choose(same, N.literal(2.0, p.real), N.literal(1.0, p.real)) / float(n)


def _entry(
    p: ProgramBuilder,
    m: Mesh,
    ga: Expr | None,
    gb: Expr | None,
    same: Expr | bool,
    volume: Expr,
    c: Expr,
    lam: Expr | None,
    shift: Expr | None,
    wind: Expr | None,
) -> Expr:
    n = m.nen
    if ga is None or gb is None:
        return _mass(p, m, same, c * volume)
    if lam is not None:
        return (
            wp.outer(ga, gb) * lam
            + wp.outer(gb, ga) * c
            + wp.diag(construct(p.vec(m.dim), wp.dot(ga, gb) * c))
        ) * volume
    value = c * volume * wp.dot(ga, gb)
    if shift is not None:
        mass = _mass(p, m, same, shift * volume)
        value = value - mass if p.chance(0.5) else value + mass
    if wind is not None:
        value = value + wp.dot(wind, gb) * volume * (1.0 / n)
    return value


def _unrolled(
    p: ProgramBuilder, m: Mesh, target: _Target, grads: list[Expr], volume: Expr, *more: Any
) -> None:
    symmetric = more[-1] is None and p.chance(0.4)
    for a in range(m.nen):
        for b in range(a if symmetric else 0, m.nen):
            value = _entry(p, m, grads[a], grads[b], a == b, volume, *more)
            if symmetric and a != b:
                value = m.k.let(f"k{a}{b}|m{a}{b}", value)
                target.put(a, b, value)
                target.put(
                    b, a, value if not isinstance(value.type, T.Mat) else wp.transpose(value)
                )
            else:
                target.put(a, b, value)


def _looped(
    p: ProgramBuilder, m: Mesh, target: _Target, grads: list[Expr], volume: Expr, *more: Any
) -> None:
    k = m.k
    g = k.let("G|grads|B", wp.matrix_from_rows(*grads)) if grads else None
    with k.loop("a|i_loc|r", m.nen) as a, k.loop("b|j_loc|c", m.nen) as b:
        ga = k.let("ga|grad_a|gi", g[a]) if g is not None else None
        gb = k.let("gb|grad_b|gj", g[b]) if g is not None else None
        target.put(a, b, k.let("kab|value|entry", _entry(p, m, ga, gb, a == b, volume, *more)))
