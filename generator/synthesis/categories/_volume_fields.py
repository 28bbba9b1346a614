"""Points in volumes: samples and gradients, advection, collision, data kept per voxel."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import call, construct, wp
from generator.synthesis.categories._rays import maybe
from generator.synthesis.categories._volume import CLOSEST, HANDLE, LINEAR, Volume, volume_argument
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Call, Expr, literal

_POINTS = "points|positions|samples|query_points|x"


def _span(volume: Volume, share: float = 0.9) -> R.Fill:
    bound = round(volume.half * share, 3)
    return R.uniform(-bound, bound)


def _sampler(p: ProgramBuilder, volume: Volume) -> UserFunction:
    """A `@wp.func` that samples the volume at a world position."""

    def body(b: Block, id_: Expr, x: Expr) -> None:
        uvw = maybe(p, b, "uvw|q|idx", wp.volume_world_to_index(id_, x), 0.6)
        b.ret(volume.at(id_, uvw))

    name = (
        "velocity_at|sample_velocity|flow_at"
        if volume.value == T.VEC3
        else "sample_world|field_at|density_at|eval_volume"
    )
    return p.func(
        name,
        {"volume|vol|grid": HANDLE, "x|p|pos": T.VEC3},
        body,
        p.pick("Value at a world-space point.", ""),
    )


def sample(p: ProgramBuilder) -> None:
    """Values and gradients at points."""
    k = p.kernel_builder(
        "sample_volume|volume_at_points|probe_volume|lookup_points|interpolate_volume|read_field|sample_grid_points",
        p.pick(
            "Sample the volume at every point.", "Volume values at world-space positions.", "", ""
        ),
    )
    e = Entities(k, p.pick("point", "sample", "probe", "vertex"))
    value = p.weighted({T.F32: 4, T.VEC3: 3, T.I32: 2})
    volume = volume_argument(p, k, value)
    local = p.chance(0.2)
    spread = R.uniform(0.0, volume.n - 1.0) if local else _span(volume, 1.1)
    x = e.field("coords|uvws|index_points" if local else _POINTS, T.VEC3, spread).own
    hint = {
        T.F32: "values|densities|sampled",
        T.VEC3: "velocities|vectors|values",
        T.I32: "labels|material_ids|regions",
    }[value]
    out = e.out(hint, value)
    zero = construct(T.VEC3, 0.0) if value == T.VEC3 else literal(0, value)
    e.guard((out, zero))
    mode = CLOSEST if value != T.I32 and p.chance(0.2) else LINEAR
    if not local and p.on("helper_function"):
        _through_function(p, k, e, volume, x, out)
        return
    uvw = x if local else volume.to_index(x)
    goal = (
        p.pick("value", "gradient", "gradient", "tapped", "blend")
        if value != T.I32
        else p.pick("value", "tally")
    )
    if goal != "value" or p.chance(0.5):
        uvw = k.let("uvw|q|ijk|idx", uvw)
    match goal:
        case "value":
            v = volume.sample(uvw, mode)
            out.store(
                v * k.param("scale|gain|multiplier", 0.1, 10.0)
                if value == T.F32 and p.chance(0.3)
                else v
            )
        case "gradient":
            _with_gradient(p, k, e, volume, uvw, out)
        case "tapped":
            _tapped(p, k, volume, uvw, out)
        case "blend":
            previous = e.field("previous|history|values_in", value, R.uniform(-1.0, 1.0)).own
            t = k.param("blend|alpha|weight", 0.05, 0.9)
            v = volume.sample(uvw, mode)
            out.store(wp.lerp(previous, v, t) if p.chance(0.5) else previous * (1.0 - t) + v * t)
        case _:
            label = k.let("label|id|region", volume.sample(uvw))
            out.store(label)
            with k.when(label > 0):
                k.do(
                    wp.atomic_add(
                        k.out("histogram|label_counts|counts", T.I32, (16,)), wp.min(label, 15), 1
                    )
                )


def _through_function(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, volume: Volume, x: Expr, out
) -> None:  # type: ignore[no-untyped-def]
    f = _sampler(p, volume)
    v: Expr = f(volume.id, x)
    if volume.value == T.F32 and p.chance(0.5):
        v = k.let("v|value|rho", v)
        level = k.param("threshold|iso|level", 0.05, 0.5)
        with k.when(v > level):
            k.do(wp.atomic_add(k.out("above_count|num_dense|active", T.I32, (1,)), 0, 1))
    elif volume.value == T.VEC3 and p.chance(0.5):
        v = k.let("v|value|u", v)
        e.out("speeds|magnitudes", T.F32).store(wp.length(v))
    out.store(v)


def _with_gradient(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, volume: Volume, uvw: Expr, out
) -> None:  # type: ignore[no-untyped-def]
    v, grad = volume.with_gradient(k, uvw)
    v = k.let("v|value|val", v)
    out.store(v)
    if volume.value == T.VEC3:
        for what in p.sample(["div", "curl", "jac"], 1, 2):
            if what == "div":
                e.out("divergence|div", T.F32).store(wp.trace(grad))
            elif what == "curl":
                parts = [grad[2, 1] - grad[1, 2], grad[0, 2] - grad[2, 0], grad[1, 0] - grad[0, 1]]
                e.out("vorticity|curl", T.VEC3).store(construct(T.VEC3, *parts))
            else:
                e.out("jacobians|velocity_grad", T.MAT33).store(grad)
        return
    world = wp.volume_index_to_world_dir(volume.id, grad)
    match p.pick("index", "world", "unit", "length"):
        case "index":
            e.out("gradients|grad_out", T.VEC3).store(grad)
        case "world":
            e.out("gradients|world_grad", T.VEC3).store(world)
        case "unit":
            e.out("normals|n_out", T.VEC3).store(wp.normalize(world))
        case _:
            e.out("grad_mag|steepness|edge_strength", T.F32).store(wp.length(grad))


def _tapped(p: ProgramBuilder, k: KernelBuilder, volume: Volume, uvw: Expr, out) -> None:  # type: ignore[no-untyped-def]
    zero = construct(T.VEC3, 0.0) if volume.value == T.VEC3 else 0.0
    total = k.var("total|acc|blurred", zero)
    radius = k.param("radius|spread|tap_radius", 0.3, 1.5)
    if p.chance(0.5):
        taps = k.array(
            "tap_offsets|offsets|kernel_taps", T.VEC3, (p.pick(4, 6, 8),), R.unit_vectors()
        )
        with k.loop("s|tap|j", taps.dim(0)) as s:
            k.aug(total, "+", volume.sample(uvw + taps[s] * radius))
        out.store(total / construct(T.F32, taps.dim(0)))
        return
    with k.loop("axis|a|d", 3) as a:
        step = k.var("step|shift|off", construct(T.VEC3))
        k.set(step[a], radius)
        k.aug(total, "+", volume.sample(uvw + step) + volume.sample(uvw - step))
    out.store(total / 6.0)


def indexed(p: ProgramBuilder) -> None:
    """Fields that share a volume's topology through linear voxel indices."""
    gather = p.chance(0.8)
    names = (
        "sample_indexed|sample_shared_field|interpolate_voxel_data|gather_voxel_data"
        if gather
        else "voxel_indices|index_voxels|fill_voxel_data|map_voxels"
    )
    k = p.kernel_builder(
        names,
        p.pick(
            "Per-voxel data behind the volume's index.", "", "Field stored outside of the volume."
        ),
    )
    if not gather:
        _fill_indexed(p, k)
        return
    e = Entities(k, p.pick("point", "sample"))
    volume = volume_argument(p, k, small=True, hint="topology|grid|index_volume|volume")
    x = e.field(_POINTS, T.VEC3, _span(volume, 1.1)).own
    value = p.pick(T.F32, T.F32, T.VEC3)
    data = k.array(
        "voxel_data|field_values|per_voxel|data", value, (volume.count,), R.uniform(-1.0, 1.0)
    )
    q = k.let("q|uvw|ijk", volume.to_index(x))
    out = e.out("values|sampled|result", value)
    if p.chance(0.45):
        with k.when(
            wp.volume_voxel_count(volume.id) > (data.dim(0) if p.chance(0.6) else volume.count)
        ):
            k.ret()
    back = k.quantity(
        "background|outside_value|default_value", value, 0.0 if value == T.F32 else [0.0, 0.0, 0.0]
    )
    form = p.pick("sample", "sample", "gradient", "gradient", "nearest")
    if form == "nearest":
        i, j, m = (construct(T.I32, wp.round(q.field(a))) for a in ("x", "y", "z"))
        index = k.let("index|slot|voxel", wp.volume_lookup_index(volume.id, i, j, m))
        with k.when(index < 0):
            out.store(back)
            k.ret()
        out.store(data[index])
        if p.chance(0.5):
            e.out("voxel_ids|slots|owner", T.I32).store(index)
        return
    if form == "gradient":
        grad = k.var("grad|g|slope", construct(T.VEC3) if value == T.F32 else construct(T.MAT33))
        v = k.let(
            "v|value",
            call("volume_sample_grad_index", (volume.id, q, LINEAR, data, back, grad), {}, value),
        )
        out.store(v)
        if value == T.F32:
            e.out("gradients|grad_out", T.VEC3).store(
                grad if p.chance(0.5) else wp.volume_index_to_world_dir(volume.id, grad)
            )
        else:
            e.out("divergence|div_out", T.F32).store(wp.trace(grad))
        return
    v = call(
        "volume_sample_index",
        (volume.id, q, LINEAR if p.chance(0.8) else CLOSEST, data, back),
        {},
        value,
    )
    if p.chance(0.4):
        v = k.let("v|value", v)
        size = wp.abs(v) if value == T.F32 else wp.length(v)
        k.do(wp.atomic_max(k.out("peak|max_value|largest", T.F32, (1,)), 0, size))
    out.store(v)


