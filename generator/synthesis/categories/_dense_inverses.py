"""Inverses, orthogonal bases and triangular solves: intents of dense_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories import _dense as D
from generator.synthesis.categories import _dense_algorithms as A
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def invert(p: ProgramBuilder) -> None:
    """Gauss-Jordan inverse."""
    n = p.pick(3, 4, 5, 6)
    k = p.kernel_builder(
        "gauss_jordan_inverse|invert_blocks|batched_inverse|invert_diagonal_blocks|block_inverse",
        p.pick(
            "Gauss-Jordan inverse of each block.",
            "Invert small matrices for a block preconditioner.",
        ),
    )
    e = D.systems(p, k)
    form = p.weighted(D.FORMS)
    e.guard()
    a = D.result(p, e, form, "work|matrices|blocks|A", "a|m|w", (n, n), R.spd(0.8, 3.0))
    _regularise(p, k, e, a, n)
    inv = D.result(p, e, form, "inverses|inv_blocks|A_inv|out", "inv|r|b", (n, n))
    size = D.extent(p, k, n, a)
    k.step("start from the identity" if p.chance(0.5) else "")
    D.perform(
        p, k, "gauss_jordan|invert_block|invert", ["a|m", "inv|b"], [a], [inv], size,
        lambda b, *m: _jordan(p, b, *m), "Inverse of `m`, which is destroyed." if form != "mat" else "",
    )  # fmt: skip
    if p.chance(0.4):
        _apply_inverse(p, k, e, form, inv, n, size)
    inv.commit()


def _regularise(p: ProgramBuilder, k: Any, e: Entities, a: D.Small, n: int) -> None:
    if p.chance(0.3):
        m = a.m
        shift = k.param("damping|shift|regularization|lam|ridge", 1.0e-3, 0.5)
        with k.loop("i|d|c", n) as i:
            k.set(m[i, i], m[i, i] + shift)


def _jordan(p: ProgramBuilder, k: Any, source: Any, inv: Any, size: Operand) -> None:
    a = source
    if (
        isinstance(source, Expr)
        and isinstance(source.type, T.Mat)
        and not isinstance(k, KernelBuilder)
    ):
        a = k.var("w|work|t", source)
    with k.loop("i|d", size) as i:
        k.set(inv[i, i], 1.0)
    with k.loop("c|col|k", size) as c:
        rp = k.let("rp|inv_pivot|scale", 1.0 / a[c, c])
        with k.loop("j|q", size) as j:
            k.set(a[c, j], a[c, j] * rp)
            k.set(inv[c, j], inv[c, j] * rp)
        with k.loop("r|row|i", size) as r:
            if p.chance(0.5):
                with k.when(r == c):
                    k.cont()
                _reduce_row(p, k, a, inv, r, c, size)
            else:
                with k.when(r != c):
                    _reduce_row(p, k, a, inv, r, c, size)


def _reduce_row(
    p: ProgramBuilder, k: Any, a: Any, inv: Any, r: Expr, c: Expr, size: Operand
) -> None:
    f = k.let("f|factor|m", a[r, c])
    with k.loop("j|q", size) as j:
        k.set(a[r, j], a[r, j] - f * a[c, j])
        k.set(inv[r, j], inv[r, j] - f * inv[c, j])


def _apply_inverse(
    p: ProgramBuilder, k: Any, e: Entities, form: str, inv: D.Small, n: int, size: Operand
) -> None:
    r = D.given(p, e, form, "residuals|r|rhs", "res|ri", (n,), R.uniform(-1.0, 1.0))
    z = D.result(p, e, form, "z|preconditioned|x", "zi|out_i", (n,))
    if isinstance(z, D.Local) and p.chance(0.6):
        z.define(inv.m * r.m if p.chance(0.6) else inv.m @ r.m)
    else:
        D.perform(
            p,
            k,
            "matvec|apply_block|multiply",
            ["a|m", "x|v", "y|out"],
            [inv, r],
            [z],
            size,
            lambda b, a, x, y, n: A.matvec(p, b, a, x, y, n, n),
        )
    z.commit()


def orthogonalise(p: ProgramBuilder) -> None:
    """Thin QR by modified Gram-Schmidt or Householder reflections."""
    rows, cols = p.pick((4, 3), (6, 3), (5, 3), (3, 3), (4, 4), (8, 4))
    k = p.kernel_builder(
        "gram_schmidt|orthonormalize_columns|batched_qr|qr_factor|mgs_qr",
        p.pick(
            "Modified Gram-Schmidt on the columns of each block.",
            "Thin QR factorisation of tall blocks.",
        ),
    )
    e = D.systems(p, k)
    form = p.weighted(D.FORMS) if rows <= 6 else p.pick("array", "view")
    e.guard()
    q = D.result(p, e, form, "Q|basis|columns|frames", "q|v|a", (rows, cols), R.uniform(-1.0, 1.0))
    m = D.extent(p, k, rows, q, 0, "m|rows|n_rows")
    n = D.extent(p, k, cols, q, 1, "n|cols|n_cols")
    r = (
        D.result(p, e, form, "R|upper|coefficients", "r|up|coef", (cols, cols))
        if p.chance(0.65)
        else None
    )
    rank = k.var("rank|kept", 0, T.I32) if p.chance(0.35) else None
    coefficients = r.m if r is not None else None
    twice = p.chance(0.25)
    with k.loop("j|col|c", n) as j:
        with k.loop("i|prev|k", j) as i:
            if twice and r is None:  # a second pass restores orthogonality lost to rounding
                with k.loop("pass_|sweep", 2):
                    _project(p, k, q.m, None, i, j, m)
            else:
                _project(p, k, q.m, coefficients, i, j, m)
        norm = k.var("sq|norm_sq|nn", 0.0, p.real)
        with k.loop("t|row", m) as t:
            k.aug(norm, "+", q.m[t, j] * q.m[t, j])
        size = k.let("norm|length|rjj", wp.sqrt(norm))
        if r is not None:
            k.set(coefficients[j, j], size)
        if rank is not None:
            tol = k.scalar("tol|eps|drop_tolerance", p.real, p.pick(1e-6, 1e-5, 1e-4))
            with k.when(size <= tol):
                k.cont()
            k.aug(rank, "+", 1)
        inv = k.let("inv_norm|s|scale", 1.0 / (size if rank is not None else wp.max(size, 1.0e-8)))
        with k.loop("t|row", m) as t:
            k.set(q.m[t, j], q.m[t, j] * inv)
    if rank is not None:
        e.out("ranks|rank_out|num_independent", T.I32).store(rank)
    for part in (q, r):
        if part is not None:
            part.commit()


def _project(p: ProgramBuilder, k: Any, q: Any, r: Any, i: Expr, j: Expr, m: Operand) -> None:
    dot = k.var("dot|proj|s", 0.0, p.real)
    with k.loop("t|row", m) as t:
        k.aug(dot, "+", q[t, i] * q[t, j])
    if r is not None:
        k.set(r[i, j], dot)
    with k.loop("t|row", m) as t:
        k.set(q[t, j], q[t, j] - dot * q[t, i])


def triangular(p: ProgramBuilder) -> None:
    """One triangular solve, possibly with several right-hand sides."""
    n = p.pick(3, 4, 6, 8)
    lower = p.chance(0.5)
    many = p.pick(0, 0, 2, 3, 4)
    k = p.kernel_builder(
        f"{'forward' if lower else 'back'}_substitution|trsv_{'lower' if lower else 'upper'}"
        "|triangular_solve|solve_triangular",
        p.pick("Triangular solve per block.", "Substitution with a factor computed beforehand."),
    )
    e = D.systems(p, k)
    form = p.weighted(D.FORMS) if n <= 6 else p.pick("array", "view")
    column = None
    e.guard()
    t = D.given(
        p, e, form, "L|factors|lower" if lower else "U|upper|R", "t|f|tri", (n, n), R.spd(1.0, 3.0)
    )
    size = D.extent(p, k, n, t)
    if many and form != "mat":
        rhs = k.array(
            "rhs|B|right_hand_sides", p.real, (*D.lead_of(e), n, many), R.uniform(-1.0, 1.0)
        )
        out = k.out("X|solutions|out", p.real, (*D.lead_of(e), n, many))
        with k.loop(
            "c|col|rhs_id", many if p.chance(0.5) else rhs.dim(len(D.lead_of(e)) + 1)
        ) as column:
            source, target = (
                _Column(rhs, D.prefix_of(e), column),
                _Column(out, D.prefix_of(e), column),
            )
            _substitution(p, k, lower, t.m, source, target, size)
        return
    source = D.given(p, e, form, "rhs|b|y", "bi|rhs_i|y_i", (n,), R.uniform(-1.0, 1.0))
    x = D.result(p, e, form, "x|solutions|out", "xi|sol|z", (n,))
    unit = p.chance(0.25)
    transposed = p.chance(0.4)
    D.perform(
        p,
        k,
        f"solve_{'lower' if lower else 'upper'}|substitute|tri_solve",
        ["t|m", "b|rhs", "x|y"],
        [t, source],
        [x],
        size,
        lambda b, *m: A.forward(p, b, *m, unit) if lower else A.backward(p, b, *m, transposed),
    )
    x.commit()
    if p.chance(0.3):
        bad = k.out("bad_pivots|num_bad|failures", T.I32, (1,))
        i = 0 if p.chance(0.5) else size - 1
        with k.when(
            negate(wp.isfinite(x.m[i]))
            if p.chance(0.5)
            else all_of(t.m[i, i] < 1.0e-6, t.m[i, i] > -1.0e-6)
        ):
            k.do(wp.atomic_add(bad, 0, 1))


class _Column:
    """One right-hand side of several, as a vector."""

    def __init__(self, array: Expr, prefix: tuple[Expr, ...], column: Expr) -> None:
        self.array, self.prefix, self.column = array, prefix, column

    def __getitem__(self, i: Operand) -> Expr:
        return self.array[(*self.prefix, i, self.column)]


def _substitution(
    p: ProgramBuilder, k: Any, lower: bool, t: Any, source: Any, target: Any, size: Operand
) -> None:
    if lower:
        A.forward(p, k, t, source, target, size)
    else:
        A.backward(p, k, t, source, target, size)
