"""Hand-written programs that between them use what changes the generated code.

Each has one kernel, named like its key.
"""

from generator.records import Program

SOURCES: dict[str, str] = {}

SOURCES["saxpy"] = """\
import warp as wp


@wp.kernel
def saxpy(a: float, x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    y[i] = a * x[i] + y[i]
"""

SOURCES["advance_sparks"] = '''\
import warp as wp

GRAVITY = wp.constant(wp.vec3(0.0, -9.81, 0.0))


@wp.struct
class Spark:
    position: wp.vec3
    velocity: wp.vec3
    age: float


@wp.struct
class Burst:
    lifetime: float
    drag: float
    origin: Spark


@wp.kernel
def advance_sparks(sparks: wp.array[Spark], burst: Burst, dt: float):
    """Moves every spark; those past their lifetime start over at the origin."""
    i = wp.tid()
    spark = sparks[i]
    # a spark that has burnt out is born again
    if spark.age > burst.lifetime:
        sparks[i] = burst.origin
        return

    v = spark.velocity + GRAVITY * dt - spark.velocity * (burst.drag * dt)
    spark.velocity = v
    spark.position = spark.position + v * dt
    spark.age = spark.age + dt
    sparks[i] = spark
'''

SOURCES["cubic_kernel_density"] = """\
import warp as wp


@wp.func
def cubic(q: float) -> float:
    if q < 1.0:
        return 1.0 - 1.5 * q * q + 0.75 * q * q * q
    if q < 2.0:
        t = 2.0 - q
        return 0.25 * t * t * t
    return 0.0


@wp.func
def pair_weight(xi: wp.vec3, xj: wp.vec3, h: float):
    return cubic(wp.length(xi - xj) / h)


@wp.kernel
def cubic_kernel_density(
    grid: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    h: float,
    density: wp.array(dtype=float),
):
    tid = wp.tid()
    i = wp.hash_grid_point_id(grid, tid)
    x = points[i]
    rho = float(0.0)
    for j in wp.hash_grid_query(grid, x, 2.0 * h):
        if j == i:
            continue
        rho += pair_weight(
            x,
            points[j],
            h,
        )
    density[i] = rho
"""

SOURCES["overloaded_energy"] = """\
import warp as wp


@wp.func
def energy(m: float, v: wp.vec3):
    return 0.5 * m * wp.dot(v, v)


@wp.func
def energy(m: float, v: wp.vec2):
    return 0.5 * m * (v[0] * v[0] + v[1] * v[1])


@wp.func
def energy(m: float, speed: float):
    return 0.5 * m * speed * speed


@wp.kernel
def overloaded_energy(
    m: wp.array[float], v3: wp.array[wp.vec3], v2: wp.array[wp.vec2], out: wp.array[float]
):
    i = wp.tid()
    out[i] = energy(m[i], v3[i]) + energy(m[i], v2[i]) + energy(m[i], 2.0)
"""

SOURCES["generic_lerp"] = """\
from typing import Any

import warp as wp


@wp.func
def mix(a: Any, b: Any, t: Any):
    s = type(t)(1.0) - t
    return a * s + b * t


@wp.kernel
def generic_lerp(a: wp.array(dtype=Any), b: wp.array(dtype=Any), t: Any, out: wp.array(dtype=Any)):
    i = wp.tid()
    out[i] = mix(a[i], b[i], t)


wp.overload(
    generic_lerp, [wp.array[wp.float32], wp.array[wp.float32], wp.float32, wp.array[wp.float32]]
)
wp.overload(
    generic_lerp, [wp.array[wp.float64], wp.array[wp.float64], wp.float64, wp.array[wp.float64]]
)
"""

SOURCES["one_overload"] = """\
from typing import Any

import warp as wp


@wp.kernel
def one_overload(
    values: wp.array(dtype=Any),
    limit: Any,
):

    i = wp.tid()
    v = values[i]
    if v > limit:
        values[i] = limit


wp.overload(one_overload, {"values": wp.array[wp.int32], "limit": wp.int32})
"""

