"""The law of one contact: normal force, damping, friction, cohesion, rolling."""

from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._granular_grains import Grains
from generator.synthesis.categories._neighbourhood import Pair
from generator.synthesis.entities import Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def one_contact(
    p: ProgramBuilder,
    k: KernelBuilder,
    g: Grains,
    pair: Pair,
    law: str,
    friction: str,
    damping: bool,
    r_i: Expr,
    v: Field | None,
    v_i: Expr | None,
    w: Field | None,
    w_i: Expr | None,
    force: Name,
    torque: Name | None,
    count: Name | None,
) -> None:
    r_j = k.let("r_j|radius_j|rj", g.radius(pair.j)) if g.mixed else g.radius(pair.j)
    cohesion = p.chance(0.22)
    gap = k.let("gap|c|err", pair.d - r_i - r_j) if p.chance(0.4) else None
    overlap = k.let("overlap|delta|pen|depth", r_i + r_j - pair.d) if gap is None else -gap
    reach = k.param("cohesion_range|adhesion_dist|k_cohesion", 0.002, 0.02) if cohesion else None
    with k.when(_separated(gap, overlap, reach)):
        k.cont()
    n = k.let("n|normal|dir|nij", pair.r / pair.d)
    if count is not None:
        k.aug(count, "+", 1)
    v_rel = None
    if damping and v is not None and v_i is not None:
        v_rel = k.let("v_rel|dv|vij|rel_vel", v_i - v[pair.j])
        if w is not None and w_i is not None:
            lever = r_i * w_i + r_j * w[pair.j]
            v_rel = k.let("v_contact|v_surf|vc", v_rel - wp.cross(lever, n))
    fn = _normal_force(p, k, law, overlap, v_rel, n, r_i, r_j)
    if cohesion and p.chance(0.6):
        fn = k.let(
            "fn_total|f_normal|fc", fn - k.param("adhesion|cohesion_force|pull_off", 0.05, 2.0)
        )
    k.aug(force, "+", n * fn)
    if friction == "none" or v_rel is None:
        return
    ft = _friction(p, k, friction, v_rel, n, fn)
    k.aug(force, "+", ft)
    if torque is not None:
        k.aug(torque, "-", wp.cross(n, ft) * r_i if p.chance(0.6) else wp.cross(n * r_i, ft))
        if w_i is not None and p.chance(0.35):
            mu_r = k.param("rolling_friction|mu_r|rolling_resistance", 0.001, 0.05)
            k.aug(torque, "-", w_i * (mu_r * r_i * wp.abs(fn)))


def _separated(gap: Expr | None, overlap: Expr, reach: Expr | None) -> Expr:
    if gap is not None:
        return gap > (0.0 if reach is None else reach)
    return overlap <= 0.0 if reach is None else overlap < -reach


def _normal_force(
    p: ProgramBuilder,
    k: KernelBuilder,
    law: str,
    overlap: Expr,
    v_rel: Expr | None,
    n: Expr,
    r_i: Expr,
    r_j: Expr,
) -> Expr:
    """Elastic and damped normal force as a local, repulsive when positive."""
    vn = k.let("vn|v_n|rel_vn", wp.dot(v_rel, n)) if v_rel is not None else None
    if law == "hertz":
        youngs = k.param("e_star|youngs_modulus|eff_modulus|modulus", 1.0e3, 1.0e5)

        def body(b: Block, d: Expr, ra: Expr, rb: Expr, modulus: Expr) -> Expr:
            depth = b.let("depth|dd", wp.max(d, 0.0))
            r_eff = b.let("r_eff|r_star|req", ra * rb / (ra + rb))
            return literal(4.0, p.real) / 3.0 * modulus * wp.sqrt(r_eff * depth) * depth

        args = {"overlap|delta": overlap, "ra|r1": r_i, "rb|r2": r_j, "e_star|modulus": youngs}
        elastic = helper(
            p,
            k,
            "hertz_force|hertz_normal|hertzian_contact",
            args,
            body,
            p.pick("Hertzian normal force.", "Hertz contact of two spheres."),
        )
    elif law == "log":
        elastic = (
            k.param("stiffness|ke|kn", 100.0, 2000.0) * overlap * (1.0 + wp.max(overlap, 0.0) / r_i)
        )
    else:
        if vn is not None and p.chance(0.4):
            return _spring_dashpot(p, k, overlap, vn)
        elastic = k.param("stiffness|ke|kn|k_contact", 100.0, 5000.0) * overlap
    if vn is None:
        return k.let("fn|f_n|fn_mag", elastic)
    kd = k.param("damping|kd|gamma_n|c_n", 0.5, 20.0)
    form = p.pick("closing", "full", "clamped")

    def damped(b: Block, fe: Expr, v: Expr, c: Expr) -> Expr:
        if form == "closing":
            return fe - c * wp.min(v, 0.0)
        return fe - c * v if form == "full" else wp.max(fe - c * v, 0.0)

    args = {"fe|elastic": elastic, "vn|rate": vn, "c|kd": kd}
    return k.let(
        "fn|f_n|fn_mag",
        helper(p, k, "normal_force|dashpot|spring_dashpot|damped_contact", args, damped, share=0.4),
    )