def _fill_indexed(p: ProgramBuilder, k: KernelBuilder) -> None:
    volume = volume_argument(p, k, small=True, hint="topology|grid|index_volume|volume")
    k.launch_dim = (8, 8, 8)
    i, j, m = k.unpack(
        ["i|x|ix", "j|y|iy", "k|z|iz"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32, T.I32)))
    )
    index = k.let("index|slot|voxel", wp.volume_lookup_index(volume.id, i, j, m))
    with k.when(
        index < 0 if p.chance(0.6) else any_of(index < 0, index >= wp.volume_voxel_count(volume.id))
    ):
        k.ret()
    world = wp.volume_index_to_world(
        volume.id, construct(T.VEC3, *(construct(T.F32, c) for c in (i, j, m)))
    )
    data = k.out("voxel_data|field_values|per_voxel", T.F32, (volume.count,))
    form = p.pick("copy", "radius", "position", "linear", "scaled")
    if form == "position":
        k.set(k.out("voxel_centers|positions|voxel_pos", T.VEC3, (volume.count,))[index], world)
        return
    x = k.let("x|world|pos", world) if form in ("radius", "linear") else None
    if form == "copy":
        k.set(data[index], volume.lookup(i, j, m))
    elif form == "scaled":
        other = k.array("weights|mask_values|gain_map", T.F32, (volume.count,), R.uniform(0.0, 2.0))
        k.set(data[index], volume.lookup(i, j, m) * other[index])
    elif form == "radius" and x is not None:
        c = k.quantity("center|source|origin", T.VEC3, [0.1, 0.0, -0.1])
        r = k.let("r|dist", wp.length(x - c))
        k.set(
            data[index],
            wp.exp(-r / k.param("falloff|decay_length|sigma", 0.1, 1.0)) if p.chance(0.6) else r,
        )
    elif x is not None:
        g = k.quantity("gradient|slope|direction", T.VEC3, [0.5, 1.0, -0.3])
        k.set(data[index], wp.dot(g, x) + k.param("offset|base_value|bias", 0.1, 2.0))
