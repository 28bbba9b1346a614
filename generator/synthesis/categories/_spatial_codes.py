"""Space-filling codes and voxel keys, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def points(k: KernelBuilder, singular: str = "point", axes: int = 3) -> tuple[Entities, Expr]:
    """Items with a position; returns the layout and this thread's position."""
    e = Entities(k, singular, index="i|tid|idx")
    x = e.field("positions|points|centers|x", T.Vec(axes), R.uniform(-2.0, 2.0))
    e.guard()
    return e, x.read("p_i|x_i|pt|pos")


def spread_bits(p: ProgramBuilder, axes: int, wide: bool) -> UserFunction:
    """A `@wp.func` that inserts one or two zeros after every bit."""
    t = T.U64 if wide else T.U32
    steps = {
        (3, False): ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)),
        (2, False): ((8, 0x00FF00FF), (4, 0x0F0F0F0F), (2, 0x33333333), (1, 0x55555555)),
        (3, True): (
            (32, 0x1F00000000FFFF),
            (16, 0x1F0000FF0000FF),
            (8, 0x100F00F00F00F00F),
            (4, 0x10C30C30C30C30C3),
            (2, 0x1249249249249249),
        ),
        (2, True): (
            (16, 0x0000FFFF0000FFFF),
            (8, 0x00FF00FF00FF00FF),
            (4, 0x0F0F0F0F0F0F0F0F),
            (2, 0x3333333333333333),
            (1, 0x5555555555555555),
        ),
    }[axes, wide]
    multiply = axes == 3 and not wide and p.chance(0.4)
    names = (
        [p.const(f"SPREAD_{i}|MASK_{i}|MORTON_MASK_{i}", m, t) for i, (_, m) in enumerate(steps)]
        if wide or p.chance(0.4)
        else [N.literal(m, t) for _, m in steps]
    )

    def body(b: Block, v: Expr) -> None:
        x = b.var("x|v|bits", v)
        factors = (65537, 257, 17, 5)
        for i, (shift, _) in enumerate(steps):
            if multiply:
                b.set(x, (x * factors[i]) & names[i])
            else:
                b.set(x, (x | (x << shift)) & names[i])
        b.ret(x)

    hint = f"spread_bits_{axes}|expand_bits|part_by_{axes - 1}|dilate_{axes}"
    return p.func(
        hint,
        {"v|x|n": t},
        body,
        p.pick("", f"Inserts {axes - 1} zero bit{'s' if axes == 3 else ''} after each bit."),
    )


def morton(p: ProgramBuilder) -> None:
    """Morton and Hilbert codes of points, and of voxels at a level."""
    axes, wide = p.weighted({3: 4, 2: 2}), p.chance(0.4)
    k = p.kernel_builder(
        "morton_codes|compute_morton|encode_points|z_order_keys|quantize_and_encode|assign_codes",
        p.pick(
            "Morton code of every point.",
            "Space-filling-curve keys for sorting.",
            "Quantise positions and interleave their bits.",
        ),
    )
    t = T.U64 if wide else T.U32
    e, x = points(k, axes=axes)
    bits = {(3, False): 10, (3, True): 21, (2, False): 16, (2, True): 31}[axes, wide]
    if p.chance(0.2) and axes == 2:
        code = _hilbert(p, k, x)
        e.out("codes|keys|curve_index", T.I32).store(code)
    else:
        cells = _quantised(p, k, e, x, axes, bits, t)
        spread = spread_bits(p, axes, wide)
        code = _interleave(p, k, spread, cells, axes, t)
        level = (
            k.scalar("level_shift|coarsen|level_bits", t, axes * p.pick(1, 2, 3))
            if p.chance(0.3)
            else None
        )
        code = k.let("code|key|morton", code if level is None else code >> level)
        e.out("codes|keys|morton_out", t).store(code)
        if p.chance(0.3):
            top = p.pick(2, 3)
            bucket = k.let(
                "bucket|top_cell|octant",
                cast(T.I32, code >> (axes * bits - axes * top))
                if level is None
                else cast(T.I32, code & ((1 << (axes * top)) - 1)),
            )
            Table(e, "bucket_counts|histogram|counts", T.I32, (1 << (axes * top),), role="out").add(
                1, bucket
            )
    if p.chance(0.6):
        e.out("ids|indices|order", T.I32).store(e.index)


