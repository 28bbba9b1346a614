"""Marching squares."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import construct, wp
from generator.synthesis.categories._geo_extract import _case, _crossing
from generator.synthesis.categories._rays import maybe
from generator.synthesis.logic import any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Call, Expr, Name


def squares(p: ProgramBuilder) -> None:
    """Contours of 2-D fields: cases, segments, lengths and areas."""
    goals = {
        "segments": "marching_squares|contour_segments|iso_lines",
        "length": "contour_length|isoline_length|perimeter_cells",
        "area": "area_below_level|sublevel_area|filled_cells",
        "cases": "square_cases|classify_squares|contour_cases",
    }
    goal = p.pick(*goals)
    k = p.kernel_builder(
        goals[goal],
        p.pick("One thread per cell of the grid.", "Contours of a sampled field.", "", ""),
    )
    rows, cols = p.pick((16, 20), (20, 24), (24, 24))
    field = k.array("field|values|heights|u", T.F32, (rows, cols), R.uniform(-1.0, 1.0))
    k.launch_dim = (rows - 1, cols - 1)
    i, j = k.unpack(["i|row|y", "j|col|x"], Call("wp.tid", (), (), T.TupleType((T.I32, T.I32))))
    iso = k.param("level|iso|contour_value", 0.05, 0.5)
    v = [
        k.let(h, field[i + a if a else i, j + b if b else j])
        for h, (a, b) in zip(
            ("a|v00", "b|v01", "c|v11", "d|v10"), ((0, 0), (0, 1), (1, 1), (1, 0)), strict=True
        )
    ]
    if goal == "area":
        mean = k.let("mean|center_v|avg", (v[0] + v[1] + v[2] + v[3]) * 0.25)
        sharp = k.param("sharpness|width|blend", 0.05, 0.5)
        share = (
            wp.clamp(0.5 + (iso - mean) / sharp, 0.0, 1.0)
            if p.chance(0.6)
            else wp.smoothstep(-sharp, sharp, iso - mean)
        )
        if p.chance(0.4):
            share = share * k.param("cell_area|dx_sq|pixel_area", 0.01, 0.5)
        if p.chance(0.3):
            keep = k.array("mask|region|valid", T.I32, (rows, cols), R.mask(0.7))
            with k.when(keep[i, j] == 0):
                k.ret()
        share = maybe(p, k, "share|fill|fraction", share, 1.0)
        k.set(k.out("fractions|fill_ratio|coverage", T.F32, (rows - 1, cols - 1))[i, j], share)
        k.do(wp.atomic_add(k.out("area|total_area", T.F32, (1,)), 0, share))
        return
    code = _case(p, k, v, iso)
    if goal == "cases":
        k.set(k.out("cases|codes", T.I32, (rows - 1, cols - 1))[i, j], code)
        if p.chance(0.6):
            saddle = any_of(code == 5, code == 10)
            with k.when(saddle):
                k.do(wp.atomic_add(k.out("saddles|ambiguous", T.I32, (1,)), 0, 1))
        return
    with k.when(any_of(code == 0, code == 15)):
        k.ret()
    _segments(p, k, v, iso, i, j, rows, cols, goal)


def _segments(
    p: ProgramBuilder,
    k: KernelBuilder,
    v: list[Name],
    iso: Expr,
    i: Expr,
    j: Expr,
    rows: int,
    cols: int,
    goal: str,
) -> None:
    x, y = k.let("xj|x0|fx", construct(T.F32, j)), k.let("yi|y0|fy", construct(T.F32, i))
    v2 = T.VEC2
    f = _crossing(p, v2)
    corners = [
        construct(v2, x, y),
        construct(v2, x + 1.0, y),
        construct(v2, x + 1.0, y + 1.0),
        construct(v2, x, y + 1.0),
    ]
    if p.chance(0.6):
        corners = [
            k.let(h, c) for h, c in zip(("pa|q0", "pb|q1", "pc|q2", "pd|q3"), corners, strict=True)
        ]
    start, end = (
        k.var("start|s0|first", construct(v2, 0.0)),
        k.var("end|s1|last", construct(v2, 0.0)),
    )
    found = k.var("found|n|hits", 0)
    for m in range(4):
        o = (m + 1) % 4
        with k.when((v[m] < iso) != (v[o] < iso)):
            q = k.let("q|pt|cross_pt", f(corners[m], corners[o], v[m], v[o], iso))
            with k.when(found == 0):
                k.set(start, q)
            with k.otherwise():
                k.set(end, q)
            k.aug(found, "+", 1)
    shape = (rows - 1, cols - 1)
    if goal == "length":
        length = k.let("length|seg_len|ds", wp.length(end - start))
        k.do(wp.atomic_add(k.out("total_length|perimeter", T.F32, (1,)), 0, length))
        if p.chance(0.5):
            k.set(k.out("segment_lengths|cell_length", T.F32, shape)[i, j], length)
        return
    k.set(k.out("starts|seg_start|points_a", v2, shape)[i, j], start)
    k.set(k.out("ends|seg_end|points_b", v2, shape)[i, j], end)
    if p.chance(0.5):
        k.do(wp.atomic_add(k.out("segment_count|num_segments", T.I32, (1,)), 0, found // 2))
