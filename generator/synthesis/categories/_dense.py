"""Small dense systems, one per item: how they are stored, and the textbook algorithms on them."""

from collections.abc import Callable
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand

FORMS = {"mat": 4, "array": 4, "view": 2}


class Sub:
    """Elements of an array behind fixed leading indices: ``s[i, j]`` is ``array[item, i, j]``."""

    def __init__(self, array: Expr, prefix: tuple[Expr, ...]) -> None:
        self.array = array
        self.prefix = prefix

    def __getitem__(self, index: Any) -> Expr:
        rest = index if isinstance(index, tuple) else (index,)
        return self.array[(*self.prefix, *rest)]


class Small:
    """One small matrix or vector per item, held in an array or in a local of matrix type.

    Attributes:
        m: indexed as ``m[i, j]``; a local is declared by its first use.
    """

    def __init__(self, m: Any, array: Expr | None, axes: int) -> None:
        self._m = m
        self.array = array
        self.axes = axes

    @property
    def m(self) -> Any:
        return self._m

    def commit(self) -> None:
        """Stores a local copy into its array."""

    @property
    def view(self) -> Expr:
        """The matrix as one value: a local, or a view of the array."""
        return self._m.array[self._m.prefix] if isinstance(self._m, Sub) else self._m

    def dim(self, axis: int) -> Expr | None:
        """The extent of a trailing axis as the array knows it."""
        t = self.array.type if self.array is not None else None
        return (
            self.array.dim(t.ndim - self.axes + axis)
            if isinstance(t, T.Array) and self.array is not None
            else None
        )


class Local(Small):
    """A result built up in a local variable."""

    def __init__(self, k: KernelBuilder, field: Field, hint: str, t: T.Type, axes: int) -> None:
        super().__init__(None, None, axes)
        self.k, self.field, self.hint, self.type = k, field, hint, t

    @property
    def m(self) -> Any:
        if self._m is None:
            self._m = self.k.var(self.hint, construct(self.type))
        return self._m

    def define(self, value: Expr) -> None:
        """Takes `value` as a whole."""
        if self._m is None:
            self._m = self.k.var(self.hint, value)
        else:
            self.k.set(self._m, value)

    @property
    def view(self) -> Expr:
        return self.m

    def commit(self) -> None:
        self.field.store(self.m)


def systems(p: ProgramBuilder, k: KernelBuilder) -> Entities:
    """One thread per small system."""
    names = ("system", "block", "matrix", "problem")
    return Entities(k, p.pick(*names), count=p.pick(32, 48, 64, 100), index="i|tid|b|s|idx")


def prefix_of(e: Entities) -> tuple[Expr, ...]:
    """Leading array indices of this thread's item."""
    return (e.index,) if e.world is None else (e.world, e.index)


def lead_of(e: Entities) -> tuple[int, ...]:
    """Leading array extents of per-item data."""
    return (e.n,) if e.worlds is None else (e.worlds, e.n)


def small_type(p: ProgramBuilder, shape: tuple[int, ...]) -> T.Type:
    """Vector or matrix type of a shape."""
    return p.vec(shape[0]) if len(shape) == 1 else p.mat(*shape)


def given(
    p: ProgramBuilder,
    e: Entities,
    form: str,
    hint: str,
    local: str,
    shape: tuple[int, ...],
    fill: R.Fill,
) -> Small:
    """An input matrix or vector per item."""
    k = e.k
    if form == "mat":
        return Small(k.let(local, e.field(hint, small_type(p, shape), fill).own), None, len(shape))
    return _in_array(
        p, e, form, local, k.array(hint, p.real, (*lead_of(e), *shape), fill), len(shape)
    )


def result(
    p: ProgramBuilder,
    e: Entities,
    form: str,
    hint: str,
    local: str,
    shape: tuple[int, ...],
    fill: R.Fill | None = None,
) -> Small:
    """An output per item; with `fill` it holds data that the kernel works on in place."""
    k = e.k
    role = "out" if fill is None else "inout"
    if form == "mat":
        t = small_type(p, shape)
        made = Local(k, e.field(hint, t, fill or R.zeros(), role), local, t, len(shape))
        if fill is not None:
            made.define(made.field.own)
        return made
    return _in_array(
        p,
        e,
        form,
        local,
        k.array(hint, p.real, (*lead_of(e), *shape), fill or R.zeros(), role),
        len(shape),
    )


def _in_array(
    p: ProgramBuilder, e: Entities, form: str, local: str, array: Expr, axes: int
) -> Small:
    inner = e.k.let(local, array[prefix_of(e)]) if form == "view" else Sub(array, prefix_of(e))
    return Small(inner, array, axes)


