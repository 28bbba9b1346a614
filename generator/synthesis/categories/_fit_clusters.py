"""Assignment and accumulation for mixture models, and consensus scoring of hypotheses."""

from generator.synthesis import recipes as R
from generator.synthesis import tree as N
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import cast, construct, wp
from generator.synthesis.categories._numerics import add_at, routine
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import piece
from generator.synthesis.logic import all_of, choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name


def clusters(p: ProgramBuilder) -> None:
    """Assignment to the nearest of a few centres, or responsibilities of a mixture."""
    p.weighted({_kmeans: 3, _mixture: 2.4, _centers: 1.3, _mean_shift: 1})(p)


def _distance(p: ProgramBuilder, b: Block, x: Expr, c: Expr) -> Expr:
    form = p.pick("squared", "squared", "manhattan", "cosine", "length")

    def body(inner: Block, u: Expr, v: Expr) -> Expr:
        if form == "cosine":
            return 1.0 - wp.dot(u, v) / wp.max(wp.length(u) * wp.length(v), 1.0e-9)
        if form == "length":
            return wp.length(u - v)
        d = inner.let("d|delta|diff", u - v)
        if form == "manhattan":
            total = wp.abs(d[0])
            for i in range(1, T.length_of(d.type)):
                total = total + wp.abs(d[i])
            return total
        return wp.dot(d, d) if p.chance(0.6) else wp.length_sq(d)

    return piece(p, b, f"{form}_distance|distance|dissimilarity", {"a|x|p": x, "b|c|q": c}, body)


