"""Gauss-Newton assembly and damped solves: intents of optimisation_steps."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


class Robust:
    """A loss on a squared residual: its weight for reweighted least squares, and its cost on demand.

    Attributes:
        weight: None for plain least squares.
    """

    def __init__(self, k: KernelBuilder, weight: Expr | None, cost: Callable[[], Expr]) -> None:
        self.k, self.weight, self.cost = k, weight, cost

    def scale(self, hint: str, factor: Expr) -> None:
        """Multiplies the weight by a confidence."""
        value = factor if self.weight is None else self.weight * factor
        self.weight = self.k.let(hint, value)

    def on(self, value: Expr) -> Expr:
        """A contribution, weighted."""
        return value if self.weight is None else value * self.weight


def robust_weight(
    p: ProgramBuilder, k: KernelBuilder, sq: Expr, hint: str, low: float, high: float
) -> Robust:
    """Plain least squares, or a robust loss whose width is a parameter."""
    form = p.pick("huber", "cauchy", "geman", "tukey", "welsch", "l1", "none")
    if form == "none":
        return Robust(k, None, lambda: 0.5 * sq)

    def weight(b: Block, s: Expr, c: Expr) -> Expr:
        q = b.let("q|ratio|u2", s / (c * c))
        match form:
            case "huber":
                return (
                    choose(q <= 1.0, 1.0, 1.0 / wp.sqrt(q))
                    if p.chance(0.5)
                    else wp.min(construct(p.real, 1.0), 1.0 / wp.sqrt(wp.max(q, 1.0e-8)))
                )
            case "cauchy":
                return 1.0 / (1.0 + q)
            case "geman":
                d = b.let("d|den", 1.0 + q)
                return 1.0 / (d * d)
            case "tukey":
                t = b.let("t|one_minus", 1.0 - q)
                return choose(q < 1.0, t * t, 0.0)
            case "welsch":
                return wp.exp(-q)
            case "l1":
                return 1.0 / wp.sqrt(q + 1.0e-4)
        raise ValueError(form)

    def cost(b: Block, s: Expr, c: Expr) -> Expr:
        q = b.let("q|ratio|u2", s / (c * c))
        match form:
            case "huber":
                return choose(q <= 1.0, 0.5 * s, c * c * (wp.sqrt(q) - 0.5))
            case "cauchy":
                return 0.5 * c * c * wp.log(1.0 + q)
            case "geman":
                return 0.5 * s / (1.0 + q)
            case "tukey":
                t = b.let("t|one_minus", wp.max(1.0 - q, 0.0))
                return c * c / 6.0 * (1.0 - t * t * t)
            case "welsch":
                return 0.5 * c * c * (1.0 - wp.exp(-q))
            case "l1":
                return c * c * wp.sqrt(q + 1.0e-4)
        return 0.5 * s

    args = {"s|sq|r2": sq, "c|scale|delta": k.param(hint, low, high)}
    w = piece(p, k, f"{form}_weight|robust_weight|irls_weight", args, weight, "", 0.7)
    name = f"{form}_cost|robust_cost|rho"
    return Robust(k, k.let("w|weight|rw", w), lambda: piece(p, k, name, args, cost, "", 0.5))


def gauss_newton(p: ProgramBuilder) -> None:
    """Normal equations of least squares, assembled residual by residual."""
    k = p.kernel_builder(
        "gauss_newton_assemble|accumulate_jtj|build_normal_equations|lm_linearize|residual_blocks|add_residuals",
        p.pick(
            "Adds every residual to the normal equations of its block.",
            "J^T J and J^T r with robust weights.",
            "Gauss-Newton accumulation.",
            "Linearised least squares.",
        ),
    )
    e = Entities(k, p.pick("residual", "factor", "observation", "edge"), index="i|r|tid|f")
    blocks = p.pick(6, 8, 12)
    rows, cols = p.pick((1, 3), (2, 3), (1, 2), (2, 6), (3, 6), (3, 3), (1, 4))
    e.guard()
    b = k.let(
        "b|block|var_id",
        e.field(
            "block_ids|variables|owner", T.I32, R.integers(-1 if p.chance(0.4) else 0, blocks)
        ).own,
    )
    with k.when(b < 0):
        k.ret()
    lead = (blocks,) if e.worlds is None else (e.worlds, blocks)
    at = (b,) if e.world is None else (e.world, b)
    if rows == 1:
        j = k.let(
            "j|row|jac", e.field("jacobians|J|rows_in", p.vec(cols), R.uniform(-1.0, 1.0)).own
        )
        r = k.let("r|res|err", e.field("residuals|r_in|errors", p.real, R.uniform(-1.0, 1.0)).own)
        sq, jtj, jtr = k.let("sq|r2|chi2", r * r), wp.outer(j, j), j * r
    else:
        j = k.let(
            "j|jac|Ji", e.field("jacobians|J|jac_in", p.mat(rows, cols), R.uniform(-1.0, 1.0)).own
        )
        r = k.let(
            "r|res|err", e.field("residuals|r_in|errors", p.vec(rows), R.uniform(-1.0, 1.0)).own
        )
        sq, jtj, jtr = k.let("sq|r2|chi2", wp.dot(r, r)), wp.transpose(j) * j, wp.transpose(j) * r
        if p.chance(0.35):
            info = k.let(
                "info|omega|W",
                e.field("information|W_in|precision", p.mat(rows), R.spd(0.5, 2.0)).own,
            )
            sq = k.let("mahal|chi|d2", wp.dot(r, info * r))
            jtj, jtr = wp.transpose(j) * info * j, wp.transpose(j) * (info * r)
    if p.chance(0.3):
        with k.when(sq > k.param("max_chi2|outlier|gate", 0.8, 2.5)):
            k.do(wp.atomic_add(k.out("num_outliers|rejected|gated", T.I32, (1,)), 0, 1))
            k.ret()
    loss = robust_weight(p, k, sq, "scale|delta|kernel_width", 0.3, 1.5)
    prior = (
        e.field("weights|confidence|w_in", p.real, R.uniform(0.2, 1.0)).own
        if p.chance(0.35)
        else None
    )
    if prior is not None:
        loss.scale("w_total|ww|weight_i", prior)
    h_out, g_out = (
        k.out("H|hessians|JtJ", p.mat(cols), lead),
        k.out("g|gradients|Jtr", p.vec(cols), lead),
    )
    for array, value in ((h_out, loss.on(jtj)), (g_out, loss.on(jtr))):
        if p.augmented_atomics:
            k.aug(array[at], "+", value)
        else:
            k.do(wp.atomic_add(array, *at, value))
    if p.chance(0.6):
        k.do(
            wp.atomic_add(
                k.out("cost|total_cost|chi2_sum", p.real, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                loss.cost(),
            )
        )
    if loss.weight is not None and p.chance(0.3):
        e.out("weights_out|robust_out|irls", p.real).store(loss.weight)


def damped_solve(p: ProgramBuilder) -> None:
    """Levenberg-Marquardt step of small blocks, with damping, bounds and the predicted decrease."""
    k = p.kernel_builder(
        "lm_step|solve_blocks|levenberg_marquardt|damped_newton|newton_step",
        p.pick(
            "Damped Newton step of every block.",
            "Solves (H + lambda D) d = -g.",
            "Small dense solves, one block per thread.",
        ),
    )
    e = Entities(k, p.pick("block", "problem", "joint"), index="b|i|tid")
    n = p.pick(2, 3, 3, 4)
    vec, mat = p.vec(n), p.mat(n)
    e.guard()
    h, g = (
        k.let("H|hess|A", e.field("hessians|JtJ|H_in", mat, R.spd(0.3, 3.0)).own),
        k.let("g|grad|rhs_v", e.field("gradients|Jtr|g_in", vec, R.uniform(-1.0, 1.0)).own),
    )
    lam = e.property("damping|lam|mu", 1e-3, 0.5)
    match p.pick("identity", "marquardt", "both"):
        case "identity":
            a = k.let("A_damped|Hd|lhs", h + wp.diag(construct(vec, lam)))
        case "marquardt":
            a = k.let("A_damped|Hd|lhs", h + wp.diag(wp.get_diag(h)) * lam)
        case _:
            a = k.let(
                "A_damped|Hd|lhs",
                h
                + wp.diag(
                    wp.get_diag(h) * lam
                    + construct(vec, k.param("floor|eps|min_damping", 1e-5, 1e-2))
                ),
            )
    if p.chance(0.4):
        det = k.let("det|volume|d_h", wp.determinant(a))
        with k.when(wp.abs(det) < p.pick(1e-8, 1e-6)):
            if p.chance(0.6):
                k.do(wp.atomic_add(k.out("num_singular|failures|skipped", T.I32, (1,)), 0, 1))
            k.ret()
    step = k.var("d|step|delta", -(inverted(p, a) * g))
    if p.chance(0.4):
        limit = k.param("max_step|trust_radius|step_limit", 0.2, 1.0)
        size = k.let("size|len_d|norm_d", wp.length(step))
        with k.when(size > limit):
            k.aug(step, "*", limit / size)
    x = e.inout("x|variables|params", vec, R.uniform(-1.0, 1.0))
    new = k.var("x_new|updated|xi", x.own + step)
    if p.chance(0.35):
        low, high = k.quantity("lower|lb", vec, [-1.0] * n), k.quantity("upper|ub", vec, [1.0] * n)
        k.set(new, wp.min(wp.max(new, low), high))
    x.store(new)
    for what in p.sample(["predicted", "norm", "step"], 0, 2):
        if what == "predicted":
            e.out("predicted|model_decrease|gain_model", p.real).store(
                -(wp.dot(g, step) + 0.5 * wp.dot(step, h * step))
            )
        elif what == "norm":
            k.do(
                wp.atomic_max(
                    k.out("max_step_norm|largest|step_inf", p.real, (1,)), 0, wp.length(step)
                )
            )
        else:
            e.out("steps|deltas|updates", vec).store(step)
