"""Closed-form eigenvalues and spectral filters: intents of dense_algebra."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def eigen(p: ProgramBuilder) -> None:
    """Closed-form 3x3 or 2x2 symmetric eigenvalues and measures built on them."""
    k = p.kernel_builder(
        "symmetric_eigenvalues|principal_values|invariants_to_eigenvalues|eigen_closed_form|principal_stresses",
        p.pick(
            "Closed-form eigenvalues of symmetric matrices.",
            "Principal values from the invariants.",
        ),
    )
    e = Entities(k, p.pick("tensor", "cell", "sample", "element"))
    n = p.pick(2, 3)
    e.guard()
    a = k.let("a|m|s", e.field("tensors|stress|matrices", p.mat(n), R.spd(0.2, 3.0)).own)
    function = _closed2 if n == 2 else _closed3
    value = piece(
        p,
        k,
        "eigenvalues_sym|principal|sym_eig",
        {"m|a|t": a},
        lambda b, m: function(p, b, m),
        probability=0.6,
    )
    w = k.let("w|lam|principal", value)
    e.out("eigenvalues|principal_values|w_out", p.vec(n)).store(w)
    for what in p.sample(["gap", "cond", "aniso", "positive", "shear"], 0, 3):
        match what:
            case "gap":
                e.out("gaps|spread|separation", p.real).store(
                    w[n - 1] - w[0] if p.chance(0.5) else wp.max(w) - wp.min(w)
                )
            case "cond":
                e.out("conditions|cond|ratio", p.real).store(wp.max(w) / wp.max(wp.min(w), 1.0e-6))
            case "aniso":
                mean = k.let("mean|avg", wp.trace(a) / float(n))
                e.out("deviation|anisotropy|spread_sq", p.real).store(
                    wp.length_sq(w - construct(p.vec(n), mean))
                )
            case "positive":
                count = k.out("indefinite|num_negative|bad", T.I32, (1,))
                limit = k.param("threshold|floor|lower", 0.3, 0.9)
                with k.when(wp.min(w) < limit):
                    k.do(wp.atomic_add(count, 0, 1))
            case "shear":
                e.out("max_shear|tresca|shear", p.real).store(0.5 * wp.abs(w[n - 1] - w[0]))


def _closed2(p: ProgramBuilder, b: Any, m: Expr) -> Expr:
    half = b.let("half|mean|h", 0.5 * (m[0, 0] + m[1, 1]))
    if p.chance(0.5):
        diff = b.let("diff|d", 0.5 * (m[0, 0] - m[1, 1]))
        root = b.let("root|r|radius", wp.sqrt(diff * diff + m[0, 1] * m[0, 1]))
    else:
        det = b.let("det|q", wp.determinant(m))
        root = b.let("root|r|radius", wp.sqrt(wp.max(half * half - det, 0.0)))
    return construct(p.vec(2), half - root, half + root)


def _closed3(p: ProgramBuilder, b: Any, m: Expr) -> Expr:
    q = b.let("q|mean|third", wp.trace(m) / 3.0)
    dev = b.let("dev|s|d", m - wp.diag(construct(p.vec(3), q)))
    r = b.let("r|radius|p_", wp.sqrt(wp.max(wp.ddot(dev, dev) / 6.0, 1.0e-12)))
    half_det = b.let("half_det|arg|c", wp.clamp(0.5 * wp.determinant(dev / r), -1.0, 1.0))
    phi = b.let("phi|angle|theta", wp.acos(half_det) / 3.0)
    largest = b.let("hi|w2|e1", q + 2.0 * r * wp.cos(phi))
    smallest = b.let("lo|w0|e3", q + 2.0 * r * wp.cos(phi + 2.0943951))
    middle = 3.0 * q - largest - smallest
    return (
        construct(p.vec(3), smallest, middle, largest)
        if p.chance(0.5)
        else construct(p.vec(3), largest, middle, smallest)
    )


def spectral(p: ProgramBuilder) -> None:
    """Work on the factors that Warp's 2x2 and 3x3 decompositions return."""
    how = p.weighted({"eig3": 4, "svd3": 4, "svd2": 2, "qr3": 3.5})
    names = {
        "eig3": "project_spd|clamp_eigenvalues|spectral_filter|make_positive|eig_filter",
        "svd3": "singular_values|low_rank|pseudo_inverse|extract_rotation|svd_project",
        "svd2": "svd_2x2|singular_values_2d|rotation_from_svd|planar_polar",
        "qr3": "qr_blocks|orthonormal_frames|upper_triangular|qr_least_squares",
    }
    k = p.kernel_builder(
        names[how],
        p.pick(
            "Spectral processing of small matrices.", "Decompose, modify the factors and recompose."
        ),
    )
    e = Entities(k, p.pick("tensor", "matrix", "body", "element", "sample"))
    e.guard()
    n = 2 if how == "svd2" else 3
    fill = R.uniform(-1.5, 1.5) if how == "eig3" else R.near_identity(0.6)
    a = k.let("a|m|f", e.field("matrices|A|F|tensors", p.mat(n), fill).own)
    {"eig3": _eig3, "svd3": _svd, "svd2": _svd, "qr3": _qr3}[how](p, k, e, a, n, how)


