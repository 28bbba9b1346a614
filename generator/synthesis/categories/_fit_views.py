"""Triangulation, distortion, point elimination, epipolar geometry."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def triangulation(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("track", "match", "point"), index="i|t|tid")
    vec = p.vec(3)
    e.guard()
    a, b = (
        e.field("centers_a|origin0|cam_a", vec, R.uniform(-0.5, 0.5)).own,
        e.field("centers_b|origin1|cam_b", vec, R.uniform(0.5, 1.5)).own,
    )
    u, v = (
        k.let(
            "u|ray_a|d0", wp.normalize(e.field("rays_a|bearing0|dirs_a", vec, R.unit_vectors()).own)
        ),
        k.let(
            "v|ray_b|d1", wp.normalize(e.field("rays_b|bearing1|dirs_b", vec, R.unit_vectors()).own)
        ),
    )
    base = k.let("w|base|baseline", a - b)
    uv, uw, vw = (
        k.let("uv|cos_uv", wp.dot(u, v)),
        k.let("uw|du", wp.dot(u, base)),
        k.let("vw|dv", wp.dot(v, base)),
    )
    det = k.let("det|sin2|den", 1.0 - uv * uv)
    with k.when(det < k.param("min_parallax|tol|eps", 1e-3, 0.05)):
        e.out("valid|ok|status", T.I32).store(p.pick(0, -1))
        k.ret()
    s, t = k.let("s|depth_a|la", (uv * vw - uw) / det), k.let("t|depth_b|lb", (vw - uv * uw) / det)
    x, y = k.let("x|pa|on_a", a + u * s), k.let("y|pb|on_b", b + v * t)
    if p.chance(0.5):
        with k.when(any_of(s < 0.0, t < 0.0)):
            e.out("behind|cheirality|flipped", T.I32).store(1)
    e.out("points|landmarks|triangulated", vec).store((x + y) * 0.5)
    if p.chance(0.6):
        e.out("gaps|ray_gap|uncertainty", p.real).store(wp.length(x - y))


def undistortion(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Fixed-point or Newton inversion of a radial model."""
    e = Entities(k, p.pick("keypoint", "pixel", "corner"), index="i|tid|kp")
    vec = p.vec(2)
    e.guard()
    uv = e.field("pixels|keypoints|measured", vec, R.uniform(-0.6, 0.6)).own
    if p.chance(0.6):
        center, focal = (
            k.quantity("center|principal|c_xy", vec, [0.02, -0.03]),
            k.param("focal|f|focal_length", 0.7, 1.5),
        )
        d = k.let("d|distorted|xd", (uv - center) / focal)
    else:
        d = k.let("d|distorted|xd", uv)
    k1, k2 = k.param("k1|kappa1", 0.01, 0.2), k.param("k2|kappa2", 1e-3, 0.05)
    x = k.var("x|undist|xu", d)
    newton = p.chance(0.4)
    with k.loop(
        "it|n|step",
        k.count("iterations|num_iters|max_iter", p.pick(3, 5, 8))
        if p.chance(0.6)
        else p.pick(3, 5),
    ):
        r2 = k.let("r2|rho2|q", wp.dot(x, x))
        factor = k.let("factor|dist|g", 1.0 + r2 * (k1 + r2 * k2))
        if newton:
            slope = k.let("slope|dg|df", factor + 2.0 * r2 * (k1 + 2.0 * k2 * r2))
            k.aug(x, "-", (x * factor - d) / slope)
        else:
            nxt = k.let("nxt|x_new", d / factor)
            if p.chance(0.5):
                with k.when(wp.length_sq(nxt - x) < 1.0e-10):
                    k.brk()
            k.set(x, nxt)
    e.out("undistorted|corrected|rays_xy", vec).store(x)
    if p.chance(0.4):
        r2 = k.let("r2_end|rho_end", wp.dot(x, x))
        e.out("residuals|inversion_error|err", p.real).store(
            wp.length(x * (1.0 + r2 * (k1 + r2 * k2)) - d)
        )


