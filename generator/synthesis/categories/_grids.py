"""Grid idioms that the field-based categories share: opening a grid, spacing, masks, monitors."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr

_AXES2 = ("i j", "i j", "y x", "row col", "iy ix", "r c", "j i")
_AXES3 = ("i j k", "i j k", "x y z", "ix iy iz", "z y x", "ci cj ck")

Copies = tuple[tuple[GridField, Expr | float], ...]


def open_grid(
    p: ProgramBuilder, k: KernelBuilder, axes: int = 2, *, boundary: str | None = None, layouts: bool = True,
    shape: tuple[int, ...] | None = None,
) -> Grid:  # fmt: skip
    """A grid whose axes bear one of the usual sets of index names."""
    names = p.pick(*_AXES2) if axes == 2 else p.pick(*_AXES3)
    return Grid(k, names, boundary=boundary, layouts=layouts, shape=shape)


def along(g: Grid, axis: int, step: int) -> tuple[int, ...]:
    """The offset of `step` cells along one axis."""
    return tuple(step if a == axis else 0 for a in range(len(g.shape)))


def letter(g: Grid, axis: int) -> str:
    """The coordinate's letter: rows of a plane are y; volumes are x, y, z unless their hints say z first."""
    if len(g.shape) == 2:
        return "yx"[axis]
    return "zyx"[axis] if g.hints[0] == "z" else "xyz"[axis]


def border_exit(p: ProgramBuilder, g: Grid, *copies: tuple[GridField, Expr | float]) -> None:
    """Border cells of a grid that skips them: values carried over, or nothing, then a return."""
    if g.boundary != "skip_outer":
        return
    with g.k.when(g.on_border()):
        if p.chance(0.7):
            for target, value in copies:
                target.store(value)
        g.k.ret()
    g.boundary = "interior"  # neighbours one cell away exist from here on


def mask_exit(
    p: ProgramBuilder, g: Grid, *copies: tuple[GridField, Expr | float], chance: float = 0.3,
    hint: str = "solid|obstacle|mask|walls", share: float = 0.15,
) -> None:  # fmt: skip
    """An early exit for cells that a mask switches off."""
    if not p.chance(chance):
        return
    with g.k.when(_masked(p, g, hint, share)):
        for target, value in copies:
            target.store(value)
        g.k.ret()


def _masked(p: ProgramBuilder, g: Grid, hint: str, share: float) -> Expr:
    match p.pick("int", "u8", "bool", "inside", "fraction"):
        case "int":
            return g.field(hint, T.I32, R.mask(share)).own != 0
        case "u8":
            return g.field(hint, T.U8, R.mask(share)).own == cast(T.U8, 1)
        case "bool":
            return g.field(f"is_{hint.split('|')[0]}|{hint}", T.BOOL, R.mask(share)).own
        case "inside":
            return negate(
                g.field("active|domain|inside|in_domain", T.BOOL, R.mask(1.0 - share)).own
            )
    level = g.field("porosity|open_fraction|volume_fraction", p.real, R.uniform(0.0, 1.0)).own
    return level < p.pick(0.05, 0.1, 0.2)


def inverse_squares(p: ProgramBuilder, g: Grid) -> list[Expr]:
    """1 / h^2 for each axis, the spacing being given in one of the usual ways."""
    k, axes = g.k, len(g.shape)
    match p.pick("one", "one", "ready", "each", "vector"):
        case "one":
            h = k.param("dx|h|cell_size|spacing", 0.5, 2.0)
            inv = k.let("inv_h2|inv_dx2|rdx2", 1.0 / (h * h))
            return [inv] * axes
        case "ready":
            return [k.param("inv_dx2|inv_h2|rdx2", 0.2, 4.0)] * axes
        case "each":
            spacings = [k.param(f"d{letter(g, a)}|h{letter(g, a)}", 0.5, 2.0) for a in range(axes)]
            return [
                k.let(f"inv_d{letter(g, a)}2|r{letter(g, a)}2", 1.0 / (s * s))
                for a, s in enumerate(spacings)
            ]
    v = k.quantity(
        "inv_dx_sq|inv_spacing_sq|inv_h2", p.vec(axes), [p.nice(0.3, 3.0) for _ in range(axes)]
    )
    return [v[a] for a in range(axes)]


