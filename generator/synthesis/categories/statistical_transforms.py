"""Statistics on columns and rows: normalisation, link functions, quantiles, distances, information measures."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr

Stage = Callable[[ProgramBuilder, KernelBuilder, Entities, Expr], Expr]


@category("statistical_transforms", version=1, title="Statistical transforms")
def write(p: ProgramBuilder) -> None:
    """Column and row statistics as data pipelines run them: scaling and link functions, normal quantiles and tail
    probabilities, decibels and entropies, binning, robust distances between feature vectors, likelihoods of common
    distributions, rolling summaries and missing-value handling."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {_pipeline: 6, _likelihood: 2, _summary: 1.8, _distance: 2.0, _rolling: 0.7, _binning: 0.9}
    )(p)


def _pipeline(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "transform_feature|normalise_column|apply_transforms|preprocess_features|standardise|link_transform",
        p.pick(
            "Feature transform of one column.",
            "Element-wise preprocessing.",
            "Apply the fitted transforms.",
        ),
    )
    e = Entities(k, p.pick("sample", "record", "row", "reading"))
    x = e.field("values|x|feature|raw", p.real, R.uniform(0.05, 0.95)).read("v|x_i|value")
    out = e.out("transformed|y|values_out|feature_out", p.real)
    e.guard((out, x))
    if p.chance(0.3):
        _skip_missing(p, k, e, x)
    value: Expr = x
    for stage in p.sample(p.shuffled(_STAGES), 1, 4):
        value = k.let("y|t|u|z", stage(p, k, e, value))
    out.store(value)
    _monitor(p, k, e, x, value)


