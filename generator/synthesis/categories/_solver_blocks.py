"""Block solves and position-based joints, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._solver_bodies import Pair
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def _signed(value: Expr, sign: float) -> Expr:
    return value if sign > 0.0 else -value


def block_solve(p: ProgramBuilder) -> None:
    """3 x 3 (or 6 x 6) effective-mass solves per joint or contact."""
    k = p.kernel_builder(
        "solve_joint_blocks|block_impulse|solve_contact_block|point_to_point_solve|block_jacobi|effective_mass_solve",
        p.pick(
            "Solve the 3 x 3 block of every constraint.",
            "Block impulses from the effective mass matrix.",
            "Point-to-point joints as blocks.",
        ),
    )
    e = Entities(k, "joint", index="jntid|j|tid|i", count=p.pick(32, 48, 64))
    pair = Pair(e)
    pair.skip_same()
    anchor = e.field("anchors|joint_pos|pivot", T.VEC3, R.uniform(-1.0, 1.0)).own
    ra, rb = pair.arm(pair.a, anchor, "ra|r1|arm_a"), pair.arm(pair.b, anchor, "rb|r2|arm_b")

    def block(b: Block, r: Expr, m: Expr, inertia: Expr) -> Expr:
        cross = b.let("rx|skew_r|sr", wp.skew(r))
        return wp.diag(construct(T.VEC3, m)) - cross @ inertia @ cross

    parts = [
        piece(
            p,
            k,
            "inverse_mass_block|point_inv_mass|mobility",
            {"r|arm": r, "inv_m|w": pair.inv_mass[x], "inv_i|iw": pair.inv_inertia[x]},
            block,
            probability=0.7,
        )
        for x, r in ((pair.a, ra), (pair.b, rb))
    ]
    mobility = k.var("K|mobility_sum|k_mat", parts[0] + parts[1])
    if p.chance(0.5):
        k.aug(
            mobility,
            "+",
            wp.diag(construct(T.VEC3, k.param("cfm|softness|regularization", 0.001, 0.1))),
        )
    relative = pair.relative_velocity(ra, rb)
    error = e.field("pos_error|drift|joint_error", T.VEC3, R.uniform(-0.05, 0.05)).own
    rate = k.let(
        "erp_h|fix_rate|beta_h",
        k.param("erp|beta|baumgarte", 0.05, 0.4) / k.param("dt|timestep|h", 0.001, 0.01),
    )
    rhs = k.let("rhs|b|target", -(relative + error * rate))
    with k.when(wp.determinant(mobility) < 1.0e-9):
        k.ret()
    if p.chance(0.7):
        impulse = k.var("imp|p_j|lam", inverted(p, mobility) @ rhs)
    else:
        impulse = k.var("imp|p_j|lam", _eliminate(p)(mobility, rhs))
    if p.chance(0.5):
        top = k.param("max_impulse|break_impulse|limit", 0.5, 10.0)
        size = k.let("mag|p_len|imp_len", wp.length(impulse))
        with k.when(size > top):
            k.aug(impulse, "*", top / size)
            if p.chance(0.5):
                e.out("broken|overloaded|saturated", T.I32).store(1)
    if p.chance(0.5):
        total = e.inout("accumulated|impulses|lambda_total", T.VEC3, R.uniform(-0.1, 0.1))
        total.store(total.own + impulse)
    dv, dw = (
        pair.table("dv", "delta_v|dv_out|lin_correction", T.VEC3, R.zeros(), "out"),
        pair.table("dw", "delta_w|dw_out|ang_correction", T.VEC3, R.zeros(), "out"),
    )
    for body, arm, sign in ((pair.a, ra, -1.0), (pair.b, rb, 1.0)):
        dv.add(_signed(impulse * pair.inv_mass[body], sign), body)
        dw.add(pair.inv_inertia[body] @ _signed(wp.cross(arm, impulse), sign), body)


def _eliminate(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    """A `@wp.func` that solves 3 x 3 systems by LDL or Cramer's rule."""
    cramer = p.chance(0.5)

    def body(b: Block, a: Expr, r: Expr) -> None:
        if cramer:
            c0, c1, c2 = (
                b.let(f"c{i}|col{i}", construct(T.VEC3, a[0, i], a[1, i], a[2, i]))
                for i in range(3)
            )
            det = b.let("det|volume", wp.dot(c0, wp.cross(c1, c2)))
            b.ret(
                construct(
                    T.VEC3,
                    wp.dot(r, wp.cross(c1, c2)),
                    wp.dot(c0, wp.cross(r, c2)),
                    wp.dot(c0, wp.cross(c1, r)),
                )
                / det
            )
            return
        d0 = b.let("d0|p0", a[0, 0])
        l10, l20 = b.let("l10|f1", a[1, 0] / d0), b.let("l20|f2", a[2, 0] / d0)
        d1 = b.let("d1|p1", a[1, 1] - l10 * a[0, 1])
        l21 = b.let("l21|f3", (a[2, 1] - l20 * a[0, 1]) / d1)
        u12 = b.let("u12|e1", a[1, 2] - l10 * a[0, 2])
        d2 = b.let("d2|p2", a[2, 2] - l20 * a[0, 2] - l21 * u12)
        y1 = b.let("y1|g1", r.y - l10 * r.x)
        y2 = b.let("y2|g2", r.z - l20 * r.x - l21 * y1)
        z = b.let("z|x2", y2 / d2)
        y = b.let("y|x1", (y1 - u12 * z) / d1)
        b.ret(construct(T.VEC3, (r.x - a[0, 1] * y - a[0, 2] * z) / d0, y, z))

    return p.func("solve_3x3|solve_block|eliminate_3", {"a|m": T.MAT33, "r|rhs": T.VEC3}, body)


