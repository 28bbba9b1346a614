"""A config is checked in full, and what is wrong is said in one line."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import TINY

from generator.config import BuildConfig, load_config
from generator.errors import UsageError

RELEASED = Path(__file__).parents[2] / "configs"


@pytest.fixture
def problem(tmp_path):
    """Loads `text` as a config and returns the message it is refused with."""

    def load(text):
        path = tmp_path / "c.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(UsageError) as refusal:
            load_config(path)
        message = str(refusal.value)
        assert "\n" not in message
        return message

    return load


def changed(**changes):
    return yaml.safe_dump(TINY | changes)


@pytest.mark.parametrize("path", sorted(RELEASED.glob("*.yaml")), ids=lambda path: path.stem)
def test_released_configs_are_valid_and_carry_their_name(path):
    assert load_config(path).name == path.stem


def test_the_release_asks_for_200_mib_and_holds_out_2_percent_twice():
    config = load_config(RELEASED / "v1.yaml")
    assert config.size.code_bytes >= 200 * 2**20
    assert (config.splits.validation, config.splits.test) == (0.02, 0.02)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sead": 1}, ["unknown key 'sead'", "'seed'"]),
        ({"splits": {"validation": 0.1, "tets": 0.1}}, ["unknown key 'splits.tets'", "'test'"]),
        ({"workers": 2}, ["unknown key 'workers'", "unit_size"]),
        ({"seed": "7"}, ["seed", "integer", "'7'"]),
        ({"seed": True}, ["seed", "integer"]),
        ({"seed": -1}, ["seed", "0", "-1"]),
        ({"seed": 1 << 63}, ["seed"]),
        ({"name": ""}, ["name"]),
        ({"name": "../x"}, ["name"]),
        ({"name": ["x"]}, ["name", "string", "a list"]),
        ({"unit_size": 0}, ["unit_size", "1", "0"]),
        ({"unit_size": -4}, ["unit_size", "-4"]),
        ({"unit_size": 1.5}, ["unit_size", "integer"]),
        ({"size": {"code_mib": 0}}, ["size.code_mib", "greater than 0"]),
        ({"size": {"code_mib": -1}}, ["size.code_mib", "-1"]),
        ({"size": {"code_mib": float("nan")}}, ["size.code_mib"]),
        ({"size": {"code_mib": float("inf")}}, ["size.code_mib"]),
        ({"size": {"code_mib": "1"}}, ["size.code_mib", "number"]),
        ({"size": {}}, ["size.code_mib", "missing"]),
        ({"size": 3}, ["size", "keys with values", "3"]),
        ({"splits": {"validation": 0.5, "test": 0.5}}, ["splits", "less than 1"]),
        ({"splits": {"validation": -0.1, "test": 0.5}}, ["splits.validation", "-0.1"]),
        ({"shards": {"train": 0, "validation": 1, "test": 1}}, ["shards.train", "0"]),
        ({"gpu_arch": "sm_80"}, ["gpu_arch", "integer"]),
        ({"synthesis": {"categories": {"a": 0.0}}}, ["synthesis", "above 0"]),
        ({"synthesis": {"categories": {"a": -1.0}}}, ["synthesis.categories.a", "-1"]),
        ({"synthesis": {"policy": {"loops": 1.5}}}, ["synthesis.policy.loops", "1.5"]),
    ],
    ids=str,
)
def test_a_wrong_key_or_value_is_named(problem, changes, words):
    message = problem(changed(**changes))
    assert all(word in message for word in words), message


@pytest.mark.parametrize("key", TINY)
def test_a_missing_key_is_named(problem, key):
    message = problem(yaml.safe_dump({k: v for k, v in TINY.items() if k != key}))
    assert f"key {key!r} is missing" in message


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\nseed: 2\n", ["'seed' stands twice", "line 2"]),
        ("size: {code_mib: 1, code_mib: 2}", ["'code_mib' stands twice"]),
        ("name: &n x\nseed: *n", ["anchors and aliases"]),
        ("name: !!python/object:os.system x", ["tags"]),
        ("? [a]\n: b", ["plain word"]),
        ("name: x: y", ["not valid YAML", "line 1"]),
        ("seed: 0001-99-99", ["not valid YAML"]),
        ("[" * 5000 + "]" * 5000, ["nested too deeply"]),
        ("", ["keys with values"]),
        ("- a", ["keys with values", "a list"]),
        (b"\xff\xfe\x00", ["not UTF-8"]),
        ("a: b\n" * 300_000, ["larger than"]),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_file_that_holds_no_config_is_refused(problem, text, words):
    message = problem(text)
    assert all(word in message for word in words), message


def test_a_file_that_is_not_there_or_not_a_file_is_refused(tmp_path):
    for path in (tmp_path / "no.yaml", tmp_path):
        with pytest.raises(UsageError, match=f"cannot read config {path}"):
            load_config(path)


def test_the_digest_follows_from_values_alone():
    whole = BuildConfig.model_validate(TINY | {"size": {"code_mib": 2}})
    other = BuildConfig.model_validate(dict(reversed(TINY.items())) | {"size": {"code_mib": 2.0}})
    assert whole.digest == other.digest
    assert whole.digest != BuildConfig.model_validate(TINY).digest


def test_the_digest_is_the_same_in_another_process():
    path = RELEASED / "smoke.yaml"
    code = (
        "import sys, pathlib, generator.config as c;"
        "print(c.load_config(pathlib.Path(sys.argv[1])).digest)"
    )
    command = [sys.executable, "-c", code, path]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == load_config(path).digest


def refusal(path):
    """What a config is refused with, nothing if it is taken."""
    try:
        load_config(path)
    except UsageError as error:
        return str(error)
    return ""


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=6), v, max_size=2)
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key=st.sampled_from([*TINY, "synthesis", "gpu_arch"]) | st.text(max_size=6), value=values)
def test_any_value_is_taken_or_refused_in_one_line(tmp_path, key, value):
    path = tmp_path / "c.yaml"
    path.write_text(yaml.safe_dump(TINY | {key: value}), encoding="utf-8")
    assert "\n" not in refusal(path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(text=st.text(max_size=60) | st.binary(max_size=60))
def test_any_text_is_taken_or_refused_in_one_line(problem, text):
    problem(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
