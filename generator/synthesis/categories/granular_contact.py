"""Granular matter (discrete elements): contact laws, contact search, walls, contact lists and time integration."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._granular_grains import Grains
from generator.synthesis.categories._granular_laws import one_contact
from generator.synthesis.categories._granular_lists import LISTS
from generator.synthesis.categories._granular_steps import STEPS
from generator.synthesis.categories._mesh_hierarchy import spheres
from generator.synthesis.categories._stages import Motion, add_stages, finish, stage_range
from generator.synthesis.logic import any_of
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr

_KINDS = {
    "grid": 3.5,
    "sorted": 2.5,
    "next": 0.6,
    "csr": 1.2,
    "table": 2.2,
    "linked": 0.3,
    "all": 1.2,
    "cells": 1,
}


@category("granular_contact", version=1, title="Granular contact (DEM)")
def write(p: ProgramBuilder) -> None:
    """Discrete elements: linear and Hertzian contacts with damping, friction, rolling resistance, cohesion and
    tangential history;
    walls, drums and meshes; contact lists, coordination numbers, stress tensors and the motion of grains with spin."""
    if not p.fusing:
        p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _contact_forces: 7,
        _coordination: 1.6,
        _stress: 1.2,
        _heat: 0.9,
        spheres: 1.3,
        **LISTS,
        **STEPS,
    }
    p.weighted(intents)(p)


def _contact_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_forces|dem_forces|compute_grain_forces|eval_particle_contacts|grain_contact|particle_contact_forces|granular_forces",
        p.pick(
            "Contact forces between grains.",
            "Normal and frictional forces from overlapping spheres.",
            "DEM contact law summed over close pairs.",
        ),
    )
    g = Grains(k)
    c = g.cloud
    law = p.weighted({"linear": 4, "hertz": 3.5, "log": 0.5})
    damping = p.chance(0.75)
    friction = p.weighted({"none": 3, "coulomb": 3, "viscous": 2.5}) if damping else "none"
    spin = c.vec.n == 3 and friction != "none" and p.chance(0.4)
    v = (
        c.e.field("velocities|v|vel|particle_qd", c.vec, R.uniform(-1.0, 1.0))
        if damping or p.chance(0.2)
        else None
    )
    w = c.e.field("angular_velocities|omega|spins|w", c.vec, R.uniform(-2.0, 2.0)) if spin else None
    c.e.guard()
    x = c.here("x|x_i|xi|pos")
    r_i = k.let("r_i|radius_i|ri", g.radius()) if g.mixed else g.radius()
    v_i = v.read("v|v_i|vi") if v else None
    w_i = w.read("w_i|omega_i|spin_i") if w else None
    force = k.var("f|force|total_force|f_total", construct(c.vec, 0.0))
    torque = k.var("tau|torque|moment", construct(c.vec, 0.0)) if spin else None
    count = k.var("contacts|num_contacts|touching", 0) if p.chance(0.18) else None
    phase = (
        (c.e.field("phase|material|grain_group", T.I32, R.integers(0, 3)), p.pick(0, 2))
        if p.chance(0.15)
        else None
    )
    with c.pairs(x, reject=phase) as pair:
        one_contact(
            p, k, g, pair, law, friction, damping, r_i, v, v_i, w, w_i, force, torque, count
        )
    m = Motion(p, k, c.e, c.vec, x, force, v_i)
    add_stages(m, *stage_range(p))
    finish(m)
    if torque is not None:
        c.e.out("torques|torque_out|moments", c.vec).store(torque)
    if count is not None:
        c.e.out("contact_count|coordination|num_touching", T.I32).store(count)


def _coordination(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "count_contacts|coordination_number|find_touching|contact_statistics|detect_overlaps|mark_contacts",
        p.pick(
            "Coordination number of every grain.",
            "Count overlapping neighbours.",
            "Statistics of the contact network.",
        ),
    )
    g = Grains(k)
    c = g.cloud
    c.e.guard()
    x = c.here("x|x_i|xi|pos")
    deepest = k.var("deepest|max_overlap|worst", 0.0, p.real) if p.chance(0.5) else None
    count = k.var("count|contacts|z", 0) if deepest is None or p.chance(0.6) else None
    law = _overlap_function(p, c.vec) if deepest is not None and p.chance(0.5) else None
    skin = k.param("tolerance|skin|contact_margin", 0.001, 0.02) if p.chance(0.4) else None
    with c.pairs(x) as pair:
        ra, rb = g.radius(), g.radius(pair.j)
        reach = ra + rb
        if deepest is not None:
            overlap = k.let(
                "overlap|pen|depth", reach - pair.d if law is None else law(x, c.x[pair.j], ra, rb)
            )
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
        p.pick(
            "Stress tensor of each grain from its contact forces.",
            "Love-Weber stress of the assembly.",
            "Fabric and stress of the contact network.",
        ),
    )
    g = Grains(k)
    c = g.cloud
    c.e.guard()
    n = c.vec.n
    x = c.here("x|x_i|xi")
    kn = k.param("stiffness|kn|k_n", 100.0, 5000.0)
    what = p.pick("stress", "fabric", "both")
    stress = k.var("sigma|stress|s", construct(p.mat(n), 0.0)) if what != "fabric" else None
    fabric = k.var("fabric|phi|f_ij", construct(p.mat(n), 0.0)) if what != "stress" else None
    reach = _overlap_function(p, c.vec) if p.chance(0.5) else None
    contacts = k.var("count|nc|contacts", 0) if fabric is not None else None
    with c.pairs(x) as pair:
        ra, rb = g.radius(), g.radius(pair.j)
        overlap = k.let(
            "overlap|delta|pen",
            ra + rb - pair.d if reach is None else reach(x, c.x[pair.j], ra, rb),
        )
        with k.when(overlap <= 0.0):
            k.cont()
        normal = k.let("n|normal|nij", pair.r / pair.d)
        if stress is not None:
            k.aug(
                stress,
                "-",
                wp.outer(normal * (kn * overlap), pair.r)
                if p.chance(0.5)
                else wp.outer(pair.r, normal) * (kn * overlap),
            )
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
            c.e.out("fabric_out|fabric_tensors|fabric", p.mat(n)).store(
                fabric / construct(p.real, contacts)
            )


def _overlap_function(p: ProgramBuilder, vec: T.Vec) -> UserFunction:
    """A function for the overlap of two spheres."""

    def body(b: Block, xa: Expr, xb: Expr, ra: Expr, rb: Expr) -> None:
        b.ret(ra + rb - wp.length(xb - xa) if p.chance(0.5) else ra + rb - wp.length(xa - xb))

    params = {"xa|x1|a": vec, "xb|x2|b": vec, "ra|r1": p.real, "rb|r2": p.real}
    return p.func(
        "sphere_overlap|overlap_of|penetration|contact_depth",
        params,
        body,
        p.pick("Overlap of two spheres; positive in contact.", ""),
    )


def _heat(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_conduction|grain_heat_exchange|thermal_dem|conduct_heat|charge_transfer|moisture_exchange",
        p.pick(
            "Heat exchanged through grain contacts.",
            "Conduction between touching grains.",
            "Scalar transfer over the contact network.",
        ),
    )
    g = Grains(k)
    c = g.cloud
    t = c.e.field("temperatures|temperature|theta|moisture", p.real, R.uniform(280.0, 400.0))
    out = c.e.out("heat_rate|temperature_out|dtheta|theta_out", p.real)
    c.e.guard()
    x, own = c.here("x|xi|pos"), t.read("t_i|theta_i|own")
    flux = k.var("q|flux|heat", 0.0, p.real)
    conductivity = c.e.property("conductivity|k_grain|lambda_s", 0.1, 5.0)
    film = k.param("film_thickness|gap_range|gas_layer", 0.005, 0.05) if p.chance(0.4) else None
    with c.pairs(x) as pair:
        r_eff = k.let(
            "r_eff|r_star|rm",
            g.radius() * g.radius(pair.j) / (g.radius() + g.radius(pair.j))
            if g.mixed
            else 0.5 * g.radius(),
        )
        overlap = k.let("overlap|delta|pen", g.radius() + g.radius(pair.j) - pair.d)
        with k.when(overlap > 0.0):
            area = k.let("a|contact_radius|patch", wp.sqrt(r_eff * overlap))
            k.aug(flux, "+", 2.0 * conductivity * area * (t[pair.j] - own))
        if film is not None:
            with (
                k.elsewhen(overlap > -film)
                if p.chance(0.6)
                else k.when(any_of(overlap > -film, overlap > 0.0))
            ):
                k.aug(
                    flux,
                    "+",
                    k.param("gas_conductance|h_gas|film_coeff", 0.01, 0.2)
                    * r_eff
                    * (t[pair.j] - own),
                )
    if p.chance(0.5):
        dt, capacity = (
            c.e.world_param("dt|timestep", 0.0001, 0.01),
            c.e.property("heat_capacity|cp_mass|capacity", 1.0, 10.0),
        )
        out.store(own + flux * dt / capacity)
    else:
        out.store(flux)
