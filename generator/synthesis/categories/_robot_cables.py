"""Tendons and self-collision, for the robotics category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def tendon(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "tendon_length|cable_routing|muscle_path|tendon_kinematics|spatial_tendon|muscle_forces",
        p.pick(
            "Length and moment arms of tendons through sites.",
            "Cable path over attachment sites.",
            "Muscle path length and force.",
        ),
    )
    e = Entities(k, "tendon", index="tenid|t|tid", count=p.pick(16, 24, 32))
    e.guard()
    sites, total = p.pick(16, 24), e.n * 4
    adr = Table(
        e, "tendon_adr|path_start|offsets", T.I32, (e.n + 1,), R.offsets(total), shared=True
    )
    ids = Table(
        e, "path_sites|site_ids|wrap_obj", T.I32, (total,), R.integers(0, sites), shared=True
    )
    points = Table(e, "site_xpos|site_pos|sites", T.VEC3, (sites,), R.uniform(-1.0, 1.0))
    velocities = (
        Table(e, "site_vel|site_xvel", T.VEC3, (sites,), R.uniform(-1.0, 1.0))
        if p.chance(0.6)
        else None
    )
    length, rate = (
        k.var("length|L|path_len", 0.0),
        k.var("rate|Ldot|lengthening", 0.0) if velocities is not None else None,
    )
    first, last = k.let("begin|first", adr[e.index]), k.let("end|last", adr[e.index + 1])
    with k.when(last - first < 2):
        k.ret()
    with k.loop("w|s|seg", first, last - 1) as w:
        i, j = k.let("i|site_a|s0", ids[w]), k.let("j|site_b|s1", ids[w + 1])
        d = k.let("d|seg_v|delta", points[j] - points[i])
        size = k.let("seg_len|dist|l", wp.length(d))
        with k.when(size < 1.0e-5):
            k.cont()
        k.aug(length, "+", size)
        if rate is not None and velocities is not None:
            k.aug(rate, "+", wp.dot(d, velocities[j] - velocities[i]) / size)
    e.out("tendon_length_out|lengths|ten_length", T.F32).store(length)
    if rate is not None:
        e.out("tendon_velocity|ten_velocity|rates", T.F32).store(rate)
    _tendon_force(p, k, e, length, rate)


def _tendon_force(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, length: Name, rate: Name | None
) -> None:
    rest = e.field("rest_length|slack_length|l0", T.F32, R.uniform(0.5, 3.0)).own
    form = p.pick("spring", "slack", "muscle", "none")
    if form == "none":
        return
    out = e.out("tension|tendon_force|forces", T.F32)
    stiffness = e.property("stiffness|tendon_ke|k_t", 10.0, 400.0)
    if form == "muscle":
        activation = e.field("activation|act|excitation", T.F32, R.uniform(0.0, 1.0)).own
        ratio = k.let("l_norm|ratio|stretch", length / rest)

        def curve(b: Block, x: Expr, w: Expr) -> Expr:
            u = b.let("u|off", (x - 1.0) / w)
            return wp.exp(-u * u)

        active = piece(
            p,
            k,
            "force_length|active_curve|fl_curve",
            {"x|l_norm": ratio, "width|w": k.param("width|fl_width", 0.3, 0.7)},
            curve,
        )
        force = activation * active * stiffness + 0.1 * stiffness * wp.max(ratio - 1.0, 0.0)
        out.store(force if rate is None else force * wp.clamp(1.0 - 0.3 * rate, 0.2, 1.4))
        return
    stretch = k.let("stretch|dl|elong", length - rest)
    pull = (
        stiffness * stretch
        if rate is None
        else stiffness * stretch + k.param("damping|tendon_kd", 0.1, 5.0) * rate
    )
    if form == "slack":
        with k.when(stretch <= 0.0):
            out.store(0.0)
            k.ret()
        out.store(pull)
    else:
        out.store(wp.max(pull, 0.0) if p.chance(0.4) else pull)


def self_collision(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "capsule_distances|self_collision|link_clearance|check_self_collision|capsule_pairs|proximity_cost",
        p.pick(
            "Clearance between pairs of link capsules.",
            "Self-collision check of a robot's links.",
            "Cost of links that come close.",
        ),
    )
    e = Entities(k, "pair", index="pairid|i|tid", count=p.pick(32, 48, 64))
    links = p.pick(8, 10, 12)
    pair = e.field("link_pairs|pairs|check_pairs", T.Vec(2, T.I32), R.integers(0, links)).read(
        "pr|pair|ij"
    )
    i, j = k.let("i|link_a|a", pair[0]), k.let("j|link_b|b", pair[1])
    if p.chance(0.6):
        with k.when(i == j):
            k.ret()
    poses = Table(e, "link_pose|body_q|xform", T.TRANSFORM, (links,), R.rigid(-0.8, 0.8))
    half, radius = (
        Table(e, h, T.F32, (links,), R.uniform(lo, hi), shared=True)
        for h, lo, hi in (
            ("half_length|link_half|hl", 0.1, 0.4),
            ("radius|link_radius|capsule_r", 0.03, 0.12),
        )
    )
    ends = []
    for name, link in (("a", i), ("b", j)):
        local = (
            construct(T.VEC3, 0.0, 0.0, half[link])
            if p.chance(0.5)
            else construct(T.VEC3, half[link], 0.0, 0.0)
        )
        up = k.let(f"h{name}|half_{name}|axis_{name}", wp.transform_vector(poses[link], local))
        c = k.let(f"c{name}|mid_{name}", wp.transform_get_translation(poses[link]))
        ends.append((c - up, c + up))
    points = _segments(p)(*ends[0], *ends[1])
    pa, pb = k.unpack(["pa|xa|near_a", "pb|xb|near_b"], points)
    delta = k.let("d|delta|sep", pb - pa)
    gap = k.let("gap|clearance|dist", wp.length(delta) - radius[i] - radius[j])
    e.out("distances|clearances|gaps", T.F32).store(gap)
    margin = k.param("margin|safety|activation_dist", 0.02, 0.15)
    if p.chance(0.7):
        with k.when(gap < margin):
            match p.pick("count", "cost", "both"):
                case "count":
                    Table(e, "num_close|collisions|violations", T.I32, (1,), role="out").add(1, 0)
                case "cost":
                    Table(e, "cost|penalty|proximity", T.F32, (1,), role="out").add(
                        (margin - gap) * (margin - gap), 0
                    )
                case _:
                    Table(
                        e, "link_flags|touching|in_collision", T.I32, (links,), role="out"
                    ).atomic("max", 1, i)
                    e.out("push|gradients|repulsion", T.VEC3).store(
                        wp.normalize(delta) * (margin - gap)
                    )


def _segments(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    """A `@wp.func` for the closest points of two segments."""
    robust = p.chance(0.6)

    def body(b: Block, p0: Expr, p1: Expr, q0: Expr, q1: Expr) -> None:
        u, v, w = b.let("u|d1", p1 - p0), b.let("v|d2", q1 - q0), b.let("w|r", p0 - q0)
        a, e, f = (
            b.let("a|uu", wp.dot(u, u)),
            b.let("e|vv", wp.dot(v, v)),
            b.let("f|vw", wp.dot(v, w)),
        )
        c, g = b.let("c|uw", wp.dot(u, w)), b.let("g|uv", wp.dot(u, v))
        denominator = b.let("den|det", a * e - g * g)
        s = b.var("s|sa", 0.0)
        with b.when(denominator > 1.0e-8):
            b.set(s, wp.clamp((g * f - c * e) / denominator, 0.0, 1.0))
        t = b.var("t|sb", (g * s + f) / e)
        if robust:
            with b.when(t < 0.0):
                b.set(t, literal(0.0, T.F32))
                b.set(s, wp.clamp(-c / a, 0.0, 1.0))
            with b.elsewhen(t > 1.0):
                b.set(t, literal(1.0, T.F32))
                b.set(s, wp.clamp((g - c) / a, 0.0, 1.0))
        else:
            b.set(t, wp.clamp(t, 0.0, 1.0))
            b.set(s, wp.clamp((g * t - c) / a, 0.0, 1.0))
        b.ret(p0 + u * s, q0 + v * t)

    params = {"p0|a0": T.VEC3, "p1|a1": T.VEC3, "q0|b0": T.VEC3, "q1|b1": T.VEC3}
    return p.func(
        "closest_segment_points|segment_segment|closest_points",
        params,
        body,
        p.pick("", "Closest points of two segments."),
    )
