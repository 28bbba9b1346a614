"""Diagonals, filters and scalings of the stored values: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sparse import Sparse, rows, safe_reciprocal, total
from generator.synthesis.entities import Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def extract(p: ProgramBuilder) -> None:
    """The diagonal and what smoothers need of it."""
    k = p.kernel_builder(
        "extract_diagonal|invert_diagonal|diagonal_preconditioner|l1_jacobi_weights|find_diagonal",
        p.pick(
            "Inverse diagonal for a Jacobi preconditioner.",
            "Collects the diagonal; missing entries count as zero.",
            "Row-wise weights for relaxation.",
        ),
    )
    e = rows(k, p)
    block = p.weighted({1: 5, 2: 1, 3: 2})
    m = Sparse(p, e, block)
    i = e.index
    e.guard()
    d = (
        k.var("d|diag|a_ii", 0.0, p.real)
        if block == 1
        else k.var("d|diag|block_ii", construct(m.entry, 0.0))
    )
    l1 = k.var("off|l1|row_abs", 0.0, p.real) if p.chance(0.45) else None
    early = l1 is None and p.chance(0.5)
    with m.row(i) as (j, a):
        with k.when(j == i):
            k.set(d, a) if early else k.aug(d, "+", a)
            if early:
                k.brk()
        if l1 is not None:
            with k.otherwise() if p.chance(0.6) else k.when(j != i):
                k.aug(l1, "+", wp.abs(a) if block == 1 else wp.sqrt(wp.ddot(a, a)))
    shift = k.param("shift|mass|regularization", 1.0, 3.0)
    if block == 1:
        k.aug(d, "+", shift if l1 is None else l1 + shift)
        inv = safe_reciprocal(p, k, d) if p.chance(0.6) else 1.0 / d
        if p.chance(0.3):
            inv = 1.0 / wp.sqrt(wp.abs(d))
    else:
        k.set(d, d + wp.diag(construct(p.vec(block), 1.0)) * (shift if l1 is None else l1 + shift))
        if p.chance(0.35):
            det = k.let("det|volume", wp.determinant(d))
            with k.when(wp.abs(det) < 1.0e-8):
                k.set(d, wp.diag(construct(p.vec(block), 1.0)))
        inv = wp.inverse(d)
    e.out("inv_diag|diag_inverse|weights_out|preconditioner", m.entry).store(inv)
    if p.chance(0.35):
        e.out("diag_out|diagonal|D", m.entry).store(d)
    if p.chance(0.3) and block == 1 and l1 is not None:
        weak = k.out("weak_rows|num_weak|not_dominant", T.I32, (1,))
        with k.when(l1 > wp.abs(d) * k.param("theta|ratio|dominance", 0.1, 0.4)):
            k.do(wp.atomic_add(weak, 0, 1))


def filtering(p: ProgramBuilder) -> None:
    """Entries changed in place: dropping, symmetrising, boundary rows, compression."""
    kind = p.pick("drop", "dirichlet", "compress", "shift", "threshold")
    names = {
        "drop": "drop_small_entries|sparsify|filter_entries",
        "dirichlet": "apply_dirichlet|eliminate_boundary|constrain_rows",
        "compress": "compress_rows|pack_row|compact_entries",
        "shift": "shift_diagonal|add_to_diagonal|regularize",
        "threshold": "strong_connections|mark_strong|strength_filter",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Edits the values of each row in place.",
            "Row-wise edit; the pattern stays.",
            "Value filter.",
        ),
    )
    e = rows(k, p, layouts=False)
    n, width = e.n, p.pick(4, 6, 8)
    columns = k.array("columns|cols|col_indices", T.I32, (n, width), R.padded(0, n, 0.2))
    values = k.array("values|vals|entries", p.real, (n, width), R.uniform(-1.0, 1.0), "inout")
    i = e.index
    e.guard()
    limit = width if p.chance(0.4) else columns.dim(1)
    fixed: Expr | None = None
    rhs: Expr | None = None
    largest: Expr | None = None
    if kind == "dirichlet":
        fixed = k.array("fixed|is_boundary|constrained", T.I32, (n,), R.mask(0.2))
        given = k.array("boundary_values|prescribed|g", p.real, (n,), R.uniform(-1.0, 1.0))
        rhs = k.array("rhs|b|f", p.real, (n,), R.uniform(-1.0, 1.0), "inout")
    if kind in ("drop", "threshold"):
        largest = k.var("largest|row_max|strongest", 0.0, p.real)
        with k.loop("s|slot|k", limit) as s:
            j = columns[i, s]
            with k.when(all_of(j >= 0, j != i)):
                k.set(largest, wp.max(largest, wp.abs(values[i, s])))
    kept = (
        k.var("kept|count|strong", 0, T.I32) if kind in ("compress", "threshold", "drop") else None
    )
    lumped = (
        k.var("lumped|dropped_sum|compensation", 0.0, p.real)
        if kind == "drop" and p.chance(0.5)
        else None
    )
    theta = (
        k.param("theta|drop_tol|threshold", 0.1, 0.6)
        if kind in ("drop", "threshold", "compress")
        else None
    )
    with k.loop("s|slot|k", limit) as s:
        j = k.let("j|col", columns[i, s])
        with k.when(j < 0):
            k.brk() if p.chance(0.5) else k.cont()
        match kind:
            case "shift":
                with k.when(j == i):
                    k.set(values[i, s], values[i, s] + k.param("shift|lam|mu", 0.1, 2.0))
            case "dirichlet":
                assert fixed is not None
                assert rhs is not None
                with k.when(fixed[i] != 0):
                    k.set(
                        values[i, s],
                        wp.where(j == i, construct(p.real, 1.0), construct(p.real, 0.0)),
                    )
                with k.elsewhen(fixed[j] != 0):
                    k.set(rhs[i], rhs[i] - values[i, s] * given[j])
                    k.set(values[i, s], 0.0)
            case "compress":
                assert kept is not None
                assert theta is not None
                with k.when(wp.abs(values[i, s]) > theta):
                    k.set(values[i, kept], values[i, s])
                    k.aug(kept, "+", 1)
            case _:
                assert largest is not None
                assert theta is not None
                assert kept is not None
                weak = piece(
                    p, k, "is_weak|below_threshold|negligible",
                    {"a|value": values[i, s], "top|largest": largest, "theta|tol": theta},
                    lambda _, v, top, t: wp.abs(v) < t * top, probability=0.6,
                )  # fmt: skip
                with k.when(all_of(j != i, weak)):
                    if lumped is not None:
                        k.aug(lumped, "+", values[i, s])
                    k.set(values[i, s], 0.0)
                with k.otherwise():
                    k.aug(kept, "+", 1)
    if rhs is not None and fixed is not None:
        with k.when(fixed[i] != 0):
            k.set(rhs[i], given[i])
    if kept is not None:
        e.out("kept_counts|row_nnz|strong_degree", T.I32).store(kept)
    if lumped is not None:
        e.out("lumped_out|diag_correction|compensation_out", p.real).store(lumped)
    k.options["enable_backward"] = False


def scaling(p: ProgramBuilder) -> None:
    """Row and column scalings: norms first, or values scaled in place."""
    kind = p.pick("norms", "apply", "symmetric", "stochastic")
    names = {
        "norms": "row_norms|equilibration_factors|row_scale_factors",
        "apply": "scale_rows|apply_scaling|row_scale",
        "symmetric": "symmetric_scale|jacobi_scaling|scale_both_sides",
        "stochastic": "make_stochastic|normalize_rows|transition_matrix",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Equilibration of a sparse matrix.", "Scales the entries of each row.", "Row scaling."
        ),
    )
    e = rows(k, p, layouts=False)
    m = Sparse(
        p,
        e,
        p.weighted({1: 5, 3: 1}) if kind != "stochastic" else 1,
        p.pick("csr", "csr", "ell", "lengths"),
    )
    i = e.index
    e.guard()
    measure = p.pick("l1", "l2", "max")
    size = k.var("size|norm|scale_sum", 0.0, p.real)
    with m.row(i) as (_, a):
        _measure(p, k, size, a, measure, m.block)
    if measure == "l2":
        size = k.let("root|row_norm|len_row", wp.sqrt(size))
    out = Field(e, k.out("row_scale|factors|scale_out", p.real, (e.n,)), p.real)
    factor = k.let(
        "factor|s|inv",
        choose(size > 1.0e-8, 1.0 / size, 1.0) if p.chance(0.6) else 1.0 / wp.max(size, 1.0e-6),
    )
    if kind == "norms":
        out.store(factor if p.chance(0.6) else wp.sqrt(factor))
        return
    x = e.field("x|vec|mass", m.vector, R.uniform(0.1, 1.0))
    acc = m.accumulator()
    other = (
        e.field("col_scale|d_col|right_scale", p.real, R.uniform(0.5, 1.5))
        if kind == "symmetric"
        else None
    )
    with m.row(i) as (j, a):
        k.aug(acc, "+", a * x[j] if other is None else a * x[j] * other[j])
    value = acc * factor
    e.out("y|scaled|out", m.vector).store(value)
    out.store(factor)
    if kind == "stochastic" and p.chance(0.6):
        total(p, e, "total_mass|mass_sum", value)


def _measure(
    p: ProgramBuilder, k: KernelBuilder, size: Expr, a: Expr, measure: str, block: int
) -> None:
    if measure == "l2":
        k.aug(size, "+", a * a if block == 1 else wp.ddot(a, a))
        return
    value = piece(
        p, k, "entry_size|magnitude|abs_entry", {"a|entry": a},
        lambda _, v: wp.abs(v) if block == 1 else wp.sqrt(wp.ddot(v, v)), probability=0.4 if block > 1 else 0.1,
    )  # fmt: skip
    if measure == "l1":
        k.aug(size, "+", value)
    else:
        k.set(size, wp.max(size, value))
