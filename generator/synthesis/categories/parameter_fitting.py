"""Fitting parameters to data: geometric primitives, point-set alignment, reprojection, filters, consensus, clusters."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_clusters import clusters, ransac
from generator.synthesis.categories._fit_tracks import tracks
from generator.synthesis.categories._numerics import (
    add_at,
    report,
    robust_cost,
    robust_weight,
    split,
)
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, Operand


@category("parameter_fitting", version=1, title="Parameter fitting and estimation")
def write(p: ProgramBuilder) -> None:
    """Estimation from measurements: residuals and normal equations of curves, surfaces, rigid alignments and camera
    projections, Kalman filters per track, consensus scoring of hypotheses, cluster assignment and mixture models."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _primitive: 2.2,
        _algebraic: 1.6,
        _icp: 2.3,
        _reprojection: 2.6,
        _schur: 1.2,
        tracks: 3,
        ransac: 1.9,
        clusters: 2.6,
        _moments: 1.5,
        _apply_pose: 1.3,
    }
    p.weighted(intents)(p)


# --- geometric primitives -------------------------------------------------------------------------

_PRIMITIVES = {
    "circle": (2, 3),
    "sphere": (3, 4),
    "plane": (3, 4),
    "line": (2, 3),
    "cylinder_z": (3, 3),
    "ellipse": (2, 4),
    "parabola": (2, 3),
}


def _distance(
    p: ProgramBuilder, b: Block, form: str, q: Expr, x: Expr
) -> tuple[Expr, list[Operand]]:
    """Signed distance of a point to the primitive `q` and its derivatives with respect to `q`."""
    if form in ("circle", "sphere", "cylinder_z"):
        m = 2 if form == "cylinder_z" else T.length_of(x.type)
        flat = construct(T.Vec(m, T.scalar_of(x.type)), *(x[i] - q[i] for i in range(m)))
        d = b.let("d|to_point|rel", flat)
        r = b.let("r|dist|radial", wp.max(wp.length(d), 1.0e-6) if p.chance(0.5) else wp.length(d))
        return r - q[m], [*(-d[i] / r for i in range(m)), -1.0]
    if form == "plane":
        return q[0] * x.x + q[1] * x.y + q[2] * x.z + q[3], [x.x, x.y, x.z, 1.0]
    if form == "line":
        return q[0] * x.x + q[1] * x.y + q[2], [x.x, x.y, 1.0]
    if form == "parabola":
        return q[0] + x.x * (q[1] + x.x * q[2]) - x.y, [1.0, x.x, x.x * x.x]
    u, v = b.let("u|ex|su", (x.x - q[0]) / q[2]), b.let("v|ey|sv", (x.y - q[1]) / q[3])
    return u * u + v * v - 1.0, [
        -2.0 * u / q[2],
        -2.0 * v / q[3],
        -2.0 * u * u / q[2],
        -2.0 * v * v / q[3],
    ]


def _primitive(p: ProgramBuilder) -> None:
    """Geometric residuals of points to a primitive, accumulated or stored."""
    form = p.pick(*_PRIMITIVES)
    dims, m = _PRIMITIVES[form]
    word = form.split("_")[0]
    k = p.kernel_builder(
        f"fit_{word}|{word}_residuals|accumulate_{word}_fit|geometric_residuals|refine_{word}|fit_step",
        p.pick(
            f"Residuals of points to a {word}.",
            f"Gauss-Newton terms of a {word} fit.",
            "Geometric distance and its derivatives.",
        ),
    )
    e = Entities(k, p.pick("point", "sample", "edge", "obs"))
    x = e.field("points|pts|samples|edge_points", p.vec(dims), R.uniform(-1.0, 1.0))
    fill = R.uniform(0.3, 0.9)
    groups = e.worlds or p.pick(1, 1, 3, 6)
    params = k.array(f"{word}s|params|models|estimates", p.vec(m), (groups,), fill)
    e.guard()
    if e.world is not None:
        g: Operand = e.world
    elif groups > 1:
        g = e.field("segment|labels|group|primitive_id", T.I32, R.integers(-1, groups)).read(
            "g|seg|label"
        )
        with k.when(g < 0):
            k.ret()
    else:
        g = 0
    q, xi = k.let("q|model|prim", params[g]), x.read("x|xi|pt")
    joined = split(
        p,
        k,
        f"{word}_residual|signed_distance|residual_and_jacobian",
        {"q|model": q, "x|pt": xi},
        ["r_i|res|err", "jac|j_row|grad"],
        lambda b, m_q, m_x: _with_row(p, b, form, m_q, m_x, m),
        p.pick("", f"Distance to the {word} and its derivatives."),
    )
    r, j = joined
    if p.chance(0.2):
        e.out("residuals|distances|errors", p.real).store(wp.abs(r) if p.chance(0.3) else r)
        e.out("jacobian|rows|j_out", p.vec(m)).store(j)
        _inliers(p, k, e, r, g, groups)
        return
    w = _weights(p, k, e, r)
    h, b = k.out("jtj|hessian|ata", p.mat(m), (groups,)), k.out("jtr|rhs|atb", p.vec(m), (groups,))
    if p.chance(0.6):
        add_at(k, h, g, wp.outer(j, j) if w is None else wp.outer(j, j) * w)
        add_at(k, b, g, j * -r if w is None else j * (-r * w))
    else:
        wj = k.let("wj|scaled|jw", j if w is None else j * w) if w is not None else j
        add_at(k, h, g, wp.outer(wj, j))
        add_at(k, b, g, wj * -r)
    if p.chance(0.6):
        _inliers(p, k, e, r, g, groups)


