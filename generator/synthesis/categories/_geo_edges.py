"""Edges of meshes: dihedral angles and bending, quadric error and collapse, subdivision."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._geo import accumulate
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def _hinge(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vertices: int
) -> tuple[list[Expr], list[Name], Name]:
    """Indices and positions of an edge's two ends and two opposite vertices."""
    points = k.array("points|positions|vertices|x", p.vec(), (vertices,), R.uniform(-1.0, 1.0))
    fill = R.integers(0, vertices)
    match p.pick("vec4i", "table", "flat"):
        case "vec4i":
            table = k.array("hinges|edge_verts|bend_quads", T.Vec(4, T.I32), (e.n,), fill)
            q = k.let("q|quad|idx", table[e.index])
            ids: list[Expr] = [q[m] for m in range(4)]
        case "table":
            table = k.array("edge_indices|hinges|bend_edges", T.I32, (e.n, 4), fill)
            ids = [
                k.let(h, table[e.index, m]) for m, h in enumerate(("i|i0", "j|i1", "k|i2", "l|i3"))
            ]
        case _:
            table = k.array("edge_indices|quad_ids|edges", T.I32, (4 * e.n,), fill)
            ids = [
                k.let(h, table[e.index * 4 + m if m else e.index * 4])
                for m, h in enumerate(("i|i0", "j|i1", "k|i2", "l|i3"))
            ]
    words = p.pick(("x0", "x1", "x2", "x3"), ("a", "b", "c", "d"), ("p1", "p2", "p3", "p4"))
    return ids, [k.let(w, points[i]) for w, i in zip(words, ids, strict=True)], points


def dihedral(p: ProgramBuilder) -> None:
    """Angles between the faces at an edge: creases, bending energies and forces."""
    goals = {
        "angle": "dihedral_angles|edge_angles|hinge_angles",
        "crease": "mark_creases|feature_edges|sharp_edges",
        "energy": "bending_energy|hinge_energy|discrete_shells",
        "force": "bending_forces|hinge_forces|isometric_bending",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal],
        p.pick("Dihedral angle of every interior edge.", "One thread per edge.", "", ""),
    )
    e = Entities(k, "edge", layouts=p.chance(0.5))
    e.guard()
    ids, (a, b, c, d), points = _hinge(p, k, e, p.pick(64, 80, 100))
    n1, n2 = k.let("n1|nl|na", wp.cross(b - a, c - a)), k.let("n2|nr|nb", wp.cross(d - a, b - a))
    if p.chance(0.4):
        with k.when(any_of(wp.length(n1) < 1.0e-8, wp.length(n2) < 1.0e-8)):
            k.ret()
    if goal == "force" and p.chance(0.5):
        _quadratic_bending(p, k, e, ids, (a, b, c, d), points)
        return
    theta = _angle(p, k, a, b, n1, n2)
    if goal == "angle":
        e.out("angles|dihedrals|theta_out", p.real).store(theta)
        if p.chance(0.4):
            k.do(wp.atomic_max(k.out("max_angle|sharpest", p.real, (1,)), 0, wp.abs(theta)))
        return
    if goal == "crease":
        limit = k.param("crease_angle|feature_angle|threshold", 0.3, 1.2)
        with k.when(wp.abs(theta) > limit):
            e.out("is_crease|feature_mask|sharp", T.I32).store(1)
            if p.chance(0.6):
                marks = k.out("corner_valence|feature_valence", T.I32, (100,))
                k.do(wp.atomic_add(marks, ids[0], 1))
                k.do(wp.atomic_add(marks, ids[1], 1))
        if p.chance(0.5):
            e.out("signed_angle|concavity", p.real).store(theta)
        return
    _bending(p, k, e, ids, (a, b, c, d), n1, n2, theta, goal)