def _kmeans(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "assign_clusters|kmeans_assign|nearest_centroid|label_points|kmeans_step|quantize_colors",
        p.pick(
            "Assign every point to its closest centre.",
            "Lloyd iteration: labels and sums.",
            "Nearest-centroid labelling.",
        ),
    )
    e = Entities(k, p.pick("point", "sample", "pixel", "feature"))
    t = p.vec(p.weighted({2: 2, 3: 3, 4: 1}))
    kk = p.pick(4, 5, 6, 8, 12)
    x = e.field("points|samples|features|x|colors", t, R.uniform(-1.0, 1.0))
    worlds = () if e.worlds is None else (e.worlds,)
    centers = k.array("centers|centroids|means|codebook", t, (*worlds, kk), R.uniform(-1.0, 1.0))
    e.guard()
    world = () if e.world is None else (e.world,)
    xi = x.read("x|xi|pt")
    best, arg = (
        k.var("best|best_dist|nearest_d", 1.0e10, p.real),
        k.var("label|arg|nearest", p.pick(0, -1)),
    )
    second = k.var("second|runner_up|next_best", 1.0e10, p.real) if p.chance(0.25) else None
    extent = (
        centers.dim(len(worlds))
        if p.chance(0.5)
        else k.count("num_clusters|k_centers|n_clusters", kk)
    )
    enabled = (
        k.array("center_active|alive|enabled", T.I32, (kk,), R.constant(1))
        if p.chance(0.2)
        else None
    )
    with k.loop("c|j|m", extent) as c:
        if enabled is not None:
            with k.when(enabled[c] == 0):
                k.cont()
        d = k.let("dist|d2|dc", _distance(p, k, xi, centers[(*world, c)]))
        with k.when(d < best):
            if second is not None:
                k.set(second, construct(p.real, best))
            k.set(best, d)
            k.set(arg, c)
        if second is not None:
            with k.elsewhen(d < second):
                k.set(second, d)
    labels = e.inout("labels|assignment|cluster_ids", T.I32, R.integers(0, kk))
    if p.chance(0.4):
        with k.when(labels.own != arg):
            add_at(
                k,
                k.out("num_changed|changes|moved", T.I32, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                1,
            )
            labels.store(arg)
    else:
        labels.store(arg)
    for extra in p.sample(["sums", "inertia", "margin", "outlier"], 0, 2):
        _kmeans_extra(p, k, e, extra, world, worlds, kk, xi, arg, best, second)


def _kmeans_extra(
    p: ProgramBuilder,
    k: KernelBuilder,
    e: Entities,
    what: str,
    world: tuple[Expr, ...],
    worlds: tuple[int, ...],
    kk: int,
    x: Expr,
    arg: Name,
    best: Name,
    second: Name | None,
) -> None:
    if what == "sums":
        with (
            k.when(arg >= 0)
            if p.chance(0.4)
            else k.when(best < k.param("max_dist|cutoff|reject_dist", 1.0, 4.0))
        ):
            w = (
                e.field("weights|w|confidence", p.real, R.uniform(0.2, 1.0)).own
                if p.chance(0.3)
                else None
            )
            add_at(
                k,
                k.out("sums|center_sums|totals", x.type, (*worlds, kk)),
                (*world, arg),
                x if w is None else x * w,
            )
            counts = k.out(
                "counts|cluster_sizes|members", T.I32 if w is None else p.real, (*worlds, kk)
            )
            add_at(k, counts, (*world, arg), 1 if w is None else w)
    elif what == "inertia":
        add_at(k, k.out("inertia|distortion|total_cost", p.real, (1,)), 0, best)
    elif what == "margin" and second is not None:
        e.out("margins|ambiguity|silhouette", p.real).store(
            (second - best) / wp.max(second, 1.0e-6)
        )
    else:
        limit = k.param("outlier_dist|threshold|max_radius", 0.2, 1.5)
        e.out("is_outlier|far|rejected", T.I32).store(choose(best > limit, 1, 0))


def _mixture(p: ProgramBuilder) -> None:
    """Responsibilities of a Gaussian mixture, by log-sum-exp or directly."""
    k = p.kernel_builder(
        "e_step|responsibilities|gmm_expectation|soft_assign|em_accumulate|mixture_posteriors",
        p.pick(
            "Expectation step of a Gaussian mixture.",
            "Posterior of every component and the weighted sums.",
            "Soft assignment of samples.",
        ),
    )
    e = Entities(k, p.pick("sample", "point", "frame", "pixel"))
    n, m = p.weighted({1: 1, 2: 2, 3: 2}), p.pick(3, 4, 5, 6)
    t: T.Type = p.real if n == 1 else p.vec(n)
    worlds, world = ((), ()) if e.worlds is None else ((e.worlds,), (e.world,))
    x = e.field("samples|points|x|data", t, R.uniform(-1.0, 1.0))
    means = k.array("means|mu|centers", t, (*worlds, m), R.uniform(-1.0, 1.0))
    full = n > 1 and p.chance(0.5)
    spread = (
        k.array("precisions|inv_cov|lambda_mats", p.mat(n), (*worlds, m), R.spd(0.5, 3.0))
        if full
        else k.array("variances|sigma_sq|var", p.real, (*worlds, m), R.uniform(0.2, 1.5))
    )
    priors = k.array("log_weights|log_pi|log_priors", p.real, (m,), R.uniform(-2.0, -0.5))
    resp = k.out("resp|gamma|posteriors|responsibilities", p.real, (*worlds, e.n, m))
    e.guard()
    xi = x.read("x|xi|s")

    def density(b: Block, v: Expr, mu: Expr, s: Expr, lw: Expr) -> Expr:
        d = b.let("d|delta|diff", v - mu)
        if full:
            return lw - 0.5 * wp.dot(d, s * d) + 0.5 * wp.log(wp.determinant(s))
        q = d * d if n == 1 else wp.dot(d, d)
        return lw - 0.5 * q / s - (0.5 * n) * wp.log(s)

    size = priors.dim(0) if p.chance(0.5) else k.count("num_components|n_mix|components", m)
    peak, total = k.var("peak|max_log|best", -1.0e10, p.real), k.var("total|norm|z", 0.0, p.real)

    def log_p(c: Expr) -> Expr:
        args = {
            "x|v": xi,
            "mu|mean": means[(*world, c)],
            "s|var|prec": spread[(*world, c)],
            "lw|log_w": priors[c],
        }
        return piece(
            p, k, "log_density|log_gaussian|component_log_prob", args, density, probability=1.0
        )

    own = (*world, e.index)
    with k.loop("c|j|comp", size) as c:
        value = k.let("lp|log_p|score", log_p(c))
        k.set(resp[(*own, c)], value)
        k.set(peak, wp.max(peak, value))
    with k.loop("c|j|comp", size) as c:
        k.aug(total, "+", wp.exp(resp[(*own, c)] - peak))
    k.step(p.pick("normalise", ""))
    sums = p.sample(["mass", "mean", "second"], 0, 3)
    with k.loop("c|j|comp", size) as c:
        g = k.let("g|gamma_c|post", wp.exp(resp[(*own, c)] - peak) / total)
        k.set(resp[(*own, c)], g)
        at = (*world, c)
        if p.chance(0.25):
            with k.when(g < k.param("min_resp|cutoff|negligible", 1.0e-4, 0.02)):
                k.cont()
        if "mass" in sums:
            add_at(k, k.out("mass|n_k|comp_weight", p.real, (*worlds, m)), at, g)
        if "mean" in sums:
            add_at(k, k.out("mean_sums|first_moment|x_sums", t, (*worlds, m)), at, xi * g)
        if "second" in sums:
            if n > 1 and p.chance(0.6):
                add_at(
                    k,
                    k.out("cov_sums|scatter|second_moment", p.mat(n), (*worlds, m)),
                    at,
                    wp.outer(xi, xi) * g,
                )
            else:
                add_at(
                    k,
                    k.out("sq_sums|var_sums|spread_sums", p.real, (*worlds, m)),
                    at,
                    g * (xi * xi if n == 1 else wp.dot(xi, xi)),
                )
    if p.chance(0.6):
        ll = k.out("log_likelihood|ll|evidence", p.real, (e.worlds or 1,))
        add_at(k, ll, e.world if e.world is not None else 0, peak + wp.log(total))


def _centers(p: ProgramBuilder) -> None:
    """Maximisation: new centres from sums, with empty clusters kept."""
    k = p.kernel_builder(
        "update_centers|m_step|recompute_centroids|finish_means|update_mixture",
        p.pick("", "New centres from the accumulated sums.", "Maximisation step."),
    )
    m = p.pick(6, 8, 12, 16, 24)
    t = p.vec(p.pick(2, 3, 4))
    batched = p.on("batched")
    w = p.pick(2, 3, 4)
    shape = (w, m) if batched else (m,)
    sums = k.array("sums|center_sums|weighted_x", t, shape, R.uniform(-8.0, 8.0))
    whole = p.chance(0.5)
    counts = k.array(
        "counts|members|n_k",
        T.I32 if whole else p.real,
        shape,
        R.integers(0, 9) if whole else R.uniform(-1.0, 9.0),
    )
    centers = k.array("centers|means|centroids", t, shape, R.uniform(-1.0, 1.0), "inout")
    k.launch_dim = shape
    if batched:
        at: tuple[Expr, ...] = tuple(
            k.unpack(
                ["world|batch|b", "c|j|cluster"],
                N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))),
            )
        )
    else:
        at = (k.let("c|cluster|tid", wp.tid()),)
    n = k.let("n|count|size", counts[at])
    with k.when(n == 0 if whole else n < k.param("min_mass|eps|tiny", 0.01, 0.5)):
        if p.chance(0.5):
            add_at(k, k.out("num_empty|empty_clusters|dead", T.I32, (1,)), 0, 1)
        k.ret()
    mean = k.let("mean|center|fresh", sums[at] / (cast(p.real, n) if whole else n))
    old = k.let("old|prev|last", centers[at])
    if p.chance(0.4):
        rate = k.param("rate|eta|momentum", 0.1, 0.9)
        k.set(centers[at], old + (mean - old) * rate)
    else:
        k.set(centers[at], mean)
    if p.chance(0.6):
        k.do(
            wp.atomic_max(
                k.out("max_shift|movement|largest_move", p.real, (1,)), 0, wp.length(mean - old)
            )
        )
    if p.chance(0.4):
        total = k.scalar("num_points|total_samples|n_total", T.I32, 256)
        share = (cast(p.real, n) if whole else n) / cast(p.real, total)
        k.set(k.out("mixing|priors|cluster_share", p.real, shape)[at], share)


