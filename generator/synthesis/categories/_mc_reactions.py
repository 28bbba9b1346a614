"""Stochastic reactions and queues, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Rng, entity_rng, tally
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def reactions(p: ProgramBuilder) -> None:
    """Gillespie simulation of birth, death and infection, and queues fed by Poisson arrivals."""
    k = p.kernel_builder(
        "gillespie|stochastic_simulation|ssa_step|birth_death|epidemic_paths|queue_simulation",
        p.pick(
            "Exact stochastic simulation of a small reaction system.",
            "Gillespie's direct method.",
            "One realisation per thread.",
        ),
    )
    e = Entities(k, "run", index="tid|run|i")
    if p.chance(0.4):
        e.guard()
    system = p.pick("sir", "birth_death", "queue")
    rng = entity_rng(e)
    horizon = k.param("t_end|horizon|t_final", 2.0, 8.0)
    events = k.count("max_events|event_limit", p.pick(100, 200, 300))
    now = k.var("t|time|now", 0.0)
    count = k.var("n_events|num_events|event", 0)
    {"sir": _sir, "birth_death": _birth_death, "queue": _queue}[system](
        p, k, e, rng, now, horizon, count, events
    )
    if p.chance(0.5):
        e.out("event_counts|num_events_out", T.I32).store(count)
    if p.chance(0.3):
        tally(e, now, 0.0, 8.0)
    rng.close()


def _waiting(k: KernelBuilder, rng: Rng, now: Expr, rate: Expr) -> None:
    k.aug(now, "+", -wp.log(rng.uniform(0.0001, 1.0)) / rate)


def _sir(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    rng: Rng,
    now: Expr,
    horizon: Expr,
    count: Expr,
    events: Expr,
) -> None:
    beta, gamma = (
        e.world_param("beta|infection_rate", 0.5, 3.0),
        e.world_param("gamma|recovery_rate", 0.2, 1.0),
    )
    population = k.count("population|pop_size|n_total", p.pick(50, 100, 200))
    infected = k.var(
        "infected|i_count|inf",
        e.field("initial_infected|seeds_infected|i0", T.I32, R.integers(1, 10)).own,
    )
    susceptible = k.var("susceptible|s_count|sus", population - infected)
    peak = k.var("peak|max_infected", infected)
    with k.repeat(all_of(now < horizon, infected > 0, count < events)):
        infect = k.let(
            "a_inf|rate_inf|a1",
            beta * cast(T.F32, susceptible * infected) / cast(T.F32, population),
        )
        recover = k.let("a_rec|rate_rec|a2", gamma * cast(T.F32, infected))
        _waiting(k, rng, now, infect + recover)
        with k.when(rng.uniform() * (infect + recover) < infect):
            k.aug(susceptible, "-", 1)
            k.aug(infected, "+", 1)
        with k.otherwise():
            k.aug(infected, "-", 1)
        k.set(peak, wp.max(peak, infected))
        k.aug(count, "+", 1)
    e.out("final_susceptible|final_size|s_out", T.I32).store(
        population - susceptible if p.chance(0.5) else susceptible
    )
    e.out("peak_infected|peaks", T.I32).store(peak)


def _birth_death(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    rng: Rng,
    now: Expr,
    horizon: Expr,
    count: Expr,
    events: Expr,
) -> None:
    birth, death = (
        e.world_param("birth_rate|production|k_on", 1.0, 20.0),
        e.world_param("death_rate|decay|k_off", 0.2, 2.0),
    )
    n = k.var("n|copies|molecules", e.field("initial_counts|copies0", T.I32, R.integers(0, 20)).own)
    average = k.var("time_average|integral|area", 0.0)
    with k.repeat(count < events):
        rate = k.let("a0|total_rate|propensity", birth + death * cast(T.F32, n))
        wait = k.let("tau|wait|dt", -wp.log(rng.uniform(0.0001, 1.0)) / rate)
        with k.when(now + wait > horizon):
            k.aug(average, "+", cast(T.F32, n) * (horizon - now))
            k.brk()
        k.aug(average, "+", cast(T.F32, n) * wait)
        k.aug(now, "+", wait)
        up = rng.uniform() * rate < birth
        if p.chance(0.5):
            k.aug(n, "+", choose(up, 1, -1))
        else:
            with k.when(up):
                k.aug(n, "+", 1)
            with k.otherwise():
                k.aug(n, "-", 1)
        k.aug(count, "+", 1)
    e.out("final_counts|copies_out|n_out", T.I32).store(n)
    e.out("mean_counts|averages", T.F32).store(average / horizon)


def _queue(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    rng: Rng,
    now: Expr,
    horizon: Expr,
    count: Expr,
    events: Expr,
) -> None:
    arrivals, service = (
        e.world_param("arrival_rate|lam", 2.0, 10.0),
        e.world_param("service_rate|mu", 3.0, 12.0),
    )
    free_at = k.var("free_at|server_free|busy_until", 0.0)
    waited = k.var("waited|total_wait|delay", 0.0)
    worst = k.var("worst|longest|max_wait", 0.0) if p.chance(0.5) else None
    with k.repeat(all_of(now < horizon, count < events)):
        _waiting(k, rng, now, arrivals)
        start = k.let("start|begin|service_start", wp.max(now, free_at))
        wait = k.let("wait|w|in_queue", start - now)
        if p.chance(0.3):
            patience = k.param("patience|max_queue_time", 0.3, 2.0)
            with k.when(wait > patience):
                k.cont()
        k.set(free_at, start - wp.log(rng.uniform(0.0001, 1.0)) / service)
        k.aug(waited, "+", wait)
        if worst is not None:
            k.set(worst, wp.max(worst, wait))
        k.aug(count, "+", 1)
    e.out("mean_wait|average_delay|waits", T.F32).store(waited / cast(T.F32, wp.max(count, 1)))
    if worst is not None:
        e.out("max_wait_out|worst_delay", T.F32).store(worst)
