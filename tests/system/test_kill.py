"""kill -9 at random moments and at each named point: 0 lost, 0 doubled. `make chaos` has the long form."""

import os
from pathlib import Path

import pytest

from tests.system.kills import survive

pytestmark = pytest.mark.system


KILLS = int(os.environ.get("KILLS", "15"))


def test_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    print(survive(tmp_path, kills=KILLS, seed=5))
