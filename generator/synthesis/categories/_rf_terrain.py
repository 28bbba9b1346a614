"""Layered terrain and droplet erosion, for the random-field category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rf_noise import coordinates, noise_state, octave_sum
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def terrain(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "generate_terrain|build_terrain|terrain_tile|sculpt_terrain|terrain_height",
        p.pick(
            "Terrain from continents, ridges and detail.",
            "One tile of layered terrain.",
            "Height and surface type of a procedural terrain.",
        ),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    x = coordinates(p, k, g)
    state = noise_state(p, k)
    fbm = octave_sum(p, T.VEC2)
    octaves = k.count("octaves|num_octaves", p.pick(4, 5, 6))
    continent = k.let("continent|base|low", fbm(state, x * p.pick(0.25, 0.3, 0.5), 2, 2.0, 0.5))
    height = k.var("height|h|elevation", continent)
    for layer in p.sample([_ridges, _detail, _river, _plateau], 1, 4):
        layer(p, k, state, x, height, continent, fbm, octaves)
    k.step(p.pick("outputs", "", "write the tile"))
    scale = k.param("height_scale|relief|max_height", 1.0, 20.0)
    g.out("heights|elevation_out|terrain", T.F32).store(height * scale)
    if p.chance(0.5):
        _biome(p, k, g, height)
    if p.chance(0.35):
        _slope(p, k, g, state, x, fbm, octaves)


def _ridges(
    p: ProgramBuilder,
    k: KernelBuilder,
    state: Expr,
    x: Expr,
    height: Name,
    continent: Expr,
    fbm: UserFunction,
    octaves: Expr,
) -> None:
    ridge = k.let("ridge|crest", 1.0 - wp.abs(wp.noise(state, x * p.pick(1.5, 2.0))))
    mask = k.let("mountain_mask|uplift|m", wp.smoothstep(0.0, 0.4, continent))
    k.aug(height, "+", mask * ridge * ridge * k.param("mountain_height|ridge_height", 0.3, 1.2))


def _detail(
    p: ProgramBuilder,
    k: KernelBuilder,
    state: Expr,
    x: Expr,
    height: Name,
    continent: Expr,
    fbm: UserFunction,
    octaves: Expr,
) -> None:
    k.aug(
        height,
        "+",
        k.param("roughness|detail_amount", 0.05, 0.4)
        * fbm(state, x * p.pick(3.0, 4.0) + construct(T.VEC2, 13.7, 4.1), octaves, 2.1, 0.48),
    )


def _river(
    p: ProgramBuilder,
    k: KernelBuilder,
    state: Expr,
    x: Expr,
    height: Name,
    continent: Expr,
    fbm: UserFunction,
    octaves: Expr,
) -> None:
    width = k.param("river_width|channel_width", 0.03, 0.15)
    channel = k.let(
        "channel|river|valley", wp.abs(wp.noise(state, x * 0.7 + construct(T.VEC2, 31.0, 17.0)))
    )
    with k.when(all_of(channel < width, height > 0.0) if p.chance(0.5) else channel < width):
        k.set(
            height, height * (channel / width) if p.chance(0.5) else wp.min(height, channel - width)
        )


def _plateau(
    p: ProgramBuilder,
    k: KernelBuilder,
    state: Expr,
    x: Expr,
    height: Name,
    continent: Expr,
    fbm: UserFunction,
    octaves: Expr,
) -> None:
    level = k.param("plateau_level|mesa_height", 0.2, 0.6)
    with k.when(height > level):
        k.set(height, level + (height - level) * k.param("plateau_slope|flatness", 0.1, 0.5))


def _biome(p: ProgramBuilder, k: KernelBuilder, g: Grid, height: Expr) -> None:
    sea, snow = (
        k.quantity("sea_level|water_level", T.F32, p.pick(0.0, -0.05, 0.05)),
        k.param("snow_line|tree_line", 0.4, 0.8),
    )
    kind = g.out("biome|surface_type|material", p.pick(T.I32, T.I32, T.U8))

    def make(n: int) -> Expr:
        return cast(T.U8, N.literal(n, T.I32)) if kind.dtype == T.U8 else N.literal(n, T.I32)

    with k.when(height < sea):
        kind.store(make(0))
    with k.elsewhen(height > snow):
        kind.store(make(3))
    if p.chance(0.6):
        with k.elsewhen(height < sea + 0.05):
            kind.store(make(1))
    with k.otherwise():
        kind.store(make(2))


def _slope(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grid,
    state: Expr,
    x: Expr,
    fbm: UserFunction,
    octaves: Expr,
) -> None:
    h = k.param("eps|probe|delta", 0.01, 0.1)
    ex, ey = construct(T.VEC2, h, 0.0), construct(T.VEC2, 0.0, h)
    gx = k.let(
        "dhdx|gx|slope_x",
        fbm(state, x + ex, octaves, 2.0, 0.5) - fbm(state, x - ex, octaves, 2.0, 0.5),
    )
    gy = k.let(
        "dhdy|gy|slope_y",
        fbm(state, x + ey, octaves, 2.0, 0.5) - fbm(state, x - ey, octaves, 2.0, 0.5),
    )
    g.out("normals|surface_normal", T.VEC3).store(
        wp.normalize(construct(T.VEC3, -gx, 2.0 * h, -gy))
    )


# --- droplet erosion ------------------------------------------------------------------------------


def droplets(p: ProgramBuilder) -> None:
    """Hydraulic erosion: droplets run downhill, carve and deposit."""
    k = p.kernel_builder(
        "erode_droplets|hydraulic_erosion|rain_droplets|carve_terrain|simulate_droplet",
        p.pick(
            "Trace one droplet down the terrain and record what it moves.",
            "Hydraulic erosion by independent droplets.",
            "",
        ),
    )
    n = p.pick(24, 32, 40)
    e = Entities(k, "droplet", count=p.pick(32, 64, 96), index="tid|i|drop")
    heights = Table(e, "heights|terrain|elevation", T.F32, (n, n), R.uniform(0.0, 4.0))
    change = Table(e, "delta|height_change|erosion", T.F32, (n, n), role="out")
    rng = entity_rng(e)
    size = k.count("size|resolution|n_cells", n) if p.chance(0.6) else heights.extent()
    x = k.var(
        "pos|x|drop_pos", construct(T.VEC2, *[rng.uniform(1.0, float(n - 2)) for _ in range(2)])
    )
    direction = k.var("direction|dir_xy|d", construct(T.VEC2, 0.0))
    speed, water, sediment = (
        k.var("speed|v", 1.0),
        k.var("water|volume", 1.0),
        k.var("sediment|load", 0.0),
    )
    surface = _surface(p, heights)
    steps = k.count("max_steps|lifetime|max_lifetime", p.pick(12, 20, 30))
    with k.loop("step|life|it", steps):
        ix, iy = k.let("ix|cx|col", cast(T.I32, x.x)), k.let("iy|cy|row", cast(T.I32, x.y))
        sample = surface(x, heights)
        _turn(p, k, rng, direction, sample)
        x_new = k.let("next_pos|x_new|moved", x + direction)
        low, high = (1.0, cast(T.F32, size) - 2.0)
        outside = any_of(x_new.x < low, x_new.y < low, x_new.x >= high, x_new.y >= high)
        with k.when(outside):
            k.brk()
        drop = k.let("dh|drop|delta_h", surface(x_new, heights).z - sample.z)
        capacity = _capacity(p, k, drop, speed, water)
        _exchange(p, k, change, iy, ix, sediment, capacity, drop)
        k.set(speed, wp.sqrt(wp.max(speed * speed - drop * k.param("gravity|g", 1.0, 9.0), 0.0)))
        k.aug(water, "*", 1.0 - k.param("evaporation|evaporate_rate", 0.005, 0.05))
        k.set(x, x_new)
        if p.chance(0.4):
            with k.when(water < k.param("min_water|dry_limit", 0.3, 0.7)):
                k.brk()
    if p.chance(0.5):
        e.out("final_positions|end_points|outlets", T.VEC2).store(x)
    if p.chance(0.4):
        e.out("carried|final_sediment|load_out", T.F32).store(sediment)
    rng.close()


def _surface(p: ProgramBuilder, heights: Table):  # type: ignore[no-untyped-def]
    """A bilinear sampler that returns gradient and height as one vector."""

    def write(b: Block, h: Expr, *rest: Expr) -> None:
        *world, x = rest
        i, j = b.let("i|row", cast(T.I32, x.y)), b.let("j|col", cast(T.I32, x.x))
        u, v = b.let("u|fx", x.x - wp.floor(x.x)), b.let("v|fy", x.y - wp.floor(x.y))
        nw, ne = b.let("nw|h00", h[(*world, i, j)]), b.let("ne|h01", h[(*world, i, j + 1)])
        sw, se = b.let("sw|h10", h[(*world, i + 1, j)]), b.let("se|h11", h[(*world, i + 1, j + 1)])
        gx = b.let("gx|dx", (ne - nw) * (1.0 - v) + (se - sw) * v)
        gy = b.let("gy|dy", (sw - nw) * (1.0 - u) + (se - ne) * u)
        height = (nw * (1.0 - u) + ne * u) * (1.0 - v) + (sw * (1.0 - u) + se * u) * v
        b.ret(construct(T.VEC3, gx, gy, height))

    params: dict[str, T.Type] = {"h|heights|field": heights.array.type}
    if heights.world is not None:
        params["world|layer|b"] = T.I32
    doc = p.pick("", "Gradient and height at a point, bilinear.")
    f = p.func(
        "sample_surface|height_and_gradient|bilinear_gradient",
        params | {"x|pos|p": T.VEC2},
        write,
        doc,
    )
    k = heights.k
    lead = [] if heights.world is None else [heights.world]
    return lambda x, table: k.let("s|surf|here", f(table.array, *lead, x))


def _turn(p: ProgramBuilder, k: KernelBuilder, rng, direction: Name, sample: Expr) -> None:  # type: ignore[no-untyped-def]
    inertia = k.param("inertia|momentum", 0.05, 0.5)
    k.set(direction, direction * inertia - construct(T.VEC2, sample.x, sample.y) * (1.0 - inertia))
    size = k.let("norm|len_d|mag", wp.length(direction))
    stops = p.chance(0.5)
    with k.when(size < 1.0e-4):
        if stops:
            k.brk()
        else:
            angle = k.let("angle|theta", rng.uniform(0.0, 6.28318531))
            k.set(direction, construct(T.VEC2, wp.cos(angle), wp.sin(angle)))
    if p.chance(0.5):
        k.set(direction, wp.normalize(direction))
    elif stops:
        k.aug(direction, "/", size)
    else:
        with k.when(size > 1.0e-4):
            k.aug(direction, "/", size)


def _capacity(p: ProgramBuilder, k: KernelBuilder, drop: Expr, speed: Expr, water: Expr) -> Name:
    factor, least = (
        k.param("capacity_factor|k_capacity|capacity_scale", 1.0, 8.0),
        k.param("min_slope|min_capacity", 0.005, 0.05),
    )
    slope = wp.max(-drop, least)
    return k.let(
        "capacity|cap|max_load",
        slope * speed * water * factor if p.chance(0.7) else (slope + least) * speed * factor,
    )


def _exchange(
    p: ProgramBuilder,
    k: KernelBuilder,
    change: Table,
    iy: Expr,
    ix: Expr,
    sediment: Name,
    capacity: Expr,
    drop: Expr,
) -> None:
    deposit, erode = (
        k.param("deposition|k_deposit|deposit_speed", 0.1, 0.5),
        k.param("erosion_rate|k_erode|erode_speed", 0.1, 0.5),
    )
    overloaded = any_of(sediment > capacity, drop > 0.0) if p.chance(0.6) else sediment > capacity
    with k.when(overloaded):
        uphill = wp.min(drop, sediment)
        settled = (sediment - capacity) * deposit
        amount = k.let(
            "amount|dropped|settle",
            choose(drop > 0.0, uphill, settled) if p.chance(0.6) else wp.max(settled, 0.0),
        )
        k.aug(sediment, "-", amount)
        change.add(amount, iy, ix)
    with k.otherwise():
        taken = k.let(
            "taken|carved|eroded",
            wp.min((capacity - sediment) * erode, wp.max(-drop, 0.0) if p.chance(0.6) else -drop),
        )
        k.aug(sediment, "+", taken)
        change.take(taken, iy, ix)
