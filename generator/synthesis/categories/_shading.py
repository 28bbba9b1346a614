"""Light on surfaces: reflection models, skies, tone curves, refraction, path-tracing steps."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._primitives import ray_sphere
from generator.synthesis.categories._rays import Ray, maybe, num
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name

Term = Callable[[Expr, Expr, Expr], Expr]  # normal, to light, to viewer


def reflection(p: ProgramBuilder, k: KernelBuilder) -> Term:
    """A scalar reflection model of normal, light and view directions."""
    model = p.pick("lambert", "wrap", "phong", "blinn", "ggx", "oren")
    if model == "lambert":
        return lambda n, light, view: wp.max(wp.dot(n, light), 0.0)
    if model == "wrap":
        w = k.param("wrap|wrap_amount|softness", 0.1, 0.6)
        return lambda n, light, view: wp.max((wp.dot(n, light) + w) / (1.0 + w), 0.0)
    body = {"phong": _phong, "blinn": _blinn, "ggx": _ggx, "oren": _oren_nayar}[model]
    hint = {
        "phong": "shininess|exponent|gloss",
        "blinn": "shininess|exponent|gloss",
        "ggx": "roughness|alpha|rough",
        "oren": "sigma|roughness",
    }[model]
    low, high = (4.0, 64.0) if model in ("phong", "blinn") else (0.1, 0.8)
    amount = k.param(hint, low, high)
    v = p.vec()
    f = p.func(
        f"{model}_brdf|{model}_term|shade_{model}|eval_{model}",
        {"n|normal": v, "l|light_dir|wi": v, "v|view|wo": v, hint: p.real},
        lambda b, *a: body(p, b, *a),
    )
    return lambda n, light, view: f(n, light, view, amount)


def _phong(p: ProgramBuilder, b: Block, n: Expr, light: Expr, view: Expr, s: Expr) -> None:
    nl = b.let("n_dot_l|ndl|diffuse", wp.dot(n, light))
    with b.when(nl <= 0.0):
        b.ret(num(p, 0.0))
    r = b.let("r|mirror|reflected", n * (2.0 * nl) - light)
    b.ret(nl + wp.pow(wp.max(wp.dot(r, view), 0.0), s))


def _blinn(p: ProgramBuilder, b: Block, n: Expr, light: Expr, view: Expr, s: Expr) -> None:
    half = b.let("h|half_vec|halfway", wp.normalize(light + view))
    nh = b.let("n_dot_h|ndh", wp.max(wp.dot(n, half), 0.0))
    diffuse = maybe(p, b, "diffuse|ndl|kd", wp.max(wp.dot(n, light), 0.0))
    b.ret(diffuse + p.pick(0.2, 0.3, 0.5) * wp.pow(nh, s))


def _ggx(p: ProgramBuilder, b: Block, n: Expr, light: Expr, view: Expr, rough: Expr) -> None:
    nl = b.let("n_dot_l|ndl", wp.dot(n, light))
    nv = b.let("n_dot_v|ndv", wp.dot(n, view))
    with b.when(any_of(nl <= 0.0, nv <= 0.0)):
        b.ret(num(p, 0.0))
    half = b.let("h|half_vec|m", wp.normalize(light + view))
    nh = b.let("n_dot_h|ndh", wp.max(wp.dot(n, half), 0.0))
    a2 = b.let("a2|alpha_sq", rough * rough * rough * rough if p.chance(0.5) else rough * rough)
    q = b.let("d|denom|q", nh * nh * (a2 - 1.0) + 1.0)
    lobe = b.let("ndf|lobe|D", a2 / (3.14159265 * q * q))
    g = b.let("k|kg|gk", (rough + 1.0) * (rough + 1.0) / 8.0)
    vis = b.let("vis|shadowing|G", nl / (nl * (1.0 - g) + g) * (nv / (nv * (1.0 - g) + g)))
    b.ret(lobe * vis / (4.0 * nv))


def _oren_nayar(p: ProgramBuilder, b: Block, n: Expr, light: Expr, view: Expr, sigma: Expr) -> None:
    s2 = b.let("s2|sigma2|var", sigma * sigma)
    nl, nv = b.let("n_dot_l|ndl", wp.dot(n, light)), b.let("n_dot_v|ndv", wp.dot(n, view))
    a = b.let("a|A|flat", 1.0 - 0.5 * s2 / (s2 + 0.33))
    c = b.let("b|B|rim", 0.45 * s2 / (s2 + 0.09))
    s = b.let("s|angular", wp.dot(light, view) - nl * nv)
    t = b.let("t|scale", wp.where(s > 0.0, wp.max(wp.max(nl, nv), 0.1), num(p, 1.0)))
    b.ret(wp.max(nl, 0.0) * (a + c * s / t))


def background(p: ProgramBuilder, k: KernelBuilder, ray: Ray) -> Expr:
    """Colour of a ray that leaves the scene."""
    if p.chance(0.35):
        return k.quantity("sky|background|clear_color|miss_color", p.vec(), [0.4, 0.6, 0.9])
    low = k.quantity("horizon|ground_color|sky_low", p.vec(), [0.9, 0.9, 0.85])
    high = k.quantity("zenith|sky_color|sky_high", p.vec(), [0.3, 0.5, 0.9])
    t = k.let("t_sky|blend|up_share", 0.5 * (ray.direction.y + 1.0))
    sky = wp.lerp(low, high, t) if p.chance(0.5) else low * (1.0 - t) + high * t
    return k.let("sky|bg|env", sky)


def ground_plane(p: ProgramBuilder, k: KernelBuilder, ray: Ray, best: Name, winner: Name) -> None:
    """A floor under the scene; its hits carry id -2."""
    height = k.param("ground_height|floor_level|floor_y", 1.0, 2.0)
    with k.when(ray.direction.y < -1.0e-4):
        t = k.let("t_floor|t_ground|tg", -(ray.origin.y + height) / ray.direction.y)
        with k.when(all_of(t > 0.0, t < best)):
            k.set(best, t)
            k.set(winner, -2)


def lit(p: ProgramBuilder, k: KernelBuilder, x: Expr, n: Expr, ray: Ray) -> Name:
    """The colour of a surface point under one or several lights."""
    v = p.vec()
    view = k.let("view|wo|v_dir", -ray.direction)
    albedo = k.quantity("albedo|base_color|diffuse_color|kd", v, [0.8, 0.6, 0.4])
    color = k.var(
        "color|rgb|radiance|shade", albedo * k.param("ambient|ambient_level|ka", 0.02, 0.3)
    )
    if p.chance(0.5):
        light = k.let(
            "l|light_dir|to_light",
            wp.normalize(k.quantity("sun_dir|light_direction|sun", v, [0.4, 0.8, 0.3])),
        )
        level = reflection(p, k)(n, light, view)
        strength = k.param("sun_power|intensity|exposure_sun", 0.5, 3.0)
        _shadowed(
            p, k, x, n, light, num(p, 1.0e3), lambda: k.aug(color, "+", albedo * (level * strength))
        )
        return color
    count = p.pick(2, 3, 4)
    positions = k.array("light_positions|light_pos|lights", v, (count,), R.uniform(2.0, 4.0))
    powers = k.array(
        "light_power|light_intensity|emissions", p.real, (count,), R.uniform(1.0, 10.0)
    )
    term = reflection(p, k)
    with k.loop("j|li|light", count if p.chance(0.3) else positions.dim(0)) as j:
        to = k.let("to_light|delta|lv", positions[j] - x)
        d2 = k.let("dist_sq|d2|r2", wp.dot(to, to))
        light = k.let("l|wi|light_dir", to / wp.sqrt(d2))
        k.aug(color, "+", albedo * (term(n, light, view) * powers[j] / d2))
    return color


def _shadowed(
    p: ProgramBuilder,
    k: KernelBuilder,
    x: Expr,
    n: Expr,
    light: Expr,
    far: Expr,
    add: Callable[[], None],
) -> None:
    """Runs `add`, behind a shadow test in part of the programs."""
    if p.chance(0.45):
        add()
        return
    f = ray_sphere(p)
    count = p.pick(4, 6, 8)
    centers = k.array(
        "occluder_centers|blockers|occluders", p.vec(), (count,), R.uniform(-1.5, 1.5)
    )
    radius = k.param("occluder_radius|blocker_radius", 0.1, 0.5)
    start = k.let("shadow_o|start|offset_pos", x + n * p.pick(1.0e-3, 1.0e-2))
    if p.chance(0.5):
        lit_flag = k.var("visible|unshadowed|lit_share", 1.0, p.real)
        with (
            k.loop("m|occ|q", centers.dim(0)) as m,
            k.when(f(start, light, centers[m], radius) > 0.0),
        ):
            k.set(lit_flag, 0.0)
            k.brk()
        with k.when(lit_flag > 0.0):
            add()
        return
    blocked = k.var("blocked|occluded|hidden", False, T.BOOL)
    with k.loop("m|occ|q", centers.dim(0)) as m:
        t = k.let("ts|t_shadow", f(start, light, centers[m], radius))
        with k.when(all_of(t > 0.0, t < far)):
            k.set(blocked, True)
    with k.when(negate(blocked)):
        add()


def tone(p: ProgramBuilder, k: KernelBuilder, color: Expr) -> Expr:
    """A tone curve from radiance to display values."""
    form = p.pick("none", "reinhard", "exposure", "clamp", "gamma")
    v = p.vec()
    if form == "none":
        return color
    if form == "clamp":
        return wp.max(wp.min(color, construct(v, 1.0)), construct(v, 0.0))
    c = k.let("c|hdr|linear_rgb", color)
    if form == "reinhard":
        return wp.cw_div(c, c + construct(v, 1.0))
    if form == "exposure":
        e = k.param("exposure|ev_scale|gain", 0.3, 3.0)
        return construct(v, *(1.0 - wp.exp(-a * e) for a in (c.x, c.y, c.z)))
    g = k.let("inv_gamma|g|power", 1.0 / k.param("gamma|display_gamma", 1.8, 2.4))
    return construct(v, *(wp.pow(wp.max(a, 0.0), g) for a in (c.x, c.y, c.z)))


def refraction(p: ProgramBuilder) -> UserFunction:
    """Refracted (or totally reflected) unit direction; `eta` is n1 / n2."""

    def body(b: Block, d: Expr, n: Expr, eta: Expr) -> None:
        c = b.let("c|cos_i|cosine", wp.dot(d, n))
        m = b.let("m|nn|facing_n", choose(c > 0.0, -n, n) if p.chance(0.5) else n * -wp.sign(c))
        ci = b.let("ci|cos_in", wp.abs(c))
        radicand = b.let("k|sin2_t|radicand", 1.0 - eta * eta * (1.0 - ci * ci))
        with b.when(radicand < 0.0):
            b.ret(d + m * (2.0 * ci))
        b.ret(d * eta + m * (eta * ci - wp.sqrt(radicand)))

    v = p.vec()
    return p.func(
        "refract|refract_dir|snell|bend_ray",
        {"d|incident|wi": v, "n|normal": v, "eta|ratio|ior_ratio": p.real},
        body,
        p.pick("Snell's law, with total internal reflection.", "Direction behind the interface."),
    )


# --- shading of stored hits -----------------------------------------------------------------------


def shade_hits(p: ProgramBuilder) -> None:
    """Direct lighting of surface samples."""
    k = p.kernel_builder(
        "shade|shade_hits|direct_lighting|evaluate_lighting|apply_lights|light_surface|shade_samples",
        p.pick(
            "Direct lighting of every surface sample.",
            "Evaluate the reflection model at the hit points.",
            "",
        ),
    )
    e = Entities(k, p.pick("hit", "sample", "surfel", "pixel"))
    v = p.vec()
    out = e.out("radiance|colors|shaded|color_out", v)
    hit = e.field("hit_dist|hit_t|depths", p.real, R.uniform(-1.0, 5.0)) if p.chance(0.4) else None
    if hit is not None:
        with k.when(hit.own <= 0.0):
            if p.chance(0.6):
                out.store(k.quantity("background|sky|clear_color", v, [0.2, 0.3, 0.5]))
            k.ret()
    else:
        e.guard((out, construct(v, 0.0)))
    x = e.field("positions|hit_points|pos|world_pos", v, R.uniform(-1.5, 1.5)).read("x|pos|pt")
    n = e.field("normals|hit_normals|nrm", v, R.unit_vectors()).read("n|normal|ns")
    eye = k.quantity("camera_pos|eye|view_pos", v, [0.0, 1.0, 5.0])
    ray = Ray(eye, k.let("d|incoming|view_ray", wp.normalize(x - eye)))
    color = lit(p, k, x, n, ray)
    extras = p.sample([_fog, _rim, _emissive, _ambient_occlusion], 0, 2)
    for extra in extras:
        extra(p, k, e, color, x, n, ray)
    k.step()
    out.store(tone(p, k, color))


def _fog(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, color: Name, x: Expr, n: Expr, ray: Ray
) -> None:
    dist = k.let("dist|eye_dist|depth", wp.length(x - ray.origin))
    fade = k.let(
        "fade|fog_amount|f", 1.0 - wp.exp(-dist * k.param("fog_density|beta|haze", 0.01, 0.3))
    )
    k.set(color, wp.lerp(color, k.quantity("fog_color|haze_color", p.vec(), [0.6, 0.7, 0.8]), fade))


def _rim(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, color: Name, x: Expr, n: Expr, ray: Ray
) -> None:
    def fresnel(b: Block, nn: Expr, d: Expr, f0: Expr) -> Expr:
        c = b.let("c|cos_theta|facing", 1.0 - wp.abs(wp.dot(nn, d)))
        c2 = b.let("c2|sq", c * c)
        return f0 + (1.0 - f0) * c2 * c2 * c

    f = piece(
        p,
        k,
        "fresnel|schlick|fresnel_schlick",
        {
            "n|normal": n,
            "d|view": ray.direction,
            "f0|r0": k.param("f0|base_reflectance|r0", 0.02, 0.2),
        },
        fresnel,
    )
    k.aug(color, "+", k.quantity("rim_color|env_color|spec_color", p.vec(), [0.3, 0.3, 0.4]) * f)


def _emissive(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, color: Name, x: Expr, n: Expr, ray: Ray
) -> None:
    k.aug(color, "+", e.field("emission|emissive|glow", p.vec(), R.uniform(0.0, 0.3)).own)


def _ambient_occlusion(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, color: Name, x: Expr, n: Expr, ray: Ray
) -> None:
    k.aug(color, "*", e.field("ao|ambient_occlusion|occlusion", p.real, R.uniform(0.3, 1.0)).own)
