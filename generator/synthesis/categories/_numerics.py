"""Pieces that numerical categories share: accumulation, robust losses, test objectives, small solves."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, Operand, literal


def add_at(
    k: KernelBuilder, array: Expr, index: Operand | tuple[Operand, ...], value: Operand
) -> None:
    """Atomic accumulation into an array element, in the program's spelling."""
    at = index if isinstance(index, tuple) else (index,)
    assert isinstance(array.type, T.Array)
    if k.p.augmented_atomics:
        k.aug(array[at], "+", value)
    else:
        k.do(wp.atomic_add(array, *at, N.lift(value, array.type.dtype)))


def routine(
    p: ProgramBuilder,
    b: Block,
    hint: str,
    args: dict[str, Expr],
    write: Callable[..., None],
    inline: Callable[..., Expr],
    doc: str = "",
    share: float = 0.75,
) -> Expr:
    """A piece whose function form differs from its inline form, such as one with early returns."""
    if p.on("helper_function") and p.chance(share):
        return p.func(hint, {h: a.type for h, a in args.items()}, write, doc)(*args.values())
    return inline(b, *args.values())


# --- robust losses --------------------------------------------------------------------------------

LOSSES = ("huber", "cauchy", "tukey", "geman", "welsch", "fair", "l1", "pseudo_huber")


def robust_weight(
    p: ProgramBuilder, b: Block, r: Expr, scale: Expr, form: str | None = None
) -> Expr:
    """The weight of a residual in iteratively reweighted least squares."""
    form = form or p.pick(*LOSSES)

    def value(x: Block, e: Expr, c: Expr) -> Expr:
        if form == "huber":
            a = x.let("a|abs_r|mag", wp.abs(e))
            return wp.min(c / wp.max(a, 1.0e-9), 1.0)
        if form == "l1":
            return 1.0 / wp.max(wp.abs(e), c)
        if form == "fair":
            return 1.0 / (1.0 + wp.abs(e) / c)
        q = x.let("q|u|s|z", e / c)
        if form == "cauchy":
            return 1.0 / (1.0 + q * q)
        if form == "tukey":
            t = x.let("t|m|v", wp.max(1.0 - q * q, 0.0))
            return t * t
        if form == "geman":
            d = x.let("d|den", 1.0 + q * q)
            return 1.0 / (d * d)
        if form == "welsch":
            return wp.exp(-0.5 * q * q)
        return 1.0 / wp.sqrt(1.0 + q * q)

    def write(x: Block, e: Expr, c: Expr) -> None:
        if form in ("huber", "tukey", "l1"):
            a = x.let("a|abs_r|mag", wp.abs(e))
            if form == "tukey":
                with x.when(a >= c):
                    x.ret(literal(0.0, e.type))
                t = x.let("t|u", 1.0 - (a / c) * (a / c))
                x.ret(t * t)
                return
            with x.when(a <= c if form == "huber" else a < c):
                x.ret(literal(1.0, e.type) if form == "huber" else 1.0 / c)
            x.ret(c / a if form == "huber" else 1.0 / a)
            return
        x.ret(value(x, e, c))

    doc = p.pick("", f"Weight of the {form.replace('_', '-')} loss.", "IRLS weight of a residual.")
    args = {"r|residual|e": r, "c|delta|scale|k": scale}
    return routine(
        p, b, f"{form}_weight|robust_weight|irls_weight|loss_weight", args, write, value, doc
    )


def robust_cost(p: ProgramBuilder, b: Block, r: Expr, scale: Expr) -> Expr:
    """The loss of a residual."""
    form = p.pick("squared", "huber", "cauchy", "welsch", "pseudo", "truncated")

    def value(x: Block, e: Expr, c: Expr) -> Expr:
        if form == "squared":
            return 0.5 * e * e / (c * c)
        if form == "truncated":
            return wp.min(e * e, c * c)
        if form == "huber":
            a = x.let("a|abs_r", wp.abs(e))
            return wp.where(a <= c, 0.5 * a * a, c * (a - 0.5 * c))
        q = x.let("q|u|z", e / c)
        if form == "cauchy":
            return 0.5 * c * c * wp.log(1.0 + q * q)
        if form == "welsch":
            return 0.5 * c * c * (1.0 - wp.exp(-q * q))
        return c * c * (wp.sqrt(1.0 + q * q) - 1.0)

    def write(x: Block, e: Expr, c: Expr) -> None:
        if form == "huber":
            a = x.let("a|abs_r", wp.abs(e))
            with x.when(a <= c):
                x.ret(0.5 * e * e)
            x.ret(c * (a - 0.5 * c))
            return
        x.ret(value(x, e, c))

    args = {"r|residual|e": r, "c|delta|scale": scale}
    return routine(p, b, f"{form}_loss|robust_cost|rho|loss", args, write, value)


