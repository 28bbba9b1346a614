"""A program tree as Python source, formatted the way the usual formatters would."""

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.expressions import ExpressionPrinter, note_type
from generator.synthesis.linebreaks import broken
from generator.synthesis.style import Style

_INDENT = "    "
_ARITHMETIC = {"+": "add", "-": "sub", "*": "mul", "/": "div", "//": "floordiv", "%": "mod"}


class Renderer:
    """Renders one module; `printer.marks` and `printer.builtins` are complete afterwards."""

    def __init__(self, style: Style) -> None:
        self.style = style
        self.printer = ExpressionPrinter(style)
        self.marks = self.printer.marks
        self._loops = 0
        self._depth = 0

    def module(self, m: N.Module) -> str:
        """The source text of a module."""
        nested = {f.name for f in m.factory.nested} if m.factory else set()
        blocks = [
            self._definition(d) for d in m.definitions if getattr(d, "name", None) not in nested
        ]
        if m.factory:
            blocks.append(self._factory(m.factory, m.kernel))
            values = [str(v) for _, v, _ in m.factory.captured]
            blocks.append(self._arguments(f"{m.kernel.name} = {m.factory.name}", values))
        else:
            blocks += self._plain_or_method(m)
        if m.overload:
            blocks.append(self._overload(m.kernel, m.overload))
        return self._join(m, blocks)

    def _plain_or_method(self, m: N.Module) -> list[list[str]]:
        if not m.owner:
            return [self.kernel(m.kernel, 0)]
        self.marks.add("method_kernel")
        name = m.kernel.name
        return [[f"class {m.owner}:", *self.kernel(m.kernel, 1)], [f"{name} = {m.owner}.{name}"]]

    def _join(self, m: N.Module, blocks: list[list[str]]) -> str:
        lines = [f'"""{m.doc}"""', ""] if m.doc else []
        any_used = any("Any" in line for b in blocks for line in b)
        bases = sorted(
            {"IntFlag" if d.flag else "IntEnum" for d in m.definitions if isinstance(d, N.EnumDef)}
        )
        standard = [f"from enum import {', '.join(bases)}"] if bases else []
        standard = (["import math"] if "math_module" in self.marks else []) + standard
        standard += ["from typing import Any"] if any_used else []
        lines += ["from __future__ import annotations", ""] if m.postponed else []
        lines += [*standard, ""] if standard else []
        lines += ["import warp as wp"]
        aliases = [self._alias(n, t) for n, t in sorted(self.printer.customs.items())]
        lines += ["", *aliases] if aliases else []
        previous = "import"
        for block in blocks:
            kind = "assignment" if len(block) == 1 and " = " in block[0] else "definition"
            gap = 2 if "definition" in (kind, previous) else 0 if previous == "assignment" else 1
            lines += [""] * gap + block
            previous = kind
        return "\n".join(lines) + "\n"

    def _alias(self, name: str, t: T.Type) -> str:
        scalar = self.style.scalar(T.scalar_of(t))
        if isinstance(t, T.Vec):
            return f"{name} = wp.types.vector(length={t.n}, dtype={scalar})"
        assert isinstance(t, T.Mat)
        return f"{name} = wp.types.matrix(shape=({t.rows}, {t.cols}), dtype={scalar})"

    # --- definitions ------------------------------------------------------------------------------

    def _definition(self, d: N.ConstantDef | N.EnumDef | N.StructDef | N.FunctionDef) -> list[str]:
        if isinstance(d, N.ConstantDef):
            self.marks.add("constant")
            plain = d.type in (T.F32, T.I32, T.BOOL)
            value = repr(d.value) if plain else f"wp.{d.type.name}({d.value!r})"
            return [
                f"{d.name} = wp.constant({value})"
                if d.wrapped or not plain
                else f"{d.name} = {value}"
            ]
        if isinstance(d, N.StructDef):
            return self._struct(d)
        if isinstance(d, N.EnumDef):
            self.marks.add("enum")
            base = "IntFlag" if d.flag else "IntEnum"
            return [f"class {d.name}({base}):", *(f"{_INDENT}{n} = {v}" for n, v in d.members)]
        return self.function(d, 0)

    def _struct(self, d: N.StructDef) -> list[str]:
        self.marks.add("struct")
        lines = ["@wp.struct", f"class {d.type.name}:"]
        lines += self._doc(d.doc, _INDENT)
        lines += [f"{_INDENT}{n}: {self.printer.type(t)}" for n, t in d.type.fields]
        return lines

    def function(self, d: N.FunctionDef, indent: int) -> list[str]:
        """A `@wp.func` or `@wp.func_native` definition."""
        pad = _INDENT * indent
        if d.native:
            return self._native(d, pad)
        arguments = f"({', '.join(d.decorator_args)})" if d.decorator_args else ""
        returns = ""
        if (
            (self.style.return_annotations or d.annotated)
            and not d.bare_return
            and d.returns not in (None, T.VOID)
        ):
            generic = any(p.generic for p in d.params)
            returns = "" if generic else f" -> {self.printer.type(d.returns)}"
        lines = [f"{pad}@{d.decorator}{arguments}"]
        lines += self._signature(pad, d.name, d.params, returns)
        lines += self._doc(d.doc, pad + _INDENT)
        return lines + self.body(d.body, indent + 1)

    def _native(self, d: N.FunctionDef, pad: str) -> list[str]:
        assert d.native
        self.marks.add("native")
        snippet, adjoint = d.native
        extra = f", adj_snippet={d.name}_adjoint" if adjoint else ""
        lines = [f'{pad}{d.name}_snippet = """', *snippet.strip("\n").split("\n"), '"""']
        if adjoint:
            lines += [f'{pad}{d.name}_adjoint = """', *adjoint.strip("\n").split("\n"), '"""']
        lines += ["", "", f"{pad}@wp.func_native({d.name}_snippet{extra})"]
        returns = "" if d.returns in (None, T.VOID) else f" -> {self.printer.type(d.returns)}"
        return [*lines, *self._signature(pad, d.name, d.params, returns), f"{pad}{_INDENT}..."]

    def kernel(self, k: N.KernelDef, indent: int) -> list[str]:
        """The `@wp.kernel` definition."""
        pad = _INDENT * indent
        options = ", ".join(f"{n}={v!r}".replace("'", '"') for n, v in k.options.items())
        lines = [f"{pad}@wp.kernel({options})" if options else f"{pad}@wp.kernel"]
        lines += self._signature(pad, k.name, k.params, "")
        lines += self._doc(k.doc, pad + _INDENT)
        for p in k.params:
            note_type(p.type, self.marks, self.printer.customs)
        return lines + self.body(k.body, indent + 1)

    def _factory(self, f: N.Factory, k: N.KernelDef) -> list[str]:
        self.marks.add("closure")
        lines = self._arguments(f"def {f.name}", [f"{n}: {a}" for n, _, a in f.captured], ":")
        for function in f.nested:
            lines += [*self.function(function, 1), ""]
        lines += [*self.kernel(k, 1), "", f"{_INDENT}return {k.name}"]
        return lines

    def _overload(self, k: N.KernelDef, types: dict[str, T.Type]) -> list[str]:
        self.marks.add("generic")
        items = [f'"{n}": {self.printer.type(t)}' for n, t in types.items()]
        one = f"wp.overload({k.name}, {{{', '.join(items)}}})"
        if len(one) <= self.style.width:
            return [one]
        inner = [f"{_INDENT * 2}{item}," for item in items]
        return ["wp.overload(", f"{_INDENT}{k.name},", f"{_INDENT}{{", *inner, f"{_INDENT}}},", ")"]

    def _signature(self, pad: str, name: str, params: list[N.Parameter], returns: str) -> list[str]:
        texts = [self._parameter(p) for p in params]
        one = f"{pad}def {name}({', '.join(texts)}){returns}:"
        if len(one) <= self.style.width and len(texts) < 9:
            return [one]
        return [f"{pad}def {name}(", *(f"{pad}{_INDENT}{t}," for t in texts), f"{pad}){returns}:"]

    def _parameter(self, p: N.Parameter) -> str:
        if p.generic:
            self.marks.add("generic")
            return (
                f"{p.name}: Any"
                if not isinstance(p.type, T.Array)
                else f"{p.name}: {self._any_array(p.type)}"
            )
        if p.by_reference:
            return f"{p.name}: wp.ref[{self.printer.type(p.type)}]"
        default = f" = {self.printer.text(p.default)}" if p.default is not None else ""
        return f"{p.name}: {self.printer.type(p.type)}{default}"

    def _any_array(self, t: T.Array) -> str:
        return self.style.type(T.Array(T.Opaque("Any"), t.ndim))

    def _doc(self, doc: str, pad: str) -> list[str]:
        if not (doc and self.style.docstrings):
            return []
        self.marks.add("docstring")
        paragraphs = doc.strip().split("\n")
        if len(paragraphs) == 1:
            return [f'{pad}"""{paragraphs[0]}"""']
        return [
            f'{pad}"""{paragraphs[0]}',
            *(f"{pad}{p}" if p else "" for p in paragraphs[1:]),
            f'{pad}"""',
        ]

    # --- statements -------------------------------------------------------------------------------

    def body(self, body: N.Body, indent: int) -> list[str]:
        """The lines of a body."""
        lines: list[str] = []
        for s in body:
            if not (isinstance(s, N.Blank) and (not lines or not lines[-1])):
                lines += self._statement(s, _INDENT * indent, indent)
        while lines and not lines[-1]:
            lines.pop()
        if all(line.lstrip().startswith("#") or not line for line in lines):
            lines.append(f"{_INDENT * indent}pass")
        return lines

    def _statement(self, s: N.Statement, pad: str, indent: int) -> list[str]:
        match s:
            case N.Assign(targets, value):
                left = ", ".join(self.printer.text(t) for t in targets)
                self._note_target(targets[0])
                if isinstance(value, N.Shape) and len(targets) > 1:
                    return self._fit(pad, f"{left} = ", [self.printer.text(i) for i in value.items])
                return self._lines(pad, f"{left} = ", self._spelt(value))
            case N.AugAssign(target, op, value):
                if isinstance(target, N.Subscript) and isinstance(target.base.type, T.Array):
                    self.marks.update(("array_augassign", "atomic"))
                return self._lines(pad, f"{self.printer.text(target)} {op}= ", self._spelt(value))
            case N.Evaluate(value):
                return self._lines(pad, "", value)
            case N.If(branches):
                return self._if(branches, pad, indent)
            case N.For(target, iterable, body):
                return self._for(target, iterable, body, pad, indent)
            case N.While(condition, body):
                self.marks.update(("while", "loop"))
                return [
                    *self._lines(pad, "while ", condition, ":"),
                    *self._deeper(body, indent),
                ]
            case N.Return(value):
                return self._return(value, pad)
            case N.Keyword(word):
                self.marks.add(word)
                return [f"{pad}{word}"]
            case N.Assert(condition, message):
                self.marks.add("assert")
                reason = f', "{message}"' if message else ""
                return [f"{pad}assert {self.printer.text(condition)}{reason}"]
            case N.Comment(text):
                return [f"{pad}# {text}"] if self.style.comments else []
            case N.Blank():
                return [""] if self.style.blank_lines else []
        raise TypeError(f"cannot render {s!r}")

    def _note_target(self, target: N.Expr) -> None:
        if isinstance(target, N.Attribute | N.Subscript):
            parts = T.Vec | T.Mat | T.Quat | T.SpatialVec
            if isinstance(target.base.type, parts):
                self.marks.add("component_assign")

    def _deeper(self, body: N.Body, indent: int) -> list[str]:
        self._depth += 1
        if self._depth > 1:
            self.marks.add("nested_control")
        lines = self.body(body, indent + 1)
        self._depth -= 1
        return lines

    def _if(self, branches: list[tuple[N.Expr | None, N.Body]], pad: str, indent: int) -> list[str]:
        self.marks.add("branch")
        lines: list[str] = []
        for number, (condition, body) in enumerate(branches):
            if condition is None:
                self.marks.add("else")
                lines.append(f"{pad}else:")
            else:
                word = "if" if number == 0 else "elif"
                lines += self._lines(pad, f"{word} ", condition, ":")
            lines += self._deeper(body, indent)
        return lines

    def _for(
        self, target: N.Name, iterable: N.Expr, body: N.Body, pad: str, indent: int
    ) -> list[str]:
        self.marks.add("loop")
        span = iterable
        if isinstance(span, N.Call) and span.callee == "reversed":
            self.marks.add("reversed")
            span = span.args[0]
        is_range = isinstance(span, N.Call) and span.callee == "range"
        if is_range and all(isinstance(a, N.Literal) for a in span.args):  # type: ignore[attr-defined]
            self.marks.add("for_const")
        else:
            self.marks.add("for_dynamic" if is_range else "for_query")
        head = f"{pad}for {target.id} in {self.printer.text(iterable)}:"
        return [head, *self._deeper(body, indent)]

    def _return(self, value: N.Expr | None, pad: str) -> list[str]:
        if value is None:
            self.marks.add("early_return")
            return [f"{pad}return"]
        if isinstance(value, N.Shape):
            self.marks.add("multiple_return")
            return self._fit(pad, "return ", [self.printer.text(i) for i in value.items])
        return self._lines(pad, "return ", self._spelt(value))

    def _spelt(self, value: N.Expr, depth: int = 2) -> N.Expr:
        """The value with its outer operators as calls of Warp's functions, where the style has it so."""
        if not (self.style.operator_calls and depth):
            return value
        match value:
            case N.Binary(op, left, right, t) if op in _ARITHMETIC:
                sides = (self._spelt(left, depth - 1), self._spelt(right, depth - 1))
                return N.Call(f"wp.{_ARITHMETIC[op]}", sides, (), t)
            case N.Unary("-", operand, t) if not isinstance(operand, N.Literal):
                return N.Call("wp.neg", (operand,), (), t)
        return value

    # --- line breaks ------------------------------------------------------------------------------

    def _fit(self, pad: str, head: str, items: list[str]) -> list[str]:
        one = f"{pad}{head}{', '.join(items)}"
        if len(one) <= self.style.width:
            return [one]
        return [f"{pad}{head}(", *(f"{pad}{_INDENT}{i}," for i in items), f"{pad})"]

    def _arguments(self, head: str, items: list[str], tail: str = "") -> list[str]:
        one = f"{head}({', '.join(items)}){tail}"
        if len(one) <= self.style.width:
            return [one]
        return [f"{head}(", *(f"{_INDENT}{i}," for i in items), f"){tail}"]

    def _lines(self, pad: str, head: str, value: N.Expr, tail: str = "") -> list[str]:
        return broken(self.printer, self.style.width, pad, head, value, tail)
