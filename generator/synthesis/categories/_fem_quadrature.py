"""Quadrilaterals and hexahedra with quadrature loops: intents of fem_assembly."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import Mesh, identity
from generator.synthesis.categories._materials import (
    gauss_coordinate,
    lame,
    shape_gradient,
    shape_value,
)
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


class _Box:
    """Axis-aligned elements of a structured grid, or mapped ones with a stored inverse Jacobian."""

    def __init__(self, p: ProgramBuilder, m: Mesh) -> None:
        self.p, self.m = p, m
        self.structured = p.chance(0.55)
        k = m.k
        if self.structured:
            if p.chance(0.5):
                h = k.param("h|cell_size|dx", 0.1, 0.5)
                self.inverse = k.let("scale|inv_h|dxi", 2.0 / h)
                weight = h * 0.5
                self.det = k.let(
                    "det|jac|w_det", weight * weight if m.dim == 2 else weight * weight * weight
                )
            else:
                size = m.e.field("cell_sizes|h_elem|spacing", p.real, R.uniform(0.2, 0.6)).own
                h = k.let("h|size|dx", size)
                self.inverse = k.let("scale|inv_h|dxi", 2.0 / h)
                self.det = k.let("det|jac|w_det", (h * h if m.dim == 2 else h * h * h) * 0.5**m.dim)
        else:
            self.map = k.let(
                "inv_j|J_inv|dxi_dx",
                m.e.field(
                    "inverse_jacobians|J_inv_in|mappings", p.mat(m.dim), R.near_identity(0.2)
                ).own,
            )
            self.det = k.let(
                "det|jac|w_det",
                m.e.field("jacobian_dets|det_in|volumes", p.real, R.uniform(0.1, 1.0)).own,
            )

    def gradient(self, g: Expr) -> Expr:
        """Physical gradient from a reference gradient."""
        return g * self.inverse if self.structured else wp.transpose(self.map) * g


def _points(p: ProgramBuilder, k: KernelBuilder, dim: int) -> Any:
    """Opens the quadrature loops: yields reference coordinates and weight."""
    if p.chance(0.4):
        count = 2**dim
        gx = k.array("quad_points|gauss_points|xi_q", p.vec(dim), (count,), R.uniform(-0.6, 0.6))
        gw = (
            k.array("quad_weights|gauss_weights|w_q", p.real, (count,), R.uniform(0.5, 1.0))
            if p.chance(0.6)
            else None
        )
        return [k.loop("q|g|qp", count if p.chance(0.4) else gx.dim(0))], lambda idx: (
            _named(k, gx[idx[0]], dim),
            None if gw is None else gw[idx[0]],
        )
    loops = [k.loop(f"q{'xyz'[c]}|g{c}|{'ijk'[c]}q", 2) for c in range(dim)]
    return loops, lambda idx: (
        [
            k.let(f"{w}|{w}_q", gauss_coordinate(p, i))
            for w, i in zip(("xi", "eta", "zeta"), idx, strict=False)
        ],
        None,
    )


def _named(k: KernelBuilder, point: Expr, dim: int) -> list[Expr]:
    at = k.let("xq|point|ref", point)
    return [at[c] for c in range(dim)]


class _Quadrature:
    """``with`` block over the quadrature points."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, dim: int) -> None:
        self.loops, self.finish = _points(p, k, dim)

    def __enter__(self) -> tuple[list[Expr], Expr | None]:
        indices = [loop.__enter__() for loop in self.loops]
        return self.finish(indices)

    def __exit__(self, *error: Any) -> None:
        for loop in reversed(self.loops):
            loop.__exit__(*error)


def quad_matrix(p: ProgramBuilder) -> None:
    """Element matrices by quadrature: one thread per element, or per element and entry."""
    kind = p.weighted({"quad": 4, "hex": 2.5})
    what = p.weighted({"stiffness": 4, "mass": 2, "mixed": 2})
    k = p.kernel_builder(
        f"{kind}_{what}|assemble_{kind}_{what}|integrate_{what}|{what}_by_quadrature|element_{what}",
        p.pick(
            "Element matrix by Gauss quadrature.",
            "Integrates products of shape functions over each element.",
            "Two-point rule in every direction.",
        ),
    )
    nen, dim = (4, 2) if kind == "quad" else (8, 3)
    count = p.pick(6, 8, 12)
    k.launch_dim = (count, nen, nen)
    e, a, b = k.unpack(
        ["e|elem|cell", "a|row|i", "b|col|j"], N.Call("wp.tid", (), (), T.TupleType((T.I32,) * 3))
    )
    if p.chance(0.35):
        with k.when(b < a):
            k.ret()
    grad = shape_gradient(p, dim) if what != "mass" else None
    value = shape_value(p, dim) if what != "stiffness" else None
    h = (
        k.array("cell_sizes|h_elem|sizes", p.real, (count,), R.uniform(0.2, 0.8))[e]
        if p.chance(0.5)
        else k.param("h|cell_size|dx", 0.1, 0.5)
    )
    h = k.let("he|size|spacing", h) if p.chance(0.5) else h
    kappa = (
        k.array("kappa|conductivity|coef", p.real, (count,), R.uniform(0.2, 2.0))[e]
        if p.chance(0.5)
        else k.param("kappa|coef|diffusivity", 0.2, 2.0)
    )
    alpha = k.param("alpha|reaction|mass_coef", 0.1, 1.0) if what == "mixed" else None
    acc = k.var("acc|k_ab|total", 0.0, p.real)
    with _Quadrature(p, k, dim) as (xi, w):
        term: Expr | None = None
        if grad is not None:
            ga, gb = k.let("ga|grad_a", grad(a, *xi)), k.let("gb|grad_b", grad(b, *xi))
            term = wp.dot(ga, gb) * kappa
            if dim == 3 or p.chance(0.3):
                term = term * (4.0 / (h * h))
        if value is not None:
            mass = value(a, *xi) * value(b, *xi)
            mass = mass if alpha is None else alpha * mass
            term = mass if term is None else term + mass
        assert term is not None
        k.aug(acc, "+", term if w is None else w * term)
    scale = h * h * 0.25 if dim == 2 else h * h * h * 0.125
    result = acc * scale if what != "stiffness" or dim == 3 else acc
    match p.pick("blocks", "triplets", "dense"):
        case "blocks":
            k.set(k.out("Ke|element_matrices|local", p.real, (count, nen, nen))[e, a, b], result)
        case "triplets":
            conn = k.array("connectivity|elements|nodes_of", T.I32, (count, nen), R.integers(0, 40))
            slot = k.let("slot|at|idx", (e * nen + a) * nen + b)
            for hint, column in (("rows|coo_rows", conn[e, a]), ("cols|coo_cols", conn[e, b])):
                k.set(k.out(hint, T.I32, (count * nen * nen,))[slot], column)
            k.set(k.out("values|coo_values", p.real, (count * nen * nen,))[slot], result)
        case _:
            conn = k.array("connectivity|elements|nodes_of", T.I32, (count, nen), R.integers(0, 24))
            k.do(
                wp.atomic_add(
                    k.out("K|matrix|global_k", p.real, (24, 24)), conn[e, a], conn[e, b], result
                )
            )


