"""SPH constraints and rates: density multipliers, corrections, continuity, diffusion, gradient correction."""

from generator.synthesis import recipes as R
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._sph_shared import (
    begin_cloud,
    mass_of_particles,
    rejected_phase,
    value_at,
)
from generator.synthesis.entities import Field
from generator.synthesis.idioms import identity, inverted
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.tree import Expr

_DENSITIES = "densities|rho|density|particle_rho"
_VELOCITIES = "velocities|v|vel|particle_v"


def density_lambda(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "compute_lambda|density_constraint|pbf_lambda|solve_density_lambda|calculate_multipliers",
        "Lagrange multiplier of the density constraint (position-based fluids).",
        "Density constraint and its gradient norm for each particle.",
    )
    mass = mass_of_particles(c)
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    c.e.guard()
    x = c.here("x|p_i|xi")
    kernel = c.smoothing()
    rho = k.var("rho|density", 0.0, p.real)
    grad_i = k.var("grad_i|grad_own|g_i", construct(c.vec, 0.0))
    total = k.var("sum_grad2|denom|grad_sq", 0.0, p.real)
    with c.pairs(x) as pair:
        m = value_at(mass, pair.j)
        k.aug(rho, "+", m * kernel.w(k, pair.d))
        grad = k.let("grad|g_j|grad_j", kernel.gradient(k, pair) * (m / rest))
        k.aug(grad_i, "+", grad)
        k.aug(total, "+", wp.dot(grad, grad) if p.chance(0.6) else wp.length_sq(grad))
    k.aug(total, "+", wp.dot(grad_i, grad_i))
    constraint = k.let("C|constraint|c_i", rho / rest - 1.0)
    relax = k.param("relaxation|epsilon|cfm", 0.1, 10.0)
    out = c.e.out("lambdas|multipliers|lambda_out", p.real)
    match p.pick("clamp", "branch", "plain", "early"):
        case "clamp":
            out.store(-wp.max(constraint, 0.0) / (total + relax))
        case "branch":
            with k.when(constraint > 0.0):
                out.store(-constraint / (total + relax))
            with k.otherwise():
                out.store(0.0)
        case "plain":
            out.store(-constraint / (total + relax))
        case "early":
            with k.when(constraint <= 0.0):
                k.ret()
            out.store(-constraint / (total + relax))
    if p.chance(0.35):
        error = k.out("density_error|max_error|residual", p.real, (c.e.worlds or 1,))
        k.do(wp.atomic_max(error, c.e.world if c.e.world is not None else 0, constraint))


def position_correction(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p, "position_correction|apply_lambda|pbf_delta|solve_positions|compute_delta_p|displace_particles",
        "Position correction from the density multipliers.", "Move particles so that the density constraint holds.",
    )  # fmt: skip
    lambdas = c.e.field("lambdas|multipliers|lam", p.real, R.uniform(-0.01, 0.0))
    rest = k.param("rest_density|rho0", 800.0, 1200.0)
    mass = mass_of_particles(c) if p.chance(0.5) else None
    c.e.guard()
    x, own = c.here("x|p_i|xi"), lambdas.read("lambda_i|lam_i")
    kernel = c.smoothing()
    delta = k.var("delta|dp|correction", construct(c.vec, 0.0))
    tensile = p.chance(0.5)
    if tensile:
        k_corr = k.param("tensile_k|s_corr_k|k_corr", 0.0001, 0.01)
        reference = k.let("w_ref|w_q|w_dq", kernel.w(k, c.radius * p.pick(0.2, 0.25, 0.3)))
    with c.pairs(x) as pair:
        coefficient: Expr = own + lambdas[pair.j]
        if tensile:
            ratio = k.let("ratio|w_ratio|q", kernel.w(k, pair.d) / reference)
            coefficient = coefficient - k_corr * ratio * ratio * ratio * ratio
        term = kernel.gradient(k, pair) * coefficient
        k.aug(delta, "+", term if mass is None else term * value_at(mass, pair.j))
    k.set(delta, delta / rest)
    if p.chance(0.35):
        limit = k.param("max_displacement|max_delta|step_limit", 0.01, 0.1)
        size = k.let("len_d|mag|dist_moved", wp.length(delta))
        with k.when(size > limit):
            k.set(delta, delta * (limit / size))
    if p.chance(0.5):
        c.e.out("delta_x|deltas|corrections", c.vec).store(delta)
    else:
        low, high = (
            c.e.world_vector("domain_min|lower|box_lo", [0.0] * c.vec.n, c.vec),
            k.quantity("domain_max|upper|box_hi", c.vec, [1.0] * c.vec.n),
        )
        target = c.e.out("predicted|x_out|positions_out", c.vec)
        target.store(wp.min(wp.max(x + delta, low), high) if p.chance(0.6) else x + delta)


