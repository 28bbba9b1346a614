"""Threads over voxels: stencils, filling, statistics."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._volume import Volume, volume_argument
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr, Name, literal

Tap = Callable[[tuple[int, ...]], Expr]
_OFFSETS = [(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)]


def _voxel(
    p: ProgramBuilder, k: KernelBuilder, n: int, lists: bool = True
) -> tuple[list[Expr], Expr | None]:
    """This thread's voxel: from a 3-D launch, a flat one, or a list of active voxels; and the flat thread."""
    form = p.weighted({"grid": 5, "flat": 2, "list": 2 if lists else 0})
    cell, thread = _cell(p, k, n, form)
    guard = p.weighted({"none": 7, "mask": 1.2, "range": 1.2})
    if guard == "mask":
        shape = (n, n, n) if thread is None else (k.launch_dim[0],)
        mask = k.array("mask|active_mask|region_mask", p.pick(T.I32, T.U8), shape, R.mask(0.8))
        flag = mask[tuple(cell)] if thread is None else mask[thread]
        with k.when(flag == literal(0, mask.type.dtype)):  # type: ignore[union-attr]
            k.ret()
    elif guard == "range":
        limit = k.arg(
            "active_res|size|extent|n_active", T.I32, R.value("int32", n - p.pick(0, 1, 2))
        )
        with k.when(any_of(*(c >= limit for c in cell))):
            k.ret()
    return cell, thread


