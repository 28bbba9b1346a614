"""Small steps on points, edges and curves: offsets, blends, projections, lengths, tangents."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo_small import (
    POINTS,
    bounds,
    gather_points,
    points_of,
    segment_distance,
    soup_area,
)
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import blend
from generator.synthesis.program import ProgramBuilder


def write(p: ProgramBuilder) -> None:
    """One of the steps."""
    p.pick(
        offset,
        morph,
        flatten,
        edge_vectors,
        tangents,
        mirror,
        segment_distance,
        soup_area,
        gather_points,
        bounds,
    )(p)


def offset(p: ProgramBuilder) -> None:
    """Points moved along their normals."""
    k = p.kernel_builder(
        "offset_surface|displace_along_normals|inflate_mesh|extrude_points|push_pull|thicken",
        p.pick("Move points along their normals.", "", ""),
    )
    e = Entities(k, "vertex")
    out = e.out("points_out|displaced|x_out", p.vec())
    x = maybe(p, k, "x|pt", points_of(p, e))
    e.guard((out, x))
    n = e.field("normals|vertex_normals", p.vec(), R.unit_vectors()).own
    amount = e.property("distance|thickness|height|amount", 0.01, 0.4)
    match p.pick("plain", "masked", "wave", "two", "clamped"):
        case "plain":
            out.store(x + n * amount)
        case "masked":
            w = e.field("weights|mask_weight|paint", p.real, R.uniform(0.0, 1.0)).own
            out.store(x + n * (amount * w))
        case "wave":
            x = x if not p.chance(0.5) else k.let("x_l|q", x)
            out.store(
                x + n * (amount * wp.sin(x.x * k.param("frequency|waves|wave_number", 1.0, 8.0)))
            )
        case "two":
            out.store(x + n * amount)
            e.out("inner_points|lower_shell", p.vec()).store(x - n * amount)
        case _:
            top = k.param("max_offset|limit|cap", 0.05, 0.2)
            out.store(x + n * wp.min(amount, top))


def morph(p: ProgramBuilder) -> None:
    """Blend shapes and keyframes."""
    k = p.kernel_builder(
        "blend_shapes|morph_targets|interpolate_keyframes|apply_deltas|mix_poses|lerp_shapes",
        p.pick("Blend between stored shapes.", "", ""),
    )
    e = Entities(k, "vertex")
    e.guard()
    out = e.out("points_out|blended|posed", p.vec())
    match p.pick("two", "deltas", "frames", "weights"):
        case "two":
            t = e.property("t|blend|phase|weight", 0.1, 0.9)
            out.store(
                blend(
                    p,
                    points_of(p, e, "shape_a|start_points|rest"),
                    points_of(p, e, "shape_b|end_points|target"),
                    t,
                )
            )
        case "deltas":
            out.store(
                points_of(p, e)
                + points_of(p, e, "deltas|offsets|corrections")
                * e.property("weight|amount|strength", 0.1, 1.0)
            )
        case "frames":
            frames = p.pick(4, 6, 8)
            keys = k.array("keyframes|frames|shapes", p.vec(), (frames, e.n), R.uniform(-1.0, 1.0))
            time = k.param("time|frame_time|t_anim", 0.5, frames - 1.6)
            f = k.let("f|frame|i0", construct(T.I32, time))
            a = k.let("a|frac_t|u", time - construct(p.real, f))
            out.store(blend(p, keys[f, e.index], keys[f + 1, e.index], a))
        case _:
            shapes = p.pick(3, 4, 5)
            deltas = k.array("deltas|targets|basis", p.vec(), (shapes, e.n), R.uniform(-0.3, 0.3))
            weights = k.array(
                "weights|coefficients|amounts", p.real, (shapes,), R.uniform(0.0, 1.0)
            )
            x = k.var("x|acc|pt", points_of(p, e))
            with k.loop("s|m|b", shapes if p.chance(0.4) else deltas.dim(0)) as s:
                if p.chance(0.3):
                    with k.when(weights[s] == 0.0):
                        k.cont()
                k.aug(x, "+", deltas[s, e.index] * weights[s])
            out.store(x)


def flatten(p: ProgramBuilder) -> None:
    """Projections onto planes, lines, spheres and cylinders."""
    k = p.kernel_builder(
        "project_to_plane|flatten_points|project_points|snap_to_shape|reproject|constrain_points",
        p.pick("Project points onto a shape.", "", ""),
    )
    e = Entities(k, "point")
    out = e.out("projected|points_out|flat", p.vec())
    x = k.let("x|pt", points_of(p, e))
    e.guard((out, x))
    c = k.quantity("origin|center|base", p.vec(), [0.1, -0.2, 0.05])
    match p.pick("plane", "plane", "line", "sphere", "cylinder"):
        case "plane":
            n = k.quantity("normal|plane_n|axis", p.vec(), [0.6, 0.8, 0.0])
            d = k.let("d|height|dist", wp.dot(x - c, n))
            out.store(x - n * d)
            if p.chance(0.5):
                e.out("heights|signed_distance|depths", p.real).store(d)
        case "line":
            u = k.quantity("axis|direction|line_dir", p.vec(), [0.0, 0.6, 0.8])
            t = maybe(p, k, "t|s|along", wp.dot(x - c, u))
            out.store(c + u * t)
        case "sphere":
            d = k.let("d|rel", x - c)
            out.store(c + wp.normalize(d) * e.property("radius|sphere_radius", 0.5, 1.5))
            if p.chance(0.4):
                e.out("radial_error|gap", p.real).store(wp.length(d))
        case _:
            r = k.param("radius|cylinder_radius", 0.3, 1.0)
            d = k.let("d|rel", x - c)
            s = k.let("s|rho|radial", wp.sqrt(d.x * d.x + d.z * d.z))
            scale = k.let("f|ratio", r / wp.max(s, 1.0e-6))
            out.store(c + construct(p.vec(), d.x * scale, d.y, d.z * scale))


def edge_vectors(p: ProgramBuilder) -> None:
    """Lengths, vectors and midpoints of edges."""
    k = p.kernel_builder(
        "edge_lengths|compute_edges|edge_vectors|edge_midpoints|measure_edges|rest_lengths",
        p.pick("One thread per edge.", "", ""),
    )
    e = Entities(k, "edge")
    e.guard()
    n = p.pick(64, 80, 100)
    points = k.array(POINTS, p.vec(), (n,), R.uniform(-1.0, 1.0))
    if p.chance(0.5):
        pair = k.let(
            "ed|pair|ends",
            e.field("edges|edge_verts|segments", T.Vec(2, T.I32), R.integers(0, n)).own,
        )
        i, j = pair[0], pair[1]
    else:
        i, j = (
            e.field("tails|edge_v0|first", T.I32, R.integers(0, n)).own,
            e.field("heads|edge_v1|second", T.I32, R.integers(0, n)).own,
        )
        if p.chance(0.5):
            i, j = k.let("i|va", i), k.let("j|vb", j)
    a, b = points[i], points[j]
    if p.chance(0.5):
        a, b = k.let("a|p0|xa", a), k.let("b|p1|xb", b)
    wanted = p.shuffled(p.sample(["length", "vector", "mid", "total", "longest", "strain"], 1, 2))
    d = k.let("d|edge_vec|delta", b - a) if len(wanted) > 1 else b - a
    for what in wanted:
        match what:
            case "length":
                e.out("lengths|edge_lengths|rest_lengths", p.real).store(wp.length(d))
            case "vector":
                e.out("vectors|edge_vecs|directions", p.vec()).store(
                    wp.normalize(d) if p.chance(0.4) else d
                )
            case "mid":
                e.out("midpoints|centers", p.vec()).store((a + b) * 0.5)
            case "total":
                k.do(wp.atomic_add(k.out("total_length|length_sum", p.real, (1,)), 0, wp.length(d)))
            case "longest":
                k.do(wp.atomic_max(k.out("max_length|longest", p.real, (1,)), 0, wp.length(d)))
            case _:
                rest = e.property("rest_length|l0|target_length", 0.3, 1.5)
                e.out("strain|elongation|stretch", p.real).store(wp.length(d) / rest - 1.0)


def tangents(p: ProgramBuilder) -> None:
    """Tangents, turning angles and arc lengths of polylines."""
    k = p.kernel_builder(
        "curve_tangents|polyline_tangents|turning_angles|curve_curvature|smooth_polyline|discrete_curvature",
        p.pick("Differences along a polyline.", "", ""),
    )
    e = Entities(k, "sample", index="i|s|tid", layouts=False)
    v = p.vec(p.pick(2, 3, 3))
    points = k.array("points|polyline|curve", v, (e.n,), R.uniform(-1.0, 1.0))
    closed = p.chance(0.4)
    i, n = e.index, points.dim(0) if p.chance(0.6) else e.count()
    before = (i + n - 1) % n if closed else wp.max(i - 1, 0)
    after = (i + 1) % n if closed else wp.min(i + 1, n - 1)
    if p.chance(0.5):
        before, after = k.let("im|prev_i", before), k.let("ip|next_i", after)
    match p.pick("tangent", "curvature", "smooth", "frame"):
        case "tangent":
            d = points[after] - points[before]
            e.out("tangents|directions", v).store(wp.normalize(d) if p.chance(0.7) else d * 0.5)
        case "curvature":
            u, w = (
                k.let("u|e0|back_e", points[i] - points[before]),
                k.let("w|e1|ahead_e", points[after] - points[i]),
            )
            turn = wp.length(wp.cross(u, w)) if v.n == 3 else u.x * w.y - u.y * w.x
            angle = k.let("angle|turn|theta", wp.atan2(turn, wp.dot(u, w)))
            mean = 0.5 * (wp.length(u) + wp.length(w))
            e.out("curvature|kappa|angles", p.real).store(
                angle / wp.max(mean, 1.0e-6) if p.chance(0.6) else angle
            )
        case "smooth":
            mid = (points[before] + points[after]) * 0.5
            out = e.out("points_out|smoothed", v)
            out.store(blend(p, points[i], mid, k.param("rate|lam|alpha", 0.1, 0.9)))
        case _:
            c = k.let("c|here", points[i])
            e.out("segment_lengths|arc_step", p.real).store(wp.length(points[after] - c))
            e.out("second_diff|bending_vec", v).store(points[before] - c * 2.0 + points[after])


def mirror(p: ProgramBuilder) -> None:
    """Copies of points reflected, scaled, rotated or placed along a lattice."""
    k = p.kernel_builder(
        "mirror_points|symmetrize|instance_points|replicate|rotate_points|scale_points",
        p.pick("Transformed copies of points.", "", ""),
    )
    e = Entities(k, "point")
    e.guard()
    x = maybe(p, k, "x|pt", points_of(p, e), 0.7)
    out = e.out("points_out|mirrored|placed", p.vec())
    match p.pick("axis", "plane", "spin", "scale", "quat"):
        case "axis":
            c = k.param("plane_x|mirror_at|center_x", 0.1, 0.6)
            out.store(construct(p.vec(), 2.0 * c - x.x, x.y, x.z))
        case "plane":
            n = k.quantity("plane_n|normal", p.vec(), [0.0, 0.6, 0.8])
            out.store(
                x - n * (2.0 * wp.dot(x, n))
                if p.chance(0.5)
                else x - n * (2.0 * (wp.dot(x, n) - k.param("plane_d|offset", 0.1, 0.5)))
            )
        case "spin":
            a = k.param("angle|theta|turn", 0.1, 3.0)
            c, s = k.let("c|cos_a", wp.cos(a)), k.let("s|sin_a", wp.sin(a))
            out.store(
                construct(p.vec(), c * x.x - s * x.y, s * x.x + c * x.y, x.z)
                if p.chance(0.5)
                else construct(p.vec(), c * x.x + s * x.z, x.y, c * x.z - s * x.x)
            )
        case "scale":
            c = k.quantity("center|pivot|origin", p.vec(), [0.1, 0.0, -0.1])
            s = k.quantity("scale|factors|size", p.vec(), [1.5, 0.5, 1.0])
            out.store(c + wp.cw_mul(x - c, s))
        case _:
            q = k.quantity("rotation|q|orientation", p.quat, [0.0, 0.6, 0.0, 0.8])
            t = k.quantity("translation|shift|offset", p.vec(), [0.2, -0.1, 0.3])
            out.store(wp.quat_rotate(q, x) + t)
    if p.chance(0.3):
        n = e.field("normals|normals_in", p.vec(), R.unit_vectors()).own
        e.out("normals_out|flipped_normals", p.vec()).store(-n)