def diffusion(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "diffuse_temperature|heat_conduction|scalar_diffusion|diffuse_concentration|thermal_step|mix_dye",
        "Heat conduction between particles.",
        "Explicit diffusion of a scalar carried by the particles.",
        "SPH Laplacian of a scalar, integrated over one step.",
    )
    t = c.e.field("temperatures|temperature|concentration|phi|scalars", p.real, R.uniform(0.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0))
    mass = mass_of_particles(c)
    out = c.e.out("temperature_out|new_phi|scalars_out|phi_next", p.real)
    c.e.guard((out, t.own))
    x, own = c.here("x|xi|pos"), t.read("t_i|phi_i|c_i")
    kernel = c.smoothing()
    rate = k.var("rate|lap|flux|dphi", 0.0, p.real)
    per_item = p.chance(0.3)
    conductivity = (
        c.e.field("conductivity|kappa|diffusivities", p.real, R.uniform(0.01, 0.1))
        if per_item
        else k.param("diffusivity|alpha|kappa", 0.01, 0.1)
    )
    with c.pairs(x) as pair:
        slope = kernel.dw(k, pair.d)
        if isinstance(conductivity, Field):
            a, b = conductivity.own, k.let("k_j|kappa_j", conductivity[pair.j])
            scale: Expr = 4.0 * a * b / (a + b)
        else:
            scale = 2.0 * conductivity
        k.aug(
            rate,
            "+",
            scale * value_at(mass, pair.j) / rho[pair.j] * (own - t[pair.j]) * slope / pair.d,
        )
    dt = c.e.world_param("dt|timestep|h_t", 0.0001, 0.005)
    value = own + dt * rate
    out.store(wp.clamp(value, 0.0, 1.0) if p.chance(0.3) else value)


def continuity(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "continuity|density_rate|velocity_divergence|drho_dt|compute_divergence|density_derivative",
        "Rate of change of density from the velocity divergence.",
        "Continuity equation, optionally with density diffusion.",
        "Divergence of the velocity field at the particles.",
    )
    v = c.e.field(_VELOCITIES, c.vec, R.uniform(-1.0, 1.0))
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0)) if p.chance(0.6) else None
    mass, phase = mass_of_particles(c), rejected_phase(c)
    c.e.guard()
    x, v_i = c.here("x|xi|pos"), v.read("v_i|vi|v")
    kernel = c.smoothing()
    rate = k.var("drho|div|rate", 0.0, p.real)
    with c.pairs(x, reject=phase) as pair:
        grad = k.let("grad|gw|grad_w", kernel.gradient(k, pair))
        k.aug(rate, "+", value_at(mass, pair.j) * wp.dot(v_i - v[pair.j], grad))
        if rho is not None and p.chance(0.5):
            strength = k.param("delta_sph|diffusion|density_diffusion", 0.01, 0.2)
            jump = k.let("jump|psi|drho_ij", 2.0 * (rho[pair.j] - rho.own) / pair.d)
            k.aug(
                rate,
                "-",
                strength
                * c.radius
                * jump
                * value_at(mass, pair.j)
                / rho[pair.j]
                * wp.dot(pair.r, grad)
                / pair.d,
            )
    if rho is None:
        c.e.out("divergence|div_v|drho_dt", p.real).store(rate)
        return
    dt = c.e.world_param("dt|timestep|step", 0.0001, 0.005)
    rest = k.param("rest_density|rho0|rho_min", 600.0, 900.0)
    c.e.out("density_out|rho_next|predicted_density", p.real).store(
        wp.max(rho.own + dt * rate, rest)
    )


