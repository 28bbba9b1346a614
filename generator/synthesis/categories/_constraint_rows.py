"""The launch over (world, constraint row) and the iterations that work on dense rows."""

from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._numerics import add_at, tally
from generator.synthesis.constructs import enumeration
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, Operand


def tid(count: int) -> Expr:
    """``wp.tid()`` of a launch of `count` dimensions."""
    return N.Call("wp.tid", (), (), T.TupleType((T.I32,) * count))


@dataclass(slots=True)
class System:
    """Sizes of a batch of constraint systems, and the arrays made so far."""

    k: KernelBuilder
    worlds: int
    rows: int
    dofs: int
    world: Expr | None = None
    row: Expr | None = None

    @classmethod
    def draw(cls, k: KernelBuilder) -> "System":
        p = k.p
        return cls(k, p.pick(3, 4, 6, 8), p.pick(10, 12, 16, 20, 24), p.pick(4, 6, 7, 8, 9))

    def open(self, *, finished: bool = True) -> None:
        """One thread per (world, row), with the guards of such launches."""
        k, p = self.k, self.k.p
        k.launch_dim = (self.worlds, self.rows)
        order = p.chance(0.85)
        if order:
            self.world, self.row = k.unpack(
                ["worldid|world|env|w|env_id", "efcid|row|c|cid|i"], tid(2)
            )
        else:
            k.launch_dim = (self.worlds * self.rows,)
            t = k.let("tid|thread|t", wp.tid())
            n = k.count("max_rows|njmax|rows_per_world", self.rows)
            self.world = k.let("worldid|world|env", t // n)
            self.row = k.let("efcid|row|c|cid", t % n)
        if finished:
            self.guard_done()
        if p.chance(0.75):
            counts = k.array(
                "nefc|num_rows|row_count|num_constraints",
                T.I32,
                (self.worlds,),
                R.integers(self.rows // 2, self.rows + 1),
            )
            with k.when(self.row >= counts[self.world]):
                k.ret()

    def open_world(self, hint: str = "worldid|world|env|w") -> None:
        """One thread per world."""
        k = self.k
        k.launch_dim = (self.worlds,)
        self.world = k.let(hint, wp.tid())
        self.guard_done()

    def guard_done(self) -> None:
        k, p = self.k, self.k.p
        if p.chance(0.35):
            done = k.array(
                "done|converged|solver_done|is_done",
                p.pick(T.BOOL, T.I32),
                (self.worlds,),
                R.mask(0.2),
            )
            flag = done[self.world]  # type: ignore[index]
            with k.when(flag if done.type.dtype == T.BOOL else flag != 0):  # type: ignore[union-attr]
                k.ret()

    def per_row(self, hint: str, low: float, high: float, role: str = "in") -> Expr:
        return self.k.array(
            hint, self.k.p.real, (self.worlds, self.rows), R.uniform(low, high), role
        )

    def per_dof(self, hint: str, low: float, high: float, role: str = "in") -> Expr:
        return self.k.array(
            hint, self.k.p.real, (self.worlds, self.dofs), R.uniform(low, high), role
        )

    def jacobian(self) -> Expr:
        return self.k.array(
            "jac|efc_j|jacobian|j_rows",
            self.k.p.real,
            (self.worlds, self.rows, self.dofs),
            R.uniform(-0.6, 0.6),
        )

    def delassus(self) -> Expr:
        """A symmetric positive-definite matrix over rows."""
        return self.k.array(
            "a_mat|delassus|efc_a|schur",
            self.k.p.real,
            (self.worlds, self.rows, self.rows),
            R.spd(0.5, 2.5),
        )

    def dof_count(self, j: Expr) -> Operand:
        return j.dim(2) if self.k.p.chance(0.5) else self.k.count("nv|num_dofs|ndof", self.dofs)

    def row_count(self, a: Expr) -> Operand:
        k, p = self.k, self.k.p
        if p.chance(0.6):
            counts = k.array(
                "nefc|num_rows|row_count",
                T.I32,
                (self.worlds,),
                R.integers(self.rows // 2, self.rows + 1),
            )
            return k.let("n|nrow|count", counts[self.world])  # type: ignore[index]
        return a.dim(1) if p.chance(0.5) else k.count("num_rows|n_rows|nefc_max", self.rows)


def row_dot(
    p: ProgramBuilder,
    k: KernelBuilder,
    s: System,
    j: Expr,
    v: Expr,
    row: Expr,
    hint: str = "jv|vel|rel_vel",
) -> Name:
    """The product of one Jacobian row with a vector over the degrees of freedom."""
    total = k.var(hint, 0.0, p.real)
    with k.loop("d|dof|i_v", s.dof_count(j)) as d:
        k.aug(total, "+", j[s.world, row, d] * v[s.world, d])  # type: ignore[index]
    return total


def project(p: ProgramBuilder, b: Block, value: Expr, kind: str, *limits: Expr) -> Expr:
    """Bounds of one multiplier: unilateral, or between limits."""
    if kind == "unilateral":
        return wp.max(value, 0.0)
    if kind == "box":
        return wp.clamp(value, limits[0], limits[1])
    return wp.clamp(value, -limits[0], limits[0])


# --- sweeps over dense rows -----------------------------------------------------------------------


def gauss_seidel(p: ProgramBuilder) -> None:
    """Projected Gauss-Seidel on the dense system of each world, one world per thread."""
    k = p.kernel_builder(
        "solve_pgs|projected_gauss_seidel|pgs_iterations|solve_constraints|gauss_seidel_sweep|solve_lcp",
        p.pick(
            "Projected Gauss-Seidel, one world per thread.",
            "Sweeps over all constraint rows of a world.",
            "Solve for the constraint forces of every environment.",
        ),
    )
    s = System.draw(k)
    s.open_world()
    a = s.delassus()
    b = s.per_row("rhs|b|bias|efc_b", -1.0, 1.0)
    lam = s.per_row("lam|force|impulse|efc_force", 0.0, 0.5, "inout")
    n = s.row_count(a)
    bound = p.pick("unilateral", "typed", "limits", "friction")
    low_high = (
        (s.per_row("lower|lo|lam_min", -1.0, 0.0), s.per_row("upper|hi|lam_max", 0.2, 1.5))
        if bound == "limits"
        else None
    )
    kinds = (
        k.array("row_type|efc_type|types", T.I32, (s.worlds, s.rows), R.integers(0, 3))
        if bound == "typed"
        else None
    )
    parents = (
        (
            k.array("normal_row|parent_row|normal_index", T.I32, (s.worlds, s.rows), R.parents()),
            s.per_row("mu|friction|efc_mu", 0.2, 0.9),
        )
        if bound == "friction"
        else None
    )
    names = (
        enumeration(p, "RowType|ConstraintType|EfcType", ["EQUALITY", "LIMIT", "FRICTION"])
        if kinds is not None and p.chance(0.5)
        else None
    )
    omega = k.param("omega|relaxation|sor", 0.8, 1.4) if p.chance(0.5) else None
    tol = k.param("tolerance|tol|eps", 1.0e-5, 1.0e-3) if p.chance(0.6) else None
    w = s.world
    with k.loop("it|iteration|sweep", k.count("iterations|max_iters|num_sweeps", p.pick(4, 8, 12))):
        change = k.var("change|delta_sum|improvement", 0.0, p.real) if tol is not None else None
        with k.loop("i|r|row", n) as i:
            diag = k.let(
                "diag|a_ii|d_ii",
                a[w, i, i] + k.param("regularization|cfm|softness", 1.0e-4, 0.1)
                if p.chance(0.5)
                else a[w, i, i],
            )
            if p.chance(0.4):
                with k.when(diag < 1.0e-9):
                    k.cont()
            r = k.var("res|r_i|residual", b[w, i])
            with k.loop("j|c|col", n) as j:
                k.aug(r, "+", a[w, i, j] * lam[w, j])
            old = k.let("old|prev|last", lam[w, i])
            step = r / diag if omega is None else omega * r / diag
            raw = k.let("raw|trial|unclamped", old - step)
            new = _bounded(p, k, s, bound, raw, i, low_high, kinds, parents, names, lam)
            k.set(lam[w, i], new)
            if change is not None:
                k.aug(
                    change, "+", wp.abs(new - old) if p.chance(0.5) else (new - old) * (new - old)
                )
        if tol is not None and change is not None:
            with k.when(change < tol):
                k.brk()
    if p.chance(0.4):
        _residual_norm(p, k, s, a, b, lam, n)


def _bounded(
    p: ProgramBuilder,
    k: KernelBuilder,
    s: System,
    bound: str,
    raw: Expr,
    i: Expr,
    limits: object,
    kinds: object,
    parents: object,
    names: object,
    lam: Expr,
) -> Expr:
    w = s.world
    if bound == "unilateral":
        return k.let("new|lam_i|f_new", wp.max(raw, 0.0))
    if bound == "limits":
        return k.let("new|lam_i|f_new", wp.clamp(raw, limits[0][w, i], limits[1][w, i]))  # type: ignore[index]
    if bound == "friction":
        parent = k.let("parent|normal|n_row", parents[0][w, i])  # type: ignore[index]
        new = k.var("new|lam_i|f_new", raw)
        with k.when(parent < 0):
            k.set(new, wp.max(raw, 0.0))
        with k.otherwise():
            cap = k.let("cap|limit|f_max", parents[1][w, i] * lam[w, parent])  # type: ignore[index]
            k.set(new, wp.clamp(raw, -cap, cap))
        return new
    new = k.var("new|lam_i|f_new", raw)
    t = k.let("t|kind|row_kind", kinds[w, i])  # type: ignore[index]
    cap = k.param("max_friction|friction_loss|f_loss", 0.1, 0.8)
    with k.when(t == (names["LIMIT"] if names is not None else 1)):  # type: ignore[index]
        k.set(new, wp.max(raw, 0.0))
    with k.elsewhen(t == (names["FRICTION"] if names is not None else 2)):  # type: ignore[index]
        k.set(new, wp.clamp(raw, -cap, cap))
    return new


def _residual_norm(
    p: ProgramBuilder, k: KernelBuilder, s: System, a: Expr, b: Expr, lam: Expr, n: Operand
) -> None:
    k.step(p.pick("complementarity residual", "final residual", ""))
    worst = k.var("worst|gap|err", 0.0, p.real)
    with k.loop("i|r|row", n) as i:
        v = k.var("v|slack|w_i", b[s.world, i])  # type: ignore[index]
        with k.loop("j|c|col", n) as j:
            k.aug(v, "+", a[s.world, i, j] * lam[s.world, j])  # type: ignore[index]
        k.set(
            worst,
            wp.max(
                worst,
                wp.abs(wp.min(v, lam[s.world, i]))
                if p.chance(0.5)
                else wp.abs(v * lam[s.world, i]),
            ),
        )  # type: ignore[index]
    k.set(k.out("residuals|gap_out|solver_error", p.real, (s.worlds,))[s.world], worst)  # type: ignore[index]


def jacobi(p: ProgramBuilder) -> None:
    """One Jacobi step of every row, from the current multipliers or velocities."""
    k = p.kernel_builder(
        "jacobi_step|update_multipliers|solve_rows|row_impulses|constraint_jacobi|relax_rows",
        p.pick(
            "One relaxed Jacobi update of all rows.",
            "Impulse of every constraint row from the current velocities.",
            "",
        ),
    )
    s = System.draw(k)
    s.open()
    w, r = s.world, s.row
    assert w is not None
    assert r is not None
    old = s.per_row("lam|impulses|efc_force", 0.0, 0.4)
    velocity = p.chance(0.6)
    if velocity:
        j, v = s.jacobian(), s.per_dof("qvel|velocities|vel|qd", -1.0, 1.0)
        bias = s.per_row("bias|aref|target_vel", -0.5, 0.5)
        residual = row_dot(p, k, s, j, v, r) - bias[w, r]
        if p.chance(0.4):
            residual = residual + k.param("cfm|softness|compliance", 0.001, 0.1) * old[w, r]
        inv = s.per_row("inv_diag|eff_mass|efc_d", 0.2, 1.0)[w, r]
    else:
        a, b = s.delassus(), s.per_row("rhs|b|bias", -1.0, 1.0)
        total = k.var("total|sum|acc", b[w, r])
        with k.loop("c|j|col", a.dim(2)) as c:
            if p.chance(0.3):
                with k.when(c == r):
                    k.cont()
            k.aug(total, "+", a[w, r, c] * old[w, c])
        residual, inv = total, 1.0 / a[w, r, r]
    omega = k.param("omega|relaxation|damping", 0.2, 0.8)
    raw = k.let("raw|trial|lam_trial", old[w, r] - omega * inv * residual)
    kind = p.pick("unilateral", "typed", "symmetric", "box")
    if kind == "typed":
        equality = k.array(
            "is_equality|bilateral|row_type", T.I32, (s.worlds, s.rows), R.integers(0, 2)
        )
        new = (
            choose(equality[w, r] != 0, raw, wp.max(raw, 0.0))
            if p.chance(0.5)
            else wp.where(equality[w, r] == 1, raw, wp.max(raw, 0.0))
        )
    elif kind == "symmetric":
        new = project(p, k, raw, kind, s.per_row("limits|max_force|cap", 0.1, 0.8)[w, r])
    elif kind == "box":
        new = project(
            p,
            k,
            raw,
            kind,
            s.per_row("lower|lam_min", -0.6, 0.0)[w, r],
            s.per_row("upper|lam_max", 0.2, 0.8)[w, r],
        )
    else:
        new = project(p, k, raw, kind)
    value = k.let("new|lam_new|f_new", new)
    k.set(k.out("lam_out|impulses_out|force_out", p.real, (s.worlds, s.rows))[w, r], value)
    if velocity and p.chance(0.5):
        m_inv = s.per_dof("inv_mass|m_inv|inv_inertia", 0.2, 1.5)
        change = k.let("dl|delta_lam|change", value - old[w, r])
        with k.when(change != 0.0):
            dv = k.out("delta_vel|dv|qvel_delta", p.real, (s.worlds, s.dofs))
            with k.loop("d|dof|i_v", s.dof_count(j)) as d:
                add_at(k, dv, (w, d), m_inv[w, d] * j[w, r, d] * change)
    tally(p, k, (w, r), (s.worlds, s.rows), value - old[w, r], "change")


def conjugate_gradient(p: ProgramBuilder) -> None:
    """Conjugate gradients on the system of each world: a whole solve, or one of its vector steps."""
    if p.chance(0.5):
        _cg_solve(p)
    else:
        _cg_step(p)


def _cg_solve(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "cg_solve|solve_cg|conjugate_gradient|solve_newton_system|cg_iterations",
        p.pick("Conjugate gradients, one world per thread.", "Solve H x = g for every world."),
    )
    s = System.draw(k)
    s.open_world()
    w = s.world
    assert w is not None
    n = s.dofs
    h = k.array("hessian|h|qm|mass_matrix", p.real, (s.worlds, n, n), R.spd(0.5, 3.0))
    g = s.per_dof("grad|rhs|g|b", -1.0, 1.0)
    x = s.per_dof("x|search|solution|qacc", -0.5, 0.5, "inout")
    r, d, q = (
        k.out(name, p.real, (s.worlds, n))
        for name in ("r|residual|res", "d|search_dir|p_vec", "q|hd|matvec")
    )
    nv = h.dim(1) if p.chance(0.5) else k.count("nv|num_dofs|ndof", n)
    precondition = p.chance(0.5)
    rho = k.var("rho|rz|gamma", 0.0, p.real)
    with k.loop("i|d_i|row", nv) as i:
        total = k.var("t|ax|acc", g[w, i])
        with k.loop("j|c|col", nv) as j:
            k.aug(total, "-", h[w, i, j] * x[w, j])
        k.set(r[w, i], total)
        z = k.let("z|pre|zi", total / h[w, i, i] if precondition else construct(p.real, total))
        k.set(d[w, i], z)
        k.aug(rho, "+", total * z)
    tol = k.param("tolerance|tol|eps", 1.0e-6, 1.0e-4)
    with k.loop("it|iteration|step", k.count("max_iters|iterations|cg_iters", p.pick(4, 6, 8, 10))):
        with k.when(rho < tol if p.chance(0.6) else wp.sqrt(rho) < tol):
            k.brk()
        curve = k.var("dq|curv|dhd", 0.0, p.real)
        with k.loop("i|d_i|row", nv) as i:
            acc = k.var("acc|hd_i|sum_i", 0.0, p.real)
            with k.loop("j|c|col", nv) as j:
                k.aug(acc, "+", h[w, i, j] * d[w, j])
            k.set(q[w, i], acc)
            k.aug(curve, "+", d[w, i] * acc)
        alpha = k.let("alpha|step_len|a", rho / curve)
        fresh = k.var("rho_new|rz_new|gamma_new", 0.0, p.real)
        with k.loop("i|d_i|row", nv) as i:
            k.set(x[w, i], x[w, i] + alpha * d[w, i])
            k.set(r[w, i], r[w, i] - alpha * q[w, i])
            k.aug(fresh, "+", r[w, i] * r[w, i] / h[w, i, i] if precondition else r[w, i] * r[w, i])
        beta = k.let("beta|ratio|b", fresh / rho)
        with k.loop("i|d_i|row", nv) as i:
            k.set(d[w, i], (r[w, i] / h[w, i, i] if precondition else r[w, i]) + beta * d[w, i])
        k.set(rho, construct(p.real, fresh))
    k.options["enable_backward"] = False
    if p.chance(0.3):
        bound = k.param("max_acc|clip|x_max", 0.5, 3.0)
        with k.loop("i|d_i|row", nv) as i:
            k.set(x[w, i], wp.clamp(x[w, i], -bound, bound))
    if p.chance(0.5):
        k.set(k.out("final_residual|rho_out|error", p.real, (s.worlds,))[w], rho)


def _cg_step(p: ProgramBuilder) -> None:
    what = p.pick("matvec", "update", "direction", "reduce", "jt_force")
    hints = {
        "matvec": "apply_hessian|mul_m|cg_matvec",
        "update": "cg_update|update_iterate|advance_search",
        "direction": "cg_direction|update_search|new_direction",
        "reduce": "cg_dots|search_dot|reduce_products",
        "jt_force": "apply_constraint_force|jt_force|gather_qfrc",
    }[what]
    k = p.kernel_builder(
        hints, p.pick("", "One vector operation of the solver.", "Per (world, dof).")
    )
    s = System.draw(k)
    k.launch_dim = (s.worlds, s.dofs)
    w, d = k.unpack(["worldid|world|env", "dofid|dof|i|d"], tid(2))
    s.world = w
    s.guard_done()
    if what == "jt_force":
        j, f = s.jacobian(), s.per_row("efc_force|lam|row_force", -0.5, 0.8)
        total = k.var("total|qfrc|acc", 0.0, p.real)
        with k.loop("r|efcid|row", s.row_count(j)) as r:
            if p.chance(0.4):
                with k.when(f[w, r] == 0.0):
                    k.cont()
            k.aug(total, "+", j[w, r, d] * f[w, r])
        out = k.out("qfrc_constraint|qfrc|force_dof", p.real, (s.worlds, s.dofs))
        k.set(out[w, d], total)
        tally(p, k, (w, d), (s.worlds, s.dofs), total, "load", 0, 1)
        if p.chance(0.5):
            m = s.per_dof("inv_mass|m_inv|dof_inv_inertia", 0.2, 1.5)
            v = s.per_dof("qvel|velocities|qd", -1.0, 1.0, "inout")
            k.set(v[w, d], v[w, d] + k.param("dt|timestep|h", 0.001, 0.02) * m[w, d] * total)
        return
    a = s.per_dof("search|d|direction", -1.0, 1.0, "inout" if what == "direction" else "in")
    if what == "matvec":
        h = k.array("mass_matrix|hessian|qm", p.real, (s.worlds, s.dofs, s.dofs), R.spd(0.5, 3.0))
        acc = k.var("acc|total|mv", 0.0, p.real)
        parent = (
            k.array("dof_parent|parents|dof_parentid", T.I32, (s.dofs,), R.parents())
            if p.chance(0.35)
            else None
        )
        if parent is not None:
            at = k.var("at|ancestor|j", parent[d])
            k.aug(acc, "+", h[w, d, d] * a[w, d])
            with k.repeat(at >= 0):
                k.aug(acc, "+", h[w, d, at] * a[w, at])
                k.set(at, parent[at])
        else:
            with k.loop("j|c|col", h.dim(2)) as c:
                k.aug(acc, "+", h[w, d, c] * a[w, c])
        k.set(k.out("mv|hd|matvec_out", p.real, (s.worlds, s.dofs))[w, d], acc)
        if p.chance(0.5):
            add_at(k, k.out("curvature|d_hd|quad", p.real, (s.worlds,)), w, acc * a[w, d])
        return
    b = s.per_dof("grad|residual|r", -1.0, 1.0)
    alpha = k.array(
        "alpha|step_length|steps" if what == "update" else "beta|cg_beta|betas",
        p.real,
        (s.worlds,),
        R.uniform(0.05, 0.9),
    )
    if what == "update":
        x, r = s.per_dof("qacc|x|solution", -1.0, 1.0, "inout"), s.per_dof("ma|mv|hd", -1.0, 1.0)
        step = k.let("step|a|alpha_w", alpha[w])
        k.set(x[w, d], x[w, d] + step * a[w, d])
        new = k.let("g_new|res|r_new", b[w, d] - step * r[w, d])
        k.set(k.out("grad_out|residual_out|r_out", p.real, (s.worlds, s.dofs))[w, d], new)
        tally(p, k, (w, d), (s.worlds, s.dofs), new, "grad", 0, 2)
    elif what == "direction":
        with k.when(alpha[w] > k.param("restart|beta_max|limit", 0.4, 0.8)):
            k.set(a[w, d], -b[w, d])
            k.ret()
        pre = s.per_dof("inv_diag|precond|m_inv", 0.3, 1.5) if p.chance(0.5) else None
        z = b[w, d] if pre is None else k.let("z|pg|mgrad", pre[w, d] * b[w, d])
        k.set(a[w, d], alpha[w] * a[w, d] - z)
        tally(p, k, (w, d), (s.worlds, s.dofs), b[w, d] * z, "slope")
    else:
        value = k.let("prod|value|gd", a[w, d] * b[w, d])
        add_at(
            k,
            k.out("dots|search_grad|slope", p.real, (s.worlds,)),
            w,
            value if p.chance(0.5) else value * alpha[w],
        )
        tally(p, k, (w, d), (s.worlds, s.dofs), b[w, d], "grad")


def force_update(p: ProgramBuilder) -> None:
    """Forces, active states and cost of rows at the current acceleration."""
    k = p.kernel_builder(
        "update_constraint|constraint_forces|efc_update|row_states|evaluate_constraints|constraint_cost",
        p.pick(
            "Force and state of every constraint row.",
            "Piecewise quadratic cost of the rows.",
            "Which rows are active, and with what force.",
        ),
    )
    s = System.draw(k)
    s.open()
    w, r = s.world, s.row
    assert w is not None
    assert r is not None
    names = (
        enumeration(
            p,
            "State|ConstraintState|RowState",
            ["SATISFIED", "QUADRATIC", "LINEARNEG", "LINEARPOS"],
        )
        if p.chance(0.6)
        else None
    )
    code = (lambda n, i: names[n]) if names is not None else (lambda n, i: N.literal(i))
    stored = p.chance(0.55)
    if stored:
        x = k.let("x|jaref_i|res", s.per_row("jaref|residual|efc_jar", -1.0, 1.0)[w, r])
    else:
        j, acc = s.jacobian(), s.per_dof("qacc|acc|x", -1.0, 1.0)
        x = row_dot(p, k, s, j, acc, r, "jar|res|x_r")
        k.aug(x, "-", s.per_row("aref|efc_aref|target_acc", -0.5, 0.5)[w, r])
    d = k.let("d|weight|stiff", s.per_row("efc_d|d_diag|inv_reg", 0.5, 4.0)[w, r])
    force_a = k.out("efc_force|force|row_force", p.real, (s.worlds, s.rows))
    state_a = k.out("efc_state|state|active", T.I32, (s.worlds, s.rows)) if p.chance(0.7) else None
    cost_a = k.out("cost|efc_cost|total_cost", p.real, (s.worlds,)) if p.chance(0.7) else None
    ne = k.array("num_equality|ne|n_eq", T.I32, (s.worlds,), R.integers(1, s.rows // 3))
    loss = p.chance(0.6)

    def emit(force: Operand, state: Expr, cost: Expr | None) -> None:
        k.set(force_a[w, r], force)
        if state_a is not None:
            k.set(state_a[w, r], state)
        if cost is not None and cost_a is not None:
            add_at(k, cost_a, w, cost)

    quad = 0.5 * d * x * x
    tally(p, k, (w, r), (s.worlds, s.rows), x, "residual", 0, 1)
    k.step(p.pick("equality rows", ""))
    with k.when(r < ne[w]):
        emit(-d * x, code("QUADRATIC", 1), quad)
        k.ret()
    if loss:
        nf = k.array("num_friction|nf|n_loss", T.I32, (s.worlds,), R.integers(1, s.rows // 3))
        k.step(p.pick("dry friction", "friction loss rows", ""))
        with k.when(r < ne[w] + nf[w]):
            f = k.let(
                "f|loss|f_max", s.per_row("frictionloss|efc_frictionloss|dry", 0.1, 0.8)[w, r]
            )
            edge = k.let("edge|rf|zone", f / d)
            with k.when(x <= -edge):
                emit(f, code("LINEARNEG", 2), -f * (0.5 * edge + x))
            with k.elsewhen(x >= edge):
                emit(-f, code("LINEARPOS", 3), f * (x - 0.5 * edge))
            with k.otherwise():
                emit(-d * x, code("QUADRATIC", 1), quad)
            k.ret()
    k.step(p.pick("limits and contacts", "unilateral rows", ""))
    with k.when(x >= 0.0):
        emit(0.0, code("SATISFIED", 0), None)
    with k.otherwise():
        emit(-d * x, code("QUADRATIC", 1), quad)


def step_length(p: ProgramBuilder) -> None:
    """Exact line search along the solver's direction: Newton or bisection on the derivative over all rows."""
    k = p.kernel_builder(
        "solver_linesearch|exact_linesearch|line_search|find_alpha|linesearch_rows",
        p.pick("Line search on the piecewise quadratic cost.", "Step length per world."),
    )
    s = System.draw(k)
    s.open_world()
    w = s.world
    assert w is not None
    jar, jv, d = (
        s.per_row("jaref|jar|residual", -1.0, 1.0),
        s.per_row("jv|j_search|slope_rows", -1.0, 1.0),
        s.per_row("efc_d|d_diag|weights", 0.5, 3.0),
    )
    ne = (
        k.array("num_equality|ne|n_eq", T.I32, (s.worlds,), R.integers(1, 4))
        if p.chance(0.6)
        else None
    )
    gauss = (
        k.array("quad_gauss|gauss|smooth_terms", p.vec(3), (s.worlds,), R.uniform(0.2, 1.5))
        if p.chance(0.6)
        else None
    )
    n = s.row_count(jar)
    rounds = k.count("ls_iterations|max_ls|iterations", p.pick(4, 6, 10))
    tol = k.param("ls_tolerance|gtol|tol", 1.0e-4, 0.02)
    alpha = k.var("alpha|step|a", 0.0, p.real)
    used = k.var("used|evals|count_it", 0) if p.chance(0.4) else None
    bisect = p.chance(0.35)
    lo, hi = (
        (
            k.var("lo|left|a_lo", 0.0, p.real),
            k.var("hi|right|a_hi", k.param("max_step|alpha_max|ls_max", 1.0, 3.0)),
        )
        if bisect
        else (None, None)
    )
    with k.loop("it|iteration|ls", rounds):
        first = (
            k.var("deriv|grad_a|d1", 0.0, p.real)
            if gauss is None
            else k.var("deriv|grad_a|d1", gauss[w][1] * -1.0 + alpha * gauss[w][2] * 2.0)
        )
        second = (
            None
            if bisect
            else k.var(
                "curv|hess_a|d2",
                k.param("base_curvature|smooth_curv|h0", 0.1, 1.0)
                if gauss is None
                else 2.0 * gauss[w][2],
            )
        )
        with k.loop("r|efcid|i", n) as r:
            x = k.let("x|val|x_r", jar[w, r] + alpha * jv[w, r])
            inactive = x >= 0.0
            with k.when(inactive if ne is None else all_of(inactive, r >= ne[w])):
                k.cont()
            k.aug(first, "+", d[w, r] * x * jv[w, r])
            if second is not None:
                k.aug(second, "+", d[w, r] * jv[w, r] * jv[w, r])
        if used is not None:
            k.aug(used, "+", 1)
        with k.when(wp.abs(first) < tol):
            k.brk()
        if bisect:
            assert lo is not None
            assert hi is not None
            with k.when(first > 0.0):
                k.set(hi, construct(p.real, alpha))
            with k.otherwise():
                k.set(lo, construct(p.real, alpha))
            k.set(alpha, 0.5 * (lo + hi))
        else:
            assert second is not None
            k.set(
                alpha,
                wp.clamp(
                    alpha - first / second, 0.0, k.param("max_step|alpha_max|ls_max", 1.0, 4.0)
                )
                if p.chance(0.5)
                else alpha - first / second,
            )
    k.set(k.out("alphas|step_lengths|ls_alpha", p.real, (s.worlds,))[w], alpha)
    if used is not None:
        k.set(k.out("ls_iters|evaluations|ls_count", T.I32, (s.worlds,))[w], used)


def impedance(p: ProgramBuilder, b: Block, pos: Expr, params: Expr) -> Expr:
    """Position-dependent impedance between two levels over a width."""

    def body(i: Block, x: Expr, s: Expr) -> Expr:
        u = i.let("u|t|frac", wp.clamp(wp.abs(x) / s[2], 0.0, 1.0))
        shape = p.pick("linear", "smooth", "power")
        y = (
            u
            if shape == "linear"
            else u * u * (3.0 - 2.0 * u)
            if shape == "smooth"
            else wp.pow(u, 2.0)
        )
        return s[0] + y * (s[1] - s[0])

    return piece(
        p,
        b,
        "impedance|solimp|constraint_impedance",
        {"pos|x|dist": pos, "imp|s|solimp": params},
        body,
        p.pick("", "Impedance at this distance."),
    )
