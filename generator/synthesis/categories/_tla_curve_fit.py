"""Nonlinear curve fits on tiles: an intent of tile_linear_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    inner,
    matmul,
    ridge,
    tile_piece,
    transpose,
)
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def curve_fit(p: ProgramBuilder) -> None:
    """Nonlinear curve fits: residuals and Jacobian by tile maps, damped normal equations, accept or reject."""
    b = Batch(
        p,
        "fit_curves|lm_curve_fit|fit_decay|calibrate_model|fit_peaks|relaxation_fit",
        (
            "Levenberg-Marquardt fit of one curve per block.",
            "Residuals and Jacobian are built by tile maps.",
            "Small nonlinear fit with step control.",
            "One data set per block; all iterations on chip.",
        ),
        index="i|voxel|series|curve",
    )
    k, t = b.k, b.t
    m = t.dim("num_samples|n_obs|m", p.pick(8, 12, 16))
    kind = p.pick("decay", "logistic", "power", "gauss", "saturation")
    x = b.load(
        "times|x_data|abscissa",
        "x|tt|xd",
        [m],
        R.ascending(0.2, 3.0),
        True if p.chance(0.3) else None,
    )
    y = b.load("signals|y_data|measured", "y|obs|yd", [m], R.uniform(0.2, 1.5))
    model, d_amp, d_rate = _models(p, kind)
    amp = k.var("amp|a|scale_p", b.scalar("amp_init|a0|scale_init", R.uniform(0.6, 1.4)))
    rate = k.var("rate|c|shape_p", b.scalar("rate_init|b0|shape_init", R.uniform(0.4, 1.2)))
    lam = k.var("lam|damping|mu", p.pick(0.01, 0.1, 1.0), p.real)
    two, one = t.literal(2), t.literal(1)
    j = k.let(
        "J|jac|jt",
        t.zeros(
            [m, two], p.real, shared=True, name="tile_empty" if p.chance(0.5) else "tile_zeros"
        ),
    )
    cost = k.var("cost|best|sse", 1.0e6, p.real)
    wide = lambda v: t.full([m], v, p.real)  # noqa: E731
    iterations = p.pick(3, 4, 6)
    with k.loop(
        "it|iteration", k.count("max_iter|iterations", iterations) if p.chance(0.6) else iterations
    ):
        r = k.let("r|res|misfit", y - t.map(model, x, wide(amp), wide(rate)))
        ja = k.let("ja|d_amp_t|col0", t.map(d_amp, x, wide(rate)))
        jb = k.let("jb|d_rate_t|col1", t.map(d_rate, x, wide(amp), wide(rate)))
        for column, value in ((0, ja), (1, jb)):
            tall = tile(
                "tile_reshape", T.Tile(p.real, (m.value, 1)), value, shape=(m.expr, one.expr)
            )
            k.do(tile("tile_assign", T.VOID, j, tall, offset=(0, column)))
        h = tile_piece(
            p,
            k,
            "normal_matrix|gram_of|jtj",
            {"j|jac": j},
            lambda q, a: matmul(transpose(a), a),
            0.3,
        )
        h = ridge(p, b, k.let("H|hess|JtJ", h), two, lam, "H_lm|damped|A")
        rcol = tile("tile_reshape", T.Tile(p.real, (m.value, 1)), r, shape=(m.expr, 1))
        g = k.let("g|grad|Jtr", matmul(transpose(j), rcol))
        d = Factor(p, b, h).solve(g, "d|step|delta", keep=True)
        trial_a, trial_b = (
            k.let("amp_new|a_try", amp + d[0, 0]),
            k.let("rate_new|b_try", wp.clamp(rate + d[1, 0], 0.05, 4.0)),
        )
        e = k.let("e|res_new|trial_r", y - t.map(model, x, wide(trial_a), wide(trial_b)))
        sse = k.let("sse_new|trial_cost|c_new", inner(p, e, e))
        with k.when(sse < cost):
            k.set(amp, trial_a)
            k.set(rate, trial_b)
            k.set(cost, sse)
            k.set(lam, lam * p.pick(0.1, 0.3, 0.5))
        with k.otherwise():
            k.set(lam, lam * p.pick(2.0, 4.0, 10.0))
        if p.chance(0.35):
            with k.when(all_of(cost < 1.0e-3, lam < 1.0e-3)):
                k.brk()
    if p.chance(0.5):
        fitted = k.out("params_out|fits|coefficients", T.Vec(2, p.real), b.lead)
        k.set(fitted[b.at], construct(T.Vec(2, p.real), amp, rate))
    else:
        b.put("amps_out|amplitudes", amp)
        b.put("rates_out|shapes_out", rate)
    if p.chance(0.6):
        b.put("costs|sse_out|misfits", cost)
    k.options["enable_backward"] = False


def _models(p: ProgramBuilder, kind: str) -> tuple[Any, Any, Any]:
    def value(x: Expr, a: Expr, c: Expr) -> tuple[Expr, Expr, Expr]:
        if kind == "decay":
            e = wp.exp(-c * x)
            return a * e, e, -a * x * e
        if kind == "power":
            e = wp.pow(x, c)
            return a * e, e, a * e * wp.log(x)
        if kind == "gauss":
            d = x - c
            e = wp.exp(-d * d)
            return a * e, e, 2.0 * a * d * e
        if kind == "saturation":
            e = x / (c + x)
            return a * e, e, -a * x / ((c + x) * (c + x))
        e = 1.0 / (1.0 + wp.exp(-c * x))
        return a * e, e, a * x * e * (1.0 - e)

    made = []
    for place, names in enumerate(
        (f"{kind}_model|{kind}|predict", "d_amp|wrt_amp|d_scale", "d_rate|wrt_rate|d_shape")
    ):
        if place == 1:  # the model is linear in its amplitude
            f = p.func(
                names,
                {"x|t": p.real, "c|rate": p.real},
                lambda q, x, c: q.ret(value(x, x, c)[1]),
            )
            made.append(f)
            continue
        made.append(
            p.func(
                names,
                {"x|t": p.real, "a|amp": p.real, "c|rate": p.real},
                lambda q, x, a, c, place=place: q.ret(value(x, a, c)[place]),
            )
        )
    return made[0], made[1], made[2]