def _cell(p: ProgramBuilder, k: KernelBuilder, n: int, form: str) -> tuple[list[Expr], Expr | None]:
    hints = ["i|x|ix", "j|y|iy", "k|z|iz"]
    if form == "grid":
        k.launch_dim = (n, n, n)
        return list(k.unpack(hints, Call("wp.tid", (), (), T.TupleType((T.I32,) * 3)))), None
    thread_count = n * n * n if form == "flat" else p.pick(128, 200, 256)
    k.launch_dim = (thread_count,)
    thread = k.let("tid|v|voxel", wp.tid())
    if form == "flat":
        size = k.count("res|dim_n|n_vox", n) if p.chance(0.6) else n
        i = k.let(hints[0], thread // (size * size))
        j = k.let(hints[1], thread // size % size)
        return [i, j, k.let(hints[2], thread % size)], thread
    cells = k.array(
        "active_voxels|voxels|coords", T.Vec(3, T.I32), (thread_count,), R.integers(0, n)
    )
    c = k.let("c|ijk|coord", cells[thread])
    return [c[0], c[1], c[2]], thread


def _result(
    p: ProgramBuilder,
    k: KernelBuilder,
    n: int,
    cell: list[Expr],
    thread: Expr | None,
    hint: str,
    t: T.Type,
    value: Expr,
) -> None:
    """Stores a value in an array that matches the launch."""
    count = k.launch_dim[0]
    if thread is not None:
        k.set(k.out(hint, t, (count,))[thread], value)
    else:
        k.set(k.out(hint, t, (n, n, n))[tuple(cell)], value)


def stencil(p: ProgramBuilder) -> None:
    """Filters and differences over neighbouring voxels."""
    goals = {
        "blur": "blur_volume|smooth_voxels|box_filter|diffuse_volume",
        "laplacian": "volume_laplacian|diffusion_term|laplace_voxels",
        "gradient": "voxel_gradients|central_differences|volume_gradient",
        "extreme": "dilate_volume|erode_volume|max_filter|local_extrema",
        "divergence": "volume_divergence|velocity_divergence|flux_balance",
        "interface": "boundary_voxels|find_surface_voxels|mark_interface",
        "vorticity": "compute_vorticity|velocity_curl|curl_voxels",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Stencil over the voxels of the volume.", "", "One thread per voxel.")
    )
    value = T.VEC3 if goal in ("divergence", "vorticity") else T.F32
    volume = volume_argument(p, k, value, hint=p.pick("", "src|source_volume|volume_in"))
    n = volume.n
    cell, thread = _voxel(p, k, n)
    i, j, m = cell
    if p.chance(0.3):
        with k.when(any_of(*(c == b for c in cell for b in (0, n - 1)))):
            k.ret()

    def at(o: tuple[int, ...]) -> Expr:
        return volume.lookup(
            *(c + s if s > 0 else c - 1 if s < 0 else c for c, s in zip(cell, o, strict=True))
        )

    match goal:
        case "blur" | "extreme":
            _window(p, k, volume, cell, thread, goal)
        case "laplacian":
            c = k.let("c|here|v0", volume.lookup(i, j, m))
            total = None
            for o in p.shuffled(_OFFSETS):
                total = at(o) if total is None else total + at(o)
            assert total is not None
            lap = k.let("lap|laplacian", total - 6.0 * c)
            if p.chance(0.5):
                _result(p, k, n, cell, thread, "laplacians|lap_out", T.F32, lap)
            else:
                rate = k.param("diffusion|rate|kappa_dt", 0.01, 0.15)
                _result(
                    p, k, n, cell, thread, "updated|values_out|next_values", T.F32, c + lap * rate
                )
        case "gradient":
            _gradient(p, k, n, cell, thread, at)
        case "divergence":
            _divergence(p, k, n, cell, thread, at)
        case "vorticity":
            _vorticity(p, k, n, cell, thread, at)
        case _:
            _interface(p, k, n, cell, thread, at, volume)


def _divergence(
    p: ProgramBuilder, k: KernelBuilder, n: int, cell: list[Expr], thread: Expr | None, at: Tap
) -> None:
    d = [at(o).field(a) for o, a in zip(_OFFSETS, "xxyyzz", strict=True)]
    if p.chance(0.6):
        names = ("xp|u_e", "xm|u_w", "yp|v_n", "ym|v_s", "zp|w_t", "zm|w_b")
        d = [k.let(h, q) for h, q in zip(names, d, strict=True)]
    div = d[0] - d[1] + d[2] - d[3] + d[4] - d[5]
    inv = k.param("half_inv_dx|scale|inv_2dx", 0.5, 5.0)
    if p.chance(0.4):
        div = k.let("div|net_flux", div * inv)
        k.do(wp.atomic_max(k.out("max_divergence|worst", T.F32, (1,)), 0, wp.abs(div)))
        _result(p, k, n, cell, thread, "divergence|div_out|flux_sum", T.F32, div)
    else:
        _result(p, k, n, cell, thread, "divergence|div_out|flux_sum", T.F32, div * inv)


def _vorticity(
    p: ProgramBuilder, k: KernelBuilder, n: int, cell: list[Expr], thread: Expr | None, at: Tap
) -> None:
    inv = k.param("half_inv_dx|scale|inv_2dx", 0.5, 5.0)
    dx, dy, dz = (
        k.let(f"d{w}|du_d{w}", (at(_OFFSETS[2 * a]) - at(_OFFSETS[2 * a + 1])) * inv)
        for a, w in enumerate("xyz")
    )
    w = k.let("w|curl|omega", construct(T.VEC3, dy.z - dz.y, dz.x - dx.z, dx.y - dy.x))
    if p.chance(0.7):
        _result(p, k, n, cell, thread, "vorticity|curl_out", T.VEC3, w)
    if p.chance(0.5):
        _result(p, k, n, cell, thread, "enstrophy|vort_sq", T.F32, 0.5 * wp.dot(w, w))
    else:
        k.do(wp.atomic_add(k.out("total_enstrophy|enstrophy_sum", T.F32, (1,)), 0, wp.dot(w, w)))


def _gradient(
    p: ProgramBuilder, k: KernelBuilder, n: int, cell: list[Expr], thread: Expr | None, at
) -> None:  # type: ignore[no-untyped-def]
    parts = [(at(_OFFSETS[2 * a]) - at(_OFFSETS[2 * a + 1])) * 0.5 for a in range(3)]
    if p.chance(0.5):
        parts = [k.let(f"g{w}|d{w}", d) for w, d in zip("xyz", parts, strict=True)]
    g = k.let("g|grad", construct(T.VEC3, *parts))
    size = wp.length(g)
    match p.pick("vector", "length", "normal", "both"):
        case "vector":
            _result(p, k, n, cell, thread, "gradients|grad_out", T.VEC3, g)
        case "length":
            _result(p, k, n, cell, thread, "grad_mag|edges", T.F32, size)
        case "normal":
            size = k.let("mag|len_g", size)
            _result(
                p,
                k,
                n,
                cell,
                thread,
                "normals|n_out",
                T.VEC3,
                wp.where(size > 1.0e-6, g / wp.max(size, 1.0e-6), construct(T.VEC3)),
            )
        case _:
            _result(p, k, n, cell, thread, "gradients|grad_out", T.VEC3, g)
            k.do(wp.atomic_max(k.out("max_slope|steepest", T.F32, (1,)), 0, size))


def _window(
    p: ProgramBuilder,
    k: KernelBuilder,
    volume: Volume,
    cell: list[Expr],
    thread: Expr | None,
    goal: str,
) -> None:
    i, j, m = cell
    reach = p.pick(1, 1, 2)
    radius = k.count("radius|half_width|reach", reach) if p.chance(0.5) else reach
    first = volume.lookup(i, j, m) if goal == "extreme" else 0.0
    total = k.var("acc|total|best", first)
    weights = k.var("w_sum|norm|count", 0.0) if goal == "blur" else None
    gauss = p.chance(0.4)
    larger = p.chance(0.5)
    with (
        k.loop("dx|a|di", -radius, radius + 1) as a,
        k.loop("dy|b|dj", -radius, radius + 1) as b,
        k.loop("dz|c|dk", -radius, radius + 1) as c,
    ):
        v = volume.lookup(i + a, j + b, m + c)
        if weights is None:
            k.set(total, wp.max(total, v) if larger else wp.min(total, v))
        elif gauss:
            d2 = k.let("d2|r2", construct(T.F32, a * a + b * b + c * c))
            w = k.let("w|weight|g", wp.exp(-d2 * k.param("inv_sigma|falloff|sharpness", 0.2, 2.0)))
            k.aug(total, "+", v * w)
            k.aug(weights, "+", w)
        else:
            k.aug(total, "+", v)
            k.aug(weights, "+", 1.0)
    value = total if weights is None else total / weights
    _result(p, k, volume.n, cell, thread, "filtered|smoothed|values_out|result", T.F32, value)


def _interface(
    p: ProgramBuilder,
    k: KernelBuilder,
    n: int,
    cell: list[Expr],
    thread: Expr | None,
    at,
    volume: Volume,
) -> None:  # type: ignore[no-untyped-def]
    here = k.let("here|c|v0", volume.lookup(*cell))
    iso = k.param("iso|level|threshold", 0.05, 0.3) if p.chance(0.5) else None
    inside = here < iso if iso is not None else here < 0.0
    with k.when(
        inside if p.chance(0.5) else any_of(here < (iso if iso is not None else 0.0), here == 0.0)
    ):
        exposed = k.var("exposed|open_faces|count", 0)
        for o in _OFFSETS[:: p.pick(1, 2)]:
            with k.when(at(o) >= (iso if iso is not None else 0.0)):
                k.aug(exposed, "+", 1)
        _result(p, k, n, cell, thread, "exposed_faces|surface_mask|boundary", T.I32, exposed)
        if p.chance(0.6):
            with k.when(exposed > 0):
                k.do(
                    wp.atomic_add(
                        k.out("surface_voxels|num_boundary|area_count", T.I32, (1,)), 0, 1
                    )
                )


# --- filling --------------------------------------------------------------------------------------


def _world(p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr]) -> Name:
    index = construct(T.VEC3, *(construct(T.F32, c) for c in cell))
    return k.let("x|pos|world", wp.volume_index_to_world(volume.id, index))


# --- statistics -----------------------------------------------------------------------------------
