"""Growth, epidemics, neurons, doses and prices."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, piecewise
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _logistic(p: ProgramBuilder, b: Block, n: Expr, r: Expr, capacity: Expr, dt: Expr) -> Results:
    if p.chance(0.5):
        return (n + dt * r * n * (1.0 - n / capacity),)
    growth = b.let("growth|g|factor", wp.exp(r * dt))
    return (capacity * n * growth / (capacity + n * (growth - 1.0)),)


def _predator(
    p: ProgramBuilder, b: Block, prey: Expr, hunters: Expr, a: Expr, c: Expr, dt: Expr
) -> Results:
    met = b.let(
        "met|eaten|encounters",
        c * prey * hunters if p.chance(0.5) else c * prey * hunters / (1.0 + prey),
    )
    return prey + dt * (a * prey - met), hunters + dt * (0.5 * met - 0.4 * hunters)


def _epidemic(
    p: ProgramBuilder, b: Block, s: Expr, i: Expr, beta: Expr, gamma: Expr, dt: Expr
) -> Results:
    infected = b.let("infected|new_cases|cases", beta * s * i * dt)
    recovered = gamma * i * dt
    return s - infected, i + infected - recovered


def _rate_constants(p: ProgramBuilder, b: Block, v: Expr) -> Results:
    """Opening and closing rates of a sodium gate."""
    x = b.let("x|dv|shifted", (v + 40.0) / 10.0)
    opening = choose(wp.abs(x) < 1.0e-4, 1.0 + 0.5 * x, x / (1.0 - wp.exp(-x)))
    return opening, 4.0 * wp.exp(-(v + 65.0) / 18.0)


def _gate(p: ProgramBuilder, b: Block, m: Expr, a: Expr, c: Expr, dt: Expr) -> Results:
    if p.chance(0.5):
        return (m + dt * (a * (1.0 - m) - c * m),)
    rate = b.let("rate|total|k_sum", a + c)
    rest = a / rate
    return (rest + (m - rest) * wp.exp(-dt * rate),)


def _integrate_fire(
    p: ProgramBuilder, b: Block, v: Expr, current: Expr, tau: Expr, threshold: Expr
) -> Results:
    updated = b.let("v_new|u|updated", v + p.pick(0.1, 0.25, 0.5) / tau * (current - v))
    spike = updated >= threshold
    return choose(spike, 0.0, updated), choose(spike, number(p, 1.0), number(p, 0.0))


def _fitzhugh(p: ProgramBuilder, b: Block, v: Expr, w: Expr, current: Expr, dt: Expr) -> Results:
    dv = b.let("dv|v_dot|rate", v - v * v * v / 3.0 - w + current)
    return v + dt * dv, w + dt * p.pick(0.08, 0.1) * (v + 0.7 - 0.8 * w)


def _plasticity(
    p: ProgramBuilder, b: Block, weight: Expr, lag: Expr, gain: Expr, tau: Expr
) -> Results:
    change = gain * wp.sign(lag) * wp.exp(-wp.abs(lag) / tau)
    return (
        wp.clamp(weight + change, 0.0, 1.0) if p.chance(0.6) else weight + change * (1.0 - weight),
    )


def _dose(p: ProgramBuilder, b: Block, t: Expr, dose: Expr, ka: Expr, ke: Expr) -> Results:
    scale = b.let("scale|f|amplitude", dose * ka / (ka - ke))
    return (scale * (wp.exp(-ke * t) - wp.exp(-ka * t)),)


@piecewise
def _infusion(p: ProgramBuilder, b: Block, t: Expr, rate: Expr, ke: Expr, stop: Expr) -> None:
    level = b.let("level|c_ss|plateau", rate / ke)
    with b.when(t <= stop):
        b.ret(level * (1.0 - wp.exp(-ke * t)))
    end = level * (1.0 - wp.exp(-ke * stop))
    if p.chance(0.5):
        end = b.let("end|c_end|top", end)
    b.ret(end * wp.exp(-ke * (t - stop)))


@piecewise
def _photosynthesis(p: ProgramBuilder, b: Block, light: Expr, pmax: Expr, alpha: Expr) -> None:
    dark = p.pick(5.0, 10.0)
    with b.when(light < dark):
        b.ret(number(p, 0.0))
    x = b.let("x|drive|u", alpha * light / pmax)
    b.ret(pmax * (wp.tanh(x) if p.chance(0.5) else 1.0 - wp.exp(-x)))


def _thermal_response(p: ProgramBuilder, b: Block, t: Expr, t_opt: Expr, t_max: Expr) -> Results:
    below = b.let("d|below|delta", (t - t_opt) / p.pick(8.0, 10.0))
    cool = wp.exp(-below * below)
    hot = 1.0 - wp.pow(wp.clamp((t - t_opt) / (t_max - t_opt), 0.0, 1.0), 2.0)
    return (wp.where(t < t_opt, cool, hot),)


def _black_scholes(
    p: ProgramBuilder, b: Block, spot: Expr, strike: Expr, years: Expr, rate: Expr, sigma: Expr
) -> Results:
    spread = b.let("spread|vol|sd", sigma * wp.sqrt(years))
    d1 = b.let(
        "d1|upper|a", (wp.log(spot / strike) + (rate + 0.5 * sigma * sigma) * years) / spread
    )
    shares = 0.5 * (1.0 + wp.erf(d1 * 0.70710678))
    paid = 0.5 * (1.0 + wp.erf((d1 - spread) * 0.70710678))
    if p.chance(0.5):
        shares = b.let("shares|delta|n1", shares)
    return (spot * shares - strike * wp.exp(-rate * years) * paid,)


def _bond(p: ProgramBuilder, b: Block, years: Expr, yield_rate: Expr, coupon: Expr) -> Results:
    discount = b.let("discount|df|v", wp.exp(-yield_rate * years))
    return (coupon * (1.0 - discount) / yield_rate + 100.0 * discount,)


_DT = ("dt|h|step", 0.001, 0.05)

BIOLOGY = Subject(
    ("patch", "cell", "neuron", "agent", "trial"),
    (
        Law("logistic_growth|grow|population_step", "Growth towards a capacity.", (("population|n_pop", 0.5, 80.0),),
            (("growth_rate|r", 0.05, 1.0), ("capacity|k_cap", 50.0, 120.0), _DT), ("population_next|n_next",), _logistic),
        Law("predator_prey|lotka_volterra|food_web_step", "One step of two species.", (("prey|x", 0.5, 3.0), ("predators|y", 0.2, 2.0)),
            (("birth|a", 0.3, 1.2), ("attack|c_a", 0.2, 1.0), _DT), ("prey_next|x_next", "predators_next|y_next"), _predator),
        Law("sir_step|epidemic_step|infection", "One step of an epidemic.", (("susceptible|s", 0.4, 0.95), ("infectious|i_f", 0.01, 0.3)),
            (("beta|contact_rate", 0.2, 1.5), ("gamma|recovery", 0.05, 0.5), _DT), ("s_next|susceptible_out", "i_next|infectious_out"),
            _epidemic),
        Law("gate_rates|channel_rates|rate_functions", "Rates of a gate at a membrane voltage.", (("voltage|v_m", -80.0, 20.0),), (),
            ("opening|alpha", "closing|beta"), _rate_constants),
        Law("gate_step|gating|update_gate", "One step of a gating variable.", (("gate|m", 0.05, 0.95),),
            (("opening|alpha", 0.2, 3.0), ("closing|beta", 0.2, 3.0), _DT), ("gate_next|m_next",), _gate),
        Law("integrate_and_fire|membrane_step|lif", "Leaky neuron with a threshold.", (("voltage|v_m", 0.0, 1.0), ("current|drive", 0.0, 3.0)),
            (("tau|leak_time", 2.0, 20.0), ("threshold|v_th", 0.8, 1.2)), ("v_next|voltage_out", "spikes|fired"), _integrate_fire),
        Law("fitzhugh_nagumo|excitable_step|recovery_step", "One step of an excitable cell.",
            (("voltage|v_m", -2.0, 2.0), ("recovery|w", -1.0, 1.5)), (("current|stimulus", 0.1, 0.8), _DT), ("v_next|v_new", "w_next|w_new"),
            _fitzhugh),
        Law("spike_timing|plasticity|weight_update", "Change of a weight with the lag of two spikes.",
            (("weight|w_syn", 0.1, 0.9), ("lag|dt_spike", -20.0, 20.0)), (("gain|lr", 0.005, 0.05), ("tau|window_ms", 10.0, 30.0)),
            ("weight_next|w_new",), _plasticity),
        Law("oral_dose|plasma_level|concentration", "Level after a dose that is absorbed.", (("time|hours|t", 0.1, 24.0),),
            (("dose|amount", 10.0, 200.0), ("ka|absorption", 0.8, 2.5), ("ke|elimination", 0.05, 0.5)), ("level|conc",), _dose),
        Law("infusion_level|drip|infusion", "Level during and after an infusion.", (("time|hours|t", 0.0, 24.0),),
            (("rate|flow_rate", 1.0, 20.0), ("ke|elimination", 0.05, 0.5), ("stop|duration", 4.0, 12.0)), ("level|conc",), _infusion),
        Law("photosynthesis|light_response|assimilation", "Uptake against light.", (("light|par", 0.0, 900.0),),
            (("pmax|max_rate", 5.0, 30.0), ("alpha|efficiency", 0.02, 0.1)), ("uptake|assim",), _photosynthesis),
        Law("temperature_response|growth_factor|thermal_limit", "Growth against temperature.", (("temp_c|t", 2.0, 40.0),),
            (("t_opt|optimum", 20.0, 26.0), ("t_max|lethal", 32.0, 40.0)), ("factor|response",), _thermal_response),
        Law("call_price|black_scholes|option_value", "Price of a European call.", (("spot|s", 60.0, 140.0), ("strike|k_strike", 70.0, 130.0)),
            (("years|expiry", 0.1, 2.0), ("rate|r", 0.005, 0.06), ("sigma|vol", 0.1, 0.5)), ("price|value",), _black_scholes),
        Law("bond_price|present_value|discount_bond", "Price of a bond with continuous coupons.", (("years|maturity", 0.5, 30.0),),
            (("yield_rate|ytm", 0.01, 0.08), ("coupon|c", 1.0, 6.0)), ("price|pv",), _bond),
    ),
)  # fmt: skip
