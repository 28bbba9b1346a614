"""Instances placed by matrices: composition from translation, rotation and scale, and what is read back."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_PARTS = T.TupleType((T.VEC3, T.QUAT, T.VEC3))


def instance_matrices(p: ProgramBuilder) -> None:
    """Matrices of instances: composed, taken apart, converted from and to rigid transforms."""
    single_precision(p)
    k = p.kernel_builder(
        "update_instances|instance_matrices|refresh_nodes|flatten_scene|place_instances|bake_transforms",
        p.pick(
            "World matrices of instanced shapes.",
            "Local to world matrices of the scene nodes.",
            "Rebuild the matrices of moved instances.",
        ),
    )
    e = Entities(k, p.pick("instance", "node", "shape", "part"))
    e.guard()
    scaled = p.chance(0.5)
    local = _composed(p, k, e) if scaled else _rigid(p, k, e)
    if p.chance(0.5):
        parents = p.pick(4, 8)
        index = e.field("parent|parent_id|group", T.I32, R.integers(0, parents)).own
        local = k.let("world|m_world|global_m", _parent(p, k, e, parents, index) @ local)
    first = [] if scaled else [_rigid_part]
    for write in first + p.sample(p.shuffled([_parts, _point, _stored]), 1, 2):
        write(p, k, e, local)


def _composed(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Name:
    """The node's own matrix, with scale."""
    t = e.field("translations|positions|offsets", T.VEC3, R.uniform(-2.0, 2.0)).own
    r = e.field("rotations|orientations", T.QUAT, R.rotations()).own
    s: Expr = (
        e.field("scales|sizes", T.VEC3, R.uniform(0.5, 2.0)).own
        if p.chance(0.5)
        else construct(T.VEC3, e.property("scale|size", 0.5, 2.0))
    )
    return k.let("local|m|model", call_as("transform_compose", T.MAT44, t, r, s))


def _rigid(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Name:
    """The node's own matrix, without scale."""
    pose = e.field("poses|transforms|local_frames", T.TRANSFORM, R.rigid(-2.0, 2.0)).own
    return k.let("local|m|model", wp.transform_to_matrix(pose))


def _parent(p: ProgramBuilder, k: KernelBuilder, e: Entities, parents: int, index: Expr) -> Expr:
    fill = R.rigid(-1.0, 1.0)
    frames = Table(e, "parent_poses|group_frames|roots", T.TRANSFORM, (parents,), fill)
    return k.let("parent_m|above|base", wp.transform_to_matrix(frames[index]))


def _rigid_part(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Name) -> None:
    frame = k.let("frame|rigid|pose", wp.transform_from_matrix(m))
    e.out("frames|rigid_poses|poses_out", T.TRANSFORM).store(frame)
    if p.chance(0.4):
        offset = e.world_vector("tip|local_offset|tool", [0.1, 0.0, 0.3], T.VEC3)
        e.out("tips|tool_points|anchors", T.VEC3).store(wp.transform_point(frame, offset))


def _parts(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Name) -> None:
    t, r, s = k.unpack(
        ["origin|t|where", "turn|r|q_part", "stretch|s|size_i"],
        call_as("transform_decompose", _PARTS, m),
    )
    for what in p.sample(["origin", "turn", "size"], 1, 3):
        if what == "origin":
            e.out("origins|world_positions|centers", T.VEC3).store(t)
        elif what == "turn":
            e.out("world_rotations|turns|q_out", T.QUAT).store(r)
        elif p.chance(0.5):
            largest = wp.max(wp.max(s.x, s.y), s.z)
            e.out("bounding_scale|max_scale|reach", T.F32).store(largest)
        else:
            e.out("world_scales|stretches", T.VEC3).store(s)


def _point(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Name) -> None:
    corner = e.field("corners|local_points|vertices", T.VEC3, R.uniform(-0.5, 0.5)).read("c|x|v")
    if p.chance(0.5):
        moved = wp.transform_point(m, corner)
    else:
        h = k.let("h|homogeneous|p4", m * construct(T.VEC4, corner.x, corner.y, corner.z, 1.0))
        moved = construct(T.VEC3, h.x, h.y, h.z)
    moved = k.let("moved|p_world|y", moved)
    e.out("world_points|corners_out|points_out", T.VEC3).store(moved)
    if p.chance(0.35):
        height = Table(e, "lowest|floor_height|min_z", T.F32, (1,), R.constant(1.0e6), "inout")
        height.atomic("min", moved.z, 0)


def _stored(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Name) -> None:
    value = wp.transpose(m) if p.chance(0.4) else m
    e.out("matrices|world_matrices|model_matrices", T.MAT44).store(value)
