"""What arrays hold: compact storage types, inputs that may be missing."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._layout_parts import items
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def compact_storage(p: ProgramBuilder) -> None:
    """Values stored in fewer bits than the arithmetic uses."""
    k = p.kernel_builder(
        "decode_values|unpack_samples|dequantise|expand_storage|read_compact|apply_weights",
        p.pick(
            "Stored in few bits, computed in single precision.", "Decode the stored values.", ""
        ),
    )
    e = items(p, k)
    p.pick(_fixed_point, _brain_floats, _brain_floats, _millimetres, _millimetres)(p, k, e)


def _fixed_point(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    """Integers with a scale and an offset."""
    t = p.pick(T.U16, T.U16, T.I16, T.U8, T.I8)
    codes = e.field("codes|raw|packed|quantised", t, R.integers(1, 100))
    value: Expr = construct(p.real, codes.own)
    if p.chance(0.6):
        value = k.let("code|q|level", value)
    value = value * k.param("scale|lsb|step_size", 0.001, 0.1)
    if p.chance(0.5):
        value = value + k.param("offset|bias|zero_level", 0.1, 2.0)
    e.out("values|decoded|out|samples", p.real).store(value)
    if p.chance(0.4):
        full = k.let("clipped|saturated", codes.own >= construct(t, p.pick(90, 95, 98)))
        e.out("saturation|clip_flags", T.I32).store(choose(full, 1, 0))


def _brain_floats(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    """Weights in bfloat16, sums in full precision."""
    if p.chance(0.5):
        weights = e.field("weights|gains|coeffs|w_bf16", T.BF16, R.uniform(0.2, 1.5))
        x = e.field("x|inputs|values|signal", p.real, R.uniform(-1.0, 1.0))
        value = construct(p.real, weights.own) * x.own
        if p.chance(0.5):
            bias = e.field("bias|offsets|shift", T.BF16, R.uniform(-0.5, 0.5))
            value = value + construct(p.real, bias.own)
    else:
        value = _brain_dot(p, k, e)
    if p.chance(0.4):
        value = wp.max(value, 0.0) if p.chance(0.5) else wp.tanh(value)
    e.out("out|activations|y|response", p.real).store(value)


def _brain_dot(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> Expr:
    width = p.pick(4, 6, 8, 12)
    table = k.array("table|weights|filters|matrix", T.BF16, (e.n, width), R.uniform(-1.0, 1.0))
    x = k.array("x|inputs|features|signal", p.pick(T.BF16, p.real), (width,), R.uniform(-1.0, 1.0))
    total = k.var("total|acc|s|dot", 0.0, p.real)
    with k.loop("c|j|m", width if p.chance(0.4) else table.dim(1)) as c:
        k.aug(total, "+", construct(p.real, table[e.index, c]) * construct(p.real, x[c]))
    return total


def _millimetres(p: ProgramBuilder, k: KernelBuilder, e: Entities) -> None:
    """Distances in millimetres, zero where nothing was measured."""
    depth = e.field("depth_mm|range_mm|raw_depth|distance_mm", T.U16, R.integers(0, 6000))
    raw = k.let("raw|mm|d_mm", cast(T.I32, depth.own))
    metres = construct(p.real, raw) * p.pick(0.001, 0.001, 0.0005, 0.00025)
    out = e.out("depth|range_m|distances|metres", p.real)
    invalid = (
        raw == 0 if p.chance(0.5) else raw < k.count("min_mm|near_limit", p.pick(50, 120, 200))
    )
    match p.pick("guard", "choose", "branch"):
        case "guard":
            with k.when(invalid):
                out.store(p.pick(-1.0, 0.0))
                k.ret()
            out.store(metres)
        case "choose":
            out.store(choose(invalid, p.pick(0.0, -1.0), metres))
        case _:
            with k.when(invalid):
                e.out("holes|invalid|missing", T.I32).store(1)
            with k.otherwise():
                out.store(metres)


def optional_input(p: ProgramBuilder) -> None:
    """An array that a caller may leave out: weights, a mask, an offset for each item."""
    k = p.kernel_builder(
        "weighted_values|residuals|apply_optional_weights|scaled_update|corrected_values|score_items",
        p.pick("Weights are optional.", "Arrays that are not given count as ones.", ""),
    )
    e = items(p, k, layouts=False)
    x = e.field("x|values|measured|observed", p.real, R.uniform(0.2, 3.0))
    value: Expr = x.own
    if p.chance(0.6):
        value = (
            value - e.field("predicted|reference|model|baseline", p.real, R.uniform(0.2, 2.0)).own
        )
    result = k.var("r|value|res|score", value)
    for kind in p.sample([_scaled, _shifted, _masked], 1, 2):
        kind(p, k, e, result)
    match p.pick("plain", "square", "huber"):
        case "square":
            e.out("cost|squared|energy", p.real).store(result * result)
        case "huber":
            size = k.let("a|size|abs_r", wp.abs(result))
            delta = k.param("delta|threshold|cutoff", 0.2, 1.0)
            loss = choose(size < delta, 0.5 * size * size, delta * (size - 0.5 * delta))
            e.out("loss|cost|robust_cost", p.real).store(loss)
        case _:
            e.out("out|residuals|result", p.real).store(result)


def _maybe(p: ProgramBuilder, e: Entities, hint: str, t: T.Type, fill: R.Fill) -> Field:
    """An array argument for which some launches pass None."""
    array: Name
    if p.chance(0.35):
        array = e.k.arg(hint, T.Array(t), R.none(), 1)
    else:
        array = e.k.array(hint, t, (e.n,), fill)
    return Field(e, array, t)


def _scaled(p: ProgramBuilder, k: KernelBuilder, e: Entities, result: Name) -> None:
    weights = _maybe(p, e, "weights|confidence|inv_sigma|gains", p.real, R.uniform(0.3, 1.5))
    with k.when(weights.array):
        if p.chance(0.6):
            k.aug(result, "*", weights.own)
        else:
            k.set(result, result * wp.sqrt(weights.own))
    if p.chance(0.3):
        with k.otherwise():
            k.aug(result, "*", k.param("default_weight|uniform_weight|fallback", 0.3, 0.9))


def _shifted(p: ProgramBuilder, k: KernelBuilder, e: Entities, result: Name) -> None:
    offsets = _maybe(p, e, "offsets|bias|corrections|zero_points", p.real, R.uniform(-0.5, 0.5))
    with k.when(offsets.array):
        k.aug(result, p.pick("+", "-"), offsets.own)


def _masked(p: ProgramBuilder, k: KernelBuilder, e: Entities, result: Name) -> None:
    mask = _maybe(p, e, "mask|valid|enabled|selection", T.I32, R.mask(0.7))
    if p.chance(0.5):
        with k.when(all_of(mask.array, mask.own == 0)):
            k.set(result, 0.0)
        return
    with k.when(mask.array):
        with k.when(mask.own == 0):
            k.ret() if p.chance(0.5) else k.set(result, 0.0)
