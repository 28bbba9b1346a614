"""Vector fields in volumes: forces, advection, projection, walls, diffusion, frames."""

from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._volume import Volume, volume_argument, volume_like
from generator.synthesis.categories._volume_voxels import _OFFSETS, _result, _voxel, _world
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_FIELD = "velocity|velocity_volume|flow|wind|u_volume"
_TARGET = "velocity_out|next_velocity|dst_volume|u_next"


def vectors(p: ProgramBuilder) -> None:
    """Velocity and force fields kept in vector volumes, one thread per voxel."""
    goals = {
        "force": "apply_forces|add_buoyancy|damp_field|accelerate_volume|body_force_pass",
        "advect": "advect_velocity|self_advection|backtrace_volume|semi_lagrangian_pass",
        "project": "subtract_pressure_gradient|project_velocity|apply_pressure|make_divergence_free",
        "wall": "enforce_walls|no_penetration|constrain_velocity|obstacle_velocity",
        "diffuse": "diffuse_velocity|smooth_vectors|viscosity_pass|relax_field",
        "move": "resample_vectors|rotate_field|transform_vector_volume|warp_field",
    }
    goal = p.weighted(dict.fromkeys(goals, 1.0) | {"advect": 1.5, "force": 1.3})
    k = p.kernel_builder(
        goals[goal],
        p.pick(
            "One pass over the voxels of a vector field.",
            "One thread per voxel of the velocity volume.",
            "",
        ),
    )
    volume = volume_argument(p, k, T.VEC3, hint=_FIELD)
    volume.generic = p.chance(0.15)
    # Own voxels only may be changed in place.
    apart = goal in ("advect", "diffuse", "move") or p.chance(0.4)
    target = volume_like(k, volume, _TARGET) if apart else volume
    cell, thread = _voxel(p, k, volume.n, lists=False)
    u = k.var("u|vel|v", volume.lookup(*cell))
    {
        "force": _force, "advect": _advect, "project": _project, "wall": _wall,
        "diffuse": _diffuse, "move": _move,
    }[goal](p, k, volume, cell, u)  # fmt: skip
    if p.chance(0.3):
        _limit(p, k, u)
    k.do(target.store(*cell, u))
    # The volume is no array argument, so what it received is also kept in one.
    what = p.pick("copy", "copy", "speed", "energy")
    if what == "copy":
        _result(p, k, volume.n, cell, thread, "dense_velocity|vectors_out|mirror", T.VEC3, u)
    elif what == "speed":
        _result(p, k, volume.n, cell, thread, "speeds|magnitude|speed_out", T.F32, wp.length(u))
        k.do(wp.atomic_max(k.out("max_speed|cfl_speed", T.F32, (1,)), 0, wp.length(u)))
    else:
        k.do(wp.atomic_add(k.out("kinetic_energy|energy", T.F32, (1,)), 0, 0.5 * wp.dot(u, u)))


def _limit(p: ProgramBuilder, k: KernelBuilder, u: Name) -> None:
    top = k.param("max_speed|speed_limit|v_max", 0.3, 3.0)
    size = k.let("size|mag|speed", wp.length(u))
    with k.when(size > top):
        k.set(u, u * (top / size))


def _neighbour(cell: list[Expr], o: tuple[int, int, int]) -> list[Expr]:
    return [c + s if s > 0 else c - 1 if s < 0 else c for c, s in zip(cell, o, strict=True)]


