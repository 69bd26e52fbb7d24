"""Records from Spark's connector to Kafka, as far as that goes without its jar."""

import importlib.util
import shutil

import pytest

from ewad.errors import ConfigError
from ewad.scale.kafka_topic import kafka_topic

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("pyspark") is None, reason="pyspark isn't installed: make scale"
    ),
    pytest.mark.skipif(shutil.which("java") is None, reason="java isn't installed"),
]
OF_THE_CONNECTOR = "key binary, value binary, topic string, partition int, offset long, timestamp timestamp"


@pytest.fixture(scope="module")
def spark():
    from ewad.scale.spark import query

    session = query.session(1)
    yield session
    session.stop()


def test_a_partition_is_a_shard_and_an_offset_its_place(spark):
    from ewad.scale.spark.query import of_kafka
    from ewad.scale.spark.source import SCHEMA

    rows = [(None, b"first", "plant", 2, 7, None), (None, b"second", "plant", 0, 9, None)]
    found = of_kafka(spark.createDataFrame(rows, OF_THE_CONNECTOR))
    columns = [(name, kind) for name, kind in (each.split() for each in SCHEMA.split(", "))]
    kinds = {"int": "int", "string": "string", "bigint": "long", "binary": "binary"}
    assert [(name, kinds[kind]) for name, kind in found.dtypes] == columns
    assert [tuple(row) for row in found.collect()] == [(2, "", 7, 0, b"first"), (0, "", 9, 0, b"second")]


def test_without_the_connector_the_error_says_how_to_get_it(spark):
    from ewad.scale.spark.query import kafka_records

    with pytest.raises(ConfigError, match=r"--packages org\.apache\.spark:spark-sql-kafka-0-10_2\.13:4\."):
        kafka_records(spark, kafka_topic("kafka://127.0.0.1:1/plant"), {}, None)