def _with_row(p: ProgramBuilder, b: Block, form: str, q: Expr, x: Expr, m: int) -> tuple[Expr, ...]:
    value, slopes = _distance(p, b, form, q, x)
    return value, construct(p.vec(m), *slopes)


def _weights(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr) -> Name | None:
    form = p.pick("none", "robust", "given", "both")
    if form == "none":
        return None
    parts = []
    if form in ("given", "both"):
        parts.append(e.field("weights|confidence|w_in", p.real, R.uniform(0.2, 1.0)).own)
    if form in ("robust", "both"):
        parts.append(robust_weight(p, k, r, k.param("delta|scale|tuning_c|sigma", 0.1, 0.8)))
    return k.let("w|weight|wi", parts[0] if len(parts) == 1 else parts[0] * parts[1])


def _inliers(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Expr, g: Operand, groups: int
) -> None:
    form = p.pick("count", "cost", "both", "flag")
    limit = k.param("threshold|inlier_dist|max_residual", 0.1, 0.6)
    if form in ("count", "both"):
        with k.when(wp.abs(r) < limit):
            add_at(k, k.out("num_inliers|inliers|support", T.I32, (groups,)), g, 1)
    if form in ("cost", "both"):
        add_at(k, k.out("cost|chi2|total_error", p.real, (groups,)), g, robust_cost(p, k, r, limit))
    if form == "flag":
        e.out("inlier_flags|is_inlier|keep", T.I32).store(choose(wp.abs(r) < limit, 1, 0))


def _algebraic(p: ProgramBuilder) -> None:
    """Closed-form fits of one small data set per thread."""
    form = p.pick("line", "quadratic", "circle", "plane", "weighted_line", "theil")
    k = p.kernel_builder(
        f"fit_{form}s|regress|least_squares_fit|local_{form}_fit|fit_windows",
        p.pick(
            "Closed-form least squares per data set.",
            f"{form.replace('_', ' ').capitalize()} fit, one set of samples per thread.",
            "Local regression.",
        ),
    )
    e = Entities(k, p.pick("series", "pixel", "patch_fit", "group"), layouts=p.chance(0.6))
    n = p.pick(6, 8, 12, 16)
    worlds, world = ((), ()) if e.worlds is None else ((e.worlds,), (e.world,))
    flat = form in ("circle", "plane")
    t: T.Type = p.vec(2) if form == "circle" else p.vec(3) if form == "plane" else p.real
    data = k.array("samples|points|values|observations", t, (*worlds, e.n, n), R.uniform(-1.0, 1.0))
    xs = (
        None
        if flat
        else k.array("xs|times|abscissa|positions", p.real, (n,), R.ascending(0.0, 2.0))
    )
    mask = (
        k.array("valid|mask|usable", T.I32, (*worlds, e.n, n), R.mask(0.85))
        if p.chance(0.35)
        else None
    )
    e.guard()
    m = {"line": 2, "weighted_line": 2, "theil": 2, "quadratic": 3, "circle": 3, "plane": 3}[form]
    a, b = (
        k.var("a|ata|normal_mat", construct(p.mat(m), 0.0)),
        k.var("b|atb|rhs", construct(p.vec(m), 0.0)),
    )
    used = k.var("used|count|n_valid", 0) if mask is not None or p.chance(0.3) else None
    extent = data.dim(len(worlds) + 1) if p.chance(0.5) else k.count("num_samples|window|n_obs", n)
    with k.loop("j|s|t", extent) as j:
        at = (*world, e.index, j)
        if mask is not None:
            with k.when(mask[at] == 0):
                k.cont()
        row, target = _row(p, k, form, m, data[at], None if xs is None else xs[j])
        w = None
        if form == "weighted_line":
            w = k.array("weights|sample_weights|w", p.real, (n,), R.uniform(0.2, 1.0))[j]
        elif form == "theil":
            w = wp.exp(-k.param("decay|forgetting|lam", 0.05, 0.5) * construct(p.real, j))
        k.aug(a, "+", wp.outer(row, row) if w is None else wp.outer(row, row) * w)
        k.aug(b, "+", row * target if w is None else row * (target * w))
        if used is not None:
            k.aug(used, "+", 1)
    out = e.out("coeffs|params_out|fits", p.vec(m))
    if used is not None:
        with k.when(used < m):
            if p.chance(0.5):
                out.store(construct(p.vec(m), 0.0))
            k.ret()
    ridge = k.param("ridge|regularization|damping", 1.0e-4, 0.05)
    with k.loop("d|c|diag", m) as d:
        k.set(a[d, d], a[d, d] + ridge)
    sol = k.let("sol|theta|c_fit", wp.inverse(a) * b)
    if form == "circle":
        c = k.let("center|mid|cc", construct(p.vec(2), 0.5 * sol[0], 0.5 * sol[1]))
        out.store(construct(p.vec(3), c.x, c.y, wp.sqrt(wp.max(sol[2] + wp.dot(c, c), 0.0))))
    else:
        out.store(sol)
    if p.chance(0.4):
        report(
            p,
            e,
            wp.abs(sol[1]) if form != "circle" else wp.length(sol),
            "slope" if form != "circle" else "offset",
        )
    if not flat and p.chance(0.5):
        assert xs is not None
        _goodness(p, k, e, form, m, data, xs, sol, world, extent)


