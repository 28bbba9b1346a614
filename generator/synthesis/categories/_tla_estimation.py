"""Estimation on tiles: filters, regression, Gaussian processes, whitening. Intents of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
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
)  # fmt: skip
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def kalman(p: ProgramBuilder) -> None:
    """Kalman filter: prediction, gated measurement update, covariance in plain or Joseph form."""
    b = Batch(
        p, "kalman_update|ekf_update|filter_measurement|measurement_update|track_update|fuse_measurement",
        ("One tracked target per block.", "Measurement update with the innovation covariance factored on chip.", "Kalman step for a batch of filters.", "Fuses one measurement vector into each state estimate."),
        index="i|track|target|f",
    )  # fmt: skip
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
        p, "ridge_regression|fit_linear_model|least_squares_fit|normal_equations|weighted_least_squares|fit_coefficients",
        ("Normal equations accumulated over tiles of samples.", "Ridge fit, one model per block.", "Solves (X^T W X + lam I) beta = X^T W y.", "Linear least squares by Cholesky."),
        index="i|model|fit|output",
    )  # fmt: skip
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


def gaussian_process(p: ProgramBuilder) -> None:
    """Gaussian-process regression: kernel matrix by a tile map, marginal likelihood, posterior mean and variance."""
    b = Batch(
        p, "gp_fit|gp_log_likelihood|gp_posterior|kriging_predict|gp_regression|gaussian_process_tile",
        ("Exact Gaussian process with one small data set per block.", "Log marginal likelihood of one hyperparameter set per block.", "Posterior of a Gaussian process at query points.", "Kriging on a handful of stations."),
        index="i|task|series|hyper",
    )  # fmt: skip
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


def whitening(p: ProgramBuilder) -> None:
    """Covariances: estimates from samples, whitening, correlated draws, Mahalanobis distances, KL divergences."""
    kind = p.weighted({"whiten": 3, "draw": 2.5, "distance": 3, "estimate": 2.5, "kl": 2})
    names = {
        "whiten": "whiten_block|decorrelate|mahalanobis_whiten|sphere_data", "draw": "draw_correlated|sample_gaussians|colour_noise|mvn_samples",
        "distance": "mahalanobis_distances|score_outliers|anomaly_scores|gaussian_log_pdf", "estimate": "sample_covariance|shrunk_covariance|factor_covariance|scatter_matrix",
        "kl": "gaussian_kl|kl_between_gaussians|kl_terms|divergence_tile",
    }[kind]  # fmt: skip
    b = Batch(
        p,
        names,
        (
            "One covariance per block.",
            "Works with the Cholesky factor, never with the inverse.",
            "Small dense covariances, one block each.",
            "Multivariate Gaussians in batches.",
        ),
        index="i|group|cluster|c",
    )
    k, t = b.k, b.t
    n = t.dim("dim|d|num_vars", p.pick(3, 4, 6, 8))
    if kind == "kl":
        cov = b.load(
            "covariances|sigma_all|C_all",
            "cov|C|sigma",
            [n, n],
            R.spd(0.4, 2.5),
            True if p.chance(0.5) else None,
        )
        _kl(p, b, cov, n)
        return
    m = t.dim("num_samples|n_draws|points", p.pick(4, 8, 16))
    if kind in ("estimate", "whiten") and p.chance(0.7 if kind == "whiten" else 1.0):
        x = b.load("samples|data|observations", "x|xt|block", [m, n], R.normal(0.0, 1.0))
        mean = k.let("mean|mu|centre", t.total("tile_sum", x, 0) * round(1.0 / m.value, 6))
        xc = k.let("xc|centred|dev", x - t.broadcast(mean, [m, n]))
        cov = k.let("cov|C|scatter", matmul(transpose(xc), xc) * round(1.0 / (m.value - 1), 6))
        cov = ridge(p, b, cov, n, b.param("shrinkage|eps|ridge", 0.05, 0.4), "cov_reg|C_reg|shrunk")
        if kind == "estimate":
            _estimate_outputs(p, b, cov, mean, n)
            return
        w = Factor(p, b, cov).whiten(transpose(xc), "white|wx|z")
        b.store("whitened|white_out|decorrelated", [m, n], transpose(w)) if p.chance(
            0.6
        ) else b.store("whitened|white_out|decorrelated", [n, m], w)
        return
    cov = b.load(
        "covariances|sigma_all|C_all",
        "cov|C|sigma",
        [n, n],
        R.spd(0.4, 2.5),
        True if p.chance(0.5) else None,
    )
    if kind == "draw":
        _draw(p, b, cov, n, m)
    else:
        _distances(p, b, cov, n, m, white=kind == "whiten")


def _estimate_outputs(p: ProgramBuilder, b: Batch, cov: Expr, mean: Expr, n: Dim) -> None:
    outputs = p.sample(["cov", "mean", "factor", "det"], 1, 3)
    if "cov" in outputs or outputs == ["mean"]:
        b.store("covariances|cov_out|C_out", [n, n], cov)
    if "mean" in outputs:
        b.store("means|mean_out|centres", [n], mean)
    if "factor" in outputs or "det" in outputs:
        f = Factor(p, b, cov)
        if "factor" in outputs:
            b.store("factors|chol_out|L_out", [n, n], f.low)
        if "det" in outputs:
            b.put(
                "log_dets|entropy|log_volumes",
                f.log_det(n) * 0.5 if p.chance(0.5) else f.log_det(n),
            )


def _kl(p: ProgramBuilder, b: Batch, cov: Expr, n: Dim) -> None:
    k = b.k
    other = b.load(
        "prior_cov|sigma_q|ref_cov",
        "cov_q|prior|ref",
        [n, n],
        R.spd(0.6, 2.0),
        True if p.chance(0.5) else None,
    )
    delta = b.load("mean_shift|delta_mu|offsets", "delta|d_mu|shift", [n], R.uniform(-1.0, 1.0))
    fp, fq = (
        Factor(p, b, cov, "Lp|low_p|chol_p", lower=True),
        Factor(p, b, other, "Lq|low_q|chol_q", lower=True),
    )
    a = k.let("A|ratio|lq_lp", fq.lower(fp.low))
    w = fq.whiten(delta, "w|white_shift|wd")
    trace = k.let("trace|tr|spread", inner(p, a, a))
    quad = inner(p, w, w)
    det = k.var("det_ratio|logdet_diff|dd", 0.0, p.real)
    with k.loop("j|d", n.expr) as j:
        k.aug(
            det,
            "+",
            wp.log(fq.low[j, j] / fp.low[j, j])
            if p.chance(0.5)
            else wp.log(fq.low[j, j]) - wp.log(fp.low[j, j]),
        )
    b.put("kl|divergences|kl_out", 0.5 * (trace + quad - float(n.value)) + det)


def _draw(p: ProgramBuilder, b: Batch, cov: Expr, n: Dim, m: Dim) -> None:
    k, t = b.k, b.t
    f = Factor(p, b, cov, inplace=p.chance(0.6))
    z = b.load("unit_normals|noise|eps", "z|white|e", [n, m], R.normal(0.0, 1.0))
    x = k.let("draws|samples|x", matmul(f.low if not f.upper else transpose(f.low), z))
    match p.pick("none", "mean", "scale", "both"):
        case "mean" | "both":
            mean = b.load("means|mu_all|centres", "mu|mean|centre", [n], R.uniform(-1.0, 1.0))
            x = k.let("shifted|located|xs", x + t.column(mean, n, m))
        case "scale":
            x = x * k.param("temperature|spread|sigma", 0.3, 1.5)
    b.store("samples_out|draws_out|particles", [n, m], x)


def _distances(p: ProgramBuilder, b: Batch, cov: Expr, n: Dim, m: Dim, white: bool) -> None:
    k, t = b.k, b.t
    f = Factor(p, b, cov)
    x = b.load("points|samples|query_points", "x|pts|xt", [n, m], R.uniform(-2.0, 2.0))
    if p.chance(0.6):
        mean = b.load("means|centres|mu_all", "mu|mean|centre", [n], R.uniform(-0.5, 0.5))
        x = k.let("dev|xc|delta", x - t.column(mean, n, m))
    w = f.whiten(x, "w|white|z")
    if white:
        b.store("whitened|white_out|z_out", [n, m], w)
        return
    d2 = k.let("d2|maha_sq|dist_sq", t.total("tile_sum", w * w, 0))
    if p.chance(0.4):
        const = k.let(
            "log_norm|norm_term|c0", -0.5 * f.log_det(n) - round(0.5 * n.value * 1.8378770664, 5)
        )
        b.store("log_pdf|scores|log_density", [m], t.full([m], const, p.real) - d2 * 0.5)
    elif p.chance(0.5):
        b.store("distances|maha_out|scores", [m], t.map("sqrt", d2))
    else:
        b.store("distances_sq|d2_out|scores", [m], d2)
    if p.chance(0.4):
        worst = k.let("worst|outlier|far", t.index_of("tile_argmax", d2)[0])
        limit = k.param("gate|threshold|chi2", 2.0, 6.0)
        b.put("outlier_index|flagged|worst_out", wp.where(d2[worst] > limit, worst, -1), T.I32)
