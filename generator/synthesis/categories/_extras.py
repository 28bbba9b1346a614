"""Small additions that short kernels carry: limits before a result is stored, and reports of it afterwards."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.idioms import clamp_length
from generator.synthesis.logic import any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def dimension(p: ProgramBuilder, *choices: int) -> int:
    """2 or 3, one of `choices`; all steps of a program live in the same space.

    Raises:
        CannotFuse: the steps before live in another space.
    """
    known: int = p.shared.setdefault("dimension", p.pick(*choices))
    if known not in choices:
        raise CannotFuse
    return known


def single_precision(p: ProgramBuilder) -> None:
    """The program is float32: its queries or random numbers exist in no other precision.

    Raises:
        CannotFuse: the steps before are float64.
    """
    if p.fusing and p.real != T.F32:
        raise CannotFuse
    p.real = T.F32


def helper(
    p: ProgramBuilder,
    b: Block,
    hint: str,
    args: dict[str, Expr],
    body: Callable[..., Expr],
    doc: str = "",
    share: float = 1.0,
) -> Expr:
    """Like `idioms.piece`, for work that is usually a function of its own: also in part of the programs that
    otherwise write everything inline."""
    if p.chance((0.95 if p.on("helper_function") else 0.5) * share):

        def write(inner: Block, *params: Expr) -> None:
            inner.ret(body(inner, *params))

        return p.func(hint, {h: a.type for h, a in args.items()}, write, doc)(*args.values())
    return body(b, *args.values())


_MANY = {0: 3, 1: 3, 2: 1.5}


def tune(
    p: ProgramBuilder,
    e: Entities,
    v: Name,
    what: str,
    size: float,
    counts: dict[int, float] | None = None,
) -> None:
    """Up to two limits or filters on the local vector or scalar `v`; `what` is its name for arguments."""
    vector = isinstance(v.type, T.Vec)
    options = (
        [_cap_vector, _clamp_vector, _dead_zone, _blend]
        if vector
        else [_clamp_scalar, _dead_scalar, _blend, *([_nonnegative] if what == "pressure" else [])]
    )
    chosen = p.sample(options, 0, 2)[: p.weighted(counts or _MANY)]
    for option in chosen:
        option(p, e.k, e, v, what, size)


def _cap_vector(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    clamp_length(
        p,
        k,
        v,
        e.world_param(f"max_{what}|{what}_limit|{what}_cap", 0.3 * size, size),
        f"{what}_len|{what}_mag|mag|norm",
    )


def _clamp_vector(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    n = T.length_of(v.type)
    bound = k.param(f"{what}_bound|component_limit|{what}_range", 0.3 * size, size)
    if p.chance(0.5):
        with k.loop("c|axis|d", n) as c:
            k.set(v[c], wp.clamp(v[c], -bound, bound))
    else:
        corner = construct(v.type, *([bound] * n)) if p.chance(0.4) else construct(v.type, bound)
        k.set(v, wp.max(wp.min(v, corner), -corner))


def _dead_zone(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    tolerance = k.param(f"{what}_tolerance|dead_zone|{what}_eps", 0.01 * size, 0.1 * size)
    short = wp.length_sq(v) < tolerance * tolerance if p.chance(0.4) else wp.length(v) < tolerance
    if p.chance(0.6):
        with k.when(short):
            k.set(v, construct(v.type, 0.0))
    else:
        k.set(v, wp.where(short, construct(v.type, 0.0), v))


def _blend(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    before = e.field(
        f"previous_{what}|{what}_prev|old_{what}|last_{what}",
        v.type,
        R.uniform(-0.5 * size, 0.5 * size),
    ).own
    share = k.param("smoothing|blend|relaxation|alpha", 0.05, 0.95)
    form = p.pick("lerp", "delta", "sum")
    if form == "lerp":
        k.set(v, wp.lerp(before, v, share))
    elif form == "delta":
        k.set(v, before + (v - before) * share)
    else:
        k.set(v, v * share + before * (1.0 - share))


def _clamp_scalar(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    low, high = (
        k.param(f"min_{what}|{what}_lo", 0.001 * size, 0.05 * size),
        k.param(f"max_{what}|{what}_hi", 0.2 * size, size),
    )
    k.set(v, wp.clamp(v, low, high) if p.chance(0.6) else wp.min(wp.max(v, low), high))


def _dead_scalar(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    tolerance = k.param(f"{what}_tolerance|dead_zone|{what}_eps", 0.01 * size, 0.1 * size)
    with k.when(wp.abs(v) < tolerance):
        k.set(v, v * 0.0 if p.chance(0.2) else _zero(v))


def _zero(v: Name) -> Expr:
    """A zero literal of the type of `v`."""
    return construct(T.scalar_of(v.type), 0.0)


def _nonnegative(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, v: Name, what: str, size: float
) -> None:
    if p.chance(0.5):
        k.set(v, wp.max(v, 0.0))
    else:
        with k.when(v < 0.0):
            k.set(v, -v if p.chance(0.2) else _zero(v))


def report(
    p: ProgramBuilder,
    e: Entities,
    value: Expr,
    what: str,
    size: float,
    counts: dict[int, float] | None = None,
) -> None:
    """Up to two diagnostics of a vector or scalar result, whose magnitude is around `size`."""
    options = [_peak, _total, _exceeding, _magnitude, _finite]
    chosen = p.sample(options, 0, 2)[: p.weighted(counts or {0: 4, 1: 3, 2: 1})]
    if not chosen:
        return
    value = (
        e.k.let(f"{what}_i|result|{what}_value", value) if not isinstance(value, Name) else value
    )
    for option in chosen:
        option(p, e.k, e, value, what, size)


def _slot(e: Entities) -> Expr | int:
    return e.world if e.world is not None else 0


def _size_of(p: ProgramBuilder, k: Block, value: Expr) -> Expr:
    if isinstance(value.type, T.Vec):
        return wp.length(value)
    return wp.abs(value)


def _peak(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, what: str, size: float
) -> None:
    out = k.out(f"max_{what}|peak_{what}|{what}_max", p.real, (e.worlds or 1,))
    k.do(wp.atomic_max(out, _slot(e), _size_of(p, k, value)))


def _total(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, what: str, size: float
) -> None:
    if p.chance(0.4):
        out = k.out(f"sum_{what}|total_{what}|net_{what}", value.type, (e.worlds or 1,))
        k.do(wp.atomic_add(out, _slot(e), value))
        return
    out = k.out(f"{what}_norm_sq|sum_sq|residual|{what}_energy", p.real, (e.worlds or 1,))
    square = wp.dot(value, value) if isinstance(value.type, T.Vec) else value * value
    k.do(wp.atomic_add(out, _slot(e), 0.5 * square if p.chance(0.3) else square))


def _exceeding(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, what: str, size: float
) -> None:
    limit = k.param(f"{what}_alarm|{what}_warn|warn_level|flag_threshold", 0.2 * size, 0.8 * size)
    with k.when(_size_of(p, k, value) > limit):
        match p.pick("count", "flag", "ids"):
            case "count":
                k.do(
                    wp.atomic_add(
                        k.out(f"num_large|{what}_violations|exceed_count", T.I32, (e.worlds or 1,)),
                        _slot(e),
                        1,
                    )
                )
            case "flag":
                e.out(f"{what}_flags|status|flagged", T.I32).store(p.pick(1, 2))
            case "ids":
                first = k.out(
                    f"first_bad|worst_{e.singular}|offender", T.I32, (1,), R.constant(e.n)
                )
                k.do(wp.atomic_min(first, 0, e.index))


def _magnitude(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, what: str, size: float
) -> None:
    out = e.out(f"{what}_magnitude|{what}_mag|{what}_norm", p.real)
    scale = (
        k.param("display_scale|color_range|vis_scale", 0.5 * size, size) if p.chance(0.4) else None
    )
    mag = _size_of(p, k, value)
    out.store(mag if scale is None else wp.clamp(mag / scale, 0.0, 1.0))


def _finite(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, value: Expr, what: str, size: float
) -> None:
    ok = wp.isfinite(value) if p.chance(0.6) else negate(any_of(wp.isnan(value), wp.isinf(value)))
    flags = e.out(f"{what}_valid|is_finite|sane", T.I32)
    flags.store(choose(ok, 1, 0)) if p.chance(0.4) else flags.store(
        construct(T.I32, wp.isfinite(value))
    )
