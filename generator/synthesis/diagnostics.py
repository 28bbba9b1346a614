"""What people add to a kernel that misbehaves: assertions on indices, reports of broken values."""

from collections.abc import Iterator

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.logic import all_of, between, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder

_FLOATS = (T.F32, T.F64)


def diagnostics(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Adds an assertion or a report that never fires, where the policy says so."""
    arrays = {a.name for a in k.arguments if isinstance(a.type, T.Array)}
    if p.on("assertions"):
        _assert_index(p, k.body, arrays)
    if p.on("debug_output") and k.block_dim is None:
        _report(p, k, arrays)


def _assert_index(p: ProgramBuilder, body: N.Body, arrays: set[str]) -> None:
    """Asserts the bounds of the first index that a statement of the body uses unconditionally."""
    for position, s in enumerate(body):
        access = next((e for e in _accessed(s) if _by_name(e, arrays)), None)
        if access is None:
            continue
        [index] = access.index
        assert isinstance(index, N.Name)
        extent = access.base.dim(0)
        inside = p.pick(
            index < extent, between(0, index, extent), all_of(index >= 0, index < extent)
        )
        message = p.pick("", f"{index.id} out of range", f"index outside {access.base.id}")  # type: ignore[attr-defined]
        body.insert(position, N.Assert(inside, message))
        return


def _accessed(s: N.Statement) -> Iterator[N.Subscript]:
    """Array elements that a statement reads or writes whatever the data are."""
    if isinstance(s, N.Assign):
        for e in (*s.targets, s.value):
            if isinstance(e, N.Subscript):
                yield e


def _by_name(e: N.Subscript, arrays: set[str]) -> bool:
    one = isinstance(e.base, N.Name) and e.base.id in arrays and len(e.index) == 1
    return one and isinstance(e.index[0], N.Name) and e.index[0].type == T.I32


def _report(p: ProgramBuilder, k: KernelBuilder, arrays: set[str]) -> None:
    """Checks the value of the last store and says so if it is not finite."""
    for position in reversed(range(len(k.body))):
        s = k.body[position]
        target = s.targets[0] if isinstance(s, N.Assign) else None
        if (
            isinstance(s, N.Assign)
            and isinstance(target, N.Subscript)
            and _is_result(target, arrays)
        ):
            value = s.value
            if not isinstance(value, N.Name):
                value = N.Name(k.names.fresh("value|result|new_value|updated"), s.value.type)
                k.body.insert(position, N.Assign((value,), s.value))
                s.value = value
                position += 1
            what = target.base.id.replace("_", " ")  # type: ignore[attr-defined]
            report = _message(p, k, value, target.index, f"non-finite {what}")
            k.body.insert(position, N.If([(negate(wp.isfinite(value)), report)]))
            return


def _is_result(e: N.Subscript, arrays: set[str]) -> bool:
    t = e.type
    scalar = t.scalar if isinstance(t, T.Vec) else t
    return isinstance(e.base, N.Name) and e.base.id in arrays and scalar in _FLOATS


def _message(
    p: ProgramBuilder, k: KernelBuilder, value: N.Name, index: tuple[object, ...], text: str
) -> N.Body:
    numbers = [i for i in index if isinstance(i, N.Name)]
    match p.weighted({"printf": 5, "print": 3, "text": 3}):
        case "printf" if isinstance(value.type, T.Scalar):
            places = ", ".join("%d" for _ in numbers)
            where = f" at {places}" if numbers else ""
            return [N.Evaluate(wp.printf(f"{text}{where}: %f\n", *numbers, value))]
        case "text":
            label = N.Name(k.names.fresh("message|label|warning"), T.STRING)
            return [
                N.Assign((label,), N.Text(text)),
                N.Evaluate(_print(label)),
                N.Evaluate(_print(value)),
            ]
    return [N.Evaluate(_print(value))]


def _print(value: N.Expr) -> N.Expr:
    return N.Call("print", (value,), (), T.VOID)
