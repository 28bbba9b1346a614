"""Random tiles and work on pieces of tiles: intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
from generator.synthesis.categories._tco_gather import load_rows
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
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
        "bootstrap": "bootstrap_means|resample_statistics|bootstrap_variance",
        "minibatch": "minibatch_gradient|stochastic_gradient|sampled_loss",
        "evolve": "evolution_strategy|perturb_population|es_gradient|cem_update",
        "rounding": "stochastic_round|quantise_with_dither|random_quantise",
        "features": "random_fourier_features|random_projection|sketch_rows",
        "ransac": "ransac_lines|consensus_fit|random_hypotheses",
    }[kind]
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
            shape=(n.expr,),
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
