"""Regular sheets of cloth addressed by row and column: structural, shear and bending springs without index lists."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_STRUCTURAL = [(0, 1), (0, -1), (1, 0), (-1, 0)]
_SHEAR = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
_BEND = [(0, 2), (0, -2), (2, 0), (-2, 0)]


def _springs(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "cloth_grid_forces|sheet_springs|grid_cloth_step|regular_cloth_forces|update_cloth_grid|flag_forces",
        p.pick(
            "Structural, shear and bending springs of a regular sheet.",
            "Mass-spring cloth on a grid.",
            "Forces on the vertices of a rectangular cloth.",
        ),
    )
    g = Grid(
        k,
        "row|i|y|r col|j|x|c",
        shape=(p.pick(8, 10, 12, 16), p.pick(10, 12, 16, 20)),
        boundary="clamp",
    )
    vec = p.vec(dimension(p, 3))
    x = g.field("positions|x|verts|pos", vec, R.uniform(0.0, 2.0))
    v = g.field("velocities|v|vel", vec, R.uniform(-0.5, 0.5))
    if p.chance(0.5):
        _pins(p, k, g)
    xi, vi = x.read("xi|x0|p0|here"), v.read("vi|v0|vel_here")
    force = k.var("f|force|total", construct(vec, 0.0))
    spring = _spring_function(p, vec)
    families = p.sample(["structural", "shear", "bend"], 1, 3)
    if "structural" not in families:
        families.insert(0, "structural")
    form = p.pick("guards", "loop", "guards")
    for family in families:
        offsets = {"structural": _STRUCTURAL, "shear": _SHEAR, "bend": _BEND}[family]
        ke = k.param(
            {
                "structural": "k_struct|ke|stretch_ke",
                "shear": "k_shear|shear_ke",
                "bend": "k_bend|bend_ke",
            }[family],
            5.0,
            300.0,
        )
        rest = k.param(
            {
                "structural": "spacing|rest_length|l0",
                "shear": "diag_rest|shear_rest|l_diag",
                "bend": "bend_rest|l_bend",
            }[family],
            0.05,
            0.5,
        )
        k.step(f"{family} springs" if p.chance(0.6) else "")
        if form == "loop" and family == "structural":
            _box_loop(p, k, g, x, xi, force, spring, ke, rest)
            continue
        for di, dj in offsets:
            inside = [
                t for axis, step in ((0, di), (1, dj)) if step for t in [_within(g, axis, step)]
            ]
            with k.when(all_of(*inside)):
                k.aug(force, "+", spring(xi, x.at(*_shifted(g, di, dj)), rest, ke))
    _finish(p, k, g, vec, x, v, xi, vi, force)


def _pins(p: ProgramBuilder, k: KernelBuilder, g: Grid) -> None:
    row, col = g.index
    test = p.pick(row == 0, col == 0, all_of(row == 0, any_of(col == 0, col == g.extent(1) - 1)))
    with k.when(test):
        k.ret()


def _within(g: Grid, axis: int, step: int) -> Expr:
    i = g.index[axis]
    if step > 0:
        return (
            i < g.extent(axis) - step if step > 1 or g.k.p.chance(0.5) else i + 1 < g.extent(axis)
        )
    return i > 0 if step == -1 else i >= -step


def _shifted(g: Grid, di: int, dj: int) -> list[Expr]:
    return [
        i if s == 0 else i + s if s > 0 else i - (-s)
        for i, s in zip(g.index, (di, dj), strict=True)
    ]


def _spring_function(p: ProgramBuilder, vec: T.Vec):  # type: ignore[no-untyped-def]
    """The force of one spring on its first end, as a function of both positions."""
    form = p.pick("guarded", "plain", "max")

    def body(b: Block, a: Expr, c: Expr, rest: Expr, ke: Expr) -> None:
        d = b.let("d|delta|ab", c - a)
        length = b.let("l|dist|length", wp.length(d))
        if form == "guarded":
            with b.when(length < 1.0e-6):
                b.ret(construct(vec, 0.0))
            b.ret(d * (ke * (length - rest) / length))
        elif form == "plain":
            b.ret(wp.normalize(d) * (ke * (length - rest)))
        else:
            b.ret(d * (ke * (1.0 - rest / wp.max(length, 1.0e-6))))

    params = {"a|p|x0": vec, "b|q|x1": vec, "rest|l0": p.real, "ke|stiffness": p.real}
    return p.func(
        "spring_force|pull|edge_force|link_force",
        params,
        body,
        p.pick("Force of a spring on its first end.", "Hookean pull of b on a.", ""),
    )


def _box_loop(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grid,
    x: GridField,
    xi: Expr,
    force: Name,
    spring,
    ke: Expr,
    rest: Expr,
) -> None:  # type: ignore[no-untyped-def]
    with k.loop("dr|di|oy", -1, 2) as di, k.loop("dc|dj|ox", -1, 2) as dj:
        with k.when(wp.abs(di) + wp.abs(dj) != 1 if p.chance(0.5) else di * di + dj * dj != 1):
            k.cont()
        r, c = k.let("nr|ni|r1", g.index[0] + di), k.let("nc|nj|c1", g.index[1] + dj)
        with k.when(any_of(r < 0, r >= g.extent(0), c < 0, c >= g.extent(1))):
            k.cont()
        k.aug(force, "+", spring(xi, x.at(r, c), rest, ke))


def _finish(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grid,
    vec: T.Vec,
    x: GridField,
    v: GridField,
    xi: Expr,
    vi: Expr,
    force: Name,
) -> None:
    k.step(p.pick("", "external forces", "body forces"))
    mass = k.param("vertex_mass|mass|m", 0.05, 1.0)
    if p.chance(0.8):
        k.aug(
            force,
            "+",
            k.quantity("gravity|g", vec, p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81])) * mass,
        )
    if p.chance(0.5):
        k.aug(force, "-", vi * k.param("damping|drag|air_drag", 0.01, 1.0))
    if p.chance(0.3):
        wind = k.quantity("wind|wind_velocity", vec, [1.5, 0.0, 0.8])
        east, south = x[0, 1] - x[0, -1], x[1, 0] - x[-1, 0]
        n = k.let("n|normal|nrm", wp.normalize(wp.cross(east, south)))
        k.aug(force, "+", n * wp.dot(n, wind - vi))
    if p.chance(0.35):
        g.out("forces|f_out|net_force", vec).store(force)
        return
    dt = k.param("dt|timestep|h", 0.0005, 0.01)
    v_new = k.let("v_new|v1|vn", vi + force * (dt / mass))
    g.out("velocities_out|v_out|v_next", vec).store(v_new)
    if p.chance(0.85):
        g.out("positions_out|x_out|x_next", vec).store(xi + v_new * dt)


def _geometry(p: ProgramBuilder) -> None:
    goals = p.sample(["normal", "stretch", "shear", "curvature"], 1, 3)
    names = {
        "normal": (
            "sheet_normals|grid_normals|surface_normals",
            "Vertex normals of a regular sheet.",
        ),
        "stretch": ("sheet_strain|cloth_stretch|axis_strains", "Local stretch of the sheet."),
        "shear": ("sheet_shear|shear_measure|weave_angle", "Shear between warp and weft."),
        "curvature": (
            "cloth_curvature|bending_measure|sheet_bending",
            "Curvature by central differences.",
        ),
    }
    k = p.kernel_builder(*names[goals[0]])
    g = Grid(k, "row|i|y|r col|j|x|c", boundary=p.pick("clamp", "interior", "clamp", "periodic"))
    vec = p.vec(dimension(p, 3))
    x = g.field("positions|x|verts|surface", vec, R.uniform(0.0, 2.0))
    if p.chance(0.4):
        g.prepare((0, 1), (0, -1), (1, 0), (-1, 0))
    du, dv = (
        k.let("du|e_u|tangent_u", x[0, 1] - x[0, -1]),
        k.let("dv|e_v|tangent_v", x[1, 0] - x[-1, 0]),
    )
    normal = None
    if "normal" in goals or "curvature" in goals:
        normal = k.let("n|normal|nrm", wp.normalize(wp.cross(du, dv)))
    if "normal" in goals and normal is not None:
        g.out("normals|normal_out|vertex_normals", vec).store(normal)
    if "stretch" in goals:
        spacing = k.param("spacing|rest_length|dx", 0.1, 0.5)

        def body(b: Block, t: Expr, h: Expr) -> Expr:
            return wp.length(t) / (2.0 * h) - 1.0

        args_u, args_v = (
            {"t|tangent|d": du, "h|spacing": spacing},
            {"t|tangent|d": dv, "h|spacing": spacing},
        )
        su = k.let(
            "su|strain_u|eps_u", helper(p, k, "axis_strain|strain_along|stretch_of", args_u, body)
        )
        sv = k.let("sv|strain_v|eps_v", body(k, *args_v.values()))
        g.out("stretch|strain_out|max_strain", p.real).store(
            p.pick(wp.max(su, sv), 0.5 * (su + sv), wp.sqrt(su * su + sv * sv))
        )
    if "shear" in goals:
        cosine = wp.dot(wp.normalize(du), wp.normalize(dv))
        g.out("shear|shear_angle|skewness", p.real).store(
            cosine if p.chance(0.5) else wp.asin(wp.clamp(cosine, -0.999, 0.999))
        )
    if "curvature" in goals and normal is not None:
        lap = k.let("lap|laplacian|bend_v", x[0, 1] + x[0, -1] + x[1, 0] + x[-1, 0] - x.own * 4.0)
        g.out("curvature|mean_curvature|bending", p.real).store(wp.dot(lap, normal))


SHEETS = {_springs: 3, _geometry: 1.8}
