"""The builder a category writes a program with: module-level definitions and the kernel."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.fusion import (
    CannotFuse,
    common_data,
    ends_early,
    meant_for_choice,
    overlap,
    private,
    same_function,
    serving_both,
)
from generator.synthesis.names import Names
from generator.synthesis.policy import Draw, Policy
from generator.synthesis.tree import Expr, Name, Operand, lift
from generator.synthesis.walk import walk

_LONG = 70  # statements in a kernel from which on no step is added


@dataclass(frozen=True, slots=True)
class UserFunction:
    """A `@wp.func` of the program; calling it builds a typed call."""

    name: str
    params: tuple[N.Parameter, ...]
    returns: T.Type

    def __call__(self, *args: Operand, **kwargs: Operand) -> N.Call:
        types = {p.name: p.type for p in self.params}
        given = [p.type for p in self.params[: len(args)]]
        missing = [
            p for p in self.params[len(args) :] if p.name not in kwargs and p.default is None
        ]
        if missing or len(args) > len(self.params):
            raise TypeError(f"{self.name}: wrong number of arguments")
        nodes = tuple(lift(a, t) for a, t in zip(args, given, strict=True))
        keywords = tuple((k, lift(v, types[k])) for k, v in kwargs.items())
        expected = [*given, *(types[k] for k in kwargs)]
        for node, t in zip([*nodes, *(v for _, v in keywords)], expected, strict=True):
            if node.type != t:
                raise TypeError(f"{self.name}: {node.type} given for {t}")
        return N.Call(self.name, nodes, keywords, self.returns)

    @property
    def ref(self) -> Name:
        """The function as a value, to pass to another function."""
        return Name(self.name, T.Opaque("Function"))

    def through(self, param: Expr) -> "UserFunction":
        """This function called by the name of a parameter of type ``wp.Function``."""
        assert isinstance(param, Name)
        return UserFunction(param.id, self.params, self.returns)


class ProgramBuilder:
    """Module-level definitions of one program, and its choices.

    Attributes:
        rng: the program's only source of randomness.
        on: ``p.on("batched")`` draws a policy feature once.
        real: the program's floating-point scalar.
    """

    def __init__(self, rng: random.Random, policy: Policy) -> None:
        self.rng = rng
        self.on = Draw(policy, rng)
        self.real = T.F32
        self.names = Names(rng)
        self.doc = ""
        self.constants: list[N.ConstantDef | N.EnumDef] = []
        self._constant_hints: list[tuple[str, str, float | int, T.Scalar]] = []
        self.structs: list[N.StructDef] = []
        self.functions: list[N.FunctionDef] = []
        self.captured: list[tuple[str, float | int | str, str]] = []
        self.features: set[str] = set()
        self.augmented_atomics = self.chance(0.35)  # array[i] += value instead of wp.atomic_add
        self.shared: dict[Any, Any] = {}  # what the steps of a fused program agree on
        self.pieces: dict[str, bool] = {}  # which helpers are functions, by their hints
        self.kernel: KernelBuilder | None = None
        self.fusing = False  # further steps go into the kernel that is there

    # --- choices ----------------------------------------------------------------------------------

    def chance(self, probability: float) -> bool:
        """True with the given probability."""
        return self.rng.random() < probability

    def pick(self, *options: Any) -> Any:
        """One of the options, equally likely."""
        return options[int(self.rng.random() * len(options))]

    def weighted(self, options: Mapping[Any, float]) -> Any:
        """One of the keys, with the given weights."""
        return self.rng.choices(list(options), list(options.values()))[0]

    def sample(self, options: Sequence[Any], low: int, high: int) -> list[Any]:
        """Between `low` and `high` different options, in the order given."""
        count = min(self.rng.randint(low, high), len(options))
        chosen = set(self.rng.sample(range(len(options)), count))
        return [o for i, o in enumerate(options) if i in chosen]

    def shuffled(self, options: Sequence[Any]) -> list[Any]:
        """The options in random order."""
        return self.rng.sample(list(options), len(options))

    def nice(self, low: float, high: float) -> float:
        """A number an engineer would type, log-uniform between `low` and `high` (both positive)."""
        raw = low * (high / low) ** self.rng.random()
        digits = self.rng.choice((1, 1, 2, 2, 3))
        return min(max(float(f"{raw:.{digits - 1}e}"), low), high)

    # --- types ------------------------------------------------------------------------------------

    def vec(self, n: int = 3) -> T.Vec:
        """Vector of the program's precision."""
        return T.Vec(n, self.real)

    def mat(self, rows: int = 3, cols: int | None = None) -> T.Mat:
        """Matrix of the program's precision."""
        return T.Mat(rows, cols or rows, self.real)

    @property
    def quat(self) -> T.Quat:
        return T.Quat(self.real)

    @property
    def transform(self) -> T.Transform:
        return T.Transform(self.real)

    @property
    def spatial(self) -> T.SpatialVec:
        return T.SpatialVec(self.real)

    # --- definitions ------------------------------------------------------------------------------

    def const(self, hint: str, value: float | int, t: T.Scalar | None = None) -> Name:
        """A module constant, ``wp.constant(…)`` or a plain global; float constants are float32."""
        t = t or N.literal_type(value)
        for known, name, number, kt in self._constant_hints if self.fusing else ():
            if (known, number, kt) == (hint, value, t):
                return Name(name, t)
        name = self.names.fresh(hint)
        self._constant_hints.append((hint, name, value, t))
        self.constants.append(
            N.ConstantDef(
                name, value, t, wrapped=self.chance(0.7) or t.name not in ("float32", "int32")
            )
        )
        return Name(name, t)

    def struct(self, hint: str, fields: dict[str, T.Type], doc: str = "") -> T.StructType:
        """A `@wp.struct`; field names are hints."""
        scope = self.names.fields()
        t = T.StructType(
            self.names.fresh(hint), tuple((scope.fresh(f), ft) for f, ft in fields.items())
        )
        self.structs.append(N.StructDef(t, doc))
        return t

    def func(
        self,
        hint: str,
        params: dict[str, T.Type],
        body: Callable[..., None],
        doc: str = "",
        defaults: dict[str, float | int] | None = None,
        by_reference: Sequence[str] = (),
    ) -> UserFunction:
        """A `@wp.func`: `body(block, *parameters)` writes its statements and returns through `ret`.

        Assignments to parameters `by_reference` reach the caller, whose kernel can have no adjoint.
        """
        name = self.names.fresh(hint)
        scope = self.names.child()
        given = [N.Parameter(scope.fresh(h), t) for h, t in params.items()]
        for parameter, h in zip(given, params, strict=True):
            if defaults and h in defaults:
                parameter.default = N.literal(defaults[h], parameter.type)
            parameter.by_reference = h in by_reference
        block = Block(self.rng, scope)
        body(block, *(Name(q.name, q.type) for q in given))
        definition = N.FunctionDef(name, given, block.returns, block.body, doc)
        for known in self.functions:
            if same_function(known, definition):
                self.names.release(name)
                return UserFunction(known.name, tuple(known.params), known.returns or T.VOID)
        self.functions.append(definition)
        return UserFunction(name, tuple(given), block.returns or T.VOID)

    def native(
        self,
        hint: str,
        params: dict[str, T.Type],
        returns: T.Type,
        snippet: str,
        adjoint: str = "",
        doc: str = "",
    ) -> UserFunction:
        """A `@wp.func_native`; parameter names are final because the C++ snippet speaks of them."""
        given = [N.Parameter(n, t) for n, t in params.items()]
        name = self.names.fresh(hint)
        definition = N.FunctionDef(name, given, returns, [], doc, native=(snippet, adjoint))
        self.functions.append(definition)
        return UserFunction(name, tuple(given), returns)

    def capture(self, hint: str, value: float | int | UserFunction) -> Expr | UserFunction:
        """A closure variable of the kernel's factory: a number, or a function under a new name."""
        name = self.names.fresh(hint)
        if isinstance(value, UserFunction):
            self.captured.append((name, value.name, "wp.Function"))
            return UserFunction(name, value.params, value.returns)
        self.captured.append((name, value, "int" if isinstance(value, int) else "float"))
        return Name(name, N.literal_type(value))

    def kernel_builder(self, hint: str, doc: str = "") -> "KernelBuilder":
        """The program's kernel; in a fused program, the one of the steps before.

        Raises:
            CannotFuse: the step is one of those before.
        """
        if self.kernel is not None:
            if not self.fusing:
                raise ValueError("a program has one kernel")
            self.kernel.next_step(hint, doc)
            return self.kernel
        self.kernel = KernelBuilder(self, self.names.fresh(hint), doc)
        self.kernel.steps.append(hint)
        return self.kernel


