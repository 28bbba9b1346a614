"""Points and forces attached to rigid bodies."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import report, tune
from generator.synthesis.categories._rigid_state import (
    POSES,
    TWISTS,
    spatial,
)
from generator.synthesis.entities import Entities
from generator.synthesis.program import ProgramBuilder


def attached_points(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "transform_points|point_velocities|update_sites|body_to_world|attach_points|update_markers|sensor_frames",
        p.pick(
            "Points fixed to bodies, in world coordinates.",
            "Positions and velocities of sites.",
            "Move attached points with their bodies.",
        ),
    )
    e = Entities(k, p.pick("point", "site", "marker", "vertex"), index="tid|i|p")
    bodies, vec = p.pick(8, 12, 16, 24), p.vec(3)
    from_pool = (bodies,) if e.worlds is None else (e.worlds, bodies)
    poses = k.array(POSES, p.transform, from_pool, R.rigid(-1.0, 1.0))
    owner = k.let(
        "b|body|parent",
        e.field(
            "point_body|body_ids|site_body|owner",
            T.I32,
            R.integers(-1 if p.chance(0.4) else 0, bodies),
        ).own,
    )
    e.guard()
    local = e.field("local_points|local_pos|offsets|site_local", vec, R.uniform(-0.5, 0.5))
    out = e.out("world_points|points_out|site_pos|world_pos", vec)
    at = (lambda a, j: a[j]) if e.world is None else (lambda a, j: a[e.world, j])
    with k.when(owner < 0):
        out.store(local.own)
        k.ret()
    pose = k.let("pose|xform|t_wb|x_wb", at(poses, owner))
    world = k.var("x|p_world|point", wp.transform_point(pose, local.own))
    if p.chance(0.3):
        tune(p, e, world, "position", 2.0)
    out.store(world)
    wanted = p.sample(["velocity", "normal", "frame", "delta"], 1, 3)
    if "velocity" in wanted:
        qd = k.let(
            "qd|twist", at(k.array(TWISTS, p.spatial, from_pool, R.uniform(-1.0, 1.0)), owner)
        )
        arm = k.let("r|arm|lever", world - wp.transform_get_translation(pose))
        swap = p.chance(0.4)
        lin, ang = (
            (wp.spatial_bottom(qd), wp.spatial_top(qd))
            if swap
            else (wp.spatial_top(qd), wp.spatial_bottom(qd))
        )
        e.out("point_vel|velocities_out|site_vel", vec).store(lin + wp.cross(ang, arm))
    if "normal" in wanted:
        n = e.field("local_normals|normals|axes", vec, R.unit_vectors())
        e.out("world_normals|normals_out|axis_out", vec).store(wp.transform_vector(pose, n.own))
    if "delta" in wanted:
        rest = e.field("rest_points|reference|prev_world", vec, R.uniform(-1.0, 1.0))
        drift = k.let("drift|moved|dx", world - rest.own)
        if p.chance(0.5):
            tolerance = k.param("tolerance|move_threshold|eps_move", 0.1, 1.5)
            with k.when(wp.length(drift) > tolerance):
                e.out("moved_flag|has_moved|stale", T.I32).store(1)
        else:
            e.out("displacements|drift_out|motion", vec).store(drift)
    if "frame" in wanted:
        offset = e.field("local_frames|site_xform|offsets_x", p.transform, R.rigid(-0.3, 0.3))
        e.out("frames|site_frames|world_frames", p.transform).store(
            pose * offset.own if p.chance(0.6) else wp.transform_multiply(pose, offset.own)
        )
    report(p, e, world, "position", 2.0, {0: 4, 1: 1})


def point_wrenches(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_point_forces|accumulate_wrenches|thruster_forces|external_wrenches|apply_body_forces|actuator_wrenches",
        p.pick(
            "Point forces as wrenches about the centres of mass.",
            "Accumulate external wrenches.",
            "Thrusters mounted on bodies.",
        ),
    )
    e = Entities(k, p.pick("thruster", "force", "actuator"), index="tid|i|a")
    bodies, vec = p.pick(8, 12, 16), p.vec(3)
    shape = (bodies,) if e.worlds is None else (e.worlds, bodies)
    poses = k.array(POSES, p.transform, shape, R.rigid(-1.0, 1.0))
    b = k.let(
        "b|body|owner", e.field("body_ids|mount_body|owner_ids", T.I32, R.integers(0, bodies)).own
    )
    e.guard()
    at = (lambda a, j: a[j]) if e.world is None else (lambda a, j: a[e.world, j])
    pose = k.let("pose|xform|t_wb", at(poses, b))
    point = e.field("local_points|mount_points|offsets", vec, R.uniform(-0.5, 0.5))
    arm = k.let(
        "r|arm|lever",
        wp.transform_vector(
            pose,
            point.own
            if p.chance(0.6)
            else point.own - e.field("com|local_com|centers", vec, R.uniform(-0.1, 0.1)).own,
        ),
    )
    axis = e.field("local_axes|directions|thrust_axis", vec, R.unit_vectors())
    level = k.var(
        "thrust|level|u", e.field("controls|throttle|commands", p.real, R.uniform(-1.0, 1.0)).own
    )
    if p.chance(0.5):
        k.set(level, wp.clamp(level, 0.0 if p.chance(0.5) else -1.0, 1.0))
    peak = e.property("max_thrust|gain|peak_force", 1.0, 50.0)
    f = k.var("f|force|f_world", wp.transform_vector(pose, axis.own) * (level * peak))
    tune(p, e, f, "force", 60.0)
    tau = k.let("tau|torque|moment", wp.cross(arm, f))
    out = k.out("body_f|wrenches|f_out", p.spatial, shape)
    where = (b,) if e.world is None else (e.world, b)
    wrench = spatial(p, f, tau) if p.chance(0.6) else spatial(p, tau, f)
    if p.augmented_atomics:
        k.aug(out[where], "+", wrench)
    else:
        k.do(wp.atomic_add(out, *where, wrench))
    report(p, e, f, "force", 30.0, {0: 3, 1: 1})
