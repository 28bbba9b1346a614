"""Attitude and navigation: rotations in all their representations, sensor fusion, frames on the globe."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._attitude_forms import frame_attitude, from_angles
from generator.synthesis.categories._attitude_parts import calibrated, report
from generator.synthesis.categories._scene_graph import instance_matrices
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, literal

_DEG = 57.29577951


@category("attitude_navigation", version=1, title="Attitude and navigation")
def write(p: ProgramBuilder) -> None:
    """Orientation and position of vehicles: conversions between quaternions, Euler angles, axis-angle and matrices,
    interpolation and twist decomposition, complementary filters on gyroscopes and accelerometers, strapdown
    integration, lever arms, great-circle distances, bearings and map projections."""
    intent = p.weighted(
        {
            _convert: 2.0, _complementary: 3, _strapdown: 3, _interpolate: 2, _twist: 3, _frames: 2.5, _matrices: 0.5, _great_circle: 0.8,
            _projection: 0.5, _geodetic: 0.3, _lever_arm: 2, _error: 2.5,
            from_angles: 2.8, frame_attitude: 2.4, instance_matrices: 2.4,
        }
    )  # fmt: skip
    intent(p)


def _start(
    p: ProgramBuilder,
    names: str,
    *docs: str,
    item: str = "vehicle|body|imu|sensor|pose|agent",
    double: bool = True,
) -> tuple[KernelBuilder, Entities]:
    p.real = T.F64 if double and p.on("double") else T.F32
    k = p.kernel_builder(names, p.pick(*docs))
    return k, Entities(k, p.pick(*item.split("|")))


def _attitude(
    p: ProgramBuilder, e: Entities, hint: str = "attitudes|orientations|rotations|body_quat"
) -> Expr:
    return e.field(hint, p.quat, R.rotations()).read("q|att|rot|orientation")


def _convert(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "convert_rotations|export_attitude|extract_euler_angles|attitude_to_angles|report_orientation",
        "Express attitudes in another representation.", "Angles for logging.",
        double=False,
    )  # fmt: skip
    q = _attitude(p, e)
    e.guard()
    forms = p.sample(["rpy", "euler", "axis", "matrix", "yaw"], 1, 3)
    for form in forms:
        if form == "rpy":
            angles = k.let("angles|rpy|attitude_angles", wp.quat_to_rpy(q))
            value = (
                construct(p.vec(), *(wp.degrees(angles[i]) for i in range(3)))
                if p.chance(0.6)
                else angles
            )
            e.out("roll_pitch_yaw|rpy_out|euler_out", p.vec()).store(value)
        elif form == "euler":
            order = p.pick((0, 1, 2), (2, 1, 0), (1, 2, 0))
            angles = k.let("euler|angles_e|cardan", call_as("quat_to_euler", p.vec(), q, *order))
            e.out("euler_angles|cardan_angles", p.vec()).store(angles)
        elif form == "axis":
            axis, angle = k.unpack(
                ["axis|rot_axis", "angle|rot_angle|theta"], wp.quat_to_axis_angle(q)
            )
            if p.chance(0.5):
                with k.when(angle > 3.14159265):
                    e.out("wrapped|long_way", T.I32).store(1)
            e.out("rotation_vectors|rotvec|axis_angle", p.vec()).store(axis * angle)
        elif form == "matrix":
            m = k.let("m|dcm|rot_mat", wp.quat_to_matrix(q))
            e.out("matrices|dcms|rotation_matrices", p.mat()).store(
                wp.transpose(m) if p.chance(0.4) else m
            )
        else:
            forward = k.let(
                "forward|heading_vec|nose", wp.quat_rotate(q, construct(p.vec(), 1.0, 0.0, 0.0))
            )
            yaw = wp.atan2(forward.y, forward.x)
            e.out("headings|yaw|yaw_angles", p.real).store(
                wp.degrees(yaw) if p.chance(0.5) else yaw
            )


def _complementary(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "complementary_filter|fuse_imu|update_attitude|mahony_update|attitude_filter",
        "Blend integrated gyro rates with the gravity direction.", "One step of a complementary attitude filter.",
    )  # fmt: skip
    vec = p.vec()
    q = _attitude(p, e)
    gyro = e.field("gyro|angular_rates|gyro_readings", vec, R.uniform(-1.0, 1.0)).read(
        "omega|w|rate"
    )
    gyro = calibrated(p, e, gyro, "gyro")
    accel = e.field("accel|accelerometer|specific_force", vec, R.uniform(0.5, 2.0)).read("a|acc|f")
    accel = calibrated(p, e, accel, "accel") if p.chance(0.5) else accel
    gain = e.world_param("gain|kp|proportional_gain|beta", 0.05, 2.0)
    dt = e.world_param("dt|sample_time|period", 0.001, 0.02)
    up = k.let("up|measured_up|a_hat", wp.normalize(accel))
    predicted = k.let(
        "predicted|expected_up|v_hat", wp.quat_rotate_inv(q, construct(vec, 0.0, 0.0, 1.0))
    )
    error = k.let("error|err|innovation", wp.cross(up, predicted))
    rate = k.var("corrected|w_c|omega_c", gyro + error * gain)
    if p.chance(0.5):
        bias = e.inout("gyro_bias|bias|drift", vec, R.uniform(-0.05, 0.05))
        ki = e.world_param("ki|integral_gain|bias_gain", 0.001, 0.1)
        b = k.let("b|new_bias", bias.own - error * (ki * dt))
        bias.store(b)
        k.set(rate, rate - b)
    if p.chance(0.4):
        magnitude = k.let("g_mag|magnitude|norm_a", wp.length(accel))
        with k.when(any_of(magnitude < 0.8, magnitude > 1.9)):
            k.comment("not a static measurement: trust the gyro alone")
            k.set(rate, gyro)
    _integrate_rate(p, k, e, q, rate, dt)


def _integrate_rate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, rate: Expr, dt: Expr
) -> None:
    target = e.out("attitudes_out|q_next|new_orientations", p.quat)
    match p.pick("derivative", "exponential", "small"):
        case "derivative":
            spin = k.let("spin|qw|q_rate", construct(p.quat, rate.x, rate.y, rate.z, 0.0))
            value = wp.normalize(q + (q * spin) * (0.5 * dt))
        case "exponential":
            angle = k.let("angle|theta|phi", wp.length(rate) * dt)
            axis = k.let("axis|n|u", wp.normalize(rate))
            value = q * wp.quat_from_axis_angle(axis, angle)
        case _:
            half = k.let("half|dtheta|h", rate * (0.5 * dt))
            value = wp.normalize(q * construct(p.quat, half.x, half.y, half.z, 1.0))
    updated = k.let("q_new|q1|updated", value)
    if p.chance(0.5):
        k.do(wp.expect_near(wp.length(updated), literal(1.0, p.real), literal(0.001, p.real)))
    target.store(updated)
    report(p, e, updated)


def _strapdown(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "strapdown_step|mechanise_imu|propagate_navigation|dead_reckoning|inertial_update",
        "Strapdown inertial navigation over one sample.", "Propagate attitude, velocity and position.",
        double=False,
    )  # fmt: skip
    vec = p.vec()
    pose = e.field("poses|body_pose|nav_state", p.transform, R.rigid(-5.0, 5.0)).read(
        "pose|x|state"
    )
    vel = e.field("velocities|vel|v_nav", vec, R.uniform(-3.0, 3.0)).read("v|vel_i")
    gyro = calibrated(
        p, e, e.field("delta_theta|gyro|rates", vec, R.uniform(-0.5, 0.5)).own, "gyro"
    )
    accel = e.field("delta_v|accel|specific_force", vec, R.uniform(-4.0, 4.0)).own
    accel = calibrated(p, e, accel, "accel") if p.chance(0.6) else accel
    dt = e.world_param("dt|tau|sample_time", 0.002, 0.05)
    gravity = e.world_vector("gravity|g_n", [0.0, 0.0, -9.81], vec)
    q = k.let("q|att", wp.transform_get_rotation(pose))
    pos = k.let("pos|r|position", wp.transform_get_translation(pose))
    dq = (
        k.let("dq|increment", call_as("quat_rpy", p.quat, gyro.x * dt, gyro.y * dt, gyro.z * dt))
        if p.chance(0.4)
        else k.let(
            "dq|increment", wp.quat_from_axis_angle(wp.normalize(gyro), wp.length(gyro) * dt)
        )
    )
    q1 = k.let("q1|att_new", wp.normalize(q * dq))
    a = k.let("a_nav|acc|a_world", wp.quat_rotate(q1, accel) + gravity)
    v1 = k.let("v1|vel_new", vel + a * dt)
    p1 = k.let("p1|pos_new", pos + (vel + v1) * (0.5 * dt) if p.chance(0.5) else pos + v1 * dt)
    e.out("velocities_out|v_next", vec).store(v1)
    out = e.out("poses_out|pose_next|nav_state_next", p.transform)
    if p.chance(0.5):
        out.store(construct(p.transform, p1, q1))
    else:
        k.do(call_as("transform_set_translation", T.VOID, pose, p1))
        k.do(call_as("transform_set_rotation", T.VOID, pose, q1))
        out.store(pose)
    report(p, e, q1, 3)


def _interpolate(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "slerp_keyframes|interpolate_attitude|resample_orientations|blend_rotations|interpolate_poses",
        "Attitude between two keyframes.", "Resample a rotation track at new times.", item="sample|query|frame|track",
    )  # fmt: skip
    keys = p.pick(8, 12, 16)
    track = k.array("keyframes|key_rotations|knots", p.quat, (keys,), R.rotations())
    time = e.field(
        "times|sample_times|t_query", p.real, R.uniform(0.0, float(keys - 1) - 0.01)
    ).read("t|time|s")
    index = k.let("i0|segment|lower", wp.min(construct(T.I32, wp.floor(time)), keys - 2))
    u = k.let("u|alpha|frac_t", wp.frac(time) if p.chance(0.4) else time - construct(p.real, index))
    a, b = k.let("a|qa|q0", track[index]), k.var("b|qb|q1", track[index + 1])
    if p.chance(0.5):
        k.comment("take the short way round")
        with k.when(wp.dot(a, b) < 0.0):
            k.set(b, -b)
    weight = u
    if p.chance(0.4):
        weight = k.let(
            "w|eased",
            wp.smoothstep(construct(p.real, 0.0), construct(p.real, 1.0), u)
            if p.chance(0.5)
            else u * u * (3.0 - 2.0 * u),
        )
    q = k.let(
        "q|blended",
        wp.quat_slerp(a, b, weight)
        if p.chance(0.6)
        else wp.normalize(a * (1.0 - weight) + b * weight),
    )
    e.out("rotations_out|q_out|resampled", p.quat).store(q)
    report(p, e, q, 3)
    if p.chance(0.4):
        delta = k.let("delta|relative", wp.quat_inverse(a) * b)
        e.out("step_angles|angular_speed|omega_mag", p.real).store(
            2.0 * wp.acos(wp.clamp(wp.abs(delta.w), 0.0, 1.0))
        )


def _twist(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "swing_twist|decompose_joint|joint_twist_angle|limit_twist|clamp_joint_twist",
        "Twist of a joint rotation about its axis.", "Swing-twist decomposition with limits.", item="joint|bone|link",
        double=False,
    )  # fmt: skip
    q = _attitude(p, e, "joint_rotations|relative_rotations|local_quats")
    axis = e.field("axes|joint_axes|twist_axes", p.vec(), R.unit_vectors()).read("axis|n|a")
    twist = k.let("twist|q_twist", call_as("quat_twist", p.quat, axis, q))
    name = p.pick("quat_twist_angle", "quat_twist_angle_signed")
    angle = k.let("angle|theta|phi", call_as(name, p.real, axis, q))
    e.out("twist_angles|angles", p.real).store(angle)
    report(p, e, q)
    if p.chance(0.6):
        limit = e.property("limit|max_twist|range_of_motion", 0.3, 2.0)
        limited = k.let("limited|clamped", wp.clamp(angle, -limit, limit))
        swing = k.let("swing|q_swing", q * wp.quat_inverse(twist))
        e.out("limited_rotations|rotations_out", p.quat).store(
            swing * wp.quat_from_axis_angle(axis, limited)
        )
        if p.chance(0.5):
            violations = k.out("violations|limit_count", T.I32, (1,))
            with k.when(wp.abs(angle) > limit):
                k.do(wp.atomic_add(violations, 0, 1))


def _frames(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "transform_measurements|sensor_to_world|change_frame|express_in_body|relative_pose",
        "Carry measurements from the sensor to the world frame.", "Poses relative to a reference frame.", item="sensor|camera|marker|beacon",
        double=False,
    )  # fmt: skip
    vec = p.vec()
    pose = e.field("poses|world_poses|frames", p.transform, R.rigid(-3.0, 3.0)).read("x|pose|frame")
    mount = k.quantity(
        "mount|extrinsic|sensor_offset", p.transform, [0.1, -0.05, 0.3, 0.0, 0.0, 0.0, 1.0]
    )
    if p.chance(0.5):
        report(p, e, k.let("q_body|att", wp.transform_get_rotation(pose)))
    combined = k.let(
        "x_ws|sensor_pose|world_from_sensor",
        wp.transform_multiply(pose, mount) if p.chance(0.5) else pose * mount,
    )
    match p.pick("point", "vector", "relative", "twist"):
        case "point":
            point = e.field("points|measurements|hits", vec, R.uniform(-2.0, 2.0)).own
            e.out("world_points|points_out", vec).store(wp.transform_point(combined, point))
            if p.chance(0.4):
                ranges = e.out("ranges|distances", p.real)
                ranges.store(wp.length(point))
        case "vector":
            direction = e.field("directions|rays|bearings", vec, R.unit_vectors()).own
            inverse = k.let("inv|sensor_from_world", wp.transform_inverse(combined))
            e.out("local_directions|rays_out", vec).store(wp.transform_vector(inverse, direction))
        case "relative":
            reference = e.world_vector("origin|reference_point", [0.5, 0.0, 0.2], vec)
            frame = k.let(
                "ref|anchor",
                construct(
                    p.transform,
                    reference,
                    call_as("quat_identity", p.quat)
                    if p.real == T.F32
                    else construct(p.quat, 0.0, 0.0, 0.0, 1.0),
                ),
            )
            e.out("relative_poses|local_poses", p.transform).store(
                wp.transform_inverse(frame) * combined
            )
        case "twist":
            velocity = e.field(
                "twists|body_velocity|spatial_vel", p.spatial, R.uniform(-1.0, 1.0)
            ).own
            moved = k.let("moved|twist_w|v_w", wp.transform_twist(combined, velocity))
            e.out("world_twists|twists_out", p.spatial).store(moved)
            if p.chance(0.5):
                load = e.field("wrenches|forces|loads", p.spatial, R.uniform(-1.0, 1.0)).own
                wrench = k.let("wrench|f_w", wp.transform_wrench(combined, load))
                e.out("power|mechanical_power", p.real).store(wp.spatial_dot(moved, wrench))


def _matrices(p: ProgramBuilder) -> None:
    form = p.pick("compose", "decompose", "to_matrix", "from_matrix")
    names, doc = {
        "compose": ("compose_matrices|rebuild_transforms|model_matrices", "Model matrices of instances."),
        "decompose": ("decompose_matrices|split_matrices|extract_trs", "Translation, rotation and scale of a matrix."),
        "to_matrix": ("pose_to_matrix|transform_matrices|upload_poses", "Homogeneous matrices of rigid poses."),
        "from_matrix": ("rotation_from_matrix|clean_rotations|reorthonormalize", "Quaternions from rotation matrices."),
    }[form]  # fmt: skip
    k, e = _start(
        p, names, doc, "Between matrices and rigid transforms.", item="instance|node|marker", double=False
    )  # fmt: skip
    match form:
        case "compose":
            position = e.field("positions|translations", T.VEC3, R.uniform(-2.0, 2.0)).own
            rotation = e.field("rotations|orientations", T.QUAT, R.rotations()).own
            scale = e.field("scales|sizes", T.VEC3, R.uniform(0.5, 2.0)).own
            m = k.let(
                "m|model|local_to_world",
                call_as("transform_compose", T.MAT44, position, rotation, scale),
            )
            e.out("matrices|model_matrices", T.MAT44).store(m)
        case "decompose":
            m = e.field("matrices|model_matrices", T.MAT44, R.near_identity(0.1)).read("m|mat")
            kinds = T.TupleType((T.VEC3, T.QUAT, T.VEC3))
            t, r, s = k.unpack(
                ["t|position", "r|rotation", "s|scale"], call_as("transform_decompose", kinds, m)
            )
            e.out("translations|positions_out", T.VEC3).store(t)
            e.out("rotations_out|orientations_out", T.QUAT).store(wp.normalize(r))
            if p.chance(0.6):
                e.out("scales_out|scales", T.VEC3).store(s)
            else:
                e.out("volumes|volume_scale", T.F32).store(s.x * s.y * s.z)
        case "to_matrix":
            pose = e.field("poses|transforms", T.TRANSFORM, R.rigid(-2.0, 2.0)).own
            m = k.let("m|mat", call_as("transform_to_matrix", T.MAT44, pose))
            row = e.out("first_rows|x_rows", T.VEC4)
            row.store(m[0])
            e.out("matrices|world_matrices", T.MAT44).store(m if p.chance(0.5) else wp.transpose(m))
        case "from_matrix":
            rotation = e.field("rotations|orientations", T.QUAT, R.rotations()).own
            m = k.let("basis|rot|m", wp.quat_to_matrix(rotation))
            skewed = k.let("fixed|orthonormal", _orthonormal(p, k, m))
            e.out("quats|rotations_out", T.QUAT).store(call_as("quat_from_matrix", T.QUAT, skewed))


def _orthonormal(p: ProgramBuilder, k: KernelBuilder, m: Expr) -> Expr:
    def body(b, a):  # type: ignore[no-untyped-def]
        x = b.let("x|ex", wp.normalize(construct(T.VEC3, a[0, 0], a[1, 0], a[2, 0])))
        y0 = b.let("y|ey", construct(T.VEC3, a[0, 1], a[1, 1], a[2, 1]))
        z = b.let("z|ez", wp.normalize(wp.cross(x, y0)))
        return wp.matrix_from_cols(x, wp.cross(z, x), z)

    return piece(p, k, "orthonormalize|fix_rotation|gram_schmidt", {"a|m|mat": m}, body)


def _great_circle(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "haversine|great_circle_distance|distance_to_waypoints|bearing_to_target|geo_distance",
        "Great-circle distances between coordinates in degrees.", "Distance and initial bearing on the sphere.", item="track|ship|flight|fix",
    )  # fmt: skip
    lat1 = k.let(
        "lat1|phi1", wp.radians(e.field("latitudes|lat|lats", p.real, R.uniform(-70.0, 70.0)).own)
    )
    lon1 = k.let(
        "lon1|lam1",
        wp.radians(e.field("longitudes|lon|lons", p.real, R.uniform(-180.0, 180.0)).own),
    )
    lat2 = k.let("lat2|phi2", wp.radians(e.world_param("target_lat|waypoint_lat", 5.0, 60.0)))
    lon2 = k.let("lon2|lam2", wp.radians(e.world_param("target_lon|waypoint_lon", 5.0, 120.0)))
    dlat, dlon = k.let("dlat|dphi", lat2 - lat1), k.let("dlon|dlam", lon2 - lon1)
    s1, s2 = k.let("s_lat|sp", wp.sin(dlat * 0.5)), k.let("s_lon|sl", wp.sin(dlon * 0.5))
    h = k.let("h|hav|a", s1 * s1 + wp.cos(lat1) * wp.cos(lat2) * s2 * s2)
    arc = k.let(
        "arc|c|angle",
        2.0 * wp.asin(wp.sqrt(wp.clamp(h, 0.0, 1.0)))
        if p.chance(0.5)
        else 2.0 * wp.atan2(wp.sqrt(h), wp.sqrt(wp.max(1.0 - h, 0.0))),
    )
    radius = k.param("earth_radius|radius|mean_radius", 6371.0, 6371.0)
    distance = k.let("distance|d_km|range_km", radius * arc)
    e.out("distances|range_out", p.real).store(distance)
    if p.chance(0.6):
        y = k.let("y|east", wp.sin(dlon) * wp.cos(lat2))
        x = k.let(
            "x|north", wp.cos(lat1) * wp.sin(lat2) - wp.sin(lat1) * wp.cos(lat2) * wp.cos(dlon)
        )
        bearing = k.var("bearing|heading|course_deg", wp.degrees(wp.atan2(y, x)))
        with k.when(bearing < 0.0):
            k.aug(bearing, "+", 360.0)
        e.out("bearings|courses", p.real).store(bearing)
    if p.chance(0.4):
        nearest = k.out("nearest|closest_distance", p.real, (1,), R.constant(1.0e6))
        k.do(wp.atomic_min(nearest, 0, distance))


def _projection(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "project_coordinates|mercator_forward|map_projection|geo_to_plane|tile_coordinates",
        "Map coordinates in degrees to the plane.", "Forward map projection.", item="point|vertex|station",
    )  # fmt: skip
    lat = k.let(
        "lat|phi", wp.radians(e.field("latitudes|lat_deg", p.real, R.uniform(-75.0, 75.0)).own)
    )
    lon = k.let(
        "lon|lam", wp.radians(e.field("longitudes|lon_deg", p.real, R.uniform(-179.0, 179.0)).own)
    )
    scale = k.param("scale|map_scale|k0", 0.5, 100.0)
    match p.pick("mercator", "gudermann", "equirect", "lambert", "sinusoidal"):
        case "mercator":
            y = wp.log(wp.tan(0.25 * 3.14159265 + 0.5 * lat))
        case "gudermann":
            y = wp.log((1.0 + wp.sin(lat)) / wp.cos(lat))
        case "equirect":
            y = lat
        case "lambert":
            y = wp.sin(lat)
        case _:
            lon = k.let("shrunk|lam_c", lon * wp.cos(lat))
            y = lat
    flat = k.let("xy|plane|uv", construct(p.vec(2), lon, y) * scale)
    e.out("projected|plane_points|xy_out", p.vec(2)).store(flat)
    if p.chance(0.5):
        zoom = k.count("zoom_tiles|tiles|tile_count", p.pick(8, 16, 32))
        column = k.let(
            "column|tx",
            construct(T.I32, wp.trunc((lon / 6.2831853 + 0.5) * construct(p.real, zoom))),
        )
        e.out("tile_columns|zones", T.I32).store(wp.clamp(column, 0, zoom - 1))


def _geodetic(p: ProgramBuilder) -> None:
    p.real = T.F64
    k = p.kernel_builder(
        "geodetic_to_ecef|ecef_from_lla|lla_to_cartesian",
        p.pick("Geodetic to earth-centred coordinates.", "WGS-84 forward conversion."),
    )
    e = Entities(k, p.pick("fix", "station", "receiver"))
    lla = e.field("lla|geodetic|coordinates", T.Vec(3, T.F64), R.uniform(-1.2, 1.2)).read(
        "c|lla_i|geo"
    )
    a, e2 = (
        p.const("SEMI_MAJOR|EARTH_A|WGS84_A", 6378137.0, T.F64),
        p.const("ECC_SQ|WGS84_E2|E2", 0.00669437999014, T.F64),
    )
    s, c = k.let("s|sin_lat", wp.sin(lla.x)), k.let("c_lat|cos_lat", wp.cos(lla.x))
    n = k.let("n|prime_vertical|curvature", a / wp.sqrt(1.0 - e2 * s * s))
    height = k.let("h|height", lla.z * 1000.0)
    x, y = (n + height) * c * wp.cos(lla.y), (n + height) * c * wp.sin(lla.y)
    z = (n * (1.0 - e2) + height) * s
    point = k.let("ecef|xyz|pos", construct(T.Vec(3, T.F64), x, y, z))
    e.out("ecef_out|cartesian|positions", T.Vec(3, T.F64)).store(point)
    if p.chance(0.5):
        origin = k.quantity(
            "origin|site|base_station", T.Vec(3, T.F64), [4000000.0, 300000.0, 4900000.0]
        )
        e.out("slant_range|baseline", T.F64).store(wp.length(point - origin))


def _lever_arm(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "point_velocity|lever_arm_correction|antenna_velocity|compensate_lever_arm|velocity_at_sensor",
        "Velocity of a point fixed to a moving body.", "Correct antenna measurements for the lever arm.",
    )  # fmt: skip
    vec = p.vec()
    twist = e.field("twists|body_qd|velocities", p.spatial, R.uniform(-1.0, 1.0)).read(
        "qd|twist|xi"
    )
    q = _attitude(p, e)
    arm = e.field("lever_arms|offsets|antenna_pos", vec, R.uniform(-0.5, 0.5)).own
    r = k.let(
        "r|arm|offset", wp.quat_rotate(q, calibrated(p, e, arm, "arm") if p.chance(0.4) else arm)
    )
    report(p, e, q)
    builtin = ("builtin", "builtin") if p.real == T.F32 else ()  # Warp has it in no other precision
    form = p.pick("cross", "skew", *builtin)
    parts = wp.spatial_top(twist), wp.spatial_bottom(twist)
    linear, angular = parts[::-1] if form == "builtin" or p.chance(0.5) else parts
    v, w = k.let("v|linear", linear), k.let("w|angular", angular)
    match form:
        case "cross":
            value = v + wp.cross(w, r)
        case "skew":
            value = v + wp.skew(w) * r
        case _:
            value = wp.velocity_at_point(twist, r)
    velocity = k.let("v_p|point_vel", value)
    e.out("point_velocities|antenna_vel", vec).store(velocity)
    if p.chance(0.5):
        centripetal = wp.cross(w, wp.cross(w, r))
        e.out("accelerations|centripetal", vec).store(centripetal)
    if p.chance(0.4):
        e.out("speeds|ground_speed", p.real).store(
            wp.length(velocity)
            if p.chance(0.5)
            else wp.sqrt(velocity.x * velocity.x + velocity.y * velocity.y)
        )


def _error(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "attitude_error|control_torque|geodesic_error|rotation_loss|pointing_error",
        "Control torque from an attitude error.", "Geodesic distance between attitudes.", item="vehicle|body|satellite|target",
    )  # fmt: skip
    q = _attitude(p, e)
    goal = e.field("goals|reference_quats|targets", p.quat, R.rotations()).read("q_ref|goal|qd")
    delta = k.var("dq|err_q|q_err", wp.quat_inverse(q) * goal)
    with k.when(delta.w < 0.0):
        k.set(delta, -delta)
    part = k.let("e|err|v_err", construct(p.vec(), delta.x, delta.y, delta.z))
    if p.chance(0.55):
        gain = e.property("kp|attitude_gain|stiffness", 1.0, 20.0)
        rate = e.field("rates|omega|body_rates", p.vec(), R.uniform(-1.0, 1.0)).own
        damping = e.property("kd|rate_gain|damping", 0.1, 4.0)
        torque = k.var("tau|torque|u", 2.0 * gain * part - damping * rate)
        if p.chance(0.5):
            limit = k.param("max_torque|tau_max|saturation", 0.5, 10.0)
            size = k.let("mag|size", wp.length(torque))
            k.set(torque, choose(size > limit, torque * (limit / size), torque))
        e.out("torques|commands|wheel_torque", p.vec()).store(torque)
    report(p, e, q)
    angle = k.let("angle|theta", 2.0 * wp.atan2(wp.length(part), delta.w))
    e.out("errors|angle_errors|pointing", p.real).store(angle * _DEG if p.chance(0.4) else angle)
    if p.chance(0.4):
        total = k.out("loss|total_error|cost", p.real, (1,))
        k.do(wp.atomic_add(total, 0, angle * angle))