def perform(
    p: ProgramBuilder, k: KernelBuilder, hint: str, words: list[str], inputs: list[Small], outputs: list[Small],
    size: Operand, algorithm: Callable[..., None], doc: str = "",
) -> None:  # fmt: skip
    """``algorithm(block, *inputs, *outputs, size)`` inline or as a function of the program.

    `words` are parameter hints, for inputs and then outputs. A matrix that is in both is worked on in place.
    """
    inplace = any(i is o for i in inputs for o in outputs)
    locals_ = [o for o in outputs if isinstance(o, Local)]
    if not (p.on("helper_function") and p.chance(0.85)) or (locals_ and inplace):
        algorithm(k, *(s.m for s in inputs), *(s.m for s in outputs), size)
        return
    different = list(dict.fromkeys([*inputs, *([] if locals_ else outputs)]))
    hints = dict(zip([*inputs, *outputs], words, strict=True))
    params = {hints[s]: s.view.type for s in different}
    if isinstance(size, Expr):
        params["n|size|order"] = T.I32

    def body(b: Block, *given_: Expr) -> None:
        order = given_[-1] if isinstance(size, Expr) else size
        by = dict(zip(different, given_, strict=False))
        for o in locals_:
            by[o] = b.var(hints[o], construct(o.type))
        algorithm(b, *(by[s] for s in inputs), *(by[s] for s in outputs), order)
        if locals_:
            b.ret(*(by[o] for o in locals_))

    function = p.func(hint, params, body, doc)
    call = function(*(s.view for s in different), *([size] if isinstance(size, Expr) else []))
    if not locals_:
        k.do(call)
    elif len(locals_) == 1:
        locals_[0].define(call)
    else:
        for target, name in zip(locals_, k.unpack([o.hint for o in locals_], call), strict=True):
            target._m = name


def extent(
    p: ProgramBuilder,
    k: KernelBuilder,
    n: int,
    small: Small,
    axis: int = 0,
    hint: str = "n|dim|order",
) -> Operand:
    """How the kernel learns the size of its systems."""
    known = small.dim(axis)
    if known is not None and p.chance(0.35):
        return k.let(hint, known) if p.chance(0.6) else known
    if n <= 4 and p.chance(0.65):
        return n if p.chance(0.7) else p.const("N|DIM|ORDER|SIZE", n)
    return k.scalar(hint, T.I32, n)


# --- algorithms: `a[i, j]` is any of a local matrix, an array view or a prefixed array ---------------


def cholesky(p: ProgramBuilder, b: Block, a: Any, low: Any, n: Operand) -> None:
    """Lower Cholesky factor of `a` into `low`, which may be `a` itself."""
    style = p.pick("row", "column", "column")
    if style == "row":
        with b.loop("i|row", n) as i, b.loop("j|col", i + 1) as j:
            s = b.var("s|acc|total", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m])
            with b.when(i == j):
                b.set(low[i, j], wp.sqrt(s) if p.chance(0.6) else wp.sqrt(wp.max(s, 1.0e-12)))
            with b.otherwise():
                b.set(low[i, j], s / low[j, j])
        return
    with b.loop("j|col|c", n) as j:
        d = b.var("d|diag|s", a[j, j])
        with b.loop("k|m", j) as m:
            if p.chance(0.5):
                b.aug(d, "-", low[j, m] * low[j, m])
            else:
                ljm = b.let("ljk|v|entry", low[j, m])
                b.aug(d, "-", ljm * ljm)
        root = b.let("pivot|root|ljj", wp.sqrt(d))
        b.set(low[j, j], root)
        with b.loop("i|row|r", j + 1, n) as i:
            s = b.var("s|acc|total", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m])
            b.set(low[i, j], s / root)


def right_looking(p: ProgramBuilder, b: Block, a: Any, n: Operand) -> None:
    """In-place Cholesky that updates the trailing block after each column."""
    with b.loop("k|step|p", n) as k:
        pivot = b.let("pivot|root|d", wp.sqrt(a[k, k]))
        b.set(a[k, k], pivot)
        with b.loop("i|row", k + 1, n) as i:
            b.set(a[i, k], a[i, k] / pivot)
        with b.loop("j|col", k + 1, n) as j, b.loop("i|row", j, n) as i:
            b.set(a[i, j], a[i, j] - a[i, k] * a[j, k])


def ldl(p: ProgramBuilder, b: Block, a: Any, low: Any, d: Any, n: Operand) -> None:
    """Square-root-free factorisation: unit lower `low` and diagonal `d`."""
    with b.loop("j|col", n) as j:
        dj = b.var("dj|pivot|diag", a[j, j])
        with b.loop("k|m", j) as m:
            b.aug(dj, "-", low[j, m] * low[j, m] * d[m])
        b.set(d[j], dj)
        b.set(low[j, j], 1.0)
        with b.loop("i|row", j + 1, n) as i:
            s = b.var("s|acc", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m] * d[m])
            b.set(low[i, j], s / dj)


