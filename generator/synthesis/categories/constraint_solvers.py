"""Constraint solvers: rows of contacts, joints and friction, friction cones, relaxation and CG iterations."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._constraint_bodies import contact_solve, joint_solve
from generator.synthesis.categories._constraint_rows import (
    System,
    conjugate_gradient,
    force_update,
    gauss_seidel,
    impedance,
    jacobi,
    step_length,
    tid,
)
from generator.synthesis.categories._numerics import add_at, tally
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, Operand, literal


@category("constraint_solvers", version=1, title="Constraint solvers")
def write(p: ProgramBuilder) -> None:
    """Assembly and iterative solution of joint, limit, contact and friction constraints over batches of worlds:
    pyramidal and elliptic friction cones, projected Gauss-Seidel, Jacobi, conjugate-gradient and line-search steps."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _contact_rows: 2.4,
        _limit_rows: 1.6,
        _equality_rows: 1.3,
        _cones: 1.8,
        contact_solve: 2.4,
        joint_solve: 2,
        gauss_seidel: 1.5,
        jacobi: 1.5,
        conjugate_gradient: 1.9,
        force_update: 1.5,
        step_length: 1.1,
        _warm_start: 1.3,
    }
    p.weighted(intents)(p)


# --- contact rows ---------------------------------------------------------------------------------


def _contact_rows(p: ProgramBuilder) -> None:
    """Rows of contacts: frictionless, pyramidal or elliptic, with Jacobians, regularisation and reference terms."""
    cone = p.pick("pyramidal", "pyramidal", "elliptic", "frictionless")
    k = p.kernel_builder(
        f"contact_{cone}_rows|make_contact_rows|assemble_contacts|efc_contact_{cone}|build_contact_jacobian|contact_constraints",
        p.pick(
            "Constraint rows of every contact.",
            f"Rows of {cone} contacts.",
            "Jacobian, regularisation and reference acceleration of contacts.",
        ),
    )
    worlds, nbody, nv = p.pick(2, 3, 4), p.pick(4, 6, 8), p.pick(4, 6, 7, 8)
    contacts = p.pick(16, 24, 32, 48)
    per = {"pyramidal": 4, "elliptic": 3, "frictionless": 1}[cone]
    rows = contacts * per
    ragged = p.chance(0.5)
    if per > 1 and p.chance(0.7):
        k.launch_dim = (contacts, per)
        c, dim = k.unpack(["conid|contact|c|cid", "dimid|dim_id|facet|edge"], tid(2))
        looped = False
    else:
        k.launch_dim = (contacts,)
        c, dim = k.let("conid|contact|cid|tid", wp.tid()), None
        looped = per > 1
    if p.chance(0.7):
        count = k.array(
            "ncon|num_contacts|nacon", T.I32, (1,), R.constant(contacts - p.pick(0, 2, 5))
        )
        with k.when(c >= count[0]):
            k.ret()
    w = k.let(
        "worldid|world|w",
        k.array("contact_worldid|con_world|world_of", T.I32, (contacts,), R.integers(0, worlds))[c],
    )
    dist = k.array("contact_dist|dist|depth", p.real, (contacts,), R.uniform(-0.1, 0.05))
    margin = (
        k.array("contact_margin|includemargin|margins", p.real, (contacts,), R.uniform(0.0, 0.03))
        if p.chance(0.6)
        else None
    )
    pos = k.let("pos|gap|phi", dist[c] if margin is None else dist[c] - margin[c])
    with k.when(pos >= 0.0):
        if ragged:
            k.set(k.out("row_active|efc_active|enabled", T.I32, (contacts,))[c], -1)
        k.ret()
    frame = k.let(
        "frame|basis|rot",
        k.array("contact_frame|frames|con_frame", p.mat(3), (contacts,), R.near_identity(0.3))[c],
    )
    point = k.let(
        "point|con_pos|xc",
        k.array("contact_pos|points|con_point", p.vec(), (contacts,), R.uniform(-0.5, 0.5))[c],
    )
    ids = k.array(
        "contact_bodies|con_geom|body_pairs", T.Vec(2, T.I32), (contacts,), R.integers(0, nbody)
    )
    pair = k.let("bodies|pair|ids", ids[c])
    b1, b2 = k.let("b1|body1|ba", pair[0]), k.let("b2|body2|bb", pair[1])
    mu = (
        k.array(
            "contact_friction|friction|con_mu",
            p.real if p.chance(0.5) else p.vec(2),
            (contacts,),
            R.uniform(0.2, 1.0),
        )[c]
        if per > 1
        else None
    )
    arrays = {
        "com": k.array("xpos|body_com|subtree_com", p.vec(), (worlds, nbody), R.uniform(-0.5, 0.5)),
        "cdof": k.array("cdof_ang|dof_axis|xaxis", p.vec(), (worlds, nv), R.unit_vectors()),
        "lin": k.array("cdof_lin|dof_lin|axis_lin", p.vec(), (worlds, nv), R.uniform(-0.5, 0.5)),
        "body": k.array("dof_bodyid|dof_body|owner", T.I32, (nv,), R.integers(0, nbody)),
        "qvel": k.array("qvel|dof_vel|qd", p.real, (worlds, nv), R.uniform(-1.0, 1.0)),
        "invw": k.array(
            "body_invweight|inv_weight|inv_mass", p.real, (worlds, nbody), R.uniform(0.2, 1.5)
        ),
    }
    solimp = k.quantity("solimp|impedance_params|imp_params", p.vec(3), [0.7, 0.95, 0.05])
    imp = k.let("imp|impedance_i|z", wp.clamp(impedance(p, k, pos, solimp), 0.01, 0.99))
    inv = k.let("invw|inv_m|weight", arrays["invw"][w, b1] + arrays["invw"][w, b2])
    stiffness, damping = _reference(p, k)
    jac = k.out("efc_j|jac|jacobian", p.real, (rows, nv))
    d_out, aref = (
        k.out("efc_d|row_d|inv_reg", p.real, (rows,)),
        k.out("efc_aref|aref|reference", p.real, (rows,)),
    )

    def facet(index: Operand) -> None:
        row = k.let("efcid|row|r", c * per + index if per > 1 else c)
        direction, scale = _row_direction(p, k, cone, frame, mu, index)
        jv = k.var("jv|vel|jqvel", 0.0, p.real)
        with k.loop("dof|d|dofid", nv if p.chance(0.3) else arrays["cdof"].dim(1)) as dof:
            _row_entry(p, k, arrays, w, dof, b1, b2, point, direction, jac, row, jv)
        k.step(p.pick("regularisation and reference", "impedance", ""))
        base = inv if scale is None else inv * scale
        reg = k.let("reg|r_i|diag", wp.max(base * (1.0 - imp) / imp, 1.0e-6))
        k.set(d_out[row], 1.0 / reg)
        k.set(aref[row], -damping * jv - stiffness * imp * pos)
        if p.chance(0.4):
            k.set(k.out("efc_pos|row_pos", p.real, (rows,))[row], pos)
        if p.chance(0.4):
            k.set(k.out("efc_worldid|row_world", T.I32, (rows,))[row], w)

    if dim is not None:
        facet(dim)
    elif looped:
        with k.loop("f|facet|m", per) as f:
            facet(f)
    else:
        facet(0)
    if p.chance(0.5):
        with (
            k.when(dim == 0)
            if dim is not None
            else k.when(pos < -k.param("deep|max_depth|warn_depth", 0.01, 0.08))
        ):
            add_at(k, k.out("world_contacts|active_count|ncon_world", T.I32, (worlds,)), w, 1)


