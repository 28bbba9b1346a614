"""Two-dimensional FDTD: TM and TE updates, absorbing edges, incident plane waves."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import border_exit, monitor, open_grid, threads
from generator.synthesis.categories._yee import gaussian_pulse
from generator.synthesis.grid import Grid, GridField
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, lift


def planar_update(p: ProgramBuilder) -> None:
    """One half step of a TM or TE mode in the plane."""
    electric, tm = p.chance(0.6), p.chance(0.65)
    single = electric == tm  # the half step that advances the one out-of-plane component
    out_word, in_words = (
        ("Ez|ez|e_z", ("Hx|hx", "Hy|hy")) if tm else ("Hz|hz|h_z", ("Ex|ex", "Ey|ey"))
    )
    k = p.kernel_builder(
        "update_ez|tm_step|ez_update|fdtd2d_e"
        if single and tm
        else "update_hz|te_step|hz_update|fdtd2d_h"
        if single
        else "update_hxy|tm_magnetic|fdtd2d_h"
        if tm
        else "update_exy|te_electric|fdtd2d_e",
        p.pick(
            "Two-dimensional FDTD half step.",
            "Transverse magnetic mode." if tm else "Transverse electric mode.",
            "Yee update in the plane.",
        ),
    )
    g = open_grid(p, k, 2, boundary=p.pick("interior", "skip_outer", "periodic", "clamp"))
    lone = g.field(out_word, p.real, R.uniform(-1.0, 1.0), "inout" if single else "in")
    fx, fy = (
        g.field(w, p.real, R.uniform(-1.0, 1.0), "in" if single else "inout") for w in in_words
    )
    border_exit(p, g)
    if single:
        _out_of_plane(p, g, lone, fx, fy, tm)
    else:
        _in_plane(p, g, lone, fx, fy, tm)


def _planar_medium(p: ProgramBuilder, g: Grid) -> tuple[Expr | None, Expr]:
    k = g.k
    form = p.pick("number", "field", "lossy", "pml", "material")
    if form == "number":
        return None, k.param("courant|cb|s_c", 0.1, 0.6)
    if form == "field":
        return None, k.param("dt_dx|courant", 0.1, 0.6) / g.field(
            "eps_r|epsilon", p.real, R.uniform(1.0, 4.0)
        ).own
    if form == "lossy":
        return g.field("ca|keep", p.real, R.uniform(0.8, 1.0)).own, g.field(
            "cb|gain", p.real, R.uniform(0.1, 0.5)
        ).own
    if form == "pml":
        sx = k.array("sigma_x|loss_x", p.real, (g.shape[1],), R.uniform(0.0, 0.3))[g.index[1]]
        sy = k.array("sigma_y|loss_y", p.real, (g.shape[0],), R.uniform(0.0, 0.3))[g.index[0]]
        loss = k.let("loss|s_sum|sig", 0.5 * (sx + sy))
        return (1.0 - loss) / (1.0 + loss), k.param("courant|cb", 0.1, 0.6) / (1.0 + loss)
    kinds = p.pick(3, 4)
    ids = g.field("material|medium", T.I32, R.integers(0, kinds)).own
    table = k.array("cb_table|gains", p.real, (kinds,), R.uniform(0.1, 0.5))
    return None, table[ids]


def _out_of_plane(
    p: ProgramBuilder, g: Grid, lone: GridField, fx: GridField, fy: GridField, tm: bool
) -> None:
    k = g.k
    step = -1 if tm else 1
    keep, gain = _planar_medium(p, g)
    dx_fy = fy.own - fy[0, -1] if step < 0 else fy[0, 1] - fy.own
    dy_fx = fx.own - fx[-1, 0] if step < 0 else fx[1, 0] - fx.own
    if p.chance(0.5):
        curl = k.let("curl|curl_z|circ", k.let("dfy_dx|d_x", dx_fy) - k.let("dfx_dy|d_y", dy_fx))
    else:
        curl = dx_fy - dy_fx
    old = lone.own if keep is None else keep * lone.own
    new = k.var("new|ez_new|value", old + gain * curl if tm else old - gain * curl)
    if p.chance(0.4):
        rows, cols = (
            k.count("src_y|source_row", g.shape[0] // 2),
            k.count("src_x|source_col", g.shape[1] // 2),
        )
        pulse = k.let("pulse|drive", gaussian_pulse(p, k)) if p.chance(0.5) else None
        with k.when(all_of(g.index[0] == rows, g.index[1] == cols)):
            k.aug(
                new,
                "+",
                pulse if pulse is not None else k.param("source_value|drive|src_amp", 0.1, 2.0),
            )
    if p.chance(0.3):
        pec = g.field("pec|metal", T.I32, R.mask(0.1)).own
        k.set(new, choose(pec == 1, lift(0.0, p.real), new))
    lone.store(new)
    if g.batch_index is None and p.chance(0.3):
        recorders = p.pick(2, 4)
        where = k.array(
            "probe_cells|probes", T.I32, (recorders,), R.integers(0, g.shape[0] * g.shape[1])
        )
        trace = k.out("probe_values|trace|recorded", p.real, (recorders,))
        cell = k.let("cell_id|flat_id|here", g.index[0] * g.extent(1) + g.index[1])
        with k.loop("q|r|m", recorders) as q, k.when(where[q] == cell):
            k.set(trace[q], new)
    monitor(p, g, new, "field|amplitude", 0.25)


def _in_plane(
    p: ProgramBuilder, g: Grid, lone: GridField, fx: GridField, fy: GridField, tm: bool
) -> None:
    k = g.k
    keep, gain = _planar_medium(p, g)
    gain = k.let("coef|c_h|scale", gain) if p.chance(0.5) else gain
    centre = lone.read("c|center|z_c")
    dy = lone[1, 0] - centre if tm else centre - lone[-1, 0]
    dx = lone[0, 1] - centre if tm else centre - lone[0, -1]
    old_x, old_y = (f.own if keep is None else keep * f.own for f in (fx, fy))
    # Hx falls with dEz/dy and Hy grows with dEz/dx; the signs of the electric pair are reversed.
    if p.chance(0.5):
        dy, dx = k.let("dz_dy|grad_y", dy), k.let("dz_dx|grad_x", dx)
    fx.store(old_x - gain * dy if tm else old_x + gain * dy)
    fy.store(old_y + gain * dx if tm else old_y - gain * dx)
    if p.chance(0.3):
        energy = k.out("energy|field_energy|total_energy", p.real, (1,))
        k.do(wp.atomic_add(energy, 0, 0.5 * (fx.own * fx.own + fy.own * fy.own)))


def absorbing_edge(p: ProgramBuilder) -> None:
    """First-order absorbing conditions (Mur) or damping layers along the border of a plane."""
    k = p.kernel_builder(
        "mur_boundary|absorb_edges|abc_update|open_boundary|radiating_edges",
        p.pick("First-order absorbing boundary.", "Outgoing waves leave at the border."),
    )
    n = p.pick(24, 32, 40)
    t = threads(k, ["t|i|s|tid"], (n,))[0]
    ez = k.array("Ez|ez|u", p.real, (n, n), R.uniform(-1.0, 1.0), "inout")
    old = k.array("Ez_old|ez_prev|u_prev", p.real, (n, n), R.uniform(-1.0, 1.0))
    if p.chance(0.6):
        s = k.param("courant|s_c|cfl", 0.3, 0.9)
        coefficient = k.let("coef|m|mur", (s - 1.0) / (s + 1.0))
    else:
        dt, c, dx = (
            k.param("dt|time_step", 0.1, 0.5),
            k.param("c0|speed|celerity", 0.5, 1.0),
            k.param("dx|h", 0.5, 2.0),
        )
        coefficient = k.let("coef|m|mur", (c * dt - dx) / (c * dt + dx))
    last = k.let("last|edge|hi", ez.dim(0) - 1)
    with k.when(any_of(t == 0, t == last) if p.chance(0.6) else any_of(t < 1, t >= last)):
        k.ret()
    function = None
    if p.chance(0.4):

        def body(b: Block, u0: Expr, u1: Expr, new1: Expr, m: Expr) -> None:
            b.ret(u1 + m * (new1 - u0))

        params = {
            "edge_old|u0": p.real,
            "inner_old|u1": p.real,
            "inner_new|v1": p.real,
            "m|coef": p.real,
        }
        function = p.func(
            "mur|first_order_abc|outgoing", params, body, "First-order one-way wave condition."
        )
    sides = [
        ((lift(0, T.I32), t), (lift(1, T.I32), t)),
        ((last, t), (last - 1, t)),
        ((t, lift(0, T.I32)), (t, lift(1, T.I32))),
        ((t, last), (t, last - 1)),
    ]
    for edge, inside in p.sample(sides, 2, 4):
        if function is not None:
            k.set(ez[edge], function(old[edge], old[inside], ez[inside], coefficient))
        else:
            k.set(ez[edge], old[inside] + coefficient * (ez[inside] - old[edge]))
    if p.chance(0.3):
        leak = k.out("edge_energy|leakage|radiated", p.real, (1,))
        k.do(wp.atomic_add(leak, 0, ez[0, t] * ez[0, t]))


def total_field_line(p: ProgramBuilder) -> None:
    """Incident plane wave on the border between total and scattered field, from a one-dimensional grid."""
    k = p.kernel_builder(
        "tfsf_correction|incident_line|total_field_boundary|plane_wave_edge",
        p.pick(
            "Total-field/scattered-field correction.", "Inject a plane wave along a line of cells."
        ),
    )
    n = p.pick(32, 40, 48)
    lo, hi = p.pick(4, 5, 6), n - p.pick(5, 6, 8)
    j = threads(k, ["j|t|row|tid"], (n,))[0]
    parts = p.sample(["left_h", "right_h", "left_e", "right_e"], 1, 4)
    made: dict[str, Expr] = {}

    def array(name: str, hint: str) -> Expr:
        if name not in made:
            plane = name in ("ez", "hy")
            shape = (n, n) if plane else (n,)
            made[name] = k.array(
                hint, p.real, shape, R.uniform(-1.0, 1.0), "inout" if plane else "in"
            )
        return made[name]

    low, high = k.count("j_first|y0|row_lo", lo), k.count("j_last|y1|row_hi", hi)
    with k.when(any_of(j < low, j > high)):
        k.ret()
    s = k.param("courant|cb|s_c", 0.2, 0.7)
    columns: dict[str, Expr] = {}
    for what in parts:
        side, kind = what.split("_")
        if side not in columns:
            columns[side] = (
                k.count("i_first|x0|tf_lo", lo)
                if side == "left"
                else k.count("i_last|x1|tf_hi", hi)
            )
        column, left = columns[side], side == "left"
        if kind == "h":
            hy = array("hy", "Hy|hy")
            at = (column - 1, j) if left else (column, j)
            change = s * array("e_inc", "e_inc|ez_line|incident_e")[column]
            k.set(hy[at], hy[at] - change if left else hy[at] + change)
        else:
            ez, line = array("ez", "Ez|ez"), array("h_inc", "h_inc|hy_line|incident_h")
            change = s * (line[column - 1] if left else line[column])
            k.set(ez[column, j], ez[column, j] - change if left else ez[column, j] + change)
    if p.chance(0.3):
        sheet = k.out("incident_power|line_power|injected", p.real, (1,))
        line = made.get("e_inc") if "e_inc" in made else made["h_inc"]
        assert line is not None
        k.do(wp.atomic_add(sheet, 0, line[j] * line[j]))
