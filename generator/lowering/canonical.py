"""Canonical text of generated source, and which Python line each of its lines came from.

Warp writes the Python line as a comment: before the code it became in forward and replayed
code, after it in reverse code. Loop heads, resets of adjoints and jumps of the reverse pass have
no comment of their own, so where the two kinds of code meet, comments alone don't tell whose a
line is. The lowering therefore asks Warp for markers instead of those comments (`Marks`), and
for the line that Warp was at when it wrote each statement of an adjoint function. A line of an
adjoint function is mapped only where the marker and the statement agree; everything else stays
unmapped.

Pure text: nothing here knows Warp.
"""

from itertools import count, groupby

from generator.records import LineSpan, LoweredCode


class Marks:
    """Comment lines and suffixes that the lowering has Warp write into the generated source."""

    FORWARD = "//\x1f[forward"  # a primal function's body begins
    CUSTOM_ADJOINT = "//\x1f[custom"  # likewise, of an adjoint function that the program defines
    ADJOINT = "//\x1f[adjoint"  # the body of an adjoint function that Warp derived begins
    END = "//\x1f]"
    BEFORE = "//\x1f>"  # + line: the code of that Python line follows
    AFTER = "//\x1f<"  # + line: the reverse code of that Python line came before
    LINE = "\x1f"  # + line, behind a statement: Warp was at that Python line


# per marker: whether an adjoint function that Warp derived begins, and the sign of its lines
_SECTIONS = {
    Marks.FORWARD: (False, 1),
    Marks.CUSTOM_ADJOINT: (False, -1),
    Marks.ADJOINT: (True, -1),
    Marks.END: (False, 1),
}
_BLANKS = " \t\r"
_END_OF_LINKAGE = "} // extern C\n"  # the one comment that Warp itself puts behind code


def split_unit(unit: str, prelude: str) -> str:
    """The part of a translation unit after the constant prelude.

    Raises:
        ValueError: the unit doesn't have this prelude.
    """
    _, found, body = unit.partition(prelude)
    if not found:
        raise ValueError("the generated source doesn't begin with the target's prelude")
    return body


def rename(units: dict[str, str], stems: dict[str, str]) -> dict[str, str]:
    """Gives names that Warp made with a hash a number instead, the same in all units.

    Args:
        units: translation units by target.
        stems: for each name to replace, what its new name begins with.
    """
    names: dict[str, str] = {}
    for old, stem in stems.items():
        taken = (*names.values(), *units.values())
        candidates = (f"{stem}{number}" for number in count())
        names[old] = next(new for new in candidates if not any(new in text for text in taken))
    for old, new in names.items():
        units = {target: unit.replace(old, new) for target, unit in units.items()}
    return units


def canonicalise(body: str) -> LoweredCode:
    """Drops comment lines, markers and trailing blanks, and maps the lines that remain.

    At most one blank line stays in a row; tabs that indent become four spaces. Of comments behind
    code only Warp's own goes, because it takes a C++ lexer to tell others from a string.

    Args:
        body: generated source without prelude, written with `Marks`.
    """
    lines: list[str] = []
    owners = _Owners()
    for raw in body.replace(_END_OF_LINKAGE, "}\n").split("\n"):
        text = raw.lstrip()
        if not text:
            if lines and lines[-1]:
                lines.append("")
                owners.lines.append(0)
            continue
        if text.startswith("//"):
            owners.read(text)
            continue
        if owners.in_adjoint:
            raw, _, tag = raw.partition(Marks.LINE)
            owners.add_tagged(int(tag) if tag else 0)
        else:
            owners.lines.append(owners.current)
        if raw[-1] in _BLANKS:
            raw = raw.rstrip()
        if raw[0] != text[0] and "\t" in raw:
            code = raw.lstrip()
            raw = raw[: -len(code)].replace("\t", "    ") + code
        lines.append(raw)
    if lines and not lines[-1]:
        lines.pop()
    return LoweredCode("\n".join(lines) + "\n", _spans(owners.lines))


class _Owners:
    """Python line of each line of code: negative in adjoint functions, 0 if it has none."""

    def __init__(self) -> None:
        self.lines: list[int] = []
        self.in_adjoint = False  # in an adjoint function that Warp derived
        self.current = 0  # elsewhere: what lines from here on belong to
        self._sign = 1
        self._before = 0  # line of the marker that precedes, in an adjoint function
        self._unsettled: list[tuple[int, int]] = []  # position and line, for the next marker

    def read(self, comment: str) -> None:
        """Takes in a comment line, most often a marker."""
        kind = comment[: len(Marks.BEFORE)]
        if kind == Marks.BEFORE:
            self._before = int(comment[len(kind) :])
            if not self.in_adjoint:
                self.current = self._sign * self._before
        elif kind == Marks.AFTER:
            line = int(comment[len(kind) :])
            for position, stated in self._unsettled:
                if stated == line:
                    self.lines[position] = -line
            self._before = 0
        elif comment in _SECTIONS:
            self.in_adjoint, self._sign = _SECTIONS[comment]
            self.current = self._before = 0
        else:
            return
        self._unsettled.clear()

    def add_tagged(self, line: int) -> None:
        """Adds a line of code that Warp wrote at a Python line, or at none (0)."""
        if line == self._before:
            self.lines.append(-line)
            return
        if line:
            self._unsettled.append((len(self.lines), line))
        self.lines.append(0)


def _spans(owners: list[int]) -> tuple[LineSpan, ...]:
    spans = []
    end = 0
    for owner, run in groupby(owners):
        start = end + 1
        end += len(list(run))
        if owner:
            spans.append(LineSpan(abs(owner), start, end, "forward" if owner > 0 else "adjoint"))
    return tuple(spans)
