"""State of legged robots, for the reinforcement-learning category."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.tree import Expr, Name


class Walker:
    """State of the legged robots, one array per quantity, made when first used."""

    def __init__(self, e: Entities) -> None:
        p = e.k.p
        known = p.shared.get("walker")
        if p.fusing and known is not None:
            self.__dict__ = known.__dict__
            return
        p.shared["walker"] = self
        self.e, self.k, self.p = e, e.k, p
        self.dofs, self.feet = p.pick(8, 12, 12, 18), p.pick(2, 4, 4)
        self._kept: dict[str, object] = {}
        self._root = p.pick("parts", "parts", "pose")
        self._pose: Name | None = None

    def field(self, key: str, hint: str, t: T.Type, fill: R.Fill) -> Field:
        """A quantity per environment."""
        if key not in self._kept:
            self._kept[key] = self.e.field(hint, t, fill)
        return self._kept[key]  # type: ignore[return-value]

    def table(self, key: str, hint: str, width: int, fill: R.Fill, t: T.Type = T.F32) -> Table:
        """A quantity per environment and joint, foot or body."""
        if key not in self._kept:
            self._kept[key] = Table(self.e, hint, t, (self.e.n, width), fill)
        return self._kept[key]  # type: ignore[return-value]

    def local(self, key: str, hint: str, make: Callable[[], Expr]) -> Name:
        """A value computed once."""
        if key not in self._kept:
            self._kept[key] = self.k.let(hint, make())
        return self._kept[key]  # type: ignore[return-value]

    @property
    def rotation(self) -> Name:
        if self._root == "pose":
            pose = self.field(
                "pose", "root_pose|base_pose|root_xform", T.TRANSFORM, R.rigid(-1.0, 1.0)
            )
            return self.local("q", "q|base_quat|rot", lambda: wp.transform_get_rotation(pose.own))
        return self.local(
            "q",
            "q|base_quat|rot",
            lambda: self.field("rot", "root_rot|base_quat|root_quat", T.QUAT, R.rotations()).own,
        )

    @property
    def position(self) -> Name:
        if self._root == "pose":
            pose = self.field(
                "pose", "root_pose|base_pose|root_xform", T.TRANSFORM, R.rigid(-1.0, 1.0)
            )
            return self.local(
                "x", "base_pos|x|root", lambda: wp.transform_get_translation(pose.own)
            )
        return self.local(
            "x",
            "base_pos|x|root",
            lambda: (
                self.field(
                    "pos", "root_pos|base_pos|root_position", T.VEC3, R.uniform(0.1, 0.9)
                ).own
            ),
        )

    def _turned(self, key: str, hint: str, of: Field) -> Name:
        return self.local(key, hint, lambda: self._to_base(of.own))

    def _to_base(self, vector: Expr) -> Expr:
        """A world vector in the base frame."""
        args = {"q|rot": self.rotation, "v|world_v": vector}
        name = "to_base_frame|world_to_base|rotate_into_base"
        return piece(
            self.p, self.k, name, args, lambda b, q, v: wp.quat_rotate_inv(q, v), probability=0.75
        )

    @property
    def velocity(self) -> Name:
        """Linear velocity in the base frame."""
        f = self.field("lin", "root_lin_vel|base_vel|root_v", T.VEC3, R.uniform(-1.0, 1.0))
        return self._turned("v", "lin_b|base_lin_vel|v_b", f)

    @property
    def rate(self) -> Name:
        """Angular velocity in the base frame."""
        f = self.field("ang", "root_ang_vel|base_rate|root_w", T.VEC3, R.uniform(-1.0, 1.0))
        return self._turned("w", "ang_b|base_ang_vel|w_b", f)

    @property
    def gravity(self) -> Name:
        """Gravity direction in the base frame."""
        return self.local(
            "g",
            "proj_gravity|grav_b|g_b",
            lambda: self._to_base(construct(T.VEC3, 0.0, 0.0, -1.0)),
        )

    @property
    def command(self) -> Name:
        f = self.field("cmd", "commands|command|target_vel", T.VEC3, R.uniform(-1.0, 1.0))
        return self.local("c", "cmd|command_i|target", lambda: f.own)

    @property
    def q(self) -> Table:
        return self.table("joint_q", "joint_pos|dof_pos|joint_q", self.dofs, R.uniform(-1.0, 1.0))

    @property
    def qd(self) -> Table:
        return self.table("joint_qd", "joint_vel|dof_vel|joint_qd", self.dofs, R.uniform(-2.0, 2.0))

    @property
    def tau(self) -> Table:
        return self.table(
            "tau", "torques|joint_tau|applied_torque", self.dofs, R.uniform(-20.0, 20.0)
        )

    @property
    def actions(self) -> Table:
        return self.table(
            "actions", "actions|action_buf|actions_now", self.dofs, R.uniform(-1.0, 1.0)
        )

    @property
    def last_actions(self) -> Table:
        return self.table(
            "last_actions",
            "last_actions|prev_actions|actions_prev",
            self.dofs,
            R.uniform(-1.0, 1.0),
        )

    @property
    def contact(self) -> Table:
        return self.table(
            "contact",
            "foot_force|contact_forces|feet_force",
            self.feet,
            R.uniform(0.0, 40.0),
            T.VEC3,
        )

    @property
    def default(self) -> Expr:
        """Default joint positions: the same for all environments."""
        if "default" not in self._kept:
            self._kept["default"] = Table(
                self.e,
                "default_pos|default_joint_pos|q_default",
                T.F32,
                (self.dofs,),
                R.uniform(-0.5, 0.5),
                shared=True,
            )
        return self._kept["default"]  # type: ignore[return-value]

    def width(self, table: Table, hint: str, number: int) -> Expr:
        """Extent of a per-joint loop."""
        key = f"extent {hint}"
        if key not in self._kept:
            self._kept[key] = (
                number
                if self.p.chance(0.25)
                else table.extent(1)
                if self.p.chance(0.5)
                else self.k.count(hint, number)
            )
        return self._kept[key]  # type: ignore[return-value]
