"""Clustering and mixture models: intents of parameter_fitting."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._fit_shapes import add_to
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def clustering(p: ProgramBuilder) -> None:
    """k-means: assignment, accumulation, centroid update, mini-batch and seeding."""
    kind = p.weighted(
        {"assign": 4, "accumulate": 3, "update": 2, "seed": 1.5, "minibatch": 2, "shift": 2}
    )
    names = {
        "assign": "kmeans_assign|assign_clusters|nearest_centroid",
        "accumulate": "kmeans_accumulate|sum_clusters|centroid_sums",
        "update": "update_centroids|move_centroids|finish_centroids",
        "seed": "kmeans_plus_plus|seeding_distances|farthest_seed",
        "minibatch": "minibatch_kmeans|online_kmeans|codebook_update",
        "shift": "mean_shift|shift_points|mode_seek",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Lloyd's algorithm, one stage.",
            "Clustering of points.",
            "One sample per thread.",
            "Vector quantisation.",
        ),
    )
    dim, clusters = p.pick(2, 3, 4), p.pick(4, 6, 8)
    vec = p.vec(dim)
    if kind == "update":
        _centroids(p, k, vec, clusters)
        return
    e = Entities(k, p.pick("point", "sample"), index="i|tid|s")
    x = k.let("x|pt|xi", e.field("points|samples|data", vec, R.uniform(-1.0, 1.0)).own)
    e.guard()
    lead = (clusters,) if e.worlds is None else (e.worlds, clusters)

    def at(c: Expr) -> Any:
        return c if e.world is None else (e.world, c)

    if kind == "shift":
        _mean_shift(p, k, e, x, vec)
        return
    centers = (
        k.array("centroids|centers|codebook", vec, lead, R.uniform(-1.0, 1.0))
        if kind != "accumulate"
        else None
    )
    if kind == "accumulate":
        best: Expr = k.let(
            "c|label|own",
            e.field(
                "labels|assignments|cluster_ids",
                T.I32,
                R.integers(-1 if p.chance(0.4) else 0, clusters),
            ).own,
        )
        with k.when(best < 0):
            k.ret()
        low = None
    else:
        assert centers is not None
        best, low = _nearest(p, k, e, x, centers, clusters, at)
    if kind == "seed" and low is not None:
        d = e.inout("min_dist|best_so_far|d2", p.real, R.uniform(0.1, 2.0))
        new = k.let("new_d|updated|dm", wp.min(d.own, low))
        d.store(new)
        add_to(p, k, k.out("total_dist|potential|mass", p.real, (1,)), 0, new)
        if p.chance(0.5):
            k.do(wp.atomic_max(k.out("farthest|max_dist|spread", p.real, (1,)), 0, new))
        return
    if kind == "assign" and low is not None:
        old = e.inout("labels|assignments|cluster_ids", T.I32, R.integers(0, clusters))
        if p.chance(0.6):
            with k.when(old.own != best):
                add_to(
                    p, k, k.out("num_changed|moved|changes", T.I32, (1,)), 0, N.literal(1, T.I32)
                )
        old.store(best)
        if p.chance(0.5):
            add_to(p, k, k.out("inertia|distortion|total_cost", p.real, (1,)), 0, low)
        if p.chance(0.5):
            return
    w = (
        e.field("weights|importance|mass", p.real, R.uniform(0.2, 1.0)).own
        if p.chance(0.35)
        else None
    )
    value = x if w is None else x * w
    if kind == "minibatch" and centers is not None:
        value = k.let(
            "pull|delta|drift", (x - centers[at(best)]) * k.param("rate|eta|lr", 0.01, 0.2)
        )
    add_to(p, k, k.out("sums|centroid_sums|accumulated", vec, lead), at(best), value)
    add_to(
        p,
        k,
        k.out("counts|cluster_sizes|members", T.I32 if w is None else p.real, lead),
        at(best),
        N.literal(1, T.I32) if w is None else w,
    )


def _nearest(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, centers: Expr, clusters: int, at: Any
) -> tuple[Expr, Expr]:
    measure = p.pick("sq", "sq", "cosine", "l1", "dist")

    def body(b: Block, a: Expr, c: Expr) -> Expr:
        if measure == "cosine":
            return 1.0 - wp.dot(a, c) / wp.max(wp.length(a) * wp.length(c), 1.0e-6)
        d = b.let("d|rel|diff", a - c)
        if measure == "l1":
            total = wp.abs(d[0])
            for q in range(1, x.type.n):  # type: ignore[union-attr]
                total = total + wp.abs(d[q])
            return total
        return wp.dot(d, d) if measure == "sq" else wp.length(d)

    best, low = k.var("best|nearest|c_id", 0, T.I32), k.var("low|best_d|d_min", 1.0e6, p.real)
    second = k.var("second|runner_up|d2nd", 1.0e6, p.real) if p.chance(0.25) else None
    extent = centers.dim(centers.type.ndim - 1) if p.chance(0.6) else clusters  # type: ignore[union-attr]
    with k.loop("c|j|g", extent) as c:
        d = k.let(
            "dc|cost|gap",
            piece(
                p,
                k,
                f"{measure}_distance|cluster_distance|dissimilarity",
                {"a|x": x, "b|c": centers[at(c)]},
                body,
                "",
                0.5,
            ),
        )
        with k.when(d < low):
            if second is not None:
                k.set(second, low)
            k.set(low, d)
            k.set(best, c)
        if second is not None:
            with k.elsewhen(d < second):
                k.set(second, d)
    if second is not None:
        e.out("margins|ambiguity|confidence", p.real).store(second - low)
    return best, low


def _centroids(p: ProgramBuilder, k: KernelBuilder, vec: T.Vec, clusters: int) -> None:
    e = Entities(
        k, p.pick("cluster", "code", "component"), index="c|j|tid", count=p.pick(16, 24, 32)
    )
    sums, counts = (
        e.field("sums|centroid_sums|accumulated", vec, R.uniform(-5.0, 5.0)),
        e.field("counts|cluster_sizes|members", T.I32, R.integers(0, 12)),
    )
    centers = e.inout("centroids|centers|codebook", vec, R.uniform(-1.0, 1.0))
    e.guard()
    n = k.let("n|size|cnt", counts.own)
    with k.when(
        n == 0 if p.chance(0.6) else n < k.scalar("min_size|min_members", T.I32, p.pick(1, 2))
    ):
        if p.chance(0.5):
            add_to(p, k, k.out("num_empty|dead_codes|empty", T.I32, (1,)), 0, N.literal(1, T.I32))
        k.ret()
    new = k.let("new_c|mean|moved_to", sums.own / construct(p.real, n))
    if p.chance(0.4):
        rate = k.param("rate|momentum|ema", 0.1, 0.9)
        new = k.let("mixed|smoothed|c_mix", centers.own + (new - centers.own) * rate)
    if p.chance(0.6):
        move = k.let("move|shift|step", wp.length(new - centers.own))
        k.do(wp.atomic_max(k.out("max_shift|largest_move|delta", p.real, (1,)), 0, move))
    centers.store(new)


def _mean_shift(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, vec: T.Vec) -> None:
    m = p.pick(16, 24, 32)
    sites = k.array("sites|data_points|cloud", vec, (m,), R.uniform(-1.0, 1.0))
    width = k.param("bandwidth|h|radius", 0.3, 1.0)
    y = k.var("y|mode|cur", x)
    flat = p.chance(0.35)
    with k.loop("it|step|n", k.count("iterations|num_iters|max_iter", p.pick(3, 5, 8))):
        acc, norm = k.var("acc|total|num", construct(vec, 0.0)), k.var("norm|mass|den", 0.0, p.real)
        with k.loop("j|s|site", sites.dim(0) if p.chance(0.6) else m) as j:
            d2 = k.let("d2|dist_sq|q", wp.length_sq(sites[j] - y))
            if flat:
                with k.when(d2 > width * width):
                    k.cont()
                k.aug(acc, "+", sites[j])
                k.aug(norm, "+", 1.0)
            else:
                w = k.let("w|weight|kern", wp.exp(-0.5 * d2 / (width * width)))
                k.aug(acc, "+", sites[j] * w)
                k.aug(norm, "+", w)
        with k.when(norm < 1.0e-6):
            k.brk()
        nxt = k.let("nxt|y_new|target", acc / norm)
        if p.chance(0.6):
            with k.when(wp.length_sq(nxt - y) < p.pick(1e-8, 1e-6)):
                k.brk()
        k.set(y, nxt)
    e.out("modes|shifted|converged_to", vec).store(y)
    if p.chance(0.5):
        e.out("travelled|displacement|path_len", p.real).store(wp.length(y - x))
