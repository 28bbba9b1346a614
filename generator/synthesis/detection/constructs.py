"""Constructs: what is looked for in the whole program, by the names of `warp_constructs`."""

import ast
import re

from generator.synthesis.detection import patterns as find
from generator.synthesis.detection.facts import called
from generator.synthesis.detection.scopes import (
    SourceDetector,
    anywhere,
    assigns,
    call,
    in_function,
    in_kernel,
    nodes,
    option,
    parameter_type,
    word,
)
from generator.synthesis.detection.shares import SHARES, tid_values

_BITS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift, ast.Invert)


CONSTRUCTS: dict[str, SourceDetector] = {
    "for range const (unrolled)": anywhere(lambda d: any(map(find.unrolled, d.all(ast.For)))),
    "for range dynamic": anywhere(SHARES["for_dynamic"]),
    "for range start/stop/step neg": anywhere(lambda d: any(map(find.step_down, d.all(ast.For)))),
    "for reversed(range)": call("reversed"),
    "while": anywhere(
        lambda d: any(not isinstance(w.test, ast.Constant) for w in d.all(ast.While))
    ),
    "while True + break": anywhere(lambda d: any(find.forever(*loop) for loop in d.loops)),
    "for..else": anywhere(lambda d: any(f.orelse for f in d.all(ast.For))),
    "break/continue dynamic": find.escapes(ast.Break, ast.Continue, of_unrolled=False),
    "break in unrolled const range": find.escapes(ast.Break, of_unrolled=True),
    "if/elif/else": anywhere(lambda d: any(map(find.elif_else, d.all(ast.If)))),
    "ternary": nodes(ast.IfExp),
    "and/or/not": nodes(ast.BoolOp, ast.Not),
    "chained comparison": anywhere(lambda d: any(len(c.ops) > 1 for c in d.all(ast.Compare))),
    "tuple assign/swap": assigns(ast.Tuple, ast.Tuple),
    "tuple variable + index": anywhere(find.indexed_tuple),
    "wp.func multiple return": in_function(
        lambda d: any(isinstance(r.value, ast.Tuple) for r in d.all(ast.Return))
    ),
    "wp.func return annotation tuple": in_function(
        lambda d: d.node.returns is not None and "tuple[" in ast.unparse(d.node.returns).lower()
    ),
    "wp.func early return": in_function(find.guard),
    "wp.func default arg": in_function(lambda d: d.node.args.defaults),
    "wp.func kwargs call": find.keyword_call,
    "wp.func overload": find.overloaded,
    "wp.func generic Any": in_function(lambda d: "Any" in d.annotations),
    "func passed as wp.Function param": in_function(lambda d: "wp.Function" in d.annotations),
    "wp.ref out param, enable_backward=False": parameter_type("ref"),
    "wp.func_grad": lambda s: s.of("func_grad"),
    "wp.func_native": lambda s: s.of("func_native"),
    "wp.func_native adj_snippet": find.native_adjoint,
    "wp.grad(func)": call("wp.grad"),
    "wp.constant global": find.constant,
    "plain python global float": find.plain_global,
    "wp.static": call("wp.static"),
    "wp.static loop unroll range": find.static_range,
    "static if on constant": find.static_if,
    "closure captured constant/func": in_kernel(SHARES["closure"]),
    "generic kernel Any + overload": find.generic_kernel,
    "type(x)(0)": anywhere(
        lambda d: any(
            isinstance(c.func, ast.Call) and called(c.func) == "type" for c in d.all(ast.Call)
        )
    ),
    "struct": lambda s: s.structs,
    "nested struct": find.nested_struct,
    "vec component assign/augassign": anywhere(find.component_stored),
    "vec slice read/assign": anywhere(
        lambda d: any(isinstance(s.slice, ast.Slice) for s in find.of_values(d))
    ),
    "vec negative index": anywhere(
        lambda d: any(find.negative(s.slice) for s in find.of_values(d))
    ),
    "mat element/row assign, slice": anywhere(find.matrix_element),
    "mat @ vec / mat @ mat": nodes(ast.MatMult),
    "custom vector type wp.types.vector / wp.vec(5)": find.custom_type,
    "array augassign += (atomic)": anywhere(
        lambda d: any(find.array_target(d, a.target) for a in d.all(ast.AugAssign))
    ),
    "array slicing in kernel x[1:3]": anywhere(find.array_slice),
    "2d array row view": anywhere(lambda d: d.row_views),
    "tid 3D/4D + array4d": in_kernel(lambda k: tid_values(k) > 2 and 4 in k.arrays.values()),
    "subscript annotation wp.array[float]": in_kernel(
        lambda k: re.search(r"wp\.array(\dd)?\[", k.annotations)
    ),
    "array shape/size attrs": anywhere(
        lambda d: any(a.attr in ("shape", "size") for a in d.all(ast.Attribute))
    ),
    "indexedarray": word("indexedarray", "indexedarray1d", "indexedarray2d"),
    "fabricarray": word("fabricarray"),
    "indexedfabricarray": word("indexedfabricarray"),
    "fixed array wp.zeros in kernel": call("wp.zeros"),
    **{
        f"dtype {name}": word(name)
        for name in ("float16", "bfloat16", "float64", "int8", "uint8", "int16", "uint16")
    },
    **{f"dtype {name}": word(name) for name in ("uint32", "int64", "uint64")},
    "dtype bool": lambda s: "bool" in s.everything.names or "bool" in s.everything.spelt,
    "explicit cast": call("float", "int", "wp.float32", "wp.float64", "wp.int32", "wp.int64"),
    "IntEnum": lambda s: find.member_bases(s, "IntEnum"),
    "IntFlag & op": find.flag_test,
    "print": call("print"),
    "printf": call("wp.printf"),
    "assert": nodes(ast.Assert),
    "assert with message": anywhere(lambda d: any(a.msg for a in d.all(ast.Assert))),
    "docstring": in_kernel(SHARES["docstring"]),
    "math module func (math.sin)": anywhere(
        lambda d: find.of_math(d, lambda n: n not in ("pi", "tau", "e", "inf"))
    ),
    "math.pi / wp.pi / np.float32 const": anywhere(
        lambda d: (
            not d.spelt.isdisjoint(("pi", "PI", "tau", "half_pi"))
            or find.of_math(d, lambda n: n in ("pi", "tau"))
        )
    ),
    "abs/min/max/round/pow python builtins": call("abs", "min", "max", "round", "pow"),
    "power operator float": nodes(ast.Pow),
    "floor div, mod": nodes(ast.FloorDiv, ast.Mod),
    "bitwise/shift ops": nodes(*_BITS),
    "array None check (if a)": anywhere(find.bare_array_test),
    "return in kernel (guard)": in_kernel(find.guard),
    "string variable": anywhere(
        lambda d: any(
            isinstance(v, ast.Constant) and isinstance(v.value, str)
            for _, v in d.simple_assignments
        )
    ),
    "early-return guard + wp.tid": in_kernel(lambda k: "wp.tid" in k.calls and find.guard(k)),
    "kernel enable_backward=False": option("enable_backward", False),
    "kernel launch_bounds": option("launch_bounds"),
    "kernel grid_stride=False": option("grid_stride", False),
    "kernel cluster_dim=2 (sm_90)": option("cluster_dim"),
    "kernel module='unique'": option("module", "unique"),
    "string annotations (from __future__)": lambda s: any(
        f.module == "__future__" for f in s.everything.all(ast.ImportFrom)
    ),
    "method kernel in class": find.method,
    "kernel default arg": in_kernel(lambda k: k.node.args.defaults),
    "Texture arg": parameter_type("Texture1D", "Texture2D", "Texture3D"),
    "tile struct/func arg": find.tile_argument,
    "tile arithmetic/slicing": anywhere(find.tile_arithmetic),
}
