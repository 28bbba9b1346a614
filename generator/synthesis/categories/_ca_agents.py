"""Agents on grids: trail-following agents, pheromone fields, turmites, traffic lanes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._grids import mask_exit, monitor, open_grid, threads
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def agents(p: ProgramBuilder) -> None:
    """Agents that sense a trail map, turn, move and deposit."""
    k = p.kernel_builder(
        "move_agents|sense_and_move|agent_step|physarum_step|ant_step|forage",
        p.pick(
            "Sense, turn, move, deposit.",
            "Agents follow the trail they sense ahead.",
            "One step of trail-following agents.",
        ),
    )
    e = Entities(k, "agent")
    n = p.pick(24, 32, 40)
    lead = () if e.world is None else (e.world,)
    shape = (n, n) if e.worlds is None else (e.worlds, n, n)
    pos_io = e.inout("positions|pos|agent_pos", T.VEC2, R.uniform(1.0, n - 1.0))
    angle_io = e.inout("headings|angle|theta", T.F32, R.uniform(0.0, 6.28))
    trail = k.array("trail|pheromone|trail_map", T.F32, shape, R.uniform(0.0, 1.0))
    e.guard()
    pos, angle = pos_io.read("p|pos_i|x"), k.var("a|heading|th", angle_io.own)
    rng = k.let(
        "rng|state", wp.rand_init(k.scalar("seed|step_seed", T.I32, p.rng.randint(1, 999)), e.index)
    )
    reach, spread = (
        k.param("sensor_distance|look_ahead|sense_dist", 1.0, 4.0),
        k.param("sensor_angle|sense_angle|fov", 0.3, 0.9),
    )
    turn = k.param("turn_angle|turn_rate|rotate", 0.2, 0.8)
    sense = _sensor(p, trail, lead)
    ahead = k.let("front|f|s_mid", sense(trail, *lead, pos, angle, reach))
    left = k.let("left|l|s_left", sense(trail, *lead, pos, angle + spread, reach))
    right = k.let("right|r|s_right", sense(trail, *lead, pos, angle - spread, reach))
    _steer(p, k, angle, ahead, left, right, turn, rng)
    speed = e.property("speed|step_size|velocity", 0.3, 1.5)
    k.step(p.pick("", "move", "step forward"))
    moved = k.let("q|new_pos|nxt", pos + construct(T.VEC2, wp.cos(angle), wp.sin(angle)) * speed)
    size = cast(T.F32, trail.dim(len(lead)))
    edges = p.pick("bounce", "wrap", "stay")
    if edges == "wrap":
        moved = k.let(
            "wrapped|w_pos",
            construct(
                T.VEC2,
                moved[0] - wp.floor(moved[0] / size) * size,
                moved[1] - wp.floor(moved[1] / size) * size,
            ),
        )
    else:
        with k.when(any_of(moved[0] < 0.0, moved[0] >= size, moved[1] < 0.0, moved[1] >= size)):
            if edges == "bounce":
                k.set(
                    moved,
                    construct(
                        T.VEC2,
                        wp.clamp(moved[0], 0.0, size - 0.01),
                        wp.clamp(moved[1], 0.0, size - 0.01),
                    ),
                )
            else:
                k.set(moved, pos)
            k.set(angle, wp.randf(rng) * 6.2831853)
    pos_io.store(moved)
    angle_io.store(angle)
    deposit = k.out("deposit|trail_add|deposits", T.F32, shape)
    i, j = construct(T.I32, moved[1]), construct(T.I32, moved[0])
    i, j = (
        k.let("row|ci|gy", wp.clamp(i, 0, trail.dim(len(lead)) - 1)),
        k.let("col|cj|gx", wp.clamp(j, 0, trail.dim(len(lead) + 1) - 1)),
    )
    amount = k.param("deposit_amount|strength|trail_weight", 0.1, 2.0)
    if p.chance(0.3):
        carrying = e.field("carrying|has_food|loaded", T.I32, R.mask(0.5)).own
        amount = choose(carrying == 1, amount, 0.5 * amount)
    if p.augmented_atomics:
        k.aug(deposit[(*lead, i, j)], "+", amount)
    else:
        k.do(wp.atomic_add(deposit, *lead, i, j, amount))


def _sensor(p: ProgramBuilder, trail: Expr, lead: tuple[Expr, ...]) -> object:
    """A function that reads the trail ahead of an agent."""
    form = p.pick("point", "point", "zero", "patch")

    def body(b: Block, field: Expr, *rest: Expr) -> None:
        world, (pos, angle, reach) = rest[: len(lead)], rest[len(lead) :]
        at = b.let("at|s_pos|probe", pos + construct(T.VEC2, wp.cos(angle), wp.sin(angle)) * reach)
        rows, cols = field.dim(len(lead)), field.dim(len(lead) + 1)
        i, j = (
            b.let("i|row", construct(T.I32, wp.floor(at[1]))),
            b.let("j|col", construct(T.I32, wp.floor(at[0]))),
        )
        if form == "zero":
            with b.when(any_of(i < 0, i >= rows, j < 0, j >= cols)):
                b.ret(0.0)
            b.ret(field[(*world, i, j)])
            return
        if form == "point":
            b.ret(field[(*world, wp.clamp(i, 0, rows - 1), wp.clamp(j, 0, cols - 1))])
            return
        total = b.var("total|acc", 0.0)
        with b.loop("di|a", -1, 2) as di, b.loop("dj|c", -1, 2) as dj:
            b.aug(total, "+", field[(*world, (i + di + rows) % rows, (j + dj + cols) % cols)])
        b.ret(total)

    params: dict[str, T.Type] = {"trail|field": trail.type}
    params |= {"w|world": T.I32} if lead else {}
    params |= {"pos|p": T.VEC2, "angle|a": T.F32, "reach|d": T.F32}
    return p.func(
        "sense|sense_trail|probe_trail|smell", params, body, "Trail strength at a point ahead."
    )


def _steer(
    p: ProgramBuilder,
    k: KernelBuilder,
    angle: Expr,
    ahead: Expr,
    left: Expr,
    right: Expr,
    turn: Expr,
    rng: Expr,
) -> None:
    form = p.pick("jones", "jones", "gradient", "threshold")
    if form == "gradient":
        gain = k.param("steer_gain|sensitivity", 0.2, 2.0)
        k.aug(angle, "+", wp.clamp((left - right) * gain, -turn, turn))
    elif form == "threshold":
        level = k.param("sense_threshold|min_trail", 0.1, 0.5)
        with k.when(all_of(left > right, left > level)):
            k.aug(angle, "+", turn)
        with k.elsewhen(all_of(right > left, right > level)):
            k.aug(angle, "-", turn)
    else:
        with k.when(all_of(ahead < left, ahead < right)):
            k.aug(angle, "+", (wp.randf(rng) - 0.5) * 2.0 * turn)
        with k.elsewhen(left > right):
            k.aug(angle, "+", turn if p.chance(0.6) else wp.randf(rng) * turn)
        with k.elsewhen(right > left):
            k.aug(angle, "-", turn)
    if p.chance(0.5):
        k.aug(angle, "+", (wp.randf(rng) - 0.5) * k.param("wander|jitter|noise", 0.02, 0.3))


def trail_map(p: ProgramBuilder) -> None:
    """Diffusion, evaporation and deposits of trail maps."""
    k = p.kernel_builder(
        "diffuse_trail|update_pheromone|evaporate|decay_trail|blur_trail",
        p.pick("Diffuse and evaporate the trail map.", "Pheromone field update."),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "clamp", "interior"))
    kinds = p.pick(1, 1, 2, 3)
    dtype = T.F32 if kinds == 1 else T.Vec(kinds)
    trail = g.field("trail|pheromone|scent", dtype, R.uniform(0.0, 1.0))
    out = g.out("trail_out|pheromone_next|scent_out", dtype)
    mask_exit(p, g, chance=0.3, hint="wall|obstacle|blocked")
    deposit = (
        g.field("deposit|added|dropped", dtype, R.uniform(0.0, 0.5)) if p.chance(0.55) else None
    )
    form = p.pick("box", "cross", "loop")
    if form == "loop":
        total = k.var("total|acc", 0.0) if kinds == 1 else k.let("total|acc", construct(dtype, 0.0))
        with k.loop("di|dy", -1, 2) as di, k.loop("dj|dx", -1, 2) as dj:
            n0, n1 = g.extent(0), g.extent(1)
            wrap = g.boundary == "periodic"
            at = (
                ((g.index[0] + di + n0) % n0, (g.index[1] + dj + n1) % n1)
                if wrap
                else (wp.clamp(g.index[0] + di, 0, n0 - 1), wp.clamp(g.index[1] + dj, 0, n1 - 1))
            )
            k.aug(total, "+", trail.at(*at))
        mean = total / 9.0
    else:
        total = trail[-1, 0] + trail[1, 0] + trail[0, -1] + trail[0, 1]
        count = 4.0
        if form == "box":
            total, count = total + trail[-1, -1] + trail[-1, 1] + trail[1, -1] + trail[1, 1], 8.0
        mean = k.let("mean|blur|avg", total / count)
    own = trail.read("own|here|c")
    rate = k.param("diffusion|blur_weight|diffuse_rate", 0.05, 0.8)
    value = k.let(
        "value|mixed|new",
        own * (1.0 - rate) + mean * rate if p.chance(0.5) else own + (mean - own) * rate,
    )
    if deposit is not None:
        value = value + deposit.own
    decay = k.param("evaporation|decay|loss", 0.01, 0.3)
    value = value * (1.0 - decay) if p.chance(0.6) or kinds > 1 else wp.max(value - decay, 0.0)
    if kinds == 1 and p.chance(0.4):
        value = wp.min(value, k.param("max_trail|saturation|cap", 0.5, 2.0))
    out.store(value)
    if kinds == 1:
        monitor(p, g, out.own, "trail", 0.3)


def ant_worlds(p: ProgramBuilder) -> None:
    """Langton's ants and turmites: each thread runs its own world for several steps."""
    k = p.kernel_builder(
        "run_ant|langton_ant|turmite_run|simulate_ant|ant_world",
        p.pick("Run one ant in every world.", "Turmite steps, one world per thread."),
    )
    worlds, n = p.pick(16, 24, 32, 64), p.pick(12, 16, 20)
    w = threads(k, ["w|world|tid|env"], (worlds,))[0]
    dtype = p.pick(T.I32, T.U8)
    colors = p.pick(2, 2, 3, 4)
    grid = k.array("grid|cells|board", dtype, (worlds, n, n), R.integers(0, colors), "inout")
    rows, cols = (
        k.array("ant_row|ant_y|ants_i", T.I32, (worlds,), R.integers(0, n), "inout"),
        k.array("ant_col|ant_x|ants_j", T.I32, (worlds,), R.integers(0, n), "inout"),
    )
    heads = k.array("ant_dir|heading|facing", T.I32, (worlds,), R.integers(0, 4), "inout")
    i, j, d = k.var("i|row|y", rows[w]), k.var("j|col|x", cols[w]), k.var("d|facing_c|h", heads[w])
    size = k.let("n|size|extent", grid.dim(1)) if p.chance(0.6) else k.count("size|world_size", n)
    steps = k.count("num_steps|steps|iterations", p.pick(16, 24, 40, 64))
    rule = (
        k.array("turns|rule|turn_rule", T.I32, (colors,), R.integers(1, 4))
        if colors > 2 or p.chance(0.3)
        else None
    )
    flips = k.var("flips|visited|painted", 0) if p.chance(0.6) else None
    k.options["enable_backward"] = False
    walls = k.array("walls|blocked|rocks", T.I32, (n, n), R.mask(0.1)) if p.chance(0.3) else None
    stop = (
        k.count("target_color|stop_color", colors - 1)
        if flips is not None and p.chance(0.3)
        else None
    )
    hits = k.var("hits|bumps|turned", 0) if walls is not None else None
    with k.loop("s|t|step", steps):
        if walls is not None and hits is not None:
            with k.when(walls[i, j] == 1):
                k.set(d, (d + 2) % 4)
                k.aug(hits, "+", 1)
        c = k.let("c|color|cell", grid[w, i, j] if dtype == T.I32 else cast(T.I32, grid[w, i, j]))
        if rule is not None:
            k.set(d, (d + rule[c]) % 4)
        else:
            k.set(d, choose(c == 0, (d + 1) % 4, (d + 3) % 4))
        painted = (c + 1) % colors if colors > 2 else 1 - c
        k.set(grid[w, i, j], painted if dtype == T.I32 else cast(dtype, painted))
        if flips is not None:
            with k.when(c == 0):
                k.aug(flips, "+", 1)
        if stop is not None and flips is not None:
            with k.when(all_of(c == stop, flips > 6) if p.chance(0.5) else flips > 12):
                k.brk()
        _advance(p, k, i, j, d, size)
    if hits is not None:
        k.set(k.out("bump_count|wall_hits", T.I32, (worlds,))[w], hits)
    k.set(rows[w], i)
    k.set(cols[w], j)
    k.set(heads[w], d)
    if flips is not None:
        k.set(k.out("flip_count|visits|painted_count", T.I32, (worlds,))[w], flips)


