"""Spatial codes and bounding spheres."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._geo import Triangles, faces_of
from generator.synthesis.categories._geo_bounds import V3
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def codes(p: ProgramBuilder) -> None:
    """Morton codes, cell ids and hashes of positions; splits by common prefixes."""
    goals = {
        "morton": "morton_codes|compute_morton|z_order_codes",
        "cells": "cell_ids|bin_points|assign_cells|voxel_keys",
        "hash": "spatial_hash|hash_cells|bucket_keys",
        "octant": "octant_codes|octree_keys|locate_octants",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Spatial keys of points.", "", "One key per point."))
    e = Entities(k, p.pick("point", "box", "primitive"))
    e.guard()
    if e.singular == "box" and p.chance(0.6):
        x: Expr = (
            e.field("lowers|aabb_min", V3, R.uniform(-1.0, 0.0)).own
            + e.field("uppers|aabb_max", V3, R.uniform(0.0, 1.0)).own
        ) * 0.5
    else:
        x = e.field("points|positions|centers", V3, R.uniform(-0.95, 0.95)).own
    lo = k.quantity("lower|scene_min|origin", V3, [-1.0, -1.0, -1.0])
    if goal == "octant":
        _octants(p, k, e, x)
        return
    if goal in ("cells", "hash"):
        _cells(p, k, e, x, lo, goal)
        return
    hi = k.quantity("upper|scene_max|top", V3, [1.0, 1.0, 1.0])
    u = k.let("u|unit|q", wp.cw_div(x - lo, hi - lo))
    f = _spread(p)
    bits = 1024.0
    parts = [
        k.let(f"{a}i|q{a}", construct(T.U32, wp.clamp(u.field(a) * bits, 0.0, bits - 1.0)))
        for a in "xyz"
    ]
    order = p.pick((0, 1, 2), (2, 1, 0))
    spread = [f(parts[o]) for o in order]
    one, two = construct(T.U32, 1), construct(T.U32, 2)
    code = k.let(
        "code|key|morton",
        (spread[0] << two) | (spread[1] << one) | spread[2]
        if p.chance(0.5)
        else spread[0] | (spread[1] << one) | (spread[2] << two),
    )
    e.out("codes|keys|morton_keys", T.U32).store(code)
    if p.chance(0.6):
        e.out("indices|order|ids", T.I32).store(e.index)
    if p.chance(0.3):
        k.do(
            wp.atomic_add(
                k.out("bucket_counts|histogram|radix_counts", T.I32, (64,)),
                cast(T.I32, code >> construct(T.U32, 24)),
                1,
            )
        )


def _spread(p: ProgramBuilder) -> UserFunction:
    form = p.pick("multiply", "shift", "loop")
    steps = [(16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)]

    def body(b: Block, v: Expr) -> None:
        if form == "loop":
            out = b.var("out|acc|bits", construct(T.U32, 0))
            with b.loop("i|bit", 10) as i:
                s = b.let("s|sh", construct(T.U32, i))
                b.set(out, out | ((v >> s & construct(T.U32, 1)) << construct(T.U32, i * 3)))
            b.ret(out)
            return
        x = b.var("x|w|acc", v & construct(T.U32, 1023))
        for shift, mask in steps:
            moved = (
                x * construct(T.U32, 1 + (1 << shift))
                if form == "multiply"
                else x | (x << construct(T.U32, shift))
            )
            b.set(x, moved & construct(T.U32, mask))
        b.ret(x)

    return p.func(
        "spread_bits|expand_bits|part1by2|dilate3",
        {"v|x|n": T.U32},
        body,
        p.pick("Inserts two zero bits after each of ten bits.", ""),
    )


def _cells(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, lo: Expr, goal: str) -> None:
    n = p.pick(4, 6, 8)
    width = k.param("cell_size|bin_width|h", round(2.0 / n, 3), round(2.4 / n, 3))
    q = k.let("q|rel|g", (x - lo) / width)
    c = [k.let(f"c{a}|i{a}|{a}i", cast(T.I32, wp.floor(q.field(a)))) for a in "xyz"]
    if goal == "cells":
        inside = [wp.clamp(v, 0, n - 1) for v in c] if p.chance(0.5) else c
        cell = k.let(
            "cell|bin_id|key",
            wp.clamp((inside[0] * n + inside[1]) * n + inside[2], 0, n * n * n - 1),
        )
        e.out("cell_ids|keys|bins", T.I32).store(cell)
        slot = wp.atomic_add(k.out("cell_counts|occupancy|counts", T.I32, (n * n * n,)), cell, 1)
        k.do(slot)
        return
    primes = [
        p.const(f"PRIME_{a}", v) for a, v in zip("XYZ", (73856093, 19349663, 83492791), strict=True)
    ]
    table = p.pick(64, 128, 256)
    mixed = k.let("h|mixed|hash_v", (c[0] * primes[0]) ^ (c[1] * primes[1]) ^ (c[2] * primes[2]))
    size = k.count("table_size|num_buckets|buckets", table)
    bucket = k.let(
        "bucket|slot|b", mixed & (size - 1) if p.chance(0.5) else (mixed % size + size) % size
    )
    e.out("bucket_ids|keys|hashes", T.I32).store(bucket)
    if p.chance(0.6):
        k.do(wp.atomic_add(k.out("bucket_counts|loads", T.I32, (table,)), bucket, 1))


def _octants(p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr) -> None:
    x = x if isinstance(x, Name) else k.let("x|pt|c", x)
    center, half = k.var("center|mid|o", construct(V3, 0.0)), k.var("half|h|r", 0.5)
    code = k.var("code|key|path", 1)
    levels = k.count("levels|max_depth|depth", p.pick(3, 4, 5))
    with k.loop("level|d|_l", levels):
        octant = k.var("octant|child|o_id", 0)
        step = k.var("step|off|dir_c", construct(V3, -half))
        for bit, a in enumerate("xyz"):
            with k.when(x.field(a) >= center.field(a)):
                k.set(octant, octant | (1 << bit))
                k.set(step.field(a), half)
        k.set(code, code * 8 + octant if p.chance(0.5) else (code << 3) | octant)
        k.set(center, center + step)
        k.set(half, half * 0.5)
    e.out("octant_keys|codes|node_keys", T.I32).store(code)
    if p.chance(0.5):
        e.out("cell_centers|node_centers", V3).store(center)


def spheres(p: ProgramBuilder) -> None:
    """Bounding spheres of triangles and of merged spheres; culling against planes."""
    goals = {
        "triangle": "triangle_spheres|bounding_spheres|face_spheres",
        "merge": "merge_spheres|enclose_pair|grow_spheres",
        "cull": "frustum_cull|cull_spheres|visible_set",
        "extent": "farthest_points|extent_along|support_points",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Bounding spheres.", "", "Conservative bounds."))
    if goal == "triangle":
        e = faces_of(p, k)
        e.guard()
        t = Triangles(p, k, e.n)
        a, b, c = t.corners(t.ids(e.index))
        m = k.let("m|center|mid", (a + b + c) / 3.0)
        r = wp.max(wp.max(wp.length(a - m), wp.length(b - m)), wp.length(c - m))
        if p.chance(0.5):
            e.out("spheres|bounds4", p.vec(4)).store(construct(p.vec(4), m.x, m.y, m.z, r))
        else:
            e.out("centers|sphere_centers", p.vec()).store(m)
            e.out("radii|sphere_radii", p.real).store(r)
        return
    if goal == "merge":
        _merge(p, k)
    elif goal == "cull":
        _cull(p, k)
    else:
        _support(p, k)


def _merge(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "pair")
    e.guard()
    v = p.vec()
    x, y = (
        e.field("center_a|first_center", v, R.uniform(-1.0, 1.0)).read("x|ca"),
        e.field("center_b|second_center", v, R.uniform(-1.0, 1.0)).read("y|cb"),
    )
    r, s = (
        k.let("r|ra", e.field("radius_a|first_radius", p.real, R.uniform(0.1, 0.8)).own),
        k.let("s|rb", e.field("radius_b|second_radius", p.real, R.uniform(0.1, 0.8)).own),
    )
    d = k.let("d|dist", wp.length(y - x))
    center, radius = e.out("centers|merged_center", v), e.out("radii|merged_radius", p.real)
    with k.when(d + s <= r):
        center.store(x)
        radius.store(r)
        k.ret()
    if p.chance(0.6):
        with k.when(d + r <= s):
            center.store(y)
            radius.store(s)
            k.ret()
    total = k.let("total|big_r", 0.5 * (d + r + s))
    radius.store(total)
    center.store(x + (y - x) * ((total - r) / wp.max(d, 1.0e-6)))


def _cull(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("object", "instance", "sphere"))
    x = e.field("centers|positions", p.vec(), R.uniform(-3.0, 3.0)).read("x|c|center")
    r = e.property("radius|bound_radius", 0.1, 0.8)
    planes = k.array("frustum|planes|clip_planes", p.vec(4), (p.pick(4, 5, 6),), R.unit_vectors())
    visible = k.var("visible|inside|keep", 1)
    with k.loop("m|pl|i_p", planes.dim(0)) as m:
        q = k.let("q|plane", planes[m])
        d = k.let("d|dist", q.x * x.x + q.y * x.y + q.z * x.z + q.w)
        with k.when(d < -r):
            k.set(visible, 0)
            k.brk()
    e.out("visible|visibility|in_frustum", T.I32).store(visible)
    if p.chance(0.5):
        with k.when(visible == 1):
            k.do(wp.atomic_add(k.out("visible_count|num_visible", T.I32, (1,)), 0, 1))
    if p.chance(0.4):
        eye = k.quantity("eye|camera_pos", p.vec(), [0.0, 0.0, 4.0])
        size = r / wp.max(wp.length(x - eye), 0.1)
        level = e.out("lod|detail_level", T.I32)
        near = k.param("lod_near|fine_size", 0.1, 0.3)
        with k.when(size > near):
            level.store(0)
        with k.elsewhen(size > near * 0.3):
            level.store(1)
        with k.otherwise():
            level.store(2)


def _support(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, p.pick("direction", "query", "axis"))
    n = p.pick(24, 32, 48)
    points = k.array("points|hull_points|vertices", p.vec(), (n,), R.uniform(-1.0, 1.0))
    d = e.field("directions|axes|search_dirs", p.vec(), R.unit_vectors()).read("d|dir_s|axis_v")
    both = p.chance(0.5)
    best, winner = k.var("best|top|max_d", -1.0e6, p.real), k.var("winner|arg|far_id", 0)
    low = k.var("low|bottom|min_d", 1.0e6, p.real) if both else None
    with k.loop("j|m|v", points.dim(0)) as j:
        h = k.let("h|proj|s", wp.dot(points[j], d))
        if low is not None:
            k.set(low, wp.min(low, h))
        with k.when(h > best):
            k.set(best, h)
            k.set(winner, j)
    e.out("support_points|farthest|extreme", p.vec()).store(points[winner])
    if low is not None:
        e.out("widths|extents|span", p.real).store(best - low)
    if p.chance(0.5):
        e.out("support_ids|vertex_ids", T.I32).store(winner)
