"""Shape quality and distortion of triangles."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo import Triangles, accumulate, faces_of
from generator.synthesis.categories._rays import maybe
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def shape(p: ProgramBuilder) -> None:
    """Quality measures: edge lengths, angles, aspect ratios, circumcircles."""
    goals = {
        "angles": "triangle_angles|corner_angles|interior_angles",
        "quality": "triangle_quality|aspect_ratio|mesh_quality",
        "circle": "circumcircles|circumcenters|inscribed_circles",
        "edges": "edge_lengths|longest_edges|edge_statistics",
        "cotan": "cotangent_weights|cotan_laplacian|stiffness_weights",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal], p.pick("Shape of the triangles.", "One thread per triangle.", "", "")
    )
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    ids = t.ids(e.index)
    a, b, c = t.corners(ids)
    {"angles": _angles, "quality": _quality, "circle": _circle, "edges": _edges}.get(
        goal, _cotangents
    )(p, k, e, t, ids, a, b, c)


def _lengths(p: ProgramBuilder, k: KernelBuilder, a: Expr, b: Expr, c: Expr) -> list[Name]:
    words = p.pick(("la", "lb", "lc"), ("l0", "l1", "l2"), ("da", "db", "dc"))
    return [k.let(w, wp.length(v)) for w, v in zip(words, (c - b, a - c, b - a), strict=True)]


def _angle_function(p: ProgramBuilder):  # type: ignore[no-untyped-def]
    form = p.pick("acos", "atan2", "cosine")

    def body(b: Block, u: Expr, v: Expr) -> None:
        if form == "atan2":
            b.ret(wp.atan2(wp.length(wp.cross(u, v)), wp.dot(u, v)))
        elif form == "acos":
            b.ret(wp.acos(wp.clamp(wp.dot(wp.normalize(u), wp.normalize(v)), -1.0, 1.0)))
        else:
            cosine = b.let("c|cos_a", wp.dot(u, v) / (wp.length(u) * wp.length(v)))
            b.ret(wp.acos(wp.clamp(cosine, -1.0, 1.0)))

    return p.func("angle_between|vector_angle|corner_angle", {"u|a": p.vec(), "v|b": p.vec()}, body)


def _angles(p, k, e, t, ids, a, b, c) -> None:  # type: ignore[no-untyped-def]
    f = _angle_function(p)
    first, second = k.let("alpha|ang0", f(b - a, c - a)), k.let("beta|ang1", f(c - b, a - b))
    third = k.let("gamma|ang2", 3.14159265 - first - second if p.chance(0.5) else f(a - c, b - c))
    match p.pick("store", "vertex", "extreme", "both"):
        case "store":
            e.out("angles|corner_angles|angles_out", p.vec()).store(
                construct(p.vec(), first, second, third)
            )
        case "vertex":
            sums = k.out("angle_sums|vertex_angles", p.real, (t.count,))
            for i, v in zip(ids, (first, second, third), strict=True):
                accumulate(p, k, sums, i, v)
        case "extreme":
            e.out("min_angle|smallest", p.real).store(wp.min(wp.min(first, second), third))
            with k.when(
                wp.max(wp.max(first, second), third) > k.param("obtuse_limit|max_angle", 1.8, 2.6)
            ):
                k.do(wp.atomic_add(k.out("num_obtuse|bad_triangles", T.I32, (1,)), 0, 1))
        case _:
            e.out("angles|corner_angles", p.vec()).store(construct(p.vec(), first, second, third))
            defect = k.out("angle_defect|deficit", p.real, (t.count,))
            for i, v in zip(ids, (first, second, third), strict=True):
                k.do(wp.atomic_sub(defect, i, v))


def _quality(p, k, e, t, ids, a, b, c) -> None:  # type: ignore[no-untyped-def]
    la, lb, lc = _lengths(p, k, a, b, c)
    form = p.pick("radius", "area", "edge", "mean")
    if form == "edge":
        q = wp.max(wp.max(la, lb), lc) / wp.max(wp.min(wp.min(la, lb), lc), 1.0e-8)
    elif form == "radius":
        s = k.let("s|half_perimeter", 0.5 * (la + lb + lc))
        q = (s - la) * (s - lb) * (s - lc) * 8.0 / wp.max(la * lb * lc, 1.0e-12)
    else:
        area = k.let("area|A", 0.5 * wp.length(wp.cross(b - a, c - a)))
        q = (
            area * 6.92820323 / wp.max(la * la + lb * lb + lc * lc, 1.0e-12)
            if form == "area"
            else 4.0 * area / wp.max((la + lb + lc) * wp.max(wp.max(la, lb), lc), 1.0e-12)
        )
    q = k.let("q|quality|ratio", q)
    e.out("quality|shape_factor|aspect", p.real).store(q)
    if p.chance(0.5):
        k.do(wp.atomic_min(k.out("worst|min_quality", p.real, (1,), R.constant(1.0e6)), 0, q))
    if p.chance(0.4):
        with k.when(q < k.param("threshold|min_quality_allowed|cut", 0.1, 0.6)):
            e.out("bad_faces|needs_remesh|flags", T.I32).store(1)


def _circle(p, k, e, t, ids, a, b, c) -> None:  # type: ignore[no-untyped-def]
    if p.chance(0.4):
        la, lb, lc = _lengths(p, k, a, b, c)
        total = k.let("perimeter|total", wp.max(la + lb + lc, 1.0e-8))
        e.out("incenters|inner_centers", p.vec()).store((a * la + b * lb + c * lc) / total)
        if p.chance(0.6):
            e.out("inradius|inner_radius", p.real).store(wp.length(wp.cross(b - a, c - a)) / total)
        return
    u, v = k.let("u|ab|e1", b - a), k.let("v|ac|e2", c - a)
    n = k.let("n|cr|nrm", wp.cross(u, v))
    d = k.let("d|denom|twice", 2.0 * wp.max(wp.dot(n, n), 1.0e-8))
    off = k.let(
        "off|rel|to_center", (wp.cross(n, u) * wp.dot(v, v) + wp.cross(v, n) * wp.dot(u, u)) / d
    )
    e.out("circumcenters|centers", p.vec()).store(a + off)
    if p.chance(0.7):
        e.out("circumradius|radii", p.real).store(wp.length(off))


def _edges(p, k, e, t, ids, a, b, c) -> None:  # type: ignore[no-untyped-def]
    la, lb, lc = _lengths(p, k, a, b, c)
    match p.pick("longest", "sum", "store", "split"):
        case "longest":
            longest, which = k.var("longest|l_max", la), k.var("which|slot|edge_id", 0)
            with k.when(lb > longest):
                k.set(longest, lb)
                k.set(which, 1)
            with k.when(lc > longest):
                k.set(longest, lc)
                k.set(which, 2)
            e.out("longest_edge|edge_choice", T.I32).store(which)
            if p.chance(0.6):
                e.out("longest_length|max_edge", p.real).store(longest)
        case "sum":
            k.do(wp.atomic_add(k.out("total_length|edge_sum", p.real, (1,)), 0, la + lb + lc))
            k.do(
                wp.atomic_max(
                    k.out("max_length|longest", p.real, (1,)), 0, wp.max(wp.max(la, lb), lc)
                )
            )
        case "store":
            e.out("lengths|edge_lengths", p.vec()).store(construct(p.vec(), la, lb, lc))
        case _:
            limit = k.param("max_length|target_length|split_limit", 0.5, 1.5)
            code = k.var("code|mask|pattern", 0)
            for bit, length in enumerate((la, lb, lc)):
                with k.when(length > limit):
                    k.set(code, code | (1 << bit))
            e.out("split_codes|refine_pattern", T.I32).store(code)
            if p.chance(0.5):
                with k.when(code != 0):
                    k.do(wp.atomic_add(k.out("num_split|marked", T.I32, (1,)), 0, 1))


def _cotangents(p, k, e, t, ids, a, b, c) -> None:  # type: ignore[no-untyped-def]
    def body(blk: Block, u: Expr, v: Expr) -> None:
        s = wp.max(wp.length(wp.cross(u, v)), 1.0e-8)
        blk.ret(wp.dot(u, v) / s if p.chance(0.5) else wp.dot(u, v) / blk.let("s|sine", s))

    f = p.func("cotangent|cot|cot_weight", {"u|a": p.vec(), "v|b": p.vec()}, body)
    ca, cb, cc = (
        k.let("cot_a|wa", f(b - a, c - a)),
        k.let("cot_b|wb", f(c - b, a - b)),
        k.let("cot_c|wc", f(a - c, b - c)),
    )
    if p.chance(0.4):
        e.out("cotans|weights|half_cotans", p.vec()).store(construct(p.vec(), ca, cb, cc) * 0.5)
        return
    values = (
        k.array("u|scalar|function", p.real, (t.count,), R.uniform(-1.0, 1.0))
        if p.chance(0.6)
        else None
    )
    data = [values[i] for i in ids] if values is not None else [a, b, c]
    kind = p.real if values is not None else p.vec()
    if values is not None and p.chance(0.5):
        data = [k.let(h, d) for h, d in zip(("u0|ua", "u1|ub", "u2|uc"), data, strict=True)]
    out = k.out("laplacian|lap_sum|result", kind, (t.count,))
    for (i, j), w, (x, y) in (
        ((0, 1), cc, (data[0], data[1])),
        ((1, 2), ca, (data[1], data[2])),
        ((2, 0), cb, (data[2], data[0])),
    ):
        flux = k.let("flux|d|term", (y - x) * (0.5 * w))
        accumulate(p, k, out, ids[i], flux)
        accumulate(p, k, out, ids[j], -flux)
    if p.chance(0.5):
        mass = k.out("vertex_area|lumped_mass", p.real, (t.count,))
        third = k.let("third|share", wp.length(wp.cross(b - a, c - a)) / 6.0)
        for i in ids:
            accumulate(p, k, mass, i, third)


def distortion(p: ProgramBuilder) -> None:
    """Deformation gradients of triangles: strains, stretch, conformal and area distortion."""
    k = p.kernel_builder(
        "uv_distortion|triangle_strain|parametric_stretch|deformation_gradient|surface_strain|texture_stretch|arap_local",
        p.pick("Distortion of every triangle.", "Map between rest and current triangles.", "", ""),
    )
    e = faces_of(p, k)
    e.guard()
    t = Triangles(p, k, e.n)
    ids = t.ids(e.index)
    a, b, c = t.corners(ids)
    v2, m2 = p.vec(2), p.mat(2)
    if p.chance(0.5):
        inv = k.let(
            "inv|Dm_inv|B", e.field("rest_inv|dm_inverse|inv_rest", m2, R.near_identity(0.3)).own
        )
    else:
        uv = k.array("uvs|texcoords|param", v2, (t.count,), R.uniform(0.0, 1.0))
        q = [k.let(h, uv[i]) for h, i in zip(("u0|ta", "u1|tb", "u2|tc"), ids, strict=True)]
        d1, d2 = k.let("d1|du1", q[1] - q[0]), k.let("d2|du2", q[2] - q[0])
        det = k.let("det|area_uv", d1.x * d2.y - d2.x * d1.y)
        with k.when(wp.abs(det) < p.pick(1.0e-6, 1.0e-4)):
            k.ret()
        r = k.let("r|rcp", 1.0 / det)
        inv = k.let("inv|B", construct(m2, d2.y * r, -d2.x * r, -d1.y * r, d1.x * r))
    e1, e2 = k.let("e1|ab", b - a), k.let("e2|ac", c - a)
    fu = k.let("fu|su|ss", e1 * inv[0, 0] + e2 * inv[1, 0])
    fv = k.let("fv|sv|st", e1 * inv[0, 1] + e2 * inv[1, 1])
    uu, vv, uv_ = (
        k.let("uu|c00", wp.dot(fu, fu)),
        k.let("vv|c11", wp.dot(fv, fv)),
        k.let("uv_dot|c01", wp.dot(fu, fv)),
    )
    _measure(p, k, e, uu, vv, uv_)


def _measure(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, uu: Name, vv: Name, uv: Name
) -> None:
    match p.pick("strain", "singular", "energy", "conformal", "area"):
        case "strain":
            e.out("strain|green_strain|E", p.vec()).store(
                construct(p.vec(), 0.5 * (uu - 1.0), 0.5 * (vv - 1.0), uv)
            )
        case "singular" | "conformal" as which:
            mean, half = k.let("m|mean", 0.5 * (uu + vv)), k.let("h|half", 0.5 * (uu - vv))
            root = k.let("root|dev", wp.sqrt(half * half + uv * uv))
            s1, s2 = (
                k.let("s1|sigma1", wp.sqrt(mean + root)),
                k.let("s2|sigma2", wp.sqrt(wp.max(mean - root, 0.0))),
            )
            if which == "singular":
                e.out("stretch|singular_values", p.vec(2)).store(construct(p.vec(2), s1, s2))
            else:
                e.out("conformal_error|anisotropy", p.real).store(s1 / wp.max(s2, 1.0e-4))
            if p.chance(0.4):
                k.do(wp.atomic_max(k.out("max_stretch|worst", p.real, (1,)), 0, s1))
        case "area":
            e.out("area_ratio|dilation", p.real).store(wp.sqrt(wp.max(uu * vv - uv * uv, 0.0)))
        case _:
            mu, lam = k.param("mu|shear_modulus", 0.5, 10.0), k.param("lam|bulk|lame", 0.5, 10.0)
            ex, ey, exy = (
                k.let("ex|e00", 0.5 * (uu - 1.0)),
                k.let("ey|e11", 0.5 * (vv - 1.0)),
                k.let("exy|e01", 0.5 * uv),
            )
            tr = maybe(p, k, "tr|trace_e", ex + ey, 1.0)
            energy = k.let(
                "psi|energy|w", mu * (ex * ex + ey * ey + 2.0 * exy * exy) + 0.5 * lam * tr * tr
            )
            area = e.property("rest_area|area0|thickness", 0.1, 1.0)
            if p.chance(0.5):
                e.out("energies|face_energy", p.real).store(energy * area)
            k.do(
                wp.atomic_add(k.out("total_energy|elastic_energy", p.real, (1,)), 0, energy * area)
            )
