"""Properties of synthesised programs that need no Warp."""

import ast
import json
import random
import resource
import subprocess
import sys
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from time import process_time

import pytest

from generator.config import load_config
from generator.curation.fingerprints import fingerprints
from generator.synthesis import api, policy
from generator.synthesis import types as T
from generator.synthesis.assemble import assemble
from generator.synthesis.builtins import construct, wp
from generator.synthesis.names import RESERVED
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import categories
from generator.synthesis.tree import Name

CATEGORIES = sorted(categories())
RELEASE = Path(__file__).parents[2] / "configs/v1.yaml"


@dataclass
class Settings:
    categories: dict[str, float] = field(default_factory=dict)
    policy: dict[str, float] = field(default_factory=dict)


def programs(name: str, count: int, **weights: float) -> list:
    return [api.synthesise(Settings({name: 1.0}, weights), 11, i) for i in range(count)]


@pytest.mark.parametrize("name", CATEGORIES)
def test_every_program_defines_its_kernel_and_a_recipe_for_each_argument(name: str) -> None:
    for program in programs(name, 40):
        tree = ast.parse(program.python)
        functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
        kernels = [
            f for f in functions if any("attr='kernel'" in ast.dump(d) for d in f.decorator_list)
        ]
        assert [k.name for k in kernels] == [program.kernel_name]
        arguments = [a.arg for a in kernels[0].args.args]
        assert arguments == list(program.launch["args"])
        assert all(d > 0 for d in program.launch["dim"])
        assert json.loads(json.dumps(program.launch)) == program.launch


@pytest.mark.parametrize("name", CATEGORIES)
def test_programs_of_one_category_differ_in_structure(name: str) -> None:
    made = programs(name, 150)
    assert len({fingerprints(p.python).skeleton for p in made}) >= 0.95 * len(made)


@pytest.mark.parametrize("name", CATEGORIES)
def test_no_argument_of_a_kernel_is_unused(name: str) -> None:
    for program in programs(name, 25):
        for f in ast.walk(ast.parse(program.python)):
            if isinstance(f, ast.FunctionDef) and f.name == program.kernel_name:
                nodes = [n for n in ast.walk(f) if isinstance(n, ast.Name)]
                loads = {n.id for n in nodes if isinstance(n.ctx, ast.Load)}
                built_over = {r.get("points") for r in program.launch["args"].values()}
                unused = {a.arg for a in f.args.args} - loads - built_over
                assert not unused, f"{sorted(unused)} in\n{program.python}"


def test_programs_do_not_depend_on_the_process() -> None:
    script = (
        "from generator.synthesis import api; import hashlib\n"
        "from types import SimpleNamespace as S\n"
        "s = S(categories={}, policy={})\n"
        "text = ''.join(api.synthesise(s, 5, i).python for i in range(60))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("name", CATEGORIES)
def test_cosmetics_do_not_change_the_skeleton(name: str) -> None:
    cosmetic = (
        "docstring",
        "comments",
        "subscript_annotation",
        "explicit_scalars",
        "return_annotation",
    )
    for seed in range(12):
        made = []
        for share in (0.0, 1.0):
            p = ProgramBuilder(random.Random(seed), policy.Policy(**dict.fromkeys(cosmetic, share)))
            categories()[name].write(p)
            made.append(
                assemble(p, index=0, seed=seed, category=name, cosmetics=random.Random(share))
            )
        assert fingerprints(made[0].python).skeleton == fingerprints(made[1].python).skeleton


def test_identifiers_are_never_reserved_in_python_or_cpp() -> None:
    for i in range(300):
        program = api.synthesise(Settings(), 3, i)
        for node in ast.walk(ast.parse(program.python)):
            if isinstance(node, ast.arg):
                assert node.arg not in RESERVED


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x, n: x + n, "operator"),
        (lambda x, n: wp.dot(x, x) < n, "compare"),
        (lambda x, n: x[x], "index"),
    ],
)
def test_ill_typed_expressions_are_refused_when_they_are_built(make, words: str) -> None:
    x, n = Name("x", T.VEC3), Name("n", T.I32)
    with pytest.raises(TypeError, match=words):
        make(x, n)


def test_literals_take_the_precision_of_what_they_meet() -> None:
    x = Name("x", T.F64)
    doubled = 2.0 * x
    assert doubled.type == T.F64
    assert doubled.left.type == T.F64  # type: ignore[attr-defined]
    assert construct(T.Vec(3, T.F64), 0.0).args[0].type == T.F64


@pytest.mark.parametrize("name", CATEGORIES)
def test_lines_are_no_wider_than_a_formatter_allows(name: str) -> None:
    for program in programs(name, 25):
        wide = [line for line in program.python.splitlines() if len(line) > 120]
        assert len(wide) <= 1, "\n".join(wide)  # a single name or index cannot be split


@pytest.mark.parametrize("name", CATEGORIES)
def test_every_local_of_a_kernel_is_read(name: str) -> None:
    for program in programs(name, 25):
        for f in ast.walk(ast.parse(program.python)):
            if isinstance(f, ast.FunctionDef) and f.name == program.kernel_name:
                names = [n for n in ast.walk(f) if isinstance(n, ast.Name)]
                read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
                alone = [s.targets[0] for s in ast.walk(f) if isinstance(s, ast.Assign)]
                unread = {t.id for t in alone if isinstance(t, ast.Name)} - read
                assert not unread, f"{sorted(unread)} in\n{program.python}"


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_a_release_of_programs_is_distinct_and_costs_little_time_and_memory() -> None:
    settings, skeletons, memory = load_config(RELEASE).synthesis, set(), []
    seconds = 0.0
    for index in range(200_000):
        started = process_time()
        program = api.synthesise(settings, 1, index)
        seconds += process_time() - started
        skeleton = fingerprints(program.python).skeleton
        skeletons.add(blake2b(skeleton.encode(), digest_size=8).digest())
        if index % 50_000 == 1000:
            memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert len(skeletons) >= 0.98 * 200_000
    assert seconds <= 0.004 * 200_000
    assert memory[-1] - memory[0] < 64 * 1024  # KiB, and the fingerprints take 20 MiB of it
