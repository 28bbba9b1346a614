"""A law: what it is computed from, its formula, and the kernels that evaluate it for every item."""

from collections.abc import Callable
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal

Quantities = tuple[tuple[str, float, float], ...]
Formula = Callable[..., tuple[Expr, ...] | None]


@dataclass(frozen=True, slots=True)
class Law:
    """One law.

    Attributes:
        name: hints for the function; the kernel is named after it.
        doc: what it says, in one line.
        inputs: quantities that differ from item to item, with their ranges.
        params: those that are often the same for all.
        results: hints for what the formula gives.
        formula: `formula(p, block, *inputs, *params)` gives the results; one with branches writes the
            returns of a function itself and gives None.
    """

    name: str
    doc: str
    inputs: Quantities
    params: Quantities
    results: tuple[str, ...]
    formula: Formula


@dataclass(frozen=True, slots=True)
class Subject:
    """Laws of one field, and what it calls its items."""

    items: tuple[str, ...]
    laws: tuple[Law, ...]


def physical(p: ProgramBuilder, hint: str, value: float) -> Expr | float:
    """A constant of nature: a literal, or a constant of the module (single precision)."""
    if p.real.name != "float32" or p.chance(0.5):
        return value
    return p.const(hint, value)


def number(p: ProgramBuilder, value: float) -> Expr:
    """A number of the program's precision, as a whole return value."""
    return literal(value, p.real)


def evaluate(p: ProgramBuilder, subject: Subject, law: Law) -> None:
    """A kernel, or a step of one, that evaluates a law for every item."""
    words = law.name.split("|")
    hint = "|".join(f"{prefix}_{word}" for word in words for prefix in p.sample(_VERBS, 1, 2))
    k = p.kernel_builder(hint, p.pick(law.doc, law.doc, law.doc, ""))
    e = Entities(k, p.shared.setdefault("item", p.pick(*subject.items)))
    if p.chance(0.06):
        e.guard()
    inputs = [_input(p, k, e, q) for q in law.inputs]
    params = [_param(p, k, e, q) for q in law.params]
    values = _values(p, k, law, [*inputs, *params])
    for result, value in zip(law.results, values, strict=True):
        _store(p, k, e, result, value)


_VERBS = ("compute", "evaluate", "update", "apply", "eval")


def _input(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: tuple[str, float, float]) -> Expr:
    hint, low, high = q
    field = e.field(hint, p.real, R.uniform(low, high))
    share = 0.8 if _spelt_out(p) else 0.35
    return field.read(f"{hint.split('|')[-1]}_i|{hint}") if p.chance(share) else field.own


def _spelt_out(p: ProgramBuilder) -> bool:
    """Whether the kernel holds the formulas themselves, rather than calls of functions."""
    inline: bool = p.shared.setdefault("spelt_out", p.chance(0.3))
    return inline


def _param(p: ProgramBuilder, k: KernelBuilder, e: Entities, q: tuple[str, float, float]) -> Expr:
    hint, low, high = q
    if p.chance(0.12):
        return e.property(hint, low, high)
    if p.real.name == "float32" and p.chance(0.45):  # known for good: part of the program
        value = p.nice(low, high)
        return p.const(hint.split("|")[0].upper(), value) if p.chance(0.7) else number(p, value)
    return e.world_param(hint, low, high) if p.chance(0.5) else k.param(hint, low, high)


def _values(p: ProgramBuilder, k: KernelBuilder, law: Law, arguments: list[Expr]) -> list[Expr]:
    def body(b: Block, *given: Expr) -> None:
        results = law.formula(p, b, *given)
        if results is not None:
            b.ret(*results)

    if law.formula in _PIECEWISE or p.chance(0.1 if _spelt_out(p) else 0.85):
        hints = {h: p.real for h, _, _ in (*law.inputs, *law.params)}
        function = p.func(law.name, hints, body, law.doc if p.chance(0.5) else "")
        if p.on("factory") and p.chance(0.5):
            function = p.capture("law|model|func|relation", function)
        call = function(*arguments)
        return list(k.unpack(list(law.results), call)) if len(law.results) > 1 else [call]
    results = law.formula(p, k, *arguments)
    assert results is not None
    return list(results)


_PIECEWISE: set[Formula] = set()


def piecewise(formula: Formula) -> Formula:
    """Marks a formula that writes branches and returns, so that it needs a function of its own."""
    _PIECEWISE.add(formula)
    return formula


def _store(p: ProgramBuilder, k: KernelBuilder, e: Entities, hint: str, value: Expr) -> None:
    out = e.out(hint if "|" in hint else f"{hint}|{hint}_out", p.real)
    match p.weighted({"plain": 8, "local": 3, "limit": 1, "blend": 1, "floor": 0.5}):
        case "plain":
            out.store(value)
        case "local":
            out.store(k.let(f"{hint.split('|')[0]}_i|value|result", value))
        case "limit":
            out.store(
                wp.min(value, k.param(f"max_{hint.split('|')[0]}|upper_limit|cap", 0.5, 100.0))
            )
        case "floor":
            v = k.let("v|value|raw", value)
            limit = k.param(f"min_{hint.split('|')[0]}|threshold|cutoff", 0.001, 0.1)
            out.store(
                choose(v > limit, v, 0.0) if p.chance(0.5) else wp.where(v > limit, v, v * 0.0)
            )
        case _:
            old = e.field(f"last_{hint.split('|')[0]}|previous|old", p.real, R.uniform(0.1, 1.0))
            weight = k.param("blend|smoothing|relaxation", 0.1, 0.9)
            out.store(
                wp.lerp(old.own, value, weight)
                if p.chance(0.4)
                else old.own + weight * (value - old.own)
            )
