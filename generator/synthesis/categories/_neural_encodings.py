"""Embeddings and encodings: an intent of neural_layers."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import Precision, extent, launch, weights
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def embedding(p: ProgramBuilder) -> None:
    """Token embeddings, positional encodings, rotary rotations, Fourier and hash-grid features."""
    kind = p.weighted(
        {"lookup": 3, "rope": 3, "sinusoid": 2, "fourier": 2, "hash": 2.5, "grad": 1.2}
    )
    names = {
        "lookup": "embed_tokens|embedding_lookup|gather_embeddings",
        "rope": "apply_rope|rotary_embedding|rotate_queries",
        "sinusoid": "sinusoidal_positions|positional_encoding|timestep_embedding",
        "fourier": "fourier_features|encode_position|frequency_encoding",
        "hash": "hash_grid_encode|multires_hash|encode_hash",
        "grad": "embedding_backward|scatter_embedding_grad|accumulate_token_grads",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Feature encoding.",
            "Embeddings of a batch.",
            "One thread per token and channel.",
            "Input encoding of a network.",
        ),
    )
    {
        "lookup": _lookup,
        "rope": _rope,
        "sinusoid": _sinusoid,
        "fourier": _fourier,
        "hash": _hash,
        "grad": _embedding_grad,
    }[kind](p, k)


def _lookup(p: ProgramBuilder, k: KernelBuilder) -> None:
    pr = Precision(p)
    n, vocab, d = p.pick(16, 24, 32), p.pick(20, 40, 64), p.pick(4, 8, 12)
    t, c = launch(k, ["t|token|i", "c|channel|f"], (n, d))
    ids = k.array(
        "token_ids|ids|tokens",
        p.pick(T.I32, T.I32, T.I64),
        (n,),
        R.integers(-1 if p.chance(0.5) else 0, vocab),
    )
    table = weights(p, k, "table|embeddings|weight", pr.stored, (vocab, d))
    tok = k.let(
        "tok|token_id|index", construct(T.I32, ids[t]) if ids.type.dtype == T.I64 else ids[t]
    )  # type: ignore[union-attr]
    out = k.out("out|embedded|hidden", p.real, (n, d))
    pad = k.scalar("padding_idx|pad_id", T.I32, -1) if p.chance(0.4) else None
    with k.when(tok < 0 if pad is None else any_of(tok == pad, tok < 0)):
        k.set(out[t, c], 0.0)
        k.ret()
    value = pr.read(table[tok, c])
    for what in p.sample(["position", "segment", "scale"], 0, 3):
        if what == "position":
            value = (
                value + weights(p, k, "positions|pos_table|pos_embed", p.real, (n, d), 0.2)[t, c]
            )
        elif what == "segment":
            seg = k.array("segments|token_types|type_ids", T.I32, (n,), R.integers(0, 2))
            value = (
                value + weights(p, k, "segment_table|type_embed", p.real, (2, d), 0.2)[seg[t], c]
            )
        else:
            value = value * k.param("scale|embed_scale|sqrt_d", 0.5, 4.0)
    k.set(out[t, c], value)
    if p.chance(0.2):
        with k.when(c == 0):
            k.do(wp.atomic_add(k.out("token_counts|usage|frequency", T.I32, (vocab,)), tok, 1))


def _rope(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, heads, half = p.pick(8, 12, 16), p.pick(2, 3), p.pick(2, 4, 6)
    t, h, c = launch(k, ["t|pos|token", "h|head", "c|pair|i"], (n, heads, half))
    inplace = p.chance(0.6)
    x = k.array(
        "q|x|queries",
        p.real,
        (n, heads, 2 * half),
        R.uniform(-1.0, 1.0),
        "inout" if inplace else "in",
    )
    out = x if inplace else k.out("q_rot|rotated|out", p.real, (n, heads, 2 * half))
    if p.chance(0.5):
        base = k.scalar("theta_base|base|rope_base", p.real, p.pick(100.0, 10000.0))
        freq = k.let("freq|inv_freq|w", wp.pow(base, -construct(p.real, 2 * c) / float(2 * half)))
    else:
        freq = k.array("inv_freq|frequencies|thetas", p.real, (half,), R.uniform(0.01, 1.0))[c]
    position: Expr = t
    if p.chance(0.4):
        position = (
            t + k.scalar("offset|past_length|start_pos", T.I32, p.pick(0, 5, 32))
            if p.chance(0.5)
            else k.array("positions|position_ids", T.I32, (n,), R.integers(0, 64))[t]
        )
    angle = k.let("angle|theta|phi", construct(p.real, position) * freq)
    cs, sn = k.let("cs|cos_t|co", wp.cos(angle)), k.let("sn|sin_t|si", wp.sin(angle))
    a, b = (c, c + half) if p.chance(0.5) else (2 * c, 2 * c + 1)
    u, v = k.let("u|x0|re", x[t, h, a]), k.let("v|x1|im", x[t, h, b])
    if p.chance(0.3):
        partial = k.scalar("rotary_dim|num_rotated|rot_pairs", T.I32, max(half - 1, 1))
        with k.when(c >= partial):
            if not inplace:
                k.set(out[t, h, a], u)
                k.set(out[t, h, b], v)
            k.ret()
    scale = k.param("scale|q_scale|softmax_scale", 0.3, 1.0) if p.chance(0.3) else None
    for slot, value in ((a, u * cs - v * sn), (b, u * sn + v * cs)):
        k.set(out[t, h, slot], value if scale is None else value * scale)


def _sinusoid(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, half = p.pick(12, 16, 24), p.pick(3, 4, 6)
    t, c = launch(k, ["t|pos|step", "c|channel|i"], (n, half))
    base = p.pick(100.0, 1000.0, 10000.0)
    log_base = {100.0: 4.60517, 1000.0: 6.907755, 10000.0: 9.21034}[base]
    freq = k.let(
        "freq|inv_period|w",
        wp.exp(construct(p.real, c) * (-log_base / half))
        if p.chance(0.6)
        else wp.pow(construct(p.real, base), -construct(p.real, c) / float(half)),
    )
    given = p.chance(0.5)
    time = (
        k.array("timesteps|times|positions", p.real, (n,), R.uniform(0.0, 10.0))[t]
        if given
        else construct(p.real, t)
    )
    arg = k.let("arg|angle|phase", time * freq)
    out = k.out("encoding|out|pe", p.real, (n, 2 * half))
    amp = k.param("amplitude|scale|gain", 0.2, 1.0) if p.chance(0.3) else None
    first, second = (c, c + half) if p.chance(0.5) else (2 * c, 2 * c + 1)
    for slot, value in ((first, wp.sin(arg)), (second, wp.cos(arg))):
        value = value if amp is None else amp * value
        if p.chance(0.3):
            k.aug(out[t, slot], "+", value)
        else:
            k.set(out[t, slot], value)


def _fourier(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, levels, dim = p.pick(32, 48), p.pick(3, 4, 6), p.pick(2, 3)
    (i,) = launch(k, ["i|tid|sample"], (n,))
    x = k.let(
        "x|pt|coord", k.array("points|positions|coords", p.vec(dim), (n,), R.uniform(-1.0, 1.0))[i]
    )
    random_b = p.chance(0.45)
    out = k.out("features|encoding|out", p.real, (n, 2 * levels * (1 if random_b else dim)))
    if random_b:
        matrix = k.array("frequencies|B|gaussian_matrix", p.vec(dim), (levels,), R.normal(0.0, 2.0))
        with k.loop("l|f|row", extent(p, k, matrix, 0, levels, "num_freqs|levels|bands")) as f:
            phase = k.let("phase|arg|proj", 6.2831853 * wp.dot(matrix[f], x))
            k.set(out[i, f], wp.sin(phase))
            k.set(out[i, f + levels], wp.cos(phase))
        return
    scale = k.var("freq|scale|band", 3.14159265, p.real)
    window = k.param("window|progress|anneal", 0.5, float(levels)) if p.chance(0.4) else None
    with k.loop(
        "l|level|octave", levels if p.chance(0.4) else k.count("num_levels|octaves|bands", levels)
    ) as level:
        w: Expr | None = None
        if window is not None:
            w = k.let(
                "w|weight|mask",
                0.5
                * (
                    1.0 - wp.cos(3.14159265 * wp.clamp(window - construct(p.real, level), 0.0, 1.0))
                ),
            )
        with k.loop("d|axis|c", dim) as d:
            s = wp.sin(scale * x[d])
            co = wp.cos(scale * x[d])
            slot = k.let("slot|at|col", 2 * (level * dim + d))
            k.set(out[i, slot], s if w is None else w * s)
            k.set(out[i, slot + 1], co if w is None else w * co)
        k.set(scale, scale * 2.0)


def _hash(p: ProgramBuilder, k: KernelBuilder) -> None:
    """Multi-resolution features, bilinear in hashed corner tables."""
    p.real = T.F32
    n, levels, size, width = p.pick(24, 32), p.pick(2, 3, 4), p.pick(64, 128), 2
    i, level = launch(k, ["i|sample|pt", "l|level|res"], (n, levels))
    x = k.let("x|pt|uv", k.array("points|coords|uvs", T.VEC2, (n,), R.uniform(0.0, 1.0))[i])
    table = k.array("table|hash_table|features", T.Vec(width), (levels, size), R.uniform(-1.0, 1.0))
    hashed = _hash_function(p, size)
    res = k.let(
        "res|resolution|cells",
        k.array("resolutions|grid_res", T.I32, (levels,), R.integers(4, 20))[level]
        if p.chance(0.5)
        else construct(
            T.I32,
            k.param("base_res|coarsest", 4.0, 8.0)
            * wp.pow(k.param("growth|level_scale", 1.3, 2.0), construct(T.F32, level)),
        ),
    )
    g = k.let("g|scaled|grid_pos", x * construct(T.F32, res))
    ix, iy = (
        k.let("ix|x0|cx", construct(T.I32, wp.floor(g.x))),
        k.let("iy|y0|cy", construct(T.I32, wp.floor(g.y))),
    )
    fx, fy = k.let("fx|u|tx", g.x - wp.floor(g.x)), k.let("fy|v|ty", g.y - wp.floor(g.y))
    if p.chance(0.4):
        fx, fy = (
            k.let("sx|wx", fx * fx * (3.0 - 2.0 * fx)),
            k.let("sy|wy", fy * fy * (3.0 - 2.0 * fy)),
        )
    acc = k.var("acc|feat|value", construct(T.Vec(width), 0.0))
    with k.loop("dy|b|oy", 2) as dy, k.loop("dx|a|ox", 2) as dx:
        wx, wy = wp.where(dx == 0, 1.0 - fx, fx), wp.where(dy == 0, 1.0 - fy, fy)
        h = k.let("h|slot|entry", hashed(ix + dx, iy + dy))
        k.aug(acc, "+", table[level, h] * (wx * wy))
    if p.chance(0.5):
        k.set(k.out("encoded|features_out|out", T.Vec(width), (n, levels))[i, level], acc)
    else:
        flat = k.out("encoded|features_out|out", T.F32, (n, levels * width))
        for c in range(width):
            k.set(flat[i, level * width + c], acc[c])


def _hash_function(p: ProgramBuilder, size: int) -> Any:
    form = p.pick("xor", "mix")

    def body(b: Block, x: Expr, y: Expr) -> None:
        ux, uy = construct(T.U32, x), construct(T.U32, y)
        if form == "xor":
            h = b.let("h|code|key", ux ^ (uy * N.literal(805459861, T.U32)))
        else:
            h0 = b.let("h0|a", ux * N.literal(73856093, T.U32) + uy * N.literal(19349663, T.U32))
            h = b.let("h|code|key", h0 ^ (h0 >> N.literal(13, T.U32)))
        b.ret(construct(T.I32, h % N.literal(size, T.U32)))

    return p.func(
        "hash_corner|spatial_hash|hash2",
        {"x|i": T.I32, "y|j": T.I32},
        body,
        p.pick("", "Slot of a grid corner."),
    )


def _embedding_grad(p: ProgramBuilder, k: KernelBuilder) -> None:
    n, vocab, d = p.pick(16, 24, 32), p.pick(12, 20), p.pick(4, 8)
    t, c = launch(k, ["t|token|i", "c|channel|f"], (n, d))
    tok = k.let(
        "tok|token_id|index", k.array("token_ids|ids|tokens", T.I32, (n,), R.integers(-1, vocab))[t]
    )
    with k.when(tok < 0 if p.chance(0.5) else tok == -1):
        k.ret()
    g = k.array("grad_out|upstream|d_embed", p.real, (n, d), R.uniform(-1.0, 1.0))[t, c]
    if p.chance(0.5):
        counts = k.array("counts|token_freq", T.I32, (vocab,), R.integers(1, 5))
        g = g / construct(p.real, counts[tok])
    if p.chance(0.3):
        clip = k.param("clip|max_grad", 0.3, 1.0)
        g = wp.clamp(g, -clip, clip)
    out = k.out("grad_table|table_grad|accumulated", p.real, (vocab, d))
    if p.augmented_atomics:
        k.aug(out[tok, c], "+", g)
    else:
        k.do(wp.atomic_add(out, tok, c, g))
