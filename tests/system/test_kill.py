"""kill -9 at random moments and at each named point: 0 lost, 0 doubled. `make chaos` has the long form."""

from pathlib import Path

import pytest

from tests.system.kills import survive

pytestmark = pytest.mark.system


def test_fifteen_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    print(survive(tmp_path, kills=15, seed=5))
