"""Walkers and photons, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def walk(p: ProgramBuilder) -> None:
    """Diffusing walkers in a line, plane or space, on or off a lattice."""
    k = p.kernel_builder(
        "random_walk|diffuse_walkers|brownian_paths|advance_walkers|first_passage|langevin_paths",
        p.pick(
            "Brownian walkers with a boundary rule.",
            "Many independent random walks.",
            "Diffusion paths and what they reach.",
        ),
    )
    e = Entities(k, "walker")
    if p.chance(0.3):
        _lattice_walk(p, k, e)
    else:
        _brownian_walk(p, k, e)


def _lattice_walk(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    rng = entity_rng(e)
    size = k.count("lattice_size|grid_size|width|extent", p.pick(16, 24, 32))
    steps = k.count("num_steps|steps|walk_length", p.pick(16, 32, 64))
    x, y = k.var("x|ix|col", size // 2), k.var("y|iy|row", size // 2)
    length = k.var("survived|steps_taken|age", 0)
    with k.loop("s|step|t", steps):
        _lattice_move(p, k, rng, x, y)
        rule = p.pick("periodic", "absorb", "clamp")
        if rule == "periodic":
            k.set(x, (x + size) % size)
            k.set(y, (y + size) % size)
        elif rule == "clamp":
            k.set(x, wp.clamp(x, 0, size - 1))
            k.set(y, wp.clamp(y, 0, size - 1))
        else:
            with k.when(any_of(x < 0, y < 0, x >= size, y >= size)):
                k.brk()
        k.aug(length, "+", 1)
        if rule != "absorb" and p.chance(0.4):
            Table(e, "visits|occupancy|visit_count", T.I32, (32, 32), role="out").add(1, y, x)
    e.out("survival|path_length|lifetimes", T.I32).store(length)
    if p.chance(0.6):
        dx, dy = k.let("dx|ddx", x - size // 2), k.let("dy|ddy", y - size // 2)
        e.out("msd|displacement_sq|r_squared", T.F32).store(cast(T.F32, dx * dx + dy * dy))
    rng.close()


def _lattice_move(p: ProgramBuilder, k: KernelBuilder, rng: Rng, x: Expr, y: Expr) -> None:
    direction = k.let("direction|move|d", rng.integer(0, 4))
    if p.chance(0.5):
        targets = [(x, 1), (x, -1), (y, 1), (y, -1)]
        for number, (axis, step) in enumerate(targets):
            last = number == 3
            block = (
                k.when(direction == 0)
                if number == 0
                else k.otherwise()
                if last
                else k.elsewhen(direction == number)
            )
            with block:
                k.aug(axis, "+" if step > 0 else "-", 1)
    else:
        step = k.let("step_sign|sgn", 2 * (direction % 2) - 1)
        with k.when(direction < 2):
            k.aug(x, "+", step)
        with k.otherwise():
            k.aug(y, "+", step)


def _brownian_walk(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    n = p.weighted({3: 4, 2: 3})
    t = T.Vec(n)
    x_io = e.inout("positions|walkers|x", t, R.uniform(-0.5, 0.5))
    e.guard()
    rng = entity_rng(e)
    diffusivity = e.property("diffusivity|diff_coeff|D", 0.05, 1.0)
    dt = k.param("dt|timestep", 0.001, 0.02)
    x = k.var("x|pos|xi", x_io.own)
    std = k.let("std|step_std|kick", wp.sqrt(2.0 * diffusivity * dt))
    hit = k.var("hit_time|exit_step|t_exit", -1) if p.chance(0.5) else None
    with k.loop("s|step|it", k.count("num_steps|steps|n_steps", p.pick(10, 20, 40))) as s:
        kick = construct(t, *[rng.normal() for _ in range(n)]) * std
        if p.chance(0.45):
            k.aug(x, "+", _drift(p, k, x, t) * dt)
        k.aug(x, "+", kick)
        _boundary(p, k, x, t, hit, s)
    x_io.store(x)
    if hit is not None:
        e.out("exit_times|first_passage|hit_steps", T.I32).store(hit)
    if p.chance(0.4):
        bins = p.pick(16, 24, 32)
        width = k.param("bin_width|dr|shell_width", 0.05, 0.3)
        shell = k.let("bin_index|shell|b", wp.min(cast(T.I32, wp.length(x) / width), bins - 1))
        Table(e, "radial_histogram|histogram|shell_counts", T.I32, (bins,), role="out").add(
            1, shell
        )
    rng.close()


def _drift(p: ProgramBuilder, k: KernelBuilder, x: Expr, t: T.Vec) -> Expr:
    rate = k.param("relaxation|trap_stiffness|gamma", 0.2, 4.0)
    match p.pick("trap", "well", "flow"):
        case "trap":
            return -rate * x
        case "flow":
            return k.quantity("drift|flow|mean_velocity", t, [0.4, -0.1, 0.2][: t.n])

    def body(b: Block, q: Expr, g: Expr) -> Expr:
        r2 = b.let("r2|q2", wp.dot(q, q))
        return q * (g * (1.0 - r2) / (1.0 + r2 * r2))

    return piece(
        p, k, "well_drift|ring_force|confining_drift", {"q|x": x, "g|strength": rate}, body
    )


def _boundary(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, t: T.Vec, hit: Name | None, s: Expr
) -> None:
    radius = k.param("radius|domain_radius|bound", 0.6, 2.0)
    r = k.let("r|dist|norm", wp.length(x))
    if hit is None:
        with k.when(r > radius):
            k.set(x, x * (2.0 * radius / r - 1.0) if p.chance(0.4) else wp.normalize(x) * radius)
        return
    with k.when(r > radius if p.chance(0.5) else all_of(r > radius, hit < 0)):
        k.set(hit, s)
        if p.chance(0.4):
            k.set(x, x * (radius / r))
        k.brk()


def photon(p: ProgramBuilder) -> None:
    """Photon packets through a slab or layers, with scattering, absorption and roulette."""
    k = p.kernel_builder(
        "trace_photons|photon_transport|mc_transport|propagate_packets|scatter_photons",
        p.pick(
            "Photon packets through a scattering slab.",
            "Weighted photon transport with Russian roulette.",
            "Follow one packet until it leaves or dies.",
        ),
    )
    e = Entities(k, "photon", layouts=p.chance(0.3), index="tid|i|packet")
    rng = entity_rng(e)
    layered = p.chance(0.35)
    thickness = k.param("thickness|slab_depth|depth", 1.0, 4.0)
    mu_a, mu_s = _coefficients(p, k, layered)
    position = k.var("pos|x|r", construct(T.VEC3, 0.0))
    direction = k.var("direction|u|omega", construct(T.VEC3, 0.0, 0.0, 1.0))
    weight = k.var("weight|w|energy", 1.0)
    scatterings = k.var("n_scatter|bounce|events", 0)
    limit = k.count("max_scatter|max_events|max_bounces", p.pick(20, 40, 60))
    bins = p.pick(16, 24, 32)
    deposit = Table(e, "absorbed|deposit|dose", T.F32, (bins,), role="out")
    alive = weight > 1.0e-4 if p.chance(0.5) else None
    with k.repeat(scatterings < limit if alive is None else all_of(alive, scatterings < limit)):
        if layered:
            layer = k.let(
                "layer|slot|region", wp.clamp(cast(T.I32, position.z / thickness * 4.0), 0, 3)
            )
            absorb, scatter = k.let("mu_abs|ma", mu_a[layer]), k.let("mu_sca|ms", mu_s[layer])
        else:
            absorb, scatter = mu_a, mu_s
        total = k.let("mu_t|extinction|mt", absorb + scatter)
        path = k.let("path|free_path|s", -wp.log(rng.uniform(0.0001, 1.0)) / total)
        k.aug(position, "+", direction * path)
        _leave(p, k, e, position, thickness, weight)
        cell = k.let(
            "cell|bin_index|iz",
            wp.clamp(cast(T.I32, position.z / thickness * float(bins)), 0, bins - 1),
        )
        lost = k.let("lost|dw|absorbed_weight", weight * absorb / total)
        deposit.add(lost, cell)
        k.aug(weight, "-", lost)
        _scatter(p, k, rng, direction)
        _roulette(p, k, rng, weight)
        k.aug(scatterings, "+", 1)
    if p.chance(0.6):
        e.out("scatter_counts|num_events|orders", T.I32).store(scatterings)
    rng.close()


def _coefficients(p: ProgramBuilder, k: KernelBuilder, layered: bool) -> tuple[Expr, Expr]:
    if layered:
        absorb = k.array("mu_a|absorption", T.F32, (4,), R.uniform(0.1, 1.0))
        return absorb, k.array("mu_s|scattering", T.F32, (4,), R.uniform(2.0, 10.0))
    return k.param("mu_a|absorption|sigma_a", 0.1, 1.0), k.param(
        "mu_s|scattering|sigma_s", 2.0, 10.0
    )


def _leave(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, thickness: Expr, weight: Expr
) -> None:
    tallies = Table(e, "tally|escaped|fluxes", T.F32, (2,), role="out")
    if p.chance(0.5):
        with k.when(x.z < 0.0):
            tallies.add(weight, 0)
            k.brk()
        with k.when(x.z > thickness):
            tallies.add(weight, 1)
            k.brk()
    else:
        with k.when(any_of(x.z < 0.0, x.z > thickness)):
            tallies.add(
                weight, choose(x.z < 0.0, 0, 1) if p.chance(0.6) else wp.where(x.z < 0.0, 0, 1)
            )
            k.brk()


def _scatter(p: ProgramBuilder, k: KernelBuilder, rng: Rng, direction: Expr) -> None:
    if p.chance(0.3):
        k.set(direction, wp.sample_unit_sphere_surface(rng.state))
        return
    g = k.param("g|anisotropy|g_hg", 0.2, 0.9)
    u = k.let("xi|u1|rand_cos", rng.uniform())

    def body(b: Block, a: Expr, v: Expr) -> Expr:
        f = b.let("f|frac", (1.0 - a * a) / (1.0 - a + 2.0 * a * v))
        return (1.0 + a * a - f * f) / (2.0 * a)

    cosine = k.let(
        "cos_t|mu|cos_theta",
        wp.clamp(
            piece(p, k, "henyey_greenstein|sample_hg|scatter_cosine", {"g": g, "u|xi": u}, body),
            -1.0,
            1.0,
        ),
    )
    sine = k.let("sin_t|sin_theta", wp.sqrt(1.0 - cosine * cosine))
    phi = k.let("phi|azimuth", rng.uniform(0.0, 6.28318531))

    def frame(b: Block, d: Expr, c: Expr, s: Expr, angle: Expr) -> Expr:
        helper = b.let(
            "helper|up|ref",
            choose(
                wp.abs(d.z) < 0.9,
                construct(T.VEC3, 0.0, 0.0, 1.0),
                construct(T.VEC3, 1.0, 0.0, 0.0),
            ),
        )
        tangent = b.let("t|tangent", wp.normalize(wp.cross(helper, d)))
        normal = b.let("b|bitangent", wp.cross(d, tangent))
        return wp.normalize(tangent * (s * wp.cos(angle)) + normal * (s * wp.sin(angle)) + d * c)

    args = {"d|direction": direction, "c|cos_t": cosine, "s|sin_t": sine, "angle|phi": phi}
    k.set(direction, piece(p, k, "rotate_direction|spin|deflect", args, frame))


def _roulette(p: ProgramBuilder, k: KernelBuilder, rng: Rng, weight: Expr) -> None:
    if p.chance(0.25):
        return
    threshold = k.param("weight_threshold|roulette_weight|w_min", 0.01, 0.1)
    survive = k.param("survival|roulette_p|p_survive", 0.1, 0.5)
    with k.when(weight < threshold):
        if p.chance(0.5):
            with k.when(rng.uniform() > survive):
                k.brk()
            k.aug(weight, "/", survive)
        else:
            with k.when(rng.uniform() < survive):
                k.set(weight, weight / survive)
            with k.otherwise():
                k.brk()
