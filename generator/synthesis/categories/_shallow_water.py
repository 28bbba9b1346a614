"""Shallow water in conservative and pipe form, and transfers between particles and the grid."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import border_exit, mask_exit, monitor, open_grid
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, lift

# --- conservative shallow water -------------------------------------------------------------------


def shallow_water(p: ProgramBuilder) -> None:
    """Finite volumes for depth and momentum, or the linearised staggered form."""
    if p.chance(0.4):
        _staggered(p)
        return
    k = p.kernel_builder(
        "shallow_water_step|swe_update|saint_venant_step|flood_step|update_water",
        p.pick(
            "Finite-volume step of the shallow-water equations.",
            "Depth and momentum update.",
            "Shallow-water fluxes with friction.",
        ),
    )
    g = open_grid(p, k, 2)
    gravity = k.param("gravity|grav|g", 1.0, 9.81)
    vec = p.vec(3)
    flux_x, flux_y = _flux_functions(p)
    state = g.field("state|q|conserved|h_hu_hv", vec, R.uniform(0.5, 1.5))
    out = g.out("state_out|q_new|conserved_new", vec)
    border_exit(p, g, (out, state.own))
    mask_exit(p, g, (out, state.own), chance=0.25, hint="dry|land|mask")
    c = state.read("c|q_c|center")
    k.step(p.pick("", "numerical fluxes through the four faces"))
    fe = k.let("f_e|flux_e|fx1", flux_x(c, state[0, 1], gravity))
    fw = k.let("f_w|flux_w|fx0", flux_x(state[0, -1], c, gravity))
    fn = k.let("f_n|flux_n|fy1", flux_y(c, state[1, 0], gravity))
    fs = k.let("f_s|flux_s|fy0", flux_y(state[-1, 0], c, gravity))
    dt, dx = k.param("dt|time_step", 0.001, 0.02), k.param("dx|h_cell|cell_size", 0.5, 2.0)
    new = k.let("new|q_next|updated", c - (fe - fw + fn - fs) * (dt / dx))
    for term in p.sample([_bed_slope, _friction, _rain], 0, 2):
        term(p, g, state, new, dt, dx)
    out.store(new)
    monitor(p, g, new[0], "depth|water", 0.35)


def _flux_functions(p: ProgramBuilder) -> tuple[UserFunction, UserFunction]:
    """Numerical fluxes along x and y between two states (h, hu, hv)."""
    form = p.pick("rusanov", "hll", "rusanov", "rotated")
    vec = p.vec(3)

    def physical(axis: int) -> UserFunction:
        def body(b: Block, q: Expr, grav: Expr) -> None:
            h = b.let("h|depth", wp.max(q[0], p.pick(1.0e-4, 1.0e-3)))
            vel = b.let("vel|un|speed", q[1 + axis] / h)
            pressure = b.let("pr|press|half_gh2", 0.5 * grav * h * h)
            parts = (
                [q[1 + axis], q[1] * vel + pressure, q[2] * vel]
                if axis == 0
                else [q[2], q[1] * vel, q[2] * vel + pressure]
            )
            b.ret(construct(vec, *parts))

        return p.func(
            f"flux_{'xy'[axis]}|physical_flux_{'xy'[axis]}|swe_flux_{'xy'[axis]}",
            {"q|state|u": vec, "grav|gravity": p.real},
            body,
        )

    def numerical(axis: int, exact: UserFunction) -> UserFunction:
        def body(b: Block, ql: Expr, qr: Expr, grav: Expr) -> None:
            hl, hr = b.let("hl|h_l", wp.max(ql[0], 1.0e-3)), b.let("hr|h_r", wp.max(qr[0], 1.0e-3))
            ul, ur = b.let("ul|u_l", ql[1 + axis] / hl), b.let("ur|u_r", qr[1 + axis] / hr)
            cl, cr = b.let("cl|c_l", wp.sqrt(grav * hl)), b.let("cr|c_r", wp.sqrt(grav * hr))
            fl, fr = exact(ql, grav), exact(qr, grav)
            if form == "hll":
                fl, fr = b.let("fl|f_l", fl), b.let("fr|f_r", fr)
                sl, sr = (
                    b.let("sl|s_l", wp.min(ul - cl, ur - cr)),
                    b.let("sr|s_r", wp.max(ul + cl, ur + cr)),
                )
                with b.when(sl >= 0.0):
                    b.ret(fl)
                with b.when(sr <= 0.0):
                    b.ret(fr)
                b.ret((fl * sr - fr * sl + (qr - ql) * (sl * sr)) / (sr - sl))
                return
            speed = b.let("a|s_max|lam", wp.max(wp.abs(ul) + cl, wp.abs(ur) + cr))
            b.ret((fl + fr) * 0.5 - (qr - ql) * (0.5 * speed))

        return p.func(
            f"{form}_{'xy'[axis]}|face_flux_{'xy'[axis]}|riemann_{'xy'[axis]}",
            {"ql|left": vec, "qr|right": vec, "grav|gravity": p.real},
            body,
        )

    along_x = numerical(0, physical(0))
    if form != "rotated":
        return along_x, numerical(1, physical(1))

    def rotated(b: Block, ql: Expr, qr: Expr, grav: Expr) -> None:
        # The y flux is the x flux of the state with its momenta exchanged.
        f = b.let(
            "f|fx|rot",
            along_x(construct(vec, ql[0], ql[2], ql[1]), construct(vec, qr[0], qr[2], qr[1]), grav),
        )
        b.ret(construct(vec, f[0], f[2], f[1]))

    return along_x, p.func(
        "face_flux_y|flux_rotated|riemann_y",
        {"ql|south": vec, "qr|north": vec, "grav|gravity": p.real},
        rotated,
    )


def _bed_slope(p: ProgramBuilder, g: Grid, state: GridField, new: Expr, dt: Expr, dx: Expr) -> None:
    k = g.k
    bed = g.field("bed|bathymetry|terrain|z_bed", p.real, R.uniform(0.0, 0.3))
    grav = k.param("bed_gravity|g_bed", 1.0, 9.81)
    for axis, offset in ((1, (0, 1)), (2, (1, 0))):
        back = tuple(-o for o in offset)
        slope = k.let(
            f"slope_{'xy'[axis - 1]}|dz_d{'xy'[axis - 1]}", (bed[offset] - bed[back]) / (2.0 * dx)
        )
        k.set(new[axis], new[axis] - dt * grav * state.own[0] * slope)


def _friction(p: ProgramBuilder, g: Grid, state: GridField, new: Expr, dt: Expr, dx: Expr) -> None:
    k = g.k
    if p.chance(0.5):
        h = k.let("h_new|depth", wp.max(new[0], p.pick(0.01, 0.05)))
        speed = k.let("speed|vel_mag", wp.sqrt(new[1] * new[1] + new[2] * new[2]) / h)
        n = k.param("manning|roughness|n_manning", 0.01, 0.05)
        drag = k.let("drag|cf|implicit", 1.0 + dt * n * n * speed / wp.pow(h, 4.0 / 3.0))
        k.set(new[1], new[1] / drag)
        k.set(new[2], new[2] / drag)
        return
    damping = k.param("friction|bottom_drag|drag_coef", 0.01, 0.5)
    keep = k.let("keep|decay", 1.0 / (1.0 + damping * dt))
    k.set(new[1], new[1] * keep)
    k.set(new[2], new[2] * keep)


def _rain(p: ProgramBuilder, g: Grid, state: GridField, new: Expr, dt: Expr, dx: Expr) -> None:
    k = g.k
    rate = (
        g.field("rain|inflow|precip", p.real, R.uniform(0.0, 0.1)).own
        if p.chance(0.6)
        else k.param("rain_rate|inflow_rate", 0.01, 0.1)
    )
    k.set(new[0], new[0] + rate * dt)
    if p.chance(0.5):
        dry = k.param("dry_depth|h_min|wet_tol", 0.3, 0.9)
        with k.when(new[0] < dry):
            k.set(new[1], 0.0)
            k.set(new[2], 0.0)


def _staggered(p: ProgramBuilder) -> None:
    """Height at centres and velocities at faces: one of the two half steps."""
    height_step = p.chance(0.5)
    k = p.kernel_builder(
        "update_height|continuity_step|integrate_height"
        if height_step
        else "update_velocity|momentum_step|integrate_velocity",
        p.pick("Height update from face fluxes.", "Continuity on a staggered grid.")
        if height_step
        else p.pick("Velocities accelerated by the surface slope.", "Momentum half step."),
    )
    g = open_grid(p, k, 2)
    h = g.field(
        "h|depth|water_height|eta", p.real, R.uniform(0.5, 1.5), "inout" if height_step else "in"
    )
    role = "in" if height_step else "inout"
    u, v = (
        g.field("u|vel_x|flow_x", p.real, R.uniform(-0.5, 0.5), role),
        g.field("v|vel_y|flow_y", p.real, R.uniform(-0.5, 0.5), role),
    )
    border_exit(p, g)
    mask_exit(p, g, chance=0.3, hint="land|dry|wall")
    dt, dx = k.param("dt|time_step", 0.01, 0.1), k.param("dx|cell_size|spacing", 0.5, 2.0)
    if height_step:
        _height_step(p, g, h, u, v, dt, dx)
        return
    gravity = k.param("gravity|grav", 1.0, 9.81)
    bed = g.field("bed|terrain|ground", p.real, R.uniform(0.0, 0.5)) if p.chance(0.5) else None

    def level(o: tuple[int, int]) -> Expr:
        return h[o] if bed is None else h[o] + bed[o]

    here = k.let("eta_c|level|surface", h.own if bed is None else h.own + bed.own)
    accel = k.let("accel|coef|g_dt_dx", gravity * dt / dx)
    damp = k.param("damping|friction|drag", 0.9, 0.999) if p.chance(0.5) else None
    limit = k.param("max_speed|v_clamp|cfl_limit", 0.5, 2.0) if p.chance(0.4) else None
    for field, offset, word in ((u, (0, -1), "u"), (v, (-1, 0), "v")):
        new = field.own - accel * (here - level(offset))
        new = new if damp is None else new * damp
        new = k.let(f"{word}_new|{word}1", new)
        field.store(new if limit is None else wp.clamp(new, -limit, limit))


def _height_step(
    p: ProgramBuilder, g: Grid, h: GridField, u: GridField, v: GridField, dt: Expr, dx: Expr
) -> None:
    k = g.k
    if p.chance(0.4):
        mean = k.param("mean_depth|H0|rest_depth", 0.5, 2.0)
        change = mean * (u[0, 1] - u.own + v[1, 0] - v.own)
        new = k.let("h_new|eta_new|level", h.own - dt / dx * change)
        h.store(new)
        monitor(p, g, new, "height|level", 0.4)
        return
    depth = g.field("h_prev|depth_old|h_n", p.real, R.uniform(0.5, 1.5))
    upwind = p.func(
        "upwind_flux|donor_flux|face_flux",
        {"vel|un": p.real, "h_behind|hl": p.real, "h_ahead|hr": p.real},
        lambda b, a, q0, q1: b.ret(
            a * wp.where(a > 0.0, q0, q1)
            if p.chance(0.5)
            else wp.max(a, 0.0) * q0 + wp.min(a, 0.0) * q1
        ),
    )
    c = depth.read("h_c|d0|here")
    east, west = (
        k.let("f_e|out_x", upwind(u[0, 1], c, depth[0, 1])),
        k.let("f_w|in_x", upwind(u.own, depth[0, -1], c)),
    )
    north, south = (
        k.let("f_n|out_y", upwind(v[1, 0], c, depth[1, 0])),
        k.let("f_s|in_y", upwind(v.own, depth[-1, 0], c)),
    )
    new = c - dt / dx * (east - west + north - south)
    h.store(wp.max(new, 0.0))


# --- virtual pipes --------------------------------------------------------------------------------


def pipe_model(p: ProgramBuilder) -> None:
    """Water that moves through virtual pipes between columns."""
    outflow = p.chance(0.55)
    k = p.kernel_builder(
        "pipe_outflow|update_flux|outflow_flux|pipe_flow"
        if outflow
        else "pipe_water|update_depth|apply_flux|water_volume",
        p.pick(
            "Outflow of every column to its four neighbours.", "Virtual pipe model, flux update."
        )
        if outflow
        else p.pick(
            "Water volume from in- and outflow.",
            "Depth change and flow velocity of the pipe model.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("clamp", "interior", "skip_outer"))
    depth = g.field("water|depth|d", p.real, R.uniform(0.1, 1.0))
    dt = k.param("dt|time_step", 0.005, 0.05)
    offsets = p.pick([(0, -1), (0, 1), (-1, 0), (1, 0)], [(-1, 0), (1, 0), (0, -1), (0, 1)])
    if not outflow:
        _pipe_depth(p, g, depth, dt, offsets)
        return
    terrain = g.field("terrain|ground|b|bed", p.real, R.uniform(0.0, 1.0))
    flux = g.inout("flux|outflow|pipes", p.vec(4), R.uniform(0.0, 0.2))
    border_exit(p, g)
    scale = (
        k.param("pipe_area|area|cross_section", 0.2, 1.0)
        * k.param("gravity|grav", 1.0, 9.81)
        / k.param("pipe_length|length|l_pipe", 0.5, 2.0)
    )
    scale = k.let("scale|accel|k_pipe", dt * scale)
    level = k.let("level|surface|head", terrain.own + depth.own)
    f = k.let("f|out|flow", flux.own)
    damp = k.param("flux_damping|friction|decay", 0.9, 0.999) if p.chance(0.5) else None
    for n, o in enumerate(offsets):
        drop = k.let(f"dh{n}|drop{n}|diff{n}", level - (terrain[o] + depth[o]))
        old = f[n] if damp is None else damp * f[n]
        k.set(f[n], wp.max(old + scale * drop, 0.0))
    total = k.let("total|out_sum|volume_out", (f[0] + f[1] + f[2] + f[3]) * dt)
    available = depth.own * (k.param("cell_area|dx2", 0.5, 2.0) if p.chance(0.5) else 1.0)
    with k.when(total > available):
        k.aug(f, "*", available / total)
    flux.store(f)


def _pipe_depth(
    p: ProgramBuilder, g: Grid, depth: GridField, dt: Expr, offsets: list[tuple[int, int]]
) -> None:
    k = g.k
    flux = g.field("flux|outflow|pipes", p.vec(4), R.uniform(0.0, 0.2))
    out = g.out("water_out|depth_new|d_next", p.real)
    border_exit(p, g, (out, depth.own))
    opposite = [1, 0, 3, 2]
    own = flux.read("f|mine|out")
    inflow = [k.let(f"in{n}|from{n}", flux[o][opposite[n]]) for n, o in enumerate(offsets)]
    leaving = k.let("out_sum|leaving", own[0] + own[1] + own[2] + own[3])
    entering = k.let("in_sum|entering", inflow[0] + inflow[1] + inflow[2] + inflow[3])
    area = k.param("cell_area|dx2|area", 0.5, 2.0)
    new = k.let("d_new|updated|depth_c", wp.max(depth.own + dt * (entering - leaving) / area, 0.0))
    out.store(new)
    if p.chance(0.6):
        velocity = g.out("velocity|flow_vel|vel_out", p.vec(2))
        x, y = (0, 2) if offsets[0] == (0, -1) else (2, 0)
        wx = 0.5 * (inflow[x] - own[x] + own[x + 1] - inflow[x + 1])
        wy = 0.5 * (inflow[y] - own[y] + own[y + 1] - inflow[y + 1])
        mean = k.let("d_mean|avg_depth", 0.5 * (depth.own + new))
        if p.chance(0.5):
            velocity.store(construct(p.vec(2), wx, wy) / wp.max(mean, p.pick(0.01, 0.05)))
        else:
            flow = k.let("flow|uv", construct(p.vec(2), wx, wy))
            with k.when(mean > p.pick(0.01, 0.02)):
                velocity.store(flow / mean)


# --- particles and the grid -----------------------------------------------------------------------


def flip_transfer(p: ProgramBuilder) -> None:
    """Particle-to-grid and grid-to-particle transfers with linear or quadratic weights."""
    if p.chance(0.5):
        _scatter(p)
    else:
        _gather(p)


def _stencil(
    p: ProgramBuilder, e: Entities, x: Expr, h: Expr, grid: Expr, n: int
) -> tuple[Expr, Expr, Expr, Expr]:
    """Base cell and fraction of a position in the plane."""
    k = e.k
    g = k.let("gp|grid_pos|xp", x / h)
    lead = 0 if e.world is None else 1
    ni, nj = grid.dim(lead), grid.dim(lead + 1)
    if p.chance(0.35):
        ni = nj = k.scalar("res|grid_res|n_cells", T.I32, n)
    i, j = (
        k.let("i|ci|base_i", construct(T.I32, wp.floor(g[0]))),
        k.let("j|cj|base_j", construct(T.I32, wp.floor(g[1]))),
    )
    if p.chance(0.5):
        with k.when(any_of(i < 0, j < 0, i >= ni - 1, j >= nj - 1)):
            k.ret()
    else:
        i, j = k.let("bi|i0", wp.clamp(i, 0, ni - 2)), k.let("bj|j0", wp.clamp(j, 0, nj - 2))
    return (
        i,
        j,
        k.let("fx|tx", g[0] - construct(p.real, i)),
        k.let("fy|ty", g[1] - construct(p.real, j)),
    )


def _corner_weights(p: ProgramBuilder, tx: Expr, ty: Expr) -> list[tuple[int, int, Expr]]:
    return [
        (0, 0, (1.0 - tx) * (1.0 - ty)), (1, 0, tx * (1.0 - ty)), (0, 1, (1.0 - tx) * ty), (1, 1, tx * ty),
    ]  # fmt: skip


def _scatter(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "particles_to_grid|scatter_velocity|p2g|splat_particles|rasterize_particles",
        p.pick("Scatter particle momentum to the grid.", "Particle-to-grid transfer."),
    )
    n = p.pick(16, 24, 32)
    e = Entities(k, "particle")
    h = k.param("dx|cell_size|h", 0.5, 1.0)
    x = e.field("positions|pos|x", p.vec(2), R.uniform(1.0, n * 0.45)).read("x|pos_p|xp")
    v = e.field("velocities|vel|v", p.vec(2), R.uniform(-1.0, 1.0)).read("v|vel_p")
    lead = () if e.world is None else (e.world,)
    shape = (n, n) if e.worlds is None else (e.worlds, n, n)
    momentum, mass = (
        k.out("grid_momentum|grid_vel|momentum", p.vec(2), shape),
        k.out("grid_mass|weights_sum|mass", p.real, shape),
    )
    e.guard()
    m = e.property("mass|particle_mass|m", 0.5, 2.0) if p.chance(0.5) else None
    i, j, tx, ty = _stencil(p, e, x, h, mass, n)

    def deposit(a: Expr, b: Expr, w: Expr) -> None:
        value = v * w if m is None else v * (w * m)
        if p.augmented_atomics:
            k.aug(momentum[(*lead, a, b)], "+", value)
            k.aug(mass[(*lead, a, b)], "+", w if m is None else w * m)
        else:
            k.do(wp.atomic_add(momentum, *lead, a, b, value))
            k.do(wp.atomic_add(mass, *lead, a, b, w if m is None else w * m))

    if p.chance(0.5):
        for a, b, w in _corner_weights(p, tx, ty):
            deposit(i + a if a else i, j + b if b else j, k.let(f"w{a}{b}", w))
    else:
        one = lift(1.0, p.real)
        with k.loop("a|di|ox", 2) as a, k.loop("b|dj|oy", 2) as b:
            wx, wy = choose(a == 0, one - tx, tx), choose(b == 0, one - ty, ty)
            deposit(i + a, j + b, k.let("w|weight", wx * wy))


def _gather(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "grid_to_particles|g2p|gather_velocity|update_particles_flip|pic_flip_update",
        p.pick(
            "Grid-to-particle transfer, PIC blended with FLIP.",
            "Particle velocities from the grid.",
        ),
    )
    n = p.pick(16, 24, 32)
    e = Entities(k, "particle")
    h = k.param("dx|cell_size|h", 0.5, 1.0)
    pos = e.field("positions|pos|x", p.vec(2), R.uniform(1.0, n * 0.45))
    x = pos.read("x|pos_p|xp")
    vel = e.inout("velocities|vel|v", p.vec(2), R.uniform(-1.0, 1.0))
    lead = () if e.world is None else (e.world,)
    shape = (n, n) if e.worlds is None else (e.worlds, n, n)
    grid = k.array("grid_vel|grid_v|u_grid", p.vec(2), shape, R.uniform(-1.0, 1.0))
    flip = (
        k.array("grid_vel_old|grid_v_prev|u_before", p.vec(2), shape, R.uniform(-1.0, 1.0))
        if p.chance(0.6)
        else None
    )
    e.guard()
    i, j, tx, ty = _stencil(p, e, x, h, grid, n)
    pic = k.let("pic|v_pic|v_new", construct(p.vec(2), 0.0))
    delta = k.let("delta|dv|change", construct(p.vec(2), 0.0)) if flip is not None else None
    for a, b, w in _corner_weights(p, tx, ty):
        at = (*lead, i + a if a else i, j + b if b else j)
        w = k.let(f"w{a}{b}", w)
        k.aug(pic, "+", grid[at] * w)
        if flip is not None and delta is not None:
            k.aug(delta, "+", (grid[at] - flip[at]) * w)
    result = pic
    if delta is not None:
        blend = k.param("flip_ratio|alpha|flipness", 0.9, 0.99)
        result = k.let("result|v_blend", pic * (1.0 - blend) + (vel.own + delta) * blend)
    vel.store(result)
    if p.chance(0.35):
        with k.when(wp.length(result) > k.param("max_speed|v_max|speed_limit", 0.5, 3.0)):
            fast = k.out("num_fast|clamped_count|fast_particles", T.I32, (1,))
            k.do(wp.atomic_add(fast, 0, 1))
    if p.chance(0.6):
        dt = k.param("dt|time_step", 0.01, 0.1)
        moved = e.out("positions_out|pos_new|x_next", p.vec(2))
        moved.store(x + pic * dt)
