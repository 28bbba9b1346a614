"""Whole small sorts, one row a thread, for the sort-scan-histogram category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._ssh_keys import key_fill, key_type
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


def comparator(p: ProgramBuilder, t: T.Scalar) -> UserFunction:
    """A `@wp.func` that says whether one (key, id) comes before another."""
    form = (
        p.pick("stable", "descending", "magnitude", "parity")
        if t != T.U32 and t != T.U64
        else p.pick("stable", "descending", "low_bits")
    )

    def body(b: Block, ka: Expr, ia: Expr, kb: Expr, ib: Expr) -> None:
        if form == "low_bits":
            la, lb = b.let("low_a|la", ka & 255), b.let("low_b|lb", kb & 255)
            with b.when(la != lb):
                b.ret(la < lb)
        elif form == "magnitude":
            da, db = b.let("mag_a|da", wp.abs(ka)), b.let("mag_b|db", wp.abs(kb))
            with b.when(da != db):
                b.ret(da < db)
        elif form == "descending":
            with b.when(ka != kb):
                b.ret(ka > kb)
        elif form == "parity" and t.is_int:
            with b.when((ka & 1) != (kb & 1)):
                b.ret((ka & 1) < (kb & 1))
            with b.when(ka != kb):
                b.ret(ka < kb)
        else:
            with b.when(ka < kb):
                b.ret(literal(True, T.BOOL))
            with b.when(kb < ka):
                b.ret(literal(False, T.BOOL))
        b.ret(ia < ib)

    params = {"key_a|ka": t, "id_a|ia": T.I32, "key_b|kb": t, "id_b|ib": T.I32}
    return p.func(
        "comes_before|precedes|key_less|ordered_before",
        params,
        body,
        p.pick("", "Strict weak order; ties broken by index."),
    )


def sort_rows(p: ProgramBuilder) -> None:
    """Each thread sorts one row in place."""
    form = p.pick("insertion", "selection", "shell", "heap", "comb", "radix")
    k = p.kernel_builder(
        f"{form}_sort_rows|sort_chunks|sort_each_row|sort_neighbors|{form}_sort|sort_buckets",
        p.pick(
            "Every thread sorts its own row.",
            f"In-place {form} sort of short rows.",
            "Sort the entries of every bucket.",
        ),
    )
    k.options["enable_backward"] = False
    width = p.pick(8, 12, 16, 24)
    e = Entities(k, "row", count=p.pick(16, 24, 32, 48), index="row|tid|r")
    t = key_type(p, floats=form != "radix")
    keys = Table(e, "keys|distances|values", t, (e.n, width), key_fill(t), "inout")
    ids = (
        Table(e, "ids|indices|payload", T.I32, (e.n, width), R.permutation(), "inout")
        if p.chance(0.55)
        else None
    )
    size: Expr = keys.extent(1)
    if p.chance(0.5):
        counts = Table(e, "row_counts|lengths|num_valid", T.I32, (e.n,), R.integers(0, width + 1))
        size = k.let("n|count|size", counts[e.index])
        if p.chance(0.5):
            with k.when(size < 2 if p.chance(0.5) else size <= 1):
                k.ret()
    elif p.chance(0.5):
        size = k.count("row_length|width|max_entries", width)
    row = _Row(p, k, e.index, keys, ids)
    {
        "insertion": _insertion,
        "selection": _selection,
        "shell": _shell,
        "heap": _heap,
        "comb": _comb,
        "radix": _radix,
    }[form](p, k, e, row, size, width)
    if p.chance(0.3):
        with k.when(size > 0):
            e.out("row_min|smallest|first_key", t).store(keys[e.index, 0])


class _Row:
    """One row's keys with their optional payload."""

    def __init__(
        self, p: ProgramBuilder, k: KernelBuilder, row: Expr, keys: Table, ids: Table | None
    ) -> None:
        self.k, self.row, self.keys, self.ids = k, row, keys, ids
        self.before = comparator(p, keys.dtype) if ids is not None and p.chance(0.5) else None  # type: ignore[arg-type]
        self.descending = self.before is None and p.chance(0.2)

    def key(self, j: Expr) -> Expr:
        return self.keys[self.row, j]

    def hold(self, j: Expr) -> tuple[Name, Name | None]:
        held = self.k.let("key|held|pivot_key", self.key(j))
        return held, None if self.ids is None else self.k.let(
            "held_id|key_id|moved_id", self.ids[self.row, j]
        )

    def after(self, j: Expr, held: tuple[Expr, Expr | None]) -> Expr:
        """Whether entry j belongs after the held one."""
        if self.before is not None and self.ids is not None:
            return self.before(held[0], held[1], self.key(j), self.ids[self.row, j])
        return self.key(j) < held[0] if self.descending else self.key(j) > held[0]

    def move(self, source: Expr, target: Expr) -> None:
        self.k.set(self.key(target), self.key(source))
        if self.ids is not None:
            self.k.set(self.ids[self.row, target], self.ids[self.row, source])

    def put(self, held: tuple[Expr, Expr | None], target: Expr) -> None:
        self.k.set(self.key(target), held[0])
        if self.ids is not None:
            self.k.set(self.ids[self.row, target], held[1])

    def swap(self, a: Expr, b: Expr) -> None:
        held = self.hold(a)
        self.move(b, a)
        self.put(held, b)


