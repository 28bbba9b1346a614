"""What block-cooperative programs share: launches with lanes, strided passes over items, tile calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


class Team:
    """A kernel whose blocks work on one thing each (a query, an image, a segment), with lane numbers on demand."""

    def __init__(
        self,
        p: ProgramBuilder,
        names: str,
        docs: tuple[str, ...],
        *,
        index: str = "b|block|segment|group",
        count: int | None = None,
        lane: bool = True,
        guarded: bool = True,
    ) -> None:
        self.p = p
        self.k: KernelBuilder = p.kernel_builder(names, p.pick(*docs))
        self.t = Tiling(p, self.k)
        self.count = count or p.pick(2, 3, 4, 6)
        self.i = self.t.launch([index], (self.count,), lane=lane, guarded=guarded)[0]
        self.width = self.k.block_dim or 64

    @property
    def lane(self) -> Expr:
        assert self.t.lane is not None
        return self.t.lane

    @contextmanager
    def passes(self, count: Operand) -> Iterator[tuple[Expr, Expr]]:
        """Passes over `count` items that all lanes make together; yields the item and whether it exists."""
        k, p = self.k, self.p
        if p.chance(0.6):
            with k.loop("base|first|start", 0, count, wp.block_dim()) as base:
                j = k.let("j|item|at|idx", base + self.lane)
                yield j, j < count
        else:
            width = wp.block_dim()
            total = N.lift(count, T.I32)
            rounds = k.let("rounds|num_passes|passes", (total + width - 1) // width)
            with k.loop("r|pass_|round_", rounds) as r:
                j = k.let("j|item|at|idx", r * wp.block_dim() + self.lane)
                yield j, j < count

    @contextmanager
    def strided(self, count: Operand) -> Iterator[Expr]:
        """This lane's share of the items; lanes may make different numbers of rounds."""
        with self.k.loop("j|item|e", self.lane, count, wp.block_dim()) as j:
            yield j

    def lanes(self, value: Expr, whole: bool = False) -> Expr:
        """``wp.tile(value)``: one element per lane."""
        keywords: dict[str, Any] = {"preserve_type": True} if whole else {}
        if isinstance(value, N.Subscript):  # Warp takes no array element here
            value = self.k.let("own|mine|local", value)
        return tile("tile", T.Tile(value.type, (self.width,)), value, **keywords)

    def shared(self, shape: list[Dim], dtype: T.Type, name: str = "tile_zeros") -> Expr:
        """A tile in shared memory."""
        return self.t.zeros(shape, dtype, shared=True, name=name)

    @contextmanager
    def leader(self) -> Iterator[None]:
        """Statements of the first lane."""
        with self.k.when(self.lane == 0):
            yield

    def broadcast(self, value: Expr, lane: Operand = 0) -> Expr:
        """One lane's value for all lanes, through ``wp.tile_from_thread``."""
        made = tile(
            "tile_from_thread",
            T.Tile(value.type, (1,)),
            shape=1 if self.p.chance(0.5) else (1,),
            value=value,
            thread_idx=N.lift(lane, T.I32),
        )
        if self.p.chance(0.5):
            return self.k.let("shared_v|told|everyone", made)[0]
        return made[0]

    def put(self, hint: str, value: Operand, dtype: T.Type) -> None:
        """The leader writes the block's result."""
        if isinstance(value, Expr) and not isinstance(value, N.Name | N.Literal):
            value = self.k.let(
                "result|block_value|answer|value_b", value
            )  # collectives stay outside the branch
        out = self.k.out(hint, dtype, (self.count,))
        with self.leader():
            self.k.set(out[self.i], value)


def total(t: Tiling, value: Expr) -> Expr:
    """The sum over a tile as a number."""
    return t.total("tile_sum", value)[0]


def gathered(value: Expr, index: Expr, axis: int = 0) -> Expr:
    """``tile[index, :]``: rows (or columns) of a tile picked by an index tile."""
    assert isinstance(value.type, T.Tile)
    assert isinstance(index.type, T.Tile)
    shape = list(value.type.shape)
    shape[axis] = index.type.shape[0]
    full = N.Slice(None, None)
    parts: tuple[Any, ...] = tuple(index if a == axis else full for a in range(len(shape)))
    return N.Subscript(value, parts, T.Tile(value.type.dtype, tuple(shape)))


def cut(value: Expr, *ranges: tuple[int | None, int | None]) -> Expr:
    """``tile[a:b, c:d]``."""
    assert isinstance(value.type, T.Tile)
    parts, shape = [], []
    for (low, high), extent in zip(ranges, value.type.shape, strict=True):
        start, stop = low or 0, extent if high is None else high if high >= 0 else extent + high
        shape.append(stop - start)
        parts.append(N.Slice(_number(low), _number(high)))
    return N.Subscript(value, tuple(parts), T.Tile(value.type.dtype, tuple(shape)))


def _number(value: int | None) -> Expr | None:
    return None if value is None else N.literal(value, T.I32)


def squeeze(value: Expr, axis: int | None = None) -> Expr:
    """``wp.tile_squeeze``."""
    assert isinstance(value.type, T.Tile)
    shape = value.type.shape
    left = tuple(s for i, s in enumerate(shape) if (i != axis if axis is not None else s != 1))
    keywords: dict[str, Any] = {} if axis is None else {"axis": (axis,)}
    return tile("tile_squeeze", T.Tile(value.type.dtype, left or (1,)), value, **keywords)


def reshape(value: Expr, shape: list[Dim], infer: bool = False) -> Expr:
    """``wp.tile_reshape``; with `infer` the last extent is -1."""
    assert isinstance(value.type, T.Tile)
    spelt = tuple([d.expr for d in shape[:-1]] + [-1 if infer else shape[-1].expr])
    return tile(
        "tile_reshape", T.Tile(value.type.dtype, tuple(d.value for d in shape)), value, shape=spelt
    )
