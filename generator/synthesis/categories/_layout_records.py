"""Records that hold records: calibration within a reading, material within a part."""

from collections.abc import Callable
from dataclasses import dataclass

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._layout_parts import items
from generator.synthesis.logic import choose
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr

Fields = tuple[tuple[str, float, float], ...]
Formula = Callable[[ProgramBuilder, list[Expr], list[Expr]], dict[str, Expr]]


@dataclass(frozen=True, slots=True)
class _Domain:
    """An outer record with a record in it; `formula` gives results from the fields of both."""

    outer: str
    inner: str
    member: str  # name of the inner record in the outer one
    fields: Fields
    inner_fields: Fields
    formula: Formula


def _calibrated(p: ProgramBuilder, o: list[Expr], i: list[Expr]) -> dict[str, Expr]:
    raw, age = o
    offset, gain, drift = i
    value = (raw - offset) * gain
    return {
        "calibrated|readings|values": value - drift * age if p.chance(0.6) else value,
        "uncertainty|sigma|spread": drift * wp.sqrt(age),
    }


def _cell(p: ProgramBuilder, o: list[Expr], i: list[Expr]) -> dict[str, Expr]:
    current, voltage = o
    resistance, temperature = i
    hot = resistance * (1.0 + p.pick(0.003, 0.0039, 0.004) * (temperature - 298.0))
    return {
        "terminal_voltage|v_out|voltages": voltage
        - current * (hot if p.chance(0.6) else resistance),
        "heat|losses|dissipation": current * current * hot,
    }


def _duct(p: ProgramBuilder, o: list[Expr], i: list[Expr]) -> dict[str, Expr]:
    speed, diameter = o
    density, viscosity = i
    reynolds = density * speed * diameter / viscosity
    friction = choose(reynolds < 2300.0, 64.0 / reynolds, 0.316 / wp.pow(reynolds, 0.25))
    return {
        "reynolds|re_out|flow_number": reynolds,
        "friction|loss_coefficient|darcy": friction,
        "dynamic_pressure|q_out|head": 0.5 * density * speed * speed,
    }


def _soil(p: ProgramBuilder, o: list[Expr], i: list[Expr]) -> dict[str, Expr]:
    moisture, depth = o
    porosity, conductivity = i
    saturation = wp.clamp(moisture / porosity, 0.0, 1.0)
    return {
        "flux|drainage|percolation": conductivity * wp.pow(saturation, p.pick(3.0, 3.5, 4.0)),
        "storage|deficit|available_water": (porosity - moisture) * depth,
    }


def _wall(p: ProgramBuilder, o: list[Expr], i: list[Expr]) -> dict[str, Expr]:
    inside, outside = o
    conductivity, thickness, area = i
    return {
        "heat_flow|heat_loss|power": conductivity * area * (inside - outside) / thickness,
        "resistance|r_value|insulation": thickness / conductivity,
    }


_DOMAINS = (
    _Domain("Reading|SensorReading", "Calibration|Trim", "calibration|cal|trim",
            (("raw|counts", 0.5, 8.0), ("age|hours", 1.0, 40.0)),
            (("offset|bias", 0.05, 0.4), ("gain|scale", 0.8, 1.3), ("drift|aging", 0.001, 0.01)), _calibrated),
    _Domain("Cell|BatteryCell", "Internals|CellModel", "model|internals",
            (("current|load", 0.2, 3.0), ("voltage|ocv", 3.2, 4.1)),
            (("resistance|r0", 0.01, 0.08), ("temperature|temp", 280.0, 320.0)), _cell),
    _Domain("Duct|PipeSegment|Channel", "Fluid|Medium", "fluid|medium",
            (("speed|velocity", 0.2, 3.0), ("diameter|width", 0.02, 0.3)),
            (("density|rho", 800.0, 1100.0), ("viscosity|mu", 0.01, 0.2)), _duct),
    _Domain("Layer|SoilLayer", "Hydraulics|SoilType", "soil|hydraulics",
            (("moisture|theta", 0.05, 0.4), ("depth|thickness", 0.1, 1.2)),
            (("porosity|theta_s", 0.35, 0.55), ("conductivity|k_s", 0.05, 2.0)), _soil),
    _Domain("Zone|Room|Boundary", "Panel|WallType", "wall|panel",
            (("inside|t_in", 290.0, 298.0), ("outside|t_out", 260.0, 285.0)),
            (("conductivity|k", 0.03, 0.9), ("thickness|d", 0.05, 0.4), ("area|surface", 1.0, 12.0)), _wall),
)  # fmt: skip


def _structs(p: ProgramBuilder, d: _Domain) -> tuple[T.StructType, T.StructType]:
    inner = p.struct(d.inner, {h: p.real for h, _, _ in d.inner_fields})
    fields: dict[str, T.Type] = {h: p.real for h, _, _ in d.fields}
    if p.chance(0.5):
        return p.struct(d.outer, {d.member: inner} | fields), inner
    return p.struct(d.outer, fields | {d.member: inner}), inner


