"""Batches of small systems, one per block of threads, and the tile functions they are solved with."""

from collections.abc import Callable
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, Operand

Shape = list[Dim]


class Batch:
    """One small problem per block; its arrays are batched along leading axes or stacked row-wise."""

    def __init__(
        self,
        p: ProgramBuilder,
        names: str,
        docs: tuple[str, ...],
        index: str = "i|env|system|problem|batch",
        lane: bool = False,
        worlds: bool = True,
    ) -> None:
        self.p = p
        self.k: KernelBuilder = p.kernel_builder(names, p.pick(*docs))
        self.t = Tiling(p, self.k)
        self.count = p.pick(3, 4, 6, 8)
        self.form = p.weighted({"view": 5, "stacked": 2.5, "worlds": 2})
        if self.form == "worlds" and not worlds:
            self.form = "view"
        self.worlds = p.pick(2, 3)
        lead = (self.worlds, self.count) if self.form == "worlds" else (self.count,)
        hints = ["world|w|scene|group", index] if self.form == "worlds" else [index]
        self.at = tuple(self.t.launch(hints, lead, lane=lane))
        self.lead = lead

    def array(
        self, hint: str, shape: Shape, fill: R.Fill, role: str = "in", dtype: T.Type | None = None
    ) -> Expr:
        """An array with one block of the given shape per problem."""
        values = tuple(d.value for d in shape)
        dtype = dtype or self.p.real
        if self._stacked(fill):
            return self.k.array(hint, dtype, (self.count * values[0], *values[1:]), fill, role)
        return self.k.array(hint, dtype, (*self.lead, *values), fill, role)

    def _stacked(self, fill: R.Fill) -> bool:
        return self.form == "stacked" and fill["fill"] not in ("spd", "near_identity")

    def _place(self, array: Expr, shape: Shape, fill: R.Fill) -> tuple[Expr, list[Any] | None]:
        if self._stacked(fill):
            return array, [self.at[-1] * shape[0].expr, *([0] * (len(shape) - 1))]
        return array[self.at], None

    def load(
        self,
        hint: str,
        local: str,
        shape: Shape,
        fill: R.Fill,
        shared: bool | None = None,
        role: str = "in",
    ) -> Expr:
        """This problem's block, as a named tile."""
        array = self.array(hint, shape, fill, role)
        place, offset = self._place(array, shape, fill)
        value = self.k.let(local, self.t.load(place, shape, offset, shared))
        self.last = (array, shape, fill)
        return value

    def store_back(self, last: tuple[Expr, Shape, R.Fill], value: Expr) -> None:
        """Stores into an array that `load` made with the role inout."""
        place, offset = self._place(last[0], last[1], last[2])
        self.t.store(place, value, offset)

    def store(self, hint: str, shape: Shape, value: Expr) -> None:
        """Stores a tile into a new output array."""
        assert isinstance(value.type, T.Tile)
        array = self.array(hint, shape, R.zeros(), "out", value.type.dtype)
        place, offset = self._place(array, shape, R.zeros())
        self.t.store(place, value, offset)

    def scalar(self, hint: str, fill: R.Fill, dtype: T.Type | None = None) -> Expr:
        """This problem's number from an input array."""
        return self.k.array(hint, dtype or self.p.real, self.lead, fill)[self.at]

    def put(self, hint: str, value: Operand, dtype: T.Scalar | None = None) -> None:
        """Writes this problem's number into a new output array."""
        self.k.set(self.k.out(hint, dtype or self.p.real, self.lead)[self.at], value)

    def param(self, hint: str, low: float, high: float) -> Expr:
        """A number for all problems, or one of each problem's own."""
        if self.p.chance(0.25):
            return self.k.let(
                hint,
                self.scalar(
                    f"{hint.split('|')[0]}_values|all_{hint.split('|')[-1]}", R.uniform(low, high)
                ),
            )
        return self.k.param(hint, low, high)


# --- tiles ----------------------------------------------------------------------------------------


def square(p: ProgramBuilder, n: Dim) -> T.Tile:
    """Type of an n x n tile."""
    return T.Tile(p.real, (n.value, n.value))


def matmul(a: Expr, b: Expr, **kwargs: Operand) -> Expr:
    """``wp.tile_matmul(a, b)``."""
    assert isinstance(a.type, T.Tile)
    assert isinstance(b.type, T.Tile)
    if a.type.shape[1] != b.type.shape[0]:
        raise TypeError(f"product of {a.type} and {b.type}")
    return tile(
        "tile_matmul", T.Tile(a.type.dtype, (a.type.shape[0], b.type.shape[1])), a, b, **kwargs
    )


