import warp as wp


@wp.struct
class Params:
    grain_radius: float
    wall_radius: float
    angular_speed: float
    kn: float
    cn: float
    wall_friction: float
    v_reg: float
    kt: float
    query_dist: float
    cutoff: float
    cohesion_range: float
    rest_energy: float


@wp.func
def half_mv2(mass: float, v: wp.vec3) -> float:
    return 0.5 * mass * wp.dot(v, v)


@wp.func
def calc_rad(x: float, z: float) -> float:
    return wp.sqrt(x * x + z * z)


@wp.func
def eval_inward(x: float, rad: float, z: float) -> wp.vec3:
    return wp.vec3(-(x / rad), 0.0, -(z / rad))


@wp.kernel
def fused_drum_wall_forces(
    collider: wp.uint64,
    grid: wp.uint64,
    pos: wp.array(dtype=wp.vec3),
    velocities: wp.array(dtype=wp.vec3),
    material_id: wp.array(dtype=int),
    radius_table: wp.array(dtype=float),
    normals: wp.array(dtype=wp.vec3),
    wall_offsets: wp.array(dtype=float),
    radii: wp.array(dtype=float),
    mass: wp.array(dtype=float),
    spins: wp.array(dtype=wp.vec3),
    inertias: wp.array(dtype=float),
    grain_count: int,
    radius: float,
    m: float,
    model: Params,
    wall_force: wp.array(dtype=wp.vec3),
    forces: wp.array(dtype=wp.vec3),
    force_max: wp.array(dtype=float),
    force_magnitude: wp.array(dtype=float),
    contact_force: wp.array(dtype=wp.vec3),
    hit_face: wp.array(dtype=int),
    force_out: wp.array(dtype=wp.vec3),
    kinetic: wp.array(dtype=float),
    at_rest: wp.array(dtype=int),
    total_energy: wp.array(dtype=float),
    e_max: wp.array(dtype=float),
    penetration: wp.array(dtype=float),
):
    """Inner contact with a cylindrical wall.

    Wall contact with friction.

    Push grains out of a mesh.

    Contact forces between grains.

    Energy of the assembly and grains at rest.

    Kinetic energy of the assembly.

    Coordination number of every grain.
    """
    tid = wp.tid()
    if tid >= grain_count:
        return
    assert tid >= 0 and tid < pos.shape[0]
    pos_i = pos[tid]
    v_i = velocities[tid]
    rad = calc_rad(pos_i.x, pos_i.z)
    pen = rad + model.grain_radius - model.wall_radius
    if pen <= 0.0 and rad < model.wall_radius:
        return
    inward = eval_inward(pos_i.x, rad, pos_i.z)
    surface_v = wp.vec3(model.angular_speed * pos_i.z, 0.0, -model.angular_speed * pos_i.x)
    dv = v_i - surface_v
    vn = wp.dot(dv, inward)
    fn = wp.max(model.kn * pen - model.cn * vn, 0.0)
    slip_t = dv - inward * vn
    f_t = slip_t * (-model.wall_friction * fn / wp.sqrt(wp.dot(slip_t, slip_t) + model.v_reg * model.v_reg))
    wall_force[tid] = inward * fn + f_t

    # Wall contact with friction
    force = wp.vec3(0.0)
    for w in range(4):
        normal = normals[w]
        c = wp.dot(normal, pos_i) - wall_offsets[w] - radius_table[material_id[tid]]
        if c >= 0.0:
            continue
        v_n = wp.dot(v_i, normal)
        f_n = -model.kn * c - model.cn * wp.min(v_n, 0.0)
        force += normal * f_n
        slip = v_i - normal * v_n
        vs = wp.length(slip)
        if vs > 1e-06:
            force -= slip * (wp.min(model.kt * vs, model.wall_friction * f_n) / vs)
    forces[tid] = force
    wp.atomic_max(force_max, 0, wp.length(force))
    force_magnitude[tid] = wp.length(force)

    # Push grains out of a mesh
    res = wp.mesh_query_point_sign_parity(collider, pos_i, model.query_dist)
    if res.result:
        surface_point = wp.mesh_eval_position(collider, res.face, res.u, res.v)
        to_grain = pos_i - surface_point
        sdf = wp.length(to_grain) * res.sign
        if sdf < radius:
            n = wp.normalize(to_grain) * res.sign
            contact_force[tid] = n * (model.kn * (radius - sdf) - model.cn * wp.min(wp.dot(velocities[tid], n), 0.0))
            hit_face[tid] = res.face

    # Contact forces between grains
    pid = wp.hash_grid_point_id(grid, tid)
    xi = pos[pid]
    ri = radii[pid]
    f_total = wp.vec3(0.0)
    for other in wp.hash_grid_query(grid, xi, model.cutoff):
        if other == pid:
            continue
        r = xi - pos[other]
        rij = wp.length(r)
        if rij >= model.cutoff or rij < 1e-06:
            continue
        delta = ri + radii[other] - rij
        if delta < -model.cohesion_range:
            continue
        f_total += r / rij * (model.kn * delta * (1.0 + wp.max(delta, 0.0) / ri))

    # write back
    wp.atomic_add(force_out, pid, f_total)

    # Energy of the assembly and grains at rest
    ek = half_mv2(mass[pid], velocities[pid])
    ek += 0.5 * inertias[pid] * wp.dot(spins[pid], spins[pid])
    wp.atomic_add(kinetic, 0, ek)
    if ek < model.rest_energy:
        at_rest[pid] = 1
    else:
        at_rest[pid] = 0

    # Kinetic energy of the assembly
    energy = half_mv2(m, velocities[pid])
    wp.atomic_add(total_energy, 0, energy)
    wp.atomic_max(e_max, 0, energy)

    # Coordination number of every grain
    deepest = float(0.0)
    for index in wp.hash_grid_query(grid, xi, model.cutoff):
        d = wp.length(xi - pos[index])
        if d >= model.cutoff or d < 1e-06:
            continue
        overlap = radii[pid] + radii[index] - d
        if overlap > 0.0:
            deepest = wp.max(deepest, overlap)
    penetration[pid] = deepest