SOURCES["polynomial_from_closure"] = """\
import warp as wp

DEGREE = 4


def make_horner(coefficients):
    @wp.func
    def horner(x: float):
        y = float(0.0)
        for k in range(wp.static(len(coefficients))):
            y = y * x + wp.static(coefficients[k])
        return y

    return horner


rising = make_horner([0.5, -1.0, 2.0])
falling = make_horner([-3.0, 0.25, 1.0, 0.125])


@wp.kernel
def polynomial_from_closure(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = rising(x[i]) - falling(x[i]) + float(wp.static(DEGREE * 2))
"""

SOURCES["functions_as_arguments"] = """\
import warp as wp


@wp.func
def smooth_step(x: float):
    return x * x * (3.0 - 2.0 * x)


@wp.func
def hard_step(x: float):
    return wp.where(x > 0.5, 1.0, 0.0)


@wp.func
def blend(f: wp.Function, a: float, b: float, t: float):
    w = f(t)
    return a + (b - a) * w


@wp.kernel
def functions_as_arguments(t: wp.array[float], out: wp.array2d[float]):
    i = wp.tid()
    out[i, 0] = blend(smooth_step, 0.0, 2.0, t[i])
    out[i, 1] = blend(hard_step, 0.0, 2.0, t[i])
    out[i, 2] = blend(smooth_step, 1.0, 3.0, t[i])
"""

SOURCES["safe_sqrt_gradient"] = """\
import warp as wp


@wp.func
def safe_sqrt(x: float):
    return wp.sqrt(wp.max(x, 0.0))


@wp.func_grad(safe_sqrt)
def adj_safe_sqrt(x: float, adj_ret: float):
    if x > 0.0:
        wp.adjoint[x] += 0.5 / wp.sqrt(x) * adj_ret


@wp.kernel
def safe_sqrt_gradient(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = safe_sqrt(x[i]) * 2.0
"""

SOURCES["replayed_counter"] = """\
import warp as wp


@wp.func
def reserve(counter: wp.array[int], slots: wp.array[int], i: int):
    slot = wp.atomic_add(counter, 0, 1)
    slots[i] = slot
    return slot


@wp.func_replay(reserve)
def replay_reserve(counter: wp.array[int], slots: wp.array[int], i: int):
    return slots[i]


@wp.kernel
def replayed_counter(
    x: wp.array[float], counter: wp.array[int], slots: wp.array[int], packed: wp.array[float]
):
    i = wp.tid()
    if x[i] <= 0.0:
        return
    slot = reserve(counter, slots, i)
    packed[slot] = x[i] * x[i]
"""

SOURCES["native_rsqrt"] = '''\
import warp as wp

snippet = """
    // one Newton step
    float y = 1.0f / sqrtf(x);  // first guess
    const char* tag = "not // a comment";
\treturn tag ? y * (1.5f - 0.5f * x * y * y) : 0.0f;
"""
adj_snippet = """
    float y = 1.0f / sqrtf(x);
    adj_x += -0.5f * y * y * y * adj_ret;
"""


@wp.func_native(snippet, adj_snippet=adj_snippet)
def native_rsqrt_of(x: float) -> float: ...


@wp.kernel
def native_rsqrt(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = native_rsqrt_of(x[i] + 1.0)
'''

SOURCES["tile_row_sums"] = """\
import warp as wp

ROWS = wp.constant(8)
COLS = wp.constant(16)
WIDE = wp.constant(4)


@wp.func
def squared(x: float):
    return x * x


@wp.kernel
def tile_row_sums(a: wp.array2d[float], b: wp.array2d[float], sums: wp.array[float]):
    i, j = wp.tid()
    t = wp.tile_load(a, shape=(ROWS, COLS), offset=(i * ROWS, j * COLS), storage="shared")
    u = wp.tile_map(squared, t)
    s = wp.tile_sum(u)
    wp.tile_store(b, u + t, offset=(i * ROWS, j * COLS))
    wp.tile_store(sums, s, offset=(i * WIDE + j))
"""

