"""Mesh handles and the forms that closest-point and ray queries take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, query_field, wp
from generator.synthesis.logic import all_of, negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal

HANDLE = T.Handle("mesh")
POINTS = "points|positions|query_points|x|samples|probe_pos"
CLOSED = ("sphere", "torus", "box")


@dataclass(slots=True)
class Mesh:
    """A mesh argument; counts of what its recipe makes."""

    id: Expr
    vertices: int
    faces: int


def mesh_argument(
    p: ProgramBuilder,
    k: KernelBuilder,
    *,
    closed: bool = True,
    grouped: bool = False,
    hint: str = "",
) -> Mesh:
    """A mesh handle over one of the shapes; closed ones have an inside."""
    shape = p.pick(*CLOSED) if closed else p.pick(*CLOSED, "terrain", "terrain")
    n = p.pick(6, 8, 10, 12)
    counts = {
        "sphere": ((n - 1) * 2 * n + 2, 4 * n * (n - 1)), "torus": (2 * n * n, 4 * n * n),
        "box": (8, 12), "terrain": (n * n, 2 * (n - 1) * (n - 1)),
    }  # fmt: skip
    scale = p.pick(0.8, 1.0, 1.2, 1.5)
    id_ = k.arg(
        hint or "mesh|mesh_id|mesh_handle|surface|collider",
        HANDLE,
        R.mesh(shape, n, scale, grouped),
        0,
    )
    return Mesh(id_, *counts[shape])


@dataclass(slots=True)
class Closest:
    """A closest-point query that was made."""

    mesh: Expr
    query: Name

    def part(self, name: str) -> Expr:
        """``query.face`` and so on."""
        return query_field(self.query, name)

    @property
    def hit(self) -> Expr:
        return self.part("result")

    @property
    def face(self) -> Expr:
        return self.part("face")

    @property
    def sign(self) -> Expr:
        return self.part("sign")

    @property
    def point(self) -> Expr:
        """The closest point."""
        return wp.mesh_eval_position(self.mesh, self.face, self.part("u"), self.part("v"))

    @property
    def velocity(self) -> Expr:
        """Velocity of the surface there."""
        return wp.mesh_eval_velocity(self.mesh, self.face, self.part("u"), self.part("v"))


def closest(
    p: ProgramBuilder, k: Block, mesh: Expr, x: Expr, limit: Expr, *, signed: bool = True
) -> Closest:
    """A closest-point query, in one of its signed or unsigned forms."""
    if not signed:
        call = wp.mesh_query_point_no_sign(mesh, x, limit)
        return Closest(mesh, k.let("query|q|res|closest", call))
    match p.weighted({"plain": 2.4, "normal": 2, "winding": 2.4, "parity": 2}):
        case "plain":
            call = wp.mesh_query_point(mesh, x, limit)
        case "normal":
            eps = (p.pick(1.0e-3, 1.0e-4),) if p.chance(0.4) else ()
            call = wp.mesh_query_point_sign_normal(mesh, x, limit, *eps)
        case "winding":
            extra = (2.0, 0.5) if p.chance(0.4) else ()
            call = wp.mesh_query_point_sign_winding_number(mesh, x, limit, *extra)
        case _:
            call = wp.mesh_query_point_sign_parity(mesh, x, limit)
    return Closest(mesh, k.let("query|q|res|closest", call))


def ray(
    p: ProgramBuilder, k: Block, mesh: Expr, o: Expr, d: Expr, limit: Expr, *root: Expr
) -> Closest:
    """The nearest hit of a ray."""
    return Closest(mesh, k.let("query|q|hit|ray_hit", wp.mesh_query_ray(mesh, o, d, limit, *root)))


@contextmanager
def found(p: ProgramBuilder, k: KernelBuilder, c: Closest, early: float = 0.4) -> Iterator[None]:
    """A body for the case that the query found something: nested, or after an early return."""
    if p.chance(early):
        with k.when(negate(c.hit)):
            k.ret()
        yield
        return
    with k.when(c.hit):
        yield


def corners(p: ProgramBuilder, k: Block, mesh: Expr, face: Expr) -> list[Expr]:
    """The three corners of a face, read through one of the accessors."""
    if p.chance(0.55):
        m = k.let("m|mesh_data|geo", wp.mesh_get(mesh))
        indices, points = query_field(m, "indices"), query_field(m, "points")
        ids: list[Expr] = [indices[face * 3 + j if j else face * 3] for j in range(3)]
        if p.chance(0.5):
            ids = [k.let(f"{w}", i) for w, i in zip(("i0|ia", "i1|ib", "i2|ic"), ids, strict=True)]
        made = [points[i] for i in ids]
    elif p.chance(0.6):
        made = [wp.mesh_get_point(mesh, face * 3 + j if j else face * 3) for j in range(3)]
    else:
        made = [
            wp.mesh_eval_position(mesh, face, 1.0, 0.0), wp.mesh_eval_position(mesh, face, 0.0, 1.0),
            wp.mesh_eval_position(mesh, face, 0.0, 0.0),
        ]  # fmt: skip
    return [
        k.let(w, c) for w, c in zip(("a|v0|p0|x0", "b|v1|p1|x1", "c|v2|p2|x2"), made, strict=True)
    ]


# --- helper functions -----------------------------------------------------------------------------


def distance_function(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` of mesh, point and range that gives signed distance and outward direction."""

    def body(b: Block, mesh: Expr, x: Expr, limit: Expr) -> None:
        c = closest(p, b, mesh, x, limit)
        if p.chance(0.5):
            with b.when(negate(c.hit)):
                b.ret(limit, construct(T.VEC3, 0.0))
            _distance_result(p, b, c, x)
            return
        with b.when(c.hit):
            _distance_result(p, b, c, x)
        b.ret(limit, construct(T.VEC3, 0.0))

    params = {"mesh|mesh_id": HANDLE, "x|p|point": T.VEC3, "max_dist|range_limit": T.F32}
    doc = p.pick(
        "Signed distance to the mesh and its gradient.", "Distance and outward direction.", ""
    )
    return p.func(
        "mesh_sdf|signed_distance|query_sdf|eval_mesh_distance|surface_distance", params, body, doc
    )