def _row(
    p: ProgramBuilder, k: KernelBuilder, form: str, m: int, x: Expr, t: Expr | None
) -> tuple[Name, Expr]:
    if form == "circle":
        pt = k.let("pt|x|q", x)
        return k.let("row|basis|phi", construct(p.vec(3), pt.x, pt.y, 1.0)), wp.dot(pt, pt)
    if form == "plane":
        pt = k.let("pt|x|q", x)
        return k.let("row|basis|phi", construct(p.vec(3), pt.x, pt.y, 1.0)), pt.z
    assert t is not None
    u = k.let("u|tj|xj", t)
    terms: list[Operand] = [1.0, u, u * u][:m]
    return k.let("row|basis|phi", construct(p.vec(m), *terms)), x


def _goodness(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    m: int,
    data: Expr,
    xs: Expr,
    sol: Expr,
    world: tuple[Expr, ...],
    extent: Operand,
) -> None:
    sse = k.var("sse|rss|err", 0.0, p.real)
    peak = k.var("worst|max_err|peak", 0.0, p.real) if p.chance(0.4) else None
    with k.loop("j|s|t", extent) as j:
        fit = sol[0] + sol[1] * xs[j] if m == 2 else sol[0] + xs[j] * (sol[1] + xs[j] * sol[2])
        d = k.let("d|res|gap", data[(*world, e.index, j)] - fit)
        k.aug(sse, "+", d * d)
        if peak is not None:
            k.set(peak, wp.max(peak, wp.abs(d)))
    e.out("rms|fit_error|goodness", p.real).store(wp.sqrt(sse / construct(p.real, extent)))
    if peak is not None:
        e.out("max_residual|worst_fit|peak_error", p.real).store(peak)


# --- alignment ------------------------------------------------------------------------------------


