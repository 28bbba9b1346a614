"""Host-side objects of launch recipes: meshes, BVHs, hash grids, volumes and textures."""

from collections.abc import Callable
from typing import Any

import numpy as np

Recipe = dict[str, Any]

GROUPS = 4  # groups of faces in a mesh and of boxes in a BVH, of about equal size


def _grid_triangles(rows: int, cols: int, wrap_rows: bool, wrap_cols: bool) -> np.ndarray:
    faces = []
    for i in range(rows if wrap_rows else rows - 1):
        for j in range(cols if wrap_cols else cols - 1):
            a, b = i * cols + j, i * cols + (j + 1) % cols
            c, d = ((i + 1) % rows) * cols + j, ((i + 1) % rows) * cols + (j + 1) % cols
            faces += [[a, c, b], [b, c, d]]
    return np.array(faces, dtype=np.int32)


def _sphere(n: int) -> tuple[np.ndarray, np.ndarray]:
    theta = np.linspace(0.0, np.pi, n + 1)[1:-1]
    phi = np.linspace(0.0, 2 * np.pi, 2 * n, endpoint=False)
    t, f = np.meshgrid(theta, phi, indexing="ij")
    ring = np.stack([np.sin(t) * np.cos(f), np.cos(t), np.sin(t) * np.sin(f)], axis=-1).reshape(
        -1, 3
    )
    cols, last = 2 * n, len(ring)
    faces = _grid_triangles(n - 1, cols, False, True)[:, ::-1]
    top = [[last, (j + 1) % cols, j] for j in range(cols)]
    base = (n - 2) * cols
    bottom = [[last + 1, base + j, base + (j + 1) % cols] for j in range(cols)]
    points = np.concatenate([ring, [[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]])
    return points, np.concatenate([faces, np.array(top + bottom, dtype=np.int32)])


def _torus(n: int) -> tuple[np.ndarray, np.ndarray]:
    u = np.linspace(0, 2 * np.pi, 2 * n, endpoint=False)
    v = np.linspace(0, 2 * np.pi, n, endpoint=False)
    a, b = np.meshgrid(u, v, indexing="ij")
    r = 0.7 + 0.3 * np.cos(b)
    points = np.stack([r * np.cos(a), 0.3 * np.sin(b), r * np.sin(a)], axis=-1).reshape(-1, 3)
    return points, _grid_triangles(2 * n, n, True, True)[:, ::-1]


def _box() -> tuple[np.ndarray, np.ndarray]:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]
    return corners, np.array(faces, dtype=np.int32)


