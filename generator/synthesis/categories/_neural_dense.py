"""Linear layers, small networks and recurrent cells: intents of neural_layers."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import (
    Precision,
    activate,
    activation,
    extent,
    launch,
    weights,
)
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def linear(p: ProgramBuilder) -> None:
    """Fully connected layers with their usual companions."""
    k = p.kernel_builder(
        "linear|dense_forward|linear_layer|fully_connected|mlp_layer|project_features|linear_forward",
        p.pick(
            "Fully connected layer.",
            "y = act(W x + b), one output per thread.",
            "Dense layer over a batch.",
            "One thread per sample and output feature.",
        ),
    )
    pr = Precision(p)
    n, d_in, d_out = p.pick(8, 12, 16, 32), p.pick(6, 8, 12, 16), p.pick(4, 6, 8, 12)
    groups = p.pick(2, 4) if p.chance(0.15) else None
    b, o = launch(k, ["b|sample|row|n", "o|out_idx|j|col"], (n, d_out))
    x = k.array("x|inputs|features|activations_in", pr.inputs, (n, d_in), R.uniform(-1.0, 1.0))
    layout = p.weighted({"rows": 5, "cols": 2.5, "packed": 1.2}) if groups is None else "rows"
    w_shape = {"rows": (d_out, d_in), "cols": (d_in, d_out), "packed": (d_out * d_in,)}[layout]
    if groups is not None:
        w_shape = (groups, d_out, d_in)
    w = weights(p, k, "W|weight|weights|kernel_w", pr.stored, w_shape)
    if p.chance(0.2):
        valid = k.array("lengths_mask|valid|row_mask", T.I32, (n,), R.mask(0.8))
        with k.when(valid[b] == 0):
            k.ret()
    size = extent(p, k, x, 1, d_in, "in_features|d_in|fan_in")
    g = (
        k.array("expert_ids|group|expert", T.I32, (n,), R.integers(0, groups))[b]
        if groups is not None
        else None
    )
    if g is not None:
        g = k.let("g|expert_id|head", g)
    bias = (
        weights(p, k, "bias|b_vec|biases", pr.stored if p.chance(0.5) else p.real, (d_out,), 0.1)
        if p.chance(0.7)
        else None
    )
    start_with_bias = bias is not None and p.chance(0.5)
    if layout == "rows" and groups is None and p.on("helper_function") and p.chance(0.6):
        acc = k.var("acc|z|total", _row_dot(p, pr)(w[o], x[b], size))
        start_with_bias = False
    else:
        acc = k.var(
            "acc|z|total|s",
            pr.read(bias[o]) if start_with_bias and bias is not None else 0.0,
            p.real,
        )
        with k.loop("i|k|c|q", size) as i:
            entry = (
                {
                    "rows": lambda: w[o, i],
                    "cols": lambda: w[i, o],
                    "packed": lambda: w[o * size + i],
                }[layout]()
                if g is None
                else w[g, o, i]
            )
            k.aug(acc, "+", pr.read(entry) * pr.read(x[b, i]))
    if bias is not None and not start_with_bias:
        k.aug(acc, "+", pr.read(bias[o]))
    _after_linear(p, k, acc, b, o, n, d_out)


def _row_dot(p: ProgramBuilder, pr: Precision) -> Any:
    def body(blk: Block, w: Expr, x: Expr, n: Expr) -> None:
        s = blk.var("s|acc|total", 0.0, p.real)
        with blk.loop("i|k|c", n) as i:
            blk.aug(s, "+", pr.read(w[i]) * pr.read(x[i]))
        blk.ret(s)

    return p.func(
        "dot_row|row_dot|inner|weighted_sum",
        {"w|row": T.Array(pr.stored), "x|v": T.Array(pr.inputs), "n|size|width": T.I32},
        body,
    )


def _after_linear(
    p: ProgramBuilder, k: KernelBuilder, acc: Expr, b: Expr, o: Expr, n: int, d_out: int
) -> None:
    steps = p.sample(["norm", "residual", "gate", "lora", "dropout"], 0, 2)
    if "norm" in steps:
        scale = weights(p, k, "bn_scale|gamma|scale", p.real, (d_out,), 0.3)
        shift = weights(p, k, "bn_shift|beta|shift", p.real, (d_out,), 0.3)
        k.set(acc, acc * scale[o] + shift[o])
    if "lora" in steps:
        rank = p.pick(2, 4)
        low = k.array("lora_x|low_rank|adapter_in", p.real, (n, rank), R.uniform(-1.0, 1.0))
        up = weights(p, k, "lora_up|adapter|B", p.real, (d_out, rank), 0.2)
        with k.loop("r|rank_idx|l", rank) as r:
            k.aug(acc, "+", low[b, r] * up[o, r])
    value = k.let("y_val|out_val|h", activate(p, k, acc)) if p.chance(0.5) else activate(p, k, acc)
    if "gate" in steps:
        gate = k.array("gates|gate_in|u", p.real, (n, d_out), R.uniform(-1.0, 1.0))[b, o]
        value = value * gate if p.chance(0.5) else value / (1.0 + wp.exp(-gate))
    if "dropout" in steps:
        keep = k.array(
            "dropout_mask|keep_mask", T.F32 if p.real == T.F32 else p.real, (n, d_out), R.mask(0.8)
        )[b, o]
        value = value * keep * p.pick(1.25, 1.0)
    if "residual" in steps:
        value = (
            k.array("residual|skip|shortcut", p.real, (n, d_out), R.uniform(-1.0, 1.0))[b, o]
            + value
        )
    k.set(k.out("y|outputs|out|hidden", p.real, (n, d_out))[b, o], value)
    if p.chance(0.25):
        k.set(k.out("pre_activation|z_out|saved", p.real, (n, d_out))[b, o], acc)


def tiny_mlp(p: ProgramBuilder) -> None:
    """A small network evaluated by one thread, with vectors and matrices as types or arrays in a loop."""
    k = p.kernel_builder(
        "eval_mlp|tiny_mlp|policy_forward|evaluate_network|decode_sdf|field_mlp",
        p.pick(
            "Small network, one sample per thread.",
            "Two-layer network held in registers.",
            "Decoder evaluated at every query.",
        ),
    )
    n, d_in, h, d_out = p.pick(32, 48, 64), p.pick(2, 3, 4), p.pick(4, 5, 6, 8), p.pick(1, 2, 3)
    (i,) = launch(k, ["i|tid|sample"], (n,))
    vi, vh = p.vec(d_in), p.vec(h)
    x = k.let("x|p_in|features", k.array("inputs|points|obs", vi, (n,), R.uniform(-1.0, 1.0))[i])
    if p.chance(0.3):
        with k.when(wp.length(x) > k.param("radius|cutoff|domain", 0.8, 1.6)):
            k.ret()
    act = activation(p)
    layers = p.pick(0, 1, 2, 3)

    w0 = weights(p, k, "W0|w_in|first_weights", p.mat(h, d_in), (1,), 0.6)
    b0 = weights(p, k, "b0|b_in|first_bias", vh, (1,), 0.2)
    z = k.var("z|h0|hid", w0[0] * x + b0[0])
    _activate_all(p, k, act, z, h)
    if layers:
        w = weights(p, k, "W|hidden_weights|w_hidden", p.mat(h), (layers,), 0.5)
        bias = weights(p, k, "b|hidden_bias|b_hidden", vh, (layers,), 0.1)
        skip = p.chance(0.35)
        count = extent(p, k, w, 0, layers, "num_layers|depth|layers")
        with k.loop("l|layer|step", count) as layer:
            before = k.let("before|h_in|prev", z * 1.0) if skip else None
            k.set(z, w[layer] * z + bias[layer])
            _activate_all(p, k, act, z, h)
            if before is not None:
                k.aug(z, "+", before)
    if d_out == 1:
        head = weights(p, k, "w_out|head|readout", vh, (1,), 0.5)
        y: Expr = wp.dot(head[0], z) + weights(p, k, "b_out|head_bias", p.real, (1,), 0.1)[0]
        t: T.Type = p.real
    else:
        head = weights(p, k, "W_out|head|readout", p.mat(d_out, h), (1,), 0.5)
        y, t = head[0] * z, p.vec(d_out)
    y = k.let("y|out_val|pred", y)
    match p.pick("none", "tanh", "loss", "scale"):
        case "tanh" if d_out == 1:
            y = wp.tanh(y) * k.param("max_action|output_scale|bound", 0.5, 3.0)
        case "loss":
            target = k.array("targets|labels|y_true", t, (n,), R.uniform(-1.0, 1.0))[i]
            e = k.let("err|e|diff", y - target)
            k.do(
                wp.atomic_add(
                    k.out("loss|mse|objective", p.real, (1,)),
                    0,
                    (e * e if d_out == 1 else wp.dot(e, e)) / float(n),
                )
            )
        case "scale":
            y = y * k.param("output_scale|gain", 0.3, 3.0)
    k.set(k.out("outputs|predictions|values", t, (n,))[i], y)


def _activate_all(p: ProgramBuilder, k: KernelBuilder, act: Any, z: Expr, size: int) -> None:
    if size <= 4 and p.chance(0.3):
        k.set(z, construct(p.vec(size), *(act(z[c]) for c in range(size))))
        return
    with k.loop("c|j|unit", size) as c:
        k.set(z[c], act(z[c]))


def recurrent(p: ProgramBuilder) -> None:
    """GRU, LSTM and simple recurrent cells, and linear scans over time."""
    kind = p.weighted({"gru": 3, "lstm": 3, "scan": 2, "rnn": 1.5})
    names = {
        "gru": "gru_cell|gru_step|gru_update",
        "lstm": "lstm_cell|lstm_step|lstm_update",
        "scan": "selective_scan|linear_recurrence|ssm_scan",
        "rnn": "rnn_step|elman_cell|leaky_rnn",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "One recurrent step, one hidden unit per thread.",
            "Cell update from precomputed gates.",
            "Recurrence over time for every channel.",
        ),
    )
    n, h = p.pick(8, 12, 16), p.pick(6, 8, 12)
    b, j = launch(k, ["b|sample|batch", "j|unit|hid"], (n, h))
    if kind == "scan":
        _scan(p, k, b, j, n, h)
        return
    gates = {"gru": 3, "lstm": 4, "rnn": 1}[kind]
    sig: Any = activation(p, "sigmoid") if gates > 1 else None
    x = k.array("gate_inputs|x_gates|wx", p.real, (n, gates * h), R.uniform(-1.0, 1.0))
    prev = k.array("h_prev|hidden|h_in", p.real, (n, h), R.uniform(-1.0, 1.0))
    w = weights(p, k, "W_h|recurrent|u_weights", p.real, (gates * h, h), 0.3)
    size = extent(p, k, prev, 1, h, "hidden_size|hidden_dim|units")

    def row(g: int) -> Expr:
        return j if g == 0 else j + size if g == 1 else j + g * size

    z = [k.var(f"z{g}|pre{g}|a{g}", x[b, row(g)]) for g in range(gates)]
    with k.loop("i|q|m", size) as i:
        hi = k.let("hi|h_i|past", prev[b, i])
        for g in range(gates):
            k.aug(z[g], "+", w[row(g), i] * hi)
    out = k.out("h_next|h_out|hidden_out", p.real, (n, h))
    own = prev[b, j]
    if kind == "lstm":
        c = k.array("cell|c_state|memory", p.real, (n, h), R.uniform(-1.0, 1.0), "inout")
        f = sig(z[1] + 1.0) if p.chance(0.5) else sig(z[1])
        new = k.let("c_new|cell_new|mem", f * c[b, j] + sig(z[0]) * wp.tanh(z[2]))
        if p.chance(0.3):
            new = k.let("c_clip|clipped", wp.clamp(new, -3.0, 3.0))
        k.set(c[b, j], new)
        k.set(out[b, j], sig(z[3]) * wp.tanh(new))
    elif kind == "gru":
        r, u = k.let("r|reset", sig(z[0])), k.let("u|update|zg", sig(z[1]))
        cand = k.let(
            "cand|n_gate|proposal",
            wp.tanh(z[2] * r)
            if p.chance(0.4)
            else wp.tanh(x[b, j + 2 * size] + r * (z[2] - x[b, j + 2 * size])),
        )
        k.set(out[b, j], u * own + (1.0 - u) * cand if p.chance(0.5) else cand + u * (own - cand))
    else:
        leak = k.param("leak|alpha|retention", 0.1, 0.9)
        k.set(out[b, j], own + leak * (wp.tanh(z[0]) - own))


def _scan(p: ProgramBuilder, k: KernelBuilder, b: Expr, j: Expr, n: int, h: int) -> None:
    steps = p.pick(8, 12, 16)
    x = k.array("x|inputs|u", p.real, (n, steps, h), R.uniform(-1.0, 1.0))
    decay = k.array("decay|A|log_decay", p.real, (h,), R.uniform(0.5, 0.99))
    delta = (
        k.array("delta|dt|step_sizes", p.real, (n, steps, h), R.uniform(0.05, 1.0))
        if p.chance(0.5)
        else None
    )
    state = k.var("state|s|h_t", 0.0, p.real)
    out = k.out("y|states|outputs", p.real, (n, steps, h))
    gate = (
        k.array("gate|z|c_gate", p.real, (n, steps, h), R.uniform(-1.0, 1.0))
        if p.chance(0.4)
        else None
    )
    reset = (
        k.array("resets|new_sequence|boundary", T.I32, (n, steps), R.mask(0.15))
        if p.chance(0.35)
        else None
    )
    with k.loop("t|step|time_idx", extent(p, k, x, 1, steps, "num_steps|seq_len|steps")) as t:
        if reset is not None:
            with k.when(reset[b, t] != 0):
                k.set(state, 0.0)
        a = decay[j] if delta is None else wp.exp((decay[j] - 1.0) * delta[b, t, j])
        gain = 1.0 - decay[j] if delta is None else delta[b, t, j]
        k.set(state, a * state + gain * x[b, t, j])
        y = state if gate is None else state * gate[b, t, j]
        k.set(
            out[b, t, j],
            y + x[b, t, j] * k.param("skip|d_skip|feedthrough", 0.1, 1.0) if p.chance(0.3) else y,
        )
