"""Structure of sparse matrices: triplets, transposes, counts, diagonals, scalings."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._sparse import Sparse, rows
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def _triplets(
    p: ProgramBuilder, e: Entities, n: int, dtype: T.Type, checked: bool
) -> tuple[Expr, Expr, Expr]:
    """Row, column and value of this thread's entry; -1 marks an unused one."""
    k = e.k
    low = -1 if checked else 0
    r = k.let("r|row|i", e.field("rows|row_ids|coo_rows", T.I32, R.integers(low, n)).own)
    c = k.let("c|col|j", e.field("cols|col_ids|coo_cols", T.I32, R.integers(low, n)).own)
    v = e.field("values|vals|coo_values", dtype, R.uniform(-0.5, 0.5)).own
    if checked:
        with k.when(any_of(r < 0, c < 0) if p.chance(0.6) else r < 0):
            k.ret()
    return r, c, v


def coordinate(p: ProgramBuilder) -> None:
    """One thread per triplet: products, scatter into other layouts, diagonal sums."""
    kind = p.pick("multiply", "multiply", "symmetric", "dense", "diagonal", "count")
    names = {
        "multiply": "coo_spmv|coo_matvec|multiply_triplets",
        "symmetric": "coo_symmetric_mv|symmetric_spmv|upper_triplet_mv",
        "dense": "triplets_to_dense|scatter_triplets|densify",
        "diagonal": "sum_diagonal|collect_diagonal|lump_triplets",
        "count": "count_row_entries|row_histogram|coo_row_counts",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "One thread per stored entry.",
            "Coordinate format; duplicates are summed.",
            "Triplets may repeat, so results are accumulated.",
        ),
    )
    e = Entities(
        k,
        p.pick("entry", "triplet", "nonzero"),
        index="e|t|tid|nz",
        count=p.pick(96, 120, 160, 200),
    )
    n = p.pick(16, 24, 32)
    block = p.weighted({1: 5, 3: 1.5, 2: 1})
    entry = p.real if block == 1 else p.mat(block)
    vector = p.real if block == 1 else p.vec(block)
    e.guard()
    checked = p.chance(0.4)
    r, c, v = _triplets(p, e, n, entry, False)
    if checked:
        limit = k.scalar("n_rows|num_rows|size", T.I32, n - 2)
        with k.when(any_of(r >= limit, c >= limit)):
            k.ret()
    if kind in ("multiply", "symmetric"):
        x = k.array("x|x_in|vec", vector, (n,), R.uniform(-1.0, 1.0))
        y = k.out("y|out|ax", vector, (n,))
        v = k.let("v|a|val", v)
        scale = k.param("alpha|scale", 0.3, 2.0) if p.chance(0.4) else None
        term = v * x[c]
        scatter(p, k, y, r, term if scale is None else scale * term)
        if kind == "symmetric":
            with k.when(r != c):
                scatter(p, k, y, c, (v if block == 1 else wp.transpose(v)) * x[r])
    elif kind == "dense":
        dense = k.out("dense|A|matrix", entry, (n, n))
        if p.chance(0.5):
            with k.when(r > c):
                k.ret()
        scatter(p, k, dense, (r, c), v)
        if p.chance(0.4):
            with k.when(r != c):
                scatter(p, k, dense, (c, r), v if block == 1 else wp.transpose(v))
    elif kind == "diagonal":
        d = k.out("diag|diagonal|D", entry, (n,))
        with k.when(r == c):
            scatter(p, k, d, r, v)
        if p.chance(0.6):
            off = k.out("off_sum|row_abs|radius", p.real, (n,))
            size = wp.abs(v) if block == 1 else wp.ddot(v, v)
            with k.otherwise() if p.chance(0.6) else k.when(r != c):
                scatter(p, k, off, r, size)
    else:
        counts = k.out("row_counts|counts|nnz", T.I32, (n,))
        small = k.param("drop_tol|threshold|eps", 0.05, 0.25)
        size = wp.abs(v) if block == 1 else wp.ddot(v, v)
        with k.when(size > small) if p.chance(0.6) else k.when(any_of(r == c, size > small)):
            scatter(p, k, counts, r, N.literal(1, T.I32))
        if p.chance(0.5):
            scatter(p, k, k.out("col_counts|column_nnz", T.I32, (n,)), c, N.literal(1, T.I32))


def scatter(p: ProgramBuilder, k: KernelBuilder, array: Expr, at: object, value: Expr) -> None:
    where = at if isinstance(at, tuple) else (at,)
    if p.augmented_atomics:
        k.aug(array[where], "+", value)
    else:
        k.do(wp.atomic_add(array, *where, value))


