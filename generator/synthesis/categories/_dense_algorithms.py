"""Textbook algorithms on small dense systems, written over anything that is indexed."""

from typing import Any

from generator.synthesis.block import Block
from generator.synthesis.builtins import wp
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, Operand


def cholesky(p: ProgramBuilder, b: Block, a: Any, low: Any, n: Operand) -> None:
    """Lower Cholesky factor of `a` into `low`, which may be `a` itself."""
    style = p.pick("row", "column", "column")
    if style == "row":
        with b.loop("i|row", n) as i, b.loop("j|col", i + 1) as j:
            s = b.var("s|acc|total", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m])
            with b.when(i == j):
                b.set(low[i, j], wp.sqrt(s) if p.chance(0.6) else wp.sqrt(wp.max(s, 1.0e-12)))
            with b.otherwise():
                b.set(low[i, j], s / low[j, j])
        return
    with b.loop("j|col|c", n) as j:
        d = b.var("d|diag|s", a[j, j])
        with b.loop("k|m", j) as m:
            if p.chance(0.5):
                b.aug(d, "-", low[j, m] * low[j, m])
            else:
                ljm = b.let("ljk|v|entry", low[j, m])
                b.aug(d, "-", ljm * ljm)
        root = b.let("pivot|root|ljj", wp.sqrt(d))
        b.set(low[j, j], root)
        with b.loop("i|row|r", j + 1, n) as i:
            s = b.var("s|acc|total", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m])
            b.set(low[i, j], s / root)


def right_looking(p: ProgramBuilder, b: Block, a: Any, n: Operand) -> None:
    """In-place Cholesky that updates the trailing block after each column."""
    with b.loop("k|step|p", n) as k:
        pivot = b.let("pivot|root|d", wp.sqrt(a[k, k]))
        b.set(a[k, k], pivot)
        with b.loop("i|row", k + 1, n) as i:
            b.set(a[i, k], a[i, k] / pivot)
        with b.loop("j|col", k + 1, n) as j, b.loop("i|row", j, n) as i:
            b.set(a[i, j], a[i, j] - a[i, k] * a[j, k])


def ldl(p: ProgramBuilder, b: Block, a: Any, low: Any, d: Any, n: Operand) -> None:
    """Square-root-free factorisation: unit lower `low` and diagonal `d`."""
    with b.loop("j|col", n) as j:
        dj = b.var("dj|pivot|diag", a[j, j])
        with b.loop("k|m", j) as m:
            b.aug(dj, "-", low[j, m] * low[j, m] * d[m])
        b.set(d[j], dj)
        b.set(low[j, j], 1.0)
        with b.loop("i|row", j + 1, n) as i:
            s = b.var("s|acc", a[i, j])
            with b.loop("k|m", j) as m:
                b.aug(s, "-", low[i, m] * low[j, m] * d[m])
            b.set(low[i, j], s / dj)


def forward(
    p: ProgramBuilder, b: Block, low: Any, rhs: Any, x: Any, n: Operand, unit: bool = False
) -> None:
    """``low x = rhs`` from the top down."""
    with b.loop("i|row", n) as i:
        s = b.var("s|acc|total", rhs[i])
        with b.loop("j|col", i) as j:
            b.aug(s, "-", low[i, j] * x[j])
        b.set(x[i], s if unit else s / low[i, i])


def backward(
    p: ProgramBuilder, b: Block, up: Any, rhs: Any, x: Any, n: Operand, transposed: bool = False
) -> None:
    """``up x = rhs`` from the bottom up; with `transposed`, `up` is stored as its lower transpose."""
    with descending(p, b, "i|row", n) as i:
        s = b.var("s|acc|total", rhs[i])
        with b.loop("j|col", i + 1, n) as j:
            b.aug(s, "-", (up[j, i] if transposed else up[i, j]) * x[j])
        b.set(x[i], s / up[i, i])


class descending:
    """``for i`` from n-1 down to 0, in one of its spellings."""

    def __init__(self, p: ProgramBuilder, b: Block, hint: str, n: Operand) -> None:
        self.reverse = p.chance(0.5)
        self.b, self.hint, self.n = b, hint, n
        self.loop = b.loop(hint, n - 1, -1, -1) if self.reverse else b.loop("step|back|ii", n)

    def __enter__(self) -> Expr:
        index = self.loop.__enter__()
        return index if self.reverse else self.b.let(self.hint, self.n - 1 - index)

    def __exit__(self, *error: Any) -> None:
        self.loop.__exit__(*error)


def pivot_row(p: ProgramBuilder, b: Block, a: Any, k: Expr, n: Operand) -> Expr:
    """The row at or below `k` with the largest entry in column `k`."""
    best = b.var("best|pivot_row|piv", k)
    largest = b.var("largest|max_abs|amax", wp.abs(a[k, k]))
    with b.loop("r|i|row", k + 1, n) as r:
        value = b.let("v|mag|cand", wp.abs(a[r, k]))
        with b.when(value > largest):
            b.set(largest, value)
            b.set(best, r)
    return best


def swap_rows(p: ProgramBuilder, b: Block, a: Any, k: Expr, other: Expr, cols: Operand) -> None:
    """Exchanges two rows element by element."""
    with b.loop("c|j|col", cols) as c:
        held = b.let("tmp|held|t", a[k, c])
        b.set(a[k, c], a[other, c])
        b.set(a[other, c], held)


def norm_of(p: ProgramBuilder, b: Block, x: Any, n: Operand, hint: str = "norm|nrm|length") -> Expr:
    """Euclidean norm by a loop."""
    total = b.var("sq|sum_sq|ss", 0.0, p.real)
    with b.loop("i|c", n) as i:
        b.aug(total, "+", x[i] * x[i])
    return b.let(hint, wp.sqrt(total))


def matvec(
    p: ProgramBuilder,
    b: Block,
    a: Any,
    x: Any,
    y: Any,
    rows: Operand,
    cols: Operand,
    transposed: bool = False,
) -> None:
    """``y = a x``, or with the transpose."""
    with b.loop("i|row|r", rows) as i:
        s = b.var("s|acc|total|dot", 0.0, p.real)
        with b.loop("j|col|c", cols) as j:
            b.aug(s, "+", (a[j, i] if transposed else a[i, j]) * x[j])
        b.set(y[i], s)
