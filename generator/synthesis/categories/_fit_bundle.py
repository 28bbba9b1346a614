"""Reprojection residuals and bundle adjustment blocks."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_projection import observation, project_point
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.categories._optim_least_squares import robust_weight
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def reprojection(p: ProgramBuilder, k: KernelBuilder) -> None:
    e, c, j, pc, pixel, _, cams, points = observation(p, k)
    focal = (
        k.param("focal|f|focal_length", 0.5, 1.5)
        if p.chance(0.5)
        else k.array("focals|intrinsics|f_c", p.real, (cams,), R.uniform(0.5, 1.5))[c]
    )
    r = k.let("r|res|err", project_point(p, k, pc, focal) - pixel)
    sq = k.let("sq|r2|e2", wp.dot(r, r))
    loss = robust_weight(p, k, sq, "scale|huber_px|delta", 0.1, 1.0)
    tasks = p.sample(["residual", "sum", "per_cam", "inlier", "weight"], 1, 3)
    if "residual" in tasks:
        e.out("residuals|r_out|errors", p.vec(2)).store(
            r * wp.sqrt(loss.weight) if loss.weight is not None and p.chance(0.4) else r
        )
    if "weight" in tasks and loss.weight is not None:
        e.out("weights|robust_out|w_out", p.real).store(loss.weight)
    if "per_cam" in tasks:
        add_to(p, k, k.out("camera_errors|view_cost|per_camera", p.real, (cams,)), c, loss.cost())
    if "inlier" in tasks:
        with k.when(sq < k.param("max_sq|gate|inlier_sq", 0.1, 1.0)):
            add_to(
                p,
                k,
                k.out("track_support|inlier_counts|num_views", T.I32, (points,)),
                j,
                N.literal(1, T.I32),
            )
    if "sum" in tasks or not {"residual", "per_cam"} & set(tasks):
        add_to(p, k, k.out("total_cost|objective|cost_sum", p.real, (1,)), 0, loss.cost())


def bundle_blocks(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Blocks of the normal equations: camera 6x6, point 3x3 and their coupling."""
    e, c, j, pc, pixel, turned, cams, points = observation(p, k)
    f = k.param("focal|f|focal_length", 0.5, 1.5)
    iz = k.let("iz|inv_z|rz", 1.0 / pc.z)
    r = k.let("r|res|err", construct(p.vec(2), f * pc.x * iz, f * pc.y * iz) - pixel)
    jp = k.let(
        "jp|d_proj|J_pi",
        construct(p.mat(2, 3), f * iz, 0.0, -f * pc.x * iz * iz, 0.0, f * iz, -f * pc.y * iz * iz),
    )
    loss = robust_weight(p, k, k.let("sq|r2|e2", wp.dot(r, r)), "scale|huber_px|delta", 0.1, 1.0)
    blocks = p.sample(["camera", "point", "coupling"], 1, 3)
    if "camera" in blocks or "coupling" in blocks:
        rot = k.let("jr|J_rot|d_rot", jp * wp.skew(turned) * -1.0)
        jc = k.let(
            "jc|J_cam|d_cam",
            construct(
                p.mat(2, 6),
                *(
                    x
                    for row in range(2)
                    for x in (*(rot[row, a] for a in range(3)), *(jp[row, a] for a in range(3)))
                ),
            ),
        )
    if "camera" in blocks:
        add_to(
            p,
            k,
            k.out("camera_blocks|U|H_cc", p.mat(6), (cams,)),
            c,
            loss.on(wp.transpose(jc) * jc),
        )
        add_to(
            p, k, k.out("camera_rhs|g_c|b_cam", p.vec(6), (cams,)), c, loss.on(wp.transpose(jc) * r)
        )
    if "point" in blocks:
        add_to(
            p,
            k,
            k.out("point_blocks|V|H_pp", p.mat(3), (points,)),
            j,
            loss.on(wp.transpose(jp) * jp),
        )
        add_to(
            p, k, k.out("point_rhs|g_p|b_pt", p.vec(3), (points,)), j, loss.on(wp.transpose(jp) * r)
        )
    if "coupling" in blocks:
        e.out("coupling|W_blocks|H_cp", p.mat(6, 3)).store(loss.on(wp.transpose(jc) * jp))
    if p.chance(0.5):
        add_to(p, k, k.out("total_cost|objective|cost_sum", p.real, (1,)), 0, loss.cost())
