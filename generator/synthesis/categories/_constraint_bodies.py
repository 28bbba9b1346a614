"""Constraints between pairs of rigid bodies, solved on their velocities or poses."""

from collections.abc import Callable
from dataclasses import dataclass, field

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._numerics import add_at, tally
from generator.synthesis.logic import all_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


@dataclass(slots=True)
class Pair:
    """Two bodies of a constraint, and how changes reach them: atomically, or in place within a colour."""

    p: ProgramBuilder
    k: KernelBuilder
    item: Expr
    a: Expr
    b: Expr
    bodies: int
    colored: bool
    world: Expr | None
    worlds: int
    deltas: dict[str, Expr] = field(default_factory=dict)

    def index(self, j: Expr) -> tuple[Expr, ...]:
        return (j,) if self.world is None else (self.world, j)

    def shape(self) -> tuple[int, ...]:
        return (self.bodies,) if self.world is None else (self.worlds, self.bodies)

    def state(self, hint: str, t: T.Type, fill: R.Fill) -> Expr:
        role = "inout" if self.colored else "in"
        return self.k.array(hint, t, self.shape(), fill, role)

    def apply(self, array: Expr, delta_hint: str, j: Expr, value: Expr) -> None:
        """Adds a change to one body's quantity."""
        at = self.index(j)
        if self.colored:
            self.k.set(
                array[at],
                array[at] - value.operand if isinstance(value, N.Unary) else array[at] + value,
            )
            return
        assert isinstance(array.type, T.Array)
        out = self.deltas.get(delta_hint)
        if out is None:
            out = self.deltas[delta_hint] = self.k.out(delta_hint, array.type.dtype, self.shape())
        add_at(self.k, out, at, value)


