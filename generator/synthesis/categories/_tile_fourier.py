"""Transforms of rows in the spectral domain: an intent of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def fourier(p: ProgramBuilder) -> None:
    """FFTs of rows: spectra, filters and derivatives in the spectral domain."""
    p.real = T.F32
    kind = p.pick("spectrum", "filter", "derivative", "convolve", "roundtrip")
    names = {
        "spectrum": "power_spectrum|fft_rows|row_spectra",
        "filter": "spectral_filter|low_pass_rows|band_filter",
        "derivative": "spectral_derivative|fft_gradient",
        "convolve": "fft_convolve|circular_convolution|cross_correlate",
        "roundtrip": "fft_inverse_rows|apply_inverse_fft|smooth_spectrum",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Complex rows as vec2; one transform per block.",
            "Row transforms with the block FFT.",
            "Spectral work on one row per block.",
        ),
    )
    t = Tiling(p, k)
    n = t.dim("n|fft_size|length|num_bins", p.pick(8, 16, 32, 64))
    one, count = t.literal(1), p.pick(6, 8, 12)
    i = t.launch(["i|row|line|signal"], (count,))[0]
    # Without libmathdx a transform's length must be a multiple of the block's threads.
    k.block_dim = p.pick(*(d for d in (8, 16, 32, 64) if d <= n.value))
    x_all = k.array("signal|x|rows|samples", T.VEC2, (count, n.value), R.uniform(-1.0, 1.0))
    x = k.let("z|x_tile|spec", t.load(x_all, [one, n], [i, 0], False))
    x = _prepare(p, k, t, x, n, one)
    k.do(tile("tile_fft" if kind != "roundtrip" else "tile_ifft", T.VOID, x))
    k.options["enable_backward"] = False
    if kind == "spectrum":

        def body(b: Any, z: Expr) -> None:
            if p.chance(0.5):
                b.ret(wp.dot(z, z) if p.chance(0.6) else wp.length(z))
            else:
                b.ret(wp.log(1.0 + z.x * z.x + z.y * z.y))

        power = p.func("power_of|magnitude|log_power", {"z|c": T.VEC2}, body)
        t.store(k.out("power|spectra|magnitudes", T.F32, (count, n.value)), t.map(power, x), [i, 0])
        if p.chance(0.4):
            t.atomic(k.out("total_power|energy", T.F32, (1,)), t.total("tile_sum", t.map(power, x)))
        return
    if kind in ("filter", "derivative", "convolve"):
        x = _spectral_step(p, k, t, kind, x, n, one)
        y = k.let("y|filtered|spec_out", x)
        k.do(tile("tile_ifft", T.VOID, y))
        x = y
    scale = 1.0 / n.value
    value = (
        x * scale
        if p.chance(0.5)
        else x / construct(T.F32, n.expr)
        if p.chance(0.5)
        else x * (1.0 / construct(T.F32, n.expr))
    )
    t.store(k.out("out|result|y_out", T.VEC2, (count, n.value)), value, [i, 0])


def _prepare(p: ProgramBuilder, k: KernelBuilder, t: Tiling, x: Expr, n: Dim, one: Dim) -> Expr:
    """Gain, removal of the mean, or a taper before the transform."""
    for what in p.sample(["gain", "demean", "taper", "shift"], 0, 2):
        match what:
            case "gain":
                x = k.let(
                    "scaled|amplified|xg", x * k.param("gain|amplitude|calibration", 0.3, 2.0)
                )
            case "demean":
                mean = k.let("mean|offset|dc", t.total("tile_sum", x)[0] * (1.0 / n.value))
                x = k.let("centred|detrended|xc", x - t.full([one, n], mean, T.VEC2))
            case "taper":
                w = k.let(
                    "w|window_tile|taper_tile",
                    t.load(
                        k.array(
                            "window|taper|apodization", T.F32, (1, n.value), R.uniform(0.1, 1.0)
                        ),
                        [one, n],
                        [0, 0],
                    ),
                )
                f = _complex_function(
                    p,
                    "apply_window|windowed|taper",
                    {"z|c": T.VEC2, "w|g": T.F32},
                    lambda b, z, g: b.ret(z * g),
                )
                x = k.let("tapered|windowed_tile|xw", t.map(f, x, w))
            case _:
                x = k.let(
                    "shifted|residual|xd",
                    x
                    - t.load(
                        k.array(
                            "background|reference|dark", T.VEC2, (1, n.value), R.uniform(-0.2, 0.2)
                        ),
                        [one, n],
                        [0, 0],
                    ),
                )
    return x


def _complex_function(
    p: ProgramBuilder, hint: str, params: dict[str, T.Type], body: Any
) -> UserFunction:
    """A function of complex values; the block FFT wants its result type spelt out."""
    made = p.func(hint, params, body)
    p.functions[-1].annotated = True
    return made


def _frequencies(p: ProgramBuilder, k: KernelBuilder, t: Tiling, n: Dim, one: Dim) -> Expr:
    """Signed wave numbers of the bins, as a row."""
    half = n.value // 2

    def body(b: Any, i: Expr) -> None:
        if p.chance(0.5):
            b.ret(wp.where(i <= half, construct(T.F32, i), construct(T.F32, i - n.value)))
            return
        with b.when(i > half):
            b.ret(construct(T.F32, i - n.value))
        b.ret(construct(T.F32, i))

    freq = p.func("wave_number|signed_frequency|bin_frequency", {"i|k|bin_": T.I32}, body)
    bins = tile("tile_arange", T.Tile(T.I32, (n.value,)), 0, n.expr, 1, dtype=T.I32)
    return k.let("bins|freqs|ks", t.broadcast(t.map(freq, bins), [one, n]))


def _convolve(p: ProgramBuilder, k: KernelBuilder, t: Tiling, x: Expr, n: Dim, one: Dim) -> Expr:
    taps = k.array("taps|kernel_rows|templates", T.VEC2, (1, n.value), R.uniform(-1.0, 1.0))
    h = k.let("h|kernel_tile|other", t.load(taps, [one, n], [0, 0], False))
    k.do(tile("tile_fft", T.VOID, h))
    conjugate = p.chance(0.4)

    def multiply(b: Any, a: Expr, c: Expr) -> None:
        if conjugate:
            b.ret(construct(T.VEC2, a.x * c.x + a.y * c.y, a.y * c.x - a.x * c.y))
        else:
            b.ret(construct(T.VEC2, a.x * c.x - a.y * c.y, a.y * c.x + a.x * c.y))

    hint = "multiply_conjugate|cmul_conj|correlate" if conjugate else "complex_mul|cmul"
    return t.map(_complex_function(p, hint, {"a|u": T.VEC2, "b|v": T.VEC2}, multiply), x, h)


def _spectral_step(
    p: ProgramBuilder, k: KernelBuilder, t: Tiling, kind: str, x: Expr, n: Dim, one: Dim
) -> Expr:
    if kind == "convolve":
        return _convolve(p, k, t, x, n, one)
    flat = _frequencies(p, k, t, n, one)
    form, cut = p.pick("hard", "gauss", "butter"), p.pick(2.0, 3.0, 4.0)
    second = p.chance(0.35)

    def differentiate(b: Any, a: Expr, f: Expr) -> None:
        w = b.let("w|omega", f * 6.2831853)
        b.ret(a * (-w * w) if second else construct(T.VEC2, -w * a.y, w * a.x))

    def attenuate(b: Any, a: Expr, f: Expr) -> None:
        if form == "hard":
            b.ret(wp.where(wp.abs(f) <= cut, a, a * 0.0))
        elif form == "gauss":
            b.ret(a * wp.exp(-0.5 * f * f / (cut * cut)))
        else:
            q = b.let("q|ratio", f / cut)
            b.ret(a / (1.0 + q * q * q * q))

    body = differentiate if kind == "derivative" else attenuate
    hint = (
        "differentiate|times_ik|spectral_diff"
        if kind == "derivative"
        else f"attenuate|low_pass|{form}_window"
    )
    return t.map(_complex_function(p, hint, {"z|a": T.VEC2, "f|freq|kx": T.F32}, body), x, flat)