def _icp(p: ProgramBuilder) -> None:
    """Point-to-point and point-to-plane alignment terms with matching and gating."""
    metric = p.pick("plane", "plane", "point", "covariance")
    matching = p.pick("given", "nearest", "given", "same")
    k = p.kernel_builder(
        f"icp_accumulate|point_to_{'plane' if metric == 'plane' else 'point'}_icp|align_points|registration_terms|"
        "icp_step|match_and_accumulate",
        p.pick(
            "Accumulate the normal equations of a rigid alignment.",
            "Match source points and add their terms.",
            "One ICP linearisation.",
        ),
    )
    e = Entities(k, p.pick("point", "source", "vertex"))
    n_dst = e.n if matching == "same" else p.pick(40, 64, 96)
    src = e.field("source|src_points|points|p_src", p.vec(), R.uniform(-1.0, 1.0))
    dst = k.array("target|dst_points|map_points|q_dst", p.vec(), (n_dst,), R.uniform(-1.0, 1.0))
    nrm = (
        k.array("target_normals|dst_normals|normals", p.vec(), (n_dst,), R.unit_vectors())
        if metric == "plane" or p.chance(0.3)
        else None
    )
    worlds = e.worlds or 1
    where = e.world if e.world is not None else 0
    e.guard()
    pose = k.array("poses|transforms|t_ws", p.transform, (worlds,), R.rigid(-0.1, 0.1))[where]
    x = k.let("x|moved|xw", wp.transform_point(pose, src.own))
    if matching == "given":
        j = e.field("matches|correspondence|nearest_ids", T.I32, R.integers(-1, n_dst)).read(
            "j|match|idx_j"
        )
        with k.when(j < 0):
            k.ret()
    elif matching == "same":
        j = e.index
    else:
        j = _nearest(p, k, x, dst)
    d = k.let("d|diff|e", x - dst[j])
    gate = k.param("max_dist|gate|distance_threshold", 0.5, 1.8)
    far = wp.length(d) > gate if p.chance(0.5) else wp.dot(d, d) > gate * gate
    if nrm is not None and metric != "plane":
        own = e.field("source_normals|src_normals|n_src", p.vec(), R.unit_vectors())
        rot = wp.transform_vector(pose, own.own)
        far = any_of(far, wp.dot(rot, nrm[j]) < k.param("min_cos|normal_gate|cos_limit", 0.05, 0.5))
    if p.chance(0.8):
        with k.when(far):
            k.ret()
    if metric == "covariance":
        center = k.quantity("src_mean|center_src|mu_s", p.vec(), [0.02, -0.01, 0.03])
        other = k.quantity("dst_mean|center_dst|mu_d", p.vec(), [0.01, 0.02, -0.04])
        add_at(
            k,
            k.out("cross_cov|h_mat|correlation", p.mat(3), (worlds,)),
            where,
            wp.outer(x - center, dst[j] - other),
        )
        if p.chance(0.7):
            add_at(k, k.out("num_pairs|pairs|count", T.I32, (worlds,)), where, 1)
        report(p, e, wp.length(d), "gap")
        return
    _icp_terms(p, k, e, metric, x, d, None if nrm is None else nrm[j], worlds, where)


def _nearest(p: ProgramBuilder, k: KernelBuilder, x: Expr, dst: Expr) -> Name:
    best, arg = k.var("best|best_d2|nearest_d", 1.0e8, p.real), k.var("j|nearest|arg", 0)
    with k.loop("m|c|q", dst.dim(0)) as m:
        d2 = k.let("d2|dist_sq|dm", wp.length_sq(dst[m] - x))
        with k.when(d2 < best):
            k.set(best, d2)
            k.set(arg, m)
    return arg


def _icp_terms(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    metric: str,
    x: Expr,
    d: Expr,
    n: Expr | None,
    worlds: int,
    where: Operand,
) -> None:
    six = p.vec(6)
    h, b = k.out("jtj|hessian|ata", p.mat(6), (worlds,)), k.out("jtr|rhs|atb", six, (worlds,))
    if metric == "plane":
        assert n is not None
        normal = k.let("n|nj|normal", n)
        r = k.let("r|res|err", wp.dot(d, normal))
        c = k.let("c|rot_part|xn", wp.cross(x, normal))
        jac = k.let("jac|j_row|row", construct(six, c.x, c.y, c.z, normal.x, normal.y, normal.z))
        w = (
            robust_weight(p, k, r, k.param("huber|robust_scale|kernel_width", 0.1, 0.6))
            if p.chance(0.5)
            else None
        )
        add_at(k, h, where, wp.outer(jac, jac) if w is None else wp.outer(jac, jac) * w)
        add_at(k, b, where, jac * r if w is None else jac * (r * w))
        report(p, e, wp.abs(r), "error")
        return
    cross = k.let("sx|skew_x|hat", wp.skew(x))
    with k.loop("a|axis|row_i", 3) as a:
        jac = k.var(
            "jac|j_row|row", construct(six, -cross[a, 0], -cross[a, 1], -cross[a, 2], 0.0, 0.0, 0.0)
        )
        k.set(jac[a + 3], 1.0)
        add_at(k, h, where, wp.outer(jac, jac))
        add_at(k, b, where, jac * d[a])
    report(p, e, wp.length(d), "distance")