def _terrain(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x, z = np.meshgrid(np.linspace(-1, 1, n), np.linspace(-1, 1, n), indexing="ij")
    phase = rng.uniform(0, 6.28, size=2)
    y = 0.2 * np.sin(3 * x + phase[0]) * np.cos(2 * z + phase[1])
    return np.stack([x, y, z], axis=-1).reshape(-1, 3), _grid_triangles(n, n, False, False)[:, ::-1]


def surface(r: Recipe, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and triangles (m, 3) of a mesh recipe."""
    n = r["resolution"]
    makers: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "sphere": lambda: _sphere(n),
        "torus": lambda: _torus(n),
        "box": _box,
        "terrain": lambda: _terrain(n, rng),
    }
    points, faces = makers[r["shape"]]()
    return points * r["scale"], faces


def make_mesh(r: Recipe, rng: np.random.Generator, owner: Any) -> Any:
    """A `wp.Mesh` with velocities; grouped, or with support for winding numbers.

    Winding numbers of a grouped mesh are wrong in Warp 1.19, so it is one or the other.
    """
    import warp as wp

    points, faces = surface(r, rng)
    groups = wp.array(
        np.arange(len(faces)) * GROUPS // len(faces), dtype=wp.int32, device=owner.device
    )
    return wp.Mesh(
        points=wp.array(points.astype(np.float32), dtype=wp.vec3, device=owner.device),
        velocities=wp.array(
            rng.uniform(-1, 1, points.shape).astype(np.float32), dtype=wp.vec3, device=owner.device
        ),
        indices=wp.array(faces.reshape(-1), dtype=wp.int32, device=owner.device),
        support_winding_number=not r["grouped"],
        groups=groups if r["grouped"] else None,
    )


def _boxes(r: Recipe, rng: np.random.Generator, owner: Any) -> tuple[np.ndarray, np.ndarray]:
    """Centres and half widths of a BVH recipe: two array arguments, or random."""
    if "centers" in r:
        centre = owner.made[r["centers"]].numpy().reshape(-1, 3)
        half = owner.made[r["extents"]].numpy().reshape(len(centre), -1)
        return centre, np.broadcast_to(half, centre.shape)
    centre = rng.uniform(r["low"], r["high"], size=(r["count"], 3))
    return centre, rng.uniform(0.1 * r["extent"], r["extent"], size=(r["count"], 3))


def make_bvh(r: Recipe, rng: np.random.Generator, owner: Any) -> Any:
    """A `wp.Bvh` with groups, over random boxes or over those that array arguments describe."""
    import warp as wp

    centre, half = _boxes(r, rng, owner)
    groups = np.arange(len(centre)) * GROUPS // len(centre)
    return wp.Bvh(
        wp.array((centre - half).astype(np.float32), dtype=wp.vec3, device=owner.device),
        wp.array((centre + half).astype(np.float32), dtype=wp.vec3, device=owner.device),
        groups=wp.array(groups, dtype=wp.int32, device=owner.device),
    )


def make_hash_grid(r: Recipe, rng: np.random.Generator, owner: Any) -> Any:
    """A `wp.HashGrid` built over an array argument."""
    import warp as wp

    cells = r["cells"]
    grid = wp.HashGrid(cells, cells, cells, device=owner.device)
    grid.build(owner.made[r["points"]].flatten(), r["radius"])
    return grid


def _field_values(r: Recipe, rng: np.random.Generator) -> np.ndarray:
    n = r["resolution"]
    c = (np.arange(n) - (n - 1) / 2) * r["voxel"]
    x, y, z = np.meshgrid(c, c, c, indexing="ij")
    radius = np.sqrt(x * x + y * y + z * z)
    match r["field"]:
        case "sphere":
            f = radius - 0.35 * n * r["voxel"]
        case "gyroid":
            f = (
                np.sin(3 * x) * np.cos(3 * y)
                + np.sin(3 * y) * np.cos(3 * z)
                + np.sin(3 * z) * np.cos(3 * x)
            )
        case _:
            f = np.exp(-radius * radius) + 0.05 * rng.standard_normal(radius.shape)
    if r["dtype"] == "vec3f":
        return np.stack([f, np.roll(f, 1, 0), -f], axis=-1).astype(np.float32)
    return np.round(4 * f).astype(np.int32) if r["dtype"] == "int32" else f.astype(np.float32)


def make_volume(r: Recipe, rng: np.random.Generator, owner: Any) -> Any:
    """A `wp.Volume` holding a dense block of voxels centred at the origin.

    Warp allocates tiles of 8 voxels cubed; the rest of the last tile holds the background.
    """
    import warp as wp

    values = _field_values(r, rng)
    half = 0.5 * (r["resolution"] - 1) * r["voxel"]
    # The background's Python type decides between int32, float32 and vec3f.
    kinds: dict[str, Callable[[float], Any]] = {
        "int32": int,
        "float32": float,
        "vec3f": lambda b: [b] * 3,
    }
    background = kinds[r["dtype"]](r["background"])
    return wp.Volume.load_from_numpy(
        values,
        min_world=(-half, -half, -half),
        voxel_size=r["voxel"],
        bg_value=background,
        device=owner.device,
    )


def make_texture(r: Recipe, rng: np.random.Generator, owner: Any) -> Any:
    """A float texture with uniform texels."""
    import warp as wp

    shape = tuple(r["shape"]) + ((r["channels"],) if r["channels"] > 1 else ())
    data = rng.uniform(0.0, 1.0, size=shape).astype(np.float32)
    kinds = {1: wp.Texture1D, 2: wp.Texture2D, 3: wp.Texture3D}
    return kinds[r["ndim"]](data, device=owner.device)


BUILDERS: dict[str, Callable[[Recipe, np.random.Generator, Any], Any]] = {
    "mesh": make_mesh,
    "bvh": make_bvh,
    "hash_grid": make_hash_grid,
    "volume": make_volume,
    "texture": make_texture,
}
