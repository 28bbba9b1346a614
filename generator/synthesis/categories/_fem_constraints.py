"""Boundary conditions and face fluxes: intents of fem_assembly."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def boundary(p: ProgramBuilder) -> None:
    """Boundary conditions: prescribed values, springs, Robin edges, multi-point constraints."""
    what = p.weighted({"dirichlet": 3, "penalty": 2.5, "robin": 2.5, "tie": 2, "absorb": 1.5})
    k = p.kernel_builder(
        f"apply_{what}_bc|{what}_boundary|enforce_{what}|set_boundary_values|boundary_terms",
        p.pick(
            "Boundary conditions.",
            "Acts on the constrained nodes only.",
            "Boundary contributions to matrix diagonal and right-hand side.",
        ),
    )
    n = p.pick(40, 48, 64)
    e = Entities(
        k,
        p.pick("bc", "constraint", "edge" if what in ("robin", "absorb") else "bc"),
        index="b|tid|i|c",
        count=p.pick(24, 32, 40),
    )
    dim = p.pick(1, 2, 3)
    v: T.Type = p.real if dim == 1 else p.vec(dim)
    e.guard()
    lead = (n,) if e.worlds is None else (e.worlds, n)

    def at(j: Expr) -> Any:
        return j if e.world is None else (e.world, j)

    if what in ("robin", "absorb"):
        _edge_terms(p, k, e, lead, at, n)
        return
    ids = e.field(
        "bc_nodes|node_ids|constrained_nodes",
        T.I32,
        R.permutation() if what == "dirichlet" else R.integers(0, n),
    )
    j = k.let("j|node|n_id", ids.own)
    u = k.array(
        "u|x|displacements", v, lead, R.uniform(-1.0, 1.0), "inout" if what == "dirichlet" else "in"
    )
    if what == "dirichlet":
        value = e.field("bc_values|prescribed|targets", v, R.uniform(-1.0, 1.0)).own
        if p.chance(0.5):
            value = value * k.param("ramp|load_factor|scale", 0.1, 1.0)
        if dim > 1 and p.chance(0.5):
            axis = k.let(
                "axis|comp|direction",
                e.field("bc_axes|components|dof_axis", T.I32, R.integers(0, dim)).own,
            )
            w = k.var("w|ui|updated", u[at(j)])
            k.set(w[axis], value[axis])
            k.set(u[at(j)], w)
        else:
            k.set(u[at(j)], value)
        if p.chance(0.5):
            r = k.array("residual|r|rhs", v, lead, R.uniform(-1.0, 1.0), "inout")
            k.set(r[at(j)], construct(v, 0.0))
        return
    out = k.out("forces|rhs|residual", v, lead)
    stiffness = e.property("penalty|stiffness|k_pen", 1.0, 50.0)
    if what == "penalty":
        gap = k.let(
            "gap|error|miss",
            e.field("targets|anchors|prescribed", v, R.uniform(-1.0, 1.0)).own - u[at(j)],
        )
        if p.chance(0.4):
            with k.when(
                (wp.abs(gap) if dim == 1 else wp.length(gap))
                < k.param("slack|tolerance|dead_band", 0.05, 0.4)
            ):
                k.ret()
        k.do(wp.atomic_add(out, *(at(j) if isinstance(at(j), tuple) else (j,)), stiffness * gap))
        if p.chance(0.6):
            k.do(
                wp.atomic_add(
                    k.out("diag|diagonal|K_diag", p.real, lead),
                    *(at(j) if isinstance(at(j), tuple) else (j,)),
                    stiffness,
                )
            )
        return
    master = k.let(
        "m|master|primary", e.field("master_nodes|masters|partner", T.I32, R.integers(0, n)).own
    )
    gap = k.let("gap|jump|mismatch", u[at(j)] - u[at(master)])
    f = k.let(
        "f|tie_force|multiplier",
        stiffness * gap
        if p.chance(0.6)
        else stiffness * gap + e.field("multipliers|lagrange|lam_in", v, R.uniform(-0.5, 0.5)).own,
    )
    for node, sign in ((master, wp.atomic_add), (j, wp.atomic_sub)):
        k.do(sign(out, *(at(node) if isinstance(at(node), tuple) else (node,)), f))
    if p.chance(0.5):
        size = wp.abs(gap) if dim == 1 else wp.length(gap)
        k.do(wp.atomic_max(k.out("max_gap|worst_mismatch|violation", p.real, (1,)), 0, size))


def _edge_terms(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, lead: tuple[int, ...], at: Any, n: int
) -> None:
    """Convection, radiation or absorbing terms on boundary edges."""
    ends = e.field("edges|boundary_edges|edge_nodes", T.Vec(2, T.I32), R.integers(0, n)).own
    pair = k.let("pair|ij|ends", ends)
    i, j = k.let("i|a", pair[0]), k.let("j|b", pair[1])
    x = k.array("positions|x|pos", p.vec(2), (n,), R.uniform(-1.0, 1.0))
    u = k.array("u|temperature|phi", p.real, lead, R.uniform(0.0, 1.0))
    length = k.let("len_e|length|ds", wp.length(x[j] - x[i]))
    h = e.property("h_conv|film|admittance", 0.2, 3.0)
    outside = k.param("ambient|u_inf|t_env", 0.1, 1.0)
    out = k.out("residual|rhs|boundary_flux", p.real, lead)
    radiating = p.chance(0.3)
    consistent = p.chance(0.5)
    pairs = ((i, j), (j, i))
    for a, b in pairs:
        mine = u[at(a)] if not consistent else (2.0 * u[at(a)] + u[at(b)]) / 3.0
        drop = outside - mine
        if radiating:
            drop = outside * outside * outside * outside - mine * mine * mine * mine
        k.do(
            wp.atomic_add(
                out, *(at(a) if isinstance(at(a), tuple) else (a,)), 0.5 * h * length * drop
            )
        )
    if p.chance(0.5):
        diag = k.out("diag|boundary_mass|K_diag", p.real, lead)
        for a, _ in pairs:
            k.do(
                wp.atomic_add(
                    diag, *(at(a) if isinstance(at(a), tuple) else (a,)), h * length / 3.0
                )
            )
    if p.chance(0.3):
        e.out("edge_flux|heat_loss|edge_out", p.real).store(
            h * length * (outside - 0.5 * (u[at(i)] + u[at(j)]))
        )


def flux_edges(p: ProgramBuilder) -> None:
    """Interior faces: discontinuous Galerkin and finite-volume fluxes, jump indicators."""
    what = p.weighted({"upwind": 3, "jump": 2.5, "penalty": 2, "rusanov": 2.5})
    k = p.kernel_builder(
        f"face_{what}|{what}_flux|interior_faces|edge_fluxes|numerical_flux|jump_terms",
        p.pick(
            "Numerical flux between the two elements at each face.",
            "Loop over interior faces.",
            "Face terms; each face adds to its two elements.",
        ),
    )
    e = Entities(k, p.pick("face", "edge"), index="f|tid|face_id|i")
    n = p.pick(32, 48)
    dim = p.pick(2, 3)
    e.guard()
    if p.chance(0.5):
        sides = k.let(
            "sides|cells|lr",
            e.field("face_cells|sides|left_right", T.Vec(2, T.I32), R.integers(-1, n)).own,
        )
        left, right = k.let("l|left|inner", sides[0]), k.let("r|right|outer", sides[1])
    else:
        left = k.let(
            "l|left|inner", e.field("left_cells|inner_cell|owner", T.I32, R.integers(0, n)).own
        )
        right = k.let(
            "r|right|outer",
            e.field("right_cells|outer_cell|neighbor", T.I32, R.integers(-1, n)).own,
        )
    with k.when(left < 0):
        k.ret()
    u = k.array("u|state|cell_values", p.real, (n,), R.uniform(0.1, 1.0))
    normal = k.let(
        "nrm|normal|n_f", e.field("normals|face_normals|n_in", p.vec(dim), R.unit_vectors()).own
    )
    area = k.let(
        "area|len_f|ds", e.field("face_areas|lengths|areas", p.real, R.uniform(0.1, 1.0)).own
    )
    ul = k.let("ul|u_in|inside", u[left])
    ur = k.var("ur|u_out|outside", ul)
    with k.when(right >= 0):
        k.set(ur, u[right])
    if p.chance(0.5):
        with k.otherwise():
            k.set(ur, k.param("inflow|u_boundary|far_value", 0.1, 1.0) if p.chance(0.6) else -ul)
    out = k.out("residual|du|cell_flux", p.real, (n,))
    f = k.let("flux|f_n|fn", _face_flux(p, k, e, what, ul, ur, normal, dim) * area)
    k.do(wp.atomic_sub(out, left, f))
    with k.when(right >= 0):
        k.do(wp.atomic_add(out, right, f))
    if what == "jump" or p.chance(0.25):
        jump = k.let("jump|du_f|step", ur - ul)
        indicator = k.out("indicator|error_est|eta", p.real, (n,))
        k.do(wp.atomic_add(indicator, left, 0.5 * area * jump * jump))
        if p.chance(0.5):
            with k.when(right >= 0):
                k.do(wp.atomic_add(indicator, right, 0.5 * area * jump * jump))


def _face_flux(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    what: str,
    ul: Expr,
    ur: Expr,
    normal: Expr,
    dim: int,
) -> Expr:
    vec = p.vec(dim)
    if what in ("penalty", "jump"):
        sigma = k.param("sigma|penalty|stab", 1.0, 8.0)
        d = e.property("diffusivity|kappa|nu", 0.1, 1.0)
        return -d * sigma * (ur - ul)
    wind = (
        e.field("face_velocity|wind|beta", vec, R.uniform(-1.0, 1.0)).own
        if p.chance(0.6)
        else k.quantity("wind|advection|beta", vec, [0.8, 0.3, -0.2][:dim])
    )
    vn = k.let("vn|beta_n|speed_n", wp.dot(wind, normal))
    burgers = p.chance(0.35)

    def upwind(b: Block, a: Expr, c: Expr, v: Expr) -> Expr:
        if what == "rusanov":
            if burgers:
                s = b.let("s|lam_max|speed", wp.max(wp.abs(a), wp.abs(c)) * wp.abs(v))
                return 0.25 * v * (a * a + c * c) - 0.5 * s * (c - a)
            return 0.5 * v * (a + c) - 0.5 * wp.abs(v) * (c - a)
        return choose(v > 0.0, v * a, v * c) if burgers else wp.max(v, 0.0) * a + wp.min(v, 0.0) * c

    return piece(
        p,
        k,
        f"{what}_flux|riemann|numerical_flux",
        {"ul|a|inner": ul, "ur|b|outer": ur, "vn|v": vn},
        upwind,
        "",
        0.7,
    )
