"""CPython and compiled code agree on every construct, and what doesn't agree is found."""

import json
from typing import Any

import numpy as np
import pytest
from oracle_programs import ARGUMENTS, DIM, KERNELS, MODULE

from warp_ir_dataset.oracle import (
    NotReplayable,
    OutOfRange,
    agreement,
    cut_dim,
    replay_python,
    replay_verdict,
)

Outputs = dict[str, np.ndarray]


def launch_of(kernel: str, module: str = MODULE) -> dict[str, Any]:
    """A launch recipe whose arguments are those that the kernel's parameters name."""
    import ast

    tree = ast.parse(module)
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    (found,) = (f for f in functions if f.name == kernel)
    arguments = {a.arg: ARGUMENTS[a.arg] for a in found.args.args}
    return {"kernel": kernel, "dim": DIM, "options": {}, "seed": 7, "args": arguments}


@pytest.fixture(scope="module", autouse=True)
def kernel_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    import warp as wp

    wp.config.kernel_cache_dir = str(tmp_path_factory.mktemp("cache"))
    wp.config.log_level = wp.LOG_ERROR


@pytest.fixture(scope="module")
def compiled() -> dict[str, Outputs]:
    """What each of the kernels writes when Warp compiles the module, all in one unit."""
    import warp as wp

    from warp_ir_dataset.recipes import Arguments, load_module, outputs

    namespace = load_module(MODULE, "compiled_constructs").__dict__
    written = {}
    for name in KERNELS:
        launch = launch_of(name)
        maker = Arguments(launch, namespace)  # keeps grids and volumes
        arguments = maker.make()
        wp.launch(namespace[name], DIM, list(arguments.values()), device="cpu", block_dim=1)
        written[name] = outputs(launch, arguments)
    return written


@pytest.mark.parametrize("name", KERNELS)
def test_cpython_computes_what_compiled_code_does(name: str, compiled: dict[str, Outputs]) -> None:
    launch = launch_of(name)
    verdict = replay_verdict(MODULE, launch, lambda dim: compiled[name], f"replayed_{name}")
    assert verdict.outcome == "passed", verdict


@pytest.mark.parametrize("name", KERNELS)
def test_a_result_that_is_off_in_the_low_digits_is_found(
    name: str, compiled: dict[str, Outputs]
) -> None:
    wrong = {n: _off(values) for n, values in compiled[name].items()}
    verdict = replay_verdict(MODULE, launch_of(name), lambda dim: wrong, f"wrong_{name}")
    assert verdict.outcome == "failed", verdict


def _off(values: np.ndarray) -> np.ndarray:
    """Values of which the largest is moved by a 2000th (a 20th in half precision), or by one."""
    changed = values.copy()
    flat = changed[changed.dtype.names[0]] if changed.dtype.names else changed
    place = np.unravel_index(int(np.argmax(np.abs(flat))), flat.shape)
    if np.issubdtype(flat.dtype, np.floating):
        flat[place] += flat.dtype.type(0.05 if flat.dtype == np.float16 else 5e-4) * flat[place]
    else:
        flat[place] = 1 - flat[place] if flat.dtype == np.bool_ else flat[place] ^ 1
    return changed


def test_code_of_another_program_is_found(compiled: dict[str, Outputs]) -> None:
    changed = MODULE.replace("2.0 * x[i] + 1.0", "2.0 * x[i] - 1.0")
    assert changed != MODULE
    launch = launch_of("plain")
    verdict = replay_verdict(changed, launch, lambda dim: compiled["plain"], "changed")
    assert (verdict.outcome, verdict.reason) == ("failed", "differs")


BEYOND = {
    "tile": "y[i] = wp.tile_sum(wp.tile(x[i]))[0]",
    "grad": "y[i] = wp.grad(f)(x[i])",
    "native_snippet": "y[i] = native(x[i])",
    "too_long": "while True:\n        y[i] = x[i]",
}


