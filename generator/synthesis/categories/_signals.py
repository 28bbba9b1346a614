"""Multichannel signals: array layout, launch shape, taps and complex numbers."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._grids import threads
from generator.synthesis.fusion import CannotFuse
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, Operand, lift


class Signals:
    """Channels by samples; threads go over samples of channels, or over channels alone.

    Attributes:
        c: this thread's channel, or None in a mono program.
        n: this thread's sample, or None where a thread runs along time.
    """

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        *,
        per: str = "sample",
        length: int | None = None,
        threads_along: int | None = None,
        time: str = "n|t|i|s",
    ) -> None:
        if p.fusing:
            self._adopt(k, per, length, threads_along)
            return
        self.p, self.k, self.per = p, k, per
        k.layout = self
        self.channels = p.pick(2, 4, 6, 8, 16)
        self.length = length or p.pick(64, 96, 128, 200, 256)
        form = p.weighted(
            {
                "channels": 5,
                "interleaved": 2.5,
                "flat": 2,
                "mono": 1.5 if per == "sample" else 0,
                "batch": 1.5,
            }
        )
        self.flat = form == "flat"
        self._strides: dict[str, Expr] = {}
        self._index: UserFunction | None = (
            self._index_function() if self.flat and p.chance(0.5) else None
        )
        self.interleaved, self.mono = form == "interleaved", form == "mono"
        self.batches = p.pick(2, 3) if form == "batch" else None
        self._given = p.chance(0.5)
        self._extents: dict[str, Expr] = {}
        self._known: Expr | None = None
        self.b: Expr | None = None
        span = self.span = threads_along or self.length
        hints = {"c": "ch|c|channel|chan", "n": time, "b": "b|batch|clip|env"}
        dims: list[tuple[str, int]] = []
        if self.batches:
            dims.append(("b", self.batches))
        if not self.mono:
            dims.append(("c", self.channels))
        if per == "sample":
            dims.append(("n", span))
        if self.interleaved and per == "sample" and p.chance(0.6):
            dims.reverse()
        extra = p.pick(0, 0, 0, 4, 8)
        made = dict(
            zip(
                [d for d, _ in dims],
                threads(k, [hints[d] for d, _ in dims], tuple(n for _, n in dims)),
                strict=True,
            )
        )
        self.c, self.n, self.b = made.get("c"), made.get("n"), made.get("b")
        self.spare = extra if per == "channel" and len(dims) == 1 else 0
        if self.spare:
            k.launch_dim = (self.channels + self.spare,)
            with k.when(
                self.c >= k.scalar("num_channels|n_channels|channels", T.I32, self.channels)
            ):  # type: ignore[operator]
                k.ret()

    def _adopt(self, k: KernelBuilder, per: str, length: int | None, span: int | None) -> None:
        """Shares the threads of the step before."""
        layout = k.layout
        if (
            not isinstance(layout, Signals)
            or per != layout.per
            or (per == "channel" and length is None)
        ):
            raise CannotFuse
        if per == "sample" and (
            length not in (None, layout.length) or (span or layout.length) != layout.span
        ):
            raise CannotFuse
        self.__dict__ = layout.__dict__
        k.adopt()

    def _index_function(self) -> UserFunction:
        """Place of a sample in an array that holds one channel after another."""

        def body(b: Block, channel: Expr, n: Expr, length: Expr) -> None:
            b.ret(channel * length + n)

        return self.p.func(
            "sample_index|channel_offset|flat_index",
            {"ch|c": T.I32, "n|t": T.I32, "length|stride": T.I32},
            body,
        )

    def shape(self, length: int | None = None) -> tuple[int, ...]:
        """Extents of a signal array."""
        n = length or self.length
        if self.flat:
            return (n * self.channels,)
        if self.mono:
            return (n,)
        pair = (n, self.channels) if self.interleaved else (self.channels, n)
        return (self.batches, *pair) if self.batches else pair

    def signal(
        self,
        hint: str,
        fill: R.Fill | None = None,
        role: str = "in",
        dtype: T.Type | None = None,
        length: int | None = None,
    ) -> Name:
        """An array of samples."""
        array = self.k.array(
            hint, dtype or self.p.real, self.shape(length), fill or R.uniform(-1.0, 1.0), role
        )
        if length is None:
            self._known = array
        elif self.flat:
            self._strides[array.id] = self.k.scalar("out_length|out_stride|num_out", T.I32, length)
        return array

    def out(self, hint: str, dtype: T.Type | None = None, length: int | None = None) -> Name:
        return self.signal(hint, R.zeros(), "out", dtype, length)

    def at(self, array: Expr, n: Operand | None = None, c: Operand | None = None) -> Expr:
        """A sample; this thread's own by default."""
        when = self.n if n is None else n
        channel = self.c if c is None else c
        assert when is not None
        if self.mono:
            return array[when]
        if self.flat:
            assert isinstance(array, Name)
            stride = self._strides[array.id] if array.id in self._strides else self.samples()
            return array[
                self._index(channel, when, stride) if self._index else channel * stride + when
            ]  # type: ignore[operator]
        pair = (when, channel) if self.interleaved else (channel, when)
        return array[(self.b, *pair)] if self.b is not None else array[pair]  # type: ignore[index]

    def samples(self) -> Expr:
        """Number of samples, as the kernel learns it."""
        if "n" not in self._extents:
            axis = 0 if self.mono or self.interleaved else 1
            if self._given or self._known is None or self.flat:
                self._extents["n"] = self.k.scalar(
                    "num_samples|n_samples|length|n_frames", T.I32, self.length
                )
            else:
                self._extents["n"] = self._known.dim(axis + (self.b is not None))
        return self._extents["n"]

    def per_channel(self, hint: str, dtype: T.Type, fill: R.Fill, role: str = "in") -> Expr:
        """An array over channels (and batches), read at this thread's; a mono signal has one element."""
        if self.mono:
            return self.k.array(hint, dtype, (1,), fill, role)[0]
        shape = (self.batches, self.channels) if self.batches else (self.channels,)
        where = (self.b, self.c) if self.b is not None else (self.c,)
        return self.k.array(hint, dtype, shape, fill, role)[where]  # type: ignore[index]

    def setting(self, hint: str, low: float, high: float) -> Expr:
        """A parameter of the processing: one for all, or one per channel."""
        if not self.mono and self.p.chance(0.25):
            return self.per_channel(hint, self.p.real, R.uniform(low, high))
        return self.k.param(hint, low, high)

    def mute_exit(self, *writes: tuple[Expr, Operand], chance: float = 0.2) -> None:
        """An early exit for muted channels."""
        if self.mono or not self.p.chance(chance):
            return
        k, p = self.k, self.p
        form = p.pick("int", "bool", "gain")
        if form == "gain":
            test = self.per_channel(
                "gain|channel_gain|level", p.real, R.uniform(0.0, 1.0)
            ) < p.pick(0.05, 0.1)
        elif form == "bool":
            test = self.per_channel("muted|bypass|is_muted", T.BOOL, R.mask(0.2))
        else:
            test = self.per_channel("active|enabled|channel_mask", T.I32, R.mask(0.85)) == 0
        with k.when(test):
            for target, value in writes:
                k.set(target, value)
            k.ret()

    def _fetch(self, array: Expr, m: Expr) -> Expr:
        """A sample through a `@wp.func` that gives zero (or the edge) outside the signal."""
        if not hasattr(self, "_fetcher"):
            self._fetcher = self._fetch_function(array)
        rest = () if self.mono else (m, self.c) if self.interleaved else (self.c, m)
        return self._fetcher(array, *([self.b] if self.b is not None else []), *(rest or (m,)))

    def _fetch_function(self, array: Expr) -> UserFunction:
        p = self.p
        lead = {"b|clip": T.I32} if self.b is not None else {}
        own = (
            {"n|t|i": T.I32}
            if self.mono
            else {"n|t|i": T.I32, "ch|c": T.I32}
            if self.interleaved
            else {"ch|c": T.I32, "n|t|i": T.I32}
        )
        place = len(lead) + (0 if self.mono or self.interleaved else 1)
        edge = p.pick("zero", "zero", "hold")

        def body(b: Block, data: Expr, *where: Expr) -> None:
            n, size = where[place], data.dim(place)
            if edge == "hold":
                b.ret(data[(*where[:place], wp.clamp(n, 0, size - 1), *where[place + 1 :])])
                return
            with b.when(any_of(n < 0, n >= size)):
                b.ret(lift(0.0, p.real))
            b.ret(data[where])

        names = (
            "sample_or_zero|read_padded|fetch"
            if edge == "zero"
            else "sample_held|read_clamped|fetch"
        )
        return p.func(names, {"x|data|signal": array.type, **lead, **own}, body)

    def guarded(self, array: Expr, m: Expr, total: Expr, weight: Expr) -> None:
        """Adds ``weight * array[m]`` to `total` where `m` is a sample, in one of the usual forms."""
        k, p = self.k, self.p
        form = p.pick(
            "if", "clamp", "wrap", "continue", "reflect", *[] if self.flat else ["function"] * 3
        )
        if form == "function":
            k.aug(total, "+", weight * self._fetch(array, m))
            return
        n = self.samples()
        match form:
            case "if":
                with k.when(all_of(m >= 0, m < n)):
                    k.aug(total, "+", weight * self.at(array, m))
            case "clamp":
                k.aug(total, "+", weight * self.at(array, wp.clamp(m, 0, n - 1)))
            case "wrap":
                k.aug(total, "+", weight * self.at(array, (m + n) % n))
            case "continue":
                with k.when(any_of(m < 0, m >= n)):
                    k.cont()
                k.aug(total, "+", weight * self.at(array, m))
            case "reflect":
                r = k.let("r|mirrored|refl", wp.abs(m))
                with k.when(r < n):
                    k.aug(total, "+", weight * self.at(array, r))


