"""Faces of meshes: found by boxes and spheres, integrated over, sampled, and paired."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Mesh, corners, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


@contextmanager
def each_face(p: ProgramBuilder, k: KernelBuilder, query: Expr, box: bool) -> Iterator[Name]:
    """A loop over the faces of a query: `for`, or `while … next`."""
    if p.chance(0.55):
        with k.each("face|f|tri", query, T.I32) as face:
            yield face
        return
    q = k.let("query|it|q", query)
    face = k.var("face|f|tri", 0)
    step = (
        wp.mesh_query_aabb_next(q, face) if box and p.chance(0.6) else wp.mesh_query_next(q, face)
    )
    with k.repeat(step):
        yield face


def _faces_near(
    p: ProgramBuilder, k: KernelBuilder, mesh: Mesh, x: Expr, reach: Expr
) -> tuple[Expr, bool]:
    if p.chance(0.35):
        return wp.mesh_query_sphere(mesh.id, x, reach), False
    if p.chance(0.5):
        lo = k.let("lower|lo|box_min", x - construct(T.VEC3, reach))
        hi = k.let("upper|hi|box_max", x + construct(T.VEC3, reach))
        return wp.mesh_query_aabb(mesh.id, lo, hi), True
    half = k.let("half|ext|pad", construct(T.VEC3, reach, reach, reach))
    return wp.mesh_query_aabb(mesh.id, x - half, x + half), True


def nearby(p: ProgramBuilder) -> None:
    """Work over the faces near a point."""
    k = p.kernel_builder(
        "faces_in_box|gather_faces|nearby_area|count_triangles|splat_to_faces|local_normal|query_box|mesh_density",
        p.pick(
            "Gather over the faces near each point.",
            "Faces whose bounds overlap the query box.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "cell", "probe", "query"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field("points|centers|positions|probes", T.VEC3, R.uniform(-1.2, 1.2)).read("x|center|pt")
    reach = e.property("radius|half_width|reach|extent", 0.2, 0.7)
    reach = maybe(p, k, "r|h|reach_i", reach)
    goal = p.pick("count", "area", "normal", "closest", "deposit", "mark")
    query, box = _faces_near(p, k, mesh, x, reach)
    if goal == "count":
        n = k.var("count|n_faces|overlaps", 0)
        with each_face(p, k, query, box) as face:
            if p.chance(0.4):
                up = k.quantity("axis|up|view_dir", T.VEC3, [0.0, 1.0, 0.0])
                with k.when(wp.dot(wp.mesh_eval_face_normal(mesh.id, face), up) > p.pick(0.0, 0.5)):
                    k.aug(n, "+", 1)
            else:
                k.aug(n, "+", 1)
        e.out("counts|overlap_count|face_counts", T.I32).store(n)
        return
    if goal in ("deposit", "mark"):
        _onto_faces(p, k, e, mesh, query, box, goal)
        return
    _gather(p, k, e, mesh, x, reach, query, box, goal)


def _onto_faces(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, query: Expr, box: bool, goal: str
) -> None:
    if goal == "mark":
        touched = k.out("touched|face_mask|contact_mask", T.I32, (mesh.faces,))
        with each_face(p, k, query, box) as face:
            k.do(wp.atomic_max(touched, face, e.index + 1 if p.chance(0.4) else 1))
        return
    load = k.out("face_load|deposited|face_heat", T.F32, (mesh.faces,))
    amount = k.let("q|amount|share", e.field("power|mass|load", T.F32, R.uniform(0.1, 1.0)).own)
    with each_face(p, k, query, box) as face:
        k.do(wp.atomic_add(load, face, amount))


def _gather(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    mesh: Mesh,
    x: Expr,
    reach: Expr,
    query: Expr,
    box: bool,
    goal: str,
) -> None:
    area = k.var("area|total|weight", 0.0)
    normal = k.var("n_sum|avg|normal", construct(T.VEC3, 0.0)) if goal == "normal" else None
    best = k.var("best|nearest|d_min", reach * 2.0) if goal == "closest" else None
    winner = k.var("best_face|closest_face|nearest_tri", -1) if goal == "closest" else None
    with each_face(p, k, query, box) as face:
        if best is not None and winner is not None:
            center = k.let(
                "c|centroid|mid",
                wp.mesh_eval_position(
                    mesh.id, face, p.pick(0.333, 0.33333), p.pick(0.333, 0.33333)
                ),
            )
            d = k.let("d|dist", wp.length(center - x))
            with k.when(d < best):
                k.set(best, d)
                k.set(winner, face)
            k.aug(area, "+", 1.0)
        else:
            a, b, c = corners(p, k, mesh.id, face)
            cr = k.let("cr|twice_area|nrm", wp.cross(b - a, c - a))
            if normal is not None:
                k.aug(normal, "+", cr)
            k.aug(area, "+", 0.5 * wp.length(cr))
    if winner is not None:
        e.out("nearest_faces|face_ids|closest_tri", T.I32).store(winner)
        e.out("nearest_dist|distances", T.F32).store(best)
        e.out("candidates|tested|num_tests", T.F32).store(area)
        return
    e.out("areas|local_area|coverage", T.F32).store(area)
    if normal is not None:
        with k.when(area > 0.0):
            e.out("normals|mean_normals|avg_normal", T.VEC3).store(wp.normalize(normal))


# --- integrals ------------------------------------------------------------------------------------


def integrate(p: ProgramBuilder) -> None:
    """One thread a face: areas, normals, panel forces, volumes."""
    k = p.kernel_builder(
        "face_integrals|panel_forces|mesh_volume|face_areas|aero_forces|surface_flux|compute_face_normals|face_data",
        p.pick("One thread per face.", "Surface integral over the mesh.", "", ""),
    )
    shape = _first_mesh(p, k)
    e = Entities(k, "face", count=shape.faces, index="f|face|tid|tri", layouts=False)
    goal = p.pick("normal", "area", "volume", "drag", "flux", "centroid", "project", "inertia")
    if goal == "normal":
        n = wp.mesh_eval_face_normal(shape.id, e.index)
        e.out("face_normals|normals", T.VEC3).store(n)
        if p.chance(0.6):
            up = k.quantity("up|gravity_dir|axis", T.VEC3, [0.0, 1.0, 0.0])
            e.out("slopes|tilt|cos_slope", T.F32).store(
                wp.acos(wp.clamp(wp.dot(n, up), -1.0, 1.0)) if p.chance(0.5) else wp.dot(n, up)
            )
        if p.chance(0.4):
            e.out("face_centers|centroids", T.VEC3).store(
                wp.mesh_eval_position(shape.id, e.index, 0.333, 0.333)
            )
        return
    a, b, c = corners(p, k, shape.id, e.index)
    cr = k.let("cr|n2|area_vec", wp.cross(b - a, c - a))
    _integral(p, k, e, shape, a, b, c, cr, goal)


def _first_mesh(p: ProgramBuilder, k: KernelBuilder) -> Mesh:
    return mesh_argument(p, k, closed=p.chance(0.7))


def _integral(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    shape: Mesh,
    a: Expr,
    b: Expr,
    c: Expr,
    cr: Expr,
    goal: str,
) -> None:
    match goal:
        case "area":
            area = maybe(p, k, "area|A", wp.length(cr) * 0.5)
            e.out("areas|face_areas", T.F32).store(area)
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("total_area|surface_area", T.F32, (1,)), 0, area))
        case "volume":
            vol = maybe(p, k, "vol|tet_volume|dv", wp.dot(a, wp.cross(b, c)) / 6.0)
            k.do(wp.atomic_add(k.out("volume|total_volume", T.F32, (1,)), 0, vol))
            if p.chance(0.6):
                k.do(
                    wp.atomic_add(
                        k.out("moment|centroid_sum|first_moment", T.VEC3, (1,)),
                        0,
                        (a + b + c) * (0.25 * wp.dot(a, wp.cross(b, c)) / 6.0),
                    )
                )
        case "drag":
            _panel_force(p, k, e, shape, a, b, c, cr)
        case "flux":
            v = k.let("v|vel|u_mid", wp.mesh_eval_velocity(shape.id, e.index, 0.333, 0.333))
            flux = maybe(p, k, "flux|q|phi", 0.5 * wp.dot(v, cr))
            e.out("face_flux|fluxes", T.F32).store(flux)
            k.do(wp.atomic_add(k.out("net_flux|swept_volume|dV", T.F32, (1,)), 0, flux))
        case "centroid":
            mid = k.let("mid|centroid|g", (a + b + c) / 3.0)
            e.out("centroids|face_centers", T.VEC3).store(mid)
            k.do(
                wp.atomic_min(
                    k.out("bounds_min|lower", T.VEC3, (1,), R.constant(100.0)),
                    0,
                    wp.min(wp.min(a, b), c),
                )
            )
            k.do(
                wp.atomic_max(
                    k.out("bounds_max|upper", T.VEC3, (1,), R.constant(-100.0)),
                    0,
                    wp.max(wp.max(a, b), c),
                )
            )
        case "project":
            sun = k.quantity("direction|sun_dir|flow_dir", T.VEC3, [0.6, 0.8, 0.0])
            shade = maybe(p, k, "facing|proj|s", 0.5 * wp.dot(cr, sun))
            with k.when(shade > 0.0):
                e.out("projected_area|lit_area", T.F32).store(shade)
                k.do(wp.atomic_add(k.out("frontal_area|shadow_area", T.F32, (1,)), 0, shade))
        case "inertia":
            vol = k.let("det|six_vol", wp.dot(a, wp.cross(b, c)))
            s = k.let("s|corner_sum", a + b + c)
            second = wp.outer(a, a) + wp.outer(b, b) + wp.outer(c, c) + wp.outer(s, s)
            k.do(
                wp.atomic_add(
                    k.out("second_moment|covariance|moment2", T.MAT33, (1,)),
                    0,
                    second * (vol / 120.0),
                )
            )


def _panel_force(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    shape: Mesh,
    a: Expr,
    b: Expr,
    c: Expr,
    cr: Expr,
) -> None:
    wind = k.quantity("wind|freestream|flow_vel", T.VEC3, [2.0, 0.0, 0.5])
    v = maybe(p, k, "v_panel|v_face", wp.mesh_eval_velocity(shape.id, e.index, 0.333, 0.333))
    rel = k.let("rel|v_rel|u", wind - v)
    area = k.let("area|A", 0.5 * wp.length(cr))
    n = k.let("n|normal", wp.normalize(cr))
    vn = k.let("vn|normal_flow", wp.dot(rel, n))
    rho = k.param("air_density|rho", 0.5, 1.5)
    if p.chance(0.5):
        with k.when(vn >= 0.0):
            k.ret()
    cd, cf = k.param("drag_coef|cd|cn", 0.2, 1.5), k.param("skin_friction|cf|ct", 0.01, 0.1)

    normal_part = n * (cd * vn * wp.abs(vn))
    tangent_part = (rel - n * vn) * (cf * wp.length(rel))
    if p.chance(0.5):
        normal_part, tangent_part = (
            k.let("fn|f_normal", normal_part),
            k.let("ft|f_shear", tangent_part),
        )
    f = k.let("f|force|f_panel", (normal_part + tangent_part) * (0.5 * rho * area))
    e.out("face_forces|panel_force", T.VEC3).store(f)
    if p.chance(0.6):
        k.do(wp.atomic_add(k.out("total_force|net_force", T.VEC3, (1,)), 0, f))
    if p.chance(0.4):
        mid = (a + b + c) / 3.0
        k.do(wp.atomic_add(k.out("total_torque|net_moment", T.VEC3, (1,)), 0, wp.cross(mid, f)))


# --- sampling -------------------------------------------------------------------------------------


def sample(p: ProgramBuilder) -> None:
    """Random points on a mesh."""
    k = p.kernel_builder(
        "sample_surface|scatter_on_mesh|sample_mesh|random_surface_points|seed_surface|emit_from_mesh",
        p.pick("Random points on the surface.", "Area-weighted surface samples.", ""),
    )
    e = Entities(k, p.pick("sample", "point", "particle"))
    mesh = mesh_argument(p, k, closed=False)
    seed = k.scalar("seed|rng_seed|frame", T.I32, 17)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, e.index))
    face = _random_face(p, k, e, mesh, state)
    if p.chance(0.5):
        uv = k.let("uv|bary|b", wp.sample_triangle(state))
        u, v = uv.x, uv.y
    else:
        r = k.let("r|su|root_u", wp.sqrt(wp.randf(state)))
        xi = k.let("xi|w_r|r2", wp.randf(state))
        u, v = k.let("u|b0", 1.0 - r), k.let("v|b1", r * (1.0 - xi))
    x = k.let("x|pos|pt", wp.mesh_eval_position(mesh.id, face, u, v))
    wanted = p.shuffled(["point", *p.sample(["normal", "face", "velocity", "bary", "emit"], 0, 3)])
    for what in wanted:
        match what:
            case "point":
                e.out("points|samples|positions", T.VEC3).store(x)
            case "normal":
                e.out("normals|sample_normals", T.VEC3).store(
                    wp.mesh_eval_face_normal(mesh.id, face)
                )
            case "face":
                e.out("face_ids|sample_faces", T.I32).store(face)
            case "velocity":
                e.out("velocities|sample_vel", T.VEC3).store(
                    wp.mesh_eval_velocity(mesh.id, face, u, v)
                )
            case "bary":
                e.out("barycentrics|uv_out", T.VEC2).store(construct(T.VEC2, u, v))
            case "emit":
                n = wp.mesh_eval_face_normal(mesh.id, face)
                e.out("emitted_vel|launch_vel", T.VEC3).store(
                    n * k.param("emit_speed|launch_speed", 0.5, 4.0)
                )


def _random_face(p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, state: Expr) -> Expr:
    match p.pick("given", "uniform", "cdf", "search"):
        case "given":
            return k.let(
                "face|f",
                e.field(
                    "face_ids_in|sample_face|source_faces", T.I32, R.integers(0, mesh.faces)
                ).own,
            )
        case "uniform":
            return k.let(
                "face|f",
                wp.randi(
                    state,
                    0,
                    mesh.faces if p.chance(0.4) else k.count("num_faces|face_count", mesh.faces),
                ),
            )
        case "cdf":
            cdf = k.array("face_cdf|area_cdf|cdf", T.F32, (mesh.faces,), R.ascending(0.0, 1.0))
            return k.let("face|f", wp.min(wp.sample_cdf(state, cdf), mesh.faces - 1))
    cdf = k.array("face_cdf|area_cdf|cumulative_area", T.F32, (mesh.faces,), R.ascending(0.0, 1.0))
    target = k.let("target|xi|r0", wp.randf(state))
    lo, hi = k.var("lo|first|left", 0), k.var("hi|last|right", mesh.faces - 1)
    with k.repeat(lo < hi):
        mid = k.let("mid|m", (lo + hi) // 2)
        with k.when(cdf[mid] < target):
            k.set(lo, mid + 1)
        with k.otherwise():
            k.set(hi, mid)
    return lo


# --- pairs of faces -------------------------------------------------------------------------------


def pairs(p: ProgramBuilder) -> None:
    """Triangles of one soup against a mesh, or of a mesh against itself."""
    k = p.kernel_builder(
        "triangle_intersections|self_intersections|count_tri_pairs|find_collisions|overlap_test|mark_intersecting",
        p.pick("Intersecting triangle pairs.", "Exact overlap test behind a box query.", ""),
    )
    if p.chance(0.5):
        mesh = mesh_argument(p, k, closed=False)
        e = Entities(k, "triangle", layouts=False)
        tris = k.array("triangles|tri_verts|soup", T.VEC3, (e.n, 3), R.uniform(-1.1, 1.1))
        a, b, c = (
            k.let(h, tris[e.index, j]) for j, h in enumerate(("a|v0|p0", "b|v1|p1", "c|v2|p2"))
        )
        other = mesh
        skip = False
    else:
        other = mesh_argument(p, k, closed=False, hint="mesh_b|target_mesh|static_mesh")
        mesh = mesh_argument(p, k, closed=False, hint="mesh_a|moving_mesh|source_mesh")
        e = Entities(k, "face", count=mesh.faces, index="f|face|tid", layouts=False)
        a, b, c = corners(p, k, mesh.id, e.index)
        shift = k.quantity("offset|translation|shift", T.VEC3, [0.4, 0.2, 0.1])
        a, b, c = (
            k.let(h, q + shift)
            for h, q in zip(("a1|s0|q0", "b1|s1|q1", "c1|s2|q2"), (a, b, c), strict=True)
        )
        skip = p.chance(0.3)
    lo, hi = k.let("lower|lo", wp.min(wp.min(a, b), c)), k.let("upper|hi", wp.max(wp.max(a, b), c))
    hits = k.var("hits|count|overlaps", 0)
    with each_face(p, k, wp.mesh_query_aabb(other.id, lo, hi), True) as face:
        if skip:
            with k.when(face == e.index):
                k.cont()
        u0, u1, u2 = corners(p, k, other.id, face)
        with k.when(wp.intersect_tri_tri(a, b, c, u0, u1, u2) != 0):
            k.aug(hits, "+", 1)
            if p.chance(0.4):
                k.do(wp.atomic_add(k.out("face_hits|other_hits", T.I32, (other.faces,)), face, 1))
    e.out("hit_counts|intersections|overlap_count", T.I32).store(hits)
    if p.chance(0.4):
        with k.when(hits > 0):
            k.do(wp.atomic_add(k.out("num_intersecting|bad_faces", T.I32, (1,)), 0, 1))
