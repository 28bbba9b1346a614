"""One lane decides for its block: an intent of tile_collectives."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def leaders(p: ProgramBuilder) -> None:
    """One lane decides for all: broadcast pivots and step sizes, block votes, per-lane values through tiles."""
    p.real = T.F32
    kind = p.weighted({"share": 3, "vote": 3, "normalise": 3})
    names = {
        "share": "apply_block_scale|broadcast_pivot|block_step_size|load_block_transform",
        "vote": "block_vote|any_unconverged|activity_mask|freeze_blocks",
        "normalise": "normalise_lanes|softmax_lanes|rank_lanes|relative_to_best",
    }[kind]
    docs = (
        "The first lane reads, the block shares.",
        "Per-lane values pooled in a tile.",
        "One lane decides for its block.",
        "Lane values go through a tile and back.",
    )
    if kind == "normalise":
        _normalise(p, names, docs)
        return
    team = Team(p, names, docs, index="b|block|env|segment", count=p.pick(3, 4, 6))
    k, t = team.k, team.t
    n = t.dim("tile_size|items|num_items", p.pick(16, 24, 32))
    if kind == "share":
        scale = k.var("scale|s|factor", 0.0, T.F32)
        with team.leader():
            raw = k.array("scales|step_sizes|pivots", T.F32, (team.count,), R.uniform(0.3, 2.0))[
                team.i
            ]
            if p.chance(0.5):
                k.set(scale, raw)
            else:
                with k.when(raw > (top := k.param("max_scale|limit|cap", 0.8, 1.5))):
                    k.set(scale, top)
                with k.otherwise():
                    k.set(scale, raw)
        x = k.let(
            "x|vals|row_t",
            t.load(
                k.array("values|rows|inputs", T.F32, (team.count, n.value), R.uniform(-1.0, 1.0))[
                    team.i
                ],
                [n],
            ),
        )
        if p.chance(0.6):
            whole = k.let(
                "scale_t|wide|shared_s",
                tile(
                    "tile_from_thread",
                    T.Tile(T.F32, (n.value,)),
                    shape=n.expr if p.chance(0.5) else (n.expr,),
                    value=scale,
                    thread_idx=0,
                    **({"storage": "shared"} if p.chance(0.3) else {}),
                ),
            )
            y = x * whole
        else:
            y = x * team.broadcast(scale)
        if p.chance(0.4):
            y = y + t.load(
                k.array("offsets|bias|shift", T.F32, (n.value,), R.uniform(-0.5, 0.5)), [n]
            )
        t.store(k.out("out|scaled_out|rows_out", T.F32, (team.count, n.value))[team.i], y)
        return
    x = k.array("residuals|changes|velocities", T.F32, (team.count, n.value), R.uniform(0.0, 1.0))
    tol = k.param("tol|threshold|sleep_speed", 0.3, 0.95)
    active = k.var("active|moving|above", 0, T.I32)
    with team.strided(n.expr) as j, k.when(wp.abs(x[team.i, j]) > tol):
        k.set(active, 1) if p.chance(0.5) else k.aug(active, "+", 1)
    any_one = k.let(
        "any_active|votes|awake",
        t.total("tile_max" if p.chance(0.5) else "tile_sum", team.lanes(active))[0],
    )
    k.comment("every lane sees the same vote")
    if p.chance(0.5):
        with k.when(any_one == 0):
            with team.leader():
                k.set(k.out("asleep|done_flags|frozen", T.I32, (team.count,))[team.i], 1)
            k.ret()
    state = k.out("state|sleep_counter|levels", T.F32, (team.count, n.value))
    with team.strided(n.expr) as j:
        k.set(
            state[team.i, j],
            x[team.i, j] * wp.where(any_one > 0, 1.0, 0.5)
            if p.chance(0.5)
            else wp.where(any_one > p.pick(0, 1), x[team.i, j], 0.0),
        )
    team.put("vote_out|num_active|awake_out", any_one, T.I32)
    k.options["enable_backward"] = False


def _normalise(p: ProgramBuilder, names: str, docs: tuple[str, ...]) -> None:
    k = p.kernel_builder(names, p.pick(*docs))
    t = Tiling(p, k)
    block = p.pick(32, 64)
    n = block * p.pick(2, 3)
    k.block_dim, k.tiled, k.launch_dim = block, False, (n,)
    i = k.let("i|tid|idx", wp.tid())
    x = k.let("x|own|value", _own_value(p, k, i, n))
    lanes = k.let("lanes|all_x|block_t", tile("tile", T.Tile(T.F32, (block,)), x))
    kind = p.pick("max", "softmax", "mean", "rank", "prefix")
    if kind == "max":
        y: Expr = x / t.total(p.pick("tile_max", "tile_sum"), lanes)[0]
    elif kind == "softmax":
        top = k.let("top|peak|hi", t.total("tile_max", lanes)[0])
        e = k.let("e|w|ex", wp.exp((x - top) / p.pick(0.25, 0.5, 2.0)))
        y = e / t.total("tile_sum", tile("tile", T.Tile(T.F32, (block,)), e))[0]
    elif kind == "mean":
        width = construct(T.F32, wp.block_dim())
        y = x / k.let("mean|mu|avg", t.total("tile_sum", lanes)[0] / width)
    elif kind == "rank":
        low = k.let(
            "best_at|winner|lowest", t.index_of(p.pick("tile_argmin", "tile_argmax"), lanes)[0]
        )
        told = tile("tile_from_thread", T.Tile(T.F32, (1,)), shape=1, value=x, thread_idx=low)
        y = x / k.let("best_x|chosen|ref", told[0])
    else:
        y = tile(
            "untile",
            T.F32,
            k.let(
                "before|prefix|run",
                tile(
                    p.pick(
                        "tile_scan_exclusive",
                        "tile_scan_inclusive",
                        "tile_scan_max_inclusive",
                        "tile_scan_min_inclusive",
                    ),
                    lanes.type,
                    lanes,
                ),
            ),
        )
        y = k.let("mine_before|own_prefix|start_at", y) + 0.5 * x
    if p.chance(0.4):
        scaled = k.let("scaled_t|lanes_2|adj", lanes * k.param("gain|alpha|weight", 0.2, 2.0))
        y = y + tile("untile", T.F32, scaled)
    k.set(k.out("out|normalised|relative", T.F32, (n,))[i], y)


def _own_value(p: ProgramBuilder, k: KernelBuilder, i: Expr, n: int) -> Expr:
    """The number that a lane brings: an element, a norm, a weighted or clamped one."""
    raw = k.array("values|scores|energies", T.F32, (n,), R.uniform(0.1, 2.0))
    match p.pick("plain", "weighted", "norm", "clamped", "potential"):
        case "weighted":
            return raw[i] * k.array("weights|masses|gains", T.F32, (n,), R.uniform(0.3, 1.5))[i]
        case "norm":
            return raw[i] + wp.length(
                k.array("vectors|velocities|gradients", T.VEC3, (n,), R.uniform(-1.0, 1.0))[i]
            )
        case "clamped":
            return wp.clamp(raw[i], 0.2, k.param("ceiling|max_value|cap", 1.0, 1.8))
        case "potential":
            return 0.5 * k.param("stiffness|ke|weight", 0.5, 4.0) * raw[i] * raw[i]
    return raw[i]
