"""Analytic primitives: functions that give the ray parameter of the first hit, or -1."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._rays import num
from generator.synthesis.logic import all_of, any_of, between
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def ray_sphere(p: ProgramBuilder) -> UserFunction:
    """``t`` of the nearest intersection in front of the origin."""
    form = p.pick("geometric", "half_b", "quadratic", "inside_aware")

    def body(b: Block, o: Expr, d: Expr, c: Expr, r: Expr) -> None:
        oc = b.let("oc|m|rel|to_origin", o - c)
        if form == "geometric":
            tm = b.let("tm|proj|tca", -wp.dot(oc, d))
            gap = b.let("d2|dist_sq|miss_sq", wp.dot(oc, oc) - tm * tm)
            with b.when(any_of(tm < 0.0, gap > r * r) if p.chance(0.5) else gap > r * r):
                b.ret(num(p, -1.0))
            if p.chance(0.5):
                b.ret(tm - wp.sqrt(r * r - gap))
            else:
                b.ret(tm - b.let("half_chord|thc|h", wp.sqrt(r * r - gap)))
            return
        double = form == "quadratic"
        half = b.let("b|half_b|bq", 2.0 * wp.dot(oc, d) if double else wp.dot(oc, d))
        cc = b.let("c|cq|k0", wp.dot(oc, oc) - r * r)
        disc = b.let("disc|discriminant|h", half * half - 4.0 * cc if double else half * half - cc)
        with b.when(disc < 0.0):
            b.ret(num(p, -1.0))
        root = b.let("sq|root|sqrt_disc", wp.sqrt(disc))
        near = 0.5 * (-half - root) if double else -half - root
        if form == "inside_aware" or p.chance(0.3):
            t = b.let("t|t0|near_t", near)
            with b.when(t > 0.0):
                b.ret(t)
            b.ret(0.5 * (root - half) if double else root - half)
        else:
            b.ret(near)

    v = p.vec()
    params = {"o|origin|ro": v, "d|dir|rd": v, "center|c0|sphere_pos": v, "radius|r|rad": p.real}
    return p.func(
        "ray_sphere|intersect_sphere|hit_sphere|sphere_hit",
        params,
        body,
        p.pick("Nearest ray-sphere hit, or -1.", "Distance along a unit ray to a sphere."),
    )


def ray_plane(p: ProgramBuilder) -> UserFunction:
    """``t`` of the hit with an infinite plane."""
    signed = p.chance(0.5)

    def body(b: Block, o: Expr, d: Expr, n: Expr, offset: Expr) -> None:
        denom = b.let("denom|nd|cos_angle", wp.dot(n, d))
        with b.when(wp.abs(denom) < 1.0e-6 if not signed else denom > -1.0e-6):
            b.ret(num(p, -1.0))
        b.ret((offset - wp.dot(n, o)) / denom)

    v = p.vec()
    params = {"o|origin|ro": v, "d|dir|rd": v, "n|normal|plane_n": v, "offset|h|plane_d": p.real}
    return p.func("ray_plane|intersect_plane|plane_hit", params, body)


def ray_box(p: ProgramBuilder) -> UserFunction:
    """Slab test; gives the entry parameter, or -1."""
    form = p.pick("vector", "axes", "loop")
    v = p.vec()

    def by_vectors(b: Block, o: Expr, d: Expr, lo: Expr, hi: Expr) -> None:
        a = b.let("t0|ta|t_lo", wp.cw_div(lo - o, d))
        c = b.let("t1|tb|t_hi", wp.cw_div(hi - o, d))
        small, large = (
            b.let("tmin3|entry|near3", wp.min(a, c)),
            b.let("tmax3|exit3|far3", wp.max(a, c)),
        )
        if p.chance(0.5):
            tn = b.let("t_near|t_enter|tn", wp.max(wp.max(small.x, small.y), small.z))
            tf = b.let("t_far|t_exit|tf", wp.min(wp.min(large.x, large.y), large.z))
        else:
            tn = b.let("t_near|t_enter|tn", wp.max(small))
            tf = b.let("t_far|t_exit|tf", wp.min(large))
        _slab_result(p, b, tn, tf)

    def by_axes(b: Block, o: Expr, d: Expr, lo: Expr, hi: Expr) -> None:
        tn = b.var("t_near|t_enter|tn", -1.0e6, p.real)
        tf = b.var("t_far|t_exit|tf", 1.0e6, p.real)
        if form == "loop":
            with b.loop("axis|a|k", 3) as a:
                _slab_axis(p, b, o[a], d[a], lo[a], hi[a], tn, tf)
        else:
            for a in ("x", "y", "z"):
                _slab_axis(p, b, o.field(a), d.field(a), lo.field(a), hi.field(a), tn, tf)
        _slab_result(p, b, tn, tf)

    params = {"o|origin|ro": v, "d|dir|rd": v, "lo|lower|box_min": v, "hi|upper|box_max": v}
    body = by_vectors if form == "vector" else by_axes
    return p.func(
        "ray_box|ray_aabb|intersect_aabb|slab_test",
        params,
        body,
        "Slab test against an axis-aligned box.",
    )


def _slab_axis(
    p: ProgramBuilder, b: Block, o: Expr, d: Expr, lo: Expr, hi: Expr, tn: Expr, tf: Expr
) -> None:
    inv = b.let("inv|inv_d|rcp", 1.0 / d)
    a, c = b.let("ta|t0|tl", (lo - o) * inv), b.let("tb|t1|th", (hi - o) * inv)
    b.set(tn, wp.max(tn, wp.min(a, c)))
    b.set(tf, wp.min(tf, wp.max(a, c)))


def _slab_result(p: ProgramBuilder, b: Block, tn: Expr, tf: Expr) -> None:
    with b.when(any_of(tn > tf, tf < 0.0) if p.chance(0.6) else tf < wp.max(tn, 0.0)):
        b.ret(num(p, -1.0))
    b.ret(wp.max(tn, 0.0) if p.chance(0.5) else wp.where(tn > 0.0, tn, tf))


def ray_triangle(p: ProgramBuilder) -> UserFunction:
    """Moeller-Trumbore, or a plane hit with inside tests; gives ``t`` or -1."""
    v = p.vec()
    one_sided, chained = p.chance(0.3), p.chance(0.4)

    def moeller(b: Block, o: Expr, d: Expr, a: Expr, e0: Expr, c: Expr) -> None:
        e1, e2 = b.let("e1|edge1|ab", e0 - a), b.let("e2|edge2|ac", c - a)
        h = b.let("pvec|h|dxe", wp.cross(d, e2))
        det = b.let("det|denom|a0", wp.dot(e1, h))
        with b.when(det < 1.0e-8 if one_sided else wp.abs(det) < 1.0e-8):
            b.ret(num(p, -1.0))
        inv = b.let("inv_det|f|rcp_det", 1.0 / det)
        s = b.let("s|tvec|ao", o - a)
        u = b.let("u|bary_u|beta", inv * wp.dot(s, h))
        if not chained:
            with b.when(any_of(u < 0.0, u > 1.0)):
                b.ret(num(p, -1.0))
        q = b.let("qvec|q|sxe", wp.cross(s, e1))
        w = b.let("v|bary_v|gamma", inv * wp.dot(d, q))
        outside = any_of(u < 0.0, w < 0.0, u + w > 1.0) if chained else any_of(w < 0.0, u + w > 1.0)
        with b.when(outside):
            b.ret(num(p, -1.0))
        b.ret(inv * wp.dot(e2, q))

    def by_plane(b: Block, o: Expr, d: Expr, a: Expr, e0: Expr, c: Expr) -> None:
        n = b.let("n|normal|nrm", wp.cross(e0 - a, c - a))
        facing = b.let("nd|facing|denom", wp.dot(n, d))
        with b.when(wp.abs(facing) < 1.0e-8):
            b.ret(num(p, -1.0))
        t = b.let("t|dist|hit_t", wp.dot(n, a - o) / facing)
        q = b.let("q|hit|pt", o + d * t)
        for first, second in ((a, e0), (e0, c), (c, a)):
            with b.when(wp.dot(n, wp.cross(second - first, q - first)) < 0.0):
                b.ret(num(p, -1.0))
        b.ret(t)

    params = {"o|origin|ro": v, "d|dir|rd": v, "a|v0|p0": v, "b|v1|p1": v, "c|v2|p2": v}
    return p.func(
        "ray_triangle|intersect_tri|moller_trumbore|ray_tri",
        params,
        moeller if p.chance(0.7) else by_plane,
    )


def ray_disc(p: ProgramBuilder) -> UserFunction:
    """``t`` of the hit with a disc."""
    v = p.vec()

    def body(b: Block, o: Expr, d: Expr, c: Expr, n: Expr, r: Expr) -> None:
        denom = b.let("denom|nd|cosine", wp.dot(n, d))
        with b.when(wp.abs(denom) < 1.0e-6):
            b.ret(num(p, -1.0))
        t = b.let("t|dist|hit_t", wp.dot(n, c - o) / denom)
        offset = b.let("offset|rel|q", o + d * t - c)
        if p.chance(0.5):
            with b.when(all_of(t > 0.0, wp.dot(offset, offset) <= r * r)):
                b.ret(t)
            b.ret(num(p, -1.0))
        else:
            b.ret(wp.where(wp.length(offset) <= r, t, num(p, -1.0)))

    params = {"o|origin|ro": v, "d|dir|rd": v, "center|c0": v, "n|normal": v, "radius|r": p.real}
    return p.func("ray_disc|intersect_disk|disc_hit", params, body)


def ray_cylinder(p: ProgramBuilder) -> UserFunction:
    """``t`` of the hit with the side of an upright cylinder."""
    v = p.vec()

    def body(b: Block, o: Expr, d: Expr, c: Expr, r: Expr, half: Expr) -> None:
        q = b.let("q|oc|rel", o - c)
        a = b.let("a|qa|dd", d.x * d.x + d.z * d.z)
        with b.when(a < 1.0e-8):
            b.ret(num(p, -1.0))
        h = b.let("b|qb|half_b", q.x * d.x + q.z * d.z)
        disc = b.let("disc|det|h2", h * h - a * (q.x * q.x + q.z * q.z - r * r))
        with b.when(disc < 0.0):
            b.ret(num(p, -1.0))
        t = b.let("t|t0|side_t", (-h - wp.sqrt(disc)) / a)
        y = b.let("y|height|hit_y", q.y + t * d.y)
        with b.when(wp.abs(y) > half if p.chance(0.5) else any_of(y < -half, y > half)):
            b.ret(num(p, -1.0))
        b.ret(t)

    params = {
        "o|origin|ro": v,
        "d|dir|rd": v,
        "base|center|c0": v,
        "radius|r": p.real,
        "half_height|hh": p.real,
    }
    return p.func("ray_cylinder|intersect_cylinder|hit_cylinder", params, body)


def nearer(p: ProgramBuilder, t: Expr, best: Expr) -> Expr:
    """Whether `t` is a hit nearer than the best so far."""
    form = p.pick("and", "chain", "and_eps")
    if form == "chain":
        return between(num(p, 0.0), t, best, ("<", "<"))
    return all_of(t > (0.0 if form == "and" else 1.0e-4), t < best)
