"""Position-based dynamics: constraint projections with multipliers, by colours or with averaged corrections."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._position_contacts import CONTACTS
from generator.synthesis.categories._position_solids import (
    preserve_area,
    preserve_volume,
    tet_energy,
)
from generator.synthesis.categories._position_solve import Solve
from generator.synthesis.categories._position_steps import STEPS
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr


@category("position_based", version=1, title="Position-based dynamics (XPBD)")
def write(p: ProgramBuilder) -> None:
    """Position-based constraints: distance, tether, bending, triangle area, tetrahedral volume and elastic
    energies, rods,
    shape matching and contacts, solved with compliant multipliers over graph colours, in place or with
    averaged corrections."""
    if not p.fusing:
        p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _distance: 3,
        _bending: 1.6,
        _dihedral: 1.2,
        preserve_area: 1.1,
        preserve_volume: 1.8,
        tet_energy: 1.6,
        _rod: 1.2,
        _tether: 1.1,
        **CONTACTS,
        **STEPS,
    }
    p.weighted(intents)(p)


def _distance(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_distance|distance_constraints|project_stretch|solve_springs|xpbd_distance|solve_edges|stretch_constraints",
        p.pick(
            "Project distance constraints.",
            "XPBD stretch constraints of one colour.",
            "Satisfy edge lengths by moving both ends.",
            "One Gauss-Seidel sweep over a colour.",
        ),
    )
    vec = p.vec(dimension(p, 2, 3, 3, 3))
    s = Solve(
        p, k, p.pick("edge", "constraint", "spring", "distance"), ["i|a|i0|p0", "j|b|i1|p1"], vec
    )
    xi, xj = s.points("x|p")
    rest = s.e.property("rest_length|rest|l0", 0.2, 1.0)
    d = k.let("d|delta|n_vec|diff", xi - xj)
    length = k.let("l|length|dist|len_d", wp.length(d))
    with k.when(
        any_of(length < 1.0e-6, s.weight_sum() <= 0.0) if p.chance(0.5) else length < 1.0e-6
    ):
        k.ret()
    c = k.let("c|err|constraint|C", length - rest)
    if p.chance(0.25):
        only = p.pick("rope", "push")
        with k.when(c <= 0.0 if only == "rope" else c >= 0.0):
            k.ret()
    n = k.let("n|grad|dir", d / length)
    lam = s.multiplier(c, s.weight_sum(), [(s.ids[0], n), (s.ids[1], -n)])
    s.push([n, -n], lam)
    s.finish(c)


def _tether(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "long_range_attachments|solve_tethers|limit_to_anchor|tether_constraints|attach_to_anchor|geodesic_tethers",
        p.pick(
            "Keep particles within reach of their anchors.",
            "Unilateral long-range attachments.",
            "Tethers against excessive stretch.",
        ),
    )
    vec = p.vec(dimension(p, 3))
    s = Solve(
        p, k, p.pick("tether", "attachment", "constraint"), ["i|p0|particle", "a|anchor|root"], vec
    )
    x, anchor = s.points("x|p")
    reach = s.e.property("max_length|reach|geodesic|rest_length", 0.3, 1.2)
    slack = k.param("slack|stretch|tether_scale", 1.0, 1.2) if p.chance(0.5) else None
    d = k.let("d|delta|rel", x - anchor)
    dist = k.let("dist|l|length", wp.length(d))
    limit = k.let("limit|bound|l_max", reach * slack) if slack is not None else reach
    with k.when(dist <= limit):
        k.ret()
    n = k.let("n|dir|grad", d / dist)
    excess = k.let("excess|c|err", dist - limit)
    share = k.param("relaxation|stiffness|omega", 0.2, 1.0) if p.chance(0.5) else None
    move = k.var("corr|dx|move", n * (-excess) if share is None else n * (-excess * share))
    tune(p, s.e, move, "displacement", 0.5)
    s.apply(0, move)
    report(p, s.e, move, "displacement", 0.5)


def _bending(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_bending|triangle_bending|bend_constraints|project_curvature|elastic_rod_bending|three_point_bending",
        p.pick(
            "Three-point bending constraint.",
            "Keep the middle vertex near the centroid of its neighbours.",
            "Bend constraint of a triple of particles.",
        ),
    )
    vec = p.vec(dimension(p, 2, 3, 3))
    s = Solve(
        p,
        k,
        p.pick("bend", "triple", "constraint"),
        ["i|b0|i0|left", "j|v|i1|mid", "k_|b1|i2|right"],
        vec,
    )
    x0, x1, x2 = s.points("x|p")
    rest = s.e.property("rest_bend|h0|rest_height", 0.05, 0.4)
    centroid = k.let("centroid|mean|g", (x0 + x1 + x2) / 3.0)
    d = k.let("d|h|lever", x1 - centroid)
    height = k.let("h_len|height|dist", wp.length(d))
    w0, w1, w2 = s.weights
    total = k.let("w_sum|wsum|denom", w0 + 2.0 * w1 + w2)
    with k.when(any_of(height < 1.0e-6, total <= 0.0)):
        k.ret()
    c = k.let("c|err|diff", height - rest)
    scale = k.let("s|ratio|factor", c / height)
    stiffness = k.param("stiffness|bend_stiffness|kb", 0.05, 1.0)
    push = k.let("push|corr|move", d * (stiffness * scale / total))
    s.apply(0, push * (2.0 * w0))
    s.apply(1, push * (-4.0 * w1))
    s.apply(2, push * (2.0 * w2))
    s.finish(c)


def _dihedral(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_dihedral|isometric_bending|bending_angles|project_dihedral|hinge_constraints|fold_constraints",
        p.pick(
            "Dihedral-angle constraint of two triangles.",
            "XPBD bending of interior edges.",
            "Isometric bending by a quadratic form.",
        ),
    )
    vec = p.vec(dimension(p, 3))
    s = Solve(
        p,
        k,
        p.pick("hinge", "bend", "constraint"),
        ["i|e0|p1", "j|e1|p2", "k_|o0|p3", "l|o1|p4"],
        vec,
    )
    x = s.points("x|p")
    if p.chance(0.45):
        _quadratic_bending(p, k, s, x)
        return
    edge = k.let("e|edge|axis", x[1] - x[0])
    length = k.let("e_len|l|edge_len", wp.length(edge))
    n1, n2 = (
        k.let("n1|na", wp.cross(x[2] - x[0], edge)),
        k.let("n2|nb", wp.cross(edge, x[3] - x[0])),
    )
    sq = [k.let(f"n{i}_sq|q{i}", wp.length_sq(n)) for i, n in enumerate((n1, n2), start=1)]
    with k.when(any_of(length < 1.0e-5, sq[0] < 1.0e-8, sq[1] < 1.0e-8)):
        k.ret()
    g2, g3 = (
        k.let("g2|grad2|u0", n1 * (length / sq[0])),
        k.let("g3|grad3|u1", n2 * (length / sq[1])),
    )
    t0, t1 = (
        k.let("t0|s0", wp.dot(x[2] - x[1], edge) / (length * length)),
        k.let("t1|s1", wp.dot(x[3] - x[1], edge) / (length * length)),
    )
    g0 = k.let("g0|grad0", g2 * t0 + g3 * t1)
    g1 = k.let("g1|grad1", (g0 + g2 + g3) * -1.0)
    m1, m2 = k.let("m1|hat1", wp.normalize(n1)), k.let("m2|hat2", wp.normalize(n2))
    sine, cosine = wp.dot(wp.cross(m1, m2), edge) / length, wp.dot(m1, m2)
    angle = k.let(
        "phi|theta|angle",
        wp.atan2(sine, cosine) if p.chance(0.6) else wp.acos(wp.clamp(cosine, -0.999, 0.999)),
    )
    rest = s.e.property("rest_angle|phi0|theta0", 0.05, 0.8)
    c = k.let("c|err|C", angle - rest)
    grads = [g0, g1, g2, g3]
    lam = s.multiplier(c, s.gradient_norm(grads), list(zip(s.ids, grads, strict=True)))
    s.push(grads, lam)
    s.finish(c)


def _quadratic_bending(p: ProgramBuilder, k: KernelBuilder, s: Solve, x: list[Expr]) -> None:
    q = k.array("bend_q|q_mats|bending_matrices", p.mat(4), (s.e.n,), R.spd(0.05, 1.0))
    m = k.let("q|qm|mat_q", q[s.e.index])
    energy = k.var("energy|c|e_bend", 0.0, p.real)
    grads = []
    for row in range(4):
        g = k.let(
            f"g{row}|grad{row}",
            x[0] * m[row, 0] + x[1] * m[row, 1] + x[2] * m[row, 2] + x[3] * m[row, 3],
        )
        k.aug(energy, "+", 0.5 * wp.dot(g, x[row]))
        grads.append(g)
    lam = s.multiplier(energy, s.gradient_norm(grads), list(zip(s.ids, grads, strict=True)))
    s.push(grads, lam)
    s.finish(energy)


def _rod(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_stretch_shear|cosserat_rod|rod_constraints|solve_bend_twist|hair_constraints|project_rod",
        p.pick(
            "Stretch and shear of Cosserat rods.",
            "Bend and twist between neighbouring rod segments.",
            "Position and orientation constraints of elastic rods.",
        ),
    )
    vec, quat = p.vec(3), p.quat
    count_q = 48
    twist = p.chance(0.5)
    s = Solve(p, k, "segment", ["i|p0|a", "j|p1|b"], vec) if not twist else None
    e_index = s.e.index if s else None
    if s is not None and e_index is not None:
        qs = k.array("orientations|rod_q|frames", quat, (s.e.n,), R.rotations(), "inout")
        wq = k.param("inv_inertia|wq|rot_weight", 0.2, 2.0)
        x0, x1 = s.points("x|p")
        rest = s.e.property("rest_length|l0|seg_length", 0.2, 0.8)
        q = k.let("q|frame|rot", qs[e_index])
        d3 = k.let("d3|director|tangent", wp.quat_rotate(q, construct(vec, 0.0, 0.0, 1.0)))
        w0, w1 = s.weights
        gamma = k.let("gamma|strain|c", (x1 - x0) / rest - d3)
        denom = k.let("denom|w_total", (w0 + w1) / rest + 4.0 * wq * rest)
        g = k.let("g|corr|step", gamma / denom)
        s.apply(0, g * w0)
        s.apply(1, g * -w1)
        e3 = construct(quat, 0.0, 0.0, 1.0, 0.0)
        turn = construct(quat, g, 0.0) if p.chance(0.7) else construct(quat, g.x, g.y, g.z, 0.0)
        k.set(qs[e_index], wp.normalize(q + turn * q * wp.quat_inverse(e3) * (2.0 * wq * rest)))
        return
    _bend_twist(p, k, quat, count_q)


def _bend_twist(p: ProgramBuilder, k: KernelBuilder, quat: T.Quat, segments: int) -> None:
    e = Entities(k, "joint", count=segments // 2, index="tid|c|joint", layouts=False)
    pool = Pool(e, segments)
    i, j = corners(
        e, "rod_pairs|segment_pairs|joints", ["i|a|s0", "j|b|s1"], segments, disjoint=True
    )
    qs = pool.field("orientations|rod_q|frames", quat, R.rotations(), "inout")
    rest = e.field("rest_darboux|darboux0|rest_omega", quat, R.rotations())
    stiffness = k.param("bend_stiffness|stiffness|k_bt", 0.1, 1.0)
    qa, qb = k.let("qa|q0|u", qs[i]), k.let("qb|q1|q", qs[j])
    omega = k.let("omega|darboux|rel", wp.quat_inverse(qa) * qb)
    plus, minus = k.let("plus|sum_q|op", omega + rest.own), k.let("minus|diff|om", omega - rest.own)

    def nearer(b: Block, a: Expr, c: Expr) -> Expr:
        return wp.where(wp.dot(a, a) > wp.dot(c, c), c, a)

    delta = k.let(
        "d|dw|err",
        helper(
            p,
            k,
            "shorter|pick_sign|closest_sign",
            {"a|m": minus, "b|c": plus},
            nearer,
            p.pick("The shorter of two quaternion differences.", ""),
        ),
    )
    step = k.let(
        "step|corr|half_d", construct(quat, delta[0], delta[1], delta[2], 0.0) * (0.5 * stiffness)
    )
    k.set(qs[i], wp.normalize(qa + qb * step))
    k.set(qs[j], wp.normalize(qb - qa * step))
    if p.chance(0.4):
        k.do(
            wp.atomic_max(
                k.out("max_bend|bend_error|residual", p.real, (1,)),
                0,
                wp.length(delta) if p.chance(0.5) else wp.sqrt(wp.dot(delta, delta)),
            )
        )
