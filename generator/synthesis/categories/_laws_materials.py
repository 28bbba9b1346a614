"""Constitutive curves and contact laws in one dimension."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._laws import Law, Subject, number, piecewise
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

Results = tuple[Expr, ...]


@piecewise
def _bilinear(
    p: ProgramBuilder, b: Block, strain: Expr, e: Expr, yield_stress: Expr, hardening: Expr
) -> None:
    stress = b.let("stress|trial|s", e * strain)
    with b.when(wp.abs(stress) <= yield_stress):
        b.ret(stress)
    excess = b.let("excess|plastic|over", wp.abs(strain) - yield_stress / e)
    b.ret(wp.sign(strain) * (yield_stress + hardening * excess))


def _ramberg(p: ProgramBuilder, b: Block, stress: Expr, e: Expr, s0: Expr, n: Expr) -> Results:
    ratio = b.let("ratio|r|x", wp.abs(stress) / s0)
    return (stress / e + wp.sign(stress) * 0.002 * wp.pow(ratio, n),)


def _johnson_cook(
    p: ProgramBuilder, b: Block, strain: Expr, rate: Expr, a: Expr, bb: Expr, n: Expr
) -> Results:
    hardening = a + bb * wp.pow(strain, n)
    return (hardening * (1.0 + p.pick(0.01, 0.014, 0.02) * wp.log(rate)),)


def _hyperelastic(p: ProgramBuilder, b: Block, stretch: Expr, mu: Expr, c2: Expr) -> Results:
    inverse = b.let("inv|inv_stretch|q", 1.0 / stretch)
    match p.pick("neo", "mooney", "gent"):
        case "neo":
            return (mu * (stretch - inverse * inverse) * (1.0 + 0.1 * c2),)
        case "mooney":
            return ((mu + c2 * inverse) * (stretch - inverse * inverse),)
    i1 = b.let("i1|invariant|first", stretch * stretch + 2.0 * inverse)
    return (mu * (stretch - inverse * inverse) / (1.0 - (i1 - 3.0) / (20.0 + c2)),)


def _creep(p: ProgramBuilder, b: Block, stress: Expr, t: Expr, a: Expr, n: Expr) -> Results:
    return (a * wp.pow(stress, n) * wp.exp(-p.pick(2000.0, 3500.0, 5000.0) / t),)


def _fatigue(
    p: ProgramBuilder, b: Block, amplitude: Expr, mean: Expr, strength: Expr, slope: Expr
) -> Results:
    ultimate = p.pick(600.0, 800.0, 1000.0)
    corrected = b.let("s_eq|corrected|equivalent", amplitude / (1.0 - mean / ultimate))
    return (wp.pow(corrected / strength, slope),)


def _viscosity(
    p: ProgramBuilder, b: Block, rate: Expr, mu0: Expr, mu_inf: Expr, lam: Expr
) -> Results:
    match p.pick("carreau", "cross"):
        case "carreau":
            x = b.let("x|lr|wi", lam * rate)
            return (mu_inf + (mu0 - mu_inf) * wp.pow(1.0 + x * x, p.pick(-0.25, -0.3, -0.2)),)
    return (mu_inf + (mu0 - mu_inf) / (1.0 + wp.pow(lam * rate, p.pick(0.6, 0.7, 0.8))),)


@piecewise
def _bingham(p: ProgramBuilder, b: Block, rate: Expr, tau0: Expr, consistency: Expr) -> None:
    with b.when(rate < p.pick(1.0e-3, 0.01)):
        b.ret(rate * tau0 * p.pick(100.0, 50.0))
    b.ret(
        tau0 + consistency * wp.pow(rate, p.pick(0.5, 0.7, 0.8))
        if p.chance(0.6)
        else tau0 + consistency * rate
    )


def _hertz(p: ProgramBuilder, b: Block, overlap: Expr, radius: Expr, modulus: Expr) -> Results:
    depth = b.let("d|depth|pen", wp.max(overlap, 0.0))
    return (p.pick(4.0 / 3.0, 1.3333333) * modulus * wp.sqrt(radius * depth) * depth,)


def _friction(
    p: ProgramBuilder, b: Block, speed: Expr, mu_s: Expr, mu_k: Expr, v_s: Expr
) -> Results:
    if p.chance(0.5):
        x = b.let("x|ratio|q", speed / v_s)
        return (mu_k + (mu_s - mu_k) * wp.exp(-x * x),)
    return (mu_k + (mu_s - mu_k) * wp.exp(-wp.abs(speed) / v_s),)


@piecewise
def _damage(p: ProgramBuilder, b: Block, strain: Expr, onset: Expr, failure: Expr) -> None:
    with b.when(strain <= onset):
        b.ret(number(p, 0.0))
    linear = failure * (strain - onset) / (strain * (failure - onset))
    b.ret(
        wp.min(linear, 1.0)
        if p.chance(0.6)
        else 1.0 - onset / strain * wp.exp(-(strain - onset) / failure)
    )


def _thermal_stress(
    p: ProgramBuilder, b: Block, t: Expr, strain: Expr, e: Expr, alpha: Expr
) -> Results:
    return (e * (strain - alpha * (t - p.pick(293.0, 300.0))),)


def _maxwell(
    p: ProgramBuilder, b: Block, stress: Expr, rate: Expr, e: Expr, tau: Expr, dt: Expr
) -> Results:
    decay = b.let("decay|f|relax", wp.exp(-dt / tau))
    return (stress * decay + e * rate * tau * (1.0 - decay),)


def _mixture(p: ProgramBuilder, b: Block, share: Expr, e1: Expr, e2: Expr) -> Results:
    match p.pick("voigt", "reuss", "both", "halpin"):
        case "voigt":
            return (share * e1 + (1.0 - share) * e2,)
        case "reuss":
            return (1.0 / (share / e1 + (1.0 - share) / e2),)
        case "both":
            upper = b.let("upper|voigt|stiff", share * e1 + (1.0 - share) * e2)
            lower = b.let("lower|reuss|soft", e1 * e2 / (share * e2 + (1.0 - share) * e1))
            return (0.5 * (upper + lower),)
    eta = b.let("eta|shape|h", (e1 / e2 - 1.0) / (e1 / e2 + 2.0))
    return (e2 * (1.0 + 2.0 * eta * share) / (1.0 - eta * share),)


def _ductile(p: ProgramBuilder, b: Block, t: Expr, low: Expr, high: Expr) -> Results:
    x = wp.tanh((t - p.pick(250.0, 273.0)) / p.pick(20.0, 30.0, 45.0))
    value = 0.5 * (low + high) + 0.5 * (high - low) * x
    return (choose(value > low, value, low) if p.chance(0.3) else value,)


_STRAIN = ("strain|eps", -0.02, 0.02)
_E = ("modulus|e_mod|young", 50.0, 220.0)

MATERIALS = Subject(
    ("point", "specimen", "fibre", "element", "sample"),
    (
        Law("bilinear_stress|elastoplastic|uniaxial_stress", "Elastic to yield, then linear hardening.", (_STRAIN,),
            (_E, ("yield_stress|sigma_y", 0.2, 2.0), ("hardening|h_mod", 1.0, 20.0)), ("stress|sigma",), _bilinear),
        Law("ramberg_osgood|total_strain|strain_of", "Strain of a hardening metal.", (("stress|sigma", -300.0, 300.0),),
            (("modulus|e_mod", 7.0e4, 2.1e5), ("s0|reference_stress", 200.0, 400.0), ("exponent|n_ro", 4.0, 8.0)),
            ("strain|eps_out",), _ramberg),
        Law("johnson_cook|flow_stress|dynamic_yield", "Flow stress at high rates.",
            (("plastic_strain|ep", 0.001, 0.5), ("rate|strain_rate", 1.0, 1000.0)),
            (("jc_a|yield0", 200.0, 500.0), ("jc_b|hard", 200.0, 600.0), ("jc_n|exponent", 0.1, 0.5)), ("stress|sigma",),
            _johnson_cook),
        Law("rubber_stress|hyperelastic|uniaxial_rubber", "Stress of stretched rubber.", (("stretch|lam", 0.6, 2.0),),
            (("mu|shear", 0.2, 2.0), ("c2|second", 0.05, 0.5)), ("stress|nominal",), _hyperelastic),
        Law("creep_rate|norton|steady_creep", "Steady creep.", (("stress|load", 5.0, 80.0), ("temperature|temp", 500.0, 900.0)),
            (("prefactor|a0", 1.0e-8, 1.0e-6), ("exponent|n", 2.0, 4.0)), ("creep|rate_out",), _creep),
        Law("fatigue_damage|cycle_damage|basquin", "Damage of one load cycle.",
            (("amplitude|s_a", 20.0, 250.0), ("mean|s_m", 0.0, 150.0)), (("strength|s_f", 300.0, 900.0), ("slope|m_w", 3.0, 6.0)),
            ("damage|d_cycle",), _fatigue),
        Law("shear_viscosity|carreau|thinning", "Shear-thinning viscosity.", (("shear_rate|rate", 0.01, 100.0),),
            (("mu0|zero_shear", 1.0, 20.0), ("mu_inf|infinite_shear", 0.01, 0.5), ("lam|relaxation", 0.1, 5.0)),
            ("viscosity|mu_eff",), _viscosity),
        Law("yield_fluid|bingham|shear_stress", "Stress of a fluid with a yield point.", (("shear_rate|rate", 0.0001, 20.0),),
            (("tau0|yield_point", 0.5, 10.0), ("consistency|k_c", 0.1, 5.0)), ("stress|tau_out",), _bingham),
        Law("hertz_force|contact_force|sphere_contact", "Force of two elastic spheres.", (("overlap|gap_neg", -0.01, 0.05),),
            (("radius|r_eff", 0.05, 1.0), ("modulus|e_eff", 10.0, 500.0)), ("force|f_n",), _hertz),
        Law("stribeck|friction_coefficient|sliding_friction", "Friction that falls with speed.", (("speed|v", 0.0, 2.0),),
            (("mu_s|static", 0.4, 0.9), ("mu_k|kinetic", 0.1, 0.4), ("v_s|stribeck_speed", 0.05, 0.5)), ("mu|mu_out",), _friction),
        Law("softening|scalar_damage|stiffness_loss", "Damage that grows with strain.", (("strain|kappa", 0.0, 0.02),),
            (("onset|k0", 0.001, 0.003), ("failure|kf", 0.02, 0.05)), ("damage|d",), _damage),
        Law("thermal_stress|constrained_stress|thermoelastic", "Stress of a heated bar.", (("temperature|temp", 280.0, 400.0), _STRAIN),
            (_E, ("expansion|alpha", 1.0e-6, 3.0e-5)), ("stress|sigma",), _thermal_stress),
        Law("maxwell_step|viscoelastic|relax_stress", "One step of a viscoelastic element.",
            (("stress|sigma", 0.1, 3.0), ("rate|strain_rate", -0.5, 0.5)), (_E, ("tau|relax_time", 0.1, 3.0), ("dt|h", 0.001, 0.05)),
            ("stress_next|sigma_new",), _maxwell),
        Law("composite_modulus|mixture_rule|effective_modulus", "Stiffness of a mixture.", (("fraction|phi|share", 0.05, 0.7),),
            (("e1|stiff_phase", 50.0, 300.0), ("e2|soft_phase", 1.0, 20.0)), ("modulus|e_out",), _mixture),
        Law("toughness|transition_curve|brittle_ductile", "Toughness across the transition temperature.",
            (("temperature|temp", 200.0, 330.0),), (("lower|low_shelf", 5.0, 20.0), ("upper|high_shelf", 60.0, 150.0)),
            ("toughness_out|energy",), _ductile),
    ),
)  # fmt: skip
