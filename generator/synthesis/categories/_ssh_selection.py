"""Top-k selection and order statistics in windows, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def top_k(p: ProgramBuilder) -> None:
    """The k smallest or largest entries of every row, by insertion into a short sorted list."""
    count = p.pick(3, 4, 5, 8)
    largest, vector = p.chance(0.4), p.chance(0.35)
    k = p.kernel_builder(
        "top_k|k_smallest|k_nearest|select_top_k|row_top_k|insert_candidates|knn_brute_force",
        p.pick(
            "Keep the k best entries of every row.",
            "Insertion into a short sorted list.",
            "k nearest by brute force.",
        ),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "row", count=p.pick(32, 48, 64), index="row|i|tid")
    e.guard()
    metric, width = _candidates(p, k, e)
    bad = -1.0e9 if largest else 1.0e9
    if vector:
        best: Expr = k.var("best|top|kept", construct(T.Vec(count), bad))
        best_at: Expr = k.var("best_idx|arg|kept_idx", construct(T.Vec(count, T.I32), -1))
        slots, ids = (lambda s: best[s]), (lambda s: best_at[s])
    else:
        values = Table(
            e, "top_values|distances|best", T.F32, (e.n, count), R.constant(bad), "inout"
        )
        index = Table(
            e, "top_indices|neighbors|best_idx", T.I32, (e.n, count), R.constant(-1), "inout"
        )
        slots, ids = (lambda s: values[e.index, s]), (lambda s: index[e.index, s])
    with k.loop("j|candidate|col", width) as j:
        d = metric(j)
        with k.when(d <= slots(count - 1) if largest else d >= slots(count - 1)):
            k.cont()
        _insert(p, k, slots, ids, d, j, count, largest)
    if vector:
        e.out("top_values|best_values|nearest_dist", T.Vec(count)).store(best)
        e.out("top_indices|nearest|neighbors", T.Vec(count, T.I32)).store(best_at)
    if p.chance(0.4):
        e.out("kth_value|cutoff_out|radius_out", T.F32).store(slots(count - 1))
    if p.chance(0.35):
        _vote(p, k, e, slots, ids, count, width, bad)


def _insert(
    p: ProgramBuilder, k: KernelBuilder, slots, ids, d: Expr, j: Expr, count: int, largest: bool
) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.6):
        at = k.var("slot|pos|s", count - 1)
        before = slots(at - 1) < d if largest else slots(at - 1) > d
        with k.repeat(all_of(at > 0, before)):
            k.set(slots(at), slots(at - 1))
            k.set(ids(at), ids(at - 1))
            k.aug(at, "-", 1)
        k.set(slots(at), d)
        k.set(ids(at), j)
        return
    value, who = k.var("value|carry|moving", d), k.var("who|carry_idx|moving_idx", j)
    with k.loop("s|slot|q", count) as s, k.when(slots(s) < value if largest else slots(s) > value):
        held, held_id = (
            k.let("held|out_value|tmp", slots(s)),
            k.let("held_idx|out_idx|tmp_idx", ids(s)),
        )
        k.set(slots(s), value)
        k.set(ids(s), who)
        k.set(value, held)
        k.set(who, held_id)


def _vote(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    slots,
    ids,
    count: int,
    width: Expr,
    bad: float,
) -> None:  # type: ignore[no-untyped-def]
    targets = Table(e, "targets_y|responses|labels_y", T.F32, (64,), R.uniform(-1.0, 1.0))
    total, norm = k.var("total|weighted|acc", 0.0), k.var("norm|weight_sum|mass", 0.0)
    with k.loop("s|slot|q", count) as s:
        with k.when(ids(s) < 0 if p.chance(0.5) else slots(s) == bad):
            k.brk()
        w = k.let(
            "w|weight|alpha",
            1.0 / (wp.abs(slots(s)) + 0.1) if p.chance(0.5) else wp.exp(-wp.abs(slots(s))),
        )
        k.aug(total, "+", w * targets[ids(s)])
        k.aug(norm, "+", w)
    with k.when(norm > 0.0):
        e.out("predictions|interpolated|estimates", T.F32).store(total / norm)


def _candidates(p: ProgramBuilder, k: KernelBuilder, e: Entities):  # type: ignore[no-untyped-def]
    columns = p.pick(24, 32, 48)
    if p.chance(0.4):
        scores = Table(e, "scores|distances_in|values", T.F32, (e.n, columns), R.uniform(0.0, 10.0))
        width = (
            scores.extent(1)
            if p.chance(0.5)
            else k.count("num_columns|width|num_candidates", columns)
        )
        masked = (
            Table(e, "valid|mask|allowed", T.I32, (columns,), R.mask(0.8), shared=True)
            if p.chance(0.35)
            else None
        )

        def entry(j: Expr) -> Expr:
            if masked is not None:
                with k.when(masked[j] == 0):
                    k.cont()
            return k.let("d|score|value", scores[e.index, j])

        return entry, width
    n = p.pick(2, 3, 4)
    query = e.field("queries|points|x", T.Vec(n), R.uniform(-1.0, 1.0)).read("q|query|xi")
    database = Table(
        e, "database|targets|y", T.Vec(n), (columns,), R.uniform(-1.0, 1.0), shared=p.chance(0.5)
    )
    distance = _distance(p, T.Vec(n))
    cutoff = k.param("max_radius|cutoff|search_radius", 0.6, 2.0) if p.chance(0.35) else None
    skip_self = p.chance(0.3)

    def metric(j: Expr) -> Expr:
        if skip_self:
            with k.when(j == e.index):
                k.cont()
        d = k.let("d|dist|d2", distance(query, database[j]))
        if cutoff is not None:
            with k.when(d > cutoff):
                k.cont()
        return d

    return metric, database.extent() if p.chance(0.5) else k.count(
        "num_targets|num_points|n", columns
    )


def _distance(p: ProgramBuilder, t: T.Vec):  # type: ignore[no-untyped-def]
    """A maker of distances between two vectors, inline or a function."""
    form = p.pick("euclid", "squared", "manhattan", "cosine", "periodic")

    def value(b: Block, x: Expr, y: Expr) -> Expr:
        if form == "cosine":
            return 1.0 - wp.dot(x, y) / (wp.length(x) * wp.length(y) + 1.0e-6)
        delta = b.let("delta|diff|r", y - x)
        if form == "manhattan":
            total = wp.abs(delta[0]) + wp.abs(delta[1])
            for axis in range(2, t.n):
                total = total + wp.abs(delta[axis])
            return total
        if form == "periodic":
            size = 2.0
            wrapped = [delta[a] - size * wp.round(delta[a] / size) for a in range(t.n)]
            delta = b.let("wrapped|min_image", construct(t, *wrapped))
        return wp.dot(delta, delta) if form == "squared" else wp.length(delta)

    if p.chance(0.4):
        block = p.kernel
        assert block is not None
        return lambda x, y: value(block, x, y)
    return p.func(
        f"{form}_distance|distance_between|metric",
        {"a|x": t, "b|y": t},
        lambda b, x, y: b.ret(value(b, x, y)),
    )


def window_order(p: ProgramBuilder) -> None:
    """Order statistics in a sliding window: running median, minimum, maximum, percentile."""
    width = p.pick(3, 5, 5, 7, 9)
    k = p.kernel_builder(
        "median_filter|running_median|window_rank|percentile_filter|despike|rank_filter",
        p.pick("Sorts a small window held in a local vector.", "Running median of a signal.", ""),
    )
    k.options["enable_backward"] = False
    e = Entities(k, "sample", index="i|tid")
    signal = e.field("signal|samples|src", T.F32, R.normal(0.0, 1.0))
    e.guard()
    window = k.var("window|buf|sorted_vals", construct(T.Vec(width), 0.0))
    half = width // 2
    with k.loop("s|offset|w", width) as s:
        at = k.let("j|src_idx|pos", wp.clamp(e.index + s - half, 0, e.count() - 1))
        k.set(window[s], signal[at])
    _insertion(p, k, window, width)
    middle = _window_value(p, k, window, width)
    out = e.out("filtered|dst|signal_out", T.F32)
    match p.pick("plain", "despike", "blend"):
        case "plain":
            out.store(middle)
        case "despike":
            limit = k.param("threshold|max_jump|spike_limit", 0.2, 2.0)
            value = k.let("value|raw|x", signal.own)
            spike = k.let("is_spike|outlier", wp.abs(value - middle) > limit)
            out.store(choose(spike, middle, value))
            if p.chance(0.5):
                with k.when(spike):
                    Table(e, "num_spikes|replaced|outliers", T.I32, (1,), role="out").add(1, 0)
        case "blend":
            mix = k.param("strength|mix|alpha", 0.2, 1.0)
            out.store(signal.own * (1.0 - mix) + middle * mix)


def _window_value(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> Expr:
    half = width // 2
    match (
        p.pick("median", "median", "extreme", "trimmed", "midrange", "tercile")
        if width > 3
        else "median"
    ):
        case "extreme":
            return k.let("extreme|edge_value", window[p.pick(0, width - 1)])
        case "trimmed":
            cut = 1
            total = k.var("total|kept_sum|acc", 0.0)
            with k.loop("q|kept|m", cut, width - cut) as q:
                k.aug(total, "+", window[q])
            return k.let("trimmed|trimmed_mean|robust", total / float(width - 2 * cut))
        case "midrange":
            return k.let("midrange|centre", 0.5 * (window[1] + window[width - 2]))
        case "tercile":
            return k.let(
                "smoothed|hodges|tri_mean",
                0.25 * (window[half - 1] + window[half + 1]) + 0.5 * window[half],
            )
    return k.let("median|med|rank_value", window[half])


def _insertion(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> None:
    if p.chance(0.5):
        with k.loop("a|outer|i0", 1, width) as i:
            key = k.let("key|held|v", window[i])
            at = k.var("b|hole|j0", i)
            with k.repeat(all_of(at > 0, window[at - 1] > key)):
                k.set(window[at], window[at - 1])
                k.aug(at, "-", 1)
            k.set(window[at], key)
        return
    with (
        k.loop("a|outer|pass_id", width - 1),
        k.loop("b|inner|q", width - 1) as j,
        k.when(window[j] > window[j + 1]),
    ):
        held = k.let("tmp|held|t", window[j])
        k.set(window[j], window[j + 1])
        k.set(window[j + 1], held)