# --- test objectives ------------------------------------------------------------------------------

OBJECTIVES = {
    2: ("rosenbrock", "himmelblau", "booth", "rastrigin", "sphere", "ackley", "saddle", "griewank"),
    3: ("sphere", "rastrigin", "rosenbrock", "ackley", "griewank", "styblinski"),
}


def objective(p: ProgramBuilder, t: T.Vec) -> UserFunction:
    """A benchmark or model cost of a vector, as a `@wp.func`."""
    form = p.pick(*OBJECTIVES[2 if t.n == 2 else 3])
    loop = p.chance(0.5)

    def terms(b: Block, x: Expr, term: Callable[[Expr], Expr], start: float) -> Expr:
        if loop:
            total = b.var("total|s|cost|f", start, t.scalar)
            with b.loop("i|c|d", t.n) as i:
                b.aug(total, "+", term(x[i]))
            return total
        total = term(x[0])
        for i in range(1, t.n):
            total = total + term(x[i])
        return total + start if start else total

    def body(b: Block, x: Expr) -> None:
        match form:
            case "rosenbrock":
                total: Expr | None = None
                for i in range(t.n - 1):
                    a = b.let("a|u|d", x[i + 1] - x[i] * x[i])
                    c = b.let("b|v|e", 1.0 - x[i])
                    part = 100.0 * a * a + c * c
                    total = part if total is None else total + part
                assert total is not None
                b.ret(total)
            case "himmelblau":
                u, v = b.let("a|u", x.x * x.x + x.y - 11.0), b.let("b|v", x.x + x.y * x.y - 7.0)
                b.ret(u * u + v * v)
            case "booth":
                u, v = b.let("a|u", x.x + 2.0 * x.y - 7.0), b.let("b|v", 2.0 * x.x + x.y - 5.0)
                b.ret(u * u + v * v)
            case "sphere":
                b.ret(wp.dot(x, x) if p.chance(0.5) else wp.length_sq(x))
            case "rastrigin":
                b.ret(terms(b, x, lambda s: s * s - 10.0 * wp.cos(6.2831853 * s), 10.0 * t.n))
            case "styblinski":
                b.ret(0.5 * terms(b, x, lambda s: s * s * s * s - 16.0 * s * s + 5.0 * s, 0.0))
            case "saddle":
                b.ret(x.x * x.x - 0.5 * x.y * x.y + 0.25 * x.y * x.y * x.y * x.y)
            case "griewank":
                wave = wp.cos(x[0])
                for i in range(1, t.n):
                    wave = wave * wp.cos(x[i] * (0.70710678 if i == 1 else 0.57735027))
                b.ret(1.0 + wp.dot(x, x) / 4000.0 - wave)
            case "ackley":
                radius = b.let("r|radial", wp.sqrt(wp.dot(x, x) / float(t.n)))
                waves = terms(b, x, lambda s: wp.cos(6.2831853 * s), 0.0) / float(t.n)
                b.ret(20.0 - 20.0 * wp.exp(-0.2 * radius) + 2.7182818 - wp.exp(waves))

    doc = p.pick("", "Cost to be minimised.", f"{form.capitalize()} test function.")
    return p.func(f"{form}|objective|cost|energy|evaluate", {"x|p|theta": t}, body, doc)


# --- small dense systems in arrays ----------------------------------------------------------------


