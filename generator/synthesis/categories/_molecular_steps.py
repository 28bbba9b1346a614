"""Molecular dynamics around the forces: integration, thermostats, barostats, boxes, cells and averages."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._extras import helper, report, tune
from generator.synthesis.categories._molecular_thermostats import (
    inverse_mass,
    open_atoms,
    thermostat,
)
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_X, _V, _F = "positions|x|coords|r", "velocities|v|vel", "forces|f|force"


def _verlet(p: ProgramBuilder) -> None:
    stage = p.pick("first", "second", "leapfrog", "stormer")
    names = {
        "first": (
            "initial_integrate|verlet_first_half|kick_drift|nve_initial",
            "First half of velocity Verlet.",
        ),
        "second": ("final_integrate|half_kick|verlet_second_half|nve_final", "Second half-kick."),
        "leapfrog": (
            "leapfrog|leapfrog_step|nve_leapfrog",
            "Leapfrog step of the microcanonical ensemble.",
        ),
        "stormer": ("verlet_positions|stormer_verlet|position_verlet", "Position Verlet step."),
    }
    k, e, vec = open_atoms(p, *names[stage])
    dt = e.world_param("dt|timestep|delta_t", 0.001, 0.01)
    vs = e.inout(_V, vec, R.uniform(-1.0, 1.0)) if stage != "stormer" else None
    fs = e.field(_F, vec, R.uniform(-5.0, 5.0))
    e.guard()
    w = k.let("inv_m|w|im", inverse_mass(p, e)) if p.chance(0.5) else inverse_mass(p, e)
    if stage == "stormer":
        now, before = (
            e.inout(_X, vec, R.uniform(0.0, 1.0)),
            e.inout("x_old|prev_positions|x_prev", vec, R.uniform(0.0, 1.0)),
        )
        x = k.let("x|xi|cur", now.own)
        new = k.var("x_new|xn|after", x * 2.0 - before.own + fs.own * (w * dt * dt))
        if p.chance(0.5):
            e.out("velocities|v_out", vec).store((new - before.own) / (2.0 * dt))
        before.store(x)
        now.store(_wrapped(p, k, e, vec, new) if p.chance(0.5) else new)
        return
    assert vs is not None
    v = k.var("v|vi|vel_i", vs.own + fs.own * (w * dt if stage == "leapfrog" else 0.5 * dt * w))
    if p.chance(0.25):
        k.aug(v, "*", k.param("scale|vscale|lambda_v", 0.9, 1.1))
    tune(p, e, v, "speed", 5.0, {0: 4, 1: 1})
    vs.store(v)
    if stage != "second":
        xs = e.inout(_X, vec, R.uniform(0.0, 1.0))
        new = k.var("x_new|xn|pos", xs.own + v * dt)
        xs.store(_wrapped(p, k, e, vec, new) if p.chance(0.6) else new)
    elif p.chance(0.5):
        energy = k.out("kinetic_energy|ke_total|e_kin", p.real, (e.worlds or 1,))
        k.do(wp.atomic_add(energy, e.world if e.world is not None else 0, 0.5 * wp.dot(v, v) / w))
    report(p, e, v, "speed", 2.0, {0: 5, 1: 1})


def _wrapped(p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Name) -> Expr:
    """`x` brought back into the periodic box."""
    form = p.pick("floor", "branches", "images")
    cubic = p.chance(0.5)
    size = (
        k.quantity("box|box_length|cell_size", p.real, 1.0)
        if cubic
        else k.quantity("box|box_size|cell_lengths", vec, [1.0] * vec.n)
    )

    def side(s: Expr, a: str) -> Expr:
        return s if cubic else s.field(a)

    if form == "branches":
        for a in "xyz"[: vec.n]:
            with k.when(x.field(a) < 0.0):
                k.set(x.field(a), x.field(a) + side(size, a))
            with k.elsewhen(x.field(a) >= side(size, a)):
                k.set(x.field(a), x.field(a) - side(size, a))
        return x

    def body(b: Block, q: Expr, s: Expr) -> Expr:
        return construct(
            vec,
            *[q.field(a) - side(s, a) * wp.floor(q.field(a) / side(s, a)) for a in "xyz"[: vec.n]],
        )

    if form == "images":
        images = e.inout("images|image_flags|box_images", T.Vec(vec.n, T.I32), R.integers(-1, 2))
        shift = [construct(T.I32, wp.floor(x.field(a) / side(size, a))) for a in "xyz"[: vec.n]]
        images.store(images.own + construct(T.Vec(vec.n, T.I32), *shift))
    return helper(
        p,
        k,
        "wrap_position|apply_pbc|into_box|wrap_box",
        {"x|r|p": x, "box|l": size},
        body,
        p.pick("Wrap a position into the periodic box.", ""),
    )


def _wrap(p: ProgramBuilder) -> None:
    goal = p.pick("wrap", "unwrap", "drift", "rescale")
    names = {
        "wrap": ("wrap_positions|apply_periodic|wrap_atoms", "Wrap atoms into the periodic box."),
        "unwrap": (
            "unwrap_trajectory|unwrap_positions|mean_square_displacement",
            "Unwrap positions with image flags.",
        ),
        "drift": (
            "remove_drift|zero_momentum|remove_streaming",
            "Remove the drift of the centre of mass.",
        ),
        "rescale": ("scale_box|barostat_scale|rescale_positions", "Scale positions with the box."),
    }
    k, e, vec = open_atoms(p, *names[goal])
    xs = (
        e.inout(_X, vec, R.uniform(-0.8, 1.8))
        if goal in ("wrap", "rescale")
        else e.field(_X, vec, R.uniform(0.0, 1.0))
    )
    e.guard()
    if goal == "wrap":
        x = k.var("x|xi|pos", xs.own)
        xs.store(_wrapped(p, k, e, vec, x))
        report(p, e, x, "position", 1.0)
        return
    if goal == "unwrap":
        images = e.field("images|image_flags", T.Vec(vec.n, T.I32), R.integers(-2, 3))
        size = k.quantity(
            "box|cell_lengths", vec, [round(p.nice(0.8, 3.0), 2) for _ in range(vec.n)]
        )
        n = k.let("n|img|im", images.own)
        shift = construct(vec, *[construct(p.real, n.field(a)) for a in "xyz"[: vec.n]])
        real = k.var("x|xu|unwrapped", xs.own + wp.cw_mul(shift, size))
        if p.chance(0.5):
            start = e.field("initial|x0|reference", vec, R.uniform(0.0, 1.0))
            d = k.let("d|dr|moved", real - start.own)
            k.do(
                wp.atomic_add(
                    k.out("msd|sum_sq_disp|mean_sq", p.real, (e.worlds or 1,)),
                    e.world if e.world is not None else 0,
                    wp.dot(d, d),
                )
            )
        e.out("unwrapped|x_out|positions_out", vec).store(real)
        return
    if goal == "rescale":
        scale = e.world_param("mu|box_scale|scale_factor", 0.95, 1.05)
        pivot = k.quantity("origin|center|pivot", vec, [0.5] * vec.n) if p.chance(0.5) else None
        x = k.var(
            "x|xs|scaled", xs.own * scale if pivot is None else pivot + (xs.own - pivot) * scale
        )
        xs.store(x)
        report(p, e, x, "position", 1.0)
        return
    drift = k.array("drift|com_velocity|mean_velocity", vec, (e.worlds or 1,), R.uniform(-0.2, 0.2))
    vs = e.inout(_V, vec, R.uniform(-1.0, 1.0))
    v = k.var("v|vi|fixed", vs.own - drift[e.world if e.world is not None else 0])
    if vec.n == 3 and p.chance(0.5):
        omega = k.quantity("omega|angular_drift|spin", vec, [0.05, -0.02, 0.1])
        k.aug(v, "-", wp.cross(omega, xs.own))
    else:
        com = k.quantity("com|center|origin", vec, [0.5] * vec.n)
        k.aug(v, "-", (xs.own - com) * k.param("expansion|hubble|strain_rate", 0.01, 0.5))
    vs.store(v)
    report(p, e, v, "speed", 1.0)


def _averages(p: ProgramBuilder) -> None:
    k, e, vec = open_atoms(
        p,
        "measure_temperature|kinetic_tensor|reduce_observables|pressure_tensor|instantaneous_pressure|compute_virial",
        "Kinetic energy and momentum of the system.",
        "Pressure tensor from kinetic and virial parts.",
        "Instantaneous observables.",
    )
    vs = e.field(_V, vec, R.uniform(-1.0, 1.0))
    e.guard()
    mass = e.property("mass|masses|m", 0.5, 4.0)
    v = vs.read("v|vi|vel_i")
    where, shape = (e.world if e.world is not None else 0), (e.worlds or 1,)
    for what in p.sample(["ke", "momentum", "tensor", "fastest", "dipole", "histogram"], 1, 3):
        if what == "ke":
            ke = k.let("ke|e_kin|half_mv2", 0.5 * mass * wp.dot(v, v))
            k.do(wp.atomic_add(k.out("kinetic|ke_sum|kinetic_energy", p.real, shape), where, ke))
            if p.chance(0.4):
                e.out("atom_ke|ke_out|per_atom_ke", p.real).store(ke)
        elif what == "momentum":
            k.do(wp.atomic_add(k.out("momentum|p_total|net_momentum", vec, shape), where, v * mass))
        elif what == "tensor":
            t = wp.outer(v, v) * mass
            if p.chance(0.6):
                t = t + wp.outer(
                    e.field("x_rel|positions|coords", vec, R.uniform(-0.5, 0.5)).own,
                    e.field(_F, vec, R.uniform(-5.0, 5.0)).own,
                )
            k.do(
                wp.atomic_add(
                    k.out("pressure_tensor|stress|p_tensor", p.mat(vec.n), shape), where, t
                )
            )
        elif what == "fastest":
            k.do(
                wp.atomic_max(
                    k.out("max_speed_out|v_max|peak_speed", p.real, shape), where, wp.length(v)
                )
            )
        elif what == "dipole":
            q, x = (
                e.field("charges|q|charge", p.real, R.uniform(-1.0, 1.0)),
                e.field("positions_u|x_unwrapped|r", vec, R.uniform(-0.5, 0.5)),
            )
            k.do(
                wp.atomic_add(
                    k.out("dipole|total_dipole|mu_total", vec, shape), where, x.own * q.own
                )
            )
        else:
            bins, top = p.pick(10, 16, 20), k.param("v_range|speed_range|v_hist_max", 1.0, 2.0)
            b = k.let(
                "b|bin_id|slot",
                wp.clamp(construct(T.I32, wp.length(v) / top * float(bins)), 0, bins - 1),
            )
            hist = k.out(
                "speed_hist|velocity_hist|histogram",
                T.I32,
                (bins,) if e.worlds is None else (e.worlds, bins),
            )
            k.do(wp.atomic_add(hist, *((b,) if e.world is None else (e.world, b)), 1))


def _cells(p: ProgramBuilder) -> None:
    k, e, vec = open_atoms(
        p, "assign_cells|bin_atoms|cell_list_insert|count_cells|build_cell_list|cell_indices",
        "Cell of each atom in the linked-cell grid.", "Insert atoms into cells.", "Count atoms per cell.",
    )  # fmt: skip
    side = p.pick(3, 4, 5, 6)
    xs = e.field(_X, vec, R.uniform(-0.2, 1.2))
    e.guard()
    cells = k.count("cells_per_side|n_cells|grid_dim", side)
    inverse = (
        k.quantity("inv_cell|inv_cell_size|cells_per_length", p.real, float(side))
        if p.chance(0.5)
        else None
    )
    size = (
        k.quantity("cell_size|cell_width", p.real, round(1.0 / side, 4))
        if inverse is None
        else None
    )
    x = xs.read("x|xi|pos")
    periodic = p.chance(0.5)

    def scaled(a: str) -> Expr:
        return wp.floor(x.field(a) * inverse if inverse is not None else x.field(a) / size)  # type: ignore[operator]

    def coordinate(b: Block, c: Expr, n: Expr) -> Expr:
        return (c + n * 4) % n if periodic else wp.clamp(c, 0, n - 1)

    coords = []
    for a in "xyz"[: vec.n]:
        raw = cast(T.I32, scaled(a))
        coords.append(
            k.let(
                f"c{a}|i{a}|cell_{a}",
                helper(
                    p,
                    k,
                    f"wrap_cell{a}|fold_{a}|clamp_cell_{a}",
                    {"c|i": raw, "n|dim_n": cells},
                    coordinate,
                    share=0.15,
                ),
            )
        )
    index = coords[-1]
    for c in reversed(coords[:-1]):
        index = index * cells + c
    cell = k.let("cell|cell_id|c_idx", index)
    goal = p.pick("ids", "count", "both", "linked")
    total = side**vec.n
    if goal in ("ids", "both", "linked"):
        e.out("cell_ids|cell_index|atom_cell", T.I32).store(cell)
    if goal in ("count", "both", "linked"):
        counts = k.out(
            "cell_counts|counts|occupancy",
            T.I32,
            (total,) if e.worlds is None else (e.worlds, total),
        )
        k.do(wp.atomic_add(counts, *((cell,) if e.world is None else (e.world, cell)), 1))
    if goal == "linked":
        top = k.array(
            "highest|cell_top|last_atom",
            T.I32,
            (total,) if e.worlds is None else (e.worlds, total),
            R.constant(-1),
            "inout",
        )
        k.do(wp.atomic_max(top, *((cell,) if e.world is None else (e.world, cell)), e.index))
    if p.chance(0.3):
        lost = k.out("outside|num_lost|lost_atoms", T.I32, (1,))
        with k.when(
            any_of(x.x < 0.0, x.x >= 1.0, x.y < 0.0, x.y >= 1.0)
            if p.chance(0.5)
            else any_of(x.x < 0.0, x.y < 0.0)
        ):
            k.do(wp.atomic_add(lost, 0, 1))


def _rebuild(p: ProgramBuilder) -> None:
    k, e, vec = open_atoms(
        p, "check_rebuild|max_displacement|needs_rebuild|track_displacement|skin_check",
        "Whether any atom moved by more than half the skin.", "Largest displacement since the last list.",
    )  # fmt: skip
    x, old = (
        e.field(_X, vec, R.uniform(0.0, 1.0)),
        e.field("x_list|last_positions|list_positions", vec, R.uniform(0.0, 1.0)),
    )
    e.guard()
    d = k.let("d|dx|moved", x.own - old.own)
    skin = e.world_param("skin|buffer|list_skin", 0.1, 0.6)
    d2 = k.let("d2|disp_sq|r2", wp.dot(d, d) if p.chance(0.5) else wp.length_sq(d))
    flag = k.out("rebuild|rebuild_flag|stale", T.I32, (e.worlds or 1,))
    where = e.world if e.world is not None else 0
    with k.when(d2 > 0.25 * skin * skin if p.chance(0.6) else wp.sqrt(d2) > 0.5 * skin):
        k.do(wp.atomic_max(flag, where, 1) if p.chance(0.6) else wp.atomic_add(flag, where, 1))
    report(p, e, d, "displacement", 0.5)


STEPS = {_verlet: 2, _wrap: 1.3, thermostat: 2.4, _averages: 1.6, _cells: 1.2, _rebuild: 0.8}
