"""Spectral work with the block FFT on tiles of complex numbers: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

Z = T.VEC2


class Rows:
    """Rows of complex samples, `m` of them per block, each transformed along its length."""

    def __init__(self, p: ProgramBuilder, names: str, docs: tuple[str, ...]) -> None:
        p.real = T.F32
        self.p = p
        self.k: KernelBuilder = p.kernel_builder(names, p.pick(*docs))
        self.t = Tiling(p, self.k)
        self.t.shared = False  # transforms want register tiles
        self.n = self.t.dim("n|fft_size|row_len|num_bins", p.pick(16, 32, 64))
        self.m = (
            self.t.dim("rows_per_block|batch_rows|tile_rows", p.pick(2, 4))
            if p.chance(0.35)
            else self.t.literal(1)
        )
        self.blocks = p.pick(4, 6, 8)
        self.i = self.t.launch(["i|line|row|channel|signal"], (self.blocks,))[0]
        # Without libmathdx a transform's length must be a multiple of the block's threads.
        self.k.block_dim = p.pick(*(d for d in (8, 16, 32, 64) if d <= self.n.value))
        self.rows = self.blocks * self.m.value
        self.k.options["enable_backward"] = False

    @property
    def shape(self) -> list[Dim]:
        return [self.m, self.n]

    @property
    def offset(self) -> list[Any]:
        return [self.i if self.m.value == 1 else self.i * self.m.expr, 0]

    def load(self, hint: str, local: str, role: str = "in") -> Expr:
        """A tile of complex rows."""
        array = self.k.array(hint, Z, (self.rows, self.n.value), R.uniform(-1.0, 1.0), role)
        self.array = array
        return self.k.let(local, self.t.load(array, self.shape, self.offset))

    def store(self, hint: str, value: Expr) -> None:
        assert isinstance(value.type, T.Tile)
        self.t.store(
            self.k.out(hint, value.type.dtype, (self.rows, self.n.value)), value, self.offset
        )

    def fft(self, z: Expr) -> None:
        self.k.do(tile("tile_fft", T.VOID, z))

    def ifft(self, z: Expr) -> None:
        self.k.do(tile("tile_ifft", T.VOID, z))

    def scaled(self, z: Expr) -> Expr:
        """`z` divided by the number of samples, in one of the spellings."""
        match self.p.pick("literal", "divide", "let"):
            case "literal":
                return z * (1.0 / self.n.value)
            case "divide":
                return z / construct(T.F32, self.n.expr)
        return z * self.k.let("inv_n|norm|scale", 1.0 / construct(T.F32, self.n.expr))

    def bins(self, function: UserFunction | None = None) -> Expr:
        """Per-bin numbers as a tile, from a function of the bin's index."""
        index = (
            tile("tile_arange", T.Tile(T.I32, (self.n.value,)), self.n.expr, dtype=T.I32)
            if self.p.chance(0.5)
            else tile("tile_arange", T.Tile(T.I32, (self.n.value,)), 0, self.n.expr, 1, dtype=T.I32)
        )
        flat = self.k.let("freq|kx|omega|wave", self.t.map(function or self.wave_number(), index))
        return self.t.broadcast(flat, self.shape)

    def wave_number(self) -> UserFunction:
        """The signed frequency of a bin."""
        n, p = self.n.value, self.p
        length = p.pick(1.0, 6.2831853, 10.0)
        form = p.pick("where", "if", "mod")

        def body(b: Any, i: Expr) -> None:
            scale = round(6.2831853 / length, 6)
            if form == "if":
                with b.when(i < n // 2):
                    b.ret(scale * construct(T.F32, i))
                b.ret(scale * construct(T.F32, i - n))
            elif form == "mod":
                b.ret(scale * construct(T.F32, (i + n // 2) % n - n // 2))
            else:
                b.ret(scale * wp.where(i < n // 2, construct(T.F32, i), construct(T.F32, i - n)))

        return p.func(
            "wave_number|signed_bin|angular_frequency|k_of_bin", {"i|j|bin_id": T.I32}, body
        )


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
        "poisson": "spectral_poisson|poisson_rows|invert_laplacian_rows", "diffuse": "spectral_diffusion|hyperviscosity_rows|decay_modes",
        "split": "split_step_rows|schroedinger_step|paraxial_step", "wiener": "wiener_deconvolve|deblur_rows|inverse_filter",
        "delay": "fractional_delay|shift_rows|align_channels", "envelope": "analytic_signal|hilbert_rows|instantaneous_amplitude",
        "correlate": "phase_correlation|cross_spectrum|gcc_phat|autocorrelation_rows", "windowed": "windowed_spectrum|stft_frames|periodogram",
        "synth": "synthesise_spectrum|ocean_rows|coloured_noise_rows", "stretch": "spectral_gate|denoise_rows|threshold_spectrum",
    }[kind]  # fmt: skip
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
        "wiener": _wiener,
        "delay": _delay,
        "envelope": _envelope,
        "correlate": _correlate,
        "windowed": _windowed,
        "synth": _synth,
        "stretch": _threshold,
    }[kind](p, r)


def _complex(p: ProgramBuilder, conj: bool) -> UserFunction:
    names = "mul_conj|conj_product|times_conjugate" if conj else "cmul|complex_product|multiply"
    s = -1.0 if conj else 1.0

    def body(b: Any, u: Expr, v: Expr) -> None:
        if p.chance(0.5):
            re = b.let("re|real", u.x * v.x + u.y * v.y if conj else u.x * v.x - u.y * v.y)
            im = b.let("im|imag", u.y * v.x - u.x * v.y if conj else u.y * v.x + u.x * v.y)
            b.ret(construct(Z, re, im))
        else:
            b.ret(
                construct(
                    Z,
                    u.x * v.x - u.y * v.y if s > 0 else u.x * v.x + u.y * v.y,
                    u.y * v.x + u.x * v.y if s > 0 else u.y * v.x - u.x * v.y,
                )
            )

    return p.func(names, {"a|u": Z, "b|v": Z}, body)


def _rotation(p: ProgramBuilder) -> UserFunction:
    def body(b: Any, z: Expr, a: Expr) -> None:
        c, s = b.let("c|cs", wp.cos(a)), b.let("s|sn", wp.sin(a))
        b.ret(construct(Z, c * z.x - s * z.y, s * z.x + c * z.y))

    return p.func("rotate_phase|phase_shift|turn", {"z|u": Z, "a|angle|phi": T.F32}, body)


def _scale_bins(p: ProgramBuilder, names: str, form: Any) -> UserFunction:
    return p.func(names, {"z|u|c": Z, "k|w|freq": T.F32}, lambda b, z, f: b.ret(z * form(b, f)))


def _filtered(p: ProgramBuilder, r: Rows, z: Expr, f: UserFunction, freq: Expr) -> None:
    """Applies a per-mode function and comes back to real space."""
    k = r.k
    y = k.let("y|modes|filtered", r.t.map(f, z, freq))
    r.ifft(y)
    out = r.scaled(y)
    if p.chance(0.3):
        out = k.let("field|result|back", out)
        r.t.atomic(
            k.out("energy|total_power|norm_sq", T.F32, (1,)),
            tile("tile_dot", T.Tile(T.F32, (1,)), out, out),
        )
    r.store("out|solution|filtered_out", out)


def _poisson(p: ProgramBuilder, r: Rows) -> None:
    z = r.load("rhs|sources|charge", "z|rho|src")
    r.fft(z)
    screen = p.pick(0.0, 0.5, 1.0)

    def form(b: Any, f: Expr) -> Expr:
        k2 = b.let("k2|lap|denom", f * f + screen if screen else f * f)
        if screen:
            return -1.0 / k2
        return wp.where(k2 > 0.0, -1.0 / wp.max(k2, 1.0e-6), 0.0)

    _filtered(p, r, z, _scale_bins(p, "inverse_laplacian|green|poisson_mode", form), r.bins())


def _diffuse(p: ProgramBuilder, r: Rows) -> None:
    z = r.load("field|u_all|temperature", "z|u|modes_in")
    r.fft(z)
    nu, order = p.pick(0.001, 0.01, 0.05), p.pick(1, 1, 2)
    implicit = p.chance(0.4)

    def form(b: Any, f: Expr) -> Expr:
        k2 = b.let("k2|ksq", f * f)
        rate = k2 * k2 if order == 2 else k2
        return 1.0 / (1.0 + nu * rate) if implicit else wp.exp(-nu * rate)

    _filtered(p, r, z, _scale_bins(p, "decay_factor|heat_kernel|damp_mode", form), r.bins())


def _split(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = k.var("psi|z|wave", r.load("psi_in|wavefunction|fields", "z0|psi0|start"))
    turn = _rotation(p)
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


def _wiener(p: ProgramBuilder, r: Rows) -> None:
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
        re, im = a.x * g.x + a.y * g.y, a.y * g.x - a.x * g.y
        b.ret(construct(Z, re, im) / (power + noise))

    y = k.let(
        "y|restored|est",
        t.map(p.func("wiener|wiener_gain|regularised_inverse", {"z|a": Z, "h|g": Z}, body), z, h),
    )
    r.ifft(y)
    r.store("restored_out|deblurred|estimate", r.scaled(y))


def _delay(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("channels|signals|rows_in", "z|sig|ch")
    r.fft(z)
    delay = k.array("delays|shifts|lags", T.F32, (r.blocks,), R.uniform(-3.0, 3.0))[r.i]
    angle = r.bins() * (-k.let("tau|shift|lag", delay) if p.chance(0.6) else delay * -1.0)
    y = k.let("y|shifted|aligned", t.map(_rotation(p), z, angle))
    if p.chance(0.4):
        t.atomic(k.out("beam_spectrum|stacked|summed", Z, (r.m.value, r.n.value)), y, [0, 0])
    r.ifft(y)
    r.store("aligned_out|delayed|shifted_out", r.scaled(y))


def _envelope(p: ProgramBuilder, r: Rows) -> None:
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
        t.map(_scale_bins(p, "keep_bin|weigh|gate_mode", lambda b, f: f), z, weight),
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


def _correlate(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    a = r.load("reference|channel_a|rows_a", "a|za|ref")
    r.fft(a)
    auto = p.chance(0.3)
    b = a if auto else r.load("moving|channel_b|rows_b", "b|zb|mov")
    if not auto:
        r.fft(b)
    c = k.let("c|cross|spec", t.map(_complex(p, True), a, b))
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


def _windowed(p: ProgramBuilder, r: Rows) -> None:
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
        t.map(_scale_bins(p, "apply_taper|weigh_sample|taper_sample", lambda b, f: f), z, w),
    )
    r.fft(y)
    decibel = p.chance(0.4)
    power = p.func(
        "power_db|log_power" if decibel else "power_of|magnitude_sq", {"z|u": Z},
        lambda b, u: b.ret(10.0 * wp.log10(wp.max(wp.dot(u, u), 1.0e-9)) if decibel else wp.dot(u, u)),
    )  # fmt: skip
    s = k.let("s|psd|power", t.map(power, y))
    if p.chance(0.45) and not decibel:
        mean = t.total("tile_sum", s, 0) * round(1.0 / r.rows, 6)
        t.atomic(k.out("mean_psd|welch|averaged", T.F32, (n,)), mean)
    else:
        r.store("spectrogram|psd_out|power_out", s)


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
        t.map(_scale_bins(p, "spectrum_shape|amplitude_of|mode_amplitude", form), z, freq),
    )
    if p.chance(0.5):
        time = k.param("time|t|elapsed", 0.5, 5.0)
        speed = p.func(
            "dispersion|mode_frequency|omega_of",
            {"k|f": T.F32},
            lambda b, f: b.ret(wp.sqrt(9.81 * wp.abs(f))),
        )
        y = k.let("evolved|moving|turned", t.map(_rotation(p), y, t.map(speed, freq) * time))
    r.ifft(y)
    if p.chance(0.6):
        r.store(
            "heights|field_out|noise_out",
            t.map(p.func("real_part|height_of", {"z|u": Z}, lambda b, u: b.ret(u.x)), y),
        )
    else:
        r.store("field_out|complex_field|displacements", y)


def _threshold(p: ProgramBuilder, r: Rows) -> None:
    k, t = r.k, r.t
    z = r.load("noisy|traces|rows_in", "z|sig|obs")
    r.fft(z)
    limit, soft = p.pick(0.5, 1.0, 2.0), p.chance(0.5)

    def body(b: Any, u: Expr) -> None:
        size = b.let("size|mag|a", wp.length(u))
        with b.when(size <= limit):
            b.ret(construct(Z, 0.0, 0.0))
        b.ret(u * ((size - limit) / size) if soft else u)

    y = k.let("y|kept|denoised", t.map(p.func("shrink_mode|soft_gate|gate", {"z|u": Z}, body), z))
    r.ifft(y)
    r.store("clean|denoised_out|restored", r.scaled(y))
