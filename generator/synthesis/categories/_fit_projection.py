"""Observations and projections of cameras."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def observation(
    p: ProgramBuilder, k: KernelBuilder
) -> tuple[Entities, Expr, Expr, Expr, Expr, Expr, int, int]:
    """Entities, camera and point numbers, point in the camera frame, its pixel, and the rotated point."""
    e = Entities(
        k, p.pick("observation", "keypoint", "track"), index="i|o|tid", layouts=p.chance(0.5)
    )
    cams, points = p.pick(3, 4, 6), p.pick(16, 24, 32)
    e.guard()
    c = k.let("c|cam|cam_id", e.field("camera_ids|cams|views", T.I32, R.integers(0, cams)).own)
    j = k.let(
        "j|pt_id|landmark",
        e.field(
            "point_ids|landmarks_of|track_ids",
            T.I32,
            R.integers(-1 if p.chance(0.4) else 0, points),
        ).own,
    )
    with k.when(j < 0):
        k.ret()
    x = k.array("points|landmarks|structure", p.vec(3), (points,), R.uniform(-1.0, 1.0))[j]
    lift = k.quantity("rig_offset|scene_offset|shift", p.vec(3), [0.0, 0.0, 4.0])
    if p.chance(0.6):
        pose = k.let(
            "pose|T_cw|cam_pose",
            k.array("poses|camera_poses|extrinsics", p.transform, (cams,), R.rigid(-0.3, 0.3))[c],
        )
        turned = k.let(
            "rx|turned|Rx",
            wp.transform_vector(pose, x)
            if p.chance(0.5)
            else wp.quat_rotate(wp.transform_get_rotation(pose), x),
        )
        pc = k.let("pc|x_cam|q", turned + wp.transform_get_translation(pose) + lift)
    else:
        r = k.array("rotations|R_cw|orientations", p.mat(3), (cams,), R.near_identity(0.1))[c]
        t = k.array("translations|t_cw|offsets", p.vec(3), (cams,), R.uniform(-0.3, 0.3))[c]
        turned = k.let("rx|turned|Rx", r * x)
        pc = k.let("pc|x_cam|q", turned + t + lift)
    with k.when(pc.z < k.param("near|min_depth|z_min", 0.1, 0.5)):
        k.ret()
    return (
        e,
        c,
        j,
        pc,
        e.field("pixels|keypoints|measured", p.vec(2), R.uniform(-0.5, 0.5)).own,
        turned,
        cams,
        points,
    )


def project_point(p: ProgramBuilder, k: KernelBuilder, pc: Expr, focal: Expr) -> Expr:
    """Image point, with radial distortion in some programs."""
    form = p.pick("pinhole", "pinhole", "radial", "radial2", "fisheye")
    args = {"q|pc": pc, "f|focal": focal}
    if form in ("radial", "radial2"):
        args["k1|kappa"] = k.param("k1|kappa1|dist1", 0.01, 0.2)

    def body(b: Block, q: Expr, f: Expr, *kappa: Expr) -> Expr:
        if form == "fisheye":
            r = b.let("r|rho", wp.sqrt(q.x * q.x + q.y * q.y))
            s = b.let("s|scale", wp.atan2(r, q.z) / wp.max(r, 1.0e-6))
            return construct(p.vec(2), q.x, q.y) * (s * f)
        u = b.let("u|uv|n", construct(p.vec(2), q.x / q.z, q.y / q.z))
        if not kappa:
            return u * f
        r2 = b.let("r2|rho2", wp.dot(u, u))
        d = 1.0 + kappa[0] * r2 if form == "radial" else 1.0 + r2 * (kappa[0] - 0.1 * kappa[0] * r2)
        return u * (f * d)

    return piece(
        p,
        k,
        f"project_{form}|project|to_image",
        args,
        body,
        p.pick("", "Image point of a point in the camera frame."),
        0.75,
    )
