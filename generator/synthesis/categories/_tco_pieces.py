"""Work on slices and views of tiles: an intent of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import Team, cut, reshape, squeeze, total
from generator.synthesis.categories._tla_blocks import tile_piece
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def pieces(p: ProgramBuilder) -> None:
    """Pieces of tiles: stencils by slicing a haloed tile, concatenation into uninitialised tiles, views and batches."""
    kind = p.weighted({"stencil": 3, "line": 2.5, "concat": 6, "batch": 4})
    names = {
        "stencil": "tile_laplacian|diffuse_tile|stencil_block|gradient_block",
        "line": "line_flux|row_differences|upwind_line|smooth_line",
        "concat": "concat_rows|assemble_state|stack_features|join_blocks",
        "batch": "normalise_slices|batch_rows|flatten_patches|channel_means",
    }[kind]
    team = Team(
        p,
        names,
        (
            "Works on slices of a staged tile.",
            "Shared tile with a halo, addressed by slices.",
            "Views and slices instead of index arithmetic.",
            "One tile per block, cut into pieces.",
        ),
        index="b|block|row|patch",
        lane=False,
        count=p.pick(3, 4, 6),
    )
    {"stencil": _stencil, "line": _line, "concat": _concat, "batch": _batch}[kind](p, team)


def _stencil(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n, m = p.pick(6, 8, 10), p.pick(6, 8, 10)
    rows, cols = (
        t.dim("halo_rows|tile_h|padded_h", n + 2),
        t.dim("halo_cols|tile_w|padded_w", m + 2),
    )
    helper = p.chance(0.4)
    u = k.let(
        "u|padded|src",
        t.load(
            k.array("fields|images|u_in", p.real, (team.count, n + 2, m + 2), R.uniform(0.0, 1.0))[
                team.i
            ],
            [rows, cols],
            None,
            True if helper or p.chance(0.5) else None,
        ),
    )
    up, down = (None, -2), (2, None)
    mid = (1, -1) if p.chance(0.5) else (1, n + 1)
    midc = (1, -1) if mid[1] == -1 else (1, m + 1)
    mid = (1, n + 1) if mid[1] != -1 else mid
    core = cut(u, mid, midc)
    north, south, west, east = (
        cut(u, up, midc),
        cut(u, down, midc),
        cut(u, mid, up),
        cut(u, mid, down),
    )
    kind = p.pick("laplace", "gradient", "blur", "sharpen", "residual")
    if p.chance(0.5) and kind in ("blur", "sharpen"):
        core = k.let("core|centre|c", core)
    if kind in ("laplace", "residual"):

        def five_point(b: Any, w: Expr) -> Expr:
            around = cut(w, up, midc) + cut(w, down, midc) + cut(w, mid, up) + cut(w, mid, down)
            return around - cut(w, mid, midc) * 4.0

        if helper:
            lap = k.let(
                "lap|stencil|l",
                tile_piece(p, k, "laplacian|five_point|stencil_of", {"u|w": u}, five_point, 1.0),
            )
        else:
            lap = k.let("lap|stencil|l", north + south + west + east - core * 4.0)
        if kind == "residual":
            f = t.load(
                k.array("rhs|sources|f", p.real, (team.count, n, m), R.uniform(-1.0, 1.0))[team.i],
                [t.literal(n), t.literal(m)],
            )
            value = f - lap * k.param("inv_h2|scale|stiffness", 0.5, 4.0)
        else:
            value = core + lap * k.param("alpha|nu_dt|diffusion", 0.02, 0.24)
    elif kind == "gradient":
        gy, gx = (
            k.let("gy|dy|vert", (south - north) * 0.5),
            k.let("gx|dx|horiz", (east - west) * 0.5),
        )
        mag = p.func(
            "magnitude|edge_strength|slope",
            {"a|gx": p.real, "b|gy": p.real},
            lambda b, x, y: b.ret(
                wp.sqrt(x * x + y * y) if p.chance(0.6) else wp.abs(x) + wp.abs(y)
            ),
        )
        value = t.map(mag, gx, gy)
    elif kind == "blur":
        value = (north + south + west + east) * 0.125 + core * 0.5
        if p.chance(0.5):
            corners = k.let(
                "corners|diag|diagonals",
                cut(u, up, up) + cut(u, up, down) + cut(u, down, up) + cut(u, down, down),
            )
            value = corners * 0.0625 + (north + south + west + east) * 0.125 + core * 0.25
    else:
        value = (
            core * (1.0 + 4.0 * (a := p.pick(0.1, 0.25, 0.5))) - (north + south + west + east) * a
        )
    value = k.let("value|out_t|next_u", value)
    t.store(k.out("out|fields_out|result", p.real, (team.count, n, m))[team.i], value)
    if p.chance(0.35):
        k.set(
            k.out("change_sq|norms|activity", p.real, (team.count,))[team.i],
            tile("tile_dot", T.Tile(p.real, (1,)), value, value)[0],
        )


def _line(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n = p.pick(16, 24, 32)
    length = t.dim("row_len|cells|n", n)
    x = k.let(
        "x|row_t|u",
        t.load(
            k.array("rows|profiles|u_in", p.real, (team.count, n), R.uniform(0.1, 1.0))[team.i],
            [length],
            None,
            True if p.chance(0.5) else None,
        ),
    )
    kind = p.pick("difference", "upwind", "smooth", "pairs", "second")
    if kind == "difference":
        d = cut(x, (1, None)) - cut(x, (None, -1))
        value, out_n = d * k.param("inv_dx|scale|rate", 1.0, 10.0), n - 1
    elif kind == "upwind":
        f = k.let(
            "flux|f|q", x * x * 0.5 if p.chance(0.5) else x * k.param("speed|velocity|c", 0.2, 2.0)
        )
        value, out_n = (
            cut(x, (1, None))
            - (cut(f, (1, None)) - cut(f, (None, -1))) * k.param("dt_dx|courant|ratio", 0.05, 0.3),
            n - 1,
        )
    elif kind == "smooth":
        a = p.pick(0.1, 0.25)
        value, out_n = (
            cut(x, (1, -1)) * (1.0 - 2.0 * a) + (cut(x, (None, -2)) + cut(x, (2, None))) * a,
            n - 2,
        )
    elif kind == "second":
        c = k.let("inner_x|core|c", cut(x, (1, -1)))
        value, out_n = cut(x, (2, None)) - c * 2.0 + cut(x, (None, -2)), n - 2
    else:
        half = n // 2
        value, out_n = (
            t.map(p.pick("max", "min", "mul"), cut(x, (None, half)), cut(x, (half, None))),
            half,
        )
    value = k.let("value|d|out_t", value)
    t.store(k.out("out|rows_out|derivative", p.real, (team.count, out_n))[team.i], value)
    if p.chance(0.5):
        top = (
            t.total("tile_max", t.map("abs", value))[0]
            if p.chance(0.6)
            else total(t, value * value)
        )
        k.set(k.out("largest|variation|row_stat", p.real, (team.count,))[team.i], top)


def _concat(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    two = p.chance(0.5)
    d = t.dim("width|dim|cols", p.pick(4, 8)) if two else None
    parts = [p.pick(2, 4, 8) for _ in range(p.pick(2, 2, 3))]
    size = t.dim("total_len|joined|state_len", sum(parts))
    shape = [size] if d is None else [size, d]
    y = k.let("y|joined_t|state", team.shared(shape, p.real, "tile_empty"))
    words = p.shuffled(
        [
            "positions|pos_part|head",
            "velocities|vel_part|middle",
            "context|ctx_part|tail",
            "controls|input_part|extra",
        ]
    )
    at = 0
    for width, hint in zip(parts, words, strict=False):
        piece = [t.literal(width)] if d is None else [t.literal(width), d]
        x = t.load(
            k.array(hint, p.real, (team.count, *(s.value for s in piece)), R.uniform(-1.0, 1.0))[
                team.i
            ],
            piece,
        )
        if p.chance(0.3):
            x = x * k.param("scale|gain|weight", 0.2, 2.0)
        if p.chance(0.5):
            offset = (at,) if d is None else (at, 0)
            k.do(
                tile(
                    "tile_assign",
                    T.VOID,
                    y,
                    k.let("part|piece_t|x", x) if p.chance(0.4) else x,
                    offset=offset,
                )
            )
        else:
            span = (
                [(at or None, at + width)]
                if d is None
                else [(at or None, at + width), (None, None)]
            )
            k.set(cut(y, *span), x)
        at += width
    result: Expr = y
    after = (
        p.pick("none", "matmul", "norm", "ones")
        if d is not None
        else p.pick("none", "norm", "matvec")
    )
    if after == "matmul" and d is not None:
        n = t.dim("out_dim|hidden|n_out", p.pick(2, 4))
        w = t.load(
            k.array("W|weights|mixing", p.real, (d.value, n.value), R.uniform(-1.0, 1.0)), [d, n]
        )
        result = k.let(
            "h|mixed|z", tile("tile_matmul", T.Tile(p.real, (size.value, n.value)), y, w)
        )
    elif after == "matvec":
        n = t.dim("num_out|rows|n_out", p.pick(2, 4))
        w = t.load(
            k.array("W|weights|gain_matrix", p.real, (n.value, size.value), R.uniform(-1.0, 1.0)),
            [n, size],
        )
        h = k.let(
            "h|mixed|z",
            tile("tile_matmul", T.Tile(p.real, (n.value, 1)), w, reshape(y, [size, t.literal(1)])),
        )
        result = squeeze(h, 1 if p.chance(0.5) else None)
    elif after == "norm":
        norm = k.let("norm|len|size", wp.sqrt(tile("tile_dot", T.Tile(p.real, (1,)), y, y)[0]))
        result = y * (1.0 / norm)
    elif after == "ones":
        row = k.let(
            "ones|summer|row_ones",
            tile("tile_ones", T.Tile(p.real, (1, size.value)), shape=(1, size.expr), dtype=p.real),
        )
        result = k.let(
            "col_sum|pooled|sums",
            tile("tile_matmul", T.Tile(p.real, (1, d.value if d else 1)), row, y),
        )
    assert isinstance(result.type, T.Tile)
    t.store(k.out("joined|out|state_out", p.real, (team.count, *result.type.shape))[team.i], result)


def _batch(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, n, one = (
        t.dim("rows|patch_h|tile_m", p.pick(2, 4)),
        t.dim("cols|patch_w|tile_n", p.pick(4, 8)),
        t.literal(1),
    )
    x3 = k.let(
        "x3|slab|block_t",
        t.load(
            k.array(
                "batch|volumes|stacks", p.real, (team.count, m.value, n.value), R.uniform(-1.0, 1.0)
            ),
            [one, m, n],
            [team.i, 0, 0],
            True if p.chance(0.5) else None,
        ),
    )
    x = k.let("x|plane|page", squeeze(x3, p.pick(None, 0, 0)))
    kind = p.pick("flatten", "centre", "rows", "outer", "matmul")
    numel = m.value * n.value
    flat = [
        t.dim("flat_len|numel|patch_size", numel)
        if kind in ("flatten", "outer")
        else t.literal(numel)
    ]
    if kind == "flatten":
        v = k.let("v|flat|vec_t", reshape(x, flat))
        if p.chance(0.5):
            v = (
                k.let("cum|running|prefix", tile("tile_scan_inclusive", v.type, v))
                if p.real == T.F32
                else v * 0.5
            )
        t.store(k.out("flat_out|vectors|patches", p.real, (team.count, flat[0].value))[team.i], v)
    elif kind == "centre":
        mean = k.let("mean|mu|avg", t.total("tile_sum", x)[0] * round(1.0 / flat[0].value, 6))
        y = k.let("y|centred|dev", x - t.full([m, n], mean, p.real))
        var = k.let(
            "var|power|ms",
            tile("tile_dot", T.Tile(p.real, (1,)), y, y)[0] * round(1.0 / flat[0].value, 6),
        )
        t.store(
            k.out("out|normalised|whitened", p.real, (team.count, m.value, n.value))[team.i],
            y * (1.0 / wp.sqrt(var + 1.0e-5)),
        )
    elif kind == "rows":
        ones = k.let(
            "ones|summer|w1",
            tile("tile_ones", T.Tile(p.real, (n.value, 1)), shape=(n.expr, 1), dtype=p.real),
        )
        s = k.let("s|row_sums|proj", tile("tile_matmul", T.Tile(p.real, (m.value, 1)), x, ones))
        t.store(
            k.out("row_sums_out|means_out|profile", p.real, (team.count, m.value))[team.i],
            squeeze(s, p.pick(None, 1)) * round(1.0 / n.value, 6)
            if p.chance(0.6)
            else squeeze(s, p.pick(None, 1)),
        )
    elif kind == "outer":
        v = k.let("v|flat|vec_t", reshape(x, flat))
        r = k.let(
            "pairs|grouped|halves",
            reshape(v, [t.literal(m.value * n.value // 2), t.literal(2)], p.chance(0.4)),
        )
        t.store(
            k.out("pair_sums|downsampled|coarse", p.real, (team.count, flat[0].value // 2))[team.i],
            t.total("tile_sum", r, 1) * (0.5 if p.chance(0.6) else 1.0),
        )
    else:
        g = k.let(
            "g|gram|style",
            tile("tile_matmul", T.Tile(p.real, (m.value, m.value)), x, t.transpose(x)),
        )
        t.store(
            k.out("grams|correlations|out", p.real, (team.count, m.value, m.value))[team.i],
            g * round(1.0 / n.value, 6),
        )
