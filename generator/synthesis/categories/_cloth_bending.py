"""Bending of cloth by hinge angles."""

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._cloth_elements import open_elements
from generator.synthesis.categories._extras import dimension, helper, tune
from generator.synthesis.categories._topology import corners
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

_X = "positions|x|particle_q|pos|vertices"
_V = "velocities|v|particle_qd|vel"
_F = "forces|f|particle_f|force_out|net_force"


def hinges(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_bending|hinge_forces|bending_forces|dihedral_bending|fold_forces|bend_springs",
        p.pick(
            "Bending moments of hinges between two triangles.",
            "Dihedral-angle bending forces.",
            "Resist folding along interior edges.",
        ),
    )
    e, pool = open_elements(p, k, p.pick("hinge", "bend", "edge"), "tid|h|edge|b")
    vec = p.vec(dimension(p, 3))
    names = ["i|o0|p1", "j|o1|p2", "k_|e0|p3", "l|e1|p4"]
    i, j, a, b = corners(e, "hinge_indices|bend_indices|dihedrals|edge_quads", names, pool.count)
    e.guard()
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    xs = [k.let(f"x{c}|p{c}", x[v]) for c, v in enumerate((i, j, a, b), start=1)]
    edge = k.let("e|edge|axis_e", xs[3] - xs[2])
    n1 = k.let("n1|na|normal_a", wp.cross(xs[0] - xs[2], xs[0] - xs[3]))
    n2 = k.let("n2|nb|normal_b", wp.cross(xs[1] - xs[3], xs[1] - xs[2]))
    area = [k.let(f"n{c}_sq|len{c}_sq", wp.length_sq(n)) for c, n in enumerate((n1, n2), start=1)]
    length = k.let("e_len|l_edge|edge_len", wp.length(edge))
    with k.when(any_of(area[0] < 1.0e-6, area[1] < 1.0e-6, length < 1.0e-4)):
        k.ret()
    angle = k.let("theta|angle|phi", _dihedral(p, k, n1, n2, edge))
    rest = e.property("rest_angle|theta0|bend_rest", 0.05, 0.6) if p.chance(0.7) else None
    ke = e.property("bend_stiffness|edge_ke|k_bend", 0.01, 1.0)
    moment: Expr = ke * (angle if rest is None else angle - rest)
    if p.chance(0.3):
        moment = moment * length
    u = [
        k.let(f"u{c}|grad{c}|d{c}", n * (length / s))
        for c, n, s in zip((1, 2), (n1, n2), area, strict=True)
    ]
    s1 = k.let("s1|alpha|t1", wp.dot(xs[0] - xs[3], edge) / (length * length))
    s2 = k.let("s2|beta|t2", wp.dot(xs[1] - xs[3], edge) / (length * length))
    u3 = k.let("u3|grad3", u[0] * s1 + u[1] * s2)
    u4 = k.let("u4|grad4", (u[0] + u[1] + u3) * -1.0)
    scale = k.var("m|moment|fb", moment)
    if p.chance(0.45):
        v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
        kd = k.param("bend_damping|edge_kd|kd", 0.001, 0.1)
        rate = wp.dot(u[0], v[i]) + wp.dot(u[1], v[j]) + wp.dot(u3, v[a]) + wp.dot(u4, v[b])
        k.aug(scale, "+", kd * rate)
    tune(p, e, scale, "moment", 5.0)
    out = pool.out(_F, vec)
    for vertex, grad in zip((i, j, a, b), (*u, u3, u4), strict=True):
        out.subtract(grad * scale, vertex)


def _dihedral(p: ProgramBuilder, k: KernelBuilder, n1: Expr, n2: Expr, edge: Expr) -> Expr:
    form = p.pick("atan2", "atan2", "acos")

    def body(b: Block, a: Expr, c: Expr, axis: Expr) -> Expr:
        ua, ub = (
            b.let("ua|na_hat|a_hat", wp.normalize(a)),
            b.let("ub|nb_hat|b_hat", wp.normalize(c)),
        )
        cosine = b.let("cos_t|c_theta|cosine", wp.clamp(wp.dot(ua, ub), -1.0, 1.0))
        if form == "acos":
            return wp.acos(cosine * 0.9999) * wp.sign(wp.dot(wp.cross(ua, ub), axis))
        return wp.atan2(wp.dot(wp.cross(ua, ub), wp.normalize(axis)), cosine)

    args = {"n1|na": n1, "n2|nb": n2, "e|edge|axis": edge}
    return helper(
        p,
        k,
        "dihedral_angle|hinge_angle|fold_angle",
        args,
        body,
        p.pick("Signed angle between two triangle normals.", ""),
    )
