"""Integer hashing and value noise, for the random-field category."""

from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, wp
from generator.synthesis.categories._rf_noise import coordinates
from generator.synthesis.grid import Grid
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr


def u32(value: int) -> Expr:
    return N.literal(value, T.U32)


def wide(p: ProgramBuilder, hint: str, value: int) -> Expr:
    """A constant of more than 31 bits; as a literal in the code it would overflow an int."""
    return p.const(hint, value, T.U32) if value >= 1 << 31 else u32(value)


_MULTIPLIERS = ((2146121005, 2221713035), (739982445, 695872825), (739991543, 2221713035), (1753845952, 741103597),
                (1597334677, 3812015801), (1540483477, 1540483477), (668265263, 374761393))  # fmt: skip


def mixer(p: ProgramBuilder) -> UserFunction:
    """A 32-bit integer hash, in one of the well-known shapes."""
    form = p.pick("pcg", "wang", "murmur", "xorshift", "lowbias")

    def body(b: Block, x: Expr) -> None:
        h = b.var("h|v|state", x)
        match form:
            case "pcg":
                b.set(h, h * u32(747796405) + wide(p, "PCG_INCREMENT|PCG_INC", 2891336453))
                word = b.let("word|w", ((h >> ((h >> u32(28)) + u32(4))) ^ h) * u32(277803737))
                b.ret((word >> u32(22)) ^ word)
            case "wang":
                b.set(h, (h ^ u32(61)) ^ (h >> u32(16)))
                b.set(h, h * u32(9))
                b.set(h, h ^ (h >> u32(4)))
                b.set(h, h * u32(668265261))
                b.ret(h ^ (h >> u32(15)))
            case "murmur" | "lowbias":
                first, second = (
                    (2246822507, 3266489909) if form == "murmur" else (2146121005, 2221713035)
                )
                shifts = (
                    (16, 13, 16)
                    if form == "murmur"
                    else p.pick((16, 15, 16), (15, 12, 15), (17, 11, 14), (16, 15, 15))
                )
                b.set(h, h ^ (h >> u32(shifts[0])))
                b.set(h, h * wide(p, "MIX_A|HASH_C1", first))
                b.set(h, h ^ (h >> u32(shifts[1])))
                b.set(h, h * wide(p, "MIX_B|HASH_C2", second))
                b.ret(h ^ (h >> u32(shifts[2])))
            case _:
                b.set(h, h ^ (h << u32(13)))
                b.set(h, h ^ (h >> u32(17)))
                b.ret(h ^ (h << u32(5)))

    return p.func(
        "hash_u32|mix_bits|scramble|hash1|pcg_hash",
        {"x|key|n": T.U32},
        body,
        p.pick("", "", "Integer hash with good avalanche."),
    )


_PRIMES = (
    (73856093, 19349663, 83492791),
    (374761393, 668265263, 1274126177),
    (501125321, 1136930381, 1720413743),
    (198491317, 6542989, 357239),
    (1619, 31337, 6971),
    (12289, 49157, 98317),
    (7919, 104729, 15485863),
)


def lattice_hash(p: ProgramBuilder, axes: int, mix: UserFunction) -> UserFunction:
    """A hash of lattice coordinates and a seed, over a mixer or by multiplied primes."""
    primes = p.pick(*_PRIMES)
    nested = p.chance(0.45)

    def body(b: Block, *args: Expr) -> None:
        *cells, seed = args
        unsigned = [cast(T.U32, c) for c in cells]
        if nested:
            value: Expr = cast(T.U32, seed)
            for u in reversed(unsigned):
                value = mix(u + value)
            b.ret(value)
        else:
            key = unsigned[0] * u32(primes[0])
            for u, prime in zip(unsigned[1:], primes[1:], strict=False):
                key = key ^ (u * u32(prime))
            b.ret(mix(key ^ cast(T.U32, seed)))

    params = {f"{'ijk'[a]}x|c{'xyz'[a]}|i{'xyz'[a]}": T.I32 for a in range(axes)} | {
        "seed|salt": T.I32
    }
    return p.func("hash_cell|lattice_hash|cell_hash|hash_coords", params, body)


