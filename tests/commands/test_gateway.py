"""Where a gateway's log may be."""

from pathlib import Path

import pytest

from tests.console import ewad
from tests.test_extras import without


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("--log", "s3://b/log"), '--log: expected a folder or kafka://host:port/topic, got "s3://b/log"'),
        (("--log", "kafka://host"), '--log: expected kafka://host:port/topic, got "kafka://host"'),
        (
            ("--log", "kafka://host/t", "--keep", "7d"),
            "--keep: expected a folder in --log, got a topic, whose retention Kafka sees to",
        ),
        (
            ("--log", "log", "--kafka-properties", "p"),
            '--kafka-properties: expected a topic in --log, got the folder "log"',
        ),
    ],
)
def test_a_log_that_can_not_be_is_refused(tmp_path: Path, arguments: tuple[str, ...], error: str) -> None:
    (tmp_path / "ewad.toml").write_text('[[stream]]\ntopic = "t"\n')
    done = ewad("gateway", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == f"ewad: {error}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["ewad.toml"]


def test_without_the_extra_of_kafka_the_error_names_it(tmp_path: Path) -> None:
    (tmp_path / "ewad.toml").write_text('[[stream]]\ntopic = "t"\n')
    done = without("confluent_kafka", "gateway", "--log", "kafka://host/topic", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "ewad: ewad gateway --log kafka://... needs confluent_kafka, which is not installed: "
        "pip install 'ewad[kafka]'\n"
    )
