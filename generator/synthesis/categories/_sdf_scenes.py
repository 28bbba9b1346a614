"""Operators on distances, scenes composed with them, and their normals."""

from collections.abc import Callable

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import maybe, num
from generator.synthesis.categories._sdf_shapes import PRIMITIVES, Primitive, _vector
from generator.synthesis.logic import choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def smooth_union(p: ProgramBuilder) -> UserFunction:
    """A blend of two distances with a radius."""
    form = p.pick("polynomial", "mix", "cubic", "exponential", "root", "circular")

    def body(b: Block, a: Expr, c: Expr, k: Expr) -> None:
        if form == "mix":
            h = b.let("h|t|w", wp.clamp(0.5 + 0.5 * (c - a) / k, 0.0, 1.0))
            b.ret(wp.lerp(c, a, h) - k * h * (1.0 - h))
        elif form == "exponential":
            b.ret(-k * wp.log(wp.exp(-a / k) + wp.exp(-c / k)))
        elif form == "root":
            d = b.let("d|diff|gap", a - c)
            b.ret(0.5 * (a + c - wp.sqrt(d * d + k * k)))
        elif form == "circular":
            u, v = b.let("u|ua", wp.max(k - a, 0.0)), b.let("v|vc", wp.max(k - c, 0.0))
            b.ret(wp.max(k, wp.min(a, c)) - wp.sqrt(u * u + v * v))
        else:
            h = b.let("h|t|w", wp.max(k - wp.abs(a - c), 0.0) / k)
            bump = h * h * k * 0.25 if form == "polynomial" else h * h * h * k / 6.0
            b.ret(wp.min(a, c) - bump)

    params = {"a|d1|da": p.real, "b|d2|db": p.real, "k|radius|blend": p.real}
    return p.func(
        "smooth_union|smin|smooth_min|blend_union|soft_min",
        params,
        body,
        p.pick("Union with a rounded seam.", ""),
    )


Combine = Callable[[Expr, Expr], Expr]


def combiner(p: ProgramBuilder) -> Combine:
    """One of the set operations, plain or smooth."""
    form = p.weighted(
        {"union": 4, "subtract": 3, "intersect": 2, "smooth": 3, "smooth_sub": 1.5, "where": 1}
    )
    if form == "union":
        return lambda a, b: wp.min(a, b)
    if form == "subtract":
        return lambda a, b: wp.max(a, -b)
    if form == "intersect":
        return lambda a, b: wp.max(a, b)
    if form == "where":
        return lambda a, b: choose(a < b, a, b) if isinstance(b, Name) else wp.min(a, b)
    f = smooth_union(p)
    k = num(p, p.pick(0.05, 0.1, 0.15, 0.2, 0.3))
    if form == "smooth":
        return lambda a, b: f(a, b, k)
    return lambda a, b: -f(-a, b, k)


def _warp_domain(p: ProgramBuilder, b: Block, x: Expr) -> Expr:
    """The point before it is handed to the scene: mirrored, repeated, twisted or left alone."""
    match p.weighted({"none": 6, "mirror": 1, "repeat": 1, "twist": 1}):
        case "none":
            return x
        case "mirror":
            return b.let("xm|folded|xs", construct(p.vec(), wp.abs(x.x), x.y, x.z))
        case "repeat":
            period = p.pick(1.5, 2.0, 3.0)
            cells = [x.field(a) - period * wp.round(x.field(a) / period) for a in ("x", "z")]
            return b.let("xr|cell_x|rep", construct(p.vec(), cells[0], x.y, cells[1]))
    rate = p.pick(0.5, 1.0, 1.5, 2.0)
    angle = b.let("angle|tw|phi", x.y * rate)
    c, s = b.let("c|cos_a", wp.cos(angle)), b.let("s|sin_a", wp.sin(angle))
    return b.let("xt|twisted|xr", construct(p.vec(), c * x.x - s * x.z, x.y, s * x.x + c * x.z))


def _placed(p: ProgramBuilder, b: Block, x: Expr, first: bool) -> Expr:
    if first and p.chance(0.5):
        return x
    centre = [round(p.rng.uniform(-0.6, 0.6), 2) for _ in range(3)]
    return maybe(p, b, "q|local|rel", x - _vector(p, centre), 0.3)


def _sizes(p: ProgramBuilder, shape: Primitive) -> list[Expr]:
    out: list[Expr] = []
    for s in shape.sizes:
        if s is None:
            out.append(_vector(p, [round(p.rng.uniform(0.25, 0.7), 2) for _ in range(3)]))
        else:
            out.append(num(p, p.nice(*s)))
    return out


