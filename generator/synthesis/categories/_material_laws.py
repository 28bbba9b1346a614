"""Constitutive laws of material points: stresses, return mappings, hardening, phase change."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, report
from generator.synthesis.categories._material_elastic import (
    lame_parameters,
    pressure_or_stress,
    singular_values,
    stress_function,
    unit_matrix,
)
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal

_F = "particle_f|def_grad|f_mats|deformation|f_p"


def _open(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Entities, int]:
    k = p.kernel_builder(hint, p.pick(*docs))
    return (
        k,
        Entities(k, p.pick("particle", "particle", "point"), index="tid|p|i|pid"),
        dimension(p, 2, 3, 3),
    )


def _stress(p: ProgramBuilder) -> None:
    k, e, n = _open(
        p,
        "compute_stress|update_stress|elastic_stress|constitutive_update|particle_stress|evaluate_material",
        "Stress of every particle from its deformation.",
        "Constitutive update.",
        "Kirchhoff stress and energy of the particles.",
    )
    fs = e.field(_F, p.mat(n), R.near_identity(0.2))
    e.guard()
    f = fs.read("f|f_p|F")
    out = e.out("stress|stresses|stress_out|kirchhoff", p.mat(n))
    if p.chance(0.3):
        kinds = p.shuffled(["corotated", "neo_hookean", "hencky", "stvk"])[: p.pick(2, 3)]
        material = k.let(
            "mat_id|material|kind",
            e.field("material_id|material|phase", T.I32, R.integers(0, len(kinds))).own,
        )
        mu, lam = lame_parameters(p, k, e)
        laws = [stress_function(p, n, kind) for kind in kinds]
        for number, law in enumerate(laws):
            with (
                k.when(material == 0)
                if number == 0
                else k.otherwise()
                if number == len(laws) - 1
                else k.elsewhen(material == number)
            ):
                out.store(law(f, mu, lam))
        return
    tau = k.let("tau|stress_p|sigma", pressure_or_stress(p, k, e, n, f))
    if p.chance(0.35):
        tau = k.var("tau_v|total|sigma_v", tau + _viscous(p, k, e, n))
    cauchy = p.chance(0.3)
    out.store(tau / wp.max(wp.determinant(f), 0.1) if cauchy else tau)
    if p.chance(0.4):
        pressure = k.let("pr|mean_p|hydro", wp.trace(tau) * round(-1.0 / n, 7))
        e.out("pressures|pressure|hydrostatic", p.real).store(pressure)
        if p.chance(0.5):
            dev = k.let("dev|s_dev|deviator", tau + unit_matrix(p, n) * pressure)
            e.out("von_mises|mises|eq_stress", p.real).store(wp.sqrt(1.5 * wp.ddot(dev, dev)))


def _viscous(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int) -> Expr:
    grad = e.field("grad_v|particle_c|velocity_gradient", p.mat(n), R.uniform(-2.0, 2.0)).read(
        "l|grad|c"
    )
    return (grad + wp.transpose(grad)) * k.param("viscosity|eta|visc", 0.1, 10.0)


def _snow(p: ProgramBuilder) -> None:
    k, e, n = _open(
        p,
        "snow_plasticity|project_snow|clamp_singular_values|snow_return_map|plastic_flow|compaction_hardening",
        "Snow: clamp the stretches and harden.",
        "Plastic projection by singular values.",
        "Move excess stretch into the plastic part.",
    )
    fs = e.inout(_F, p.mat(n), R.near_identity(0.15))
    jp = e.inout("jp|plastic_j|particle_jp|volume_plastic", p.real, R.uniform(0.8, 1.2))
    e.guard()
    low, high = (
        k.param("theta_c|critical_compression|crit_c", 0.01, 0.05),
        k.param("theta_s|critical_stretch|crit_s", 0.004, 0.02),
    )
    f = fs.read("f|f_p|F")
    u, sig, v = singular_values(k, f, n)
    before = k.let("j_before|det0|j_old", wp.determinant(f)) if p.chance(0.5) else None
    if p.chance(0.5):
        clamped = k.let(
            "s_new|clamped|sc",
            construct(p.vec(n), *[wp.clamp(sig[i], 1.0 - low, 1.0 + high) for i in range(n)]),
        )
        ratio: Expr | None = None
    else:
        clamped = k.var("s_new|clamped|sc", construct(p.vec(n), *[sig[i] for i in range(n)]))
        change = k.var("ratio|dj|change", literal(1.0, p.real))
        with k.loop("d|c|axis", n) as d:
            s = k.let("si|sd|value", wp.clamp(sig[d], 1.0 - low, 1.0 + high))
            k.aug(change, "*", sig[d] / s)
            k.set(clamped[d], s)
        ratio = change
    elastic = k.let("fe|f_el|elastic", u * wp.diag(clamped) * wp.transpose(v))
    fs.store(elastic)
    if ratio is None:
        ratio = (before if before is not None else wp.determinant(f)) / wp.determinant(elastic)
    jp.store(
        wp.clamp(
            jp.own * ratio, k.param("jp_min|min_jp", 0.4, 0.7), k.param("jp_max|max_jp", 1.3, 20.0)
        )
        if p.chance(0.6)
        else jp.own * ratio
    )
    if p.chance(0.55):
        xi = k.param("hardening|xi|hard_coeff", 2.0, 10.0)
        mu0 = e.property("mu_0|mu|shear_modulus", 100.0, 2000.0)
        h = k.let("h|hard|factor", wp.exp(xi * (1.0 - jp.own)))
        if p.chance(0.5):
            h = k.let(
                "h_lim|h_c|bounded", wp.clamp(h, 0.1, k.param("max_hardening|h_max", 3.0, 20.0))
            )
        e.out("mu_out|hardened_mu|mu_p", p.real).store(mu0 * h)


def _sand(p: ProgramBuilder) -> None:
    k, e, n = _open(
        p, "sand_return_mapping|drucker_prager|project_sand|granular_plasticity|sand_plasticity|frictional_yield",
        "Drucker-Prager return mapping.", "Project sand back to its yield cone.", "Frictional plasticity of sand.",
    )  # fmt: skip
    fs = e.inout(_F, p.mat(n), R.near_identity(0.15))
    vol = (
        e.inout("vc|volume_correction|vol_corr", p.real, R.uniform(-0.02, 0.02))
        if p.chance(0.5)
        else None
    )
    e.guard()
    mu, lam = lame_parameters(p, k, e)
    friction = k.param("friction_angle|phi|friction", 0.3, 0.8)
    sine = k.let("sin_phi|s_phi", wp.sin(friction))
    alpha = k.let("alpha|cone|slope", 1.632993 * sine / (3.0 - sine))
    f = fs.read("f|f_p|F")
    u, sig, v = singular_values(k, f, n)
    eps = k.let(
        "eps|log_s|e_hat",
        construct(p.vec(n), *[wp.log(wp.max(wp.abs(sig[i]), 0.05)) for i in range(n)]),
    )
    trace: Expr = eps[0] + eps[1] if n == 2 else eps[0] + eps[1] + eps[2]
    trace = k.let("tr|trace_e|vol_e", trace if vol is None else trace + vol.own)
    dev = k.let("dev|e_dev|eps_hat", eps - construct(p.vec(n), 1.0) * (trace / float(n)))
    size = k.let("dev_len|norm_d|shear", wp.length(dev))
    with k.when(any_of(trace >= 0.0, size < 1.0e-7) if p.chance(0.6) else trace >= 0.0):
        k.comment("expansion: no resistance")
        fs.store(u * wp.transpose(v))
        if vol is not None:
            vol.store(trace)
        k.ret()
    ratio = (float(n) * lam + 2.0 * mu) / (2.0 * mu)
    excess = k.let("dg|delta_gamma|excess", size + ratio * trace * alpha)
    if vol is not None:
        vol.store(0.0)
    with k.when(excess <= 0.0):
        k.ret()
    h = k.let("h|h_new|e_new", eps - dev * (excess / wp.max(size, 1.0e-7)))
    back = k.let("s_new|sig_new|stretch", construct(p.vec(n), *[wp.exp(h[i]) for i in range(n)]))
    fs.store(u * wp.diag(back) * wp.transpose(v))
    if p.chance(0.5):
        e.out("yielded|is_plastic|flowing", T.I32).store(1)
    if p.chance(0.3):
        total = k.out("plastic_work|total_slip|slip_sum", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(total, e.world if e.world is not None else 0, excess))


def _mises(p: ProgramBuilder) -> None:
    k, e, n = _open(
        p,
        "von_mises_return|metal_plasticity|j2_return_mapping|herschel_bulkley|viscoplastic_flow|radial_return",
        "Radial return to the von Mises surface.",
        "Metal plasticity with isotropic hardening.",
        "Viscoplastic flow above the yield stress.",
    )
    fs = e.inout(_F, p.mat(n), R.near_identity(0.2))
    hard = (
        e.inout("alpha|eq_plastic_strain|hardening_state", p.real, R.uniform(0.0, 0.1))
        if p.chance(0.5)
        else None
    )
    e.guard()
    mu = e.property("mu|shear_modulus|mu_0", 200.0, 2000.0)
    strength = e.property("yield_stress|sigma_y|tau_y", 5.0, 80.0)
    f = fs.read("f|f_p|F")
    u, sig, v = singular_values(k, f, n)
    eps = k.let(
        "eps|log_s|e_hat",
        construct(p.vec(n), *[wp.log(wp.max(wp.abs(sig[i]), 0.05)) for i in range(n)]),
    )
    mean = (eps[0] + eps[1]) / 2.0 if n == 2 else (eps[0] + eps[1] + eps[2]) / 3.0
    dev = k.let("dev|e_dev|eps_hat", eps - construct(p.vec(n), 1.0) * mean)
    size = k.let("norm|dev_len|e_norm", wp.length(dev))
    limit: Expr = strength
    if hard is not None:
        limit = k.let(
            "tau_lim|y_now|sigma_now",
            strength + k.param("hardening|h_mod|iso_hard", 10.0, 200.0) * hard.own,
        )
    excess = k.let("dgamma|excess|over", size - limit / (2.0 * mu))
    with k.when(excess <= 0.0):
        k.ret()
    if p.chance(0.3):
        dt, eta = (
            e.world_param("dt|timestep", 0.0001, 0.002),
            k.param("eta|plastic_viscosity|visc", 0.1, 2.0),
        )
        excess = k.let("flow|d_flow|relaxed", excess / (1.0 + eta / (2.0 * mu * dt)))
    back_h = k.let("h|e_new|returned", eps - dev * (excess / size))
    fs.store(
        u * wp.diag(construct(p.vec(n), *[wp.exp(back_h[i]) for i in range(n)])) * wp.transpose(v)
    )
    if hard is not None:
        hard.store(hard.own + (0.8164966 * excess if p.chance(0.5) else excess))
    report(p, e, excess, "flow", 0.2, {0: 3, 1: 1})


def _melt(p: ProgramBuilder) -> None:
    k, e, n = _open(
        p, "melt_and_freeze|phase_change|soften_material|damage_evolution|update_damage|thermal_softening",
        "Melting and freezing by temperature.", "Damage from the largest stretch.", "Soften the material as it heats.",
    )  # fmt: skip
    if p.chance(0.5):
        t = e.inout("temperature|particle_t|t_p", p.real, R.uniform(0.0, 1.0))
        phase = e.inout("phase|state|material_state", T.I32, R.integers(0, 2))
        e.guard()
        point, band = (
            k.param("melt_point|t_melt|threshold", 0.3, 0.7),
            k.param("hysteresis|band|latent_band", 0.01, 0.1),
        )
        latent = k.param("latent_heat|latent|absorbed", 0.01, 0.1)
        with k.when(t.own > point + band), k.when(phase.own == 0):
            phase.store(1)
            t.store(t.own - latent)
        with k.elsewhen(t.own < point - band):
            phase.store(0)
        mu0 = e.property("mu_0|mu_solid|shear_modulus", 100.0, 2000.0)
        e.out("mu_out|mu_p|shear_out", p.real).store(
            mu0 * (1.0 - wp.smoothstep(point - band, point + band, t.own))
            if p.chance(0.6)
            else wp.where(phase.own == 1, literal(0.0, p.real), mu0)
        )
        return
    f = e.field(_F, p.mat(n), R.near_identity(0.3))
    damage = e.inout("damage|d_p|damages", p.real, R.uniform(0.0, 0.4))
    e.guard()
    _, sig, _ = singular_values(k, f.own, n)
    stretch = k.let("top|max_stretch|lead", wp.max(sig[0], sig[1]) if n == 2 else wp.max(sig))
    onset, rate = (
        k.param("onset|critical_stretch|d_start", 1.02, 1.2),
        k.param("rate|growth|damage_rate", 0.5, 10.0),
    )
    d: Name = k.var("d|dmg|new_damage", damage.own)
    with k.when(stretch > onset):
        k.aug(d, "+", rate * (stretch - onset))
    k.set(d, wp.min(d, 1.0))
    damage.store(d)
    scale = e.out("stiffness_scale|softening|degradation", p.real)
    scale.store((1.0 - d) * (1.0 - d) if p.chance(0.5) else 1.0 - d)
    if p.chance(0.5):
        with k.when(d >= 1.0):
            k.do(
                wp.atomic_add(
                    k.out("num_failed|failed_count", T.I32, (e.worlds or 1,)),
                    e.world if e.world is not None else 0,
                    1,
                )
            )
    report(p, e, d, "damage", 0.8, {0: 3, 1: 1})


LAWS = {_stress: 2, _snow: 1.5, _sand: 1.4, _mises: 1.3, _melt: 1.1}
