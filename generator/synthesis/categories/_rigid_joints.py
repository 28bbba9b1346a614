"""Joints: impulses and penalties at anchors, drives and limits, kinematic trees."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import report, tune
from generator.synthesis.categories._rigid_drives import joint_drive, soft_limit
from generator.synthesis.categories._rigid_state import POSES, TWISTS, spatial
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _attachments(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_joints|joint_forces|ball_joint_forces|joint_attachment|penalty_joints|constraint_wrenches",
        p.pick(
            "Penalty forces that hold joint anchors together.",
            "Joint constraint wrenches on parent and child.",
            "Linear and angular attachment of jointed bodies.",
        ),
    )
    e = Entities(k, "joint", count=p.pick(24, 32, 48), index="tid|j|joint")
    pool = Pool(e, p.pick(16, 24, 32))
    vec = p.vec(3)
    world = p.chance(0.45)
    parent, child = _parent_child(k, e, pool, world)
    e.guard()
    poses, twists = (
        pool.field(POSES, p.transform, R.rigid(-1.0, 1.0)),
        pool.field(TWISTS, p.spatial, R.uniform(-1.0, 1.0)),
    )
    frame_p = e.field("joint_x_p|parent_frames|anchor_p", p.transform, R.rigid(-0.3, 0.3))
    frame_c = e.field("joint_x_c|child_frames|anchor_c", p.transform, R.rigid(-0.3, 0.3))
    xp = k.var("x_wp|wp_frame|parent_x", frame_p.own)
    rp, vp, wpv = (k.var(h, construct(vec, 0.0)) for h in ("r_p|arm_p", "v_p|vel_p", "w_p|omega_p"))
    if world:
        with k.when(parent >= 0):
            _parent_motion(k, poses, twists, parent, xp, rp, vp, wpv)
    else:
        _parent_motion(k, poses, twists, parent, xp, rp, vp, wpv)
    xc = k.let("x_wc|child_x", poses[child] * frame_c.own)
    rc = k.let(
        "r_c|arm_c", wp.transform_get_translation(xc) - wp.transform_get_translation(poses[child])
    )
    wc = k.let("w_c|omega_c", wp.spatial_bottom(twists[child]))
    vc = k.let("v_c|vel_c", wp.spatial_top(twists[child]) + wp.cross(wc, rc))
    ke, kd = (
        e.property("attach_ke|ke|stiffness", 100.0, 2000.0),
        e.property("attach_kd|kd|damping", 1.0, 20.0),
    )
    err = k.let(
        "x_err|gap|err", wp.transform_get_translation(xc) - wp.transform_get_translation(xp)
    )
    f = k.var("f|force|f_lin", err * ke + (vc - vp) * kd)
    torque = k.var("tau|torque|t_ang", construct(vec, 0.0))
    if p.chance(0.7):
        _angular(p, k, e, xp, xc, wc - wpv, torque)
    tune(p, e, f, "force", 2000.0, {0: 3, 1: 1})
    out = pool.out("body_f|wrenches|f_out", p.spatial)
    if world:
        with k.when(parent >= 0):
            out.add(spatial(p, f, torque + wp.cross(rp, f)), parent)
    else:
        out.add(spatial(p, f, torque + wp.cross(rp, f)), parent)
    out.subtract(spatial(p, f, torque + wp.cross(rc, f)), child)
    report(p, e, err, "error", 1.5, {0: 3, 1: 1})


def _parent_child(k: KernelBuilder, e: Entities, pool: Pool, world: bool) -> tuple[Expr, Expr]:
    half = pool.count // 2
    first = k.array(
        "joint_parent|parent|parents", T.I32, (e.n,), R.integers(-1 if world else 0, half)
    )
    second = k.array("joint_child|child|children", T.I32, (e.n,), R.integers(half, pool.count))
    parent, child = (
        k.let("parent_id|id_p|pa", first[e.index]),
        k.let("child_id|id_c|ch", second[e.index]),
    )
    return parent, child


def _parent_motion(
    k: KernelBuilder, poses, twists, parent: Expr, xp: Name, rp: Name, vp: Name, w: Name
) -> None:  # type: ignore[no-untyped-def]
    k.set(xp, poses[parent] * xp)
    k.set(rp, wp.transform_get_translation(xp) - wp.transform_get_translation(poses[parent]))
    k.set(w, wp.spatial_bottom(twists[parent]))
    k.set(vp, wp.spatial_top(twists[parent]) + wp.cross(w, rp))


def _angular(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, xp: Expr, xc: Expr, w: Expr, torque: Name
) -> None:
    """Torque between parent and child: fixed, hinge or swing-limited."""
    vec = p.vec(3)
    k.step(p.pick("angular part", "", "rotation"))
    qp, qc = (
        k.let("q_p|rot_p", wp.transform_get_rotation(xp)),
        k.let("q_c|rot_c", wp.transform_get_rotation(xc)),
    )
    ke, kd = k.param("angular_ke|ang_ke", 5.0, 100.0), k.param("angular_kd|ang_kd", 0.1, 5.0)
    form = p.pick("fixed", "hinge", "spring")
    if form == "hinge":
        axis = e.field("joint_axis|axes|hinge_axis", vec, R.unit_vectors()).read("axis|a_local")
        ap, ac = (
            k.let("a_p|axis_p", wp.quat_rotate(qp, axis)),
            k.let("a_c|axis_c", wp.quat_rotate(qc, axis)),
        )
        swing = k.let("swing|misalign", wp.cross(ap, ac))
        k.aug(torque, "+", swing * ke + (w - ap * wp.dot(w, ap)) * kd)
        if p.chance(0.5):
            rel = k.let("q_rel|rel", wp.quat_inverse(qp) * qc)
            twist = construct(vec, rel.x, rel.y, rel.z)
            about = (
                wp.quat_twist_angle(axis, rel)
                if p.real == T.F32 and p.chance(0.6)
                else 2.0 * wp.atan2(wp.dot(axis, twist), rel.w)
            )
            angle = k.let("theta|angle|q", about)
            k.aug(torque, "+", ap * soft_limit(p, k, e, angle))
        return
    rel = k.let("q_err|rel|dq", wp.quat_inverse(qp) * qc)
    if form == "fixed":
        vector = construct(vec, rel.x, rel.y, rel.z) * wp.where(
            rel.w < 0.0, literal(-2.0, p.real), literal(2.0, p.real)
        )
        k.aug(torque, "+", wp.quat_rotate(qp, vector) * ke + w * kd)
        return
    axis, angle = k.unpack(["ax|rot_axis", "ang|theta"], wp.quat_to_axis_angle(rel))
    k.aug(torque, "+", wp.quat_rotate(qp, axis * (ke * angle)) + w * kd)


def _impulse_joint(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_ball_joints|joint_impulses|solve_joint_velocity|point_to_point|distance_joints|rope_joints",
        p.pick(
            "Velocity impulses of ball joints.",
            "Point-to-point constraints with bias.",
            "Distance joints between bodies.",
        ),
    )
    e = Entities(k, "joint", count=p.pick(24, 32, 48), index="tid|j|joint")
    pool = Pool(e, p.pick(16, 24, 32))
    vec = p.vec(3)
    a, b = corners(
        e, "joint_bodies|body_pairs|joint_pairs", ["a|b0|body_a", "b|b1|body_b"], pool.count
    )
    e.guard()
    x = pool.field("positions|com|body_x", vec, R.uniform(-1.0, 1.0))
    q = pool.field("orientations|rotations|body_rot", p.quat, R.rotations())
    v, w = (
        pool.field("velocities|lin_vel|v", vec, R.uniform(-1.0, 1.0)),
        pool.field("angular_velocities|ang_vel|w", vec, R.uniform(-1.0, 1.0)),
    )
    inv_m, inv_i = (
        pool.field("inv_mass|inv_m", p.real, R.uniform(0.2, 2.0)),
        pool.field("inv_inertia|inv_i", p.mat(3), R.spd(0.3, 2.0)),
    )
    ra = k.let(
        "ra|r0",
        wp.quat_rotate(q[a], e.field("anchor_a|local_a|anchors_a", vec, R.uniform(-0.4, 0.4)).own),
    )
    rb = k.let(
        "rb|r1",
        wp.quat_rotate(q[b], e.field("anchor_b|local_b|anchors_b", vec, R.uniform(-0.4, 0.4)).own),
    )
    err = k.let("c|err|gap", x[a] + ra - x[b] - rb)
    rel = k.let("v_rel|dv|cdot", v[a] + wp.cross(w[a], ra) - v[b] - wp.cross(w[b], rb))
    dt, beta = e.world_param("dt|timestep|h", 0.005, 0.02), k.param("beta|erp|baumgarte", 0.05, 0.3)
    if p.chance(0.5):
        sa, sb = k.let("sa|skew_a|xa", wp.skew(ra)), k.let("sb|skew_b|xb", wp.skew(rb))
        mass = (
            wp.diag(construct(vec, inv_m[a] + inv_m[b])) - sa * inv_i[a] * sa - sb * inv_i[b] * sb
        )
        km = k.let("k_m|k_mat|eff", mass)
        target = rel + err * (beta / dt)
        j = k.let(
            "j|impulse|p_imp",
            inverted(p, km) * target * -1.0 if p.chance(0.5) else -(inverted(p, km) * target),
        )
    else:
        length = k.let("l|dist|len_c", wp.length(err))
        limit = e.property("rest_length|max_length|rope_length", 0.05, 0.5)
        with k.when(any_of(length < 1.0e-6, length < limit)):
            k.ret()
        n = k.let("n|dir|axis", err / length)
        ca, cb = k.let("ca|rxn_a", wp.cross(ra, n)), k.let("cb|rxn_b", wp.cross(rb, n))
        denom = k.let(
            "kn|denom|inv_eff",
            inv_m[a] + inv_m[b] + wp.dot(ca, inv_i[a] * ca) + wp.dot(cb, inv_i[b] * cb),
        )
        j = k.let("j|impulse|p_imp", n * (-(wp.dot(rel, n) + beta / dt * (length - limit)) / denom))
    dv, dw = pool.out("delta_v|dv_out|vel_corr", vec), pool.out("delta_w|dw_out|ang_corr", vec)
    dv.add(j * inv_m[a], a)
    dv.subtract(j * inv_m[b], b)
    dw.add(inv_i[a] * wp.cross(ra, j), a)
    dw.subtract(inv_i[b] * wp.cross(rb, j), b)
    report(p, e, j, "impulse", 5.0, {0: 4, 1: 1})


def _forward_kinematics(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "forward_kinematics|eval_fk|articulation_fk|update_link_poses|eval_articulations|propagate_transforms",
        p.pick(
            "Forward kinematics along each articulation.",
            "Link poses from joint coordinates.",
            "Poses and twists of kinematic trees.",
        ),
    )
    e = Entities(
        k,
        p.pick("articulation", "robot", "tree"),
        count=p.pick(8, 12, 16, 24),
        index="tid|a|art",
        layouts=False,
    )
    links, vec = p.pick(4, 5, 6, 8), p.vec(3)
    flat = p.chance(0.5)
    total = e.n * links
    q = k.array(
        "joint_q|q|coords", p.real, (total,) if flat else (e.n, links), R.uniform(-1.5, 1.5)
    )
    parents = k.array("parents|link_parent|joint_parent", T.I32, (links,), R.parents())
    offset = k.array(
        "joint_x_p|link_offsets|joint_frames", p.transform, (links,), R.rigid(-0.4, 0.4)
    )
    axes = k.array("joint_axis|axes|joint_axes", vec, (links,), R.unit_vectors())
    out = k.out("body_q|link_poses|poses_out", p.transform, (total,) if flat else (e.n, links))
    base = (
        k.array("base_pose|root_x|roots", p.transform, (e.n,), R.rigid(-1.0, 1.0))
        if p.chance(0.6)
        else None
    )
    first = k.let("base|start|first", e.index * links) if flat else None
    at = (lambda a, i: a[first + i]) if flat else (lambda a, i: a[e.index, i])
    types = (
        k.array("joint_type|types|kinds", T.I32, (links,), R.integers(0, 2))
        if p.chance(0.5)
        else None
    )
    velocity = p.chance(0.4)
    qd = (
        k.array(
            "joint_qd|qd|rates", p.real, (total,) if flat else (e.n, links), R.uniform(-1.0, 1.0)
        )
        if velocity
        else None
    )
    twist_out = (
        k.out("body_w|link_spin|omega_out", vec, (total,) if flat else (e.n, links))
        if velocity
        else None
    )
    joint = _joint_transform(p, types is not None)
    with k.loop(
        "i|link|j", links if p.chance(0.5) else k.count("num_links|links_per_art|n_links", links)
    ) as i:
        parent = k.let("parent|pa|up", parents[i])
        pose = k.var(
            "x_p|parent_pose|x_up",
            base[e.index]
            if base is not None
            else construct(p.transform, construct(vec, 0.0), construct(p.quat, 0.0, 0.0, 0.0, 1.0)),
        )
        spin = k.var("w_p|parent_w|w_up", construct(vec, 0.0)) if velocity else None
        with k.when(parent >= 0):
            k.set(pose, at(out, parent))
            if spin is not None and twist_out is not None:
                k.set(spin, at(twist_out, parent))
        args = [at(q, i), axes[i]] + ([types[i]] if types is not None else [])
        local = k.let("x_j|joint_x|moved", offset[i] * joint(*args))
        world = k.let("x_w|world|pose", pose * local)
        k.set(at(out, i), world)
        if spin is not None and twist_out is not None and qd is not None:
            k.set(at(twist_out, i), spin + wp.transform_vector(world, axes[i]) * at(qd, i))


def _joint_transform(p: ProgramBuilder, typed: bool):  # type: ignore[no-untyped-def]
    """A function from a joint's coordinate to its transform."""
    vec = p.vec(3)
    unit = [0.0, 0.0, 0.0, 1.0]

    def body(b: Block, q: Expr, axis: Expr, *kind: Expr) -> None:
        if kind:
            with b.when(kind[0] == 1):
                b.ret(construct(p.transform, axis * q, construct(p.quat, *unit)))
        b.ret(construct(p.transform, construct(vec, 0.0), wp.quat_from_axis_angle(axis, q)))

    params: dict[str, T.Type] = {"q|angle|coord": p.real, "axis|a": vec}
    if typed:
        params["kind|joint_type"] = T.I32
    return p.func(
        "joint_transform|joint_motion|dof_transform",
        params,
        body,
        p.pick("Transform of a joint at a coordinate.", ""),
    )


JOINTS = {_attachments: 1.7, _impulse_joint: 1.5, joint_drive: 2.2, _forward_kinematics: 1.6}
