"""Backward pieces and element-wise layers: intents of neural_layers."""

from generator.synthesis import recipes as R
from generator.synthesis.builtins import wp
from generator.synthesis.categories._neural import derivative, extent, launch, weights
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def backward(p: ProgramBuilder) -> None:
    """Backward pieces of dense layers and activations."""
    kind = p.weighted({"activation": 3, "weight": 3, "input": 3, "bias": 1.5, "gate": 1.5})
    names = {
        "activation": "activation_backward|relu_backward|act_grad",
        "weight": "linear_weight_grad|accumulate_dw|weight_gradient",
        "input": "linear_input_grad|backprop_input|dense_backward",
        "bias": "bias_grad|sum_columns|reduce_bias",
        "gate": "gated_backward|swiglu_backward|glu_grad",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Backward pass of one layer.",
            "Gradient of a dense layer.",
            "Chain rule, element by element.",
        ),
    )
    n, d_in, d_out = p.pick(12, 16, 24), p.pick(4, 6, 8), p.pick(4, 6, 8)
    if kind in ("activation", "gate"):
        i, c = launch(k, ["i|row|b", "c|unit|j"], (n, d_out))
        g = k.array("grad_out|dy|upstream", p.real, (n, d_out), R.uniform(-1.0, 1.0))[i, c]
        z = k.let(
            "z|pre|x_val",
            k.array("pre_activation|z_in|saved", p.real, (n, d_out), R.uniform(-2.0, 2.0))[i, c],
        )
        if kind == "activation":
            value = g * derivative(p)(z)
            if p.chance(0.3):
                value = value * k.array("dropout_mask|keep", p.real, (n, d_out), R.mask(0.8))[i, c]
            k.set(k.out("grad_in|dx|dz", p.real, (n, d_out))[i, c], value)
            return
        u = k.array("up|gate_value|u_in", p.real, (n, d_out), R.uniform(-1.0, 1.0))[i, c]
        s = k.let("s|sig|gate", 1.0 / (1.0 + wp.exp(-z)))
        swish = p.chance(0.5)
        if p.chance(0.35):
            g = k.let("g|dy_scaled|upstream_g", g * k.param("loss_scale|scale|alpha", 0.5, 2.0))
        if p.chance(0.3):
            k.do(
                wp.atomic_add(k.out("gate_mass|mean_gate|usage", p.real, (d_out,)), c, s / float(n))
            )
        k.set(k.out("grad_up|du", p.real, (n, d_out))[i, c], g * (z * s if swish else s))
        k.set(
            k.out("grad_gate|dz", p.real, (n, d_out))[i, c],
            g * u * (s * (1.0 + z * (1.0 - s)) if swish else s * (1.0 - s)),
        )
        return
    grad_f = derivative(p) if p.chance(0.45) else None

    def delta(b: Expr, o: Expr) -> Expr:
        g = dy[b, o]
        return g if saved is None or grad_f is None else g * grad_f(saved[b, o])

    if kind == "bias":
        (o,) = launch(k, ["o|j|col"], (d_out,))
    elif kind == "weight":
        o, i = launch(k, ["o|out_idx|r", "i|in_idx|c"], (d_out, d_in))
    else:
        b, i = launch(k, ["b|row|sample", "i|in_idx|c"], (n, d_in))
    dy = k.array("grad_out|dy|upstream", p.real, (n, d_out), R.uniform(-1.0, 1.0))
    saved = (
        k.array("pre_activation|z_in|saved", p.real, (n, d_out), R.uniform(-2.0, 2.0))
        if grad_f is not None
        else None
    )
    acc = k.var("acc|g|total", 0.0, p.real)
    if kind == "input":
        w = weights(p, k, "W|weight|weights", p.real, (d_out, d_in))
        with k.loop("o|j|unit", extent(p, k, w, 0, d_out, "out_features|d_out|units")) as o:
            k.aug(acc, "+", delta(b, o) * w[o, i])
        out = k.array("grad_in|dx|d_input", p.real, (n, d_in), R.zeros(), "inout")
        k.set(out[b, i], acc + out[b, i] if p.chance(0.4) else acc)
        return
    x = (
        k.array("x|inputs|saved_input", p.real, (n, d_in), R.uniform(-1.0, 1.0))
        if kind == "weight"
        else None
    )
    with k.loop("b|row|sample", extent(p, k, dy, 0, n, "batch|batch_size|n")) as b:
        k.aug(acc, "+", delta(b, o) * x[b, i] if x is not None else delta(b, o))
    at = (o, i) if kind == "weight" else (o,)
    shape = (d_out, d_in) if kind == "weight" else (d_out,)
    value = acc / float(n) if p.chance(0.4) else acc
    if p.chance(0.4):
        w = weights(p, k, "W|weight|params_in" if kind == "weight" else "bias|b_vec", p.real, shape)
        value = value + k.param("weight_decay|l2|decay", 1e-4, 1e-2) * w[at]
    k.set(
        k.out(
            "grad_W|dW|weight_grad" if kind == "weight" else "grad_b|db|bias_grad", p.real, shape
        )[at],
        value,
    )
