"""One module with a kernel for each construct that the oracle replays, and their arguments."""

import ast

DIM = [12]


def _array(dtype: str, role: str, fill: str, shape: tuple[int, ...] = (16,), **more):
    return {"kind": "array", "dtype": dtype, "role": role, "fill": fill, "shape": shape} | more


_WIDE = {"low": -3.0, "high": 3.0}
_WHOLE = {"low": -9, "high": 10}
_POINT = {"kind": "array", "dtype": "vec3", "fill": "uniform", **_WIDE}
_MASS = {"kind": "array", "dtype": "float32", "fill": "uniform", "low": 0.5, "high": 2.0}

# Arguments by the name of the parameter; those that kernels write are "out" or "inout".
ARGUMENTS = {
    "x": _array("float32", "in", "uniform", **_WIDE),
    "x64": _array("float64", "in", "uniform", **_WIDE),
    "x16": _array("float16", "in", "uniform", **_WIDE),
    "n": _array("int32", "in", "integers", **_WHOLE),
    "n8": _array("int8", "in", "integers", low=-120, high=120),
    "bits": _array("uint32", "in", "integers", low=0, high=2**32),
    "flag": _array("bool", "in", "mask", share=0.5),
    "a": _array("float32", "in", "uniform", (16, 4), **_WIDE),
    "p": _array("vec3", "in", "uniform", **_WIDE),
    "q": _array("quat", "in", "rotations"),
    "m": _array("mat33", "in", "uniform", **_WIDE),
    "poses": _array("transform", "in", "rigid", **_WIDE),
    "edges": _array("float32", "in", "ascending", (9,), **_WIDE),
    "y": _array("float32", "out", "zeros"),
    "y64": _array("float64", "out", "zeros"),
    "y16": _array("float16", "out", "zeros"),
    "k": _array("int32", "out", "zeros"),
    "k8": _array("int8", "out", "zeros"),
    "out_bits": _array("uint32", "out", "zeros"),
    "out_flag": _array("bool", "out", "zeros"),
    "b": _array("float32", "inout", "uniform", (16, 4), **_WIDE),
    "points": _array("vec3", "inout", "uniform", **_WIDE),
    "matrices": _array("mat33", "out", "zeros"),
    "out_poses": _array("transform", "out", "zeros"),
    "sums": _array("float32", "out", "zeros", (2,)),
    "count": _array("int32", "out", "zeros", (2,)),
    "bodies": {
        "kind": "struct_array",
        "struct": "Body",
        "role": "inout",
        "shape": [16],
        "fields": {"position": _POINT, "mass": _MASS},
    },
    "body": {
        "kind": "struct",
        "struct": "Body",
        "fields": {
            "position": {"kind": "value", "dtype": "vec3", "value": [1.0, 2.0, 3.0]},
            "mass": {"kind": "value", "dtype": "float32", "value": 1.5},
        },
    },
    "scale": {"kind": "value", "dtype": "float32", "value": 0.3},
    "grid": {"kind": "hash_grid", "points": "p", "radius": 1.1, "cells": 4},
    "volume": {
        "kind": "volume",
        "dtype": "float32",
        "resolution": 8,
        "voxel": 0.5,
        "background": 0.0,
        "field": "sphere",
    },
    "scale64": {"kind": "value", "dtype": "float64", "value": 0.3},
}

