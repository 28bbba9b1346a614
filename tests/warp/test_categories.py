"""Every program of every category, whatever its seed, lowers to canonical code for both targets."""

import ast
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.lowering.warp_backend import Lowerer
from generator.records import LoweredCode, Program
from generator.synthesis.api import synthesise
from generator.synthesis.registry import categories

SEEDS = st.integers(0, 2**63 - 1)
HASH = re.compile(r"_(?=[0-9a-f]*[a-f])(?=[0-9a-f]*\d)[0-9a-f]{8,12}\b")
PATH = re.compile(r"/(home|root|tmp|usr|work|Users)/|\.py\b|<program>")
# A test function stands for many: nothing in it depends on an example before.
CHECKS_TO_LEAVE = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]


@dataclass
class Settings:
    categories: dict[str, float]
    policy: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def lowerer() -> Lowerer:
    return Lowerer()


def check_any_seed(name: str, lowerer: Lowerer, examples: int, repeatable: bool) -> None:
    """Checks programs of a category; `repeatable` draws the same seeds at every run."""

    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=repeatable,
        suppress_health_check=CHECKS_TO_LEAVE,
    )
    @given(seed=SEEDS)
    def check(seed: int) -> None:
        check_program(synthesise(Settings({name: 1.0}), seed, 0), lowerer)

    check()


def check_program(program: Program, lowerer: Lowerer) -> None:
    tree = ast.parse(program.python)
    definitions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    arguments = [a.arg for a in definitions[program.kernel_name].args.args]
    assert arguments == list(program.launch["args"])
    lowered = lowerer.lower(program)
    lines = program.python.count("\n")
    for code in (lowered.cpu, lowered.cuda):
        check_code(code, program.kernel_name, lines)
    backward = "enable_backward=False" not in program.python
    assert (f"{program.kernel_name}_cpu_kernel_backward" in lowered.cpu.code) == backward


def check_code(lowered: LoweredCode, kernel_name: str, python_lines: int) -> None:
    assert kernel_name in lowered.code
    for pattern in (HASH, PATH):
        assert not (found := pattern.search(lowered.code)), found
    count = lowered.code.count("\n")
    assert lowered.line_map
    for span in lowered.line_map:
        assert 1 <= span.python_line <= python_lines
        assert 1 <= span.code_start <= span.code_end <= count


@pytest.mark.parametrize("name", sorted(categories()))
def test_any_seed_gives_a_program_that_lowers_for_both_targets(name: str, lowerer: Lowerer) -> None:
    check_any_seed(name, lowerer, examples=6, repeatable=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(categories()))
def test_many_seeds_give_programs_that_lower_for_both_targets(name: str, lowerer: Lowerer) -> None:
    check_any_seed(name, lowerer, examples=80, repeatable=False)


def test_a_hash_or_a_path_in_the_code_is_seen() -> None:
    for text in ("void k_1a2b3c4d();\n", '#include "/root/k.h"\n', "k // k.py\n"):
        with pytest.raises(AssertionError):
            check_code(LoweredCode(text, ()), "k", 1)
