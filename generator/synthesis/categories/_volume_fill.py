"""Voxels written from functions, arrays and other volumes, and reduced over."""

from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._volume import Volume, volume_argument
from generator.synthesis.categories._volume_voxels import _result, _voxel, _world
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def fill(p: ProgramBuilder) -> None:
    """Voxels written from a function, an array, or another volume."""
    goals = {
        "function": "fill_volume|generate_density|write_field|stamp_volume",
        "array": "copy_to_volume|upload_grid|array_to_volume",
        "combine": "combine_volumes|blend_volumes|merge_volumes",
        "modify": "threshold_volume|remap_volume|clamp_volume|decay_volume",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Write the voxels of the volume.", "", "One thread per voxel.")
    )
    value = (
        p.weighted({T.F32: 6, T.VEC3: 1.5, T.I32: 1}) if goal in ("function", "array") else T.F32
    )
    volume = volume_argument(p, k, value, hint="volume|dst|target_volume|grid_out")
    n = volume.n
    cell, thread = _voxel(p, k, n, lists=False)
    v = {"function": _analytic, "array": _from_array, "combine": _combined, "modify": _modified}[
        goal
    ](p, k, volume, cell, thread)
    v = k.let("v|value|new_value", v)
    if p.chance(0.3) and value == T.F32:
        floor = k.param("cutoff|min_density|sparsity", 0.01, 0.2)
        with k.when(wp.abs(v) < floor):
            k.ret()
    k.do(volume.store(*cell, v))
    # The volume is no array argument, so what it received is also kept in one.
    if value == T.F32 and p.chance(0.4):
        k.do(wp.atomic_add(k.out("total|mass|checksum", T.F32, (1,)), 0, v))
    else:
        hint = {
            T.F32: "written|dense_copy|mirror",
            T.VEC3: "vectors_out|dense_copy",
            T.I32: "labels_out|dense_copy",
        }[value]
        _result(p, k, n, cell, thread, hint, value, v)


def _analytic(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr], thread: Expr | None
) -> Expr:
    x = _world(p, k, volume, cell)
    center = k.quantity("center|origin|source", T.VEC3, [0.1, -0.1, 0.0])
    if volume.value == T.VEC3:
        r = k.let("r|rel", x - center)
        axis = k.quantity("axis|omega|spin", T.VEC3, [0.0, 1.0, 0.0])
        swirl = wp.cross(axis, r)
        return (
            swirl
            if p.chance(0.5)
            else swirl * wp.exp(-wp.dot(r, r) / k.param("core_sq|radius_sq", 0.1, 1.0))
        )
    if volume.value == T.I32:
        r = k.let("r|dist", wp.length(x - center))
        return construct(T.I32, r / k.param("shell|ring_width|layer", 0.1, 0.4))
    scale = k.param("scale|frequency|wave", 1.0, 6.0)

    def blob(b: Block, y: Expr, c: Expr, s: Expr) -> Expr:
        d = b.let("d|r|rel", y - c)
        return wp.exp(-wp.dot(d, d) * s)

    match p.pick("blob", "sphere", "noise", "wave", "mix"):
        case "blob":
            return piece(
                p,
                k,
                "gaussian|blob|falloff",
                {"x|p": x, "c|center": center, "s|sharp": scale},
                blob,
            )
        case "sphere":
            return wp.length(x - center) - k.param("radius|r0", 0.2, 0.6)
        case "noise":
            state = wp.rand_init(k.scalar("seed|noise_seed", T.I32, 12))
            return wp.noise(k.let("state|rng", state), x * scale) * wp.exp(-wp.length(x - center))
        case "wave":
            return wp.sin(x.x * scale) * wp.cos(x.y * scale) + 0.5 * wp.sin(x.z * scale)
    old = volume.lookup(*cell)
    return wp.max(old, wp.exp(-wp.length(x - center) * scale))


def _from_array(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr], thread: Expr | None
) -> Expr:
    n = volume.n
    fill_ = R.integers(0, 9) if volume.value == T.I32 else R.uniform(-1.0, 1.0)
    source = k.array(
        "dense|source|values|array_in",
        volume.value,
        (n * n * n,) if thread is not None else (n, n, n),
        fill_,
    )
    v = source[thread] if thread is not None else source[tuple(cell)]
    if volume.value == T.I32:
        return v
    return v * k.param("scale|gain|units", 0.1, 10.0) if p.chance(0.5) else v


def _combined(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr], thread: Expr | None
) -> Expr:
    other = volume_argument(p, k, T.F32, hint="other|source_volume|volume_b")
    a = k.let("a|old", volume.lookup(*cell))
    if p.chance(0.5):
        b = other.lookup(*cell)
    else:
        x = _world(p, k, volume, cell)
        shift = k.quantity("offset|translation|shift", T.VEC3, [0.1, 0.0, 0.05])
        b = other.sample(wp.volume_world_to_index(other.id, x - shift))
    b = k.let("b|new", b)
    t = k.param("blend|alpha|weight", 0.1, 0.9)
    return p.pick(wp.min(a, b), wp.max(a, b), wp.max(a, -b), a + b * t, wp.lerp(a, b, t))