def transpose(p: ProgramBuilder) -> None:
    """Passes of a parallel transpose: counting columns, and writing entries at atomic cursors."""
    kind = p.pick("count", "place", "place", "lookup")
    names = {
        "count": "count_columns|column_histogram|transpose_count",
        "place": "transpose_fill|scatter_transposed|place_entries",
        "lookup": "find_mirror_entries|match_transposed|mirror_index",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Pass of a sparse transpose.",
            "Builds the transposed pattern.",
            "Row-parallel; columns are reached through atomics.",
        ),
    )
    e = rows(k, p, layouts=False)
    m = Sparse(p, e, p.weighted({1: 4, 3: 1}), "csr")
    i = e.index
    e.guard()
    if kind == "count":
        counts = k.out("col_counts|counts|t_counts", T.I32, (e.n + 1,))
        shift = p.pick(0, 1)
        skip = p.chance(0.4)
        with m.row(i) as (j, a):
            if skip:
                with k.when((a if m.block == 1 else wp.trace(a)) == 0.0):
                    k.cont()
            scatter(p, k, counts, j + 1 if shift else j, N.literal(1, T.I32))
    elif kind == "place":
        _place(p, k, e, m, i)
    else:
        found = k.out("mirror|partner|transpose_slot", T.I32, (m.total,), R.constant(-1))
        first = m.begins if m.offsets is None else m.offsets
        with k.loop(
            "s|e|nz", first[i], (m.ends[i] if m.offsets is None else m.offsets[i + 1])
        ) as s:
            j = k.let("j|col", m.columns[s])
            with (
                k.loop(
                    "t|q|other", first[j], (m.ends[j] if m.offsets is None else m.offsets[j + 1])
                ) as t,
                k.when(m.columns[t] == i),
            ):
                k.set(found[s], t)
                k.brk()
            if p.chance(0.5):
                skew = k.out("asymmetry|skew|defect", p.real, (1,))
                with k.when(found[s] >= 0):
                    d = k.let("d|diff", m.value(s) - m.value(found[s]))
                    k.do(wp.atomic_add(skew, 0, d * d if m.block == 1 else wp.ddot(d, d)))
        k.options["enable_backward"] = False


def _place(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Sparse, i: Expr) -> None:
    """Every entry goes to the slot that a sort of the columns has given it."""
    target = k.array("destinations|slot_of|transposed_at", T.I32, (m.total,), R.permutation())
    rows_out = k.out("t_rows|t_columns|row_of", T.I32, (m.total,))
    values_out = k.out("t_values|t_entries|transposed", m.entry, (m.total,))
    first = m.begins[i] if m.offsets is None else m.offsets[i]
    last = m.ends[i] if m.offsets is None else m.offsets[i + 1]
    upper = p.chance(0.3)
    scale = k.param("scale|alpha", 0.3, 2.0) if p.chance(0.3) else None
    with k.loop("s|e|nz", first, last) as s:
        if upper:
            with k.when(m.columns[s] < i):
                k.cont()
        at = k.let("at|dst|slot", target[s])
        k.set(rows_out[at], i)
        value = wp.transpose(m.value(s)) if m.block > 1 else m.value(s)
        k.set(values_out[at], value if scale is None else value * scale)
        if p.chance(0.3):
            scatter(p, k, k.out("col_mass|column_sums|mass", m.entry, (e.n,)), m.columns[s], value)


def counting(p: ProgramBuilder) -> None:
    """Measures of the pattern: entries per row, bandwidth, degrees, boundary rows."""
    k = p.kernel_builder(
        "row_statistics|pattern_stats|count_nonzeros|row_bandwidth|analyze_rows",
        p.pick("Measures of the sparsity pattern.", "Counts per row, and the matrix bandwidth."),
    )
    e = rows(k, p, layouts=p.chance(0.5))
    m = Sparse(p, e, 1)
    i = e.index
    e.guard()
    kinds = p.sample(["nnz", "band", "lower", "mass", "farthest"], 2, 4)
    start = {"nnz": 0, "band": 0, "lower": 0, "farthest": -1}
    words = {
        "nnz": "nnz|count|entries",
        "band": "band|reach|width",
        "lower": "below|lower_count|nl",
        "farthest": "last|farthest|max_col",
    }
    acc = {w: k.var(words[w], start[w], T.I32) for w in kinds if w != "mass"}
    mass = k.var("mass|abs_sum|row_abs", 0.0, p.real) if "mass" in kinds else None
    cut = k.param("tol|drop_tol|eps", 0.02, 0.2) if p.chance(0.5) else None
    with m.row(i) as (j, a):
        if cut is not None:
            with k.when(wp.abs(a) < cut):
                k.cont()
        if "nnz" in acc:
            k.aug(acc["nnz"], "+", 1)
        if "band" in acc:
            k.set(acc["band"], wp.max(acc["band"], wp.abs(j - i)))
        if "lower" in acc:
            with k.when(j < i):
                k.aug(acc["lower"], "+", 1)
        if "farthest" in acc:
            k.set(acc["farthest"], wp.max(acc["farthest"], j))
        if mass is not None:
            k.aug(mass, "+", wp.abs(a))
    outs = {
        "nnz": "row_nnz|counts|degrees",
        "lower": "lower_counts|below_diag|strict_lower",
        "farthest": "last_columns|extent|max_cols",
    }
    for w, value in acc.items():
        if w == "band":
            k.do(wp.atomic_max(k.out("bandwidth|half_bandwidth|max_band", T.I32, (1,)), 0, value))
        else:
            e.out(outs[w], T.I32).store(value)
    if mass is not None:
        e.out("row_sums|abs_sums|gershgorin", p.real).store(mass)
        if p.chance(0.5):
            k.do(wp.atomic_max(k.out("inf_norm|norm_bound|max_row_sum", p.real, (1,)), 0, mass))
