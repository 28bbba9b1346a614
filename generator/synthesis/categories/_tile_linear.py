"""Matrix products, factorisations and transforms on tiles: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling, binary, unary
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def matmul(p: ProgramBuilder) -> None:
    """Blocked matrix product with an epilogue."""
    k = p.kernel_builder(
        "tile_gemm|gemm|matmul_tiled|blocked_matmul|linear_forward|gemm_bias_act",
        p.pick("Blocked product; each block of threads owns one output tile.", "C = A B with tiles staged through shared memory.", "Dense layer on tiles."),
    )
    t = Tiling(p, k)
    m, n, q = t.dim("tile_m|block_m|bm", p.pick(4, 8)), t.dim("tile_n|block_n|bn", p.pick(4, 8)), t.dim("tile_k|block_k|bk", p.pick(4, 8))
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
    b_all = k.array("B|b_in|weights|rhs", dtype, (*lead, cols, inner) if tb else (*lead, inner, cols), R.uniform(-1.0, 1.0))
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
            k.aug(acc, "+", tile("tile_matmul", T.Tile(p.real, (m.value, n.value)), at, bt)) if not narrow else k.do(tile("tile_matmul", T.VOID, at, bt, acc))
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


def _epilogue(p: ProgramBuilder, k: KernelBuilder, t: Tiling, what: str, acc: Expr, m: Dim, n: Dim, i: Expr, j: Expr, rows: int, cols: int) -> None:
    match what:
        case "alpha":
            k.set(acc, acc * k.param("alpha|scale", 0.2, 2.0))
        case "bias":
            v = t.load(k.array("bias|b_row|offsets", p.real, (cols,), R.uniform(-0.5, 0.5)), [n], [j * n.expr])
            k.aug(acc, "+", t.broadcast(k.let("bias_tile|bt_row|row_bias", v) if p.chance(0.5) else v, [m, n]))
        case "activation":
            k.set(acc, t.map(unary(p), acc))
        case "residual":
            r = t.load(k.array("residual|c_in|skip", p.real, (rows, cols), R.uniform(-1.0, 1.0)), [m, n], [i * m.expr, j * n.expr])
            if p.chance(0.4):
                k.set(acc, t.map(binary(p), acc, r))
            else:
                k.aug(acc, "+", r * k.param("beta|skip_scale", 0.2, 1.0) if p.chance(0.5) else r)
        case _:
            s = t.load(k.array("row_scale|scales|d", p.real, (rows,), R.uniform(0.5, 1.5)), [m], [i * m.expr])
            k.set(acc, acc * t.column(s, m, n))


def attention(p: ProgramBuilder) -> None:
    """Scaled dot-product attention for a tile of queries: scores, softmax, weighted values."""
    p.real = T.F32
    k = p.kernel_builder("attention_tile|scaled_dot_attention|attend|attention_scores|cross_attention", p.pick("Attention of a block of queries over all keys.", "Scores, softmax and mixing of values for one tile of queries.", "Online softmax over tiles of keys."))
    t = Tiling(p, k)
    m, n, d = t.dim("tile_q|block_q|bq", p.pick(4, 8)), t.dim("tile_kv|block_kv|bk", p.pick(8, 16)), t.dim("head_dim|dim|d_head", p.pick(4, 8))
    heads, blocks = p.pick(2, 3), p.pick(2, 3)
    h, i = t.launch(["h|head|bh", "i|q_block|qi"], (heads, blocks))
    rows = blocks * m.value
    online = p.chance(0.4)
    key_blocks = p.pick(2, 3) if online else 1
    q = k.let("q|q_tile|qt", t.load(k.array("Q|queries|q_in", T.F32, (heads, rows, d.value), R.uniform(-1.0, 1.0))[h], [m, d], [i * m.expr, 0]))
    keys = k.array("K|keys|k_in", T.F32, (heads, key_blocks * n.value, d.value), R.uniform(-1.0, 1.0))
    values = k.array("V|values|v_in", T.F32, (heads, key_blocks * n.value, d.value), R.uniform(-1.0, 1.0))
    scale = k.param("scale|softmax_scale|inv_sqrt_d", 0.2, 0.5) if p.chance(0.6) else round(d.value**-0.5, 4)
    out = k.out("out|O|mixed", T.F32, (heads, rows, d.value))
    if online:
        _online(p, k, t, q, keys[h], values[h], scale, m, n, d, i, out[h], key_blocks)
        return
    kt = k.let("k_tile|kt|key_tile", t.load(keys[h], [n, d]))
    s = k.var("s|scores|logits", tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), q, t.transpose(kt)) * scale)
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
        t.store(k.out("weights_out|attn|probs", T.F32, (heads, rows, n.value))[h], s, [i * m.expr, 0])
    vt = k.let("v_tile|vt|value_tile", t.load(values[h], [n, d]))
    o = k.var("o|mix|acc", t.zeros([m, d], T.F32)) if p.chance(0.5) else None
    if o is not None:
        k.do(tile("tile_matmul", T.VOID, s, vt, o))
        t.store(out[h], o, [i * m.expr, 0])
    else:
        t.store(out[h], tile("tile_matmul", T.Tile(T.F32, (m.value, d.value)), s, vt), [i * m.expr, 0])


def _online(p: ProgramBuilder, k: KernelBuilder, t: Tiling, q: Expr, keys: Expr, values: Expr, scale: Any, m: Dim, n: Dim, d: Dim, i: Expr, out: Expr, key_blocks: int) -> None:
    top = k.var("top|run_max|peak", t.full([m], -1.0e6, T.F32))
    z = k.var("z|run_sum|denom", t.zeros([m], T.F32))
    o = k.var("o|acc|mix", t.zeros([m, d], T.F32))
    with k.loop("b|kb|block", k.scalar("num_key_blocks|kv_blocks", T.I32, key_blocks) if p.chance(0.5) else keys.dim(0) // n.expr) as b:
        kt = k.let("k_tile|kt|key_tile", t.load(keys, [n, d], [b * n.expr, 0]))
        s = k.let("s|scores|logits", tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), q, t.transpose(kt)) * scale)
        new_top = k.let("new_top|top_b|peak_b", t.map("max", top, t.reduce("max", s, 1)))
        decay = k.let("decay|rescale|corr", t.map("exp", top - new_top))
        w = k.let("w|e|probs", t.map("exp", s - t.column(new_top, m, n)))
        k.set(z, z * decay + t.total("tile_sum", w, 1))
        vt = k.let("v_tile|vt|value_tile", t.load(values, [n, d], [b * n.expr, 0]))
        k.set(o, o * t.column(decay, m, d) + tile("tile_matmul", T.Tile(T.F32, (m.value, d.value)), w, vt))
        k.set(top, new_top * 1.0)
    t.store(out, o / t.column(z, m, d), [i * m.expr, 0])


def solve(p: ProgramBuilder) -> None:
    """Cholesky factorisation and solves of one system per block."""
    k = p.kernel_builder(
        "solve_spd_tile|cholesky_solve_tile|factor_and_solve|newton_step_tile|block_cholesky|solve_envs",
        p.pick("One dense system per block, factored in shared memory.", "Damped Newton step; the matrix stays on chip.", "Cholesky factorisation of one block per environment."),
    )
    t = Tiling(p, k)
    n = t.dim("n|order|num_dofs|nv|size", p.pick(4, 6, 8, 12))
    count = p.pick(4, 6, 8)
    i = t.launch(["i|env|worldid|s|system"], (count,))[0]
    sq = T.Tile(p.real, (n.value, n.value))
    many = t.dim("num_rhs|nrhs|cols", p.pick(2, 4)) if p.chance(0.25) else None
    rhs_shape = [n] if many is None else [n, many]
    if p.chance(0.25):
        flags = k.array("active|env_mask|enabled", T.I32, (count,), R.mask(0.75))
        with k.when(flags[i] == 0):
            k.ret()
    a: Expr = k.let("a|m|h|hess", t.load(k.array("A|hessians|mass_matrices|systems", p.real, (count, n.value, n.value), R.spd(1.0, 5.0))[i], [n, n], None, True if p.chance(0.6) else None))
    match p.pick("none", "none", "diag", "damped", "gram"):
        case "diag":
            d = t.load(k.array("damping|diag|armature", p.real, (count, n.value), R.uniform(0.05, 0.5))[i], [n])
            a = k.let("a_reg|h_reg|shifted", tile("tile_diag_add", sq, a, d))
        case "damped":
            a = k.let("a_reg|h_reg|shifted", tile("tile_diag_add", sq, a, t.full([n], k.param("lam|ridge|damping", 0.01, 0.5), p.real)))
        case "gram":
            j = t.dim("num_rows|m|nrow", p.pick(3, 5))
            jac = k.let("j|jac|jt", t.load(k.array("J|jacobians|rows", p.real, (count, j.value, n.value), R.uniform(-1.0, 1.0))[i], [j, n]))
            a = k.let("a_reg|h_total|kkt", a + tile("tile_matmul", sq, t.transpose(jac), jac) * k.param("weight|penalty|rho", 0.1, 2.0))
    b = k.let("b|g|rhs_tile", t.load(k.array("rhs|gradients|forces", p.real, (count, *(s.value for s in rhs_shape)), R.uniform(-1.0, 1.0))[i], rhs_shape, None, True if p.chance(0.3) else None))
    x = _solved(p, k, t, a, b, n)
    out = k.out("x|solutions|steps|accelerations", p.real, (count, *(s.value for s in rhs_shape)))[i]
    match p.pick("plain", "plain", "negated", "scaled", "relaxed"):
        case "negated":
            x = -x
        case "scaled":
            x = x * k.param("step_size|alpha|relax", 0.2, 1.0)
        case "relaxed" if many is None:
            x0 = t.load(k.array("x0|warm_start|state", p.real, (count, n.value), R.uniform(-1.0, 1.0))[i], [n])
            x = x0 + x * k.param("omega|alpha|relax", 0.2, 1.0)
    t.store(out, x)


def _solved(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim) -> Expr:
    upper = {"fill_mode": "upper"} if p.chance(0.12) else {}
    match p.pick("solve", "solve", "inplace", "two", "two_inplace"):
        case "solve":
            low = k.let("L|low|chol", tile("tile_cholesky", a.type, a, **upper))
            x = k.let("sol|xs|step_tile", tile("tile_cholesky_solve", b.type, low, b, **upper))
            if p.chance(0.3):
                r = k.let("r|res|defect", b - tile("tile_matmul", b.type, a, x)) if len(b.type.shape) == 2 else None  # type: ignore[union-attr]
                if r is not None:
                    x = k.let("refined|x1|xr", x + tile("tile_cholesky_solve", b.type, low, r, **upper))
            return x
        case "inplace":
            k.options["enable_backward"] = False
            k.do(tile("tile_cholesky_inplace", T.VOID, a, **upper))
            k.do(tile("tile_cholesky_solve_inplace", T.VOID, a, b, **upper))
            return b
        case "two":
            low = k.let("L|low|chol", tile("tile_cholesky", a.type, a))
            y = k.let("y|z|half", tile("tile_lower_solve", b.type, low, b))
            if p.chance(0.4):
                k.do(tile("tile_atomic_add", b.type, k.out("decrement|lambda_sq|energy", p.real, (1,)), t.total("tile_sum", y * y)))
            return k.let("sol|xs|step_tile", tile("tile_upper_solve", b.type, t.transpose(low), y))
    k.options["enable_backward"] = False
    low = k.let("L|low|chol", tile("tile_cholesky", a.type, a))
    k.do(tile("tile_lower_solve_inplace", T.VOID, low, b))
    k.do(tile("tile_upper_solve_inplace", T.VOID, t.transpose(low), b))
    return b


def iterate(p: ProgramBuilder) -> None:
    """Iterations of a solver that stay inside one block: conjugate gradients, Richardson, power iteration."""
    kind = p.weighted({"cg": 4, "richardson": 2, "power": 2, "lasso": 2})
    names = {"cg": "block_cg|conjugate_gradient_tile|cg_solve_tile", "richardson": "richardson_tile|relax_system|fixed_point_tile", "power": "power_iteration_tile|spectral_norms|dominant_modes", "lasso": "ista_tile|proximal_gradient_tile|sparse_code"}[kind]  # fmt: skip
    k = p.kernel_builder(names, p.pick("Iterations run inside the block, without global synchronisation.", "One small system per block of threads.", "Keeps matrix and vectors on chip for all iterations."))
    t = Tiling(p, k)
    n = t.dim("n|order|size|dofs", p.pick(8, 12, 16))
    count = p.pick(3, 4, 6)
    i = t.launch(["i|s|system|env"], (count,))[0]
    a = k.let("a|m|mat", t.load(k.array("A|systems|operators", p.real, (count, n.value, n.value), R.spd(0.5, 1.8))[i], [n, n], None, True))
    one = t.literal(1)
    iterations = k.count("iterations|num_iters|max_iter", p.pick(4, 6, 8))
    b_all = k.array("b|rhs|targets", p.real, (count, n.value, 1), R.uniform(-1.0, 1.0))
    b = k.let("b_tile|r0|f", t.load(b_all[i], [n, one]))
    x = {"cg": _cg, "richardson": _richardson, "power": _power, "lasso": _lasso}[kind](p, k, t, a, b, n, one, iterations, i, count)
    t.store(k.out("x|solutions|states", p.real, (count, n.value, 1))[i], x)


def _dot(p: ProgramBuilder, t: Tiling, a: Expr, b: Expr) -> Expr:
    one = T.Tile(p.real, (1,))
    return (tile("tile_dot", one, a, b) if p.chance(0.5) else t.total("tile_sum", a * b))[0]


def _apply(p: ProgramBuilder, a: Expr, v: Expr) -> Expr:
    return tile("tile_matmul", v.type, a, v)


def _cg(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim, one: Dim, iterations: Expr, i: Expr, count: int) -> Expr:
    x = k.var("xs|sol|u", t.zeros([n, one], p.real))
    r = k.var("r|res|residual", b * 1.0)
    d = k.var("d|p_dir|search", b * 1.0)
    rr = k.var("rr|rho|delta", _dot(p, t, r, r))
    with k.loop("it|step|iteration", iterations):
        q = k.let("q|ad|ap", _apply(p, a, d))
        dq = _dot(p, t, d, q)
        alpha = k.let("alpha|step_len", rr / (dq if p.chance(0.5) else wp.max(dq, 1.0e-12)))
        if p.chance(0.5):
            k.do(tile("tile_axpy", T.VOID, alpha, d, x))
            k.do(tile("tile_axpy", T.VOID, -alpha, q, r))
        else:
            k.set(x, x + d * alpha)
            k.set(r, r - q * alpha)
        rr_new = k.let("rr_new|rho_new|next_rr", _dot(p, t, r, r))
        if p.chance(0.5):
            with k.when(rr_new < p.pick(1.0e-8, 1.0e-10)):
                k.brk()
        k.set(d, r + d * (rr_new / wp.max(rr, 1.0e-20)))
        k.set(rr, rr_new)
    if p.chance(0.6):
        k.set(k.out("residual_sq|final_rr|errors", p.real, (count,))[i], _dot(p, t, r, r))
    return x


def _richardson(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim, one: Dim, iterations: Expr, i: Expr, count: int) -> Expr:
    x = k.var("xs|sol|u", t.zeros([n, one], p.real))
    omega = k.param("omega|relaxation|tau", 0.2, 0.9)
    momentum = k.param("momentum|beta|inertia", 0.1, 0.5) if p.chance(0.4) else None
    v = k.var("v|velocity|last_step", t.zeros([n, one], p.real)) if momentum is not None else None
    with k.loop("it|sweep", iterations):
        r = k.let("r|res|defect", b - _apply(p, a, x))
        if v is not None and momentum is not None:
            k.set(v, v * momentum + r * omega)
            k.set(x, x + v)
        else:
            k.set(x, x + r * omega)
    if p.chance(0.5):
        k.set(k.out("residuals|errors|defects", p.real, (count,))[i], wp.sqrt(_dot(p, t, b - _apply(p, a, x), b - _apply(p, a, x))))
    return x


def _power(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim, one: Dim, iterations: Expr, i: Expr, count: int) -> Expr:
    x = k.var("v|mode|x_tile", b * 1.0)
    lam = k.var("lam|sigma|norm", 0.0, p.real)
    with k.loop("it|step", iterations):
        w = k.let("w|av|image", _apply(p, a, x))
        k.set(lam, wp.sqrt(_dot(p, t, w, w)))
        k.set(x, w * (1.0 / wp.max(lam, 1.0e-12)))
    k.set(k.out("eigenvalues|spectral_norms|sigmas", p.real, (count,))[i], lam)
    return x


def _lasso(p: ProgramBuilder, k: KernelBuilder, t: Tiling, a: Expr, b: Expr, n: Dim, one: Dim, iterations: Expr, i: Expr, count: int) -> Expr:
    cut = p.pick(0.02, 0.05, 0.1)
    shrink = p.func("shrink|soft_threshold|prox_l1", {"v|x": p.real}, lambda q, v: q.ret(wp.sign(v) * wp.max(wp.abs(v) - cut, 0.0)))
    x = k.var("codes|z|coef", t.zeros([n, one], p.real))
    step = k.param("step|eta|lr", 0.1, 0.5)
    fast = p.chance(0.4)
    y = k.var("y|extrapolated|look", t.zeros([n, one], p.real)) if fast else x
    with k.loop("it|iteration", iterations) as it:
        g = k.let("g|grad|r", _apply(p, a, y) - b)
        if not fast:
            k.set(x, t.map(shrink, x - g * step))
        else:
            nxt = k.let("nxt|z_new|cand", t.map(shrink, y - g * step))
            f = construct(p.real, it)
            k.set(y, nxt + (nxt - x) * (f / (f + 3.0)))
            k.set(x, nxt * 1.0)
    return x


def fourier(p: ProgramBuilder) -> None:
    """FFTs of rows: spectra, filters and derivatives in the spectral domain."""
    p.real = T.F32
    kind = p.pick("spectrum", "filter", "derivative", "convolve", "roundtrip")
    names = {"spectrum": "power_spectrum|fft_rows|row_spectra", "filter": "spectral_filter|low_pass_rows|band_filter", "derivative": "spectral_derivative|fft_gradient", "convolve": "fft_convolve|circular_convolution|cross_correlate", "roundtrip": "fft_inverse_rows|apply_inverse_fft|smooth_spectrum"}[kind]  # fmt: skip
    k = p.kernel_builder(names, p.pick("Complex rows as vec2; one transform per block.", "Row transforms with the block FFT.", "Spectral work on one row per block."))
    t = Tiling(p, k)
    n = t.dim("n|fft_size|length|num_bins", p.pick(8, 16, 32, 64))
    one, count = t.literal(1), p.pick(6, 8, 12)
    i = t.launch(["i|row|line|signal"], (count,))[0]
    x_all = k.array("signal|x|rows|samples", T.VEC2, (count, n.value), R.uniform(-1.0, 1.0))
    x = k.let("z|x_tile|spec", t.load(x_all, [one, n], [i, 0], False))
    k.do(tile("tile_fft" if kind != "roundtrip" else "tile_ifft", T.VOID, x))
    k.options["enable_backward"] = False
    complex_tile = T.Tile(T.VEC2, (1, n.value))
    if kind == "spectrum":
        def body(b: Any, z: Expr) -> None:
            if p.chance(0.5):
                b.ret(wp.dot(z, z) if p.chance(0.6) else wp.length(z))
            else:
                b.ret(wp.log(1.0 + z.x * z.x + z.y * z.y))

        power = p.func("power_of|magnitude|log_power", {"z|c": T.VEC2}, body)
        t.store(k.out("power|spectra|magnitudes", T.F32, (count, n.value)), t.map(power, x), [i, 0])
        if p.chance(0.4):
            t.atomic(k.out("total_power|energy", T.F32, (1,)), t.total("tile_sum", t.map(power, x)))
        return
    if kind in ("filter", "derivative", "convolve"):
        x = _spectral_step(p, k, t, kind, x, n, one, complex_tile)
        y = k.let("y|filtered|spec_out", x)
        k.do(tile("tile_ifft", T.VOID, y))
        x = y
    scale = 1.0 / n.value
    value = x * scale if p.chance(0.5) else x / construct(T.F32, n.expr) if p.chance(0.5) else x * (1.0 / construct(T.F32, n.expr))
    t.store(k.out("out|result|y_out", T.VEC2, (count, n.value)), value, [i, 0])


def _spectral_step(p: ProgramBuilder, k: KernelBuilder, t: Tiling, kind: str, x: Expr, n: Dim, one: Dim, z: T.Tile) -> Expr:
    freq = p.func(
        "wave_number|signed_frequency|bin_frequency", {"i|k|bin_": T.I32},
        lambda b, i: b.ret(wp.where(i <= n.value // 2, construct(T.F32, i), construct(T.F32, i - n.value))),
    )  # fmt: skip
    bins = tile("tile_arange", T.Tile(T.I32, (n.value,)), 0, n.expr, 1, dtype=T.I32)
    flat = k.let("bins|freqs|ks", t.broadcast(t.map(freq, bins), [one, n]))
    if kind == "convolve":
        h = k.let("h|kernel_tile|other", t.load(k.array("taps|kernel_rows|templates", T.VEC2, (1, n.value), R.uniform(-1.0, 1.0)), [one, n], [0, 0], False))
        k.do(tile("tile_fft", T.VOID, h))
        conj = p.chance(0.4)

        def multiply(b: Any, a: Expr, c: Expr) -> None:
            s = -1.0 if conj else 1.0
            b.ret(construct(T.VEC2, a.x * c.x - a.y * c.y * s, a.y * c.x + a.x * c.y * s))

        return t.map(p.func("complex_mul|cmul|complex_multiply", {"a|u": T.VEC2, "b|v": T.VEC2}, multiply), x, h)
    if kind == "derivative":
        order = p.pick(1, 1, 2)

        def differentiate(b: Any, a: Expr, f: Expr) -> None:
            w = b.let("w|omega", f * 6.2831853)
            b.ret(construct(T.VEC2, -w * a.y, w * a.x) if order == 1 else a * (-w * w))

        return t.map(p.func("differentiate|times_ik|spectral_diff", {"z|a": T.VEC2, "f|kx": T.F32}, differentiate), x, flat)
    form, cut = p.pick("hard", "gauss", "butter"), p.pick(2.0, 3.0, 4.0)

    def attenuate(b: Any, a: Expr, f: Expr) -> None:
        if form == "hard":
            b.ret(wp.where(wp.abs(f) <= cut, a, a * 0.0))
        elif form == "gauss":
            b.ret(a * wp.exp(-0.5 * f * f / (cut * cut)))
        else:
            q = b.let("q|ratio", f / cut)
            b.ret(a / (1.0 + q * q * q * q))

    return t.map(p.func(f"attenuate|low_pass|{form}_window", {"z|a": T.VEC2, "f|freq": T.F32}, attenuate), x, flat)