def unit_float(p: ProgramBuilder) -> UserFunction:
    """A float in [0, 1) from the bits of an integer."""
    form = p.pick("shift", "mask", "divide")

    def body(b: Block, h: Expr) -> None:
        if form == "shift":
            b.ret(cast(T.F32, h >> u32(8)) * (1.0 / 16777216.0))
        elif form == "mask":
            b.ret(cast(T.F32, h & u32(16777215)) / 16777216.0)
        else:
            b.ret(cast(T.F32, h) / 4294967296.0)

    return p.func("to_unit_float|u32_to_float|unit|to_float01", {"h|bits": T.U32}, body)


def hash_seed(p: ProgramBuilder, k: KernelBuilder) -> Expr:
    return k.count("seed|salt|noise_seed", p.pick(1, 17, 1337, 9001))


def value_noise(p: ProgramBuilder) -> None:
    """Hashed lattice values, interpolated smoothly; several octaves at times."""
    k = p.kernel_builder(
        "value_noise|lattice_noise|hash_noise_image|fill_value_noise|noise_map",
        p.pick(
            "Value noise from hashed lattice points.", "Smoothly interpolated lattice noise.", ""
        ),
    )
    g = Grid(k, "row|i|y col|j|x", boundary="clamp")
    x = coordinates(p, k, g)
    seed = hash_seed(p, k)
    sample = _value_function(p)
    out = g.out("noise_out|values|texture|field", T.F32)
    if p.chance(0.4):
        total, amplitude, q = (
            k.var("total|sum_n|acc", 0.0),
            k.var("amp|weight", 0.5),
            k.var("q|pp", x),
        )
        with k.loop("octave|o", k.count("octaves|num_octaves", p.pick(3, 4, 5))) as o:
            k.aug(total, "+", amplitude * sample(q, seed + o))
            k.aug(amplitude, "*", 0.5)
            k.aug(q, "*", 2.0 if p.chance(0.6) else k.param("lacunarity", 1.8, 2.3))
        out.store(total)
    else:
        value = sample(x, seed)
        if p.chance(0.5):
            value = 2.0 * value - 1.0
        out.store(value * k.param("amplitude|contrast|gain", 0.2, 3.0) if p.chance(0.5) else value)


def _value_function(p: ProgramBuilder) -> UserFunction:
    hashed, unit = lattice_hash(p, 2, mixer(p)), unit_float(p)
    fade = p.pick("cubic", "quintic", "cosine")
    gradients = p.chance(0.3)

    def corner(b: Block, ix: Expr, iy: Expr, seed: Expr, fx: Expr, fy: Expr) -> Expr:
        u = unit(hashed(ix, iy, seed))
        if not gradients:
            return u
        angle = b.let("angle|theta|a", u * 6.28318531)
        return wp.cos(angle) * fx + wp.sin(angle) * fy

    def body(b: Block, x: Expr, seed: Expr) -> None:
        ix, iy = (
            b.let("ix|x0", cast(T.I32, wp.floor(x.x))),
            b.let("iy|y0", cast(T.I32, wp.floor(x.y))),
        )
        fx, fy = b.let("fx|tx", x.x - wp.floor(x.x)), b.let("fy|ty", x.y - wp.floor(x.y))
        ux, uy = (b.let(h, _fade(fade, f)) for h, f in (("u|sx", fx), ("v|sy", fy)))
        corners = [
            b.let(
                f"n{i}{j}|c{i}{j}",
                corner(
                    b,
                    ix + i if i else ix,
                    iy + j if j else iy,
                    seed,
                    fx - 1.0 if i else fx,
                    fy - 1.0 if j else fy,
                ),
            )
            for j in (0, 1)
            for i in (0, 1)
        ]
        b.ret(wp.lerp(wp.lerp(corners[0], corners[1], ux), wp.lerp(corners[2], corners[3], ux), uy))

    name = (
        "gradient_noise|perlin_2d|noise2"
        if gradients
        else "value_noise_2d|smooth_noise|lattice_sample|noise2"
    )
    return p.func(name, {"x|pos|p": T.VEC2, "seed|salt": T.I32}, body)


def _fade(form: str, f: Expr) -> Expr:
    if form == "cubic":
        return f * f * (3.0 - 2.0 * f)
    if form == "quintic":
        return f * f * f * (f * (f * 6.0 - 15.0) + 10.0)
    return 0.5 - 0.5 * wp.cos(f * 3.14159265)
