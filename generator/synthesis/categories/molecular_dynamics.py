"""Molecular dynamics: pair potentials with cutoffs, lists, distribution functions, and the pieces around them."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._extras import dimension
from generator.synthesis.categories._molecular_bonds import BONDS
from generator.synthesis.categories._molecular_box import Box
from generator.synthesis.categories._molecular_pairs import pair_forces
from generator.synthesis.categories._molecular_steps import STEPS
from generator.synthesis.categories._neighbourhood import Cloud
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("molecular_dynamics", version=1, title="Molecular dynamics")
def write(p: ProgramBuilder) -> None:
    """Molecular dynamics: Lennard-Jones, Morse, Buckingham, Coulomb and screened pairs with shifts and
    switches, bonds, angles and
    dihedrals, periodic boxes, neighbour lists, thermostats and barostats, constraints, pressures and
    distribution functions."""
    if not p.fusing:
        p.real = T.F64 if p.chance(0.12) else T.F32
    intents = {
        pair_forces: 5,
        _neighbour_list: 1.8,
        _distribution: 1.3,
        _structure_factor: 1.2,
        _order: 1,
        **BONDS,
        **STEPS,
    }
    p.weighted(intents)(p)


def _neighbour_list(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "build_neighbor_list|verlet_list|fill_neighbor_list|update_neighbors|collect_neighbors|make_pair_list",
        p.pick(
            "Verlet list of every atom.",
            "Collect the neighbours within cutoff and skin.",
            "Half list of close pairs.",
        ),
    )
    c = Cloud(
        k,
        "atom|particle|site",
        radius="list_cutoff|r_list|cutoff|r_verlet",
        positions="positions|x|coords|r",
        kinds={"grid": 3, "sorted": 1, "all": 3, "cells": 2, "next": 1},
        planar=0.1,
    )
    e = c.e
    box = Box(p, k, e, c.vec, 1.0) if not c.gridded and p.chance(0.5) else None
    width = p.pick(12, 16, 24, 32)
    shape = (e.n, width) if e.worlds is None else (e.worlds, e.n, width)
    table = k.array(
        "neighbors|nbr_list|neighbor_list|pair_list", T.I32, shape, R.constant(-1), "inout"
    )
    e.guard()
    half = p.chance(0.4)
    skin = k.param("skin|buffer|list_skin", 0.01, 0.05) if p.chance(0.4) and not c.gridded else None
    reach = c.radius if skin is None else k.let("reach|r_total|limit", c.radius + skin)
    x = c.here("x|xi|r_i")
    count = k.var("count|n|num", 0)
    with c.others(x) as j:
        with k.when(j <= e.index if half else j == e.index):
            k.cont()
        d = k.let("d|dx|delta", x - c.x[j] if box is None else box.image(x - c.x[j]))
        near = wp.dot(d, d) < reach * reach if p.chance(0.6) else wp.length(d) < reach
        if p.chance(0.5):
            with k.when(near):
                with k.when(count < width):
                    k.set(
                        table[(e.index, count) if e.world is None else (e.world, e.index, count)], j
                    )
                k.aug(count, "+", 1)
        else:
            with k.when(all_of(near, count < width)):
                k.set(table[(e.index, count) if e.world is None else (e.world, e.index, count)], j)
                k.aug(count, "+", 1)
    e.out("neighbor_counts|num_neighbors|nbr_count", T.I32).store(
        wp.min(count, width) if p.chance(0.5) else count
    )
    if p.chance(0.4):
        overflow = k.out("overflow|max_count|list_overflow", T.I32, (1,))
        if p.chance(0.5):
            k.do(wp.atomic_max(overflow, 0, count))
        else:
            with k.when(count >= width):
                k.do(wp.atomic_add(overflow, 0, 1))


def _distribution(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "radial_distribution|rdf_histogram|accumulate_rdf|pair_correlation|distance_histogram|bin_pairs",
        p.pick(
            "Histogram of pair distances.",
            "Radial distribution function of a snapshot.",
            "Bin the distances of all pairs.",
        ),
    )
    e = Entities(k, "atom", index="i|tid|a")
    vec, bins = p.vec(dimension(p, 2, 3, 3, 3)), p.pick(16, 20, 32, 40)
    xs = e.field("positions|x|coords|r", vec, R.uniform(0.0, 1.0))
    box = Box(p, k, e, vec, 1.0) if p.chance(0.7) else None
    types = e.field("types|species|atom_type", T.I32, R.integers(0, 3)) if p.chance(0.4) else None
    e.guard()
    r_max = k.param("r_max|max_dist|range", 0.3, 0.5)
    count = k.count("num_bins|n_bins|bins", bins)
    hist = k.out(
        "histogram|hist|bin_counts|g_r",
        p.pick(T.I32, p.real),
        (bins,) if e.worlds is None else (e.worlds, bins),
    )
    x = xs.read("x|xi|r_i")
    width = (
        k.let("dr|bin_width|delta_r", r_max / construct(p.real, count)) if p.chance(0.5) else None
    )
    with k.loop("j|other|b", e.index + 1, e.count()) as j:
        if types is not None:
            with k.when(
                types[j] != types.own if p.chance(0.6) else any_of(types.own != 0, types[j] != 1)
            ):
                k.cont()
        d = k.let("d|dx|delta", x - xs[j] if box is None else box.image(x - xs[j]))
        r = k.let("r|dist|rij", wp.length(d))
        with k.when(r < r_max):
            slot = (
                construct(T.I32, r / width)
                if width is not None
                else construct(T.I32, r / r_max * construct(p.real, count))
            )
            b = k.let("b|bin_id|slot", wp.min(slot, count - 1))
            one = 2 if T.scalar_of(hist.type) == T.I32 and p.chance(0.3) else 1
            k.do(wp.atomic_add(hist, *((b,) if e.world is None else (e.world, b)), one))


def _structure_factor(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "structure_factor|ewald_reciprocal|fourier_density|scattering_intensity|k_space_sum|reciprocal_energy",
        p.pick(
            "Structure factor of each wave vector.",
            "Reciprocal-space part of the Ewald sum.",
            "Fourier modes of the charge density.",
        ),
    )
    e = Entities(k, p.pick("mode", "wave"), count=p.pick(24, 32, 48), index="m|tid|kk")
    atoms, vec = p.pick(48, 64, 96), p.vec(3)
    shape = (atoms,) if e.worlds is None else (e.worlds, atoms)
    ks = e.field("k_vectors|kvecs|wave_vectors", vec, R.uniform(-12.0, 12.0))
    x = k.array("positions|x|coords", vec, shape, R.uniform(0.0, 1.0))
    q = (
        k.array("charges|q|form_factors", p.real, shape, R.uniform(-1.0, 1.0))
        if p.chance(0.7)
        else None
    )
    at = (lambda a, j: a[j]) if e.world is None else (lambda a, j: a[e.world, j])
    e.guard()
    kv = ks.read("k_vec|kv|kk_vec")
    re, im = k.var("re|sum_cos|s_re", 0.0, p.real), k.var("im|sum_sin|s_im", 0.0, p.real)
    with k.loop(
        "j|a|i",
        x.dim(0 if e.worlds is None else 1)
        if p.chance(0.6)
        else k.count("num_atoms|n_atoms", atoms),
    ) as j:
        phase = k.let("phase|arg|kr", wp.dot(kv, at(x, j)))
        k.aug(re, "+", wp.cos(phase) if q is None else at(q, j) * wp.cos(phase))
        k.aug(
            im,
            "+" if p.chance(0.7) else "-",
            wp.sin(phase) if q is None else at(q, j) * wp.sin(phase),
        )
    goal = p.pick("intensity", "ewald", "modes")
    if goal == "modes":
        e.out("rho_k|modes|amplitudes", p.vec(2)).store(construct(p.vec(2), re, im))
        return
    power = k.let("power|s2|mag2", re * re + im * im)
    if goal == "intensity":
        e.out("intensity|s_k|structure", p.real).store(
            power / construct(p.real, x.dim(0 if e.worlds is None else 1))
            if p.chance(0.4)
            else power * k.param("inv_n|scale|norm", 0.01, 0.05)
        )
        return
    alpha, volume = (
        k.param("alpha|ewald_alpha|splitting", 2.0, 6.0),
        k.param("volume|box_volume|vol", 0.8, 4.0),
    )
    k2 = k.let("k2|ksq", wp.dot(kv, kv))
    with k.when(k2 < 1.0e-6):
        k.ret()
    weight = k.let("weight|ak|green", wp.exp(-k2 / (4.0 * alpha * alpha)) / k2)
    energy = k.let("e_k|u_k|energy", 6.2831853 / volume * weight * power)
    if p.chance(0.5):
        e.out("mode_energy|energies|e_out", p.real).store(energy)
    else:
        k.do(
            wp.atomic_add(
                k.out("recip_energy|ewald_energy|energy_sum", p.real, (e.worlds or 1,)),
                e.world if e.world is not None else 0,
                energy,
            )
        )


def _order(p: ProgramBuilder) -> None:
    k = p.kernel_builder(
        "bond_order|hexatic_order|local_density|center_of_neighbors|centro_symmetry|einstein_frequency",
        p.pick(
            "Local order parameter of every atom.",
            "Hexatic order from bond angles.",
            "Local density and asymmetry of the neighbourhood.",
        ),
    )
    c = Cloud(
        k,
        "atom|particle|site",
        radius="cutoff|r_cut|bond_cutoff",
        positions="positions|x|coords|r",
        planar=0.5,
    )
    e = c.e
    e.guard()
    x = c.here("x|xi|r_i")
    goal = p.pick("hexatic", "asymmetry", "gyration")
    count = k.var("n|count|bonds", 0)
    if goal == "hexatic":
        fold = k.count("fold|symmetry|n_fold", p.pick(4, 6))
        re, im = k.var("re|psi_re", 0.0, p.real), k.var("im|psi_im", 0.0, p.real)
    else:
        total = (
            k.var("s|sum_d|asym", construct(c.vec, 0.0))
            if goal == "asymmetry"
            else k.var("g|gyr|tensor", construct(p.mat(c.vec.n), 0.0))
        )
    with c.pairs(x) as pair:
        if goal == "hexatic":
            angle = k.let("theta|phi|angle", construct(p.real, fold) * wp.atan2(pair.r.y, pair.r.x))
            k.aug(re, "+", wp.cos(angle))
            k.aug(im, "+", wp.sin(angle))
        elif goal == "asymmetry":
            k.aug(total, "+", pair.r / pair.d if p.chance(0.5) else pair.r)
        else:
            k.aug(total, "+", wp.outer(pair.r, pair.r))
        k.aug(count, "+", 1)
    with k.when(count == 0 if p.chance(0.6) else count < 1):
        k.ret()
    inv = k.let("inv_n|norm|inv_count", 1.0 / construct(p.real, count))
    if goal == "hexatic":
        e.out("order|psi|hexatic", p.real).store(wp.sqrt(re * re + im * im) * inv)
        if p.chance(0.4):
            e.out("order_phase|psi_phase|angles", p.real).store(wp.atan2(im, re))
    elif goal == "asymmetry":
        e.out("asymmetry|centro|order", p.real).store(wp.length(total) * inv)
    else:
        mean = k.let("mean_g|g_avg|gyr_avg", total * inv)
        e.out("gyration|rg2|spread", p.real).store(wp.trace(mean))
        if p.chance(0.5):
            e.out("shape_det|anisotropy|volume_like", p.real).store(wp.determinant(mean))
