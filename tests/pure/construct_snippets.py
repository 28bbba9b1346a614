"""For each construct a small program that uses it, and for some a near miss that does not."""

PLAIN = """\
import warp as wp


@wp.kernel
def k(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    y[i] = 2.0 * x[i]
"""


def kernel(body: str, params: str = "", before: str = "", options: str = "") -> str:
    """A module with one kernel whose statements stand between semicolons or lines."""
    given = ", ".join(
        filter(None, ["x: wp.array(dtype=float)", "a: wp.array2d(dtype=float)", params])
    )
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    head = f"import warp as wp\n\n{before}\n\n@wp.kernel{options}\ndef k({given}):\n"
    return f"{head}    i = wp.tid()\n{lines}"


def func(body: str, params: str = "v: float", returns: str = "", decorator: str = "wp.func") -> str:
    """A user function named f."""
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"@{decorator}\ndef f({params}){returns}:\n{lines}"


def calling(definition: str, call: str = "f(x[i])") -> str:
    """A module whose kernel calls what `definition` defines."""
    return kernel(f"x[i] = {call}", before=definition)


_FACTORY = """\
import warp as wp


def make(scale: float):
    @wp.kernel
    def k(x: wp.array(dtype=float)):
        x[wp.tid()] = scale

    return k
"""
_METHOD = """\
import warp as wp


class Solver:
    @wp.kernel
    def k(x: wp.array(dtype=float)):
        x[wp.tid()] = 1.0
"""
_GENERIC = """\
from typing import Any

import warp as wp


@wp.kernel
def k(x: wp.array(dtype=Any)):
    x[wp.tid()] = x.dtype(0.0)


wp.overload(k, {"x": wp.array(dtype=float)})
"""
_STRUCT = "@wp.struct\nclass Inner:\n    mass: float\n"
_OUTER = f"{_STRUCT}\n\n@wp.struct\nclass Outer:\n    inner: Inner\n"
_ENUM = "from enum import IntEnum\n\n\nclass Kind(IntEnum):\n    FIXED = 0\n"
_FLAG = "from enum import IntFlag\n\n\nclass Flag(IntFlag):\n    FIXED = 1\n"
_TILES = "t = wp.tile_load(x, shape=4)\n"

