"""Recursive estimation with small matrices: Kalman filters, information form, alpha-beta trackers, gating."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._numerics import add_at, report
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Operand


def tracks(p: ProgramBuilder) -> None:
    """One filter per track."""
    p.weighted({_kalman: 4, _alpha_beta: 1.2, _scalar_filter: 1.3, _gate: 1})(p)


def _transition(p: ProgramBuilder, b: Block, t: T.Mat, dt: Expr) -> Expr:
    """State transition of a constant-velocity (or acceleration) model."""
    n = t.rows

    def body(inner: Block, h: Expr) -> Expr:
        f = inner.var("f|phi|a_mat", wp.diag(construct(T.Vec(n, t.scalar), *([1.0] * n))))
        if n == 3:
            inner.set(f[0, 1], h)
            inner.set(f[1, 2], h)
            inner.set(f[0, 2], 0.5 * h * h)
            return f
        half = n // 2
        if half > 1 and p.chance(0.5):
            with inner.loop("i|d|c", half) as i:
                inner.set(f[i, i + half], h)
        else:
            for i in range(half):
                inner.set(f[i, i + half], h)
        return f

    return piece(
        p,
        b,
        "transition_matrix|motion_model|constant_velocity|state_transition",
        {"dt|h": dt},
        body,
        p.pick("", "Constant-velocity model."),
    )


def _kalman(p: ProgramBuilder) -> None:
    n = p.weighted({2: 2, 4: 4, 6: 1.5, 3: 1})
    m = {2: 1, 3: 1, 4: 2, 6: 3}[n]
    stage = p.weighted({"both": 4, "predict": 1.5, "update": 2.5, "sequence": 2})
    names = {
        "both": "kalman_step|filter_step|track_step",
        "predict": "predict_tracks|kalman_predict|propagate_tracks",
        "update": "kalman_update|correct_tracks|measurement_update",
        "sequence": "filter_sequence|run_filter|smooth_tracks",
    }[stage]
    k = p.kernel_builder(
        names,
        p.pick(
            "Kalman filter, one track per thread.",
            "Predict and correct each track.",
            f"State estimate of dimension {n} per track.",
        ),
    )
    e = Entities(k, p.pick("track", "target", "object", "channel"))
    tx, tp = p.vec(n), p.mat(n)
    x_field = e.inout("states|x|track_state|means", tx, R.uniform(-1.0, 1.0))
    p_field = e.inout("covariances|p_mats|cov|track_cov", tp, R.spd(0.5, 2.0))
    e.guard()
    x, cov = k.var("x|state|xk", x_field.own), k.var("cov|pk|sigma", p_field.own)
    if stage == "sequence":
        _sequence(p, k, e, n, m, x, cov)
    else:
        if stage in ("both", "predict"):
            k.step(p.pick("predict", "time update", ""))
            _predict(p, k, e, x, cov)
        if stage in ("both", "update"):
            k.step(p.pick("correct", "measurement update", ""))
            _correct(p, k, e, n, m, x, cov)
    x_field.store(x)
    p_field.store(cov)
    if p.chance(0.3):
        e.out("uncertainty|trace_out|sigma_out", p.real).store(
            wp.sqrt(wp.trace(cov)) if p.chance(0.5) else wp.trace(cov)
        )


def _predict(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Name, cov: Name) -> None:
    t = cov.type
    assert isinstance(t, T.Mat)
    dt = e.world_param("dt|frame_time|delta_t", 0.02, 0.2)
    f = k.let("f|phi|trans", _transition(p, k, t, dt))
    k.set(x, f * x)
    if p.chance(0.25) and t.rows == 4:
        k.aug(x, "+", k.quantity("control|drift|bias_input", x.type, [0.0, -0.01, 0.0, -0.05]))
    noise = _process_noise(p, k, e, t, dt)
    k.set(cov, f * cov * wp.transpose(f) + noise)
    if p.chance(0.25):
        fade = k.param("fading|inflation|forgetting", 1.005, 1.1)
        k.aug(cov, "*", fade)


def _process_noise(p: ProgramBuilder, k: KernelBuilder, e: Entities, t: T.Mat, dt: Expr) -> Expr:
    n = t.rows
    form = p.pick("diag", "array", "scaled")
    if form == "array":
        return k.array("process_noise|q_mat|q", t, (1,), R.spd(0.01, 0.1))[0]
    q = e.property("process_noise|q|accel_var", 0.01, 0.5)
    if form == "diag":
        return wp.diag(construct(p.vec(n), q * dt))
    half = max(n // 2, 1)
    parts: list[Operand] = [q * dt * dt * dt / 3.0] * half + [q * dt] * (n - half)
    return wp.diag(construct(p.vec(n), *parts))


def _correct(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, m: int, x: Name, cov: Name
) -> None:
    z = e.field(
        "measurements|z|observations|detections",
        p.real if m == 1 else p.vec(m),
        R.uniform(-1.0, 1.0),
    )
    if p.chance(0.45):
        seen = e.field("has_measurement|observed|detected|is_visible", T.I32, R.mask(0.75))
        missed = p.chance(0.5)
        with k.when(seen.own != 0):
            _innovate(p, k, e, n, m, x, cov, z.own)
        if missed:
            with k.otherwise():
                age = e.inout("misses|age|lost_frames", T.I32, R.integers(0, 4))
                age.store(age.own + 1)
    else:
        _innovate(p, k, e, n, m, x, cov, z.own)


def _innovate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, m: int, x: Name, cov: Name, z: Expr
) -> None:
    r = e.property("meas_noise|r_var|sensor_var|measurement_var", 0.05, 0.5)
    if m == 1:
        _scalar_update(p, k, e, n, x, cov, z, r)
        return
    if p.chance(0.5):
        with k.loop("a|axis|c", m) as a:  # independent sensors, one component at a time
            _component_update(p, k, x, cov, z[a], a, r, n)
        return
    hm = k.var("h|h_mat|obs", construct(p.mat(m, n), 0.0))
    with k.loop("i|d|c", m) as i:
        k.set(hm[i, i], 1.0)
    y = k.let("y|innovation|nu", z - hm * x)
    s = k.let("s|innov_cov|s_mat", hm * cov * wp.transpose(hm) + wp.diag(construct(p.vec(m), r)))
    s_inv = k.let("s_inv|inv_s|precision", wp.inverse(s))
    if p.chance(0.5):
        distance = k.let("d2|mahalanobis|gate_dist", wp.dot(y, s_inv * y))
        if p.chance(0.5):
            e.out("nis|innovation_norm|consistency", p.real).store(distance)
        with k.when(distance < k.param("gate|gate_threshold|chi2_gate", 3.0, 15.0)):
            _gain(p, k, n, m, x, cov, hm, s_inv, y, r)
        return
    _gain(p, k, n, m, x, cov, hm, s_inv, y, r)


def _gain(
    p: ProgramBuilder,
    k: KernelBuilder,
    n: int,
    m: int,
    x: Name,
    cov: Name,
    hm: Expr,
    s_inv: Expr,
    y: Expr,
    r: Expr,
) -> None:
    gain = k.let("gain|kk|k_gain", cov * wp.transpose(hm) * s_inv)
    k.set(x, x + gain * y)
    left = k.let("ikh|left|i_kh", wp.diag(construct(p.vec(n), *([1.0] * n))) - gain * hm)
    if p.chance(0.4):  # Joseph form
        k.set(cov, left * cov * wp.transpose(left) + gain * wp.transpose(gain) * r)
    else:
        k.set(cov, left * cov)
        if p.chance(0.4):
            k.set(cov, (cov + wp.transpose(cov)) * 0.5)


def _component_update(
    p: ProgramBuilder, k: KernelBuilder, x: Name, cov: Name, z: Expr, a: Operand, r: Expr, n: int
) -> None:
    """Sequential scalar update with component `a` of the state observed."""
    if p.on("helper_function"):

        def write(b: Block, xv: Expr, pv: Expr, zv: Expr, rv: Expr, c: Expr) -> None:
            s = b.let("s|innov_var|denom", pv[c, c] + rv)
            column = b.let("col|pa|ph", pv[c])
            b.ret(xv + column * ((zv - xv[c]) / s), pv - wp.outer(column, column) / s)

        existing = p.__dict__.setdefault("component_update", {})
        if n not in existing:
            params = {
                "x|state": x.type,
                "cov|p|sigma": cov.type,
                "z|meas": p.real,
                "r|var_r": p.real,
                "c|axis|a": T.I32,
            }
            hint = "update_component|scalar_update|assimilate|sequential_update"
            existing[n] = p.func(
                hint, params, write, p.pick("", "Update with one component of the state observed.")
            )
        zv = z if isinstance(z, Name) else k.let("zk|meas|z_c", z)
        fresh = k.unpack(["x_new|xu|x_post", "cov_new|pu|p_post"], existing[n](x, cov, zv, r, a))
        k.set(x, fresh[0])
        k.set(cov, fresh[1])
        return
    s = k.let("s|innov_var|denom", cov[a, a] + r)
    column = k.let("col|pa|ph", cov[a])
    y = k.let("y|innovation|nu", z - x[a])
    k.set(x, x + column * (y / s))
    k.set(cov, cov - wp.outer(column, column) / s)


def _scalar_update(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, x: Name, cov: Name, z: Expr, r: Expr
) -> None:
    if p.chance(0.4):
        _component_update(p, k, x, cov, z, 0, r, n)
        return
    h = k.let("h|obs_row|c_vec", construct(p.vec(n), 1.0, *([0.0] * (n - 1))))
    y = k.let("y|innovation|nu", z - wp.dot(h, x))
    ph = k.let("ph|pht|cov_h", cov * h)
    s = k.let("s|innov_var|denom", wp.dot(h, ph) + r)
    if p.chance(0.5):
        limit = k.param("gate|max_sigma|gate_sigma", 2.0, 5.0)
        with k.when(wp.abs(y) <= limit * wp.sqrt(s)):
            k.set(x, x + ph * (y / s))
            k.set(cov, cov - wp.outer(ph, ph) / s)
        if p.chance(0.5):
            with k.otherwise():
                add_at(k, k.out("num_gated|rejected|outliers", T.I32, (1,)), 0, 1)
        return
    gain = k.let("gain|kk|k_gain", ph / s)
    k.set(x, x + gain * y)
    k.set(cov, cov - wp.outer(gain, ph))


def _sequence(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, m: int, x: Name, cov: Name
) -> None:
    """All frames of a track in one thread."""
    frames = p.pick(6, 8, 12, 16)
    worlds, world = ((), ()) if e.worlds is None else ((e.worlds,), (e.world,))
    z = k.array(
        "measurements|z|observations",
        p.real if m == 1 else p.vec(m),
        (*worlds, e.n, frames),
        R.uniform(-1.0, 1.0),
    )
    seen = (
        k.array("visible|valid|has_meas", T.I32, (*worlds, e.n, frames), R.mask(0.8))
        if p.chance(0.5)
        else None
    )
    t = cov.type
    assert isinstance(t, T.Mat)
    dt = e.world_param("dt|frame_time|delta_t", 0.02, 0.2)
    r, q = (
        k.param("meas_var|r_var|sensor_noise", 0.05, 0.5),
        k.param("process_var|q|accel_noise", 0.005, 0.1),
    )
    f = k.let("f|phi|trans", _transition(p, k, t, dt))
    path = (
        k.out("filtered|trajectory|estimates", x.type, (*worlds, e.n, frames))
        if p.chance(0.6)
        else None
    )
    likelihood = k.var("ll|log_lik|score", 0.0, p.real) if p.chance(0.4) else None
    with k.loop(
        "t|frame|step",
        z.dim(len(worlds) + 1) if p.chance(0.5) else k.count("num_frames|n_steps", frames),
    ) as now:
        at = (*world, e.index, now)
        k.set(x, f * x)
        k.set(cov, f * cov * wp.transpose(f) + wp.diag(construct(p.vec(n), q)))
        if seen is not None:
            with k.when(seen[at] == 0):
                if path is not None:
                    k.set(path[at], x)
                k.cont()
        for a in range(m):
            zz = z[at] if m == 1 else z[at][a]
            if likelihood is not None and a == 0:
                v = k.let("v|pred_var|s0", cov[0, 0] + r)
                d = k.let("d|miss|err", zz - x[0])
                k.aug(likelihood, "-", 0.5 * (d * d / v + wp.log(v)))
            _component_update(p, k, x, cov, zz, a, r, n)
        if path is not None:
            k.set(path[at], x)
    if likelihood is not None:
        e.out("log_likelihood|track_score|evidence", p.real).store(likelihood)


def _alpha_beta(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "alpha_beta_step|alpha_beta_filter|update_trackers|g_h_filter",
        p.pick("", "Fixed-gain tracking.", "Alpha-beta filter per target."),
    )
    e = Entities(k, p.pick("track", "target", "sensor"))
    t: T.Type = p.weighted({p.real: 2, p.vec(2): 2, p.vec(3): 2})
    x, v = (
        e.inout("positions|x|pos", t, R.uniform(-1.0, 1.0)),
        e.inout("velocities|v|rates", t, R.uniform(-0.5, 0.5)),
    )
    z = e.field("measurements|z|detections", t, R.uniform(-1.0, 1.0))
    ahead = p.chance(0.3)
    third = e.inout("accelerations|acc|a_est", t, R.uniform(-0.2, 0.2)) if p.chance(0.3) else None
    e.guard()
    dt = e.world_param("dt|frame_time", 0.02, 0.2)
    alpha, beta = k.param("alpha|gain_x", 0.3, 0.9), k.param("beta|gain_v", 0.01, 0.3)
    guess = k.let(
        "x_pred|xp|predicted",
        x.own + v.own * dt if third is None else x.own + v.own * dt + third.own * (0.5 * dt * dt),
    )
    r = k.let("r|residual|innov", z.own - guess)
    if p.chance(0.4):
        size = wp.abs(r) if t == p.real else wp.length(r)
        with k.when(size > k.param("gate|max_jump|outlier_gate", 0.5, 1.5)):
            x.store(guess)
            k.ret()
    x.store(guess + r * alpha)
    v.store(v.own + r * (beta / dt) if third is None else v.own + third.own * dt + r * (beta / dt))
    if third is not None:
        gamma = k.param("gamma|gain_a", 0.001, 0.05)
        third.store(third.own + r * (2.0 * gamma / (dt * dt)))
    if ahead:
        e.out("forecast|lookahead|predicted_pos", t).store(
            x.own + v.own * k.param("horizon|lead_time|latency", 0.1, 1.0)
        )
    report(p, e, wp.abs(r) if t == p.real else wp.length(r), "residual")


def _scalar_filter(p: ProgramBuilder) -> None:
    """Scalar Kalman filters, several sensors fused by inverse variance, or recursive least squares."""
    form = p.pick("scalar", "fusion", "rls", "scalar")
    k = p.kernel_builder(
        "kalman_1d|fuse_sensors|rls_update|estimate_scalar|recursive_update",
        p.pick("", "Recursive estimate per channel.", "Inverse-variance update."),
    )
    e = Entities(k, p.pick("channel", "pixel", "sensor", "cell"))
    if form == "rls":
        n = p.pick(2, 3)
        theta, pm = (
            e.inout("theta|coeffs|params", p.vec(n), R.uniform(-1.0, 1.0)),
            e.inout("p_mats|inv_corr|cov", p.mat(n), R.spd(0.5, 2.0)),
        )
        phi, y = (
            e.field("regressors|phi|features", p.vec(n), R.uniform(-1.0, 1.0)),
            e.field("targets|y|outputs", p.real, R.uniform(-1.0, 1.0)),
        )
        e.guard()
        lam = k.param("forgetting|lam|memory", 0.9, 0.999)
        u = k.let("u|p_phi|pu", pm.own * phi.own)
        gain = k.let("gain|kk|k_gain", u / (lam + wp.dot(phi.own, u)))
        err = k.let("err|residual|innov", y.own - wp.dot(phi.own, theta.own))
        theta.store(theta.own + gain * err)
        pm.store((pm.own - wp.outer(gain, u)) / lam)
        report(p, e, wp.abs(err), "error")
        return
    x, var = (
        e.inout("estimates|x|means", p.real, R.uniform(-1.0, 1.0)),
        e.inout("variances|var|p", p.real, R.uniform(0.2, 2.0)),
    )
    e.guard()
    if form == "fusion":
        m = p.pick(3, 4, 6)
        worlds, world = ((), ()) if e.worlds is None else ((e.worlds,), (e.world,))
        z = k.array("readings|z|sensor_values", p.real, (*worlds, e.n, m), R.uniform(-1.0, 1.0))
        r = k.array("sensor_var|noise_var|r", p.real, (m,), R.uniform(0.1, 1.0))
        info, total = (
            k.var("info|precision|w", 1.0 / var.own),
            k.var("total|info_x|acc", x.own / var.own),
        )
        with k.loop("s|c|j", r.dim(0) if p.chance(0.6) else k.count("num_sensors|n_s", m)) as s:
            if p.chance(0.4):
                with k.when(any_of(wp.isnan(z[(*world, e.index, s)]), r[s] <= 0.0)):
                    k.cont()
            k.aug(info, "+", 1.0 / r[s])
            k.aug(total, "+", z[(*world, e.index, s)] / r[s])
        report(p, e, wp.abs(total / info - x.own), "shift", 0, 1)
        x.store(total / info)
        var.store(1.0 / info)
        return
    q, r_var = (
        e.property("process_var|q|drift_var", 0.001, 0.05),
        e.property("meas_var|r|noise_var", 0.05, 1.0),
    )
    z1 = e.field("measurements|z|samples", p.real, R.uniform(-1.0, 1.0))
    prior = k.let("p_prior|pv|predicted_var", var.own + q)
    gain = k.let("gain|kk|k_gain", prior / (prior + r_var))
    nu = k.let("nu|innov|y", z1.own - x.own)
    _store_scalar(p, k, x, var, prior, gain, nu, r_var)


def _store_scalar(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Field,
    var: Field,
    prior: Expr,
    gain: Expr,
    nu: Expr,
    r: Expr,
) -> None:
    if p.chance(0.4):
        limit = k.param("gate|max_sigma", 2.0, 4.0)
        usable = wp.abs(nu) < limit * wp.sqrt(prior + r)
        x.store(choose(usable, x.own + gain * nu, x.own))
        var.store(choose(usable, (1.0 - gain) * prior, prior))
    else:
        x.store(x.own + gain * nu)
        var.store((1.0 - gain) * prior)
    report(p, x.owner, wp.abs(nu), "innovation")


def _gate(p: ProgramBuilder) -> None:
    """Association of detections with tracks by Mahalanobis distance."""
    k = p.kernel_builder(
        "associate|gate_detections|match_tracks|nearest_detection|assign_detections",
        p.pick("", "Closest detection inside the gate of each track.", "Data association."),
    )
    e = Entities(k, p.pick("track", "target"), count=p.pick(32, 48, 64))
    m = p.pick(24, 32, 40)
    t = p.vec(p.pick(2, 3))
    x = e.field("predicted|track_pos|x", t, R.uniform(-1.0, 1.0))
    prec = e.field("precisions|inv_s|s_inv", p.mat(t.n), R.spd(1.0, 6.0))
    det = k.array("detections|z|observations", t, (m,), R.uniform(-1.0, 1.0))
    cls = (
        (
            e.field("track_class|labels", T.I32, R.integers(0, 3)),
            k.array("det_class|det_labels", T.I32, (m,), R.integers(0, 3)),
        )
        if p.chance(0.4)
        else None
    )
    e.guard()
    best, arg = (
        k.var("best|best_d2|lowest", k.param("gate|gate_threshold|max_d2", 1.0, 9.0)),
        k.var("match|arg|best_j", -1),
    )
    inside = k.var("num_inside|in_gate|hits", 0) if p.chance(0.4) else None
    xi, si = x.read("xi|pos|mean"), prec.read("si|w|info")
    with k.loop(
        "j|d|det", det.dim(0) if p.chance(0.6) else k.count("num_detections|n_det", m)
    ) as j:
        if cls is not None:
            with k.when(cls[1][j] != cls[0].own):
                k.cont()
        d = k.let("d|nu|diff", det[j] - xi)
        d2 = k.let("d2|maha|dist", wp.dot(d, si * d))
        with k.when(d2 < best):
            k.set(best, d2)
            k.set(arg, j)
            if inside is not None:
                k.aug(inside, "+", 1)
    e.out("matches|assignment|matched_det", T.I32).store(arg)
    if p.chance(0.5):
        with k.when(arg >= 0):
            add_at(k, k.out("det_votes|claims|det_count", T.I32, (m,)), arg, 1)
            if p.chance(0.5):
                e.out("match_cost|distances|gate_values", p.real).store(best)
    if inside is not None:
        e.out("gate_updates|improvements|num_closer", T.I32).store(inside)
