"""Queries of a bounding volume hierarchy over spheres or boxes: rays, boxes, spheres, capsules."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _primitives as prim
from generator.synthesis.categories._rays import Ray, maybe, stored_ray
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

HANDLE = "bvh|bvh_id|scene_bvh|tree|accel"


def write(p: ProgramBuilder) -> None:
    """One of the queries."""
    p.pick(trace_spheres, broad_phase, occlusion, reach, reach)(p)


@contextmanager
def candidates(k: KernelBuilder, query: Expr, limit: Expr | None = None) -> Iterator[Name]:
    """A loop over the items that a query yields."""
    q = k.let("query|it|q", query)
    index = k.var("idx|candidate|prim|j|item", 0)
    step = wp.bvh_query_next(q, index) if limit is None else wp.bvh_query_next(q, index, limit)
    with k.repeat(step):
        yield index


def _rooted(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Expr, share: float = 0.2
) -> tuple[Expr, ...]:
    """The optional root argument of a grouped query."""
    if not p.chance(share):
        return ()
    if p.chance(0.5):
        group = k.scalar("group|layer|group_id", T.I32, p.pick(0, 1, 2))
    else:
        group = e.field("query_group|groups|env_ids", T.I32, R.integers(0, 4)).own
    return (k.let("root|group_root|start_node", wp.bvh_get_group_root(tree, group)),)


def _spheres(p: ProgramBuilder, k: KernelBuilder) -> tuple[Name, Name, Name]:
    n = p.pick(24, 32, 48, 64)
    centers = k.array(
        "centers|sphere_centers|particle_x|positions", T.VEC3, (n,), R.uniform(-2.0, 2.0)
    )
    radii = k.array("radii|sphere_radii|particle_radius", T.F32, (n,), R.uniform(0.15, 0.5))
    tree = k.arg(HANDLE, T.Handle("bvh"), R.bvh_over(centers.id, radii.id), 0)
    return tree, centers, radii


def trace_spheres(p: ProgramBuilder) -> None:
    """Nearest sphere along each ray, through the hierarchy."""
    k = p.kernel_builder(
        "trace_bvh|raycast_bvh|closest_sphere|cast_rays|bvh_nearest_hit|ray_vs_spheres",
        p.pick(
            "Nearest sphere along every ray, through the BVH.",
            "Traverse the BVH and refine against spheres.",
            "",
        ),
    )
    e = Entities(k, "ray")
    t_out = e.out("hit_t|distances|t_out", T.F32)
    e.guard(
        (t_out, construct(T.F32, -1.0))
        if p.chance(0.5)
        else (t_out, e.field("t_far|t_max", T.F32, R.uniform(1.0, 9.0)).own)
    )
    ray = stored_ray(p, e)
    tree, centers, radii = _spheres(p, k)
    limit = k.param("max_dist|t_max|max_range", 4.0, 20.0)
    best = k.var("t_best|closest|t_hit", limit)
    winner = k.var("hit_id|best|hit", -1)
    hit = prim.ray_sphere(p)
    visits = k.var("visits|tests|steps", 0) if p.chance(0.25) else None
    query = wp.bvh_query_ray(tree, ray.origin, ray.direction, *_rooted(p, k, e, tree))
    with candidates(k, query, best if p.chance(0.5) else None) as s:
        if visits is not None:
            k.aug(visits, "+", 1)
        if p.chance(0.25):
            skip = e.field("ignore_ids|source_ids|self_id", T.I32, R.integers(0, 24)).own
            with k.when(s == skip):
                k.cont()
        t = k.let("t|dist|ts", hit(ray.origin, ray.direction, centers[s], radii[s]))
        with k.when(prim.nearer(p, t, best)):
            k.set(best, t)
            k.set(winner, s)
    _store_hit(p, k, e, ray, centers, radii, best, winner, t_out)
    if visits is not None:
        e.out("traversal_cost|num_tests|visit_count", T.I32).store(visits)


def _store_hit(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    ray: Ray,
    centers: Name,
    radii: Name,
    best: Name,
    winner: Name,
    t_out: Field,
) -> None:
    e.out("hit_ids|hit_index|sphere_ids", T.I32).store(winner)
    with k.when(winner >= 0):
        t_out.store(best)
        if p.chance(0.5):
            x = k.let("x|hit_pos|pt", ray.at(best))
            n = k.let("n|normal", (x - centers[winner]) / radii[winner])
            e.out("normals|hit_normals", T.VEC3).store(n)
            if p.chance(0.4):
                sun = k.quantity("light_dir|sun|key_light", T.VEC3, [0.3, 0.9, 0.2])
                e.out("shade|brightness|lambert", T.F32).store(wp.max(wp.dot(n, sun), 0.0))
    if p.chance(0.5):
        with k.otherwise():
            t_out.store(-1.0)


def occlusion(p: ProgramBuilder) -> None:
    """Ambient occlusion or transmittance along rays through boxes."""
    k = p.kernel_builder(
        "bvh_occlusion|shadow_rays|line_of_sight|visibility|count_blockers",
        p.pick(
            "Count the boxes that a segment crosses.", "Line of sight through the hierarchy.", ""
        ),
    )
    e = Entities(k, p.pick("ray", "segment", "sensor"))
    ray = stored_ray(p, e)
    tree = k.arg(HANDLE, T.Handle("bvh"), R.bvh(p.pick(32, 48, 64, 96), -2.0, 2.0, 0.3), 0)
    seen = e.out("visible|line_of_sight|clear", T.I32)
    reach = k.param("max_dist|segment_length|reach", 1.0, 6.0)
    query = wp.bvh_query_ray(tree, ray.origin, ray.direction, *_rooted(p, k, e, tree))
    if p.chance(0.5):
        blockers = k.var("blockers|crossings|count", 0)
        with candidates(k, query, reach) as s:
            if p.chance(0.5):
                opaque = k.array("opaque|blocks_light|is_solid", T.I32, (96,), R.mask(0.7))
                with k.when(opaque[s] == 1):
                    k.aug(blockers, "+", 1)
            else:
                k.aug(blockers, "+", 1)
            if p.chance(0.4):
                with k.when(blockers >= p.pick(4, 8, 16)):
                    k.brk()
        seen.store(wp.where(blockers == 0, 1, 0))
        e.out("blocker_count|hits|overlaps", T.I32).store(blockers)
        return
    density = k.array("optical_depth|extinction|alpha", T.F32, (96,), R.uniform(0.05, 0.8))
    light = k.var("transmittance|T|light", 1.0)
    with candidates(k, query, reach) as s:
        k.aug(light, "*", wp.exp(-density[s]))
    seen.store(wp.where(light > k.param("threshold|min_light|cutoff", 0.1, 0.5), 1, 0))
    e.out("transmission|light_out|attenuation", T.F32).store(light)


def broad_phase(p: ProgramBuilder) -> None:
    """Candidate pairs of spheres whose boxes overlap."""
    k = p.kernel_builder(
        "broad_phase|find_pairs|collect_pairs|overlap_pairs|gather_contacts|find_overlaps",
        p.pick("Collect candidate pairs from the BVH.", "Sphere pairs closer than a margin.", ""),
    )
    e = Entities(k, p.pick("body", "sphere", "query"), count=p.pick(24, 32), layouts=False)
    tree, centers, radii = _spheres_of(p, k, e.n)
    i = e.index
    x, r = k.let("x|center|xi", centers[i]), k.let("r|radius|ri", radii[i])
    margin = k.param("margin|contact_margin|skin", 0.01, 0.2)
    if p.chance(0.6):
        half = k.let("half|extent|pad", construct(T.VEC3, r + margin))
        query = wp.bvh_query_aabb(tree, x - half, x + half, *_rooted(p, k, e, tree, 0.1))
    else:
        query = wp.bvh_query_sphere(tree, x, r + margin)
    touching = k.var("touching|count|overlaps", 0)
    capacity = p.pick(256, 512, 1024)
    listed = p.chance(0.5)
    counter = k.out("pair_count|num_pairs|contact_count", T.I32, (1,)) if listed else None
    depth = k.var("max_depth|deepest|depth", 0.0) if p.chance(0.5) else None
    with candidates(k, query) as j:
        with k.when(j <= i if listed else j == i):
            k.cont()
        gap = k.let("gap|dist|sep", wp.length(centers[j] - x) - r - radii[j])
        if p.chance(0.5):
            with k.when(gap > margin):
                k.cont()
            _pair(p, k, i, j, gap, touching, depth, counter, capacity)
        else:
            with k.when(gap <= margin):
                _pair(p, k, i, j, gap, touching, depth, counter, capacity)
    e.out("overlap_count|neighbor_count|contacts_per_body", T.I32).store(touching)
    if depth is not None:
        e.out("max_penetration|depths|deepest_contact", T.F32).store(depth)


def _spheres_of(p: ProgramBuilder, k: KernelBuilder, n: int) -> tuple[Name, Name, Name]:
    centers = k.array("centers|body_pos|positions", T.VEC3, (n,), R.uniform(-1.2, 1.2))
    radii = k.array("radii|body_radius|sizes", T.F32, (n,), R.uniform(0.15, 0.5))
    return k.arg(HANDLE, T.Handle("bvh"), R.bvh_over(centers.id, radii.id), 0), centers, radii


def _pair(
    p: ProgramBuilder,
    k: KernelBuilder,
    i: Expr,
    j: Expr,
    gap: Expr,
    touching: Name,
    depth: Name | None,
    counter: Name | None,
    capacity: int,
) -> None:
    k.aug(touching, "+", 1)
    if depth is not None:
        k.set(depth, wp.max(depth, -gap))
    if counter is None:
        return
    slot = k.let("slot|pair|at", wp.atomic_add(counter, 0, 1))
    if p.chance(0.5):
        limit = k.arg("max_pairs|capacity|pair_limit", T.I32, R.value("int32", capacity))
        inside = slot < limit
    else:
        inside = slot < capacity
    # The order of slots depends on the schedule, so only their number is stored per slot.
    used = k.out("slot_used|pair_slots|filled", T.I32, (capacity,))
    with k.when(inside):
        k.set(used[slot], 1)


def reach(p: ProgramBuilder) -> None:
    """Items within reach of a point or a swept sphere."""
    k = p.kernel_builder(
        "gather_nearby|probe_bvh|sweep_test|capsule_cast|nearest_center|proximity_query",
        p.pick("Items within reach of every probe.", "Clearance of a moving probe.", ""),
    )
    e = Entities(k, p.pick("probe", "sensor", "agent"))
    x = e.field("probe_pos|points|positions", T.VEC3, R.uniform(-2.0, 2.0)).read("x|pos|pt")
    tree, centers, radii = _spheres(p, k)
    radius = k.param("reach|probe_radius|search_radius", 0.3, 1.5)
    swept = p.chance(0.45)
    if swept:
        motion = maybe(
            p,
            k,
            "motion|delta|step_vec",
            e.field("velocities|motion|heading", T.VEC3, R.uniform(-1.0, 1.0)).own,
        )
        query = wp.bvh_query_capsule(tree, x, x + motion if p.chance(0.5) else motion, radius)
    else:
        query = wp.bvh_query_sphere(tree, x, radius, *_rooted(p, k, e, tree))
    best = k.var("clearance|nearest|closest", 1.0e6)
    winner = k.var("nearest_id|best|closest_id", -1)
    push = k.var("push|repulsion|steer", construct(T.VEC3, 0.0)) if p.chance(0.5) else None
    with candidates(k, query) as s:
        gap = k.let("gap|dist|d", wp.length(centers[s] - x) - radii[s])
        if p.chance(0.6):
            with k.when(all_of(gap < best, gap > 0.0) if p.chance(0.3) else gap < best):
                k.set(best, gap)
                k.set(winner, s)
        else:
            with k.when(any_of(winner < 0, gap < best)):
                k.set(best, gap)
                k.set(winner, s)
        if push is not None:
            away = k.let("away|sep|rel", x - centers[s])
            k.aug(push, "+", away / wp.max(wp.dot(away, away), 0.01))
    e.out("nearest_ids|closest_index|partner", T.I32).store(winner)
    with k.when(winner >= 0):
        e.out("clearances|gaps|distances", T.F32).store(best)
    if push is not None:
        e.out("steering|repulsions|avoidance", T.VEC3).store(push)
