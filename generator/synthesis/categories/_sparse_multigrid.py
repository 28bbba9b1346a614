"""Multigrid transfer, aggregation and graph Laplacians: intents of sparse_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sparse import Sparse, rows, total
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def transfer(p: ProgramBuilder) -> None:
    """Restriction and prolongation between a fine level and its aggregates."""
    kind = p.pick("restrict", "prolong", "smoothed", "weighted")
    names = {
        "restrict": "restrict_residual|coarsen_residual|sum_aggregates",
        "prolong": "prolongate|add_correction|interpolate_coarse",
        "smoothed": "smoothed_prolongation|smooth_interpolation",
        "weighted": "restrict_weighted|average_to_coarse",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Transfer between multigrid levels.",
            "Aggregation multigrid; every fine row belongs to one aggregate.",
            "Grid transfer.",
        ),
    )
    e = rows(k, p)
    coarse = p.pick(8, 12, 16)
    width = p.weighted({1: 4, 3: 2, 2: 1})
    v: T.Type = p.real if width == 1 else p.vec(width)
    agg = k.let(
        "a|agg|coarse_id",
        e.field("aggregates|agg_ids|coarse_of", T.I32, R.integers(-1, coarse)).own,
    )
    e.guard()
    lead = (coarse,) if e.worlds is None else (e.worlds, coarse)
    with k.when(agg < 0):
        k.ret()
    at = (agg,) if e.world is None else (e.world, agg)
    weight = (
        e.field("weights|phi|interp_weights", p.real, R.uniform(0.2, 1.0)).own
        if kind == "weighted" or p.chance(0.35)
        else None
    )
    if kind in ("restrict", "weighted"):
        if p.chance(0.4):
            ax = e.field("Ax|a_x|product", v, R.uniform(-1.0, 1.0)).own
            r = e.field("b|rhs|f", v, R.uniform(-1.0, 1.0)).own - ax
        else:
            r = e.field("r|residual|fine_r", v, R.uniform(-1.0, 1.0)).own
        out = k.out("coarse_r|r_coarse|restricted", v, lead)
        value = r if weight is None else weight * r
        if p.augmented_atomics:
            k.aug(out[at], "+", value)
        else:
            k.do(wp.atomic_add(out, *at, value))
        if p.chance(0.4):
            sizes = k.out("agg_sizes|counts|members", T.I32 if weight is None else p.real, lead)
            k.do(wp.atomic_add(sizes, *at, N.literal(1, T.I32) if weight is None else weight))
        return
    c = k.array("coarse_x|x_coarse|correction", v, lead, R.uniform(-1.0, 1.0))
    x = e.inout("x|fine_x|u", v, R.uniform(-1.0, 1.0))
    step = k.let("step|corr|dx", c[at] if weight is None else c[at] * weight)
    if kind == "smoothed":
        m = Sparse(p, e, 1, p.pick("csr", "ell", "lengths"))
        omega = k.param("omega|relax|smoothing", 0.3, 0.8)
        diag = e.field("inv_diag|dinv", p.real, R.uniform(0.2, 0.5)).own
        acc = k.var("acc|spread|ap", step * 0.0)
        aggregates_ = e.field("agg_table|all_aggregates|agg_of_col", T.I32, R.integers(0, coarse))
        with m.row(e.index) as (j, a):
            cj = (aggregates_[j],) if e.world is None else (e.world, aggregates_[j])
            k.aug(acc, "+", a * c[cj])
        step = k.let("smooth_step|corrected|s", step - acc * (omega * diag))
    scale = k.param("alpha|overcorrection|scale", 0.8, 1.5) if p.chance(0.4) else None
    x.store(x.own + step if scale is None else x.own + step * scale)
    if p.chance(0.4):
        total(
            p,
            e,
            "correction_sq|step_norm",
            step * step if isinstance(v, T.Scalar) else wp.dot(step, step),
        )


def aggregates(p: ProgramBuilder) -> None:
    """Coarsening decisions per row: strength, roots by priority, joining the strongest neighbour."""
    kind = p.pick("root", "join", "pair")
    names = {
        "root": "select_roots|mark_roots|independent_set_round",
        "join": "join_aggregates|assign_to_roots|attach_rows",
        "pair": "pairwise_matching|propose_pairs|strongest_neighbor",
    }[kind]
    k = p.kernel_builder(
        names,
        p.pick(
            "Parallel aggregation for algebraic multigrid.",
            "One round of a parallel coarsening.",
            "Greedy coarsening step.",
        ),
    )
    e = rows(k, p, layouts=p.chance(0.4))
    m = Sparse(p, e, 1)
    i = e.index
    k.options["enable_backward"] = False
    state = e.field("state|status|marks", T.I32, R.integers(-1, 2))
    if p.chance(0.7):
        with k.when(state.own != -1 if p.chance(0.5) else state.own > 0):
            k.ret()
    strong = k.param("theta|threshold|strength", 0.05, 0.2)
    if kind == "root":
        priority = e.field("priority|random_keys|weights", p.real, R.uniform(0.0, 1.0))
        mine = k.let("mine|own_key|pi", priority.own)
        best = k.var("is_root|winner|keep", 1, T.I32)
        with m.row(i) as (j, a):
            with k.when(wp.abs(a) < strong):
                k.cont()
            with k.when(all_of(j != i, priority[j] > mine)):
                k.set(best, 0)
                k.brk()
        e.out("roots|root_flags|selected", T.I32).store(best)
        if p.chance(0.5):
            total(p, e, "num_roots|root_count", best)
        return
    best, weight = (
        k.var("best|strongest|target", -1, T.I32),
        k.var("weight|largest|best_a", strong if p.chance(0.5) else 0.0, p.real),
    )
    with m.row(i) as (j, a):
        size = k.let("size|mag|w", wp.abs(a))
        test = [j != i, size > weight] + ([state[j] > 0] if kind == "join" else [])
        with k.when(all_of(*test)):
            k.set(weight, size)
            k.set(best, j)
    e.out("targets|partner|aggregate_of", T.I32).store(best)
    if p.chance(0.5):
        e.out("strengths|match_weight|best_weight", p.real).store(weight)
    if p.chance(0.5):
        alone = k.out("isolated|num_alone|unmatched", T.I32, (1,))
        with k.when(best < 0):
            k.do(wp.atomic_add(alone, 0, 1))


def laplacian(p: ProgramBuilder) -> None:
    """Weighted graph Laplacians, applied without storing them or assembled edge by edge."""
    by_edge = p.chance(0.5)
    k = p.kernel_builder(
        "apply_laplacian|graph_diffusion|laplacian_matvec|assemble_laplacian|diffuse_on_graph",
        p.pick(
            "Weighted graph Laplacian.",
            "Diffusion along the edges of a graph.",
            "Symmetric operator, never assembled.",
        ),
    )
    if by_edge:
        _edges(p, k)
        return
    e = rows(k, p)
    m = Sparse(p, e, 1)
    width = p.weighted({1: 3, 3: 2})
    v: T.Type = p.real if width == 1 else p.vec(width)
    x = e.field("x|values|u", v, R.uniform(-1.0, 1.0))
    i = e.index
    out = e.out("y|lap|diffused", v)
    e.guard((out, x.own))
    xi = x.read("xi|own_value|center")
    acc = k.var("acc|flux|s", 0.0, p.real) if width == 1 else k.var("acc|flux|s", construct(v, 0.0))
    degree = k.var("degree|w_sum|deg", 0.0, p.real) if p.chance(0.5) else None
    robust = k.param("edge_scale|kappa|sharpness", 0.3, 2.0) if p.chance(0.35) else None
    with m.row(i) as (j, a):
        d = k.let("d|diff|jump", x[j] - xi)
        w = k.let(
            "w|weight|conductance",
            wp.abs(a) if robust is None else _conductance(p, k, a, d, robust),
        )
        k.aug(acc, "+", w * d)
        if degree is not None:
            k.aug(degree, "+", w)
    if degree is not None:
        acc = k.let(
            "mean_flux|normalized|avg",
            acc / wp.max(degree, 1.0e-6)
            if p.chance(0.5)
            else choose(degree > 0.0, acc / degree, acc),
        )
    rate = k.param("rate|dt|lam", 0.05, 0.6)
    out.store(xi + rate * acc if p.chance(0.7) else rate * acc)
    if p.chance(0.35):
        total(
            p,
            e,
            "dirichlet_energy|smoothness|energy",
            -0.5 * (xi * acc if width == 1 else wp.dot(xi, acc)),
        )


def _conductance(p: ProgramBuilder, k, a: Expr, d: Expr, scale: Expr) -> Expr:  # type: ignore[no-untyped-def]
    form = p.pick("exp", "rational", "charbonnier")

    def body(b, w: Expr, diff: Expr, s: Expr) -> Expr:  # type: ignore[no-untyped-def]
        q = b.let("q|d2|sq", diff * diff if isinstance(diff.type, T.Scalar) else wp.dot(diff, diff))
        if form == "exp":
            return wp.abs(w) * wp.exp(-q * s)
        return wp.abs(w) / (1.0 + q * s) if form == "rational" else wp.abs(w) / wp.sqrt(1.0 + q * s)

    return piece(
        p,
        k,
        "conductance|edge_weight|perona_malik",
        {"w|a": a, "d|diff": d, "s|kappa": scale},
        body,
    )


def _edges(p: ProgramBuilder, k) -> None:  # type: ignore[no-untyped-def]
    e = Entities(k, "edge", index="e|tid|edge_id")
    n = p.pick(24, 32, 48)
    pairs = p.chance(0.6)
    e.guard()
    if pairs:
        ends = e.field("edges|edge_nodes|pairs", T.Vec(2, T.I32), R.integers(0, n)).own
        pair = k.let("pair|ij|ends", ends)
        a, b = k.let("a|i|u", pair[0]), k.let("b|j|v", pair[1])
    else:
        a = k.let("a|i|u", e.field("edge_from|src|tails", T.I32, R.integers(0, n)).own)
        b = k.let("b|j|v", e.field("edge_to|dst|heads", T.I32, R.integers(0, n)).own)
    if p.chance(0.5):
        with k.when(a == b):
            k.ret()
    w = k.let("w|weight|g", e.property("weight|conductance|stiffness", 0.2, 2.0))
    if p.chance(0.5):
        width = p.weighted({1: 3, 3: 2})
        v: T.Type = p.real if width == 1 else p.vec(width)
        x, y = (
            k.array("x|values|u_in", v, (n,), R.uniform(-1.0, 1.0)),
            k.out("y|lap|net_flux", v, (n,)),
        )
        flux = k.let("flux|f|q", w * (x[a] - x[b]))
        if p.chance(0.3):
            limit = k.param("max_flux|cap|limit", 0.5, 2.0)
            size = wp.abs(flux) if width == 1 else wp.length(flux)
            with k.when(size > limit):
                k.set(flux, flux * (limit / size))
        k.do(wp.atomic_add(y, a, flux))
        k.do(wp.atomic_sub(y, b, flux))
        if p.chance(0.4):
            k.do(
                wp.atomic_add(
                    k.out("energy|dissipation|total", p.real, (1,)),
                    0,
                    flux * flux / w if width == 1 else wp.dot(flux, flux) / w,
                )
            )
        return
    diag = k.out("diag|degree|D", p.real, (n,))
    off = e.out("off_diag|edge_values|L_edges", p.real)
    k.do(wp.atomic_add(diag, a, w))
    k.do(wp.atomic_add(diag, b, w))
    off.store(-w)
    if p.chance(0.5):
        counts = k.out("valence|row_counts|num_neighbors", T.I32, (n,))
        k.do(wp.atomic_add(counts, a, 1))
        k.do(wp.atomic_add(counts, b, 1))
    if p.chance(0.4):
        f = e.field("sources|loads|b_edge", p.real, R.uniform(-1.0, 1.0)).own
        rhs = k.out("rhs|b|load", p.real, (n,))
        k.do(wp.atomic_add(rhs, a, w * f))
        k.do(wp.atomic_sub(rhs, b, w * f))
