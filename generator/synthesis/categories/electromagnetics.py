"""Electromagnetics: FDTD updates, absorbing layers, dispersive media, sources, energy, plasma particles."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._em_particles import (
    boris_push,
    deposit,
    gather_push,
    grid_field,
)
from generator.synthesis.categories._em_planar import (
    absorbing_edge,
    planar_update,
    total_field_line,
)
from generator.synthesis.categories._em_static import biot_savart, far_field, running_dft
from generator.synthesis.categories._grids import threads
from generator.synthesis.categories._yee import Components, Yee, gaussian_pulse
from generator.synthesis.logic import all_of, any_of, negate
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, lift


@category("electromagnetics", version=1, title="Electromagnetics")
def write(p: ProgramBuilder) -> None:
    """Maxwell's equations on Yee grids in two and three dimensions: electric and magnetic updates, conducting,
    dispersive and perfectly matched media, sources, absorbing edges, energy and flux, running Fourier transforms, far
    fields, static fields of wires and charges, and the particle side of plasma codes (Boris push, gather, deposit)."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _electric: 3.0,
            _magnetic: 2.2,
            _convolution_layer: 2.0,
            _dispersive: 2.2,
            _source: 1.6,
            _energy: 2.0,
            planar_update: 3.0,
            absorbing_edge: 1.6,
            total_field_line: 1.0,
            running_dft: 1.6,
            far_field: 1.6,
            biot_savart: 2.0,
            boris_push: 2.2,
            deposit: 2.2,
            gather_push: 2.2,
            grid_field: 1.4,
        }
    )(p)


# --- Yee updates ----------------------------------------------------------------------------------


def _electric(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_e|update_electric|e_field_update|ampere_step|advance_e",
        p.pick(
            "Electric field from the curl of H.",
            "Ampere half of the Yee scheme.",
            "Advance E by one step.",
        ),
    )
    y = Yee(p, k)
    e, h = y.field("E", "inout"), y.field("H")
    y.edge_exit(-1)
    if p.chance(0.3):
        metal = y.cells("pec|metal|conductor", R.mask(0.12), p.pick(T.I32, T.BOOL))
        cell = metal[y.at]
        with k.when(cell if cell.type == T.BOOL else cell == 1):
            if p.chance(0.7):
                _write(y, e, [lift(0.0, p.real)] * 3)
            k.ret()
    inv = y.spacings()
    keep, gain = _medium(p, y)
    curls = _curls(p, y, h, inv, -1, "h")
    current = y.field("J") if p.chance(0.3) else None
    new = []
    for a in range(3):
        drive = curls[a] if current is None else curls[a] - y.get(current, a)
        old = y.get(e, a)
        new.append(old + gain * drive if keep is None else keep * old + gain * drive)
    _write(y, e, new)
    if p.chance(0.2):
        peak = k.out("max_e|peak_field|e_max", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, wp.abs(y.get(e, p.pick(0, 1, 2)))))


def _curls(
    p: ProgramBuilder, y: Yee, field: Components, inv: list[Expr], step: int, word: str
) -> list[Expr]:
    """The components of a curl: named, inline, or as the parts of one vector."""
    k = y.k
    match p.pick("named", "named", "inline", "vector"):
        case "named":
            return [
                k.let(f"curl_{c}|c{c}|curl_{word}{c}", y.curl(field, a, inv, step))
                for a, c in enumerate("xyz")
            ]
        case "vector":
            v = k.let(
                f"curl|curl_{word}|rot",
                construct(p.vec(3), *[y.curl(field, a, inv, step) for a in range(3)]),
            )
            return [v[a] for a in range(3)]
    return [y.curl(field, a, inv, step) for a in range(3)]


def _write(y: Yee, field: Components, values: list[Expr]) -> None:
    """Stores the components, as one vector where the layout has vectors."""
    if y.vectors:
        y.k.set(field[0][y.at], construct(y.p.vec(3), *values))
        return
    for a, value in enumerate(values):
        y.k.set(field[a][y.at], value)


