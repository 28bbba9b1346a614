"""D2Q9 written out: populations as named locals, collisions in population or moment space."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._lattice import D2Q9, Lattice
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def _open(p: ProgramBuilder, names: str, doc: str) -> tuple[Lattice, list[Expr], Expr]:
    """Lattice, the nine populations of this cell as locals, and the output array."""
    k = p.kernel_builder(names, doc)
    m = Lattice(p, k, axes=2)
    pull = p.chance(0.45)
    in_place = not pull and p.chance(0.5)
    f = m.populations("f|f_in|populations", "inout" if in_place else "in")
    out = f if in_place else m.populations("f_out|f_new|f_next", "out")
    flags = (
        m.cells("solid|is_solid|obstacle", p.pick(T.I32, T.BOOL), R.mask(0.12))
        if p.chance(0.5)
        else None
    )
    if flags is not None:
        cell = flags[m.at]
        with k.when(cell if cell.type == T.BOOL else cell == 1):
            if not in_place and p.chance(0.6):
                for q in range(9):
                    k.set(m.pop(out, q), m.pop(f, m.reverse(q)))
            k.ret()
    if pull:
        nx, ny = m.extent(0), m.extent(1)
        x, y = m.at
        xm, xp = k.let("xm|x_w|left", (x + nx - 1) % nx), k.let("xp|x_e|right", (x + 1) % nx)
        ym, yp = k.let("ym|y_s|below", (y + ny - 1) % ny), k.let("yp|y_n|above", (y + 1) % ny)
        sides = {0: (x, y), 1: (xm, ym), -1: (xp, yp)}
        values = [
            k.let(f"f{q}", m.pop(f, q, (sides[c[0]][0], sides[c[1]][1])))
            for q, c in enumerate(D2Q9)
        ]
    else:
        values = [k.let(f"f{q}", m.pop(f, q)) for q in range(9)]
    return m, values, out


def _macroscopic(p: ProgramBuilder, m: Lattice, f: list[Expr]) -> tuple[Expr, Expr, Expr]:
    k = m.k
    rho = k.let("rho|density", f[0] + f[1] + f[2] + f[3] + f[4] + f[5] + f[6] + f[7] + f[8])
    jx, jy = f[1] + f[5] + f[8] - f[3] - f[6] - f[7], f[2] + f[5] + f[6] - f[4] - f[7] - f[8]
    if p.chance(0.5):
        inv = k.let("inv_rho|rinv", 1.0 / rho)
        return rho, k.let("ux|u", jx * inv), k.let("uy|v", jy * inv)
    return rho, k.let("ux|u", jx / rho), k.let("uy|v", jy / rho)


def _outputs(p: ProgramBuilder, m: Lattice, rho: Expr, ux: Expr, uy: Expr) -> None:
    k = m.k
    if p.chance(0.4):
        k.set(m.cells("rho_out|density_field", p.real, R.zeros(), "out")[m.at], rho)
    if p.chance(0.4):
        k.set(
            m.cells("vel_out|velocity", p.vec(2), R.zeros(), "out")[m.at],
            construct(p.vec(2), ux, uy),
        )
    elif p.chance(0.3):
        peak = k.out("max_speed|u_max", p.real, (1,))
        k.do(wp.atomic_max(peak, 0, wp.sqrt(ux * ux + uy * uy)))


def explicit_collide(p: ProgramBuilder) -> None:
    """BGK or two-relaxation-time collision of D2Q9 without a direction loop."""
    m, f, out = _open(
        p,
        "collide_d2q9|bgk_d2q9|d2q9_step|relax_d2q9|lbm_d2q9",
        p.pick(
            "Collision of nine velocities, written out.",
            "Unrolled D2Q9 update.",
            "Single relaxation time on nine velocities.",
        ),
    )
    k = m.k
    rho, ux, uy = _macroscopic(p, m, f)
    ux, uy = _driven(p, m, ux, uy, rho)
    omega = (
        k.param("omega|relax_rate|inv_tau", 0.6, 1.8)
        if p.chance(0.6)
        else k.let("omega|relax", 1.0 / (3.0 * k.param("nu|viscosity", 0.01, 0.3) + 0.5))
    )
    weights = p.pick("literal", "scaled", "scaled", "function")
    base = k.let("usq|uu|base", 1.0 - 1.5 * (ux * ux + uy * uy))
    scaled = (
        [
            k.let("r0|w0_rho", 4.0 * rho / 9.0),
            k.let("r1|w1_rho", rho / 9.0),
            k.let("r2|w2_rho", rho / 36.0),
        ]
        if weights == "scaled"
        else []
    )
    function = None
    if weights == "function":

        def body(b: Block, w: Expr, r: Expr, cu: Expr, s: Expr) -> None:
            b.ret(w * r * (s + cu * (3.0 + 4.5 * cu)))

        function = p.func(
            "feq|equilibrium|f_eq",
            {"w|weight": p.real, "rho|r": p.real, "cu|eu": p.real, "base|usq": p.real},
            body,
        )
    k.step(p.pick("", "relaxation", "collide and store"))
    for q, c in enumerate(D2Q9):
        order = abs(c[0]) + abs(c[1])
        cu = _product(c, ux, uy)
        weight = (4.0 / 9.0, 1.0 / 9.0, 1.0 / 36.0)[order]
        if order == 2:
            cu = k.let(f"cu{q}|e{q}", cu)
        if function is not None:
            eq = function(round(weight, 8), rho, cu if cu is not None else 0.0, base)
        else:
            shape = base
            if order == 1:
                along = ux if c[0] else uy
                shape = (
                    base + 3.0 * along + 4.5 * along * along
                    if sum(c) > 0
                    else base - 3.0 * along + 4.5 * along * along
                )
            elif cu is not None:
                shape = base + 3.0 * cu + 4.5 * cu * cu
            eq = (scaled[order] if scaled else round(weight, 8) * rho) * shape
        if p.pick(False, False, True) or order == 2:
            eq = k.let(f"eq{q}|fe{q}", eq)
        k.set(m.pop(out, q), f[q] + omega * (eq - f[q]))
    _outputs(p, m, rho, ux, uy)


def _product(c: tuple[int, int], ux: Expr, uy: Expr) -> Expr | None:
    """c · u without the zero terms."""
    terms = []
    for step, u in zip(c, (ux, uy), strict=True):
        if step:
            terms.append((step, u))
    if not terms:
        return None
    total = terms[0][1] if terms[0][0] > 0 else -terms[0][1]
    for sign, u in terms[1:]:
        total = total + u if sign > 0 else total - u
    return total


def _driven(p: ProgramBuilder, m: Lattice, ux: Expr, uy: Expr, rho: Expr) -> tuple[Expr, Expr]:
    """A driving acceleration or a porous drag, now and then."""
    k = m.k
    form = p.pick("none", "none", "gravity", "porous")
    if form == "none":
        return ux, uy
    if form == "gravity":
        g = k.param("gravity|accel|g_lb", 1e-5, 1e-3)
        if p.chance(0.5):
            return ux, k.let("uy_f|vf", uy - 0.5 * g)
        return k.let("ux_f|uf", ux + 0.5 * g / rho), uy
    drag = k.let(
        "drag|alpha_c|porous",
        m.cells("resistance|alpha|porosity_drag", p.real, R.uniform(0.0, 0.5))[m.at],
    )
    keep = k.let("keep|damp", 1.0 / (1.0 + drag))
    return k.let("ux_p|up", ux * keep), k.let("uy_p|vp", uy * keep)


def relax_moments(p: ProgramBuilder) -> None:
    """Multiple-relaxation-time collision in moment space (D2Q9)."""
    m, f, out = _open(
        p,
        "mrt_collide|collide_mrt|moment_relaxation|mrt_d2q9",
        p.pick("Collision in moment space.", "Multiple relaxation times on D2Q9."),
    )
    k = m.k
    axis = k.let("s1|axis_sum|f_axis", f[1] + f[2] + f[3] + f[4])
    diagonal = k.let("s2|diag_sum|f_diag", f[5] + f[6] + f[7] + f[8])
    rho = k.let("rho|density", f[0] + axis + diagonal)
    energy = k.let("e|en", -4.0 * f[0] - axis + 2.0 * diagonal)
    square = k.let("eps|e2", 4.0 * f[0] - 2.0 * axis + diagonal)
    jx, jy = (
        k.let("jx|mx", f[1] - f[3] + f[5] - f[6] - f[7] + f[8]),
        k.let("jy|my", f[2] - f[4] + f[5] + f[6] - f[7] - f[8]),
    )
    qx = k.let("qx|hx", -2.0 * f[1] + 2.0 * f[3] + f[5] - f[6] - f[7] + f[8])
    qy = k.let("qy|hy", -2.0 * f[2] + 2.0 * f[4] + f[5] + f[6] - f[7] - f[8])
    pxx, pxy = (
        k.let("pxx|p_n", f[1] - f[2] + f[3] - f[4]),
        k.let("pxy|p_s", f[5] - f[6] + f[7] - f[8]),
    )
    k.step(p.pick("", "relax moments", "equilibrium moments"))
    jj = k.let("jj|j_sq", (jx * jx + jy * jy) / rho)
    s_nu = k.param("s_nu|omega|s7", 0.6, 1.8)
    s_e, s_q = k.param("s_e|s1_rate", 0.8, 1.6), k.param("s_q|s4_rate", 0.8, 1.8)
    s_eps = k.param("s_eps|s2_rate", 0.8, 1.6) if p.chance(0.6) else s_e
    relaxed = [
        ("e_r|e_post", energy, s_e, -2.0 * rho + 3.0 * jj), ("eps_r|eps_post", square, s_eps, rho - 3.0 * jj),
        ("qx_r|qx_post", qx, s_q, -jx), ("qy_r|qy_post", qy, s_q, -jy),
        ("pxx_r|pxx_post", pxx, s_nu, (jx * jx - jy * jy) / rho), ("pxy_r|pxy_post", pxy, s_nu, jx * jy / rho),
    ]  # fmt: skip
    form = p.pick("towards", "away", "blend")
    relax = (
        p.func(
            "relax|relax_moment",
            {"m|value": p.real, "eq|target": p.real, "s|rate": p.real},
            lambda b, v, e, s: b.ret(v - s * (v - e)),
        )
        if p.chance(0.4)
        else None
    )
    e, s, qx, qy, pn, ps = (
        k.let(
            n,
            relax(v, eq, r)
            if relax
            else v - r * (v - eq)
            if form == "towards"
            else v + r * (eq - v)
            if form == "away"
            else (1.0 - r) * v + r * eq,
        )
        for n, v, r, eq in relaxed
    )
    if p.chance(0.35):
        force = k.quantity("force|body_force|accel", p.vec(2), [p.nice(1e-5, 1e-3), 0.0])
        jx, jy = k.let("jx_f|mx_f", jx + rho * force[0]), k.let("jy_f|my_f", jy + rho * force[1])
    k.step(p.pick("", "back to populations"))
    r9, e36, s36 = k.let("r9|a", rho / 9.0), k.let("e36|b", e / 36.0), k.let("s36|c", s / 36.0)
    k.set(m.pop(out, 0), r9 - 4.0 * e36 + 4.0 * s36)
    for q, (cx, cy) in enumerate(D2Q9[1:], start=1):
        if abs(cx) + abs(cy) == 1:
            j, heat, sign = (jx, qx, cx) if cx else (jy, qy, cy)
            value = r9 - e36 - 2.0 * s36
            value = value + j / 6.0 - heat / 6.0 if sign > 0 else value - j / 6.0 + heat / 6.0
            value = value + 0.25 * pn if cx else value - 0.25 * pn
        else:
            value = r9 + 2.0 * e36 + s36
            for sign, j, heat in ((cx, jx, qx), (cy, jy, qy)):
                flow = j / 6.0 + heat / 12.0
                value = value + flow if sign > 0 else value - flow
            value = value + 0.25 * ps if cx * cy > 0 else value - 0.25 * ps
        k.set(m.pop(out, q), value)
    _outputs(p, m, rho, jx / rho, jy / rho)
