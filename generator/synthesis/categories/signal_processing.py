"""Signal processing over channels and time: filters, spectra, envelopes, arrays of sensors."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._signal_arrays import (
    autocorrelation,
    beamform,
    peaks,
    spectral_features,
)
from generator.synthesis.categories._signal_chains import (
    channel_strip,
    levinson,
    phase_lock,
    pitch_track,
)
from generator.synthesis.categories._signal_filters import (
    adaptive,
    biquads,
    delay_effects,
    dynamics,
)
from generator.synthesis.categories._signal_spectra import (
    bit_reversal,
    butterfly,
    dft_bin,
    spectrogram,
)
from generator.synthesis.categories._signals import Signals, window
from generator.synthesis.idioms import blend, piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, lift


@category("signal_processing", version=1, title="Signal processing")
def write(p: ProgramBuilder) -> None:
    """Digital signal processing on multichannel arrays: convolution and windows, resampling and fractional delay,
    biquad cascades, envelopes and compressors, adaptive filters, delay effects, DFT bins, FFT stages and spectrograms,
    autocorrelation, peak picking, beamforming, sample format conversion."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _convolve: 3.2,
            _windowed: 1.2,
            _resample: 2.6,
            _mix: 1.4,
            _convert: 1.0,
            _synthesise: 1.4,
            _smooth: 1.4,
            biquads: 3.0,
            dynamics: 2.6,
            adaptive: 1.5,
            delay_effects: 1.6,
            dft_bin: 2.5,
            butterfly: 1.2,
            bit_reversal: 0.5,
            spectrogram: 1.8,
            autocorrelation: 2.2,
            peaks: 1.8,
            beamform: 3.0,
            spectral_features: 1.8,
            channel_strip: 5.0,
            pitch_track: 3.0,
            levinson: 1.4,
            phase_lock: 1.6,
        }
    )(p)


