"""Gathers and scatters through index tiles: an intent of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile
from generator.synthesis.categories._tile_functions import combine, unary
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def gather(p: ProgramBuilder) -> None:
    """Rows fetched and scattered through index tiles: embeddings, graph aggregation, permutations."""
    kind = p.pick("embed", "scatter", "permute", "aggregate")
    names = {
        "embed": "embedding_lookup|gather_rows|fetch_features",
        "scatter": "scatter_add_rows|accumulate_rows|segment_add",
        "permute": "permute_rows|reorder_rows|shuffle_blocks",
        "aggregate": "aggregate_neighbors|message_pass|neighbor_mean",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Rows selected by an index tile.",
            "Indexed tile loads; -1 marks padding.",
            "Gather, transform, and write back.",
        ),
    )
    t = Tiling(p, k)
    m, d = (
        t.dim("tile_rows|block_rows|fan_in", p.pick(4, 8)),
        t.dim("feature_dim|dim|width", p.pick(4, 8, 16)),
    )
    blocks, table = p.pick(4, 6, 8), p.pick(20, 32)
    i = t.launch(["i|block|node|chunk"], (blocks,))[0]
    rows = blocks * m.value
    unique = kind == "permute"
    ids = k.array(
        "indices|row_ids|neighbors",
        T.I32,
        (rows,),
        R.permutation()
        if unique
        else R.integers(0, table)
        if kind == "scatter" or p.chance(0.5)
        else R.integers(-1, table),
    )
    index = k.let(
        "idx|ids_tile|rows_tile", t.load(ids, [m], [i * m.expr], True if p.chance(0.5) else None)
    )
    source = k.array(
        "features|table|x",
        p.real,
        (rows if kind in ("scatter", "permute") else table, d.value),
        R.uniform(-1.0, 1.0),
    )
    if kind == "scatter":
        x = k.var("x_tile|v|block_x", t.load(source, [m, d], [i * m.expr, 0]))
    else:
        x = k.var(
            "x_tile|v|picked",
            tile(
                "tile_load_indexed",
                T.Tile(p.real, (m.value, d.value)),
                source,
                **_indexed(p, index),
                shape=(m.expr, d.expr),
                axis=0,
            ),
        )
    for what in p.sample(["map", "scale", "row_weight", "centre"], 0, 2):
        match what:
            case "map":
                k.set(x, t.map(unary(p), x))
            case "scale":
                k.set(x, x * k.param("scale|alpha|gain", 0.2, 2.0))
            case "row_weight":
                w = t.load(
                    k.array("edge_weights|w|coef", p.real, (rows,), R.uniform(0.1, 1.0)),
                    [m],
                    [i * m.expr],
                )
                k.set(x, x * t.column(w, m, d))
            case _:
                k.set(
                    x,
                    x
                    - t.broadcast(
                        t.load(
                            k.array(
                                "center|mean_row|offset", p.real, (d.value,), R.uniform(-0.2, 0.2)
                            ),
                            [d],
                        ),
                        [m, d],
                    ),
                )
    if kind == "embed":
        t.store(k.out("embedded|gathered|out", p.real, (rows, d.value)), x, [i * m.expr, 0])
    elif kind == "scatter":
        acc = k.out("accumulated|sums|grad_table", p.real, (table, d.value))
        k.do(tile("tile_atomic_add_indexed", x.type, acc, index, x, axis=0))
    elif kind == "permute":
        out = k.out("reordered|sorted_rows|out", p.real, (rows, d.value))
        k.do(tile("tile_store_indexed", T.VOID, out, index, x, axis=0))
    else:
        pooled = (
            t.reduce(combine(p), x, 0)
            if p.chance(0.4)
            else t.total("tile_sum", x, 0) * (1.0 / m.value)
        )
        t.store(k.out("aggregated|messages|pooled", p.real, (blocks, d.value))[i], pooled)


def _indexed(p: ProgramBuilder, index: Expr) -> dict[str, Any]:
    return {"indices": index} | ({"offset": (0, 0)} if p.chance(0.3) else {})
