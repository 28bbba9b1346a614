"""Tiles made of per-thread values: intents of tile_programs."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Tiling
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def strided(p: ProgramBuilder) -> None:
    """Each thread of the block walks over the items with the block's stride; then one block reduction."""
    k = p.kernel_builder(
        "block_reduce|reduce_per_env|env_energy|world_norms|block_sum|accumulate_cost|line_search_cost",
        p.pick(
            "Strided loop over the items, then a block-wide reduction.",
            "One block per world; threads share its items.",
            "Per-environment reduction.",
        ),
    )
    t = Tiling(p, k)
    worlds, n = p.pick(3, 4, 6), p.pick(20, 33, 48, 64)
    world = t.launch(["world|env|worldid|w|problem"], (worlds,), lane=True, guarded=False)[0]
    lane = t.lane
    assert lane is not None
    if p.chance(0.3):
        done = k.array("done|converged|finished", T.I32, (worlds,), R.mask(0.3))
        with k.when(done[world] != 0 if p.chance(0.5) else done[world] == 1):
            k.ret()
    x = k.array("values|x|residuals|forces", p.real, (worlds, n), R.uniform(-1.0, 1.0))
    count: Operand
    match p.pick("shape", "arg", "per_world"):
        case "shape":
            count = x.dim(1)
        case "arg":
            count = k.scalar("num_items|n|count", T.I32, n)
        case _:
            count = k.array("counts|num_rows|lengths", T.I32, (worlds,), R.integers(1, n + 1))[
                world
            ]
    stride: Expr = (
        wp.block_dim() if p.chance(0.6) else k.let("stride|num_threads|bdim", wp.block_dim())
    )
    kinds = p.sample(["cost", "norm", "peak", "hits", "low"], 1, 3)
    acc = {
        kind: k.var(
            {
                "cost": "cost|local_cost|partial",
                "norm": "sq|norm_sq|local_sq",
                "peak": "peak|local_max|hi",
                "hits": "hits|local_count|inside",
                "low": "low|local_min|lo",
            }[kind],
            {"peak": -1.0e6, "low": 1.0e6}.get(kind, 0.0) if kind != "hits" else 0,
            p.real if kind != "hits" else T.I32,
        )
        for kind in kinds
    }
    with k.loop("j|item|e", lane, count, stride) as j:
        v = k.let("v|r|value", _item_value(p, k, x[world, j], world, j, (worlds, n)))
        if p.chance(0.3):
            mask = k.array("mask|valid|active_items", T.I32, (worlds, n), R.mask(0.8))
            with k.when(mask[world, j] == 0):
                k.cont()
        for kind, a in acc.items():
            _accumulate(p, k, kind, a, v)
    k.step(p.pick("combine the lanes", "block reduction", ""))
    results = {kind: _block_result(p, k, t, kind, a) for kind, a in acc.items()}
    _write(p, k, lane, world, worlds, results)


def _item_value(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, world: Expr, j: Expr, shape: tuple[int, int]
) -> Expr:
    match p.pick("plain", "weighted", "difference", "piece", "quadratic"):
        case "weighted":
            return x * _weight(p, k, world, j, shape)
        case "difference":
            return x - k.array("targets|reference|y", p.real, shape, R.uniform(-1.0, 1.0))[world, j]
        case "piece":
            limit = k.param("delta|threshold|limit", 0.2, 0.8)
            form = p.pick("huber", "hinge", "dead_zone")

            def body(b: Any, v: Expr, d: Expr) -> Expr:
                if form == "hinge":
                    return wp.max(d - v, 0.0)
                a = b.let("a|mag", wp.abs(v))
                if form == "huber":
                    return wp.where(a <= d, 0.5 * v * v, d * (a - 0.5 * d))
                return wp.max(a - d, 0.0)

            return piece(
                p,
                k,
                f"{form}_cost|{form}_penalty|{form}",
                {"v|r|x": x, "d|limit": limit},
                body,
                probability=0.7,
            )
        case "quadratic":
            s = k.param("stiffness|weight|gain", 0.5, 4.0)
            return 0.5 * s * x * x
    return x


def _weight(
    p: ProgramBuilder, k: KernelBuilder, world: Expr, j: Expr, shape: tuple[int, int]
) -> Expr:
    if p.chance(0.5):
        return k.array("weights|w|scales", p.real, shape, R.uniform(0.2, 1.5))[world, j]
    return k.array("weights|w|scales", p.real, (shape[1],), R.uniform(0.2, 1.5))[j]


def _accumulate(p: ProgramBuilder, k: KernelBuilder, kind: str, a: Expr, v: Expr) -> None:
    match kind:
        case "cost":
            k.aug(a, "+", v)
        case "norm":
            k.aug(a, "+", v * v)
        case "peak":
            k.set(a, wp.max(a, wp.abs(v) if p.chance(0.5) else v))
        case "low":
            k.set(a, wp.min(a, v))
        case _:
            with k.when(v > k.param("threshold|cutoff|tol", 0.1, 0.6)):
                k.aug(a, "+", 1)


def _block_result(p: ProgramBuilder, k: KernelBuilder, t: Tiling, kind: str, a: Expr) -> Expr:
    lanes = tile("tile", T.Tile(a.type, (k.block_dim or 64,)), a)
    if p.chance(0.4):
        lanes = k.let(f"{kind}_tile|{kind}_lanes", lanes)
    if kind in ("peak", "low"):
        one = (
            t.total("tile_max" if kind == "peak" else "tile_min", lanes)
            if p.chance(0.6)
            else t.reduce("max" if kind == "peak" else "min", lanes)
        )
    else:
        one = t.total("tile_sum", lanes) if p.chance(0.75) else t.reduce("add", lanes)
    return k.let(f"{kind}_total|block_{kind}|{kind}_all", one)


