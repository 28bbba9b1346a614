"""Rows of complex samples and functions of their modes, for the spectral intents."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tiles import Dim, Tiling
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr

Z = T.VEC2


class Rows:
    """Rows of complex samples, `m` of them per block, each transformed along its length."""

    def __init__(self, p: ProgramBuilder, names: str, docs: tuple[str, ...]) -> None:
        p.real = T.F32
        self.p = p
        self.k: KernelBuilder = p.kernel_builder(names, p.pick(*docs))
        self.t = Tiling(p, self.k)
        self.t.shared = False  # transforms want register tiles
        self.n = self.t.dim("n|fft_size|row_len|num_bins", p.pick(16, 32, 64))
        self.m = (
            self.t.dim("rows_per_block|batch_rows|tile_rows", p.pick(2, 4))
            if p.chance(0.35)
            else self.t.literal(1)
        )
        self.blocks = p.pick(4, 6, 8)
        self.i = self.t.launch(["i|line|row|channel|signal"], (self.blocks,))[0]
        # Without libmathdx a transform's length must be a multiple of the block's threads.
        self.k.block_dim = p.pick(*(d for d in (8, 16, 32, 64) if d <= self.n.value))
        self.rows = self.blocks * self.m.value
        self.k.options["enable_backward"] = False

    @property
    def shape(self) -> list[Dim]:
        return [self.m, self.n]

    @property
    def offset(self) -> list[Any]:
        return [self.i if self.m.value == 1 else self.i * self.m.expr, 0]

    def load(self, hint: str, local: str, role: str = "in") -> Expr:
        """A tile of complex rows."""
        array = self.k.array(hint, Z, (self.rows, self.n.value), R.uniform(-1.0, 1.0), role)
        self.array = array
        return self.k.let(local, self.t.load(array, self.shape, self.offset))

    def store(self, hint: str, value: Expr) -> None:
        assert isinstance(value.type, T.Tile)
        self.t.store(
            self.k.out(hint, value.type.dtype, (self.rows, self.n.value)), value, self.offset
        )

    def fft(self, z: Expr) -> None:
        self.k.do(tile("tile_fft", T.VOID, z))

    def ifft(self, z: Expr) -> None:
        self.k.do(tile("tile_ifft", T.VOID, z))

    def scaled(self, z: Expr) -> Expr:
        """`z` divided by the number of samples, in one of the spellings."""
        match self.p.pick("literal", "divide", "let"):
            case "literal":
                return z * (1.0 / self.n.value)
            case "divide":
                return z / construct(T.F32, self.n.expr)
        return z * self.k.let("inv_n|norm|scale", 1.0 / construct(T.F32, self.n.expr))

    def bins(self, function: UserFunction | None = None) -> Expr:
        """Per-bin numbers as a tile, from a function of the bin's index."""
        index = (
            tile("tile_arange", T.Tile(T.I32, (self.n.value,)), self.n.expr, dtype=T.I32)
            if self.p.chance(0.5)
            else tile("tile_arange", T.Tile(T.I32, (self.n.value,)), 0, self.n.expr, 1, dtype=T.I32)
        )
        flat = self.k.let("freq|kx|omega|wave", self.t.map(function or self.wave_number(), index))
        return self.t.broadcast(flat, self.shape)

    def wave_number(self) -> UserFunction:
        """The signed frequency of a bin."""
        n, p = self.n.value, self.p
        length = p.pick(1.0, 6.2831853, 10.0)
        form = p.pick("where", "if", "mod")

        def body(b: Any, i: Expr) -> None:
            scale = round(6.2831853 / length, 6)
            if form == "if":
                with b.when(i < n // 2):
                    b.ret(scale * construct(T.F32, i))
                b.ret(scale * construct(T.F32, i - n))
            elif form == "mod":
                b.ret(scale * construct(T.F32, (i + n // 2) % n - n // 2))
            else:
                b.ret(scale * wp.where(i < n // 2, construct(T.F32, i), construct(T.F32, i - n)))

        return p.func(
            "wave_number|signed_bin|angular_frequency|k_of_bin", {"i|j|bin_id": T.I32}, body
        )


def complex_product(p: ProgramBuilder, conj: bool) -> UserFunction:
    names = "mul_conj|conj_product|times_conjugate" if conj else "cmul|complex_product|multiply"

    def body(b: Any, u: Expr, v: Expr) -> None:
        turned = construct(Z, u.y, -u.x) if conj else construct(Z, -u.y, u.x)
        if p.chance(0.5):
            turned = b.let("turned|quarter|iu", turned)
        b.ret(u * v.x + turned * v.y)

    return p.func(names, {"a|u": Z, "b|v": Z}, body)


def phase_rotation(p: ProgramBuilder) -> UserFunction:
    def body(b: Any, z: Expr, a: Expr) -> None:
        c, s = b.let("c|cs", wp.cos(a)), b.let("s|sn", wp.sin(a))
        b.ret(z * c + construct(Z, -z.y, z.x) * s)

    return p.func("rotate_phase|phase_shift|turn", {"z|u": Z, "a|angle|phi": T.F32}, body)


def bin_scaling(p: ProgramBuilder, names: str, form: Any) -> UserFunction:
    return p.func(names, {"z|u|c": Z, "k|w|freq": T.F32}, lambda b, z, f: b.ret(z * form(b, f)))


def store_filtered(p: ProgramBuilder, r: Rows, z: Expr, f: UserFunction, freq: Expr) -> None:
    """Applies a per-mode function and comes back to real space."""
    k = r.k
    y = k.let("y|modes|filtered", r.t.map(f, z, freq))
    r.ifft(y)
    out = r.scaled(y)
    if p.chance(0.3):
        out = k.let("field|result|back", out)
        r.t.atomic(
            k.out("energy|total_power|norm_sq", T.F32, (1,)),
            tile("tile_dot", T.Tile(T.F32, (1,)), out, out),
        )
    r.store("out|solution|filtered_out", out)
