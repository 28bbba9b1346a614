"""Rays: from arrays, or through the pixels of a camera."""

from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.entities import Entities
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Literal, literal


def num(p: ProgramBuilder, value: float) -> Literal:
    """A literal of the program's precision."""
    return literal(value, p.real)


def maybe(p: ProgramBuilder, b: Block, hint: str, value: Expr, share: float = 0.5) -> Expr:
    """`value` as a local or left inline; for values used once."""
    return b.let(hint, value) if p.chance(share) else value


@dataclass(slots=True)
class Ray:
    origin: Expr
    direction: Expr

    def at(self, t: Expr) -> Expr:
        """The point at parameter `t`."""
        return self.origin + self.direction * t


def stored_ray(p: ProgramBuilder, e: Entities, spread: float = 3.0) -> Ray:
    """This thread's ray, from arrays of origins and unit directions."""
    vec = p.vec()
    o = e.field("ray_origins|origins|ray_o|ray_starts|rays_org", vec, R.uniform(-spread, spread))
    d = e.field("ray_directions|directions|ray_d|ray_dirs|rays_dir", vec, R.unit_vectors())
    origin = o.read("o|origin|ro|org|ray_origin")
    if p.chance(0.25):
        return Ray(origin, e.k.let("d|direction|rd|ray_dir", wp.normalize(d.own)))
    return Ray(origin, d.read("d|direction|rd|ray_dir"))


# --- cameras --------------------------------------------------------------------------------------


def camera_ray(
    p: ProgramBuilder, k: KernelBuilder, row: Expr, col: Expr, rows: Expr, cols: Expr
) -> Ray:
    """The ray through a pixel, by one of the usual camera models and pose conventions."""
    model = p.weighted({"intrinsics": 3, "fov": 4, "orthographic": 1, "panorama": 1, "fisheye": 1})
    x, y = _pixel_centre(p, k, row, col)
    local = {
        "intrinsics": _intrinsics, "fov": _field_of_view, "orthographic": _field_of_view,
        "panorama": _panorama, "fisheye": _fisheye,
    }[model](p, k, x, y, rows, cols)  # fmt: skip
    return _posed(p, k, local, model == "orthographic")


def _pixel_centre(p: ProgramBuilder, k: KernelBuilder, row: Expr, col: Expr) -> tuple[Expr, Expr]:
    x, y = construct(p.real, col), construct(p.real, row)
    shift = p.pick(0.5, 0.5, None)
    if shift:
        x, y = x + shift, y + shift
    names = p.pick(("px", "py"), ("u", "v"), ("sx", "sy"), ("x_img", "y_img"))
    return k.let(names[0], x), k.let(names[1], y)


def _intrinsics(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, y: Expr, rows: Expr, cols: Expr
) -> Expr:
    if p.chance(0.35):
        entries = [28.0, 0.0, 16.0, 0.0, 28.0, 12.0, 0.0, 0.0, 1.0]
        m = k.quantity("K|intrinsics|camera_matrix|cam_k", p.mat(), entries)
        if p.chance(0.4):
            return wp.normalize(wp.inverse(m) * construct(p.vec(), x, y, 1.0))
        fx, fy, cx, cy = m[0, 0], m[1, 1], m[0, 2], m[1, 2]
    else:
        fx = k.param("fx|focal_x|focal", 20.0, 60.0)
        fy = k.param("fy|focal_y", 20.0, 60.0) if p.chance(0.6) else fx
        cx, cy = k.param("cx|center_x|ppx", 8.0, 20.0), k.param("cy|center_y|ppy", 8.0, 20.0)
    z, flip = p.pick((1.0, False), (-1.0, True))
    dy = (cy - y) / fy if flip else (y - cy) / fy
    return wp.normalize(construct(p.vec(), (x - cx) / fx, dy, z))


def _field_of_view(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, y: Expr, rows: Expr, cols: Expr
) -> Expr:
    w, h = construct(p.real, cols), construct(p.real, rows)
    if p.chance(0.6):
        scale = k.param("tan_half_fov|fov_scale|half_extent|zoom", 0.3, 1.2)
    else:
        fov = k.param("fov|vertical_fov|fov_y", 0.5, 1.4)
        scale = k.let("scale|half_h|tan_half", wp.tan(fov * 0.5))
    if p.chance(0.5):
        aspect = k.let("aspect|ratio", w / h)
        dx, dy = (2.0 * x / w - 1.0) * scale * aspect, (1.0 - 2.0 * y / h) * scale
    else:
        dx, dy = (2.0 * x - w) / h * scale, (h - 2.0 * y) / h * scale
    if p.chance(0.5):
        dx, dy = k.let("ndc_x|sx|cam_x", dx), k.let("ndc_y|sy|cam_y", dy)
    return construct(p.vec(), dx, dy, -1.0)


