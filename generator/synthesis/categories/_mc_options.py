"""Option pricing along simulated paths, for the Monte Carlo category."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng, tally
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def option(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "price_paths|simulate_paths|mc_option|price_option|path_payoffs|evolve_paths",
        p.pick(
            "Discounted payoff of one simulated path.",
            "Simulate the underlying and accumulate the option value.",
            "One Monte Carlo path per thread.",
        ),
    )
    e = Entities(k, "path", index="tid|path|i")
    rng = entity_rng(e)
    spot, strike = (
        e.world_param("spot|s0|initial_price", 80.0, 120.0),
        e.world_param("strike|k_strike|exercise_price", 80.0, 120.0),
    )
    rate, sigma = (
        k.param("rate|r|risk_free", 0.01, 0.06),
        e.world_param("sigma|vol|volatility", 0.1, 0.5),
    )
    maturity = k.param("maturity|expiry|horizon", 0.25, 2.0)
    style = p.weighted({"european": 2, "asian": 2, "barrier": 2, "lookback": 1, "digital": 1})
    if style in ("european", "digital") and p.chance(0.45):
        final = _terminal(p, k, rng, spot, rate, sigma, maturity)
        payoff = _terminal_payoff(p, k, final, strike, style)
    else:
        payoff = _path_payoff(p, k, rng, spot, strike, rate, sigma, maturity, style)
    discounted = k.let("value|discounted|pv", wp.exp(-rate * maturity) * payoff)
    _estimate(p, k, e, discounted)
    rng.close()


def _terminal(
    p: ProgramBuilder,
    k: KernelBuilder,
    rng: Rng,
    spot: Expr,
    rate: Expr,
    sigma: Expr,
    maturity: Expr,
) -> Expr:
    z = k.let("z|normal|xi", rng.normal())

    def body(b: Block, s: Expr, r: Expr, vol: Expr, t: Expr, g: Expr) -> Expr:
        drift = b.let("drift|mu_t", (r - 0.5 * vol * vol) * t)
        return s * wp.exp(drift + vol * wp.sqrt(t) * g)

    args = {
        "s|spot|s0": spot,
        "r|rate": rate,
        "vol|sigma": sigma,
        "t|maturity": maturity,
        "z|gauss": z,
    }
    return k.let(
        "s_t|final_price|terminal",
        piece(p, k, "terminal_price|gbm_terminal|lognormal_step", args, body),
    )


def _path_payoff(
    p: ProgramBuilder,
    k: KernelBuilder,
    rng: Rng,
    spot: Expr,
    strike: Expr,
    rate: Expr,
    sigma: Expr,
    maturity: Expr,
    style: str,
) -> Expr:
    steps = k.count("num_steps|steps|n_steps|time_steps", p.pick(16, 24, 32, 50, 64))
    dt = k.let("dt|h", maturity / cast(T.F32, steps))
    root = k.let("sqrt_dt|root_dt", wp.sqrt(dt)) if p.chance(0.6) else wp.sqrt(dt)
    price = k.var("s|price|x", spot)
    variance = k.var("v|variance|var", sigma * sigma) if p.chance(0.3) else None
    statistic = _path_statistic(k, spot, style)
    alive = k.var("alive|active|knocked_in", 1) if style == "barrier" else None
    barrier = (
        k.param("barrier|barrier_level|knockout", 125.0, 160.0) if style == "barrier" else None
    )
    with k.loop("step|t|n", steps):
        _advance(p, k, rng, price, variance, rate, sigma, dt, root)
        if style == "asian":
            k.aug(statistic, "+", wp.log(price) if p.chance(0.3) else price)
        elif style == "lookback":
            k.set(statistic, wp.max(statistic, price))
        elif alive is not None and barrier is not None:
            with k.when(price >= barrier):
                k.set(alive, 0)
                if p.chance(0.6):
                    k.brk()
    if style == "asian":
        average = k.let("average|mean_price|avg", statistic / cast(T.F32, steps))
        return k.let(
            "payoff|gain",
            wp.max(average - strike, 0.0) if p.chance(0.6) else wp.max(price - average, 0.0),
        )
    if style == "lookback":
        return k.let(
            "payoff|gain",
            statistic - price if p.chance(0.5) else wp.max(statistic - strike, 0.0),
        )
    if alive is not None:
        vanilla = wp.max(price - strike, 0.0) if p.chance(0.6) else wp.max(strike - price, 0.0)
        if p.chance(0.5):
            return k.let("payoff|gain", choose(alive == 1, vanilla, 0.0))
        payoff = k.var("payoff|gain", 0.0)
        with k.when(alive != 0):
            k.set(payoff, vanilla)
        return payoff
    return _terminal_payoff(p, k, price, strike, style)


def _path_statistic(k: KernelBuilder, spot: Expr, style: str) -> Expr:
    if style == "asian":
        return k.var("running|total|path_sum", 0.0)
    return k.var("extreme|best|running_extreme", spot) if style == "lookback" else spot


def _advance(
    p: ProgramBuilder,
    k: KernelBuilder,
    rng: Rng,
    price: Expr,
    variance: Name | None,
    rate: Expr,
    sigma: Expr,
    dt: Expr,
    root: Expr,
) -> None:
    z = k.let("z|dw|noise", rng.normal())
    if variance is not None:
        kappa, theta = (
            k.param("kappa|mean_reversion", 0.5, 3.0),
            k.param("theta|long_variance", 0.02, 0.1),
        )
        xi = k.param("xi|vol_of_vol", 0.1, 0.6)
        rho = k.quantity("rho|correlation", T.F32, p.pick(-0.7, -0.5, -0.3))
        zv = k.let("z_v|zv|noise_v", rho * z + wp.sqrt(1.0 - rho * rho) * rng.normal())
        level = k.let("v_pos|vp|var_plus", wp.max(variance, 0.0))
        k.aug(price, "*", wp.exp((rate - 0.5 * level) * dt + wp.sqrt(level) * root * z))
        k.aug(variance, "+", kappa * (theta - level) * dt + xi * wp.sqrt(level) * root * zv)
        return
    match p.pick("exact", "exact", "euler", "milstein", "jump", "local"):
        case "exact":
            k.aug(price, "*", wp.exp((rate - 0.5 * sigma * sigma) * dt + sigma * root * z))
        case "euler":
            k.aug(price, "+", price * (rate * dt + sigma * root * z))
        case "milstein":
            k.aug(
                price,
                "*",
                1.0 + rate * dt + sigma * root * z + 0.5 * sigma * sigma * dt * (z * z - 1.0),
            )
        case "jump":
            k.aug(price, "*", wp.exp((rate - 0.5 * sigma * sigma) * dt + sigma * root * z))
            intensity = k.param("jump_rate|intensity|lam", 0.2, 2.0)
            with k.when(rng.uniform() < intensity * dt):
                size = k.param("jump_std|jump_vol", 0.02, 0.15)
                k.aug(price, "*", wp.exp(size * rng.normal()))
        case "local":
            skew = k.param("skew|elasticity|beta", 0.5, 0.95)
            vol = k.let("local_vol|vol_s", sigma * wp.pow(price / 100.0, skew - 1.0))
            k.set(price, price * wp.exp((rate - 0.5 * vol * vol) * dt + vol * root * z))


def _terminal_payoff(
    p: ProgramBuilder, k: KernelBuilder, final: Expr, strike: Expr, style: str
) -> Expr:
    if style == "digital":
        cash = k.param("cash|payout|notional", 1.0, 10.0)
        return k.let(
            "payoff|gain",
            choose(final > strike, cash, 0.0)
            if p.chance(0.5)
            else wp.where(final > strike, cash, 0.0),
        )
    match p.pick("call", "put", "straddle", "type"):
        case "call":
            return k.let("payoff|gain", wp.max(final - strike, 0.0))
        case "put":
            return k.let("payoff|gain", wp.max(strike - final, 0.0))
        case "straddle":
            return k.let("payoff|gain", wp.abs(final - strike))
    is_call = k.scalar("is_call|call_option", T.BOOL, p.chance(0.5))
    payoff = k.var("payoff|gain", 0.0)
    with k.when(is_call):
        k.set(payoff, wp.max(final - strike, 0.0))
    with k.otherwise():
        k.set(payoff, wp.max(strike - final, 0.0))
    return payoff


def _estimate(p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr) -> None:
    """The sample goes to an array, into running sums, or both."""
    form = p.pick("array", "array", "sums", "mean", "both")
    if form in ("array", "both"):
        e.out("payoffs|values|samples|results", T.F32).store(value)
        if p.chance(0.15):
            tally(e, value, 0.0, 60.0)
    if form == "mean":
        mean = Table(e, "estimate|mean|price", T.F32, (1,), role="out")
        mean.add(value / cast(T.F32, e.count()), 0)
    elif form != "array":
        Table(e, "sum_out|total|accum", T.F32, (1,), role="out").add(value, 0)
        Table(e, "sum_sq|total_sq|second_moment", T.F32, (1,), role="out").add(value * value, 0)
