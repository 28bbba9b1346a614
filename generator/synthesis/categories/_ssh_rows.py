"""Whole small sorts and set operations, one row or chunk a thread, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._ssh_sorting import key_fill, key_type
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


def comparator(p: ProgramBuilder, t: T.Scalar) -> UserFunction:
    """A `@wp.func` that says whether one (key, id) comes before another."""
    form = (
        p.pick("stable", "descending", "magnitude", "parity")
        if t != T.U32 and t != T.U64
        else p.pick("stable", "descending", "low_bits")
    )

    def body(b: Block, ka: Expr, ia: Expr, kb: Expr, ib: Expr) -> None:
        if form == "low_bits":
            la, lb = b.let("low_a|la", ka & 255), b.let("low_b|lb", kb & 255)
            with b.when(la != lb):
                b.ret(la < lb)
        elif form == "magnitude":
            da, db = b.let("mag_a|da", wp.abs(ka)), b.let("mag_b|db", wp.abs(kb))
            with b.when(da != db):
                b.ret(da < db)
        elif form == "descending":
            with b.when(ka != kb):
                b.ret(ka > kb)
        elif form == "parity" and t.is_int:
            with b.when((ka & 1) != (kb & 1)):
                b.ret((ka & 1) < (kb & 1))
            with b.when(ka != kb):
                b.ret(ka < kb)
        else:
            with b.when(ka < kb):
                b.ret(literal(True, T.BOOL))
            with b.when(kb < ka):
                b.ret(literal(False, T.BOOL))
        b.ret(ia < ib)

    params = {"key_a|ka": t, "id_a|ia": T.I32, "key_b|kb": t, "id_b|ib": T.I32}
    return p.func(
        "comes_before|precedes|key_less|ordered_before",
        params,
        body,
        p.pick("", "Strict weak order; ties broken by index."),
    )


def sort_rows(p: ProgramBuilder) -> None:
    """Each thread sorts one row in place."""
    form = p.pick("insertion", "selection", "shell", "heap", "comb", "radix")
    k = p.kernel_builder(
        f"{form}_sort_rows|sort_chunks|sort_each_row|sort_neighbors|{form}_sort|sort_buckets",
        p.pick(
            "Every thread sorts its own row.",
            f"In-place {form} sort of short rows.",
            "Sort the entries of every bucket.",
        ),
    )
    k.options["enable_backward"] = False
    width = p.pick(8, 12, 16, 24)
    e = Entities(k, "row", count=p.pick(16, 24, 32, 48), index="row|tid|r")
    t = key_type(p, floats=form != "radix")
    keys = Table(e, "keys|distances|values", t, (e.n, width), key_fill(t), "inout")
    ids = (
        Table(e, "ids|indices|payload", T.I32, (e.n, width), R.permutation(), "inout")
        if p.chance(0.55)
        else None
    )
    size: Expr = keys.extent(1)
    if p.chance(0.5):
        counts = Table(e, "row_counts|lengths|num_valid", T.I32, (e.n,), R.integers(0, width + 1))
        size = k.let("n|count|size", counts[e.index])
        if p.chance(0.5):
            with k.when(size < 2 if p.chance(0.5) else size <= 1):
                k.ret()
    elif p.chance(0.5):
        size = k.count("row_length|width|max_entries", width)
    row = _Row(p, k, e.index, keys, ids)
    {
        "insertion": _insertion,
        "selection": _selection,
        "shell": _shell,
        "heap": _heap,
        "comb": _comb,
        "radix": _radix,
    }[form](p, k, e, row, size, width)
    if p.chance(0.3):
        with k.when(size > 0):
            e.out("row_min|smallest|first_key", t).store(keys[e.index, 0])


class _Row:
    """One row's keys with their optional payload."""

    def __init__(
        self, p: ProgramBuilder, k: KernelBuilder, row: Expr, keys: Table, ids: Table | None
    ) -> None:
        self.k, self.row, self.keys, self.ids = k, row, keys, ids
        self.before = comparator(p, keys.dtype) if ids is not None and p.chance(0.5) else None  # type: ignore[arg-type]
        self.descending = self.before is None and p.chance(0.2)

    def key(self, j: Expr) -> Expr:
        return self.keys[self.row, j]

    def hold(self, j: Expr) -> tuple[Name, Name | None]:
        held = self.k.let("key|held|pivot_key", self.key(j))
        return held, None if self.ids is None else self.k.let(
            "held_id|key_id|moved_id", self.ids[self.row, j]
        )

    def after(self, j: Expr, held: tuple[Expr, Expr | None]) -> Expr:
        """Whether entry j belongs after the held one."""
        if self.before is not None and self.ids is not None:
            return self.before(held[0], held[1], self.key(j), self.ids[self.row, j])
        return self.key(j) < held[0] if self.descending else self.key(j) > held[0]

    def move(self, source: Expr, target: Expr) -> None:
        self.k.set(self.key(target), self.key(source))
        if self.ids is not None:
            self.k.set(self.ids[self.row, target], self.ids[self.row, source])

    def put(self, held: tuple[Expr, Expr | None], target: Expr) -> None:
        self.k.set(self.key(target), held[0])
        if self.ids is not None:
            self.k.set(self.ids[self.row, target], held[1])

    def swap(self, a: Expr, b: Expr) -> None:
        held = self.hold(a)
        self.move(b, a)
        self.put(held, b)


