"""Bonded terms: bonds, angles, dihedrals, impropers, and bond-length constraints."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import helper, report
from generator.synthesis.categories._molecular_box import Box
from generator.synthesis.categories._topology import Pool, corners
from generator.synthesis.entities import Entities
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, literal

_F = "forces|f|f_out|atom_forces"


class _Term:
    """Atoms of one bonded term, its parameters by type or by term, and where forces go."""

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        singular: str,
        names: list[str],
        disjoint: bool = False,
    ) -> None:
        self.p, self.k = p, k
        count = p.pick(24, 32, 40) if disjoint else p.pick(48, 64, 80, 96)
        self.e = e = Entities(k, singular, count=count, index="tid|b|t|term")
        self.pool = Pool(e, count * len(names) if disjoint else p.pick(32, 48, 64))
        e.guard()
        self.ids = corners(
            e,
            f"{singular}_atoms|{singular}s|{singular}_indices|{singular}_list",
            names,
            self.pool.count,
            disjoint=disjoint,
        )
        self.vec = p.vec(3)
        self.x = self.pool.field(
            "positions|x|coords|r", self.vec, R.uniform(0.0, 1.0), "inout" if disjoint else "in"
        )
        self.box = Box(p, k, e, self.vec, 1.0) if p.chance(0.45) else None
        kinds = p.pick(3, 4, 6)
        self._types = None
        if p.chance(0.45):
            self._types = k.let(
                "t|kind|type_id",
                e.field(f"{singular}_type|type_ids|kinds", T.I32, R.integers(0, kinds)).own,
            )
        self._kinds = kinds

    def constant(self, hint: str, low: float, high: float) -> Expr:
        """A force-field constant: by type, or per term or global."""
        if self._types is not None:
            return self.k.array(hint, self.p.real, (self._kinds,), R.uniform(low, high))[
                self._types
            ]
        return self.e.property(hint, low, high)

    def between(self, a: int, b: int) -> Expr:
        """The vector from atom `b` to atom `a`."""
        d = self.x[self.ids[a]] - self.x[self.ids[b]]
        return d if self.box is None else self.box.image(d)

    def scatter(self, forces: list[Expr]) -> None:
        """Adds a force to each atom."""
        out = self.pool.out(_F, self.vec)
        for i, f in zip(self.ids, forces, strict=True):
            out.add(f, i)

    def energy(self, value: Expr) -> None:
        """Now and then the term's energy."""
        p, k, e = self.p, self.k, self.e
        match p.weighted({"none": 4, "total": 3, "each": 1.5}):
            case "total":
                total = k.out("energy|total_energy|u_bonded", p.real, (e.worlds or 1,))
                k.do(wp.atomic_add(total, e.world if e.world is not None else 0, value))
            case "each":
                e.out("energies|term_energy|u_out", p.real).store(value)


def _bonds(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "bond_forces|harmonic_bonds|fene_bonds|bonded_forces|morse_bonds|eval_bonds",
        p.pick(
            "Forces of covalent bonds.", "Bond stretching terms.", "Two-body bonded interactions."
        ),
    )
    t = _Term(p, k, "bond", ["i|a|a0", "j|b|a1"])
    kind = p.weighted({"harmonic": 3, "morse": 1, "fene": 1, "quartic": 0.7})
    d = k.let("d|dr|rij", t.between(0, 1))
    r = k.let("r|dist|len", wp.length(d))
    with k.when(r < 1.0e-6):
        k.ret()
    ks, r0 = t.constant("k_bond|bond_k|kb", 10.0, 400.0), t.constant("r0|bond_length|req", 0.1, 0.6)

    def slope(b: Block, dist: Expr, stiff: Expr, rest: Expr) -> Expr:
        if kind == "harmonic":
            return stiff * (dist - rest)
        if kind == "morse":
            ex = b.let("ex|decay", wp.exp(rest - dist))
            return 2.0 * stiff * ex * (1.0 - ex)
        if kind == "fene":
            ratio = b.let("q|ratio", wp.min(dist / (4.0 * rest), 0.98))
            return stiff * dist / (1.0 - ratio * ratio)
        dr = b.let("dr|ext", dist - rest)
        return stiff * dr * (1.0 - 2.0 * dr + 2.3333333 * dr * dr)

    args = {"r|dist": r, "k|kb": ks, "r0|rest": r0}
    dudr = k.let(
        "dudr|tension|fmag",
        helper(
            p,
            k,
            f"{kind}_slope|{kind}_bond|bond_tension",
            args,
            slope,
            p.pick("Derivative of the bond energy.", ""),
        ),
    )
    f = k.let("f|force|fij", d * (-dudr / r))
    out = t.pool.out(_F, t.vec)
    out.add(f, t.ids[0])
    out.subtract(f, t.ids[1])
    if kind == "harmonic":
        t.energy(0.5 * ks * (r - r0) * (r - r0))
    if p.chance(0.25):
        virial = k.out("virial|virial_tensor|stress", p.mat(3), (t.e.worlds or 1,))
        k.do(wp.atomic_add(virial, t.e.world if t.e.world is not None else 0, wp.outer(d, f)))
    report(p, t.e, f, "force", 50.0, {0: 4, 1: 1})