def _modified(
    p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr], thread: Expr | None
) -> Expr:
    v = k.let("old|v0|current", volume.lookup(*cell))
    match p.pick("threshold", "decay", "remap", "clamp"):
        case "threshold":
            cut = k.param("threshold|iso|cutoff", 0.05, 0.6)
            return wp.where(v > cut, v, v * k.param("damp|attenuation", 0.01, 0.5))
        case "decay":
            return v * wp.exp(
                -k.param("rate|dissipation|decay", 0.05, 2.0) * k.param("dt|timestep", 0.01, 0.1)
            )
        case "remap":
            lo, hi = k.param("in_low|v_min", 0.01, 0.1), k.param("in_high|v_max", 0.5, 1.5)
            return wp.smoothstep(lo, hi, v) if p.chance(0.5) else (v - lo) / (hi - lo)
    bound = k.param("limit|bound|v_clip", 0.1, 0.8)
    return wp.clamp(v, -bound, bound)


_STATISTICS = {
    "moments": "volume_moments|voxel_statistics|accumulate_voxels|density_moments",
    "histogram": "voxel_histogram|histogram_volume|value_distribution",
    "labels": "count_labels|label_volumes|segment_sizes|region_counts",
    "centroid": "center_of_mass|volume_centroid|mass_center",
    "bounds": "active_bounds|tight_bounds|bounding_box_voxels|extent_of_values",
    "flow": "kinetic_energy|mean_flow|velocity_statistics|momentum_sum",
}


@dataclass(slots=True)
class _Sink:
    """Where the threads of a reduction add up: one number, or one per slab of voxels."""

    k: KernelBuilder
    index: Expr | int
    size: int

    def add(self, hint: str, t: T.Type, value: Expr) -> None:
        """Atomic addition into a fresh output."""
        self.k.do(wp.atomic_add(self.k.out(hint, t, (self.size,)), self.index, value))

    def extreme(self, hint: str, t: T.Type, value: Expr, largest: bool) -> None:
        """Atomic maximum or minimum into a fresh output."""
        out = self.k.out(hint, t, (self.size,), R.constant(-1.0e6 if largest else 1.0e6))
        self.k.do((wp.atomic_max if largest else wp.atomic_min)(out, self.index, value))


def count(p: ProgramBuilder) -> None:
    """Sums, extremes, histograms and label counts over voxels."""
    goal = p.pick(*_STATISTICS)
    k = p.kernel_builder(
        _STATISTICS[goal], p.pick("Reduction over the voxels.", "", "Statistics of the volume.")
    )
    value = {"labels": T.I32, "flow": T.VEC3}.get(goal, T.F32)
    volume = volume_argument(p, k, value)
    cell, _ = _voxel(p, k, volume.n)
    v = k.let({T.VEC3: "u|vel|v"}.get(value, "v|value|rho"), volume.lookup(*cell))
    if goal == "labels":
        _labels(p, k, volume, cell, v)
        return
    sink = _Sink(k, 0, 1) if p.chance(0.7) else _Sink(k, cell[p.pick(0, 1, 2)], volume.n)
    if p.chance(0.55):
        level = k.param("threshold|cutoff|iso", 0.02, 0.3)
        size = wp.length(v) if value == T.VEC3 else v if p.chance(0.7) else wp.abs(v)
        with k.when(size <= level if p.chance(0.5) else size < level):
            k.ret()
    reduce = {
        "histogram": _histogram,
        "moments": _moments,
        "centroid": _centroid,
        "bounds": _bounds,
        "flow": _flow,
    }
    reduce[goal](p, k, sink, volume, cell, v)


def _histogram(
    p: ProgramBuilder, k: KernelBuilder, sink: _Sink, volume: Volume, cell: list[Expr], v: Name
) -> None:
    bins = p.pick(8, 16, 32)
    lo, hi = (
        k.param("value_min|lo|range_min", 0.01, 0.1),
        k.param("value_max|hi|range_max", 0.8, 2.0),
    )
    share = (v - lo) / (hi - lo)
    if p.chance(0.3):
        share = wp.log(1.0 + wp.max(share, 0.0))
    scaled = k.let("scaled|slot_f", share * float(bins))
    if p.chance(0.4):
        with k.when(any_of(scaled < 0.0, scaled >= float(bins))):
            k.ret()
        b = k.let("b|bin_id|slot", construct(T.I32, scaled))
    else:
        b = k.let("b|bin_id|slot", wp.clamp(construct(T.I32, scaled), 0, bins - 1))
    k.do(wp.atomic_add(k.out("histogram|bins|counts", T.I32, (bins,)), b, 1))
    if p.chance(0.35):
        sink.add("total|sum_v|mass", T.F32, v)


