"""Vertex data of deforming meshes, read through the face corners of the mesh handle."""

from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import single_precision
from generator.synthesis.categories._mesh import Mesh, mesh_argument
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr


def kinematics(p: ProgramBuilder) -> None:
    """Positions, velocities and indices of face corners: rates, fluxes, swept bounds, lumped quantities."""
    p.weighted({per_face: 4, per_corner: 2.5, to_vertices: 2.5, swept: 2})(p)


@dataclass(slots=True)
class Triangle:
    """Corners of this thread's face and, where asked for, their velocities."""

    face: Expr
    x: list[Expr]
    v: list[Expr]

    @property
    def normal(self) -> Expr:
        """Twice the area along the normal."""
        return wp.cross(self.x[1] - self.x[0], self.x[2] - self.x[0])


def _corner(face: Expr, j: int) -> Expr:
    return face * 3 + j if j else face * 3


def _triangle(p: ProgramBuilder, k: KernelBuilder, mesh: Mesh, face: Expr, moving: bool = True) -> Triangle:  # fmt: skip
    first = k.let("c|base|first|corner", face * 3) if p.chance(0.5) else None
    at = [_corner(face, j) if first is None else first + j if j else first for j in range(3)]
    hints = p.pick(("x0|a|p0", "x1|b|p1", "x2|c|p2"), ("xa|pa", "xb|pb", "xc|pc"))
    x = [k.let(h, wp.mesh_get_point(mesh.id, c)) for h, c in zip(hints, at, strict=True)]
    if not moving:
        return Triangle(face, x, [])
    hints = ("v0|va|u0", "v1|vb|u1", "v2|vc|u2")
    v = [k.let(h, wp.mesh_get_velocity(mesh.id, c)) for h, c in zip(hints, at, strict=True)]
    return Triangle(face, x, v)


# --- one thread a face ----------------------------------------------------------------------------


def per_face(p: ProgramBuilder) -> None:
    """Velocities, fluxes and rates of the faces of a deforming mesh."""
    single_precision(p)
    k = p.kernel_builder(
        "face_kinematics|surface_flux|face_velocities|area_rates|surface_power|face_strain_rates",
        p.pick(
            "Rates of every face of a deforming mesh.",
            "Velocity and area change of the faces.",
            "Flux through a moving surface.",
            "",
        ),
    )
    mesh = mesh_argument(p, k, closed=p.chance(0.5))
    e = Entities(k, "face", count=mesh.faces, index="f|face|tid")
    e.guard()
    t = _triangle(p, k, mesh, e.index)
    nrm = k.let("nrm|n2|cr", t.normal)
    mean = k.let("v_mean|vf|v_face", (t.v[0] + t.v[1] + t.v[2]) / 3.0)
    wanted = p.shuffled(
        p.sample(["velocity", "flux", "area_rate", "energy", "stretch", "power", "spin"], 1, 3)
    )
    for what in wanted:
        _face_result(p, k, e, t, nrm, mean, what)
    if not {"velocity", "flux", "power"} & set(wanted):
        e.out("face_speed|speeds", T.F32).store(wp.length(mean))


def _face_result(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, t: Triangle, nrm: Expr, mean: Expr, what: str
) -> None:
    match what:
        case "velocity":
            e.out("face_vel|face_velocities|centroid_vel", T.VEC3).store(mean)
        case "flux":
            flux = 0.5 * wp.dot(mean, nrm)
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("volume_rate|net_flux|dV_dt", T.F32, (1,)), 0, flux))
            else:
                e.out("fluxes|normal_flux|face_flux", T.F32).store(flux)
        case "area_rate":
            turn = wp.cross(t.v[1] - t.v[0], t.x[2] - t.x[0]) + wp.cross(
                t.x[1] - t.x[0], t.v[2] - t.v[0]
            )
            turn = k.let("d_nrm|nrm_rate|dn", turn)
            with k.when(wp.length_sq(nrm) > 1.0e-12):
                e.out("area_rates|dA_dt|dilation", T.F32).store(
                    0.5 * wp.dot(wp.normalize(nrm), turn)
                )
        case "energy":
            rho = k.param("surface_density|rho_s|areal_mass", 0.1, 5.0)
            squares = wp.dot(t.v[0], t.v[0]) + wp.dot(t.v[1], t.v[1]) + wp.dot(t.v[2], t.v[2])
            k.do(
                wp.atomic_add(
                    k.out("kinetic_energy|energy|total_ke", T.F32, (1,)),
                    0,
                    rho * wp.length(nrm) / 12.0 * squares,
                )
            )
        case "stretch":
            worst = k.var("worst|max_rate|stretch", 0.0)
            for a, b in ((0, 1), (1, 2), (2, 0)):
                edge = k.let(f"e{a}{b}|d{a}{b}", t.x[b] - t.x[a])
                rate = wp.dot(edge, t.v[b] - t.v[a]) / wp.max(wp.length_sq(edge), 1.0e-8)
                k.set(worst, wp.max(worst, wp.abs(rate)))
            e.out("strain_rates|stretch_rate|edge_rates", T.F32).store(worst)
        case "power":
            pressure = e.property("pressure|contact_pressure|load", 0.1, 4.0)
            k.do(
                wp.atomic_add(
                    k.out("power|work_rate|total_power", T.F32, (1,)),
                    0,
                    -0.5 * pressure * wp.dot(mean, nrm),
                )
            )
        case _:
            centre = k.let("centroid|mid|xc", (t.x[0] + t.x[1] + t.x[2]) / 3.0)
            pivot = k.quantity("pivot|com|origin", T.VEC3, [0.1, 0.0, -0.1])
            moment = wp.cross(centre - pivot, mean) * (0.5 * wp.length(nrm))
            k.do(wp.atomic_add(k.out("angular_momentum|spin_sum", T.VEC3, (1,)), 0, moment))


