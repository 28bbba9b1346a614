"""Labels and integer images: connected components, roots, morphology, histograms and run lengths."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._grids import (
    along,
    border_exit,
    mask_exit,
    open_grid,
    threads,
    two_or_three,
)
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, lift


def _int(value: Expr) -> Expr:
    return value if value.type == T.I32 else cast(T.I32, value)


def labels(p: ProgramBuilder) -> None:
    """Connected components by propagation of the smallest label, percolation, watershed descent."""
    what = p.pick("propagate", "propagate", "flood", "descend")
    names = {
        "propagate": "propagate_labels|label_components|min_label_step|cluster_labels",
        "flood": "flood_fill_step|grow_region|percolate_step|wet_cells",
        "descend": "watershed_descent|steepest_neighbor|basin_labels|lowest_neighbor",
    }
    docs = {
        "propagate": "Smallest label of the connected neighbourhood.",
        "flood": "Grow the wetted region by one cell.",
        "descend": "Index of the lowest neighbour.",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            docs[what],
            "One sweep of connected-component labelling." if what == "propagate" else docs[what],
        ),
    )
    g = open_grid(
        p, k, two_or_three(p), boundary=p.pick("clamp", "interior", "periodic", "skip_outer")
    )
    axes = len(g.shape)
    total = 1
    for n in g.shape:
        total *= n
    offsets = [along(g, a, s) for a in range(axes) for s in (-1, 1)]
    if axes == 2 and p.chance(0.35):
        offsets += [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    if what == "descend":
        _descend(p, g, offsets)
    elif what == "flood":
        _flood(p, g, offsets)
    else:
        _propagate(p, g, offsets, total)


def _propagate(p: ProgramBuilder, g: Grid, offsets: list[tuple[int, ...]], total: int) -> None:
    k = g.k
    old = g.field("labels|label_in|component", T.I32, R.integers(0, total))
    new = g.out("labels_out|label_out|component_next", T.I32)
    border_exit(p, g, (new, old.own))
    same_value = p.chance(0.45)
    occupied = (
        None
        if same_value
        else g.field("occupied|mask|foreground|open_site", p.pick(T.I32, T.U8), R.mask(0.6))
    )
    image = (
        g.field("image|phase|values|site", p.pick(T.I32, T.U8), R.integers(0, 3))
        if same_value
        else None
    )
    one = lift(1, occupied.dtype) if occupied is not None else None
    if occupied is not None:
        with k.when(occupied.own != one):
            new.store(-1)
            k.ret()
    best = k.var("best|label|lowest", old.own)
    centre = k.let("v|mine|here", image.own) if image is not None else None
    for o in offsets:
        test = occupied[o] == one if occupied is not None else image[o] == centre  # type: ignore[index]
        if p.chance(0.6):
            with k.when(test):
                k.set(best, wp.min(best, old[o]))
        else:
            with k.when(all_of(test, old[o] < best)):
                k.set(best, old[o])
    new.store(best)
    if p.chance(0.6):
        flag = k.out("changed|num_changed|dirty", T.I32, (1,))
        with k.when(best != old.own if p.chance(0.5) else best < old.own):
            k.do(wp.atomic_add(flag, 0, 1) if p.chance(0.5) else wp.atomic_max(flag, 0, 1))


def _flood(p: ProgramBuilder, g: Grid, offsets: list[tuple[int, ...]]) -> None:
    k = g.k
    dtype = p.pick(T.I32, T.U8, T.BOOL)
    wet = g.field("wet|filled|visited", dtype, R.mask(0.3))
    new = g.out("wet_out|filled_out|visited_next", dtype)
    border_exit(p, g, (new, wet.own))
    mask_exit(
        p,
        g,
        (new, lift(False if dtype == T.BOOL else 0, dtype)),
        chance=0.4,
        hint="rock|closed|blocked",
    )

    def is_wet(o: tuple[int, ...] | None) -> Expr:
        cell = wet.own if o is None else wet[o]
        return cell if dtype == T.BOOL else cell == lift(1, dtype)

    bond = (
        g.field("bond|capillary|threshold_field", T.F32, R.uniform(0.0, 1.0))
        if p.chance(0.5)
        else None
    )
    level = k.param("pressure|probability|p_open", 0.4, 0.8) if bond is not None else None
    near = any_of(*[is_wet(o) for o in offsets])
    grow = near if bond is None or level is None else all_of(near, bond.own < level)
    value = lift(True if dtype == T.BOOL else 1, dtype)
    with k.when(is_wet(None)):
        new.store(value)
    with k.elsewhen(grow):
        new.store(value)
        if p.chance(0.6):
            count = k.out("num_new|front_size|added", T.I32, (1,))
            k.do(wp.atomic_add(count, 0, 1))
    if p.chance(0.4) and g.batch_index is None:
        through = k.out("breakthrough|spanning|reached_end", T.I32, (1,))
        last = g.extent(0) - (2 if g.boundary == "interior" else 1)
        with k.when(all_of(g.index[0] == last, is_wet(None))):
            k.do(wp.atomic_max(through, 0, 1))


def _descend(p: ProgramBuilder, g: Grid, offsets: list[tuple[int, ...]]) -> None:
    k = g.k
    height = g.field("height|image|elevation|cost", p.pick(T.I32, T.F32, T.F32), R.integers(0, 50))
    target = g.out("target|receiver|lowest_dir|pointer", T.I32)
    border_exit(p, g, (target, -1))
    best = k.var("best|lowest|h_min", height.own)
    where = k.var("dir_id|choice|arg", -1)
    for number, o in enumerate(offsets):
        with k.when(height[o] < best):
            k.set(best, height[o])
            k.set(where, number)
    target.store(where)
    if p.chance(0.5):
        minima = k.out("num_minima|sinks|pit_count", T.I32, (1,))
        with k.when(where == -1 if p.chance(0.6) else where < 0):
            k.do(wp.atomic_add(minima, 0, 1))
    elif p.chance(0.5) and height.dtype == T.F32:
        g.out("drop|slope_out|gradient", T.F32).store(height.own - best)


def union_find(p: ProgramBuilder) -> None:
    """Forests of labels: roots by following parents, compression, component sizes and boxes."""
    what = p.pick("root", "root", "jump", "sizes", "boxes")
    names = {
        "root": "find_roots|resolve_labels|flatten_tree|compress_paths",
        "jump": "pointer_jump|halve_paths|shortcut",
        "sizes": "component_sizes|count_labels|cluster_mass",
        "boxes": "component_boxes|label_bounds|bounding_boxes",
    }
    k = p.kernel_builder(
        names[what],
        p.pick(
            {
                "root": "Follow parents to the root of every element.",
                "jump": "Pointer jumping.",
                "sizes": "Size of every component.",
                "boxes": "Bounding box of every label.",
            }[what],
            "",
        ),
    )
    n, worlds = p.pick(96, 128, 200, 256), p.pick(1, 1, 2, 4)
    if worlds == 1:
        i = threads(k, ["i|tid|cell|idx"], (n,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        w, i = threads(k, ["w|world|b", "i|cell|idx"], (worlds, n))
        lead = (w,)
    shape = (n,) if worlds == 1 else (worlds, n)
    parent = k.array("parent|labels|links", T.I32, shape, R.parents())
    if p.chance(0.3):
        k.launch_dim = (*k.launch_dim[:-1], n + p.pick(8, 16))
        with k.when(i >= parent.dim(len(lead))):
            k.ret()
    if what == "jump":
        out = k.out("parent_out|next_parent|jumped", T.I32, shape)
        up = k.let("up|p0|first", parent[(*lead, i)])
        with k.when(up < 0):
            k.set(out[(*lead, i)], i if p.chance(0.5) else up)
            k.ret()
        grand = k.let("grand|p1|second", parent[(*lead, up)])
        k.set(out[(*lead, i)], choose(grand < 0, up, grand))
        return
    root = _root(p, k, parent, lead, i, n)
    if what == "root":
        k.set(k.out("root|labels_out|roots", T.I32, shape)[(*lead, i)], root)
        if p.chance(0.5):
            count = k.out("num_components|num_roots|components", T.I32, (worlds,))
            with k.when(root == i):
                k.do(wp.atomic_add(count, lead[0] if lead else 0, 1))
        return
    if what == "sizes":
        size = k.out("sizes|label_count|mass", T.I32, shape)
        k.do(wp.atomic_add(size, *lead, root, 1))
        if p.chance(0.6):
            value = k.array("values|weight|intensity", T.F32, shape, R.uniform(0.0, 1.0))
            total = k.out("sums|totals|label_sum", T.F32, shape)
            k.do(wp.atomic_add(total, *lead, root, value[(*lead, i)]))
        return
    width = k.count("width|nx|cols", 16)
    x, y = k.let("x|col", i % width), k.let("y|row", i // width)
    low, high = (
        k.array("box_min|lower", T.I32, (*shape, 2), R.constant(9999), "inout"),
        k.array("box_max|upper", T.I32, (*shape, 2), R.constant(-1), "inout"),
    )
    for axis, v in ((0, x), (1, y)):
        k.do(wp.atomic_min(low, *lead, root, axis, v))
        k.do(wp.atomic_max(high, *lead, root, axis, v))


def _root(
    p: ProgramBuilder, k: object, parent: Expr, lead: tuple[Expr, ...], i: Expr, n: int
) -> Expr:
    """The root of element `i`: a loop over parents, in the kernel or in a function."""
    bounded = p.chance(0.3)

    def walk(b: Block, links: Expr, where: tuple[Expr, ...], start: Expr) -> Expr:
        node = b.var("node|r|cur", start)
        if bounded:
            with b.loop("s|hop|step", links.dim(len(where))):
                with b.when(links[(*where, node)] < 0):
                    b.brk()
                b.set(node, links[(*where, node)])
        else:
            with b.repeat(links[(*where, node)] >= 0):
                b.set(node, links[(*where, node)])
        return node

    if p.chance(0.5):
        params: dict[str, T.Type] = {"parent|links": parent.type}
        params |= {"w|world": T.I32} if lead else {}

        def body(b: Block, links: Expr, *rest: Expr) -> None:
            b.ret(walk(b, links, rest[:-1], rest[-1]))

        f = p.func(
            "find_root|root_of|find",
            {**params, "start|i": T.I32},
            body,
            "Follows parents up to the root.",
        )
        return k.let("root|label|rep", f(parent, *lead, i))  # type: ignore[attr-defined]
    return walk(k, parent, lead, i)  # type: ignore[arg-type]


def morphology(p: ProgramBuilder) -> None:
    """Erosion, dilation, rank filters and chamfer distances on integer images."""
    what = p.pick("erode", "dilate", "gradient", "chamfer", "majority", "thin")
    names = {
        "erode": "erode|min_filter|shrink_mask",
        "dilate": "dilate|max_filter|grow_mask",
        "gradient": "morphological_gradient|edge_mask|outline",
        "chamfer": "chamfer_step|distance_pass|city_block_step",
        "majority": "majority_filter|mode_filter|vote",
        "thin": "remove_isolated|prune_pixels|clean_mask",
    }
    docs = {
        "erode": "Minimum over the neighbourhood.",
        "dilate": "Maximum over the neighbourhood.",
        "gradient": "Difference of dilation and erosion.",
        "chamfer": "One sweep of a chamfer distance transform.",
        "majority": "Majority vote of the neighbouring pixels.",
        "thin": "Removes pixels with too few neighbours.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], ""))
    g = open_grid(p, k, 2, boundary=p.pick("clamp", "interior", "skip_outer"))
    dtype = p.pick(T.U8, T.I32, T.U8, T.I16)
    image = g.field(
        "image|src|mask_in|pixels",
        dtype,
        R.integers(0, 2) if what in ("majority", "thin") else R.integers(0, 120),
    )
    out = g.out("image_out|dst|mask_out|result", dtype)
    border_exit(p, g, (out, image.own))
    c = k.let("c|center|v", _int(image.own))
    shape = p.pick("cross", "box", "loop")
    offsets = [(-1, 0), (1, 0), (0, -1), (0, 1)] + (
        [(-1, -1), (-1, 1), (1, -1), (1, 1)] if shape == "box" else []
    )
    if what == "chamfer":
        value = k.var("d|dist|best", c)
        straight, diagonal = (
            k.count("straight|axial_cost", p.pick(1, 3)),
            k.count("diagonal|diag_cost", p.pick(2, 4)) if shape == "box" else None,
        )
        for o in offsets:
            step = diagonal if o[0] and o[1] else straight
            k.set(value, wp.min(value, _int(image[o]) + step))
    elif what in ("majority", "thin"):
        near = k.var("near|votes|n", 0)
        for o in offsets:
            k.aug(near, "+", _int(image[o]))
        half = len(offsets) // 2
        value = k.let(
            "value|new",
            choose(near > half, lift(1, T.I32), choose(near == half, c, lift(0, T.I32)))
            if what == "majority"
            else choose(
                all_of(c == 1, near < k.count("min_neighbors|keep_if", p.pick(1, 2))),
                lift(0, T.I32),
                c,
            ),
        )
    elif shape == "loop":
        value = _rank_loop(p, g, image, c, what)
    else:
        low, high = c, c
        for o in offsets:
            low, high = wp.min(low, _int(image[o])), wp.max(high, _int(image[o]))
        value = k.let(
            "value|new|extreme",
            low if what == "erode" else high if what == "dilate" else high - low,
        )
    out.store(value if dtype == T.I32 else cast(dtype, value))
    if p.chance(0.35):
        changed = k.out("num_changed|changed_pixels|flips", T.I32, (1,))
        with k.when(value != c):
            k.do(wp.atomic_add(changed, 0, 1))


def _rank_loop(p: ProgramBuilder, g: Grid, image: GridField, c: Expr, what: str) -> Expr:
    k = g.k
    radius = k.count("radius|half|reach", p.pick(1, 2, 3))
    low, high = (
        k.var("low|v_min|lo", c) if what != "dilate" else None,
        k.var("high|v_max|hi", c) if what != "erode" else None,
    )
    round_shape = p.chance(0.4)
    with (
        k.loop("di|dr|dy", -radius, radius + 1) as di,
        k.loop("dj|dc|dx", -radius, radius + 1) as dj,
    ):
        if round_shape:
            with k.when(di * di + dj * dj > radius * radius):
                k.cont()
        at = [
            wp.clamp(i + d, 0, g.extent(a) - 1)
            for a, (i, d) in enumerate(zip(g.index, (di, dj), strict=True))
        ]
        v = k.let("v|value|px", _int(image.at(*at)))
        if low is not None:
            k.set(low, wp.min(low, v))
        if high is not None:
            k.set(high, wp.max(high, v))
    if low is not None and high is not None:
        return k.let("spread|range_out|contrast", high - low)
    return low if low is not None else high  # type: ignore[return-value]


def pixel_statistics(p: ProgramBuilder) -> None:
    """Histograms, co-occurrence, run lengths and prefix sums of integer images."""
    what = p.pick("histogram", "cooccurrence", "runs", "prefix", "moments")
    names = {
        "histogram": "histogram|count_levels|level_histogram",
        "cooccurrence": "cooccurrence|glcm|pair_counts",
        "runs": "run_lengths|longest_run|count_runs",
        "prefix": "row_prefix|integral_rows|scan_rows",
        "moments": "image_moments|blob_moments|centroid_sums",
    }
    k = p.kernel_builder(names[what], p.pick(f"{what.capitalize()} of an integer image.", ""))
    levels = p.pick(4, 8, 16)
    dtype = p.pick(T.U8, T.I32, T.U16)
    if what in ("runs", "prefix"):
        rows, cols = p.pick(16, 24, 32), p.pick(24, 32, 40)
        down = p.chance(0.35)  # columns instead of rows
        r = threads(k, ["col|c|x|tid"] if down else ["row|r|i|tid"], (rows,))[0]
        image = k.array(
            "image|pixels|mask", dtype, (cols, rows) if down else (rows, cols), R.integers(0, 3)
        )
        if p.chance(0.35):
            k.launch_dim = (rows + p.pick(4, 8, 16),)
            with k.when(
                r
                >= (
                    image.dim(1 if down else 0)
                    if p.chance(0.6)
                    else k.scalar("num_lines|lines|count", T.I32, rows)
                )
            ):
                k.ret()

        def at(a: Expr, c: Expr) -> Expr:
            return a[c, r] if down else a[r, c]

        extent = (
            image.dim(0 if down else 1) if p.chance(0.6) else k.count("length|width|extent", cols)
        )
        if what == "prefix":
            acc = k.var("acc|running|total", 0)
            out = k.out("prefix|integral|cumulative", T.I32, (cols, rows) if down else (rows, cols))
            exclusive, squared, peak = (
                p.chance(0.35),
                p.chance(0.2),
                k.var("peak|most", 0) if p.chance(0.3) else None,
            )
            with k.loop("c|j|x" if not down else "i|r|y", extent) as c:
                v = _int(at(image, c))
                if exclusive:
                    k.set(at(out, c), acc)
                if peak is not None or squared:
                    v = k.let("v|value", v)
                k.aug(acc, "+", v * v if squared else v)
                if peak is not None:
                    k.set(peak, wp.max(peak, v))
                if not exclusive:
                    k.set(at(out, c), acc)
            if peak is not None:
                k.set(k.out("line_peak|row_max", T.I32, (rows,))[r], peak)
            if p.chance(0.5):
                k.set(k.out("row_total|row_sum", T.I32, (rows,))[r], acc)
            return
        best, run, count = (
            k.var("best|longest", 0),
            k.var("run|length", 0),
            k.var("count|num_runs", 0),
        )
        wanted = k.count("value|level|wanted", 1)
        gap = k.count("min_length|min_run", p.pick(2, 3)) if p.chance(0.4) else None
        long_runs = k.var("long_runs|kept", 0) if gap is not None else None
        with k.loop("c|j|x" if not down else "i|r|y", extent) as c:
            with k.when(
                _int(at(image, c)) == wanted if p.chance(0.6) else _int(at(image, c)) >= wanted
            ):
                with k.when(run == 0):
                    k.aug(count, "+", 1)
                k.aug(run, "+", 1)
                k.set(best, wp.max(best, run))
                if long_runs is not None and gap is not None:
                    with k.when(run == gap):
                        k.aug(long_runs, "+", 1)
            with k.otherwise():
                k.set(run, 0)
        if long_runs is not None:
            k.set(k.out("long_run_count|kept_runs", T.I32, (rows,))[r], long_runs)
        k.set(k.out("longest_out|max_run", T.I32, (rows,))[r], best)
        k.set(k.out("run_count|runs_out", T.I32, (rows,))[r], count)
        return
    g = open_grid(p, k, 2, boundary="clamp")
    image = g.field("image|pixels|labels", dtype, R.integers(0, levels))
    mask_exit(p, g, chance=0.35, hint="masked|ignore|invalid")
    v = k.let("v|level|value", _int(image.own))
    if what == "histogram":
        bins = k.count("num_bins|bins|levels", levels)
        hist = k.out("hist|histogram_out|counts", T.I32, (levels,))
        slot = wp.min(v, bins - 1) if p.chance(0.5) else v % bins
        k.do(wp.atomic_add(hist, slot, 1))
        if p.chance(0.5):
            k.do(wp.atomic_max(k.out("brightest|max_level", T.I32, (1,)), 0, v))
        return
    if what == "cooccurrence":
        matrix = k.out("matrix|glcm_out|pairs", T.I32, (levels, levels))
        for o in p.sample([(0, 1), (1, 0), (1, 1), (1, -1)], 1, 3):
            k.do(wp.atomic_add(matrix, v, _int(image[o]), 1))
        return
    sums = k.out("moments|sums|accum", T.I32, (3,))
    with k.when(v == k.count("target_label|label|wanted", 1) if p.chance(0.5) else v > 0):
        k.do(wp.atomic_add(sums, 0, 1))
        k.do(wp.atomic_add(sums, 1, g.index[0]))
        k.do(wp.atomic_add(sums, 2, g.index[1]))
        if p.chance(0.5):
            second = k.out("second_moment|inertia_sums", T.I32, (2,))
            k.do(wp.atomic_add(second, 0, g.index[0] * g.index[0]))
            k.do(wp.atomic_add(second, 1, g.index[1] * g.index[1]))
