"""Expressions as Python text, with only the parentheses that Python needs."""

import math

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.style import Style, custom_name

_BINARY = {
    "|": 5,
    "^": 6,
    "&": 7,
    "<<": 8,
    ">>": 8,
    "+": 9,
    "-": 9,
    "*": 10,
    "/": 10,
    "//": 10,
    "%": 10,
    "@": 10,
    "**": 12,
}
_BITS = {"&": "bit_and", "|": "bit_or", "^": "bit_xor", "<<": "lshift", ">>": "rshift"}
# By their first digits: the constants of a circle, and how far from them a literal may be rounded.
_CIRCLE = {
    "3.14": ("pi", math.pi),
    "6.28": ("tau", math.tau),
    "1.57": ("half_pi", 0.5 * math.pi),
}
_CIRCLE_ROUNDING = 5.0e-8
_TERNARY, _OR, _AND, _NOT, _COMPARE, _UNARY, _ATOM = 1, 2, 3, 4, 4.5, 11, 14


class ExpressionPrinter:
    """Prints expressions in one style and records the Warp names it meets.

    Attributes:
        builtins: names called as ``wp.<name>``.
        customs: vector and matrix types that need a module-level alias.
        marks: features of expressions met, by the names that `features.py` documents.
    """

    def __init__(self, style: Style) -> None:
        self.style = style
        self.builtins: set[str] = set()
        self.customs: dict[str, T.Type] = {}
        self.marks: set[str] = set()

    def text(self, e: N.Expr) -> str:
        """The expression as source text."""
        return self._print(e)[0]

    def type(self, t: T.Type) -> str:
        """Spelling of a type, remembering the alias it may need."""
        self._note_type(t)
        return self.style.type(t)

    def inside(self, e: N.Expr, level: float) -> str:
        """The expression as an operand: in parentheses where its own level is below `level`."""
        text, own = self._print(e)
        return text if own >= level else f"({text})"

    def _print(self, e: N.Expr) -> tuple[str, float]:
        match e:
            case N.Name(name, _):
                return name, _ATOM
            case N.Literal():
                return self._literal(e)
            case N.Attribute(base, name, _):
                return f"{self.inside(base, 13)}.{name}", 13
            case N.Subscript(base, index, t):
                return self._subscript(base, index, t), 13
            case N.Unary(op, operand, _):
                spelt = {"not": "unot", "~": "invert"}.get(op)
                if spelt and (self.style.bit_calls if op == "~" else self.style.operator_calls):
                    self.builtins.add(spelt)
                    return f"wp.{spelt}({self.text(operand)})", 13
                if op == "not":
                    return f"not {self.inside(operand, _NOT)}", _NOT
                return f"{op}{self.inside(operand, _UNARY)}", _UNARY
            case N.Binary(op, left, right, t):
                return self._binary(op, left, right, t)
            case N.Compare(operands, ops, _):
                parts = [self._operand(ops[0], operands[0], 5)]
                for o, operand in zip(ops, operands[1:], strict=True):
                    parts += [o, self._operand(o, operand, 5)]
                if len(ops) > 1:
                    self.marks.add("chained_comparison")
                return " ".join(parts), _COMPARE
            case N.Boolean(op, operands, _):
                self.marks.add("boolop")
                level = _AND if op == "and" else _OR
                return f" {op} ".join(self.inside(o, level + 0.5) for o in operands), level
            case N.Ternary(condition, then, otherwise, _):
                self.marks.add("ternary")
                a, c = self.inside(then, _OR), self.inside(condition, _OR)
                return f"{a} if {c} else {self.inside(otherwise, _TERNARY)}", _TERNARY
            case N.Call() | N.Construct():
                callee, given = self.call(e)
                return f"{callee}({', '.join(given)})", 13
            case N.DtypeOf(name, of_array, value, _):
                self.marks.add("generic_literal")
                return f"{f'{name}.dtype' if of_array else f'type({name})'}({self.text(value)})", 13
            case N.TypeRef(t, _):
                return self.type(t), 13
            case N.Shape(items, _):
                inner = ", ".join(self.text(i) for i in items)
                return (f"({inner},)" if len(items) == 1 else f"({inner})"), _ATOM
            case N.Text(value, _):
                return '"' + value.replace("\\", "\\\\").replace("\n", "\\n") + '"', _ATOM
        raise TypeError(f"cannot print {e!r}")

    def _literal(self, e: N.Literal) -> tuple[str, float]:
        text = repr(e.value)
        if self.style.named_circle and e.type == T.F32 and text[:4] in _CIRCLE:
            return self._circle(text, e.value)
        level = _UNARY if text.startswith("-") else _ATOM
        if e.type in (T.F32, T.I32, T.BOOL):
            return text, level
        assert isinstance(e.type, T.Scalar)
        self._note_type(e.type)
        return f"wp.{e.type.name}({text})", 13

    def _circle(self, digits: str, value: float) -> tuple[str, float]:
        """``wp.pi`` for 3.14159265; a number that only begins like it stays as it is."""
        name, number = _CIRCLE[digits[:4]]
        module = "math" if self.style.math_module else "wp"
        if abs(value / number - 1.0) > _CIRCLE_ROUNDING or (module, name) == ("math", "half_pi"):
            return digits, _ATOM
        if module == "math":
            self.marks.add("math_module")
        return f"{module}.{name}", 13

    def _binary(self, op: str, left: N.Expr, right: N.Expr, t: T.Type) -> tuple[str, float]:
        if op in ("&", "|", "^", "<<", ">>"):
            self.marks.add("bitops")
        elif op == "@":
            self.marks.add("matmul")
        elif op == "**":
            self.marks.add("pow")
        self._note_type(t)
        if op in _BITS and self.style.bit_calls:
            self.builtins.add(_BITS[op])
            return f"wp.{_BITS[op]}({self.text(left)}, {self.text(right)})", 13
        if op == "/" and self.style.approximate_division and not isinstance(t, T.Tile):
            self.builtins.add("div_approx")
            return f"wp.div_approx({self.text(left)}, {self.text(right)})", 13
        level = _BINARY[op]
        # Floating-point order is part of the program: a + (b + c) keeps its parentheses.
        return (
            f"{self._operand(op, left, level)} {op} {self._operand(op, right, level + 0.5)}",
            level,
        )

    def _operand(self, op: str, e: N.Expr, level: float) -> str:
        # Few readers know how bit operators bind, so people write the parentheses.
        mixed = isinstance(e, N.Binary) and e.op != op and (op in _BITS or e.op in _BITS)
        return self.inside(e, _ATOM - 1 if mixed else level)

    def _subscript(self, base: N.Expr, index: tuple[N.Expr | N.Slice, ...], t: T.Type) -> str:
        parts = []
        for part in index:
            if isinstance(part, N.Slice):
                self.marks.add("slice")
                start = "" if part.start is None else self.text(part.start)
                stop = "" if part.stop is None else self.text(part.stop)
                parts.append(f"{start}:{stop}")
            else:
                parts.append(self.text(part))
        if isinstance(base.type, T.Array) and isinstance(t, T.Array):
            self.marks.add("array_view")
        if self.style.len_calls and _is_shape(base) and parts == ["0"]:
            assert isinstance(base, N.Attribute)
            self.builtins.add("len")
            return f"len({self.text(base.base)})"
        return f"{self.inside(base, 13)}[{', '.join(parts)}]"

    def call(self, e: N.Call | N.Construct) -> tuple[str, list[str]]:
        """What a call names, and its arguments."""
        if isinstance(e, N.Construct):
            return self._constructor(e.args, e.type, e.kwargs)
        if e.callee.startswith("wp.grad("):
            self.marks.add("grad")
        elif e.callee.startswith("wp."):
            self.builtins.add(e.callee[3:])
        elif e.callee not in ("range", "reversed"):
            self.marks.add("user_func")
        self._note_type(e.type)
        if e.kwargs:
            self.marks.add("keyword_argument")
        return self._callee(e), self._arguments(e.args, e.kwargs)

    def _arguments(
        self, args: tuple[N.Expr, ...], kwargs: tuple[tuple[str, N.Expr], ...]
    ) -> list[str]:
        return [*map(self.text, args), *(f"{k}={self.text(v)}" for k, v in kwargs)]

    def _callee(self, e: N.Call) -> str:
        """The name a function goes by: Warp takes Python's own for some of its builtins."""
        name = e.callee.removeprefix("wp.")
        if not isinstance(e.type, T.Scalar) or name == e.callee:
            return e.callee
        if self.style.plain_builtins and name in ("min", "max", "abs"):
            self.marks.add("plain_builtin")
            return name
        if self.style.math_module and name in (
            "sqrt",
            "sin",
            "cos",
            "exp",
            "log",
            "floor",
            "atan2",
        ):
            self.marks.add("math_module")
            return f"math.{name}"
        return e.callee

    def _constructor(
        self, args: tuple[N.Expr, ...], t: T.Type, kwargs: tuple[tuple[str, N.Expr], ...]
    ) -> tuple[str, list[str]]:
        inner = self._arguments(args, kwargs)
        if isinstance(t, T.Scalar) and args and not isinstance(args[0], N.Literal):
            self.marks.add("cast")
        if isinstance(t, T.SpatialVec) and len(args) == 2:
            if t.scalar == T.F32:
                return "wp.spatial_vector", inner
            # From two halves Warp builds single precision only.
            inner = [f"{self.inside(half, 13)}[{i}]" for half in args for i in range(3)]
        if self.style.operator_calls and _is_copy(args, t):
            self.builtins.add("pos")
            return "wp.pos", inner
        full = isinstance(t, T.Quat | T.Transform)
        untyped = self.style.full_constructors if full else self.style.untyped_constructors
        if untyped and not kwargs and (name := _untyped(args, t)):
            note_type(t, self.marks, {})  # needs no alias
            self.builtins.add(name)
            return f"wp.{name}", [*inner, *self._size(args, t)]
        return self.type(t), inner

    def _size(self, args: tuple[N.Expr, ...], t: T.Type) -> list[str]:
        """What a constructor must be told beside its components."""
        if isinstance(t, T.Vec) and len(args) != t.n:
            return [f"length={t.n}", f"dtype={self.style.scalar(t.scalar)}"]
        if isinstance(t, T.Mat):
            return [f"shape=({t.rows}, {t.cols})", f"dtype={self.style.scalar(t.scalar)}"]
        return []

    def _note_type(self, t: T.Type) -> None:
        note_type(t, self.marks, self.customs)


