"""Longer work with meshes: height scanners, lidars, registration, continuous collision, sphere tracing."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import (
    closest,
    found,
    mesh_argument,
    ray,
)
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr, literal


def height_scan(p: ProgramBuilder) -> None:
    """A pattern of vertical rays carried by each robot."""
    k = p.kernel_builder(
        "height_scan|scan_terrain|raycast_heights|sample_terrain|terrain_observations|perceive_terrain",
        p.pick(
            "Terrain heights under the scan pattern of every robot.",
            "One downward ray per robot and pattern point.",
            "",
        ),
    )
    robots, rays = p.pick(6, 8, 12), p.pick(9, 16, 21, 32)
    mesh = mesh_argument(p, k, closed=False, hint="terrain|mesh|ground_mesh|terrain_mesh")
    k.launch_dim = (robots, rays)
    robot, r = k.unpack(
        ["env|robot|world", "ray|r|point"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    offset = k.let(
        "offset|local|pattern_pt",
        k.array("pattern|ray_offsets|scan_points", T.VEC3, (rays,), R.uniform(-0.4, 0.4))[r],
    )
    base, q = _base_pose(p, k, robot, robots)
    full = p.chance(0.4)
    if full:
        x = k.let("x|start|pos", base + wp.quat_rotate(q, offset))
    else:
        yaw = _yaw(p, k, q)
        c, s = k.let("c|cos_yaw", wp.cos(yaw)), k.let("s|sin_yaw", wp.sin(yaw))
        x = k.let(
            "x|start|pos",
            base + construct(T.VEC3, c * offset.x + s * offset.z, 0.0, c * offset.z - s * offset.x),
        )
    lift = k.param("ray_height|start_height|drop_from", 1.0, 3.0)
    down = construct(T.VEC3, 0.0, -1.0, 0.0)
    limit = k.param("max_range|max_drop|scan_depth", 3.0, 8.0)
    out = k.out("heights|height_obs|scan", T.F32, (robots, rays))
    start = k.let("o|top|ray_start", x + construct(T.VEC3, 0.0, 1.0, 0.0) * lift)
    c_ = ray(p, k, mesh.id, start, down, limit)
    value = k.var(
        "h|height|reading",
        k.param("default_height|miss_value|no_hit", 0.1, 1.0)
        if p.chance(0.4)
        else literal(0.0, T.F32),
    )
    with k.when(c_.hit):
        k.set(value, c_.part("t") - lift if p.chance(0.5) else base.y - (start.y - c_.part("t")))
    k.step(p.pick("noise and clipping", "", "post-processing"))
    if p.chance(0.5):
        seed = k.scalar("seed|noise_seed|step_count", T.I32, 9)
        state = k.let("state|rng", wp.rand_init(seed, robot * rays + r))
        k.aug(value, "+", wp.randn(state) * k.param("noise|noise_std|sigma", 0.005, 0.05))
    if p.chance(0.5):
        bound = k.param("clip|max_height|obs_clip", 0.5, 2.0)
        k.set(value, wp.clamp(value, -bound, bound))
    out_value = value * k.param("scale|obs_scale|gain", 0.5, 5.0) if p.chance(0.4) else value
    k.set(out[robot, r], out_value)
    if p.chance(0.35):
        k.set(
            k.out("hit_points|scan_hits|ground_points", T.VEC3, (robots, rays))[robot, r],
            start + down * wp.where(c_.hit, c_.part("t"), limit),
        )


def _base_pose(p: ProgramBuilder, k: KernelBuilder, robot: Expr, robots: int) -> tuple[Expr, Expr]:
    if p.chance(0.6):
        poses = k.array("base_poses|root_q|base_tf", T.TRANSFORM, (robots,), R.rigid(-0.5, 0.5))
        pose = k.let("X|pose|root", poses[robot])
        return k.let("base|p_base|root_pos", wp.transform_get_translation(pose)), k.let(
            "q|rot|quat_b", wp.transform_get_rotation(pose)
        )
    base = k.array("base_pos|root_pos|robot_pos", T.VEC3, (robots,), R.uniform(-0.5, 0.5))
    quats = k.array("base_quat|root_rot|robot_rot", T.QUAT, (robots,), R.rotations())
    return k.let("base|p_base|pos_b", base[robot]), k.let("q|rot|quat_b", quats[robot])


def _yaw(p: ProgramBuilder, k: KernelBuilder, q: Expr) -> Expr:
    def yaw(b: Block, rot: Expr) -> Expr:
        if p.chance(0.5):
            ahead = b.let(
                "fwd|ahead|heading_vec", wp.quat_rotate(rot, construct(T.VEC3, 1.0, 0.0, 0.0))
            )
            return wp.atan2(-ahead.z, ahead.x)
        return wp.atan2(
            2.0 * (rot.w * rot.y + rot.x * rot.z), 1.0 - 2.0 * (rot.y * rot.y + rot.z * rot.z)
        )

    return k.let("yaw|heading", piece(p, k, "yaw_of|heading_angle|quat_yaw", {"q|rot": q}, yaw))


def lidar(p: ProgramBuilder) -> None:
    """A spinning lidar against a mesh."""
    k = p.kernel_builder(
        "lidar_mesh|simulate_lidar|scan_mesh|lidar_scan|range_sensor|spin_lidar",
        p.pick("Simulate a multi-beam lidar over the mesh.", "Ranges of one revolution.", ""),
    )
    g = Grid(
        k,
        "channel|ring|beam azimuth|step|col",
        boundary="clamp",
        shape=p.pick((8, 24), (16, 16), (6, 36)),
    )
    mesh = mesh_argument(p, k, closed=False)
    ring, step = g.index
    table = k.array(
        "elevations|beam_angles|vertical_angles", T.F32, (g.shape[0],), R.ascending(-0.5, 0.4)
    )
    elev = k.let("elev|pitch|phi", table[ring])
    turn = k.let("az|theta|yaw", construct(T.F32, step) / construct(T.F32, g.extent(1)) * 6.2831853)

    def direction(b: Block, a: Expr, t: Expr) -> Expr:
        c = b.let("c|ce|cos_e", wp.cos(a))
        return construct(T.VEC3, c * wp.cos(t), wp.sin(a), c * wp.sin(t))

    local = k.let(
        "local|beam_dir|d_s",
        piece(
            p,
            k,
            "beam_direction|spherical_dir|unit_from_angles",
            {"elev|pitch": elev, "az|yaw": turn},
            direction,
            probability=0.6,
        ),
    )
    pose = k.quantity(
        "sensor_pose|lidar_tf|X_ws", T.TRANSFORM, [0.05, 0.1, 0.0, 0.0, 0.0, 0.0, 1.0]
    )
    o = k.let("o|origin|sensor_pos", wp.transform_get_translation(pose))
    d = k.let("d|direction|ray_dir", wp.transform_vector(pose, local))
    limit = k.param("max_range|range_max|r_max", 4.0, 20.0)
    c = ray(p, k, mesh.id, o, d, limit)
    ranges = g.out("ranges|distances|scan", T.F32)
    with k.when(negate(c.hit)):
        ranges.store(limit if p.chance(0.5) else literal(0.0, T.F32))
        k.ret()
    r = k.var("r|range_i|reading", c.part("t"))
    if p.chance(0.6):
        state = k.let(
            "state|rng",
            wp.rand_init(k.scalar("seed|noise_seed|frame", T.I32, 21), ring * g.extent(1) + step),
        )
        k.aug(r, "+", k.param("sigma|range_noise|noise_std", 0.002, 0.03) * wp.randn(state))
        if p.chance(0.4):
            with k.when(wp.randf(state) < k.param("dropout|drop_rate|p_miss", 0.01, 0.1)):
                k.ret()
    ranges.store(r)
    for what in p.shuffled(p.sample(["cloud", "intensity", "label", "stats", "near"], 0, 3)):
        if what == "cloud":
            g.out("points|cloud|xyz", T.VEC3).store(o + d * r if p.chance(0.5) else local * r)
        elif what == "intensity":
            facing = k.let("cos_inc|facing|incidence", wp.abs(wp.dot(c.part("normal"), d)))
            g.out("intensity|returns|strength", T.F32).store(
                facing * k.param("power|gain|emitted", 0.5, 5.0) / wp.max(r * r, 0.05)
            )
        elif what == "label":
            labels = k.array(
                "face_labels|semantics|classes", T.I32, (mesh.faces,), R.integers(0, 10)
            )
            g.out("labels|class_ids", T.I32).store(labels[c.face])
        elif what == "stats":
            k.do(
                wp.atomic_add(k.out("returns_per_ring|valid_count", T.I32, (g.shape[0],)), ring, 1)
            )
        else:
            k.do(
                wp.atomic_min(
                    k.out("closest|nearest_range|min_range", T.F32, (1,), R.constant(1.0e6)), 0, r
                )
            )


def register(p: ProgramBuilder) -> None:
    """Point-to-plane correspondences and normal equations of a scan against a mesh."""
    k = p.kernel_builder(
        "icp_step|register_scan|align_points|accumulate_normal_equations|point_to_plane|fit_pose",
        p.pick(
            "Accumulate the normal equations of point-to-plane registration.",
            "One linearisation of the alignment problem.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "sample"))
    mesh = mesh_argument(p, k, closed=False)
    source = e.field("source|scan_points|points", T.VEC3, R.uniform(-1.2, 1.2)).own
    pose = k.quantity(
        "pose|current_pose|X_est", T.TRANSFORM, [0.02, -0.03, 0.01, 0.0, 0.0, 0.05, 0.99875]
    )
    x = k.let("x|p_world|moved", wp.transform_point(pose, source))
    c = closest(
        p, k, mesh.id, x, k.param("max_corr_dist|trim|max_dist", 0.3, 1.5), signed=p.chance(0.3)
    )
    with found(p, k, c, 0.7):
        y = k.let("y|target|foot", c.point)
        n = k.let("n|normal", wp.mesh_eval_face_normal(mesh.id, c.face))
        if p.chance(0.5):
            ns = e.field("source_normals|scan_normals", T.VEC3, R.unit_vectors()).own
            with k.when(
                wp.dot(wp.transform_vector(pose, ns), n)
                < k.param("min_cos|normal_gate|cos_limit", 0.05, 0.6)
            ):
                k.ret()
        r = k.let("r|residual|e", wp.dot(n, x - y))
        w = _robust(p, k, r)
        arm = k.let("arm|jr|rot_part", wp.cross(x, n))
        _normal_equations(p, k, e, arm, n, r, w)
        if p.chance(0.5):
            e.out("residuals|point_error|plane_dist", T.F32).store(r)
        k.do(
            wp.atomic_add(
                k.out("cost|total_cost|chi2", T.F32, (1,)), 0, r * r if w is None else w * r * r
            )
        )


def _robust(p: ProgramBuilder, k: KernelBuilder, r: Expr) -> Expr | None:
    form = p.pick("none", "huber", "tukey", "cauchy", "gm")
    if form == "none":
        return None
    scale = k.param("huber_delta|robust_scale|sigma", 0.02, 0.2)

    def body(b: Block, e: Expr, s: Expr) -> None:
        a = b.let("a|mag|abs_e", wp.abs(e))
        if form == "huber":
            with b.when(a <= s):
                b.ret(literal(1.0, T.F32))
            b.ret(s / a)
        elif form == "tukey":
            with b.when(a >= s):
                b.ret(literal(0.0, T.F32))
            t = b.let("t|q", 1.0 - e * e / (s * s))
            b.ret(t * t)
        elif form == "cauchy":
            b.ret(1.0 / (1.0 + a * a / (s * s)))
        else:
            t = b.let("t|q", s * s + a * a)
            b.ret(s * s * s * s / (t * t))

    f = p.func(
        f"{form}_weight|robust_weight|irls_weight",
        {"e|r|residual": T.F32, "s|delta|scale": T.F32},
        body,
    )
    return k.let("w|weight|rho", f(r, scale))


def _normal_equations(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, arm: Expr, n: Expr, r: Expr, w: Expr | None
) -> None:
    form = p.pick("spatial", "vec6", "store")
    if form == "store":
        jac = e.out("jacobians|rows|J", T.SPATIAL)
        row = construct(T.SPATIAL, arm, n)
        jac.store(row if w is None else row * w)
        return
    if form == "spatial":
        j = k.let("J|jac|row", construct(T.SPATIAL, arm, n))
        k.do(
            wp.atomic_add(
                k.out("rhs|gradient|Jtr", T.SPATIAL, (1,)), 0, j * (r if w is None else w * r)
            )
        )
        return
    six = T.Vec(6)
    j = k.let("J|jac|row", construct(six, arm.x, arm.y, arm.z, n.x, n.y, n.z))
    weighted = j if w is None else k.let("Jw|wj", j * w)
    k.do(wp.atomic_add(k.out("hessian|JtJ|H", T.Mat(6, 6), (1,)), 0, wp.outer(weighted, j)))
    k.do(wp.atomic_add(k.out("rhs|gradient|Jtr", six, (1,)), 0, weighted * r))
