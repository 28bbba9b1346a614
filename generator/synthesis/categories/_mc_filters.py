"""Rejection sampling and particle filters, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng, tally
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def rejection(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "rejection_sample|draw_samples|sample_distribution|truncated_samples|fill_samples",
        p.pick(
            "Draw from a density by rejection, with a bounded number of tries.",
            "Rejection sampling.",
            "",
        ),
    )
    e = Entities(k, "sample")
    if p.chance(0.4):
        e.guard()
    rng = entity_rng(e)
    form = p.pick("truncated_normal", "gamma", "von_mises", "beta", "disk", "wigner")
    tries = k.count("max_tries|max_attempts|limit", p.pick(16, 32, 64))
    attempt = k.var("attempt|tries|n", 0)
    plane = form == "disk"
    x = k.var("x|value|draw", construct(T.VEC2, 0.0) if plane else 0.0)
    found = k.var("done|accepted|found", 0) if p.chance(0.6) else None
    condition = attempt < tries
    with k.repeat(condition if found is None else all_of(found == 0, condition)):
        k.aug(attempt, "+", 1)
        candidate, accept = _candidate(p, k, rng, form)
        with k.when(accept):
            k.set(x, candidate)
            k.set(found, 1) if found is not None else k.brk()
    if p.chance(0.35):
        scale = e.world_param("scale|spread|sigma", 0.5, 2.0)
        k.set(
            x,
            x * scale
            if p.chance(0.5)
            else x * scale + k.quantity("shift|location|mu", x.type, [0.5, -0.5] if plane else 0.5),
        )
    e.out("samples|draws|values", T.VEC2 if plane else T.F32).store(x)
    if p.chance(0.3) and not plane:
        tally(e, x, -4.0, 6.0)
    if p.chance(0.5):
        e.out("attempts|num_tries|cost", T.I32).store(attempt)
    if found is not None and p.chance(0.6):
        with k.when(found == 0):
            Table(e, "failures|rejected_count|missed", T.I32, (1,), role="out").add(1, 0)
    rng.close()


def _candidate(p: ProgramBuilder, k: KernelBuilder, rng: Rng, form: str) -> tuple[Expr, Expr]:
    if form == "truncated_normal":
        low, high = k.param("lower|lo|a", 0.1, 0.6), k.param("upper|hi|b", 1.2, 3.0)
        z = k.let("z|trial|c", rng.normal())
        return z, all_of(z > low, z < high) if p.chance(0.6) else (z - low) * (high - z) > 0.0
    if form == "gamma":
        shape = k.param("shape|alpha|k_shape", 1.0, 6.0)
        d = k.let("d|dd", shape - 1.0 / 3.0)
        z = k.let("z|normal", rng.normal())
        v = k.let("v|cube", wp.pow(wp.max(1.0 + z / wp.sqrt(9.0 * d), 0.0), 3.0))
        u = k.let("u|xi", rng.uniform(0.0001, 1.0))
        return d * v, all_of(
            v > 0.0, wp.log(u) < 0.5 * z * z + d - d * v + d * wp.log(wp.max(v, 1.0e-6))
        )
    if form == "von_mises":
        kappa = k.param("kappa|concentration", 0.5, 4.0)
        angle = k.let("angle|theta|phi", rng.uniform(-3.14159265, 3.14159265))
        return angle, rng.uniform() < wp.exp(kappa * (wp.cos(angle) - 1.0))
    if form == "beta":
        a, b = k.param("alpha|a_shape", 1.5, 4.0), k.param("beta|b_shape", 1.5, 4.0)
        u = k.let("u|t", rng.uniform(0.001, 0.999))
        mode = k.let("mode|peak_at", (a - 1.0) / (a + b - 2.0))
        ratio = k.let(
            "ratio|accept", wp.pow(u / mode, a - 1.0) * wp.pow((1.0 - u) / (1.0 - mode), b - 1.0)
        )
        return u, rng.uniform() < ratio
    if form == "wigner":
        radius = k.param("radius|edge|r_max", 0.5, 3.0)
        u = k.let("u|trial", rng.uniform(-1.0, 1.0))
        return u * radius, rng.uniform() < wp.sqrt(1.0 - u * u)
    u, v = k.let("u|px", rng.uniform(-1.0, 1.0)), k.let("v|py", rng.uniform(-1.0, 1.0))
    inner = k.param("inner_radius|hole", 0.1, 0.5)
    r2 = k.let("r2|rr", u * u + v * v)
    return construct(T.VEC2, u, v), all_of(r2 <= 1.0, r2 >= inner * inner)


def particle_filter(p: ProgramBuilder) -> None:
    p.pick(_predict_and_weigh, _resample)(p)


def _predict_and_weigh(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "predict_particles|propagate_and_weight|particle_filter_predict|filter_step",
        p.pick(
            "Propagate the particles of a filter and weigh them by the measurement.",
            "Prediction step of a particle filter.",
            "",
        ),
    )
    e = Entities(k, "particle")
    pose = e.inout("poses|states|particles", T.VEC3, R.uniform(-2.0, 2.0))
    e.guard()
    rng = entity_rng(e)
    speed, turn = k.param("speed|odom_v|v", 0.2, 2.0), k.param("turn_rate|odom_w|omega", 0.05, 1.0)
    sigma, sigma_turn = k.param("sigma_v|noise_v", 0.01, 0.2), k.param("sigma_w|noise_w", 0.01, 0.1)
    dt = k.param("dt|period", 0.02, 0.2)
    x = k.let("x|state|pose", pose.own)
    v = k.let("v|speed_i|vn", speed + sigma * rng.normal())
    w = k.let("w|rate_i|wn", turn + sigma_turn * rng.normal())
    heading = k.let("heading|theta|yaw", x.z + w * dt)
    angle = x.z if p.chance(0.5) else x.z + 0.5 * w * dt
    moved = k.let(
        "x_new|moved|predicted",
        construct(T.VEC3, x.x + v * dt * wp.cos(angle), x.y + v * dt * wp.sin(angle), heading),
    )
    pose.store(moved)
    if p.chance(0.7):
        k.step(p.pick("weigh by the range measurements", "measurement likelihood", ""))
        e.out("weights|likelihoods|log_weights", T.F32).store(_likelihood(p, k, moved))
    rng.close()


def _likelihood(p: ProgramBuilder, k: KernelBuilder, pose: Expr) -> Expr:
    count = p.pick(3, 4, 6, 8)
    marks = k.array("landmarks|beacons|anchors", T.VEC2, (count,), R.uniform(-3.0, 3.0))
    ranges = k.array("ranges|measured|z_range", T.F32, (count,), R.uniform(0.5, 4.0))
    sigma = k.param("sigma_range|range_std|meas_std", 0.2, 1.0)
    log_w = k.var("log_w|score|log_likelihood", 0.0)
    with k.loop(
        "m|b|j", marks.dim(0) if p.chance(0.6) else k.count("num_landmarks|num_beacons", count)
    ) as m:
        if p.chance(0.35):
            with k.when(ranges[m] > k.param("max_range|range_limit", 2.5, 4.0)):
                k.cont()
        d = k.let("d|delta|diff", marks[m] - construct(T.VEC2, pose.x, pose.y))
        r = k.let("residual|err|innovation", wp.length(d) - ranges[m])
        if p.chance(0.3):
            k.aug(log_w, "-", wp.log(1.0 + r * r / (sigma * sigma)))
        else:
            k.aug(log_w, "-", 0.5 * r * r / (sigma * sigma))
    return wp.exp(log_w) if p.chance(0.6) else log_w


def _resample(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "systematic_resample|resample_particles|select_ancestors|resample",
        p.pick(
            "Systematic resampling: each thread finds its ancestor in the cumulative weights.",
            "Resampling step of a particle filter.",
            "",
        ),
    )
    e = Entities(k, "particle")
    t = p.pick(T.VEC3, T.VEC2, T.VEC4)
    old, new = (
        e.field("particles|states|poses", t, R.uniform(-2.0, 2.0)),
        e.out("resampled|new_states|particles_out", t),
    )
    rng = entity_rng(e)
    cdf = Table(e, "cumulative|weight_cdf|cdf", T.F32, (e.n,), R.ascending(0.0, 1.0))
    position = (
        rng.uniform()
        if p.chance(0.4)
        else (cast(T.F32, e.index) + rng.uniform()) / cast(T.F32, e.count())
    )
    u = k.let("u|target|position", position)
    if p.chance(0.6):
        lo, hi = k.var("lo|left|first", 0), k.var("hi|right|last", e.count() - 1)
        with k.repeat(lo < hi):
            mid = k.let("mid|m", (lo + hi) // 2)
            with k.when(cdf[mid] < u):
                k.set(lo, mid + 1)
            with k.otherwise():
                k.set(hi, mid)
        ancestor: Expr = lo
    else:
        at = k.var("ancestor|parent|j", 0)
        with k.repeat(all_of(at < e.count() - 1, cdf[at] < u)):
            k.aug(at, "+", 1)
        ancestor = at
    source = old[ancestor]
    if p.chance(0.5):
        jitter = k.param("jitter|roughening|kernel_std", 0.01, 0.1)
        source = source + construct(t, *[rng.normal() for _ in range(T.length_of(t))]) * jitter
    new.store(source)
    if p.chance(0.3):
        e.out("weights_out|new_weights", T.F32).store(1.0 / cast(T.F32, e.count()))
    if p.chance(0.5):
        e.out("ancestors|parents|selected", T.I32).store(ancestor)
    rng.close()
