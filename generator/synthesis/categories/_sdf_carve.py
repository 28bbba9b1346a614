"""Fields built from measurements and tools: carving, depth fusion, silhouettes, polygons, surface nets."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rays import num
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Call, Expr, Name

_AXES3 = "i|x|ix j|y|iy k|z|iz"


def _cell_centre(p: ProgramBuilder, k: KernelBuilder, g: Grid, size: Expr) -> Name:
    coords = [construct(p.real, i) for i in g.index]
    half = p.pick(0.5, None)
    local = construct(p.vec(), *(c + half if half else c for c in coords)) * size
    if p.chance(0.6):
        local = k.quantity("origin|lower|volume_min", p.vec(), [-1.2, -1.2, -1.2]) + local
    return k.let("x|center|world_pos|pt", local)


def _segment(p: ProgramBuilder) -> UserFunction:
    """Distance from a point to a segment."""

    def body(b: Block, x: Expr, a: Expr, c: Expr) -> None:
        ab, ap = b.let("ab|axis|d", c - a), b.let("ap|rel|r", x - a)
        t = b.let("t|h|u", wp.clamp(wp.dot(ap, ab) / wp.max(wp.dot(ab, ab), 1.0e-8), 0.0, 1.0))
        b.ret(wp.length(ap - ab * t))

    v = p.vec()
    return p.func(
        "segment_distance|dist_to_segment|sweep_distance",
        {"x|pt": v, "a|start": v, "b|end_pt": v},
        body,
    )


def tool(p: ProgramBuilder) -> None:
    """Material removed along a tool path."""
    k = p.kernel_builder(
        "carve_toolpath|subtract_tool|mill_step|cut_material|sweep_tool|remove_material|drill_cells",
        p.pick("Subtract the swept tool from the stock.", "Voxel carving along a tool path.", ""),
    )
    g = Grid(k, _AXES3, boundary="clamp")
    size = k.param("voxel_size|dx|cell_size", 0.15, 0.35)
    x = _cell_centre(p, k, g, size)
    stock = g.inout("stock|phi|material|sdf", p.real, R.uniform(-0.6, 0.2))
    radius = k.param("tool_radius|cutter_radius|radius", 0.2, 0.6)
    one = p.chance(0.4)
    f = _segment(p)
    if one:
        a, b = (
            k.quantity("tool_start|p0|seg_a", p.vec(), [-0.8, 0.1, 0.0]),
            k.quantity("tool_end|p1|seg_b", p.vec(), [0.9, 0.2, 0.1]),
        )
        d = k.let("d|dist|tool_d", f(x, a, b) - radius)
    else:
        count = p.pick(4, 6, 8)
        path = k.array("tool_path|waypoints|path_points", p.vec(), (count,), R.uniform(-1.0, 1.0))
        d = k.var("d|dist|tool_d", 100.0, p.real)
        with k.loop("s|seg|j", path.dim(0) - 1 if p.chance(0.6) else count - 1) as s:
            k.set(d, wp.min(d, f(x, path[s], path[s + 1]) - radius))
    before = k.let("before|old|solid_d", stock.own)
    after = k.let("after|new|cut_d", wp.max(before, -d))
    stock.store(after)
    for what in p.sample(["removed", "touched", "wear", "early"], 0, 2):
        if what == "removed":
            with k.when(all_of(before < 0.0, after >= 0.0)):
                k.do(
                    wp.atomic_add(
                        k.out("removed_volume|chip_volume|volume_removed", p.real, (1,)),
                        0,
                        size * size * size,
                    )
                )
        elif what == "touched":
            g.out("touched|cut_mask|changed", T.I32).store(
                choose(after > before, 1, 0) if p.chance(0.5) else wp.where(after != before, 1, 0)
            )
        elif what == "wear":
            with k.when(d < 0.0):
                k.do(
                    wp.atomic_max(
                        k.out("max_engagement|depth_of_cut|peak_load", p.real, (1,)), 0, -d
                    )
                )


def fuse(p: ProgramBuilder) -> None:
    """A depth image integrated into a truncated distance volume."""
    k = p.kernel_builder(
        "integrate_tsdf|fuse_depth|tsdf_update|update_volume|integrate_depth_map|depth_fusion",
        p.pick(
            "Integrate one depth frame into the volume.",
            "Weighted running average of truncated distances.",
            "",
        ),
    )
    g = Grid(k, _AXES3, boundary="clamp")
    size = k.param("voxel_size|cell_size|dx", 0.15, 0.3)
    x = _cell_centre(p, k, g, size)
    rows, cols = p.pick((16, 20), (24, 32), (20, 20))
    depth = k.array("depth|depth_map|depth_image", p.real, (rows, cols), R.uniform(-0.3, 4.0))
    if p.chance(0.5):
        pose = k.quantity(
            "world_to_cam|extrinsics|view", p.transform, [0.0, 0.0, 2.5, 0.0, 0.0, 0.0, 1.0]
        )
        c = k.let("c|x_cam|pc", wp.transform_point(pose, x))
    else:
        rot = k.quantity(
            "R_cw|rot|view_rot", p.mat(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        )
        c = k.let("c|x_cam|pc", rot * x + k.quantity("t_cw|translation", p.vec(), [0.0, 0.0, 2.5]))
    with k.when(c.z <= p.pick(0.0, 0.01, 0.1)):
        k.ret()
    u, v = _project(p, k, c)
    with k.when(any_of(u < 0, u >= depth.dim(1), v < 0, v >= depth.dim(0))):
        k.ret()
    z = k.let("z|measured|d_obs", depth[v, u])
    with k.when(z <= 0.0):
        k.ret()
    _update(p, k, g, c, z)


def _project(p: ProgramBuilder, k: KernelBuilder, c: Expr) -> tuple[Name, Name]:
    f, cx, cy = (
        k.param("focal|fx|f", 12.0, 25.0),
        k.param("cx|ppx", 8.0, 14.0),
        k.param("cy|ppy", 8.0, 12.0),
    )
    fy = k.param("fy|focal_y", 12.0, 25.0) if p.chance(0.4) else f
    words = p.pick(("u", "v"), ("col", "row"), ("px", "py"))

    def pixel(value: Expr) -> Expr:
        return cast(T.I32, wp.floor(value + 0.5)) if p.chance(0.5) else cast(T.I32, wp.round(value))

    return k.let(words[0], pixel(f * c.x / c.z + cx)), k.let(words[1], pixel(fy * c.y / c.z + cy))


def _update(p: ProgramBuilder, k: KernelBuilder, g: Grid, c: Expr, z: Expr) -> None:
    trunc = k.param("truncation|trunc|mu", 0.1, 0.6)
    gap = z - wp.length(c) if p.chance(0.25) else z - c.z
    gap = k.let("sdf|gap|diff", gap)
    with k.when(gap < -trunc):
        k.ret()
    value = k.let(
        "tsdf_new|val|t",
        wp.min(gap / trunc, 1.0) if p.chance(0.6) else wp.clamp(gap / trunc, -1.0, 1.0),
    )
    tsdf, weight = (
        g.inout("tsdf|volume|sdf_vol", p.real, R.uniform(-1.0, 1.0)),
        g.inout("weights|weight_vol|w_vol", p.real, R.uniform(0.0, 4.0)),
    )
    w_old = k.let("w_old|w0", weight.own)
    w_new: Expr = num(p, 1.0)
    match p.pick("one", "depth", "param"):
        case "depth":
            w_new = k.let("w_obs|w1", 1.0 / wp.max(z * z, 0.1))
        case "param":
            w_new = k.param("obs_weight|frame_weight|w_frame", 0.2, 2.0)
        case _:
            pass
    total = k.let("w_sum|total_w", w_old + w_new)
    tsdf.store((tsdf.own * w_old + value * w_new) / total)
    weight.store(
        wp.min(total, k.param("max_weight|weight_cap", 8.0, 64.0)) if p.chance(0.6) else total
    )
    if p.chance(0.4):
        rgb = g.inout("colors|color_vol|rgb_vol", p.vec(), R.uniform(0.0, 1.0))
        seen = k.quantity("frame_color|observed_rgb", p.vec(), [0.5, 0.4, 0.3])
        rgb.store((rgb.own * w_old + seen * w_new) / total)
    if p.chance(0.3):
        k.do(wp.atomic_add(k.out("updated|num_updated|touched", T.I32, (1,)), 0, 1))


def silhouettes(p: ProgramBuilder) -> None:
    """Cells kept where every view's silhouette covers them."""
    k = p.kernel_builder(
        "visual_hull|carve_silhouettes|space_carving|shape_from_silhouette|carve_views",
        p.pick(
            "Carve cells that fall outside any silhouette.", "Visual hull from binary masks.", ""
        ),
    )
    g = Grid(k, _AXES3, boundary="clamp")
    x = _cell_centre(p, k, g, k.param("voxel_size|cell_size|dx", 0.15, 0.3))
    views, rows, cols = p.pick(3, 4, 6), 16, p.pick(16, 20)
    dtype = p.pick(T.U8, T.I32)
    masks = k.array("masks|silhouettes|views", dtype, (views, rows, cols), R.mask(0.85))
    mats = (
        k.array("projections|cameras|P_mats", p.mat(3, 4), (views,), R.uniform(0.2, 1.0))
        if p.chance(0.4)
        else None
    )
    poses = (
        k.array("view_tfs|extrinsics|world_to_cam", p.transform, (views,), R.rigid(-0.2, 0.2))
        if mats is None
        else None
    )
    votes = k.var("votes|hits|inside", 0)
    strict = p.chance(0.5)
    alive = k.var("keep|alive|occupied", 1) if strict else None
    focal = k.param("focal|f|fx", 8.0, 16.0) if mats is None else None
    with k.loop("view|m|cam", views if p.chance(0.4) else masks.dim(0)) as m:
        if mats is not None:
            h = k.let("h|proj|ph", mats[m] * construct(p.vec(4), x.x, x.y, x.z, 1.0))
            with k.when(h.z <= 1.0e-6):
                k.cont()
            u, v = (
                k.let("u|col", cast(T.I32, h.x / h.z * 8.0)),
                k.let("v|row", cast(T.I32, h.y / h.z * 8.0)),
            )
        else:
            assert poses is not None
            assert focal is not None
            c = k.let("c|x_cam", wp.transform_point(poses[m], x))
            z = k.let("z|depth_c", c.z + k.param("camera_distance|stand_off", 3.0, 4.0))
            u, v = (
                k.let("u|col", cast(T.I32, c.x / z * focal + 8.0)),
                k.let("v|row", cast(T.I32, c.y / z * focal + 8.0)),
            )
        seen = all_of(u >= 0, u < masks.dim(2), v >= 0, v < masks.dim(1))
        zero = construct(T.U8, 0) if dtype == T.U8 else 0
        with k.when(seen):
            if strict and alive is not None:
                with k.when(masks[m, v, u] == zero):
                    k.set(alive, 0)
                    k.brk()
                k.aug(votes, "+", 1)
            else:
                with k.when(masks[m, v, u] != zero):
                    k.aug(votes, "+", 1)
    if alive is not None:
        g.out("occupancy|hull|solid", T.I32).store(alive)
        g.out("view_count|support|num_views", T.I32).store(votes)
    else:
        g.out("consensus|occupancy|vote_share", p.real).store(
            construct(p.real, votes) / construct(p.real, masks.dim(0))
        )


