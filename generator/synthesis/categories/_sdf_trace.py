"""Sphere tracing of distance functions, particles against them, and lists of typed shapes."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _sdf_scenes as scenes
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._rays import Ray, camera_ray, num, stored_ray
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def _time(p: ProgramBuilder, k: KernelBuilder, animated: bool) -> tuple[Expr, ...]:
    return (k.param("time|t_anim|sim_time", 0.1, 6.0),) if animated else ()


def _march(
    p: ProgramBuilder, k: KernelBuilder, ray: Ray, f: UserFunction, t: Name, time: tuple[Expr, ...]
) -> tuple[Name, Expr]:
    """The sphere-tracing loop; gives a flag that is 1 on a hit, and the far limit."""
    far = k.param("max_dist|far_plane|t_max", 5.0, 15.0)
    eps = k.param("hit_eps|epsilon|tolerance", 5.0e-4, 5.0e-3)
    hit = k.var("hit|found|converged", 0)
    relax = k.param("relaxation|omega|step_scale", 0.6, 0.98) if p.chance(0.3) else None
    steps = k.count("max_steps|num_steps|march_steps", p.pick(32, 48, 64))
    if p.chance(0.75):
        with k.loop("i|it|step", steps):
            d = k.let("d|dist|h", f(ray.at(t), *time))
            with k.when(
                wp.abs(d) < eps if p.chance(0.3) else d < (eps * t if p.chance(0.2) else eps)
            ):
                k.set(hit, 1)
                k.brk()
            k.aug(t, "+", d if relax is None else d * relax)
            with k.when(t > far):
                k.brk()
        return hit, far
    n = k.var("n_step|iter|count", 0)
    d = k.var("d|dist|h", f(ray.at(t), *time))
    with k.repeat(n < steps):
        with k.when(any_of(d < eps, t > far)):
            k.brk()
        k.aug(t, "+", d if relax is None else d * relax)
        k.set(d, f(ray.at(t), *time))
        k.aug(n, "+", 1)
    with k.when(d < eps):
        k.set(hit, 1)
    return hit, far


def image(p: ProgramBuilder) -> None:
    """A picture of a distance function."""
    k = p.kernel_builder(
        "render_sdf|sphere_trace|raymarch|march_scene|render|draw_implicit|trace_implicit",
        p.pick("Sphere trace the scene, one thread a pixel.", "Render an implicit surface.", ""),
    )
    animated = p.chance(0.25)
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((12, 16), (16, 16), (16, 24))
    )
    ray = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
    f = scenes.scene(p, animated=animated)
    time = _time(p, k, animated)
    t = k.var("t|dist_along|depth_t", 0.0, p.real)
    hit, far = _march(p, k, ray, f, t, time)
    mode = p.weighted({"depth": 1.5, "normals": 1, "shaded": 5})
    k.step(p.pick("shade", "output", ""))
    if mode == "depth":
        g.out("depth|depth_map|range_image", p.real).store(
            choose(hit == 1, t, far) if p.chance(0.5) else wp.where(hit == 1, t, num(p, 0.0))
        )
        return
    pixels = g.out("pixels|image|color_out|frame", p.vec())
    sky = shading.background(p, k, ray)
    with k.when(hit == 0 if p.chance(0.7) else hit != 1):
        pixels.store(sky)
        k.ret()
    normal = scenes.gradient(p, f)
    x = k.let("x|pos|hit_pos", ray.at(t))
    n = k.let("n|normal|nrm", normal(x, *time))
    if mode == "normals":
        pixels.store(n * 0.5 + construct(p.vec(), 0.5))
        return
    _shade(p, k, g, ray, f, x, n, t, sky, time, pixels)


def _shade(
    p: ProgramBuilder, k: KernelBuilder, g: Grid, ray: Ray, f: UserFunction, x: Expr, n: Expr, t: Name, sky: Expr,
    time: tuple[Expr, ...], pixels: GridField,
) -> None:  # fmt: skip
    v = p.vec()
    sun = k.let(
        "l|sun|light_dir",
        wp.normalize(k.quantity("sun_dir|light_direction|key_light", v, [0.5, 0.7, -0.4])),
    )
    level = k.let("level|diffuse|ndl", shading.reflection(p, k)(n, sun, -ray.direction))
    light = k.var("light|lum|lit_amount", level)
    if p.chance(0.5):
        k.aug(light, "*", _soft_shadow(p, f)(x + n * 0.01, sun, *time))
    occlusion = _occlusion(p, f)(x, n, *time) if p.chance(0.45) else None
    ambient = k.param("ambient|ambient_level|ka", 0.05, 0.3)
    albedo = k.quantity("albedo|base_color|kd", v, [0.8, 0.6, 0.5])
    amount = light + (ambient if occlusion is None else ambient * occlusion)
    color = k.var("color|rgb|radiance", albedo * amount)
    if p.chance(0.4):
        fog = k.let(
            "fog|haze|fade",
            1.0 - wp.exp(-k.param("fog_density|haze_rate|extinction", 0.01, 0.15) * t),
        )
        k.set(color, wp.lerp(color, sky, fog))
    pixels.store(shading.tone(p, k, color))
    if p.chance(0.3):
        g.out("depth|depth_map", p.real).store(t)


def _soft_shadow(p: ProgramBuilder, f: UserFunction) -> UserFunction:
    sharp = p.pick(4.0, 8.0, 16.0, 32.0)
    extra = [q.type for q in f.params[1:]]

    def body(b: Block, o: Expr, d: Expr, *t: Expr) -> None:
        s = b.var("s|t|along", p.pick(0.02, 0.05), p.real)
        shade = b.var("shade|res|vis", 1.0, p.real)
        with b.loop("i|_s", p.pick(12, 16, 24)):
            h = b.let("h|gap|d_near", f(o + d * s, *t))
            with b.when(h < 1.0e-3):
                b.ret(num(p, 0.0))
            b.set(shade, wp.min(shade, sharp * h / s))
            b.aug(s, "+", h if p.chance(0.4) else wp.clamp(h, 0.02, 0.25))
        b.ret(wp.max(shade, 0.0) if p.chance(0.4) else shade)

    params: dict[str, T.Type] = {"o|x|start": p.vec(), "d|dir|light": p.vec()} | (
        {"time|tm": extra[0]} if extra else {}
    )
    return p.func("soft_shadow|shadow_term|penumbra|march_shadow", params, body)


def _occlusion(p: ProgramBuilder, f: UserFunction) -> UserFunction:
    extra = [q.type for q in f.params[1:]]
    taps = p.pick(3, 4, 5)

    def body(b: Block, x: Expr, n: Expr, *t: Expr) -> None:
        total, weight = b.var("occ|total|sum_", 0.0, p.real), b.var("w|scale|falloff", 1.0, p.real)
        with b.loop("i|tap|j", taps) as i:
            h = b.let("h|reach|offset", 0.02 + p.pick(0.05, 0.08, 0.1) * construct(p.real, i))
            b.aug(total, "+", (h - f(x + n * h, *t)) * weight)
            b.aug(weight, "*", p.pick(0.75, 0.85, 0.5))
        b.ret(wp.clamp(1.0 - p.pick(1.5, 2.0, 3.0) * total, 0.0, 1.0))

    params: dict[str, T.Type] = {"x|pos": p.vec(), "n|normal": p.vec()} | (
        {"time|tm": extra[0]} if extra else {}
    )
    return p.func("ambient_occlusion|occlusion_at|ao_term|crevice", params, body)


def rays(p: ProgramBuilder) -> None:
    """Stored rays traced through a distance function."""
    k = p.kernel_builder(
        "trace_rays_sdf|march_rays|sdf_raycast|implicit_hits|cast_into_field",
        p.pick("Sphere trace stored rays.", "First crossing of the zero level along each ray.", ""),
    )
    e = Entities(k, "ray")
    out = e.out("hit_t|distances|t_out", p.real)
    e.guard((out, num(p, -1.0)))
    ray = stored_ray(p, e, 2.0)
    f = scenes.scene(p)
    t = k.var("t|s|along", 0.0, p.real)
    hit, far = _march(p, k, ray, f, t, ())
    out.store(wp.where(hit == 1, t, far if p.chance(0.5) else num(p, -1.0)))
    for what in p.sample(["point", "normal", "flag"], 0, 2):
        if what == "flag":
            e.out("hit_mask|hits|status", T.I32).store(hit)
        else:
            normal = scenes.gradient(p, f) if what == "normal" else None
            with k.when(hit == 1):
                x = ray.at(t)
                hint = "hit_points|positions" if normal is None else "hit_normals|normals"
                e.out(hint, p.vec()).store(x if normal is None else normal(x))
