"""Shapes fitted to points: an intent of parameter_fitting."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._optim_least_squares import robust_weight
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def add_to(p: ProgramBuilder, k: KernelBuilder, array: Expr, at: Any, value: Expr) -> None:
    """Atomic accumulation at an index or a tuple of indices."""
    where = at if isinstance(at, tuple) else (at,)
    if p.augmented_atomics:
        k.aug(array[where], "+", value)
    else:
        k.do(wp.atomic_add(array, *where, value))


def shape_residuals(p: ProgramBuilder) -> None:
    """Residual and Jacobian of a geometric primitive per point, summed per primitive."""
    shape = p.weighted(
        {
            "circle": 3,
            "plane": 3,
            "line": 2.5,
            "sphere": 2.5,
            "cylinder": 1.5,
            "ellipse": 1.5,
            "polynomial": 2.5,
        }
    )
    k = p.kernel_builder(
        f"{shape}_residuals|fit_{shape}|accumulate_{shape}_fit|{shape}_normal_equations|linearize_{shape}",
        p.pick(
            "Adds every point to the normal equations of its primitive.",
            "Signed distances and their derivatives.",
            "Least-squares fit, one point per thread.",
            "Geometric fitting.",
        ),
    )
    e = Entities(k, p.pick("point", "sample", "measurement"), index="i|tid|pt")
    groups = p.pick(4, 8, 12)
    flat = shape in ("circle", "line", "ellipse", "polynomial")
    dim = 2 if flat else 3
    vec = p.vec(dim)
    x = k.let("x|pt|q", e.field("points|x_in|samples", vec, R.uniform(-2.0, 2.0)).own)
    e.guard()
    g = k.let(
        "g|group|fit_id",
        e.field(
            "labels|group_ids|segment", T.I32, R.integers(-1 if p.chance(0.5) else 0, groups)
        ).own,
    )
    with k.when(g < 0):
        k.ret()
    r, jac = _SHAPES[shape](p, k, g, groups, x)
    n = jac.type.n
    sq = k.let("sq|r2|d2", r * r)
    if p.chance(0.3):
        with k.when(sq > k.param("gate|max_sq|inlier_sq", 0.3, 2.0)):
            if p.chance(0.5):
                add_to(
                    p,
                    k,
                    k.out("outliers|num_rejected|rejected", T.I32, (groups,)),
                    g,
                    N.literal(1, T.I32),
                )
            k.ret()
    loss = robust_weight(p, k, sq, "scale|sigma|delta", 0.1, 1.0)
    if p.chance(0.35):
        loss.scale(
            "wi|weight_i|ww", e.field("weights|confidence|w_in", p.real, R.uniform(0.2, 1.0)).own
        )
    add_to(p, k, k.out("JtJ|normal|H", p.mat(n), (groups,)), g, loss.on(wp.outer(jac, jac)))
    add_to(p, k, k.out("Jtr|rhs|grad", p.vec(n), (groups,)), g, loss.on(jac * r))
    if p.chance(0.5):
        add_to(p, k, k.out("costs|errors|sse", p.real, (groups,)), g, loss.cost())
    if p.chance(0.4):
        add_to(p, k, k.out("counts|num_inliers|support", T.I32, (groups,)), g, N.literal(1, T.I32))
    if p.chance(0.25):
        e.out("residuals|distances|r_out", p.real).store(r)


Shape = tuple[Expr, Expr]


def _circle(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    c = k.array("circles|params|estimates", p.vec(3), (groups,), R.uniform(0.2, 1.0))[g]
    c = k.let("c|theta|prm", c)
    d = k.let("d|delta|rel", x - construct(p.vec(2), c[0], c[1]))
    dist = k.let("dist|rho|len_d", wp.max(wp.length(d), 1.0e-6))
    return k.let("r|res|err", dist - c[2]), k.let(
        "j|jac|grad_r", construct(p.vec(3), -d.x / dist, -d.y / dist, -1.0)
    )


def _sphere(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    center = k.array("centers|c_in|sphere_centers", p.vec(3), (groups,), R.uniform(-0.5, 0.5))[g]
    radius = k.array("radii|r_in|sphere_radii", p.real, (groups,), R.uniform(0.5, 1.5))[g]
    d = k.let("d|delta|rel", x - center)
    dist = k.let("dist|rho|len_d", wp.max(wp.length(d), 1.0e-6))
    n = k.let("n|dir|unit", d / dist)
    if p.chance(0.35):
        r = k.let("r|res|err", wp.dot(d, d) - radius * radius)
        return r, k.let(
            "j|jac|grad_r", construct(p.vec(4), -2.0 * d.x, -2.0 * d.y, -2.0 * d.z, -2.0 * radius)
        )
    return k.let("r|res|err", dist - radius), k.let(
        "j|jac|grad_r", construct(p.vec(4), -n.x, -n.y, -n.z, -1.0)
    )


def _plane(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    plane = k.let(
        "pl|plane|coef",
        k.array("planes|params|estimates", p.vec(4), (groups,), R.uniform(-1.0, 1.0))[g],
    )
    n = k.let("n|normal|nv", construct(p.vec(3), plane[0], plane[1], plane[2]))
    return k.let("r|res|dist", wp.dot(n, x) + plane[3]), k.let(
        "j|jac|grad_r", construct(p.vec(4), x.x, x.y, x.z, 1.0)
    )


def _line(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    if p.chance(0.5):
        ab = k.let(
            "ab|coef|line_p",
            k.array("lines|params|estimates", p.vec(2), (groups,), R.uniform(-1.0, 1.0))[g],
        )
        return k.let("r|res|err", x.y - (ab[0] + ab[1] * x.x)), k.let(
            "j|jac|grad_r", construct(p.vec(2), -1.0, -x.x)
        )
    ad = k.let(
        "ad|angle_dist|line_p",
        k.array("lines|params|estimates", p.vec(2), (groups,), R.uniform(-1.0, 1.0))[g],
    )
    c, s = k.let("c|cos_a", wp.cos(ad[0])), k.let("s|sin_a", wp.sin(ad[0]))
    return k.let("r|res|err", c * x.x + s * x.y - ad[1]), k.let(
        "j|jac|grad_r", construct(p.vec(2), c * x.y - s * x.x, -1.0)
    )


def _cylinder(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    origin = k.array("axis_points|origins|bases", p.vec(3), (groups,), R.uniform(-0.5, 0.5))[g]
    axis = k.let(
        "a|axis|dir", k.array("axes|directions|axis_dirs", p.vec(3), (groups,), R.unit_vectors())[g]
    )
    radius = k.array("radii|r_in", p.real, (groups,), R.uniform(0.4, 1.2))[g]
    d = k.let("d|rel|to_pt", x - origin)
    side = k.let("side|perp|radial", d - axis * wp.dot(d, axis))
    dist = k.let("dist|rho|len_s", wp.max(wp.length(side), 1.0e-6))
    n = k.let("n|unit|dir_s", side / dist)
    return k.let("r|res|err", dist - radius), k.let(
        "j|jac|grad_r", construct(p.vec(4), -n.x, -n.y, -n.z, -1.0)
    )


def _ellipse(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    q = k.let(
        "q|conic|coef",
        k.array("conics|params|estimates", p.vec(5), (groups,), R.uniform(-1.0, 1.0))[g],
    )
    basis = k.let("phi|basis|row", construct(p.vec(5), x.x * x.x, x.x * x.y, x.y * x.y, x.x, x.y))
    return k.let("r|res|err", wp.dot(q, basis) - 1.0), basis


def _polynomial(p: ProgramBuilder, k: KernelBuilder, g: Expr, groups: int, x: Expr) -> Shape:
    n = p.pick(2, 3, 4)
    coef = k.let(
        "coef|c_vec|beta",
        k.array("coefficients|params|betas", p.vec(n), (groups,), R.uniform(-1.0, 1.0))[g],
    )
    if p.chance(0.5):
        powers: list[Any] = [1.0, x.x, x.x * x.x, x.x * x.x * x.x][:n]
        basis = k.let("phi|basis|row", construct(p.vec(n), *powers))
    else:
        basis = k.var("phi|basis|row", construct(p.vec(n), 1.0))
        with k.loop("q|pw|deg", 1, n) as q:
            k.set(basis[q], basis[q - 1] * x.x)
    return k.let("r|res|err", wp.dot(coef, basis) - x.y), basis


_SHAPES: dict[str, Any] = {
    "circle": _circle,
    "sphere": _sphere,
    "plane": _plane,
    "line": _line,
    "cylinder": _cylinder,
    "ellipse": _ellipse,
    "polynomial": _polynomial,
}
