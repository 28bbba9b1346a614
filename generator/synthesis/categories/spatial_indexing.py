"""Spatial indices: space-filling curves, voxel hashes, cell lists, boxes, sweep and prune, trees."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._bvh_shapes import bvh_shapes
from generator.synthesis.categories._index_keys import curves, hashed
from generator.synthesis.categories._index_trees import trees
from generator.synthesis.categories._numerics import add_at
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name


@category("spatial_indexing", version=1, title="Spatial indexing")
def write(p: ProgramBuilder) -> None:
    """Structures that find things by place: Morton and Hilbert keys, voxel hashing, cell lists, neighbour counts with
    hash grids, axis-aligned boxes, sweep and prune, hierarchy construction, and queries of box trees."""
    p.weighted(
        {
            curves: 2.2,
            hashed: 3,
            _cell_list: 2.2,
            _boxes: 2,
            _sweep: 1.6,
            _grid_query: 1.8,
            trees: 3.6,
            bvh_shapes: 3.6,
        }
    )(p)


def _overlap(p: ProgramBuilder, b: Block, lo1: Expr, hi1: Expr, lo2: Expr, hi2: Expr) -> Expr:
    """Whether two boxes overlap."""
    n = T.length_of(lo1.type)
    form = p.pick("all", "separated", "length")

    def write(i: Block, a: Expr, c: Expr, d: Expr, e: Expr) -> None:
        if form == "separated":
            with i.loop("axis|k|ax", n) as x, i.when(any_of(a[x] > e[x], d[x] > c[x])):
                i.ret(cast(T.BOOL, False))
            i.ret(cast(T.BOOL, True))
            return
        i.ret(
            all_of(
                *[
                    t
                    for x in "xyz"[:n]
                    for t in (a.field(x) <= e.field(x), d.field(x) <= c.field(x))
                ]
            )
        )

    if p.on("helper_function") or p.chance(0.3):
        params = {
            "lo_a|a_min": lo1.type,
            "hi_a|a_max": lo1.type,
            "lo_b|b_min": lo1.type,
            "hi_b|b_max": lo1.type,
        }
        return p.func(
            "boxes_overlap|aabb_overlap|intersects|overlap",
            params,
            write,
            p.pick("", "Axis-aligned overlap test."),
        )(lo1, hi1, lo2, hi2)
    if form == "length":
        gap = b.let("gap|sep|g", wp.max(lo1 - hi2, lo2 - hi1))
        return wp.max(gap) <= 0.0
    return all_of(
        *[
            t
            for x in "xyz"[:n]
            for t in (lo1.field(x) <= hi2.field(x), lo2.field(x) <= hi1.field(x))
        ]
    )


def _cell_list(p: ProgramBuilder) -> None:
    """Searches over the cells around a point, with start and end arrays."""
    dims = p.pick(2, 3, 3)
    goal = p.pick("count", "nearest", "density", "table")
    k = p.kernel_builder(
        f"cell_list_{goal}|search_cells|neighbor_count|find_neighbors|query_cells|cell_neighbors",
        p.pick(
            "Neighbours from a cell list.",
            "Visit the surrounding cells.",
            "Fixed-radius search with sorted cells.",
        ),
    )
    e = Entities(k, p.pick("particle", "point", "atom"), layouts=p.chance(0.5))
    vec = T.Vec(dims)
    res = p.pick(4, 5, 6) if dims == 3 else p.pick(6, 8, 10)
    cells = res**dims
    x = e.field("positions|points|x|pos", vec, R.uniform(0.0, 1.0))
    start = k.array("cell_start|cell_offsets|starts", T.I32, (cells + 1,), R.offsets(e.n))
    order = (
        k.array("sorted_ids|cell_items|particle_ids", T.I32, (e.n,), R.permutation())
        if p.chance(0.75)
        else None
    )
    e.guard()
    n = k.count("grid_dim|resolution|cells_per_axis", res)
    radius = k.param("radius|cutoff|r_cut", 0.1, 0.4, T.F32)
    xi = x.read("xi|pt|p_i")
    names = ["cx|ci|ix", "cy|cj|iy", "cz|ck|iz"]
    mine = [
        k.let(names[a], wp.clamp(cast(T.I32, xi[a] * cast(T.F32, n)), 0, n - 1))
        for a in range(dims)
    ]
    periodic = p.chance(0.35)
    count = k.var("count|num_near|hits", 0)
    best, arg = (
        (k.var("best|nearest_d2|lowest", radius * radius), k.var("arg|nearest|who", -1))
        if goal == "nearest"
        else (None, None)
    )
    total = k.var("rho|total|weight_sum", 0.0, T.F32) if goal == "density" else None
    width = p.pick(8, 12, 16)
    table = (
        k.out("neighbor_table|neighbors|nbr_ids", T.I32, (e.n, width), R.constant(-1))
        if goal == "table" and e.worlds is None
        else None
    )

    def visit(cell: Expr) -> None:
        c = k.let("cell|c|bucket", cell)
        with k.loop("s|slot|m", start[c], start[c + 1]) as s:
            j = s if order is None else k.let("j|other|id_j", order[s])
            with k.when(j == e.index):
                k.cont()
            d = k.let("d|dx|rel", x[j] - xi)
            r2 = k.let("r2|d2|dist_sq", wp.dot(d, d) if p.chance(0.6) else wp.length_sq(d))
            if best is not None and arg is not None:
                with k.when(r2 < best):
                    k.set(best, r2)
                    k.set(arg, j)
                return
            with k.when(r2 < radius * radius):
                if total is not None:
                    q = k.let("q|w|falloff", 1.0 - r2 / (radius * radius))
                    k.aug(total, "+", q * q * q if p.chance(0.5) else q)
                if table is not None:
                    with k.when(count < width):
                        k.set(table[e.index, count], j)
                k.aug(count, "+", 1)

    _around(p, k, mine, n, dims, periodic, visit)
    if total is not None:
        e.out("densities|rho_out|weights_out", T.F32).store(total)
    if best is not None and arg is not None:
        e.out("nearest_ids|closest|nn_index", T.I32).store(arg)
        if p.chance(0.6):
            with k.when(arg >= 0):
                e.out("nearest_dist|nn_dist|distances", T.F32).store(wp.sqrt(best))
    else:
        e.out("neighbor_counts|counts|num_neighbors", T.I32).store(count)
        if p.chance(0.4):
            k.do(wp.atomic_max(k.out("max_count|most_neighbors|peak", T.I32, (1,)), 0, count))


def _around(
    p: ProgramBuilder, k: KernelBuilder, mine: list[Name], n: Expr, dims: int, periodic: bool, visit
) -> None:  # type: ignore[no-untyped-def]
    """Nested or flattened loops over the neighbouring cells."""
    names = ["dx|oi|a", "dy|oj|b", "dz|ok|c"]
    flat = p.chance(0.25)

    def inner(offsets: list[Expr]) -> None:
        moved = [
            k.let(h, m + o)
            for h, m, o in zip(["nx|ni|x_c", "ny|nj|y_c", "nz|nk|z_c"], mine, offsets, strict=False)
        ]
        if periodic:
            moved = [
                k.let(h, (m + n) % n)
                for h, m in zip(["wx|pi_x", "wy|pj_y", "wz|pk_z"], moved, strict=False)
            ]
        else:
            with k.when(any_of(*[t for m in moved for t in (m < 0, m >= n)])):
                k.cont()
        index: Expr = moved[0]
        for m in moved[1:]:
            index = index * n + m
        visit(index)

    if flat:
        with k.loop("o|nb|offset", 3**dims) as o:
            offsets = (
                [o // 9 - 1, o // 3 % 3 - 1, o % 3 - 1] if dims == 3 else [o // 3 - 1, o % 3 - 1]
            )
            inner(offsets)
        return
    with k.loop(names[0], -1, 2) as a, k.loop(names[1], -1, 2) as b:
        if dims == 3:
            with k.loop(names[2], -1, 2) as c:
                inner([a, b, c])
        else:
            inner([a, b])


# --- boxes ----------------------------------------------------------------------------------------


def _boxes(p: ProgramBuilder) -> None:
    """Bounding boxes of primitives and unions of boxes."""
    shape = p.pick("triangle", "sphere", "segment", "swept", "rotated", "triangle")
    k = p.kernel_builder(
        f"{shape}_bounds|compute_aabbs|primitive_bounds|update_boxes|refit_leaves|build_aabbs",
        p.pick(
            "Bounding box of every primitive.", f"Axis-aligned boxes of {shape} primitives.", ""
        ),
    )
    word = "triangle" if shape == "triangle" else p.pick("primitive", "shape", "object")
    e = Entities(k, word)
    planar = shape in ("sphere", "segment", "swept") and p.chance(0.3)
    vec = T.VEC2 if planar else T.VEC3
    n = p.pick(60, 80, 120)
    if shape in ("triangle", "segment"):
        verts = k.array("vertices|points|verts", vec, (n,), R.uniform(-2.0, 2.0))
        corners = 3 if shape == "triangle" else 2
        ids = k.array("indices|faces|elements", T.I32, (e.n, corners), R.integers(0, n))
        e.guard()
        v = [k.let(f"v{c}|p{c}|x{c}", verts[ids[e.index, c]]) for c in range(corners)]
        if corners == 3 and p.chance(0.3):
            lo, hi = k.var("lo|lower|bmin", v[0]), k.var("hi|upper|bmax", v[0])
            for other in v[1:]:
                k.set(lo, wp.min(lo, other))
                k.set(hi, wp.max(hi, other))
        else:
            low, high = wp.min(v[0], v[1]), wp.max(v[0], v[1])
            lo = k.var("lo|lower|bmin", wp.min(low, v[2]) if corners == 3 else low)
            hi = k.var("hi|upper|bmax", wp.max(high, v[2]) if corners == 3 else high)
    elif shape == "rotated":
        pose, half = (
            e.field("poses|transforms|body_q", T.TRANSFORM, R.rigid(-2.0, 2.0)),
            e.field("half_extents|extents|sizes", T.VEC3, R.uniform(0.1, 0.6)),
        )
        e.guard()
        tf, h = pose.read("tf|pose|xf"), half.read("h|he|ext")
        rot = k.let("rot|r_mat|basis", wp.quat_to_matrix(wp.transform_get_rotation(tf)))
        if p.chance(0.5):
            ext = construct(
                T.VEC3,
                *(
                    wp.abs(rot[i, 0]) * h.x + wp.abs(rot[i, 1]) * h.y + wp.abs(rot[i, 2]) * h.z
                    for i in range(3)
                ),
            )
            reach = k.let("reach|world_ext|r", ext)
        else:
            reach = k.var("reach|world_ext|r", construct(T.VEC3, 0.0))
            with k.loop("i|row|a", 3) as i, k.loop("j|col|b", 3) as j:
                k.set(reach[i], reach[i] + wp.abs(rot[i, j]) * h[j])
        c = k.let("c|center|mid", wp.transform_get_translation(tf))
        lo, hi = k.var("lo|lower|bmin", c - reach), k.var("hi|upper|bmax", c + reach)
    else:
        x = e.field("centers|positions|x", vec, R.uniform(-2.0, 2.0))
        v_f = e.field("velocities|vel|v", vec, R.uniform(-1.0, 1.0)) if shape == "swept" else None
        e.guard()
        r = e.property("radius|radii_r|bound_radius", 0.05, 0.5, T.F32)
        c = x.read("c|xi|center")
        reach = construct(vec, r)
        if v_f is not None:
            end = k.let("c_end|moved|x1", c + v_f.own * k.param("dt|step|h", 0.01, 0.2, T.F32))
            lo, hi = (
                k.var("lo|lower|bmin", wp.min(c, end) - reach),
                k.var("hi|upper|bmax", wp.max(c, end) + reach),
            )
        else:
            lo, hi = k.var("lo|lower|bmin", c - reach), k.var("hi|upper|bmax", c + reach)
    if p.chance(0.45):
        margin = construct(vec, k.param("margin|padding|skin", 0.001, 0.1, T.F32))
        k.set(lo, lo - margin)
        k.set(hi, hi + margin)
    _store_box(p, k, e, vec, lo, hi)


def _store_box(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, lo: Name, hi: Name
) -> None:
    if p.chance(0.25):
        e.out("centers_out|box_center|mid_out", vec).store(0.5 * (lo + hi))
        e.out("extents_out|half_sizes|box_half", vec).store(0.5 * (hi - lo))
    else:
        e.out("lowers|aabb_min|box_lo", vec).store(lo)
        e.out("uppers|aabb_max|box_hi", vec).store(hi)
    worlds, where = e.worlds or 1, e.world if e.world is not None else 0
    for what in p.sample(["scene", "area", "longest", "volume"], 0, 2):
        size = hi - lo
        if what == "scene":
            k.do(
                wp.atomic_min(
                    k.out("scene_min|scene_lo|bounds_min", vec, (worlds,), R.constant(1000.0)),
                    where,
                    lo,
                )
            )
            k.do(
                wp.atomic_max(
                    k.out("scene_max|scene_hi|bounds_max", vec, (worlds,), R.constant(-1000.0)),
                    where,
                    hi,
                )
            )
        elif what == "area":
            d = k.let("d|ext|size", size)
            value = d.x * d.y + d.y * d.z + d.z * d.x if vec.n == 3 else d.x + d.y
            e.out("areas|surface|sah_area", T.F32).store(2.0 * value)
        elif what == "longest":
            d = k.let("span|dims|widths", size)
            axis = (
                choose(d.x >= d.y, 0, 1)
                if vec.n == 2
                else choose(all_of(d.x >= d.y, d.x >= d.z), 0, choose(d.y >= d.z, 1, 2))
            )
            e.out("split_axis|longest_axis|axis_out", T.I32).store(axis)
        else:
            d = k.let("dims|sides|s_box", size)
            add_at(
                k,
                k.out("total_volume|volume_sum|covered", T.F32, (worlds,)),
                where,
                d.x * d.y * d.z if vec.n == 3 else d.x * d.y,
            )


def _sweep(p: ProgramBuilder) -> None:
    """Sweep and prune along an axis, or all pairs, with overlap counts."""
    form = p.pick("sorted", "sorted", "brute", "pairs")
    k = p.kernel_builder(
        "sweep_and_prune|count_overlaps|broadphase|find_overlaps|sap_count|overlap_pairs",
        p.pick(
            "Overlaps of every box.",
            "Broad phase along one axis.",
            "Sweep over boxes sorted by their lower bound.",
        ),
    )
    e = Entities(k, p.pick("box", "shape", "body"), layouts=p.chance(0.4), count=p.pick(48, 64, 96))
    vec = T.VEC2 if p.chance(0.3) else T.VEC3
    lower, upper = (
        e.field("lowers|aabb_min|box_lo", vec, R.uniform(-1.0, 0.3)),
        e.field("uppers|aabb_max|box_hi", vec, R.uniform(0.0, 1.0)),
    )
    group = (
        e.field("collision_group|groups|layer", T.I32, R.integers(0, 4)) if p.chance(0.45) else None
    )
    if form == "pairs":
        _listed_pairs(p, k, e, vec, lower, upper)
        return
    order = (
        k.array("sorted_ids|order|sap_order", T.I32, (e.n,), R.permutation())
        if form == "sorted" and p.chance(0.7)
        else None
    )
    keys = (
        k.array("sorted_min|sap_lower|sort_keys", T.F32, (e.n,), R.ascending(-1.0, 0.6))
        if form == "sorted"
        else None
    )
    e.guard()
    here = e.index
    i = k.let("box_i|a|me", order[here]) if order is not None else here
    lo, hi = k.let("lo|lo_i|amin", lower[i]), k.let("hi|hi_i|amax", upper[i])
    count = k.var("count|hits|num_overlaps", 0)
    width = p.pick(8, 16)
    table = (
        k.out("overlap_table|pair_table|partners", T.I32, (e.n, width), R.constant(-1))
        if p.chance(0.4) and e.worlds is None
        else None
    )
    with k.loop("s|j_s|m", here + 1 if form == "sorted" or p.chance(0.5) else 0, e.count()) as s:
        if keys is not None:
            with k.when(keys[s] > hi.x):
                k.brk()
        else:
            with k.when(s == here):
                k.cont()
        j = k.let("j|box_j|other", order[s]) if order is not None else s
        if group is not None:
            with k.when(
                (group[i] & group[j]) == 0
                if p.chance(0.5)
                else all_of(group[i] == group[j], group[i] > 0)
            ):
                k.cont()
        with k.when(_overlap(p, k, lo, hi, lower[j], upper[j])):
            if table is not None:
                with k.when(count < width):
                    k.set(table[here, count], j)
            k.aug(count, "+", 1)
    e.out("overlap_counts|counts|num_pairs", T.I32).store(count)
    if p.chance(0.5):
        add_at(k, k.out("total_pairs|pair_total|total", T.I32, (1,)), 0, count)


def _listed_pairs(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, lower: Field, upper: Field
) -> None:
    """Candidate partners per box, tested and refined."""
    width = p.pick(4, 6, 8)
    cand = k.array("candidates|partners|pair_list", T.I32, (e.n, width), R.padded(0, e.n, 0.3))
    e.guard()
    lo, hi = lower.read("lo|lo_i|amin"), upper.read("hi|hi_i|amax")
    best = k.var("deepest|max_depth|worst", 0.0, T.F32)
    kept = k.var("kept|count|valid", 0)
    with k.loop("s|c|slot", width if p.chance(0.5) else cand.dim(1)) as s:
        j = k.let("j|other|b", cand[e.index, s])
        with k.when(j < 0):
            k.brk()
        gap = k.let("gap|sep|g", wp.max(lower[j] - hi, lo - upper[j]))
        apart = wp.max(gap) if p.chance(0.6) else wp.length(wp.max(gap, construct(vec, 0.0)))
        d = k.let("d|dist|apart", apart)
        with k.when(d <= k.param("contact_margin|skin|threshold", 0.001, 0.1, T.F32)):
            k.aug(kept, "+", 1)
            k.set(best, wp.max(best, -d))
    e.out("num_valid|kept_out|counts", T.I32).store(kept)
    e.out("max_overlap|depth_out|deepest_out", T.F32).store(best)


# --- hash grids -----------------------------------------------------------------------------------


def _grid_query(p: ProgramBuilder) -> None:
    """Fixed-radius queries of a hash grid: counts, nearest items, local statistics."""
    goal = p.pick("count", "nearest", "mean", "cluster", "k_nearest")
    k = p.kernel_builder(
        f"grid_{goal}|hash_grid_query|count_neighbors|radius_search|local_statistics|query_radius",
        p.pick("Radius search in a hash grid.", "Neighbourhood of every point.", ""),
    )
    n = p.pick(64, 96, 128, 160)
    cell = round(p.pick(0.2, 0.25, 0.3), 2)
    pts = k.array("points|positions|x", T.VEC3, (n,), R.uniform(0.0, 1.0))
    assert isinstance(pts, Name)
    grid = k.arg("grid|hash_grid|grid_id", T.Handle("hash_grid"), R.hash_grid(pts.id, cell), 0)
    separate = p.chance(0.35)
    radius = k.quantity("radius|search_radius|r", T.F32, p.pick(0.1, 0.15, 0.2))
    m = p.pick(32, 48, 64) if separate else n
    k.launch_dim = (m,)
    t = k.let("tid|i|q", wp.tid())
    if separate:
        x = k.let(
            "x|q_pos|center",
            k.array("queries|probes|targets", T.VEC3, (m,), R.uniform(0.0, 1.0))[t],
        )
        i: Expr = t
    else:
        i = k.let("i|me|own", wp.hash_grid_point_id(grid, t)) if p.chance(0.5) else t
        x = k.let("x|xi|center", pts[i])
    label = k.array("labels|phase|kind", T.I32, (n,), R.integers(0, 3)) if p.chance(0.35) else None
    count = k.var("count|num_near|hits", 0)
    best, arg = (
        (k.var("best|nearest_d|closest_d", radius), k.var("arg|nearest|who", -1))
        if goal == "nearest"
        else (None, None)
    )
    total = k.var("total|acc|pos_sum", construct(T.VEC3, 0.0)) if goal == "mean" else None
    low = k.var("low|label_min|root", i) if goal == "cluster" else None
    few = (
        (k.var("d0|first_d", radius), k.var("d1|second_d", radius), k.var("d2|third_d", radius))
        if goal == "k_nearest"
        else None
    )
    with k.each("j|nb|other", wp.hash_grid_query(grid, x, radius), T.I32) as j:
        if not separate:
            with k.when(j == i):
                k.cont()
        if label is not None:
            with k.when(label[j] != label[i % n] if not separate else label[j] == 0):
                k.cont()
        d = k.let("d|dist|r_ij", wp.length(pts[j] - x))
        with k.when(d >= radius):
            k.cont()
        k.aug(count, "+", 1)
        if best is not None and arg is not None:
            with k.when(d < best):
                k.set(best, d)
                k.set(arg, j)
        if total is not None:
            w = k.let("w|weight|fall", 1.0 - d / radius) if p.chance(0.5) else None
            k.aug(total, "+", (pts[j] - x) if w is None else (pts[j] - x) * w)
        if low is not None:
            k.set(low, wp.min(low, j))
        if few is not None:
            with k.when(d < few[0]):
                k.set(few[2], construct(T.F32, few[1]))
                k.set(few[1], construct(T.F32, few[0]))
                k.set(few[0], d)
            with k.elsewhen(d < few[1]):
                k.set(few[2], construct(T.F32, few[1]))
                k.set(few[1], d)
            with k.elsewhen(d < few[2]):
                k.set(few[2], d)
    k.set(k.out("neighbor_counts|counts|num_neighbors", T.I32, (m,))[i], count)
    if best is not None and arg is not None:
        k.set(k.out("nearest_ids|closest|nn_index", T.I32, (m,))[i], arg)
        if p.chance(0.5):
            k.set(k.out("nearest_dist|nn_dist|gaps", T.F32, (m,))[i], best)
    if total is not None:
        with k.when(count > 0):
            k.set(
                k.out("mean_offset|centroid_shift|local_mean", T.VEC3, (m,))[i],
                total / cast(T.F32, count),
            )
    if low is not None:
        k.set(k.out("cluster_ids|component|roots", T.I32, (m,))[i], low)
    if few is not None:
        value = construct(T.VEC3, *few) if p.chance(0.5) else few[2]
        k.set(k.out("knn_dist|three_nearest|kth_distance", value.type, (m,))[i], value)
    if p.chance(0.4):
        minimum = k.count("min_points|isolated_below|core_count", p.pick(2, 3, 4))
        with k.when(count < minimum):
            add_at(k, k.out("num_isolated|outliers|sparse_points", T.I32, (1,)), 0, 1)
