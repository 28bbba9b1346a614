"""Stochastic cell updates: spins, sandpiles, fires, epidemics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._grids import along, border_exit, open_grid
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, lift

_NAMES = {"ising": "Ising", "potts": "Potts", "clock": "Clock", "blume": "Blume-Capel"}


def cell_number(g: Grid) -> Expr:
    """This thread's cell as one number, for a random stream."""
    if g.flat and g._flat_own is not None:
        return g._flat_own
    number = g.index[0] * g.extent(1) + g.index[1]
    if len(g.shape) == 3:
        number = number * g.extent(2) + g.index[2]
    return number


def random_stream(p: ProgramBuilder, g: Grid) -> Expr:
    """The state of this cell's random numbers, as a local."""
    k = g.k
    form = p.pick("seed", "seed", "step", "states")
    if form == "states":
        states = g.field("rng_states|rng|random_state", T.U32, R.integers(1, 1 << 31))
        return k.let("rng|state|r", states.own)
    seed = k.scalar("seed|random_seed", T.I32, p.rng.randint(1, 9999))
    if form == "step":
        seed = seed + k.scalar("step|iteration|frame", T.I32, p.rng.randint(1, 500)) * p.pick(
            7919, 1013, 101
        )
    return k.let("rng|state|r", wp.rand_init(seed, cell_number(g)))


def ising(p: ProgramBuilder) -> None:
    """Metropolis and heat-bath updates of Ising, Potts and clock spins on a checkerboard."""
    model = p.weighted({"ising": 5, "potts": 2.5, "clock": 1.5, "blume": 1})
    k = p.kernel_builder(
        f"{model}_step|metropolis_sweep|spin_flip|{model}_update|checkerboard_update|monte_carlo_sweep",
        p.pick(
            f"{_NAMES[model]} spins, one colour of the checkerboard.",
            "Metropolis update of half the lattice.",
            "Single-spin updates at a given temperature.",
        ),
    )
    # A checkerboard on a periodic grid needs even extents.
    volume = p.chance(0.3)
    g = open_grid(
        p,
        k,
        3 if volume else 2,
        boundary="periodic",
        shape=tuple(p.pick(6, 8, 10) for _ in range(3)) if volume else None,
    )
    states = {"ising": 2, "potts": p.pick(3, 4, 5), "clock": p.pick(6, 8), "blume": 3}[model]
    dtype = p.pick(T.I32, T.I32, T.I8)
    fill = (
        R.integers(0, states)
        if model in ("potts", "clock")
        else R.integers(-1, 2)
        if model == "blume"
        else R.integers(0, 2)
    )
    spins = g.inout("spins|lattice|sigma", dtype, fill)
    parity = k.count("parity|color|sublattice", p.pick(0, 1))
    total = g.index[0] + g.index[1] if len(g.shape) == 2 else g.index[0] + g.index[1] + g.index[2]
    with k.when(total % 2 != parity if p.chance(0.6) else (total + parity) % 2 == 1):
        k.ret()
    s = k.let("s|spin|s0", _int(spins.own))
    rng = random_stream(p, g)
    q = k.count("num_states|q|states", states) if model in ("potts", "clock") else None
    new = _proposal(p, g, model, s, q, rng)
    beta = k.param("beta|inv_temperature|coupling", 0.2, 1.0)
    change = _energy_change(p, g, spins, model, s, new, q)
    accept = _accept(p, g, change, beta, rng)
    with k.when(accept):
        spins.store(new if dtype == T.I32 else cast(dtype, new))
        if p.chance(0.3):
            accepted = k.out("accepted|num_accepted|flips", T.I32, (1,))
            k.do(wp.atomic_add(accepted, 0, 1))
    if p.chance(0.35):
        magnet = k.out("magnetization|order|m_total", T.I32, (1,))
        k.do(wp.atomic_add(magnet, 0, _int(spins.own)))


def _int(value: Expr) -> Expr:
    return value if value.type == T.I32 else cast(T.I32, value)


def _proposal(p: ProgramBuilder, g: Grid, model: str, s: Expr, q: Expr | None, rng: Expr) -> Expr:
    k = g.k
    if model == "ising":
        return k.let("flipped|new_s|trial", 1 - s)
    if model == "blume":
        return k.let("new_s|trial|proposal", wp.randi(rng, -1, 2))
    assert q is not None
    if model == "clock":
        return k.let(
            "new_s|trial|proposal",
            (s + p.pick(1, choose(wp.randf(rng) < 0.5, lift(1, T.I32), q - 1))) % q,
        )
    return k.let(
        "new_s|trial|proposal",
        (s + 1 + wp.randi(rng, 0, q - 1)) % q if p.chance(0.5) else wp.randi(rng, 0, q),
    )


