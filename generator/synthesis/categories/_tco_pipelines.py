"""Several stages in one kernel: filters, clustering, networks. Intents of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team, gathered, total
from generator.synthesis.categories._tco_gather import load_rows, scatter_rows
from generator.synthesis.categories._tco_scans import scan
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def particle_filter(p: ProgramBuilder) -> None:
    """A particle filter per block: noisy motion, likelihoods, normalised weights, resampling by an inverse scan."""
    p.real = T.F32
    team = Team(
        p,
        "particle_filter_step|resample_particles|monte_carlo_localise|bootstrap_filter|track_particles",
        (
            "One filter per block; the particles live in a tile.",
            "Predict, weigh, resample, all on chip.",
            "Bootstrap particle filter with systematic resampling.",
            "Weights are normalised by a block reduction.",
        ),
        index="f|filter_id|track|b",
    )
    k, t = team.k, team.t
    k.options["enable_backward"] = False
    n = t.dim("num_particles|n_part|particles", p.pick(16, 32, 48))
    states = k.array(
        "states|particles_in|x_all", T.F32, (team.count, n.value), R.uniform(-1.0, 1.0), "inout"
    )
    x = k.var("x|state|part", t.load(states[team.i], [n], None, True))
    if p.chance(0.75):
        k.step(p.pick("predict", "motion model", ""))
        rng = k.let(
            "rng|stream|seed_state",
            wp.rand_init(k.scalar("seed|rng_seed|step_seed", T.I32, p.pick(5, 11, 42)), team.i),
        )
        noise = k.let(
            "noise|jitter|xi",
            tile("tile_randf", T.Tile(T.F32, (n.value,)), shape=n.expr, rng=rng, min=-1.0, max=1.0),
        )
        drift = k.array("controls|odometry|drift", T.F32, (team.count,), R.uniform(-0.3, 0.3))[
            team.i
        ]
        spread = k.param("sigma|process_noise|spread", 0.02, 0.3)
        if p.chance(0.5):
            k.set(x, x + t.full([n], drift, T.F32) + noise * spread)
        else:
            decay = p.pick(0.9, 0.95, 0.5)
            gain = p.func(
                "move|propagate|motion",
                {"x|s": T.F32, "u|drift": T.F32},
                lambda b, v, u: b.ret(decay * v + u),
            )
            k.set(x, t.map(gain, x, t.full([n], drift, T.F32)) + noise * spread)
    k.step(p.pick("likelihood", "weigh by the measurement", ""))
    z = k.let(
        "z|meas|obs",
        k.array("measurements|observations|ranges", T.F32, (team.count,), R.uniform(-1.0, 1.0))[
            team.i
        ],
    )
    width = p.pick(0.2, 0.3, 0.5)
    kind = p.pick("gauss", "laplace", "student", "outlier")

    def log_density(b: Any, s: Expr, m: Expr) -> None:
        d = b.let("d|err|innov", (s - m) / width)
        if kind == "gauss":
            b.ret(-0.5 * d * d)
        elif kind == "laplace":
            b.ret(-wp.abs(d))
        elif kind == "student":
            b.ret(-2.0 * wp.log(1.0 + 0.25 * d * d))
        else:
            b.ret(wp.log(0.95 * wp.exp(-0.5 * d * d) + 0.05))

    logw = k.let(
        "logw|loglik|ll",
        t.map(
            p.func(
                "log_likelihood|score|measurement_model", {"s|x": T.F32, "m|z": T.F32}, log_density
            ),
            x,
            t.full([n], z, T.F32),
        ),
    )
    if p.chance(0.35):
        k_prior = t.load(
            k.array(
                "log_prior|old_log_weights|prior_lw",
                T.F32,
                (team.count, n.value),
                R.uniform(-1.0, 0.0),
            )[team.i],
            [n],
        )
        logw = k.let("post|log_post|lw", logw + k_prior)
    top = k.let("top|peak|lw_max", t.total("tile_max", logw)[0])
    w = k.let("w|weights_t|raw_w", t.map("exp", logw - t.full([n], top, T.F32)))
    z_sum = k.let("norm|w_sum|total_w", total(t, w))
    w = k.let("wn|normed|prob", w / z_sum)
    ess = k.let("ess|n_eff|effective", 1.0 / tile("tile_dot", T.Tile(T.F32, (1,)), w, w)[0])
    for what in p.sample(["estimate", "evidence", "best", "ess"], 1, 3):
        if what == "estimate":
            team.put(
                "estimates|means|posterior_mean",
                tile("tile_dot", T.Tile(T.F32, (1,)), w, x)[0],
                T.F32,
            )
        elif what == "evidence":
            team.put(
                "log_evidence|marginal|loglik_out",
                top + wp.log(z_sum * round(1.0 / n.value, 6)),
                T.F32,
            )
        elif what == "best":
            team.put("map_index|best_particle|winners", t.index_of("tile_argmax", w)[0], T.I32)
        else:
            team.put("ess_out|effective_out|n_eff_out", ess, T.F32)
    k.step(p.pick("systematic resampling", "resample", ""))
    out = (
        k.out("ancestors|parent_ids|chosen", T.I32, (team.count, n.value))
        if p.chance(0.5)
        else None
    )
    limit = k.param("ess_threshold|min_effective|resample_below", 8.0, 40.0)
    with k.when(ess > limit):
        t.store(states[team.i], x)
        k.ret()
    cdf = k.let("cdf|cum|ladder", scan("inclusive", w))
    offset = k.array("offsets|start_draws|u0", T.F32, (team.count,), R.uniform(0.0, 1.0))[team.i]
    start = k.let("u0|first_u|comb", offset)
    ids = k.let("ids|parent|anc", t.zeros([n], T.I32, shared=True))
    binary = p.chance(0.5)
    with team.passes(n.expr) as (j, inside):
        pick, ok = k.var("pick|src|a", 0, T.I32), k.let("ok|valid|mine", inside)
        with k.when(ok):
            u = k.let("u|level|target", (construct(T.F32, j) + start) * round(1.0 / n.value, 6))
            if binary:
                high = k.var("hi|right|upper", n.value - 1, T.I32)
                with k.repeat(pick < high):
                    mid = k.let("mid|half|m", (pick + high) // 2)
                    with k.when(cdf[mid] < u):
                        k.set(pick, mid + 1)
                    with k.otherwise():
                        k.set(high, mid)
            else:
                with k.loop("s|scan_id|q", n.value - 1) as s, k.when(cdf[s] < u):
                    k.set(pick, s + 1)
            if out is not None:
                k.set(out[team.i, j], pick)
        k.do(tile("tile_scatter_masked", T.VOID, ids, wp.min(j, n.expr - 1), pick, ok))
    t.store(states[team.i], gathered(x, ids))


def clustering(p: ProgramBuilder) -> None:
    """Clustering with private accumulators: distances, assignments, scattered sums, one flush."""
    p.real = T.F32
    team = Team(
        p,
        "kmeans_block|cluster_assign_accumulate|lloyd_iteration|soft_kmeans|vq_update",
        (
            "Assigns a tile of samples and accumulates block-private centroid sums.",
            "One Lloyd step; sums are flushed once per block.",
            "Distances from one small matrix product.",
            "Private accumulators, then atomics.",
        ),
        index="b|block|chunk|batch_id",
    )
    k, t = team.k, team.t
    k.options["enable_backward"] = False
    m, c, d = (
        t.dim("tile_rows|rows|samples_per_block", p.pick(8, 16)),
        t.dim("num_clusters|clusters|k_means", p.pick(4, 6, 8)),
        t.dim("dim|width|features", p.pick(2, 4)),
    )
    rows = team.count * m.value
    x = k.let(
        "x|samples_t|pts",
        t.load(
            k.array("X|samples|points", T.F32, (rows, d.value), R.uniform(-1.0, 1.0)),
            [m, d],
            [team.i * m.expr, 0],
            True,
        ),
    )
    mu = k.let(
        "mu|centres|cent",
        t.load(
            k.array("centroids|means|centers", T.F32, (c.value, d.value), R.uniform(-1.0, 1.0)),
            [c, d],
            None,
            True,
        ),
    )
    shape = T.Tile(T.F32, (m.value, c.value))
    k.step(p.pick("distances up to the sample's own norm", "distances", ""))
    cross = k.let("cross|xm|proj", tile("tile_matmul", shape, x, t.transpose(mu)))
    mm = k.let("mm|mu_sq|norms", t.total("tile_sum", mu * mu, 1))
    dist = k.let("dist|d2|cost", t.broadcast(mm, [m, c]) - cross * 2.0)
    sums, counts = (
        k.let("sums|acc|part_sum", t.zeros([c, d], T.F32, shared=True)),
        k.let("counts_t|num|members", t.zeros([c], T.I32, shared=True)),
    )
    labels = k.out("labels|assignments|owner", T.I32, (rows,)) if p.chance(0.7) else None
    old = (
        k.array("old_labels|previous|last_owner", T.I32, (rows,), R.integers(0, c.value))
        if p.chance(0.45)
        else None
    )
    changed = k.var("changed|moved|switches", 0, T.I32) if old is not None else None
    k.step(p.pick("assign", "nearest centre", ""))
    with team.passes(m.expr) as (j, inside):
        best, ok = k.var("best|who|label", 0, T.I32), k.let("ok|valid|mine", inside)
        row = k.let("row|r|s", wp.min(j, m.expr - 1))
        low = k.var("low|nearest|best_d", 1.0e6, T.F32)
        with k.when(ok):
            with k.loop("q|cl|cc", c.expr) as q, k.when(dist[row, q] < low):
                k.set(low, dist[row, q])
                k.set(best, q)
            if labels is not None:
                k.set(labels[team.i * m.expr + row], best)
            if old is not None and changed is not None:
                with k.when(old[team.i * m.expr + row] != best):
                    k.aug(changed, "+", 1)
        k.do(tile("tile_scatter_add", T.VOID, counts, best, N.literal(1, T.I32), ok))
        with k.loop("a|axis|f", d.expr) as a:
            k.do(tile("tile_scatter_add", T.VOID, sums, best, a, x[row, a], ok))
    k.step(p.pick("flush", "one flush per block", ""))
    t.atomic(k.out("centroid_sums|new_sums|accumulated", T.F32, (c.value, d.value)), sums)
    t.atomic(k.out("cluster_sizes|new_counts|population", T.I32, (c.value,)), counts)
    if changed is not None:
        t.atomic(
            k.out("num_changed|total_moves|unstable", T.I32, (1,)),
            t.total("tile_sum", team.lanes(changed)),
        )
    if p.chance(0.4):
        team.put(
            "largest|main_cluster|mode",
            t.index_of(p.pick("tile_argmax", "tile_argmin"), counts)[0],
            T.I32,
        )


def small_network(p: ProgramBuilder) -> None:
    """A small network on tiles: gathered mini-batch, forward pass, backward pass, gradient accumulation."""
    p.real = T.F32
    team = Team(
        p,
        "train_mlp_tile|mlp_forward_backward|neural_field_step|fit_network_block|policy_gradient_tile",
        (
            "Two-layer network on a gathered mini-batch.",
            "Forward and backward pass by tile products.",
            "Gradients are accumulated with atomics.",
            "One mini-batch per block.",
        ),
        index="b|block|batch_id|chunk",
        lane=False,
        count=p.pick(3, 4, 6),
    )
    k, t = team.k, team.t
    k.options["enable_backward"] = False
    m, d, h, o = (
        t.dim("batch_size|rows|bs", p.pick(4, 8)),
        t.dim("in_dim|num_inputs|d_in", p.pick(3, 4)),
        t.dim("hidden|width|d_hidden", p.pick(4, 8)),
        t.dim("out_dim|num_outputs|d_out", p.pick(1, 2)),
    )
    x, y = _batch(p, team, m, d, o)
    w1 = k.let(
        "w1|weights_1|wa",
        t.load(
            k.array("W1|hidden_weights|W_in", T.F32, (d.value, h.value), R.uniform(-0.7, 0.7)),
            [d, h],
        ),
    )
    w2 = k.let(
        "w2|weights_2|wb",
        t.load(
            k.array("W2|output_weights|W_out", T.F32, (h.value, o.value), R.uniform(-0.7, 0.7)),
            [h, o],
        ),
    )
    k.step(p.pick("forward", "forward pass", ""))
    a = k.let("a|pre|lin1", tile("tile_matmul", T.Tile(T.F32, (m.value, h.value)), x, w1))
    if p.chance(0.6):
        bias = t.load(
            k.array("b1|hidden_bias|bias_in", T.F32, (h.value,), R.uniform(-0.3, 0.3)), [h]
        )
        a = k.let("a_b|pre_b|shifted", a + t.broadcast(bias, [m, h]))
    act, slope = _activation(p)
    z = k.let("z|hid|act_t", t.map(act, a))
    out = k.let("out|pred|y_hat", tile("tile_matmul", T.Tile(T.F32, (m.value, o.value)), z, w2))
    e = k.let("e|err|delta_out", out - y)
    k.set(
        k.out("losses|batch_losses|sse", T.F32, (team.count,))[team.i],
        tile("tile_dot", T.Tile(T.F32, (1,)), e, e)[0]
        * (0.5 if p.chance(0.5) else round(1.0 / m.value, 6)),
    )
    if p.chance(0.25):
        t.store(
            k.out("predictions|outputs|y_out", T.F32, (team.count, m.value, o.value))[team.i], out
        )
    k.step(p.pick("backward", "backward pass", ""))
    g2 = k.let(
        "g2|dw2|grad_out", tile("tile_matmul", T.Tile(T.F32, (h.value, o.value)), t.transpose(z), e)
    )
    dz = k.let(
        "dz|back|delta_hid",
        tile("tile_matmul", T.Tile(T.F32, (m.value, h.value)), e, t.transpose(w2)),
    )
    da = k.let("da|delta|chain", dz * t.map(slope, a))
    g1 = k.var(
        "g1|dw1|grad_in", tile("tile_matmul", T.Tile(T.F32, (d.value, h.value)), t.transpose(x), da)
    )
    if p.chance(0.4):
        k.do(tile("tile_axpy", T.VOID, k.param("weight_decay|l2|decay", 0.001, 0.05), w1, g1))
    if p.chance(0.4):
        size = k.let("size|g_norm|norm", wp.sqrt(tile("tile_dot", T.Tile(T.F32, (1,)), g1, g1)[0]))
        top = k.param("clip_norm|max_grad|limit", 0.5, 3.0)
        with k.when(size > top):
            k.set(g1, g1 * (top / size))
    k.step("")
    t.atomic(k.out("grad_w1|dW1|g_hidden", T.F32, (d.value, h.value)), g1)
    t.atomic(k.out("grad_w2|dW2|g_output", T.F32, (h.value, o.value)), g2)
    if p.chance(0.5):
        t.atomic(k.out("grad_b1|db1|g_bias", T.F32, (h.value,)), t.total("tile_sum", da, 0))
    if p.chance(0.3):
        dx = k.let("dx|grad_x|input_grad", tile("tile_matmul", x.type, da, t.transpose(w1)))
        t.store(
            k.out("input_grads|dX|sensitivity", T.F32, (team.count, m.value, d.value))[team.i], dx
        )


def _batch(p: ProgramBuilder, team: Team, m: Dim, d: Dim, o: Dim) -> tuple[Expr, Expr]:
    k, t = team.k, team.t
    rows = p.pick(24, 32)
    xs = k.array("X|inputs|coords", T.F32, (rows, d.value), R.uniform(-1.0, 1.0))
    ys = k.array("Y|targets|values", T.F32, (rows, o.value), R.uniform(-1.0, 1.0))
    if p.chance(0.4):
        state = k.let(
            "rng|stream|state",
            wp.rand_init(k.scalar("seed|rng_seed|epoch", T.I32, p.pick(1, 9, 42)), team.i),
        )
        idx = k.let(
            "idx|picks|ids",
            tile("tile_randi", T.Tile(T.I32, (m.value,)), shape=m.expr, rng=state, min=0, max=rows),
        )
    else:
        idx = k.let(
            "idx|picks|ids",
            t.load(
                k.array(
                    "batch_ids|order|sample_ids", T.I32, (team.count, m.value), R.integers(0, rows)
                )[team.i],
                [m],
            ),
        )
    if p.chance(0.25):
        ones = tile("tile_ones", T.Tile(T.F32, (m.value, 1)), shape=(m.expr, 1), dtype=T.F32)
        scatter_rows(
            team,
            "tile_atomic_add_indexed",
            k.out("times_seen|usage|visit_count", T.F32, (rows, 1)),
            idx,
            ones,
        )
    return k.let("x|xb|batch_x", load_rows(team, xs, idx, [m, d])), k.let(
        "y|yb|batch_y", load_rows(team, ys, idx, [m, o])
    )


def _activation(p: ProgramBuilder) -> tuple[Any, Any]:
    kind = p.pick("tanh", "relu", "sigmoid", "sine", "softplus")

    def value(b: Any, v: Expr) -> None:
        if kind == "relu":
            b.ret(wp.max(v, 0.0))
        elif kind == "sigmoid":
            b.ret(1.0 / (1.0 + wp.exp(-v)))
        elif kind == "softplus":
            b.ret(wp.log(1.0 + wp.exp(v)))
        else:
            b.ret(wp.tanh(v) if kind == "tanh" else wp.sin(3.0 * v))

    def slope(b: Any, v: Expr) -> None:
        if kind == "relu":
            b.ret(wp.where(v > 0.0, 1.0, 0.0))
        elif kind == "sine":
            b.ret(3.0 * wp.cos(3.0 * v))
        elif kind == "tanh":
            s = b.let("s|th", wp.tanh(v))
            b.ret(1.0 - s * s)
        else:
            s = b.let("s|sig", 1.0 / (1.0 + wp.exp(-v)))
            b.ret(s * (1.0 - s) if kind == "sigmoid" else s)

    return p.func(f"{kind}_act|activation|act", {"v|x": T.F32}, value), p.func(
        f"{kind}_slope|activation_grad|act_slope", {"v|x": T.F32}, slope
    )