def _angles(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "angle_forces|harmonic_angles|bend_angles|eval_angles|three_body_angles|valence_angles",
        p.pick("Angle bending forces.", "Three-body angle terms.", "Harmonic valence angles."),
    )
    t = _Term(p, k, "angle", ["i|a|a0", "j|b|vertex", "k_|c|a2"])
    d1, d2 = k.let("d1|rij|ba", t.between(0, 1)), k.let("d2|rkj|bc", t.between(2, 1))
    r1, r2 = k.let("r1|len1", wp.length(d1)), k.let("r2|len2", wp.length(d2))
    with k.when(any_of(r1 < 1.0e-4, r2 < 1.0e-4)):
        k.ret()
    cosine = k.let("c|cos_t|costheta", wp.clamp(wp.dot(d1, d2) / (r1 * r2), -0.999, 0.999))
    ka = t.constant("k_angle|angle_k|ka", 1.0, 60.0)
    form = p.pick("harmonic", "harmonic", "cosine", "cosine_sq")
    theta0 = t.constant("theta0|angle0|theta_eq", 1.5, 2.2) if form != "cosine" else ka
    if form == "harmonic":
        theta = k.let("theta|angle|phi", wp.acos(cosine))
        sine = k.let("s|sin_t|sintheta", wp.sqrt(1.0 - cosine * cosine))
        coeff = k.let("coeff|du_dc|a_k", -ka * (theta - theta0) / sine)
        energy = 0.5 * ka * (theta - theta0) * (theta - theta0)
    elif form == "cosine":
        coeff, energy = ka, ka * (1.0 + cosine)
    else:
        gap = k.let("dc|gap|delta_c", cosine - wp.cos(theta0))
        coeff, energy = k.let("coeff|du_dc|a_k", ka * gap), 0.5 * ka * gap * gap
    f1 = k.let("f1|fi|f_a", (d2 / (r1 * r2) - d1 * (cosine / (r1 * r1))) * -coeff)
    f3 = k.let("f3|fk|f_c", (d1 / (r1 * r2) - d2 * (cosine / (r2 * r2))) * -coeff)
    t.scatter([f1, -f1 - f3 if p.chance(0.6) else (f1 + f3) * -1.0, f3])
    t.energy(energy)


