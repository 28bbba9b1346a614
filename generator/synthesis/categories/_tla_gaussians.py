"""Covariances, whitening and divergences of Gaussians: an intent of tile_linear_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    inner,
    matmul,
    ridge,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def whitening(p: ProgramBuilder) -> None:
    """Covariances: estimates from samples, whitening, correlated draws, Mahalanobis distances, KL divergences."""
    kind = p.weighted({"whiten": 3, "draw": 2.5, "distance": 3, "estimate": 2.5, "kl": 2})
    names = {
        "whiten": "whiten_block|decorrelate|mahalanobis_whiten|sphere_data",
        "draw": "draw_correlated|sample_gaussians|colour_noise|mvn_samples",
        "distance": "mahalanobis_distances|score_outliers|anomaly_scores|gaussian_log_pdf",
        "estimate": "sample_covariance|shrunk_covariance|factor_covariance|scatter_matrix",
        "kl": "gaussian_kl|kl_between_gaussians|kl_terms|divergence_tile",
    }[kind]
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
