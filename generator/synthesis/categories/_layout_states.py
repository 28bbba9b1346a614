"""Discrete state: enumerated modes, words of flags, variants chosen by module constants."""

from generator.synthesis import recipes as R
from generator.synthesis import types as T
from generator.synthesis.builtins import wp
from generator.synthesis.categories._layout_parts import items
from generator.synthesis.constructs import Enumeration, enumeration
from generator.synthesis.entities import Entities
from generator.synthesis.logic import all_of, any_of
from generator.synthesis.program import KernelBuilder, ProgramBuilder
from generator.synthesis.tree import Expr, Name

# Modes of a controlled device: off, working, and what it falls into when a limit is passed.
_MACHINES = (
    ("ValveState|ValveMode", ("CLOSED", "OPENING", "OPEN", "FAULT"), "pressure|inlet_pressure"),
    ("ChargeState|ChargerMode", ("IDLE", "CHARGING", "FULL", "FAULT"), "voltage|cell_voltage"),
    ("HeaterMode|HeaterState", ("OFF", "HEATING", "HOLDING", "TRIPPED"), "temperature|temp"),
    ("PumpState|PumpMode", ("STOPPED", "PRIMING", "RUNNING", "ALARM"), "level|tank_level"),
)


def state_machine(p: ProgramBuilder) -> None:
    """One step of a state machine: which mode follows from the mode and a measurement."""
    k = p.kernel_builder(
        "step_state_machine|update_modes|advance_states|next_mode|control_step",
        p.pick("Transitions between modes.", "One transition per device.", ""),
    )
    e = items(p, k)
    hint, members, signal = p.shared.setdefault("machine", p.pick(*_MACHINES))
    if "modes" not in p.shared:
        p.shared["modes"] = enumeration(p, hint, list(members))
    modes: Enumeration = p.shared["modes"]
    off, working, done, fault = (modes[m] for m in members)
    state = e.inout("states|modes|mode", T.I32, R.integers(0, 4))
    value = e.field(signal, p.real, R.uniform(0.0, 4.0)).read(signal.split("|")[0][:1] + "|value|m")
    low, high = (
        k.param("low|start_level|lower", 0.5, 1.5),
        k.param("high|stop_level|upper", 2.0, 3.0),
    )
    mode = k.var("mode|current|st", state.own)
    with k.when(mode == off):
        with k.when(value < low):
            k.set(mode, working)
    with k.elsewhen(mode == working):
        with k.when(value > high):
            k.set(mode, done)
    with k.elsewhen(all_of(mode == done, value < low) if p.chance(0.5) else mode == done):
        k.set(mode, working if p.chance(0.5) else off)
    if p.chance(0.6):
        with k.when(value > k.param("trip_level|critical|max_allowed", 3.3, 3.8)):
            k.set(mode, fault)
    state.store(mode)
    if p.chance(0.4):
        duty = k.param("power|duty|rate", 0.2, 5.0)
        with k.when(mode == working):
            e.out("output|drive|command", p.real).store(duty)


def flag_words(p: ProgramBuilder) -> None:
    """Bits of a word that say what is known about an item: set, cleared and tested."""
    k = p.kernel_builder(
        "update_flags|mark_items|classify_quality|set_status_bits|refresh_flags",
        p.pick("Sets and clears status bits.", "Quality flags of each item.", ""),
    )
    e = items(p, k)
    names = ["VALID", "NOISY", "SATURATED", "STALE"]
    if "quality" not in p.shared:
        hint = "Status|Quality|StatusFlags|Condition"
        p.shared["quality"] = enumeration(p, hint, names, flag=True)
    bits: Enumeration = p.shared["quality"]
    value = e.field("values|readings|x|level", p.real, R.uniform(0.0, 4.0))
    words = e.inout("flags|status|quality", T.I32, R.integers(0, 16))
    word = k.var("f|word|bits", words.own)
    for bit in p.sample(names[1:], 1, 3):
        _update_bit(p, k, e, word, bits[bit], value.own)
    if p.chance(0.5):
        with k.when(any_of((word & bits["NOISY"]) != 0, (word & bits["STALE"]) != 0)):
            k.set(word, word & ~bits["VALID"])
    words.store(word)
    if p.chance(0.5):
        with k.when((word & bits["VALID"]) != 0):
            e.out("accepted|clean|good_values", p.real).store(value.own)


def _update_bit(
    p: ProgramBuilder, k: KernelBuilder, e: Entities, word: Name, bit: Expr, value: Expr
) -> None:
    match p.pick("level", "age", "change"):
        case "level":
            test = value > k.param("limit|full_scale|ceiling", 2.5, 3.8)
        case "age":
            age = e.field("age|frames_since|ticks", T.I32, R.integers(0, 20))
            test = age.own > k.count("max_age|timeout|patience", p.pick(5, 8, 12))
        case _:
            last = e.field("previous|last_values|x_prev", p.real, R.uniform(0.0, 4.0))
            test = wp.abs(value - last.own) > k.param("jump|max_change|tolerance", 0.5, 2.0)
    with k.when(test):
        k.set(word, word | bit)
    if p.chance(0.5):
        with k.otherwise():
            k.set(word, word & ~bit)


def switches(p: ProgramBuilder) -> None:
    """Variants of a model that a constant of the module switches when the kernel is compiled."""
    k = p.kernel_builder(
        "relax_values|update_levels|filter_step|apply_model|advance_levels|track_signal",
        p.pick(
            "Options are fixed when the kernel is built.", "Model variants by module constants.", ""
        ),
    )
    e = items(p, k)
    x = e.field("x|values|level|signal", p.real, R.uniform(-1.0, 3.0))
    rate = k.param("rate|gain|alpha|k", 0.05, 0.8)
    v = k.var("v|value|x_new", x.own)
    _variant(p, k, v, rate)
    for option in p.sample([_limited, _damped, _squared], 0, 2):
        option(p, k, v)
    e.out("out|next_values|filtered", p.real).store(v)


def _variant(p: ProgramBuilder, k: KernelBuilder, v: Name, rate: Expr) -> None:
    target = k.param("target|setpoint|rest_value", 0.5, 2.0)
    mode = p.const("MODEL|MODE|VARIANT|SCHEME", p.pick(0, 1, 2))
    with k.when(mode == 0):
        k.aug(v, "+", rate * (target - v))
    with k.elsewhen(mode == 1):
        k.set(v, target + (v - target) * wp.exp(-rate))
    if p.chance(0.6):
        with k.otherwise():
            k.set(v, (v + rate * target) / (1.0 + rate))


def _limited(p: ProgramBuilder, k: KernelBuilder, v: Name) -> None:
    with k.when(p.const("CLAMP_OUTPUT|LIMIT_RANGE|SATURATE", p.chance(0.6))):
        k.set(v, wp.clamp(v, 0.0, k.param("ceiling|upper|max_value", 1.0, 2.5)))


def _damped(p: ProgramBuilder, k: KernelBuilder, v: Name) -> None:
    with k.when(p.const("USE_DAMPING|WITH_LOSSES|ENABLE_DECAY", p.chance(0.6))):
        k.aug(v, "*", 1.0 - k.param("loss|damping|leak", 0.01, 0.2))


def _squared(p: ProgramBuilder, k: KernelBuilder, v: Name) -> None:
    with k.when(p.const("LOG_SCALE|COMPRESS|SQUARE_LAW", p.chance(0.5))):
        k.set(v, wp.log(1.0 + v * v))
    if p.chance(0.4):
        with k.otherwise():
            k.set(v, v * v)
