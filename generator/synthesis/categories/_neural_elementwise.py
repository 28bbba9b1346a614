"""Element-wise layers and message passing: an intent of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._neural import activation, extent, launch, weights
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder


def elementwise(p: ProgramBuilder) -> None:
    """Element-wise layers: activations, gates, dropout, residual scaling, mixing of experts."""
    kind = p.weighted(
        {"activation": 3, "glu": 3, "dropout": 2, "mixture": 1.5, "scaled": 1.5, "graph": 2}
    )
    names = {
        "activation": "apply_activation|activation_forward|pointwise",
        "glu": "swiglu|geglu|gated_linear_unit",
        "dropout": "dropout_forward|stochastic_depth|add_noise",
        "mixture": "combine_experts|mix_outputs|expert_sum",
        "scaled": "residual_add|scale_residual|layer_scale",
        "graph": "message_passing|aggregate_messages|graph_conv",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Element-wise layer.",
            "Pointwise part of a block.",
            "Feed-forward gate.",
            "One activation per thread.",
        ),
    )
    n, d = p.pick(16, 24, 32), p.pick(6, 8, 12)
    if kind == "graph":
        _graph(p, k)
        return
    i, c = launch(k, ["i|row|token", "c|unit|f"], (n, d))
    x = k.array("x|inputs|hidden", p.real, (n, 2 * d if kind == "glu" else d), R.uniform(-2.0, 2.0))
    out = k.out("y|outputs|out", p.real, (n, d))
    match kind:
        case "activation":
            f = activation(p)
            v = f(x[i, c])
            if p.chance(0.4):
                v = f(x[i, c] + weights(p, k, "bias|b_vec", p.real, (d,), 0.2)[c])
            if p.chance(0.3):
                v = v * k.param("gain|scale", 0.5, 2.0)
            k.set(out[i, c], v)
        case "glu":
            f = activation(p, p.pick("silu", "gelu", "sigmoid", "relu"))
            half = extent(p, k, out, 1, d, "width|hidden_dim|half_dim")
            gate, up = k.let("gate|g|a", x[i, c]), k.let("up|u|b", x[i, c + half])
            if p.chance(0.35):
                limit = k.param("limit|clip|cap", 0.8, 2.0)
                up = k.let("up_c|u_clip", wp.clamp(up, -limit, limit))
            k.set(out[i, c], f(gate) * up if p.chance(0.6) else up * f(gate))
        case "dropout":
            p_drop = k.param("p_drop|rate|drop_prob", 0.1, 0.5, T.F32)
            state = k.let(
                "state|rng", wp.rand_init(k.scalar("seed", T.I32, p.pick(3, 11, 99)), i * d + c)
            )
            r = k.let("r|u|draw", wp.randf(state))
            keep = k.let(
                "keep|alive|mask_val",
                wp.where(r < p_drop, construct(p.real, 0.0), construct(p.real, 1.0)),
            )
            k.set(
                out[i, c],
                x[i, c] * keep / construct(p.real, 1.0 - p_drop)
                if p.real != T.F32
                else x[i, c] * keep / (1.0 - p_drop),
            )
            if p.chance(0.5):
                k.set(k.out("mask|keep_mask|saved_mask", p.real, (n, d))[i, c], keep)
        case "mixture":
            experts = p.pick(2, 3, 4)
            ys = k.array(
                "expert_out|branches|candidates", p.real, (experts, n, d), R.uniform(-1.0, 1.0)
            )
            g = k.array("gates|router|mix_weights", p.real, (n, experts), R.uniform(0.0, 1.0))
            acc, z = k.var("acc|mixed|total", 0.0, p.real), k.var("z|g_sum|norm", 0.0, p.real)
            cut = k.param("min_gate|threshold|capacity", 0.1, 0.4) if p.chance(0.4) else None
            with k.loop("e|expert|m", extent(p, k, ys, 0, experts, "num_experts|experts")) as e:
                w = k.let("w|gate|weight", g[i, e])
                if cut is not None:
                    with k.when(w < cut):
                        k.cont()
                k.aug(acc, "+", w * ys[e, i, c])
                k.aug(z, "+", w)
            k.set(out[i, c], x[i, c] + acc / wp.max(z, 1.0e-6))
        case _:
            g = (
                weights(p, k, "layer_scale|gamma|res_scale", p.real, (d,), 0.3)[c]
                if p.chance(0.6)
                else k.param("alpha|res_scale|depth_scale", 0.1, 1.0)
            )
            y = k.array("branch|update|f_x", p.real, (n, d), R.uniform(-1.0, 1.0))[i, c]
            value = x[i, c] + g * y
            if p.chance(0.4):
                keep = k.array("drop_path|keep_rows", p.real, (n,), R.mask(0.8))[i]
                value = x[i, c] + g * y * keep
            k.set(out[i, c], value)


def _graph(p: ProgramBuilder, k: KernelBuilder) -> None:
    nodes, edges, d = p.pick(16, 24), p.pick(48, 64, 80), p.pick(4, 6, 8)
    by_edge = p.chance(0.5)
    x = None
    if by_edge:
        e, c = launch(k, ["e|edge|m", "c|f|channel"], (edges, d))
        src = k.let(
            "s|u|src",
            k.array("edge_src|senders|from_ids", T.I32, (edges,), R.integers(0, nodes))[e],
        )
        dst = k.let(
            "t|v|dst",
            k.array("edge_dst|receivers|to_ids", T.I32, (edges,), R.integers(-1, nodes))[e],
        )
        with k.when(dst < 0 if p.chance(0.6) else any_of(dst < 0, dst == src)):
            k.ret()
        x = k.array("x|node_features|h", p.real, (nodes, d), R.uniform(-1.0, 1.0))
        msg = x[src, c]
        match p.pick("plain", "weight", "difference", "gate"):
            case "weight":
                msg = msg * k.array("edge_weights|attn|w", p.real, (edges,), R.uniform(0.0, 1.0))[e]
            case "difference":
                msg = wp.max(x[src, c] - x[dst, c], 0.0) if p.chance(0.5) else x[src, c] - x[dst, c]
            case "gate":
                msg = msg / (
                    1.0
                    + wp.exp(
                        -k.array("edge_features|e_in", p.real, (edges, d), R.uniform(-1.0, 1.0))[
                            e, c
                        ]
                    )
                )
        out = k.out("messages|aggregated|h_out", p.real, (nodes, d))
        k.do(wp.atomic_add(out, dst, c, msg) if p.chance(0.75) else wp.atomic_max(out, dst, c, msg))
        return
    v, c = launch(k, ["v|node|i", "c|f|channel"], (nodes, d))
    offsets = k.array("offsets|row_ptr|indptr", T.I32, (nodes + 1,), R.offsets(edges))
    nbrs = k.array("neighbors|indices|adjacency", T.I32, (edges,), R.integers(0, nodes))
    x = k.array("x|node_features|h", p.real, (nodes, d), R.uniform(-1.0, 1.0))
    pool = p.pick("sum", "mean", "max")
    first, last = k.let("begin|start|lo", offsets[v]), k.let("end|stop|hi", offsets[v + 1])
    acc = k.var("acc|msg|pooled", -1.0e3 if pool == "max" else 0.0, p.real)
    with k.loop("e|s|nb", first, last) as e:
        k.set(acc, wp.max(acc, x[nbrs[e], c])) if pool == "max" else k.aug(acc, "+", x[nbrs[e], c])
    if pool == "mean":
        acc = acc / construct(p.real, wp.max(last - first, 1))
    elif pool == "max":
        acc = choose(last > first, acc, 0.0)
    own = k.param("self_weight|eps|alpha", 0.1, 1.5) * x[v, c]
    k.set(
        k.out("out|updated|h_out", p.real, (nodes, d))[v, c],
        own + acc if p.chance(0.6) else wp.max(own + acc, 0.0),
    )
