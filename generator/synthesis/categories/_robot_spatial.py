"""Spatial algebra on single bodies, for the robotics category; angular parts stand first, as Warp's products have them."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def spatial_products(p: ProgramBuilder) -> None:
    """Bias forces, transported twists and wrenches, adjoints, of every link."""
    k = p.kernel_builder(
        "bias_wrenches|gyroscopic_forces|transport_twists|spatial_products|link_wrenches|velocity_products",
        p.pick(
            "Velocity-product forces of every link.",
            "Twists and wrenches moved between frames.",
            "Spatial quantities of single links.",
        ),
    )
    e = Entities(k, p.pick("link", "body"))
    twist = e.field("twists|body_qd|link_v", T.SPATIAL, R.uniform(-1.0, 1.0))
    e.guard()
    v = twist.read("v|xi|twist_i")
    for part in p.sample([_bias, _transport, _reaction, _adjoint, _joint_rate, _tip_speed], 2, 3):
        part(p, k, e, v)


def _bias(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    inertia = e.field("spatial_inertia|body_I|link_I", T.SpatialMat(), R.spd(0.1, 2.0)).own
    momentum = k.let("h|momentum|p_i", inertia @ v)
    bias: Expr = wp.spatial_cross_dual(v, momentum)
    if p.chance(0.5):
        external = e.field("external|body_f|f_ext", T.SPATIAL, R.uniform(-2.0, 2.0)).own
        bias = bias - external
    e.out("bias_out|p_A|zero_accel_force", T.SPATIAL).store(bias)
    if p.chance(0.5):
        energy = k.let("ke|energy|kinetic", 0.5 * wp.spatial_dot(v, momentum))
        Table(e, "kinetic_energy|energy_sum|total_ke", T.F32, (1,), role="out").add(energy, 0)


def _pose(e: Entities) -> Field:
    return e.field("poses|X_rel|parent_xform", T.TRANSFORM, R.rigid(-0.6, 0.6))


def _transport(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    pose = _pose(e).read("X|pose|tf")
    target = wp.transform_inverse(pose) if p.chance(0.5) else pose
    moved = k.let("v_p|moved|v_frame", wp.transform_twist(target, v))
    e.out("twists_out|v_parent|moved_twist", T.SPATIAL).store(moved)
    if p.chance(0.4):
        e.out("speeds|lin_speed|speed_out", T.F32).store(wp.length(wp.spatial_bottom(moved)))


def _reaction(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    pose = _pose(e).own
    wrench = e.field("wrenches|link_f|applied", T.SPATIAL, R.uniform(-3.0, 3.0)).read("f|w_i|load")
    moved = k.let("f_p|f_frame|reaction", wp.transform_wrench(pose, wrench))
    parents = p.pick(8, 12)
    index = e.field("parent_slot|owner|group_id", T.I32, R.integers(0, parents)).own
    total = Table(e, "parent_wrench|reactions|f_sum", T.SPATIAL, (parents,), role="out")
    total.add(moved, index)
    if p.chance(0.5):
        e.out("power|work_rate|p_out", T.F32).store(wp.spatial_dot(wrench, v))


def _adjoint(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    pose = _pose(e).read("X|pose|tf")
    turn = k.let("R|rot|rm", wp.quat_to_matrix(wp.transform_get_rotation(pose)))
    lever = k.let("S|px_r|cross_r", wp.skew(wp.transform_get_translation(pose)) @ turn)
    adjoint = k.let("Ad|adj|X_m", wp.spatial_adjoint(turn, lever))
    if p.chance(0.4):
        e.out("adjoints|spatial_X|motion_X", T.SpatialMat()).store(adjoint)
    e.out("adjoint_twist|v_ad|mapped", T.SPATIAL).store(adjoint @ v)


def _joint_rate(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    axis = e.field("joint_axis|axes|s_axis", T.VEC3, R.unit_vectors()).own
    rate = e.field("joint_qd|qd|rates", T.F32, R.uniform(-1.0, 1.0)).own
    screw = k.let("s|screw|S_i", wp.spatial_vector(axis, construct(T.VEC3, 0.0)))
    e.out("coriolis|c_i|velocity_product", T.SPATIAL).store(wp.spatial_cross(v, screw * rate))


def _tip_speed(p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name) -> None:
    offset = e.field("offsets|tip_offset|r_tip", T.VEC3, R.uniform(-0.5, 0.5)).own
    tip = k.let("v_tip|tip_vel|point_v", wp.velocity_at_point(v, offset))
    if p.chance(0.5):
        e.out("tip_velocity|point_velocities|v_out", T.VEC3).store(tip)
        return
    limit = k.param("max_tip_speed|speed_limit|v_max", 0.3, 1.5)
    fast = Table(e, "num_fast|violations|over_limit", T.I32, (1,), role="out")
    with k.when(wp.length(tip) > limit):
        fast.add(1, 0)
    e.out("tip_speed|speeds_out|tip_rate", T.F32).store(wp.length(tip))
