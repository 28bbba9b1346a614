"""First-order steps: an intent of optimisation_steps."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optim_bounds import constrain_step
from generator.synthesis.categories._optim_methods import METHODS
from generator.synthesis.categories._optimisers import METHOD_NAMES, Variable
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def first_order(p: ProgramBuilder) -> None:
    """One step of a gradient method."""
    method = p.weighted(
        {
            "sgd": 2,
            "momentum": 2,
            "nesterov": 1.5,
            "adam": 4,
            "adamw": 2.5,
            "adagrad": 1.2,
            "rmsprop": 1.5,
            "lion": 1.2,
            "adadelta": 0.8,
            "rprop": 1,
            "amsgrad": 0.8,
            "adamax": 0.8,
        }
    )
    k = p.kernel_builder(
        METHOD_NAMES[method],
        p.pick(
            "One optimiser step.",
            "Update of every parameter from its gradient.",
            "Fused optimiser update.",
            "Parameters and optimiser state are updated in place.",
        ),
    )
    e = Entities(k, p.pick("param", "variable", "dof", "parameter"), index="i|tid|idx")
    v = Variable(p, e)
    x = v.inout("params|x|theta|weights")
    grad = v.given("grads|g|gradients|grad")
    _skip(p, k, e)
    g = k.var("g|gi|grad_i", grad.own)
    _condition(p, k, e, v, g, x)
    lr = _rate(p, k, e)
    step = METHODS[method](p, k, e, v, g, lr, x)
    new = k.var("x_new|updated|xi", x.own - step if step is not None else x.own)
    if method == "adamw" or p.chance(0.15):
        decay = k.param("weight_decay|wd|lam", 1e-4, 1e-2)
        k.aug(new, "-", x.own * (lr * decay))
    constrain_step(p, k, e, v, new, x)
    if p.chance(0.15):
        shadow = v.inout("ema_params|shadow|averaged")
        rate = k.param("ema_decay|polyak|tau", 0.9, 0.999)
        shadow.store(shadow.own * rate + new * (1.0 - rate))
    x.store(new)
    if p.chance(0.2):
        grad_out = e.out("step_norms|update_size|deltas", p.real)
        grad_out.store(v.size(g))


def _skip(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    match p.pick("none", "none", "guard", "finite", "group"):
        case "guard":
            e.guard()
        case "finite":
            bad = k.array("found_inf|overflow|skip_step", T.I32, (e.worlds or 1,), R.zeros())
            with k.when(bad[e.world if e.world is not None else 0] != 0):
                k.ret()
        case "group":
            frozen = e.field("frozen|is_frozen|requires_grad", T.BOOL, R.mask(0.75)).own
            with k.when(negate(frozen)):
                k.ret()


def _condition(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Variable, g: Expr, x: Field
) -> None:
    """What happens to the gradient first."""
    for what in p.sample(["scale", "decay", "clip_value", "clip_norm", "nan", "noise"], 0, 2):
        match what:
            case "scale":
                k.set(g, g * k.param("grad_scale|inv_scale|loss_scale_inv", 0.1, 1.0))
            case "decay":
                k.aug(g, "+", x.own * k.param("l2|weight_decay|lam_reg", 1e-4, 1e-2))
            case "clip_value":
                c = k.param("clip_value|max_grad|clip", 0.2, 1.0)
                k.set(g, v.each(lambda q, c=c: wp.clamp(q, -c, c), g))
            case "clip_norm":
                total = k.array(
                    "grad_norm_sq|global_norm_sq|norm_acc",
                    p.real,
                    (e.worlds or 1,),
                    R.uniform(0.5, 4.0),
                )
                norm = k.let(
                    "norm|gnorm|global_norm", wp.sqrt(total[e.world if e.world is not None else 0])
                )
                limit = k.param("max_norm|clip_norm|norm_limit", 0.5, 2.0)
                if p.chance(0.5):
                    with k.when(norm > limit):
                        k.aug(g, "*", limit / norm)
                else:
                    k.set(g, g * wp.min(limit / wp.max(norm, 1.0e-6), 1.0))
            case "nan":
                if v.width == 1:
                    with k.when(negate(wp.isfinite(g)) if p.chance(0.5) else wp.isnan(g)):
                        k.set(g, 0.0)
            case "noise":
                k.aug(
                    g,
                    "+",
                    v.given("noise|perturbation|langevin").own
                    * k.param("noise_scale|temperature|sigma", 1e-3, 0.1),
                )


def _rate(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr:
    """Learning rate, constant or from a schedule."""
    kind = p.weighted(
        {"plain": 5, "warmup": 1.5, "cosine": 1.5, "inverse": 1, "per_item": 1.2, "world": 1}
    )
    if kind == "per_item":
        return e.property("lr|learning_rate|step_sizes", 1e-3, 0.1)
    if kind == "world":
        return e.world_param("lr|learning_rate|alpha", 1e-3, 0.1)
    base = k.param("lr|learning_rate|base_lr|alpha", 1e-3, 0.1)
    if kind == "plain":
        return base
    step = k.count("step|iteration|t|step_count", p.pick(10, 50, 100, 500))
    horizon = float(p.pick(100, 200, 1000))

    def body(b: Block, lr: Expr, t: Expr) -> Expr:
        s = construct(p.real, t)
        if kind == "warmup":
            return (
                lr * wp.min(s / horizon, 1.0)
                if p.chance(0.5)
                else choose(s < horizon, lr * s / horizon, lr)
            )
        if kind == "cosine":
            return 0.5 * lr * (1.0 + wp.cos(3.14159265 * wp.min(s / (10.0 * horizon), 1.0)))
        return lr / wp.sqrt(1.0 + s / horizon)

    return k.let(
        "rate|eta|lr_t",
        piece(
            p,
            k,
            f"{kind}_schedule|learning_rate_at|schedule",
            {"lr|base": base, "t|step": step},
            body,
            "",
            0.7,
        ),
    )
