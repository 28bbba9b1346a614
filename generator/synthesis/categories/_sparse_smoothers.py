"""Smoothers and vector helpers: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sparse import Sparse, coefficient, rows, safe_reciprocal, total
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def smooth(p: ProgramBuilder) -> None:
    """One sweep of a stationary iteration."""
    kind = p.weighted({"jacobi": 4, "colored": 3, "chebyshev": 1.5, "block": 2, "richardson": 1})
    names = {
        "jacobi": "jacobi_sweep|jacobi_step|weighted_jacobi|relax",
        "colored": "gauss_seidel_color|colored_sor|sor_sweep|smooth_color",
        "chebyshev": "chebyshev_smooth|chebyshev_step",
        "block": "block_jacobi|block_relaxation|smooth_blocks",
        "richardson": "richardson_step|damped_update",
    }
    k = p.kernel_builder(
        names[kind],
        p.pick(
            "One relaxation sweep.",
            "Smoother; rows of one colour do not couple.",
            "Updates every unknown from its row.",
        )
        if kind == "colored"
        else p.pick(
            "One relaxation sweep.", "Updates every unknown from its row.", "Stationary iteration."
        ),
    )
    block = p.pick(2, 3) if kind == "block" else p.weighted({1: 7, 3: 1.5})
    if kind == "colored":
        _colored(p, k, block)
        return
    e = rows(k, p)
    m = Sparse(p, e, block)
    x = e.field("x|x_in|x_old|u", m.vector, R.uniform(-1.0, 1.0))
    b = e.field("b|rhs|f", m.vector, R.uniform(-1.0, 1.0))
    out = e.out("x_out|x_new|u_next", m.vector)
    e.guard((out, x.own))
    skip = p.chance(0.6) and kind != "richardson"
    ax = m.product(x, e.index, skip)
    d = _inverse_diagonal(p, e, m) if kind != "richardson" else None
    if skip:
        fresh = k.let("fresh|x_star|xj|gs", _times(d, b.own - ax))
    else:
        r = k.let("r|res|defect", b.own - ax)
        fresh = k.let(
            "fresh|x_star|xj|step_x",
            x.own + (_times(d, r) if d is not None else r * k.param("tau|step|omega", 0.05, 0.5)),
        )
    _relax(p, e, m, kind, x, out, fresh)


def _times(d: Expr | None, r: Expr) -> Expr:
    assert d is not None
    return r * d if isinstance(d.type, T.Scalar) else d * r


def _inverse_diagonal(p: ProgramBuilder, e: Entities, m: Sparse) -> Expr:
    """The inverse of the row's diagonal entry, stored or computed."""
    k = e.k
    if m.block > 1:
        if p.chance(0.5):
            return e.field("inv_diag|D_inv|inverse_blocks", m.entry, R.near_identity(0.1)).own
        return k.let(
            "d_inv|inv_d|inv_block",
            inverted(p, e.field("diag|D|diag_blocks", m.entry, R.spd(2.0, 4.0)).own),
        )
    if p.chance(0.5):
        return e.field("inv_diag|dinv|inverse_diagonal", p.real, R.uniform(0.2, 0.5)).own
    d = e.field("diag|diagonal|D", p.real, R.uniform(2.0, 5.0)).own
    if p.chance(0.4):
        return k.let("inv_d|d_inv|scale", safe_reciprocal(p, k, d))
    return k.let("inv_d|d_inv|scale", 1.0 / d)


def _relax(
    p: ProgramBuilder, e: Entities, m: Sparse, kind: str, x: Field, out: Field, fresh: Expr
) -> None:
    k = e.k
    if kind == "chebyshev":
        previous = e.field("direction|p_prev|d_old", m.vector, R.uniform(-0.2, 0.2))
        a, b = (
            coefficient(p, e, "alpha|cheb_alpha", 0.3, 1.2),
            coefficient(p, e, "beta|cheb_beta", 0.05, 0.5),
        )
        d = k.let("d|step|direction_new", a * (fresh - x.own) + b * previous.own)
        e.out("direction_out|p_next|d_new", m.vector).store(d)
        out.store(x.own + d)
        return
    omega = coefficient(p, e, "omega|relaxation|damping", 0.4, 1.0) if p.chance(0.7) else None
    value = fresh if omega is None else _blended(p, k, x.own, fresh, omega)
    match p.pick("none", "none", "change", "bounds", "both"):
        case "bounds" | "both" if m.block == 1:
            low = e.field("lower|x_min|lo", p.real, R.uniform(-2.0, -0.5)).own
            value = k.let(
                "projected|clamped|xi",
                wp.max(value, low) if p.chance(0.6) else wp.clamp(value, low, 2.0),
            )
            out.store(value)
        case "change":
            value = k.let("xi|next_x|relaxed", value)
            out.store(value)
            change = value - x.own
            total(p, e, "change_sq|delta_norm|update_norm", m.inner(change, change))
        case _:
            out.store(value)


