"""The real daemon forgets streams that are silent for too long, and makes room for those it refused."""

from pathlib import Path

import pytest

from tests.system import daemon as daemons
from tests.system import mosquitto
from tests.system.polling import until
from tests.system.publisher import publish

pytestmark = pytest.mark.system

SETTINGS = """
[[stream]]
name = "plant"
topic = "plant/+"
stale_after = "1s"
{}
[limits]
max_streams = 2
"""


def test_a_silent_stream_is_forgotten_and_its_place_is_free(tmp_path: Path) -> None:
    with (
        mosquitto.running(tmp_path / "broker") as broker,
        daemons.running(
            tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS.format('forget_after = "2s"')
        ) as daemon,
    ):
        publish(broker.port, [("plant/a", b"1"), ("plant/b", b"2"), ("plant/c", b"3")])
        daemon.until_value("ewad_streams_refused_total", 1.0)
        daemon.until_value("ewad_streams_forgotten_total", 2.0)
        assert daemon.value("ewad_streams") == 0
        tries = 0

        def let_in() -> bool:  # again and again: it is told of for a second
            nonlocal tries
            tries += 1
            publish(broker.port, [("plant/c", b"4")])
            told = daemon.samples().get("ewad_samples_total", {})
            return any(("stream", "plant/c") in labels and 1 <= n <= tries for labels, n in told.items())

        until(let_in)
        assert "streams forgotten group=plant streams=2" in daemon.stderr


def test_a_stale_stream_makes_room_for_one_that_was_refused(tmp_path: Path) -> None:
    with (
        mosquitto.running(tmp_path / "broker") as broker,
        daemons.running(tmp_path, f"mqtt://127.0.0.1:{broker.port}", SETTINGS.format("")) as daemon,
    ):
        publish(broker.port, [("plant/a", b"1"), ("plant/b", b"2")])

        def let_in() -> bool:
            publish(broker.port, [("plant/b", b"2"), ("plant/c", b"3")])
            values = daemon.samples().get("ewad_value", {})
            return {dict(labels)["stream"]: value for labels, value in values.items()} == {
                "plant/b": 2.0,
                "plant/c": 3.0,
            }

        until(let_in)
        assert daemon.value("ewad_streams_forgotten_total") == 1
