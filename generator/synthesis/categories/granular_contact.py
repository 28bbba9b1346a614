"""Granular matter (discrete elements): contact laws, contact search, walls, contact lists and time integration."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._granular_lists import LISTS
from generator.synthesis.categories._granular_steps import STEPS
from generator.synthesis.categories._neighbourhood import Cloud, Pair
from generator.synthesis.categories._stages import Motion, add_stages, finish, stage_range
from generator.synthesis.entities import Field
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal

_KINDS = {"grid": 3.5, "sorted": 2.5, "next": 0.6, "csr": 1.2, "table": 2.2, "linked": 0.3, "all": 1.2, "cells": 1}


@category("granular_contact", version=1, title="Granular contact (DEM)")
def write(p: ProgramBuilder) -> None:
    """Discrete elements: linear and Hertzian contacts with damping, friction, rolling resistance, cohesion and tangential history;
    walls, drums and meshes; contact lists, coordination numbers, stress tensors and the motion of grains with spin."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {_contact_forces: 7, _coordination: 1.6, _stress: 1.2, _heat: 0.9, **LISTS, **STEPS}
    p.weighted(intents)(p)


class Grains:
    """Grains with radii, velocities and perhaps spins, and their close pairs."""

    def __init__(self, k: KernelBuilder) -> None:
        p = k.p
        self.cloud = c = Cloud(
            k, p.pick("particle", "grain", "sphere"), radius="max_contact_dist|search_radius|query_radius|interaction_range|cutoff",
            kinds=_KINDS, reach=(0.2, 0.26),
        )  # fmt: skip
        self.size = c.reach / (2.4 if not c.listed else 2.2)
        self.mixed = p.chance(0.55)
        if self.mixed:
            self.radii = c.e.field("radii|radius|particle_radius|grain_radius", p.real, R.uniform(0.6 * self.size, self.size))
        else:
            self.common = k.quantity("grain_radius|particle_radius|radius|r_grain", p.real, round(0.9 * self.size, 4))

    def radius(self, j: Expr | None = None) -> Expr:
        """A grain's radius: this thread's, or that of grain `j`."""
        if not self.mixed:
            return self.common
        return self.radii.own if j is None else self.radii[j]


def _contact_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_forces|dem_forces|compute_grain_forces|eval_particle_contacts|grain_contact|particle_contact_forces|granular_forces",
        p.pick("Contact forces between grains.", "Normal and frictional forces from overlapping spheres.", "DEM contact law summed over close pairs."),
    )
    g = Grains(k)
    c = g.cloud
    law = p.weighted({"linear": 4, "hertz": 3.5, "log": 0.5})
    damping = p.chance(0.75)
    friction = p.weighted({"none": 3, "coulomb": 3, "viscous": 2.5}) if damping else "none"
    spin = c.vec.n == 3 and friction != "none" and p.chance(0.4)
    v = c.e.field("velocities|v|vel|particle_qd", c.vec, R.uniform(-1.0, 1.0)) if damping or p.chance(0.2) else None
    w = c.e.field("angular_velocities|omega|spins|w", c.vec, R.uniform(-2.0, 2.0)) if spin else None
    c.e.guard()
    x = c.x.read("x|x_i|xi|pos")
    r_i = k.let("r_i|radius_i|ri", g.radius()) if g.mixed else g.radius()
    v_i = v.read("v|v_i|vi") if v else None
    w_i = w.read("w_i|omega_i|spin_i") if w else None
    force = k.var("f|force|total_force|f_total", construct(c.vec, 0.0))
    torque = k.var("tau|torque|moment", construct(c.vec, 0.0)) if spin else None
    count = k.var("contacts|num_contacts|touching", 0) if p.chance(0.18) else None
    phase = (c.e.field("phase|material|grain_group", T.I32, R.integers(0, 3)), p.pick(0, 2)) if p.chance(0.15) else None
    with c.pairs(x, reject=phase) as pair:
        _one_contact(p, k, g, pair, law, friction, damping, r_i, v, v_i, w, w_i, force, torque, count)
    m = Motion(p, k, c.e, c.vec, x, force, v_i)
    add_stages(m, *stage_range(p))
    finish(m)
    if torque is not None:
        c.e.out("torques|torque_out|moments", c.vec).store(torque)
    if count is not None:
        c.e.out("contact_count|coordination|num_touching", T.I32).store(count)


