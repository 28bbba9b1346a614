"""Multipliers, barriers and penalties: an intent of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def multipliers(p: ProgramBuilder) -> None:
    """Augmented Lagrangians, barriers and penalties: multipliers, gradients, complementarity."""
    kind = p.weighted({"update": 3, "gradient": 3, "barrier": 2.5, "kkt": 2})
    names = {
        "update": "update_multipliers|dual_update|augmented_lagrangian",
        "gradient": "constraint_gradient|penalty_gradient|lagrangian_gradient",
        "barrier": "barrier_terms|log_barrier|interior_point_terms",
        "kkt": "kkt_residual|complementarity|check_optimality",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Constraint handling.",
            "Inequality constraints, one per thread.",
            "Dual variables of the constraints.",
            "Penalty and multiplier terms.",
        ),
    )
    e = Entities(k, p.pick("constraint", "row", "bound"), index="c|i|tid")
    e.guard()
    value = k.let(
        "c_val|gi|slack_v",
        e.field("constraint_values|c|violations", p.real, R.uniform(-1.0, 1.0)).own,
    )
    {"update": _dual_update, "gradient": _penalty_gradient, "barrier": _barrier, "kkt": _kkt}[kind](
        p, k, e, value
    )


def _dual_update(p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Expr) -> None:
    lam = e.inout("multipliers|lam|dual", p.real, R.uniform(0.0, 1.0))
    rho = e.inout("penalties|rho|stiffness", p.real, R.uniform(0.5, 5.0)) if p.chance(0.6) else None
    weight = rho.own if rho is not None else k.param("rho|penalty", 0.5, 5.0)
    equality = (
        e.field("is_equality|kind|eq_mask", T.I32, R.mask(0.4)).own if p.chance(0.5) else None
    )
    new = k.var("lam_new|updated|li", lam.own + weight * c)
    if equality is not None:
        with k.when(all_of(equality == 0, new < 0.0)):
            k.set(new, 0.0)
    else:
        k.set(new, wp.max(new, 0.0))
    if p.chance(0.4):
        k.set(new, wp.min(new, k.param("max_multiplier|lam_max|cap", 2.0, 50.0)))
    lam.store(new)
    if rho is not None:
        before = e.inout("last_violation|c_prev|previous", p.real, R.uniform(0.0, 1.0))
        with k.when(wp.abs(c) > k.param("progress|eta|required", 0.25, 0.9) * before.own):
            rho.store(wp.min(rho.own * k.param("growth|beta|increase", 1.5, 10.0), 1.0e4))
        before.store(wp.abs(c))
    if p.chance(0.4):
        k.do(
            wp.atomic_max(
                k.out("max_violation|infeasibility|worst", p.real, (1,)), 0, wp.max(c, 0.0)
            )
        )


def _penalty_gradient(p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Expr) -> None:
    n = p.pick(12, 16, 24)
    width = p.pick(2, 3, 4)
    lam = e.field("multipliers|lam|dual", p.real, R.uniform(0.0, 1.0)).own
    rho = k.param("rho|penalty|mu", 0.5, 5.0)
    force = k.let("force|s|psi", wp.max(lam + rho * c, 0.0) if p.chance(0.6) else lam + rho * c)
    if p.chance(0.5):
        with k.when(force == 0.0 if p.chance(0.5) else force <= 1.0e-8):
            k.ret()
    at = e.index
    columns = k.array("columns|var_ids|support", T.I32, (e.n, width), R.padded(0, n, 0.2))
    values = k.array("jacobian_values|coefficients|dc", p.real, (e.n, width), R.uniform(-1.0, 1.0))
    lead = (n,) if e.worlds is None else (e.worlds, n)
    grad = k.out("gradient|grad|g_out", p.real, lead)
    with k.loop("s|k|slot", width if p.chance(0.5) else columns.dim(1)) as s:
        j = k.let("j|var|col", columns[at, s])
        with k.when(j < 0):
            k.brk() if p.chance(0.5) else k.cont()
        where = (j,) if e.world is None else (e.world, j)
        k.do(wp.atomic_add(grad, *where, force * values[at, s]))
        if p.chance(0.4):
            k.do(
                wp.atomic_add(
                    k.out("hessian_diag|diag_h|curvature", p.real, lead),
                    *where,
                    rho * values[at, s] * values[at, s],
                )
            )
    if p.chance(0.5):
        k.do(
            wp.atomic_add(
                k.out("merit|lagrangian|objective", p.real, (1,)),
                0,
                (force * force - lam * lam) / (2.0 * rho),
            )
        )


def _barrier(p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Expr) -> None:
    mu = e.world_param("mu|barrier|kappa", 1e-3, 0.5)
    relaxed = k.param("delta|relax_at|switch", 0.05, 0.3)
    form = p.pick("log", "clamped", "ipc")
    d = k.let("d|dist|gap", e.field("distances|slacks|margins", p.real, R.uniform(0.02, 1.0)).own)

    def value(b: Block, s: Expr, m: Expr, h: Expr) -> Expr:
        if form == "ipc":
            gap = b.let("gap_h|u", s - h)
            return choose(s < h, -m * gap * gap * wp.log(s / h), 0.0)
        if form == "clamped":
            q = b.let("q|t", (s - 2.0 * h) / h)
            return choose(s > h, -m * wp.log(s), m * (0.5 * (q * q - 1.0) - wp.log(h)))
        return -m * wp.log(wp.max(s, h * 0.01))

    def slope(b: Block, s: Expr, m: Expr, h: Expr) -> Expr:
        if form == "ipc":
            gap = b.let("gap_h|u", s - h)
            return choose(s < h, -m * (2.0 * gap * wp.log(s / h) + gap * gap / s), 0.0)
        if form == "clamped":
            return choose(s > h, -m / s, m * (s - 2.0 * h) / (h * h))
        return -m / wp.max(s, h * 0.01)

    args = {"d|s": d, "mu|m": mu, "h|delta": relaxed}
    cost = piece(p, k, f"{form}_barrier|barrier_value|barrier", args, value, "", 0.7)
    grad = k.let(
        "db|slope|force",
        piece(p, k, f"{form}_barrier_slope|barrier_gradient|barrier_slope", args, slope, "", 0.7),
    )
    e.out("barrier_grad|forces|slopes", p.real).store(
        grad + c * k.param("penalty|rho|soft", 0.1, 1.0)
    )
    k.do(
        wp.atomic_add(
            k.out("barrier_energy|potential|merit", p.real, (e.worlds or 1,)),
            e.world if e.world is not None else 0,
            cost,
        )
    )
    if p.chance(0.4):
        step = e.field("slack_steps|ds|d_slack", p.real, R.uniform(-0.5, 0.5)).own
        with k.when(step < 0.0):
            k.do(
                wp.atomic_min(
                    k.out("max_alpha|step_to_boundary|alpha", p.real, (1,), R.constant(1.0)),
                    0,
                    -k.param("fraction|tau|boundary", 0.9, 0.995) * d / step,
                )
            )


def _kkt(p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Expr) -> None:
    lam = e.field("multipliers|lam|dual", p.real, R.uniform(-0.2, 1.0)).own
    primal, dual = (
        k.let("primal|viol|infeas", wp.max(c, 0.0)),
        k.let("dual_viol|neg|lam_neg", wp.max(-lam, 0.0)),
    )
    comp = k.let(
        "comp|product|gap",
        wp.abs(lam * c) if p.chance(0.6) else lam + c - wp.sqrt(lam * lam + c * c),
    )
    for hint, v in p.sample(
        [
            ("primal_inf|max_primal", primal),
            ("dual_inf|max_dual", dual),
            ("comp_inf|max_gap", wp.abs(comp)),
        ],
        1,
        3,
    ):
        k.do(
            wp.atomic_max(
                k.out(hint, p.real, (e.worlds or 1,)), e.world if e.world is not None else 0, v
            )
        )
    if p.chance(0.6):
        state = k.var("state|active|tag", 0, T.I32)
        tol = k.param("tol|active_tol|eps", 1e-3, 0.2)
        with k.when(all_of(c > -tol, lam > tol)):
            k.set(state, 1)
        with k.elsewhen(c > tol):
            k.set(state, 2)
        e.out("active_set|states|tags", T.I32).store(state)
