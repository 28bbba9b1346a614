"""Label images and gradient-domain blending."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._image import (
    image_grid,
    source,
)
from generator.synthesis.categories._image_masks import _level
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Name, literal


def label(p: ProgramBuilder) -> None:
    """Connected components by propagation, boundaries, region statistics."""
    goals = {
        "init": "init_labels|seed_labels|assign_labels",
        "propagate": "propagate_labels|label_step|union_neighbours|min_label_pass",
        "stats": "region_stats|component_sizes|blob_moments|region_bounds",
        "border": "label_boundaries|trace_regions|mark_contours",
        "relabel": "compress_labels|flatten_labels|relabel|remap_ids",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Connected components.", "", "Work on a label image."))
    g = image_grid(p, k, "clamp")
    row, col = g.index
    total = g.shape[0] * g.shape[1]
    if goal == "init":
        mask = g.field("mask|binary|foreground", p.pick(T.U8, T.I32), R.mask(0.6))
        labels = g.out("labels|ids|components", T.I32)
        own_id = row * g.extent(1) + col
        off = k.count("background|invalid_label", -1) if p.chance(0.3) else literal(-1, T.I32)
        labels.store(wp.where(mask.own != _level(mask.dtype, 0), own_id, off))
        return
    if goal == "relabel":
        labels = g.field("labels|ids|components", T.I32, R.integers(0, 64))
        parents = k.array("parents|roots|remap_table", T.I32, (64,), R.parents())
        root = k.var("root|r|id_", labels.own)
        if p.chance(0.6):
            with k.repeat(parents[root] >= 0):
                k.set(root, parents[root])
        else:
            with k.loop("hop|_s|it", p.pick(4, 8)):
                up = k.let("up|parent", parents[root])
                with k.when(up < 0):
                    k.brk()
                k.set(root, up)
        g.out("labels_out|flat_labels|roots_out", T.I32).store(root)
        return
    labels = g.field(
        "labels|ids|components", T.I32, R.integers(-1, 32 if goal == "stats" else total)
    )
    here = k.let("here|c|own", labels.own)
    if goal == "stats":
        _regions(p, k, g, here)
        return
    out = g.out("labels_out|next_labels|edges", T.I32)
    around = [(1, 0), (-1, 0), (0, 1), (0, -1)] + (
        [(1, 1), (1, -1), (-1, 1), (-1, -1)] if p.chance(0.4) else []
    )
    if goal == "border":
        with k.when(any_of(*(labels[o] != here for o in around))):
            out.store(p.pick(1, 255))
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("boundary_length|border_pixels", T.I32, (1,)), 0, 1))
        return
    with k.when(here < 0):
        out.store(here)
        k.ret()
    best = k.var("best|lowest|lab", here)
    for o in around:
        if p.on("helper_function"):
            n = k.let("n|nb|other", labels[o])
            with k.when(all_of(n >= 0, n < best)):
                k.set(best, n)
        else:
            n = labels[o]
            k.set(best, wp.where(n >= 0, wp.min(best, n), best))
    out.store(best)
    if p.chance(0.6):
        with k.when(best != here):
            k.do(wp.atomic_add(k.out("changed|num_changes|active", T.I32, (1,)), 0, 1))


def _regions(p: ProgramBuilder, k: KernelBuilder, g: Grid, here: Name) -> None:
    row, col = g.index
    with k.when(here < 0):
        k.ret()
    n = 32
    x, y = construct(T.F32, col), construct(T.F32, row)
    for what in p.shuffled(p.sample(["area", "centroid", "bounds", "moment", "mean"], 1, 4)):
        match what:
            case "area":
                k.do(wp.atomic_add(k.out("areas|sizes|pixel_counts", T.I32, (n,)), here, 1))
            case "centroid":
                k.do(
                    wp.atomic_add(
                        k.out("centroid_sums|position_sums", T.VEC2, (n,)),
                        here,
                        construct(T.VEC2, x, y),
                    )
                )
            case "bounds":
                k.do(wp.atomic_min(k.out("x_min|left", T.I32, (n,), R.constant(9999)), here, col))
                k.do(wp.atomic_max(k.out("x_max|right", T.I32, (n,), R.constant(-1)), here, col))
            case "moment":
                k.do(
                    wp.atomic_add(
                        k.out("moments|second_moments", T.VEC3, (n,)),
                        here,
                        construct(T.VEC3, x * x, x * y, y * y),
                    )
                )
            case _:
                v = g.field("intensity|image|values", T.F32, R.uniform(0.0, 1.0)).own
                k.do(wp.atomic_add(k.out("intensity_sums|region_sum", T.F32, (n,)), here, v))


def poisson(p: ProgramBuilder) -> None:
    """Relaxation steps inside a mask: seamless cloning, inpainting, membrane interpolation."""
    goals = {
        "clone": "seamless_clone|poisson_blend|gradient_clone",
        "inpaint": "inpaint_step|fill_holes|diffuse_inward",
        "smooth": "membrane_step|interpolate_missing|harmonic_fill",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("One Jacobi sweep inside the mask.", "Gradient-domain relaxation.", "")
    )
    g = image_grid(p, k, p.pick("interior", "clamp"))
    t = p.pick(T.F32, T.VEC3)
    current = source(p, g, t, "current|u|estimate")
    out = g.out("next_u|u_out|updated", t)
    mask = g.field("mask|hole|region", p.pick(T.U8, T.I32), R.mask(0.5))
    with k.when(mask.own == _level(mask.dtype, 0)):
        out.store(current.own)
        k.ret()
    guide = source(p, g, t, "guidance|patch|src") if goal == "clone" else None
    around = p.shuffled([(1, 0), (-1, 0), (0, 1), (0, -1)])
    total = k.var("total|acc|sum_", 0.0 if t == T.F32 else construct(T.VEC3, 0.0))
    gc = k.let("gc|g0", guide.own) if guide is not None else None
    if goal == "inpaint":
        count = k.var("weight|n|known", 0.0)
        valid = g.field("known|valid|confidence", T.F32, R.uniform(0.1, 1.0))
        for o in around:
            w = k.let("w|weight_n", valid[o])
            k.aug(total, "+", current[o] * w)
            k.aug(count, "+", w)
        out.store(total / count)
    else:
        for o in around:
            value = current[o] if guide is None or gc is None else current[o] + (gc - guide[o])
            k.aug(total, "+", value)
        result = total * 0.25
        if p.chance(0.4):
            omega = k.param("omega|relaxation|over", 0.6, 1.0)
            result = wp.lerp(current.own, result, omega)
        out.store(result)
    if p.chance(0.4):
        change = out.own - current.own
        size = wp.abs(change) if t == T.F32 else wp.length(change)
        k.do(wp.atomic_max(k.out("max_change|residual|delta_max", T.F32, (1,)), 0, size))
