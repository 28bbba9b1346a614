"""Walks over height fields: erosion droplets, lines of sight, synthetic relief from noise."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._grids import mask_exit, open_grid
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, lift


def _height_and_slope(p: ProgramBuilder, dem: Expr, lead: int) -> UserFunction:
    """Bilinear height and gradient at a point, as one function with three results."""

    def body(b: Block, field: Expr, *rest: Expr) -> None:
        world, (x, y) = rest[:lead], rest[lead:]
        i, j = b.let("i|iy|row", construct(T.I32, y)), b.let("j|ix|col", construct(T.I32, x))
        u, v = (
            b.let("u|fx|tx", x - construct(p.real, j)),
            b.let("v|fy|ty", y - construct(p.real, i)),
        )
        a, c = b.let("nw|h00", field[(*world, i, j)]), b.let("ne|h01", field[(*world, i, j + 1)])
        d, e = (
            b.let("sw|h10", field[(*world, i + 1, j)]),
            b.let("se|h11", field[(*world, i + 1, j + 1)]),
        )
        height = a * (1.0 - u) * (1.0 - v) + c * u * (1.0 - v) + d * (1.0 - u) * v + e * u * v
        gx = (c - a) * (1.0 - v) + (e - d) * v
        gy = (d - a) * (1.0 - u) + (e - c) * u
        b.ret(height, gx, gy)

    params: dict[str, T.Type] = {"dem|height|field": dem.type}
    params |= {"w|world": T.I32} if lead else {}
    params |= {"x|px": p.real, "y|py": p.real}
    return p.func(
        "height_and_gradient|sample_terrain|terrain_at",
        params,
        body,
        "Height and gradient by bilinear interpolation.",
    )


def droplet_erosion(p: ProgramBuilder) -> None:
    """Droplets that run downhill, pick up and drop sediment; changes are gathered in a delta map."""
    k = p.kernel_builder(
        "erode_droplets|droplet_erosion|simulate_droplets|rain_erosion|hydraulic_erosion",
        p.pick(
            "Hydraulic erosion by droplets.",
            "Each droplet runs downhill and moves sediment.",
            "Droplets carve the height field.",
        ),
    )
    e = Entities(k, "droplet", count=p.pick(32, 48, 64, 96))
    n = p.pick(24, 32, 40)
    lead = () if e.world is None else (e.world,)
    shape = (n, n) if e.worlds is None else (e.worlds, n, n)
    dem = k.array("dem|height|terrain", p.real, shape, R.uniform(0.0, 4.0))
    delta = k.out("delta|height_change|erosion_map", p.real, shape)
    start = e.field("start|spawn|droplet_pos", p.vec(2), R.uniform(2.0, n - 3.0)).read(
        "p0|start_pos|origin"
    )
    e.guard()
    terrain = _height_and_slope(p, dem, len(lead))
    x, y = k.var("x|px", start[0]), k.var("y|py", start[1])
    dx, dy = k.var("dx|dir_x|vx", 0.0, p.real), k.var("dy|dir_y|vy", 0.0, p.real)
    speed, water, load = (
        k.var("speed|vel", 1.0, p.real),
        k.var("water|volume", 1.0, p.real),
        k.var("load|sediment|carried", 0.0, p.real),
    )
    inertia, capacity = (
        k.param("inertia|momentum", 0.05, 0.4),
        k.param("capacity|capacity_factor|kc", 1.0, 6.0),
    )
    erode, deposit = (
        k.param("erode_rate|erosion_speed|ke", 0.1, 0.5),
        k.param("deposit_rate|deposition_speed|kd", 0.1, 0.5),
    )
    evaporate = k.param("evaporation|evaporate_rate", 0.01, 0.1)
    steps = k.count("max_steps|lifetime|max_lifetime", p.pick(12, 16, 24, 30))
    limit = construct(p.real, dem.dim(len(lead)) - 2)
    body_loop = p.chance(0.65)
    if body_loop:
        with k.loop("s|step|age", steps):
            _droplet_step(
                p,
                k,
                dem,
                delta,
                lead,
                terrain,
                x,
                y,
                dx,
                dy,
                speed,
                water,
                load,
                inertia,
                capacity,
                erode,
                deposit,
                evaporate,
                limit,
            )
    else:
        age = k.var("age|steps_done|t", 0)
        with k.repeat(all_of(age < steps, water > k.param("min_water|dry_limit", 0.05, 0.3))):
            k.aug(age, "+", 1)
            _droplet_step(
                p,
                k,
                dem,
                delta,
                lead,
                terrain,
                x,
                y,
                dx,
                dy,
                speed,
                water,
                load,
                inertia,
                capacity,
                erode,
                deposit,
                evaporate,
                limit,
            )
    if p.chance(0.4):
        e.out("final_pos|end_position|rest_pos", p.vec(2)).store(construct(p.vec(2), x, y))
    if p.chance(0.4):
        e.out("final_load|sediment_left|leftover", p.real).store(load)
    if p.chance(0.4):
        k.options["enable_backward"] = False


def _droplet_step(
    p: ProgramBuilder,
    k: KernelBuilder,
    dem: Expr,
    delta: Name,
    lead: tuple[Expr, ...],
    terrain: UserFunction,
    x: Name,
    y: Name,
    dx: Name,
    dy: Name,
    speed: Name,
    water: Name,
    load: Name,
    inertia: Expr,
    capacity: Expr,
    erode: Expr,
    deposit: Expr,
    evaporate: Expr,
    limit: Expr,
) -> None:
    h0, gx, gy = k.unpack(["h0|height0", "gx|slope_x", "gy|slope_y"], terrain(dem, *lead, x, y))
    k.set(dx, dx * inertia - gx * (1.0 - inertia))
    k.set(dy, dy * inertia - gy * (1.0 - inertia))
    length = k.let("length|norm|dir_len", wp.sqrt(dx * dx + dy * dy))
    with k.when(length < p.pick(1.0e-4, 1.0e-5, 1.0e-6)):
        k.brk()
    k.set(dx, dx / length)
    k.set(dy, dy / length)
    i, j = k.let("i|row|cell_y", construct(T.I32, y)), k.let("j|col|cell_x", construct(T.I32, x))
    k.aug(x, "+", dx)
    k.aug(y, "+", dy)
    with k.when(any_of(x < 1.0, y < 1.0, x >= limit, y >= limit)):
        k.brk()
    bend = p.chance(0.3)
    rest = ["ax|next_gx", "ay|next_gy"] if bend else ["_gx|_sx", "_gy|_sy"]
    h1, ax, ay = k.unpack(["h1|height1", *rest], terrain(dem, *lead, x, y))
    drop = k.let("drop|dh|fall", h1 - h0)
    steep = wp.max(-drop, k.param("min_slope|slope_floor", 0.005, 0.05))
    if bend:
        steep = wp.max(steep, 0.1 * wp.sqrt(ax * ax + ay * ay))
    room = k.let("room|cap|carry_limit", steep * speed * water * capacity)

    def change(amount: Expr) -> None:
        if p.augmented_atomics:
            k.aug(delta[(*lead, i, j)], "+", amount)
        else:
            k.do(wp.atomic_add(delta, *lead, i, j, amount))

    with k.when(any_of(load > room, drop > 0.0) if p.chance(0.6) else load > room):
        amount = k.let(
            "drop_off|settle|put_down",
            choose(drop > 0.0, wp.min(drop, load), (load - room) * deposit)
            if p.chance(0.6)
            else (load - wp.min(room, load)) * deposit,
        )
        k.aug(load, "-", amount)
        change(amount)
    with k.otherwise():
        amount = k.let("take|pick_up|cut", wp.min((room - load) * erode, wp.max(-drop, 0.0)))
        k.aug(load, "+", amount)
        change(-amount)
    gravity = k.param("gravity|grav|g", 1.0, 9.81)
    k.set(speed, wp.sqrt(wp.max(speed * speed - drop * gravity, p.pick(0.0, 0.01))))
    k.aug(water, "*", 1.0 - evaporate)


def line_of_sight(p: ProgramBuilder) -> None:
    """Visibility and shadows by marching over a height field."""
    shadow = p.chance(0.5)
    k = p.kernel_builder(
        "cast_shadows|terrain_shadow|sun_exposure|march_shadow"
        if shadow
        else "viewshed|visibility|line_of_sight|horizon_angle",
        p.pick("Shadows cast by the terrain.", "March towards the sun.")
        if shadow
        else p.pick("Cells that an observer sees.", "Line of sight over terrain."),
    )
    g = open_grid(p, k, 2, boundary="clamp", layouts=False)
    dem = g.field("dem|height|elevation", p.real, R.uniform(0.0, 6.0))
    form = p.pick("flag", "real", "horizon") if shadow else p.pick("flag", "horizon")
    out = g.out(
        "lit|shadow|light_mask" if shadow else "visible|seen|horizon",
        T.I32 if form == "flag" else p.real,
    )
    mask_exit(p, g, chance=0.25, hint="nodata|sea|masked")
    here = dem.read("z0|h_here|base")
    eye = (
        k.param("eye_height|observer_height|offset", 0.1, 2.0)
        if form != "horizon"
        else lift(0.0, p.real)
    )
    steps = k.count("max_steps|num_steps|samples", p.pick(8, 12, 16, 24))
    if shadow:
        sun = k.quantity("sun_dir|to_sun|light", p.vec(3), [0.6, 0.3, 0.4])
        sx, sy, rise = sun[0], sun[1], sun[2]
    else:
        oi, oj = (
            k.count("observer_row|obs_i|eye_row", g.shape[0] // 2),
            k.count("observer_col|obs_j|eye_col", g.shape[1] // 2),
        )
        vi, vj = (
            k.let("vi|d_row", construct(p.real, oi - g.index[0])),
            k.let("vj|d_col", construct(p.real, oj - g.index[1])),
        )
        span = k.let("span|dist|range_", wp.max(wp.sqrt(vi * vi + vj * vj), 1.0))
        sx, sy = k.let("sx|dir_x", vj / span), k.let("sy|dir_y", vi / span)
        rise = (
            k.let("rise|grade|tilt", (dem.at(oi, oj) + eye - here) / span)
            if form == "flag"
            else None
        )
    if form == "flag":
        state: Name = k.var("clear|lit_now|open_path", 1)
    elif form == "real":
        state = k.var("light|exposure|shade_value", 1.0, p.real)
    else:
        state = k.var("horizon|max_grade|elev_angle", -1.0, p.real)
    with k.loop("s|step|m", 1, steps + 1) as s:
        t = k.let("t|dist_s|along", construct(p.real, s))
        i = k.let("ii|rr|row_s", g.index[0] + construct(T.I32, wp.round(sy * t)))
        j = k.let("jj|cc|col_s", g.index[1] + construct(T.I32, wp.round(sx * t)))
        outside = any_of(i < 0, j < 0, i >= g.extent(0), j >= g.extent(1))
        with k.when(
            outside
            if shadow or p.chance(0.5)
            else any_of(t >= span, i < 0, j < 0, i >= g.extent(0), j >= g.extent(1))
        ):
            k.brk()
        z = k.let("z|h_s|ground", dem.at(i, j))
        if form == "horizon":
            k.set(state, wp.max(state, (z - here) / t))
        elif rise is not None:
            ray = k.let("ray|line_z|level", here + rise * t)
            with k.when(z > ray + (eye if shadow else lift(0.01, p.real))):
                if form == "flag":
                    k.set(state, 0)
                    k.brk()
                else:
                    softness = k.param("softness|penumbra|hardness", 0.2, 2.0)
                    k.set(state, wp.min(state, 1.0 - wp.min((z - ray) * softness, 1.0)))
    if form == "horizon" and p.chance(0.6):
        out.store(wp.atan(state))
    else:
        out.store(state)
    if form == "flag" and p.chance(0.5):
        total = k.out("visible_count|num_lit|seen_cells", T.I32, (1,))
        k.do(wp.atomic_add(total, 0, state))


def synthetic_relief(p: ProgramBuilder) -> None:
    """Height fields from octaves of noise: fractal sums, ridges, terraces, islands."""
    p.real = T.F32
    k = p.kernel_builder(
        "generate_terrain|fbm_heights|synthesize_relief|noise_terrain|make_heightmap",
        p.pick("Fractal terrain from gradient noise.", "Sum octaves of noise into a height field."),
    )
    g = open_grid(p, k, 2, boundary="clamp")
    out = g.out("height|dem_out|heightmap|elevation", T.F32)
    seed = k.scalar("seed|noise_seed|terrain_seed", T.I32, p.rng.randint(1, 9999))
    rng = k.let("rng|state|noise_state", wp.rand_init(seed))
    scale = k.param("frequency|base_freq|scale", 0.02, 0.2)
    px, py = cast(T.F32, g.index[1]) * scale, cast(T.F32, g.index[0]) * scale
    pos = k.let(
        "pos|uv|q",
        construct(T.VEC2, px, py)
        if p.chance(0.6)
        else construct(T.VEC2, px + k.param("offset_x|shift_x", 0.5, 50.0), py),
    )
    if p.chance(0.35):
        warp = k.param("warp|warp_strength|distort", 0.2, 2.0)
        wx, wy = (
            k.let("wx|warp_x", wp.noise(rng, pos)),
            k.let("wy|warp_y", wp.noise(rng, pos + construct(T.VEC2, 5.2, 1.3))),
        )
        pos = k.let("warped|pos_w", pos + construct(T.VEC2, wx, wy) * warp)
    octaves = k.count("octaves|num_octaves|layers", p.pick(3, 4, 5, 6))
    gain, lacunarity = (
        k.param("gain|persistence|roughness", 0.35, 0.6),
        k.param("lacunarity|freq_step", 1.8, 2.2),
    )
    form = p.pick("fbm", "ridged", "billow", "function")
    if form == "function":
        height = k.let("h|height_c|z", _fbm(p)(rng, pos, octaves, gain, lacunarity))
    else:
        height = k.var("h|height_c|total", 0.0)
        amp, freq = k.var("amp|amplitude|weight", 1.0), k.var("freq|f|scale_o", 1.0)
        with k.loop("o|octave|layer", octaves):
            v = k.let("v|n|sample", wp.noise(rng, pos * freq))
            value = v if form == "fbm" else 1.0 - wp.abs(v) if form == "ridged" else wp.abs(v)
            k.aug(
                height, "+", amp * (value * value if form == "ridged" and p.chance(0.5) else value)
            )
            k.aug(amp, "*", gain)
            k.aug(freq, "*", lacunarity)
    value: Expr = height
    for extra in p.sample(["island", "terrace", "power", "scale"], 0, 2):
        value = _shaped(p, g, extra, value)
    out.store(value)
    if p.chance(0.3):
        water = g.out("water_mask|is_sea|submerged", T.I32)
        water.store(
            choose(
                out.own < k.param("sea_level|water_level", 0.05, 0.3),
                lift(1, T.I32),
                lift(0, T.I32),
            )
        )


def _fbm(p: ProgramBuilder) -> UserFunction:
    ridged = p.chance(0.4)

    def body(b: Block, state: Expr, pos: Expr, octaves: Expr, gain: Expr, lacunarity: Expr) -> None:
        total, amp = b.var("total|acc", 0.0), b.var("amp|weight", 1.0 if p.chance(0.5) else 0.5)
        freq = b.var("freq|f", 1.0)
        with b.loop("o|i", octaves):
            n = wp.noise(state, pos * freq)
            b.aug(total, "+", amp * (1.0 - wp.abs(n) if ridged else n))
            b.aug(amp, "*", gain)
            b.aug(freq, "*", lacunarity)
        b.ret(total)

    params = {
        "state|rng": T.U32,
        "pos|uv": T.VEC2,
        "octaves|n": T.I32,
        "gain|persistence": T.F32,
        "lacunarity|step": T.F32,
    }
    return p.func(
        "fbm|fractal_noise|turbulence|octave_noise", params, body, "Sum of noise octaves."
    )


def _shaped(p: ProgramBuilder, g: object, what: str, value: Expr) -> Expr:
    k = g.k  # type: ignore[attr-defined]
    if what == "scale":
        return value * k.param("height_scale|relief|amplitude", 5.0, 500.0)
    if what == "power":
        return wp.sign(value) * wp.pow(wp.abs(value), k.param("exponent|sharpness", 1.2, 2.5))
    if what == "terrace":
        levels = k.param("terraces|levels|num_terraces", 4.0, 12.0)
        v = k.let("v_t|raised", value * levels)
        floor = k.let("step|base_level", wp.floor(v))
        return (floor + wp.smoothstep(0.0, 1.0, v - floor)) / levels
    rows, cols = g.extent(0), g.extent(1)  # type: ignore[attr-defined]
    y = k.let("ny_|vy", 2.0 * cast(T.F32, g.index[0]) / cast(T.F32, rows) - 1.0)  # type: ignore[attr-defined]
    x = k.let("nx_|vx", 2.0 * cast(T.F32, g.index[1]) / cast(T.F32, cols) - 1.0)  # type: ignore[attr-defined]
    d2 = x * x + y * y
    return (
        value * wp.max(1.0 - d2, 0.0)
        if p.chance(0.5)
        else value - k.param("falloff|coast", 0.3, 1.5) * d2
    )
