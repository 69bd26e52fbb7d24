"""The portable form of a state."""

import io

import msgspec
import numpy as np
import pytest

from ewad.engine import EngineSnapshot
from ewad.engine.snapshot import HEADER, SLICE, WRITTEN_BYTES


def arrays(seed: int, n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "numbers": rng.normal(size=(n, 3)),
        "flags": rng.integers(0, 2, n).astype(bool),
        "scalar": np.array(seed),
        "columns": np.asfortranarray(rng.normal(size=(3, n))),
    }


@pytest.mark.parametrize("n", [0, 1, SLICE, SLICE + 1, WRITTEN_BYTES // 8])
def test_the_portable_form_is_what_numpy_reads_with_each_name_beside_its_labels(n):
    names, labels = [f"s{i}" for i in range(n)], [(("k", str(i)),) for i in range(n)]
    snapshot = EngineSnapshot({"groups": [{"name": "g", "streams": (names, labels)}]}, arrays(1, n))
    with np.load(io.BytesIO(snapshot.to_bytes()), allow_pickle=False) as found:
        header = msgspec.json.decode(found[HEADER].tobytes())
        assert header["groups"][0]["streams"] == [[f"s{i}", [["k", str(i)]]] for i in range(n)]
        for name, array in snapshot.arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].shape == array.shape