def schur_elimination(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Eliminates the points from the system of the cameras, one point per thread."""
    cams, width = p.pick(4, 6), p.pick(2, 3, 4)
    n = p.pick(3, 6)
    e = Entities(
        k, p.pick("point", "landmark"), index="i|j|tid", count=p.pick(24, 32, 48), layouts=False
    )
    i = e.index
    e.guard()
    lam = k.param("damping|lam|mu", 1e-3, 0.3)
    v = k.let(
        "V|h_pp|block",
        e.field("point_blocks|V_in|H_pp", p.mat(3), R.spd(0.5, 3.0)).own
        + wp.diag(construct(p.vec(3), lam)),
    )
    inv = k.let("V_inv|inv_v|vi", inverted(p, v))
    b = k.let("b|g_p|rhs_p", e.field("point_rhs|g_p_in|b_pt", p.vec(3), R.uniform(-1.0, 1.0)).own)
    views = k.array("views|camera_ids|seen_by", T.I32, (e.n, width), R.padded(0, cams, 0.25))
    coupling = k.array("coupling|W_blocks|H_cp", p.mat(n, 3), (e.n, width), R.uniform(-1.0, 1.0))
    reduced, rhs = (
        k.out("S|reduced|camera_system", p.mat(n), (cams, cams)),
        k.out("rhs|reduced_rhs|b_cam", p.vec(n), (cams,)),
    )
    diag_only = p.chance(0.3)
    with k.loop("s|a|slot", width if p.chance(0.5) else views.dim(1)) as s:
        c = k.let("c|cam_a|ci", views[i, s])
        with k.when(c < 0):
            k.brk()
        y = k.let("Y|wv|gain", coupling[i, s] * inv)
        add_to(p, k, rhs, c, -(y * b))
        if diag_only:
            add_to(p, k, reduced, (c, c), -(y * wp.transpose(coupling[i, s])))
        else:
            with k.loop("t|b2|slot2", width) as t:
                c2 = k.let("c2|cam_b|cj", views[i, t])
                with k.when(c2 < 0):
                    k.brk()
                add_to(p, k, reduced, (c, c2), -(y * wp.transpose(coupling[i, t])))
    if p.chance(0.4):
        e.out("inverse_blocks|V_inv_out|point_inverse", p.mat(3)).store(inv)


def epipolar_error(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("match", "pair"), index="i|tid|m")
    vec, mat = p.vec(3), p.mat(3)
    e.guard()
    a, b = (
        e.field("points_a|left|x1", p.vec(2), R.uniform(-0.5, 0.5)).own,
        e.field("points_b|right|x2", p.vec(2), R.uniform(-0.5, 0.5)).own,
    )
    f = (
        k.quantity(
            "fundamental|F_mat|essential",
            mat,
            [[0.0, -0.3, 0.1], [0.3, 0.0, -0.9], [-0.1, 0.9, 0.05]],
        )
        if p.chance(0.5)
        else k.array("fundamentals|F_all|hypotheses", mat, (1,), R.uniform(-1.0, 1.0))[0]
    )
    x, y = (
        k.let("x|ha|p1", construct(vec, a.x, a.y, 1.0)),
        k.let("y|hb|p2", construct(vec, b.x, b.y, 1.0)),
    )
    line = k.let("l|line|fx", f * x)
    other = k.let("lt|line_t|fty", wp.transpose(f) * y)
    c = k.let("c|algebraic|yfx", wp.dot(y, line))
    form = p.pick("sampson", "symmetric", "line")
    if form == "sampson":
        value = (
            c
            * c
            / wp.max(
                line.x * line.x + line.y * line.y + other.x * other.x + other.y * other.y, 1.0e-6
            )
        )
    elif form == "symmetric":
        value = (
            c
            * c
            * (
                1.0 / wp.max(line.x * line.x + line.y * line.y, 1.0e-6)
                + 1.0 / wp.max(other.x * other.x + other.y * other.y, 1.0e-6)
            )
        )
    else:
        value = wp.abs(c) / wp.sqrt(wp.max(line.x * line.x + line.y * line.y, 1.0e-6))
        k.comment("distance of the second point to its epipolar line")
    value = k.let("dist|error|d_ep", value)
    limit = k.param("threshold|max_error|tol", 0.05, 1.0)
    e.out("errors|epipolar_error|distances", p.real).store(value)
    inlier = (
        k.let("inlier|good|keep", wp.where(value < limit, 1, 0))
        if p.chance(0.6)
        else choose(value < limit, 1, 0)
    )
    e.out("inlier_flags|is_inlier|good_out", T.I32).store(inlier)
    if p.chance(0.5):
        with k.when(all_of(value < limit, wp.abs(c) > 0.0) if p.chance(0.3) else value < limit):
            add_to(p, k, k.out("num_inliers|support", T.I32, (1,)), 0, N.literal(1, T.I32))
