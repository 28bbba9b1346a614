"""Locomotion observations, for the reinforcement-learning category."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._rl_classic import environments
from generator.synthesis.categories._rl_walker import Walker
from generator.synthesis.categories._tables import Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def observation(p: ProgramBuilder) -> None:
    """Observation vectors assembled slice by slice, scaled, noised and clipped."""
    k = p.kernel_builder(
        "compute_observations|fill_obs|assemble_observation|locomotion_obs|build_obs_buffer|write_observations",
        p.pick(
            "Assemble the policy's observation.",
            "Base state, joints, commands and last actions.",
            "Observation vector of a walking robot.",
        ),
    )
    e = environments(k)
    e.guard()
    w = Walker(e)
    parts = p.sample(
        [
            _obs_velocity,
            _obs_rate,
            _obs_gravity,
            _obs_command,
            _obs_joints,
            _obs_joint_rates,
            _obs_actions,
            _obs_contacts,
            _obs_phase,
            _obs_heights,
        ],
        2,
        p.pick(4, 5, 7),
    )
    sizes = {
        _obs_joints: w.dofs,
        _obs_joint_rates: w.dofs,
        _obs_actions: w.dofs,
        _obs_contacts: w.feet,
        _obs_phase: 2,
        _obs_heights: 9,
    }
    total = sum(sizes.get(part, 3) for part in parts)
    obs = Table(e, "obs|obs_buf|observations", T.F32, (e.n, total), role="out")
    cursor = 0
    for part in parts:
        part(p, k, e, w, obs, cursor)
        cursor += sizes.get(part, 3)
    if p.chance(0.4):
        _noise_and_clip(p, k, e, obs, total)
    if p.chance(0.25):
        critic = Table(e, "privileged|critic_obs|states_buf", T.F32, (e.n, 4), role="out")
        extras = [
            e.field("friction|ground_friction", T.F32, R.uniform(0.3, 1.2)).own,
            e.field("added_mass|payload", T.F32, R.uniform(-1.0, 1.0)).own,
            w.velocity.x,
            w.velocity.z,
        ]
        for number, value in enumerate(extras):
            critic.store(value, e.index, number)


def _put_vector(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    obs: Table,
    at: int,
    v: Expr,
    scale: Expr | None,
) -> None:
    if p.chance(0.4):
        with k.loop("c|a|axis", 3) as c:
            obs.store(v[c] if scale is None else v[c] * scale, e.index, c + at if at else c)
        return
    for number, axis in enumerate("xyz"):
        value = v.field(axis)
        obs.store(value if scale is None else value * scale, e.index, at + number)


def _obs_velocity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(
        p,
        k,
        e,
        obs,
        at,
        w.velocity,
        k.param("lin_vel_scale|vel_scale|obs_scale_v", 0.5, 2.0) if p.chance(0.5) else None,
    )


def _obs_rate(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(
        p,
        k,
        e,
        obs,
        at,
        w.rate,
        k.param("ang_vel_scale|rate_scale|obs_scale_w", 0.2, 1.0) if p.chance(0.5) else None,
    )


def _obs_gravity(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(p, k, e, obs, at, w.gravity, None)


def _obs_command(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    _put_vector(p, k, e, obs, at, w.command, None)


def _joint_slice(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    w: Walker,
    obs: Table,
    at: int,
    table: Table,
    value: Callable[[Expr], Expr],
) -> None:
    with k.loop("j|d|dof", w.width(table, "num_dofs|num_joints|n_dof", w.dofs)) as j:
        obs.store(value(j), e.index, j + at if at else j)


def _obs_joints(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    q, default = w.q, w.default if p.chance(0.7) else None
    _joint_slice(
        p,
        k,
        e,
        w,
        obs,
        at,
        q,
        lambda j: q[e.index, j] if default is None else q[e.index, j] - default[j],
    )


def _obs_joint_rates(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    qd, scale = w.qd, k.param("dof_vel_scale|qd_scale", 0.02, 0.2)
    _joint_slice(p, k, e, w, obs, at, qd, lambda j: qd[e.index, j] * scale)


def _obs_actions(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    actions = w.last_actions
    _joint_slice(p, k, e, w, obs, at, actions, lambda j: actions[e.index, j])


def _obs_contacts(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    threshold = k.param("contact_threshold|force_min", 1.0, 10.0)
    with k.loop("f|foot|leg", w.feet) as f:
        touching = w.contact[e.index, f].z > threshold
        obs.store(
            choose(touching, 1.0, 0.0) if p.chance(0.5) else wp.where(touching, 1.0, 0.0),
            e.index,
            f + at if at else f,
        )


def _obs_phase(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    phase = k.let(
        "phase|phi|clock",
        e.field("gait_phase|phase_buf|clock_phase", T.F32, R.uniform(0.0, 1.0)).own * 6.28318531,
    )
    obs.store(wp.sin(phase), e.index, at)
    obs.store(wp.cos(phase), e.index, at + 1)


def _obs_heights(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, w: Walker, obs: Table, at: int
) -> None:
    size = p.pick(16, 24, 32)
    field = k.array("height_field|terrain|height_map", T.F32, (size, size), R.uniform(-0.2, 0.2))
    offsets = k.array("scan_offsets|height_points|scan_points", T.VEC2, (9,), R.uniform(-0.5, 0.5))
    cell, clip = (
        k.param("cell_size|horizontal_scale|resolution", 0.05, 0.2),
        k.param("height_clip|clip_heights|max_scan", 0.3, 1.0),
    )
    rotation, position = w.rotation, w.position  # made before the loop: later parts read them too
    with k.loop("s|pt|n_s", 9) as s:
        d = k.let(
            "d|offset|local_pt",
            wp.quat_rotate(rotation, construct(T.VEC3, offsets[s].x, offsets[s].y, 0.0)),
        )
        row = k.let(
            "row|iy|gi", wp.clamp(cast(T.I32, (position.y + d.y) / cell), 0, field.dim(0) - 1)
        )
        col = k.let(
            "col|ix|gj", wp.clamp(cast(T.I32, (position.x + d.x) / cell), 0, field.dim(1) - 1)
        )
        obs.store(wp.clamp(position.z - field[row, col], -clip, clip), e.index, s + at if at else s)


def _noise_and_clip(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, obs: Table, total: int
) -> None:
    rng = entity_rng(e) if p.chance(0.6) else None
    limit = (
        k.param("clip_obs|obs_clip|obs_limit", 1.0, 10.0) if rng is None or p.chance(0.5) else None
    )
    level = None if rng is None else k.param("noise_level|noise_scale|obs_noise", 0.005, 0.1)
    with k.loop(
        "o|i_o|c_o", obs.extent(1) if p.chance(0.5) else k.count("num_obs|obs_dim", total)
    ) as o:
        value = k.var("value|ob|entry", obs[e.index, o])
        if rng is not None:
            k.aug(value, "+", level * (rng.normal() if p.chance(0.4) else rng.uniform(-1.0, 1.0)))
        obs.store(value if limit is None else wp.clamp(value, -limit, limit), e.index, o)
    if rng is not None:
        rng.close()
