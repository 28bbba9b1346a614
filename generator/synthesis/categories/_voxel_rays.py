"""Rays through voxel grids and over height fields."""

from collections.abc import Callable
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rays import Ray, stored_ray
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

_AXES = ("x", "y", "z")


@dataclass(slots=True)
class Walker:
    """The state of a voxel walk: cell, step, next crossings and their increments, per axis."""

    cell: list[Name]
    step: list[Expr]
    crossing: list[Name]
    increment: list[Expr]
    t: Name  # parameter at which the ray entered the cell

    def advance(self, p: ProgramBuilder, k: KernelBuilder) -> None:
        """Steps into the next cell."""
        tx, ty, tz = self.crossing
        if p.chance(0.5):
            with k.when(all_of(tx < ty, tx < tz)):
                self._go(k, 0)
            with k.elsewhen(ty < tz):
                self._go(k, 1)
            with k.otherwise():
                self._go(k, 2)
            return
        with k.when(tx < ty):
            self._choose(k, tx < tz, 0)
        with k.otherwise():
            self._choose(k, ty < tz, 1)

    def _choose(self, k: KernelBuilder, condition: Expr, axis: int) -> None:
        with k.when(condition):
            self._go(k, axis)
        with k.otherwise():
            self._go(k, 2)

    def _go(self, k: KernelBuilder, axis: int) -> None:
        k.set(self.t, self.crossing[axis])
        k.aug(self.cell[axis], "+", self.step[axis])
        k.aug(self.crossing[axis], "+", self.increment[axis])


@dataclass(slots=True)
class Goal:
    """What a walk is for: a grid, the work in each cell, and the result."""

    grid: Expr
    visit: Callable[[], None]
    finish: Callable[[], None]


def walk(p: ProgramBuilder) -> None:
    """Amanatides-Woo traversal of a voxel grid."""
    k = p.kernel_builder(
        "traverse_voxels|march_occupancy|dda_walk|raycast_grid|voxel_traversal|carve_free_space|integrate_rays",
        p.pick("Walk each ray through the voxel grid.", "3-D digital differential analyser.", ""),
    )
    e = Entities(k, "ray")
    n = p.pick(8, 10, 12)
    ray = stored_ray(p, e)
    size = k.param("voxel_size|cell_size|dx", 0.1, 0.5)
    corner = (
        k.quantity("grid_origin|lower|grid_min", T.VEC3, [-1.0, -1.0, -1.0])
        if p.chance(0.5)
        else None
    )
    local = k.let(
        "rel|g|local", ray.origin / size if corner is None else (ray.origin - corner) / size
    )
    prefix = p.pick("s", "p", "g")
    start = [k.let(f"{prefix}{a}", wp.clamp(local.field(a), 0.001, n - 0.001)) for a in _AXES]
    prefix = p.pick("i", "c", "v")
    cell = [
        k.var(f"{prefix}{a}", cast(T.I32, wp.floor(s))) for a, s in zip(_AXES, start, strict=True)
    ]
    walker = _set_up(p, k, ray, start, cell)
    goal = p.pick(_first_hit, _first_hit, _attenuation, _projection, _log_odds)(
        p, k, e, (n, n, n), walker, size
    )
    k.step()
    _loop(p, k, n, walker, goal)
    goal.finish()


def _set_up(
    p: ProgramBuilder, k: KernelBuilder, ray: Ray, start: list[Name], cell: list[Name]
) -> Walker:
    f = _first_crossing(p)
    step: list[Expr] = []
    crossing: list[Name] = []
    increment: list[Expr] = []
    words = p.pick(("step_", "tmax_", "tdelta_"), ("s", "tm", "td"), ("inc_", "t_", "dt_"))
    for a, s, c in zip(_AXES, start, cell, strict=True):
        d = ray.direction.field(a)
        step.append(k.let(words[0] + a, wp.where(d > 0.0, 1, -1)))
        crossing.append(k.var(words[1] + a, f(s, d, c)))
        increment.append(k.let(words[2] + a, wp.min(wp.abs(1.0 / d), 1.0e8)))
    return Walker(cell, step, crossing, increment, k.var("t|t_enter|travelled", 0.0))


