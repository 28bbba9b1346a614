"""Grains one at a time: walls, drums and meshes, motion with spin, sleeping, diagnostics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._granular_walls import drum, mesh_walls, planes
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _motion(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "integrate_grains|advance_grains|update_grain_motion|dem_integrate|move_grains|velocity_verlet_dem",
        p.pick(
            "Translate and rotate the grains.",
            "Time integration of grain motion.",
            "Advance positions, velocities and spins.",
        ),
    )
    e = Entities(k, "grain")
    vec = p.vec(dimension(p, 3))
    role = "inout" if p.chance(0.5) else "in"
    xs = e.field("positions|x|pos", vec, R.uniform(0.0, 1.0), role)
    vs = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0), role)
    fs = e.field("forces|f|net_force", vec, R.uniform(-5.0, 5.0))
    mass = e.property("mass|m|grain_mass", 0.1, 2.0)
    dt = e.world_param("dt|timestep|h", 0.0001, 0.01)
    frozen = e.field("fixed|is_frozen|pinned", T.I32, R.mask(0.1)) if p.chance(0.4) else None
    if frozen is not None:
        with k.when(frozen.own != 0):
            k.ret()
    else:
        e.guard()
    accel: Expr = fs.own / mass
    if p.chance(0.6):
        accel = accel + e.world_vector(
            "gravity|g", p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]), vec
        )
    v = k.var("v|v_new|vel_i", vs.own + accel * dt)
    if p.chance(0.4):
        k.aug(v, "*", 1.0 - k.param("global_damping|alpha|damping", 0.01, 1.0) * dt)
    if p.chance(0.25):
        clamp_length(p, k, v, k.param("v_max|max_speed", 1.0, 10.0))
    (vs if role == "inout" else e.out("v_out|velocities_out", vec)).store(v)
    (xs if role == "inout" else e.out("x_out|positions_out", vec)).store(xs.own + v * dt)
    if p.chance(0.65):
        _spin(p, k, e, mass, dt, vec)


def _spin(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mass: Expr, dt: Expr, vec: T.Vec
) -> None:
    ws = e.inout("spins|omega|angular_velocities|w", vec, R.uniform(-3.0, 3.0))
    ts = e.field("torques|tau|moments", vec, R.uniform(-0.5, 0.5))
    radius = e.property("radius|r|grain_radius", 0.1, 0.3)
    k.step(p.pick("rotation", "spin", ""))
    inertia = k.let("inertia|moment|i_sphere", 0.4 * mass * radius * radius)
    w = k.var("w|omega_i|spin", ws.own + ts.own * (dt / inertia))
    if p.chance(0.3):
        k.set(w, w * wp.exp(-k.param("spin_damping|rolling_decay", 0.01, 2.0) * dt))
    ws.store(w)
    if p.chance(0.6):
        qs = e.inout("orientations|rotations|q|quats", p.quat, R.rotations())
        if p.chance(0.5):
            q = k.let("q_i|rot|q0", qs.own)

            def advance(b: Block, q0: Expr, omega: Expr, h: Expr) -> Expr:
                return wp.normalize(q0 + construct(p.quat, omega, 0.0) * q0 * (0.5 * h))

            qs.store(
                helper(
                    p,
                    k,
                    "integrate_rotation|advance_quat|spin_quat",
                    {"q|q0": q, "w|omega": w, "dt|h": dt},
                    advance,
                )
            )
        else:
            angle = k.let("angle|theta|speed_w", wp.length(w) * dt)
            with k.when(angle > 1.0e-8):
                qs.store(wp.quat_from_axis_angle(wp.normalize(w), angle) * qs.own)


def _sleep(p: ProgramBuilder) -> None:
    goal = p.pick("energy", "timer", "flag", "both")
    names = {
        "energy": ("grain_energy|kinetic_energy|measure_energy", "Kinetic energy of the assembly."),
        "timer": (
            "update_sleep_state|rest_timers|track_rest",
            "Track how long grains have been at rest.",
        ),
        "flag": ("detect_jammed|rest_detection|deactivate_grains", "Put grains at rest to sleep."),
        "both": (
            "energy_and_sleep|settle_check|update_activity",
            "Energy of the assembly and grains at rest.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    e = Entities(k, "grain")
    vec = p.vec(dimension(p, 2, 3, 3))
    v = e.field("velocities|v|vel", vec, R.uniform(-0.2, 0.2))
    e.guard()
    mass = e.property("mass|m", 0.2, 2.0)
    by_length, spins = p.chance(0.5), vec.n == 3 and p.chance(0.4)

    def kinetic(b: Block, m: Expr, u: Expr) -> Expr:
        return 0.5 * m * (wp.length_sq(u) if by_length else wp.dot(u, u))

    energy = k.var(
        "energy|ke|ek",
        helper(
            p,
            k,
            "kinetic_energy_of|translational_energy|half_mv2",
            {"m|mass": mass, "v|u": v.own},
            kinetic,
        ),
    )
    if spins:
        w = e.field("spins|omega|angular_velocities", vec, R.uniform(-1.0, 1.0))
        inertia = e.property("inertia|moment_of_inertia|i_grain", 0.01, 0.05)
        k.aug(energy, "+", 0.5 * inertia * wp.dot(w.own, w.own))
    tune(p, e, energy, "energy", 0.2)
    if goal in ("energy", "both"):
        total = k.out("total_energy|kinetic|sum_energy", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(total, e.world if e.world is not None else 0, energy))
    if goal == "energy":
        if p.chance(0.5):
            peak = k.out("max_energy|peak_energy|e_max", p.real, (1,))
            k.do(wp.atomic_max(peak, 0, energy))
        report(p, e, energy, "energy", 0.05)
        return
    threshold = k.param("sleep_threshold|energy_tol|rest_energy", 0.001, 0.02)
    if goal == "timer":
        timer = e.inout("rest_frames|sleep_timer|frames_at_rest", T.I32, R.integers(0, 10))
        with k.when(energy < threshold):
            timer.store(timer.own + 1)
        with k.otherwise():
            timer.store(0)
        if p.chance(0.5):
            frames = k.count("frames_to_sleep|sleep_after|hold_frames", p.pick(4, 6, 8))
            e.out("asleep|is_sleeping|frozen", T.I32).store(wp.where(timer.own >= frames, 1, 0))
        return
    asleep = e.out("asleep|is_sleeping|at_rest", T.I32)
    asleep.store(
        choose(energy < threshold, 1, 0) if p.chance(0.5) else construct(T.I32, energy < threshold)
    )


def _grow(p: ProgramBuilder) -> None:
    goal = p.pick("grow", "mass", "fraction")
    names = {
        "grow": (
            "grow_radii|swell_grains|inflate_packing",
            "Lubachevsky-Stillinger growth of the radii.",
        ),
        "mass": (
            "polydisperse_setup|grain_mass_properties|initialize_grains",
            "Mass and inertia of polydisperse grains.",
        ),
        "fraction": (
            "solid_fraction|packing_fraction|grain_volume",
            "Solid fraction of the packing.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    e = Entities(k, "grain")
    radius = e.field("radii|radius|r", p.real, R.uniform(0.05, 0.2))
    e.guard()
    r: Expr | Name = radius.read("r|r_i|rad") if p.chance(0.6) else radius.own
    if goal == "grow":
        rate, dt = (
            k.param("growth_rate|swell|rate", 0.05, 1.0),
            e.world_param("dt|timestep", 0.001, 0.05),
        )
        cap = e.property("target_radius|r_max|max_radius", 0.15, 0.3)
        grown = k.var(
            "grown|r_new|next_r", r * (1.0 + rate * dt) if p.chance(0.5) else r + rate * dt
        )
        k.set(grown, wp.min(grown, cap))
        tune(p, e, grown, "radius", 0.3)
        e.out("radii_out|new_radii|r_out", p.real).store(grown)
        report(p, e, grown, "radius", 0.2)
        return
    cubed = p.chance(0.7)

    def ball(b: Block, a: Expr) -> Expr:
        return (
            4.1887902 * a * a * a
            if cubed
            else literal(4.0, p.real) / 3.0 * 3.14159265 * wp.pow(a, 3.0)
        )

    volume = k.let(
        "volume|vol|v_sphere",
        helper(p, k, "sphere_volume|ball_volume|grain_volume_of", {"r|a": r}, ball),
    )
    if goal == "fraction":
        total = k.out("solid_volume|total_volume|phi_sum", p.real, (e.worlds or 1,))
        box = k.param("box_volume|container_volume|domain_volume", 5.0, 20.0)
        k.do(wp.atomic_add(total, e.world if e.world is not None else 0, volume / box))
        report(p, e, volume, "volume", 0.03)
        return
    density = e.property("density|rho|grain_density", 500.0, 3000.0)
    mass = k.let("m|mass|weight", density * volume)
    if p.chance(0.5):
        e.out("inv_mass|inverse_mass|inv_masses", p.real).store(1.0 / mass)
    else:
        e.out("masses|mass_out|grain_mass", p.real).store(mass)
    report(p, e, mass, "mass", 30.0)
    if p.chance(0.6):
        e.out("inertias|inertia|moment", p.real).store(0.4 * mass * r * r)


STEPS = {planes: 1.8, drum: 1.3, mesh_walls: 1.2, _motion: 2.2, _sleep: 2.6, _grow: 2.4}
