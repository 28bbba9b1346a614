"""Eigenvalues of small matrices: intents of dense_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories import _dense as D
from generator.synthesis.categories import _dense_algorithms as A
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity, inverted, piece
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def power(p: ProgramBuilder) -> None:
    """Dominant eigenvector by power iteration, with Rayleigh quotient, shift or deflation."""
    n = p.pick(3, 3, 4, 6)
    k = p.kernel_builder(
        "power_iteration|dominant_eigenvector|principal_axes|largest_eigenvalue|leading_mode",
        p.pick(
            "Power iteration for the largest eigenvalue of each matrix.",
            "Dominant eigenpair; the start vector is refined in place.",
        ),
    )
    e = Entities(k, p.pick("matrix", "system", "cluster", "tensor"))
    e.guard()
    form = p.weighted({"mat": 6, "array": 3})
    a = D.given(p, e, form, "matrices|covariances|A|tensors", "a|m|c", (n, n), R.spd(0.3, 4.0))
    iterations = k.count("iterations|max_iters|num_iters|steps", p.pick(8, 12, 16, 20))
    if form == "mat":
        _power_typed(p, k, e, a.m, n, iterations)
    else:
        _power_array(p, k, e, a, n, iterations)


def _start(p: ProgramBuilder, k: KernelBuilder, e: Entities, n: int) -> Expr:
    match p.pick("ones", "given", "axis"):
        case "ones":
            return wp.normalize(construct(p.vec(n), 1.0))
        case "given":
            return wp.normalize(
                e.field("start|guess|v0|initial", p.vec(n), R.uniform(0.2, 1.0)).own
            )
    return construct(p.vec(n), *(1.0 if i == 0 else 0.3 * i for i in range(n)))


def _power_typed(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, a: Expr, n: int, iterations: Expr
) -> None:
    v = k.var("v|x|dir", _start(p, k, e, n))
    shift = k.param("shift|mu|sigma", 0.05, 0.25) if p.chance(0.3) else None
    inverse = p.chance(0.25) and n <= 4
    m = a
    if shift is not None:
        m = k.let("shifted|b|ms", a - identity(p, n) * shift)
    if inverse:
        m = k.let("inv|a_inv|mi", inverted(p, m))
    tol = k.param("tol|eps|tolerance", 1e-8, 1e-4) if p.chance(0.5) else None
    used = k.var("used|iters|count", 0, T.I32) if p.chance(0.3) else None
    with k.loop("it|step|iteration", iterations):
        nxt = k.let("nxt|v_new|wn", _advance(p, k, m, v))
        if used is not None:
            k.aug(used, "+", 1)
        if tol is not None:
            d = k.let("diff|change|delta", wp.length_sq(nxt - v))
            k.set(v, nxt)
            with k.when(d < tol * tol if p.chance(0.4) else d < tol):
                k.brk()
        else:
            k.set(v, nxt)
    lam = k.let("lam|eigenvalue|rayleigh", wp.dot(v, a * v))
    e.out("eigenvectors|axes|modes", p.vec(n)).store(v)
    e.out("eigenvalues|lambdas|spectral_radius", p.real).store(lam)
    if used is not None:
        e.out("iteration_counts|iters_used|steps_taken", T.I32).store(used)
    match p.pick("none", "deflate", "residual", "anisotropy"):
        case "deflate":
            e.out("deflated|remaining|A_next", p.mat(n)).store(a - wp.outer(v, v) * lam)
        case "residual":
            e.out("residuals|eig_error|defect", p.real).store(wp.length(a * v - v * lam))
        case "anisotropy":
            e.out("anisotropy|linearity|explained", p.real).store(lam / wp.trace(a))


def _advance(p: ProgramBuilder, k: KernelBuilder, m: Expr, v: Expr) -> Expr:
    form = p.pick("max", "ternary", "normalize", "normalize")

    def body(b: Block, mat: Expr, x: Expr) -> Expr:
        w = b.let("w|av|y", mat * x)
        if form == "normalize":
            return wp.normalize(w)
        size = b.let("size|norm|len_w", wp.length(w))
        return w / wp.max(size, 1.0e-12) if form == "max" else choose(size > 1.0e-12, w / size, x)

    return piece(p, k, "apply_and_normalize|power_step|next_direction", {"m|a": m, "x|v": v}, body)


def _power_array(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, a: D.Small, n: int, iterations: Expr
) -> None:
    size = D.extent(p, k, n, a)
    v = D.result(p, e, "array", "vectors|v|x", "vi", (n,), R.uniform(0.2, 1.0))
    w = D.result(p, e, "array", "scratch|work|w", "wi", (n,))
    lam = k.var("lam|eig|rho", 0.0, p.real)
    with k.loop("it|sweep", iterations):
        A.matvec(p, k, a.m, v.m, w.m, size, size)
        norm = A.norm_of(p, k, w.m, size)
        if p.chance(0.5):
            with k.when(norm == 0.0):
                k.brk()
        previous = k.let("previous|last|old", construct(p.real, lam)) if p.chance(0.5) else None
        k.set(lam, norm)
        with k.loop("i|c|q", size) as i:
            k.set(v.m[i], w.m[i] / norm)
        if previous is not None:
            with k.when(wp.abs(lam - previous) < p.pick(1e-6, 1e-5) * lam):
                k.brk()
    e.out("eigenvalues|rho_out|largest", p.real).store(lam)


def rotations(p: ProgramBuilder) -> None:
    """Cyclic Jacobi eigenvalue sweeps, or one-sided rotations for singular values."""
    n = p.pick(3, 3, 4, 5)
    k = p.kernel_builder(
        "jacobi_eigen|symmetric_eigen|jacobi_sweeps|diagonalize|jacobi_rotations",
        p.pick(
            "Cyclic Jacobi sweeps on small symmetric matrices.",
            "Diagonalise each matrix by plane rotations.",
        ),
    )
    e = Entities(k, p.pick("matrix", "tensor", "block"), count=p.pick(24, 32, 48))
    e.guard()
    form = p.weighted(D.FORMS)
    a = D.result(p, e, form, "matrices|A|tensors", "a|m", (n, n), R.spd(0.5, 4.0))
    size = D.extent(p, k, n, a)
    v = D.result(p, e, form, "vectors|V|modes", "v|q", (n, n)) if p.chance(0.6) else None
    basis = None
    if v is not None:
        basis = v.m
        with k.loop("i|d", size) as i:
            k.set(basis[i, i], 1.0)
    rotation = _rotation(p, k)
    sweeps = k.count("sweeps|max_sweeps|num_sweeps", p.pick(3, 4, 5))
    with k.loop("sweep|s", sweeps):
        if p.chance(0.4):
            off = k.var("off|off_norm|offdiag", 0.0, p.real)
            with k.loop("i|r", size) as i, k.loop("j|c", i + 1, size) as j:
                k.aug(off, "+", a.m[i, j] * a.m[i, j])
            with k.when(off < p.pick(1e-10, 1e-9)):
                k.brk()
        with k.loop("i|r|row", size - 1) as i, k.loop("j|c|col", i + 1, size) as j:
            aij = k.let("aij|apq|off_ij", a.m[i, j])
            with k.when(wp.abs(aij) > 1.0e-9):
                c, s = k.unpack(["c|cs", "s|sn"], rotation(a.m[i, i], a.m[j, j], aij))
                _rotate(p, k, a.m, basis, i, j, c, s, size)
    values = D.result(p, e, form, "eigenvalues|lambdas|w", "w|lam", (n,))
    w = values.m
    with k.loop("i|d", size) as i:
        k.set(w[i], a.m[i, i])
    for part in (values, v):
        if part is not None:
            part.commit()
    if p.chance(0.4) or form == "mat":
        a.commit()


def _rotation(p: ProgramBuilder, k: KernelBuilder) -> Any:
    """A function that gives cosine and sine of the rotation that annihilates an entry."""
    form = p.pick("tangent", "angle", "hypot")

    def body(b: Any, aii: Expr, ajj: Expr, aij: Expr) -> None:
        if form == "angle":
            theta = b.let("theta|angle|phi", 0.5 * wp.atan2(2.0 * aij, ajj - aii))
            b.ret(wp.cos(theta), wp.sin(theta))
            return
        tau = b.let("tau|theta|zeta", (ajj - aii) / (2.0 * aij))
        if form == "tangent":
            t = b.var("t|tan", 1.0 / (wp.abs(tau) + wp.sqrt(1.0 + tau * tau)))
            with b.when(tau < 0.0):
                b.set(t, -t)
        else:
            t = b.let("t|tan", wp.sign(tau) / (wp.abs(tau) + wp.sqrt(tau * tau + 1.0)))
        c = b.let("c|cosine", 1.0 / wp.sqrt(t * t + 1.0))
        b.ret(c, t * c)

    real = p.real
    return p.func(
        "jacobi_rotation|schur_rotation|symmetric_schur|rotation_cs",
        {"aii|app|a": real, "ajj|aqq|d": real, "aij|apq|b": real},
        body,
    )


def _rotate(
    p: ProgramBuilder,
    k: KernelBuilder,
    a: Any,
    v: Any,
    i: Expr,
    j: Expr,
    c: Expr,
    s: Expr,
    size: Operand,
) -> None:
    for target, rows in ((a, False), (a, True), (v, False)):
        if target is None:
            continue
        with k.loop("m|t|q", size) as m:
            x = k.let("x|p0|u", target[i, m] if rows else target[m, i])
            y = k.let("y|p1|w", target[j, m] if rows else target[m, j])
            k.set(target[i, m] if rows else target[m, i], c * x - s * y)
            k.set(target[j, m] if rows else target[m, j], s * x + c * y)