def _medium(p: ProgramBuilder, y: Yee) -> tuple[Expr | None, Expr]:
    """Update coefficients of E: vacuum, permittivity, losses, or a table over material ids."""
    k = y.k
    form = p.weighted({"vacuum": 2, "coefficients": 3, "lossy": 3, "table": 2.5, "permittivity": 2})
    if form == "coefficients":
        return y.cells("ca|keep_e|c1", R.uniform(0.8, 1.0))[y.at], y.cells(
            "cb|gain_e|c2", R.uniform(0.1, 0.5)
        )[y.at]
    if form == "table":
        kinds = p.pick(3, 4, 6)
        ids = k.let(
            "m|mat|medium",
            y.cells("material|material_id|media", R.integers(0, kinds), p.pick(T.I32, T.I32, T.U8))[
                y.at
            ],
        )
        ids = ids if ids.type == T.I32 else k.let("row|mid|slot", construct(T.I32, ids))
        keep = (
            k.array("ca_table|keep_by_material|ca", p.real, (kinds,), R.uniform(0.8, 1.0))[ids]
            if p.chance(0.7)
            else None
        )
        return keep, k.array("cb_table|gain_by_material|cb", p.real, (kinds,), R.uniform(0.1, 0.5))[
            ids
        ]
    dt = k.param("dt|time_step", 0.1, 0.5)
    if form == "vacuum":
        return None, dt if p.chance(0.5) else dt / k.param("eps0|permittivity", 0.5, 2.0)
    eps = k.let("eps|eps_c|er", y.cells("epsilon|eps_r|permittivity", R.uniform(1.0, 4.0))[y.at])
    if form == "permittivity":
        return None, k.let("coef|c_e|gain", dt / eps)
    sigma = y.cells("sigma|conductivity", R.uniform(0.0, 0.5))[y.at]

    def body(b: object, s: Expr, e: Expr, step: Expr) -> None:
        loss = b.let("loss|half|q", 0.5 * s * step / e)  # type: ignore[attr-defined]
        b.ret((1.0 - loss) / (1.0 + loss), step / (e * (1.0 + loss)))  # type: ignore[attr-defined]

    if p.chance(0.5):
        f = p.func(
            "lossy_coefficients|e_coefficients|update_coefficients",
            {"sigma|s": p.real, "eps|e": p.real, "dt|step": p.real},
            body,
        )
        keep, gain = k.unpack(["ca|keep", "cb|gain"], f(sigma, eps, dt))
        return keep, gain
    loss = k.let("loss|half_loss|q", 0.5 * sigma * dt / eps)
    return k.let("ca|keep", (1.0 - loss) / (1.0 + loss)), k.let(
        "cb|gain", dt / (eps * (1.0 + loss))
    )


def _magnetic(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_h|update_magnetic|h_field_update|faraday_step|advance_b",
        p.pick("Magnetic field from the curl of E.", "Faraday half of the Yee scheme."),
    )
    y = Yee(p, k)
    h, e = y.field(p.pick("H", "B"), "inout"), y.field("E")
    y.edge_exit(1)
    inv = y.spacings()
    dt = k.param("dt|time_step|dt_mu", 0.1, 0.5)
    if p.chance(0.25):
        with k.when(_outside(p, y)):
            k.ret()
    if p.chance(0.35):
        dt = k.let("coef|c_h|gain", dt / y.cells("mu|mu_r|permeability", R.uniform(1.0, 3.0))[y.at])
    keep = k.param("keep_h|da|mag_loss", 0.9, 0.999) if p.chance(0.25) else None
    if keep is None and p.chance(0.2):
        loss = k.let(
            "loss|half_sm", 0.5 * dt * y.cells("sigma_m|magnetic_loss", R.uniform(0.0, 0.4))[y.at]
        )
        keep, dt = (
            k.let("da|keep", (1.0 - loss) / (1.0 + loss)),
            k.let("db|gain", dt / (1.0 + loss)),
        )
    curls = _curls(p, y, e, inv, 1, "e")
    old = [y.get(h, a) for a in range(3)]
    _write(
        y, h, [(o if keep is None else keep * o) - dt * c for o, c in zip(old, curls, strict=True)]
    )
    if p.chance(0.3):
        total = k.out("magnetic_energy|h_energy|wm", p.real, (1,))
        new = [y.get(h, a) for a in range(3)]
        k.do(wp.atomic_add(total, 0, 0.5 * (new[0] * new[0] + new[1] * new[1] + new[2] * new[2])))