def _members(
    outer: T.StructType, inner: T.StructType, record: Expr
) -> tuple[list[Expr], list[Expr]]:
    """The fields of a record, and those of the record in it."""
    plain, below = [], []
    for name, t in outer.fields:
        if t == inner:
            below = [record.field(name).field(n) for n, _ in inner.fields]
        else:
            plain.append(record.field(name))
    return plain, below


def _field_recipes(
    p: ProgramBuilder, names: list[str], fields: Fields, shape: tuple[int, ...]
) -> R.Recipe:
    name = T.dtype_name(p.real)
    return {
        n: R.array(name, shape, R.uniform(low, high), "in")
        for n, (_, low, high) in zip(names, fields, strict=True)
    }


def _value_recipes(p: ProgramBuilder, names: list[str], fields: Fields) -> R.Recipe:
    name = T.dtype_name(p.real)
    return {
        n: R.value(name, p.nice(low, high)) for n, (_, low, high) in zip(names, fields, strict=True)
    }


def nested_records(p: ProgramBuilder) -> None:
    """An array of records, each with a record in it."""
    d = p.shared.setdefault("domain", p.pick(*_DOMAINS))
    k = p.kernel_builder(
        "evaluate_records|apply_calibration|update_readings|process_records|derive_quantities",
        p.pick("Derived quantities of every record.", "One record per thread.", ""),
    )
    e = items(p, k)
    outer, inner = _structs(p, d)
    shape = (e.n,) if e.worlds is None else (e.worlds, e.n)
    below = R.struct(
        inner.name, _field_recipes(p, [n for n, _ in inner.fields], d.inner_fields, shape)
    )
    recipes = {n: below for n, t in outer.fields if t == inner}
    plain = [n for n, t in outer.fields if t != inner]
    recipes |= _field_recipes(p, plain, d.fields, shape)
    ordered = {n: recipes[n] for n, _ in outer.fields}
    array = k.arg(
        "records|readings|table|parts", T.Array(outer, len(shape)),
        R.struct_array(outer.name, shape, ordered, "in"), 1,
    )  # fmt: skip
    record: Expr = array[e.index] if e.world is None else array[e.world, e.index]
    if p.chance(0.35):
        _through_function(p, k, d, (outer, inner), record, e.out)
        return
    record = k.let("rec|record|r|entry", record) if p.chance(0.6) else record
    _store_results(p, d, *_members(outer, inner, record), e.out)


def _store_results(
    p: ProgramBuilder, d: _Domain, plain: list[Expr], below: list[Expr], out: Callable[..., object]
) -> None:
    results = d.formula(p, plain, below)
    for hint in p.sample(list(results), 1, len(results)):
        out(hint, p.real).store(results[hint])  # type: ignore[attr-defined]


def _through_function(
    p: ProgramBuilder, k: KernelBuilder, d: _Domain, structs: tuple[T.StructType, T.StructType],
    record: Expr, out: Callable[..., object],
) -> None:  # fmt: skip
    outer, inner = structs
    chosen: list[str] = []

    def body(b, r) -> None:  # type: ignore[no-untyped-def]
        results = d.formula(p, *_members(outer, inner, r))
        chosen.append(p.pick(*results))
        b.ret(results[chosen[0]])

    function = p.func("evaluate|derived|quantity_of|from_record", {"r|rec|record": outer}, body)
    out(chosen[0], p.real).store(function(record))  # type: ignore[attr-defined]


def shared_settings(p: ProgramBuilder) -> None:
    """One record of settings, with a record in it, for arrays of plain numbers."""
    d = p.shared.setdefault("domain", p.pick(*_DOMAINS))
    k = p.kernel_builder(
        "evaluate_channels|apply_settings|convert_readings|model_outputs|compute_response",
        p.pick("The same settings for every item.", "Response of each item.", ""),
    )
    e = items(p, k)
    inner = p.struct(d.inner, {h: p.real for h, _, _ in d.inner_fields})
    limit = "limit|full_scale|ceiling|max_value"
    config = p.struct("Config|Setup|Options|Settings", {d.member: inner, limit: p.real})
    member, bound = (n for n, _ in config.fields)
    below = _value_recipes(p, [n for n, _ in inner.fields], d.inner_fields)
    top = p.nice(2.0, 50.0)
    recipe = R.struct(
        config.name,
        {member: R.struct(inner.name, below), bound: R.value(T.dtype_name(p.real), top)},
    )
    settings = k.arg("config|setup|options|cfg", config, recipe, 2)
    plain: list[Expr] = [e.field(h, p.real, R.uniform(low, high)).own for h, low, high in d.fields]
    model: Expr = settings.field(member)
    model = k.let(d.member, model) if p.chance(0.4) else model
    results = d.formula(p, plain, [model.field(n) for n, _ in inner.fields])
    for hint in p.sample(list(results), 1, 2):
        value = results[hint]
        if p.chance(0.7):
            value = wp.min(value, settings.field(bound))
        else:
            value = value / settings.field(bound)
        e.out(hint, p.real).store(value)
