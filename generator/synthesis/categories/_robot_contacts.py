"""Contacts, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._robot import contact_frame
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def contacts(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_jacobian|assemble_contact_frames|contact_parameters|contact_kinematics|relative_contact_velocity|ground_contacts",
        p.pick(
            "Frames and relative velocities at contacts.",
            "Contact Jacobian rows.",
            "Penalty forces of feet on the ground.",
        ),
    )
    e = Entities(k, "contact", index="conid|c|tid|i", count=p.pick(48, 64, 96))
    bodies = p.pick(8, 12, 16)
    if p.chance(0.6) and not p.on("padded_launch"):
        limit = Table(
            e, "ncon|num_contacts|contact_count", T.I32, (1,), R.constant(e.n - p.pick(0, 4, 9))
        )
        with k.when(e.index >= limit[0]):
            k.ret()
    pair = e.field("contact_bodies|pairs|body_pair", T.Vec(2, T.I32), R.integers(0, bodies)).read(
        "pair|ab|bp"
    )
    a, b = k.let("b1|a|body_a", pair[0]), k.let("b2|b|body_b", pair[1])
    depth = e.field("contact_dist|gap|separation", T.F32, R.uniform(-0.05, 0.02)).read(
        "gap|dist|phi"
    )
    with k.when(
        any_of(a == b, depth > k.param("margin|includemargin|contact_margin", 0.001, 0.02))
        if p.chance(0.6)
        else a == b
    ):
        k.ret()
    poses, twists = (
        Table(e, "body_q|xpose|body_pose", T.TRANSFORM, (bodies,), R.rigid(-1.0, 1.0)),
        Table(e, "body_qd|cvel|body_twist", T.SPATIAL, (bodies,), R.uniform(-1.0, 1.0)),
    )
    point, normal = (
        e.field("contact_pos|points|con_pos", T.VEC3, R.uniform(-1.0, 1.0)).own,
        e.field("contact_normal|normals|con_normal", T.VEC3, R.unit_vectors()).own,
    )
    frame = k.let("frame|basis|R_c", contact_frame(p)(normal))
    ra, rb = (
        k.let(h, point - wp.transform_get_translation(poses[x]))
        for h, x in (("r1|ra|arm_a", a), ("r2|rb|arm_b", b))
    )

    def speed(block: Block, twist: Expr, r: Expr) -> Expr:
        return wp.spatial_top(twist) + wp.cross(wp.spatial_bottom(twist), r)

    va, vb = (
        piece(p, k, "point_velocity|velocity_at", {"twist|qd": twists[x], "r|arm": r}, speed)
        for x, r in ((a, ra), (b, rb))
    )
    relative = k.let("v_rel|dv|slip_v", vb - va)
    local = k.let("v_c|local_v|v_frame", frame @ relative)
    p.pick(_contact_rows, _penalty, _penalty)(p, k, e, frame, local, depth, ra, rb, a, b, bodies)


def _contact_rows(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    frame: Expr,
    local: Expr,
    depth: Expr,
    ra: Expr,
    rb: Expr,
    a: Expr,
    b: Expr,
    bodies: int,
) -> None:
    rows_a, rows_b = (
        Table(e, "J_a|jac_a|rows_a", T.SPATIAL, (e.n, 3), role="out"),
        Table(e, "J_b|jac_b|rows_b", T.SPATIAL, (e.n, 3), role="out"),
    )
    with k.loop("row|d|axis", 3) as row:
        axis = k.let("dir_r|u|n_r", frame[row])
        rows_a.store(wp.spatial_vector(-axis, -wp.cross(ra, axis)), e.index, row)
        rows_b.store(wp.spatial_vector(axis, wp.cross(rb, axis)), e.index, row)
    stiff, dt = k.param("erp|baumgarte|beta", 0.05, 0.4), k.param("dt|timestep", 0.001, 0.01)
    bias = k.let("bias|target_v|b_n", stiff * wp.min(depth, 0.0) / dt)
    if p.chance(0.5):
        restitution = e.property("restitution|bounce|cor", 0.05, 0.8)
        threshold = k.param("bounce_threshold|v_min", 0.05, 0.5)
        with k.when(local.x < -threshold):
            e.out("restitution_bias|bounce_v|v_target", T.F32).store(-restitution * local.x)
    e.out("bias_out|rhs|aref", T.VEC3).store(construct(T.VEC3, bias + local.x, local.y, local.z))
    if p.chance(0.5):
        mass = Table(
            e, "body_invweight|inv_mass|invm", T.F32, (bodies,), R.uniform(0.1, 2.0), shared=True
        )
        e.out("diag|effective_mass|D", T.F32).store(
            1.0 / (mass[a] + mass[b] + 1.0e-4 if p.chance(0.3) else mass[a] + mass[b])
        )


def _penalty(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    frame: Expr,
    local: Expr,
    depth: Expr,
    ra: Expr,
    rb: Expr,
    a: Expr,
    b: Expr,
    bodies: int,
) -> None:
    ke, kd, mu = (
        e.property("ke|contact_ke|stiffness", 100.0, 3000.0),
        k.param("kd|contact_kd|damping", 1.0, 40.0),
        e.property("mu|friction|friction_coef", 0.2, 1.0),
    )
    push = k.let("fn|normal_force|push", wp.max(-ke * depth - kd * local.x, 0.0))
    slip = k.let("slip|vt|tangent_v", construct(T.VEC2, local.y, local.z))
    size = k.let("slip_speed|vt_len|s", wp.length(slip))
    match p.pick("tanh", "regularised", "viscous"):
        case "tanh":
            drag = k.let(
                "ft|friction_f|tangential",
                slip * (-mu * push * wp.tanh(size / 0.05) / wp.max(size, 1.0e-6)),
            )
        case "regularised":
            floor = k.param("slip_eps|v_reg|stiction_speed", 0.01, 0.1)
            drag = k.let("ft|friction_f|tangential", slip * (-mu * push / wp.max(size, floor)))
        case _:
            kf = k.param("kf|contact_kf|tangent_damping", 5.0, 100.0)
            drag = k.let(
                "ft|friction_f|tangential", slip * (-wp.min(kf, mu * push / wp.max(size, 1.0e-4)))
            )
    force = k.let("f_w|force|f", wp.transpose(frame) @ construct(T.VEC3, push, drag.x, drag.y))
    total = Table(e, "body_f|xfrc|wrenches", T.SPATIAL, (bodies,), role="out")
    total.add(wp.spatial_vector(-force, -wp.cross(ra, force)), a)
    total.add(wp.spatial_vector(force, wp.cross(rb, force)), b)
    if p.chance(0.5):
        e.out("contact_force_out|efc_force|f_local", T.VEC3).store(
            construct(T.VEC3, push, drag.x, drag.y)
        )
    if p.chance(0.35):
        with k.when(all_of(push > 0.0, size > k.param("slide_speed|v_slide", 0.05, 0.5))):
            Table(e, "num_sliding|sliding_count", T.I32, (1,), role="out").add(literal(1, T.I32), 0)
