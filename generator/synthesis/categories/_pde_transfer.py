"""Transfers between the levels of a multigrid hierarchy."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._grids import two_or_three
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr


def transfer(p: ProgramBuilder) -> None:
    """Restriction of a residual or prolongation of a correction, cell- or vertex-centred."""
    down = p.chance(0.55)
    names = (
        "restrict|restrict_residual|coarsen|full_weighting|downsample|fine_to_coarse"
        if down
        else "prolongate|interpolate_correction|prolong_add|upsample|coarse_to_fine"
    )
    doc = (
        p.pick("Average fine cells into a coarse one.", "Restriction to the coarser level.")
        if down
        else p.pick("Add the coarse-grid correction.", "Prolongation to the finer level.")
    )
    k = p.kernel_builder(names, doc)
    axes = two_or_three(p)
    coarse = tuple(p.pick(6, 8, 12) if axes == 3 else p.pick(8, 12, 16) for _ in range(axes))
    fine = tuple(2 * n for n in coarse)
    own = coarse if down else fine
    spare = p.pick(0, 0, 2, 4)
    k.launch_dim = tuple(n + spare for n in own)
    hints = (
        p.pick(("i", "j", "k"), ("y", "x", "z"), ("ci", "cj", "ck"))
        if axes == 2
        else p.pick(("i", "j", "k"), ("x", "y", "z"))
    )
    at = tuple(k.unpack(list(hints[:axes]), Call("wp.tid", (), (), T.TupleType((T.I32,) * axes))))
    dst = (
        k.array(
            "coarse|rhs_coarse|b_coarse" if down else "fine|x_fine|solution",
            p.real,
            own,
            R.uniform(-1.0, 1.0),
            "inout",
        )
        if not down or p.chance(0.25)
        else k.out("coarse|r_coarse|coarse_rhs", p.real, own)
    )
    src = k.array(
        "fine_residual|r_fine|residual" if down else "coarse|e_coarse|correction",
        p.real,
        fine if down else coarse,
        R.uniform(-1.0, 1.0),
    )
    if spare:
        _launch_guard(p, k, at, dst, own)
    if p.chance(0.35):
        fixed = k.array(
            "dirichlet|fixed|boundary_mask|inactive", p.pick(T.I32, T.BOOL), own, R.mask(0.15)
        )
        with k.when(fixed[at] if fixed.type.dtype == T.BOOL else fixed[at] != 0):
            if p.chance(0.5):
                k.set(dst[at], 0.0)
            k.ret()
    value = _restricted(p, k, src, at, fine) if down else _prolonged(p, k, src, at)
    if p.chance(0.4):
        value = value * k.param("scale|factor|omega|relax", 0.5, 1.0)
    if p.chance(0.4):
        value = k.let("value|avg|result|delta", value)
    match p.pick("set", "add", "aug") if not down else p.pick("set", "set", "add"):
        case "set":
            k.set(dst[at], value if down else dst[at] + value)
        case "add":
            k.set(dst[at], dst[at] + value)
        case "aug":
            k.aug(dst[at], "+", value)


def _launch_guard(
    p: ProgramBuilder, k: KernelBuilder, at: tuple[Expr, ...], dst: Expr, own: tuple[int, ...]
) -> None:
    given = p.chance(0.4)
    sizes = [
        k.scalar(f"n{c}|size_{c}|res_{c}", T.I32, n) if given else dst.dim(a)
        for a, (c, n) in enumerate(zip("xyz", own, strict=False))
    ]
    with k.when(any_of(*[i >= n for i, n in zip(at, sizes, strict=True)])):
        k.ret()


def _restricted(
    p: ProgramBuilder, k: KernelBuilder, src: Expr, at: tuple[Expr, ...], fine: tuple[int, ...]
) -> Expr:
    axes = len(at)
    base = [
        k.let(f"f{c}|fine_{c}|{c}2", 2 * i if p.chance(0.7) else i + i)
        for c, i in zip("ijk", at, strict=False)
    ]
    forms = (
        ["box", "loop", "window", "injection"]
        if axes == 2
        else ["loop", "loop", "axis", "injection"]
    )
    match p.pick(*forms):
        case "box":
            i, j = base
            total = src[i, j] + src[i + 1, j] + src[i, j + 1] + src[i + 1, j + 1]
            return 0.25 * total if p.chance(0.5) else total / 4.0
        case "loop":
            return _box_loop(p, k, src, base)
        case "axis":
            i, j, m = base
            near = k.let(
                "near|face0",
                src[i, j, m] + src[i + 1, j, m] + src[i, j + 1, m] + src[i + 1, j + 1, m],
            )
            far = k.let(
                "far|face1",
                src[i, j, m + 1]
                + src[i + 1, j, m + 1]
                + src[i, j + 1, m + 1]
                + src[i + 1, j + 1, m + 1],
            )
            return 0.125 * (near + far)
        case "injection":
            return src[tuple(base)]
    return _window(p, k, src, base)


def _box_loop(p: ProgramBuilder, k: KernelBuilder, src: Expr, base: list[Expr]) -> Expr:
    acc = k.var("acc|total|avg", 0.0, p.real)
    with k.loop("a|di|ox", 2) as a, k.loop("b|dj|oy", 2) as b:
        if len(base) == 2:
            k.aug(acc, "+", src[base[0] + a, base[1] + b])
        else:
            with k.loop("c|dk|oz", 2) as c:
                k.aug(acc, "+", src[base[0] + a, base[1] + b, base[2] + c])
    return acc * (0.25 if len(base) == 2 else 0.125)


def _window(p: ProgramBuilder, k: KernelBuilder, src: Expr, base: list[Expr]) -> Expr:
    """Full weighting over a 3 x 3 window, written out or looped."""
    fi, fj = base
    if p.chance(0.5):
        im, jm = k.let("im|i_up", wp.max(fi - 1, 0)), k.let("jm|j_left", wp.max(fj - 1, 0))
        edges = k.let("edges|cross", src[im, fj] + src[fi + 1, fj] + src[fi, jm] + src[fi, fj + 1])
        corners = k.let(
            "corners|diag", src[im, jm] + src[im, fj + 1] + src[fi + 1, jm] + src[fi + 1, fj + 1]
        )
        return (4.0 * src[fi, fj] + 2.0 * edges + corners) / 16.0
    acc, norm = k.var("acc|total", 0.0, p.real), k.var("norm|weight_sum|wsum", 0.0, p.real)
    table = k.array("weights|kernel_1d|taps", p.real, (3,), R.uniform(0.2, 0.6))
    with k.loop("di|oy", -1, 2) as di:
        i = k.let("ii|yy", fi + di)
        with k.when(any_of(i < 0, i >= src.dim(0))):
            k.cont()
        with k.loop("dj|ox", -1, 2) as dj:
            j = k.let("jj|xx", wp.clamp(fj + dj, 0, src.dim(1) - 1))
            w = k.let("w|weight", table[di + 1] * table[dj + 1])
            k.aug(acc, "+", w * src[i, j])
            k.aug(norm, "+", w)
    return acc / norm


def _prolonged(p: ProgramBuilder, k: KernelBuilder, src: Expr, at: tuple[Expr, ...]) -> Expr:
    axes = len(at)
    low = [k.let(f"c{c}|{c}0|coarse_{c}", i // 2) for c, i in zip("ijk", at, strict=False)]
    form = (
        p.pick("constant", "linear", "weighted", "linear")
        if axes == 2
        else p.pick("constant", "average")
    )
    if form == "constant":
        return src[tuple(low)]
    high = [
        k.let(f"n{c}|{c}1|next_{c}", wp.min(c0 + i % 2, src.dim(a) - 1))
        for a, (c, c0, i) in enumerate(zip("ijk", low, at, strict=False))
    ]
    if form == "average":
        return 0.5 * (src[tuple(low)] + src[tuple(high)])
    (i0, j0), (i1, j1) = low, high
    if form == "linear":
        return 0.25 * (src[i0, j0] + src[i1, j0] + src[i0, j1] + src[i1, j1])
    near, far = (
        k.let("top|row0", 0.75 * src[i0, j0] + 0.25 * src[i0, j1]),
        k.let("bottom|row1", 0.75 * src[i1, j0] + 0.25 * src[i1, j1]),
    )
    return 0.75 * near + 0.25 * far
