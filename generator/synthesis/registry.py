"""Categories: a versioned name, what it models, and the function that writes its programs."""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from generator.synthesis.program import ProgramBuilder


@dataclass(frozen=True, slots=True)
class Category:
    """A kind of work.

    Attributes:
        name: stable identifier, the value of the `category` column.
        version: raised whenever the programs of a seed change.
        title: a few words for tables.
        doc: what it models, one or two sentences.
        write: writes one program.
        weight: relative frequency by default.
    """

    name: str
    version: int
    title: str
    doc: str
    write: Callable[[ProgramBuilder], None]
    weight: float = 1.0


_CATEGORIES: dict[str, Category] = {}


def category(
    name: str, *, version: int, title: str, weight: float = 1.0
) -> Callable[[Callable[[ProgramBuilder], None]], Callable[[ProgramBuilder], None]]:
    """Registers the decorated function; its docstring says what the category models.

    Raises:
        ValueError: the name is taken, or the function has no docstring.
    """

    def register(write: Callable[[ProgramBuilder], None]) -> Callable[[ProgramBuilder], None]:
        if name in _CATEGORIES:
            raise ValueError(f"category {name} is registered twice")
        if not write.__doc__:
            raise ValueError(f"category {name} needs a docstring that says what it models")
        doc = " ".join(write.__doc__.split())
        _CATEGORIES[name] = Category(name, version, title, doc, write, weight)
        return write

    return register


@cache
def categories() -> dict[str, Category]:
    """All categories by name, in alphabetical order."""
    package = importlib.import_module("generator.synthesis.categories")
    for module in sorted(m.name for m in pkgutil.iter_modules(package.__path__)):
        importlib.import_module(f"generator.synthesis.categories.{module}")
    return dict(sorted(_CATEGORIES.items()))
