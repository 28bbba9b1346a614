"""The synthesiser's face to the rest of the generator."""

import random
from dataclasses import dataclass, replace
from typing import Protocol

from generator.errors import RejectProgram, UsageError
from generator.records import Program
from generator.seeds import derive
from generator.synthesis import policy as policies
from generator.synthesis.assemble import assemble
from generator.synthesis.fusion import CannotFuse, Checkpoint
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import Category, categories

_MOST_STEPS = 8
_ATTEMPTS = 12  # at a step that fits the threads of those before


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
    chosen = categories()[_choose(settings, rng)]
    policy = replace(policies.Policy(), **settings.policy)
    steps = 1
    while steps < _MOST_STEPS and rng.random() < policy.fused:
        steps += 1
    try:
        p = _written(chosen, policy, rng, steps)
        cosmetics = random.Random(derive(seed, "cosmetics"))
        return assemble(p, index=index, seed=seed, category=chosen.name, cosmetics=cosmetics)
    except (TypeError, ValueError) as error:
        raise RejectProgram("ill_typed", f"{chosen.name}: {error}") from error


def _written(
    category: Category, policy: policies.Policy, rng: random.Random, steps: int
) -> ProgramBuilder:
    """The builder after the category wrote up to `steps` steps, as many as fit together."""
    p = ProgramBuilder(rng, policy)
    category.write(p)
    p.fusing = True
    while steps > 1 and _another_step(category, p):
        steps -= 1
    return p


def _another_step(category: Category, p: ProgramBuilder) -> bool:
    """Has the category write one more step into the kernel; False if none was found that fits."""
    k = p.kernel
    assert k
    if not k.may_go_on():
        return False
    before = Checkpoint(p, p.names, k, k.names, k.layout, *p.shared.values())
    dims, real, done = k.launch_dim, p.real, len(k.steps)
    for _ in range(_ATTEMPTS):
        try:
            category.write(p)
            if len(k.steps) == done:
                return False  # the category has no more to say
            if (dims, real) == (k.launch_dim, p.real) and k.shares_data():
                return True
        except CannotFuse:
            pass
        before.restore()
    return False


def _choose(settings: SynthesisSettings, rng: random.Random) -> str:
    weights = settings.categories or {c.name: c.weight for c in categories().values()}
    return rng.choices(list(weights), list(weights.values()))[0]
