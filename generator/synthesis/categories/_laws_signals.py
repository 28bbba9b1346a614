"""Levels, transfer curves and detectors of sound and light."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, physical, piecewise
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _decibel(p: ProgramBuilder, b: Block, pressure: Expr, reference: Expr) -> Results:
    level = b.let("ratio|r|x", wp.max(pressure, p.pick(1.0e-6, 1.0e-5)) / reference)
    return (20.0 * wp.log10(level) if p.chance(0.6) else 8.6858896 * wp.log(level),)


def _mel(p: ProgramBuilder, b: Block, f: Expr) -> Results:
    return (
        2595.0 * wp.log10(1.0 + f / 700.0) if p.chance(0.5) else 1127.0 * wp.log(1.0 + f / 700.0),
    )


@piecewise
def _compressor(p: ProgramBuilder, b: Block, level: Expr, threshold: Expr, ratio: Expr) -> None:
    over = b.let("over|x|excess", level - threshold)
    if p.chance(0.5):
        knee = p.pick(3.0, 6.0)
        with b.when(wp.abs(over) < knee):
            b.ret((1.0 / ratio - 1.0) * (over + knee) * (over + knee) / (4.0 * knee))
    with b.when(over <= 0.0):
        b.ret(number(p, 0.0))
    b.ret(over / ratio - over)


def _envelope(
    p: ProgramBuilder, b: Block, env: Expr, x: Expr, attack: Expr, release: Expr
) -> Results:
    size = b.let("size|a|mag", wp.abs(x))
    rate = (
        choose(size > env, attack, release)
        if p.chance(0.6)
        else wp.where(size > env, attack, release)
    )
    return (env + rate * (size - env),)


def _soft_clip(p: ProgramBuilder, b: Block, x: Expr, drive: Expr) -> Results:
    match p.pick("tanh", "atan", "cubic", "rational"):
        case "tanh":
            return (wp.tanh(drive * x),)
        case "atan":
            return (wp.atan(drive * x) * p.pick(2.0 / 3.14159265, 0.63661977),)
        case "cubic":
            u = b.let("u|v|limited", wp.clamp(drive * x, -1.0, 1.0))
            return (1.5 * u - 0.5 * u * u * u,)
    u = b.let("u|v|driven", drive * x)
    return (u / (1.0 + wp.abs(u)),)


def _biquad(
    p: ProgramBuilder, b: Block, x: Expr, z1: Expr, z2: Expr, c0: Expr, c1: Expr, a1: Expr
) -> Results:
    """One sample of a filter in transposed form."""
    y = b.let("y|out_sample|filtered", c0 * x + z1)
    return y, c1 * x - a1 * y + z2, c0 * x - 0.2 * y


@piecewise
def _srgb(p: ProgramBuilder, b: Block, c: Expr) -> None:
    if p.chance(0.5):
        with b.when(c <= 0.0031308):
            b.ret(12.92 * c)
        b.ret(1.055 * wp.pow(c, p.pick(1.0 / 2.4, 0.41666667)) - 0.055)
    else:
        with b.when(c <= 0.04045):
            b.ret(c / 12.92)
        b.ret(wp.pow((c + 0.055) / 1.055, 2.4))


def _tone_map(p: ProgramBuilder, b: Block, radiance: Expr, exposure: Expr, white: Expr) -> Results:
    x = b.let("x|l|scaled", radiance * exposure)
    match p.pick("reinhard", "filmic", "log"):
        case "reinhard":
            return (x * (1.0 + x / (white * white)) / (1.0 + x),)
        case "filmic":
            return (
                wp.clamp(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 0.0, 1.0) * white,
            )
    return (wp.log(1.0 + x) / wp.log(1.0 + white),)


def _planck(p: ProgramBuilder, b: Block, wavelength: Expr, t: Expr) -> Results:
    x = b.let("x|u|ratio", physical(p, "SECOND_RADIATION", 14387.77) / (wavelength * t))
    w2 = b.let("w2|sq|lam_sq", wavelength * wavelength)
    return (1.191e8 / (w2 * w2 * wavelength * (wp.exp(x) - 1.0)),)


def _fresnel(p: ProgramBuilder, b: Block, cos_i: Expr, n1: Expr, n2: Expr) -> Results:
    r0 = b.let("r0|f0|base", (n1 - n2) / (n1 + n2))
    m = b.let("m|s|grazing", 1.0 - cos_i)
    m2 = m * m
    return (r0 * r0 + (1.0 - r0 * r0) * m2 * m2 * m,)


def _extinction(p: ProgramBuilder, b: Block, distance: Expr, density: Expr, sigma: Expr) -> Results:
    depth = b.let("tau|optical_depth|depth", sigma * density * distance)
    through = wp.exp(-depth)
    if p.chance(0.5):
        through = b.let("through|t|transmitted", through)
    return through, 1.0 - through


def _photon_count(
    p: ProgramBuilder, b: Block, flux: Expr, exposure: Expr, gain: Expr, full_well: Expr
) -> Results:
    electrons = b.let("electrons|e|charge", wp.min(flux * exposure, full_well))
    noise = wp.sqrt(electrons + p.pick(4.0, 9.0, 25.0))
    return electrons / gain, electrons / noise


def _doppler(p: ProgramBuilder, b: Block, f: Expr, source: Expr, observer: Expr) -> Results:
    c = physical(p, "SPEED_OF_SOUND", 343.0)
    return (f * (c + observer) / (c - source),)


def _absorption(p: ProgramBuilder, b: Block, f: Expr, t: Expr) -> Results:
    """Loss of sound in air, in dB per metre, without humidity."""
    khz = b.let("khz|f_k|fk", 0.001 * f)
    return (p.pick(0.0008, 0.001) * khz * khz * wp.sqrt(t / 293.15),)


def _range_equation(
    p: ProgramBuilder, b: Block, r: Expr, area: Expr, power: Expr, gain: Expr
) -> Results:
    spread = b.let("spread|sphere|s", 4.0 * 3.14159265 * r * r)
    return (power * gain * area / (spread * spread),)


_X = ("x|signal|sample", -1.5, 1.5)

SIGNALS = Subject(
    ("channel", "band", "sample", "pixel", "voice"),
    (
        Law("sound_level|to_decibel|level_db", "Level over a reference.", (("pressure|rms", 0.0001, 2.0),),
            (("reference|p_ref", 2.0e-5, 2.1e-5),), ("level|db",), _decibel),
        Law("mel_scale|hz_to_mel|pitch_scale", "Frequency on the mel scale.", (("frequency|freq|f", 20.0, 12000.0),), (), ("mel|pitch",), _mel),
        Law("gain_reduction|compressor|limiter_gain", "Gain of a compressor.", (("level|db_in", 10.0, 60.0),),
            (("threshold|knee_level", 20.0, 40.0), ("ratio|slope", 2.0, 8.0)), ("gain|reduction",), _compressor),
        Law("envelope|follow|peak_meter", "Envelope with two speeds.", (("env|envelope_in", 0.0, 1.0), _X),
            (("attack|rise", 0.1, 0.9), ("release|fall", 0.005, 0.1)), ("env_next|envelope_out",), _envelope),
        Law("soft_clip|saturate|waveshape", "Saturating transfer curve.", (_X,), (("drive|pre_gain", 0.5, 5.0),), ("shaped|y",), _soft_clip),
        Law("biquad|filter_sample|second_order_filter", "One sample of a second-order filter.",
            (_X, ("z1|state1", -0.5, 0.5), ("z2|state2", -0.5, 0.5)), (("c0|b0", 0.05, 0.5), ("c1|b1", 0.05, 0.5), ("a1|feedback", 0.1, 0.8)),
            ("y|filtered", "z1_next|state1_out", "z2_next|state2_out"), _biquad),
        Law("srgb_transfer|encode_srgb|gamma_curve", "Transfer curve of a display.", (("linear|c", 0.0, 1.0),), (), ("encoded|c_out",), _srgb),
        Law("tone_map|display_value|compress_range", "Radiance to display range.", (("radiance|lum", 0.01, 20.0),),
            (("exposure|key", 0.1, 2.0), ("white|white_point", 2.0, 8.0)), ("mapped|display",), _tone_map),
        Law("planck|spectral_radiance|black_body", "Spectral radiance of a black body.", (("wavelength|lam", 0.5, 12.0),),
            (("temperature|t_k", 800.0, 6000.0),), ("radiance_out|b_lam",), _planck),
        Law("fresnel|reflectance|schlick", "Reflectance of an interface.", (("cos_i|cosine", 0.02, 1.0),), (("n1|n_out", 1.0, 1.1), ("n2|n_in", 1.3, 2.0)),
            ("reflectance_out|f_r",), _fresnel),
        Law("extinction|beer_lambert|transmission", "Transmitted and absorbed shares.", (("distance|path", 0.1, 5.0), ("density|conc", 0.05, 1.5)),
            (("sigma|cross_section", 0.1, 2.0),), ("transmitted|t_out", "absorbed|a_out"), _extinction),
        Law("photon_signal|detector|expose", "Counts and signal-to-noise of a detector.", (("flux|photons", 10.0, 5000.0),),
            (("exposure|t_int", 0.1, 5.0), ("gain|e_per_dn", 0.5, 5.0), ("full_well|saturation", 5000.0, 30000.0)),
            ("counts|dn", "snr|signal_to_noise"), _photon_count),
        Law("doppler|shifted_frequency|observed_pitch", "Frequency heard from a moving source.",
            (("frequency|freq", 100.0, 4000.0), ("source_speed|v_s", -30.0, 30.0)), (("observer_speed|v_o", 0.5, 10.0),),
            ("shifted|f_obs",), _doppler),
        Law("air_absorption|attenuation|atmospheric_loss", "Loss of sound in air.", (("frequency|freq", 125.0, 8000.0),),
            (("temperature|t_k", 270.0, 310.0),), ("loss|db_per_m",), _absorption),
        Law("echo_strength|radar_range|received_power", "Power of an echo.", (("range|distance|r", 1.0, 50.0), ("area|cross_section", 0.01, 5.0)),
            (("power|p_tx", 1.0, 100.0), ("gain|antenna_gain", 1.0, 30.0)), ("received|p_rx",), _range_equation),
    ),
)  # fmt: skip
