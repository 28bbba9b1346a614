"""One kernel's module, cut out of the optimised LLVM module of a compile unit.

Warp's clang prints that module. What a kernel's entries reach is found in the text, because an
LLVM parse of the whole unit for each of its programs would cost more than all else here.
"""

import re
from collections import deque
from collections.abc import Iterable
from itertools import chain, count

import llvmlite.binding as llvm

from generator.lowering.unit_names import without_prefix

_NAME = r'(?:"[^"]*"|[\w.$-]+)'
_TOP_LEVEL = re.compile(
    rf"^(?:define [^\n]*?(?P<function>@{_NAME})\([^\n]*\n.*?^\}}$"
    rf"|declare [^\n]*?(?P<declaration>@{_NAME})\([^\n]*$"
    rf"|(?P<other>@{_NAME}|\${_NAME}|%{_NAME}|!\d+|attributes #\d+) = [^\n]*$)",
    re.M | re.S,
)
_HEADER = re.compile(r"^target [^\n]*\n", re.M)
_TYPE_NAME = r'%(?:"(?:struct|class|union)[^"]*"|(?:struct|class|union)\.[\w.]+)'
_REFERENCE = re.compile(rf'[@$]{_NAME}|[#!]\d+|{_TYPE_NAME}|\bcomdat\b(?!\()|"[^"]*"')
_TYPE = re.compile(_TYPE_NAME)
_TYPE_NUMBER = re.compile(r'\.\d+(?="?$)')
_PRIVATE = re.compile(rf"^(@{_NAME}) = private ", re.M)
_PREDECESSORS = re.compile(r": +; (?:preds = [^\n]*|No predecessors!)")
_COMMENT_LINE = re.compile(r"\n;[^\n]*")
_EMPTY_LINES = re.compile(r"\n{3,}")
_SOURCE = re.compile(r"^source_filename = [^\n]*\n", re.M)


class Module:
    """The text of an optimised module, to be cut up."""

    def __init__(self, text: str) -> None:
        self._header = "".join(_HEADER.findall(text))
        self._parts: dict[str, str] = {}
        for found in _TOP_LEVEL.finditer(text):
            name = found["function"] or found["declaration"] or found["other"]
            self._parts[name.removeprefix("attributes ")] = found[0]
        self._references_of: dict[str, list[str]] = {}

    @property
    def functions(self) -> list[str]:
        """Names of the functions that the module defines."""
        return [name[1:] for name, text in self._parts.items() if text.startswith("define ")]

    def slice(self, entries: Iterable[str]) -> str:
        """The module of some functions and what they reach, without prefixes of the unit.

        It doesn't depend on what else the unit holds.

        Raises:
            KeyError: an entry isn't in the module.
            ValueError: what was cut out is not a valid module.
        """
        reached = dict.fromkeys(f"@{entry}" for entry in entries)
        pending = deque(reached)
        while pending:
            for name in self._references(pending.popleft()):
                if name not in reached:
                    reached[name] = None
                    pending.append(name)
        # Types come first; else the order is that of reaching: the unit's depends on neighbours.
        names = sorted(reached, key=lambda name: name[0] != "%")
        parts = (self._parts[name] for name in names)
        return _printed(without_prefix(_numbered("\n".join([self._header, *parts, ""]))))

    def _references(self, name: str) -> list[str]:
        if name not in self._references_of:
            tokens = dict.fromkeys(_REFERENCE.findall(self._parts[name]))
            if "comdat" in tokens:  # of the function's own name
                tokens[f"${name[1:]}"] = None
            self._references_of[name] = [token for token in tokens if token in self._parts]
        return self._references_of[name]


def verify_llvm(text: str) -> None:
    """Checks that text is a valid LLVM module.

    Raises:
        ValueError: it isn't; the message is LLVM's, in one line.
    """
    _parsed(text)


def _parsed(text: str) -> llvm.ModuleRef:
    try:
        module = llvm.parse_assembly(text, context=llvm.create_context())
        module.verify()
    except RuntimeError as error:
        message = " ".join(str(error).split())
        raise ValueError(f"not a valid LLVM module: {message}") from None
    return module


def _printed(text: str) -> str:
    """The module as LLVM prints it, which numbers metadata, attributes and types anew."""
    module = _parsed(text)
    printed = _PREDECESSORS.sub(":", _COMMENT_LINE.sub("", _SOURCE.sub("", f"\n{module}")))
    return _EMPTY_LINES.sub("\n\n", printed).strip("\n") + "\n"


def _numbered(text: str) -> str:
    """The module with constants and types numbered, which count through the whole unit."""
    names: dict[str, str] = {}
    for number, found in enumerate(_PRIVATE.finditer(text)):
        names[found[1]] = f"@constant.{number}"
    taken = set()
    for name in dict.fromkeys(_TYPE.findall(text)):
        stem = _TYPE_NUMBER.sub("", name)
        candidates = chain([stem], (_with_number(stem, number) for number in count(1)))
        names[name] = next(new for new in candidates if new not in taken)
        taken.add(names[name])
    changed = sorted((old for old, new in names.items() if old != new), key=len, reverse=True)
    if not changed:
        return text
    pattern = rf"(?:{'|'.join(map(re.escape, changed))})(?![\w.$-])"
    return re.sub(pattern, lambda found: names[found[0]], text)


def _with_number(name: str, number: int) -> str:
    return f'{name[:-1]}.{number}"' if name.endswith('"') else f"{name}.{number}"
