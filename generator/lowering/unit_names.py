"""Names of programs that share a compile unit: kept apart by a prefix, which slices lose again.

Pure text: nothing here knows Warp.
"""

import re
from collections.abc import Iterator

_PREFIX_DIGITS = 6
PREFIX_LENGTH = _PREFIX_DIGITS + 2

# What a brace may hide in, and `extern "C" {`, which opens no scope.
_TOKEN = re.compile(
    r'extern "C"\s*\{|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/|[{}]', re.S
)
_STRUCT = re.compile(r"\bstruct\s+(\w+)\s*$")
_FUNCTION = re.compile(r"(\w+)\s*\((?:[^()]|\([^()]*\))*\)\s*$")
# Other functions at file scope overload names of Warp's headers for the program's own structs.
_OWN_FUNCTION = re.compile(r"\b(?:static|WP_API|__global__)\b")
_PREFIX = re.compile(rf"p(?<![A-Za-z_]p)\d{{{_PREFIX_DIGITS}}}_")
_LENGTH = re.compile(r"\d+$")


def prefix(position: int) -> str:
    """What stands before the names of the program at a position of a unit, as `p000012_`."""
    return f"p{position:0{_PREFIX_DIGITS}d}_"


def with_prefix(code: str, position: int) -> str:
    """A program's code with a prefix before every name that it defines at file scope."""
    names = "|".join(sorted(_names(code), key=len, reverse=True))
    return re.sub(rf"\b({names})\b", rf"{prefix(position)}\1", code) if names else code


def without_prefix(text: str) -> str:
    """Text made of a unit without prefixes, also where they are part of mangled names."""
    *pieces, last = _PREFIX.split(text)
    # In a mangled name, the length of each of its parts stands before it.
    return "".join(_LENGTH.sub(_shortened, piece) for piece in pieces) + last


def _shortened(length: re.Match[str]) -> str:
    return str(int(length[0]) - PREFIX_LENGTH)


def _names(code: str) -> set[str]:
    """Structs and functions that the code defines at file scope and that are its own."""
    names = set()
    for declarator in _declarators(code):
        if (found := _STRUCT.search(declarator)) or (
            _OWN_FUNCTION.search(declarator) and (found := _FUNCTION.search(declarator))
        ):
            names.add(found[1])
    return names


def _declarators(code: str) -> Iterator[str]:
    """What stands before each brace that opens at file scope."""
    depth = linkages = start = 0
    for token in _TOKEN.finditer(code):
        text = token[0]
        if text == "{":
            if depth == 0:
                yield code[start : token.start()]
            depth += 1
        elif text == "}":
            if depth:
                depth -= 1
            else:
                linkages -= 1
            if depth == 0:
                start = token.end()
        elif text.startswith("extern"):
            linkages += 1
            start = token.end()
