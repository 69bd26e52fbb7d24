"""Small files in the shapes of vendors' exports, each read at first try as the table beside them says."""

import csv
from pathlib import Path

import pytest

from ewad.ingest.files import FileOptions, read
from tests.ingest.files.reading import at

CORPUS = Path(__file__).parent / "corpus"
with (CORPUS / "expected.csv").open(newline="", encoding="utf-8") as table:
    EXPECTED = list(csv.DictReader(table))


def options_of(text):
    """The options of a row: name=value, of which names are several between semicolons."""
    name, _, value = text.partition("=")
    typed = {"True": True, "False": False}.get(value, value)
    if name in ("names", "missing"):
        typed = tuple(value.split(";"))
    return FileOptions(**{name: typed}) if name else FileOptions()


def test_every_file_of_the_corpus_is_in_the_table():
    files = {path.name for path in CORPUS.iterdir()} - {"expected.csv"}
    assert files == {row["file"] for row in EXPECTED}
    assert len(files) >= 60


@pytest.mark.parametrize("row", EXPECTED, ids=[row["file"] for row in EXPECTED])
def test_a_vendor_s_file_is_read_as_it_is_meant(row):
    times, values, names = [], [], set()
    with read(CORPUS / row["file"], options_of(row["options"]), certain=True) as file:
        for chunk in file:
            times += chunk.time.tolist()
            values += chunk.value.tolist()
            names |= {file.names[stream].replace(" ", "_") for stream in chunk.stream.tolist()}
    assert times == sorted(times)
    assert (times[0], times[-1]) == (at(row["first"]), at(row["last"]))
    assert len(times) == int(row["count"])
    assert " ".join(sorted(names)) == row["streams"]
    assert sum(values) == pytest.approx(float(row["sum"]), abs=1e-5)
