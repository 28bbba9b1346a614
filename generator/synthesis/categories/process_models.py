"""Process and material models: laws of engineering evaluated for every item of an array."""

from generator.synthesis import types as T
from generator.synthesis.categories._laws import evaluate
from generator.synthesis.categories._laws_bio import BIOLOGY
from generator.synthesis.categories._laws_chemistry import CHEMISTRY
from generator.synthesis.categories._laws_electrical import ELECTRICAL
from generator.synthesis.categories._laws_materials import MATERIALS
from generator.synthesis.categories._laws_signals import SIGNALS
from generator.synthesis.categories._laws_thermal import THERMAL
from generator.synthesis.categories._laws_water import WATER
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category

_FIELDS = (BIOLOGY, CHEMISTRY, ELECTRICAL, MATERIALS, SIGNALS, THERMAL, WATER)


@category("process_models", version=1, title="Process and material models")
def write(p: ProgramBuilder) -> None:
    """Laws of engineering evaluated item by item: equations of state and transport, reaction and adsorption kinetics,
    electrical devices, constitutive curves, signal levels, hydraulics, growth and neuron models, price formulas."""
    p.real = T.F64 if p.on("double") else T.F32
    field = p.shared.setdefault("field", p.pick(*_FIELDS))
    evaluate(p, field, p.pick(*field.laws))
