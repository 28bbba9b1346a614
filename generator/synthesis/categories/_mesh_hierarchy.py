"""Spheres and capsules against the faces of a mesh or of one of its groups, found through its hierarchy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.categories._mesh import HANDLE, Mesh, mesh_argument
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


@dataclass(slots=True)
class Tree:
    """The hierarchy of a mesh, and the root of the group that the queries are confined to."""

    mesh: Mesh
    id: Expr | None  # of the hierarchy, where queries go to it
    root: tuple[Expr, ...]


def tree_of(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Tree:
    """A mesh, often one that holds several parts or environments as groups of faces."""
    grouped = p.chance(0.55)
    mesh = mesh_argument(p, k, closed=False, grouped=grouped)
    tree = k.let("bvh|tree|accel|bvh_id", wp.mesh_get_bvh(mesh.id))
    return Tree(mesh, tree, group_root(p, k, e, mesh, tree) if grouped else ())


def group_root(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, tree: Expr | None
) -> tuple[Expr, ...]:
    """A local with the root of one group: for all threads, or of this thread's item."""
    if p.chance(0.4):
        group = k.scalar("group|part_id|layer", T.I32, p.pick(0, 1, 2, 3))
    else:
        group = e.field("groups|env_ids|part_ids|collision_group", T.I32, R.integers(0, 4)).own
    of_tree = tree is not None and p.chance(0.5)
    found = (
        wp.bvh_get_group_root(tree, group) if of_tree else wp.mesh_get_group_root(mesh.id, group)
    )
    return (k.let("root|group_root|start_node", found),)


@contextmanager
def walk(k: KernelBuilder, query: Expr, *limit: Expr | float) -> Iterator[Name]:
    """A ``while`` loop over the faces that a query of the hierarchy yields."""
    q = k.let("query|it|q", query)
    face = k.var("face|f|tri", 0)
    with k.repeat(wp.bvh_query_next(q, face, *limit)):
        yield face


# --- spheres --------------------------------------------------------------------------------------


@contextmanager
def _near_sphere(p: ProgramBuilder, k: KernelBuilder, tree: Tree, x: Expr, r: Expr) -> Iterator[Name]:  # fmt: skip
    """Faces near a sphere, through the mesh (exact) or its hierarchy (bounds only)."""
    if tree.id is not None:
        with walk(k, wp.bvh_query_sphere(tree.id, x, r, *tree.root)) as face:
            yield face
        return
    query = wp.mesh_query_sphere(tree.mesh.id, x, r)
    if p.chance(0.2):
        with k.each("face|f|tri", query, T.I32) as face:
            yield face
        return
    q = k.let("query|it|q", query)
    face = k.var("face|f|tri", 0)
    step = wp.mesh_query_aabb_next if p.chance(0.4) else wp.mesh_query_next
    with k.repeat(step(q, face)):
        yield face


