"""Elastic laws: stresses of a deformation gradient."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def singular_values(b: Block, f: Expr, n: int) -> tuple[Expr, Expr, Expr]:
    u, sigma, v = b.unpack(
        ["u|uu|u_mat", "sig|sigma|s", "v|vv|v_mat"], wp.svd3(f) if n == 3 else wp.svd2(f)
    )
    return u, sigma, v


def unit_matrix(p: ProgramBuilder, n: int) -> Expr:
    return identity(p, n)


def stress_function(p: ProgramBuilder, n: int, kind: str) -> UserFunction:
    """A function from F and the Lamé parameters to the Kirchhoff stress."""

    def body(b: Block, f: Expr, mu: Expr, lam: Expr) -> None:
        if kind == "neo_hookean":
            j = b.let("j|det_f|jac", wp.max(wp.determinant(f), 0.05))
            left = b.let("b|left_cg|fft", f * wp.transpose(f))
            b.ret((left - unit_matrix(p, n)) * mu + unit_matrix(p, n) * (lam * wp.log(j)))
        elif kind == "stvk":
            green = b.let("e|green|strain", (wp.transpose(f) * f - unit_matrix(p, n)) * 0.5)
            second = b.let(
                "s|pk2|stress2", green * (2.0 * mu) + unit_matrix(p, n) * (lam * wp.trace(green))
            )
            b.ret(f * second * wp.transpose(f))
        elif kind == "corotated":
            u, _, v = singular_values(b, f, n)
            r = b.let("r|rot|polar", u * wp.transpose(v))
            j = b.let("j|det_f|jac", wp.determinant(f))
            b.ret(
                (f - r) * wp.transpose(f) * (2.0 * mu) + unit_matrix(p, n) * (lam * j * (j - 1.0))
            )
        else:
            u, sig, _ = singular_values(b, f, n)
            eps = b.let(
                "eps|log_s|hencky",
                construct(p.vec(n), *[wp.log(wp.max(wp.abs(sig[i]), 0.05)) for i in range(n)]),
            )
            total = eps[0] + eps[1] if n == 2 else eps[0] + eps[1] + eps[2]
            tau = b.let(
                "tau|principal|t_hat", eps * (2.0 * mu) + construct(p.vec(n), 1.0) * (lam * total)
            )
            b.ret(u * wp.diag(tau) * wp.transpose(u))

    names = f"{kind}_stress|kirchhoff_stress|{kind}|elastic_stress"
    doc = p.pick(
        "Kirchhoff stress of a deformation gradient.", f"{kind.replace('_', '-')} elasticity.", ""
    )
    return p.func(
        names, {"f|F|def_grad": p.mat(n), "mu|shear": p.real, "lam|lame": p.real}, body, doc
    )


def pressure_or_stress(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, f: Expr) -> Expr:
    """The Kirchhoff stress of a particle, by one of several laws."""
    kind = p.weighted({"corotated": 2.5, "neo_hookean": 2.5, "stvk": 1, "hencky": 1, "fluid": 1.5})
    if kind == "fluid":
        bulk, gamma = (
            e.property("bulk|bulk_modulus|stiffness", 100.0, 2000.0),
            k.param("gamma|exponent|eos_gamma", 3.0, 7.0),
        )
        j = k.let("j|det_f|jac", wp.max(wp.determinant(f), 0.3))

        def eos(b: Block, jj: Expr, kk: Expr, g: Expr) -> Expr:
            return kk * (1.0 - wp.pow(jj, -g))

        return unit_matrix(p, n) * helper(
            p,
            k,
            "eos_pressure|fluid_pressure|tait",
            {"j|jac": j, "k|bulk": bulk, "gamma|g": gamma},
            eos,
        )
    mu, lam = lame_parameters(p, k, e)
    return stress_function(p, n, kind)(f, mu, lam)


def lame_parameters(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> tuple[Expr, Expr]:
    if p.chance(0.65):
        return e.property("mu|mu_0|shear_modulus", 100.0, 2000.0), e.property(
            "lam|lambda_0|lame_lambda", 100.0, 2000.0
        )
    young, nu = (
        e.property("youngs|e_modulus|young", 500.0, 5000.0),
        k.param("poisson|nu|poisson_ratio", 0.1, 0.4),
    )

    def body(b: Block, ym: Expr, pr: Expr) -> None:
        b.ret(ym / (2.0 * (1.0 + pr)), ym * pr / ((1.0 + pr) * (1.0 - 2.0 * pr)))

    if p.chance(0.5):
        convert = p.func(
            "lame_from_young|lame_parameters|to_lame",
            {"youngs|e": p.real, "nu|poisson": p.real},
            body,
            p.pick("Lamé parameters from Young's modulus.", ""),
        )
        mu, lam = k.unpack(["mu|g_mod", "lam|lmbda"], convert(young, nu))
        return mu, lam
    return k.let("mu|g_mod", young / (2.0 * (1.0 + nu))), k.let(
        "lam|lmbda", young * nu / ((1.0 + nu) * (1.0 - 2.0 * nu))
    )
