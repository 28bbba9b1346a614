"""Newton steps and constrained motion on tiles: intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    axpy,
    diag_add,
    finish,
    inner,
    matmul,
    ridge,
    solver,
    transpose,
)  # fmt: skip
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def gauss_newton(p: ProgramBuilder) -> None:
    """Gauss-Newton and Levenberg-Marquardt steps of small nonlinear least-squares problems."""
    b = Batch(
        p, "gauss_newton_step|levenberg_marquardt|lm_step|bundle_block|calibrate_step|ik_step|refine_poses",
        ("One residual block per thread block.", "Damped normal equations J^T W J.", "A Levenberg-Marquardt step for each small problem.", "Second-order update of the parameters."),
        index="i|problem|pose|block",
    )  # fmt: skip
    k, t = b.k, b.t
    m, n, one = (
        t.dim("num_residuals|rows|m", p.pick(6, 8, 12)),
        t.dim("num_params|dof|n", p.pick(3, 4, 6)),
        t.literal(1),
    )
    column = p.chance(0.65)  # vectors as n × 1 tiles, which products take
    j = b.load("jacobians|J_all|jac", "J|jac|jt", [m, n], R.uniform(-1.0, 1.0))
    r = b.load("residuals|r_all|errors", "r|res|e", [m, one], R.uniform(-1.0, 1.0))
    if p.chance(0.45):
        j_w, r = _weighted(p, b, j, r, m, n)
    else:
        j_w = j
    jt = k.let("Jt|jac_t|jT", transpose(j_w)) if p.chance(0.6) else transpose(j_w)
    h = k.let("H|hess|JtJ", matmul(jt, j))
    g = k.let("g|grad|Jtr", matmul(jt, r))
    lam = b.param("lam|damping|mu", 0.01, 0.5)
    if p.chance(0.35):
        diag = b.load("scaling|diag_scale|param_scale", "D|scale_diag|ds", [n], R.uniform(0.5, 2.0))
        h = k.let("H_lm|damped|A", diag_add(h, diag * lam))
    else:
        h = ridge(p, b, h, n, lam, "H_lm|damped|A")
    if p.chance(0.3):
        prior = b.load("prior_info|info_matrix|priors", "info|prior|lam0", [n, n], R.spd(0.1, 0.5))
        h = k.let("H_total|with_prior|kkt", h + prior)
    if not column:
        g = k.let("gv|rhs|g_flat", tile("tile_squeeze", T.Tile(p.real, (n.value,)), g))
    shape = [n, one] if column else [n]
    if p.chance(0.3):
        f = solver(p, n, g.type)  # type: ignore[arg-type]
        d = k.let("delta|step|dx", f(h, g))
    else:
        d = Factor(p, b, h).solve(g, "delta|step|dx", keep=True)
    if p.chance(0.4):
        gain = k.let("predicted|expected|model_drop", 0.5 * (lam * inner(p, d, d) + inner(p, d, g)))
        b.put("predicted_decrease|expected_gain|model_reduction", gain)
    if p.chance(0.3):
        with k.when(inner(p, g, g) < k.param("grad_tol|tol_sq|stop_tol", 1.0e-4, 1.0e-2)):
            k.set(k.out("converged|done|stationary", T.I32, b.lead)[b.at], 1)
            k.ret()
    out = finish(p, b, d)
    if p.chance(0.5):
        x = b.load(
            "params|x_all|poses", "x|theta|param_tile", shape, R.uniform(-1.0, 1.0), role="inout"
        )
        place = b.last
        if p.chance(0.6) and out is d:
            axpy(p, k, construct(p.real, -1.0), d, x)
            b.store_back(place, x)
        else:
            b.store_back(place, x - out)
    else:
        b.store("steps|deltas|updates", shape, out)


def _weighted(p: ProgramBuilder, b: Batch, j: Expr, r: Expr, m: Dim, n: Dim) -> tuple[Expr, Expr]:
    k, t = b.k, b.t
    if p.chance(0.5):
        w = b.load("weights|info|precision", "w|wt|inv_var", [m], R.uniform(0.3, 1.5))
        return k.let("WJ|jw|wj", j * t.column(w, m, n)), r
    kind, cut = p.pick("huber", "cauchy", "tukey", "geman"), p.pick(0.3, 0.5, 1.0)

    def body(q: Any, e: Expr) -> None:
        if kind == "huber":
            a = q.let("a|mag", wp.abs(e))
            with q.when(a <= cut):
                q.ret(construct(p.real, 1.0))
            q.ret(cut / a)
        elif kind == "cauchy":
            s = q.let("s|ratio", e / cut)
            q.ret(1.0 / (1.0 + s * s))
        elif kind == "tukey":
            s = q.let("s|ratio", e / (4.0 * cut))
            v = q.let("v|inside", wp.max(1.0 - s * s, 0.0))
            q.ret(v * v)
        else:
            s = q.let("s|sum_sq", cut * cut + e * e)
            q.ret(cut * cut / s)

    weight = p.func(f"{kind}_weight|robust_weight|irls_weight", {"e|r|res": p.real}, body)
    w = k.let("w|robust_w|irls", t.map(weight, r))
    wide = tile("tile_broadcast", T.Tile(p.real, (m.value, n.value)), w, shape=(m.expr, n.expr))
    if p.chance(0.3):
        b.put("robust_cost|weighted_sse|cost", inner(p, w, r * r))
    return k.let("WJ|jw|wj", j * wide), r


def constrained(p: ProgramBuilder) -> None:
    """Equality constraints by the Schur complement: articulated bodies, contacts, fluid-structure blocks."""
    b = Batch(
        p, "solve_constraints|schur_complement|constraint_forces|project_velocities|contact_impulses|kkt_solve",
        ("Constraint impulses through the Schur complement J M^-1 J^T.", "One articulated island per block.", "Eliminates the velocities, then solves for the multipliers.", "Projects the free velocity onto the constraints."),
        index="i|island|env|body",
    )  # fmt: skip
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
        p, "forward_dynamics|joint_accelerations|step_articulation|implicit_joint_step|solve_mass_matrix|integrate_joints",
        ("Solves M qdd = tau - c for each articulation.", "Joint-space step; the mass matrix stays in shared memory.", "Semi-implicit Euler in joint coordinates.", "One articulation per block."),
        index="i|env|articulation|robot",
    )  # fmt: skip
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


def small_solves(p: ProgramBuilder) -> None:
    """Single-purpose kernels around a Cholesky factor: factor, solve with a stored factor, log-determinant, inverse."""
    kind = p.pick(
        "factor",
        "apply",
        "apply",
        "inverse",
        "logdet",
        "quadratic",
        "refine",
        "precondition",
        "update",
    )
    names = {
        "factor": "factor_blocks|cholesky_blocks|factorize_batch", "apply": "apply_factor|triangular_solve|forward_backward|back_substitute",
        "inverse": "invert_blocks|spd_inverse|precompute_inverse", "logdet": "log_determinants|block_logdet|volume_terms",
        "quadratic": "energy_norms|quadratic_forms|inverse_quadratic", "refine": "refine_solution|iterative_refinement|correct_solution",
        "precondition": "block_jacobi|apply_preconditioner|precondition_residual", "update": "newton_update|solve_and_update|implicit_step",
    }[kind]  # fmt: skip
    b = Batch(
        p,
        names,
        (
            "One dense block per thread block.",
            "Batched Cholesky.",
            "Small dense systems, one per block.",
            "Tile solver without global scratch memory.",
        ),
    )
    k, t = b.k, b.t
    n, one = t.dim("n|order|block_size|size", p.pick(3, 4, 6, 8, 12)), t.literal(1)
    if kind == "apply":
        _apply_factor(p, b, n)
        return
    helper = kind in ("update", "precondition", "quadratic") and p.chance(0.55)
    a = b.load(
        "A|blocks|matrices|systems|hessians",
        "a|m|block|mat",
        [n, n],
        R.spd(0.8, 4.0),
        True if helper or p.chance(0.4) else None,
    )
    if p.chance(0.3):
        a = ridge(p, b, a, n, b.param("eps|shift|regularisation", 1.0e-3, 0.2))
    if kind == "logdet":
        b.put("log_dets|logdet_out|volumes", Factor(p, b, a).log_det(n))
        return
    if kind == "factor":
        b.store("factors|chol_out|L_out", [n, n], Factor(p, b, a).low)
        return
    if kind == "inverse":
        eye = k.let(
            "eye|ident|unit",
            diag_add(
                t.zeros([n, n], p.real),
                tile("tile_ones", T.Tile(p.real, (n.value,)), shape=n.expr, dtype=p.real),
            ),
        )
        inv = Factor(p, b, a).solve(eye, "inv|a_inv|precision")
        b.store("inverses|A_inv|precisions", [n, n], inv)
        return
    many = t.dim("num_rhs|nrhs", p.pick(2, 3)) if p.chance(0.3) else None
    shape = [n] if many is None else [n, many]
    if kind == "refine":
        shape = [n, many or one]
    rhs = b.load(
        "rhs|residuals|b_all|gradients",
        "b|r|rhs_tile|g",
        shape,
        R.uniform(-1.0, 1.0),
        True if helper or p.chance(0.3) else None,
    )
    if helper:
        energy = kind == "quadratic"
        f = solver(p, n, rhs.type, energy)  # type: ignore[arg-type]
        if energy:
            x, e = k.unpack(["x|sol|y_tile", "e|energy|quad"], f(a, rhs))
            b.put("energies|quad_out|inverse_norms", e)
            b.store("solutions|x_out|duals", shape, x)
            return
        x: Expr = k.let("x|sol|z", f(a, rhs))
    else:
        f2 = Factor(p, b, a, inplace=kind != "refine")
        if kind == "quadratic":
            w = f2.whiten(rhs, "w|half|white")
            b.put("energies|quad_out|inverse_norms", inner(p, w, w))
            return
        x = f2.solve(rhs, "x|sol|z", keep=kind == "refine")
        if kind == "refine":
            for _ in range(p.pick(1, 1, 2)):
                r = k.let("r|defect|residual", rhs - matmul(a, x))
                x = k.let(
                    "x1|refined|corrected",
                    x + tile("tile_cholesky_solve", x.type, f2.low, r, **f2.upper),
                )
    if kind == "update":
        old = b.load(
            "x_all|state|unknowns", "x_old|xs|state_tile", shape, R.uniform(-1.0, 1.0), role="inout"
        )
        place = b.last
        axpy(p, k, -k.param("step|alpha|relaxation", 0.3, 1.0), x, old)
        b.store_back(place, old)
        return
    b.store("x|solutions|z_out|corrections", shape, finish(p, b, x) if p.chance(0.5) else x)
    if p.chance(0.25):
        b.put("norms|residual_norms|sizes", wp.sqrt(inner(p, x, x)))


def _apply_factor(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    low = b.load(
        "factors|L_all|chol",
        "L|low|factor",
        [n, n],
        R.spd(0.8, 3.0),
        True if p.chance(0.4) else None,
    )
    many = b.t.dim("num_rhs|nrhs", p.pick(2, 3)) if p.chance(0.3) else None
    shape = [n] if many is None else [n, many]
    x = b.load("rhs|b_all|vectors|noise", "x|v|b_tile|y", shape, R.uniform(-1.0, 1.0), role="inout")
    place = b.last
    k.options["enable_backward"] = False
    match p.pick("both", "lower", "upper", "lower_out", "upper_out", "solve", "solve_in"):
        case "both":
            k.do(tile("tile_lower_solve_inplace", T.VOID, low, x))
            k.do(tile("tile_upper_solve_inplace", T.VOID, transpose(low), x))
        case "lower":
            k.do(tile("tile_lower_solve_inplace", T.VOID, low, x))
        case "upper":
            k.do(
                tile(
                    "tile_upper_solve_inplace", T.VOID, transpose(low) if p.chance(0.6) else low, x
                )
            )
        case "lower_out":
            x = k.let("z|half|fwd", tile("tile_lower_solve", x.type, low, x))
        case "upper_out":
            x = k.let(
                "z|back|bwd",
                tile("tile_upper_solve", x.type, transpose(low) if p.chance(0.6) else low, x),
            )
        case "solve":
            x = k.let("z|sol|xs", tile("tile_cholesky_solve", x.type, low, x))
        case _:
            k.do(tile("tile_cholesky_solve_inplace", T.VOID, low, x))
    if p.chance(0.4):
        x = finish(p, b, x)
    b.store_back(place, x)
    if p.chance(0.4):
        b.put("norms_sq|energies|sizes", inner(p, x, x))
