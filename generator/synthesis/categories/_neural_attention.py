"""Attention: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import extent, launch
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def attention(p: ProgramBuilder) -> None:
    """Scores, softmax weights and mixing of values, with masks, biases and online normalisation."""
    stage = p.weighted({"scores": 3, "softmax": 2, "mix": 2, "fused": 3, "backward": 1})
    names = {
        "scores": "attention_scores|qk_scores|scaled_scores",
        "softmax": "softmax_scores|attention_softmax|normalize_scores",
        "mix": "mix_values|attention_output|weighted_values",
        "fused": "attention_row|streaming_attention|attend_query",
        "backward": "softmax_backward|scores_backward|attention_grad",
    }[stage]
    k = p.kernel_builder(
        names,
        p.pick(
            "Scaled dot-product attention.",
            "One query per thread.",
            "Attention; heads are independent.",
        ),
    )
    heads, q, m, d = p.pick(2, 3), p.pick(6, 8, 10), p.pick(6, 8, 12), p.pick(4, 6, 8)
    {
        "scores": _scores,
        "softmax": _softmax_rows,
        "mix": _mix,
        "fused": _fused,
        "backward": _softmax_backward,
    }[stage](p, k, heads, q, m, d)


def _masking(
    p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, h: Expr, i: Expr, j: Expr
) -> Expr | None:
    """Whether key `j` is hidden from query `i`."""
    match p.pick("none", "causal", "window", "lengths", "mask"):
        case "causal":
            return j > i
        case "window":
            reach = k.scalar("window|reach|band", T.I32, p.pick(2, 3))
            return any_of(j > i, j < i - reach) if p.chance(0.5) else wp.abs(i - j) > reach
        case "lengths":
            return j >= k.array("lengths|kv_lengths|seq_lens", T.I32, (heads,), R.integers(2, m))[h]
        case "mask":
            return k.array("mask|attn_mask|visible", T.I32, (q, m), R.mask(0.7))[i, j] == 0
    return None


def _scores(p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, d: int) -> None:
    h, i, j = launch(k, ["h|head|bh", "i|qi|row", "j|kj|col"], (heads, q, m))
    queries = k.array("Q|queries|q_in", p.real, (heads, q, d), R.uniform(-1.0, 1.0))
    keys = k.array("K|keys|k_in", p.real, (heads, m, d), R.uniform(-1.0, 1.0))
    out = k.out("scores|logits|S", p.real, (heads, q, m))
    hidden = _masking(p, k, heads, q, m, h, i, j)
    if hidden is not None:
        with k.when(hidden):
            k.set(out[h, i, j], p.pick(-1.0e4, -1.0e6))
            k.ret()
    s = k.var("s|dot|acc", 0.0, p.real)
    with k.loop("c|k|f", extent(p, k, queries, 2, d, "head_dim|d_head|dim")) as c:
        k.aug(s, "+", queries[h, i, c] * keys[h, j, c])
    k.aug(s, "*", k.param("scale|softmax_scale|inv_sqrt_d", 0.2, 0.6))
    if p.chance(0.5):
        s = k.let("biased|s_pos|with_bias", s + _position_bias(p, k, heads, q, m, h, i, j))
    if p.chance(0.25):
        cap = k.param("soft_cap|cap", 2.0, 10.0)
        s = k.let("capped|s_cap", cap * wp.tanh(s / cap))
    k.set(out[h, i, j], s)


def _position_bias(
    p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, h: Expr, i: Expr, j: Expr
) -> Expr:
    match p.pick("alibi", "table", "full"):
        case "alibi":
            return k.array("slopes|alibi_slopes", p.real, (heads,), R.uniform(0.05, 0.5))[
                h
            ] * construct(p.real, j - i)
        case "table":
            table = k.array(
                "rel_bias|position_table|bias_table", p.real, (heads, q + m), R.uniform(-0.5, 0.5)
            )
            return table[h, j - i + q]
    return k.array("bias|attn_bias|pair_bias", p.real, (q, m), R.uniform(-0.5, 0.5))[i, j]


def _softmax_rows(p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, d: int) -> None:
    h, i = launch(k, ["h|head|bh", "i|row|qi"], (heads, q))
    inplace = p.chance(0.5)
    s = k.array(
        "scores|logits|S", p.real, (heads, q, m), R.uniform(-3.0, 3.0), "inout" if inplace else "in"
    )
    out = s if inplace else k.out("probs|weights_out|attn", p.real, (heads, q, m))
    size = extent(p, k, s, 2, m, "num_keys|kv_len|cols")
    top = k.var("top|row_max|peak", s[h, i, 0])
    with k.loop("j|col|t", 1, size) as j:
        k.set(top, wp.max(top, s[h, i, j]))
    total = k.var("total|denom|z", 0.0, p.real)
    temperature = k.param("temperature|tau|sharpness", 0.5, 2.0) if p.chance(0.4) else None
    with k.loop("j|col|t", size) as j:
        shifted = s[h, i, j] - top
        e = k.let("e|w|ex", wp.exp(shifted if temperature is None else shifted / temperature))
        k.set(out[h, i, j], e)
        k.aug(total, "+", e)
    if p.chance(0.3):
        sink = k.param("sink|off_by_one|extra", 0.1, 1.0)
        k.aug(total, "+", sink)
    inv = k.let("inv|scale|norm", 1.0 / total)
    with k.loop("j|col|t", size) as j:
        k.set(out[h, i, j], out[h, i, j] * inv)
    if p.chance(0.35):
        k.set(k.out("log_z|lse|logsumexp", p.real, (heads, q))[h, i], top + wp.log(total))


def _mix(p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, d: int) -> None:
    h, i, c = launch(k, ["h|head|bh", "i|qi|row", "c|f|channel"], (heads, q, d))
    w = k.array("probs|attn|weights_in", p.real, (heads, q, m), R.uniform(0.0, 0.3))
    v = k.array("V|values|v_in", p.real, (heads, m, d), R.uniform(-1.0, 1.0))
    acc = k.var("acc|o|mixed", 0.0, p.real)
    causal = p.chance(0.4)
    cut = k.param("min_weight|threshold|prune", 0.01, 0.1) if p.chance(0.35) else None
    decay = k.param("decay|slope|distance_penalty", 0.05, 0.5) if p.chance(0.25) else None
    with k.loop(
        "j|t|kj", wp.min(i + 1, m) if causal else extent(p, k, v, 1, m, "kv_len|num_keys|seq_len")
    ) as j:
        a = k.let("a|p_ij|weight", w[h, i, j])
        if cut is not None:
            with k.when(a < cut):
                k.cont()
        if decay is not None:
            a = a * wp.exp(-decay * construct(p.real, wp.abs(i - j)))
        k.aug(acc, "+", a * v[h, j, c])
    if p.chance(0.3):
        k.set(
            acc,
            acc * k.array("head_gates|head_scale|gate", p.real, (heads,), R.uniform(0.5, 1.5))[h],
        )
    if p.chance(0.25):
        acc = k.let(
            "with_skip|o_res|total",
            acc
            + k.array("residual|skip|x_in", p.real, (heads, q, d), R.uniform(-1.0, 1.0))[h, i, c],
        )
    if p.chance(0.4):
        k.set(k.out("out|O|merged", p.real, (q, heads * d))[i, h * d + c], acc)
    else:
        k.set(k.out("out|O|context", p.real, (heads, q, d))[h, i, c], acc)


def _fused(p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, d: int) -> None:
    """One query per thread; the running maximum rescales what was summed before."""
    d = p.pick(2, 3, 4, 6)
    h, i = launch(k, ["h|head|bh", "i|qi|row"], (heads, q))
    vec = p.vec(d)
    queries, keys, values = (
        k.array(n_, vec, (heads, s), R.uniform(-1.0, 1.0))
        for n_, s in (("Q|queries|q_in", q), ("K|keys|k_in", m), ("V|values|v_in", m))
    )
    qi = k.let(
        "qi|query|q_vec", queries[h, i] * k.param("scale|softmax_scale|inv_sqrt_d", 0.3, 1.0)
    )
    top, z = k.var("top|run_max|peak", -1.0e6, p.real), k.var("z|denom|total", 0.0, p.real)
    acc = k.var("acc|mix|o", construct(vec, 0.0))
    with k.loop("j|t|kj", extent(p, k, keys, 1, m, "kv_len|num_keys|seq_len")) as j:
        hidden = _masking(p, k, heads, q, m, h, i, j)
        if hidden is not None:
            with k.when(hidden):
                k.cont()
        s = k.let("s|score|logit", wp.dot(qi, keys[h, j]))
        if p.chance(0.5):
            new = k.let("new_top|peak_new|m_new", wp.max(top, s))
            fade = k.let("fade|corr|decay", wp.exp(top - new))
            e = k.let("e|w|weight", wp.exp(s - new))
            k.set(z, z * fade + e)
            k.set(acc, acc * fade + values[h, j] * e)
            k.set(top, new)
        else:
            with k.when(s > top):
                fade = k.let("fade|corr|decay", wp.exp(top - s))
                k.aug(z, "*", fade)
                k.aug(acc, "*", fade)
                k.set(top, s)
            e = k.let("e|w|weight", wp.exp(s - top))
            k.aug(z, "+", e)
            k.aug(acc, "+", values[h, j] * e)
    result = (
        acc / wp.max(z, 1.0e-6) if p.chance(0.6) else choose(z > 0.0, acc / z, construct(vec, 0.0))
    )
    k.set(k.out("out|O|context", vec, (heads, q))[h, i], result)
    if p.chance(0.35):
        k.set(
            k.out("lse|log_z|logsumexp", p.real, (heads, q))[h, i], top + wp.log(wp.max(z, 1.0e-6))
        )


def _softmax_backward(
    p: ProgramBuilder, k: KernelBuilder, heads: int, q: int, m: int, d: int
) -> None:
    h, i = launch(k, ["h|head|bh", "i|row|qi"], (heads, q))
    probs = k.array("probs|attn|y", p.real, (heads, q, m), R.uniform(0.0, 0.3))
    grad = k.array("grad_probs|d_attn|dy", p.real, (heads, q, m), R.uniform(-1.0, 1.0))
    out = k.out("grad_scores|d_scores|dx", p.real, (heads, q, m))
    size = extent(p, k, probs, 2, m, "num_keys|kv_len|cols")
    dot = k.var("dot|inner|s", 0.0, p.real)
    with k.loop("j|col|t", size) as j:
        k.aug(dot, "+", probs[h, i, j] * grad[h, i, j])
    scale = k.param("scale|softmax_scale", 0.2, 1.0) if p.chance(0.5) else None
    with k.loop("j|col|t", wp.min(i + 1, size) if p.chance(0.3) else size) as j:
        g = probs[h, i, j] * (grad[h, i, j] - dot)
        k.set(out[h, i, j], g if scale is None else g * scale)
    if p.chance(0.4):
        k.set(k.out("row_dots|delta|d_sum", p.real, (heads, q))[h, i], dot)