def decibels(p: ProgramBuilder, k: Block, power: Expr, floor: float = 1.0e-9) -> Expr:
    """A power on a logarithmic scale, inline or by a function."""
    amplitude = p.chance(0.2)

    def body(b: Block, v: Expr) -> Expr:
        if amplitude:
            return 20.0 * wp.log10(wp.max(wp.sqrt(v), floor))
        return p.pick(
            10.0 * wp.log10(v + floor),
            10.0 * wp.log10(wp.max(v, floor)),
            4.342944819 * wp.log(v + floor),
        )

    return piece(p, k, "to_db|power_to_db|decibels", {"power|v|p": power}, body, probability=0.75)


def complex_multiply(p: ProgramBuilder) -> UserFunction:
    """``cmul(a, b)`` on pairs (re, im)."""
    vec = p.vec(2)

    def body(b: Block, u: Expr, v: Expr) -> None:
        if p.chance(0.7):
            b.ret(construct(vec, u[0] * v[0] - u[1] * v[1], u[0] * v[1] + u[1] * v[0]))
        else:
            re, im = (
                b.let("re|real", u[0] * v[0] - u[1] * v[1]),
                b.let("im|imag", u[0] * v[1] + u[1] * v[0]),
            )
            b.ret(construct(vec, re, im))

    return p.func(
        "cmul|complex_mul|c_multiply",
        {"a|u": vec, "b|v": vec},
        body,
        "Product of two complex numbers.",
    )