def spacings(p: ProgramBuilder, g: Grid) -> list[Expr]:
    """The spacing along each axis."""
    k, axes = g.k, len(g.shape)
    match p.pick("one", "one", "each", "vector"):
        case "one":
            return [k.param("dx|h|cell_size|spacing", 0.5, 2.0)] * axes
        case "each":
            return [k.param(f"d{letter(g, a)}|h{letter(g, a)}", 0.5, 2.0) for a in range(axes)]
    v = k.quantity(
        "cell_size|spacing|voxel_size", p.vec(axes), [p.nice(0.5, 2.0) for _ in range(axes)]
    )
    return [v[a] for a in range(axes)]


def monitor(p: ProgramBuilder, g: Grid, value: Expr, hint: str, chance: float = 0.3) -> None:
    """Now and then, a reduction over the grid: largest magnitude, sum, sum of squares or a count."""
    if not p.chance(chance):
        return
    k, where = g.k, g.batch_index if g.batch_index is not None else 0
    worlds = g.batch or 1
    match p.pick("max", "sum", "squares", "count", "block"):
        case "max":
            peak = k.out(_names(hint, "max_{}", "{}_max", "peak_{}"), p.real, (worlds,))
            k.do(wp.atomic_max(peak, where, wp.abs(value)))
        case "sum":
            total = k.out(_names(hint, "total_{}", "{}_sum", "sum_{}"), p.real, (worlds,))
            k.do(wp.atomic_add(total, where, wp.abs(value)))
        case "squares":
            total = k.out(_names(hint, "{}_norm_sq", "{}_sq_sum", "sum_sq_{}"), p.real, (worlds,))
            k.do(wp.atomic_add(total, where, value * value))
        case "count":
            limit = k.param("tolerance|tol|threshold|epsilon", 0.001, 0.5)
            count = k.out(_names(hint, "num_{}", "{}_count", "n_{}"), T.I32, (worlds,))
            with k.when(wp.abs(value) > limit):
                k.do(wp.atomic_add(count, where, 1))
        case "block":
            width = p.pick(2, 4, 8)
            rows = (g.shape[0] + width - 1) // width
            bins = k.out(_names(hint, "row_{}", "{}_per_band", "partial_{}"), p.real, (rows,))
            k.do(wp.atomic_add(bins, g.index[0] // width, wp.abs(value)))


def _names(hint: str, *patterns: str) -> str:
    """All patterns over all alternatives of a hint."""
    return "|".join(pattern.format(word) for pattern in patterns for word in hint.split("|"))


def centre_position(p: ProgramBuilder, g: Grid, axis: int, h: Expr) -> Expr:
    """Coordinate of this thread's cell centre along an axis."""
    return (construct(p.real, g.index[axis]) + 0.5) * h


def two_or_three(p: ProgramBuilder) -> int:
    """Number of axes: a plane more often than a volume."""
    return 2 if p.chance(0.65) else 3


def stencil_field(
    p: ProgramBuilder, g: Grid, hint: str, low: float = -1.0, high: float = 1.0
) -> GridField:
    """A scalar input field with values between `low` and `high`."""
    return g.field(hint, p.real, R.uniform(low, high))


def threads(k: KernelBuilder, hints: list[str], shape: tuple[int, ...]) -> list[Expr]:
    """This thread's indices in a launch over `shape`."""
    k.launch_dim = shape
    if len(shape) == 1:
        return [k.let(hints[0], wp.tid())]
    return list(k.unpack(hints, Call("wp.tid", (), (), T.TupleType((T.I32,) * len(shape)))))
