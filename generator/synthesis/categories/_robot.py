"""Articulated robots as kernels see them: joint trees, poses, twists and inertias in batched worlds."""

from collections.abc import Iterator
from contextlib import contextmanager

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

ROBOT_INDEX = "robot|artid|articulation|arm|tid"


class Robot:
    """A joint tree shared by all worlds, or one per world; `e` are worlds, bodies or joints.

    Attributes:
        joints: number of joints (and of bodies: joint j moves body j).
        kinds: number of joint types that occur.
    """

    def __init__(self, e: Entities, joints: int | None = None) -> None:
        p = e.k.p
        known = p.shared.get("robot")
        if p.fusing and known is not None and joints in (None, known.joints):
            self.__dict__ = known.__dict__
            return
        p.shared["robot"] = self
        self.e, self.k, self.p = e, e.k, p
        self.joints = joints or p.pick(6, 7, 8, 9, 12, 16)
        self.kinds = p.weighted({2: 4, 3: 4, 4: 2, 1: 2})
        self._types: list[Expr] = []
        self._kept: dict[str, Table] = {}
        self._count: Expr | None = None

    def model(self, hint: str, t: T.Type, fill: R.Fill) -> Table:
        """A constant per joint or body, the same in all worlds."""
        if hint not in self._kept:
            self._kept[hint] = Table(self.e, hint, t, (self.joints,), fill, shared=True)
        return self._kept[hint]

    @property
    def parent(self) -> Table:
        return self.model("joint_parent|body_parent|parents|parent_id", T.I32, R.parents())

    @property
    def axis(self) -> Table:
        return self.model("joint_axis|axes|hinge_axis", T.VEC3, R.unit_vectors())

    @property
    def anchor(self) -> Table:
        return self.model(
            "joint_X_p|parent_xform|joint_offset|body_rel_xform", T.TRANSFORM, R.rigid(-0.4, 0.4)
        )

    @property
    def kind(self) -> Table:
        return self.model("joint_type|jnt_type|joint_kind", T.I32, R.integers(0, self.kinds))

    def types(self) -> list[Expr]:
        """Names of the joint types as module constants."""
        if not self._types:
            names = (
                "JOINT_REVOLUTE|JOINT_HINGE|REVOLUTE",
                "JOINT_PRISMATIC|JOINT_SLIDE|PRISMATIC",
                "JOINT_FIXED|JOINT_WELD|FIXED",
                "JOINT_SCREW|SCREW",
            )
            self._types = [self.p.const(n, i) for i, n in enumerate(names[: self.kinds])]
        return self._types

    def count(self) -> Expr:
        """Number of joints as the kernel learns it."""
        if self._count is None:
            self._count = (
                self.parent.extent()
                if self.p.chance(0.4)
                else self.k.count("num_joints|njnt|num_bodies|nbody|joint_count", self.joints)
            )
        return self._count

    @contextmanager
    def sweep(self, hint: str = "j|jnt|b|body", backward: bool = False) -> Iterator[Name]:
        """A loop from the root outwards, or from the leaves inwards."""
        n = self.count()
        if not backward:
            with self.k.loop(hint, n) as j:
                yield j
        elif self.p.chance(0.6):
            with self.k.loop("r|step|it", n) as r:
                yield self.k.let(hint, n - 1 - r)
        else:
            with self.k.loop(hint, n - 1, -1, -1) as j:
                yield j

    def motion(self) -> UserFunction:
        """A `@wp.func` for the transform across a joint."""
        p, kinds = self.p, self.kinds
        names = self.types() if kinds > 1 else []
        pitch = p.pick(0.05, 0.1)

        def body(b: Block, *args: Expr) -> None:
            *kind, axis, q = args
            turn = construct(T.TRANSFORM, construct(T.VEC3, 0.0), wp.quat_from_axis_angle(axis, q))
            if not kind:
                b.ret(turn)
                return
            slide = construct(T.TRANSFORM, axis * q, wp.quat_identity())
            cases = [
                turn,
                slide,
                wp.transform_identity(),
                construct(T.TRANSFORM, axis * (pitch * q), wp.quat_from_axis_angle(axis, q)),
            ][:kinds]
            for name, value in zip(names[:-1], cases[:-1], strict=False):
                with b.when(kind[0] == name):
                    b.ret(value)
            if p.chance(0.4):
                with b.when(kind[0] == names[-1]):
                    b.ret(cases[-1])
                b.ret(wp.transform_identity())
            else:
                b.ret(cases[-1])

        params: dict[str, T.Type] = {"kind|jtype|joint_kind": T.I32} if kinds > 1 else {}
        params |= {"axis|a": T.VEC3, "q|angle|coord": T.F32}
        return p.func(
            "joint_transform|joint_motion|jcalc|compute_joint_transform",
            params,
            body,
            p.pick("", "Transform across a joint at coordinate q."),
        )

    def subspace(self) -> UserFunction:
        """A `@wp.func` for the motion axis of a joint as a spatial vector."""
        p, kinds = self.p, self.kinds
        names = self.types() if kinds > 1 else []

        def body(b: Block, *args: Expr) -> None:
            *kind, axis = args
            turn, slide = (
                wp.spatial_vector(construct(T.VEC3, 0.0), axis),
                wp.spatial_vector(axis, construct(T.VEC3, 0.0)),
            )
            if not kind:
                b.ret(turn)
                return
            if kinds == 2 and p.chance(0.5):
                b.ret(wp.where(kind[0] == names[0], turn, slide))
                return
            with b.when(kind[0] == names[0]):
                b.ret(turn)
            with b.when(kind[0] == names[1]):
                b.ret(slide)
            b.ret(construct(T.SPATIAL))

        params: dict[str, T.Type] = {"kind|jtype|joint_kind": T.I32} if kinds > 1 else {}
        return p.func(
            "motion_subspace|joint_subspace|joint_screw|motion_axis",
            params | {"axis|a": T.VEC3},
            body,
        )

    def motion_at(self, f: UserFunction, j: Expr, q: Expr) -> Expr:
        """The motion function's value for joint j."""
        return f(self.kind[j], self.axis[j], q) if self.kinds > 1 else f(self.axis[j], q)

    def subspace_at(self, f: UserFunction, j: Expr, axis: Expr) -> Expr:
        """The subspace function's value for joint j with the axis given in world coordinates."""
        return f(self.kind[j], axis) if self.kinds > 1 else f(axis)


