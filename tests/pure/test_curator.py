"""Which programs become rows does not depend on how they arrive."""

import random
from itertools import pairwise

import pytest

from generator.config import SplitShares
from generator.curation.curator import Candidate, Curator, Drop
from generator.curation.splits import split_of
from generator.records import Fingerprints

MIB = 1 << 20


def digest(number):
    return f"{number:032x}"


def candidate(index, skeleton, alpha=None, sizes=(1000, 800)):
    # The curator tells programs by the first half of a digest.
    keys = Fingerprints(digest((alpha or skeleton) << 64), digest(skeleton << 64))
    return Candidate(index, keys, sizes)


def stream(count, skeletons, seed=0):
    rng = random.Random(seed)
    return [
        candidate(i, rng.randrange(1, skeletons), rng.randrange(1, 3 * skeletons))
        for i in range(count)
    ]


def test_of_equal_programs_the_first_stays(config):
    decisions = Curator(config).admit(
        [candidate(0, 5, 50), candidate(1, 6), candidate(2, 5, 50), candidate(3, 5, 51)]
    )
    assert [d.drop for d in decisions] == [
        None,
        None,
        Drop.DUPLICATE_SOURCE,
        Drop.DUPLICATE_SKELETON,
    ]
    assert [d.split is None for d in decisions] == [False, False, True, True]


def test_kept_rows_have_skeletons_of_their_own(make_config):
    curator = Curator(make_config(size={"code_mib": 64}))
    candidates = stream(2000, skeletons=700)
    kept = [d.index for d in curator.admit(candidates) if d.split]
    skeletons = [candidates[index].fingerprints.skeleton for index in kept]
    assert len(set(skeletons)) == len(skeletons)
    assert set(skeletons) == {c.fingerprints.skeleton for c in candidates}


@pytest.mark.parametrize("sizes", [(1000, 800), (800, 1000)])
def test_it_ends_at_the_row_that_brings_both_configs_to_their_size(config, sizes):
    curator = Curator(config)
    decisions = curator.admit([candidate(i, i + 1, sizes=sizes) for i in range(10_000)])
    needed = -(-config.size.code_bytes // 800)
    assert len(decisions) == needed
    assert curator.full
    assert curator.selection.rows == needed
    assert curator.selection.code_bytes == dict(
        zip(("cpu", "cuda"), (size * needed for size in sizes), strict=True)
    )
    assert curator.admit([candidate(10_000, 99_999)]) == []


@pytest.mark.parametrize("batch", [1, 7, 64, 5000])
def test_the_selection_does_not_depend_on_batches(config, batch):
    candidates = stream(5000, skeletons=900)
    whole, parted = Curator(config), Curator(config)
    whole.admit(candidates)
    for start in range(0, len(candidates), batch):
        parted.admit(candidates[start : start + batch])
    assert parted.selection == whole.selection
    assert whole.selection.dropped[Drop.DUPLICATE_SKELETON] > 0


def test_indices_are_ascending_and_splits_disjoint(config):
    curator = Curator(config)
    curator.admit(stream(5000, skeletons=900))
    parts = curator.selection.indices.values()
    assert all(a < b for part in parts for a, b in pairwise(part))
    assert len({i for part in parts for i in part}) == curator.selection.rows


def test_a_candidate_out_of_order_is_refused(config):
    with pytest.raises(ValueError, match="program 3 came after 3"):
        Curator(config).admit([candidate(3, 1), candidate(3, 2)])


def test_splits_have_their_shares():
    shares = SplitShares(validation=0.1, test=0.2)
    splits = [split_of(digest(number), shares) for number in range(20_000)]
    for name, share in (("validation", 0.1), ("test", 0.2), ("train", 0.7)):
        assert abs(splits.count(name) / len(splits) - share) < 0.01


def test_a_structure_keeps_its_split():
    """Data built later must not move what a model was tested on into training."""
    shares = SplitShares(validation=0.02, test=0.02)
    splits = {number: split_of(digest(number), shares) for number in range(100)}
    assert [number for number, split in splits.items() if split == "test"] == [17, 22, 37, 59, 74]
    assert [number for number, split in splits.items() if split == "validation"] == []


def test_no_share_means_no_rows():
    shares = SplitShares(validation=0.0, test=0.0)
    assert {split_of(digest(number), shares) for number in range(500)} == {"train"}
