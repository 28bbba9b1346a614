"""Random tiles and work on pieces of tiles: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, cut, reshape, squeeze, total
from generator.synthesis.categories._tco_gather import load_rows
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.categories._tla_blocks import tile_piece
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def _random(name: str, dtype: T.Scalar, shape: list[Dim], state: Expr, **bounds: Any) -> Expr:
    extent: Any = shape[0].expr if len(shape) == 1 else tuple(d.expr for d in shape)
    return tile(
        name, T.Tile(dtype, tuple(d.value for d in shape)), shape=extent, rng=state, **bounds
    )


def resampling(p: ProgramBuilder) -> None:
    """Random tiles at work: bootstrap, mini-batches, evolution strategies, stochastic rounding, random features."""
    p.real = T.F32
    kind = p.weighted(
        {
            "bootstrap": 2.5,
            "minibatch": 2.5,
            "evolve": 2.5,
            "rounding": 2,
            "features": 2,
            "ransac": 2,
        }
    )
    names = {
        "bootstrap": "bootstrap_means|resample_statistics|bootstrap_variance", "minibatch": "minibatch_gradient|stochastic_gradient|sampled_loss",
        "evolve": "evolution_strategy|perturb_population|es_gradient|cem_update", "rounding": "stochastic_round|quantise_with_dither|random_quantise",
        "features": "random_fourier_features|random_projection|sketch_rows", "ransac": "ransac_lines|consensus_fit|random_hypotheses",
    }[kind]  # fmt: skip
    team = Team(
        p,
        names,
        (
            "Every block has its own random stream.",
            "Random numbers by the tile.",
            "Independent replicates, one per block.",
            "Streams differ by block index.",
        ),
        index="b|replicate|trial|block",
        lane=False,
        count=p.pick(4, 6, 8),
    )
    seed = team.k.scalar("seed|rng_seed|base_seed", T.I32, p.pick(3, 17, 42, 101))
    state = team.k.let(
        "rng|state|stream", wp.rand_init(seed, team.i if p.chance(0.7) else team.i * 7919)
    )
    {
        "bootstrap": _bootstrap,
        "minibatch": _minibatch,
        "evolve": _evolve,
        "rounding": _rounding,
        "features": _features,
        "ransac": _ransac,
    }[kind](p, team, state)


def _bootstrap(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    n, size = t.dim("num_draws|resample_size|n", p.pick(8, 16, 32)), p.pick(20, 30, 50)
    index = k.let("idx|draws|picks", _random("tile_randi", T.I32, [n], state, min=0, max=size))
    wide = p.chance(0.4)
    if wide:
        d = t.dim("dim|num_columns|width", p.pick(2, 4))
        x = k.let(
            "x|rows_t|resampled",
            load_rows(
                team,
                k.array("data|samples|observations", T.F32, (size, d.value), R.normal(0.5, 1.0)),
                index,
                [n, d],
            ),
        )
        mean = k.let("mean|mu|avg", t.total("tile_sum", x, 0) * round(1.0 / n.value, 6))
        t.store(
            k.out("boot_means|replicates|means_out", T.F32, (team.count, d.value))[team.i], mean
        )
        if p.chance(0.5):
            dev = k.let("dev|centred|e", x - t.broadcast(mean, [n, d]))
            t.store(
                k.out("boot_var|variances|spread", T.F32, (team.count, d.value))[team.i],
                t.total("tile_sum", dev * dev, 0) * round(1.0 / (n.value - 1), 6),
            )
        return
    data = k.array("data|samples|observations", T.F32, (size,), R.normal(0.5, 1.0))
    x = k.let(
        "x|resampled|vals",
        tile(
            "tile_load_indexed",
            T.Tile(T.F32, (n.value,)),
            data,
            index,
            shape=n.expr if p.chance(0.5) else (n.expr,),
            axis=0,
        ),
    )
    stat = p.pick("mean", "max", "norm", "median")
    if stat == "mean":
        value = total(t, x) * round(1.0 / n.value, 6)
    elif stat == "max":
        value = t.total("tile_max", x)[0]
    elif stat == "norm":
        value = wp.sqrt(tile("tile_dot", T.Tile(T.F32, (1,)), x, x)[0])
    else:
        order = k.let(
            "order|ids|ranked",
            tile("tile_arange", T.Tile(T.I32, (n.value,)), 0, n.expr, 1, dtype=T.I32),
        )
        k.do(tile("tile_sort", T.VOID, x, order))
        value = x[n.value // 2]
    k.set(k.out("statistics|replicates|estimates", T.F32, (team.count,))[team.i], value)
    if p.chance(0.4):
        t.atomic(
            k.out("sum_stats|grand_total|accumulated", T.F32, (1,)),
            t.full([t.literal(1)], value, T.F32),
        )
    k.options["enable_backward"] = False


def _minibatch(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    n, d, one = (
        t.dim("batch_size|mini|bs", p.pick(4, 8, 16)),
        t.dim("num_features|dim|width", p.pick(3, 4, 6)),
        t.literal(1),
    )
    rows = p.pick(32, 48)
    index = k.let("idx|batch|picks", _random("tile_randi", T.I32, [n], state, min=0, max=rows))
    x = k.let(
        "x|xb|batch_x",
        load_rows(
            team,
            k.array("X|inputs|features", T.F32, (rows, d.value), R.uniform(-1.0, 1.0)),
            index,
            [n, d],
        ),
    )
    y = k.let(
        "y|yb|batch_y",
        load_rows(
            team, k.array("y_all|targets|labels", T.F32, (rows, 1), R.mask(0.5)), index, [n, one]
        ),
    )
    w = k.let(
        "w|theta|weights_t",
        t.load(k.array("weights|params|coef", T.F32, (d.value, 1), R.uniform(-0.5, 0.5)), [d, one]),
    )
    z = k.let("z|logit|pred", tile("tile_matmul", T.Tile(T.F32, (n.value, 1)), x, w))
    if p.chance(0.6):
        z = k.let(
            "prob|act|sig",
            t.map(
                p.func(
                    "sigmoid|logistic|squash",
                    {"v|z": T.F32},
                    lambda b, v: b.ret(1.0 / (1.0 + wp.exp(-v))),
                ),
                z,
            ),
        )
    e = k.let("e|resid|err", z - y)
    g = k.let(
        "g|grad|step_t",
        tile("tile_matmul", T.Tile(T.F32, (d.value, 1)), t.transpose(x), e)
        * round(1.0 / n.value, 6),
    )
    if p.chance(0.4):
        k.do(tile("tile_axpy", T.VOID, k.param("l2|weight_decay|ridge", 0.01, 0.2), w, g))
    out = k.out(
        "gradients|grad_sum|updates",
        T.F32,
        (d.value, 1) if (shared := p.chance(0.5)) else (team.count, d.value, 1),
    )
    t.atomic(out, g) if shared else t.store(out[team.i], g)
    if p.chance(0.6):
        k.set(
            k.out("losses|batch_loss|sse", T.F32, (team.count,))[team.i],
            tile("tile_dot", T.Tile(T.F32, (1,)), e, e)[0],
        )


def _evolve(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    m, d = (
        t.dim("population|pop_size|num_samples", p.pick(8, 16)),
        t.dim("dim|num_params|width", p.pick(3, 4, 6)),
    )
    u = k.let("u|noise|xi", _random("tile_randf", T.F32, [m, d], state, min=-1.0, max=1.0))
    mean = k.let(
        "mean|centre|mu",
        t.load(
            k.array("means|centers|params", T.F32, (team.count, d.value), R.uniform(-1.0, 1.0))[
                team.i
            ],
            [d],
        ),
    )
    sigma = k.param("sigma|spread|noise_std", 0.05, 0.5)
    x = k.let("x|trial|cand", t.broadcast(mean, [m, d]) + u * sigma)
    kind = p.pick("sphere", "rastrigin", "rosen")

    def cost(b: Any, v: Expr) -> None:
        if kind == "sphere":
            b.ret(v * v)
        elif kind == "rastrigin":
            b.ret(v * v + 1.0 - wp.cos(6.2831853 * v))
        else:
            s = b.let("s|bend", 1.0 - v * v)
            b.ret(s * s + 0.1 * v)

    c = k.let(
        "cost|fit|score",
        t.total(
            "tile_sum", t.map(p.func("cost_term|penalty|objective", {"v|x": T.F32}, cost), x), 1
        ),
    )
    if p.chance(0.5):
        best = k.let("best|elite|winner", t.index_of("tile_argmin", c)[0])
        t.store(k.out("elites|best_params|winners", T.F32, (team.count, d.value))[team.i], x[best])
        k.set(k.out("best_costs|scores_out", T.F32, (team.count,))[team.i], c[best])
        return
    low = k.let("low|floor|c_min", t.total("tile_min", c)[0])
    temperature = p.pick(0.25, 0.5, 2.0)
    soft = p.func(
        "soft_weight|boltzmann|path_weight",
        {"c|s": T.F32, "c0|low": T.F32},
        lambda b, v, z: b.ret(wp.exp(-(v - z) / temperature)),
    )
    w = k.let("w|weights_t|share", t.map(soft, c, t.full([m], low, T.F32)))
    z = k.let("z|norm|sum_w", total(t, w))
    step = k.let("step_t|move|delta", t.total("tile_sum", u * t.column(w, m, d), 0) * (sigma / z))
    t.store(k.out("new_means|updated|shifted", T.F32, (team.count, d.value))[team.i], mean + step)
    if p.chance(0.5):
        k.set(
            k.out("effective|ess|num_effective", T.F32, (team.count,))[team.i],
            z * z / tile("tile_dot", T.Tile(T.F32, (1,)), w, w)[0],
        )


def _rounding(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    m, n = t.dim("rows|tile_m|bm", p.pick(4, 8)), t.dim("cols|tile_n|bn", p.pick(8, 16))
    u = k.let("u|dither|noise", _random("tile_randf", T.F32, [m, n], state))
    rows = team.count * m.value
    x = k.let(
        "x|vals|wt",
        t.load(
            k.array("values|weights|inputs", T.F32, (rows, n.value), R.uniform(-1.0, 1.0)),
            [m, n],
            [team.i * m.expr, 0],
        ),
    )
    levels = p.pick(7.0, 15.0, 127.0)
    top = k.let("top|peak|amax", t.total("tile_max", t.map("abs", x))[0]) if p.chance(0.6) else None
    step = top / levels if top is not None else k.param("step|quantum|resolution", 0.01, 0.2)
    step = k.let("q_step|scale|delta", wp.max(step, 1.0e-6) if top is not None else step)
    f = p.func(
        "stochastic|round_up_or_down|dithered",
        {"v|x": T.F32, "u|r": T.F32},
        lambda b, v, r: b.ret(wp.floor(v + r)),
    )
    q = k.let("q|codes_t|rounded", t.map(f, x / step if p.chance(0.5) else x * (1.0 / step), u))
    t.store(
        k.out("quantised|rounded_out|dequantised", T.F32, (rows, n.value)),
        q * step,
        [team.i * m.expr, 0],
    )
    if top is not None:
        k.set(k.out("block_scales|scales|steps_out", T.F32, (team.count,))[team.i], step)
    if p.chance(0.4):
        e = k.let("e|bias_t|err", q * step - x)
        t.atomic(k.out("bias_sum|total_error|drift", T.F32, (1,)), t.total("tile_sum", e))


def _features(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    m, d, n = (
        t.dim("rows|tile_m|points", p.pick(4, 8)),
        t.dim("dim|in_dim|d", p.pick(3, 4, 8)),
        t.dim("num_features|sketch|n_out", p.pick(4, 8)),
    )
    signs = p.chance(0.5)
    if signs:
        bits = k.let("bits|coin|flip", _random("tile_randi", T.I32, [d, n], state, min=0, max=2))
        w = k.let(
            "w|signs|proj",
            t.map(
                p.func(
                    "to_sign|rademacher|sign_of",
                    {"b|bit": T.I32},
                    lambda b, v: b.ret(wp.where(v == 0, -1.0, 1.0)),
                ),
                bits,
            ),
        )
    else:
        w = k.let("w|dirs|proj", _random("tile_randf", T.F32, [d, n], state, min=-2.0, max=2.0))
    x = k.let(
        "x|pts|xt",
        t.load(k.array("X|points|inputs", T.F32, (m.value, d.value), R.uniform(-1.0, 1.0)), [m, d]),
    )
    z = k.let("z|proj_x|lin", tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), x, w))
    if signs:
        z = z * round(n.value**-0.5, 6)
    else:
        amp, form = round((2.0 / n.value) ** 0.5, 6), p.pick("cos", "relu")
        z = t.map(
            p.func(
                "feature|wave|activation",
                {"v|z": T.F32},
                lambda b, v: b.ret(amp * wp.cos(v) if form == "cos" else amp * wp.max(v, 0.0)),
            ),
            z,
        )
    t.store(
        k.out("features_out|sketches|embedding", T.F32, (team.count, m.value, n.value))[team.i], z
    )


def _ransac(p: ProgramBuilder, team: Team, state: Expr) -> None:
    k, t = team.k, team.t
    n = t.dim("num_points|n|cloud", p.pick(16, 32, 48))
    pts = k.let(
        "pts|cloud_t|xy",
        t.load(
            k.array("points|samples|edgels", T.VEC2, (n.value,), R.uniform(-1.0, 1.0)),
            [n],
            None,
            True,
        ),
    )
    rounds = p.pick(3, 4, 6)
    picks = k.let(
        "picks|pairs_t|draw",
        _random(
            "tile_randi", T.I32, [t.dim("num_draws|draws", 2 * rounds)], state, min=0, max=n.value
        ),
    )
    tol = p.pick(0.05, 0.1, 0.2)

    def inlier(b: Any, x: Expr, a: Expr, c: Expr) -> None:
        d = b.let("d|line|along", c - a)
        size = b.let("size|len|span", wp.length(d))
        with b.when(size < 1.0e-4):
            b.ret(0)
        off = b.let("off|gap|dist", wp.abs(d.x * (x.y - a.y) - d.y * (x.x - a.x)) / size)
        b.ret(wp.where(off < tol, 1, 0))

    f = p.func(
        "is_inlier|supports|near_line", {"x|p_i": T.VEC2, "a|p0": T.VEC2, "c|p1": T.VEC2}, inlier
    )
    best, first, second = (
        k.var("best|most|support", -1, T.I32),
        k.var("first|i0|ia", 0, T.I32),
        k.var("second|i1|ib", 0, T.I32),
    )
    with k.loop(
        "r|trial_id|round_id", rounds if p.chance(0.5) else k.count("num_trials|rounds", rounds)
    ) as r:
        i, j = k.let("i|pa|u0", picks[2 * r]), k.let("j|pb|u1", picks[2 * r + 1])
        votes = k.let(
            "votes|count_v|inl",
            total(t, t.map(f, pts, t.full([n], pts[i], T.VEC2), t.full([n], pts[j], T.VEC2))),
        )
        with k.when(votes > best if p.chance(0.6) else all_of(i != j, votes > best)):
            k.set(best, votes)
            k.set(first, i)
            k.set(second, j)
    k.set(k.out("support_out|inlier_counts|votes_out", T.I32, (team.count,))[team.i], best)
    k.set(
        k.out("model_pairs|hypotheses|lines", T.Vec(2, T.I32), (team.count,))[team.i],
        construct(T.Vec(2, T.I32), first, second),
    )
    k.options["enable_backward"] = False


def pieces(p: ProgramBuilder) -> None:
    """Pieces of tiles: stencils by slicing a haloed tile, concatenation into uninitialised tiles, views and batches."""
    kind = p.weighted({"stencil": 3, "line": 2.5, "concat": 6, "batch": 4})
    names = {
        "stencil": "tile_laplacian|diffuse_tile|stencil_block|gradient_block", "line": "line_flux|row_differences|upwind_line|smooth_line",
        "concat": "concat_rows|assemble_state|stack_features|join_blocks", "batch": "normalise_slices|batch_rows|flatten_patches|channel_means",
    }[kind]  # fmt: skip
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


def leaders(p: ProgramBuilder) -> None:
    """One lane decides for all: broadcast pivots and step sizes, block votes, per-lane values through tiles."""
    p.real = T.F32
    kind = p.weighted({"share": 3, "vote": 3, "normalise": 3})
    names = {
        "share": "apply_block_scale|broadcast_pivot|block_step_size|load_block_transform", "vote": "block_vote|any_unconverged|activity_mask|freeze_blocks",
        "normalise": "normalise_lanes|softmax_lanes|rank_lanes|relative_to_best",
    }[kind]  # fmt: skip
    docs = (
        "The first lane reads, the block shares.",
        "Per-lane values pooled in a tile.",
        "One lane decides for its block.",
        "Lane values go through a tile and back.",
    )
    if kind == "normalise":
        _normalise(p, names, docs)
        return
    team = Team(p, names, docs, index="b|block|env|segment", count=p.pick(3, 4, 6))
    k, t = team.k, team.t
    n = t.dim("tile_size|items|num_items", p.pick(16, 24, 32))
    if kind == "share":
        scale = k.var("scale|s|factor", 0.0, T.F32)
        with team.leader():
            raw = k.array("scales|step_sizes|pivots", T.F32, (team.count,), R.uniform(0.3, 2.0))[
                team.i
            ]
            if p.chance(0.5):
                k.set(scale, raw)
            else:
                with k.when(raw > (top := k.param("max_scale|limit|cap", 0.8, 1.5))):
                    k.set(scale, top)
                with k.otherwise():
                    k.set(scale, raw)
        x = k.let(
            "x|vals|row_t",
            t.load(
                k.array("values|rows|inputs", T.F32, (team.count, n.value), R.uniform(-1.0, 1.0))[
                    team.i
                ],
                [n],
            ),
        )
        if p.chance(0.6):
            whole = k.let(
                "scale_t|wide|shared_s",
                tile(
                    "tile_from_thread",
                    T.Tile(T.F32, (n.value,)),
                    shape=n.expr if p.chance(0.5) else (n.expr,),
                    value=scale,
                    thread_idx=0,
                    **({"storage": "shared"} if p.chance(0.3) else {}),
                ),
            )
            y = x * whole
        else:
            y = x * team.broadcast(scale)
        if p.chance(0.4):
            y = y + t.load(
                k.array("offsets|bias|shift", T.F32, (n.value,), R.uniform(-0.5, 0.5)), [n]
            )
        t.store(k.out("out|scaled_out|rows_out", T.F32, (team.count, n.value))[team.i], y)
        return
    x = k.array("residuals|changes|velocities", T.F32, (team.count, n.value), R.uniform(0.0, 1.0))
    tol = k.param("tol|threshold|sleep_speed", 0.3, 0.95)
    active = k.var("active|moving|above", 0, T.I32)
    with team.strided(n.expr) as j, k.when(wp.abs(x[team.i, j]) > tol):
        k.set(active, 1) if p.chance(0.5) else k.aug(active, "+", 1)
    any_one = k.let(
        "any_active|votes|awake",
        t.total("tile_max" if p.chance(0.5) else "tile_sum", team.lanes(active))[0],
    )
    k.comment("every lane sees the same vote")
    if p.chance(0.5):
        with k.when(any_one == 0):
            with team.leader():
                k.set(k.out("asleep|done_flags|frozen", T.I32, (team.count,))[team.i], 1)
            k.ret()
    state = k.out("state|sleep_counter|levels", T.F32, (team.count, n.value))
    with team.strided(n.expr) as j:
        k.set(
            state[team.i, j],
            x[team.i, j] * wp.where(any_one > 0, 1.0, 0.5)
            if p.chance(0.5)
            else wp.where(any_one > p.pick(0, 1), x[team.i, j], 0.0),
        )
    team.put("vote_out|num_active|awake_out", any_one, T.I32)
    k.options["enable_backward"] = False


def _normalise(p: ProgramBuilder, names: str, docs: tuple[str, ...]) -> None:
    k = p.kernel_builder(names, p.pick(*docs))
    t = Tiling(p, k)
    block = p.pick(32, 64)
    n = block * p.pick(2, 3)
    k.block_dim, k.tiled, k.launch_dim = block, False, (n,)
    i = k.let("i|tid|idx", wp.tid())
    x = k.let("x|own|value", _own_value(p, k, i, n))
    lanes = k.let("lanes|all_x|block_t", tile("tile", T.Tile(T.F32, (block,)), x))
    kind = p.pick("max", "softmax", "mean", "rank", "prefix")
    if kind == "max":
        y: Expr = x / t.total(p.pick("tile_max", "tile_sum"), lanes)[0]
    elif kind == "softmax":
        top = k.let("top|peak|hi", t.total("tile_max", lanes)[0])
        e = k.let("e|w|ex", wp.exp((x - top) / p.pick(0.25, 0.5, 2.0)))
        y = e / t.total("tile_sum", tile("tile", T.Tile(T.F32, (block,)), e))[0]
    elif kind == "mean":
        width = construct(T.F32, wp.block_dim())
        y = x / k.let("mean|mu|avg", t.total("tile_sum", lanes)[0] / width)
    elif kind == "rank":
        low = k.let(
            "best_at|winner|lowest", t.index_of(p.pick("tile_argmin", "tile_argmax"), lanes)[0]
        )
        told = tile("tile_from_thread", T.Tile(T.F32, (1,)), shape=1, value=x, thread_idx=low)
        y = x / k.let("best_x|chosen|ref", told[0])
    else:
        y = tile(
            "untile",
            T.F32,
            k.let(
                "before|prefix|run",
                tile(
                    p.pick(
                        "tile_scan_exclusive",
                        "tile_scan_inclusive",
                        "tile_scan_max_inclusive",
                        "tile_scan_min_inclusive",
                    ),
                    lanes.type,
                    lanes,
                ),
            ),
        )
        y = k.let("mine_before|own_prefix|start_at", y) + 0.5 * x
    if p.chance(0.4):
        scaled = k.let("scaled_t|lanes_2|adj", lanes * k.param("gain|alpha|weight", 0.2, 2.0))
        y = y + tile("untile", T.F32, scaled)
    k.set(k.out("out|normalised|relative", T.F32, (n,))[i], y)


def _own_value(p: ProgramBuilder, k: KernelBuilder, i: Expr, n: int) -> Expr:
    """The number that a lane brings: an element, a norm, a weighted or clamped one."""
    raw = k.array("values|scores|energies", T.F32, (n,), R.uniform(0.1, 2.0))
    match p.pick("plain", "weighted", "norm", "clamped", "potential"):
        case "weighted":
            return raw[i] * k.array("weights|masses|gains", T.F32, (n,), R.uniform(0.3, 1.5))[i]
        case "norm":
            return raw[i] + wp.length(
                k.array("vectors|velocities|gradients", T.VEC3, (n,), R.uniform(-1.0, 1.0))[i]
            )
        case "clamped":
            return wp.clamp(raw[i], 0.2, k.param("ceiling|max_value|cap", 1.0, 1.8))
        case "potential":
            return 0.5 * k.param("stiffness|ke|weight", 0.5, 4.0) * raw[i] * raw[i]
    return raw[i]
