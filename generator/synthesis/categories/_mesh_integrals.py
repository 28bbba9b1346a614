"""One thread a face: areas, volumes, moments, panel forces; and random points on faces."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Mesh, corners, mesh_argument
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal

_NAMES = {
    "normal": "face_normals|compute_face_normals|eval_normals|face_orientation",
    "area": "face_areas|surface_area|triangle_areas|measure_faces",
    "volume": "mesh_volume|signed_volume|enclosed_volume|volume_moments",
    "drag": "panel_forces|aero_forces|wind_load|surface_pressure_forces",
    "flux": "surface_flux|swept_volume|mass_flux|face_flux",
    "centroid": "face_centroids|triangle_centers|mesh_bounds|face_data",
    "project": "projected_area|frontal_area|lit_area|solar_area",
    "inertia": "mesh_inertia|second_moments|mass_properties|inertia_integrals",
    "heat": "surface_heat|convective_flux|face_heat_loss|wall_heat_flux",
}


def integrate(p: ProgramBuilder) -> None:
    """Surface and volume integrals, face by face."""
    goal = p.pick(*_NAMES)
    k = p.kernel_builder(
        _NAMES[goal], p.pick("One thread per face.", "Surface integral over the mesh.", "", "")
    )
    mesh = mesh_argument(p, k, closed=p.chance(0.7))
    e = Entities(k, "face", count=mesh.faces, index="f|face|tid|tri", layouts=False)
    e.guard()
    if goal == "normal":
        _normals(p, k, e, mesh)
        return
    a, b, c = corners(p, k, mesh.id, e.index)
    _INTEGRALS[goal](p, k, e, mesh, a, b, c)


def _total(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, hint: str, t: T.Type, value: Expr
) -> None:
    """Accumulation over all faces, or over those of each group."""
    if p.chance(0.25):
        groups = p.pick(4, 6, 8)
        label = e.field("face_group|panel_ids|region|face_labels", T.I32, R.integers(0, groups)).own
        k.do(wp.atomic_add(k.out(hint, t, (groups,)), label, value))
    else:
        k.do(wp.atomic_add(k.out(hint, t, (1,)), 0, value))


def _area_vector(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr, c: Expr) -> Expr:
    def body(_: Block, q0: Expr, q1: Expr, q2: Expr) -> Expr:
        return wp.cross(q1 - q0, q2 - q0) * 0.5

    if p.chance(0.3):
        e1, e2 = k.let("e1|ab|edge1", b - a), k.let("e2|ac|edge2", c - a)
        return k.let("s|area_vec|A", wp.cross(e1, e2) * 0.5)
    args = {"a|p0|v0": a, "b|p1|v1": b, "c|p2|v2": c}
    return k.let(
        "s|area_vec|A",
        piece(p, k, "area_vector|half_cross|directed_area", args, body, probability=0.6),
    )


def _normals(p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh) -> None:
    n = k.let("n|normal", wp.mesh_eval_face_normal(mesh.id, e.index))
    for what in p.shuffled(["normal", *p.sample(["slope", "center", "facing", "class"], 0, 3)]):
        if what == "normal":
            e.out("face_normals|normals", T.VEC3).store(n)
        elif what == "slope":
            up = k.quantity("up|gravity_dir|axis", T.VEC3, [0.0, 1.0, 0.0])
            cosine = wp.clamp(wp.dot(n, up), -1.0, 1.0)
            e.out("slopes|tilt|incline", T.F32).store(
                wp.acos(cosine) if p.chance(0.5) else wp.degrees(wp.acos(cosine))
            )
        elif what == "center":
            e.out("face_centers|centroids", T.VEC3).store(
                wp.mesh_eval_position(mesh.id, e.index, 0.333, 0.333)
            )
        elif what == "facing":
            view = k.quantity("view_dir|light_dir|probe_dir", T.VEC3, [0.3, 0.9, 0.3])
            with k.when(wp.dot(n, view) > k.param("cos_limit|threshold|grazing", 0.05, 0.5)):
                _total(p, k, e, "front_facing|facing_count|visible_faces", T.I32, literal(1, T.I32))
        else:
            axis = k.var("axis|dominant|facet", 0)
            with k.when(wp.abs(n.y) > wp.abs(n[axis])):
                k.set(axis, 1)
            with k.when(wp.abs(n.z) > wp.abs(n[axis])):
                k.set(axis, 2)
            e.out("dominant_axis|facet_class|chart_ids", T.I32).store(axis)


def _area(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    s = _area_vector(p, k, a, b, c)
    area = maybe(p, k, "area|size", wp.length(s))
    e.out("areas|face_areas", T.F32).store(area)
    if p.chance(0.6):
        _total(p, k, e, "total_area|surface_area|group_area", T.F32, area)
    if p.chance(0.35):
        rates = [
            wp.mesh_get_velocity(mesh.id, e.index * 3 + j if j else e.index * 3) for j in range(3)
        ]
        va, vb, vc = (
            k.let(h, r) for h, r in zip(("va|v_a", "vb|v_b", "vc|v_c"), rates, strict=True)
        )
        n = k.let("n|unit_n", wp.normalize(s))
        stretch = wp.cross(vb - va, c - a) + wp.cross(b - a, vc - va)
        e.out("area_rate|dA_dt|stretch_rate", T.F32).store(0.5 * wp.dot(n, stretch))
    if p.chance(0.35):
        edges = wp.length(b - a) + wp.length(c - b) + wp.length(a - c)
        e.out("quality|shape_factor|aspect", T.F32).store(
            area * p.pick(20.78461, 12.0) / wp.max(edges * edges, 1.0e-12)
        )
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("max_area|largest", T.F32, (1,)), 0, area))


def _volume(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    def tet(_: Block, q0: Expr, q1: Expr, q2: Expr) -> Expr:
        return wp.dot(q0, wp.cross(q1, q2)) / 6.0

    args = {"a|p0|v0": a, "b|p1|v1": b, "c|p2|v2": c}
    vol = k.let(
        "vol|tet_vol|dv",
        piece(p, k, "tetra_volume|signed_tet_volume|cone_volume", args, tet, probability=0.6),
    )
    if p.chance(0.4):
        e.out("face_volumes|contributions", T.F32).store(vol)
    if p.chance(0.4):
        rho = k.param("density|rho|mass_density", 0.5, 5.0)
        _total(p, k, e, "mass|total_mass", T.F32, vol * rho)
    else:
        _total(p, k, e, "volume|total_volume", T.F32, vol)
    if p.chance(0.6):
        _total(p, k, e, "moment|centroid_sum|first_moment", T.VEC3, (a + b + c) * (0.25 * vol))


def _drag(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    s = _area_vector(p, k, a, b, c)
    wind = k.quantity("wind|freestream|flow_vel", T.VEC3, [2.0, 0.0, 0.5])
    v = maybe(p, k, "v_panel|v_face", wp.mesh_eval_velocity(mesh.id, e.index, 0.333, 0.333))
    rel = k.let("rel|v_rel|u", wind - v)
    area = k.let("area|size", wp.length(s))
    n = k.let("n|normal", s / area if p.chance(0.5) else wp.normalize(s))
    vn = k.let("vn|normal_flow", wp.dot(rel, n))
    if p.chance(0.5):
        with k.when(vn >= 0.0):
            k.ret()
    rho, cd = k.param("air_density|rho", 0.5, 1.5), k.param("drag_coef|cd|cn", 0.2, 1.5)
    load = n * (cd * vn * wp.abs(vn))
    if p.chance(0.6):
        load = k.let("fn|f_normal", load) + (rel - n * vn) * (
            k.param("skin_friction|cf|ct", 0.01, 0.1) * wp.length(rel)
        )
    f = k.let("f|force|f_panel", load * (0.5 * rho * area))
    for what in p.shuffled(p.sample(["store", "force", "torque"], 1, 3)):
        if what == "store":
            e.out("face_forces|panel_force", T.VEC3).store(f)
        elif what == "force":
            _total(p, k, e, "total_force|net_force", T.VEC3, f)
        else:
            origin = k.quantity("com|pivot|reference_point", T.VEC3, [0.0, 0.1, 0.0])
            _total(
                p, k, e, "total_torque|net_moment", T.VEC3, wp.cross((a + b + c) / 3.0 - origin, f)
            )


def _flux(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    s = _area_vector(p, k, a, b, c)
    source = p.pick("center", "corners", "field")
    if source == "center":
        v = k.let("v|vel|u_mid", wp.mesh_eval_velocity(mesh.id, e.index, 0.333, 0.333))
    elif source == "corners":
        parts = [
            wp.mesh_get_velocity(mesh.id, e.index * 3 + j if j else e.index * 3) for j in range(3)
        ]
        v = k.let("v|vel|u_mean", (parts[0] + parts[1] + parts[2]) / 3.0)
    else:
        v = k.let(
            "v|vel|u_f",
            e.field("face_velocity|field_at_faces|transport", T.VEC3, R.uniform(-1.0, 1.0)).own,
        )
    flux = k.let("flux|q|phi", wp.dot(v, s))
    if p.chance(0.5):
        rho = e.property("density|concentration|rho", 0.5, 2.0)
        flux = flux * rho
    if p.chance(0.6):
        e.out("face_flux|fluxes", T.F32).store(flux)
    if p.chance(0.4):
        with k.when(wp.dot(v, s) > 0.0):
            _total(p, k, e, "outflow|flux_out", T.F32, flux)
        with k.otherwise():
            _total(p, k, e, "inflow|flux_in", T.F32, -flux)
    else:
        _total(p, k, e, "net_flux|swept_volume|dV", T.F32, flux)


def _centroid(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    mid = k.let("mid|centroid|g", (a + b + c) / 3.0)
    e.out("centroids|face_centers", T.VEC3).store(mid)
    lo, hi = wp.min(wp.min(a, b), c), wp.max(wp.max(a, b), c)
    form = p.pick("scene", "each", "both", "none")
    if form in ("each", "both"):
        lo, hi = k.let("lower|lo", lo), k.let("upper|hi", hi)
        pad = k.param("margin|pad|inflate", 0.001, 0.05) if p.chance(0.4) else None
        e.out("face_lowers|lowers|aabb_min", T.VEC3).store(
            lo if pad is None else lo - construct(T.VEC3, pad)
        )
        e.out("face_uppers|uppers|aabb_max", T.VEC3).store(
            hi if pad is None else hi + construct(T.VEC3, pad)
        )
    if form in ("scene", "both"):
        k.do(wp.atomic_min(k.out("bounds_min|scene_lower", T.VEC3, (1,), R.constant(100.0)), 0, lo))
        k.do(
            wp.atomic_max(k.out("bounds_max|scene_upper", T.VEC3, (1,), R.constant(-100.0)), 0, hi)
        )
    if form == "none":
        _total(
            p, k, e, "weighted_center|center_sum", T.VEC3, mid * wp.length(wp.cross(b - a, c - a))
        )


def _project(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    s = _area_vector(p, k, a, b, c)
    sun = k.quantity("direction|sun_dir|flow_dir", T.VEC3, [0.6, 0.8, 0.0])
    facing = k.let("facing|proj|s_dot", wp.dot(s, sun))
    hidden = p.chance(0.4)
    with k.when(facing > 0.0):
        if hidden:
            mid = k.let("mid|g|center", (a + b + c) / 3.0)
            n = wp.normalize(s)
            with k.when(
                wp.mesh_query_ray_anyhit(
                    mesh.id, mid + n * p.pick(1.0e-3, 1.0e-2), sun, p.pick(10.0, 100.0)
                )
            ):
                k.ret()
        if p.chance(0.6):
            e.out("projected_area|lit_area", T.F32).store(facing)
        _total(p, k, e, "frontal_area|shadow_area|lit_total", T.F32, facing)


def _inertia(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    det = k.let("det|six_vol", wp.dot(a, wp.cross(b, c)))
    s = k.let("s|corner_sum", a + b + c)
    if p.chance(0.5):
        second = wp.outer(a, a) + wp.outer(b, b) + wp.outer(c, c) + wp.outer(s, s)
        _total(p, k, e, "second_moment|covariance|moment2", T.MAT33, second * (det / 120.0))
    else:

        def diagonal(_: Block, q0: Expr, q1: Expr, q2: Expr, q: Expr) -> Expr:
            return wp.cw_mul(q0, q0) + wp.cw_mul(q1, q1) + wp.cw_mul(q2, q2) + wp.cw_mul(q, q)

        squares = piece(
            p,
            k,
            "corner_squares|second_diag",
            {"a|p0": a, "b|p1": b, "c|p2": c, "s|sum_": s},
            diagonal,
        )
        _total(p, k, e, "second_diag|diag_moment", T.VEC3, squares * (det / 120.0))
    _total(p, k, e, "volume|vol_sum", T.F32, det / 6.0)
    if p.chance(0.5):
        _total(p, k, e, "first_moment|mass_center", T.VEC3, s * (det / 24.0))


def _heat(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, a: Expr, b: Expr, c: Expr
) -> None:
    s = _area_vector(p, k, a, b, c)
    wall = k.let(
        "t_w|wall_temp|ts",
        e.field("face_temp|temperatures|surface_temp", T.F32, R.uniform(290.0, 360.0)).own,
    )
    q = k.var(
        "q|flux|loss",
        e.property("h_conv|film_coef|htc", 5.0, 50.0)
        * (wall - k.param("ambient|t_inf|air_temp", 280.0, 300.0)),
    )
    if p.chance(0.6):
        emissivity = k.param("emissivity|eps_rad|gray", 0.1, 0.95)
        ratio = k.let("tr|t_ratio|hundredth", wall * 0.01)
        k.aug(q, "+", emissivity * 5.67 * ratio * ratio * ratio * ratio)
    if p.chance(0.5):
        sun = k.quantity("sun_dir|solar_dir", T.VEC3, [0.3, 0.9, 0.3])
        k.aug(
            q,
            "-",
            k.param("solar|irradiance|dni", 100.0, 900.0)
            * wp.max(wp.dot(wp.normalize(s), sun), 0.0),
        )
    heat = k.let("power|watts|Q", q * wp.length(s))
    if p.chance(0.6):
        e.out("face_heat|heat_flow|losses", T.F32).store(heat)
    _total(p, k, e, "total_heat|net_power|heat_budget", T.F32, heat)


_INTEGRALS = {
    "area": _area, "volume": _volume, "drag": _drag, "flux": _flux, "centroid": _centroid, "project": _project,
    "inertia": _inertia, "heat": _heat,
}  # fmt: skip


# --- sampling -------------------------------------------------------------------------------------
