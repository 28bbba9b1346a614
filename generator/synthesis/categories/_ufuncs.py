"""Element-wise functions and selections, for the array utilities: special functions, rounding, signs, arguments of extremes."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.categories._extras import helper
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

Form = Callable[[ProgramBuilder, KernelBuilder, Expr, Expr], Expr]


def ufuncs(p: ProgramBuilder) -> None:
    """One of the intents below."""
    p.weighted(
        {_function: 5, _tile_counts: 0.8, _steps: 1.6, _labels: 2.2, _norms: 1.6, _factors: 1.0}
    )(p)


def _real(p: ProgramBuilder) -> T.Scalar:
    return p.weighted({T.F32: 8, T.F64: 1.5})


def _size(p: ProgramBuilder, k: KernelBuilder) -> tuple[Name, int]:
    n = p.pick(64, 100, 128, 200)
    k.launch_dim = (n,)
    return k.let("i|tid|idx", wp.tid()), n


# --- functions of one value: names, a range of inputs, and the forms of the formula ----------------


def _round_to(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    step = k.param("step|quantum|resolution", 0.05, 0.5, T.scalar_of(x.type))
    rounding = p.pick(wp.rint, wp.rint, wp.trunc, wp.trunc, wp.ceil, wp.ceil, wp.floor)
    return rounding(x / step) * step


def _split(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    whole = k.let("whole|integer_part|n", p.pick(wp.trunc, wp.rint)(x))
    k.set(k.out("integer_parts|whole_out|turns", x.type, k.launch_dim)[i], whole)
    return x - whole


def _signed_power(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    if p.chance(0.5):
        return wp.cbrt(x)
    exponent = k.param("exponent|gamma|power", 0.3, 2.5, T.scalar_of(x.type))
    return wp.copysign(wp.pow(wp.abs(x), exponent), x)


def _tail(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    sigma = k.param("sigma|width|noise_std", 0.5, 2.0, T.scalar_of(x.type))
    z = x / (sigma * 1.41421356)
    return p.pick(0.5 * wp.erfc(z), 0.5 * wp.erfc(-z), wp.erf(z))


def _front(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    """Temperature or concentration that diffused in from a wall."""
    reach = k.param("diffusion_length|reach|spread", 0.3, 2.0, T.scalar_of(x.type))
    depth = wp.abs(x) / reach
    return wp.erfc(depth) if p.chance(0.7) else 1.0 - wp.erf(depth)


def _quantile(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    q = k.let("q|prob|u", wp.clamp(0.5 + 0.2 * x, 0.01, 0.99))
    if p.chance(0.4):
        return 1.41421356 * wp.erfinv(2.0 * q - 1.0)
    return -1.41421356 * wp.erfcinv(2.0 * q)


def _angles(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    gain = k.param("gain|slope|steepness", 0.5, 3.0, T.scalar_of(x.type))
    if p.chance(0.6):
        return wp.atan(gain * x)
    return wp.asin(wp.clamp(0.3 * gain * x, -1.0, 1.0))


def _stretch(p: ProgramBuilder, k: KernelBuilder, i: Expr, x: Expr) -> Expr:
    scale = k.param("softening|stretch|linear_width", 0.3, 2.0, T.scalar_of(x.type))
    if p.chance(0.6):
        return wp.sinh(x / (1.0 + scale))
    return wp.copysign(wp.log(1.0 + wp.abs(x) / scale), x)


_FUNCTIONS: dict[Form, tuple[str, str]] = {
    _round_to: ("quantise|snap_values|round_to_grid|discretise", "Snap values to a step."),
    _split: ("split_fraction|wrap_turns|unwrap_phase|fraction_part", "Whole and fractional part."),
    _signed_power: ("signed_power|gamma_correct|cube_root|compress", "Power law that keeps signs."),
    _tail: ("tail_probability|error_function|q_function|bit_error_rate", "Gaussian tail of each value."),
    _front: ("diffusion_profile|penetration|erfc_profile|thermal_front", "Profile behind a wall."),
    _quantile: ("normal_scores|quantile_transform|probit", "Normal scores of probabilities."),
    _angles: ("phase_angle|soft_limit|arctan_squash|incidence", "Angle of each slope."),
    _stretch: ("asinh_stretch|symmetric_log|compand|dynamic_range", "Compress the dynamic range."),
}  # fmt: skip


def _function(p: ProgramBuilder) -> None:
    form = p.pick(*_FUNCTIONS, _round_to, _split, _split, _signed_power, _signed_power)
    names, doc = _FUNCTIONS[form]
    t = _real(p)
    k = p.kernel_builder(names, p.pick(doc, doc, ""))
    i, n = _size(p, k)
    src = k.array("values|x|src|signal", t, (n,), R.uniform(-2.2, 2.2))
    x = k.let("x|v|value", src[i])
    y = form(p, k, i, x)
    if p.chance(0.4):
        y = k.let("y|result|r", y)
        y = y * k.param("scale|amplitude|out_gain", 0.2, 4.0, t)
    k.set(k.out("out|result|dst|y_out", t, (n,))[i], y)


def _tile_counts(p: ProgramBuilder) -> None:
    """How many pieces of a given size each item needs."""
    k = p.kernel_builder(
        "count_tiles|samples_per_edge|substep_counts|chunks_needed|subdivisions",
        p.pick("Number of pieces each item is cut into.", "Pieces no longer than the limit."),
    )
    i, n = _size(p, k)
    lengths = k.array("lengths|speeds|extents|durations", T.F32, (n,), R.uniform(0.1, 9.0))
    limit = k.param("max_length|tile_size|cfl_length|chunk", 0.2, 2.0)

    def body(b: Block, x: Expr, top: Expr) -> Expr:
        return wp.max(construct(T.I32, wp.ceil(x / top)), 1)

    args = {"length|x": lengths[i], "limit|piece": limit}
    pieces = k.let("pieces|count|n_i", helper(p, k, "pieces_of|num_pieces", args, body, share=0.6))
    k.set(k.out("counts|num_tiles|subdivisions_out", T.I32, (n,))[i], pieces)
    if p.chance(0.5):
        step = lengths[i] / construct(T.F32, pieces)
        k.set(k.out("piece_length|step_size|tile_extent", T.F32, (n,))[i], step)
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("total|total_tiles|num_total", T.I32, (1,)), 0, pieces))


def _steps(p: ProgramBuilder) -> None:
    """Indicators as factors: step functions and tests for zero in place of branches."""
    t = _real(p)
    k = p.kernel_builder(
        "gate_values|threshold_energy|activate|rectify|load_curve|masked_sum",
        p.pick("Indicator functions as factors.", "Values count where they pass the gate.", ""),
    )
    i, n = _size(p, k)
    x = k.let("x|v|value", k.array("values|x|signal|load", t, (n,), R.uniform(-2.0, 2.0))[i])
    onset = k.param("onset|threshold|gate", 0.1, 1.0, t)
    match p.pick("ramp", "window", "support", "weighted"):
        case "ramp":  # step(z) is 1 for negative z
            y: Expr = (x - onset) * wp.step(onset - x)
        case "window":
            y = x * wp.step(x - onset) * wp.step(-onset - x)
        case "support":
            y = wp.nonzero(x - wp.clamp(x, -onset, onset))
        case _:
            w = k.array("weights|mask_values|share", t, (n,), R.mask(0.7))
            y = x * wp.nonzero(w[i])
    y = k.let("y|gated|g", y)
    if p.chance(0.6):
        k.set(k.out("out|gated_out|response", t, (n,))[i], y)
        if p.chance(0.5):
            return
    k.do(wp.atomic_add(k.out("total|sum_out|active_sum", t, (1,)), 0, y))


def _labels(p: ProgramBuilder) -> None:
    """The index of the largest or smallest component."""
    k = p.kernel_builder(
        "label_pixels|winner_take_all|dominant_axis|hard_assign|nearest_corner|pick_phase",
        p.pick("Index of the extreme component.", "Class with the highest score.", ""),
    )
    t = T.Vec(p.pick(2, 3, 4, 5, 6))
    i, n = _size(p, k)
    scores = k.array("scores|logits|weights|distances", t, (n,), R.uniform(-1.0, 1.0))
    v = k.let("v|s|row", scores[i])
    if p.chance(0.3):
        v = k.let("biased|adjusted", v + k.array("prior|bias", t, (1,), R.uniform(-0.3, 0.3))[0])
    largest = p.chance(0.5)
    label = k.let("label|best|axis", construct(T.I32, (wp.argmax if largest else wp.argmin)(v)))
    k.set(k.out("labels|classes|axes", T.I32, (n,))[i], label)
    if p.chance(0.4):
        value = (wp.max if largest else wp.min)(v) if p.chance(0.5) else v[label]
        k.set(k.out("best_score|extreme|confidence", T.F32, (n,))[i], value)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("label_counts|votes", T.I32, (t.n,)), label, 1))
    if p.chance(0.25):
        spread = call_as("max", T.F32, v) - call_as("min", T.F32, v)
        k.set(k.out("margins|spread_out", T.F32, (n,))[i], spread)


def _norms(p: ProgramBuilder) -> None:
    """Lengths of vectors under the norms in use, and directions that stay smooth at zero."""
    k = p.kernel_builder(
        "vector_norms|row_norms|robust_lengths|smooth_directions|soft_normalize|residual_sizes",
        p.pick("Norm of every vector.", "Lengths and directions of vectors.", ""),
    )
    t = T.Vec(p.pick(2, 3, 3, 4))
    i, n = _size(p, k)
    v = k.let("v|r|d", k.array("vectors|residuals|offsets", t, (n,), R.uniform(-1.0, 1.0))[i])
    for what in p.sample(["norm", "direction", "axis"], 1, 2):
        if what == "direction":
            soft = k.param("smoothing|delta|soft", 0.05, 0.5)
            k.set(k.out("directions|units|dirs", t, (n,))[i], wp.smooth_normalize(v, soft))
        elif what == "axis":
            axis = construct(T.I32, p.pick(wp.argmin, wp.argmax)(wp.abs(v)))
            k.set(k.out("axes|smallest_axis|axis_out", T.I32, (n,))[i], axis)
        else:
            name = p.pick("norm_l1", "norm_l2", "norm_huber", "norm_pseudo_huber")
            width = [k.param("delta|huber_width|knee", 0.1, 1.0)] if "huber" in name else []
            k.set(k.out("norms|lengths|costs", T.F32, (n,))[i], call_as(name, T.F32, v, *width))


def _factors(p: ProgramBuilder) -> None:
    """Small matrices taken apart, one per thread."""
    k = p.kernel_builder(
        "decompose_matrices|principal_values|eigen_frames|qr_factors|split_tensors",
        p.pick("Factors of small matrices.", "One decomposition per thread.", ""),
    )
    i, n = _size(p, k)
    mats = k.array("matrices|tensors|blocks", T.MAT33, (n,), R.spd(0.3, 3.0))
    if p.chance(0.5):
        q, d = k.unpack(["q|vecs|axes", "d|vals|lam"], wp.eig3(mats[i]))
        k.set(k.out("values|principal|eigenvalues", T.VEC3, (n,))[i], d)
        if p.chance(0.5):
            k.set(k.out("frames|vectors_out|axes_out", T.MAT33, (n,))[i], q)
        return
    q, r = k.unpack(["q|ortho|frame", "r|upper|tri"], wp.qr3(mats[i]))
    k.set(k.out("upper_out|triangles|r_out", T.MAT33, (n,))[i], r)
    if p.chance(0.5):
        k.set(k.out("frames|ortho_out|q_out", T.MAT33, (n,))[i], q)
    if p.chance(0.5):
        k.set(k.out("diagonals|pivots|diag_out", T.VEC3, (n,))[i], wp.get_diag(r))