def _one_contact(
    p: ProgramBuilder, k: KernelBuilder, g: Grains, pair: Pair, law: str, friction: str, damping: bool, r_i: Expr,
    v: Field | None, v_i: Expr | None, w: Field | None, w_i: Expr | None, force: Name, torque: Name | None, count: Name | None,
) -> None:  # fmt: skip
    r_j = k.let("r_j|radius_j|rj", g.radius(pair.j)) if g.mixed else g.radius(pair.j)
    cohesion = p.chance(0.22)
    gap = k.let("gap|c|err", pair.d - r_i - r_j) if p.chance(0.4) else None
    overlap = k.let("overlap|delta|pen|depth", r_i + r_j - pair.d) if gap is None else -gap
    reach = k.param("cohesion_range|adhesion_dist|k_cohesion", 0.002, 0.02) if cohesion else None
    with k.when(_separated(gap, overlap, reach)):
        k.cont()
    n = k.let("n|normal|dir|nij", pair.r / pair.d)
    if count is not None:
        k.aug(count, "+", 1)
    v_rel = None
    if damping and v is not None and v_i is not None:
        v_rel = k.let("v_rel|dv|vij|rel_vel", v_i - v[pair.j])
        if w is not None and w_i is not None:
            lever = r_i * w_i + r_j * w[pair.j]
            v_rel = k.let("v_contact|v_surf|vc", v_rel - wp.cross(lever, n))
    fn = _normal_force(p, k, law, overlap, v_rel, n, r_i, r_j)
    if cohesion and p.chance(0.6):
        fn = k.let("fn_total|f_normal|fc", fn - k.param("adhesion|cohesion_force|pull_off", 0.05, 2.0))
    k.aug(force, "+", n * fn)
    if friction == "none" or v_rel is None:
        return
    ft = _friction(p, k, friction, v_rel, n, fn)
    k.aug(force, "+", ft)
    if torque is not None:
        k.aug(torque, "-", wp.cross(n, ft) * r_i if p.chance(0.6) else wp.cross(n * r_i, ft))
        if w_i is not None and p.chance(0.35):
            mu_r = k.param("rolling_friction|mu_r|rolling_resistance", 0.001, 0.05)
            k.aug(torque, "-", w_i * (mu_r * r_i * wp.abs(fn)))


def _separated(gap: Expr | None, overlap: Expr, reach: Expr | None) -> Expr:
    if gap is not None:
        return gap > (0.0 if reach is None else reach)
    return overlap <= 0.0 if reach is None else overlap < -reach