def spheres(p: ProgramBuilder) -> None:
    """Forces, patches and paint of spheres on the faces that they touch."""
    single_precision(p)
    k = p.kernel_builder(
        "sphere_mesh_contacts|wheel_contact|probe_faces|contact_patch|brush_faces|sphere_overlap|grain_wall_force",
        p.pick(
            "Faces that every sphere touches.",
            "Contact of spheres with the triangles of a mesh.",
            "Contact patch under each sphere.",
            "",
        ),
    )
    e = Entities(k, p.pick("sphere", "grain", "probe", "wheel"))
    x = e.field("centers|positions|sphere_pos", T.VEC3, R.uniform(-1.2, 1.2)).read("x|c|center")
    r = k.let("r|radius|ri", e.property("radius|sphere_radius", 0.2, 0.6))
    e.guard()
    direct = p.chance(0.6)
    if direct:
        tree = Tree(mesh_argument(p, k, closed=False), None, ())
    else:
        tree = tree_of(p, k, e)
    goal = p.pick("force", "count", "patch", "paint")
    if goal == "paint":
        _paint(p, k, e, tree, x, r)
        return
    count = k.var("count|touching|hits", 0)
    total = k.var("push|force|n_sum", construct(T.VEC3, 0.0)) if goal != "count" else None
    area = k.var("area|patch_area|wetted", 0.0) if goal == "patch" else None
    with _near_sphere(p, k, tree, x, r) as face:
        n = k.let("n|normal|nf", wp.mesh_eval_face_normal(tree.mesh.id, face))
        a = k.let("a|corner|p0", wp.mesh_get_point(tree.mesh.id, face * 3))
        gap = k.let("gap|height|d", wp.dot(x - a, n))
        with k.when(wp.abs(gap) >= r if p.chance(0.7) else any_of(gap >= r, gap < -r)):
            k.cont()
        k.aug(count, "+", 1)
        if area is not None and total is not None:
            k.aug(area, "+", _disc(r, gap))
            k.aug(total, "+", n)
        elif total is not None:
            stiff = k.param("stiffness|ke|contact_ke", 10.0, 500.0)
            side = choose(gap < 0.0, -n, n) if p.chance(0.5) else n
            k.aug(total, "+", side * (stiff * (r - wp.abs(gap))))
    _sphere_results(p, k, e, count, total, area)


def _disc(r: Expr, gap: Expr) -> Expr:
    """Area of the disc in which a plane cuts a sphere."""
    return 3.14159 * (r * r - gap * gap)


def _sphere_results(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, count: Name, total: Name | None, area: Name | None
) -> None:  # fmt: skip
    if total is None or p.chance(0.4):
        e.out("touch_counts|contact_count|num_faces", T.I32).store(count)
    if area is not None and total is not None:
        e.out("patch_area|contact_area", T.F32).store(area)
        with k.when(count > 0):
            e.out("mean_normals|patch_normal", T.VEC3).store(wp.normalize(total))
    elif total is not None:
        e.out("contact_forces|forces|wall_force", T.VEC3).store(total)
    if p.chance(0.35):
        with k.when(count > 0):
            k.do(wp.atomic_add(k.out("num_touching|active_contacts", T.I32, (1,)), 0, 1))


def _paint(p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Tree, x: Expr, r: Expr) -> None:
    """Faces weighted by a brush."""
    amount = e.field("strength|deposit|flow_rate", T.F32, R.uniform(0.1, 1.0)).read("s|amount|q")
    layer = k.out("face_paint|deposited|coating|wear", T.F32, (tree.mesh.faces,))
    third = p.pick(0.333, 0.3333)
    with _near_sphere(p, k, tree, x, r) as face:
        mid = k.let("mid|centroid|c_face", wp.mesh_eval_position(tree.mesh.id, face, third, third))
        d = k.let("d|dist|away", wp.length(mid - x))
        with k.when(d < r):
            fade = 1.0 - d / r if p.chance(0.5) else wp.exp(-4.0 * d * d / (r * r))
            k.do(wp.atomic_add(layer, face, amount * fade))


# --- capsules -------------------------------------------------------------------------------------


