"""Laws of reaction, adsorption and electrochemistry."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, physical, piecewise
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


def _arrhenius(p: ProgramBuilder, b: Block, t: Expr, a0: Expr, ea: Expr) -> Results:
    return (a0 * wp.exp(-ea / (physical(p, "GAS_CONSTANT", 8.314) * t)),)


def _second_order(p: ProgramBuilder, b: Block, ca: Expr, cb: Expr, kf: Expr, kr: Expr) -> Results:
    forward = kf * ca * cb
    return (forward - kr * cb,) if p.chance(0.5) else (forward - kr * ca * ca,)


def _michaelis(p: ProgramBuilder, b: Block, s: Expr, vmax: Expr, km: Expr) -> Results:
    return (vmax * s / (km + s),)


def _inhibited(
    p: ProgramBuilder, b: Block, s: Expr, i: Expr, vmax: Expr, km: Expr, ki: Expr
) -> Results:
    match p.pick("competitive", "uncompetitive", "substrate"):
        case "competitive":
            apparent = b.let("km_app|apparent|k_eff", km * (1.0 + i / ki))
            return (vmax * s / (apparent + s),)
        case "uncompetitive":
            return (vmax * s / (km + s * (1.0 + i / ki)),)
    return (vmax * s / (km + s + s * s / ki) * (1.0 - 0.5 * i / (i + ki)),)


def _hill(p: ProgramBuilder, b: Block, c: Expr, half: Expr, n: Expr) -> Results:
    power = b.let("power|cn|x", wp.pow(c, n))
    return (power / (power + wp.pow(half, n)),)


def _isotherm(p: ProgramBuilder, b: Block, c: Expr, qmax: Expr, affinity: Expr) -> Results:
    match p.pick("langmuir", "sips", "toth"):
        case "langmuir":
            x = affinity * c
        case "sips":
            x = b.let("x|reduced|u", wp.pow(affinity * c, 0.7))
        case _:
            x = b.let("x|reduced|u", affinity * c * wp.sqrt(1.0 + c))
    return (qmax * x / (1.0 + x),)


def _butler_volmer(
    p: ProgramBuilder, b: Block, eta: Expr, i0: Expr, alpha: Expr, t: Expr
) -> Results:
    f = b.let("f|vt|factor", physical(p, "FARADAY", 96485.0) / (8.314 * t))
    return (i0 * (wp.exp(alpha * f * eta) - wp.exp(-(1.0 - alpha) * f * eta)),)


def _nernst(p: ProgramBuilder, b: Block, outside: Expr, inside: Expr, t: Expr) -> Results:
    return (8.314 * t / physical(p, "FARADAY", 96485.0) * wp.log(outside / inside),)


def _ph(p: ProgramBuilder, b: Block, acid: Expr, salt: Expr, pka: Expr) -> Results:
    return (pka + wp.log10(salt / acid) if p.chance(0.5) else pka + 0.434294 * wp.log(salt / acid),)


def _consecutive(
    p: ProgramBuilder, b: Block, ca: Expr, cb: Expr, k1: Expr, k2: Expr, dt: Expr
) -> Results:
    """A to B to C, one explicit step."""
    made = b.let("made|r1|formed", k1 * ca * dt)
    spent = b.let("spent|r2|consumed", k2 * cb * dt)
    return ca - made, cb + made - spent


def _brusselator(
    p: ProgramBuilder, b: Block, x: Expr, y: Expr, a: Expr, c: Expr, dt: Expr
) -> Results:
    xxy = b.let("xxy|auto|cubic", x * x * y)
    return x + dt * (a - (c + 1.0) * x + xxy), y + dt * (c * x - xxy)


@piecewise
def _troe(p: ProgramBuilder, b: Block, m: Expr, k0: Expr, kinf: Expr) -> None:
    reduced = b.let("pr|reduced|ratio", k0 * m / kinf)
    with b.when(reduced < p.pick(1.0e-4, 1.0e-3)):
        b.ret(k0 * m)
    blend = kinf * reduced / (1.0 + reduced)
    if p.chance(0.5):
        log_pr = b.let("lp|log_pr|x", wp.log10(reduced))
        b.ret(
            blend * wp.pow(0.6, 1.0 / (1.0 + log_pr * log_pr))
            if p.real.name == "float32"
            else blend
        )
    else:
        b.ret(blend)


def _activity(p: ProgramBuilder, b: Block, strength: Expr, charge: Expr) -> Results:
    root = b.let("root|sq|sqrt_i", wp.sqrt(strength))
    slope = p.pick(0.509, 0.51, 1.17)
    if p.chance(0.5):
        return (wp.exp(-slope * charge * charge * root / (1.0 + root)),)
    return (wp.exp(-slope * charge * charge * (root / (1.0 + root) - 0.3 * strength)),)


_S = ("substrate|conc|s", 0.05, 4.0)
_T = ("temperature|temp|t", 290.0, 370.0)

CHEMISTRY = Subject(
    ("cell", "reactor", "well", "sample", "tank"),
    (
        Law("arrhenius|rate_constant|reaction_rate", "Arrhenius rate constant.", (_T,),
            (("prefactor|a0", 10.0, 1.0e4), ("activation_energy|ea", 1.0e4, 4.0e4)), ("rate|k_out",), _arrhenius),
        Law("net_rate|mass_action|second_order", "Reversible reaction by mass action.",
            (("conc_a|ca|a", 0.1, 2.0), ("conc_b|cb|b", 0.1, 2.0)), (("kf|forward", 0.1, 3.0), ("kr|backward", 0.05, 1.0)),
            ("rate|net",), _second_order),
        Law("michaelis_menten|uptake|enzyme_rate", "Saturating uptake.", (_S,),
            (("vmax|v_max", 0.5, 5.0), ("km|half_saturation", 0.1, 2.0)), ("velocity|uptake_rate",), _michaelis),
        Law("inhibited_rate|inhibition|enzyme_inhibited", "Enzyme kinetics with an inhibitor.",
            (_S, ("inhibitor|inh|i_conc", 0.01, 2.0)),
            (("vmax|v_max", 0.5, 5.0), ("km|k_m", 0.1, 2.0), ("ki|k_i", 0.2, 3.0)), ("velocity|rate",), _inhibited),
        Law("hill|cooperative_binding|occupancy", "Cooperative binding.", (("ligand|c|dose", 0.05, 5.0),),
            (("half|ec50", 0.3, 2.0), ("exponent|hill_n", 1.0, 4.0)), ("bound|occupied",), _hill),
        Law("isotherm|adsorbed_amount|loading", "Equilibrium loading of a sorbent.", (("conc|c|partial", 0.05, 5.0),),
            (("qmax|capacity", 0.5, 5.0), ("affinity|k_ads", 0.1, 3.0)), ("loading|q_eq",), _isotherm),
        Law("butler_volmer|electrode_current|overpotential_current", "Current over an electrode.",
            (("eta|overpotential", -0.08, 0.08),),
            (("i0|exchange_current", 0.1, 2.0), ("alpha|transfer", 0.3, 0.7), ("temp|t_cell", 290.0, 340.0)),
            ("current|i_out",), _butler_volmer),
        Law("nernst|reversal_potential|equilibrium_voltage", "Equilibrium potential of an ion.",
            (("c_out|outside", 1.0, 150.0), ("c_in|inside", 1.0, 150.0)), (_T,), ("potential|e_rev",), _nernst),
        Law("buffer_ph|ph_of|henderson", "Acidity of a buffer.",
            (("acid|ha", 0.05, 1.0), ("salt|base_conc", 0.05, 1.0)), (("pka|pk", 3.0, 9.0),), ("ph|ph_out",), _ph),
        Law("consecutive_step|series_reaction|decay_chain", "One step of consecutive reactions.",
            (("conc_a|ca|a", 0.2, 2.0), ("conc_b|cb|b", 0.0, 1.0)),
            (("k1|rate_ab", 0.1, 2.0), ("k2|rate_bc", 0.1, 2.0), ("dt|h", 0.001, 0.05)),
            ("a_next|a_new", "b_next|b_new"), _consecutive),
        Law("brusselator|oscillator_step|autocatalysis", "One step of an oscillating reaction.",
            (("x|u", 0.2, 2.0), ("y|w", 0.5, 3.0)), (("feed|a", 0.5, 1.5), ("removal|c_b", 1.0, 3.0), ("dt|h", 0.001, 0.02)),
            ("x_next|x_new", "y_next|y_new"), _brusselator),
        Law("falloff_rate|lindemann|pressure_dependent", "Rate between its limits of low and high pressure.",
            (("third_body|m_conc", 0.01, 50.0),), (("k_low|k0", 0.1, 2.0), ("k_high|kinf", 1.0, 20.0)), ("rate|k_eff",),
            _troe),
        Law("activity_coefficient|ion_activity|debye_huckel", "Activity of an ion in dilute solution.",
            (("ionic_strength|strength", 0.001, 0.4),), (("charge|z", 1.0, 3.0),), ("activity|gamma_i",), _activity),
    ),
)  # fmt: skip
