import subprocess
import sys

import pytest

from warp_ir_dataset.schema import CHECKS, TARGETS, arrow_schema, columns, features

CONTRACT = (
    "id category kernel_name python code {ir} line_map features builtins launch outputs checks "
    "target warp_version generator_version seed license"
)


@pytest.mark.parametrize(("target", "ir"), [("cpu", "llvm_ir"), ("cuda", "ptx")])
def test_columns_are_those_of_the_contract(target: str, ir: str) -> None:
    assert arrow_schema(target).names == CONTRACT.format(ir=ir).split()
    assert [field.name for field in arrow_schema(target).field("checks").type] == list(CHECKS)


@pytest.mark.parametrize("target", TARGETS)
def test_datasets_features_describe_the_same_arrow_types(target: str) -> None:
    assert features(target).arrow_schema.equals(arrow_schema(target))


@pytest.mark.parametrize("target", TARGETS)
def test_every_column_says_what_it_holds(target: str) -> None:
    assert all(len(column.meaning) > 5 for column in columns(target))


def test_importing_the_library_loads_neither_warp_nor_the_generator_nor_datasets() -> None:
    program = (
        "import sys, warp_ir_dataset, warp_ir_dataset.row, warp_ir_dataset.schema\n"
        "print({'warp', 'generator', 'datasets'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert run.stdout.strip() == "set()", run.stderr