def forward(
    p: ProgramBuilder, b: Block, low: Any, rhs: Any, x: Any, n: Operand, unit: bool = False
) -> None:
    """``low x = rhs`` from the top down."""
    with b.loop("i|row", n) as i:
        s = b.var("s|acc|total", rhs[i])
        with b.loop("j|col", i) as j:
            b.aug(s, "-", low[i, j] * x[j])
        b.set(x[i], s if unit else s / low[i, i])


def backward(
    p: ProgramBuilder, b: Block, up: Any, rhs: Any, x: Any, n: Operand, transposed: bool = False
) -> None:
    """``up x = rhs`` from the bottom up; with `transposed`, `up` is stored as its lower transpose."""
    with descending(p, b, "i|row", n) as i:
        s = b.var("s|acc|total", rhs[i])
        with b.loop("j|col", i + 1, n) as j:
            b.aug(s, "-", (up[j, i] if transposed else up[i, j]) * x[j])
        b.set(x[i], s / up[i, i])


class descending:
    """``for i`` from n-1 down to 0, in one of its spellings."""

    def __init__(self, p: ProgramBuilder, b: Block, hint: str, n: Operand) -> None:
        self.reverse = p.chance(0.5)
        self.b, self.hint, self.n = b, hint, n
        self.loop = b.loop(hint, n - 1, -1, -1) if self.reverse else b.loop("step|back|ii", n)

    def __enter__(self) -> Expr:
        index = self.loop.__enter__()
        return index if self.reverse else self.b.let(self.hint, self.n - 1 - index)

    def __exit__(self, *error: Any) -> None:
        self.loop.__exit__(*error)


def lu(p: ProgramBuilder, b: Block, a: Any, n: Operand) -> None:
    """Doolittle elimination in place, without pivoting."""
    with b.loop("k|step|p", n) as k, b.loop("i|row|r", k + 1, n) as i:
        factor = b.let("factor|f|lik|m", a[i, k] / a[k, k])
        b.set(a[i, k], factor)
        with b.loop("j|col|c", k + 1, n) as j:
            b.set(a[i, j], a[i, j] - factor * a[k, j])


def pivot_row(p: ProgramBuilder, b: Block, a: Any, k: Expr, n: Operand) -> Expr:
    """The row at or below `k` with the largest entry in column `k`."""
    best = b.var("best|pivot_row|piv", k)
    largest = b.var("largest|max_abs|amax", wp.abs(a[k, k]))
    with b.loop("r|i|row", k + 1, n) as r:
        value = b.let("v|mag|cand", wp.abs(a[r, k]))
        with b.when(value > largest):
            b.set(largest, value)
            b.set(best, r)
    return best


def swap_rows(p: ProgramBuilder, b: Block, a: Any, k: Expr, other: Expr, cols: Operand) -> None:
    """Exchanges two rows element by element."""
    with b.loop("c|j|col", cols) as c:
        held = b.let("tmp|held|t", a[k, c])
        b.set(a[k, c], a[other, c])
        b.set(a[other, c], held)


def norm_of(p: ProgramBuilder, b: Block, x: Any, n: Operand, hint: str = "norm|nrm|length") -> Expr:
    """Euclidean norm by a loop."""
    total = b.var("sq|sum_sq|ss", 0.0, p.real)
    with b.loop("i|c", n) as i:
        b.aug(total, "+", x[i] * x[i])
    return b.let(hint, wp.sqrt(total))


def matvec(
    p: ProgramBuilder,
    b: Block,
    a: Any,
    x: Any,
    y: Any,
    rows: Operand,
    cols: Operand,
    transposed: bool = False,
) -> None:
    """``y = a x``, or with the transpose."""
    with b.loop("i|row|r", rows) as i:
        s = b.var("s|acc|total|dot", 0.0, p.real)
        with b.loop("j|col|c", cols) as j:
            b.aug(s, "+", (a[j, i] if transposed else a[i, j]) * x[j])
        b.set(y[i], s)


def guarded_inverse(p: ProgramBuilder, value: Expr, tiny: float = 1.0e-8) -> Expr:
    """``1 / value`` where that is safe, else 0."""
    return (
        choose(value > tiny, 1.0 / value, 0.0)
        if p.chance(0.5)
        else wp.where(value > tiny, 1.0 / wp.max(value, tiny), construct(p.real, 0.0))
    )