MODULE = """\
import math
from enum import IntEnum
from typing import Any

import warp as wp

wp.set_module_options({"enable_backward": False})

GAIN = wp.constant(1.7)
COUNT = 3
AXIS = wp.constant(wp.vec3(0.0, 1.0, 0.5))
mat23 = wp.types.matrix(shape=(2, 3), dtype=float)


class Kind(IntEnum):
    FIXED = 0
    FREE = 2


@wp.struct
class Body:
    position: wp.vec3
    mass: float


@wp.func
def square(v: float) -> float:
    return v * v


@wp.func
def energy(v: float) -> float:
    return 0.5 * v


@wp.func
def energy(v: wp.vec3) -> float:
    return 0.5 * wp.dot(v, v)


@wp.func
def blended(u: Any, v: Any, t: float = 0.25):
    if t > 1.0:
        return v
    return u + (v - u) * t


@wp.func
def split(v: float):
    return wp.floor(v), v - wp.floor(v)


@wp.func
def changed(v: wp.vec3):
    v[0] = 5.0
    v.y += 1.0
    return v


@wp.func
def applied(f: wp.Function, v: float):
    return f(v)


@wp.kernel
def plain(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    y[i] = 2.0 * x[i] + 1.0


@wp.kernel
def constants(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    y[i] = x[i] * GAIN + AXIS.y * float(COUNT) + float(Kind.FREE) + wp.static(math.sqrt(2.0)) + wp.pi


@wp.kernel
def rounding(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    total = float(0.0)
    step = 0.1
    for j in range(50):
        total += step * x[i] + 1.0e-7
        total = total - x[(i + j) % 16] / 3.0
    y[i] = total


@wp.kernel
def whole_numbers(n: wp.array(dtype=int), k: wp.array(dtype=int)):
    i = wp.tid()
    d = n[i]
    if d == 0:
        d = 4
    e = n[i + 1]
    k[i] = e / d + 100 * (e % d) + 10000 * (e // d) + ((e << 3) ^ (e >> 1)) - (e & 6 | 1) + ~e


@wp.kernel
def overflow(bits: wp.array(dtype=wp.uint32), k: wp.array(dtype=int), out_bits: wp.array(dtype=wp.uint32)):
    i = wp.tid()
    h = bits[i] * wp.uint32(2654435761)
    h = (h ^ (h >> wp.uint32(15))) + wp.uint32(0x9E3779B9)
    out_bits[i] = h
    k[i] = int(h) * 31 + 2147483647


@wp.kernel
def small_integers(n8: wp.array(dtype=wp.int8), k8: wp.array(dtype=wp.int8)):
    i = wp.tid()
    k8[i] = n8[i] + n8[i + 1] * wp.int8(3)


@wp.kernel
def conversions(x: wp.array(dtype=float), k: wp.array(dtype=int), y: wp.array(dtype=float)):
    i = wp.tid()
    k[i] = int(x[i] * 10.0)
    y[i] = float(k[i]) + float(wp.float64(0.1) * wp.float64(x[i])) + float(x[i] > 0.0)


@wp.kernel
def double_precision(x64: wp.array(dtype=wp.float64), scale64: wp.float64, y64: wp.array(dtype=wp.float64)):
    i = wp.tid()
    y64[i] = wp.sin(x64[i]) * scale64 + wp.float64(0.1) / (x64[i] * x64[i] + x64.dtype(1.0))


@wp.kernel
def half_precision(x16: wp.array(dtype=wp.float16), y16: wp.array(dtype=wp.float16)):
    i = wp.tid()
    y16[i] = x16[i] * x16[i] + wp.float16(0.1)


@wp.kernel
def functions(x: wp.array(dtype=float), p: wp.array(dtype=wp.vec3), y: wp.array(dtype=float)):
    i = wp.tid()
    low, rest = split(x[i])
    y[i] = energy(x[i]) + energy(p[i]) + low * rest + blended(x[i], 2.0) + applied(square, x[i])
    y[i] = y[i] + wp.length(blended(p[i], p[i + 1], 0.5))


@wp.kernel
def control_flow(x: wp.array(dtype=float), n: wp.array(dtype=int), y: wp.array(dtype=float)):
    i = wp.tid()
    if n[i] < 0 and x[i] > 0.0 or not (n[i] < 5):
        y[i] = -1.0
        return
    total = float(0.0)
    for j in range(n[i], 12, 3):
        if j == 7:
            continue
        if total > 20.0:
            break
        total += float(j) * (x[i] if -1.0 < x[i] <= 2.0 else 0.5)
    else:
        total = -5.0
    while total > 4.0:
        total = total * 0.5
    for j in reversed(range(3)):
        total = total * 2.0 + float(j)
    y[i] = total


@wp.kernel
def builtins(x: wp.array(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    v = x[i]
    y[i] = wp.exp(v) + wp.log(abs(v) + 0.1) + wp.clamp(v, -0.5, 0.5) + wp.round(v * 3.0) + wp.sign(v)
    y[i] += wp.atan2(v, 0.3) + max(v, 0.2) * min(v, 0.7) + v % 0.7 + wp.pow(abs(v), 1.5) + v ** 2.0
    y[i] += wp.where(v > 0.0, 1.0, 2.0) + wp.acos(wp.clamp(v, -1.0, 1.0)) + wp.frac(v) + wp.lerp(v, 1.0, 0.3)


@wp.kernel
def vectors(p: wp.array(dtype=wp.vec3), points: wp.array(dtype=wp.vec3), y: wp.array(dtype=float)):
    i = wp.tid()
    u = p[i]
    v = u
    v[1] = 2.0
    v.z -= 0.5
    w = wp.cross(u, v) / 2.0 - 3.0 * wp.cw_mul(u, changed(v))
    points[i] = wp.normalize(w) + wp.vec3(1.0)
    points[i][0] = v[0] + float(len(v))
    points[i].y += u[-1]
    y[i] = wp.dot(u, v) + wp.length_sq(w) + wp.max(u) + v[1]


@wp.kernel
def matrices_and_rotations(
    m: wp.array(dtype=wp.mat33),
    p: wp.array(dtype=wp.vec3),
    q: wp.array(dtype=wp.quat),
    poses: wp.array(dtype=wp.transform),
    matrices: wp.array(dtype=wp.mat33),
    points: wp.array(dtype=wp.vec3),
    out_poses: wp.array(dtype=wp.transform),
):
    i = wp.tid()
    a = m[i] * wp.transpose(m[i + 1]) + 0.5 * wp.identity(n=3, dtype=float)
    a[0, 1] = 3.0
    s = mat23(1.0, 2.0, 3.0, 4.0, 5.0, 6.0) @ a
    matrices[i] = wp.outer(a[1], p[i]) + wp.quat_to_matrix(q[i] * q[i + 1])
    r = wp.quat_rotate(q[i], p[i]) + wp.quat_rotate_inv(poses[i].q, poses[i].p)
    points[i] = r * wp.determinant(a) + wp.vec3(s[0, 0], s[1, 2], wp.trace(a)) + a[2]
    out_poses[i] = poses[i] * wp.transform(p[i], wp.normalize(q[i]))


@wp.kernel
def structures(bodies: wp.array(dtype=Body), body: Body, y: wp.array(dtype=float)):
    i = wp.tid()
    own = bodies[i]
    other = own
    other.position = other.position * 2.0 + body.position
    other.position[1] = 7.0
    made = Body()
    made.mass = own.mass + body.mass
    bodies[i] = other
    bodies[i].mass = made.mass
    y[i] = own.position[1] + other.position[1] + Body(body.position, 3.0).mass


@wp.kernel
def views(a: wp.array2d(dtype=float), b: wp.array2d(dtype=float), y: wp.array(dtype=float)):
    i = wp.tid()
    row = a[i]
    for j in range(row.shape[0]):
        b[i, j] += row[j] * 2.0
        b[i][j] -= 0.5
    y[i] = b[i, 0] + float(a.shape[1])


@wp.kernel
def atomics(x: wp.array(dtype=float), n: wp.array(dtype=int), sums: wp.array(dtype=float), count: wp.array(dtype=int), k: wp.array(dtype=int)):
    i = wp.tid()
    wp.atomic_add(sums, 0, x[i] * 0.1)
    wp.atomic_max(sums, 1, x[i])
    slot = wp.atomic_add(count, 0, 1)
    wp.atomic_min(count, 1, n[i])
    k[slot] = n[i]


@wp.kernel
def random_numbers(n: wp.array(dtype=int), edges: wp.array(dtype=float), y: wp.array(dtype=float), k: wp.array(dtype=int), points: wp.array(dtype=wp.vec3)):
    i = wp.tid()
    rng = wp.rand_init(42, n[i])
    y[i] = wp.randf(rng) + wp.randf(rng, -2.0, 3.0) * wp.randn(rng)
    k[i] = wp.randi(rng, -5, 50) + wp.sample_cdf(rng, edges) + wp.lower_bound(edges, y[i])
    points[i] = wp.sample_unit_sphere(rng) + wp.sample_unit_hemisphere_surface(rng)
    y[i] += wp.noise(rng, y[i])


@wp.kernel
def searching(x: wp.array(dtype=float), edges: wp.array(dtype=float), k: wp.array(dtype=int)):
    i = wp.tid()
    k[i] = wp.lower_bound(edges, x[i] * 3.0) + 100 * wp.lower_bound(edges, 2, 6, x[i])


@wp.kernel
def neighbours(p: wp.array(dtype=wp.vec3), grid: wp.uint64, y: wp.array(dtype=float), k: wp.array(dtype=int)):
    i = wp.hash_grid_point_id(grid, wp.tid())
    for j in wp.hash_grid_query(grid, p[i], 1.1):
        y[i] = y[i] * 0.9 + wp.length(p[j] - p[i])
    found = wp.hash_grid_query(grid, p[i], 2.5)
    j = int(0)
    while wp.hash_grid_query_next(found, j):
        k[i] = k[i] * 3 + j


@wp.kernel
def volumes(p: wp.array(dtype=wp.vec3), volume: wp.uint64, y: wp.array(dtype=float), points: wp.array(dtype=wp.vec3)):
    i = wp.tid()
    q = wp.volume_world_to_index(volume, p[i] * 0.4)
    slope = wp.vec3()
    y[i] = wp.volume_sample_grad_f(volume, q, wp.Volume.LINEAR, slope) + wp.volume_lookup(volume, i, 2, 3, dtype=float)
    points[i] = slope


@wp.kernel
def library_functions(p: wp.array(dtype=wp.vec3), q: wp.array(dtype=wp.quat), poses: wp.array(dtype=wp.transform), points: wp.array(dtype=wp.vec3)):
    i = wp.tid()
    twist = wp.transform_twist(poses[i], wp.spatial_vector(p[i], p[i + 1]))
    points[i] = wp.quat_to_euler(q[i], 2, 1, 0) + wp.spatial_top(twist) * wp.norm_huber(p[i], 0.5)


@wp.kernel
def truth(x: wp.array(dtype=float), flag: wp.array(dtype=bool), out_flag: wp.array(dtype=bool)):
    i = wp.tid()
    both = flag[i] and x[i] > 0.0
    out_flag[i] = both or not flag[i + 1]
"""

KERNELS = [
    node.name
    for node in ast.parse(MODULE).body
    if isinstance(node, ast.FunctionDef)
    and any(isinstance(d, ast.Attribute) and d.attr == "kernel" for d in node.decorator_list)
]
