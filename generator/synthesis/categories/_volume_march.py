"""Rays through volumes: emission and absorption, isosurfaces, projections."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._rays import Ray, camera_ray, maybe, stored_ray
from generator.synthesis.categories._volume import HANDLE, Volume, texture_argument, volume_argument
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def _interval(p: ProgramBuilder) -> UserFunction:
    """Entry and exit parameters of a ray and a centred cube."""

    def body(b: Block, o: Expr, d: Expr, half: Expr) -> None:
        lo, hi = construct(T.VEC3, -half), construct(T.VEC3, half)
        a, c = b.let("t0|ta", wp.cw_div(lo - o, d)), b.let("t1|tb", wp.cw_div(hi - o, d))
        small, large = b.let("near3|t_small", wp.min(a, c)), b.let("far3|t_large", wp.max(a, c))
        if p.chance(0.5):
            b.ret(wp.max(wp.max(small), 0.0), wp.min(large))
        else:
            near = wp.max(wp.max(small.x, small.y), small.z)
            b.ret(wp.max(near, 0.0), wp.min(wp.min(large.x, large.y), large.z))

    params = {"o|origin": T.VEC3, "d|dir": T.VEC3, "half|bound": T.F32}
    return p.func("clip_to_box|ray_bounds|box_interval|volume_interval", params, body)


def _view(p: ProgramBuilder, k: KernelBuilder, items: Grid | Entities) -> Ray:
    if isinstance(items, Grid):
        return camera_ray(p, k, items.index[0], items.index[1], items.extent(0), items.extent(1))
    return stored_ray(p, items, 1.2)


def _items(p: ProgramBuilder, k: KernelBuilder) -> Grid | Entities:
    if p.chance(0.75):
        return Grid(
            k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((12, 16), (16, 16), (16, 20))
        )
    return Entities(k, "ray")


def _value(p: ProgramBuilder, k: KernelBuilder, volume: Volume, x: Expr) -> Expr:
    """The density at a world position, inline or through a function."""

    def body(b: Block, id_: Expr, y: Expr) -> Expr:
        return volume.at(id_, maybe(p, b, "uvw|q|ijk", wp.volume_world_to_index(id_, y), 0.5))

    name = "density_at|sample_density|sigma_at|field_at"
    return piece(p, k, name, {"volume|vol": volume.id, "x|p": x}, body, probability=0.6)


def _bounds(
    p: ProgramBuilder, k: KernelBuilder, ray: Ray, volume: Volume
) -> tuple[Name, Expr, Expr]:
    """The marching parameter, its end, and whether there is anything to march."""
    if p.chance(0.6):
        f = _interval(p)
        half = k.quantity("half_width|bound|box_half", T.F32, round(volume.half, 3))
        near, far_ = k.unpack(
            ["t_near|t_in|t_start", "t_far|t_out|t_end"], f(ray.origin, ray.direction, half)
        )
        return k.var("t|s|along", near), far_, near < far_
    start = k.param("t_start|near_plane|t_near", 0.05, 1.0)
    stop = k.param("t_end|far_plane|t_far", 3.0, 6.0)
    return k.var("t|s|along", start), stop, start < stop


def _index_ray(p: ProgramBuilder, k: KernelBuilder, ray: Ray, volume: Volume) -> Ray:
    """The ray in index space, so that no sample needs a transformation."""
    o = k.let("o_idx|uvw0|start_idx", volume.to_index(ray.origin))
    return Ray(
        o, k.let("d_idx|duvw|step_dir", wp.volume_world_to_index_dir(volume.id, ray.direction))
    )


# --- emission and absorption ----------------------------------------------------------------------


def composite(p: ProgramBuilder) -> None:
    """Front-to-back compositing with a transfer function."""
    k = p.kernel_builder(
        "render_volume|volume_raymarch|composite_rays|march_volume|integrate_emission|dvr|draw_smoke|trace_density",
        p.pick(
            "Front-to-back volume rendering.", "March rays through the volume and composite.", ""
        ),
    )
    items = _items(p, k)
    ray = _view(p, k, items)
    volume = volume_argument(
        p,
        k,
        T.F32,
        hint=p.pick("", "density|smoke|density_volume"),
        field=p.pick("blob", "blob", "gyroid"),
    )
    t, stop, some = _bounds(p, k, ray, volume)
    step = k.param("step_size|dt|ds|march_step", 0.04, 0.15)
    color = k.var("color|rgb|radiance|accum", construct(T.VEC3, 0.0))
    through = k.var("transmittance|T|trans|alpha_left", 1.0)
    transfer = _transfer(p, k)
    lit = _lighting(p, k, volume) if p.chance(0.35) else None
    state = None
    if isinstance(items, Grid) and p.chance(0.3):
        index = items.index[0] * items.extent(1) + items.index[1]
        state = k.let(
            "state|rng", wp.rand_init(k.scalar("seed|frame|jitter_seed", T.I32, 5), index)
        )
        k.aug(t, "+", step * wp.randf(state))

    local = _index_ray(p, k, ray, volume) if lit is None and p.chance(0.4) else None

    def sample() -> None:
        x = ray.at(t) if local is not None else k.let("x|pos|pt", ray.at(t))
        value = _value(p, k, volume, x) if local is None else volume.sample(local.at(t))
        rho = k.let("rho|density|v|sigma", value)
        skip = p.chance(0.4)
        if skip:
            with k.when(rho > p.pick(0.0, 0.01, 0.05)):
                _absorb(p, k, rho, x, step, color, through, transfer, lit)
        else:
            _absorb(p, k, rho, x, step, color, through, transfer, lit)
        if p.chance(0.6):
            with k.when(through < p.pick(0.01, 0.02, 0.05)):
                k.brk()
        k.aug(t, "+", step)

    if p.chance(0.5):
        with k.repeat(t < stop):
            sample()
    else:
        with k.loop("i|n|s_id", k.count("max_steps|num_steps|march_steps", p.pick(32, 48, 64))):
            with k.when(t >= stop):
                k.brk()
            sample()
    _picture(p, k, items, ray, color, through, some)


def _transfer(p: ProgramBuilder, k: KernelBuilder):  # type: ignore[no-untyped-def]
    """Colour and opacity density of a sample."""
    form = p.pick("texture", "texture", "ramp", "constant", "window")
    extinction = k.param("extinction|sigma_t|opacity_scale", 0.5, 8.0)
    if form == "texture":
        tex = texture_argument(p, k, 1, 4, hint="transfer_tex|transfer_fn|lut|tf_tex")
        lo, hi = (
            k.param("value_min|window_low|v_lo", 0.01, 0.1),
            k.param("value_max|window_high|v_hi", 0.6, 1.2),
        )

        def from_texture(v: Expr) -> tuple[Expr, Expr]:
            c = k.let("c|rgba|tf", tex.at((v - lo) / (hi - lo)))
            return construct(T.VEC3, c.x, c.y, c.z), c.w * extinction

        return from_texture
    cool, warm = (
        k.quantity("color_low|cold|base_color", T.VEC3, [0.1, 0.2, 0.7]),
        k.quantity("color_high|hot|tip_color", T.VEC3, [1.0, 0.6, 0.2]),
    )
    if form == "constant":
        return lambda v: (warm, wp.max(v, 0.0) * extinction)
    if form == "window":

        def window(b: Block, v: Expr, low: Expr, high: Expr) -> None:
            with b.when(v < p.pick(0.02, 0.05, 0.1)):
                b.ret(low * 0.0)
            with b.when(v < p.pick(0.3, 0.4)):
                b.ret(low)
            b.ret(high)

        f = p.func(
            "classify|transfer_color|tissue_color",
            {"v|value": T.F32, "low|a": T.VEC3, "high|b": T.VEC3},
            window,
        )
        return lambda v: (f(v, cool, warm), wp.max(v, 0.0) * extinction)

    def ramp(v: Expr) -> tuple[Expr, Expr]:
        w = k.let("w|heat|tcol", wp.clamp(v, 0.0, 1.0))
        return (
            wp.lerp(cool, warm, w) if p.chance(0.5) else cool * (1.0 - w) + warm * w
        ), w * extinction

    return ramp


def _lighting(p: ProgramBuilder, k: KernelBuilder, volume: Volume) -> UserFunction:
    """Transmittance towards a light, by a short march."""
    steps, size = p.pick(4, 6, 8), p.pick(0.08, 0.1, 0.15)

    def body(b: Block, id_: Expr, x: Expr, d: Expr) -> None:
        tau = b.var("tau|depth|optical", 0.0)
        with b.loop("i|s", steps) as i:
            y = b.let("y|p_i|q", x + d * (size * (construct(T.F32, i) + 0.5)))
            b.aug(tau, "+", wp.max(volume.at(id_, wp.volume_world_to_index(id_, y)), 0.0) * size)
        b.ret(wp.exp(-tau * p.pick(1.0, 2.0, 4.0)))

    return p.func(
        "light_transmittance|shadow_ray|sun_visibility",
        {"volume|vol": HANDLE, "x|p": T.VEC3, "d|sun": T.VEC3},
        body,
    )


def _absorb(p, k, rho, x, step, color, through, transfer, lit) -> None:  # type: ignore[no-untyped-def]
    tint, sigma = transfer(rho)
    alpha = k.let(
        "alpha|a|opacity",
        1.0 - wp.exp(-sigma * step) if p.chance(0.7) else wp.min(sigma * step, 1.0),
    )
    source = tint
    if lit is not None:
        sun = k.quantity("sun_dir|light_dir", T.VEC3, [0.36, 0.8, 0.48])
        vol = next(a for a in k.arguments if a.type == HANDLE)
        source = tint * (lit(Name(vol.name, HANDLE), x, sun) + p.pick(0.1, 0.2))
    k.aug(color, "+", source * (through * alpha))
    k.aug(through, "*", 1.0 - alpha)


def _picture(
    p: ProgramBuilder,
    k: KernelBuilder,
    items: Grid | Entities,
    ray: Ray,
    color: Name,
    through: Name,
    some: Expr,
) -> None:
    out = items.out("pixels|image|radiance_out|colors", T.VEC3)
    final: Expr = color
    if p.chance(0.6):
        back = shading.background(p, k, ray)
        k.set(color, color + back * through)
    if p.chance(0.25):
        with k.when(negate(some)):
            out.store(construct(T.VEC3, 0.0))
            k.ret()
    out.store(shading.tone(p, k, final))
    if p.chance(0.5):
        items.out("alpha|opacity_out|coverage", T.F32).store(1.0 - through)


# --- isosurfaces ----------------------------------------------------------------------------------


# --- projections ----------------------------------------------------------------------------------
