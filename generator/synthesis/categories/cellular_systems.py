"""Cellular systems: automata on grids and words, spin models, spreading, labels, agents, integer images."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._ca_agents import agents, ant_worlds, traffic, trail_map
from generator.synthesis.categories._ca_bits import (
    elementary_rule,
    lattice_gas,
    packed_life,
    word_statistics,
)
from generator.synthesis.categories._ca_images import (
    labels,
    morphology,
    pixel_statistics,
    union_find,
)
from generator.synthesis.categories._ca_random import epidemic, forest_fire, ising, sandpile
from generator.synthesis.categories._grids import border_exit, open_grid
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of, between, choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, lift


@category("cellular_systems", version=1, title="Cellular and lattice systems")
def write(p: ProgramBuilder) -> None:
    """Discrete dynamics: life-like and multi-state automata, bit-packed automata and lattice gases, Ising and Potts
    updates, sandpiles, forest fires and epidemics, cluster labels and union-find, foraging agents with trail maps,
    traffic lanes, morphology and statistics of integer images."""
    p.real = T.F32
    p.weighted(
        {
            _life: 3.2,
            _excitable: 2.0,
            _rule_table: 1.6,
            _continuous: 1.8,
            packed_life: 1.3,
            elementary_rule: 1.6,
            lattice_gas: 1.4,
            word_statistics: 1.0,
            ising: 3.0,
            sandpile: 1.8,
            forest_fire: 2.0,
            epidemic: 2.0,
            labels: 2.0,
            union_find: 1.2,
            morphology: 2.0,
            pixel_statistics: 1.2,
            agents: 2.6,
            trail_map: 1.4,
            ant_worlds: 1.4,
            traffic: 1.4,
        }
    )(p)


def cell_type(p: ProgramBuilder) -> T.Scalar:
    """The integer type of a state array."""
    return p.weighted({T.I32: 6, T.U8: 3, T.I8: 0.6, T.I16: 0.6})


def as_int(value: Expr) -> Expr:
    """A state as a plain integer."""
    return value if value.type == T.I32 else cast(T.I32, value)


def as_state(value: Expr | int, dtype: T.Type) -> Expr:
    """A plain integer as a state."""
    assert isinstance(dtype, T.Scalar)
    if isinstance(value, int):
        return lift(value, dtype)
    return value if dtype == T.I32 else cast(dtype, value)


def count_neighbours(
    p: ProgramBuilder,
    g: Grid,
    f: GridField,
    alive: int | None = None,
    hint: str = "n|count|neighbors|alive_near",
    wide: bool = True,
) -> Expr:
    """How many of the neighbouring cells are alive (or in one state), as a local."""
    k = g.k
    form = p.pick("loop", "loop", "sum", "function") if wide else p.pick("sum", "adds")
    offsets = (
        [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if (a, b) != (0, 0)]
        if wide
        else [(-1, 0), (1, 0), (0, -1), (0, 1)]
    )
    if form == "loop" or (form == "function" and (g.flat or g.batch_index is not None)):
        return _looped_count(p, g, f, alive, hint)
    if form == "function":
        return _function_count(p, g, f, alive, hint)
    if p.chance(0.5):
        g.prepare((-1, 0), (1, 0), (0, -1), (0, 1))

    def unit(o: tuple[int, int]) -> Expr:
        state = as_int(f[o])
        return state if alive is None else choose(state == alive, lift(1, T.I32), lift(0, T.I32))

    if form == "adds" or alive is not None:
        n = k.var(hint, 0)
        for o in offsets:
            if alive is None:
                k.aug(n, "+", as_int(f[o]))
            else:
                with k.when(as_int(f[o]) == alive):
                    k.aug(n, "+", 1)
        return n
    total = unit(offsets[0])
    for o in offsets[1:]:
        total = total + unit(o)
    return k.let(hint, total)


def _looped_count(p: ProgramBuilder, g: Grid, f: GridField, alive: int | None, hint: str) -> Expr:
    k = g.k
    n = k.var(hint, 0)
    wrap = g.boundary == "periodic"
    with k.loop("di|dr|dy", -1, 2) as di, k.loop("dj|dc|dx", -1, 2) as dj:
        with k.when(all_of(di == 0, dj == 0)):
            k.cont()
        where = []
        for axis, d in enumerate((di, dj)):
            moved = g.index[axis] + d
            extent = g.extent(axis)
            value = (moved + extent) % extent if wrap else moved
            where.append(k.let(f"{g.hints[axis]}n|n{g.hints[axis]}|{g.hints[axis]}_near", value))
        if not wrap and g.boundary != "interior":
            inside = (
                all_of(between(0, where[0], g.extent(0)), between(0, where[1], g.extent(1)))
                if p.chance(0.4)
                else all_of(
                    where[0] >= 0, where[0] < g.extent(0), where[1] >= 0, where[1] < g.extent(1)
                )
            )
            with k.when(inside):
                _add_state(g, f, alive, n, where)
        else:
            _add_state(g, f, alive, n, where)
    return n


def _add_state(g: Grid, f: GridField, alive: int | None, n: Expr, where: list[Expr]) -> None:
    state = as_int(f.at(*where))
    if alive is None:
        g.k.aug(n, "+", state)
        return
    with g.k.when(state == alive):
        g.k.aug(n, "+", 1)


def _function_count(p: ProgramBuilder, g: Grid, f: GridField, alive: int | None, hint: str) -> Expr:
    wrap = g.boundary == "periodic"

    def body(b: Block, cells: Expr, i: Expr, j: Expr) -> None:
        rows, cols = cells.dim(0), cells.dim(1)
        n = b.var("n|total|count", 0)
        with b.loop("di|a", -1, 2) as di, b.loop("dj|c", -1, 2) as dj:
            ii, jj = i + di, j + dj
            ii, jj = (
                ((ii + rows) % rows, (jj + cols) % cols)
                if wrap
                else (wp.clamp(ii, 0, rows - 1), wp.clamp(jj, 0, cols - 1))
            )
            with b.when(any_of(di != 0, dj != 0)):
                state = as_int(cells[ii, jj])
                b.aug(
                    n,
                    "+",
                    state
                    if alive is None
                    else choose(state == alive, lift(1, T.I32), lift(0, T.I32)),
                )
        b.ret(n)

    count = p.func(
        "count_neighbors|moore_sum|neighbors_alive|live_neighbours",
        {"cells|grid|state": f.array.type, "i|row|y": T.I32, "j|col|x": T.I32},
        body,
        "Sum over the eight neighbours.",
    )
    return g.k.let(hint, count(f.array, *g.index))


# --- life-like automata ---------------------------------------------------------------------------


def _life(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "life_step|game_of_life|step_cells|update_cells|automaton_step|next_generation|seeds_step",
        p.pick(
            "One generation of a life-like automaton.",
            "Birth and survival by neighbour counts.",
            "Synchronous update of all cells.",
        ),
    )
    g = open_grid(
        p, k, 2, boundary=p.pick("periodic", "periodic", "clamp", "interior", "skip_outer")
    )
    dtype = cell_type(p)
    cells = g.field("cells|state|grid_in|current", dtype, R.mask(0.4))
    out = g.out("cells_out|next_state|grid_out|next_cells", dtype)
    border_exit(p, g, (out, lift(0, dtype)))
    n = count_neighbours(p, g, cells)
    alive = k.let("alive|me|state_c", as_int(cells.own))
    new = _rule(p, g, n, alive)
    out.store(as_state(new, dtype))
    _census(p, g, new, alive)


def _rule(p: ProgramBuilder, g: Grid, n: Expr, alive: Expr) -> Expr:
    k = g.k
    form = p.pick("classic", "ternary", "masks", "table", "function", "ages")
    if form == "masks":
        birth, stay = (
            k.count("birth_mask|birth|born", p.pick(8, 12, 72)),
            k.count("survive_mask|survival|stay", p.pick(12, 28, 60)),
        )
        mask = k.let("mask|rule", choose(alive == 1, stay, birth))
        return k.let("new|next_c|born_c", (mask >> n) & 1)
    if form == "table":
        table = k.array(
            "rule_table|rule|lut",
            T.I32,
            (2, 9),
            R.values([0, 0, 0, 1, 0, 0, p.pick(0, 1), 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]),
        )
        return k.let("new|next_c", table[alive, n])
    if form == "function":

        def body(b: Block, me: Expr, near: Expr) -> None:
            with b.when(me == 1):
                with b.when(any_of(near == 2, near == 3)):
                    b.ret(1)
                b.ret(0)
            with b.when(near == 3 if p.chance(0.7) else any_of(near == 3, near == 6)):
                b.ret(1)
            b.ret(0)

        return k.let(
            "new|next_c",
            p.func("apply_rule|next_cell|transition", {"alive|me": T.I32, "n|near": T.I32}, body)(
                alive, n
            ),
        )
    if form == "ternary":
        return k.let(
            "new|next_c",
            choose(any_of(n == 3, all_of(alive == 1, n == 2)), lift(1, T.I32), lift(0, T.I32)),
        )
    new = k.var("new|next_c|value", 0)
    if form == "ages":
        low, high = k.count("min_neighbors|lonely", 2), k.count("max_neighbors|crowded", 3)
        with k.when(all_of(alive == 1, n >= low, n <= high)):
            k.set(new, 1)
        with k.elsewhen(all_of(alive == 0, n == high)):
            k.set(new, 1)
        return new
    with k.when(alive == 1 if p.chance(0.6) else alive > 0), k.when(any_of(n == 2, n == 3)):
        k.set(new, 1)
    with k.otherwise(), k.when(n == 3):
        k.set(new, 1)
    return new


def _census(p: ProgramBuilder, g: Grid, new: Expr, old: Expr) -> None:
    """Now and then: population, births and deaths, ages, a change flag."""
    k = g.k
    where = g.batch_index if g.batch_index is not None else 0
    for what in p.sample(["population", "births", "age", "changed"], 0, 2):
        if what == "population":
            total = k.out("population|num_alive|alive_count", T.I32, (g.batch or 1,))
            if p.chance(0.5):
                with k.when(new == 1):
                    k.do(wp.atomic_add(total, where, 1))
            else:
                k.do(wp.atomic_add(total, where, new))
        elif what == "births":
            births = k.out("births|born_count", T.I32, (1,))
            with k.when(all_of(new > old, old == 0) if p.chance(0.4) else new > old):
                k.do(wp.atomic_add(births, 0, 1))
        elif what == "age":
            age = g.inout("age|ages|lifetime", T.I32, R.integers(0, 20))
            age.store(choose(new == 1, age.own + 1, lift(0, T.I32)))
        else:
            flag = k.out("changed|active|dirty", T.I32, (1,))
            with k.when(new != old):
                k.do(wp.atomic_max(flag, 0, 1))


def _excitable(p: ProgramBuilder) -> None:
    """Excitable media, cyclic automata and circuits: several states in a row."""
    what = p.pick("greenberg", "cyclic", "wire", "brain")
    names = {
        "greenberg": "greenberg_hastings|excitable_step|excite_cells",
        "cyclic": "cyclic_automaton|cyclic_step|demon_step",
        "wire": "wireworld|wire_step|electron_step",
        "brain": "brians_brain|brain_step|firing_step",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            {
                "greenberg": "Rest, excitation and recovery.",
                "cyclic": "Cells advance where enough neighbours are one state ahead.",
                "wire": "Electrons run along conducting cells.",
                "brain": "Cells fire next to exactly two firing cells.",
            }[what],
            "Multi-state automaton, all cells at once.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "periodic", "clamp", "interior"))
    states = {"greenberg": p.pick(4, 5, 8), "cyclic": p.pick(4, 6, 8, 14), "wire": 4, "brain": 3}[
        what
    ]
    dtype = cell_type(p)
    cells = g.field("state|cells|phase", dtype, R.integers(0, states))
    out = g.out("state_out|next_state|cells_next", dtype)
    c = k.let("c|me|s", as_int(cells.own))
    if what == "cyclic":
        total = k.count("num_states|states|n_colors", states)
        follow = k.let("nxt|successor|follow", (c + 1) % total)
        wanted = k.count("threshold|min_count", p.pick(1, 2, 3))
        n = k.var("n|hits|eaters", 0)
        offsets = [(-1, 0), (1, 0), (0, -1), (0, 1), (-1, -1), (1, 1), (-1, 1), (1, -1)][
            : p.pick(4, 8)
        ]
        for o in offsets:
            with k.when(as_int(cells[o]) == follow):
                k.aug(n, "+", 1)
        out.store(as_state(choose(n >= wanted, follow, c), dtype))
        return
    n = count_neighbours(p, g, cells, alive=1, hint="n|excited|heads|firing", wide=p.chance(0.7))
    new = k.var("new|next_c|value", c) if p.chance(0.5) else k.var("new|next_c|value", 0)
    if what == "wire":
        # 0 empty, 1 head, 2 tail, 3 conductor
        with k.when(c == 1):
            k.set(new, 2)
        with k.elsewhen(c == 2):
            k.set(new, 3)
        with k.elsewhen(c == 3):
            k.set(new, choose(any_of(n == 1, n == 2), lift(1, T.I32), lift(3, T.I32)))
        with k.otherwise():
            k.set(new, 0)
    elif what == "brain":
        with k.when(all_of(c == 0, n == 2)):
            k.set(new, 1)
        with k.elsewhen(c == 1):
            k.set(new, 2)
        with k.otherwise():
            k.set(new, 0)
    else:
        last = k.count("num_states|states|refractory", states)
        with k.when(c == 0):
            k.set(
                new,
                choose(
                    n >= k.count("threshold|min_excited", p.pick(1, 2)),
                    lift(1, T.I32),
                    lift(0, T.I32),
                ),
            )
        with k.otherwise():
            k.set(new, (c + 1) % last)
    out.store(as_state(new, dtype))
    if p.chance(0.4):
        live = k.out("num_excited|active_count|signal_count", T.I32, (1,))
        with k.when(new == 1):
            k.do(wp.atomic_add(live, 0, 1))


def _rule_table(p: ProgramBuilder) -> None:
    """Totalistic and larger-than-life rules looked up in tables."""
    k = p.kernel_builder(
        "totalistic_step|larger_than_life|lut_step|table_automaton|generations_rule",
        p.pick("Totalistic rule from a table.", "Neighbourhood sum looked up in a rule table."),
    )
    g = open_grid(p, k, 2, boundary="periodic")
    dtype = cell_type(p)
    states, reach = p.pick(2, 3, 4), p.pick(1, 2, 3)
    cells = g.field("cells|state|grid_in", dtype, R.integers(0, states))
    out = g.out("cells_out|next_state|grid_out", dtype)
    side = 2 * reach + 1
    table = k.array(
        "table|rule|lut", T.I32, (side * side * (states - 1) + 1,), R.integers(0, states)
    )
    radius = k.count("radius|reach|range_", reach)
    total = k.var("total|n_sum|sum_states", 0)
    diamond = p.chance(0.35)
    with k.loop("di|dr", -radius, radius + 1) as di, k.loop("dj|dc", -radius, radius + 1) as dj:
        if diamond:
            with k.when(wp.abs(di) + wp.abs(dj) > radius):
                k.cont()
        i = k.let("ii|rn", (g.index[0] + di + g.extent(0)) % g.extent(0))
        j = k.let("jj|cn", (g.index[1] + dj + g.extent(1)) % g.extent(1))
        k.aug(total, "+", as_int(cells.at(i, j)))
    if p.chance(0.4):
        k.aug(total, "-", as_int(cells.own))
    new = table[total] if p.chance(0.6) else table[wp.min(total, table.dim(0) - 1)]
    decay = p.chance(0.4)
    if decay:
        c = k.let("c|me", as_int(cells.own))
        new = choose(c > 1, c - 1, new)
    out.store(as_state(k.let("new|value", new), dtype))


def _continuous(p: ProgramBuilder) -> None:
    """Continuous-valued automata: smooth kernels with a growth function."""
    k = p.kernel_builder(
        "smooth_life|lenia_step|continuous_automaton|growth_step|kernel_growth",
        p.pick("Continuous automaton with a ring kernel.", "Convolve, grow, clip."),
    )
    g = open_grid(p, k, 2, boundary=p.pick("periodic", "periodic", "clamp"))
    a = g.field("field|a_in|state|mass", T.F32, R.uniform(0.0, 1.0))
    out = g.out("field_out|a_out|next_field", T.F32)
    reach = p.pick(2, 3, 4)
    radius = k.count("radius|reach|kernel_radius", reach)
    tabled = p.chance(0.5)
    table = (
        k.array("kernel_w|weights|ring", T.F32, (2 * reach + 1, 2 * reach + 1), R.uniform(0.0, 0.1))
        if tabled
        else None
    )
    total, norm = k.var("total|u|potential", 0.0), k.var("norm|wsum", 0.0)
    with (
        k.loop("di|dr|dy", -radius, radius + 1) as di,
        k.loop("dj|dc|dx", -radius, radius + 1) as dj,
    ):
        if table is not None:
            w = table[di + radius, dj + radius]
        else:
            r = k.let("r|dist", wp.sqrt(cast(T.F32, di * di + dj * dj)) / cast(T.F32, radius))
            with k.when(any_of(r > 1.0, r == 0.0) if p.chance(0.5) else r > 1.0):
                k.cont()
            w = (
                wp.exp(4.0 - 1.0 / wp.max(r * (1.0 - r), 0.01))
                if p.chance(0.5)
                else 4.0 * r * (1.0 - r)
            )
        w = k.let("w|weight", w)
        n0, n1 = g.extent(0), g.extent(1)
        if g.boundary == "periodic":
            where = ((g.index[0] + di + n0) % n0, (g.index[1] + dj + n1) % n1)
        else:
            where = (wp.clamp(g.index[0] + di, 0, n0 - 1), wp.clamp(g.index[1] + dj, 0, n1 - 1))
        k.aug(total, "+", w * a.at(*where))
        k.aug(norm, "+", w)
    u = k.let("u|density|mean", total / norm)
    mu, sigma, dt = (
        k.param("mu|growth_center", 0.1, 0.5),
        k.param("sigma|growth_width", 0.02, 0.2),
        k.param("dt|time_step", 0.05, 0.5),
    )
    growth = _growth(p, u, mu, sigma)
    new = k.let("new|next_value", wp.clamp(a.own + dt * k.let("growth|g", growth), 0.0, 1.0))
    out.store(new)
    if p.chance(0.4):
        mass = k.out("total_mass|mass_sum", T.F32, (1,))
        k.do(wp.atomic_add(mass, 0, new))


def _growth(p: ProgramBuilder, u: Expr, mu: Expr, sigma: Expr) -> Expr:
    form = p.pick("gauss", "step", "poly")

    def body(b: Block, x: Expr, m: Expr, s: Expr) -> None:
        d = b.let("d|z", (x - m) / s)
        if form == "gauss":
            b.ret(2.0 * wp.exp(-0.5 * d * d) - 1.0)
        elif form == "step":
            b.ret(wp.where(wp.abs(d) < 1.0, lift(1.0, T.F32), lift(-1.0, T.F32)))
        else:
            q = b.let("q|t", wp.max(1.0 - d * d / 9.0, 0.0))
            b.ret(2.0 * q * q * q * q - 1.0)

    f: UserFunction | None = (
        p.func("growth|growth_rate|bell", {"u|x": T.F32, "mu|m": T.F32, "sigma|s": T.F32}, body)
        if p.chance(0.75)
        else None
    )
    if f is not None:
        return f(u, mu, sigma)
    return 2.0 * wp.exp(-((u - mu) * (u - mu)) / (2.0 * sigma * sigma)) - 1.0
