"""The synthesiser's face to the rest of the generator."""

import random
from dataclasses import dataclass, replace
from typing import Protocol

from generator.errors import RejectProgram, UsageError
from generator.records import Program
from generator.seeds import derive
from generator.synthesis import policy as policies
from generator.synthesis.assemble import assemble
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import categories


class SynthesisSettings(Protocol):
    """What a config says about synthesis."""

    categories: dict[str, float]
    policy: dict[str, float]


@dataclass(frozen=True, slots=True)
class CategoryInfo:
    """A category as the card's catalogue shows it."""

    name: str
    version: int
    title: str
    doc: str


def catalogue() -> list[CategoryInfo]:
    """All registered categories."""
    return [CategoryInfo(c.name, c.version, c.title, c.doc) for c in categories().values()]


def validate(settings: SynthesisSettings) -> None:
    """Checks the names that a config uses.

    Raises:
        UsageError: a category or policy name is unknown.
    """
    _known("category", settings.categories, categories())
    _known("policy", settings.policy, policies.NAMES)


def _known(kind: str, given: dict[str, float], known: object) -> None:
    for name in given:
        if name not in known:  # type: ignore[operator]
            options = ", ".join(sorted(known))  # type: ignore[call-overload]
            raise UsageError(f"synthesis: unknown {kind} {name!r}; known are {options}")


def synthesise(settings: SynthesisSettings, root_seed: int, index: int) -> Program:
    """Program number `index` of the stream that `root_seed` opens; a pure function.

    Raises:
        RejectProgram: the category could not finish this program.
    """
    seed = derive(root_seed, "program", index)
    rng = random.Random(seed)
    chosen = _choose(settings, rng)
    p = ProgramBuilder(rng, replace(policies.Policy(), **settings.policy))
    try:
        categories()[chosen].write(p)
        cosmetics = random.Random(derive(seed, "cosmetics"))
        return assemble(p, index=index, seed=seed, category=chosen, cosmetics=cosmetics)
    except (TypeError, ValueError) as error:
        raise RejectProgram("ill_typed", f"{chosen}: {error}") from error


def _choose(settings: SynthesisSettings, rng: random.Random) -> str:
    weights = settings.categories or {c.name: c.weight for c in categories().values()}
    return rng.choices(list(weights), list(weights.values()))[0]