def _distance_result(p: ProgramBuilder, b: Block, c: Closest, x: Expr) -> None:
    delta = b.let("delta|r|offset", x - c.point)
    if p.chance(0.5):
        b.ret(wp.length(delta) * c.sign, wp.normalize(delta) * c.sign)
        return
    d = b.let("d|dist|len_d", wp.length(delta))
    with b.when(d < 1.0e-6):
        b.ret(literal(0.0, T.F32), wp.mesh_eval_face_normal(c.mesh, c.face))
    b.ret(d * c.sign, delta * (c.sign / d))


def respond_function(p: ProgramBuilder, k: KernelBuilder) -> Callable[[Expr, Expr], Expr]:
    """Velocity after contact with a wall of a given normal; a `@wp.func` with its parameters bound."""
    bounce = k.param("restitution|bounce|cor", 0.1, 0.8)
    mu = k.param("friction|mu|wall_friction", 0.05, 0.6) if p.chance(0.6) else None

    def body(b: Block, v: Expr, n: Expr, e: Expr, *m: Expr) -> None:
        vn = b.let("vn|normal_speed", wp.dot(v, n))
        if not m:
            b.ret(v - n * (vn * (1.0 + e)))
            return
        vt = b.let("vt|tangential|slide", v - n * vn)
        if p.chance(0.5):
            b.ret(vt * (1.0 - m[0]) - n * (e * vn))
            return
        slip = b.let("slip|vt_len", wp.length(vt))
        limit = b.let("limit|j_max", m[0] * (1.0 + e) * wp.abs(vn))
        with b.when(slip <= limit):
            b.ret(n * (-e * vn))
        b.ret(vt * (1.0 - limit / slip) - n * (e * vn))

    params = {"v|vel": T.VEC3, "n|normal": T.VEC3, "e|bounce|restitution": T.F32}
    if mu is not None:
        params["mu|friction"] = T.F32
    f = p.func("bounce_velocity|reflect_velocity|contact_response|wall_response", params, body)
    return (lambda v, n: f(v, n, bounce)) if mu is None else (lambda v, n: f(v, n, bounce, mu))


def foot_function(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` of mesh, point and range that gives whether a closest point was found, and the point."""

    def body(b: Block, mesh: Expr, x: Expr, limit: Expr) -> None:
        c = closest(p, b, mesh, x, limit, signed=p.chance(0.3))
        if p.chance(0.5):
            with b.when(c.hit):
                b.ret(True, c.point)
            b.ret(False, x)
            return
        with b.when(negate(c.hit)):
            b.ret(False, construct(T.VEC3, 0.0))
        b.ret(True, c.point)

    params = {"mesh|mesh_id": HANDLE, "x|p|point": T.VEC3, "max_dist|range_limit": T.F32}
    return p.func("closest_on_mesh|find_foot|project_to_mesh|nearest_point", params, body)


def inside_function(p: ProgramBuilder) -> UserFunction:
    """A `@wp.func` that says whether a point lies in a closed mesh."""

    def body(b: Block, mesh: Expr, x: Expr, limit: Expr) -> None:
        c = closest(p, b, mesh, x, limit)
        match p.pick("nested", "early", "and"):
            case "nested":
                with b.when(c.hit):
                    b.ret(c.sign < 0.0)
                b.ret(False)
            case "early":
                with b.when(negate(c.hit)):
                    b.ret(False)
                b.ret(c.sign < 0.0)
            case _:
                b.ret(all_of(c.hit, c.sign < 0.0))

    params = {"mesh|mesh_id": HANDLE, "x|p|point": T.VEC3, "max_dist|range_limit": T.F32}
    return p.func(
        "is_inside|point_in_mesh|contains_point|inside_solid",
        params,
        body,
        p.pick("True where the point lies inside.", ""),
    )
