"""Pixels and points: back-projection, projection, and cosine laws at surfaces."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._rays import maybe, num
from generator.synthesis.entities import Entities
from generator.synthesis.grid import Grid
from generator.synthesis.logic import all_of, negate
from generator.synthesis.program import ProgramBuilder


def write(p: ProgramBuilder) -> None:
    """One of the steps."""
    p.pick(unproject, project, fresnel_split, incidence)(p)


def unproject(p: ProgramBuilder) -> None:
    """Depth image to camera- or world-space points."""
    k = p.kernel_builder(
        "depth_to_points|unproject|backproject|depth_to_cloud|lift_pixels|make_point_cloud",
        p.pick("Back-project a depth image.", "One point per valid depth pixel.", ""),
    )
    g = Grid(k, "row|v|y|i col|u|x|j", boundary="clamp")
    row, col = g.index
    depth = g.field("depth|depth_map|z_image", p.real, R.uniform(-0.3, 3.0))
    out = g.out("points|cloud|xyz|positions", p.vec())
    z = depth.read("z|d|depth_value")
    if p.chance(0.6):
        with k.when(z <= 0.0 if p.chance(0.6) else negate(z > 0.0)):
            k.ret()
    fx, cx, cy = (
        k.param("fx|focal", 15.0, 40.0),
        k.param("cx|ppx", 8.0, 20.0),
        k.param("cy|ppy", 8.0, 20.0),
    )
    fy = k.param("fy|focal_y", 15.0, 40.0) if p.chance(0.5) else fx
    x = maybe(p, k, "x|px|xc", (construct(p.real, col) - cx) * z / fx)
    y = maybe(p, k, "y|py|yc", (construct(p.real, row) - cy) * z / fy)
    point = construct(p.vec(), x, y if p.chance(0.6) else -y, z)
    if p.chance(0.45):
        pose = k.quantity(
            "cam_to_world|camera_pose|extrinsics", p.transform, [0.1, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        )
        point = wp.transform_point(pose, point)
    out.store(point)
    if p.chance(0.3):
        k.do(wp.atomic_add(k.out("valid_count|num_points", T.I32, (1,)), 0, 1))


def project(p: ProgramBuilder) -> None:
    """World points to pixels, with a depth test."""
    k = p.kernel_builder(
        "project_points|world_to_pixel|splat_points|reproject|points_to_image",
        p.pick("Project points into the image.", ""),
    )
    e = Entities(k, "point")
    x = e.field("points|positions|xyz", p.vec(), R.uniform(-1.0, 1.0)).own
    if p.chance(0.5):
        pose = k.quantity(
            "world_to_cam|view|extrinsics", p.transform, [0.0, 0.0, 3.0, 0.0, 0.0, 0.0, 1.0]
        )
        c = k.let("c|x_cam|pc", wp.transform_point(pose, x))
    else:
        rot = k.quantity(
            "R|rot_cw|view_rot", p.mat(), [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
        )
        c = k.let("c|x_cam|pc", rot * x + k.quantity("t_cw|translation", p.vec(), [0.0, 0.0, 3.0]))
    if p.chance(0.6):
        with k.when(c.z <= k.param("z_near|near_plane", 0.05, 0.5)):
            k.ret()
    f, cx, cy = (
        k.param("focal|f|fx", 10.0, 20.0),
        k.param("cx|ppx", 8.0, 16.0),
        k.param("cy|ppy", 8.0, 16.0),
    )
    words = p.pick(("u", "v"), ("px", "py"), ("x_img", "y_img"))
    u, v = k.let(words[0], c.x / c.z * f + cx), k.let(words[1], c.y / c.z * f + cy)
    if p.chance(0.5):
        e.out("pixels|uv|image_points", p.vec(2)).store(construct(p.vec(2), u, v))
        if p.chance(0.4):
            e.out("depths|z_cam", p.real).store(c.z)
        return
    size = p.pick(16, 24, 32)
    buffer = k.out("z_buffer|depth_image|zbuf", p.real, (size, size), R.constant(100.0))
    col, row = k.let("col|ix", construct(T.I32, u)), k.let("row|iy", construct(T.I32, v))
    with k.when(all_of(col >= 0, col < buffer.dim(1), row >= 0, row < buffer.dim(0))):
        k.do(wp.atomic_min(buffer, row, col, c.z))


def fresnel_split(p: ProgramBuilder) -> None:
    """Reflected and transmitted shares at an interface."""
    k = p.kernel_builder(
        "fresnel|split_energy|fresnel_coefficients|interface_reflectance|dielectric_fresnel",
        p.pick("Unpolarised Fresnel reflectance.", "Energy split at the interface.", ""),
    )
    e = Entities(k, "ray")
    out = e.out("reflectance|R_out|fresnel_r", p.real)
    e.guard((out, num(p, 0.0)))
    if p.chance(0.6):
        fields = {"d": "directions|incident|wi", "n": "normals|hit_normals"}
        got = {h: e.field(fields[h], p.vec(), R.unit_vectors()) for h in p.shuffled(["d", "n"])}
        d, n = (maybe(p, k, f"{h}|{h}_i", got[h].own) for h in ("d", "n"))
        cosine = wp.abs(wp.dot(d, n) if p.chance(0.5) else wp.dot(n, d))
    else:
        cosine = e.field("cos_theta|mu|cosines", p.real, R.uniform(0.05, 1.0)).own
    c = k.let("cos_i|c|mu_i", cosine)
    if p.chance(0.4):
        f0 = e.property("f0|base_reflectance|r0", 0.02, 0.3)
        m = k.let("m|one_minus_c|x", 1.0 - c)
        r = f0 + (1.0 - f0) * (m * m * m * m * m if p.chance(0.5) else wp.pow(m, 5.0))
    else:
        eta = k.let("eta|ratio", 1.0 / e.property("ior|n2|refractive_index", 1.1, 2.0))
        s2 = k.let("sin2_t|s2", eta * eta * (1.0 - c * c))
        ct = k.let("cos_t|ct", wp.sqrt(1.0 - s2))
        rs = k.let("rs|r_perp", (eta * c - ct) / (eta * c + ct))
        rp = k.let("rp|r_par", (c - eta * ct) / (c + eta * ct))
        r = 0.5 * (rs * rs + rp * rp)
    r = maybe(p, k, "r|refl|R", r, 0.8)
    if p.chance(0.4):
        out.store(r * e.field("power|flux_in|energy", p.real, R.uniform(0.1, 1.0)).own)
        return
    out.store(r)
    if p.chance(0.5):
        e.out("transmittance|T_out|transmitted", p.real).store(1.0 - out.own)


def incidence(p: ProgramBuilder) -> None:
    """Flux that falls on tilted facets."""
    k = p.kernel_builder(
        "incident_flux|irradiance|solar_incidence|cosine_law|facet_power",
        p.pick("Irradiance on each facet.", ""),
    )
    e = Entities(k, p.pick("facet", "panel", "patch"))
    n = e.field("normals|facet_normals", p.vec(), R.unit_vectors()).own
    sun = k.quantity("sun_dir|source_dir|beam_dir", p.vec(), [0.36, 0.8, 0.48])
    c = k.let("c|cos_theta|mu", wp.max(wp.dot(n, sun), 0.0))
    flux = c * e.world_param("irradiance|beam_flux|dni", 100.0, 1000.0)
    if p.chance(0.5):
        flux = flux * e.field("visibility|shading|sky_view", p.real, R.uniform(0.0, 1.0)).own
    if p.chance(0.4):
        flux = flux + k.param("diffuse_flux|dhi|sky_flux", 10.0, 100.0) * (0.5 + 0.5 * n.y)
    flux = maybe(p, k, "q|flux|power_density", flux)
    out = e.out("absorbed|facet_flux|heat_load", p.real)
    out.store(flux * e.property("absorptivity|albedo_c|efficiency", 0.1, 0.95))
    if p.chance(0.3):
        with k.when(c > 0.0):
            k.do(wp.atomic_add(k.out("lit_facets|lit_count", T.I32, (1,)), 0, 1))
