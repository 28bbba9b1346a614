"""Furthest points of meshes: bounding spheres, diameters, shells, reach."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.categories._mesh import HANDLE, Closest, Mesh, found, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

_POINTS = "points|centers|anchors|pivots|query_points|x"


def extents(p: ProgramBuilder) -> None:
    """Furthest-point queries: radius about a point, diameter, growing spheres, shells between nearest and furthest."""
    p.weighted({_radius: 3, _diameter: 2.5, _sphere: 2.5, _shell: 3})(p)


def _furthest(k: Block, mesh: Expr, x: Expr, near: Expr | float = 0.0) -> Closest:
    call = wp.mesh_query_furthest_point_no_sign(mesh, x, near)
    return Closest(mesh, k.let("query|q|far|res", call))


def _furthest_function(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` of mesh and point that gives the furthest surface point; the point itself if there is none."""
    nested = p.chance(0.5)

    def body(b: Block, mesh: Expr, x: Expr) -> None:
        c = _furthest(b, mesh, x)
        if nested:
            with b.when(c.hit):
                b.ret(c.point)
            b.ret(x)
            return
        with b.when(negate(c.hit)):
            b.ret(x)
        b.ret(c.point)

    params = {"mesh|mesh_id": HANDLE, "x|p|point": T.VEC3}
    doc = p.pick("Surface point furthest from x.", "")
    return p.func("furthest_on_mesh|far_point|most_distant|antipode", params, body, doc)


