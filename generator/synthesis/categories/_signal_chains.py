"""Longer signal kernels: channel strips, pitch tracking, linear prediction, phase-locked loops."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._signals import Signals
from generator.synthesis.idioms import blend, piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, lift

TWO_PI = 6.283185307

# --- channel strip --------------------------------------------------------------------------------


def channel_strip(p: ProgramBuilder) -> None:
    """Several processors in one pass along time: trim, filters, dynamics, saturation, meters."""
    k = p.kernel_builder(
        "channel_strip|process_channel|render_block|process_block|voice_chain|clean_signal",
        p.pick(
            "Processing chain of one channel per thread.",
            "Trim, filter, dynamics and metering in one pass.",
            "Process a block of samples, state carried between blocks.",
        ),
    )
    s = Signals(p, k, per="channel", length=p.pick(48, 64, 96))
    x, y = s.signal("x|input|signal"), s.out("y|output|processed")
    s.mute_exit(chance=0.3)
    stages = p.sample(
        ["trim", "dc", "emphasis", "filter", "gate", "compress", "drive", "slew", "tremolo"], 2, 5
    )
    memory: dict[str, Name] = {}
    setup: dict[str, Expr] = {}
    for stage in stages:
        _prepare(p, s, stage, memory, setup)
    meters = p.sample(["peak", "energy", "clips", "crossings"], 0, 2)
    gauges = {
        m: k.var(f"{m}_acc|{m}_now", 0, None)
        if m in ("clips", "crossings")
        else k.var(f"{m}_acc|{m}_now", 0.0, p.real)
        for m in meters
    }
    before = k.var("last|prev_out|v_prev", 0.0, p.real) if "crossings" in meters else None
    with k.loop("n|t|i", s.samples()) as n:
        v = k.var("v|sample|sig", s.at(x, n))
        for stage in stages:
            k.comment(_COMMENTS[stage]) if p.chance(0.5) else None
            _apply(p, k, stage, v, n, memory, setup)
        k.set(s.at(y, n), v)
        for m, gauge in gauges.items():
            _measure(k, p, m, gauge, v, before)
        if before is not None:
            k.set(before, v)
    for m, gauge in gauges.items():
        value = wp.sqrt(gauge / construct(p.real, s.samples())) if m == "energy" else gauge
        out = s.per_channel(
            {
                "peak": "peak_level|peaks",
                "energy": "rms_level|rms",
                "clips": "clip_count|overs",
                "crossings": "zero_crossings|crossing_count",
            }[m],
            gauge.type,
            R.zeros(),
            "out",
        )
        k.set(out, value)


_COMMENTS = {
    "trim": "input trim", "dc": "DC blocker", "emphasis": "pre-emphasis", "filter": "low-pass", "gate": "gate",
    "compress": "compression", "drive": "saturation", "slew": "slew limit", "tremolo": "tremolo",
}  # fmt: skip


def _prepare(
    p: ProgramBuilder, s: Signals, stage: str, memory: dict[str, Name], setup: dict[str, Expr]
) -> None:
    """Coefficients before the loop, and the state each stage keeps."""
    k = s.k

    def state(name: str, hint: str) -> None:
        start = (
            s.per_channel(f"{name}_state|{name}_memory", p.real, R.uniform(-0.1, 0.1))
            if p.chance(0.25)
            else None
        )
        memory[name] = k.var(hint, 0.0, p.real) if start is None else k.var(hint, start)

    match stage:
        case "trim":
            setup["trim"] = s.setting("trim|input_gain|pre_gain", 0.5, 2.0)
        case "dc":
            state("dc_x", "dc_x|x_last")
            state("dc_y", "dc_y|hp_last")
            setup["dc"] = k.param("dc_pole|r_dc|leak", 0.95, 0.999)
        case "emphasis":
            state("emph", "emph|x_emph")
            setup["emphasis"] = k.param("emphasis|preemph|alpha", 0.85, 0.97)
        case "filter":
            state("lp", "lp|filt|low_state")
            cutoff, fs = (
                s.setting("cutoff|corner|f_c", 200.0, 3000.0),
                k.param("sample_rate|fs", 8000.0, 48000.0),
            )
            if p.chance(0.5):
                setup["filter"] = k.let("lp_coef|a_lp", 1.0 - wp.exp(-TWO_PI * cutoff / fs))
            else:
                w = k.let("wt|w_t", TWO_PI * cutoff / fs)
                setup["filter"] = k.let("lp_coef|a_lp", w / (1.0 + w))
        case "gate" | "compress":
            state(f"env_{stage}", f"env_{stage[0]}|{stage}_env")
            setup[f"{stage}_att"] = k.param(f"{stage}_attack|att_{stage}", 0.1, 0.8)
            setup[f"{stage}_rel"] = k.param(f"{stage}_release|rel_{stage}", 0.005, 0.1)
            setup[stage] = s.setting(f"{stage}_threshold|{stage}_level", 0.05, 0.5)
            if stage == "compress":
                setup["ratio"] = k.param("ratio|comp_ratio", 2.0, 8.0)
        case "drive":
            setup["drive"] = s.setting("drive|saturation|overdrive", 1.0, 5.0)
        case "slew":
            state("slew", "held|slew_prev")
            setup["slew"] = k.param("max_step|slew_rate|step_limit", 0.05, 0.5)
        case "tremolo":
            setup["tremolo"], setup["depth"] = (
                k.param("lfo_rate|trem_step|lfo_omega", 0.01, 0.3),
                k.param("trem_depth|lfo_depth", 0.1, 0.9),
            )


def _apply(
    p: ProgramBuilder,
    k: KernelBuilder,
    stage: str,
    v: Name,
    n: Expr,
    memory: dict[str, Name],
    setup: dict[str, Expr],
) -> None:
    match stage:
        case "trim":
            k.aug(v, "*", setup["trim"])
        case "dc":
            out = k.let("hp|blocked", v - memory["dc_x"] + setup["dc"] * memory["dc_y"])
            k.set(memory["dc_x"], v)
            k.set(memory["dc_y"], out)
            k.set(v, out)
        case "emphasis":
            raw = k.let("raw|x_now", construct(p.real, v))
            k.set(v, v - setup["emphasis"] * memory["emph"])
            k.set(memory["emph"], raw)
        case "filter":
            k.aug(memory["lp"], "+", setup["filter"] * (v - memory["lp"]))
            k.set(v, memory["lp"] if p.chance(0.7) else v - memory["lp"])
        case "gate" | "compress":
            _dynamics_stage(p, k, stage, v, memory[f"env_{stage}"], setup)
        case "drive":
            driven = v * setup["drive"]
            k.set(
                v,
                p.pick(
                    wp.tanh(driven), driven / (1.0 + wp.abs(driven)), wp.clamp(driven, -1.0, 1.0)
                ),
            )
        case "slew":
            step = k.let("step|dv", wp.clamp(v - memory["slew"], -setup["slew"], setup["slew"]))
            k.aug(memory["slew"], "+", step)
            k.set(v, memory["slew"])
        case "tremolo":
            lfo = k.let("lfo|mod", wp.sin(setup["tremolo"] * construct(p.real, n)))
            k.aug(v, "*", 1.0 - setup["depth"] * (0.5 + 0.5 * lfo))


def _dynamics_stage(
    p: ProgramBuilder, k: KernelBuilder, stage: str, v: Name, env: Name, setup: dict[str, Expr]
) -> None:
    att, rel, limit = setup[f"{stage}_att"], setup[f"{stage}_rel"], setup[stage]
    mag = k.let(f"mag_{stage[0]}|abs_{stage[0]}", wp.abs(v))
    if p.chance(0.5):
        with k.when(mag > env):
            k.aug(env, "+", att * (mag - env))
        with k.otherwise():
            k.aug(env, "+", rel * (mag - env))
    else:
        k.set(env, blend(p, env, mag, choose(mag > env, att, rel)))
    if stage == "gate":
        with k.when(env < limit):
            k.aug(
                v,
                "*",
                env / limit if p.chance(0.5) else k.param("gate_floor|floor_gain", 0.01, 0.2),
            )
        return
    with k.when(env > limit):
        k.aug(
            v,
            "*",
            wp.pow(env / limit, 1.0 / setup["ratio"] - 1.0)
            if p.chance(0.6)
            else (limit + (env - limit) / setup["ratio"]) / env,
        )


def _measure(
    k: KernelBuilder, p: ProgramBuilder, what: str, gauge: Name, v: Name, before: Name | None
) -> None:
    match what:
        case "peak":
            k.set(gauge, wp.max(gauge, wp.abs(v)))
        case "energy":
            k.aug(gauge, "+", v * v)
        case "clips":
            with k.when(wp.abs(v) > p.pick(0.9, 0.95, 0.99)):
                k.aug(gauge, "+", 1)
        case "crossings":
            assert before is not None
            with k.when(
                any_of(all_of(v >= 0.0, before < 0.0), all_of(v < 0.0, before >= 0.0))
                if p.chance(0.5)
                else v * before < 0.0
            ):
                k.aug(gauge, "+", 1)


# --- pitch ----------------------------------------------------------------------------------------


def pitch_track(p: ProgramBuilder) -> None:
    """Fundamental frequency of a frame: difference function, threshold search, refinement."""
    k = p.kernel_builder(
        "pitch_track|yin_pitch|estimate_f0|frame_pitch|fundamental_frequency",
        p.pick(
            "Fundamental frequency of each frame.",
            "Pitch by the cumulative mean normalised difference.",
            "Period search, one frame per thread.",
        ),
    )
    frames, hop, size, lags = (
        p.pick(8, 12, 16, 24),
        p.pick(8, 16),
        p.pick(48, 64),
        p.pick(20, 24, 30),
    )
    total = hop * (frames - 1) + size + lags + 2
    f = threads(k, ["frame|f|t|i"], (frames,))[0]
    x = k.array("signal|x|audio", p.real, (total,), R.uniform(-1.0, 1.0))
    work = k.out("difference|cmnd|diff_buffer|work", p.real, (frames, lags))
    out = k.out("f0|pitch_hz|pitch", p.real, (frames,))
    start = k.let("start|base|offset", f * k.count("hop|hop_length", hop))
    max_lag = (
        k.let("max_lag|num_lags", work.dim(1))
        if p.chance(0.5)
        else k.count("max_lag|tau_max", lags)
    )
    length = k.count("window|frame_size|integration", size)
    low = k.count("min_lag|tau_min", p.pick(2, 3, 4))
    if p.chance(0.45):
        _silence_exit(p, k, x, start, length, out, f)
    cumulative = p.chance(0.7)
    running = k.var("running|cum|acc_d", 0.0, p.real) if cumulative else None
    k.step(p.pick("", "difference function", "squared difference at every lag"))
    with k.loop("lag|tau", 1, max_lag) as lag:
        total_d = k.var("d|total|diff_sum", 0.0, p.real)
        with k.loop("j|n|m", length) as j:
            delta = k.let("e|delta", x[start + j] - x[start + j + lag])
            k.aug(total_d, "+", delta * delta)
        if running is None:
            k.set(work[f, lag], total_d / construct(p.real, length))
        else:
            k.aug(running, "+", total_d)
            k.set(work[f, lag], total_d * construct(p.real, lag) / (running + 1.0e-9))
    k.step(p.pick("", "first dip below the threshold", "pick the lag"))
    best = (
        _first_dip(p, k, work, f, low, max_lag)
        if p.chance(0.55)
        else _deepest(p, k, work, f, low, max_lag)
    )
    fs = k.param("sample_rate|fs", 8000.0, 44100.0)
    with k.when(best <= 0 if p.chance(0.6) else best < low):
        k.set(out[f], 0.0)
        k.ret()
    period: Expr = construct(p.real, best)
    if p.chance(0.6):
        with k.when(all_of(best > 1, best < max_lag - 1)):
            a, b, c = (
                k.let("a|d0", work[f, best - 1]),
                k.let("b|d1", work[f, best]),
                k.let("c|d2", work[f, best + 1]),
            )
            curve = k.let("curve|denom", a - 2.0 * b + c)
            with k.when(curve > 1.0e-6):
                k.set(out[f], fs / (period + 0.5 * (a - c) / curve))
                k.ret()
    k.set(out[f], fs / period)
    if p.chance(0.4):
        k.set(
            k.out("confidence|clarity|voicing", p.real, (frames,))[f],
            1.0 - wp.min(work[f, best], 1.0),
        )


def _silence_exit(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, start: Expr, length: Expr, out: Expr, f: Expr
) -> None:
    energy = k.var("energy|power|e_frame", 0.0, p.real)
    with k.loop("j|n|m", length) as j:
        k.aug(energy, "+", x[start + j] * x[start + j])
    with k.when(energy < k.param("silence_level|min_energy|energy_floor", 0.5, 15.0)):
        k.set(out[f], p.pick(0.0, -1.0))
        k.ret()


def _first_dip(
    p: ProgramBuilder, k: KernelBuilder, work: Expr, f: Expr, low: Expr, high: Expr
) -> Name:
    limit = k.param("threshold|dip_level|yin_threshold", 0.3, 0.95)
    best = k.var("best|best_lag|tau0", p.pick(0, -1))
    if p.chance(0.5):
        lag = k.var("lag|tau|probe", low)
        with k.repeat(lag < high - 1):
            with k.when(all_of(work[f, lag] < limit, work[f, lag] <= work[f, lag + 1])):
                k.set(best, lag)
                k.brk()
            k.aug(lag, "+", 1)
        return best
    with k.loop("lag|tau|m", low, high - 1) as lag:
        with k.when(work[f, lag] > limit):
            k.cont()
        with k.when(work[f, lag] <= work[f, lag + 1]):
            k.set(best, lag)
            k.brk()
    return best


def _deepest(
    p: ProgramBuilder, k: KernelBuilder, work: Expr, f: Expr, low: Expr, high: Expr
) -> Name:
    best, least = (
        k.var("best|best_lag|tau0", 0),
        k.var("least|lowest|d_min", p.pick(1.0, 1.0e6, 100.0), p.real),
    )
    with k.loop("lag|tau|m", low, high) as lag:
        d = k.let("d_lag|value", work[f, lag])
        with k.when(d < least):
            k.set(least, d)
            k.set(best, lag)
    return best


# --- linear prediction ----------------------------------------------------------------------------


def levinson(p: ProgramBuilder) -> None:
    """Levinson-Durbin recursion per frame, from autocorrelations to predictor coefficients."""
    k = p.kernel_builder(
        "levinson_durbin|lpc_coefficients|linear_prediction|solve_toeplitz",
        p.pick(
            "Predictor coefficients from autocorrelations.",
            "Levinson-Durbin recursion, one frame per thread.",
        ),
    )
    frames, order = p.pick(16, 24, 32), p.pick(4, 6, 8, 10)
    batch = p.pick(None, None, 2, 4)
    if batch is None:
        f = threads(k, ["frame|f|i"], (frames,))[0]
        at: tuple[Expr, ...] = (f,)
    else:
        c, f = threads(k, ["ch|c|clip", "frame|f|i"], (batch, frames))
        at = (c, f)
    lead = (frames,) if batch is None else (batch, frames)
    r = k.array("r|autocorr|acf", p.real, (*lead, order + 1), R.uniform(0.05, 0.2))
    a, old = (
        k.out("a|lpc|coeffs", p.real, (*lead, order + 1)),
        k.out("prev|scratch|a_prev", p.real, (*lead, order + 1)),
    )
    reflection = k.out("reflection|parcor|k_out", p.real, (*lead, order)) if p.chance(0.5) else None
    size = (
        k.count("order|lpc_order|num_coeffs", order)
        if p.chance(0.5)
        else k.let("order|p_order", r.dim(len(lead)) - 1)
    )
    floor = k.param("ridge|noise_floor|regularization", 0.5, 2.0)
    error = k.var("err|error|e", r[(*at, 0)] + floor)
    k.set(a[(*at, 0)], 1.0)
    if p.chance(0.4):
        with k.when(error < p.pick(1.0e-6, 1.0e-5)):
            k.ret()
    with k.loop("i|m|stage", 1, size + 1) as i:
        acc = k.var("acc|num|total", r[(*at, i)])
        with k.loop("j|n|q", 1, i) as j:
            k.aug(acc, "+", a[(*at, j)] * r[(*at, i - j)])
        gamma = k.let("gamma|kr|refl", -acc / error)
        if reflection is not None:
            k.set(reflection[(*at, i - 1)], gamma)
        with k.loop("j|n|q", 1, i) as j:
            k.set(old[(*at, j)], a[(*at, j)])
        with k.loop("j|n|q", 1, i) as j:
            k.set(a[(*at, j)], old[(*at, j)] + gamma * old[(*at, i - j)])
        k.set(a[(*at, i)], gamma)
        k.aug(error, "*", 1.0 - gamma * gamma)
    k.set(
        k.out("residual_energy|gain|pred_error", p.real, lead)[at],
        error if p.chance(0.6) else wp.sqrt(wp.max(error, 0.0)),
    )


# --- phase-locked loop ----------------------------------------------------------------------------


def phase_lock(p: ProgramBuilder) -> None:
    """A phase-locked loop or frequency demodulator along time on complex samples."""
    k = p.kernel_builder(
        "phase_locked_loop|costas_loop|fm_demodulate|carrier_recovery|track_carrier",
        p.pick(
            "Track the carrier of every channel.",
            "Second-order loop on complex samples.",
            "Demodulate by phase differences.",
        ),
    )
    s = Signals(p, k, per="channel", length=p.pick(48, 64, 100))
    vec = p.vec(2)
    z = s.signal("z|iq|baseband|samples", dtype=vec)
    y = s.out("y|baseband_out|demod|freq_out")
    s.mute_exit(chance=0.2)
    if p.chance(0.35):
        _demodulate(p, s, z, y)
        return
    phase, freq = (
        k.var("phase|theta|nco", 0.0, p.real),
        k.var(
            "freq|omega|w_nco",
            s.per_channel("freq0|center_freq|omega0", p.real, R.uniform(0.0, 0.3))
            if p.chance(0.6)
            else k.param("freq0|omega0", 0.01, 0.3),
        ),
    )
    kp, ki = k.param("kp|loop_gain|alpha", 0.05, 0.3), k.param("ki|integral_gain|beta", 0.001, 0.03)
    detector = p.pick("atan", "cross", "costas", "qpsk")
    locked = k.var("locked|in_lock|lock_count", 0) if p.chance(0.4) else None
    with k.loop("n|t|i", s.samples()) as n:
        v = k.let("v|zn|iq_n", s.at(z, n))
        c, d = k.let("c|cs", wp.cos(phase)), k.let("d|sn", wp.sin(phase))
        shown = p.pick("freq", "re", "error")
        re = k.let("re|i_n", v[0] * c + v[1] * d) if detector != "cross" or shown == "re" else v[0]
        im = k.let("im|q_n", v[1] * c - v[0] * d)
        error = k.let("err|pd|e", _phase_error(p, k, re, im, detector))
        k.aug(freq, "+", ki * error)
        if p.chance(0.4):
            limit = k.param("max_freq|freq_limit|pull_range", 0.2, 0.8)
            k.set(freq, wp.clamp(freq, -limit, limit))
        k.aug(phase, "+", freq + kp * error)
        match p.pick("if", "while", "wrap"):
            case "if":
                with k.when(phase > TWO_PI):
                    k.aug(phase, "-", TWO_PI)
                with k.elsewhen(phase < 0.0):
                    k.aug(phase, "+", TWO_PI)
            case "while":
                with k.repeat(phase > TWO_PI):
                    k.aug(phase, "-", TWO_PI)
            case "wrap":
                k.set(phase, phase - TWO_PI * wp.floor(phase / TWO_PI))
        if locked is not None:
            with k.when(wp.abs(error) < k.param("lock_threshold|lock_tol", 0.05, 0.3)):
                k.aug(locked, "+", 1)
        k.set(s.at(y, n), {"freq": freq, "re": re, "error": error}[shown])
    if locked is not None:
        k.set(s.per_channel("lock_samples|lock_score|lock_out", T.I32, R.zeros(), "out"), locked)


def _phase_error(p: ProgramBuilder, k: KernelBuilder, re: Expr, im: Expr, detector: str) -> Expr:
    if detector == "atan":
        return wp.atan2(im, re)
    if detector == "cross":
        return im

    def body(b: Block, i: Expr, q: Expr) -> Expr:
        if detector == "costas":
            return wp.sign(i) * q
        return wp.sign(i) * q - wp.sign(q) * i

    return piece(
        p,
        k,
        f"{detector}_error|phase_detector|decision_error",
        {"i|re": re, "q|im": im},
        body,
        probability=0.7,
    )


def _demodulate(p: ProgramBuilder, s: Signals, z: Expr, y: Expr) -> None:
    k = s.k
    last = k.let("last|prev|z1", s.at(z, 0))
    scale = s.setting("deviation|fm_gain|scale", 0.1, 2.0)
    state = k.var("smooth|de_emph|lp", 0.0, p.real) if p.chance(0.5) else None
    coefficient = k.param("deemphasis|lp_coef|alpha", 0.05, 0.5) if state is not None else None
    with k.loop("n|t|i", 1, s.samples()) as n:
        v = k.let("v|zn", s.at(z, n))
        cross = k.let("cr|cross", v[1] * last[0] - v[0] * last[1])
        if p.chance(0.6):
            value = wp.atan2(cross, v[0] * last[0] + v[1] * last[1]) * scale
        else:
            value = scale * cross / (wp.dot(v, v) + lift(1.0e-3, p.real))
        value = k.let("dphi|inst|w", value)
        if state is not None and coefficient is not None:
            k.aug(state, "+", coefficient * (value - state))
            k.set(s.at(y, n), state)
        else:
            k.set(s.at(y, n), value)
        k.set(last, v)
