"""Loads both configs of a build through `datasets` and shows what came.

Usage: python examples/load.py build/smoke
"""

import sys

from datasets import disable_progress_bars, load_dataset


def main(folder: str) -> None:
    disable_progress_bars()
    for config in ("cpu", "cuda"):
        dataset = load_dataset(folder, config)
        rows = ", ".join(f"{split} {data.num_rows}" for split, data in dataset.items())
        first = dataset["train"][0]
        print(f"\nload_dataset({folder!r}, {config!r}): rows {rows}")
        print(f"  first row: {first['id']}, {first['category']}, kernel {first['kernel_name']},")
        print(f"  {len(first['python'])} characters of Python, {len(first['code'])} of code")


if __name__ == "__main__":
    main(sys.argv[1])
