"""Isolines and isosurfaces from grids: marching squares and cubes, cell by cell."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import num
from generator.synthesis.logic import any_of, between, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Call, Expr, Name

_CORNERS = [(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0), (0, 0, 1), (1, 0, 1), (1, 1, 1), (0, 1, 1)]


def _crossing(p: ProgramBuilder, v: T.Type) -> UserFunction:
    """Linear interpolation of an edge's crossing."""
    form = p.pick("lerp", "weights", "guarded")

    def body(b: Block, x: Expr, y: Expr, fx: Expr, fy: Expr, iso: Expr) -> None:
        if form == "guarded":
            with b.when(wp.abs(fy - fx) < 1.0e-8):
                b.ret((x + y) * 0.5)
        t = b.let("t|s|mu", (iso - fx) / (fy - fx))
        b.ret(
            x * (1.0 - t) + y * t
            if form == "weights"
            else wp.lerp(x, y, t)
            if form == "lerp"
            else x + (y - x) * t
        )

    params = {"x|p0|a": v, "y|p1|b": v, "fx|f0|va": p.real, "fy|f1|vb": p.real, "iso|level": p.real}
    return p.func(
        "interpolate_edge|vertex_on_edge|edge_crossing|iso_point",
        params,
        body,
        p.pick("Where the level crosses an edge.", ""),
    )


def cells(p: ProgramBuilder) -> None:
    """Pieces of marching cubes: cases, counts, edge vertices, table-driven triangles."""
    goals = {
        "case": "classify_cells|cube_cases|cell_cases|count_triangles",
        "edges": "edge_vertices|grid_edge_points|emit_edge_vertices",
        "emit": "emit_triangles|marching_cubes|polygonize_cells",
        "tetra": "marching_tetrahedra|tetra_cases|polygonize_tetra",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("One thread per cell.", "Isosurface extraction.", "", "")
    )
    n = p.pick(6, 7, 8)
    phi = k.array("field|phi|values|sdf", p.real, (n, n, n), R.uniform(-1.0, 1.0))
    cell = _launch(p, k, n - 1 if goal != "edges" else n)
    iso = k.param("iso|level|iso_value", 0.05, 0.4) if p.chance(0.6) else num(p, 0.0)
    if goal == "edges":
        _edge_points(p, k, phi, cell, n, iso)
        return
    if p.chance(0.3):
        solid = k.array("cell_mask|active_cells|valid", T.I32, (n - 1, n - 1, n - 1), R.mask(0.8))
        with k.when(solid[tuple(cell)] == 0):
            k.ret()
    values = [
        k.let(
            f"v{m}|f{m}|d{m}",
            phi[tuple(c + o if o else c for c, o in zip(cell, corner, strict=True))],
        )
        for m, corner in enumerate(_CORNERS)
    ]
    if goal == "tetra":
        _tetra(p, k, values, cell, n, iso)
        return
    code = _case(p, k, values, iso)
    shape = (n - 1, n - 1, n - 1)
    if goal == "case":
        _count(p, k, code, cell, shape)
        return
    with k.when(any_of(code == 0, code == 255) if p.chance(0.6) else code == 0):
        k.ret()
    _emit(p, k, values, code, cell, shape, iso)


