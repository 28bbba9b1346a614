"""Matrix products and attention on tiles: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile
from generator.synthesis.categories._tile_functions import binary, unary
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def matmul(p: ProgramBuilder) -> None:
    """Blocked matrix product with an epilogue."""
    k = p.kernel_builder(
        "tile_gemm|gemm|matmul_tiled|blocked_matmul|linear_forward|gemm_bias_act",
        p.pick(
            "Blocked product; each block of threads owns one output tile.",
            "C = A B with tiles staged through shared memory.",
            "Dense layer on tiles.",
        ),
    )
    t = Tiling(p, k)
    m, n, q = (
        t.dim("tile_m|block_m|bm", p.pick(4, 8)),
        t.dim("tile_n|block_n|bn", p.pick(4, 8)),
        t.dim("tile_k|block_k|bk", p.pick(4, 8)),
    )
    batch = p.pick(2, 3) if p.chance(0.3) else None
    counts, steps = (p.pick(2, 3), p.pick(2, 3)), p.pick(2, 3)
    hints = ["i|bi|row_block", "j|bj|col_block"]
    b = None
    if batch is None:
        i, j = t.launch(hints, counts)
    else:
        b, i, j = t.launch(["b|batch|head", *hints], (batch, *counts))
    rows, cols, inner = counts[0] * m.value, counts[1] * n.value, steps * q.value
    lead = () if batch is None else (batch,)
    tb = p.chance(0.35)
    narrow = p.real == T.F32 and p.chance(0.12)
    dtype = T.F16 if narrow else p.real
    a_all = k.array("A|a|x|lhs", dtype, (*lead, rows, inner), R.uniform(-1.0, 1.0))
    b_all = k.array(
        "B|b_in|weights|rhs",
        dtype,
        (*lead, cols, inner) if tb else (*lead, inner, cols),
        R.uniform(-1.0, 1.0),
    )
    a_at, b_at = (a_all, b_all) if b is None else (a_all[b], b_all[b])
    acc = k.var("acc|c|total", t.zeros([m, n], p.real, shared=p.chance(0.2)))
    count = _steps(p, k, a_all, q, steps, 1 + len(lead))
    with k.loop("s|kk|step|p_", count) as s:
        at = k.let("a_tile|ta|lhs_tile", t.load(a_at, [m, q], [i * m.expr, s * q.expr]))
        if tb:
            bt = k.let("b_tile|tb|rhs_tile", t.load(b_at, [n, q], [j * n.expr, s * q.expr]))
            bt = t.transpose(bt)
        else:
            bt = k.let("b_tile|tb|rhs_tile", t.load(b_at, [q, n], [s * q.expr, j * n.expr]))
        if p.chance(0.25):
            k.aug(
                acc, "+", tile("tile_matmul", T.Tile(p.real, (m.value, n.value)), at, bt)
            ) if not narrow else k.do(tile("tile_matmul", T.VOID, at, bt, acc))
        else:
            k.do(tile("tile_matmul", T.VOID, at, bt, acc))
    for what in p.sample(["alpha", "bias", "activation", "residual", "row_scale"], 0, 3):
        _epilogue(p, k, t, what, acc, m, n, i, j, rows, cols)
    out = k.array("C|c_out|y|out", p.real, (*lead, rows, cols), R.zeros(), "out")
    where = [i * m.expr, j * n.expr]
    t.store(out if b is None else out[b], acc, where)
    if p.chance(0.25):
        norm = k.out("norm_sq|energy|frobenius", p.real, (1,))
        t.atomic(norm, t.total("tile_sum", acc * acc))


def _steps(p: ProgramBuilder, k: KernelBuilder, a: Expr, q: Dim, steps: int, axis: int) -> Operand:
    match p.pick("shape", "let", "arg", "literal"):
        case "shape":
            return a.dim(axis) // q.expr
        case "let":
            return k.let("steps|num_k|k_tiles", a.dim(axis) // q.expr)
        case "arg":
            return k.scalar("num_k|k_tiles|inner_tiles", T.I32, steps)
    return steps


def _epilogue(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    what: str,
    acc: Expr,
    m: Dim,
    n: Dim,
    i: Expr,
    j: Expr,
    rows: int,
    cols: int,
) -> None:
    match what:
        case "alpha":
            k.set(acc, acc * k.param("alpha|scale", 0.2, 2.0))
        case "bias":
            v = t.load(
                k.array("bias|b_row|offsets", p.real, (cols,), R.uniform(-0.5, 0.5)),
                [n],
                [j * n.expr],
            )
            k.aug(
                acc,
                "+",
                t.broadcast(k.let("bias_tile|bt_row|row_bias", v) if p.chance(0.5) else v, [m, n]),
            )
        case "activation":
            k.set(acc, t.map(unary(p), acc))
        case "residual":
            r = t.load(
                k.array("residual|c_in|skip", p.real, (rows, cols), R.uniform(-1.0, 1.0)),
                [m, n],
                [i * m.expr, j * n.expr],
            )
            if p.chance(0.4):
                k.set(acc, t.map(binary(p), acc, r))
            else:
                k.aug(acc, "+", r * k.param("beta|skip_scale", 0.2, 1.0) if p.chance(0.5) else r)
        case _:
            s = t.load(
                k.array("row_scale|scales|d", p.real, (rows,), R.uniform(0.5, 1.5)),
                [m],
                [i * m.expr],
            )
            k.set(acc, acc * t.column(s, m, n))


def attention(p: ProgramBuilder) -> None:
    """Scaled dot-product attention for a tile of queries: scores, softmax, weighted values."""
    p.real = T.F32
    k = p.kernel_builder(
        "attention_tile|scaled_dot_attention|attend|attention_scores|cross_attention",
        p.pick(
            "Attention of a block of queries over all keys.",
            "Scores, softmax and mixing of values for one tile of queries.",
            "Online softmax over tiles of keys.",
        ),
    )
    t = Tiling(p, k)
    m, n, d = (
        t.dim("tile_q|block_q|bq", p.pick(4, 8)),
        t.dim("tile_kv|block_kv|bk", p.pick(8, 16)),
        t.dim("head_dim|dim|d_head", p.pick(4, 8)),
    )
    heads, blocks = p.pick(2, 3), p.pick(2, 3)
    h, i = t.launch(["h|head|bh", "i|q_block|qi"], (heads, blocks))
    rows = blocks * m.value
    online = p.chance(0.4)
    key_blocks = p.pick(2, 3) if online else 1
    q = k.let(
        "q|q_tile|qt",
        t.load(
            k.array("Q|queries|q_in", T.F32, (heads, rows, d.value), R.uniform(-1.0, 1.0))[h],
            [m, d],
            [i * m.expr, 0],
        ),
    )
    keys = k.array(
        "K|keys|k_in", T.F32, (heads, key_blocks * n.value, d.value), R.uniform(-1.0, 1.0)
    )
    values = k.array(
        "V|values|v_in", T.F32, (heads, key_blocks * n.value, d.value), R.uniform(-1.0, 1.0)
    )
    scale = (
        k.param("scale|softmax_scale|inv_sqrt_d", 0.2, 0.5)
        if p.chance(0.6)
        else round(d.value**-0.5, 4)
    )
    out = k.out("out|O|mixed", T.F32, (heads, rows, d.value))
    if online:
        _online(p, k, t, q, keys[h], values[h], scale, m, n, d, i, out[h], key_blocks)
        return
    kt = k.let("k_tile|kt|key_tile", t.load(keys[h], [n, d]))
    s = k.var(
        "s|scores|logits",
        tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), q, t.transpose(kt)) * scale,
    )
    if p.chance(0.4):
        mask = k.array("mask|attn_bias|bias", T.F32, (rows, n.value), R.uniform(-2.0, 0.0))
        k.aug(s, "+", t.load(mask, [m, n], [i * m.expr, 0]))
    if p.chance(0.3):
        cap = k.scalar("cap|soft_cap|logit_cap", T.F32, p.pick(2.0, 5.0))
        k.set(s, t.map("tanh", s * (1.0 / cap)) * cap)
    top = k.let("top|row_max|peak", t.reduce("max", s, 1))
    k.set(s, t.map("exp", s - t.column(top, m, n)))
    z = k.let("z|denom|row_sum", t.total("tile_sum", s, 1))
    k.set(s, s / t.column(z, m, n))
    if p.chance(0.35):
        t.store(
            k.out("weights_out|attn|probs", T.F32, (heads, rows, n.value))[h], s, [i * m.expr, 0]
        )
    vt = k.let("v_tile|vt|value_tile", t.load(values[h], [n, d]))
    o = k.var("o|mix|acc", t.zeros([m, d], T.F32)) if p.chance(0.5) else None
    if o is not None:
        k.do(tile("tile_matmul", T.VOID, s, vt, o))
        t.store(out[h], o, [i * m.expr, 0])
    else:
        t.store(
            out[h], tile("tile_matmul", T.Tile(T.F32, (m.value, d.value)), s, vt), [i * m.expr, 0]
        )


def _online(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    q: Expr,
    keys: Expr,
    values: Expr,
    scale: Any,
    m: Dim,
    n: Dim,
    d: Dim,
    i: Expr,
    out: Expr,
    key_blocks: int,
) -> None:
    top = k.var("top|run_max|peak", t.full([m], -1.0e6, T.F32))
    z = k.var("z|run_sum|denom", t.zeros([m], T.F32))
    o = k.var("o|acc|mix", t.zeros([m, d], T.F32))
    with k.loop(
        "b|kb|block",
        k.scalar("num_key_blocks|kv_blocks", T.I32, key_blocks)
        if p.chance(0.5)
        else keys.dim(0) // n.expr,
    ) as b:
        kt = k.let("k_tile|kt|key_tile", t.load(keys, [n, d], [b * n.expr, 0]))
        s = k.let(
            "s|scores|logits",
            tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), q, t.transpose(kt)) * scale,
        )
        new_top = k.let("new_top|top_b|peak_b", t.map("max", top, t.reduce("max", s, 1)))
        decay = k.let("decay|rescale|corr", t.map("exp", top - new_top))
        w = k.let("w|e|probs", t.map("exp", s - t.column(new_top, m, n)))
        k.set(z, z * decay + t.total("tile_sum", w, 1))
        vt = k.let("v_tile|vt|value_tile", t.load(values, [n, d], [b * n.expr, 0]))
        k.set(
            o,
            o * t.column(decay, m, d)
            + tile("tile_matmul", T.Tile(T.F32, (m.value, d.value)), w, vt),
        )
        k.set(top, new_top)
    t.store(out, o / t.column(z, m, d), [i * m.expr, 0])
