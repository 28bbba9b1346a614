"""Items that threads go through (particles, bodies, edges …): launch shape, arrays, guards.

The same work is laid out in many ways in real code: one world or a batch of them, structs of arrays
or arrays of structs, all items or a list of active ones, exact or padded launches. `Entities` draws
one layout per program, so that a category speaks of items and fields only.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.constructs import Enumeration, enumeration
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.logic import any_of, negate
from generator.synthesis.names import Names
from generator.synthesis.program import Argument, KernelBuilder
from generator.synthesis.tree import Expr, Name, Operand
from generator.synthesis.walk import walk


class Field:
    """One quantity of every item; ``field[j]`` is that of item `j` of this thread's world."""

    def __init__(
        self, owner: "Entities", array: Expr, dtype: T.Type, member: str | None = None
    ) -> None:
        self.owner = owner
        self.array = array
        self.dtype = dtype
        self._member = member

    def _index(self, j: Operand) -> tuple[Any, ...]:
        return (j,) if self.owner.world is None else (self.owner.world, j)

    def __getitem__(self, j: Operand) -> Expr:
        element = self.array[self._index(j)]
        return element if self._member is None else N.Attribute(element, self._member, self.dtype)

    @property
    def own(self) -> Expr:
        """The element of this thread's item."""
        return self[self.owner.index]

    def read(self, hint: str) -> Name:
        """A local that holds this thread's element."""
        return self.owner.k.let(hint, self.own)

    def store(self, value: Operand, j: Operand | None = None) -> None:
        """``array[i] = value``."""
        self.owner.k.set(self[self.owner.index if j is None else j], value)

    def add(self, value: Operand, j: Operand | None = None) -> None:
        """Atomic accumulation, in either of its spellings; other threads may add to the element too."""
        self._accumulate("+", "atomic_add", value, j)

    def subtract(self, value: Operand, j: Operand | None = None) -> None:
        """Atomic subtraction, in either of its spellings."""
        self._accumulate("-", "atomic_sub", value, j)

    def _accumulate(self, op: str, builtin: str, value: Operand, j: Operand | None) -> None:
        k, at = self.owner.k, self.owner.index if j is None else j
        if k.p.augmented_atomics:
            k.aug(self[at], op, value)
        else:
            k.do(getattr(wp, builtin)(self.array, *self._index(at), N.lift(value, self.dtype)))


