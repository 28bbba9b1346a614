"""Isosurfaces, projections and slices of volumes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._rays import Ray, camera_ray, maybe
from generator.synthesis.categories._volume import Volume, texture_argument, volume_argument
from generator.synthesis.categories._volume_march import _bounds, _index_ray, _items, _value, _view
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def isosurface(p: ProgramBuilder) -> None:
    """First crossing of an iso value, refined and shaded."""
    k = p.kernel_builder(
        "render_isosurface|trace_level_set|iso_raycast|march_isosurface|sphere_trace_volume|find_surface",
        p.pick("Ray cast an isosurface of the volume.", "Locate and shade the level set.", ""),
    )
    items = _items(p, k)
    ray = _view(p, k, items)
    volume = volume_argument(
        p,
        k,
        T.F32,
        hint=p.pick("", "sdf|level_set|phi_volume"),
        field=p.pick("sphere", "sphere", "gyroid"),
    )
    t, stop, _ = _bounds(p, k, ray, volume)
    hit = k.var("hit|found|crossed", 0)
    if p.chance(0.4):
        _sphere_steps(p, k, volume, ray, t, stop, hit)
    else:
        _fixed_steps(p, k, volume, ray, t, stop, hit)
    _surface(p, k, items, volume, ray, t, hit)


def _sphere_steps(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, ray: Ray, t: Name, stop: Expr, hit: Name
) -> None:
    eps = k.param("epsilon|hit_eps|tolerance", 1.0e-3, 1.0e-2)
    with k.loop("i|n|it", k.count("max_steps|iterations|march_steps", p.pick(32, 48))):
        with k.when(t > stop):
            k.brk()
        d = k.let("d|phi|dist", _value(p, k, volume, ray.at(t)))
        with k.when(d < eps):
            k.set(hit, 1)
            k.brk()
        k.aug(t, "+", wp.max(d, eps) if p.chance(0.5) else wp.clamp(d, eps, p.pick(0.1, 0.2)))


def _fixed_steps(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, ray: Ray, t: Name, stop: Expr, hit: Name
) -> None:
    iso = k.param("iso|iso_value|level", 0.01, 0.2)
    step = k.param("step_size|dt|ds", 0.05, 0.15)
    before = k.var("v_prev|last|previous", _value(p, k, volume, ray.at(t)) - iso)
    with k.repeat(t < stop):
        ahead = k.let("t_next|t1", t + step)
        v = k.let("v|value|f1", _value(p, k, volume, ray.at(ahead)) - iso)
        with k.when(before * v < 0.0 if p.chance(0.6) else all_of(before > 0.0, v <= 0.0)):
            if p.chance(0.6):
                k.set(t, t + step * before / (before - v))
            else:
                lo, hi = k.var("lo|a_t", t), k.var("hi|b_t", ahead)
                with k.loop("r|bis|_k", p.pick(4, 5, 6)):
                    mid = k.let("mid|tm", 0.5 * (lo + hi))
                    with k.when((_value(p, k, volume, ray.at(mid)) - iso) * before > 0.0):
                        k.set(lo, mid)
                    with k.otherwise():
                        k.set(hi, mid)
                k.set(t, 0.5 * (lo + hi) if p.chance(0.5) else hi)
            k.set(hit, 1)
            k.brk()
        k.set(before, v)
        k.set(t, ahead)


def _surface(
    p: ProgramBuilder,
    k: KernelBuilder,
    items: Grid | Entities,
    volume: Volume,
    ray: Ray,
    t: Name,
    hit: Name,
) -> None:
    mode = p.pick("depth", "normal", "shade", "shade")
    depth = items.out("depth|hit_t|ranges", T.F32)
    with k.when(hit == 0):
        depth.store(p.pick(-1.0, 0.0, 100.0))
        if mode == "shade" and p.chance(0.6):
            items.out("pixels|image|colors", T.VEC3).store(shading.background(p, k, ray))
        k.ret()
    depth.store(t)
    if mode == "depth":
        return
    x = k.let("x|pos|hit_pos", ray.at(t))
    grad = _gradient(p, k, volume, x)
    n = k.let(
        "n|normal",
        wp.normalize(wp.volume_index_to_world_dir(volume.id, grad) if p.chance(0.4) else grad),
    )
    if mode == "normal":
        items.out("normals|normal_map|n_out", T.VEC3).store(n)
        return
    sun = k.quantity("light_dir|sun_dir|key_light", T.VEC3, [0.36, 0.8, 0.48])
    level = k.let("level|diffuse|ndl", shading.reflection(p, k)(n, sun, -ray.direction))
    albedo = k.quantity("albedo|base_color|surface_color", T.VEC3, [0.8, 0.7, 0.6])
    items.out("shaded|lit_color|surface_rgb", T.VEC3).store(
        shading.tone(p, k, albedo * (level + p.pick(0.05, 0.1, 0.2)))
    )


def _gradient(p: ProgramBuilder, k: KernelBuilder, volume: Volume, x: Expr) -> Expr:
    q = k.let("q|uvw|ijk", volume.to_index(x))
    if p.chance(0.4):
        parts = []
        for a, letter in enumerate("xyz"):
            step = construct(T.VEC3, *(1.0 if a == c else 0.0 for c in range(3)))
            slope = volume.sample(q + step) - volume.sample(q - step)
            parts.append(k.let(f"g{letter}|d{letter}|slope_{letter}", slope))
        return construct(T.VEC3, *parts)
    value, grad = volume.with_gradient(k, q)
    phi = k.let("phi|value|f_hit", value)
    # The value comes with the gradient; how far it is from the level is worth reporting.
    k.do(wp.atomic_max(k.out("max_residual|worst_phi", T.F32, (1,)), 0, wp.abs(phi)))
    return grad


def project(p: ProgramBuilder) -> None:
    """Maximum, mean and thickness projections, and slices."""
    goals = {
        "mip": "max_intensity|mip_render|maximum_projection",
        "mean": "line_integrals|mean_projection|xray_image|drr",
        "slice": "slice_volume|extract_slice|cut_plane|reslice",
        "thick": "thickness_map|column_depth|path_length_inside",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Image computed from the volume.", "", "One thread per pixel.")
    )
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((16, 16), (16, 20), (20, 24))
    )
    value = T.VEC3 if goal == "slice" and p.chance(0.3) else T.F32
    volume = volume_argument(p, k, value)
    if goal == "slice":
        _slice(p, k, g, volume)
        return
    if p.chance(0.5):
        ray = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    else:
        o, _ = _plane_point(p, k, g, volume)
        ray = Ray(
            o,
            k.quantity(
                "view_dir|axis|beam",
                T.VEC3,
                p.pick([0.0, 0.0, 1.0], [0.0, 0.6, 0.8], [0.6, 0.0, 0.8]),
            ),
        )
    _accumulated(p, k, g, volume, ray, goal)


def _accumulated(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, volume: Volume, ray: Ray, goal: str
) -> None:
    steps = k.count("num_steps|samples|march_steps", p.pick(16, 24, 32, 48))
    step = k.param("step_size|ds|spacing", 0.05, 0.12)
    total = k.var("total|acc|best", -1.0e6 if goal == "mip" else 0.0)
    at = k.var("t_best|depth|arg", 0.0) if goal == "mip" and p.chance(0.4) else None
    level = k.param("threshold|iso|min_value", 0.02, 0.3) if goal == "thick" else None
    local = _index_ray(p, k, ray, volume) if p.chance(0.35) else None
    with k.loop("s|i_s|n", steps) as s:
        shift = p.pick(0.5, None)
        t = k.let("t|dist", (construct(T.F32, s) + shift if shift else construct(T.F32, s)) * step)
        v = k.let(
            "v|value|mu",
            _value(p, k, volume, ray.at(t)) if local is None else volume.sample(local.at(t)),
        )
        if goal == "mip" and at is None:
            k.set(total, wp.max(total, v))
        elif goal == "mip" and at is not None:
            with k.when(v > total):
                k.set(total, v)
                k.set(at, t)
        elif level is not None:
            with k.when(v > level):
                k.aug(total, "+", step)
        else:
            k.aug(total, "+", v * step)
    out = g.out("image|projection|pixels", T.F32)
    if goal == "mean" and p.chance(0.5):
        out.store(k.param("source_intensity|i0|photons", 1.0, 100.0) * wp.exp(-wp.max(total, 0.0)))
    else:
        out.store(total)
    if at is not None:
        g.out("depth_of_max|arg_depth", T.F32).store(at)


def _plane_point(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, volume: Volume
) -> tuple[Expr, list[Expr]]:
    w = round(volume.half, 3)
    u = k.let(
        "u|a_x|su", construct(T.F32, g.index[1]) / construct(T.F32, g.extent(1) - 1) * 2.0 - 1.0
    )
    v = k.let(
        "v|a_y|sv", construct(T.F32, g.index[0]) / construct(T.F32, g.extent(0) - 1) * 2.0 - 1.0
    )
    center = k.quantity("plane_origin|center|slice_center", T.VEC3, [0.0, 0.0, round(-0.2 * w, 3)])
    right = k.quantity("axis_u|right|u_dir", T.VEC3, [w, 0.0, 0.0])
    up = k.quantity("axis_v|up|v_dir", T.VEC3, p.pick([0.0, w, 0.0], [0.0, 0.0, w]))
    return k.let("x|pos|pt", center + right * u + up * v), [u, v]


def _slice(p: ProgramBuilder, k: KernelBuilder, g: Grid, volume: Volume) -> None:
    x, _ = _plane_point(p, k, g, volume)
    v = volume.sample(maybe(p, k, "q|uvw|ijk", volume.to_index(x)))
    if volume.value == T.VEC3:
        v = k.let("v_s|vec|vel", v)
        if p.chance(0.5):
            g.out("slice|vectors|image", T.VEC3).store(v)
        else:
            n = k.quantity("plane_normal|n_dir", T.VEC3, [0.0, 0.0, 1.0])
            g.out("normal_flux|through_flow", T.F32).store(wp.dot(v, n))
            g.out("speed|magnitude", T.F32).store(wp.length(v))
        return
    form = p.pick("plain", "window", "colored", "contour")
    out: GridField
    if form == "plain":
        g.out("slice|image|pixels", T.F32).store(v)
    elif form == "window":
        width, level = (
            k.param("window|width|contrast", 0.2, 1.5),
            k.param("level|window_level|center_value", 0.1, 0.5),
        )
        g.out("slice|image|pixels", T.F32).store(wp.clamp((v - level) / width + 0.5, 0.0, 1.0))
    elif form == "colored":
        tex = texture_argument(p, k, 1, 4, hint="colormap|lut|palette")
        c = k.let("c|rgba", tex.at(v))
        out = g.out("slice|image|pixels", T.VEC3)
        out.store(construct(T.VEC3, c.x, c.y, c.z))
    else:
        value = k.let("val|s_val", v)
        spacing = k.param("contour_spacing|interval|band", 0.05, 0.3)
        phase = k.let("phase|frac_v", value / spacing - wp.floor(value / spacing))
        g.out("contours|lines|bands", T.F32).store(
            wp.where(phase < p.pick(0.1, 0.15), 1.0, value * 0.0) if p.chance(0.5) else phase
        )
        if p.chance(0.5):
            samples = g.field("mask|roi", T.I32, R.mask(0.6)).own
            with k.when(samples != 0):
                k.do(wp.atomic_add(k.out("roi_sum|roi_total", T.F32, (1,)), 0, value))
