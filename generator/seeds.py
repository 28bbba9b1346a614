"""Seeds: every random draw of the project comes from a `random.Random` derived here.

A seed depends only on the path of names and numbers that leads to it, never on the process, the
hash seed or the order of work, so a unit gives the same bytes wherever it runs.
"""

import hashlib
import random


def derive(*path: str | int) -> int:
    """The 63-bit seed of a path such as ``derive(root_seed, "program", 17)``."""
    digest = hashlib.sha256("\x1f".join(map(str, path)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def rng(*path: str | int) -> random.Random:
    """A generator seeded by `derive(*path)`."""
    return random.Random(derive(*path))
