"""Constraint states, line searches and cone projections, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._solver_bodies import contacts
from generator.synthesis.categories._solver_sweeps import worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, literal


def newton(p: ProgramBuilder) -> None:
    """Constraint state, cost and force of soft rows; line searches; cone projections."""
    p.pick(_update_state, _update_state, _line_search, _project_cones)(p)


def _update_state(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_constraint|constraint_state|evaluate_rows|row_forces|update_efc_state|cost_and_force",
        p.pick(
            "State, force and cost of every row.",
            "Constraint forces from the current acceleration.",
            "Quadratic, linear and satisfied zones of each row.",
        ),
    )
    e = Entities(k, "row", index="efcid|r|row|tid", count=p.pick(64, 96, 128))
    if p.chance(0.6) and not p.on("padded_launch"):
        used = Table(e, "nefc|num_rows|row_count", T.I32, (1,), R.constant(e.n - p.pick(0, 5)))
        with k.when(e.index >= used[0]):
            k.ret()
    if p.chance(0.4):
        finished = Table(e, "solver_done|converged|done", T.I32, (1,), R.zeros())
        with k.when(finished[0] != 0):
            k.ret()
    x, D = (
        e.field("jaref|efc_jar|residual", T.F32, R.uniform(-1.0, 1.0)).read("jar|x|res"),
        e.field("efc_D|row_D|inv_reg", T.F32, R.uniform(0.5, 20.0)).read("D|d_r|stiff"),
    )
    force_out, state_out = (
        e.out("efc_force|row_force|force_out", T.F32),
        e.out("efc_state|row_state|zone", T.I32),
    )
    cost_total = Table(e, "cost|solver_cost|objective", T.F32, (1,), role="out")
    ne, nf = (
        k.count("ne|num_equality|n_eq", p.pick(8, 12)),
        k.count("nf|num_friction|n_fr", p.pick(20, 30)),
    )
    names = [
        p.const(h, i)
        for i, h in enumerate(
            (
                "STATE_SATISFIED|SATISFIED",
                "STATE_QUADRATIC|QUADRATIC",
                "STATE_LINEAR_LOW|LINEAR_NEG",
                "STATE_LINEAR_HIGH|LINEAR_POS",
            )
        )
    ]
    force, cost, state = (
        k.var("f|force|frc", -D * x),
        k.var("c|cost_r|cost_i", 0.5 * D * x * x),
        k.var("s|state|zone_r", cast(T.I32, names[1])),
    )
    with k.when(e.index < ne):
        k.set(state, cast(T.I32, names[1]))
    with k.elsewhen(e.index < nf):
        loss = e.field("frictionloss|floss|dry_friction", T.F32, R.uniform(0.1, 1.0)).read(
            "floss|fl|bound"
        )
        with k.when(x <= -loss / D):
            k.set(force, loss)
            k.set(cost, -loss * (0.5 * loss / D + x))
            k.set(state, cast(T.I32, names[2]))
        with k.elsewhen(x >= loss / D):
            k.set(force, -loss)
            k.set(cost, loss * (x - 0.5 * loss / D))
            k.set(state, cast(T.I32, names[3]))
    with k.otherwise(), k.when(x >= 0.0):
        k.set(force, literal(0.0, T.F32))
        k.set(cost, literal(0.0, T.F32))
        k.set(state, cast(T.I32, names[0]))
    force_out.store(force)
    state_out.store(state)
    cost_total.add(cost, 0)
    if p.chance(0.5):
        previous = e.field("old_state|prev_zone|state_prev", T.I32, R.integers(0, 4)).own
        with k.when(previous != state):
            Table(e, "num_changed|state_changes|flips", T.I32, (1,), role="out").add(1, 0)
    if p.chance(0.4):
        Table(e, "num_active|active_rows|n_quadratic", T.I32, (1,), role="out").add(
            choose(state == names[1], 1, 0), 0
        )


def _line_search(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "line_search|exact_line_search|evaluate_step|step_length|linesearch_world",
        p.pick(
            "Exact line search on a piecewise quadratic.", "Newton steps for the step length.", ""
        ),
    )
    k.options["enable_backward"] = False
    e = worlds(k)
    n = p.pick(12, 16, 24, 32)
    jar, jv, D = (
        Table(e, "jaref|jar|residuals", T.F32, (e.n, n), R.uniform(-1.0, 1.0)),
        Table(e, "jv|J_search|row_speed", T.F32, (e.n, n), R.uniform(-1.0, 1.0)),
        Table(e, "efc_D|row_D|weights", T.F32, (e.n, n), R.uniform(0.5, 5.0)),
    )
    gauss = Table(e, "quad_gauss|gauss|smooth_terms", T.VEC3, (e.n,), R.uniform(0.5, 2.0))
    if p.chance(0.4):
        done = e.field("solver_done|converged|done", T.I32, R.mask(0.2))
        with k.when(done.own != 0):
            k.ret()
    size = (
        Table(e, "nefc|num_rows|row_count", T.I32, (e.n,), R.integers(1, n + 1))[e.index]
        if p.chance(0.5)
        else jar.extent(1)
    )
    equality = k.count("ne|num_equality|n_eq", p.pick(2, 4)) if p.chance(0.5) else None
    alpha, slope = k.var("alpha|step|a", 0.0), k.var("d1|slope|deriv", 0.0)
    limit, tolerance = (
        k.count("ls_iterations|max_iter|newton_steps", p.pick(4, 6, 10)),
        k.param("ls_tolerance|gtol|eps", 0.0005, 0.02),
    )
    used = k.var("used|it|n_it", 0)
    with k.repeat(used < limit):
        k.set(slope, gauss[e.index].y + 2.0 * alpha * wp.abs(gauss[e.index].z))
        curvature = k.var("d2|curv|second", 2.0 * wp.abs(gauss[e.index].z))
        with k.loop("r|row|i", size) as r:
            x = k.let("x|jar_a|res_a", jar[e.index, r] + alpha * jv[e.index, r])
            satisfied = x >= 0.0
            with k.when(satisfied if equality is None else all_of(r >= equality, satisfied)):
                k.cont()
            k.aug(slope, "+", D[e.index, r] * jv[e.index, r] * x)
            k.aug(curvature, "+", D[e.index, r] * jv[e.index, r] * jv[e.index, r])
        k.aug(used, "+", 1)
        with k.when(any_of(wp.abs(slope) < tolerance, curvature <= 0.0)):
            k.brk()
        k.aug(alpha, "-", slope / curvature)
    e.out("alpha_out|step_length|step_out", T.F32).store(alpha)
    if p.chance(0.5):
        e.out("slope_out|gradient|final_slope", T.F32).store(slope)
    if p.chance(0.4):
        improved = k.var("improvement|gain|decrease", 0.0)
        with k.loop("r|row|i", size) as r:
            before, after = (
                k.let("x0|b0", wp.min(jar[e.index, r], 0.0)),
                k.let("x1|b1", wp.min(jar[e.index, r] + alpha * jv[e.index, r], 0.0)),
            )
            k.aug(improved, "+", 0.5 * D[e.index, r] * (before * before - after * after))
        e.out("improvements|cost_drop|gains", T.F32).store(improved)


def _project_cones(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "project_friction_cone|cone_projection|clamp_contact_forces|project_contacts|coulomb_projection",
        p.pick(
            "Projection of contact forces onto the friction cone.",
            "Clamp tangential forces to the Coulomb bound.",
            "Pyramidal and elliptic cones.",
        ),
    )
    e = contacts(k)
    lam = e.inout("forces|lambda_c|contact_force", T.VEC3, R.uniform(-1.0, 1.0))
    e.guard()
    mu = e.property("mu|friction|friction_coef", 0.2, 1.0)
    f = _cone_function(p)
    if p.chance(0.5):
        step, v = (
            k.param("step|rho|gradient_step", 0.1, 1.0),
            e.field("velocities|u_c|contact_v", T.VEC3, R.uniform(-1.0, 1.0)).own,
        )
        trial = k.let("trial|z|moved", lam.own - v * step)
    else:
        trial = lam.read("trial|z|f_c")
    projected = k.let("proj|f_new|clipped", f(trial, mu))
    lam.store(projected)
    change = k.let("change|moved_by|delta_f", wp.length(projected - trial))
    if p.chance(0.5):
        Table(e, "residual|max_change|error", T.F32, (1,), role="out").atomic("max", change, 0)
    if p.chance(0.5):
        state = e.out("contact_state|stick_slip|mode", T.I32)
        with k.when(projected.x <= 0.0):
            state.store(0)
        with k.elsewhen(change > 1.0e-6):
            state.store(2)
        with k.otherwise():
            state.store(1)
    if p.chance(0.3):
        Table(e, "normal_sum|total_load", T.F32, (1,), role="out").add(projected.x, 0)


def _cone_function(p: ProgramBuilder) -> UserFunction:
    form = p.pick("coulomb", "second_order", "pyramid", "ellipse")
    ratio = p.pick(0.5, 0.8, 1.5)

    def body(b: Block, f: Expr, mu: Expr) -> None:
        if form == "pyramid":
            n = b.let("n|fn", wp.max(f.x, 0.0))
            b.ret(
                construct(T.VEC3, n, wp.clamp(f.y, -mu * n, mu * n), wp.clamp(f.z, -mu * n, mu * n))
            )
            return
        tangential = (
            wp.sqrt(f.y * f.y + f.z * f.z)
            if form != "ellipse"
            else wp.sqrt(f.y * f.y + f.z * f.z / (ratio * ratio))
        )
        size = b.let("ft|t_len|slide", tangential)
        if form == "second_order":
            with b.when(size <= mu * f.x):
                b.ret(f)
            with b.when(mu * size <= -f.x):
                b.ret(construct(T.VEC3, 0.0))
            n = b.let("n|fn|apex", (f.x + mu * size) / (1.0 + mu * mu))
            s = b.let("s|scale|shrink", mu * n / size)
            b.ret(construct(T.VEC3, n, f.y * s, f.z * s))
            return
        with b.when(f.x <= 0.0):
            b.ret(construct(T.VEC3, 0.0))
        limit = b.let("limit|bound|cone", mu * f.x)
        with b.when(size > limit):
            s = b.let("s|scale|shrink", limit / size)
            b.ret(construct(T.VEC3, f.x, f.y * s, f.z * s))
        b.ret(f)

    doc = p.pick("", "Nearest force inside the friction cone; x is the normal part.")
    return p.func(
        "project_cone|friction_cone|clamp_to_cone|coulomb_clamp",
        {"f|force": T.VEC3, "mu|coef": T.F32},
        body,
        doc,
    )
