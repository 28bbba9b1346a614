"""Which split a program belongs to: a function of its structure alone.

A program keeps its split as the dataset grows, and programs of one structure never part.
"""

import hashlib

from generator.config import SplitShares


def split_of(skeleton: str, shares: SplitShares) -> str:
    """Name of the split of the programs whose skeleton has this digest."""
    digest = hashlib.sha256(f"split\x1f{skeleton}".encode()).digest()
    position = int.from_bytes(digest[:8], "big") / 2**64
    if position < shares.test:
        return "test"
    if position < shares.test + shares.validation:
        return "validation"
    return "train"
