"""Textures looked up by directions, positions and surface coordinates."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import camera_ray, maybe
from generator.synthesis.categories._texture_maps import _rgb
from generator.synthesis.categories._volume import Texture, texture_argument
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.idioms import piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def environment(p: ProgramBuilder) -> None:
    """Directions looked up in a latitude-longitude map."""
    k = p.kernel_builder(
        "sample_environment|env_lighting|sky_lookup|irradiance_from_env|background_pixels|reflect_environment",
        p.pick("Radiance from an equirectangular map.", "", "Environment lookup per direction."),
    )
    tex = texture_argument(p, k, 2, 4, hint="env_map|environment|sky_tex|panorama")
    goal = p.pick("lookup", "camera", "reflect", "diffuse")

    def to_uv(b: Block, d: Expr) -> Expr:
        u = maybe(p, b, "u|lon", wp.atan2(d.z, d.x) * 0.15915494 + 0.5)
        v = maybe(p, b, "v|lat", wp.acos(wp.clamp(d.y, -1.0, 1.0)) * 0.31830989)
        return construct(T.VEC2, u, v)

    def radiance(d: Expr) -> Expr:
        uv = piece(
            p, k, "direction_to_uv|latlong_uv|dir_to_equirect", {"d|dir": d}, to_uv, probability=0.7
        )
        return tex.at(maybe(p, k, "uv|st", uv, 0.6))

    if goal == "camera":
        g = Grid(k, "row|y|i col|x|j", boundary="clamp")
        ray = camera_ray(p, k, g.index[0], g.index[1], g.extent(0), g.extent(1))
        c = k.let("c|texel", radiance(ray.direction))
        g.out("pixels|image|sky_out", T.VEC3).store(
            _rgb(c) * k.param("exposure|sky_gain|brightness", 0.3, 3.0)
        )
        return
    e = Entities(k, p.pick("ray", "vertex", "probe"))
    n = e.field("normals|directions|dirs", T.VEC3, R.unit_vectors()).read("n|dir|d")
    if goal == "diffuse":
        _irradiance(p, k, e, n, radiance)
        return
    d: Expr = n
    if goal == "reflect":
        view = k.let(
            "view|wi", e.field("view_dirs|incident|ray_dirs", T.VEC3, R.unit_vectors()).own
        )
        d = k.let("r|mirror|refl", view - n * (2.0 * wp.dot(view, n)))
    if p.chance(0.35):
        turn = k.param("env_rotation|yaw|sky_angle", 0.1, 3.0)
        c, s = k.let("cs|cos_y", wp.cos(turn)), k.let("sn|sin_y", wp.sin(turn))
        d = k.let("dr|rotated", construct(T.VEC3, c * d.x + s * d.z, d.y, c * d.z - s * d.x))
    texel = k.let("texel|c", radiance(d))
    color = _rgb(texel)
    if goal == "reflect" and p.chance(0.6):
        facing = k.let("facing|cos_t", 1.0 - wp.abs(wp.dot(n, d)))
        color = color * (p.pick(0.04, 0.05) + 0.95 * facing * facing * facing)
    e.out("radiance|sky_colors|env_out", T.VEC3).store(color)


def _irradiance(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: Expr, radiance) -> None:  # type: ignore[no-untyped-def]
    total = k.var("total|irradiance|acc", construct(T.VEC3, 0.0))
    state = k.let("state|rng", wp.rand_init(k.scalar("seed|frame", T.I32, 8), e.index))
    count = k.count("num_samples|samples|rays", p.pick(8, 16, 32))
    with k.loop("s|i_s", count):
        if p.chance(0.5):
            d = k.let("w|wi|dir_s", wp.normalize(n + wp.sample_unit_sphere_surface(state)))
        else:
            d = k.var("w|wi|dir_s", wp.sample_unit_sphere_surface(state))
            with k.when(wp.dot(d, n) < 0.0):
                k.set(d, -d)
        c = k.let("c|texel", radiance(d))
        k.aug(total, "+", _rgb(c))
    e.out("irradiance|ambient|diffuse_light", T.VEC3).store(total / construct(T.F32, count))


def solid(p: ProgramBuilder) -> None:
    """Three-dimensional textures: fields at points, colour grading, marches."""
    goals = {
        "points": "sample_solid|lookup_field|texture_at_points|read_volume_tex",
        "grade": "grade_colors|apply_lut3d|color_lut|film_look",
        "march": "march_texture|integrate_texture|texture_projection|light_absorption",
        "gradient": "texture_gradient|field_gradient|tex_normals",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Lookups in a 3-D texture.", "", "Trilinear hardware-style sampling.")
    )
    tex = texture_argument(
        p, k, 3, 4 if goal == "grade" else 1 if goal in ("march", "gradient") else 0
    )
    if goal == "grade":
        _grade(p, k, tex)
        return
    e = Entities(k, p.pick("point", "particle", "ray"))
    x = e.field("points|positions|x", T.VEC3, R.uniform(-0.9, 0.9)).read("x|pt|pos")
    lower, size = (
        k.quantity("lower|domain_min|origin", T.VEC3, [-1.0, -1.0, -1.0]),
        k.param("extent|domain_size|width_world", 1.5, 2.5),
    )

    def coordinates(y: Expr) -> Expr:
        return (y - lower) / size

    if goal == "points":
        v = tex.at(maybe(p, k, "uvw|q", coordinates(x)))
        if p.chance(0.4):
            previous = e.field("previous|old_values", tex.value, R.uniform(0.0, 1.0)).own
            v = wp.lerp(previous, v, k.param("blend|alpha", 0.05, 0.5))
        e.out("values|sampled|field_out", tex.value).store(v)
        return
    if goal == "gradient":
        q, h = k.let("q|uvw", coordinates(x)), k.param("texel|h|delta", 0.05, 0.2)
        steps = [construct(T.VEC3, *(h if a == c else 0.0 for c in range(3))) for a in range(3)]
        g = construct(T.VEC3, *(tex.at(q + s) - tex.at(q - s) for s in steps)) / (2.0 * h)
        e.out("gradients|normals|slopes", T.VEC3).store(wp.normalize(g) if p.chance(0.4) else g)
        if p.chance(0.5):
            e.out("values|sampled", T.F32).store(tex.at(q))
        return
    d = e.field("directions|ray_dirs", T.VEC3, R.unit_vectors()).read("d|dir")
    total = k.var("tau|optical_depth|acc", 0.0)
    step = k.param("step_size|ds", 0.03, 0.1)
    with k.loop("i|s", k.count("num_steps|samples", p.pick(12, 16, 24, 32))) as i:
        y = k.let("y|p_i|pt_i", x + d * (construct(T.F32, i) * step))
        k.aug(total, "+", tex.at(coordinates(y)) * step)
        if p.chance(0.3):
            with k.when(total > p.pick(2.0, 4.0)):
                k.brk()
    e.out("transmittance|absorption|line_integral", T.F32).store(
        wp.exp(-total * k.param("sigma|absorption_coef", 0.5, 4.0)) if p.chance(0.6) else total
    )


def _grade(p: ProgramBuilder, k: KernelBuilder, tex: Texture) -> None:
    g = Grid(k, "row|y|i col|x|j", boundary="clamp")
    c = k.let("c|rgb|pixel", g.field("src|image|pixels_in", T.VEC3, R.uniform(0.0, 1.0)).own)
    if p.chance(0.4):
        c = k.let("exposed|scaled|c_in", c * k.param("exposure|gain|stops", 0.5, 1.0))
    if p.chance(0.3):
        log = k.param("log_scale|log_gain", 0.5, 4.0)
        c = k.let(
            "c_log|log_rgb",
            construct(
                T.VEC3, *(wp.log(1.0 + log * a) / wp.log(1.0 + log) for a in (c.x, c.y, c.z))
            ),
        )
    n = p.pick(None, 8.0, 16.0)
    q = c if n is None else c * ((n - 1.0) / n) + construct(T.VEC3, 0.5 / n)
    graded = k.let("graded|look|lut_rgb", tex.at(maybe(p, k, "q|uvw", q)))
    out: Expr = _rgb(graded)
    if p.chance(0.6):
        strength = k.param("strength|mix_amount|opacity", 0.2, 1.0)
        out = wp.lerp(c, out, strength) if p.chance(0.5) else c + (out - c) * strength
    g.out("dst|graded_out|pixels_out", T.VEC3).store(out)


def material(p: ProgramBuilder) -> None:
    """Surface points with texture coordinates: albedo, displacement, normal maps, triplanar mapping."""
    goals = {
        "albedo": "texture_surface|sample_albedo|bake_texture|uv_lookup",
        "displace": "displace_vertices|bump_vertices|apply_heightmap",
        "normal": "apply_normal_map|perturb_normals|tangent_space_normals",
        "triplanar": "triplanar_mapping|project_texture|solid_texturing",
        "detail": "height_to_normal|derive_normals|bump_to_normal",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Texture lookups on a surface.", "", "One thread per surface point.")
    )
    e = Entities(k, p.pick("vertex", "sample", "fragment"))
    e.guard()
    if goal == "triplanar":
        _triplanar(p, k, e)
        return
    uv = k.let("uv|st", e.field("uvs|texcoords|uv_coords", T.VEC2, R.uniform(0.0, 1.0)).own)
    if p.chance(0.4):
        tiling = k.quantity("tiling|uv_scale|repeat", T.VEC2, [2.0, 3.0])
        uv = k.let(
            "tiled|uv_t",
            wp.cw_mul(uv, tiling)
            if p.chance(0.5)
            else construct(T.VEC2, wp.frac(uv.x * tiling.x), wp.frac(uv.y * tiling.y)),
        )
    {"albedo": _albedo, "displace": _displace, "normal": _normal_map, "detail": _derive_normal}[
        goal
    ](p, k, e, uv)


def _albedo(p: ProgramBuilder, k: KernelBuilder, e: Entities, uv: Expr) -> None:
    tex = texture_argument(p, k, 2, 4)
    c = k.let("c|rgba|texel", tex.at(uv))
    color: Expr = _rgb(c)
    if p.chance(0.4):
        color = wp.cw_mul(color, k.quantity("tint|base_color|modulate", T.VEC3, [0.9, 0.8, 0.7]))
    if p.chance(0.4):
        n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).own
        sun = k.quantity("light_dir|sun_dir", T.VEC3, [0.36, 0.8, 0.48])
        color = color * wp.max(wp.dot(n, sun), k.param("ambient|min_light", 0.05, 0.3))
    if p.chance(0.5):
        cut = k.param("alpha_cutoff|cutoff|alpha_test", 0.1, 0.6)
        with k.when(c.w < cut):
            e.out("discarded|killed|clip_mask", T.I32).store(1)
            k.ret()
    e.out("colors|albedo|shaded", T.VEC3).store(color)


def _displace(p: ProgramBuilder, k: KernelBuilder, e: Entities, uv: Expr) -> None:
    tex = texture_argument(p, k, 2, 1, hint="height_map|bump_tex|displacement_tex")
    x_in = e.field("positions|vertices", T.VEC3, R.uniform(-1.0, 1.0))
    n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).own
    amount = e.property("amplitude|height_scale|bump", 0.02, 0.3)
    h = tex.at(uv)
    if p.chance(0.5):
        h = h - k.param("midlevel|bias|zero_level", 0.3, 0.6)
    h = maybe(p, k, "h|height", h)
    e.out("displaced|positions_out|new_vertices", T.VEC3).store(x_in.own + n * (h * amount))
    if p.chance(0.3):
        k.do(wp.atomic_max(k.out("max_height|peak", T.F32, (1,)), 0, h))


def _normal_map(p: ProgramBuilder, k: KernelBuilder, e: Entities, uv: Expr) -> None:
    tex = texture_argument(p, k, 2, 4, hint="normal_map|bump_tex|tangent_tex")
    c = k.let("c|texel|packed_n", tex.at(uv))
    m = k.let("m|ts|local_n", _rgb(c) * 2.0 - construct(T.VEC3, 1.0))
    n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).read("n|normal")
    if p.chance(0.5):
        t = k.let("t|tangent", e.field("tangents|tangent_dirs", T.VEC3, R.unit_vectors()).own)
        if p.chance(0.5):
            t = k.let("to|ortho_t", wp.normalize(t - n * wp.dot(n, t)))
    else:
        helper = wp.where(
            wp.abs(n.y) < 0.99, construct(T.VEC3, 0.0, 1.0, 0.0), construct(T.VEC3, 1.0, 0.0, 0.0)
        )
        t = k.let("t|tangent", wp.normalize(wp.cross(helper, n)))
    b = k.let("b|bitangent", wp.cross(n, t))
    strength = k.param("strength|bump_scale|normal_scale", 0.2, 1.5) if p.chance(0.5) else None
    x, y = (m.x, m.y) if strength is None else (m.x * strength, m.y * strength)
    e.out("perturbed|shading_normals|normals_out", T.VEC3).store(
        wp.normalize(t * x + b * y + n * m.z)
    )


def _derive_normal(p: ProgramBuilder, k: KernelBuilder, e: Entities, uv: Expr) -> None:
    tex = texture_argument(p, k, 2, 1, hint="height_map|bump_tex|height_tex")
    h = k.param("texel|delta|step_uv", 0.02, 0.1)
    scale = k.param("height_scale|strength|bump", 0.05, 0.5)
    du = k.let(
        "du|dhdx|sx", (tex.sample(p, uv.x + h, uv.y) - tex.sample(p, uv.x - h, uv.y)) / (2.0 * h)
    )
    dv = k.let(
        "dv|dhdy|sy", (tex.sample(p, uv.x, uv.y + h) - tex.sample(p, uv.x, uv.y - h)) / (2.0 * h)
    )
    e.out("normals|bump_normals|n_out", T.VEC3).store(
        wp.normalize(construct(T.VEC3, -du * scale, -dv * scale, 1.0))
    )
    if p.chance(0.4):
        e.out("slope|steepness", T.F32).store(wp.sqrt(du * du + dv * dv))


def _triplanar(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    tex = texture_argument(p, k, 2, p.pick(1, 4))
    x = e.field("positions|points|world_pos", T.VEC3, R.uniform(-2.0, 2.0)).read("x|pos|pt")
    n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).own
    if p.chance(0.5):
        x = k.let("xs|scaled_x|q", x * k.param("texture_scale|frequency|tiling", 0.2, 2.0))
    w = k.let("w|weights|blend_w", wp.abs(n))
    if p.chance(0.4):
        sharp = k.param("sharpness|blend_power|contrast", 1.0, 8.0)
        w = k.let("ws|sharp_w", construct(T.VEC3, *(wp.pow(a, sharp) for a in (w.x, w.y, w.z))))
    total = maybe(p, k, "total|w_sum", w.x + w.y + w.z)
    side, top, front = (tex.sample(p, a, b) for a, b in ((x.y, x.z), (x.x, x.z), (x.x, x.y)))
    if p.chance(0.5):
        side, top, front = (
            k.let("c_x|side", side),
            k.let("c_y|top_c", top),
            k.let("c_z|front", front),
        )
    value = (side * w.x + top * w.y + front * w.z) / total
    out = e.out("colors|textured|values", tex.value)
    if p.chance(0.3):
        mask = e.field("material_ids|painted|use_texture", T.I32, R.mask(0.7)).own
        base = k.quantity(
            "base|flat_color|default_value",
            tex.value,
            0.5 if tex.value == T.F32 else [0.5, 0.5, 0.5, 1.0],
        )
        value = choose(mask == 1, value, base)
    out.store(value)
