"""Matrix-free operators on simplices: an intent of fem_assembly."""

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import Mesh, Nodal, edge_matrix
from generator.synthesis.idioms import piece
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def shape_gradients(m: Mesh) -> tuple[list[Expr], Expr]:
    """Gradients of the linear shape functions and the measure of the element."""
    p, k = m.p, m.k
    vec = p.vec(m.dim)
    if p.chance(0.35):
        table = k.array("shape_gradients|grad_phi|dphi", vec, (m.e.n, m.nen), R.uniform(-1.0, 1.0))
        volume = m.e.field("volumes|areas|measures", p.real, R.uniform(0.1, 1.0)).own
        return [k.let(f"g{a}|grad{a}|b{a}", table[m.e.index, a]) for a in range(m.nen)], k.let(
            "vol|area|meas", volume
        )
    x = m.nodal("positions|x|nodes_x|vertices", vec, R.uniform(-2.0, 2.0))
    if m.dim == 2 and p.chance(0.4):
        return _triangle(m, x)
    d = edge_matrix(m, x, "D|jac|J")
    det = k.let("det|det_j|jdet", wp.determinant(d))
    with k.when(wp.abs(det) < p.pick(0.02, 0.05)):
        k.ret()
    inverse = k.let("inv_j|G|inv", wp.inverse(d))
    grads = [
        k.let(
            f"g{a + 1}|grad{a + 1}|b{a + 1}",
            construct(vec, *(inverse[a, c] for c in range(m.dim))) if p.chance(0.5) else inverse[a],
        )
        for a in range(m.dim)
    ]
    total = grads[0]
    for g in grads[1:]:
        total = total + g
    first = k.let("g0|grad0|b0", -total)
    return [first, *grads], k.let(
        "vol|area|meas", (wp.abs(det) / 6.0 if m.dim == 3 else 0.5 * wp.abs(det))
    )


def _triangle(m: Mesh, x: Nodal) -> tuple[list[Expr], Expr]:
    p, k = m.p, m.k
    a, b, c = (k.let(f"x{i}|p{i}", x[m.node(i)]) for i in range(3))
    twice = k.let("twice|dbl_area|det2", (b.x - a.x) * (c.y - a.y) - (c.x - a.x) * (b.y - a.y))
    with k.when(wp.abs(twice) < p.pick(0.02, 0.05)):
        k.ret()
    vec = p.vec(2)
    parts = [(b, c), (c, a), (a, b)]
    grads = [
        k.let(f"g{i}|grad{i}|b{i}", construct(vec, u.y - v.y, v.x - u.x) / twice)
        for i, (u, v) in enumerate(parts)
    ]
    return grads, k.let("vol|area|meas", 0.5 * wp.abs(twice))


def operator(p: ProgramBuilder) -> None:
    """Matrix-free action of a differential operator on a scalar field."""
    kind = p.weighted({"tri": 4, "tet": 3})
    terms = p.sample(["diffusion", "mass", "advection", "reaction", "anisotropic"], 1, 3)
    k = p.kernel_builder(
        f"apply_{terms[0]}_operator|{kind}_residual|weak_form_residual|apply_weak_form|assemble_residual|poisson_residual",
        p.pick(
            "Element contributions to the residual, gathered and scattered.",
            "Matrix-free weak form on linear elements.",
            "Residual of a scalar transport problem.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    u = m.nodal("u|field|temperature|phi", p.real, R.uniform(-1.0, 1.0))
    out = m.collect("residual|r|out_field|rhs", p.real)
    grads, vol = shape_gradients(m)
    values = [k.let(f"u{a}|val{a}|phi{a}", u[m.node(a)]) for a in range(m.nen)]
    grad = values[0] * grads[0]
    for v, g in zip(values[1:], grads[1:], strict=True):
        grad = grad + v * g
    grad = k.let("grad_u|gu|du", grad)
    mean = values[0]
    for v in values[1:]:
        mean = mean + v
    flux: Expr | None = None
    source: Expr | None = None
    if "diffusion" in terms or "anisotropic" in terms:
        flux = k.let("flux|q|kgrad", _diffusive_flux(p, m, grad, "anisotropic" in terms, mean))
    if "advection" in terms:
        b = m.nodal("wind|velocity|beta", p.vec(m.dim), R.uniform(-1.0, 1.0))
        w = b[m.node(0)]
        for a in range(1, m.nen):
            w = w + b[m.node(a)]
        source = k.let("adv|conv|transport", wp.dot(w / float(m.nen), grad))
    if "mass" in terms or "reaction" in terms or (flux is None and source is None):
        c = m.e.property("reaction|sigma|mass_coef", 0.1, 2.0)
        centre = k.let("u_mid|avg|mean_u", mean / float(m.nen))
        value = c * centre if "mass" in terms or p.chance(0.5) else c * centre * (1.0 - centre)
        source = k.let("src|react|zero_order", value) if source is None else source + value
    if source is not None and p.chance(0.6):
        source = k.let("body|lump|weighted", source * vol / float(m.nen))
    elif source is not None:
        source = source * (vol / float(m.nen))
    for a in range(m.nen):
        value = None if flux is None else vol * wp.dot(flux, grads[a])
        if source is not None:
            value = source if value is None else value + source
        assert value is not None
        out.add(m.node(a), value)
    if p.chance(0.3) and flux is not None:
        k.do(
            wp.atomic_add(
                k.out("energy|dirichlet_energy|dissipation", p.real, (1,)),
                0,
                0.5 * vol * wp.dot(flux, grad),
            )
        )
    if p.chance(0.25):
        m.e.out("gradients|grad_out|element_grad", p.vec(m.dim)).store(grad)


def _diffusive_flux(p: ProgramBuilder, m: Mesh, grad: Expr, tensor: bool, total: Expr) -> Expr:
    k = m.k
    if tensor:
        return (
            m.e.field("conductivity|K|diffusion_tensor", p.mat(m.dim), R.spd(0.2, 2.0)).own * grad
        )
    coefficient = m.e.property("diffusivity|kappa|conductivity", 0.1, 3.0)
    form = p.pick("linear", "linear", "quasi", "p_laplace", "minimal")
    if form == "linear":
        return coefficient * grad

    def body(b: Block, c: Expr, g: Expr, s: Expr) -> Expr:
        if form == "quasi":
            mid = b.let("mid|u_bar", s / float(m.nen))
            return (c * (1.0 + mid * mid)) * g
        if form == "p_laplace":
            return (c * wp.sqrt(wp.dot(g, g) + 1.0e-4)) * g
        return g * (c / wp.sqrt(1.0 + wp.dot(g, g)))

    return (
        piece(
            p,
            k,
            f"{form}_flux|nonlinear_flux|flux_of",
            {"c|kappa": coefficient, "g|grad": grad, "s|u_sum": total},
            body,
            "",
            0.7,
        )
        if form == "quasi"
        else piece(
            p,
            k,
            f"{form}_flux|nonlinear_flux|flux_of",
            {"c|kappa": coefficient, "g|grad": grad},
            lambda b, c, g: body(b, c, g, g),
            "",
            0.7,
        )
    )
