"""Shards of a topic of Kafka in a process of their own, for as long as it lives.

Run: python -m tests.system.kafka_shards ewad.toml kafka://host:port/topic DIR 0 1 2
"""

import sys
from pathlib import Path

from ewad import config
from ewad.scale import kafka_shard
from ewad.scale.kafka_shard import KafkaShards
from ewad.scale.kafka_topic import kafka_topic

if __name__ == "__main__":
    path, address, directory, *numbers = sys.argv[1:]
    kafka_shard.LEAST_JOURNAL_BYTES = 1 << 12  # a snapshot now and then, between two kills too
    settings = config.load(Path(path), {}).engine_settings()
    with KafkaShards(kafka_topic(address), settings, Path(directory), [*map(int, numbers)]) as shards:
        print("running", flush=True)
        while True:
            shards.take(0.2)
