"""Bodies of a constraint, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.program import KernelBuilder
from generator.synthesis.tree import Expr, Name


def contacts(k: KernelBuilder, singular: str = "contact", count: int | None = None) -> Entities:
    """One thread a contact, as a rule guarded by the number of contacts."""
    p = k.p
    e = Entities(
        k, singular, index="conid|c|tid|i", count=None if p.fusing else count or p.pick(48, 64, 96)
    )
    if p.chance(0.5) and not p.on("padded_launch") and not p.fusing:
        limit = Table(
            e, "ncon|num_contacts|contact_count", T.I32, (1,), R.constant(e.n - p.pick(0, 3, 7))
        )
        with k.when(e.index >= limit[0]):
            k.ret()
    return e


class Pair:
    """The two bodies of a constraint, with inverse masses and inertias."""

    def __init__(self, e: Entities, bodies: int | None = None) -> None:
        p, k = e.k.p, e.k
        self.e, self.k, self.p = e, k, p
        self.n = p.shared.setdefault("bodies", bodies or p.pick(10, 12, 16, 24))
        if p.chance(0.5):
            pair = e.field(
                "bodies|body_pair|body_ids", T.Vec(2, T.I32), R.integers(0, self.n)
            ).read("ab|pair|ids")
            self.a, self.b = k.let("a|b1|body_a", pair[0]), k.let("b|b2|body_b", pair[1])
        else:
            self.a = e.field("body_a|bodies_a|body0", T.I32, R.integers(0, self.n)).read("a|b1|ia")
            self.b = e.field("body_b|bodies_b|body1", T.I32, R.integers(0, self.n)).read("b|b2|ib")
        self._kept: dict[str, Table] = {}

    def skip_same(self) -> None:
        """Returns where both bodies are the same."""
        with self.k.when(self.a == self.b):
            self.k.ret()

    def table(
        self, key: str, hint: str, t: T.Type, fill: R.Fill, role: str = "in", shared: bool = False
    ) -> Table:
        """A quantity per body."""
        if key not in self._kept:
            self._kept[key] = Table(self.e, hint, t, (self.n,), fill, role, shared=shared)
        return self._kept[key]

    @property
    def inv_mass(self) -> Table:
        return self.table(
            "m", "inv_mass|body_inv_mass|inverse_mass", T.F32, R.uniform(0.0, 2.0), shared=True
        )

    @property
    def inv_inertia(self) -> Table:
        return self.table(
            "i", "inv_inertia|body_inv_inertia|world_inv_inertia", T.MAT33, R.spd(0.1, 3.0)
        )

    @property
    def velocity(self) -> Table:
        return self.table("v", "body_v|lin_vel|velocities", T.VEC3, R.uniform(-1.0, 1.0))

    @property
    def spin(self) -> Table:
        return self.table("w", "body_w|ang_vel|angular", T.VEC3, R.uniform(-1.0, 1.0))

    @property
    def pose(self) -> Table:
        return self.table("x", "body_q|poses|xform", T.TRANSFORM, R.rigid(-1.0, 1.0))

    def arm(self, body: Expr, point: Expr, name: str) -> Name:
        """Lever from a body's origin to a world point."""
        return self.k.let(name, point - wp.transform_get_translation(self.pose[body]))

    def relative_velocity(self, ra: Expr, rb: Expr) -> Name:
        """Velocity of b's point over a's."""
        k, p, a, b = self.k, self.p, self.a, self.b
        if p.chance(0.3):
            twists = self.table("t", "body_qd|twists|cvel", T.SPATIAL, R.uniform(-1.0, 1.0))

            def at(block: Block, twist: Expr, r: Expr) -> Expr:
                return wp.spatial_top(twist) + wp.cross(wp.spatial_bottom(twist), r)

            va, vb = (
                piece(
                    p,
                    k,
                    "velocity_at_point|point_velocity",
                    {"twist|qd": twists[x], "r|arm": r},
                    at,
                )
                for x, r in ((a, ra), (b, rb))
            )
            return k.let("v_rel|dv|rel_v", vb - va)
        moved = [self.velocity[x] + wp.cross(self.spin[x], r) for x, r in ((a, ra), (b, rb))]
        return k.let("v_rel|dv|rel_v", moved[1] - moved[0])

    def effective_mass(self, direction: Expr, ra: Expr, rb: Expr) -> Name:
        """Inverse of the effective mass along a direction."""
        k, p = self.k, self.p

        def term(b: Block, n: Expr, r: Expr, m: Expr, inertia: Expr) -> Expr:
            lever = b.let("rxn|rn|torque_arm", wp.cross(r, n))
            return m + wp.dot(lever, inertia @ lever)

        parts = [
            piece(
                p,
                k,
                "angular_term|inverse_mass_at|generalized_inv_mass",
                {
                    "n|dirn": direction,
                    "r|arm": r,
                    "inv_m|w": self.inv_mass[x],
                    "inv_i|iw": self.inv_inertia[x],
                },
                term,
            )
            for x, r in ((self.a, ra), (self.b, rb))
        ]
        return k.let("k_n|w_sum|inv_eff", parts[0] + parts[1])
