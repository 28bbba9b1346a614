"""Statements: a cursor that appends to the innermost open body of a function or kernel."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct
from generator.synthesis.names import Names
from generator.synthesis.tree import Expr, Name, Operand, lift


class Block:
    """Writes statements into a body; `with` blocks open and close nested bodies."""

    def __init__(self, rng: random.Random, names: Names) -> None:
        self.rng = rng
        self.names = names
        self.body: N.Body = []
        self._open: list[N.Body] = [self.body]
        self.returns: T.Type | None = None

    # --- values -----------------------------------------------------------------------------------

    def let(self, hint: str, value: Operand) -> Name:
        """A local that is not assigned again."""
        value = lift(value)
        name = Name(self.names.fresh(hint), value.type)
        self._append(N.Assign((name,), value))
        return name

    def var(self, hint: str, value: Operand, t: T.Scalar | None = None) -> Name:
        """A local that later statements change; a literal is declared as ``float(0.0)``."""
        if not isinstance(value, Expr):
            value = N.literal(value, t)
        if isinstance(value, N.Literal):
            value = cast(
                T.scalar_of(value.type), N.Literal(value.value, N.literal_type(value.value))
            )
        elif isinstance(value, Name) or (isinstance(value, N.Call) and value.callee == "wp.static"):
            # Warp would otherwise make both names one variable, or the local a constant.
            copied = isinstance(value.type, T.Scalar | T.Vec | T.Mat | T.Quat | T.SpatialVec)
            value = construct(value.type, value) if copied else value
        return self.let(hint, value)

    def unpack(self, hints: list[str], value: Expr) -> list[Name]:
        """Locals for the items of a tuple-typed value."""
        assert isinstance(value.type, T.TupleType)
        names = [Name(self.names.fresh(h), t) for h, t in zip(hints, value.type.items, strict=True)]
        self._append(N.Assign(tuple(names), value))
        return names

    def set(self, target: Expr, value: Operand) -> None:
        """``target = value``: a local, an array element, a component."""
        value = lift(value, target.type)
        if value.type != target.type:
            raise TypeError(f"cannot assign {value.type} to {target.type}")
        self._append(N.Assign((target,), value))

    def aug(self, target: Expr, op: str, value: Operand) -> None:
        """``target op= value``; on an array element `+` and `-` are atomic."""
        value = lift(value, target.type)
        N.binary_type(op, target.type, value.type)
        self._append(N.AugAssign(target, op, value))

    def swap(self, a: Expr, b: Expr) -> None:
        """``a, b = b, a``."""
        self._append(N.Assign((a, b), N.Shape((b, a), T.TupleType((b.type, a.type)))))

    def do(self, value: Expr) -> None:
        """An expression for its effect: an atomic, a store, a printf."""
        self._append(N.Evaluate(value))

    def comment(self, text: str) -> None:
        """A comment line; rendered where the program's style has comments."""
        self._append(N.Comment(text))

    def blank(self) -> None:
        """A blank line between steps."""
        self._append(N.Blank())

    def step(self, text: str = "") -> None:
        """Starts a new step of the work: a blank line and a comment, where the style has them."""
        if self._open[-1]:
            self.blank()
        if text:
            self.comment(text)

    def check(self, condition: Expr, message: str = "") -> None:
        """``assert condition``, with an optional message; it must hold in every launch."""
        self._append(N.Assert(condition, message))

    # --- control flow -----------------------------------------------------------------------------

    @contextmanager
    def when(self, condition: Expr) -> Iterator[None]:
        """``if condition:``"""
        body: N.Body = []
        self._append(N.If([(condition, body)]))
        with self._nested(body):
            yield

    @contextmanager
    def elsewhen(self, condition: Expr) -> Iterator[None]:
        """``elif condition:`` of the `when` just before."""
        body: N.Body = []
        self._last_if().branches.append((condition, body))
        with self._nested(body):
            yield

    @contextmanager
    def otherwise(self) -> Iterator[None]:
        """``else:`` of the `when` or `elsewhen` just before."""
        body: N.Body = []
        self._last_if().branches.append((None, body))
        with self._nested(body):
            yield

    @contextmanager
    def loop(self, hint: str, *bounds: Operand) -> Iterator[Name]:
        """``for i in range(*bounds):``; constant bounds are unrolled by Warp up to 16 rounds."""
        arguments = tuple(lift(b, T.I32) for b in bounds)
        with self.each(hint, N.Call("range", arguments, (), T.Opaque("range")), T.I32) as index:
            yield index
        self.names.release(index.id)  # the next loop may use the same index

    @contextmanager
    def countdown(self, hint: str, *bounds: Operand) -> Iterator[Name]:
        """``for i in reversed(range(*bounds)):``"""
        opaque = T.Opaque("range")
        span = N.Call("range", tuple(lift(b, T.I32) for b in bounds), (), opaque)
        with self.each(hint, N.Call("reversed", (span,), (), opaque), T.I32) as index:
            yield index
        self.names.release(index.id)

    @contextmanager
    def each(self, hint: str, iterable: Expr, t: T.Type) -> Iterator[Name]:
        """``for item in iterable:``, such as a hash-grid or mesh query."""
        target = Name(self.names.fresh(hint, index=t == T.I32), t)
        body: N.Body = []
        self._append(N.For(target, iterable, body))
        with self._nested(body):
            yield target

    @contextmanager
    def repeat(self, condition: Expr) -> Iterator[None]:
        """``while condition:``"""
        body: N.Body = []
        self._append(N.While(condition, body))
        with self._nested(body):
            yield

    def ret(self, *values: Operand) -> None:
        """``return``, with values in a function."""
        if not values:
            self._append(N.Return())
            return
        lifted = tuple(
            lift(v, self.returns if isinstance(self.returns, T.Scalar) else None) for v in values
        )
        one = len(lifted) == 1
        t = lifted[0].type if one else T.TupleType(tuple(v.type for v in lifted))
        if self.returns is not None and self.returns != t:
            raise TypeError(f"return of {t} in a function of {self.returns}")
        self.returns = t
        self._append(N.Return(lifted[0] if one else N.Shape(lifted, t)))

    def brk(self) -> None:
        self._append(N.Keyword("break"))

    def cont(self) -> None:
        self._append(N.Keyword("continue"))

    # --- inside -----------------------------------------------------------------------------------

    def _append(self, statement: N.Statement) -> None:
        self._open[-1].append(statement)

    def _last_if(self) -> N.If:
        last = self._open[-1][-1]
        if not isinstance(last, N.If):
            raise ValueError("elsewhen/otherwise must follow a when")
        return last

    @contextmanager
    def _nested(self, body: N.Body) -> Iterator[None]:
        self._open.append(body)
        yield
        self._open.pop()
        if not body:
            body.append(N.Keyword("pass"))
