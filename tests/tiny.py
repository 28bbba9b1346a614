"""The config of a build small enough for tests."""

TINY = {
    "name": "tiny",
    "seed": 3,
    "unit_size": 4,
    "size": {"code_mib": 0.4},
    "splits": {"validation": 0.2, "test": 0.2},
    "shards": {"train": 2, "validation": 1, "test": 1},
}
