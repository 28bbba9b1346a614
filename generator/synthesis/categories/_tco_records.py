"""Structs as tile elements and reduction values: an intent of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tco_blocks import Team, gathered
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import Argument, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def records(p: ProgramBuilder) -> None:
    """Structs in tiles: block-wide reductions of (value, index) pairs, bounds and moments, maps over records."""
    p.real = T.F32
    kind = p.weighted({"pair": 3, "bounds": 3, "moments": 2.5, "particles": 3.5})
    if kind == "particles":
        _particles(p)
        return
    names = {
        "pair": "closest_hit|nearest_point|best_candidate|first_contact",
        "bounds": "block_bounds|cluster_bounds|reduce_aabb|scene_bounds",
        "moments": "merge_moments|block_statistics|welford_reduce|combine_moments",
    }[kind]
    team = Team(
        p,
        names,
        (
            "Each lane keeps its own record; the block reduces the records.",
            "A struct is the reduction value.",
            "Block reduction over records.",
            "Lanes stride over the items, then combine.",
        ),
        index="b|query|cluster|segment",
    )
    {"pair": _pair, "bounds": _bounds, "moments": _moments}[kind](p, team)


def _reduced(team: Team, f: UserFunction, record: Expr) -> Expr:
    """The reduction of every lane's record, as a record."""
    t, k = team.t, team.k
    lanes = team.lanes(record, whole=team.p.chance(0.5))
    if team.p.chance(0.5):
        lanes = k.let("lanes|all_lanes|records", lanes)
    return k.let("win|merged|block_result", t.reduce(f, lanes))


def _pair(p: ProgramBuilder, team: Team) -> None:
    k = team.k
    rec = p.struct(
        "Candidate|Nearest|Best|Hit",
        {"value|dist|cost": T.F32, "index|id|item": T.I32}
        | ({"normal|point|where": T.VEC3} if p.chance(0.4) else {}),
    )
    value, index = rec.fields[0][0], rec.fields[1][0]
    ties = p.chance(0.5)

    def better(b: Any, u: Expr, v: Expr) -> None:
        first = u.field(value) < v.field(value)
        if ties:
            first = any_of(
                first, all_of(u.field(value) == v.field(value), u.field(index) < v.field(index))
            )
        if p.chance(0.5):
            with b.when(first):
                b.ret(u)
            b.ret(v)
        else:
            with b.when(first):
                b.ret(u)
            with b.otherwise():
                b.ret(v)

    f = p.func("closer|better|nearer_of|pick_lower", {"a|u|lhs": rec, "b|v|rhs": rec}, better)
    n = p.pick(30, 48, 64)
    pts = k.array(
        "points|targets|candidates",
        T.VEC3,
        (n,) if (one := p.chance(0.5)) else (team.count, n),
        R.uniform(-2.0, 2.0),
    )
    q = k.let(
        "q|origin|query_pos",
        k.array("queries|origins|probes", T.VEC3, (team.count,), R.uniform(-1.0, 1.0))[team.i],
    )
    best = k.let("best|mine|local", construct(rec))
    k.set(best.field(value), 1.0e6)
    k.set(best.field(index), -1)
    mask = k.array("enabled|valid|groups", T.I32, (n,), R.mask(0.8)) if p.chance(0.35) else None
    with team.strided(pts.dim(0 if one else 1)) as j:
        if mask is not None:
            with k.when(mask[j] == 0):
                k.cont()
        x = k.let("x|c|pos", pts[j] if one else pts[team.i, j])
        d = k.let("d|dist_j|r", wp.length_sq(x - q) if p.chance(0.5) else wp.length(x - q))
        with k.when(d < best.field(value)):
            k.set(best.field(value), d)
            k.set(best.field(index), j)
            if len(rec.fields) > 2:
                k.set(best.field(rec.fields[2][0]), x)
    win = _reduced(team, f, best)
    winner = k.let("w|result|chosen", win[0])
    with team.leader():
        k.set(
            k.out("nearest_id|hit_index|ids_out", T.I32, (team.count,))[team.i], winner.field(index)
        )
        if p.chance(0.7):
            k.set(
                k.out("nearest_dist|hit_distance|costs", T.F32, (team.count,))[team.i],
                winner.field(value),
            )
        if len(rec.fields) > 2:
            k.set(
                k.out("nearest_point|hit_pos|where_out", T.VEC3, (team.count,))[team.i],
                winner.field(rec.fields[2][0]),
            )
    k.options["enable_backward"] = False