def _first_crossing(p: ProgramBuilder) -> UserFunction:
    def body(b: Block, s: Expr, d: Expr, v: Expr) -> None:
        if p.chance(0.5):
            with b.when(wp.abs(d) < 1.0e-6):
                b.ret(literal(1.0e8, T.F32))
            ahead = b.let("ahead|offset|side", wp.where(d > 0.0, 1.0, 0.0))
            b.ret((construct(T.F32, v) + ahead - s) / d)
            return
        with b.when(d > 1.0e-6):
            b.ret((construct(T.F32, v) + 1.0 - s) / d)
        with b.when(d < -1.0e-6):
            b.ret((construct(T.F32, v) - s) / d)
        b.ret(literal(1.0e8, T.F32))

    params = {"s|pos": T.F32, "d|dir": T.F32, "v|cell": T.I32}
    return p.func("first_crossing|next_boundary|edge_t|boundary_time", params, body)


def _loop(p: ProgramBuilder, k: KernelBuilder, n: int, walker: Walker, goal: Goal) -> None:
    extent = [goal.grid.dim(a) for a in range(3)] if p.chance(0.5) else [n, n, n]
    pairs = list(zip(walker.cell, extent, strict=True))
    if p.chance(0.5):
        with k.repeat(all_of(*(test for v, m in pairs for test in (v >= 0, v < m)))):
            goal.visit()
            walker.advance(p, k)
        return
    with k.loop("step|_it|it", k.count("max_steps|step_limit|max_iters", p.pick(24, 32, 40))):
        with k.when(any_of(*(test for v, m in pairs for test in (v < 0, v >= m)))):
            k.brk()
        goal.visit()
        walker.advance(p, k)


def _log_odds(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, shape: tuple[int, ...], w: Walker, size: Expr
) -> Goal:
    grid = k.array("log_odds|occupancy_sum|evidence", T.F32, shape, R.zeros(), "inout")
    miss = k.param("miss_weight|l_free|free_update", 0.1, 0.5)
    crossed = k.var("cells_crossed|visited|count", 0)
    limit = k.param("max_range|sensor_range|beam_length", 1.0, 4.0) if p.chance(0.5) else None

    def visit() -> None:
        if limit is not None:
            with k.when(w.t * size > limit):
                k.brk()
        k.do(wp.atomic_sub(grid, *w.cell, miss))
        k.aug(crossed, "+", 1)

    return Goal(
        grid, visit, lambda: e.out("cells_visited|free_cells|path_cells", T.I32).store(crossed)
    )


def _line_integral(
    p: ProgramBuilder, k: KernelBuilder, shape: tuple[int, ...], w: Walker, size: Expr
) -> tuple[Expr, Name, Callable[[], None]]:
    grid = k.array("density|extinction|sigma_t|mu", T.F32, shape, R.uniform(0.0, 0.8))
    total = k.var("tau|optical_depth|accum", 0.0)

    def visit() -> None:
        leave = k.let("t_exit|leave|t_out_cell", wp.min(wp.min(*w.crossing[:2]), w.crossing[2]))
        k.aug(total, "+", grid[tuple(w.cell)] * (leave - w.t) * size)

    return grid, total, visit


def _attenuation(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, shape: tuple[int, ...], w: Walker, size: Expr
) -> Goal:
    grid, total, add = _line_integral(p, k, shape, w, size)
    opaque = p.pick(4.0, 6.0, 10.0, None)

    def visit() -> None:
        add()
        if opaque is not None:
            with k.when(total > opaque):
                k.brk()

    def finish() -> None:
        e.out("transmittance|attenuation|visibility", T.F32).store(wp.exp(-total))

    return Goal(grid, visit, finish)


def _projection(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, shape: tuple[int, ...], w: Walker, size: Expr
) -> Goal:
    grid, total, visit = _line_integral(p, k, shape, w, size)

    def finish() -> None:
        if p.chance(0.5):
            measured = e.field("measured|sinogram|data", T.F32, R.uniform(0.0, 2.0)).own
            e.out("residuals|misfit|ray_error", T.F32).store(measured - total)
        else:
            e.out("line_integral|projection|ray_sum", T.F32).store(total)

    return Goal(grid, visit, finish)


def _first_hit(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, shape: tuple[int, ...], w: Walker, size: Expr
) -> Goal:
    kind = p.pick(T.U8, T.I32, T.F32)
    fill = R.uniform(0.0, 1.0) if kind == T.F32 else R.mask(0.1)
    grid = k.array("occupancy|voxels|grid|solid", kind, shape, fill)
    level: Expr | int = 0 if kind != T.F32 else k.param("threshold|iso|occ_level", 0.8, 0.95)
    hit = k.var("hit|found|hit_t", -1.0)
    cells = e.out("hit_cells|hit_voxels|cell_ids", T.Vec(3, T.I32)) if p.chance(0.5) else None

    def visit() -> None:
        value = grid[tuple(w.cell)]
        with k.when(value > level if kind == T.F32 else value != level):
            k.set(hit, w.t)
            if cells is not None:
                cells.store(construct(T.Vec(3, T.I32), *w.cell))
            k.brk()

    def finish() -> None:
        scaled = wp.where(hit >= 0.0, hit * size, hit)
        e.out("hit_distances|ranges|t_out", T.F32).store(scaled if p.chance(0.7) else hit)

    return Goal(grid, visit, finish)


