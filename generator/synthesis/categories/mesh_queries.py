"""Queries of triangle meshes: closest points, signs, rays, boxes, surface attributes, contact."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _mesh_contact as contact
from generator.synthesis.categories import _mesh_faces as faces
from generator.synthesis.categories import _mesh_rays as rays
from generator.synthesis.categories._mesh import Closest, Mesh, closest, found, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("mesh_queries", version=1, title="Mesh queries")
def write(p: ProgramBuilder) -> None:
    """Points, particles, bodies and rays against triangle meshes: closest points, inside tests, signed-distance grids,
    contact response, ray casts with shading, box and sphere queries, attribute transfer, sampling, face integrals."""
    writers = {
        project: 2.6, inside: 2.0, distance_grid: 1.8, transfer: 1.5, rays.cast: 2.2, rays.render: 1.5,
        rays.occlusion: 1.4, rays.small: 2.4, contact.particles: 2.4, contact.bodies: 1.6, contact.avoid: 1.2,
        faces.nearby: 2.0, faces.integrate: 2.0, faces.sample: 1.6, faces.pairs: 1.2,
    }  # fmt: skip
    p.weighted(writers)(p)


_POINTS = "points|positions|query_points|x|samples|probe_pos"


def _moved(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> tuple[Expr, Expr | None]:
    """The point in the mesh's frame, where the mesh has a pose, and that pose."""
    if not p.chance(0.3):
        return x, None
    if p.chance(0.6):
        pose = k.quantity(
            "mesh_pose|X_mesh|shape_tf|body_q", T.TRANSFORM, [0.1, -0.2, 0.1, 0.0, 0.0, 0.6, 0.8]
        )
    else:
        pose = e.field("poses|query_frames|mesh_poses", T.TRANSFORM, R.rigid(-0.3, 0.3)).own
    pose = k.let("X|tf|pose", pose)
    return k.let("x_local|local|p_mesh", wp.transform_point(wp.transform_inverse(pose), x)), pose


