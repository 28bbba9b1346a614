"""Convolutions: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.categories._neural import Precision, activate, extent, launch, weights
from generator.synthesis.logic import all_of, any_of, between, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def convolution(p: ProgramBuilder) -> None:
    """Convolutions in one and two dimensions: dense, depthwise, dilated, strided, transposed."""
    kind = p.weighted(
        {
            "conv2d": 5,
            "depthwise": 2.5,
            "conv1d": 2.5,
            "transposed": 1.5,
            "input_grad": 1.2,
            "weight_grad": 1.2,
        }
    )
    k = p.kernel_builder(
        f"{kind}_forward|{kind}|direct_{kind}|{kind}_layer"
        if "grad" not in kind
        else f"conv_{kind}|{kind}_pass|conv2d_{kind}",
        p.pick(
            "Direct convolution, one output element per thread.",
            "Convolution without im2col.",
            "Gathers the receptive field of every output.",
        ),
    )
    pr = Precision(p)
    if kind == "conv1d":
        _conv1d(p, k, pr)
    else:
        _conv2d(p, k, pr, kind)


def _inside(p: ProgramBuilder, y: Expr, x: Expr, h: Operand, w: Operand) -> Expr:
    if p.chance(0.35):
        return all_of(between(0, y, h), between(0, x, w))
    return all_of(y >= 0, y < h, x >= 0, x < w)


def _conv2d(p: ProgramBuilder, k: KernelBuilder, pr: Precision, kind: str) -> None:
    n, ci, co, size = p.pick(1, 2, 3), p.pick(2, 3), p.pick(2, 3, 4), p.pick(6, 8, 10)
    kernel = p.pick(2, 3, 3, 5) if kind != "transposed" else p.pick(2, 3)
    stride, dilation = (
        (p.pick(1, 1, 2), p.pick(1, 1, 2)) if kind in ("conv2d", "depthwise") else (p.pick(1, 2), 1)
    )
    depthwise = kind == "depthwise"
    co = ci if depthwise else co
    out_size = size // stride if kind != "transposed" else size * stride
    if kind == "weight_grad":
        _weight_grad(p, k, n, ci, co, size, kernel)
        return
    b, o, y, x = launch(
        k, ["b|n|image", "o|co|ch", "y|oy|row", "x|ox|col"], (n, co, out_size, out_size)
    )
    channels_last = p.chance(0.25)
    src = k.array(
        "input|x_in|images|feature_map",
        pr.inputs,
        (n, size, size, ci) if channels_last else (n, ci, size, size),
        R.uniform(-1.0, 1.0),
    )
    w = weights(
        p,
        k,
        "weight|W|filters|kernel_w",
        pr.stored,
        (co, kernel, kernel) if depthwise else (co, ci, kernel, kernel),
        0.3,
    )
    height = extent(p, k, src, 1 if channels_last else 2, size, "height|in_h|rows")
    width = extent(p, k, src, 2 if channels_last else 3, size, "width|in_w|cols")
    pad = k.scalar("pad|padding", T.I32, kernel // 2) if p.chance(0.4) else None
    step: Operand = (
        k.scalar("stride|step_xy", T.I32, stride) if stride > 1 and p.chance(0.5) else stride
    )
    acc = k.var("acc|sum_|value", 0.0, p.real)
    margin: Operand = kernel // 2 if pad is None else pad

    def read(c: Expr, yy: Expr, xx: Expr) -> Expr:
        return pr.read(src[b, yy, xx, c] if channels_last else src[b, c, yy, xx])

    def tap(c: Expr, ky: Expr, kx: Expr) -> None:
        yy, xx, ok = _source(
            p, k, kind, y, x, ky, kx, step, stride, dilation, margin, height, width
        )
        entry = w[o, ky, kx] if depthwise else w[o, c, ky, kx]
        if p.chance(0.5):
            with k.when(negate(ok)):
                k.cont()
            k.aug(acc, "+", pr.read(entry) * read(c, yy, xx))
        else:
            with k.when(ok):
                k.aug(acc, "+", pr.read(entry) * read(c, yy, xx))

    order = p.pick("channel_first", "taps_first") if not depthwise else "taps_first"
    taps: Operand = (
        kernel
        if p.chance(0.5)
        else extent(p, k, w, 1 if depthwise else 2, kernel, "kernel_size|ksize|taps")
    )
    if depthwise:
        with k.loop("ky|dy|r", taps) as ky, k.loop("kx|dx|s", taps) as kx:
            tap(o, ky, kx)
    elif order == "channel_first":
        with (
            k.loop("c|ci|ic", extent(p, k, w, 1, ci, "in_channels|channels_in")) as c,
            k.loop("ky|dy|r", taps) as ky,
            k.loop("kx|dx|s", taps) as kx,
        ):
            tap(c, ky, kx)
    else:
        with (
            k.loop("ky|dy|r", taps) as ky,
            k.loop("kx|dx|s", taps) as kx,
            k.loop("c|ci|ic", ci) as c,
        ):
            tap(c, ky, kx)
    if p.chance(0.6):
        k.aug(acc, "+", weights(p, k, "bias|b_out|biases", p.real, (co,), 0.1)[o])
    k.set(
        k.out("output|y|feature_out|out", p.real, (n, co, out_size, out_size))[b, o, y, x],
        activate(p, k, acc),
    )


def _source(
    p: ProgramBuilder, k: KernelBuilder, kind: str, y: Expr, x: Expr, ky: Expr, kx: Expr, step: Operand, stride: int,
    dilation: int, margin: Operand, height: Operand, width: Operand,
) -> tuple[Expr, Expr, Expr]:  # fmt: skip
    """Input position of a tap, and whether it exists."""
    if kind == "transposed":
        ty, tx = k.let("ty|num_y|py", y + margin - ky), k.let("tx|num_x|px", x + margin - kx)
        one = isinstance(step, int) and step == 1
        yy, xx = (ty, tx) if one else (k.let("iy|yy|sy", ty // step), k.let("ix|xx|sx", tx // step))
        whole = [ty >= 0, tx >= 0] + (
            [ty % step == 0, tx % step == 0] if stride > 1 or not isinstance(step, int) else []
        )
        return yy, xx, all_of(*whole, yy < height, xx < width)
    if kind == "input_grad":
        by, bx = (y, x) if isinstance(step, int) and step == 1 else (y * step, x * step)
        yy, xx = k.let("iy|yy|sy", by + margin - ky), k.let("ix|xx|sx", bx + margin - kx)
    else:
        oy, ox = (ky * dilation, kx * dilation) if dilation > 1 else (ky, kx)
        margin_d = margin * dilation if dilation > 1 else margin
        by, bx = (y * step, x * step) if stride > 1 or not isinstance(step, int) else (y, x)
        yy, xx = k.let("iy|yy|sy", by + oy - margin_d), k.let("ix|xx|sx", bx + ox - margin_d)
    return yy, xx, _inside(p, yy, xx, height, width)


def _weight_grad(
    p: ProgramBuilder, k: KernelBuilder, n: int, ci: int, co: int, size: int, kernel: int
) -> None:
    o, c, ky, kx = launch(k, ["o|co", "c|ci", "ky|dy", "kx|dx"], (co, ci, kernel, kernel))
    src = k.array("input|x_in|saved_input", p.real, (n, ci, size, size), R.uniform(-1.0, 1.0))
    grad = k.array("grad_output|dy_in|upstream", p.real, (n, co, size, size), R.uniform(-1.0, 1.0))
    acc = k.var("acc|dw|sum_", 0.0, p.real)
    side = extent(p, k, src, 2, size, "height|rows|size")
    with (
        k.loop("b|n|image", extent(p, k, src, 0, n, "batch|num_images")) as b,
        k.loop("y|row", side) as y,
        k.loop("x|col", side) as x,
    ):
        yy, xx = k.let("yy|iy", y + ky - kernel // 2), k.let("xx|ix", x + kx - kernel // 2)
        with k.when(_inside(p, yy, xx, side, side)):
            k.aug(acc, "+", grad[b, o, y, x] * src[b, c, yy, xx])
    w = (
        k.array("weight|W|filters", p.real, (co, ci, kernel, kernel), R.normal(0.0, 0.3), "in")
        if p.chance(0.5)
        else None
    )
    value = (
        acc if w is None else acc + k.param("weight_decay|l2|decay", 1e-4, 1e-2) * w[o, c, ky, kx]
    )
    k.set(
        k.out("grad_weight|dW|weight_grad", p.real, (co, ci, kernel, kernel))[o, c, ky, kx],
        value / float(n) if n > 1 and p.chance(0.5) else value,
    )


def _conv1d(p: ProgramBuilder, k: KernelBuilder, pr: Precision) -> None:
    n, ci, co, size, kernel = (
        p.pick(2, 3),
        p.pick(2, 3, 4),
        p.pick(2, 4, 6),
        p.pick(16, 20, 24),
        p.pick(3, 4, 5),
    )
    b, o, t = launch(k, ["b|n|sample", "o|co|channel", "t|pos|i"], (n, co, size))
    src = k.array("input|signal|x_in", pr.inputs, (n, ci, size), R.uniform(-1.0, 1.0))
    w = weights(p, k, "weight|W|taps|filters", pr.stored, (co, ci, kernel), 0.3)
    causal, dilation = p.chance(0.5), p.pick(1, 1, 2, 3)
    acc = k.var(
        "acc|sum_|value",
        weights(p, k, "bias|b_out", p.real, (co,), 0.1)[o] if p.chance(0.5) else 0.0,
        p.real,
    )
    d: Operand = (
        k.scalar("dilation|rate|hop", T.I32, dilation)
        if dilation > 1 and p.chance(0.6)
        else dilation
    )
    wrap = not causal and p.chance(0.3)
    with (
        k.loop("c|ci|ic", extent(p, k, src, 1, ci, "in_channels|channels")) as c,
        k.loop("j|tap|s", extent(p, k, w, 2, kernel, "kernel_size|ksize|taps")) as j,
    ):
        shift = j * d if dilation > 1 else j
        if causal:
            at = k.let("at|ti|src_t", t - shift)
            with k.when(at < 0):
                k.brk() if p.chance(0.5) else k.cont()
        elif wrap:
            at = k.let("at|ti|src_t", (t + shift + size) % src.dim(2))
        else:
            at = k.let("at|ti|src_t", t + shift - (kernel // 2) * dilation)
            with k.when(any_of(at < 0, at >= src.dim(2))):
                k.cont()
        k.aug(acc, "+", pr.read(w[o, c, j]) * pr.read(src[b, c, at]))
    value = activate(p, k, acc)
    if p.chance(0.3):
        value = (
            value + k.array("residual|skip", p.real, (n, co, size), R.uniform(-1.0, 1.0))[b, o, t]
        )
    k.set(k.out("output|y|out", p.real, (n, co, size))[b, o, t], value)
