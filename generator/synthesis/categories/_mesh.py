"""Mesh handles and the forms that closest-point and ray queries take."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import query_field, wp
from generator.synthesis.logic import negate
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

HANDLE = T.Handle("mesh")
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
    match p.weighted({"plain": 4, "normal": 2, "winding": 1.5, "parity": 1}):
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
    if p.chance(0.5):
        m = k.let("m|mesh_data|geo", wp.mesh_get(mesh))
        indices, points = query_field(m, "indices"), query_field(m, "points")
        ids: list[Expr] = [indices[face * 3 + j] for j in range(3)]
        if p.chance(0.5):
            ids = [k.let(f"{w}", i) for w, i in zip(("i0|ia", "i1|ib", "i2|ic"), ids, strict=True)]
        made = [points[i] for i in ids]
    elif p.chance(0.6):
        made = [wp.mesh_get_point(mesh, face * 3 + j) for j in range(3)]
    else:
        made = [
            wp.mesh_eval_position(mesh, face, 1.0, 0.0), wp.mesh_eval_position(mesh, face, 0.0, 1.0),
            wp.mesh_eval_position(mesh, face, 0.0, 0.0),
        ]  # fmt: skip
    return [
        k.let(w, c) for w, c in zip(("a|v0|p0|x0", "b|v1|p1|x1", "c|v2|p2|x2"), made, strict=True)
    ]
