"""Steps on the background grid of a material point solver."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _grid(p: ProgramBuilder, k: KernelBuilder) -> tuple[Grid, int]:
    n = dimension(p, 2, 3, 3)
    return Grid(k, "i|ix|gx j|iy|gy" if n == 2 else "i|ix|gx j|iy|gy k_|iz|gz", boundary="clamp"), n


def _update(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "grid_update|grid_op|update_grid|grid_velocity_step|normalize_and_integrate|grid_forces_and_bc|advance_grid",
        p.pick(
            "Grid velocities, gravity and boundaries.",
            "Momentum to velocity, then forces and walls.",
            "Explicit grid step.",
            "Apply boundary conditions on the grid.",
        ),
    )
    g, n = _grid(p, k)
    vec = p.vec(n)
    mass = g.field("grid_m|grid_mass|node_mass", p.real, R.uniform(-0.4, 2.0))
    in_place = p.chance(0.5)
    mv = g.field(
        "grid_v|grid_momentum|grid_mv|node_v",
        vec,
        R.uniform(-1.0, 1.0),
        "inout" if in_place else "in",
    )
    out = mv if in_place else g.out("grid_v_out|node_velocity|v_grid", vec)
    m = k.let("m|mass|m_i", mass.own)
    floor = p.pick(0.0, 1.0e-6, 1.0e-8)
    nested = p.chance(0.4)
    if not nested:
        with k.when(m <= floor):
            if p.chance(0.5) and not in_place:
                out.store(construct(vec, 0.0))
            k.ret()
        _body(p, k, g, n, vec, mv, out, m)
        return
    with k.when(m > floor):
        _body(p, k, g, n, vec, mv, out, m)


def _body(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grid,
    n: int,
    vec: T.Vec,
    mv: GridField,
    out: GridField,
    m: Expr,
) -> None:
    dt = k.param("dt|timestep|delta_t", 0.0001, 0.005)
    v = k.var("v|vel|v_i", mv.own / m if p.chance(0.6) else mv.own * (1.0 / m))
    if p.chance(0.85):
        up = "z" if n == 3 and p.chance(0.3) else "y"
        g0 = [0.0] * n
        g0["xyz".index(up)] = -9.81
        if p.chance(0.7):
            k.aug(v, "+", k.quantity("gravity|g", vec, g0) * dt)
        else:
            k.set(v.field(up), v.field(up) - k.param("gravity|g|g0", 1.6, 9.81) * dt)
    if p.chance(0.35):
        force = g.field("grid_f|node_force|internal_force", vec, R.uniform(-5.0, 5.0))
        k.aug(v, "+", force.own * (dt / m))
    if p.chance(0.3):
        k.aug(
            v,
            "*",
            1.0 - k.param("damping|grid_damping|drag", 0.001, 0.1)
            if p.chance(0.5)
            else wp.exp(-dt * k.param("damping|drag|decay", 0.1, 5.0)),
        )
    for stage in p.sample([_walls, _collider, _limit], 1, 3):
        k.step(p.pick("boundary", "", "collisions"))
        stage(p, k, g, n, vec, v)
    out.store(v)
    if p.chance(0.2):
        k.do(wp.atomic_max(k.out("max_grid_v|v_max|peak_v", p.real, (1,)), 0, wp.length(v)))


def _walls(p: ProgramBuilder, k: KernelBuilder, g: Grid, n: int, vec: T.Vec, v: Name) -> None:
    pad = k.count("bound|padding|wall_cells|margin", p.pick(2, 3))
    form = p.pick("slip", "sticky", "component", "friction")
    if form == "sticky":
        tests = [t for axis, i in enumerate(g.index) for t in (i < pad, i >= g.extent(axis) - pad)]
        with k.when(any_of(*tests)):
            k.set(v, construct(vec, 0.0))
    elif form == "friction":
        mu = k.param("wall_friction|mu|ground_mu", 0.1, 0.8)
        with k.when(all_of(g.index[1] < pad, v.y < 0.0)):
            drop = k.let("vn|impact|v_in", -v.y)
            k.set(v.y, literal(0.0, p.real))
            size = k.let("vt|slide|v_tan", wp.length(v))
            with k.when(size > 0.0):
                k.aug(v, "*", wp.max(1.0 - mu * drop / size, 0.0))
    else:
        for axis, i in enumerate(g.index):
            c = v.field("xyz"[axis])
            if form == "slip":
                with k.when(all_of(i < pad, c < 0.0)):
                    k.set(c, literal(0.0, p.real))
                with k.when(all_of(i > g.extent(axis) - pad, c > 0.0)):
                    k.set(c, literal(0.0, p.real))
            else:
                with k.when(i < pad):
                    k.set(c, wp.max(c, 0.0))
                with k.elsewhen(i >= g.extent(axis) - pad):
                    k.set(c, wp.min(c, 0.0))


def _node_position(k: KernelBuilder, g: Grid, vec: T.Vec) -> Name:
    p = k.p
    dx = k.quantity("dx|cell_size|h_grid", p.real, round(1.0 / max(g.shape), 5))
    return k.let("x|pos|x_i", construct(vec, *[construct(p.real, i) for i in g.index]) * dx)


def _collider(p: ProgramBuilder, k: KernelBuilder, g: Grid, n: int, vec: T.Vec, v: Name) -> None:
    x = _node_position(k, g, vec)
    kind = p.pick("sphere", "plane", "field")
    if kind == "sphere":
        d = k.let("d|rel|offset", x - k.quantity("collider_pos|sphere_center|ball", vec, [0.5] * n))
        dist = k.let("dist|len_d|phi", wp.length(d))
        inside = dist < k.param("collider_radius|sphere_radius|ball_r", 0.1, 0.3)
        normal: Expr = d / wp.max(dist, 1.0e-5)
    elif kind == "plane":
        normal = k.quantity(
            "plane_normal|wall_normal|n_plane", vec, [0.6, 0.8] if n == 2 else [0.6, 0.8, 0.0]
        )
        inside = (
            wp.dot(normal, x - k.quantity("plane_point|wall_point|p_plane", vec, [0.4] * n)) < 0.0
        )
    else:
        sdf = g.field("sdf|levelset|grid_sdf", p.real, R.uniform(-0.3, 1.0))
        normals = g.field("sdf_normal|grid_normal|normals", vec, R.unit_vectors())
        inside, normal = sdf.own < k.param("thickness|sdf_offset|band", 0.01, 0.2), normals.own
    with k.when(inside):
        nn = k.let("n|normal|nrm", normal)
        rel: Expr = v
        moving = p.chance(0.4)
        if moving:
            vc = k.quantity("collider_velocity|v_collider|obstacle_v", vec, [0.3, 0.0, -0.2][:n])
            rel = k.let("v_rel|rel_v|dv", v - vc)
        vn = k.let("vn|v_n|approach", wp.dot(rel, nn))
        with k.when(vn < 0.0):
            vt = k.let("vt|v_t|tangent", rel - nn * vn)
            result: Expr = vt
            if p.chance(0.6):
                mu = k.param("collider_friction|mu_c|friction", 0.1, 0.8)
                size = k.let("vt_len|slide_v|t_len", wp.length(vt))
                result = k.let(
                    "v_slip|vt_new|slipped",
                    wp.where(
                        size > -mu * vn,
                        vt * (1.0 + mu * vn / wp.max(size, 1.0e-6)),
                        construct(vec, 0.0),
                    ),
                )
            k.set(v, result + vc if moving else result)


def _limit(p: ProgramBuilder, k: KernelBuilder, g: Grid, n: int, vec: T.Vec, v: Name) -> None:
    top = k.param("max_velocity|v_max|cfl_v", 0.3, 3.0)
    speed = k.let("speed|v_len|mag", wp.length(v))
    with k.when(speed > top):
        k.aug(v, "*", top / speed)


def _measure(p: ProgramBuilder) -> None:
    goals = p.sample(["clear", "energy", "active", "save", "momentum"], 1, 3)
    names = {
        "clear": ("clear_grid|reset_nodes|reset_grid", "Reset the grid for the next step."),
        "energy": ("grid_energy|grid_statistics|measure_grid", "Energy on the grid."),
        "active": (
            "mark_active_nodes|count_active_cells|flag_nodes",
            "Mark nodes that carry mass.",
        ),
        "save": (
            "save_grid_velocity|store_grid_velocity|backup_velocity",
            "Keep the velocities for the FLIP update.",
        ),
        "momentum": (
            "grid_momentum|total_grid_momentum|momentum_check",
            "Total momentum on the grid.",
        ),
    }
    k = p.kernel_builder(*names[goals[0]])
    g, n = _grid(p, k)
    vec = p.vec(n)
    role = "inout" if "clear" in goals else "in"
    mass = g.field("grid_m|grid_mass|node_mass", p.real, R.uniform(-0.4, 2.0), role)
    velocity = g.field("grid_v|node_v|v_grid", vec, R.uniform(-1.0, 1.0), role)
    m = k.let("m|mass|m_i", mass.own)
    if "save" in goals:
        g.out("grid_v_old|v_saved|grid_v_prev", vec).store(velocity.own)
    for goal in [x for x in goals if x not in ("clear", "save")]:
        if goal == "active":
            threshold = k.param("mass_eps|min_mass|threshold", 0.01, 0.5)
            with k.when(m > threshold):
                g.out("active|is_active|node_flags", T.I32).store(1)
                if p.chance(0.5):
                    k.do(wp.atomic_add(k.out("num_active|active_count", T.I32, (1,)), 0, 1))
        elif goal == "energy":
            with k.when(m > 0.0):
                k.do(
                    wp.atomic_add(
                        k.out("kinetic|grid_ke|energy", p.real, (1,)),
                        0,
                        0.5 * m * wp.dot(velocity.own, velocity.own),
                    )
                )
        else:
            k.do(
                wp.atomic_add(
                    k.out("momentum|total_mv|net_momentum", vec, (1,)), 0, velocity.own * m
                )
            )
    if "clear" in goals:
        mass.store(0.0)
        velocity.store(construct(vec, 0.0))
        if p.chance(0.4):
            g.field("grid_f|node_force", vec, R.uniform(-1.0, 1.0), "inout").store(
                construct(vec, 0.0)
            )


GRID_STEPS = {_update: 2.8, _measure: 2.6}
