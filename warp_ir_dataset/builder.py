"""`WarpIR`: the dataset as a `datasets` builder, read through the manifests."""

from collections.abc import Iterator
from typing import Any

import datasets
import pyarrow as pa

from warp_ir_dataset.manifest import Manifest, ShardFile, load_manifest, shard_files
from warp_ir_dataset.schema import TARGETS, features


class WarpIRConfig(datasets.BuilderConfig):
    """One of the two configs; `data_dir` is the folder of a build, the checkout's by default."""

    def create_config_id(self, config_kwargs: dict[str, Any], custom_features: Any = None) -> str:
        # Names the cache folder: without the digest, rebuilt data would be read from an old cache.
        digest = load_manifest(self.name, self.data_dir).data_digest
        return super().create_config_id({**config_kwargs, "digest": digest}, custom_features)


class WarpIR(datasets.ArrowBasedBuilder):
    """Pairs of Python kernels and the code that Warp generated from them.

    Raises:
        DatasetNotBuilt: on construction, if `data_dir` holds no build.
        ManifestError: if a manifest or a shard is damaged.
    """

    BUILDER_CONFIG_CLASS = WarpIRConfig
    BUILDER_CONFIGS = [WarpIRConfig(name=target) for target in TARGETS]  # noqa: RUF012

    def _info(self) -> datasets.DatasetInfo:
        return dataset_info(load_manifest(self.config.name, self.config.data_dir))

    def _split_generators(self, dl_manager: Any) -> list[datasets.SplitGenerator]:
        manifest = load_manifest(self.config.name, self.config.data_dir)
        generators = []
        for name in manifest.filled_splits:
            shards = shard_files(manifest, name, self.config.data_dir)
            for shard in shards:
                shard.check_size()
            generators.append(datasets.SplitGenerator(name, gen_kwargs={"shards": shards}))
        return generators

    def _generate_tables(self, shards: list[ShardFile]) -> Iterator[tuple[Any, pa.Table]]:
        for shard_index, shard in enumerate(shards):
            shard.check_digest()
            with shard.path.open("rb") as stream:
                for batch_index, batch in enumerate(pa.ipc.open_stream(stream)):
                    yield (shard_index, batch_index), pa.Table.from_batches([batch])


def dataset_info(manifest: Manifest) -> datasets.DatasetInfo:
    """What `datasets` verifies when it loads the data, sizes as it counts them itself."""
    splits = {
        name: datasets.SplitInfo(name=name, num_bytes=split.num_bytes, num_examples=split.rows)
        for name, split in manifest.filled_splits.items()
    }
    return datasets.DatasetInfo(
        features=features(manifest.config_name),
        license="Apache-2.0",
        splits=datasets.SplitDict(splits),
        download_size=sum(split.bytes for split in manifest.filled_splits.values()),
        dataset_size=manifest.num_bytes,
    )