def solver_factor(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p, "dfsph_factor|compute_alpha|divergence_free_factor|solver_diagonal|pressure_diagonal",
        "Diagonal factor of the divergence-free solver.", "Per-particle denominator of the implicit pressure solve.",
    )  # fmt: skip
    mass = mass_of_particles(c)
    rho = c.e.field(_DENSITIES, p.real, R.uniform(800.0, 1400.0)) if p.chance(0.6) else None
    c.e.guard()
    x = c.here("x|xi|pos")
    kernel = c.smoothing()
    total = k.var("sum_grad|grad_total|g_sum", construct(c.vec, 0.0))
    squares = k.var("sum_sq|grad_sq|norm_sum", 0.0, p.real)
    with c.pairs(x) as pair:
        grad = k.let("grad|g|mgrad", kernel.gradient(k, pair) * value_at(mass, pair.j))
        k.aug(total, "+", grad)
        k.aug(squares, "+", wp.dot(grad, grad))
    denominator = k.let("denom|diag", wp.dot(total, total) + squares)
    top = rho.own if rho is not None else k.param("rest_density|rho0", 800.0, 1200.0)
    floor = k.param("min_denom|factor_eps|eps", 1.0e-6, 1.0e-3)
    out = c.e.out("factors|alpha|alphas|diag_out", p.real)
    if p.chance(0.5):
        out.store(top / wp.max(denominator, floor))
    else:
        with k.when(denominator > floor):
            out.store(top / denominator)
        with k.otherwise():
            out.store(0.0)


def gradient_matrix(p: ProgramBuilder) -> None:
    k, c = begin_cloud(
        p,
        "gradient_correction|correction_matrix|renormalization_matrix|moment_matrix|kernel_gradient_correction",
        "Correction matrix that makes SPH gradients exact for linear fields.",
        "Inverse of the first moment of the kernel gradient.",
    )
    volume = c.e.field("volumes|vol|particle_volume", p.real, R.uniform(0.005, 0.03))
    phase = rejected_phase(c)
    c.e.guard()
    x = c.here("x|xi|pos")
    kernel = c.smoothing()
    n = c.vec.n
    moment = k.var("m|moment|a|L", construct(p.mat(n), 0.0))
    with c.pairs(x, reject=phase) as pair:
        grad = k.let("grad|gw|g", kernel.gradient(k, pair))
        k.aug(moment, "-", wp.outer(pair.r, grad) * volume[pair.j])
    det = k.let("det|detm", wp.determinant(moment))
    floor = k.param("det_min|min_det|singular_eps", 1.0e-4, 1.0e-2)
    out = c.e.out("correction|matrices|inv_moment|L_out", p.mat(n))
    match p.pick("branch", "early", "both"):
        case "branch":
            with k.when(wp.abs(det) > floor):
                out.store(inverted(p, moment))
            with k.otherwise():
                out.store(unit_matrix(p, n))
        case "early":
            with k.when(wp.abs(det) < floor):
                out.store(unit_matrix(p, n))
                k.ret()
            out.store(inverted(p, moment))
        case "both":
            trust = k.let("w|trust|blend", wp.clamp(wp.abs(det), 0.0, 1.0))
            out.store(moment * trust + unit_matrix(p, n) * (1.0 - trust))


def unit_matrix(p: ProgramBuilder, n: int) -> Expr:
    return identity(p, n)