def _open(p: ProgramBuilder, k: KernelBuilder, word: str) -> Pair:
    """One thread per constraint, sometimes per (world, constraint)."""
    colored = p.chance(0.5)
    n = p.pick(16, 20, 24, 32)
    bodies = 2 * n + p.pick(0, 4) if colored else p.pick(8, 12, 16, 24)
    batched = p.on("batched") and not colored
    worlds = p.pick(2, 3, 4)
    fill = R.distinct(bodies, 2 * n, disjoint=True) if colored else R.distinct(bodies, 2)
    pairs = p.chance(0.5)
    if batched:
        k.launch_dim = (worlds, n)
        world, c = k.unpack(
            ["worldid|world|env|w", f"c|{word}|cid|tid"],
            N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))),
        )
    else:
        k.launch_dim = (n,)
        world, c = None, k.let(f"c|{word}|tid|cid", wp.tid())
    if p.chance(0.35):
        with k.when(
            c
            >= k.array(
                f"num_{word}s|{word}_count|n_{word}", T.I32, (1,), R.constant(n - p.pick(0, 1, 3))
            )[0]
        ):
            k.ret()
    if pairs or colored:
        ids = k.array(f"{word}_bodies|body_pairs|pairs", T.I32, (n, 2), fill)
        a, b = k.let("a|body_a|i0|parent", ids[c, 0]), k.let("b|body_b|i1|child", ids[c, 1])
    else:
        first = k.array(
            f"{word}_body0|body_a_ids|parents", T.I32, (n,), R.integers(-1, bodies // 2)
        )
        second = k.array(
            f"{word}_body1|body_b_ids|children", T.I32, (n,), R.integers(bodies // 2, bodies)
        )
        a, b = k.let("a|body_a|i0|parent", first[c]), k.let("b|body_b|i1|child", second[c])
        with k.when(a < 0):
            k.ret()
    return Pair(p, k, c, a, b, bodies, colored, world, worlds)


class Motion:
    """Velocities and inverse inertias of both bodies."""

    def __init__(self, pair: Pair) -> None:
        p, k = pair.p, pair.k
        self.pair = pair
        # Warp builds a spatial vector of two 3-vectors in single precision only.
        self.spatial = p.real == T.F32 and p.chance(0.3)
        if self.spatial:
            self.qd = pair.state("body_qd|twists|velocities", p.spatial, R.uniform(-1.0, 1.0))
        else:
            self.v = pair.state("lin_vel|body_v|v", p.vec(), R.uniform(-1.0, 1.0))
            self.w = pair.state("ang_vel|body_w|omega", p.vec(), R.uniform(-1.0, 1.0))
        self.m = k.array("inv_mass|body_inv_mass|inv_m", p.real, pair.shape(), R.uniform(0.1, 1.2))
        self.tensor = p.chance(0.6)
        inertia: T.Type = p.mat(3) if self.tensor else p.real
        self.i = k.array(
            "inv_inertia|body_inv_inertia|i_inv",
            inertia,
            pair.shape(),
            R.spd(0.2, 1.5) if self.tensor else R.uniform(0.3, 1.5),
        )

    def linear(self, j: Expr) -> Expr:
        at = self.pair.index(j)
        return wp.spatial_top(self.qd[at]) if self.spatial else self.v[at]

    def angular(self, j: Expr) -> Expr:
        at = self.pair.index(j)
        return wp.spatial_bottom(self.qd[at]) if self.spatial else self.w[at]

    def turn(self, j: Expr, torque: Expr) -> Expr:
        """Inverse inertia times a torque."""
        return self.i[self.pair.index(j)] * torque

    def impulse(self, j: Expr, f: Expr, arm: Expr, sign: float) -> None:
        at, pair = self.pair.index(j), self.pair
        dv, dw = f * self.m[at], self.turn(j, wp.cross(arm, f))
        if sign < 0:
            dv, dw = -dv, -dw
        if self.spatial:
            pair.apply(
                self.qd, "delta_qd|body_dqd|twist_delta", j, construct(pair.p.spatial, dv, dw)
            )
            return
        pair.apply(self.v, "delta_v|dv|lin_delta", j, dv)
        pair.apply(self.w, "delta_w|dw|ang_delta", j, dw)


def _point_velocity(p: ProgramBuilder) -> Callable[[Expr, Expr, Expr], Expr]:
    """A maker of the velocity of a body's point, as a function when the program has helpers."""
    if p.on("helper_function") and p.chance(0.4):
        params = {"v|lin": p.vec(), "w|ang": p.vec(), "r|arm": p.vec()}
        return p.func(
            "velocity_at|point_velocity|vel_at_point",
            params,
            lambda b, v, w, r: b.ret(v + wp.cross(w, r)),
        )
    return lambda v, w, r: v + wp.cross(w, r)


def _resistance(
    p: ProgramBuilder, k: KernelBuilder, m: Motion, pair: Pair, r1: Expr, r2: Expr, hints: str
) -> Callable[[Expr], Expr]:
    """A maker of the inverse effective mass along a direction, as a function when the program has helpers."""
    i_type = m.i.type.dtype  # type: ignore[union-attr]

    def value(b: Block, im: Expr, ii: Expr, r: Expr, n: Expr) -> Expr:
        c = b.let("c|rn|arm_n", wp.cross(r, n))
        return im + (wp.dot(c, ii * c) if m.tensor else ii * wp.dot(c, c))

    function = None
    if p.on("helper_function") or p.chance(0.25):
        params = {
            "im|inv_mass": p.real,
            "ii|inv_inertia": i_type,
            "r|arm": p.vec(),
            "n|dir_n": p.vec(),
        }
        function = p.func(
            hints,
            params,
            lambda b, *a: b.ret(value(b, *a)),
            p.pick("", "Inverse effective mass of one body along a direction."),
        )

    def make(n: Expr) -> Expr:
        parts = []
        for j, r in ((pair.a, r1), (pair.b, r2)):
            at = pair.index(j)
            args = (m.m[at], m.i[at], r, n)
            parts.append(function(*args) if function is not None else value(k, *args))
        return k.let("w_eff|inv_eff|resist|denom", parts[0] + parts[1])

    return make


def contact_solve(p: ProgramBuilder) -> None:
    """Sequential-impulse contacts between rigid bodies with friction."""
    k = p.kernel_builder(
        "solve_contacts|apply_contact_impulses|sequential_impulses|contact_velocity_solve|solve_contact_constraints|rigid_contact_impulses",
        p.pick(
            "Normal and friction impulses of every contact.",
            "One velocity iteration over the contacts.",
            "Non-penetration and Coulomb friction between body pairs.",
        ),
    )
    pair = _open(p, k, "contact")
    c, n_shape = pair.item, tuple(k.launch_dim)
    at = (c,) if pair.world is None else (pair.world, c)
    m = Motion(pair)
    n = k.let(
        "n|normal|nrm",
        k.array("normals|contact_normal|n_world", p.vec(), n_shape, R.unit_vectors())[at],
    )
    arms = p.chance(0.5)
    if arms:
        r1 = k.let(
            "ra|r1|arm_a", k.array("arm_a|r_a|offset_a", p.vec(), n_shape, R.uniform(-0.4, 0.4))[at]
        )
        r2 = k.let(
            "rb|r2|arm_b", k.array("arm_b|r_b|offset_b", p.vec(), n_shape, R.uniform(-0.4, 0.4))[at]
        )
    else:
        x = k.array("body_x|positions|com", p.vec(), pair.shape(), R.uniform(-0.5, 0.5))
        point = k.let(
            "pt|point|xc",
            k.array("contact_point|points|contact_pos", p.vec(), n_shape, R.uniform(-0.5, 0.5))[at],
        )
        r1, r2 = (
            k.let("ra|r1|arm_a", point - x[pair.index(pair.a)]),
            k.let("rb|r2|arm_b", point - x[pair.index(pair.b)]),
        )
    depth = k.let(
        "depth|pen|gap",
        k.array("depths|penetration|contact_depth", p.real, n_shape, R.uniform(-0.03, 0.1))[at],
    )
    if p.chance(0.6):
        with k.when(depth <= 0.0):
            k.ret()
    at_point = _point_velocity(p)
    va = at_point(m.linear(pair.a), m.angular(pair.a), r1)
    vb = at_point(m.linear(pair.b), m.angular(pair.b), r2)
    rel = k.let("rel_v|v_rel|dv", vb - va)
    mass = _resistance(p, k, m, pair, r1, r2, "inverse_effective_mass|response|inv_mass_along")
    vn = k.let("vn|v_n|approach", wp.dot(rel, n))
    k.step(p.pick("normal impulse", ""))
    target = _target(p, k, depth, vn)
    raw = k.let("dln|j_n|impulse_n", (target - vn) / mass(n))
    accumulated = (
        k.array("lam_n|normal_impulse|accumulated", p.real, n_shape, R.uniform(0.0, 0.3), "inout")
        if p.chance(0.6)
        else None
    )
    if accumulated is None:
        jn = k.let("jn|lam|pn", wp.max(raw, 0.0))
        total = jn
    else:
        old = k.let("old_n|prev|last_n", accumulated[at])
        total = k.let("new_n|lam_new|sum_n", wp.max(old + raw, 0.0))
        k.set(accumulated[at], total)
        jn = k.let("jn|dlam|pn", total - old)
    impulse = k.var("j|impulse|pulse", n * jn)
    friction = p.weighted({"none": 1.5, "cone": 3, "pyramid": 2})
    if friction != "none":
        k.step(p.pick("friction", "Coulomb friction", "tangential impulse"))
        mu = (
            k.param("mu|friction|friction_coefficient", 0.1, 0.9)
            if p.chance(0.5)
            else k.array("contact_mu|friction|mu", p.real, n_shape, R.uniform(0.1, 0.9))[at]
        )
        if friction == "cone":
            _cone(p, k, rel, n, vn, mass, mu, total, impulse)
        else:
            _pyramid(p, k, rel, n, mass, mu, total, impulse)
    k.step(p.pick("apply", "apply to both bodies", ""))
    relax = (
        k.param("relaxation|omega|sor", 0.3, 0.9) if not pair.colored and p.chance(0.6) else None
    )
    if relax is not None:
        k.aug(impulse, "*", relax)
    m.impulse(pair.a, impulse, r1, -1.0)
    m.impulse(pair.b, impulse, r2, 1.0)
    tally(p, k, at, n_shape, wp.length(impulse), "impulse", 0, 1)
    if not pair.colored and p.chance(0.4):
        counts = k.out("contact_counts|body_contacts|weights", T.I32, pair.shape())
        for body in (pair.a, pair.b):
            add_at(k, counts, pair.index(body), 1)


def _target(p: ProgramBuilder, k: KernelBuilder, depth: Expr, vn: Expr) -> Expr:
    """Wanted normal velocity: stabilisation, restitution or rest."""
    parts: list[Expr] = []
    for what in p.sample(["push", "bounce"], 0, 2):
        if what == "push":
            beta, slop = (
                k.param("beta|baumgarte|erp", 0.05, 0.3),
                k.param("slop|allowed_depth|tolerance", 0.001, 0.02),
            )
            inv_dt = (
                k.param("inv_dt|inv_h", 50.0, 200.0)
                if p.chance(0.5)
                else 1.0 / k.param("dt|timestep|h", 0.005, 0.02)
            )
            parts.append(beta * inv_dt * wp.max(depth - slop, 0.0))
        else:
            e = k.param("restitution|bounce|cor", 0.1, 0.8)
            threshold = k.param("bounce_speed|rest_threshold|v_bounce", 0.1, 0.8)
            if p.chance(0.5):
                parts.append(e * wp.max(-vn - threshold, 0.0))
            else:
                b = k.var("bounce_v|rebound|v_out", 0.0, p.real)
                with k.when(vn < -threshold):
                    k.set(b, -e * vn)
                parts.append(b)
    if not parts:
        return construct(p.real, 0.0) if p.real != T.F32 else N.literal(0.0, T.F32)
    return parts[0] if len(parts) == 1 else wp.max(parts[0], parts[1])


def _cone(
    p: ProgramBuilder,
    k: KernelBuilder,
    rel: Expr,
    n: Expr,
    vn: Expr,
    mass,
    mu: Expr,
    total: Expr,
    impulse: Name,
) -> None:  # type: ignore[no-untyped-def]
    vt = k.let("vt|slip|v_t", rel - n * vn)
    speed = k.let("speed|slip_len|vt_len", wp.length(vt))
    with k.when(speed > 1.0e-5 if p.chance(0.6) else all_of(speed > 1.0e-5, total > 0.0)):
        t = k.let("t|tangent|dir_t", vt / speed)
        want = k.let("jt|stick|want", speed / mass(t))
        k.aug(impulse, "-", t * wp.min(want, mu * total))


def _pyramid(
    p: ProgramBuilder,
    k: KernelBuilder,
    rel: Expr,
    n: Expr,
    mass,
    mu: Expr,
    total: Expr,
    impulse: Name,
) -> None:  # type: ignore[no-untyped-def]
    def body(b: Block, v: Expr) -> None:
        with b.when(wp.abs(v.x) > 0.7):
            b.ret(wp.normalize(construct(v.type, -v.z, 0.0, v.x)))
        b.ret(wp.normalize(construct(v.type, 0.0, v.z, -v.y)))

    tangent = p.func(
        "tangent|orthogonal|any_perpendicular",
        {"n|axis": p.vec()},
        body,
        p.pick("", "A unit vector perpendicular to `n`."),
    )
    t1 = k.let("t1|u_t|tangent1", tangent(n))
    t2 = k.let("t2|v_t|tangent2", wp.cross(n, t1))
    cap = k.let("cap|limit|f_max", mu * total)
    for t, names in ((t1, "j1|lam_u|jt1"), (t2, "j2|lam_v|jt2")):
        j = k.let(names, wp.clamp(-wp.dot(rel, t) / mass(t), -cap, cap))
        k.aug(impulse, "+", t * j)


# --- joints ---------------------------------------------------------------------------------------


def joint_solve(p: ProgramBuilder) -> None:
    """Joints between rigid bodies: ball, hinge, slider and distance constraints on velocities or positions."""
    kind = p.pick("ball", "hinge", "distance", "slider", "motor", "compliant")
    k = p.kernel_builder(
        f"solve_{kind}_joints|{kind}_joint|solve_joints|joint_velocity_solve|apply_joint_impulses|joint_constraints",
        p.pick(
            "One iteration over the joints.",
            f"{kind.capitalize()} joints between pairs of bodies.",
            "Joint impulses from velocities and drift.",
        ),
    )
    pair = _open(p, k, "joint")
    shape = tuple(k.launch_dim)
    at = (pair.item,) if pair.world is None else (pair.world, pair.item)
    if p.chance(0.35):
        enabled = k.array("joint_enabled|enabled|active", T.I32, shape, R.mask(0.85))
        with k.when(enabled[at] == 0):
            k.ret()
    pose = k.array("body_q|poses|transforms", p.transform, pair.shape(), R.rigid(-0.5, 0.5))
    m = Motion(pair)
    xa = k.let("xa|tf_a|pose_a", pose[pair.index(pair.a)])
    xb = k.let("xb|tf_b|pose_b", pose[pair.index(pair.b)])
    if kind == "motor":
        _motor(p, k, pair, m, xa, shape, at)
        return
    local = [
        k.array(f"anchor_{s}|local_{s}|joint_x{s}", p.vec(), shape, R.uniform(-0.3, 0.3))
        for s in ("a", "b")
    ]
    r1 = k.let("ra|r1|arm_a", wp.quat_rotate(wp.transform_get_rotation(xa), local[0][at]))
    r2 = k.let("rb|r2|arm_b", wp.transform_vector(xb, local[1][at]))
    gap = k.let(
        "err|gap|drift",
        wp.transform_get_translation(xb) + r2 - wp.transform_get_translation(xa) - r1,
    )
    rel = k.let(
        "rel_v|dv|v_rel",
        m.linear(pair.b)
        + wp.cross(m.angular(pair.b), r2)
        - m.linear(pair.a)
        - wp.cross(m.angular(pair.a), r1),
    )
    beta = k.param("bias_factor|beta|erp", 1.0, 20.0)
    if kind in ("distance", "compliant", "slider"):
        _along(p, k, pair, m, kind, r1, r2, gap, rel, beta, shape, at, xa)
        return
    skew = [wp.skew(r) for r in (r1, r2)]
    s1, s2 = k.let("sa|skew_a|ra_x", skew[0]), k.let("sb|skew_b|rb_x", skew[1])
    ia, ib = m.i[pair.index(pair.a)], m.i[pair.index(pair.b)]
    mass = m.m[pair.index(pair.a)] + m.m[pair.index(pair.b)]
    eye = wp.diag(construct(p.vec(), mass))
    km = k.let(
        "k_mat|kk|eff",
        eye - s1 * ia * s1 - s2 * ib * s2 if m.tensor else eye - (s1 * s1) * ia - (s2 * s2) * ib,
    )
    j = k.let("impulse|lam|j", -(wp.inverse(km) * (rel + gap * beta)))
    if p.chance(0.4):
        acc = k.array(
            "joint_impulse|accumulated|lam_joint", p.vec(), shape, R.uniform(-0.1, 0.1), "inout"
        )
        k.set(acc[at], acc[at] + j)
    if p.chance(0.35):
        limit = k.param("max_impulse|break_force|strength", 0.3, 3.0)
        with k.when(wp.length(j) > limit):
            k.set(k.out("broken|joint_broken|overload", T.I32, shape)[at], 1)
            k.ret()
    m.impulse(pair.a, j, r1, -1.0)
    m.impulse(pair.b, j, r2, 1.0)
    if kind == "hinge":
        _hinge(p, k, pair, m, xa, xb, shape, at, beta)


def _hinge(
    p: ProgramBuilder,
    k: KernelBuilder,
    pair: Pair,
    m: Motion,
    xa: Expr,
    xb: Expr,
    shape: tuple[int, ...],
    at: tuple[Expr, ...],
    beta: Expr,
) -> None:
    """Keeps the axes of both bodies aligned."""
    k.step(p.pick("align the axes", "angular part", ""))
    axis = k.array("axis|joint_axis|hinge_axis", p.vec(), shape, R.unit_vectors())[at]
    a1, a2 = (
        k.let("axis_a|ua|h1", wp.transform_vector(xa, axis)),
        k.let("axis_b|ub|h2", wp.transform_vector(xb, axis)),
    )
    tilt = k.let("tilt|misalign|ang_err", wp.cross(a1, a2))
    spin = k.let("dw|rel_w|w_rel", m.angular(pair.b) - m.angular(pair.a))
    wanted = k.let(
        "corr|lam_w|ang_impulse",
        -(spin - a1 * wp.dot(spin, a1)) * k.param("angular_gain|align_gain|kw", 0.2, 0.8)
        - tilt * (0.01 * beta),
    )
    if m.spatial:
        zero = construct(p.vec(), 0.0)
        pair.apply(
            m.qd,
            "delta_qd|body_dqd|twist_delta",
            pair.a,
            construct(p.spatial, zero, -m.turn(pair.a, wanted)),
        )
        pair.apply(
            m.qd,
            "delta_qd|body_dqd|twist_delta",
            pair.b,
            construct(p.spatial, zero, m.turn(pair.b, wanted)),
        )
    else:
        pair.apply(m.w, "delta_w|dw|ang_delta", pair.a, -m.turn(pair.a, wanted))
        pair.apply(m.w, "delta_w|dw|ang_delta", pair.b, m.turn(pair.b, wanted))


def _along(
    p: ProgramBuilder,
    k: KernelBuilder,
    pair: Pair,
    m: Motion,
    kind: str,
    r1: Expr,
    r2: Expr,
    gap: Expr,
    rel: Expr,
    beta: Expr,
    shape: tuple[int, ...],
    at: tuple[Expr, ...],
    xa: Expr,
) -> None:
    mass = _resistance(p, k, m, pair, r1, r2, "inverse_effective_mass|response|inv_mass_along")
    if kind == "slider":
        u = k.let(
            "u|axis_w|slide",
            wp.transform_vector(
                xa, k.array("slide_axis|axis|joint_axis", p.vec(), shape, R.unit_vectors())[at]
            ),
        )
        s = k.let("s|travel|offset", wp.dot(gap, u))
        off = k.let("off|lateral|err_t", gap - u * s)
        drift = k.let("v_off|lateral_v|dv_t", rel - u * wp.dot(rel, u))
        j = k.var("impulse|j|lam", -(drift + off * beta) / mass(u))
        if p.chance(0.6):
            hi = k.param("upper|max_travel|stroke", 0.2, 0.8)
            with k.when(wp.abs(s) > hi):
                k.aug(j, "-", u * ((wp.abs(s) - hi) * wp.sign(s) * beta / mass(u)))
    else:
        length = k.let("dist|len_j|d", wp.length(gap))
        with k.when(length < 1.0e-6):
            k.ret()
        u = k.let("u|n|dir_n", gap / length)
        rest = k.array("rest_length|target_dist|lengths", p.real, shape, R.uniform(0.2, 0.8))[at]
        c = k.let("c|stretch|phi", length - rest)
        vn = wp.dot(rel, u)
        if kind == "distance":
            lam = -(vn + beta * c) / mass(u)
            if p.chance(0.4):
                lam = wp.min(lam, 0.0)
        else:
            dt = k.param("dt|timestep|h", 0.005, 0.02)
            ke, kd = (
                k.param("stiffness|ke|spring_k", 20.0, 300.0),
                k.param("damping|kd|spring_d", 0.5, 10.0),
            )
            gamma = k.let("gamma|softness|cfm", 1.0 / (dt * (kd + dt * ke)))
            bias = k.let("bias|beta_c|push", c * dt * ke * gamma)
            acc = k.array(
                "lam|accumulated|joint_impulse", p.real, shape, R.uniform(-0.1, 0.1), "inout"
            )
            value = k.let("dlam|delta|j_n", -(vn + bias + gamma * acc[at]) / (mass(u) + gamma))
            k.set(acc[at], acc[at] + value)
            lam = value
        j = k.let("impulse|j|pulse", u * lam)
    m.impulse(pair.a, j, r1, -1.0)
    m.impulse(pair.b, j, r2, 1.0)
    tally(p, k, at, shape, wp.length(gap), "drift", 0, 1)


def _motor(
    p: ProgramBuilder,
    k: KernelBuilder,
    pair: Pair,
    m: Motion,
    xa: Expr,
    shape: tuple[int, ...],
    at: tuple[Expr, ...],
) -> None:
    axis = k.let(
        "u|axis_w|ax",
        wp.transform_vector(
            xa, k.array("axis|joint_axis|motor_axis", p.vec(), shape, R.unit_vectors())[at]
        ),
    )
    target = k.array("target_speed|setpoint|motor_speed", p.real, shape, R.uniform(-2.0, 2.0))[at]
    spin = k.let("speed|w_rel|rate", wp.dot(axis, m.angular(pair.b) - m.angular(pair.a)))
    ia, ib = m.turn(pair.a, axis), m.turn(pair.b, axis)
    inv = k.let("inv_eff|resist|denom", wp.dot(axis, ia) + wp.dot(axis, ib))
    cap = k.param("max_torque|torque_limit|t_max", 0.5, 5.0) * k.param("dt|timestep|h", 0.005, 0.05)
    lam = k.let("lam|torque_impulse|j", wp.clamp((target - spin) / inv, -cap, cap))
    if m.spatial:
        zero = construct(p.vec(), 0.0)
        pair.apply(
            m.qd, "delta_qd|body_dqd|twist_delta", pair.a, construct(p.spatial, zero, ia * -lam)
        )
        pair.apply(
            m.qd, "delta_qd|body_dqd|twist_delta", pair.b, construct(p.spatial, zero, ib * lam)
        )
    else:
        pair.apply(m.w, "delta_w|dw|ang_delta", pair.a, ia * -lam)
        pair.apply(m.w, "delta_w|dw|ang_delta", pair.b, ib * lam)
    tally(p, k, at, shape, lam, "effort")
