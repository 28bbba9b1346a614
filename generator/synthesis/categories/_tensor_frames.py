"""Frames of symmetric and triangular factors: principal axes of bodies, and deformation measured along fibres."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._tables import Table
from generator.synthesis.entities import Entities
from generator.synthesis.idioms import identity
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name, literal


def principal_axes(p: ProgramBuilder) -> None:
    """Principal moments of inertia and the frame they belong to."""
    k = p.kernel_builder(
        "principal_axes|diagonalise_inertia|principal_moments|body_principal_frames|split_inertia",
        p.pick(
            "Principal moments and axes of every body.",
            "Diagonalise the inertia tensor.",
            "Inertia in its principal frame.",
        ),
    )
    e = Entities(k, "body", index="tid|b|i|body")
    e.guard()
    tensor = e.field("inertia|inertia_tensors|body_inertia", p.mat(3), R.spd(0.2, 2.0)).own
    axes, moments = k.unpack(["axes|q_mat|vecs", "moments|lam|w_p"], wp.eig3(tensor))
    e.out("moments_out|principal_moments|inertia_diag", p.vec(3)).store(moments)
    for write in p.sample([_frame, _axis, _shape, _check], 1, 2):
        write(p, k, e, axes, moments)


def _frame(p: ProgramBuilder, k: KernelBuilder, e: Entities, axes: Name, moments: Name) -> None:
    """A right-handed frame as a quaternion."""
    x, y, z = (
        k.let(f"{c}_axis|e_{c}|{c}_p", construct(p.vec(3), *(axes[r, i] for r in range(3))))
        for i, c in enumerate("xyz")
    )
    if p.chance(0.5):
        z = k.let("third|right_handed", wp.cross(x, y))
    else:
        mirrored = wp.determinant(axes) < 0.0
        z = k.let("third|right_handed", choose(mirrored, -z, z))
    q = k.let("q|frame|principal_q", wp.quat_from_matrix(wp.matrix_from_cols(x, y, z)))
    if p.chance(0.5):
        body = e.field("rotations|orientations|body_rot", p.quat, R.rotations()).own
        q = k.let("world_q|q_world", body * q)
    e.out("frames|principal_rotations|q_out", p.quat).store(q)


def _axis(p: ProgramBuilder, k: KernelBuilder, e: Entities, axes: Name, moments: Name) -> None:
    pick = wp.argmin if p.chance(0.6) else wp.argmax
    i = k.let("slot|column|which", construct(T.I32, pick(moments)))
    axis = construct(p.vec(3), *(axes[r, i] for r in range(3)))
    e.out("long_axes|spin_axes|preferred_axis", p.vec(3)).store(axis)


def _shape(p: ProgramBuilder, k: KernelBuilder, e: Entities, axes: Name, moments: Name) -> None:
    ratio = k.let("ratio|aspect_i|slimness", wp.min(moments) / wp.max(moments))
    e.out("aspect|flatness|moment_ratio", p.real).store(ratio)
    if p.chance(0.5):
        limit = k.param("min_ratio|needle_limit|flat_limit", 0.1, 0.6)
        slender = Table(e, "num_slender|flat_count", T.I32, (1,), role="out")
        with k.when(ratio < limit):
            slender.add(1, 0)


def _check(p: ProgramBuilder, k: KernelBuilder, e: Entities, axes: Name, moments: Name) -> None:
    """The axes of a symmetric tensor are orthonormal."""
    unit = wp.transpose(axes) * axes
    k.do(wp.expect_near(unit, identity(p, 3), literal(0.001, p.real)))
    rotated = e.out("axes_out|principal_frames|axis_matrices", p.mat(3))
    rotated.store(axes if p.chance(0.5) else wp.transpose(axes))


def fibre_strain(p: ProgramBuilder) -> None:
    """Stretch along fibres and shear across them, from the triangular factor of the deformation."""
    k = p.kernel_builder(
        "fibre_strain|fibre_stress|anisotropic_strain|qr_strain|codimensional_strain|sheet_stress",
        p.pick(
            "Stretch and shear in the material frame.",
            "Triangular factor of the deformed directions.",
            "Strain along the fibres and across them.",
        ),
    )
    e = Entities(k, p.pick("particle", "element"))
    e.guard()
    f = e.field("deformation|F|def_grad", p.mat(3), R.near_identity(0.3)).own
    if p.chance(0.5):
        f = f * e.field("fibre_frames|directions|D0", p.mat(3), R.near_identity(0.2)).own
    q, r = k.unpack(["q|turn|frame", "r|upper|tri"], wp.qr3(f))
    stretch = k.let("stretch|along|lam_f", wp.abs(r[0, 0]))
    shear = k.let("shear|across|gamma", wp.sqrt(r[0, 1] * r[0, 1] + r[0, 2] * r[0, 2]))
    if p.chance(0.5):
        e.out("stretches|stretch_out|fibre_stretch", p.real).store(stretch)
        e.out("shears|shear_out|fibre_shear", p.real).store(shear)
    for write in p.sample([_fibre_energy, _fibre_direction, _compression], 1, 2):
        write(p, k, e, q, r, stretch, shear)


def _fibre_energy(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, r: Expr, stretch: Expr, shear: Expr
) -> None:
    stiff = e.property("fibre_stiffness|k_along|youngs", 10.0, 100.0)
    soft = e.property("shear_stiffness|k_across|g_mod", 1.0, 10.0)
    strain = k.let("strain|eps_f", stretch - 1.0)
    energy = k.let("psi|energy|density", 0.5 * (stiff * strain * strain + soft * shear * shear))
    e.out("energy_density|psi_out|strain_energy", p.real).store(energy)
    if p.chance(0.5):
        Table(e, "total_energy|sum_energy", p.real, (1,), role="out").add(energy, 0)


def _fibre_direction(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, r: Expr, stretch: Expr, shear: Expr
) -> None:
    column = construct(p.vec(3), *(q[i, 0] for i in range(3)))
    facing = choose(r[0, 0] < 0.0, -column, column)
    e.out("fibre_dirs|directions_out|fibres", p.vec(3)).store(facing)


def _compression(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, q: Expr, r: Expr, stretch: Expr, shear: Expr
) -> None:
    normal = k.let("normal_stretch|thickness|pressed", wp.abs(r[2, 2]))
    stiff = k.param("contact_stiffness|k_normal", 5.0, 50.0)
    gap = k.let("gap|squeezed|overlap", wp.max(1.0 - normal, 0.0))
    e.out("contact_pressure|normal_pressure|squeeze", p.real).store(stiff * gap * gap)
    if p.chance(0.4):
        loose = Table(e, "num_separated|opened", T.I32, (1,), role="out")
        with k.when(normal > 1.0):
            loose.add(1, 0)
