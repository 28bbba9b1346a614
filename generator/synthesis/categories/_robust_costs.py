"""Robust costs of residual vectors and shrinkage of parameter groups, for the optimisation category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._extras import helper, single_precision
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import zero
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_NORMS = ("norm_huber", "norm_pseudo_huber", "norm_l1", "norm_l2")


def robust_cost(p: ProgramBuilder) -> None:
    """Robust loss of residual vectors, with its gradient or its weights."""
    single_precision(p)
    k = p.kernel_builder(
        "robust_cost|evaluate_residuals|huber_loss|reweight_residuals|alignment_cost|factor_errors",
        p.pick(
            "Robust cost of every residual.",
            "Loss and weights that outliers cannot dominate.",
            "Evaluate the factors at the current estimate.",
        ),
    )
    e = Entities(k, p.pick("residual", "factor", "match", "measurement"))
    t = T.Vec(p.pick(2, 3, 3, 4))
    e.guard()
    r = _residual(p, k, e, t)
    name = p.pick(*_NORMS)
    delta = k.param("delta|huber_delta|scale", 0.1, 1.0) if "huber" in name else None
    cost = k.let("cost|loss|rho", _norm(p, k, name, r, delta))
    _accumulate(p, k, e, cost)
    for write in p.sample([_stored, _gradient, _weight, _outlier, _worst_axis], 1, 3):
        write(p, k, e, r, cost)


def _residual(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Vec) -> Name:
    predicted = e.field("predicted|estimates|model_values", t, R.uniform(-1.0, 1.0)).own
    measured = e.field("measured|observations|targets", t, R.uniform(-1.0, 1.0)).own
    r: Expr = predicted - measured
    match p.pick("plain", "plain", "whitened", "scaled"):
        case "whitened":
            n = t.n
            fill = R.near_identity(0.3)
            root = e.field("sqrt_information|whitening|L", T.Mat(n, n), fill).own
            r = root * r
        case "scaled":
            r = r * e.property("inv_sigma|precision|confidence", 0.5, 3.0)
    return k.let("r|residual_i|err", r)


def _norm(p: ProgramBuilder, k: KernelBuilder, name: str, r: Expr, delta: Expr | None) -> Expr:
    def body(b: Block, v: Expr, *rest: Expr) -> Expr:
        return call_as(name, T.F32, v, *rest)

    args = {"r|v|err": r} | ({} if delta is None else {"delta|scale": delta})
    return helper(p, k, f"robust_{name[5:]}|{name[5:]}_cost|rho", args, body, share=0.4)


def _accumulate(p: ProgramBuilder, k: KernelBuilder, e: Entities, cost: Name) -> None:
    total = Table(e, "total_cost|loss|objective", T.F32, (1,), role="out")
    value: Expr = cost
    if p.chance(0.4):
        value = cost * e.property("weight|confidence_weight|w_match", 0.2, 1.0)
    total.add(value, 0)


def _stored(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Name, cost: Name) -> None:
    e.out("costs|losses|per_residual", T.F32).store(cost)


def _gradient(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Name, cost: Name) -> None:
    """Direction of steepest ascent of the cost in the residual."""
    delta = k.param("smoothing|soft_radius|delta_grad", 0.1, 1.0)
    direction = wp.smooth_normalize(r, delta) if p.chance(0.75) else wp.normalize(r)
    e.out("gradients|dcost_dr|adjoint_r", r.type).store(direction)


def _weight(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Name, cost: Name) -> None:
    """Weight of iteratively reweighted least squares."""
    k_width = k.param("cutoff|tuning_c|k_width", 0.3, 1.5)
    size = k.let("size|s|mag", call_as(p.pick("norm_l2", "norm_l1"), T.F32, r))
    match p.pick("huber", "cauchy", "geman"):
        case "huber":
            weight: Expr = wp.where(size <= k_width, 1.0, k_width / wp.max(size, 1.0e-6))
        case "cauchy":
            ratio = k.let("ratio|u|q", size / k_width)
            weight = 1.0 / (1.0 + ratio * ratio)
        case _:
            s2 = k.let("s2|kk", k_width * k_width)
            weight = s2 * s2 / ((s2 + size * size) * (s2 + size * size))
    e.out("weights|irls_weights|w_out", T.F32).store(weight)


def _outlier(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Name, cost: Name) -> None:
    limit = k.param("gate|outlier_cost|max_cost", 0.5, 2.0)
    inliers = Table(e, "num_inliers|inlier_count|support", T.I32, (1,), role="out")
    with k.when(cost < limit):
        inliers.add(1, 0)


def _worst_axis(p: ProgramBuilder, k: KernelBuilder, e: Entities, r: Name, cost: Name) -> None:
    pick = wp.argmax if p.chance(0.6) else wp.argmin
    axis = construct(T.I32, pick(call_as("abs", r.type, r)))
    if p.chance(0.5):
        e.out("worst_axis|dominant_axis|axis_out", T.I32).store(axis)
    else:
        counts = Table(e, "axis_counts|axis_votes", T.I32, (4,), role="out")
        counts.add(1, axis)


def shrink_groups(p: ProgramBuilder) -> None:
    """Proximal step of a group penalty: whole groups of parameters go to zero together."""
    single_precision(p)
    k = p.kernel_builder(
        "shrink_groups|group_soft_threshold|group_lasso_step|prox_group_norm|block_shrinkage",
        p.pick("Soft threshold on groups of parameters.", "Proximal step of the group lasso."),
    )
    e = Entities(k, p.pick("group", "block", "coefficient"))
    t = T.Vec(p.pick(2, 3, 4))
    w = e.inout("weights|params|x", t, R.uniform(-1.0, 1.0))
    e.guard()
    step = e.world_param("step_size|lr|tau", 0.01, 0.3)
    slope = e.field("gradients|grad|g", t, R.uniform(-1.0, 1.0)).own
    moved = k.let("moved|v|trial", w.own - step * slope)
    threshold = k.let("threshold|cut", step * k.param("penalty|lam|group_weight", 0.1, 1.5))
    size = k.let(
        "size|group_norm|mag", call_as(p.pick("norm_l2", "norm_l2", "norm_l1"), T.F32, moved)
    )
    match p.pick("branch", "ternary", "factor"):
        case "branch":
            with k.when(size <= threshold):
                w.store(zero(t))
            with k.otherwise():
                w.store(moved * (1.0 - threshold / size))
        case "factor":
            w.store(moved * wp.max(1.0 - threshold / wp.max(size, 1.0e-8), 0.0))
        case _:
            kept = wp.where(size > threshold, 1.0 - threshold / wp.max(size, 1.0e-8), 0.0)
            w.store(moved * k.let("keep|factor|shrink", kept))
    if p.chance(0.5):
        live = Table(e, "num_active|support_size|nonzero_groups", T.F32, (1,), role="out")
        live.add(wp.nonzero(wp.max(size - threshold, 0.0)), 0)
    if p.chance(0.4):
        penalty = Table(e, "penalty_value|regularizer|norm_sum", T.F32, (1,), role="out")
        penalty.add(size, 0)