def _moments(p: ProgramBuilder) -> None:
    """Centroids, scatter matrices and statistics of residuals."""
    form = p.pick("centroid", "scatter", "pairs", "residual_stats", "scatter", "histogram")
    k = p.kernel_builder(
        "accumulate_moments|point_statistics|scatter_matrix|centroid_sums|residual_statistics",
        p.pick("", "First and second moments.", "Sums for a closed-form fit."),
    )
    e = Entities(k, p.pick("point", "sample", "match"))
    t = p.vec(p.pick(2, 3, 3))
    groups = e.worlds or p.pick(1, 4, 8)
    x = e.field("points|x|samples|src", t, R.uniform(-1.0, 1.0))
    e.guard()
    g: Operand = (
        e.world
        if e.world is not None
        else e.field("labels|segment|group_id|cluster", T.I32, R.integers(0, groups)).own
        if groups > 1
        else 0
    )
    w = (
        e.field("weights|w|confidence", p.real, R.uniform(0.1, 1.0)).read("wi|weight|w_i")
        if p.chance(0.5)
        else None
    )

    def scaled(v: Expr) -> Expr:
        return v if w is None else v * w

    center = (
        k.array("centers|means|mu", t, (groups,), R.uniform(-0.3, 0.3))[g]
        if p.chance(0.4)
        else None
    )
    xi = k.let("xi|pt|v", x.own if center is None else x.own - center)
    if p.chance(0.25):
        with k.when(wp.length(xi) > k.param("cutoff|max_radius|outlier", 0.6, 1.2)):
            k.ret()
    if form in ("centroid", "scatter"):
        add_at(k, k.out("sums|first|sum_x", t, (groups,)), g, scaled(xi))
        if form == "scatter":
            add_at(
                k,
                k.out("scatter|second|sum_xx", p.mat(t.n), (groups,)),
                g,
                scaled(wp.outer(xi, xi)),
            )
    elif form == "pairs":
        y = e.field("targets|y|dst", t, R.uniform(-1.0, 1.0)).read("yi|qt|u")
        add_at(
            k, k.out("cross|sum_xy|correlation", p.mat(t.n), (groups,)), g, scaled(wp.outer(xi, y))
        )
        if p.chance(0.6):
            add_at(k, k.out("sums_src|sum_x", t, (groups,)), g, scaled(xi))
            add_at(k, k.out("sums_dst|sum_y", t, (groups,)), g, scaled(y))
    else:
        size = k.let("size|err|mag", wp.length(xi))
        if form == "histogram":
            bins = p.pick(8, 16, 32)
            span = k.param("max_error|range|limit", 1.0, 2.0)
            b = k.let("b|bin|slot", wp.min(construct(T.I32, size / span * float(bins)), bins - 1))
            counts = k.out("histogram|hist|bins", T.I32 if w is None else p.real, (groups, bins))
            add_at(k, counts, (g, b), 1 if w is None else w)
            return
        add_at(k, k.out("sum_sq|total_sq|energy", p.real, (groups,)), g, scaled(size * size))
        k.do(wp.atomic_max(k.out("max_error|worst|peak", p.real, (groups,)), g, size))
    if p.chance(0.6):
        add_at(
            k,
            k.out("counts|mass|total_weight", T.I32 if w is None else p.real, (groups,)),
            g,
            1 if w is None else w,
        )