def _moments(
    p: ProgramBuilder, k: KernelBuilder, sink: _Sink, volume: Volume, cell: list[Expr], v: Name
) -> None:
    if p.chance(0.3):
        v = k.let("d|centered|dev", v - k.param("mean|reference|mu", 0.1, 0.8))
    for what in p.shuffled(p.sample(["sum", "square", "cube", "max", "min", "count"], 2, 4)):
        match what:
            case "sum":
                sink.add("sum_v|total", T.F32, v)
            case "square":
                sink.add("sum_sq|energy", T.F32, v * v)
            case "cube":
                sink.add("sum_cube|third", T.F32, v * v * v)
            case "count":
                sink.add("num_voxels|count|samples", T.I32, literal(1, T.I32))
            case _:
                sink.extreme(f"{what}_value|{what}imum", T.F32, v, what == "max")


def _centroid(
    p: ProgramBuilder, k: KernelBuilder, sink: _Sink, volume: Volume, cell: list[Expr], v: Name
) -> None:
    x = _world(p, k, volume, cell)
    w = k.let("w|mass|dm", wp.max(v, 0.0) * k.param("cell_volume|dv|voxel_mass", 0.001, 0.1))
    if p.chance(0.3):
        x = k.let("r|rel|arm", x - k.quantity("reference|origin|pivot", T.VEC3, [0.1, 0.0, -0.1]))
    sink.add("mass|total_mass", T.F32, w)
    sink.add("moment|weighted_pos", T.VEC3, x * w)
    if p.chance(0.35):
        sink.add("second_moment|inertia_sum", T.MAT33, wp.outer(x, x) * w)


def _bounds(
    p: ProgramBuilder, k: KernelBuilder, sink: _Sink, volume: Volume, cell: list[Expr], v: Name
) -> None:
    if p.chance(0.3):
        point: Expr = k.let("c|ijk", construct(T.VEC3, *(construct(T.F32, c) for c in cell)))
    else:
        point = _world(p, k, volume, cell)
    pad = k.param("padding|margin|halo", 0.01, 0.2) if p.chance(0.4) else None
    sink.extreme(
        "lower|bounds_min", T.VEC3, point if pad is None else point - construct(T.VEC3, pad), False
    )
    sink.extreme(
        "upper|bounds_max", T.VEC3, point if pad is None else point + construct(T.VEC3, pad), True
    )
    if p.chance(0.6):
        sink.add("num_active|voxels_above|active_count", T.I32, literal(1, T.I32))
    if p.chance(0.3):
        sink.extreme("peak|max_value", T.F32, v, True)


def _flow(
    p: ProgramBuilder, k: KernelBuilder, sink: _Sink, volume: Volume, cell: list[Expr], v: Name
) -> None:
    for what in p.shuffled(p.sample(["momentum", "energy", "speed", "angular", "stress"], 1, 3)):
        match what:
            case "momentum":
                sink.add("momentum|velocity_sum", T.VEC3, v)
            case "energy":
                sink.add(
                    "kinetic_energy|energy",
                    T.F32,
                    0.5 * wp.dot(v, v) * k.param("density|rho|cell_mass", 0.1, 2.0),
                )
            case "speed":
                sink.extreme("max_speed|cfl_speed", T.F32, wp.length(v), True)
            case "angular":
                sink.add(
                    "angular_momentum|circulation", T.VEC3, wp.cross(_world(p, k, volume, cell), v)
                )
            case _:
                sink.add("reynolds_stress|uu_sum", T.MAT33, wp.outer(v, v))


def _labels(p: ProgramBuilder, k: KernelBuilder, volume: Volume, cell: list[Expr], v: Name) -> None:
    bins = p.pick(8, 16)
    if p.chance(0.5):
        with k.when(v < 0 if p.chance(0.5) else v <= 0):
            k.ret()
        slot = wp.min(v, bins - 1)
    else:
        slot = wp.clamp(v + bins // 2, 0, bins - 1)
    slot = k.let("slot|label|region", slot)
    k.do(wp.atomic_add(k.out("label_counts|sizes|voxels_per_label", T.I32, (bins,)), slot, 1))
    if p.chance(0.5):
        x = _world(p, k, volume, cell)
        k.do(wp.atomic_add(k.out("label_centroids|position_sums", T.VEC3, (bins,)), slot, x))
    if p.chance(0.4):
        same = volume.lookup(cell[0] + 1, cell[1], cell[2])
        with k.when(all_of(same != v, same > 0) if p.chance(0.5) else same != v):
            k.do(
                wp.atomic_add(
                    k.out("contact_area|boundary_faces|interfaces", T.I32, (bins,)), slot, 1
                )
            )
