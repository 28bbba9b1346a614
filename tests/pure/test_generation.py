"""Units become a selection in the order of their numbers, whatever the order they come in."""

import random
from array import array

import pytest

from generator.curation.curator import Candidate
from generator.errors import DataError
from generator.records import Fingerprints, Reject, Stage, UnitStats
from generator.run import generation as module
from generator.run.build import equal_pieces
from generator.run.generation import Generation
from generator.run.parts import UnitReport


def report(unit, size, distinct=10_000):
    """Every program whose index ends in 3 is rejected."""
    rng = random.Random(unit)
    indices = range(unit * size, (unit + 1) * size)
    rejects = [
        Reject(i, "c", Stage.LOWER, "refused", python=f"{i}") for i in indices if i % 10 == 3
    ]
    candidates = tuple(
        Candidate(i, Fingerprints(*[f"{rng.randrange(distinct) << 64:032x}"] * 2), (2000, 1000))
        for i in indices
        if i % 10 != 3
    )
    reasons = tuple({"gradient": "no_adjoint"} if c.index % 2 else {} for c in candidates)
    stats = UnitStats(size, rejects, {"lower": 0.5})
    return UnitReport(unit, f"digest {unit}", candidates, reasons, stats)


def run(config, order, distinct=10_000):
    """Takes units in an order where each block of ten is mixed by `order`."""
    generation = Generation(config)
    for block in range(0, 10_000, 10):
        for unit in order(list(range(block, block + 10))):
            if generation.complete:
                return generation
            generation.accept(report(unit, config.unit_size, distinct))
    raise AssertionError("never complete")


def shuffled(units):
    random.Random(0).shuffle(units)
    return units


@pytest.mark.parametrize("order", [shuffled, lambda units: units[::-1]])
def test_the_outcome_does_not_depend_on_the_order_of_units(config, order):
    one, other = run(config, list), run(config, order)
    assert other.selection == one.selection
    assert other.summary == one.summary
    assert other.digests == one.digests


def test_programs_past_the_size_are_not_counted(config):
    generation = run(config, list)
    last = max(max(part) for part in generation.selection.indices.values() if part)
    summary = generation.summary
    assert summary.sampled == last + 1
    assert summary.rejected == {"lower": {"refused": len(range(3, last + 1, 10))}}
    assert summary.lowered == summary.sampled - summary.rejected["lower"]["refused"]
    assert summary.lowered - sum(summary.dropped.values()) == generation.selection.rows
    assert summary.distinct_skeletons == generation.selection.rows
    assert [reject.index for reject in summary.reject_samples] == [3, 13, 23]


def test_reasons_are_counted_for_rows_alone(config):
    generation = run(config, list)
    rows = [index for part in generation.selection.indices.values() for index in part]
    odd = sum(index % 2 for index in rows)
    assert generation.summary.check_reasons == {"gradient": {"no_adjoint": odd}}


def test_staged_units_are_taken_and_only_missing_ones_are_asked_for(config):
    generation = Generation(config)
    staged = {unit: report(unit, config.unit_size) for unit in (0, 1, 3)}
    asked = []
    for task in generation.missing_units(staged.get):
        asked.append(task.unit)
        generation.accept(report(task.unit, config.unit_size))
    assert asked == [2, *range(4, generation.units)]
    assert generation.summary == run(config, list).summary


def test_a_build_whose_programs_run_out_ends(config, monkeypatch):
    monkeypatch.setattr(module, "_BARREN_PROGRAMS", 200)
    with pytest.raises(DataError, match="none of the last 200 programs became a row"):
        run(config, list, distinct=20)


@pytest.mark.parametrize(("rows", "count"), [(0, 3), (1, 3), (10, 3), (9, 3), (5, 1)])
def test_pieces_are_whole_and_equal(rows, count):
    pieces = equal_pieces(array("q", range(rows)), count)
    assert len(pieces) == count
    assert [index for piece in pieces for index in piece] == list(range(rows))
    assert max(map(len, pieces)) - min(map(len, pieces)) <= 1
