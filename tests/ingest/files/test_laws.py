"""Laws of reading: a table comes back equal or is refused, and where blocks are cut changes nothing."""

import csv

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ewad.errors import SourceError
from ewad.ingest.files import encoding, read
from tests.ingest.files.reading import samples

ROUNDS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

names = st.lists(
    st.text(st.sampled_from("abcxyzäöü _-"), min_size=1, max_size=6).map(lambda name: f"v{name.strip()}"),
    min_size=1,
    max_size=3,
    unique=True,
)
numbers = st.one_of(
    st.floats(-1e6, 1e6, allow_nan=False), st.integers(-1000, 1000).map(float), st.just(np.nan)
)


@st.composite
def tables(draw):
    """A table of a few streams at even times."""
    columns = draw(names)
    n = draw(st.integers(3, 12))
    step = draw(st.sampled_from(["1s", "1min", "10min", "1h", "1D"]))
    start = pd.Timestamp("2024-01-01") + pd.Timedelta(minutes=draw(st.integers(0, 500_000)))
    index = pd.date_range(start.floor(step), periods=n, freq=step, name="time")
    return pd.DataFrame({name: draw(st.lists(numbers, min_size=n, max_size=n)) for name in columns}, index)


@ROUNDS
@given(
    table=tables(),
    sep=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    na_rep=st.sampled_from(["", "NA", "NaN", "null", "?", "-"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    date_format=st.sampled_from([None, "%Y-%m-%dT%H:%M:%SZ", "%d.%m.%Y %H:%M:%S", "%b %d %Y %H:%M:%S"]),
    line=st.sampled_from(["\n", "\r\n", "\r"]),
    written=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "latin-1"]),
    how=st.sampled_from(["index", "column", "numbered"]),
)
def test_what_pandas_writes_comes_back_equal_or_is_refused(
    tmp_path, table, sep, decimal, na_rep, quoting, date_format, line, written, how
):
    path = tmp_path / "table.csv"
    frame = table if how == "index" else table.reset_index()
    frame.to_csv(
        path, sep=sep, decimal=decimal, na_rep=na_rep, quoting=quoting, date_format=date_format,
        lineterminator=line, encoding=written, index=how != "column",
    )  # fmt: skip
    try:
        with read(path, certain=True):
            pass
        rows, _ = samples(path)
    except SourceError:
        return
    seconds = (table.index - pd.Timestamp(0)) / pd.Timedelta("1s")
    expected = [
        (moment, name, value)
        for moment, cells in zip(seconds, table.to_numpy(), strict=True)
        for name, value in zip(table.columns, cells, strict=True)
        if value == value
    ]
    assert sorted(rows) == sorted(expected)


@ROUNDS
@given(
    table=tables(),
    block_bytes=st.integers(1, 200),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    date_format=st.sampled_from([None, "%d/%m/%Y %H:%M:%S", "%Y%m%d%H%M%S", "%s", "%s000"]),
    line=st.sampled_from(["\n", "\r\n", "\r"]),
    shuffled=st.booleans(),
)
def test_where_blocks_are_cut_changes_nothing(
    tmp_path, table, block_bytes, quoting, date_format, line, shuffled
):
    path = tmp_path / "table.csv"
    table = table.sample(frac=1, random_state=0) if shuffled else table
    table.to_csv(path, sep=";", decimal=",", date_format=date_format, quoting=quoting, lineterminator=line)
    before = encoding.BLOCK_BYTES
    told = []
    try:
        for size in (before, block_bytes):
            encoding.BLOCK_BYTES = size
            try:
                rows, file = samples(path)
                told.append((rows, file.summary()))
            except SourceError as error:
                told.append(str(error))
    finally:
        encoding.BLOCK_BYTES = before
    assert told[0] == told[1]
