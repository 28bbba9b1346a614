"""Small steps on rays: advancing, reflecting, transforming, clipping, single tests."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _primitives as prim
from generator.synthesis.categories._rays import Ray, maybe, num, stored_ray
from generator.synthesis.categories._shading import refraction
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def write(p: ProgramBuilder) -> None:
    """One of the steps."""
    p.pick(advance, reflect, to_local, one_shape, clip)(p)


def advance(p: ProgramBuilder) -> None:
    """Points along rays at stored distances."""
    k = p.kernel_builder(
        "advance_rays|ray_points|hit_positions|points_along_rays|unpack_depth|move_origins",
        p.pick("Points at the given distances.", ""),
    )
    e = Entities(k, "ray")
    ray = stored_ray(p, e)
    t = e.field("t|distances|hit_t|depths", p.real, R.uniform(-0.5, 4.0))
    out = e.out("points|positions|hit_points|x_out", p.vec())
    distance = maybe(p, k, "t_i|s|dist", t.own)
    form = p.pick("plain", "clamp", "miss", "offset", "jump")
    if form == "plain":
        out.store(ray.at(distance))
    elif form == "clamp":
        out.store(
            ray.at(
                wp.clamp(
                    distance,
                    k.param("t_near|near_clip", 0.01, 0.2),
                    k.param("t_far|far_clip", 2.0, 5.0),
                )
            )
        )
    elif form == "miss":
        with k.when(t.own < 0.0 if p.chance(0.5) else t.own <= 0.0):
            if p.chance(0.5):
                out.store(k.quantity("invalid|miss_point|fill_value", p.vec(), [0.0, 0.0, 0.0]))
            k.ret()
        out.store(ray.at(distance))
    elif form == "offset":
        n = e.field("normals|hit_normals", p.vec(), R.unit_vectors()).own
        out.store(ray.at(distance) + n * k.param("bias|eps|ray_offset", 1.0e-4, 1.0e-2))
    else:
        out.store(wp.where(t.own > 0.0, ray.at(distance), ray.origin))
        if p.chance(0.5):
            e.out("travelled|path_length|s_out", p.real).store(wp.max(t.own, num(p, 0.0)))


def reflect(p: ProgramBuilder) -> None:
    """Mirror or refract directions at stored normals."""
    k = p.kernel_builder(
        "reflect_rays|mirror_directions|bounce_dirs|reflect|specular_bounce|redirect",
        p.pick("Mirror reflection at the hit normals.", ""),
    )
    e = Entities(k, "ray")
    v = p.vec()
    out = e.out("reflected|dirs_out|d_out|bounced", v)
    hints = {"d": "directions|ray_dirs|incident|d_in", "n": "normals|hit_normals|nrm"}
    fields = {h: e.field(hints[h], v, R.unit_vectors()) for h in p.shuffled(["d", "n"])}
    e.guard((out, fields["d"].own))
    words = {"d": "d|wi|incident_dir", "n": "n|normal|nn"}
    names = {h: k.var(words[h], fields[h].own) for h in p.shuffled(["d", "n"])}
    d, n = names["d"], names["n"]
    if p.chance(0.25):
        with k.when(wp.dot(d, n) > 0.0):
            k.set(n, -n)
    mirrored = d - n * (2.0 * wp.dot(d, n)) if p.chance(0.6) else d - 2.0 * wp.dot(n, d) * n
    if p.chance(0.2):
        mirrored = k.let("m|r|mirrored", wp.normalize(mirrored) if p.chance(0.3) else mirrored)
    match p.pick("plain", "piece", "only_front", "refract", "rough", "loss"):
        case "plain":
            out.store(mirrored)
        case "piece":
            out.store(
                piece(
                    p,
                    k,
                    "mirror|reflect_about|reflection",
                    {"d|wi": d, "n|normal": n},
                    lambda b, a, c: a - c * (2.0 * wp.dot(a, c)),
                    probability=0.6,
                )
            )
        case "only_front":
            with k.when(wp.dot(d, n) < 0.0):
                out.store(mirrored)
            with k.otherwise():
                out.store(d)
        case "refract":
            f = refraction(p)
            eta = e.property("eta|ior|index_ratio", 0.6, 1.4)
            out.store(f(d, n, eta))
        case "rough":
            jitter = e.field("jitter|offsets|micro_normals", p.vec(), R.uniform(-0.1, 0.1)).own
            out.store(wp.normalize(mirrored + jitter * k.param("roughness|gloss", 0.05, 0.5)))
        case "loss":
            energy = e.inout("energy|power|amplitude", p.real, R.uniform(0.2, 1.0))
            out.store(mirrored)
            energy.store(energy.own * k.param("reflectance|albedo|mirror_loss", 0.2, 0.95))


def to_local(p: ProgramBuilder) -> None:
    """Rays in the frame of a moving shape."""
    k = p.kernel_builder(
        "rays_to_local|transform_rays|to_shape_frame|rays_in_body_frame|world_to_object",
        p.pick("Rays in the frame of their shape.", ""),
    )
    e = Entities(k, "ray")
    ray = stored_ray(p, e)
    inward = p.chance(0.7)
    if not inward:
        k.comment(p.pick("back to the world", "to world space"))
    o, d = _change_frame(p, k, e, ray, inward)
    if p.chance(0.3):
        scale = k.quantity("shape_scale|scale|size", p.vec(), [0.5, 1.0, 2.0])
        o, d = wp.cw_div(o, scale), wp.cw_div(d, scale)
    if p.chance(0.3):
        d = wp.normalize(d)
    words = ("local_origins|o_local|origins_out", "local_dirs|d_local|dirs_out")
    results = [(words[0], o), (words[1], d)]
    if p.chance(0.3):
        results = [
            (h, maybe(p, k, n, r, 0.8))
            for (h, r), n in zip(results, ("o_s|ol", "d_s|dl"), strict=True)
        ]
    if p.chance(0.15):
        results.pop(0)
    for hint, value in p.shuffled(results):
        e.out(hint, p.vec()).store(value)


def _change_frame(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, ray: Ray, inward: bool
) -> tuple[Expr, Expr]:
    kind = p.pick("transform", "quat", "matrix", "per_shape", "per_ray")
    if kind == "quat":
        c = k.quantity("shape_pos|center|offset", p.vec(), [0.3, 0.1, -0.2])
        q = k.quantity("shape_rot|rotation|q", p.quat, [0.0, 0.6, 0.0, 0.8])
        if inward:
            return wp.quat_rotate_inv(q, ray.origin - c), wp.quat_rotate_inv(q, ray.direction)
        return wp.quat_rotate(q, ray.origin) + c, wp.quat_rotate(q, ray.direction)
    if kind == "matrix":
        m = k.quantity("obj_rot|rot|R", p.mat(), [0.8, 0.0, 0.6, 0.0, 1.0, 0.0, -0.6, 0.0, 0.8])
        shift = k.quantity("translation|shift|t_vec", p.vec(), [0.5, 0.0, -0.5])
        if inward:
            m = maybe(p, k, "inv_rot|Rt|m_inv", wp.transpose(m), 0.9)
            return m * (ray.origin - shift), m * ray.direction
        return m * ray.origin + shift, m * ray.direction
    if kind == "transform":
        pose = k.quantity(
            "shape_pose|X_ws|body_q", p.transform, [0.2, 0.4, 0.1, 0.0, 0.0, 0.6, 0.8]
        )
    elif kind == "per_ray":
        pose = e.field("sensor_poses|X_ws|frames", p.transform, R.rigid(-1.0, 1.0)).own
    else:
        shapes = p.pick(4, 6, 8)
        poses = k.array(
            "shape_poses|body_q|shape_transforms", p.transform, (shapes,), R.rigid(-1.0, 1.0)
        )
        pose = poses[e.field("shape_ids|ray_shape|body_ids", T.I32, R.integers(0, shapes)).own]
    x = (
        k.let("inv|X_inv|to_local", wp.transform_inverse(pose))
        if inward
        else k.let("X|tf|pose", pose)
    )
    return wp.transform_point(x, ray.origin), wp.transform_vector(x, ray.direction)


def one_shape(p: ProgramBuilder) -> None:
    """Every ray against one shape given by parameters."""
    k = p.kernel_builder(
        "intersect_one|ray_test|test_rays|hits_shape|raycast_shape|probe_shape",
        p.pick("Test every ray against one shape.", ""),
    )
    e = Entities(k, "ray")
    ray = stored_ray(p, e)
    v = p.vec()
    match p.pick("sphere", "plane", "box", "disc", "triangle"):
        case "sphere":
            args = [
                k.quantity("center|sphere_pos", v, [0.1, 0.2, 0.0]),
                e.property("radius|sphere_radius", 0.5, 1.5),
            ]
            t = prim.ray_sphere(p)(ray.origin, ray.direction, *args)
        case "plane":
            args = [
                k.quantity("plane_normal|normal|up", v, [0.0, 1.0, 0.0]),
                e.property("height|offset|plane_d", 0.1, 1.0),
            ]
            t = prim.ray_plane(p)(ray.origin, ray.direction, *args)
        case "box":
            args = [
                k.quantity("lower|box_min", v, [-1.0, -0.8, -1.2]),
                k.quantity("upper|box_max", v, [1.0, 0.9, 1.1]),
            ]
            t = prim.ray_box(p)(ray.origin, ray.direction, *args)
        case "disc":
            args = [
                k.quantity("center|lens_pos", v, [0.0, 0.0, 0.5]),
                k.quantity("axis|normal", v, [0.0, 0.0, 1.0]),
                e.property("radius|aperture", 0.8, 2.0),
            ]
            t = prim.ray_disc(p)(ray.origin, ray.direction, *args)
        case _:
            args = [
                k.quantity(h, v, c)
                for h, c in (
                    ("a|v0", [-2.0, -1.0, 0.0]),
                    ("b|v1", [2.0, -1.0, 0.0]),
                    ("c|v2", [0.0, 2.0, 0.0]),
                )
            ]
            t = prim.ray_triangle(p)(ray.origin, ray.direction, *args)
    _store_test(p, k, e, ray, t)


def _store_test(p: ProgramBuilder, k: KernelBuilder, e: Entities, ray: Ray, t: Expr) -> None:
    match p.pick("t", "mask", "both", "point", "count"):
        case "t":
            e.out("t_out|hit_t|distances", p.real).store(t)
        case "mask":
            e.out("hits|hit_mask|is_hit", T.I32).store(
                choose(t > 0.0, 1, 0) if p.chance(0.5) else wp.where(t >= 0.0, 1, 0)
            )
        case "both":
            t = k.let("t|dist", t)
            e.out("t_out|hit_t|distances", p.real).store(t)
            with k.when(t > 0.0):
                e.out("hits|hit_mask", T.I32).store(1)
        case "point":
            t = k.let("t|dist", t)
            with k.when(t > 0.0):
                e.out("hit_points|positions", p.vec()).store(ray.at(t))
        case "count":
            limit = k.param("t_max|max_distance|reach", 2.0, 20.0)
            t = k.let("t|dist", t)
            with k.when(all_of(t > 0.0, t < limit)):
                k.do(wp.atomic_add(k.out("hit_count|num_hits", T.I32, (1,)), 0, 1))


def clip(p: ProgramBuilder) -> None:
    """The interval of each ray inside a box."""
    k = p.kernel_builder(
        "clip_rays|ray_bounds|box_interval|near_far|ray_aabb_range|clip_to_volume",
        p.pick("Entry and exit of every ray.", "Near and far distances inside the bounds.", ""),
    )
    e = Entities(k, "ray")
    ray = stored_ray(p, e)
    v = p.vec()
    lo = k.quantity("lower|box_min|bounds_min", v, [-1.5, -1.5, -1.5])
    hi = k.quantity("upper|box_max|bounds_max", v, [1.5, 1.5, 1.5])

    def interval(b: Block, o: Expr, d: Expr, low: Expr, high: Expr) -> None:
        a, c = b.let("t0|ta", wp.cw_div(low - o, d)), b.let("t1|tb", wp.cw_div(high - o, d))
        near = b.let("near_v|small|t_small", wp.min(a, c))
        far_ = b.let("far_v|large|t_large", wp.max(a, c))
        b.ret(wp.max(near), wp.min(far_))

    f = p.func(
        "slab_interval|ray_box_range|aabb_interval",
        {"o|origin": v, "d|dir": v, "lo|lower": v, "hi|upper": v},
        interval,
    )
    near, far_ = k.unpack(
        ["t_near|t_in|t0", "t_far|t_out|t1"], f(ray.origin, ray.direction, lo, hi)
    )
    near_out, far_out = (
        e.out("t_start|near_out|entry", p.real),
        e.out("t_end|far_out|exit_t", p.real),
    )
    if p.chance(0.6):
        with k.when(near > far_):
            near_out.store(num(p, -1.0))
            far_out.store(num(p, -1.0))
            k.ret()
    near_out.store(wp.max(near, 0.0))
    far_out.store(far_)
    if p.chance(0.35):
        e.out("num_steps|samples_per_ray|step_count", T.I32).store(
            construct(T.I32, wp.max(far_ - near, 0.0) / k.param("step_size|ds|spacing", 0.05, 0.3))
        )
