"""Lists of analytic shapes as kernel arguments, and rays against them."""

from collections.abc import Callable
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _primitives as prim
from generator.synthesis.categories._rays import Ray, num, stored_ray
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


@dataclass(slots=True)
class Shape:
    """A list of shapes: an array whose length is their number, a hit test and a normal."""

    data: Expr
    count: int
    hit: Callable[[Ray, Expr], Expr]
    normal: Callable[[Expr, Expr], Expr]


Maker = Callable[[ProgramBuilder, KernelBuilder, int], Shape]


def spheres(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Spheres by centre and radius, or packed in a vec4."""
    f = prim.ray_sphere(p)
    if p.chance(0.3):
        packed = k.array("spheres|sphere_data|balls", p.vec(4), (n,), R.uniform(0.3, 1.2))

        def center(s: Expr) -> Expr:
            return construct(p.vec(), packed[s].x, packed[s].y, packed[s].z)

        return Shape(
            packed,
            n,
            lambda ray, s: f(ray.origin, ray.direction, center(s), packed[s].w),
            lambda x, s: (x - center(s)) / packed[s].w,
        )
    c = k.array("centers|sphere_centers|ball_pos", p.vec(), (n,), R.uniform(-2.0, 2.0))
    r = k.array("radii|sphere_radii|ball_radius", p.real, (n,), R.uniform(0.2, 0.8))
    return Shape(
        c,
        n,
        lambda ray, s: f(ray.origin, ray.direction, c[s], r[s]),
        lambda x, s: (x - c[s]) / r[s],
    )


def boxes(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Axis-aligned boxes."""
    f = prim.ray_box(p)
    lo = k.array("box_lower|lowers|box_mins|aabb_min", p.vec(), (n,), R.uniform(-2.0, -0.1))
    hi = k.array("box_upper|uppers|box_maxs|aabb_max", p.vec(), (n,), R.uniform(0.1, 2.0))
    return Shape(
        lo,
        n,
        lambda ray, s: f(ray.origin, ray.direction, lo[s], hi[s]),
        lambda x, s: _box_normal(p, x, lo[s], hi[s]),
    )


def _box_normal(p: ProgramBuilder, x: Expr, lo: Expr, hi: Expr) -> Expr:
    return wp.normalize(wp.cw_div(x - (lo + hi) * 0.5, hi - lo))


def triangles(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Triangles, indexed or as a soup."""
    f = prim.ray_triangle(p)
    layout = p.pick("indexed", "flat", "soup")
    if layout == "soup":
        tri = k.array("tri_verts|triangles|tri_points", p.vec(), (n, 3), R.uniform(-2.0, 2.0))

        def corner(s: Expr, j: int) -> Expr:
            return tri[s, j]
    else:
        verts = k.array("vertices|verts|points", p.vec(), (3 * n,), R.uniform(-2.0, 2.0))
        wide = layout == "indexed"
        tri = k.array(
            "indices|triangles|faces",
            T.Vec(3, T.I32) if wide else T.I32,
            (n,) if wide else (n, 3),
            R.integers(0, 3 * n),
        )

        def corner(s: Expr, j: int) -> Expr:
            return verts[tri[s][j]] if wide else verts[tri[s, j]]

    def normal(x: Expr, s: Expr) -> Expr:
        return wp.normalize(wp.cross(corner(s, 1) - corner(s, 0), corner(s, 2) - corner(s, 0)))

    return Shape(
        tri,
        n,
        lambda ray, s: f(ray.origin, ray.direction, corner(s, 0), corner(s, 1), corner(s, 2)),
        normal,
    )


def planes(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Planes by normal and offset, or packed in a vec4."""
    f = prim.ray_plane(p)
    if p.chance(0.4):
        packed = k.array("planes|plane_eqs|half_spaces", p.vec(4), (n,), R.unit_vectors())

        def n_of(s: Expr) -> Expr:
            return construct(p.vec(), packed[s].x, packed[s].y, packed[s].z)

        return Shape(
            packed,
            n,
            lambda ray, s: f(ray.origin, ray.direction, n_of(s), packed[s].w),
            lambda x, s: n_of(s),
        )
    normals = k.array("plane_normals|normals|wall_normals", p.vec(), (n,), R.unit_vectors())
    offsets = k.array("plane_offsets|offsets|wall_offsets", p.real, (n,), R.uniform(-2.0, 2.0))
    return Shape(
        normals,
        n,
        lambda ray, s: f(ray.origin, ray.direction, normals[s], offsets[s]),
        lambda x, s: normals[s],
    )


def discs(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Discs (surfels)."""
    f = prim.ray_disc(p)
    c = k.array("disc_centers|surfel_pos|centers", p.vec(), (n,), R.uniform(-2.0, 2.0))
    m = k.array("disc_normals|surfel_normals|normals", p.vec(), (n,), R.unit_vectors())
    r = k.array("disc_radii|surfel_radius|radii", p.real, (n,), R.uniform(0.3, 1.0))
    return Shape(
        c, n, lambda ray, s: f(ray.origin, ray.direction, c[s], m[s], r[s]), lambda x, s: m[s]
    )


def cylinders(p: ProgramBuilder, k: KernelBuilder, n: int) -> Shape:
    """Upright cylinders of one height."""
    f = prim.ray_cylinder(p)
    c = k.array("cylinder_centers|pole_pos|trunks", p.vec(), (n,), R.uniform(-2.0, 2.0))
    r = k.array("cylinder_radii|pole_radius|radii", p.real, (n,), R.uniform(0.1, 0.5))
    half = k.param("half_height|pole_half|hh", 0.5, 2.0)

    def normal(x: Expr, s: Expr) -> Expr:
        return construct(p.vec(), x.x - c[s].x, 0.0, x.z - c[s].z) / r[s]

    return Shape(c, n, lambda ray, s: f(ray.origin, ray.direction, c[s], r[s], half), normal)


SHAPES: list[Maker] = [spheres, boxes, triangles, planes, discs, cylinders]


# --- loops over shapes ----------------------------------------------------------------------------


def far_limit(p: ProgramBuilder, k: KernelBuilder, hint: str) -> Name:
    """The running nearest distance, starting at the far limit."""
    if p.chance(0.5):
        return k.var(hint, k.param("max_distance|t_max|max_range|far_clip", 5.0, 50.0))
    return k.var(hint, p.pick(1000.0, 1.0e6, 1.0e10), p.real)


def nearest(
    p: ProgramBuilder,
    k: KernelBuilder,
    maker: Maker,
    ray: Ray,
    best: Name,
    winner: Name,
    kind: tuple[Name, int] | None = None,
) -> Shape:
    """A loop that keeps the nearest hit with one kind of shape in `best` and `winner`."""
    shape = maker(p, k, p.pick(6, 8, 12, 16))
    with k.loop("s|j|prim|idx", _extent(p, k, shape)) as s:
        if p.chance(0.22):
            _skip_hidden(p, k, shape, s)
        t = k.let("t|dist|t_hit|ti", shape.hit(ray, s))
        if p.chance(0.3):
            with k.when(t <= 0.0):
                k.cont()
            condition = t < best
        else:
            condition = prim.nearer(p, t, best)
        with k.when(condition):
            k.set(best, t)
            k.set(winner, s)
            if kind is not None:
                k.set(kind[0], kind[1])
    return shape


def _extent(p: ProgramBuilder, k: KernelBuilder, shape: Shape) -> Expr | int:
    match p.weighted({"dim": 5, "arg": 3, "const": 1}):
        case "dim":
            return shape.data.dim(0)
        case "arg":
            return k.arg(
                "num_prims|num_shapes|shape_count|n_prims", T.I32, R.value("int32", shape.count)
            )
    return shape.count


def _skip_hidden(p: ProgramBuilder, k: KernelBuilder, shape: Shape, s: Expr) -> None:
    if p.chance(0.5):
        layer = k.array("prim_mask|visible|prim_enabled", T.I32, (shape.count,), R.mask(0.8))
        hidden = layer[s] == 0
    elif p.chance(0.5):
        flag = k.array("is_visible|prim_active|casts", T.BOOL, (shape.count,), R.mask(0.8))
        hidden = negate(flag[s])
    else:
        flags = k.array(
            "prim_flags|layer_bits|visibility_mask", T.I32, (shape.count,), R.integers(1, 8)
        )
        mask = k.scalar("ray_mask|layer_mask|cull_mask", T.I32, p.pick(1, 2, 3))
        hidden = (flags[s] & mask) == 0
    with k.when(hidden):
        k.cont()


def trace_primitives(p: ProgramBuilder) -> None:
    """Nearest or any hit of stored rays with lists of analytic shapes."""
    k = p.kernel_builder(
        "trace_rays|cast_rays|intersect_scene|closest_hit|find_nearest_hit|raycast_primitives|ray_query",
        p.pick(
            "Nearest analytic hit along every ray.",
            "Brute-force ray cast against a list of shapes.",
            "",
        ),
    )
    e = Entities(k, "ray")
    t_out = e.out("hit_t|distances|t_out|hit_dist", p.real)
    e.guard((t_out, num(p, -1.0)))
    ray = stored_ray(p, e)
    if p.chance(0.22):
        _any_hit(p, k, e, ray, t_out)
        return
    best = far_limit(p, k, "t_best|closest|t_min|nearest")
    makers = p.sample(SHAPES, 1, 1 if p.chance(0.6) else 2)
    winner = k.var("hit_id|best|hit|prim_id", -1)
    kind = k.var("hit_kind|shape_type", 0) if len(makers) > 1 else None
    shapes = [
        nearest(p, k, m, ray, best, winner, None if kind is None else (kind, i + 1))
        for i, m in enumerate(makers)
    ]
    k.step(p.pick("write the hit record", "", "results"))
    _record(p, k, e, ray, best, winner, kind, shapes, t_out)


def _any_hit(p: ProgramBuilder, k: KernelBuilder, e: Entities, ray: Ray, t_out: Field) -> None:
    limit = k.param("max_distance|t_max|light_dist", 2.0, 20.0)
    occluded = e.out("occluded|blocked|in_shadow", p.pick(T.I32, T.BOOL))
    blocked = k.var("blocker|hit_t|t_block", limit)
    shape = p.pick(*SHAPES)(p, k, p.pick(6, 8, 12, 16))
    with k.loop("s|j|prim", _extent(p, k, shape)) as s:
        if p.chance(0.3):
            _skip_hidden(p, k, shape, s)
        t = k.let("t|dist|t_hit", shape.hit(ray, s))
        with k.when(prim.nearer(p, t, limit)):
            k.set(blocked, t)
            occluded.store(1 if occluded.dtype == T.I32 else True)
            k.brk()
    t_out.store(blocked)


def _record(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, ray: Ray, best: Name, winner: Name, kind: Name | None,
    shapes: list[Shape], t_out: Field,
) -> None:  # fmt: skip
    ids = e.out("hit_ids|prim_ids|hit_index", T.I32)
    if p.chance(0.5):
        with k.when(winner < 0):
            t_out.store(num(p, p.pick(-1.0, 0.0)))
            ids.store(-1)
            k.ret()
        _details(p, k, e, ray, best, winner, kind, shapes)
        t_out.store(best)
        ids.store(winner)
        return
    ids.store(winner)
    with k.when(winner >= 0):
        t_out.store(best)
        _details(p, k, e, ray, best, winner, kind, shapes)
    if p.chance(0.5):
        with k.otherwise():
            t_out.store(num(p, -1.0))


def _details(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, ray: Ray, best: Name, winner: Name, kind: Name | None,
    shapes: list[Shape],
) -> None:  # fmt: skip
    wanted = p.sample(["point", "normal", "count", "closest"], 0, 2)
    if kind is not None:
        e.out("hit_type|shape_types|prim_types", T.I32).store(kind)
    if "point" in wanted or "normal" in wanted:
        x = k.let("x|hit_pos|hit_point|p_hit", ray.at(best))
        e.out("hit_points|hit_positions|positions", p.vec()).store(x)
    if "normal" in wanted and len(shapes) == 1:
        n = k.var("n|normal|ns", shapes[0].normal(x, winner))
        if p.chance(0.5):
            with k.when(wp.dot(n, ray.direction) > 0.0):
                k.set(n, -n)
        e.out("hit_normals|normals_out|surface_n", p.vec()).store(n)
    if "count" in wanted:
        k.do(wp.atomic_add(k.out("hit_count|num_hits|total_hits", T.I32, (1,)), 0, 1))
    if "closest" in wanted:
        k.do(
            wp.atomic_min(
                k.out("closest_range|min_range|nearest_t", p.real, (1,), R.constant(1.0e6)), 0, best
            )
        )
