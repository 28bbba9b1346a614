"""Transposes, stencils and block matrices through views: an intent of tile_programs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile
from generator.synthesis.categories._tile_functions import binary, combine, unary
from generator.synthesis.categories._tile_rows import open_kernel
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def reshape_blocks(p: ProgramBuilder) -> None:
    """Transposes, block copies, outer sums and stencils through views of a shared tile."""
    kind = p.pick("transpose", "outer", "halo", "assemble", "flip")
    names = {
        "transpose": "transpose_blocks|tile_transpose_copy",
        "outer": "outer_sum|pairwise_table|outer_product",
        "halo": "box_filter_tile|smooth_with_halo|stencil_tile",
        "assemble": "pack_tiles|concat_tiles|interleave_blocks",
        "flip": "pool_tiles|fold_rows|downsample_blocks",
    }[kind]
    k, t = open_kernel(
        p,
        names,
        "Shared-memory tiles; one block of threads per tile.",
        "Works on views of a tile in shared memory.",
    )
    {"transpose": _transpose, "outer": _outer, "halo": _halo, "assemble": _assemble, "flip": _pool}[
        kind
    ](p, k, t)


def _transpose(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    m, n = (
        t.dim("tile_m|tile_rows|bm", p.pick(4, 8)),
        t.dim("tile_n|tile_cols|bn", p.pick(4, 8, 16)),
    )
    counts = (p.pick(2, 3), p.pick(2, 4))
    i, j = t.launch(["i|row_block|bi", "j|col_block|bj"], counts)
    rows, cols = counts[0] * m.value, counts[1] * n.value
    x = k.let(
        "a|block|t",
        t.load(
            k.array("src|A|matrix", p.real, (rows, cols), R.uniform(-1.0, 1.0)),
            [m, n],
            [i * m.expr, j * n.expr],
        ),
    )
    y: Expr = t.transpose(x)
    if p.chance(0.5):
        y = k.let("at|block_t|flipped", y)
    if p.chance(0.3):
        y = t.map(unary(p), y)
    if p.chance(0.4):
        y = y * k.param("scale|alpha", 0.2, 2.0)
    t.store(k.out("dst|At|transposed", p.real, (cols, rows)), y, [j * n.expr, i * m.expr])
    if p.chance(0.3):
        t.atomic(k.out("checksum|total|trace_sum", p.real, (1,)), t.total("tile_sum", x))


def _outer(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    m, n = t.dim("tile_m|bm|rows", p.pick(4, 8, 16)), t.dim("tile_n|bn|cols", p.pick(8, 16))
    counts = (p.pick(2, 3), p.pick(2, 3))
    i, j = t.launch(["i|bi|row_block", "j|bj|col_block"], counts)
    rows, cols = counts[0] * m.value, counts[1] * n.value
    u = k.let(
        "u|left|a",
        t.load(
            k.array("x|row_values|a_in", p.real, (rows,), R.uniform(-1.0, 1.0)), [m], [i * m.expr]
        ),
    )
    v = k.let(
        "v|right|b",
        t.load(
            k.array("y|col_values|b_in", p.real, (cols,), R.uniform(-1.0, 1.0)), [n], [j * n.expr]
        ),
    )
    a, b = k.let("ub|rows_b|au", t.column(u, m, n)), k.let("vb|cols_b|bv", t.broadcast(v, [m, n]))
    form = p.pick("sum", "product", "difference", "map")
    value = {
        "sum": lambda: a + b,
        "product": lambda: a * b,
        "difference": lambda: a - b,
        "map": lambda: t.map(binary(p), a, b),
    }[form]()
    if p.chance(0.4):
        value = t.map(unary(p), value)
    t.store(k.out("table|pairwise|grid_out", p.real, (rows, cols)), value, [i * m.expr, j * n.expr])


def _halo(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """A stencil over a tile loaded with its border; the borders of neighbours overlap."""
    n, radius = p.pick(4, 8), p.pick(1, 1, 2)
    inner = t.dim("tile|tile_n|block", n)
    padded = t.dim("padded|tile_pad|halo_tile", n + 2 * radius)
    counts = (p.pick(2, 3), p.pick(2, 3))
    i, j = t.launch(["i|bi|ty", "j|bj|tx"], counts)
    shape = (counts[0] * n + 2 * radius, counts[1] * n + 2 * radius)
    x = k.let(
        "x|patch|field_tile",
        t.load(
            k.array("field|image|u", p.real, shape, R.uniform(-1.0, 1.0)),
            [padded, padded],
            [i * inner.expr, j * inner.expr],
            True,
        ),
    )
    acc = k.var("acc|total|s", t.zeros([inner, inner], p.real))
    span = 2 * radius + 1
    weights = (
        k.array("weights|stencil|kernel_weights", p.real, (span, span), R.uniform(0.0, 0.2))
        if p.chance(0.6)
        else None
    )
    plus = p.chance(0.3)
    with k.loop("dy|di|r", span) as dy, k.loop("dx|dj|c", span) as dx:
        if plus:
            with k.when(dy != radius), k.when(dx != radius):
                k.cont()
        view = tile(
            "tile_view", T.Tile(p.real, (n, n)), x, offset=(dy, dx), shape=(inner.expr, inner.expr)
        )
        k.aug(
            acc,
            "+",
            view * weights[dy, dx] if weights is not None else view * round(1.0 / (span * span), 4),
        )
    if p.chance(0.4):
        centre = tile(
            "tile_view",
            T.Tile(p.real, (n, n)),
            x,
            offset=(radius, radius),
            shape=(inner.expr, inner.expr),
        )
        k.set(acc, centre + (acc - centre) * k.param("rate|alpha|strength", 0.1, 0.9))
    t.store(
        k.out("smoothed|out|filtered", p.real, (counts[0] * n, counts[1] * n)),
        acc,
        [i * inner.expr, j * inner.expr],
    )


def _assemble(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """A block matrix put together from smaller tiles."""
    n = t.dim("half|sub|block", p.pick(3, 4, 6))
    full = t.dim("full|order|size", 2 * n.value)
    count = p.pick(4, 6, 8)
    i = t.launch(["i|s|system"], (count,))[0]
    big = k.let("kkt|m|big", t.zeros([full, full], p.real, shared=True))
    a = t.load(
        k.array("hessians|A|upper_left", p.real, (count, n.value, n.value), R.uniform(-1.0, 1.0))[
            i
        ],
        [n, n],
    )
    b = k.let(
        "jt|b|coupling",
        t.load(
            k.array(
                "jacobians|B|off_diagonal", p.real, (count, n.value, n.value), R.uniform(-1.0, 1.0)
            )[i],
            [n, n],
        ),
    )
    k.do(tile("tile_assign", T.VOID, big, a, offset=(0, 0)))
    k.do(tile("tile_assign", T.VOID, big, b, offset=(n.expr, 0)))
    k.do(tile("tile_assign", T.VOID, big, t.transpose(b), offset=(0, n.expr)))
    if p.chance(0.5):
        d = t.full([full], k.param("damping|ridge|reg", 0.01, 0.5), p.real)
        value = tile("tile_diag_add", T.Tile(p.real, (full.value, full.value)), big, d)
    else:
        value = big
    t.store(k.out("systems|kkt_out|assembled", p.real, (count, full.value, full.value))[i], value)


def _pool(p: ProgramBuilder, k: KernelBuilder, t: Tiling) -> None:
    """Reduction along one axis of a tile."""
    m, n = t.dim("tile_m|rows|window", p.pick(4, 8)), t.dim("tile_n|cols|channels", p.pick(8, 16))
    count = p.pick(4, 6, 8)
    i = t.launch(["i|block|w"], (count,))[0]
    x = k.var(
        "x|block_tile|v",
        t.load(
            k.array(
                "values|frames|signal", p.real, (count * m.value, n.value), R.uniform(-1.0, 1.0)
            ),
            [m, n],
            [i * m.expr, 0],
        ),
    )
    if p.chance(0.4):
        k.set(x, t.map(unary(p), x))
    axis = p.pick(0, 1)
    along, left = (m, n) if axis == 0 else (n, m)
    if p.chance(0.5):
        r = k.var("pooled|s|reduced", t.reduce(combine(p), x, axis))
    else:
        r = k.var("pooled|s|reduced", t.total("tile_sum", x, axis))
        if p.chance(0.6):
            k.set(r, r * (1.0 / along.value))
    if p.chance(0.35):
        centred = x - (t.broadcast(r, [m, n]) if axis == 0 else t.column(r, m, n))
        t.store(
            k.out("centered|detail|high_pass", p.real, (count * m.value, n.value)),
            centred,
            [i * m.expr, 0],
        )
    t.store(k.out("pooled_out|means|features", p.real, (count, left.value))[i], r)