SOURCES["tile_gemm"] = """\
import warp as wp

M = wp.constant(16)
K = wp.constant(8)


@wp.kernel
def tile_gemm(a: wp.array2d[float], b: wp.array2d[float], c: wp.array2d[float]):
    i, j = wp.tid()
    acc = wp.tile_zeros(shape=(M, M), dtype=wp.float32)
    for k in range(0, a.shape[1] // K):
        ta = wp.tile_load(a, shape=(M, K), offset=(i * M, k * K))
        tb = wp.tile_load(b, shape=(K, M), offset=(k * K, j * M))
        wp.tile_matmul(ta, tb, acc)
    wp.tile_store(c, acc, offset=(i * M, j * M))
"""

SOURCES["tile_from_threads"] = """\
import warp as wp


@wp.kernel
def tile_from_threads(x: wp.array[float], total: wp.array[float], widths: wp.array[int]):
    i = wp.tid()
    t = wp.tile(x[i] * 2.0)
    s = wp.tile_sum(t)
    widths[i] = wp.block_dim()
    wp.tile_atomic_add(total, s, offset=0)
"""

SOURCES["tile_untiled"] = """\
import warp as wp


@wp.func
def doubled(t: wp.tile[float, 4, 4]):
    return wp.tile_sum(t + t)


@wp.kernel(enable_backward=False)
def tile_untiled(x: wp.array[float], m: wp.array2d[float], y: wp.array[float]):
    i = wp.tid()
    t = wp.tile(x[i] + 0.5)
    y[i] = wp.untile(t + t) - 1.0
    q = wp.tile_load(m, shape=(4, 4))
    wp.tile_store(y, doubled(q))
"""

SOURCES["nested_loops"] = """\
import warp as wp


@wp.kernel
def nested_loops(n: int, m: int, x: wp.array2d[float], y: wp.array[float]):
    row = wp.tid()
    total = float(0.0)
    for i in range(n):
        scale = float(i) + 1.0
        for j in range(m):
            if x[i, j] > 0.0:
                total += x[i, j] * scale
            else:
                total -= 0.5 * x[i, j]
        if total > 100.0:
            for k in range(3):
                total = total * 0.5 + float(k)
    for i in range(20):
        total = total + wp.sin(float(i))
    y[row] = total
"""

SOURCES["newton_roots"] = """\
import warp as wp


@wp.kernel
def newton_roots(targets: wp.array[float], roots: wp.array[float], steps: wp.array[int]):
    i = wp.tid()
    x = float(1.0)
    count = int(0)
    while count < 32 and wp.abs(x * x - targets[i]) > 1.0e-6:
        x = x - (x * x - targets[i]) / (2.0 * x)
        count = count + 1
        if x != x:
            break
        if count % 2 == 0:
            continue
        x = wp.max(
            x,
            1.0e-3,
        )
    roots[i] = x
    steps[i] = count
"""

SOURCES["unrolled_stencil"] = """\
import warp as wp

WEIGHTS = wp.constant(wp.vec3(0.25, 0.5, 0.25))


@wp.kernel
def unrolled_stencil(src: wp.array3d[float], dst: wp.array3d[float]):
    i, j, k = wp.tid()
    if i == 0 or j == 0 or k == 0:
        dst[i, j, k] = src[i, j, k]
        return
    if i >= src.shape[0] - 1 or j >= src.shape[1] - 1 or k >= src.shape[2] - 1:
        dst[i, j, k] = src[i, j, k]
        return
    acc = float(0.0)
    for di in range(3):
        for dj in range(3):
            for dk in range(3):
                w = WEIGHTS[di] * WEIGHTS[dj] * WEIGHTS[dk]
                acc += w * src[i + di - 1, j + dj - 1, k + dk - 1]
    dst[i, j, k] = acc
"""

