"""Checks rows against what their own Python gives: nothing that a row says is believed.

The program is lowered anew and must give the row's `code` and `line_map`; that `code` is compiled,
run and replayed and must give the row's other levels, outputs and verdicts.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from generator.checking.checker import Checker
from generator.checking.pair import CodePair
from generator.errors import RejectProgram
from generator.lowering.llvm import verify_llvm
from generator.lowering.ptx import verify_ptx
from generator.lowering.warp_backend import Lowerer
from generator.records import Lowered, Program, Proof
from warp_ir_dataset.schema import CHECKS, IR_COLUMN, TARGETS

Row = Mapping[str, Any]

_SHARED = ("id", "category", "kernel_name", "python", "features", "builtins", "launch", "seed")
_VERIFIERS = {"cpu": verify_llvm, "cuda": verify_ptx}


class Problem(NamedTuple):
    """What is wrong with a row."""

    row_id: str
    text: str


def check_rows(
    pairs: Sequence[Mapping[str, Row]], lowerer: Lowerer, checker: Checker, proven: bool
) -> Iterator[Problem]:
    """What is wrong with rows, each given in both configs by target.

    Args:
        proven: whether the rows say what compiling and running them gave.
    """
    sound = []
    for pair in pairs:
        try:
            _check_source(pair, lowerer)
        except _Unsound as problem:
            yield Problem(pair["cpu"]["id"], str(problem))
        else:
            sound.append(pair)
    proofs = checker.prove([_code_pair(pair) for pair in sound], {})
    for pair, proof in zip(sound, proofs, strict=True):
        row_id = pair["cpu"]["id"]
        if not isinstance(proof, Proof):
            yield Problem(row_id, f"does not {proof.stage}: {proof.reason} {proof.detail}".strip())
        elif proven:
            yield from (Problem(row_id, text) for text in _differences(pair, proof))


class _Unsound(Exception):
    """A row whose columns contradict each other."""


def _check_source(pair: Mapping[str, Row], lowerer: Lowerer) -> None:
    cpu, cuda = pair["cpu"], pair["cuda"]
    for column in _SHARED:
        if cpu[column] != cuda[column]:
            raise _Unsound(f"{column} differs between the configs")
    program = _program(cpu)
    if program.id != cpu["id"]:
        raise _Unsound(f"id is not that of its python, which is {program.id}")
    try:
        lowered = lowerer.lower(program)
    except RejectProgram as reject:
        raise _Unsound(f"python is refused: {reject}") from None
    for target, row in pair.items():
        _check_code(target, row, lowered)


def _check_code(target: str, row: Row, lowered: Lowered) -> None:
    made = getattr(lowered, target)
    if row["code"] != made.code:
        raise _Unsound(f"{target} code is not what Warp generates from its python")
    spans = [(s.python_line, s.code_start, s.code_end, s.pass_) for s in made.line_map]
    said = [(s["python_line"], s["code_start"], s["code_end"], s["pass"]) for s in row["line_map"]]
    if said != spans:
        raise _Unsound(f"{target} line_map is not that of its code")


def _program(row: Row) -> Program:
    try:
        launch = json.loads(row["launch"])
    except ValueError:
        raise _Unsound("launch is not JSON") from None
    return Program(
        index=0,
        seed=row["seed"],
        category=row["category"],
        kernel_name=row["kernel_name"],
        python=row["python"],
        features=tuple(row["features"]),
        builtins=tuple(row["builtins"]),
        launch=launch,
    )


def _code_pair(pair: Mapping[str, Row]) -> CodePair:
    row = pair["cpu"]
    code = {target: pair[target]["code"] for target in TARGETS}
    return CodePair(row["python"], row["kernel_name"], json.loads(row["launch"]), code)


def _differences(pair: Mapping[str, Row], proof: Proof) -> Iterator[str]:
    for target, row in pair.items():
        column = IR_COLUMN[target]
        if row[column] != getattr(proof, column):
            yield f"{column} {_fault(target, row[column])}"
        if row["outputs"] != proof.outputs:
            yield f"{target} outputs are not those of the run"
        for check in CHECKS:
            found = proof.verdicts[check].outcome
            if (target, check) == ("cuda", "executed"):
                found = "not_run"
            if row["checks"][check] != found:
                yield f"{target} checks.{check} says {row['checks'][check]}, but the check {found}"


def _fault(target: str, text: str | None) -> str:
    if text is None:
        return "is missing"
    try:
        _VERIFIERS[target](text)
    except ValueError as error:
        return f"is damaged: {error}"
    return "is not what the compiler gives"