def _module(body: str) -> str:
    native = '@wp.func_native("return v;")\ndef native(v: float) -> float: ...\n'
    return (
        f"import warp as wp\n\n{native if 'native' in body else ''}\n"
        "@wp.func\ndef f(v: float):\n    return v * v\n\n"
        "@wp.kernel\ndef k(x: wp.array(dtype=float), y: wp.array(dtype=float)):\n"
        f"    i = wp.tid()\n    {body}\n"
    )


@pytest.mark.parametrize("reason", BEYOND)
def test_what_cannot_be_replayed_says_why(reason: str) -> None:
    module = _module(BEYOND[reason])
    with pytest.raises(NotReplayable) as error:
        replay_python(module, launch_of("k", module), [2])
    assert error.value.reason == reason


@pytest.mark.parametrize("body", ["y[i] = x[i + 60]", "y[i - 5] = x[i]"])
def test_access_outside_of_an_array_is_found(body: str) -> None:
    module = _module(body)
    with pytest.raises(OutOfRange):
        replay_python(module, launch_of("k", module), [8])


def test_a_cut_launch_keeps_every_dimension() -> None:
    assert cut_dim({"dim": [3, 1000]}) == [3, 21]
    assert cut_dim({"dim": [500, 500, 2]}) == [5, 6, 2]
    assert cut_dim({"dim": [7]}) == [7]


def test_a_number_that_rounding_leaves_open_is_inconclusive_where_it_differs() -> None:
    replayed = {"y": np.array([1.0, 5.0], np.float32)}
    rounded = [{"y": np.array([1.0, v], np.float32)} for v in (3.0, 8.0, 5.5)]
    compiled = {"y": np.array([1.0, 6.0], np.float32)}
    assert agreement(compiled, replayed).outcome == "failed"
    assert agreement(compiled, replayed, rounded).outcome == "inconclusive"
    assert agreement(replayed, replayed, rounded).outcome == "passed"


def _row(python: str, launch: dict[str, Any], outputs: dict[str, Any]) -> dict[str, Any]:
    import hashlib

    import warp as wp

    return {
        "id": hashlib.sha256(python.encode()).hexdigest()[:16],
        "python": python,
        "launch": json.dumps(launch),
        "outputs": json.dumps(outputs),
        "warp_version": wp.config.version,
    }


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    from warp_ir_dataset.execution import execute
    from warp_ir_dataset.outputs import describe

    module = _module("y[i] = f(x[i])")
    launch = launch_of("k", module)
    return _row(module, launch, describe(execute(module, launch)))


def test_a_row_replays_to_what_it_stores(row: dict[str, Any]) -> None:
    from warp_ir_dataset import replay

    result = replay(row)
    assert (result.same, result.differing, result.oracle.outcome) == (True, (), "passed")


def test_stored_outputs_that_differ_are_named(row: dict[str, Any]) -> None:
    from warp_ir_dataset import replay

    stored = json.loads(row["outputs"])
    stored["arrays"]["y"]["sha256"] = "0" * 64
    result = replay(row | {"outputs": json.dumps(stored)})
    assert (result.same, result.differing) == (False, ("y",))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warp_version": "1.0.0"}, "built with Warp 1.0.0"),
        ({"python": "import warp as wp\n"}, "was edited: its id"),
        ({"launch": "{"}, "`launch` isn't a JSON object"),
        ({"launch": "{}"}, "isn't a launch recipe"),
        ({"outputs": None}, "no text in column 'outputs'"),
    ],
)
def test_a_row_that_cannot_be_replayed_says_so_in_one_line(
    row: dict[str, Any], changes: dict[str, Any], message: str
) -> None:
    from warp_ir_dataset import replay

    with pytest.raises(ValueError, match=message) as error:
        replay(row | changes)
    assert "\n" not in str(error.value)


def test_arguments_may_stand_in_any_order_in_a_recipe() -> None:
    launch = launch_of(KERNELS[0])
    reverse = launch | {"args": dict(reversed(launch["args"].items()))}
    one, other = (replay_python(MODULE, each, DIM) for each in (launch, reverse))
    assert len(launch["args"]) > 1
    assert {name: values.tolist() for name, values in one.items()} == {
        name: values.tolist() for name, values in other.items()
    }
