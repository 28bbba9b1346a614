"""Pair potentials and the forces of close pairs."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.block import Block
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._molecular_box import Box
from generator.synthesis.categories._neighbourhood import Cloud
from generator.synthesis.categories._stages import Motion, add_stages, ground, stir
from generator.synthesis.entities import Entities, Field
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder, UserFunction
from generator.synthesis.tree import Expr, Name, literal


class Potential:
    """One pair potential: energy and force over distance, with its parameters.

    `evaluate` gives the force divided by the distance: times the pair's vector, it is the force.
    """

    def __init__(self, k: KernelBuilder, e: Entities, cutoff: Expr, planar: bool = False) -> None:
        p = k.p
        self.k, self.p, self.e, self.cutoff = k, p, e, cutoff
        self.kind = p.weighted(
            {
                "lj": 5,
                "morse": 1.4,
                "coulomb": 1.6,
                "yukawa": 1,
                "buckingham": 1,
                "wca": 1,
                "lj_coulomb": 1.6,
                "soft": 0.7,
            }
        )
        self.types: Field | None = None
        self.charges: Field | None = None
        if "coulomb" in self.kind:
            self.charges = e.field("charges|charge|q", p.real, R.uniform(-0.5, 0.5))
        self.mixed = self.kind in ("lj", "lj_coulomb") and p.chance(0.4)
        if self.mixed:
            self._species()
        else:
            self.eps = k.param("epsilon|eps|well_depth|depth", 0.2, 2.0)
            self.sigma = k.param("sigma|r0|diameter|length_scale", 0.03, 0.06)
        self.extra: list[Expr] = []
        if self.kind in ("yukawa", "morse", "buckingham"):
            names = {
                "yukawa": "kappa|inv_debye|screening",
                "morse": "alpha|width|morse_a",
                "buckingham": "rho|b_inv|decay",
            }
            self.extra = [k.param(names[self.kind], 3.0, 9.0)]
        if self.charges is not None:
            self.extra.append(k.param("coulomb_k|k_e|ke_const", 0.5, 2.0))
        # Atoms in the plane come closer than the repulsion of Lennard-Jones can bear; screened
        # charges have a core.
        self.floor = planar or self.kind == "yukawa" or p.chance(0.3)
        self._function: UserFunction | None = None
        self.separate = p.chance(0.75)

    def _species(self) -> None:
        k, p = self.k, self.p
        count = p.pick(2, 3, 4)
        self.types = self.e.field("types|atom_type|species|type_id", T.I32, R.integers(0, count))
        self.form = p.pick("table", "mixing")
        if self.form == "table":
            self.eps_table = k.array(
                "eps_table|epsilon_ij|eps_mat", p.real, (count, count), R.uniform(0.2, 2.0)
            )
            self.sigma_table = k.array(
                "sigma_table|sigma_ij|sig_mat", p.real, (count, count), R.uniform(0.03, 0.06)
            )
        else:
            self.eps_table = k.array(
                "epsilons|type_eps|well_depths", p.real, (count,), R.uniform(0.2, 2.0)
            )
            self.sigma_table = k.array(
                "sigmas|type_sigma|diameters", p.real, (count,), R.uniform(0.03, 0.06)
            )

    def constants(self, j: Expr) -> tuple[Expr, Expr]:
        """Well depth and length of the pair of this thread's atom and `j`."""
        if not self.mixed:
            return self.eps, self.sigma
        assert self.types is not None
        k, ti, tj = self.k, self.types.own, self.types[j]
        if self.form == "table":
            return self.eps_table[ti, tj], k.let("sig|sigma_ij|s_ij", self.sigma_table[ti, tj])
        eps = k.let("eps|e_ij|eps_ij", wp.sqrt(self.eps_table[ti] * self.eps_table[tj]))
        return eps, k.let("sig|s_ij|sigma_ij", 0.5 * (self.sigma_table[ti] + self.sigma_table[tj]))

    def evaluate(self, j: Expr, r: Expr, energy: bool) -> tuple[Expr, Expr | None]:
        """Force over distance and, where asked for, energy of the pair."""
        eps, sigma = self.constants(j)
        args = [r, eps, sigma, *self.extra]
        if self.charges is not None:
            args.append(self.k.let("qq|q_ij|charge_prod", self.charges.own * self.charges[j]))
        if not self.separate:
            return self._formula(self.k, *args)
        if self._function is None:
            self._function = self._define([a.type for a in args], energy)
        if not energy:
            return self.k.let("fr|f_over_r|fpair|dudr", self._function(*args)), None
        force, u = self.k.unpack(
            ["fr|f_over_r|fpair|dudr", "u|e_pair|energy_ij"], self._function(*args)
        )
        return force, u

    def _define(self, types: list[T.Type], energy: bool) -> UserFunction:
        hints = ["r|dist", "eps|e", "sigma|s", *[f"a{i}|c{i}" for i in range(len(types) - 3)]]

        def body(b: Block, *args: Expr) -> None:
            b.ret(*self._formula(b, *args)[: 2 if energy else 1])

        doc = self.p.pick(
            "Force over distance and energy of a pair." if energy else "Pair force over distance.",
            "Pair interaction at distance r.",
            "",
        )
        name = f"{self.kind}_pair|{self.kind}_interaction|pair_{self.kind}|eval_{self.kind}"
        return self.p.func(name, dict(zip(hints, types, strict=True)), body, doc)

    def _formula(
        self, b: Block, r: Expr, eps: Expr, sigma: Expr, *extra: Expr
    ) -> tuple[Expr, Expr]:
        if self.floor:
            r = b.let("rs|r_safe|rc", wp.max(r, 0.6 * sigma))
        if self.kind in ("lj", "wca", "lj_coulomb", "coulomb"):
            return self._lennard_jones(b, r, eps, sigma, *extra)
        if self.kind == "morse":
            decay = b.let("ex|x|decay", wp.exp(-extra[0] * (r - sigma)))
            return 2.0 * extra[0] * eps * decay * (decay - 1.0) / r, eps * decay * (decay - 2.0)
        if self.kind == "yukawa":
            u = b.let("u|screened|e_y", eps * wp.exp(-extra[0] * r) / r)
            return u * (extra[0] + 1.0 / r) / r, u
        if self.kind == "buckingham":
            rep = b.let("rep|repulsion|born", 20.0 * eps * wp.exp(-extra[0] * r))
            soft = b.let("r6|d6|disp", wp.pow(r * r + sigma * sigma, 3.0))
            c6 = eps * wp.pow(sigma, 6.0)
            return (
                extra[0] * rep / r - 6.0 * c6 / (soft * (r * r + sigma * sigma))
            ), rep - c6 / soft
        x = b.let("x|q|u_r", wp.max(1.0 - r / (2.5 * sigma), 0.0))
        return eps * x / (2.5 * sigma * r), 0.5 * eps * x * x

    def _lennard_jones(
        self, b: Block, r: Expr, eps: Expr, sigma: Expr, *extra: Expr
    ) -> tuple[Expr, Expr]:
        force: Expr | None = None
        energy: Expr | None = None
        if self.kind != "coulomb":
            s2 = b.let("s2|sr2|x2", sigma * sigma / (r * r))
            s6 = b.let("s6|sr6|x6", s2 * s2 * s2)
            force, energy = (
                24.0 * eps * s6 * (2.0 * s6 - 1.0) / (r * r),
                4.0 * eps * s6 * (s6 - 1.0),
            )
            if self.kind == "wca":
                energy = wp.where(s6 > 0.5, energy + eps, literal(0.0, self.p.real))
                force = wp.where(s6 > 0.5, force, literal(0.0, self.p.real))
        if self.kind in ("coulomb", "lj_coulomb"):
            ke, qq = extra[0], extra[1]
            if self.kind == "coulomb":
                soft = b.let("rsoft|d2|r2s", r * r + sigma * sigma)
                root = b.let("rd|inv_d|dist_s", wp.sqrt(soft))
                return ke * eps * qq / (soft * root), ke * eps * qq / root
            assert force is not None
            assert energy is not None
            electro = b.let("ec|u_c|e_coul", ke * qq / r)
            return force + electro / (r * r), energy + electro
        assert force is not None
        assert energy is not None
        return force, energy


