"""Warp's builtins as typed functions: ``wp.dot(a, b)`` builds a call node of the right type.

The table holds, for every builtin the synthesiser uses, the rule that gives the type of the result.
The overload itself is checked against Warp's own registry by tests/warp/test_builtin_rules.py.
"""

from collections.abc import Callable, Mapping

from generator.synthesis import types as T
from generator.synthesis.tree import (
    Attribute,
    Call,
    Construct,
    Expr,
    Operand,
    Shape,
    Text,
    TypeRef,
    lift,
)

Rule = Callable[[list[Expr]], T.Type]


def _first(args: list[Expr]) -> T.Type:
    return args[0].type


def _second(args: list[Expr]) -> T.Type:
    return args[1].type


def _scalar(args: list[Expr]) -> T.Type:
    return T.scalar_of(args[0].type)


def _always(t: T.Type) -> Rule:
    return lambda args: t


def _of_scalar(make: Callable[[T.Scalar], T.Type], arg: int = 0) -> Rule:
    return lambda args: make(T.scalar_of(args[arg].type))


def _vec3(s: T.Scalar) -> T.Type:
    return T.Vec(3, s)


def _mat33(s: T.Scalar) -> T.Type:
    return T.Mat(3, 3, s)


def _transpose(args: list[Expr]) -> T.Type:
    t = args[0].type
    if isinstance(t, T.Mat):
        return T.Mat(t.cols, t.rows, t.scalar)
    return t


def _outer(args: list[Expr]) -> T.Type:
    a, b = args[0].type, args[1].type
    return T.Mat(T.length_of(a), T.length_of(b), T.scalar_of(a))


def _matrix_from(args: list[Expr]) -> T.Type:
    return T.Mat(T.length_of(args[0].type), len(args), T.scalar_of(args[0].type))


def _matrix_from_rows(args: list[Expr]) -> T.Type:
    return T.Mat(len(args), T.length_of(args[0].type), T.scalar_of(args[0].type))


def _diagonal(args: list[Expr]) -> T.Type:
    n = T.length_of(args[0].type)
    return T.Mat(n, n, T.scalar_of(args[0].type))


def _get_diag(args: list[Expr]) -> T.Type:
    t = args[0].type
    assert isinstance(t, T.Mat)
    return T.Vec(t.rows, t.scalar)


def _first_or_component(args: list[Expr]) -> T.Type:
    """``max(a, b)`` keeps the type; ``max(v)`` is the largest component."""
    return args[0].type if len(args) > 1 else T.scalar_of(args[0].type)


def _element(args: list[Expr]) -> T.Type:
    t = args[0].type
    assert isinstance(t, T.Array | T.Tile)
    return t.dtype


def _three(s: T.Scalar) -> T.Type:
    return T.TupleType((T.Mat(3, 3, s), T.Vec(3, s), T.Mat(3, 3, s)))


def _two_mats(s: T.Scalar) -> T.Type:
    return T.TupleType((T.Mat(3, 3, s), T.Mat(3, 3, s)))


def _svd2(s: T.Scalar) -> T.Type:
    return T.TupleType((T.Mat(2, 2, s), T.Vec(2, s), T.Mat(2, 2, s)))


def _eig3(s: T.Scalar) -> T.Type:
    return T.TupleType((T.Mat(3, 3, s), T.Vec(3, s)))


def _axis_angle(s: T.Scalar) -> T.Type:
    return T.TupleType((T.Vec(3, s), s))


MESH_POINT, MESH_RAY, MESH = T.Opaque("MeshQueryPoint"), T.Opaque("MeshQueryRay"), T.Opaque("Mesh")
TEXTURES = {n: T.Opaque(f"Texture{n}D") for n in (1, 2, 3)}
FIELDS: dict[T.Type, dict[str, T.Type]] = {
    **{t: dict.fromkeys(("width", "height", "depth")[:n], T.I32) for n, t in TEXTURES.items()},
    MESH_POINT: {"result": T.BOOL, "sign": T.F32, "face": T.I32, "u": T.F32, "v": T.F32},
    MESH_RAY: {
        "result": T.BOOL, "t": T.F32, "u": T.F32, "v": T.F32, "sign": T.F32, "normal": T.VEC3,
        "face": T.I32,
    },
    MESH: {"points": T.Array(T.VEC3), "velocities": T.Array(T.VEC3), "indices": T.Array(T.I32)},
}  # fmt: skip