def _normal_force(
    p: ProgramBuilder, k: KernelBuilder, law: str, overlap: Expr, v_rel: Expr | None, n: Expr, r_i: Expr, r_j: Expr
) -> Expr:
    """Elastic and damped normal force as a local, repulsive when positive."""
    vn = k.let("vn|v_n|rel_vn", wp.dot(v_rel, n)) if v_rel is not None else None
    if law == "hertz":
        youngs = k.param("e_star|youngs_modulus|eff_modulus|modulus", 1.0e3, 1.0e5)

        def body(b: Block, d: Expr, ra: Expr, rb: Expr, modulus: Expr) -> Expr:
            depth = b.let("depth|dd", wp.max(d, 0.0))
            r_eff = b.let("r_eff|r_star|req", ra * rb / (ra + rb))
            return literal(4.0, p.real) / 3.0 * modulus * wp.sqrt(r_eff * depth) * depth

        args = {"overlap|delta": overlap, "ra|r1": r_i, "rb|r2": r_j, "e_star|modulus": youngs}
        elastic = helper(p, k, "hertz_force|hertz_normal|hertzian_contact", args, body, p.pick("Hertzian normal force.", "Hertz contact of two spheres."))
    elif law == "log":
        elastic = k.param("stiffness|ke|kn", 100.0, 2000.0) * overlap * (1.0 + wp.max(overlap, 0.0) / r_i)
    else:
        if vn is not None and p.chance(0.4):
            return _spring_dashpot(p, k, overlap, vn)
        elastic = k.param("stiffness|ke|kn|k_contact", 100.0, 5000.0) * overlap
    if vn is None:
        return k.let("fn|f_n|fn_mag", elastic)
    kd = k.param("damping|kd|gamma_n|c_n", 0.5, 20.0)
    form = p.pick("closing", "full", "clamped")

    def damped(b: Block, fe: Expr, v: Expr, c: Expr) -> Expr:
        if form == "closing":
            return fe - c * wp.min(v, 0.0)
        return fe - c * v if form == "full" else wp.max(fe - c * v, 0.0)

    args = {"fe|elastic": elastic, "vn|rate": vn, "c|kd": kd}
    return k.let("fn|f_n|fn_mag", helper(p, k, "normal_force|dashpot|spring_dashpot|damped_contact", args, damped, share=0.4))


def _spring_dashpot(p: ProgramBuilder, k: KernelBuilder, overlap: Expr, vn: Expr) -> Expr:
    """A function of overlap and approach velocity that holds the whole linear law."""
    form = p.pick("plain", "early", "branches")

    def law(b: Block, d: Expr, v: Expr, ke: Expr, kd: Expr) -> None:
        if form == "early":
            with b.when(d <= 0.0):
                b.ret(literal(0.0, p.real))
        if form == "branches":
            damping = b.var("fd|damp|f_damp", literal(0.0, p.real))
            with b.when(v < 0.0):
                b.set(damping, -(kd * v))
            b.ret(ke * d + damping)
        else:
            b.ret(wp.max(ke * d - kd * v, 0.0) if p.chance(0.5) else ke * d - kd * v)

    params = {"overlap|d|depth": p.real, "vn|rate": p.real, "ke|kn|stiffness": p.real, "kd|cn|damping": p.real}
    call = p.func("spring_dashpot|linear_contact|normal_force|contact_law", params, law, p.pick("Linear spring-dashpot law.", "Normal contact force.", ""))
    ke, kd = k.param("stiffness|ke|kn|k_contact", 100.0, 5000.0), k.param("damping|kd|gamma_n|c_n", 0.5, 20.0)
    return k.let("fn|f_n|fn_mag", call(overlap, vn, ke, kd))


def _friction(p: ProgramBuilder, k: KernelBuilder, kind: str, v_rel: Expr, n: Expr, fn: Expr) -> Expr:
    """Tangential force on this grain."""
    kt = k.param("kt|gamma_t|tangential_damping|kf", 0.5, 50.0)
    mu = k.param("mu|friction|friction_coeff|k_mu", 0.1, 0.9)

    def slip(b: Block, v: Expr, nn: Expr) -> Expr:
        return v - nn * wp.dot(v, nn)

    vt = k.let("vt|v_t|slip", helper(p, k, "tangential_part|tangent_velocity|project_out", {"v|u": v_rel, "n|normal": n}, slip, share=0.2))
    if kind == "viscous":
        smooth = p.chance(0.5)

        def viscous(b: Block, u: Expr, c: Expr, m: Expr, load: Expr) -> Expr:
            size = b.let("vs|slip_speed|vt_len", wp.length(u))
            if smooth:
                grip = b.let("ft_mag|grip|fr", wp.min(c * size, m * wp.abs(load)))
                return u * (-grip / wp.max(size, 1.0e-6))
            result = b.var("ft|f_t|f_tan", construct(u.type, 0.0))
            with b.when(size > 1.0e-6):
                b.set(result, u * (-wp.min(c * size, m * wp.abs(load)) / size))
            return result

        return helper(p, k, "coulomb_friction|slip_friction|friction_force", {"vt|slip": vt, "kt|c": kt, "mu|m": mu, "fn|load": fn}, viscous)

    def capped(b: Block, u: Expr, c: Expr, m: Expr, load: Expr) -> Expr:
        ft = b.var("ft|f_t|f_tan", u * -c)
        cap = b.let("ft_max|cap|slip_limit", m * wp.abs(load))
        size = b.let("ft_len|ft_size|trial", wp.length(ft))
        with b.when(size > cap):
            b.aug(ft, "*", cap / size)
        return ft

    return helper(p, k, "capped_friction|coulomb_cap|tangential_force", {"vt|slip": vt, "kt|c": kt, "mu|m": mu, "fn|load": fn}, capped)


