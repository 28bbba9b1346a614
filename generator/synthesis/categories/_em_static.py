"""Static fields, running Fourier transforms on monitors, and far-field integrals."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, lift

TWO_PI = 6.283185307


def biot_savart(p: ProgramBuilder) -> None:
    """Fields at points from wire segments, charges, dipoles or current loops."""
    what = p.pick("wire", "wire", "charges", "dipoles", "potential")
    names = {
        "wire": "biot_savart|wire_field|segment_field|magnetic_field_of_wires",
        "charges": "coulomb_field|electric_field_of_charges|charge_field",
        "dipoles": "dipole_field|magnet_field|sum_dipoles",
        "potential": "electric_potential|coulomb_potential|potential_at_points",
    }
    docs = {
        "wire": "Magnetic field of straight wire segments.",
        "charges": "Electric field of point charges.",
        "dipoles": "Field of magnetic dipoles.",
        "potential": "Potential of point charges.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], "Field at every observation point."))
    e = Entities(k, "point")
    x = e.field("points|observers|field_points", p.vec(3), R.uniform(-2.0, 2.0)).read("x|pt|obs")
    out = e.out(
        "field|b_field|e_field|field_out" if what != "potential" else "potential|phi|v_out",
        p.vec(3) if what != "potential" else p.real,
    )
    e.guard((out, construct(p.vec(3), 0.0) if what != "potential" else 0.0))
    n = p.pick(12, 16, 24, 32)
    eps = k.param("eps|softening|core_radius", 0.05, 0.3)
    total = (
        k.let("total|field_sum|acc", construct(p.vec(3), 0.0))
        if what != "potential"
        else k.var("total|phi_sum|acc", 0.0, p.real)
    )
    if what == "wire":
        _segments(p, e, x, total, n, eps)
    else:
        _points(p, e, x, total, n, eps, what)
    scale = k.param("mu0_4pi|k_e|prefactor|scale", 0.1, 2.0)
    k.step()
    out.store(total * scale)
    if p.chance(0.3):
        peak = k.out("max_field|peak|largest", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, wp.abs(total) if what == "potential" else wp.length(total)))


def _segments(p: ProgramBuilder, e: Entities, x: Expr, total: Expr, n: int, eps: Expr) -> None:
    k = e.k
    poly = p.chance(0.5)
    nodes = (
        k.array("nodes|wire_points|vertices", p.vec(3), (n + 1,), R.uniform(-1.5, 1.5))
        if poly
        else None
    )
    starts, ends = (
        (None, None)
        if poly
        else (
            k.array("starts|seg_a|p0", p.vec(3), (n,), R.uniform(-1.5, 1.5)),
            k.array("ends|seg_b|p1", p.vec(3), (n,), R.uniform(-1.5, 1.5)),
        )
    )
    current = (
        k.array("currents|seg_current|amps", p.real, (n,), R.uniform(-2.0, 2.0))
        if p.chance(0.6)
        else None
    )
    common = k.param("current|amps_total", 0.5, 3.0) if current is None else None
    exact = p.chance(0.5)

    def finite(b: Block, p0: Expr, p1: Expr, obs: Expr, core: Expr) -> Expr:
        r0, r1 = b.let("r0|ra", obs - p0), b.let("r1|rb", obs - p1)
        l0, l1 = b.let("l0|d0", wp.length(r0)), b.let("l1|d1", wp.length(r1))
        den = b.let("den|denom", l0 * l1 * (l0 * l1 + wp.dot(r0, r1)) + core * core)
        return wp.cross(r0, r1) * ((l0 + l1) / den)

    def midpoint(b: Block, p0: Expr, p1: Expr, obs: Expr, core: Expr) -> Expr:
        dl, r = b.let("dl|seg", p1 - p0), b.let("r|sep", obs - 0.5 * (p0 + p1))
        d2 = b.let("d2|r2", wp.dot(r, r) + core * core)
        return wp.cross(dl, r) / (d2 * wp.sqrt(d2))

    count = nodes.dim(0) - 1 if nodes is not None else starts.dim(0)  # type: ignore[union-attr]
    with k.loop("s|seg|m|j", count) as s:
        p0, p1 = (nodes[s], nodes[s + 1]) if nodes is not None else (starts[s], ends[s])  # type: ignore[index]
        args = {"p0|a": p0, "p1|b": p1, "obs|x": x, "core|eps": eps}
        value = piece(
            p,
            k,
            "segment_contribution|finite_segment|segment_b"
            if exact
            else "current_element|element_field",
            args,
            finite if exact else midpoint,
            probability=0.7,
        )
        k.aug(total, "+", value * (current[s] if current is not None else common))  # type: ignore[operator]


def _points(
    p: ProgramBuilder, e: Entities, x: Expr, total: Expr, n: int, eps: Expr, what: str
) -> None:
    k = e.k
    place = k.array("charge_pos|sources|src_pos", p.vec(3), (n,), R.uniform(-2.0, 2.0))
    charge = (
        k.array("charges|q|strength", p.real, (n,), R.uniform(-1.0, 1.0))
        if what != "dipoles"
        else None
    )
    moment = (
        k.array("moments|dipoles|m_vec", p.vec(3), (n,), R.uniform(-1.0, 1.0))
        if what == "dipoles"
        else None
    )
    cutoff = k.param("cutoff|r_cut|r_max", 1.0, 4.0) if p.chance(0.4) else None
    screening = (
        k.param("debye_length|screening|lambda_d", 0.5, 3.0)
        if what != "dipoles" and p.chance(0.4)
        else None
    )
    with k.loop("s|m|j|src", place.dim(0)) as s:
        d = k.let("d|r|sep", x - place[s])
        r2 = k.let("r2|dist_sq|d2", wp.dot(d, d) + eps * eps)
        if cutoff is not None:
            with k.when(r2 > cutoff * cutoff):
                k.cont()
        r = k.let("rl|dist|rn", wp.sqrt(r2))
        if moment is not None:
            m = k.let("m|mu|dip", moment[s])
            n_hat = k.let("n|r_hat", d / r)
            k.aug(total, "+", (3.0 * n_hat * wp.dot(m, n_hat) - m) / (r2 * r))
        else:
            assert charge is not None
            q = charge[s] if screening is None else charge[s] * wp.exp(-r / screening)
            k.aug(total, "+", q / r if what == "potential" else d * (q / (r2 * r)))


def running_dft(p: ProgramBuilder) -> None:
    """Fourier transforms of fields at monitor cells, accumulated step by step."""
    k = p.kernel_builder(
        "accumulate_dft|running_dft|update_phasors|monitor_dft|frequency_monitor",
        p.pick(
            "Accumulate phasors at the monitor cells.",
            "On-the-fly Fourier transform of the fields.",
        ),
    )
    n, freqs, vec = p.pick(24, 32, 48, 64), p.pick(2, 3, 4, 6), p.vec(2)
    loop = p.chance(0.4)
    if loop:
        m = threads(k, ["m|i|tid|cell"], (n,))[0]
        f = None
    else:
        f, m = threads(k, ["f|fi|freq_id", "m|i|cell"], (freqs, n))
    vector = p.chance(0.35)
    shape = tuple(p.pick(8, 10) for _ in range(3)) if p.chance(0.5) else None
    dtype = p.vec(3) if vector else p.real
    if p.chance(0.35):
        every = k.count("interval|stride|sample_every", p.pick(2, 4, 10))
        with k.when(k.scalar("step|iteration|n_step", T.I32, p.pick(20, 40, 80)) % every != 0):
            k.ret()
    if p.chance(0.3):
        k.launch_dim = (*k.launch_dim[:-1], n + p.pick(8, 16))
        with k.when(m >= (k.scalar("num_cells|n_monitor|n_mon", T.I32, n))):
            k.ret()
    if shape is None:
        field = k.array("samples|field_values|e_mon", dtype, (n,), R.uniform(-1.0, 1.0))
        value = field[m]
    else:
        field = k.array("E|Ez|ez|e_field", dtype, shape, R.uniform(-1.0, 1.0))
        cell = k.let(
            "c|at|idx",
            k.array(
                "monitor_cells|cells|mon_index", T.Vec(3, T.I32), (n,), R.integers(0, min(shape))
            )[m],
        )
        value = field[cell[0], cell[1], cell[2]]
    omegas = k.array("omegas|omega|angular_freq", p.real, (freqs,), R.uniform(0.1, 3.0))
    time, dt = k.param("time|t|sim_time", 0.5, 20.0), k.param("dt|time_step", 0.01, 0.2)
    weight = (
        k.let(
            "w|taper|gate",
            0.5 - 0.5 * wp.cos(TWO_PI * time / k.param("duration|t_total|record_time", 20.0, 60.0)),
        )
        if p.chance(0.35)
        else None
    )
    v = k.let("v|value|e_now", value if weight is None else value * weight)
    dims = (freqs, n)
    if vector:
        re, im = (
            k.array("dft_re|phasor_re", dtype, dims, R.uniform(-0.1, 0.1), "inout"),
            k.array("dft_im|phasor_im", dtype, dims, R.uniform(-0.1, 0.1), "inout"),
        )
    else:
        acc = k.array("phasors|dft|spectrum", vec, dims, R.uniform(-0.1, 0.1), "inout")

    cut = k.param("max_omega|band_limit|omega_cut", 1.0, 2.5) if p.chance(0.25) else None

    def add(q: Expr) -> None:
        if cut is not None:
            with k.when(omegas[q] > cut):
                k.ret() if f is not None else k.cont()
        phase = k.let("ph|arg|phase", omegas[q] * time)
        if vector:
            k.set(re[q, m], re[q, m] + v * (wp.cos(phase) * dt))
            k.set(im[q, m], im[q, m] - v * (wp.sin(phase) * dt))
        else:
            k.set(acc[q, m], acc[q, m] + construct(vec, wp.cos(phase), -wp.sin(phase)) * (v * dt))

    if f is not None:
        add(f)
    else:
        with k.loop("f|q|fi", omegas.dim(0)) as q:
            add(q)


def far_field(p: ProgramBuilder) -> None:
    """Radiation in a direction from currents on a surface: near-to-far transform, array factor."""
    k = p.kernel_builder(
        "near_to_far|radiation_pattern|far_field|rcs_pattern|array_factor",
        p.pick(
            "Far field by summing surface currents with their phases.",
            "Radiated field per direction.",
            "Near-to-far transformation.",
        ),
    )
    dirs, n = p.pick(24, 32, 48, 60), p.pick(24, 32, 40)
    d = threads(k, ["d|a|dir_id|tid"], (dirs,))[0]
    sphere = p.chance(0.5)
    if sphere:
        n_hat = k.let(
            "n|r_hat|look",
            k.array("directions|look_dirs|r_hats", p.vec(3), (dirs,), R.unit_vectors())[d],
        )
    else:
        theta = k.let("theta|ang", construct(p.real, d) * k.param("d_theta|angle_step", 0.03, 0.1))
        phi = k.param("phi|azimuth|cut_angle", 0.1, 3.0)
        st = k.let("st|sin_t", wp.sin(theta))
        n_hat = k.let(
            "n|r_hat|look", construct(p.vec(3), st * wp.cos(phi), st * wp.sin(phi), wp.cos(theta))
        )
    place = k.array("surface_pos|positions|patches", p.vec(3), (n,), R.uniform(-1.0, 1.0))
    jr, ji = (
        k.array("j_re|current_re|js_re", p.vec(3), (n,), R.uniform(-1.0, 1.0)),
        k.array("j_im|current_im|js_im", p.vec(3), (n,), R.uniform(-1.0, 1.0)),
    )
    area = (
        k.array("areas|patch_area|ds", p.real, (n,), R.uniform(0.05, 0.2))
        if p.chance(0.5)
        else None
    )
    wave = k.param("wavenumber|k0|kappa", 1.0, 8.0)
    re, im = (
        k.let("n_re|sum_re|f_re", construct(p.vec(3), 0.0)),
        k.let("n_im|sum_im|f_im", construct(p.vec(3), 0.0)),
    )
    normals = (
        k.array("normals|surface_normals", p.vec(3), (n,), R.unit_vectors())
        if p.chance(0.35)
        else None
    )
    with k.loop("s|m|j", place.dim(0)) as s:
        if normals is not None:
            with k.when(wp.dot(normals[s], n_hat) <= 0.0):
                k.cont()
        phase = k.let("ph|psi|phase", wave * wp.dot(place[s], n_hat))
        c, q = k.let("c|cp", wp.cos(phase)), k.let("q|sp", wp.sin(phase))
        w = area[s] if area is not None else None
        r, i = jr[s] * c - ji[s] * q, jr[s] * q + ji[s] * c
        k.aug(re, "+", r if w is None else r * w)
        k.aug(im, "+", i if w is None else i * w)
    k.step(p.pick("", "transverse part"))
    tr = k.let("t_re|e_re", re - n_hat * wp.dot(n_hat, re))
    ti = k.let("t_im|e_im", im - n_hat * wp.dot(n_hat, im))
    power = k.let("power|u_rad|intensity", wp.dot(tr, tr) + wp.dot(ti, ti))
    out = k.out("pattern|far_power|rcs|radiation", p.real, (dirs,))

    def level(b: Block, v: Expr) -> Expr:
        return 10.0 * wp.log10(wp.max(v, 1.0e-9))

    k.set(
        out[d],
        piece(p, k, "to_db|decibel", {"v|power": power}, level, probability=0.8)
        if p.chance(0.4)
        else power * k.param("scale|eta_factor|k_norm", 0.01, 1.0),
    )
    if p.chance(0.4):
        field = k.out("e_far|far_field_out|e_theta", p.vec(3), (dirs,))
        k.set(field[d], tr)
    if p.chance(0.3):
        total = k.out("total_power|radiated|p_rad", p.real, (1,))
        with k.when(all_of(power > 0.0, n_hat[2] > 0.0)):
            k.do(wp.atomic_add(total, 0, power * lift(0.01, p.real)))
