"""Array utilities: the small kernels that every code base has, for filling, moving, masking and combining arrays."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, tile, wp
from generator.synthesis.categories._bit_sets import bit_sets
from generator.synthesis.categories._float_bits import float_bits
from generator.synthesis.categories._mesh_kinematics import per_corner
from generator.synthesis.categories._pose_arrays import pose_arrays, random_fill
from generator.synthesis.categories._raw_views import raw_views
from generator.synthesis.categories._ufuncs import ufuncs
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.registry import category
from generator.synthesis.tree import Expr, Name, Operand, literal

_AXES = ("i|row|tid|n", "j|col|k|m", "k|c|channel|l", "l|d|w|q")
_FLOATS = {T.F32: 8, T.F64: 2, T.F16: 0.3}
_INTS = {T.I32: 6, T.I64: 3, T.U8: 1.5, T.U32: 1, T.I16: 0.4, T.U16: 0.3, T.I8: 0.3, T.U64: 0.5}


@category("array_utilities", version=1, title="Array utilities", weight=2.5)
def write(p: ProgramBuilder) -> None:
    """The small kernels that every code base has: fill, copy, convert, gather, scatter, mask, scale and add, compare
    and count, reduce to extremes, transpose, shift, pack and unpack, in one to four dimensions and every data type."""
    intent = p.weighted(
        {
            _elementwise: 7,
            _gather: 2.5,
            _scatter: 2,
            _convert: 2,
            _reduce: 2.5,
            _rearrange: 2.5,
            _masked: 2.5,
            _pack: 1.5,
            _reset: 1.5,
            bit_sets: 9.0,
            float_bits: 1.0,
            raw_views: 1.4,
            ufuncs: 8.0,
            pose_arrays: 6.0,
            random_fill: 1.4,
            per_corner: 0.8,
        }
    )
    intent(p)


class _Launch:
    """Threads over all axes of one array shape."""

    def __init__(self, p: ProgramBuilder, k: KernelBuilder, axes: int | None = None) -> None:
        self.k = k
        self.axes = axes or p.weighted({1: 8, 2: 3, 3: 1.2, 4: 0.8})
        sizes = {1: (64, 100, 128, 200), 2: (12, 16, 20, 24), 3: (5, 6, 8), 4: (3, 4, 5)}[self.axes]
        self.shape = tuple(p.pick(*sizes) for _ in range(self.axes))
        k.launch_dim = self.shape
        if self.axes == 1:
            self.index: tuple[Expr, ...] = (k.let(_AXES[0], wp.tid()),)
        else:
            kind = T.TupleType((T.I32,) * self.axes)
            self.index = tuple(k.unpack(list(_AXES[: self.axes]), tile("tid", kind)))

    def array(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Name:
        return self.k.array(hint, dtype, self.shape, fill, role)

    def guard(self, p: ProgramBuilder, some: Expr) -> None:
        """Sometimes, a bound that launches of padded size need."""
        if p.chance(0.12):
            limit = self.k.arg("n|count|size|length", T.I32, R.value("int32", self.shape[0] - 2))
            with self.k.when(self.index[0] >= limit):
                self.k.ret()


def _float(p: ProgramBuilder) -> T.Scalar:
    return p.weighted(_FLOATS)


def _any_dtype(p: ProgramBuilder) -> T.Type:
    kind = p.weighted({"float": 6, "int": 3.5, "vec": 2, "mat": 0.4})
    if kind == "float":
        return _float(p)
    if kind == "int":
        return p.weighted(_INTS)
    scalar = p.weighted({T.F32: 8, T.F64: 1.5, T.I32: 1})
    if kind == "mat":
        return T.Mat(3, 3, T.F32)
    return T.Vec(p.pick(2, 3, 3, 4), scalar)


def _fill(p: ProgramBuilder, t: T.Type) -> R.Fill:
    return R.uniform(0.1, 2.0) if T.scalar_of(t).is_float else R.integers(1, 60)


def _elementwise(p: ProgramBuilder) -> None:
    others = p.sample(["b|y|other|rhs", "c|z|third|base"], 0, 2)
    k = p.kernel_builder(
        "axpy|scale_add|combine_arrays|elementwise_update|blend_arrays|add_scaled|lincomb|accumulate"
        if others
        else "apply_gain|scale_array|map_values|rescale|elementwise_map|transform_values",
        p.pick("Scale and add.", "Element-wise combination.", "out = f(a, b)", "")
        if others
        else p.pick("One operation on every element.", "out = f(a)", ""),
    )
    g = _Launch(p, k)
    t = p.weighted({_float(p): 7, T.Vec(p.pick(2, 3, 4), _float(p)): 2})
    a = g.array("a|x|src|lhs", t, _fill(p, t))
    terms = [a[g.index]]
    for hint in others:
        terms.append(g.array(hint, t, _fill(p, t))[g.index])
    scalar = T.scalar_of(t)
    if isinstance(t, T.Scalar) and p.chance(0.8):
        value = _through_function(p, terms, scalar)
    else:
        value = _combined(p, lambda: _gain(p, k, scalar), terms, scalar)
    mode = p.weighted({"store": 5, "in_place": 2, "local": 2})
    out = (
        g.array("out|dst|result|y_out", t, R.zeros(), "out")
        if mode != "in_place"
        else g.array("state|buffer|values|acc", t, R.uniform(0.1, 1.0), "inout")
    )
    g.guard(p, a)
    if mode == "local":
        value = k.let("v|value|r", value)
    k.set(out[g.index], value if mode != "in_place" else out[g.index] + value)


def _through_function(p: ProgramBuilder, terms: list[Expr], scalar: T.Scalar) -> Expr:
    """The combination as a function, perhaps one that the kernel's factory is given."""

    def body(b: Block, *values: Expr) -> None:
        b.ret(_combined(p, lambda: literal(p.nice(0.1, 0.9), scalar), list(values), scalar))

    params = dict.fromkeys(("a|x|u|value", "b|y|v|other", "c|z|w|third")[: len(terms)], scalar)
    hint = "combine|mix|transfer|apply_op|activation|response|blend_values"
    function = p.func(hint, params, body)
    if p.on("factory"):
        function = p.capture("op|func|fn|element_op", function)
    return function(*terms)


