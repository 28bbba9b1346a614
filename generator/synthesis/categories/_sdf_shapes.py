"""Signed-distance primitives, operators on them, and scenes composed of both."""

from dataclasses import dataclass

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import maybe
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


@dataclass(frozen=True, slots=True)
class Primitive:
    """A distance function and how to draw its size arguments.

    Attributes:
        sizes: one entry an argument after the point: None is a vector of half extents, otherwise
            the range of a scalar.
    """

    function: UserFunction
    sizes: tuple[tuple[float, float] | None, ...]


def _vector(p: ProgramBuilder, values: list[float]) -> Expr:
    return construct(p.vec(len(values)), *values)


# --- primitives -----------------------------------------------------------------------------------


def sphere(p: ProgramBuilder) -> Primitive:
    """A ball."""

    def body(b: Block, x: Expr, r: Expr) -> None:
        b.ret(wp.length(x) - r)

    f = p.func(
        "sd_sphere|sphere_sdf|sphere_distance|ball", {"x|p|pt": p.vec(), "r|radius": p.real}, body
    )
    return Primitive(f, ((0.3, 0.9),))


def box(p: ProgramBuilder) -> Primitive:
    """A box, exact outside and inside."""
    rounded = p.chance(0.3)

    def body(b: Block, x: Expr, half: Expr, *r: Expr) -> None:
        if p.chance(0.5):
            q = b.let("q|d|rel", wp.abs(x) - half)
        else:
            q = b.let(
                "q|d|rel",
                construct(p.vec(), *(wp.abs(x.field(a)) - half.field(a) for a in ("x", "y", "z"))),
            )
        outside = maybe(p, b, "outside|out_d", wp.length(wp.max(q, construct(p.vec(), 0.0))), 0.6)
        largest = wp.max(q) if p.chance(0.5) else wp.max(wp.max(q.x, q.y), q.z)
        d = outside + wp.min(largest, 0.0)
        b.ret(d - r[0] if r else d)

    params: dict[str, T.Type] = {"x|p|pt": p.vec(), "half|b_|extents": p.vec()}
    if rounded:
        params["round_r|rad|r"] = p.real
    f = p.func("sd_box|box_sdf|box_distance|cuboid", params, body)
    return Primitive(f, (None, (0.02, 0.1)) if rounded else (None,))


def torus(p: ProgramBuilder) -> Primitive:
    """A torus about the y axis."""

    def body(b: Block, x: Expr, major: Expr, minor: Expr) -> None:
        ring = b.let("ring|q|rho", wp.sqrt(x.x * x.x + x.z * x.z) - major)
        b.ret(wp.sqrt(ring * ring + x.y * x.y) - minor)

    params = {"x|p|pt": p.vec(), "major|R|ring_radius": p.real, "minor|r|tube": p.real}
    return Primitive(
        p.func("sd_torus|torus_sdf|torus_distance|donut", params, body), ((0.4, 0.8), (0.1, 0.3))
    )


def capsule(p: ProgramBuilder) -> Primitive:
    """A vertical capsule, or one between two points on the y axis."""

    def body(b: Block, x: Expr, half: Expr, r: Expr) -> None:
        if p.chance(0.5):
            y = b.let("y|dy|along", x.y - wp.clamp(x.y, -half, half))
            b.ret(wp.sqrt(x.x * x.x + y * y + x.z * x.z) - r)
        else:
            nearest = b.let(
                "c|core|axis_pt", construct(p.vec(), 0.0, wp.clamp(x.y, -half, half), 0.0)
            )
            b.ret(wp.length(x - nearest) - r)

    params = {"x|p|pt": p.vec(), "half|hh|half_height": p.real, "r|radius": p.real}
    return Primitive(
        p.func("sd_capsule|capsule_sdf|pill|capsule_distance", params, body),
        ((0.3, 0.6), (0.15, 0.35)),
    )


