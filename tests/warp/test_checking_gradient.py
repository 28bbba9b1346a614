"""The compiled adjoint is compared with differences: wrong ones fail, right ones pass."""

from dataclasses import replace

import pytest
from checked import array, compiled

from generator.checking.reverse_limits import known_limit
from generator.checking.runner import Runner

SOURCE = """\
import warp as wp


@wp.struct
class Weight:
    factors: wp.array[float]
    bias: float


@wp.func
def cube(x: float):
    return x * x * x


@wp.func_grad(cube)
def adj_cube(x: float, adj: float):
    wp.adjoint[x] += 3.0 * x * x * adj


@wp.func
def negated_cube(x: float):
    return x * x * x


@wp.func_grad(negated_cube)
def adj_negated_cube(x: float, adj: float):
    wp.adjoint[x] += -3.0 * x * x * adj


@wp.func
def slack_cube(x: float):
    return x * x * x


@wp.func_grad(slack_cube)
def adj_slack_cube(x: float, adj: float):
    wp.adjoint[x] += 3.2 * x * x * adj


@wp.func
def square_and_double(x: float):
    return x * x, 2.0 * x


@wp.kernel
def right_adjoint(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = cube(x[i])


@wp.kernel
def wrong_sign(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = negated_cube(x[i])


@wp.kernel
def wrong_factor(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = slack_cube(x[i])


@wp.kernel
def in_double_precision(x: wp.array[wp.float64], y: wp.array[wp.float64]):
    i = wp.tid()
    y[i] = wp.exp(x[i]) / (wp.float64(1.0) + x[i] * x[i])


@wp.kernel
def of_vectors(x: wp.array[wp.vec3], y: wp.array[float]):
    i = wp.tid()
    y[i] = wp.length(x[i]) + wp.dot(wp.normalize(x[i]), wp.vec3(1.0, 2.0, 3.0))


@wp.kernel
def sums(x: wp.array[float], total: wp.array[float]):
    i = wp.tid()
    wp.atomic_add(total, 0, wp.sin(x[i]))


@wp.kernel
def maximum(x: wp.array[float], top: wp.array[float]):
    i = wp.tid()
    wp.atomic_max(top, 0, x[i] * x[i] + 2.0)


@wp.kernel
def through_struct(weight: Weight, y: wp.array[float]):
    i = wp.tid()
    y[i] = weight.factors[i] * weight.factors[i] + weight.bias


@wp.kernel
def squares_in_place(y: wp.array[float]):
    i = wp.tid()
    y[i] = y[i] * y[i]


@wp.kernel
def bends_at_zero(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = wp.abs(x[i]) + wp.max(x[i], 0.0)


@wp.kernel
def steps(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = wp.floor(64.0 * x[i])


@wp.kernel
def counts(x: wp.array[float], y: wp.array[int]):
    i = wp.tid()
    y[i] = int(8.0 * x[i])


@wp.kernel
def numbers(y: wp.array[float]):
    i = wp.tid()
    y[i] = float(i)


@wp.kernel
def squares_a_sum(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    total = float(0.0)
    for k in range(x.shape[0]):
        total += x[k]
    y[i] = total * total


@wp.kernel
def assigns_a_component(x: wp.array[wp.vec3], y: wp.array[wp.vec3]):
    i = wp.tid()
    v = x[i]
    v.x = v.x * v.x
    y[i] = v


@wp.kernel
def keeps_a_tuple(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    both = (x[i], 2.0 * x[i])
    y[i] = both[0] * both[1]


@wp.kernel
def reads_through_a_pointer(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    view = wp.array(ptr=x.ptr, shape=(8,), dtype=float)
    y[i] = view[i] * 3.0


@wp.kernel
def sets_a_rotation(
    t: wp.array(dtype=wp.transform), q: wp.array(dtype=wp.quat), u: wp.array(dtype=wp.transform)
):
    i = wp.tid()
    pose = t[i]
    wp.transform_set_rotation(pose, q[i])
    u[i] = pose


@wp.kernel
def climbs_stairs(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    y[i] = wp.rint(x[i] * 4096.0) / 4096.0


@wp.kernel
def indexes_a_tuple(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    both = square_and_double(x[i])
    y[i] = both[0] + both[1]


@wp.kernel
def takes_a_fraction(x: wp.array[float], y: wp.array[float]):
    i = wp.tid()
    y[i] = wp.frac(x[i] * 0.3)
"""

T, U = array("in", "transform"), array("out", "transform")
Q = array("in", "quat")
X, Y = array("in"), array("out")
X64, Y64 = array("in", "float64"), array("out", "float64")
X3, Y3 = array("in", "vec3f"), array("out", "vec3f")
ZEROS = array("in", fill="zeros")
BIAS = {"kind": "value", "dtype": "float32", "value": 1.5}
WEIGHT = {"kind": "struct", "struct": "Weight", "fields": {"factors": X, "bias": BIAS}}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    return compiled(SOURCE, tmp_path_factory.mktemp("unit"))


