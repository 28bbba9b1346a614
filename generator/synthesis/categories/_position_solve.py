"""The common frame of constraint solvers: who moves, by how much, and how the multiplier is found."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.categories._extras import helper
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities, Field
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Unary


class Solve:
    """Constraints over particles; draws the solver's form once.

    The forms: ``colour`` writes positions in place, over constraints that share no particle; ``jacobi``
    accumulates corrections for a later pass. With a multiplier array the constraint is compliant (XPBD).

    Attributes:
        ids: particle indices.
        weights: their inverse masses, as locals.
    """

    def __init__(
        self, p: ProgramBuilder, k: KernelBuilder, singular: str, names: list[str], vec: T.Vec
    ) -> None:
        self.p, self.k, self.vec = p, k, vec
        self.form = p.weighted({"colour": 4, "jacobi": 5})
        self.compliant = p.weighted({"xpbd": 5, "stiffness": 3, "rigid": 1.5})
        width = len(names)
        count = p.pick(24, 32, 40, 48) if self.form == "colour" else p.pick(48, 64, 80)
        self.e = Entities(k, singular, count=count, index="tid|c|cid|constraint", layouts=True)
        total = count * width if self.form == "colour" else p.pick(32, 48, 60)
        self.pool = Pool(self.e, total)
        hint = f"{singular}_ids|{singular}_indices|indices|{singular}_particles"
        self.ids = corners(self.e, hint, names, total, disjoint=self.form == "colour")
        role = "inout" if self.form == "colour" else "in"
        self.x = self.pool.field(
            "positions|x|predicted|particle_x|pred", vec, R.uniform(-1.0, 1.0), role
        )
        w = self.pool.field("inv_mass|w|particle_inv_mass|inv_masses", p.real, R.uniform(0.3, 2.0))
        self.weights: list[Expr] = [
            k.let(f"w{i}|w_{'ijkl'[i]}|wi{i}", w[v]) for i, v in enumerate(self.ids)
        ]
        self._dt: Expr | None = None
        self._lambda: Field | None = None
        self._deltas: Field | None = None
        self._counts: Field | None = None
        self._weight_sum: Expr | None = None
        if p.chance(0.25):
            self.e.guard()

    def points(self, hint: str) -> list[Expr]:
        """Positions of the particles as locals."""
        return [
            self.k.let("|".join(f"{h}{i}" for h in hint.split("|")), self.x[v])
            for i, v in enumerate(self.ids)
        ]

    def weight_sum(self) -> Expr:
        """Sum of the inverse masses."""
        if self._weight_sum is None:
            total = self.weights[0]
            for w in self.weights[1:]:
                total = total + w
            self._weight_sum = self.k.let("w_sum|wsum|w", total)
        return self._weight_sum

    def gradient_norm(self, grads: list[Expr]) -> Expr:
        """Sum of weighted squared gradients."""
        total: Expr | None = None
        square = self.p.pick(wp.length_sq, lambda g: wp.dot(g, g))
        for w, g in zip(self.weights, grads, strict=True):
            term = w * square(g)
            total = term if total is None else total + term
        assert total is not None
        return total

    def dt(self) -> Expr:
        """The time step."""
        if self._dt is None:
            self._dt = self.e.world_param("dt|timestep|h|substep_dt", 0.005, 0.03)
        return self._dt

    def multiplier(self, c: Expr, norm: Expr, moved: list[tuple[Expr, Expr]]) -> Expr:
        """The multiplier's increment for constraint value `c`; `moved` holds particle and gradient of each term."""
        p, k = self.p, self.k
        known = isinstance(norm, Name)
        norm = norm if known else k.let("denom|norm|w_grad|grad_sq", norm)
        if len(moved) > 2 or (not known and p.chance(0.3)):
            with k.when(norm < 1.0e-9 if p.chance(0.5) else norm <= 0.0):
                k.ret()
        if self.compliant == "rigid":
            return k.let("s|lam|scale", -c / norm)
        if self.compliant == "stiffness":
            stiffness = self.e.property("stiffness|k_stretch|relaxation", 0.1, 1.0)
            return k.let("s|lam|scale", self._scaled(c, norm, stiffness))
        alpha = self.e.property("compliance|alpha|inv_stiffness", 1.0e-6, 1.0e-3)
        scaled = k.let("alpha_t|alpha_tilde|a", alpha / (self.dt() * self.dt()))
        if p.chance(0.25):
            return k.let("dlam|dlambda|d_lambda", -c / (norm + scaled))
        self._lambda = self.e.inout(
            "lambdas|multipliers|lagrange|lam", p.real, R.uniform(-0.01, 0.01)
        )
        old = k.let("lam|lambda_i|lam0", self._lambda.own)
        if p.chance(0.25):
            increment = self._damped(c, norm, scaled, old, moved)
        else:
            increment = k.let("dlam|dlambda|d_lambda", self._xpbd(c, norm, scaled, old))
        self._lambda.store(old + increment)
        return increment

    def _xpbd(self, c: Expr, norm: Expr, alpha: Expr, old: Expr) -> Expr:
        """The compliant update, now and then as a function."""

        def body(b: Block, value: Expr, w: Expr, a: Expr, lam: Expr) -> Expr:
            return (-value - a * lam) / (w + a)

        args = {"c|err|value": c, "w|denom|grad_sq": norm, "alpha|a": alpha, "lam|total|l0": old}
        doc = self.p.pick("Increment of a compliant multiplier.", "XPBD multiplier update.", "")
        return helper(
            self.p,
            self.k,
            "delta_lambda|xpbd_update|multiplier_step|compliant_step",
            args,
            body,
            doc,
        )

    def _scaled(self, c: Expr, norm: Expr, stiffness: Expr) -> Expr:
        first = self.p.chance(0.5)

        def body(b: Block, value: Expr, w: Expr, s: Expr) -> Expr:
            return -s * value / w if first else -value / w * s

        args = {"c|err|value": c, "w|denom|grad_sq": norm, "k|stiffness": stiffness}
        return helper(self.p, self.k, "pbd_scale|constraint_scale|step_length", args, body, "")

    def _damped(
        self, c: Expr, norm: Expr, scaled: Expr, old: Expr, moved: list[tuple[Expr, Expr]]
    ) -> Expr:
        k = self.k
        beta = k.param("damping|beta|rayleigh", 0.001, 0.1)
        before = self.pool.field("prev_x|x_prev|old_positions", self.vec, R.uniform(-1.0, 1.0))
        gamma = k.let("gamma|damp", scaled * beta / self.dt())
        rate: Expr | None = None
        for i, g in moved:
            term = wp.dot(g, self.x[i] - before[i])
            rate = term if rate is None else rate + term
        assert rate is not None
        return k.let(
            "dlam|dlambda|d_lambda",
            (-c - scaled * old - gamma * rate) / ((1.0 + gamma) * norm + scaled),
        )

    def push(self, grads: list[Expr], lam: Expr) -> None:
        """Moves every particle along its gradient."""
        for number, (w, g) in enumerate(zip(self.weights, grads, strict=True)):
            back = isinstance(g, Unary)
            self.apply(number, (g.operand if back else g) * (w * lam), back=back)

    def apply(self, number: int, move: Expr, *, back: bool = False) -> None:
        """Moves one particle, or accumulates its correction; `back` subtracts it."""
        i = self.ids[number]
        if self.form == "colour":
            self.x.store(self.x[i] - move if back else self.x[i] + move, i)
            return
        if self._deltas is None:
            self._deltas = self.pool.out("deltas|corrections|delta_x|dx", self.vec)
            if self.p.chance(0.35):
                self._counts = self.pool.out("counts|delta_counts|num_constraints", T.I32)
        (self._deltas.subtract if back else self._deltas.add)(move, i)
        if self._counts is not None:
            self._counts.add(1, i)

    def finish(self, c: Expr | None) -> None:
        """Now and then a residual of constraint value `c`."""
        p, k = self.p, self.k
        if c is None or not p.chance(0.25):
            return
        where = self.e.world if self.e.world is not None else 0
        if p.chance(0.5):
            k.do(
                wp.atomic_max(
                    k.out("max_error|residual_max|worst", p.real, (self.e.worlds or 1,)),
                    where,
                    wp.abs(c),
                )
            )
        elif p.chance(0.5):
            k.do(
                wp.atomic_add(
                    k.out("residual|error_sq|sum_c2", p.real, (self.e.worlds or 1,)), where, c * c
                )
            )
        else:
            self.e.out("errors|constraint_values|c_out", p.real).store(c)
