"""Lines of JSON: the same numbers as the rows of a replay, in a file of whole lines."""

import csv
import json
import os

import pytest

from ewad import config
from ewad.cli import cli
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.outputs.files.jsonl import JsonlSink
from tests.outputs.test_sinks import observed

SAMPLES = "time,a,b\n" + "".join(
    f"{1.7e9 + 60 * n:.0f},{n % 5},{n % 7 if n % 3 else ''}\n" for n in range(80)
)
SETTINGS = config.parse({"stream": [{"name": "plant", "topic": "{place}/#"}]}, "test", {})


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "samples.csv").write_text(SAMPLES)
    return tmp_path


def jsonl(path):
    return JsonlSink(SETTINGS.with_sink("jsonl", str(path)))


def test_replay_writes_the_same_numbers_as_lines_and_as_rows(folder):
    results = ["-o", "rows.csv", "--results-time-format", "unix"]
    cli.main(["replay", "samples.csv", *results, "--jsonl", "lines.jsonl"], standalone_mode=False)
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    with (folder / "rows.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(lines) == len(rows) == 80 + 53
    for line, row in zip(lines, rows, strict=True):
        assert (line.pop("group"), line.pop("labels"), line.pop("stream")) == (
            "replay",
            {},
            row.pop("stream"),
        )
        assert {name: "" if value is None else repr(value) for name, value in line.items()} == row


def test_a_replay_that_fails_leaves_no_lines(folder):
    (folder / "samples.csv").write_text(SAMPLES + "not a time,1,2\n")
    with pytest.raises(Exception, match=r"samples\.csv"):
        cli.main(["replay", "samples.csv", "--jsonl", "lines.jsonl"], standalone_mode=False)
    assert [path.name for path in folder.iterdir()] == ["samples.csv"]


def test_a_file_is_appended_to_and_labels_are_an_object(folder):
    engine = Engine(SETTINGS.group_settings())
    engine.add_stream(0, "plant/a", (("place", "plant"),))
    for value in (1, 2):
        sink = jsonl(folder / "lines.jsonl")
        sink.observed(observed(engine, value))
        sink.flush()
        sink.close()
    lines = [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]
    assert [line["value"] for line in lines] == [1.0, 2.0]
    assert lines[0]["labels"] == {"place": "plant"}
    assert lines[0]["stddev_0.9"] is None


def test_a_full_disk_loses_no_part_of_a_line(folder, monkeypatch):
    engine = Engine(SETTINGS.group_settings())
    sink = jsonl(folder / "lines.jsonl")
    sink.observed(observed(engine, 1, 2, 3))
    write, room = os.write, [100, 7, 0]

    def little(descriptor, data):
        if not room:
            return write(descriptor, data)
        if (n := room.pop(0)) == 0:
            raise OSError(28, "No space left on device")
        return write(descriptor, bytes(data[:n]))

    monkeypatch.setattr(os, "write", little)
    with pytest.raises(OSError, match="No space left"):
        sink.flush()
    sink.flush()
    assert [json.loads(line)["value"] for line in (folder / "lines.jsonl").read_text().splitlines()] == [
        1,
        2,
        3,
    ]


def test_a_place_where_no_file_can_be_is_told(folder):
    with pytest.raises(ConfigError, match=r"--jsonl .*: can't write there: No such file or directory"):
        jsonl(folder / "nowhere" / "lines.jsonl")
