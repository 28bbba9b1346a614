"""Pooling and resampling: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import extent, launch
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def pooling(p: ProgramBuilder) -> None:
    """Max, average, adaptive, global and learned pooling, with indices or gradients; upsampling."""
    kind = p.weighted({"max": 4, "avg": 3, "global": 1.5, "lp": 1, "unpool": 1.2, "upsample": 2})
    k = p.kernel_builder(
        f"{kind}_pool2d|{kind}_pooling|pool_{kind}"
        if kind not in ("unpool", "upsample")
        else f"{kind}2d|{kind}_forward|max_{kind}"
        if kind == "unpool"
        else "upsample2d|bilinear_upsample|resize_features",
        p.pick(
            "Pooling over windows.",
            "Reduces each window to one value.",
            "Spatial resampling of feature maps.",
        ),
    )
    n, c, size = p.pick(1, 2, 3), p.pick(2, 3, 4), p.pick(8, 10, 12)
    if kind == "global":
        _global_pool(p, k, n, c, size)
        return
    if kind == "upsample":
        _upsample(p, k, n, c, size // 2)
        return
    window, stride = p.pick((2, 2), (3, 2), (3, 1), (2, 1))
    out = (size - window) // stride + 1
    b, ch, y, x = launch(k, ["b|n|image", "c|ch|channel", "y|oy|row", "x|ox|col"], (n, c, out, out))
    if kind == "unpool":
        grad = k.array("grad_out|upstream|dy", p.real, (n, c, out, out), R.uniform(-1.0, 1.0))
        where = k.let(
            "at|index|arg",
            k.array(
                "indices|argmax|switches", T.I32, (n, c, out, out), R.integers(-1, size * size)
            )[b, ch, y, x],
        )
        with k.when(where < 0):
            k.ret()
        dx = k.out("grad_in|dx|unpooled", p.real, (n, c, size, size))
        wd: Operand = k.scalar("width|in_w", T.I32, size) if p.chance(0.6) else size
        k.do(wp.atomic_add(dx, b, ch, where // wd, where % wd, grad[b, ch, y, x]))
        return
    src = k.array("input|x_in|feature_map", p.real, (n, c, size, size), R.uniform(-1.0, 1.0))
    win: Operand = k.scalar("window|kernel_size|ksize", T.I32, window) if p.chance(0.5) else window
    st: Operand = k.scalar("stride|hop", T.I32, stride) if p.chance(0.4) else stride
    acc = k.var("best|value|acc", -1.0e6 if kind == "max" else 0.0, p.real)
    arg = k.var("arg|best_idx|where_max", -1, T.I32) if kind == "max" and p.chance(0.6) else None
    count = k.var("count|num|valid", 0, T.I32) if kind == "avg" and p.chance(0.4) else None
    padded = p.chance(0.35)
    with k.loop("dy|ky|r", win) as dy, k.loop("dx|kx|s", win) as dx:
        yy, xx = (
            k.let("yy|iy", y * st + dy - 1 if padded else y * st + dy),
            k.let("xx|ix", x * st + dx - 1 if padded else x * st + dx),
        )
        if padded:
            with k.when(any_of(yy < 0, xx < 0)):
                k.cont()
        v = k.let("v|value_in|pix", src[b, ch, yy, xx])
        if kind == "max":
            if arg is None:
                k.set(acc, wp.max(acc, v))
            else:
                with k.when(v > acc):
                    k.set(acc, v)
                    k.set(arg, yy * size + xx if p.chance(0.5) else yy * src.dim(3) + xx)
        elif kind == "lp":
            k.aug(acc, "+", v * v)
        else:
            k.aug(acc, "+", v)
            if count is not None:
                k.aug(count, "+", 1)
    if kind == "avg":
        acc = (
            acc / construct(p.real, wp.max(count, 1))
            if count is not None
            else acc
            / (construct(p.real, win * win) if isinstance(win, Expr) else float(window * window))
        )
    elif kind == "lp":
        acc = wp.sqrt(acc)
    k.set(k.out("output|pooled|y_out", p.real, (n, c, out, out))[b, ch, y, x], acc)
    if arg is not None:
        k.set(k.out("indices|argmax|switches", T.I32, (n, c, out, out))[b, ch, y, x], arg)


def _global_pool(p: ProgramBuilder, k: KernelBuilder, n: int, c: int, size: int) -> None:
    b, ch = launch(k, ["b|n|image", "c|ch|channel"], (n, c))
    src = k.array("input|x_in|feature_map", p.real, (n, c, size, size), R.uniform(-1.0, 1.0))
    mask = (
        k.array("mask|valid_map|weights_map", p.real, (n, size, size), R.uniform(0.0, 1.0))
        if p.chance(0.4)
        else None
    )
    total, peak = (
        k.var("total|acc|sum_", 0.0, p.real),
        k.var("peak|top|best", -1.0e6, p.real) if p.chance(0.4) else None,
    )
    norm = k.var("norm|w_sum|mass", 0.0, p.real) if mask is not None else None
    with (
        k.loop("y|row|r", extent(p, k, src, 2, size, "height|rows")) as y,
        k.loop("x|col|s", extent(p, k, src, 3, size, "width|cols")) as x,
    ):
        v = k.let("v|pix|act", src[b, ch, y, x])
        if mask is not None and norm is not None:
            k.aug(total, "+", v * mask[b, y, x])
            k.aug(norm, "+", mask[b, y, x])
        else:
            k.aug(total, "+", v)
        if peak is not None:
            k.set(peak, wp.max(peak, v))
    mean = total / (wp.max(norm, 1.0e-6) if norm is not None else float(size * size))
    k.set(k.out("pooled|means|descriptor", p.real, (n, c))[b, ch], mean)
    if peak is not None:
        k.set(k.out("peaks|maxima|top_out", p.real, (n, c))[b, ch], peak)


def _upsample(p: ProgramBuilder, k: KernelBuilder, n: int, c: int, size: int) -> None:
    factor = p.pick(2, 2, 3)
    b, ch, y, x = launch(
        k,
        ["b|n|image", "c|ch|channel", "y|oy|row", "x|ox|col"],
        (n, c, size * factor, size * factor),
    )
    src = k.array("input|x_in|low_res", p.real, (n, c, size, size), R.uniform(-1.0, 1.0))
    out = k.out("output|high_res|resized", p.real, (n, c, size * factor, size * factor))
    if p.chance(0.35):
        k.set(out[b, ch, y, x], src[b, ch, y // factor, x // factor])
        return
    limit = extent(p, k, src, 2, size, "in_size|height|low_h")

    def body(blk: Block, i: Expr, m: Expr) -> Expr:
        return wp.clamp(
            (construct(p.real, i) + 0.5) / float(factor) - 0.5,
            construct(p.real, 0.0),
            construct(p.real, m - 1),
        )

    fy = k.let(
        "fy|sy|gy",
        piece(
            p,
            k,
            "source_coordinate|map_coordinate|to_source",
            {
                "i|dst": y,
                "n|size": limit
                if isinstance(limit, Expr)
                else k.let("n_in|low_size", construct(T.I32, limit)),
            },
            body,
            "",
            0.5,
        ),
    )
    fx = k.let(
        "fx|sx|gx",
        wp.clamp(
            (construct(p.real, x) + 0.5) / float(factor) - 0.5,
            construct(p.real, 0.0),
            construct(p.real, size - 1),
        ),
    )
    y0, x0 = k.let("y0|iy", construct(T.I32, fy)), k.let("x0|ix", construct(T.I32, fx))
    y1, x1 = k.let("y1|iy1", wp.min(y0 + 1, limit - 1)), k.let("x1|ix1", wp.min(x0 + 1, size - 1))
    ty, tx = k.let("ty|wy", fy - construct(p.real, y0)), k.let("tx|wx", fx - construct(p.real, x0))
    top = k.let("top|a", wp.lerp(src[b, ch, y0, x0], src[b, ch, y0, x1], tx))
    low = k.let("low|c_low", wp.lerp(src[b, ch, y1, x0], src[b, ch, y1, x1], tx))
    k.set(out[b, ch, y, x], wp.lerp(top, low, ty))