def _eig3(p: ProgramBuilder, k: KernelBuilder, e: Entities, a: Expr, n: int, how: str) -> None:
    sym = k.let("sym|s|h", (a + wp.transpose(a)) * 0.5)
    q, d = k.unpack(["q|vecs|basis", "d|w|lam"], wp.eig3(sym))
    match p.pick("clamp", "abs", "inverse", "sqrt", "largest"):
        case "clamp":
            floor = k.param("floor|eps|min_eig", 0.01, 0.2)
            d = k.let(
                "d_plus|clamped|w_pos",
                construct(p.vec(3), *(wp.max(d[i], floor) for i in range(3))),
            )
        case "abs":
            d = k.let("d_abs|mag|w_abs", wp.abs(d))
        case "inverse":
            reg = k.param("ridge|reg|eps", 0.05, 0.5)
            d = k.let(
                "d_inv|inv_w|filt",
                construct(p.vec(3), *(d[i] / (d[i] * d[i] + reg) for i in range(3))),
            )
        case "sqrt":
            d = k.let(
                "root|d_sqrt|scale",
                construct(p.vec(3), *(wp.sqrt(wp.max(d[i], 0.0)) for i in range(3))),
            )
        case _:
            best = k.var("best|major|idx", 0, T.I32)
            with k.loop("c|j", 1, 3) as c, k.when(d[c] > d[best]):
                k.set(best, c)
            axis = construct(p.vec(3), *(q[i, best] for i in range(3)))
            e.out("major_axis|directions|axes", p.vec(3)).store(axis)
            e.out("major_value|largest|w_max", p.real).store(d[best])
            return
    made = piece(
        p,
        k,
        "recompose|from_eigen|assemble_spectral",
        {"q|v": q, "d|w": d},
        lambda b, v, w: v * wp.diag(w) * wp.transpose(v),
    )
    e.out("filtered|spd|out|recomposed", p.mat(3)).store(made)
    if p.chance(0.5):
        e.out("spectrum|values|w_out", p.vec(3)).store(d)


