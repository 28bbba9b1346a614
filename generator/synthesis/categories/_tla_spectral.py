"""Spectral work with the block FFT on tiles of complex numbers: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tla_spectral_rows import (
    Rows,
    bin_scaling,
    phase_rotation,
    store_filtered,
)
from generator.synthesis.categories._tla_spectral_signals import (
    correlate,
    delay,
    envelope,
    threshold,
    wiener,
    windowed,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Z = T.VEC2


def spectral(p: ProgramBuilder) -> None:
    """Transforms of rows: Poisson and diffusion solves, split steps, deconvolution, delays, envelopes, coherence."""
    kind = p.weighted(
        {
            "poisson": 2,
            "diffuse": 2,
            "split": 2.5,
            "wiener": 2,
            "delay": 1.5,
            "envelope": 2,
            "correlate": 2.5,
            "windowed": 2,
            "synth": 1.5,
            "stretch": 1,
        }
    )
    names = {
        "poisson": "spectral_poisson|poisson_rows|invert_laplacian_rows",
        "diffuse": "spectral_diffusion|hyperviscosity_rows|decay_modes",
        "split": "split_step_rows|schroedinger_step|paraxial_step",
        "wiener": "wiener_deconvolve|deblur_rows|inverse_filter",
        "delay": "fractional_delay|shift_rows|align_channels",
        "envelope": "analytic_signal|hilbert_rows|instantaneous_amplitude",
        "correlate": "phase_correlation|cross_spectrum|gcc_phat|autocorrelation_rows",
        "windowed": "windowed_spectrum|stft_frames|periodogram",
        "synth": "synthesise_spectrum|ocean_rows|coloured_noise_rows",
        "stretch": "spectral_gate|denoise_rows|threshold_spectrum",
    }[kind]
    r = Rows(
        p,
        names,
        (
            "Complex rows stored as vec2.",
            "Forward transform, work per mode, inverse transform.",
            "One group of rows per block.",
            "Periodic along the transformed axis.",
        ),
    )
    {
        "poisson": _poisson,
        "diffuse": _diffuse,
        "split": _split,
        "wiener": wiener,
        "delay": delay,
        "envelope": envelope,
        "correlate": correlate,
        "windowed": windowed,
        "synth": _synth,
        "stretch": threshold,
    }[kind](p, r)


def _poisson(p: ProgramBuilder, r: Rows) -> None:
    z = r.load("rhs|sources|charge", "z|rho|src")
    r.fft(z)
    screen = p.pick(0.0, 0.5, 1.0)

    def form(b: Any, f: Expr) -> Expr:
        k2 = b.let("k2|lap|denom", f * f + screen if screen else f * f)
        if screen:
            return -1.0 / k2
        return wp.where(k2 > 0.0, -1.0 / wp.max(k2, 1.0e-6), 0.0)

    store_filtered(p, r, z, bin_scaling(p, "inverse_laplacian|green|poisson_mode", form), r.bins())


def _diffuse(p: ProgramBuilder, r: Rows) -> None:
    z = r.load("field|u_all|temperature", "z|u|modes_in")
    r.fft(z)
    nu, order = p.pick(0.001, 0.01, 0.05), p.pick(1, 1, 2)
    implicit = p.chance(0.4)

    def form(b: Any, f: Expr) -> Expr:
        k2 = b.let("k2|ksq", f * f)
        rate = k2 * k2 if order == 2 else k2
        return 1.0 / (1.0 + nu * rate) if implicit else wp.exp(-nu * rate)

    store_filtered(p, r, z, bin_scaling(p, "decay_factor|heat_kernel|damp_mode", form), r.bins())


def _split(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = k.var("psi|z|wave", r.load("psi_in|wavefunction|fields", "z0|psi0|start"))
    turn = phase_rotation(p)
    potential = k.let(
        "v|pot|index",
        t.load(
            k.array("potential|refractive|V", T.F32, (r.rows, r.n.value), R.uniform(-1.0, 1.0)),
            r.shape,
            r.offset,
        ),
    )
    dt = k.param("dt|dz|step", 0.005, 0.1)
    freq = (
        k.let("k2|kinetic|dispersion", t.map("mul", fx := r.bins(), fx)) if p.chance(0.5) else None
    )
    if freq is None:
        kx = k.let("kx_tile|kk|q", r.bins())
        freq = k.let("k2|kinetic|dispersion", kx * kx)
    steps = k.count("num_steps|substeps|steps", p.pick(2, 3, 4)) if p.chance(0.5) else None
    nonlinear = p.chance(0.35)

    def advance() -> None:
        half = k.let(
            "half|kicked|psi_v",
            t.map(turn, z, potential * (-0.5 * dt) if p.chance(0.5) else potential * (-dt)),
        )
        r.fft(half)
        moved = k.let("moved|drift|psi_k", t.map(turn, half, freq * (-0.5 * dt)))
        r.ifft(moved)
        back = r.scaled(moved)
        if nonlinear:
            gain = p.pick(0.1, 0.5, 1.0)
            kerr = p.func(
                "kerr_phase|self_phase|nonlinear_phase",
                {"z|u": Z},
                lambda b, u: b.ret(-gain * (u.x * u.x + u.y * u.y)),
            )
            back = k.let("before|psi_b|lin", back)
            k.set(z, t.map(turn, back, t.map(kerr, back) * dt))
        else:
            k.set(z, back)

    if steps is None:
        advance()
    else:
        with k.loop("s|it|step_id", steps):
            advance()
    r.store("psi_out|fields_out|wave_out", z)
    if p.chance(0.4):
        t.atomic(
            k.out("norm|total_prob|power_out", T.F32, (1,)),
            tile("tile_dot", T.Tile(T.F32, (1,)), z, z),
        )


def _synth(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("noise|gaussian_modes|amplitudes", "z|xi|amp")
    decay, floor = p.pick(1.0, 1.5, 2.0), p.pick(0.1, 0.5, 1.0)
    kind = p.pick("power", "gauss", "phillips")

    def form(b: Any, f: Expr) -> Expr:
        if kind == "power":
            return wp.pow(wp.abs(f) + floor, -decay)
        if kind == "gauss":
            return wp.exp(-0.5 * floor * f * f)
        k2 = b.let("k2|ksq", wp.max(f * f, 0.01))
        return wp.exp(-floor / k2) / (k2 + floor)

    freq = r.bins()
    y = k.let(
        "y|modes|shaped",
        t.map(bin_scaling(p, "spectrum_shape|amplitude_of|mode_amplitude", form), z, freq),
    )
    if p.chance(0.5):
        time = k.param("time|t|elapsed", 0.5, 5.0)
        speed = p.func(
            "dispersion|mode_frequency|omega_of",
            {"k|f": T.F32},
            lambda b, f: b.ret(wp.sqrt(9.81 * wp.abs(f))),
        )
        y = k.let("evolved|moving|turned", t.map(phase_rotation(p), y, t.map(speed, freq) * time))
    r.ifft(y)
    if p.chance(0.6):
        r.store(
            "heights|field_out|noise_out",
            t.map(p.func("real_part|height_of", {"z|u": Z}, lambda b, u: b.ret(u.x)), y),
        )
    else:
        r.store("field_out|complex_field|displacements", y)