def _reference(p: ProgramBuilder, k: KernelBuilder) -> tuple[Expr, Expr]:
    """Stiffness and damping of the reference acceleration."""
    if p.chance(0.4):
        return k.param("ke|stiffness|k_ref", 20.0, 400.0), k.param("kd|damping|b_ref", 1.0, 30.0)
    tc, ratio = (
        k.param("timeconst|solref_t|time_const", 0.02, 0.1),
        k.param("dampratio|solref_d|damp_ratio", 0.7, 1.2),
    )

    def body(b: Block, t: Expr, z: Expr) -> None:
        b.ret(1.0 / (t * t * z * z), 2.0 / t)

    if p.on("helper_function"):
        f = p.func(
            "reference_gains|solref_gains|spring_damper",
            {"tc|timeconst": p.real, "zeta|ratio": p.real},
            body,
            p.pick("", "Stiffness and damping of a second-order reference."),
        )
        a, b = k.unpack(["ke|stiff|k_ref", "kd|damp|b_ref"], f(tc, ratio))
        return a, b
    return k.let("ke|stiff|k_ref", 1.0 / (tc * tc * ratio * ratio)), k.let(
        "kd|damp|b_ref", 2.0 / tc
    )


def _row_direction(
    p: ProgramBuilder, k: KernelBuilder, cone: str, frame: Expr, mu: Expr | None, index: Operand
) -> tuple[Expr, Expr | None]:
    normal = frame[0]
    if cone == "frictionless" or mu is None:
        return k.let("dir_n|normal|n", normal), None
    assert not isinstance(index, int)
    slide = mu if isinstance(mu.type, T.Scalar) else None
    if cone == "elliptic":
        d = k.let("dir_r|direction|axis", frame[index])
        weight = slide if slide is not None else mu[0]
        return d, choose(index == 0, literal(1.0, p.real), 1.0 / (weight * weight)) if p.chance(
            0.6
        ) else None
    axis = k.let("axis|tangent_id|t_id", 1 + index // 2)
    factor = slide if slide is not None else mu[index // 2]
    sign = k.let(
        "sgn|sign_f|side",
        choose(index % 2 == 0, factor, -factor)
        if p.chance(0.6)
        else (1.0 - 2.0 * cast(p.real, index % 2)) * factor,
    )
    d = k.let("dir_r|direction|edge_dir", normal + frame[axis] * sign)
    return d, 2.0 * factor * factor if p.chance(0.5) else None


def _row_entry(
    p: ProgramBuilder,
    k: KernelBuilder,
    a: dict[str, Expr],
    w: Expr,
    dof: Expr,
    b1: Expr,
    b2: Expr,
    point: Expr,
    direction: Expr,
    jac: Expr,
    row: Expr,
    jv: Name,
) -> None:
    owner = k.let("owner|body|bid", a["body"][dof])
    if p.chance(0.6):
        with k.when(all_of(owner != b1, owner != b2)):
            k.cont()

    def velocity(b: Block, ang: Expr, lin: Expr, x: Expr, c: Expr) -> Expr:
        return lin + wp.cross(ang, x - c)

    args = {
        "ang|axis|w": a["cdof"][w, dof],
        "lin|v": a["lin"][w, dof],
        "x|point": point,
        "com|center|c": a["com"][w, owner],
    }
    jp = k.let(
        "jp|jacp|col",
        piece(
            p,
            k,
            "point_velocity|jac_point|dof_jacobian",
            args,
            velocity,
            p.pick("", "Velocity of a point per unit of a degree of freedom."),
            1.0 if p.chance(0.5) else 0.0,
        ),
    )
    side = k.let(
        "side|sgn_b|s",
        choose(owner == b2, literal(1.0, p.real), literal(-1.0, p.real))
        if p.chance(0.5)
        else wp.where(owner == b2, literal(1.0, p.real), literal(-1.0, p.real)),
    )
    entry = k.let("entry|j_ij|value", side * wp.dot(direction, jp))
    k.set(jac[row, dof], entry)
    k.aug(jv, "+", entry * a["qvel"][w, dof])


# --- joint rows -----------------------------------------------------------------------------------


def _limit_rows(p: ProgramBuilder) -> None:
    """Rows of joint limits and dry friction: one thread per (world, joint)."""
    form = p.pick("limit", "limit", "friction", "tendon")
    k = p.kernel_builder(
        f"{form}_rows|joint_{form}_constraints|efc_{form}|make_{form}_rows|assemble_{form}",
        p.pick("Rows of joint limits.", "One row per joint and world, where it is active.", "")
        if form != "friction"
        else p.pick("Dry friction rows.", ""),
    )
    worlds, nj = p.pick(3, 4, 6), p.pick(6, 8, 10, 12)
    k.launch_dim = (worlds, nj)
    w, j = k.unpack(["worldid|world|env|w", "jntid|joint|j|jid"], tid(2))
    s = System(k, worlds, nj, nj, w, j)
    s.guard_done()
    if p.chance(0.5):
        kinds = k.array("jnt_type|joint_type|types", T.I32, (nj,), R.integers(0, 4))
        free = p.const("FREE|JOINT_FREE|FREE_JOINT", 0)
        with k.when(any_of(kinds[j] == free, kinds[j] == 1) if p.chance(0.4) else kinds[j] == free):
            k.ret()
    if p.chance(0.5):
        limited = k.array(
            "jnt_limited|is_limited|has_limit", p.pick(T.BOOL, T.I32), (nj,), R.mask(0.8)
        )
        with k.when(limited[j] == 0 if limited.type.dtype == T.I32 else negate(limited[j])):
            k.ret()
    adr = k.array("dof_adr|jnt_dofadr|dof_index", T.I32, (nj,), R.permutation())
    dof = k.let("dof|dofid|da", adr[j]) if p.chance(0.7) else j
    qvel = s.per_dof("qvel|qd|joint_vel", -1.0, 1.0)
    out_d, out_a = (
        k.out("efc_d|row_d|weights", p.real, (worlds, nj)),
        k.out("efc_aref|aref|bias", p.real, (worlds, nj)),
    )
    inv = k.array("dof_invweight|inv_weight|inv_inertia", p.real, (nj,), R.uniform(0.2, 1.5))
    dense = k.out("efc_j|jac|jacobian", p.real, (worlds, nj, nj)) if p.chance(0.6) else None
    stiffness, damping = _reference(p, k)
    if form == "friction":
        loss = k.array(
            "frictionloss|dof_frictionloss|dry_friction", p.real, (nj,), R.uniform(-0.2, 0.8)
        )
        with k.when(loss[dof] <= 0.0):
            k.ret()
        imp = k.param("imp|impedance|d0", 0.8, 0.98)
        k.set(out_d[w, j], imp / (inv[dof] * (1.0 - imp)))
        k.set(out_a[w, j], -damping * qvel[w, dof])
        k.set(k.out("efc_frictionloss|row_loss", p.real, (worlds, nj))[w, j], loss[dof])
        if dense is not None:
            k.set(dense[w, j, dof], 1.0)
        return
    q = k.let("q|angle|value", s.per_dof("qpos|joint_q|lengths", -2.0, 2.0)[w, dof])
    limits = k.array("jnt_range|limits|ranges", p.vec(2), (nj,), R.uniform(-1.5, 1.5))
    margin = (
        k.array("jnt_margin|margins", p.real, (nj,), R.uniform(0.0, 0.1))[j]
        if p.chance(0.5)
        else None
    )
    lo, hi = wp.min(limits[j].x, limits[j].y), wp.max(limits[j].x, limits[j].y)
    below, above = k.let("dist_min|below|d_lo", q - lo), k.let("dist_max|above|d_hi", hi - q)
    gap = k.let(
        "pos|gap|violation",
        wp.min(below, above) if margin is None else wp.min(below, above) - margin,
    )
    with k.when(gap >= 0.0):
        if p.chance(0.4):
            k.set(out_d[w, j], 0.0)
        k.ret()
    sign = k.let(
        "sgn|side|direction",
        choose(below < above, literal(1.0, p.real), literal(-1.0, p.real))
        if p.chance(0.5)
        else construct(p.real, cast(T.I32, below < above)) * 2.0 - 1.0,
    )
    imp = k.let(
        "imp|z|imp_i",
        wp.clamp(
            impedance(p, k, gap, k.quantity("solimp|imp_params", p.vec(3), [0.8, 0.97, 0.1])),
            0.01,
            0.99,
        ),
    )
    k.set(out_d[w, j], imp / ((1.0 - imp) * inv[dof]))
    k.set(out_a[w, j], -damping * sign * qvel[w, dof] - stiffness * imp * gap)
    if dense is not None:
        k.set(dense[w, j, dof], sign)
        if form == "tendon":
            other = k.let("other|coupled|d2", (dof + 1) % nj)
            k.set(
                dense[w, j, other],
                sign * k.array("coef|moment_arm|gear", p.real, (nj,), R.uniform(-1.0, 1.0))[j],
            )
    if p.chance(0.4):
        add_at(k, k.out("nefc|num_active|limit_count", T.I32, (worlds,)), w, 1)
    tally(p, k, (w, j), (worlds, nj), -gap, "violation", 0, 1)


def _equality_rows(p: ProgramBuilder) -> None:
    """Rows of coupled joints or of points that must coincide."""
    form = p.pick("polynomial", "connect", "weld", "distance")
    k = p.kernel_builder(
        f"equality_{form}|{form}_rows|equality_constraints|make_equality_rows|efc_equality",
        p.pick("Equality constraint rows.", f"Error and reference of {form} constraints.", ""),
    )
    worlds, ne = p.pick(3, 4, 6), p.pick(6, 8, 12, 16)
    k.launch_dim = (worlds, ne)
    w, c = k.unpack(["worldid|world|env|w", "eqid|eq|c|cid"], tid(2))
    s = System(k, worlds, ne, p.pick(6, 8, 10), w, c)
    if p.chance(0.6):
        active = k.array(
            "eq_active|active|enabled", p.pick(T.BOOL, T.I32), (worlds, ne), R.mask(0.8)
        )
        with k.when(active[w, c] == 0 if active.type.dtype == T.I32 else negate(active[w, c])):
            k.ret()
    stiffness, damping = _reference(p, k)
    out_a = k.out(
        "efc_aref|aref|bias",
        p.real if form in ("polynomial", "distance") else p.vec(),
        (worlds, ne),
    )
    if form == "polynomial":
        _coupled(p, k, s, stiffness, damping, out_a)
        return
    nb = p.pick(5, 6, 8)
    ids = [
        k.array(f"eq_obj{n}|body_{n}|obj{n}_id", T.I32, (ne,), R.integers(0, nb)) for n in (1, 2)
    ]
    b1, b2 = k.let("b1|body1|ba", ids[0][c]), k.let("b2|body2|bb", ids[1][c])
    pose = k.array("xform|body_pose|body_tf", p.transform, (worlds, nb), R.rigid(-0.6, 0.6))
    anchors = [
        k.array(f"anchor{n}|local_{n}|offset{n}", p.vec(), (ne,), R.uniform(-0.3, 0.3))
        for n in (1, 2)
    ]
    x1 = k.let("p1|x1|a_w", wp.transform_point(pose[w, b1], anchors[0][c]))
    x2 = k.let("p2|x2|b_w", wp.transform_point(pose[w, b2], anchors[1][c]))
    lin = k.array("body_vel|cvel_lin|qd_lin", p.vec(), (worlds, nb), R.uniform(-1.0, 1.0))
    ang = k.array("body_angvel|cvel_ang|qd_ang", p.vec(), (worlds, nb), R.uniform(-1.0, 1.0))
    r1, r2 = (
        k.let("r1|arm1|ra", x1 - wp.transform_get_translation(pose[w, b1])),
        k.let("r2|arm2|rb", x2 - wp.transform_get_translation(pose[w, b2])),
    )
    error = k.let("err|cpos|gap", x1 - x2)
    rate = k.let(
        "rate|cvel|verr",
        lin[w, b1] + wp.cross(ang[w, b1], r1) - lin[w, b2] - wp.cross(ang[w, b2], r2),
    )
    if form == "distance":
        rest = k.array("rest_length|lengths|eq_length", p.real, (ne,), R.uniform(0.2, 0.8))
        size = k.let("dist|len_e|d", wp.length(error))
        with k.when(size < 1.0e-6):
            k.ret()
        n = k.let("n|dir_n|u", error / size)
        stretch = k.let("stretch|pos|phi", size - rest[c])
        if p.chance(0.5):
            with k.when(stretch <= 0.0):  # rope: acts in tension only
                k.ret()
        k.set(out_a[w, c], -damping * wp.dot(n, rate) - stiffness * stretch)
        k.set(k.out("efc_dir|row_dir|directions", p.vec(), (worlds, ne))[w, c], n)
    else:
        k.set(out_a[w, c], -damping * rate - stiffness * error)
        if form == "weld":
            _weld_rows(p, k, pose, ang, w, c, b1, b2, worlds, ne, stiffness, damping)
    if p.chance(0.5):
        m = k.array("inv_mass|body_invweight|inv_m", p.real, (nb,), R.uniform(0.2, 1.5))
        imp = k.param("imp|impedance|d0", 0.7, 0.98)
        k.set(
            k.out("efc_d|row_d|inv_reg", p.real, (worlds, ne))[w, c],
            imp / ((1.0 - imp) * (m[b1] + m[b2])),
        )
    tally(p, k, (w, c), (worlds, ne), wp.length(error), "error")


def _weld_rows(
    p: ProgramBuilder,
    k: KernelBuilder,
    pose: Expr,
    ang: Expr,
    w: Expr,
    c: Expr,
    b1: Expr,
    b2: Expr,
    worlds: int,
    ne: int,
    ke: Expr,
    kd: Expr,
) -> None:
    rel = k.array("rel_quat|target_rot|relpose", p.quat, (ne,), R.rotations())
    q1, q2 = wp.transform_get_rotation(pose[w, b1]), wp.transform_get_rotation(pose[w, b2])
    dq = k.let("dq|q_err|q_rel", wp.quat_inverse(q1 * rel[c]) * q2)
    vec = k.let(
        "axis_err|rot_err|e_rot",
        construct(p.vec(), dq[0], dq[1], dq[2]) * (2.0 * wp.sign(dq[3]))
        if p.chance(0.6)
        else construct(p.vec(), dq[0], dq[1], dq[2]) * 2.0,
    )
    slip = k.let("slip|w_rel|dw", ang[w, b2] - ang[w, b1])
    k.set(
        k.out("efc_aref_rot|aref_ang|rot_bias", p.vec(), (worlds, ne))[w, c], -kd * slip - ke * vec
    )


def _coupled(
    p: ProgramBuilder, k: KernelBuilder, s: System, ke: Expr, kd: Expr, out_a: Expr
) -> None:
    w, c = s.world, s.row
    assert w is not None
    assert c is not None
    ne, nv = s.rows, s.dofs
    j1 = k.let("j1|dof1|lead", k.array("eq_dof1|joint_a|obj1", T.I32, (ne,), R.integers(0, nv))[c])
    j2 = k.let(
        "j2|dof2|follow", k.array("eq_dof2|joint_b|obj2", T.I32, (ne,), R.integers(-1, nv))[c]
    )
    q, v = s.per_dof("qpos|q|joint_q", -1.0, 1.0), s.per_dof("qvel|qd|joint_qd", -1.0, 1.0)
    coef = k.array("polycoef|eq_data|coefs", p.vec(4), (ne,), R.uniform(-0.5, 0.5))[c]
    a = k.let("a|data|poly", coef)
    jac = k.out("efc_j|jac|jacobian", p.real, (s.worlds, ne, nv))
    k.set(jac[w, c, j1], 1.0)
    error = k.var("err|pos|cpos", q[w, j1] - a[0])
    rate = k.var("rate|jv|vel", v[w, j1])
    with k.when(j2 >= 0 if p.chance(0.5) else all_of(j2 >= 0, j2 != j1)):
        x = k.let("x|dif|q2", q[w, j2])
        slope = k.let("slope|deriv|dpoly", a[1] + x * (2.0 * a[2] + x * 3.0 * a[3]))
        k.aug(error, "-", x * (a[1] + x * (a[2] + x * a[3])))
        k.aug(rate, "-", slope * v[w, j2])
        if p.chance(0.6):
            k.set(jac[w, c, j2], -slope)
    k.set(out_a[w, c], -kd * rate - ke * error)
    if p.chance(0.6):
        inv = k.array("dof_invweight|inv_weight", p.real, (nv,), R.uniform(0.2, 1.5))
        imp = k.param("imp|impedance|d0", 0.7, 0.98)
        k.set(k.out("efc_d|row_d", p.real, (s.worlds, ne))[w, c], imp / ((1.0 - imp) * inv[j1]))
    tally(p, k, (w, c), (s.worlds, ne), error, "error", 0, 1)


# --- cones ----------------------------------------------------------------------------------------


def _cones(p: ProgramBuilder) -> None:
    """Projection of contact impulses on friction cones, or their conversion to wrenches."""
    form = p.pick("elliptic", "elliptic", "pyramid", "box", "torsional", "decode")
    k = p.kernel_builder(
        "project_impulses|project_friction_cone|clamp_friction|cone_projection|friction_limits|contact_force_from_rows",
        p.pick(
            "Bring contact impulses back into their friction cones.",
            "Friction cone projection per contact.",
            f"{form.capitalize()} friction.",
        ),
    )
    worlds, n = p.pick(2, 3, 4, 6), p.pick(16, 24, 32)
    batched = p.chance(0.6)
    dims = (worlds, n) if batched else (n * worlds,)
    k.launch_dim = dims
    at: tuple[Expr, ...] = (
        tuple(k.unpack(["worldid|world|env", "conid|c|contact"], tid(2)))
        if batched
        else (k.let("conid|c|tid", wp.tid()),)
    )
    if p.chance(0.4):
        gaps = k.array("dist|gaps|contact_dist", p.real, dims, R.uniform(-0.1, 0.05))
        with k.when(gaps[at] > 0.0):
            k.ret()
    mu = (
        k.let(
            "mu|friction_c|coef",
            k.array("friction|mu|contact_mu", p.real, dims, R.uniform(0.2, 1.0))[at],
        )
        if p.chance(0.6)
        else k.param("mu|friction|mu_static", 0.2, 0.9)
    )
    if form == "decode":
        _decode(p, k, at, dims, mu)
        return
    t = p.vec(4) if form == "torsional" else p.vec()
    f = k.array("impulses|lam|contact_force", t, dims, R.uniform(-1.0, 1.5), "inout")
    x = k.let("x|lam_c|f", f[at])
    normal_first = p.chance(0.5)
    nrm = k.let("fn|normal|lam_n", wp.max(x[0] if normal_first else x[2], 0.0))
    a, b = (x[1], x[2]) if normal_first else (x[0], x[1])
    limit = k.let("limit|f_max|cap", mu * nrm)
    scale: Expr | None = None
    if form in ("box", "pyramid"):
        ta, tb = (
            k.let("ta|t1|fx", wp.clamp(a, -limit, limit)),
            k.let("tb|t2|fy", wp.clamp(b, -limit, limit)),
        )
        if form == "pyramid":
            l1 = k.let("l1|sum_abs|manhattan", wp.abs(a) + wp.abs(b))
            shrink = k.let("s|shrink|ratio", choose(l1 > limit, limit / l1, literal(1.0, p.real)))
            ta, tb = a * shrink, b * shrink
    else:
        slide = k.let("ft|slide|t_len", wp.sqrt(a * a + b * b))
        if p.chance(0.35):
            with k.when(all_of(slide <= limit, x[0] >= 0.0)):
                k.ret()
        scale = k.var("s|scale|ratio", 1.0, p.real)
        with k.when(slide > limit):
            k.set(scale, limit / slide)
        ta, tb = a * scale, b * scale
    parts: list[Operand] = [nrm, ta, tb] if normal_first else [ta, tb, nrm]
    if form == "torsional":
        spin = k.param("torsional|mu_torsion|spin_radius", 0.01, 0.2)
        parts.append(wp.clamp(x[3], -spin * nrm, spin * nrm))
    new = k.let("new|projected|f_new", construct(t, *parts))
    k.set(f[at], new)
    if p.chance(0.45):
        sliding = limit < wp.sqrt(a * a + b * b)
        k.set(
            k.out("sliding|is_slipping|slip_state", T.I32, dims)[at],
            choose(sliding, 1, 0) if p.chance(0.5) else wp.where(sliding, 1, 0),
        )
    if batched and p.chance(0.5):
        add_at(k, k.out("normal_sum|total_load|support", p.real, (worlds,)), at[0], nrm)
    tally(p, k, at, dims, wp.length(new - x), "change", 0, 1)


def _decode(
    p: ProgramBuilder, k: KernelBuilder, at: tuple[Expr, ...], dims: tuple[int, ...], mu: Expr
) -> None:
    """Force of a contact from the multipliers of its pyramid's edges."""
    edges = k.array("edge_force|pyramid|row_forces", p.vec(4), dims, R.uniform(-0.1, 1.0))
    frame = k.array("frames|contact_frame|bases", p.mat(3), dims, R.near_identity(0.3))
    e = k.let("e|edges|lam_c", edges[at])
    if p.chance(0.5):
        total = k.var("fn|normal|sum_e", 0.0, p.real)
        with k.loop("i|edge|m", 4) as i:
            k.aug(total, "+", wp.max(e[i], 0.0))
    else:
        total = k.let("fn|normal|sum_e", e[0] + e[1] + e[2] + e[3])
    local = k.let(
        "local|f_c|force", construct(p.vec(), total, mu * (e[0] - e[1]), mu * (e[2] - e[3]))
    )
    k.set(
        k.out("contact_force|world_force|f_out", p.vec(), dims)[at],
        wp.transpose(frame[at]) * local if p.chance(0.7) else local,
    )
    if p.chance(0.5):
        arm = k.array("arms|lever|offset", p.vec(), dims, R.uniform(-0.4, 0.4))
        k.set(
            k.out("torques|moment|contact_torque", p.vec(), dims)[at],
            wp.cross(arm[at], wp.transpose(frame[at]) * local),
        )


def _warm_start(p: ProgramBuilder) -> None:
    """Warm starting, diagonals, and the other single passes around an iteration."""
    form = p.pick("carry", "diagonal", "velocity", "bias", "reset", "count")
    k = p.kernel_builder(
        {
            "carry": "warm_start|load_impulses|match_impulses",
            "diagonal": "row_diagonal|effective_mass|compute_diag",
            "velocity": "row_velocity|jac_velocity|constraint_velocity",
            "bias": "baumgarte_bias|row_bias|stabilisation_bias",
            "reset": "reset_rows|clear_rows|init_multipliers",
            "count": "count_active|active_rows|row_statistics",
        }[form],
        p.pick("", "Preparation of the constraint solve.", "One value per row."),
    )
    s = System.draw(k)
    s.open(finished=p.chance(0.4))
    w, r = s.world, s.row
    assert w is not None
    assert r is not None
    if form == "carry":
        old = k.array(
            "previous|old_lam|cached_impulse", p.real, (s.worlds, s.rows), R.uniform(0.0, 1.0)
        )
        keys = k.array(
            "match_index|prev_row|persistent_id", T.I32, (s.worlds, s.rows), R.integers(-1, s.rows)
        )
        m = k.let("m|prev|src", keys[w, r])
        out = k.out("lam|impulses|efc_force", p.real, (s.worlds, s.rows))
        scale = k.param("warm_factor|warmstart|decay", 0.5, 0.98)
        if p.chance(0.5):
            with k.when(m < 0):
                k.set(out[w, r], 0.0)
                k.ret()
            k.set(out[w, r], old[w, m] * scale)
        else:
            with k.when(m >= 0):
                k.set(out[w, r], old[w, m] * scale)
        if p.chance(0.4):
            add_at(k, k.out("num_matched|warm_rows|reused", T.I32, (s.worlds,)), w, 1)
        tally(p, k, (w, r), (s.worlds, s.rows), out[w, r], "impulse")
    elif form in ("diagonal", "velocity"):
        j = s.jacobian()
        other = (
            s.per_dof("inv_mass|m_inv|dof_invweight", 0.2, 1.5)
            if form == "diagonal"
            else s.per_dof("qvel|velocities|qd", -1.0, 1.0)
        )
        total = k.var("total|diag|acc" if form == "diagonal" else "vel|jv|rate", 0.0, p.real)
        with k.loop("d|dof|i_v", s.dof_count(j)) as d:
            e = k.let("e|jd|entry", j[w, r, d])
            if p.chance(0.4):
                with k.when(e == 0.0):
                    k.cont()
            k.aug(total, "+", e * e * other[w, d] if form == "diagonal" else e * other[w, d])
        tally(
            p, k, (w, r), (s.worlds, s.rows), total, "diag" if form == "diagonal" else "speed", 0, 1
        )
        if form == "diagonal":
            soft = k.param("cfm|regularization|softness", 1.0e-4, 0.05)
            k.set(
                k.out("inv_diag|eff_mass|row_mass", p.real, (s.worlds, s.rows))[w, r],
                1.0 / (total + soft),
            )
        else:
            k.set(
                k.out("row_vel|efc_vel|jv_out", p.real, (s.worlds, s.rows))[w, r],
                total
                if p.chance(0.5)
                else total - s.per_row("target_vel|motor|setpoint", -0.5, 0.5)[w, r],
            )
    elif form == "bias":
        phi = k.let("phi|c_err|pos", s.per_row("violation|pos|gap", -0.2, 0.1)[w, r])
        beta, dt = k.param("baumgarte|beta|erp", 0.05, 0.4), k.param("dt|timestep|h", 0.002, 0.02)
        slop, cap = (
            k.param("slop|allowed|tolerance", 0.001, 0.02),
            k.param("max_push|max_correction|v_cap", 0.5, 3.0),
        )
        push = beta / dt * wp.min(phi + slop, 0.0)
        value = k.var("bias_r|push|b", push if p.chance(0.5) else wp.max(push, -cap))
        if p.chance(0.6):
            vel, rest = (
                s.per_row("row_vel|approach|jv", -2.0, 1.0),
                k.param("restitution|bounce|cor", 0.1, 0.8),
            )
            with k.when(vel[w, r] < -k.param("bounce_threshold|rest_speed|v_min", 0.1, 0.8)):
                k.set(value, wp.min(value, rest * vel[w, r]))
        k.set(k.out("bias|rhs|b_out", p.real, (s.worlds, s.rows))[w, r], value)
        tally(p, k, (w, r), (s.worlds, s.rows), -value, "push", 0, 1)
    elif form == "reset":
        state = k.array(
            "row_state|efc_state|active", T.I32, (s.worlds, s.rows), R.integers(0, 3), "inout"
        )
        lam = s.per_row("lam|force|impulses", 0.0, 1.0, "inout")
        expired = k.array("contact_age|age|lifetime", T.I32, (s.worlds, s.rows), R.integers(0, 8))
        limit = k.count("max_age|keep_frames|expire", p.pick(2, 4, 6))
        with k.when(
            any_of(state[w, r] == 0, expired[w, r] > limit)
            if p.chance(0.6)
            else expired[w, r] > limit
        ):
            k.set(lam[w, r], 0.0)
            k.set(state[w, r], 0)
            if p.chance(0.5):
                k.ret()
        if p.chance(0.5):
            k.set(lam[w, r], lam[w, r] * k.param("decay|damping|fade", 0.6, 0.98))
    else:
        f, phi = (
            s.per_row("efc_force|lam|force", -0.5, 1.0),
            s.per_row("residual|slack|gap", -0.5, 0.5),
        )
        tol = k.param("tolerance|tol|eps", 0.01, 0.2)
        with k.when(
            all_of(f[w, r] > 0.0, wp.abs(phi[w, r]) < tol)
            if p.chance(0.5)
            else any_of(f[w, r] > tol, phi[w, r] < -tol)
        ):
            add_at(k, k.out("num_active|active_count|rows_active", T.I32, (s.worlds,)), w, 1)
        if p.chance(0.6):
            product = k.let("product|compl|work", wp.abs(f[w, r] * phi[w, r]))
            k.do(
                wp.atomic_max(
                    k.out("complementarity|max_product|gap_norm", p.real, (s.worlds,)), w, product
                )
            )
