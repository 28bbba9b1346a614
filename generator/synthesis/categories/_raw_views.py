"""Arrays laid over the memory of others: matrices, blocks and sections of one flat buffer."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, wp
from generator.synthesis.builtins import tile as call_as
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Attribute, Expr, Operand

_BYTES = {T.F32: 4, T.F64: 8, T.I32: 4}


def raw_views(p: ProgramBuilder) -> None:
    """One of the intents below."""
    p.weighted({_matrix_rows: 1.5, _sections: 1.5, _blocks: 1.2, _components: 1.0})(p)


def laid_over(
    flat: Expr, dtype: T.Scalar, shape: tuple[Operand, ...], offset: Expr | None = None
) -> Expr:
    """``wp.array(ptr=…, shape=…, dtype=…)`` on the memory of `flat`, `offset` elements further on."""
    start: Expr = Attribute(flat, "ptr", T.U64)
    if offset is not None:
        start = start + cast(T.U64, offset * _BYTES[T.scalar_of(flat.type)])
    return call_as("array", T.Array(dtype, len(shape)), ptr=start, shape=shape, dtype=dtype)


def _matrix_rows(p: ProgramBuilder) -> None:
    """A flat parameter vector read as a matrix."""
    t = p.weighted({T.F32: 4, T.F64: 1})
    k = p.kernel_builder(
        "apply_flat_matrix|matvec_flat|linear_from_params|project_rows|flat_matvec",
        p.pick("Product with a matrix stored in a flat buffer.", "Rows of a flat weight vector."),
    )
    rows, cols = p.pick(16, 32, 48), p.pick(6, 8, 12)
    k.launch_dim = (rows,)
    i = k.let("row|i|r", wp.tid())
    params = k.array("params|weights_flat|buffer", t, (rows * (cols + 1),), R.uniform(-1.0, 1.0))
    x = k.array("x|features|inputs", t, (cols,), R.uniform(-1.0, 1.0))
    n, m = k.count("num_rows|rows|n_out", rows), k.count("num_cols|cols|n_in", cols)
    weights = k.let("weights|matrix|w", laid_over(params, t, (n, m)))
    total = k.var("total|acc|y_i", 0.0, t)
    if p.chance(0.5):
        bias = k.let("bias|offsets|b", laid_over(params, t, (n,), n * m))
        k.aug(total, "+", bias[i])
    with k.loop("j|col|c", m) as j:
        k.aug(total, "+", weights[i, j] * x[j])
    value: Expr = wp.tanh(total) if p.chance(0.3) else wp.max(total, 0.0)
    k.set(k.out("y|outputs|result", t, (rows,))[i], value if p.chance(0.5) else total)


def _sections(p: ProgramBuilder) -> None:
    """Positions and velocities as the two halves of one state vector."""
    t = p.weighted({T.F32: 4, T.F64: 1})
    k = p.kernel_builder(
        "step_packed_state|ode_rhs|oscillator_rates|advance_state_vector|packed_dynamics",
        p.pick("State vector split into its sections.", "Right-hand side on a packed state."),
    )
    n = p.pick(32, 64, 100)
    k.launch_dim = (n,)
    i = k.let("i|tid|dof", wp.tid())
    state = k.array("state|y|packed", t, (2 * n,), R.uniform(-1.0, 1.0))
    rates = k.out("rates|dydt|state_out", t, (2 * n,))
    size = k.count("n|num_dofs|count", n)
    q = k.let("q|positions|x", laid_over(state, t, (size,)))
    v = k.let("v|velocities|qd", laid_over(state, t, (size,), size))
    stiffness = k.param("stiffness|omega_sq|k", 0.5, 9.0, t)
    damping = k.param("damping|c|gamma", 0.01, 0.5, t)
    force = k.var("force|a|accel", -stiffness * q[i] - damping * v[i])
    if p.chance(0.5):
        with k.when(i > 0):
            k.aug(force, "+", stiffness * (q[i - 1] - q[i]))
    if p.chance(0.5):
        dt = k.param("dt|h|step", 0.001, 0.05, t)
        faster = k.let("v_next|v_new", v[i] + dt * force)
        k.set(rates[i], q[i] + dt * faster)
        k.set(rates[size + i], faster)
        return
    k.set(rates[i], v[i])
    k.set(rates[size + i], force)


def _blocks(p: ProgramBuilder) -> None:
    """Small matrices of different groups, one after the other in one buffer."""
    k = p.kernel_builder(
        "sum_blocks|block_traces|reduce_packed_blocks|block_norms|block_diagonals",
        p.pick("One packed square block per thread.", "Blocks of a flat buffer."),
    )
    count, size = p.pick(24, 32, 64), p.pick(3, 4, 5)
    k.launch_dim = (count,)
    b = k.let("b|block|tid", wp.tid())
    data = k.array("data|values|packed", T.F32, (count * size * size,), R.uniform(-1.0, 1.0))
    n = k.count("block_size|n|size", size)
    block = k.let("block_view|view|a", laid_over(data, T.F32, (n, n), b * n * n))
    total = k.var("total|acc|trace_b", 0.0)
    what = p.pick("trace", "norm", "skew")
    with k.loop("r|i|row", n) as r:
        if what == "trace":
            k.aug(total, "+", block[r, r])
        else:
            with k.loop("c|j|col", n) as c:
                value = k.let(
                    "value|e", block[r, c] if what == "norm" else block[r, c] - block[c, r]
                )
                k.aug(total, "+", value * value)
    out = k.out("totals|result|per_block", T.F32, (count,))
    k.set(out[b], total if what == "trace" else wp.sqrt(total))


def _components(p: ProgramBuilder) -> None:
    """An array of vectors read as numbers."""
    k = p.kernel_builder(
        "flatten_vectors|scale_components|component_view|as_flat_array|max_component",
        p.pick("Components of a vector array as one flat array.", "Flat view of the vectors."),
    )
    n = p.pick(32, 64, 100)
    vectors = k.array("vectors|points|forces", T.VEC3, (n,), R.uniform(-2.0, 2.0))
    k.launch_dim = (3 * n,)
    i = k.let("i|c|tid", wp.tid())
    flat = k.let("flat|components|view", laid_over(vectors, T.F32, (vectors.dim(0) * 3,)))
    _component_result(p, k, i, flat[i], n)


def _component_result(p: ProgramBuilder, k: KernelBuilder, i: Expr, value: Expr, n: int) -> None:
    match p.pick("scale", "largest", "weighted"):
        case "scale":
            k.set(
                k.out("out|scaled|dst", T.F32, (3 * n,))[i], value * k.param("scale|gain", 0.2, 4.0)
            )
        case "largest":
            largest = k.out("largest|max_component|peak", T.F32, (1,))
            k.do(wp.atomic_max(largest, 0, wp.abs(value)))
        case _:
            weights = k.array("weights|axis_scale", T.F32, (3,), R.uniform(0.5, 2.0))
            total = k.out("weighted_norm|energy|total", T.F32, (1,))
            k.do(wp.atomic_add(total, 0, weights[i % 3] * value * value))
