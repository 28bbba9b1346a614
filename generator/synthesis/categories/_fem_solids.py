"""Deformable solids on triangles and tetrahedra: intents of fem_assembly."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import (
    Mesh,
    edge_matrix,
    edges,
    identity,
    scatter_columns,
)
from generator.synthesis.categories._materials import MODELS, energy, lame, stress
from generator.synthesis.idioms import piece
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def _rest(m: Mesh) -> tuple[Expr, Expr]:
    """Inverse rest shape and rest measure of the element, stored or recomputed."""
    p, k, e = m.p, m.k, m.e
    inverse = k.let(
        "inv_dm|Dm_inv|rest_inv|B",
        e.field(
            "rest_inverse|inv_rest|Dm_inv_in|tet_poses", p.mat(m.dim), R.near_identity(0.15)
        ).own,
    )
    match p.pick("given", "det", "param"):
        case "given":
            volume = e.field("rest_volumes|volumes|rest_area", p.real, R.uniform(0.1, 1.0)).own
        case "det":
            volume = k.let(
                "vol|rest_vol|measure",
                1.0 / ((6.0 if m.dim == 3 else 2.0) * wp.determinant(inverse)),
            )
        case _:
            volume = k.param("element_volume|thickness|rest_measure", 0.05, 0.5)
    return inverse, volume


def elastic_forces(p: ProgramBuilder) -> None:
    """Nodal forces of a hyperelastic model, with damping, plasticity, activation or energy."""
    kind = p.weighted({"tet": 5, "tri": 3})
    model = p.weighted(MODELS)
    k = p.kernel_builder(
        f"{model}_forces|eval_{kind}_forces|elastic_forces|compute_internal_forces|{kind}_{model}|accumulate_forces",
        p.pick(
            "Internal forces of hyperelastic elements.",
            "One element per thread; nodal forces are accumulated atomically.",
            "Stress times gradient, scattered to the nodes.",
            f"Elastic forces of {kind} elements.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    x = m.nodal("positions|x|pos|particle_q", p.vec(m.dim), R.uniform(-1.0, 1.0))
    forces = m.collect("forces|f|nodal_forces|particle_f", p.vec(m.dim))
    ds = edge_matrix(m, x)
    inverse, volume = _rest(m)
    f = k.var("F|defgrad|F_e", ds * inverse)
    mu, lam = lame(p, m.e)
    extras = p.sample([_plastic, _damage, _activate], 0, 1)
    for change in extras:
        mu, lam = change(p, m, f, mu, lam)
    if p.chance(0.2):
        with k.when(wp.determinant(f) < k.param("min_det|inversion_limit|j_min", 0.02, 0.3)):
            k.do(wp.atomic_add(k.out("inverted_count|num_inverted|flips", T.I32, (1,)), 0, 1))
            k.ret()
    k.step(p.pick("stress", "constitutive law", ""))
    pk = k.var("P|pk1|stress_e", stress(p, k, model, f, mu, lam, m.dim))
    if p.chance(0.35):
        _damping(p, m, pk, inverse)
    if p.chance(0.2):
        _fibre(p, m, f, pk)
    k.step(p.pick("scatter to the nodes", "nodal forces", ""))
    h = k.let("H|nodal|g", pk * wp.transpose(inverse) * (-volume))
    scatter_columns(m, forces, h, subtract=False)
    if p.chance(0.35):
        w = k.let("psi|density|w", energy(p, k, model, f, mu, lam, m.dim))
        lead = (m.e.worlds or 1,)
        k.do(
            wp.atomic_add(
                k.out("energy|elastic_energy|total_energy", p.real, lead),
                m.e.world if m.e.world is not None else 0,
                w * volume,
            )
        )
    if p.chance(0.25):
        m.e.out("stress_out|pk1_out|element_stress", p.mat(m.dim)).store(pk)


def _plastic(p: ProgramBuilder, m: Mesh, f: Expr, mu: Expr, lam: Expr) -> tuple[Expr, Expr]:
    """Singular values limited to a range."""
    k = m.k
    u, s, v = k.unpack(["U|u", "sig|s", "V|v"], wp.svd3(f) if m.dim == 3 else wp.svd2(f))
    low, high = (
        k.param("min_stretch|theta_c|compress_limit", 0.5, 0.9),
        k.param("max_stretch|theta_s|stretch_limit", 1.1, 1.8),
    )
    limited = k.let(
        "limited|sc|sig_c",
        construct(p.vec(m.dim), *(wp.clamp(s[i], low, high) for i in range(m.dim))),
    )
    k.set(f, u * wp.diag(limited) * wp.transpose(v))
    return mu, lam


def _damage(p: ProgramBuilder, m: Mesh, f: Expr, mu: Expr, lam: Expr) -> tuple[Expr, Expr]:
    k = m.k
    d = m.e.field("damage|phase_field|softening", p.real, R.uniform(0.0, 0.8)).own
    g = k.let("g|degradation|keep", (1.0 - d) * (1.0 - d) + p.pick(1e-3, 1e-2))
    return k.let("mu_d|mu_eff|soft_mu", mu * g), k.let("lam_d|lam_eff|soft_lam", lam * g)


def _activate(p: ProgramBuilder, m: Mesh, f: Expr, mu: Expr, lam: Expr) -> tuple[Expr, Expr]:
    k = m.k
    a = m.e.field("activation|actuation|signal", p.real, R.uniform(-0.2, 0.2)).own
    if p.chance(0.5):
        k.set(f, f * (1.0 + a))
    else:
        k.set(
            f,
            f
            * wp.diag(construct(p.vec(m.dim), *(1.0 + a if i == 0 else 1.0 for i in range(m.dim)))),
        )
    return mu, lam


def _damping(p: ProgramBuilder, m: Mesh, pk: Expr, inverse: Expr) -> None:
    """Viscous stress from the rate of the deformation gradient."""
    k = m.k
    v = m.nodal("velocities|v|vel|particle_qd", p.vec(m.dim), R.uniform(-1.0, 1.0))
    rate = k.let("dF|Fdot|grad_v", wp.matrix_from_cols(*edges(m, v)) * inverse)
    eta = k.param("eta|damping|viscosity|kd", 0.01, 0.5)
    k.aug(pk, "+", (rate + wp.transpose(rate)) * (0.5 * eta) if p.chance(0.4) else rate * eta)


def _fibre(p: ProgramBuilder, m: Mesh, f: Expr, pk: Expr) -> None:
    k = m.k
    a = m.e.field("fibers|fiber_dirs|fibre", p.vec(m.dim), R.unit_vectors()).own
    fa = k.let("fa|stretched|a_def", f * a)
    stretch = k.let("stretch|lam_f|len_f", wp.length(fa))
    stiffness = k.param("fiber_stiffness|k_f|tension", 0.5, 5.0)
    with k.when(stretch > 1.0):
        k.aug(pk, "+", wp.outer(fa, a) * (stiffness * (stretch - 1.0) / stretch))


def recovery(p: ProgramBuilder) -> None:
    """Strain and stress measures per element, averaged to the nodes or reduced."""
    kind = p.weighted({"tet": 4, "tri": 3})
    k = p.kernel_builder(
        "recover_stress|von_mises|strain_from_displacement|element_stress|compute_strain|stress_to_nodes",
        p.pick(
            "Strain and stress recovery.",
            "Element stresses from nodal displacements.",
            "Post-processing of the displacement field.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    u = m.nodal("displacements|u|disp", p.vec(m.dim), R.uniform(-0.2, 0.2))
    d = edge_matrix(m, u, "Du|du|grad_ref")
    inverse = k.let(
        "inv_dm|G|rest_inv",
        m.e.field("rest_inverse|inv_rest|shape_inv", p.mat(m.dim), R.near_identity(0.2)).own,
    )
    grad = k.let("grad_u|H|du_dx", d * inverse)
    green = p.chance(0.35)
    small = (grad + wp.transpose(grad)) * 0.5
    eps = k.let(
        "eps|strain|E",
        (grad + wp.transpose(grad) + wp.transpose(grad) * grad) * 0.5 if green else small,
    )
    mu, lam = lame(p, m.e)
    sig = k.let("sigma|stress_t|S", eps * (2.0 * mu) + identity(p, m.dim) * (lam * wp.trace(eps)))
    _measures(p, m, eps, sig)


def _measures(p: ProgramBuilder, m: Mesh, eps: Expr, sig: Expr) -> None:
    k = m.k
    tasks = p.sample(["mises", "nodes", "principal", "pressure", "yield", "energy", "voigt"], 1, 3)
    mises = None
    if "mises" in tasks or "yield" in tasks or "nodes" in tasks:
        mises = k.let("vm|mises|sigma_eq", _von_mises(p, m, sig))
    if "mises" in tasks and mises is not None:
        m.e.out("von_mises_out|equivalent|vm_out", p.real).store(mises)
    if "nodes" in tasks and mises is not None:
        total, count = (
            m.collect("nodal_stress|node_sum|stress_sum", p.real),
            m.collect("node_count|valence|weights_sum", p.real),
        )
        weight = (
            m.e.field("volumes|areas|measures", p.real, R.uniform(0.1, 1.0)).own
            if p.chance(0.6)
            else None
        )
        w = construct(p.real, 1.0) if weight is None else k.let("w|vol|weight", weight)
        if p.chance(0.5):
            for j in m.nodes():
                total.add(j, mises * w if weight is not None else mises)
                count.add(j, w)
        else:
            with k.loop("a|c|n", m.nen) as a:
                total.add(m.entry(a), mises * w if weight is not None else mises)
                count.add(m.entry(a), w)
    if "principal" in tasks and m.dim == 3:
        q, w = k.unpack(["axes|Q|dirs", "w|principal|lam_s"], wp.eig3(sig))
        m.e.out("principal_stress|principals|eig_out", p.vec(3)).store(w)
        m.e.out("principal_axes|axes_out|directions", p.mat(3)).store(q)
    if "pressure" in tasks:
        m.e.out("pressure|mean_stress|hydrostatic", p.real).store(-wp.trace(sig) / float(m.dim))
    if "yield" in tasks and mises is not None:
        limit = m.e.property("yield_stress|sigma_y|strength", 0.2, 2.0)
        if p.chance(0.5):
            m.e.out("utilization|yield_ratio|safety", p.real).store(mises / limit)
        else:
            with k.when(mises > limit):
                k.do(wp.atomic_add(k.out("yielded|num_yielded|plastic_count", T.I32, (1,)), 0, 1))
    if "energy" in tasks:
        k.do(
            wp.atomic_add(
                k.out("strain_energy|energy|total", p.real, (1,)), 0, 0.5 * wp.ddot(sig, eps)
            )
        )
    if "voigt" in tasks or not tasks or tasks == ["principal"]:
        parts = (
            [eps[0, 0], eps[1, 1], 2.0 * eps[0, 1]]
            if m.dim == 2
            else [
                eps[0, 0],
                eps[1, 1],
                eps[2, 2],
                2.0 * eps[1, 2],
                2.0 * eps[0, 2],
                2.0 * eps[0, 1],
            ]
        )
        t = p.vec(len(parts))
        m.e.out("strain_out|voigt|strain_vec", t).store(construct(t, *parts))


def _von_mises(p: ProgramBuilder, m: Mesh, sig: Expr) -> Expr:
    form = p.pick("deviator", "components")

    def body(b: Block, s: Expr) -> Expr:
        if m.dim == 2:
            return wp.sqrt(
                wp.max(
                    s[0, 0] * s[0, 0]
                    - s[0, 0] * s[1, 1]
                    + s[1, 1] * s[1, 1]
                    + 3.0 * s[0, 1] * s[0, 1],
                    0.0,
                )
            )
        if form == "deviator":
            dev = b.let("dev|s_dev|d", s - identity(p, 3) * (wp.trace(s) / 3.0))
            return wp.sqrt(1.5 * wp.ddot(dev, dev))
        a = b.let("a|d01", s[0, 0] - s[1, 1])
        c = b.let("c|d12", s[1, 1] - s[2, 2])
        d = b.let("d|d20", s[2, 2] - s[0, 0])
        shear = b.let("shear|tau2", s[0, 1] * s[0, 1] + s[1, 2] * s[1, 2] + s[0, 2] * s[0, 2])
        return wp.sqrt(0.5 * (a * a + c * c + d * d) + 3.0 * shear)

    return piece(
        p, m.k, "von_mises|equivalent_stress|mises_norm", {"s|sigma|stress": sig}, body, "", 0.7
    )
