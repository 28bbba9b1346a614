"""Forms of calls and diagnostics that the policy may ask for, in programs of every category."""

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from generator.synthesis import api
from generator.synthesis.policy import Policy
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import categories

PROGRAMS = 30


@dataclass
class Settings:
    policy: dict[str, float]
    categories: dict[str, float] = field(default_factory=dict)


def kernels(feature: str) -> Iterator[tuple[ast.Module, ast.FunctionDef]]:
    for index in range(PROGRAMS):
        program = api.synthesise(Settings({feature: 1.0}), 5, index)
        tree = ast.parse(program.python)
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == program.kernel_name:
                yield tree, node


def functions(tree: ast.Module) -> dict[str, ast.FunctionDef]:
    return {f.name: f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}


def test_arguments_given_by_name_are_parameters_of_the_called_function() -> None:
    seen = 0
    for tree, _ in kernels("keyword_calls"):
        known = functions(tree)
        for call in (c for c in ast.walk(tree) if isinstance(c, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in known and call.keywords:
                names = [a.arg for a in known[call.func.id].args.args[len(call.args) :]]
                assert [k.arg for k in call.keywords] == names[: len(call.keywords)]
                seen += 1
    assert seen > PROGRAMS / 4


def test_functions_with_defaults_are_called_without_them() -> None:
    seen = 0
    for tree, _ in kernels("default_arguments"):
        known = {n: f for n, f in functions(tree).items() if f.args.defaults}
        for call in (c for c in ast.walk(tree) if isinstance(c, ast.Call)):
            if isinstance(call.func, ast.Name) and call.func.id in known:
                f = known[call.func.id]
                given = len(call.args) + len(call.keywords)
                assert given == len(f.args.args) - len(f.args.defaults)
                seen += 1
    assert seen > PROGRAMS / 6


def test_parameters_of_a_kernel_that_have_defaults_come_last_and_are_numbers() -> None:
    seen = 0
    for _, kernel in kernels("kernel_defaults"):
        for default in kernel.args.defaults:
            assert isinstance(ast.literal_eval(default), int | float)
            seen += 1
    assert seen > PROGRAMS / 3


def test_assertions_bound_an_index_by_an_array_of_the_kernel() -> None:
    seen = 0
    for _, kernel in kernels("assertions"):
        arrays = {a.arg for a in kernel.args.args}
        for check in (s for s in ast.walk(kernel) if isinstance(s, ast.Assert)):
            shapes = [n.value for n in ast.walk(check) if isinstance(n, ast.Attribute)]
            calls = [n for n in ast.walk(check) if isinstance(n, ast.Call)]
            shapes += [n.args[0] for n in calls if ast.unparse(n.func) == "len"]
            assert {s.id for s in shapes if isinstance(s, ast.Name)} <= arrays
            assert shapes
            seen += 1
    assert seen > PROGRAMS / 4


def test_reports_stand_behind_a_check_for_values_that_are_not_finite() -> None:
    seen = 0
    for _, kernel in kernels("debug_output"):
        guarded = {
            id(node)
            for s in ast.walk(kernel)
            if isinstance(s, ast.If) and "isfinite" in ast.unparse(s.test)
            for node in ast.walk(s)
        }
        for call in (c for c in ast.walk(kernel) if isinstance(c, ast.Call)):
            if ast.unparse(call.func) in ("print", "wp.printf"):
                assert id(call) in guarded
                seen += 1
    assert seen > PROGRAMS / 4


@pytest.mark.parametrize("category", ["data_layouts", "process_models"])
def test_every_intent_writes_programs_of_either_precision(category: str) -> None:
    reals = set()
    for seed in range(40):
        p = ProgramBuilder(random.Random(seed), Policy(double=0.5))
        categories()[category].write(p)
        assert p.kernel
        assert p.kernel.launch_dim
        reals.add(p.real.name)
    assert reals == {"float32", "float64"}