def pair_forces(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "pair_forces|nonbonded_forces|compute_forces|lj_forces|short_range_forces|eval_nonbonded|force_kernel|pairwise_interactions",
        p.pick(
            "Non-bonded forces within the cutoff.",
            "Short-range pair forces and energies.",
            "Forces from all neighbours of each atom.",
            "Pair potential with a cutoff.",
        ),
    )
    c = Cloud(
        k,
        "atom|particle|site",
        radius="cutoff|r_cut|rc|cutoff_radius",
        positions="positions|x|coords|r|pos",
        planar=0.12,
    )
    e = c.e
    potential = Potential(k, e, c.radius, planar=c.vec.n == 2)
    box = Box(p, k, e, c.vec, 1.0) if not c.gridded and p.chance(0.6) else None
    exclusion = (
        e.field("molecule|mol_id|residue|chain_id", T.I32, R.integers(0, 12))
        if p.chance(0.22)
        else None
    )
    e.guard()
    x = c.here("x|xi|r_i|pos_i")
    force = k.var("f|force|fi|f_total", construct(c.vec, 0.0))
    want = p.sample(["energy", "virial", "count"], 0, 2)
    energy = k.var("energy|u_i|pe|e_i", 0.0, p.real) if "energy" in want else None
    virial = k.var("virial|w_i|vir", 0.0, p.real) if "virial" in want else None
    count = k.var("n|num|coordination", 0) if "count" in want else None
    shift = p.weighted({"none": 4, "switch": 2, "shift": 1.5})
    inner = (
        k.quantity("r_switch|switch_dist|r_on", p.real, round(0.8 * c.reach, 4))
        if shift == "switch"
        else None
    )
    switch = _switch_function(p) if shift == "switch" else None
    u_shift = (
        k.param("u_shift|energy_shift|u_cut", 0.001, 0.05)
        if shift == "shift" and energy is not None
        else None
    )
    with _close_pairs(p, k, c, box, x, exclusion) as (j, d, r):
        fr, u = potential.evaluate(j, r, energy is not None)
        if switch is not None and inner is not None:
            s = k.let("s|sw|taper", switch(r, inner, c.radius))
            fr, u = fr * s, None if u is None else u * s
        k.aug(force, "+", d * fr)
        if energy is not None and u is not None:
            k.aug(energy, "+", 0.5 * (u if u_shift is None else u - u_shift))
        if virial is not None:
            k.aug(virial, "+", fr * wp.dot(d, d) if p.chance(0.5) else fr * r * r)
        if count is not None:
            k.aug(count, "+", 1)
    _finish(p, k, e, c.vec, x, force, energy, virial, count)


