"""Shape matching: rigid goal positions of clusters."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._topology import Pool
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def shape_matching(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "shape_matching|match_clusters|solve_shapes|extract_rotations|cluster_goal_positions|rigid_shape_match",
        p.pick(
            "Best rigid transform of each cluster.",
            "Shape matching: goal positions from the rest shape.",
            "Polar rotation of the moment matrix per cluster.",
        ),
    )
    e = Entities(
        k,
        p.pick("cluster", "shape", "region"),
        count=p.pick(8, 12, 16, 24),
        index="c|tid|shape|cluster",
    )
    pool = Pool(e, p.pick(64, 96, 128))
    vec, m33 = p.vec(3), p.mat(3)
    total = pool.count
    offsets = k.array(
        "cluster_offsets|shape_offsets|row_offsets", T.I32, (e.n + 1,), R.offsets(total)
    )
    members = k.array(
        "cluster_members|shape_particles|member_ids", T.I32, (total,), R.permutation()
    )
    x = pool.field("positions|x|predicted", vec, R.uniform(-1.0, 1.0))
    rest = pool.field("rest_positions|rest_x|q_rest", vec, R.uniform(-1.0, 1.0))
    w = (
        pool.field("masses|mass|particle_mass", p.real, R.uniform(0.5, 2.0))
        if p.chance(0.5)
        else None
    )
    start, stop = (
        k.let("start|begin|first", offsets[e.index]),
        k.let("stop|end|last", offsets[e.index + 1]),
    )
    with k.when(
        stop - start < p.pick(2, 3, 4) if p.chance(0.6) else any_of(stop <= start, stop - start < 3)
    ):
        k.ret()
    com, rest_com = _centers(p, k, members, x, rest, w, vec, start, stop)
    moment = k.var("a_pq|moment|apq|cov", construct(m33, 0.0))
    with k.loop("s|m|slot", start, stop) as s:
        i = k.let("i|v|pid", members[s])
        term = wp.outer(x[i] - com, rest[i] - rest_com)
        k.aug(moment, "+", term if w is None else term * w[i])
    rotation = _polar(p, k, moment, m33)
    rot = k.let("r|rot|rotation", rotation)
    e.out("rotations|cluster_rot|shape_r", m33).store(rot)
    if p.chance(0.5):
        e.out("centers|coms|cluster_com", vec).store(com)
    if p.chance(0.7):
        stiffness = k.param("stiffness|alpha|match_stiffness", 0.1, 1.0)
        deltas = pool.out("deltas|goals|corrections", vec)
        with k.loop("s|m|slot", start, stop) as s:
            i = k.let("i|v|pid", members[s])
            goal = k.let("goal|target|g", rot * (rest[i] - rest_com) + com)
            deltas.add((goal - x[i]) * stiffness, i)


def _centers(
    p: ProgramBuilder,
    k: KernelBuilder,
    members: Expr,
    x: Field,
    rest: Field,
    w: Field | None,
    vec: T.Vec,
    start: Expr,
    stop: Expr,
) -> tuple[Expr, Expr]:
    com, rest_com = (
        k.var("com|center|cm", construct(vec, 0.0)),
        k.var("com0|rest_center|cm_rest", construct(vec, 0.0)),
    )
    mass = k.var("mass|total_mass|m_sum", 0.0, p.real)
    with k.loop("s|m|slot", start, stop) as s:
        i = k.let("i|v|pid", members[s])
        if w is None:
            k.aug(com, "+", x[i])
            k.aug(rest_com, "+", rest[i])
            k.aug(mass, "+", 1.0)
        else:
            k.aug(com, "+", x[i] * w[i])
            k.aug(rest_com, "+", rest[i] * w[i])
            k.aug(mass, "+", w[i])
    k.set(com, com / mass)
    k.set(rest_com, rest_com / mass)
    return com, rest_com


def _polar(p: ProgramBuilder, k: KernelBuilder, moment: Expr, m33: T.Mat) -> Expr:
    """The rotation nearest to a matrix: by singular values or by iterated quaternion updates."""

    if p.chance(0.6):

        def by_svd(b: Block, a: Expr) -> Expr:
            u, _, v = b.unpack(["u|uu", "sigma|s|sv", "v|vv"], wp.svd3(a))
            rot = b.var("r|rot|q", u * wp.transpose(v))
            with b.when(wp.determinant(rot) < 0.0):
                flip = b.let(
                    "flip|mirror|fix", wp.diag(construct(T.Vec(3, p.real), 1.0, 1.0, -1.0))
                )
                b.set(rot, u * flip * wp.transpose(v))
            return rot

        return helper(
            p,
            k,
            "polar_rotation|nearest_rotation|extract_rotation",
            {"a|m": moment},
            by_svd,
            p.pick("Rotation closest to a matrix.", "Polar decomposition by SVD."),
        )

    rounds = p.pick(3, 4, 6, 8)

    def by_steps(b: Block, a: Expr) -> Expr:
        q = b.var("q|quat_r|rot_q", construct(T.Quat(p.real), 0.0, 0.0, 0.0, 1.0))
        with b.loop("it|n|step", rounds):
            r = b.let("r|rm|rq", wp.quat_to_matrix(q))
            columns = [
                [construct(T.Vec(3, p.real), m[0, c], m[1, c], m[2, c]) for c in range(3)]
                for m in (r, a)
            ]
            rc = [b.let(f"r{c}|rx{c}", v) for c, v in enumerate(columns[0])]
            ac = [b.let(f"a{c}|ax{c}", v) for c, v in enumerate(columns[1])]
            num = b.let(
                "num|torque|w_num",
                wp.cross(rc[0], ac[0]) + wp.cross(rc[1], ac[1]) + wp.cross(rc[2], ac[2]),
            )
            den = b.let(
                "den|scale|w_den",
                wp.abs(wp.dot(rc[0], ac[0]) + wp.dot(rc[1], ac[1]) + wp.dot(rc[2], ac[2])) + 1.0e-6,
            )
            omega = b.let("w|omega|axis", num / den)
            angle = b.let("angle|theta|w_len", wp.length(omega))
            with b.when(angle < 1.0e-6):
                b.brk()
            b.set(q, wp.normalize(wp.quat_from_axis_angle(omega / angle, angle) * q))
        return wp.quat_to_matrix(q)

    return helper(
        p,
        k,
        "extract_rotation|iterate_rotation|mueller_rotation",
        {"a|m": moment},
        by_steps,
        p.pick("Rotational part of a matrix by quaternion iterations.", ""),
    )