def _convolution_layer(p: ProgramBuilder) -> None:
    """Convolutional perfectly matched layer: recursive accumulators for one or two derivatives."""
    k = p.kernel_builder(
        "cpml_update_e|pml_step|cpml_psi|absorbing_layer|update_psi",
        p.pick(
            "Convolutional PML terms of the electric update.",
            "Recursive accumulators in the absorbing layer.",
        ),
    )
    y = Yee(p, k)
    e, h = y.field("E", "inout"), y.field("H")
    axis = p.pick(0, 1, 2)
    c, n = "xyz"[axis], y.shape[axis]
    b_prof, c_prof = (
        k.array(f"b_{c}|pml_b|decay_{c}", p.real, (n,), R.uniform(0.5, 0.95)),
        k.array(f"c_{c}|pml_c|strength_{c}", p.real, (n,), R.uniform(-0.4, -0.05)),
    )
    kappa = (
        k.array(f"kappa_{c}|stretch_{c}|inv_kappa", p.real, (n,), R.uniform(1.0, 3.0))
        if p.chance(0.5)
        else None
    )
    others = [a for a in range(3) if a != axis]
    width = k.count("pml_width|npml|layer", p.pick(2, 3))
    i = y.at[axis]
    y.edge_exit(-1)
    with k.when(all_of(i >= width, i < y.extent(axis) - width)):
        k.ret()
    inv = k.param(f"inv_d{c}|rdx|inv_dx", 0.5, 2.0)
    dt = k.param("dt|dt_eps|cb", 0.1, 0.5)
    if p.chance(0.3):
        inv = k.let(
            "inv_h|scaled|rd",
            inv / k.array("eps_bg|eps_line|background", p.real, (n,), R.uniform(1.0, 3.0))[i],
        )
    both = p.chance(0.7)
    psi = [
        y.cells(f"psi_e{'xyz'[a]}|psi_{'xyz'[a]}{c}", R.uniform(-0.1, 0.1), role="inout")
        for a in others[: 2 if both else 1]
    ]
    bi, ci = k.let("b_i|decay", b_prof[i]), k.let("c_i|strength", c_prof[i])
    for slot, a in enumerate(others if both else others[:1]):
        b = next(x for x in range(3) if x not in (a, axis))
        d = k.let(f"dh{'xyz'[b]}|dh{slot}|diff{slot}", (y.get(h, b) - y.get(h, b, axis, -1)) * inv)
        new = k.let(f"psi_new{slot}|acc{slot}", bi * psi[slot][y.at] + ci * d)
        k.set(psi[slot][y.at], new)
        sign = 1 if (axis, b, a) in ((0, 1, 2), (1, 2, 0), (2, 0, 1)) else -1
        total = new if kappa is None else new + d * (1.0 / kappa[i] - 1.0)
        change = dt * total if sign > 0 else -dt * total
        if y.vectors:
            k.set(
                e[0][y.at],
                construct(
                    p.vec(3), *[y.get(e, q) + change if q == a else y.get(e, q) for q in range(3)]
                ),
            )
        else:
            k.set(e[a][y.at], e[a][y.at] + change)