USES: dict[str, str] = {
    "for range const (unrolled)": kernel("for j in range(3):\n    x[j] = 0.0"),
    "for range dynamic": kernel("for j in range(i):\n    x[j] = 0.0"),
    "for range start/stop/step neg": kernel("for j in range(i, 0, -1):\n    x[j] = 0.0"),
    "for reversed(range)": kernel("for j in reversed(range(i)):\n    x[j] = 0.0"),
    "while": kernel("while x[i] > 1.0:\n    x[i] = 0.5 * x[i]"),
    "while True + break": kernel("while True:\n    if x[i] < 1.0:\n        break"),
    "for..else": kernel("for j in range(i):\n    x[j] = 0.0\nelse:\n    x[i] = 1.0"),
    "break/continue dynamic": kernel("for j in range(i):\n    if x[j] > 0.0:\n        continue"),
    "break in unrolled const range": kernel(
        "for j in range(3):\n    if x[j] > 0.0:\n        break"
    ),
    "if/elif/else": kernel(
        "if i == 0:\n    x[i] = 0.0\nelif i == 1:\n    x[i] = 1.0\nelse:\n    x[i] = 2.0"
    ),
    "ternary": kernel("x[i] = 1.0 if i > 0 else 0.0"),
    "and/or/not": kernel("if i > 0 and i < 9:\n    x[i] = 0.0"),
    "chained comparison": kernel("if 0 < i < 9:\n    x[i] = 0.0"),
    "tuple assign/swap": kernel("b, c = x[0], x[1]"),
    "tuple variable + index": kernel("pair = (x[0], x[1])\nx[i] = pair[0]"),
    "wp.func multiple return": calling(func("return v, 2.0 * v")),
    "wp.func return annotation tuple": calling(
        func("return v, v", returns=" -> tuple[float, float]")
    ),
    "wp.func early return": calling(func("if v > 1.0:\n    return 1.0\nreturn v")),
    "wp.func default arg": calling(func("return v * s", "v: float, s: float = 2.0")),
    "wp.func kwargs call": calling(func("return v"), "f(v=x[i])"),
    "wp.func overload": calling(func("return v") + "\n\n" + func("return v", "v: int")),
    "wp.func generic Any": calling(func("return v", "v: Any")),
    "func passed as wp.Function param": calling(func("return g(v)", "g: wp.Function, v: float")),
    "wp.ref out param, enable_backward=False": calling(func("r = v", "v: float, r: wp.ref[float]")),
    "wp.func_grad": calling(
        func("return v") + "\n\n" + func("pass", "v: float, r: float", "", "wp.func_grad(f)")
    ),
    "wp.func_native": calling(
        func("...", returns=" -> float", decorator='wp.func_native("return v;")')
    ),
    "wp.func_native adj_snippet": calling(
        func("...", decorator='wp.func_native("return v;", adj_snippet="adj_v += adj_ret;")')
    ),
    "wp.grad(func)": calling(func("return v"), "wp.grad(f)(x[i])"),
    "wp.constant global": kernel("x[i] = G", before="G = wp.constant(9.81)"),
    "plain python global float": kernel("x[i] = G", before="G = 9.81"),
    "wp.static": kernel("x[i] = wp.static(2.0)"),
    "wp.static loop unroll range": kernel("for j in range(wp.static(3)):\n    x[j] = 0.0"),
    "static if on constant": kernel(
        "if MODE == 1:\n    x[i] = 0.0", before="MODE = wp.constant(1)"
    ),
    "closure captured constant/func": _FACTORY,
    "generic kernel Any + overload": _GENERIC,
    "type(x)(0)": calling(func("return type(v)(0)", "v: Any")),
    "struct": kernel("x[i] = p.mass", "p: Inner", _STRUCT),
    "nested struct": kernel("x[i] = p.inner.mass", "p: Outer", _OUTER),
    "vec component assign/augassign": kernel("v = wp.vec3(0.0)\nv[1] = x[i]"),
    "vec slice read/assign": kernel("v = wp.vec4(0.0)\nw = v[0:2]"),
    "vec negative index": kernel("v = wp.vec3(0.0)\nx[i] = v[-1]"),
    "mat element/row assign, slice": kernel("m = wp.mat22(0.0)\nm[0, 1] = x[i]"),
    "mat @ vec / mat @ mat": kernel("v = m @ wp.vec3(x[i])", "m: wp.mat33"),
    "custom vector type wp.types.vector / wp.vec(5)": kernel(
        "v = vec5(0.0)", before="vec5 = wp.types.vector(length=5, dtype=float)"
    ),
    "array augassign += (atomic)": kernel("x[0] += 1.0"),
    "array slicing in kernel x[1:3]": kernel("row = x[1:3]"),
    "2d array row view": kernel("row = a[i]\nx[i] = row[0]"),
    "tid 3D/4D + array4d": kernel(
        "b, c, d, e = wp.tid()\nz[b, c, d, e] = 0.0", "z: wp.array4d(dtype=float)"
    ),
    "subscript annotation wp.array[float]": kernel("z[i] = 0.0", "z: wp.array[float]"),
    "array shape/size attrs": kernel("n = x.shape[0]"),
    "indexedarray": kernel("x[i] = z[i]", "z: wp.indexedarray(dtype=float)"),
    "fabricarray": kernel("x[i] = z[i]", "z: wp.fabricarray(dtype=float)"),
    "indexedfabricarray": kernel("x[i] = z[i]", "z: wp.indexedfabricarray(dtype=float)"),
    "fixed array wp.zeros in kernel": kernel("local = wp.zeros(shape=4, dtype=float)"),
    **{
        f"dtype {name}": kernel("x[i] = float(z[i])", f"z: wp.array(dtype=wp.{name})")
        for name in (
            "float16",
            "bfloat16",
            "float64",
            "int8",
            "uint8",
            "int16",
            "uint16",
            "uint32",
            "int64",
            "uint64",
        )
    },
    "dtype bool": kernel("x[i] = 0.0", "z: wp.array(dtype=bool)"),
    "explicit cast": kernel("x[i] = float(i)"),
    "IntEnum": kernel("if i == Kind.FIXED:\n    x[i] = 0.0", before=_ENUM),
    "IntFlag & op": kernel("if i & Flag.FIXED:\n    x[i] = 0.0", before=_FLAG),
    "print": kernel("print(i)"),
    "printf": kernel('wp.printf("%d\\n", i)'),
    "assert": kernel("assert i >= 0"),
    "assert with message": kernel('assert i >= 0, "no thread"'),
    "docstring": kernel("x[i] = 0.0").replace("    i = wp", '    """Clears."""\n    i = wp'),
    "math module func (math.sin)": kernel("x[i] = math.sin(x[i])"),
    "math.pi / wp.pi / np.float32 const": kernel("x[i] = wp.pi"),
    "abs/min/max/round/pow python builtins": kernel("x[i] = abs(x[i])"),
    "power operator float": kernel("x[i] = x[i] ** 2.0"),
    "floor div, mod": kernel("x[i // 2] = 0.0"),
    "bitwise/shift ops": kernel("x[i >> 1] = 0.0"),
    "array None check (if a)": kernel("if a:\n    a[i, 0] = 0.0"),
    "return in kernel (guard)": kernel("if i > 9:\n    return"),
    "string variable": kernel('text = "cell"\nprint(text)'),
    "early-return guard + wp.tid": kernel("if i > 9:\n    return"),
    "kernel enable_backward=False": kernel("x[i] = 0.0", options="(enable_backward=False)"),
    "kernel launch_bounds": kernel("x[i] = 0.0", options="(launch_bounds=128)"),
    "kernel grid_stride=False": kernel("x[i] = 0.0", options="(grid_stride=False)"),
    "kernel cluster_dim=2 (sm_90)": kernel("x[i] = 0.0", options="(cluster_dim=2)"),
    "kernel module='unique'": kernel("x[i] = 0.0", options='(module="unique")'),
    "string annotations (from __future__)": "from __future__ import annotations\n" + PLAIN,
    "method kernel in class": _METHOD,
    "kernel default arg": kernel("x[i] = s", "s: float = 1.0"),
    "Texture arg": kernel("x[i] = 0.0", "t: wp.Texture2D"),
    "tile struct/func arg": calling(func("return v", "v: wp.tile(dtype=float, shape=4)")),
    "tile arithmetic/slicing": kernel(_TILES + "s = t * 2.0"),
}

