"""The steps around the constraint solver: prediction, averaging, velocities, multipliers, chains."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def _predict(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "predict_positions|apply_external_forces|begin_substep|pbd_predict|integrate_particles|forward_step",
        p.pick(
            "Predict positions from velocities and external forces.",
            "Start of a substep.",
            "Explicit prediction before the constraint solve.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|pid")
    vec = p.vec(dimension(p, 2, 3, 3))
    x = e.field("positions|x|particle_x", vec, R.uniform(-1.0, 1.0))
    vs = e.field("velocities|v|particle_v", vec, R.uniform(-1.0, 1.0), p.pick("in", "inout"))
    w = e.field("inv_mass|w|particle_inv_mass", p.real, R.mask(0.85)) if p.chance(0.6) else None
    out = e.out("predicted|x_pred|p_out", vec)
    if w is not None and p.chance(0.7):
        with k.when(w.own == 0.0 if p.chance(0.5) else w.own <= 0.0):
            out.store(x.own)
            k.ret()
    dt = e.world_param("dt|timestep|h|sub_dt", 0.002, 0.02)
    v = k.var(
        "v|v_i|vel", vs.own + e.world_vector("gravity|g", [0.0, -9.81, 0.0][: vec.n], vec) * dt
    )
    if w is not None and p.chance(0.6):
        k.aug(
            v,
            "+",
            e.field("external_forces|f_ext|forces", vec, R.uniform(-2.0, 2.0)).own * (w.own * dt),
        )
    if p.chance(0.4):
        c = k.param("damping|drag|velocity_damping", 0.01, 1.0)
        k.aug(v, "*", p.pick(1.0 - c * dt, wp.exp(-c * dt)))
    tune(p, e, v, "speed", 4.0)
    out.store(x.own + v * dt)
    if any(a.name == vs.array.id and a.recipe.get("role") == "inout" for a in k.arguments):
        vs.store(v)
    elif p.chance(0.4):
        e.out("v_pred|velocities_out", vec).store(v)
    report(p, e, v, "speed", 2.0, {0: 4, 1: 1})


def _apply(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_deltas|apply_corrections|average_corrections|jacobi_update|accumulate_positions|finish_iteration",
        p.pick(
            "Apply averaged corrections.",
            "Jacobi update of the positions.",
            "Add corrections, divided by the number of constraints.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|pid")
    vec = p.vec(dimension(p, 2, 3, 3))
    x = e.inout("positions|x|predicted", vec, R.uniform(-1.0, 1.0))
    deltas = e.inout("deltas|corrections|delta_x", vec, R.uniform(-0.1, 0.1))
    counted = p.chance(0.7)
    e.guard()
    d = k.var("d|delta|corr", deltas.own)
    if counted:
        n = k.let(
            "n|count|num",
            e.field("counts|delta_counts|num_constraints", T.I32, R.integers(0, 6)).own,
        )
        form = p.pick("early", "guard", "max")
        if form == "early":
            with k.when(n == 0):
                k.ret()
            k.aug(d, "/", construct(p.real, n))
        elif form == "guard":
            with k.when(n > 1):
                k.set(d, d / construct(p.real, n))
        else:
            k.set(d, d / construct(p.real, wp.max(n, 1)))
    if p.chance(0.55):
        k.aug(d, "*", k.param("omega|relaxation|sor", 0.5, 1.6))
    tune(p, e, d, "displacement", 0.1)
    x.store(x.own + d)
    if p.chance(0.5):
        deltas.store(construct(vec, 0.0))
    report(p, e, d, "displacement", 0.1)


def _velocities(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "update_velocities|finalize_velocities|velocity_from_positions|end_substep|recompute_velocity|pbd_velocity",
        p.pick(
            "Velocities from the change of position.",
            "End of a substep.",
            "Derive velocities, with damping and sleeping.",
        ),
    )
    e = Entities(k, "particle", index="i|tid|pid")
    vec = p.vec(dimension(p, 2, 3, 3))
    before = e.field("prev_positions|x_prev|x0", vec, R.uniform(-1.0, 1.0))
    now = e.field("predicted|x_new|x", vec, R.uniform(-1.0, 1.0))
    e.guard()
    inverse = p.chance(0.3)
    dt = e.world_param(
        "inv_dt|dt_inv" if inverse else "dt|timestep|h",
        30.0 if inverse else 0.005,
        200.0 if inverse else 0.05,
    )
    choice = p.pick("none", "sleep", "second", "restitution")
    moved = now.own - before.own
    if choice == "second":
        older = e.field("older_positions|x_prev2|x_nm1", vec, R.uniform(-1.0, 1.0))
        moved = now.own * 1.5 - before.own * 2.0 + older.own * 0.5
    v = k.var("v|v_i|vel", moved * dt if inverse else moved / dt)
    x_out = (
        e.out("positions_out|x_out|particle_x", vec) if p.chance(0.4) or choice == "sleep" else None
    )
    tune(p, e, v, "speed", 60.0)
    if choice == "sleep" and x_out is not None:
        limit = k.param("sleep_threshold|rest_speed|v_sleep", 0.05, 20.0)
        with k.when(wp.length(v) < limit):
            x_out.store(before.own)
            k.ret()
    elif choice == "restitution":
        n = e.field("contact_normals|normals", vec, R.unit_vectors())
        bounce = k.param("restitution|bounce|e", 0.05, 0.9)
        vn = k.let("vn|v_n", wp.dot(v, n.own))
        with k.when(vn < 0.0):
            k.aug(v, "-", n.own * (vn * (1.0 + bounce)))
    out = e.out("velocities|v_out|velocities_out", vec)
    out.store(v)
    if x_out is not None:
        x_out.store(now.own)
    report(p, e, v, "speed", 40.0)


def _chains(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "solve_chains|relax_strand|hair_strands|follow_the_leader|rope_sweep|strand_constraints",
        p.pick(
            "Sweep along each strand from its root.",
            "Inextensible strands, one thread each.",
            "Sequential relaxation of ropes.",
        ),
    )
    e = Entities(
        k, p.pick("strand", "rope", "chain"), count=p.pick(12, 16, 24), index="s|tid|strand"
    )
    vec, links = p.vec(dimension(p, 2, 3, 3)), p.pick(6, 8, 10, 12)
    shape = (e.n, links) if e.worlds is None else (e.worlds, e.n, links)
    x = k.array("positions|x|strand_x|points", vec, shape, R.uniform(-1.0, 1.0), "inout")
    e.guard()
    rest = e.property("segment_length|rest|l0", 0.05, 0.3)
    at = (lambda i: x[e.index, i]) if e.world is None else (lambda i: x[e.world, e.index, i])
    rounds = p.pick(1, 1, 2, 3, 4)
    stiff = p.chance(0.5)

    def project(b: Block, a: Expr, c: Expr, l0: Expr) -> Expr:
        d = b.let("d|delta|seg", c - a)
        return d * (l0 / wp.max(wp.length(d), 1.0e-6))

    def sweep() -> None:
        with k.loop(
            "i|n|seg",
            1,
            links if p.chance(0.5) else k.count("num_points|points_per_strand|n_links", links),
        ) as i:
            a, b = k.let("a|parent|prev_x", at(i - 1)), k.let("b|child|this_x", at(i))
            arm = helper(
                p,
                k,
                "clamped_segment|fixed_length|rescale_link",
                {"a|x0": a, "b|x1": b, "l0|rest": rest},
                project,
            )
            if stiff:
                k.set(at(i), a + arm)
            else:
                gap = k.let("gap|corr|err", a + arm - b)
                k.set(at(i), b + gap * k.param("stiffness|follow|relaxation", 0.3, 1.0))

    if rounds > 1:
        with k.loop("it|iteration|round", k.count("iterations|num_iters|sweeps", rounds)):
            sweep()
    else:
        sweep()
    if p.chance(0.5):
        tip = k.let("tip|end_x|last_x", at(links - 1))
        e.out("tips|strand_tips|end_points", vec).store(tip)
    if p.chance(0.3):
        total = k.var("span|arc|total_len", 0.0, p.real)
        with k.loop("i|n|seg", 1, links) as i:
            k.aug(total, "+", wp.length(at(i) - at(i - 1)))
        e.out("lengths|arc_length|strand_length", p.real).store(total)


def _stiffness(p: ProgramBuilder) -> None:
    goal = p.pick("warm", "force", "break")
    names = {
        "warm": (
            "reset_multipliers|warm_start|scale_lambdas",
            "Warm-start the multipliers of the next substep.",
        ),
        "force": (
            "constraint_forces|recover_forces|forces_from_lambdas",
            "Constraint forces from the multipliers.",
        ),
        "break": (
            "break_constraints|tear_constraints|check_fracture",
            "Break constraints that carry too much.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    e = Entities(k, "constraint", index="c|tid|cid")
    lam = e.inout("lambdas|multipliers|lagrange", p.real, R.uniform(-0.05, 0.05))
    e.guard()
    if goal == "warm":
        value = k.var("lam|l|scaled", lam.own * k.param("warm_start|warm_factor|decay", 0.1, 0.95))
        tune(p, e, value, "lambda", 0.05)
        lam.store(value)
        report(p, e, value, "lambda", 0.05)
        return
    dt = e.world_param("dt|timestep|h", 0.005, 0.05)
    force = k.var(
        "f|force|tension", wp.abs(lam.own) / (dt * dt) if p.chance(0.5) else lam.own / (dt * dt)
    )
    if goal == "force":
        tune(p, e, force, "force", 500.0)
        e.out("forces|constraint_forces|f_out", p.real).store(force)
        report(p, e, force, "force", 300.0)
        return
    strength = e.property("strength|break_force|max_force", 0.5, 10.0)
    alive = e.inout("intact|enabled_out|alive", T.I32, R.mask(0.9))
    with k.when(all_of(alive.own == 1, force > strength) if p.chance(0.6) else force > strength):
        alive.store(0)
        lam.store(0.0)
        if p.chance(0.6):
            k.do(
                wp.atomic_add(
                    k.out("broken|num_broken", T.I32, (e.worlds or 1,)),
                    e.world if e.world is not None else 0,
                    1,
                )
            )
    if p.chance(0.4):
        e.out("load|utilisation|stress_ratio", p.real).store(
            choose(force > strength, strength, force) / strength
        )


STEPS = {_predict: 1.5, _apply: 1.5, _velocities: 1.5, _chains: 1.4, _stiffness: 1.2}
