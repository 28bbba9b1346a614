"""Ray casting: cameras, analytic primitives, shading, path steps, BVHs and voxel walks."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _bvh_rays as bvh
from generator.synthesis.categories import _paths as paths
from generator.synthesis.categories import _pixel_points as pixels
from generator.synthesis.categories import _scene as scene
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories import _short_rays as short
from generator.synthesis.categories import _voxel_rays as voxels
from generator.synthesis.categories._rays import Ray, camera_ray, maybe
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name

REAL = {  # intents that double precision suits: no random numbers, no queries
    "camera": 2.0, "primitives": 2.4, "shade": 2.2, "render": 2.4, "lens": 1.2, "short": 4.2, "pixels": 3.0,
}  # fmt: skip
SINGLE = {
    "bvh": 4.2, "path": 1.4, "path_trace": 2.2, "lidar": 1.4, "voxels": 1.6, "terrain": 1.0,
}  # fmt: skip


@category("ray_casting", version=1, title="Ray casting")
def write(p: ProgramBuilder) -> None:
    """Rays from cameras, range sensors and light paths against spheres, boxes, triangles, BVHs, voxel grids and
    height fields; ray generation, nearest and any hits, shading, shadows, path-tracing steps, lens systems."""
    intent = p.weighted(REAL | SINGLE)
    p.real = T.F64 if intent in REAL and p.on("double") else T.F32
    writers = {
        "camera": generate_rays, "primitives": scene.trace_primitives, "shade": shading.shade_hits,
        "render": render, "lens": lens_system, "short": short.write, "pixels": pixels.write,
        "bvh": bvh.write, "path": paths.path_step, "path_trace": paths.path_trace, "lidar": lidar,
        "voxels": voxels.walk, "terrain": voxels.height_field,
    }  # fmt: skip
    writers[intent](p)


# --- camera rays ----------------------------------------------------------------------------------


def generate_rays(p: ProgramBuilder) -> None:
    """Primary rays of a camera, one thread a pixel."""
    k = p.kernel_builder(
        "generate_rays|camera_rays|primary_rays|make_rays|init_rays|pixel_to_ray|setup_camera_rays",
        p.pick(
            "Primary rays through the pixel centres.", "Build one world-space ray per pixel.", ""
        ),
    )
    g = Grid(k, "row|y|i|iy col|x|j|ix", boundary="clamp")
    ray = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    outputs = p.sample(["origin", "direction", "t", "depth_scale"], 2, 3)
    if "direction" not in outputs:
        outputs.append("direction")
    k.step()
    for what in outputs:
        if what == "origin":
            near = p.chance(0.3)
            start = ray.at(k.param("near_plane|z_near|t_near", 0.01, 0.3)) if near else ray.origin
            g.out("ray_origins|origins|ray_o", p.vec()).store(start)
        elif what == "direction":
            g.out("ray_dirs|directions|ray_d", p.vec()).store(ray.direction)
        elif what == "t":
            g.out("t_max|ray_length|closest_t", p.real).store(
                k.param("far_plane|max_range|t_far", 10.0, 100.0)
            )
        else:
            forward = k.quantity("view_dir|optical_axis|forward", p.vec(), [0.0, 0.0, -1.0])
            g.out("cos_view|depth_factor|pixel_cos", p.real).store(wp.dot(ray.direction, forward))


# --- rendering an analytic scene ------------------------------------------------------------------


def render(p: ProgramBuilder) -> None:
    """A whole picture: camera ray, nearest hit, shading, shadow ray, tone curve."""
    k = p.kernel_builder(
        "render|render_scene|draw|ray_trace|render_frame|raytrace_image|render_pixels",
        p.pick(
            "Render one frame of an analytic scene.",
            "Trace a primary and a shadow ray per pixel.",
            "",
        ),
    )
    g = Grid(
        k,
        "row|y|i|iy col|x|j|ix",
        boundary="clamp",
        shape=p.pick((16, 16), (20, 24), (24, 32), (16, 32)),
    )
    ray = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    k.step(p.pick("nearest hit", "intersect the scene", ""))
    best = scene.far_limit(p, k, "t_best|closest|t_min")
    winner = k.var("hit_id|best|hit|prim_id", -1)
    shapes = [scene.nearest(p, k, p.pick(*scene.SHAPES), ray, best, winner)]
    if p.chance(0.3):
        shapes.append(scene.spheres(p, k, 4))
        second = shapes[1]
        offset = shapes[0].count
        with k.loop("m|s2|ball", second.data.dim(0)) as m:
            t = k.let("t2|dist2|ts", second.hit(ray, m))
            with k.when(all_of(t > 0.0, t < best)):
                k.set(best, t)
                k.set(winner, m + offset)
    if p.chance(0.4):
        shading.ground_plane(p, k, ray, best, winner)
    pixels = g.out("pixels|image|framebuffer|color_out", p.vec())
    sky = shading.background(p, k, ray)
    if p.chance(0.6):
        with k.when(winner == -1):
            pixels.store(sky)
            k.ret()
    x = k.let("x|hit_pos|p_hit", ray.at(best))
    n = k.var("n|normal|ns", construct(p.vec(), 0.0, 1.0, 0.0))
    if len(shapes) == 2:
        with k.when(winner >= shapes[0].count):
            k.set(n, shapes[1].normal(x, winner - shapes[0].count))
        with k.elsewhen(winner >= 0):
            k.set(n, shapes[0].normal(x, winner))
    else:
        with k.when(winner >= 0):
            k.set(n, shapes[0].normal(x, winner))
    color = shading.lit(p, k, x, n, ray)
    k.step()
    if p.chance(0.5):
        color = wp.lerp(
            color, sky, 1.0 - wp.exp(-best * k.param("fog_density|haze|extinction", 0.01, 0.2))
        )
    pixels.store(shading.tone(p, k, wp.where(winner == -1, sky, color)))
    if p.chance(0.5):
        g.out("depth|depth_map|z_buffer", p.real).store(best)


# --- range sensors --------------------------------------------------------------------------------


def lidar(p: ProgramBuilder) -> None:
    """A spinning range sensor over analytic obstacles."""
    k = p.kernel_builder(
        "lidar_scan|simulate_lidar|range_scan|scan_ranges|lidar_rays|laser_scan",
        p.pick(
            "Simulate one revolution of a multi-beam lidar.",
            "Range readings of a scanning sensor.",
            "",
        ),
    )
    g = Grid(
        k,
        "channel|ring|beam|row azimuth|col|step|az",
        boundary="clamp",
        shape=p.pick((8, 32), (16, 24), (4, 64)),
    )
    ring, step = g.index
    if p.chance(0.5):
        low, high = (
            k.param("fov_down|elev_min|min_elevation", 0.1, 0.5),
            k.param("fov_up|elev_max|max_elevation", 0.1, 0.5),
        )
        share = construct(T.F32, ring) / construct(T.F32, g.extent(0) - 1)
        elev = k.let("elev|elevation|pitch", share * (low + high) - low)
    else:
        table = k.array(
            "elevations|beam_angles|channel_pitch", T.F32, (g.shape[0],), R.ascending(-0.4, 0.3)
        )
        elev = k.let("elev|elevation|pitch", table[ring])
    turn = k.let(
        "yaw|az_angle|theta", construct(T.F32, step) * 6.2831853 / construct(T.F32, g.extent(1))
    )
    c = k.let("ce|cos_e|horizontal", wp.cos(elev))
    local = construct(T.VEC3, c * wp.cos(turn), c * wp.sin(turn), wp.sin(elev))
    if p.chance(0.5):
        pose = k.quantity(
            "sensor_pose|lidar_tf|X_ws", T.TRANSFORM, [0.1, 0.2, 0.5, 0.0, 0.0, 0.0, 1.0]
        )
        o = k.let("o|origin|sensor_pos", wp.transform_get_translation(pose))
        d = k.let("d|direction|beam", wp.transform_vector(pose, local))
    else:
        o = k.quantity("sensor_pos|origin|mount", T.VEC3, [0.1, 0.2, 0.4])
        d = k.let("d|direction|beam", local)
    ray = Ray(o, d)
    limit = k.param("max_range|range_max|r_max", 5.0, 30.0)
    best = k.var("range|r|t_best|reading".replace("range|", ""), limit)
    winner = k.var("target|hit|hit_id", -1)
    shape = scene.nearest(p, k, p.pick(*scene.SHAPES), ray, best, winner)
    ranges = g.out("ranges|distances|scan", T.F32)
    k.step()
    if p.chance(0.45):
        seed = k.scalar("seed|noise_seed|frame", T.I32, 7)
        state = k.let("state|rng|rand_state", wp.rand_init(seed, ring * g.extent(1) + step))
        sigma = k.param("range_noise|sigma|noise_std", 0.005, 0.05)
        with k.when(winner >= 0):
            k.aug(best, "+", sigma * wp.randn(state))
    extra = p.sample(["intensity", "cloud", "hits", "dropout"], 0, 2)
    if "dropout" in extra:
        near = k.param("min_range|blind_zone|range_min", 0.05, 0.4)
        with k.when(all_of(winner >= 0, best < near)):
            k.set(best, 0.0)
    ranges.store(best)
    if "intensity" in extra:
        gain = k.param("intensity_gain|power|gain", 0.5, 5.0)
        with k.when(winner >= 0):
            facing = k.let(
                "cos_inc|facing|incidence", wp.abs(wp.dot(d, shape.normal(ray.at(best), winner)))
            )
            g.out("intensity|returns|reflectivity", T.F32).store(
                gain * facing / wp.max(best * best, 0.01)
            )
    if "cloud" in extra:
        g.out("points|cloud|point_cloud", T.VEC3).store(
            wp.where(winner >= 0, o + d * best, construct(T.VEC3))
        )
    if "hits" in extra:
        with k.when(winner >= 0):
            k.do(
                wp.atomic_add(
                    k.out("hits_per_ring|ring_hits|valid_returns", T.I32, (g.shape[0],)), ring, 1
                )
            )


# --- optics ---------------------------------------------------------------------------------------


def lens_system(p: ProgramBuilder) -> None:
    """Sequential ray trace through the spherical surfaces of a lens."""
    k = p.kernel_builder(
        "trace_lens|sequential_trace|propagate_through_lens|trace_optics|refract_sequence",
        p.pick(
            "Trace rays through a stack of spherical surfaces.",
            "Sequential real-ray trace of a lens.",
            "",
        ),
    )
    e = Entities(k, "ray")
    v, surfaces = p.vec(), p.pick(3, 4, 6)
    height = e.field("pupil_points|entry_points|start_xy", p.vec(2), R.uniform(-0.4, 0.4)).read(
        "h|uv|pupil"
    )
    o = k.var("o|x|pos|ray_o", construct(v, height.x, height.y, p.pick(-1.0, -2.0, 0.0)))
    d = k.var("d|dir|u|ray_d", construct(v, 0.0, 0.0, 1.0))
    curvature = k.array("curvatures|surface_curv|c_surf", p.real, (surfaces,), R.uniform(-0.4, 0.4))
    vertex = k.array("vertex_z|surface_z|z_pos", p.real, (surfaces,), R.ascending(0.2, 2.0))
    index = k.array(
        "refractive_index|n_after|media_index", p.real, (surfaces,), R.uniform(1.0, 1.7)
    )
    n1 = k.var("n_in|n1|n_before", 1.0, p.real)
    ok = k.var("alive|ok|valid", 1) if p.chance(0.6) else None
    stop = (
        k.array("apertures|semi_diameter|clear_radius", p.real, (surfaces,), R.uniform(0.4, 1.0))
        if p.chance(0.4)
        else None
    )
    length = k.var("opl|optical_path|path_sum", 0.0, p.real) if p.chance(0.35) else None
    refract = shading.refraction(p)
    with k.loop("s|surf|j", surfaces if p.chance(0.3) else curvature.dim(0)) as s:
        c = k.let("c|curv|kappa", curvature[s])
        q = k.let("q|rel|local", o - construct(v, 0.0, 0.0, vertex[s]))
        # Distance to the surface: the root that passes to the vertex plane for a flat surface.
        f = k.let("f|ff|a_term", c * wp.dot(q, q) - 2.0 * q.z)
        h = k.let("g|gg|b_term", d.z - c * wp.dot(d, q))
        disc = k.let("disc|under|radicand", h * h - c * f)
        with k.when(disc < 0.0):
            if ok is not None:
                k.set(ok, 0)
            k.brk()
        t = k.let("t|step|path", f / (h + wp.sqrt(disc)))
        k.set(o, o + d * t)
        if stop is not None:
            with k.when(o.x * o.x + o.y * o.y > stop[s] * stop[s]):
                if ok is not None:
                    k.set(ok, 0)
                k.brk()
        if length is not None:
            k.aug(length, "+", n1 * t)
        n = k.let(
            "n|normal|surf_n",
            construct(v, 0.0, 0.0, 1.0) - (o - construct(v, 0.0, 0.0, vertex[s])) * c,
        )
        k.set(d, refract(d, n, n1 / index[s]))
        k.set(n1, index[s])
    if length is not None:
        e.out("path_lengths|opl_out|optical_paths", p.real).store(length)
    _image_plane(p, k, e, o, d, ok)


def _image_plane(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, o: Expr, d: Expr, ok: Name | None
) -> None:
    sensor = k.param("sensor_z|image_z|focal_plane", 3.0, 6.0)
    spots = e.out("image_points|spots|landing", p.vec(2))
    if ok is not None:
        with k.when(ok == 0):
            k.ret()
    t = maybe(p, k, "t_img|to_sensor|last", (sensor - o.z) / wp.max(d.z, 0.05))
    hit = k.let("hit|landing_pt|y", o + d * t)
    spots.store(construct(p.vec(2), hit.x, hit.y))
    if p.chance(0.5):
        total = k.out("spot_size|rms_sum|spread", p.real, (1,))
        k.do(wp.atomic_add(total, 0, hit.x * hit.x + hit.y * hit.y))
    if p.chance(0.3):
        e.out("exit_dirs|final_dirs|directions_out", p.vec()).store(d)
