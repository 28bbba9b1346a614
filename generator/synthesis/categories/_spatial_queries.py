"""Hash-grid, BVH and brute-force queries, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import falloff
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def hash_grid(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "count_grid_neighbors|hash_grid_density|nearest_by_grid|grid_neighbors|outlier_scores|local_average",
        p.pick(
            "Neighbours through a hash grid.",
            "Radius query around every point.",
            "Local statistics from grid neighbours.",
        ),
    )
    e = Entities(k, "point", index="tid|i|t", layouts=False)
    points = k.array("points|positions|x", T.VEC3, (e.n,), R.uniform(-2.0, 2.0))
    radius_value = p.nice(0.4, 1.0)
    grid = k.arg(
        "grid|grid_id|hash_grid", T.Handle("hash_grid"), R.hash_grid(points.id, radius_value), 0
    )
    radius = k.quantity("radius|search_radius|query_radius", T.F32, radius_value)
    i = k.let("i|pid|own_id", wp.hash_grid_point_id(grid, e.index)) if p.chance(0.5) else e.index
    if p.chance(0.3):
        mask = k.array("active|mask|is_valid", T.I32, (e.n,), R.mask(0.8))
        with k.when(mask[i] == 0):
            k.ret()
    own = k.let("x_i|own|p_i", points[i])
    form = p.pick("count", "density", "nearest", "mean", "covariance", "label")
    state = _open_state(p, k, e, form, i)
    iteration = p.chance(0.6)
    if iteration:
        with k.each("j|other|nbr", wp.hash_grid_query(grid, own, radius), T.I32) as j:
            _grid_visit(p, k, e, form, state, points, own, i, j, radius)
    else:
        query = k.let("query|q|it", wp.hash_grid_query(grid, own, radius))
        j = k.var("j|other|nbr", 0)
        with k.repeat(wp.hash_grid_query_next(query, j)):
            _grid_visit(p, k, e, form, state, points, own, i, j, radius)
    _close_state(p, k, e, form, state, own, i)


def _open_state(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, form: str, i: Expr
) -> dict[str, Expr]:
    state: dict[str, Expr] = {}
    if form in ("count", "mean", "covariance"):
        state["count"] = k.var("count|n|found", 0)
    if form == "density":
        state["rho"] = k.var("rho|density|acc", 0.0)
    if form == "nearest":
        state["best"], state["who"] = (
            k.var("best|d_min|nearest", 1.0e6),
            k.var("who|nearest_id|arg", -1),
        )
    if form == "mean":
        weighted = p.chance(0.5)
        state["acc"] = k.var("acc|mean|total", construct(T.VEC3, 0.0))
        if weighted:
            state["norm"] = k.var("norm|weight_sum|w_total", 0.0)
    if form == "covariance":
        state["cov"] = k.var("cov|c|scatter", construct(T.MAT33, 0.0))
    if form == "label":
        state["labels"] = k.array("labels|cluster|component", T.I32, (e.n,), R.permutation())
        state["low"] = k.var("low|best_label|root", state["labels"][i])
    return state


def _grid_visit(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    state: dict[str, Expr],
    points: Expr,
    own: Expr,
    i: Expr,
    j: Expr,
    radius: Expr,
) -> None:
    if p.chance(0.75):
        with k.when(j == i):
            k.cont()
    d = k.let("d|delta|rel", points[j] - own)
    r = k.let("r|dist|d_ij", wp.length(d))
    with k.when(r > radius if p.chance(0.6) else r >= radius):
        k.cont()
    if form == "count":
        k.aug(state["count"], "+", 1)
    elif form == "density":
        k.aug(state["rho"], "+", falloff(p, k, r, radius))
    elif form == "nearest":
        with k.when(r < state["best"]):
            k.set(state["best"], r)
            k.set(state["who"], j)
    elif form == "mean":
        k.aug(state["count"], "+", 1)
        if "norm" in state:
            w = k.let("w|weight|wt", falloff(p, k, r, radius))
            k.aug(state["acc"], "+", points[j] * w)
            k.aug(state["norm"], "+", w)
        else:
            k.aug(state["acc"], "+", points[j])
    elif form == "covariance":
        k.aug(state["count"], "+", 1)
        k.aug(state["cov"], "+", wp.outer(d, d))
    else:
        k.set(state["low"], wp.min(state["low"], state["labels"][j]))


def _close_state(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    state: dict[str, Expr],
    own: Expr,
    i: Expr,
) -> None:
    def out(hint: str, t: T.Type, value: Expr | float) -> None:
        k.set(k.out(hint, t, (e.n,))[i], value)

    if form == "count":
        out("neighbor_counts|counts|num_neighbors", T.I32, state["count"])
        if p.chance(0.5):
            least = k.count("min_neighbors|support|min_points", p.pick(2, 3, 5))
            out("is_core|inlier|keep", T.I32, choose(state["count"] >= least, 1, 0))
    elif form == "density":
        out("densities|rho_out|weights_out", T.F32, state["rho"])
        if p.chance(0.4):
            k.do(wp.atomic_max(k.out("max_density|peak", T.F32, (1,)), 0, state["rho"]))
    elif form == "nearest":
        out("nearest_ids|nearest_out", T.I32, state["who"])
        out("nearest_dist|spacing|gaps", T.F32, choose(state["who"] >= 0, state["best"], -1.0))
    elif form == "mean":
        if "norm" in state:
            with k.when(state["norm"] > 0.0):
                out("smoothed|means|filtered", T.VEC3, state["acc"] / state["norm"])
            out("neighbor_counts|support_count", T.I32, state["count"])
        else:
            with k.when(state["count"] > 0):
                out(
                    "smoothed|means|filtered",
                    T.VEC3,
                    own
                    + (state["acc"] / cast(T.F32, state["count"]) - own)
                    * k.param("strength|lambda_s|blend", 0.1, 0.9),
                )
    elif form == "covariance":
        with k.when(state["count"] > 2):
            scaled = k.let("c_n|normalized|tensor", state["cov"] / cast(T.F32, state["count"]))
            out("covariances|tensors|shape_out", T.MAT33, scaled)
            if p.chance(0.5):
                out("spread|trace_out|scale_out", T.F32, wp.trace(scaled))
    else:
        out("labels_out|new_labels|clusters", T.I32, state["low"])


def bvh(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "query_boxes|bvh_overlap_counts|ray_box_hits|broad_phase|bvh_pairs|pick_boxes",
        p.pick(
            "Boxes of a BVH that overlap each query.",
            "Candidate lists from a BVH.",
            "Ray queries against a BVH.",
        ),
    )
    e = Entities(k, "query", index="tid|q|i")
    count = p.pick(48, 64, 96)
    bvh = k.arg("bvh|bvh_id|tree", T.Handle("bvh"), R.bvh(count, -2.0, 2.0, 0.4), 0)
    e.guard()
    if p.chance(0.6):
        center = e.field("centers|query_points|x", T.VEC3, R.uniform(-2.0, 2.0)).read(
            "c|x_q|center"
        )
        reach = e.property("half_width|query_radius|reach", 0.2, 1.0)
        grow = construct(T.VEC3, reach)
        query = k.let("query|it|found", wp.bvh_query_aabb(bvh, center - grow, center + grow))
    else:
        origin, direction = (
            e.field("origins|ray_o|ray_start", T.VEC3, R.uniform(-3.0, 3.0)).own,
            e.field("directions|ray_d|ray_dir", T.VEC3, R.unit_vectors()).own,
        )
        query = k.let("query|it|found", wp.bvh_query_ray(bvh, origin, direction))
    tally = k.var("count|hits|n_hits", 0)
    payload = _bvh_payload(p, k, e, count)
    box = k.var("box|j|item", 0)
    with k.repeat(wp.bvh_query_next(query, box)):
        payload[0](box, tally)
        k.aug(tally, "+", 1)
    e.out("hit_counts|num_hits|counts", T.I32).store(tally)
    payload[1](tally)


def _bvh_payload(p: ProgramBuilder, k: KernelBuilder, e: Entities, count: int):  # type: ignore[no-untyped-def]
    form = p.pick("none", "lowest", "weights", "groups", "self")
    if form == "none":
        return (lambda box, tally: None), (lambda tally: None)
    if form == "lowest":
        low = k.var("lowest|first_id|min_id", 1 << 20)
        return (lambda box, tally: k.set(low, wp.min(low, box))), (
            lambda tally: e.out("lowest_ids|first_hits", T.I32).store(choose(tally > 0, low, -1))
        )
    if form == "weights":
        weights = k.array("box_weights|costs|masses", T.F32, (count,), R.uniform(0.0, 1.0))
        total = k.var("total|load|acc", 0.0)
        return (lambda box, tally: k.aug(total, "+", weights[box])), (
            lambda tally: e.out("loads|totals|weight_out", T.F32).store(total)
        )
    if form == "groups":
        groups = k.array("box_group|layers|collision_mask", T.I32, (count,), R.integers(0, 8))
        own = e.field("query_group|layer|mask", T.I32, R.integers(0, 8)).own

        def visit(box: Expr, tally: Expr) -> None:
            with k.when((groups[box] & own) == 0 if p.chance(0.5) else groups[box] == own):
                k.cont()

        return visit, (lambda tally: None)
    touched = Table(e, "touch_counts|box_hits|references", T.I32, (count,), role="out")
    return (lambda box, tally: touched.add(1, box)), (lambda tally: None)


def brute_force(p: ProgramBuilder) -> None:
    """All-pairs searches for small sets: radius graphs, nearest targets, Hausdorff distances, pair counts."""
    axes = p.pick(2, 3, 3)
    t = T.Vec(axes)
    form = p.pick("graph", "nearest", "hausdorff", "pairs", "correspond")
    k = p.kernel_builder(
        f"{form}_search|all_pairs_{form}|brute_force_{form}|find_{form}|{form}_kernel",
        p.pick("All-pairs search.", "Brute-force neighbour search for small sets.", ""),
    )
    p.real = T.F32
    e = Entities(k, "point", index="i|tid")
    x = e.field("points|source|positions", t, R.uniform(-1.0, 1.0))
    e.guard()
    m = p.pick(40, 64, 90)
    other = (
        x
        if form in ("graph", "pairs")
        else Table(e, "targets|reference|cloud_b", t, (m,), R.uniform(-1.0, 1.0))
    )
    own = x.read("x_i|own|p_i")
    size = (
        e.count()
        if form in ("graph", "pairs")
        else (other.extent() if p.chance(0.5) else k.count("num_targets|m|size_b", m))
    )  # type: ignore[union-attr]
    radius = (
        k.param("radius|cutoff|max_dist", 0.3, 0.9)
        if form in ("graph", "pairs") or p.chance(0.4)
        else None
    )
    best, who, count = (
        k.var("best|d_min|nearest", 1.0e6),
        k.var("who|match_id|arg", -1),
        k.var("count|n|found", 0),
    )
    rows = (
        Table(e, "edges|neighbor_ids|adjacency", T.I32, (e.n, 8), R.constant(-1), "inout")
        if form == "graph"
        else None
    )
    normals = (
        (
            e.field("normals|source_normals", t, R.unit_vectors()),
            Table(e, "target_normals|normals_b", t, (m,), R.unit_vectors()),
        )
        if form == "correspond" and p.chance(0.6)
        else None
    )
    with (
        k.loop("j|other_id|b", e.index + 1, size)
        if form == "pairs"
        else k.loop("j|other_id|b", size) as j
    ):
        if form == "graph":
            with k.when(j == e.index):
                k.cont()
        d = k.let("d|dist|r", wp.length(other[j] - own))
        if radius is not None:
            with k.when(d > radius):
                k.cont()
        if normals is not None:
            with k.when(
                wp.dot(normals[0].own, normals[1][j])
                < k.param("min_cos|normal_cos|compat", 0.1, 0.6)
            ):
                k.cont()
        if rows is not None:
            with k.when(count < 8):
                rows.store(j, e.index, count)
        if form in ("graph", "pairs"):
            k.aug(count, "+", 1)
        with k.when(d < best):
            k.set(best, d)
            k.set(who, j)
    _pair_outputs(p, k, e, form, best, who, count, own, other)


def _pair_outputs(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    best: Name,
    who: Name,
    count: Name,
    own: Expr,
    other,
) -> None:  # type: ignore[no-untyped-def]
    if form in ("graph", "pairs"):
        e.out("degrees|pair_counts|counts", T.I32).store(count)
        if p.chance(0.5):
            Table(e, "total_pairs|num_edges|total", T.I32, (1,), role="out").add(count, 0)
    e.out("nearest_ids|matches|correspondence", T.I32).store(who)
    if form == "hausdorff":
        with k.when(who >= 0):
            Table(e, "hausdorff|max_min_dist|worst", T.F32, (1,), role="out").atomic("max", best, 0)
            if p.chance(0.5):
                Table(e, "chamfer_sum|mean_dist|total_dist", T.F32, (1,), role="out").add(
                    best * best if p.chance(0.5) else best, 0
                )
    elif form == "correspond":
        with k.when(any_of(who < 0, best > k.param("reject_dist|outlier_dist", 0.3, 1.0))):
            e.out("valid|inlier|accepted", T.I32).store(literal(0, T.I32))
            k.ret()
        e.out("offsets|residual_vec|displacement", own.type).store(other[who] - own)
    else:
        e.out("distances|nearest_dist|gaps", T.F32).store(choose(who >= 0, best, -1.0))
