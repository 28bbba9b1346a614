"""Checks code and line map against Warp's annotated output, without the lowering's own markers.

Reads the output as a person would: a comment `// statement <L n>` stands before the code of line
n in forward and replayed code, `// adj: statement <L n>` after its reverse code. What can be said
of a line of code from the comments around it is compared with what the line map says.
"""

import re
from dataclasses import dataclass, field

from generator.records import LoweredCode

_COMMENT = re.compile(r"// (adj: )?(.*?) *<L (\d+)>$")
_RULE = "//---------"
# what Warp's comments in an adjoint function may leave without a Python line: labels and jumps of
# loops, resets, the start of a constant loop, what merges a branch that a loop stood in
_UNCERTAIN = re.compile(
    r"goto \w+;|\w+:;|adj_\d+ = \{\};|adj_\d+\.grad_zero\(\);|(continue|return);|\}"
    r"|if \(.*\) (goto \w+;|\{)|var_\d+ = wp::(iter_reverse|iter_next|where)\(.*\);"
    r"|wp::adj_where\(.*\);|var_\d+ = (-?\d+|var_\d+);|var_\d+ [-+]= \d+;"
)
_LOOP_HEAD = re.compile(r"start_\w+:;")


@dataclass
class Line:
    """One line of code, with the Python lines that the comments around it allow."""

    text: str
    adjoint: bool
    allowed: set[int] = field(default_factory=set)
    certain: bool = False  # it must be mapped


def check(name: str, lowered: LoweredCode, warp_output: dict, python: str) -> int:
    """Asserts that code and line map agree with Warp's output; number of lines mapped."""
    body = _without_prelude(_renamed(warp_output))
    lines = read_annotated(body, python.split("\n"))
    code = lowered.code.removesuffix("\n").split("\n")
    numbered = [(number, text) for number, text in enumerate(code, 1) if text]
    assert [text.strip() for _, text in numbered] == [line.text for line in lines], name

    mapped = {}
    for span in lowered.line_map:
        assert span.pass_ in ("forward", "adjoint")
        for number in range(span.code_start, span.code_end + 1):
            assert number not in mapped, f"{name}: line {number} is in two spans"
            mapped[number] = span
    for (number, text), line in zip(numbered, lines, strict=True):
        span = mapped.pop(number, None)
        if span is None:
            assert not line.certain, f"{name}: {text!r} isn't mapped to one of {line.allowed}"
            continue
        assert span.python_line in line.allowed, f"{name}: {text!r} -> {span}, not {line.allowed}"
        assert (span.pass_ == "adjoint") == line.adjoint, f"{name}: {text!r} -> {span}"
    assert not mapped, f"{name}: spans over blank lines {mapped}"
    return sum(span.code_end - span.code_start + 1 for span in lowered.line_map)


def read_annotated(body: str, python: list[str]) -> list[Line]:
    raw = body.split("\n")
    lines: list[Line] = []
    position = 0
    while position < len(raw):
        if raw[position].strip() == _RULE:
            end = _end_of_body(raw, position)
            custom = "user-defined adjoint" in raw[position - 1]
            lines += _read_function(raw[position:end], python, custom)
            position = end
        else:
            lines += _code_lines([raw[position]], adjoint=False)
            position += 1
    return lines


def _end_of_body(raw: list[str], start: int) -> int:
    margin = raw[start][: raw[start].index("/")]
    end = start
    while not raw[end].strip() or raw[end].startswith(margin):
        end += 1
    return end


def _read_function(raw: list[str], python: list[str], custom: bool) -> list[Line]:
    """Lines of a function's body; `custom` for an adjoint function that the program defines."""
    automatic = any(text.strip() == "// reverse" for text in raw)
    comments = [found for text in raw if (found := _COMMENT.match(text.strip()))]
    offset = _offset(comments[0], python) if comments else None
    lines: list[Line] = []
    chunk: list[str] = []
    before = None
    for text in [*raw, ""]:
        found = _COMMENT.match(text.strip())
        if found is None and text != "":
            chunk.append(text)
            continue
        after = _python_line(found, offset, python) if found and found[1] else None
        lines += _read_chunk(chunk, before, after, automatic, automatic or custom)
        before = None if found is None or found[1] else _python_line(found, offset, python)
        chunk = []
    return lines


def _read_chunk(
    chunk: list[str], before: int | None, after: int | None, automatic: bool, adjoint: bool
) -> list[Line]:
    """Code between two comments: that of line `before`, then reverse code of line `after`."""
    lines = _code_lines(chunk, adjoint)
    around_loop = any(_LOOP_HEAD.fullmatch(line.text) for line in lines)
    for line in lines:
        line.allowed = {number for number in (before, after) if number is not None}
        line.certain = bool(line.allowed)
        if automatic and (around_loop or _UNCERTAIN.fullmatch(line.text)):
            line.certain = False
    return lines


def _offset(comment: re.Match, python: list[str]) -> int | None:
    """What to add to a function's line numbers, told by the comment with its `def` line.

    Warp counts from the first line of the function in instances of generic functions. None for
    functions that aren't the program's.
    """
    stated = int(comment[3])
    found = [n for n, text in enumerate(python, 1) if text.strip() == comment[2].strip()]
    if not found:
        return None
    return 0 if stated in found else found[0] - stated


def _python_line(comment: re.Match, offset: int | None, python: list[str]) -> int | None:
    if offset is None:
        return None
    number = int(comment[3]) + offset
    assert python[number - 1].strip() == comment[2].strip()
    return number


def _code_lines(raw: list[str], adjoint: bool) -> list[Line]:
    texts = (text.strip().removesuffix(" // extern C") for text in raw)
    return [Line(text, adjoint) for text in texts if text and not text.startswith("//")]


def _without_prelude(unit: str) -> str:
    _, found, body = unit.partition("#define adj_int(x, adj_x, adj_ret) adj_cast_int(")
    assert found
    return body.partition("\n")[2]


def _renamed(warp_output: dict) -> str:
    """Warp's unit with its hashes replaced, by what its builder says about the names."""
    unit = warp_output["unit"]
    kernels = warp_output["kernels"]
    for number, name in enumerate(kernels):
        key = warp_output["key"]
        unit = unit.replace(name, f"{key}_{number}" if len(kernels) > 1 else key)
    numbers: dict[str, int] = {}
    for key, name in dict.fromkeys(map(tuple, warp_output["structs"])):
        unit = unit.replace(name, f"{key}_s{numbers.setdefault(key, 0)}")
        numbers[key] += 1
    specialised = dict.fromkeys(re.findall(r"(\w+_callable_)([0-9a-f]{12})", unit))
    for number, (stem, digest) in enumerate(key for key in specialised if key[0][:4] != "adj_"):
        unit = unit.replace(stem + digest, f"{stem}{number}")
    return unit