def _bounds(p: ProgramBuilder, team: Team) -> None:
    k = team.k
    counted = p.chance(0.5)
    rec = p.struct(
        "Bounds|Box|Aabb",
        {"lower|lo|vmin": T.VEC3, "upper|hi|vmax": T.VEC3}
        | ({"count|num|members": T.I32} if counted else {}),
    )
    lo, hi = rec.fields[0][0], rec.fields[1][0]

    def union(b: Any, u: Expr, v: Expr) -> None:
        r = b.let("r|out|both", construct(rec))
        b.set(r.field(lo), wp.min(u.field(lo), v.field(lo)))
        b.set(r.field(hi), wp.max(u.field(hi), v.field(hi)))
        if counted:
            c = rec.fields[2][0]
            b.set(r.field(c), u.field(c) + v.field(c))
        b.ret(r)

    f = p.func("unite|merge_boxes|box_union", {"a|u": rec, "b|v": rec}, union)
    n = p.pick(30, 48, 64)
    pts = k.array("points|vertices|particles", T.VEC3, (team.count, n), R.uniform(-2.0, 2.0))
    radii = (
        k.array("radii|margins|extent", T.F32, (team.count, n), R.uniform(0.01, 0.3))
        if p.chance(0.5)
        else None
    )
    box = k.let("box|mine|local", construct(rec))
    k.set(box.field(lo), construct(T.VEC3, 1.0e6))
    k.set(box.field(hi), construct(T.VEC3, -1.0e6))
    with team.strided(
        pts.dim(1)
        if p.chance(0.5)
        else k.array("counts|sizes|lengths", T.I32, (team.count,), R.integers(5, n + 1))[team.i]
    ) as j:
        x = k.let("x|pos|v", pts[team.i, j])
        pad = construct(T.VEC3, radii[team.i, j]) if radii is not None else None
        if pad is not None:
            pad = k.let("pad|r3|margin3", pad)
        k.set(box.field(lo), wp.min(box.field(lo), x if pad is None else x - pad))
        k.set(box.field(hi), wp.max(box.field(hi), x if pad is None else x + pad))
        if counted:
            k.set(box.field(rec.fields[2][0]), box.field(rec.fields[2][0]) + 1)
    whole = k.let("w|result|bounds_all", _reduced(team, f, box)[0])
    with team.leader():
        if p.chance(0.6):
            k.set(k.out("lowers|box_min|corner_lo", T.VEC3, (team.count,))[team.i], whole.field(lo))
            k.set(k.out("uppers|box_max|corner_hi", T.VEC3, (team.count,))[team.i], whole.field(hi))
        else:
            k.set(
                k.out("centers|mid_points|box_centre", T.VEC3, (team.count,))[team.i],
                0.5 * (whole.field(lo) + whole.field(hi)),
            )
            k.set(
                k.out("half_extents|sizes_out|diagonal", T.F32, (team.count,))[team.i],
                0.5 * wp.length(whole.field(hi) - whole.field(lo)),
            )
        if counted:
            k.set(
                k.out("num_members|counts_out|population", T.I32, (team.count,))[team.i],
                whole.field(rec.fields[2][0]),
            )
    k.options["enable_backward"] = False


def _moments(p: ProgramBuilder, team: Team) -> None:
    k = team.k
    rec = p.struct(
        "Moments|Stats|Running",
        {"n|count|weight": T.F32, "mean|mu|avg": T.F32, "m2|scatter|ssd": T.F32},
    )
    n_f, mean_f, m2_f = (f for f, _ in rec.fields)

    def merge(b: Any, u: Expr, v: Expr) -> None:
        total_n = b.let("tot|both_n|nn", u.field(n_f) + v.field(n_f))
        with b.when(total_n <= 0.0 if p.chance(0.5) else total_n == 0.0):
            b.ret(u)
        d = b.let("d|delta|shift", v.field(mean_f) - u.field(mean_f))
        r = b.let("r|out|merged_r", construct(rec))
        b.set(r.field(n_f), total_n)
        b.set(r.field(mean_f), u.field(mean_f) + d * v.field(n_f) / total_n)
        b.set(
            r.field(m2_f),
            u.field(m2_f) + v.field(m2_f) + d * d * u.field(n_f) * v.field(n_f) / total_n,
        )
        b.ret(r)

    f = p.func("merge|combine_stats|chan_merge", {"a|u": rec, "b|v": rec}, merge)
    n = p.pick(30, 48, 64)
    x = k.array("samples|values|measurements", T.F32, (team.count, n), R.normal(0.5, 1.0))
    s = k.let("s|mine|local", construct(rec))
    cap = k.param("outlier_limit|clip|max_abs", 1.5, 3.0) if p.chance(0.4) else None
    with team.strided(x.dim(1)) as j:
        v = k.let("v|value|xj", x[team.i, j])
        if cap is not None:
            with k.when(wp.abs(v) > cap):
                k.cont()
        k.set(s.field(n_f), s.field(n_f) + 1.0)
        d = k.let("d|delta|diff", v - s.field(mean_f))
        k.set(s.field(mean_f), s.field(mean_f) + d / s.field(n_f))
        k.set(s.field(m2_f), s.field(m2_f) + d * (v - s.field(mean_f)))
    whole = k.let("w|result|stats_all", _reduced(team, f, s)[0])
    with team.leader():
        k.set(k.out("means|averages|mu_out", T.F32, (team.count,))[team.i], whole.field(mean_f))
        k.set(
            k.out("variances|var_out|spread", T.F32, (team.count,))[team.i],
            whole.field(m2_f) / wp.max(whole.field(n_f) - 1.0, 1.0),
        )
    k.options["enable_backward"] = False


