"""Arrays of rotations, poses, twists and random draws: the small kernels that go over them element by element."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

Step = Callable[[ProgramBuilder, "_Items"], None]


class _Items:
    """One thread per element of arrays of equal length."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder) -> None:
        self.k = k
        self.locals: dict[str, Name] = {}
        self.n = p.pick(64, 100, 128, 200)
        k.launch_dim = (self.n,)
        self.index = k.let("i|tid|idx", wp.tid())
        if p.chance(0.3):
            mask = k.array("mask|active|dirty", T.I32, (self.n,), R.mask(0.8))
            with k.when(mask[self.index] == 0):
                k.ret()

    def given(self, hint: str, t: T.Type, fill: R.Fill) -> Expr:
        return self.k.array(hint, t, (self.n,), fill)[self.index]

    def store(self, hint: str, value: Expr) -> None:
        self.k.set(self.k.out(hint, value.type, (self.n,))[self.index], value)

    def _once(self, kind: str, hint: str, make: Callable[[], Expr]) -> Name:
        """One local of a kind, whichever step asks first."""
        if kind not in self.locals:
            self.locals[kind] = self.k.let(hint, make())
        return self.locals[kind]

    def rotation(self) -> Name:
        hint, fill = "rotations|quats|orientations", R.rotations()
        return self._once("rotation", "q|rot|r", lambda: self.given(hint, T.QUAT, fill))

    def pose(self) -> Name:
        hint, fill = "poses|transforms|frames", R.rigid(-2.0, 2.0)
        return self._once("pose", "x|pose|t", lambda: self.given(hint, T.TRANSFORM, fill))

    def twist(self) -> Name:
        hint, fill = "twists|velocities|qd", R.uniform(-1.0, 1.0)
        return self._once("twist", "v|twist|xi", lambda: self.given(hint, T.SPATIAL, fill))

    def direction(self, hint: str = "axes|directions|normals") -> Expr:
        return self.given(hint, T.VEC3, R.unit_vectors())


def pose_arrays(p: ProgramBuilder) -> None:
    """Conversions and products of rotations, poses or spatial vectors."""
    names, doc, steps = p.pick(*_KINDS)
    k = p.kernel_builder(names, p.pick(doc, ""))
    items = _Items(p, k)
    for step in p.sample(p.shuffled(steps), 1, 3):
        step(p, items)


# --- rotations --------------------------------------------------------------------------------------


def _to_angles(p: ProgramBuilder, a: _Items) -> None:
    q = a.rotation()
    if p.chance(0.4):
        a.store("rpy|angles_out|roll_pitch_yaw", wp.quat_to_rpy(q))
    else:
        order = p.pick((0, 1, 2), (2, 1, 0), (1, 2, 0))
        a.store("euler_out|angles_out|cardan", call_as("quat_to_euler", T.VEC3, q, *order))


def _of_angles(p: ProgramBuilder, a: _Items) -> None:
    angles = a.k.let("e|angles_i|rpy_i", a.given("angles|euler", T.VEC3, R.uniform(-1.2, 1.2)))
    if p.chance(0.35):
        value: Expr = wp.quat_rpy(angles.x, angles.y, angles.z)
    else:
        value = call_as("quat_from_euler", T.QUAT, angles, *p.pick((0, 1, 2), (2, 1, 0)))
    a.store("quats_out|rotations_out|q_out", value)


def _twist_part(p: ProgramBuilder, a: _Items) -> None:
    q, axis = a.rotation(), a.direction()
    name = p.pick("quat_twist", "quat_twist_angle", "quat_twist_angle_signed")
    t = T.QUAT if name == "quat_twist" else T.F32
    a.store("twist_out|hinge_turn|about_axis", call_as(name, t, axis, q))


def _between(p: ProgramBuilder, a: _Items) -> None:
    q = a.rotation()
    goal = a.given("targets|goals|next_rotations", T.QUAT, R.rotations())
    share = a.k.param("alpha|blend|share", 0.05, 0.95)
    a.store("blended|slerped|mixed", wp.quat_slerp(q, goal, share))


