"""Choosing the intent of a program, and of further steps in the same kernel."""

from collections.abc import Callable

from generator.synthesis import tree as N
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.walk import walk

Intent = Callable[[ProgramBuilder], None]
_STATEMENTS = (N.Assign, N.AugAssign, N.Evaluate, N.If, N.For, N.While, N.Return)


def write_step(
    p: ProgramBuilder, intents: dict[Intent, float], *families: set[Intent], limit: int = 40
) -> None:
    """Writes one intent; a further step only comes from the family of the first, and not into a long kernel.

    Args:
        intents: all intents and their weights.
        families: intents that make sense one after the other in one kernel.
        limit: number of statements from which on nothing is added.
    """
    if not p.fusing:
        intent = p.weighted(intents)
        kin = next((f for f in families if intent in f), set())
        p.shared["family"] = {i: w for i, w in intents.items() if i in kin and i is not intent}
        intent(p)
        return
    family: dict[Intent, float] = p.shared["family"]
    while family and _statements(p) < limit:
        intent = p.weighted(family)
        del family[intent]
        if _fits(p, intent):
            return


def _statements(p: ProgramBuilder) -> int:
    assert p.kernel
    return sum(isinstance(node, _STATEMENTS) for node in walk(p.kernel.body))


def _fits(p: ProgramBuilder, intent: Intent) -> bool:
    """Writes the intent; False if it has other threads, and nothing was written.

    Raises:
        CannotFuse: something was written already.
    """
    before = _extent(p), p.real
    try:
        intent(p)
    except CannotFuse:
        if _extent(p) != before[0]:
            raise
        p.real = before[1]
        assert p.kernel
        p.kernel._pending = None
        return False
    return True


def _extent(p: ProgramBuilder) -> tuple[int, ...]:
    assert p.kernel
    return (
        len(p.constants),
        len(p.structs),
        len(p.functions),
        len(p.kernel.arguments),
        len(p.kernel.body),
    )
