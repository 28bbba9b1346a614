"""Many-body, universal-variable, relative and three-body motion, for the orbital category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._orbit import (
    gravity_parameter,
    satellites,
    state_vectors,
    units,
)
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def many_body(p: ProgramBuilder) -> None:
    """Direct summation of gravity between bodies."""
    k = p.kernel_builder(
        "nbody_forces|gravity_all_pairs|direct_summation|nbody_step|pairwise_gravity|accumulate_gravity",
        p.pick(
            "Gravity of all bodies on each body.",
            "Direct-sum N-body step.",
            "Pairwise accelerations with softening.",
        ),
    )
    p.real = T.F64 if p.chance(0.3) else T.F32
    e = Entities(k, "body", index="i|tid|body", count=p.pick(48, 64, 96))
    x, m = (
        e.field("positions|pos|x", p.vec(), R.uniform(-2.0, 2.0)),
        e.field("masses|mass|gm", p.real, R.uniform(0.1, 2.0)),
    )
    e.guard()
    eps, own = k.param("softening|eps|plummer", 0.02, 0.3), x.read("xi|x_i|p_i")
    acc, phi = (
        k.var("acc|a_i|total", construct(p.vec(), 0.0)),
        k.var("phi|pot|potential", 0.0, p.real) if p.chance(0.4) else None,
    )
    jerk = p.chance(0.2)
    v = (
        e.field("velocities|vel|v", p.vec(), R.uniform(-0.5, 0.5))
        if jerk or p.chance(0.5)
        else None
    )
    change = k.var("jerk|j_i|da", construct(p.vec(), 0.0)) if jerk else None
    nearest = k.var("nearest|d_min2|closest", 1.0e10, p.real) if p.chance(0.25) else None
    cutoff = k.param("cutoff|r_cut|max_range", 1.0, 4.0) if p.chance(0.25) else None
    with k.loop("j|other|b", e.count()) as j:
        if p.chance(0.5):
            with k.when(j == e.index):
                k.cont()
        d = k.let("d|r_ij|rel", x[j] - own)
        d2 = k.let("d2|r2|dist_sq", wp.dot(d, d) + eps * eps)
        if cutoff is not None:
            with k.when(d2 > cutoff * cutoff):
                k.cont()
        inverse = k.let("inv|inv_r|rinv", 1.0 / wp.sqrt(d2))
        strength = k.let("s|w|gm_r3", m[j] * inverse * inverse * inverse)
        k.aug(acc, "+", d * strength)
        if phi is not None:
            k.aug(phi, "-", m[j] * inverse)
        if change is not None and v is not None:
            dv = k.let("dv|v_ij|rel_v", v[j] - v.own)
            k.aug(change, "+", (dv - d * (3.0 * wp.dot(d, dv) / d2)) * strength)
        if nearest is not None:
            k.set(nearest, wp.min(nearest, d2))
    scale = k.param("G|grav_const|big_g", 0.1, 2.0) if p.chance(0.6) else None
    acceleration: Expr = acc if scale is None else acc * scale
    if v is not None and p.chance(0.6):
        dt = k.param("dt|timestep|h", 0.001, 0.02)
        v_new = k.let("v_new|v1|vel_i", v.own + acceleration * dt)
        e.out("velocities_out|v_out|new_vel", p.vec()).store(v_new)
        e.out("positions_out|x_out|new_pos", p.vec()).store(own + v_new * dt)
    else:
        e.out("accelerations|acc_out|forces", p.vec()).store(acceleration)
    if change is not None:
        e.out("jerks|jerk_out", p.vec()).store(change)
    if phi is not None:
        Table(e, "potential_energy|total_pe|energy", p.real, (1,), role="out").add(
            0.5 * m.own * phi, 0
        )
    if nearest is not None:
        e.out("encounter_dist|nearest_out", p.real).store(wp.sqrt(nearest))


def universal_variables(p: ProgramBuilder) -> None:
    """Propagation for all conics by universal variables and Stumpff functions."""
    k = p.kernel_builder(
        "universal_kepler|propagate_universal|stumpff_propagation|conic_propagation",
        p.pick(
            "Two-body propagation with universal variables.",
            "Lagrange coefficients from the universal anomaly.",
            "",
        ),
    )
    e = satellites(k)
    r_in, v_in = state_vectors(e)
    e.guard()
    mu = gravity_parameter(k)
    dt = k.param("dt|elapsed|tof", *((100.0, 1500.0) if units(p).km else (0.1, 1.5)))
    stumpff = _stumpff(p)
    r0, v0 = r_in.read("r0|r_i|x0"), v_in.read("v0|v_i|xd0")
    size = k.let("r0n|r_mag|r0_len", wp.length(r0))
    radial = k.let("vr|sigma0|rv", wp.dot(r0, v0) / wp.sqrt(mu))
    alpha = k.let("alpha|inv_a|recip_a", 2.0 / size - wp.dot(v0, v0) / mu)
    root = k.let("sqrt_mu|smu", wp.sqrt(mu))
    chi = k.var("chi|x_u|anom", root * wp.abs(alpha) * dt if p.chance(0.5) else root * dt / size)
    rounds, n = (
        k.count("max_iters|iterations|newton_steps", p.pick(8, 12, 16)),
        k.var("it|n|rounds", 0),
    )
    delta = k.var("delta|step|dchi", 1.0, p.real)
    tolerance = k.quantity("tol|tolerance", p.real, 1.0e-4 if p.real == T.F32 else 1.0e-8)
    with k.repeat(all_of(wp.abs(delta) > tolerance, n < rounds)):
        psi = k.let("psi|z|zeta", alpha * chi * chi)
        c2, c3 = k.unpack(["c2|cz", "c3|sz"], stumpff(psi))
        r = k.let(
            "r_chi|dist|rho",
            chi * chi * c2 + radial * chi * (1.0 - psi * c3) + size * (1.0 - psi * c2),
        )
        f = k.let(
            "f_chi|res|err",
            chi * chi * chi * c3
            + radial * chi * chi * c2
            + size * chi * (1.0 - psi * c3)
            - root * dt,
        )
        k.set(delta, f / r)
        k.aug(chi, "-", delta)
        k.aug(n, "+", 1)
    psi = k.let("psi1|z1|zeta1", alpha * chi * chi)
    c2, c3 = k.unpack(["c2f|cz1", "c3f|sz1"], stumpff(psi))
    f, g = (
        k.let("f|lag_f", 1.0 - chi * chi * c2 / size),
        k.let("g|lag_g", dt - chi * chi * chi * c3 / root),
    )
    r = k.let("r|r_new|pos", r0 * f + v0 * g)
    e.out("positions_out|r_out|r_t", p.vec()).store(r)
    if p.chance(0.7):
        now = k.let("rn|r_len|dist1", wp.length(r))
        fd, gd = (
            k.let("fdot|lag_fd", root / (now * size) * chi * (psi * c3 - 1.0)),
            k.let("gdot|lag_gd", 1.0 - chi * chi * c2 / now),
        )
        e.out("velocities_out|v_out|v_t", p.vec()).store(r0 * fd + v0 * gd)
    if p.chance(0.4):
        e.out("iterations_used|newton_count", T.I32).store(n)


def _stumpff(p: ProgramBuilder) -> UserFunction:
    limit = 0.01 if p.real == T.F32 else 1.0e-4

    def body(b: Block, psi: Expr) -> None:
        with b.when(psi > limit):
            s = b.let("s|root|sq", wp.sqrt(psi))
            b.ret((1.0 - wp.cos(s)) / psi, (s - wp.sin(s)) / (psi * s))
        with b.when(psi < -limit):
            s = b.let("sh|root_n|sqn", wp.sqrt(-psi))
            b.ret((1.0 - wp.cosh(s)) / psi, (wp.sinh(s) - s) / (-psi * s))
        b.ret(0.5 - psi / 24.0, 1.0 / 6.0 - psi / 120.0)

    return p.func(
        "stumpff|stumpff_c2c3|c_functions",
        {"psi|z": p.real},
        body,
        p.pick("", "Stumpff functions c2 and c3."),
    )


def relative_motion(p: ProgramBuilder) -> None:
    """Clohessy-Wiltshire motion, formation keeping, and rendezvous."""
    k = p.kernel_builder(
        "clohessy_wiltshire|relative_motion|hill_step|formation_keeping|rendezvous_step|chaser_motion",
        p.pick("Relative motion near a circular orbit.", "Hill's equations for every chaser.", ""),
    )
    p.real = T.F64 if p.chance(0.4) else T.F32
    e = Entities(k, "chaser", index="i|tid|chaser")
    r_io, v_io = (
        e.inout("rel_positions|rho|x_rel", p.vec(), R.uniform(-1.0, 1.0)),
        e.inout("rel_velocities|rho_dot|v_rel", p.vec(), R.uniform(-0.01, 0.01)),
    )
    e.guard()
    n = e.world_param("mean_motion|n|orbit_rate", 0.0008, 0.0015)
    r, v = k.let("r|rho_i|x", r_io.own), k.let("v|rho_d|xd", v_io.own)
    if p.chance(0.5):
        t = k.param("dt|t|elapsed", 10.0, 600.0)
        c, s = k.let("c|cnt|cos_nt", wp.cos(n * t)), k.let("s|snt|sin_nt", wp.sin(n * t))
        x = (4.0 - 3.0 * c) * r.x + s / n * v.x + 2.0 * (1.0 - c) / n * v.y
        y = (
            6.0 * (s - n * t) * r.x
            + r.y
            - 2.0 * (1.0 - c) / n * v.x
            + (4.0 * s - 3.0 * n * t) / n * v.y
        )
        r_io.store(construct(p.vec(), x, y, r.z * c + v.z * s / n))
        vx, vy = (
            3.0 * n * s * r.x + c * v.x + 2.0 * s * v.y,
            6.0 * n * (c - 1.0) * r.x - 2.0 * s * v.x + (4.0 * c - 3.0) * v.y,
        )
        v_io.store(construct(p.vec(), vx, vy, -r.z * n * s + v.z * c))
    else:
        dt = k.param("dt|time_step|h", 0.5, 10.0)
        a = k.var(
            "a|acc|accel",
            construct(p.vec(), 3.0 * n * n * r.x + 2.0 * n * v.y, -2.0 * n * v.x, -n * n * r.z),
        )
        if p.chance(0.7):
            goal = e.field("targets|slot_pos|waypoints", p.vec(), R.uniform(-1.0, 1.0)).own
            kp, kd, top = (
                k.param("kp|pos_gain", 1.0e-5, 1.0e-3),
                k.param("kd|vel_gain", 0.001, 0.05),
                k.param("max_accel|u_max|thrust_limit", 1.0e-5, 1.0e-3),
            )
            u = k.var("u|ctrl|command", (goal - r) * kp - v * kd)
            level = k.let("mag|u_norm|level", wp.length(u))
            with k.when(level > top):
                k.aug(u, "*", top / level)
            k.aug(a, "+", u)
            if p.chance(0.5):
                fuel = e.inout("fuel|delta_v_used|budget", p.real, R.uniform(0.0, 0.1))
                fuel.store(fuel.own + wp.length(u) * dt)
        v1 = k.let("v1|v_new|xd1", v + a * dt)
        v_io.store(v1)
        r_io.store(r + v1 * dt)
    if p.chance(0.4):
        safe = k.param("keep_out|safe_radius|min_range", 0.05, 0.8)
        with k.when(wp.length(r_io.own) < safe):
            Table(e, "violations|num_inside|alerts", T.I32, (1,), role="out").add(1, 0)


def three_body(p: ProgramBuilder) -> None:
    """The circular restricted three-body problem: trajectories, Jacobi constants, capture tests."""
    k = p.kernel_builder(
        "cr3bp_step|restricted_three_body|libration_orbits|jacobi_map|three_body_step",
        p.pick(
            "Restricted three-body problem in the rotating frame.",
            "Integrate test particles near a binary.",
            "",
        ),
    )
    p.real = T.F64 if p.chance(0.55) else T.F32
    e = Entities(k, "particle", index="i|tid")
    r_io, v_io = (
        e.inout("positions|pos|x", p.vec(), R.uniform(0.3, 0.7)),
        e.inout("velocities|vel|v", p.vec(), R.uniform(-0.3, 0.3)),
    )
    e.guard()
    ratio, dt = (
        e.world_param("mass_ratio|mu|mu_star", 0.005, 0.1),
        k.param("dt|h|time_step", 0.0005, 0.005),
    )
    t = p.vec()

    def pull(b: Block, x: Expr, v: Expr, m: Expr) -> None:
        d1, d2 = (
            b.let("d1|to_big|rel1", x + construct(t, m, 0.0, 0.0)),
            b.let("d2|to_small|rel2", x - construct(t, 1.0 - m, 0.0, 0.0)),
        )
        r1, r2 = b.let("r1|dist1", wp.length(d1)), b.let("r2|dist2", wp.length(d2))
        g = b.let("g|grav", d1 * (-(1.0 - m) / (r1 * r1 * r1)) - d2 * (m / (r2 * r2 * r2)))
        b.ret(construct(t, g.x + x.x + 2.0 * v.y, g.y + x.y - 2.0 * v.x, g.z))

    f = p.func(
        "rotating_accel|cr3bp_accel|synodic_accel", {"x|r": t, "v|vel": t, "mu|m": p.real}, pull
    )
    x, v = k.var("x_i|r|pos_i", r_io.own), k.var("v_i|vel_i|u", v_io.own)
    escaped = k.var("status|fate|outcome", 0) if p.chance(0.5) else None
    with k.loop("s|it|step", k.count("num_steps|steps|n_steps", p.pick(8, 16, 32))):
        if p.chance(0.5):
            k.aug(v, "+", f(x, v, ratio) * dt)
            k.aug(x, "+", v * dt)
        else:
            a = k.let("a0|a|acc", f(x, v, ratio))
            xm, vm = k.let("xm|x_half", x + v * (0.5 * dt)), k.let("vm|v_half", v + a * (0.5 * dt))
            k.aug(x, "+", vm * dt)
            k.aug(v, "+", f(xm, vm, ratio) * dt)
        if escaped is not None:
            with k.when(wp.length(x) > k.param("escape_radius|r_max|far", 1.5, 4.0)):
                k.set(escaped, literal(1, T.I32))
                k.brk()
    r_io.store(x)
    v_io.store(v)
    if escaped is not None:
        e.out("fates|status_out|escaped", T.I32).store(escaped)
    if p.chance(0.6):
        d1, d2 = (
            wp.length(x + construct(t, ratio, 0.0, 0.0)),
            wp.length(x - construct(t, 1.0 - ratio, 0.0, 0.0)),
        )
        e.out("jacobi|jacobi_const|c_j", p.real).store(
            x.x * x.x + x.y * x.y + 2.0 * (1.0 - ratio) / d1 + 2.0 * ratio / d2 - wp.dot(v, v)
        )
