"""Batched dense linear algebra: many small systems, one per thread or one per group of threads."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _dense as D
from generator.synthesis.categories import _dense_algorithms as A
from generator.synthesis.categories._dense_eigen import eigen, spectral
from generator.synthesis.categories._dense_functions import matrix_function
from generator.synthesis.categories._dense_gram import gram, triple
from generator.synthesis.categories._dense_inverses import invert, orthogonalise, triangular
from generator.synthesis.categories._dense_products import products
from generator.synthesis.categories._dense_spectral import power, rotations
from generator.synthesis.entities import Entities
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Operand


@category("dense_algebra", version=1, title="Batched dense algebra")
def write(p: ProgramBuilder) -> None:
    """Many small dense systems at once: Cholesky, LDL, LU and QR factorisations, Gauss-Jordan inverses,
    triangular and pivoted solves, Gram and triple products, power and Jacobi eigenvalue iterations."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted({
        factorise: 4, eliminate: 2.5, invert: 1.5, orthogonalise: 2.5, triangular: 1.5,
        gram: 3, products: 3.5, triple: 1.5, power: 2, eigen: 1.2, rotations: 1.5, spectral: 3.5, matrix_function: 2.5,
    })  # fmt: skip
    intent(p)


def factorise(p: ProgramBuilder) -> None:
    """Cholesky or LDL, optionally followed by the solve."""
    n = p.pick(3, 4, 5, 6, 8)
    kind = p.weighted({"cholesky": 4, "inplace": 2, "ldl": 2})
    solve = p.chance(0.6)
    verb = "solve" if solve else "factor"
    k = p.kernel_builder(
        f"cholesky_{verb}|batched_cholesky|{verb}_spd|chol_{verb}_batch|{verb}_blocks"
        if kind != "ldl"
        else f"ldl_{verb}|batched_ldl|{verb}_ldlt",
        p.pick(
            "One symmetric positive-definite system per thread.",
            "Dense factorisation of small blocks.",
            "Factor each block; blocks are independent.",
        ),
    )
    e = D.systems(p, k)
    form = p.weighted(D.FORMS) if n <= 6 else p.pick("array", "view")
    e.guard()
    fill = R.spd(1.0, 4.0)
    if kind == "inplace":
        a = D.result(p, e, form, "matrices|A|blocks|hessians", "a|m|h", (n, n), fill)
        low = a
    else:
        a = D.given(p, e, form, "matrices|A|blocks|hessians", "a|m|h", (n, n), fill)
        low = D.result(p, e, form, "factors|L|lower", "l|low|chol", (n, n))
    size = D.extent(p, k, n, a)
    if kind == "inplace" and p.chance(0.5):
        _shift_diagonal(p, k, a.m, size)
    k.step(p.pick("factorise", "A = L L^T" if kind != "ldl" else "A = L D L^T", ""))
    d = None
    if kind == "ldl":
        d = D.result(p, e, form, "diagonals|D|pivots", "d|dia", (n,))
        D.perform(
            p,
            k,
            "ldl_factor|ldlt|factor_ldl",
            ["a|m", "l|low", "d|diag"],
            [a],
            [low, d],
            size,
            lambda b, *m: A.ldl(p, b, *m),
        )
    elif kind == "inplace" and p.chance(0.6):
        D.perform(
            p,
            k,
            "factor_inplace|chol_inplace|right_looking_cholesky",
            ["a|m", "a|m"],
            [a],
            [a],
            size,
            lambda b, m, _, n: A.right_looking(p, b, m, n),
        )
    else:
        D.perform(
            p,
            k,
            "cholesky|factor_block|cholesky_factor|chol",
            ["a|m", "l|low|f"],
            [a],
            [low],
            size,
            lambda b, *m: A.cholesky(p, b, *m),
        )
    if solve:
        _substitute(p, k, e, form, a if kind != "inplace" else None, low, d, n, size)
    _determinant(p, k, e, low.m if d is None else None, d.m if d else None, size)
    for part in (low, d):
        if part is not None:
            part.commit()


def _shift_diagonal(p: ProgramBuilder, k: Any, a: Any, size: Operand) -> None:
    shift = k.param("damping|shift|regularization|lam|ridge", 1.0e-3, 0.5)
    with k.loop("i|d|c", size) as i:
        k.set(a[i, i], a[i, i] * (1.0 + shift) if p.chance(0.4) else a[i, i] + shift)


def _substitute(
    p: ProgramBuilder,
    k: Any,
    e: Entities,
    form: str,
    a: D.Small | None,
    low: D.Small,
    d: D.Small | None,
    n: int,
    size: Operand,
) -> None:
    k.step(p.pick("forward and back substitution", "triangular solves", ""))
    rhs = D.given(
        p, e, form, "rhs|b|right_hand_sides|gradients", "rhs_i|b_i|g", (n,), R.uniform(-1.0, 1.0)
    )
    x = D.result(p, e, form, "solutions|x|out|updates", "y|sol|x_i", (n,))
    D.perform(
        p, k, "forward_solve|forward_substitution|solve_lower", ["l|low", "b|rhs", "y|z"], [low, rhs], [x], size,
        lambda b, *m: A.forward(p, b, *m, unit=d is not None),
    )  # fmt: skip
    if d is not None:
        with k.loop("i|c", size) as i:
            k.set(x.m[i], x.m[i] / d.m[i])
    A.backward(p, k, low.m, x.m, x.m, size, transposed=True)
    if a is not None and p.chance(0.3):
        _residual(p, k, e, form, a, rhs, x, size)
    if p.chance(0.3):
        norm = A.norm_of(p, k, x.m, size, "step_norm|norm|x_norm")
        if p.chance(0.5):
            limit = k.param("max_step|trust_radius|step_limit", 0.1, 1.0)
            with k.when(norm > limit), k.loop("i|c", size) as i:
                k.set(x.m[i], x.m[i] * (limit / norm))
        k.do(wp.atomic_max(k.out("max_norm|largest_step|norm_max", p.real, (1,)), 0, norm))
    x.commit()


