"""Grains one at a time: walls, drums and meshes, motion with spin, sleeping, diagnostics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.categories._extras import helper, report, tune
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _planes(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "plane_contacts|wall_forces|hopper_walls|boundary_contacts|particle_plane_contact|half_space_contacts",
        p.pick("Contact of grains with bounding planes.", "Penalty forces from the container walls.", "Wall contact with friction."),
    )
    e = Entities(k, "grain")
    vec = p.vec(p.pick(2, 3, 3, 3))
    xs = e.field("positions|x|pos|grain_x", vec, R.uniform(-0.2, 1.2))
    damped = p.chance(0.7)
    vs = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0)) if damped else None
    radius = e.property("radius|grain_radius|r", 0.05, 0.2)
    e.guard()
    x = xs.read("x|x_i|pos_i")
    v = vs.read("v|v_i|vel_i") if vs else None
    count = p.pick(3, 4, 5, 6)
    packed = vec.n == 3 and p.real == T.F32 and p.chance(0.5)
    if packed:
        planes = k.array("planes|wall_planes|boundaries", p.vec(4), (count,), R.unit_vectors())
    else:
        normals = k.array("plane_normals|wall_normals|normals", vec, (count,), R.unit_vectors())
        offsets = k.array("plane_offsets|wall_offsets|offsets", p.real, (count,), R.uniform(-0.3, 0.3))
    force = k.var("f|force|f_wall", construct(vec, 0.0))
    kn = k.param("wall_stiffness|kn|ke", 200.0, 5000.0)
    with k.loop("w|plane|wall", count if p.chance(0.4) else k.count("num_planes|n_walls|num_walls", count)) as w:
        if packed:
            plane = k.let("plane|pl|eq", planes[w])
            n = k.let("n|normal", construct(vec, plane[0], plane[1], plane[2]))
            gap = k.let("gap|dist|c", wp.dot(n, x) + plane[3] - radius)
        else:
            n = k.let("n|normal", normals[w])
            gap = k.let("gap|dist|c", wp.dot(n, x) - offsets[w] - radius)
        with k.when(gap >= 0.0):
            k.cont()
        fn: Expr = -kn * gap
        if v is not None:
            vn = k.let("vn|v_n", wp.dot(v, n))
            fn = k.let("fn|f_n", fn - k.param("wall_damping|cn|kd", 0.5, 20.0) * wp.min(vn, 0.0))
            k.aug(force, "+", n * fn)
            if p.chance(0.6):
                vt = k.let("vt|slip", v - n * vn)
                size = k.let("vs|vt_len|slip_speed", wp.length(vt))
                with k.when(size > 1.0e-6):
                    grip = wp.min(k.param("ct|kt|wall_kt", 0.5, 20.0) * size, k.param("mu|wall_friction|wall_mu", 0.1, 0.8) * fn)
                    k.aug(force, "-", vt * (grip / size))
        else:
            k.aug(force, "+", n * fn)
    tune(p, e, force, "force", 500.0)
    if p.chance(0.6):
        e.out("forces|f_out|wall_force", vec).store(force)
    else:
        e.inout("forces|f_out|net_force", vec, R.uniform(-1.0, 1.0)).add(force)
    report(p, e, force, "force", 200.0)


def _drum(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "drum_contact|rotating_drum|mill_wall|cylinder_wall|hopper_cone|silo_wall",
        p.pick("Contact with the wall of a rotating drum.", "Grains inside a spinning cylinder.", "Inner contact with a cylindrical wall."),
    )
    e = Entities(k, "grain")
    vec = p.vec(3)
    xs = e.field("positions|x|pos", vec, R.uniform(-1.0, 1.0))
    vs = e.field("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
    radius = e.property("radius|grain_radius|r", 0.02, 0.15)
    e.guard()
    x, v = xs.read("x|x_i|pos_i"), vs.read("v|v_i|vel_i")
    drum = k.param("drum_radius|cylinder_radius|wall_radius", 0.5, 1.0)
    omega = e.world_param("drum_speed|angular_speed|omega", 0.5, 6.0)
    a, b, axis = p.pick(("x", "y", "z"), ("x", "z", "y"), ("y", "z", "x"))
    rho = k.let("rho|rad|r_axis", wp.sqrt(x.field(a) * x.field(a) + x.field(b) * x.field(b)))
    depth = k.let("depth|pen|overlap", rho + radius - drum)
    out = e.out("forces|f_out|wall_force", vec)
    with k.when(depth <= 0.0 if p.chance(0.6) else all_of(depth <= 0.0, rho < drum)):
        k.ret()
    parts = {a: -(x.field(a) / rho), b: -(x.field(b) / rho), axis: 0.0}
    n = k.let("n|inward|normal", construct(vec, parts["x"], parts["y"], parts["z"]))
    flipped = (a, b) == ("x", "z")  # y is the axis: x turns towards -z
    along, against = (b, a) if not flipped else (a, b)
    turn = {along: omega * x.field(against), against: -omega * x.field(along), axis: 0.0}
    surface = k.let("v_wall|wall_vel|surface_v", construct(vec, turn["x"], turn["y"], turn["z"]))
    rel = k.let("v_rel|slip|dv", v - surface)
    vn = k.let("vn|v_n", wp.dot(rel, n))
    fn = k.let("fn|f_n", wp.max(k.param("kn|wall_stiffness", 200.0, 5000.0) * depth - k.param("cn|wall_damping", 0.5, 20.0) * vn, 0.0))
    vt = k.let("vt|tangent_v|slip_t", rel - n * vn)
    mu = k.param("mu|wall_friction", 0.1, 0.8)
    if p.chance(0.5):
        ft = k.let("ft|f_t", wp.normalize(vt) * -wp.min(k.param("ct|kt", 0.5, 20.0) * wp.length(vt), mu * fn))
    else:
        smooth = k.param("v_reg|slip_regularization|v_eps", 0.01, 0.1)
        ft = k.let("ft|f_t", vt * (-mu * fn / wp.sqrt(wp.dot(vt, vt) + smooth * smooth)))
    force = k.var("f|force|f_wall", n * fn + ft)
    tune(p, e, force, "force", 500.0)
    out.store(force)
    if p.chance(0.4):
        power = k.out("drum_power|wall_torque|torque_axis", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(power, e.world if e.world is not None else 0, wp.dot(ft, surface)))


def _mesh(p: ProgramBuilder) -> None:
    p.real = T.F32
    k = p.kernel_builder(
        "mesh_contacts|grain_mesh_contact|geometry_contact|chute_contact|terrain_contact",
        p.pick("Contact of grains with a triangle mesh.", "Signed distance to the chute geometry.", "Push grains out of a mesh."),
    )
    e = Entities(k, "grain")
    xs = e.field("positions|x|pos", T.VEC3, R.uniform(-1.0, 1.0))
    vs = e.field("velocities|v|vel", T.VEC3, R.uniform(-1.0, 1.0)) if p.chance(0.6) else None
    radius = e.property("radius|grain_radius|r", 0.05, 0.2)
    e.guard()
    mesh = k.arg("mesh|mesh_id|geometry|collider", T.Handle("mesh"), R.mesh(p.pick("sphere", "torus", "box", "terrain"), 8, 1.0), 0)
    x = xs.read("x|x_i|pos_i")
    reach = k.param("max_dist|query_dist|search_dist", 0.5, 2.0)
    query = k.let("query|q|hit", wp.mesh_query_point(mesh, x, reach))
    with k.when(query_field(query, "result")):
        face, u, w = (query_field(query, f) for f in ("face", "u", "v"))
        closest = k.let("closest|cp|surface_point", wp.mesh_eval_position(mesh, face, u, w))
        d = k.let("d|delta|to_grain", x - closest)
        dist = k.let("dist|sdf|signed", wp.length(d) * query_field(query, "sign"))
        with k.when(dist < radius):
            n = k.let("n|normal", wp.normalize(d) * query_field(query, "sign"))
            fn: Expr = k.param("kn|stiffness|ke", 200.0, 5000.0) * (radius - dist)
            if vs is not None:
                surface = wp.mesh_eval_velocity(mesh, face, u, w) if p.chance(0.5) else construct(T.VEC3, 0.0)
                rel = k.let("v_rel|dv", vs.own - surface if p.chance(0.7) else vs.own)
                fn = fn - k.param("cn|damping|kd", 0.5, 20.0) * wp.min(wp.dot(rel, n), 0.0)
            force = k.var("f|force|f_c", n * fn)
            tune(p, e, force, "force", 500.0)
            e.out("forces|f_out|contact_force", T.VEC3).store(force)
            if p.chance(0.4):
                e.out("contact_face|hit_face|face_ids", T.I32).store(face)


def _motion(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "integrate_grains|advance_grains|update_grain_motion|dem_integrate|move_grains|velocity_verlet_dem",
        p.pick("Translate and rotate the grains.", "Time integration of grain motion.", "Advance positions, velocities and spins."),
    )
    e = Entities(k, "grain")
    vec = p.vec(3)
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
        accel = accel + e.world_vector("gravity|g", p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]), vec)
    v = k.var("v|v_new|vel_i", vs.own + accel * dt)
    if p.chance(0.4):
        k.aug(v, "*", 1.0 - k.param("global_damping|alpha|damping", 0.01, 1.0) * dt)
    if p.chance(0.25):
        clamp_length(p, k, v, k.param("v_max|max_speed", 1.0, 10.0))
    (vs if role == "inout" else e.out("v_out|velocities_out", vec)).store(v)
    (xs if role == "inout" else e.out("x_out|positions_out", vec)).store(xs.own + v * dt)
    if p.chance(0.65):
        _spin(p, k, e, mass, dt, vec)


def _spin(p: ProgramBuilder, k: KernelBuilder, e: Entities, mass: Expr, dt: Expr, vec: T.Vec) -> None:
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

            qs.store(helper(p, k, "integrate_rotation|advance_quat|spin_quat", {"q|q0": q, "w|omega": w, "dt|h": dt}, advance))
        else:
            angle = k.let("angle|theta|speed_w", wp.length(w) * dt)
            with k.when(angle > 1.0e-8):
                qs.store(wp.quat_from_axis_angle(wp.normalize(w), angle) * qs.own)


def _sleep(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_sleep_state|detect_jammed|rest_detection|deactivate_grains|energy_per_grain|kinetic_energy",
        p.pick("Put grains at rest to sleep.", "Kinetic energy of grains and of the assembly.", "Track how long grains have been at rest."),
    )
    e = Entities(k, "grain")
    vec = p.vec(p.pick(2, 3, 3))
    v = e.field("velocities|v|vel", vec, R.uniform(-0.2, 0.2))
    e.guard()
    mass = e.property("mass|m", 0.2, 2.0)
    by_length, spins = p.chance(0.5), vec.n == 3 and p.chance(0.4)

    def kinetic(b: Block, m: Expr, u: Expr) -> Expr:
        return 0.5 * m * (wp.length_sq(u) if by_length else wp.dot(u, u))

    energy = k.var("energy|ke|ek", helper(p, k, "kinetic_energy_of|translational_energy|half_mv2", {"m|mass": mass, "v|u": v.own}, kinetic))
    if spins:
        w = e.field("spins|omega|angular_velocities", vec, R.uniform(-1.0, 1.0))
        inertia = e.property("inertia|moment_of_inertia|i_grain", 0.01, 0.05)
        k.aug(energy, "+", 0.5 * inertia * wp.dot(w.own, w.own))
    tune(p, e, energy, "energy", 0.2)
    goal = p.pick("energy", "timer", "flag", "both")
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
    asleep.store(choose(energy < threshold, 1, 0) if p.chance(0.5) else construct(T.I32, energy < threshold))


def _grow(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "grow_radii|solid_fraction|grain_volume|polydisperse_setup|initialize_grains|grain_mass_properties",
        p.pick("Mass and inertia of polydisperse grains.", "Solid volume of the packing.", "Lubachevsky-Stillinger growth of the radii."),
    )
    e = Entities(k, "grain")
    radius = e.field("radii|radius|r", p.real, R.uniform(0.05, 0.2))
    e.guard()
    goal = p.pick("grow", "mass", "fraction")
    r: Expr | Name = radius.read("r|r_i|rad") if p.chance(0.6) else radius.own
    if goal == "grow":
        rate, dt = k.param("growth_rate|swell|rate", 0.05, 1.0), e.world_param("dt|timestep", 0.001, 0.05)
        cap = e.property("target_radius|r_max|max_radius", 0.15, 0.3)
        grown = k.var("grown|r_new|next_r", r * (1.0 + rate * dt) if p.chance(0.5) else r + rate * dt)
        k.set(grown, wp.min(grown, cap))
        tune(p, e, grown, "radius", 0.3)
        e.out("radii_out|new_radii|r_out", p.real).store(grown)
        report(p, e, grown, "radius", 0.2)
        return
    cubed = p.chance(0.7)

    def ball(b: Block, a: Expr) -> Expr:
        return 4.1887902 * a * a * a if cubed else literal(4.0, p.real) / 3.0 * 3.14159265 * wp.pow(a, 3.0)

    volume = k.let("volume|vol|v_sphere", helper(p, k, "sphere_volume|ball_volume|grain_volume_of", {"r|a": r}, ball))
    if goal == "fraction":
        total = k.out("solid_volume|total_volume|phi_sum", p.real, (e.worlds or 1,))
        box = k.param("box_volume|container_volume|domain_volume", 5.0, 20.0)
        k.do(wp.atomic_add(total, e.world if e.world is not None else 0, volume / box))
        report(p, e, volume, "volume", 0.03)
        return
    density = e.property("density|rho|grain_density", 500.0, 3000.0)
    mass = k.let("m|mass|weight", density * volume)
    e.out("masses|mass_out|inv_mass", p.real).store(1.0 / mass if p.chance(0.5) else mass)
    report(p, e, mass, "mass", 30.0)
    if p.chance(0.6):
        e.out("inertias|inertia|moment", p.real).store(0.4 * mass * r * r)


STEPS = {_planes: 1.8, _drum: 1.3, _mesh: 1.2, _motion: 2.2, _sleep: 2.6, _grow: 2.4}