def scene(p: ProgramBuilder, *, parts: int | None = None, animated: bool = False) -> UserFunction:
    """A `@wp.func` of a point (and a time) that gives the distance to a composed scene."""
    count = parts or p.weighted({1: 1, 2: 4, 3: 4, 4: 2})
    shapes: list[Primitive] = []
    for _ in range(count):
        reuse = shapes and p.chance(0.35)
        shapes.append(p.pick(*shapes) if reuse else p.pick(*PRIMITIVES)(p))
    combines = [combiner(p) for _ in range(count - 1)]

    def body(b: Block, x: Expr, *t: Expr) -> None:
        x = _warp_domain(p, b, x)
        if t:
            x = b.let(
                "xa|moved|shifted",
                x
                - construct(
                    p.vec(),
                    wp.sin(t[0]) * p.pick(0.2, 0.3, 0.5),
                    0.0,
                    wp.cos(t[0]) * p.pick(0.2, 0.3),
                ),
            )
        accumulate = p.chance(0.5)
        d = shapes[0].function(_placed(p, b, x, True), *_sizes(p, shapes[0]))
        d = b.var("d|dist|sdf", d) if accumulate and count > 1 else b.let("d|d0|dist", d)
        for shape, combine in zip(shapes[1:], combines, strict=True):
            other = shape.function(_placed(p, b, x, False), *_sizes(p, shape))
            if accumulate:
                b.set(d, combine(d, maybe(p, b, "e|other|part", other, 0.4)))
            else:
                d = b.let("d1|both|merged|d2", combine(d, b.let("e|other|part", other)))
        b.ret(_finish(p, b, x, d))

    params: dict[str, T.Type] = {"x|p|pt|pos": p.vec()}
    if animated:
        params["time|t|phase"] = p.real
    return p.func(
        "scene|scene_sdf|map_scene|distance_field|eval_sdf|world_sdf",
        params,
        body,
        p.pick("Signed distance to the scene.", "Distance field of the whole model.", ""),
    )


def _finish(p: ProgramBuilder, b: Block, x: Expr, d: Expr) -> Expr:
    match p.weighted({"none": 6, "shell": 1, "round": 1, "ripple": 1}):
        case "shell":
            return wp.abs(d) - p.pick(0.03, 0.05, 0.08)
        case "round":
            return d - p.pick(0.02, 0.04, 0.05)
        case "ripple":
            f = p.pick(6.0, 8.0, 10.0)
            return d + p.pick(0.01, 0.02, 0.03) * wp.sin(x.x * f) * wp.sin(x.y * f) * wp.sin(
                x.z * f
            )
    return d


def gradient(p: ProgramBuilder, f: UserFunction) -> UserFunction:
    """A `@wp.func` of the unit normal of `f` by finite differences; same parameters as `f`."""
    form = p.pick("central", "tetrahedron", "forward", "loop")
    h = p.pick(1.0e-3, 5.0e-4, 1.0e-2)
    v = p.vec()

    def body(b: Block, x: Expr, *t: Expr) -> None:
        e = num(p, h)
        if form == "tetrahedron":
            corners = [(1, -1, -1), (-1, -1, 1), (-1, 1, -1), (1, 1, 1)]
            axes = [
                b.let(f"k{i}|t{i}", construct(v, *(float(s) for s in c)))
                for i, c in enumerate(corners)
            ]
            terms = [a * f(x + a * e, *t) for a in axes]
            b.ret(wp.normalize(terms[0] + terms[1] + terms[2] + terms[3]))
            return
        if form == "loop":
            g = b.var("g|grad|n", construct(v, 0.0))
            with b.loop("axis|i|c", 3) as i:
                step = b.var("step|dx|off", construct(v, 0.0))
                b.set(step[i], e)
                b.set(g[i], f(x + step, *t) - f(x - step, *t))
            b.ret(wp.normalize(g))
            return
        steps = [construct(v, *(h if a == c else 0.0 for c in range(3))) for a in range(3)]
        if form == "forward":
            d = b.let("d|d0|base", f(x, *t))
            parts = [f(x + s, *t) - d for s in steps]
        else:
            parts = [f(x + s, *t) - f(x - s, *t) for s in steps]
        b.ret(wp.normalize(construct(v, *parts)))

    params = {"x|p|pt" if q is f.params[0] else q.name: q.type for q in f.params}
    return p.func(
        "scene_normal|sdf_gradient|normal_at|estimate_normal|field_gradient", params, body
    )
