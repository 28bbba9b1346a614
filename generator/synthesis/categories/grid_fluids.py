"""Fluids on grids: semi-Lagrangian advection, staggered projection, vorticity, smoke, free surfaces."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._flow_momentum import momentum_step
from generator.synthesis.categories._grids import (
    border_exit,
    letter,
    mask_exit,
    monitor,
    open_grid,
    spacings,
)
from generator.synthesis.categories._mac_grid import (
    classify,
    extrapolate,
    faces,
    pressure_solve,
    project,
    wall_faces,
)
from generator.synthesis.categories._sampling import bilinear, call_bilinear, trilinear
from generator.synthesis.categories._shallow_water import flip_transfer, pipe_model, shallow_water
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, lift


@category("grid_fluids", version=1, title="Fluids on grids")
def write(p: ProgramBuilder) -> None:
    """Incompressible and shallow flow on structured grids: semi-Lagrangian and MacCormack advection, divergence and
    pressure projection on staggered faces, vorticity confinement, buoyant smoke, free-surface cell flags and
    extrapolation, particle-grid transfer, shallow-water fluxes and virtual pipes."""
    p.real = T.F64 if p.on("double") else T.F32
    p.weighted(
        {
            _semi_lagrangian: 3.5, _advect_volume: 2.0, _correct: 1.5, _vorticity: 1.5, _confinement: 2.0,
            _smoke_forces: 2.5,
            faces: 2.2, project: 2.4, pressure_solve: 2.2, classify: 1.2, extrapolate: 1.3, wall_faces: 1.2,
            flip_transfer: 2.2, shallow_water: 3.0, pipe_model: 2.0, momentum_step: 5.0,
        }
    )(p)  # fmt: skip


# --- advection ------------------------------------------------------------------------------------


def _semi_lagrangian(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "advect|semi_lagrangian|advect_field|backtrace_advect|advect_density|self_advect|transport_smoke",
        p.pick(
            "Semi-Lagrangian advection.",
            "Trace back along the flow and interpolate.",
            "Advect a field by the velocity grid.",
        ),
    )
    g = open_grid(
        p, k, 2, boundary=p.pick("clamp", "clamp", "periodic", "skip_outer"), layouts=False
    )
    periodic = g.boundary == "periodic"
    what = p.weighted({"scalar": 4, "velocity": 3, "several": 2, "colour": 1})
    velocity = g.field("velocity|vel|u|wind", p.vec(2), R.uniform(-1.5, 1.5))
    quantity = (
        velocity
        if what == "velocity"
        else g.field(
            "density|q|scalar|smoke|temperature",
            p.vec(3) if what == "colour" else p.real,
            R.uniform(0.0, 1.0),
        )
    )
    out = g.out(
        "velocity_out|vel_new|u_next"
        if what == "velocity"
        else "density_out|q_new|advected|q_next",
        quantity.dtype,
    )
    border_exit(p, g, (out, quantity.own))
    mask_exit(
        p,
        g,
        (out, construct(quantity.dtype, 0.0) if isinstance(quantity.dtype, T.Vec) else 0.0),
        chance=0.25,
    )
    scale = _steps_per_cell(p, k)
    sample = bilinear(p, quantity.dtype, periodic)
    y, x = _backtrace(p, g, velocity, scale, sample if what == "velocity" else None, periodic)
    value = k.let("value|advected|q0|sampled", call_bilinear(p, sample, quantity.array, y, x))
    if what == "several":
        other = g.field("temperature|dye|fuel|humidity", p.real, R.uniform(0.0, 1.0))
        other_out = g.out("temperature_out|dye_out|fuel_out", p.real)
        other_out.store(
            call_bilinear(p, sample, other.array, y, x)
            * (1.0 if p.chance(0.5) else k.param("cooling|decay|fade", 0.9, 0.999))
        )
    for extra in p.sample(["dissipate", "source", "clamp"], 0, 2):
        value = _after_advection(p, g, extra, value, quantity.dtype)
    out.store(value)


def _steps_per_cell(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    """dt / h, as one parameter or as two."""
    if p.chance(0.4):
        return k.param("dt0|dt_over_dx|cells_per_unit", 0.2, 2.0)
    dt, h = k.param("dt|time_step", 0.1, 1.0), k.param("dx|h|cell_size", 0.5, 2.0)
    return k.let("scale|dt_h|s", dt / h) if p.chance(0.6) else dt / h


def _backtrace(
    p: ProgramBuilder, g: Grid, velocity: GridField, scale: Expr, sample: object, periodic: bool
) -> tuple[Expr, Expr]:
    """Departure point of this thread's cell, in cells: Euler, midpoint or Ralston steps."""
    k = g.k
    fi, fj = (construct(p.real, i) for i in g.index)
    v = velocity.read("v|vel_c|v0")
    form = p.weighted({"euler": 4, "midpoint": 3, "ralston": 1})
    if form == "euler":
        if p.chance(0.5):
            return k.let("y|src_y|back_y", fi - scale * v[1]), k.let(
                "x|src_x|back_x", fj - scale * v[0]
            )
        pos = k.let("pos|back|p", construct(p.vec(2), fj, fi) - v * scale)
        return pos[1], pos[0]
    fetch = sample or bilinear(p, p.vec(2), periodic)
    share = lift(0.5, p.real) if form == "midpoint" else lift(0.75, p.real)
    my, mx = (
        k.let("my|mid_y", fi - share * scale * v[1]),
        k.let("mx|mid_x", fj - share * scale * v[0]),
    )
    vm = k.let("vm|v_mid|v1", call_bilinear(p, fetch, velocity.array, my, mx))
    if form == "ralston":
        vm = k.let("v_avg|v_eff", v * lift(1.0 / 3.0, p.real) + vm * lift(2.0 / 3.0, p.real))
    return k.let("y|src_y|back_y", fi - scale * vm[1]), k.let("x|src_x|back_x", fj - scale * vm[0])


