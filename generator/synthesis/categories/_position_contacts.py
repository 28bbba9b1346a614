"""Contacts and shape matching in position-based solvers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._neighbourhood import Cloud
from generator.synthesis.categories._position_shapes import shape_matching
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def _particle_contacts(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_particle_contacts|particle_collisions|project_contacts|separate_particles|pbd_contacts|solve_overlaps",
        p.pick(
            "Separate overlapping particles.",
            "Particle contacts with friction at position level.",
            "Corrections from inter-particle contacts.",
        ),
    )
    c = Cloud(
        k,
        radius="contact_distance|query_radius|diameter|search_radius",
        positions="predicted|x|positions|particle_x",
    )
    e = c.e
    w = (
        e.field("inv_mass|w|particle_inv_mass", p.real, R.uniform(0.3, 2.0))
        if p.chance(0.7)
        else None
    )
    before = (
        e.field("prev_positions|x_prev|x0", c.vec, R.uniform(0.0, 1.0)) if p.chance(0.45) else None
    )
    group = (
        (e.field("phase|group|body_id", T.I32, R.integers(0, 3)), p.pick(0, 1))
        if p.chance(0.2)
        else None
    )
    e.guard()
    x = c.here("x|x_i|p_i")
    wi = w.read("w_i|wi") if w else None
    radius = k.param("particle_radius|radius|r", 0.06, 0.12) * 2.0 if p.chance(0.6) else None
    delta = k.var("delta|corr|dx|push", construct(c.vec, 0.0))
    count = k.var("n|count|hits", 0) if p.chance(0.5) else None
    with c.pairs(x, reject=group) as pair:
        reach = c.radius if radius is None else radius
        err = k.let("c|pen|err|overlap", pair.d - reach)
        if radius is not None:
            with k.when(err >= 0.0):
                k.cont()
        n = k.let("n|normal|dir", pair.r / pair.d)
        share: Expr = err * 0.5
        if w is not None and wi is not None:
            share = err * (wi / (wi + w[pair.j]))
            if p.chance(0.3):
                total = k.let("w_sum|wsum", wi + w[pair.j])
                with k.when(total <= 0.0):
                    k.cont()
                share = err * (wi / total)
        k.aug(delta, "-", n * share)
        if before is not None:
            _slip(p, k, c, pair, n, err, before, x, delta)
        if count is not None:
            k.aug(count, "+", 1)
    if count is not None and p.chance(0.5):
        with k.when(count > 0):
            k.aug(delta, "/", construct(p.real, count))
    tune(p, e, delta, "displacement", 0.1)
    _store(p, e, c.vec, x, delta, count)


def _slip(
    p: ProgramBuilder,
    k: KernelBuilder,
    c: Cloud,
    pair,
    n: Expr,
    err: Expr,
    before: Field,
    x: Expr,
    delta: Name,
) -> None:  # type: ignore[no-untyped-def]
    """Positional friction between two particles."""
    mu = k.param("friction|mu|mu_static", 0.1, 0.8)

    def body(b: Block, rel: Expr, nn: Expr, depth: Expr, m: Expr) -> Expr:
        tangent = b.let("tangent|t|slip", rel - nn * wp.dot(rel, nn))
        size = b.let("t_len|mag|slip_len", wp.length(tangent))
        return tangent * wp.min(m * depth / wp.max(size, 1.0e-6), 1.0)

    rel = k.let("rel|dx_rel|moved", (x - before.own) - (c.x[pair.j] - before[pair.j]))
    args = {"rel|d": rel, "n|normal": n, "depth|pen": -err, "mu|m": mu}
    k.aug(
        delta,
        "-",
        helper(p, k, "friction_delta|positional_friction|tangential_correction", args, body) * 0.5,
    )


def _store(
    p: ProgramBuilder, e: Entities, vec: T.Vec, x: Expr, delta: Name, count: Name | None
) -> None:
    if p.chance(0.5):
        e.out("deltas|corrections|delta_x", vec).store(delta)
        if count is not None:
            e.out("counts|contact_count|num_contacts", T.I32).store(count)
    else:
        omega = e.k.param("relaxation|omega|sor", 0.3, 1.0) if p.chance(0.5) else None
        e.out("positions_out|x_out|predicted_out", vec).store(
            x + (delta if omega is None else delta * omega)
        )
        if count is not None:
            e.out("contacts_out|contact_count|touching", T.I32).store(count)
    report(p, e, delta, "displacement", 0.05, {0: 4, 1: 1})


def _static_contacts(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "static_collisions|resolve_static|environment_contacts|solve_static_contacts|collide_environment|project_out",
        p.pick(
            "Resolve contacts with the static environment.",
            "Push predicted positions out of obstacles.",
            "Unilateral contact constraints at position level.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|pid")
    vec = p.vec(dimension(p, 2, 3, 3, 3))
    xs = e.inout("predicted|x|positions", vec, R.uniform(-0.6, 1.0))
    before = (
        e.field("prev_positions|x_prev|x0", vec, R.uniform(-0.6, 1.0)) if p.chance(0.6) else None
    )
    e.guard()
    radius = e.property("particle_radius|radius|thickness", 0.02, 0.12)
    x = k.var("x|x_i|p_i", xs.own)
    form = p.pick("ground", "planes", "sphere")
    if form == "ground":
        height = k.param("ground_height|floor|ground_level", 0.01, 0.2)
        depth = k.let("depth|c|pen", x.y - radius - height)
        with k.when(depth < 0.0):
            n = k.quantity("ground_normal|up|plane_normal", vec, [0.0, 1.0, 0.0][: vec.n])
            _resolve(p, k, x, before, n, depth)
    elif form == "sphere":
        center, size = (
            k.quantity("obstacle_center|center|ball", vec, [0.1] * vec.n),
            k.param("obstacle_radius|ball_radius", 0.3, 0.7),
        )
        d = k.let("d|rel|delta", x - center)
        depth = k.let("depth|c|pen", wp.length(d) - size - radius)
        with k.when(depth < 0.0):
            _resolve(p, k, x, before, k.let("n|normal", wp.normalize(d)), depth)
    else:
        count = p.pick(2, 3, 4, 5)
        normals = k.array("plane_normals|normals", vec, (count,), R.unit_vectors())
        offsets = k.array("plane_offsets|offsets", p.real, (count,), R.uniform(-0.5, 0.1))
        with k.loop("m|s|plane", count if p.chance(0.4) else normals.dim(0)) as m:
            n = k.let("n|normal", normals[m])
            depth = k.let("depth|c|pen", wp.dot(n, x) - offsets[m] - radius)
            with k.when(depth >= 0.0):
                k.cont()
            _resolve(p, k, x, before, n, depth)
    xs.store(x)


def _resolve(
    p: ProgramBuilder, k: KernelBuilder, x: Name, before: Field | None, n: Expr, depth: Expr
) -> None:
    """Moves `x` out along `n`, with Coulomb friction where the previous position is known."""
    k.aug(x, "-", n * depth)
    if before is None:
        return
    move = k.let("dp|moved|dx", x - before.own)
    slip = k.let("slip|dt_vec|tangent", move - n * wp.dot(move, n))
    mu = k.param("friction|mu|mu_k", 0.1, 0.9)
    size = k.let("slip_len|s_len|mag", wp.length(slip))
    if p.chance(0.5):
        static = k.param("static_friction|mu_s", 0.3, 1.0)
        with k.when(size < -static * depth):
            k.aug(x, "-", slip)
        with k.otherwise():
            k.aug(x, "-", slip * wp.min(-mu * depth / wp.max(size, 1.0e-6), 1.0))
    else:
        with k.when(size > 1.0e-6):
            k.aug(x, "-", slip * wp.min(-mu * depth / size, 1.0))


CONTACTS = {_particle_contacts: 2.4, _static_contacts: 1.8, shape_matching: 2}