def _coordination(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "count_contacts|coordination_number|find_touching|contact_statistics|detect_overlaps|mark_contacts",
        p.pick("Coordination number of every grain.", "Count overlapping neighbours.", "Statistics of the contact network."),
    )
    g = Grains(k)
    c = g.cloud
    c.e.guard()
    x = c.x.read("x|x_i|xi|pos")
    deepest = k.var("deepest|max_overlap|worst", 0.0, p.real) if p.chance(0.5) else None
    count = k.var("count|contacts|z", 0) if deepest is None or p.chance(0.6) else None
    law = _overlap_function(p, c.vec) if deepest is not None and p.chance(0.5) else None
    skin = k.param("tolerance|skin|contact_margin", 0.001, 0.02) if p.chance(0.4) else None
    with c.pairs(x) as pair:
        ra, rb = g.radius(), g.radius(pair.j)
        reach = ra + rb
        if deepest is not None:
            overlap = k.let("overlap|pen|depth", reach - pair.d if law is None else law(x, c.x[pair.j], ra, rb))
            with k.when(overlap > 0.0):
                if count is not None:
                    k.aug(count, "+", 1)
                k.set(deepest, wp.max(deepest, overlap))
        else:
            assert count is not None
            with k.when(pair.d < (reach if skin is None else reach + skin)):
                k.aug(count, "+", 1)
                if p.chance(0.2):
                    with k.when(count >= k.count("max_contacts|max_count", p.pick(6, 8, 12))):
                        k.brk()
    if count is not None:
        c.e.out("coordination|contact_count|num_contacts", T.I32).store(count)
    if deepest is not None:
        c.e.out("max_overlap_out|deepest_overlap|penetration", p.real).store(deepest)
    if count is not None and p.chance(0.35):
        total = k.out("total_contacts|sum_contacts|num_pairs", T.I32, (c.e.worlds or 1,))
        k.do(wp.atomic_add(total, c.e.world if c.e.world is not None else 0, count))


