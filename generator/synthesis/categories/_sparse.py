"""Sparse matrices in the layouts of the field, with one loop over the entries of a row for all of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities, Field
from generator.synthesis.idioms import piece
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Operand

LAYOUTS = {"csr": 6, "ell": 2.5, "ell_t": 1.2, "dia": 1.3, "lengths": 1.2}


class Sparse:
    """A square matrix with one row (or block row) per item of `e`.

    Attributes:
        layout: csr; ell (row-major slots, -1 padded); ell_t (slot-major); dia (diagonals); lengths
            (row-major slots with a count per row).
        block: edge of dense blocks; 1 for scalar entries.
    """

    def __init__(
        self,
        p: ProgramBuilder,
        e: Entities,
        block: int = 1,
        layout: str | None = None,
        scale: float = 0.4,
    ) -> None:
        self.p, self.e, self.k, self.block = p, e, e.k, block
        self.layout = layout or p.weighted(LAYOUTS)
        self.width = p.pick(3, 4, 5, 6, 8)
        self.entry: T.Type = p.real if block == 1 else p.mat(block)
        self.vector: T.Type = p.real if block == 1 else p.vec(block)
        self.per_world = e.world is not None and p.chance(0.5)
        self.fill = R.uniform(-scale, scale)
        getattr(self, f"_make_{self.layout}")()

    # --- arrays -----------------------------------------------------------------------------------

    def _values(
        self, shape: tuple[int, ...], hint: str = "values|vals|A_values|entries|blocks"
    ) -> Expr:
        lead = (self.e.worlds or 1,) if self.per_world else ()
        return self.k.array(hint, self.entry, (*lead, *shape), self.fill)

    def value(self, *at: Operand) -> Expr:
        """The stored entry at a position of the layout."""
        lead = (self.e.world,) if self.per_world else ()
        return self.values[(*lead, *at)]  # type: ignore[arg-type]

    def _make_csr(self) -> None:
        n, total = self.e.n, self.e.n * self.width
        self.total = total
        k = self.k
        if self.p.chance(0.2):
            self.begins = k.array(
                "row_begins|row_start|starts", T.I32, (n,), R.arange(0, self.width)
            )
            self.ends = k.array(
                "row_ends|row_stop|stops", T.I32, (n,), R.arange(self.width - 1, self.width)
            )
            self.offsets = None
        else:
            self.offsets = k.array(
                "row_offsets|offsets|row_ptr|indptr", T.I32, (n + 1,), R.offsets(total)
            )
        self.columns = k.array(
            "columns|cols|col_indices|indices", T.I32, (total,), R.integers(0, n)
        )
        self.values = self._values((total,))

    def _make_ell(self) -> None:
        self.columns = self.k.array(
            "columns|cols|ell_cols|neighbors",
            T.I32,
            (self.e.n, self.width),
            R.padded(0, self.e.n, 0.25),
        )
        self.values = self._values((self.e.n, self.width))

    def _make_lengths(self) -> None:
        k, n = self.k, self.e.n
        self.counts = k.array(
            "row_counts|nnz_per_row|row_lengths", T.I32, (n,), R.integers(0, self.width + 1)
        )
        self.columns = k.array("columns|cols|slots", T.I32, (n, self.width), R.integers(0, n))
        self.values = self._values((n, self.width))

    def _make_ell_t(self) -> None:
        self.columns = self.k.array(
            "columns|cols|ell_cols", T.I32, (self.width, self.e.n), R.integers(-1, self.e.n)
        )
        self.values = self._values((self.width, self.e.n))

    def _make_dia(self) -> None:
        self.shifts = self.k.array(
            "diag_offsets|shifts|diagonals_at", T.I32, (self.width,), R.integers(-6, 7)
        )
        self.values = self._values((self.width, self.e.n), "diagonals|bands|diag_values")

    # --- rows -------------------------------------------------------------------------------------

    @contextmanager
    def row(self, i: Expr, hint: str = "j|col") -> Iterator[tuple[Expr, Expr]]:
        """A loop over the entries of row `i`: yields the column and the entry."""
        with getattr(self, f"_row_{self.layout}")(i, hint) as both:
            yield both

    @contextmanager
    def _row_csr(self, i: Expr, hint: str) -> Iterator[tuple[Expr, Expr]]:
        k, p = self.k, self.p
        first, last = (
            (self.begins[i], self.ends[i])
            if self.offsets is None
            else (self.offsets[i], self.offsets[i + 1])
        )
        if p.chance(0.6):
            first, last = k.let("begin|start|row_begin", first), k.let("end|stop|row_end", last)
        with k.loop("s|e|k|nz|idx", first, last) as s:
            yield (
                (k.let(hint, self.columns[s]) if p.chance(0.7) else self.columns[s]),
                self.value(s),
            )

    @contextmanager
    def _row_ell(self, i: Expr, hint: str) -> Iterator[tuple[Expr, Expr]]:
        k, p = self.k, self.p
        with k.loop("s|slot|k|m", self.width if p.chance(0.4) else self.columns.dim(1)) as s:
            j = k.let(hint, self.columns[i, s])
            with k.when(j < 0 if p.chance(0.7) else j == -1):
                k.brk() if p.chance(0.6) else k.cont()
            yield j, self.value(i, s)

    @contextmanager
    def _row_lengths(self, i: Expr, hint: str) -> Iterator[tuple[Expr, Expr]]:
        k, p = self.k, self.p
        limit = k.let("nnz|count|len_row", self.counts[i]) if p.chance(0.5) else self.counts[i]
        with k.loop("s|slot|k|m", limit) as s:
            yield k.let(hint, self.columns[i, s]), self.value(i, s)

    @contextmanager
    def _row_ell_t(self, i: Expr, hint: str) -> Iterator[tuple[Expr, Expr]]:
        k, p = self.k, self.p
        with k.loop("s|slot|k|m", self.columns.dim(0) if p.chance(0.5) else self.width) as s:
            j = k.let(hint, self.columns[s, i])
            if p.chance(0.5):
                with k.when(j >= 0):
                    yield j, self.value(s, i)
            else:
                with k.when(j < 0):
                    k.cont()
                yield j, self.value(s, i)

    @contextmanager
    def _row_dia(self, i: Expr, hint: str) -> Iterator[tuple[Expr, Expr]]:
        k, p = self.k, self.p
        with k.loop("d|s|band|m", self.shifts.dim(0) if p.chance(0.5) else self.width) as s:
            j = k.let(hint, i + self.shifts[s])
            with k.when(any_of(j < 0, j >= self.e.count())):
                k.cont()
            yield j, self.value(s, i)

    # --- products ---------------------------------------------------------------------------------

    def zero(self) -> Expr:
        """The zero of a vector entry."""
        return construct(self.vector, 0.0)

    def accumulator(self, hint: str = "acc|sum_|total|ax|row_sum") -> Expr:
        """A running sum of vector entries."""
        return (
            self.k.var(hint, 0.0, self.p.real) if self.block == 1 else self.k.var(hint, self.zero())
        )

    def product(self, x: Field, i: Expr, skip_diagonal: bool = False) -> Expr:
        """``(A x)_i`` inline, or through a function over the arrays of the layout."""
        k, p = self.k, self.p
        plain = self.layout in ("csr", "ell", "lengths") and x._member is None
        if self.layout == "csr" and self.offsets is None:
            plain = False
        if plain and p.on("helper_function") and p.chance(0.9):
            view = x.array if self.e.world is None else x.array[self.e.world]
            values = (
                self.values[self.e.world]
                if self.per_world and self.e.world is not None
                else self.values
            )
            extent = {"csr": "offsets", "lengths": "counts"}.get(self.layout)
            arrays = [getattr(self, extent)] if extent else []
            function = self._row_function(skip_diagonal)
            return k.let("ax|row_sum|dot", function(*arrays, self.columns, values, view, i))
        acc = self.accumulator()
        with self.row(i) as (j, a):
            if skip_diagonal:
                with k.when(j == i):
                    k.cont()
            k.aug(acc, "+", a * x[j])
        return acc

    def _row_function(self, skip_diagonal: bool) -> UserFunction:
        """The product of one row with a vector."""
        p, layout = self.p, self.layout
        start: Operand = 0.0 if self.block == 1 else construct(self.vector, 0.0)
        named = p.chance(0.5)

        def body(b: Block, *given: Expr) -> None:
            columns, values, x, row = given[-4:]
            acc = b.var("acc|total|s", start, p.real if self.block == 1 else None)
            if layout == "csr":
                span: tuple[Operand, ...] = (given[0][row], given[0][row + 1])
            else:
                span = (given[0][row],) if layout == "lengths" else (columns.dim(1),)
            with b.loop("e|k|nz", *span) as e:
                at = (e,) if layout == "csr" else (row, e)
                col: Expr = columns[at]
                if named or layout == "ell" or skip_diagonal:
                    col = b.let("c|col|j", col)
                if layout == "ell":
                    with b.when(any_of(col < 0, col == row) if skip_diagonal else col < 0):
                        b.cont() if skip_diagonal or p.chance(0.5) else b.brk()
                elif skip_diagonal:
                    with b.when(col == row):
                        b.cont()
                b.aug(acc, "+", values[at] * x[col])
            b.ret(acc)

        ndim = 1 if layout == "csr" else 2
        params: dict[str, T.Type] = (
            {"offsets|row_ptr" if layout == "csr" else "counts|lengths": T.Array(T.I32)}
            if layout != "ell"
            else {}
        )
        params |= {
            "columns|cols": T.Array(T.I32, ndim), "values|vals": T.Array(self.entry, ndim),
            "x|v": T.Array(self.vector), "row|i": T.I32,
        }  # fmt: skip
        doc = p.pick(
            "Product of one row with a vector.",
            "Row of A times x, without the diagonal." if skip_diagonal else "",
        )
        return p.func(
            f"{'off_diagonal_sum|row_without_diagonal' if skip_diagonal else 'row_dot|sparse_row_dot|multiply_row'}",
            params,
            body,
            doc,
        )

    def inner(self, a: Expr, b: Expr) -> Expr:
        """The scalar product of two vector entries."""
        return a * b if self.block == 1 else wp.dot(a, b)


def rows(k: KernelBuilder, p: ProgramBuilder, **more: Any) -> Entities:
    """One thread per row; now and then only the rows of a partition."""
    e = Entities(
        k,
        p.pick("row", "row", "row", "node"),
        index="i|row|tid|r",
        count=p.pick(32, 48, 64, 100, 128),
        **more,
    )
    if k.launch_dim == (e.n,) and "index_list" not in p.features and p.chance(0.12):
        first = p.pick(4, 8)
        k.launch_dim = (e.n - first,)
        start = k.scalar("first_row|row_begin|partition_start", T.I32, first)
        e.index = k.let("row|ri|gi", start + e.index)
    return e


def safe_reciprocal(p: ProgramBuilder, k: KernelBuilder, d: Expr) -> Expr:
    """``1 / d`` with an answer for (nearly) zero diagonals."""
    form, tiny = p.pick("ternary", "return", "sign"), p.pick(1.0e-8, 1.0e-10, 1.0e-6)

    def body(b: Block, v: Expr) -> Expr:
        if form == "return" and b is not k:
            with b.when(wp.abs(v) < tiny):
                b.ret(construct(p.real, 0.0))
            return 1.0 / v
        if form == "sign":
            return choose(wp.abs(v) > tiny, 1.0 / v, wp.sign(v))
        return choose(v != 0.0, 1.0 / v, 0.0)

    return piece(
        p, k, "safe_reciprocal|inverse_or_zero|safe_inverse", {"d|v": d}, body, probability=0.7
    )


def total(p: ProgramBuilder, e: Entities, hint: str, value: Expr) -> None:
    """Adds to a global sum (one per world)."""
    k = e.k
    out = k.out(hint, value.type, (e.worlds or 1,))
    where: Operand = e.world if e.world is not None else 0
    if p.augmented_atomics:
        k.aug(out[where], "+", value)
    else:
        k.do(wp.atomic_add(out, where, value))


def coefficient(p: ProgramBuilder, e: Entities, hint: str, low: float, high: float) -> Expr:
    """A scalar of an iteration: an argument, or an array that the device wrote before."""
    k = e.k
    if p.chance(0.55):
        return k.param(hint, low, high)
    array = k.array(hint, p.real, (e.worlds or 1,), R.uniform(low, high))
    value = array[e.world if e.world is not None else 0]
    return (
        k.let(f"{hint.split('|')[0]}_k|{hint.split('|')[-1]}_val", value)
        if p.chance(0.5)
        else value
    )
