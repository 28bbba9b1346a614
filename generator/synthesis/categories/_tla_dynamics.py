"""Newton steps and constrained motion on tiles: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    axpy,
    diag_add,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def constrained(p: ProgramBuilder) -> None:
    """Equality constraints by the Schur complement: articulated bodies, contacts, fluid-structure blocks."""
    b = Batch(
        p,
        "solve_constraints|schur_complement|constraint_forces|project_velocities|contact_impulses|kkt_solve",
        (
            "Constraint impulses through the Schur complement J M^-1 J^T.",
            "One articulated island per block.",
            "Eliminates the velocities, then solves for the multipliers.",
            "Projects the free velocity onto the constraints.",
        ),
        index="i|island|env|body",
    )
    k, t = b.k, b.t
    n, m, one = (
        t.dim("num_dofs|nv|dofs", p.pick(6, 8, 12)),
        t.dim("num_rows|nc|num_constraints", p.pick(2, 3, 4)),
        t.literal(1),
    )
    if p.chance(0.3):
        with k.when(b.scalar("asleep|inactive|frozen", R.mask(0.25), T.I32) != 0):
            k.ret()
    mass = b.load(
        "mass_matrices|M_all|inertia",
        "M|mass|mm",
        [n, n],
        R.spd(0.5, 3.0),
        True if p.chance(0.4) else None,
    )
    jac = b.load("jacobians|J_all|rows", "J|jac|jc", [m, n], R.uniform(-1.0, 1.0))
    v = b.load("velocities|qd|v_all", "v|vel|u", [n, one], R.uniform(-1.0, 1.0), role="inout")
    v_at = b.last
    if p.chance(0.4):
        k.step(p.pick("joint damping and armature", "armature", ""))
        arm = b.load("armature|rotor_inertia|damping", "arm|rotor|da", [n], R.uniform(0.05, 0.3))
        mass = k.let("M_eff|mass_arm|mh", diag_add(mass, arm))
    f = Factor(p, b, mass)
    if p.chance(0.5):
        k.step(p.pick("free motion", "unconstrained velocity", ""))
        tau = b.load("forces|tau|efforts", "tau|force|ft", [n, one], R.uniform(-2.0, 2.0))
        acc = f.solve(tau, "acc|qdd|a_free")
        axpy(p, k, k.param("dt|h|time_step", 0.005, 0.05), acc, v)
    k.step(p.pick("Schur complement", "Delassus operator", ""))
    if p.chance(0.5):
        half = f.whiten(transpose(jac), "Y|half|lj")
        s = k.let("S|schur|delassus", matmul(transpose(half), half))
        response = None
    else:
        response = f.solve(transpose(jac), "MinvJt|response|w", keep=True)
        s = k.let("S|schur|delassus", matmul(jac, response))
        half = None
    s = ridge(p, b, s, m, b.param("compliance|cfm|softness", 1.0e-3, 0.1), "S_reg|soft|Sc")
    bias = b.load("bias|targets|baumgarte", "bias_t|target|bt", [m, one], R.uniform(-0.3, 0.3))
    rhs = k.let("rhs|defect|gap_vel", bias - matmul(jac, v))
    lam = Factor(p, b, s, "Ls|low_s|schur_chol").solve(rhs, "lam|impulse|mult")
    if p.chance(0.4):
        lam = _limited(p, b, lam)
    k.step(p.pick("apply the impulses", "velocity update", ""))
    if response is not None:
        dv = matmul(response, lam)
    else:
        assert half is not None
        dv = f.back(k.let("push|hl|q", matmul(half, lam)))
    v_new = k.let("v_new|v_next|projected", v + dv)
    b.store_back(v_at, v_new)
    if p.chance(0.6):
        b.store("multipliers|lambdas|impulses", [m, one], lam)
    if p.chance(0.35):
        e = k.let("err|violation|drift", matmul(jac, v_new) - bias)
        b.put("constraint_error|residual_sq|violation_out", inner(p, e, e))


def _limited(p: ProgramBuilder, b: Batch, lam: Expr) -> Expr:
    kind, top = p.pick("contact", "box", "pull"), p.pick(0.5, 1.0, 2.0)

    def body(q: Any, v: Expr) -> None:
        if kind == "contact":
            q.ret(wp.max(v, 0.0))
        elif kind == "box":
            q.ret(wp.clamp(v, -top, top))
        else:
            with q.when(v < 0.0):
                q.ret(construct(p.real, 0.0))
            q.ret(wp.min(v, top))

    f = p.func(
        {
            "contact": "no_pull|unilateral|push_only",
            "box": "motor_limit|clamp_effort|saturate",
            "pull": "bounded_push|limit_impulse|admissible",
        }[kind],
        {"v|x|f": p.real},
        body,
    )
    return b.k.let("lam_c|bounded|clamped", b.t.map(f, lam))


def forward_dynamics(p: ProgramBuilder) -> None:
    """Joint-space dynamics: mass matrix solves with damping, implicit springs and integration of the state."""
    b = Batch(
        p,
        "forward_dynamics|joint_accelerations|step_articulation|implicit_joint_step|solve_mass_matrix|integrate_joints",
        (
            "Solves M qdd = tau - c for each articulation.",
            "Joint-space step; the mass matrix stays in shared memory.",
            "Semi-implicit Euler in joint coordinates.",
            "One articulation per block.",
        ),
        index="i|env|articulation|robot",
    )
    k, t = b.k, b.t
    n = t.dim("num_joints|nv|dofs|num_dofs", p.pick(4, 6, 8, 12))
    mass = b.load(
        "mass_matrices|M_all|H_all",
        "M|mass|H",
        [n, n],
        R.spd(0.4, 3.0),
        True if p.chance(0.4) else None,
    )
    qd = b.load("joint_qd|velocities|qd_all", "qd|v|rate", [n], R.uniform(-1.0, 1.0), role="inout")
    qd_at = b.last
    tau = b.load("joint_tau|efforts|torques", "tau|u|torque", [n], R.uniform(-2.0, 2.0))
    dt = k.param("dt|h|time_step", 0.002, 0.02)
    terms = p.sample(["bias", "spring", "friction", "gain"], 0, 3)
    q_all = (
        b.array("joint_q|positions|q_all", [n], R.uniform(-1.0, 1.0), "inout")
        if "spring" in terms or p.chance(0.6)
        else None
    )
    q = None
    if q_all is not None:
        place, offset = b._place(q_all, [n], R.zeros())
        q = k.let("q|pos|angles", t.load(place, [n], offset))
    for what in terms:
        if what == "bias":
            c = b.load("coriolis|bias_forces|c_all", "c|bias|cor", [n], R.uniform(-0.5, 0.5))
            k.set(tau, tau - c) if p.chance(0.5) else k.aug(tau, "-", c)
        elif what == "spring" and q is not None:
            ks = b.param("stiffness|kp|ke", 1.0, 20.0)
            if p.chance(0.4):
                q0 = b.load("targets|q_ref|rest_q", "q0|ref|rest", [n], R.uniform(-1.0, 1.0))
                k.set(tau, tau + (q0 - q) * ks)
            else:
                axpy(p, k, -ks, q, tau)
        elif what == "friction":
            axpy(p, k, -b.param("viscous|friction|kd", 0.05, 0.8), qd, tau)
        elif what == "gain":
            gains = b.load(
                "gains|effort_scale|strength", "gain|ks_tile|eff", [n], R.uniform(0.5, 1.5)
            )
            k.set(tau, tau * gains)
    if p.chance(0.5):
        arm = b.load("armature|rotor_inertia|reflected", "arm|rotor|da", [n], R.uniform(0.05, 0.4))
        implicit = p.chance(0.5)
        mass = k.let("M_eff|Mh|mass_arm", diag_add(mass, arm * dt if implicit else arm))
    elif p.chance(0.4):
        mass = ridge(
            p,
            b,
            mass,
            n,
            dt * k.param("damping|kd_implicit|joint_damping", 0.1, 2.0) if p.chance(0.7) else 0.001,
            "M_eff|Mh|mass_d",
        )
    k.step(p.pick("accelerations", "solve for qdd", ""))
    acc = Factor(p, b, mass).solve(tau, "qdd|acc|accel")
    if p.chance(0.35):
        b.store("joint_qdd|accelerations|qdd_out", [n], acc)
    k.step(p.pick("integrate", "semi-implicit Euler", ""))
    axpy(p, k, dt, acc, qd)
    if p.chance(0.3):
        top = p.pick(2.0, 5.0, 10.0)
        clip = p.func(
            "limit_rate|clamp_speed|saturate",
            {"v|x": p.real},
            lambda f, v: f.ret(wp.clamp(v, -top, top)),
        )
        qd = k.let("qd_new|limited|rate_c", t.map(clip, qd))
    b.store_back(qd_at, qd)
    if q is not None and q_all is not None:
        axpy(p, k, dt, qd, q)
        b.store_back((q_all, [n], R.zeros()), q)
    if p.chance(0.35):
        b.put(
            "kinetic_energy|power|energies",
            0.5 * inner(p, qd, qd) if p.chance(0.4) else inner(p, acc, qd),
        )
