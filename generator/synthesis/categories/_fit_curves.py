"""Curve models fitted per signal: an intent of parameter_fitting."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def model_function(p: ProgramBuilder) -> tuple[str, UserFunction, UserFunction, int]:
    """A curve model and the gradient of its value with respect to its parameters."""
    form = p.pick("decay", "gaussian", "sigmoid", "sinusoid", "power", "line", "lorentz")
    n = {
        "decay": 3,
        "gaussian": 3,
        "sigmoid": 3,
        "sinusoid": 3,
        "power": 2,
        "line": 2,
        "lorentz": 3,
    }[form]
    vec, real = p.vec(n), p.real

    def value(b: Block, q: Expr, t: Expr) -> None:
        match form:
            case "decay":
                b.ret(q[0] * wp.exp(-q[1] * t) + q[2])
            case "gaussian":
                u = b.let("u|z|s", (t - q[1]) / q[2])
                b.ret(q[0] * wp.exp(-0.5 * u * u))
            case "sigmoid":
                b.ret(q[0] / (1.0 + wp.exp(-q[1] * (t - q[2]))))
            case "sinusoid":
                b.ret(q[0] * wp.sin(q[1] * t + q[2]))
            case "power":
                b.ret(q[0] * wp.pow(t, q[1]))
            case "line":
                b.ret(q[0] + q[1] * t)
            case _:
                u = b.let("u|z|s", (t - q[1]) / q[2])
                b.ret(q[0] / (1.0 + u * u))

    def gradient(b: Block, q: Expr, t: Expr) -> None:
        match form:
            case "decay":
                e = b.let("e|ex|fade", wp.exp(-q[1] * t))
                b.ret(construct(vec, e, -q[0] * t * e, 1.0))
            case "gaussian":
                u = b.let("u|z|s", (t - q[1]) / q[2])
                e = b.let("e|ex|bell", wp.exp(-0.5 * u * u))
                b.ret(construct(vec, e, q[0] * e * u / q[2], q[0] * e * u * u / q[2]))
            case "sigmoid":
                s = b.let("s|sig|act", 1.0 / (1.0 + wp.exp(-q[1] * (t - q[2]))))
                d = b.let("d|slope|ds", q[0] * s * (1.0 - s))
                b.ret(construct(vec, s, d * (t - q[2]), -d * q[1]))
            case "sinusoid":
                a = b.let("a|phase|arg", q[1] * t + q[2])
                b.ret(construct(vec, wp.sin(a), q[0] * t * wp.cos(a), q[0] * wp.cos(a)))
            case "power":
                v = b.let("v|pw|tp", wp.pow(t, q[1]))
                b.ret(construct(vec, v, q[0] * v * wp.log(t)))
            case "line":
                b.ret(construct(vec, construct(real, 1.0), t))
            case _:
                u = b.let("u|z|s", (t - q[1]) / q[2])
                w = b.let("w|peak|inv", 1.0 / (1.0 + u * u))
                b.ret(
                    construct(
                        vec, w, 2.0 * q[0] * u * w * w / q[2], 2.0 * q[0] * u * u * w * w / q[2]
                    )
                )

    params: dict[str, T.Type] = {"q|theta|params": vec, "t|x": real}
    f = p.func(
        f"{form}_model|model|evaluate_model",
        params,
        value,
        p.pick("", f"Value of the {form} model."),
    )
    return form, f, p.func(f"{form}_jacobian|model_gradient|d_model", params, gradient), n


def curve_fit(p: ProgramBuilder) -> None:
    """Gauss-Newton or gradient iterations of a curve model, one signal per thread."""
    form, f, grad, n = model_function(p)
    k = p.kernel_builder(
        f"fit_{form}|{form}_fit|fit_curves|levenberg_fit|fit_signals",
        p.pick(
            "Fits the model to every signal.",
            "A few damped Gauss-Newton iterations per signal.",
            "Independent curve fits.",
        ),
    )
    e = Entities(
        k,
        p.pick("signal", "curve", "pixel"),
        index="i|s|tid",
        count=p.pick(16, 24, 32),
        layouts=p.chance(0.5),
    )
    m = p.pick(8, 12, 16)
    lead = (e.n,) if e.worlds is None else (e.worlds, e.n)
    at = (e.index,) if e.world is None else (e.world, e.index)
    t = k.array("times|xs|abscissae", p.real, (m,), R.ascending(0.1, 2.0))
    y = k.array("values|ys|signals", p.real, (*lead, m), R.uniform(0.1, 1.5))
    q_in = e.inout("params|theta|estimates", p.vec(n), R.uniform(0.5, 1.2))
    e.guard()
    q = k.var("q|est|theta_i", q_in.own)
    size = t.dim(0) if p.chance(0.6) else k.scalar("num_samples|m|count", T.I32, m)
    lam = k.param("lam|damping|mu", 0.05, 1.0)
    cost = k.var("cost|sse|chi2", 0.0, p.real)
    descent = p.chance(0.25)
    with k.loop(
        "it|iteration|step",
        k.count("iterations|num_iters|max_iter", p.pick(2, 3, 4, 6))
        if p.chance(0.75)
        else p.pick(2, 3),
    ):
        h = k.var("H|jtj|a", construct(p.mat(n), 0.0)) if not descent else None
        b = k.var("g|jtr|b", construct(p.vec(n), 0.0))
        k.set(cost, cast(p.real, 0.0))
        with k.loop("j|sample|c", size) as j:
            r = k.let("r|res|err", f(q, t[j]) - y[(*at, j)])
            jac = k.let("jac|row|dq", grad(q, t[j]))
            w = _sample_weight(p, k, r, at, lead, m, j)
            if h is not None:
                k.aug(h, "+", wp.outer(jac, jac) if w is None else wp.outer(jac, jac) * w)
            k.aug(b, "+", jac * r if w is None else jac * (w * r))
            k.aug(cost, "+", r * r)
        if h is not None:
            damped = (
                h + wp.diag(construct(p.vec(n), lam))
                if p.chance(0.5)
                else h + wp.diag(wp.get_diag(h) * lam + construct(p.vec(n), 1.0e-3))
            )
            d = (
                k.let("d|step_q|delta", inverted(p, damped) * b)
                if n <= 4
                else k.let("d|step_q|delta", b * lam)
            )
        else:
            d = k.let(
                "d|step_q|delta",
                b * (k.param("rate|lr|step_size", 0.01, 0.1) / (1.0 + wp.length(b))),
            )
        size_d = k.let("len_d|norm_d|move", wp.length(d))
        limit = k.param("max_step|trust|limit", 0.1, 0.5)
        with k.when(size_d > limit):
            k.aug(q, "-", d * (limit / size_d))
        with k.otherwise():
            k.aug(q, "-", d)
        if form in ("gaussian", "lorentz"):
            k.set(q[2], wp.max(wp.abs(q[2]), 0.1))
    q_in.store(q)
    if p.chance(0.7):
        e.out("residual_norms|errors|rmse", p.real).store(
            wp.sqrt(cost / construct(p.real, size)) if p.chance(0.5) else cost
        )
    if p.chance(0.3):
        k.do(wp.atomic_add(k.out("total_cost|sse_sum|objective", p.real, (1,)), 0, cost))


def _sample_weight(
    p: ProgramBuilder, k: KernelBuilder, r: Expr, at: Any, lead: Any, m: int, j: Expr
) -> Expr | None:
    match p.pick("none", "none", "given", "robust"):
        case "given":
            return k.array("weights|inv_var|confidence", p.real, (m,), R.uniform(0.2, 1.0))[j]
        case "robust":
            return k.let(
                "w|irls|rw", 1.0 / (1.0 + r * r / k.param("cutoff|scale_sq|robust", 0.1, 1.0))
            )
    return None
