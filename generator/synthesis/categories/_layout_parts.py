"""What the intents of data layouts share: the items they go through."""

from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder

_SUBJECTS = ("sensor", "channel", "station", "device", "node", "sample", "tank", "record", "probe")


def items(p: ProgramBuilder, k: KernelBuilder, layouts: bool = True) -> Entities:
    """The items of this program, the same in all of its steps."""
    singular = p.shared.setdefault("subject", p.pick(*_SUBJECTS))
    return Entities(k, singular, layouts=layouts)
