"""Routing and regrouping of rows: an intent of tile_collectives."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import Team, gathered, reshape, squeeze, total
from generator.synthesis.categories._tco_gather import load_rows, scatter_rows
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.program import ProgramBuilder


def routing(p: ProgramBuilder) -> None:
    """Routing and regrouping of rows: experts, codebooks, sorted orders, boundary columns, ghost cells."""
    kind = p.weighted(
        {"expert": 2.2, "codebook": 3.5, "reorder": 5, "columns": 2.5, "pooled": 1.5, "halo": 3.5}
    )
    names = {
        "expert": "dispatch_tokens|expert_forward|route_rows",
        "codebook": "quantise_rows|lookup_codewords|dequantise",
        "reorder": "permute_tile_rows|sort_rows_by_key|reorder_block",
        "columns": "swap_columns|select_channels|boundary_columns",
        "pooled": "segment_pool|embedding_bag|pool_rows",
        "halo": "exchange_ghosts|fill_halo|copy_interface",
    }[kind]
    team = Team(
        p,
        names,
        (
            "Rows picked by index tiles.",
            "Gather, work, and write back through indices.",
            "The block's index tile lives in shared memory.",
            "Indices below zero mark padding.",
        ),
        index="b|block|chunk|tile_id",
        count=p.pick(4, 6, 8),
        lane=False,
    )
    {
        "expert": _expert,
        "codebook": _codebook,
        "reorder": _reorder,
        "columns": _columns,
        "pooled": _pooled,
        "halo": _halo,
    }[kind](p, team)


def _sizes(p: ProgramBuilder, team: Team) -> tuple[Dim, Dim]:
    return team.t.dim("tile_rows|rows|bm", p.pick(4, 8)), team.t.dim(
        "width|dim|features", p.pick(4, 8)
    )


def _expert(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = _sizes(p, team)
    n = t.dim("out_dim|hidden|width_out", p.pick(4, 8))
    tokens, experts = p.pick(24, 32), p.pick(2, 3)
    ids = k.array(
        "token_ids|sorted_tokens|routed",
        T.I32,
        (team.count, m.value),
        R.padded(0, tokens, 0.2) if p.chance(0.5) else R.integers(0, tokens),
    )
    x = k.array("tokens|X|activations", p.real, (tokens, d.value), R.uniform(-1.0, 1.0))
    idx = k.let("idx|ids|who", t.load(ids[team.i], [m]))
    xt = k.let("x|xt|rows_tile", load_rows(team, x, idx, [m, d]))
    expert = k.let(
        "expert|e|which",
        k.array("block_expert|expert_ids|owners", T.I32, (team.count,), R.integers(0, experts))[
            team.i
        ],
    )
    w = k.let(
        "w|wt|weight_tile",
        t.load(
            k.array(
                "W|expert_weights|weights",
                p.real,
                (experts, d.value, n.value),
                R.uniform(-1.0, 1.0),
            )[expert],
            [d, n],
        ),
    )
    y = k.var("y|out_tile|h", tile("tile_matmul", T.Tile(p.real, (m.value, n.value)), xt, w))
    if p.chance(0.4):
        bias = t.load(
            k.array("biases|b_in|expert_bias", p.real, (experts, n.value), R.uniform(-0.5, 0.5))[
                expert
            ],
            [n],
        )
        k.set(y, y + t.broadcast(bias, [m, n]))
    if p.chance(0.6):
        gates = t.load(
            k.array(
                "gates|router_weights|scores", p.real, (team.count, m.value), R.uniform(0.1, 1.0)
            )[team.i],
            [m],
        )
        k.set(y, y * t.column(gates, m, n))
    scatter_rows(
        team, "tile_atomic_add_indexed", k.out("Y|combined|out", p.real, (tokens, n.value)), idx, y
    )


def _codebook(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = _sizes(p, team)
    codes = t.dim("num_codes|entries|book_size", p.pick(4, 8, 16))
    books = p.pick(2, 3)
    which = (
        k.let("book_id|which|q", team.i % books)
        if p.chance(0.6)
        else k.array("book_of|codebook_ids", T.I32, (team.count,), R.integers(0, books))[team.i]
    )
    book = k.let(
        "book|words|table",
        t.load(
            k.array(
                "codebooks|centroids|dictionary",
                p.real,
                (books, codes.value, d.value),
                R.uniform(-1.0, 1.0),
            )[which],
            [codes, d],
        ),
    )
    idx = k.let(
        "idx|codes_tile|ids",
        t.load(
            k.array(
                "codes|assignments|labels", T.I32, (team.count, m.value), R.integers(0, codes.value)
            )[team.i],
            [m],
        ),
    )
    picked = k.let("picked|words_m|rows_tile", gathered(book, idx))
    match p.pick("decode", "residual", "error", "scaled"):
        case "decode":
            t.store(
                k.out("decoded|vectors|out", p.real, (team.count, m.value, d.value))[team.i], picked
            )
        case "scaled":
            norm = t.load(
                k.array(
                    "scales|norms|block_scale", p.real, (team.count, m.value), R.uniform(0.3, 2.0)
                )[team.i],
                [m],
            )
            t.store(
                k.out("decoded|vectors|out", p.real, (team.count, m.value, d.value))[team.i],
                picked * t.column(norm, m, d),
            )
        case _ as what:
            x = k.let(
                "x|data|xt",
                t.load(
                    k.array(
                        "X|inputs|vectors_in",
                        p.real,
                        (team.count, m.value, d.value),
                        R.uniform(-1.0, 1.0),
                    )[team.i],
                    [m, d],
                ),
            )
            e = k.let("e|resid|diff", x - picked)
            if what == "residual":
                t.store(
                    k.out("residuals|errors|next_stage", p.real, (team.count, m.value, d.value))[
                        team.i
                    ],
                    e,
                )
            k.set(k.out("distortion|sse|mse", p.real, (team.count,))[team.i], total(t, e * e))


def _reorder(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = _sizes(p, team)
    x = k.let(
        "x|rows_tile|xt",
        t.load(
            k.array(
                "X|rows_in|records", p.real, (team.count, m.value, d.value), R.uniform(-1.0, 1.0)
            )[team.i],
            [m, d],
        ),
    )
    perm = k.let(
        "perm|order|idx",
        t.load(
            k.array("orders|perms|row_order", T.I32, (team.count, m.value), R.permutation())[
                team.i
            ],
            [m],
        ),
    )
    moved = k.var("moved|sorted_rows|y", gathered(x, perm))
    if p.chance(0.4):
        k.set(moved, moved - x if p.chance(0.5) else (moved + x) * 0.5)
    out = k.out("Y|rows_out|reordered", p.real, (team.count, m.value, d.value))
    if p.chance(0.4):
        scatter_rows(team, "tile_store_indexed", out[team.i], perm, moved)
    else:
        t.store(out[team.i], moved)
    if p.chance(0.4):
        head = k.let("head|first|key_col", t.reduce("max", moved, 1))
        k.set(
            k.out("top_row|leader|argmax_out", T.I32, (team.count,))[team.i],
            perm[t.index_of("tile_argmax", head)[0]],
        )


def _columns(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m = t.dim("tile_rows|rows|bm", p.pick(4, 8))
    width = p.pick(4, 8) * p.pick(2, 3)
    c = t.dim("num_selected|channels_out|picked_cols", p.pick(2, 3, 4))
    ids = k.let(
        "cols|channels|idx",
        t.load(
            k.array("channel_ids|selected|columns", T.I32, (c.value,), R.distinct(width, c.value)),
            [c],
        ),
    )
    rows = team.count * m.value
    x = k.array("X|images|samples", p.real, (rows, width), R.uniform(-1.0, 1.0))
    offset = (team.i * m.expr, 0)
    shape = T.Tile(p.real, (m.value, c.value))
    xt = k.var(
        "xt|picked|sub",
        tile(
            "tile_load_indexed",
            shape,
            x,
            indices=ids,
            shape=(m.expr, c.expr),
            offset=offset,
            axis=1,
        ),
    )
    what = p.pick("copy", "normalise", "scale")
    if what == "normalise":
        mean = k.let("mean|mu|row_mean", t.total("tile_sum", xt, 1) * round(1.0 / c.value, 6))
        k.set(xt, xt - t.column(mean, m, c))
    elif what == "scale":
        k.set(
            xt,
            xt
            * t.broadcast(
                t.load(
                    k.array("gains|channel_scale|coef", p.real, (c.value,), R.uniform(0.3, 2.0)),
                    [c],
                ),
                [m, c],
            ),
        )
    if p.chance(0.5):
        k.do(
            tile(
                "tile_store_indexed",
                T.VOID,
                k.out("Y|out|written", p.real, (rows, width)),
                indices=ids,
                t=xt,
                offset=offset,
                axis=1,
            )
        )
    elif p.chance(0.5):
        k.do(
            tile(
                "tile_atomic_add_indexed",
                T.VOID,
                k.out("channel_sums|accumulated|totals", p.real, (1, width)),
                indices=ids,
                t=reshape(t.total("tile_sum", xt, 0), [t.literal(1), c]),
                axis=1,
            )
        )
    else:
        t.store(k.out("Y|out|selected_out", p.real, (rows, c.value)), xt, [team.i * m.expr, 0])


def _pooled(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = _sizes(p, team)
    table, one = p.pick(16, 24, 40), t.literal(1)
    idx = k.let(
        "idx|members|ids",
        t.load(
            k.array(
                "bags|member_ids|neighbors",
                T.I32,
                (team.count, m.value),
                R.padded(0, table, 0.3) if p.chance(0.5) else R.integers(0, table),
            )[team.i],
            [m],
        ),
    )
    rows = k.let(
        "rows_tile|vecs|picked",
        load_rows(
            team,
            k.array("table|embeddings|features", p.real, (table, d.value), R.uniform(-1.0, 1.0)),
            idx,
            [m, d],
        ),
    )
    if p.chance(0.5):
        weights = tile("tile_ones", T.Tile(p.real, (1, m.value)), shape=(1, m.expr), dtype=p.real)
        if p.chance(0.5):
            weights = t.load(
                k.array(
                    "weights|attention|coefs", p.real, (team.count, m.value), R.uniform(0.1, 1.0)
                ),
                [one, m],
                [team.i, 0],
            )
        pooled = k.let(
            "pooled|bag|mix",
            tile(
                "tile_matmul", T.Tile(p.real, (1, d.value)), k.let("w|ones|sum_row", weights), rows
            ),
        )
        flat = squeeze(pooled, None if p.chance(0.5) else 0)
    else:
        flat = (
            t.total("tile_sum", rows, 0)
            if p.chance(0.4)
            else t.reduce(p.pick("max", "min"), rows, 0)
        )
    flat = k.let("flat|vec_out|bag_vec", flat * round(1.0 / m.value, 6) if p.chance(0.4) else flat)
    t.store(k.out("pooled_out|bag_vectors|aggregated", p.real, (team.count, d.value))[team.i], flat)
    if p.chance(0.3):
        k.set(
            k.out("norms|bag_norms|lengths", p.real, (team.count,))[team.i],
            wp.sqrt(tile("tile_dot", T.Tile(p.real, (1,)), flat, flat)[0]),
        )


def _halo(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = _sizes(p, team)
    cells = team.count * m.value * 2
    send = k.let(
        "send|src_ids|from_ids",
        t.load(
            k.array(
                "send_ids|owner_cells|sources", T.I32, (team.count, m.value), R.integers(0, cells)
            )[team.i],
            [m],
        ),
    )
    recv = k.let(
        "recv|dst_ids|to_ids",
        t.load(
            k.array(
                "recv_ids|ghost_cells|targets",
                T.I32,
                (team.count, m.value),
                R.distinct(cells, m.value, True),
            )[team.i],
            [m],
        ),
    )
    x = k.array("state|cell_values|fields", p.real, (cells, d.value), R.uniform(-1.0, 1.0))
    v = k.let("v|interface|vals", load_rows(team, x, send, [m, d]))
    if p.chance(0.4):
        far = k.array(
            "far_field|outer_state|inflow", p.real, (cells, d.value), R.uniform(-1.0, 1.0)
        )
        blend = k.param("blend|mix|sponge", 0.1, 0.6)
        v = k.let(
            "mixed|blended|vb", v * (1.0 - blend) + load_rows(team, far, recv, [m, d]) * blend
        )
    flip = p.pick("none", "sign", "scale", "weights")
    if flip == "sign":
        v = v * t.broadcast(
            t.load(
                k.array("parity|mirror_sign|signs", p.real, (d.value,), R.uniform(-1.0, 1.0)), [d]
            ),
            [m, d],
        )
    elif flip == "scale":
        v = v * k.param("restitution|transmission|factor", 0.3, 1.0)
    elif flip == "weights":
        areas = k.array(
            "face_areas|interface_weights|fractions",
            p.real,
            (team.count, m.value),
            R.uniform(0.2, 1.0),
        )
        v = v * t.column(t.load(areas[team.i], [m]), m, d)
    out = k.out("ghosts|halo|state_out", p.real, (cells, d.value))
    if p.chance(0.3):
        old = tile("tile_atomic_add_indexed", v.type, out, recv, v, axis=0)
        t.store(
            k.out("before|previous|replaced", p.real, (team.count, m.value, d.value))[team.i], old
        )
    else:
        scatter_rows(team, "tile_store_indexed", out, recv, v)
