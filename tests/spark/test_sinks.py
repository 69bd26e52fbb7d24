"""Rows of a batch to MQTT, on a real broker; to Parquet: test_object_store.py, to scrapes: tests/scale."""

import json

import pytest

from ewad import config
from ewad.scale import Shard
from ewad.scale.shard import all_rows
from tests.spark.test_rescale import commit
from tests.system import mosquitto
from tests.system.polling import until
from tests.system.test_gateway import SETTINGS
from tests.system.test_publishing import subscribed

pytestmark = pytest.mark.system
PUBLISH = '[publish]\ntopic = "out/{stream}"\navailability_topic = "out/there"\nretain = true\n'


class Batch:
    """Rows as Spark gives them, without its JVM."""

    def __init__(self, shard):
        from pyspark.sql import Row

        table = shard.latest(all_rows(shard.engine))
        rows = zip(*table.values(), strict=True)
        self._rows = [Row(**dict(zip(table, row, strict=True))) for row in rows]

    def toLocalIterator(self):
        return iter(self._rows)


def test_each_changed_stream_is_published_as_it_stands_and_again_if_the_batch_comes_again(tmp_path):
    pytest.importorskip("pyspark", reason="pyspark isn't installed: make scale")
    from ewad.scale.spark.sinks import BatchMessages

    with mosquitto.running(tmp_path / "broker") as broker, subscribed(broker) as subscriber:
        path = tmp_path / "ewad.toml"
        path.write_text(f'[mqtt]\nurl = "mqtt://127.0.0.1:{broker.port}"\n{SETTINGS}{PUBLISH}')
        settings = config.load(path, {})
        shard = Shard(settings.engine_settings())
        shard.apply(commit(0)[1])
        sink, topic = BatchMessages(settings), "out/plant/1-3/value"
        try:
            subscriber.until("out/there", "online")
            for times in (1, 2):  # what waits still gives way to what comes later
                sink.write(Batch(shard), 7)
                until(lambda: len(subscriber.seen.get(topic, ())) == times, lambda: f"{[*subscriber.seen]}")  # noqa: B023
        finally:
            sink.close()
        first, again = map(json.loads, subscriber.seen[topic])
        assert first == again
        group = shard.engine.groups[0]
        row = group.streams.find("plant/1-3/value")
        assert first["value"] == float(group.value[row])
        assert len([each for each in subscriber.seen if each.startswith("out/plant/")]) == 20