def worlds(k: KernelBuilder, singular: str = "world", count: int | None = None) -> Entities:
    """One thread a world (environment, articulation)."""
    if k.p.fusing:
        return Entities(k, getattr(k.layout, "singular", singular))
    return Entities(
        k,
        singular,
        count=count or k.p.pick(16, 24, 32, 48),
        index=ROBOT_INDEX,
        layouts=k.p.chance(0.4),
    )


def state(e: Entities, hint: str, t: T.Type, width: int, fill: R.Fill, role: str = "in") -> Table:
    """A quantity per world and joint (or body): ``array[world, j]``."""
    return Table(e, hint, t, (e.n, width), fill, role)


def is_root(parent: Expr) -> Expr:
    """Whether a parent index means the world."""
    return parent < 0


def world_inertia(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` that rotates a diagonal or full body inertia into the world frame."""
    diagonal = p.chance(0.6)

    def body(b: Block, q: Expr, inertia: Expr) -> None:
        r = b.let("r|rot|rm", wp.quat_to_matrix(q))
        b.ret(r @ (wp.diag(inertia) if diagonal else inertia) @ wp.transpose(r))

    t = T.VEC3 if diagonal else T.MAT33
    return p.func(
        "world_inertia|rotate_inertia|inertia_in_world",
        {"q|rot": T.QUAT, "inertia|inertia_diag" if diagonal else "inertia|body_inertia": t},
        body,
    )


def contact_frame(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` for a rotation matrix whose first row (or column) is the contact normal."""
    form = p.pick("branch", "householder", "ternary")

    def body(b: Block, n: Expr) -> None:
        if form == "householder":
            s = b.let("s|sgn", wp.where(n.z >= 0.0, literal(1.0, T.F32), literal(-1.0, T.F32)))
            a = b.let("a|inv", -1.0 / (s + n.z))
            c = b.let("c|nxy", n.x * n.y * a)
            t1 = b.let("t1|tangent", construct(T.VEC3, 1.0 + s * n.x * n.x * a, s * c, -s * n.x))
            t2 = b.let("t2|bitangent", construct(T.VEC3, c, s + n.y * n.y * a, -n.y))
            b.ret(wp.matrix_from_rows(n, t1, t2))
            return
        if form == "branch":
            t1 = b.var("t1|tangent", wp.cross(n, construct(T.VEC3, 1.0, 0.0, 0.0)))
            with b.when(any_of(wp.abs(n.x) > 0.9) if p.chance(0.5) else wp.length_sq(t1) < 0.1):
                b.set(t1, wp.cross(n, construct(T.VEC3, 0.0, 1.0, 0.0)))
            b.set(t1, wp.normalize(t1))
        else:
            up = b.let(
                "up|helper",
                wp.where(
                    wp.abs(n.y) < 0.8,
                    construct(T.VEC3, 0.0, 1.0, 0.0),
                    construct(T.VEC3, 0.0, 0.0, 1.0),
                ),
            )
            t1 = b.let("t1|tangent", wp.normalize(wp.cross(up, n)))
        b.ret(wp.matrix_from_rows(n, t1, wp.cross(n, t1)))

    return p.func(
        "contact_frame|make_frame|frame_from_normal|build_contact_basis",
        {"n|normal": T.VEC3},
        body,
        p.pick("", "Orthonormal frame with the normal first."),
    )
