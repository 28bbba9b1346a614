"""Discrete curvature at vertices."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import ring
from generator.synthesis.categories._rays import num
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def curvature(p: ProgramBuilder) -> None:
    """Angle defects, mean curvature normals, quadric fits, shape operators."""
    goals = {
        "gauss": "gaussian_curvature|angle_defect|integral_curvature",
        "mean": "mean_curvature|curvature_normal|mean_curvature_flow",
        "tensor": "shape_operator|curvature_tensor|principal_curvatures",
        "index": "shape_index|curvedness|classify_curvature|umbilics",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Discrete curvature.", "One thread per vertex.", "", "")
    )
    e = Entities(k, "vertex", index="v|i|tid", layouts=goal == "index" or p.chance(0.35))
    if goal == "index":
        _shape_index(p, k, e)
        return
    points = k.array("points|positions|vertices", p.vec(), (e.n,), R.uniform(-1.0, 1.0))
    x = k.let("x|xi|here", points[e.index])
    e.guard()
    if goal == "gauss":
        _defect(p, k, e, points, x)
    elif goal == "mean":
        _mean(p, k, e, points, x)
    else:
        _operator(p, k, e, points, x)


def _defect(p: ProgramBuilder, k: KernelBuilder, e: Entities, points: Name, x: Name) -> None:
    total, area = (
        k.var("total|angle_sum|theta", 0.0, p.real),
        k.var("area|ring_area|A", 0.0, p.real),
    )
    width = p.pick(5, 6, 8)
    table = k.array("rings|ordered_ring|one_ring", T.I32, (e.n, width), R.padded(0, e.n, 0.2))
    with k.loop("s|m|n", table.dim(1)) as s:
        j = k.let("j|nb", table[e.index, s])
        with k.when(j < 0):
            k.brk()
        following = k.var("nxt|succ|j2", table[e.index, (s + 1) % table.dim(1)])
        with k.when(following < 0):
            k.set(following, table[e.index, 0])
        u, w = k.let("u|e1", points[j] - x), k.let("w|e2", points[following] - x)
        cr = k.let("cr|sine", wp.length(wp.cross(u, w)))
        k.aug(total, "+", wp.atan2(cr, wp.dot(u, w)))
        k.aug(area, "+", cr / 6.0)
    defect = k.let("defect|deficit|kg", 6.2831853 - total)
    e.out("gauss_curvature|K|angle_defects", p.real).store(
        defect / wp.max(area, 1.0e-4) if p.chance(0.6) else defect
    )
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("total_curvature|euler_sum", p.real, (1,)), 0, defect))


def _mean(p: ProgramBuilder, k: KernelBuilder, e: Entities, points: Name, x: Name) -> None:
    hn = k.var("hn|lap|curv_vec", construct(p.vec(), 0.0))
    weights: Expr | None = None
    with ring(p, k, e.n, e.index) as (j, slot):
        if weights is None:
            weights = k.array("cotans|edge_cotans|weights", p.real, (e.n * 6,), R.uniform(0.1, 1.0))
        k.aug(hn, "+", (points[j] - x) * weights[slot])
    area = e.field("vertex_areas|mixed_area|dual_area", p.real, R.uniform(0.2, 1.0)).own
    k.set(hn, hn / (2.0 * area))
    match p.pick("vector", "signed", "flow"):
        case "vector":
            e.out("curvature_normals|mean_normals", p.vec()).store(hn)
            e.out("mean_curvature|H", p.real).store(0.5 * wp.length(hn))
        case "signed":
            n = e.field("normals|vertex_normals", p.vec(), R.unit_vectors()).own
            e.out("mean_curvature|H", p.real).store(
                0.5 * wp.length(hn) * wp.sign(wp.dot(hn, n))
                if p.chance(0.5)
                else -0.5 * wp.dot(hn, n)
            )
        case _:
            e.out("points_out|flowed", p.vec()).store(
                x + hn * k.param("dt|flow_step|rate", 0.001, 0.05)
            )


def _operator(p: ProgramBuilder, k: KernelBuilder, e: Entities, points: Name, x: Name) -> None:
    normals_ = k.array("normals|vertex_normals", p.vec(), (e.n,), R.unit_vectors())
    n = k.let("n|ni", normals_[e.index])
    m = k.var("m|shape_op|S", construct(p.mat(), 0.0))
    w_sum = k.var("w_sum|norm", 0.0, p.real)
    with ring(p, k, e.n, e.index) as (j, _):
        d = k.let("d|edge|rel", points[j] - x)
        d2 = k.let("d2|len_sq", wp.dot(d, d))
        with k.when(d2 < 1.0e-8):
            k.cont()
        kn = k.let(
            "kn|normal_curv",
            2.0 * wp.dot(n, d) / d2 if p.chance(0.5) else wp.dot(normals_[j] - n, d) / d2,
        )
        t = k.let("t|tangent", wp.normalize(d - n * wp.dot(n, d)))
        w: Expr = k.let("w|wt", 1.0 / (1.0 + d2)) if p.chance(0.5) else num(p, 1.0)
        k.aug(m, "+", wp.outer(t, t) * (kn * w))
        k.aug(w_sum, "+", w)
    with k.when(w_sum < 1.0e-8):
        k.ret()
    m_ = k.let("mean_op|avg_S", m / w_sum)
    if p.chance(0.5):
        e.out("shape_operators|curvature_tensors", p.mat()).store(m_)
        e.out("mean_curvature|H", p.real).store(0.5 * wp.trace(m_))
        return
    q, d = k.unpack(["q|vecs|V", "d|vals|lams"], wp.eig3(m_))
    e.out("principal_values|kappas", p.vec()).store(d)
    if p.chance(0.5):
        e.out("principal_dirs|directions", p.mat()).store(q)


def _shape_index(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    h = k.let(
        "h|mean|mc", e.field("mean_curvature|H_in|mean_curv", p.real, R.uniform(-2.0, 2.0)).own
    )
    g = k.let(
        "g|gauss|gc", e.field("gauss_curvature|K_in|gauss_curv", p.real, R.uniform(-2.0, 2.0)).own
    )
    root = k.let("root|disc", wp.sqrt(wp.max(h * h - g, 0.0)))
    k1, k2 = k.let("k1|kmax", h + root), k.let("k2|kmin", h - root)
    match p.pick("index", "curved", "class", "both"):
        case "index":
            e.out("shape_index|si", p.real).store(0.63661977 * wp.atan2(k1 + k2, k1 - k2))
        case "curved":
            e.out("curvedness|bending", p.real).store(wp.sqrt(0.5 * (k1 * k1 + k2 * k2)))
        case "class":
            flat = k.param("flat_limit|eps|tolerance", 0.05, 0.5)
            label = e.out("surface_type|labels|classes", T.I32)
            with k.when(wp.abs(k1) + wp.abs(k2) < flat):
                label.store(0)
            with k.elsewhen(g > 0.0):
                label.store(choose(h > 0.0, 1, 2) if p.chance(0.5) else wp.where(h > 0.0, 1, 2))
            with k.otherwise():
                label.store(3)
        case _:
            e.out("principal_min|k_min", p.real).store(k2)
            e.out("principal_max|k_max", p.real).store(k1)
            if p.chance(0.5):
                k.do(
                    wp.atomic_max(
                        k.out("max_curvature|sharpest", p.real, (1,)),
                        0,
                        wp.max(wp.abs(k1), wp.abs(k2)),
                    )
                )
