"""Cell lists, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._spatial_codes import cell_of, points
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of, between, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def cell_lists(p: ProgramBuilder) -> None:
    """Uniform grids: which cell, how many, and walks over the cells around a point."""
    p.pick(_assign_cells, _walk_cells, _walk_cells)(p)


def _dims(p: ProgramBuilder, k: KernelBuilder, side: int, axes: int) -> list[Expr]:
    if p.chance(0.5):
        return [k.count(f"n{a}|dim_{a}|cells_{a}", side) for a in "xyz"[:axes]]
    one = k.count("cells_per_side|grid_res|resolution", side)
    return [one] * axes


def _flat(dims: list[Expr], cells: list[Expr]) -> Expr:
    index = cells[0]
    for d, c in zip(dims[1:], cells[1:], strict=True):
        index = index * d + c
    return index


def _assign_cells(p: ProgramBuilder) -> None:
    axes, side = p.pick((3, 4), (3, 6), (2, 8), (2, 12))
    k = p.kernel_builder(
        "count_cells|assign_cells|build_cell_list|cell_counts|insert_particles|bin_particles",
        p.pick(
            "Cell of every particle and counts per cell.", "First pass of a cell-list build.", ""
        ),
    )
    e, x = points(k, "particle", axes)
    size = k.quantity("cell_size|cell_width|h_cell", T.F32, round(4.0 / side, 3))
    cells = cell_of(p, k, x, size, k.quantity("lower|origin|grid_min", T.Vec(axes), [-2.0] * axes))
    dims = _dims(p, k, side, axes)
    rule = p.pick("clamp", "wrap", "skip")
    if rule == "skip":
        with k.when(any_of(*[negate(between(0, c, d)) for c, d in zip(cells, dims, strict=True)])):
            e.out("cell_ids|cell_index|bucket", T.I32).store(-1)
            k.ret()
        inside: list[Expr] = list(cells)
    elif rule == "clamp":
        inside = [
            k.let(f"g{a}|b{a}", wp.clamp(c, 0, d - 1))
            for a, c, d in zip("xyz", cells, dims, strict=False)
        ]
    else:
        inside = [
            k.let(f"g{a}|b{a}", (c % d + d) % d)
            for a, c, d in zip("xyz", cells, dims, strict=False)
        ]
    cell = k.let("cell|flat|cell_id", _flat(dims, inside))
    e.out("cell_ids|cell_index|bucket", T.I32).store(cell)
    total = side**axes
    Table(e, "cell_counts|counts|occupancy", T.I32, (total,), role="out").add(1, cell)
    if p.chance(0.4):
        mass = e.property("mass|weight|m", 0.5, 2.0)
        Table(e, "cell_mass|density|mass_grid", T.F32, (total,), role="out").add(mass, cell)
    if p.chance(0.3):
        Table(e, "head|first_in_cell|list_head", T.I32, (total,), R.constant(-1), "inout").atomic(
            "max", e.index, cell
        )


def _walk_cells(p: ProgramBuilder) -> None:
    axes, side = p.pick((3, 4), (3, 5), (2, 8), (2, 10))
    k = p.kernel_builder(
        "neighbor_search|count_neighbors|cell_list_density|gather_neighbors|nearest_in_cells|build_neighbor_table",
        p.pick(
            "Neighbours within a radius through a cell list.",
            "Walk the cells around every particle.",
            "Density from the cells nearby.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|idx")
    t = T.Vec(axes)
    x = e.field("positions|points|x", t, R.uniform(-2.0, 2.0))
    e.guard()
    own = x.read("p_i|x_i|pos")
    total = side**axes
    start = Table(e, "cell_start|cell_offsets|cell_ptr", T.I32, (total + 1,), R.offsets(e.n))
    order = Table(e, "sorted_ids|cell_particles|particle_order", T.I32, (e.n,), R.permutation())
    radius, size = (
        k.param("radius|cutoff|support", 0.4, 1.2),
        k.quantity("cell_size|cell_width", T.F32, round(4.0 / side, 3)),
    )
    cells = cell_of(p, k, own, size, k.quantity("lower|origin|grid_min", t, [-2.0] * axes))
    dims = _dims(p, k, side, axes)
    periodic = p.chance(0.35)
    form = p.pick("count", "density", "nearest", "table", "mean")
    acc = {
        "count": lambda: k.var("count|n_nbr|found", 0),
        "density": lambda: k.var("rho|density|acc", 0.0),
        "nearest": lambda: k.var("best|nearest|d_min", 1.0e6),
        "table": lambda: k.var("n|found|slot", 0),
        "mean": lambda: k.var("mean|centroid|acc", construct(t, 0.0)),
    }[form]()
    extra = {
        "nearest": lambda: k.var("who|nearest_id|arg", -1),
        "mean": lambda: k.var("count|n_nbr|found", 0),
    }.get(form, lambda: None)()
    table = (
        Table(e, "neighbor_table|nbr_list|pairs", T.I32, (e.n, 16), R.constant(-1), "inout")
        if form == "table"
        else None
    )
    loops = [k.loop(f"d{a}|o{a}", -1, 2) for a in "xyz"[:axes]]
    offsets = [loop.__enter__() for loop in loops]
    shifted = [c + o for c, o in zip(cells, offsets, strict=True)]
    if periodic:
        near: list[Expr] = [
            k.let(f"n{a}|g{a}", (s + d) % d) for a, s, d in zip("xyz", shifted, dims, strict=False)
        ]
    else:
        near = [k.let(f"n{a}|g{a}", s) for a, s in zip("xyz", shifted, strict=False)]
        with k.when(any_of(*[any_of(s < 0, s >= d) for s, d in zip(near, dims, strict=True)])):
            k.cont()
    cell = k.let("cell|flat|cell_id", _flat(dims, near))
    with k.loop("s|slot|m", start[cell], start[cell + 1]) as s:
        j = k.let("j|other|nbr", order[s])
        with k.when(j == e.index):
            k.cont()
        d = k.let("d|dist|r", wp.length(x[j] - own))
        with k.when(d > radius if p.chance(0.6) else d >= radius):
            k.cont()
        _visit(p, k, e, form, acc, extra, table, d, j, radius, x[j])
    for loop in reversed(loops):
        loop.__exit__(None, None, None)
    _walk_result(p, k, e, form, acc, extra, t)


def _visit(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    acc: Name,
    extra: Name | None,
    table: Table | None,
    d: Expr,
    j: Expr,
    radius: Expr,
    xj: Expr,
) -> None:
    if form == "count":
        k.aug(acc, "+", 1)
    elif form == "density":
        q = k.let("q|u|ratio", 1.0 - d / radius)
        k.aug(acc, "+", q * q if p.chance(0.5) else q * q * q)
    elif form == "nearest" and extra is not None:
        with k.when(d < acc):
            k.set(acc, d)
            k.set(extra, j)
    elif table is not None:
        with k.when(acc < table.extent(1)):
            table.store(j, e.index, acc)
            k.aug(acc, "+", 1)
    elif extra is not None:
        k.aug(acc, "+", xj)
        k.aug(extra, "+", 1)


def _walk_result(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    form: str,
    acc: Name,
    extra: Name | None,
    t: T.Vec,
) -> None:
    if form in ("count", "table"):
        e.out("neighbor_counts|num_neighbors|counts", T.I32).store(acc)
        if p.chance(0.4):
            Table(e, "max_neighbors|largest_count", T.I32, (1,), role="out").atomic("max", acc, 0)
    elif form == "density":
        e.out("densities|rho_out|weights_out", T.F32).store(acc * k.param("mass|m_p", 0.1, 2.0))
    elif form == "nearest" and extra is not None:
        e.out("nearest_ids|nearest_out", T.I32).store(extra)
        with k.when(extra >= 0):
            e.out("nearest_dist|gaps|distances", T.F32).store(acc)
    elif extra is not None:
        with k.when(extra > 0):
            e.out("centroids|means_out|smoothed", t).store(acc / cast(T.F32, extra))
