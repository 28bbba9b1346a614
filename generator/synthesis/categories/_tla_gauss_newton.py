"""Gauss-Newton and Levenberg-Marquardt steps: an intent of tile_linear_algebra."""

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
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def gauss_newton(p: ProgramBuilder) -> None:
    """Gauss-Newton and Levenberg-Marquardt steps of small nonlinear least-squares problems."""
    b = Batch(
        p,
        "gauss_newton_step|levenberg_marquardt|lm_step|bundle_block|calibrate_step|ik_step|refine_poses",
        (
            "One residual block per thread block.",
            "Damped normal equations J^T W J.",
            "A Levenberg-Marquardt step for each small problem.",
            "Second-order update of the parameters.",
        ),
        index="i|problem|pose|block",
    )
    k, t = b.k, b.t
    m, n, one = (
        t.dim("num_residuals|rows|m", p.pick(6, 8, 12)),
        t.dim("num_params|dof|n", p.pick(3, 4, 6)),
        t.literal(1),
    )
    column = p.chance(0.65)  # vectors as n x 1 tiles, which products take
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
