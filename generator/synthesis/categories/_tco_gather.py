"""Gathers and scatters through index tiles: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
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
        p,
        "assemble_elements|element_matvec|apply_element_stiffness|scatter_element_forces|matrix_free_operator",
        (
            "Element-by-element operator: gather, multiply, scatter.",
            "One element per block; nodes are shared between elements.",
            "Matrix-free product with element matrices.",
            "Adds each element's contribution to its nodes.",
        ),
        index="e|elem|element",
        count=p.pick(6, 8, 12),
        lane=False,
    )
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
        p,
        "bsr_spmm|block_sparse_matvec|sparse_rows|gather_matmul|sampled_product",
        (
            "Block-sparse row times a dense matrix.",
            "Each block owns one block row.",
            "Gathers the rows that a sparse row touches.",
            "Row of a sparse operator in ELL layout; -1 pads.",
        ),
        index="row|i|block_row",
        count=p.pick(4, 6, 8),
        lane=False,
    )
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