def _mean_shift(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "mean_shift|shift_modes|seek_modes|mode_seeking|medoid_shift",
        p.pick(
            "Mean-shift iterations from every seed.",
            "Climb to the local mode of a kernel density.",
            "",
        ),
    )
    e = Entities(k, p.pick("seed", "mode", "start"), count=p.pick(24, 32, 48))
    t, n = p.vec(p.pick(2, 3)), p.pick(48, 64, 96)
    data = k.array("points|data|samples", t, (n,), R.uniform(-1.0, 1.0))
    x = e.inout("modes|seeds|x", t, R.uniform(-0.8, 0.8))
    e.guard()
    h = e.world_param("bandwidth|h|radius", 0.2, 0.8)
    xi = k.var("m|xi|mode", x.own)
    flat = p.chance(0.4)
    with k.loop("it|iteration|_", k.count("max_iters|iterations|num_iters", p.pick(3, 5, 8))):
        total, mass = k.var("total|num|acc", construct(t, 0.0)), k.var("mass|den|wsum", 0.0, p.real)
        with k.loop(
            "j|s|q", data.dim(0) if p.chance(0.6) else k.count("num_points|n_data", n)
        ) as j:
            d = k.let("d|delta|diff", data[j] - xi)
            q = k.let("q|dist_sq|r2", wp.dot(d, d) / (h * h))
            if flat:
                with k.when(q > 1.0):
                    k.cont()
                w: Expr = 1.0 - q
            else:
                w = wp.exp(-0.5 * q)
            w = k.let("w|weight|kern", w)
            k.aug(total, "+", data[j] * w)
            k.aug(mass, "+", w)
        with k.when(mass <= 1.0e-6):
            k.brk()
        moved = k.let("shift|step|moved", total / mass - xi)
        k.set(xi, xi + moved)
        if p.chance(0.5):
            with k.when(wp.length(moved) < k.param("tol|eps|min_shift", 0.001, 0.02)):
                k.brk()
    x.store(xi)


