"""Particles in volumes: advection and collision."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._volume import HANDLE, LINEAR, Volume, volume_argument
from generator.synthesis.categories._volume_fields import _sampler, _span
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name


def advect(p: ProgramBuilder) -> None:
    """Particles carried by a velocity volume."""
    k = p.kernel_builder(
        "advect_particles|trace_streamlines|advect_in_volume|move_tracers|integrate_pathlines|backtrace",
        p.pick(
            "Advect tracers through the velocity volume.",
            "Runge-Kutta advection in a sampled flow.",
            "",
        ),
    )
    e = Entities(k, p.pick("particle", "tracer", "seed"))
    volume = volume_argument(p, k, T.VEC3, hint="velocity|velocity_volume|flow|wind")
    x_io = e.inout("positions|pos|tracers", T.VEC3, _span(volume, 0.7))
    e.guard()
    f = _sampler(p, volume)
    x = k.var("x|pos_i|pt", x_io.own)
    dt = e.world_param("dt|timestep|h", 0.005, 0.05)
    scheme = p.pick("euler", "midpoint", "heun", "rk4")
    steps = p.pick(1, 1, 4, 8)
    path = k.var("length|travelled|arc", 0.0) if p.chance(0.3) else None
    if steps == 1:
        _step(p, k, volume, f, x, dt, scheme, path)
    else:
        with k.loop("s|step|_n", k.count("num_steps|substeps|steps", steps)):
            _step(p, k, volume, f, x, dt, scheme, path)
            if p.chance(0.4):
                bound = k.param("domain_half|bounds|half_width", 0.4, 1.2)
                with k.when(
                    any_of(wp.abs(x.x) > bound, wp.abs(x.y) > bound, wp.abs(x.z) > bound)
                    if p.chance(0.6)
                    else wp.length(x) > bound
                ):
                    k.brk()
    x_io.store(x)
    if path is not None:
        e.out("path_length|arc_lengths", T.F32).store(path)
    if p.chance(0.35):
        age = e.inout("ages|age|lifetime", T.F32, R.uniform(0.0, 1.0))
        age.store(age.own + dt)


def _step(
    p: ProgramBuilder,
    k: KernelBuilder,
    volume: Volume,
    f: UserFunction,
    x: Name,
    dt: Expr,
    scheme: str,
    path: Name | None,
) -> None:
    id_ = volume.id
    k1 = k.let("k1|v1|v0", f(id_, x))
    if scheme == "euler":
        move = k1 * dt
    elif scheme == "midpoint":
        move = f(id_, x + k1 * (0.5 * dt)) * dt
    elif scheme == "heun":
        k2 = k.let("k2|v2", f(id_, x + k1 * dt))
        move = (k1 + k2) * (0.5 * dt)
    else:
        k2 = k.let("k2|v2", f(id_, x + k1 * (0.5 * dt)))
        k3 = k.let("k3|v3", f(id_, x + k2 * (0.5 * dt)))
        k4 = k.let("k4|v4", f(id_, x + k3 * dt))
        move = (k1 + k2 * 2.0 + k3 * 2.0 + k4) * (dt / 6.0)
    if path is not None or p.chance(0.3):
        move = k.let("dx|move|shift", move)
        if path is not None:
            k.aug(path, "+", wp.length(move))
    k.set(x, x + move)


def collide(p: ProgramBuilder) -> None:
    """Particles against a distance volume."""
    k = p.kernel_builder(
        "collide_volume|sdf_volume_contact|push_out_of_volume|volume_collision|level_set_contact|constrain_to_volume",
        p.pick(
            "Contact against a distance volume.",
            "Resolve particles that entered the level set.",
            "",
        ),
    )
    e = Entities(k, "particle")
    volume = volume_argument(p, k, T.F32, hint="sdf|sdf_volume|collider|level_set", field="sphere")
    volume.generic = p.chance(0.6)
    x_io = e.inout("positions|pos|particle_q", T.VEC3, _span(volume))
    v_io = (
        e.inout("velocities|vel|particle_qd", T.VEC3, R.uniform(-1.0, 1.0))
        if p.chance(0.65)
        else None
    )
    e.guard()
    x = k.var("x|pos_i|xi", x_io.own)
    v = k.var("v|vi|vel_i", v_io.own) if v_io is not None else None
    if v is not None and p.chance(0.5):
        dt = e.world_param("dt|timestep|h", 0.005, 0.03)
        if p.chance(0.6):
            k.aug(v, "+", e.world_vector("gravity|g", [0.0, -9.81, 0.0], T.VEC3) * dt)
        k.aug(x, "+", v * dt)
    margin = k.param("margin|radius|thickness", 0.01, 0.1)
    d, n = _distance_and_normal(p, k, volume, x)
    with k.when(d < margin):
        k.set(x, x + n * (margin - d))
        if v is not None:
            vn = k.let("vn|normal_speed|into", wp.dot(v, n))
            with k.when(vn < 0.0):
                bounce = k.param("restitution|bounce", 0.1, 0.8) if p.chance(0.5) else None
                k.aug(v, "-", n * (vn if bounce is None else vn * (1.0 + bounce)))
                if p.chance(0.4):
                    k.aug(v, "*", 1.0 - k.param("friction|drag|mu", 0.05, 0.5))
        if p.chance(0.3):
            k.do(wp.atomic_add(k.out("contacts|contact_count", T.I32, (1,)), 0, 1))
    x_io.store(x)
    if v_io is not None:
        v_io.store(v)
    elif p.chance(0.5):
        e.out("distances|gaps|phi_out", T.F32).store(d)


def _distance_and_normal(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, x: Name
) -> tuple[Expr, Expr]:
    form = p.pick("gradient", "gradient", "differences", "function")
    if form == "function":

        def body(b: Block, id_: Expr, y: Expr) -> None:
            q = b.let("q|uvw|ijk", wp.volume_world_to_index(id_, y))
            g = b.var("g|grad|n", construct(T.VEC3))
            d = b.let("d|phi|sdf", wp.volume_sample_grad_f(id_, q, LINEAR, g))
            b.ret(d, wp.normalize(wp.volume_index_to_world_dir(id_, g)))

        f = p.func(
            "sdf_and_normal|query_level_set|eval_collider",
            {"volume|sdf": HANDLE, "x|p": T.VEC3},
            body,
        )
        d, n = k.unpack(["d|phi|sdf_x", "n|normal"], f(volume.id, x))
        return d, n
    q = k.let("q|uvw|ijk", volume.to_index(x))
    if form == "gradient":
        value, grad = volume.with_gradient(k, q)
        d = k.let("d|phi|dist", value)
        return d, k.let(
            "n|normal",
            wp.normalize(wp.volume_index_to_world_dir(volume.id, grad) if p.chance(0.5) else grad),
        )
    d = k.let("d|phi|dist", volume.sample(q))
    steps = [construct(T.VEC3, *(1.0 if a == c else 0.0 for c in range(3))) for a in range(3)]
    parts = [volume.sample(q + s) - volume.sample(q - s) for s in steps]
    return d, k.let("n|normal", wp.normalize(construct(T.VEC3, *parts)))