def _is_number(e: N.Expr) -> bool:
    return isinstance(e, N.Literal)


def _is_shape(e: N.Expr) -> bool:
    """Whether `e` is the shape of an array."""
    return isinstance(e, N.Attribute) and e.name == "shape" and isinstance(e.base.type, T.Array)


def _is_copy(args: tuple[N.Expr, ...], t: T.Type) -> bool:
    return len(args) == 1 and args[0].type == t and isinstance(args[0], N.Name | N.Subscript)


def _untyped(args: tuple[N.Expr, ...], t: T.Type) -> str | None:
    """Warp's constructor that takes the type of a value from its components, where there is one."""
    scalars = all(a.type == T.F32 or a.type == T.F64 for a in args)
    match t:
        case T.Vec(n, s) if s.is_float and scalars:
            return "vector" if len(args) in (0, 1, n) else None
        case T.Mat(r, c, s) if s.is_float and scalars:
            return "matrix" if len(args) in (0, 1, r * c) else None
        case T.Quat():
            return "quaternion" if len(args) in (2, 4) else None
        case T.Transform():
            return "transformation" if len(args) == 2 else None
    return None


def note_type(t: T.Type, marks: set[str], customs: dict[str, T.Type]) -> None:
    """Adds the features that a type stands for, and its alias where it needs one."""
    match t:
        case T.Scalar(name):
            if name in ("float64", "float16", "int64", "uint64", "uint32"):
                marks.add({"float64": "f64", "float16": "f16", "int64": "i64"}.get(name, name))
            elif name in ("int8", "uint8", "int16", "uint16"):
                marks.add("small_int")
            return
        case T.Vec():
            marks.add("vec")
        case T.Mat():
            marks.add("mat")
        case T.Quat():
            marks.add("quat")
        case T.Transform():
            marks.add("transform")
        case T.SpatialVec() | T.SpatialMat():
            marks.add("spatial")
        case T.Array(dtype, ndim):
            if ndim > 1:
                marks.add(f"array{ndim}d")
            note_type(dtype, marks, customs)
            return
        case T.StructType():
            marks.add("struct")
            return
        case T.Handle(kind):
            marks.add(kind)
            return
        case T.Tile(dtype, _):
            marks.add("tile")
            note_type(dtype, marks, customs)
            return
        case T.TupleType(items):
            for item in items:
                note_type(item, marks, customs)
            return
        case _:
            return
    alias = custom_name(t)
    if alias:
        customs[alias] = t
    note_type(T.scalar_of(t), marks, customs)
