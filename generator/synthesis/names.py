"""Identifiers: one alternative of a hint, unique in its scope, legal in Python and in C++.

A hint lists alternatives an engineer would choose between: ``"positions|pos|particle_x"``. Which one
a program takes is cosmetic; the structure never depends on it.
"""

import keyword
import random

# Kernel parameters and struct fields become C++ identifiers as they are.
_CPP = [
    "alignas",
    "alignof",
    "and",
    "and_eq",
    "asm",
    "auto",
    "bitand",
    "bitor",
    "bool",
    "break",
    "case",
    "catch",
    "char",
    "class",
    "compl",
    "const",
    "constexpr",
    "const_cast",
    "continue",
    "decltype",
    "default",
    "delete",
    "do",
    "double",
    "dynamic_cast",
    "else",
    "enum",
    "explicit",
    "export",
    "extern",
    "false",
    "float",
    "for",
    "friend",
    "goto",
    "if",
    "inline",
    "int",
    "long",
    "mutable",
    "namespace",
    "new",
    "noexcept",
    "not",
    "not_eq",
    "nullptr",
    "operator",
    "or",
    "or_eq",
    "private",
    "protected",
    "public",
    "register",
    "reinterpret_cast",
    "return",
    "short",
    "signed",
    "sizeof",
    "static",
    "static_assert",
    "static_cast",
    "struct",
    "switch",
    "template",
    "this",
    "thread_local",
    "throw",
    "true",
    "try",
    "typedef",
    "typeid",
    "typename",
    "union",
    "unsigned",
    "using",
    "virtual",
    "void",
    "volatile",
    "wchar_t",
    "while",
    "xor",
    "xor_eq",
    "dim",
    "task_index",
    "half",
    "uint",
    "near",
    "far",
    "errno",
    "stdin",
    "stdout",
    "stderr",
    "assert",
    "isnan",
    "isinf",
    "isfinite",
    "signbit",
    "NULL",
    "NAN",
    "INFINITY",
    "EPS",
    "M_PI",
    "linux",
    "unix",
]
_PYTHON = [
    "abs",
    "all",
    "any",
    "bool",
    "dict",
    "dir",
    "divmod",
    "eval",
    "exec",
    "filter",
    "float",
    "hash",
    "id",
    "input",
    "int",
    "iter",
    "len",
    "list",
    "map",
    "max",
    "min",
    "next",
    "object",
    "open",
    "ord",
    "pow",
    "print",
    "range",
    "repr",
    "round",
    "set",
    "slice",
    "sorted",
    "str",
    "sum",
    "tuple",
    "type",
    "vars",
    "zip",
    "wp",
    "warp",
    "math",
    "np",
    "Any",
]
RESERVED = frozenset([*_CPP, *_PYTHON, *keyword.kwlist])


# Parameters of the functions that Warp generates for a struct would hide fields of these names.
_STRUCT = frozenset({"rhs"})


class Names:
    """Identifiers in use; a child scope sees those of its parent."""

    def __init__(self, rng: random.Random, parent: "Names | None" = None) -> None:
        self._rng = rng
        self._parent = parent
        self._used: set[str] = set()
        self._released: set[str] = set()  # loop indices that a later loop may take again
        self._below: set[str] = (
            set()
        )  # names of nested scopes, which a name here would be hidden by

    def child(self) -> "Names":
        """A scope nested in this one."""
        return Names(self._rng, self)

    def fields(self) -> "Names":
        """The scope of a struct's fields, nested in this one."""
        scope = self.child()
        scope._used |= _STRUCT
        return scope

    def taken(self, name: str) -> bool:
        """Whether `name` means something here already."""
        if name in RESERVED or name in self._used:
            return True
        return self._parent is not None and self._parent.taken(name)

    def fresh(self, hint: str, *, index: bool = False) -> str:
        """A new identifier for `hint`: one of its free alternatives, else a numbered one.

        An `index` may take the name of a loop that has ended.
        """
        options = hint.split("|")
        blocked = self._below if index else self._below | self._released
        free = [o for o in options if not self.taken(o) and o not in blocked]
        name = self._rng.choice(free) if free else self._numbered(self._rng.choice(options))
        self._used.add(name)
        scope = self._parent
        while scope is not None:
            scope._below.add(name)
            scope = scope._parent
        return name

    def release(self, name: str) -> None:
        """Lets a later loop use `name` again, with the same type."""
        self._used.discard(name)
        self._released.add(name)

    def _numbered(self, base: str) -> str:
        # `x_1` reads better than `x1` when the base ends in a digit.
        joint = "_" if base[-1].isdigit() or len(base) > 3 else ""
        number = next(n for n in range(1, 1000) if self._free(f"{base}{joint}{n}"))
        return f"{base}{joint}{number}"

    def _free(self, name: str) -> bool:
        return not (self.taken(name) or name in self._below or name in self._released)
