"""Samples on disk, to be read again series by series."""

import numpy as np

from ewad.ingest.files import spool as module
from ewad.ingest.files.spool import Spool


def test_series_stay_apart_and_in_order_however_they_come(monkeypatch):
    monkeypatch.setattr(module, "PIECE_SAMPLES", 7)
    spool, expected = Spool(), {}
    rng = np.random.default_rng(0)
    for start in range(0, 500, 25):
        numbers, times = rng.integers(0, 9, 25) * 2, np.arange(start, start + 25.0)
        values = np.where(rng.random(25) < 0.2, np.nan, times)
        spool.add(numbers, times, values)
        for number, value in zip(numbers.tolist(), values.tolist(), strict=True):
            if value == value:
                expected.setdefault(number, []).append((value, value))
    got = {
        number: list(zip(samples["time"].tolist(), samples["value"].tolist(), strict=True))
        for number, samples in spool.series()
    }
    assert got == expected
    assert spool.of(4)["time"].tolist() == [time for time, _ in expected[4]]
    spool.close()


def test_nothing_in_is_nothing_out():
    spool = Spool()
    assert list(spool.series()) == []
    spool.close()