def _dihedrals(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "dihedral_forces|torsion_forces|proper_dihedrals|eval_torsions|ryckaert_bellemans|improper_forces",
        p.pick(
            "Torsion forces of four-atom chains.",
            "Proper dihedrals with a cosine series.",
            "Improper torsions that keep groups planar.",
        ),
    )
    t = _Term(p, k, "dihedral", ["i|a|a0", "j|b|a1", "k_|c|a2", "l|d|a3"])
    b1, b2, b3 = (
        k.let("b1|r12", t.between(1, 0)),
        k.let("b2|r23", t.between(2, 1)),
        k.let("b3|r34", t.between(3, 2)),
    )
    m, n = k.let("m|n1|c1", wp.cross(b1, b2)), k.let("n|n2|c2", wp.cross(b2, b3))
    m2, n2, len2 = (
        k.let("m2|m_sq", wp.dot(m, m)),
        k.let("nsq|n_sq", wp.dot(n, n)),
        k.let("l2|b2_len|r_jk", wp.length(b2)),
    )
    with k.when(any_of(m2 < 1.0e-6, n2 < 1.0e-6, len2 < 1.0e-4)):
        k.ret()
    phi = k.let("phi|angle|tors", wp.atan2(wp.dot(wp.cross(m, n), b2) / len2, wp.dot(m, n)))
    kd = t.constant("k_dih|torsion_k|barrier", 0.2, 10.0)
    form = p.pick("cosine", "series", "improper")
    if form == "cosine":
        mult = k.count("multiplicity|periodicity|n_fold", p.pick(1, 2, 3))
        phase = t.constant("phase|phi0|delta0", 0.1, 3.0)
        arg = k.let("arg|x|nphi", construct(p.real, mult) * phi - phase)
        slope: Expr = -kd * construct(p.real, mult) * wp.sin(arg)
        energy = kd * (1.0 + wp.cos(arg))
    elif form == "series":
        terms = p.pick(3, 4, 5)
        c = k.array("rb_coeffs|series|fourier_c", p.real, (terms,), R.uniform(-2.0, 2.0))
        acc = k.var("dudphi|grad|slope_s", 0.0, p.real)
        total = k.var("u|energy_s|pot", 0.0, p.real)
        with k.loop("s|term_n|order", terms if p.real == T.F32 else c.dim(0)) as s:
            w = k.let("w|nn|sf", construct(p.real, s))
            k.aug(acc, "-", c[s] * w * wp.sin(w * phi))
            k.aug(total, "+", c[s] * wp.cos(w * phi))
        slope, energy = kd * acc, kd * total
    else:
        phi0 = t.constant("phi_eq|improper0|psi0", 0.05, 0.5)
        slope, energy = kd * (phi - phi0), 0.5 * kd * (phi - phi0) * (phi - phi0)
    g = k.let("dudphi|torque|du", slope)
    f1 = k.let("f1|fi", m * (g * len2 / m2))
    f4 = k.let("f4|fl", n * (-g * len2 / n2))
    s12, s32 = (
        k.let("p|s12|u12", wp.dot(b1, b2) / (len2 * len2)),
        k.let("q|s32|u32", wp.dot(b3, b2) / (len2 * len2)),
    )
    sv = k.let("sv|shift_v|f_mid", f1 * s12 - f4 * s32)
    t.scatter([f1, sv - f1 if p.chance(0.5) else -f1 + sv, -sv - f4, f4])
    t.energy(energy)


def _constraints(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "shake_bonds|bond_constraints|rattle_positions|constrain_bonds|rigid_bonds|lincs_like_pass",
        p.pick(
            "Iterative bond-length constraints.",
            "SHAKE on disjoint pairs.",
            "Project bonds back to their lengths.",
        ),
    )
    t = _Term(p, k, "bond", ["i|a|a0", "j|b|a1"], disjoint=True)
    w = t.pool.field("inv_mass|inv_masses|w", p.real, R.uniform(0.1, 1.0))
    length = t.constant("bond_length|r0|d0", 0.2, 0.6)
    iterations = k.count("max_iterations|num_iters|iters", p.pick(3, 4, 6, 8))
    tolerance = k.param("tolerance|tol|eps_c", 1.0e-5, 1.0e-3)
    i, j = t.ids
    xi, xj = k.var("xi|x0|ra", t.x[i]), k.var("xj|x1|rb", t.x[j])
    total = k.let("w_sum|wsum|inv_mu", w[i] + w[j])
    residual = k.var("err|res|sigma", literal(0.0, p.real))
    with k.loop("it|step|n", iterations):
        d = k.let("d|dr|bond", xi - xj)
        k.set(residual, wp.dot(d, d) - length * length)
        with k.when(wp.abs(residual) < tolerance):
            k.brk()
        g = k.let(
            "g|lam|scale",
            residual / (4.0 * total * wp.max(wp.dot(d, d), 1.0e-6))
            if p.chance(0.5)
            else residual / (2.0 * total * (wp.dot(d, d) + length * length)),
        )
        k.set(xi, xi - d * (g * w[i] * 2.0) if p.chance(0.5) else xi - d * (2.0 * g * w[i]))
        k.set(xj, xj + d * (2.0 * g * w[j]))
    t.x.store(xi, i)
    t.x.store(xj, j)
    if p.chance(0.5):
        t.e.out("residuals|constraint_error|errors", p.real).store(residual)
    if p.chance(0.3):
        count = k.out("unconverged|num_failed|not_converged", T.I32, (t.e.worlds or 1,))
        with k.when(wp.abs(residual) >= tolerance):
            k.do(wp.atomic_add(count, t.e.world if t.e.world is not None else 0, 1))


BONDS = {_bonds: 1.8, _angles: 1.6, _dihedrals: 1.5, _constraints: 1.2}