# Names whose Python number arguments take the scalar type of the first typed argument.
UNIFORM = {
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "cbrt",
    "ceil",
    "clamp",
    "copysign",
    "cos",
    "cosh",
    "degrees",
    "erf",
    "erfc",
    "erfcinv",
    "erfinv",
    "exp",
    "floor",
    "frac",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log10",
    "log2",
    "max",
    "min",
    "mod",
    "nonzero",
    "pow",
    "radians",
    "rint",
    "round",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "step",
    "tan",
    "tanh",
    "trunc",
    "add",
    "sub",
    "mul",
    "div",
    "neg",
    "pos",
    "cw_div",
    "cw_mul",
    "dot",
    "cross",
    "length",
    "length_sq",
    "norm_huber",
    "norm_l1",
    "norm_l2",
    "norm_pseudo_huber",
    "normalize",
    "smooth_normalize",
    "lerp",
    "smoothstep",
    "bit_and",
    "bit_or",
    "bit_xor",
    "lshift",
    "rshift",
    "floordiv",
    "quat_from_axis_angle",
    "quat_slerp",
    "quat_rpy",
    "outer",
    "diag",
    "skew",
    "determinant",
    "trace",
    "inverse",
    "transpose",
    "ddot",
    "where",
}

RULES: dict[str, Rule] = {}


def _register(rule: Rule, names: str) -> None:
    for name in names.split():
        RULES[name] = rule


_register(
    _first,
    """abs acos asin atan atan2 cbrt ceil clamp copysign cos cosh degrees erf erfc erfcinv erfinv exp
    floor frac log log10 log2 mod pow radians rint round sign sin sinh sqrt step tan tanh trunc
    nonzero add sub mul div div_approx floordiv neg pos bit_and bit_or bit_xor invert lshift rshift
    cw_div cw_mul cross inverse inverse_approx normalize smooth_normalize lerp
    quat_inverse quat_slerp transform_inverse transform_multiply spatial_cross
    spatial_cross_dual""",
)
_register(_first_or_component, "max min")
_register(lambda a: T.I32, "bit_count len tid block_dim randi lower_bound")
_register(lambda a: T.U32, "argmax argmin")
_register(
    _scalar,
    "length length_sq dot ddot determinant trace norm_huber norm_l1 norm_l2 norm_pseudo_huber",
)
_register(_scalar, "spatial_dot smoothstep quat_twist_angle quat_twist_angle_signed")
_register(
    _always(T.BOOL),
    "isfinite isinf isnan unot hash_grid_query_next mesh_query_aabb_next bvh_query_next",
)
_register(_transpose, "transpose")
_register(_outer, "outer")
_register(_matrix_from, "matrix_from_cols")
_register(_matrix_from_rows, "matrix_from_rows")
_register(_diagonal, "diag")
_register(_get_diag, "get_diag")
_register(_of_scalar(_mat33), "skew quat_to_matrix")
_register(_of_scalar(_three), "svd3")
_register(_of_scalar(_svd2), "svd2")
_register(_of_scalar(_eig3), "eig3")
_register(_of_scalar(_two_mats), "qr3")
_register(_of_scalar(_axis_angle), "quat_to_axis_angle")
_register(
    _of_scalar(T.Quat), "quat_from_axis_angle quat_from_matrix quat_rpy quat_from_euler quat_twist"
)
_register(
    _of_scalar(_vec3), "quat_to_rpy quat_to_euler spatial_top spatial_bottom velocity_at_point"
)
_register(
    _second,
    "quat_rotate quat_rotate_inv transform_point transform_vector where transform_twist transform_wrench",
)
_register(_of_scalar(_vec3), "transform_get_translation")
_register(_of_scalar(T.Quat), "transform_get_rotation")
_register(
    _of_scalar(T.Transform),
    "transform_set_translation transform_set_rotation transform_from_matrix",
)
_register(_of_scalar(lambda s: T.Mat(4, 4, s)), "transform_to_matrix transform_compose")
_register(_of_scalar(T.SpatialMat), "spatial_adjoint")
_register(_always(T.QUAT), "quat_identity")
_register(_always(T.TRANSFORM), "transform_identity")
_register(_of_scalar(T.SpatialVec), "spatial_vector")
_register(
    _element,
    "atomic_add atomic_sub atomic_min atomic_max atomic_and atomic_or atomic_xor atomic_exch atomic_cas",
)
# random numbers and noise
_register(_always(T.U32), "rand_init poisson")
_register(_always(T.F32), "randf randn noise pnoise")
_register(_always(T.VEC2), "sample_triangle sample_unit_ring sample_unit_disk sample_unit_square")
_register(
    _always(T.VEC3),
    "sample_unit_sphere sample_unit_sphere_surface sample_unit_hemisphere sample_unit_hemisphere_surface "
    "sample_unit_cube mesh_eval_position mesh_eval_velocity mesh_eval_face_normal mesh_get_point mesh_get_velocity",
)
_register(
    _always(T.I32),
    "sample_cdf hash_grid_point_id mesh_get_index mesh_get_group_root bvh_get_group_root",
)
_register(lambda a: T.VEC2 if a[1].type == T.VEC2 else T.VEC3, "curlnoise")
_register(_always(T.U32), "randu")
# queries
_register(_always(T.Opaque("hash_grid_query_t")), "hash_grid_query")
_register(
    _always(T.Opaque("bvh_query_t")),
    "bvh_query_aabb bvh_query_ray bvh_query_sphere bvh_query_capsule",
)
_register(_always(T.Opaque("mesh_query_aabb_t")), "mesh_query_aabb mesh_query_sphere")
_register(
    _always(MESH_POINT),
    "mesh_query_point mesh_query_point_no_sign mesh_query_point_sign_normal mesh_query_point_sign_parity "
    "mesh_query_point_sign_winding_number mesh_query_furthest_point_no_sign",
)
_register(_always(MESH_RAY), "mesh_query_ray")
_register(_always(MESH), "mesh_get")
_register(_always(T.Handle("bvh")), "mesh_get_bvh")
_register(_always(T.BOOL), "mesh_query_next")
_register(_always(T.BOOL), "mesh_query_ray_anyhit")
_register(_always(T.I32), "mesh_query_ray_count_intersections intersect_tri_tri")
_register(_always(T.VEC3), "closest_point_edge_edge")
# volumes
_register(_always(T.F32), "volume_sample_f volume_lookup_f")
_register(_always(T.I32), "volume_sample_i volume_lookup_i volume_lookup_index volume_voxel_count")
_register(
    _always(T.VEC3),
    "volume_sample_v volume_lookup_v volume_world_to_index volume_index_to_world volume_world_to_index_dir "
    "volume_index_to_world_dir",
)
_register(_always(T.F32), "volume_sample_grad_f")
_register(
    _always(T.VOID),
    "volume_store_f volume_store_v volume_store_i printf print expect_near tile_store",
)


