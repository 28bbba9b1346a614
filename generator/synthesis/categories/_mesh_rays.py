"""Rays against meshes: casts, pictures, occlusion, and short forms of them."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._mesh import Closest, Mesh, mesh_argument, ray
from generator.synthesis.categories._rays import Ray, camera_ray, stored_ray
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


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
    grouped = p.chance(0.5)
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
    ids = [wp.mesh_get_index(mesh.id, c.face * 3 + j if j else c.face * 3) for j in range(3)]
    return wp.normalize(normals[ids[0]] * u + normals[ids[1]] * v + normals[ids[2]] * (1.0 - u - v))


def _interpolate(b: Block, mesh: Expr, normals: Expr, face: Expr, u: Expr, v: Expr) -> None:
    ids = [
        b.let(h, wp.mesh_get_index(mesh, face * 3 + j if j else face * 3))
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


# --- light paths ----------------------------------------------------------------------------------


def path(p: ProgramBuilder) -> None:
    """A light path per pixel over a mesh with per-face materials."""
    k = p.kernel_builder(
        "path_trace_mesh|render_global_illumination|trace_light_paths|mesh_path_tracer|render_paths",
        p.pick(
            "Path trace the mesh, one sample per pixel.", "Global illumination by random walks.", ""
        ),
    )
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((8, 12), (12, 12), (12, 16))
    )
    mesh = mesh_argument(p, k)
    seed = k.scalar("seed|frame|sample_index", T.I32, 4)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, g.index[0] * g.extent(1) + g.index[1]))
    first = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    o, d = k.var("o|start|ray_o", first.origin), k.var("rd|heading|ray_d", first.direction)
    beta, total = (
        k.var("beta|throughput", construct(T.VEC3, 1.0)),
        k.var("radiance|light|color", construct(T.VEC3, 0.0)),
    )
    albedo = k.array("face_albedo|albedo|reflectance", T.VEC3, (mesh.faces,), R.uniform(0.2, 0.9))
    sun = k.quantity("sun_dir|light_dir", T.VEC3, [0.36, 0.8, 0.48]) if p.chance(0.6) else None
    far = k.param("max_t|far_plane", 10.0, 50.0)
    with k.loop(
        "depth|bounce|b", k.count("max_bounces|max_depth|num_bounces", p.pick(2, 3, 4, 5))
    ) as depth:
        c = ray(p, k, mesh.id, o, d, far)
        with k.when(negate(c.hit)):
            k.aug(total, "+", wp.cw_mul(beta, shading.background(p, k, Ray(o, d))))
            k.brk()
        n = k.var("n|normal", c.part("normal") if p.chance(0.7) else smooth_normal(p, k, mesh, c))
        with k.when(wp.dot(n, d) > 0.0):
            k.set(n, -n)
        x = k.let("x|hit_pos|pt", o + d * c.part("t") + n * p.pick(1.0e-3, 1.0e-4))
        if p.chance(0.3):
            glow = k.array("face_emission|emission", T.VEC3, (mesh.faces,), R.uniform(0.0, 0.5))
            k.aug(total, "+", wp.cw_mul(beta, glow[c.face]))
        k.set(beta, wp.cw_mul(beta, albedo[c.face]))
        if sun is not None:
            _sunlight(p, k, mesh, x, n, sun, far, beta, total)
        if p.chance(0.4):
            with k.when(depth >= p.pick(1, 2)):
                q = k.let("q|survive", wp.clamp(wp.max(beta), 0.05, 0.95))
                with k.when(wp.randf(state) > q):
                    k.brk()
                k.set(beta, beta / q)
        k.set(o, x)
        k.set(d, wp.normalize(n + wp.sample_unit_sphere_surface(state)))
    k.step()
    _film(p, k, g, total)


def _sunlight(
    p: ProgramBuilder,
    k: KernelBuilder,
    mesh: Mesh,
    x: Expr,
    n: Expr,
    sun: Expr,
    far: Expr,
    beta: Expr,
    total: Name,
) -> None:
    facing = k.let("facing|ndl|cos_sun", wp.dot(n, sun))
    power = k.param("sun_power|sun_intensity", 0.5, 4.0)
    clear = negate(wp.mesh_query_ray_anyhit(mesh.id, x, sun, far))
    if p.chance(0.5):
        with k.when(all_of(facing > 0.0, clear)):
            k.aug(total, "+", beta * (facing * power))
        return
    with k.when(facing > 0.0), k.when(clear):
        k.aug(total, "+", beta * (facing * power))


def _film(p: ProgramBuilder, k: KernelBuilder, g: Grid, total: Name) -> None:
    if p.chance(0.4):
        k.set(
            total, wp.min(total, construct(T.VEC3, k.param("clamp_value|firefly_limit", 2.0, 20.0)))
        )
    if p.chance(0.5):
        film = g.inout("film|accum|image", T.VEC3, R.uniform(0.0, 1.0))
        film.store(film.own + total)
        if p.chance(0.5):
            count = g.inout("sample_count|weights|spp", T.F32, R.constant(1.0))
            count.store(count.own + 1.0)
        return
    g.out("pixels|image|color_out", T.VEC3).store(shading.tone(p, k, total))