def _stress(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "virial_stress|love_weber_stress|grain_stress|fabric_tensor|accumulate_stress|stress_tensor",
        p.pick("Stress tensor of each grain from its contact forces.", "Love-Weber stress of the assembly.", "Fabric and stress of the contact network."),
    )
    g = Grains(k)
    c = g.cloud
    c.e.guard()
    n = c.vec.n
    x = c.x.read("x|x_i|xi")
    kn = k.param("stiffness|kn|k_n", 100.0, 5000.0)
    what = p.pick("stress", "fabric", "both")
    stress = k.var("sigma|stress|s", construct(p.mat(n), 0.0)) if what != "fabric" else None
    fabric = k.var("fabric|phi|f_ij", construct(p.mat(n), 0.0)) if what != "stress" else None
    reach = _overlap_function(p, c.vec) if p.chance(0.5) else None
    contacts = k.var("count|nc|contacts", 0) if fabric is not None else None
    with c.pairs(x) as pair:
        ra, rb = g.radius(), g.radius(pair.j)
        overlap = k.let("overlap|delta|pen", ra + rb - pair.d if reach is None else reach(x, c.x[pair.j], ra, rb))
        with k.when(overlap <= 0.0):
            k.cont()
        normal = k.let("n|normal|nij", pair.r / pair.d)
        if stress is not None:
            k.aug(stress, "-", wp.outer(normal * (kn * overlap), pair.r) if p.chance(0.5) else wp.outer(pair.r, normal) * (kn * overlap))
        if fabric is not None and contacts is not None:
            k.aug(fabric, "+", wp.outer(normal, normal))
            k.aug(contacts, "+", 1)
    if stress is not None:
        volume = k.param("cell_volume|rve_volume|volume", 0.5, 2.0)
        scaled = k.let("sigma_v|stress_i|avg", stress / volume)
        if p.chance(0.5):
            total = k.out("total_stress|mean_stress|bulk_stress", p.mat(n), (c.e.worlds or 1,))
            k.do(wp.atomic_add(total, c.e.world if c.e.world is not None else 0, scaled))
        else:
            c.e.out("stresses|stress_out|grain_stress", p.mat(n)).store(scaled)
        if p.chance(0.4):
            c.e.out("pressures|pressure|mean_pressure", p.real).store(wp.trace(scaled) * (-1.0 / n))
    if fabric is not None and contacts is not None:
        with k.when(contacts > 0):
            c.e.out("fabric_out|fabric_tensors|fabric", p.mat(n)).store(fabric / construct(p.real, contacts))


def _overlap_function(p: ProgramBuilder, vec: T.Vec) -> UserFunction:
    """A function for the overlap of two spheres."""

    def body(b: Block, xa: Expr, xb: Expr, ra: Expr, rb: Expr) -> None:
        b.ret(ra + rb - wp.length(xb - xa) if p.chance(0.5) else ra + rb - wp.length(xa - xb))

    params = {"xa|x1|a": vec, "xb|x2|b": vec, "ra|r1": p.real, "rb|r2": p.real}
    return p.func("sphere_overlap|overlap_of|penetration|contact_depth", params, body, p.pick("Overlap of two spheres; positive in contact.", ""))


def _heat(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_conduction|grain_heat_exchange|thermal_dem|conduct_heat|charge_transfer|moisture_exchange",
        p.pick("Heat exchanged through grain contacts.", "Conduction between touching grains.", "Scalar transfer over the contact network."),
    )
    g = Grains(k)
    c = g.cloud
    t = c.e.field("temperatures|temperature|theta|moisture", p.real, R.uniform(280.0, 400.0))
    out = c.e.out("heat_rate|temperature_out|dtheta|theta_out", p.real)
    c.e.guard()
    x, own = c.x.read("x|xi|pos"), t.read("t_i|theta_i|own")
    flux = k.var("q|flux|heat", 0.0, p.real)
    conductivity = c.e.property("conductivity|k_grain|lambda_s", 0.1, 5.0)
    film = k.param("film_thickness|gap_range|gas_layer", 0.005, 0.05) if p.chance(0.4) else None
    with c.pairs(x) as pair:
        r_eff = k.let("r_eff|r_star|rm", g.radius() * g.radius(pair.j) / (g.radius() + g.radius(pair.j)) if g.mixed else 0.5 * g.radius())
        overlap = k.let("overlap|delta|pen", g.radius() + g.radius(pair.j) - pair.d)
        with k.when(overlap > 0.0):
            area = k.let("a|contact_radius|patch", wp.sqrt(r_eff * overlap))
            k.aug(flux, "+", 2.0 * conductivity * area * (t[pair.j] - own))
        if film is not None:
            with k.elsewhen(overlap > -film) if p.chance(0.6) else k.when(any_of(overlap > -film, overlap > 0.0)):
                k.aug(flux, "+", k.param("gas_conductance|h_gas|film_coeff", 0.01, 0.2) * r_eff * (t[pair.j] - own))
    if p.chance(0.5):
        dt, capacity = c.e.world_param("dt|timestep", 0.0001, 0.01), c.e.property("heat_capacity|cp_mass|capacity", 1.0, 10.0)
        out.store(own + flux * dt / capacity)
    else:
        out.store(flux)


