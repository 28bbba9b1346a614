"""Triangles of cloth: in-plane elasticity and aerodynamic loads."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._cloth_elements import open_triangles
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._topology import Pool
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_X = "positions|x|particle_q|pos|vertices"
_V = "velocities|v|particle_qd|vel"
_F = "forces|f|particle_f|force_out|net_force"


def membrane(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_triangles|membrane_forces|stvk_membrane|in_plane_forces|triangle_elasticity|stretch_shear_forces",
        p.pick(
            "In-plane elasticity of cloth triangles.",
            "St. Venant-Kirchhoff membrane forces.",
            "Membrane stress from the deformation gradient.",
        ),
    )
    e, pool, ids = open_triangles(p, k, "tri_indices|triangles|faces|indices")
    vec, m22 = p.vec(3), p.mat(2)
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    inverse = e.field("tri_poses|rest_inv|dm_inv|inv_rest", m22, R.near_identity(0.2))
    area = e.property("area|rest_area|tri_area", 0.05, 0.5)
    x0 = k.let("x0|p0", x[ids[0]])
    ds = [k.let(f"e{c}|d{c}|x{c}0", x[v] - x0) for c, v in enumerate(ids[1:], start=1)]
    dm = k.let("dm_inv|b_mat|pose|inv_dm", inverse.own)
    f1 = k.let("f1|fu|col_u", ds[0] * dm[0, 0] + ds[1] * dm[1, 0])
    f2 = k.let("f2|fv|col_v", ds[0] * dm[0, 1] + ds[1] * dm[1, 1])
    mu, lam = (
        e.property("mu|tri_ke|shear_modulus", 10.0, 200.0),
        e.property("lam|tri_ka|area_modulus|lmbda", 10.0, 200.0),
    )
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


def _stress(
    p: ProgramBuilder, k: KernelBuilder, f1: Expr, f2: Expr, mu: Expr, lam: Expr
) -> tuple[Name, Name]:
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
    p: ProgramBuilder,
    k: KernelBuilder,
    pool: Pool,
    ids: list[Expr],
    vec: T.Vec,
    dm: Expr,
    p1: Name,
    p2: Name,
) -> None:
    v = pool.field(_V, vec, R.uniform(-1.0, 1.0))
    kd = k.param("tri_kd|damping|kd", 0.01, 1.0)
    v10, v20 = k.let("v10|dv1", v[ids[1]] - v[ids[0]]), k.let("v20|dv2", v[ids[2]] - v[ids[0]])
    k.aug(p1, "+", (v10 * dm[0, 0] + v20 * dm[1, 0]) * kd)
    k.aug(p2, "+", (v10 * dm[0, 1] + v20 * dm[1, 1]) * kd)


def aerodynamics(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "aerodynamic_forces|wind_forces|apply_wind|triangle_drag_lift|cloth_aero|eval_aero",
        p.pick(
            "Drag and lift on each triangle.",
            "Wind loads per face, shared by the three vertices.",
            "Aerodynamic force of the relative wind.",
        ),
    )
    e, pool, ids = open_triangles(p, k, "tri_indices|triangles|faces|indices")
    vec = p.vec(dimension(p, 3))
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
    mean = k.let(
        "v_mid|v_avg|vc",
        (v[a] + v[b] + v[c]) * round(third, 7) if p.chance(0.5) else (v[a] + v[b] + v[c]) / 3.0,
    )
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
            k.do(
                wp.atomic_add(
                    out.array,
                    *out._index(wp.where(corner == 0, a, wp.where(corner == 1, b, c))),
                    share,
                )
            )
    else:
        for vertex in ids:
            out.add(share, vertex)
    report(p, e, f, "aero", 2.0, {0: 4, 1: 1})


def _wind(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, pool: Pool, vec: T.Vec, x, ids: list[Expr]
) -> Expr:  # type: ignore[no-untyped-def]
    """The air velocity at the triangle: uniform, gusting in time or per vertex."""
    base = e.world_vector(
        "wind|wind_velocity|air_velocity",
        p.pick([3.0, 0.0, 0.5], [0.0, 0.0, 4.0], [2.0, 0.5, 0.0]),
        vec,
    )
    form = p.pick("uniform", "uniform", "gust", "shear")
    if form == "uniform":
        return base
    if form == "shear":
        height = k.param("shear_height|ref_height|z0", 0.5, 3.0)
        return base * wp.clamp(x[ids[0]].y / height, 0.0, 1.0)
    time, freq = (
        k.param("time|t_sim|sim_time", 0.1, 10.0),
        k.param("gust_frequency|freq|omega", 0.5, 6.0),
    )
    strength = k.param("gust|gust_strength|turbulence", 0.1, 1.0)

    def body(b: Block, w: Expr, t: Expr, s: Expr, q: Expr) -> Expr:
        return w * (1.0 + s * wp.sin(q * t))

    args = {"wind|w": base, "t|time": time, "strength|s": strength, "freq|q": freq}
    return helper(p, k, "gusty_wind|wind_at|modulated_wind", args, body)


def _aero_law(
    p: ProgramBuilder, k: KernelBuilder, rel: Expr, n: Expr, area: Expr, density: Expr
) -> Expr:
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
        drag = b.let("f_drag|drag_f|d", u * (-0.5 * rho * c * a * wp.abs(vn)))
        lift = wp.cross(wp.cross(u, nn), u) if p.chance(0.6) else nn * (speed * speed) - u * vn
        return drag + lift * (0.5 * rho * more[0] * a / wp.max(speed, 1.0e-3))

    def bluff(b: Block, u: Expr, a: Expr, rho: Expr, c: Expr) -> Expr:
        return u * (-0.5 * rho * c * a * wp.length(u))

    args = {"v|u|rel": rel, "n|normal": n, "area|a": area, "rho|density": density, "cd|c": cd}
    if form == "quadratic":
        del args["n|normal"]
    if cl is not None:
        args["cl|lift"] = cl
    return helper(
        p,
        k,
        "face_aero|drag_force|aero_force|panel_force",
        args,
        bluff if form == "quadratic" else body,
        p.pick("Force of the relative wind on a panel.", ""),
    )
