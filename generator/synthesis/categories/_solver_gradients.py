"""Conjugate gradients, for the constraint category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._solver_sweeps import worlds
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def conjugate_gradient(p: ProgramBuilder) -> None:
    """Pieces and whole solves of conjugate gradients on joint-space or row-space systems."""
    p.pick(_cg_world, _cg_world, _matvec, _cg_update)(p)


def _cg_world(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "cg_solve|conjugate_gradient|cg_world|solve_normal_equations|pcg_solve",
        p.pick(
            "Conjugate gradients, one small system per thread.",
            "Preconditioned CG on the mass matrix.",
            "",
        ),
    )
    k.options["enable_backward"] = False
    p.real = T.F64 if p.on("double") else T.F32
    e = worlds(k)
    n = p.pick(6, 8, 12)
    A, b = (
        Table(e, "A|M|H_mat", p.real, (e.n, n, n), R.uniform(-0.2, 0.2)),
        Table(e, "b|rhs|grad", p.real, (e.n, n), R.uniform(-1.0, 1.0)),
    )
    shift = k.param("diagonal|shift|armature", 3.0, 6.0)
    x = Table(e, "x|qacc|solution", p.real, (e.n, n), R.zeros(), "out")
    r, d = (
        Table(e, h, p.real, (e.n, n), R.zeros(), "out")
        for h in ("r|residual|res", "search|p_dir|direction")
    )
    size = b.extent(1) if p.chance(0.5) else k.count("n|nv|size", n)
    preconditioned = p.chance(0.4)
    inverse = (lambda i: 1.0 / (A[e.index, i, i] + shift)) if preconditioned else None
    rho = k.var("rho|rz|rr", 0.0, p.real)
    with k.loop("i|row|j0", size) as i:
        r.store(b[e.index, i], e.index, i)
        z = b[e.index, i] if inverse is None else k.let("z|pr|mr", inverse(i) * b[e.index, i])
        d.store(z, e.index, i)
        k.aug(rho, "+", b[e.index, i] * z)
    tolerance, used = k.param("tolerance|eps|tol", 1.0e-6, 1.0e-3), k.var("used|iters|n_it", 0)
    limit = k.count("max_iter|iterations|cg_iters", p.pick(6, 10, 16))
    image = k.var("ad|q|Ap", construct(T.Vec(n, p.real), 0.0))
    with k.repeat(all_of(used < limit, rho > tolerance)):
        curvature = k.var("dad|pq|curv", 0.0, p.real)
        with k.loop("i|row|j0", size) as i:
            acc = k.var("acc|sum_i|s_i", shift * d[e.index, i])
            with k.loop("j|col|c", size) as j:
                symmetric = 0.5 * (A[e.index, i, j] + A[e.index, j, i])
                k.aug(acc, "+", symmetric * d[e.index, j])
            k.set(image[i], acc)
            k.aug(curvature, "+", acc * d[e.index, i])
        with k.when(curvature <= 0.0):
            k.brk()
        alpha, fresh = (
            k.let("alpha|step|a_k", rho / curvature),
            k.var("rho_new|rz_new|next_rho", 0.0, p.real),
        )
        with k.loop("i|row|j0", size) as i:
            x.store(x[e.index, i] + alpha * d[e.index, i], e.index, i)
            remaining = k.let("r_i|left|res_i", r[e.index, i] - alpha * image[i])
            r.store(remaining, e.index, i)
            k.aug(
                fresh,
                "+",
                remaining * remaining if inverse is None else remaining * remaining * inverse(i),
            )
        beta = k.let("beta|ratio|b_k", fresh / rho)
        with k.loop("i|row|j0", size) as i:
            z = r[e.index, i] if inverse is None else inverse(i) * r[e.index, i]
            d.store(z + beta * d[e.index, i], e.index, i)
        k.set(rho, fresh)
        k.aug(used, "+", 1)
    e.out("iterations_used|niter|cg_count", T.I32).store(used)
    if p.chance(0.5):
        e.out("residual_norm|final_res|error", p.real).store(wp.sqrt(rho))


def _matvec(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "apply_jacobian|mul_jac_t|jacobian_product|mass_matrix_product|row_products|efc_force_to_joint",
        p.pick(
            "Products with the constraint Jacobian.",
            "Joint forces from row forces.",
            "Matrix-vector products of the solver.",
        ),
    )
    p.real = T.F32
    transposed = p.chance(0.5)
    e = Entities(
        k,
        "dof" if transposed else "row",
        index="d|dofid|i" if transposed else "r|efcid|row",
        count=p.pick(24, 32, 48),
    )
    m = p.pick(16, 24, 32)
    shape = (m, e.n) if transposed else (e.n, m)
    jac, vector = (
        Table(e, "J|efc_J|jac", T.F32, shape, R.uniform(-1.0, 1.0)),
        Table(
            e,
            "force|efc_force|vec_in" if transposed else "qacc|search|vec_in",
            T.F32,
            (m,),
            R.uniform(-1.0, 1.0),
        ),
    )
    skip = (
        Table(e, "active|efc_active|row_state", T.I32, (m,), R.mask(0.7))
        if transposed and p.chance(0.5)
        else None
    )
    e.guard()
    acc = k.var("acc|total|product", 0.0)
    with k.loop(
        "j|c|s",
        vector.extent()
        if p.chance(0.5)
        else k.count("nefc|num_rows|width" if transposed else "nv|num_dofs|width", m),
    ) as j:
        if skip is not None:
            with k.when(skip[j] == 0):
                k.cont()
        k.aug(acc, "+", (jac[j, e.index] if transposed else jac[e.index, j]) * vector[j])
    form = p.pick("plain", "residual", "scaled")
    if form == "residual":
        other = e.field("aref|qfrc_smooth|target", T.F32, R.uniform(-1.0, 1.0)).own
        acc_value: Expr = acc - other
    elif form == "scaled":
        acc_value = acc * e.field("efc_D|weights|diag_inv", T.F32, R.uniform(0.1, 2.0)).own
    else:
        acc_value = acc
    result = k.let("value|out_i|jv", acc_value)
    e.out("qfrc_constraint|out_vec|product_out" if transposed else "jaref|Jx|out_vec", T.F32).store(
        result
    )
    if p.chance(0.6):
        other = e.field("search|direction|grad", T.F32, R.uniform(-1.0, 1.0)).own
        Table(e, "dot|curvature|inner", T.F32, (1,), role="out").add(result * other, 0)
    if p.chance(0.3):
        Table(e, "norm_sq|residual_sq", T.F32, (1,), role="out").add(result * result, 0)


def _cg_update(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "cg_update|update_search|step_solution|advance_solver|search_direction",
        p.pick(
            "Step along the search direction and update it.",
            "Vector updates of an iterative solver.",
            "",
        ),
    )
    e = Entities(k, "dof", index="d|dofid|i")
    if p.chance(0.5):
        finished = Table(e, "solver_done|converged|done", T.I32, (1,), R.zeros())
        with k.when(finished[0] != 0):
            k.ret()
    alpha = Table(e, "alpha|step_len|line_alpha", T.F32, (1,), R.uniform(0.1, 1.0))[0]
    search, x = (
        e.inout("search|p_dir|direction", T.F32, R.uniform(-1.0, 1.0)),
        e.inout("qacc|x|solution", T.F32, R.uniform(-1.0, 1.0)),
    )
    r = e.inout("grad|residual|r", T.F32, R.uniform(-1.0, 1.0))
    image = e.field("Mv|A_search|image", T.F32, R.uniform(-1.0, 1.0)).own
    step = k.let("a|alpha_k|s_k", alpha)
    x.store(x.own + step * search.own)
    new = k.let("r_new|g_new|g", r.own - step * image if p.chance(0.6) else r.own + step * image)
    form = p.pick("fletcher", "polak", "given")
    weight = (
        e.field("preconditioner|inv_diag|Minv", T.F32, R.uniform(0.3, 1.5)).own
        if p.chance(0.5)
        else None
    )
    z = new if weight is None else k.let("z|Mg|precond", weight * new)
    if form == "given":
        beta = Table(e, "beta|conj_beta", T.F32, (1,), R.uniform(0.0, 0.8))[0]
        search.store((z if p.chance(0.5) else -z) + beta * search.own)
    else:
        difference = new if form == "fletcher" else new - r.own
        Table(e, "beta_num|rz_new", T.F32, (1,), role="out").add(difference * z, 0)
        Table(e, "beta_den|rz_old", T.F32, (1,), role="out").add(
            r.own * r.own if weight is None else weight * r.own * r.own, 0
        )
    r.store(new)
