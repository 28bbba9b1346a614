"""Reductions over chunks and fused maps: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tile_functions import binary, combine, unary
from generator.synthesis.categories._tile_rows import open_kernel
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def reduce_rows(p: ProgramBuilder) -> None:
    """Statistics of rows that are longer than a tile: a loop over chunks with running results."""
    k, t = open_kernel(
        p,
        "row_statistics|reduce_rows|row_moments|chunked_sums|row_extrema|row_sums",
        "Running reductions over chunks of a row.",
        "Row statistics; rows are several tiles long.",
    )
    width, chunks, many = p.pick(16, 32), p.pick(2, 3, 4), p.pick(12, 16, 24)
    w = t.dim("chunk|tile_size|tile_n|block_size", width)
    row = t.launch(["row|i|r|segment"], (many,))[0]
    x = k.array("x|values|data|samples", p.real, (many, width * chunks), R.uniform(-1.0, 1.0))
    count = (
        x.dim(1) // w.expr
        if p.chance(0.5)
        else k.scalar("num_chunks|chunks|n_tiles", T.I32, chunks)
    )
    kinds = p.sample(["sum", "sq", "peak", "low", "map", "custom", "dot"], 1, 3)
    weights = (
        k.array("weights|w|coefficients", p.real, (many, width * chunks), R.uniform(0.1, 1.0))
        if "dot" in kinds
        else None
    )
    tile_acc = p.chance(0.35)
    acc: dict[str, Expr] = {}
    for kind in kinds:
        start = {"peak": -1.0e6, "low": 1.0e6}.get(kind, 0.0)
        if tile_acc and kind in ("sum", "sq"):
            acc[kind] = k.var(f"{kind}_acc|partial_{kind}", t.zeros([w], p.real))
        else:
            acc[kind] = k.var(
                {
                    "sum": "total|s",
                    "sq": "sum_sq|energy",
                    "peak": "peak|hi",
                    "low": "lowest|lo",
                    "map": "mapped_sum|score",
                    "custom": "folded|agg",
                    "dot": "dot|weighted",
                }[kind],
                start,
                p.real,
            )
    function = unary(p) if "map" in kinds else None
    op = combine(p) if "custom" in kinds else None
    with k.loop("c|chunk_id|j|part", count) as c:
        chunk = k.let(
            "v|chunk_tile|xt",
            t.load(x[row], [w], [c * w.expr])
            if p.chance(0.6)
            else t.load(x[row], [w], [w.expr * c]),
        )
        for kind in kinds:
            _fold(p, k, t, kind, acc[kind], chunk, function, op, weights, row, w, c)
    _emit(p, k, t, kinds, acc, row, many, width * chunks)


def _fold(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    kind: str,
    acc: Expr,
    v: Expr,
    function: Any,
    op: Any,
    weights: Expr | None,
    row: Expr,
    w: Dim,
    c: Expr,
) -> None:
    if isinstance(acc.type, T.Tile):
        k.aug(acc, "+", v if kind == "sum" else v * v)
        return
    match kind:
        case "sum":
            k.aug(acc, "+", t.total("tile_sum", v)[0])
        case "sq":
            k.aug(
                acc,
                "+",
                (
                    t.total("tile_sum", v * v)
                    if p.chance(0.5)
                    else tile("tile_dot", T.Tile(p.real, (1,)), v, v)
                )[0],
            )
        case "peak":
            k.set(acc, wp.max(acc, t.total("tile_max", v)[0]))
        case "low":
            k.set(acc, wp.min(acc, t.total("tile_min", v)[0]))
        case "map":
            k.aug(acc, "+", t.total("tile_sum", t.map(function, v))[0])
        case "dot":
            assert weights is not None
            k.aug(
                acc,
                "+",
                tile("tile_dot", T.Tile(p.real, (1,)), v, t.load(weights[row], [w], [c * w.expr]))[
                    0
                ],
            )
        case _:
            part = k.let("part|folded_chunk|block_val", t.reduce(op, v)[0])
            k.set(acc, op(acc, part) if not isinstance(op, str) else getattr(wp, op)(acc, part))


def _emit(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    kinds: list[str],
    acc: dict[str, Expr],
    row: Expr,
    many: int,
    length: int,
) -> None:
    final: dict[str, Expr] = {}
    for kind, value in acc.items():
        final[kind] = (
            k.let(f"{kind}_total", t.total("tile_sum", value)[0])
            if isinstance(value.type, T.Tile)
            else value
        )
    names = {
        "sum": "sums|totals|row_sums",
        "sq": "energies|sum_squares|sq_norms",
        "peak": "maxima|peaks|row_max",
        "low": "minima|lows|row_min",
        "map": "scores|mapped_totals|losses",
        "custom": "aggregates|reduced|extremes",
        "dot": "weighted_sums|dots|projections",
    }
    if {"sum", "sq"} <= set(kinds) and p.chance(0.7):
        mean = k.let("mean|mu", final["sum"] / float(length))
        k.set(k.out("means|mu_out", p.real, (many,))[row], mean)
        k.set(
            k.out("variances|var_out", p.real, (many,))[row],
            wp.max(final["sq"] / float(length) - mean * mean, 0.0),
        )
        final = {n: v for n, v in final.items() if n not in ("sum", "sq")}
    for kind, value in final.items():
        k.set(k.out(names[kind], p.real, (many,))[row], value)


def elementwise(p: ProgramBuilder) -> None:
    """Maps over one- and two-dimensional tiles, with a few operands."""
    k, t = open_kernel(
        p,
        "apply_map|elementwise_update|fused_map|tile_map_blocks|pointwise|blend_tiles",
        "Fused element-wise update on tiles.",
        "Pointwise work; each block owns one tile.",
    )
    if p.chance(0.45):
        m, n = (
            t.dim("tile_m|block_m|tile_h", p.pick(4, 8, 16)),
            t.dim("tile_n|block_n|tile_w", p.pick(4, 8, 16)),
        )
        counts = (p.pick(2, 3, 4), p.pick(2, 3, 4))
        i, j = t.launch(["i|ti|block_row", "j|tj|block_col"], counts)
        shape, offset = [m, n], [i * m.expr, j * n.expr]
        full = (counts[0] * m.value, counts[1] * n.value)
    else:
        n = t.dim("tile_size|block|tile|tile_n", p.pick(16, 32, 64))
        count = p.pick(4, 6, 8)
        i = t.launch(["i|block|b|tile_id"], (count,))[0]
        start = k.let("start|base|offset", i * n.expr) if p.chance(0.4) else i * n.expr
        shape, offset, full = [n], [start], (count * n.value - p.pick(0, 0, 3),)
    x = k.var(
        "x|a|u",
        t.load(k.array("a|x_in|field|src", p.real, full, R.uniform(-1.5, 1.5)), shape, offset),
    )
    for what in p.sample(
        ["unary", "binary", "axpy", "scale", "clip", "builtin", "ternary", "cast"], 1, 4
    ):
        _element_step(p, k, t, what, x, shape, offset, full)
    target = k.array("out|dst|result|y_out", p.real, full, R.zeros(), "out")
    if p.chance(0.2):
        t.atomic(target, x, offset)
    else:
        t.store(target, x, offset)


def _element_step(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    what: str,
    x: Expr,
    shape: list[Dim],
    offset: list[Any],
    full: tuple[int, ...],
) -> None:
    def other(hint: str) -> Expr:
        return t.load(k.array(hint, p.real, full, R.uniform(-1.0, 1.0)), shape, offset)

    match what:
        case "unary":
            k.set(x, t.map(unary(p), x))
        case "binary":
            k.set(x, t.map(binary(p), x, other("b|other|y_in|target")))
        case "axpy":
            d = other("direction|grad|p_in|delta")
            alpha = k.param("alpha|step|lr", 0.05, 0.9)
            if p.chance(0.5):
                k.do(tile("tile_axpy", T.VOID, alpha, k.let("d|g|step_tile", d), x))
            else:
                k.set(x, x + d * alpha)
        case "scale":
            k.set(x, x * k.param("scale|gain|factor", 0.3, 2.0))
        case "clip":
            k.set(
                x,
                t.map(
                    "min",
                    t.map("max", x, t.full(shape, -p.pick(0.5, 1.0), p.real)),
                    t.full(shape, p.pick(0.5, 1.0), p.real),
                ),
            )
        case "builtin":
            k.set(
                x,
                t.map(p.pick("add", "mul", "max", "min"), x, other("c|mask_values|limits|factors")),
            )
        case "ternary":
            function = p.func(
                "fma|mul_add|relax|weighted_update",
                {"a|x": p.real, "b|y": p.real, "s|w": p.real},
                lambda b, u, v, s: b.ret(u + s * (v - u) if p.chance(0.5) else u * s + v),
            )
            k.set(
                x,
                t.map(
                    function,
                    x,
                    other("reference|goal|anchor"),
                    k.scalar("weight|rate|omega", p.real, p.pick(0.2, 0.5, 0.8)),
                ),
            )
        case "cast":
            half = k.let(
                "half|xh|low", tile("tile_astype", T.Tile(T.F16, x.type.shape), x, dtype=T.F16)
            )
            k.set(x, tile("tile_astype", x.type, half, dtype=p.real))
