"""Random points on meshes."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._mesh import Mesh, mesh_argument
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr


def sample(p: ProgramBuilder) -> None:
    """Random points on a mesh."""
    k = p.kernel_builder(
        "sample_surface|scatter_on_mesh|sample_mesh|random_surface_points|seed_surface|emit_from_mesh",
        p.pick("Random points on the surface.", "Area-weighted surface samples.", ""),
    )
    e = Entities(k, p.pick("sample", "point", "particle"))
    mesh = mesh_argument(p, k, closed=False)
    seed = k.scalar("seed|rng_seed|frame", T.I32, 17)
    state = k.let("state|rng|rand_state", wp.rand_init(seed, e.index))
    face = _random_face(p, k, e, mesh, state)
    if p.chance(0.5):
        uv = k.let("uv|bary|b", wp.sample_triangle(state))
        u, v = uv.x, uv.y
    else:
        r = k.let("r|su|root_u", wp.sqrt(wp.randf(state)))
        xi = k.let("xi|w_r|r2", wp.randf(state))
        u, v = k.let("u|b0", 1.0 - r), k.let("v|b1", r * (1.0 - xi))
    x = k.let("x|pos|pt", wp.mesh_eval_position(mesh.id, face, u, v))
    wanted = p.shuffled(["point", *p.sample(["normal", "face", "velocity", "bary", "emit"], 0, 3)])
    for what in wanted:
        match what:
            case "point":
                e.out("points|samples|positions", T.VEC3).store(x)
            case "normal":
                e.out("normals|sample_normals", T.VEC3).store(
                    wp.mesh_eval_face_normal(mesh.id, face)
                )
            case "face":
                e.out("face_ids|sample_faces", T.I32).store(face)
            case "velocity":
                e.out("velocities|sample_vel", T.VEC3).store(
                    wp.mesh_eval_velocity(mesh.id, face, u, v)
                )
            case "bary":
                e.out("barycentrics|uv_out", T.VEC2).store(construct(T.VEC2, u, v))
            case "emit":
                n = wp.mesh_eval_face_normal(mesh.id, face)
                e.out("emitted_vel|launch_vel", T.VEC3).store(
                    n * k.param("emit_speed|launch_speed", 0.5, 4.0)
                )


def _random_face(p: ProgramBuilder, k: KernelBuilder, e: Entities, mesh: Mesh, state: Expr) -> Expr:
    match p.pick("given", "uniform", "cdf", "search"):
        case "given":
            return k.let(
                "face|f",
                e.field(
                    "face_ids_in|sample_face|source_faces", T.I32, R.integers(0, mesh.faces)
                ).own,
            )
        case "uniform":
            return k.let(
                "face|f",
                wp.randi(
                    state,
                    0,
                    mesh.faces if p.chance(0.4) else k.count("num_faces|face_count", mesh.faces),
                ),
            )
        case "cdf":
            cdf = k.array("face_cdf|area_cdf|cdf", T.F32, (mesh.faces,), R.ascending(0.0, 1.0))
            return k.let("face|f", wp.min(wp.sample_cdf(state, cdf), mesh.faces - 1))
    cdf = k.array("face_cdf|area_cdf|cumulative_area", T.F32, (mesh.faces,), R.ascending(0.0, 1.0))
    target = k.let("target|xi|r0", wp.randf(state))
    lo, hi = k.var("lo|first|left", 0), k.var("hi|last|right", mesh.faces - 1)
    with k.repeat(lo < hi):
        mid = k.let("mid|m", (lo + hi) // 2)
        with k.when(cdf[mid] < target):
            k.set(lo, mid + 1)
        with k.otherwise():
            k.set(hi, mid)
    return lo