# --- consensus ------------------------------------------------------------------------------------


def ransac(p: ProgramBuilder) -> None:
    """Scores of hypotheses: inliers or truncated cost, per hypothesis or per pair; sometimes sampled here."""
    shape = p.pick("plane", "line2", "circle", "homography", "line3", "translation")
    k = p.kernel_builder(
        f"ransac_score|score_{shape}s|count_inliers|evaluate_hypotheses|consensus|msac_score",
        p.pick(
            "Consensus score of every hypothesis.",
            f"Score {shape} hypotheses against all points.",
            "Truncated cost and inlier count.",
        ),
    )
    hyps, n = p.pick(16, 24, 32, 48), p.pick(64, 96, 128)
    dims = 3 if shape in ("plane", "line3") else 2
    t = p.vec(dims)
    pts = k.array("points|pts|samples|observations", t, (n,), R.uniform(-1.0, 1.0))
    second = (
        k.array("matches|targets|points_b", t, (n,), R.uniform(-1.0, 1.0))
        if shape in ("homography", "translation")
        else None
    )
    pairs = p.chance(0.3)
    fresh = (
        shape in ("plane", "line2", "translation")
        and p.real == T.F32
        and not pairs
        and p.chance(0.4)
    )
    kind: T.Type = (
        p.vec({"plane": 4, "line2": 3, "circle": 3, "translation": 2}.get(shape, 3))
        if shape != "homography"
        else p.mat(3)
    )
    if pairs:
        k.launch_dim = (hyps, n)
        h, j = k.unpack(
            ["h|hyp|model_id", "j|pt|i"], N.Call("wp.tid", (), (), T.TupleType((T.I32, T.I32)))
        )
    else:
        k.launch_dim = (hyps,)
        h = k.let("h|hyp|tid", wp.tid())
    model, extra = _hypothesis(p, k, shape, kind, hyps, h, pts, second, fresh, n)
    limit = k.param("threshold|inlier_dist|eps|max_error", 0.05, 0.4)
    error = _error(p, shape, t)
    if pairs:
        d = k.let(
            "d|err|residual",
            error(p, k, pts[j], model, extra, None if second is None else second[j]),
        )
        with k.when(d < limit):
            add_at(k, k.out("inliers|num_inliers|votes", T.I32, (hyps,)), h, 1)
            if p.chance(0.5):
                k.set(k.out("inlier_mask|is_inlier|mask", p.pick(T.I32, T.U8), (hyps, n))[h, j], 1)
        if p.chance(0.5):
            add_at(
                k,
                k.out("scores|msac|truncated_cost", p.real, (hyps,)),
                h,
                wp.min(d * d, limit * limit),
            )
        return
    _score_loop(p, k, pts, second, model, extra, error, limit, hyps, h, n)