class Entities:
    """The items of one kind; making it writes the statements that find this thread's item.

    Attributes:
        index: expression of this thread's item.
        world: expression of this thread's world, or None in a single world.
        n: number of items (per world).
    """

    def __init__(
        self, k: KernelBuilder, singular: str, *, count: int | None = None, index: str = "i|tid|idx",
        layouts: bool = True,
    ) -> None:  # fmt: skip
        p = k.p
        if p.fusing:
            self._adopt(k.layout, singular, count, layouts)
            return
        self.k = k
        k.layout = self
        self.singular = singular
        self.n = count or p.pick(48, 64, 96, 100, 120, 128, 160, 200, 256)
        self.worlds = p.pick(2, 3, 4) if layouts and p.on("batched") else None
        self.world: Expr | None = None
        self._record: list[tuple[str, T.Type, R.Recipe]] = []
        self._record_array: Name | None = None
        self._count: Expr | None = None
        self._some_array: Expr | None = None
        self._open(index, layouts)

    def _adopt(self, layout: object, singular: str, count: int | None, layouts: bool) -> None:
        """Shares the threads of the step before."""
        if not isinstance(layout, Entities) or layout.singular != singular:
            raise CannotFuse
        if (count not in (None, layout.n)) or (
            not layouts and (layout.world is not None or layout.listed)
        ):
            raise CannotFuse
        self.__dict__ = layout.__dict__
        self.k.adopt()

    # --- launch layout ----------------------------------------------------------------------------

    def _open(self, index: str, layouts: bool) -> None:
        k, p = self.k, self.k.p
        padded = layouts and p.on("padded_launch")
        listed = layouts and not padded and p.on("active_list")
        self.listed = listed
        threads = self.n + p.pick(5, 16, 28) if padded else self.n
        if self.worlds is not None:
            k.launch_dim = (self.worlds, threads)
            kind = T.TupleType((T.I32, T.I32))
            hints = ["world|env|worldid|w|batch|scene", "tid|thread" if listed else index]
            world, item = k.unpack(hints, N.Call("wp.tid", (), (), kind))
            self.world = world
        else:
            k.launch_dim = (threads,)
            item = k.let("tid|thread|t" if listed else index, wp.tid())
        self.index: Expr = item
        if padded:
            with k.when(item >= self.count()):
                k.ret()
        elif listed:
            self._through_list(item)

    def _through_list(self, thread: Expr) -> None:
        k, n = self.k, self.n
        hint = f"active_{_plural(self.singular)}|{self.singular}_ids|active_ids|active"
        live = max(n - n // self.k.p.pick(3, 4, 8), 2)
        k.p.features.add("index_list")
        shape = (n,) if self.worlds is None else (self.worlds, n)
        active = k.array(hint, T.I32, shape, R.permutation())
        entry = active[thread] if self.world is None else active[self.world, thread]
        if k.p.chance(0.6):
            number = k.array(
                f"num_{hint.split('|')[0]}|{self.singular}_count|active_count",
                T.I32,
                (1,),
                R.constant(live),
            )
            with k.when(thread >= number[0]):
                k.ret()
        self.index = k.let(f"i|{self.singular}|{self.singular}_id|idx", entry)

    def count(self) -> Expr:
        """The number of items as the kernel learns it: an argument, or an array's extent."""
        if self._count is None:
            if self._some_array is not None and self.k.p.chance(0.6):
                self._count = self._some_array.dim(0 if self.world is None else 1)
                return self._count
            items = _plural(self.singular)
            hint = f"num_{items}|n_{items}|{self.singular}_count|n"
            self._count = self.k.arg(hint, T.I32, R.value("int32", self.n), 2)
        return self._count

    # --- arrays -----------------------------------------------------------------------------------

    def field(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Field:
        """One quantity per item: an array, or a member of an array of structs."""
        shape = (self.n,) if self.worlds is None else (self.worlds, self.n)
        if role == "in" and self.k.p.on("array_of_structs"):
            return self._member(hint, dtype, R.array(T.dtype_name(dtype), shape, fill, role))
        array = self.k.array(hint, dtype, shape, fill, role)
        self._some_array = array
        return Field(self, array, dtype)

    def out(self, hint: str, dtype: T.Type) -> Field:
        """An output per item, zero before the launch."""
        return self.field(hint, dtype, R.zeros(), "out")

    def inout(self, hint: str, dtype: T.Type, fill: R.Fill) -> Field:
        """A quantity per item that the kernel reads and writes."""
        return self.field(hint, dtype, fill, "inout")

    def _member(self, hint: str, dtype: T.Type, recipe: R.Recipe) -> Field:
        k = self.k
        if self._record_array is None:
            dims = 1 if self.worlds is None else 2
            plural = f"{_plural(self.singular)}|{self.singular}_data|{self.singular}_state"
            opaque = T.Array(T.Opaque("record"), dims)
            self._record_array = Name(k.names.fresh(plural), opaque)
            self._record_names = Names(k.rng).fields()
            k.closers.append(self._close_record)
        member = self._record_names.fresh(hint)
        self._record.append((member, dtype, recipe))
        return Field(self, self._record_array, dtype, member)

    def _close_record(self) -> None:
        k = self.k
        assert self._record_array is not None
        read = {n.name for n in walk(k.body) if isinstance(n, N.Attribute)}
        self._record = [field for field in self._record if field[0] in read]
        if not self._record:
            return
        word = "".join(part.capitalize() for part in self.singular.split("_"))
        struct = T.StructType(
            k.p.names.fresh(f"{word}|{word}State|{word}Data"),
            tuple((m, t) for m, t, _ in self._record),
        )
        k.p.structs.append(N.StructDef(struct))
        shape = (self.n,) if self.worlds is None else (self.worlds, self.n)
        recipe = R.struct_array(struct.name, shape, {m: r for m, _, r in self._record}, "in")
        t = T.Array(struct, len(shape))
        k.arguments.append(Argument(self._record_array.id, t, recipe, 1))

    # --- quantities -------------------------------------------------------------------------------

    def property(self, hint: str, low: float, high: float, t: T.Scalar | None = None) -> Expr:
        """A positive property of an item: one for all, one each, or one per kind of item."""
        k, p = self.k, self.k.p
        t = t or p.real
        where = p.weighted({"uniform": 0.45, "item": 0.42, "kind": 0.13})
        if where == "uniform":
            return k.param(hint, low, high, t)
        if where == "item":
            plural = "|".join(_plural(h) for h in hint.split("|"))
            return self.field(plural, t, R.uniform(low, high)).own
        kinds: int = getattr(self, "_kinds", 0) or p.pick(3, 4, 8)
        ids = self.kind_ids(kinds)
        table = k.array(
            f"{hint.split('|')[0]}_table|{_plural(hint.split('|')[-1])}",
            t,
            (kinds,),
            R.uniform(low, high),
        )
        return table[ids]

    def kind_ids(self, kinds: int) -> Expr:
        """This thread's item's kind (material, type, group): an index below `kinds`."""
        if not hasattr(self, "_kind"):
            hint = f"{self.singular}_type|material_id|material|{self.singular}_group|type_id"
            self._kind = self.field(hint, T.I32, R.integers(0, kinds))
            self._kinds = kinds
        return self._kind.own if self._kinds <= kinds else self._kind.own % kinds

    def world_param(self, hint: str, low: float, high: float, t: T.Scalar | None = None) -> Expr:
        """A parameter that batched programs may keep one of per world."""
        k, p = self.k, self.k.p
        t = t or p.real
        if self.world is not None and self.worlds and p.on("params_per_world") and p.chance(0.7):
            return k.array(_plural(hint.split("|")[0]), t, (self.worlds,), R.uniform(low, high))[
                self.world
            ]
        return k.param(hint, low, high, t)

    def world_vector(self, hint: str, value: list[float], t: T.Vec) -> Expr:
        """A vector parameter, such as gravity, that batched programs may keep one of per world."""
        k, p = self.k, self.k.p
        if self.world is not None and self.worlds and p.on("params_per_world") and p.chance(0.7):
            spread = max(abs(v) for v in value)
            name = hint.split("|")[0]
            return k.array(name, t, (self.worlds,), R.uniform(-spread, spread))[self.world]
        return k.quantity(hint, t, value)

    # --- guards -----------------------------------------------------------------------------------

    def guard(self, *copies: tuple[Field, Operand], always: bool = False) -> None:
        """An early exit for items that are switched off; `copies` are written for them first."""
        k, p = self.k, self.k.p
        if not (always or p.on("guard")):
            return
        with k.when(self._switched_off()):
            for target, value in copies:
                target.store(value)
            k.ret()

    def _switched_off(self) -> Expr:
        p, s = self.k.p, self.singular
        match p.weighted({"mask": 4, "flag": 3, "kind": 2, "either": 1, "bool": 2}):
            case "mask":
                f = self.field(f"{s}_active|{s}_mask|enabled|mask", T.I32, R.mask(0.8))
                return f.own == 0
            case "flag" if p.chance(0.25):
                flags = self.field(f"{s}_flags|flags|state_flags", T.I32, R.integers(0, 16))
                members = self._members("Flags", ["ACTIVE", "MOVING", "VISIBLE", "PINNED"])
                return (flags.own & members["ACTIVE"]) == 0
            case "kind" if p.chance(0.3):
                kind = self.field(f"{s}_kind|{s}_type|status", T.I32, R.integers(0, 3))
                members = self._members("Kind", ["STATIC", "KINEMATIC", "DYNAMIC"])
                return (
                    kind.own != members["DYNAMIC"]
                    if p.chance(0.6)
                    else kind.own == members["STATIC"]
                )
            case "flag":
                flags = self.field(
                    f"{s}_flags|flags|state_flags", p.pick(T.I32, T.I32, T.U32), R.integers(0, 16)
                )
                bit = p.const(
                    f"{s}_ACTIVE|FLAG_ACTIVE|ACTIVE_BIT".upper(),
                    p.pick(1, 2, 4),
                    T.scalar_of(flags.dtype),
                )
                zero = N.literal(0, flags.dtype)
                return (flags.own & bit) == zero
            case "kind":
                group = self.field(f"{s}_group|phase|{s}_kind|labels", T.I32, R.integers(0, 3))
                return group.own != p.pick(0, 1) if p.chance(0.5) else group.own == p.pick(1, 2)
            case "either":
                a = self.field(f"{s}_active|enabled", T.I32, R.mask(0.9))
                b = self.field(f"{s}_asleep|frozen|is_static", T.I32, R.mask(0.2))
                return any_of(a.own == 0, b.own == 1)
        f = self.field(f"is_{s}_active|{s}_enabled|valid", T.BOOL, R.mask(0.8))
        return negate(f.own)

    def _members(self, word: str, members: list[str]) -> Enumeration:
        """The enumeration of this item's states, one per program."""
        p = self.k.p
        if word not in p.shared:
            singular = "".join(part.capitalize() for part in self.singular.split("_"))
            p.shared[word] = enumeration(p, f"{singular}{word}|{word}", members, word == "Flags")
        return p.shared[word]


@contextmanager
def neighbours(
    e: Entities, kind: str | None = None, j: str = "j|nbr|other"
) -> Iterator[tuple[Name, Expr]]:
    """A loop over the neighbours of this thread's item, in one of the layouts of the field.

    Yields the neighbour's index and its slot: an index into per-pair arrays of length
    `pair_count(e)` in the row layouts, the neighbour itself in the others.
    """
    k, p = e.k, e.k.p
    kind = kind or p.weighted({"csr": 4, "table": 4, "linked": 1, "window": 2, "all": 2})
    n, i = e.n, e.index
    if kind == "csr":
        total = n * p.pick(4, 6, 8)
        start = k.array(
            "row_offsets|neighbor_offsets|offsets|row_ptr", T.I32, (n + 1,), R.offsets(total)
        )
        columns = k.array(
            "neighbor_indices|columns|adjacency|col_indices", T.I32, (total,), R.integers(0, n)
        )
        first, last = start[i], start[i + 1]
        if p.chance(0.6):
            first, last = k.let("begin|start|row_start", first), k.let("end|stop|row_end", last)
        with k.loop("slot|s|e|k", first, last) as slot:
            yield k.let(j, columns[slot]), slot
    elif kind == "table":
        width = p.pick(6, 8, 12)
        table = k.array(
            "neighbors|neighbor_list|nbr_table", T.I32, (n, width), R.padded(0, n, 0.25)
        )
        extent = width if p.chance(0.4) else table.dim(1)
        with k.loop("slot|s|k|m", extent) as slot:
            other = k.let(j, table[i, slot])
            with k.when(other < 0 if p.chance(0.7) else other == -1):
                k.brk() if p.chance(0.6) else k.cont()
            yield other, other
    elif kind == "linked":
        head = k.array("head|first|list_head", T.I32, (n,), R.integers(-1, n // 2))
        following = k.array("next_index|links|list_next", T.I32, (n,), R.links())
        cursor = k.var("node|cursor|it|current", head[i])
        with k.repeat(cursor >= 0 if p.chance(0.5) else cursor != -1):
            # The cursor moves on first, so that a `continue` in the body cannot loop for ever.
            other = k.let(j, cursor)
            k.set(cursor, following[cursor])
            yield other, other
    elif kind == "window":
        reach = k.count("half_window|reach|window|band", p.pick(2, 3, 4, 5))
        low = k.let("low|begin|first", wp.max(i - reach, 0))
        high = k.let("high|end|last", wp.min(i + reach + 1, e.count()))
        with k.loop(j, low, high) as other:
            yield other, other
    else:
        with k.loop(j, e.count()) as other:
            if p.chance(0.7):
                with k.when(other == i):
                    k.cont()
            yield other, other


def _plural(word: str) -> str:
    if word.endswith(("s", "x")):
        return word
    vowel = word[-2:-1] in ("a", "e", "o", "u")
    return f"{word[:-1]}ies" if word.endswith("y") and not vowel else f"{word}s"
