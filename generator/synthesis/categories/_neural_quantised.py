"""Quantised and half-precision weights: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._neural import activate, extent, launch
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def quantise(p: ProgramBuilder) -> None:
    """Quantisation to 8 and 4 bits, half precision, dequantisation and integer products."""
    p.real = T.F32
    kind = p.weighted(
        {"quantize": 3, "dequantize": 3, "matmul": 2.5, "half": 2, "amax": 1.5, "nibble": 1.5}
    )
    names = {
        "quantize": "quantize_int8|quantize_rows|to_int8",
        "dequantize": "dequantize|dequantize_rows|from_int8",
        "matmul": "int8_linear|quantized_matmul|w8_linear",
        "half": "to_half|cast_weights|pack_half",
        "amax": "row_amax|calibrate_scales|collect_absmax",
        "nibble": "unpack_int4|dequantize_int4|int4_linear",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Symmetric quantisation with one scale per row.",
            "Low-precision storage.",
            "Integer weights, floating-point sums.",
            "Calibration of quantisation scales.",
        ),
    )
    {
        "quantize": _quantize,
        "dequantize": _dequantize,
        "matmul": _int_matmul,
        "half": _half,
        "amax": _amax,
        "nibble": _nibble,
    }[kind](p, k)


def _quantize(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(12, 16, 24), p.pick(8, 12, 16)
    i, c = launch(k, ["i|row|r", "c|col|j"], (n, d))
    x = k.array("x|inputs|weights_in", T.F32, (n, d), R.uniform(-2.0, 2.0))[i, c]
    unsigned = p.chance(0.35)
    axis = p.pick("row", "column", "tensor")
    scale = (
        k.array("scales|step_sizes", T.F32, (n if axis == "row" else d,), R.uniform(0.01, 0.05))[
            i if axis == "row" else c
        ]
        if axis != "tensor"
        else k.param("scale|step_size", 0.01, 0.05)
    )
    q = k.let("q|scaled|level", x / scale if p.chance(0.6) else x * (1.0 / scale))
    noisy = p.chance(0.3)
    if noisy:
        state = k.let(
            "state|rng", wp.rand_init(k.scalar("seed", T.I32, p.pick(1, 7, 42)), i * d + c)
        )
        r = k.let("r|rounded|stoch", wp.floor(q + wp.randf(state)))
    else:
        r = k.let("r|rounded|nearest", p.pick(wp.round, wp.rint, wp.rint)(q))
    zero = k.scalar("zero_point|offset", T.F32, p.pick(128.0, 100.0)) if unsigned else None
    low, high = (0.0, 255.0) if unsigned else (-127.0, 127.0)
    clipped = k.let("clipped|limited|qc", wp.clamp(r if zero is None else r + zero, low, high))
    t = T.U8 if unsigned else T.I8
    k.set(k.out("q_out|quantized|codes", t, (n, d))[i, c], cast(t, cast(T.I32, clipped)))
    if p.chance(0.4):
        back = (clipped if zero is None else clipped - zero) * scale
        e = k.let("e|err|loss_q", x - back)
        k.do(wp.atomic_add(k.out("mse|quant_error|error_sum", T.F32, (1,)), 0, e * e))
    if p.chance(0.3):
        with k.when(wp.abs(q) > 127.0):
            k.do(wp.atomic_add(k.out("num_clipped|saturated|overflow", T.I32, (1,)), 0, 1))


def _dequantize(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(12, 16, 24), p.pick(8, 16)
    i, c = launch(k, ["i|row|r", "c|col|j"], (n, d))
    t = p.pick(T.I8, T.U8, T.I16)
    q = k.array("codes|q|quantized", t, (n, d), R.integers(0 if t == T.U8 else -100, 120))[i, c]
    group = p.pick(4, 8)
    form = p.pick("row", "group", "table", "affine")
    value = cast(T.F32, q)
    if form == "group":
        value = (
            value
            * k.array("group_scales|scales", T.F32, (n, d // group), R.uniform(0.01, 0.1))[
                i, c // (k.scalar("group_size|block", T.I32, group) if p.chance(0.5) else group)
            ]
        )
    elif form == "table":
        table = k.array("codebook|levels|lut", T.F32, (128,), R.uniform(-1.0, 1.0))
        value = table[wp.abs(cast(T.I32, q))] * k.param("scale|range_", 0.5, 2.0)
    elif form == "affine":
        zero = k.array("zero_points|zeros|offsets", T.I32, (n,), R.integers(0, 64))[i]
        value = (
            cast(T.F32, cast(T.I32, q) - zero)
            * k.array("scales|row_scales", T.F32, (n,), R.uniform(0.01, 0.1))[i]
        )
    else:
        value = value * k.array("scales|row_scales", T.F32, (n,), R.uniform(0.01, 0.1))[i]
    value = k.let("w|value|restored", value)
    half = p.chance(0.3)
    out = k.out("weights|dequantized|restored_out", T.F16 if half else T.F32, (n, d))
    k.set(out[i, c], cast(T.F16, value) if half else value)
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("abs_max|largest|peak", T.F32, (1,)), 0, wp.abs(value)))


def _int_matmul(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d_in, d_out = p.pick(8, 12, 16), p.pick(8, 12, 16), p.pick(4, 6, 8)
    b, o = launch(k, ["b|row|sample", "o|col|unit"], (n, d_out))
    w = k.array("w_q|qweight|codes", T.I8, (d_out, d_in), R.integers(-100, 100))
    scale = k.array("w_scale|scales", T.F32, (d_out,), R.uniform(0.005, 0.02))
    both = p.chance(0.5)
    x = k.array(
        "x_q|inputs_q" if both else "x|inputs",
        T.I8 if both else T.F32,
        (n, d_in),
        R.integers(-100, 100) if both else R.uniform(-1.0, 1.0),
    )
    acc = k.var("acc|total|sum_", 0 if both else 0.0, T.I32 if both else T.F32)
    with k.loop("i|c|q", extent(p, k, w, 1, d_in, "in_features|d_in|k_dim")) as i:
        if both:
            k.aug(acc, "+", cast(T.I32, w[o, i]) * cast(T.I32, x[b, i]))
        else:
            k.aug(acc, "+", cast(T.F32, w[o, i]) * x[b, i])
    y = cast(T.F32, acc) * scale[o] if both else acc * scale[o]
    if both:
        y = y * k.array("x_scale|row_scales|act_scales", T.F32, (n,), R.uniform(0.005, 0.02))[b]
    if p.chance(0.5):
        y = y + k.array("bias|b_vec", T.F32, (d_out,), R.uniform(-0.5, 0.5))[o]
    if p.chance(0.4):
        y = activate(p, k, k.let("z|pre|y_lin", y))
    k.set(k.out("y|outputs|out", T.F32, (n, d_out))[b, o], y)


def _half(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(12, 16, 24), p.pick(6, 8, 12)
    i, c = launch(k, ["i|row|r", "c|col|j"], (n, d))
    down = p.chance(0.6)
    if down:
        x = k.let(
            "x|v|full",
            k.array("x|master|weights_f32", T.F32, (n, d), R.uniform(-3.0, 3.0))[i, c]
            * (k.param("loss_scale|scale", 0.5, 4.0) if p.chance(0.4) else 1.0),
        )
        limit = (
            k.scalar("limit|half_max|clip_at", T.F32, p.pick(2.0, 2.5)) if p.chance(0.4) else None
        )
        v = x if limit is None else wp.clamp(x, -limit, limit)
        if p.chance(0.3):
            tiny = k.scalar("flush_below|tiny|denormal_cut", T.F32, p.pick(1e-3, 1e-2))
            v = k.let("flushed|v_flush|vz", wp.where(wp.abs(v) < tiny, 0.0, v))
        h = k.let("h|low|packed", cast(T.F16, v))
        k.set(k.out("half_out|weights_f16|packed_out", T.F16, (n, d))[i, c], h)
        if p.chance(0.5):
            k.set(k.out("residual|lost|rounding", T.F32, (n, d))[i, c], x - cast(T.F32, h))
        return
    h = k.array("half_in|weights_f16|x_half", T.F16, (n, d), R.uniform(-3.0, 3.0))
    total = k.var("v|value|full", cast(T.F32, h[i, c]))
    if p.chance(0.6):
        other = k.array("delta_half|grad_half|other", T.F16, (n, d), R.uniform(-1.0, 1.0))
        k.aug(total, "+", cast(T.F32, other[i, c]) * k.param("scale|step|inv_loss_scale", 0.1, 1.0))
    if p.chance(0.4):
        bad = k.out("overflow|found_inf|num_bad", T.I32, (1,))
        with k.when(any_of(wp.isnan(total), wp.isinf(total))):
            k.do(wp.atomic_add(bad, 0, 1))
    k.set(k.out("full_out|weights_f32|restored", T.F32, (n, d))[i, c], total)


def _amax(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, d = p.pick(12, 16, 24), p.pick(8, 12, 16)
    (i,) = launch(k, ["i|row|r"], (n,))
    x = k.array("x|activations|weights_in", T.F32, (n, d), R.uniform(-2.0, 2.0))
    top = k.var("top|amax|largest", 0.0)
    sq = k.var("sq|power|sum_sq", 0.0) if p.chance(0.4) else None
    with k.loop("c|j|col", extent(p, k, x, 1, d, "cols|dim|width")) as c:
        k.set(top, wp.max(top, wp.abs(x[i, c])))
        if sq is not None:
            k.aug(sq, "+", x[i, c] * x[i, c])
    if sq is not None:
        k.set(
            top,
            wp.min(top, k.param("clip_ratio|sigmas|outlier", 1.5, 3.0) * wp.sqrt(sq / float(d))),
        )
    levels = p.pick(127.0, 7.0, 255.0)
    scale = k.let("scale|step|s", wp.max(top, 1.0e-6) / levels)
    out = k.array("scales|running_scale|step_sizes", T.F32, (n,), R.uniform(0.01, 0.05), "inout")
    k.set(
        out[i],
        wp.max(out[i], scale)
        if p.chance(0.4)
        else out[i] + k.param("momentum|ema", 0.05, 0.5) * (scale - out[i]),
    )
    if p.chance(0.5):
        k.do(wp.atomic_max(k.out("tensor_amax|global_max", T.F32, (1,)), 0, top))


def _nibble(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, words = p.pick(8, 12, 16), p.pick(2, 3, 4)
    i, w = launch(k, ["i|row|r", "w|word|col"], (n, words))
    packed = k.let(
        "packed|word_bits|bits",
        k.array("qweight|packed_in|words", T.U32, (n, words), R.integers(0, 2**31))[i, w],
    )
    scale = k.array("scales|row_scales", T.F32, (n,), R.uniform(0.02, 0.2))[i]
    zero = k.scalar("zero_point|offset|bias_q", T.I32, p.pick(8, 7))
    x = (
        k.array("x|inputs|acts", T.F32, (words * 8,), R.uniform(-1.0, 1.0))
        if p.chance(0.5)
        else None
    )
    acc = k.var("acc|dot|total", 0.0) if x is not None else None
    out = k.out("weights|unpacked|values", T.F32, (n, words * 8)) if x is None else None
    with k.loop("q|nib|lane", 8) as q:
        code = k.let(
            "code|nibble|level",
            construct(T.I32, (packed >> construct(T.U32, q * 4)) & N.literal(15, T.U32)),
        )
        value = construct(T.F32, code - zero) * scale
        if acc is not None and x is not None:
            k.aug(acc, "+", value * x[w * 8 + q])
        elif out is not None:
            k.set(out[i, w * 8 + q], value)
    if acc is not None:
        k.do(wp.atomic_add(k.out("y|row_dots|out", T.F32, (n,)), i, acc))
