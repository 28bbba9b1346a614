"""Rest states, energies, seams and strain limits of cloth."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._cloth_elements import open_elements, open_triangles
from generator.synthesis.categories._extras import dimension, helper, report, tune
from generator.synthesis.categories._topology import corners
from generator.synthesis.idioms import inverted
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr, literal

_X = "positions|x|particle_q|pos|vertices"
_F = "forces|f|particle_f|force_out|net_force"


def strain_limit(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "limit_strain|strain_limiting|enforce_max_stretch|provot_limit|clamp_edges|inextensibility_pass",
        p.pick(
            "Clamp the stretch of every edge.",
            "Provot-style strain limiting.",
            "Pull overstretched edges back to their limit.",
        ),
    )
    e, pool = open_elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
    i, j = corners(e, "spring_indices|edges|edge_indices", ["i|a|v0", "j|b|v1"], pool.count)
    vec = p.vec(dimension(p, 2, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    w = (
        pool.field("inv_mass|w|particle_inv_mass", p.real, R.uniform(0.2, 2.0))
        if p.chance(0.7)
        else None
    )
    rest = e.property("rest_length|l0|rest", 0.2, 1.0)
    top = k.param("max_strain|stretch_limit|max_stretch", 0.02, 0.2)
    low = k.param("min_strain|compression_limit|max_compress", 0.02, 0.3) if p.chance(0.5) else None
    d = k.let("d|delta|xij", x[i] - x[j])
    length = k.let("l|length|dist", wp.length(d))
    upper = rest * (1.0 + top)
    if low is None:
        with k.when(length <= upper if p.chance(0.6) else length < upper):
            k.ret()
        excess = k.let("excess|c|err", length - upper)
    else:
        target = k.let("target|clamped|goal", wp.clamp(length, rest * (1.0 - low), upper))
        excess = k.let("excess|c|err", length - target)
        with k.when(wp.abs(excess) < 1.0e-7 if p.chance(0.5) else excess == literal(0.0, p.real)):
            k.ret()
    n = k.let("n|dir", d / length)
    if w is None:
        move = k.let("corr|shift|dp", n * (0.5 * excess))
        first, second = move, move
    else:
        total = k.let("w_sum|wsum", w[i] + w[j])
        if p.chance(0.4):
            with k.when(total <= 0.0):
                k.ret()
        move = k.let("corr|shift|dp", n * (excess / total))
        first, second = move * w[i], move * w[j]
    target_field = pool.out("deltas|corrections|delta_x|dx_out", vec)
    target_field.subtract(first, i)
    target_field.add(second, j)
    if p.chance(0.5):
        counts = pool.out("counts|num_corrections|delta_count", T.I32)
        counts.add(1, i)
        counts.add(1, j)
    if p.chance(0.2):
        worst = k.out("max_stretch_out|worst_strain|peak_strain", p.real, (e.worlds or 1,))
        k.do(wp.atomic_max(worst, e.world if e.world is not None else 0, length / rest - 1.0))


def rest_state(p: ProgramBuilder) -> None:
    goal = p.pick("length", "area", "pose", "mass")
    names = {
        "length": (
            "compute_rest_lengths|init_springs|init_rest_lengths",
            "Rest lengths from the initial shape.",
        ),
        "area": ("triangle_areas|compute_areas|init_triangles", "Rest areas of the triangles."),
        "pose": (
            "build_rest_poses|init_rest_state|precompute_membrane",
            "Inverse rest shapes of the triangles.",
        ),
        "mass": (
            "lumped_mass|distribute_mass|init_vertex_mass",
            "Lump the mass of triangles at their vertices.",
        ),
    }
    k = p.kernel_builder(*names[goal])
    vec = p.vec(dimension(p, 3))
    if goal == "length":
        e, pool = open_elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
        e.guard()
        i, j = corners(e, "edges|edge_indices|spring_indices", ["i|a|v0", "j|b|v1"], pool.count)
        x = pool.field("rest_positions|x|positions|x_rest", vec, R.uniform(-1.0, 1.0))
        length = k.var("l|length|rest", wp.length(x[i] - x[j]))
        if p.chance(0.5):
            k.aug(length, "*", k.param("rest_scale|shrink|pre_tension", 0.7, 1.2))
        tune(p, e, length, "length", 2.0)
        e.out("rest_lengths|l0|rest_length", p.real).store(length)
        if p.chance(0.3):
            valence = pool.out("valence|degree|edge_count", T.I32)
            valence.add(1, i)
            valence.add(1, j)
        report(p, e, length, "length", 1.5)
        return
    e, pool, ids = open_triangles(p, k, "triangles|faces|tri_indices|indices")
    x = pool.field("rest_positions|x|positions|x_rest", vec, R.uniform(-1.0, 1.0))
    a, b, c = ids
    p1, p2 = k.let("e1|ab|p10", x[b] - x[a]), k.let("e2|ac|p20", x[c] - x[a])
    normal = k.let("n|cross_n|normal", wp.cross(p1, p2))
    area = k.let("area|tri_area|a0", 0.5 * wp.length(normal))
    if goal == "pose":
        u = k.let("u|e_u|axis_u", wp.normalize(p1))
        v = k.let("v|e_v|axis_v", wp.normalize(wp.cross(normal, u)))
        dm = k.let(
            "dm|rest|d_m",
            construct(p.mat(2), wp.dot(u, p1), wp.dot(u, p2), wp.dot(v, p1), wp.dot(v, p2)),
        )
        det = wp.determinant(dm)
        with k.when(det > 1.0e-3 if p.chance(0.5) else wp.abs(det) > 1.0e-3):
            e.out("tri_poses|dm_inv|rest_inv", p.mat(2)).store(inverted(p, dm))
        if p.chance(0.6):
            e.out("areas|rest_areas|tri_areas", p.real).store(area)
        return
    density = e.property("density|areal_density|rho", 0.1, 0.5)
    if goal == "area":
        e.out("areas|rest_areas|tri_areas", p.real).store(area)
        if p.chance(0.5):
            e.out("normals|face_normals|tri_normals", vec).store(wp.normalize(normal))
        report(p, e, area, "area", 1.0, {0: 1, 1: 2, 2: 1})
        return
    m = k.let("m|third_mass|vertex_mass", density * area / 3.0)
    out = pool.out("masses|particle_mass|lumped|vertex_mass", p.real)
    for vertex in ids:
        out.add(m, vertex)
    report(p, e, m, "mass", 0.2)


def elastic_energy(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "spring_energy|elastic_energy|potential_energy|edge_strain|total_stretch_energy|measure_strain",
        p.pick(
            "Elastic energy stored in the springs.",
            "Strain of each edge and the energy of all.",
            "Potential energy of the sheet.",
        ),
    )
    e, pool = open_elements(p, k, p.pick("spring", "edge"), "tid|s|edge")
    e.guard()
    i, j = corners(e, "spring_indices|edges|edge_indices", ["i|a|v0", "j|b|v1"], pool.count)
    vec = p.vec(dimension(p, 2, 3, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    rest, ke = (
        e.property("rest_length|l0|rest", 0.3, 1.2),
        e.property("stiffness|ke|ks", 10.0, 500.0),
    )
    form = p.pick("hooke", "strain", "barrier")

    def body(b: Block, xa: Expr, xb: Expr, l0: Expr, stiff: Expr) -> Expr:
        stretch = b.let("stretch|dl|err", wp.length(xa - xb) - l0)
        if form == "hooke":
            return 0.5 * stiff * stretch * stretch
        strain = b.let("strain|eps", stretch / l0)
        if form == "strain":
            return 0.5 * stiff * l0 * strain * strain
        return stiff * wp.log(1.0 + strain * strain)

    args = {"xa|p0": x[i], "xb|p1": x[j], "l0|rest": rest, "ke|k_s": ke}
    energy = k.let(
        "energy|w|u_el",
        helper(
            p,
            k,
            "edge_energy|spring_potential|stretch_energy",
            args,
            body,
            p.pick("Energy of one spring.", ""),
        ),
    )
    total = k.out("total_energy|energy_sum|elastic_total", p.real, (e.worlds or 1,))
    k.do(wp.atomic_add(total, e.world if e.world is not None else 0, energy))
    if p.chance(0.5):
        e.out("edge_energies|energies|per_edge", p.real).store(energy)
    if p.chance(0.4):
        strain = k.let("s|strain_ij|rel_stretch", wp.length(x[i] - x[j]) / rest - 1.0)
        torn = k.param("tear_strain|tear_threshold|break_strain", 0.2, 2.0)
        with k.when(strain > torn):
            e.out("torn|broken|is_torn", T.I32).store(1)
    report(p, e, energy, "energy", 100.0, {0: 3, 1: 1})


def sewing(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "sewing_forces|seam_forces|attachment_forces|stitch_vertices|zero_length_springs|pin_to_targets",
        p.pick(
            "Zero-length springs along the seams.",
            "Attach vertices to moving targets.",
            "Close the seams of a garment.",
        ),
    )
    e, pool = open_elements(p, k, p.pick("stitch", "seam", "attachment"), "tid|s|a")
    vec = p.vec(dimension(p, 3))
    x = pool.field(_X, vec, R.uniform(-1.0, 1.0))
    out = pool.out(_F, vec)
    ke = e.property("stiffness|ke|seam_ke", 10.0, 500.0)
    if p.chance(0.5):
        vertex = k.let(
            "v|i|vertex",
            k.array("attached|vertex_ids|pinned_ids", T.I32, (e.n,), R.integers(0, pool.count))[
                e.index
            ],
        )
        target = e.field("targets|target_pos|handles", vec, R.uniform(-1.0, 1.0))
        f = k.var("f|force|pull", (target.own - x[vertex]) * ke)
        tune(p, e, f, "pull", 200.0, {0: 1, 1: 2, 2: 1})
        out.add(f, vertex)
        report(p, e, f, "pull", 100.0)
        return
    i, j = corners(e, "seams|stitches|seam_pairs", ["i|a|va", "j|b|vb"], pool.count)
    gap = k.let("gap|d|delta", x[j] - x[i])
    slack = k.param("slack|seam_width|rest_gap", 0.01, 0.2) if p.chance(0.5) else None
    f = k.var("f|force|pull", gap * ke)
    if slack is not None:
        dist = k.let("dist|len_gap", wp.length(gap))
        with k.when(dist < slack):
            k.ret()
        k.set(f, gap * (ke * (dist - slack) / dist))
    tune(p, e, f, "pull", 200.0)
    out.add(f, i)
    out.subtract(f, j)
    closed = p.chance(0.3)
    if closed:
        tolerance = k.param("weld_distance|close_tol|tolerance", 0.05, 0.5)
        e.out("closed|is_welded|merged", T.I32).store(
            choose(all_of(wp.length(gap) < tolerance), 1, 0)
        )
