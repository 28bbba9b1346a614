"""Programs as they are synthesised, without lowering."""

from pathlib import Path

from generator.config import BuildConfig
from generator.errors import RejectProgram
from generator.files import replacing
from generator.run.parts import canonical_json
from generator.synthesis import api


def write_sample(config: BuildConfig, start: int, count: int, out: Path) -> tuple[int, int]:
    """Writes programs `start` to `start + count - 1` of a config as JSON lines.

    Returns:
        How many were written, and how many the synthesiser rejected.

    Raises:
        UsageError: the config names what doesn't exist.
        OSError: `out` can't be written.
    """
    api.validate(config.synthesis)
    rejected = 0
    with replacing(out) as temporary, temporary.open("w", encoding="utf-8") as stream:
        for index in range(start, start + count):
            try:
                program = api.synthesise(config.synthesis, config.seed, index)
            except RejectProgram:
                rejected += 1
                continue
            row = {
                "id": program.id,
                "category": program.category,
                "python": program.python,
                "features": program.features,
                "launch": program.launch,
            }
            stream.write(canonical_json(row) + "\n")
    return count - rejected, rejected