def _blended(p: ProgramBuilder, k: KernelBuilder, old: Expr, fresh: Expr, omega: Expr) -> Expr:
    form = p.pick("delta", "weights")

    def body(b: Block, x: Expr, y: Expr, w: Expr) -> Expr:
        return x + w * (y - x) if form == "delta" else (1.0 - w) * x + w * y

    return piece(
        p,
        k,
        "relax|damped|under_relax",
        {"x|old": old, "y|fresh": fresh, "w|omega": omega},
        body,
        probability=0.3,
    )


def vector_op(p: ProgramBuilder) -> None:
    """Short kernels around the solver: axpby, permutation, masking, diagonal scaling, initialisation."""
    kind = p.pick("axpby", "permute", "mask", "scale", "residual", "injection")
    names = {
        "axpby": "axpby|update_vector|linear_combination", "permute": "permute_vector|reorder|apply_permutation",
        "mask": "zero_fixed_rows|project_constraints|mask_vector", "scale": "diag_scale|apply_diagonal|scale_vector",
        "residual": "subtract|compute_defect|difference", "injection": "inject_boundary|set_values|load_boundary",
    }  # fmt: skip
    k = p.kernel_builder(names[kind], p.pick("Vector helper of the solver.", "Element-wise.", ""))
    e = rows(k, p)
    width = p.weighted({1: 4, 3: 2, 2: 1})
    v: T.Type = p.real if width == 1 else p.vec(width)
    x = e.field("x|x_in|v", v, R.uniform(-1.0, 1.0))
    if p.chance(0.4):
        e.guard()
    match kind:
        case "axpby":
            y = e.inout("y|out|z", v, R.uniform(-1.0, 1.0))
            a = coefficient(p, e, "alpha|a", 0.2, 1.5)
            y.store(
                a * x.own + coefficient(p, e, "beta|b", 0.2, 1.0) * y.own
                if p.chance(0.6)
                else y.own + a * x.own
            )
        case "permute":
            order = e.field("perm|order|permutation", T.I32, R.permutation())
            y = e.out("y|out|permuted", v)
            if p.chance(0.5):
                y.store(x[order.own])
            else:
                y.store(x.own, order.own)
        case "mask":
            fixed = e.field(
                "fixed|is_dirichlet|constrained", p.pick(T.I32, T.BOOL, T.U8), R.mask(0.3)
            )
            y = e.inout("y|r|search_dir", v, R.uniform(-1.0, 1.0))
            test = (
                negate(fixed.own)
                if fixed.dtype == T.BOOL
                else fixed.own == N.literal(0, fixed.dtype)
            )
            with k.when(test):
                y.store(x.own)
            if p.chance(0.6):
                with k.otherwise():
                    y.store(construct(v, 0.0))
        case "scale":
            d = e.field("diag|inv_diag|weights", p.real, R.uniform(0.2, 2.0)).own
            y = e.out("y|z|scaled", v)
            y.store(p.pick(lambda: x.own * d, lambda: x.own / d, lambda: x.own * wp.sqrt(d))())
        case "residual":
            r = k.let("r|d|defect", e.field("b|rhs|target", v, R.uniform(-1.0, 1.0)).own - x.own)
            e.out("res|r_out|difference", v).store(r)
            if p.chance(0.6):
                total(p, e, "norm_sq|rr", r * r if width == 1 else wp.dot(r, r))
        case _:
            at = e.field("boundary_ids|targets|dofs", T.I32, R.permutation()).own
            y = e.out("u|y|field", v)
            y.store(
                x.own * coefficient(p, e, "load_factor|ramp|scale", 0.2, 1.0)
                if p.chance(0.5)
                else x.own,
                at,
            )


def _colored(p: ProgramBuilder, k: KernelBuilder, block: int) -> None:
    """In-place update of the rows of one colour; other colours are only read."""
    e = rows(k, p)
    m = Sparse(p, e, block)
    i = e.index
    colors = p.pick(2, 4, 8)
    color = e.field("colors|row_colors|color_ids", T.I32, R.integers(0, colors))
    active = k.scalar("color|active_color|current_color", T.I32, p.pick(0, 1))
    with k.when(color.own != active):
        k.ret()
    x = e.inout("x|u|solution", m.vector, R.uniform(-1.0, 1.0))
    r = k.var("r|res|s|rhs_i", e.field("b|rhs|f", m.vector, R.uniform(-1.0, 1.0)).own)
    with m.row(i) as (j, a):
        # Entries between rows of one colour belong to a bad colouring; they are left out.
        with k.when(color[j] == active):
            k.cont()
        k.aug(r, "-", a * x[j])
    fresh = k.let("fresh|x_gs|xi", _times(_inverse_diagonal(p, e, m), r))
    omega = k.param("omega|relaxation|sor_omega", 0.8, 1.6) if p.chance(0.6) else None
    old = k.let("old|x_old|before", x.own) if omega is not None or p.chance(0.4) else None
    value = fresh if omega is None or old is None else old + omega * (fresh - old)
    x.store(value)
    if old is not None and (omega is None or p.chance(0.5)):
        change = k.let("change|delta|dx", fresh - old)
        total(p, e, "change_sq|delta_norm|update_norm", m.inner(change, change))