def _hypothesis(
    p: ProgramBuilder,
    k: KernelBuilder,
    shape: str,
    kind: T.Type,
    hyps: int,
    h: Expr,
    pts: Expr,
    second: Expr | None,
    fresh: bool,
    n: int,
) -> tuple[Expr, Expr | None]:
    if fresh:
        rng = k.let(
            "rng|state|rng_state",
            wp.rand_init(k.scalar("seed|rng_seed", T.I32, p.pick(3, 11, 42)), h),
        )
        if shape == "translation":
            assert second is not None
            i = k.let("im|pick|s1", wp.randi(rng, 0, n))
            return k.let("shift|model|t", second[i] - pts[i]), None
        a = k.let("a|p0|first", pts[k.let("ia|i0|s0", wp.randi(rng, 0, n))])
        b = k.let("b|p1|next_pt", pts[k.let("ib|i1|s1", wp.randi(rng, 0, n))])
        if shape == "line2":
            d = k.let("d|dir|ab", b - a)
            nrm = k.let("nrm|normal|perp", wp.normalize(construct(a.type, -d.y, d.x)))
            return k.let("line|model|abc", construct(kind, nrm.x, nrm.y, -wp.dot(nrm, a))), None
        c = k.let("c|p2|third", pts[k.let("ic|i2|s2", wp.randi(rng, 0, n))])
        nrm = k.let("nrm|normal|n_vec", wp.normalize(wp.cross(b - a, c - a)))
        with k.when(wp.length(nrm) < 0.5):
            k.ret()
        return k.let(
            "plane|model|coeffs", construct(kind, nrm.x, nrm.y, nrm.z, -wp.dot(nrm, a))
        ), None
    if shape == "line3":
        base = k.array("anchors|line_points|origins", kind, (hyps,), R.uniform(-0.5, 0.5))
        return k.let(
            "d|dir|axis", k.array("directions|axes|line_dirs", kind, (hyps,), R.unit_vectors())[h]
        ), k.let("o|anchor|origin", base[h])
    fill = (
        R.near_identity(0.2)
        if shape == "homography"
        else R.uniform(-0.5, 0.5)
        if shape == "translation"
        else R.uniform(0.2, 0.8)
    )
    return k.let(
        "m|model|hyp_h", k.array("models|hypotheses|candidates", kind, (hyps,), fill)[h]
    ), None