def _apply_pose(p: ProgramBuilder) -> None:
    """Retraction of a pose by a twist, or of a point set by its pose."""
    form = p.pick("retract", "retract", "points", "blend")
    k = p.kernel_builder(
        "update_poses|retract|apply_increment|transform_points|compose_update",
        p.pick("", "Apply the solved increment to every pose.", "Pose update on the manifold."),
    )
    e = Entities(k, p.pick("pose", "camera", "frame") if form != "points" else "point")
    if form == "points":
        x = e.field("points|pts|landmarks", p.vec(), R.uniform(-1.0, 1.0))
        frames = p.pick(2, 4, 6)
        pose = k.array("poses|frames|transforms", p.transform, (frames,), R.rigid(-0.5, 0.5))
        f = e.field("frame_ids|pose_id|owner", T.I32, R.integers(0, frames))
        e.guard()
        y = k.let("y|xw|moved", wp.transform_point(pose[f.own], x.own))
        if p.chance(0.5):
            add_at(k, k.out("centroids|frame_sums|means", p.vec(), (frames,)), f.own, y)
        if p.chance(0.5):
            goal = e.field("targets|references|matches", p.vec(), R.uniform(-1.0, 1.0))
            report(p, e, wp.length(goal.own - y), "error", 1, 2)
        e.out("points_out|world_points|moved_points", p.vec()).store(y)
        return
    pose_f = e.inout("poses|camera_poses|t_wc", p.transform, R.rigid(-1.0, 1.0))
    delta = e.field("increments|delta|twists|dx", p.vec(6), R.uniform(-0.2, 0.2))
    e.guard()
    pose, d = pose_f.read("pose|tf|t_i"), delta.read("d|xi|inc")
    gain = k.param("step|damping|alpha", 0.2, 1.0) if form == "blend" else None
    w = construct(p.vec(), d[0], d[1], d[2])
    v = construct(p.vec(), d[3], d[4], d[5])
    if p.chance(0.3):
        cap = k.param("max_rotation|angle_limit|trust_angle", 0.02, 0.2)
        with k.when(wp.length(d) > cap):
            if p.chance(0.5):
                add_at(k, k.out("num_limited|too_large|clamped", T.I32, (1,)), 0, 1)
            k.ret()
    w, v = (
        k.let("w|omega|rot", w if gain is None else w * gain),
        k.let("v|trans|shift", v if gain is None else v * gain),
    )

    def exponential(b: Block, r: Expr) -> None:
        angle = b.let("angle|theta|a", wp.length(r))
        with b.when(angle < 1.0e-6):
            b.ret(wp.normalize(construct(p.quat, 0.5 * r.x, 0.5 * r.y, 0.5 * r.z, 1.0)))
        b.ret(wp.quat_from_axis_angle(r / angle, angle))

    if p.on("helper_function") or p.chance(0.4):
        dq: Expr = p.func(
            "quat_exp|so3_exp|exp_map|rotation_from_vector",
            {"r|w|phi": p.vec()},
            exponential,
            p.pick("", "Rotation of a rotation vector."),
        )(w)
    else:
        dq = wp.normalize(construct(p.quat, 0.5 * w.x, 0.5 * w.y, 0.5 * w.z, 1.0))
    q0, t0 = wp.transform_get_rotation(pose), wp.transform_get_translation(pose)
    dq = k.let("dq|q_inc|rot_inc", dq)
    if p.chance(0.5):
        pose_f.store(construct(p.transform, t0 + v, wp.normalize(dq * q0)))
    else:
        pose_f.store(construct(p.transform, wp.quat_rotate(dq, t0) + v, wp.normalize(dq * q0)))
    report(p, e, wp.length(d), "step")


# --- cameras --------------------------------------------------------------------------------------


def _reprojection(p: ProgramBuilder) -> None:
    """Reprojection residuals, Jacobians and the blocks of bundle adjustment."""
    goal = p.weighted({"residual": 2, "jacobian": 2, "blocks": 3})
    k = p.kernel_builder(
        "reprojection_residuals|reproject|bundle_residuals|linearize_observations|project_landmarks|ba_linearize",
        p.pick(
            "Reprojection error of every observation.",
            "Linearise the projection of landmarks.",
            "Bundle adjustment: one observation per thread.",
        ),
    )
    e = Entities(k, p.pick("obs", "observation", "feature"), layouts=p.chance(0.6))
    cams, pts = p.pick(4, 6, 8), p.pick(24, 32, 48)
    cam = e.field("cam_ids|camera_index|frame_id", T.I32, R.integers(0, cams))
    pt = e.field("point_ids|landmark_id|point_index", T.I32, R.integers(0, pts))
    uv = e.field("pixels|observed|uv|keypoints", p.vec(2), R.uniform(60.0, 420.0))
    land = k.array("landmarks|points|map_points", p.vec(), (pts,), R.uniform(-0.6, 0.6))
    e.guard()
    ci, pi = cam.read("c|ci|cam"), pt.read("l|pi|lm")
    pose = k.array("poses|extrinsics|t_cw", p.transform, (cams,), R.rigid(-0.2, 0.2))[ci]
    push = k.quantity("rig_offset|cam_offset|base_shift", p.vec(), [0.0, 0.0, 3.0])
    x = k.let("pc|xc|p_cam", wp.transform_point(pose, land[pi]) + push)
    with k.when(x.z < k.param("min_depth|near|z_near", 0.05, 0.3)):
        if p.chance(0.4):
            add_at(k, k.out("num_behind|skipped|invalid", T.I32, (1,)), 0, 1)
        k.ret()
    fx, fy, cx, cy = _intrinsics(p, k, cams, ci)
    iz = k.let("iz|inv_z|rz", 1.0 / x.z)
    a, b = k.let("xn|a|nx", x.x * iz), k.let("yn|b|ny", x.y * iz)
    if p.chance(0.4):
        a, b = _distort(p, k, a, b)
    args = {"a|xn": a, "b|yn": b, "fx": fx, "fy": fy, "cx": cx, "cy": cy}
    pixel = piece(
        p,
        k,
        "project|to_pixels|pixel_of|apply_intrinsics",
        args,
        lambda _, u, v, f1, f2, c1, c2: construct(p.vec(2), f1 * u + c1, f2 * v + c2),
        p.pick("", "Pinhole projection."),
        0.4,
    )
    r = k.let("r|res|err", pixel - uv.own)
    size = k.let("size|norm_r|e_len", wp.length(r)) if p.chance(0.6) else None
    w = (
        robust_weight(p, k, size, k.param("huber_px|robust_px|delta", 1.0, 20.0))
        if size is not None
        else None
    )
    if w is not None:
        w = k.let("w|weight|wi", w)
    if goal == "residual":
        e.out("residuals|errors|res_out", p.vec(2)).store(r if w is None else r * w)
        if p.chance(0.4):
            add_at(k, k.out("cost|chi2|camera_cost", p.real, (cams,)), ci, wp.dot(r, r))
        report(p, e, size if size is not None else wp.length(r), "pixel_error")
        return
    jp = k.let(
        "jp|j_point|dproj",
        construct(
            p.mat(2, 3), fx * iz, 0.0, -fx * x.x * iz * iz, 0.0, fy * iz, -fy * x.y * iz * iz
        ),
    )
    _blocks(p, k, e, goal, jp, x, r, w, pose, ci, pi, cams, pts)