class Namespace:
    """``wp.<builtin>(…)`` as a maker of typed calls; Python numbers are lifted to literals."""

    def __getattr__(self, name: str) -> Callable[..., Expr]:
        rule = RULES.get(name)
        if rule is None:
            raise AttributeError(f"no typing rule for the builtin wp.{name}")

        def make(
            *args: "Operand | str | T.Type", **kwargs: "Operand | str | T.Type | tuple[int, ...]"
        ) -> Expr:
            if name == "spatial_vector":  # its spelling depends on the precision
                return construct(T.SpatialVec(T.scalar_of(args[0].type)), *args)  # type: ignore[union-attr,arg-type]
            return call(name, args, kwargs, rule)

        return make


def call(
    name: str, args: tuple[object, ...], kwargs: Mapping[str, object], rule: Rule | T.Type
) -> Call:
    """``wp.name(*args, **kwargs)``; `rule` is the result type or gives it from the arguments."""
    like = None
    if name in UNIFORM:
        typed = [a.type for a in args if isinstance(a, Expr) and a.type != T.BOOL]
        like = T.scalar_of(typed[0]) if typed else None
    nodes = [_argument(a, like) for a in args]
    if name.startswith("atomic_") and not isinstance(args[-1], Expr):
        nodes[-1] = lift(args[-1], rule(nodes) if callable(rule) else rule)  # type: ignore[arg-type]
    result = rule if not callable(rule) else rule(nodes)
    keywords = tuple((k, _argument(v, None)) for k, v in kwargs.items())
    return Call(f"wp.{name}", tuple(nodes), keywords, result)


def _argument(value: object, like: T.Type | None) -> Expr:
    if isinstance(value, Expr):
        return value
    if isinstance(value, str):
        return Text(value)
    if isinstance(value, tuple):
        return Shape(tuple(_argument(v, None) for v in value), T.Opaque("shape"))
    if isinstance(value, float | int):
        return lift(value, like)
    return TypeRef(value)  # type: ignore[arg-type]


def construct(t: T.Type, *args: Operand) -> Construct:
    """A value of type `t` from components, or a cast; no arguments make zeros."""
    like = None if isinstance(t, T.StructType) or _is_cast(t, args) else T.scalar_of(t)
    return Construct(tuple(lift(a, like) for a in args), t)


def _is_cast(t: T.Type, args: tuple[Operand, ...]) -> bool:
    return isinstance(t, T.Scalar) and len(args) == 1 and not isinstance(args[0], Expr)


def cast(t: T.Scalar, value: Operand) -> Construct:
    """``float(value)``, ``wp.int64(value)``…; a Python number stays the plain literal inside."""
    return Construct((lift(value),), t)


def tile(name: str, result: T.Type, *args: object, **kwargs: object) -> Call:
    """A tile builtin, whose result type the caller states."""
    return call(name, args, kwargs, result)


def query_field(query: Expr, name: str) -> Expr:
    """A field such as ``result`` or ``face`` of a mesh query."""
    return Attribute(query, name, FIELDS[query.type][name])


wp = Namespace()
