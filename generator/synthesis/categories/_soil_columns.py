"""Soil columns: percolation, heat, unsaturated flow, root uptake."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._columns import Columns
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def soil_column(p: ProgramBuilder) -> None:
    """Soil layers: percolation, heat conduction with freezing, root uptake, Richards fluxes."""
    what = p.pick("percolate", "heat", "richards", "roots")
    names = {
        "percolate": "percolate_layers|soil_tipping|drain_column",
        "heat": "soil_heat|ground_heat_column|conduct_soil",
        "richards": "richards_step|unsaturated_flow|soil_water_flux",
        "roots": "root_uptake|transpire_layers|root_water",
    }
    docs = {
        "percolate": "Water tips from layer to layer above field capacity.",
        "heat": "Heat conduction through soil layers.",
        "richards": "Unsaturated flow between soil layers.",
        "roots": "Transpiration drawn from the root zone.",
    }
    k = p.kernel_builder(names[what], p.pick(docs[what], "One soil column per thread."))
    c = Columns(p, k, levels=p.pick(4, 5, 6, 8, 10), words="num_layers|n_layers|layers")
    {"percolate": _percolate, "heat": _soil_heat, "richards": _richards, "roots": _roots}[what](
        p, c
    )


def _percolate(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta, depth = (
        c.profile("theta|moisture|soil_moisture", 0.1, 0.45, "inout"),
        c.profile("depth|thickness|dz", 0.05, 0.5),
    )
    n = c.count()
    c.skip()
    field = (
        c.profile("field_capacity|theta_fc|fc", 0.2, 0.35)
        if p.chance(0.5)
        else k.param("field_capacity|theta_fc", 0.2, 0.35)
    )
    porosity = k.param("porosity|theta_s|saturation", 0.42, 0.55)
    flow = k.var("flow|infil|water_down", c.surface("infiltration|rain|water_input", 0.0, 0.05))
    travel = k.param("travel_time|tt|drain_time", 1.0, 20.0) if p.chance(0.5) else None
    with k.loop("q|lay|l", n) as q:
        h = k.let("h|dz_q|thick", c.get(depth, q))
        w = k.var("w|wet|th", c.get(theta, q) + flow / h)
        fc = c.get(field, q) if isinstance(field.type, T.Array) else field
        excess = k.let("excess|above_fc|surplus", wp.max(w - fc, 0.0))
        if travel is not None:
            excess = k.let("drained|part", excess * (1.0 - wp.exp(-1.0 / travel)))
        k.aug(w, "-", excess)
        k.set(flow, excess * h)
        with k.when(w > porosity):
            k.aug(flow, "+", (w - porosity) * h)
            k.set(w, porosity)
        k.set(c.get(theta, q), w)
    k.set(c.surface("recharge|drainage|deep_seepage", 0.0, 0.0, "out"), flow)


def _soil_heat(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    temp, out = (
        c.profile("soil_temp|temperature|t_soil", -5.0, 20.0),
        c.out("soil_temp_out|t_new|temperature_out"),
    )
    n = c.count()
    c.skip()
    conduct = c.profile("conductivity|lam|k_soil", 0.3, 2.0) if p.chance(0.6) else None
    common = k.param("conductivity|lam_soil|k_heat", 0.5, 2.0) if conduct is None else None
    capacity, dz, dt = (
        k.param("heat_capacity|c_vol|cv", 1.0e6, 3.0e6),
        k.param("dz|layer_depth", 0.05, 0.3),
        k.param("dt|time_step", 100.0, 1000.0),
    )
    flux = k.var("flux|g_in|from_above", c.surface("ground_flux|surface_heat|g0", -60.0, 120.0))
    freeze = p.chance(0.45)
    ice = c.profile("ice|ice_content|frozen", 0.0, 0.3, "inout") if freeze else None
    with k.loop("q|lay|l", n) as q:
        below = k.var("below|g_out|downward", 0.0, p.real)
        with k.when(q < n - 1):
            lam = common if conduct is None else 0.5 * (c.get(conduct, q) + c.get(conduct, q + 1))
            k.set(below, lam * (c.get(temp, q) - c.get(temp, q + 1)) / dz)
        t = k.var("t|tq|t_layer", c.get(temp, q) + dt * (flux - below) / (capacity * dz))
        if ice is not None:
            latent = k.param("latent|l_fus_ratio|melt_heat", 50.0, 150.0)
            content = k.var("frozen_q|i_q|ice_q", c.get(ice, q))
            with k.when(all_of(t > 0.0, content > 0.0)):
                melted = k.let("melted|dm", wp.min(t / latent, content))
                k.aug(content, "-", melted)
                k.aug(t, "-", melted * latent)
            with k.elsewhen(all_of(t < 0.0, content < k.param("max_ice|pore_limit", 0.2, 0.4))):
                grown = k.let("grown|df", wp.min(-t / latent, 0.02))
                k.aug(content, "+", grown)
                k.aug(t, "+", grown * latent)
            k.set(c.get(ice, q), content)
        k.set(c.get(out, q), t)
        k.set(flux, below)
    if p.chance(0.4):
        k.set(
            k.out("frost_depth|frozen_layers|thaw_level", T.I32, c.columns)[c.at],
            _frozen_layers(p, c, out),
        )


def _frozen_layers(p: ProgramBuilder, c: Columns, temp: Expr) -> Expr:
    k = c.k
    depth = k.var("frost|layers_f|count", 0)
    with k.loop("q|lay|l", c.count()) as q:
        with k.when(c.get(temp, q) >= 0.0):
            k.brk() if p.chance(0.6) else k.cont()
        k.aug(depth, "+", 1)
    return depth


def _richards(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta, out = (
        c.profile("theta|moisture|water", 0.12, 0.42),
        c.out("theta_out|moisture_new|water_next"),
    )
    n = c.count()
    c.skip()
    sat, res = k.param("theta_s|porosity", 0.43, 0.5), k.param("theta_r|residual", 0.02, 0.08)
    ksat = c.profile("k_sat|ksat|conductivity", 0.001, 0.02) if p.chance(0.4) else None
    ks = k.param("k_sat|ks", 0.001, 0.02) if ksat is None else None
    dz, dt = k.param("dz|layer_depth", 0.1, 0.3), k.param("dt|time_step", 0.01, 0.1)
    form = p.pick("brooks", "genuchten", "campbell")

    def relative(b: Block, s: Expr) -> None:
        if form == "genuchten":
            inner = b.let("inner|m_term", 1.0 - wp.pow(1.0 - wp.pow(s, 2.0), 0.5))
            b.ret(wp.sqrt(s) * inner * inner)
        else:
            b.ret(wp.pow(s, p.pick(3.0, 4.0, 7.0)))

    conductivity = p.func("relative_conductivity|k_rel|hydraulic_k", {"s|se": p.real}, relative)

    def suction(b: Block, s: Expr) -> None:
        b.ret(
            -0.3 * wp.pow(s, p.pick(-1.5, -2.5, -4.0))
            if form != "genuchten"
            else -0.5 * wp.sqrt(wp.pow(s, -2.0) - 1.0 + 1.0e-6)
        )

    head = p.func("matric_head|suction|psi", {"s|se": p.real}, suction)

    def wetness(level: Expr) -> Expr:
        return wp.clamp((c.get(theta, level) - res) / (sat - res), p.pick(0.05, 0.1), 1.0)

    flux = k.var("flux|q_top|inflow", c.surface("infiltration|top_flux|rain", 0.0, 0.01))
    with k.loop("q|lay|l", n) as q:
        s0 = k.let("s0|se|wet", wetness(q))
        down = k.var(
            "down|q_down|outflow", (ks if ksat is None else c.get(ksat, q)) * conductivity(s0)
        )  # type: ignore[operator]
        with k.when(q < n - 1):
            s1 = k.let("s1|se_below|wet1", wetness(q + 1))
            k_mid = k.let(
                "k_mid|k_face",
                0.5
                * (conductivity(s0) + conductivity(s1))
                * (ks if ksat is None else c.get(ksat, q)),
            )  # type: ignore[operator]
            k.set(down, k_mid * ((head(s0) - head(s1)) / dz + 1.0))
        new = c.get(theta, q) + dt * (flux - down) / dz
        k.set(c.get(out, q), wp.clamp(new, res, sat) if p.chance(0.7) else new)
        k.set(flux, down)
    k.set(c.surface("recharge|bottom_flux|deep_drainage", 0.0, 0.0, "out"), flux)


def _roots(p: ProgramBuilder, c: Columns) -> None:
    k = c.k
    theta = c.profile("theta|moisture|water", 0.05, 0.4, "inout")
    roots = c.profile("root_fraction|root_share|roots", 0.02, 0.4)
    n = c.count()
    c.skip()
    demand = c.surface("transpiration|demand|pet", 0.1, 5.0)
    wilt, field = (
        k.param("wilting|theta_wp", 0.05, 0.12),
        k.param("field_capacity|theta_fc", 0.25, 0.35),
    )
    total = k.var("total|w_sum|supply", 0.0, p.real)

    def body(b: Block, w: Expr, lo: Expr, hi: Expr) -> Expr:
        return wp.clamp((w - lo) / (hi - lo), 0.0, 1.0)

    args = {"w|theta": c.get(theta, 0), "lo|wilt": wilt, "hi|fc": field}
    stress = p.func(
        "water_stress|availability|uptake_factor",
        {h: v.type for h, v in args.items()},
        lambda b, *a: b.ret(body(b, *a)),
    )
    with k.loop("q|lay|l", n) as q:
        k.aug(total, "+", c.get(roots, q) * stress(c.get(theta, q), wilt, field))
    with k.when(total <= p.pick(0.0, 1.0e-6)):
        k.ret()
    taken = k.var("taken|uptake|used", 0.0, p.real)
    scale = k.param("unit_scale|mm_to_theta|per_depth", 0.001, 0.02)
    compensate = p.chance(0.5)
    with k.loop("q|lay|l", n) as q:
        share = k.let("share|part|f_q", c.get(roots, q) * stress(c.get(theta, q), wilt, field))
        draw = k.let(
            "draw|sink|uptake_q",
            wp.min(
                demand * scale * (share / total if compensate else share),
                wp.max(c.get(theta, q) - wilt, 0.0),
            ),
        )
        k.set(c.get(theta, q), c.get(theta, q) - draw)
        k.aug(taken, "+", draw)
    k.set(c.surface("actual_transpiration|uptake_out|et_roots", 0.0, 0.0, "out"), taken)
