"""Launch recipes: from the JSON of a row's `launch` column to kernel arguments.

The same recipe gives the same values on every machine: each array is drawn from NumPy's PCG64,
seeded by the launch's seed and the path of the argument's name.
"""

import ast
import hashlib
import linecache
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np

Recipe = dict[str, Any]


def generator(seed: int, *path: str) -> np.random.Generator:
    """The random generator of one argument."""
    digest = hashlib.sha256("\x1f".join((str(seed), *path)).encode()).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "big")))


# --- fills ----------------------------------------------------------------------------------------


def _unit(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    v = rng.standard_normal(shape)
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-12)


def _offsets(rng: np.random.Generator, shape: tuple[int, ...], total: int) -> np.ndarray:
    cuts = np.sort(rng.integers(0, total + 1, size=(*shape[:-1], max(shape[-1] - 2, 0))), axis=-1)
    first = np.zeros((*shape[:-1], 1), dtype=np.int64)
    return np.concatenate([first, cuts, first + total], axis=-1)[..., : shape[-1]]


def _padded(rng: np.random.Generator, shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    values = rng.integers(r["low"], r["high"], size=shape)
    keep = shape[-1] - np.floor(rng.random(shape[:-1]) * r["share"] * 2.0 * shape[-1]).astype(int)
    return np.where(np.arange(shape[-1]) < np.maximum(keep, 1)[..., None], values, -1)


def _distinct(rng: np.random.Generator, shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    total = int(np.prod(shape))
    if r["disjoint"]:
        return rng.permutation(r["count"])[:total].reshape(shape)
    rows = np.argsort(rng.random((total // r["group"], r["count"])), axis=-1)
    return rows[:, : r["group"]].reshape(shape)


def _links(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    n = shape[-1]
    i = np.arange(n)
    following = i + rng.integers(1, 5, size=shape)
    return np.where((following >= n) | (rng.random(shape) < 0.25), -1, following)


def _parents(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    i = np.arange(shape[-1])
    parent = i - rng.integers(1, 4, size=shape)
    return np.where((parent < 0) | (rng.random(shape) < 0.1), -1, parent)


def _spd(rng: np.random.Generator, shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    n = shape[-1]
    q, _ = np.linalg.qr(rng.standard_normal(shape))
    eigenvalues = rng.uniform(r["low"], r["high"], size=(*shape[:-2], n))
    return (q * eigenvalues[..., None, :]) @ np.swapaxes(q, -1, -2)


def _rigid(rng: np.random.Generator, shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    p = rng.uniform(r["low"], r["high"], size=(*shape[:-1], 3))
    return np.concatenate([p, _unit(rng, (*shape[:-1], 4))], axis=-1)


def _near_identity(rng: np.random.Generator, shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    return np.eye(shape[-2], shape[-1]) + rng.uniform(-r["spread"], r["spread"], size=shape)


def _permutation(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.argsort(rng.random(shape), axis=-1)


def _arange(shape: tuple[int, ...], r: Recipe) -> np.ndarray:
    return (r["start"] + r["step"] * np.arange(int(np.prod(shape)))).reshape(shape)


FILLS: dict[str, Callable[[np.random.Generator, tuple[int, ...], Recipe], np.ndarray]] = {
    "uniform": lambda g, s, r: g.uniform(r["low"], r["high"], size=s),
    "normal": lambda g, s, r: g.normal(r["mean"], r["std"], size=s),
    "integers": lambda g, s, r: g.integers(r["low"], r["high"], size=s),
    "zeros": lambda g, s, r: np.zeros(s),
    "constant": lambda g, s, r: np.full(s, r["value"]),
    "arange": lambda g, s, r: _arange(s, r),
    "values": lambda g, s, r: np.asarray(r["values"], dtype=np.float64).reshape(s),
    "permutation": lambda g, s, r: _permutation(g, s),
    "ascending": lambda g, s, r: np.sort(g.uniform(r["low"], r["high"], size=s), axis=-1),
    "offsets": lambda g, s, r: _offsets(g, s, r["total"]),
    "mask": lambda g, s, r: (g.random(s) < r["share"]).astype(np.int64),
    "unit_vectors": lambda g, s, r: _unit(g, s),
    "rotations": lambda g, s, r: _unit(g, s),
    "rigid": lambda g, s, r: _rigid(g, s, r),
    "spd": lambda g, s, r: _spd(g, s, r),
    "near_identity": lambda g, s, r: _near_identity(g, s, r),
    "padded": lambda g, s, r: _padded(g, s, r),
    "distinct": lambda g, s, r: _distinct(g, s, r),
    "links": lambda g, s, r: _links(g, s),
    "parents": lambda g, s, r: _parents(g, s),
}


# --- arguments ------------------------------------------------------------------------------------


def warp_type(name: str, namespace: dict[str, Any]) -> Any:
    """Warp's type of a recipe's dtype: a builtin alias, or a vector or matrix of the program.

    Raises:
        KeyError: the name means nothing.
    """
    import warp as wp

    if name in namespace:
        return namespace[name]
    if hasattr(wp, name):
        return getattr(wp, name)
    return _custom_type(name)


def _custom_type(name: str) -> Any:
    import warp as wp

    scalars = {
        "h": wp.float16,
        "f": wp.float32,
        "d": wp.float64,
        "b": wp.int8,
        "ub": wp.uint8,
        "s": wp.int16,
        "us": wp.uint16,
        "i": wp.int32,
        "ui": wp.uint32,
        "l": wp.int64,
        "ul": wp.uint64,
    }
    stem = name.rstrip("hfdbusil")
    scalar = scalars[name[len(stem) :]]
    if stem.startswith("vec"):
        return wp.types.vector(length=int(stem[3:]), dtype=scalar)
    if stem.startswith("mat"):
        return wp.types.matrix(shape=(int(stem[3]), int(stem[4:])), dtype=scalar)
    raise KeyError(name)


def _component_shape(t: Any) -> tuple[int, ...]:
    return tuple(getattr(t, "_shape_", ()))


def fill_array(recipe: Recipe, t: Any, rng: np.random.Generator) -> np.ndarray:
    """The values of an array recipe, in double precision or int64: shape + components."""
    shape = (*recipe["shape"], *_component_shape(t))
    return FILLS[recipe["fill"]](rng, shape, recipe)


class Arguments:
    """Makes the arguments of one launch; keeps host-side objects (meshes, volumes …) alive.

    Args:
        launch: the parsed `launch` column.
        namespace: globals of the executed program, where its structs are found.
        device: Warp device.
    """

    def __init__(
        self, launch: dict[str, Any], namespace: dict[str, Any], device: str = "cpu"
    ) -> None:
        self.launch = launch
        self.namespace = namespace
        self.device = device
        self.made: dict[str, Any] = {}
        self.alive: list[Any] = []

    def make(self) -> dict[str, Any]:
        """All arguments by name; handles are made last, since they may be built over arrays."""
        recipes = self.launch["args"]
        late = [n for n, r in recipes.items() if r["kind"] in ("hash_grid", "bvh")]
        for name in [n for n in recipes if n not in late] + late:
            self.made[name] = self._argument(recipes[name], (name,))
        return {name: self.made[name] for name in recipes}

    def _rng(self, path: tuple[str, ...]) -> np.random.Generator:
        return generator(self.launch["seed"], *path)

    def _argument(self, r: Recipe, path: tuple[str, ...]) -> Any:
        match r["kind"]:
            case "value":
                return self._value(r)
            case "array":
                return self._array(r, path)
            case "indexed_array":
                return self._indexed_array(r, path)
            case "none":
                return None
            case "struct":
                return self._struct(r, path)
            case "struct_array":
                return self._struct_array(r, path)
        return self._handle(r, path)

    def _value(self, r: Recipe) -> Any:
        t = warp_type(r["dtype"], self.namespace)
        number = r["value"]
        return t(*_flat(number)) if isinstance(number, list) else t(number)

    def _array(self, r: Recipe, path: tuple[str, ...]) -> Any:
        import warp as wp

        t = warp_type(r["dtype"], self.namespace)
        values = fill_array(r, t, self._rng(path))
        scalar = getattr(t, "_wp_scalar_type_", t)
        if scalar is wp.bfloat16:  # NumPy has no such type: Warp rounds from single precision
            return wp.array(values.astype(np.float32), dtype=t, device=self.device)
        exact = values.astype(wp.dtype_to_numpy(scalar))
        needs_grad = np.issubdtype(exact.dtype, np.floating)
        return wp.array(exact, dtype=t, device=self.device, requires_grad=needs_grad)

    def _indexed_array(self, r: Recipe, path: tuple[str, ...]) -> Any:
        """A view of some rows of a larger array, in random order."""
        import warp as wp

        rows = self._array(r | {"shape": [r["source"], *r["shape"][1:]]}, path)
        picked = self._rng((*path, "indices")).integers(0, r["source"], size=r["shape"][0])
        indices = wp.array(picked.astype(np.int32), dtype=wp.int32, device=self.device)
        return wp.indexedarray(rows, [indices, *[None] * (len(r["shape"]) - 1)])

    def _struct(self, r: Recipe, path: tuple[str, ...]) -> Any:
        instance = self.namespace[r["struct"]]()
        for name, field in r["fields"].items():
            setattr(instance, name, self._argument(field, (*path, name)))
        return instance

    def _struct_array(self, r: Recipe, path: tuple[str, ...]) -> Any:
        import warp as wp

        struct = self.namespace[r["struct"]]
        data = np.zeros(tuple(r["shape"]), dtype=struct.numpy_dtype())
        self._fill_records(data, r["fields"], path)
        return wp.array(data, dtype=struct, device=self.device)

    def _fill_records(self, data: np.ndarray, fields: Recipe, path: tuple[str, ...]) -> None:
        """Fills the fields of a structured array, and those of structs within it."""
        for name, field in fields.items():
            below = (*path, name)
            if field["kind"] == "struct":
                self._fill_records(data[name], field["fields"], below)
                continue
            t = warp_type(field["dtype"], self.namespace)
            data[name] = fill_array(field | {"shape": data.shape}, t, self._rng(below))

    def _handle(self, r: Recipe, path: tuple[str, ...]) -> Any:
        import warp as wp

        from warp_ir_dataset import geometry

        made = geometry.BUILDERS[r["kind"]](r, self._rng(path), self)
        self.alive.append(made)
        return made if r["kind"] == "texture" else wp.uint64(made.id)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [x for v in value for x in _flat(v)]
    return [value]


def outputs(launch: dict[str, Any], arguments: dict[str, Any]) -> dict[str, np.ndarray]:
    """The arrays that the kernel may have written, by name."""
    roles = {n: r.get("role") for n, r in launch["args"].items()}
    return {n: arguments[n].numpy() for n, role in roles.items() if role in ("out", "inout")}


def load_module(
    python: str | ast.Module, name: str, names: dict[str, Any] | None = None
) -> ModuleType:
    """A program executed as a module of its own; Warp finds its source text in linecache.

    Args:
        python: source text, or a tree if nobody needs to find the text.
        name: of the module.
        names: what the module finds in its namespace besides what it defines.
    """
    module = ModuleType(name)
    module.__file__ = f"{name}.py"
    if isinstance(python, str):
        lines = python.splitlines(True)
        linecache.cache[module.__file__] = (len(python), None, lines, module.__file__)
    sys.modules[name] = module
    module.__dict__.update(names or {})
    exec(compile(python, module.__file__, "exec"), module.__dict__)
    return module
