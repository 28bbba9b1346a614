"""Emission of particles from shapes, for the Monte Carlo and particle categories."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._extras import helper, single_precision
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

# Shapes that Warp samples: the builtin, names of a constant for it, and whether the shape is flat.
_SHAPES = {
    "sample_unit_cube": ("BOX|EMIT_BOX|SHAPE_CUBE", False),
    "sample_unit_square": ("SHEET|EMIT_SQUARE|SHAPE_PLANE", True),
    "sample_unit_disk": ("NOZZLE|EMIT_DISK|SHAPE_DISK", True),
    "sample_unit_ring": ("RIM|EMIT_RING|SHAPE_RING", True),
    "sample_unit_sphere": ("BALL|EMIT_SPHERE|SHAPE_SPHERE", False),
    "sample_unit_sphere_surface": ("SHELL|EMIT_SHELL|SHAPE_SHELL", False),
    "sample_unit_hemisphere": ("DOME|EMIT_DOME|SHAPE_DOME", False),
    "sample_unit_hemisphere_surface": ("CAP|EMIT_CAP|SHAPE_CAP", False),
    "sample_triangle": ("FACET|EMIT_TRIANGLE|SHAPE_TRIANGLE", True),
}


def emit(p: ProgramBuilder) -> None:
    """New particles on emitters of several shapes, with velocities and lifetimes."""
    single_precision(p)
    k = p.kernel_builder(
        "emit_particles|spawn_from_emitters|seed_from_shapes|inject_particles|respawn_dead|fill_emitters",
        p.pick(
            "Spawn particles on emitters of several shapes.",
            "Draw birth positions from the shape of the emitter.",
            "Respawn particles inside their source.",
        ),
    )
    e = Entities(k, p.pick("particle", "particle", "droplet", "tracer"))
    x_out = e.inout("positions|points|x", T.VEC3, R.uniform(-2.0, 2.0))
    _only_dead(p, e)
    rng = entity_rng(e)
    emitters = p.pick(4, 6, 8)
    source = _source(p, k, e, rng, emitters)
    offset = _shape_offset(p, k, e, rng, source, emitters)
    x = k.let("x|birth|p0", _placed(p, k, e, offset, source, emitters))
    x_out.store(x)
    for extra in p.sample([_velocity, _lifetime, _ticket, _burst], 0, 2):
        extra(p, k, e, rng, x)
    rng.close()


def _only_dead(p: ProgramBuilder, e: Entities) -> None:
    if p.chance(0.6):
        age = e.field("life|time_left|remaining_life", T.F32, R.uniform(-1.0, 1.0)).own
        with e.k.when(age > 0.0):
            e.k.ret()


def _source(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, emitters: int) -> Name:
    """The emitter of this particle."""
    match p.pick("own", "cyclic", "draw", "cdf"):
        case "own":
            value: Expr = e.field("emitter_id|source_id|origin", T.I32, R.integers(0, emitters)).own
        case "cyclic":
            value = e.index % emitters
        case "draw":
            value = (
                construct(T.I32, wp.randu(rng.state, cast(T.U32, 0), cast(T.U32, emitters)))
                if p.chance(0.6)
                else rng.integer(0, emitters)
            )
        case _:
            cdf = k.array("emitter_cdf|cumulative|cdf", T.F32, (emitters,), R.ascending(0.0, 1.0))
            value = wp.min(wp.sample_cdf(rng.state, cdf), emitters - 1)
    return k.let("s|source|emitter", value)


def _shape_offset(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, source: Name, emitters: int
) -> Name:
    """A point of the emitter's shape, by a chain of branches on its kind."""
    chosen = p.sample(p.shuffled(list(_SHAPES)), 2, 4)
    kinds = Table(
        e, "emitter_shape|shapes|source_kind", T.I32, (emitters,), R.integers(0, len(chosen))
    )
    kind = k.let("kind|shape|form", kinds[source])
    names = [p.const(_SHAPES[c][0], i) for i, c in enumerate(chosen)] if p.chance(0.7) else None
    offset = k.var("offset|local|d", construct(T.VEC3, 0.0))
    for i, name in enumerate(chosen):
        tag = names[i] if names else i
        if i == 0:
            with k.when(kind == tag):
                k.set(offset, _drawn(p, k, rng, name))
        elif i == len(chosen) - 1 and p.chance(0.7):
            with k.otherwise():
                k.set(offset, _drawn(p, k, rng, name))
        else:
            with k.elsewhen(kind == tag):
                k.set(offset, _drawn(p, k, rng, name))
    return offset