def _energy_change(
    p: ProgramBuilder, g: Grid, spins: GridField, model: str, s: Expr, new: Expr, q: Expr | None
) -> Expr:
    k = g.k
    offsets = [along(g, a, d) for a in range(len(g.shape)) for d in (-1, 1)]
    if p.chance(0.4):
        g.prepare(*offsets)
    if model in ("ising", "blume"):
        total = _int(spins[offsets[0]])
        for o in offsets[1:]:
            total = total + _int(spins[o])
        near = k.let("near|nsum|field_sum", total)
        if model == "blume":
            crystal = k.param("crystal_field|delta|d_field", 0.1, 1.5)
            return k.let(
                "dE|delta_e|change",
                cast(T.F32, (s - new) * near) + crystal * cast(T.F32, new * new - s * s),
            )
        # Spins are kept as 0 and 1; energies use -1 and +1.
        count = len(offsets)
        change = cast(T.F32, 2 * (2 * s - 1) * (2 * near - count))
        if p.chance(0.4):
            field = k.param("field|h_ext|bias", 0.05, 0.5)
            change = change + 2.0 * field * cast(T.F32, 2 * s - 1)
        return k.let("dE|delta_e|change", change)
    if model == "potts":
        before, after = k.var("same_old|e_old|n_old", 0), k.var("same_new|e_new|n_new", 0)
        for o in offsets:
            t = _int(spins[o])
            with k.when(t == s):
                k.aug(before, "+", 1)
            with k.when(t == new):
                k.aug(after, "+", 1)
        return k.let("dE|delta_e|change", cast(T.F32, before - after))

    def body(b: Block, a: Expr, c: Expr, n: Expr) -> None:
        b.ret(wp.cos(6.2831853 * cast(T.F32, a - c) / cast(T.F32, n)))

    assert q is not None
    bond = p.func(
        "bond|clock_bond|alignment",
        {"a|s": T.I32, "b|t": T.I32, "q|states": T.I32},
        body,
        "Alignment of two clock spins.",
    )
    change = k.var("dE|delta_e|change", 0.0)
    for o in offsets:
        k.aug(
            change,
            "+",
            bond(s, _int(spins[o]), q) - bond(new, _int(spins[o]), q),
        )
    return change


def _accept(p: ProgramBuilder, g: Grid, change: Expr, beta: Expr, rng: Expr) -> Expr:
    k = g.k
    match p.pick("metropolis", "metropolis", "heat", "temperature"):
        case "metropolis":
            return any_of(change <= 0.0, wp.randf(rng) < wp.exp(-beta * change))
        case "heat":
            return wp.randf(rng) < k.let("prob|p_flip", 1.0 / (1.0 + wp.exp(beta * change)))
    t = (
        g.field("temperature|local_t|noise", T.F32, R.uniform(0.5, 3.0)).own
        if p.chance(0.4)
        else k.param("temperature|kT", 0.5, 3.0)
    )
    return wp.randf(rng) < k.let("prob|p_accept", wp.min(1.0, wp.exp(-change / t)))


