"""Data of a single thread: scratch arrays, pairs of values, results through reference parameters."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._layout_parts import items
from generator.synthesis.constructs import local_array
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Operand, literal


class _Rows:
    """A row of values for each item, in a table or in one flat array; ``rows[j]`` is this item's."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, e: Entities, width: int) -> None:
        hint = "samples|readings|window|history|measurements"
        self.flat = p.chance(0.6)
        shape = (e.n * width,) if self.flat else (e.n, width)
        self.array = k.array(hint, p.real, shape, R.uniform(0.0, 4.0))
        self.first = e.index
        self.width: Expr | int = width if p.chance(0.5) else self.array.dim(1)
        if self.flat:
            self.width = k.count("width|row_length|stride|num_samples", width)
            self.first = k.let("first|base|offset|row", e.index * self.width)

    def __getitem__(self, j: Operand) -> Expr:
        if not self.flat:
            return self.array[self.first, j]
        return (
            self.array[self.first] if isinstance(j, int) and j == 0 else self.array[self.first + j]
        )


def scratch(p: ProgramBuilder) -> None:
    """A small array in the thread's own memory: sorted samples, a histogram, recent values."""
    k = p.kernel_builder(
        "median_filter|local_histogram|robust_mean|sort_rows|row_modes|trimmed_mean",
        p.pick("Works in a small local array.", "Order statistics of each row.", ""),
    )
    e = items(p, k, layouts=False)
    p.pick(_sorted_row, _sorted_row, _histogram, _recent)(p, k, e)


