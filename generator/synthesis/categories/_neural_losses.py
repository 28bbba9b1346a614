"""Losses: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import extent, launch
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def loss(p: ProgramBuilder) -> None:
    """Losses over predictions and targets, with weights, masks and gradients."""
    kind = p.weighted(
        {
            "cross_entropy": 4,
            "regression": 4,
            "binary": 3,
            "contrastive": 2,
            "kl": 1.5,
            "ranking": 1,
        }
    )
    k = p.kernel_builder(
        f"{kind}_loss|compute_{kind}_loss|{kind}_and_grad|eval_{kind}",
        p.pick(
            "Loss and its gradient.",
            "Sums the loss of a batch.",
            "Per-sample losses.",
            "Training objective.",
        ),
    )
    {
        "cross_entropy": _cross_entropy,
        "regression": _regression,
        "binary": _binary,
        "contrastive": _contrastive,
        "kl": _kl,
        "ranking": _ranking,
    }[kind](p, k)


def _finish(p: ProgramBuilder, k: KernelBuilder, i: Expr, n: int, value: Expr) -> None:
    """Where a loss goes: summed, per sample, or both."""
    w = (
        k.array("weights|sample_weights|importance", p.real, (n,), R.uniform(0.2, 1.0))[i]
        if p.chance(0.35)
        else None
    )
    value = value if w is None else w * value
    how = p.pick("sum", "mean", "each", "both")
    if how in ("each", "both"):
        value = k.let("li|loss_i|item", value)
        k.set(k.out("losses|per_sample|loss_out", p.real, (n,))[i], value)
    if how != "each":
        total = value / float(n) if how == "mean" else value
        out = k.out("loss|total_loss|objective", p.real, (1,))
        if p.augmented_atomics:
            k.aug(out[0], "+", total)
        else:
            k.do(wp.atomic_add(out, 0, total))


def _cross_entropy(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, classes = p.pick(16, 24, 32), p.pick(4, 6, 10)
    (i,) = launch(k, ["i|row|sample"], (n,))
    x = k.array("logits|scores|z", p.real, (n, classes), R.uniform(-3.0, 3.0))
    label = k.let(
        "label|y|target",
        k.array(
            "labels|targets|classes", T.I32, (n,), R.integers(-1 if p.chance(0.5) else 0, classes)
        )[i],
    )
    with k.when(label < 0 if p.chance(0.7) else any_of(label < 0, label >= classes)):
        k.ret()
    size = extent(p, k, x, 1, classes, "num_classes|classes|vocab")
    top = k.var("top|peak|m", x[i, 0])
    with k.loop("c|j", 1, size) as c:
        k.set(top, wp.max(top, x[i, c]))
    z = k.var("z|denom|sum_exp", 0.0, p.real)
    with k.loop("c|j", size) as c:
        k.aug(z, "+", wp.exp(x[i, c] - top))
    lse = k.let("lse|log_z|log_sum", top + wp.log(z))
    value = lse - x[i, label]
    smooth = k.param("label_smoothing|smoothing|eps_ls", 0.02, 0.2) if p.chance(0.35) else None
    if smooth is not None:
        mean = k.var("mean|avg_logit|uniform", 0.0, p.real)
        with k.loop("c|j", size) as c:
            k.aug(mean, "+", x[i, c])
        value = (1.0 - smooth) * value + smooth * (
            lse - mean / (construct(p.real, size) if isinstance(size, Expr) else float(size))
        )
    elif p.chance(0.3):
        prob = k.let("prob|pt|p_true", wp.exp(x[i, label] - lse))
        value = value * wp.pow(1.0 - prob, k.param("gamma|focus", 1.0, 3.0))
    if p.chance(0.55):
        grad = k.out("grad|d_logits|grad_out", p.real, (n, classes))
        with k.loop("c|j", size) as c:
            hot = wp.where(c == label, construct(p.real, 1.0), construct(p.real, 0.0))
            k.set(grad[i, c], wp.exp(x[i, c] - lse) - hot)
    _finish(p, k, i, n, value)
    if p.chance(0.35):
        right = k.out("num_correct|hits|correct", T.I32, (1,))
        with k.when(x[i, label] >= top):
            k.do(wp.atomic_add(right, 0, 1))


def _regression(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(32, 48, 64), p.pick(1, 1, 2, 3, 4)
    t: T.Type = p.real if d == 1 else p.vec(d)
    (i,) = launch(k, ["i|tid|sample"], (n,))
    pred, target = (
        k.array("pred|predictions|y_hat", t, (n,), R.uniform(-1.0, 1.0)),
        k.array("target|labels|y_true", t, (n,), R.uniform(-1.0, 1.0)),
    )
    if p.chance(0.35):
        with k.when(
            k.array("mask|valid|observed", p.pick(T.I32, T.U8), (n,), R.mask(0.8))[i]
            == N.literal(0, k.arguments[-1].type.dtype)
        ):  # type: ignore[union-attr]
            k.ret()
    e = k.let("e|err|diff", pred[i] - target[i])
    form = p.pick("mse", "l1", "huber", "logcosh", "quantile", "charbonnier", "nll")
    q = k.param("quantile|delta|sigma|scale", 0.1, 0.9)
    size = e if d == 1 else k.let("size|dist|norm_e", wp.length(e))

    def body(b: Block, r: Expr, s: Expr) -> Expr:
        a = wp.abs(r) if d == 1 else r
        match form:
            case "mse":
                return 0.5 * r * r / s
            case "l1":
                return a / s
            case "huber":
                return (
                    choose(a < s, 0.5 * r * r, s * (a - 0.5 * s))
                    if p.chance(0.5)
                    else wp.where(a < s, 0.5 * r * r, s * (a - 0.5 * s))
                )
            case "logcosh":
                return wp.log(wp.cosh(r / s))
            case "quantile":
                return wp.max(s * r, (s - 1.0) * r)
            case "charbonnier":
                return wp.sqrt(r * r + s * s) - s
        return 0.5 * r * r / (s * s) + wp.log(s)

    value = piece(
        p,
        k,
        f"{form}_loss|{form}|pointwise_loss",
        {"r|e|x": size, "s|delta|scale": q},
        body,
        "",
        0.75,
    )
    if p.chance(0.4):
        g = (
            e / q
            if form == "mse"
            else (
                wp.clamp(e, -q, q)
                if d == 1
                else e * wp.min(construct(p.real, 1.0), q / wp.max(size, 1.0e-6))
            )
        )
        k.set(k.out("grad|d_pred|grad_out", t, (n,))[i], g / float(n) if p.chance(0.4) else g)
    _finish(p, k, i, n, value)


def _binary(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(32, 48, 64)
    (i,) = launch(k, ["i|tid|sample"], (n,))
    x = k.let("x|z|logit", k.array("logits|scores|z_in", p.real, (n,), R.uniform(-3.0, 3.0))[i])
    y = k.let("y|label|t", k.array("labels|targets|truth", p.real, (n,), R.mask(0.5))[i])
    form = p.pick("bce", "focal", "hinge", "dice", "exp")
    if form == "hinge":
        margin = k.let("margin|agree|m", (2.0 * y - 1.0) * x)
        value = wp.max(1.0 - margin, 0.0)
        value = value * value if p.chance(0.4) else value
    elif form == "exp":
        value = wp.exp(-(2.0 * y - 1.0) * x * 0.5)
    else:
        value = k.let("bce|ce|nll", wp.max(x, 0.0) - x * y + wp.log(1.0 + wp.exp(-wp.abs(x))))
        prob = k.let("prob|s|sig", 1.0 / (1.0 + wp.exp(-x)))
        if form == "focal":
            pt = k.let("pt|p_true|agreement", y * prob + (1.0 - y) * (1.0 - prob))
            value = value * wp.pow(1.0 - pt, k.param("gamma|focus", 1.0, 3.0))
            if p.chance(0.6):
                a = k.param("alpha|pos_weight|balance", 0.2, 0.8)
                value = value * (y * a + (1.0 - y) * (1.0 - a))
        elif form == "dice":
            k.do(wp.atomic_add(k.out("intersection|overlap|tp", p.real, (1,)), 0, prob * y))
            k.do(wp.atomic_add(k.out("union|denominator|mass", p.real, (1,)), 0, prob + y))
        if p.chance(0.5):
            k.set(k.out("grad|d_logits", p.real, (n,))[i], prob - y)
    _finish(p, k, i, n, value)


def _contrastive(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(16, 24), p.pick(3, 4, 6)
    (i,) = launch(k, ["i|anchor|row"], (n,))
    vec = p.vec(d)
    a = k.let(
        "a|anchor_vec|zi", k.array("anchors|embeddings|za", vec, (n,), R.uniform(-1.0, 1.0))[i]
    )
    others = k.array("candidates|positives|zb", vec, (n,), R.uniform(-1.0, 1.0))
    if p.chance(0.5):
        negative = k.array("negatives|zn|distractors", vec, (n,), R.uniform(-1.0, 1.0))[i]
        near, far = (
            k.let("near|dp|pos_dist", wp.length(a - others[i])),
            k.let("far|dn|neg_dist", wp.length(a - negative)),
        )
        value = wp.max(near - far + k.param("margin|gap", 0.1, 1.0), 0.0)
        if p.chance(0.5):
            value = k.let("hinge|violation", value)
            with k.when(value > 0.0):
                k.do(wp.atomic_add(k.out("num_active|violations", T.I32, (1,)), 0, 1))
        _finish(p, k, i, n, value)
        return
    tau = k.param("temperature|tau", 0.2, 1.0)
    unit = p.chance(0.6)
    u = k.let("u|an|unit_a", wp.normalize(a)) if unit else a
    z, own = k.var("z|denom|sum_exp", 0.0, p.real), k.var("own|positive|match", 0.0, p.real)
    with k.loop("j|other|c", extent(p, k, others, 0, n, "batch|num_pairs|n")) as j:
        s = k.let("s|sim|score", wp.dot(u, wp.normalize(others[j]) if unit else others[j]) / tau)
        k.aug(z, "+", wp.exp(s))
        with k.when(j == i):
            k.set(own, s)
    _finish(p, k, i, n, wp.log(z) - own)


def _kl(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(16, 24, 32), p.pick(4, 6, 8)
    i, c = launch(k, ["i|sample|row", "c|j|latent"], (n, d))
    if p.chance(0.5):
        mu, logvar = (
            k.array("mu|mean|z_mean", p.real, (n, d), R.uniform(-1.0, 1.0)),
            k.array("logvar|log_var|z_logvar", p.real, (n, d), R.uniform(-1.0, 1.0)),
        )
        value = -0.5 * (1.0 + logvar[i, c] - mu[i, c] * mu[i, c] - wp.exp(logvar[i, c]))
        if p.chance(0.6):
            eps = k.array("noise|eps|epsilon", p.real, (n, d), R.normal(0.0, 1.0))[i, c]
            k.set(
                k.out("z|latent|sample_out", p.real, (n, d))[i, c],
                mu[i, c] + wp.exp(0.5 * logvar[i, c]) * eps,
            )
    else:
        a, b = (
            k.array("teacher|p_in|target_probs", p.real, (n, d), R.uniform(0.05, 0.4)),
            k.array("student|q_in|probs", p.real, (n, d), R.uniform(0.05, 0.4)),
        )
        value = a[i, c] * (wp.log(a[i, c]) - wp.log(b[i, c]))
        if p.chance(0.4):
            m = k.let("m|mid|mixture", 0.5 * (a[i, c] + b[i, c]))
            value = 0.5 * a[i, c] * wp.log(a[i, c] / m) + 0.5 * b[i, c] * wp.log(b[i, c] / m)
    beta = k.param("beta|kl_weight|scale", 0.1, 2.0)
    free = k.param("free_bits|floor|min_kl", 0.01, 0.2) if p.chance(0.3) else None
    value = k.let("kl|divergence|term", value if free is None else wp.max(value, free))
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("kl_per_sample|losses", p.real, (n,)), i, beta * value))
    else:
        k.do(wp.atomic_add(k.out("loss|total_kl", p.real, (1,)), 0, beta * value / float(n)))


def _ranking(p: ProgramBuilder, k: KernelBuilder) -> None:
    n = p.pick(12, 16, 24)
    (i,) = launch(k, ["i|item|row"], (n,))
    s, y = (
        k.array("scores|preds|s_in", p.real, (n,), R.uniform(-1.0, 1.0)),
        k.array("relevance|labels|grades", T.I32, (n,), R.integers(0, 4)),
    )
    acc, pairs = k.var("acc|loss_i|penalty", 0.0, p.real), k.var("pairs|count|num", 0, T.I32)
    with k.loop("j|other|c", extent(p, k, s, 0, n, "num_items|n|list_size")) as j:
        with k.when(y[i] <= y[j]):
            k.cont()
        d = k.let("d|gap|margin", s[i] - s[j])
        k.aug(acc, "+", wp.log(1.0 + wp.exp(-d)) if p.chance(0.6) else wp.max(1.0 - d, 0.0))
        k.aug(pairs, "+", 1)
    _finish(p, k, i, n, acc / construct(p.real, wp.max(pairs, 1)))
