"""Selection by a block: top-k, farthest points, matching. An intent of tile_collectives."""

from typing import Any

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import tile, wp
from generator.synthesis.categories._tco_blocks import Team, total
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr


def selection(p: ProgramBuilder) -> None:
    """Selection by a block: k largest, farthest-point samples, suppression, nearest codewords, matching."""
    p.real = T.F32
    kind = p.weighted(
        {"top_k": 3, "farthest": 3, "suppress": 2.2, "nearest": 3, "match": 2, "greedy": 2}
    )
    names = {
        "top_k": "top_k_scores|select_top_k|k_best|strongest_responses",
        "farthest": "farthest_point_sampling|spread_samples|pick_landmarks",
        "suppress": "non_max_suppression|thin_peaks|suppress_neighbors",
        "nearest": "assign_codewords|nearest_centroid|classify_rows",
        "match": "mutual_match|best_pairs|match_descriptors",
        "greedy": "greedy_pivots|pivoted_rows|greedy_cover",
    }[kind]
    team = Team(
        p,
        names,
        (
            "One problem per block, candidates in shared memory.",
            "Repeated block-wide arg-reductions.",
            "The block picks one winner per round.",
            "Greedy selection inside a block.",
        ),
        index="b|query|cloud|image|problem",
        lane=False,
        count=p.pick(3, 4, 6),
    )
    {
        "top_k": _top_k,
        "farthest": _farthest,
        "suppress": _suppress,
        "nearest": _nearest,
        "match": _match,
        "greedy": _greedy,
    }[kind](p, team)


def _rounds(p: ProgramBuilder, team: Team, number: int) -> Any:
    return number if p.chance(0.4) else team.k.count("num_picks|k|rounds|max_picks", number)


