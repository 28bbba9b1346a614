"""Heat baths: Langevin, Andersen, Berendsen, Nosé-Hoover."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, single_precision, tune
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_X, _V, _F = "positions|x|coords|r", "velocities|v|vel", "forces|f|force"


def open_atoms(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Entities, T.Vec]:
    k = p.kernel_builder(hint, p.pick(*docs))
    return (
        k,
        Entities(k, p.pick("atom", "particle", "bead"), index="i|tid|a|idx"),
        p.vec(dimension(p, 2, 3, 3, 3)),
    )


def inverse_mass(p: ProgramBuilder, e: Entities) -> Expr:
    """Inverse mass of this thread's atom."""
    if p.chance(0.4):
        return e.field("inv_mass|inv_masses|inv_m", p.real, R.uniform(0.2, 2.0)).own
    return 1.0 / e.property("mass|masses|m", 0.5, 4.0)


def thermostat(p: ProgramBuilder) -> None:
    kind = p.weighted(
        {
            "langevin": 3,
            "andersen": 1.5,
            "berendsen": 1.5,
            "rescale": 1,
            "nose": 1.5,
            "brownian": 1.2,
        }
    )
    if kind in ("langevin", "andersen", "brownian"):
        single_precision(p)
    k, e, vec = open_atoms(
        p, f"{kind}thermostat|apply_thermostat|thermalize|{kind}_step|control_temperature|bath_coupling",
        "Couple the atoms to a heat bath.", f"{kind.capitalize()} thermostat.", "Keep the temperature at its target.",
    )  # fmt: skip
    vs = e.inout(_V, vec, R.uniform(-1.0, 1.0))
    e.guard()
    dt = e.world_param("dt|timestep|delta_t", 0.001, 0.01)
    if kind in ("berendsen", "rescale", "nose"):
        v = _deterministic(p, k, e, kind, vs, dt)
    else:
        v = _stochastic(p, k, e, vec, kind, vs, dt)
    tune(p, e, v, "speed", 5.0, {0: 4, 1: 1})
    vs.store(v)
    report(p, e, v, "speed", 2.0)


def _deterministic(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, kind: str, vs: Field, dt: Expr
) -> Name:
    where = e.world if e.world is not None else 0
    if kind == "nose":
        xi = k.array("xi|friction_xi|zeta", p.real, (e.worlds or 1,), R.uniform(0.1, 2.0))[where]
        half = p.chance(0.5)
        v = k.var(
            "v|vi|vel_i",
            vs.own * wp.exp(-xi * dt * (0.5 if half else 1.0))
            if p.chance(0.6)
            else vs.own * (1.0 - xi * dt),
        )
        if p.chance(0.6):
            k.aug(
                v, "+", e.field(_F, vs.dtype, R.uniform(-5.0, 5.0)).own * (dt * inverse_mass(p, e))
            )
        return v
    current = k.array(
        "temperature|t_current|kinetic_temp", p.real, (e.worlds or 1,), R.uniform(0.8, 1.5)
    )[where]
    target = e.world_param("t_target|target_temperature|t_bath", 0.5, 2.0)
    tau = k.param("tau|coupling_time|tau_t", 0.05, 1.0) if kind == "berendsen" else None

    def body(b: Block, t: Expr, t0: Expr, *more: Expr) -> Expr:
        if not more:
            return wp.sqrt(t0 / t)
        return wp.sqrt(wp.max(1.0 + more[0] * (t0 / t - 1.0), 0.0))

    args = {"t|temp": current, "t0|target": target}
    if tau is not None:
        args["rate|dt_tau"] = dt / tau
    scale = k.let(
        "lam|scale|factor",
        helper(p, k, "velocity_scale|rescale_factor|thermostat_scale", args, body),
    )
    if tau is None and p.chance(0.6):
        window = k.param("t_window|tolerance|window", 0.01, 0.2)
        with k.when(wp.abs(current - target) < window):
            k.ret()
    return k.var("v|vi|vel_i", vs.own * scale)


def _stochastic(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, kind: str, vs: Field, dt: Expr
) -> Name:
    seed = k.count("seed|rng_seed|step_seed", p.pick(7, 42, 123, 2024))
    state = k.let(
        "state|rng|rng_state",
        wp.rand_init(seed, e.index if e.world is None else e.world * e.count() + e.index),
    )
    kt = e.world_param("kT|kt|temperature|thermal_energy", 0.2, 2.0)
    inv = k.let("inv_m|w|im", inverse_mass(p, e))

    def gaussian() -> Expr:
        return construct(vec, *[wp.randn(state) for _ in range(vec.n)])

    if kind == "andersen":
        rate = k.param("collision_rate|nu|bath_rate", 60.0, 300.0)
        v = k.var("v|vi|vel_i", vs.own)
        with k.when(
            wp.randf(state) < rate * dt * p.pick(1.0, 2.0)
            if p.chance(0.5)
            else wp.randf(state) < 1.0 - wp.exp(-rate * dt)
        ):
            k.set(v, gaussian() * wp.sqrt(kt * inv))
        return v
    gamma = e.property("gamma|friction|drag", 0.5, 10.0)
    if kind == "brownian":
        force = e.field(_F, vec, R.uniform(-5.0, 5.0)).own
        xs = e.inout(_X, vec, R.uniform(0.0, 1.0))
        move = k.let(
            "step|dx|move", force * (dt / gamma) + gaussian() * wp.sqrt(2.0 * kt * dt / gamma)
        )
        xs.store(xs.own + move)
        return k.var("v|v_eff|vel_i", move / dt)
    if p.chance(0.5):
        c1 = k.let("c1|decay|a_ou", wp.exp(-gamma * dt))
        c2 = k.let("c2|noise|b_ou", wp.sqrt(kt * inv * (1.0 - c1 * c1)))
        return k.var("v|vi|vel_i", vs.own * c1 + gaussian() * c2)
    force = e.field(_F, vec, R.uniform(-5.0, 5.0)).own
    noise = k.let(
        "noise|sigma_f|amp",
        wp.sqrt(2.0 * gamma * kt * dt) if p.chance(0.5) else wp.sqrt(2.0 * gamma * kt / dt) * dt,
    )
    return k.var(
        "v|vi|vel_i", vs.own + (force - vs.own * gamma) * (dt * inv) + gaussian() * (noise * inv)
    )
