"""Tilings with random variation, for the random-field category."""

from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rf_hash import lattice_hash, mixer, unit_float
from generator.synthesis.categories._rf_noise import coordinates, noise_state
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, any_of, choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def tiles(p: ProgramBuilder) -> None:
    """Bricks, planks, hexagons, weaves and polka dots with a random value per tile."""
    form = p.pick("bricks", "planks", "hexagons", "weave", "dots", "checker")
    k = p.kernel_builder(
        f"{form}_texture|tile_pattern|fill_{form}|procedural_tiles|bake_{form}|{form}_height",
        p.pick(
            "Tiled pattern with a random shade per tile.",
            f"Procedural {form}.",
            "Height and shade of a regular tiling.",
            "",
        ),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    x = coordinates(p, k, g)
    if p.chance(0.45):
        state, amount = noise_state(p, k), k.param("distortion|wobble|warp", 0.02, 0.3)
        shift = construct(
            T.VEC2,
            *[
                wp.noise(state, x * s + construct(T.VEC2, o, o))
                for s, o in ((1.7, 0.0), (1.7, 11.3))
            ],
        )
        x = k.let("warped|q|uv_w", x + shift * amount)
    gap = k.param("mortar|gap|joint", 0.03, 0.15)
    cell, inside, local = _LAYOUTS[form](p, k, x, gap)
    shade = _shade(p, k, cell)
    value = k.var("value|shade_out|v", shade)
    _compose(p, k, value, inside, local, gap)
    g.out("albedo|texture|pattern", T.F32).store(value)
    if p.chance(0.45):
        depth = k.param("depth|groove_depth|bump", 0.01, 0.2)
        height = (
            choose(inside, depth, 0.0)
            if p.chance(0.5)
            else depth * wp.smoothstep(0.0, 1.0, _edge(local) / gap)
        )
        g.out("height_out|bump_map|displacement", T.F32).store(height)
    if p.chance(0.3):
        g.out("tile_ids|cell_index|ids", T.I32).store(cell[1] * 1024 + cell[0])
    if p.chance(0.25):
        joints = k.out("joint_pixels|mortar_count|edge_count", T.I32, (1,))
        with k.when(negate(inside)):
            k.do(wp.atomic_add(joints, 0, 1))


def _edge(local: Expr) -> Expr:
    return wp.min(wp.min(local.x, 1.0 - local.x), wp.min(local.y, 1.0 - local.y))


def _inside(p: ProgramBuilder, k: KernelBuilder, local: Expr, gap: Expr) -> Name:
    if p.chance(0.5):
        return k.let("inside|on_tile|is_tile", _edge(local) > gap)
    tests = all_of(local.x > gap, local.x < 1.0 - gap, local.y > gap, local.y < 1.0 - gap)
    return k.let("inside|on_tile|is_tile", tests)


def _cell(k: KernelBuilder, x: Expr, y: Expr) -> tuple[tuple[Name, Name], Name]:
    cx, cy = (
        k.let("cx|tile_x|tx", cast(T.I32, wp.floor(x))),
        k.let("cy|tile_y|ty", cast(T.I32, wp.floor(y))),
    )
    return (cx, cy), k.let("local|f|st", construct(T.VEC2, x - wp.floor(x), y - wp.floor(y)))


def _bricks(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    aspect = k.param("aspect|brick_aspect|ratio", 1.5, 3.0)
    u = k.var("u|bx", x.x / aspect)
    row = k.let("course|course_row|layer", cast(T.I32, wp.floor(x.y)))
    if p.chance(0.5):
        with k.when(row % 2 == 0):
            k.aug(u, "+", 0.5)
    else:
        k.aug(u, "+", k.param("stagger|row_shift", 0.25, 0.6) * cast(T.F32, row % p.pick(2, 3)))
    cell, local = _cell(k, u, x.y)
    return cell, _inside(p, k, local, gap), local


def _planks(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    length = k.param("plank_length|board_length", 2.0, 6.0)
    board = k.let("board|strip", wp.floor(x.x))
    offset = k.let("shift|offset", wp.sin(board * p.pick(12.9898, 78.233)) * length)
    cell, local = _cell(k, x.x, (x.y + offset) / length)
    return cell, _inside(p, k, local, gap), local


def _hexagons(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    q = k.let("q|axial_q", 0.57735027 * x.x - x.y / 3.0)
    r = k.let("r|axial_r", 0.66666667 * x.y)
    rq, rr = k.var("rq|hex_q", wp.round(q)), k.var("rr|hex_r", wp.round(r))
    rs = k.let("rs|hex_s", wp.round(-q - r))
    dq, dr, ds = (
        k.let(h, wp.abs(a - b)) for h, a, b in (("dq", rq, q), ("dr", rr, r), ("ds", rs, -q - r))
    )
    with k.when(all_of(dq > dr, dq > ds)):
        k.set(rq, -rr - rs)
    with k.elsewhen(dr > ds):
        k.set(rr, -rq - rs)
    local = k.let("local|f|st", construct(T.VEC2, q - rq + 0.5, r - rr + 0.5))
    distance = wp.max(wp.abs(q - rq), wp.max(wp.abs(r - rr), wp.abs(q - rq + r - rr)))
    inside = k.let("inside|on_tile|is_tile", distance < 0.5 - gap)
    return (k.let("cx|tile_q", cast(T.I32, rq)), k.let("cy|tile_r", cast(T.I32, rr))), inside, local


def _weave(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    cell, local = _cell(k, x.x, x.y)
    over = (cell[0] + cell[1]) % 2 == 0
    across = k.let("across|warp_dist|d", choose(over, wp.abs(local.x - 0.5), wp.abs(local.y - 0.5)))
    return cell, k.let("inside|on_thread|is_tile", across < 0.5 - gap), local


def _dots(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    cell, local = _cell(k, x.x, x.y)
    radius = k.param("dot_radius|radius", 0.2, 0.45)
    centre = construct(T.VEC2, 0.5, 0.5)
    return cell, k.let("inside|in_dot|is_tile", wp.length(local - centre) < radius - gap), local


def _checker(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, gap: Expr
) -> tuple[tuple[Expr, Expr], Expr, Expr]:
    cell, local = _cell(k, x.x, x.y)
    dark = (cell[0] + cell[1]) % 2 != 0 if p.chance(0.6) else ((cell[0] ^ cell[1]) & 1) == 1
    return cell, k.let("inside|is_dark|is_tile", any_of(dark, _edge(local) < gap)), local


_LAYOUTS = {
    "bricks": _bricks,
    "planks": _planks,
    "hexagons": _hexagons,
    "weave": _weave,
    "dots": _dots,
    "checker": _checker,
}


def _shade(p: ProgramBuilder, k: KernelBuilder, cell: tuple[Expr, Expr]) -> Expr:
    base, spread = (
        k.param("base_shade|albedo0|base", 0.3, 0.7),
        k.param("shade_variation|variation|spread", 0.05, 0.3),
    )
    if p.chance(0.5):
        tile_rng = k.let(
            "tile_rng|cell_rng",
            wp.rand_init(_seed(p, k), cell[1] * p.pick(57, 131, 1024) + cell[0]),
        )
        return base + spread * wp.randf(tile_rng, -1.0, 1.0)
    hash_cell: UserFunction = lattice_hash(p, 2, mixer(p))
    unit = unit_float(p)
    return base + spread * (2.0 * unit(hash_cell(cell[0], cell[1], _seed(p, k))) - 1.0)


def _seed(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    return k.scalar("tile_seed|seed|variation_seed", T.I32, p.pick(3, 11, 77))


def _compose(
    p: ProgramBuilder, k: KernelBuilder, value: Name, inside: Expr, local: Expr, gap: Expr
) -> None:
    ground = k.param("mortar_shade|grout|background", 0.05, 0.3)
    match p.pick("if", "ternary", "blend"):
        case "if":
            with k.when(negate(inside)):
                k.set(value, ground)
        case "ternary":
            k.set(value, choose(inside, value, ground))
        case "blend":

            def soft(b: Block, f: Expr, w: Expr) -> None:
                edge = b.let("edge|d", wp.min(wp.min(f.x, 1.0 - f.x), wp.min(f.y, 1.0 - f.y)))
                b.ret(wp.smoothstep(0.5 * w, 1.5 * w, edge))

            mask = p.func(
                "edge_mask|joint_mask|soft_edge", {"local|f": T.VEC2, "w|width": T.F32}, soft
            )
            k.set(value, wp.lerp(ground, value, mask(local, gap)))
    if p.chance(0.35):
        dirt = k.param("dirt|wear|stain", 0.05, 0.4)
        k.aug(value, "*", 1.0 - dirt * wp.abs(wp.sin(3.0 * local.x + 5.0 * local.y)))