def _write(
    p: ProgramBuilder,
    k: KernelBuilder,
    lane: Expr,
    world: Expr,
    worlds: int,
    results: dict[str, Expr],
) -> None:
    names = {
        "cost": "costs|totals|energy",
        "norm": "norms|sq_norms|residual_norms",
        "peak": "maxima|peaks|largest",
        "hits": "hit_counts|num_active|inside_counts",
        "low": "minima|lowest|smallest",
    }
    outs = {kind: k.out(names[kind], r.type.dtype, (worlds,)) for kind, r in results.items()}  # type: ignore[union-attr]
    value = {
        kind: wp.sqrt(r[0]) if kind == "norm" and p.chance(0.5) else r[0]
        for kind, r in results.items()
    }
    flag = (
        k.out("converged_out|done_out|below_tol", T.I32, (worlds,))
        if "norm" in results and p.chance(0.4)
        else None
    )
    with k.when(lane == 0):
        for kind, out in outs.items():
            k.set(out[world], value[kind])
        if flag is not None:
            k.set(
                flag[world],
                wp.where(results["norm"][0] < k.param("tol_sq|tolerance|stop_tol", 0.5, 8.0), 1, 0),
            )


def lanes(p: ProgramBuilder) -> None:
    """A plain launch whose threads pool their values in tiles: block partial sums into global totals."""
    k = p.kernel_builder(
        "sum_forces|total_momentum|block_partials|bounding_box|global_energy|center_of_mass",
        p.pick(
            "Threads pool their values before touching global memory.",
            "Block-wide partial results, one atomic per block.",
            "Whole-array reduction.",
        ),
    )
    t = Tiling(p, k)
    block, blocks = p.pick(32, 64), p.pick(2, 3, 4)
    k.block_dim, k.tiled, k.launch_dim = block, False, (block * blocks,)
    i = k.let("i|tid|idx", wp.tid())
    n = block * blocks
    width = p.pick(2, 3, 3)
    x = k.var(
        "x|pos|xi", k.array("positions|x_in|points", p.vec(width), (n,), R.uniform(-2.0, 2.0))[i]
    )
    match p.pick("none", "none", "offset", "advance", "masked"):
        case "offset":
            k.aug(x, "-", k.quantity("origin|center|pivot", p.vec(width), [0.1, -0.2, 0.3][:width]))
        case "advance":
            k.aug(
                x,
                "+",
                k.array("velocities|v|step_dir", p.vec(width), (n,), R.uniform(-1.0, 1.0))[i]
                * k.param("dt|h", 0.01, 0.1),
            )
        case "masked":
            with k.when(k.array("mask|valid|alive", T.I32, (n,), R.mask(0.8))[i] == 0):
                k.set(x, construct(p.vec(width), 0.0))
    k._lane_x = x  # type: ignore[attr-defined]
    for what in p.shuffled(p.sample(["vector", "energy", "outer", "box", "scan"], 1, 4)):
        _lane_total(p, k, t, what, i, n, block, width)


def _lane_total(
    p: ProgramBuilder,
    k: KernelBuilder,
    t: Tiling,
    what: str,
    i: Expr,
    n: int,
    block: int,
    width: int,
) -> None:
    x: Expr = k._lane_x  # type: ignore[attr-defined]
    lanes = lambda value, dtype: tile("tile", T.Tile(dtype, (block,)), value)  # noqa: E731
    whole = lambda value: tile("tile", T.Tile(value.type, (block,)), value, preserve_type=True)  # noqa: E731
    match what:
        case "vector":
            m = k.array("masses|weights|m_in", p.real, (n,), R.uniform(0.5, 2.0))[i]
            value = x * m if p.chance(0.7) else x
            t.atomic(
                k.out("weighted_sum|momentum|first_moment", p.vec(width), (1,)),
                t.total("tile_sum", whole(value)),
            )
        case "energy":
            e = (
                0.5 * k.param("stiffness|k_spring|ke", 0.5, 5.0) * wp.dot(x, x)
                if p.chance(0.5)
                else wp.length_sq(x)
            )
            t.atomic(
                k.out("energy|total|sum_sq", p.real, (1,)), t.total("tile_sum", lanes(e, p.real))
            )
        case "outer":
            s = k.let("second|outer_tile|moments", whole(k.let("outer|xx|cov", wp.outer(x, x))))
            t.atomic(
                k.out("second_moment|covariance_sum|inertia", p.mat(width), (1,)),
                t.total("tile_sum", s),
            )
        case "box":
            for side, op in p.sample((("upper", "max"), ("lower", "min")), 1, 2):
                out = k.array(
                    f"{side}|box_{side}|{side}_corner",
                    p.real,
                    (1,),
                    R.constant(-1.0e3 if op == "max" else 1.0e3),
                    "inout",
                )
                best = k.let(
                    f"{op}_x|block_{op}|{side}_x",
                    t.total(f"tile_{op}", lanes(p.pick(x.x, x.y, wp.length(x)), p.real)),
                )
                if p.chance(0.5):
                    with k.when(i % wp.block_dim() == 0):
                        k.do(getattr(wp, f"atomic_{op}")(out, 0, best[0]))
                else:
                    k.do(getattr(wp, f"atomic_{op}")(out, 0, best[0]))
        case _:
            inside = k.let(
                "inside|keep|flag",
                wp.where(wp.length(x) < k.param("radius|cutoff|reach", 1.0, 2.5), 1, 0),
            )
            t.atomic(
                k.out("num_inside|count|kept", T.I32, (1,)),
                t.total("tile_sum", lanes(inside, T.I32)),
            )
