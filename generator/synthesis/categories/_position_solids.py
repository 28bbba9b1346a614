"""Area, volume and elastic-energy constraints."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper
from generator.synthesis.categories._position_solve import Solve
from generator.synthesis.idioms import identity
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal


def preserve_area(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_area|triangle_area_constraints|preserve_area|project_triangles|local_area",
        p.pick(
            "Preserve triangle areas.",
            "Area constraints of a surface mesh.",
            "XPBD triangle area projection.",
        ),
    )
    planar = p.chance(0.4)
    vec = p.vec(2 if planar else 3)
    s = Solve(p, k, p.pick("triangle", "tri", "constraint"), ["i|a|v0", "j|b|v1", "k_|c|v2"], vec)
    x = s.points("x|p")
    rest = s.e.property("rest_area|a0|area0", 0.1, 0.8)
    u, v = k.let("u|e1|ab", x[1] - x[0]), k.let("v|e2|ac", x[2] - x[0])
    if planar:
        area = k.let("area|a", 0.5 * (u.x * v.y - u.y * v.x))
        g1, g2 = (
            k.let("g1|grad1", construct(vec, 0.5 * v.y, -0.5 * v.x)),
            k.let("g2|grad2", construct(vec, -0.5 * u.y, 0.5 * u.x)),
        )
    else:
        normal = k.let("n|cross_n|normal", wp.cross(u, v))
        size = k.let("n_len|dbl_area|mag", wp.length(normal))
        with k.when(size < 1.0e-6):
            k.ret()
        unit = k.let("n_hat|dir", normal / size)
        area = k.let("area|a", 0.5 * size)
        g1, g2 = (
            k.let("g1|grad1", wp.cross(v, unit) * 0.5),
            k.let("g2|grad2", wp.cross(unit, u) * 0.5),
        )
    grads = [k.let("g0|grad0", -g1 - g2), g1, g2]
    c = k.let("c|err|C", area - rest)
    lam = s.multiplier(c, s.gradient_norm(grads), list(zip(s.ids, grads, strict=True)))
    s.push(grads, lam)
    s.finish(c)


def _tet_gradients(p: ProgramBuilder, k: KernelBuilder, x: list[Expr]) -> tuple[Expr, list[Expr]]:
    """Six times the signed volume, and its gradients at the four corners."""
    e1, e2, e3 = (
        k.let(h, x[i] - x[0]) for i, h in ((1, "e1|a|d1"), (2, "e2|b|d2"), (3, "e3|c_|d3"))
    )
    g1, g2, g3 = (
        k.let("g1|grad1", wp.cross(e2, e3)),
        k.let("g2|grad2", wp.cross(e3, e1)),
        k.let("g3|grad3", wp.cross(e1, e2)),
    )
    g0 = k.let("g0|grad0", -(g1 + g2 + g3))
    return wp.dot(e3, g3) if p.chance(0.4) else wp.dot(g1, e1), [g0, g1, g2, g3]


def _tet_volume(p: ProgramBuilder, k: KernelBuilder, x: list[Expr]) -> Expr:
    """Six times the signed volume, as a function of the corners."""
    form = p.pick("cross", "det")

    def body(b: Block, x0: Expr, x1: Expr, x2: Expr, x3: Expr) -> Expr:
        if form == "det":
            return wp.determinant(wp.matrix_from_cols(x1 - x0, x2 - x0, x3 - x0))
        return wp.dot(wp.cross(x1 - x0, x2 - x0), x3 - x0)

    args = {f"x{i}|p{i}|{'abcd'[i]}": v for i, v in enumerate(x)}
    return helper(
        p,
        k,
        "signed_volume6|tet_det|six_volume|triple_product",
        args,
        body,
        p.pick("Six times the signed volume.", ""),
    )


def preserve_volume(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_volume|tet_volume_constraints|preserve_volume|project_tets|volume_conservation|solve_tets",
        p.pick(
            "Preserve the volume of each tetrahedron.",
            "XPBD volume constraints of a soft body.",
            "Tetrahedral volume projection.",
        ),
    )
    vec = p.vec(dimension(p, 3))
    s = Solve(
        p, k, p.pick("tet", "tetra", "element"), ["i|v0|a", "j|v1|b", "k_|v2|c", "l|v3|d"], vec
    )
    x = s.points("x|p")
    rest = s.e.property("rest_volume|vol0|v_rest", 0.02, 0.3)
    six, grads = _tet_gradients(p, k, x)
    if p.chance(0.4):
        six = _tet_volume(p, k, x)
    scaled = p.chance(0.5)
    pressure = k.param("pressure|inflation|volume_scale", 0.5, 2.0) if p.chance(0.25) else None
    goal = rest if pressure is None else rest * pressure
    if scaled:
        c = k.let("c|err|C", six / 6.0 - goal)
        grads = (
            [k.let(f"dc{i}|n{i}", g / 6.0) for i, g in enumerate(grads)]
            if p.chance(0.5)
            else [g * literal(round(1 / 6, 6), p.real) for g in grads]
        )
    else:
        c = k.let("c|err|C", six - 6.0 * goal)
    if p.chance(0.2):
        with k.when(c >= 0.0):
            k.ret()
    lam = s.multiplier(c, s.gradient_norm(grads), list(zip(s.ids, grads, strict=True)))
    s.push(grads, lam)
    s.finish(c)


def tet_energy(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_neo_hookean|tet_elasticity|solve_fem_tets|project_deformation|hyperelastic_constraints|strain_constraints",
        p.pick(
            "Neo-Hookean tetrahedra as two compliant constraints.",
            "Deviatoric and hydrostatic constraints of a tetrahedron.",
            "Elastic energy of tetrahedra in constraint form.",
        ),
    )
    vec, m33 = p.vec(3), p.mat(3)
    s = Solve(
        p, k, p.pick("tet", "tetra", "element"), ["i|v0|a", "j|v1|b", "k_|v2|c", "l|v3|d"], vec
    )
    x = s.points("x|p")
    inverse = k.let(
        "dm_inv|q|inv_rest",
        k.array("inv_rest|rest_poses|dm_invs", m33, (s.e.n,), R.near_identity(0.2))[s.e.index],
    )
    ds = k.let("ds|shape|d_s", wp.matrix_from_cols(x[1] - x[0], x[2] - x[0], x[3] - x[0]))
    f = k.let("f|F|def_grad", ds * inverse)
    terms = p.pick(["deviatoric", "hydrostatic"], ["hydrostatic"], ["deviatoric"], ["green"])
    for term in terms:
        k.step(f"{term} part" if len(terms) > 1 else "")
        c, dcdf = _energy_term(p, k, term, f, m33)
        h = k.let("h|grads|dc_dx", dcdf * wp.transpose(inverse))
        grads = [construct(vec, h[0, col], h[1, col], h[2, col]) for col in range(3)]
        grads = [k.let(f"g{col}|grad{col}", g) for col, g in enumerate(grads, start=1)]
        g0 = k.let("g0|grad0", -grads[0] - grads[1] - grads[2])
        every = [g0, *grads]
        norm = k.let("w_sum|denom|norm_w", s.gradient_norm(every))
        with k.when(norm < 1.0e-9):
            k.ret()
        volume = s.e.property("rest_volume|vol|v0_rest", 0.05, 0.5)
        compliance = k.param(
            {
                "deviatoric": "mu_compliance|alpha_dev",
                "hydrostatic": "lambda_compliance|alpha_vol",
            }.get(term, "compliance|alpha"),
            1.0e-4,
            1.0e-1,
        )
        lam = k.let("lam|dlambda|mult", -c / (norm + compliance / (volume * s.dt() * s.dt())))
        s.push(every, lam)
    s.finish(None)


def _energy_term(
    p: ProgramBuilder, k: KernelBuilder, term: str, f: Expr, m33: T.Mat
) -> tuple[Expr, Expr]:
    """The constraint value and its derivative with respect to the deformation gradient."""
    if term == "deviatoric":
        norm = k.let("r_s|norm_f|frob", wp.sqrt(wp.ddot(f, f)))
        return norm - 1.7320508, k.let("dev|dr_df|d_dev", f / norm)
    if term == "green":
        green = k.let(
            "green|e_g|strain",
            (wp.transpose(f) * f - identity(p, 3)) * 0.5,
        )
        size = k.let("c_g|e_norm|size", wp.sqrt(wp.ddot(green, green)))
        return size, k.let("dg|d_green|de_df", f * green / wp.max(size, 1.0e-6))
    cofactor = k.let(
        "cof|d_det|cofactor",
        wp.matrix_from_cols(
            *(wp.cross(_column(m33, f, a), _column(m33, f, b)) for a, b in ((1, 2), (2, 0), (0, 1)))
        ),
    )
    return wp.determinant(f) - k.param("rest_det|gamma|det_target", 1.0, 1.3), cofactor


def _column(m33: T.Mat, f: Expr, c: int) -> Expr:
    return construct(T.Vec(3, m33.scalar), f[0, c], f[1, c], f[2, c])