def _residual(
    p: ProgramBuilder,
    k: Any,
    e: Entities,
    form: str,
    a: D.Small,
    rhs: D.Small,
    x: D.Small,
    size: Operand,
) -> None:
    """Sum of squared residuals ``|b - A x|^2`` of this system."""
    k.step(p.pick("residual of the solution", "check", ""))
    total = k.var("err|res_sq|total_sq", 0.0, p.real)
    m, v, target = a.m, x.m, rhs.m
    with k.loop("i|row", size) as i:
        r = k.var("r|res|defect", target[i])
        with k.loop("j|col", size) as j:
            k.aug(r, "-", m[i, j] * v[j])
        k.aug(total, "+", r * r)
    match p.pick("store", "atomic", "flag"):
        case "store":
            e.out("residual_norms|errors|res_out", p.real).store(wp.sqrt(total))
        case "atomic":
            k.do(wp.atomic_add(k.out("total_residual|res_sum|error_sq", p.real, (1,)), 0, total))
        case _:
            e.out("converged|ok|solved", T.I32).store(
                wp.where(total < k.param("tol|tolerance|eps", 1e-9, 1e-4), 1, 0)
            )


def _determinant(p: ProgramBuilder, k: Any, e: Entities, low: Any, d: Any, size: Operand) -> None:
    if not p.chance(0.3):
        return
    logs = e.out("log_det|logdet|log_determinants", p.real)
    total = k.var("ld|log_sum|acc_log", 0.0, p.real)
    with k.loop("i|c|m", size) as i:
        k.aug(total, "+", wp.log(d[i] if d is not None else low[i, i]))
    logs.store(total if d is not None else 2.0 * total)


def eliminate(p: ProgramBuilder) -> None:
    """Gaussian elimination of ``[A | b]`` or an LU factorisation, with or without row exchanges."""
    n = p.pick(3, 4, 5, 6)
    pivoted = p.chance(0.6)
    k = p.kernel_builder(
        "gauss_solve|eliminate|solve_linear_systems|lu_solve|batched_gauss|solve_small|dense_solve",
        p.pick(
            "Gaussian elimination on independent systems.",
            "Solve A x = b for every block.",
            "Direct solve of small dense systems, matrices are overwritten.",
        ),
    )
    e = D.systems(p, k)
    form = p.weighted(D.FORMS)
    e.guard()
    a = D.result(
        p,
        e,
        form,
        "matrices|A|mats|lhs",
        "a|m|work",
        (n, n),
        R.near_identity(0.2) if not pivoted else R.uniform(-2.0, 2.0),
    )
    x = D.result(p, e, form, "x|rhs|solutions|b", "y|v|sol", (n,), R.uniform(-1.0, 1.0))
    size = D.extent(p, k, n, a)
    exact = pivoted and p.chance(0.7)
    flags = e.out("status|info|singular", T.I32) if exact else None
    sign = k.var("sign|det|parity", 1.0, p.real) if p.chance(0.35) else None
    with k.loop("k|step|col", size) as c:
        if pivoted:
            best = A.pivot_row(p, k, a.m, c, size)
            if flags is not None:
                with k.when(wp.abs(a.m[best, c]) < 1.0e-5):
                    flags.store(p.pick(1, -1))
                    k.ret()
            with k.when(best != c):
                A.swap_rows(p, k, a.m, c, best, size)
                held = k.let("hold|bk|rhs_k", x.m[c])
                k.set(x.m[c], x.m[best])
                k.set(x.m[best], held)
                if sign is not None:
                    k.set(sign, -sign)
        elif p.chance(0.3):
            k.comment("the matrices are diagonally dominant, no pivoting")
        pivot = k.let("pivot|akk|diag", a.m[c, c])
        if not pivoted or flags is not None:
            inv = k.let("inv_pivot|scale|rp", 1.0 / pivot)
        else:
            inv = k.let(
                "inv_pivot|scale|rp",
                wp.where(wp.abs(pivot) > 1.0e-5, 1.0 / pivot, construct(p.real, 0.0)),
            )
        if sign is not None:
            k.aug(sign, "*", pivot)
        with k.loop("r|i|row", c + 1, size) as r:
            f = k.let("f|factor|m", a.m[r, c] * inv)
            if p.chance(0.4):
                with k.when(f == 0.0):
                    k.cont()
            with k.loop("j|cc|q", c if p.chance(0.3) else c + 1, size) as j:
                k.set(a.m[r, j], a.m[r, j] - f * a.m[c, j])
            k.set(x.m[r], x.m[r] - f * x.m[c])
    k.step(p.pick("back substitution", "solve the triangle", ""))
    _clamped_back(p, k, a.m, x.m, size, flags is None and pivoted)
    if sign is not None:
        e.out("determinants|dets|det_out", p.real).store(sign)
    x.commit()
    if p.chance(0.4) or form != "mat":
        a.commit()


def _clamped_back(p: ProgramBuilder, k: Any, a: Any, x: Any, size: Operand, guarded: bool) -> None:
    with A.descending(p, k, "i|row", size) as i:
        s = k.var("s|acc|value", x[i])
        with k.loop("j|col", i + 1, size) as j:
            k.aug(s, "-", a[i, j] * x[j])
        if guarded:
            with k.when(wp.abs(a[i, i]) > 1.0e-5):
                k.set(x[i], s / a[i, i])
            with k.otherwise():
                k.set(x[i], 0.0)
        else:
            k.set(x[i], s / a[i, i])
