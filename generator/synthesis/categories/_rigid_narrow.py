"""Contact lists and the narrow phase."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def open_contacts(p: ProgramBuilder, k: KernelBuilder) -> tuple[Entities, Pool]:
    e = Entities(k, "contact", count=p.pick(32, 48, 64, 96), index="tid|c|cid|contact_id")
    pool = Pool(e, p.pick(12, 16, 24, 32))
    if p.chance(0.4):
        live = k.array(
            "contact_count|num_contacts|n_contacts", T.I32, (1,), R.constant(e.n - p.pick(0, 6, 12))
        )
        with k.when(e.index >= live[0]):
            k.ret()
    return e, pool


def contact_bodies(p: ProgramBuilder, e: Entities, pool: Pool) -> tuple[Expr, Expr]:
    a, b = corners(
        e,
        "contact_bodies|body_pairs|pairs|contact_body",
        ["a|b0|body_a|ia", "b|b1|body_b|ib"],
        pool.count,
    )
    return a, b


def narrow_phase(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "collide_pairs|narrow_phase|sphere_sphere_contacts|generate_contacts|test_candidate_pairs|collide_shapes",
        p.pick(
            "Contacts of candidate pairs, appended to a list.",
            "Narrow phase for simple shapes.",
            "Generate contact points from pairs.",
        ),
    )
    e = Entities(k, "pair", count=p.pick(48, 64, 96), index="tid|i|pair_id", layouts=False)
    pool = Pool(e, p.pick(16, 24, 32))
    a, b = contact_bodies(p, e, pool)
    vec = p.vec(3)
    poses = pool.field("shape_poses|body_q|poses|transforms", p.transform, R.rigid(-0.7, 0.7))
    radii = pool.field("radii|shape_radius|sphere_radii", p.real, R.uniform(0.1, 0.4))
    capsules = p.chance(0.5)
    if capsules:
        halves = pool.field("half_heights|half_length|capsule_half", p.real, R.uniform(0.1, 0.5))
        ends = [_segment(p, k, poses[i], halves[i], t) for i, t in ((a, "a"), (b, "b"))]
        ca, cb = _closest(p, k, *ends[0], *ends[1])
    else:
        ca, cb = (
            k.let(f"p{t}|c{t}|x{t}", wp.transform_get_translation(poses[i]))
            for i, t in ((a, "a"), (b, "b"))
        )
    d = k.let("d|delta|ab", cb - ca)
    dist = k.let("dist|l|len_d", wp.length(d))
    margin = k.param("contact_margin|margin|threshold", 0.01, 0.1) if p.chance(0.6) else None
    reach = radii[a] + radii[b]
    with k.when(any_of(dist > (reach if margin is None else reach + margin), dist < 1.0e-6)):
        k.ret()
    n = k.let("n|normal", d / dist)
    k.do(wp.atomic_add(k.out("contact_count|num_contacts|counter", T.I32, (1,)), 0, 1))
    e.out("contact_normals|normals_out|contact_n", vec).store(n)
    e.out("contact_depths|depths_out|penetration", p.real).store(reach - dist)
    if p.chance(0.6):
        e.out("contact_points|points_out|contact_mid", vec).store(
            ca + n * (radii[a] - 0.5 * (reach - dist))
        )


def _segment(
    p: ProgramBuilder, k: KernelBuilder, pose: Expr, half: Expr, t: str
) -> tuple[Expr, Expr]:
    axis = [0.0, 1.0, 0.0]
    vec = p.vec(3)
    up = k.let(f"u{t}|axis_{t}", wp.transform_vector(pose, construct(vec, *axis)) * half)
    mid = k.let(f"m{t}|mid_{t}", wp.transform_get_translation(pose))
    return mid - up, mid + up


def _closest(
    p: ProgramBuilder, k: KernelBuilder, a0: Expr, a1: Expr, b0: Expr, b1: Expr
) -> tuple[Expr, Expr]:
    """Closest points of two segments, by a function with two results."""

    def body(b: Block, p0: Expr, p1: Expr, q0: Expr, q1: Expr) -> None:
        u, v, w = b.let("u|d1", p1 - p0), b.let("v|d2", q1 - q0), b.let("w|r", p0 - q0)
        a, f, e = (
            b.let("a|uu", wp.dot(u, u)),
            b.let("bb|uv", wp.dot(u, v)),
            b.let("c|vv", wp.dot(v, v)),
        )
        d, g = b.let("d|uw", wp.dot(u, w)), b.let("e|vw", wp.dot(v, w))
        det = b.let("det|denom|den", wp.max(a * e - f * f, 1.0e-8))
        s = b.let("s|sa", wp.clamp((f * g - e * d) / det, 0.0, 1.0))
        t = b.let("t|sb", wp.clamp((f * s + g) / e, 0.0, 1.0))
        b.ret(p0 + u * s, q0 + v * t)

    vec = p.vec(3)
    fn = p.func(
        "closest_segments|segment_segment|closest_points",
        {"p0|a0": vec, "p1|a1": vec, "q0|b0": vec, "q1|b1": vec},
        body,
        p.pick("Closest points of two segments.", ""),
    )
    ca, cb = k.unpack(["ca|pa|xa", "cb|pb|xb"], fn(a0, a1, b0, b1))
    return ca, cb
