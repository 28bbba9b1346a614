"""Cloth one vertex at a time: incident springs, normals, pinned integration, collisions with simple bodies."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._stages import Motion, add_stages, finish, stage_range
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities, neighbours
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def _gather(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "gather_spring_forces|vertex_forces|incident_springs|cloth_vertex_step|node_forces|gather_forces",
        p.pick(
            "Sum the springs incident to each vertex.",
            "Net force per vertex, gathered over its edges.",
            "Mass-spring forces without atomics.",
        ),
    )
    e = Entities(k, p.pick("vertex", "node", "particle"), index="i|v|tid|vid")
    vec = p.vec(dimension(p, 2, 3, 3, 3))
    xs = e.field("positions|x|particle_q|pos", vec, R.uniform(0.0, 1.0))
    damped = p.chance(0.6)
    vs = e.field("velocities|v|particle_qd", vec, R.uniform(-1.0, 1.0)) if damped else None
    e.guard()
    rest = k.param("rest_length|l0|spacing", 0.2, 0.8)
    ke = k.param("stiffness|ke|ks", 10.0, 500.0)
    x = xs.read("x|x_i|xi")
    v = vs.read("v|v_i|vi") if vs else None
    force = k.var("f|force|total", construct(vec, 0.0))
    kd = k.param("damping|kd|spring_kd", 0.1, 5.0) if damped else None
    with neighbours(e, p.pick("csr", "table", "window", "linked")) as (j, _):
        d = k.let("d|delta|xij", xs[j] - x)
        length = k.let("l|dist|length", wp.length(d))
        with k.when(length < 1.0e-6 if p.chance(0.7) else any_of(length < 1.0e-6, j == e.index)):
            k.cont()
        n = k.let("n|dir|axis", d / length)
        if vs is not None and v is not None and kd is not None:
            k.aug(force, "+", n * (ke * (length - rest) + kd * wp.dot(vs[j] - v, n)))
        elif p.chance(0.5):
            k.aug(force, "+", n * (ke * (length - rest)))
        else:
            k.aug(force, "+", d * (ke * (1.0 - rest / length)))
    m = Motion(p, k, e, vec, x, force, v)
    add_stages(m, *stage_range(p))
    finish(m)


def _normals(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "accumulate_normals|vertex_normals|compute_normals|face_normals|normalize_normals|smooth_normals",
        p.pick(
            "Area-weighted vertex normals.",
            "Accumulate face normals at the vertices.",
            "Recompute normals after the step.",
        ),
    )
    vec = p.vec(dimension(p, 3))
    if p.chance(0.08):
        e = Entities(k, "vertex", index="i|v|tid")
        raw = e.inout("normals|n|vertex_normals", vec, R.uniform(-1.0, 1.0))
        n = k.let("n|normal|nrm", raw.own)
        size = k.let("mag|len_n|norm", wp.length(n))
        with k.when(size > 1.0e-6):
            raw.store(n / size)
        with k.otherwise():
            raw.store(construct(vec, 0.0, 1.0, 0.0))
        report(p, e, size, "normal", 1.0, {0: 2, 1: 2, 2: 1})
        return
    e = Entities(k, p.pick("triangle", "face", "tri"), count=p.pick(48, 64, 96), index="tid|t|face")
    pool = Pool(e, p.pick(24, 36, 48))
    ids = corners(
        e, "indices|triangles|faces|tri_indices", ["i|a|v0", "j|b|v1", "k_|c|v2"], pool.count
    )
    x = pool.field("positions|x|vertices|points", vec, R.uniform(-1.0, 1.0))
    a, b, c = (
        (k.let(f"x{n}|p{n}", x[i]) for n, i in enumerate(ids))
        if p.chance(0.5)
        else (x[i] for i in ids)
    )
    normal = k.let("n|normal|face_n", wp.cross(b - a, c - a))
    e.guard()
    weight = p.pick("area", "unit", "angle")
    out = pool.out("normals|vertex_normals|normal_sum", vec)
    if weight == "angle":

        def corner(blk: Block, u: Expr, v: Expr) -> Expr:
            return wp.acos(wp.clamp(wp.dot(wp.normalize(u), wp.normalize(v)), -0.999, 0.999))

        unit = k.let("unit|n_hat|dir", wp.normalize(normal))
        for vertex, (u, v) in zip(
            ids, ((b - a, c - a), (c - b, a - b), (a - c, b - c)), strict=True
        ):
            angle = helper(
                p, k, "corner_angle|angle_at|tip_angle", {"u|e0": u, "v|e1": v}, corner, share=0.3
            )
            out.add(unit * angle, vertex)
    else:
        value = k.let("w|contrib|unit_n", wp.normalize(normal)) if weight == "unit" else normal
        for vertex in ids:
            out.add(value, vertex)
    if p.chance(0.35):
        e.out("face_normals|tri_normals|facet", vec).store(wp.normalize(normal))
    if p.chance(0.35):
        e.out("areas|face_area|tri_area", p.real).store(0.5 * wp.length(normal))


def _integrate(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "integrate_cloth|verlet_step|step_vertices|semi_implicit_cloth|advance_cloth|update_cloth_state",
        p.pick(
            "Advance the free vertices; pinned ones follow their targets.",
            "Verlet integration of the cloth.",
            "Semi-implicit Euler with pins.",
        ),
    )
    e = Entities(k, p.pick("vertex", "node", "particle"), index="i|v|tid")
    vec = p.vec(dimension(p, 2, 3, 3, 3))
    xs = e.inout("positions|x|particle_q", vec, R.uniform(-1.0, 1.0))
    forces = e.field("forces|f|particle_f", vec, R.uniform(-5.0, 5.0))
    w = e.field("inv_mass|w|particle_inv_mass", p.real, R.mask(0.8))
    dt = e.world_param("dt|timestep|h", 0.001, 0.02)
    gravity = e.world_vector("gravity|g", [0.0, -9.81, 0.0][: vec.n], vec)
    with k.when(w.own <= 0.0 if p.chance(0.5) else w.own == 0.0):
        if p.chance(0.4):
            xs.store(e.field("pin_targets|anchors|handle_pos", vec, R.uniform(-1.0, 1.0)).own)
        k.ret()
    accel = k.let("a|acc|accel", gravity + forces.own * w.own)
    if p.chance(0.4):
        before = e.inout("x_prev|previous|old_positions", vec, R.uniform(-1.0, 1.0))
        x = k.let("x|x_i|current", xs.own)
        drift = k.var("v_dt|move|step_x", x - before.own)
        k.aug(drift, "*", 1.0 - k.param("damping|air_drag|friction", 0.001, 0.05))
        tune(p, e, drift, "step", 1.0)
        before.store(x)
        xs.store(x + drift + accel * (dt * dt))
        report(p, e, drift, "step", 1.0, {0: 4, 1: 1})
        return
    vs = e.inout("velocities|v|particle_qd", vec, R.uniform(-1.0, 1.0))
    v = k.var("v|v_i|vel_i", vs.own + accel * dt)
    if p.chance(0.5):
        c = k.param("damping|air_drag|drag", 0.01, 1.0)
        k.aug(v, "*", p.pick(1.0 - c * dt, wp.exp(-c * dt), 1.0 / (1.0 + c * dt)))
    tune(p, e, v, "speed", 5.0)
    vs.store(v)
    k.aug(xs.own, "+", v * dt) if p.chance(0.3) else xs.store(xs.own + v * dt)


def _bodies(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "collide_bodies|cloth_collision|resolve_capsules|push_out|body_contacts|avatar_collision",
        p.pick(
            "Push vertices out of spheres and capsules.",
            "Collision of the cloth with a simple body.",
            "Position-level contact with friction.",
        ),
    )
    e = Entities(k, p.pick("vertex", "particle"), index="i|v|tid")
    vec = p.vec(dimension(p, 3))
    xs = e.inout("positions|x|particle_q", vec, R.uniform(-1.0, 1.0))
    vs = e.inout("velocities|v|particle_qd", vec, R.uniform(-1.0, 1.0)) if p.chance(0.6) else None
    e.guard()
    x = k.var("x|x_i|pos_i", xs.own)
    v = k.var("v|v_i|vel_i", vs.own) if vs else None
    thickness = k.param("thickness|margin|collision_margin", 0.005, 0.05)
    count = p.pick(3, 4, 6, 8)
    capsule = p.chance(0.5)
    start = k.array(
        "capsule_start|bone_a|segment_start" if capsule else "centers|sphere_centers|ball_pos",
        vec,
        (count,),
        R.uniform(-0.8, 0.8),
    )
    stop = (
        k.array("capsule_end|bone_b|segment_end", vec, (count,), R.uniform(-0.8, 0.8))
        if capsule
        else None
    )
    radii = k.array("body_radii|capsule_radii|sphere_radii", p.real, (count,), R.uniform(0.1, 0.4))

    def nearest(b: Block, q: Expr, a: Expr, c: Expr) -> Expr:
        axis = b.let("ab|axis|seg", c - a)
        t = b.let("t|s|u", wp.clamp(wp.dot(q - a, axis) / wp.dot(axis, axis), 0.0, 1.0))
        return a + axis * t

    with k.loop(
        "s|b|shape", start.dim(0) if p.chance(0.5) else k.count("num_shapes|n_bodies", count)
    ) as s:
        if stop is None:
            closest = start[s]
        else:
            args = {"p|q|point": x, "a|p0": start[s], "b|p1": stop[s]}
            doc = p.pick("Closest point on a segment.", "")
            closest = k.let(
                "closest|cp|c",
                helper(
                    p, k, "closest_on_segment|project_segment|nearest_point", args, nearest, doc
                ),
            )
        d = k.let("d|delta|out", x - closest)
        dist = k.let("dist|len_d|gap", wp.length(d))
        limit = k.let("limit|r|reach", radii[s] + thickness)
        with k.when(all_of(dist < limit, dist > 1.0e-6)):
            n = k.let("n|normal", d / dist)
            k.set(x, closest + n * limit if p.chance(0.6) else x + n * (limit - dist))
            if v is not None:
                vn = k.let("vn|v_n", wp.dot(v, n))
                with k.when(vn < 0.0):
                    k.aug(v, "-", n * vn)
                    if p.chance(0.5):
                        k.aug(v, "*", 1.0 - k.param("friction|mu|body_friction", 0.05, 0.8))
    xs.store(x)
    if vs is not None and v is not None:
        vs.store(v)


def _blend(p: ProgramBuilder) -> None:
    smooth = p.chance(0.5)
    if smooth:
        k = p.kernel_builder(
            "smooth_cloth|laplacian_smoothing|relax_vertices",
            p.pick("Laplacian smoothing of the sheet.", "Relax vertices towards their neighbours."),
        )
    else:
        k = p.kernel_builder(
            "apply_corrections|average_deltas|apply_strain_limits", "Apply averaged corrections."
        )
    e = Entities(k, "vertex", index="i|v|tid")
    vec = p.vec(dimension(p, 2, 3, 3))
    xs = e.field("positions|x|particle_q", vec, R.uniform(-1.0, 1.0), "in" if smooth else "inout")
    e.guard()
    if smooth:
        total, count = k.var("s|total|sum_x", construct(vec, 0.0)), k.var("n|count|valence", 0)
        with neighbours(e, p.pick("csr", "table", "linked")) as (j, _):
            k.aug(total, "+", xs[j])
            k.aug(count, "+", 1)
        out = e.out("x_out|smoothed|positions_out", vec)
        with k.when(count == 0):
            out.store(xs.own)
            k.ret()
        share = k.param("lambda_s|smoothing|relax", 0.1, 0.9)
        mean = k.let("mean|avg|centroid", total / construct(p.real, count))
        out.store(xs.own + (mean - xs.own) * share)
        return
    deltas = e.field("deltas|corrections|delta_x", vec, R.uniform(-0.1, 0.1))
    counts = e.field("counts|num_corrections|delta_count", T.I32, R.integers(0, 5))
    with k.when(counts.own == 0 if p.chance(0.5) else counts.own < 1):
        k.ret()
    move = k.var("d|dx|move", deltas.own / construct(p.real, counts.own))
    if p.chance(0.5):
        k.aug(move, "*", k.param("relaxation|omega|sor", 0.5, 1.8))
    tune(p, e, move, "displacement", 0.1)
    xs.store(xs.own + move)
    if p.chance(0.3):
        vs = e.inout("velocities|v", vec, R.uniform(-1.0, 1.0))
        vs.store(vs.own + move / e.world_param("dt|timestep|h", 0.005, 0.05))
    report(p, e, move, "displacement", 0.1)


VERTICES = {_gather: 3.2, _normals: 1.6, _integrate: 2, _bodies: 1.4, _blend: 1.5}
