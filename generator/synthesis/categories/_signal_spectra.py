"""Spectra: single DFT bins, FFT stages, bit reversal, spectrogram frames."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._signals import complex_multiply, decibels, window
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, lift

TWO_PI = 6.283185307


def dft_bin(p: ProgramBuilder) -> None:
    """Goertzel recursions and direct DFT sums, one thread a channel and bin."""
    k = p.kernel_builder(
        "goertzel|dft_bin|single_bin_dft|tone_detector|measure_tones|dft",
        p.pick(
            "Energy of selected frequencies.",
            "One DFT bin per thread.",
            "Detect tones in every channel.",
        ),
    )
    channels, bins, length = p.pick(1, 2, 4, 8), p.pick(4, 8, 12, 16), p.pick(32, 48, 64, 100)
    if channels == 1:
        b = threads(k, ["b|bin|f|kbin"], (bins,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        c, b = threads(k, ["ch|c|channel", "b|bin|f|kbin"], (channels, bins))
        lead = (c,)
    shape = (length,) if channels == 1 else (channels, length)
    x = k.array("x|signal|samples", p.real, shape, R.uniform(-1.0, 1.0))
    size = x.dim(len(lead)) if p.chance(0.6) else k.count("num_samples|length|n_fft", length)
    size = k.let("n|count|size", size)
    w = k.let("w|omega|step", _frequency(p, k, b, bins, size))
    form = p.weighted({"goertzel": 3, "direct": 3, "rotate": 2})
    table = (
        k.array("window|win|taper", p.real, (length,), R.uniform(0.2, 1.0))
        if p.chance(0.3)
        else None
    )
    real, imag = (_goertzel if form == "goertzel" else _direct if form == "direct" else _rotate)(
        p, k, x, lead, size, w, table
    )
    _bin_outputs(p, k, lead, b, (channels, bins), real, imag, size)


def _frequency(p: ProgramBuilder, k: KernelBuilder, b: Expr, bins: int, size: Expr) -> Expr:
    match p.pick("index", "table", "table", "range"):
        case "index":
            return TWO_PI * construct(p.real, b) / construct(p.real, size)
        case "table":
            freqs = k.array("freqs|tones|frequencies", p.real, (bins,), R.uniform(300.0, 1800.0))
            return TWO_PI * freqs[b] / k.param("sample_rate|fs", 8000.0, 16000.0)
    low, spacing = (
        k.param("f_low|f_min|start_freq", 0.01, 0.1),
        k.param("df|bin_width|f_step", 0.005, 0.03),
    )
    return TWO_PI * (low + spacing * construct(p.real, b))


def _sample(x: Expr, lead: tuple[Expr, ...], n: Expr, table: Expr | None) -> Expr:
    value = x[(*lead, n)]
    return value if table is None else value * table[n]


def _goertzel(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Expr,
    lead: tuple[Expr, ...],
    size: Expr,
    w: Expr,
    table: Expr | None,
) -> tuple[Expr, Expr]:
    c = k.let("coeff|c2|two_cos", 2.0 * wp.cos(w))
    s1, s2 = k.var("s1|q1|s_prev", 0.0, p.real), k.var("s2|q2|s_prev2", 0.0, p.real)
    with k.loop("n|t|i", size) as n:
        s0 = k.let("s0|q0|s_new", _sample(x, lead, n, table) + c * s1 - s2)
        k.set(s2, s1)
        k.set(s1, s0)
    return k.let("re|real", s1 - s2 * wp.cos(w)), k.let("im|imag", s2 * wp.sin(w))


def _direct(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Expr,
    lead: tuple[Expr, ...],
    size: Expr,
    w: Expr,
    table: Expr | None,
) -> tuple[Expr, Expr]:
    pair = p.chance(0.4)
    total = k.let("acc|total|z", construct(p.vec(2), 0.0)) if pair else None
    re, im = (
        (None, None)
        if pair
        else (k.var("re|real|acc_re", 0.0, p.real), k.var("im|imag|acc_im", 0.0, p.real))
    )
    with k.loop("n|t|i", size) as n:
        a = k.let("a|phase|arg", w * construct(p.real, n))
        v = _sample(x, lead, n, table)
        if total is not None:
            k.aug(total, "+", construct(p.vec(2), wp.cos(a), -wp.sin(a)) * v)
        else:
            v = k.let("v|xn", v)
            k.aug(re, "+", v * wp.cos(a))  # type: ignore[arg-type]
            k.aug(im, "-", v * wp.sin(a))  # type: ignore[arg-type]
    return (total[0], total[1]) if total is not None else (re, im)  # type: ignore[return-value]


def _rotate(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Expr,
    lead: tuple[Expr, ...],
    size: Expr,
    w: Expr,
    table: Expr | None,
) -> tuple[Expr, Expr]:
    """The phase factor turns by a constant step instead of calling sine and cosine each time."""
    vec = p.vec(2)
    cmul = complex_multiply(p)
    step = k.let("rot|twiddle|turn", construct(vec, wp.cos(w), -wp.sin(w)))
    phasor, total = (
        k.let("ph|phasor|z", construct(vec, 1.0, 0.0)),
        k.let("acc|total|bin_sum", construct(vec, 0.0)),
    )
    with k.loop("n|t|i", size) as n:
        k.aug(total, "+", phasor * _sample(x, lead, n, table))
        k.set(phasor, cmul(phasor, step))
    return total[0], total[1]


def _bin_outputs(
    p: ProgramBuilder,
    k: KernelBuilder,
    lead: tuple[Expr, ...],
    b: Expr,
    shape: tuple[int, int],
    re: Expr,
    im: Expr,
    size: Expr,
) -> None:
    dims, at = (shape, (*lead, b)) if lead else ((shape[1],), (b,))
    what = p.pick("power", "magnitude", "complex", "db", "both")
    if what in ("complex", "both"):
        z = k.out("spectrum|bins|dft_out", p.vec(2), dims)
        k.set(z[at], construct(p.vec(2), re, im))
    if what == "complex":
        return
    power = k.let("power|mag2|energy", re * re + im * im)
    out = k.out("power_out|magnitude|levels|tone_power", p.real, dims)
    if what in ("power", "both"):
        k.set(out[at], power if p.chance(0.5) else power / construct(p.real, size))
    elif what == "magnitude":
        k.set(out[at], 2.0 * wp.sqrt(power) / construct(p.real, size))
    else:
        k.set(out[at], decibels(p, k, power))
    if p.chance(0.4):
        hits = k.out("detected|tone_flags|present", T.I32, dims)
        k.set(
            hits[at], choose(power > k.param("detect_level|threshold|min_power", 1.0, 20.0), 1, 0)
        )


def butterfly(p: ProgramBuilder) -> None:
    """One stage of a radix-2 FFT over many rows, out of place."""
    k = p.kernel_builder(
        "fft_stage|butterfly|radix2_stage|fft_pass",
        p.pick(
            "One radix-2 stage for all rows.",
            "Butterflies of an FFT stage.",
            "Combine half-size transforms.",
        ),
    )
    n, rows, vec = p.pick(32, 64, 128), p.pick(1, 3, 4, 8), p.vec(2)
    stage = p.pick(1, 2, 4, 8, 16)
    if rows == 1:
        t = threads(k, ["t|i|tid|bfly"], (n // 2,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        r, t = threads(k, ["row|b|batch|r", "t|i|bfly"], (rows, n // 2))
        lead = (r,)
    shape = (n,) if rows == 1 else (rows, n)
    src = k.array("src|x|data|z_in", vec, shape, R.uniform(-1.0, 1.0))
    in_place = p.chance(0.3)
    dst = k.out("dst|y|out|z_out", vec, shape) if not in_place else src
    if in_place:
        k.arguments[-1].recipe["role"] = "inout"
        k.arguments[-1].group = 3
    half = k.count("half|half_size|m|span", stage)
    if p.chance(0.35):
        k.launch_dim = (*k.launch_dim[:-1], n // 2 + p.pick(4, 8, 16))
        with k.when(
            t
            >= (
                k.scalar("num_pairs|half_n|pairs", T.I32, n // 2)
                if p.chance(0.6)
                else src.dim(len(shape) - 1) // 2
            )
        ):
            k.ret()
    j = k.let("j|pos|q", t % half)
    top = k.let("top|lo|i0", (t // half) * half * 2 + j if p.chance(0.5) else 2 * t - j)
    bottom = k.let("bot|hi|i1", top + half)
    inverse = p.chance(0.3)
    sign = lift(1.0, p.real) if inverse else lift(-1.0, p.real)
    if p.chance(0.4):
        table = k.array("twiddles|roots|tw", vec, (n // 2,), R.unit_vectors())
        twiddle = k.let(
            "w|tw|root",
            table[j * (lift(n // 2, T.I32) // half)]
            if p.chance(0.5)
            else table[j * (table.dim(0) // half)],
        )
    else:
        a = k.let(
            "angle|a|phi", sign * 3.141592654 * construct(p.real, j) / construct(p.real, half)
        )
        twiddle = k.let("w|tw|root", construct(vec, wp.cos(a), wp.sin(a)))
    u, v = k.let("u|even|a0", src[(*lead, top)]), k.let("v|odd|b0", src[(*lead, bottom)])
    if p.chance(0.5):
        z = k.let("z|wv|turned", complex_multiply(p)(twiddle, v))
    else:
        z = k.let(
            "z|wv|turned",
            construct(
                vec, twiddle[0] * v[0] - twiddle[1] * v[1], twiddle[0] * v[1] + twiddle[1] * v[0]
            ),
        )
    scale = k.param("scale|norm", 0.25, 1.0) if inverse or p.chance(0.2) else None
    if p.chance(0.25):
        power = k.out("energy|power|total_power", p.real, (rows,))
        k.do(wp.atomic_add(power, lead[0] if lead else 0, wp.dot(u, u) + wp.dot(z, z)))
    k.set(dst[(*lead, top)], u + z if scale is None else (u + z) * scale)
    k.set(dst[(*lead, bottom)], u - z if scale is None else (u - z) * scale)


def bit_reversal(p: ProgramBuilder) -> None:
    """Reordering before an FFT: indices with their bits reversed."""
    k = p.kernel_builder(
        "bit_reverse_copy|bit_reversal|reorder_input|shuffle_bits",
        p.pick("Copy samples into bit-reversed order.", "Bit-reversal permutation."),
    )
    bits = p.pick(5, 6, 7)
    n, vec = 1 << bits, p.vec(2)
    rows = p.pick(1, 2, 4)
    if rows == 1:
        i = threads(k, ["i|tid|n"], (n,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        r, i = threads(k, ["row|b|ch", "i|n"], (rows, n))
        lead = (r,)
    dtype = p.pick(vec, vec, p.real)
    src, dst = (
        k.array("src|x|signal", dtype, (n,) if rows == 1 else (rows, n), R.uniform(-1.0, 1.0)),
        k.out("dst|reordered|y", dtype, (n,) if rows == 1 else (rows, n)),
    )
    log_n = k.count("log2_n|num_bits|bits", bits)
    word = p.pick(T.I32, T.U32)
    helper = p.chance(0.5)

    def reverse(b: object, start: Expr, count: Expr) -> Expr:
        v = b.var("v|value|rest", cast(word, start) if word != T.I32 else construct(T.I32, start))  # type: ignore[attr-defined]
        out = b.var("rev|out|r", 0) if word == T.I32 else b.var("rev|out|r", lift(0, T.U32))  # type: ignore[attr-defined]
        one = lift(1, word)
        with b.loop("s|_b|bit", count):  # type: ignore[attr-defined]
            b.set(out, (out << one) | (v & one))  # type: ignore[attr-defined]
            b.set(v, v >> one)  # type: ignore[attr-defined]
        return out

    if helper:

        def body(b: object, start: Expr, count: Expr) -> None:
            out = reverse(b, start, count)
            b.ret(out if word == T.I32 else cast(T.I32, out))  # type: ignore[attr-defined]

        j = k.let(
            "j|rev|target",
            p.func(
                "reverse_bits|bit_reverse|rev_index",
                {"i|index": T.I32, "bits|count": T.I32},
                body,
                "Index with its lowest bits in reverse order.",
            )(i, log_n),
        )
    else:
        out = reverse(k, i, log_n)
        j = out if word == T.I32 else k.let("j|target", cast(T.I32, out))
    value = src[(*lead, i)] if p.chance(0.6) else src[(*lead, j)]
    k.set(dst[(*lead, j if value.index[-1] is i else i)], value)  # type: ignore[attr-defined]


def spectrogram(p: ProgramBuilder) -> None:
    """Power of one frequency in one frame: a short-time Fourier transform by direct sums."""
    k = p.kernel_builder(
        "spectrogram|stft_power|short_time_spectrum|stft_magnitude|mel_energy",
        p.pick(
            "Short-time spectrum by direct summation.", "Power of one bin in one frame per thread."
        ),
    )
    frames, size, hop = p.pick(6, 8, 10, 12), p.pick(16, 32), p.pick(4, 8, 16)
    bins, total = size // 2 + 1, hop * (frames - 1) + size
    channels = p.pick(None, None, 2, 3)
    shape = (total,) if channels is None else (channels, total)
    if channels is None:
        f, b = threads(k, ["frame|f|t", "b|bin|kf"], (frames, bins))
        lead: tuple[Expr, ...] = ()
    else:
        c, f, b = threads(k, ["ch|c|clip", "frame|f|t", "b|bin|kf"], (channels, frames, bins))
        lead = (c,)
    x = k.array("signal|x|audio", p.real, shape, R.uniform(-1.0, 1.0))
    out_shape = (frames, bins) if channels is None else (channels, frames, bins)
    out = k.out("spec|power|spectrum|stft_out", p.real, out_shape)
    step, n_fft = (
        k.count("hop|hop_length|stride", hop),
        k.count("n_fft|frame_size|win_length", size),
    )
    start = k.let("start|offset|base", f * step)
    table = k.array("window|win", p.real, (size,), R.uniform(0.0, 1.0)) if p.chance(0.5) else None
    w = k.let("w|omega", TWO_PI * construct(p.real, b) / construct(p.real, n_fft))
    re, im = k.var("re|real", 0.0, p.real), k.var("im|imag", 0.0, p.real)
    with k.loop("n|i|s", n_fft) as n:
        v = k.let(
            "v|sample|xw",
            x[(*lead, start + n)] * (table[n] if table is not None else window(p, k, n, n_fft)),
        )
        a = k.let("a|phase", w * construct(p.real, n))
        k.aug(re, "+", v * wp.cos(a))
        k.aug(im, "-", v * wp.sin(a))
    power = k.let("pw|power_n|mag2", re * re + im * im)
    at = (*lead, f, b)
    match p.pick("power", "db", "log", "magnitude"):
        case "power":
            k.set(out[at], power)
        case "db":
            k.set(
                out[at],
                wp.max(decibels(p, k, power), k.quantity("floor_db|min_db", p.real, -80.0))
                if p.chance(0.5)
                else decibels(p, k, power),
            )
        case "log":
            k.set(out[at], wp.log(1.0 + k.param("log_gain|compression", 1.0, 100.0) * power))
        case "magnitude":
            k.set(out[at], wp.sqrt(power))
    if p.chance(0.4):
        bands = p.pick(4, 6)
        energy = k.out(
            "band_energy|frame_energy|mel_bands",
            p.real,
            (frames, bands) if channels is None else (channels, frames, bands),
        )
        k.do(
            wp.atomic_add(
                energy,
                *lead,
                f,
                wp.min(b * bands // bins, bands - 1) if p.chance(0.5) else b % bands,
                power,
            )
        )
