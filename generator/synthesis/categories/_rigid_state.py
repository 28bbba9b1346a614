"""Where the pose and the inertia of a body live: transforms or separate positions and quaternions."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import inverted
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

POSES = "body_q|poses|transforms|body_x|xforms"
TWISTS = "body_qd|twists|body_v|spatial_velocities"


def spatial(p: ProgramBuilder, top: Expr, bottom: Expr) -> Expr:
    """A spatial vector from two halves; only float32 has the short form."""
    if p.real == T.F32:
        return wp.spatial_vector(top, bottom)
    return construct(p.spatial, *[half.field(a) for half in (top, bottom) for a in "xyz"])


class Pose:
    """A body's pose: one transform, or a position and a quaternion.

    Attributes:
        in_place: new poses overwrite the old ones.
    """

    def __init__(self, p: ProgramBuilder, e: Entities, role: str) -> None:
        self.p, self.e, self.in_place = p, e, role == "inout"
        self.packed = p.chance(0.6)
        if self.packed:
            self.pose = e.field(POSES, p.transform, R.rigid(-1.0, 1.0), role)
        else:
            self.x = e.field("positions|body_pos|com_pos|x", p.vec(3), R.uniform(-1.0, 1.0), role)
            self.q = e.field("orientations|rotations|body_rot|quats", p.quat, R.rotations(), role)

    def read(self, position: str, rotation: str) -> tuple[Expr, Expr]:
        """Position and rotation as locals; an empty hint makes no local for the position."""
        k = self.e.k
        need = bool(position)
        if not self.packed:
            x = k.let(position, self.x.own) if need else self.x.own
            return x, k.let(rotation, self.q.own)
        pose = k.let("pose|xform|tf|t_wb", self.pose.own) if self.p.chance(0.75) else self.pose.own
        x = wp.transform_get_translation(pose)
        return (k.let(position, x) if need else x), k.let(rotation, wp.transform_get_rotation(pose))

    def targets(self) -> tuple[Field, ...]:
        """The fields that hold the new pose."""
        if not hasattr(self, "_targets"):
            self._targets: tuple[Field, ...]
            if self.in_place:
                self._targets = (self.pose,) if self.packed else (self.x, self.q)
            elif self.packed:
                self._targets = (
                    self.e.out("body_q_out|poses_out|body_q_next|new_poses", self.p.transform),
                )
            else:
                x = self.e.out("positions_out|new_positions|x_out", self.p.vec(3))
                self._targets = (x, self.e.out("rotations_out|new_rotations|q_out", self.p.quat))
        return self._targets

    def carry(self) -> None:
        """Copies the pose unchanged."""
        sources = (self.pose,) if self.packed else (self.x, self.q)
        for target, source in zip(self.targets(), sources, strict=True):
            target.store(source.own)

    def write(self, x: Expr, q: Expr) -> None:
        """Stores a new pose."""
        targets = self.targets()
        if self.packed:
            targets[0].store(construct(self.p.transform, x, q))
        else:
            targets[0].store(x)
            targets[1].store(q)


def body_inertia(p: ProgramBuilder, e: Entities, diagonal: bool = False) -> Expr:
    """A body's inertia in its own frame: a matrix, or the principal moments."""
    k = e.k
    if diagonal:
        return e.field(
            "inertia_diag|principal_inertia|moments", p.vec(3), R.uniform(0.3, 1.5)
        ).read("inertia|i_b|diag")
    return (
        e.field("inertia|body_inertia|inertia_local", p.mat(3), R.spd(0.3, 2.0)).read(
            "inertia_b|i_b|i_body"
        )
        if p.chance(0.8)
        else k.let(
            "inertia_b|i_b|i_body",
            wp.diag(e.field("inertia_diag|moments", p.vec(3), R.uniform(0.3, 1.5)).own),
        )
    )


def world_inertia(p: ProgramBuilder, k: KernelBuilder, e: Entities, rot: Expr) -> tuple[Expr, Expr]:
    """Inertia and its inverse in world axes."""
    inertia = body_inertia(p, e)
    operator = p.chance(0.5)

    def body(b: Block, q: Expr, i: Expr) -> Expr:
        r = b.let("r|rm|rot_m", wp.quat_to_matrix(q))
        return r @ i @ wp.transpose(r) if operator else r * i * wp.transpose(r)

    doc = p.pick("Inertia tensor in world axes.", "Rotate an inertia tensor.", "")
    world = k.let(
        "i_w|inertia_w|iw_world",
        helper(
            p,
            k,
            "world_inertia|rotate_tensor|to_world_inertia",
            {"q|rot": rot, "i|inertia": inertia},
            body,
            doc,
        ),
    )
    return world, k.let("inv_iw|i_inv|inv_inertia", inverted(p, world))
