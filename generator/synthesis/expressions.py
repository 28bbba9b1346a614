"""Expressions as Python text, with only the parentheses that Python needs."""

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
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod"}
_BITS = {"&": "bit_and", "|": "bit_or", "^": "bit_xor", "<<": "lshift", ">>": "rshift"}
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
                spelt = {"-": "neg", "not": "unot", "~": "invert"}[op]
                if (
                    self.style.bit_calls
                    if op == "~"
                    else self.style.operator_calls and not _is_number(operand)
                ):
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
            case N.Call():
                return self._call(e), 13
            case N.Construct(args, t, kwargs):
                return self._construct(args, t, kwargs), 13
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
        level = _UNARY if text.startswith("-") else _ATOM
        if e.type in (T.F32, T.I32, T.BOOL):
            return text, level
        assert isinstance(e.type, T.Scalar)
        self._note_type(e.type)
        return f"wp.{e.type.name}({text})", 13

    def _binary(self, op: str, left: N.Expr, right: N.Expr, t: T.Type) -> tuple[str, float]:
        if op in ("&", "|", "^", "<<", ">>"):
            self.marks.add("bitops")
        elif op == "@":
            self.marks.add("matmul")
        elif op == "**":
            self.marks.add("pow")
        self._note_type(t)
        spelt = self._operator_call(op)
        if spelt:
            self.builtins.add(spelt)
            return f"wp.{spelt}({self.text(left)}, {self.text(right)})", 13
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

    def _operator_call(self, op: str) -> str | None:
        """Warp's function for an operator, where this program spells it as a call."""
        if op in _BITS:
            return _BITS[op] if self.style.bit_calls else None
        return _ARITHMETIC.get(op) if self.style.operator_calls else None

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
        return f"{self.inside(base, 13)}[{', '.join(parts)}]"

    def _call(self, e: N.Call) -> str:
        if e.callee.startswith("wp.grad("):
            self.marks.add("grad")
        elif e.callee.startswith("wp."):
            self.builtins.add(e.callee[3:])
        elif e.callee not in ("range", "reversed"):
            self.marks.add("user_func")
        self._note_type(e.type)
        args = [self.text(a) for a in e.args]
        if e.kwargs:
            self.marks.add("keyword_argument")
        args += [f"{k}={self.text(v)}" for k, v in e.kwargs]
        return f"{self._callee(e)}({', '.join(args)})"

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

    def _construct(
        self, args: tuple[N.Expr, ...], t: T.Type, kwargs: tuple[tuple[str, N.Expr], ...]
    ) -> str:
        if isinstance(t, T.Scalar) and args and not isinstance(args[0], N.Literal):
            self.marks.add("cast")
        inner = [self.text(a) for a in args]
        inner += [f"{k}={self.text(v)}" for k, v in kwargs]
        if isinstance(t, T.SpatialVec) and len(args) == 2:
            if t.scalar == T.F32:
                return f"wp.spatial_vector({', '.join(inner)})"
            # From two halves Warp builds single precision only.
            inner = [f"{self.inside(half, 13)}[{i}]" for half in args for i in range(3)]
        return f"{self.type(t)}({', '.join(inner)})"

    def _note_type(self, t: T.Type) -> None:
        note_type(t, self.marks, self.customs)


def _is_number(e: N.Expr) -> bool:
    return isinstance(e, N.Literal)


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
