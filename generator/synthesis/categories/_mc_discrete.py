"""Draws from tabulated distributions and forked streams, for the Monte Carlo category."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._tables import Rng, Table, entity_rng
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def tabulated(p: ProgramBuilder) -> None:
    """Samples by a cumulative table: light sources, energies, mutations, populations."""
    k = p.kernel_builder(
        "sample_table|draw_from_cdf|pick_emitters|choose_sources|resample_population|draw_energies",
        p.pick(
            "Draw from a tabulated distribution.", "Pick an entry by its cumulative weight.", ""
        ),
    )
    e = Entities(k, "sample")
    e.guard()
    rng = entity_rng(e)
    size = p.pick(16, 24, 32, 64)
    cdf = k.array("cdf|cumulative|weight_cdf", T.F32, (size,), R.ascending(0.0, 1.0))
    if p.chance(0.45):
        _many(p, k, e, rng, cdf, size)
    else:
        index = _pick(k, rng, cdf, size)
        if p.chance(0.5):
            Table(e, "counts|histogram|picked", T.I32, (size,), role="out").add(1, index)
        e.out("choices|picked_ids|entries", T.I32).store(index)
        if p.chance(0.6):
            e.out("values|drawn|energies", T.F32).store(_value(p, k, e, rng, index, size))
    if p.chance(0.4):
        bounds = () if p.chance(0.5) else (cast(T.U32, 1), cast(T.U32, 1000))
        e.out("child_seeds|next_seeds|forked", T.U32).store(wp.randu(rng.state, *bounds))
    if p.chance(0.3):
        _direction(p, k, e, rng)
    rng.close()


def _pick(k: KernelBuilder, rng: Rng, cdf: Expr, size: int) -> Name:
    return k.let("idx|choice|entry", wp.min(wp.sample_cdf(rng.state, cdf), size - 1))


def _many(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, cdf: Expr, size: int) -> None:
    draws = k.count("num_draws|draws|samples_per_thread", p.pick(4, 8, 16))
    counts = Table(e, "counts|histogram|picked", T.I32, (size,), role="out")
    total = k.var("total|acc|mean", 0.0)
    with k.loop("s|draw|d", draws):
        index = _pick(k, rng, cdf, size)
        counts.add(1, index)
        k.aug(total, "+", _value(p, k, e, rng, index, size))
    e.out("means|estimates|averages", T.F32).store(total / cast(T.F32, draws))


def _value(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng, index: Name, size: int
) -> Expr:
    hint = "table|bin_values|energies_in"
    table = Table(e, hint, T.F32, (size,), R.uniform(0.1, 5.0), shared=True)
    match p.pick("plain", "jitter", "log"):
        case "plain":
            return table[index]
        case "jitter":
            width = k.param("bin_width|spread|jitter", 0.05, 0.5)
            return table[index] + width * (rng.uniform() - 0.5)
    return table[index] * wp.exp(k.param("log_std|sigma", 0.05, 0.5) * rng.normal())


def _direction(p: ProgramBuilder, k: KernelBuilder, e: Entities, rng: Rng) -> None:
    name = p.pick(
        "sample_unit_hemisphere",
        "sample_unit_hemisphere_surface",
        "sample_unit_ring",
        "sample_triangle",
        "sample_unit_cube",
    )
    value = k.let("d|dirn|offset", getattr(wp, name)(rng.state))
    if value.type == T.VEC2 and p.chance(0.5):
        value = k.let("d3|lifted|dir_3d", construct(T.VEC3, value.x, value.y, 0.0))
    e.out("directions|offsets|emitted", value.type).store(value)
