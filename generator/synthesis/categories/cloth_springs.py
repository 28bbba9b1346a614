"""Cloth and mass-spring systems: springs, bending, membranes, aerodynamics, strain limits, regular sheets."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._cloth_bending import hinges
from generator.synthesis.categories._cloth_elements import open_elements
from generator.synthesis.categories._cloth_membrane import aerodynamics, membrane
from generator.synthesis.categories._cloth_rest import (
    elastic_energy,
    rest_state,
    sewing,
    strain_limit,
)
from generator.synthesis.categories._cloth_sheet import SHEETS
from generator.synthesis.categories._cloth_vertices import VERTICES
from generator.synthesis.categories._extras import dimension, helper, report
from generator.synthesis.categories._mesh_kinematics import swept
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr

_X = "positions|x|particle_q|pos|vertices"
_V = "velocities|v|particle_qd|vel"
_F = "forces|f|particle_f|force_out|net_force"


@category("cloth_springs", version=1, title="Cloth and mass-spring systems")
def write(p: ProgramBuilder) -> None:
    """Cloth as springs and membranes: stretch, shear and bending forces, hinge angles, strain limiting,
    aerodynamic loads
    per triangle, rest states, energies, pins, collisions with simple bodies, and regular sheets addressed by
    row and column."""
    if not p.fusing:
        p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _spring_forces: 3,
        hinges: 1.7,
        membrane: 1.8,
        aerodynamics: 2,
        strain_limit: 1.8,
        rest_state: 1.6,
        elastic_energy: 1.3,
        sewing: 1,
        swept: 0.9,
        **SHEETS,
        **VERTICES,
    }
    p.weighted(intents)(p)


def _spring_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_springs|spring_forces|compute_spring_forces|stretch_forces|accumulate_springs|mass_spring_forces|edge_forces",
        p.pick(
            "Spring forces scattered to both ends.",
            "Damped springs along the cloth edges.",
            "Stretch forces of all edges.",
            "One thread per spring.",
        ),
    )
    e, pool = open_elements(p, k, p.pick("spring", "edge", "link"), "tid|s|edge|spring_id")
    e.guard()
    i, j = corners(
        e, "spring_indices|edges|edge_indices|springs|links", ["i|a|v0|ia", "j|b|v1|ib"], pool.count
    )
    vec = p.vec(dimension(p, 2, 3, 3, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    rest = e.property("rest_length|l0|rest", 0.3, 1.2)
    ke = e.property("stiffness|ke|spring_ke|ks", 10.0, 500.0)
    xi, xj = x[i], x[j]
    if p.chance(0.4):
        xi, xj = k.let("xi|x0|pa", xi), k.let("xj|x1|pb", xj)
    d = k.let("d|delta|xij|dx|edge_vec", xi - xj)
    length = k.let("l|length|dist|len_ij", wp.length(d))
    if p.chance(0.3):
        with k.when(length < 1.0e-6):
            k.ret()
    n = k.let("n|dir|direction|axis", d / length if p.chance(0.6) else wp.normalize(d))
    f = k.let(
        "f|force|fs|spring_force", n * _spring_law(p, k, e, pool, i, j, n, length, rest, ke, vec)
    )
    out = pool.out(_F, vec)
    inverse = (
        pool.field("inv_mass|w|particle_inv_mass", p.real, R.mask(0.85)) if p.chance(0.2) else None
    )
    if inverse is None:
        out.subtract(f, i)
        out.add(f, j)
    else:
        with k.when(inverse[i] > 0.0):
            out.subtract(f, i)
        with k.when(inverse[j] > 0.0):
            out.add(f, j)
    if p.chance(0.2):
        e.out("tension|spring_tension|strain_out", p.real).store(
            (length - rest) / rest if p.chance(0.5) else wp.dot(f, n)
        )
    report(p, e, f, "tension", 100.0, {0: 5, 1: 1})


def _spring_law(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, pool: Pool, i: Expr, j: Expr, n: Expr, length: Expr, rest: Expr,
    ke: Expr, vec: T.Vec,
) -> Expr:  # fmt: skip
    """Tension of the spring, positive when stretched."""
    form = p.weighted(
        {
            "linear": 4,
            "strain": 2,
            "cubic": 1,
            "tension_only": 1.5,
            "biphasic": 1.2,
            "exponential": 0.6,
        }
    )
    k2 = (
        k.param("stiff_ratio|k_cubic|hardening|beta", 0.5, 4.0)
        if form in ("cubic", "biphasic", "exponential")
        else None
    )
    knee = k.param("yield_strain|knee|soft_limit", 0.05, 0.3) if form == "biphasic" else None

    def law(b: Block, now: Expr, l0: Expr, stiff: Expr, *more: Expr) -> Expr:
        if form == "linear":
            return stiff * (now - l0)
        strain = b.let("strain|stretch|eps", (now - l0) / l0)
        if form == "strain":
            return stiff * strain
        if form == "tension_only":
            return (
                stiff * wp.max(strain, 0.0)
                if p.chance(0.5)
                else wp.where(strain > 0.0, stiff * strain, strain * 0.0)
            )
        if form == "cubic":
            return stiff * (strain + more[0] * strain * strain * strain)
        if form == "exponential":
            return stiff * (wp.exp(wp.min(more[0] * strain, 3.0)) - 1.0) / more[0]
        result = b.var("t|tension|f_el", stiff * strain)
        with b.when(strain > more[1]):
            b.aug(result, "+", stiff * more[0] * (strain - more[1]))
        return result

    args = {"l|length": length, "l0|rest": rest, "ke|stiffness|stiff": ke}
    if k2 is not None:
        args["k2|ratio|hard"] = k2
    if knee is not None:
        args["knee|limit"] = knee
    tension = helper(
        p,
        k,
        f"{form}_spring|spring_tension|tension_of|stretch_law",
        args,
        law,
        p.pick("Tension along a spring.", "Elastic response of one edge."),
    )
    if not p.chance(0.65):
        return tension
    v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
    kd = e.property("damping|kd|spring_kd", 0.1, 5.0)
    rate = wp.dot(v[i] - v[j], n)
    if p.chance(0.5):
        rate = k.let("rate|dldt|vrel|closing", rate)
    return tension + kd * rate
