"""Images as grids: pixel types, readers with boundary rules, windows, byte and float conversion."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand

AXES = "row|y|i|iy|r col|x|j|ix|c"
SOURCE = "src|image|img|input_image|pixels_in"
TARGET = "dst|out|result|output_image|filtered"


def image_grid(p: ProgramBuilder, k: KernelBuilder, boundary: str | None = None) -> Grid:
    """Threads over the pixels of an image."""
    return Grid(k, AXES, boundary=boundary)


def gray(
    p: ProgramBuilder, g: Grid, hint: str = SOURCE, low: float = 0.0, high: float = 1.0
) -> GridField:
    """A single-channel float image."""
    return g.field(hint, T.F32, R.uniform(low, high))


def rgb(p: ProgramBuilder, g: Grid, hint: str = SOURCE) -> GridField:
    """A colour image."""
    return g.field(hint, T.VEC3, R.uniform(0.0, 1.0))


def bytes_image(p: ProgramBuilder, g: Grid, hint: str = SOURCE) -> GridField:
    """A single-channel 8-bit image."""
    return g.field(hint, T.U8, R.integers(0, 256))


def pixel_type(p: ProgramBuilder) -> T.Type:
    """Float gray, colour, or 8-bit gray."""
    return p.weighted({T.F32: 5, T.VEC3: 3, T.U8: 2})


def source(p: ProgramBuilder, g: Grid, t: T.Type, hint: str = SOURCE) -> GridField:
    """An input image of any pixel type."""
    return g.field(hint, t, R.integers(0, 256) if t == T.U8 else R.uniform(0.0, 1.0))


def working(t: T.Type) -> T.Type:
    """The type in which pixels of type `t` are averaged."""
    return T.F32 if t == T.U8 else t


def load(value: Expr) -> Expr:
    """A pixel as a value to compute with."""
    return construct(T.F32, value) if value.type == T.U8 else value


def quantize(p: ProgramBuilder, value: Expr, t: T.Type) -> Expr:
    """A computed value as a pixel of type `t`."""
    if t != T.U8:
        return value
    inside = wp.clamp(value, 0.0, 255.0)
    return construct(
        T.U8, wp.round(inside) if p.chance(0.4) else inside + 0.5 if p.chance(0.5) else inside
    )


def zero(t: T.Type) -> Expr | float:
    """The start of a sum of working values."""
    return 0.0 if working(t) == T.F32 else construct(t, 0.0)


def luminance(p: ProgramBuilder, b: Block, c: Expr) -> Expr:
    """Brightness of a colour."""
    weights = p.pick((0.2126, 0.7152, 0.0722), (0.299, 0.587, 0.114))
    if p.chance(0.5):
        return wp.dot(c, construct(T.VEC3, *weights))
    return weights[0] * c.x + weights[1] * c.y + weights[2] * c.z


@contextmanager
def window(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, radius: int | Expr, *, center: bool = True
) -> Iterator[tuple[Expr, Expr, Expr, Expr]]:
    """A loop over the pixels of a square window.

    Yields row and column of the pixel, made safe by clamping, reflecting, wrapping or skipping, and the
    offsets from the thread's pixel. Without `center`, the pixel itself is skipped.
    """
    row, col = g.index
    rule = p.weighted({"clamp": 3.5, "min_max": 1.5, "skip": 3, "wrap": 1, "mirror": 1.5})
    low: Operand = -radius
    dy_hint, dx_hint = p.pick(("dy", "dx"), ("di", "dj"), ("oy", "ox"), ("v", "u"))
    with k.loop(dy_hint, low, radius + 1) as dy:
        early = p.chance(0.5)
        y = k.let("yy|r_n|ny|ys", _inside(row + dy, g.extent(0), rule)) if early else None
        with k.loop(dx_hint, low, radius + 1) as dx:
            if not center:
                with k.when(_both_zero(p, dy, dx)):
                    k.cont()
            if y is None:
                y = k.let("yy|r_n|ny|ys", _inside(row + dy, g.extent(0), rule))
            x = k.let("xx|c_n|nx|xs", _inside(col + dx, g.extent(1), rule))
            if rule == "skip":
                with k.when(any_of(y < 0, y >= g.extent(0), x < 0, x >= g.extent(1))):
                    k.cont()
            yield y, x, dy, dx


def _both_zero(p: ProgramBuilder, dy: Expr, dx: Expr) -> Expr:
    return all_of(dy == 0, dx == 0) if p.chance(0.6) else dy * dy + dx * dx == 0


def _inside(index: Expr, extent: Expr, rule: str) -> Expr:
    if rule == "clamp":
        return wp.clamp(index, 0, extent - 1)
    if rule == "min_max":
        return wp.min(wp.max(index, 0), extent - 1)
    if rule == "wrap":
        return (index + extent) % extent
    if rule == "mirror":
        return wp.min(wp.abs(index), 2 * extent - 2 - wp.abs(index))
    return index


def bilinear(p: ProgramBuilder, image: GridField, t: T.Type):  # type: ignore[no-untyped-def]
    """A `@wp.func` that interpolates an image of full rank at fractional pixel coordinates."""
    array = image.array
    batched = image.grid.batch_index is not None
    flat = image.grid.flat
    nested = p.chance(0.5)
    shift = 1 if batched else 0

    def body(b: Block, img: Expr, *rest: Expr) -> None:
        y, x = rest[-2:]
        if flat:
            height, width = rest[0], rest[1]
        else:
            height, width = img.dim(shift), img.dim(shift + 1)
        x0 = b.let("x0|ix|c0", wp.clamp(cast(T.I32, wp.floor(x)), 0, width - 2))
        y0 = b.let("y0|iy|r0", wp.clamp(cast(T.I32, wp.floor(y)), 0, height - 2))
        fx = b.let("fx|tx|a", wp.clamp(x - construct(T.F32, x0), 0.0, 1.0))
        fy = b.let("fy|ty|bw", wp.clamp(y - construct(T.F32, y0), 0.0, 1.0))

        def at(r: Expr, c: Expr) -> Expr:
            if flat:
                return load(img[r * width + c])
            return load(img[rest[0], r, c] if batched else img[r, c])

        top, bottom = (at(y0, x0), at(y0, x0 + 1)), (at(y0 + 1, x0), at(y0 + 1, x0 + 1))
        if nested:
            upper = b.let("top|upper|v0", wp.lerp(top[0], top[1], fx))
            lower = b.let("bottom|lower|v1", wp.lerp(bottom[0], bottom[1], fx))
            b.ret(wp.lerp(upper, lower, fy))
            return
        parts = [
            top[0] * ((1.0 - fx) * (1.0 - fy)),
            top[1] * (fx * (1.0 - fy)),
            bottom[0] * ((1.0 - fx) * fy),
            bottom[1] * (fx * fy),
        ]
        b.ret(parts[0] + parts[1] + parts[2] + parts[3])

    params: dict[str, T.Type] = {"img|src|image": array.type}
    if flat:
        params |= {"height|rows|h": T.I32, "width|cols|w": T.I32}
    elif batched:
        params["b|batch|layer"] = T.I32
    params |= {"y|v|row_f": T.F32, "x|u|col_f": T.F32}
    f = p.func(
        "bilinear|sample_bilinear|interp_pixel|lerp_pixel|fetch",
        params,
        body,
        p.pick("Bilinear interpolation, clamped.", ""),
    )
    g = image.grid

    def call(y: Expr, x: Expr) -> Expr:
        extra: tuple[Expr, ...] = ()
        if flat:
            extra = (g.extent(0), g.extent(1))
        elif batched and g.batch_index is not None:
            extra = (g.batch_index,)
        return f(array, *extra, y, x)

    return call