def _after_advection(p: ProgramBuilder, g: Grid, what: str, value: Expr, dtype: T.Type) -> Expr:
    k = g.k
    if what == "dissipate":
        rate = k.param("dissipation|fade|damping", 0.01, 0.5)
        return value * (1.0 - rate) if p.chance(0.5) else value / (1.0 + rate)
    if isinstance(dtype, T.Vec):
        return value
    if what == "clamp":
        return wp.clamp(value, 0.0, 1.0) if p.chance(0.5) else wp.max(value, 0.0)
    row, col = (
        k.count("emit_row|source_y|cy", g.shape[0] // 2),
        k.count("emit_col|source_x|cx", g.shape[1] // 3),
    )
    radius = k.count("emit_radius|radius", p.pick(3, 4, 5))
    result = k.var("result|with_source|q", value)
    dy, dx = k.let("dy|di", g.index[0] - row), k.let("dx|dj", g.index[1] - col)
    with k.when(dy * dy + dx * dx < radius * radius):
        k.aug(result, "+", k.param("emission|rate|inflow", 0.1, 1.0))
    return result


def _advect_volume(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "advect_3d|advect_volume|semi_lagrangian_3d|advect_smoke",
        p.pick("Semi-Lagrangian advection in a volume.", "Backtrace through the velocity volume."),
    )
    g = open_grid(p, k, 3, boundary=p.pick("clamp", "interior", "skip_outer"), layouts=False)
    vector = p.chance(0.4)
    velocity = g.field("velocity|vel|u", p.vec(3), R.uniform(-1.0, 1.0))
    quantity = (
        velocity
        if vector
        else g.field("density|smoke|phi|temperature", p.real, R.uniform(0.0, 1.0))
    )
    out = g.out(
        "velocity_out|vel_new" if vector else "density_out|phi_new|smoke_next", quantity.dtype
    )
    border_exit(p, g, (out, quantity.own))
    mask_exit(p, g, chance=0.25)
    fetch = trilinear(p, quantity.dtype)
    scale = _steps_per_cell(p, k)
    here = k.let(
        "here|cell|grid_pos", construct(p.vec(3), *[construct(p.real, i) for i in g.index])
    )
    v = velocity.read("v|vel_c")
    if p.chance(0.4):
        sampler = fetch if vector else trilinear(p, p.vec(3))
        v = k.let("v_mid|vm", sampler(velocity.array, here - v * (0.5 * scale)))
    back = k.let("back|departure|pos", here - v * scale)
    value = fetch(quantity.array, back)
    if not vector and p.chance(0.5):
        value = wp.max(value - k.param("loss|dissipation", 0.001, 0.1), 0.0)
    elif vector and p.chance(0.5):
        value = value + k.quantity("gravity|body_force|g", p.vec(3), [0.0, 0.0, -9.81]) * k.param(
            "dt_force|force_dt", 0.001, 0.05
        )
    out.store(value)


def _correct(p: ProgramBuilder) -> None:
    """The correction stage of MacCormack or BFECC advection."""
    k = p.kernel_builder(
        "maccormack_correct|bfecc_correct|correct_advection|error_compensate",
        p.pick(
            "Error compensation with a local limiter.",
            "MacCormack correction, clamped to the backtraced neighbourhood.",
        ),
    )
    g = open_grid(p, k, 2 if p.chance(0.75) else 3)
    original = g.field("phi|q_n|original", p.real, R.uniform(0.0, 1.0))
    forward = g.field("phi_hat|forward|q_star", p.real, R.uniform(0.0, 1.0))
    backward = g.field("phi_back|round_trip|q_back", p.real, R.uniform(0.0, 1.0))
    out = g.out("phi_out|corrected|q_new", p.real)
    border_exit(p, g, (out, forward.own))
    fwd = forward.read("fwd|estimate|f_c")
    error = k.let("error|err|half_error", 0.5 * (original.own - backward.own))
    if p.chance(0.4):
        error = error * k.param("strength|blend|alpha", 0.5, 1.0)
    value = k.let("value|corrected_value|raw", fwd + error)
    around = [
        original[o]
        for o in (
            [(0, 1), (0, -1), (1, 0), (-1, 0)]
            if len(g.shape) == 2
            else [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]
        )
    ]
    form = p.pick("clamp", "revert", "none")
    if form == "none":
        out.store(value)
        monitor(p, g, error, "error", 0.6)
        return
    if p.chance(0.5):
        low, high = k.var("low|q_min|lo", original.own), k.var("high|q_max|hi", original.own)
        for v in around:
            k.set(low, wp.min(low, v))
            k.set(high, wp.max(high, v))
    else:
        lows, highs = original.own, original.own
        for v in around[:4]:
            lows, highs = wp.min(lows, v), wp.max(highs, v)
        low, high = k.let("low|q_min|lo", lows), k.let("high|q_max|hi", highs)
    if form == "clamp":
        out.store(wp.clamp(value, low, high))
    else:
        with k.when(any_of(value < low, value > high)):
            out.store(fwd)
            k.ret()
        out.store(value)


# --- vorticity and forces -------------------------------------------------------------------------


def _vorticity(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_vorticity|vorticity|curl_field|vorticity_field",
        p.pick("Vorticity by central differences.", "Curl of the velocity field."),
    )
    axes = 2 if p.chance(0.5) else 3
    g = open_grid(p, k, axes)
    vel = g.field("velocity|vel|u", p.vec(axes), R.uniform(-1.0, 1.0))
    out = g.out("vorticity_out|omega|curl", p.real if axes == 2 else p.vec(3))
    border_exit(p, g)
    mask_exit(p, g, chance=0.25)
    h = spacings(p, g)
    if axes == 2:
        dv = (vel[0, 1][1] - vel[0, -1][1]) / (2.0 * h[1])
        du = (vel[1, 0][0] - vel[-1, 0][0]) / (2.0 * h[0])
        w = k.let(
            "w|vort|omega_z",
            k.let("dvdx|dv_dx", dv) - k.let("dudy|du_dy", du) if p.chance(0.5) else dv - du,
        )
        out.store(w)
        monitor(p, g, w, "enstrophy|vorticity", 0.4)
        return
    d = []
    for a in range(3):
        step = tuple(1 if b == a else 0 for b in range(3))
        back = tuple(-s for s in step)
        d.append(
            k.let(f"d{letter(g, a)}|grad_{letter(g, a)}", (vel[step] - vel[back]) / (2.0 * h[a]))
        )
    # Component c of the derivative along axis a is d[a][c]; axis a is coordinate a except on z-first grids.
    at = {letter(g, a): d[a] for a in range(3)}
    w = k.let(
        "w|omega_c|vort",
        construct(
            p.vec(3), at["y"][2] - at["z"][1], at["z"][0] - at["x"][2], at["x"][1] - at["y"][0]
        ),
    )
    out.store(w)
    if p.chance(0.4):
        magnitude = g.out("vorticity_mag|omega_norm", p.real)
        magnitude.store(wp.length(w))
    elif p.chance(0.3):
        energy = k.out("enstrophy|total_enstrophy", p.real, (1,))
        k.do(wp.atomic_add(energy, 0, 0.5 * wp.dot(w, w)))


def _confinement(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "vorticity_confinement|confine_vorticity|apply_confinement|add_swirl",
        p.pick(
            "Vorticity confinement force.", "Feed small vortices that the advection smeared out."
        ),
    )
    axes = 2 if p.chance(0.65) else 3
    g = open_grid(p, k, axes)
    omega = g.field("vorticity|omega|curl", p.real if axes == 2 else p.vec(3), R.uniform(-1.0, 1.0))
    vel = g.inout("velocity|vel|u", p.vec(axes), R.uniform(-1.0, 1.0))
    border_exit(p, g)
    mask_exit(p, g, chance=0.25)
    h = spacings(p, g)
    size = (lambda v: wp.abs(v)) if axes == 2 else (lambda v: wp.length(v))
    grads = []
    for a in range(axes):
        step = tuple(1 if b == a else 0 for b in range(axes))
        back = tuple(-s for s in step)
        x = letter(g, a)
        grads.append(
            (
                x,
                k.let(
                    f"g{x}|deta_d{x}|n{x}", (size(omega[step]) - size(omega[back])) / (2.0 * h[a])
                ),
            )
        )
    eta = construct(p.vec(axes), *[v for _, v in sorted(grads, key=lambda pair: pair[0])])
    strength = k.param("confinement|epsilon|vort_strength", 0.05, 2.0)
    n = _unit(p, k, eta)
    if axes == 3:
        force = wp.cross(n, omega.own)
    else:
        w = omega.read("w|omega_c")
        force = construct(p.vec(2), n[1] * w, -n[0] * w)
    force = k.let("force|f_conf|push", force * (strength * h[0]))
    vel.store(vel.own + force * k.param("dt|time_step", 0.01, 0.2))


def _unit(p: ProgramBuilder, k: KernelBuilder, v: Expr) -> Expr:
    """A unit vector, zero where `v` nearly vanishes."""
    grad = k.let("eta|grad|grad_mag", v)
    if p.chance(0.3):
        return k.let("n|normal|dir", wp.normalize(grad))
    length = k.let("len_eta|mag|norm", wp.length(grad))
    if p.chance(0.5):
        with k.when(length < p.pick(1.0e-6, 1.0e-5, 1.0e-4)):
            k.ret()
        return k.let("n|normal|dir", grad / length)
    return k.let("n|normal|dir", grad / wp.max(length, 1.0e-6))


def _smoke_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_buoyancy|add_forces|smoke_forces|buoyancy_step|external_forces|update_smoke",
        p.pick(
            "Buoyancy of hot smoke and other body forces.",
            "Body forces before the projection.",
            "Forces and sources of a smoke simulation.",
        ),
    )
    axes = 2 if p.chance(0.6) else 3
    g = open_grid(p, k, axes)
    vec = p.vec(axes)
    vel = g.field("velocity|vel|u", vec, R.uniform(-1.0, 1.0))
    temp = g.field("temperature|temp|T_smoke", p.real, R.uniform(0.0, 1.0))
    out = g.out("velocity_out|vel_new|u_star", vec)
    border_exit(p, g, (out, vel.own))
    mask_exit(p, g, (out, construct(vec, 0.0)), chance=0.3)
    v = k.let("v|vel_c|v0", vel.own)
    dt = k.param("dt|time_step|step", 0.01, 0.1)
    lift_up = _buoyancy(p, g, temp)
    up = 1 if axes == 2 else 2
    if p.chance(0.5):
        k.aug(v, "+", construct(vec, *[lift_up * dt if a == up else 0.0 for a in range(axes)]))
    else:
        k.set(v[up], v[up] + dt * lift_up)
    for extra in p.sample([_wind_term, _drag_term, _vertical_damping, _speed_cap], 0, 3):
        extra(p, g, v, dt, vec)
    out.store(v)
    if p.chance(0.4):
        t_out = g.out("temperature_out|temp_next", p.real)
        cooled = (
            temp.own * wp.exp(-k.param("cooling_rate|cooling|kappa", 0.05, 1.0) * dt)
            if p.chance(0.5)
            else temp.own
            - k.param("cooling_rate|cooling", 0.05, 1.0)
            * dt
            * (temp.own - k.param("room_temp|t_room", 0.1, 0.3))
        )
        t_out.store(cooled)
    if p.chance(0.3):
        fastest = k.out("max_speed|v_max|cfl_speed", p.real, (1,))
        k.do(wp.atomic_max(fastest, 0, wp.length(v)))


def _buoyancy(p: ProgramBuilder, g: Grid, temp: GridField) -> Expr:
    k = g.k
    ambient = k.param("ambient|t_ambient|T0", 0.1, 0.4)
    beta = k.param("buoyancy|beta|thermal_expansion", 0.2, 4.0)
    excess = temp.own - ambient
    if p.chance(0.35):
        return k.let("lift|b|buoy", beta * excess)
    density = g.field("density|smoke|soot", p.real, R.uniform(0.0, 1.0)).own
    alpha = k.param("weight|alpha|smoke_weight", 0.05, 1.0)

    def body(b: Block, d: Expr, t: Expr, a: Expr, c: Expr) -> Expr:
        return c * t - a * d

    args = {"d|density": density, "dT|excess": excess, "alpha|weight": alpha, "beta|lift": beta}
    return k.let("lift|b|buoy", piece(p, k, "buoyancy_force|boussinesq|thermal_lift", args, body))


def _wind_term(p: ProgramBuilder, g: Grid, v: Expr, dt: Expr, vec: T.Vec) -> None:
    k = g.k
    wind = k.quantity(
        "wind|background|target_velocity", vec, [p.nice(0.1, 1.0) for _ in range(vec.n)]
    )
    k.aug(v, "+", (wind - v) * (k.param("coupling|wind_drag|relax", 0.1, 2.0) * dt))


def _drag_term(p: ProgramBuilder, g: Grid, v: Expr, dt: Expr, vec: T.Vec) -> None:
    k = g.k
    c = k.param("drag|friction|resistance", 0.05, 1.0)
    k.aug(v, "*", 1.0 / (1.0 + c * dt) if p.chance(0.5) else wp.exp(-c * dt))


def _vertical_damping(p: ProgramBuilder, g: Grid, v: Expr, dt: Expr, vec: T.Vec) -> None:
    k = g.k
    top = k.count("sponge_start|damp_from|top_layer", g.shape[0] - p.pick(3, 4, 5))
    with k.when(g.index[0] >= top):
        depth = k.let("depth|s|frac", construct(p.real, g.index[0] - top + 1))
        k.aug(v, "*", 1.0 / (1.0 + k.param("sponge_rate|top_damping", 0.05, 0.5) * depth))


def _speed_cap(p: ProgramBuilder, g: Grid, v: Expr, dt: Expr, vec: T.Vec) -> None:
    k = g.k
    limit = k.param("max_velocity|v_limit|speed_cap", 0.5, 2.0)
    speed = k.let("speed|mag", wp.length(v))
    with k.when(speed > limit):
        k.aug(v, "*", limit / speed)