def _dispersive(p: ProgramBuilder) -> None:
    """Auxiliary differential equations: Drude, Lorentz and Debye media."""
    model = p.pick("drude", "lorentz", "debye")
    k = p.kernel_builder(
        f"{model}_update|update_current|ade_step|polarization_current|dispersive_update",
        p.pick(
            f"{model.capitalize()} medium by an auxiliary equation.",
            "Polarization current of a dispersive medium.",
        ),
    )
    y = Yee(p, k)
    e = y.field("E", "inout")
    if p.chance(0.6):
        inside = y.cells("medium|is_metal|dispersive_mask", R.mask(0.6), p.pick(T.I32, T.U8))
        one = construct(T.U8, 1) if inside.type.dtype == T.U8 else 1
        with k.when(inside[y.at] != one):
            k.ret()
    dt = k.param("dt|time_step", 0.02, 0.2)
    if p.chance(0.25):
        with k.when(_outside(p, y)):
            k.ret()
    j = y.field("J" if model != "debye" else "P", "inout")
    if model == "drude":
        gamma, wp2 = (
            k.param("gamma|collision_rate|damping", 0.1, 2.0),
            k.param("plasma_freq2|omega_p2|wp2", 0.5, 4.0),
        )
        if p.chance(0.35):
            wp2 = k.let(
                "wp2_c|omega_p2_c",
                wp2 * y.cells("electron_density|n_e|fill_fraction", R.uniform(0.2, 1.0))[y.at],
            )
        if p.chance(0.3):
            gamma = k.let(
                "gamma_c|rate_c",
                gamma * y.cells("collision_scale|gamma_scale", R.uniform(0.5, 1.5))[y.at],
            )
        half = k.let("half|q|gdt", 0.5 * gamma * dt)
        keep, gain = (
            k.let("ka|keep", (1.0 - half) / (1.0 + half)),
            k.let("kb|gain", wp2 * dt / (1.0 + half)),
        )
        new = [
            k.let(f"j{c}_new|j{c}1", keep * y.get(j, a) + gain * y.get(e, a))
            for a, c in enumerate("xyz")
        ]
        fields = [y.get(e, a) - dt * new[a] for a in range(3)]
    elif model == "debye":
        tau, delta = (
            k.param("tau|relax_time|t_debye", 0.5, 5.0),
            k.param("delta_eps|d_eps|eps_step", 0.5, 4.0),
        )
        keep = (
            k.let("keep|decay", wp.exp(-dt / tau))
            if p.chance(0.5)
            else k.let("keep|decay", (2.0 * tau - dt) / (2.0 * tau + dt))
        )
        new = [
            k.let(f"p{c}_new|p{c}1", keep * y.get(j, a) + (1.0 - keep) * delta * y.get(e, a))
            for a, c in enumerate("xyz")
        ]
        fields = [y.get(e, a) - (new[a] - y.get(j, a)) for a in range(3)]
    else:
        old = y.field("J_prev", "inout")
        w0, d = (
            k.param("omega0_sq|w0_sq|resonance2", 0.5, 4.0),
            k.param("delta|damping|gamma_l", 0.05, 0.5),
        )
        den = k.let("den|scale", 1.0 / (1.0 + d * dt))
        a1, a2 = k.let("a1|alpha", (2.0 - w0 * dt * dt) * den), k.let("a2|xi", (d * dt - 1.0) * den)
        a3 = k.let("a3|zeta", k.param("strength|delta_eps|coupling", 0.5, 3.0) * w0 * dt * dt * den)
        new = [
            k.let(f"j{c}_new|j{c}1", a1 * y.get(j, a) + a2 * y.get(old, a) + a3 * y.get(e, a))
            for a, c in enumerate("xyz")
        ]
        fields = [y.get(e, a) - (new[a] - y.get(j, a)) for a in range(3)]
        _write(y, old, [y.get(j, a) for a in range(3)])
    if p.chance(0.35):
        loss = k.out("dissipated|joule_heat|absorbed_power", p.real, (1,))
        k.do(
            wp.atomic_add(
                loss, 0, new[0] * y.get(e, 0) + new[1] * y.get(e, 1) + new[2] * y.get(e, 2)
            )
        )
    if p.chance(0.75):
        fields = [k.let(f"e{c}_new|e{c}1", f) for c, f in zip("xyz", fields, strict=True)]
        _write(y, e, list(fields))
    _write(y, j, list(new))


