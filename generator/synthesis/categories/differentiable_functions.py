"""Differentiable functions: custom adjoints, derivatives of functions, native snippets, functions as arguments."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.constructs import derivative, gradient, overload
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.registry import category
from generator.synthesis.tree import Binary, Expr, Literal

_F = T.F32


@category("differentiable_functions", version=1, title="Differentiable functions", weight=1.3)
def write(p: ProgramBuilder) -> None:
    """Functions whose derivatives are part of the work: custom gradients for square roots, clamps and roots of
    equations, Newton and secant iterations on a function argument, derivatives of potentials and distance fields,
    native snippets with hand-written adjoints, overloads for scalars and vectors, functions with two results."""
    p.weighted(
        {
            _custom: 3,
            _newton: 3,
            _potential: 2.5,
            _native: 2.5,
            _overloads: 2,
            _solver: 2,
            _brackets: 1.5,
            _pairs: 2,
        }
    )(p)


def _start(p: ProgramBuilder, names: str, *docs: str) -> tuple[KernelBuilder, Entities]:
    k = p.kernel_builder(names, p.pick(*docs))
    return k, Entities(k, p.pick("sample", "point", "element", "query"))


def _scalar_input(p: ProgramBuilder, e: Entities, low: float = 0.2, high: float = 2.0) -> Expr:
    return e.field("x|inputs|values|samples", _F, R.uniform(low, high)).read("x_i|v|value")


# --- custom gradients -----------------------------------------------------------------------------


def _custom(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "apply_custom_function|stable_forward|evaluate_with_custom_grad|straight_through|regularised_terms",
        "Forward pass through a function with a custom gradient.", "The adjoint is written by hand for stability.",
    )  # fmt: skip
    f = p.pick(_safe_sqrt, _clamp_through, _rounded, _soft_abs, _log_barrier)(p)
    x = _scalar_input(p, e)
    e.guard()
    y = k.let("y|fx|out_i", f(x))
    for step in p.sample([_weigh, _square, _shift], 0, 2):
        y = k.let("y|term|r", step(p, k, e, y))
    e.out("outputs|y_out|result", _F).store(y)
    if p.chance(0.6):
        loss = k.out("loss|total|objective", _F, (e.worlds or 1,))
        target = (
            e.field("targets|labels|y_ref", _F, R.uniform(0.2, 2.0)).own if p.chance(0.6) else None
        )
        error = y if target is None else k.let("err|diff|residual", y - target)
        k.do(wp.atomic_add(loss, e.world if e.world is not None else 0, error * error))


def _weigh(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Expr) -> Expr:
    return y * e.property("weight|gain|scale", 0.3, 2.0)


def _square(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Expr) -> Expr:
    return Binary("**", y, Literal(2.0, _F), _F) if p.chance(0.6) else y * y


def _shift(p: ProgramBuilder, k: KernelBuilder, e: Entities, y: Expr) -> Expr:
    return y - k.param("offset|bias|shift", 0.1, 1.0)


def _safe_sqrt(p: ProgramBuilder) -> UserFunction:
    floor = p.pick(1.0e-6, 1.0e-4, 0.001)
    f = p.func(
        "safe_sqrt|stable_sqrt|guarded_root",
        {"x|a|v": _F},
        lambda b, x: b.ret(wp.sqrt(wp.max(x, 0.0))),
        "Square root with a bounded derivative.",
    )
    form = p.pick("where", "branch")

    def adjoint(b: Block, adj: list[Expr], x: Expr, seed: Expr) -> None:
        root = b.let("root|s|r", wp.sqrt(wp.max(x, 0.0)))
        if form == "where":
            b.aug(adj[0], "+", seed * 0.5 / wp.max(root, floor))
            return
        with b.when(root > floor):
            b.aug(adj[0], "+", seed * 0.5 / root)

    gradient(p, f, adjoint)
    return f


def _clamp_through(p: ProgramBuilder) -> UserFunction:
    low, high = p.pick(0.0, 0.2, 0.3), p.pick(1.0, 1.5)
    f = p.func(
        "clamp_ste|saturate|clip_through",
        {"x|v": _F},
        lambda b, x: b.ret(wp.clamp(x, low, high)),
        "Clamp that passes the gradient through.",
    )
    damp = p.pick(1.0, 0.1, 0.5)

    def adjoint(b: Block, adj: list[Expr], x: Expr, seed: Expr) -> None:
        if damp == 1.0:
            b.aug(adj[0], "+", seed)
            return
        with b.when(all_of(x > low, x < high)):
            b.aug(adj[0], "+", seed)
        with b.otherwise():
            b.aug(adj[0], "+", seed * damp)

    gradient(p, f, adjoint)
    return f


def _rounded(p: ProgramBuilder) -> UserFunction:
    step = p.pick(0.1, 0.25, 0.05)
    f = p.func(
        "quantize_ste|fake_quant|round_through",
        {"x|v": _F},
        lambda b, x: b.ret(wp.round(x / step) * step),
    )
    gradient(p, f, lambda b, adj, x, seed: b.aug(adj[0], "+", seed))
    return f


def _soft_abs(p: ProgramBuilder) -> UserFunction:
    f = p.func(
        "smooth_abs|soft_abs|charbonnier",
        {"x|r": _F, "eps|width": _F},
        lambda b, x, h: b.ret(wp.sqrt(x * x + h * h) - h),
    )

    def adjoint(b: Block, adj: list[Expr], x: Expr, h: Expr, seed: Expr) -> None:
        b.aug(adj[0], "+", seed * x / wp.sqrt(x * x + h * h))

    gradient(p, f, adjoint)
    width = p.const("SMOOTH_WIDTH|SOFTNESS|EPS_ABS", p.pick(0.05, 0.1, 0.3))
    return p.func("penalty|robust_term|smooth_l1", {"x|r": _F}, lambda b, x: b.ret(f(x, width)))


def _log_barrier(p: ProgramBuilder) -> UserFunction:
    edge = p.pick(0.1, 0.15)
    f = p.func(
        "barrier|log_barrier|ipc_barrier",
        {"d|gap": _F},
        lambda b, d: b.ret(choose(d > edge, -wp.log(d), 2.0 - d)),
    )

    def adjoint(b: Block, adj: list[Expr], d: Expr, seed: Expr) -> None:
        with b.when(d > edge):
            b.aug(adj[0], "-", seed / d)
        with b.otherwise():
            b.aug(adj[0], "-", seed)

    gradient(p, f, adjoint)
    return f


# --- derivatives ----------------------------------------------------------------------------------

_PROFILES: dict[str, Callable[[Expr], Expr]] = {
    "cubic|cubic_residual": lambda x: x * x * x - 2.0 * x - 1.0,
    "kepler_residual|kepler": lambda x: x - 0.4 * wp.sin(x) - 1.2,
    "exp_residual|growth": lambda x: wp.exp(0.5 * x) - 2.5,
    "tanh_residual|saturation": lambda x: wp.tanh(x) + 0.3 * x - 0.9,
    "quartic_well|double_well": lambda x: x * x * x * x - x * x + 0.3 * x,
    "gaussian|bump": lambda x: wp.exp(-0.5 * x * x) * 1.7,
    "lennard_jones|lj_shape": lambda x: 1.0 / (x * x * x * x) - 1.0 / (x * x),
    "logistic|sigmoid": lambda x: 1.0 / (1.0 + wp.exp(-x)),
}  # fmt: skip


def _profile(p: ProgramBuilder, *names: str) -> UserFunction:
    options = [n for n in _PROFILES if not names or n.split("|")[0] in names]
    name = p.pick(*options)
    return p.func(name, {"x|t|r": _F}, lambda b, x: b.ret(_PROFILES[name](x)))


def _newton(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "newton_roots|solve_scalar_equation|refine_roots|newton_iterate|find_roots",
        "Newton's method with the derivative from wp.grad.", "Roots of a scalar equation, one per thread.",
    )  # fmt: skip
    f = _profile(p, "cubic", "kepler_residual", "exp_residual", "tanh_residual")
    x = k.var("root|x_k|guess", e.field("initial_guess|x0|start", _F, R.uniform(1.2, 2.2)).own)
    limit = k.count("max_iterations|iterations|max_iter", p.pick(4, 6, 10, 20))
    tolerance = k.param("tolerance|tol|eps", 1.0e-5, 1.0e-3)
    p.kernel.options["enable_backward"] = False  # type: ignore[union-attr]
    count = k.var("count|n_iter|it", 0)
    style = p.pick("for", "while", "forever")
    if style == "for":
        with k.loop("_it|step|m", limit):
            r = k.let("r|fx|residual", f(x))
            with k.when(wp.abs(r) < tolerance):
                k.brk()
            _newton_update(p, k, f, x, r)
            k.aug(count, "+", 1)
    elif style == "while":
        with k.repeat(all_of(wp.abs(f(x)) > tolerance, count < limit)):
            _newton_update(p, k, f, x, f(x))
            k.aug(count, "+", 1)
    else:
        with k.repeat(Literal(True, T.BOOL)):
            r = k.let("r|fx|residual", f(x))
            with k.when(wp.abs(r) < tolerance):
                k.brk()
            with k.when(count >= limit):
                k.brk()
            _newton_update(p, k, f, x, r)
            k.aug(count, "+", 1)
    e.out("roots|solutions|x_out", _F).store(x)
    if p.chance(0.6):
        e.out("iteration_count|iterations_used|steps", T.I32).store(count)
    if p.chance(0.4):
        e.out("residuals|final_residual", _F).store(f(x))


def _newton_update(p: ProgramBuilder, k: KernelBuilder, f: UserFunction, x: Expr, r: Expr) -> None:
    slope = k.let("slope|dfdx|fp", derivative(f, x))
    match p.pick("plain", "damped", "clamped"):
        case "plain":
            k.aug(x, "-", r / slope)
        case "damped":
            k.aug(x, "-", p.pick(0.5, 0.8, 0.9) * r / slope)
        case _:
            change = k.let("dx|change", wp.clamp(r / slope, -0.5, 0.5))
            k.set(x, x - change)


def _potential(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "potential_forces|energy_gradient|force_from_potential|sdf_normals|field_gradient",
        "Forces as the negative derivative of a potential.", "Value and gradient of a scalar field.",
    )  # fmt: skip
    radial = p.chance(0.5)
    p.kernel.options["enable_backward"] = False  # type: ignore[union-attr]
    if radial:
        f = _profile(p, "gaussian", "lennard_jones", "logistic", "quartic_well")
        x = e.field("positions|points|x", T.VEC3, R.uniform(0.6, 2.0)).read("pos|x_i")
        center = k.quantity("center|origin|source", T.VEC3, [0.0, 0.1, -0.2])
        d = k.let("d|offset|rel", x - center)
        r = k.let("r|dist|radius_i", wp.length(d))
        slope = k.let("slope|dudr|du", derivative(f, r))
        e.out("forces|gradient|f_out", T.VEC3).store(d * (-slope / r))
        if p.chance(0.6):
            e.out("energies|potential|u_out", _F).store(f(r))
        return
    g = p.func(
        p.pick("torus_sdf|ring_distance", "ellipsoid_field|quadric", "gyroid|wave_field"),
        {"q|x|pt": T.VEC3},
        _field_body(p),
    )
    x = e.field("positions|points|x", T.VEC3, R.uniform(0.4, 1.6)).read("pos|x_i")
    normal = k.let("grad|g|slope", derivative(g, x))
    e.out("normals|gradients|n_out", T.VEC3).store(
        wp.normalize(normal) if p.chance(0.5) else normal
    )
    value = k.let("value|phi|f_x", g(x))
    e.out("values|field_out|phi_out", _F).store(value)
    if p.chance(0.4):
        e.out("projected|surface_points|snapped", T.VEC3).store(x - wp.normalize(normal) * value)


def _field_body(p: ProgramBuilder) -> Callable[..., None]:
    kind = p.pick("torus", "ellipsoid", "gyroid")

    def body(b: Block, q: Expr) -> None:
        if kind == "torus":
            ring = b.let("ring|rho", wp.sqrt(q.x * q.x + q.z * q.z) - 0.7)
            b.ret(wp.sqrt(ring * ring + q.y * q.y) - 0.2)
        elif kind == "ellipsoid":
            b.ret(q.x * q.x + 2.0 * q.y * q.y + 0.5 * q.z * q.z - 1.0)
        else:
            b.ret(wp.sin(q.x) * wp.cos(q.y) + wp.sin(q.y) * wp.cos(q.z) + wp.sin(q.z) * wp.cos(q.x))

    return body


# --- native snippets ------------------------------------------------------------------------------


def _native(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "native_activation|apply_native_kernel|fused_native|snippet_forward|native_response",
        "A few lines of C++ inside the kernel.", "Native code with its own adjoint.",
    )  # fmt: skip
    x = _scalar_input(p, e)
    f = p.pick(_native_square, _native_smooth, _native_fma, _native_polynomial)(p)
    e.guard()
    arguments = [x] if len(f.params) == 1 else [x, e.property("gain|slope|scale", 0.3, 2.0)]
    if len(f.params) == 3:
        arguments.append(k.param("offset|bias|shift", 0.1, 1.0))
    y = k.let("y|response|act", f(*arguments))
    for step in p.sample([_weigh, _square, _shift], 0, 2):
        y = k.let("y|term|r", step(p, k, e, y))
    e.out("outputs|y_out|result", _F).store(y)
    if p.chance(0.5):
        peak = k.out("peak|max_response|largest", _F, (1,), R.constant(-100.0))
        k.do(wp.atomic_max(peak, 0, y))


def _native_square(p: ProgramBuilder) -> UserFunction:
    return p.native(
        p.pick("square_native|native_square", "sq_cpp"),
        {"x": _F},
        _F,
        "    return x * x;",
        "    adj_x += 2.0f * x * adj_ret;" if p.chance(0.7) else "",
    )


def _native_smooth(p: ProgramBuilder) -> UserFunction:
    snippet = "    float t = x < 0.0f ? 0.0f : (x > 1.0f ? 1.0f : x);\n    return t * t * (3.0f - 2.0f * t);"
    adjoint = "    if (x > 0.0f && x < 1.0f)\n        adj_x += 6.0f * x * (1.0f - x) * adj_ret;"
    return p.native(
        "smoothstep_native|smooth_ramp|ramp_cpp",
        {"x": _F},
        _F,
        snippet,
        adjoint if p.chance(0.7) else "",
    )


def _native_fma(p: ProgramBuilder) -> UserFunction:
    adjoint = (
        "    adj_x += gain * adj_ret;\n    adj_gain += x * adj_ret;\n    adj_offset += adj_ret;"
    )
    return p.native(
        "affine_native|fused_affine|axpb",
        {"x": _F, "gain": _F, "offset": _F},
        _F,
        "    return gain * x + offset;",
        adjoint if p.chance(0.7) else "",
    )


def _native_polynomial(p: ProgramBuilder) -> UserFunction:
    a, b, c = p.pick(0.2, 0.35), p.pick(0.5, 0.8), p.pick(1.1, 1.4)
    snippet = f"    float acc = {a}f;\n    acc = acc * x + {b}f;\n    acc = acc * x + gain * {c}f;\n    return acc;"
    adjoint = f"    adj_x += ({2 * a:g}f * x + {b}f) * adj_ret;\n    adj_gain += {c}f * adj_ret;"
    return p.native(
        "horner_native|poly_cpp|calibration_curve",
        {"x": _F, "gain": _F},
        _F,
        snippet,
        adjoint if p.chance(0.7) else "",
    )


# --- overloads, function arguments, several results ------------------------------------------------


def _overloads(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "mixed_norms|overloaded_energy|measure_features|combined_penalty|norm_terms",
        "One name for scalars and for vectors.", "Overloaded helper functions.",
    )  # fmt: skip
    kind = p.pick("energy", "magnitude", "soft")
    base = p.func(
        {"energy": "energy|quadratic", "magnitude": "magnitude|size_of", "soft": "penalty|soft_norm"}[kind],
        {"x|v|a": _F}, lambda b, x: b.ret(_measure(kind, x, wp.abs(x), x * x)),
    )  # fmt: skip
    vec = T.Vec(p.pick(2, 3, 4), _F)
    other = overload(
        p, base, {"x|v|a": vec}, lambda b, v: b.ret(_measure(kind, v, wp.length(v), wp.dot(v, v)))
    )
    s = e.field("scalars|x|heights", _F, R.uniform(0.1, 2.0)).own
    v = e.field("vectors|points|offsets", vec, R.uniform(-1.0, 1.0)).own
    e.guard()
    weight = k.param("weight|balance|mix", 0.1, 0.9)
    total = k.let(
        "total|value|score",
        base(s) * weight + other(v) * (1.0 - weight)
        if p.chance(0.6)
        else base(s) + weight * other(v),
    )
    if p.chance(0.3):
        mat = T.MAT22 if p.chance(0.5) else T.MAT33
        third = overload(
            p,
            base,
            {"m|a": mat},
            lambda b, m: b.ret(_measure(kind, m, wp.abs(wp.trace(m)), wp.ddot(m, m))),
        )
        total = k.let(
            "full|score_all",
            total + third(e.field("matrices|tensors|frames", mat, R.near_identity(0.3)).own),
        )
    e.out("scores|values_out|energy_out", _F).store(total)


def _measure(kind: str, x: Expr, size: Expr, square: Expr) -> Expr:
    if kind == "energy":
        return 0.5 * square
    return size if kind == "magnitude" else wp.log(1.0 + square)


def _solver(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "integrate_function|quadrature_of|bisect_function|sample_function|march_function",
        "A numerical method that takes the function as an argument.", "Quadrature of a function argument.",
    )  # fmt: skip
    f = _profile(p, "gaussian", "logistic", "cubic", "tanh_residual")
    function = T.Opaque("Function")
    method = p.pick("trapezoid", "simpson", "bisect", "midpoint")
    n = p.pick(4, 8, 10)

    def body(b: Block, fn: Expr, low: Expr, high: Expr) -> None:
        g = f.through(fn)
        if method == "bisect":
            a, c = b.var("a|left", low), b.var("c|right", high)
            with b.loop("_i|step", n):
                mid = b.let("mid|m", 0.5 * (a + c))
                with b.when(g(a) * g(mid) <= 0.0):
                    b.set(c, mid)
                with b.otherwise():
                    b.set(a, mid)
            b.ret(0.5 * (a + c))
            return
        h = b.let("h|dx|width", (high - low) / float(n))
        total = b.var("total|acc|area", 0.0)
        with b.loop("i|s", n) as i:
            x = b.let("x|t", low + h * construct(_F, i))
            if method == "midpoint":
                b.aug(total, "+", g(x + 0.5 * h))
            elif method == "trapezoid":
                b.aug(total, "+", 0.5 * (g(x) + g(x + h)))
            else:
                b.aug(total, "+", (g(x) + 4.0 * g(x + 0.5 * h) + g(x + h)) / 6.0)
        b.ret(total * h)

    name = {
        "trapezoid": "trapezoid",
        "simpson": "simpson",
        "bisect": "bisect",
        "midpoint": "midpoint_rule",
    }[method]
    params: dict[str, T.Type] = {"fn|func|f": function, "low|a|x0": _F, "high|b|x1": _F}
    solve = p.func(f"{name}|{name}_of", params, body)
    low = e.field("lower|starts|a", _F, R.uniform(0.1, 0.8)).own
    high = k.param("upper|span_end|limit", 1.5, 2.5)
    e.guard()
    value = k.let("value|integral|answer", solve(f.ref, low, high))
    if p.chance(0.4):
        second = _profile(p, "gaussian", "quartic_well", "exp_residual")
        if second.name != f.name and second.name.split("_")[0] != f.name.split("_")[0]:
            value = k.let("both|combined", value + solve(second.ref, low, high))
    e.out("results|integrals|answers", _F).store(value)


def _brackets(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "table_range|rank_in_table|running_extremes|bracket_value|candidate_span",
        "Range and rank among the candidates of a table.", "Bracket a value by a table.",
    )  # fmt: skip
    p.kernel.options["enable_backward"] = False  # type: ignore[union-attr]
    x = _scalar_input(p, e)
    n = p.pick(3, 4, 6, 8)
    table = k.array("table|candidates|levels", _F, (n,), R.uniform(0.1, 2.0))
    low, high = k.var("low|smallest|lo", x), k.var("high|largest|hi", x)
    count = k.var("count|seen|number", 0)
    with k.loop("j|m|t", n if p.chance(0.5) else table.dim(0)) as j:
        v = k.let("v|candidate", table[j] * x if p.chance(0.5) else table[j])
        with k.when(v < low):
            k.set(low, v)
        with k.when(v > high):
            k.set(high, v)
        k.aug(count, "+", choose(v > x, 1, 0))
    with k.when(low > high - k.param("min_gap|resolution", 0.01, 0.2)):
        k.swap(low, high)
    e.out("ranges|spans", T.VEC2).store(construct(T.VEC2, low, high))
    e.out("above|ranks|position_in_table", T.I32).store(count)


def _pairs(p: ProgramBuilder) -> None:
    k, e = _start(
        p, "solve_quadratics|polar_coordinates|value_and_slope|split_parts|interval_arithmetic",
        "Two results at once.", "A function with several return values.",
    )  # fmt: skip
    kind = p.pick("polar", "value_slope", "interval", "roots")

    def body(b: Block, x: Expr, y: Expr) -> None:
        if kind == "polar":
            b.ret(wp.sqrt(x * x + y * y), wp.atan2(y, x))
        elif kind == "value_slope":
            b.ret(x * wp.exp(-y * x), wp.exp(-y * x) * (1.0 - y * x))
        elif kind == "interval":
            b.ret(wp.min(x * y, x - y), wp.max(x * y, x + y))
        else:
            root = b.let("root|disc", wp.sqrt(y * y + 4.0 * x))
            b.ret(0.5 * (y - root), 0.5 * (y + root))

    names = {
        "polar": "to_polar|polar",
        "value_slope": "value_and_slope|eval_pair",
        "interval": "bounds_of|interval",
        "roots": "quadratic_roots|both_roots",
    }
    f = p.func(names[kind], {"x|a|p0": _F, "y|b|p1": _F}, body)
    x, y = _scalar_input(p, e), e.property("other|b|decay", 0.2, 1.5)
    e.guard()
    if p.chance(0.5):
        pair = k.let("pair|both|res", f(x, y))
        first, second = pair[0], pair[1]
    elif p.chance(0.5):
        first, second = k.unpack(["first|r|lo", "second|theta|hi"], f(x, y))
    else:
        hints = {q.name: a for q, a in zip(f.params[1:], [y], strict=True)}
        first, second = k.unpack(["first|r|lo", "second|theta|hi"], f(x, **hints))
    e.out("first_out|radii|values", _F).store(first)
    if p.chance(0.7):
        e.out("second_out|angles|slopes", _F).store(second if p.chance(0.6) else second - first)
    if p.chance(0.4):
        k.do(wp.atomic_add(k.out("sum_out|total|accum", _F, (1,)), 0, first * second))