def _quantised(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, x: Expr, axes: int, bits: int, t: T.Scalar
) -> list[Expr]:
    low = k.quantity("lower|scene_min|bounds_min", T.Vec(axes), [-2.0] * axes)
    span = float((1 << min(bits, 21)) - 1)
    if p.chance(0.5):
        high = k.quantity("upper|scene_max|bounds_max", T.Vec(axes), [2.0] * axes)
        u = k.let("u|unit|rel", wp.cw_div(x - low, high - low))
    else:
        u = k.let("u|unit|rel", (x - low) * k.quantity("inv_extent|inv_size|scale", T.F32, 0.25))
    limited = p.chance(0.7)
    values = []
    for axis in "xyz"[:axes]:
        scaled = u.field(axis) * span
        if limited:
            scaled = (
                wp.clamp(scaled, 0.0, span) if p.chance(0.6) else wp.min(wp.max(scaled, 0.0), span)
            )
        values.append(k.let(f"q{axis}|i{axis}|c{axis}", cast(t, scaled)))
    return values


def _interleave(
    p: ProgramBuilder,
    k: KernelBuilder,
    spread: UserFunction,
    cells: list[Expr],
    axes: int,
    t: T.Scalar,
) -> Expr:
    def body(b: Block, *values: Expr) -> None:
        b.ret(_joined(p, spread, list(values)))

    if p.chance(0.6):
        f = p.func(
            f"morton_{axes}d|encode_{axes}d|interleave", dict.fromkeys("xyz"[:axes], t), body
        )
        return f(*cells)
    return _joined(p, spread, cells)


def _joined(p: ProgramBuilder, spread: UserFunction, values: list[Expr]) -> Expr:
    code: Expr = spread(values[0])
    high_first = p.chance(0.4)
    for number, value in enumerate(values[1:], start=1):
        code = (code << 1) | spread(value) if high_first else code | (spread(value) << number)
    return code


def _hilbert(p: ProgramBuilder, k: KernelBuilder, x: Expr) -> Expr:
    side = p.pick(256, 1024)

    def body(b: Block, cx: Expr, cy: Expr, n: Expr) -> None:
        px, py, d, s = (
            b.var("x|px", cx),
            b.var("y|py", cy),
            b.var("d|index", 0),
            b.var("s|half", n // 2),
        )
        with b.repeat(s > 0):
            rx, ry = (
                b.let("rx|bx", choose((px & s) > 0, 1, 0)),
                b.let("ry|by", choose((py & s) > 0, 1, 0)),
            )
            b.aug(d, "+", s * s * ((3 * rx) ^ ry))
            with b.when(ry == 0):
                with b.when(rx == 1):
                    b.set(px, n - 1 - px)
                    b.set(py, n - 1 - py)
                held = b.let("t|held", px)
                b.set(px, py)
                b.set(py, held)
            b.set(s, s // 2)
        b.ret(d)

    f = p.func(
        "hilbert_index|xy_to_hilbert|hilbert_code",
        {"cx|i": T.I32, "cy|j": T.I32, "n|side": T.I32},
        body,
        p.pick("", "Distance along the Hilbert curve."),
    )
    cell = k.param("cell_size|cell|width", 4.0 / side, 4.1 / side)
    i, j = (
        k.let(h, wp.clamp(cast(T.I32, (x.field(a) + 2.0) / cell), 0, side - 1))
        for h, a in (("ix|ci", "x"), ("iy|cj", "y"))
    )
    return k.let("code|key|h_idx", f(i, j, k.count("grid_side|resolution|side_cells", side)))


def cell_of(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, size: Expr, low: Expr | None = None
) -> list[Name]:
    """Integer cell coordinates of a position."""
    axes = "xyz"[: x.type.n]  # type: ignore[union-attr]
    moved = x if low is None else k.let("rel|local|d", x - low)
    return [
        k.let(f"c{a}|i{a}|cell_{a}", cast(T.I32, wp.floor(moved.field(a) / size))) for a in axes
    ]
