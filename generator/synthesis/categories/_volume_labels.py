"""Volumes of integer labels: growing, cleaning, classifying and counting segments."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._volume import Volume, volume_argument, volume_like
from generator.synthesis.categories._volume_voxels import _OFFSETS, _result, _voxel
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

_SOURCE = "labels|segmentation|label_volume|src_labels"
_TARGET = "labels_out|new_labels|dst_volume|label_target"


def labels(p: ProgramBuilder) -> None:
    """Segmentations kept in volumes: dilation, erosion, propagation, remapping, classification, labels at points."""
    p.weighted({_morphology: 4, _remap: 2, _classify: 2.5, _at_points: 3})(p)


def _volume(p: ProgramBuilder, k: KernelBuilder, hint: str) -> Volume:
    volume = volume_argument(p, k, T.I32, hint=hint, field=p.pick("blob", "gyroid", "sphere"))
    volume.generic = p.chance(0.15)
    return volume


def _neighbour(cell: list[Expr], o: tuple[int, int, int]) -> list[Expr]:
    return [c + s if s > 0 else c - 1 if s < 0 else c for c, s in zip(cell, o, strict=True)]


def _morphology(p: ProgramBuilder) -> None:
    goals = {
        "dilate": "dilate_labels|grow_regions|fill_unlabelled|expand_segments",
        "erode": "erode_labels|shrink_regions|peel_segments|trim_labels",
        "propagate": "propagate_labels|component_step|min_label_pass|connected_components_step",
        "clean": "remove_specks|majority_filter|smooth_labels|drop_isolated_voxels",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal],
        p.pick(
            "One pass over the voxels of a label volume.",
            "Reads one label volume, writes the other.",
            "Labels from those of the six neighbours.",
            "",
        ),
    )
    source = _volume(p, k, _SOURCE)
    target = volume_like(k, source, _TARGET)
    cell, thread = _voxel(p, k, source.n, lists=False)
    old = k.let("old|here|label", source.lookup(*cell))
    new = k.var("new|best|grown", old)
    {"dilate": _dilate, "erode": _erode, "propagate": _propagate, "clean": _clean}[goal](
        p, k, source, cell, old, new
    )
    k.do(target.store(*cell, new))
    # The volume is no array argument, so what it received is also counted or kept in one.
    if p.chance(0.35):
        with k.when(new != old):
            k.do(wp.atomic_add(k.out("changed|num_changed|updates", T.I32, (1,)), 0, 1))
    _result(p, k, source.n, cell, thread, "dense_labels|label_copy|result", T.I32, new)


def _dilate(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], old: Expr, new: Name) -> None:  # fmt: skip
    with k.when(old <= 0 if p.chance(0.6) else old == 0):
        for o in p.shuffled(_OFFSETS):
            k.set(new, wp.max(new, v.lookup(*_neighbour(cell, o))))


def _erode(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], old: Expr, new: Name) -> None:  # fmt: skip
    same = [v.lookup(*_neighbour(cell, o)) != old for o in p.shuffled(_OFFSETS)]
    if p.chance(0.5):
        with k.when(any_of(*same)):
            k.set(new, 0)
        return
    exposed = k.var("exposed|open_faces|foreign", 0)
    for different in same:
        with k.when(different):
            k.aug(exposed, "+", 1)
    with k.when(exposed >= k.count("min_exposed|peel_limit|threshold", p.pick(1, 2, 3))):
        k.set(new, 0)


def _propagate(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], old: Expr, new: Name) -> None:  # fmt: skip
    with k.when(old > 0):
        for o in p.shuffled(_OFFSETS):
            other = k.let("other|nbr|l", v.lookup(*_neighbour(cell, o)))
            with k.when(all_of(other > 0, other < new) if p.chance(0.7) else other > new):
                k.set(new, other)


def _clean(p: ProgramBuilder, k: KernelBuilder, v: Volume, cell: list[Expr], old: Expr, new: Name) -> None:  # fmt: skip
    support = k.var("support|agree|matches", 0)
    reach = p.pick(1, 1, 2)
    with (
        k.loop("a|dx|di", -reach, reach + 1) as a,
        k.loop("b|dy|dj", -reach, reach + 1) as b,
        k.loop("c|dz|dk", -reach, reach + 1) as c,
        k.when(v.lookup(cell[0] + a, cell[1] + b, cell[2] + c) == old),
    ):
        k.aug(support, "+", 1)
    with k.when(support <= k.count("min_support|min_agree|votes", p.pick(2, 3, 5))):
        k.set(new, k.count("background|filler|void_label", 0))


def _remap(p: ProgramBuilder) -> None:
    """Labels replaced through a table; each voxel is only read and written by its own thread."""
    k = p.kernel_builder(
        "remap_labels|merge_segments|relabel_volume|apply_label_table|compact_labels",
        p.pick("Replace labels through a table.", "Merge segments of a label volume.", ""),
    )
    volume = _volume(p, k, _SOURCE)
    cell, thread = _voxel(p, k, volume.n, lists=False)
    size = p.pick(8, 12, 16)
    table = k.array("table|remap|parent|new_ids", T.I32, (size,), R.integers(0, size))
    old = k.let("old|label|l", volume.lookup(*cell))
    with k.when(old <= 0 if p.chance(0.6) else any_of(old < 0, old >= size)):
        k.ret()
    slot = k.let("slot|root|r", wp.min(old, table.dim(0) - 1 if p.chance(0.5) else size - 1))
    new = k.var("new|mapped|target", table[slot])
    if p.chance(0.4):
        with k.loop("s|hop|it", k.count("max_hops|depth|path_length", p.pick(2, 4))):
            k.set(new, table[new])
    k.do(volume.store(*cell, new))
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("sizes|segment_sizes|counts", T.I32, (size,)), new, 1))
    _result(p, k, volume.n, cell, thread, "dense_labels|label_copy|mirror", T.I32, new + 1)


def _classify(p: ProgramBuilder) -> None:
    """Labels from the values of a scalar volume."""
    k = p.kernel_builder(
        "classify_voxels|threshold_to_labels|segment_volume|label_tissue|quantize_volume",
        p.pick(
            "Label voxels by the value of a scalar volume.",
            "Segment a scan by thresholds.",
            "",
        ),
    )
    target = _volume(p, k, _TARGET)
    scan = volume_like(k, target, "scan|density|intensity|ct_volume", T.F32)
    cell, thread = _voxel(p, k, target.n, lists=False)
    v = k.let("v|value|hu", scan.lookup(*cell))
    label = k.var("label|tissue|cls", 0)
    match p.pick("thresholds", "table", "quantise"):
        case "thresholds":
            with k.when(v > k.param("bone_level|high|upper_threshold", 0.5, 1.2)):
                k.set(label, 2)
            with k.elsewhen(v > k.param("tissue_level|low|lower_threshold", 0.05, 0.4)):
                k.set(label, 1)
        case "table":
            cuts = k.array("cuts|levels|thresholds", T.F32, (p.pick(3, 4, 6),), R.ascending(-0.5, 1.0))  # fmt: skip
            with k.loop("c|i|level", cuts.dim(0)) as c, k.when(v > cuts[c]):
                k.set(label, c + 1)
        case _:
            step = k.param("bin_width|quantum|step", 0.05, 0.4)
            k.set(label, wp.clamp(construct(T.I32, v / step), 0, p.pick(7, 15)))
    if p.chance(0.4):
        old = k.let("old|before|previous", target.lookup(*cell))
        k.set(label, wp.max(label, old) if p.chance(0.5) else choose(label > 0, label, old))
    k.do(target.store(*cell, label))
    _result(p, k, target.n, cell, thread, "labels_dense|mask_out|classes", T.I32, label)


def _at_points(p: ProgramBuilder) -> None:
    """Materials, regions and crossings looked up at positions."""
    k = p.kernel_builder(
        "material_at_points|region_lookup|label_points|tag_particles|segment_of_point|material_step",
        p.pick(
            "Label of the voxel at each position.",
            "Materials of the particles from a label volume.",
            "",
        ),
    )
    e = Entities(k, p.pick("particle", "point", "photon"))
    volume = _volume(p, k, "materials|labels|regions|segmentation")
    bound = round(volume.half, 3)
    x = e.field("positions|points|x", T.VEC3, R.uniform(-bound, bound)).read("x|pos|pt")
    e.guard()
    q = k.let("q|uvw|ijk", volume.to_index(x))
    if p.chance(0.5):
        label: Expr = volume.sample(q)
    else:
        cell = [construct(T.I32, wp.round(q.field(a))) for a in "xyz"]
        label = volume.lookup(*cell)
    label = k.let("label|mat|region", label)
    e.out("labels_at|material_ids|regions_out", T.I32).store(label)
    for what in p.shuffled(p.sample(["table", "tally", "moved", "inside"], 1, 3)):
        _point_result(p, k, e, volume, x, q, label, what)


def _point_result(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, volume: Volume, x: Expr, q: Expr, label: Expr,
    what: str,
) -> None:  # fmt: skip
    size = 10
    slot = wp.clamp(label, 0, size - 1)
    match what:
        case "table":
            table = k.array("density_table|stiffness_table|absorption", T.F32, (size,), R.uniform(0.1, 2.0))  # fmt: skip
            e.out("density|stiffness|coefficient", T.F32).store(table[slot])
        case "tally":
            k.do(wp.atomic_add(k.out("histogram|label_counts|tally", T.I32, (size,)), slot, 1))
        case "moved":
            v = e.field("velocities|steps|displacement", T.VEC3, R.uniform(-0.5, 0.5)).own
            ahead = k.let("ahead|next_q|q1", q + wp.volume_world_to_index_dir(volume.id, v))
            crossed = volume.sample(ahead) != label
            e.out("crossed|at_interface|leaves", T.I32).store(
                wp.where(crossed, 1, 0) if p.chance(0.6) else choose(crossed, 1, 0)
            )
        case _:
            wanted = k.count("wanted|solid_label|target_label", p.pick(1, 2, 3))
            with k.when(label == wanted):
                k.do(wp.atomic_add(k.out("center_sum|weighted_pos", T.VEC3, (1,)), 0, x))
