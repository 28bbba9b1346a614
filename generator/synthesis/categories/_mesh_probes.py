"""Short ray work on meshes: ground heights, lines of sight, crossing counts, occlusion."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import HANDLE, Closest, Mesh, found, mesh_argument, ray
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal

_AXES = {"y": [0.0, 1.0, 0.0], "z": [0.0, 0.0, 1.0]}
_POINTS = "positions|points|foot_pos|origins|agent_pos"


def _axis(values: list[float], sign: float = 1.0) -> Expr:
    return construct(T.VEC3, *(sign * v if v else 0.0 for v in values))


def ground(p: ProgramBuilder) -> None:
    """Height of points above a mesh, or points dropped onto it."""
    snap = p.chance(0.45)
    names = (
        "snap_to_ground|drop_points|place_on_terrain|project_down"
        if snap
        else "ground_clearance|height_above|terrain_height|altitude|height_above_ground"
    )
    k = p.kernel_builder(
        names,
        p.pick("One vertical ray per point.", "Height of the surface under each point.", "", ""),
    )
    e = Entities(k, p.pick("point", "foot", "agent", "tree"))
    mesh = mesh_argument(p, k, closed=False, hint=p.pick("", "terrain|ground_mesh|mesh|landscape"))
    up = _AXES[p.pick("y", "y", "z")]
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.0, 1.0)).read("x|pt|pos")
    e.guard()
    if p.chance(0.25):
        x = k.let(
            "xs|probe_pt|ahead",
            x
            + e.field("velocities|headings|lookahead", T.VEC3, R.uniform(-0.2, 0.2)).own
            * k.param("horizon|tau|lead_time", 0.1, 1.0),
        )
    lift = k.param("ray_height|start_height|lift", 1.0, 3.0)
    limit = k.param("max_t|max_drop|scan_range", 3.0, 9.0)
    if p.on("helper_function") and not snap:
        _by_function(p, k, e, mesh, x, up, lift, limit)
        return
    d = maybe(p, k, "down|d|dir", _axis(up, -1.0), 0.4)
    o = maybe(p, k, "o|start|origin", x + _axis(up) * lift if p.chance(0.5) else x - d * lift)
    c = ray(p, k, mesh.id, o, d, limit)
    with found(p, k, c):
        if snap:
            _snapped(p, k, e, c, o, d)
        else:
            height = c.part("t") - lift
            if p.chance(0.4):
                height = k.let("h|gap|height", height)
                with k.when(height < k.param("min_clearance|threshold|floor_gap", 0.05, 0.4)):
                    k.do(
                        wp.atomic_add(k.out("too_low|collisions|grounded_count", T.I32, (1,)), 0, 1)
                    )
            e.out("heights|clearance|altitudes", T.F32).store(height)
        _slope(p, k, e, c, up)


def _snapped(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Closest, o: Expr, d: Expr
) -> None:
    rest = k.param("offset|sole_height|stand_off", 0.01, 0.2) if p.chance(0.4) else None
    y = o + d * c.part("t") if p.chance(0.7) else c.point
    e.out("snapped|ground_points|placed", T.VEC3).store(y if rest is None else y - d * rest)


def _slope(p: ProgramBuilder, k: KernelBuilder, e: Entities, c: Closest, up: list[float]) -> None:
    for what in p.shuffled(p.sample(["normal", "slope", "face", "steep"], 0, 2)):
        n = c.part("normal")
        if what == "normal":
            e.out("ground_normals|normals|n_out", T.VEC3).store(n)
        elif what == "face":
            e.out("ground_faces|face_ids", T.I32).store(c.face)
        elif what == "slope":
            e.out("slopes|incline|tilt", T.F32).store(
                wp.acos(wp.clamp(wp.dot(n, _axis(up)), -1.0, 1.0))
            )
        else:
            limit = k.param("max_slope_cos|walkable_cos|cos_limit", 0.5, 0.9)
            e.out("walkable|is_flat|stable", T.I32).store(
                wp.where(wp.dot(n, _axis(up)) > limit, 1, 0)
            )


def _by_function(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    mesh: Mesh,
    x: Expr,
    up: list[float],
    lift: Expr,
    limit: Expr,
) -> None:
    nested = p.chance(0.5)

    def body(b: Block, m: Expr, pt: Expr, rise: Expr, reach: Expr) -> None:
        c = ray(p, b, m, pt + _axis(up) * rise, _axis(up, -1.0), reach)
        if nested:
            with b.when(c.hit):
                b.ret(c.part("t") - rise)
            b.ret(reach)
            return
        with b.when(negate(c.hit)):
            b.ret(reach if p.chance(0.6) else literal(0.0, T.F32))
        b.ret(c.part("t") - rise)

    params = {"mesh|mesh_id": HANDLE, "x|p|pt": T.VEC3, "lift|rise": T.F32, "max_t|reach": T.F32}
    f = p.func("clearance_at|height_over|probe_height|drop_distance", params, body)
    offsets = p.pick(1, 1, 3, 4)
    out = e.out("heights|clearance|altitudes", T.F32)
    if offsets == 1:
        h = f(mesh.id, x, lift, limit)
        out.store(h)
        return
    pattern = k.array("pattern|footprint|probe_offsets", T.VEC3, (offsets,), R.uniform(-0.2, 0.2))
    total = k.var("total|lowest|h_sum", 0.0 if p.chance(0.5) else 1.0e6)
    lowest = total.id == "lowest" or p.chance(0.5)
    with k.loop("j|leg|s", offsets if p.chance(0.4) else pattern.dim(0)) as j:
        h = f(mesh.id, x + pattern[j], lift, limit)
        k.set(total, wp.min(total, h) if lowest else total + h)
    out.store(total if lowest else total / float(offsets))


def sight(p: ProgramBuilder) -> None:
    """Whether a mesh stands between points and targets."""
    k = p.kernel_builder(
        "line_of_sight|check_visibility|visible_targets|segment_blocked|occlusion_test|can_see|shadow_test",
        p.pick("Line of sight to the target.", "Segments that the mesh interrupts.", "", ""),
    )
    e = Entities(k, p.pick("sensor", "agent", "point", "edge"))
    mesh = mesh_argument(p, k, closed=False)
    x = e.field(_POINTS, T.VEC3, R.uniform(-1.6, 1.6)).read("x|pt|pos")
    out = e.out("visible|clear|line_of_sight|seen", p.pick(T.I32, T.I32, T.F32))
    e.guard((out, literal(0, out.dtype)))
    targets = p.pick("one", "each", "many", "many")
    if targets == "many":
        goals = k.array(
            "targets|goals|lights|landmarks", T.VEC3, (p.pick(3, 4, 6),), R.uniform(-2.0, 2.0)
        )
        seen = k.var("count|seen_count|n_visible", 0)
        with k.loop("j|g|m", goals.dim(0)) as j:
            clear = _clear(p, k, e, mesh, x, goals[j])
            with k.when(clear):
                k.aug(seen, "+", 1)
        out.store(
            seen if out.dtype == T.I32 else construct(T.F32, seen) / construct(T.F32, goals.dim(0))
        )
        return
    goal = (
        k.quantity("target|goal|light_pos", T.VEC3, [0.5, 2.5, 0.3])
        if targets == "one"
        else e.field("targets|goals", T.VEC3, R.uniform(-2.0, 2.0)).own
    )
    clear = _clear(p, k, e, mesh, x, goal)
    one, zero = literal(1, out.dtype), literal(0, out.dtype)
    if p.chance(0.3):
        with k.when(clear):
            out.store(one)
            if p.chance(0.5):
                k.do(wp.atomic_add(k.out("visible_count|num_clear", T.I32, (1,)), 0, 1))
    else:
        out.store(choose(clear, one, zero) if p.chance(0.5) else wp.where(clear, one, zero))


def _clear(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, x: Expr, goal: Expr
) -> Expr:
    line = k.let("line|to_target|delta", goal - x)
    dist = k.let("dist|range_m|span", wp.length(line))
    d = maybe(p, k, "d|dir|heading", line / dist)
    start = (
        maybe(p, k, "start|o", x + d * k.param("bias|eps|skin", 1.0e-3, 1.0e-2))
        if p.chance(0.3)
        else x
    )
    tests: list[Expr] = []
    if p.chance(0.35):
        tests.append(dist < k.param("view_range|max_range|sensor_range", 2.0, 4.0))
    if p.chance(0.3):
        facing = e.field("headings|view_dirs|facing", T.VEC3, R.unit_vectors()).own
        tests.append(wp.dot(facing, d) > k.param("cos_fov|view_cos|fov_limit", 0.01, 0.7))
    if p.chance(0.7):
        tests.append(negate(wp.mesh_query_ray_anyhit(mesh.id, start, d, dist)))
    else:
        tests.append(negate(ray(p, k, mesh.id, start, d, dist).hit))
    return all_of(*tests)


def crossings(p: ProgramBuilder) -> None:
    """How often rays cross a mesh, and what follows from it."""
    k = p.kernel_builder(
        "count_crossings|count_hits|winding_parity|ray_layers|crossing_numbers|layer_count",
        p.pick("Number of surface crossings per ray.", "", ""),
    )
    e = Entities(k, p.pick("point", "ray", "column"))
    mesh = mesh_argument(p, k)
    x = e.field("origins|points|starts", T.VEC3, R.uniform(-1.3, 1.3)).read("x|o|pt")
    e.guard()
    if p.chance(0.5):
        d = e.field("directions|ray_dirs", T.VEC3, R.unit_vectors()).own
    else:
        d = k.quantity("axis|direction|scan_dir", T.VEC3, p.pick(*_AXES.values(), [0.3, 0.8, 0.5]))
    if p.chance(0.3):
        d = k.let("d|dir", wp.normalize(d))
    n = wp.mesh_query_ray_count_intersections(mesh.id, x, d)
    form = p.pick("plain", "half", "parity", "both", "histogram")
    if form in ("plain", "half"):
        e.out("crossings|hit_count|layers", T.I32).store(n if form == "plain" else n // 2)
        return
    n = k.let("n|count|hits", n)
    if form == "histogram":
        bins = p.pick(4, 8)
        k.do(
            wp.atomic_add(
                k.out("histogram|layer_hist|bins", T.I32, (bins,)), wp.min(n, bins - 1), 1
            )
        )
        return
    e.out("inside|parity|odd", T.I32).store(n % 2 if p.chance(0.6) else n & 1)
    if form == "both":
        other = wp.mesh_query_ray_count_intersections(mesh.id, x, -d)
        e.out("crossings_back|behind|reverse_hits", T.I32).store(other)


# --- occlusion ------------------------------------------------------------------------------------