def _source(p: ProgramBuilder) -> None:
    """Sources in the volume: points, sheets, Gaussian beams, dipoles."""
    k = p.kernel_builder(
        "add_source|inject_source|drive_fields|apply_current|soft_source",
        p.pick("Inject a source into the field.", "Soft source with a pulse in time."),
    )
    shape = tuple(p.pick(8, 10, 12) for _ in range(3))
    form = p.pick("list", "list", "sheet", "ball")
    component = p.pick("Ez|ez|e_z", "Ey|ey", "Jz|jz|current")
    if form == "list":
        n = p.pick(8, 16, 24)
        t = threads(k, ["s|i|tid|src"], (n,))[0]
        e = k.array(component, p.real, shape, R.uniform(-1.0, 1.0), "inout")
        cell = k.let(
            "c|cell|at",
            k.array(
                "source_cells|src_index|positions", T.Vec(3, T.I32), (n,), R.integers(0, min(shape))
            )[t],
        )
        if p.chance(0.35):
            delay = k.array("delays|start_time|onset", p.real, (n,), R.uniform(0.0, 2.0))[t]
            with k.when(k.param("now|sim_clock|elapsed", 0.5, 3.0) < delay):
                k.ret()
        value = gaussian_pulse(p, k)
        if p.chance(0.3):
            with k.when(
                any_of(*[t for a in range(3) for t in (cell[a] < 1, cell[a] >= e.dim(a) - 1)])
            ):
                k.ret()
        amp = k.array("amplitudes|source_amp|weights", p.real, (n,), R.uniform(0.2, 2.0))[t]
        value = k.let("drive|value|inc", amp * value) if p.chance(0.5) else amp * value
        if p.augmented_atomics:
            k.aug(e[cell[0], cell[1], cell[2]], "+", value)
        else:
            k.do(wp.atomic_add(e, cell[0], cell[1], cell[2], value))
        if p.chance(0.3):
            work = k.out("injected|source_energy|work_done", p.real, (1,))
            k.do(wp.atomic_add(work, 0, value * value))
        return
    i, j, m = threads(k, ["i|x|ix", "j|y|iy", "k|z|iz"], shape)
    e = k.array(component, p.real, shape, R.uniform(-1.0, 1.0), "inout")
    if form == "sheet":
        with k.when(i != k.count("source_plane|plane|i_src", p.pick(2, 3, 4))):
            k.ret()
    centre = k.quantity("center|source_center|spot", p.vec(3), [s / 2 for s in shape])
    d = k.let(
        "d|rel|r_vec", construct(p.vec(3), *[construct(p.real, x) for x in (i, j, m)]) - centre
    )
    waist = k.param("waist|radius|spot_size", 1.5, 4.0)
    r2 = k.let("r2|rho2|dist_sq", d[1] * d[1] + d[2] * d[2] if form == "sheet" else wp.dot(d, d))
    if form == "ball" or p.chance(0.3):
        with k.when(r2 > waist * waist * (4.0 if form == "sheet" else 1.0)):
            k.ret()
    amp = k.param("amplitude|e0|strength", 0.5, 5.0)
    value = amp * gaussian_pulse(p, k) * wp.exp(-r2 / (waist * waist))
    if p.chance(0.5):
        k.set(e[i, j, m], e[i, j, m] + value)
    else:
        k.aug(e[i, j, m], "+", value)


def _outside(p: ProgramBuilder, y: Yee) -> Expr:
    """Whether this cell lies in the absorbing border or outside a region of interest."""
    k = y.k
    if p.chance(0.5):
        width = k.count("pml_width|npml|border", p.pick(1, 2))
        return any_of(
            *[t for a, i in enumerate(y.at) for t in (i < width, i >= y.extent(a) - width)]
        )
    region = y.cells("region|mask|inside", R.mask(0.7), p.pick(T.I32, T.BOOL, T.U8))
    cell = region[y.at]
    return negate(cell) if cell.type == T.BOOL else cell == lift(0, cell.type)