def _svd(p: ProgramBuilder, k: KernelBuilder, e: Entities, a: Expr, n: int, how: str) -> None:
    u, s, v = k.unpack(["u|left", "s|sigma|sv", "v|right"], getattr(wp, how)(a))
    tasks = p.sample(["rotation", "cond", "pinv", "rank", "clamp", "det"], 1, 3)
    if "rotation" in tasks:

        def proper(b: Block, left: Expr, right: Expr) -> Expr:
            r = b.var("r|rot|R_i", left * wp.transpose(right))
            with b.when(wp.determinant(r) < 0.0):
                flip = construct(p.vec(n), *([1.0] * (n - 1)), -1.0)
                b.set(r, left * wp.diag(flip) * wp.transpose(right))
            return r

        e.out("rotations|R|frames", p.mat(n)).store(
            piece(
                p,
                k,
                "proper_rotation|rotation_from_svd|closest_rotation",
                {"u|left": u, "v|right": v},
                proper,
            )
        )
        if p.chance(0.4):
            e.out("stretch|S|U_out", p.mat(n)).store(v * wp.diag(s) * wp.transpose(v))
    if "cond" in tasks:
        e.out("condition|cond|ratios", p.real).store(wp.max(s) / wp.max(wp.min(s), 1.0e-6))
    if "pinv" in tasks:
        cutoff = k.param("cutoff|rcond|tol", 1e-3, 0.2)
        inv = k.var("inv_s|si|s_inv", construct(p.vec(n), 0.0))
        with (
            k.loop("c|j", n) as c,
            k.when(s[c] > cutoff * s[0] if p.chance(0.5) else s[c] > cutoff),
        ):
            k.set(inv[c], 1.0 / s[c])
        e.out("pinv|pseudo_inverses|A_plus", p.mat(n)).store(v * wp.diag(inv) * wp.transpose(u))
    if "rank" in tasks:
        tol = k.param("rank_tol|threshold|min_sv", 0.1, 0.8)
        rank = k.var("rank|count|kept", 0, T.I32)
        with k.loop("c|j", n) as c, k.when(s[c] > tol):
            k.aug(rank, "+", 1)
        e.out("ranks|num_significant|rank_out", T.I32).store(rank)
    if "clamp" in tasks:
        lo, hi = (
            k.param("min_stretch|lo|s_min", 0.4, 0.8),
            k.param("max_stretch|hi|s_max", 1.1, 1.6),
        )
        limited = k.let(
            "limited|sc|s_lim", construct(p.vec(n), *(wp.clamp(s[i], lo, hi) for i in range(n)))
        )
        e.out("limited|F_out|projected", p.mat(n)).store(u * wp.diag(limited) * wp.transpose(v))
    if "det" in tasks:
        total = k.out("total_volume|nuclear_norm|sum_sv", p.real, (1,))
        value = wp.dot(s, construct(p.vec(n), 1.0)) if p.chance(0.5) else wp.determinant(a)
        k.do(wp.atomic_add(total, 0, value))


def _qr3(p: ProgramBuilder, k: KernelBuilder, e: Entities, a: Expr, n: int, how: str) -> None:
    q, r = k.unpack(["q|ortho", "r|up"], wp.qr3(a))
    if p.chance(0.5):
        b = k.let(
            "b|rhs_i|y",
            wp.transpose(q) * e.field("rhs|targets|b_in", p.vec(3), R.uniform(-1.0, 1.0)).own,
        )
        x = k.var("x|sol|z", construct(p.vec(3), 0.0))
        ok = p.chance(0.5)
        with k.loop("t|step", 3) as t:
            i = k.let("i|row", 2 - t)
            s = k.var("s|acc", b[i])
            with k.loop("j|c", i + 1, 3) as j:
                k.aug(s, "-", r[i, j] * x[j])
            k.set(x[i], choose(wp.abs(r[i, i]) > 1.0e-6, s / r[i, i], 0.0) if ok else s / r[i, i])
        e.out("solutions|x_out|sol_out", p.vec(3)).store(x)
        if p.chance(0.4):
            e.out("fit_error|residual|err", p.real).store(wp.length(a * x - q * b))
        return
    e.out("orthonormal|Q|frames", p.mat(3)).store(q)
    if p.chance(0.6):
        e.out("triangular|R|upper", p.mat(3)).store(r)
    if p.chance(0.5):
        small = k.out("degenerate|num_singular|flat", T.I32, (1,))
        d = k.let("d|diag|rd", wp.get_diag(r))
        tol = k.param("tol|min_diag|eps", 0.05, 0.6)
        with k.when(
            all_of(wp.abs(d[0]) > tol, wp.abs(d[2]) < tol)
            if p.chance(0.4)
            else wp.min(wp.abs(d)) < tol
        ):
            k.do(wp.atomic_add(small, 0, 1))
