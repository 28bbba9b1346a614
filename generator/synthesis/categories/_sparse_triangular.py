"""Incomplete factors and level-scheduled triangular solves: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._sparse import Sparse, rows, safe_reciprocal
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def level_solve(p: ProgramBuilder) -> None:
    """Triangular solve of the rows of one dependency level, or a few Jacobi sweeps in its place."""
    lower = p.chance(0.55)
    k = p.kernel_builder(
        f"solve_level|{'forward' if lower else 'backward'}_level|triangular_level|sptrsv_level|apply_factor",
        p.pick(
            "Rows of one level are independent of each other.",
            "Level-scheduled substitution.",
            "One step of a sparse triangular solve.",
        ),
    )
    listed = p.chance(0.5)
    e = rows(k, p, layouts=False)
    m = Sparse(p, e, p.weighted({1: 6, 3: 1.5}), p.pick("csr", "csr", "ell", "lengths"), 0.3)
    i: Expr = e.index
    if listed:
        order = k.array("level_rows|schedule|row_order", T.I32, (e.n,), R.permutation())
        i = k.let("row_id|target|ri", order[e.index])
        start = k.scalar("level_begin|first|offset", T.I32, p.pick(0, 4))
        last = k.scalar("level_end|last|stop_at", T.I32, e.n - p.pick(0, 8))
        with k.when(e.index < start):
            k.ret()
        with k.when(e.index >= last):
            k.ret()
    else:
        levels = k.array("levels|depth|row_level", T.I32, (e.n,), R.integers(0, 4))
        with k.when(levels[i] != k.scalar("level|current_level|stage", T.I32, p.pick(0, 1, 2))):
            k.ret()
    # Solved rows lie in `done`; the rows of this level go to `out`, so no thread reads what another writes.
    done = k.array("x|y|solved", m.vector, (e.n,), R.uniform(-1.0, 1.0))
    out = k.out("x_out|y_out|solution", m.vector, (e.n,))
    s = k.var("s|acc|r", k.array("b|rhs|f", m.vector, (e.n,), R.uniform(-1.0, 1.0))[i])
    found = k.var("d|pivot|diag", 0.0, p.real) if m.block == 1 and p.chance(0.4) else None
    with m.row(i) as (j, a):
        if found is not None:
            with k.when(j == i):
                k.set(found, a)
                k.cont()
        with k.when(j < i if lower else j > i):
            k.aug(s, "-", a * done[j])
    if found is not None:
        value = (
            s / (4.0 + found)
            if p.chance(0.3)
            else choose(wp.abs(found) > 0.1, s / found, s)
            if p.chance(0.4)
            else s * safe_reciprocal(p, k, found + 2.0)
        )
    elif m.block == 1:
        d = k.array("diag|pivots|D", p.real, (e.n,), R.uniform(1.0, 3.0))[i]
        value = s if p.chance(0.3) else s / d
    else:
        value = k.array("inv_pivots|inv_diag|D_inv", m.entry, (e.n,), R.near_identity(0.2))[i] * s
    k.set(out[i], value)
    if p.chance(0.35):
        k.do(wp.atomic_add(k.out("num_solved|count|finished", T.I32, (1,)), 0, 1))


def incomplete(p: ProgramBuilder) -> None:
    """One sweep of a fine-grained incomplete factorisation, or an approximate inverse row."""
    kind = p.pick("ilu", "ic", "spai")
    names = {
        "ilu": "ilu0_sweep|parallel_ilu_step|update_ilu_entries",
        "ic": "ic0_sweep|incomplete_cholesky_step|update_ic_entries",
        "spai": "approximate_inverse_row|spai_diagonal|sparse_inverse_row",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Fixed-point sweep over the entries of the factors.",
            "Every stored entry is updated from the previous sweep.",
            "Fine-grained incomplete factorisation.",
        ),
    )
    if kind == "spai":
        _spai(p, k)
        return
    n, width = p.pick(24, 32, 48), p.pick(4, 6)
    total = n * width
    e = Entities(k, p.pick("entry", "nonzero"), index="e|nz|tid", count=total, layouts=False)
    r = k.let("r|row|i", e.field("entry_rows|rows|row_of", T.I32, R.integers(0, n)).own)
    c = k.let("c|col|j", e.field("entry_cols|cols|col_of", T.I32, R.integers(0, n)).own)
    e.guard()
    offsets = k.array("offsets|row_ptr|row_offsets", T.I32, (n + 1,), R.offsets(total))
    columns = k.array("columns|col_indices|indices", T.I32, (total,), R.integers(0, n))
    lower = k.array("L|lower|l_old", p.real, (total,), R.uniform(-0.3, 0.3))
    s = k.var(
        "s|acc|value", k.array("A|values|a_in", p.real, (total,), R.uniform(-1.0, 1.0))[e.index]
    )
    upper = (
        lower if kind == "ic" else k.array("U|upper|u_old", p.real, (total,), R.uniform(-0.3, 0.3))
    )
    _merge(p, k, s, r, c, offsets, columns, lower, upper, kind)
    diag = k.array("diag|pivots|d", p.real, (n,), R.uniform(1.0, 3.0))
    if p.chance(0.3):
        shift = k.param("shift|tau|compensation", 0.05, 0.5)
        with k.when(r == c):
            k.aug(s, "+", shift)
    if p.chance(0.3):
        bound = k.param("max_entry|growth_limit|clip_at", 1.0, 3.0)
        k.set(s, wp.clamp(s, -bound, bound))
    mix = k.param("omega|relax|blend", 0.4, 0.9) if p.chance(0.3) else None
    if mix is not None:
        k.set(s, mix * s + (1.0 - mix) * lower[e.index])
    out = k.out("factor_out|new_values|lu_next", p.real, (total,))
    if kind == "ic":
        with k.when(r == c):
            k.set(out[e.index], wp.sqrt(wp.max(s + diag[r], p.pick(1.0e-6, 1.0e-4))))
        with k.otherwise():
            k.set(out[e.index], s / diag[c])
    elif p.chance(0.5):
        k.set(out[e.index], choose(r > c, s / diag[c], s))
    else:
        with k.when(r > c):
            k.set(s, s / diag[c])
        k.set(out[e.index], s)
    if p.chance(0.4):
        change = k.let("change|delta", s - lower[e.index])
        k.do(
            wp.atomic_add(k.out("change_sq|sweep_norm|delta_sum", p.real, (1,)), 0, change * change)
        )
    k.options["enable_backward"] = False


def _merge(
    p: ProgramBuilder, k: KernelBuilder, s: Expr, r: Expr, c: Expr, offsets: Expr, columns: Expr, lower: Expr,
    upper: Expr, kind: str,
) -> None:  # fmt: skip
    """Subtracts the products of entries of row `r` and row `c` that share a column."""
    if p.chance(0.5):
        with k.loop("a|p_|u", offsets[r], offsets[r + 1]) as a:
            ka = k.let("ka|col_a|m", columns[a])
            with k.when(ka >= wp.min(r, c)):
                k.cont()
            with k.loop("b|q|v", offsets[c], offsets[c + 1]) as b, k.when(columns[b] == ka):
                k.aug(s, "-", lower[a] * upper[b])
                k.brk()
        return
    a, b = k.var("a|p_|ia", offsets[r]), k.var("b|q|ib", offsets[c])
    stop_a, stop_b = (
        k.let("stop_a|end_r|a_end", offsets[r + 1]),
        k.let("stop_b|end_c|b_end", offsets[c + 1]),
    )
    with k.repeat(all_of(a < stop_a, b < stop_b)):
        ka, kb = k.let("ka|col_a", columns[a]), k.let("kb|col_b", columns[b])
        with k.when(ka == kb):
            k.aug(s, "-", lower[a] * upper[b])
            k.aug(a, "+", 1)
            k.aug(b, "+", 1)
        with k.elsewhen(ka < kb):
            k.aug(a, "+", 1)
        with k.otherwise():
            k.aug(b, "+", 1)


def _spai(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Diagonal sparse approximate inverse, and one step of its refinement."""
    e = rows(k, p)
    m = Sparse(p, e, 1)
    i = e.index
    e.guard()
    d, norm = (
        k.var("d|diag|a_ii", k.param("shift|mass|lam", 0.8, 2.0)),
        k.var("norm|row_sq|sq", 0.0, p.real),
    )
    with m.row(i) as (j, a):
        k.aug(norm, "+", a * a)
        with k.when(j == i):
            k.aug(d, "+", a)
    w = k.let("w|weight|m_ii", d / wp.max(norm + d * d, 1.0e-8))
    e.out("approx_inverse|M|weights_out", p.real).store(w)
    if p.chance(0.6):
        r = e.field("r|residual|v", p.real, R.uniform(-1.0, 1.0))
        z = k.var("z|applied|y", w * r.own)
        if p.chance(0.5):
            ar = k.var("ar|coupling|off", 0.0, p.real)
            with m.row(i) as (j, a):
                k.aug(ar, "+", a * r[j])
            k.set(z, z + w * (r.own - w * ar))
        e.out("z|preconditioned|y_out", p.real).store(z)
