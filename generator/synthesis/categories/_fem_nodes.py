"""Rest state, co-rotated stiffness and nodal updates: intents of fem_assembly."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import Mesh, edge_matrix, edges
from generator.synthesis.categories._materials import rotation
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import inverted, piece
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def precompute(p: ProgramBuilder) -> None:
    """Rest shapes, volumes, lumped masses and quality measures."""
    kind = p.weighted({"tet": 3, "tri": 2, "shell": 2})
    k = p.kernel_builder(
        "init_elements|precompute_rest_state|lump_masses|rest_shapes|element_quality|compute_volumes",
        p.pick(
            "Rest state of every element.",
            "Lumped masses and rest volumes.",
            "Geometry that the solver reuses every step.",
        ),
    )
    m = Mesh(p, k, kind, layouts=p.chance(0.5))
    m.e.guard()
    x = m.nodal("rest_positions|X|positions|vertices", p.vec(m.dim), R.uniform(-2.0, 2.0))
    if kind == "shell":
        e = edges(m, x)
        a, b = k.let("e1|a|u", e[0]), k.let("e2|b|v", e[1])
        n = k.let("n|normal|cr", wp.cross(a, b))
        twice = k.let("twice_area|len_n|dbl", wp.length(n))
        with k.when(twice < p.pick(1e-3, 1e-2)):
            k.ret()
        volume = k.let("area|vol|measure", 0.5 * twice)
        if p.chance(0.5):
            m.e.out("normals|face_normals|n_out", p.vec(3)).store(n / twice)
        if p.chance(0.3):
            normals = m.collect("vertex_normals|node_normals|n_sum", p.vec(3))
            for j in m.nodes():
                normals.add(j, n)
    else:
        dm = edge_matrix(m, x, "Dm|rest_matrix|D0")
        det = k.let("det|det_dm|jac", wp.determinant(dm))
        with k.when(
            det < p.pick(0.01, 0.05) if p.chance(0.6) else wp.abs(det) < p.pick(0.01, 0.05)
        ):
            if p.chance(0.5):
                k.do(
                    wp.atomic_add(
                        k.out("bad_elements|degenerate_count|inverted", T.I32, (1,)), 0, 1
                    )
                )
            k.ret()
        volume = k.let("vol|area|measure", (wp.abs(det) / 6.0 if m.dim == 3 else 0.5 * wp.abs(det)))
        m.e.out("rest_inverse|Dm_inv|inv_rest", p.mat(m.dim)).store(inverted(p, dm))
        if p.chance(0.35):
            _quality(p, m, dm, volume)
    m.e.out("volumes|rest_volume|areas", p.real).store(volume)
    if p.chance(0.6):
        mass = m.collect("masses|lumped_mass|node_mass", p.real)
        density = m.e.property("density|rho|material_density", 0.5, 3.0)
        share = k.let(
            "share|m_node|portion",
            density * volume / float(m.nen),
        )
        if p.chance(0.5):
            with k.loop("a|c", m.nen) as c:
                mass.add(m.entry(c), share)
        else:
            for j in m.nodes():
                mass.add(j, share)
    if p.chance(0.3):
        k.do(wp.atomic_add(k.out("total_volume|mesh_volume|measure_sum", p.real, (1,)), 0, volume))


def _quality(p: ProgramBuilder, m: Mesh, dm: Expr, volume: Expr) -> None:
    k = m.k
    frob = k.let("frob|edge_sq|size_sq", wp.ddot(dm, dm))
    q = (
        4.0 * 1.7320508 * volume / (1.5 * frob)
        if m.dim == 2
        else 6.0 * volume / wp.pow(frob / 3.0, 1.5)
    )
    q = k.let("q|quality|shape_q", q)
    m.e.out("quality|shape_quality|aspect", p.real).store(q)
    if p.chance(0.5):
        k.do(
            wp.atomic_min(
                k.out("worst_quality|min_quality|q_min", p.real, (1,), R.constant(1.0e3)), 0, q
            )
        )


def co_rotational(p: ProgramBuilder) -> None:
    """Warped stiffness: element matrices applied in the rotated frame, block by block."""
    kind = p.weighted({"tet": 3, "tri": 2})
    k = p.kernel_builder(
        "corotational_forces|warped_stiffness|apply_corotated_stiffness|stiffness_warping",
        p.pick(
            "Linear stiffness in the co-rotated frame of each element.",
            "Stiffness warping.",
            "f = R K (R^T x - X), element by element.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    vec, mat = p.vec(m.dim), p.mat(m.dim)
    x = m.nodal("positions|x|pos", vec, R.uniform(-1.0, 1.0))
    rest = m.nodal("rest_positions|X|x0", vec, R.uniform(-1.0, 1.0))
    forces = m.collect("forces|f|internal", vec)
    f = k.let(
        "F|defgrad|warp_f",
        edge_matrix(m, x)
        * m.e.field("rest_inverse|inv_rest|Dm_inv", mat, R.near_identity(0.15)).own,
    )
    r = piece(
        p,
        k,
        "polar_rotation|rotation_of|extract_rotation",
        {"F|f": f},
        lambda b, g: rotation(p, b, m.dim, g),
        "",
        0.5,
    )
    r = k.let("R|rot|frame", r)
    stiff = k.array("element_stiffness|K|blocks", mat, (m.e.n, m.nen, m.nen), R.uniform(-1.0, 1.0))
    damp = k.param("damping|eta|beta", 0.01, 0.2) if p.chance(0.3) else None
    v = m.nodal("velocities|v|vel", vec, R.uniform(-1.0, 1.0)) if damp is not None else None
    with k.loop("a|row|i_node", m.nen) as a:
        acc = k.var("acc|fa|force_a", construct(vec, 0.0))
        with k.loop("b|col|j_node", m.nen) as b:
            j = k.let("j|nb|node_b", m.entry(b))
            local = k.let("d|local|unrotated", wp.transpose(r) * x[j] - rest[j])
            if v is not None and damp is not None:
                k.aug(acc, "+", stiff[m.e.index, a, b] * (local + wp.transpose(r) * v[j] * damp))
            else:
                k.aug(acc, "+", stiff[m.e.index, a, b] * local)
        forces.add(m.entry(a), r * acc, subtract=True)
    if p.chance(0.3):
        m.e.out("rotations|frames_out|R_out", mat).store(r)


def nodal_update(p: ProgramBuilder) -> None:
    """What happens at the nodes after assembly: acceleration, damping, constraints, Newmark steps."""
    k = p.kernel_builder(
        "update_nodes|integrate_nodes|apply_nodal_forces|newmark_step|explicit_update|advance_nodes",
        p.pick(
            "Explicit update of the nodes.",
            "Central differences with lumped mass.",
            "Nodal time step after assembly.",
        ),
    )
    dim = p.pick(2, 3, 3)
    vec = p.vec(dim)
    e = Entities(k, "node", index="i|n|tid|node_id")
    u = e.inout("displacements|u|x", vec, R.uniform(-0.5, 0.5))
    v = e.inout("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
    fixed = p.pick("none", "mask", "components")
    if fixed == "mask":
        with k.when(e.field("fixed|is_fixed|dirichlet", T.I32, R.mask(0.15)).own != 0):
            v.store(construct(vec, 0.0))
            k.ret()
    else:
        e.guard()
    f = k.var("f|force|load", e.field("forces|f_in|residual", vec, R.uniform(-1.0, 1.0)).own)
    if p.chance(0.5):
        k.aug(f, "-", e.field("internal_forces|f_int|r_int", vec, R.uniform(-1.0, 1.0)).own)
    mass = k.let(
        "m|mass|mi", e.field("masses|lumped_mass|node_mass", p.real, R.uniform(0.2, 2.0)).own
    )
    if p.chance(0.4):
        k.aug(f, "+", e.world_vector("gravity|g|body_accel", [0.0, -9.81, 0.0][:dim], vec) * mass)
    dt = e.world_param("dt|h|step", 1e-3, 2e-2)
    damping = k.param("alpha|damping|mass_damping", 0.01, 0.5) if p.chance(0.5) else None
    vi = k.var("vi|vel_i|w", v.own)
    if damping is not None and p.chance(0.5):
        k.set(vi, (vi * (1.0 - 0.5 * dt * damping) + f * (dt / mass)) / (1.0 + 0.5 * dt * damping))
    else:
        a = k.let("a|acc|accel", f / mass if damping is None else f / mass - vi * damping)
        if p.chance(0.3):
            gamma = k.param("gamma|newmark_gamma", 0.5, 0.7)
            old = e.inout("accelerations|a_old|acc_prev", vec, R.uniform(-1.0, 1.0))
            k.set(vi, vi + (old.own * (1.0 - gamma) + a * gamma) * dt)
            old.store(a)
        else:
            k.aug(vi, "+", a * dt)
    if fixed == "components":
        flags = k.let(
            "flags|bc_bits|mask",
            e.field("bc_flags|constraint_bits|dof_mask", T.I32, R.integers(0, 1 << dim)).own,
        )
        for c, axis in enumerate("xyz"[:dim]):
            with k.when((flags & (1 << c)) != 0):
                k.set(vi.field(axis), 0.0)
    v.store(vi)
    u.store(u.own + vi * dt)
    if p.chance(0.4):
        k.do(
            wp.atomic_add(
                k.out("kinetic_energy|ke|energy", p.real, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                0.5 * mass * wp.dot(vi, vi),
            )
        )
