"""Hyperelastic materials, in the forms in which they are programmed."""

from collections.abc import Callable
from typing import Any

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import identity
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

MODELS = {
    "neo_hookean": 4,
    "stvk": 3,
    "corotated": 3,
    "stable": 2.5,
    "linear": 1.5,
    "arap": 1.5,
    "mooney": 1,
    "polar": 1.2,
}


def lame(p: ProgramBuilder, e: Entities) -> tuple[Expr, Expr]:
    """Lamé parameters: given, or from Young's modulus and Poisson's ratio."""
    k = e.k
    if p.chance(0.6):
        return e.property("mu|shear_modulus|lame_mu", 0.5, 5.0), e.property(
            "lam|lame_lambda|la", 0.5, 5.0
        )
    young, nu = (
        e.property("young|E|youngs_modulus", 1.0, 10.0),
        k.param("nu|poisson|poisson_ratio", 0.1, 0.4),
    )
    if p.chance(0.5):
        real = p.real

        def body(b: Block, y: Expr, v: Expr) -> None:
            b.ret(y / (2.0 * (1.0 + v)), y * v / ((1.0 + v) * (1.0 - 2.0 * v)))

        f = p.func(
            "lame_parameters|lame_from_young|young_to_lame", {"E|young|y": real, "nu|v": real}, body
        )
        mu, lam = k.unpack(["mu|G|shear", "lam|la|lmbda"], f(young, nu))
        return mu, lam
    mu = k.let("mu|G|shear", young / (2.0 * (1.0 + nu)))
    return mu, k.let("lam|la|lmbda", young * nu / ((1.0 + nu) * (1.0 - 2.0 * nu)))


def stress(
    p: ProgramBuilder, k: KernelBuilder, model: str, f: Expr, mu: Expr, lam: Expr, dim: int
) -> Expr:
    """First Piola-Kirchhoff stress of a model, inline or as a function."""
    rule = _STRESS[model]
    args = {"F|f": f, "mu|m": mu} | ({} if model in ("arap",) else {"lam|la": lam})
    words = {
        "neo_hookean": "pk1_neo_hookean|neo_hookean_stress",
        "stvk": "stvk_stress|pk1_stvk",
        "stable": "stable_neo_hookean|pk1_stable",
        "corotated": "corotated_stress|pk1_corotated",
        "linear": "linear_stress|small_strain_stress",
        "arap": "arap_stress|pk1_arap",
        "mooney": "mooney_rivlin|pk1_mooney",
        "polar": "corotational_stress|polar_stress",
    }
    docs = p.pick("First Piola-Kirchhoff stress.", "Stress of the deformation gradient F.", "")
    return piece(p, k, words[model], args, lambda b, *a: rule(p, b, dim, *a), docs, 0.65)


def _green(p: ProgramBuilder, b: Block, dim: int, f: Expr) -> Expr:
    return b.let("E|green|strain", (wp.transpose(f) * f - identity(p, dim)) * 0.5)


