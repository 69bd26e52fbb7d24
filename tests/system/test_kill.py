"""kill -9 at random moments and at each named point: 0 lost, 0 doubled. `make chaos` has the long form."""

import os
from pathlib import Path

import pytest

from tests.system.kills import survive

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