def solve_small(p: ProgramBuilder, k: Block, a: Expr, b: Expr) -> Expr:
    """The solution of ``a x = b`` for a small symmetric positive-definite matrix value."""
    assert isinstance(a.type, T.Mat)
    n = a.type.rows
    form = (
        p.pick("inverse", "inverse", "function", "cg", "cholesky")
        if n <= 4
        else p.pick("cg", "cholesky")
    )
    if form == "inverse":
        return inverted(p, a) * b

    def direct(x: Block, m: Expr, v: Expr) -> None:
        x.ret(inverted(p, m) * v)

    def gradients(x: Block, m: Expr, v: Expr) -> None:
        u = x.var("x|u", construct(v.type, 0.0))
        r = x.var("r|residual", v)
        d = x.var("d|direction|q", v)
        rr = x.var("rr|rho|gamma", wp.dot(v, v))
        with x.loop("it|_", n if p.chance(0.6) else 2 * n):
            ad = x.let("ad|md|w", m * d)
            curvature = x.let("curv|dad", wp.dot(d, ad))
            with x.when(curvature < 1.0e-12):
                x.ret(u)
            alpha = x.let("alpha|step", rr / curvature)
            x.set(u, u + d * alpha)
            x.set(r, r - ad * alpha)
            fresh = x.let("rr_new|rho_new", wp.dot(r, r))
            x.set(d, r + d * (fresh / wp.max(rr, 1.0e-20)))
            x.set(rr, fresh)
        x.ret(u)

    writers = {"function": direct, "cg": gradients, "cholesky": _cholesky(n)}
    doc = p.pick(
        "",
        "Solve a small symmetric positive-definite system.",
        "Dense solve of the normal equations.",
    )
    hints = {
        "function": "solve|solve_dense",
        "cg": "cg_solve|solve_cg|conjugate_gradient",
        "cholesky": "cholesky_solve|solve_spd|chol_solve",
    }
    return p.func(hints[form], {"a|m|h|lhs": a.type, "b|g|rhs": b.type}, writers[form], doc)(a, b)


def _cholesky(n: int) -> Callable[..., None]:
    def body(x: Block, m: Expr, v: Expr) -> None:
        low = x.var("l|chol|factor", construct(m.type, 0.0))
        with x.loop("j|c", n) as j:
            s = x.var("s|acc|pivot", m[j, j])
            with x.loop("k|t", j) as t:
                x.aug(s, "-", low[j, t] * low[j, t])
            x.set(low[j, j], wp.sqrt(wp.max(s, 1.0e-12)))
            with x.loop("i|r", j + 1, n) as i:
                u = x.var("u|sum_ij|entry", m[i, j])
                with x.loop("k|t", j) as t:
                    x.aug(u, "-", low[i, t] * low[j, t])
                x.set(low[i, j], u / low[j, j])
        y = x.var("y|z", construct(v.type, 0.0))
        with x.loop("i|r", n) as i:
            f = x.var("f|fwd", v[i])
            with x.loop("k|t", i) as t:
                x.aug(f, "-", low[i, t] * y[t])
            x.set(y[i], f / low[i, i])
        out = x.var("x|sol", construct(v.type, 0.0))
        with x.loop("i|r", n) as r:
            i = x.let("row|back|m_r", n - 1 - r)
            g = x.var("g|bwd", y[i])
            with x.loop("k|t", i + 1, n) as t:
                x.aug(g, "-", low[t, i] * out[t])
            x.set(out[i], g / low[i, i])
        x.ret(out)

    return body


def argument_sum(parts: list[Expr]) -> Expr:
    """The sum of expressions, left to right."""
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total


def locals_of(k: Block, hints: list[str], values: list[Expr]) -> list[Name]:
    """One local per value."""
    return [k.let(h, v) for h, v in zip(hints, values, strict=True)]


# --- monitoring -----------------------------------------------------------------------------------


