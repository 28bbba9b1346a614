"""Gaussian-process regression: an intent of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    diag_add,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def gaussian_process(p: ProgramBuilder) -> None:
    """Gaussian-process regression: kernel matrix by a tile map, marginal likelihood, posterior mean and variance."""
    b = Batch(
        p,
        "gp_fit|gp_log_likelihood|gp_posterior|kriging_predict|gp_regression|gaussian_process_tile",
        (
            "Exact Gaussian process with one small data set per block.",
            "Log marginal likelihood of one hyperparameter set per block.",
            "Posterior of a Gaussian process at query points.",
            "Kriging on a handful of stations.",
        ),
        index="i|task|series|hyper",
    )
    k, t = b.k, b.t
    n = t.dim("num_train|n_obs|n_points", p.pick(6, 8, 12))
    x = b.load(
        "inputs|x_train|locations",
        "xt|x|train_x",
        [n],
        R.uniform(-2.0, 2.0),
        True if p.chance(0.5) else None,
    )
    y = b.load(
        "targets|y_train|values",
        "yt|y|train_y",
        [n],
        R.uniform(-1.0, 1.0),
        True if p.chance(0.3) else None,
    )
    if p.chance(0.3):
        mean = k.let("mean|mu|offset", t.total("tile_sum", y)[0] * round(1.0 / n.value, 6))
        y = k.let("centred|y0|yc", y - t.full([n], mean, p.real))
    cov = _covariance_function(p)
    kxx = k.let("K|gram|kxx", t.map(cov, t.column(x, n, n), t.broadcast(x, [n, n])))
    variance = b.param("signal_var|amplitude|sigma_f", 0.6, 2.0) if p.chance(0.5) else None
    if variance is not None:
        kxx = k.let("scaled|k_scaled|kss", kxx * variance)
    if p.chance(0.3):
        noise = b.load("noise_var|obs_var|nugget", "nv|jitter|noise", [n], R.uniform(0.05, 0.3))
        ky = k.let("Ky|k_noisy|k_y", diag_add(kxx, noise))
    else:
        ky = ridge(p, b, kxx, n, b.param("noise|nugget|sigma_n", 0.05, 0.4), "Ky|k_noisy|k_y")
    f = Factor(p, b, ky)
    alpha = f.solve(y, "alpha|weights|kinv_y", keep=True)
    likelihood = p.chance(0.6)
    if likelihood:
        k.step(p.pick("log marginal likelihood", "evidence", ""))
        norm = round(0.5 * n.value * 1.8378770664, 5)
        fit = k.let("fit|quad|data_term", inner(p, y, alpha))
        b.put("log_evidence|log_likelihood|mll", -0.5 * fit - 0.5 * f.log_det(n) - norm)
    if likelihood and p.chance(0.4):
        return
    k.step(p.pick("posterior at the query points", "predict", ""))
    m = t.dim("num_query|n_test|n_star", p.pick(3, 4, 8))
    xs = b.load("queries|x_test|grid_points", "xq|xs|test_x", [m], R.uniform(-2.0, 2.0))
    ks = k.let("Ks|cross|k_star", t.map(cov, t.column(xs, m, n), t.broadcast(x, [m, n])))
    if variance is not None:
        ks = k.let("ks_scaled|cross_s|kqs", ks * variance)
    one = t.literal(1)
    column = tile("tile_reshape", T.Tile(p.real, (n.value, 1)), alpha, shape=(n.expr, one.expr))
    b.store("posterior_mean|predictions|mean_out", [m, one], matmul(ks, column))
    if p.chance(0.55):
        v = f.whiten(transpose(ks), "v|half_ks|lk")
        reduction = t.total("tile_sum", v * v, 0)
        top: Expr = variance if variance is not None else construct(p.real, 1.0)
        b.store("posterior_var|variances|var_out", [m], t.full([m], top, p.real) - reduction)


def _covariance_function(p: ProgramBuilder) -> Any:
    kind = p.pick("rbf", "matern32", "matern52", "periodic", "rational", "exponential")
    ell = p.pick(0.4, 0.5, 0.8, 1.2, 1.5)
    scale = (
        p.const("LENGTH_SCALE|ELL|CORR_LENGTH", ell) if p.real == T.F32 and p.chance(0.4) else None
    )

    def body(q: Any, u: Expr, v: Expr) -> None:
        length: Any = scale if scale is not None else ell
        d = q.let("r|dist|h", wp.abs(u - v) / length)
        if kind == "rbf":
            q.ret(wp.exp(-0.5 * d * d))
        elif kind == "matern32":
            s = q.let("s|a|sr", 1.7320508 * d)
            q.ret((1.0 + s) * wp.exp(-s))
        elif kind == "matern52":
            s = q.let("s|a|sr", 2.236068 * d)
            q.ret((1.0 + s + s * s / 3.0) * wp.exp(-s))
        elif kind == "periodic":
            w = q.let("w|sn|wave", wp.sin(3.1415927 * d))
            q.ret(wp.exp(-2.0 * w * w))
        elif kind == "rational":
            q.ret(1.0 / (1.0 + 0.5 * d * d))
        else:
            q.ret(wp.exp(-d))

    return p.func(
        f"{kind}|{kind}_kernel|k_{kind}|{kind}_covariance",
        {"a|x1|u": p.real, "b|x2|v": p.real},
        body,
    )
