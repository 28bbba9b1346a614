"""The build config: a YAML file, checked in full before anything is done."""

import difflib
import hashlib
import json
import math
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from generator.errors import UsageError

_MAX_CONFIG_BYTES = 1 << 20
_MIB = 1 << 20

Share = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, le=1e6)]
Count = Annotated[int, Field(ge=1, le=99_999)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class SizeTarget(_Section):
    """How much to build.

    Attributes:
        code_mib: MiB of UTF-8 `code` that each config reaches.
    """

    code_mib: float = Field(gt=0, le=1 << 24, allow_inf_nan=False)

    @property
    def code_bytes(self) -> int:
        """The target in bytes."""
        return math.ceil(self.code_mib * _MIB)


class SplitShares(_Section):
    """Shares of structures held out; the rest is train."""

    validation: Share
    test: Share

    @model_validator(mode="after")
    def _leave_room_for_train(self) -> "SplitShares":
        if self.validation + self.test >= 1:
            raise ValueError("validation and test must sum to less than 1")
        return self


class ShardCounts(_Section):
    """Shard files of each split."""

    train: Count
    validation: Count
    test: Count


class SynthesisConfig(_Section):
    """What programs are drawn from.

    Attributes:
        categories: weight of each category; empty means all, with equal weights.
        policy: probability of each feature of the generation policy that differs from its default.
    """

    categories: dict[str, Weight] = {}
    policy: dict[str, Probability] = {}

    @model_validator(mode="after")
    def _some_category_is_drawn(self) -> "SynthesisConfig":
        if self.categories and not any(self.categories.values()):
            raise ValueError("at least one category must have a weight above 0")
        return self


class ChecksConfig(_Section):
    """How programs are compiled and run.

    Attributes:
        passes: what `llvm_ir` and `ptx` hold: the forward kernel, or its adjoint too.
        seconds: time that each check of a running program may take.
    """

    passes: Literal["forward", "both"] = "forward"
    seconds: int = Field(default=20, ge=1, le=3600)


class BuildConfig(_Section):
    """Everything that decides the bytes of a dataset.

    Attributes:
        name: name of the build, for people.
        seed: root of every random draw.
        unit_size: programs in one unit of work.
        size: how much to build.
        splits: shares held out.
        shards: shard files of each split.
        gpu_arch: compute capability that CUDA code is generated for, 80 for sm_80.
        synthesis: what programs are drawn from.
        checks: how programs are compiled and run.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    seed: int = Field(ge=0, lt=1 << 63)
    unit_size: int = Field(ge=1, le=10_000)
    size: SizeTarget
    splits: SplitShares
    shards: ShardCounts
    gpu_arch: int = Field(default=80, ge=75, le=999)
    synthesis: SynthesisConfig = SynthesisConfig()
    checks: ChecksConfig = ChecksConfig()

    @property
    def digest(self) -> str:
        """SHA-256 of the config's canonical JSON."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def load_config(path: Path) -> BuildConfig:
    """Reads and checks a config file.

    Raises:
        UsageError: the file can't be read, is not YAML, or does not hold a valid config.
    """
    document = _parse(path, _read(path))
    try:
        return BuildConfig.model_validate(document)
    except ValidationError as error:
        # One line, so one mistake at a time; a key that is misspelt is also missing.
        unknown_first = sorted(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        raise UsageError(f"{path}: {_explain(unknown_first[0])}") from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            data = stream.read(_MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read config {path}: {error.strerror}") from None
    if len(data) > _MAX_CONFIG_BYTES:
        raise UsageError(f"config {path} is larger than {_MAX_CONFIG_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise UsageError(f"config {path} is not UTF-8 text") from None


class _PlainLoader(yaml.SafeLoader):
    """YAML without surprises: a key stands once, and nothing refers to or tags anything."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise _problem("anchors and aliases are not allowed", event.start_mark)
        if getattr(event, "tag", None):
            raise _problem("tags are not allowed", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem("a key must be a plain word", key_node.start_mark)
            if key_node.value in seen:
                raise _problem(f"key {key_node.value!r} stands twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _problem(text: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=mark)


def _parse(path: Path, text: str) -> Any:
    try:
        # _PlainLoader is a SafeLoader: it makes plain data only.
        return yaml.load(text, Loader=_PlainLoader)
    except yaml.MarkedYAMLError as error:
        where = f" on line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{path}: not valid YAML{where}: {_line(str(error.problem))}") from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise UsageError(f"{path}: not valid YAML: {_line(str(error))}") from None
    except RecursionError:
        raise UsageError(f"{path}: not valid YAML: nested too deeply") from None


def _explain(error: Any) -> str:
    """One line for one of pydantic's findings."""
    kind, place = error["type"], error["loc"]
    key = ".".join(map(str, place))
    if kind == "extra_forbidden":
        return _unknown_key(key, str(place[-1]), _keys_at(place[:-1]))
    if kind == "missing":
        return f"key {key!r} is missing"
    if kind == "value_error":
        prefix = f"{key}: " if key else ""
        return prefix + str(error["ctx"]["error"])
    if kind in ("model_type", "dict_type"):
        what = f"{key!r} must hold keys" if key else "the file must hold keys"
        return f"{what} with values, got {_shown(error['input'])}"
    message = error["msg"].replace("Input should be", "must be").replace("String should", "must")
    return f"{key}: {message}, got {_shown(error['input'])}"


def _keys_at(place: Iterable[Any]) -> list[str]:
    """The known keys of the section at `place`."""
    section: type[BaseModel] = BuildConfig
    for name in place:
        annotation = section.model_fields[name].annotation
        assert isinstance(annotation, type)  # sections nest, and hold nothing that nests otherwise
        section = annotation
    return list(section.model_fields)


def _unknown_key(key: str, name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"unknown key {_line(key)!r}; {hint}known here: {', '.join(known)}"


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    return _line(repr(value))


def _line(text: str) -> str:
    """`text` on one line of bearable length."""
    words = " ".join(text.split())
    return words if len(words) <= 120 else f"{words[:117]}..."
