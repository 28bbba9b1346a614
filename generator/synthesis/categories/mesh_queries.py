"""Queries of triangle meshes: closest points, signs, rays, boxes, surface attributes, contact."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _mesh_bodies as bodies
from generator.synthesis.categories import _mesh_contact as contact
from generator.synthesis.categories import _mesh_faces as faces
from generator.synthesis.categories import _mesh_integrals as integrals
from generator.synthesis.categories import _mesh_motion as motion
from generator.synthesis.categories import _mesh_occlusion as occlusion
from generator.synthesis.categories import _mesh_probes as probes
from generator.synthesis.categories import _mesh_rays as rays
from generator.synthesis.categories import _mesh_samples as samples
from generator.synthesis.categories import _mesh_sensors as sensors
from generator.synthesis.categories._mesh import (
    POINTS,
    Closest,
    Mesh,
    closest,
    found,
    inside_function,
    mesh_argument,
)
from generator.synthesis.categories._mesh_crossings import crossings, grouped_rays
from generator.synthesis.categories._mesh_extents import extents
from generator.synthesis.categories._mesh_grids import distance_grid, transfer
from generator.synthesis.categories._mesh_hierarchy import capsules, spheres
from generator.synthesis.categories._mesh_kinematics import kinematics
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("mesh_queries", version=1, title="Mesh queries")
def write(p: ProgramBuilder) -> None:
    """Points, particles, bodies and rays against triangle meshes: closest points, inside tests, signed-distance grids,
    contact response, ray casts with shading, box and sphere queries, attribute transfer, sampling, face integrals."""
    writers = {
        project: 4.4, inside: 2.4, distance_grid: 2.4, transfer: 1.6, rays.cast: 2.0, rays.render: 1.0, rays.path: 1.2,
        contact.particles: 3.6, bodies.bodies: 2.0, bodies.avoid: 1.6, faces.nearby: 6.0, faces.pairs: 3.4,
        integrals.integrate: 3.0, samples.sample: 2.0, occlusion.occlusion: 1.2, probes.ground: 1.4,
        probes.sight: 1.2, probes.crossings: 1.2, sensors.height_scan: 1.2, sensors.lidar: 1.2,
        sensors.register: 2.0, motion.continuous: 2.0, motion.sphere_trace: 1.6, motion.shapes: 2.4,
        kinematics: 5.4, extents: 4.0, spheres: 2.8, capsules: 2.4, crossings: 1.8, grouped_rays: 2.2,
    }  # fmt: skip
    p.weighted(writers)(p)


def _moved(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> tuple[Expr, Expr | None]:
    """The point in the mesh's frame, where the mesh has a pose, and that pose."""
    if not p.chance(0.3):
        return x, None
    if p.chance(0.6):
        pose = k.quantity(
            "mesh_pose|X_mesh|shape_tf|body_q", T.TRANSFORM, [0.1, -0.2, 0.1, 0.0, 0.0, 0.6, 0.8]
        )
    else:
        pose = e.field("poses|query_frames|mesh_poses", T.TRANSFORM, R.rigid(-0.3, 0.3)).read(
            "X|tf|pose"
        )
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
    x = e.field(POINTS, T.VEC3, R.uniform(-1.6, 1.6)).read("x|pt|pos|xi")
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
    x = e.field(POINTS, T.VEC3, R.uniform(-1.3, 1.3)).read("x|pt|pos|xi")
    at, _ = _moved(p, k, e, x)
    flag = e.out("inside|is_inside|occupancy|labels", p.pick(T.I32, T.I32, T.BOOL, T.U8))
    if p.chance(0.4):
        _by_crossings(p, k, e, mesh, at, flag)
        return
    limit = k.param("max_dist|max_distance|search_radius", 2.0, 6.0)
    if p.on("helper_function") and p.chance(0.7):
        contained = inside_function(p)(mesh.id, at, limit)
        tally = p.chance(0.4)
        contained = maybe(p, k, "contained|in_solid|is_in", contained, 1.0 if tally else 0.4)
        _set_flag(p, k, flag, contained)
        if tally:
            _tally(p, k, e, contained)
        return
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


# --- attributes -----------------------------------------------------------------------------------
