"""Types of Warp's operators, as Warp 1.19 resolves them."""

from generator.synthesis import types as T


def literal_type(value: float | int | bool) -> T.Scalar:
    """Warp's type of a Python literal."""
    if isinstance(value, bool):
        return T.BOOL
    return T.I32 if isinstance(value, int) else T.F32


def component_type(t: T.Type) -> T.Type:
    """Type of one component of a vector-like value.

    Raises:
        TypeError: `t` has no components.
    """
    if isinstance(t, T.Vec | T.Quat | T.Transform | T.SpatialVec):
        return t.scalar
    raise TypeError(f"{t} has no components")


def binary_type(op: str, a: T.Type, b: T.Type) -> T.Type:
    """Type of ``a op b``.

    Raises:
        TypeError: Warp has no such operator on these types.
    """
    if op in ("&", "|", "^", "<<", ">>"):
        return _require(a == b and isinstance(a, T.Scalar) and not a.is_float, a, op, a, b)
    if op in ("+", "-"):
        both = a == b and not isinstance(a, T.Array | T.StructType | T.Handle | T.Opaque)
        return _require(both and a != T.BOOL, a, op, a, b)
    if op in ("%", "//", "**"):
        return _require(a == b and isinstance(a, T.Scalar), a, op, a, b)
    if op == "/":
        scalable = a == b and isinstance(a, T.Scalar) and a.is_float
        scalable = scalable or (_is_linear(a) and isinstance(b, T.Scalar) and b == T.scalar_of(a))
        scalable = scalable or (isinstance(a, T.Tile) and b in (a, T.scalar_of(a)))
        return _require(scalable, a, op, a, b)
    if op in ("*", "@"):
        return _product_type(op, a, b)
    raise TypeError(f"unknown operator {op}")


def _require(ok: bool, result: T.Type, op: str, a: T.Type, b: T.Type) -> T.Type:
    if not ok:
        raise TypeError(f"no operator {op} on {a} and {b}")
    return result


def _is_linear(t: T.Type) -> bool:
    return isinstance(t, T.Vec | T.Mat | T.Quat | T.SpatialVec | T.SpatialMat | T.Transform)


def _product_type(op: str, a: T.Type, b: T.Type) -> T.Type:
    if op == "*":
        if isinstance(a, T.Scalar) and a == b and a != T.BOOL:
            return a
        if isinstance(b, T.Scalar) and _is_linear(a) and b == T.scalar_of(a):
            return a
        if isinstance(a, T.Scalar) and _is_linear(b) and a == T.scalar_of(b):
            return b
        if a == b and isinstance(a, T.Quat | T.Transform):
            return a
        if isinstance(a, T.Tile) and isinstance(b, T.Scalar):
            return a
        if isinstance(b, T.Tile) and isinstance(a, T.Scalar):
            return b
        if isinstance(a, T.Tile) and a == b:
            return a
    if isinstance(a, T.Mat) and isinstance(b, T.Vec) and (a.cols, a.scalar) == (b.n, b.scalar):
        return T.Vec(a.rows, a.scalar)
    if isinstance(a, T.Mat) and isinstance(b, T.Mat) and (a.cols, a.scalar) == (b.rows, b.scalar):
        return T.Mat(a.rows, b.cols, a.scalar)
    if isinstance(a, T.Vec) and isinstance(b, T.Mat) and (a.n, a.scalar) == (b.rows, b.scalar):
        return T.Vec(b.cols, a.scalar)
    if isinstance(a, T.SpatialMat) and isinstance(b, T.SpatialVec | T.SpatialMat):
        return b
    raise TypeError(f"no operator {op} on {a} and {b}")
