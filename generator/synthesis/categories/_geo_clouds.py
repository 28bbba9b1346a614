"""Point clouds: local fits, normals, outliers, registration, sampling."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import num
from generator.synthesis.entities import Entities, neighbours
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def fit(p: ProgramBuilder) -> None:
    """Covariances, normals, planarity, densities, outliers and projections over neighbourhoods."""
    goals = {
        "normal": "estimate_normals|pca_normals|local_normals",
        "shape": "local_features|linearity_planarity|eigen_features",
        "density": "point_density|local_spacing|neighbour_distance",
        "outlier": "statistical_outliers|radius_outliers|remove_isolated",
        "mls": "mls_project|smooth_cloud|resample_surface|locally_optimal",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal],
        p.pick("Local fit over the neighbours of each point.", "Neighbourhood analysis.", "", ""),
    )
    e = Entities(k, "point", layouts=False, count=p.pick(64, 80, 96, 128))
    e.guard()
    points = e.field("points|positions|cloud", p.vec(), R.uniform(-1.0, 1.0))
    x = points.read("x|xi|here")
    if goal in ("normal", "shape", "mls"):
        _covariance(p, k, e, points, x, goal)
    else:
        _spacing(p, k, e, points, x, goal)


def _weight(p: ProgramBuilder) -> UserFunction:
    form = p.pick("gauss", "wendland", "inverse")

    def body(b: Block, d2: Expr, h: Expr) -> None:
        if form == "gauss":
            b.ret(wp.exp(-d2 / (h * h)))
        elif form == "inverse":
            b.ret(1.0 / (1.0 + d2 / (h * h)))
        else:
            q = b.let("q|ratio", wp.sqrt(d2) / h)
            with b.when(q >= 1.0):
                b.ret(num(p, 0.0))
            t = b.let("t|m", 1.0 - q)
            b.ret(t * t * t * t * (4.0 * q + 1.0))

    return p.func(
        "weight|falloff|support_weight|kernel", {"d2|r2": p.real, "h|radius": p.real}, body
    )


def _covariance(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, points, x: Name, goal: str
) -> None:  # type: ignore[no-untyped-def]
    v, m3 = p.vec(), p.mat()
    h = k.param("radius|support|bandwidth", 0.5, 2.0)
    f = _weight(p) if p.chance(0.55) else None
    mean, cov = (
        k.var("mean|centroid|mu", construct(v, 0.0)),
        k.var("cov|C|scatter", construct(m3, 0.0)),
    )
    total = k.var("w_sum|norm|total", 0.0, p.real)
    with neighbours(e) as (j, _):
        y = k.let("y|xj|nb_x", points[j])
        d = k.let("d|rel|off", y - x)
        w: Expr = k.let("w|wt", f(wp.dot(d, d), h)) if f is not None else num(p, 1.0)
        k.aug(mean, "+", d if f is None else d * w)
        k.aug(cov, "+", wp.outer(d, d) if f is None else wp.outer(d, d) * w)
        k.aug(total, "+", w)
    with k.when(total < p.pick(1.0e-6, 1.0e-4)):
        k.ret()
    k.set(mean, mean / total)
    k.set(cov, cov / total - wp.outer(mean, mean))
    if p.chance(0.3):
        k.set(cov, cov + wp.diag(construct(v, k.param("ridge|eps_cov|regularize", 1.0e-5, 1.0e-3))))
    q, s = k.unpack(["q|vecs|V", "s|vals|lam"], wp.eig3(cov))
    if goal == "shape":
        _features(p, k, e, s)
        return
    slot = k.var("slot|smallest|low", 0)
    with k.when(s[1] < s[0]):
        k.set(slot, 1)
    with k.when(s[2] < s[slot]):
        k.set(slot, 2)
    n = k.var("n|normal", construct(v, q[0, slot], q[1, slot], q[2, slot]))
    if goal == "mls":
        offset = wp.dot(mean, n)
        e.out("projected|points_out|smoothed", v).store(
            x + n * offset
            if p.chance(0.6)
            else x + n * (offset * k.param("step|damping|relax", 0.2, 0.9))
        )
        if p.chance(0.5):
            e.out("normals|normals_out", v).store(n)
        return
    if p.chance(0.6):
        view = k.quantity("viewpoint|sensor_origin|view", v, [0.0, 0.0, 3.0])
        with k.when(wp.dot(n, view - x) < 0.0):
            k.set(n, -n)
    e.out("normals|normals_out|estimated", v).store(n)
    if p.chance(0.5):
        e.out("curvature|surface_variation|flatness", p.real).store(
            s[slot] / wp.max(s[0] + s[1] + s[2], 1.0e-8)
        )


def _features(p: ProgramBuilder, k: KernelBuilder, e: Entities, s: Expr) -> None:
    top, low = (
        k.let("l1|top|largest", wp.max(wp.max(s[0], s[1]), s[2])),
        k.let("l3|low|least", wp.min(wp.min(s[0], s[1]), s[2])),
    )
    mid = k.let("l2|mid", s[0] + s[1] + s[2] - top - low)
    inv = k.let("inv|rcp", 1.0 / wp.max(top, 1.0e-8))
    for what in p.shuffled(p.sample(["line", "plane", "sphere", "aniso", "sum"], 2, 4)):
        match what:
            case "line":
                e.out("linearity|line_score", p.real).store((top - mid) * inv)
            case "plane":
                e.out("planarity|plane_score", p.real).store((mid - low) * inv)
            case "sphere":
                e.out("sphericity|scatter_score", p.real).store(low * inv)
            case "aniso":
                e.out("anisotropy|elongation", p.real).store((top - low) * inv)
            case _:
                e.out("eigen_sum|spread", p.real).store(top + mid + low)


def _spacing(p: ProgramBuilder, k: KernelBuilder, e: Entities, points, x: Name, goal: str) -> None:  # type: ignore[no-untyped-def]
    total, square, n = (
        k.var("total|sum_d|acc", 0.0, p.real),
        k.var("sq|sum_d2", 0.0, p.real),
        k.var("n|count|found", 0),
    )
    near = k.var("near_d|nearest|d_min", 1.0e6, p.real)
    radius = k.param("radius|search_radius|cutoff", 0.4, 1.5)
    with neighbours(e) as (j, _):
        d = k.let("d|dist", wp.length(points[j] - x))
        if goal == "outlier":
            with k.when(d < radius):
                k.aug(n, "+", 1)
                k.aug(total, "+", d)
        else:
            k.aug(n, "+", 1)
            k.aug(total, "+", d)
        k.aug(square, "+", d * d)
        k.set(near, wp.min(near, d))
    with k.when(n == 0):
        k.ret()
    mean = k.let("mean|avg", total / construct(p.real, n))
    if goal == "outlier":
        least = k.count("min_neighbours|min_count|needed", p.pick(2, 3, 4))
        e.out("is_outlier|isolated|rejected", T.I32).store(
            choose(n < least, 1, 0) if p.chance(0.5) else wp.where(n < least, 1, 0)
        )
        if p.chance(0.5):
            e.out("mean_distance|avg_spacing", p.real).store(mean)
        e.out("spread|energy", p.real).store(wp.sqrt(square) * wp.min(near, 1.0))
        return
    e.out("spacing|mean_distance", p.real).store(mean)
    if p.chance(0.5):
        e.out("nearest_distance|gap", p.real).store(near)
    var = k.let("var|variance", wp.max(square / construct(p.real, n) - mean * mean, 0.0))
    if p.chance(0.5):
        e.out("density|points_per_volume", p.real).store(
            construct(p.real, n) / (4.18879 * wp.max(mean * mean * mean, 1.0e-4))
        )
    k.do(wp.atomic_add(k.out("total_variance|spread_sum", p.real, (1,)), 0, var))


# --- registration ---------------------------------------------------------------------------------
