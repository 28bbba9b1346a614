"""Importance-sampled integrals and Markov chains, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng, tally
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def integral(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "importance_sample|estimate_integral|integrate_mc|sample_integral|stratified_estimate",
        p.pick(
            "Monte Carlo estimate of an integral, one batch of samples per thread.",
            "Importance-sampled integral.",
            "",
        ),
    )
    e = Entities(k, "estimate", index="tid|i|batch_id", layouts=p.chance(0.4))
    rng = entity_rng(e)
    samples = k.count("num_samples|samples|n_samples|spp", p.pick(8, 16, 32, 64))
    shape = k.param("sharpness|alpha|decay", 0.5, 4.0)
    target = _integrand(p)
    total = k.var("acc|total|integral", 0.0)
    squares = k.var("acc_sq|total_sq", 0.0) if p.chance(0.4) else None
    weights = k.var("weight_sum|norm", 0.0) if p.chance(0.25) else None
    with k.loop("s|k|sample_id", samples) as s:
        x, density = _proposal(p, k, rng, s, samples)
        value = k.let("f|value|fx", target(x, shape))
        weight = k.let("w|weight|inv_pdf", 1.0 / density)
        contribution = (
            k.let("c|contribution|term", value * weight) if p.chance(0.6) else value * weight
        )
        k.aug(total, "+", contribution)
        if squares is not None:
            k.aug(squares, "+", contribution * contribution)
        if weights is not None:
            k.aug(weights, "+", weight)
    result = k.let(
        "estimate|mean|avg", total / (weights if weights is not None else cast(T.F32, samples))
    )
    e.out("estimates|integrals|result", T.F32).store(result)
    if p.chance(0.25):
        tally(e, result, 0.0, 3.0)
    if squares is not None:
        spread = k.let("variance|var", squares / cast(T.F32, samples) - result * result)
        e.out("variances|errors|spread", T.F32).store(
            wp.sqrt(wp.max(spread, 0.0)) if p.chance(0.5) else spread
        )
    rng.close()


def _integrand(p: ProgramBuilder) -> UserFunction:
    form = p.pick("gauss", "oscillating", "peak", "smooth", "piecewise")

    def body(b: Block, x: Expr, a: Expr) -> None:
        if form == "gauss":
            b.ret(wp.exp(-a * x * x))
        elif form == "oscillating":
            b.ret(wp.exp(-a * x) * (1.0 + wp.cos(p.pick(3.0, 6.0, 10.0) * x)))
        elif form == "peak":
            d = b.let("d|offset", x - p.pick(0.3, 0.5, 0.7))
            b.ret(1.0 / (d * d + 0.01 * a))
        elif form == "smooth":
            b.ret(x * x / (1.0 + a * x))
        else:
            with b.when(x < p.pick(0.3, 0.6)):
                b.ret(a * x)
            b.ret(a * (1.0 - x) + 0.1)

    return p.func(
        "integrand|target|evaluate|f_target", {"x|u": T.F32, "a|alpha|scale": T.F32}, body
    )


def _proposal(
    p: ProgramBuilder, k: KernelBuilder, rng: Rng, s: Expr, samples: Expr
) -> tuple[Expr, Expr]:
    """A sample in (0, 1) or beyond, with its density."""
    match p.pick("exponential", "power", "stratified", "mixture", "logistic"):
        case "exponential":
            rate = k.param("proposal_rate|lam|rate", 0.5, 3.0)
            u = k.let("u|xi", rng.uniform(0.001, 0.999))
            x = k.let("x|sample", -wp.log(1.0 - u) / rate)
            return x, k.let("pdf|q|density", rate * wp.exp(-rate * x))
        case "power":
            u = k.let("u|xi", rng.uniform(0.001, 1.0))
            x = k.let("x|sample", wp.sqrt(u))
            return x, k.let("pdf|q|density", 2.0 * x)
        case "stratified":
            width = k.let("width|cell|stratum", 1.0 / cast(T.F32, samples))
            x = k.let("x|sample", (cast(T.F32, s) + rng.uniform()) * width)
            return x, k.let("pdf|q|density", construct(T.F32, 1.0))
        case "mixture":
            split = k.param("mix|split|p_narrow", 0.2, 0.8)
            x = k.var("x|sample", rng.uniform())
            with k.when(rng.uniform() < split):
                k.set(x, 0.5 * x)
            return x, k.let("pdf|q|density", choose(x < 0.5, 1.0 + split, 1.0 - split))
    scale = k.param("width|spread|scale", 0.2, 1.0)
    u = k.let("u|xi", rng.uniform(0.01, 0.99))
    x = k.let("x|sample", scale * wp.log(u / (1.0 - u)))
    return x, k.let("pdf|q|density", u * (1.0 - u) / scale)


def metropolis(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "metropolis_step|mcmc_step|advance_chains|mala_update|run_chains|metropolis_hastings",
        p.pick(
            "Metropolis update of independent chains.",
            "Advance every chain and count acceptances.",
            "Random-walk Metropolis.",
        ),
    )
    e = Entities(k, "chain", index="tid|chain|c")
    n = p.weighted({2: 4, 3: 3, 1: 2})
    t: T.Type = T.F32 if n == 1 else T.Vec(n)
    energy = _energy(p, n, t)
    chain = e.inout("samples|chain_state|positions|x", t, R.uniform(-1.5, 1.5))
    e.guard()
    rng = entity_rng(e)
    step = e.world_param("step_size|proposal_std|sigma", 0.1, 0.8)
    beta = e.world_param("beta|inv_temperature|inverse_temp", 0.3, 3.0)
    x = k.var("x|current|theta", chain.own)
    current = k.var("e_x|energy|log_p", energy(x))
    accepted = k.var("accepted|hits|n_accept", 0)
    if p.chance(0.7):
        with k.loop("it|sweep|s", k.count("num_steps|sweeps|thin", p.pick(4, 8, 10, 20))):
            _metropolis_move(p, k, rng, energy, x, current, accepted, step, beta, n, True)
    else:
        _metropolis_move(p, k, rng, energy, x, current, accepted, step, beta, n, False)
    k.step()
    chain.store(x)
    if p.chance(0.6):
        e.out("energies|log_density|potential", T.F32).store(current)
    if p.chance(0.5):
        Table(e, "accept_count|total_accepted|acceptances", T.I32, (1,), role="out").add(
            accepted, 0
        )
    else:
        e.out("accept_counts|accepted_moves", T.I32).store(accepted)
    rng.close()


def _energy(p: ProgramBuilder, n: int, t: T.Type) -> UserFunction:
    form = (
        p.pick("double_well", "harmonic")
        if n == 1
        else p.pick("rosenbrock", "harmonic", "mixture", "ring", "egg_crate")
    )

    def body(b: Block, x: Expr) -> None:
        if form == "double_well":
            w = b.let("w|well", x * x - 1.0)
            b.ret(p.pick(1.0, 2.0, 5.0) * w * w)
        elif form == "harmonic":
            b.ret(0.5 * x * x if n == 1 else 0.5 * wp.dot(x, x))
        elif form == "rosenbrock":
            a, c = b.let("a|u", 1.0 - x.x), b.let("c|valley", x.y - x.x * x.x)
            b.ret(a * a + p.pick(5.0, 10.0) * c * c)
        elif form == "ring":
            r = b.let("r|radius", wp.length(x) - p.pick(1.0, 1.5))
            b.ret(p.pick(4.0, 8.0) * r * r)
        elif form == "egg_crate":
            b.ret(0.25 * wp.dot(x, x) + wp.sin(3.0 * x.x) * wp.sin(3.0 * x.y))
        else:
            shift = construct(t, *[1.0, *([0.0] * (n - 1))])
            near, far = b.let("near|d_a", x - shift), b.let("far|d_b", x + shift)
            b.ret(
                -wp.log(
                    wp.exp(-2.0 * wp.dot(near, near))
                    + 0.5 * wp.exp(-2.0 * wp.dot(far, far))
                    + 1.0e-12
                )
            )

    doc = p.pick("Negative log of the target density.", "Potential of the target distribution.", "")
    return p.func("potential|energy|neg_log_density|target_energy", {"x|theta|q": t}, body, doc)


def _metropolis_move(
    p: ProgramBuilder,
    k: KernelBuilder,
    rng: Rng,
    energy: UserFunction,
    x: Expr,
    current: Expr,
    accepted: Expr,
    step: Expr,
    beta: Expr,
    n: int,
    looped: bool,
) -> None:
    gaussian = p.chance(0.6)
    draws = [rng.normal() if gaussian else rng.uniform(-1.0, 1.0) for _ in range(n)]
    jump = draws[0] if n == 1 else construct(T.Vec(n), *draws)
    candidate = k.let("x_new|proposal|candidate", x + step * jump if n == 1 else x + jump * step)
    if p.chance(0.2) and n > 1:
        bound = k.param("bound|box|support", 2.0, 4.0)
        with (
            k.when(wp.length(candidate) > bound)
            if p.chance(0.5)
            else k.when(any_of(wp.abs(candidate.x) > bound, wp.abs(candidate.y) > bound))
        ):
            k.cont() if looped else k.ret()
    e_new = k.let("e_new|energy_new|trial", energy(candidate))
    match p.pick("exp", "log", "short_circuit"):
        case "exp":
            ratio = k.let("ratio|alpha|acceptance", wp.min(wp.exp(-beta * (e_new - current)), 1.0))
            test = rng.uniform() < ratio
        case "log":
            test = wp.log(rng.uniform() + 1.0e-9) < beta * (current - e_new)
        case _:
            delta = k.let("delta|d_e|de", e_new - current)
            test = any_of(delta <= 0.0, rng.uniform() < wp.exp(-beta * delta))
    with k.when(test):
        k.set(x, candidate)
        k.set(current, e_new)
        k.aug(accepted, "+", 1)
