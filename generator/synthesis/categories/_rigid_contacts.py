"""Contacts of rigid bodies: impulses, penalty wrenches, narrow-phase tests of simple shapes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import helper, report
from generator.synthesis.categories._rigid_narrow import contact_bodies, narrow_phase, open_contacts
from generator.synthesis.categories._rigid_state import POSES, TWISTS, spatial
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def _impulses(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_contact_impulses|contact_solver|pgs_contacts|sequential_impulses|solve_contact_constraints|resolve_velocities",
        p.pick(
            "Normal and friction impulses of each contact.",
            "One Jacobi sweep of the contact solver.",
            "Projected impulses with accumulated clamping.",
        ),
    )
    e, pool = open_contacts(p, k)
    a, b = contact_bodies(p, e, pool)
    vec = p.vec(3)
    n = e.field("normals|contact_normals|contact_n", vec, R.unit_vectors()).read("n|normal")
    ra = e.field("arm_a|ra|contact_r0|offsets_a", vec, R.uniform(-0.5, 0.5)).read("ra|r0|arm0")
    rb = e.field("arm_b|rb|contact_r1|offsets_b", vec, R.uniform(-0.5, 0.5)).read("rb|r1|arm1")
    v = pool.field("velocities|lin_vel|v|body_v", vec, R.uniform(-1.0, 1.0))
    w = pool.field("angular_velocities|ang_vel|omega|body_w", vec, R.uniform(-1.0, 1.0))
    inv_m = pool.field("inv_mass|body_inv_mass|inv_m", p.real, R.uniform(0.2, 2.0))
    inv_i = pool.field("inv_inertia|inv_inertia_world|inv_i", p.mat(3), R.spd(0.3, 2.0))
    rel = k.let("v_rel|dv|rel_vel", _relative(p, k, v, w, (a, ra), (b, rb)))
    vn = k.let("vn|v_n|rel_vn", wp.dot(rel, n))

    def mass(
        blk: Block, d: Expr, r0: Expr, r1: Expr, m0: Expr, m1: Expr, i0: Expr, i1: Expr
    ) -> Expr:
        c0, c1 = blk.let("c0|rxn0", wp.cross(r0, d)), blk.let("c1|rxn1", wp.cross(r1, d))
        return 1.0 / (m0 + m1 + wp.dot(c0, i0 * c0) + wp.dot(c1, i1 * c1))

    args = {
        "n|dir|d": n,
        "ra|r0": ra,
        "rb|r1": rb,
        "ma|m0": inv_m[a],
        "mb|m1": inv_m[b],
        "ia|i0": inv_i[a],
        "ib|i1": inv_i[b],
    }
    doc = p.pick("Effective mass of a contact along a direction.", "")
    eff = k.let(
        "m_eff|eff_mass|k_n", helper(p, k, "effective_mass|contact_mass|inv_k", args, mass, doc)
    )
    target: Expr = -vn
    if p.chance(0.55):
        depth = e.field("depths|penetration|contact_depth", p.real, R.uniform(0.0, 0.05)).own
        bias = k.param("baumgarte|beta|erp", 0.05, 0.3)
        slop = k.param("slop|allowed_penetration", 0.001, 0.01)
        dt = e.world_param("dt|timestep|h", 0.005, 0.02)
        target = target + bias / dt * wp.max(depth - slop, 0.0)
    if p.chance(0.4):
        bounce = k.param("restitution|bounce|e_r", 0.1, 0.8)
        threshold = k.param("bounce_threshold|v_threshold", 0.05, 0.5)
        target = target + wp.where(vn < -threshold, -bounce * vn, literal(0.0, p.real))
    lam, old = _accumulate(p, k, e, eff * target)
    j = k.var("j|impulse|p_vec", n * lam)
    if p.chance(0.65):
        _friction(p, k, e, rel, n, vn, eff, old if old is not None else lam, j)
    dv = pool.out("delta_v|dv_out|vel_corrections", vec)
    dw = pool.out("delta_w|dw_out|ang_corrections", vec)
    dv.add(j * inv_m[a], a)
    dw.add(inv_i[a] * wp.cross(ra, j), a)
    dv.subtract(j * inv_m[b], b)
    dw.subtract(inv_i[b] * wp.cross(rb, j), b)
    report(p, e, lam, "impulse", 3.0, {0: 4, 1: 1})


def _relative(
    p: ProgramBuilder,
    k: KernelBuilder,
    v: Field,
    w: Field,
    one: tuple[Expr, Expr],
    two: tuple[Expr, Expr],
) -> Expr:
    """Velocity of the first body's point relative to the second's."""
    if p.chance(0.5):
        return v[one[0]] + wp.cross(w[one[0]], one[1]) - v[two[0]] - wp.cross(w[two[0]], two[1])

    def body(b: Block, lin: Expr, ang: Expr, arm: Expr) -> None:
        b.ret(lin + wp.cross(ang, arm))

    vec = p.vec(3)
    doc = p.pick("Velocity of a point fixed to a body.", "")
    at = p.func(
        "velocity_at|point_velocity|contact_velocity",
        {"v|lin": vec, "w|ang": vec, "r|arm": vec},
        body,
        doc,
    )
    return at(v[one[0]], w[one[0]], one[1]) - at(v[two[0]], w[two[0]], two[1])


def _accumulate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, raw: Expr
) -> tuple[Expr, Expr | None]:
    """The impulse increment, clamped alone or through an accumulated total."""
    if p.chance(0.4):
        lam = k.let("jn|lam|impulse_n", wp.max(raw, 0.0) if p.chance(0.7) else raw)
        with k.when(lam <= 0.0):
            k.ret()
        return lam, None
    store = e.inout("impulses|lambda_n|accumulated|contact_lambda", p.real, R.uniform(0.0, 0.5))
    old = k.let("old|lam0|prev_lam", store.own)
    new = k.let("new|lam1|lam_n", wp.max(old + raw, 0.0))
    store.store(new)
    return k.let("jn|dlam|lam", new - old), new


def _friction(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    rel: Expr,
    n: Expr,
    vn: Expr,
    eff: Expr,
    load: Expr,
    j: Name,
) -> None:
    mu = k.param("friction|mu|mu_c", 0.1, 0.9)
    vt = k.let("vt|tangent_v|slip", rel - n * vn)
    speed = k.let("vt_len|slip_speed|vs", wp.length(vt))
    with k.when(speed > 1.0e-6):
        limit = mu * wp.abs(load)
        if p.chance(0.5):
            k.aug(j, "-", vt * (wp.min(eff * speed, limit) / speed))
        else:
            t = k.let("t|tangent|dir_t", vt / speed)
            jt = k.let("jt|lam_t|impulse_t", wp.clamp(-eff * speed, -limit, limit))
            k.aug(j, "+", t * jt)


def _penalty(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_body_contacts|penalty_contacts|contact_wrenches|rigid_contact_forces|ground_contacts|soft_contacts",
        p.pick(
            "Penalty forces at contact points as body wrenches.",
            "Spring-damper contacts with regularised friction.",
            "Contact wrenches against the ground.",
        ),
    )
    e, pool = open_contacts(p, k)
    vec = p.vec(3)
    poses = pool.field(POSES, p.transform, R.rigid(-1.0, 1.0))
    twists = pool.field(TWISTS, p.spatial, R.uniform(-1.0, 1.0))
    two = p.chance(0.4)
    swap = p.chance(0.4)
    if two:
        a, b = contact_bodies(p, e, pool)
    else:
        a = k.let(
            "body|b|rigid",
            k.array(
                "contact_body|body_ids|contact_rigid", T.I32, (e.n,), R.integers(0, pool.count)
            )[e.index],
        )
        b = None
    e.guard()
    point = e.field("contact_points|local_points|contact_point", vec, R.uniform(-0.6, 0.6))
    pose = k.let("pose|xform|x_wb", poses[a])
    world = k.let("p|x_c|point", wp.transform_point(pose, point.own))
    if b is None:
        n = k.quantity("ground_normal|up|plane_n", vec, p.pick([0.0, 1.0, 0.0], [0.0, 0.0, 1.0]))
        depth = k.let(
            "d|gap|dist", wp.dot(n, world) - k.param("ground_height|plane_d|ground", 0.01, 0.4)
        )
    else:
        n = e.field("normals|contact_normals", vec, R.unit_vectors()).read("n|normal")
        other = e.field("contact_points_b|other_points|points_b", vec, R.uniform(-0.6, 0.6))
        depth = k.let("d|gap|dist", wp.dot(n, world - wp.transform_point(poses[b], other.own)))
    thickness = k.param("margin|thickness|contact_offset", 0.005, 0.1) if p.chance(0.4) else None
    with k.when(depth >= 0.0 if thickness is None else depth >= thickness):
        k.ret()
    if thickness is not None:
        depth = k.let("c|pen|err", depth - thickness)
    arm = k.let("r|arm|lever", world - wp.transform_get_translation(pose))
    qd = k.let("qd|twist", twists[a])
    top, bottom = (
        (wp.spatial_bottom, wp.spatial_top) if swap else (wp.spatial_top, wp.spatial_bottom)
    )
    v: Expr = top(qd) + wp.cross(bottom(qd), arm)
    if b is not None:
        arm_b = k.let("r_b|arm_b", world - wp.transform_get_translation(poses[b]))
        v = v - (top(twists[b]) + wp.cross(bottom(twists[b]), arm_b))
    v = k.let("v|v_c|rel_vel", v)
    f = _penalty_force(p, k, e, n, depth, v)
    out = pool.out("body_f|wrenches|f_out", p.spatial)
    tau = wp.cross(arm, f)
    out.add(spatial(p, tau, f) if swap else spatial(p, f, tau), a)
    if b is not None:
        back = wp.cross(arm_b, f)
        out.subtract(spatial(p, back, f) if swap else spatial(p, f, back), b)
    if p.chance(0.25):
        e.out("contact_forces|normal_force_out|contact_f", vec).store(f)


def _penalty_force(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: Expr, depth: Expr, v: Expr
) -> Expr:
    ke, kd = (
        e.property("ke|stiffness|contact_ke", 200.0, 5000.0),
        k.param("kd|damping|contact_kd", 1.0, 50.0),
    )
    vn = k.let("vn|v_n", wp.dot(v, n))
    fn = k.let("fn|f_n", -ke * depth - kd * wp.min(vn, 0.0))
    if not p.chance(0.75):
        return k.let("f|force|f_c", n * fn)
    mu = k.param("mu|friction", 0.1, 0.9)
    form = p.pick("clamp", "smooth", "huber")

    def smooth(b: Block, slip: Expr, load: Expr, m: Expr) -> Expr:
        return slip * (-m * load / wp.sqrt(wp.length_sq(slip) + 0.0001))

    def tangential(b: Block, slip: Expr, load: Expr, m: Expr, gain: Expr) -> Expr:
        size = b.let("s|speed|slip_len", wp.length(slip))
        if form == "huber":
            with b.when(size * gain < m * load):
                b.ret(slip * -gain)
        return slip * (-wp.min(gain * size, m * load) / wp.max(size, 1.0e-6))

    vt = k.let("vt|slip", v - n * vn)
    params = {"vt|slip": vt, "fn|load": fn, "mu|m": mu}
    if form != "smooth":
        params["kf|gain"] = k.param("kf|friction_gain|contact_kf", 5.0, 100.0)
    if form == "huber":

        def body(b: Block, *args: Expr) -> None:
            b.ret(tangential(b, *args))

        ft: Expr = p.func(
            "friction_force|tangential_force|coulomb", {h: a.type for h, a in params.items()}, body
        )(*params.values())
    else:
        ft = helper(
            p,
            k,
            "friction_force|tangential_force|coulomb",
            params,
            smooth if form == "smooth" else tangential,
        )
    return k.let("f|force|f_c", n * fn + ft)


CONTACTS = {_impulses: 2.2, _penalty: 2.2, narrow_phase: 1.5}