def _combined(
    p: ProgramBuilder, gain: Callable[[], Expr], terms: list[Expr], scalar: T.Scalar
) -> Expr:
    value = terms[0]
    for term in terms[1:]:
        match p.pick("add", "sub", "axpy", "blend", "mul"):
            case "add":
                value = value + term
            case "sub":
                value = value - term
            case "axpy":
                value = value + term * gain()
            case "blend":
                s = gain()
                value = (
                    value * s + term * (1.0 - s)
                    if p.chance(0.5)
                    else wp.lerp(value, term, s)
                    if scalar != T.F16
                    else value + term * s
                )
            case _:
                value = value * term if isinstance(value.type, T.Scalar) else wp.cw_mul(value, term)
    plain = ("none",) if len(terms) > 1 else ()
    scalars = ("clamp", "unary", "bias") if isinstance(value.type, T.Scalar) else ()
    match p.pick("gain", *plain, *scalars):
        case "gain":
            value = value * gain()
        case "clamp":
            value = wp.clamp(value, p.pick(0.0, 0.1, -1.0), p.pick(1.0, 1.5, 2.0))
        case "unary":
            f = p.pick("abs", "sqrt", "sin", "tanh", "sign", "floor")
            value = wp.sqrt(wp.abs(value)) if f == "sqrt" else getattr(wp, f)(value)
        case "bias":
            value = value - gain()
    return value


def _gain(p: ProgramBuilder, k: KernelBuilder, scalar: T.Scalar) -> Expr:
    return k.param("alpha|scale|s|gain|weight|beta", 0.1, 0.9, scalar)


def _gather(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "gather|take|permute|lookup|index_select|gather_rows|remap",
        p.pick("Gather by index.", "out[i] = src[ids[i]]", ""),
    )
    g = _Launch(p, k, p.pick(1, 1, 2, 3))
    t = _any_dtype(p)
    rows = p.pick(32, 48, 80)
    width = g.shape[1:] if p.chance(0.6) else ()
    source = k.array("src|source|table|values", t, (rows, *width), _fill(p, t))
    padded = p.chance(0.35)
    it = p.pick(T.I32, T.I32, T.I64) if not padded else T.I32
    ids = k.array(
        "ids|indices|index_map|perm", it, (g.shape[0],), R.integers(-1 if padded else 0, rows)
    )
    j: Expr = ids[g.index[0]]
    if it == T.I64:
        j = cast(T.I32, j)
    j = k.let("j|idx|src_id|s", j) if padded or p.chance(0.6) else j
    where = (j, *g.index[1:]) if width else (j,)
    out = g.array("out|dst|gathered|result", t, R.zeros(), "out")
    if padded:
        if p.chance(0.5):
            with k.when(j < 0):
                k.ret()
        else:
            with k.when(j >= 0):
                k.set(out[g.index], source[where])
            return
    value: Expr = source[where]
    if T.scalar_of(t).is_float and p.chance(0.3):
        value = value * _gain(p, k, T.scalar_of(t))
    k.set(out[g.index], value)