def _convolve(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "fir_filter|convolve|apply_fir|fir_decimate|correlate_taps|filter_channels",
        p.pick(
            "FIR filter of every channel.",
            "Direct-form convolution with a tap array.",
            "Convolve signals with a short kernel.",
        ),
    )
    decimate = p.pick(1, 1, 1, 2, 4)
    taps = p.pick(5, 8, 15, 16, 21, 31)
    length = p.pick(64, 96, 128, 256)
    s = Signals(p, k, length=length, threads_along=length // decimate)
    x = s.signal("x|signal|input|samples")
    y = s.out("y|filtered|output|out", length=length // decimate if decimate > 1 else None)
    s._known = x
    s.mute_exit((s.at(y), 0.0))
    per_channel = not s.mono and p.chance(0.25)
    h = k.array(
        "taps|h|coeffs|kernel_taps|fir",
        p.real,
        (s.channels, taps) if per_channel else (taps,),
        R.uniform(-0.3, 0.3),
    )
    size = (
        h.dim(1 if per_channel else 0) if p.chance(0.6) else k.count("num_taps|n_taps|order", taps)
    )
    start = s.n
    if decimate > 1:
        start = k.let("n0|base|t0", s.n * k.count("decimation|factor|stride", decimate))
    centred = p.chance(0.35)
    if centred:
        start = k.let("origin|last|n_c", start + size // 2)
    acc = k.var("acc|total|y_n|out_value", 0.0, p.real)

    def tap(j: Expr) -> Expr:
        return h[s.c, j] if per_channel else h[j]

    if p.chance(0.25):
        limit = wp.min(size, start + 1)
        with k.loop("j|k|tap|m", limit) as j:
            m = start - j
            k.aug(
                acc,
                "+",
                tap(j) * (s.at(x, m) if not centred else s.at(x, wp.min(m, s.samples() - 1))),
            )
    else:
        with k.loop("j|k|tap|m", size) as j:
            m = k.let(
                "idx|src|pos|q", start - j if p.chance(0.7) or centred else start + j - size + 1
            )
            s.guarded(x, m, acc, tap(j))
    gain = s.setting("gain|scale|norm", 0.5, 2.0) if p.chance(0.3) else None
    value = acc if gain is None else acc * gain
    k.set(s.at(y), value)
    if p.chance(0.2):
        peak = k.out("peak|peak_level|max_abs", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, wp.abs(acc)))


def _windowed(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_window|window_frames|taper|frame_signal",
        p.pick("Windowed frames of a signal.", "Multiply by a window.", ""),
    )
    framed = p.chance(0.55)
    if not framed:
        s = Signals(p, k)
        x, y = s.signal("x|signal|samples"), s.out("y|windowed|tapered")
        s.mute_exit((s.at(y), 0.0), chance=0.4)
        w = window(p, k, s.n, s.samples())
        value = s.at(x) * w
        if p.chance(0.3):
            value = (s.at(x) - s.setting("mean|offset|dc", 0.01, 0.3)) * w
        if p.chance(0.3):
            value = value * s.setting("gain|scale|norm", 0.5, 2.0)
        if p.chance(0.3):
            value = k.let("v|value|xw", value)
            energy = k.out("energy|power|window_energy", p.real, (s.channels,))
            k.do(wp.atomic_add(energy, s.c if s.c is not None else 0, value * value))
        k.set(s.at(y), value)
        return
    size, hop, frames = p.pick(16, 32, 64), p.pick(8, 16), p.pick(6, 8, 12)
    total = hop * (frames - 1) + size
    f, n = threads(k, ["frame|f|fr", "n|i|s"], (frames, size))
    x = k.array("signal|x|samples", p.real, (total,), R.uniform(-1.0, 1.0))
    y = k.out("frames|framed|windowed", p.real, (frames, size))
    h = k.count("hop|hop_length|stride", hop)
    src = k.let("src|idx|t", f * h + n)
    if p.chance(0.4):
        with k.when(src >= x.dim(0)):
            k.set(y[f, n], 0.0)
            k.ret()
    value = _framed_sample(p, k, x, src, n, y, size)
    k.set(y[f, n], value)


def _framed_sample(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, src: Expr, n: Expr, y: Expr, size: int
) -> Expr:
    """A windowed sample, with pre-emphasis now and then."""
    sample = x[src]
    if p.chance(0.4):
        alpha = k.param("preemphasis|alpha|emphasis", 0.9, 0.97)
        sample = x[src] - alpha * x[wp.max(src - 1, 0)]
    if p.chance(0.4):
        table = k.array("window|win|w", p.real, (size,), R.uniform(0.0, 1.0))
        return sample * table[n]
    return sample * window(p, k, n, y.dim(1))


# --- resampling -----------------------------------------------------------------------------------


def _resample(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "resample|interpolate_signal|fractional_delay|time_stretch|resample_channels",
        p.pick(
            "Resample by interpolation.",
            "Read the signal at fractional positions.",
            "Variable-rate playback.",
        ),
    )
    length, out_length = p.pick(64, 96, 128), p.pick(48, 100, 150, 200)
    s = Signals(p, k, length=length, threads_along=out_length)
    x, y = s.signal("x|signal|source"), s.out("y|resampled|output", length=out_length)
    s._known = x
    s.mute_exit((s.at(y), 0.0), chance=0.12)
    t = k.let("t|pos|phase|src_pos", _position(p, s, out_length))
    last = construct(p.real, s.samples() - 1)
    bounds = p.pick("exit", "clamp", "clamp")
    if bounds == "exit":
        with k.when(any_of(t < 0.0, t >= last) if p.chance(0.6) else t >= last):
            k.set(s.at(y), 0.0)
            k.ret()
    t = k.let("tc|clamped|u", wp.clamp(t, 0.0, last - 0.001))
    i = k.let("i0|base|n0", construct(T.I32, wp.floor(t)))
    form = p.weighted({"linear": 4, "hermite": 2, "cubic": 2, "lagrange": 1.5, "sinc": 3})
    frac = k.let("frac|a|mu", t - construct(p.real, i)) if form != "sinc" else t
    k.set(s.at(y), _interpolated(p, s, x, i, frac, form, t))


def _position(p: ProgramBuilder, s: Signals, out_length: int) -> Expr:
    k, n = s.k, construct(p.real, s.n)
    match p.pick("ratio", "ratio", "delay", "warp", "map"):
        case "ratio":
            return n * k.param("ratio|step|rate", 0.3, 0.9)
        case "delay":
            return n - s.setting("delay|delay_samples|tau", 0.3, 12.0)
        case "warp":
            depth, speed = (
                k.param("depth|mod_depth", 0.5, 4.0),
                k.param("mod_rate|lfo_step|omega", 0.01, 0.2),
            )
            return 0.4 * n + depth * wp.sin(speed * n)
    return k.array(
        "positions|time_map|sample_pos", p.real, (out_length,), R.uniform(0.0, s.length - 2.0)
    )[s.n]


def _interpolated(
    p: ProgramBuilder, s: Signals, x: Expr, i: Expr, frac: Expr, form: str, t: Expr
) -> Expr:
    k, last = s.k, s.samples() - 1
    if form == "linear":
        return blend(p, s.at(x, i), s.at(x, wp.min(i + 1, last)), frac)
    if form == "sinc":
        return _sinc_sum(p, s, x, i, t)
    v = [
        k.let(n, s.at(x, w))
        for n, w in (
            ("xm1|p0", wp.max(i - 1, 0)),
            ("x0|p1", i),
            ("x1|p2", wp.min(i + 1, last)),
            ("x2|p3", wp.min(i + 2, last)),
        )
    ]

    def body(b: Block, p0: Expr, p1: Expr, p2: Expr, p3: Expr, u: Expr) -> Expr:
        if form == "hermite":
            c1, c2 = (
                b.let("c1|m0", 0.5 * (p2 - p0)),
                b.let("c2|q", p0 - 2.5 * p1 + 2.0 * p2 - 0.5 * p3),
            )
            c3 = b.let("c3|r", 0.5 * (p3 - p0) + 1.5 * (p1 - p2))
            return ((c3 * u + c2) * u + c1) * u + p1
        if form == "cubic":
            a = b.let("a|w", p3 - p2 - p0 + p1)
            c = b.let("c|d", p0 - p1 - a)
            return a * u * u * u + c * u * u + (p2 - p0) * u + p1
        um, up, u2 = b.let("um|w0", u - 1.0), b.let("up|w1", u + 1.0), b.let("u2|w2", u - 2.0)
        return (
            -u * um * u2 / 6.0 * p0
            + up * um * u2 / 2.0 * p1
            - up * u * u2 / 2.0 * p2
            + up * u * um / 6.0 * p3
        )

    args = dict(zip(("p0|a", "p1|b", "p2|c", "p3|d", "u|frac|mu"), (*v, frac), strict=True))
    return piece(p, k, f"{form}_interp|{form}|interp4", args, body, probability=0.7)


def _sinc_sum(p: ProgramBuilder, s: Signals, x: Expr, i: Expr, t: Expr) -> Expr:
    k = s.k
    half = k.count("half_width|lobes|sinc_radius", p.pick(3, 4, 6))
    acc = k.var("acc|total|value", 0.0, p.real)
    norm = k.var("norm|wsum|weight_sum", 0.0, p.real) if p.chance(0.6) else None

    def body(b: Block, d: Expr) -> None:
        with b.when(wp.abs(d) < 1.0e-6):
            b.ret(lift(1.0, p.real))
        a = b.let("a|px|arg", 3.141592654 * d)
        b.ret(wp.sin(a) / a)

    sinc = p.func("sinc|normalized_sinc", {"x|d": p.real}, body)
    with k.loop("j|m|k", i - half + 1, i + half + 1) as j:
        with k.when(any_of(j < 0, j >= s.samples())):
            k.cont()
        d = k.let("d|dist|delta", t - construct(p.real, j))
        taper = p.pick("lanczos", "cosine", "none")
        w = sinc(d)
        if taper == "lanczos":
            w = w * sinc(d / construct(p.real, half))
        elif taper == "cosine":
            w = w * (0.5 + 0.5 * wp.cos(3.141592654 * d / construct(p.real, half)))
        w = k.let("w|weight", w)
        k.aug(acc, "+", w * s.at(x, j))
        if norm is not None:
            k.aug(norm, "+", w)
    return acc if norm is None else acc / norm


# --- mixing, conversion, synthesis ----------------------------------------------------------------


def _mix(p: ProgramBuilder) -> None:
    what = p.pick("ramp", "crossfade", "saturate", "saturate", "matrix")
    names = {
        "ramp": "gain_ramp|apply_gain|fade|scale_block", "crossfade": "crossfade|blend_signals|mix_dry_wet",
        "saturate": "saturate|waveshaper|distort|soft_clip_block", "matrix": "mix_down|mix_channels|route_channels",
    }  # fmt: skip
    docs = {
        "ramp": "Gain that changes over the block.",
        "crossfade": "Crossfade of two signals.",
        "saturate": "Nonlinear gain stage.",
        "matrix": "Mixing matrix over channels.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], ""))
    s = Signals(p, k)
    x = s.signal("x|dry|signal|input")
    if what == "matrix" and s.mono:
        what = "ramp"
    if what == "matrix":
        gains = k.array(
            "mix_matrix|gains|routing", p.real, (s.channels, s.channels), R.uniform(-0.5, 1.0)
        )
        acc = k.var("acc|total|mixed", 0.0, p.real)
        with k.loop("j|src|in_ch", gains.dim(1)) as j:
            k.aug(acc, "+", gains[s.c, j] * s.at(x, None, j))
        k.set(s.at(s.out("mix|mixed_out|bus")), acc)
        return
    y = s.out("y|wet|out|output")
    s.mute_exit((s.at(y), 0.0))
    v = k.let("v|sample|xn", s.at(x))
    if what != "saturate":
        position = k.let("u|frac|s", construct(p.real, s.n) / construct(p.real, s.samples()))
    if what == "crossfade":
        other = s.at(s.signal("other|signal_b|x_b"))
        if p.chance(0.5):
            a = k.let("fade|a|g", 1.5707963 * position)
            value = v * wp.cos(a) + other * wp.sin(a)
        else:
            value = blend(p, v, other, position)
    elif what == "saturate":
        drive = s.setting("drive|pre_gain|amount", 1.0, 8.0)
        value = _shaped(p, k, v * drive)
    else:
        g0, g1 = (
            k.param("gain_start|g0|from_gain", 0.1, 1.0),
            k.param("gain_end|g1|to_gain", 0.1, 1.0),
        )
        value = v * blend(p, g0, g1, position)
    if p.chance(0.35):
        value = wp.clamp(value, -1.0, 1.0)
    value = k.let("out_value|yn|result", value)
    k.set(s.at(y), value)
    if p.chance(0.35):
        clipped = k.out("num_clipped|clip_count|overs", T.I32, (1,))
        with k.when(wp.abs(value) > k.param("ceiling|clip_level|full_scale", 0.5, 0.99)):
            k.do(wp.atomic_add(clipped, 0, 1))


def _shaped(p: ProgramBuilder, k: KernelBuilder, v: Expr) -> Expr:
    form = p.pick("tanh", "cubic", "rational", "fold")
    if form == "tanh":
        return wp.tanh(v)
    if form == "rational":
        d = k.let("d|driven", v)
        return d / (1.0 + wp.abs(d))

    def body(b: Block, x: Expr) -> None:
        if form == "fold":
            with b.when(x > 1.0):
                b.ret(2.0 - x)
            with b.when(x < -1.0):
                b.ret(-2.0 - x)
            b.ret(x)
            return
        with b.when(x > 1.0):
            b.ret(lift(0.6666667, p.real))
        with b.when(x < -1.0):
            b.ret(lift(-0.6666667, p.real))
        b.ret(x - x * x * x / 3.0)

    return p.func(
        "soft_clip|waveshape|fold_back" if form == "cubic" else "fold|wavefold",
        {"x|v": p.real},
        body,
    )(v)


def _convert(p: ProgramBuilder) -> None:
    """Sample formats: integers to floating point and back, companding, interleaving."""
    p.real = T.F32
    form = p.pick("decode", "decode", "encode", "encode", "mulaw")
    names = {
        "decode": "pcm_to_float|decode_pcm|unpack_samples|int_to_float",
        "encode": "quantize|float_to_pcm|encode_pcm|dither_quantize",
        "mulaw": "mu_law_encode|compand|mulaw_compress",
    }
    k = p.kernel_builder(names[form], p.pick("Convert sample formats.", "PCM conversion.", ""))
    s = Signals(p, k)
    if form == "decode":
        wide = p.pick(T.I16, T.I16, T.I32, T.U8)
        low, high = {"int16": (-32768, 32768), "int32": (-100000, 100000), "uint8": (0, 256)}[
            wide.name
        ]
        x, y = (
            s.signal("pcm|raw|samples_in", R.integers(low, high), dtype=wide),
            s.out("samples|signal|decoded", T.F32),
        )
        full = {"int16": 32768.0, "int32": 100000.0, "uint8": 128.0}[wide.name]
        value = cast(T.F32, s.at(x))
        if wide == T.U8:
            value = value - 128.0
        scale = p.pick(value / full, value * (1.0 / full))
        if p.chance(0.5):
            scale = scale * s.setting("gain|trim|level", 0.5, 2.0)
        if p.chance(0.3):
            scale = scale - s.setting("offset|dc_offset|bias", 0.01, 0.2)
        if p.chance(0.4):
            scale = k.let("v|value|sample", scale)
            if p.chance(0.6):
                peak = k.out("peak|peak_level|max_abs", T.F32, (1,))
                k.do(wp.atomic_max(peak, 0, wp.abs(scale)))
        k.set(s.at(y), scale)
        return
    x = s.signal("signal|samples|x")
    y = s.out("pcm|encoded|codes", p.pick(T.I16, T.I32, T.I8) if form == "encode" else T.U8)
    v = k.let("v|xn", wp.clamp(s.at(x) * s.setting("gain|level|scale", 0.5, 1.5), -1.0, 1.0))
    dtype = T.scalar_of(y.type)
    if form == "mulaw":
        mag = k.let(
            "mag|m", wp.log(1.0 + 255.0 * wp.abs(v)) / p.pick(5.545177, wp.log(lift(256.0, T.F32)))
        )
        code = k.let("code|q", cast(T.I32, wp.floor((wp.sign(v) * mag + 1.0) * 127.5)))
        k.set(s.at(y), cast(T.U8, wp.min(code, 255)))
        return
    top = {"int16": 32767.0, "int32": 100000.0, "int8": 127.0}[dtype.name]
    scaled = v * top
    if p.chance(0.4):
        rng = k.let(
            "rng|state",
            wp.rand_init(
                k.scalar("seed", T.I32, p.rng.randint(1, 999)),
                s.n if s.c is None else s.n * s.channels + s.c,
            ),
        )
        scaled = scaled + wp.randf(rng) - (wp.randf(rng) if p.chance(0.5) else 0.5)
    k.set(s.at(y), cast(dtype, wp.round(scaled) if p.chance(0.6) else wp.floor(scaled + 0.5)))


def _synthesise(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "synthesize|oscillator_bank|render_voices|generate_tone|render_tone|test_signal",
        p.pick(
            "Sum of sinusoidal partials.",
            "Render oscillators into an output buffer.",
            "Generate test signals.",
        ),
    )
    s = Signals(p, k)
    y = s.out("y|audio|buffer|output")
    s.mute_exit((s.at(y), 0.0))
    rate = k.param("sample_rate|fs|rate", 8000.0, 48000.0)
    start = k.param("t_start|t0|time_offset", 0.01, 2.0) if p.chance(0.4) else None
    t = construct(p.real, s.n) / rate if start is None else start + construct(p.real, s.n) / rate
    t = k.let("t|time|sec", t)
    what = p.pick("partials", "partials", "chirp", "fm", "harmonics")
    acc = k.var("acc|out_value|total", 0.0, p.real)
    if what == "partials":
        voices = p.pick(4, 6, 8, 12)
        freqs, amps = (
            k.array("freqs|partial_freq|frequencies", p.real, (voices,), R.uniform(50.0, 2000.0)),
            k.array("amps|partial_amp|amplitudes", p.real, (voices,), R.uniform(0.05, 0.3)),
        )
        phases = (
            k.array("phases|phase0|start_phase", p.real, (voices,), R.uniform(0.0, 6.28))
            if p.chance(0.5)
            else None
        )
        with k.loop("v|h|voice|j", freqs.dim(0)) as v:
            if p.chance(0.4):
                with k.when(freqs[v] > 0.5 * rate):
                    k.cont()
            arg = 6.283185307 * freqs[v] * t
            k.aug(acc, "+", amps[v] * wp.sin(arg if phases is None else arg + phases[v]))
    elif what == "harmonics":
        f0 = s.setting("f0|pitch|fundamental", 80.0, 440.0)
        rolloff = k.param("rolloff|tilt|decay", 0.5, 0.95)
        amp = k.var("amp|a|level", 1.0, p.real)
        with k.loop("h|m|partial", 1, k.count("num_harmonics|partials", p.pick(5, 8, 10)) + 1) as h:
            k.aug(acc, "+", amp * wp.sin(6.283185307 * f0 * construct(p.real, h) * t))
            k.aug(amp, "*", rolloff)
    elif what == "chirp":
        f0, slope = (
            s.setting("f_start|f0", 50.0, 500.0),
            k.param("chirp_rate|sweep|slope", 100.0, 5000.0),
        )
        k.set(acc, wp.sin(6.283185307 * (f0 * t + 0.5 * slope * t * t)))
    else:
        carrier, modulator = (
            s.setting("carrier|fc", 200.0, 900.0),
            k.param("modulator|fm_freq", 20.0, 200.0),
        )
        index = k.param("mod_index|beta", 0.5, 5.0)
        k.set(acc, wp.sin(6.283185307 * carrier * t + index * wp.sin(6.283185307 * modulator * t)))
    if p.chance(0.4):
        attack = k.param("attack|rise_time", 0.001, 0.05)
        env = (
            wp.min(t / attack, 1.0) * wp.exp(-t * k.param("decay_rate|release|damping", 1.0, 30.0))
            if p.chance(0.5)
            else wp.min(t / attack, 1.0)
        )
        k.set(s.at(y), acc * env)
    else:
        k.set(s.at(y), acc)


def _smooth(p: ProgramBuilder) -> None:
    """Windows of neighbouring samples: median, moving average, Savitzky-Golay, RMS, zero crossings."""
    what = p.pick("mean", "mean", "rms", "rms", "median", "savgol", "crossings", "hampel")
    names = {
        "mean": "moving_average|running_mean|box_smooth",
        "rms": "moving_rms|local_energy|rms_level",
        "median": "median3|median_filter",
        "savgol": "savgol|savitzky_golay|quadratic_smooth",
        "crossings": "zero_crossing_rate|count_crossings",
        "hampel": "despike|hampel|remove_clicks",
    }
    k = p.kernel_builder(
        names[what],
        p.pick("Short sliding window over every channel.", "Local statistic of a signal."),
    )
    s = Signals(p, k)
    x, y = s.signal("x|signal|samples"), s.out("y|smoothed|level|result")
    s.mute_exit((s.at(y), 0.0), chance=0.2)
    if what in ("median", "hampel"):
        a, b, c = (
            k.let(n, s.at(x, w))
            for n, w in (
                ("a|left", wp.max(s.n - 1, 0)),
                ("b|mid", s.n),
                ("c|right", wp.min(s.n + 1, s.samples() - 1)),
            )
        )
        med = k.let("med|median", wp.max(wp.min(a, b), wp.min(wp.max(a, b), c)))
        k.set(
            s.at(y),
            med
            if what == "median"
            else choose(wp.abs(b - med) > k.param("threshold|spike_level", 0.1, 0.6), med, b),
        )
        return
    if what == "savgol":
        w = [0.48571429, 0.34285714, -0.08571429]
        total = w[0] * s.at(x)
        for d in (1, 2):
            total = total + w[d] * (
                s.at(x, wp.max(s.n - d, 0)) + s.at(x, wp.min(s.n + d, s.samples() - 1))
            )
        k.set(s.at(y), total)
        return
    reach = k.count("half_window|radius|half", p.pick(2, 4, 8))
    low, high = (
        k.let("lo|start|first", wp.max(s.n - reach, 0)),
        k.let("hi|stop|last", wp.min(s.n + reach + 1, s.samples())),
    )
    acc = k.var("acc|total|energy", 0.0, p.real)
    with k.loop("m|j|q", low + 1 if what == "crossings" else low, high) as m:
        v = s.at(x, m)
        if what == "crossings":
            with k.when(s.at(x, m - 1) * v < 0.0):
                k.aug(acc, "+", 1.0)
        else:
            k.aug(acc, "+", v * v if what == "rms" else v)
    count = construct(p.real, high - low)
    k.set(s.at(y), wp.sqrt(acc / count) if what == "rms" else acc / count)
    if p.chance(0.3) and what == "rms":
        silent = k.out("silent_count|num_quiet", T.I32, (1,))
        with k.when(acc < k.param("silence|floor_level", 0.1, 1.0)):
            k.do(wp.atomic_add(silent, 0, 1))
