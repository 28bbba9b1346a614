"""Distance functions at points: particles, lists of typed shapes, composed scenes, primitives."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _sdf_scenes as scenes
from generator.synthesis.categories import _sdf_shapes as shapes
from generator.synthesis.categories._rays import maybe, num
from generator.synthesis.categories._sdf_trace import _time
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def particles(p: ProgramBuilder) -> None:
    """Particles kept outside (or inside) a distance function."""
    k = p.kernel_builder(
        "collide_sdf|sdf_contact|project_out|resolve_sdf_collisions|constrain_particles|sdf_boundary",
        p.pick(
            "Push particles out of the implicit obstacle.",
            "Contact against a signed distance function.",
            "",
        ),
    )
    e = Entities(k, "particle")
    v3 = p.vec()
    x_io = e.inout("positions|pos|particle_q", v3, R.uniform(-1.2, 1.2))
    with_velocity = p.chance(0.7)
    v_io = (
        e.inout("velocities|vel|particle_qd", v3, R.uniform(-1.0, 1.0)) if with_velocity else None
    )
    e.guard()
    f = scenes.scene(p)
    normal = scenes.gradient(p, f)
    x = k.var("x|xi|pos_i", x_io.own)
    v = k.var("v|vi|vel_i", v_io.own) if v_io is not None else None
    if v is not None and p.chance(0.5):
        dt = e.world_param("dt|timestep|h", 0.005, 0.03)
        if p.chance(0.6):
            k.aug(v, "+", e.world_vector("gravity|g", [0.0, -9.81, 0.0], v3) * dt)
        k.aug(x, "+", v * dt)
    margin = k.param("radius|margin|thickness", 0.01, 0.1)
    contained = p.chance(0.25)
    d = k.let("d|phi|sdf", -f(x) if contained else f(x))
    with k.when(d < margin):
        n = k.let("n|normal|grad", -normal(x) if contained else normal(x))
        k.aug(x, "+", n * (margin - d))
        if v is not None:
            _bounce(p, k, v, n)
        if p.chance(0.3):
            k.do(wp.atomic_add(k.out("contact_count|num_contacts", T.I32, (1,)), 0, 1))
    x_io.store(x)
    if v_io is not None and v is not None:
        v_io.store(v)


def _bounce(p: ProgramBuilder, k: KernelBuilder, v: Name, n: Expr) -> None:
    vn = k.let("vn|normal_speed|into", wp.dot(v, n))
    with k.when(vn < 0.0):
        match p.pick("slide", "bounce", "friction", "stick"):
            case "slide":
                k.aug(v, "-", n * vn)
            case "bounce":
                k.aug(v, "-", n * (vn * (1.0 + k.param("restitution|bounce|cor", 0.1, 0.8))))
            case "stick":
                k.set(v, construct(v.type, 0.0))
            case _:
                vt = k.let("vt|tangent|slip", v - n * vn)
                k.set(v, vt * (1.0 - k.param("friction|mu", 0.05, 0.7)))


def shape_list(p: ProgramBuilder) -> None:
    """The nearest of a list of typed, posed shapes."""
    k = p.kernel_builder(
        "eval_shapes|shape_distances|query_shapes|nearest_shape|collision_distance|robot_clearance|eval_scene",
        p.pick(
            "Smallest distance over a list of shapes.",
            "Evaluate typed shapes in their local frames.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "query", "sample"))
    n = p.pick(5, 6, 8, 12)
    v = p.vec()
    kinds = p.shuffled(
        [shapes.sphere, shapes.box, shapes.capsule, shapes.cylinder, shapes.torus, shapes.ellipsoid]
    )[: p.pick(2, 3, 4)]
    f = _typed(p, [make(p) for make in kinds])
    x = e.field("points|positions|query_points", v, R.uniform(-1.5, 1.5)).read("x|pt|pos")
    types = k.array("shape_types|kinds|geo_type", T.I32, (n,), R.integers(0, len(kinds)))
    sizes = k.array("shape_sizes|scales|geo_params", v, (n,), R.uniform(0.2, 0.6))
    posed = p.chance(0.6)
    place = (
        k.array("shape_poses|transforms|X_ws", p.transform, (n,), R.rigid(-1.0, 1.0))
        if posed
        else k.array("shape_centers|centers|shape_pos", v, (n,), R.uniform(-1.0, 1.0))
    )
    smooth = p.chance(0.25)
    best = k.var("best|d_min|nearest", p.pick(100.0, 1.0e6) if not smooth else 10.0, p.real)
    winner = k.var("winner|nearest_id|closest_shape", -1) if p.chance(0.6) or not smooth else None
    blend = scenes.smooth_union(p) if smooth else None
    radius = k.param("blend_radius|smoothness|k_smooth", 0.05, 0.3) if smooth else None
    skip = p.chance(0.35)
    with k.loop("s|j|shape", n if p.chance(0.2) else types.dim(0)) as s:
        if skip:
            enabled = k.array("shape_flags|enabled|collide_mask", T.I32, (n,), R.mask(0.8))
            with k.when(enabled[s] == 0):
                k.cont()
        local = wp.transform_point(wp.transform_inverse(place[s]), x) if posed else x - place[s]
        d = k.let(
            "d|dist|phi",
            f(types[s], k.let("q|local|xl", local) if p.chance(0.5) else local, sizes[s]),
        )
        if winner is not None:
            with k.when(d < best):
                k.set(winner, s)
                if blend is None:
                    k.set(best, d)
        if blend is not None:
            k.set(best, blend(best, d, radius))
    e.out("distances|sdf|clearance", p.real).store(best)
    if winner is not None:
        e.out("nearest_shape|shape_ids|closest", T.I32).store(winner)
    if p.chance(0.35):
        with k.when(best < k.param("contact_margin|safe_distance|threshold", 0.02, 0.3)):
            k.do(wp.atomic_add(k.out("violations|num_close|contacts", T.I32, (1,)), 0, 1))


def _typed(p: ProgramBuilder, made: list[shapes.Primitive]) -> UserFunction:
    def argument(size: Expr, sizes: tuple[object, ...]) -> list[Expr]:
        parts = iter(("x", "y", "z"))
        return [size if s is None else size.field(next(parts)) for s in sizes]

    chained = p.chance(0.4)

    def body(b: Block, kind: Expr, x: Expr, size: Expr) -> None:
        for number, shape in enumerate(made):
            value = shape.function(x, *argument(size, shape.sizes))
            last = number == len(made) - 1
            if last and not chained:
                b.ret(value)
            elif number == 0 or not chained:
                with b.when(kind == number):
                    b.ret(value)
            else:
                with b.elsewhen(kind == number):
                    b.ret(value)
        if chained:
            b.ret(num(p, 1.0e6))

    params = {"kind|geo_type|shape_type": T.I32, "x|q|local": p.vec(), "size|scale|dims": p.vec()}
    return p.func("shape_distance|eval_shape|geo_sdf|typed_sdf", params, body)


def points(p: ProgramBuilder) -> None:
    """A composed scene at stored points."""
    k = p.kernel_builder(
        "eval_sdf_points|sample_field|evaluate_scene|query_distance|sdf_at_points|probe_field",
        p.pick("Distance of every point to the scene.", "Sample the distance field.", ""),
    )
    e = Entities(k, p.pick("point", "sample", "probe"))
    animated = p.chance(0.2)
    x = e.field("points|positions|samples", p.vec(), R.uniform(-1.5, 1.5)).read("x|pt|pos")
    time = _time(p, k, animated)
    f = scenes.scene(p, animated=animated)
    d = f(x, *time)
    wanted = p.shuffled(
        p.sample(["sdf", "mask", "normal", "project", "band", "energy", "weight"], 1, 3)
    )
    if len(wanted) > 1 or wanted[0] not in ("sdf", "normal"):
        d = k.let("d|phi|sdf", d)
    normal = scenes.gradient(p, f) if {"normal", "project"} & set(wanted) else None
    if normal is not None:
        n = k.let("n|grad|normal", normal(x, *time))
    for what in wanted:
        match what:
            case "sdf":
                e.out("distances|sdf_out|phi", p.real).store(d)
            case "mask":
                e.out("inside|mask|occupied", T.I32).store(
                    choose(d < 0.0, 1, 0) if p.chance(0.5) else wp.where(d <= 0.0, 1, 0)
                )
            case "normal":
                e.out("normals|gradients|n_out", p.vec()).store(n)
            case "project":
                e.out("projected|surface_points|feet", p.vec()).store(x - n * d)
            case "band":
                width = k.param("bandwidth|band|half_width", 0.05, 0.4)
                with k.when(wp.abs(d) < width):
                    k.do(wp.atomic_add(k.out("band_count|near_surface", T.I32, (1,)), 0, 1))
            case "energy":
                k.do(wp.atomic_add(k.out("loss|residual_sum|energy", p.real, (1,)), 0, d * d))
            case "weight":
                s = k.param("sharpness|beta|steepness", 4.0, 40.0)
                e.out("occupancy|weights|alpha", p.real).store(
                    1.0 / (1.0 + wp.exp(wp.clamp(d * s, -30.0, 30.0)))
                )


def primitive(p: ProgramBuilder) -> None:
    """One primitive per point, sized by arrays or parameters."""
    k = p.kernel_builder(
        "sphere_distance_field|primitive_sdf|distance_to_shapes|shape_clearance|eval_primitive|tool_distance",
        p.pick("Signed distance to one primitive.", "", ""),
    )
    e = Entities(k, p.pick("point", "sample", "vertex"))
    shape = p.pick(*shapes.PRIMITIVES)(p)
    x: Expr = e.field("points|positions|samples", p.vec(), R.uniform(-1.5, 1.5)).own
    place = p.pick("none", "center", "pose", "scale")
    if place == "center":
        x = x - k.quantity("center|origin|offset", p.vec(), [0.2, -0.1, 0.3])
    elif place == "pose":
        pose = k.quantity("pose|shape_tf|X_ws", p.transform, [0.2, 0.1, 0.0, 0.0, 0.6, 0.0, 0.8])
        x = wp.transform_point(wp.transform_inverse(pose), x)
    scale = k.param("scale|uniform_scale|size", 0.5, 2.0) if place == "scale" else None
    if scale is not None:
        x = x / scale
    sizes = [
        k.quantity("half_extents|radii|dims", p.vec(), [0.5, 0.4, 0.6])
        if s is None
        else e.property("radius|size|length|thickness", *s)
        for s in shape.sizes
    ]
    d = shape.function(maybe(p, k, "q|local|xl", x, 0.6), *sizes)
    out = e.out("distances|sdf|phi", p.real)
    d = d * scale if scale is not None else d
    match p.pick("plain", "offset", "min", "mask", "shell", "accumulate"):
        case "plain":
            out.store(d)
        case "offset":
            out.store(d - k.param("offset|inflate|skin", 0.01, 0.1))
        case "shell":
            out.store(wp.abs(d) - k.param("wall|shell|half_wall", 0.02, 0.1))
        case "min":
            field = e.inout("field|sdf_in|current", p.real, R.uniform(-0.5, 1.0))
            d = maybe(p, k, "d|dist", d)
            field.store(wp.min(field.own, d) if p.chance(0.5) else wp.max(field.own, -d))
            out.store(field.own)
        case "mask":
            d = k.let("d|dist|phi", d)
            out.store(d)
            with k.when(d < 0.0):
                e.out("inside|mask", T.I32).store(1)
        case "accumulate":
            d = k.let("d|dist|phi", d)
            with k.when(d < 0.0):
                k.do(wp.atomic_add(k.out("penetration|total_depth|overlap", p.real, (1,)), 0, -d))
            out.store(wp.max(d, 0.0) if p.chance(0.5) else d)