def cylinder(p: ProgramBuilder) -> Primitive:
    """A capped cylinder."""

    def body(b: Block, x: Expr, r: Expr, half: Expr) -> None:
        dr = b.let("dr|radial|dx", wp.sqrt(x.x * x.x + x.z * x.z) - r)
        dy = b.let("dy|axial|cap", wp.abs(x.y) - half)
        if p.chance(0.5):
            a, c = b.let("a|pr|ox", wp.max(dr, 0.0)), b.let("c|py|oy", wp.max(dy, 0.0))
            b.ret(wp.min(wp.max(dr, dy), 0.0) + wp.sqrt(a * a + c * c))
        else:
            outside = b.let(
                "outside|corner|o", construct(p.vec(2), wp.max(dr, 0.0), wp.max(dy, 0.0))
            )
            b.ret(wp.length(outside) + wp.min(wp.max(dr, dy), 0.0))

    params = {"x|p|pt": p.vec(), "r|radius": p.real, "half|hh": p.real}
    return Primitive(
        p.func("sd_cylinder|cylinder_sdf|rod|cylinder_distance", params, body),
        ((0.2, 0.6), (0.3, 0.7)),
    )


def plane(p: ProgramBuilder) -> Primitive:
    """A horizontal half space, or one with a slanted normal."""
    normal = [
        round(v, 3)
        for v in p.pick((0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.8, 0.0), (0.0, 0.8, 0.6))
    ]

    def body(b: Block, x: Expr, h: Expr) -> None:
        if normal == [0.0, 1.0, 0.0]:
            b.ret(x.y + h)
        else:
            b.ret(wp.dot(x, _vector(p, normal)) + h)

    return Primitive(
        p.func(
            "sd_plane|plane_sdf|ground|half_space", {"x|p|pt": p.vec(), "h|offset": p.real}, body
        ),
        ((0.3, 0.8),),
    )


def ellipsoid(p: ProgramBuilder) -> Primitive:
    """An ellipsoid, to first order."""

    def body(b: Block, x: Expr, r: Expr) -> None:
        k0 = b.let("k0|scaled|s", wp.length(wp.cw_div(x, r)))
        k1 = b.let("k1|slope|g", wp.length(wp.cw_div(x, wp.cw_mul(r, r))))
        with b.when(k1 < 1.0e-6):
            b.ret(-wp.min(r) if p.chance(0.5) else -wp.min(wp.min(r.x, r.y), r.z))
        b.ret(k0 * (k0 - 1.0) / k1)

    return Primitive(
        p.func(
            "sd_ellipsoid|ellipsoid_sdf|ovoid", {"x|p|pt": p.vec(), "radii|r|axes": p.vec()}, body
        ),
        (None,),
    )


def octahedron(p: ProgramBuilder) -> Primitive:
    """An octahedron, bound form."""

    def body(b: Block, x: Expr, s: Expr) -> None:
        q = b.let("q|m|ax", wp.abs(x))
        b.ret((q.x + q.y + q.z - s) * 0.57735027)

    return Primitive(
        p.func("sd_octahedron|octahedron_sdf|diamond", {"x|p|pt": p.vec(), "s|size": p.real}, body),
        ((0.4, 0.9),),
    )


def gyroid(p: ProgramBuilder) -> Primitive:
    """A thickened gyroid."""

    def body(b: Block, x: Expr, k: Expr, t: Expr) -> None:
        q = b.let("q|s|w", x * k)
        g = b.let(
            "g|val|gy",
            wp.sin(q.x) * wp.cos(q.y) + wp.sin(q.y) * wp.cos(q.z) + wp.sin(q.z) * wp.cos(q.x),
        )
        b.ret((wp.abs(g) - t) / k * 0.6)

    params = {"x|p|pt": p.vec(), "freq|k|wave": p.real, "t|thickness": p.real}
    return Primitive(
        p.func("sd_gyroid|gyroid_sdf|lattice|tpms", params, body), ((3.0, 8.0), (0.2, 0.5))
    )


PRIMITIVES = [
    sphere,
    sphere,
    box,
    box,
    torus,
    capsule,
    cylinder,
    plane,
    ellipsoid,
    octahedron,
    gyroid,
]


# --- operators ------------------------------------------------------------------------------------
