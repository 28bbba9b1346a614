"""Kalman filters: an intent of parameter_fitting."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def kalman(p: ProgramBuilder) -> None:
    """Linear and extended Kalman filters per track: prediction, update, gating, smoothing, scalar variants."""
    kind = p.weighted(
        {"predict": 3, "update": 4, "cycle": 3, "scalar": 2, "alpha_beta": 1.5, "ekf": 2.5}
    )
    names = {
        "predict": "kalman_predict|predict_tracks|propagate_covariance",
        "update": "kalman_update|correct_tracks|measurement_update",
        "cycle": "filter_step|kalman_step|track_step",
        "scalar": "scalar_kalman|filter_signal|smooth_signals",
        "alpha_beta": "alpha_beta_filter|g_h_filter|track_positions",
        "ekf": "ekf_update|range_bearing_update|extended_update",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "One track per thread.",
            "Constant-velocity model.",
            "State estimation of independent tracks.",
            "Small filters, all in registers.",
        ),
    )
    if kind in ("scalar", "alpha_beta"):
        (_scalar if kind == "scalar" else _alpha_beta)(p, k)
        return
    e = Entities(k, p.pick("track", "target", "object"), index="i|t|tid")
    e.guard()
    n = 4 if kind == "ekf" else p.pick(2, 4, 4)
    x = e.inout(
        "states|x|means", p.vec(n), R.uniform(0.5, 2.0) if kind == "ekf" else R.uniform(-1.0, 1.0)
    )
    c = e.inout("covariances|P|cov", p.mat(n), R.spd(0.2, 1.5))
    mean, cov = k.var("m|mean|xi", x.own), k.var("P_i|cov_i|S_x", c.own)
    if kind in ("predict", "cycle"):
        _predict(p, k, e, mean, cov, n)
    if kind in ("update", "cycle", "ekf"):
        _update(p, k, e, mean, cov, n, kind == "ekf")
    x.store(mean)
    c.store(cov)


def _transition(p: ProgramBuilder, n: int, dt: Expr) -> Expr:
    half = n // 2
    entries: list[Any] = [
        1.0 if r == q else dt if q == r + half else 0.0 for r in range(n) for q in range(n)
    ]
    return construct(p.mat(n), *entries)


def _predict(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mean: Expr, cov: Expr, n: int
) -> None:
    k.step(p.pick("predict", "time update", ""))
    dt = e.world_param("dt|h|frame_time", 0.02, 0.2)
    q = k.param("process_noise|q|sigma_a", 1e-3, 0.1)
    vec, mat, half = p.vec(n), p.mat(n), n // 2

    def transition(b: Block, h: Expr) -> Expr:
        return _transition(p, n, h)

    f = k.let(
        "F|phi|trans",
        piece(
            p,
            k,
            "transition_matrix|motion_model|constant_velocity",
            {"dt|h": dt},
            transition,
            "",
            0.6,
        ),
    )
    k.set(mean, f * mean)
    if p.chance(0.35):
        u = e.field(
            "controls|accelerations|inputs",
            p.vec(half) if half > 1 else p.real,
            R.uniform(-1.0, 1.0),
        ).own
        if half > 1:
            for d in range(half):
                k.set(mean[d + half], mean[d + half] + u[d] * dt)
        else:
            k.set(mean[1], mean[1] + u * dt)
    form = p.pick("diag", "white", "given")
    if form == "diag":
        noise = wp.diag(construct(vec, q))
    elif form == "given":
        noise = k.quantity(
            "Q|process_cov|q_matrix",
            mat,
            [[0.05 if r == c else 0.0 for c in range(n)] for r in range(n)],
        )
    else:
        d3, d2, d1 = (
            k.let("q3|qa", q * dt * dt * dt / 3.0),
            k.let("q2|qb", q * dt * dt * 0.5),
            k.let("q1|qc", q * dt),
        )
        entries: list[Any] = []
        for r in range(n):
            for c in range(n):
                same, cross = r == c, abs(r - c) == half
                entries.append((d3 if r < half else d1) if same else d2 if cross else 0.0)
        noise = k.let("Qm|q_mat|noise", construct(mat, *entries))
    k.set(cov, f * cov * wp.transpose(f) + noise)
    if p.chance(0.3):
        k.set(cov, cov * k.param("fading|forget|inflation", 1.0, 1.1))


def _update(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mean: Expr, cov: Expr, n: int, extended: bool
) -> None:
    k.step(p.pick("update", "correct", ""))
    m = 2 if extended else n // 2
    vec, zt = p.vec(n), p.vec(m) if m > 1 else p.real
    if p.chance(0.4):
        seen = e.field("has_measurement|detected|visible", T.I32, R.mask(0.8)).own
        with k.when(seen == 0):
            if p.chance(0.5):
                age = e.inout("missed|age|lost_frames", T.I32, R.integers(0, 3))
                age.store(age.own + 1)
            k.ret()
    z = e.field(
        "measurements|z|detections", zt, R.uniform(0.5, 2.0) if extended else R.uniform(-1.0, 1.0)
    ).own
    noise = k.param("measurement_noise|r|sigma_z", 0.05, 0.5)
    if m == 1:
        _scalar_update(p, k, e, mean, cov, n, z, noise)
        return
    if extended:
        px, py = k.let("px|rx", mean[0]), k.let("py|ry", mean[1])
        rho = k.let("rho|dist|range_", wp.max(wp.sqrt(px * px + py * py), 0.05))
        innovation = k.let("y|innov|nu", construct(p.vec(2), z.x - rho, z.y - wp.atan2(py, px)))
        if p.chance(0.5):
            k.comment("wrap the bearing")
            turn = k.let("turn|wraps|rev", wp.floor((innovation.y + 3.14159265) / 6.2831853))
            innovation = k.let(
                "y_w|innov_w|nu_w",
                construct(p.vec(2), innovation.x, innovation.y - 6.2831853 * turn),
            )
        h = k.let(
            "H|jac|Hz",
            construct(
                p.mat(2, 4),
                px / rho,
                py / rho,
                0.0,
                0.0,
                -py / (rho * rho),
                px / (rho * rho),
                0.0,
                0.0,
            ),
        )
    else:
        h = k.let(
            "H|obs|Hz",
            construct(p.mat(m, n), *(1.0 if r == c else 0.0 for r in range(m) for c in range(n))),
        )
        innovation = k.let("y|innov|nu", z - h * mean)
    ht = wp.transpose(h)
    s = k.let("S|innov_cov|sz", h * cov * ht + wp.diag(construct(p.vec(m), noise)))
    s_inv = k.let("S_inv|si|inv_s", inverted(p, s))
    if p.chance(0.5):
        gate = k.param("gate|chi2_gate|max_mahal", 3.0, 12.0)
        d2 = k.let("d2|mahal|nis", wp.dot(innovation, s_inv * innovation))
        if p.chance(0.5):
            e.out("mahalanobis|nis_out|gate_values", p.real).store(d2)
        with k.when(d2 > gate):
            add_to(p, k, k.out("num_gated|rejected|outliers", T.I32, (1,)), 0, unit_count())
            k.ret()
    gain = k.let("K|gain|kg", cov * ht * s_inv)
    k.aug(mean, "+", gain * innovation)
    eye = wp.diag(construct(vec, 1.0))
    if p.chance(0.4):
        a = k.let("A|ikh|left", eye - gain * h)
        k.set(cov, a * cov * wp.transpose(a) + gain * wp.transpose(gain) * noise)
    else:
        k.set(cov, (eye - gain * h) * cov)
    if p.chance(0.4):
        k.set(cov, (cov + wp.transpose(cov)) * 0.5)
    if p.chance(0.3):
        e.out("log_likelihood|scores|loglik", p.real).store(
            -0.5
            * (wp.dot(innovation, s_inv * innovation) + wp.log(wp.max(wp.determinant(s), 1.0e-8)))
        )


def unit_count() -> Expr:
    return literal(1, T.I32)


def _scalar_update(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    mean: Expr,
    cov: Expr,
    n: int,
    z: Expr,
    noise: Expr,
) -> None:
    y = k.let("y|innov|nu", z - mean[0])
    s = k.let("S|innov_var|sz", cov[0, 0] + noise)
    if p.chance(0.4):
        with k.when(y * y > k.param("gate|chi2_gate|max_mahal", 3.0, 12.0) * s):
            k.ret()
    gain = k.let("K|gain|kg", construct(p.vec(n), *(cov[r, 0] / s for r in range(n))))
    row = k.let("h_row|prow|p0", cov[0])
    k.aug(mean, "+", gain * y)
    k.set(cov, cov - wp.outer(gain, row))
    if p.chance(0.5):
        e.out("innovations|nu_out|residuals", p.real).store(y / wp.sqrt(s) if p.chance(0.5) else y)


def _scalar(p: ProgramBuilder, k: KernelBuilder) -> None:
    steps = p.pick(12, 16, 24)
    e = Entities(k, p.pick("signal", "sensor", "channel"), index="i|s|tid", layouts=p.chance(0.5))
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    at = (e.index,) if e.world is None else (e.world, e.index)
    z = k.array("measurements|samples|signal", p.real, (*lead, steps), R.uniform(-1.0, 1.0))
    out = k.out("filtered|estimates|smooth", p.real, (*lead, steps))
    e.guard()
    q, r = (
        e.property("process_noise|q|q_var", 1e-3, 0.1),
        e.property("measurement_noise|r|r_var", 0.05, 1.0),
    )
    x, c = (
        k.var("x|est|mu", z[(*at, 0)]),
        k.var("P|var|cov", k.param("initial_var|p0|prior_var", 0.5, 2.0)),
    )
    drift = k.var("v|rate|trend", 0.0, p.real) if p.chance(0.3) else None
    gate = k.param("gate|max_sigma|outlier", 2.0, 5.0) if p.chance(0.35) else None
    with k.loop(
        "t|n|step",
        z.dim(len(lead)) if p.chance(0.6) else k.scalar("num_steps|length|n_samples", T.I32, steps),
    ) as t:
        k.aug(c, "+", q)
        if drift is not None:
            k.aug(x, "+", drift)
        y = k.let("y|innov|nu", z[(*at, t)] - x)
        if gate is not None:
            with k.when(wp.abs(y) > gate * wp.sqrt(c + r)):
                k.set(out[(*at, t)], x)
                k.cont()
        g = k.let("K|gain|kg", c / (c + r))
        k.aug(x, "+", g * y)
        if drift is not None:
            k.aug(drift, "+", 0.1 * g * y)
        k.set(c, (1.0 - g) * c)
        k.set(out[(*at, t)], x)
    if p.chance(0.5):
        e.out("final_var|uncertainty|var_out", p.real).store(c)


def _alpha_beta(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("track", "marker", "joint"), index="i|t|tid")
    dim = p.pick(1, 2, 3)
    t: T.Type = p.real if dim == 1 else p.vec(dim)
    e.guard()
    x, v = (
        e.inout("positions|x|estimates", t, R.uniform(-1.0, 1.0)),
        e.inout("velocities|v|rates", t, R.uniform(-0.5, 0.5)),
    )
    z = e.field("measurements|z|observed", t, R.uniform(-1.0, 1.0)).own
    dt = e.world_param("dt|h|frame_time", 0.02, 0.2)
    a, b = k.param("alpha|g_gain", 0.2, 0.9), k.param("beta|h_gain", 0.02, 0.4)
    predicted = k.let("xp|pred|x_pred", x.own + v.own * dt)
    r = k.var("r|res|innov", z - predicted)
    if p.chance(0.4):
        limit = k.param("max_residual|gate|slew", 0.3, 1.5)
        size = wp.abs(r) if dim == 1 else wp.length(r)
        with k.when(size > limit):
            k.set(r, r * (limit / size))
    acc = e.inout("accelerations|a|jerk_state", t, R.uniform(-0.2, 0.2)) if p.chance(0.3) else None
    vi = v.own if acc is None else v.own + acc.own * dt
    x.store(predicted + r * a)
    v.store(vi + r * (b / dt))
    if acc is not None:
        acc.store(acc.own + r * (k.param("gamma|a_gain", 1e-3, 0.05) / (dt * dt)))
    if p.chance(0.4):
        add_to(
            p,
            k,
            k.out("residual_energy|sse|fit_error", p.real, (1,)),
            0,
            r * r if dim == 1 else wp.dot(r, r),
        )
