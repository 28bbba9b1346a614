"""Rays against meshes: casts, pictures, occlusion, and short forms of them."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast as to
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._mesh import Closest, Mesh, found, mesh_argument, ray
from generator.synthesis.categories._rays import Ray, camera_ray, maybe, stored_ray
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def _root(
    p: ProgramBuilder, k: KernelBuilder, e: Entities | None, mesh: Mesh, grouped: bool
) -> tuple[Expr, ...]:
    """The root of the group that a ray is confined to, where the mesh is grouped."""
    if not grouped:
        return ()
    if e is None or p.chance(0.5):
        group = k.scalar("group|env_id|layer", T.I32, p.pick(0, 1, 3))
    else:
        group = e.field("ray_group|env_ids|groups", T.I32, R.integers(0, 4)).own
    return (k.let("root|group_root|start_node", wp.mesh_get_group_root(mesh.id, group)),)


def cast(p: ProgramBuilder) -> None:
    """Stored rays: distance, face, normal, interpolated data."""
    k = p.kernel_builder(
        "raycast_mesh|cast_rays|mesh_raycast|trace_mesh|shoot_rays|ray_mesh_query|sense_ranges",
        p.pick("Cast every ray against the mesh.", "Nearest triangle hit of each ray.", ""),
    )
    e = Entities(k, p.pick("ray", "beam", "ray"))
    grouped = p.chance(0.18)
    mesh = mesh_argument(p, k, closed=False, grouped=grouped)
    t_out = e.out("hit_t|distances|ranges|depths", T.F32)
    limit = k.param("max_t|max_range|max_distance", 4.0, 20.0)
    e.guard((t_out, limit))
    r = stored_ray(p, e, 2.0)
    r, pose = _local(p, k, r)
    c = ray(p, k, mesh.id, r.origin, r.direction, limit, *_root(p, k, e, mesh, grouped))
    early = p.chance(0.4)
    if early:
        with k.when(negate(c.hit)):
            t_out.store(literal(p.pick(-1.0, 0.0), T.F32))
            k.ret()
        _hit_results(p, k, e, mesh, c, r, pose)
        t_out.store(c.part("t"))
        return
    with k.when(c.hit):
        t_out.store(c.part("t"))
        _hit_results(p, k, e, mesh, c, r, pose)
    if p.chance(0.6):
        with k.otherwise():
            t_out.store(limit if p.chance(0.5) else literal(-1.0, T.F32))


def _local(p: ProgramBuilder, k: KernelBuilder, r: Ray) -> tuple[Ray, Expr | None]:
    if not p.chance(0.3):
        return r, None
    pose = k.quantity(
        "mesh_pose|X_mesh|shape_tf", T.TRANSFORM, [0.1, -0.1, 0.2, 0.0, 0.6, 0.0, 0.8]
    )
    inv = k.let("inv|X_inv|world_to_mesh", wp.transform_inverse(pose))
    o = k.let("o_local|lo|start", wp.transform_point(inv, r.origin))
    return Ray(o, k.let("d_local|ld|heading", wp.transform_vector(inv, r.direction))), pose


def _hit_results(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    mesh: Mesh,
    c: Closest,
    r: Ray,
    pose: Expr | None,
) -> None:
    for what in p.shuffled(
        p.sample(["face", "normal", "point", "bary", "smooth", "back", "label"], 0, 3)
    ):
        match what:
            case "face":
                e.out("face_ids|hit_faces|tri_ids", T.I32).store(c.face)
            case "normal":
                n = c.part("normal")
                e.out("hit_normals|normals|n_out", T.VEC3).store(
                    n if pose is None else wp.transform_vector(pose, n)
                )
            case "point":
                x = r.at(c.part("t")) if p.chance(0.6) else c.point
                e.out("hit_points|positions|p_hit", T.VEC3).store(
                    x if pose is None else wp.transform_point(pose, x)
                )
            case "bary":
                e.out("hit_uv|barycentrics|uv", T.VEC2).store(
                    construct(T.VEC2, c.part("u"), c.part("v"))
                )
            case "smooth":
                e.out("smooth_normals|shading_normals", T.VEC3).store(smooth_normal(p, k, mesh, c))
            case "back":
                e.out("back_facing|from_inside|is_back", T.I32).store(
                    wp.where(c.part("sign") < 0.0, 1, 0)
                )
            case "label":
                labels = k.array(
                    "face_labels|semantic_ids|face_material", T.I32, (mesh.faces,), R.integers(0, 8)
                )
                e.out("labels|hit_class|materials", T.I32).store(labels[c.face])


def smooth_normal(p: ProgramBuilder, k: KernelBuilder, mesh: Mesh, c: Closest) -> Expr:
    """Vertex normals interpolated at a hit."""
    normals = k.array("vertex_normals|normals|smooth_n", T.VEC3, (mesh.vertices,), R.unit_vectors())
    u, v = c.part("u"), c.part("v")
    if p.chance(0.5):
        f = p.func(
            "interpolate_normal|shading_normal|lerp_normal",
            {
                "mesh|mesh_id": mesh.id.type,
                "normals|vn": normals.type,
                "face|f": T.I32,
                "u|b0": T.F32,
                "v|b1": T.F32,
            },
            _interpolate,
        )
        return f(mesh.id, normals, c.face, u, v)
    ids = [wp.mesh_get_index(mesh.id, c.face * 3 + j) for j in range(3)]
    return wp.normalize(normals[ids[0]] * u + normals[ids[1]] * v + normals[ids[2]] * (1.0 - u - v))


def _interpolate(b: Block, mesh: Expr, normals: Expr, face: Expr, u: Expr, v: Expr) -> None:
    ids = [
        b.let(h, wp.mesh_get_index(mesh, face * 3 + j))
        for j, h in enumerate(("i0|ia", "i1|ib", "i2|ic"))
    ]
    b.ret(wp.normalize(normals[ids[0]] * u + normals[ids[1]] * v + normals[ids[2]] * (1.0 - u - v)))


# --- pictures -------------------------------------------------------------------------------------


def render(p: ProgramBuilder) -> None:
    """A picture of a mesh: depth, normals or shading."""
    k = p.kernel_builder(
        "render_mesh|draw_mesh|render_depth|raster_rays|camera_render|render_view|mesh_image",
        p.pick(
            "Render the mesh by casting one ray per pixel.", "Depth and shading of the mesh.", ""
        ),
    )
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((12, 16), (16, 16), (16, 24))
    )
    mesh = mesh_argument(p, k)
    r = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    limit = k.param("max_t|far_plane|max_depth", 5.0, 30.0)
    c = ray(p, k, mesh.id, r.origin, r.direction, limit)
    mode = p.pick("depth", "normal", "lambert", "full", "full")
    if mode == "full":
        _shaded(p, k, g, mesh, c, r, limit)
        return
    if mode == "depth":
        depth = g.out("depth|depth_map|z_image", T.F32)
        axis = p.chance(0.4)
        with k.when(c.hit):
            along = c.part("t")
            forward = (
                k.quantity("view_dir|forward|optical_axis", T.VEC3, [0.0, 0.0, -1.0])
                if axis
                else None
            )
            depth.store(along if forward is None else along * wp.dot(r.direction, forward))
        with k.otherwise():
            depth.store(limit if p.chance(0.6) else literal(0.0, T.F32))
        return
    image = g.out("pixels|image|color_out|frame", T.VEC3)
    color = k.var(
        "color|rgb|shade", k.quantity("background|clear_color|sky", T.VEC3, [0.1, 0.1, 0.2])
    )
    with k.when(c.hit):
        n = k.let(
            "n|normal|ns", c.part("normal") if p.chance(0.6) else smooth_normal(p, k, mesh, c)
        )
        if mode == "normal":
            k.set(color, n * 0.5 + construct(T.VEC3, 0.5))
        else:
            sun = k.quantity("light_dir|sun_dir|key_light", T.VEC3, [0.36, 0.8, 0.48])
            k.set(
                color,
                k.quantity("albedo|base_color|kd", T.VEC3, [0.8, 0.7, 0.6])
                * wp.max(wp.dot(n, sun), p.pick(0.0, 0.05, 0.1)),
            )
    image.store(color)


def _shaded(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, mesh: Mesh, c: Closest, r: Ray, limit: Expr
) -> None:
    image = g.out("pixels|image|color_out|frame", T.VEC3)
    sky = shading.background(p, k, r)
    with k.when(negate(c.hit)):
        image.store(sky)
        k.ret()
    x = k.let("x|hit_pos|pt", r.at(c.part("t")))
    n = k.var("n|normal|ns", c.part("normal") if p.chance(0.5) else smooth_normal(p, k, mesh, c))
    with k.when(wp.dot(n, r.direction) > 0.0):
        k.set(n, -n)
    view = k.let("view|wo|v_dir", -r.direction)
    sun = k.let(
        "l|to_light|sun", wp.normalize(k.quantity("light_dir|sun_dir", T.VEC3, [0.4, 0.8, 0.3]))
    )
    albedo = k.quantity("albedo|base_color|kd", T.VEC3, [0.8, 0.7, 0.6])
    color = k.var("color|radiance|rgb", albedo * k.param("ambient|ambient_level|ka", 0.05, 0.3))
    start = k.let("shadow_o|offset_pos|start", x + n * p.pick(1.0e-3, 1.0e-2))
    k.step(p.pick("shadow ray", "direct light", ""))
    if p.chance(0.7):
        blocked = wp.mesh_query_ray_anyhit(mesh.id, start, sun, limit)
        with k.when(negate(blocked)):
            k.aug(color, "+", albedo * shading.reflection(p, k)(n, sun, view))
    else:
        shadow = ray(p, k, mesh.id, start, sun, limit)
        with k.when(negate(shadow.hit)):
            k.aug(color, "+", albedo * shading.reflection(p, k)(n, sun, view))
    image.store(shading.tone(p, k, color))
    if p.chance(0.4):
        g.out("face_image|ids|id_map", T.I32).store(c.face)


# --- occlusion ------------------------------------------------------------------------------------


def occlusion(p: ProgramBuilder) -> None:
    """Ambient occlusion, sky view or thickness by random or fixed rays."""
    k = p.kernel_builder(
        "ambient_occlusion|bake_ao|sky_visibility|exposure|openness|bake_visibility|shape_diameter",
        p.pick(
            "Share of unoccluded directions at each surface point.",
            "Bake visibility by ray casting.",
            "",
        ),
    )
    e = Entities(k, p.pick("vertex", "texel", "sample"))
    mesh = mesh_argument(p, k)
    x = e.field("positions|points|vertices", T.VEC3, R.uniform(-1.1, 1.1)).read("x|pos|pt")
    n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).read("n|normal")
    start = k.let("o|origin|start", x + n * k.param("bias|offset|epsilon", 1.0e-3, 1.0e-2))
    reach = k.param("max_dist|ao_radius|reach", 0.4, 3.0)
    rays = k.count("num_rays|num_samples|ray_count", p.pick(8, 12, 16, 32))
    seed = k.scalar("seed|frame|rng_seed", T.I32, 5)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, e.index))
    total = k.var("open|unblocked|total", 0.0)
    form = p.pick("anyhit", "falloff", "cosine", "thickness")
    with k.loop("s|_r|ray_id", rays):
        d = _direction(p, k, n, state)
        if form == "anyhit":
            with k.when(negate(wp.mesh_query_ray_anyhit(mesh.id, start, d, reach))):
                k.aug(total, "+", 1.0)
        elif form == "cosine":
            blocked = k.let("blocked|occluded", wp.mesh_query_ray_anyhit(mesh.id, start, d, reach))
            k.aug(
                total,
                "+",
                choose(blocked, literal(0.0, T.F32), wp.dot(d, n))
                if p.chance(0.5)
                else wp.where(blocked, 0.0, wp.dot(d, n)),
            )
        else:
            o, heading = (start, d) if form == "falloff" else (x - n * 1.0e-3, -d)
            c = ray(p, k, mesh.id, o, heading, reach)
            t = query_field(c.query, "t")
            if form == "falloff":
                k.aug(total, "+", wp.where(c.hit, t / reach, 1.0))
            else:
                with k.when(c.hit):
                    k.aug(total, "+", t)
    share = total / to(T.F32, rays)
    out = e.out("ao|visibility|occlusion|sdf_thickness", T.F32)
    out.store(
        wp.pow(share, k.param("ao_power|contrast|gamma", 0.5, 2.0)) if p.chance(0.3) else share
    )


def _direction(p: ProgramBuilder, k: KernelBuilder, n: Expr, state: Expr) -> Expr:
    if p.chance(0.5):
        return k.let("d|dir|wi", wp.normalize(n + wp.sample_unit_sphere_surface(state)))
    d = k.var("d|dir|wi", wp.sample_unit_sphere_surface(state))
    with k.when(wp.dot(d, n) < 0.0):
        k.set(d, -d)
    return d


# --- short forms ----------------------------------------------------------------------------------


def small(p: ProgramBuilder) -> None:
    """Height above a mesh, line of sight, crossing counts, thickness along an axis."""
    k = p.kernel_builder(
        "drop_height|height_scan|line_of_sight|ground_clearance|visibility|thickness_map|snap_to_ground|count_crossings",
        p.pick("Vertical ray per point.", "Clearance above the surface.", "", ""),
    )
    e = Entities(k, p.pick("point", "foot", "sensor", "agent"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field("positions|points|foot_pos|origins", T.VEC3, R.uniform(-1.2, 1.2)).read("x|pt|pos")
    up = p.pick([0.0, 1.0, 0.0], [0.0, 0.0, 1.0])
    form = p.pick("drop", "drop", "sight", "count", "span")
    if form == "count":
        d = k.quantity("axis|direction|scan_dir", T.VEC3, up)
        n = wp.mesh_query_ray_count_intersections(mesh.id, x, d)
        e.out("crossings|hit_count|layers", T.I32).store(n if p.chance(0.5) else n // 2)
        return
    if form == "sight":
        target = (
            k.quantity("target|goal|light_pos", T.VEC3, [0.5, 2.5, 0.3])
            if p.chance(0.6)
            else e.field("targets|goals", T.VEC3, R.uniform(-2.0, 2.0)).own
        )
        line = k.let("line|to_target|delta", target - x)
        dist = k.let("dist|range|length", wp.length(line))
        blocked = wp.mesh_query_ray_anyhit(mesh.id, x, line / dist, dist)
        e.out("visible|clear|line_of_sight", T.I32).store(
            choose(blocked, 0, 1) if p.chance(0.5) else wp.where(blocked, 0, 1)
        )
        return
    lift = k.param("ray_height|start_height|lift", 1.0, 3.0)
    o = maybe(p, k, "o|start|origin", x + construct(T.VEC3, *[u * 1.0 for u in up]) * lift)
    d = construct(T.VEC3, *[-u for u in up])
    c = ray(p, k, mesh.id, o, d, k.param("max_t|max_drop|scan_range", 3.0, 9.0))
    with found(p, k, c):
        t = c.part("t")
        if form == "span":
            e.out("heights|clearance|gap", T.F32).store(t - lift)
            k.do(wp.atomic_max(k.out("max_clearance|highest|peak", T.F32, (1,)), 0, t))
        elif p.chance(0.5):
            e.out("heights|ground_dist|clearance", T.F32).store(t - lift)
        else:
            e.out("snapped|ground_points|contact_points", T.VEC3).store(o + d * t)
            if p.chance(0.5):
                e.out("ground_normals|slopes|n_out", T.VEC3).store(c.part("normal"))