def _top_k(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n, picks = t.dim("num_candidates|n|row_len", p.pick(16, 32, 48)), p.pick(3, 4, 5)
    smallest = p.chance(0.5)
    s = k.var(
        "s|scores_t|work",
        t.load(
            k.array(
                "scores|distances|responses", T.F32, (team.count, n.value), R.uniform(0.0, 1.0)
            )[team.i],
            [n],
            None,
            True,
        ),
    )
    ids, vals = (
        k.out("top_ids|winners|indices", T.I32, (team.count, picks)),
        k.out("top_scores|best_values|values_out", T.F32, (team.count, picks))
        if p.chance(0.65)
        else None,
    )
    floor = k.param("min_score|threshold|cutoff", 0.3, 0.6) if p.chance(0.4) else None
    reach = k.count("radius|min_gap|suppress_width", p.pick(1, 2, 3)) if p.chance(0.3) else None
    with k.loop("r|rank|pick_id", _rounds(p, team, picks)) as r:
        best = k.let(
            "best|winner|idx", t.index_of("tile_argmin" if smallest else "tile_argmax", s)[0]
        )
        value = k.let("value|top|score", s[best]) if vals is not None or floor is not None else None
        if floor is not None and value is not None:
            with k.when(value > floor if smallest else value < floor):
                k.brk()
        k.set(ids[team.i, r], best)
        if vals is not None and value is not None:
            k.set(vals[team.i, r], value)
        spent = 1.0e6 if smallest else -1.0e6
        if reach is not None:
            with k.loop("j|nbr", wp.max(best - reach, 0), wp.min(best + reach + 1, n.expr)) as j:
                k.set(s[j], spent)
        else:
            k.set(s[best], spent)
    k.options["enable_backward"] = False


def _farthest(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n, picks, width = (
        t.dim("num_points|n|cloud_size", p.pick(24, 32, 48)),
        p.pick(4, 5, 6),
        p.pick(2, 3, 3),
    )
    v = T.Vec(width)
    x = k.let(
        "x|pts|cloud",
        t.load(
            k.array("points|clouds|positions", v, (team.count, n.value), R.uniform(-1.0, 1.0))[
                team.i
            ],
            [n],
            None,
            True,
        ),
    )
    out = k.out("sample_ids|landmarks|picked", T.I32, (team.count, picks))
    dist = k.var("dist|nearest|d2", t.full([n], 1.0e6, T.F32))
    form = p.pick("squared", "length", "manhattan")

    def body(b: Any, a: Expr, c: Expr) -> None:
        d = b.let("d|diff|r", a - c)
        b.ret(
            wp.dot(d, d)
            if form == "squared"
            else wp.length(d)
            if form == "length"
            else wp.norm_l1(d)
        )

    metric = p.func(f"{form}_distance|gap|separation", {"a|x": v, "b|c": v}, body)
    current = k.var(
        "cur|last|seed_id",
        k.array("seeds|start_ids|first_pick", T.I32, (team.count,), R.integers(0, n.value))[team.i]
        if p.chance(0.5)
        else 0,
        T.I32,
    )
    with k.loop("r|pick_id|round_id", _rounds(p, team, picks)) as r:
        k.set(out[team.i, r], current)
        centre = k.let("c|centre|anchor", x[current])
        d_new = t.map(metric, x, t.full([n], centre, v))
        k.set(
            dist, t.map("min", dist, k.let("d_new|to_anchor|dn", d_new) if p.chance(0.5) else d_new)
        )
        k.set(current, t.index_of("tile_argmax", dist)[0])
    if p.chance(0.5):
        k.set(
            k.out("cover_radius|spread|fill_distance", T.F32, (team.count,))[team.i],
            t.total("tile_max", dist)[0],
        )
    k.options["enable_backward"] = False


def _suppress(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    n, picks = t.dim("num_boxes|n|num_dets", p.pick(16, 24, 32)), p.pick(4, 6, 8)
    box = T.VEC4 if p.chance(0.6) else T.VEC3
    b = k.let(
        "boxes_t|det|cand",
        t.load(
            k.array("boxes|detections|blobs", box, (team.count, n.value), R.uniform(0.2, 0.9))[
                team.i
            ],
            [n],
            None,
            True,
        ),
    )
    s = k.var(
        "s|score_t|conf",
        t.load(
            k.array(
                "scores|confidence|strength", T.F32, (team.count, n.value), R.uniform(0.0, 1.0)
            )[team.i],
            [n],
            None,
            True,
        ),
    )
    limit = p.pick(0.2, 0.3, 0.5)

    def overlap(q: Any, u: Expr, v: Expr) -> Expr:
        if box == T.VEC3:
            d = q.let("d2|dist_sq", (u.x - v.x) * (u.x - v.x) + (u.y - v.y) * (u.y - v.y))
            return wp.exp(-d / (0.5 * (u.z * u.z + v.z * v.z)))
        w = q.let(
            "w|ox|iw",
            wp.max(
                wp.min(u.x + 0.5 * u.z, v.x + 0.5 * v.z) - wp.max(u.x - 0.5 * u.z, v.x - 0.5 * v.z),
                0.0,
            ),
        )
        h = q.let(
            "h|oy|ih",
            wp.max(
                wp.min(u.y + 0.5 * u.w, v.y + 0.5 * v.w) - wp.max(u.y - 0.5 * u.w, v.y - 0.5 * v.w),
                0.0,
            ),
        )
        inter = q.let("inter|common", w * h)
        return inter / (u.z * u.w + v.z * v.w - inter)

    soft = p.chance(0.35)

    def damp(q: Any, u: Expr, v: Expr, score: Expr) -> None:
        o = q.let("o|iou|overlap_uv", overlap(q, u, v))
        if soft:
            q.ret(score * wp.exp(-o * o / limit))
        else:
            with q.when(o > limit):
                q.ret(-1.0)
            q.ret(score)

    f = p.func(
        "decay_score|suppress|keep_or_drop", {"u|a": box, "v|b": box, "s|score": T.F32}, damp
    )
    out = k.out("kept_ids|kept|survivors", T.I32, (team.count, picks), R.constant(-1))
    kept = k.var("kept_n|num_kept|found", 0, T.I32)
    low = k.param("min_score|score_floor|min_conf", 0.05, 0.3)
    with k.loop("r|round_id|pick_id", _rounds(p, team, picks)) as r:
        best = k.let("best|winner|top", t.index_of("tile_argmax", s)[0])
        with k.when(s[best] < low):
            k.brk()
        k.set(out[team.i, r], best)
        k.set(s, t.map(f, b, t.full([n], b[best], box), s))
        if soft:
            k.set(s[best], -1.0)
        k.aug(kept, "+", 1)
    k.set(k.out("num_out|kept_counts|counts", T.I32, (team.count,))[team.i], kept)
    k.options["enable_backward"] = False


def _nearest(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    codes, d = (
        t.dim("num_codes|num_classes|clusters", p.pick(8, 12, 16)),
        t.dim("dim|width|features", p.pick(2, 4, 8)),
    )
    m = p.pick(4, 6, 8)
    book = k.let(
        "book|centroids_t|protos",
        t.load(
            k.array(
                "centroids|codebook|prototypes", T.F32, (codes.value, d.value), R.uniform(-1.0, 1.0)
            ),
            [codes, d],
            None,
            True,
        ),
    )
    rows = k.array("X|samples|queries", T.F32, (team.count, m, d.value), R.uniform(-1.0, 1.0))
    labels = k.out("labels|assignments|codes", T.I32, (team.count, m))
    sums = (
        k.out("centroid_sums|accumulated|new_centroids", T.F32, (codes.value, d.value))
        if p.chance(0.5)
        else None
    )
    counts = k.out("cluster_sizes|members|hits", T.I32, (codes.value,)) if p.chance(0.5) else None
    cosine = p.chance(0.35)
    err = k.var("err|inertia|cost", 0.0, T.F32) if not cosine and p.chance(0.5) else None
    with k.loop("r|row|s", rows.dim(1) if p.chance(0.5) else m) as r:
        x = k.let("x|sample|q", t.load(rows[team.i, r], [d]))
        wide = t.broadcast(x, [codes, d])
        if cosine:
            score = k.let("sim|scores|proj", t.total("tile_sum", book * wide, 1))
        else:
            diff = k.let("diff|delta|e", book - wide)
            score = k.let("dist|d2|err_t", t.total("tile_sum", diff * diff, 1))
        best = k.let(
            "best|label|code", t.index_of("tile_argmax" if cosine else "tile_argmin", score)[0]
        )
        k.set(labels[team.i, r], best)
        if err is not None:
            k.aug(err, "+", score[best])
        if sums is not None:
            t.atomic(sums[best], x)
        if counts is not None:
            t.atomic(counts, t.full([t.literal(1)], 1, T.I32), [best])
    if err is not None:
        k.set(k.out("inertias|distortion|sse", T.F32, (team.count,))[team.i], err)
    k.options["enable_backward"] = False


def _match(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, d = (
        t.dim("num_features|num_desc|m", p.pick(6, 8, 12)),
        t.dim("desc_dim|width|dim", p.pick(4, 8)),
    )
    n = t.dim("num_targets|num_train|n", p.pick(8, 10, 12))
    a = k.let(
        "a|query_d|left",
        t.load(
            k.array(
                "queries|desc_a|left_desc",
                T.F32,
                (team.count, m.value, d.value),
                R.uniform(-1.0, 1.0),
            )[team.i],
            [m, d],
        ),
    )
    b = k.let(
        "b|train_d|right",
        t.load(
            k.array(
                "targets|desc_b|right_desc",
                T.F32,
                (team.count, n.value, d.value),
                R.uniform(-1.0, 1.0),
            )[team.i],
            [n, d],
        ),
    )
    s = k.let(
        "s|sim|scores_t", tile("tile_matmul", T.Tile(T.F32, (m.value, n.value)), a, t.transpose(b))
    )
    out = k.out("matches|pairs|partner", T.I32, (team.count, m.value), R.constant(-1))
    mutual, floor = (
        p.chance(0.6),
        k.param("min_similarity|threshold|min_score", 0.1, 0.6) if p.chance(0.5) else None,
    )
    columns = k.let("back_t|s_t|reverse", t.transpose(s)) if mutual else None
    found = k.var("found|num_pairs|good", 0, T.I32) if p.chance(0.6) else None
    with k.loop("r|q|row", m.expr) as r:
        line = k.let("line|row_s|cand", s[r])
        best = k.let("best|j|target", t.index_of("tile_argmax", line)[0])
        if floor is not None:
            with k.when(line[best] < floor):
                k.cont()
        if columns is not None:
            back = k.let("back|other|reply", t.index_of("tile_argmax", columns[best])[0])
            with k.when(back != r):
                k.cont()
        k.set(out[team.i, r], best)
        if found is not None:
            k.aug(found, "+", 1)
    if found is not None:
        k.set(k.out("num_matches|match_counts|agreed", T.I32, (team.count,))[team.i], found)
    k.options["enable_backward"] = False


def _greedy(p: ProgramBuilder, team: Team) -> None:
    k, t = team.k, team.t
    m, n = t.dim("num_rows|m|rows", p.pick(6, 8, 12)), t.dim("num_cols|n|cols", p.pick(4, 6, 8))
    r_t = k.var(
        "res|work|r_tile",
        t.load(
            k.array(
                "A|residuals|snapshots", T.F32, (team.count, m.value, n.value), R.uniform(-1.0, 1.0)
            )[team.i],
            [m, n],
            None,
            True,
        ),
    )
    picks = p.pick(2, 3, 4)
    out = k.out("pivots|pivot_rows|chosen", T.I32, (team.count, picks))
    energy = (
        k.out("pivot_norms|gains|captured", T.F32, (team.count, picks)) if p.chance(0.6) else None
    )
    with k.loop("s|step|pick_id", _rounds(p, team, picks)) as s:
        norms = k.let("norms|row_sq|size_t", t.total("tile_sum", r_t * r_t, 1))
        best = k.let("best|pivot|row", t.index_of("tile_argmax", norms)[0])
        top = k.let("top|norm_sq|gain", norms[best])
        with k.when(top < 1.0e-6):
            k.brk()
        k.set(out[team.i, s], best)
        if energy is not None:
            k.set(energy[team.i, s], wp.sqrt(top) if p.chance(0.5) else top)
        q = k.let("q|dir|lead", r_t[best] * (1.0 / wp.sqrt(top)))
        wide = k.let("wide|q_rows|qb", t.broadcast(q, [m, n]))
        c = k.let("c|proj|coef", t.total("tile_sum", r_t * wide, 1))
        k.set(r_t, r_t - wide * t.column(c, m, n))
    if p.chance(0.5):
        k.set(
            k.out("left_over|residual_sq|remaining", T.F32, (team.count,))[team.i],
            total(t, r_t * r_t),
        )
    k.options["enable_backward"] = False
