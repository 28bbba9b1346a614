"""What the threads of a block do together besides linear algebra."""

from generator.synthesis import types as T
from generator.synthesis.categories._tco_gather import block_sparse, elements
from generator.synthesis.categories._tco_histograms import histograms
from generator.synthesis.categories._tco_leaders import leaders
from generator.synthesis.categories._tco_pieces import pieces
from generator.synthesis.categories._tco_pipelines import clustering, particle_filter, small_network
from generator.synthesis.categories._tco_queries import tree_queries
from generator.synthesis.categories._tco_records import records
from generator.synthesis.categories._tco_routing import routing
from generator.synthesis.categories._tco_samples import resampling
from generator.synthesis.categories._tco_scans import compaction, envelopes
from generator.synthesis.categories._tco_select import selection
from generator.synthesis.categories._tco_stacks import worklists
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("tile_collectives", version=1, title="Tile collectives")
def write(p: ProgramBuilder) -> None:
    """What the threads of a block do together: gathers and scatters through index tiles, scans and compaction,
    selection, stacks and worklists, sampling, private histograms, tiles of structs and shared tree queries."""
    p.real = T.F64 if p.on("double") else T.F32
    intent = p.weighted(
        {
            elements: 2,
            block_sparse: 1.5,
            routing: 5,
            compaction: 2.4,
            envelopes: 4.4,
            histograms: 2,
            selection: 5.2,
            records: 2.5,
            worklists: 5.6,
            tree_queries: 12,
            resampling: 3.4,
            pieces: 5,
            leaders: 2.2,
            particle_filter: 2.5,
            clustering: 2.2,
            small_network: 2.5,
        }
    )
    intent(p)