def _force(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    dt = k.param("dt|timestep|h", 0.005, 0.05)
    for what in p.shuffled(p.sample(["gravity", "drag", "swirl", "buoyancy", "wind"], 1, 3)):
        match what:
            case "gravity":
                g = k.quantity("gravity|body_force|g", T.VEC3, p.pick([0.0, -9.81, 0.0], [0.0, 0.0, -9.81]))  # fmt: skip
                k.aug(u, "+", g * dt)
            case "drag":
                rate = k.param("drag|damping|decay_rate", 0.1, 4.0)
                k.set(u, u * wp.exp(-rate * dt) if p.chance(0.5) else u / (1.0 + rate * dt))
            case "swirl":
                axis = k.quantity("axis|spin|vortex_axis", T.VEC3, [0.0, 1.0, 0.2])
                x = _world(p, k, v, cell)
                k.aug(u, "+", wp.cross(axis, x) * (k.param("strength|circulation", 0.1, 3.0) * dt))
            case "buoyancy":
                heat = volume_like(k, v, "temperature|heat|smoke", T.F32)
                warm = heat.lookup(*cell) - k.param("ambient|reference_temp", 0.01, 0.4)
                lift = k.param("buoyancy|lift|expansion", 0.1, 5.0)
                k.set(u.y, u.y + lift * warm * dt)
            case _:
                wind = k.quantity("wind_dir|inflow|mean_flow", T.VEC3, [1.0, 0.1, -0.2])
                k.aug(
                    u, "+", (wind - u) * wp.min(k.param("coupling|relaxation", 0.1, 5.0) * dt, 1.0)
                )


def _advect(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    dt = k.param("dt|timestep|h", 0.005, 0.1)
    if p.chance(0.6):
        q = k.let("q|uvw|ijk", construct(T.VEC3, *(construct(T.F32, c) for c in cell)))
        shift = wp.volume_world_to_index_dir(v.id, u * dt)
        if p.chance(0.4):
            half = k.let("mid|half_q|qm", q - shift * 0.5)
            shift = wp.volume_world_to_index_dir(v.id, v.sample(half) * dt)
        k.set(u, v.sample(q - shift))
        return
    x = _world(p, k, v, cell)
    back = k.let("back|x0|departure", x - u * dt)
    k.set(u, v.sample(v.to_index(back)))
    if p.chance(0.4):
        k.aug(u, "*", 1.0 - k.param("dissipation|loss", 0.001, 0.1))


def _project(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    pressure = volume_like(k, v, "pressure|p_volume|head", T.F32)
    parts = []
    for a in range(3):
        ahead, behind = (pressure.lookup(*_neighbour(cell, o)) for o in _OFFSETS[2 * a : 2 * a + 2])
        parts.append(ahead - behind)
    if p.chance(0.5):
        parts = [k.let(f"dp{w}|g{w}", d) for w, d in zip("xyz", parts, strict=True)]
    k.aug(u, "-", construct(T.VEC3, *parts) * k.param("scale|half_inv_dx|dt_over_rho", 0.05, 2.0))


def _wall(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    sdf = volume_like(k, v, "sdf|obstacle|solid_volume", T.F32)
    sdf.generic = p.chance(0.5)
    q = k.let("q|uvw|ijk", construct(T.VEC3, *(construct(T.F32, c) for c in cell)))
    value, grad = sdf.with_gradient(k, q)
    d = k.let("d|phi|dist", value)
    with k.when(d < k.param("band|margin|wall_band", 0.02, 0.3)):
        n = k.let("n|normal|out_dir", wp.normalize(wp.volume_index_to_world_dir(sdf.id, grad)))
        into = k.let("into|vn|normal_speed", wp.dot(u, n))
        with k.when(into < 0.0):
            k.aug(u, "-", n * into)
        if p.chance(0.5):
            k.aug(u, "*", 1.0 - k.param("wall_friction|friction|slip_loss", 0.05, 0.6))


def _diffuse(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    if p.chance(0.4):
        with k.when(any_of(*(c == b for c in cell for b in (0, v.n - 1)))):
            k.ret()
    around = k.var("around|nbr_sum|total", construct(T.VEC3, 0.0))
    for o in p.shuffled(_OFFSETS):
        k.aug(around, "+", v.lookup(*_neighbour(cell, o)))
    rate = k.param("alpha|viscosity_dt|rate", 0.01, 0.15)
    if p.chance(0.5):
        k.aug(u, "+", (around - u * 6.0) * rate)
    else:  # one Jacobi sweep of the implicit step
        k.set(u, (u + around * rate) / (1.0 + 6.0 * rate))


def _move(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], u: Name) -> None:
    x = _world(p, k, v, cell)
    if p.chance(0.6):
        pose = k.quantity("pose|frame|X_field", T.TRANSFORM, [0.1, 0.0, -0.1, 0.0, 0.6, 0.0, 0.8])
        local = k.let("local|y|x_local", wp.transform_point(wp.transform_inverse(pose), x))
        new = wp.transform_vector(pose, k.let("moved|rotated|u_local", v.sample(v.to_index(local))))
    else:
        shift = k.quantity("offset|translation|drift", T.VEC3, [0.15, 0.0, -0.05])
        new = v.sample(v.to_index(x - shift))
    t = k.param("blend|alpha|weight", 0.1, 0.9)
    k.set(u, wp.lerp(u, new, t) if p.chance(0.5) else u * (1.0 - t) + new * t)
