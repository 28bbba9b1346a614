"""What the SPH intents share: masses, phases, the cloud of particles, equations of state."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._neighbourhood import Cloud
from generator.synthesis.entities import Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def mass_of_particles(cloud: Cloud) -> Field | Expr:
    """Particle masses as an array, or one mass for all."""
    k, p = cloud.k, cloud.k.p
    scale = 8.0 if cloud.listed else 1.0
    if p.chance(0.35):
        return cloud.e.field(
            "masses|mass|m|particle_mass", p.real, R.uniform(6.0 * scale, 20.0 * scale)
        )
    return k.param("particle_mass|mass|m", 6.0 * scale, 20.0 * scale)


def value_at(mass: Field | Expr, j: Expr) -> Expr:
    return mass[j] if isinstance(mass, Field) else mass


def rejected_phase(cloud: Cloud) -> tuple[Field, int] | None:
    """Sometimes a phase per particle, and the phase that pairs leave out."""
    p = cloud.k.p
    if not p.chance(0.18):
        return None
    return cloud.e.field(
        "phase|particle_phase|material|fluid_id|labels", T.I32, R.integers(0, 3)
    ), p.pick(0, 1, 2)


def begin_cloud(p: ProgramBuilder, hint: str, *docs: str) -> tuple[KernelBuilder, Cloud]:
    k = p.kernel_builder(hint, p.pick(*docs))
    return k, Cloud(k)


def pressure_law(p: ProgramBuilder, b: Block, rho: Expr) -> Expr:
    """Pressure from density: linear, clamped, Tait or ideal gas."""
    k = p.kernel
    assert k is not None
    rest = k.param("rest_density|rho0|reference_density", 800.0, 1200.0)
    stiffness = k.param("stiffness|gas_constant|k_p|bulk_modulus", 5.0, 200.0)
    form = p.pick("linear", "clamped", "tait", "gas", "ratio")

    def body(inner: Block, r: Expr, r0: Expr, c: Expr) -> Expr:
        if form == "linear":
            return c * (r - r0)
        if form == "clamped":
            return c * wp.max(r - r0, 0.0)
        if form == "gas":
            return wp.max(c * r - c * r0, 0.0)
        q = inner.let("ratio|q|compression", r / r0)
        if form == "ratio":
            return wp.max(c * (q - 1.0), 0.0)
        return c / 7.0 * (wp.pow(q, 7.0) - 1.0)

    args = {"rho|density": rho, "rho0|rest": rest, "k|stiffness|b": stiffness}
    doc = p.pick(
        "Pressure from the equation of state.", "Weakly compressible equation of state.", ""
    )
    return helper(
        p, b, "pressure_from_density|equation_of_state|eos|state_equation", args, body, doc
    )