def _angle(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr, n1: Expr, n2: Expr) -> Name:
    form = p.pick("atan2", "acos", "func")
    if form == "acos":
        cosine = k.let("cos_t|c_ang", wp.dot(wp.normalize(n1), wp.normalize(n2)))
        angle = k.let("ang|mag", wp.acos(wp.clamp(cosine, -1.0, 1.0)))
        return k.let(
            "theta|phi|dihedral", choose(wp.dot(wp.cross(n1, n2), b - a) < 0.0, -angle, angle)
        )

    def body(blk: Block, u: Expr, v: Expr, edge: Expr) -> None:
        s = blk.let("s|sine", wp.dot(wp.cross(u, v), wp.normalize(edge)))
        blk.ret(wp.atan2(s, wp.dot(u, v)))

    if form == "func":
        f = p.func(
            "signed_angle|dihedral_angle|hinge_angle",
            {"u|n1": p.vec(), "v|n2": p.vec(), "edge|axis": p.vec()},
            body,
        )
        return k.let("theta|phi|dihedral", f(n1, n2, b - a))
    axis = k.let("e|axis|edge_dir", wp.normalize(b - a))
    return k.let("theta|phi|dihedral", wp.atan2(wp.dot(wp.cross(n1, n2), axis), wp.dot(n1, n2)))


def _bending(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    ids: list[Expr],
    x: tuple[Expr, ...],
    n1: Expr,
    n2: Expr,
    theta: Name,
    goal: str,
) -> None:
    a, b, c, d = x
    rest = e.property("rest_angle|theta0|bend_rest", 0.05, 0.6)
    ke = e.property("bend_stiffness|ke_bend|kb", 0.01, 2.0)
    dev = k.let("dev|delta|strain", theta - rest)
    length = k.let("len_e|edge_len|l", wp.length(b - a))
    if goal == "energy":
        area = k.let("area|a_sum|dual", (wp.length(n1) + wp.length(n2)) * 0.5)
        w = k.let(
            "w|energy|psi",
            ke * dev * dev * length * length / wp.max(area, 1.0e-6)
            if p.chance(0.6)
            else 0.5 * ke * dev * dev * length,
        )
        if p.chance(0.5):
            e.out("edge_energy|energies", p.real).store(w)
        k.do(wp.atomic_add(k.out("total_energy|bending_total", p.real, (1,)), 0, w))
        return
    u1, u2 = (
        k.let("u1|na_s", n1 / wp.max(wp.dot(n1, n1), 1.0e-6)),
        k.let("u2|nb_s", n2 / wp.max(wp.dot(n2, n2), 1.0e-6)),
    )
    axis = k.let("t|axis_u", (b - a) / wp.max(length, 1.0e-6))
    s = k.let("s|mag|torque", -ke * dev * length)
    g3, g4 = k.let("gc|grad_c", u1 * length), k.let("gd|grad_d", u2 * length)
    g1 = u1 * wp.dot(c - b, axis) + u2 * wp.dot(d - b, axis)
    g2 = -(u1 * wp.dot(c - a, axis) + u2 * wp.dot(d - a, axis))
    forces = k.out("forces|bend_forces|f_out", p.vec(), (100,))
    for i, g in zip(ids, (g1, g2, g3, g4), strict=True):
        accumulate(p, k, forces, i, g * s)
    if p.chance(0.3):
        e.out("torques|moments_out", p.real).store(s)


def _quadratic_bending(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    ids: list[Expr],
    x: tuple[Expr, ...],
    points: Name,
) -> None:
    weights = e.field("bend_weights|cotan_row|stencils", p.vec(4), R.uniform(-1.0, 1.0)).read(
        "w|wq|row"
    )
    ke = e.property("bend_stiffness|ke_bend|kb", 0.01, 2.0)
    total = k.let(
        "lap|curv|sum_wx",
        x[0] * weights[0] + x[1] * weights[1] + x[2] * weights[2] + x[3] * weights[3],
    )
    forces = k.out("forces|bend_forces|f_out", p.vec(), (100,))
    if p.chance(0.5):
        for m, i in enumerate(ids):
            accumulate(p, k, forces, i, total * (-ke * weights[m]))
    else:
        scaled = k.let("f|g|scaled", total * -ke)
        for m, i in enumerate(ids):
            accumulate(p, k, forces, i, scaled * weights[m])
    if p.chance(0.5):
        k.do(
            wp.atomic_add(
                k.out("total_energy|bending_total", p.real, (1,)),
                0,
                0.5 * ke * wp.dot(total, total),
            )
        )


# --- quadrics -------------------------------------------------------------------------------------


# --- subdivision ----------------------------------------------------------------------------------
