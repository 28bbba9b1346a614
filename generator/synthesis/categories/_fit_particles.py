"""Particle filters and recursive estimation: intents of parameter_fitting."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def particle_filter(p: ProgramBuilder) -> None:
    """Particle filters: propagation, likelihoods, normalisation, systematic resampling, estimates."""
    p.real = T.F32
    kind = p.weighted({"propagate": 3, "weigh": 3, "resample": 2.5, "estimate": 2})
    names = {
        "propagate": "propagate_particles|motion_update|sample_motion",
        "weigh": "weigh_particles|measurement_likelihood|update_weights",
        "resample": "systematic_resample|resample_particles|draw_ancestors",
        "estimate": "weighted_estimate|particle_mean|filter_moments",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Monte Carlo localisation.",
            "One particle per thread.",
            "Sequential Monte Carlo.",
            "Particle filter stage.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|pid", layouts=kind != "resample")
    vec = T.VEC3
    match kind:
        case "propagate":
            x = e.inout("particles|poses|states", vec, R.uniform(-1.0, 1.0))
            e.guard()
            v, w, dt = (
                e.world_param("speed|v|forward", 0.2, 2.0),
                e.world_param("turn_rate|omega|yaw_rate", 0.1, 1.0),
                e.world_param("dt|h|step_time", 0.02, 0.2),
            )
            state = k.let(
                "state|rng|stream", wp.rand_init(k.scalar("seed", T.I32, p.pick(1, 9, 77)), e.index)
            )
            s = k.let("s|pose|xi", x.own)
            sv, sw = (
                k.param("speed_noise|sigma_v", 0.01, 0.2),
                k.param("turn_noise|sigma_w", 0.01, 0.1),
            )
            vn, wn = (
                k.let("vn|v_i|noisy_v", v + sv * wp.randn(state)),
                k.let("wn|w_i|noisy_w", w + sw * wp.randn(state)),
            )
            heading = k.let("th|heading|yaw", s.z + wn * dt)
            mid = s.z + 0.5 * wn * dt if p.chance(0.5) else heading
            new = k.var(
                "moved|next_pose|xn",
                construct(vec, s.x + vn * dt * wp.cos(mid), s.y + vn * dt * wp.sin(mid), heading),
            )
            if p.chance(0.5):
                bound = k.param("map_half|extent|arena", 1.0, 3.0)
                with k.when(any_of(wp.abs(new.x) > bound, wp.abs(new.y) > bound)):
                    k.set(
                        new,
                        construct(
                            vec,
                            wp.clamp(new.x, -bound, bound),
                            wp.clamp(new.y, -bound, bound),
                            new.z,
                        ),
                    )
            x.store(new)
        case "weigh":
            _weigh(p, k, e, vec)
        case "resample":
            _resample(p, k, e, vec)
        case _:
            x, w = (
                e.field("particles|poses|states", vec, R.uniform(-1.0, 1.0)),
                e.field("weights|w_in|importance", T.F32, R.uniform(0.0, 0.02)),
            )
            e.guard()
            lead, at = (e.worlds or 1,), e.world if e.world is not None else 0
            wi = k.let("wi|weight|w_i", w.own)
            add_to(p, k, k.out("mean|estimate|x_mean", vec, lead), at, x.own * wi)
            for what in p.sample(["mass", "ess", "cov", "angle"], 1, 3):
                if what == "mass":
                    add_to(p, k, k.out("total_weight|mass|w_sum", T.F32, lead), at, wi)
                elif what == "ess":
                    add_to(p, k, k.out("sum_sq|inverse_ess|w2_sum", T.F32, lead), at, wi * wi)
                elif what == "cov":
                    d = k.let(
                        "d|dev|rel",
                        x.own
                        - k.array(
                            "last_mean|prior_mean|reference", vec, lead, R.uniform(-0.2, 0.2)
                        )[at],
                    )
                    add_to(
                        p,
                        k,
                        k.out("covariance|spread|cov_sum", T.MAT33, lead),
                        at,
                        wp.outer(d, d) * wi,
                    )
                else:
                    add_to(
                        p,
                        k,
                        k.out("heading_vec|circular|angle_sum", T.VEC2, lead),
                        at,
                        construct(T.VEC2, wp.cos(x.own.z), wp.sin(x.own.z)) * wi,
                    )


def _weigh(p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec) -> None:
    marks = p.pick(3, 4, 6)
    x = k.let("x|pose|xi", e.field("particles|poses|states", vec, R.uniform(-1.0, 1.0)).own)
    beacons = k.array("landmarks|beacons|anchors", T.VEC2, (marks,), R.uniform(-2.0, 2.0))
    ranges = k.array("ranges|measured|z", T.F32, (marks,), R.uniform(0.3, 3.0))
    e.guard()
    sigma = k.param("sigma|range_noise|std", 0.2, 1.0)
    logw = k.var("logw|ll|score", 0.0)
    bearing, unseen = p.chance(0.35), p.chance(0.3)
    with k.loop(
        "m|j|b",
        beacons.dim(0) if p.chance(0.6) else k.scalar("num_landmarks|m_count", T.I32, marks),
    ) as m:
        if unseen:
            with k.when(ranges[m] <= 0.5):
                k.cont()
        d = k.let("d|rel|to_mark", beacons[m] - construct(T.VEC2, x.x, x.y))
        err = k.let("err|e|gap", (wp.length(d) - ranges[m]) / sigma)
        k.aug(logw, "-", 0.5 * err * err if p.chance(0.6) else wp.log(1.0 + err * err))
        if bearing:
            angle = k.let("angle|bear|phi", wp.atan2(d.y, d.x) - x.z)
            k.aug(logw, "-", k.param("bearing_weight|kappa", 0.1, 1.0) * (1.0 - wp.cos(angle)))
    w = e.inout("weights|w|importance", T.F32, R.uniform(0.2, 1.0))
    floor = k.param("floor|min_likelihood|eps", 1e-4, 1e-2) if p.chance(0.4) else None
    like = k.let("like|lik|prob", wp.exp(logw) if floor is None else wp.max(wp.exp(logw), floor))
    w.store(w.own * like)
    add_to(
        p,
        k,
        k.out("total_weight|normalizer|w_sum", T.F32, (e.worlds or 1,)),
        e.world if e.world is not None else 0,
        like,
    )


def _resample(p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec) -> None:
    n = e.n
    cdf = k.array("cdf|cumulative|cum_weights", T.F32, (n,), R.ascending(0.0, 1.0))
    x = e.field("particles|poses|states", vec, R.uniform(-1.0, 1.0))
    if p.chance(0.5):
        offset = k.param("offset|u0|start", 0.05, 0.95)
        u = k.let("u|target|pos", (construct(T.F32, e.index) + offset) / float(n))
    else:
        state = k.let("state|rng", wp.rand_init(k.scalar("seed", T.I32, p.pick(1, 9, 77)), e.index))
        u = k.let(
            "u|target|pos",
            (construct(T.F32, e.index) + wp.randf(state)) / float(n)
            if p.chance(0.6)
            else wp.randf(state),
        )
    match p.pick("binary", "linear", "builtin"):
        case "binary":
            low, high = (
                k.var("lo|left", 0, T.I32),
                k.var("hi|right", n - 1 if p.chance(0.5) else cdf.dim(0) - 1, T.I32),
            )
            with k.repeat(low < high):
                mid = k.let("mid|m", (low + high) // 2)
                with k.when(cdf[mid] < u):
                    k.set(low, mid + 1)
                with k.otherwise():
                    k.set(high, mid)
            pick = low
            k.options["enable_backward"] = False
        case "linear":
            pick = k.var("pick|ancestor|j", 0, T.I32)
            with k.loop("s|j2|c", cdf.dim(0) - 1) as s, k.when(cdf[s] < u):
                k.set(pick, s + 1)
        case _:
            pick = k.let("pick|ancestor|j", wp.min(wp.lower_bound(cdf, u), n - 1))
    e.out("ancestors|parents|indices_out", T.I32).store(pick)
    new = x[pick]
    if p.chance(0.5):
        new = new + construct(vec, k.param("jitter|roughening|sigma", 1e-3, 0.05))
    e.out("resampled|particles_out|next_states", vec).store(new)