def _panorama(
    p: ProgramBuilder, k: KernelBuilder, x: Expr, y: Expr, rows: Expr, cols: Expr
) -> Expr:
    w, h = construct(p.real, cols), construct(p.real, rows)
    lon = k.let(
        "phi|azimuth|lon",
        x / w * 6.2831853 - p.pick(0.0, 3.1415927) if p.chance(0.5) else x / w * 6.2831853,
    )
    lat = k.let("theta|polar|colat", y / h * 3.1415927)
    s = k.let("sin_theta|st|ring", wp.sin(lat))
    return construct(p.vec(), s * wp.cos(lon), wp.cos(lat), s * wp.sin(lon))


def _fisheye(p: ProgramBuilder, k: KernelBuilder, x: Expr, y: Expr, rows: Expr, cols: Expr) -> Expr:
    w, h = construct(p.real, cols), construct(p.real, rows)
    dx = k.let("nx|dx|xn", 2.0 * x / w - 1.0)
    dy = k.let("ny|dy|yn", 1.0 - 2.0 * y / h)
    r = k.let("r|radius|rho", wp.sqrt(dx * dx + dy * dy))
    theta = k.let("theta|angle", r * k.param("max_angle|half_fov|lens_angle", 0.6, 1.5))
    s = k.let("s|ratio|sinc", wp.where(r > 1.0e-6, wp.sin(theta) / wp.max(r, 1.0e-6), num(p, 0.0)))
    return construct(p.vec(), dx * s, dy * s, -wp.cos(theta))


_EYE = [0.4, 0.6, 3.2]


def _posed(p: ProgramBuilder, k: KernelBuilder, local: Expr, parallel: bool) -> Ray:
    """The ray of a camera-space direction in the world."""
    local = k.let("local|dir_cam|d_cam|cam_dir", local)
    kind = p.weighted({"transform": 3, "quat": 2, "matrix": 1.5, "basis": 1.5, "look_at": 1.5})
    if kind == "transform":
        pose = k.quantity(
            "camera_pose|cam_tf|camera_to_world|camera", p.transform, [*_EYE, 0.0, 0.0, 0.0, 1.0]
        )
        eye = k.let("eye|origin|o", wp.transform_get_translation(pose))
        if parallel:
            return _parallel(
                p,
                k,
                wp.transform_point(pose, _flat(p, local)),
                wp.transform_vector(pose, _forward(p)),
            )
        return Ray(
            eye, k.let("d|direction|ray_dir", wp.normalize(wp.transform_vector(pose, local)))
        )
    eye = k.quantity("camera_pos|eye|cam_pos|camera_origin", p.vec(), _EYE)
    if kind in ("basis", "look_at"):
        right, up, back = _basis(p, k, kind, eye)
        if parallel:
            return _parallel(p, k, eye + right * local.x + up * local.y, -back)
        d = right * local.x + up * local.y + back * local.z
        return Ray(eye, k.let("d|direction|ray_dir|rd", wp.normalize(d)))
    if kind == "quat":
        q = k.quantity("camera_rot|cam_q|camera_quat|orientation", p.quat, [0.0, 0.0, 0.0, 1.0])
        if parallel:
            return _parallel(
                p, k, eye + wp.quat_rotate(q, _flat(p, local)), wp.quat_rotate(q, _forward(p))
            )
        return Ray(eye, k.let("d|direction|ray_dir|rd", wp.normalize(wp.quat_rotate(q, local))))
    m = k.quantity(
        "camera_rot|R|rot|world_from_cam", p.mat(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    )
    if parallel:
        return _parallel(p, k, eye + m * _flat(p, local), m * _forward(p))
    return Ray(eye, k.let("d|direction|ray_dir|rd", wp.normalize(m * local)))


def _basis(p: ProgramBuilder, k: KernelBuilder, kind: str, eye: Expr) -> tuple[Expr, Expr, Expr]:
    if kind == "basis":
        right = k.quantity("cam_right|right|axis_u", p.vec(), [1.0, 0.0, 0.0])
        up = k.quantity("cam_up|up|axis_v", p.vec(), [0.0, 1.0, 0.0])
        return right, up, k.let("back|axis_w|w_axis", wp.cross(right, up))
    target = k.quantity("target|look_at|focus_point", p.vec(), [0.0, 0.0, 0.0])
    back = k.let("back|w_axis|toward_eye", wp.normalize(eye - target))
    world_up = construct(p.vec(), 0.0, 1.0, 0.0)
    right = k.let("right|u_axis|side", wp.normalize(wp.cross(world_up, back)))
    return right, k.let("up|v_axis", wp.cross(back, right)), back


def _flat(p: ProgramBuilder, local: Expr) -> Expr:
    return construct(p.vec(), local.x, local.y, 0.0)


def _forward(p: ProgramBuilder) -> Expr:
    return construct(p.vec(), 0.0, 0.0, -1.0)


def _parallel(p: ProgramBuilder, k: KernelBuilder, origin: Expr, direction: Expr) -> Ray:
    return Ray(k.let("o|origin|ro", origin), k.let("d|direction|rd", direction))
