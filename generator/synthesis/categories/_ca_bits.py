"""Bit-parallel automata: packed life, elementary rules on words, lattice gases, word statistics."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._grids import open_grid, threads
from generator.synthesis.logic import any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, lift


def _word(p: ProgramBuilder) -> tuple[T.Scalar, int]:
    return p.pick((T.U32, 32), (T.U32, 32), (T.U64, 64))


def _words(
    k: KernelBuilder, hint: str, word: T.Scalar, shape: tuple[int, ...], role: str = "in"
) -> Expr:
    high = (1 << 32) - 1 if word == T.U32 else (1 << 62)
    return k.array(hint, word, shape, R.zeros() if role == "out" else R.integers(0, high), role)


def packed_life(p: ProgramBuilder) -> None:
    """Life on rows packed into machine words: neighbour counts by bitwise adders."""
    k = p.kernel_builder(
        "packed_life|life_bits|bitboard_step|life_words|bit_parallel_life",
        p.pick(
            "Life on bit-packed rows.",
            "One word of 32 or 64 cells per thread, counted by full adders.",
        ),
    )
    word, bits = _word(p)
    rows, cols = p.pick(16, 24, 32), p.pick(2, 3, 4)
    i, j = threads(k, p.pick(["row", "w"], ["y", "col"], ["i", "j"]), (rows, cols))
    src = _words(k, "cells|board|bits_in|packed", word, (rows, cols))
    dst = _words(k, "cells_out|board_out|bits_out|packed_next", word, (rows, cols), "out")
    n, m = src.dim(0), src.dim(1)
    if p.chance(0.6):
        up, down = k.let("up|above|im", (i + n - 1) % n), k.let("dn|below|ip", (i + 1) % n)
        left, right = k.let("lw|left_w|jm", (j + m - 1) % m), k.let("rw|right_w|jp", (j + 1) % m)
    else:
        up, down = (
            k.let("up|above|im", wp.max(i - 1, 0)),
            k.let("dn|below|ip", wp.min(i + 1, n - 1)),
        )
        left, right = (
            k.let("lw|left_w|jm", wp.max(j - 1, 0)),
            k.let("rw|right_w|jp", wp.min(j + 1, m - 1)),
        )
    one, top = lift(1, word), lift(bits - 1, word)

    def shifted(b: Block, west: Expr, mid: Expr, east: Expr) -> None:
        b.ret((mid << one) | (west >> top), (mid >> one) | (east << top))

    shift = (
        p.func(
            "shift_row|neighbor_columns|side_words",
            {"west|prev": word, "mid|own": word, "east|nxt": word},
            shifted,
            "Left and right neighbours of all cells of a word.",
        )
        if p.chance(0.6)
        else None
    )
    columns: list[Expr] = []
    for name, row in (("a", up), ("c", i), ("d", down)):
        own = k.let(f"{name}0|{name}_mid", src[row, j])
        if shift is not None:
            west, east = k.unpack(
                [f"{name}1|{name}_l", f"{name}2|{name}_r"],
                shift(src[row, left], own, src[row, right]),
            )
        else:
            west = k.let(f"{name}1|{name}_l", (own << one) | (src[row, left] >> top))
            east = k.let(f"{name}2|{name}_r", (own >> one) | (src[row, right] << top))
        columns += [west, east] if row is i else [west, own, east]
        if row is i:
            centre = own
    new = _adder_rule(p, k, word, columns, centre)
    if p.chance(0.3):
        frozen = _words(k, "walls|dead_zone|blocked", word, (rows, cols))
        new = k.let("open_cells|kept", new & ~frozen[i, j])
    k.set(dst[i, j], new)
    if p.chance(0.3):
        flag = k.out("changed|active_rows|dirty", T.I32, (rows,))
        with k.when(new != centre):
            k.do(wp.atomic_max(flag, i, 1))
    if p.chance(0.45):
        total = k.out("population|alive_count|popcount", T.I32, (1,))
        k.do(wp.atomic_add(total, 0, _popcount(p, word)(new)))


def _adder_rule(
    p: ProgramBuilder, k: KernelBuilder, word: T.Scalar, parts: list[Expr], centre: Expr
) -> Expr:
    """Sums eight one-bit planes into a count and applies the rule B3/S23 (or B36/S23)."""

    def full(b: Block, a: Expr, c: Expr, d: Expr) -> None:
        x = b.let("x|ab", a ^ c)
        b.ret(x ^ d, (a & c) | (x & d))

    adder = p.func(
        "full_adder|add3|csa",
        {"a|x0": word, "b|x1": word, "c|x2": word},
        full,
        "Sum and carry of three bit planes.",
    )
    s0, c0 = k.unpack(["s0|lo0", "c0|hi0"], adder(parts[0], parts[1], parts[2]))
    s1, c1 = k.unpack(["s1|lo1", "c1|hi1"], adder(parts[3], parts[4], parts[5]))
    s2, c2 = k.unpack(["s2|lo2", "c2|hi2"], adder(s0, s1, parts[6]))
    ones, c3 = k.let("ones|bit0", s2 ^ parts[7]), k.let("c3|hi3", s2 & parts[7])
    t0, f0 = k.unpack(["t0|two0", "f0|four0"], adder(c0, c1, c2))
    twos, f1 = k.let("twos|bit1", t0 ^ c3), k.let("f1|four1", t0 & c3)
    fours = k.let("fours|high", f0 | f1)
    if p.chance(0.6):
        return k.let("new|next_word", twos & ~fours & (ones | centre))
    two, three = k.let("eq2|two", twos & ~ones & ~fours), k.let("eq3|three", twos & ones & ~fours)
    return k.let("new|next_word", three | (two & centre))


def _popcount(p: ProgramBuilder, word: T.Scalar) -> UserFunction:
    """Number of set bits, by clearing the lowest one or bit by bit."""

    def body(b: Block, v: Expr) -> None:
        rest = b.var("rest|x|left", cast(word, v))
        count = b.var("count|n", 0)
        if p.chance(0.6):
            with b.repeat(rest != lift(0, word)):
                b.set(rest, rest & (rest - lift(1, word)))
                b.aug(count, "+", 1)
        else:
            with b.repeat(rest != lift(0, word)):
                b.aug(count, "+", cast(T.I32, rest & lift(1, word)))
                b.set(rest, rest >> lift(1, word))
        b.ret(count)

    return p.func("popcount|count_bits|bits_set", {"v|word|x": word}, body, "Number of set bits.")


def elementary_rule(p: ProgramBuilder) -> None:
    """One-dimensional automata: cells in an array, or many cells in a word."""
    if p.chance(0.45):
        _rule_on_words(p)
        return
    k = p.kernel_builder(
        "rule_step|elementary_automaton|wolfram_rule|eca_step|rule_generations",
        p.pick(
            "Elementary automaton given by its rule number.",
            "Next row of a one-dimensional automaton.",
        ),
    )
    n, rows, reach = p.pick(64, 96, 128, 200), p.pick(1, 4, 8), p.pick(1, 1, 2)
    if rows == 1:
        i = threads(k, ["i|x|cell|tid"], (n,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        r, i = threads(k, ["row|r|world|lane", "i|x|cell"], (rows, n))
        lead = (r,)
    shape = (n,) if rows == 1 else (rows, n)
    dtype = p.pick(T.I32, T.U8, T.I32)
    src, dst = (
        k.array("cells|row_in|state", dtype, shape, R.mask(0.5)),
        k.out("cells_out|row_out|next_state", dtype, shape),
    )
    size = src.dim(len(lead)) if p.chance(0.6) else k.scalar("width|n|num_cells", T.I32, n)
    rules = (
        k.array("rules|rule_numbers", T.I32, (rows,), R.integers(1, 256 if reach == 1 else 1 << 20))
        if rows > 1 and p.chance(0.5)
        else None
    )
    rule = (
        rules[r]
        if rules is not None
        else k.count(
            "rule|rule_number|code",
            p.pick(30, 54, 90, 110, 184) if reach == 1 else 1721342310 & 0x3FFFFFFF,
        )
    )
    if p.chance(0.5):
        code = k.var("code|pattern|idx", 0)
        with k.loop("d|m|o", -reach, reach + 1) as d:
            k.set(
                code,
                2 * code + _int(src[(*lead, (i + d + size) % size)])
                if p.chance(0.5)
                else (code << 1) | _int(src[(*lead, (i + d + size) % size)]),
            )
    else:
        values = [
            _int(src[(*lead, (i + d + size) % size if d < 0 else (i + d) % size if d else i)])
            for d in range(-reach, reach + 1)
        ]
        if p.chance(0.6):
            values = [
                k.let(n_, v)
                for n_, v in zip(
                    ("left|a", "mid|b", "right|c", "e|far", "g|last"), values, strict=False
                )
            ]
        total = values[0]
        for v in values[1:]:
            total = total * 2 + v
        code = k.let("code|pattern|idx", total)
    new = k.let("new|bit|next_c", (rule >> code) & 1)
    second = p.chance(0.3)
    if second:
        old = k.array("cells_prev|row_before|history", dtype, shape, R.mask(0.5))
        new = new ^ _int(old[(*lead, i)])
    k.set(dst[(*lead, i)], new if dtype == T.I32 else cast(dtype, new))
    if p.chance(0.35):
        total = k.out("ones|density_count|num_alive", T.I32, (rows,))
        k.do(wp.atomic_add(total, lead[0] if lead else 0, new))


def _int(value: Expr) -> Expr:
    return value if value.type == T.I32 else cast(T.I32, value)


def _rule_on_words(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "rule_words|packed_rule|word_automaton|evolve_words",
        p.pick(
            "An elementary rule on all cells of a word at once.",
            "Bit-parallel one-dimensional automaton.",
        ),
    )
    word, bits = _word(p)
    n, worlds = p.pick(32, 48, 64), p.pick(1, 1, 4)
    if worlds == 1:
        i = threads(k, ["i|w|word_id|tid"], (n,))[0]
        lead: tuple[Expr, ...] = ()
    else:
        b_, i = threads(k, ["world|b|row", "i|w|word_id"], (worlds, n))
        lead = (b_,)
    shape = (n,) if worlds == 1 else (worlds, n)
    src, dst = (
        _words(k, "cells|words|row_in", word, shape),
        _words(k, "cells_out|words_out|row_out", word, shape, "out"),
    )
    size = src.dim(len(lead))
    one, top = lift(1, word), lift(bits - 1, word)
    c = k.let("c|mid|own", src[(*lead, i)])
    left = k.let("l|left|west", (c << one) | (src[(*lead, (i + size - 1) % size)] >> top))
    right = k.let("r|right|east", (c >> one) | (src[(*lead, (i + 1) % size)] << top))
    form = p.pick("rule30", "rule90", "rule110", "general", "rule184")
    if form == "general":
        rule = k.count("rule|rule_number", p.pick(30, 45, 73, 105, 150))
        new = k.var("new|next_word", lift(0, word))
        with k.loop("s|pattern|m", 8) as s:
            with k.when(((rule >> s) & 1) == 0):
                k.cont()
            hit = []
            for bit, plane in ((4, left), (2, c), (1, right)):
                hit.append(k.let(f"h{bit}|sel{bit}", choose((s & bit) != 0, plane, ~plane)))
            k.set(new, new | (hit[0] & hit[1] & hit[2]))
    else:
        new = k.let(
            "new|next_word",
            {
                "rule30": left ^ (c | right),
                "rule90": left ^ right,
                "rule110": (c | right) & ~(left & c & right),
                "rule184": (left & ~c) | (c & right),
            }[form],
        )
    if p.chance(0.35):
        fixed = _words(k, "walls|frozen_mask|fixed", word, shape)
        new = k.let("masked|kept", (new & ~fixed[(*lead, i)]) | (c & fixed[(*lead, i)]))
    k.set(dst[(*lead, i)], new)
    if p.chance(0.4):
        flips = k.out("num_changed|flips|activity", T.I32, (worlds,))
        k.do(wp.atomic_add(flips, lead[0] if lead else 0, _popcount(p, word)(new ^ c)))


def lattice_gas(p: ProgramBuilder) -> None:
    """HPP and FHP-like gases: occupation bits that collide and move."""
    k = p.kernel_builder(
        "lattice_gas|hpp_step|gas_collide_move|collide_bits|propagate_gas",
        p.pick("HPP lattice gas: collide, then move.", "Occupation bits of four directions."),
    )
    g = open_grid(p, k, 2, boundary="periodic", layouts=p.chance(0.5))
    dtype = p.pick(T.I32, T.U8, T.U32)
    cells = g.field("cells|gas|state", dtype, R.integers(0, 16))
    out = g.out("cells_out|gas_next|state_out", dtype)
    walls = g.field("wall|solid|obstacle", T.I32, R.mask(0.1)) if p.chance(0.5) else None
    work = T.U32 if dtype == T.U32 else T.I32

    def value(o: tuple[int, int]) -> Expr:
        v = cells[o]
        return v if dtype == work else cast(T.I32, v)

    def collide(b: Block, s: Expr) -> None:
        with b.when(s == lift(5, work)):
            b.ret(lift(10, work))
        with b.when(s == lift(10, work)):
            b.ret(lift(5, work))
        b.ret(s)

    collision = p.func(
        "collide|head_on|scatter_bits",
        {"s|bits": work},
        collide,
        "Head-on pairs turn by a right angle.",
    )
    # Bits 0..3 travel east, north, west, south: a cell receives them from the opposite side.
    incoming = [((0, -1), 1), ((1, 0), 2), ((0, 1), 4), ((-1, 0), 8)]
    new = k.var("new|bits|arrived", lift(0, work))
    for offset, bit in incoming:
        mask = lift(bit, work)
        if p.chance(0.5):
            k.set(new, new | (collision(value(offset)) & mask))
        else:
            with k.when((collision(value(offset)) & mask) != lift(0, work)):
                k.set(new, new | mask)
    if walls is not None:
        with k.when(walls.own == 1):
            k.set(
                new,
                ((new >> lift(2, work)) & lift(3, work))
                | ((new << lift(2, work)) & lift(12, work)),
            )
    out.store(new if dtype == work else cast(dtype, new))
    if p.chance(0.4):
        mass = k.out("particles|mass|num_particles", T.I32, (1,))
        low = [
            new & lift(1, work),
            (new >> lift(1, work)) & lift(1, work),
            (new >> lift(2, work)) & lift(1, work),
            new >> lift(3, work),
        ]
        total = low[0] + low[1] + low[2] + low[3]
        k.do(wp.atomic_add(mass, 0, total if work == T.I32 else cast(T.I32, total)))


def word_statistics(p: ProgramBuilder) -> None:
    """Counts over packed rows: population, transitions, Hamming distance, hashes."""
    what = p.pick("population", "edges", "distance", "hash")
    names = {
        "population": "row_population|count_row_bits",
        "edges": "count_transitions|boundary_bits",
        "distance": "hamming_distance|compare_patterns",
        "hash": "row_hash|pattern_hash",
    }
    k = p.kernel_builder(
        names[what], p.pick("Statistic of a bit-packed row, one row per thread.", "")
    )
    word, _ = _word(p)
    rows, cols = p.pick(16, 24, 32, 48), p.pick(2, 4, 6)
    r = threads(k, ["r|row|i|tid"], (rows,))[0]
    a = _words(k, "words|bits|rows_in|packed", word, (rows, cols))
    other = (
        _words(k, "reference|target_bits|other", word, (rows, cols)) if what == "distance" else None
    )
    if p.chance(0.4):
        k.launch_dim = (rows + p.pick(4, 8),)
        with k.when(r >= a.dim(0)):
            k.ret()
    if what == "hash":
        h = k.var("h|digest|state", lift(p.pick(1469598103, 374761393, 668265263), word))
        with k.loop("j|w|c", a.dim(1)) as j:
            k.set(h, (h ^ a[r, j]) * lift(16777619, word))
            if p.chance(0.5):
                k.set(h, h ^ (h >> lift(p.pick(13, 15, 17), word)))
        k.set(k.out("hashes|digests|row_hash_out", word, (rows,))[r], h)
        if p.chance(0.5):
            buckets = p.pick(8, 16, 32)
            hist = k.out("bucket_count|histogram", T.I32, (buckets,))
            k.do(wp.atomic_add(hist, cast(T.I32, h % lift(buckets, word)), 1))
        return
    count = _popcount(p, word)
    total = k.var("total|n|count", 0)
    with k.loop("j|w|c", a.dim(1)) as j:
        if what == "population":
            value = a[r, j]
        elif what == "distance" and other is not None:
            value = a[r, j] ^ other[r, j]
        else:
            value = a[r, j] ^ (a[r, j] >> lift(1, word))
        if p.chance(0.4):
            value = k.let("v|wbits", value)
            with k.when(any_of(value == lift(0, word))):
                k.cont()
        k.aug(total, "+", count(value))
    k.set(k.out("counts|row_counts|result", T.I32, (rows,))[r], total)
    if p.chance(0.5):
        best = k.out("densest|max_count|worst", T.I32, (1,))
        k.do(wp.atomic_max(best, 0, total))