def accumulate(k: Block, a: Expr, b: Expr, out: Expr, **kwargs: Operand) -> None:
    """``wp.tile_matmul(a, b, out)``: adds the product to `out`."""
    k.do(tile("tile_matmul", T.VOID, a, b, out, **kwargs))


def transpose(a: Expr) -> Expr:
    """``wp.tile_transpose``."""
    assert isinstance(a.type, T.Tile)
    return tile("tile_transpose", T.Tile(a.type.dtype, a.type.shape[::-1]), a)


def dot(a: Expr, b: Expr) -> Expr:
    """``wp.tile_dot(a, b)[0]``."""
    return tile("tile_dot", T.Tile(T.scalar_of(a.type), (1,)), a, b)[0]


def inner(p: ProgramBuilder, a: Expr, b: Expr) -> Expr:
    """The inner product of two tiles in one of its spellings."""
    assert isinstance(a.type, T.Tile)
    if p.chance(0.75):
        return dot(a, b)
    return tile("tile_sum", T.Tile(a.type.dtype, (1,)), a * b)[0]


def axpy(p: ProgramBuilder, k: Block, alpha: Expr, x: Expr, y: Expr) -> None:
    """``y += alpha * x``."""
    match p.pick("axpy", "axpy", "axpy", "aug", "set"):
        case "axpy":
            k.do(tile("tile_axpy", T.VOID, alpha, x, y))
        case "aug":
            k.aug(y, "+", x * alpha)
        case _:
            k.set(y, y + x * alpha)


def diag_add(a: Expr, d: Expr) -> Expr:
    """``wp.tile_diag_add``."""
    return tile("tile_diag_add", a.type, a, d)


def ridge(
    p: ProgramBuilder,
    b: Batch,
    a: Expr,
    n: Dim,
    amount: Expr | float,
    name: str = "reg|a_reg|damped",
) -> Expr:
    """`a` with a number added to its diagonal."""
    fill = tile(
        "tile_full",
        T.Tile(p.real, (n.value,)),
        shape=n.expr,
        value=N.lift(amount, p.real),
        dtype=p.real,
    )
    if p.chance(0.35):
        fill = b.k.let("shift|diag|eps_diag", fill)
    elif isinstance(amount, Expr) and p.chance(0.4):
        fill = tile("tile_ones", T.Tile(p.real, (n.value,)), shape=n.expr, dtype=p.real) * amount
    return b.k.let(name, diag_add(a, fill))


def tile_function(
    p: ProgramBuilder,
    hint: str,
    params: dict[str, T.Type],
    body: Callable[..., None],
    doc: str = "",
) -> UserFunction:
    """A `@wp.func` over tiles, generic or with its tile types spelt out."""
    function = p.func(hint, params, body, doc)
    definition = next(f for f in p.functions if f.name == function.name)
    if isinstance(function.returns, T.TupleType):
        definition.returns = None
    if p.chance(0.6):
        for parameter in definition.params:
            parameter.generic = isinstance(parameter.type, T.Tile)
    else:
        definition.concrete = True
    return function


# --- factorisations -------------------------------------------------------------------------------