def position_joint(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "xpbd_joints|position_based_joint|solve_attachment|xpbd_contacts|project_joint_positions|rigid_distance_constraint",
        p.pick(
            "Position-level joint correction with compliance.",
            "Extended position-based dynamics of rigid bodies.",
            "Positional and angular corrections.",
        ),
    )
    contact = p.chance(0.4)
    e = Entities(
        k, "contact" if contact else "joint", index="tid|j|cid|i", count=p.pick(32, 48, 64)
    )
    pair = Pair(e)
    pair.skip_same()
    local_a, local_b = (
        e.field("local_a|anchor_a|r_local_a", T.VEC3, R.uniform(-0.3, 0.3)).own,
        e.field("local_b|anchor_b|r_local_b", T.VEC3, R.uniform(-0.3, 0.3)).own,
    )
    ra, rb = (
        k.let(h, wp.transform_vector(pair.pose[x], r))
        for h, x, r in (("ra|r1|arm_a", pair.a, local_a), ("rb|r2|arm_b", pair.b, local_b))
    )
    pa, pb = (
        k.let(h, wp.transform_get_translation(pair.pose[x]) + r)
        for h, x, r in (("pa|p1|xa", pair.a, ra), ("pb|p2|xb", pair.b, rb))
    )
    if contact:
        n = e.field("contact_normal|normals|n_world", T.VEC3, R.unit_vectors()).read("n|nrm|dir_n")
        c = k.let(
            "c|depth|gap",
            wp.dot(pb - pa, n) - e.property("thickness|radius_sum|offset", 0.005, 0.05),
        )
        with k.when(c >= 0.0):
            k.ret()
    else:
        d = k.let("d|delta|sep", pb - pa)
        size = k.let("len|dist|d_len", wp.length(d))
        rest = (
            e.field("rest_length|distance|slack", T.F32, R.uniform(0.0, 0.4)).own
            if p.chance(0.5)
            else None
        )
        c = k.let("c|err|stretch", size if rest is None else size - rest)
        if rest is not None and p.chance(0.4):
            with k.when(c <= 0.0):
                k.ret()
        with k.when(size < 1.0e-6):
            k.ret()
        n = k.let("n|dirn|u", d / size)
    w = pair.effective_mass(n, ra, rb)
    lam = e.inout("multipliers|lambda_c|lagrange", T.F32, R.uniform(-0.01, 0.01))
    compliance, dt = (
        e.property("compliance|alpha|inv_stiffness", 1.0e-6, 1.0e-3),
        k.param("dt|substep_dt|h", 0.001, 0.01),
    )
    soft = k.let("alpha_t|tilde|alpha_h", compliance / (dt * dt))
    with k.when(w + soft <= 0.0):
        k.ret()
    step = k.var("dlam|d_lambda|dl", (-c - soft * lam.own) / (w + soft))
    if p.chance(0.4):
        k.aug(step, "*", k.param("relaxation|omega|sor", 0.2, 0.9))
    lam.store(lam.own + step)
    push = k.let("push|p_c|corr", n * step)
    dx, dr = (
        pair.table("dx", "delta_pos|dx_out|position_correction", T.VEC3, R.zeros(), "out"),
        pair.table("dr", "delta_rot|dq_out|rotation_correction", T.VEC3, R.zeros(), "out"),
    )
    for body, arm, sign in ((pair.a, ra, -1.0), (pair.b, rb, 1.0)):
        dx.add(_signed(push * pair.inv_mass[body], sign), body)
        dr.add(pair.inv_inertia[body] @ _signed(wp.cross(arm, push), sign), body)
    if p.chance(0.4):
        count = pair.table("n", "correction_count|touches|num_corrections", T.I32, R.zeros(), "out")
        count.add(1, pair.a)
        count.add(1, pair.b)
    if p.chance(0.4):
        e.out("force_out|reaction|joint_force", T.F32).store(wp.abs(lam.own) / (dt * dt))