def _launch(p: ProgramBuilder, k: KernelBuilder, m: int) -> list[Expr]:
    hints = ["i|x|ci", "j|y|cj", "k|z|ck"]
    if p.chance(0.7):
        k.launch_dim = (m, m, m)
        return list(k.unpack(hints, Call("wp.tid", (), (), T.TupleType((T.I32,) * 3))))
    k.launch_dim = (m * m * m,)
    t = k.let("tid|cell|c", wp.tid())
    size = k.count("cells|res|cells_per_axis", m) if p.chance(0.6) else m
    i = k.let(hints[0], t // (size * size))
    j = k.let(hints[1], t // size % size)
    return [i, j, k.let(hints[2], t % size)]


def _case(p: ProgramBuilder, k: KernelBuilder, values: list[Name], iso: Expr) -> Name:
    code = k.var("code|case|cube_index", 0)
    form = p.pick("if", "or", "where")
    for bit, v in enumerate(values):
        if form == "where":
            k.aug(code, "+", wp.where(v < iso, 1 << bit, 0))
            continue
        with k.when(v < iso):
            if form == "or":
                k.set(code, code | (1 << bit))
            else:
                k.aug(code, "+", 1 << bit)
    return code


def _count(
    p: ProgramBuilder, k: KernelBuilder, code: Name, cell: list[Expr], shape: tuple[int, ...]
) -> None:
    table = k.array("tri_count_table|case_counts|num_tris_table", T.I32, (256,), R.integers(0, 6))
    k.set(k.out("cases|cell_codes|case_ids", T.I32, shape)[tuple(cell)], code)
    n = k.let("n|tris|count", table[code])
    match p.pick("store", "total", "both", "histogram"):
        case "store":
            k.set(k.out("counts|tri_counts", T.I32, shape)[tuple(cell)], n)
        case "total":
            with k.when(n > 0):
                k.do(wp.atomic_add(k.out("total_triangles|num_triangles", T.I32, (1,)), 0, n))
        case "both":
            k.set(k.out("counts|tri_counts", T.I32, shape)[tuple(cell)], n)
            k.do(wp.atomic_add(k.out("total_triangles|num_triangles", T.I32, (1,)), 0, n))
        case _:
            k.do(wp.atomic_add(k.out("case_histogram|case_hist", T.I32, (256,)), code, 1))
            if p.chance(0.5):
                with k.when(between(0, code, 255, ("<", "<"))):
                    k.do(wp.atomic_add(k.out("active_cells|num_active", T.I32, (1,)), 0, 1))


def _position(p: ProgramBuilder, cell: list[Expr], corner: tuple[int, ...], dx: Expr) -> Expr:
    return (
        construct(
            p.vec(),
            *(construct(p.real, c + o if o else c) for c, o in zip(cell, corner, strict=True)),
        )
        * dx
    )


def _edge_points(
    p: ProgramBuilder, k: KernelBuilder, phi: Expr, cell: list[Expr], n: int, iso: Expr
) -> None:
    dx = k.param("dx|cell_size|spacing", 0.05, 0.3)
    f = _crossing(p, p.vec())
    out = k.out("edge_points|vertices|verts", p.vec(), (n, n, n, 3))
    flags = k.out("edge_flags|has_vertex|valid_edges", T.I32, (n, n, n, 3))
    here = k.let("v0|here|fa", phi[tuple(cell)])
    x = k.let("x0|base|p0", _position(p, cell, (0, 0, 0), dx))
    for axis in range(3):
        step = tuple(1 if a == axis else 0 for a in range(3))
        with k.when(cell[axis] < n - 1 if p.on("guard") else cell[axis] + 1 < phi.dim(axis)):
            other = k.let(
                "v1|there|fb",
                phi[tuple(c + o if o else c for c, o in zip(cell, step, strict=True))],
            )
            with k.when((here < iso) != (other < iso)):
                y = x + construct(p.vec(), *(dx if o else num(p, 0.0) for o in step))
                k.set(out[(*cell, axis)], f(x, y, here, other, iso))
                k.set(flags[(*cell, axis)], 1)
    if p.chance(0.4):
        with k.when(here < iso):
            k.do(wp.atomic_add(k.out("inside_count|num_inside", T.I32, (1,)), 0, 1))


def _emit(
    p: ProgramBuilder,
    k: KernelBuilder,
    values: list[Name],
    code: Name,
    cell: list[Expr],
    shape: tuple[int, ...],
    iso: Expr,
) -> None:
    dx = k.param("dx|cell_size|spacing", 0.05, 0.3)
    most = p.pick(4, 5)
    table = k.array("tri_table|case_table|edge_table", T.I32, (256, 3 * most), R.padded(0, 12, 0.4))
    f = _crossing(p, p.vec())
    wide = T.Vec(8, p.real)
    v = k.let("v|vals|corner_vals", construct(wide, *values))
    first, second = (
        k.array("edge_start|edge_a|tails", T.I32, (12,), R.integers(0, 8)),
        k.array("edge_end|edge_b|heads", T.I32, (12,), R.integers(0, 8)),
    )
    offsets = k.array("corner_offsets|corner_pos|offsets", p.vec(), (8,), R.integers(0, 2))
    base = k.let("base|origin|x0", _position(p, cell, (0, 0, 0), dx))
    area = k.var("area|cell_area|total", 0.0, p.real)
    made = k.var("made|n_tris|count", 0)

    def point(slot: Expr) -> Expr:
        e = k.let("e|edge_id|ed", table[code, slot])
        a, b = k.let("a|ca", first[e]), k.let("b|cb", second[e])
        return f(base + offsets[a] * dx, base + offsets[b] * dx, v[a], v[b], iso)

    with k.loop("t|tri|m", most) as t:
        with k.when(table[code, t * 3] < 0):
            k.brk()
        x = [
            k.let(h, point(t * 3 + m if m else t * 3))
            for m, h in enumerate(("p0|xa", "p1|xb", "p2|xc"))
        ]
        cr = k.let("cr|nrm|twice", wp.cross(x[1] - x[0], x[2] - x[0]))
        k.aug(area, "+", wp.min(0.5 * wp.length(cr), p.pick(1.0, 10.0)))
        k.aug(made, "+", 1)
    k.set(k.out("triangle_counts|tris_per_cell", T.I32, shape)[tuple(cell)], made)
    if p.chance(0.6):
        k.set(
            k.out("cell_areas|patch_area", p.real, shape)[tuple(cell)],
            wp.where(wp.isfinite(area), area, num(p, 0.0)),
        )
    else:
        with k.when(wp.isfinite(area)):
            k.do(wp.atomic_add(k.out("surface_area|total_area", p.real, (1,)), 0, area))


def _tetra(
    p: ProgramBuilder, k: KernelBuilder, values: list[Name], cell: list[Expr], n: int, iso: Expr
) -> None:
    split = p.pick(
        [(0, 5, 1, 6), (0, 1, 2, 6), (0, 2, 3, 6), (0, 3, 7, 6), (0, 7, 4, 6), (0, 4, 5, 6)],
        [(0, 1, 3, 4), (1, 2, 3, 6), (1, 3, 4, 6), (1, 4, 5, 6), (3, 4, 6, 7)],
    )

    def body(b: Block, a: Expr, c: Expr, d: Expr, e: Expr, level: Expr) -> None:
        m = b.var("m|inside|count", 0)
        for q in (a, c, d, e):
            with b.when(q < level):
                b.aug(m, "+", 1)
        if p.chance(0.5):
            with b.when(any_of(m == 0, m == 4)):
                b.ret(0)
            b.ret(choose(m == 2, 2, 1) if p.chance(0.5) else wp.where(m == 2, 2, 1))
        else:
            with b.when(m == 2):
                b.ret(2)
            with b.when(any_of(m == 1, m == 3)):
                b.ret(1)
            b.ret(0)

    r = p.real
    f = p.func(
        "tetra_triangles|tet_case|triangles_in_tet",
        {"a|v0": r, "b|v1": r, "c|v2": r, "d|v3": r, "iso|level": r},
        body,
        p.pick("Triangles that a tetrahedron contributes.", ""),
    )
    total = k.var("total|tris|n_tris", 0)
    for t in split:
        k.aug(total, "+", f(*(values[c] for c in t), iso))
    shape = (n - 1, n - 1, n - 1)
    k.set(k.out("tri_counts|triangles_per_cell", T.I32, shape)[tuple(cell)], total)
    if p.chance(0.6):
        with k.when(total > 0):
            k.do(wp.atomic_add(k.out("num_triangles|total_tris", T.I32, (1,)), 0, total))
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("active_cells|num_active", T.I32, (1,)), 0, 1))


# --- marching squares -----------------------------------------------------------------------------
