"""Signal processing with the block FFT: forms of the spectral intent."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tla_spectral_rows import (
    Rows,
    bin_scaling,
    complex_product,
    phase_rotation,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Z = T.VEC2


def wiener(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z, h = (
        r.load("blurred|signal|observed", "z|obs|sig"),
        r.load("psf|kernel_rows|response", "h|resp|psf_t"),
    )
    r.fft(z)
    r.fft(h)
    noise = p.pick(0.01, 0.05, 0.2)

    def body(b: Any, a: Expr, g: Expr) -> None:
        power = b.let("power|h2|gain", wp.dot(g, g) if p.chance(0.5) else g.x * g.x + g.y * g.y)
        b.ret((a * g.x + construct(Z, a.y, -a.x) * g.y) / (power + noise))

    y = k.let(
        "y|restored|est",
        t.map(p.func("wiener|wiener_gain|regularised_inverse", {"z|a": Z, "h|g": Z}, body), z, h),
    )
    r.ifft(y)
    r.store("restored_out|deblurred|estimate", r.scaled(y))


def delay(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("channels|signals|rows_in", "z|sig|ch")
    r.fft(z)
    lag = k.array("delays|shifts|lags", T.F32, (r.blocks,), R.uniform(-3.0, 3.0))[r.i]
    angle = r.bins() * -(k.let("tau|shift|lag", lag) if p.chance(0.6) else lag)
    y = k.let("y|shifted|aligned", t.map(phase_rotation(p), z, angle))
    if p.chance(0.4):
        t.atomic(k.out("beam_spectrum|stacked|summed", Z, (r.m.value, r.n.value)), y, [0, 0])
    r.ifft(y)
    r.store("aligned_out|delayed|shifted_out", r.scaled(y))


def envelope(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("signals|traces|rows_in", "z|sig|trace")
    r.fft(z)
    n = r.n.value

    def side(b: Any, i: Expr) -> None:
        with b.when(i == 0):
            b.ret(construct(T.F32, 1.0))
        with b.when(i < n // 2 if p.chance(0.5) else i <= n // 2 - 1):
            b.ret(construct(T.F32, 2.0))
        b.ret(construct(T.F32, 0.0))

    weight = r.bins(p.func("one_sided|analytic_weight|hilbert_gain", {"i|bin_id": T.I32}, side))
    y = k.let(
        "y|analytic|az",
        t.map(bin_scaling(p, "keep_bin|weigh|gate_mode", lambda b, f: f), z, weight),
    )
    r.ifft(y)
    if p.chance(0.35):
        r.store("analytic_out|iq|quadrature", r.scaled(y))
        return
    a = k.let("a|scaled|az_n", r.scaled(y))
    what = p.pick("amplitude", "phase", "power")
    f = {
        "amplitude": lambda b, u: b.ret(wp.length(u)),
        "phase": lambda b, u: b.ret(wp.atan2(u.y, u.x)),
        "power": lambda b, u: b.ret(wp.dot(u, u)),
    }[what]
    r.store(
        "envelope|amplitude|phase_out|trace_power",
        t.map(p.func(f"{what}_of|inst_{what}", {"u|z": Z}, f), a),
    )


def correlate(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    a = r.load("reference|channel_a|rows_a", "a|za|ref")
    r.fft(a)
    auto = p.chance(0.3)
    b = a if auto else r.load("moving|channel_b|rows_b", "b|zb|mov")
    if not auto:
        r.fft(b)
    c = k.let("c|cross|spec", t.map(complex_product(p, True), a, b))
    if p.chance(0.5) and not auto:
        white = p.func(
            "whiten_phase|phat|unit_phase",
            {"z|u": Z},
            lambda q, u: q.ret(u / wp.max(wp.length(u), 1.0e-6)),
        )
        c = k.let("phat_c|white|phase_only", t.map(white, c))
    if p.chance(0.3):
        r.store("cross_spectra|spectrum_out|csd", c)
    r.ifft(c)
    real = k.let(
        "corr|xcorr|r_tile",
        t.map(p.func("real_part|take_real", {"z|u": Z}, lambda q, u: q.ret(u.x)), r.scaled(c)),
    )
    r.store("correlation|xcorr_out|lags_out", real)
    if r.m.value == 1 and p.chance(0.6):
        best = k.let("best|peak|lag", t.index_of("tile_argmax", real)[0])
        half = r.n.value // 2
        k.set(
            k.out("best_lag|shifts|delays_out", T.I32, (r.blocks,))[r.i],
            wp.where(best < half, best, best - r.n.expr),
        )


def windowed(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    n, kind = r.n.value, p.pick("hann", "hamming", "blackman", "sine")
    step = round(6.2831853 / n, 7)

    def window(b: Any, i: Expr) -> None:
        phase = b.let("phase|x|arg", step * construct(T.F32, i))
        if kind == "hann":
            b.ret(0.5 - 0.5 * wp.cos(phase))
        elif kind == "hamming":
            b.ret(0.54 - 0.46 * wp.cos(phase))
        elif kind == "blackman":
            b.ret(0.42 - 0.5 * wp.cos(phase) + 0.08 * wp.cos(2.0 * phase))
        else:
            b.ret(wp.sin(0.5 * phase))

    w = k.let(
        "w|win|taper_tile", r.bins(p.func(f"{kind}_window|taper|window", {"i|j": T.I32}, window))
    )
    z = r.load("frames|samples|segments", "z|frame|seg")
    y = k.let(
        "y|tapered|framed",
        t.map(bin_scaling(p, "apply_taper|weigh_sample|taper_sample", lambda b, f: f), z, w),
    )
    r.fft(y)
    decibel = p.chance(0.4)
    power = p.func(
        "power_db|log_power" if decibel else "power_of|magnitude_sq",
        {"z|u": Z},
        lambda b, u: b.ret(
            10.0 * wp.log10(wp.max(wp.dot(u, u), 1.0e-9)) if decibel else wp.dot(u, u)
        ),
    )
    s = k.let("s|psd|power", t.map(power, y))
    if p.chance(0.45) and not decibel:
        mean = t.total("tile_sum", s, 0) * round(1.0 / r.rows, 6)
        t.atomic(k.out("mean_psd|welch|averaged", T.F32, (n,)), mean)
    else:
        r.store("spectrogram|psd_out|power_out", s)


def threshold(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("noisy|traces|rows_in", "z|sig|obs")
    r.fft(z)
    limit, soft = p.pick(0.5, 1.0, 2.0), p.chance(0.5)

    def body(b: Any, u: Expr) -> None:
        size = b.let("size|mag|a", wp.length(u))
        if soft:
            b.ret(u * (wp.max(size - limit, 0.0) / wp.max(size, 1.0e-6)))
        else:
            b.ret(wp.where(size > limit, u, u * 0.0))

    y = k.let("y|kept|denoised", t.map(p.func("shrink_mode|soft_gate|gate", {"z|u": Z}, body), z))
    r.ifft(y)
    r.store("clean|denoised_out|restored", r.scaled(y))
