"""What `ewad spark` refuses before Spark is asked."""

import pytest

from ewad import config
from ewad.commands import spark
from ewad.errors import ConfigError, StateError
from tests.console import ewad
from tests.system.daemon import failed

SETTINGS = config.parse({"stream": [{"name": "s", "topic": "a/+"}]}, "test", {})


@pytest.mark.parametrize("text", ["parquet:", "delta:x", "mqtts"])
def test_a_sink_that_there_is_not_is_told(text):
    pytest.importorskip("pyspark", reason="no pyspark here: make scale")
    with pytest.raises(ConfigError, match="expected parquet:DIR, metrics, metrics:HOST:PORT or mqtt, got"):
        spark._sink(SETTINGS, text)


def test_the_sink_of_mqtt_needs_publish():
    pytest.importorskip("pyspark", reason="no pyspark here: make scale")
    with pytest.raises(ConfigError, match=r"--sink mqtt: expected a \[publish\] table"):
        spark._sink(SETTINGS, "mqtt")


def test_without_a_log_there_is_nothing_to_do(tmp_path):
    (tmp_path / "ewad.toml").write_text('[[stream]]\ntopic = "a/+"\nname = "s"\n')
    done = ewad("spark", "-c", tmp_path / "ewad.toml", "--checkpoint", tmp_path / "c")
    assert "--log: expected the folder of a gateway's log" in failed(done, 2)


def test_without_java_the_error_says_what_to_do(monkeypatch):
    pytest.importorskip("pyspark", reason="no pyspark here: make scale")
    from ewad.scale.spark import query

    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    with pytest.raises(ConfigError, match="needs Java 17 or later, got none: install it, or set JAVA_HOME"):
        query.session()


def test_a_query_that_has_failed_is_told_in_a_line():
    pytest.importorskip("pyspark", reason="no pyspark here: make scale")
    from pyspark.errors import StreamingQueryException

    from ewad.scale.spark.query import has_ended

    class Failed:
        def awaitTermination(self, seconds):
            raise StreamingQueryException("[STREAM_FAILED] record: damaged\n=== Streaming Query ===")

    with pytest.raises(StateError) as error:
        has_ended(Failed(), 1.0)
    assert str(error.value) == (
        "ewad spark: the query has ended: [STREAM_FAILED] record: damaged; start it again, it goes on"
    )
