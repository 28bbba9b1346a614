"""Bars, cables and beams: intents of fem_assembly."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._elements import Mesh
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def truss(p: ProgramBuilder) -> None:
    """Axial elements: linear, Green-Lagrange or cable behaviour, with tangent blocks and limits."""
    k = p.kernel_builder(
        "truss_forces|axial_forces|cable_forces|bar_elements|spring_elements|member_forces",
        p.pick(
            "Axial force of each member, scattered to its two nodes.",
            "Pin-jointed bars.",
            "Two-node axial elements; cables carry tension only.",
        ),
    )
    m = Mesh(p, k, "line")
    m.e.guard()
    vec = p.vec(3)
    x = m.nodal("positions|x|pos|nodes_x", vec, R.uniform(-1.0, 1.0))
    forces = m.collect("forces|f|nodal_forces", vec)
    i, j = m.node(0), m.node(1)
    d = k.let("d|delta|axis_v", x[j] - x[i])
    length = k.let("len_m|length|cur", wp.length(d))
    with k.when(length < p.pick(1e-4, 1e-3)):
        k.ret()
    rest = k.let(
        "l0|rest|rest_len",
        m.e.field("rest_lengths|l0_in|natural_length", p.real, R.uniform(0.4, 1.2)).own,
    )
    ea = m.e.property("axial_stiffness|EA|stiffness", 1.0, 20.0)
    law = p.pick("engineering", "green", "log", "cable", "buckling")
    tension = k.var("tension|n_axial|t_force", _axial(p, m, law, length, rest, ea))
    if p.chance(0.4):
        v = m.nodal("velocities|v|vel", vec, R.uniform(-1.0, 1.0))
        rate = k.let("rate|ldot|closing", wp.dot(v[j] - v[i], d) / length)
        k.aug(tension, "+", k.param("damping|c_axial|kd", 0.05, 1.0) * rate)
    if p.chance(0.35):
        limit = m.e.property("strength|yield_force|max_force", 1.0, 5.0)
        if p.chance(0.5):
            k.set(tension, wp.clamp(tension, -limit, limit))
        else:
            with k.when(wp.abs(tension) > limit):
                m.e.out("broken|failed|snapped", T.I32).store(1)
                k.ret()
    f = k.let("f|fv|pull", d * (tension / length) if p.chance(0.6) else wp.normalize(d) * tension)
    forces.add(i, f)
    forces.add(j, f, subtract=True)
    if p.chance(0.5):
        m.e.out("member_forces|axial_out|tensions", p.real).store(tension)
    if p.chance(0.4):
        n = k.let("n|dir|unit", d / length)
        block = k.let(
            "kt|tangent|kblock",
            wp.outer(n, n) * (ea / rest) + wp.diag(construct(vec, wp.max(tension, 0.0) / length)),
        )
        if p.chance(0.5):
            m.e.out("tangents|stiffness_blocks|k_out", p.mat(3)).store(block)
        else:
            diag = m.collect("diag_blocks|K_diag|node_stiffness", p.mat(3))
            diag.add(i, block)
            diag.add(j, block)
    if p.chance(0.3):
        k.do(
            wp.atomic_add(
                k.out("strain_energy|energy|total", p.real, (1,)),
                0,
                0.5 * tension * (length - rest),
            )
        )


def _axial(p: ProgramBuilder, m: Mesh, law: str, length: Expr, rest: Expr, ea: Expr) -> Expr:
    def body(b: Block, l: Expr, l0: Expr, s: Expr) -> Expr:  # noqa: E741
        if law == "green":
            e = b.let("eg|green|strain", (l * l - l0 * l0) / (2.0 * l0 * l0))
            return s * e * l / l0
        if law == "log":
            return s * wp.log(l / l0)
        e = b.let("e|strain|eps", (l - l0) / l0)
        if law == "cable":
            return s * wp.max(e, 0.0) if p.chance(0.5) else choose(e > 0.0, s * e, 0.0)
        if law == "buckling":
            return choose(e < 0.0, 0.1 * s * e, s * e)
        return s * e

    return piece(
        p,
        m.k,
        f"{law}_force|axial_law|bar_force",
        {"l|length": length, "l0|rest": rest, "ea|s": ea},
        body,
        "",
        0.65,
    )


def beam_frame(p: ProgramBuilder) -> None:
    """Planar Euler-Bernoulli beams: 6x6 element matrices in the global frame, or their action."""
    k = p.kernel_builder(
        "beam_stiffness|frame_elements|beam_forces|assemble_beams|frame_stiffness",
        p.pick(
            "Planar beam elements with three degrees of freedom per node.",
            "Bending and axial stiffness in the global frame.",
            "Two-node frame members.",
        ),
    )
    m = Mesh(p, k, "line")
    m.e.guard()
    x = m.nodal("positions|x|pos|nodes_x", p.vec(2), R.uniform(-2.0, 2.0))
    d = k.let("d|axis_v|dx", x[m.node(1)] - x[m.node(0)])
    length = k.let("len_b|length|span", wp.length(d))
    with k.when(length < 0.1):
        k.ret()
    c, s = k.let("c|cos_a|cx", d.x / length), k.let("s|sin_a|sy", d.y / length)
    ea, ei = (
        m.e.property("EA|axial_stiffness", 2.0, 20.0),
        m.e.property("EI|bending_stiffness", 0.5, 5.0),
    )
    v3 = p.vec(3)
    u = m.nodal("u|dofs|displacements", v3, R.uniform(-0.2, 0.2))
    ui, uj = k.let("ui|u_a", u[m.node(0)]), k.let("uj|u_b", u[m.node(1)])
    rot = p.mat(3)
    t = k.let("t|T|frame", construct(rot, c, s, 0.0, -s, c, 0.0, 0.0, 0.0, 1.0))
    a, b = k.let("a|la|local_i", t * ui), k.let("b|lb|local_j", t * uj)
    axial = k.let("n|axial|fx", ea / length * (a.x - b.x))
    k1 = k.let("k1|kv|shear_k", 12.0 * ei / (length * length * length))
    k2 = k.let("k2|kvm|couple", 6.0 * ei / (length * length))
    k3 = k.let("k3|km|bend", 2.0 * ei / length)
    shear = k.let("q|shear|fy", k1 * (a.y - b.y) + k2 * (a.z + b.z))
    m1 = k.let("m1|moment_i|mi", k2 * (a.y - b.y) + k3 * (2.0 * a.z + b.z))
    m2 = k.let("m2|moment_j|mj", k2 * (a.y - b.y) + k3 * (a.z + 2.0 * b.z))
    if p.chance(0.4):
        w = k.param("distributed_load|w_load|line_load", 0.1, 2.0)
        m1 = k.let("m1_fixed|m1_total", m1 - w * length * length / 12.0)
        m2 = k.let("m2_fixed|m2_total", m2 + w * length * length / 12.0)
    if p.chance(0.35):
        hinge = k.let(
            "hinge|release|pin", m.e.field("releases|hinge_flags|pins", T.I32, R.integers(0, 4)).own
        )
        m1 = k.let("mi_r|m1_released", choose((hinge & 1) != 0, 0.0, m1))
        m2 = k.let("mj_r|m2_released", choose((hinge & 2) != 0, 0.0, m2))
    forces = m.collect("forces|r|reactions", v3)
    back = wp.transpose(t)
    forces.add(m.node(0), back * construct(v3, axial, shear, m1))
    forces.add(m.node(1), back * construct(v3, -axial, -shear, m2))
    if p.chance(0.5):
        m.e.out("section_forces|internal|nqm", v3).store(construct(v3, axial, shear, m1))
    if p.chance(0.3):
        limit = m.e.property("moment_capacity|m_yield|plastic_moment", 0.1, 1.0)
        with (
            k.when(wp.abs(m1) > limit)
            if p.chance(0.5)
            else k.when(all_of(wp.abs(m1) > limit, wp.abs(m2) > limit))
        ):
            k.do(wp.atomic_add(k.out("hinges|num_yielded|overloaded", T.I32, (1,)), 0, 1))