@dataclass(slots=True)
class Argument:
    """A kernel parameter with its recipe."""

    name: str
    type: T.Type
    recipe: R.Recipe
    group: (
        int  # order in the signature: 0 handles and sizes first, 1 inputs, 2 parameters, 3 outputs
    )


class KernelBuilder(Block):
    """The kernel: statements, arguments with recipes, launch dimensions and options."""

    def __init__(self, program: ProgramBuilder, name: str, doc: str) -> None:
        super().__init__(program.rng, program.names.child())
        self.p = program
        self.name = name
        self.doc = doc
        self.arguments: list[Argument] = []
        self.launch_dim: tuple[int, ...] = ()
        self.block_dim: int | None = None
        self.tiled = True  # with a block_dim: launch_dim counts blocks, not threads
        self.options: dict[str, object] = {}
        self._params: list[tuple[str, T.Type, R.Recipe]] = []
        self._params_name: str | None = None
        self.closers: list[Callable[[], None]] = []
        self.steps: list[str] = []
        self.starts = [0]  # where in the body each step begins
        self._pending: tuple[str, str] | None = None
        self.layout: object = None  # the Entities or Grid that found this thread's item
        self._hints: dict[str, str] = {}
        self._earlier: set[str] = set()  # arguments of the steps before
        self._claimed: dict[str, str] = {}  # what this step takes them for
        self._quantities: list[tuple[str, T.Type, Any, Expr]] = []

    # --- arguments --------------------------------------------------------------------------------

    def arg(self, hint: str, t: T.Type, recipe: R.Recipe, group: int = 2) -> Name:
        """Any argument, by type and recipe."""
        self._adopted()
        if self.p.fusing and recipe["kind"] == "array":
            for position, known in enumerate(self.arguments):
                both = known.type == t and serving_both(known.recipe, recipe)
                if both and self._means(known.name, hint):
                    self.arguments[position] = replace(known, recipe=both)
                    return Name(known.name, t)
        name = Name(self.names.fresh(hint), t)
        self._hints[name.id] = hint
        self.arguments.append(Argument(name.id, t, recipe, group))
        return name

    def _means(self, array: str, hint: str) -> bool:
        """Whether an array of an earlier step is what this step asks for; it is one thing per step."""
        if array not in self._earlier or not overlap(hint, self._hints.get(array, "")):
            return False
        return self._claimed.setdefault(array, hint) == hint

    def array(
        self, hint: str, dtype: T.Type, shape: tuple[int, ...], fill: R.Fill, role: str = "in"
    ) -> Name:
        """An array argument; `role` is in, out or inout."""
        recipe = R.array(T.dtype_name(dtype), shape, fill, role)
        return self.arg(hint, T.Array(dtype, len(shape)), recipe, 1 if role == "in" else 3)

    def out(
        self, hint: str, dtype: T.Type, shape: tuple[int, ...], fill: R.Fill | None = None
    ) -> Name:
        """An output array, zero before the launch unless `fill` says otherwise."""
        return self.array(hint, dtype, shape, fill or R.zeros(), "out" if fill is None else "inout")

    def scalar(self, hint: str, t: T.Scalar, number: float | int | bool) -> Name:
        """A plain scalar argument."""
        return self.arg(hint, t, R.value(t.name, number))

    def param(self, hint: str, low: float, high: float, t: T.Scalar | None = None) -> Expr:
        """A positive physical parameter with a value between `low` and `high`.

        Where it lives (argument, field of a parameter struct, module constant) follows the policy.
        """
        t = t or self.p.real
        number = self.p.nice(low, high)
        for known, kt, value, e in self._quantities if self.p.fusing else ():
            if (
                kt == t
                and overlap(hint, known)
                and isinstance(value, float)
                and low <= value <= high
            ):
                return e
        return self.quantity(hint, t, number)

    def count(self, hint: str, number: int) -> Expr:
        """An integer parameter, such as a number of iterations or a stride."""
        return self.quantity(hint, T.I32, number)

    def quantity(self, hint: str, t: T.Type, number: Any) -> Expr:
        """A parameter of any scalar or vector type with a given value, placed by the policy."""
        for known, kt, value, e in self._quantities if self.p.fusing else ():
            if kt == t and overlap(hint, known) and value == number:
                return e
        e = self._placed(hint, t, number)
        self._quantities.append((hint, t, number, e))
        return e

    def _placed(self, hint: str, t: T.Type, number: Any) -> Expr:
        if isinstance(t, T.Scalar) and t.is_float:
            number = float(number)
        recipe = R.value(T.dtype_name(t), number)
        if self.p.on("params_struct") and self.p.chance(0.85):
            return self._params_field(hint, t, recipe)
        # Casting a captured or global int to float64 makes Warp take it for a float64 from there on.
        plain = isinstance(t, T.Scalar) and (t == T.F32 or (t == T.I32 and self.p.real != T.F64))
        if plain and self.p.on("params_constant") and self.p.chance(0.6):
            return self.p.const(hint.split("|")[0].upper(), number)
        if plain and self.p.on("factory") and self.p.chance(0.5):
            captured = self.p.capture(hint, number)
            assert isinstance(captured, Name)
            return N.Call("wp.static", (captured,), (), t) if self.p.on("static") else captured
        return self.arg(hint, t, recipe)

    def _params_field(self, hint: str, t: T.Type, recipe: R.Recipe) -> Expr:
        if self._params_name is None:
            self._params_name = self.names.fresh("params|p|config|settings|model")
            self._params_scope = Names(self.rng).fields()
        field = self._params_scope.fresh(hint)
        self._params.append((field, t, recipe))
        return N.Attribute(Name(self._params_name, T.Opaque("params")), field, t)

    def next_step(self, hint: str, doc: str) -> None:
        """Begins another step of a fused program; the step counts once it adopts the threads.

        Raises:
            CannotFuse: the step is one of those before.
        """
        if hint in self.steps:
            raise CannotFuse
        self._pending = (hint, doc)

    def adopt(self) -> None:
        """The pending step runs on the threads of the ones before."""
        assert self._pending
        hint, doc = self._pending
        self._pending = None
        if len(self.steps) == 1:
            base = self.name
            endings = "" if base.endswith(("_step", "_pass")) else f"|{base}_step|{base}_pass"
            self.name = self.p.names.fresh(f"fused_{base}|{base}_fused{endings}")
        self.steps.append(hint)
        self.starts.append(len(self.body))
        self._earlier = {a.name for a in self.arguments}
        self._claimed = {}
        self.step(doc.rstrip("."))
        if doc and doc not in self.doc:
            self.doc = f"{self.doc}\n\n{doc}" if self.doc else doc

    def may_go_on(self) -> bool:
        """Whether another step may follow: the threads can be adopted, and all of them get there."""
        if self.layout is None or self.block_dim is not None:
            return False
        if sum(isinstance(n, N.Assign | N.AugAssign | N.Evaluate) for n in walk(self.body)) > _LONG:
            return False
        return len(self.steps) == 1 or not ends_early(self.body[self.starts[-1] :])

    def shares_data(self) -> bool:
        """Whether the last step works on data of the earlier ones, and safely so."""
        before, step = self.body[: self.starts[-1]], self.body[self.starts[-1] :]
        common = common_data(before, step)
        changed = [a.name for a in self.arguments if a.recipe.get("role") == "inout"]
        common -= {a.name for a in self.arguments if meant_for_choice(a.recipe)}
        return bool(common) and all(private(self.body, a) for a in changed if a in common)

    def _append(self, statement: N.Statement) -> None:
        self._adopted()
        super()._append(statement)

    def _adopted(self) -> None:
        if self._pending:  # the step has threads of its own
            raise CannotFuse

    # --- finishing --------------------------------------------------------------------------------

    def close(self, struct_hint: str) -> None:
        """Turns gathered parameters and fields into struct arguments. Called once, by the assembler."""
        for finish in self.closers:
            finish()
        if not self._params:
            return
        # Field names are final already, so no hint is drawn again.
        struct = T.StructType(
            self.p.names.fresh(struct_hint), tuple((f, t) for f, t, _ in self._params)
        )
        self.p.structs.append(N.StructDef(struct))
        recipe = R.struct(struct.name, {f: r for f, _, r in self._params})
        assert self._params_name is not None
        self.arguments.append(Argument(self._params_name, struct, recipe, 2))
