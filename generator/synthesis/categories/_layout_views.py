"""Parts of arrays and vectors: slices, windows, subsets reached through indices."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._layout_parts import items
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def packed_state(p: ProgramBuilder) -> None:
    """State vectors that hold position, velocity and a few scalars one after the other."""
    k = p.kernel_builder(
        "advance_states|unpack_states|predict_states|update_packed|propagate",
        p.pick("State vector: position, velocity, extras.", "Advance packed states.", ""),
    )
    e = items(p, k)
    half, extra = p.pick(2, 3, 3), p.pick(0, 1, 1, 2)
    t = T.Vec(2 * half + extra, p.real)
    states = e.field("states|x|state_vectors|packed", t, R.uniform(-1.0, 1.0))
    s = k.let("s|state|x_i|v", states.own)
    position = s[0:half]
    velocity = s[half : 2 * half] if extra or p.chance(0.5) else s[-half:]
    if not extra and velocity.type != T.Vec(half, p.real):
        velocity = s[half : 2 * half]
    position, velocity = k.let("pos|p|xyz", position), k.let("vel|v|rate", velocity)
    p.pick(_advance_packed, _advance_packed, _summarise)(p, k, e, s, position, velocity)


def _advance_packed(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, s: Name, position: Expr, velocity: Expr
) -> None:
    half = T.length_of(position.type)
    dt = k.param("dt|h|time_step", 0.002, 0.05)
    nxt = k.var("nxt|out|new_state|s_new", s if p.chance(0.5) else construct(s.type, 0.0))
    k.set(nxt[0:half], position + velocity * dt)
    decay = velocity * (1.0 - k.param("drag|damping|friction", 0.05, 0.5) * dt)
    k.set(nxt[half : 2 * half], decay if p.chance(0.6) else velocity)
    if T.length_of(s.type) > 2 * half:
        clock = s[-1] + dt if p.chance(0.5) else s[-1] * (1.0 - dt)
        k.set(nxt[-1], clock)
    e.out("states_out|next_states|predicted", s.type).store(nxt)


def _summarise(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, s: Name, position: Expr, velocity: Expr
) -> None:
    energy = 0.5 * wp.dot(velocity, velocity)
    if p.chance(0.5):
        energy = energy + 0.5 * k.param("stiffness|k|spring", 0.5, 5.0) * wp.dot(position, position)
    if p.chance(0.5):
        energy = energy * wp.abs(s[-1])
    e.out("energy|totals|measure", p.real).store(energy)
    if p.chance(0.4):
        e.out("last|tail_value|extras", p.real).store(s[-1] - s[-2])


def row_windows(p: ProgramBuilder) -> None:
    """A window of an array under a name of its own."""
    k = p.kernel_builder(
        "window_means|local_trend|segment_stats|sliding_max|smooth_windows|fit_windows",
        p.pick("Statistics of a window of samples.", "One window per thread.", ""),
    )
    width = p.pick(3, 4, 5, 8)
    n = p.pick(64, 96, 120, 200)
    if p.chance(0.4):
        window, i = _row_part(p, k, n, width)
    else:
        stride = p.pick(1, 1, 2, width)
        k.launch_dim = (n,)
        i = k.let("i|tid|w", wp.tid())
        total = (n - 1) * stride + width
        x = k.array("samples|x|signal|series", p.real, (total,), R.uniform(-1.0, 2.0))
        first: Expr = (
            i
            if stride == 1
            else i * (width if p.chance(0.5) else stride)
            if stride == width
            else i * stride
        )
        first = k.let("first|begin|start", first) if p.chance(0.5) else first
        size = k.count("width|window_size|m", width) if p.chance(0.5) else None
        window = k.let(
            "window|w_i|segment|part", x[first : first + (size if size is not None else width)]
        )
    value = _of_window(p, k, window, width)
    k.set(k.out("out|result|stats|trend", p.real, (n,))[i], value)


def _row_part(p: ProgramBuilder, k: KernelBuilder, n: int, width: int) -> tuple[Name, Expr]:
    k.launch_dim = (n,)
    i = k.let("i|row|tid", wp.tid())
    start = p.pick(0, 1, 2)
    table = k.array(
        "table|rows|channels|features",
        p.real,
        (n, start + width + p.pick(0, 2)),
        R.uniform(-1.0, 2.0),
    )
    part = table[i, start : start + width]
    return k.let("part|window|row_part|segment", part), i


def _of_window(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> Expr:
    if p.chance(0.3):
        rise = window[width - 1] - window[0]
        return rise / float(width - 1) if p.chance(0.5) else 0.5 * (window[0] + window[width - 1])
    if p.chance(0.4):
        return _polynomial(p, k, window, width)
    kind = p.pick("mean", "energy", "max", "spread", "weighted")
    acc = k.var("acc|total|s", 0.0 if kind not in ("max", "spread") else window[0], p.real)
    low = k.var("low|smallest|lo", window[0]) if kind == "spread" else None
    with k.loop("j|k|m", window.dim(0) if p.chance(0.5) else width) as j:
        v = window[j]
        if kind in ("max", "spread"):
            k.set(acc, wp.max(acc, v))
        elif kind == "weighted":
            k.aug(acc, "+", v * construct(p.real, j + 1))
        else:
            k.aug(acc, "+", v * v if kind == "energy" else v)
        if low is not None:
            k.set(low, wp.min(low, v))
    if low is not None:
        return acc - low
    return acc / float(width) if kind in ("mean", "energy") else acc


def _polynomial(p: ProgramBuilder, k: KernelBuilder, window: Name, width: int) -> Expr:
    """The window as coefficients of a polynomial, evaluated from the highest down."""
    at = k.param("t|x0|position|offset", 0.1, 0.9)
    value = k.var("value|poly|y", 0.0, p.real)
    with k.countdown("j|k|m", width if p.chance(0.5) else window.dim(0)) as j:
        k.set(value, value * at + window[j])
    return value


def subsets(p: ProgramBuilder) -> None:
    """A choice of rows passed as an indexed array: the kernel does not see the indices."""
    k = p.kernel_builder(
        "update_subset|selected_values|compare_selected|combine_views|gather_selected",
        p.pick("Inputs are views of selected rows.", "Works on a subset of the items.", ""),
    )
    n, source = p.pick(40, 64, 100), p.pick(120, 160, 256)
    k.launch_dim = (n,)
    i = k.let("i|tid|s", wp.tid())
    width = p.pick(0, 0, 3, 4, 6)
    shape = (n, width) if width else (n,)
    t = p.weighted({p.real: 5, T.I32: 1, T.VEC3: 0.7}) if not width else p.real
    view = k.arg(
        "view|selected|subset|active_rows", T.Array(t, len(shape), True),
        R.indexed_array(T.dtype_name(t), shape, source, R.uniform(0.2, 3.0) if t != T.I32 else R.integers(1, 50)), 1,
    )  # fmt: skip
    k.set(k.out("out|result|updated|values", p.real, (n,))[i], _from_view(p, k, view, i, t, width))


def _from_view(
    p: ProgramBuilder, k: KernelBuilder, view: Name, i: Expr, t: T.Type, width: int
) -> Expr:
    if width:
        total = k.var("total|acc|row_sum", 0.0, p.real)
        with k.loop("c|j|m", width if p.chance(0.4) else view.dim(1)) as c:
            k.aug(total, "+", view[i, c] * view[i, c] if p.chance(0.4) else view[i, c])
        return wp.sqrt(total) if p.chance(0.3) else total / float(width) if p.chance(0.5) else total
    value: Expr = wp.length(view[i]) if t == T.VEC3 else view[i]
    value = construct(p.real, value) if value.type != p.real else value
    if p.chance(0.5):
        value = k.let("v|value|x_i", value)
    if p.chance(0.5):
        value = (
            value
            - k.array("reference|target|previous", p.real, (view_length(k),), R.uniform(0.2, 2.0))[
                i
            ]
        )
    match p.pick("gain", "clamp", "relax", "log"):
        case "gain":
            return value * k.param("gain|scale|rate", 0.2, 2.0)
        case "clamp":
            return wp.clamp(value, 0.0, k.param("limit|ceiling|max_value", 1.0, 3.0))
        case "log":
            return wp.log(1.0 + value * value)
    return value + k.param("relaxation|alpha|omega", 0.2, 0.9) * (
        k.param("goal|setpoint|mean", 0.5, 2.0) - value
    )


def view_length(k: KernelBuilder) -> int:
    """Number of threads, one a row."""
    return k.launch_dim[0]