def _advance(p: ProgramBuilder, k: KernelBuilder, i: Expr, j: Expr, d: Expr, size: Expr) -> None:
    """One cell forward on a torus; directions count clockwise from up."""
    if p.chance(0.6):
        with k.when(d == 0):
            k.set(i, (i + size - 1) % size)
        with k.elsewhen(d == 1):
            k.set(j, (j + 1) % size)
        with k.elsewhen(d == 2):
            k.set(i, (i + 1) % size)
        with k.otherwise():
            k.set(j, (j + size - 1) % size)
        return

    def body(b: Block, heading: Expr) -> None:
        with b.when(heading == 0):
            b.ret(-1, 0)
        with b.when(heading == 1):
            b.ret(0, 1)
        with b.when(heading == 2):
            b.ret(1, 0)
        b.ret(0, -1)

    di, dj = k.unpack(
        ["di|step_i", "dj|step_j"],
        p.func(
            "heading_step|direction_offset|forward",
            {"d|heading": T.I32},
            body,
            "Row and column change of a heading.",
        )(d),
    )
    k.set(i, (i + di + size) % size)
    k.set(j, (j + dj + size) % size)


def traffic(p: ProgramBuilder) -> None:
    """Traffic lanes: gaps, acceleration, random slowdown, movement."""
    k = p.kernel_builder(
        "traffic_step|nagel_schreckenberg|move_cars|lane_update|car_following",
        p.pick(
            "Nagel-Schreckenberg update of every car.",
            "Cars accelerate, keep their gap, slow down at random.",
            "Traffic automaton on ring roads.",
        ),
    )
    lanes, length = p.pick(4, 8, 12), p.pick(48, 64, 100)
    lane, x = threads(k, ["lane|road|l", "x|i|cell"], (lanes, length))
    cars = k.array("cells|speeds|cars|velocity_in", T.I32, (lanes, length), R.integers(-1, 5))
    out = k.array(
        "cells_out|cars_out|velocity_out", T.I32, (lanes, length), R.constant(-1), "inout"
    )
    v = k.var("v|speed|vel", cars[lane, x])
    with k.when(v < 0 if p.chance(0.6) else v == -1):
        k.ret()
    if p.chance(0.3):
        red = k.array("signals|red_light|closed", T.I32, (lanes,), R.mask(0.3))
        stop = k.count("stop_cell|light_at|signal_cell", length // 2)
        with k.when(all_of(red[lane] == 1, x == stop)):
            k.set(out[lane, x], 0)
            k.ret()
    top = k.count("v_max|max_speed|speed_limit", p.pick(3, 5))
    n = cars.dim(1) if p.chance(0.5) else k.count("length|road_length|num_cells", length)
    if p.chance(0.35):
        top = k.array("lane_limit|limits|max_speeds", T.I32, (lanes,), R.integers(2, 6))[lane]
    k.set(v, wp.min(v + 1, top))
    k.step(p.pick("", "distance to the next car", "gap"))
    if p.chance(0.5):
        gap = k.var("gap|free|headway", 0)
        with k.repeat(all_of(gap < v, cars[lane, (x + gap + 1) % n] < 0)):
            k.aug(gap, "+", 1)
    else:
        gap = k.var("gap|free|headway", top if top.type == T.I32 else 5)
        with k.loop("s|d|m", 1, top + 1) as s, k.when(cars[lane, (x + s) % n] >= 0):
            k.set(gap, s - 1)
            k.brk()
    k.set(v, wp.min(v, gap))
    if p.chance(0.75):
        rng = k.let(
            "rng|state",
            wp.rand_init(k.scalar("seed|step_seed", T.I32, p.rng.randint(1, 999)), lane * n + x),
        )
        with k.when(all_of(v > 0, wp.randf(rng) < k.param("p_slow|dawdle|slowdown", 0.1, 0.4))):
            k.aug(v, "-", 1)
    # No two cars reach one cell: each stops behind the place of the next.
    k.set(out[lane, (x + v) % n], v)
    if p.chance(0.3):
        crossings = k.out("crossings|detector|passed", T.I32, (lanes,))
        with k.when(x + v >= n):
            k.do(wp.atomic_add(crossings, lane, 1))
    if p.chance(0.5):
        flow = k.out("flow|total_speed|throughput", T.I32, (lanes,))
        k.do(wp.atomic_add(flow, lane, v))
    if p.chance(0.3):
        jams = k.out("num_stopped|jammed|queue", T.I32, (lanes,))
        with k.when(v == 0):
            k.do(wp.atomic_add(jams, lane, 1))
