"""Where to look in a program: makes detectors of programs from detectors of definitions."""

import ast
import re
from collections.abc import Callable

from generator.synthesis.detection.facts import Source
from generator.synthesis.detection.shares import KernelDetector

SourceDetector = Callable[[Source], object]


def anywhere(of_definition: KernelDetector) -> SourceDetector:
    return lambda s: any(map(of_definition, s.definitions))


def in_function(of_definition: KernelDetector) -> SourceDetector:
    return lambda s: any(map(of_definition, s.functions))


def in_kernel(of_definition: KernelDetector) -> SourceDetector:
    return lambda s: any(map(of_definition, s.kernels))


def nodes(*kinds: type[ast.AST]) -> SourceDetector:
    return anywhere(lambda d: d.has(*kinds))


def word(*words: str) -> SourceDetector:
    """``wp.word`` stands in a function, a struct or the kernel."""
    return lambda s: not s.everything.spelt.isdisjoint(words)


def call(*names: str) -> SourceDetector:
    return anywhere(lambda d: not d.calls.isdisjoint(names))


def option(name: str, *values: object) -> SourceDetector:
    return in_kernel(lambda k: name in k.options and (not values or k.options[name] in values))


def assigns(target: type[ast.AST], value: type[ast.AST]) -> SourceDetector:
    return anywhere(
        lambda d: any(
            isinstance(a.targets[0], target) and isinstance(a.value, value)
            for a in d.all(ast.Assign)
        )
    )


def parameter_type(*words: str) -> SourceDetector:
    pattern = re.compile(rf"\bwp\.({'|'.join(words)})\b")
    return anywhere(lambda d: pattern.search(d.annotations))