def _from_columns(p: ProgramBuilder, a: _Items) -> None:
    """Another convention of the axes: the columns of the matrix change places."""
    m = a.k.let("m|basis|rot_m", wp.quat_to_matrix(a.rotation()))
    x, y, z = (
        a.k.let(f"{n}_axis|e_{n}", construct(T.VEC3, *(m[r, i] for r in range(3))))
        for i, n in enumerate("xyz")
    )
    columns = p.pick((y, z, x), (z, x, y), (x, z, -y), (-y, x, z))
    a.store("quats_out|converted|renamed_axes", wp.quat_from_matrix(wp.matrix_from_cols(*columns)))


# --- poses ------------------------------------------------------------------------------------------


def _relative(p: ProgramBuilder, a: _Items) -> None:
    x = a.pose()
    other = a.given("references|parents|anchors", T.TRANSFORM, R.rigid(-2.0, 2.0))
    inverse = wp.transform_inverse(other)
    value = wp.transform_multiply(inverse, x) if p.chance(0.6) else inverse * x
    a.store("relative|local_poses|offsets_out", value)


def _parts(p: ProgramBuilder, a: _Items) -> None:
    """Replaces the translation, the rotation or both."""
    x = a.pose()
    which = p.pick("translation", "rotation", "both")
    if which != "rotation":
        where = a.given("positions|translations", T.VEC3, R.uniform(-1.0, 1.0))
        a.k.do(call_as("transform_set_translation", T.VOID, x, where))
    if which != "translation":
        turn = a.given("rotations|new_rotations", T.QUAT, R.rotations())
        a.k.do(call_as("transform_set_rotation", T.VOID, x, turn))
    a.store("poses_out|moved|updated", x)


def _reset(p: ProgramBuilder, a: _Items) -> None:
    flags = a.given("reset|lost|invalid", T.I32, R.mask(0.4))
    fresh = wp.transform_identity()
    a.store("valid_poses|poses_out|checked", wp.where(flags == 1, fresh, a.pose()))


def _matrix(p: ProgramBuilder, a: _Items) -> None:
    m = a.k.let("m|mat|frame_m", wp.transform_to_matrix(a.pose()))
    if p.chance(0.35):
        a.store("matrices|mats_out", wp.transpose(m) if p.chance(0.4) else m)
        return
    base = a.given("parents|bases|roots", T.TRANSFORM, R.rigid(-1.0, 1.0))
    world = wp.transform_to_matrix(base) @ m
    a.store("world_poses|chained|flattened", wp.transform_from_matrix(world))


def _scaled_matrix(p: ProgramBuilder, a: _Items) -> None:
    where = a.given("positions|translations", T.VEC3, R.uniform(-2.0, 2.0))
    size = a.given("scales|sizes", T.VEC3, R.uniform(0.5, 2.0))
    m = call_as("transform_compose", T.MAT44, where, a.rotation(), size)
    if p.chance(0.5):
        a.store("matrices|models|local_to_world", m)
        return
    m = a.k.let("m|model|local_m", m)
    kinds = T.TupleType((T.VEC3, T.QUAT, T.VEC3))
    hints = ["origin|t|center", "turn|r|q_part", "stretch|s|extent"]
    origin, _, stretch = a.k.unpack(hints, call_as("transform_decompose", kinds, m))
    a.store("centers|origins", origin)
    a.store("stretches|extents_out", stretch)


# --- spatial vectors --------------------------------------------------------------------------------


def _moved(p: ProgramBuilder, a: _Items) -> None:
    x, v = a.pose(), a.twist()
    frame = wp.transform_inverse(x) if p.chance(0.4) else x
    value = wp.transform_twist(frame, v) if p.chance(0.4) else wp.transform_wrench(frame, v)
    a.store("moved|in_frame|transported", value)


def _product(p: ProgramBuilder, a: _Items) -> None:
    v = a.twist()
    other = a.given("motions|momenta|partners", T.SPATIAL, R.uniform(-1.0, 1.0))
    value = p.pick(wp.spatial_cross, wp.spatial_cross_dual)(v, other)
    a.store("products|bias|crossed", value)


