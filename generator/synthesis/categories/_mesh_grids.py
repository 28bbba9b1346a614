"""Meshes sampled into grids, and vertex attributes carried over to points."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import (
    POINTS,
    Closest,
    closest,
    found,
    mesh_argument,
)
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def distance_grid(p: ProgramBuilder) -> None:
    """A mesh sampled into a grid: signed distance, occupancy, narrow band, nearest face."""
    k = p.kernel_builder(
        "mesh_to_sdf|voxelize|bake_distance_field|fill_sdf_grid|rasterize_sdf|build_sdf|sample_mesh_grid",
        p.pick(
            "Signed distance to the mesh at the cell centres.", "Bake the mesh into a grid.", ""
        ),
    )
    g = Grid(
        k,
        "i|x|ix j|y|iy k|z|iz",
        boundary="clamp",
        shape=p.pick((8, 8, 8), (8, 10, 8), (10, 10, 10)),
    )
    mesh = mesh_argument(p, k)
    origin = k.quantity("origin|lower|grid_min|bounds_min", T.VEC3, [-1.5, -1.5, -1.5])
    size = k.param("voxel_size|dx|cell_size|spacing", 0.25, 0.4)
    shift = p.pick(0.5, 0.5, None)
    coords = [construct(T.F32, i) + shift if shift else construct(T.F32, i) for i in g.index]
    x = k.let("x|center|pos|pt", origin + construct(T.VEC3, *coords) * size)
    kind = p.pick("sdf", "sdf", "band", "occupancy", "gradient", "coverage")
    limit = (
        k.param("max_dist|far_dist|bandwidth", 0.4, 2.0)
        if kind == "band"
        else k.param("max_dist|far_dist", 3.0, 9.0)
    )
    c = closest(p, k, mesh.id, x, limit)
    if kind == "band":
        field = g.out("sdf|phi|distance", T.F32)
        with k.when(negate(c.hit)):
            field.store(limit)
            k.ret()
        field.store(c.sign * wp.length(x - c.point))
        if p.chance(0.5):
            k.do(wp.atomic_add(k.out("band_count|active_cells|num_active", T.I32, (1,)), 0, 1))
        return
    with found(p, k, c, 0.2):
        _cell_result(p, k, g, c, x, kind, size)


def _cell_result(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, c: Closest, x: Expr, kind: str, size: Expr
) -> None:
    if kind == "occupancy":
        with k.when(c.sign < 0.0):
            g.out("occupancy|solid|mask", T.I32).store(1)
            if p.chance(0.5):
                k.do(
                    wp.atomic_add(k.out("volume|total_volume", T.F32, (1,)), 0, size * size * size)
                )
        return
    y = k.let("y|cp|foot", c.point)
    d = k.let("d|sdf|phi_val", c.sign * wp.length(x - y))
    if kind == "coverage":
        share = (
            wp.clamp(0.5 - d / size, 0.0, 1.0)
            if p.chance(0.5)
            else 1.0 - wp.smoothstep(-0.5 * size, 0.5 * size, d)
        )
        g.out("coverage|fraction|solid_fraction", T.F32).store(share)
        return
    g.out("sdf|phi|distance", T.F32).store(d)
    if kind == "gradient":
        n = (
            wp.where(wp.abs(d) > 1.0e-6, (x - y) / d, construct(T.VEC3))
            if p.chance(0.4)
            else wp.normalize((x - y) * c.sign)
        )
        g.out("grad|normals|sdf_grad", T.VEC3).store(n)
    elif p.chance(0.4):
        g.out("nearest_face|face_ids|closest_tri", T.I32).store(c.face)


def transfer(p: ProgramBuilder) -> None:
    """Vertex attributes carried over to nearby points."""
    k = p.kernel_builder(
        "transfer_attributes|interpolate_on_surface|sample_vertex_data|bake_attribute|wrap_deform|bind_to_surface",
        p.pick(
            "Interpolate vertex data at the closest points.",
            "Carry a vertex attribute over to the query points.",
            "",
        ),
    )
    e = Entities(k, p.pick("point", "vertex", "sample"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field(POINTS, T.VEC3, R.uniform(-1.4, 1.4)).read("x|pt|pos")
    kind = p.pick(T.F32, T.VEC3, T.VEC2, T.VEC4)
    hint = {
        T.F32: "temperature|weights|scalar_data",
        T.VEC3: "colors|displacement|vertex_data",
        T.VEC2: "uvs|texcoords",
        T.VEC4: "skin_weights|rgba",
    }[kind]
    data = k.array(hint, kind, (mesh.vertices,), R.uniform(0.0, 1.0))
    out = e.out("out|result|interpolated|transferred", kind)
    limit = k.param("max_dist|search_radius|cutoff", 0.8, 4.0)
    c = (
        closest(p, k, mesh.id, x, limit, signed=False)
        if p.chance(0.6)
        else closest(p, k, mesh.id, x, limit)
    )
    if p.chance(0.3):
        default = e.field("defaults|fallback|previous", kind, R.uniform(0.0, 1.0)).own
        out.store(default)
    with found(p, k, c):
        u, v = c.part("u"), c.part("v")
        if p.chance(0.5):
            u, v = k.let("u|b0", u), k.let("v|b1", v)
        w = maybe(p, k, "w|b2", 1.0 - u - v)
        ids = [wp.mesh_get_index(mesh.id, c.face * 3 + j if j else c.face * 3) for j in range(3)]
        if p.chance(0.6):
            ids = [k.let(h, i) for h, i in zip(("i0|ia", "i1|ib", "i2|ic"), ids, strict=True)]
        value = piece(
            p, k, "interpolate|barycentric_mix|blend_corners",
            {"a|d0": data[ids[0]], "b|d1": data[ids[1]], "c|d2": data[ids[2]], "u|b0": u, "v|b1": v, "w|b2": w},
            lambda _, a, b, d, q0, q1, q2: a * q0 + b * q1 + d * q2, probability=0.6,
        )  # fmt: skip
        if p.chance(0.35):
            fade = k.let(
                "fade|falloff|weight",
                wp.exp(
                    -wp.length(c.point - x) / k.param("falloff_dist|sigma|blend_radius", 0.1, 1.0)
                ),
            )
            value = value * fade
        if p.chance(0.2):
            with k.when(all_of(u > 0.0, v > 0.0, u + v < 1.0)):
                k.do(wp.atomic_add(k.out("interior_hits|face_hits", T.I32, (1,)), 0, 1))
        out.store(value)
