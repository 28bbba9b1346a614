"""One kernel's assembly, cut out of the PTX of a compile unit, and its structure checked."""

import re
from collections import deque
from collections.abc import Iterable

from generator.lowering.unit_names import without_prefix

_HEADER = re.compile(r"\.version\s+\d+\.\d+\s+\.target\s+[\w, ]+\s+\.address_size\s+(?:32|64)\n")
_COMMENT = re.compile(r"[ \t]*//[^\n]*")
_DELIMITER = re.compile(r'"[^"\n]*"|[{};]')
_FUNCTION = re.compile(r"\.(?:entry|func)\s*(?:\([^)]*\)\s*)?([\w$]+)")
_VARIABLE = re.compile(r"([\w$]+)\s*(?:\[[^\]]*\]\s*)*(?:=|;)")
_WORD = re.compile(r"(?<![\w$%.])[A-Za-z_$][\w$]*")
_SHARED = re.compile(r"^\t\.shared [^;]*;", re.M)
_BLANK_LINES = re.compile(r"\n{2,}")
_LABEL = re.compile(r"\$L__BB(\d+)_|__local_depot(\d+)\b")
# Of names with internal linkage: a hash of the unit's source.
_UNIT_HASH = re.compile(r"(_INTERNAL_[0-9a-f]{8}_\d+_\w+?_cu_)[0-9a-f]{8}")
_COUNTED = re.compile(r"\$str(?:\$\d+)?\b|__unnamed_\d+\b|\$__constant\$\d+\b")


class Assembly:
    """The PTX of a unit, to be cut up."""

    def __init__(self, text: str) -> None:
        text = _COMMENT.sub("", text.rstrip("\0"))
        header = _HEADER.search(text)
        if header is None:
            raise ValueError("PTX without a header")
        self._header = header[0]
        self._parts: dict[str, list[str]] = {}
        for statement in _statements(text[header.end() :]):
            # A static variable of one function stands in its body, of several outside.
            for part in (*_SHARED.findall(statement), _SHARED.sub("", statement)):
                # A function that is declared and then defined has two parts.
                text = _BLANK_LINES.sub("\n", part.strip())
                self._parts.setdefault(_name(part), []).append(text)
        self._references_of: dict[str, list[str]] = {}

    @property
    def entries(self) -> list[str]:
        """Names of the kernels."""
        return [name for name, parts in self._parts.items() if ".entry" in parts[-1]]

    def slice(self, entries: Iterable[str]) -> str:
        """The PTX of some kernels and what they reach, without prefixes of the unit.

        It doesn't depend on what else the unit holds.

        Raises:
            KeyError: an entry isn't there.
            ValueError: what was cut out is not well-formed.
        """
        reached = dict.fromkeys(entries)
        pending = deque(reached)
        while pending:
            for name in self._references(pending.popleft()):
                if name not in reached:
                    reached[name] = None
                    pending.append(name)
        # What is used stands before its users; functions are declared before all else is defined.
        parts = [part for name in reversed(reached) for part in self._parts[name]]
        parts.sort(key=_rank)
        text = without_prefix(_numbered("\n".join([self._header, *parts, ""])))
        verify_ptx(text)
        return text

    def _references(self, name: str) -> list[str]:
        if name not in self._references_of:
            words = dict.fromkeys(_WORD.findall("\n".join(self._parts[name])))
            self._references_of[name] = [word for word in words if word in self._parts]
        return self._references_of[name]


def _rank(part: str) -> int:
    """Place among the others: variables, declarations of functions, functions, kernels."""
    if not _FUNCTION.search(part.partition("{")[0]):
        return 0
    if _is_declaration(part):
        return 1
    return 3 if ".entry" in part else 2


def _is_declaration(part: str) -> bool:
    return "{" not in part and _FUNCTION.search(part) is not None


def verify_ptx(text: str) -> None:
    """Checks the structure of PTX: header, braces, that labels, registers and names are defined.

    Only an assembler can tell whether it is valid: see `generator.lowering.assembler`.

    Raises:
        ValueError: it isn't well-formed; the message says why, in one line.
    """
    header = _HEADER.match(text)
    if header is None:
        raise ValueError("not valid PTX: no header")
    statements = _statements(text[header.end() :])
    if not any(".entry" in statement for statement in statements):
        raise ValueError("not valid PTX: no kernel")
    # What is only declared stands elsewhere, if it is external.
    defined = [s for s in statements if not _is_declaration(s) or s.startswith(".extern")]
    names = {_name(statement) for statement in defined}
    for statement in statements:
        if _FUNCTION.search(statement):
            _verify_function(statement, names)


