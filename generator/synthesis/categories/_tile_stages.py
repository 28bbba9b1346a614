"""Stages of a tile program as functions that take tiles."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tile_rows import Rows, open_kernel
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def stages(p: ProgramBuilder) -> None:
    """Rows that go through one or two helper functions: norms, blends, energies of whole tiles."""
    k, t = open_kernel(
        p,
        "process_rows|row_stages|rescale_rows|mix_rows|row_energy",
        "Every stage is a function of tiles.",
        "One row per block.",
        "",
    )
    rows = Rows(p, t, p.pick(32, 64, 128), 0.2, 2.0)
    x = k.let("x|row_x|a|tile_x", rows.load(rows.array("src|x_in|rows|data", p.real)))
    assert isinstance(x.type, T.Tile)
    if p.chance(0.5):
        other = rows.load(rows.array("other|residual|target|prev", p.real))
        y = k.let("y|row_y|b|tile_y", other)
        share = k.param("mix|alpha|weight|momentum", 0.1, 0.9)
        x = k.let("mixed|z|blend_xy", _blend(p, x.type)(x, y, share))
    if p.chance(0.6):
        gain = k.param("target_norm|gain|scale|radius", 0.5, 3.0)
        x = k.let("scaled|z|normed", _rescale(p, x.type)(x, gain))
    if p.chance(0.5):
        measured = k.let("e|measure|energy_row", _measure(p, x.type)(x))
        if p.chance(0.6):
            measured = wp.min(measured, k.param("cap|limit|ceiling", 5.0, 500.0))
        stat = rows.stat("energy|row_stat|levels", p.real)
        k.set(stat[rows.at], measured)
    if p.chance(0.8):
        rows.store(rows.array("dst|out|result|rows_out", p.real, R.zeros(), "out"), x)
    else:
        t.atomic(k.out("total|accum|column_sum", p.real, (rows.width.value,)), _row(x))


def _row(x: Expr) -> Expr:
    """The tile of a row without its leading axis of one."""
    assert isinstance(x.type, T.Tile)
    if len(x.type.shape) == 1:
        return x
    return tile("tile_reshape", T.Tile(x.type.dtype, x.type.shape[1:]), x, shape=x.type.shape[1:])


def _total(x: Expr) -> Expr:
    assert isinstance(x.type, T.Tile)
    return tile("tile_sum", T.Tile(x.type.dtype, (1,)), x)[0]


def _blend(p: ProgramBuilder, t: T.Tile) -> UserFunction:
    def body(b: Block, x: Expr, y: Expr, share: Expr) -> None:
        match p.pick("weights", "step"):
            case "weights":
                b.ret(x * (1.0 - share) + y * share)
            case _:
                step = b.let("step|delta|d", y - x)
                b.ret(x + step * share)

    params = {"x|a|u": t, "y|b|v": t, "share|w|mix": p.real}
    return p.func("blend_tiles|mix_tiles|interpolate", params, body)


def _rescale(p: ProgramBuilder, t: T.Tile) -> UserFunction:
    count = 1
    for extent in t.shape:
        count *= extent

    def body(b: Block, x: Expr, size: Expr) -> None:
        match p.pick("norm", "rms", "mean", "peak"):
            case "norm":
                scale = size / wp.sqrt(_total(x * x))
            case "rms":
                scale = size / wp.sqrt(_total(x * x) / float(count) + 1.0e-6)
            case "mean":
                scale = size * float(count) / _total(x)
            case _:
                scale = size / tile("tile_max", T.Tile(t.dtype, (1,)), x)[0]
        b.ret(x * b.let("scale|factor|s", scale))

    return p.func(
        "rescale_tile|normalise_tile|to_size", {"x|row|v": t, "size|goal|norm": p.real}, body
    )


def _measure(p: ProgramBuilder, t: T.Tile) -> UserFunction:
    def body(b: Block, x: Expr) -> None:
        match p.pick("energy", "spread", "sum"):
            case "energy":
                b.ret(0.5 * _total(x * x))
            case "spread":
                high = tile("tile_max", T.Tile(t.dtype, (1,)), x)[0]
                b.ret(high - tile("tile_min", T.Tile(t.dtype, (1,)), x)[0])
            case _:
                b.ret(wp.abs(_total(x)))

    return p.func("tile_energy|measure_tile|row_level", {"x|row|v": t}, body)
