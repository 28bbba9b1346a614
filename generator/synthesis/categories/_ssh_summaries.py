"""Statistics read off histograms, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


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

    def read(b: Expr) -> Expr:
        return counts[e.index, b] if t == T.F32 else cast(T.F32, counts[e.index, b])

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
