"""Single-purpose kernels around a Cholesky factor: an intent of tile_linear_algebra."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tiles import Dim
from generator.synthesis.categories._tla_blocks import (
    Batch,
    Factor,
    axpy,
    diag_add,
    finish,
    inner,
    matmul,
    ridge,
    solver,
    transpose,
)
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def small_solves(p: ProgramBuilder) -> None:
    """Single-purpose kernels around a Cholesky factor: factor, solve with a stored factor, log-determinant, inverse."""
    kind = p.pick(
        "factor",
        "apply",
        "apply",
        "inverse",
        "logdet",
        "quadratic",
        "refine",
        "precondition",
        "update",
    )
    names = {
        "factor": "factor_blocks|cholesky_blocks|factorize_batch",
        "apply": "apply_factor|triangular_solve|forward_backward|back_substitute",
        "inverse": "invert_blocks|spd_inverse|precompute_inverse",
        "logdet": "log_determinants|block_logdet|volume_terms",
        "quadratic": "energy_norms|quadratic_forms|inverse_quadratic",
        "refine": "refine_solution|iterative_refinement|correct_solution",
        "precondition": "block_jacobi|apply_preconditioner|precondition_residual",
        "update": "newton_update|solve_and_update|implicit_step",
    }[kind]
    b = Batch(
        p,
        names,
        (
            "One dense block per thread block.",
            "Batched Cholesky.",
            "Small dense systems, one per block.",
            "Tile solver without global scratch memory.",
        ),
    )
    k, t = b.k, b.t
    n, one = t.dim("n|order|block_size|size", p.pick(3, 4, 6, 8, 12)), t.literal(1)
    if kind == "apply":
        _apply_factor(p, b, n)
        return
    helper = kind in ("update", "precondition", "quadratic") and p.chance(0.55)
    a = b.load(
        "A|blocks|matrices|systems|hessians",
        "a|m|block|mat",
        [n, n],
        R.spd(0.8, 4.0),
        True if helper or p.chance(0.4) else None,
    )
    if p.chance(0.3):
        a = ridge(p, b, a, n, b.param("eps|shift|regularisation", 1.0e-3, 0.2))
    if kind == "logdet":
        b.put("log_dets|logdet_out|volumes", Factor(p, b, a).log_det(n))
        return
    if kind == "factor":
        b.store("factors|chol_out|L_out", [n, n], Factor(p, b, a).low)
        return
    if kind == "inverse":
        eye = k.let(
            "eye|ident|unit",
            diag_add(
                t.zeros([n, n], p.real),
                tile("tile_ones", T.Tile(p.real, (n.value,)), shape=n.expr, dtype=p.real),
            ),
        )
        inv = Factor(p, b, a).solve(eye, "inv|a_inv|precision")
        b.store("inverses|A_inv|precisions", [n, n], inv)
        return
    many = t.dim("num_rhs|nrhs", p.pick(2, 3)) if p.chance(0.3) else None
    shape = [n] if many is None else [n, many]
    if kind == "refine":
        shape = [n, many or one]
    rhs = b.load(
        "rhs|residuals|b_all|gradients",
        "b|r|rhs_tile|g",
        shape,
        R.uniform(-1.0, 1.0),
        True if helper or p.chance(0.3) else None,
    )
    if helper:
        energy = kind == "quadratic"
        f = solver(p, n, rhs.type, energy)  # type: ignore[arg-type]
        if energy:
            x, e = k.unpack(["x|sol|y_tile", "e|energy|quad"], f(a, rhs))
            b.put("energies|quad_out|inverse_norms", e)
            b.store("solutions|x_out|duals", shape, x)
            return
        x: Expr = k.let("x|sol|z", f(a, rhs))
    else:
        f2 = Factor(p, b, a, inplace=kind != "refine")
        if kind == "quadratic":
            w = f2.whiten(rhs, "w|half|white")
            b.put("energies|quad_out|inverse_norms", inner(p, w, w))
            return
        x = f2.solve(rhs, "x|sol|z", keep=kind == "refine")
        if kind == "refine":
            for _ in range(p.pick(1, 1, 2)):
                r = k.let("r|defect|residual", rhs - matmul(a, x))
                x = k.let(
                    "x1|refined|corrected",
                    x + tile("tile_cholesky_solve", x.type, f2.low, r, **f2.upper),
                )
    if kind == "update":
        old = b.load(
            "x_all|state|unknowns", "x_old|xs|state_tile", shape, R.uniform(-1.0, 1.0), role="inout"
        )
        place = b.last
        axpy(p, k, -k.param("step|alpha|relaxation", 0.3, 1.0), x, old)
        b.store_back(place, old)
        return
    b.store("x|solutions|z_out|corrections", shape, finish(p, b, x) if p.chance(0.5) else x)
    if p.chance(0.25):
        b.put("norms|residual_norms|sizes", wp.sqrt(inner(p, x, x)))


def _apply_factor(p: ProgramBuilder, b: Batch, n: Dim) -> None:
    k = b.k
    low = b.load(
        "factors|L_all|chol",
        "L|low|factor",
        [n, n],
        R.spd(0.8, 3.0),
        True if p.chance(0.4) else None,
    )
    many = b.t.dim("num_rhs|nrhs", p.pick(2, 3)) if p.chance(0.3) else None
    shape = [n] if many is None else [n, many]
    x = b.load("rhs|b_all|vectors|noise", "x|v|b_tile|y", shape, R.uniform(-1.0, 1.0), role="inout")
    place = b.last
    k.options["enable_backward"] = False
    match p.pick("both", "lower", "upper", "lower_out", "upper_out", "solve", "solve_in"):
        case "both":
            k.do(tile("tile_lower_solve_inplace", T.VOID, low, x))
            k.do(tile("tile_upper_solve_inplace", T.VOID, transpose(low), x))
        case "lower":
            k.do(tile("tile_lower_solve_inplace", T.VOID, low, x))
        case "upper":
            k.do(
                tile(
                    "tile_upper_solve_inplace", T.VOID, transpose(low) if p.chance(0.6) else low, x
                )
            )
        case "lower_out":
            x = k.let("z|half|fwd", tile("tile_lower_solve", x.type, low, x))
        case "upper_out":
            x = k.let(
                "z|back|bwd",
                tile("tile_upper_solve", x.type, transpose(low) if p.chance(0.6) else low, x),
            )
        case "solve":
            x = k.let("z|sol|xs", tile("tile_cholesky_solve", x.type, low, x))
        case _:
            k.do(tile("tile_cholesky_solve_inplace", T.VOID, low, x))
    if p.chance(0.4):
        x = finish(p, b, x)
    b.store_back(place, x)
    if p.chance(0.4):
        b.put("norms_sq|energies|sizes", inner(p, x, x))
