"""Load vectors: an intent of fem_assembly."""

from generator.synthesis import recipes as R
from generator.synthesis.builtins import wp
from generator.synthesis.categories._elements import Mesh, Nodal
from generator.synthesis.categories._fem_fields import shape_gradients
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def loads(p: ProgramBuilder) -> None:
    """Load vectors: body forces, heat sources, thermal strains, surface tractions and pressure."""
    what = p.weighted({"body": 3, "source": 3, "pressure": 3, "traction": 2, "thermal": 1.5})
    kind = "shell" if what in ("pressure", "traction") else p.weighted({"tri": 3, "tet": 3})
    k = p.kernel_builder(
        f"assemble_{what}_load|{what}_load_vector|apply_{what}|{kind}_loads|external_forces",
        p.pick(
            "Consistent load vector.",
            "Distributes element loads to the nodes.",
            "External loads, one element per thread.",
        ),
    )
    m = Mesh(p, k, kind)
    m.e.guard()
    vec = p.vec(m.dim)
    scalar = what == "source"
    out = m.collect("loads|rhs|external_f|f_ext", p.real if scalar else vec)
    scale = k.param("load_factor|ramp|time_scale", 0.1, 1.0) if p.chance(0.4) else None
    if what in ("pressure", "traction"):
        value = _surface(p, m, what)
    elif what == "thermal":
        _thermal(p, m, out)
        return
    else:
        volume = k.let(
            "vol|area|meas", m.e.field("volumes|areas|measures", p.real, R.uniform(0.1, 1.0)).own
        )
        value = _body(p, m, scalar) * (volume / float(m.nen))
    value = k.let("share|nodal_load|f_node", value if scale is None else value * scale)
    if p.chance(0.5):
        for j in m.nodes():
            out.add(j, value)
    else:
        with k.loop("a|c", m.nen) as a:
            out.add(m.entry(a), value)
    if p.chance(0.3):
        k.do(
            wp.atomic_add(
                k.out("resultant|total_load|load_sum", value.type, (1,)), 0, value * float(m.nen)
            )
        )


def _body(p: ProgramBuilder, m: Mesh, scalar: bool) -> Expr:
    k = m.k
    if scalar:
        match p.pick("nodal", "element", "decay"):
            case "nodal":
                f = m.nodal("source|f|heat", p.real, R.uniform(-1.0, 1.0))
                total = f[m.node(0)]
                for a in range(1, m.nen):
                    total = total + f[m.node(a)]
                return total / float(m.nen)
            case "element":
                return m.e.property("source|heating|q_e", 0.2, 2.0)
        x = m.nodal("positions|x|pos", p.vec(m.dim), R.uniform(-1.0, 1.0))
        c = k.let("c|mid|centroid", _centroid(m, x))
        d = c - k.quantity("center|hot_spot|focus", p.vec(m.dim), [0.2, -0.1, 0.3][: m.dim])
        return k.param("strength|amplitude|power", 0.5, 3.0) * wp.exp(
            -wp.length_sq(d) * k.param("sharpness|inv_width|decay", 0.5, 4.0)
        )
    density = m.e.property("density|rho|mass_density", 0.5, 3.0)
    g = m.e.world_vector("gravity|g|body_accel", [0.0, -9.81, 0.0][: m.dim], p.vec(m.dim))
    if p.chance(0.3):
        x = m.nodal("positions|x|pos", p.vec(m.dim), R.uniform(-1.0, 1.0))
        omega = k.param("spin|omega|angular_speed", 0.2, 3.0)
        return (g + k.let("c|mid|centroid", _centroid(m, x)) * (omega * omega)) * density
    return g * density


def _centroid(m: Mesh, x: Nodal) -> Expr:
    total = x[m.node(0)]
    for a in range(1, m.nen):
        total = total + x[m.node(a)]
    return total / float(m.nen)


def _surface(p: ProgramBuilder, m: Mesh, what: str) -> Expr:
    k = m.k
    x = m.nodal("positions|x|pos", p.vec(3), R.uniform(-1.0, 1.0))
    a, b, c = (k.let(f"x{i}|p{i}", x[m.node(i)]) for i in range(3))
    n = k.let("n|area_normal|cr", wp.cross(b - a, c - a))
    if what == "pressure":
        q = m.e.property("pressure|q_in|gas_pressure", 0.1, 2.0)
        if p.chance(0.35):
            surface, gamma = (
                k.param("water_level|surface_z|head", 0.2, 1.0),
                k.param("specific_weight|gamma_w|rho_g", 0.5, 5.0),
            )
            depth = k.let("depth|submersion|h_w", wp.max(surface - (a.z + b.z + c.z) / 3.0, 0.0))
            return n * (-gamma * depth / 6.0)
        return n * (-q / 6.0)
    t = m.e.field("tractions|t_in|surface_loads", p.vec(3), R.uniform(-1.0, 1.0)).own
    area = k.let("area|meas", 0.5 * wp.length(n))
    if p.chance(0.4):
        v = m.nodal("velocities|v|vel", p.vec(3), R.uniform(-1.0, 1.0))
        rel = k.let("rel|slip|wind_rel", t - (v[m.node(0)] + v[m.node(1)] + v[m.node(2)]) / 3.0)
        return rel * (wp.length(rel) * area * k.param("drag|cd|rho_half", 0.05, 0.6) / 3.0)
    return t * (area / 3.0)


def _thermal(p: ProgramBuilder, m: Mesh, out: Nodal) -> None:
    """Equivalent forces of thermal expansion."""
    k = m.k
    grads, volume = shape_gradients(m)
    t = m.nodal("temperature|T_nodes|theta", p.real, R.uniform(0.0, 2.0))
    mean = t[m.node(0)]
    for a in range(1, m.nen):
        mean = mean + t[m.node(a)]
    rise = k.let(
        "rise|dT|delta_t", mean / float(m.nen) - k.param("t_ref|reference_temp|T0", 0.2, 1.0)
    )
    if p.chance(0.3):
        with k.when(wp.abs(rise) < 1.0e-6):
            k.ret()
    s = k.let(
        "s|sigma_th|press",
        k.param("bulk|k_mod|stiffness", 0.5, 5.0)
        * k.param("alpha|expansion|cte", 1e-3, 1e-1)
        * rise
        * volume,
    )
    for a in range(m.nen):
        out.add(m.node(a), grads[a] * s)
