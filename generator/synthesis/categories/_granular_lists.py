"""One thread per contact: list-based contact laws, tangential history, pair coefficients, bonds."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal

_PAIRS = "contact_pairs|pairs|contacts|pair_ids|contact_indices"


def _open(p: ProgramBuilder, k: KernelBuilder, singular: str) -> tuple[Entities, Pool]:
    e = Entities(k, singular, count=p.pick(48, 64, 96, 128), index="c|tid|contact_id|cid")
    return e, Pool(e, p.pick(24, 32, 48, 64))


def _ends(p: ProgramBuilder, e: Entities, pool: Pool) -> tuple[Expr, Expr]:
    i, j = corners(e, _PAIRS, ["i|a|p0|ia", "j|b|p1|ib"], pool.count)
    return i, j


def _geometry(
    p: ProgramBuilder, k: KernelBuilder, pool: Pool, i: Expr, j: Expr
) -> tuple[Expr, Expr, Expr, Expr]:
    """Normal from j to i, overlap and both radii; threads of separated pairs return."""
    x = pool.field("positions|x|pos|grain_x", p.vec(), R.uniform(0.0, 0.6))
    r_arr = (
        pool.field("radii|radius|grain_radius", p.real, R.uniform(0.1, 0.2))
        if p.chance(0.6)
        else None
    )
    common = None if r_arr else k.param("radius|grain_radius|r", 0.1, 0.2)
    ri, rj = (r_arr[i], r_arr[j]) if r_arr else (common, common)
    assert ri is not None
    assert rj is not None
    d = k.let("d|r|delta_x|rel", x[i] - x[j])
    dist = k.let("dist|len_d|distance", wp.length(d))
    overlap = k.let("overlap|pen|depth|delta", ri + rj - dist)
    with k.when(any_of(overlap <= 0.0, dist < 1.0e-6) if p.chance(0.5) else overlap <= 0.0):
        k.ret()
    return k.let("n|normal|nij", d / dist), overlap, ri, rj


def _pair_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "eval_contact_list|contact_list_forces|apply_contact_forces|resolve_contacts|pairwise_contacts",
        p.pick(
            "Forces of listed contacts, scattered to both grains.",
            "One thread per contact pair.",
            "Evaluate the contact list.",
        ),
    )
    e, pool = _open(p, k, "contact")
    if p.chance(0.4):
        number = k.array(
            "contact_count|num_contacts|pair_count", T.I32, (1,), R.constant(e.n - p.pick(0, 8, 16))
        )
        with k.when(e.index >= number[0]):
            k.ret()
    i, j = _ends(p, e, pool)
    n, overlap, ri, rj = _geometry(p, k, pool, i, j)
    kn = k.param("stiffness|kn|ke", 100.0, 5000.0)
    fn: Expr = kn * overlap
    if p.chance(0.3):
        fn = literal(4.0, p.real) / 3.0 * kn * wp.sqrt(ri * rj / (ri + rj) * overlap) * overlap
    total = None
    if p.chance(0.65):
        v = pool.field("velocities|v|vel", p.vec(), R.uniform(-1.0, 1.0))
        rel = k.let("v_rel|dv|vij", v[i] - v[j])
        vn = k.let("vn|v_n", wp.dot(rel, n))
        fn = k.let("fn|f_n", wp.max(fn - k.param("damping|cn|kd", 0.5, 20.0) * vn, 0.0))
        if p.chance(0.6):
            vt = k.let("vt|slip", rel - n * vn)
            mu = k.param("mu|friction", 0.1, 0.9)
            ft = wp.min(k.param("ct|kt|tangential_damping", 0.5, 20.0) * wp.length(vt), mu * fn)
            total = k.let("f|force|f_ij", n * fn - wp.normalize(vt) * ft)
    if total is None:
        total = k.let("f|force|f_ij", n * fn)
    out = pool.out("forces|grain_forces|f_out|net_force", p.vec())
    out.add(total, i)
    out.subtract(total, j)
    if p.chance(0.3):
        torque = pool.out("torques|moments|tau", p.vec())
        torque.subtract(wp.cross(n * ri, total), i)
        torque.subtract(wp.cross(n * rj, total), j)
    if p.chance(0.25):
        e.out("force_chain|contact_forces|fn_out", p.real).store(fn)


def _tangential_spring(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_tangential_springs|friction_history|shear_history|mindlin_update|tangential_history",
        p.pick(
            "Incremental tangential springs with a Coulomb cap.",
            "Advance the shear displacement of each contact.",
            "Contact history with slip.",
        ),
    )
    e, pool = _open(p, k, "contact")
    shear = e.inout("shear|tangential_disp|xi|spring_state", p.vec(), R.uniform(-0.01, 0.01))
    i, j = _ends(p, e, pool)
    if p.chance(0.6):
        n, overlap, _, _ = _geometry(p, k, pool, i, j)
        fn: Expr = k.let("fn|f_n", k.param("kn|normal_stiffness", 100.0, 5000.0) * overlap)
    else:
        n = e.field("normals|contact_normals|n_ij", p.vec(), R.unit_vectors()).read("n|normal")
        fn = e.field("normal_forces|fn|f_normal", p.real, R.uniform(0.0, 5.0)).read("fn_i|f_n|load")
    v = pool.field("velocities|v|vel", p.vec(), R.uniform(-1.0, 1.0))
    dt = e.world_param("dt|timestep", 0.0001, 0.005)
    rel = k.let("v_rel|dv|vij", v[i] - v[j])
    vt = k.let("vt|slip|v_t", rel - n * wp.dot(rel, n))
    s = k.var("s|xi_t|spring", shear.own)
    if p.chance(0.7):
        k.comment("rotate the history into the current tangent plane")
        k.aug(s, "-", n * wp.dot(s, n))
    k.aug(s, "+", vt * dt)
    kt = k.param("kt|tangential_stiffness|k_shear", 50.0, 2000.0)
    ft = k.var("ft|f_t|f_shear", s * -kt)
    if p.chance(0.4):
        k.aug(ft, "-", vt * k.param("gamma_t|tangential_damping|ct", 0.1, 5.0))
    cap = k.let("cap|limit|ft_max", k.param("mu|friction", 0.1, 0.9) * wp.abs(fn))
    size = k.let("mag|ft_len|trial", wp.length(ft))
    slipping = e.out("sliding|slip_flag|is_sliding", T.I32) if p.chance(0.35) else None
    with k.when(size > cap):
        k.aug(ft, "*", cap / size)
        k.set(s, ft * (-1.0 / kt) if p.chance(0.6) else s * (cap / size))
        if slipping is not None:
            slipping.store(1)
    shear.store(s)
    if p.chance(0.75):
        out = pool.out("forces|grain_forces|f_out", p.vec())
        out.add(ft, i)
        out.subtract(ft, j)


def _coefficients(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "contact_coefficients|effective_properties|pair_stiffness|combine_materials|setup_contacts|mix_materials",
        p.pick(
            "Effective radius, mass and modulus of each pair.",
            "Combine material properties of two grains.",
            "Per-contact stiffness and damping.",
        ),
    )
    e, pool = _open(p, k, "contact")
    i, j = _ends(p, e, pool)

    def harmonic(b: Block, a: Expr, c: Expr) -> Expr:
        return a * c / (a + c)

    def effective(hint: str, values: Field) -> Expr:
        return k.let(
            hint,
            helper(
                p,
                k,
                "harmonic_mean|reduced|effective_value",
                {"a|x": values[i], "b|y": values[j]},
                harmonic,
                share=0.3,
            ),
        )

    r = effective("r_eff|r_star", pool.field("radii|radius", p.real, R.uniform(0.05, 0.2)))
    wanted = p.sample(["stiffness", "damping", "overlap_time", "friction"], 1, 3)
    youngs = k.param("youngs|e_modulus|modulus", 1.0e4, 1.0e6)
    kn = (
        k.let("k_n|stiff|kn", literal(4.0, p.real) / 3.0 * youngs * wp.sqrt(r))
        if p.chance(0.5)
        else youngs * r
    )
    if "stiffness" in wanted or wanted == ["friction"]:
        e.out("kn|pair_stiffness|stiffness_out", p.real).store(kn)
    if "damping" in wanted or "overlap_time" in wanted:
        m = effective("m_eff|m_star", pool.field("masses|mass", p.real, R.uniform(0.1, 1.0)))
        if "damping" in wanted:
            rest = k.param("restitution|cor|e_n", 0.1, 0.95)
            ln = k.let("ln_e|log_e", wp.log(rest))
            beta = k.let("beta|ratio", -ln / wp.sqrt(ln * ln + 9.8696044))
            e.out("damping|cn|pair_damping", p.real).store(2.0 * beta * wp.sqrt(m * kn))
        if "overlap_time" in wanted:
            e.out("contact_time|collision_time|tc", p.real).store(3.14159265 * wp.sqrt(m / kn))
    if "friction" in wanted:
        mu = pool.field("friction|mu", p.real, R.uniform(0.1, 0.9))
        rule = p.pick(
            wp.min(mu[i], mu[j]),
            0.5 * (mu[i] + mu[j]),
            wp.sqrt(mu[i] * mu[j]),
            wp.max(mu[i], mu[j]),
        )
        e.out("pair_friction|mu_out|mu_ij", p.real).store(rule)


def _bonds(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "bond_forces|parallel_bonds|cemented_contacts|break_bonds|bonded_particle_model|liquid_bridges",
        p.pick(
            "Elastic bonds that break under tension.",
            "Cemented contacts with a strength limit.",
            "Capillary bridges between grains.",
        ),
    )
    e, pool = _open(p, k, "bond")
    state = e.inout("bond_state|intact|alive|bonded", T.I32, R.mask(0.85))
    with k.when(state.own == 0):
        k.ret()
    i, j = _ends(p, e, pool)
    x = pool.field("positions|x|pos", p.vec(), R.uniform(0.0, 1.0))
    rest = e.property("rest_length|l0|bond_length", 0.2, 0.8)
    d = k.let("d|r|span", x[i] - x[j])
    length = k.let("l|dist|length", wp.length(d))
    n = k.let("n|axis|dir", d / length)
    area = e.property("bond_area|area|cross_section", 0.005, 0.05)
    stretch = k.let("strain|stretch|eps", (length - rest) / rest)
    kind = p.pick("brittle", "bridge", "damage")
    modulus = None
    if kind == "bridge":
        tension = _bridge(p, k, length, rest, area)
    else:
        modulus = k.param("bond_modulus|youngs|e_bond", 100.0, 2.0e4)
        tension = k.var("f|tension|fn", modulus * area * stretch)
    limit = k.param("tensile_strength|strain_limit|critical_strain|max_strain", 0.1, 0.9)
    with k.when(stretch > limit):
        state.store(0)
        if p.chance(0.5):
            broken = k.out("broken|num_broken|broken_count", T.I32, (e.worlds or 1,))
            k.do(wp.atomic_add(broken, e.world if e.world is not None else 0, 1))
        k.ret()
    if kind == "damage":
        k.set(tension, tension * (1.0 - wp.max(stretch, 0.0) / limit))
    if p.chance(0.5):
        v = pool.field("velocities|v|vel", p.vec(), R.uniform(-1.0, 1.0))
        k.aug(tension, "+", k.param("bond_damping|kd|c_bond", 0.1, 5.0) * wp.dot(v[i] - v[j], n))
    out = pool.out("forces|net_force|f_out", p.vec())
    f = k.let("force|fb|f_vec", n * tension)
    out.subtract(f, i)
    out.add(f, j)
    if modulus is not None and p.chance(0.3):
        e.out("bond_energy|strain_energy|elastic_energy", p.real).store(
            0.5 * modulus * area * rest * stretch * stretch
        )


def _bridge(p: ProgramBuilder, k: KernelBuilder, length: Expr, rest: Expr, area: Expr) -> Name:
    gamma = k.param("surface_tension|gamma|sigma_l", 0.02, 0.5)
    rupture = k.param("rupture_distance|d_rupture|bridge_range", 0.1, 0.6)
    gap = k.let("gap|sep|opening", wp.max(length - rest, 0.0))
    full = 6.2831853 * gamma * wp.sqrt(area)
    return k.var(
        "f|pull|fn",
        choose(gap < rupture, full * (1.0 - gap / rupture), 0.0 * gap)
        if p.chance(0.5)
        else full * wp.max(1.0 - gap / rupture, 0.0),
    )


LISTS = {_pair_forces: 2.4, _tangential_spring: 1.6, _coefficients: 1.6, _bonds: 1.6}