def _scatter(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "scatter_add|accumulate_by_index|segment_sum|bin_add|scatter_values|add_at",
        p.pick("Sum values into their bins.", "Scatter with atomics.", ""),
    )
    g = _Launch(p, k, p.pick(1, 1, 2))
    t = p.weighted({_float(p): 4, T.I32: 2, T.VEC3: 3, T.U32: 0.5, T.I64: 1})
    if t == T.F16:
        t = T.F32
    bins = p.pick(8, 12, 16, 32)
    keys = g.array("keys|labels|segment_ids|owner", T.I32, R.integers(0, bins))
    values = g.array("values|src|contrib|weights", t, _fill(p, t))
    key = keys[g.index]
    if p.chance(0.6):
        key = k.let("key|b|slot|seg", key)
    if p.chance(0.3):
        with k.when(key >= k.count("num_bins|limit|num_segments", bins - 2)):
            k.ret()
    total = k.out("sums|bins|out|totals", t, (bins,))
    value: Expr = values[g.index]
    if T.scalar_of(t).is_float and p.chance(0.4):
        value = value * _gain(p, k, T.scalar_of(t))
    if p.augmented_atomics:
        k.aug(total[key], "+", value)
    else:
        k.do(wp.atomic_add(total, key, value))
    if p.chance(0.35):
        k.do(wp.atomic_add(k.out("counts|bin_counts|hits", T.I32, (bins,)), key, 1))


def _convert(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "convert|cast_array|to_float|quantise_array|to_uint8|unpack_values|change_dtype",
        p.pick("Convert between data types.", "Change of storage type.", ""),
    )
    g = _Launch(p, k)
    if p.chance(0.5):
        source, target = p.weighted(_INTS), _float(p)
        a = g.array("src|raw|codes|a", source, R.integers(0, 100))
        value: Expr = construct(target, a[g.index])
        if p.chance(0.7):
            value = value * k.param("scale|step|inv_max|lsb", 0.01, 0.5, target)
        if p.chance(0.3):
            value = value - k.param("zero_point|offset|bias", 0.1, 2.0, target)
    else:
        source, target = p.weighted({T.F32: 5, T.F64: 2}), p.weighted(_INTS)
        a = g.array("src|x|values|a", source, R.uniform(0.0, 60.0))
        scaled = (
            a[g.index] * k.param("scale|inv_step|gain", 0.5, 1.5, source)
            if p.chance(0.6)
            else a[g.index]
        )
        rounded = p.pick(wp.rint, wp.round, wp.floor)(scaled) if p.chance(0.6) else scaled
        value = construct(target, wp.clamp(rounded, 0.0, 100.0) if p.chance(0.5) else rounded)
    k.set(g.array("out|dst|converted|result", target, R.zeros(), "out")[g.index], value)


