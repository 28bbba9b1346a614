import json

import pytest

from warp_ir_dataset.manifest import DatasetNotBuilt
from warp_ir_dataset.prelude import assemble
from warp_ir_dataset.row import translation_unit

ROW = {"code": "void f() {}\n", "target": "x86_64", "launch": json.dumps({"options": {}})}


def test_bfloat16_overloads_are_left_out_unless_the_code_names_the_type() -> None:
    plain = assemble("PRELUDE\n", "void f() {}\n", 1)
    assert plain == "#define WP_NO_BFLOAT16\n\n#define WP_TILE_BLOCK_DIM 1\nPRELUDE\nvoid f() {}\n"
    assert "WP_NO_BFLOAT16" not in assemble("PRELUDE\n", "wp::bfloat16 x;\n", 1)


@pytest.mark.parametrize(
    ("target", "options", "block_dim"),
    [
        ("x86_64", {"block_dim": 64}, 1),
        ("sm_80", {}, 256),
        ("sm_90", {"block_dim": 64}, 64),
    ],
)
def test_block_size_comes_from_the_launch_on_gpus_and_is_one_on_cpus(
    target: str, options: dict[str, int], block_dim: int
) -> None:
    row = {**ROW, "target": target, "launch": json.dumps({"options": options})}
    assert f"#define WP_TILE_BLOCK_DIM {block_dim}\n" in translation_unit(row, prelude="")


def test_the_prelude_of_the_rows_own_target_is_read_from_the_build(build) -> None:
    assert "#define CPU\nvoid f()" in translation_unit(ROW, data_dir=build)
    assert "#define CUDA\nvoid f()" in translation_unit({**ROW, "target": "sm_80"}, data_dir=build)


def test_translation_unit_without_a_build_names_the_command(tmp_path) -> None:
    with pytest.raises(DatasetNotBuilt, match="make dataset"):
        translation_unit(ROW, data_dir=tmp_path)
