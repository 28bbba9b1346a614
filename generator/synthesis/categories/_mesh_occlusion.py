"""Occlusion on meshes: ambient occlusion, sky view, thickness."""

from collections.abc import Callable

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import cast as to
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Mesh, mesh_argument, ray
from generator.synthesis.entities import Entities
from generator.synthesis.logic import choose, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal

_WORDS = {
    "anyhit": "ambient_occlusion|bake_ao|sky_visibility|openness",
    "falloff": "ambient_occlusion|bake_ao|obscurance|accessibility",
    "cosine": "sky_view_factor|cosine_visibility|irradiance_visibility|exposure",
    "thickness": "shape_diameter|local_thickness|bake_thickness",
}


def occlusion(p: ProgramBuilder) -> None:
    """Ambient occlusion, sky view or thickness by random or given directions."""
    form = p.pick(*_WORDS)
    k = p.kernel_builder(
        _WORDS[form],
        p.pick(
            "Averages over rays that leave each surface point.",
            "Bake a per-point quantity by ray casting.",
            "",
        ),
    )
    e = Entities(k, p.pick("vertex", "texel", "sample"))
    mesh = mesh_argument(p, k)
    x = e.field("positions|points|vertices", T.VEC3, R.uniform(-1.1, 1.1)).read("x|pos|pt")
    n = e.field("normals|vertex_normals", T.VEC3, R.unit_vectors()).read("n|normal")
    out = e.out("ao|visibility|occlusion|result", T.F32)
    e.guard((out, literal(p.pick(0.0, 1.0), T.F32)))
    bias = k.param("bias|offset|epsilon", 1.0e-3, 1.0e-2)
    start = k.let("o|origin|start", x - n * bias if form == "thickness" else x + n * bias)
    reach = k.param("max_dist|ao_radius|reach", 0.4, 3.0)
    direction, rays = _directions(p, k, e, n, form == "thickness")
    total = k.var("open|unblocked|total", 0.0)
    bent = (
        k.var("bent|mean_dir|avg_dir", construct(T.VEC3, 0.0))
        if p.chance(0.3) and form in ("anyhit", "cosine")
        else None
    )
    with k.loop("s|_r|ray_id", rays) as s:
        d = direction(s)
        _one_ray(p, k, mesh, form, start, d, n, reach, total, bent)
    share = total / to(T.F32, rays)
    if p.chance(0.3):
        share = wp.pow(share, k.param("ao_power|contrast|gamma", 0.5, 2.0))
    out.store(share)
    if bent is not None:
        e.out("bent_normals|open_dirs", T.VEC3).store(wp.normalize(bent))


def _directions(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, n: Expr, inward: bool
) -> tuple[Callable[[Expr], Expr], Expr]:
    if p.chance(0.35):
        count = p.pick(8, 12, 16)
        table = k.array("directions|sample_dirs|kernel_dirs", T.VEC3, (count,), R.unit_vectors())

        def given(s: Expr) -> Expr:
            d = k.var("d|dir|wi", table[s])
            with k.when(wp.dot(d, n) > 0.0 if inward else wp.dot(d, n) < 0.0):
                k.cont() if p.chance(0.3) else k.set(d, -d)
            return d

        return given, table.dim(0)
    rays = k.count("num_rays|num_samples|ray_count", p.pick(8, 12, 16, 32))
    seed = k.scalar("seed|frame|rng_seed", T.I32, 5)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, e.index))
    simple = p.chance(0.5)

    def drawn(_: Expr) -> Expr:
        if simple:
            side = wp.sample_unit_sphere_surface(state)
            return k.let("d|dir|wi", wp.normalize((side - n) if inward else (n + side)))
        d = k.var("d|dir|wi", wp.sample_unit_sphere_surface(state))
        with k.when(wp.dot(d, n) > 0.0 if inward else wp.dot(d, n) < 0.0):
            k.set(d, -d)
        return d

    return drawn, rays


def _one_ray(
    p: ProgramBuilder,
    k: KernelBuilder,
    mesh: Mesh,
    form: str,
    o: Expr,
    d: Expr,
    n: Expr,
    reach: Expr,
    total: Name,
    bent: Name | None,
) -> None:
    if form in ("falloff", "thickness"):
        c = ray(p, k, mesh.id, o, d, reach)
        t = c.part("t")
        if form == "falloff":
            near = t / reach
            k.aug(total, "+", wp.where(c.hit, near * near if p.chance(0.3) else near, 1.0))
        elif p.chance(0.5):
            with k.when(c.hit):
                k.aug(total, "+", t)
        else:
            k.aug(total, "+", wp.where(c.hit, t, reach))
        return
    weight = wp.dot(d, n) if form == "cosine" else literal(1.0, T.F32)
    if p.chance(0.4) and bent is None:
        blocked = k.let("blocked|occluded", wp.mesh_query_ray_anyhit(mesh.id, o, d, reach))
        k.aug(
            total,
            "+",
            choose(blocked, literal(0.0, T.F32), weight)
            if p.chance(0.5)
            else wp.where(blocked, 0.0, weight),
        )
        return
    with k.when(negate(wp.mesh_query_ray_anyhit(mesh.id, o, d, reach))):
        k.aug(total, "+", weight)
        if bent is not None:
            k.aug(bent, "+", d)
