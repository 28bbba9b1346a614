"""Sampled distance fields: filling, set operations, redistancing, motion, measures, projection."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories import _sdf_scenes as scenes
from generator.synthesis.categories._rays import num
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

_AXES3 = "i|x|ix j|y|iy k|z|iz"
_AXES2 = "i|row|y j|col|x"
_PHI = "phi|sdf|level_set|distance"


def _grid(
    p: ProgramBuilder, k: KernelBuilder, planar: float = 0.4, boundary: str | None = None
) -> Grid:
    return Grid(k, _AXES2 if p.chance(planar) else _AXES3, boundary=boundary)


def fill(p: ProgramBuilder) -> None:
    """A composed scene written into a grid."""
    k = p.kernel_builder(
        "fill_sdf|bake_scene|init_level_set|rasterize_scene|write_distance_grid|init_phi|voxelize_scene",
        p.pick("Sample the scene at the cell centres.", "Initialise the level set.", ""),
    )
    g = Grid(k, _AXES3, boundary="clamp")
    f = scenes.scene(p, parts=p.pick(1, 2, 3))
    dx = k.param("dx|voxel_size|cell_size|h", 0.15, 0.4)
    coords = [construct(p.real, i) for i in g.index]
    if p.chance(0.5):
        origin = k.quantity("origin|lower|grid_min", p.vec(), [-1.5, -1.5, -1.5])
        half = p.pick(0.5, None)
        x = origin + construct(p.vec(), *(c + half if half else c for c in coords)) * dx
    else:
        x = construct(
            p.vec(),
            *((c - 0.5 * construct(p.real, g.extent(a) - 1)) * dx for a, c in enumerate(coords)),
        )
    d = f(k.let("x|pos|center|pt", x))
    match p.pick("plain", "clamp", "union", "occupancy", "both"):
        case "plain":
            g.out(_PHI, p.real).store(d)
        case "clamp":
            band = k.param("truncation|band|clamp_dist", 0.2, 1.0)
            g.out(_PHI, p.real).store(wp.clamp(d, -band, band))
        case "union":
            phi = g.inout(_PHI, p.real, R.uniform(-0.5, 1.5))
            phi.store(wp.min(phi.own, d) if p.chance(0.6) else wp.max(phi.own, -d))
        case "occupancy":
            d = k.let("d|dist|value", d)
            with k.when(d < 0.0):
                g.out("solid|occupancy|mask", T.I32).store(1)
                if p.chance(0.5):
                    k.do(
                        wp.atomic_add(
                            k.out("solid_count|num_solid|volume_cells", T.I32, (1,)), 0, 1
                        )
                    )
        case _:
            d = k.let("d|dist|value", d)
            g.out(_PHI, p.real).store(d)
            g.out("fraction|density|fill", p.real).store(wp.clamp(0.5 - d / dx, 0.0, 1.0))


def combine(p: ProgramBuilder) -> None:
    """Set operations and blends of two sampled fields."""
    k = p.kernel_builder(
        "csg_grids|combine_sdf|merge_fields|boolean_op|blend_level_sets|union_fields|subtract_field|composite_sdf",
        p.pick(
            "Combine two distance fields cell by cell.",
            "",
            "Constructive operation on sampled fields.",
        ),
    )
    g = _grid(p, k, boundary="clamp")
    hints = p.shuffled([("a", "phi_a|sdf_a|field_a|left"), ("b", "phi_b|sdf_b|field_b|right")])
    fields = {name: g.field(h, p.real, R.uniform(-0.6, 0.8)) for name, h in hints}
    a: Expr = fields["a"].own
    b: Expr = fields["b"].own
    if p.chance(0.5):
        a, b = k.let("a|d1|da", a), k.let("b|d2|db", b)
    result = _combined(p, k, a, b)
    result = _after(p, k, g, result)
    if p.chance(0.25):
        result = k.let("d|merged|result", result)
        k.do(
            wp.atomic_min(
                k.out("min_value|deepest|lowest", p.real, (1,), R.constant(100.0)), 0, result
            )
        )
    g.out("out|phi_out|result_sdf|merged_sdf", p.real).store(result)


def _combined(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr) -> Expr:
    match p.weighted({"op": 4, "mode": 2, "morph": 1.5, "smooth": 2, "chamfer": 1}):
        case "op":
            return scenes.combiner(p)(a, b)
        case "morph":
            t = k.param("t|morph|weight", 0.1, 0.9)
            return wp.lerp(a, b, t) if p.chance(0.5) else a * (1.0 - t) + b * t
        case "smooth":
            return scenes.smooth_union(p)(a, b, k.param("blend|radius|smoothness", 0.05, 0.4))
        case "chamfer":
            c = k.param("chamfer|bevel|cut", 0.05, 0.3)
            return wp.min(wp.min(a, b), (a + b - c) * 0.70710678)
    mode = k.count("mode|op|operation", p.pick(0, 1, 2))

    def body(blk: Block, d1: Expr, d2: Expr, op: Expr) -> None:
        with blk.when(op == 0):
            blk.ret(wp.min(d1, d2))
        with blk.when(op == 1):
            blk.ret(wp.max(d1, d2))
        if p.chance(0.4):
            with blk.when(op == 2):
                blk.ret(wp.max(d1, -d2))
            blk.ret(d1)
        else:
            blk.ret(wp.max(d1, -d2))

    if p.chance(0.6):
        f = p.func(
            "csg|apply_op|boolean|combine_values",
            {"a|d1": p.real, "b|d2": p.real, "op|mode": T.I32},
            body,
        )
        return f(a, b, mode)
    d = k.var("d|result|v", a)
    with k.when(mode == 0):
        k.set(d, wp.min(a, b))
    with k.elsewhen(mode == 1):
        k.set(d, wp.max(a, b))
    with k.otherwise():
        k.set(d, wp.max(a, -b))
    return d


def _after(p: ProgramBuilder, k: KernelBuilder, g: Grid, d: Expr) -> Expr:
    match p.weighted({"none": 4, "mask": 1.5, "offset": 1.5, "shell": 1, "clamp": 1}):
        case "mask":
            mask = g.field("mask|region|editable", T.I32, R.mask(0.7)).own
            keep = g.field("original|phi_old|backup", p.real, R.uniform(-0.5, 0.5)).own
            return choose(mask != 0, d, keep) if p.chance(0.5) else wp.where(mask == 1, d, keep)
        case "offset":
            return d - k.param("offset|grow|dilation", 0.01, 0.1)
        case "shell":
            return wp.abs(d) - k.param("thickness|wall|half_wall", 0.02, 0.1)
        case "clamp":
            t = k.param("truncation|band|limit", 0.2, 0.5)
            return wp.clamp(d, -t, t)
    return d


# --- level-set equations --------------------------------------------------------------------------


# --- measures and projections ---------------------------------------------------------------------


def project(p: ProgramBuilder) -> None:
    """Points against a sampled field: interpolation, gradients, projection onto the zero level."""
    k = p.kernel_builder(
        "sample_sdf_grid|project_to_surface|interpolate_field|grid_collision|snap_to_level_set|query_sdf_grid",
        p.pick("Trilinear lookup of the distance field.", "Move points onto the zero level.", ""),
    )
    e = Entities(k, p.pick("point", "particle", "vertex"))
    n = p.pick(8, 10, 12)
    phi = k.array("phi|sdf|field|grid", p.real, (n, n, n), R.uniform(-0.5, 0.5))
    dx = k.param("dx|voxel_size|cell_size", 0.2, 0.4)
    x_io = e.inout("points|positions|pos", p.vec(), R.uniform(0.2, 1.8)) if p.chance(0.6) else None
    x = k.var(
        "x|xi|pt",
        x_io.own
        if x_io is not None
        else e.field("points|positions|pos", p.vec(), R.uniform(0.2, 1.8)).own,
    )
    e.guard()
    f = _trilinear(p, phi)
    goal = p.pick("sample", "newton", "push") if x_io is not None else "sample"
    lower = k.quantity("origin|lower|grid_min", p.vec(), [0.0, 0.0, 0.0]) if p.chance(0.4) else None

    def at(point: Expr) -> Expr:
        return f(phi, (point if lower is None else point - lower) / dx)

    if goal == "sample":
        _store_samples(p, k, e, at, x, dx)
        if x_io is not None:
            x_io.store(x)
        return
    h = k.let("h|half_step|eps", dx * 0.5)
    if goal == "newton":
        with k.loop("it|_n|step", k.count("iterations|max_iters|newton_steps", p.pick(3, 4, 6))):
            d = k.let("d|dist|value", at(x))
            if p.chance(0.5):
                with k.when(wp.abs(d) < p.pick(1.0e-4, 1.0e-3)):
                    k.brk()
            grad = k.let("g|grad|slope", _central(p, at, x, h))
            k.aug(x, "-", grad * (d / wp.max(wp.dot(grad, grad), 0.01)))
    else:
        d = k.let("d|dist|value", at(x))
        margin = k.param("margin|radius|thickness", 0.01, 0.15)
        with k.when(d < margin):
            k.aug(x, "+", wp.normalize(_central(p, at, x, h)) * (margin - d))
    assert x_io is not None
    x_io.store(x)
    if p.chance(0.4):
        e.out("residual|final_distance|phi_out", p.real).store(at(x))


def _store_samples(p: ProgramBuilder, k: KernelBuilder, e: Entities, at, x: Name, dx: Expr) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.3):
        motion = e.field("velocities|drift|vel", p.vec(), R.uniform(-0.2, 0.2)).own
        k.aug(x, "+", motion * k.param("dt|timestep", 0.01, 0.1))
    d = k.let("d|dist|value", at(x))
    e.out("distances|sampled|phi_out", p.real).store(d)
    if p.chance(0.6):
        e.out("gradients|normals|grad_out", p.vec()).store(
            _central(p, at, x, k.let("h|eps", dx * 0.5))
        )
    if p.chance(0.3):
        with k.when(d < 0.0):
            k.do(wp.atomic_add(k.out("inside_count|num_inside", T.I32, (1,)), 0, 1))


def _central(p: ProgramBuilder, at, x: Expr, h: Expr) -> Expr:  # type: ignore[no-untyped-def]
    v = p.vec()
    zero = num(p, 0.0)
    steps = [construct(v, *(h if a == c else zero for c in range(3))) for a in range(3)]
    return construct(v, *(at(x + s) - at(x - s) for s in steps)) / (2.0 * h)


def _trilinear(p: ProgramBuilder, phi: Expr) -> UserFunction:
    """Interpolation at index coordinates, clamped to the grid."""
    nested = p.chance(0.5)

    def body(b: Block, a: Expr, q: Expr) -> None:
        low, weights = [], []
        for axis, w in enumerate(("x", "y", "z")):
            c = b.let(
                f"c{w}|q{w}|s{w}", wp.clamp(q.field(w), 0.0, construct(p.real, a.dim(axis)) - 1.001)
            )
            i = b.let(f"i{w}|{w}0", cast(T.I32, wp.floor(c)) if p.chance(0.5) else cast(T.I32, c))
            low.append(i)
            weights.append(b.let(f"t{w}|f{w}|w{w}", c - construct(p.real, i)))

        def corner(dx: int, dy: int, dz: int) -> Expr:
            index = tuple(i + d if d else i for i, d in zip(low, (dx, dy, dz), strict=True))
            return a[index]

        if nested:
            edges = {
                (y, z): b.let(
                    f"e{y}{z}|c{y}{z}", wp.lerp(corner(0, y, z), corner(1, y, z), weights[0])
                )
                for y in (0, 1)
                for z in (0, 1)
            }
            faces = [
                b.let(f"f{z}|s{z}", wp.lerp(edges[0, z], edges[1, z], weights[1])) for z in (0, 1)
            ]
            b.ret(wp.lerp(faces[0], faces[1], weights[2]))
            return
        total = b.var("total|acc|v", 0.0, p.real)
        with b.loop("dx|a", 2) as i, b.loop("dy|bb", 2) as j, b.loop("dz|cc", 2) as m:
            ws = []
            for offset, t in zip((i, j, m), weights, strict=True):
                ws.append(
                    choose(offset == 0, 1.0 - t, t)
                    if p.on("helper_function")
                    else wp.where(offset == 1, t, 1.0 - t)
                )
            b.aug(total, "+", ws[0] * ws[1] * ws[2] * a[low[0] + i, low[1] + j, low[2] + m])
        b.ret(total)

    params = {"phi|field|grid": phi.type, "q|uvw|ijk": p.vec()}
    return p.func(
        "trilinear|sample_grid|interp|lookup_field",
        params,
        body,
        p.pick("Trilinear interpolation, clamped.", ""),
    )
