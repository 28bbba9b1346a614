"""Line breaks: an expression over as many lines as its width asks for, split where formatters split."""

from generator.synthesis import tree as N
from generator.synthesis.expressions import ExpressionPrinter

_INDENT = "    "
_SUM, _PRODUCT = 9, 10  # levels of binding, as the printer has them


def broken(
    printer: ExpressionPrinter, width: int, pad: str, head: str, value: N.Expr, tail: str = ""
) -> list[str]:
    """The lines of ``head value tail``, within `width` columns where the expression can be split."""
    return _Breaker(printer, width).lines(pad, head, value, tail)


class _Breaker:
    def __init__(self, printer: ExpressionPrinter, width: int) -> None:
        self.printer = printer
        self.width = width

    def lines(
        self, pad: str, head: str, e: N.Expr, tail: str, level: float = 0, bracketed: bool = False
    ) -> list[str]:
        """As `broken`, for an operand that binds at `level`; `bracketed` lines may end anywhere."""
        text = self.printer.inside(e, level)
        one = [f"{pad}{head}{text}{tail}"]
        if len(one[0]) <= self.width:
            return one
        if text != self.printer.text(e):  # the operand stands in parentheses of its own
            return self._wrapped(pad, head, e, tail)
        match e:
            case N.Subscript(N.Call() as call, _, _):
                return self.lines(pad, head, call, f"{text[len(self.printer.text(call)) :]}{tail}")
            case N.Call() | N.Construct() | N.DtypeOf() | N.Subscript():
                return self._brackets(pad, head, e, text, tail) or one
            case N.Unary("-", operand, _):
                return self.lines(pad, f"{head}-", operand, tail, 11, bracketed)
            case N.Boolean() if bracketed:
                return self._parts(pad, e, tail, head)
            case N.Ternary() | N.Compare() if bracketed and not head:
                return self._parts(pad, e, tail)
            case N.Binary("+" | "-" | "*" | "/") if bracketed and not head:
                return self._parts(pad, e, tail)
            case N.Binary("+" | "-" | "*" | "/" as op, left, right, _) if bracketed:
                inner = _PRODUCT if op in ("*", "/") else _SUM
                start = f"{head}{self.printer.inside(left, inner)} {op} "
                if len(pad) + len(start) > self.width:  # only the left side is long
                    end = f" {op} {self.printer.inside(right, inner + 0.5)}{tail}"
                    return self.lines(pad, head, left, end, inner, bracketed)
                return self.lines(pad, start, right, tail, inner + 0.5, bracketed)
        return one if bracketed or not head else self._wrapped(pad, head, e, tail)

    def _wrapped(self, pad: str, head: str, e: N.Expr, tail: str) -> list[str]:
        inner = self.lines(pad + _INDENT, "", e, "", bracketed=True)
        return [f"{pad}{head}(", *inner, f"{pad}){tail}"]

    def _parts(self, pad: str, e: N.Expr, tail: str, head: str = "") -> list[str]:
        """One line a term of a sum, a factor of a product, a condition, a branch of a choice."""
        parts = _split(e)
        lines: list[str] = []
        for number, (word, part, level) in enumerate(parts):
            end = tail if number == len(parts) - 1 else ""
            lines += self.lines(pad, f"{word} " if word else head, part, end, level, True)
        return lines

    def _brackets(self, pad: str, head: str, e: N.Expr, text: str, tail: str) -> list[str] | None:
        """The contents of the last brackets on lines of their own."""
        items, keywords = _contents(e)
        texts = [self.printer.text(i) for i in items]
        texts += [f"{k}={self.printer.text(v)}" for k, v in keywords]
        close = text[-1]
        joined = ", ".join(texts)
        if not text.endswith(f"{joined}{close}") or not joined:
            return None  # spelt in another way than by its parts
        opening = f"{pad}{head}{text[: -len(joined) - 1]}"
        if len(pad) + len(_INDENT) + len(joined) <= self.width:
            return [opening, f"{pad}{_INDENT}{joined}", f"{pad}{close}{tail}"]
        comma = "," if len(texts) > 1 else ""
        lines = [opening]
        for item in items:
            lines += self.lines(pad + _INDENT, "", item, comma, bracketed=True)
        for keyword, value in keywords:
            lines += self.lines(pad + _INDENT, f"{keyword}=", value, comma, bracketed=True)
        return [*lines, f"{pad}{close}{tail}"]


def _contents(e: N.Expr) -> tuple[list[N.Expr], tuple[tuple[str, N.Expr], ...]]:
    """What stands in the last brackets of a call, a construction or an element."""
    match e:
        case N.Call(_, args, kwargs, _) | N.Construct(args, _, kwargs):
            return list(args), kwargs
        case N.DtypeOf(_, _, value, _):
            return [value], ()
        case N.Subscript(_, index, _) if not any(isinstance(i, N.Slice) for i in index):
            return list(index), ()  # type: ignore[arg-type]
    return [], ()


def _split(e: N.Expr) -> list[tuple[str, N.Expr, float]]:
    """The parts of an expression, each with the word before it and the level it binds at."""
    match e:
        case N.Boolean(op, operands, _):
            level = 3.5 if op == "and" else 2.5
            return [(op if i else "", o, level) for i, o in enumerate(operands)]
        case N.Compare(operands, ops, _):
            words = ("", *ops)
            return [(w, o, 5) for w, o in zip(words, operands, strict=True)]
        case N.Ternary(condition, then, otherwise, _):
            return [("", then, 2), ("if", condition, 2), ("else", otherwise, 1)]
    assert isinstance(e, N.Binary)
    ops, level = (("+", "-"), _SUM) if e.op in ("+", "-") else (("*", "/"), _PRODUCT)
    terms: list[tuple[str, N.Expr, float]] = []
    first: N.Expr = e
    while isinstance(first, N.Binary) and first.op in ops:
        terms.append((first.op, first.right, level + 0.5))
        first = first.left
    return [("", first, level), *reversed(terms)]
