"""Rays against all the faces of a mesh that they cross, and against one of its groups."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.categories._mesh import HANDLE, mesh_argument
from generator.synthesis.categories._mesh_hierarchy import group_root, tree_of, walk
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def _ray_triangle(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` that gives where a ray meets a face of a mesh, or -1."""

    def body(b: Block, mesh: Expr, face: Expr, o: Expr, d: Expr) -> None:
        x0 = b.let("x0|a|v0", wp.mesh_get_point(mesh, face * 3))
        e1 = b.let("e1|ab", wp.mesh_get_point(mesh, face * 3 + 1) - x0)
        e2 = b.let("e2|ac", wp.mesh_get_point(mesh, face * 3 + 2) - x0)
        h = b.let("h|pvec", wp.cross(d, e2))
        det = b.let("det|a_det", wp.dot(e1, h))
        miss = literal(-1.0, T.F32)
        with b.when(wp.abs(det) < p.pick(1.0e-8, 1.0e-7)):
            b.ret(miss)
        s = b.let("s|tvec", o - x0)
        u = b.let("u|bu", wp.dot(s, h) / det)
        q = b.let("q|qvec", wp.cross(s, e1))
        v = b.let("v|bv", wp.dot(d, q) / det)
        with b.when(any_of(u < 0.0, v < 0.0, u + v > 1.0)):
            b.ret(miss)
        b.ret(wp.dot(e2, q) / det)

    params = {"mesh|mesh_id": HANDLE, "face|f": T.I32, "o|origin": T.VEC3, "d|direction": T.VEC3}
    doc = p.pick("Ray parameter at the face; negative if it misses.", "")
    return p.func("ray_face|intersect_face|ray_triangle|hit_face", params, body, doc)


def crossings(p: ProgramBuilder) -> None:
    """All faces that a ray crosses, not only the first."""
    single_precision(p)
    k = p.kernel_builder(
        "collect_crossings|ray_layers|penetration_depth|transmitted_dose|all_hits|path_in_solid",
        p.pick(
            "Every crossing of a ray, through the mesh's hierarchy.",
            "Length of each ray inside of the solid.",
            "Rays that pass through several layers.",
            "",
        ),
    )
    e = Entities(k, p.pick("ray", "beam", "photon"))
    tree = tree_of(p, k, e)
    o = e.field("origins|starts|ray_o", T.VEC3, R.uniform(-1.6, 1.6)).read("o|start|x")
    d = e.field("directions|ray_dirs|headings", T.VEC3, R.unit_vectors()).read("d|dir|heading")
    limit = k.param("max_t|max_range|reach", 3.0, 10.0)
    hit = _ray_triangle(p)
    goal = p.pick("inside", "count", "extent", "dose")
    acc = {
        "inside": lambda: k.var("inside|path|chord", 0.0),
        "count": lambda: k.var("layers|crossings|n_hit", 0),
        "extent": lambda: k.var("t_last|exit_t|t_max_hit", 0.0),
        "dose": lambda: k.var("depth|optical_depth|tau", 0.0),
    }[goal]()
    nearest = k.var("t_first|entry_t|t_near", limit) if p.chance(0.5) else None
    with walk(k, wp.bvh_query_ray(tree.id, o, d, *tree.root), *((limit,) if p.chance(0.6) else ())) as face:  # fmt: skip
        t = k.let("t|t_hit|ti", hit(tree.mesh.id, face, o, d))
        with k.when(any_of(t <= 0.0, t > limit)):
            k.cont()
        if nearest is not None:
            k.set(nearest, wp.min(nearest, t))
        n = wp.mesh_eval_face_normal(tree.mesh.id, face)
        if goal == "inside":
            k.aug(acc, "+", wp.where(wp.dot(n, d) > 0.0, t, -t))
        elif goal == "count":
            k.aug(acc, "+", 1)
        elif goal == "extent":
            k.set(acc, wp.max(acc, t))
        else:
            absorb = k.array("face_absorption|alpha|opacity", T.F32, (tree.mesh.faces,), R.uniform(0.0, 0.8))  # fmt: skip
            k.aug(acc, "+", absorb[face] / wp.max(wp.abs(wp.dot(n, d)), 0.1))
    hint, value = {
        "inside": ("path_lengths|chords|inside_length", acc),
        "count": ("layer_count|crossings_out|num_hits", acc),
        "extent": ("exit_distance|last_hit|far_hit", acc),
        "dose": ("transmission|light_out|surviving", wp.exp(-acc) if goal == "dose" else acc),
    }[goal]
    e.out(hint, acc.type).store(value)
    if nearest is not None:
        e.out("entry_distance|first_hit|near_hit", T.F32).store(nearest)


def grouped_rays(p: ProgramBuilder) -> None:
    """Visibility and thickness within the part or environment that a ray belongs to."""
    single_precision(p)
    k = p.kernel_builder(
        "env_line_of_sight|visible_in_group|grouped_occlusion|part_visibility|env_collision_rays|count_in_group",
        p.pick(
            "Rays that see only the faces of their own environment.",
            "Line of sight within one group of a shared mesh.",
            "",
        ),
    )
    e = Entities(k, p.pick("ray", "sensor", "agent"), layouts=p.chance(0.5))
    mesh = mesh_argument(p, k, closed=False, grouped=True)
    root = group_root(p, k, e, mesh, None)
    o = e.field("origins|eyes|sensor_pos", T.VEC3, R.uniform(-1.6, 1.6)).read("o|eye|x")
    if p.chance(0.5):
        goal_pt = e.field("targets|goals|points_b", T.VEC3, R.uniform(-1.6, 1.6)).own
        sep = k.let("sep|to_target|delta", goal_pt - o)
        reach = k.let("reach|dist|limit", wp.length(sep))
        with k.when(reach < 1.0e-6):
            k.ret()
        d = k.let("d|dir|sight", sep / reach)
    else:
        d = e.field("directions|ray_dirs|gaze", T.VEC3, R.unit_vectors()).read("d|dir|gaze_i")
        reach = k.param("max_range|max_t|view_distance", 1.5, 6.0)
    e.guard()
    form = p.pick("any", "any", "count", "both")
    if form != "count":
        blocked = k.let(
            "blocked|occluded|hit", wp.mesh_query_ray_anyhit(mesh.id, o, d, reach, *root)
        )
        e.out("visible|clear|line_of_sight", T.I32).store(
            choose(blocked, 0, 1) if p.chance(0.5) else wp.where(blocked, 0, 1)
        )
        if p.chance(0.4):
            with k.when(blocked):
                k.do(wp.atomic_add(k.out("num_blocked|occluded_count", T.I32, (1,)), 0, 1))
    if form != "any":
        n = k.let("n|layers|crossings", wp.mesh_query_ray_count_intersections(mesh.id, o, d, *root))
        e.out("layer_count|crossings_out|hit_count", T.I32).store(n)
        if p.chance(0.4):
            e.out("inside|is_inside|parity", T.I32).store(n % 2)