def _error(p: ProgramBuilder, shape: str, t: T.Vec):  # type: ignore[no-untyped-def]
    """A maker of the error expression of one point under a model."""

    def value(b: Block, x: Expr, m: Expr, *more: Expr) -> Expr:
        if shape == "plane":
            return wp.abs(m[0] * x.x + m[1] * x.y + m[2] * x.z + m[3])
        if shape == "line2":
            return wp.abs(m[0] * x.x + m[1] * x.y + m[2])
        if shape == "circle":
            c = b.let("c|center|mid", construct(x.type, m[0], m[1]))
            return wp.abs(wp.length(x - c) - m[2])
        if shape == "translation":
            return wp.length(more[0] - x - m)
        if shape == "line3":
            r = b.let("r|rel|op", x - more[0])
            return wp.length(r - m * wp.dot(r, m)) if p.chance(0.5) else wp.length(wp.cross(r, m))
        q = b.let("q|hx|warped", m * construct(T.Vec(3, t.scalar), x.x, x.y, 1.0))
        return wp.length(more[0] - construct(x.type, q.x / q.z, q.y / q.z))

    def make(
        p: ProgramBuilder, b: Block, x: Expr, m: Expr, extra: Expr | None, other: Expr | None
    ) -> Expr:
        args = (
            {"x|pt|q": x, "m|model|hyp": m}
            | ({"o|anchor": extra} if extra is not None else {})
            | ({"y|match|target": other} if other is not None else {})
        )
        return routine(
            p,
            b,
            f"{shape}_error|residual|point_error|transfer_error",
            args,
            lambda i, *a: i.ret(value(i, *a)),
            value,
        )

    return make


def _score_loop(
    p: ProgramBuilder,
    k: KernelBuilder,
    pts: Expr,
    second: Expr | None,
    model: Expr,
    extra: Expr | None,
    error,
    limit: Expr,
    hyps: int,
    h: Expr,
    n: int,  # type: ignore[no-untyped-def]
) -> None:
    count, score = k.var("count|inliers|votes", 0), k.var("score|cost|loss", 0.0, p.real)
    mean = k.var("mean_err|err_sum|drift", 0.0, p.real) if p.chance(0.3) else None
    bail = p.chance(0.4)
    budget = (
        k.scalar("best_so_far|required|min_inliers", T.I32, p.pick(8, 12, 20)) if bail else None
    )
    valid = k.array("valid|mask|usable", T.I32, (n,), R.mask(0.85)) if p.chance(0.3) else None
    extent = (
        k.let("n|total|num_pts", pts.dim(0))
        if bail or p.chance(0.4)
        else k.count("num_points|n_points", n)
    )
    with k.loop("j|i|s", extent) as j:
        if valid is not None:
            with k.when(valid[j] == 0):
                k.cont()
        d = k.let(
            "d|err|residual",
            error(p, k, pts[j], model, extra, None if second is None else second[j]),
        )
        with k.when(all_of(d < limit, wp.isfinite(d)) if p.chance(0.2) else d < limit):
            k.aug(count, "+", 1)
            if mean is not None:
                k.aug(mean, "+", d)
        k.aug(score, "+", wp.min(d * d, limit * limit) if p.chance(0.6) else wp.exp(-d / limit))
        if budget is not None:
            with k.when(count + (extent - j) < budget):
                k.brk()
    k.set(k.out("inliers|num_inliers|consensus_size", T.I32, (hyps,))[h], count)
    k.set(k.out("scores|costs|msac", p.real, (hyps,))[h], score)
    if mean is not None:
        with k.when(count > 0):
            k.set(
                k.out("mean_error|avg_residual|precision", p.real, (hyps,))[h],
                mean / cast(p.real, count),
            )
    match p.pick("none", "max", "key", "none"):
        case "max":
            k.do(wp.atomic_max(k.out("best_count|top|most_inliers", T.I32, (1,)), 0, count))
        case "key":
            with k.when(count > 0):
                k.do(
                    wp.atomic_max(
                        k.out("best_key|winner|packed_best", T.I32, (1,)), 0, count * 1024 + h
                    )
                )
        case _:
            pass
