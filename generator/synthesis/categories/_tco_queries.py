"""Tree queries by whole blocks: an intent of tile_collectives."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, tile, wp
from generator.synthesis.categories._tco_blocks import Team
from generator.synthesis.logic import all_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

STACK = T.Opaque("tile_stack")


def tree_queries(p: ProgramBuilder) -> None:
    """Tree queries by whole blocks: contacts against a mesh, density and overlap counts, rays through boxes."""
    p.real = T.F32
    fewest, most = p.pick((1, 1), (1, 2), (1, 3), (2, 3))
    stages = p.shuffled(p.sample(["mesh", "box", "ray"], fewest, most))
    names = {
        "mesh": "closest_face_block|mesh_contact_block|surface_normal_sum|faces_near_point",
        "ray": "first_box_along_ray|ray_box_block|boxes_on_ray|ray_thickness",
        "box": "overlap_density|nearest_box_block|neighbour_forces|pool_overlaps",
    }[stages[0]]
    if len(stages) > 1:
        names = "sense_surroundings|probe_scene|query_scene_block|scene_clearance|visibility_and_overlap"
    team = Team(
        p,
        names,
        (
            "The whole block traverses one query.",
            "Lanes take turns at the hits of one traversal.",
            "Cooperative traversal; each lane tests its own hit.",
            "One query per block of threads.",
        ),
        index="q|query|ray_id|probe",
        count=p.pick(6, 8, 12),
        lane=False,
        guarded=False,
    )
    x = _probe(p, team)
    old = p.chance(0.5)  # the names of before Warp 1.18
    trees: dict[str, Expr] = {}
    for stage in stages:
        if len(stages) > 1:
            team.k.step(
                {
                    "mesh": "faces around the probe",
                    "box": "boxes around the probe",
                    "ray": "boxes ahead",
                }[stage]
            )
        _Query(p, team, stage, x, old, trees).run()
    team.k.options["enable_backward"] = False


def _probe(p: ProgramBuilder, team: Team) -> Expr:
    """Where the block's query is made: a given point, a moved one, or one in a body's frame."""
    k, n = team.k, team.count
    fill = R.uniform(-1.2, 1.2)
    match p.weighted({"plain": 3, "moved": 2, "body": 1.5, "scaled": 1}):
        case "moved":
            start = k.array("probes|origins|positions", T.VEC3, (n,), fill)[team.i]
            speed = k.array("velocities|drift|motion", T.VEC3, (n,), R.uniform(-0.5, 0.5))[team.i]
            return k.let("x|origin|c", start + speed * k.param("dt|lookahead|horizon", 0.05, 0.5))
        case "body":
            pose = k.array("poses|body_q|frames", T.TRANSFORM, (n,), R.rigid(-0.8, 0.8))[team.i]
            offset = k.array("offsets|local_points|mounts", T.VEC3, (n,), R.uniform(-0.4, 0.4))
            return k.let("x|origin|c", wp.transform_point(pose, offset[team.i]))
        case "scaled":
            raw = k.array("probes|origins|positions", T.VEC3, (n,), fill)[team.i]
            centre = k.quantity("center|scene_origin|pivot", T.VEC3, [0.1, -0.2, 0.05])
            return k.let("x|origin|c", raw - centre)
    return k.let("x|origin|c", k.array("probes|origins|positions", T.VEC3, (n,), fill)[team.i])


class _Query:
    """One traversal and what the lanes gather on it."""

    def __init__(
        self, p: ProgramBuilder, team: Team, stage: str, x: Expr, old: bool, trees: dict[str, Expr]
    ) -> None:
        self.p, self.team, self.k, self.x = p, team, team.k, x
        self.mesh, self.ray = stage == "mesh", stage == "ray"
        self.kind = "mesh" if self.mesh else "bvh"
        self.boxes = 64
        if self.kind not in trees:
            recipe = (
                R.mesh(p.pick("sphere", "torus", "box"), 8, 1.0)
                if self.mesh
                else R.bvh(self.boxes, -2.0, 2.0, 0.5)
            )
            trees[self.kind] = self.k.arg(
                f"{self.kind}|{self.kind}_id|{self.kind}_handle", T.Handle(self.kind), recipe, 0
            )
        self.handle, self.trees = trees[self.kind], trees
        self.old = old
        self.quantity = p.pick("count", "nearest", "sum", "pooled", "marked")
        self.heading: Expr | None = None

    def _start(self) -> Expr:
        p, k, x, old = self.p, self.k, self.x, self.old
        if self.ray:
            self.heading = k.let(
                "dir|heading|d0",
                k.array(
                    "directions|ray_dirs|headings", T.VEC3, (self.team.count,), R.unit_vectors()
                )[self.team.i],
            )
            return tile(
                "bvh_query_ray_tiled" if old else "tile_bvh_query_ray",
                T.Opaque("tile_query"),
                self.handle,
                x,
                self.heading,
            )
        reach = k.param("reach|radius|margin", 0.3, 0.9)
        pad = construct(T.VEC3, reach)
        low, high = x - pad, x + pad
        if p.chance(0.5):
            low, high = k.let("lower|lo|box_lo", low), k.let("upper|hi|box_hi", high)
        name = f"{self.kind}_query_aabb_tiled" if old else f"tile_{self.kind}_query_aabb"
        return tile(name, T.Opaque("tile_query"), self.handle, low, high)

    def run(self) -> None:
        p, k, team = self.p, self.k, self.team
        query = k.let("query|walk|traversal", self._start())
        middle = "aabb_" if self.mesh else ""
        step = (
            f"{self.kind}_query_{middle}next_tiled"
            if self.old
            else f"tile_{self.kind}_query_{middle}next"
        )
        what = self.quantity
        self.best = (
            k.var("best|closest|near_d", 1.0e6, T.F32) if what in ("nearest", "pooled") else None
        )
        self.acc = k.var("acc|push|field", construct(T.VEC3)) if what in ("sum", "pooled") else None
        self.hits = k.var("hits|num|found", 0, T.I32) if what == "count" or p.chance(0.4) else None
        size = 1024 if self.mesh else self.boxes
        self.marks = (
            k.out("touched|visit_count|marks", T.I32, (size,)) if what == "marked" else None
        )
        flags = (
            k.array("materials|groups|layers", T.I32, (size,), R.integers(0, 4))
            if p.chance(0.35)
            else None
        )
        with k.repeat(tile("tile_query_valid", T.BOOL, query)):
            batch = tile(step, T.Tile(T.I32, (team.width,)), query)
            if p.chance(0.4):
                batch = k.let("batch|results|ids", batch)
            item = k.let(
                "face|hit|tri" if self.mesh else "item|box_id|hit", tile("untile", T.I32, batch)
            )
            ok = item >= 0
            if flags is not None and p.chance(0.5):
                wanted = k.count("layer|wanted|group_id", p.pick(0, 1, 2))
                ok = all_of(ok, flags[wp.max(item, 0)] == wanted)
            elif flags is not None:
                ok = all_of(ok, flags[wp.max(item, 0)] != 0)
            with k.when(ok):
                self._visit(item)
        self._results()

    def _visit(self, item: Expr) -> None:
        p, k = self.p, self.k
        if self.marks is not None:
            k.do(wp.atomic_add(self.marks, item, 1))
        if self.best is not None or self.acc is not None:
            third = 1.0 / 3.0
            normals = self.mesh and self.best is None and p.chance(0.6)
            place = (
                wp.mesh_eval_position(self.handle, item, third, third)
                if self.mesh
                else self._centers()[item]
            )
            d = self.x if normals else k.let("mid|centre|where", place) - self.x
            if self.best is not None and self.heading is not None:
                along = k.let("along|t|depth", wp.dot(d, self.heading))
                with k.when(along > 0.0):
                    k.set(self.best, wp.min(self.best, along))
            elif self.best is not None:
                k.set(self.best, wp.min(self.best, wp.length(d)))
            if self.acc is not None and (
                normals or (self.mesh and self.best is not None and p.chance(0.5))
            ):
                k.aug(self.acc, "+", wp.mesh_eval_face_normal(self.handle, item))
            elif self.acc is not None:
                away = k.let("dv|delta|away", d)
                soft = p.pick(0.01, 0.1)
                k.aug(
                    self.acc,
                    "-",
                    away / (wp.length_sq(away) + soft)
                    if p.chance(0.6)
                    else wp.normalize(away) * wp.exp(-wp.length(away)),
                )
        if self.hits is not None:
            k.aug(self.hits, "+", 1)

    def _centers(self) -> Expr:
        if "centers" not in self.trees:
            self.trees["centers"] = self.k.array(
                "box_centers|item_pos|centroids", T.VEC3, (self.boxes,), R.uniform(-2.0, 2.0)
            )
        return self.trees["centers"]

    def _results(self) -> None:
        p, k, team, t = self.p, self.k, self.team, self.team.t
        n = team.count
        if self.best is not None:
            near = (
                t.total("tile_min", team.lanes(self.best))
                if p.chance(0.6)
                else t.reduce("min", team.lanes(self.best))
            )
            t.store(k.out("nearest|clearance|entry_depth", T.F32, (n,)), near, [team.i])
        if self.acc is not None:
            t.store(
                k.out("normals|forces|push_out", T.VEC3, (n,)),
                t.total("tile_sum", team.lanes(self.acc, whole=True)),
                [team.i],
            )
        if self.hits is not None:
            if p.chance(0.5):
                t.atomic(
                    k.out("total_hits|all_overlaps|pair_count", T.I32, (1,)),
                    t.total("tile_sum", team.lanes(self.hits)),
                )
            else:
                t.store(
                    k.out("hit_counts|overlaps|num_hits", T.I32, (n,)),
                    t.total("tile_sum", team.lanes(self.hits)),
                    [team.i],
                )