def window(p: ProgramBuilder, k: Block, n: Expr, size: Expr) -> Expr:
    """A window weight of sample `n` out of `size`."""
    form = p.pick("hann", "hamming", "blackman", "triangle", "welch", "sine", "nuttall")

    def body(b: Block, i: Expr, m: Expr) -> None:
        x = b.let("x|phase|s", construct(p.real, i) / construct(p.real, m - 1))
        two_pi = 6.283185307
        if form == "hann":
            b.ret(0.5 - 0.5 * wp.cos(two_pi * x))
        elif form == "hamming":
            b.ret(0.54 - 0.46 * wp.cos(two_pi * x))
        elif form == "blackman":
            b.ret(0.42 - 0.5 * wp.cos(two_pi * x) + 0.08 * wp.cos(2.0 * two_pi * x))
        elif form == "nuttall":
            a = b.let("a|arg", two_pi * x)
            b.ret(
                0.355768
                - 0.487396 * wp.cos(a)
                + 0.144232 * wp.cos(2.0 * a)
                - 0.012604 * wp.cos(3.0 * a)
            )
        elif form == "triangle":
            b.ret(1.0 - wp.abs(2.0 * x - 1.0))
        elif form == "welch":
            c = b.let("c|centred", 2.0 * x - 1.0)
            b.ret(1.0 - c * c)
        else:
            b.ret(wp.sin(3.141592654 * x))

    if p.chance(0.75):
        return p.func(
            f"{form}|{form}_window|window",
            {"n|i": T.I32, "size|length|m": T.I32},
            body,
            f"{form.capitalize()} window.",
        )(n, size)
    x = k.let("phase|x_w|s", construct(p.real, n) / construct(p.real, size - 1))
    return lift(0.5, p.real) - 0.5 * wp.cos(6.283185307 * x)
