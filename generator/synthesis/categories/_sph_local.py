"""SPH steps that need no neighbours: equations of state, integration, time-step limits, emission."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, single_precision, tune
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def _pressure(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_pressure|update_pressure|equation_of_state|density_to_pressure|pressure_from_density|eval_eos",
        p.pick(
            "Pressure from density by an equation of state.",
            "Evaluate the equation of state.",
            "Update particle pressures.",
        ),
    )
    e = Entities(k, "particle")
    rho = e.field("densities|rho|density", p.real, R.uniform(800.0, 1400.0))
    e.guard()
    rest = e.property("rest_density|rho0", 800.0, 1200.0)
    stiffness = e.world_param("stiffness|sound_speed_sq|bulk_modulus|gas_constant", 5.0, 200.0)
    form, exponent = p.pick("linear", "tait", "gas", "clamped", "internal"), p.pick(3.0, 5.0, 7.0)
    value = k.let("rho|density_i|d", rho.own) if p.chance(0.5) else rho.own

    def body(b: Block, r: Expr, r0: Expr, c: Expr) -> Expr:
        if form == "linear":
            return c * (r - r0)
        if form == "clamped":
            return c * wp.max(r - r0, 0.0)
        q = b.let("q|ratio|compression", r / r0)
        if form == "gas":
            return c * r0 * (q - 1.0) * q
        return c / exponent * (wp.pow(q, exponent) - 1.0)

    if form == "internal":
        u = e.field("internal_energy|energies|u", p.real, R.uniform(0.5, 2.0))
        gamma = k.param("gamma|adiabatic_index", 1.1, 1.7)
        pressure: Expr = (gamma - 1.0) * value * u.own
    else:
        pressure = helper(
            p,
            k,
            "eos|pressure_of|state_equation",
            {"rho|r": value, "rho0|rest": rest, "k|c": stiffness},
            body,
        )
    out = e.out("pressures|pressure|p_out", p.real)
    pressure = k.var("p_i|pressure_i|value", pressure) if p.chance(0.6) else pressure
    if isinstance(pressure, Name) and pressure.type == p.real:
        tune(p, e, pressure, "pressure", 2.0e4)
    elif p.chance(0.3):
        floor = k.param("min_pressure|cavitation|background_pressure", 0.01, 1.0)
        pressure = wp.max(pressure, -floor)
    out.store(pressure)
    report(p, e, pressure, "pressure", 2.0e4)
    if p.chance(0.25):
        e.out("inv_rho2|p_over_rho2|pressure_term", p.real).store(1.0 / (value * value))


def _integrate(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "integrate_fluid|kick_drift|drift_particles|advance_fluid|apply_bounds|leapfrog_step",
        p.pick(
            "Kick and drift, then keep particles inside the tank.",
            "Advance fluid particles by one time step.",
            "Half-kick of the leapfrog scheme.",
        ),
    )
    e = Entities(k, "particle")
    vec = p.vec(dimension(p, 2, 3, 3))
    in_place = p.chance(0.5)
    role = "inout" if in_place else "in"
    xs = e.field("positions|x|particle_x", vec, R.uniform(0.0, 1.0), role)
    vs = e.field("velocities|v|particle_v", vec, R.uniform(-1.0, 1.0), role)
    a = e.field("accelerations|acc|dvdt|forces", vec, R.uniform(-10.0, 10.0))
    e.guard()
    dt = e.world_param("dt|timestep|h", 0.0005, 0.02)
    v = k.var("v|vel|v_new", vs.own + a.own * (0.5 * dt if p.chance(0.3) else dt))
    for extra in p.sample([_limit, _gravity, _damp], 0, 2):
        extra(p, k, e, v, dt, vec)
    x = k.var("x|pos|x_new", xs.own + v * dt)
    if p.chance(0.7):
        _walls(p, k, x, v, vec)
    (xs if in_place else e.out("x_out|positions_out|new_x", vec)).store(x)
    (vs if in_place else e.out("v_out|velocities_out|new_v", vec)).store(v)


def _limit(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, dt: Expr, vec: T.Vec) -> None:
    clamp_length(p, k, v, k.param("max_speed|v_max|speed_limit", 1.0, 5.0))


def _gravity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, dt: Expr, vec: T.Vec
) -> None:
    k.aug(v, "+", e.world_vector("gravity|g", [0.0, -9.81, 0.0][: vec.n], vec) * dt)


def _damp(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Expr, dt: Expr, vec: T.Vec) -> None:
    damping = k.param("damping|drag|linear_damping", 0.01, 1.0)
    k.aug(v, "*", 1.0 - damping * dt if p.chance(0.6) else wp.exp(-damping * dt))


def _walls(p: ProgramBuilder, k: KernelBuilder, x: Expr, v: Expr, vec: T.Vec) -> None:
    """Reflects at the walls of the tank, one of four ways."""
    low = k.quantity("box_min|tank_lo|lower", vec, [0.05] * vec.n)
    high = k.quantity("box_max|tank_hi|upper", vec, [0.95] * vec.n)
    bounce = k.param("restitution|wall_damping|bounce", 0.1, 0.9)
    form = p.pick("loop", "axes", "clamp", "floor")
    if form == "floor":
        with k.when(all_of(x.y < low.y, v.y < 0.0) if p.chance(0.5) else x.y < low.y):
            k.set(x.y, low.y)
            k.set(v.y, -bounce * v.y)
        k.set(x, wp.min(x, high))
    elif form == "clamp":
        inside = k.let("inside|clamped|xc", wp.max(wp.min(x, high), low))
        hit = k.let("hit|push|offset", inside - x)
        with k.when(wp.length_sq(hit) > 0.0):
            n = k.let("n|normal", wp.normalize(hit))
            k.aug(v, "-", n * ((1.0 + bounce) * wp.min(wp.dot(v, n), 0.0)))
        k.set(x, inside)
    elif form == "loop":
        with k.loop("axis|a|d", vec.n) as axis:
            with k.when(x[axis] < low[axis]):
                k.set(x[axis], low[axis])
                k.set(v[axis], -bounce * v[axis])
            with k.elsewhen(x[axis] > high[axis]):
                k.set(x[axis], high[axis])
                k.set(v[axis], -bounce * v[axis])
    else:
        for axis in "xyz"[: vec.n]:
            xa, va = x.field(axis), v.field(axis)
            with k.when(any_of(xa < low.field(axis), xa > high.field(axis))):
                k.set(xa, wp.clamp(xa, low.field(axis), high.field(axis)))
                k.set(va, -bounce * va)


def _time_step(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "cfl_condition|stable_dt|max_timestep|estimate_dt|reduce_dt|adaptive_step",
        p.pick(
            "Stable time step by the CFL and force conditions.",
            "Reduce the admissible time step over all particles.",
            "CFL limit of this step.",
        ),
    )
    e = Entities(k, "particle")
    vec = p.vec(dimension(p, 2, 3, 3))
    v = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
    e.guard()
    h = k.param("smoothing_length|h|radius", 0.05, 0.3)
    c = e.property("sound_speed|c0|cs", 5.0, 30.0)
    limits = [h / (c + wp.length(v.own))]
    if p.chance(0.6):
        a = e.field("accelerations|acc|forces", vec, R.uniform(0.5, 10.0))
        limits.append(wp.sqrt(h / wp.length(a.own)))
    if p.chance(0.4):
        nu = k.param("viscosity|nu", 0.01, 0.5)
        limits.append(0.125 * h * h / nu)
    factor = k.param("cfl|courant|safety", 0.1, 0.5)
    value = limits[0]
    for other in limits[1:]:
        value = wp.min(value, other)
    value = factor * value
    if p.chance(0.3):
        value = k.let("dt_i|local_dt|step", value)
        e.out("dt_local|particle_dt|steps", p.real).store(value)
    where = e.world if e.world is not None else 0
    out = k.out("dt_out|min_dt|dt", p.real, (e.worlds or 1,), R.constant(1.0))
    k.do(wp.atomic_min(out, where, value))


def _cells(p: ProgramBuilder) -> None:
    single_precision(p)
    k = p.kernel_builder(
        "hash_particles|compute_cell_ids|assign_cells|count_cell_particles|bin_particles",
        p.pick(
            "Cell index of each particle for sorting.",
            "Bin particles into the cells of a uniform grid.",
            "Spatial hash of every particle.",
        ),
    )
    e = Entities(k, "particle")
    vec = p.vec(dimension(p, 2, 3, 3))
    x = e.field("positions|x|particle_x", vec, R.uniform(0.0, 1.0))
    e.guard()
    size = k.quantity("cell_size|cell_width|h|spacing", p.real, 0.125)
    origin = k.quantity("origin|grid_min|lower", vec, [0.0] * vec.n) if p.chance(0.5) else None
    local = k.let("rel|local|u", (x.own - origin if origin is not None else x.own) / size)
    cells = [
        k.let(f"c{a}|i{a}|cell_{a}", construct(T.I32, wp.floor(local.field(a))))
        for a in "xyz"[: vec.n]
    ]
    if p.chance(0.6):
        key = _row_major(p, k, cells)
        count = 8 ** len(cells)
    else:
        count = p.pick(64, 128, 256)
        key = _spatial_hash(p, k, cells, count)
    cell = k.let("cell|key|h_id|bucket", key)
    goal = p.pick("ids", "count", "slot")
    if goal != "count":
        e.out("cell_ids|keys|particle_cell|hashes", T.I32).store(cell)
    if goal == "ids":
        if p.chance(0.5):
            e.out("particle_ids|values|order", T.I32).store(e.index)
        return
    counts = k.out(
        "cell_count|histogram|bin_counts",
        T.I32,
        (count,) if e.worlds is None else (e.worlds, count),
    )
    where = (cell,) if e.world is None else (e.world, cell)
    k.do(wp.atomic_add(counts, *where, 1))


def _row_major(p: ProgramBuilder, k: KernelBuilder, cells: list[Expr]) -> Expr:
    res = k.count("resolution|res|cells_per_side|grid_dim", 8)
    safe = [wp.clamp(c, 0, res - 1) for c in cells]

    def body(b: Block, n: Expr, *at: Expr) -> Expr:
        index = at[-1]
        for c in reversed(at[:-1]):
            index = index * n + c
        return index

    return helper(
        p,
        k,
        "cell_index|flatten_cell|linear_index",
        {"n|res": res, **{f"i{a}|{a}": s for a, s in zip("xyz", safe, strict=False)}},
        body,
    )


def _spatial_hash(p: ProgramBuilder, k: KernelBuilder, cells: list[Expr], count: int) -> Expr:
    size = k.count("table_size|num_buckets|hash_size", count)

    def body(b: Block, n: Expr, *at: Expr) -> Expr:
        key = b.let(
            "key|h|mixed",
            at[0] * 73856093 ^ at[1] * 19349663 ^ (at[2] * 83492791 if len(at) > 2 else at[1]),
        )
        return (key & 0x7FFFFFFF) % n if p.chance(0.5) else wp.abs(key) % n

    return helper(
        p,
        k,
        "spatial_hash|hash_cell|hash_coords",
        {"n|size|buckets": size, **{f"i{a}|{a}": s for a, s in zip("xyz", cells, strict=False)}},
        body,
    )


def _predict(p: ProgramBuilder) -> None:
    goal = p.pick("predict", "velocity", "apply")
    names = {
        "predict": ("predict_positions|advect|begin_step", "Positions at the end of the step."),
        "velocity": (
            "update_velocities|finalize_step|velocity_from_positions",
            "Velocity from the corrected positions.",
        ),
        "apply": (
            "apply_delta|commit_positions|apply_correction",
            "Apply the solver's corrections.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    e = Entities(k, "particle")
    vec = p.vec(dimension(p, 2, 3, 3))
    x = e.field("positions|x|particle_x|x_prev", vec, R.uniform(0.0, 1.0))
    e.guard()
    if goal == "apply":
        delta = e.field("deltas|delta_x|corrections", vec, R.uniform(-0.01, 0.01))
        relax = k.param("omega|relaxation|sor", 0.3, 1.5) if p.chance(0.5) else None
        move = k.var("d|dx|move", delta.own if relax is None else delta.own * relax)
        tune(p, e, move, "displacement", 0.02)
        e.out("x_out|corrected|positions_out", vec).store(x.own + move)
        report(p, e, move, "displacement", 0.02)
        return
    dt = e.world_param("dt|timestep|h", 0.001, 0.02)
    if goal == "predict":
        v = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
        step = (
            v.own + e.world_vector("gravity|g", [0.0, -9.81, 0.0][: vec.n], vec) * dt
            if p.chance(0.6)
            else v.own
        )
        step = k.var("v_i|vel_i|u", step)
        tune(p, e, step, "speed", 2.0)
        e.out("predicted|x_star|x_pred", vec).store(x.own + step * dt)
        report(p, e, step, "speed", 2.0)
        return
    after = e.field("x_new|corrected|x_star", vec, R.uniform(0.0, 1.0))
    v_new = (after.own - x.own) / dt
    v_new = k.var("v|v_new|vel", v_new)
    tune(p, e, v_new, "speed", 50.0)
    e.out("v_out|velocities|velocity_out", vec).store(v_new)
    report(p, e, v_new, "speed", 50.0)


LOCAL = {_pressure: 3, _integrate: 2, _time_step: 2.6, _cells: 1.8, _predict: 3}
