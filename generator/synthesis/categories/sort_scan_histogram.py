"""Sorting networks, scans, histograms and segmented reductions."""

from generator.synthesis.categories._bit_sets import bit_sets
from generator.synthesis.categories._float_bits import float_keys
from generator.synthesis.categories._ssh_compaction import compact, runs, search
from generator.synthesis.categories._ssh_histograms import histogram, joint_histogram
from generator.synthesis.categories._ssh_lists import bisect_quantile, encode_runs, set_overlap
from generator.synthesis.categories._ssh_radix import radix
from generator.synthesis.categories._ssh_reductions import by_key, reorder, segments
from generator.synthesis.categories._ssh_rows import sort_rows
from generator.synthesis.categories._ssh_scans import scan_step
from generator.synthesis.categories._ssh_selection import top_k, window_order
from generator.synthesis.categories._ssh_sorting import bitonic, merge, odd_even, rank_sort
from generator.synthesis.categories._ssh_summaries import from_histogram
from generator.synthesis.categories._steps import write_step
from generator.synthesis.program import ProgramBuilder
from generator.synthesis.registry import category


@category("sort_scan_histogram", version=1, title="Sorting, scans and histograms")
def write(p: ProgramBuilder) -> None:
    """Data-parallel building blocks: bitonic and odd-even exchange steps, radix passes, prefix sums, histograms,
    compaction, run detection, bisection, segmented reductions and top-k selection on integer and float keys."""
    intents = {
        sort_rows: 2.6,
        set_overlap: 1.2,
        from_histogram: 1.8,
        bisect_quantile: 1.0,
        encode_runs: 0.9,
        bitonic: 0.8,
        odd_even: 0.5,
        rank_sort: 0.6,
        merge: 0.6,
        top_k: 1.2,
        window_order: 0.8,
        scan_step: 1.2,
        radix: 1.2,
        bit_sets: 2.4,
        float_keys: 1.0,
        compact: 1.0,
        runs: 0.7,
        search: 1.0,
        histogram: 1.5,
        joint_histogram: 1.0,
        segments: 1.6,
        by_key: 0.9,
        reorder: 0.9,
    }
    write_step(p, intents, {histogram, by_key, reorder}, limit=25)