@pytest.fixture(scope="module")
def runner():
    with Runner() as runner:
        yield runner


def gradient(runner, job):
    return runner.check(replace(job, checks=("gradient",))).gradient


RIGHT = {
    "right_adjoint": {"x": X, "y": Y},
    "in_double_precision": {"x": X64, "y": Y64},
    "of_vectors": {"x": X3, "y": Y},
    "sums": {"x": X, "total": Y},
    "maximum": {"x": X, "top": array("inout", fill="constant", value=-1.0e6)},
    "through_struct": {"weight": WEIGHT, "y": Y},
    "squares_in_place": {"y": array("inout")},
}


@pytest.mark.parametrize("kernel", RIGHT)
def test_a_right_adjoint_passes(kernel, make, runner):
    verdict = gradient(runner, make(kernel, **RIGHT[kernel]))
    assert verdict.outcome == "passed", verdict


@pytest.mark.parametrize("kernel", ["wrong_sign", "wrong_factor"])
def test_a_wrong_adjoint_fails(kernel, make, runner):
    verdict = gradient(runner, make(kernel, x=X, y=Y))
    assert (verdict.outcome, verdict.reason) == ("failed", "gradient_differs"), verdict


@pytest.mark.parametrize(
    ("kernel", "args", "outcome", "reason"),
    [
        ("counts", {"x": X, "y": array("out", "int32")}, "not_applicable", "output"),
        ("numbers", {"y": Y}, "not_applicable", "input"),
        ("bends_at_zero", {"x": ZEROS, "y": Y}, "inconclusive", "not_smooth"),
        ("steps", {"x": X, "y": Y}, "inconclusive", ""),
        ("squares_a_sum", {"x": X, "y": Y}, "inconclusive", "loop_state_not_replayed"),
        ("assigns_a_component", {"x": X3, "y": Y3}, "inconclusive", "component_assigned"),
        ("indexes_a_tuple", {"x": X, "y": Y}, "inconclusive", "tuple_indexed"),
        ("keeps_a_tuple", {"x": X, "y": Y}, "inconclusive", "tuple_indexed"),
        ("reads_through_a_pointer", {"x": X, "y": Y}, "inconclusive", "pointer_view"),
        ("sets_a_rotation", {"t": T, "q": Q, "u": U}, "inconclusive", "component_assigned"),
        ("climbs_stairs", {"x": X, "y": Y}, "inconclusive", "rounds_to_integers"),
        ("takes_a_fraction", {"x": X, "y": Y}, "inconclusive", "builtin_without_adjoint"),
    ],
)
def test_what_cannot_be_compared_says_why(kernel, args, outcome, reason, make, runner):
    verdict = gradient(runner, make(kernel, **args))
    assert verdict.outcome == outcome, verdict
    assert reason in verdict.reason


def test_code_without_an_adjoint_has_no_gradient(make, runner):
    job = replace(make("right_adjoint", x=X, y=Y), has_adjoint=False)
    assert gradient(runner, job).reason == "no_adjoint"


def test_the_bound_tells_apart_what_single_precision_can(make, runner):
    detail = gradient(runner, make("right_adjoint", x=X, y=Y)).detail
    tape, difference, bound = (float(part.split()[-1]) for part in detail.split(","))
    assert bound < 0.01 * abs(tape)
    detail = gradient(runner, make("in_double_precision", x=X64, y=Y64)).detail
    tape, difference, bound = (float(part.split()[-1]) for part in detail.split(","))
    assert abs(tape - difference) <= bound < 1e-6 * abs(tape)


@pytest.mark.parametrize(
    ("body", "limit"),
    [
        ("for k in range(8):\n        s += x[k]", ""),
        ("for k in range(-1, 2):\n        s += x[k]", ""),
        ("for k in range(17):\n        s += x[k]", "loop_state_not_replayed"),
        ("for k in range(4):\n        s += x[k]\n        break", "loop_state_not_replayed"),
        ("while s < 1.0:\n        s += x[0]", "loop_state_not_replayed"),
        ("for k in range(n):\n        x[k] = s", ""),
        ("v[0] = s", ""),
        ("v = wp.vec3(s)\n    v[0] = s", "component_assigned"),
        ("s = wp.tile_max(t)", "builtin_without_adjoint"),
    ],
)
def test_limits_of_reverse_code_are_seen_in_the_source(body, limit):
    assert known_limit(f"def f(x, n, v, t):\n    s = float(0.0)\n    {body}\n", "f") == limit


def test_limits_count_only_where_the_kernel_leads():
    assert known_limit(SOURCE, "right_adjoint") == ""
    assert known_limit(SOURCE, "indexes_a_tuple") == "tuple_indexed"
