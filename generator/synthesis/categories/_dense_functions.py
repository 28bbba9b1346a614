"""Functions of a matrix by iteration: an intent of dense_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _dense as D
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity, piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def matrix_function(p: ProgramBuilder) -> None:
    """Exponential, square root, polar factor or inverse of a matrix by an iteration."""
    n = p.pick(2, 3, 3, 4)
    kind = p.pick("expm", "sqrtm", "polar", "newton_schulz", "rank_one", "neumann")
    names = {
        "expm": "matrix_exponential|expm_batch|exponentiate",
        "sqrtm": "denman_beavers_sqrt|matrix_sqrt|sqrtm_batch",
        "polar": "polar_newton|polar_rotation|orthogonal_factor",
        "newton_schulz": "newton_schulz_inverse|iterate_inverse|refine_inverse",
        "rank_one": "sherman_morrison|rank_one_update|update_inverse",
        "neumann": "neumann_inverse|neumann_series|series_inverse",
    }
    k = p.kernel_builder(
        names[kind],
        p.pick(
            "Function of a small matrix by a fixed-point iteration.",
            "Iterates until the update is small.",
            "One small matrix per thread.",
        ),
    )
    e = Entities(k, p.pick("matrix", "item", "body", "cell"))
    e.guard()
    eye = identity(p, n)
    {
        "expm": _expm,
        "sqrtm": _sqrtm,
        "polar": _polar,
        "newton_schulz": _schulz,
        "rank_one": _rank_one,
        "neumann": _neumann,
    }[kind](p, k, e, n, eye)


def _expm(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    a = k.var("a|g|x", e.field("generators|A|rates", p.mat(n), R.uniform(-0.6, 0.6)).own)
    if p.chance(0.4):
        k.set(a, a * k.param("dt|t|tau", 0.05, 0.6))
    squarings, order = p.pick(0, 2, 3), p.pick(4, 6, 8)
    args = {"a|x|m": a}
    if p.chance(0.5):
        args["terms|order|max_order"] = k.count("terms|order|max_order", order)

    def body(b: Block, x: Expr, *terms: Expr) -> Expr:
        if squarings:
            x = b.let("scaled|xs|small", x * (1.0 / 2.0**squarings))
        total, term = b.var("total|s|result", eye), b.var("term|power|t", eye)
        with b.loop("i|q|order", 1, terms[0] + 1 if terms else order + 1) as i:
            b.set(
                term,
                (term * x) * (1.0 / construct(p.real, i))
                if p.chance(0.5)
                else term * x / construct(p.real, i),
            )
            b.aug(total, "+", term)
            if p.chance(0.4):
                with b.when(wp.ddot(term, term) < p.pick(1e-10, 1e-8)):
                    b.brk()
        if squarings:
            with b.loop("s|sq", squarings):
                b.set(total, total * total)
        return total

    total = k.let(
        "propagator|e|exp_a",
        piece(
            p, k, "expm|matrix_exp|taylor_expm", args, body, "Truncated Taylor series of exp(a)."
        ),
    )
    e.out("expm|out|propagators", p.mat(n)).store(total)
    _apply(p, k, e, total, n)


def _apply(p: ProgramBuilder, k: KernelBuilder, e: Entities, m: Expr, n: int) -> None:
    match p.pick("none", "vec", "det", "none"):
        case "vec":
            e.out("x_next|y|mapped", p.vec(n)).store(
                m * e.field("x|states|vectors", p.vec(n), R.uniform(-1.0, 1.0)).own
            )
        case "det":
            e.out("dets|det_out|jacobians", p.real).store(wp.determinant(m))


def _sqrtm(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    a = k.let("a|m", e.field("matrices|A|covariances", p.mat(n), R.spd(0.5, 3.0)).own)
    y, z = k.var("y|root", a), k.var("z|inv_root", eye)
    with k.loop("it|step", k.count("iterations|num_iters|max_iter", p.pick(6, 8, 10))):
        yn = k.let("y_next|yn", (y + wp.inverse(z)) * 0.5)
        zn = k.let("z_next|zn", (z + wp.inverse(y)) * 0.5)
        if p.chance(0.5):
            with k.when(wp.ddot(yn - y, yn - y) < k.param("tol|eps", 1e-10, 1e-6)):
                k.brk()
        k.set(y, yn)
        k.set(z, zn)
    for hint, value in p.sample(
        [
            ("roots|sqrt_out|S", y),
            ("inv_roots|whitening|S_inv", z),
            ("defects|errors|residual", wp.ddot(y * y - a, y * y - a)),
        ],
        1,
        3,
    ):
        e.out(hint, value.type).store(value)


def _polar(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    f = k.let("F|f|a", e.field("deformation|F_in|matrices", p.mat(n), R.near_identity(0.4)).own)
    squared = p.chance(0.4)

    def body(b: Block, m: Expr, tol: Expr, bound: Expr) -> None:
        q = b.var("q|r|u", m)
        count = b.var("iters|steps|count", 0, T.I32)
        change = b.var("change|delta|err", 1.0, p.real)
        with b.repeat(all_of(count < bound, change > tol)):
            nxt = b.let("q_next|qn|avg", (q + wp.transpose(wp.inverse(q))) * 0.5)
            diff = b.let("diff|d", nxt - q)
            b.set(change, wp.ddot(diff, diff) if squared else wp.sqrt(wp.ddot(diff, diff)))
            b.set(q, nxt)
            b.aug(count, "+", 1)
        return q, count

    tol = k.param("tol|tolerance|eps", 1e-6, 1e-3)
    bound = k.count("max_iters|iteration_limit|max_steps", p.pick(8, 12, 20))
    q, count = shared(
        p,
        k,
        "polar_rotation|nearest_rotation|newton_polar",
        {"m|f|a": f, "tol|eps": tol, "max_iters|limit": bound},
        ["q|rot|r", "iters|used|steps"],
        body,
    )
    k.options["enable_backward"] = False
    for hint, value in p.sample(
        [("stretch|S_out|P", wp.transpose(q) * f), ("iterations|iters_out|counts", count)], 0, 2
    ):
        e.out(hint, value.type).store(value)
    e.out("rotations|R|Q", p.mat(n)).store(q)


def shared(
    p: ProgramBuilder,
    k: KernelBuilder,
    hint: str,
    args: dict[str, Expr],
    words: list[str],
    body: Any,
) -> list[Expr]:
    """Work with several results, inline or as a function that returns them all."""
    if not (p.on("helper_function") and p.chance(0.75)):
        return list(body(k, *args.values()))
    function = p.func(
        hint, {h: a.type for h, a in args.items()}, lambda b, *given: b.ret(*body(b, *given))
    )
    return list(k.unpack(words, function(*args.values())))


def _schulz(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    a = k.let("a|m", e.field("matrices|A|blocks", p.mat(n), R.spd(0.5, 2.0)).own)
    start = wp.transpose(a) / wp.ddot(a, a)
    if p.chance(0.35):
        start = e.field("warm_start|x0|previous", p.mat(n), R.near_identity(0.05)).own * 0.45

    def body(b: Block, m: Expr, x0: Expr, steps: Expr) -> Expr:
        x = b.var("x|inv|y", x0)
        with b.loop("it|step", steps):
            res = b.let("res|e|defect", eye - m * x)
            if p.chance(0.5):
                with b.when(wp.ddot(res, res) < p.pick(1e-12, 1e-10)):
                    b.brk()
            b.set(x, x + x * res if p.chance(0.5) else x * (eye + res))
        return x

    steps = k.count("iterations|num_iters|sweeps", p.pick(6, 8, 12))
    x = k.let(
        "inv_a|x_end|refined",
        piece(
            p,
            k,
            "newton_schulz|iterate_inverse|schulz",
            {"m|a": a, "x0|guess": start, "steps|iters": steps},
            body,
        ),
    )
    e.out("inverses|X|inv_out", p.mat(n)).store(x)
    _apply(p, k, e, x, n)
    if p.chance(0.4):
        k.do(
            wp.atomic_max(
                k.out("worst_defect|max_residual|err", p.real, (1,)),
                0,
                wp.ddot(eye - a * x, eye - a * x),
            )
        )


def _rank_one(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    inv = k.var("inv|P_i|m", e.field("inverses|P|A_inv", p.mat(n), R.spd(0.5, 2.0)).own)
    width = p.pick(2, 3, 4)
    u = k.array("updates|U|directions", p.vec(n), (*D.lead_of(e), width), R.uniform(-0.6, 0.6))
    sign = p.pick(1.0, 1.0, -0.3)
    forget = k.param("forgetting|decay|gamma", 0.9, 0.999) if p.chance(0.4) else None
    with k.loop("r|c|m", width if p.chance(0.5) else u.dim(len(D.lead_of(e)))) as r:
        v = k.let("v|u_r|d", u[(*D.prefix_of(e), r)])
        w = k.let("w|pv|t", inv * v)
        gain = wp.dot(v, w) if sign == 1.0 else sign * wp.dot(v, w)
        denom = k.let("denom|s|gain_den", (1.0 if forget is None else forget) + gain)
        with (
            k.when(wp.abs(denom) < 1.0e-4)
            if sign < 0
            else k.when(any_of(denom < 1.0e-4, wp.isnan(denom)))
        ):
            k.cont()
        k.aug(inv, "-", wp.outer(w, w) * (sign / denom))
        if forget is not None:
            k.set(inv, inv / forget)
    if p.chance(0.4):
        k.set(inv, (inv + wp.transpose(inv)) * 0.5)
    e.out("inverses_out|P_next|updated", p.mat(n)).store(inv)
    _apply(p, k, e, inv, n)


def _neumann(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int, eye: Expr) -> None:
    a = k.let("a|m|t", e.field("matrices|A|coupling", p.mat(n), R.uniform(-0.2, 0.2)).own)
    b = k.let("b|rhs_i", e.field("rhs|sources|inputs", p.vec(n), R.uniform(-1.0, 1.0)).own)
    x, term = k.var("x|sum_", b), k.var("term|t|bounce", b)
    with k.loop("i|order|bounce", k.count("terms|bounces|order", p.pick(4, 6, 8))):
        k.set(term, a * term)
        k.aug(x, "+", term)
    e.out("x_out|solutions|radiosity", p.vec(n)).store(x)
    if p.chance(0.5):
        e.out("remainders|tail|truncation", p.real).store(wp.length(term))