NEAR_MISSES: dict[str, list[str]] = {
    "for range const (unrolled)": [kernel("for j in range(17):\n    x[j] = 0.0")],
    "for range dynamic": [kernel("for j in range(2 * 3):\n    x[j] = 0.0")],
    "for range start/stop/step neg": [kernel("for j in range(0, i, 2):\n    x[j] = 0.0")],
    "while": [USES["while True + break"]],
    "while True + break": [
        kernel("while True:\n    for j in range(i):\n        break"),
        kernel("while i < 3:\n    break"),
    ],
    "break/continue dynamic": [USES["break in unrolled const range"]],
    "break in unrolled const range": [
        kernel("for j in range(3):\n    for l in range(i):\n        break"),
        kernel("for j in range(40):\n    break"),
    ],
    "if/elif/else": [kernel("if i == 0:\n    x[i] = 0.0\nelif i == 1:\n    x[i] = 1.0")],
    "tuple assign/swap": [kernel("b, c = wp.tid()")],
    "wp.func early return": [calling(func("return v"))],
    "wp.func default arg": [USES["kernel default arg"]],
    "kernel default arg": [USES["wp.func default arg"]],
    "wp.func kwargs call": [kernel("t = wp.tile_load(x, shape=4)")],
    "wp.func_native adj_snippet": [USES["wp.func_native"]],
    "wp.func generic Any": [USES["generic kernel Any + overload"]],
    "plain python global float": [kernel("x[i] = 1.0", before="G = 9.81")],
    "static if on constant": [
        kernel("if i == MODE:\n    x[i] = 0.0", before="MODE = wp.constant(1)")
    ],
    "nested struct": [USES["struct"]],
    "vec component assign/augassign": [kernel("x[1] = 0.0"), kernel("row = a[i]\nrow[1] = 0.0")],
    "vec slice read/assign": [
        kernel("row = x[0:2]"),
        kernel("x[i] = 0.0", "z: wp.tile[float, 2, 2]"),
    ],
    "vec negative index": [kernel("y = x[-1]")],
    "mat element/row assign, slice": [kernel("a[0, 1] = 0.0")],
    "array augassign += (atomic)": [kernel("v = wp.vec3(0.0)\nv[0] += 1.0")],
    "array slicing in kernel x[1:3]": [kernel("v = wp.vec4(0.0)\nw = v[0:2]")],
    "2d array row view": [kernel("v = x[i]"), kernel("v = a[i, 0]")],
    "IntFlag & op": [kernel("if i & 1:\n    x[i] = 0.0", before=_FLAG)],
    "and/or/not": [kernel("x[i] = -1.0")],
    "assert with message": [USES["assert"]],
    "return in kernel (guard)": [calling(func("if v > 1.0:\n    return 1.0\nreturn v"))],
    "kernel enable_backward=False": [kernel("x[i] = 0.0", options="(enable_backward=True)")],
    "kernel module='unique'": [kernel("x[i] = 0.0", options='(module="shared")')],
    "array None check (if a)": [kernel("if flag:\n    x[i] = 0.0", "flag: bool")],
    "tile arithmetic/slicing": [kernel(_TILES + "wp.tile_store(x, t)")],
    "string variable": [USES["printf"]],
    "math module func (math.sin)": [kernel("x[i] = math.pi")],
}
