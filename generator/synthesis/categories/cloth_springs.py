"""Cloth and mass-spring systems: springs, bending, membranes, aerodynamics, strain limits, regular sheets."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._cloth_sheet import SHEETS
from generator.synthesis.categories._cloth_vertices import VERTICES
from generator.synthesis.categories._extras import helper, report, tune
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, literal

_X = "positions|x|particle_q|pos|vertices"
_V = "velocities|v|particle_qd|vel"
_F = "forces|f|particle_f|force_out|net_force"


@category("cloth_springs", version=1, title="Cloth and mass-spring systems")
def write(p: ProgramBuilder) -> None:
    """Cloth as springs and membranes: stretch, shear and bending forces, hinge angles, strain limiting, aerodynamic loads
    per triangle, rest states, energies, pins, collisions with simple bodies, and regular sheets addressed by row and column."""
    p.real = T.F64 if p.on("double") else T.F32
    intents = {
        _spring_forces: 3, _hinges: 1.7, _membrane: 1.8, _aerodynamics: 2, _strain_limit: 1.8, _rest_state: 1.6,
        _energy: 1.3, _sewing: 1, **SHEETS, **VERTICES,
    }  # fmt: skip
    p.weighted(intents)(p)


def _elements(p: ProgramBuilder, k: KernelBuilder, singular: str, index: str) -> tuple[Entities, Pool]:
    e = Entities(k, singular, count=p.pick(48, 60, 64, 72, 96, 120), index=index)
    return e, Pool(e, p.pick(24, 30, 36, 48, 64))


def _spring_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_springs|spring_forces|compute_spring_forces|stretch_forces|accumulate_springs|mass_spring_forces|edge_forces",
        p.pick("Spring forces scattered to both ends.", "Damped springs along the cloth edges.", "Stretch forces of all edges.", "One thread per spring."),
    )
    e, pool = _elements(p, k, p.pick("spring", "edge", "link"), "tid|s|edge|spring_id")
    e.guard()
    i, j = corners(e, "spring_indices|edges|edge_indices|springs|links", ["i|a|v0|ia", "j|b|v1|ib"], pool.count)
    vec = p.vec(p.pick(2, 3, 3, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    rest = e.property("rest_length|l0|rest", 0.3, 1.2)
    ke = e.property("stiffness|ke|spring_ke|ks", 10.0, 500.0)
    xi, xj = x[i], x[j]
    if p.chance(0.4):
        xi, xj = k.let("xi|x0|pa", xi), k.let("xj|x1|pb", xj)
    d = k.let("d|delta|xij|dx|edge_vec", xi - xj)
    length = k.let("l|length|dist|len_ij", wp.length(d))
    if p.chance(0.3):
        with k.when(length < 1.0e-6):
            k.ret()
    n = k.let("n|dir|direction|axis", d / length if p.chance(0.6) else wp.normalize(d))
    f = k.let("f|force|fs|spring_force", n * _spring_law(p, k, e, pool, i, j, n, length, rest, ke, vec))
    out = pool.out(_F, vec)
    inverse = pool.field("inv_mass|w|particle_inv_mass", p.real, R.mask(0.85)) if p.chance(0.2) else None
    if inverse is None:
        out.subtract(f, i)
        out.add(f, j)
    else:
        with k.when(inverse[i] > 0.0):
            out.subtract(f, i)
        with k.when(inverse[j] > 0.0):
            out.add(f, j)
    if p.chance(0.2):
        e.out("tension|spring_tension|strain_out", p.real).store((length - rest) / rest if p.chance(0.5) else wp.dot(f, n))
    report(p, e, f, "tension", 100.0, {0: 5, 1: 1})


def _spring_law(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, pool: Pool, i: Expr, j: Expr, n: Expr, length: Expr, rest: Expr,
    ke: Expr, vec: T.Vec,
) -> Expr:  # fmt: skip
    """Tension of the spring, positive when stretched."""
    form = p.weighted({"linear": 4, "strain": 2, "cubic": 1, "tension_only": 1.5, "biphasic": 1.2, "exponential": 0.6})
    k2 = k.param("stiff_ratio|k_cubic|hardening|beta", 0.5, 4.0) if form in ("cubic", "biphasic", "exponential") else None
    knee = k.param("yield_strain|knee|soft_limit", 0.05, 0.3) if form == "biphasic" else None

    def law(b: Block, l: Expr, l0: Expr, stiff: Expr, *more: Expr) -> Expr:  # noqa: E741
        if form == "linear":
            return stiff * (l - l0)
        strain = b.let("strain|stretch|eps", (l - l0) / l0)
        if form == "strain":
            return stiff * strain
        if form == "tension_only":
            return stiff * wp.max(strain, 0.0) if p.chance(0.5) else wp.where(strain > 0.0, stiff * strain, strain * 0.0)
        if form == "cubic":
            return stiff * (strain + more[0] * strain * strain * strain)
        if form == "exponential":
            return stiff * (wp.exp(wp.min(more[0] * strain, 3.0)) - 1.0) / more[0]
        result = b.var("t|tension|f_el", stiff * strain)
        with b.when(strain > more[1]):
            b.aug(result, "+", stiff * more[0] * (strain - more[1]))
        return result

    args = {"l|length": length, "l0|rest": rest, "ke|stiffness|stiff": ke}
    if k2 is not None:
        args["k2|ratio|hard"] = k2
    if knee is not None:
        args["knee|limit"] = knee
    tension = helper(p, k, f"{form}_spring|spring_tension|tension_of|stretch_law", args, law, p.pick("Tension along a spring.", "Elastic response of one edge."))
    if not p.chance(0.65):
        return tension
    v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
    kd = e.property("damping|kd|spring_kd", 0.1, 5.0)
    rate = wp.dot(v[i] - v[j], n)
    if p.chance(0.5):
        rate = k.let("rate|dldt|vrel|closing", rate)
    return tension + kd * rate


def _hinges(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_bending|hinge_forces|bending_forces|dihedral_bending|fold_forces|bend_springs",
        p.pick("Bending moments of hinges between two triangles.", "Dihedral-angle bending forces.", "Resist folding along interior edges."),
    )
    e, pool = _elements(p, k, p.pick("hinge", "bend", "edge"), "tid|h|edge|b")
    vec = p.vec(3)
    names = ["i|o0|p1", "j|o1|p2", "k_|e0|p3", "l|e1|p4"]
    i, j, a, b = corners(e, "hinge_indices|bend_indices|dihedrals|edge_quads", names, pool.count)
    e.guard()
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    xs = [k.let(f"x{c}|p{c}", x[v]) for c, v in enumerate((i, j, a, b), start=1)]
    edge = k.let("e|edge|axis_e", xs[3] - xs[2])
    n1 = k.let("n1|na|normal_a", wp.cross(xs[0] - xs[2], xs[0] - xs[3]))
    n2 = k.let("n2|nb|normal_b", wp.cross(xs[1] - xs[3], xs[1] - xs[2]))
    area = [k.let(f"n{c}_sq|len{c}_sq", wp.length_sq(n)) for c, n in enumerate((n1, n2), start=1)]
    length = k.let("e_len|l_edge|edge_len", wp.length(edge))
    with k.when(any_of(area[0] < 1.0e-6, area[1] < 1.0e-6, length < 1.0e-4)):
        k.ret()
    angle = k.let("theta|angle|phi", _dihedral(p, k, n1, n2, edge))
    rest = e.property("rest_angle|theta0|bend_rest", 0.05, 0.6) if p.chance(0.7) else None
    ke = e.property("bend_stiffness|edge_ke|k_bend", 0.01, 1.0)
    moment: Expr = ke * (angle if rest is None else angle - rest)
    if p.chance(0.3):
        moment = moment * length
    u = [k.let(f"u{c}|grad{c}|d{c}", n * (length / s)) for c, n, s in zip((1, 2), (n1, n2), area, strict=True)]
    s1 = k.let("s1|alpha|t1", wp.dot(xs[0] - xs[3], edge) / (length * length))
    s2 = k.let("s2|beta|t2", wp.dot(xs[1] - xs[3], edge) / (length * length))
    u3 = k.let("u3|grad3", u[0] * s1 + u[1] * s2)
    u4 = k.let("u4|grad4", (u[0] + u[1] + u3) * -1.0)
    scale = k.var("m|moment|fb", moment)
    if p.chance(0.45):
        v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
        kd = k.param("bend_damping|edge_kd|kd", 0.001, 0.1)
        rate = wp.dot(u[0], v[i]) + wp.dot(u[1], v[j]) + wp.dot(u3, v[a]) + wp.dot(u4, v[b])
        k.aug(scale, "+", kd * rate)
    tune(p, e, scale, "moment", 5.0)
    out = pool.out(_F, vec)
    for vertex, grad in zip((i, j, a, b), (*u, u3, u4), strict=True):
        out.subtract(grad * scale, vertex)


def _dihedral(p: ProgramBuilder, k: KernelBuilder, n1: Expr, n2: Expr, edge: Expr) -> Expr:
    form = p.pick("atan2", "atan2", "acos")

    def body(b: Block, a: Expr, c: Expr, axis: Expr) -> Expr:
        ua, ub = b.let("ua|na_hat|a_hat", wp.normalize(a)), b.let("ub|nb_hat|b_hat", wp.normalize(c))
        cosine = b.let("cos_t|c_theta|cosine", wp.clamp(wp.dot(ua, ub), -1.0, 1.0))
        if form == "acos":
            return wp.acos(cosine * 0.9999) * wp.sign(wp.dot(wp.cross(ua, ub), axis))
        return wp.atan2(wp.dot(wp.cross(ua, ub), wp.normalize(axis)), cosine)

    args = {"n1|na": n1, "n2|nb": n2, "e|edge|axis": edge}
    return helper(p, k, "dihedral_angle|hinge_angle|fold_angle", args, body, p.pick("Signed angle between two triangle normals.", ""))


def _triangle(p: ProgramBuilder, k: KernelBuilder, hint: str, *docs: str) -> tuple[Entities, Pool, list[Expr]]:
    e, pool = _elements(p, k, p.pick("triangle", "tri", "face"), "tid|t|tri|face")
    e.guard()
    ids = corners(e, hint, ["i|v0|a", "j|v1|b", "k_|v2|c"], pool.count)
    return e, pool, ids


def _membrane(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_triangles|membrane_forces|stvk_membrane|in_plane_forces|triangle_elasticity|stretch_shear_forces",
        p.pick("In-plane elasticity of cloth triangles.", "St. Venant-Kirchhoff membrane forces.", "Membrane stress from the deformation gradient."),
    )
    e, pool, ids = _triangle(p, k, "tri_indices|triangles|faces|indices")
    vec, m22 = p.vec(3), p.mat(2)
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    inverse = e.field("tri_poses|rest_inv|dm_inv|inv_rest", m22, R.near_identity(0.2))
    area = e.property("area|rest_area|tri_area", 0.05, 0.5)
    x0 = k.let("x0|p0", x[ids[0]])
    ds = [k.let(f"e{c}|d{c}|x{c}0", x[v] - x0) for c, v in enumerate(ids[1:], start=1)]
    dm = k.let("dm_inv|b_mat|pose|inv_dm", inverse.own)
    f1 = k.let("f1|fu|col_u", ds[0] * dm[0, 0] + ds[1] * dm[1, 0])
    f2 = k.let("f2|fv|col_v", ds[0] * dm[0, 1] + ds[1] * dm[1, 1])
    mu, lam = e.property("mu|tri_ke|shear_modulus", 10.0, 200.0), e.property("lam|tri_ka|area_modulus|lmbda", 10.0, 200.0)
    p1, p2 = _stress(p, k, f1, f2, mu, lam)
    if p.chance(0.35):
        _membrane_damping(p, k, pool, ids, vec, dm, p1, p2)
    k.step(p.pick("", "nodal forces", "scatter"))
    h1 = k.let("h1|fj|force_b", (p1 * dm[0, 0] + p2 * dm[0, 1]) * area)
    h2 = k.let("h2|fk|force_c", (p1 * dm[1, 0] + p2 * dm[1, 1]) * area)
    out = pool.out(_F, vec)
    out.add(h1 + h2, ids[0])
    out.subtract(h1, ids[1])
    out.subtract(h2, ids[2])
    if p.chance(0.25):
        stretch = e.out("stretch|strain|max_stretch", p.real)
        stretch.store(wp.max(wp.length(f1), wp.length(f2)) - 1.0)


def _stress(p: ProgramBuilder, k: KernelBuilder, f1: Expr, f2: Expr, mu: Expr, lam: Expr) -> tuple[Name, Name]:
    """Columns of the first Piola-Kirchhoff stress."""
    form = p.pick("stvk", "corot", "springs")
    if form == "stvk":
        exx = k.let("exx|e11|eps_u", 0.5 * (wp.dot(f1, f1) - 1.0))
        eyy = k.let("eyy|e22|eps_v", 0.5 * (wp.dot(f2, f2) - 1.0))
        exy = k.let("exy|e12|shear", 0.5 * wp.dot(f1, f2))
        trace = k.let("tr|tr_e|dil", exx + eyy)
        return (
            k.var("p1|pk_u|s1", f1 * (2.0 * mu * exx + lam * trace) + f2 * (2.0 * mu * exy)),
            k.var("p2|pk_v|s2", f1 * (2.0 * mu * exy) + f2 * (2.0 * mu * eyy + lam * trace)),
        )
    l1, l2 = k.let("l1|len_u|su", wp.length(f1)), k.let("l2|len_v|sv", wp.length(f2))
    shear = k.let("shear|c_shear|gamma", wp.dot(f1, f2))
    if form == "springs":
        return (
            k.var("p1|pk_u|s1", f1 * (mu * (1.0 - 1.0 / wp.max(l1, 1.0e-3))) + f2 * (lam * shear)),
            k.var("p2|pk_v|s2", f2 * (mu * (1.0 - 1.0 / wp.max(l2, 1.0e-3))) + f1 * (lam * shear)),
        )
    ratio = k.let("j|area_ratio|dilation", wp.length(wp.cross(f1, f2)))
    volume = k.let("c|dil|area_term", lam * (ratio - 1.0))
    n = k.let("n|normal", wp.normalize(wp.cross(f1, f2)))
    return (
        k.var("p1|pk_u|s1", f1 * (mu * (l1 - 1.0)) + wp.cross(f2, n) * volume),
        k.var("p2|pk_v|s2", f2 * (mu * (l2 - 1.0)) + wp.cross(n, f1) * volume),
    )


def _membrane_damping(
    p: ProgramBuilder, k: KernelBuilder, pool: Pool, ids: list[Expr], vec: T.Vec, dm: Expr, p1: Name, p2: Name
) -> None:
    v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
    kd = k.param("tri_kd|damping|kd", 0.01, 1.0)
    v10, v20 = k.let("v10|dv1", v[ids[1]] - v[ids[0]]), k.let("v20|dv2", v[ids[2]] - v[ids[0]])
    k.aug(p1, "+", (v10 * dm[0, 0] + v20 * dm[1, 0]) * kd)
    k.aug(p2, "+", (v10 * dm[0, 1] + v20 * dm[1, 1]) * kd)


def _aerodynamics(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "aerodynamic_forces|wind_forces|apply_wind|triangle_drag_lift|cloth_aero|eval_aero",
        p.pick("Drag and lift on each triangle.", "Wind loads per face, shared by the three vertices.", "Aerodynamic force of the relative wind."),
    )
    e, pool, ids = _triangle(p, k, "tri_indices|triangles|faces|indices")
    vec = p.vec(3)
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
    a, b, c = ids
    normal = k.let("n|normal|cross_n", wp.cross(x[b] - x[a], x[c] - x[a]))
    size = k.let("n_len|area2|dbl_area", wp.length(normal))
    with k.when(size < 1.0e-6):
        k.ret()
    unit = k.let("n_hat|dir|nrm", normal / size)
    area = k.let("area|tri_area", 0.5 * size)
    third = 1.0 / 3.0
    mean = k.let("v_mid|v_avg|vc", (v[a] + v[b] + v[c]) * round(third, 7) if p.chance(0.5) else (v[a] + v[b] + v[c]) / 3.0)
    wind = _wind(p, k, e, pool, vec, x, ids)
    rel = k.let("v_rel|rel|slip", mean - wind)
    density = k.param("air_density|rho_air|rho", 0.5, 1.5)
    f = _aero_law(p, k, rel, unit, area, density)
    f = k.var("f|force|f_aero", f)
    tune(p, e, f, "aero", 5.0)
    share = k.let("share|f_third|per_vertex", f / 3.0)
    out = pool.out(_F, vec)
    if p.chance(0.3):
        with k.loop("c|corner|m", 3) as corner:
            k.do(wp.atomic_add(out.array, *out._index(wp.where(corner == 0, a, wp.where(corner == 1, b, c))), share))
    else:
        for vertex in ids:
            out.add(share, vertex)
    report(p, e, f, "aero", 2.0, {0: 4, 1: 1})


def _wind(p: ProgramBuilder, k: KernelBuilder, e: Entities, pool: Pool, vec: T.Vec, x, ids: list[Expr]) -> Expr:  # type: ignore[no-untyped-def]
    """The air velocity at the triangle: uniform, gusting in time or per vertex."""
    base = e.world_vector("wind|wind_velocity|air_velocity", p.pick([3.0, 0.0, 0.5], [0.0, 0.0, 4.0], [2.0, 0.5, 0.0]), vec)
    form = p.pick("uniform", "uniform", "gust", "shear")
    if form == "uniform":
        return base
    if form == "shear":
        height = k.param("shear_height|ref_height|z0", 0.5, 3.0)
        return base * wp.clamp(x[ids[0]].y / height, 0.0, 1.0)
    time, freq = k.param("time|t_sim|sim_time", 0.1, 10.0), k.param("gust_frequency|freq|omega", 0.5, 6.0)
    strength = k.param("gust|gust_strength|turbulence", 0.1, 1.0)

    def body(b: Block, w: Expr, t: Expr, s: Expr, q: Expr) -> Expr:
        return w * (1.0 + s * wp.sin(q * t))

    args = {"wind|w": base, "t|time": time, "strength|s": strength, "freq|q": freq}
    return helper(p, k, "gusty_wind|wind_at|modulated_wind", args, body)


def _aero_law(p: ProgramBuilder, k: KernelBuilder, rel: Expr, n: Expr, area: Expr, density: Expr) -> Expr:
    form = p.pick("normal", "drag_lift", "quadratic", "stokes")
    cd = k.param("drag_coefficient|cd|drag", 0.5, 2.0)
    cl = k.param("lift_coefficient|cl|lift", 0.1, 1.5) if form == "drag_lift" else None

    def body(b: Block, u: Expr, nn: Expr, a: Expr, rho: Expr, c: Expr, *more: Expr) -> Expr:
        vn = b.let("vn|un|v_n", wp.dot(u, nn))
        if form == "normal":
            return nn * (-0.5 * rho * a * c * vn * wp.abs(vn))
        if form == "stokes":
            return nn * (-c * a * rho * vn)
        speed = b.let("speed|u_mag|vr", wp.length(u))
        if form == "quadratic":
            return u * (-0.5 * rho * c * a * speed)
        drag = b.let("f_drag|drag_f|d", u * (-0.5 * rho * c * a * wp.abs(vn)))
        lift = wp.cross(wp.cross(u, nn), u) if p.chance(0.6) else nn * (speed * speed) - u * vn
        return drag + lift * (0.5 * rho * more[0] * a / wp.max(speed, 1.0e-3))

    args = {"v|u|rel": rel, "n|normal": n, "area|a": area, "rho|density": density, "cd|c": cd}
    if cl is not None:
        args["cl|lift"] = cl
    return helper(p, k, "face_aero|drag_force|aero_force|panel_force", args, body, p.pick("Force of the relative wind on a panel.", ""))


def _strain_limit(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "limit_strain|strain_limiting|enforce_max_stretch|provot_limit|clamp_edges|inextensibility_pass",
        p.pick("Clamp the stretch of every edge.", "Provot-style strain limiting.", "Pull overstretched edges back to their limit."),
    )
    e, pool = _elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
    i, j = corners(e, "spring_indices|edges|edge_indices", ["i|a|v0", "j|b|v1"], pool.count)
    vec = p.vec(p.pick(2, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    w = pool.field("inv_mass|w|particle_inv_mass", p.real, R.uniform(0.2, 2.0)) if p.chance(0.7) else None
    rest = e.property("rest_length|l0|rest", 0.2, 1.0)
    top = k.param("max_strain|stretch_limit|max_stretch", 0.02, 0.2)
    low = k.param("min_strain|compression_limit|max_compress", 0.02, 0.3) if p.chance(0.5) else None
    d = k.let("d|delta|xij", x[i] - x[j])
    length = k.let("l|length|dist", wp.length(d))
    upper = rest * (1.0 + top)
    if low is None:
        with k.when(length <= upper if p.chance(0.6) else length < upper):
            k.ret()
        excess = k.let("excess|c|err", length - upper)
    else:
        target = k.let("target|clamped|goal", wp.clamp(length, rest * (1.0 - low), upper))
        excess = k.let("excess|c|err", length - target)
        with k.when(wp.abs(excess) < 1.0e-7 if p.chance(0.5) else excess == literal(0.0, p.real)):
            k.ret()
    n = k.let("n|dir", d / length)
    if w is None:
        move = k.let("corr|shift|dp", n * (0.5 * excess))
        first, second = move, move
    else:
        total = k.let("w_sum|wsum", w[i] + w[j])
        if p.chance(0.4):
            with k.when(total <= 0.0):
                k.ret()
        move = k.let("corr|shift|dp", n * (excess / total))
        first, second = move * w[i], move * w[j]
    target_field = pool.out("deltas|corrections|delta_x|dx_out", vec)
    target_field.subtract(first, i)
    target_field.add(second, j)
    if p.chance(0.5):
        counts = pool.out("counts|num_corrections|delta_count", T.I32)
        counts.add(1, i)
        counts.add(1, j)
    if p.chance(0.2):
        worst = k.out("max_stretch_out|worst_strain|peak_strain", p.real, (e.worlds or 1,))
        k.do(wp.atomic_max(worst, e.world if e.world is not None else 0, length / rest - 1.0))


def _rest_state(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "compute_rest_lengths|init_rest_state|triangle_areas|build_rest_poses|lumped_mass|precompute_cloth",
        p.pick("Rest lengths from the initial shape.", "Rest areas and lumped vertex masses.", "Precompute the rest state of the cloth."),
    )
    goal = p.pick("length", "area", "pose", "mass")
    vec = p.vec(3)
    if goal == "length":
        e, pool = _elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
        e.guard()
        i, j = corners(e, "edges|edge_indices|spring_indices", ["i|a|v0", "j|b|v1"], pool.count)
        x = pool.field("rest_positions|x|positions|x_rest", vec, R.uniform(-1.0, 1.0))
        length = k.var("l|length|rest", wp.length(x[i] - x[j]))
        if p.chance(0.5):
            k.aug(length, "*", k.param("rest_scale|shrink|pre_tension", 0.7, 1.2))
        tune(p, e, length, "length", 2.0)
        e.out("rest_lengths|l0|rest_length", p.real).store(length)
        if p.chance(0.3):
            valence = pool.out("valence|degree|edge_count", T.I32)
            valence.add(1, i)
            valence.add(1, j)
        report(p, e, length, "length", 1.5)
        return
    e, pool, ids = _triangle(p, k, "triangles|faces|tri_indices|indices")
    x = pool.field("rest_positions|x|positions|x_rest", vec, R.uniform(-1.0, 1.0))
    a, b, c = ids
    p1, p2 = k.let("e1|ab|p10", x[b] - x[a]), k.let("e2|ac|p20", x[c] - x[a])
    normal = k.let("n|cross_n|normal", wp.cross(p1, p2))
    area = k.let("area|tri_area|a0", 0.5 * wp.length(normal))
    if goal == "pose":
        u = k.let("u|e_u|axis_u", wp.normalize(p1))
        v = k.let("v|e_v|axis_v", wp.normalize(wp.cross(normal, u)))
        dm = k.let("dm|rest|d_m", construct(p.mat(2), wp.dot(u, p1), wp.dot(u, p2), wp.dot(v, p1), wp.dot(v, p2)))
        det = wp.determinant(dm)
        with k.when(det > 1.0e-3 if p.chance(0.5) else wp.abs(det) > 1.0e-3):
            e.out("tri_poses|dm_inv|rest_inv", p.mat(2)).store(wp.inverse(dm))
        if p.chance(0.6):
            e.out("areas|rest_areas|tri_areas", p.real).store(area)
        return
    density = e.property("density|areal_density|rho", 0.1, 0.5)
    if goal == "area":
        e.out("areas|rest_areas|tri_areas", p.real).store(area)
        if p.chance(0.5):
            e.out("normals|face_normals|tri_normals", vec).store(wp.normalize(normal))
        report(p, e, area, "area", 1.0, {0: 1, 1: 2, 2: 1})
        return
    m = k.let("m|third_mass|vertex_mass", density * area / 3.0)
    out = pool.out("masses|particle_mass|lumped|vertex_mass", p.real)
    for vertex in ids:
        out.add(m, vertex)
    report(p, e, m, "mass", 0.2)


def _energy(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "spring_energy|elastic_energy|potential_energy|edge_strain|total_stretch_energy|measure_strain",
        p.pick("Elastic energy stored in the springs.", "Strain of each edge and the energy of all.", "Potential energy of the sheet."),
    )
    e, pool = _elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
    e.guard()
    i, j = corners(e, "spring_indices|edges|edge_indices", ["i|a|v0", "j|b|v1"], pool.count)
    vec = p.vec(p.pick(2, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    rest, ke = e.property("rest_length|l0|rest", 0.3, 1.2), e.property("stiffness|ke|ks", 10.0, 500.0)
    form = p.pick("hooke", "strain", "barrier")

    def body(b: Block, xa: Expr, xb: Expr, l0: Expr, stiff: Expr) -> Expr:
        stretch = b.let("stretch|dl|err", wp.length(xa - xb) - l0)
        if form == "hooke":
            return 0.5 * stiff * stretch * stretch
        strain = b.let("strain|eps", stretch / l0)
        if form == "strain":
            return 0.5 * stiff * l0 * strain * strain
        return stiff * wp.log(1.0 + strain * strain)

    args = {"xa|p0": x[i], "xb|p1": x[j], "l0|rest": rest, "ke|k_s": ke}
    energy = k.let("energy|w|u_el", helper(p, k, "edge_energy|spring_potential|stretch_energy", args, body, p.pick("Energy of one spring.", "")))
    total = k.out("total_energy|energy_sum|elastic_total", p.real, (e.worlds or 1,))
    k.do(wp.atomic_add(total, e.world if e.world is not None else 0, energy))
    if p.chance(0.5):
        e.out("edge_energies|energies|per_edge", p.real).store(energy)
    if p.chance(0.4):
        strain = k.let("s|strain_ij|rel_stretch", wp.length(x[i] - x[j]) / rest - 1.0)
        torn = k.param("tear_strain|tear_threshold|break_strain", 0.2, 2.0)
        with k.when(strain > torn):
            e.out("torn|broken|is_torn", T.I32).store(1)
    report(p, e, energy, "energy", 100.0, {0: 3, 1: 1})


def _sewing(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "sewing_forces|seam_forces|attachment_forces|stitch_vertices|zero_length_springs|pin_to_targets",
        p.pick("Zero-length springs along the seams.", "Attach vertices to moving targets.", "Close the seams of a garment."),
    )
    e, pool = _elements(p, k, p.pick("stitch", "seam", "attachment"), "tid|s|a")
    vec = p.vec(3)
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    out = pool.out(_F, vec)
    ke = e.property("stiffness|ke|seam_ke", 10.0, 500.0)
    if p.chance(0.5):
        vertex = k.let("v|i|vertex", k.array("attached|vertex_ids|pinned_ids", T.I32, (e.n,), R.integers(0, pool.count))[e.index])
        target = e.field("targets|target_pos|handles", vec, R.uniform(-1.0, 1.0))
        f = k.var("f|force|pull", (target.own - x[vertex]) * ke)
        tune(p, e, f, "pull", 200.0, {0: 1, 1: 2, 2: 1})
        out.add(f, vertex)
        report(p, e, f, "pull", 100.0)
        return
    i, j = corners(e, "seams|stitches|seam_pairs", ["i|a|va", "j|b|vb"], pool.count)
    gap = k.let("gap|d|delta", x[j] - x[i])
    slack = k.param("slack|seam_width|rest_gap", 0.01, 0.2) if p.chance(0.5) else None
    f = k.var("f|force|pull", gap * ke)
    if slack is not None:
        dist = k.let("dist|len_gap", wp.length(gap))
        with k.when(dist < slack):
            k.ret()
        k.set(f, gap * (ke * (dist - slack) / dist))
    tune(p, e, f, "pull", 200.0)
    out.add(f, i)
    out.subtract(f, j)
    closed = p.chance(0.3)
    if closed:
        tolerance = k.param("weld_distance|close_tol|tolerance", 0.05, 0.5)
        e.out("closed|is_welded|merged", T.I32).store(choose(all_of(wp.length(gap) < tolerance), 1, 0))
