"""Scalar equations and minimisers per thread: an intent of optimisation_steps."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def scalar_solver(p: ProgramBuilder) -> None:
    """One-dimensional root finding and minimisation per thread."""
    kind = p.weighted(
        {"newton": 3, "bisect": 2.5, "golden": 2, "secant": 1.5, "safeguarded": 2, "halley": 1}
    )
    names = {
        "newton": "newton_solve|newton_roots|solve_implicit",
        "bisect": "bisection_solve|bracket_root|invert_monotone",
        "golden": "golden_section|minimize_1d|ternary_search",
        "secant": "secant_solve|regula_falsi",
        "safeguarded": "safeguarded_newton|newton_bisect|robust_root",
        "halley": "halley_solve|halley_iteration",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Independent scalar equations.",
            "One root per thread.",
            "Fixed number of iterations, early exit on convergence.",
            "Solves an implicit equation for every entry.",
        ),
    )
    e = Entities(k, p.pick("root", "sample", "cell", "query"), index="i|tid|idx")
    e.guard()
    k.options["enable_backward"] = False
    a = k.let("a|coef|ai", e.field("coefficients|a_in|rates", p.real, R.uniform(0.5, 2.0)).own)
    b = k.let("b|target|bi", e.field("targets|rhs|values", p.real, R.uniform(0.5, 3.0)).own)
    f, df = _scalar_problem(p)
    tol = k.param("tol|tolerance|eps", 1e-6, 1e-3)
    limit = k.count("max_iters|iterations|num_iters", p.pick(8, 12, 20, 30))
    x = {
        "newton": _newton,
        "bisect": _bisect,
        "golden": _golden,
        "secant": _secant,
        "safeguarded": _safeguarded,
        "halley": _newton,
    }[kind](p, k, e, f, df, a, b, tol, limit)
    e.out("roots|solutions|x_out", p.real).store(x)
    if p.chance(0.5):
        e.out("residuals|errors|f_out", p.real).store(wp.abs(f(x, a, b)))
    if p.chance(0.3):
        with k.when(wp.abs(f(x, a, b)) > tol):
            k.do(wp.atomic_add(k.out("not_converged|failures|num_bad", T.I32, (1,)), 0, 1))


def _scalar_problem(p: ProgramBuilder) -> tuple[UserFunction, UserFunction]:
    """An increasing function with a root in [0, 3], and its derivative."""
    form = p.pick("cubic", "exp", "kepler", "log", "tanh")
    real = p.real
    params: dict[str, T.Type] = {"x|t": real, "a|coef": real, "b|rhs|target": real}

    def value(blk: Block, x: Expr, a: Expr, b: Expr) -> None:
        blk.ret(
            {
                "cubic": lambda: x * x * x + a * x - b,
                "exp": lambda: wp.exp(x) - 1.0 + a * x - b,
                "kepler": lambda: x - 0.5 * wp.sin(x) * wp.min(a, 1.0) - b,
                "log": lambda: wp.log(1.0 + x) + a * x - b,
                "tanh": lambda: a * x + wp.tanh(x) - b,
            }[form]()
        )

    def slope(blk: Block, x: Expr, a: Expr) -> None:
        blk.ret(
            {
                "cubic": lambda: 3.0 * x * x + a,
                "exp": lambda: wp.exp(x) + a,
                "kepler": lambda: 1.0 - 0.5 * wp.cos(x) * wp.min(a, 1.0),
                "log": lambda: 1.0 / (1.0 + x) + a,
                "tanh": lambda: a + 1.0 - wp.tanh(x) * wp.tanh(x),
            }[form]()
        )

    f = p.func(f"{form}_equation|equation|residual_of", params, value)
    del params["b|rhs|target"]
    return f, p.func(f"{form}_slope|derivative|residual_slope", params, slope)


def _newton(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    f: Any,
    df: Any,
    a: Expr,
    b: Expr,
    tol: Expr,
    limit: Expr,
) -> Expr:
    x = k.var(
        "x|root|t",
        e.field("guesses|x0|starts", p.real, R.uniform(0.5, 2.0)).own if p.chance(0.5) else 1.0,
        p.real,
    )
    damp = k.param("damping|relax|step_scale", 0.5, 1.0) if p.chance(0.35) else None
    if p.chance(0.5):
        with k.loop("it|n|iteration", limit):
            step = k.let("step|dx|delta", f(x, a, b) / df(x, a))
            k.aug(x, "-", step if damp is None else damp * step)
            if p.chance(0.7):
                with k.when(wp.abs(step) < tol):
                    k.brk()
        return x
    err, n = k.var("err|change|residual", 1.0, p.real), k.var("n|count|it", 0, T.I32)
    with k.repeat(all_of(err > tol, n < limit)):
        fx = k.let("fx|value|r", f(x, a, b))
        k.set(x, x - fx / df(x, a))
        k.set(err, wp.abs(fx))
        k.aug(n, "+", 1)
    if p.chance(0.5):
        e.out("iteration_counts|iters|steps_used", T.I32).store(n)
    return x


def _bisect(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    f: Any,
    df: Any,
    a: Expr,
    b: Expr,
    tol: Expr,
    limit: Expr,
) -> Expr:
    low, high = (
        k.var("lo|low|left", 0.0, p.real),
        k.var("hi|high|right", p.pick(3.0, 4.0, 6.0), p.real),
    )
    with k.loop("it|n|iteration", limit):
        mid = k.let("mid|m|center", 0.5 * (low + high))
        with k.when(f(mid, a, b) > 0.0):
            k.set(high, mid)
        with k.otherwise():
            k.set(low, mid)
        if p.chance(0.5):
            with k.when(high - low < tol):
                k.brk()
    if p.chance(0.4):
        e.out("bracket_widths|uncertainty|widths", p.real).store(high - low)
    return k.let("root|x|answer", 0.5 * (low + high))


def _golden(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    f: Any,
    df: Any,
    a: Expr,
    b: Expr,
    tol: Expr,
    limit: Expr,
) -> Expr:
    def cost(x: Expr) -> Expr:
        v = f(x, a, b)
        return v * v

    low, high = k.var("lo|low|left", 0.0, p.real), k.var("hi|high|right", p.pick(3.0, 4.0), p.real)
    ratio = 0.618034
    with k.loop("it|n|iteration", limit):
        span = k.let("span|width|len_s", high - low)
        if p.chance(0.5):
            with k.when(span < tol):
                k.brk()
        x1, x2 = (
            k.let("x1|c|inner_lo", high - ratio * span),
            k.let("x2|d|inner_hi", low + ratio * span),
        )
        with k.when(cost(x1) < cost(x2)):
            k.set(high, x2)
        with k.otherwise():
            k.set(low, x1)
    return k.let("best|x_min|argmin", 0.5 * (low + high))


def _secant(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    f: Any,
    df: Any,
    a: Expr,
    b: Expr,
    tol: Expr,
    limit: Expr,
) -> Expr:
    x0, x1 = k.var("x0|prev|xa", 0.2, p.real), k.var("x1|cur|xb", 1.5, p.real)
    f0 = k.var("f0|fa|f_prev", f(x0, a, b))
    with k.loop("it|n|iteration", limit):
        f1 = k.let("f1|fb|f_cur", f(x1, a, b))
        gap = k.let("gap|df|slope_num", f1 - f0)
        with k.when(any_of(wp.abs(f1) < tol, wp.abs(gap) < 1.0e-9)):
            k.brk()
        nxt = k.let("nxt|x2|x_new", x1 - f1 * (x1 - x0) / gap)
        k.set(x0, x1)
        k.set(f0, f1)
        k.set(x1, wp.clamp(nxt, 0.0, 4.0) if p.chance(0.6) else nxt)
    return x1


def _safeguarded(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    f: Any,
    df: Any,
    a: Expr,
    b: Expr,
    tol: Expr,
    limit: Expr,
) -> Expr:
    low, high = k.var("lo|low|left", 0.0, p.real), k.var("hi|high|right", p.pick(3.0, 4.0), p.real)
    x = k.var("x|root|t", 0.5 * (low + high))
    with k.loop("it|n|iteration", limit):
        fx = k.let("fx|value|r", f(x, a, b))
        with k.when(wp.abs(fx) < tol):
            k.brk()
        with k.when(fx > 0.0):
            k.set(high, x)
        with k.otherwise():
            k.set(low, x)
        trial = k.var("trial|xn|newton_x", x - fx / df(x, a))
        with k.when(any_of(trial <= low, trial >= high)):
            k.set(trial, 0.5 * (low + high))
        k.set(x, trial)
    return x
