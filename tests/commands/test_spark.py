"""What `ewad spark` refuses before Spark is asked."""

import pytest

from ewad import config
from ewad.commands import spark
from ewad.errors import ConfigError
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
