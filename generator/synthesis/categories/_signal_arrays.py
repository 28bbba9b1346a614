"""Correlation, peak picking, spectral features, and beamforming over sensor arrays."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._signals import Signals, complex_multiply, decibels
from generator.synthesis.idioms import blend, piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

# --- correlation ----------------------------------------------------------------------------------


def autocorrelation(p: ProgramBuilder) -> None:
    """Auto- and cross-correlation at one lag a thread, with the usual normalisations."""
    cross = p.chance(0.4)
    k = p.kernel_builder(
        "cross_correlate|xcorr|lag_correlation|delay_estimate"
        if cross
        else "autocorrelation|autocorr|pitch_lags|yin_difference|lag_energy",
        p.pick(
            "Correlation at every lag.",
            "One lag per thread.",
            "Similarity of a signal and its delayed copy.",
        ),
    )
    lags, length = p.pick(16, 24, 32), p.pick(64, 80, 100, 128)
    s = Signals(p, k, length=length, threads_along=lags, time="lag|tau|l|d")
    x = s.signal("x|signal|samples|frame")
    other = s.signal("y|reference|template|x2") if cross else x
    s._known = x
    out = s.out("corr|r|lag_out|acf", length=lags)
    s.mute_exit((s.at(out), 0.0), chance=0.12)
    lag = s.n
    assert lag is not None
    count = s.samples()
    offset = k.count("max_lag|half_lags|lag0", lags // 2) if cross and p.chance(0.5) else None
    shift = k.let("shift|delay|m", lag - offset) if offset is not None else lag
    acc = k.var("acc|total|r_lag", 0.0, p.real)
    norm = p.weighted({"none": 3, "unbiased": 2, "energy": 3, "difference": 2})
    ex, ey = (
        (k.var("ex|e0|energy_a", 0.0, p.real), k.var("ey|e1|energy_b", 0.0, p.real))
        if norm == "energy"
        else (None, None)
    )
    low = wp.max(-shift, 0) if offset is not None else 0
    high = count - (shift if offset is None else wp.max(shift, 0))
    with k.loop("n|t|i", low, high) if offset is not None else k.loop("n|t|i", high) as n:
        a, b = s.at(x, n), s.at(other, n + shift)
        if norm in ("energy", "difference") or p.chance(0.3):
            a, b = k.let("a|u|xa", a), k.let("b|v|xb", b)
        if norm == "difference":
            d = k.let("d|diff", a - b)
            k.aug(acc, "+", d * d)
        else:
            k.aug(acc, "+", a * b)
        if ex is not None and ey is not None:
            k.aug(ex, "+", a * a)
            k.aug(ey, "+", b * b)
    value: Expr = acc
    if norm == "unbiased":
        value = acc / construct(
            p.real, count - wp.abs(shift) if offset is not None else count - shift
        )
    elif ex is not None and ey is not None:
        value = 2.0 * acc / (ex + ey) if p.chance(0.4) else acc / wp.sqrt(ex * ey + 1.0e-9)
    k.set(s.at(out), value)
    if p.chance(0.25):
        best = k.out("best|max_corr|peak_value", p.real, (1,))
        k.do(wp.atomic_max(best, 0, acc))


# --- peaks and features ---------------------------------------------------------------------------


def peaks(p: ProgramBuilder) -> None:
    """Local maxima with thresholds, refinement and compaction."""
    k = p.kernel_builder(
        "find_peaks|pick_peaks|detect_onsets|local_maxima|peak_picking",
        p.pick(
            "Local maxima above a threshold.",
            "Pick peaks and refine their position.",
            "Mark onsets.",
        ),
    )
    s = Signals(p, k)
    x = s.signal("x|spectrum|novelty|signal", R.uniform(0.0, 1.0))
    n, last = s.n, s.samples() - 1
    assert n is not None
    with k.when(any_of(n == 0, n == last) if p.chance(0.6) else any_of(n < 1, n >= last)):
        k.ret()
    form = p.pick("early", "nested", "window")
    b = k.let("mid|b|y0", s.at(x))
    a, c = s.at(x, n - 1), s.at(x, n + 1)
    if form != "window":
        a, c = k.let("left|a|ym1", a), k.let("right|c|yp1", c)
    limit = s.setting("threshold|min_height|level", 0.3, 0.7)
    if form == "window":
        reach = k.count("min_distance|radius|half_window", p.pick(2, 3, 4))
        top = k.var("is_peak|best|ok", True)
        lo, hi = (
            k.let("lo|first", wp.max(n - reach, 0)),
            k.let("hi|stop", wp.min(n + reach + 1, s.samples())),
        )
        with k.loop("m|j|q", lo, hi) as m, k.when(s.at(x, m) > b):
            k.set(top, False)
            if p.chance(0.6):
                k.brk()
        keep = all_of(top, b > limit)
    else:
        keep = all_of(b > a, b >= c, b > limit)
    if form == "early":
        with k.when(any_of(b <= a, b < c, b < limit)):
            k.ret()
        _peak_found(p, s, a, b, c)
        return
    with k.when(keep):
        _peak_found(p, s, a, b, c)


def _peak_found(p: ProgramBuilder, s: Signals, a: Expr, b: Expr, c: Expr) -> None:
    k = s.k
    n = s.n
    assert n is not None
    position: Expr = construct(p.real, n)
    if p.chance(0.65):

        def body(block: object, l: Expr, m: Expr, r: Expr) -> Expr:  # noqa: E741
            return 0.5 * (l - r) / (l - 2.0 * m + r - 1.0e-6)

        delta = k.let(
            "delta|offset|frac",
            piece(
                p,
                k,
                "parabolic_offset|vertex|refine_peak",
                {"a|left": a, "b|mid": b, "c|right": c},
                body,
                probability=0.6,
            ),
        )
        position = k.let("pos|refined|location", position + delta)
    match p.pick("mark", "count", "histogram", "strongest"):
        case "mark":
            k.set(s.at(s.out("peak_pos|positions|peak_at")), position)
            if p.chance(0.6):
                k.set(s.at(s.out("is_peak_out|peak_mask|flags", T.I32)), 1)
        case "count":
            count = k.out("num_peaks|peak_count|counts", T.I32, (s.channels,))
            k.do(wp.atomic_add(count, s.c if s.c is not None else 0, 1))
            k.set(s.at(s.out("peak_pos|positions|peak_at")), position)
        case "histogram":
            bins = p.pick(8, 10, 16)
            hist = k.out("histogram|height_bins|peak_hist", T.I32, (bins,))
            slot = k.let("slot|bin_idx|h", wp.clamp(construct(T.I32, b * float(bins)), 0, bins - 1))
            k.do(wp.atomic_add(hist, slot, 1))
            k.set(
                s.at(s.out("height|peak_height|strength")),
                b - 0.25 * (a - c) if p.chance(0.5) else position,
            )
        case "strongest":
            best = k.out("strongest|max_peak|top_level", p.real, (s.channels,))
            k.do(wp.atomic_max(best, s.c if s.c is not None else 0, b))
            k.set(s.at(s.out("peak_pos|positions|peak_at")), position)


def spectral_features(p: ProgramBuilder) -> None:
    """Features of a frame's spectrum: centroid, spread, flux, rolloff, flatness, filter banks."""
    k = p.kernel_builder(
        "spectral_features|spectral_centroid|frame_features|mel_filterbank|spectral_flux|frame_descriptor",
        p.pick("Spectral shape of each frame.", "Descriptors of one frame per thread."),
    )
    frames, bins = p.pick(16, 24, 32, 48), p.pick(17, 33, 65)
    batch = p.pick(None, None, None, 2, 3)
    if batch is None:
        f = threads(k, ["frame|f|t|i"], (frames,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        b, f = threads(k, ["clip|b|batch", "frame|f|t"], (batch, frames))
        lead = (b,)
    shape = (frames, bins) if batch is None else (batch, frames, bins)
    per_frame = shape[:-1]
    mag = k.array("mag|spectrum|spec|power", p.real, shape, R.uniform(0.01, 1.0))
    size = mag.dim(len(shape) - 1) if p.chance(0.6) else k.count("num_bins|n_bins|bins", bins)
    df = k.param("bin_hz|df|bin_width", 10.0, 100.0) if p.chance(0.5) else None
    at = (*lead, f)

    def hertz(i: Expr) -> Expr:
        return construct(p.real, i) if df is None else construct(p.real, i) * df

    wanted = p.sample(["centroid", "rolloff", "flatness", "flux", "energy", "spread"], 1, 4)
    total, moment = (
        k.var("total|energy|e_sum", 0.0, p.real),
        k.var("moment|weighted|m1", 0.0, p.real),
    )
    second = k.var("second|m2", 0.0, p.real) if "spread" in wanted else None
    logs = k.var("log_sum|acc_log", 0.0, p.real) if "flatness" in wanted else None
    flux = k.var("flux|rise", 0.0, p.real) if "flux" in wanted else None
    before = k.let("prev|f_prev", wp.max(f - 1, 0)) if flux is not None else None
    with k.loop("b|i|q", size) as i:
        v = k.let("v|m|a", mag[(*at, i)])
        k.aug(total, "+", v)
        k.aug(moment, "+", hertz(i) * v)
        if second is not None:
            k.aug(second, "+", hertz(i) * hertz(i) * v)
        if logs is not None:
            k.aug(logs, "+", wp.log(v))
        if flux is not None and before is not None:
            rise = v - mag[(*lead, before, i)]
            k.aug(flux, "+", wp.max(rise, 0.0) if p.chance(0.6) else rise * rise)
    centroid = k.let("centre|centroid_hz|mean_f", moment / total)
    k.set(k.out("centroid|centroid_out|brightness", p.real, per_frame)[at], centroid)
    if second is not None:
        k.set(
            k.out("spread|bandwidth", p.real, per_frame)[at],
            wp.sqrt(wp.max(second / total - centroid * centroid, 0.0)),
        )
    if logs is not None:
        n = construct(p.real, size)
        k.set(k.out("flatness|flatness_out", p.real, per_frame)[at], wp.exp(logs / n) / (total / n))
    if flux is not None:
        k.set(k.out("flux_out|onset_strength", p.real, per_frame)[at], flux)
    if "rolloff" in wanted:
        _rolloff(p, k, mag, at, size, total, per_frame, hertz)
    if "energy" in wanted:
        loudest = k.out("max_energy|loudest", p.real, (1,))
        k.do(wp.atomic_max(loudest, 0, total))


def _rolloff(
    p: ProgramBuilder,
    k: KernelBuilder,
    mag: Expr,
    at: tuple[Expr, ...],
    size: Expr,
    total: Expr,
    per_frame: tuple[int, ...],
    hertz: object,
) -> None:
    target = k.let("target|goal", total * k.param("rolloff_share|percent|share", 0.8, 0.95))
    cum = k.var("cum|running|partial", 0.0, p.real)
    out = k.out("rolloff|rolloff_out|cut_hz", p.real, per_frame)
    if p.chance(0.5):
        pos = k.var("edge|pos|cut", 0)
        with k.repeat(all_of(pos < size, cum < target)):
            k.aug(cum, "+", mag[(*at, pos)])
            k.aug(pos, "+", 1)
        k.set(out[at], hertz(pos))  # type: ignore[operator]
        return
    with k.loop("b|i|q", size) as i:
        k.aug(cum, "+", mag[(*at, i)])
        with k.when(cum >= target):
            k.set(out[at], hertz(i))  # type: ignore[operator]
            k.brk()


# --- beamforming ----------------------------------------------------------------------------------


def beamform(p: ProgramBuilder) -> None:
    """Delay-and-sum and narrow-band beamformers over sensors in space."""
    if p.chance(0.45):
        _narrowband(p)
        return
    k = p.kernel_builder(
        "delay_and_sum|beamform|steered_response|das_image|focus_array",
        p.pick(
            "Delay-and-sum beamformer.",
            "Sum sensor signals aligned for one direction.",
            "Steered output of a sensor array.",
        ),
    )
    sensors, looks, length = p.pick(4, 8, 12, 16), p.pick(6, 8, 12, 16), p.pick(64, 96, 128)
    image = p.chance(0.4)
    x = None
    if image:
        look = threads(k, ["pix|q|look|point"], (p.pick(48, 64, 100),))[0]
        points = k.array("points|pixels|focus", p.vec(3), k.launch_dim, R.uniform(0.5, 2.0))
        n = None
    else:
        look, n = threads(k, ["look|d|beam|dir_id", "n|t|i"], (looks, length))
        points = k.array("directions|look_dirs|steering", p.vec(3), (looks,), R.unit_vectors())
    x = k.array("signals|x|sensor_data|rf", p.real, (sensors, length), R.uniform(-1.0, 1.0))
    place = k.array("mic_pos|sensor_pos|elements", p.vec(3), (sensors,), R.uniform(-0.3, 0.3))
    taper = (
        k.array("shading|apodization|weights", p.real, (sensors,), R.uniform(0.2, 1.0))
        if p.chance(0.5)
        else None
    )
    fs, c = k.param("sample_rate|fs", 8.0, 24.0), k.param("speed_of_sound|c0|wave_speed", 0.8, 1.5)
    scale = k.let("samples_per_m|inv_c|scale", fs / c) if p.chance(0.6) else fs / c
    d = k.let("u|direction|p_look", points[look])
    acc, norm = (
        k.var("acc|total|beam", 0.0, p.real),
        k.var("norm|w_sum|used", 0.0, p.real) if p.chance(0.5) else None,
    )
    with k.loop(
        "m|s|mic|el",
        x.dim(0) if p.chance(0.6) else k.count("num_mics|num_sensors|n_elements", sensors),
    ) as m:
        delay = wp.length(d - place[m]) * scale if image else wp.dot(place[m], d) * scale
        t = k.let(
            "t|pos|tau",
            delay
            if n is None
            else construct(p.real, n) - delay
            if p.chance(0.5)
            else construct(p.real, n) + delay,
        )
        value = _delayed(p, k, x, m, t)
        w = taper[m] if taper is not None else None
        k.aug(acc, "+", value if w is None else w * value)
        if norm is not None:
            k.aug(norm, "+", w if w is not None else 1.0)
    result = acc if norm is None else acc / wp.max(norm, 1.0e-3 if taper is not None else 1.0)
    result = k.let("out_value|beam_out|value", result)
    where = (look,) if n is None else (look, n)
    out = k.out("beam|output|image|focused", p.real, k.launch_dim)
    k.set(out[where], wp.abs(result) if image and p.chance(0.5) else result)
    if n is not None and p.chance(0.5):
        power = k.out("power|beam_power|srp", p.real, (looks,))
        k.do(wp.atomic_add(power, look, result * result))


def _delayed(p: ProgramBuilder, k: KernelBuilder, x: Expr, m: Expr, t: Expr) -> Expr:
    """A sensor's signal at a fractional sample position, zero outside."""
    length = x.dim(1)
    form = p.pick("guard", "continue", "clamp", "nearest")
    if form == "nearest":
        return x[m, k.let("idx|i0|src", wp.clamp(construct(T.I32, wp.round(t)), 0, length - 1))]
    if form == "clamp":
        t = k.let("tc|t_in", wp.clamp(t, 0.0, construct(p.real, length - 2)))
    i = k.let("i0|base|lo", construct(T.I32, wp.floor(t)))
    frac = k.let("frac|a|mu", t - construct(p.real, i))
    if form == "continue":
        with k.when(any_of(i < 0, i >= length - 1)):
            k.cont()
        return blend(p, x[m, i], x[m, i + 1], frac)
    if form == "clamp":
        return blend(p, x[m, i], x[m, i + 1], frac)
    value = k.var("v|sample|s_m", 0.0, p.real)
    with k.when(all_of(i >= 0, i < length - 1)):
        k.set(value, blend(p, x[m, i], x[m, i + 1], frac))
    return value


def _narrowband(p: ProgramBuilder) -> None:
    """Phase-shift beamforming on complex snapshots, conventional or weighted."""
    k = p.kernel_builder(
        "narrowband_beam|bartlett_spectrum|phased_array|steering_power|array_pattern",
        p.pick(
            "Bartlett spectrum over look directions.",
            "Phase-align complex snapshots and sum.",
            "Array response by direction.",
        ),
    )
    sensors, looks, snaps, vec = (
        p.pick(4, 6, 8),
        p.pick(16, 24, 32, 48),
        p.pick(1, 4, 8, 10),
        p.vec(2),
    )
    look = threads(k, ["look|d|beam|a"], (looks,))[0]
    data = k.array("snapshots|z|phasors|x", vec, (snaps, sensors), R.uniform(-1.0, 1.0))
    linear = p.chance(0.5)
    if linear:
        spacing = k.param("spacing|d_over_lambda|pitch", 0.25, 0.6)
        angle = k.let(
            "theta|angle|az",
            construct(p.real, look) * k.param("angle_step|d_theta", 0.03, 0.1)
            - k.param("angle_start|theta0", 0.5, 1.5),
        )
        slope = k.let("slope|dphi|ku", 6.283185307 * spacing * wp.sin(angle))
        place = dirs = wavenumber = None
    else:
        place = k.array("sensor_pos|elements|antennas", p.vec(3), (sensors,), R.uniform(-1.0, 1.0))
        dirs = k.array("directions|look_dirs|unit_dirs", p.vec(3), (looks,), R.unit_vectors())
        wavenumber = k.param("wavenumber|k0|kappa", 1.0, 6.0)
        slope = None
    weights = (
        k.array("weights|taper|steering_w", vec, (sensors,), R.uniform(-1.0, 1.0))
        if p.chance(0.35)
        else None
    )
    cmul = complex_multiply(p) if weights is not None and p.chance(0.5) else None
    power = k.var("power|total|energy", 0.0, p.real)
    loading = k.param("loading|noise_floor|diag_load", 0.001, 0.1) if p.chance(0.3) else None
    with k.loop("s|snap|t", data.dim(0)) as s:
        re, im = k.var("re|sum_re", 0.0, p.real), k.var("im|sum_im", 0.0, p.real)
        with k.loop("m|el|q", data.dim(1)) as m:
            if slope is not None:
                phi = k.let("phi|phase", slope * construct(p.real, m))
            else:
                assert place is not None
                assert dirs is not None
                assert wavenumber is not None
                phi = k.let("phi|phase", wavenumber * wp.dot(place[m], dirs[look]))
            cp, sp = k.let("cp|c|co", wp.cos(phi)), k.let("sp|s_phi|si", wp.sin(phi))
            z = k.let("z|v|xm", data[s, m])
            if weights is not None:
                w = k.let("w|wm", weights[m])
                turned = (
                    cmul(construct(vec, w[0], -w[1]), z)
                    if cmul
                    else construct(vec, w[0] * z[0] + w[1] * z[1], w[0] * z[1] - w[1] * z[0])
                )
                z = k.let("zw|wz", turned)
            k.aug(re, "+", z[0] * cp + z[1] * sp)
            k.aug(im, "+", z[1] * cp - z[0] * sp)
        k.aug(power, "+", re * re + im * im)
    scale = (
        construct(p.real, data.dim(0) * data.dim(1))
        if p.chance(0.5)
        else construct(p.real, data.dim(0))
    )
    value = k.let(
        "value|response|p_look", power / scale if loading is None else power / scale + loading
    )
    out = k.out("response|spectrum|pattern|beam_power", p.real, (looks,))
    k.set(out[look], value if p.chance(0.6) else decibels(p, k, value))
    if p.chance(0.35):
        best = k.out("peak|max_response", p.real, (1,))
        k.do(wp.atomic_max(best, 0, value))
