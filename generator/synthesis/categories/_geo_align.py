"""Registration and thinning of point clouds."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rays import num
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def align(p: ProgramBuilder) -> None:
    """Correspondences, cross-covariances, point-to-plane systems, thinning and transforms of clouds."""
    goals = {
        "search": "find_correspondences|nearest_neighbours|match_points",
        "covariance": "cross_covariance|kabsch_sums|procrustes_accumulate",
        "plane": "point_to_plane_rows|icp_system|linearize_icp",
        "apply": "transform_cloud|apply_pose|move_points",
        "thin": "voxel_downsample|thin_cloud|bin_average",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Registration of point clouds.", "", "Point cloud alignment.")
    )
    e = Entities(k, "point")
    e.guard()
    x = e.field("source|points|cloud", p.vec(), R.uniform(-1.0, 1.0)).read("x|src|xi")
    {"search": _search, "covariance": _cross, "plane": _plane_rows, "apply": _apply, "thin": _thin}[
        goal
    ](p, k, e, x)


def _search(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name) -> None:
    n = p.pick(32, 48, 64)
    target = k.array("target|model_points|reference", p.vec(), (n,), R.uniform(-1.0, 1.0))
    y: Expr = x
    if p.chance(0.5):
        pose = k.quantity(
            "pose|estimate|X_ts", p.transform, [0.05, -0.02, 0.03, 0.0, 0.0, 0.1, 0.995]
        )
        y = k.let("y|moved|xt", wp.transform_point(pose, x))
    best, winner = k.var("best|d2_min|nearest", 1.0e6, p.real), k.var("winner|match_id|arg", -1)
    second = k.var("second|runner_up|d2_next", 1.0e6, p.real) if p.chance(0.35) else None
    normals = None
    if p.chance(0.35):
        normals = k.array("target_normals|model_normals", p.vec(), (n,), R.unit_vectors())
        mine = k.let("nx|own_n", e.field("source_normals|normals", p.vec(), R.unit_vectors()).own)
        gate = k.param("min_cos|normal_gate", 0.05, 0.6)
    with k.loop("j|m|t_id", target.dim(0)) as j:
        if normals is not None:
            with k.when(wp.dot(normals[j], mine) < gate):
                k.cont()
        d = k.let("d|delta", target[j] - y)
        d2 = k.let("d2|r2", wp.dot(d, d))
        with k.when(d2 < best):
            if second is not None:
                k.set(second, best)
            k.set(best, d2)
            k.set(winner, j)
        if second is not None:
            with k.elsewhen(d2 < second):
                k.set(second, d2)
    limit = k.param("max_distance|trim|cutoff", 0.4, 1.5)
    reject = best > limit * limit
    if second is not None:
        reject = (
            (best > limit * limit)
            if p.chance(0.3)
            else best > second * k.param("ratio|lowe_ratio", 0.5, 0.9)
        )
    out = e.out("matches|correspondence|match_ids", T.I32)
    with k.when(reject):
        out.store(-1)
        k.ret()
    out.store(winner)
    e.out("distances|match_distance", p.real).store(wp.sqrt(best))
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("inliers|num_matched", T.I32, (1,)), 0, 1))


def _paired(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Name:
    if p.chance(0.5):
        return k.let(
            "y|tgt|yi", e.field("matched|target_points|paired", p.vec(), R.uniform(-1.0, 1.0)).own
        )
    n = p.pick(48, 64)
    target = k.array("target|model_points", p.vec(), (n,), R.uniform(-1.0, 1.0))
    match = k.let("m|match|j", e.field("matches|correspondence", T.I32, R.integers(-1, n)).own)
    with k.when(match < 0):
        k.ret()
    return k.let("y|tgt|yi", target[match])


def _cross(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name) -> None:
    y = _paired(p, k, e)
    w = (
        k.let("w|wt", e.field("weights|confidence", p.real, R.uniform(0.1, 1.0)).own)
        if p.chance(0.5)
        else None
    )
    if p.chance(0.5):
        cx, cy = (
            k.quantity("source_mean|centroid_s", p.vec(), [0.05, 0.0, -0.02]),
            k.quantity("target_mean|centroid_t", p.vec(), [0.0, 0.1, 0.03]),
        )
        a, b = k.let("a|xc", x - cx), k.let("b|yc", y - cy)
    else:
        a, b = x, y
        k.do(wp.atomic_add(k.out("source_sum|sum_x", p.vec(), (1,)), 0, x if w is None else x * w))
        k.do(wp.atomic_add(k.out("target_sum|sum_y", p.vec(), (1,)), 0, y if w is None else y * w))
    c = wp.outer(a, b)
    k.do(
        wp.atomic_add(k.out("covariance|cross_cov|H", p.mat(), (1,)), 0, c if w is None else c * w)
    )
    if p.chance(0.5):
        d = wp.dot(a - b, a - b)
        k.do(wp.atomic_add(k.out("error|sse", p.real, (1,)), 0, d if w is None else d * w))


def _plane_rows(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name) -> None:
    y = _paired(p, k, e)
    n = k.let("n|normal", e.field("target_normals|normals", p.vec(), R.unit_vectors()).own)
    r = k.let("r|residual", wp.dot(n, x - y))
    arm = k.let("c|arm|xn", wp.cross(x, n))
    six = T.Vec(6, p.real)
    row = construct(six, arm.x, arm.y, arm.z, n.x, n.y, n.z)
    if p.chance(0.4):
        e.out("rows|jacobian", six).store(row)
        e.out("residuals|rhs_rows", p.real).store(-r)
        return
    j = k.let("J|row|jac", row)
    w = None
    if p.chance(0.5):
        scale = k.param("robust_scale|huber_delta", 0.05, 0.5)
        w = k.let(
            "w|wt", wp.where(wp.abs(r) <= scale, num(p, 1.0), scale / wp.max(wp.abs(r), 1.0e-6))
        )
    hess = wp.outer(j, j)
    k.do(
        wp.atomic_add(
            k.out("hessian|JtJ|A", T.Mat(6, 6, p.real), (1,)), 0, hess if w is None else hess * w
        )
    )
    k.do(
        wp.atomic_add(
            k.out("gradient|Jtr|b_vec", six, (1,)), 0, j * r if w is None else j * (r * w)
        )
    )
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("cost|error", p.real, (1,)), 0, r * r))


def _apply(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name) -> None:
    out = e.out("moved|points_out|transformed", p.vec())
    form = p.pick("transform", "matrix", "hom", "scaled")
    if form == "transform":
        pose = k.quantity("pose|X|tf", p.transform, [0.1, 0.2, 0.3, 0.0, 0.6, 0.0, 0.8])
        out.store(wp.transform_point(pose, x))
    elif form == "hom":
        m = k.quantity(
            "M|matrix4|H",
            p.mat(4),
            [0.8, 0.0, 0.6, 0.1, 0.0, 1.0, 0.0, 0.2, -0.6, 0.0, 0.8, 0.3, 0.0, 0.0, 0.0, 1.0],
        )
        h = k.let("h|xh", m * construct(p.vec(4), x.x, x.y, x.z, 1.0))
        out.store(
            construct(p.vec(), h.x, h.y, h.z) / h.w
            if p.chance(0.5)
            else construct(p.vec(), h.x, h.y, h.z)
        )
    else:
        m = k.quantity("R|rotation|rot", p.mat(), [0.8, 0.0, 0.6, 0.0, 1.0, 0.0, -0.6, 0.0, 0.8])
        t = k.quantity("t|translation|shift", p.vec(), [0.1, 0.2, 0.3])
        s = k.param("scale|s|zoom", 0.5, 2.0) if form == "scaled" else None
        out.store(m * x + t if s is None else m * x * s + t)
    if p.chance(0.5):
        n = e.field("normals|source_normals", p.vec(), R.unit_vectors())
        q = k.quantity("rotation_q|quat_r|q_rot", p.quat, [0.0, 0.6, 0.0, 0.8])
        e.out("normals_out|rotated_normals", p.vec()).store(wp.quat_rotate(q, n.own))


def _thin(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name) -> None:
    n = p.pick(4, 5, 6)
    size = k.param("voxel_size|leaf_size|cell", round(2.0 / n, 3), round(2.5 / n, 3))
    c = [
        k.let(f"c{a}|i{a}", wp.clamp(cast(T.I32, wp.floor((x.field(a) + 1.0) / size)), 0, n - 1))
        for a in "xyz"
    ]
    key = k.let("key|cell_id|voxel", (c[0] * n + c[1]) * n + c[2])
    cells = n * n * n
    k.do(wp.atomic_add(k.out("sums|voxel_sums", p.vec(), (cells,)), key, x))
    k.do(wp.atomic_add(k.out("counts|voxel_counts", T.I32, (cells,)), key, 1))
    if p.chance(0.5):
        e.out("voxel_ids|keys", T.I32).store(key)
    if p.chance(0.4):
        color = e.field("colors|rgb", p.vec(), R.uniform(0.0, 1.0)).own
        k.do(wp.atomic_add(k.out("color_sums|rgb_sums", p.vec(), (cells,)), key, color))
