"""Scalar constraint rows in joint coordinates, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def scalar_rows(p: ProgramBuilder) -> None:
    """Limits, dry friction, couplings and motors in joint coordinates, one row a thread."""
    k = p.kernel_builder(
        "efc_limits|joint_limit_rows|friction_loss_rows|scalar_constraint_rows|coupling_rows|dof_constraints",
        p.pick(
            "Scalar constraint rows by type.",
            "Reference acceleration and regularisation of every row.",
            "Joint-space rows with soft references.",
        ),
    )
    e = Entities(k, "row", index="efcid|r|row|tid", count=p.pick(48, 64, 96))
    dofs = p.pick(12, 16, 24)
    dof = e.field("row_dof|efc_dof|dof_id", T.I32, R.integers(0, dofs)).read("d|dofid|dof")
    q, qd = (
        Table(e, "qpos|joint_q|q", T.F32, (dofs,), R.uniform(-1.5, 1.5)),
        Table(e, "qvel|joint_qd|qd", T.F32, (dofs,), R.uniform(-1.0, 1.0)),
    )
    e.guard()
    kinds = p.sample(["limit", "friction", "motor", "equality"], 2, 4)
    kind = e.field("row_type|efc_type|constraint_type", T.I32, R.integers(0, len(kinds))).read(
        "rtype|kind|type_r"
    )
    pos, low, high = (
        k.var("pos|c|violation", 0.0),
        k.var("lo|lambda_min|f_lo", -1.0e6),
        k.var("hi|lambda_max|f_hi", 1.0e6),
    )
    target = k.var("v_ref|target|vel_ref", 0.0)
    names = {
        "limit": "ROW_LIMIT|LIMIT",
        "friction": "ROW_FRICTION|FRICTION",
        "motor": "ROW_MOTOR|MOTOR",
        "equality": "ROW_EQUALITY|EQUALITY",
    }
    for number, which in enumerate(kinds):
        name = p.const(names[which], number)
        with k.when(kind == name) if number == 0 else k.elsewhen(kind == name):
            if which == "limit":
                bounds = Table(
                    e,
                    "dof_range|limits|jnt_range",
                    T.VEC2,
                    (dofs,),
                    R.uniform(-1.0, 1.0),
                    shared=True,
                )
                k.set(pos, wp.min(q[dof] - bounds[dof].x, bounds[dof].y - q[dof]))
                with k.when(pos >= 0.0):
                    e.out("is_active|active|row_active", T.I32).store(literal(0, T.I32))
                    k.ret()
                k.set(low, literal(0.0, T.F32))
            elif which == "friction":
                loss = Table(
                    e,
                    "friction_loss|dry_friction|frictionloss",
                    T.F32,
                    (dofs,),
                    R.uniform(0.05, 1.0),
                    shared=True,
                )
                k.set(low, -loss[dof])
                k.set(high, loss[dof])
            elif which == "motor":
                top = k.param("motor_limit|max_torque|effort", 1.0, 20.0)
                k.set(
                    target,
                    e.field("motor_speed|target_speed|v_cmd", T.F32, R.uniform(-2.0, 2.0)).own,
                )
                k.set(low, -top)
                k.set(high, top)
            else:
                other = Table(
                    e,
                    "coupled_dof|mimic|partner_dof",
                    T.I32,
                    (dofs,),
                    R.integers(0, dofs),
                    shared=True,
                )
                ratio = k.param("gear_ratio|ratio|poly_coef", 0.3, 2.0)
                k.set(pos, q[dof] - ratio * q[other[dof]])
    _reference(p, k, e, pos, target, qd[dof], dof, dofs)
    e.out("lambda_lo|force_min|lower_bound", T.F32).store(low)
    e.out("lambda_hi|force_max|upper_bound", T.F32).store(high)


def impedance(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` for a constraint's stiffness that grows with its violation."""
    form = p.pick("smooth", "linear", "power")

    def body(b: Block, x: Expr, low: Expr, high: Expr, width: Expr) -> None:
        u = b.let("u|ratio|t", wp.min(wp.abs(x) / width, 1.0))
        if form == "smooth":
            b.ret(low + (high - low) * u * u * (3.0 - 2.0 * u))
            return
        if form == "power":
            with b.when(u < 0.5):
                b.ret(low + (high - low) * 2.0 * u * u)
            b.ret(high - (high - low) * 2.0 * (1.0 - u) * (1.0 - u))
            return
        b.ret(wp.lerp(low, high, u))

    params = {"x|pos": T.F32, "low|d_min": T.F32, "high|d_max": T.F32, "width|w": T.F32}
    return p.func(
        "impedance|constraint_impedance|softness_curve|blend_stiffness",
        params,
        body,
        p.pick("", "Impedance between two values, by the violation."),
    )


def _reference(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    pos: Expr,
    target: Expr,
    speed: Expr,
    dof: Expr,
    dofs: int,
) -> None:
    if p.chance(0.5):
        low, high, width = (
            k.param("imp_min|d_min", 0.7, 0.9),
            k.param("imp_max|d_max", 0.92, 0.99),
            k.param("imp_width|width", 0.001, 0.05),
        )
        imp = k.let("imp|d|impedance_r", impedance(p)(pos, low, high, width))
        stiffness, damping = (
            k.param("ref_stiffness|k_ref", 100.0, 2500.0),
            k.param("ref_damping|b_ref", 10.0, 100.0),
        )
        e.out("aref|reference|ref_acc", T.F32).store(
            -damping * (speed - target) - stiffness * imp * pos
        )
        inverse = Table(
            e,
            "dof_invweight|inv_weight|invweight0",
            T.F32,
            (dofs,),
            R.uniform(0.1, 3.0),
            shared=True,
        )
        e.out("regularization|efc_R|R_diag", T.F32).store((1.0 - imp) / imp * inverse[dof])
        return
    erp, dt = k.param("erp|beta|baumgarte", 0.05, 0.4), k.param("dt|timestep|h", 0.001, 0.01)
    e.out("rhs|bias_out|target_vel", T.F32).store(target - speed - erp / dt * pos)