def _power(p: ProgramBuilder, a: _Items) -> None:
    wrench = a.given("wrenches|forces|loads", T.SPATIAL, R.uniform(-2.0, 2.0))
    power = wp.spatial_dot(a.twist(), wrench)
    if p.chance(0.5):
        a.k.do(wp.atomic_add(a.k.out("total_power|work|sum_power", T.F32, (1,)), 0, power))
    else:
        a.store("power|work_rate|dissipation", power)


def _point(p: ProgramBuilder, a: _Items) -> None:
    offset = a.given("offsets|arms|points", T.VEC3, R.uniform(-0.5, 0.5))
    a.store("point_velocities|tip_v|v_out", wp.velocity_at_point(a.twist(), offset))


def _mapped(p: ProgramBuilder, a: _Items) -> None:
    x = a.pose()
    turn = a.k.let("rot_m|turn|r_m", wp.quat_to_matrix(wp.transform_get_rotation(x)))
    lever = wp.skew(wp.transform_get_translation(x)) @ turn
    adjoint = a.k.let("ad|map|big_x", wp.spatial_adjoint(turn, lever))
    a.store("mapped|twists_out|v_mapped", adjoint @ a.twist())


_KINDS: tuple[tuple[str, str, list[Step]], ...] = (
    (
        "convert_rotations|rotation_arrays|blend_rotations|to_euler|angles_to_quats|clean_rotations",
        "Rotations of many items.",
        [_to_angles, _of_angles, _of_angles, _twist_part, _twist_part, _between, _from_columns],
    ),
    (
        "relative_poses|update_poses|poses_to_matrices|chain_frames|set_pose_parts|reset_poses",
        "Poses of many items.",
        [_relative, _parts, _reset, _matrix, _matrix, _scaled_matrix],
    ),
    (
        "move_twists|spatial_products|wrench_power|velocity_products|twist_arrays|transport_wrenches",
        "Twists and wrenches of many items.",
        [_moved, _moved, _product, _product, _power, _point, _mapped],
    ),
)


# --- random draws -----------------------------------------------------------------------------------

_SHAPES = (
    "sample_unit_cube", "sample_unit_square", "sample_unit_disk", "sample_unit_ring", "sample_unit_sphere",
    "sample_unit_sphere_surface", "sample_unit_hemisphere", "sample_unit_hemisphere_surface", "sample_triangle",
)  # fmt: skip


def random_fill(p: ProgramBuilder) -> None:
    """Arrays filled with random draws of several kinds."""
    k = p.kernel_builder(
        "random_fill|draw_samples|jitter_arrays|init_random|sample_shapes|seed_arrays",
        p.pick("Random values for tests.", "Draw one sample of each kind per item.", ""),
    )
    a = _Items(p, k)
    seed = k.scalar("seed|rng_seed|base_seed", T.I32, p.pick(3, 42, 1234))
    state = k.let("rng|state|rng_state", wp.rand_init(seed, a.index))
    for name in p.sample(p.shuffled(_SHAPES), 1, 3):
        draw = getattr(wp, name)(state)
        hint = name.removeprefix("sample_").removeprefix("unit_")
        size = k.param(f"{hint}_size|{hint}_scale|radius", 0.2, 3.0) if p.chance(0.5) else None
        a.store(f"{hint}_points|{hint}_out|{hint}_samples", draw if size is None else draw * size)
    for number in p.sample(["bits", "count", "index"], 0, 2):
        if number == "bits":
            bounds = (cast(T.U32, 0), cast(T.U32, 1000)) if p.chance(0.4) else ()
            a.store("bits|seeds_out|raw_bits", wp.randu(state, *bounds))
        elif number == "count":
            mean = k.param("mean|lam|rate", 1.0, 8.0)
            a.store("counts|events|arrivals", construct(T.I32, wp.poisson(state, mean)))
        else:
            a.store("indices|picks|choices", wp.randi(state, 0, k.count("num_bins|n_choices", 16)))
