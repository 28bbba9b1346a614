"""Vertices of meshes: normals, smoothing, curvature over one-rings."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, accumulate, faces_of, ring
from generator.synthesis.categories._geo_faces import cross_of
from generator.synthesis.categories._rays import maybe, num
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def normals(p: ProgramBuilder) -> None:
    """Vertex normals: scattered from faces, or gathered and normalised."""
    goals = {
        "scatter": "accumulate_vertex_normals|scatter_normals|vertex_normals_from_faces",
        "gather": "gather_vertex_normals|average_face_normals|vertex_normals",
        "finish": "normalize_normals|finalize_normals|renormalize",
        "frames": "build_tangent_frames|vertex_frames|tangent_basis",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(goals[goal], p.pick("Vertex normals.", "", "Averages of face normals."))
    if goal == "scatter":
        _scatter(p, k)
    elif goal == "gather":
        _gather(p, k)
    elif goal == "finish":
        _finish(p, k)
    else:
        _frames(p, k)


def _scatter(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    ids = t.ids(e.index)
    a, b, c = t.corners(ids)
    n = cross_of(p, k, a, b, c)
    weight = p.pick("area", "uniform", "angle", "angle")
    if weight != "area":
        n = k.let("u|unit|nn", wp.normalize(n))
    sums = k.out("vertex_normals|normals|normal_sums", p.vec(), (t.count,))
    if weight != "angle":
        for i in ids:
            accumulate(p, k, sums, i, n)
        if p.chance(0.4):
            counts = k.out("valence|face_count|counts", T.I32, (t.count,))
            for i in ids:
                k.do(wp.atomic_add(counts, i, 1))
        return
    v = p.vec()
    f = p.func(
        "corner_angle|angle_at|vertex_angle",
        {"x|p": v, "u|q": v, "w|r": v},
        lambda blk, x, u, w: blk.ret(
            wp.acos(wp.clamp(wp.dot(wp.normalize(u - x), wp.normalize(w - x)), -1.0, 1.0))
        ),
    )
    for i, (x, u, w) in zip(ids, ((a, b, c), (b, c, a), (c, a, b)), strict=True):
        accumulate(p, k, sums, i, n * f(x, u, w))


def _gather(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "vertex", index="v|i|tid", layouts=p.chance(0.4))
    total, faces = e.n * 6, p.pick(100, 128, 160)
    start = k.array("offsets|face_offsets|row_ptr", T.I32, (e.n + 1,), R.offsets(total))
    incident = k.array(
        "incident_faces|vertex_faces|face_list", T.I32, (total,), R.integers(0, faces)
    )
    face_n = k.array("face_normals|tri_normals", p.vec(), (faces,), R.unit_vectors())
    area = (
        k.array("face_areas|tri_areas", p.real, (faces,), R.uniform(0.1, 1.0))
        if p.chance(0.5)
        else None
    )
    n = k.var("n|acc|total", construct(p.vec(), 0.0))
    crease = k.param("crease_cos|cos_limit|smoothing_cos", 0.1, 0.8) if p.chance(0.4) else None
    own = (
        k.let("n0|own|ref", e.field("reference_normals|old_normals", p.vec(), R.unit_vectors()).own)
        if crease is not None
        else None
    )
    with k.loop("s|k|m", start[e.index], start[e.index + 1]) as s:
        f = k.let("f|face", incident[s])
        if crease is not None and own is not None:
            with k.when(wp.dot(face_n[f], own) < crease):
                k.cont()
        k.aug(n, "+", face_n[f] if area is None else face_n[f] * area[f])
    out = e.out("vertex_normals|normals", p.vec())
    size = k.let("len_n|mag", wp.length(n))
    if p.chance(0.5):
        with k.when(size > 1.0e-8):
            out.store(n / size)
        with k.otherwise():
            out.store(construct(p.vec(), 0.0, 1.0, 0.0))
    else:
        out.store(choose(size > 1.0e-8, n / size, construct(p.vec(), 0.0, 0.0, 1.0)))


def _finish(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "vertex")
    e.guard()
    sums = e.inout("normals|normal_sums|accumulated", p.vec(), R.uniform(-2.0, 2.0))
    n = k.let("n|v|acc", sums.own)
    form = p.pick("plain", "guarded", "count", "blend", "flip")
    if form == "plain":
        sums.store(wp.normalize(n))
    elif form == "guarded":
        size = k.let("len_n|mag", wp.length(n))
        with k.when(size > k.param("min_length|eps|tolerance", 1.0e-8, 1.0e-5)):
            sums.store(n / size)
    elif form == "count":
        count = e.field("valence|counts", T.I32, R.integers(1, 8)).own
        e.out("mean_normals|averaged", p.vec()).store(n / construct(p.real, count))
        sums.store(construct(p.vec(), 0.0))
    elif form == "blend":
        old = e.field("previous|old_normals", p.vec(), R.unit_vectors()).own
        sums.store(
            wp.normalize(wp.lerp(old, wp.normalize(n), k.param("blend|alpha|rate", 0.1, 0.9)))
        )
    else:
        view = k.quantity("view_point|camera|origin", p.vec(), [0.0, 0.0, 4.0])
        x = e.field("points|positions", p.vec(), R.uniform(-1.0, 1.0)).own
        u = k.let("u|unit", wp.normalize(n))
        sums.store(
            choose(wp.dot(u, view - x) < 0.0, -u, u)
            if p.chance(0.5)
            else wp.where(wp.dot(u, view - x) >= 0.0, u, -u)
        )


def _frames(p: ProgramBuilder, k: KernelBuilder) -> None:
    e = Entities(k, "vertex")
    n = e.field("normals|vertex_normals", p.vec(), R.unit_vectors()).read("n|normal")
    v = p.vec()
    form = p.pick("axis", "duff", "given")
    if form == "given":
        d = e.field("directions|hints|flow_dirs", v, R.unit_vectors()).read("d|hint|dir_in")
        t = k.let("t|tangent", wp.normalize(d - n * wp.dot(n, d)))
    elif form == "axis":
        helper = wp.where(
            wp.abs(n.x) < p.pick(0.9, 0.7), construct(v, 1.0, 0.0, 0.0), construct(v, 0.0, 1.0, 0.0)
        )
        t = k.let("t|tangent", wp.normalize(wp.cross(n, maybe(p, k, "h|helper|ref", helper))))
    else:
        s = k.let("s|sgn", wp.where(n.z >= 0.0, num(p, 1.0), num(p, -1.0)))
        a = k.let("a|q", -1.0 / (s + n.z))
        t = k.let("t|tangent", construct(v, 1.0 + s * n.x * n.x * a, s * n.x * n.y * a, -s * n.x))
    b = k.let("b|bitangent", wp.cross(n, t))
    match p.pick("two", "matrix", "quat", "project"):
        case "two":
            e.out("tangents|t_out", v).store(t)
            e.out("bitangents|b_out", v).store(b)
        case "matrix":
            e.out("frames|bases", p.mat()).store(
                wp.matrix_from_cols(t, b, n) if p.chance(0.5) else wp.matrix_from_rows(t, b, n)
            )
        case "quat":
            e.out("orientations|frame_quats", p.quat).store(
                wp.quat_from_matrix(wp.matrix_from_cols(t, b, n))
            )
        case _:
            w = k.let(
                "w|vec_in", e.field("vectors|directions_in|field_vecs", v, R.uniform(-1.0, 1.0)).own
            )
            e.out("tangent_coords|local_vecs", p.vec(2)).store(
                construct(p.vec(2), wp.dot(w, t), wp.dot(w, b))
            )


# --- smoothing ------------------------------------------------------------------------------------


def smooth(p: ProgramBuilder) -> None:
    """Laplacian, Taubin, bilateral and constrained smoothing over one-rings; fields as well as positions."""
    k = p.kernel_builder(
        "laplacian_smooth|smooth_vertices|taubin_step|relax_mesh|fair_mesh|umbrella_step|diffuse_field|denoise_mesh",
        p.pick(
            "One smoothing step over the one-rings.",
            "Move vertices towards their neighbours.",
            "",
            "",
        ),
    )
    e = Entities(k, "vertex", index="v|i|tid", layouts=p.chance(0.35))
    scalar = p.chance(0.25)
    t = p.real if scalar else p.vec()
    x_in = k.array(
        "field_in|u|heat" if scalar else "points|positions|x_in", t, (e.n,), R.uniform(-1.0, 1.0)
    )
    out = e.out("field_out|u_new" if scalar else "points_out|x_out|smoothed", t)
    x = k.let("x|xi|here", x_in[e.index])
    _pinned(p, k, e, out, x)
    weight = p.weighted({"uniform": 4, "given": 2.5, "distance": 2, "bilateral": 1.5})
    total = (
        k.var("total|acc|avg", 0.0, p.real) if scalar else k.var("total|acc|avg", construct(t, 0.0))
    )
    norm = k.var("w_sum|norm|weight", 0.0, p.real)
    sigma = (
        k.param("sigma|radius|support", 0.2, 1.0) if weight in ("distance", "bilateral") else None
    )
    n_i = (
        k.let("ni|normal_i", e.field("normals|vertex_normals", p.vec(), R.unit_vectors()).own)
        if weight == "bilateral" and not scalar
        else None
    )
    edge_w: Expr | None = None
    relative = p.chance(0.4)
    with ring(p, k, e.n, e.index) as (j, slot):
        y = k.let("y|xj|nb_x", x_in[j])
        if weight == "given":
            if edge_w is None:
                edge_w = k.array(
                    "weights|cotans|edge_weights", p.real, (e.n * 6,), R.uniform(0.1, 1.0)
                )
            w: Expr = k.let("w|wij", edge_w[slot])
        elif sigma is not None:
            d = y - x
            if n_i is not None:
                h = k.let("h|height|offset", wp.dot(n_i, d))
                w = k.let("w|wij", wp.exp(-(wp.dot(d, d) + 4.0 * h * h) / (2.0 * sigma * sigma)))
            else:
                d2 = d * d if scalar else wp.dot(d, d)
                w = k.let(
                    "w|wij",
                    wp.exp(-d2 / (sigma * sigma))
                    if p.chance(0.6)
                    else 1.0 / (1.0 + d2 / (sigma * sigma)),
                )
        else:
            w = num(p, 1.0)
        move = (y - x) if relative else y
        k.aug(total, "+", move if weight == "uniform" else move * w)
        k.aug(norm, "+", w)
    if p.chance(0.6):
        with k.when(norm == 0.0 if weight == "uniform" else norm < 1.0e-8):
            out.store(x)
            k.ret()
        mean = total / norm
    else:
        mean = total / wp.max(norm, 1.0e-6 if weight != "uniform" else 1.0)
    step = k.let("delta|lap|move", mean if relative else mean - x)
    _apply(p, k, e, out, x, step, scalar)


def _pinned(p: ProgramBuilder, k: KernelBuilder, e: Entities, out, x: Name) -> None:  # type: ignore[no-untyped-def]
    form = p.weighted({"none": 5, "mask": 3})
    if form == "mask":
        fixed = e.field("fixed|is_boundary|pinned", p.pick(T.I32, T.BOOL), R.mask(0.2))
        with k.when(fixed.own if fixed.dtype == T.BOOL else fixed.own != 0):
            out.store(x)
            k.ret()
    else:
        e.guard((out, x))


def _apply(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, out, x: Name, step: Name, scalar: bool
) -> None:  # type: ignore[no-untyped-def]
    lam = k.param("lam|rate|step_size|alpha", 0.05, 0.9)
    forms = (
        ["plain", "taubin", "soft"]
        if scalar
        else ["plain", "plain", "taubin", "tangent", "limited", "soft"]
    )
    match p.pick(*forms):
        case "plain":
            out.store(x + step * lam)
        case "taubin":
            mu = k.param("mu|inflate|negative_step", 0.1, 0.95)
            odd = k.count("iteration|step_index|pass_id", p.pick(0, 1, 2, 3)) % 2 == 1
            factor = k.let(
                "factor|f|scale",
                choose(odd, -mu, lam) if p.chance(0.5) else wp.where(odd, -mu, lam),
            )
            out.store(x + step * factor)
        case "tangent":
            n = k.let("n|normal", e.field("normals|vertex_normals", p.vec(), R.unit_vectors()).own)
            out.store(x + (step - n * wp.dot(n, step)) * lam)
        case "limited":
            limit = k.param("max_move|limit|radius", 0.02, 0.3)
            size = k.let("size|len_d", wp.length(step))
            move = k.var("m|moved", step * lam)
            with k.when(size * lam > limit):
                k.set(move, step * (limit / size))
            out.store(x + move)
        case _:
            original = k.let(
                "x0|rest|anchor",
                e.field("original|rest_points|reference", x.type, R.uniform(-1.0, 1.0)).own,
            )
            pull = k.param("fidelity|attachment|anchor_weight", 0.02, 0.5)
            out.store(x + step * lam + (original - x) * pull)
    if p.chance(0.3):
        size = wp.abs(step) if scalar else wp.length(step)
        k.do(wp.atomic_max(k.out("max_move_out|residual|largest", p.real, (1,)), 0, size))


# --- curvature ------------------------------------------------------------------------------------