def _drawn(p: ProgramBuilder, k: KernelBuilder, rng: Rng, name: str) -> Expr:
    draw = getattr(wp, name)(rng.state)
    if not _SHAPES[name][1]:
        return draw
    u = k.let("u|uv|flat", draw)
    return construct(T.VEC3, u.x, u.y, 0.0) if p.chance(0.6) else construct(T.VEC3, u.x, 0.0, u.y)


def _placed(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, offset: Expr, source: Name, emitters: int
) -> Expr:
    """The local offset in world space."""
    match p.pick("scaled", "posed", "posed", "helper"):
        case "posed":
            fill = R.rigid(-2.0, 2.0)
            poses = Table(e, "emitter_poses|source_xform|frames", T.TRANSFORM, (emitters,), fill)
            size = e.world_param("emitter_size|extent|radius", 0.1, 1.0)
            return wp.transform_point(poses[source], offset * size)
        case "scaled":
            centers, sizes = _centers(e, emitters)
            return centers[source] + offset * sizes[source]
    centers, sizes = _centers(e, emitters)

    def body(b: Block, c: Expr, s: Expr, d: Expr) -> Expr:
        return c + d * s

    args = {"center|c": centers[source], "size|radius": sizes[source], "offset|d": offset}
    return helper(p, k, "place|to_world|emitter_point", args, body)


def _centers(e: Entities, emitters: int) -> tuple[Table, Table]:
    return (
        Table(e, "emitter_pos|centers|origins", T.VEC3, (emitters,), R.uniform(-2.0, 2.0)),
        Table(e, "emitter_radius|sizes|radii", T.F32, (emitters,), R.uniform(0.1, 0.8)),
    )


def _velocity(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, x: Expr) -> None:
    speed = e.world_param("speed|exit_speed|launch_speed", 0.5, 4.0)
    match p.pick("cone", "sphere", "jitter"):
        case "cone":
            direction = k.let("dome|cone|spray", wp.sample_unit_hemisphere_surface(rng.state))
        case "sphere":
            direction = k.let("direction|spray|aim", wp.sample_unit_sphere_surface(rng.state))
        case _:
            up = construct(T.VEC3, 0.0, 1.0, 0.0)
            shake = k.param("turbulence|spread|jitter", 0.05, 0.4)
            direction = k.let("direction|aim", up + wp.sample_unit_sphere(rng.state) * shake)
    e.out("velocities|v|vel_out", T.VEC3).store(direction * speed)


def _lifetime(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, x: Expr) -> None:
    low, high = k.param("min_life|life_lo", 0.2, 1.0), k.param("max_life|life_hi", 2.0, 5.0)
    e.out("life_out|lifetimes|ttl", T.F32).store(rng.uniform(low, high))


def _ticket(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, x: Expr) -> None:
    """A seed of its own for each particle."""
    e.out("particle_seeds|seeds_out|streams", T.U32).store(wp.randu(rng.state))


def _burst(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, x: Expr) -> None:
    """How many fragments a particle carries."""
    mean = k.param("mean_fragments|burst_rate|lam", 1.0, 6.0)
    count = k.let("fragments|burst|num", construct(T.I32, wp.poisson(rng.state, mean)))
    e.out("fragment_count|burst_size|payload", T.I32).store(count)
    if p.chance(0.5):
        Table(e, "total_fragments|num_spawned|budget", T.I32, (1,), role="out").add(count, 0)