def _stvk(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    e = _green(p, b, dim, f)
    s = b.let("S|pk2|second", e * (2.0 * mu) + identity(p, dim) * (lam * wp.trace(e)))
    return f * s


def _neo(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    j = b.let("J|det|vol_ratio", wp.max(wp.determinant(f), p.pick(0.05, 0.1, 0.2)))
    inv_t = b.let("f_inv_t|FinvT|cof", wp.transpose(wp.inverse(f)))
    if p.chance(0.5):
        return (f - inv_t) * mu + inv_t * (lam * wp.log(j))
    log_j = b.let("log_j|lj", wp.log(j))
    return f * mu + inv_t * (lam * log_j - mu)


def _cofactor(p: ProgramBuilder, b: Block, dim: int, f: Expr) -> Expr:
    if dim == 2:
        return construct(p.mat(2), f[1, 1], -f[1, 0], -f[0, 1], f[0, 0])
    cols = [construct(p.vec(3), f[0, c], f[1, c], f[2, c]) for c in range(3)]
    a, c, d = (b.let(f"f{i}|a{i}|col{i}", v) for i, v in enumerate(cols))
    return wp.matrix_from_cols(wp.cross(c, d), wp.cross(d, a), wp.cross(a, c))


def _stable(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    cof = b.let("cof|dJdF|gradJ", _cofactor(p, b, dim, f))
    j = b.let("J|det", wp.determinant(f))
    if p.chance(0.5):
        alpha = b.let("alpha|rest_j|a", 1.0 + mu / lam)
        return f * mu + cof * (lam * (j - alpha))
    ic = b.let("Ic|i1|trace_c", wp.ddot(f, f))
    return f * (mu * (1.0 - 1.0 / (ic + 1.0))) + cof * (lam * (j - 1.0) - 0.75 * mu)


def rotation(p: ProgramBuilder, b: Block, dim: int, f: Expr) -> Expr:
    """The rotation of the polar decomposition, through the singular values."""
    u, _, v = b.unpack(["U|u", "sig|s", "V|v"], wp.svd3(f) if dim == 3 else wp.svd2(f))
    return b.let("R|rot|r", u * wp.transpose(v))


def _corotated(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    r = rotation(p, b, dim, f)
    if p.chance(0.5):
        j = b.let("J|det", wp.determinant(f))
        return (f - r) * (2.0 * mu) + _cofactor(p, b, dim, f) * (lam * (j - 1.0))
    s = b.let("S|stretch|sym", wp.transpose(r) * f)
    return (f - r) * (2.0 * mu) + r * (lam * (wp.trace(s) - float(dim)))


def _arap(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr) -> Expr:
    return (f - rotation(p, b, dim, f)) * (2.0 * mu)


def _linear(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    eps = b.let("eps|strain|small", (f + wp.transpose(f)) * 0.5 - identity(p, dim))
    return eps * (2.0 * mu) + identity(p, dim) * (lam * wp.trace(eps))


def _mooney(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    c = b.let("C|cauchy_green|c", wp.transpose(f) * f)
    i1 = b.let("I1|i1|tr_c", wp.trace(c))
    j = b.let("J|det", wp.determinant(f))
    return (
        f * (2.0 * mu) + (f * i1 - f * c) * (0.2 * mu) + _cofactor(p, b, dim, f) * (lam * (j - 1.0))
    )


def _polar(p: ProgramBuilder, b: Block, dim: int, f: Expr, mu: Expr, lam: Expr) -> Expr:
    """Rotation by a few Newton iterations."""
    r = b.var("R|rot|q", f)
    with b.loop("it|step|n", p.pick(3, 4, 5)):
        b.set(r, (r + wp.transpose(wp.inverse(r))) * 0.5)
    s = b.let("S|stretch|sym", wp.transpose(r) * f)
    return (f - r) * (2.0 * mu) + r * (lam * (wp.trace(s) - float(dim)))


_STRESS: dict[str, Callable[..., Expr]] = {
    "stvk": _stvk, "neo_hookean": _neo, "stable": _stable, "corotated": _corotated, "arap": _arap, "linear": _linear,
    "mooney": _mooney, "polar": _polar,
}  # fmt: skip


def energy(
    p: ProgramBuilder, k: KernelBuilder, model: str, f: Expr, mu: Expr, lam: Expr, dim: int
) -> Expr:
    """Energy density; models without a simple closed form use their quadratic part."""

    def body(b: Block, g: Expr, m: Expr, la: Expr) -> Expr:
        if model == "stvk":
            e = _green(p, b, dim, g)
            tr = b.let("tr|trace_e", wp.trace(e))
            return m * wp.ddot(e, e) + 0.5 * la * tr * tr
        if model in ("neo_hookean", "stable", "mooney"):
            j = b.let("J|det|vol_ratio", wp.max(wp.determinant(g), 0.1))
            log_j = b.let("log_j|lj", wp.log(j))
            return 0.5 * m * (wp.ddot(g, g) - float(dim)) - m * log_j + 0.5 * la * log_j * log_j
        j = b.let("J|det", wp.determinant(g))
        d = b.let("d|dev|diff", g - identity(p, dim))
        return m * wp.ddot(d, d) + 0.5 * la * (j - 1.0) * (j - 1.0)

    return piece(
        p,
        k,
        f"{model}_energy|energy_density|strain_energy",
        {"F|f": f, "mu|m": mu, "lam|la": lam},
        body,
        "",
        0.6,
    )


# --- quadrature -------------------------------------------------------------------------------------


def gauss_coordinate(p: ProgramBuilder, index: Expr) -> Expr:
    """Reference coordinate of a two-point rule, from its index."""
    g = 0.57735027
    return (
        choose(index == 0, N.literal(-g, p.real), N.literal(g, p.real))
        if p.chance(0.5)
        else (2.0 * construct(p.real, index) - 1.0) * g
    )


def shape_gradient(p: ProgramBuilder, dim: int) -> UserFunction:
    """Gradient of a multilinear shape function in reference coordinates."""
    real = p.real

    def signs(b: Block, a: Expr) -> list[Expr]:
        form = p.pick("bits", "ternary")
        one = N.literal(1.0, real)
        minus = N.literal(-1.0, real)
        tests = [((a + 1) // 2) % 2, (a // 2) % 2 if dim == 3 else a // 2, a // 4][:dim]
        return [
            b.let(
                f"s{w}|sign_{w}|{w}a",
                choose(t == 1, one, minus) if form == "ternary" else 2.0 * construct(real, t) - 1.0,
            )
            for w, t in zip("xyz", tests, strict=False)
        ]

    def body(b: Block, a: Expr, *xi: Expr) -> None:
        s = signs(b, a)
        one = [b.let(f"n{w}|l{w}|h{w}", 1.0 + s[i] * xi[i]) for i, w in enumerate("xyz"[:dim])]
        scale = 0.25 if dim == 2 else 0.125
        parts = []
        for i in range(dim):
            product = scale * s[i]
            for j in range(dim):
                if j != i:
                    product = product * one[j]
            parts.append(product)
        b.ret(construct(p.vec(dim), *parts))

    params: dict[str, T.Type] = {"a|node|local": T.I32} | dict.fromkeys(
        ("xi|r", "eta|s", "zeta|t")[:dim], real
    )
    return p.func(
        "shape_gradient|dshape|grad_n|reference_gradient",
        params,
        body,
        p.pick("Gradient of one shape function in reference coordinates.", ""),
    )


def shape_value(p: ProgramBuilder, dim: int) -> UserFunction:
    """A multilinear shape function."""
    real = p.real

    def body(b: Block, a: Expr, *xi: Expr) -> None:
        tests = [((a + 1) // 2) % 2, (a // 2) % 2 if dim == 3 else a // 2, a // 4][:dim]
        value: Any = 0.25 if dim == 2 else 0.125
        for t, x in zip(tests, xi, strict=True):
            value = value * (1.0 + (2.0 * construct(real, t) - 1.0) * x)
        b.ret(value)

    params: dict[str, T.Type] = {"a|node|local": T.I32} | dict.fromkeys(
        ("xi|r", "eta|s", "zeta|t")[:dim], real
    )
    return p.func("shape_value|shape|n_a|basis", params, body)
