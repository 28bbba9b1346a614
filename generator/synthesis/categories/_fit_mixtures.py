"""Gaussian mixtures: an intent of parameter_fitting."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def mixture(p: ProgramBuilder) -> None:
    """Gaussian mixtures: responsibilities, sufficient statistics, parameters, likelihoods."""
    kind = p.weighted({"responsibilities": 4, "statistics": 3, "maximise": 2.5, "pdf": 1.5})
    names = {
        "responsibilities": "gmm_e_step|responsibilities|posterior_weights",
        "statistics": "gmm_accumulate|sufficient_statistics|em_statistics",
        "maximise": "gmm_m_step|update_components|maximization",
        "pdf": "gmm_log_likelihood|mixture_density|score_samples",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Expectation step.",
            "Gaussian mixture model.",
            "EM for a mixture of Gaussians.",
            "Posterior of the components.",
        )
        if kind != "maximise"
        else p.pick("Maximisation step, one component per thread.", "New means and covariances."),
    )
    dim, comps = p.pick(1, 2, 2, 3), p.pick(3, 4, 6)
    t: T.Type = p.real if dim == 1 else p.vec(dim)
    square: T.Type = p.real if dim == 1 else p.mat(dim)
    if kind == "maximise":
        _maximise(p, k, dim, t, square)
        return
    e = Entities(k, p.pick("sample", "point", "pixel"), index="i|tid|s", layouts=p.chance(0.6))
    x = k.let("x|xi|pt", e.field("samples|points|data", t, R.uniform(-1.0, 1.0)).own)
    e.guard()
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    at = (e.index,) if e.world is None else (e.world, e.index)
    if kind == "statistics":
        r = k.array("responsibilities|resp|gamma", p.real, (*lead, comps), R.uniform(0.0, 0.5))
        with k.loop("c|j|comp", comps if p.chance(0.5) else r.dim(len(lead))) as c:
            w = k.let("w|r_ic|weight", r[(*at, c)])
            if p.chance(0.5):
                with k.when(w < k.param("min_resp|cutoff|eps", 1e-3, 0.05)):
                    k.cont()
            add_to(p, k, k.out("mass|counts|n_k", p.real, (comps,)), c, w)
            add_to(p, k, k.out("first_moment|sums|m1", t, (comps,)), c, x * w)
            if p.chance(0.7):
                add_to(
                    p,
                    k,
                    k.out("second_moment|outer_sums|m2", square, (comps,)),
                    c,
                    (x * x if dim == 1 else wp.outer(x, x)) * w,
                )
        return
    means, log_mix = (
        k.array("means|mu|centers", t, (comps,), R.uniform(-1.0, 1.0)),
        k.array("log_weights|log_pi|mix_logits", p.real, (comps,), R.uniform(-2.0, -0.5)),
    )
    precision = k.array(
        "precisions|inv_cov|Lambda",
        square,
        (comps,),
        R.spd(0.5, 3.0) if dim > 1 else R.uniform(0.5, 3.0),
    )
    log_det = k.array("log_dets|half_log_det|log_norm", p.real, (comps,), R.uniform(-1.0, 1.0))

    def density(b: Block, v: Expr, m: Expr, prec: Expr) -> Expr:
        d = b.let("d|dev|rel", v - m)
        return -0.5 * (d * d * prec if dim == 1 else wp.dot(d, prec * d))

    def score(c: Expr) -> Expr:
        q = piece(
            p,
            k,
            "log_gaussian|quadratic_form|mahalanobis_term",
            {"x|v": x, "m|mu": means[c], "prec|lam": precision[c]},
            density,
            "",
            0.7,
        )
        return log_mix[c] + log_det[c] + q

    size = means.dim(0) if p.chance(0.5) else comps
    resp = (
        k.out("responsibilities|resp|gamma", p.real, (*lead, comps))
        if kind == "responsibilities"
        else None
    )
    top = k.var("top|peak|best", -1.0e6, p.real)
    arg = k.var("arg|winner|label", 0, T.I32) if p.chance(0.4) else None
    with k.loop("c|j|comp", size) as c:
        s = k.let("s|lp|score", score(c))
        if resp is not None:
            k.set(resp[(*at, c)], s)
        if arg is None:
            k.set(top, wp.max(top, s))
        else:
            with k.when(s > top):
                k.set(top, s)
                k.set(arg, c)
    z = k.var("z|total|norm", 0.0, p.real)
    with k.loop("c|j|comp", size) as c:
        if resp is not None:
            ex = k.let("ex|e|weight", wp.exp(resp[(*at, c)] - top))
            k.set(resp[(*at, c)], ex)
            k.aug(z, "+", ex)
        else:
            k.aug(z, "+", wp.exp(score(c) - top))
    if resp is not None:
        with k.loop("c|j|comp", size) as c:
            k.set(resp[(*at, c)], resp[(*at, c)] / z)
    ll = k.let("ll|loglik|evidence", top + wp.log(z))
    if kind == "pdf" or p.chance(0.5):
        e.out("log_likelihood|densities|scores_out", p.real).store(ll)
    if p.chance(0.6):
        add_to(p, k, k.out("total_ll|objective|log_evidence", p.real, (1,)), 0, ll)
    if arg is not None:
        e.out("labels|assignments|hard_labels", T.I32).store(arg)


def _maximise(p: ProgramBuilder, k: KernelBuilder, dim: int, t: T.Type, square: T.Type) -> None:
    e = Entities(k, p.pick("component", "cluster"), index="c|j|tid", count=p.pick(12, 16, 24))
    mass = k.let(
        "n_k|mass_c|w", e.field("mass|counts|soft_counts", p.real, R.uniform(0.0, 8.0)).own
    )
    e.guard()
    with k.when(mass < k.param("min_mass|floor|eps", 0.1, 0.6)):
        if p.chance(0.5):
            add_to(p, k, k.out("num_dead|collapsed|empty", T.I32, (1,)), 0, N.literal(1, T.I32))
        k.ret()
    mean = k.let("mu|mean_c|m", e.field("first_moment|sums|m1", t, R.uniform(-2.0, 2.0)).own / mass)
    e.out("means|mu_out|centers", t).store(mean)
    second = (
        e.field(
            "second_moment|outer_sums|m2",
            square,
            R.uniform(2.0, 4.0) if dim == 1 else R.spd(4.0, 9.0),
        ).own
        / mass
    )
    reg = k.param("reg|ridge|min_var", 1e-3, 0.1)
    if dim == 1:
        var = k.let("var|s2|sigma2", wp.max(second - mean * mean, reg))
        e.out("variances|var_out|sigma_sq", p.real).store(var)
        if p.chance(0.5):
            e.out("log_norm|log_dets|normalizers", p.real).store(-0.5 * wp.log(6.2831853 * var))
    else:
        cov = k.let(
            "cov|sigma|S", second - wp.outer(mean, mean) + wp.diag(construct(p.vec(dim), reg))
        )
        e.out("covariances|sigma_out|cov_out", p.mat(dim)).store(cov)
        if p.chance(0.5):
            det = k.let("det|vol|d_c", wp.determinant(cov))
            e.out("log_dets|log_norm|half_log_det", p.real).store(
                -0.5 * wp.log(wp.max(wp.abs(det), 1.0e-6))
            )
        if p.chance(0.4):
            e.out("precisions|inv_cov|Lambda", p.mat(dim)).store(inverted(p, cov))
    total = k.param("num_samples|total_mass|n_total", 50.0, 200.0)
    e.out("weights|mix|pi_out", p.real).store(
        mass / total if p.chance(0.6) else choose(mass > 0.0, wp.log(mass / total), 0.0)
    )