def _particles(p: ProgramBuilder) -> None:
    team = Team(
        p,
        "tile_particle_energy|block_momentum|advance_records|mass_properties|total_charge",
        (
            "A tile of records per block.",
            "Structs loaded by the tile.",
            "Maps a function over records, then sums.",
            "One tile of bodies per block.",
        ),
        index="b|block|chunk|cell",
        lane=False,
        count=p.pick(3, 4, 6),
    )
    k, t = team.k, team.t
    n = t.dim("tile_size|bodies_per_block|chunk", p.pick(8, 16, 32))
    rec = p.struct(
        "Body|Particle|Point|Marker",
        {"pos|x|center": T.VEC3, "vel|v|momentum": T.VEC3, "mass|m|charge": T.F32},
    )
    x_f, v_f, m_f = (f for f, _ in rec.fields)
    name = k.names.fresh("bodies|particles|records|state")
    recipe = R.struct_array(
        rec.name,
        (team.count * n.value,),
        {
            x_f: R.array("vec3f", (1,), R.uniform(-1.0, 1.0), "in"),
            v_f: R.array("vec3f", (1,), R.uniform(-1.0, 1.0), "in"),
            m_f: R.array("float32", (1,), R.uniform(0.5, 2.0), "in"),
        },
        "in",
    )
    k.arguments.append(Argument(name, T.Array(rec), recipe, 1))
    tile_of = k.let(
        "b_tile|chunk_t|members", t.load(N.Name(name, T.Array(rec)), [n], [team.i * n.expr])
    )
    if p.chance(0.3):
        idx = k.let(
            "idx|chosen|order_t",
            t.load(
                k.array("order|selected|subset", T.I32, (team.count, n.value), R.permutation())[
                    team.i
                ],
                [n],
            ),
        )
        tile_of = k.let("picked|sorted_m|subset_m", gathered(tile_of, idx))
    quantities = p.sample(["momentum", "kinetic", "potential", "moment", "spin", "mass"], 1, 3)
    forms: dict[str, tuple[str, Any, str]] = {
        "momentum": (
            "momentum_of|linear_momentum",
            lambda b, u: b.ret(u.field(v_f) * u.field(m_f)),
            "momenta|total_momentum|p_out",
        ),
        "kinetic": (
            "kinetic_of|kinetic_energy",
            lambda b, u: b.ret(0.5 * u.field(m_f) * wp.dot(u.field(v_f), u.field(v_f))),
            "kinetic|kinetic_out|ke_out",
        ),
        "potential": (
            "potential_of|height_energy",
            lambda b, u: b.ret(9.81 * u.field(m_f) * u.field(x_f).y),
            "potential|pe_out|height_energy_out",
        ),
        "moment": (
            "first_moment|weighted_pos",
            lambda b, u: b.ret(u.field(x_f) * u.field(m_f)),
            "moments|centre_sum|first_moments",
        ),
        "spin": (
            "angular_of|spin_of",
            lambda b, u: b.ret(wp.cross(u.field(x_f), u.field(v_f)) * u.field(m_f)),
            "angular|spins|l_out",
        ),
        "mass": (
            "mass_of|weight_of",
            lambda b, u: b.ret(u.field(m_f)),
            "masses|total_mass|weights_out",
        ),
    }
    whole = p.chance(0.4)
    for what in p.shuffled(quantities):
        names, body, out = forms[what]
        f = p.func(names, {"b|body|p_rec": rec}, body)
        per = k.let(f"{what}_t|per_{what}", t.map(f, tile_of))
        one = t.total("tile_sum", per)
        assert isinstance(per.type, T.Tile)
        if whole:
            t.atomic(k.out(out, per.type.dtype, (1,)), one)
        else:
            k.set(k.out(out, per.type.dtype, (team.count,))[team.i], one[0])
    if p.chance(0.4):
        dt = p.pick(0.01, 0.02)

        def move(b: Any, u: Expr) -> None:
            r = b.let("r|next_b|moved", construct(rec))
            b.set(r.field(x_f), u.field(x_f) + u.field(v_f) * dt)
            b.set(r.field(v_f), u.field(v_f) * 0.99 if p.chance(0.5) else u.field(v_f))
            b.set(r.field(m_f), u.field(m_f))
            b.ret(r)

        moved = k.let(
            "moved|advanced|next_t",
            t.map(p.func("advance|drift|step_body", {"b|body": rec}, move), tile_of),
        )
        where = p.func("position_of|place", {"b|body": rec}, lambda b, u: b.ret(u.field(x_f)))
        t.store(
            k.out("positions_out|next_pos|x_out", T.VEC3, (team.count * n.value,)),
            t.map(where, moved),
            [team.i * n.expr],
        )