SOURCES["early_returns"] = """\
import warp as wp


@wp.func
def classify(x: float, lo: float, hi: float) -> int:
    if x < lo:
        return -1
    elif x > hi:
        return 1
    return 0


@wp.func
def split(v: wp.vec3):
    n = wp.length(v)
    if n == 0.0:
        return wp.vec3(), 0.0
    return v / n, n


@wp.kernel
def early_returns(v: wp.array[wp.vec3], kinds: wp.array[wp.int8], out: wp.array[float]):
    i = wp.tid()
    kind = classify(v[i][0], -1.0, 1.0)
    kinds[i] = wp.int8(kind)
    if kind < 0:
        return
    direction, length = split(v[i])
    if kind > 0 and length > 2.0:
        out[i] = length
        return
    out[i] = direction.y if length > 1.0 else direction.z
"""

SOURCES["mesh_distance"] = """\
import warp as wp


@wp.kernel(enable_backward=False)
def mesh_distance(
    mesh: wp.uint64, points: wp.array[wp.vec3], max_dist: float, out: wp.array[float]
):
    i = wp.tid()
    p = points[i]
    query = wp.mesh_query_point(mesh, p, max_dist)
    if not query.result:
        out[i] = max_dist
        return
    closest = wp.mesh_eval_position(mesh, query.face, query.u, query.v)
    out[i] = query.sign * wp.length(closest - p)
    hits = int(0)
    lower = p - wp.vec3(0.1)
    upper = p + wp.vec3(0.1)
    for face in wp.mesh_query_aabb(mesh, lower, upper):
        hits += face
    wp.atomic_add(out, 0, float(hits))
"""

SOURCES["double_rotation"] = """\
import warp as wp


@wp.kernel
def double_rotation(
    q: wp.array[wp.quatd],
    x: wp.array[wp.vec3d],
    m: wp.array[wp.mat33d],
    out: wp.array[wp.vec3d],
):
    i = wp.tid()
    half = wp.float64(0.5)
    r = wp.quat_rotate(wp.normalize(q[i]), x[i])
    out[i] = m[i] @ r * half + wp.vec3d(wp.float64(1.0e-3))
"""

SOURCES["bounded_blocks"] = """\
import warp as wp


@wp.kernel(launch_bounds=(128, 2), enable_backward=False)
def bounded_blocks(x: wp.array2d[wp.float16], y: wp.array2d[float]):
    i, j = wp.tid()
    y[i, j] = float(x[i, j]) * 2.0
"""

SOURCES["unique_module"] = """\
import warp as wp


@wp.func
def halved(x: float):
    return x * 0.5


@wp.kernel(module="unique", module_options={"fast_math": True})
def unique_module(x: wp.array[float]):
    i = wp.tid()
    x[i] = halved(x[i])
"""

SOURCES["lean_launch"] = """\
import warp as wp


@wp.kernel(grid_stride=False)
def lean_launch(state: wp.array[wp.uint32], out: wp.array[wp.bfloat16]):
    i = wp.tid()
    rng = wp.rand_init(42, i)
    state[i] = rng
    out[i] = wp.bfloat16(wp.randf(rng))
"""

SOURCES["same_struct_name_twice"] = """\
import warp as wp


def make_pair(dtype):
    @wp.struct
    class Pair:
        first: dtype
        second: dtype

    @wp.func
    def total(p: Pair):
        return p.first + p.second

    return Pair, total


FloatPair, total_float = make_pair(wp.float32)
VectorPair, total_vector = make_pair(wp.vec3)


@wp.kernel
def same_struct_name_twice(a: FloatPair, b: wp.array[VectorPair], out: wp.array[wp.vec3]):
    i = wp.tid()
    out[i] = total_vector(b[i]) * total_float(a)
    local = VectorPair()
    local.first = out[i]
    local.second = wp.vec3(1.0)
    b[i] = local
"""

SOURCES["library_functions"] = """\
import warp as wp


@wp.func
def norm_l1(v: wp.vec3):
    return wp.abs(v[0]) + wp.abs(v[1]) + wp.abs(v[2])


@wp.func
def paraboloid(x: float, y: float):
    return x * x + 3.0 * y * y


@wp.kernel(enable_backward=False)
def library_functions(x: wp.array[wp.vec3], out: wp.array[float]):
    i = wp.tid()
    dx, dy = wp.grad(paraboloid)(x[i][0], x[i][1])
    smooth = wp.norm_huber(x[i], 0.5)
    v = wp.velocity_at_point(wp.spatial_vector(x[i], x[i]), x[i])
    out[i] = norm_l1(x[i]) + wp.norm_l1(x[i]) + dx * dy + smooth + v[0]
"""

