"""Overlaps of sorted lists, quantiles and runs of rows, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def set_overlap(p: ProgramBuilder) -> None:
    """Two sorted id lists walked together: intersections, unions, similarity, sparse dot products."""
    k = p.kernel_builder(
        "intersect_rows|sorted_overlap|jaccard_similarity|sparse_dot|common_neighbors|merge_count",
        p.pick(
            "Walk two sorted lists in step.",
            "Overlap of sorted id lists.",
            "Sparse row products by a two-pointer walk.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "pair", index="tid|pair|i")
    e.guard()
    lists, total = p.pick(16, 24, 32), p.pick(160, 240)
    shared = p.chance(0.5)
    start = Table(
        e, "list_start|row_offsets|offsets", T.I32, (lists + 1,), R.offsets(total), shared=shared
    )
    t = p.weighted({T.I32: 5, T.U32: 1, T.I64: 1.5})
    ids = Table(e, "list_ids|columns|members", t, (total,), R.ascending(0.0, 60.0), shared=shared)
    if p.chance(0.3):
        both = e.field("pairs|edges|row_pairs", T.Vec(2, T.I32), R.integers(0, lists)).read(
            "pr|edge|rows_ab"
        )
        left, right = both[0], both[1]
    else:
        left, right = (
            e.field("left|row_a|first", T.I32, R.integers(0, lists)).own,
            e.field("right|row_b|second", T.I32, R.integers(0, lists)).own,
        )
    left, right = k.let("a|la|u", left), k.let("b|lb|v", right)
    if p.chance(0.4):
        with k.when(left == right if p.chance(0.6) else left >= right):
            k.ret()
    begin_a, begin_b = k.let("begin_a|first_a", start[left]), k.let("begin_b|first_b", start[right])
    end_a, end_b = k.let("end_a|stop_a", start[left + 1]), k.let("end_b|stop_b", start[right + 1])
    if p.chance(0.3):
        with k.when(any_of(end_a == begin_a, end_b == begin_b)):
            k.ret()
    form = p.pick("count", "jaccard", "dot", "union", "dice")
    weights = (
        Table(e, "list_values|entries|weights", T.F32, (total,), R.uniform(0.0, 1.0), shared=shared)
        if form == "dot"
        else None
    )
    common = k.var("common|shared|matches", 0)
    acc = k.var("acc|dot_ab|similarity", 0.0) if weights is not None else None
    rows = (begin_a, begin_b, end_a, end_b)
    if p.chance(0.35) and form != "union":
        _gallop(p, k, ids, weights, common, acc, rows)
        only = None
    else:
        only = k.var("distinct|merged_size|n_union", 0) if form == "union" else None
        _two_pointers(p, k, ids, weights, common, acc, only, rows)
    _overlap_outputs(p, k, e, form, common, acc, only, rows)


def _gallop(
    p: ProgramBuilder,
    k: KernelBuilder,
    ids: Table,
    weights: Table | None,
    common: Name,
    acc: Name | None,
    rows: tuple[Expr, ...],
) -> None:
    """Bisection in the second list for every id of the first."""
    begin_a, begin_b, end_a, end_b = rows
    with k.loop("i|ia|s", begin_a, end_a) as i:
        x = k.let("x|id_a|key", ids[i])
        lo, hi = k.var("lo|left_b|first_at", begin_b), k.var("hi|right_b|last_at", end_b)
        with k.repeat(lo < hi):
            mid = k.let("mid|m", (lo + hi) // 2)
            with k.when(ids[mid] < x):
                k.set(lo, mid + 1)
            with k.otherwise():
                k.set(hi, mid)
        with k.when(lo == end_b):
            k.brk() if p.chance(0.5) else k.cont()
        with k.when(ids[lo] == x):
            k.aug(common, "+", 1)
            if acc is not None and weights is not None:
                k.aug(acc, "+", weights[i] * weights[lo])


def _two_pointers(
    p: ProgramBuilder,
    k: KernelBuilder,
    ids: Table,
    weights: Table | None,
    common: Name,
    acc: Name | None,
    only: Name | None,
    rows: tuple[Expr, ...],
) -> None:
    begin_a, begin_b, end_a, end_b = rows
    i, j = k.var("i|ia|pa", begin_a), k.var("j|jb|pb", begin_b)
    limit = k.count("max_shared|stop_after|limit", p.pick(3, 5, 8)) if p.chance(0.2) else None
    with k.repeat(
        all_of(i < end_a, j < end_b)
        if limit is None
        else all_of(i < end_a, j < end_b, common < limit)
    ):
        x, y = k.let("x|id_a", ids[i]), k.let("y|id_b", ids[j])
        if only is not None:
            k.aug(only, "+", 1)
        if p.chance(0.7):
            with k.when(x == y):
                _match(k, weights, common, acc, i, j)
                k.aug(i, "+", 1)
                k.aug(j, "+", 1)
            with k.elsewhen(x < y):
                k.aug(i, "+", 1)
            with k.otherwise():
                k.aug(j, "+", 1)
        else:
            with k.when(x == y):
                _match(k, weights, common, acc, i, j)
            k.aug(i, "+", choose(x <= y, 1, 0))
            k.aug(j, "+", choose(y <= x, 1, 0))
    if only is not None:
        k.aug(only, "+", (end_a - i) + (end_b - j))


def _match(
    k: KernelBuilder, weights: Table | None, common: Name, acc: Name | None, i: Expr, j: Expr
) -> None:
    k.aug(common, "+", 1)
    if acc is not None and weights is not None:
        k.aug(acc, "+", weights[i] * weights[j])


def _overlap_outputs(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    common: Name,
    acc: Name | None,
    only: Name | None,
    rows: tuple[Expr, ...],
) -> None:
    begin_a, begin_b, end_a, end_b = rows
    if only is not None:
        e.out("union_sizes|merged_counts", T.I32).store(only)
    if acc is not None:
        e.out("dots|similarity_out|products", T.F32).store(acc)
    if form in ("jaccard", "dice"):
        both = (end_a - begin_a) + (end_b - begin_b)
        size = k.let("union_size|total_ids|denom", both - common if form == "jaccard" else both)
        ratio = cast(T.F32, common if form == "jaccard" else 2 * common) / cast(T.F32, size)
        score = e.out("jaccard|similarity_out|overlap_ratio", T.F32)
        if p.chance(0.5):
            with k.when(size > 0):
                score.store(ratio)
        else:
            score.store(choose(size > 0, ratio, 0.0))
    if form == "count" or p.chance(0.5):
        e.out("overlap|common_counts|num_shared", T.I32).store(common)
    if p.chance(0.3):
        least = k.count("min_shared|support", p.pick(1, 2, 3)) if p.chance(0.5) else 1
        with k.when(common >= least):
            Table(e, "num_overlapping|pairs_touching|hits", T.I32, (1,), role="out").add(1, 0)


def bisect_quantile(p: ProgramBuilder) -> None:
    """Order statistics of rows without sorting: bisection on the value, counting as it goes."""
    rows, columns = p.pick(16, 24, 32), p.pick(24, 32, 48)
    k = p.kernel_builder(
        "row_median|bisect_quantile|kth_smallest|nth_element|select_rank|robust_scale",
        p.pick(
            "k-th smallest of every row by bisection on the value.", "Median without sorting.", ""
        ),
    )
    e = Entities(k, "row", count=rows, index="row|tid|r")
    e.guard()
    data = Table(e, "data|values|samples", T.F32, (rows, columns), R.normal(0.0, 2.0))
    width = data.extent(1) if p.chance(0.5) else k.count("num_columns|width|n", columns)
    lo, hi = k.var("lo|low|lower", data[e.index, 0]), k.var("hi|high|upper", data[e.index, 0])
    with k.loop("j|c|col", 1, width) as j:
        k.set(lo, wp.min(lo, data[e.index, j]))
        k.set(hi, wp.max(hi, data[e.index, j]))
    rank = k.let(
        "rank|target|want",
        (width - 1) // 2
        if p.chance(0.5)
        else k.count("k_index|order|rank_wanted", p.pick(2, 5, 9)),
    )
    steps = k.var("it|rounds|step", 0)
    limit = k.count("max_iters|num_rounds|iterations", p.pick(16, 20, 24))
    tolerance = k.param("tolerance|eps|resolution", 0.0005, 0.01) if p.chance(0.5) else None
    with k.repeat(
        steps < limit if tolerance is None else all_of(hi - lo > tolerance, steps < limit)
    ):
        mid = k.let("mid|pivot|guess", 0.5 * (lo + hi))
        below = k.var("below|count|n_below", 0)
        with k.loop("j|c|col", width) as j, k.when(data[e.index, j] <= mid):
            k.aug(below, "+", 1)
        with k.when(below > rank):
            k.set(hi, mid)
        with k.otherwise():
            k.set(lo, mid)
        k.aug(steps, "+", 1)
    result = k.let("median_value|value|selected", hi if p.chance(0.4) else 0.5 * (lo + hi))
    e.out("medians|quantiles|selected_out", T.F32).store(result)
    if p.chance(0.45):
        spread = k.var("spread|mad_sum|deviation", 0.0)
        with k.loop("j|c|col", width) as j:
            k.aug(spread, "+", wp.abs(data[e.index, j] - result))
        e.out("deviations|scales|mean_abs_dev", T.F32).store(spread / cast(T.F32, width))
    if p.chance(0.3):
        e.out("iterations_used|rounds_out", T.I32).store(steps)


def encode_runs(p: ProgramBuilder) -> None:
    """Run-length coding of rows and its inverse."""
    rows, columns = p.pick(16, 24, 32), p.pick(16, 24, 32)
    k = p.kernel_builder(
        "rle_encode_rows|run_length_encode|decode_runs|compress_rows|longest_streak",
        p.pick("Run-length code of every row.", "Runs of equal labels along each row.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "row", count=rows, index="row|tid|r")
    t = p.pick(T.I32, T.U8, T.I32)
    e.guard()
    labels = Table(e, "labels|codes|mask_rows", t, (rows, columns), R.integers(0, p.pick(2, 3)))
    size = labels.extent(1) if p.chance(0.5) else k.count("num_columns|width", columns)
    values = (
        Table(e, "run_values|symbols", t, (rows, columns), role="out") if p.chance(0.7) else None
    )
    lengths = Table(e, "run_lengths|lengths", T.I32, (rows, columns), role="out")
    begins = (
        Table(e, "run_starts|begins", T.I32, (rows, columns), role="out") if p.chance(0.4) else None
    )
    number, start, longest = (
        k.var("runs|run_id|n_runs", 0),
        k.var("start|run_start|first", 0),
        k.var("longest|best_len|top", 0),
    )
    with k.repeat(start < size):
        end = k.var("end|cursor|stop", start + 1)
        with k.repeat(end < size):
            with k.when(labels[e.index, end] != labels[e.index, start]):
                k.brk()
            k.aug(end, "+", 1)
        if values is not None:
            values.store(labels[e.index, start], e.index, number)
        lengths.store(end - start, e.index, number)
        if begins is not None:
            begins.store(start, e.index, number)
        k.set(
            longest,
            wp.max(longest, end - start)
            if p.chance(0.5)
            else choose(end - start > longest, end - start, longest),
        )
        k.aug(number, "+", 1)
        k.set(start, end)
    e.out("num_runs|run_counts", T.I32).store(number)
    if p.chance(0.6):
        e.out("longest_run|max_streak", T.I32).store(longest)
    else:
        Table(e, "global_longest|max_run", T.I32, (1,), role="out").atomic("max", longest, 0)
