"""Cosmetics: everything about the look of a program that is not structure, drawn once per program."""

import random
from dataclasses import dataclass

from generator.synthesis import types as T
from generator.synthesis.policy import Draw

_SCALAR_WORDS = {"float32": "float", "int32": "int", "bool": "bool"}


@dataclass(frozen=True, slots=True)
class Style:
    """How one program spells types, documents itself and breaks lines."""

    subscript: bool  # wp.array[wp.vec3] (today's) or wp.array(dtype=wp.vec3) (older)
    array_alias: bool  # wp.array2d(…) or wp.array(…, ndim=2)
    explicit_scalars: bool  # wp.float32 or float
    suffix_vectors: bool  # wp.vec3f or wp.vec3
    docstrings: bool
    comments: bool
    blank_lines: bool  # between the steps of a body
    plain_builtins: bool  # min(a, b) or wp.min(a, b)
    math_module: bool  # math.sqrt(x) or wp.sqrt(x)
    operator_calls: bool  # wp.mul(a, b) where a statement's value is a product, a sum …
    bit_calls: bool  # wp.bit_and(a, b) instead of a & b
    untyped_constructors: bool  # wp.vector(x, y, z) instead of wp.vec3(x, y, z)
    full_constructors: bool  # wp.transformation(p, q) instead of wp.transform(p, q)
    approximate_division: bool  # wp.div_approx(a, b) instead of a / b
    len_calls: bool  # len(a) instead of a.shape[0]
    return_annotations: bool
    width: int  # columns
    named_circle: bool  # wp.pi or math.pi instead of its digits

    def scalar(self, t: T.Scalar, explicit: bool | None = None) -> str:
        """Spelling of a scalar type."""
        word = _SCALAR_WORDS.get(t.name)
        spell_out = self.explicit_scalars if explicit is None else explicit
        if word and (word == "bool" or not spell_out):
            return word
        return f"wp.{t.name}"

    def type(self, t: T.Type) -> str:
        """Spelling of any type in an annotation or a constructor."""
        match t:
            case T.Scalar():
                return self.scalar(t)
            case T.Vec(n, s):
                return custom_name(t) or f"wp.vec{n}{self._suffix(s)}"
            case T.Mat(r, c, s):
                return custom_name(t) or f"wp.mat{r}{c}{self._suffix(s)}"
            case T.Quat(s):
                return f"wp.quat{self._suffix(s)}"
            case T.Transform(s):
                return f"wp.transform{self._suffix(s)}"
            case T.SpatialVec(s):
                return f"wp.spatial_vector{self._suffix(s)}"
            case T.SpatialMat(s):
                return f"wp.spatial_matrix{self._suffix(s)}"
            case T.Array(dtype, ndim, True):
                return f"wp.indexedarray{f'{ndim}d' if ndim > 1 else ''}(dtype={self.type(dtype)})"
            case T.Array(dtype, ndim):
                return self._array(self.type(dtype), ndim)
            case T.Tile(dtype, shape):
                return self._tile(self.type(dtype), shape)
            case T.StructType(name, _):
                return name
            case T.Handle():
                return "wp.uint64"
            case T.TupleType(items):
                return f"tuple[{', '.join(self.type(i) for i in items)}]"
            case T.Opaque(name):
                return name if name in ("Any", "None") else f"wp.{name}"
        raise TypeError(f"{t} cannot be spelt")

    def _suffix(self, s: T.Scalar) -> str:
        return "" if s == T.F32 and not self.suffix_vectors else s.suffix

    def _tile(self, dtype: str, shape: tuple[int, ...]) -> str:
        return f"wp.tile(dtype={dtype}, shape={shape})"

    def _array(self, dtype: str, ndim: int) -> str:
        word = f"wp.array{ndim}d" if ndim > 1 else "wp.array"
        if self.subscript:
            return f"{word}[{dtype}]"
        if ndim == 1 or self.array_alias:
            return f"{word}(dtype={dtype})"
        return f"wp.array(dtype={dtype}, ndim={ndim})"


def custom_name(t: T.Type) -> str | None:
    """Module-level alias of a vector or matrix size that Warp has no short name for."""
    if isinstance(t, T.Vec) and t.n not in (2, 3, 4):
        return f"vec{t.n}{'' if t.scalar == T.F32 else t.scalar.suffix}"
    if isinstance(t, T.Mat) and (t.rows != t.cols or t.rows not in (2, 3, 4)):
        return f"mat{t.rows}{t.cols}{'' if t.scalar == T.F32 else t.scalar.suffix}"
    return None


def draw(rng: random.Random, on: Draw) -> Style:
    """A style; today's annotations are as common as in hand-written code."""
    return Style(
        subscript=on("subscript_annotation"),
        array_alias=rng.random() < 0.75,
        explicit_scalars=on("explicit_scalars"),
        suffix_vectors=rng.random() < 0.15,
        docstrings=on("docstring"),
        comments=on("comments"),
        blank_lines=rng.random() < 0.6,
        plain_builtins=on("plain_builtins"),
        math_module=on("math_module"),
        operator_calls=on("operator_calls"),
        bit_calls=on("bit_calls"),
        untyped_constructors=on("untyped_constructors"),
        full_constructors=on("full_constructors"),
        approximate_division=on("approximate_division"),
        len_calls=on("len_calls"),
        return_annotations=on("return_annotation"),
        width=rng.choice((88, 100, 120, 120)),
        named_circle=on("circle_constants"),
    )