def _intrinsics(
    p: ProgramBuilder, k: KernelBuilder, cams: int, ci: Expr
) -> tuple[Expr, Expr, Expr, Expr]:
    form = p.pick("scalars", "vec", "shared", "per_camera")
    if form == "scalars":
        return (
            k.param("fx|focal_x", 300.0, 500.0),
            k.param("fy|focal_y", 300.0, 500.0),
            k.param("cx|center_u", 200.0, 280.0),
            k.param("cy|center_v", 180.0, 260.0),
        )
    if form == "shared":
        f = k.param("focal|f|focal_length", 300.0, 500.0)
        c = k.quantity("principal_point|center|pp", p.vec(2), [240.0, 220.0])
        return f, f, c.x, c.y
    if form == "vec":
        v = k.quantity("intrinsics|k_cam|camera", p.vec(4), [380.0, 375.0, 240.0, 220.0])
    else:
        v = k.let(
            "kc|intr|cam_k",
            k.array("intrinsics|camera_k|calib", p.vec(4), (cams,), R.uniform(220.0, 400.0))[ci],
        )
    return v[0], v[1], v[2], v[3]


def _distort(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr) -> tuple[Expr, Expr]:
    k1, k2 = k.param("k1|dist_k1", 0.01, 0.2), k.param("k2|dist_k2", 0.001, 0.05)
    r2 = k.let("r2|rad_sq|rho2", a * a + b * b)

    def body(_: Block, q: Expr, c1: Expr, c2: Expr) -> Expr:
        return 1.0 + q * (c1 + q * c2)

    s = k.let(
        "s|radial|dist",
        piece(
            p,
            k,
            "radial_distortion|distortion|radial_factor",
            {"r2|rho": r2, "k1": k1, "k2": k2},
            body,
        ),
    )
    return a * s, b * s


def _blocks(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    goal: str,
    jp: Expr,
    x: Expr,
    r: Expr,
    w: Expr | None,
    pose: Expr,
    ci: Expr,
    pi: Expr,
    cams: int,
    pts: int,
) -> None:
    rot = k.let("rot|rc|r_cw", wp.quat_to_matrix(wp.transform_get_rotation(pose)))
    jl = k.let("jl|j_land|dl", jp * rot)
    if goal == "jacobian":
        e.out("jac_point|j_l|landmark_jac", p.mat(2, 3)).store(jl)
        if p.chance(0.6):
            e.out("jac_rot|j_w|rotation_jac", p.mat(2, 3)).store(-(jp * wp.skew(x)))
        e.out("residuals|res_out|errors", p.vec(2)).store(r)
        return
    k.step(p.pick("landmark block", "accumulate blocks", ""))
    hl = wp.transpose(jl) * jl
    gl = wp.transpose(jl) * r
    add_at(
        k, k.out("h_ll|point_blocks|v_blocks", p.mat(3), (pts,)), pi, hl if w is None else hl * w
    )
    add_at(k, k.out("b_l|point_rhs|g_points", p.vec(), (pts,)), pi, gl if w is None else gl * w)
    if p.chance(0.7):
        k.step(p.pick("camera block", ""))
        jw = k.let("jw|j_rot|dr", -(jp * wp.skew(x)))
        if p.chance(0.5):
            jc = k.var("jc|j_cam|dc", construct(p.mat(2, 6), 0.0))
            with k.loop("a|col|m", 3) as a, k.loop("s|row|t", 2) as s:
                k.set(jc[s, a], jw[s, a])
                k.set(jc[s, a + 3], jp[s, a])
            hc, gc = wp.transpose(jc) * jc, wp.transpose(jc) * r
            add_at(
                k,
                k.out("h_cc|camera_blocks|u_blocks", p.mat(6), (cams,)),
                ci,
                hc if w is None else hc * w,
            )
            add_at(
                k,
                k.out("b_c|camera_rhs|g_cameras", p.vec(6), (cams,)),
                ci,
                gc if w is None else gc * w,
            )
        else:
            ht, hr = wp.transpose(jp) * jp, wp.transpose(jw) * jw
            add_at(
                k, k.out("h_trans|trans_blocks", p.mat(3), (cams,)), ci, ht if w is None else ht * w
            )
            add_at(k, k.out("h_rot|rot_blocks", p.mat(3), (cams,)), ci, hr if w is None else hr * w)
            add_at(k, k.out("b_rot|rot_rhs", p.vec(), (cams,)), ci, wp.transpose(jw) * r)