def _skip_missing(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> None:
    match p.pick("finite", "nan", "flag"):
        case "finite":
            test = negate(wp.isfinite(x))
        case "nan":
            test = any_of(wp.isnan(x), wp.isinf(x))
        case _:
            test = e.field("missing|is_null|masked", T.I32, R.mask(0.15)).own == 1
    with k.when(test):
        if p.chance(0.6):
            k.do(wp.atomic_add(k.out("missing_count|dropped|num_missing", T.I32, (1,)), 0, 1))
        k.ret()


def _monitor(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, value: Expr) -> None:
    where = e.world if e.world is not None else 0
    size = (e.worlds or 1,)
    for what in p.sample(["sum", "range", "outlier", "square"], 0, 2):
        if what == "sum":
            k.do(wp.atomic_add(k.out("totals|column_sum|sums", p.real, size), where, value))
        elif what == "range":
            k.do(
                wp.atomic_max(
                    k.out("maxima|column_max|peak", p.real, size, R.constant(-1.0e6)), where, value
                )
            )
            if p.chance(0.5):
                k.do(
                    wp.atomic_min(
                        k.out("minima|column_min|floor_value", p.real, size, R.constant(1.0e6)),
                        where,
                        value,
                    )
                )
        elif what == "outlier":
            limit = k.param("outlier_limit|z_limit|cutoff", 0.5, 4.0)
            with k.when(wp.abs(value) > limit):
                k.do(
                    wp.atomic_add(
                        k.out("outliers|num_outliers|outlier_count", T.I32, size), where, 1
                    )
                )
        else:
            moment = k.let("dev|d", value - x) if p.chance(0.5) else value
            k.do(
                wp.atomic_add(
                    k.out("second_moment|sum_sq|energy", p.real, size), where, moment * moment
                )
            )


# --- stages, each from a value of moderate size to another ----------------------------------------


def _unit(p: ProgramBuilder, k: KernelBuilder, v: Expr, *forms: str) -> Expr:
    """`v` squashed into (0, 1), as the domain of logarithms and quantiles."""
    match p.pick(*(forms or ("logistic", "clamp", "cdf"))):
        case "logistic":
            return 1.0 / (1.0 + wp.exp(-v))
        case "clamp":
            return wp.clamp(v, p.pick(0.001, 0.01, 0.02), p.pick(0.98, 0.99, 0.999))
    return wp.clamp(0.5 + 0.5 * wp.tanh(v), 0.001, 0.999)


def _standardise(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    mean = e.world_param("mean|mu|center", 0.1, 0.6)
    std = e.world_param("std|sigma|scale", 0.2, 2.0)
    return (v - mean) / std if p.chance(0.7) else (v - mean) * (1.0 / std)


def _min_max(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    low = e.world_param("lower|x_min|lo", 0.01, 0.1)
    high = e.world_param("upper|x_max|hi", 0.9, 2.0)
    return (
        wp.clamp((v - low) / (high - low), 0.0, 1.0) if p.chance(0.6) else (v - low) / (high - low)
    )


def _probit(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    def body(b: Block, q: Expr) -> Expr:
        if p.chance(0.5):
            return 1.41421356 * wp.erfinv(2.0 * q - 1.0)
        return -1.41421356 * wp.erfcinv(2.0 * q)

    return piece(
        p,
        k,
        "normal_quantile|probit|inverse_normal_cdf",
        {"q|prob|u": k.let("prob|q", _unit(p, k, v, "clamp", "cdf"))},
        body,
    )


def _normal_cdf(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    def body(b: Block, z: Expr) -> Expr:
        if p.chance(0.5):
            return 0.5 * (1.0 + wp.erf(z * 0.70710678))
        return 0.5 * wp.erfc(-z * 0.70710678)

    return piece(p, k, "normal_cdf|phi|gaussian_cdf", {"z|x": v}, body)


def _decibel(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    reference = k.param("reference|ref_level|p_ref", 0.1, 1.0)
    return 10.0 * wp.log10(_unit(p, k, v) / reference)


def _surprisal(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    q = k.let("prob|pr|mass", _unit(p, k, v))
    return -q * wp.log2(q) if p.chance(0.5) else -wp.log2(q)


def _binary_entropy(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    def body(b: Block, q: Expr) -> Expr:
        return -(q * wp.log2(q) + (1.0 - q) * wp.log2(1.0 - q))

    return piece(
        p,
        k,
        "binary_entropy|bernoulli_entropy|h2",
        {"q|p1|prob": k.let("prob|q", _unit(p, k, v))},
        body,
    )


def _logit(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    q = k.let("odds_p|q|prob", _unit(p, k, v, "clamp", "cdf"))
    return wp.log(q / (1.0 - q)) if p.chance(0.6) else wp.log(q) - wp.log(1.0 - q)


def _box_cox(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    lam = e.world_param("lam|box_cox_lambda|power", 0.2, 2.0)
    positive = k.let("shifted|pos", wp.max(v, 0.01) if p.chance(0.5) else wp.abs(v) + 0.1)
    return (wp.pow(positive, lam) - 1.0) / lam


def _signed_root(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    match p.pick("cbrt", "copysign", "asinh"):
        case "cbrt":
            return wp.cbrt(v)
        case "copysign":
            return wp.copysign(wp.sqrt(wp.abs(v)), v)
    return wp.sign(v) * wp.log(wp.abs(v) + wp.sqrt(v * v + 1.0))


def _hyperbolic(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    bounded = k.let("arg|h|s", wp.clamp(v, -3.0, 3.0))
    match p.pick("sinh", "sech", "logcosh", "tanh"):
        case "sinh":
            return wp.sinh(bounded)
        case "sech":
            return 1.0 / wp.cosh(bounded)
        case "logcosh":
            return wp.log(wp.cosh(bounded))
    return wp.tanh(bounded)


def _quantise(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    levels = k.param("levels|num_levels|resolution", 4.0, 64.0)
    rounding = p.pick(wp.rint, wp.trunc, wp.ceil, wp.floor, wp.round)
    return rounding(v * levels) / levels


def _cyclic(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    period = k.param("period|cycle|season", 0.5, 12.0)
    phase = k.let("phase|turn", wp.frac(v / period))
    match p.pick("sin", "cos", "triangle", "degrees"):
        case "sin":
            return wp.sin(phase * 6.2831853)
        case "cos":
            return wp.cos(wp.radians(phase * 360.0))
        case "triangle":
            return wp.abs(2.0 * phase - 1.0)
    return wp.degrees(phase * 6.2831853)


def _winsorise(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr) -> Expr:
    low, high = (
        k.param("low_cut|p05|lower_tail", 0.02, 0.2),
        k.param("high_cut|p95|upper_tail", 0.7, 2.0),
    )
    match p.pick("clamp", "branch", "step"):
        case "clamp":
            return wp.clamp(v, low, high)
        case "branch":
            kept = k.var("kept|w|trimmed", v)
            with k.when(v < low):
                k.set(kept, low)
            with k.elsewhen(v > high):
                k.set(kept, high)
            return kept
    return v * wp.step(low - v) + low * wp.step(v - low)


_STAGES: list[Stage] = [
    _standardise, _min_max, _probit, _normal_cdf, _decibel, _surprisal, _binary_entropy, _logit, _box_cox, _signed_root,
    _hyperbolic, _quantise, _cyclic, _winsorise,
]  # fmt: skip


# --- other intents --------------------------------------------------------------------------------


def _likelihood(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "log_likelihood|negative_log_likelihood|score_observations|eval_density|nll_terms",
        p.pick("Log-likelihood of each observation.", "Density and score under the fitted model."),
    )
    e = Entities(k, p.pick("observation", "sample", "event"))
    x = e.field("observations|x|y_obs|samples", p.real, R.uniform(0.1, 3.0)).read("x_i|y|obs")
    e.guard()
    location = e.property("location|mu|predicted", 0.5, 2.0)
    spread = k.let("s|sigma_i|width", e.property("spread|sigma|scale", 0.3, 2.0))
    z = k.let("z|resid|r", (x - location) / spread)
    density = p.pick(
        _normal_terms,
        _logistic_terms,
        _laplace_terms,
        _student_terms,
        _gumbel_terms,
        _lognormal_terms,
    )
    term = k.let("ll|logp|term", density(p, k, x, z, spread))
    sign = p.pick(1.0, -1.0)
    e.out("log_density|logp_out|terms", p.real).store(term if sign > 0 else -term)
    if p.chance(0.6):
        weight = (
            e.field("weights|case_weight|exposure", p.real, R.uniform(0.2, 1.0)).own
            if p.chance(0.5)
            else None
        )
        total = k.out("total|loss|log_like", p.real, (e.worlds or 1,))
        where = e.world if e.world is not None else 0
        k.do(wp.atomic_add(total, where, term if weight is None else term * weight))
    if p.chance(0.4):
        e.out("scores|residuals|z_out", p.real).store(z)
    if p.chance(0.3):
        cut = k.param("tail_cut|alarm_level|threshold", 0.5, 3.0)
        with k.when(all_of(wp.abs(z) > cut, term < 0.0)):
            e.out("flags|suspicious|tail_flag", T.I32).store(1)


def _normal_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    return -0.5 * z * z - wp.log(s) - 0.91893853


def _logistic_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    t = k.let("t|ez", wp.exp(-wp.abs(z)))
    return -wp.abs(z) - 2.0 * wp.log(1.0 + t) - wp.log(s)


def _laplace_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    return -wp.abs(z) - wp.log(2.0 * s)


def _student_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    nu = k.param("nu|dof|degrees_of_freedom", 2.0, 8.0)
    return -0.5 * (nu + 1.0) * wp.log(1.0 + z * z / nu) - wp.log(s)


def _gumbel_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    return -(z + wp.exp(-z)) - wp.log(s)


def _lognormal_terms(p: ProgramBuilder, k: KernelBuilder, x: Expr, z: Expr, s: Expr) -> Expr:
    lx = k.let("lx|log_x", wp.log(x))
    d = k.let("d|dev", (lx - z) / s)
    return -0.5 * d * d - wp.log(s) - lx


def _summary(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "summarise_rows|row_statistics|column_moments|describe|feature_moments",
        p.pick(
            "Moments and extremes of each row.",
            "Descriptive statistics.",
            "One pass over a row of the table.",
        ),
    )
    rows, cols = p.pick(32, 64, 96), p.pick(8, 16, 24)
    k.launch_dim = (rows,)
    i = k.let("row|i|r", wp.tid())
    table = k.array("table|data|features|matrix", p.real, (rows, cols), R.uniform(0.1, 2.0))
    n = k.let("n|width|count", table.dim(1)) if p.chance(0.5) else construct(T.I32, cols)
    if not p.kernel or p.chance(0.3):
        keep = k.array("keep|row_mask|selected", T.I32, (rows,), R.mask(0.8))
        with k.when(keep[i] == 0):
            k.ret()
    parts = p.sample(
        [_moments, _welford, _extremes, _positive_count, _log_mean, _entropy_row, _gini], 1, 3
    )
    for part in parts:
        part(p, k, table, i, n, rows)


def _moments(p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int) -> None:
    total, square = k.var("total|s1", 0.0, p.real), k.var("square|s2", 0.0, p.real)
    with k.loop("j|c|col", n) as j:
        v = k.let("v|x", table[i, j])
        k.aug(total, "+", v)
        k.aug(square, "+", v * v)
    mean = k.let("mean|avg|mu", total / construct(p.real, n))
    k.set(k.out("means|row_mean|averages", p.real, (rows,))[i], mean)
    variance = k.let("variance|var_i", square / construct(p.real, n) - mean * mean)
    k.set(k.out("deviations|row_std|stds", p.real, (rows,))[i], wp.sqrt(wp.max(variance, 0.0)))


def _welford(p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int) -> None:
    mean, m2 = k.var("running_mean|m|wmean", 0.0, p.real), k.var("m2|spread|ssq", 0.0, p.real)
    with k.loop("j|c|t", n) as j:
        delta = k.let("delta|d", table[i, j] - mean)
        k.aug(mean, "+", delta / construct(p.real, j + 1))
        k.aug(m2, "+", delta * (table[i, j] - mean))
    k.set(k.out("variances|row_var|welford_var", p.real, (rows,))[i], m2 / construct(p.real, n))


def _extremes(
    p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int
) -> None:
    best, where = k.var("best|top|largest", table[i, 0]), k.var("where|arg|best_col", 0)
    with k.loop("j|c|col", 1, n) as j:
        with k.when(table[i, j] > best if p.chance(0.6) else table[i, j] < best):
            k.set(best, table[i, j])
            k.set(where, j)
    k.set(k.out("extreme|row_extreme|best_values", p.real, (rows,))[i], best)
    k.set(k.out("extreme_col|arg_out|best_index", T.I32, (rows,))[i], where)


def _positive_count(
    p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int
) -> None:
    bar = k.param("bar|detection_limit|threshold", 0.3, 1.5)
    number = k.var("number|hits|above", 0)
    with k.loop("j|c|col", n) as j:
        if p.chance(0.5):
            with k.when(table[i, j] > bar):
                k.aug(number, "+", 1)
        else:
            k.aug(number, "+", choose(table[i, j] > bar, 1, 0))
    k.set(k.out("above_count|hits_out|exceedances", T.I32, (rows,))[i], number)


def _log_mean(
    p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int
) -> None:
    total = k.var("log_total|acc", 0.0, p.real)
    with k.loop("j|c|col", n) as j:
        k.aug(total, "+", wp.log(table[i, j]))
    k.set(k.out("geometric_mean|gmean", p.real, (rows,))[i], wp.exp(total / construct(p.real, n)))


def _entropy_row(
    p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int
) -> None:
    mass, entropy = k.var("mass|norm", 0.0, p.real), k.var("entropy|h", 0.0, p.real)
    with k.loop("j|c|col", n) as j:
        k.aug(mass, "+", table[i, j])
    with k.loop("j|c|col", n) as j:
        q = k.let("q|share|prob", table[i, j] / mass)
        k.aug(entropy, "-", q * (wp.log2(q) if p.chance(0.5) else wp.log(q)))
    k.set(k.out("entropies|row_entropy|diversity", p.real, (rows,))[i], entropy)


def _gini(p: ProgramBuilder, k: KernelBuilder, table: Expr, i: Expr, n: Expr, rows: int) -> None:
    spread, total = k.var("pair_sum|spread_sum", 0.0, p.real), k.var("row_total|sum_x", 0.0, p.real)
    with k.loop("a|j", n) as a:
        k.aug(total, "+", table[i, a])
        with k.loop("b|m", n) as b:
            k.aug(spread, "+", wp.abs(table[i, a] - table[i, b]))
    k.set(
        k.out("gini|inequality", p.real, (rows,))[i], spread / (2.0 * construct(p.real, n) * total)
    )


def _distance(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "feature_distance|nearest_prototype|pair_distances|match_descriptors|robust_distance",
        p.pick(
            "Distance of each feature vector to a prototype.",
            "Compare descriptors under a chosen norm.",
        ),
    )
    e = Entities(k, p.pick("descriptor", "sample", "query"))
    vec = p.vec(p.pick(2, 3, 4))
    x = e.field("features|descriptors|points", vec, R.uniform(-1.0, 1.0)).read("f|x|u")
    if p.chance(0.5):
        count = p.pick(4, 8, 12)
        prototypes = k.array("prototypes|centroids|anchors", vec, (count,), R.uniform(-1.0, 1.0))
        best, label = k.var("best|nearest|d_min", 1.0e6, p.real), k.var("label|winner|best_id", 0)
        with k.loop("c|m|j", prototypes.dim(0)) as c:
            d = k.let("d|dist", _norm(p, k, prototypes[c] - x))
            with k.when(d < best):
                k.set(best, d)
                k.set(label, c)
        e.out("labels|assignment|nearest_id", T.I32).store(label)
        e.out("distances|nearest_distance|d_out", p.real).store(best)
        if p.chance(0.4):
            k.do(wp.atomic_add(k.out("cluster_sizes|counts|members", T.I32, (count,)), label, 1))
        return
    other = e.field("references|paired|targets", vec, R.uniform(-1.0, 1.0)).read("g|y|v")
    diff = k.let("diff|delta|r", x - other)
    if p.chance(0.4):
        diff = k.let(
            "scaled|white|wdiff",
            wp.cw_div(
                diff, k.quantity("scales|axis_scale|widths", vec, [1.0, 0.5, 2.0, 1.5][: vec.n])
            ),
        )
    distance = k.let("dist|d", _norm(p, k, diff))
    e.out("distances|residual_norm|d_out", p.real).store(distance)
    for extra in p.sample(["axis", "direction", "count", "kernel"], 0, 2):
        if extra == "axis":
            pick = p.pick(wp.argmax, wp.argmin)
            e.out("dominant_axis|worst_axis", T.I32).store(construct(T.I32, pick(diff)))
        elif extra == "direction":
            smooth = (
                wp.smooth_normalize(diff, k.param("delta_s|smoothing|soft", 0.1, 1.0))
                if p.chance(0.5) and p.real == T.F32
                else wp.normalize(diff)
            )
            e.out("directions|gradients|grad_out", vec).store(smooth)
        elif extra == "count":
            number = wp.nonzero(diff.x)
            e.out("changed|first_changed", p.real).store(number)
        else:
            gamma = k.param("gamma|inv_width|bandwidth", 0.2, 4.0)
            e.out("affinity|kernel_value|similarity", p.real).store(wp.exp(-gamma * distance))


def _norm(p: ProgramBuilder, k: KernelBuilder, diff: Expr) -> Expr:
    robust = (
        ("l1", "huber", "pseudo_huber") if p.real == T.F32 else ()
    )  # Warp has them in float32 only
    match p.pick("l2", *robust, "length", "square", "max"):
        case "l1":
            return wp.norm_l1(diff)
        case "l2":
            return wp.norm_l2(diff)
        case "huber":
            return wp.norm_huber(diff, p.pick(0.1, 0.5, 1.0))
        case "pseudo_huber":
            return wp.norm_pseudo_huber(diff, p.pick(0.1, 0.5, 1.0))
        case "length":
            return wp.length(diff)
        case "square":
            return wp.length_sq(diff)
    return wp.max(wp.abs(diff))


def _rolling(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "rolling_mean|moving_statistics|windowed_summary|rolling_zscore|smooth_series",
        p.pick("Summary of a trailing window.", "Rolling statistics of many series."),
    )
    series, length = p.pick(4, 8), p.pick(40, 64)
    k.launch_dim = (series, length)
    s, t = k.unpack(["s|series|channel", "t|step|time"], _tid_2d())
    data = k.array("series_data|signals|x", p.real, (series, length), R.uniform(0.1, 1.5))
    window = k.count("window|lookback|span", p.pick(3, 5, 8))
    first = k.let("first|start|begin", wp.max(t - window + 1, 0))
    total = k.var("total|acc|s1", 0.0, p.real)
    extra = p.pick("none", "square", "peak", "decay")
    side = (
        k.var(
            {"square": "s2|squares", "peak": "peak|top", "decay": "mass|norm"}[extra], 0.0, p.real
        )
        if extra != "none"
        else None
    )
    with k.loop("j|u|w", first, t + 1) as j:
        v = k.let("v|value", data[s, j])
        weight: Expr | None = None
        if extra == "decay":
            weight = k.let("w|decay", wp.exp(-k.p.pick(0.1, 0.3, 0.5) * construct(p.real, t - j)))
        k.aug(total, "+", v if weight is None else v * weight)
        if extra == "square":
            k.aug(side, "+", v * v)
        elif extra == "peak":
            k.set(side, wp.max(side, v))
        elif weight is not None:
            k.aug(side, "+", weight)
    count = k.let("count|n", construct(p.real, t + 1 - first))
    mean = k.let("mean|avg|level", total / side if extra == "decay" else total / count)
    out = k.out("rolling_out|smoothed|levels", p.real, (series, length))
    if extra == "square":
        deviation = k.let("dev|sd", wp.sqrt(wp.max(side / count - mean * mean, 0.0001)))
        k.set(out[s, t], (data[s, t] - mean) / deviation)
    elif extra == "peak":
        k.set(out[s, t], data[s, t] / side if p.chance(0.5) else side - mean)
    else:
        k.set(out[s, t], mean)
    if p.chance(0.3):
        with k.when(all_of(t > 0, data[s, t] > mean)):
            k.do(
                wp.atomic_add(k.out("crossings|above_mean|crossing_count", T.I32, (series,)), s, 1)
            )


def _tid_2d() -> Expr:
    """``wp.tid()`` of a two-dimensional launch."""
    return call_as("tid", T.TupleType((T.I32, T.I32)))


def _binning(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "bin_values|quantile_bins|histogram_features|discretise|encode_bins",
        p.pick("Assign values to bins.", "Weighted histogram over bins of unequal width."),
    )
    e = Entities(k, p.pick("sample", "value", "record"))
    x = e.field("values|x|feature", p.real, R.uniform(0.0, 1.0)).read("v|x_i")
    e.guard()
    bins = p.pick(8, 10, 16, 32)
    match p.pick("uniform", "search", "linear", "log"):
        case "uniform":
            number = k.count("num_bins|bins|bin_count", bins)
            bin_id = k.let(
                "bin_id|b|slot",
                wp.clamp(construct(T.I32, x * construct(p.real, number)), 0, number - 1),
            )
        case "search":
            edges = k.array("edges|quantiles|cuts", p.real, (bins,), R.ascending(0.0, 1.0))
            bin_id = k.let("bin_id|b|slot", wp.min(wp.lower_bound(edges, x), bins - 1))
        case "linear":
            edges = k.array("edges|cuts|boundaries", p.real, (bins,), R.ascending(0.0, 1.0))
            bin_id = k.var("bin_id|b|slot", 0)
            with k.repeat(all_of(bin_id < bins - 1, edges[bin_id] < x)):
                k.aug(bin_id, "+", 1)
        case _:
            level = k.let("level|octave", wp.floor(-wp.log2(wp.max(x, 0.001))))
            bin_id = k.let("bin_id|b|slot", wp.clamp(construct(T.I32, level), 0, bins - 1))
    if p.chance(0.7):
        e.out("bin_ids|codes|labels", T.I32).store(bin_id)
    counts = k.out("counts|histogram|bin_counts", T.I32, (bins,))
    k.do(wp.atomic_add(counts, bin_id, 1))
    if p.chance(0.4):
        weight = e.field("weights|mass|importance", p.real, R.uniform(0.1, 1.0)).own
        k.do(wp.atomic_add(k.out("weighted|bin_weight|mass_out", p.real, (bins,)), bin_id, weight))
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("bin_max|largest_in_bin", p.real, (bins,)), bin_id, x))
