"""Graph algorithms: traversal, paths, ranks, communities, colourings, walks and message passing."""

from generator.synthesis.categories._bit_sets import bit_sets
from generator.synthesis.categories._graph_components import (
    centrality,
    components,
    dag_levels,
    spanning_tree,
)
from generator.synthesis.categories._graph_groups import communities, degrees, matching
from generator.synthesis.categories._graph_messages import diffuse, messages
from generator.synthesis.categories._graph_paths import bfs, sssp
from generator.synthesis.categories._graph_ranks import rank, walk
from generator.synthesis.categories._graph_search import search
from generator.synthesis.categories._graph_structure import coloring, core, triangles
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("graph_algorithms", version=1, title="Graph algorithms")
def write(p: ProgramBuilder) -> None:
    """Irregular work on sparse graphs: breadth-first levels, shortest paths, PageRank, components, spanning trees,
    communities, triangles, colouring, cores, matchings, random walks and message passing."""
    intents = {
        bfs: 1.4,
        sssp: 1.5,
        components: 1.3,
        spanning_tree: 1.1,
        centrality: 0.9,
        dag_levels: 0.8,
        triangles: 1.4,
        coloring: 1.4,
        core: 1.0,
        communities: 1.2,
        matching: 1.0,
        degrees: 0.8,
        rank: 1.4,
        walk: 1.4,
        messages: 1.5,
        diffuse: 1.0,
        search: 3.2,
        bit_sets: 1.2,
    }
    write_step(p, intents, {rank, degrees, core}, {diffuse, messages}, limit=30)