_LABEL_SITE = re.compile(r"^\s*(\$L__BB\w+):", re.M)
_REGISTERS = re.compile(r"\.reg\s+\.\w+\s+([^;]+);")
_REGISTER_USE = re.compile(r"%[A-Za-z_]\w*")
_SPECIAL = re.compile(
    r"%(?:n?tid|n?ctaid|n?warpid|laneid|smid|nsmid|gridid|lanemask_\w+|clock\w*|globaltimer\w*|"
    r"envreg\d+|pm\d+\w*|dynamic_smem_size|total_smem_size|is_explicit_cluster|n?clusterid|"
    r"cluster_n?ctaid|cluster_n?ctarank|aggr_smem_size)$"
)
_LOCAL = re.compile(r"[;{}]\s*\.(?:param|local|shared|reg)\s([^;]*)")
_OPERANDS = re.compile(r"[;{}:]\s*(?:@!?%\w+\s+)?[a-z][\w.]*\s*([^;{}]*)")
_BUILT_IN = {"_", "WARP_SZ"}


def _verify_function(text: str, names: set[str]) -> None:
    place = _name(text)
    head, _, body = text.partition("{")
    declared = _registers(body)
    for use in set(_REGISTER_USE.findall(_REGISTERS.sub("", body))) - declared:
        if not _SPECIAL.match(use):
            raise ValueError(f"not valid PTX: {place} has no register {use}")
    known = names | declared | _BUILT_IN | set(_LABEL_SITE.findall(body))
    known.update(_WORD.findall(" ".join([head, *_LOCAL.findall(text)])))
    if missing := set(_WORD.findall(" ".join(_OPERANDS.findall(text)))) - known:
        raise ValueError(f"not valid PTX: {place} refers to {min(missing)}, which isn't there")


def _registers(text: str) -> set[str]:
    """Registers that a function declares; of `%r<9>`, %r0 to %r8."""
    declared = set()
    for listed in _REGISTERS.findall(text):
        for name in listed.split(","):
            stem, _, count = name.strip().partition("<")
            declared.update([f"{stem}{i}" for i in range(int(count[:-1]))] if count else [stem])
    return declared


def _statements(text: str) -> list[str]:
    """Variables, declarations and functions, in order.

    Raises:
        ValueError: braces don't match, or the last statement has no end.
    """
    statements = []
    depth = start = 0
    body = False  # the statement is a function with a body
    for found in _DELIMITER.finditer(text):
        match found[0]:
            case "{":
                if depth == 0:
                    body = "=" not in text[start : found.start()]
                depth += 1
                continue
            case "}":
                depth -= 1
                if depth < 0:
                    raise ValueError("not valid PTX: a brace closes that none opened")
                ended = depth == 0 and body
            case ";":
                ended = depth == 0
            case _:
                continue
        if ended:
            statements.append(text[start : found.end()].strip())
            start = found.end()
    if depth or text[start:].strip():
        raise ValueError("not valid PTX: it ends in the middle of a statement")
    return statements


def _name(statement: str) -> str:
    head = statement.partition("{")[0]
    found = _FUNCTION.search(head) or _VARIABLE.search(head)
    if found is None:
        raise ValueError(f"not valid PTX: unknown statement {head[:60]!r}")
    return found[1]


def _numbered(text: str) -> str:
    """The PTX with labels, frames and constants numbered, which count through the whole unit."""
    functions: dict[str, int] = {}
    constants: dict[str, str] = {}

    def label(found: re.Match[str]) -> str:
        number = functions.setdefault(found[1] or found[2], len(functions))
        return f"$L__BB{number}_" if found[1] else f"__local_depot{number}"

    def constant(found: re.Match[str]) -> str:
        return constants.setdefault(found[0], f"__constant_{len(constants)}")

    text = _UNIT_HASH.sub(r"\g<1>00000000", _LABEL.sub(label, text))
    return _COUNTED.sub(constant, text)