def quad_residual(p: ProgramBuilder) -> None:
    """Residuals by quadrature: gather, evaluate at the points, scatter."""
    kind = p.weighted({"quad": 4, "hex": 3})
    what = p.weighted({"poisson": 3, "elastic": 3, "mass": 1.5, "reaction": 2})
    k = p.kernel_builder(
        f"{kind}_{what}_residual|{what}_residual|integrate_{what}_{kind}|apply_{what}_{kind}|{kind}_operator",
        p.pick(
            "Residual by Gauss quadrature.",
            "Gathers nodal values, integrates, scatters.",
            "Matrix-free operator on multilinear elements.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    vector = what == "elastic"
    t: T.Type = p.vec(m.dim) if vector else p.real
    u = m.nodal("u|field|displacement|phi", t, R.uniform(-0.5, 0.5))
    out = m.collect("residual|r|out_u|forces", t)
    box = _Box(p, m)
    grad = shape_gradient(p, m.dim) if what != "mass" else None
    value = shape_value(p, m.dim) if what in ("mass", "reaction") else None
    mu, lam = lame(p, m.e) if vector else (m.e.property("kappa|coef|rho", 0.2, 2.0), None)
    with _Quadrature(p, k, m.dim) as (xi, w):
        scale = box.det if w is None else k.let("wq|weight|dv", w * box.det)
        state: Expr | None = None
        mid: Expr | None = None
        if grad is not None:
            state = k.var(
                "grad_u|gu|H",
                construct(p.mat(m.dim), 0.0) if vector else construct(p.vec(m.dim), 0.0),
            )
        if value is not None:
            mid = k.var("uq|u_q|val", 0.0, p.real)
        with k.loop("a|n|b", m.nen) as a:
            j = k.let("j|node|na", m.entry(a))
            if state is not None and grad is not None:
                g = k.let("g|dn|grad_a", box.gradient(grad(a, *xi)))
                k.aug(state, "+", wp.outer(u[j], g) if vector else g * u[j])
            if mid is not None and value is not None:
                k.aug(mid, "+", value(a, *xi) * u[j])
        flux = _flux(p, m, what, state, mid, mu, lam)
        with k.loop("a|n|b", m.nen) as a:
            _scatter(p, m, out, a, xi, flux, box, grad, value, scale, vector)


def _flux(
    p: ProgramBuilder,
    m: Mesh,
    what: str,
    state: Expr | None,
    mid: Expr | None,
    mu: Expr,
    lam: Expr | None,
) -> tuple[Expr | None, Expr | None]:
    k = m.k
    if what == "elastic" and state is not None and lam is not None:
        eps = k.let("eps|strain|sym", (state + wp.transpose(state)) * 0.5)
        return k.let(
            "sig|stress|S", eps * (2.0 * mu) + identity(p, m.dim) * (lam * wp.trace(eps))
        ), None
    flux = k.let("flux|q_flux|kg", state * mu) if state is not None else None
    source = None
    if mid is not None:
        form = p.pick("linear", "cubic", "logistic") if what == "reaction" else "linear"
        source = {
            "linear": lambda: mu * mid,
            "cubic": lambda: mid * mid * mid - mid,
            "logistic": lambda: mu * mid * (1.0 - mid),
        }[form]()
        source = k.let("src|f_q|react", source)
    return flux, source


def _scatter(
    p: ProgramBuilder,
    m: Mesh,
    out: Any,
    a: Expr,
    xi: list[Expr],
    flux: tuple[Expr | None, Expr | None],
    box: _Box,
    grad: Any,
    value: Any,
    scale: Expr,
    vector: bool,
) -> None:
    k = m.k
    total: Expr | None = None
    if flux[0] is not None:
        g = k.let("gb|dn_b|grad_test", box.gradient(grad(a, *xi)))
        total = flux[0] * g if vector else wp.dot(flux[0], g)
    if flux[1] is not None:
        term = value(a, *xi) * flux[1]
        total = term if total is None else total + term
    assert total is not None
    out.add(m.entry(a), total * scale)