def _edge_gap(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` of mesh, face and segment that gives the smallest distance to the face's edges."""

    def body(b: Block, mesh: Expr, face: Expr, start: Expr, end: Expr) -> None:
        x = [
            b.let(h, wp.mesh_get_point(mesh, face * 3 + j if j else face * 3))
            for j, h in enumerate(("a|x0", "b|x1", "c|x2"))
        ]
        eps = p.pick(1.0e-6, 1.0e-8)
        sides = [
            wp.closest_point_edge_edge(start, end, x[i], x[j], eps)[2]
            for i, j in ((0, 1), (1, 2), (2, 0))
        ]
        if p.chance(0.5):
            sides = [
                b.let(h, s) for h, s in zip(("d0|dab", "d1|dbc", "d2|dca"), sides, strict=True)
            ]
        b.ret(wp.min(wp.min(sides[0], sides[1]), sides[2]))

    params = {"mesh|mesh_id": HANDLE, "face|f": T.I32, "start|p0": T.VEC3, "end|p1": T.VEC3}
    doc = p.pick("Distance of a segment to the edges of a face.", "")
    return p.func(
        "segment_face_gap|edge_distance|link_gap|segment_edge_distance", params, body, doc
    )


def capsules(p: ProgramBuilder) -> None:
    """Links, needles and swept particles against the edges of nearby faces."""
    single_precision(p)
    k = p.kernel_builder(
        "capsule_mesh_distance|link_clearance|swept_sphere_query|hair_collision|needle_clearance|capsule_contacts",
        p.pick(
            "Clearance of capsules from the edges of a mesh.",
            "Segments against the faces near them.",
            "Edges of the mesh near every segment.",
            "",
        ),
    )
    e = Entities(k, p.pick("link", "capsule", "segment", "strand"))
    tree = tree_of(p, k, e)
    a = e.field("starts|link_a|heads|p0", T.VEC3, R.uniform(-1.3, 1.3)).read("a|start|head")
    if p.chance(0.5):
        b = e.field("ends|link_b|tails|p1", T.VEC3, R.uniform(-1.3, 1.3)).read("b|end|tail")
        along = k.let("axis|dir|span", b - a) if p.chance(0.5) else b - a
    else:
        v = e.field("velocities|motion|heading", T.VEC3, R.uniform(-1.0, 1.0)).own
        along = k.let("move|travel|axis", v * k.param("dt|horizon|lookahead", 0.2, 1.0))
        b = k.let("b|end|target", a + along)
    r = e.property("radius|thickness|link_radius", 0.05, 0.3)
    margin = r + k.param("margin|skin|safety", 0.01, 0.1) if p.chance(0.4) else r
    margin = k.let("reach|r|margin_i", margin)
    gap_of = _edge_gap(p)
    best = k.var("best|closest|d_min", margin * 4.0 if p.chance(0.5) else 1.0e3)
    winner = k.var("winner|best_face|nearest_face", -1)
    tested = k.var("tested|candidates|visits", 0) if p.chance(0.4) else None
    with walk(k, wp.bvh_query_capsule(tree.id, a, along, margin, *tree.root), 1.0) as face:
        d = k.let("d|gap|dist", gap_of(tree.mesh.id, face, a, b))
        if tested is not None:
            k.aug(tested, "+", 1)
        with k.when(d < best):
            k.set(best, d)
            k.set(winner, face)
    _capsule_results(p, k, e, tree, best, winner, margin)
    if tested is not None:
        e.out("num_tested|candidate_count", T.I32).store(tested)


def _capsule_results(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, tree: Tree, best: Name, winner: Name, r: Expr
) -> None:
    e.out("clearance|gaps|distances", T.F32).store(best - r if p.chance(0.5) else best)
    for what in p.shuffled(p.sample(["face", "normal", "cost", "count"], 1, 2)):
        match what:
            case "face":
                e.out("near_faces|closest_face", T.I32).store(winner)
            case "normal":
                with k.when(winner >= 0):
                    n = wp.mesh_eval_face_normal(tree.mesh.id, winner)
                    e.out("push_dirs|normals|escape_dir", T.VEC3).store(n)
            case "cost":
                with k.when(best < r):
                    weight = k.param("weight|penalty|collision_weight", 1.0, 100.0)
                    overlap = k.let("overlap|depth|pen", r - best)
                    cost = weight * overlap * overlap
                    k.do(wp.atomic_add(k.out("cost|collision_cost|energy", T.F32, (1,)), 0, cost))
            case _:
                with k.when(all_of(winner >= 0, best < r)):
                    k.do(wp.atomic_add(k.out("num_contacts|collisions", T.I32, (1,)), 0, 1))
