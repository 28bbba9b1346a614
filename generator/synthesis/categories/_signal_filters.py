"""Recursive processing along time: biquads, envelopes, adaptive filters, delay effects."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._signals import Signals
from generator.synthesis.idioms import blend
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Literal, Name, lift

# --- biquads --------------------------------------------------------------------------------------


def biquads(p: ProgramBuilder) -> None:
    """Second-order sections along time, one thread a channel, with state kept between blocks."""
    k = p.kernel_builder(
        "biquad_filter|iir_filter|biquad_cascade|filter_block|sos_filter|equalizer",
        p.pick(
            "Second-order IIR sections, one thread per channel.",
            "Run a biquad over a block of samples.",
            "Recursive filter with state carried between blocks.",
        ),
    )
    s = Signals(p, k, per="channel", length=p.pick(48, 64, 100, 128))
    x = s.signal("x|signal|samples|input")
    y = s.out("y|filtered|output")
    s.mute_exit(chance=0.25)
    sections = p.pick(1, 1, 1, 2, 3, 4)
    kind = (
        p.weighted({"direct": 3, "transposed": 4, "svf": 2, "one_pole": 2})
        if sections == 1
        else p.pick("transposed", "direct")
    )
    if kind == "one_pole":
        _one_pole(p, s, x, y)
    elif kind == "svf":
        _state_variable(p, s, x, y)
    elif sections > 1:
        _cascade(p, s, x, y, sections, kind == "transposed")
    else:
        _single_biquad(p, s, x, y, kind == "transposed")


def _coefficients(p: ProgramBuilder, s: Signals) -> list[Expr]:
    """b0, b1, b2, a1, a2, given or designed from a cutoff and Q."""
    k = s.k
    names = ["b0", "b1", "b2", "a1", "a2"]
    form = p.pick("vector", "array", "params", "design", "design")
    if form == "design":
        return _designed(p, s)
    if form == "params":
        return [k.quantity(n, p.real, round(p.rng.uniform(-0.3, 0.3), 3)) for n in names]
    if form == "vector":
        feed = k.let(
            "b|num|ff",
            s.per_channel("b_coeffs|num_coeffs|feedforward", p.vec(3), R.uniform(-0.4, 0.6)),
        )
        back = k.let(
            "a|den|fb",
            s.per_channel("a_coeffs|den_coeffs|feedback", p.vec(2), R.uniform(-0.4, 0.4)),
        )
        return [feed[0], feed[1], feed[2], back[0], back[1]]
    table = (
        k.array("coeffs|sos|coefficients", p.real, (s.channels, 5), R.uniform(-0.4, 0.4))
        if not s.mono
        else k.array("coeffs|sos", p.real, (1, 5), R.uniform(-0.4, 0.4))
    )
    row = s.c if not s.mono else lift(0, T.I32)
    return [k.let(n, table[row, i]) for i, n in enumerate(names)]


def _designed(p: ProgramBuilder, s: Signals) -> list[Expr]:
    """Coefficients of the usual cookbook responses."""
    k = s.k
    cutoff, q = (
        s.setting("cutoff|f_c|center_freq", 200.0, 2000.0),
        k.param("q_factor|resonance|Q", 0.5, 4.0),
    )
    rate = k.param("sample_rate|fs", 8000.0, 48000.0)
    response = p.pick("lowpass", "highpass", "bandpass", "notch", "peak")
    w0 = k.let("w0|omega", 6.283185307 * cutoff / rate)
    cw, alpha = k.let("cw|cos_w0", wp.cos(w0)), k.let("alpha|bw", wp.sin(w0) / (2.0 * q))
    gain = (
        k.let("amp|g", wp.pow(lift(10.0, p.real), k.param("gain_db|boost", 1.0, 12.0) / 40.0))
        if response == "peak"
        else None
    )
    inv = k.let("inv_a0|norm", 1.0 / (1.0 + (alpha if gain is None else alpha / gain)))
    top = {
        "lowpass": ((1.0 - cw) * 0.5, 1.0 - cw, (1.0 - cw) * 0.5),
        "highpass": ((1.0 + cw) * 0.5, -(1.0 + cw), (1.0 + cw) * 0.5),
        "bandpass": (alpha, lift(0.0, p.real), -alpha),
        "notch": (lift(1.0, p.real), -2.0 * cw, lift(1.0, p.real)),
        "peak": (1.0 + alpha * gain, -2.0 * cw, 1.0 - alpha * gain) if gain is not None else (),
    }[response]
    b = [
        k.let(f"b{i}", v * inv) if response != "bandpass" or i != 1 else v
        for i, v in enumerate(top)
    ]
    low = 1.0 - (alpha if gain is None else alpha / gain)
    return [*b, k.let("a1", -2.0 * cw * inv), k.let("a2", low * inv)]


def _single_biquad(p: ProgramBuilder, s: Signals, x: Expr, y: Expr, transposed: bool) -> None:
    k = s.k
    b0, b1, b2, a1, a2 = _coefficients(p, s)
    keep = p.chance(0.5)
    states = p.vec(2 if transposed else 4)
    state = (
        s.per_channel("state|filter_state|z", states, R.uniform(-0.1, 0.1), "inout")
        if keep
        else None
    )
    names = ["z1|s1|w1", "z2|s2|w2"] if transposed else ["x1|xp", "x2|xpp", "y1|yp", "y2|ypp"]
    memory = [
        k.var(n, state[i]) if state is not None else k.var(n, 0.0, p.real)
        for i, n in enumerate(names)
    ]
    with k.loop("n|t|i", s.samples()) as n:
        xn = k.let("xn|v|x0", s.at(x, n))
        if transposed:
            z1, z2 = memory
            yn = k.let("yn|out_n|y0", b0 * xn + z1)
            k.set(z1, z2 - a1 * yn if isinstance(b1, Literal) else b1 * xn - a1 * yn + z2)
            k.set(z2, b2 * xn - a2 * yn)
        else:
            x1, x2, y1, y2 = memory
            no_middle = isinstance(b1, Literal)  # a band-pass has none
            feed = b0 * xn + b2 * x2 if no_middle else b0 * xn + b1 * x1 + b2 * x2
            yn = k.let("yn|out_n|y0", feed - a1 * y1 - a2 * y2)
            k.set(x2, x1)
            k.set(x1, xn)
            k.set(y2, y1)
            k.set(y1, yn)
        k.set(s.at(y, n), yn)
    if state is not None:
        k.set(state, construct(states, *memory))


def _cascade(
    p: ProgramBuilder, s: Signals, x: Expr, y: Expr, sections: int, transposed: bool
) -> None:
    """Several sections in a row; coefficients and state are tables over sections."""
    k = s.k
    shared = p.chance(0.5)
    shape = (sections,) if shared else (s.channels, sections)
    feed, back = (
        k.array("sos_b|num|b_coeffs", p.vec(3), shape, R.uniform(-0.3, 0.6)),
        k.array("sos_a|den|a_coeffs", p.vec(2), shape, R.uniform(-0.3, 0.3)),
    )
    lead = (s.b, s.c) if s.b is not None else (s.c,)
    dims = (s.batches, s.channels, sections) if s.batches else (s.channels, sections)
    width = 2 if transposed else 4
    state = k.array("state|sos_state|zi", p.vec(width), dims, R.uniform(-0.1, 0.1), "inout")
    sample_first = p.chance(0.5)

    def run(q: Expr, n: Expr, v: Expr) -> None:
        where = q if shared else (s.c, q)
        b, a, z = (
            k.let("bq|num_q", feed[where]),
            k.let("aq|den_q", back[where]),
            k.let("zq|st|w", state[(*lead, q)]),
        )
        if transposed:
            out = k.let("yq|out_v", b[0] * v + z[0])
            fresh = construct(p.vec(2), b[1] * v - a[0] * out + z[1], b[2] * v - a[1] * out)
        else:
            out = k.let(
                "yq|out_v", b[0] * v + b[1] * z[0] + b[2] * z[1] - a[0] * z[2] - a[1] * z[3]
            )
            fresh = construct(p.vec(4), v, z[0], out, z[2])
        k.set(state[(*lead, q)], fresh)
        k.set(v, out)

    if sample_first:
        with k.loop("n|t|i", s.samples()) as n:
            v = k.var("v|sample|sig", s.at(x, n))
            with k.loop("q|sec|stage", sections) as q:
                run(q, n, v)
            k.set(s.at(y, n), v)
        return
    with (
        k.loop("q|sec|stage", feed.dim(0 if shared else 1)) as q,
        k.loop("n|t|i", s.samples()) as n,
    ):
        v = k.var("v|sample|sig", choose(q == 0, s.at(x, n), s.at(y, n)))
        run(q, n, v)
        k.set(s.at(y, n), v)


def _one_pole(p: ProgramBuilder, s: Signals, x: Expr, y: Expr) -> None:
    k = s.k
    pole = s.setting("pole|alpha|smoothing", 0.05, 0.9)
    if p.chance(0.4):
        pole = k.let(
            "a|coef|k1",
            1.0
            - wp.exp(
                -6.283185307
                * s.setting("cutoff|f_c", 50.0, 1000.0)
                / k.param("sample_rate|fs", 8000.0, 48000.0)
            ),
        )
    last = (
        k.var("state|prev|yp", 0.0, p.real)
        if p.chance(0.5)
        else k.var(
            "state|prev|yp", s.per_channel("last_out|y_prev|carry", p.real, R.uniform(-0.2, 0.2))
        )
    )
    high = p.chance(0.35)
    with k.loop("n|t|i", s.samples()) as n:
        v = s.at(x, n)
        k.set(last, last + pole * (v - last)) if p.chance(0.6) else k.set(
            last, (1.0 - pole) * last + pole * v
        )
        k.set(s.at(y, n), v - last if high else last)
    if p.chance(0.4):
        k.set(s.per_channel("final_state|carry_out|state_out", p.real, R.zeros(), "out"), last)


def _state_variable(p: ProgramBuilder, s: Signals, x: Expr, y: Expr) -> None:
    """Trapezoidal state-variable filter."""
    k = s.k
    g = k.let(
        "g|tan_wc",
        wp.tan(
            3.141592654
            * s.setting("cutoff|f_c", 100.0, 2000.0)
            / k.param("sample_rate|fs", 16000.0, 48000.0)
        ),
    )
    r = k.let("r|damp", 1.0 / k.param("resonance|Q|q_factor", 0.5, 4.0))
    a1 = k.let("a1|h", 1.0 / (1.0 + g * (g + r)))
    ic1, ic2 = k.var("ic1|s1", 0.0, p.real), k.var("ic2|s2", 0.0, p.real)
    blend_outputs = p.pick("low", "high", "band", "mode")
    mode = (
        k.count("mode|filter_type|response", p.pick(0, 1, 2)) if blend_outputs == "mode" else None
    )
    with k.loop("n|t|i", s.samples()) as n:
        v0 = k.let("v0|xn", s.at(x, n))
        v1 = k.let("v1|band", a1 * (ic1 + g * (v0 - ic2)))
        v2 = k.let("v2|low", ic2 + g * v1)
        k.set(ic1, 2.0 * v1 - ic1)
        k.set(ic2, 2.0 * v2 - ic2)
        high = v0 - r * v1 - v2
        if mode is None:
            k.set(s.at(y, n), {"low": v2, "high": high, "band": r * v1}[blend_outputs])
        else:
            with k.when(mode == 0):
                k.set(s.at(y, n), v2)
            with k.elsewhen(mode == 1):
                k.set(s.at(y, n), high)
            with k.otherwise():
                k.set(s.at(y, n), v1)


# --- envelopes and dynamics -----------------------------------------------------------------------


def dynamics(p: ProgramBuilder) -> None:
    """Envelope followers, compressors, limiters and gates."""
    what = p.pick("envelope", "compress", "compress", "gate", "limit")
    names = {
        "envelope": "envelope_follower|track_envelope|peak_follower",
        "compress": "compressor|compress_channels|dynamics",
        "gate": "noise_gate|gate_signal",
        "limit": "limiter|peak_limiter",
    }
    docs = {
        "envelope": "Envelope of every channel.",
        "compress": "Gain reduction above a threshold.",
        "gate": "Mute what stays below a threshold.",
        "limit": "Keep the level below a ceiling.",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            docs[what],
            "Dynamic range control, one thread per channel.",
            "Attack and release smoothing.",
        ),
    )
    s = Signals(p, k, per="channel", length=p.pick(64, 100, 128))
    x = s.signal("x|signal|samples")
    y = s.out("y|output|env_out|processed")
    s.mute_exit(chance=0.2)
    attack, release = _smoothing(p, s)
    env = (
        k.var("env|level|envelope", 0.0, p.real)
        if p.chance(0.6)
        else k.var(
            "env|level|envelope", s.per_channel("env_state|last_env", p.real, R.uniform(0.0, 0.5))
        )
    )
    gain_state = k.var("g|gain_now|smooth_gain", 1.0, p.real) if what == "gate" else None
    peak = k.var("peak|max_env|loudest", 0.0, p.real) if p.chance(0.35) else None
    with k.loop("n|t|i", s.samples()) as n:
        v = k.let("v|xn|sample", s.at(x, n))
        mag = k.let("mag|a|rect", wp.abs(v) if p.chance(0.7) else v * v)
        _follow(p, k, env, mag, attack, release)
        if peak is not None:
            k.set(peak, wp.max(peak, env))
        if what == "envelope":
            k.set(s.at(y, n), env)
        elif what == "gate" and gain_state is not None:
            target = k.let(
                "target|want",
                choose(
                    env > k.param("gate_threshold|threshold|open_level", 0.1, 0.5),
                    lift(1.0, p.real),
                    lift(0.0, p.real),
                ),
            )
            k.aug(gain_state, "+", (target - gain_state) * k.param("gate_speed|slew", 0.05, 0.5))
            k.set(s.at(y, n), v * gain_state)
        else:
            gain = _gain_curve(p, k, env, what)
            k.set(s.at(y, n), v * gain)
    if peak is not None:
        k.set(s.per_channel("peak_level|max_level|peaks", p.real, R.zeros(), "out"), peak)


def _smoothing(p: ProgramBuilder, s: Signals) -> tuple[Expr, Expr]:
    k = s.k
    if p.chance(0.5):
        return s.setting("attack|attack_coef", 0.1, 0.8), s.setting(
            "release|release_coef", 0.005, 0.1
        )
    rate = k.param("sample_rate|fs", 1000.0, 48000.0)
    at, rt = (
        k.param("attack_time|attack_s", 0.001, 0.02),
        k.param("release_time|release_s", 0.02, 0.3),
    )

    def body(b: Block, time: Expr, fs: Expr) -> None:
        b.ret(1.0 - wp.exp(-1.0 / (time * fs)))

    if p.chance(0.6):
        coefficient = p.func(
            "time_coefficient|smoothing_coef|one_pole_coef",
            {"time|tau": p.real, "fs|rate": p.real},
            body,
        )
        return k.let("att|a_coef", coefficient(at, rate)), k.let(
            "rel|r_coef", coefficient(rt, rate)
        )
    return k.let("att|a_coef", 1.0 - wp.exp(-1.0 / (at * rate))), k.let(
        "rel|r_coef", 1.0 - wp.exp(-1.0 / (rt * rate))
    )


def _follow(
    p: ProgramBuilder, k: KernelBuilder, env: Name, mag: Expr, attack: Expr, release: Expr
) -> None:
    match p.pick("if", "choose", "peak"):
        case "if":
            with k.when(mag > env):
                k.aug(env, "+", attack * (mag - env))
            with k.otherwise():
                k.aug(env, "+", release * (mag - env))
        case "choose":
            c = k.let("coef|kc", choose(mag > env, attack, release))
            k.set(env, blend(p, env, mag, c))
        case "peak":
            k.set(env, wp.max(env + attack * (mag - env), env * (1.0 - release)))


def _gain_curve(p: ProgramBuilder, k: KernelBuilder, env: Expr, what: str) -> Expr:
    threshold = k.param("threshold|thresh|knee_start", 0.1, 0.5)
    if what == "limit":
        return k.let(
            "gain|gr",
            wp.min(1.0, threshold / wp.max(env, p.pick(1.0e-4, 1.0e-6)))
            if p.chance(0.5)
            else choose(env > threshold, threshold / env, lift(1.0, p.real)),
        )
    ratio = k.param("ratio|comp_ratio|slope", 2.0, 10.0)

    def body(b: Block, level: Expr, limit: Expr, slope: Expr) -> None:
        with b.when(level <= limit):
            b.ret(lift(1.0, p.real))
        if p.chance(0.5):
            b.ret(wp.pow(level / limit, 1.0 / slope - 1.0))
        else:
            over = b.let("over|excess_db", 20.0 * wp.log10(level / limit))
            b.ret(wp.pow(lift(10.0, p.real), -over * (1.0 - 1.0 / slope) / 20.0))

    if p.chance(0.6):
        return k.let(
            "gain|gr",
            p.func(
                "gain_reduction|compress_gain|gain_curve",
                {"level|env": p.real, "threshold|limit": p.real, "ratio|slope": p.real},
                body,
            )(env, threshold, ratio),
        )
    gain = k.var("gain|gr", 1.0, p.real)
    with k.when(env > threshold):
        k.set(gain, wp.pow(env / threshold, 1.0 / ratio - 1.0))
    return gain


# --- adaptive filters and delays ------------------------------------------------------------------


def adaptive(p: ProgramBuilder) -> None:
    """LMS and NLMS filters, one thread a channel."""
    k = p.kernel_builder(
        "lms_filter|nlms_filter|adaptive_filter|echo_canceller|noise_canceller",
        p.pick(
            "Adaptive FIR filter.",
            "Least-mean-squares adaptation per channel.",
            "Cancel the echo of a reference signal.",
        ),
    )
    s = Signals(p, k, per="channel", length=p.pick(40, 48, 64))
    ref = s.signal("reference|ref|x|far_end")
    desired = s.signal("desired|d|mic|primary")
    err = s.out("error|residual|e_out")
    taps = p.pick(4, 6, 8)
    lead = (s.b, s.c) if s.b is not None else (s.c,)
    dims = (s.batches, s.channels, taps) if s.batches else (s.channels, taps)
    w = k.array("weights|w|taps|filter_w", p.real, dims, R.uniform(-0.2, 0.2), "inout")
    size = w.dim(len(dims) - 1) if p.chance(0.6) else k.count("num_taps|order", taps)
    mu = s.setting("mu|step_size|rate", 0.01, 0.2)
    normal = p.chance(0.6)
    leak = k.param("leak|leakage", 0.0005, 0.01) if p.chance(0.35) else None
    with k.loop("n|t", size - 1, s.samples()) as n:
        est, power = (
            k.var("est|y_hat|pred", 0.0, p.real),
            k.var("power|energy|norm", 0.0, p.real) if normal else None,
        )
        with k.loop("j|m|q", size) as j:
            v = k.let("v|xv", s.at(ref, n - j))
            k.aug(est, "+", w[(*lead, j)] * v)
            if power is not None:
                k.aug(power, "+", v * v)
        e = k.let("e|err_n", s.at(desired, n) - est)
        k.set(s.at(err, n), e)
        step = k.let(
            "step|g",
            mu * e / (power + k.param("eps|regularization|delta", 0.001, 0.1))
            if power is not None
            else mu * (e if p.chance(0.7) else wp.sign(e)),
        )
        if p.chance(0.3):
            with k.when(wp.abs(e) < k.param("freeze_level|dead_zone", 0.001, 0.05)):
                k.cont()
        with k.loop("j|m|q", size) as j:
            new = w[(*lead, j)] + step * s.at(ref, n - j)
            k.set(w[(*lead, j)], new if leak is None else new - leak * w[(*lead, j)])


def delay_effects(p: ProgramBuilder) -> None:
    """Echoes, combs, all-pass sections and choruses."""
    recursive = p.chance(0.6)
    k = p.kernel_builder(
        "comb_filter|feedback_delay|allpass_delay|reverb_comb"
        if recursive
        else "echo|multi_tap_delay|chorus|early_reflections",
        p.pick("Delay line with feedback.", "Recirculating delay, one thread per channel.")
        if recursive
        else p.pick("Taps of a delay line.", "Sum of delayed copies."),
    )
    if not recursive:
        _taps(p, k)
        return
    s = Signals(p, k, per="channel", length=p.pick(64, 100, 128))
    x, y = s.signal("x|dry|signal"), s.out("y|wet|output")
    lag = (
        s.per_channel("delay|lag|delay_samples", T.I32, R.integers(3, 20))
        if p.chance(0.6)
        else k.count("delay|lag|delay_samples", p.pick(5, 11, 17))
    )
    g = s.setting("feedback|g|decay", 0.2, 0.8)
    allpass, damp = (
        p.chance(0.4),
        k.param("damping|lowpass|hf_damp", 0.05, 0.5) if p.chance(0.4) else None,
    )
    filtered = k.var("lp|damped|store", 0.0, p.real) if damp is not None else None
    with k.loop("n|t|i", s.samples()) as n:
        v = k.let("v|xn", s.at(x, n))
        back = k.var("back|delayed|d", 0.0, p.real)
        with k.when(n >= lag):
            past = s.at(y, n - lag)
            k.set(back, past + s.at(x, n - lag) / g if allpass and p.chance(0.3) else past)
        if filtered is not None and damp is not None:
            k.set(filtered, blend(p, filtered, back, 1.0 - damp))
            back = filtered
        k.set(
            s.at(y, n),
            v * (1.0 - g) + g * back
            if not allpass
            else -g * v + (1.0 - g * g) * back
            if p.chance(0.5)
            else v + g * back,
        )
    if p.chance(0.3):
        k.set(
            s.per_channel("last_out|tail|end_level", p.real, R.zeros(), "out"),
            s.at(y, s.samples() - 1),
        )


def _taps(p: ProgramBuilder, k: KernelBuilder) -> None:
    s = Signals(p, k)
    x, y = s.signal("x|dry|signal"), s.out("y|wet|output")
    s.mute_exit((s.at(y), 0.0))
    acc = k.var(
        "acc|out_n|total",
        s.at(x) if p.chance(0.6) else s.at(x) * k.param("dry|dry_level", 0.3, 1.0),
    )
    taps = p.pick(3, 4, 6)
    delays, gains = (
        k.array("delays|tap_delay|lags", T.I32, (taps,), R.integers(1, 30)),
        k.array("gains|tap_gain|levels", p.real, (taps,), R.uniform(0.1, 0.6)),
    )
    with k.loop("j|tap|m", delays.dim(0)) as j:
        m = k.let("m|src|idx", s.n - delays[j])
        form = p.pick("guard", "continue", "wrap")
        if form == "wrap":
            k.aug(acc, "+", gains[j] * s.at(x, (m + s.samples()) % s.samples()))
        elif form == "guard":
            with k.when(m >= 0):
                k.aug(acc, "+", gains[j] * s.at(x, m))
        else:
            with k.when(m < 0):
                k.cont()
            k.aug(acc, "+", gains[j] * s.at(x, m))
    k.set(s.at(y), acc if p.chance(0.6) else wp.tanh(acc))
