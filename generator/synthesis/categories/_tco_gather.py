"""Gathers and scatters through index tiles: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import Team, gathered, reshape, squeeze, total
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def load_rows(team: Team, source: Expr, index: Expr, shape: list[Dim], axis: int = 0) -> Expr:
    """``wp.tile_load_indexed``."""
    p = team.p
    keywords: dict[str, Any] = {"indices": index} if p.chance(0.6) else {}
    args = [source] if keywords else [source, index]
    if p.chance(0.2):
        keywords["offset"] = (0, 0)
    assert isinstance(source.type, T.Array)
    result = T.Tile(source.type.dtype, tuple(d.value for d in shape))
    return tile(
        "tile_load_indexed",
        result,
        *args,
        shape=tuple(d.expr for d in shape),
        **keywords,
        axis=axis,
    )


def scatter_rows(
    team: Team, name: str, target: Expr, index: Expr, value: Expr, axis: int = 0
) -> None:
    """``wp.tile_store_indexed`` or ``wp.tile_atomic_add_indexed``."""
    k = team.k
    if team.p.chance(0.5):
        k.do(tile(name, T.VOID, target, indices=index, t=value, axis=axis))
    else:
        k.do(tile(name, T.VOID, target, index, value, axis=axis))


def elements(p: ProgramBuilder) -> None:
    """Finite-element style work: gather nodal values of an element, apply its matrix, scatter-add the result."""
    team = Team(
        p, "assemble_elements|element_matvec|apply_element_stiffness|scatter_element_forces|matrix_free_operator",
        ("Element-by-element operator: gather, multiply, scatter.", "One element per block; nodes are shared between elements.", "Matrix-free product with element matrices.", "Adds each element's contribution to its nodes."),
        index="e|elem|element", count=p.pick(6, 8, 12), lane=False,
    )  # fmt: skip
    k, t = team.k, team.t
    m, d = (
        t.dim("nodes_per_elem|num_nodes|npe", p.pick(3, 4, 6, 8)),
        t.dim("num_components|dofs|nc", p.pick(1, 2, 3, 4)),
    )
    nodes = p.pick(20, 30, 40)
    conn = k.array(
        "connectivity|elem_nodes|conn", T.I32, (team.count, m.value), R.integers(0, nodes)
    )
    idx = k.let("idx|nodes|ids", t.load(conn[team.i], [m], None, True if p.chance(0.4) else None))
    u = k.array("u|displacements|nodal_values", p.real, (nodes, d.value), R.uniform(-1.0, 1.0))
    ue = k.var("ue|local|elem_u", load_rows(team, u, idx, [m, d]))
    if p.chance(0.4):
        ref = k.array("u_ref|rest|prescribed", p.real, (nodes, d.value), R.uniform(-0.5, 0.5))
        k.set(ue, ue - load_rows(team, ref, idx, [m, d]))
    form = p.pick("stiffness", "stiffness", "mean", "mass")
    if form == "stiffness":
        ke = k.let(
            "Ke|k_elem|mat",
            t.load(
                k.array(
                    "elem_matrices|Ke_all|stiffness",
                    p.real,
                    (team.count, m.value, m.value),
                    R.spd(0.5, 3.0),
                )[team.i],
                [m, m],
            ),
        )
        fe: Expr = k.let("fe|force|contrib", tile("tile_matmul", ue.type, ke, ue))
    elif form == "mean":
        mean = k.let("mean|centroid|avg", t.total("tile_sum", ue, 0) * round(1.0 / m.value, 6))
        fe = k.let("fe|pull|contrib", t.broadcast(mean, [m, d]) - ue)
    else:
        w = t.load(
            k.array(
                "lumped|node_weights|shares", p.real, (team.count, m.value), R.uniform(0.1, 1.0)
            )[team.i],
            [m],
        )
        fe = k.let("fe|load|contrib", ue * t.column(w, m, d))
    scale = p.pick("none", "density", "param", "flag")
    if scale == "density":
        rho = k.array("density|young|elem_scale", p.real, (team.count,), R.uniform(0.2, 1.5))[
            team.i
        ]
        power = p.pick(1, 3)
        e = k.let("rho|scale_e|se", rho)
        fe = k.let("scaled|fs|fe_s", fe * (e if power == 1 else e * e * e))
    elif scale == "param":
        fe = fe * k.param("stiffness|alpha|factor", 0.5, 5.0)
    if p.chance(0.35):
        k.set(
            k.out("elem_energy|energies|work", p.real, (team.count,))[team.i],
            0.5 * total(t, ue * fe),
        )
    out = k.out("f|residual|nodal_forces|Au", p.real, (nodes, d.value))
    scatter_rows(team, "tile_atomic_add_indexed", out, idx, fe)
    if p.chance(0.3):
        ones = tile("tile_ones", T.Tile(p.real, (m.value, 1)), shape=(m.expr, 1), dtype=p.real)
        scatter_rows(
            team,
            "tile_atomic_add_indexed",
            k.out("valence|multiplicity|node_count", p.real, (nodes, 1)),
            idx,
            ones,
        )


def block_sparse(p: ProgramBuilder) -> None:
    """Block-sparse rows: gather the needed pieces of a vector or matrix, multiply, accumulate."""
    team = Team(
        p, "bsr_spmm|block_sparse_matvec|sparse_rows|gather_matmul|sampled_product",
        ("Block-sparse row times a dense matrix.", "Each block owns one block row.", "Gathers the rows that a sparse row touches.", "Row of a sparse operator in ELL layout; -1 pads."),
        index="row|i|block_row", count=p.pick(4, 6, 8), lane=False,
    )  # fmt: skip
    k, t = team.k, team.t
    m, q, n = (
        t.dim("block_rows|bs|tile_m", p.pick(2, 4)),
        t.dim("row_width|nnz_per_row|fan_in", p.pick(4, 6, 8)),
        t.dim("num_cols|features|width", p.pick(4, 8)),
    )
    size = p.pick(16, 24, 32)
    chunks = p.pick(1, 2, 3)
    by_column = p.chance(0.35)
    cols = k.array(
        "columns|col_ids|neighbors",
        T.I32,
        (team.count, chunks * q.value),
        R.integers(0, size) if p.chance(0.6) else R.padded(0, size, 0.3),
    )
    values = k.array(
        "values|blocks|coefs", p.real, (team.count, m.value, chunks * q.value), R.uniform(-1.0, 1.0)
    )
    dense = k.array(
        "X|dense|features_in",
        p.real,
        (n.value, size) if by_column else (size, n.value),
        R.uniform(-1.0, 1.0),
    )
    acc = k.var("acc|y_tile|total", t.zeros([m, n], p.real))

    def chunk(start: Any) -> None:
        idx = k.let("idx|ids|cols", t.load(cols[team.i], [q], [start]))
        a = k.let("a|vals|block", t.load(values[team.i], [m, q], [0, start]))
        if by_column:
            x = k.let("xt|picked_t|x_cols", load_rows(team, dense, idx, [n, q], 1))
            x = t.transpose(x)
        else:
            x = k.let("x|picked|x_rows", load_rows(team, dense, idx, [q, n]))
        k.do(tile("tile_matmul", T.VOID, a, x, acc)) if p.chance(0.6) else k.aug(
            acc, "+", tile("tile_matmul", acc.type, a, x)
        )

    if chunks == 1:
        chunk(0)
    else:
        with k.loop(
            "c|chunk|s",
            chunks if p.chance(0.5) else k.scalar("num_chunks|chunks_per_row", T.I32, chunks),
        ) as c:
            chunk(c * q.expr)
    if p.chance(0.4):
        diag = t.load(
            k.array(
                "row_scale|inv_diag|degree_norm", p.real, (team.count, m.value), R.uniform(0.3, 1.5)
            )[team.i],
            [m],
        )
        k.set(acc, acc * t.column(diag, m, n))
    if p.chance(0.4):
        bound = p.pick(0.5, 1.0)
        k.set(
            acc,
            t.map(
                p.func(
                    "activate|limit|clip",
                    {"v|x": p.real},
                    lambda b, v: b.ret(
                        wp.max(v, 0.0) if bound < 1.0 else wp.clamp(v, -bound, bound)
                    ),
                ),
                acc,
            ),
        )
    if p.chance(0.4):
        perm = k.array(
            "row_order|output_rows|permutation",
            T.I32,
            (team.count, m.value),
            R.distinct(team.count * m.value, m.value, True),
        )
        target = k.let("target|rows_out|where_to", t.load(perm[team.i], [m]))
        scatter_rows(
            team,
            "tile_store_indexed",
            k.out("Y|result|out", p.real, (team.count * m.value, n.value)),
            target,
            acc,
        )
    else:
        t.store(k.out("Y|result|out", p.real, (team.count, m.value, n.value))[team.i], acc)


def routing(p: ProgramBuilder) -> None:
    """Routing and regrouping of rows: experts, codebooks, sorted orders, boundary columns, ghost cells."""
    kind = p.weighted(
        {"expert": 2.2, "codebook": 3, "reorder": 4, "columns": 2.5, "pooled": 1.5, "halo": 3.5}
    )
    names = {
        "expert": "dispatch_tokens|expert_forward|route_rows", "codebook": "quantise_rows|lookup_codewords|dequantise", "reorder": "permute_tile_rows|sort_rows_by_key|reorder_block",
        "columns": "swap_columns|select_channels|boundary_columns", "pooled": "segment_pool|embedding_bag|pool_rows", "halo": "exchange_ghosts|fill_halo|copy_interface",
    }[kind]  # fmt: skip
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
    flip = p.pick("none", "sign", "scale", "table")
    if flip == "sign":
        v = v * t.broadcast(
            t.load(
                k.array("parity|mirror_sign|signs", p.real, (d.value,), R.uniform(-1.0, 1.0)), [d]
            ),
            [m, d],
        )
    elif flip == "scale":
        v = v * k.param("restitution|transmission|factor", 0.3, 1.0)
    out = k.out("ghosts|halo|state_out", p.real, (cells, d.value))
    if p.chance(0.3):
        old = tile("tile_atomic_add_indexed", v.type, out, recv, v, axis=0)
        t.store(
            k.out("before|previous|replaced", p.real, (team.count, m.value, d.value))[team.i], old
        )
    else:
        scatter_rows(team, "tile_store_indexed", out, recv, v)
