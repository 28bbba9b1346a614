"""Estimation on tiles: filters, regression, Gaussian processes, whitening. Intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    accumulate,
    diag_add,
    dot,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def kalman(p: ProgramBuilder) -> None:
    """Kalman filter: prediction, gated measurement update, covariance in plain or Joseph form."""
    b = Batch(
        p,
        "kalman_update|ekf_update|filter_measurement|measurement_update|track_update|fuse_measurement",
        (
            "One tracked target per block.",
            "Measurement update with the innovation covariance factored on chip.",
            "Kalman step for a batch of filters.",
            "Fuses one measurement vector into each state estimate.",
        ),
        index="i|track|target|f",
    )
    k, t = b.k, b.t
    n, m, one = (
        t.dim("state_dim|nx|n_state", p.pick(4, 6)),
        t.dim("meas_dim|nz|n_meas", p.pick(2, 3)),
        t.literal(1),
    )
    if p.chance(0.3):
        k_seen = b.scalar("visible|has_measurement|detected", R.mask(0.8), T.I32)
        with k.when(k_seen == 0):
            k.ret()
    x = b.load(
        "states|x_all|means",
        "x|state|mean",
        [n, one],
        R.uniform(-1.0, 1.0),
        True if p.chance(0.3) else None,
        "inout",
    )
    x_at = b.last
    cov = b.load(
        "covariances|P_all|state_cov", "P|cov|sigma", [n, n], R.spd(0.5, 2.0), role="inout"
    )
    cov_at = b.last
    if p.chance(0.4):
        x, cov = _predict(p, b, x, cov, n)
    k.step(p.pick("innovation", "measurement residual", ""))
    h = b.load("H_all|observation|meas_jacobians", "H|obs|jac", [m, n], R.uniform(-1.0, 1.0))
    z = b.load("measurements|z_all|observations", "z|meas|obs_z", [m, one], R.uniform(-1.0, 1.0))
    y = k.let("y|innovation|resid", z - matmul(h, x))
    hp = k.let("HP|hp|cross", matmul(h, cov))
    s = k.let("S|innov_cov|s_tile", _innovation(p, b, h, hp, m))
    f = Factor(p, b, s)
    if p.chance(0.35):
        _gate(p, b, f, y, m)
    k.step(p.pick("gain", "Kalman gain, transposed", ""))
    gain_t = f.solve(hp, "Kt|gain_t|gain", keep=True)
    gain = transpose(gain_t) if p.chance(0.5) else k.let("K|kalman_gain|gk", transpose(gain_t))
    x_new = k.let("x_new|updated|x_post", x + matmul(gain, y))
    if p.chance(0.3):
        kh = k.let("A|closed_loop|i_kh", _identity_minus(p, b, matmul(gain, h), n))
        new = matmul(matmul(kh, cov), transpose(kh))
        if p.chance(0.7):
            new = new + matmul(gain, gain_t) * k.param("meas_var|noise_var|r_scalar", 0.05, 0.3)
    else:
        new = cov - matmul(gain, hp)
    k.step("")
    if p.chance(0.3):
        new = k.let("P_new|cov_new|post", new)
        new = (new + transpose(new)) * 0.5
    b.store_back(x_at, x_new)
    b.store_back(cov_at, new)


def _predict(p: ProgramBuilder, b: Batch, x: Expr, cov: Expr, n: Dim) -> tuple[Expr, Expr]:
    k = b.k
    k.step(p.pick("predict", "time update", ""))
    f = b.load("transition|F_all|dynamics", "F|trans|phi", [n, n], R.near_identity(0.1))
    x = k.let("x_pred|prior|xp", matmul(f, x))
    spread = k.let("FP|fp|half", matmul(f, cov))
    moved = matmul(spread, transpose(f))
    if p.chance(0.5):
        q = b.load("process_noise|Q_diag|q_var", "q|qd|noise", [n], R.uniform(0.01, 0.1))
        return x, k.let("P_pred|prior_cov|pp", diag_add(moved, q))
    if p.chance(0.5):
        q = b.load("process_cov|Q_all|Q_in", "Q|qt|noise_cov", [n, n], R.spd(0.01, 0.1))
        return x, k.let("P_pred|prior_cov|pp", moved + q)
    return x, ridge(
        p, b, moved, n, b.param("q|process_var|sigma_q", 0.01, 0.1), "P_pred|prior_cov|pp"
    )


def _innovation(p: ProgramBuilder, b: Batch, h: Expr, hp: Expr, m: Dim) -> Expr:
    s = matmul(hp, transpose(h))
    match p.pick("diag", "full", "scalar"):
        case "diag":
            return diag_add(
                s, b.load("meas_var|R_diag|noise_diag", "r|rd|r_diag", [m], R.uniform(0.05, 0.3))
            )
        case "full":
            return s + b.load("R_all|meas_cov|noise_cov", "R|noise|rt", [m, m], R.spd(0.1, 0.5))
    return ridge(p, b, s, m, b.param("r|meas_sigma_sq|noise_var", 0.05, 0.3), "S0|s_reg|with_noise")


def _gate(p: ProgramBuilder, b: Batch, f: Factor, y: Expr, m: Dim) -> None:
    k = b.k
    w = k.let("w|whitened|e", f.lower(y))
    d2 = k.let("d2|maha_sq|nis", inner(p, w, w))
    how = p.pick("gate", "likelihood", "both")
    if how != "gate":
        norm = round(0.5 * m.value * 1.8378770664, 5)
        b.put("log_likelihoods|loglik|evidence", -0.5 * (d2 + f.log_det(m)) - norm)
    if how != "likelihood":
        if p.chance(0.5):
            b.put("nis_out|gate_distance|d2_out", d2)
        limit = k.param("gate|chi2_gate|max_nis", 6.0, 12.0)
        with k.when(d2 > limit):
            if p.chance(0.5):
                k.set(k.out("rejected|outlier|gated", T.I32, b.lead)[b.at], 1)
            k.ret()


def _identity_minus(p: ProgramBuilder, b: Batch, a: Expr, n: Dim) -> Expr:
    ones = tile("tile_ones", T.Tile(p.real, (n.value,)), shape=n.expr, dtype=p.real)
    return diag_add(-a if p.chance(0.5) else a * -1.0, ones)


def regression(p: ProgramBuilder) -> None:
    """Ridge, weighted and robust least squares through the normal equations, accumulated over tiles of rows."""
    b = Batch(
        p,
        "ridge_regression|fit_linear_model|least_squares_fit|normal_equations|weighted_least_squares|fit_coefficients",
        (
            "Normal equations accumulated over tiles of samples.",
            "Ridge fit, one model per block.",
            "Solves (X^T W X + lam I) beta = X^T W y.",
            "Linear least squares by Cholesky.",
        ),
        index="i|model|fit|output",
    )
    k, t = b.k, b.t
    m, n, one = (
        t.dim("tile_rows|block_m|chunk", p.pick(4, 8)),
        t.dim("num_features|n_coef|dim", p.pick(3, 4, 6, 8)),
        t.literal(1),
    )
    steps = p.pick(1, 1, 2, 3, 4)
    rows = steps * m.value
    b.form = "view" if b.form == "stacked" else b.form
    xs = k.array(
        "X|features|design|samples", p.real, (*b.lead, rows, n.value), R.uniform(-1.0, 1.0)
    )[b.at]
    outputs = t.dim("num_targets|n_out|nrhs", p.pick(2, 3)) if p.chance(0.25) else one
    ys = k.array(
        "Y|targets|y_all|responses", p.real, (*b.lead, rows, outputs.value), R.uniform(-1.0, 1.0)
    )[b.at]
    weights = (
        k.array("W|weights|sample_weight|precision", p.real, (*b.lead, rows), R.uniform(0.2, 1.5))[
            b.at
        ]
        if p.chance(0.4)
        else None
    )
    gram = k.var("gram|xtx|G|normal", t.zeros([n, n], p.real, shared=p.chance(0.3)))
    rhs = k.var("rhs|xty|c|moment", t.zeros([n, outputs], p.real, shared=p.chance(0.3)))

    def one_tile(start: Any) -> None:
        xt = k.let("x_tile|xt|block_x", t.load(xs, [m, n], [start, 0]))
        yt = k.let("y_tile|yt|block_y", t.load(ys, [m, outputs], [start, 0]))
        left = xt
        if weights is not None:
            w = k.let("w|w_tile|wt", t.load(weights, [m], [start]))
            left = k.let("weighted|xw|wx", xt * t.column(w, m, n))
        left_t = k.let("xt_t|left_t|xT", transpose(left)) if p.chance(0.5) else transpose(left)
        if p.chance(0.7):
            accumulate(k, left_t, xt, gram)
            accumulate(k, left_t, yt, rhs)
        else:
            k.aug(gram, "+", matmul(left_t, xt))
            k.aug(rhs, "+", matmul(left_t, yt))

    if steps == 1:
        one_tile(0)
    else:
        match p.pick("literal", "shape", "arg"):
            case "literal":
                bound: Any = steps
            case "shape":
                bound = xs.dim(0) // m.expr
            case _:
                bound = k.scalar("num_tiles|n_chunks|row_tiles", T.I32, steps)
        with k.loop("s|chunk_id|r|step", bound) as s:
            one_tile(s * m.expr)
    k.step(p.pick("regularise and solve", "ridge solve", ""))
    if p.chance(0.3):
        lam = k.let(
            "penalty|lam|prior_prec",
            t.load(
                k.array(
                    "penalties|prior_precision|lambdas", p.real, (n.value,), R.uniform(0.1, 1.0)
                ),
                [n],
            ),
        )
        a = k.let("a|reg|A", diag_add(gram, lam))
    else:
        a = ridge(p, b, gram, n, b.param("ridge|lam|l2|alpha", 0.1, 1.0), "a|reg|A")
    prior = None
    if p.chance(0.2):
        prior = t.load(
            k.array(
                "prior_coef|beta0|prior_mean",
                p.real,
                (n.value, outputs.value),
                R.uniform(-0.5, 0.5),
            ),
            [n, outputs],
        )
        k.set(rhs, rhs + prior * 0.5)
    beta = Factor(p, b, a).solve(rhs, "beta|coef|w_hat|theta")
    for what in p.sample(["residual", "shrink", "norm"], 0, 2):
        if what == "residual":
            xt = k.let("x0|x_head|first_x", t.load(xs, [m, n]))
            e = k.let("e|resid|err", t.load(ys, [m, outputs]) - matmul(xt, beta))
            b.put("rss|sse|residual_sq|fit_error", inner(p, e, e))
        elif what == "norm":
            b.put(
                "coef_norm|penalty_out|weight_norm",
                wp.sqrt(dot(beta, beta)) if p.chance(0.5) else dot(beta, beta),
            )
        elif p.chance(0.6):
            cut = p.pick(0.01, 0.02, 0.05)
            shrink = p.func(
                "soft_threshold|shrink|prox_l1",
                {"v|x": p.real},
                lambda q, v, cut=cut: q.ret(wp.sign(v) * wp.max(wp.abs(v) - cut, 0.0)),
            )
            beta = k.let("sparse|beta_s|shrunk", t.map(shrink, beta))
    b.store("coefficients|beta_out|weights_out|theta_out", [n, outputs], beta)
