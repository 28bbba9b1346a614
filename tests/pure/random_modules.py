"""Random modules with holes for names, fields and constants, to be filled in more than one way.

Modules need not make sense to Warp: what is tested with them reads syntax only.
"""

from collections.abc import Callable

from hypothesis import strategies as st

IDENTIFIERS = ("a", "b", "c", "x", "y", "f", "Params", "len", "min", "float")
FIELDS = ("x", "y", "z")
CONSTANTS = ("0", "1", "2", "1.0", "2.5", "True", "None", "'s'", "'t'")
_BUILTINS = ("wp.sin", "wp.vec3", "wp.vec3f", "wp.float32", "wp.types.vector", "min", "wp.min")
_SCALARS = ("float", "wp.float32", "int", "wp.float64", "wp.vec3", "Any")
_DIMENSIONS = ("", "1d", "2d", "3d")

_name = st.integers(0, 5).map("{{n{}}}".format)
_field = st.integers(0, 2).map("{{f{}}}".format)
_constant = st.integers(0, 3).map("{{c{}}}".format)


def _expressions(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    builtin = st.sampled_from(_BUILTINS)
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("{}.{}".format, _name, _field),
        st.builds("{}.{}.{}".format, _name, _field, _field),
        st.builds("{}({})".format, builtin, inner),
        st.builds("{}({}, {})".format, builtin, inner, inner),
        st.builds("{}({}, {}={})".format, _name, inner, st.sampled_from("abx"), inner),
        st.builds("{}[{}, {}]".format, _name, inner, inner),
        st.builds("({} if {} < {} else {})".format, inner, inner, inner, inner),
    )


expression = st.recursive(st.one_of(_name, _constant), _expressions, max_leaves=4)

_scalar = st.sampled_from(_SCALARS)
annotation = st.one_of(
    _scalar,
    _name,
    st.builds("wp.array{}[{}]".format, st.sampled_from(_DIMENSIONS), _scalar),
    st.builds("wp.array{}(dtype={})".format, st.sampled_from(_DIMENSIONS), _scalar),
    st.builds("wp.array(dtype={}, ndim={})".format, _scalar, _constant),
)

_simple = st.one_of(
    st.builds("{} = {}".format, _name, expression),
    st.builds("{}[{}] += {}".format, _name, expression, expression),
    st.builds("return {}".format, expression),
    st.sampled_from(("pass", "'words'", "'other words'")),
)


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for text in lines for line in text.splitlines())


def _block(head: str) -> Callable[..., str]:
    def render(*parts: object) -> str:
        *values, body = parts
        return head.format(*values) + ":\n" + _indented(body)  # type: ignore[arg-type]

    return render


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=2)
    return st.one_of(
        st.builds(_block("if {}"), expression, body),
        st.builds(_block("for {} in range({})"), _name, expression, body),
    )


statement = st.recursive(_simple, _compound, max_leaves=3)
_returns = st.sampled_from(("", " -> None", " -> float"))
_decorator = st.sampled_from(("wp.kernel", "wp.kernel()", "wp.func", "wp.kernel(unroll={c0})"))
_imports = st.sampled_from(("import warp as wp", "import warp as wp\nfrom typing import Any"))


@st.composite
def _functions(draw: st.DrawFn) -> str:
    arguments = draw(st.lists(annotation, max_size=3))
    signature = ", ".join(f"{{n{i}}}: {a}" for i, a in enumerate(arguments))
    body = draw(st.lists(statement, min_size=1, max_size=3))
    head = f"@{draw(_decorator)}\ndef {draw(_name)}({signature}){draw(_returns)}:\n"
    return head + _indented(body)


_struct_fields = st.just(["{n1}: float", "{n2}: wp.vec3"])
_structs = st.builds(_block("@wp.struct\nclass {}"), _name, _struct_fields)

modules = st.builds(
    lambda imports, parts: "\n\n".join([imports, *parts]) + "\n",
    _imports,
    st.lists(st.one_of(_functions(), _structs), min_size=1, max_size=2),
)
