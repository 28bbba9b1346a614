"""Registration of point sets: an intent of parameter_fitting."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.categories._optim_least_squares import robust_weight
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def registration(p: ProgramBuilder) -> None:
    """Iterative closest point: correspondences, point-to-point and point-to-plane systems, Kabsch, application."""
    kind = p.weighted({"match": 3, "plane": 4, "covariance": 3, "solve": 2, "apply": 2.5})
    names = {
        "match": "find_correspondences|nearest_points|match_points",
        "plane": "icp_point_to_plane|accumulate_icp|linearize_icp",
        "covariance": "cross_covariance|kabsch_accumulate|sum_correlations",
        "solve": "kabsch_solve|align_rotation|procrustes",
        "apply": "transform_points|apply_pose|alignment_error",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Rigid registration.",
            "One source point per thread.",
            "Alignment of two point sets.",
            "Iterative closest point, one stage.",
        ),
    )
    {
        "match": _match,
        "plane": _point_to_plane,
        "covariance": _covariance,
        "solve": _kabsch,
        "apply": _apply,
    }[kind](p, k)


def _pose(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Any:
    """The current pose as a function of a point: a transform, a rotation and translation, or a matrix."""
    at = e.world if e.world is not None else 0
    n = e.worlds or 1
    match p.weighted({"transform": 4, "quat": 2, "matrix": 2}):
        case "transform":
            pose = k.array("poses|transforms|estimate", p.transform, (n,), R.rigid(-0.5, 0.5))[at]
            pose = k.let("pose|tf|T_cur", pose) if p.chance(0.6) else pose
            return lambda x: wp.transform_point(pose, x)
        case "quat":
            q, t = (
                k.array("rotations|quats|q_est", p.quat, (n,), R.rotations())[at],
                k.array("translations|t_est|offsets", p.vec(3), (n,), R.uniform(-0.5, 0.5))[at],
            )
            return lambda x: wp.quat_rotate(q, x) + t
    r, t = (
        k.array("rotations|R_est|frames", p.mat(3), (n,), R.near_identity(0.1))[at],
        k.array("translations|t_est|offsets", p.vec(3), (n,), R.uniform(-0.5, 0.5))[at],
    )
    return lambda x: r * x + t


def _match(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "source", index="i|tid|src_id")
    vec = p.vec(3)
    x = e.field("source_points|source|points", vec, R.uniform(-1.0, 1.0))
    pose = _pose(p, k, e) if p.chance(0.6) else None
    m = p.pick(24, 32, 48)
    lead = (m,) if e.worlds is None else (e.worlds, m)
    targets = k.array("target_points|target|model", vec, lead, R.uniform(-1.0, 1.0))
    e.guard()
    xi = k.let("xi|moved|q", x.own if pose is None else pose(x.own))
    best, low = k.var("best|nearest|match_id", -1, T.I32), k.var("low|best_sq|d_min", 1.0e6, p.real)
    limit = k.param("max_dist|cutoff|radius", 0.3, 1.5) if p.chance(0.6) else None
    normals = p.chance(0.3)
    n_src, n_tgt = (
        (
            e.field("source_normals|n_src", vec, R.unit_vectors()).own,
            k.array("target_normals|n_tgt", vec, lead, R.unit_vectors()),
        )
        if normals
        else (None, None)
    )
    with k.loop(
        "j|t|cand",
        targets.dim(len(lead) - 1) if p.chance(0.6) else k.scalar("num_targets|m|count", T.I32, m),
    ) as j:
        at = (j,) if e.world is None else (e.world, j)
        if n_src is not None and n_tgt is not None:
            with k.when(wp.dot(n_src, n_tgt[at]) < k.param("min_cos|compat|angle_gate", 0.1, 0.6)):
                k.cont()
        d = k.let("d2|dist_sq|d", wp.length_sq(targets[at] - xi))
        with k.when(d < low):
            k.set(low, d)
            k.set(best, j)
    if limit is not None:
        with k.when(low > limit * limit if p.chance(0.7) else wp.sqrt(low) > limit):
            k.set(best, -1)
    e.out("matches|correspondences|target_ids", T.I32).store(best)
    if p.chance(0.6):
        e.out("distances|match_dist|errors", p.real).store(wp.sqrt(low))
    if p.chance(0.4):
        with k.when(best >= 0):
            k.do(
                wp.atomic_add(
                    k.out("num_matched|inliers|valid_count", T.I32, (e.worlds or 1,)),
                    e.world if e.world is not None else 0,
                    1,
                )
            )


def _point_to_plane(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("point", "match"), index="i|tid|pt")
    vec, v6, m6 = p.vec(3), p.vec(6), p.mat(6)
    x = e.field("source_points|source|points", vec, R.uniform(-1.0, 1.0)).own
    pose = _pose(p, k, e)
    e.guard()
    j: Expr = e.index
    if p.chance(0.5):
        j = k.let(
            "j|target_id|m_id",
            e.field("matches|correspondences|target_ids", T.I32, R.integers(-1, e.n)).own,
        )
        with k.when(j < 0):
            k.ret()
    y, n = (
        e.field("target_points|target|model", vec, R.uniform(-1.0, 1.0)),
        e.field("target_normals|normals|n_tgt", vec, R.unit_vectors()),
    )
    xi = k.let("xi|moved|q", pose(x))
    nj = k.let("nj|normal|n", n[j])
    point = p.chance(0.3)
    d = k.let("d|delta|gap", xi - y[j])
    r = k.let("r|res|err", wp.dot(nj, d))
    if p.chance(0.4):
        with k.when(
            wp.abs(r) > k.param("max_residual|gate|cutoff", 0.3, 1.0)
            if not point
            else wp.length(d) > k.param("max_dist|cutoff", 0.5, 1.5)
        ):
            k.ret()
    loss = robust_weight(p, k, r * r, "scale|delta|sigma", 0.1, 0.8)
    at = e.world if e.world is not None else 0
    lead = (e.worlds or 1,)
    h_out, g_out = k.out("JtJ|H|normal_matrix", m6, lead), k.out("Jtr|g|rhs", v6, lead)
    if point:
        c = k.let("c|skew_x|cross_m", wp.skew(xi))
        for a in range(3):
            row = k.let(
                f"row{a}|j{a}|jr{a}",
                construct(
                    v6, *(-c[a, b] for b in range(3)), *(1.0 if b == a else 0.0 for b in range(3))
                ),
            )
            add_to(p, k, h_out, at, loss.on(wp.outer(row, row)))
            add_to(p, k, g_out, at, loss.on(row * d[a]))
    else:
        c = k.let("c|arm|moment", wp.cross(xi, nj))
        row = k.let("row|jac|j_vec", construct(v6, c.x, c.y, c.z, nj.x, nj.y, nj.z))
        add_to(p, k, h_out, at, loss.on(wp.outer(row, row)))
        add_to(p, k, g_out, at, loss.on(row * r))
    if p.chance(0.6):
        add_to(p, k, k.out("cost|error_sum|objective", p.real, lead), at, loss.cost())
    if p.chance(0.4):
        add_to(p, k, k.out("num_used|inliers|count", T.I32, lead), at, N.literal(1, T.I32))


def _covariance(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("point", "match"), index="i|tid|pt")
    vec = p.vec(3)
    x, y = (
        e.field("source_points|source|points", vec, R.uniform(-1.0, 1.0)),
        e.field("target_points|target|model", vec, R.uniform(-1.0, 1.0)),
    )
    e.guard()
    lead, at = (e.worlds or 1,), e.world if e.world is not None else 0
    w = (
        k.let("w|weight|wi", e.field("weights|confidence|w_in", p.real, R.uniform(0.1, 1.0)).own)
        if p.chance(0.5)
        else None
    )
    stage = p.pick("means", "centred", "raw")
    if stage == "means":
        for hint, value in (
            ("source_mean|mean_x|sum_source", x.own),
            ("target_mean|mean_y|sum_target", y.own),
        ):
            add_to(p, k, k.out(hint, vec, lead), at, value if w is None else value * w)
        add_to(
            p,
            k,
            k.out("total_weight|mass|w_sum", p.real if w is not None else T.I32, lead),
            at,
            w if w is not None else N.literal(1, T.I32),
        )
        return
    a, b = x.own, y.own
    if stage == "centred":
        a = k.let("a|xc|dx", a - k.array("source_mean|mean_x", vec, lead, R.uniform(-0.2, 0.2))[at])
        b = k.let("b|yc|dy", b - k.array("target_mean|mean_y", vec, lead, R.uniform(-0.2, 0.2))[at])
    if p.chance(0.4):
        limit = k.param("max_dist|gate|cutoff", 0.8, 2.0)
        with k.when(wp.length(b - a) > limit):
            k.ret()
    m = wp.outer(a, b)
    add_to(p, k, k.out("covariance|cross_cov|W_sum", p.mat(3), lead), at, m if w is None else m * w)
    if p.chance(0.5):
        add_to(
            p,
            k,
            k.out("source_var|spread|sq_sum", p.real, lead),
            at,
            wp.dot(a, a) if w is None else w * wp.dot(a, a),
        )


def _kabsch(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("problem", "body", "cluster"), index="i|b|tid", count=p.pick(16, 24, 32))
    vec, mat = p.vec(3), p.mat(3)
    e.guard()
    m = k.let("m|cov|W", e.field("covariances|cross_cov|moments", mat, R.near_identity(0.8)).own)
    u, s, v = k.unpack(["U|u", "sig|s", "V|v"], wp.svd3(m))
    r = k.var("R|rot|r", v * wp.transpose(u))
    with k.when(wp.determinant(r) < 0.0):
        k.set(r, v * wp.diag(construct(vec, 1.0, 1.0, -1.0)) * wp.transpose(u))
    a, b = (
        e.field("source_mean|mean_x|centers_x", vec, R.uniform(-0.5, 0.5)).own,
        e.field("target_mean|mean_y|centers_y", vec, R.uniform(-0.5, 0.5)).own,
    )
    scale: Expr | None = None
    if p.chance(0.35):
        var = e.field("source_var|spread|norms", p.real, R.uniform(0.5, 3.0)).own
        scale = k.let("scale|c|ratio", (s[0] + s[1] + s[2]) / var)
    t = k.let("t|shift|offset", b - r * a if scale is None else b - (r * a) * scale)
    if p.chance(0.5):
        e.out("poses|transforms|T_out", p.transform).store(
            construct(p.transform, t, wp.quat_from_matrix(r))
        )
    else:
        e.out("rotations|R_out|frames", mat).store(r)
        e.out("translations|t_out|shifts", vec).store(t)
    if scale is not None:
        e.out("scales|c_out|factors", p.real).store(scale)
    if p.chance(0.4):
        e.out("degeneracy|rank_gap|conditioning", p.real).store(s[2] / wp.max(s[0], 1.0e-8))


def _apply(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("point", "landmark"), index="i|tid|pt")
    vec = p.vec(3)
    x = e.field("points|source|landmarks", vec, R.uniform(-1.0, 1.0)).own
    pose = _pose(p, k, e)
    e.guard()
    y = k.let("y|moved|aligned", pose(x))
    if p.chance(0.6):
        e.out("aligned|points_out|transformed", vec).store(y)
    target = e.field("target|reference|model", vec, R.uniform(-1.0, 1.0)).own
    d = k.let("d|gap|err", y - target)
    lead, at = (e.worlds or 1,), e.world if e.world is not None else 0
    for what in p.sample(["sum", "max", "each", "inliers"], 1, 3):
        match what:
            case "sum":
                add_to(p, k, k.out("error_sum|sse|total_sq", p.real, lead), at, wp.dot(d, d))
            case "max":
                k.do(
                    wp.atomic_max(
                        k.out("max_error|worst|hausdorff", p.real, lead), at, wp.length(d)
                    )
                )
            case "each":
                e.out("errors|residuals|distances", p.real).store(wp.length(d))
            case _:
                with k.when(wp.length(d) < k.param("tolerance|inlier_dist|tol", 0.3, 1.2)):
                    add_to(
                        p,
                        k,
                        k.out("num_inliers|support|hits", T.I32, lead),
                        at,
                        N.literal(1, T.I32),
                    )
