"""kill -9 at random moments and at each named point: 0 lost, 0 doubled. `make chaos` has the long form."""

import os
from pathlib import Path

import pytest

from tests.system.brokers import KINDS, MissingError
from tests.system.kills import count, survive

pytestmark = pytest.mark.system
FEW = 7  # each named point once

WAYS = {
    "MQTT 5 at QoS 1": (15, {}),
    "MQTT 5 at QoS 2": (5, {"qos": 2}),
    "MQTT 3.1.1 at QoS 2": (5, {"qos": 2, "version": "3.1.1"}),
    "websockets at QoS 2": (5, {"qos": 2, "scheme": "ws"}),
}


def test_a_few_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    print(survive(tmp_path, kills=FEW, seed=4))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_kills_lose_and_double_nothing(tmp_path: Path, way: str) -> None:
    few, options = WAYS[way]
    print(survive(tmp_path, kills=int(os.environ.get("KILLS", few)), seed=5, **options))


OWN = "own, lowest free identifier, window 20"
# aedes sends new messages before those in flight: docs/explanation/brokers.md tells what comes of that
# now and then one window of rumqttd's is not recognised when it comes again: docs/explanation/brokers.md
MAY_DOUBLE = ("rumqttd",)
OTHERS = [name for name in KINDS if name != OWN and not name.startswith(("mosquitto", "aedes"))]


def test_kills_with_a_broker_that_gives_the_lowest_free_identifier(tmp_path: Path) -> None:
    kill_with(OWN, tmp_path, 4)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_kills_with_other_brokers_lose_nothing_and_double_nothing_but_where_told(
    name: str, tmp_path: Path
) -> None:
    kill_with(name, tmp_path, 5)


def kill_with(name: str, directory: Path, kills: int) -> None:
    """Kill the daemon so many times with this broker: all messages are alike but for their topics."""
    try:
        row = count(directory, KINDS[name], kills, seed=6)
    except MissingError as reason:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{name} is not installed: {reason}")
    print(row)
    assert (row.lost, 0 if name in MAY_DOUBLE else row.doubled) == (0, 0), row