def project(p: ProgramBuilder) -> None:
    """Nearest surface points, distances, normals."""
    k = p.kernel_builder(
        "project_points|closest_points|snap_to_surface|nearest_on_mesh|point_mesh_distance|query_closest|find_nearest_face",
        p.pick(
            "Project every point onto the mesh.",
            "Closest point on the surface.",
            "Distance to the surface and where it is attained.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "sample", "vertex", "marker"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.6, 1.6)).read("x|pt|pos|xi")
    at, pose = _moved(p, k, e, x)
    limit = k.param("max_dist|max_distance|search_radius|cutoff", 1.5, 6.0)
    if p.chance(0.14):
        _furthest(p, k, e, mesh, at)
        return
    c = (
        closest(p, k, mesh.id, at, limit, signed=False)
        if p.chance(0.45)
        else closest(p, k, mesh.id, at, limit)
    )
    with found(p, k, c):
        _projections(p, k, e, c, at, pose)


def _furthest(p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, at: Expr) -> None:
    q = k.let(
        "query|q|res",
        wp.mesh_query_furthest_point_no_sign(
            mesh.id, at, k.param("min_dist|near_limit", 0.01, 0.2)
        ),
    )
    c = Closest(mesh.id, q)
    with found(p, k, c):
        value = wp.length(c.point - at)
        e.out("radius|furthest|reach_out", T.F32).store(value)
        if p.chance(0.5):
            k.do(wp.atomic_max(k.out("max_extent|hausdorff|bound", T.F32, (1,)), 0, value))
        if p.chance(0.5):
            e.out("far_face|faces|face_ids", T.I32).store(c.face)


def _projections(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Closest, at: Expr, pose: Expr | None
) -> None:
    wanted = p.shuffled(
        p.sample(["point", "distance", "face", "normal", "bary", "step", "velocity", "total"], 1, 3)
    )
    if wanted in (["face"], ["bary"], ["normal"], ["total"]):
        wanted.append("point")
    y = maybe(p, k, "cp|closest_pt|y|proj", c.point, 1.0 if len(wanted) > 1 else 0.4)
    for what in wanted:
        _store_projection(p, k, e, c, at, pose, what, y)


def _store_projection(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    c: Closest,
    at: Expr,
    pose: Expr | None,
    what: str,
    y: Expr,
) -> None:
    match what:
        case "point":
            world = y if pose is None else wp.transform_point(pose, y)
            e.out("closest|projected|surface_points|closest_out", T.VEC3).store(world)
        case "distance":
            d = wp.length(at - y)
            e.out("distances|dist|sdf_out|unsigned_dist", T.F32).store(d)
        case "face":
            e.out("face_ids|faces|closest_face|tri_ids", T.I32).store(c.face)
        case "normal":
            n = wp.mesh_eval_face_normal(c.mesh, c.face)
            e.out("normals|surface_normals|n_out", T.VEC3).store(
                n if pose is None else wp.transform_vector(pose, n)
            )
        case "bary":
            u, v = c.part("u"), c.part("v")
            e.out("barycentrics|bary|uvw", T.VEC3).store(construct(T.VEC3, u, v, 1.0 - u - v))
        case "step":
            rate = k.param("rate|relaxation|pull|step_size", 0.1, 0.9)
            e.out("moved|attracted|x_new", T.VEC3).store(at + (y - at) * rate)
        case "velocity":
            e.out("surface_vel|velocities|v_surf", T.VEC3).store(c.velocity)
        case "total":
            d = k.let("d|gap|r", y - at)
            k.do(wp.atomic_add(k.out("loss|total_error|energy", T.F32, (1,)), 0, wp.dot(d, d)))


# --- inside and outside ---------------------------------------------------------------------------


def inside(p: ProgramBuilder) -> None:
    """Which points lie inside a closed mesh."""
    k = p.kernel_builder(
        "inside_test|classify_points|points_in_mesh|containment|mark_inside|point_in_solid|occupancy_query",
        p.pick(
            "Which points lie inside the solid.",
            "Classify points by the sign of their distance.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "particle", "sample", "seed"))
    mesh = mesh_argument(p, k)
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.3, 1.3)).read("x|pt|pos|xi")
    at, _ = _moved(p, k, e, x)
    flag = e.out("inside|is_inside|occupancy|labels", p.pick(T.I32, T.I32, T.BOOL, T.U8))
    if p.chance(0.4):
        _by_crossings(p, k, e, mesh, at, flag)
        return
    limit = k.param("max_dist|max_distance|search_radius", 2.0, 6.0)
    c = closest(p, k, mesh.id, at, limit)
    with found(p, k, c, 0.3):
        if p.chance(0.5):
            _set_flag(p, k, flag, c.sign < 0.0)
        else:
            margin = k.param("margin|shell|offset", 0.01, 0.1)
            depth = k.let("sdf|d|dist", c.sign * wp.length(at - c.point))
            _set_flag(p, k, flag, depth < -margin if p.chance(0.5) else depth < margin)
        _tally(p, k, e, c.sign < 0.0)


def _by_crossings(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, at: Expr, flag
) -> None:  # type: ignore[no-untyped-def]
    d = k.quantity(
        "ray_dir|direction|probe_dir",
        T.VEC3,
        p.pick([0.31, 0.83, 0.17], [0.0, 1.0, 0.0], [0.57, 0.57, 0.58]),
    )
    if p.chance(0.5):
        n = k.let("crossings|hits|count", wp.mesh_query_ray_count_intersections(mesh.id, at, d))
        odd = n % 2 == 1 if p.chance(0.6) else (n & 1) == 1
        _set_flag(p, k, flag, odd)
        _tally(p, k, e, odd)
        return
    votes = k.var("votes|score|odd_count", 0)
    total = p.pick(3, 5)
    with k.loop("a|r|trial", total) as a:
        tilt = construct(T.VEC3, construct(T.F32, a) * 0.37, 1.0, construct(T.F32, a) * -0.21)
        n = k.let(
            "crossings|hits|count",
            wp.mesh_query_ray_count_intersections(mesh.id, at, wp.normalize(d + tilt)),
        )
        k.aug(votes, "+", n % 2)
    _set_flag(p, k, flag, votes * 2 > total if p.chance(0.5) else votes > total // 2)


def _set_flag(p: ProgramBuilder, k: KernelBuilder, flag, condition: Expr) -> None:  # type: ignore[no-untyped-def]
    if flag.dtype == T.BOOL:
        flag.store(condition)
    elif flag.dtype == T.U8 or p.chance(0.4):
        with k.when(condition):
            flag.store(construct(T.U8, 1) if flag.dtype == T.U8 else 1)
    else:
        flag.store(choose(condition, 1, 0) if p.chance(0.5) else wp.where(condition, 1, 0))


def _tally(p: ProgramBuilder, k: KernelBuilder, e: Entities, condition: Expr) -> None:
    if p.chance(0.35):
        with k.when(condition):
            k.do(wp.atomic_add(k.out("inside_count|num_inside|volume_count", T.I32, (1,)), 0, 1))


# --- distance grids -------------------------------------------------------------------------------


def distance_grid(p: ProgramBuilder) -> None:
    """A mesh sampled into a grid: signed distance, occupancy, narrow band, nearest face."""
    k = p.kernel_builder(
        "mesh_to_sdf|voxelize|bake_distance_field|fill_sdf_grid|rasterize_sdf|build_sdf|sample_mesh_grid",
        p.pick(
            "Signed distance to the mesh at the cell centres.", "Bake the mesh into a grid.", ""
        ),
    )
    g = Grid(
        k,
        "i|x|ix j|y|iy k|z|iz",
        boundary="clamp",
        shape=p.pick((8, 8, 8), (8, 10, 8), (10, 10, 10)),
    )
    mesh = mesh_argument(p, k)
    origin = k.quantity("origin|lower|grid_min|bounds_min", T.VEC3, [-1.5, -1.5, -1.5])
    size = k.param("voxel_size|dx|cell_size|spacing", 0.25, 0.4)
    shift = p.pick(0.5, 0.5, None)
    coords = [construct(T.F32, i) + shift if shift else construct(T.F32, i) for i in g.index]
    x = k.let("x|center|pos|pt", origin + construct(T.VEC3, *coords) * size)
    kind = p.pick("sdf", "sdf", "band", "occupancy", "gradient", "coverage")
    limit = (
        k.param("max_dist|far_dist|bandwidth", 0.4, 2.0)
        if kind == "band"
        else k.param("max_dist|far_dist", 3.0, 9.0)
    )
    c = closest(p, k, mesh.id, x, limit)
    if kind == "band":
        field = g.out("sdf|phi|distance", T.F32)
        with k.when(negate(c.hit)):
            field.store(limit)
            k.ret()
        field.store(c.sign * wp.length(x - c.point))
        if p.chance(0.5):
            k.do(wp.atomic_add(k.out("band_count|active_cells|num_active", T.I32, (1,)), 0, 1))
        return
    with found(p, k, c, 0.2):
        _cell_result(p, k, g, c, x, kind, size)


def _cell_result(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, c: Closest, x: Expr, kind: str, size: Expr
) -> None:
    if kind == "occupancy":
        with k.when(c.sign < 0.0):
            g.out("occupancy|solid|mask", T.I32).store(1)
            if p.chance(0.5):
                k.do(
                    wp.atomic_add(k.out("volume|total_volume", T.F32, (1,)), 0, size * size * size)
                )
        return
    y = k.let("y|cp|foot", c.point)
    d = k.let("d|sdf|phi_val", c.sign * wp.length(x - y))
    if kind == "coverage":
        share = (
            wp.clamp(0.5 - d / size, 0.0, 1.0)
            if p.chance(0.5)
            else 1.0 - wp.smoothstep(-0.5 * size, 0.5 * size, d)
        )
        g.out("coverage|fraction|solid_fraction", T.F32).store(share)
        return
    g.out("sdf|phi|distance", T.F32).store(d)
    if kind == "gradient":
        n = (
            wp.where(wp.abs(d) > 1.0e-6, (x - y) / d, construct(T.VEC3))
            if p.chance(0.4)
            else wp.normalize((x - y) * c.sign)
        )
        g.out("grad|normals|sdf_grad", T.VEC3).store(n)
    elif p.chance(0.4):
        g.out("nearest_face|face_ids|closest_tri", T.I32).store(c.face)


# --- attributes -----------------------------------------------------------------------------------


def transfer(p: ProgramBuilder) -> None:
    """Vertex attributes carried over to nearby points."""
    k = p.kernel_builder(
        "transfer_attributes|interpolate_on_surface|sample_vertex_data|bake_attribute|wrap_deform|bind_to_surface",
        p.pick(
            "Interpolate vertex data at the closest points.",
            "Carry a vertex attribute over to the query points.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "vertex", "sample"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.4, 1.4)).read("x|pt|pos")
    kind = p.pick(T.F32, T.VEC3, T.VEC2, T.VEC4)
    hint = {
        T.F32: "temperature|weights|scalar_data",
        T.VEC3: "colors|displacement|vertex_data",
        T.VEC2: "uvs|texcoords",
        T.VEC4: "skin_weights|rgba",
    }[kind]
    data = k.array(hint, kind, (mesh.vertices,), R.uniform(0.0, 1.0))
    out = e.out("out|result|interpolated|transferred", kind)
    limit = k.param("max_dist|search_radius|cutoff", 0.8, 4.0)
    c = (
        closest(p, k, mesh.id, x, limit, signed=False)
        if p.chance(0.6)
        else closest(p, k, mesh.id, x, limit)
    )
    if p.chance(0.3):
        default = e.field("defaults|fallback|previous", kind, R.uniform(0.0, 1.0)).own
        out.store(default)
    with found(p, k, c):
        u, v = c.part("u"), c.part("v")
        if p.chance(0.5):
            u, v = k.let("u|b0", u), k.let("v|b1", v)
        w = maybe(p, k, "w|b2", 1.0 - u - v)
        ids = [wp.mesh_get_index(mesh.id, c.face * 3 + j) for j in range(3)]
        if p.chance(0.6):
            ids = [k.let(h, i) for h, i in zip(("i0|ia", "i1|ib", "i2|ic"), ids, strict=True)]
        value = data[ids[0]] * u + data[ids[1]] * v + data[ids[2]] * w
        if p.chance(0.35):
            fade = k.let(
                "fade|falloff|weight",
                wp.exp(
                    -wp.length(c.point - x) / k.param("falloff_dist|sigma|blend_radius", 0.1, 1.0)
                ),
            )
            value = value * fade
        if p.chance(0.2):
            with k.when(all_of(u > 0.0, v > 0.0, u + v < 1.0)):
                k.do(wp.atomic_add(k.out("interior_hits|face_hits", T.I32, (1,)), 0, 1))
        out.store(value)
