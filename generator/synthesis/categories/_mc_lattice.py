"""Lattice spins and walk-on-spheres, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Rng, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def spins(p: ProgramBuilder) -> None:
    """Checkerboard updates of Ising, Potts and XY lattices."""
    k = p.kernel_builder(
        "ising_sweep|update_spins|metropolis_lattice|checkerboard_update|heat_bath|xy_sweep",
        p.pick(
            "Half sweep over one colour of the checkerboard.",
            "Lattice spins at fixed temperature.",
            "",
        ),
    )
    g = Grid(
        k,
        "row|i|y col|j|x",
        boundary="periodic",
        shape=p.pick((16, 16), (24, 24), (32, 32), (16, 32)),
    )
    model = p.pick("ising", "ising", "potts", "xy")
    dtype = T.F32 if model == "xy" else T.I32
    fill = R.uniform(-3.14, 3.14) if model == "xy" else R.integers(0, 2 if model == "ising" else 3)
    lattice = g.inout("spins|lattice|sigma", dtype, fill)
    color = k.scalar("color|parity|sublattice", T.I32, p.pick(0, 1))
    i, j = g.index
    with k.when((i + j) % 2 != color):
        k.ret()
    rng = Rng(k, j, outer=i if g.batch_index is None else g.batch_index * 64 + i, width=64)
    beta, coupling = (
        k.param("beta|inv_temperature", 0.2, 1.2),
        k.param("coupling|J|exchange", 0.5, 1.5),
    )
    offsets = [(-1, 0), (1, 0), (0, -1), (0, 1)]
    if p.chance(0.4):
        g.prepare(*offsets)
    sides = [lattice[o] for o in p.shuffled(offsets)]
    {"ising": _ising, "potts": _potts, "xy": _xy}[model](
        p, k, lattice.own, sides, rng, beta, coupling
    )
    if p.chance(0.3):
        k.do(wp.atomic_add(k.out("visited|updated|num_updates", T.I32, (1,)), 0, 1))


def _ising(
    p: ProgramBuilder,
    k: KernelBuilder,
    own: Expr,
    sides: list[Expr],
    rng: Rng,
    beta: Expr,
    coupling: Expr,
) -> None:
    spin = k.let("s|spin|up", own)
    neighbours = k.let("nn|neighbor_sum|up_count", sides[0] + sides[1] + sides[2] + sides[3])
    local = k.let("h|local_field|field_sum", cast(T.F32, 2 * neighbours - 4) * coupling)
    if p.chance(0.4):
        local = k.let("h_tot|total_field", local + k.param("external_field|h_ext|B", 0.01, 0.4))
    if p.chance(0.4):
        up = k.let("p_up|prob", 1.0 / (1.0 + wp.exp(-2.0 * beta * local)))
        k.set(own, choose(rng.uniform() < up, 1, 0))
        return
    cost = k.let("d_e|delta|cost", 2.0 * cast(T.F32, 2 * spin - 1) * local)
    with k.when(
        any_of(cost <= 0.0, rng.uniform() < wp.exp(-beta * cost))
        if p.chance(0.6)
        else rng.uniform() < wp.exp(-beta * cost)
    ):
        k.set(own, 1 - spin)


def _potts(
    p: ProgramBuilder,
    k: KernelBuilder,
    own: Expr,
    sides: list[Expr],
    rng: Rng,
    beta: Expr,
    coupling: Expr,
) -> None:
    states = k.count("num_states|q_states|q", 3)
    current = k.let("current|q_old|s", own)
    trial = k.let("trial|proposal|q_new", rng.integer(0, states))
    gain = k.var("gain|bonds|d_bonds", 0)
    for side in sides:
        other = k.let("other|nb", side)
        with k.when(other == trial):
            k.aug(gain, "+", 1)
        with k.when(other == current):
            k.aug(gain, "-", 1)
    with k.when(rng.uniform() < wp.exp(beta * coupling * cast(T.F32, gain))):
        k.set(own, trial)


def _xy(
    p: ProgramBuilder,
    k: KernelBuilder,
    own: Expr,
    sides: list[Expr],
    rng: Rng,
    beta: Expr,
    coupling: Expr,
) -> None:
    angle = k.let("theta|angle|phi", own)
    width = k.param("max_turn|proposal_width|delta", 0.2, 1.5)
    trial = k.let("trial|theta_new|candidate", angle + rng.uniform(-1.0, 1.0) * width)
    change = k.var("d_e|change|cost", 0.0)
    for side in sides:
        k.aug(change, "+", coupling * (wp.cos(angle - side) - wp.cos(trial - side)))
    with k.when(any_of(change <= 0.0, rng.uniform() < wp.exp(-beta * change))):
        k.set(own, trial)


def walk_on_spheres(p: ProgramBuilder) -> None:
    """Walk-on-spheres estimates of a harmonic function inside simple domains."""
    n = p.pick(2, 3)
    t = T.Vec(n)
    k = p.kernel_builder(
        "walk_on_spheres|solve_laplace_wos|wos_estimate|harmonic_estimate",
        p.pick(
            "Walk on spheres for the Laplace equation.",
            "Grid-free estimate of a harmonic function at each query point.",
            "",
        ),
    )
    e = Entities(k, "point")
    rng = entity_rng(e)
    x0 = e.field("query_points|points|x", t, R.uniform(-0.5, 0.5)).read("x0|start|origin")
    eps, radius = (
        k.param("eps|shell|tolerance", 0.001, 0.02),
        k.param("outer_radius|domain_radius|r_out", 1.0, 2.0),
    )
    walks, steps = (
        k.count("num_walks|walks", p.pick(4, 8, 16)),
        k.count("max_steps|step_limit", p.pick(16, 32, 64)),
    )
    total = k.var("total|acc|u_sum", 0.0)
    source = k.param("source|heat_source|rhs", 0.1, 2.0) if p.chance(0.35) else None
    skip_lost, domain = p.chance(0.25), p.pick("ball", "ball", "annulus", "box")
    with k.loop("w|walk_id|trial", walks):
        x = k.var("x|pos|q", x0)
        taken = k.var("taken|step|it", 0)
        gap = k.var("gap|dist|r", _gap(p, k, x0, radius, domain))
        with k.repeat(all_of(gap > eps, taken < steps)):
            if source is not None:
                k.aug(total, "+", source * gap * gap / (2.0 * n))
            k.aug(x, "+", _sphere_sample(k, rng, n) * gap)
            k.set(gap, _gap(p, k, x, radius, domain))
            k.aug(taken, "+", 1)
        if skip_lost:
            with k.when(gap > eps):
                k.cont()
        k.aug(total, "+", _boundary_value(p, k, x, n))
    result = k.let("u|estimate|mean", total / cast(T.F32, walks))
    e.out("solution|u_out|estimates", T.F32).store(result)
    if p.chance(0.3):
        exact = e.field("reference|exact|u_ref", T.F32, R.uniform(-1.0, 1.0)).own
        e.out("abs_error|errors|residuals", T.F32).store(wp.abs(result - exact))
    rng.close()


def _sphere_sample(k: KernelBuilder, rng: Rng, n: int) -> Expr:
    if n == 3:
        return wp.sample_unit_sphere_surface(rng.state)
    angle = k.let("angle|theta", rng.uniform(0.0, 6.28318531))
    return construct(T.VEC2, wp.cos(angle), wp.sin(angle))


def _gap(p: ProgramBuilder, k: KernelBuilder, x: Expr, radius: Expr, domain: str) -> Expr:
    def body(b: Block, q: Expr, r: Expr) -> Expr:
        if domain == "box":
            size = wp.max(wp.abs(q.x), wp.abs(q.y))
            return r - (size if q.type == T.VEC2 else wp.max(size, wp.abs(q.z)))
        size = wp.length(q)
        if domain == "ball":
            return r - size
        size = b.let("d|len_q", size)
        return wp.min(r - size, wp.abs(size - 0.3 * r))

    return piece(
        p,
        k,
        "boundary_distance|distance_to_boundary|domain_sdf",
        {"q|x": x, "r|radius": radius},
        body,
    )


def _boundary_value(p: ProgramBuilder, k: KernelBuilder, x: Expr, n: int) -> Expr:
    match p.pick("linear", "harmonic", "hot_side"):
        case "linear":
            return x.x + 0.5 * x.y
        case "harmonic":
            return x.x * x.x - x.y * x.y
    hot = k.param("hot_value|t_hot|boundary_value", 1.0, 5.0)
    return wp.where(x.y > 0.0, hot, 0.0)