SOURCES["rebound_after_loop"] = """\
import warp as wp


@wp.kernel
def rebound_after_loop(n: int, x: wp.array[float], out: wp.array[float]):
    i = wp.tid()
    best = x[i]
    if best > 0.0:
        for j in range(n):
            best = wp.min(best, x[j])
    out[i] = best
    if out[i] < 0.0: out[i] = 0.0; return
    message = (best > 1.0 and
               x[0] > 1.0) or x[0] < -1.0
    if message:
        wp.printf("row // %d\\n", i)
    assert best < 10.0, "too large // here"
"""

SOURCES["loops_at_the_end"] = """\
import warp as wp


@wp.func
def collatz_steps(start: int):
    n = start
    steps = int(0)
    while n > 1:
        if n % 2 == 0:
            n = n / 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@wp.func
def one_line(x: float) -> float: return x * 3.0


@wp.kernel
def loops_at_the_end(n: int, x: wp.array[float], out: wp.array[float]):
    i = wp.tid()
    scale = x[i]
    if scale > 0.0:
        scale = scale * one_line(2.0)
        for j in range(n):
            out[i] += x[j] * scale
    for j in range(n):
        if x[j] > scale:
            break
        k = int(0)
        while k < j:
            k = k + collatz_steps(k + 2)
            out[k] = scale - x[j]
"""

SOURCES["captured_settings"] = """\
import warp as wp


@wp.struct
class Settings:
    gain: float
    offset: wp.vec2


settings = Settings()
settings.gain = 2.5
settings.offset = wp.vec2(1.0, -1.0)


@wp.kernel
def captured_settings(given: Settings, x: wp.array[wp.vec2]):
    i = wp.tid()
    local = wp.static(settings)
    x[i] = x[i] * (local.gain + given.gain) + local.offset
"""

LAUNCH_BLOCK_DIMS = {"tile_row_sums": 64, "tile_from_threads": 128}

# what Warp refuses, and why
REFUSED: dict[str, tuple[str, str]] = {
    "no_such_builtin": (
        "warp_codegen_error",
        "import warp as wp\n\n@wp.kernel\ndef no_such_builtin(x: wp.array[float]):\n"
        "    i = wp.tid()\n    x[i] = wp.frobnicate(x[i])\n",
    ),
    "mixed_types": (
        "warp_codegen_error",
        "import warp as wp\n\n@wp.kernel\ndef mixed_types(x: wp.array[float]):\n"
        "    i = wp.tid()\n    x[i] = x[i] * i\n",
    ),
    "broken_syntax": ("python_syntax_error", "import warp as wp\n\ndef broken_syntax(:\n"),
    "missing_name": (
        "python_definition_error",
        "import warp as wp\n\n@wp.kernel\ndef missing_name(x: NoSuchType):\n    i = wp.tid()\n",
    ),
    "no_kernel": ("kernel_not_found", "import warp as wp\n"),
    "never_instantiated": (
        "no_kernel_instance",
        "from typing import Any\nimport warp as wp\n\n@wp.kernel\n"
        "def never_instantiated(x: wp.array(dtype=Any)):\n    i = wp.tid()\n",
    ),
    "wrong_untile": (
        "warp_codegen_error",
        "import warp as wp\n\n@wp.kernel\ndef wrong_untile(x: wp.array[float]):\n"
        "    i = wp.tid()\n    t = wp.tile_load(x, shape=32)\n    x[i] = wp.untile(t)\n",
    ),
}


def program(name: str, python: str | None = None) -> Program:
    """The record of a hand-written program."""
    return Program(
        index=0,
        seed=0,
        category="hand_written",
        kernel_name=name,
        python=SOURCES[name] if python is None else python,
        features=(),
        builtins=(),
        launch={"options": {"block_dim": LAUNCH_BLOCK_DIMS.get(name, 256)}},
    )
