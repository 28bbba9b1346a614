"""The types a synthesised program speaks of, and how Warp spells them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scalar:
    """A scalar; `name` is Warp's dtype name such as ``float32``."""

    name: str

    @property
    def is_float(self) -> bool:
        return "float" in self.name

    @property
    def is_int(self) -> bool:
        return "int" in self.name

    @property
    def suffix(self) -> str:
        """Warp's letter for typed aliases: ``vec3d``, ``mat22h``."""
        return SCALAR_SUFFIX[self.name]


SCALAR_SUFFIX = {
    "float16": "h", "float32": "f", "float64": "d", "int8": "b", "uint8": "ub", "int16": "s",
    "uint16": "us", "int32": "i", "uint32": "ui", "int64": "l", "uint64": "ul",
}  # fmt: skip

F16, F32, F64 = Scalar("float16"), Scalar("float32"), Scalar("float64")
BF16 = Scalar("bfloat16")
I8, I16, I32, I64 = Scalar("int8"), Scalar("int16"), Scalar("int32"), Scalar("int64")
U8, U16, U32, U64 = Scalar("uint8"), Scalar("uint16"), Scalar("uint32"), Scalar("uint64")
BOOL = Scalar("bool")


@dataclass(frozen=True, slots=True)
class Vec:
    n: int
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class Mat:
    rows: int
    cols: int
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class Quat:
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class Transform:
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class SpatialVec:
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class SpatialMat:
    scalar: Scalar = F32


@dataclass(frozen=True, slots=True)
class Array:
    """An array; an `indexed` one reaches its elements through an array of indices."""

    dtype: "Type"
    ndim: int = 1
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class StructType:
    """A `@wp.struct`; fields in order of declaration."""

    name: str
    fields: tuple[tuple[str, "Type"], ...]

    def field_type(self, name: str) -> "Type":
        """Type of a field.

        Raises:
            KeyError: the struct has no such field.
        """
        return dict(self.fields)[name]


@dataclass(frozen=True, slots=True)
class Handle:
    """An id of an object that lives on the host side: spelt ``wp.uint64``."""

    kind: str  # mesh, bvh, hash_grid, volume


@dataclass(frozen=True, slots=True)
class Opaque:
    """A type a kernel can hold but not spell out, or that Warp spells in its own way."""

    name: str  # for example mesh_query_point_t


@dataclass(frozen=True, slots=True)
class Tile:
    dtype: "Type"
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class TupleType:
    items: tuple["Type", ...]


VOID, TYPE, STRING = Opaque("None"), Opaque("type"), Opaque("str")

Type = (
    Scalar | Vec | Mat | Quat | Transform | SpatialVec | SpatialMat | Array | StructType | Handle
    | Opaque | Tile | TupleType
)  # fmt: skip

VEC2, VEC3, VEC4 = Vec(2), Vec(3), Vec(4)
MAT22, MAT33, MAT44 = Mat(2, 2), Mat(3, 3), Mat(4, 4)
QUAT, TRANSFORM, SPATIAL = Quat(), Transform(), SpatialVec()


def scalar_of(t: Type) -> Scalar:
    """The scalar that a value of type `t` is made of.

    Raises:
        TypeError: `t` has no single scalar.
    """
    if isinstance(t, Scalar):
        return t
    if isinstance(t, Vec | Mat | Quat | Transform | SpatialVec | SpatialMat):
        return t.scalar
    if isinstance(t, Array | Tile):
        return scalar_of(t.dtype)
    raise TypeError(f"{t} has no scalar")


def length_of(t: Type) -> int:
    """Number of components of a vector-like type.

    Raises:
        TypeError: `t` is not vector-like.
    """
    sizes = {Quat: 4, SpatialVec: 6, Transform: 7}
    if isinstance(t, Vec):
        return t.n
    if type(t) in sizes:
        return sizes[type(t)]
    raise TypeError(f"{t} is not vector-like")


def dtype_name(t: Type) -> str:
    """Name of `t` in a launch recipe: Warp's explicit alias, such as ``vec3d``."""
    match t:
        case Scalar(name):
            return name
        case Vec(n, s):
            return f"vec{n}{s.suffix}"
        case Mat(r, c, s):
            return f"mat{r}{c}{s.suffix}"
        case Quat(s):
            return f"quat{s.suffix}"
        case Transform(s):
            return f"transform{s.suffix}"
        case SpatialVec(s):
            return f"spatial_vector{s.suffix}"
        case SpatialMat(s):
            return f"spatial_matrix{s.suffix}"
        case StructType(name, _):
            return name
        case Handle():
            return "uint64"
    raise TypeError(f"{t} cannot be a launch argument")
