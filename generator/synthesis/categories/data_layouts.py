"""Data layouts: how the state of a simulation is stored, and how kernels reach into it."""

from generator.synthesis import types as T
from generator.synthesis.categories._layout_locals import pairs, running_extent, scratch
from generator.synthesis.categories._layout_records import nested_records, shared_settings
from generator.synthesis.categories._layout_states import flag_words, state_machine, switches
from generator.synthesis.categories._layout_storage import compact_storage, optional_input
from generator.synthesis.categories._layout_views import packed_state, row_windows, subsets
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("data_layouts", version=1, title="Data layouts and storage")
def write(p: ProgramBuilder) -> None:
    """Kernels around the layout of data: records within records, packed state vectors and their slices, windows and
    subsets of arrays, optional inputs, compact storage types, scratch arrays, state machines and flag words."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted({
        nested_records: 4, shared_settings: 3, packed_state: 4, row_windows: 6, subsets: 4, optional_input: 4,
        compact_storage: 5, scratch: 4, pairs: 4, running_extent: 4, state_machine: 3, flag_words: 3, switches: 4,
    })  # fmt: skip
    intent(p)
