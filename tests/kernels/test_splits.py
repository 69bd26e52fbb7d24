"""Chunk invariance, exact: any split into batches gives the same bytes."""

import pytest

from tests.kernels.scenarios import SCENARIOS, run


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
def test_batches_of_any_size_give_the_bytes_of_all_at_once(name, size):
    assert run(SCENARIOS[name], cuts=range(0, 400, size)) == run(SCENARIOS[name])