def _insertion(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    with k.loop("i|s|outer", 1, size) as i:
        held = row.hold(i)
        hole = k.var("j|hole|pos", i)
        if p.chance(0.6):
            with k.repeat(all_of(hole > 0, row.after(hole - 1, held))):
                row.move(hole - 1, hole)
                k.aug(hole, "-", 1)
        else:
            with k.repeat(hole > 0):
                with k.when(negate(row.after(hole - 1, held))):
                    k.brk()
                row.move(hole - 1, hole)
                k.aug(hole, "-", 1)
        row.put(held, hole)


def _selection(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    with k.loop("i|s|slot", size - 1) as i:
        best = k.var("best|smallest|arg_min", i)
        with k.loop("j|c|other", i + 1, size) as j:
            held = (row.key(best), None if row.ids is None else row.ids[row.row, best])
            test = (
                row.before(row.key(j), row.ids[row.row, j], *held)
                if row.before and row.ids
                else row.key(j) < held[0]
            )
            with k.when(test):
                k.set(best, j)
        with k.when(best != i):
            row.swap(i, best)


def _shell(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    gap = k.var("gap|stride|h", size // 2)
    with k.repeat(gap > 0):
        with k.loop("i|s|outer", gap, size) as i:
            held = row.hold(i)
            hole = k.var("j|hole|pos", i)
            with k.repeat(all_of(hole >= gap, row.after(wp.max(hole - gap, 0), held))):
                row.move(hole - gap, hole)
                k.aug(hole, "-", gap)
            row.put(held, hole)
        k.set(gap, gap // 2)


def _comb(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    gap, swapped = k.var("gap|stride|h", size), k.var("swapped|dirty|moved", 1)
    with k.repeat(any_of(gap > 1, swapped == 1)):
        k.set(gap, wp.max(gap * 10 // 13, 1))
        k.set(swapped, cast(T.I32, 0))
        with k.loop("i|s|outer", size - gap) as i:
            other = k.let("j|o|partner", i + gap)
            held = (row.key(other), None if row.ids is None else row.ids[row.row, other])
            with k.when(row.after(i, held)):
                row.swap(i, other)
                k.set(swapped, 1)


def _heap(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    start = k.var("start|root0|top", size // 2)
    end = k.var("end|heap_size|m", size)
    with k.repeat(end > 1):
        with k.when(start > 0):
            k.aug(start, "-", 1)
        with k.otherwise():
            k.aug(end, "-", 1)
            row.swap(construct(T.I32, 0), end)
        root = k.var("root|node|parent", start)
        with k.repeat(2 * root + 1 < end):
            child = k.var("child|c|larger", 2 * root + 1)
            with k.when(
                all_of(child + 1 < end, row.key(wp.min(child + 1, width - 1)) > row.key(child))
            ):
                k.aug(child, "+", 1)
            with k.when(row.key(root) >= row.key(child)):
                k.brk()
            row.swap(root, child)
            k.set(root, child)


def _radix(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    bits = p.pick(1, 2)
    t = row.keys.dtype
    buckets = 1 << bits
    scratch = Table(e, "scratch|keys_tmp|buffer", t, (e.n, width), role="out")  # type: ignore[arg-type]
    passes = k.count("num_passes|digits|passes", p.pick(3, 5))
    with k.loop("d|pass_id|digit", passes) as d:
        counts = k.var("counts|starts|offsets", construct(T.Vec(buckets, T.I32), 0))
        shift = k.let("shift|bit", cast(t, d * bits))  # type: ignore[arg-type]
        with k.loop("j|s|item", size) as j:
            digit = k.let("b|bucket|key_digit", cast(T.I32, (row.key(j) >> shift) & (buckets - 1)))
            k.set(counts[digit], counts[digit] + 1)
        total = k.var("total|running|base", 0)
        with k.loop("c|bin_id|q", buckets) as c:
            n = k.let("n_c|held|count_c", counts[c])
            k.set(counts[c], total)
            k.aug(total, "+", n)
        with k.loop("j|s|item", size) as j:
            digit = k.let("b|bucket|key_digit", cast(T.I32, (row.key(j) >> shift) & (buckets - 1)))
            scratch.store(row.key(j), row.row, counts[digit])
            k.set(counts[digit], counts[digit] + 1)
        with k.loop("j|s|item", size) as j:
            k.set(row.key(j), scratch[row.row, j])


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


def from_histogram(p: ProgramBuilder) -> None:
    """Quantiles, thresholds, entropies and modes read off histograms, one a thread."""
    form = p.pick("percentile", "otsu", "entropy", "mode", "percentile", "distance")
    k = p.kernel_builder(
        f"histogram_{form}|{form}_from_counts|channel_{form}|summarise_histogram|{form}_per_row",
        p.pick(
            "Reads a statistic off every histogram.", f"{form.capitalize()} of binned data.", ""
        ),
    )
    bins = p.pick(16, 24, 32, 64)
    e = Entities(k, "histogram", count=p.pick(16, 24, 40), index="tid|h|row")
    t = p.pick(T.I32, T.F32)
    e.guard()
    counts = Table(
        e,
        "counts|histograms|bins",
        t,
        (e.n, bins),
        R.integers(0, 30) if t == T.I32 else R.uniform(0.0, 5.0),
    )
    size = counts.extent(1) if p.chance(0.5) else k.count("num_bins|bins_per_row", bins)
    read = lambda b: counts[e.index, b] if t == T.F32 else cast(T.F32, counts[e.index, b])  # noqa: E731
    total = k.var("total|mass|n_samples", 0.0)
    with k.loop("b|bin_id|j", size) as b:
        k.aug(total, "+", read(b))
    with k.when(total <= 0.0 if p.chance(0.6) else total < 1.0e-6):
        k.ret()
    {
        "percentile": _percentile,
        "otsu": _otsu,
        "entropy": _entropy,
        "mode": _mode,
        "distance": _distance,
    }[form](p, k, e, read, size, total, bins)


def _percentile(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, read, size: Expr, total: Expr, bins: int
) -> None:  # type: ignore[no-untyped-def]
    fraction = k.param("fraction|quantile|level", 0.1, 0.9)
    low, width = (
        k.quantity("range_min|origin|lo_edge", T.F32, p.pick(0.0, -1.0)),
        k.param("bin_width|bin_size", 0.05, 0.5),
    )
    below, at = k.var("below|cumulative|running", 0.0), k.var("slot|at|k_bin", 0)
    target = k.let("target|goal|needed", fraction * total)
    with k.repeat(all_of(at < size - 1, below + read(at) < target)):
        k.aug(below, "+", read(at))
        k.aug(at, "+", 1)
    inside = k.let("inside|n_here|mass_here", read(at))
    fraction_in = k.var("t|frac_in|part", 0.5)
    with k.when(inside > 0.0):
        k.set(fraction_in, wp.min((target - below) / inside, 1.0))
    e.out("quantiles|percentiles|cut_values", T.F32).store(
        low + (cast(T.F32, at) + fraction_in) * width
    )
    if p.chance(0.4):
        e.out("quantile_bins|cut_bin", T.I32).store(at)


def _otsu(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, read, size: Expr, total: Expr, bins: int
) -> None:  # type: ignore[no-untyped-def]
    weighted = k.var("weighted|sum_all|first_moment", 0.0)
    with k.loop("b|bin_id|j", size) as b:
        k.aug(weighted, "+", cast(T.F32, b) * read(b))
    w0, sum0 = k.var("w0|mass_low|n_back", 0.0), k.var("sum0|moment_low|sum_back", 0.0)
    best, at = k.var("best|max_between|top", -1.0), k.var("threshold|best_bin|cut", 0)
    with k.loop("b|bin_id|j", size) as b:
        k.aug(w0, "+", read(b))
        w1 = k.let("w1|mass_high|n_fore", total - w0)
        k.aug(sum0, "+", cast(T.F32, b) * read(b))
        with k.when(any_of(w0 <= 0.0, w1 <= 0.0)):
            k.cont()
        gap = k.let("gap|mean_diff|dm", sum0 / w0 - (weighted - sum0) / w1)
        between = k.let("between|score|sigma_b", w0 * w1 * gap * gap)
        with k.when(between > best):
            k.set(best, between)
            k.set(at, b)
    e.out("thresholds|cuts|otsu_bins", T.I32).store(at)
    if p.chance(0.5):
        e.out("separability|scores", T.F32).store(best / (total * total))


def _entropy(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, read, size: Expr, total: Expr, bins: int
) -> None:  # type: ignore[no-untyped-def]
    entropy, used = k.var("entropy|h|acc", 0.0), k.var("used|nonzero_bins|support", 0)
    with k.loop("b|bin_id|j", size) as b:
        prob = k.let("q|prob|p_b", read(b) / total)
        with k.when(prob <= 0.0):
            k.cont()
        k.aug(entropy, "-", prob * (wp.log(prob) if p.chance(0.5) else wp.log2(prob)))
        k.aug(used, "+", 1)
    e.out("entropies|information|h_out", T.F32).store(
        entropy if p.chance(0.5) else entropy / wp.log(cast(T.F32, wp.max(used, 2)))
    )
    if p.chance(0.5):
        e.out("support_size|bins_used", T.I32).store(used)


def _mode(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, read, size: Expr, total: Expr, bins: int
) -> None:  # type: ignore[no-untyped-def]
    best, at, peaks = (
        k.var("best|tallest|peak", -1.0),
        k.var("at|peak_bin|arg", 0),
        k.var("peaks|num_peaks|n_modes", 0),
    )
    with k.loop("b|bin_id|j", 1, size - 1) as b:
        here = k.let("here|c|value", read(b))
        with k.when(here > best):
            k.set(best, here)
            k.set(at, b)
        with k.when(all_of(here > read(b - 1), here >= read(b + 1))):
            k.aug(peaks, "+", 1)
    e.out("modes|peak_bins|winners", T.I32).store(at)
    e.out("peak_counts|num_modes", T.I32).store(peaks)
    if p.chance(0.5):
        e.out("peak_share|dominance", T.F32).store(best / total)


def _distance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, read, size: Expr, total: Expr, bins: int
) -> None:  # type: ignore[no-untyped-def]
    reference = k.array("reference|template|expected", T.F32, (bins,), R.uniform(0.01, 0.1))
    acc, carried = k.var("acc|distance|d", 0.0), k.var("carried|cdf_diff|work", 0.0)
    form = p.pick("earth_mover", "chi_square", "bhattacharyya", "ks")
    with k.loop("b|bin_id|j", size) as b:
        prob, expected = (
            k.let("q|prob|p_b", read(b) / total),
            k.let("r|expected_b|ref_b", reference[b]),
        )
        if form in ("earth_mover", "ks"):
            k.aug(carried, "+", prob - expected)
            k.set(
                acc,
                acc + wp.abs(carried) if form == "earth_mover" else wp.max(acc, wp.abs(carried)),
            )
        elif form == "chi_square":
            k.aug(acc, "+", (prob - expected) * (prob - expected) / expected)
            k.aug(carried, "+", prob * expected)
        else:
            k.aug(acc, "+", wp.sqrt(prob * expected))
            k.aug(carried, "+", expected)
    e.out("distances|divergence|scores", T.F32).store(acc)
    e.out("residual_mass|correlation_out|leftover", T.F32).store(carried)


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
