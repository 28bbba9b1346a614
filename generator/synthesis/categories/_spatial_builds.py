"""Linear hierarchies, for the neighbour-search category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal


def karras(p: ProgramBuilder) -> None:
    """Internal nodes of a binary radix tree over sorted Morton codes."""
    wide = p.chance(0.35)
    t = T.U64 if wide else T.U32
    k = p.kernel_builder(
        "build_radix_tree|lbvh_internal_nodes|karras_build|emit_hierarchy|radix_tree_nodes",
        p.pick(
            "Internal nodes of a linear BVH.",
            "Each thread finds the range and the split of one node.",
            "Binary radix tree over sorted Morton codes.",
        ),
    )
    k.options["enable_backward"] = False
    n = p.pick(48, 64, 100, 128)
    e = Entities(k, "node", count=n - 1, index="i|tid|node", layouts=p.chance(0.3))
    codes = Table(e, "codes|morton|sorted_codes", t, (n,), R.ascending(0.0, 1000.0))
    prefix = _common_prefix(p, t, codes)
    i = e.index
    forward, backward = prefix(codes, i, i + 1, n), prefix(codes, i, i - 1, n)
    d = k.let(
        "d|dirn|step_dir",
        choose(forward > backward, 1, -1) if p.chance(0.6) else wp.where(forward > backward, 1, -1),
    )
    floor_ = k.let("d_min|delta_min|low_prefix", prefix(codes, i, i - d, n))
    reach = k.var("l_max|reach|bound", 2)
    with k.repeat(prefix(codes, i, i + reach * d, n) > floor_):
        k.set(reach, reach * 2)
    length, t_step = k.var("l|length|span", 0), k.var("t|step|half", reach // 2)
    with k.repeat(t_step > 0):
        with k.when(prefix(codes, i, i + (length + t_step) * d, n) > floor_):
            k.aug(length, "+", t_step)
        k.set(t_step, t_step // 2)
    j = k.let("j|other_end|last", i + length * d)
    k.step(p.pick("find the split", "split position", ""))
    node = k.let("d_node|delta_node|shared", prefix(codes, i, j, n))
    s, half = k.var("s|offset|split_off", 0), k.var("h|chunk|width", length)
    done = k.var("last_round|final|finish", 0)
    with k.repeat(done == 0):
        with k.when(half <= 1):
            k.set(done, literal(1, T.I32))
        k.set(half, (half + 1) // 2)
        with k.when(
            all_of(s + half < length, prefix(codes, i, i + (s + half) * d, n) > node)
            if p.chance(0.3)
            else prefix(codes, i, i + (s + half) * d, n) > node
        ):
            k.aug(s, "+", half)
    split = k.let("gamma|split|g", i + s * d + wp.min(d, 0))
    left, right = k.let("left|lc|child_a", split), k.let("right|rc|child_b", split + 1)
    first, last = wp.min(i, j), wp.max(i, j)
    leaf_base = n - 1
    left_child, right_child = (
        e.out("left_child|children_l|left_out", T.I32),
        e.out("right_child|children_r|right_out", T.I32),
    )
    left_child.store(choose(first == left, left + leaf_base, left))
    right_child.store(choose(last == right, right + leaf_base, right))
    if p.chance(0.5):
        e.out("range_first|first_leaf", T.I32).store(first)
        e.out("range_last|last_leaf", T.I32).store(last)
    if p.chance(0.4):
        e.out("prefix_length|node_prefix|level", T.I32).store(node)


def _common_prefix(p: ProgramBuilder, t: T.Scalar, codes: Table):  # type: ignore[no-untyped-def]
    bits = 64 if t == T.U64 else 32
    form = p.pick("loop", "halving")

    def zeros(b: Block, x: Expr) -> None:
        with b.when(x == literal(0, t)):
            b.ret(literal(bits, T.I32))
        n, v = b.var("n|count|lz", 0), b.var("v|y|rest", x)
        if form == "loop":
            with b.repeat((v >> (bits - 1)) == literal(0, t)):
                b.set(v, v << 1)
                b.aug(n, "+", 1)
        else:
            for width in (32, 16, 8, 4, 2, 1) if bits == 64 else (16, 8, 4, 2, 1):
                with b.when((v >> (bits - width)) == literal(0, t)):
                    b.aug(n, "+", width)
                    b.set(v, v << width)
        b.ret(n)

    clz = p.func("count_leading_zeros|clz|leading_zeros", {"x|v": t}, zeros)

    def delta(b: Block, data: Expr, *rest: Expr) -> None:
        *world, i, j, n = rest
        with b.when(any_of(j < 0, j >= n)):
            b.ret(literal(-1, T.I32))
        a, c = b.let("a|code_i", data[(*world, i)]), b.let("c|code_j", data[(*world, j)])
        with b.when(a == c):
            b.ret(bits + clz(cast(t, i ^ j)))
        b.ret(clz(a ^ c))

    params: dict[str, T.Type] = {"codes|keys": codes.array.type}
    if codes.world is not None:
        params["world|b"] = T.I32
    f = p.func(
        "delta|common_prefix|prefix_length",
        params | {"i": T.I32, "j": T.I32, "n|count": T.I32},
        delta,
        p.pick("", "Length of the common prefix; ties broken by index."),
    )
    lead = [] if codes.world is None else [codes.world]
    return lambda data, i, j, n: f(data.array, *lead, i, j, n)