# --- one thread a corner --------------------------------------------------------------------------


def per_corner(p: ProgramBuilder) -> None:
    """Unwelded buffers: one entry per corner of a face."""
    single_precision(p)
    k = p.kernel_builder(
        "expand_corners|unweld_mesh|fetch_corners|corner_buffers|predict_corners|copy_mesh_geometry|export_triangles",
        p.pick(
            "One vertex per face corner, for drawing.",
            "Copy the geometry out of the mesh.",
            "Positions of the corners after a step.",
            "",
        ),
    )
    mesh = mesh_argument(p, k, closed=False)
    flat = p.chance(0.45)
    corner, store = _flat(k, mesh) if flat else _by_face(p, k, mesh)
    wanted = p.shuffled(
        p.sample(["point", "index", "velocity", "predicted", "speed", "color"], 1, 3)
    )
    x = None
    if "point" in wanted or "predicted" in wanted:
        x = k.let("x|pos|pt", wp.mesh_get_point(mesh.id, corner))
    v = None
    if {"velocity", "predicted", "speed"} & set(wanted):
        v = k.let("v|vel|u", wp.mesh_get_velocity(mesh.id, corner))
    for what in wanted:
        if what == "point" and x is not None:
            scale = k.param("scale|units|zoom", 0.2, 5.0) if p.chance(0.3) else None
            store("corner_pos|vertices_out|draw_pos", T.VEC3, x if scale is None else x * scale)
        elif what == "index":
            store("corner_ids|index_out|vertex_ids", T.I32, wp.mesh_get_index(mesh.id, corner))
        elif what == "velocity" and v is not None:
            store("corner_vel|velocities_out|draw_vel", T.VEC3, v)
        elif what == "predicted" and x is not None and v is not None:
            dt = k.param("dt|timestep|frame_time", 0.005, 0.05)
            store("predicted|x_next|corner_pred", T.VEC3, x + v * dt)
        elif what == "speed" and v is not None:
            store("corner_speed|speeds|velocity_norm", T.F32, wp.length(v))
        elif what == "color":
            colors = k.array("vertex_colors|colors|attributes", T.VEC3, (mesh.vertices,), R.uniform(0.0, 1.0))  # fmt: skip
            store("corner_colors|colors_out", T.VEC3, colors[wp.mesh_get_index(mesh.id, corner)])


def _flat(k: KernelBuilder, mesh: Mesh):  # type: ignore[no-untyped-def]
    e = Entities(k, "corner", count=3 * mesh.faces, index="c|corner|tid")
    return e.index, lambda hint, t, value: e.out(hint, t).store(value)