class Factor:
    """A Cholesky factor of a tile and the ways to solve with it."""

    def __init__(
        self,
        p: ProgramBuilder,
        b: Batch,
        a: Expr,
        name: str = "L|low|chol|factor",
        inplace: bool = True,
        lower: bool = False,
    ) -> None:
        self.p, self.b, self.k = p, b, b.k
        self.upper = {"fill_mode": "upper"} if not lower and p.chance(0.1) else {}
        if inplace and p.chance(0.35):
            b.k.options["enable_backward"] = False
            self.k.do(tile("tile_cholesky_inplace", T.VOID, a, **self.upper))
            self.low = a
        else:
            self.low = self.k.let(name, tile("tile_cholesky", a.type, a, **self.upper))

    def solve(self, rhs: Expr, name: str = "sol|x|xs", keep: bool = False) -> Expr:
        """The solution for a right-hand side, which may be overwritten unless `keep`."""
        ways = {"solve": 3.0, "inplace": 0.0 if keep else 2.5}
        if not self.upper:
            ways |= {"two": 2.0, "two_inplace": 0.0 if keep else 2.0}
        match self.p.weighted(ways):
            case "solve":
                return self.k.let(
                    name, tile("tile_cholesky_solve", rhs.type, self.low, rhs, **self.upper)
                )
            case "inplace":
                self.k.options["enable_backward"] = False
                self.k.do(tile("tile_cholesky_solve_inplace", T.VOID, self.low, rhs, **self.upper))
                return rhs
            case "two":
                half = self.k.let("half|z|fwd", self.lower(rhs))
                return self.k.let(name, self.back(half))
        self.k.options["enable_backward"] = False
        self.k.do(tile("tile_lower_solve_inplace", T.VOID, self.low, rhs))
        self.k.do(tile("tile_upper_solve_inplace", T.VOID, transpose(self.low), rhs))
        return rhs

    def lower(self, rhs: Expr) -> Expr:
        """Forward substitution with the lower factor."""
        return tile("tile_lower_solve", rhs.type, self._lower_factor(), rhs)

    def back(self, half: Expr) -> Expr:
        """Backward substitution with its transpose."""
        upper = self.low if self.upper else transpose(self.low)
        return tile("tile_upper_solve", half.type, upper, half)

    def whiten(self, rhs: Expr, name: str) -> Expr:
        """Forward substitution, in place at times, under a name."""
        if self.p.chance(0.3):
            self.k.options["enable_backward"] = False
            self.k.do(tile("tile_lower_solve_inplace", T.VOID, self._lower_factor(), rhs))
            return rhs
        return self.k.let(name, self.lower(rhs))

    def _lower_factor(self) -> Expr:
        return transpose(self.low) if self.upper else self.low

    def log_det(self, n: Dim) -> Expr:
        """Log-determinant of the factored matrix."""
        k, p = self.k, self.p
        total = k.var("log_det|logdet|half_logdet", 0.0, p.real)
        with k.loop("j|d|r", n.expr) as j:
            k.aug(total, "+", wp.log(self.low[j, j]))
        return 2.0 * total


def finish(p: ProgramBuilder, b: Batch, x: Expr, limit: tuple[float, float] = (0.5, 2.0)) -> Expr:
    """What is done to a step before it is written: nothing, a sign, a scale, a limit on its length."""
    k = b.k
    match p.weighted({"none": 4, "negate": 1.5, "scale": 1.5, "limit": 2, "map": 1}):
        case "negate":
            return -x
        case "scale":
            return x * k.param("alpha|relaxation|step_size", 0.2, 0.9)
        case "limit":
            size = k.let("size|length|step_norm", wp.sqrt(inner(p, x, x)))
            top = k.param("max_step|trust_radius|step_limit", *limit)
            if p.chance(0.5):
                with k.when(size > top):
                    k.aug(x, "*", top / size)
                return x
            return x * wp.min(construct(p.real, 1.0), top / wp.max(size, 1.0e-6))
        case "map":
            bound = p.pick(0.5, 1.0, 2.0)
            clip = p.func(
                "clip|clamp_step|limit_entry",
                {"v|x": p.real},
                lambda q, v: q.ret(wp.clamp(v, -bound, bound)),
            )
            return b.t.map(clip, x)
    return x


def name_of(value: Expr) -> Name:
    """The local that a builder returned."""
    assert isinstance(value, Name)
    return value


def solver(p: ProgramBuilder, n: Dim, rhs: T.Tile, energy: bool = False) -> UserFunction:
    """A tile function that solves a positive-definite system; with `energy` it also returns b' A^-1 b."""
    two = energy or p.chance(0.5)

    def body(q: Block, a: Expr, b: Expr) -> None:
        low = q.let("L|low|chol", tile("tile_cholesky", a.type, a))
        if not two:
            q.ret(tile("tile_cholesky_solve", b.type, low, b))
            return
        half = q.let("z|half|fwd", tile("tile_lower_solve", b.type, low, b))
        x = tile("tile_upper_solve", b.type, transpose(low), half)
        if energy:
            q.ret(q.let("x|sol", x), dot(half, half))
        else:
            q.ret(x)

    doc = p.pick(
        "",
        "Cholesky solve of a small positive-definite system.",
        "Both tiles must be in shared memory.",
    )
    return tile_function(
        p,
        "solve_spd|spd_solve|cholesky_solve|solve_block",
        {"a|mat|A": square(p, n), "b|rhs|y": rhs},
        body,
        doc,
    )


def tile_piece(
    p: ProgramBuilder,
    k: Block,
    hint: str,
    args: dict[str, Expr],
    body: Callable[..., Expr],
    share: float = 0.4,
) -> Expr:
    """A piece of tile work inline, or as a function over tiles; `body` uses only its arguments and constants."""
    if not p.chance(share):
        return body(k, *args.values())

    def write(q: Block, *params: Expr) -> None:
        q.ret(body(q, *params))

    return tile_function(p, hint, {h: a.type for h, a in args.items()}, write)(*args.values())
