"""Shards on Apache Spark: a source that reads the log, a processor for each shard, and sinks by batch."""