# --- height fields --------------------------------------------------------------------------------


def height_field(p: ProgramBuilder) -> None:
    """Ray marching over a terrain, with refinement of the crossing."""
    k = p.kernel_builder(
        "march_heightfield|terrain_raycast|trace_terrain|height_scan|intersect_heightfield",
        p.pick("March rays over a height map.", "Find where rays cross the terrain.", ""),
    )
    e = Entities(k, "ray")
    n = p.pick(16, 24, 32)
    heights = k.array("heights|height_map|elevation|terrain", T.F32, (n, n), R.uniform(0.0, 0.6))
    cell = k.param("cell_size|spacing|resolution_m", 0.1, 0.3)
    o = e.field("ray_origins|origins|sensor_points", T.VEC3, R.uniform(0.8, 2.5)).read(
        "o|origin|ro"
    )
    d = e.field("ray_dirs|directions", T.VEC3, R.unit_vectors()).read("d|direction|rd")
    step = k.param("step_size|march_step|dt", 0.02, 0.1)
    f = _height_function(p, heights)
    ray = Ray(o, d)
    t, before = k.var("t|dist|s", 0.0), k.var("t_prev|t_last", 0.0)
    found = k.var("hit|found|below", 0)
    with k.loop("it|_step|n", k.count("num_steps|max_steps|march_steps", p.pick(32, 48, 64))):
        x = k.let("x|pt|pos", ray.at(t))
        with k.when(x.y < f(heights, x.x / cell, x.z / cell)):
            k.set(found, 1)
            k.brk()
        k.set(before, t)
        k.aug(t, "+", step if p.chance(0.7) else step * (1.0 + p.pick(0.05, 0.1) * t))
    if p.chance(0.6):
        with k.when(found == 1), k.loop("r|bisect|_k", p.pick(4, 6, 8)):
            mid = k.let("mid|tm|half_t", 0.5 * (before + t))
            y = k.let("y|pm|pos_m", ray.at(mid))
            with k.when(y.y < f(heights, y.x / cell, y.z / cell)):
                k.set(t, mid)
            with k.otherwise():
                k.set(before, mid)
    e.out("hit_t|ranges|distances", T.F32).store(
        wp.where(found == 1, t, construct(T.F32, p.pick(-1.0, 1000.0)))
    )
    if p.chance(0.5):
        with k.when(found == 1):
            e.out("hit_points|ground_points|contacts", T.VEC3).store(ray.at(t))


def _height_function(p: ProgramBuilder, heights: Expr):  # type: ignore[no-untyped-def]
    bilinear = p.chance(0.6)

    def body(b: Block, h: Expr, u: Expr, v: Expr) -> None:
        top = construct(T.F32, h.dim(0) - 1)
        if not bilinear:
            i = b.let("i|ix|col", cast(T.I32, wp.clamp(u, 0.0, top)))
            j = b.let("j|iz|row", cast(T.I32, wp.clamp(v, 0.0, top)))
            b.ret(h[i, j])
            return
        limit = b.let("top|last|edge", top - 0.001)
        x, y = b.let("x|fu|cu", wp.clamp(u, 0.0, limit)), b.let("y|fv|cv", wp.clamp(v, 0.0, limit))
        i, j = b.let("i|ix|i0", cast(T.I32, x)), b.let("j|iy|j0", cast(T.I32, y))
        a, c = b.let("a|wx|fx", x - construct(T.F32, i)), b.let("w|wy|fy", y - construct(T.F32, j))
        low = b.let("low|h0|near_edge", h[i, j] * (1.0 - a) + h[i + 1, j] * a)
        high = b.let("high|h1|far_edge", h[i, j + 1] * (1.0 - a) + h[i + 1, j + 1] * a)
        b.ret(low * (1.0 - c) + high * c if p.chance(0.5) else wp.lerp(low, high, c))

    return p.func(
        "sample_height|height_at|terrain_height|bilinear_height",
        {"h|heights|map_": heights.type, "u|x|gx": T.F32, "v|z|gz": T.F32},
        body,
    )