def _by_face(p: ProgramBuilder, k: KernelBuilder, mesh: Mesh):  # type: ignore[no-untyped-def]
    k.launch_dim = (mesh.faces, 3)
    face, j = k.unpack(
        ["f|face|tri", "j|corner|side"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
    )
    corner = k.let("c|slot|at", face * 3 + j)
    joined = p.chance(0.5)

    def store(hint: str, t: T.Type, value: Expr) -> None:
        if joined:
            k.set(k.out(hint, t, (3 * mesh.faces,))[corner], value)
        else:
            k.set(k.out(hint, t, (mesh.faces, 3))[face, j], value)

    return corner, store


# --- onto vertices --------------------------------------------------------------------------------


def to_vertices(p: ProgramBuilder) -> None:
    """Face quantities lumped onto the vertices with atomics."""
    single_precision(p)
    k = p.kernel_builder(
        "lump_mass|scatter_to_vertices|vertex_areas|accumulate_momentum|vertex_normals|lump_face_loads",
        p.pick(
            "Lump face quantities onto the vertices.",
            "A third of each face for each of its corners.",
            "Area-weighted vertex quantities.",
            "",
        ),
    )
    mesh = mesh_argument(p, k, closed=p.chance(0.6))
    e = Entities(k, "face", count=mesh.faces, index="f|face|tid")
    wanted = p.shuffled(p.sample(["mass", "momentum", "normal", "load", "mean_velocity"], 1, 3))
    moving = bool({"momentum", "mean_velocity"} & set(wanted))
    t = _triangle(p, k, mesh, e.index, moving)
    nrm = k.let("nrm|n2|area_vec", t.normal)
    third = k.let("third|share|area3", wp.length(nrm) / 6.0)
    ids = [
        k.let(h, wp.mesh_get_index(mesh.id, _corner(e.index, j)))
        for j, h in enumerate(("i0|ia", "i1|ib", "i2|ic"))
    ]
    size = (mesh.vertices,)
    for what in wanted:
        if what == "mass":
            rho = k.param("density|rho|areal_density", 0.1, 5.0)
            out, values = k.out("vertex_mass|masses|lumped", T.F32, size), [third * rho] * 3
        elif what == "momentum":
            out = k.out("momentum|vertex_momentum|mv", T.VEC3, size)
            values = [v * third for v in t.v]
        elif what == "normal":
            out = k.out("vertex_normals|normal_sum|normals", T.VEC3, size)
            values = [nrm] * 3 if p.chance(0.6) else [wp.normalize(nrm)] * 3
        elif what == "load":
            load = e.field("pressure|face_load|traction", T.F32, R.uniform(-1.0, 1.0)).own
            force = k.let("f_face|force|push", nrm * (load / 6.0))
            out, values = k.out("vertex_forces|nodal_loads|forces", T.VEC3, size), [force] * 3
        else:
            mean = k.let("v_mean|vf", (t.v[0] + t.v[1] + t.v[2]) * (third / 3.0))
            out, values = k.out("smoothed_vel|vel_sum|mean_vel", T.VEC3, size), [mean] * 3
        for i, value in zip(ids, values, strict=True):
            k.do(wp.atomic_add(out, i, value))
    if not {"mass", "momentum", "mean_velocity"} & set(wanted):
        e.out("face_area|areas", T.F32).store(third * 3.0)


# --- over a step ----------------------------------------------------------------------------------


def swept(p: ProgramBuilder) -> None:
    """Bounds and volumes that faces sweep in a step."""
    single_precision(p)
    k = p.kernel_builder(
        "swept_bounds|ccd_bounds|motion_bounds|predict_face_bounds|swept_volume|max_displacement",
        p.pick(
            "Bounds of every face over the next step.",
            "Conservative bounds for continuous collision detection.",
            "",
        ),
    )
    mesh = mesh_argument(p, k, closed=False)
    e = Entities(k, "face", count=mesh.faces, index="f|face|tid")
    t = _triangle(p, k, mesh, e.index)
    dt = e.world_param("dt|timestep|h", 0.005, 0.05)
    lo = k.var("lo|lower|low", wp.min(wp.min(t.x[0], t.x[1]), t.x[2]))
    hi = k.var("hi|upper|high", wp.max(wp.max(t.x[0], t.x[1]), t.x[2]))
    pad = construct(T.VEC3, k.param("margin|skin|padding", 0.001, 0.05))
    if p.chance(0.5):
        ends = [k.let(h, x + v * dt) for h, x, v in zip(("y0|a1", "y1|b1", "y2|c1"), t.x, t.v, strict=True)]  # fmt: skip
        for y in ends:
            k.set(lo, wp.min(lo, y))
            k.set(hi, wp.max(hi, y))
    else:
        fastest = k.let("fastest|vmax|reach", wp.max(wp.max(wp.length(t.v[0]), wp.length(t.v[1])), wp.length(t.v[2])))  # fmt: skip
        pad = k.let("pad|grow|ext", pad + construct(T.VEC3, fastest * dt))
    e.out("lowers|box_lower|lo_out", T.VEC3).store(lo - pad)
    e.out("uppers|box_upper|hi_out", T.VEC3).store(hi + pad)
    for what in p.sample(["volume", "moved", "far"], 0, 2):
        mean = (t.v[0] + t.v[1] + t.v[2]) * (dt / 3.0)
        if what == "volume":
            e.out("swept_volumes|sweep", T.F32).store(0.5 * wp.dot(t.normal, mean))
        elif what == "moved":
            k.do(wp.atomic_max(k.out("max_move|largest_step", T.F32, (1,)), 0, wp.length(mean)))
        else:
            limit = k.param("max_travel|travel_limit", 0.005, 0.04)
            with k.when(wp.length(mean) > limit):
                k.do(wp.atomic_add(k.out("fast_faces|num_fast", T.I32, (1,)), 0, 1))