def report(
    p: ProgramBuilder, e: Entities, value: Expr, word: str = "error", low: int = 0, high: int = 2
) -> None:
    """What a kernel may keep about a non-negative scalar of its item: statistics, flags, bins, a running mean."""
    k = e.k
    kinds = p.sample(
        ["store", "peak", "sum", "count", "flag", "bin", "smooth"], low, p.rng.randint(low, high)
    )
    if len(kinds) > 1 and not isinstance(value, Name):
        value = k.let(f"{word}|{word}_i|measure", value)
    worlds, where = e.worlds or 1, e.world if e.world is not None else 0
    for kind in kinds:
        match kind:
            case "store":
                e.out(f"{word}_out|{word}s", p.real).store(value)
            case "peak":
                k.do(
                    wp.atomic_max(
                        k.out(f"max_{word}|peak_{word}|worst_{word}", p.real, (worlds,)),
                        where,
                        value,
                    )
                )
            case "sum":
                add_at(
                    k, k.out(f"total_{word}|sum_{word}|{word}_sum", p.real, (worlds,)), where, value
                )
            case "count":
                with k.when(
                    value > k.param(f"{word}_tol|{word}_limit|{word}_threshold", 0.05, 0.8)
                ):
                    add_at(k, k.out(f"num_above|{word}_count|exceeded", T.I32, (worlds,)), where, 1)
            case "flag":
                test = value > k.param(f"flag_{word}|{word}_cutoff|{word}_alarm", 0.05, 0.8)
                flagged = choose(test, 1, 0) if p.chance(0.5) else wp.where(test, 1, 0)
                e.out(f"{word}_flags|flagged|suspicious", T.I32).store(flagged)
            case "bin":
                bins = p.pick(8, 16, 32)
                width = k.param("bin_width|bucket|bin_size", 0.02, 0.2)
                b = k.let("b|bin|bucket_id", wp.min(cast(T.I32, value / width), bins - 1))
                add_at(k, k.out(f"{word}_hist|histogram|hist", T.I32, (bins,)), b, 1)
            case "smooth":
                mean = e.inout(
                    f"mean_{word}|smoothed_{word}|{word}_avg", p.real, R.uniform(0.0, 1.0)
                )
                rate = k.param("smoothing|ema_rate|forget", 0.05, 0.5)
                mean.store(mean.own + (value - mean.own) * rate)


def split(
    p: ProgramBuilder,
    b: Block,
    hint: str,
    args: dict[str, Expr],
    hints: list[str],
    body: Callable[..., tuple[Expr, ...]],
    doc: str = "",
) -> list[Expr]:
    """Several results of one piece of work: a function with a multiple return, or inline locals."""
    if p.on("helper_function") or p.chance(0.25):

        def write(inner: Block, *params: Expr) -> None:
            inner.ret(*body(inner, *params))

        return list(
            b.unpack(
                hints,
                p.func(hint, {h: a.type for h, a in args.items()}, write, doc)(*args.values()),
            )
        )
    return [
        v if isinstance(v, Name) else b.let(h, v)
        for h, v in zip(hints, body(b, *args.values()), strict=True)
    ]


def tally(
    p: ProgramBuilder,
    k: KernelBuilder,
    at: tuple[Expr, ...],
    dims: tuple[int, ...],
    value: Expr,
    word: str = "value",
    low: int = 0,
    high: int = 2,
) -> None:
    """What a kernel over explicit indices may keep about a number: per item, per world, above a threshold."""
    kinds = p.sample(
        ["store", "peak", "sum", "count", "mark", "square", "low"], low, p.rng.randint(low, high)
    )
    if len(kinds) > 1 and not isinstance(value, Name):
        value = k.let(f"{word}_i|{word}|measure", value)
    where, n = (at[0], dims[0]) if len(dims) > 1 else (0, 1)
    for kind in kinds:
        match kind:
            case "store":
                k.set(k.out(f"{word}_out|{word}s", p.real, dims)[at], value)
            case "peak":
                k.do(
                    wp.atomic_max(
                        k.out(f"max_{word}|peak_{word}|worst_{word}", p.real, (n,)),
                        where,
                        wp.abs(value),
                    )
                )
            case "sum":
                add_at(k, k.out(f"total_{word}|sum_{word}|{word}_sum", p.real, (n,)), where, value)
            case "square":
                add_at(
                    k,
                    k.out(f"{word}_sq|{word}_norm_sq|sq_{word}", p.real, (n,)),
                    where,
                    value * value,
                )
            case "low":
                k.do(
                    wp.atomic_min(
                        k.out(f"min_{word}|lowest_{word}", p.real, (n,), R.constant(1000.0)),
                        where,
                        value,
                    )
                )
            case "count":
                with k.when(
                    wp.abs(value) > k.param(f"{word}_tol|{word}_limit|{word}_threshold", 0.05, 0.8)
                ):
                    add_at(k, k.out(f"num_above|{word}_count|exceeded", T.I32, (n,)), where, 1)
            case "mark":
                test = value > k.param(f"mark_{word}|{word}_cutoff|{word}_level", 0.05, 0.8)
                k.set(
                    k.out(f"{word}_mask|{word}_flags|marked", T.I32, dims)[at],
                    choose(test, 1, 0) if p.chance(0.5) else wp.where(test, 1, 0),
                )