def _switch_function(p: ProgramBuilder) -> UserFunction:
    form = p.pick("cubic", "smoothstep", "cosine")

    def body(b: Block, r: Expr, a: Expr, c: Expr) -> None:
        if form == "smoothstep":
            b.ret(1.0 - wp.smoothstep(a, c, r))
            return
        with b.when(r <= a):
            b.ret(literal(1.0, p.real))
        t = b.let("t|s|x", (r - a) / (c - a))
        b.ret(
            1.0 - t * t * (3.0 - 2.0 * t) if form == "cubic" else 0.5 + 0.5 * wp.cos(3.14159265 * t)
        )

    return p.func(
        "switching|taper|smooth_cutoff|switch_function",
        {"r|dist": p.real, "r_on|inner": p.real, "r_off|outer": p.real},
        body,
        p.pick("Smooth switching function.", ""),
    )


class _close_pairs:
    """The loop over close pairs, with the minimum image where there is a box: yields index, vector, distance."""

    def __init__(
        self,
        p: ProgramBuilder,
        k: KernelBuilder,
        c: Cloud,
        box: "Box | None",
        x: Expr,
        exclusion: Field | None,
    ) -> None:
        self.p, self.k, self.c, self.box, self.x, self.exclusion = p, k, c, box, x, exclusion

    def __enter__(self) -> tuple[Expr, Expr, Expr]:
        p, k, c = self.p, self.k, self.c
        if self.box is None:
            self._inner = c.pairs(self.x)
            pair = self._inner.__enter__()
            self._exclude(pair.j)
            return pair.j, pair.r, pair.d
        self._inner = c.others(self.x)
        j = self._inner.__enter__()
        with k.when(j == c.e.index):
            k.cont()
        self._exclude(j)
        d = k.let("d|dx|rij|delta", self.box.image(self.x - c.x[j]))
        r2 = k.let("r2|d2|rsq", wp.dot(d, d))
        far = r2 >= c.radius * c.radius if p.chance(0.7) else r2 > c.radius * c.radius
        with k.when(any_of(far, r2 < 1.0e-8) if p.chance(0.6) else far):
            k.cont()
        return (
            j,
            d,
            k.let("r|dist|rr", wp.sqrt(wp.max(r2, 1.0e-8)) if p.chance(0.3) else wp.sqrt(r2)),
        )

    def _exclude(self, j: Expr) -> None:
        if self.exclusion is not None:
            with self.k.when(self.exclusion[j] == self.exclusion.own):
                self.k.cont()

    def __exit__(self, *info: object) -> None:
        self._inner.__exit__(*info)  # type: ignore[arg-type]


def _finish(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, vec: T.Vec, x: Expr, force: Name, energy: Name | None,
    virial: Name | None, count: Name | None,
) -> None:  # fmt: skip
    motion = Motion(p, k, e, vec, x, force)
    add_stages(motion, *p.weighted({(0, 0): 6, (1, 2): 1.5, (3, 4): 1.3}), leave_out=(ground, stir))
    k.step(p.pick("", "external field", "outputs"))
    if p.chance(0.25):
        e_field = e.world_vector("e_field|external_field|bias_force", [0.2, 0.0, 0.1][: vec.n], vec)
        k.aug(
            force,
            "+",
            e_field
            * e.field("field_charge|partial_charge|coupling", p.real, R.uniform(-0.5, 0.5)).own,
        )
    if p.chance(0.15):
        k.aug(force, "-", (x - construct(vec, 0.5)) * k.param("trap_k|restraint|k_trap", 0.5, 10.0))
    if p.chance(0.2):
        e.inout("forces|f|f_total_out", vec, R.uniform(-1.0, 1.0)).add(force)
    else:
        e.out("forces|f_out|force_out", vec).store(force)
    where, shape = (e.world if e.world is not None else 0), (e.worlds or 1,)
    if energy is not None:
        if p.chance(0.5):
            e.out("energies|energy_out|pe_out", p.real).store(energy)
        else:
            k.do(
                wp.atomic_add(
                    k.out("potential_energy|total_energy|u_total", p.real, shape), where, energy
                )
            )
    if virial is not None:
        k.do(
            wp.atomic_add(
                k.out("virial_sum|total_virial|w_total", p.real, shape),
                where,
                virial * 0.5 if p.chance(0.6) else virial,
            )
        )
    if count is not None:
        e.out("neighbor_count|coordination_out|num_neighbors", T.I32).store(count)
