"""Normalisation layers: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import activate, extent, launch, weights
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def normalisation(p: ProgramBuilder) -> None:
    """Layer, RMS, group and batch normalisation: forward, statistics and backward."""
    kind = p.weighted(
        {"layer": 4, "rms": 3, "batch_stats": 2, "batch_apply": 2, "group": 2, "layer_back": 1.5}
    )
    names = {
        "layer": "layer_norm|layernorm_forward|normalize_features",
        "rms": "rms_norm|rmsnorm_forward",
        "batch_stats": "batch_norm_stats|channel_statistics|running_moments",
        "batch_apply": "batch_norm_apply|batchnorm_inference|normalize_channels",
        "group": "group_norm|instance_norm|groupnorm_forward",
        "layer_back": "layer_norm_backward|layernorm_grad",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Normalisation layer.",
            "One row per thread.",
            "Mean and variance in one pass.",
            "Statistics, then scale and shift.",
        ),
    )
    {
        "layer": _layer_norm,
        "rms": _layer_norm,
        "batch_stats": _batch_stats,
        "batch_apply": _batch_apply,
        "group": _group_norm,
        "layer_back": _layer_back,
    }[kind](p, k, kind)


def _layer_norm(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n, d = p.pick(16, 24, 32), p.pick(6, 8, 12, 16)
    (i,) = launch(k, ["i|row|token"], (n,))
    x = k.array("x|inputs|hidden", p.real, (n, d), R.uniform(-2.0, 2.0))
    size = extent(p, k, x, 1, d, "dim|features|width")
    count = construct(p.real, size) if isinstance(size, Expr) else float(size)
    residual = (
        k.array("residual|skip", p.real, (n, d), R.uniform(-1.0, 1.0)) if p.chance(0.3) else None
    )

    def value(c: Expr) -> Expr:
        return x[i, c] if residual is None else x[i, c] + residual[i, c]

    mean: Expr | None = None
    if kind == "layer":
        total = k.var("total|s|sum_x", 0.0, p.real)
        one_pass = p.chance(0.35)
        sq = k.var("sq|sum_sq|s2", 0.0, p.real)
        with k.loop("c|j|f", size) as c:
            if one_pass:
                v = k.let("v|xc|val", value(c))
                k.aug(total, "+", v)
                k.aug(sq, "+", v * v)
            else:
                k.aug(total, "+", value(c))
        mean = k.let("mean|mu|avg", total / count)
        if one_pass:
            var = k.let("var|variance|sigma2", wp.max(sq / count - mean * mean, 0.0))
        else:
            with k.loop("c|j|f", size) as c:
                d_ = k.let("d|dev|centered", value(c) - mean)
                k.aug(sq, "+", d_ * d_)
            var = k.let("var|variance|sigma2", sq / count)
    else:
        sq = k.var("sq|sum_sq|ms", 0.0, p.real)
        with k.loop("c|j|f", size) as c:
            k.aug(sq, "+", value(c) * value(c))
        var = k.let("mean_sq|ms_x|power", sq / count)
    inv = k.let("inv|rstd|scale", 1.0 / wp.sqrt(var + k.param("eps|epsilon", 1e-6, 1e-3)))
    gamma = weights(p, k, "gamma|weight|gain", p.real, (d,), 0.5) if p.chance(0.75) else None
    beta = (
        weights(p, k, "beta|bias|shift", p.real, (d,), 0.2)
        if kind == "layer" and p.chance(0.6)
        else None
    )
    out = k.out("y|normed|outputs", p.real, (n, d))
    with k.loop("c|j|f", size) as c:
        y = (value(c) - mean) * inv if mean is not None else value(c) * inv
        y = y if gamma is None else y * gamma[c] if p.chance(0.7) else y * (1.0 + gamma[c])
        k.set(out[i, c], y if beta is None else y + beta[c])
    if p.chance(0.4):
        k.set(k.out("rstd_out|inv_std|saved_scale", p.real, (n,))[i], inv)
        if mean is not None and p.chance(0.7):
            k.set(k.out("mean_out|saved_mean|mu_out", p.real, (n,))[i], mean)


def _layer_back(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n, d = p.pick(16, 24), p.pick(6, 8, 12)
    (i,) = launch(k, ["i|row|token"], (n,))
    x = k.array("x_hat|normed|saved", p.real, (n, d), R.uniform(-2.0, 2.0))
    dy = k.array("grad_out|dy|upstream", p.real, (n, d), R.uniform(-1.0, 1.0))
    gamma = weights(p, k, "gamma|weight|gain", p.real, (d,), 0.5)
    rstd = k.array("rstd|inv_std|saved_scale", p.real, (n,), R.uniform(0.5, 2.0))
    size = extent(p, k, x, 1, d, "dim|features|width")
    count = construct(p.real, size) if isinstance(size, Expr) else float(size)
    rms = p.chance(0.35)
    a, b = (
        k.var("sum_g|m1|s1", 0.0, p.real) if not rms else None,
        k.var("sum_gx|m2|s2", 0.0, p.real),
    )
    with k.loop("c|j|f", size) as c:
        g = k.let("g|dxhat|gw", dy[i, c] * gamma[c])
        if a is not None:
            k.aug(a, "+", g)
        k.aug(b, "+", g * x[i, c])
        if p.chance(0.5):
            k.do(wp.atomic_add(k.out("grad_gamma|d_weight", p.real, (d,)), c, dy[i, c] * x[i, c]))
            if p.chance(0.6):
                k.do(wp.atomic_add(k.out("grad_beta|d_bias", p.real, (d,)), c, dy[i, c]))
    skip = (
        k.array("grad_residual|skip_grad|d_skip", p.real, (n, d), R.uniform(-1.0, 1.0))
        if p.chance(0.3)
        else None
    )
    dx = k.out("grad_in|dx|d_input", p.real, (n, d))
    with k.loop("c|j|f", size) as c:
        mean_part = x[i, c] * b if a is None else a + x[i, c] * b
        value = (dy[i, c] * gamma[c] - mean_part / count) * rstd[i]
        k.set(dx[i, c], value if skip is None else value + skip[i, c])


def _batch_stats(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n, c, size = p.pick(3, 4, 6), p.pick(4, 6, 8), p.pick(4, 6)
    (ch,) = launch(k, ["c|ch|channel"], (c,))
    x = k.array("x|inputs|feature_map", p.real, (n, c, size, size), R.uniform(-2.0, 2.0))
    welford = p.chance(0.4)
    mean, m2 = k.var("mean|mu|total", 0.0, p.real), k.var("m2|sq|spread", 0.0, p.real)
    seen = k.var("seen|count|num", 0.0, p.real) if welford else None
    with (
        k.loop("b|n|image", x.dim(0)) as b,
        k.loop("y|row|r", x.dim(2)) as y,
        k.loop("q|col|s", x.dim(3)) as q,
    ):
        v = k.let("v|val|act", x[b, ch, y, q])
        if seen is not None:
            k.aug(seen, "+", 1.0)
            d = k.let("d|delta|gap", v - mean)
            k.aug(mean, "+", d / seen)
            k.aug(m2, "+", d * (v - mean))
        else:
            k.aug(mean, "+", v)
            k.aug(m2, "+", v * v)
    total = float(n * size * size)
    if welford:
        mu, var = mean, k.let("var|variance|sigma2", m2 / total)
    else:
        mu = k.let("mu|avg|center", mean / total)
        var = k.let("var|variance|sigma2", wp.max(m2 / total - mu * mu, 0.0))
    momentum = k.param("momentum|rate|decay", 0.01, 0.3)
    running_mean = k.array("running_mean|ema_mean", p.real, (c,), R.uniform(-0.5, 0.5), "inout")
    running_var = k.array("running_var|ema_var", p.real, (c,), R.uniform(0.5, 1.5), "inout")
    for array, value in ((running_mean, mu), (running_var, var)):
        k.set(
            array[ch],
            array[ch] + momentum * (value - array[ch])
            if p.chance(0.5)
            else (1.0 - momentum) * array[ch] + momentum * value,
        )
    if p.chance(0.5):
        k.set(
            k.out("inv_std|rstd|scale_out", p.real, (c,))[ch],
            1.0 / wp.sqrt(var + k.param("eps|epsilon", 1e-6, 1e-3)),
        )


def _batch_apply(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n, c, size = p.pick(2, 3), p.pick(3, 4, 6), p.pick(6, 8)
    b, ch, y, x = launch(k, ["b|n|image", "c|ch|channel", "y|row|r", "x|col|s"], (n, c, size, size))
    src = k.array("input|feature_map|x_in", p.real, (n, c, size, size), R.uniform(-2.0, 2.0))
    mean, var = (
        k.array("running_mean|mean", p.real, (c,), R.uniform(-0.5, 0.5)),
        k.array("running_var|var", p.real, (c,), R.uniform(0.5, 1.5)),
    )
    inv = k.let("inv|rstd|scale", 1.0 / wp.sqrt(var[ch] + k.param("eps|epsilon", 1e-6, 1e-3)))
    v = src[b, ch, y, x]
    if p.chance(0.5):
        a = k.let("a|slope", weights(p, k, "gamma|weight", p.real, (c,), 0.5)[ch] * inv)
        value = a * v + (weights(p, k, "beta|bias", p.real, (c,), 0.2)[ch] - a * mean[ch])
    else:
        value = (v - mean[ch]) * inv
        if p.chance(0.7):
            value = (
                value * weights(p, k, "gamma|weight", p.real, (c,), 0.5)[ch]
                + weights(p, k, "beta|bias", p.real, (c,), 0.2)[ch]
            )
    value = k.let("value|normed|z", value)
    value = activate(p, k, value)
    if p.chance(0.3):
        value = (
            value
            + k.array("residual|shortcut", p.real, (n, c, size, size), R.uniform(-1.0, 1.0))[
                b, ch, y, x
            ]
        )
    k.set(k.out("output|y_out|normalized", p.real, (n, c, size, size))[b, ch, y, x], value)


def _group_norm(p: ProgramBuilder, k: KernelBuilder, kind: str) -> None:
    n, groups, per, size = p.pick(2, 3, 4), p.pick(2, 3), p.pick(1, 2, 3), p.pick(4, 6)
    c = groups * per
    b, g = launch(k, ["b|n|image", "g|group"], (n, groups))
    x = k.array("input|feature_map|x_in", p.real, (n, c, size, size), R.uniform(-2.0, 2.0))
    out = k.out("output|normalized|y_out", p.real, (n, c, size, size))
    gamma = weights(p, k, "gamma|weight", p.real, (c,), 0.5)
    width: Operand = k.scalar("channels_per_group|group_size", T.I32, per) if p.chance(0.6) else per
    first = k.let("first|c0|start", g * width)
    s, sq = k.var("s|total|sum_x", 0.0, p.real), k.var("sq|sum_sq|s2", 0.0, p.real)
    with (
        k.loop("c|ch", first, first + width) as ch,
        k.loop("y|row|r", x.dim(2)) as y,
        k.loop("q|col|t", x.dim(3)) as q,
    ):
        v = k.let("v|val", x[b, ch, y, q])
        k.aug(s, "+", v)
        k.aug(sq, "+", v * v)
    count = k.let("count|num|n_elems", construct(p.real, width * x.dim(2) * x.dim(3)))
    mean = k.let("mean|mu", s / count)
    rstd = k.let(
        "rstd|inv_std",
        1.0 / wp.sqrt(wp.max(sq / count - mean * mean, 0.0) + k.param("eps|epsilon", 1e-6, 1e-3)),
    )
    relu = p.chance(0.3)
    with (
        k.loop("c|ch", first, first + width) as ch,
        k.loop("y|row|r", x.dim(2)) as y,
        k.loop("q|col|t", x.dim(3)) as q,
    ):
        value = (x[b, ch, y, q] - mean) * rstd * gamma[ch]
        k.set(out[b, ch, y, q], wp.max(value, 0.0) if relu else value)