def _reduce(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "reduce_max|array_norm|sum_array|count_above|find_extent|global_sum|check_bounds",
        p.pick("Reduce to a single value.", "Global statistic by atomics.", ""),
    )
    g = _Launch(p, k)
    t = p.weighted({T.F32: 5, T.F64: 2, T.VEC3: 3, T.VEC2: 1, T.I32: 1.5, T.I64: 1})
    a = g.array("a|x|values|src", t, _fill(p, t))
    v: Expr = a[g.index]
    if p.chance(0.6):
        v = k.let("v|value|x_i", v)
    if isinstance(t, T.Vec):
        v = p.pick(wp.length, wp.length_sq)(v) if p.chance(0.7) else wp.dot(v, v)
    scalar = T.scalar_of(t)
    slot: Operand = g.index[0] if g.axes > 1 and p.chance(0.5) else 0
    size = (g.shape[0],) if isinstance(slot, Expr) else (1,)
    match p.pick("sum", "max", "min", "count", "square"):
        case "sum":
            k.do(wp.atomic_add(k.out("total|sum_out|accum", scalar, size), slot, v))
        case "max":
            k.do(wp.atomic_max(k.out("maximum|peak|max_out", scalar, size), slot, v))
        case "min":
            k.do(
                wp.atomic_min(
                    k.out("minimum|lowest|min_out", scalar, size, R.constant(1000)), slot, v
                )
            )
        case "count":
            low, high = (0.8, 1.6) if scalar.is_float else (10, 40)
            test = (
                v > low
                if p.chance(0.5)
                else all_of(v > low, v < high)
                if p.chance(0.5)
                else any_of(v < low, v > high)
            )
            with k.when(test):
                k.do(wp.atomic_add(k.out("count|num_found|hits", T.I32, size), slot, 1))
        case _:
            k.do(wp.atomic_add(k.out("sum_sq|energy|norm_sq", scalar, size), slot, v * v))


def _rearrange(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "transpose_array|shift_array|flip|roll|tile_copy|crop|reverse_axis|interleave",
        p.pick("Move elements to other positions.", "Copy with changed indices.", ""),
    )
    g = _Launch(p, k, p.pick(1, 2, 2, 3, 4))
    t = _any_dtype(p)
    index = list(g.index)
    match p.pick("transpose", "roll", "flip", "crop", "stride"):
        case "transpose":
            order = p.shuffled(range(g.axes))
            shape = tuple(g.shape[o] for o in order)
            source = k.array("src|a|inp|x", t, shape, _fill(p, t))
            where = [index[o] for o in order]
        case "roll":
            source = g.array("src|a|inp|x", t, _fill(p, t))
            shift = k.count("shift|offset|lag", p.pick(1, 2, 3))
            axis = p.rng.randrange(g.axes)
            where = list(index)
            where[axis] = (index[axis] + shift) % source.dim(axis)
        case "flip":
            source = g.array("src|a|inp|x", t, _fill(p, t))
            axis = p.rng.randrange(g.axes)
            where = list(index)
            where[axis] = source.dim(axis) - 1 - index[axis]
        case "crop":
            border = p.pick(1, 2, 3)
            source = k.array("src|a|inp|x", t, tuple(s + 2 * border for s in g.shape), _fill(p, t))
            margin = k.count("margin|border|pad", border)
            where = [i + margin for i in index]
        case _:
            step = p.pick(2, 3)
            source = k.array("src|a|inp|x", t, tuple(s * step for s in g.shape), _fill(p, t))
            stride = k.count("stride|step|factor", step)
            where = [i * stride for i in index]
    value: Expr = source[tuple(where)]
    if p.chance(0.2) and T.scalar_of(t).is_float:
        value = -value if p.chance(0.5) else value * _gain(p, k, T.scalar_of(t))
    k.set(g.array("out|dst|moved|result", t, R.zeros(), "out")[g.index], value)


def _masked(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "masked_copy|select_values|apply_mask|threshold_array|where_valid|masked_fill|clip_array",
        p.pick("Keep values where the mask is set.", "Masked update.", ""),
    )
    g = _Launch(p, k)
    t = p.weighted({T.F32: 5, T.F64: 1.5, T.VEC3: 3, T.I32: 1.5})
    a = g.array("src|a|values|x", t, _fill(p, t))
    out = g.array("out|dst|result|y", t, R.zeros(), "out")
    condition = _condition(p, k, g, a)
    other: Expr = (
        construct(t, 0.0)
        if isinstance(t, T.Vec)
        else k.quantity("fill_value|default|background", t, 1)
    )
    if isinstance(t, T.Vec) and p.chance(0.4):
        other = g.array("fallback|b|base", t, _fill(p, t))[g.index]
    match p.pick("if_else", "choose", "where", "early"):
        case "if_else":
            with k.when(condition):
                k.set(out[g.index], a[g.index])
            with k.otherwise():
                k.set(out[g.index], other)
        case "choose":
            k.set(out[g.index], choose(condition, a[g.index], other))
        case "where":
            k.set(out[g.index], wp.where(condition, a[g.index], other))
        case "early":
            with k.when(condition):
                k.set(out[g.index], other)
                k.ret()
            k.set(out[g.index], a[g.index])