def sandpile(p: ProgramBuilder) -> None:
    """Toppling: heights above a threshold give grains to their neighbours."""
    scatter = p.chance(0.4)
    k = p.kernel_builder(
        "topple|sandpile_step|relax_pile|avalanche_step|sandpile_update",
        p.pick(
            "Topple every unstable site once.",
            "Parallel toppling of a sandpile.",
            "Grains move from steep sites to their neighbours.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("clamp", "clamp", "periodic", "interior"))
    dtype = T.I32
    heights = g.field("height|grains|pile", dtype, R.integers(0, 8))
    out = (
        g.inout("height_out|grains_next|pile_next", dtype, R.integers(0, 3))
        if scatter
        else g.out("height_out|grains_next|pile_next", dtype)
    )
    limit = k.count("threshold|critical|capacity", 4)
    h = heights.read("h|own|h0")
    if scatter:
        with k.when(h < limit):
            k.ret()
        _scatter_grains(p, g, out, h, limit)
        return
    many = p.chance(0.4)
    new = k.var("new|left|h_new", h % limit if many else choose(h >= limit, h - limit, h))
    for o in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        _receive(p, g, heights, new, o, limit, many)
    out.store(new)
    if p.chance(0.45):
        active = k.out("num_unstable|avalanche_size|topples", T.I32, (1,))
        with k.when(h >= limit):
            k.do(wp.atomic_add(active, 0, h // limit if many else 1))


def _receive(
    p: ProgramBuilder,
    g: Grid,
    heights: GridField,
    new: Expr,
    o: tuple[int, int],
    limit: Expr,
    many: bool,
) -> None:
    k = g.k
    axis = 0 if o[0] else 1
    step = o[axis]
    gain = heights[o] // limit if many else None

    def add() -> None:
        if gain is not None:
            k.aug(new, "+", gain)
        else:
            with k.when(heights[o] >= limit):
                k.aug(new, "+", 1)

    if g.boundary in ("periodic", "interior"):
        add()
        return
    inside = g.index[axis] > 0 if step < 0 else g.index[axis] < g.extent(axis) - 1
    with k.when(inside):
        add()


def _scatter_grains(p: ProgramBuilder, g: Grid, out: GridField, h: Expr, limit: Expr) -> None:
    k = g.k
    give = k.let("give|share|m", h // limit)
    k.do(
        wp.atomic_sub(out.array, *g.address(g.index), give * limit)
    ) if not p.augmented_atomics else k.aug(out.own, "-", give * limit)
    lost = (
        k.out("lost|dissipated|fell_off", T.I32, (1,))
        if p.chance(0.5) and g.boundary == "clamp"
        else None
    )
    for axis in (0, 1):
        for step in (-1, 1):
            there = [
                i + step if a == axis and step > 0 else i - 1 if a == axis else i
                for a, i in enumerate(g.index)
            ]
            if g.boundary == "interior":
                out.add(give, *there)
                continue
            if g.boundary == "periodic":
                n = g.extent(axis)
                there[axis] = (g.index[axis] + 1) % n if step > 0 else (g.index[axis] + n - 1) % n
                out.add(give, *there)
                continue
            with k.when(g.index[axis] > 0 if step < 0 else g.index[axis] < g.extent(axis) - 1):
                out.add(give, *there)
            if lost is not None:
                with k.otherwise():
                    k.do(wp.atomic_add(lost, 0, give))


def forest_fire(p: ProgramBuilder) -> None:
    """Trees grow, catch fire from neighbours or lightning, and burn down."""
    k = p.kernel_builder(
        "forest_fire|fire_step|spread_fire|burn_step|wildfire",
        p.pick(
            "Drossel-Schwabl forest fire step.",
            "Fire spreads between neighbouring cells.",
            "Growth, ignition and burning.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "clamp", "interior", "skip_outer"))
    dtype = p.pick(T.I32, T.I32, T.U8)
    empty, tree, fire = (
        p.const(n, v) for n, v in (("EMPTY|BARE", 0), ("TREE|FUEL", 1), ("FIRE|BURNING", 2))
    )
    cells = g.field("cells|forest|state", dtype, R.integers(0, 3))
    out = g.out("cells_out|forest_next|state_out", dtype)
    border_exit(p, g, (out, cells.own))
    c = k.let("c|state_c|me", _int(cells.own))
    rng = random_stream(p, g)
    moisture = (
        g.field("moisture|humidity|fuel_moisture", T.F32, R.uniform(0.0, 0.6))
        if p.chance(0.35)
        else None
    )
    wind = k.quantity("wind|wind_dir|bias", T.VEC2, [0.4, 0.1]) if p.chance(0.35) else None
    new = k.var("new|next_c|state_n", c)
    with k.when(c == fire):
        duration = p.chance(0.4)
        if duration:
            with k.when(wp.randf(rng) < k.param("burnout|p_burnout|extinction", 0.3, 0.9)):
                k.set(new, empty)
        else:
            k.set(new, empty)
    with k.elsewhen(c == tree):
        if wind is None and p.chance(0.5):
            burning = any_of(*[_int(cells[o]) == fire for o in ((-1, 0), (1, 0), (0, -1), (0, 1))])
            strike = wp.randf(rng) < k.param("lightning|p_lightning|spark", 0.001, 0.1)
            catch = any_of(burning, strike)
            if moisture is not None:
                catch = (
                    all_of(catch, moisture.own < k.param("wet_limit|extinction_moisture", 0.3, 0.5))
                    if p.chance(0.5)
                    else catch
                )
            with k.when(catch):
                k.set(new, fire)
        else:
            _ignite(p, g, cells, fire, new, rng, moisture, wind)
    with k.elsewhen(wp.randf(rng) < k.param("growth|p_growth|regrow", 0.01, 0.2)):
        k.set(new, tree)
    out.store(new if dtype == T.I32 else cast(dtype, new))
    if p.chance(0.4):
        burnt = k.out("num_burning|burned_area|fire_count", T.I32, (1,))
        with k.when(new == fire):
            k.do(wp.atomic_add(burnt, 0, 1))


def _ignite(
    p: ProgramBuilder,
    g: Grid,
    cells: GridField,
    fire: Expr,
    new: Expr,
    rng: Expr,
    moisture: GridField | None,
    wind: Expr | None,
) -> None:
    """Probability to stay unburnt over all burning neighbours."""
    k = g.k
    spread = k.param("spread|p_spread|ignition", 0.2, 0.8)
    stay = k.var("stay|p_safe|q", 1.0)
    for o in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        with k.when(_int(cells[o]) == fire):
            factor: Expr = spread
            if wind is not None:
                push = (
                    -wind[1]
                    if o[0] < 0
                    else wind[1]
                    if o[0] > 0
                    else wind[0]
                    if o[1] > 0
                    else -wind[0]
                )
                factor = wp.clamp(spread * (1.0 - push), 0.0, 1.0)
            k.aug(stay, "*", 1.0 - factor)
    if moisture is not None:
        k.set(stay, stay + (1.0 - stay) * moisture.own)
    with k.when(wp.randf(rng) > stay):
        k.set(new, fire)


def epidemic(p: ProgramBuilder) -> None:
    """Susceptible, infected and recovered cells with contacts to their neighbours."""
    k = p.kernel_builder(
        "epidemic_step|sir_grid|spread_infection|sirs_step|contact_process",
        p.pick(
            "Stochastic SIR dynamics on a grid.",
            "Infection by contact with neighbouring cells.",
            "Contact process step.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "clamp", "interior"))
    dtype = p.pick(T.I32, T.U8, T.I32)
    cells = g.field("state|people|cells", dtype, R.integers(0, 3))
    out = g.out("state_out|people_next|cells_out", dtype)
    timers = (
        g.inout("timer|days|infection_age", T.I32, R.integers(0, 12)) if p.chance(0.45) else None
    )
    rng = random_stream(p, g)
    c = k.let("c|me|status", _int(cells.own))
    near = k.var("near|sick|contacts", 0)
    reach = [(-1, 0), (1, 0), (0, -1), (0, 1)] + (
        [(-1, -1), (1, 1), (-1, 1), (1, -1)] if p.chance(0.35) else []
    )
    for o in reach:
        if p.chance(0.5):
            with k.when(_int(cells[o]) == 1):
                k.aug(near, "+", 1)
        else:
            k.aug(near, "+", choose(_int(cells[o]) == 1, lift(1, T.I32), lift(0, T.I32)))
    beta = (
        g.field("susceptibility|exposure|beta_field", T.F32, R.uniform(0.05, 0.6)).own
        if p.chance(0.35)
        else k.param("beta|infection_rate|p_infect", 0.1, 0.6)
    )
    new = k.var("new|next_c|status_n", c)
    with k.when(c == 0):
        form = p.pick("power", "linear", "exp")
        risk = {
            "power": lambda: 1.0 - wp.pow(1.0 - beta, cast(T.F32, near)),
            "linear": lambda: wp.min(beta * cast(T.F32, near), 1.0),
            "exp": lambda: 1.0 - wp.exp(-beta * cast(T.F32, near)),
        }[form]()
        with k.when(wp.randf(rng) < k.let("risk|p_inf|prob", risk)):
            k.set(new, 1)
            if timers is not None:
                timers.store(0)
    with k.elsewhen(c == 1):
        if timers is not None:
            timers.store(timers.own + 1)
            with k.when(
                timers.own > k.count("duration|infectious_days|t_recover", p.pick(5, 7, 10))
            ):
                k.set(new, 2)
        else:
            with k.when(wp.randf(rng) < k.param("gamma|recovery_rate|p_recover", 0.05, 0.4)):
                k.set(new, 2)
    if p.chance(0.5):
        with k.elsewhen(wp.randf(rng) < k.param("waning|p_waning|loss_rate", 0.01, 0.2)):
            k.set(new, 0)
    out.store(new if dtype == T.I32 else cast(dtype, new))
    if p.chance(0.45):
        counts = k.out("counts|compartments|tally", T.I32, (3,))
        k.do(wp.atomic_add(counts, new, 1))