def _spring_dashpot(p: ProgramBuilder, k: KernelBuilder, overlap: Expr, vn: Expr) -> Expr:
    """A function of overlap and approach velocity that holds the whole linear law."""
    form = p.pick("plain", "early", "branches")

    def law(b: Block, d: Expr, v: Expr, ke: Expr, kd: Expr) -> None:
        if form == "early":
            with b.when(d <= 0.0):
                b.ret(literal(0.0, p.real))
        if form == "branches":
            damping = b.var("fd|damp|f_damp", literal(0.0, p.real))
            with b.when(v < 0.0):
                b.set(damping, -(kd * v))
            b.ret(ke * d + damping)
        else:
            b.ret(wp.max(ke * d - kd * v, 0.0) if p.chance(0.5) else ke * d - kd * v)

    params = {
        "overlap|d|depth": p.real,
        "vn|rate": p.real,
        "ke|kn|stiffness": p.real,
        "kd|cn|damping": p.real,
    }
    call = p.func(
        "spring_dashpot|linear_contact|normal_force|contact_law",
        params,
        law,
        p.pick("Linear spring-dashpot law.", "Normal contact force.", ""),
    )
    ke, kd = (
        k.param("stiffness|ke|kn|k_contact", 100.0, 5000.0),
        k.param("damping|kd|gamma_n|c_n", 0.5, 20.0),
    )
    return k.let("fn|f_n|fn_mag", call(overlap, vn, ke, kd))


def _friction(
    p: ProgramBuilder, k: KernelBuilder, kind: str, v_rel: Expr, n: Expr, fn: Expr
) -> Expr:
    """Tangential force on this grain."""
    kt = k.param("kt|gamma_t|tangential_damping|kf", 0.5, 50.0)
    mu = k.param("mu|friction|friction_coeff|k_mu", 0.1, 0.9)

    def slip(b: Block, v: Expr, nn: Expr) -> Expr:
        return v - nn * wp.dot(v, nn)

    vt = k.let(
        "vt|v_t|slip",
        helper(
            p,
            k,
            "tangential_part|tangent_velocity|project_out",
            {"v|u": v_rel, "n|normal": n},
            slip,
            share=0.2,
        ),
    )
    if kind == "viscous":
        smooth = p.chance(0.5)

        def viscous(b: Block, u: Expr, c: Expr, m: Expr, load: Expr) -> Expr:
            size = b.let("vs|slip_speed|vt_len", wp.length(u))
            if smooth:
                grip = b.let("ft_mag|grip|fr", wp.min(c * size, m * wp.abs(load)))
                return u * (-grip / wp.max(size, 1.0e-6))
            result = b.var("ft|f_t|f_tan", construct(u.type, 0.0))
            with b.when(size > 1.0e-6):
                b.set(result, u * (-wp.min(c * size, m * wp.abs(load)) / size))
            return result

        return helper(
            p,
            k,
            "coulomb_friction|slip_friction|friction_force",
            {"vt|slip": vt, "kt|c": kt, "mu|m": mu, "fn|load": fn},
            viscous,
        )

    def capped(b: Block, u: Expr, c: Expr, m: Expr, load: Expr) -> Expr:
        ft = b.var("ft|f_t|f_tan", u * -c)
        cap = b.let("ft_max|cap|slip_limit", m * wp.abs(load))
        size = b.let("ft_len|ft_size|trial", wp.length(ft))
        with b.when(size > cap):
            b.aug(ft, "*", cap / size)
        return ft

    return helper(
        p,
        k,
        "capped_friction|coulomb_cap|tangential_force",
        {"vt|slip": vt, "kt|c": kt, "mu|m": mu, "fn|load": fn},
        capped,
    )