def _condition(p: ProgramBuilder, k: KernelBuilder, g: _Launch, a: Expr) -> Expr:
    kind = p.pick("mask", "byte", "bool", "value", "index")
    if kind == "mask":
        return g.array("mask|valid|keep", T.I32, R.mask(0.6))[g.index] != 0
    if kind == "byte":
        return g.array("mask|valid|keep", T.U8, R.mask(0.6))[g.index] == construct(T.U8, 1)
    if kind == "bool":
        return g.array("enabled|mask|is_valid", T.BOOL, R.mask(0.6))[g.index]
    if kind == "value":
        v: Expr = a[g.index]
        if isinstance(a.type, T.Array) and isinstance(a.type.dtype, T.Vec):
            v = v[p.rng.randrange(a.type.dtype.n)] if p.chance(0.5) else wp.length(v)
        limit = k.quantity("threshold|limit|cutoff", v.type, 1 if v.type == T.I32 else 0.9)
        return v > limit if p.chance(0.6) else v <= limit
    edge = k.count("start|first|begin", p.pick(1, 2))
    return g.index[p.rng.randrange(g.axes)] >= edge


def _pack(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pack_components|split_vectors|stack_channels|interleave_xyz|to_soa|to_aos|extract_channel",
        p.pick(
            "Between vectors and separate components.",
            "Structure of arrays to array of vectors.",
            "",
        ),
    )
    g = _Launch(p, k, p.pick(1, 1, 2, 3))
    n, scalar = p.pick(2, 3, 4), p.weighted({T.F32: 6, T.F64: 1.5, T.I32: 1})
    vec = T.Vec(n, scalar)
    axes = ["x", "y", "z", "w"][:n]
    match p.pick("join", "split", "channel", "flat"):
        case "join":
            parts = [g.array(f"{c}|{c}s|comp_{c}", scalar, _fill(p, scalar))[g.index] for c in axes]
            k.set(
                g.array("out|packed|vectors", vec, R.zeros(), "out")[g.index],
                construct(vec, *parts),
            )
        case "split":
            v = k.let("v|value|p", g.array("src|vectors|points", vec, _fill(p, vec))[g.index])
            for c in p.sample(axes, 1, n):
                k.set(
                    g.array(f"{c}_out|out_{c}|{c}s", scalar, R.zeros(), "out")[g.index],
                    v.field(c) if p.chance(0.6) else v[axes.index(c)],
                )
        case "channel":
            c = k.count("channel|component|axis", p.rng.randrange(n))
            a = g.array("src|vectors|image", vec, _fill(p, vec))
            k.set(g.array("out|plane|values", scalar, R.zeros(), "out")[g.index], a[g.index][c])
        case _:
            a = g.array("src|vectors|points", vec, _fill(p, vec))
            out = k.out("flat|out|buffer", scalar, (*g.shape, n))
            with k.loop("c|d|comp", n) as c:
                k.set(out[(*g.index, c)], a[g.index][c])


def _reset(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "reset|clear_buffers|initialise|fill_arrays|zero_state|init_fields|reset_worlds",
        p.pick("Initial values.", "Clear before the next step.", ""),
    )
    g = _Launch(p, k)
    wanted = p.rng.randint(1, 4)
    if p.chance(0.4):
        flags = k.array("reset_mask|dirty|needs_reset|done", T.I32, (g.shape[0],), R.mask(0.5))
        with k.when(flags[g.index[0]] == 0):
            k.ret()
    hints = p.shuffled(
        [
            "force|f|forces",
            "count|counts|hits",
            "state|values|field",
            "velocity|vel|v",
            "stamp|age|timer",
        ]
    )
    for hint in hints[:wanted]:
        t = _any_dtype(p)
        out = g.array(hint, t, _fill(p, t), "inout")
        if isinstance(t, T.Scalar) and p.chance(0.5):
            number = 7 if not t.is_float else p.nice(0.1, 3.0)
            value: Expr = k.quantity("initial|value|start_value", t, number)
        elif isinstance(t, T.Scalar) and t == T.I32 and p.chance(0.5):
            value = g.index[-1]
        else:
            value = construct(t, 0.0 if T.scalar_of(t).is_float else 0)
        k.set(out[g.index], value)