def _sorted_row(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    width = p.pick(5, 7, 9)
    x = _Rows(p, k, e, width)
    buf = local_array(k, "buf|local|work|ordered", p.real, width)
    with k.loop("j|c|m", width) as j:
        k.set(buf[j], x[j])
    with k.loop("a|j|step", 1, width) as a:
        key = k.let("key|item|current", buf[a])
        slot = k.var("slot|pos|b", a - 1)
        _shift_larger(p, k, buf, key, slot)
        k.set(buf[slot + 1], key)
    k.options["enable_backward"] = False
    e.out("median|filtered|middle", p.real).store(buf[width // 2])
    if p.chance(0.5):
        low, high = p.pick((0, width - 1), (1, width - 2))
        e.out("spread|range_out|iqr", p.real).store(buf[high] - buf[low])


def _shift_larger(p: ProgramBuilder, k: KernelBuilder, buf: Name, key: Name, slot: Name) -> None:
    """Moves the larger entries below `slot` up by one; `slot` ends under the place that is free."""
    match p.pick("both", "break", "endless", "endless"):
        case "both":
            with k.repeat(all_of(slot >= 0, buf[wp.max(slot, 0)] > key)):
                k.set(buf[slot + 1], buf[slot])
                k.set(slot, slot - 1)
        case "break":
            with k.repeat(slot >= 0):
                with k.when(buf[slot] <= key):
                    k.brk()
                k.set(buf[slot + 1], buf[slot])
                k.set(slot, slot - 1)
        case _:
            with k.repeat(literal(True)):
                with k.when(slot < 0):
                    k.brk()
                with k.when(buf[slot] <= key):
                    k.brk()
                k.set(buf[slot + 1], buf[slot])
                k.set(slot, slot - 1)


def _histogram(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    bins, width = p.pick(4, 6, 8), p.pick(12, 16, 24)
    x = _Rows(p, k, e, width)
    counts = local_array(k, "counts|hist|bins|tally", T.I32, bins)
    inv = k.quantity("inv_width|bins_per_unit|resolution", p.real, bins / 4.0)
    with k.loop("j|s|c", x.width) as j:
        b = k.let("b|slot|bin_id", wp.clamp(cast(T.I32, x[j] * inv), 0, bins - 1))
        k.set(counts[b], counts[b] + 1)
    best = k.var("best|mode|peak", 0)
    with k.loop("m|c|b2", 1, bins) as m:
        with k.when(counts[m] > counts[best]):
            k.set(best, m)
    e.out("modes|most_frequent|peak_bin", T.I32).store(best)
    k.options["enable_backward"] = False


def _recent(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    """The last few values, kept in a ring."""
    depth, width = p.pick(2, 3, 4), p.pick(10, 12, 16)
    x = _Rows(p, k, e, width)
    ring = local_array(k, "ring|recent|delay|taps", p.real, depth)
    total = k.var("total|acc|energy", 0.0, p.real)
    with k.loop("t|j|s", width) as t:
        slot = k.let("slot|at|head", t % depth)
        change = x[t] - ring[slot]
        k.aug(total, "+", wp.abs(change) if p.chance(0.5) else change * change)
        k.set(ring[slot], x[t])
    k.options["enable_backward"] = False
    e.out("variation|activity|roughness", p.real).store(total)


def pairs(p: ProgramBuilder) -> None:
    """Two or three values that belong together, held in a tuple."""
    k = p.kernel_builder(
        "normalise_range|interval_overlap|rescale_values|bracket_values|midpoints",
        p.pick("Bounds of each item as a pair.", "Interval arithmetic.", ""),
    )
    e = items(p, k)
    low = e.field("low|lower|lo|minimum", p.real, R.uniform(0.0, 1.0))
    high = e.field("high|upper|hi|maximum", p.real, R.uniform(1.5, 3.0))
    bounds = _pair(p, k, "bounds|limits|interval|span", low.own, high.own)
    p.pick(_rescaled, _overlap, _midpoint)(p, k, e, bounds)


def _pair(p: ProgramBuilder, k: KernelBuilder, hint: str, *values: Expr) -> Name:
    return k.let(hint, N.Shape(values, T.TupleType(tuple(v.type for v in values))))


def _rescaled(p: ProgramBuilder, k: KernelBuilder, e: Entities, bounds: Name) -> None:
    x = e.field("x|values|samples|raw", p.real, R.uniform(-0.5, 3.5))
    t = (x.own - bounds[0]) / (bounds[1] - bounds[0])
    if p.chance(0.6):
        t = wp.clamp(t, 0.0, 1.0)
    if p.chance(0.5):
        t = k.let("t|fraction|u", t)
        t = t * t * (3.0 - 2.0 * t) if p.chance(0.4) else t * k.param("gain|scale|top", 0.5, 10.0)
    e.out("normalised|scaled|out", p.real).store(t)
    if p.chance(0.4):
        outside = any_of(x.own < bounds[0], x.own > bounds[1])
        e.out("outside|flags|clipped", T.I32).store(choose(outside, 1, 0))


def _overlap(p: ProgramBuilder, k: KernelBuilder, e: Entities, bounds: Name) -> None:
    start = e.field("start|first|begin", p.real, R.uniform(0.0, 2.0))
    stop = e.field("stop|last|finish", p.real, R.uniform(2.0, 3.5))
    other = _pair(p, k, "other|query|window", start.own, stop.own)
    shared = wp.max(wp.min(bounds[1], other[1]) - wp.max(bounds[0], other[0]), 0.0)
    if p.chance(0.5):
        shared = k.let("shared|common|inter", shared)
        union = (bounds[1] - bounds[0]) + (other[1] - other[0]) - shared
        shared = shared / union
    e.out("overlap|shared_length|iou", p.real).store(shared)


def _midpoint(p: ProgramBuilder, k: KernelBuilder, e: Entities, bounds: Name) -> None:
    middle = 0.5 * (bounds[0] + bounds[1])
    e.out("centre|midpoint|middle", p.real).store(middle)
    if p.chance(0.6):
        half = 0.5 * (bounds[1] - bounds[0])
        scale = k.param("margin|inflate|safety", 1.05, 1.5) if p.chance(0.5) else 1.0
        e.out("radius|half_width|uncertainty", p.real).store(
            half * scale if p.chance(0.6) else half
        )


def running_extent(p: ProgramBuilder) -> None:
    """A helper that updates the caller's accumulators through reference parameters."""
    k = p.kernel_builder(
        "row_extents|accumulate_moments|track_extremes|row_statistics|online_mean",
        p.pick("Accumulators are updated in place.", "Single pass over each row.", ""),
    )
    e = items(p, k, layouts=False)
    k.options["enable_backward"] = False
    width = p.pick(6, 8, 12, 16)
    x = _Rows(p, k, e, width)
    make = p.pick(_extremes, _moments, _compensated)
    make(p, k, e, x)


def _extremes(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: _Rows) -> None:
    def body(b, v, low, high) -> None:  # type: ignore[no-untyped-def]
        if p.chance(0.5):
            b.set(low, wp.min(low, v))
            b.set(high, wp.max(high, v))
        else:
            with b.when(v < low):
                b.set(low, v)
            with b.when(v > high):
                b.set(high, v)

    names = ("v|x|value", "low|lo|smallest", "high|hi|largest")
    update = p.func(
        "include|extend|update_range|grow",
        dict.fromkeys(names, p.real),
        body,
        by_reference=names[1:],
    )
    low, high = k.var("lo|low|row_min", x[0]), k.var("hi|high|row_max", x[0])
    with k.loop("j|c|m", 1, x.width) as j:
        k.do(update(x[j], low, high))
    e.out("extent|range_out|peak_to_peak", p.real).store(high - low)
    if p.chance(0.5):
        e.out("centre|midrange|middle", p.real).store(0.5 * (low + high))


def _moments(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: _Rows) -> None:
    def body(b, v, count, mean, m2) -> None:  # type: ignore[no-untyped-def]
        b.set(count, count + 1)
        delta = b.let("delta|d|diff", v - mean)
        b.set(mean, mean + delta / construct(p.real, count))
        b.set(m2, m2 + delta * (v - mean))

    params = {
        "v|x|value": p.real,
        "count|n|seen": T.I32,
        "mean|mu|avg": p.real,
        "m2|ssq|spread": p.real,
    }
    update = p.func(
        "welford|push_sample|add_sample|accumulate", params, body, by_reference=list(params)[1:]
    )
    count = k.var("count|seen|num", 0)
    mean, m2 = k.var("mean|mu|average", 0.0, p.real), k.var("m2|sum_sq|dev", 0.0, p.real)
    with k.loop("j|c|m", x.width) as j:
        k.do(update(x[j], count, mean, m2))
    e.out("means|average|level", p.real).store(mean)
    variance = m2 / construct(p.real, count - 1 if p.chance(0.5) else count)
    e.out("variance|std_out|scatter", p.real).store(
        variance if p.chance(0.6) else wp.sqrt(variance)
    )


def _compensated(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: _Rows) -> None:
    def body(b, v, total, lost) -> None:  # type: ignore[no-untyped-def]
        y = b.let("y|corrected|term", v - lost)
        t = b.let("t|partial|next_total", total + y)
        b.set(lost, (t - total) - y)
        b.set(total, t)

    names = ("v|x|value", "total|s|acc", "lost|c|carry")
    add = p.func(
        "kahan_add|compensated_add|add_exact",
        dict.fromkeys(names, p.real),
        body,
        by_reference=names[1:],
    )
    total, lost = k.var("total|acc|s", 0.0, p.real), k.var("lost|carry|comp", 0.0, p.real)
    with k.loop("j|c|m", x.width) as j:
        value = x[j]
        k.do(add(value * value if p.chance(0.4) else value, total, lost))
    e.out("sums|totals|row_sum", p.real).store(total)