def _radius(p: ProgramBuilder) -> None:
    single_precision(p)
    k = p.kernel_builder(
        "bounding_radius|mesh_radius|swing_radius|furthest_points|max_reach|clearance_radius",
        p.pick(
            "Radius of the smallest sphere about each point that holds the mesh.",
            "Furthest surface point from every pivot.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "pivot", "joint", "sensor"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.2, 1.2)).read("x|c|pt|pivot")
    e.guard()
    near = k.param("min_dist|near_limit|inner_radius", 0.01, 0.3) if p.chance(0.5) else 0.0
    c = _furthest(k, mesh.id, x, near)
    with found(p, k, c):
        y = maybe(p, k, "y|far_pt|tip", c.point)
        r = maybe(p, k, "r|dist|reach", wp.length(y - x))
        e.out("radius|radii|furthest_dist", T.F32).store(r)
        _radius_results(p, k, e, c, x, y, r)


def _radius_results(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Closest, x: Expr, y: Expr, r: Expr
) -> None:
    for what in p.shuffled(p.sample(["point", "face", "max", "limit", "speed", "bary"], 0, 3)):
        match what:
            case "point":
                e.out("far_points|tips|support_points", T.VEC3).store(y)
            case "face":
                e.out("far_faces|face_ids", T.I32).store(c.face)
            case "max":
                k.do(wp.atomic_max(k.out("max_extent|bound|largest", T.F32, (1,)), 0, r))
            case "limit":
                with k.when(r > k.param("max_radius|swing_limit|cage_radius", 1.0, 2.5)):
                    k.do(wp.atomic_add(k.out("too_large|violations", T.I32, (1,)), 0, 1))
            case "speed":
                spin = e.field("angular_vel|omega|spin", T.VEC3, R.uniform(-2.0, 2.0)).own
                e.out("tip_speed|tip_velocity|rim_speed", T.F32).store(
                    wp.length(wp.cross(spin, y - x))
                )
            case _:
                u, v = c.part("u"), c.part("v")
                e.out("far_uv|barycentrics", T.VEC2).store(_pair(u, v))


def _pair(u: Expr, v: Expr) -> Expr:
    return construct(T.VEC2, u, v)


def _diameter(p: ProgramBuilder) -> None:
    """Double sweep: the furthest point from the furthest point."""
    single_precision(p)
    k = p.kernel_builder(
        "mesh_diameter|double_sweep|longest_chord|principal_extent|estimate_diameter",
        p.pick(
            "Diameter by double sweeps from every seed.",
            "Longest chord found from each seed point.",
            "",
        ),
    )
    e = Entities(k, p.pick("seed", "probe", "start"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field("seeds|starts|probes", T.VEC3, R.uniform(-1.0, 1.0)).read("x|start|seed_pt")
    e.guard()
    f = _furthest_function(p)
    if p.chance(0.45):
        a = k.var("a|end_a|tail", f(mesh.id, x))
        b = k.var("b|end_b|tip", f(mesh.id, a))
        with k.loop("s|sweep|it", k.count("num_sweeps|sweeps", p.pick(2, 3, 4))):
            c = k.let("c|next_pt|candidate", f(mesh.id, b))
            with k.when(wp.length(c - b) <= wp.length(b - a) + p.pick(1.0e-6, 1.0e-5)):
                k.brk()
            k.set(a, construct(T.VEC3, b))
            k.set(b, c)
    else:
        a = k.let("a|end_a|tail", f(mesh.id, x))
        b = k.let("b|end_b|tip", f(mesh.id, a))
    length = k.let("d|chord|length", wp.length(b - a))
    e.out("chords|diameters|lengths", T.F32).store(length)
    for what in p.shuffled(p.sample(["axis", "best", "middle", "ends"], 0, 2)):
        match what:
            case "axis":
                with k.when(length > 1.0e-6):
                    e.out("axes|directions|principal_dir", T.VEC3).store((b - a) / length)
            case "best":
                k.do(wp.atomic_max(k.out("diameter|max_chord", T.F32, (1,)), 0, length))
            case "middle":
                e.out("midpoints|centers_out", T.VEC3).store((a + b) * 0.5)
            case _:
                e.out("tail_pts|first_end", T.VEC3).store(a)
                e.out("tip_pts|second_end", T.VEC3).store(b)


def _sphere(p: ProgramBuilder) -> None:
    """Approximate smallest enclosing sphere by pulling the centre towards furthest points."""
    single_precision(p)
    k = p.kernel_builder(
        "enclosing_sphere|fit_bounding_sphere|badoiu_clarkson|min_sphere|shrink_sphere",
        p.pick(
            "Enclosing sphere by pulling the centre towards the furthest point.",
            "Approximate smallest enclosing sphere from each start.",
            "",
        ),
    )
    e = Entities(k, p.pick("start", "seed", "guess"))
    mesh = mesh_argument(p, k, closed=False)
    center = k.var("center|c|mid", e.field("starts|guesses|centers", T.VEC3, R.uniform(-0.6, 0.6)).own)  # fmt: skip
    radius = k.var("radius|r|bound", 0.0)
    rounds = k.count("iterations|num_steps|max_iters", p.pick(4, 6, 8, 12))
    with k.loop("it|step|s", rounds) as i:
        c = _furthest(k, mesh.id, center)
        with k.when(negate(c.hit)):
            k.brk()
        away = k.let("delta|pull|to_far", c.point - center)
        k.set(radius, wp.length(away))
        form = p.pick("harmonic", "fixed", "decay")
        if form == "harmonic":
            k.aug(center, "+", away / (construct(T.F32, i) + 2.0))
        elif form == "fixed":
            k.aug(center, "+", away * k.param("rate|gain|relax", 0.05, 0.3))
        else:
            k.aug(center, "+", away * wp.pow(0.7, construct(T.F32, i) + 1.0))
    if p.chance(0.6):
        last = _furthest(k, mesh.id, center)
        with k.when(last.hit):
            k.set(radius, wp.length(last.point - center))
    e.out("sphere_centers|centers_out", T.VEC3).store(center)
    e.out("sphere_radii|radii_out", T.F32).store(radius)
    if p.chance(0.5):
        k.do(
            wp.atomic_min(k.out("best_radius|smallest", T.F32, (1,), R.constant(100.0)), 0, radius)
        )


def _shell(p: ProgramBuilder) -> None:
    """Nearest and furthest distance together."""
    single_precision(p)
    k = p.kernel_builder(
        "distance_interval|shell_bounds|range_interval|near_far|annulus_test|sensor_interval",
        p.pick(
            "Nearest and furthest distance to the surface.",
            "Interval of ranges in which the surface lies.",
            "",
        ),
    )
    e = Entities(k, p.pick("sensor", "point", "antenna", "light"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field("positions|sensor_pos|origins", T.VEC3, R.uniform(-1.8, 1.8)).read("x|pos|o")
    e.guard()
    limit = k.param("max_dist|search_range", 3.0, 9.0)
    low = Closest(
        mesh.id, k.let("near|q_near|close_q", wp.mesh_query_point_no_sign(mesh.id, x, limit))
    )
    high = Closest(mesh.id, k.let("far|q_far|far_q", wp.mesh_query_furthest_point_no_sign(mesh.id, x, 0.0)))  # fmt: skip
    with k.when(any_of(negate(low.hit), negate(high.hit))):
        k.ret()
    lo = k.let("d_min|lo|nearest", wp.length(low.point - x))
    hi = k.let("d_max|hi|furthest", wp.length(high.point - x))
    form = p.pick("interval", "test", "width", "falloff")
    if form == "interval":
        if p.chance(0.5):
            e.out("near_out|min_range", T.F32).store(lo)
            e.out("far_out|max_range", T.F32).store(hi)
        else:
            e.out("intervals|ranges|near_far_out", T.VEC2).store(_pair(lo, hi))
    elif form == "test":
        inner, outer = k.param("r_min|inner", 0.05, 0.5), k.param("r_max|outer|max_range", 1.5, 4.0)
        inside = all_of(lo >= inner, hi <= outer)
        e.out("in_range|fully_visible|reachable", T.I32).store(
            choose(inside, 1, 0) if p.chance(0.5) else wp.where(inside, 1, 0)
        )
        e.out("near_out|min_range", T.F32).store(lo)
    elif form == "width":
        e.out("thickness|depth_of_field|spread", T.F32).store(hi - lo)
        k.do(wp.atomic_max(k.out("max_spread|widest", T.F32, (1,)), 0, hi - lo))
    else:
        level = e.property("power|intensity|gain", 0.5, 5.0)
        near = k.let("strongest|peak", level / wp.max(lo * lo, 0.01))
        e.out("contrast|dynamic_range|falloff_ratio", T.F32).store(hi * hi / wp.max(lo * lo, 0.01))
        e.out("peak_level|max_signal", T.F32).store(near)
    _labels(p, k, e, mesh, low, high)


def _labels(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, low: Closest, high: Closest
) -> None:
    if p.chance(0.3):
        labels = k.array("face_labels|part_ids|regions", T.I32, (mesh.faces,), R.integers(0, 6))
        e.out("near_label|closest_part", T.I32).store(labels[low.face])
        if p.chance(0.5):
            e.out("far_label|furthest_part", T.I32).store(labels[high.face])
