"""What is counted, ranked or binned: a number derived from an item's data, roughly between 0 and 100."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.entities import Entities
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def item_value(
    p: ProgramBuilder, e: Entities, share: float = 0.75
) -> Callable[[Expr | None], Expr]:
    """A maker of the value of this thread's item (None) or of item `j`."""
    if not p.chance(share):
        values = e.field("values|samples|data", T.F32, R.uniform(0.0, 100.0))
        return lambda j: values.own if j is None else values[j]
    return p.pick(_speed, _angle, _range, _energy, _residual, _luma, _share, _depth)(p, e)


def _made(
    p: ProgramBuilder,
    e: Entities,
    hint: str,
    args: dict[str, T.Type],
    body: Callable[..., Expr],
    inputs: Callable[[Expr | None], list[Expr]],
):  # type: ignore[no-untyped-def]
    """The value as a function of its inputs, or inline."""
    if p.chance(0.6):
        f = p.func(hint, args, lambda b, *xs: b.ret(body(b, *xs)))
        return lambda j: f(*inputs(j))
    return lambda j: body(e.k, *inputs(j))


def _at(f, j: Expr | None) -> Expr:  # type: ignore[no-untyped-def]
    return f.own if j is None else f[j]


def _speed(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    t = p.pick(T.VEC3, T.VEC2)
    v = e.field("velocities|v|particle_qd", t, R.uniform(-5.0, 5.0))
    squared = p.chance(0.3)
    scale = p.pick(5.0, 8.0, 10.0)

    def body(b: Block, x: Expr) -> Expr:
        return wp.length_sq(x) if squared else wp.length(x) * scale

    return _made(
        p, e, "scaled_speed|speed_of|magnitude", {"v|velocity": t}, body, lambda j: [_at(v, j)]
    )


def _angle(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    d = e.field("directions|gradients|headings", T.VEC2, R.uniform(-1.0, 1.0))
    folded = p.chance(0.4)

    def body(b: Block, x: Expr) -> Expr:
        angle = b.let("angle|theta|phi", wp.atan2(x.y, x.x))
        return wp.abs(angle) * 31.8 if folded else (angle + 3.14159265) * 15.9

    return _made(
        p,
        e,
        "orientation|direction_angle|heading_of",
        {"d|direction": T.VEC2},
        body,
        lambda j: [_at(d, j)],
    )


def _range(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    t = p.pick(T.VEC3, T.VEC2)
    x = e.field("positions|points|x", t, R.uniform(-30.0, 30.0))
    center = e.k.quantity("center|origin|eye", t, [1.0, 2.0, -1.0][: t.n])
    cylinder = t == T.VEC3 and p.chance(0.3)

    def body(b: Block, q: Expr, c: Expr) -> Expr:
        d = b.let("d|offset|rel", q - c)
        return wp.sqrt(d.x * d.x + d.z * d.z) if cylinder else wp.length(d)

    return _made(
        p,
        e,
        "range_to|radial_distance|distance_to_center",
        {"x|pos": t, "c|center": t},
        body,
        lambda j: [_at(x, j), center],
    )


def _energy(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    v = e.field("velocities|v|particle_qd", T.VEC3, R.uniform(-4.0, 4.0))
    m = e.field("masses|m|particle_mass", T.F32, R.uniform(0.5, 3.0))

    def body(b: Block, u: Expr, w: Expr) -> Expr:
        return 0.5 * w * wp.dot(u, u)

    return _made(
        p,
        e,
        "kinetic_energy|energy_of",
        {"v|velocity": T.VEC3, "m|mass": T.F32},
        body,
        lambda j: [_at(v, j), _at(m, j)],
    )


def _residual(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    a, b_ = (
        e.field("predicted|estimates|model_values", T.F32, R.uniform(0.0, 60.0)),
        e.field("observed|measured|targets", T.F32, R.uniform(0.0, 60.0)),
    )
    form = p.pick("abs", "square", "huber")

    def body(b: Block, x: Expr, y: Expr) -> Expr:
        r = b.let("r|err|diff", x - y)
        if form == "abs":
            return wp.abs(r)
        return (
            0.03 * r * r
            if form == "square"
            else wp.where(wp.abs(r) < 5.0, 0.1 * r * r, wp.abs(r) - 2.5)
        )

    return _made(
        p,
        e,
        "residual|misfit|error_of",
        {"a|predicted": T.F32, "b|observed": T.F32},
        body,
        lambda j: [_at(a, j), _at(b_, j)],
    )


def _luma(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    c = e.field("colors|rgb|albedo", T.VEC3, R.uniform(0.0, 1.0))
    weights = p.pick((0.299, 0.587, 0.114), (0.2126, 0.7152, 0.0722))

    def body(b: Block, x: Expr) -> Expr:
        return 100.0 * (weights[0] * x.x + weights[1] * x.y + weights[2] * x.z)

    return _made(
        p, e, "luminance|luma|brightness", {"c|rgb_in": T.VEC3}, body, lambda j: [_at(c, j)]
    )


def _share(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    a, b_ = (
        e.field("hits|successes|occupied", T.I32, R.integers(0, 40)),
        e.field("trials|visits|total_seen", T.I32, R.integers(40, 80)),
    )

    def body(b: Block, x: Expr, n: Expr) -> Expr:
        return 100.0 * cast(T.F32, x) / cast(T.F32, wp.max(n, 1))

    return _made(
        p,
        e,
        "percentage|hit_rate|fill_ratio",
        {"hits|x": T.I32, "trials|n": T.I32},
        body,
        lambda j: [_at(a, j), _at(b_, j)],
    )


def _depth(p: ProgramBuilder, e: Entities):  # type: ignore[no-untyped-def]
    x = e.field("positions|points|centers", T.VEC3, R.uniform(-20.0, 20.0))
    pose = e.k.arg(
        "camera_inv|view|world_to_camera",
        T.TRANSFORM,
        R.value("transformf", [0.0, 0.0, 40.0, 0.0, 0.0, 0.0, 1.0]),
    )

    def body(b: Block, q: Expr, view: Expr) -> Expr:
        local = b.let("local|cam|q_cam", wp.transform_point(view, q))
        return wp.max(local.z, 0.0)

    return _made(
        p,
        e,
        "view_depth|camera_depth|depth_of",
        {"x|pos": T.VEC3, "view|cam": T.TRANSFORM},
        body,
        lambda j: [_at(x, j), pose],
    )
