"""Light paths: one bounce of stored paths, and a whole path per pixel."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _scene as scene
from generator.synthesis.categories import _shading as shading
from generator.synthesis.categories._rays import Ray, camera_ray
from generator.synthesis.categories._shading import refraction
from generator.synthesis.entities import Entities, Field
from generator.synthesis.grid import Grid
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def path_step(p: ProgramBuilder) -> None:
    """One bounce: add emission, choose a direction, scale the throughput, maybe stop."""
    k = p.kernel_builder(
        "path_step|extend_paths|bounce|scatter|sample_bsdf|shade_and_scatter|next_event",
        p.pick("One bounce of every path.", "Scatter the paths that hit a surface.", ""),
    )
    e = Entities(k, "path")
    v = T.VEC3
    alive = e.inout("alive|path_active|active", T.I32, R.mask(0.85))
    with k.when(alive.own == 0 if p.chance(0.6) else alive.own <= 0):
        k.ret()
    weight = e.inout("throughput|beta|path_weight", v, R.uniform(0.2, 1.0))
    d = e.field("ray_dirs|directions|wo_dirs", v, R.unit_vectors()).read("d|wi|incoming")
    n = k.var("n|normal|ns", e.field("hit_normals|normals", v, R.unit_vectors()).own)
    if p.chance(0.4):
        glow = e.field("emission|emitted|le", v, R.uniform(0.0, 0.5)).own
        acc = e.inout("radiance|accum|pixel_sum", v, R.zeros())
        acc.store(acc.own + wp.cw_mul(weight.own, glow))
    with k.when(wp.dot(n, d) > 0.0):
        k.set(n, -n)
    seed = k.scalar("seed|frame|sample_index", T.I32, 11)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, e.index))
    albedo = k.let(
        "albedo|kd|rho", e.field("albedo|base_color|reflectance", v, R.uniform(0.2, 0.9)).own
    )
    new = k.var("new_dir|wo|d_next", d)
    _scatter(p, k, e, new, d, n, state)
    beta = k.var("beta|w|throughput_next", wp.cw_mul(weight.own, albedo))
    k.step()
    if p.chance(0.6):
        _roulette(p, k, beta, alive, state)
    weight.store(beta)
    e.out("next_dirs|scattered|dirs_out", v).store(wp.normalize(new) if p.chance(0.4) else new)
    if p.chance(0.6):
        x = e.field("hit_points|positions|hit_pos", v, R.uniform(-2.0, 2.0)).own
        e.out("next_origins|origins_out|ray_o_out", v).store(x + n * p.pick(1.0e-3, 1.0e-4, 2.0e-3))


def _roulette(p: ProgramBuilder, k: KernelBuilder, beta: Name, alive: Field, state: Expr) -> None:
    q = k.let(
        "q|survive|p_continue",
        wp.min(wp.max(wp.max(beta.x, beta.y), beta.z), p.pick(0.95, 0.9, 1.0)),
    )
    if p.chance(0.5):
        with k.when(wp.randf(state) >= q):
            alive.store(0)
            k.ret()
        k.aug(beta, "/", q)
        return
    with k.when(wp.randf(state) < q):
        k.set(beta, beta / q)
    with k.otherwise():
        alive.store(0)


def _scatter(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, new: Name, d: Expr, n: Expr, state: Expr
) -> None:
    models = {"diffuse": _diffuse, "mirror": _mirror, "glass": _glass}
    chosen = p.sample(list(models), 1, 3)
    if len(chosen) == 1:
        models[chosen[0]](p, k, new, d, n, state)
        return
    kind = k.let(
        "mat|material|bsdf",
        e.field("material_ids|bsdf_type|materials", T.I32, R.integers(0, len(chosen))).own,
    )
    for number, name in enumerate(chosen):
        opened = (
            k.when(kind == number)
            if number == 0
            else k.otherwise()
            if number == len(chosen) - 1
            else k.elsewhen(kind == number)
        )
        with opened:
            models[name](p, k, new, d, n, state)


def _diffuse(p: ProgramBuilder, k: KernelBuilder, new: Name, d: Expr, n: Expr, state: Expr) -> None:
    match p.pick("add", "hemisphere", "frame"):
        case "add":
            k.set(new, wp.normalize(n + wp.sample_unit_sphere_surface(state)))
        case "hemisphere":
            u = k.let("u|local_dir|h", wp.sample_unit_sphere_surface(state))
            k.set(new, choose(wp.dot(u, n) < 0.0, -u, u))
        case "frame":
            r1 = k.let("phi|r_phi|azimuth", wp.randf(state) * 6.2831853)
            r2 = k.let("xi|u2|r2", wp.randf(state))
            helper = k.let(
                "a|helper|ref_axis",
                wp.where(
                    wp.abs(n.x) > 0.9,
                    construct(T.VEC3, 0.0, 1.0, 0.0),
                    construct(T.VEC3, 1.0, 0.0, 0.0),
                ),
            )
            t = k.let("t|tangent", wp.normalize(wp.cross(helper, n)))
            c = k.let("b|bitangent", wp.cross(n, t))
            k.set(new, (t * wp.cos(r1) + c * wp.sin(r1)) * wp.sqrt(r2) + n * wp.sqrt(1.0 - r2))


def _mirror(p: ProgramBuilder, k: KernelBuilder, new: Name, d: Expr, n: Expr, state: Expr) -> None:
    k.set(new, d - n * (2.0 * wp.dot(d, n)))
    if p.chance(0.5):
        fuzz = k.param("fuzz|gloss|roughness", 0.02, 0.3)
        k.set(new, wp.normalize(new + wp.sample_unit_sphere(state) * fuzz))


def _glass(p: ProgramBuilder, k: KernelBuilder, new: Name, d: Expr, n: Expr, state: Expr) -> None:
    refract = refraction(p)
    k.set(new, refract(d, n, 1.0 / k.param("ior|eta_glass|refractive_index", 1.2, 1.8)))


# --- a whole path per pixel -----------------------------------------------------------------------


def path_trace(p: ProgramBuilder) -> None:
    """Camera ray, several bounces with emission, sky and roulette, accumulation into the image."""
    k = p.kernel_builder(
        "path_trace|trace_paths|render_paths|megakernel|monte_carlo_render|integrate_radiance",
        p.pick(
            "Trace one light path per pixel and accumulate it.",
            "Unidirectional path tracer, one sample per launch.",
            "",
        ),
    )
    g = Grid(
        k, "row|y|i|iy col|x|j|ix", boundary="clamp", shape=p.pick((12, 16), (16, 16), (16, 24))
    )
    row, col = g.index
    seed = k.scalar("seed|frame|sample_index", T.I32, 3)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, row * g.extent(1) + col))
    first = camera_ray(p, k, row, col, g.extent(0), g.extent(1))
    o, d = k.var("o|pos|ray_o", first.origin), k.var("rd|dir|ray_d", first.direction)
    beta = k.var("beta|throughput|weight", construct(T.VEC3, 1.0))
    total = k.var("radiance|color|light", construct(T.VEC3, 0.0))
    bounces = k.count("max_bounces|max_depth|num_bounces", p.pick(3, 4, 6))
    with k.loop("depth|bounce|b", bounces) as depth:
        _bounce(p, k, Ray(o, d), o, d, beta, total, depth, state)
    k.step(p.pick("accumulate", "running mean over frames", ""))
    _accumulate(p, k, g, total)


def _bounce(
    p: ProgramBuilder,
    k: KernelBuilder,
    ray: Ray,
    o: Name,
    d: Name,
    beta: Name,
    total: Name,
    depth: Expr,
    state: Expr,
) -> None:
    best = scene.far_limit(p, k, "t_best|closest|t_min")
    winner = k.var("hit|best|prim_id", -1)
    makers = [scene.spheres, scene.boxes, scene.discs, scene.triangles, scene.planes]
    shape = scene.nearest(p, k, p.pick(*makers), ray, best, winner)
    with k.when(winner < 0 if p.chance(0.5) else winner == -1):
        k.aug(total, "+", wp.cw_mul(beta, shading.background(p, k, ray)))
        k.brk()
    x = k.let("x|hit_pos|pt", ray.at(best))
    n = k.var("n|normal|ns", shape.normal(x, winner))
    with k.when(wp.dot(n, d) > 0.0):
        k.set(n, -n)
    if p.chance(0.6):
        glow = k.array("emission|emissive|light_color", T.VEC3, (shape.count,), R.uniform(0.0, 0.6))
        k.aug(total, "+", wp.cw_mul(beta, glow[winner]))
    albedo = k.array("albedo|colors|reflectance", T.VEC3, (shape.count,), R.uniform(0.2, 0.9))
    k.set(beta, wp.cw_mul(beta, albedo[winner]))
    if p.chance(0.5):
        with k.when(depth > p.pick(1, 2)):
            q = k.let("q|survive|keep", wp.min(wp.max(beta), 0.95))
            with k.when(wp.randf(state) > q):
                k.brk()
            k.set(beta, beta / q)
    _next_direction(p, k, shape, winner, d, n, state)
    k.set(o, x + n * p.pick(1.0e-3, 1.0e-4))


def _next_direction(
    p: ProgramBuilder,
    k: KernelBuilder,
    shape: scene.Shape,
    winner: Expr,
    d: Name,
    n: Expr,
    state: Expr,
) -> None:
    if p.chance(0.5):
        k.set(d, wp.normalize(n + wp.sample_unit_sphere_surface(state)))
        return
    rough = k.array("roughness|gloss|fuzziness", T.F32, (shape.count,), R.uniform(0.0, 1.0))
    mirror = k.let("mirror|spec|reflected", d - n * (2.0 * wp.dot(d, n)))
    if p.chance(0.5):
        with k.when(wp.randf(state) < rough[winner]):
            k.set(d, wp.normalize(n + wp.sample_unit_sphere_surface(state)))
        with k.otherwise():
            k.set(d, mirror)
        return
    k.set(d, wp.normalize(mirror + wp.sample_unit_sphere(state) * rough[winner]))


def _accumulate(p: ProgramBuilder, k: KernelBuilder, g: Grid, total: Name) -> None:
    if p.chance(0.4):
        limit = k.param("clamp_value|firefly_limit|max_radiance", 2.0, 20.0)
        k.set(total, wp.min(total, construct(T.VEC3, limit)))
    form = p.pick("sum", "mean", "tone")
    if form == "tone":
        g.out("pixels|image|frame", T.VEC3).store(shading.tone(p, k, total))
        return
    image = g.inout("accum|film|image", T.VEC3, R.uniform(0.0, 1.0))
    if form == "sum":
        image.store(image.own + total)
        return
    weight = k.let(
        "w|blend|alpha",
        1.0 / construct(T.F32, k.count("num_samples|frame_count|spp", p.pick(2, 8, 16))),
    )
    image.store(
        wp.lerp(image.own, total, weight)
        if p.chance(0.5)
        else image.own * (1.0 - weight) + total * weight
    )