def _insertion(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    with k.loop("i|s|outer", 1, size) as i:
        held = row.hold(i)
        hole = k.var("j|hole|pos", i)
        if p.chance(0.6):
            with k.repeat(all_of(hole > 0, row.after(hole - 1, held))):
                row.move(hole - 1, hole)
                k.aug(hole, "-", 1)
        else:
            with k.repeat(hole > 0):
                with k.when(negate(row.after(hole - 1, held))):
                    k.brk()
                row.move(hole - 1, hole)
                k.aug(hole, "-", 1)
        row.put(held, hole)


def _selection(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    with k.loop("i|s|slot", size - 1) as i:
        best = k.var("best|smallest|arg_min", i)
        with k.loop("j|c|other", i + 1, size) as j:
            held = (row.key(best), None if row.ids is None else row.ids[row.row, best])
            test = (
                row.before(row.key(j), row.ids[row.row, j], *held)
                if row.before and row.ids
                else row.key(j) < held[0]
            )
            with k.when(test):
                k.set(best, j)
        with k.when(best != i):
            row.swap(i, best)


def _shell(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    gap = k.var("gap|stride|h", size // 2)
    with k.repeat(gap > 0):
        with k.loop("i|s|outer", gap, size) as i:
            held = row.hold(i)
            hole = k.var("j|hole|pos", i)
            with k.repeat(all_of(hole >= gap, row.after(wp.max(hole - gap, 0), held))):
                row.move(hole - gap, hole)
                k.aug(hole, "-", gap)
            row.put(held, hole)
        k.set(gap, gap // 2)


def _comb(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    gap, swapped = k.var("gap|stride|h", size), k.var("swapped|dirty|moved", 1)
    with k.repeat(any_of(gap > 1, swapped == 1)):
        k.set(gap, wp.max(gap * 10 // 13, 1))
        k.set(swapped, cast(T.I32, 0))
        with k.loop("i|s|outer", size - gap) as i:
            other = k.let("j|o|partner", i + gap)
            held = (row.key(other), None if row.ids is None else row.ids[row.row, other])
            with k.when(row.after(i, held)):
                row.swap(i, other)
                k.set(swapped, 1)


def _heap(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    start = k.var("start|root0|top", size // 2)
    end = k.var("end|heap_size|m", size)
    with k.repeat(end > 1):
        with k.when(start > 0):
            k.aug(start, "-", 1)
        with k.otherwise():
            k.aug(end, "-", 1)
            row.swap(literal(0, T.I32), end)
        root = k.var("root|node|parent", start)
        with k.repeat(2 * root + 1 < end):
            child = k.var("child|c|larger", 2 * root + 1)
            with k.when(
                all_of(child + 1 < end, row.key(wp.min(child + 1, width - 1)) > row.key(child))
            ):
                k.aug(child, "+", 1)
            with k.when(row.key(root) >= row.key(child)):
                k.brk()
            row.swap(root, child)
            k.set(root, child)


def _radix(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, row: _Row, size: Expr, width: int
) -> None:
    bits = p.pick(1, 2)
    t = row.keys.dtype
    buckets = 1 << bits
    scratch = Table(e, "scratch|keys_tmp|buffer", t, (e.n, width), role="out")  # type: ignore[arg-type]
    passes = k.count("num_passes|digits|passes", p.pick(3, 5))
    with k.loop("d|pass_id|digit", passes) as d:
        counts = k.var("counts|starts|offsets", construct(T.Vec(buckets, T.I32), 0))
        shift = k.let("shift|bit", cast(t, d * bits))  # type: ignore[arg-type]
        with k.loop("j|s|item", size) as j:
            digit = k.let("b|bucket|key_digit", cast(T.I32, (row.key(j) >> shift) & (buckets - 1)))
            k.set(counts[digit], counts[digit] + 1)
        total = k.var("total|running|base", 0)
        with k.loop("c|bin_id|q", buckets) as c:
            n = k.let("n_c|held|count_c", counts[c])
            k.set(counts[c], total)
            k.aug(total, "+", n)
        with k.loop("j|s|item", size) as j:
            digit = k.let("b|bucket|key_digit", cast(T.I32, (row.key(j) >> shift) & (buckets - 1)))
            scratch.store(row.key(j), row.row, counts[digit])
            k.set(counts[digit], counts[digit] + 1)
        with k.loop("j|s|item", size) as j:
            k.set(row.key(j), scratch[row.row, j])
