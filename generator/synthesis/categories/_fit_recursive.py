"""Recursive estimation over time: an intent of parameter_fitting."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_filters import unit_count
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def recursive(p: ProgramBuilder) -> None:
    """Recursive least squares, exponential statistics, hidden Markov models over time."""
    kind = p.weighted({"rls": 3, "welford": 2, "ewma": 2, "forward": 2, "viterbi": 2})
    names = {
        "rls": "rls_update|recursive_least_squares|adaptive_filter",
        "welford": "running_stats|welford_update|online_moments",
        "ewma": "exponential_stats|ewma_update|drift_monitor",
        "forward": "hmm_forward|forward_pass|filter_states",
        "viterbi": "viterbi_decode|best_path|decode_sequences",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Recursive estimation, one stream per thread.",
            "Online update from the newest sample.",
            "Sequences are independent.",
            "",
        ),
    )
    {"rls": _rls, "welford": _welford, "ewma": _ewma, "forward": _hmm, "viterbi": _hmm}[kind](
        p, k, kind
    )


def _rls(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n = p.pick(2, 3, 4)
    e = Entities(k, p.pick("filter", "channel", "model"), index="i|c|tid")
    vec, mat = p.vec(n), p.mat(n)
    e.guard()
    w, c = (
        e.inout("weights|theta|coefficients", vec, R.uniform(-1.0, 1.0)),
        e.inout("inverse_corr|P|cov", mat, R.spd(0.5, 2.0)),
    )
    x, y = (
        k.let(
            "x|phi|regressor", e.field("regressors|inputs|features", vec, R.uniform(-1.0, 1.0)).own
        ),
        e.field("targets|y|desired", p.real, R.uniform(-1.0, 1.0)).own,
    )
    lam = k.param("forgetting|lam|memory", 0.9, 0.999)
    px = k.let("px|Pphi|v", c.own * x)
    gain = k.let("gain|K|g", px / (lam + wp.dot(x, px)))
    err = k.let("err|innov|e", y - wp.dot(w.own, x))
    if p.chance(0.35):
        limit = k.param("max_error|clip|dead_zone", 0.3, 1.5)
        err = k.let("err_c|clipped|ec", wp.clamp(err, -limit, limit))
    w.store(w.own + gain * err)
    new = k.let("P_new|cov_new|pk", (c.own - wp.outer(gain, px)) / lam)
    c.store((new + wp.transpose(new)) * 0.5 if p.chance(0.5) else new)
    if p.chance(0.5):
        e.out("errors|residuals|prediction_error", p.real).store(err)


def _welford(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    dim = p.pick(1, 2, 3)
    t: T.Type = p.real if dim == 1 else p.vec(dim)
    e = Entities(k, p.pick("sensor", "cell", "feature"), index="i|c|tid")
    e.guard()
    count = e.inout("counts|n_seen|num", T.I32, R.integers(1, 20))
    mean, m2 = (
        e.inout("means|mean|mu", t, R.uniform(-0.5, 0.5)),
        e.inout("m2|sum_sq|spread", t, R.uniform(0.1, 2.0)),
    )
    x = e.field("samples|x|values", t, R.uniform(-1.0, 1.0)).own
    n = k.let("n|cnt|total_n", count.own + 1)
    d = k.let("d|delta|gap", x - mean.own)
    mu = k.let("mu_new|mean_new|m", mean.own + d / construct(p.real, n))
    count.store(n)
    mean.store(mu)
    product = d * (x - mu) if dim == 1 else wp.cw_mul(d, x - mu)
    m2_new = k.let("m2_new|sum_sq_new|spread_new", m2.own + product)
    m2.store(m2_new)
    if p.chance(0.6):
        var = m2_new / construct(p.real, wp.max(n - 1, 1))
        e.out("variances|var_out|dispersion", t).store(var)
    if p.chance(0.4):
        z = wp.abs(d) if dim == 1 else wp.length(d)
        with k.when(z > k.param("alarm|threshold|sigma_limit", 0.5, 1.5)):
            add_to(p, k, k.out("num_alarms|outliers|flags", T.I32, (1,)), 0, unit_count())


def _ewma(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    e = Entities(k, p.pick("sensor", "stream", "cell"), index="i|c|tid")
    e.guard()
    x = k.let("x|sample|value", e.field("samples|x_in|values", p.real, R.uniform(-1.0, 1.0)).own)
    mean, var = (
        e.inout("means|ewma|level", p.real, R.uniform(-0.5, 0.5)),
        e.inout("variances|ewmv|spread", p.real, R.uniform(0.1, 1.0)),
    )
    a = e.property("alpha|rate|smoothing", 0.05, 0.5)
    d = k.let("d|delta|gap", x - mean.own)
    inc = k.let("inc|step|move", a * d)
    if p.chance(0.4):
        z = k.let("z|score|normalized", d / wp.sqrt(wp.max(var.own, 1.0e-6)))
        e.out("scores|z_out|anomaly", p.real).store(z)
        with k.when(wp.abs(z) > k.param("z_limit|threshold|gate", 1.0, 4.0)):
            if p.chance(0.5):
                add_to(p, k, k.out("num_anomalies|alarms", T.I32, (1,)), 0, unit_count())
            k.ret()
    if p.chance(0.35):
        trend = e.inout("trends|slope|drift", p.real, R.uniform(-0.1, 0.1))
        b = k.param("beta|trend_rate|gamma", 0.01, 0.3)
        trend.store(b * inc + (1.0 - b) * trend.own)
    mean.store(mean.own + inc)
    var.store((1.0 - a) * (var.own + d * inc))
    if p.chance(0.35):
        low = e.inout("cusum|cum_sum|change_stat", p.real, R.uniform(0.0, 0.5))
        low.store(wp.max(low.own + d - k.param("slack|drift_allow|kappa", 0.05, 0.3), 0.0))


def _hmm(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    states, steps, symbols = p.pick(3, 4, 5), p.pick(6, 8, 12), p.pick(4, 6)
    e = Entities(
        k, p.pick("sequence", "chain"), index="s|i|tid", count=p.pick(12, 16, 24), layouts=False
    )
    i = e.index
    obs = k.array("observations|symbols|emitted", T.I32, (e.n, steps), R.integers(0, symbols))
    trans, emit = (
        k.array("transition|A|trans_prob", p.real, (states, states), R.uniform(0.1, 1.0)),
        k.array("emission|B|emit_prob", p.real, (states, symbols), R.uniform(0.1, 1.0)),
    )
    prior = k.array("prior|pi|initial", p.real, (states,), R.uniform(0.1, 1.0))
    e.guard()
    alpha = k.out("alpha|forward|scores", p.real, (e.n, steps, states))
    back = k.out("back|pointers|argmax", T.I32, (e.n, steps, states)) if kind == "viterbi" else None
    with k.loop("q|st|j", states if p.chance(0.5) else trans.dim(0)) as q:
        k.set(
            alpha[i, 0, q],
            wp.log(prior[q]) + wp.log(emit[q, obs[i, 0]])
            if kind == "viterbi"
            else prior[q] * emit[q, obs[i, 0]],
        )
    loglik = k.var("loglik|ll|evidence", 0.0, p.real) if kind == "forward" else None
    with k.loop("t|n|step", 1, obs.dim(1)) as t:
        norm = k.var("norm|scale|total", 0.0, p.real) if kind == "forward" else None
        with k.loop("q|st|j", states) as q:
            if kind == "forward":
                acc = k.var("acc|s|prob", 0.0, p.real)
                with k.loop("r|from_|m", states) as r:
                    k.aug(acc, "+", alpha[i, t - 1, r] * trans[r, q])
                value = k.let("a|value|joint", acc * emit[q, obs[i, t]])
                k.set(alpha[i, t, q], value)
                assert norm is not None
                k.aug(norm, "+", value)
            else:
                best, arg = (
                    k.var("best|top|score", -1.0e6, p.real),
                    k.var("arg|from_best|prev", 0, T.I32),
                )
                with k.loop("r|from_|m", states) as r:
                    c = k.let("c|cand|path", alpha[i, t - 1, r] + wp.log(trans[r, q]))
                    with k.when(c > best):
                        k.set(best, c)
                        k.set(arg, r)
                k.set(alpha[i, t, q], best + wp.log(emit[q, obs[i, t]]))
                assert back is not None
                k.set(back[i, t, q], arg)
        if norm is not None and loglik is not None:
            with k.loop("q|st|j", states) as q:
                k.set(alpha[i, t, q], alpha[i, t, q] / norm)
            k.aug(loglik, "+", wp.log(norm))
    if loglik is not None:
        e.out("log_likelihood|evidence_out|scores_out", p.real).store(loglik)
    if back is not None and p.chance(0.7):
        path = k.out("paths|decoded|best_states", T.I32, (e.n, steps))
        cur = k.var("cur|state|tip", 0, T.I32)
        with (
            k.loop("q|st|j", 1, states) as q,
            k.when(alpha[i, steps - 1, q] > alpha[i, steps - 1, cur]),
        ):
            k.set(cur, q)
        k.set(path[i, steps - 1], cur)
        with k.loop("t|n|step", steps - 1, 0, -1) as t:
            k.set(cur, back[i, t, cur])
            k.set(path[i, t - 1], cur)
    k.options["enable_backward"] = False