def _schur(p: ProgramBuilder) -> None:
    """Elimination and back-substitution of landmarks."""
    goal = p.pick("invert", "back", "invert", "eliminate")
    k = p.kernel_builder(
        "invert_point_blocks|eliminate_landmarks|back_substitute|schur_points|update_landmarks",
        p.pick("", "Eliminate the landmark blocks.", "Solve for landmarks given the camera step."),
    )
    e = Entities(k, p.pick("landmark", "point"))
    h = e.field("h_ll|point_blocks|v_blocks", p.mat(3), R.spd(0.3, 4.0))
    b = e.field("b_l|point_rhs|g_points", p.vec(), R.uniform(-1.0, 1.0))
    e.guard()
    lam = e.world_param("lam|damping|lm_lambda", 0.001, 0.2)
    m = k.var("m|block|hl", h.own)
    scaled = p.chance(0.5)
    with k.loop("d|c|axis", 3) as d:
        k.set(m[d, d], m[d, d] * (1.0 + lam) if scaled else m[d, d] + lam)
    if p.chance(0.4):
        with k.when(wp.determinant(m) < k.param("min_det|det_eps|singular_tol", 1.0e-4, 0.01)):
            add_at(k, k.out("num_degenerate|degenerate|skipped", T.I32, (1,)), 0, 1)
            k.ret()
    inv = k.let("inv|m_inv|hinv", wp.inverse(m))
    if goal == "invert":
        e.out("h_inv|inv_blocks|v_inv", p.mat(3)).store(inv)
        if p.chance(0.6):
            y = k.let("y|step|reduced", inv * b.own)
            e.out("h_inv_b|reduced_rhs|v_inv_b", p.vec()).store(y)
            report(p, e, wp.length(y), "step")
        else:
            report(p, e, wp.sqrt(wp.trace(inv)), "sigma", 1, 2)
        return
    cams, seen = p.pick(4, 6), p.pick(2, 3, 4)
    worlds, world = ((), ()) if e.worlds is None else ((e.worlds,), (e.world,))
    ids = k.array("cam_of|view_ids|observers", T.I32, (*worlds, e.n, seen), R.padded(0, cams, 0.3))
    wblk = k.array(
        "h_cl|cross_blocks|w_blocks", p.mat(3), (*worlds, e.n, seen), R.uniform(-0.5, 0.5)
    )
    rhs = k.var("rhs|acc|bl", b.own)
    if goal == "eliminate":
        s = k.out("schur_diag|s_blocks|reduced_h", p.mat(3), (cams,))
        rc = k.out("schur_rhs|reduced_b|s_rhs", p.vec(), (cams,))
        v = k.let("v|m_b|inv_b", inv * rhs)
    else:
        dc = k.array("camera_step|delta_c|dx_cams", p.vec(), (cams,), R.uniform(-0.2, 0.2))
    with k.loop("o|view|s_i", seen if p.chance(0.4) else ids.dim(len(worlds) + 1)) as o:
        c = k.let("c|cam|ci", ids[(*world, e.index, o)])
        with k.when(c < 0):
            k.brk() if p.chance(0.5) else k.cont()
        blk = k.let("wb|blk|cross", wblk[(*world, e.index, o)])
        if goal == "eliminate":
            add_at(k, s, c, -(blk * inv * wp.transpose(blk)))
            add_at(k, rc, c, -(blk * v))
        else:
            k.set(rhs, rhs - wp.transpose(blk) * dc[c])
    if goal == "back":
        step = k.let("dl|step|delta", inv * rhs)
        x = e.inout("landmarks|points|x", p.vec(), R.uniform(-1.0, 1.0))
        x.store(x.own + step)
        report(p, e, wp.length(step), "update")
