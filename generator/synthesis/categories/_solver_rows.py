"""Assembly of contact, joint and scalar constraint rows, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import contact_frame
from generator.synthesis.categories._solver_bodies import Pair, contacts
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def contact_rows(p: ProgramBuilder) -> None:
    """Rows of contact constraints with frictionless, pyramidal or elliptic friction."""
    k = p.kernel_builder(
        "assemble_contact_rows|contact_constraint_rows|make_contact_constraints|build_contact_jacobian|efc_contact|prepare_contacts",
        p.pick(
            "Constraint rows of every contact.",
            "Contact Jacobian, bias and effective mass.",
            "Pyramidal friction rows.",
        ),
    )
    e = contacts(k)
    pair = Pair(e)
    gap = e.field("contact_dist|gap|separation", T.F32, R.uniform(-0.05, 0.02)).read(
        "dist|gap_c|phi"
    )
    margin = k.param("margin|contact_margin|activation", 0.001, 0.015)
    inactive = e.out("is_active|active_flag|contact_active", T.I32)
    if p.chance(0.6):
        with k.when(any_of(pair.a == pair.b, gap >= margin)):
            k.ret()
        inactive.store(1)
    else:
        pair.skip_same()
        inactive.store(choose(gap < margin, 1, 0))
    point, normal = (
        e.field("contact_pos|points|contact_point", T.VEC3, R.uniform(-1.0, 1.0)).own,
        e.field("contact_normal|normals|n_world", T.VEC3, R.unit_vectors()).own,
    )
    ra, rb = pair.arm(pair.a, point, "ra|r1|arm_a"), pair.arm(pair.b, point, "rb|r2|arm_b")
    frame = k.let("frame|basis|R_c", contact_frame(p)(normal))
    relative = pair.relative_velocity(ra, rb)
    dt = k.param("dt|timestep|h", 0.001, 0.01)
    bias = _bias(p, k, e, gap, dt, wp.dot(frame[0], relative))
    form = p.pick("frictionless", "pyramid", "pyramid", "elliptic")
    rows = {"frictionless": 1, "pyramid": 4, "elliptic": 3}[form]
    jac_a, jac_b = (
        Table(e, "J_a|jac_a|rows_a", T.SPATIAL, (e.n, rows), role="out"),
        Table(e, "J_b|jac_b|rows_b", T.SPATIAL, (e.n, rows), role="out"),
    )
    rhs = Table(e, "rhs|bias_out|target_vel", T.F32, (e.n, rows), role="out")
    mu = e.property("mu|friction|friction_coef", 0.2, 1.0) if form != "frictionless" else None

    def write(direction: Expr, row: Expr | int, target: Expr) -> None:
        jac_a.store(wp.spatial_vector(-direction, -wp.cross(ra, direction)), e.index, row)
        jac_b.store(wp.spatial_vector(direction, wp.cross(rb, direction)), e.index, row)
        rhs.store(target, e.index, row)

    if form == "frictionless":
        write(k.let("n|dir_n", frame[0]), 0, bias)
    elif form == "elliptic":
        with k.loop("r|row|d", 3) as r:
            direction = k.let("u|axis|dir_r", frame[r])
            write(direction, r, choose(r == 0, bias, -wp.dot(direction, relative)))
    else:
        with k.loop("r|edge|d", 4) as r:
            side = k.let("sgn|flip|s_r", choose(r % 2 == 0, 1.0, -1.0))
            tangent = k.let("t|tan|dir_t", frame[1 + r // 2])
            write(k.let("u|edge_dir|axis", frame[0] + tangent * (side * mu)), r, bias)
    if p.chance(0.6):
        w = pair.effective_mass(k.let("n0|n_dir|nrm", frame[0]), ra, rb)
        e.out("inv_effective|diag|k_diag", T.F32).store(w)
        if p.chance(0.5):
            with k.when(w > 0.0):
                e.out("effective_mass|m_eff|D_n", T.F32).store(1.0 / w)
    if p.chance(0.4):
        previous = e.field("old_impulse|warm_impulse|lambda_prev", T.F32, R.uniform(0.0, 0.5)).own
        e.out("impulses|lambda_init|warm_start", T.F32).store(
            previous * k.param("warm_factor|warm_scale|decay", 0.5, 0.95)
        )


def _bias(p: ProgramBuilder, k: KernelBuilder, e: Entities, gap: Expr, dt: Expr, vn: Expr) -> Expr:
    """Target velocity along the normal: stabilisation, restitution or compliance."""
    form = p.pick("baumgarte", "slop", "spring", "restitution")
    if form == "spring":
        ke, kd = (
            k.param("ke|contact_stiffness|k_c", 500.0, 5000.0),
            k.param("kd|contact_damping|c_c", 5.0, 50.0),
        )
        softness = k.let("gamma|cfm|softness", 1.0 / (dt * (kd + dt * ke)))
        e.out("softness_out|cfm_out|compliance", T.F32).store(softness)
        return k.let("bias|b_n|target", -gap * dt * ke * softness)
    erp = k.param("erp|beta|baumgarte", 0.05, 0.4)
    if form == "slop":
        slop, top = (
            k.param("slop|allowed_penetration", 0.001, 0.01),
            k.param("max_correction|v_max_fix", 0.5, 3.0),
        )
        return k.let("bias|b_n|target", wp.min(wp.max(-gap - slop, 0.0) * erp / dt, top))
    push = k.let("push|b_pen|fix_v", -erp * wp.min(gap, 0.0) / dt)
    if form == "baumgarte":
        return push
    bounce, least = (
        e.property("restitution|bounce|cor", 0.05, 0.8),
        k.param("bounce_threshold|v_min|rest_speed", 0.05, 0.5),
    )
    if p.chance(0.5):
        return k.let("bias|b_n|target", push + choose(vn < -least, -bounce * vn, 0.0))
    bias = k.var("bias|b_n|target", push)
    with k.when(vn < -least):
        k.set(bias, wp.max(bias, -bounce * vn))
    return bias


def joint_rows(p: ProgramBuilder) -> None:
    """Rows of joints by type: balls, hinges, sliders, welds, distance; with limits and motors."""
    k = p.kernel_builder(
        "joint_constraint_rows|assemble_joint_rows|prepare_joints|joint_errors|efc_joints|build_joint_constraints",
        p.pick(
            "Errors and Jacobian rows of joints by type.",
            "Joint constraints of a batch of worlds.",
            "Prepare the joints of this step.",
        ),
    )
    e = Entities(k, "joint", index="jntid|j|tid|i", count=p.pick(32, 48, 64))
    pair = Pair(e)
    if p.chance(0.5):
        enabled = e.field("joint_enabled|enabled|jnt_active", p.pick(T.BOOL, T.I32), R.mask(0.85))
        with k.when((enabled.own == 0) if enabled.dtype == T.I32 else negate(enabled.own)):
            k.ret()
    frame_a, frame_b = (
        e.field("anchor_a|local_frame_a|X_ja", T.TRANSFORM, R.rigid(-0.3, 0.3)).own,
        e.field("anchor_b|local_frame_b|X_jb", T.TRANSFORM, R.rigid(-0.3, 0.3)).own,
    )
    xa, xb = (
        k.let("xa|X_wa|pose_a", pair.pose[pair.a] * frame_a),
        k.let("xb|X_wb|pose_b", pair.pose[pair.b] * frame_b),
    )
    pa, pb = (
        k.let("pa|p0|anchor_wa", wp.transform_get_translation(xa)),
        k.let("pb|p1|anchor_wb", wp.transform_get_translation(xb)),
    )
    error = k.let("c|err|gap_v", pb - pa)
    names = {
        "ball": "JOINT_BALL|BALL",
        "hinge": "JOINT_HINGE|HINGE",
        "slide": "JOINT_SLIDE|SLIDE",
        "weld": "JOINT_WELD|WELD",
        "distance": "JOINT_DISTANCE|DISTANCE",
    }
    kinds = p.sample(list(names), 2, 4)
    kind = e.field("joint_type|jnt_type|eq_type", T.I32, R.integers(0, len(kinds))).read(
        "jtype|kind|t_j"
    )
    positional, angular = (
        e.out("pos_error|c_pos|lin_residual", T.VEC3),
        e.out("rot_error|c_rot|ang_residual", T.VEC3),
    )
    qa, qb = (
        k.let("qa|rot_a|r0", wp.transform_get_rotation(xa)),
        k.let("qb|rot_b|r1", wp.transform_get_rotation(xb)),
    )
    rows = e.out("row_count|num_rows|nefc", T.I32) if p.chance(0.6) else None
    for number, which in enumerate(kinds):
        name = p.const(names[which], number)
        with k.when(kind == name) if number == 0 else k.elsewhen(kind == name):
            _joint_error(p, k, e, which, error, qa, qb, positional, angular)
            if rows is not None:
                rows.store({"ball": 3, "hinge": 5, "slide": 5, "weld": 6, "distance": 1}[which])
    if p.chance(0.6):
        _joint_limit(p, k, e, qa, qb)
    if p.chance(0.4):
        ra, rb = pair.arm(pair.a, pa, "ra|r1|arm_a"), pair.arm(pair.b, pb, "rb|r2|arm_b")
        relative = pair.relative_velocity(ra, rb)
        erp, dt = k.param("erp|beta|baumgarte", 0.05, 0.4), k.param("dt|timestep|h", 0.001, 0.01)
        e.out("rhs|bias_out|target_vel", T.VEC3).store(error * (-erp / dt) - relative)


def _joint_error(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    which: str,
    error: Expr,
    qa: Expr,
    qb: Expr,
    positional,
    angular,
) -> None:  # type: ignore[no-untyped-def]
    if which == "distance":
        length = e.field("rest_length|distance|rope_length", T.F32, R.uniform(0.2, 1.0)).own
        size = k.let("len|d_now|dist_now", wp.length(error))
        positional.store(error * ((size - length) / wp.max(size, 1.0e-6)))
        return
    if which == "slide":
        axis = k.let("axis|a_w|slide_dir", wp.quat_rotate(qa, construct(T.VEC3, 1.0, 0.0, 0.0)))
        positional.store(error - axis * wp.dot(error, axis))
    else:
        positional.store(error)
    if which == "hinge":
        aw, bw = (
            k.let("axis_a|za|hinge_a", wp.quat_rotate(qa, construct(T.VEC3, 0.0, 0.0, 1.0))),
            k.let("axis_b|zb|hinge_b", wp.quat_rotate(qb, construct(T.VEC3, 0.0, 0.0, 1.0))),
        )
        angular.store(wp.cross(aw, bw))
    elif which in ("weld", "slide"):
        dq = k.let("dq|q_rel|rel_q", qb * wp.quat_inverse(qa))
        angular.store(
            construct(T.VEC3, dq.x, dq.y, dq.z) * (2.0 * wp.sign(dq.w))
            if p.chance(0.5)
            else construct(T.VEC3, dq.x, dq.y, dq.z) * choose(dq.w < 0.0, -2.0, 2.0)
        )


def _joint_limit(p: ProgramBuilder, k: KernelBuilder, e: Entities, qa: Expr, qb: Expr) -> None:
    k.step(p.pick("limits", "joint limits", ""))
    relative = k.let("q_ab|rel_rot|q_j", wp.quat_inverse(qa) * qb)
    angle = k.let("angle|theta|q_now", 2.0 * wp.atan2(relative.z, relative.w))
    low, high = (
        e.field("lower|limit_lo|range_min", T.F32, R.uniform(-1.5, -0.3)).own,
        e.field("upper|limit_hi|range_max", T.F32, R.uniform(0.3, 1.5)).own,
    )
    side, depth = (
        e.out("limit_side|limit_state|at_limit", T.I32),
        e.out("limit_error|limit_depth|c_limit", T.F32),
    )
    with k.when(angle < low):
        side.store(literal(-1, T.I32))
        depth.store(low - angle)
    with k.elsewhen(angle > high):
        side.store(1)
        depth.store(angle - high)
    if p.chance(0.4):
        with k.otherwise():
            depth.store(wp.min(angle - low, high - angle))