def _energy(p: ProgramBuilder) -> None:
    """Energy density, Poynting flux, field magnitudes, divergence checks."""
    what = p.pick("energy", "poynting", "gauss", "magnitude", "flux")
    names = {
        "energy": "field_energy|energy_density|electromagnetic_energy",
        "poynting": "poynting_vector|power_flow|compute_poynting",
        "gauss": "gauss_residual|charge_density|divergence_e",
        "magnitude": "field_magnitude|intensity|e_squared",
        "flux": "surface_flux|plane_power|transmitted_power",
    }
    docs = {
        "energy": "Energy of the fields.",
        "poynting": "Power flow of the fields.",
        "gauss": "Residual of Gauss's law.",
        "magnitude": "Magnitude of the electric field.",
        "flux": "Power through monitor planes.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], ""))
    y = Yee(p, k, reads_only=True)
    if p.chance(0.3):
        with k.when(_outside(p, y)):
            k.ret()
    e = y.field("E")
    if what == "gauss":
        out = y.cells("div_e|residual|charge_out", R.zeros(), role="out")
        y.edge_exit(-1)
        inv = y.spacings()
        parts = [(y.get(e, a) - y.get(e, a, a, -1)) * inv[a] for a in range(3)]
        div = k.let("d|div|rho_c", parts[0] + parts[1] + parts[2])
        if p.chance(0.5):
            div = k.let("r|excess", div - y.cells("rho|charge", R.uniform(-1.0, 1.0))[y.at])
        k.set(out[y.at], div)
        if p.chance(0.6):
            k.do(wp.atomic_max(k.out("max_residual|worst", p.real, (1,)), 0, wp.abs(div)))
        return
    h = y.field("H") if what != "magnitude" else None
    averaged = p.chance(0.4)
    if averaged:
        y.edge_exit(-1)

    def centred(f: Components, a: int) -> Expr:
        return 0.5 * (y.get(f, a) + y.get(f, a, a, -1)) if averaged else y.get(f, a)

    ev = k.let("ev|e_c|e_vec", construct(p.vec(3), *[centred(e, a) for a in range(3)]))
    if what == "magnitude":
        out = y.cells("intensity_out|e_mag|mag", R.zeros(), role="out")
        value = k.let(
            "mag|strength|e_abs", p.pick(wp.length(ev), wp.dot(ev, ev), 0.5 * wp.dot(ev, ev))
        )
        if p.chance(0.35):
            value = value * y.cells("sigma|conductivity|loss", R.uniform(0.0, 0.5))[y.at]
        k.set(out[y.at], value)
        if p.chance(0.4):
            peak = k.out("peak|max_field|hot_spot", p.real, (1,))
            k.do(wp.atomic_max(peak, 0, value))
        return
    assert h is not None
    hv = k.let("hv|h_c|h_vec", construct(p.vec(3), *[centred(h, a) for a in range(3)]))
    if what == "energy":
        eps = (
            y.cells("epsilon|eps_r", R.uniform(1.0, 4.0))[y.at]
            if p.chance(0.5)
            else k.param("eps0|eps", 0.5, 2.0)
        )
        u = k.let(
            "u|density|w_em",
            0.5
            * (
                eps * wp.dot(ev, ev)
                + (
                    k.param("mu0|mu", 0.5, 2.0) * wp.dot(hv, hv)
                    if p.chance(0.6)
                    else wp.dot(hv, hv)
                )
            ),
        )
        if p.chance(0.6):
            k.set(y.cells("energy_out|density_out|w", R.zeros(), role="out")[y.at], u)
        k.do(wp.atomic_add(k.out("total_energy|energy|em_energy", p.real, (1,)), 0, u))
        return
    s = k.let("s|flow|poynting_c", wp.cross(ev, hv))
    if what == "poynting":
        k.set(k.out("poynting|s_out|power_flow_out", p.vec(3), y.shape)[y.at], s)
        if p.chance(0.4):
            k.do(wp.atomic_max(k.out("peak_power|s_max", p.real, (1,)), 0, wp.length(s)))
        return
    axis = p.pick(0, 1, 2)
    planes = p.pick(1, 2, 3)
    total = k.out("plane_power_out|flux_out|power", p.real, (planes,))
    if planes == 1:
        with k.when(y.at[axis] != k.count("plane|monitor_index|cut", y.shape[axis] // 2)):
            k.ret()
        k.do(wp.atomic_add(total, 0, s[axis] * k.param("cell_area|da", 0.1, 2.0)))
        return
    cuts = k.array("monitor_planes|cuts|planes", T.I32, (planes,), R.integers(1, y.shape[axis]))
    with k.loop("m|q|plane", cuts.dim(0)) as m, k.when(cuts[m] == y.at[axis]):
        k.do(wp.atomic_add(total, m, s[axis]))
