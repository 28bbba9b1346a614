"""Material points one at a time: deformation, step limits, boundaries."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import dimension, report, tune
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal

_X, _V = "particle_x|positions|x|x_p", "particle_v|velocities|v|v_p"
_C, _F = "particle_c|affine|c_mats|apic_c|b_mats", "particle_f|def_grad|f_mats|deformation|f_p"


def open_particles(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Entities, int]:
    k = p.kernel_builder(hint, p.pick(*docs))
    return (
        k,
        Entities(k, p.pick("particle", "particle", "point"), index="tid|p|i|pid"),
        dimension(p, 2, 3, 3),
    )


def unit_matrix(p: ProgramBuilder, n: int) -> Expr:
    return identity(p, n)


def update_deformation(p: ProgramBuilder) -> None:
    k, e, n = open_particles(
        p,
        "update_deformation|evolve_def_grad|update_f|integrate_deformation|update_volume|strain_update",
        "Evolve deformation gradients.",
        "Update F and the volume ratio from the velocity gradient.",
        "Deformation step with limits on the volume change.",
    )
    grads = e.field("grad_v|velocity_gradient|l_mats|particle_c", p.mat(n), R.uniform(-2.0, 2.0))
    f = e.inout(_F, p.mat(n), R.near_identity(0.1))
    e.guard()
    dt = e.world_param("dt|timestep|delta_t", 0.001, 0.02)
    grad = k.let("l|grad|c", grads.own)
    form = p.pick("first", "second", "exp")
    step: Expr = unit_matrix(p, n) + grad * dt
    if form == "second":
        step = step + grad * grad * (0.5 * dt * dt)
    elif form == "exp":
        sym = k.let("d_rate|sym|strain_rate", (grad + wp.transpose(grad)) * 0.5)
        spin = k.let("w_rate|spin|vort", grad - sym)
        step = unit_matrix(p, n) + (sym + spin) * dt + sym * sym * (0.5 * dt * dt)
    new = k.var("f_new|f1|fn", step * f.own)
    volume = k.let("j|det_f|vol_ratio", wp.determinant(new))
    choice = p.pick("none", "reset", "clamp", "count", "out")
    if choice == "reset":
        with k.when(
            any_of(
                volume < k.param("j_min|min_det", 0.1, 0.5),
                volume > k.param("j_max|max_det", 1.6, 4.0),
            )
            if p.chance(0.6)
            else volume < 0.1
        ):
            k.set(new, unit_matrix(p, n))
            if p.chance(0.5):
                k.do(
                    wp.atomic_add(
                        k.out("num_reset|degenerate|resets", T.I32, (e.worlds or 1,)),
                        e.world if e.world is not None else 0,
                        1,
                    )
                )
    elif choice == "clamp":
        goal = k.let(
            "j_lim|target_j",
            wp.clamp(
                volume, k.param("j_min|min_det", 0.5, 0.9), k.param("j_max|max_det", 1.1, 2.0)
            ),
        )
        k.aug(
            new, "*", wp.pow(goal / volume, round(1.0 / n, 7)) if n == 3 else wp.sqrt(goal / volume)
        )
    f.store(new)
    if choice in ("none", "out", "count"):
        e.out("j_out|volume_ratios|particle_j", p.real).store(volume)
        report(p, e, volume, "volume", 1.0, {0: 3, 1: 2})
    if p.chance(0.4):
        strain = k.let("green|e_strain|eps", (wp.transpose(new) * new - unit_matrix(p, n)) * 0.5)
        e.out("strain|strains|green_strain", p.mat(n)).store(strain)


def step_limits(p: ProgramBuilder) -> None:
    k, e, n = open_particles(
        p,
        "compute_max_dt|cfl_limit|particle_speed_limit|reduce_max_velocity|estimate_timestep|wave_speed_limit",
        "Stable time step of this frame.",
        "Largest particle speed for the CFL condition.",
        "Acoustic limit of the time step.",
    )
    vec = p.vec(n)
    v = e.field(_V, vec, R.uniform(-1.0, 1.0))
    e.guard()
    dx = k.quantity("dx|grid_spacing|cell_size", p.real, p.pick(0.0625, 0.05, 0.1, 0.125))
    speed = k.var("speed|vmax|v_len", wp.length(v.own))
    if p.chance(0.6):
        c = e.field(_C, p.mat(n), R.uniform(-1.0, 1.0))
        k.aug(
            speed,
            "+",
            dx * wp.sqrt(wp.ddot(c.own, c.own)) * (0.5 * n)
            if p.chance(0.6)
            else dx * wp.sqrt(wp.ddot(c.own, c.own)),
        )
    if p.chance(0.6):
        lam, mu = (
            e.property("lam|lambda_p|lame_lambda", 100.0, 2000.0),
            e.property("mu|mu_p|shear_modulus", 100.0, 2000.0),
        )
        rho = k.param("density|rho0|rho", 500.0, 2000.0)
        k.aug(speed, "+", wp.sqrt((lam + 2.0 * mu) / rho))
    tune(p, e, speed, "speed", 5.0, {0: 5, 1: 1})
    where, shape = (e.world if e.world is not None else 0), (e.worlds or 1,)
    cfl = k.param("cfl|courant|safety", 0.1, 0.6)
    if p.chance(0.5):
        k.do(
            wp.atomic_min(
                k.out("dt_out|max_dt|dt_limit", p.real, shape, R.constant(1.0)),
                where,
                cfl * dx / wp.max(speed, 1.0e-6),
            )
        )
    else:
        e.out("local_dt|dt_p|particle_dt", p.real).store(cfl * dx / wp.max(speed, 1.0e-4))
        k.do(wp.atomic_max(k.out("max_speed|v_max|peak_speed", p.real, shape), where, speed))
    report(p, e, speed, "speed", 3.0, {0: 3, 1: 1})


def particle_bounds(p: ProgramBuilder) -> None:
    places = p.sample(["box", "sphere"], 1, 2)
    extras = p.sample(["damp", "sleep"], 0, 1)
    if "box" in places:
        names = "clamp_to_domain|particle_boundaries|enforce_bounds|confine_particles|keep_inside"
        docs = ("Keep particles inside the domain.", "Boundary conditions on particles.")
    else:
        names = "push_from_collider|collide_particles|resolve_collider|project_out"
        docs = ("Project particles out of a collider.", "Particle collision with a sphere.")
    k, e, n = open_particles(p, names, *docs)
    vec = p.vec(n)
    xs = e.inout(_X, vec, R.uniform(-0.1, 1.1))
    vs = e.inout(_V, vec, R.uniform(-1.0, 1.0))
    e.guard()
    x, v = k.var("x|x_p|xp", xs.own), k.var("v|v_p|vp", vs.own)
    for stage in (*places, *extras):
        if stage == "box":
            margin = k.param("margin|padding|wall", 0.05, 0.15)
            if p.chance(0.5):
                with k.loop("c|axis|d", n) as c:
                    with k.when(x[c] < margin):
                        k.set(x[c], margin)
                        k.set(v[c], wp.max(v[c], 0.0))
                    with k.elsewhen(x[c] > 1.0 - margin):
                        k.set(x[c], 1.0 - margin)
                        k.set(v[c], wp.min(v[c], 0.0))
            else:
                for a in "xyz"[:n]:
                    with k.when(any_of(x.field(a) < margin, x.field(a) > 1.0 - margin)):
                        k.set(x.field(a), wp.clamp(x.field(a), margin, 1.0 - margin))
                        k.set(v.field(a), literal(0.0, p.real))
        elif stage == "sphere":
            center, radius = (
                k.quantity("collider_center|sphere|ball_pos", vec, [0.5] * n),
                k.param("collider_radius|ball_radius", 0.1, 0.35),
            )
            d = k.let("d|rel|out_d", x - center)
            dist = k.let("dist|len_d|sd", wp.length(d))
            with k.when(dist < radius):
                normal = k.let("n|normal", d / wp.max(dist, 1.0e-5))
                k.set(x, center + normal * radius)
                k.aug(v, "-", normal * wp.min(wp.dot(v, normal), 0.0))
        elif stage == "damp":
            k.aug(v, "*", 1.0 - k.param("damping|drag|velocity_damping", 0.001, 0.1))
        else:
            tune(p, e, v, "speed", 1.0, {1: 1})
    xs.store(x)
    vs.store(v)
    report(p, e, v, "speed", 1.0)