# --- planar polygons and point sets ---------------------------------------------------------------


# --- surface extraction ---------------------------------------------------------------------------


def nets(p: ProgramBuilder) -> None:
    """Surface-net vertices: the mean of a cell's edge crossings."""
    k = p.kernel_builder(
        "surface_nets|dual_vertices|cell_vertices|net_vertices|extract_vertices|place_dual_points",
        p.pick(
            "One vertex per cell that the surface crosses.",
            "Surface nets: average of the edge crossings.",
            "",
        ),
    )
    n = p.pick(8, 9, 10)
    phi = k.array("phi|sdf|field", p.real, (n, n, n), R.uniform(-0.6, 0.6))
    k.launch_dim = (n - 1, n - 1, n - 1)
    i, j, m = k.unpack(
        ["i|x|cx", "j|y|cy", "k|z|cz"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32, T.I32)))
    )
    values = [
        k.let(
            f"v{a}{b}{c}|d{a}{b}{c}", phi[i + a if a else i, j + b if b else j, m + c if c else m]
        )
        for a in (0, 1)
        for b in (0, 1)
        for c in (0, 1)
    ]
    total = k.var("total|accum|p_sum", construct(p.vec(), 0.0))
    count = k.var("count|crossings|n_edges", 0)
    crossing = p.func(
        "edge_param|zero_crossing|edge_root",
        {"a|da": p.real, "b|db": p.real},
        lambda b, a, c: b.ret(a / (a - c)),
    )
    axes = p.shuffled([0, 1, 2])
    planar = p.chance(0.35)
    for axis in axes:
        _edges(p, k, axis, values, total, count, crossing, planar)
    with k.when(count == 0):
        k.ret()
    dx = k.param("dx|cell_size|voxel_size", 0.1, 0.4)
    base = construct(p.vec(), construct(p.real, i), construct(p.real, j), construct(p.real, m))
    vertex = k.let("vertex|pos|v_out", (base + total / construct(p.real, count)) * dx)
    shape = (n - 1, n - 1, n - 1)
    k.set(k.out("vertices|cell_points|net_points", p.vec(), shape)[i, j, m], vertex)
    if p.chance(0.6):
        k.set(k.out("active|has_vertex|cell_mask", T.I32, shape)[i, j, m], 1)
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("vertex_count|num_vertices", T.I32, (1,)), 0, 1))


def _edges(
    p: ProgramBuilder,
    k: KernelBuilder,
    axis: int,
    values: list[Name],
    total: Name,
    count: Name,
    crossing: UserFunction,
    planar: bool,
) -> None:
    others = [a for a in range(3) if a != axis]
    for s in (0, 1):
        for t in (0, 1):
            if planar and s != t:
                continue
            low = [0, 0, 0]
            low[others[0]], low[others[1]] = s, t
            high = list(low)
            high[axis] = 1
            a, b = (values[q[0] * 4 + q[1] * 2 + q[2]] for q in (low, high))
            with k.when(a * b < 0.0 if p.on("helper_function") else (a < 0.0) != (b < 0.0)):
                point: list[Expr | float] = [float(c) for c in low]
                point[axis] = crossing(a, b)
                k.aug(total, "+", construct(p.vec(), *point))
                k.aug(count, "+", 1)
