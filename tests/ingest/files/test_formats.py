"""The formats that people have beside delimited text: what their samples are."""

import bz2
import gzip
import io
import json
import lzma
import sqlite3
import subprocess
import sys
import zipfile

import pytest

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, read
from tests import components
from tests.ingest.files.reading import at, samples

NOON = at("2026-01-01 12:00")
NUMBERS = [1.0, float("inf"), float("-inf"), float("nan"), 2.0]


@pytest.fixture
def write(tmp_path):
    def writer(content, name="samples.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


PROMETHEUS = {
    "status": "success",
    "data": {
        "resultType": "matrix",
        "result": [
            {"metric": {"__name__": "t", "room": "hall"}, "values": [[NOON, "1"], [NOON + 60, "2"]]},
            {"metric": {"__name__": "t", "room": "attic"}, "values": [[NOON, "3"]]},
        ],
    },
}
ANNOTATED = """#datatype,string,long,dateTime:RFC3339,double,string,string,string
#group,false,false,false,false,true,true,true
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,room
,,0,2026-01-01T12:00:00Z,1,temp,climate,hall

#datatype,string,long,dateTime:RFC3339,double,string,string,string
#group,false,false,false,false,true,true,true
#default,_result,,,,,,
,result,table,_time,_value,_field,_measurement,room
,,1,2026-01-01T12:01:00Z,3,temp,climate,attic
"""
HISTORY = [
    [
        {"entity_id": "sensor.t", "state": "1", "last_changed": "2026-01-01T12:00:00+00:00"},
        {"state": "2", "last_changed": "2026-01-01T12:01:00+00:00"},
    ],
    [{"entity_id": "sun.sun", "state": "above_horizon", "last_changed": "2026-01-01T12:00:00+00:00"}],
]
OBJECTS = (
    '{"time": "2026-01-01T12:00:00Z", "a": 1, "b": {"c": 2}}\n{"time": "2026-01-01T12:01:00Z", "a": 3}\n'
)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (OBJECTS, [(0, "a", 1.0), (0, "b/c", 2.0), (60, "a", 3.0)]),
        (f"[{OBJECTS.strip().replace(chr(10), ',')}]", [(0, "a", 1.0), (0, "b/c", 2.0), (60, "a", 3.0)]),
        ('{"x": 1, "hourly": {"time": ["2026-01-01T12:00"], "t": [1.5]}}', [(0, "t", 1.5)]),
        (json.dumps(PROMETHEUS), [(0, "hall", 1.0), (0, "attic", 3.0), (60, "hall", 2.0)]),
        (json.dumps(HISTORY), [(0, "sensor.t", 1.0), (60, "sensor.t", 2.0)]),
        (ANNOTATED, [(0, "climate/hall/temp", 1.0), (60, "climate/attic/temp", 3.0)]),
        (
            f'climate,room=hall temp=1,ok=t,why="a b" {NOON:.0f}000000000\n'
            f"# x\nclimate temp=3i {NOON + 60:.0f}000000000\n",
            [(0, "climate/hall/temp", 1.0), (0, "climate/hall/ok", 1.0), (60, "climate/temp", 3.0)],
        ),
    ],
    ids=["lines", "list", "lists side by side", "prometheus", "history", "annotated", "line protocol"],
)
def test_a_format_is_recognised_and_read(write, content, expected):
    rows, file = samples(write(content))
    assert rows == [(NOON + after, name, value) for after, name, value in expected]
    assert file.doubts == []


@pytest.mark.parametrize(
    "content",
    [
        '2026-01-01T13:00:00+0100 a/b 21.5\n2026-01-01T13:01:00+0100 a/c {"v": 1}\n',
        f'{NOON:.0f} a/b 21.5\n{NOON + 60:.0f} a/c {{"v": 1}}\n',
        f'{NOON:.0f}.000000 a/b 21.5\n{NOON + 60:.0f}.000000 a/c {{"v": 1}}\n',
        '{"tst":"2026-01-01T13:00:00.000000Z+0100","topic":"a/b","qos":0,"retain":0,"payload":"21.5"}\n'
        '{"tst":"2026-01-01T13:01:00.000000Z+0100","topic":"a/c","qos":0,"payload":"{\\"v\\": 1}"}\n',
        '{"tst":"2026-01-01T12:00:00Z","topic":"a/b","payload":21.5}\n'
        '{"tst":"2026-01-01T12:01:00Z","topic":"a/c","payload":{"v":1}}\n',
    ],
)
def test_recorded_messages_are_messages(write, content):
    with read(write(content)) as file:
        assert file.layout == "messages"
        found = [tuple(message)[:3] for block in file.messages() for message in block]
    assert [(time, topic, json.loads(payload)) for time, topic, payload in found] == [
        (NOON, "a/b", 21.5),
        (NOON + 60, "a/c", {"v": 1}),
    ]


def test_messages_without_times_are_refused_with_the_remedy(write):
    with pytest.raises(SourceError, match=r"line 1: expected times.*mosquitto_sub -F '%I %t %p'"):
        read(write("site/a 21.5\nsite/b 22\n"))


def test_the_recorder_of_home_assistant_is_read_and_not_written(tmp_path):
    path = tmp_path / "home-assistant_v2.db"
    with sqlite3.connect(path) as database:
        database.executescript(
            "CREATE TABLE states_meta (metadata_id INTEGER PRIMARY KEY, entity_id TEXT);"
            "CREATE TABLE states (state_id INTEGER, state TEXT, last_updated_ts REAL, metadata_id INTEGER);"
            "INSERT INTO states_meta VALUES (1, 'sensor.t'), (2, 'sun.sun'), (3, 'switch.s');"
            f"INSERT INTO states VALUES (1, '1.5', {NOON}, 1), (2, 'below_horizon', {NOON}, 2),"
            f"(3, 'on', {NOON + 1}, 3),"
            f"(4, 'unavailable', {NOON + 2}, 1), (5, '2.5', {NOON + 3}, 1);"
        )
    database.close()
    before = path.read_bytes()
    rows, _ = samples(path)
    assert rows == [(NOON, "sensor.t", 1.5), (NOON + 1, "switch.s", 1.0), (NOON + 3, "sensor.t", 2.5)]
    assert path.read_bytes() == before


def infinite(tmp_path):
    import pandas as pd

    yield "json lines", "\n".join(json.dumps({"time": NOON + i, "a": a}) for i, a in enumerate(NUMBERS))
    yield "json", json.dumps([{"time": NOON + i, "a": a} for i, a in enumerate(NUMBERS)])
    texts = ("1", "+Inf", "-Inf", "NaN", "2")
    series = {"metric": {"stream": "a"}, "values": [[NOON + i, text] for i, text in enumerate(texts)]}
    yield (
        "prometheus",
        json.dumps({"status": "success", "data": {"resultType": "matrix", "result": [series]}}),
    )
    head = "#datatype,string,long,dateTime:RFC3339,double,string\n,result,table,_time,_value,_field\n"
    rows = (f",,0,2026-01-01T12:00:0{i}Z,{text},a\n" for i, text in enumerate(texts))
    yield "annotated", head + "".join(rows)
    yield "line protocol", "".join(f"a v={a} {int(NOON + i)}\n" for i, a in enumerate(NUMBERS))
    path = tmp_path / "made.parquet"
    pd.DataFrame({"time": [NOON + i for i in range(5)], "a": NUMBERS}).to_parquet(path)
    yield "parquet", path.read_bytes()


def test_an_infinite_number_is_a_gap_whatever_the_format(write, tmp_path):
    for name, content in infinite(tmp_path):
        rows, file = samples(write(content))
        assert [(time, value) for time, _, value in rows] == [(NOON, 1.0), (NOON + 4, 2.0)], name
        assert file.profile.gaps == 3, name


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_parquet_keeps_the_zone_of_its_times(tmp_path, zone):
    components.module("pyarrow")
    import pandas as pd

    stamps = pd.date_range("2026-01-01 12:00", periods=3, freq="min", tz=zone)
    path = tmp_path / "samples.parquet"
    pd.DataFrame({"when": stamps, "a": [1, 2, 3], "b": [0.5, None, 1.5], "c": ["x", "y", "z"]}).to_parquet(
        path
    )
    start = NOON - (3600 if zone else 0)
    rows, file = samples(path)
    assert rows == [(start, "a", 1.0), (start, "b", 0.5), (start + 60, "a", 2.0), (start + 120, "a", 3.0),
                    (start + 120, "b", 1.5)]  # fmt: skip
    assert file.notes == ['column "c": text, left out']


def test_a_parquet_file_with_its_times_as_index_is_read(tmp_path):
    components.module("pyarrow")
    import pandas as pd

    path = tmp_path / "samples.parquet"
    index = pd.date_range("2026-01-01 12:00", periods=2, freq="min")
    pd.DataFrame({"a": [1.0, 2.0]}, index=index).to_parquet(path)
    assert samples(path)[0] == [(NOON, "a", 1.0), (NOON + 60, "a", 2.0)]


def zipped(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/samples.csv", content)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, zipped])
def test_packed_files_are_unpacked(write, pack):
    rows, file = samples(write(pack(b"time,a\n0,1\n60,2\n")))
    assert rows == [(0.0, "a", 1.0), (60.0, "a", 2.0)]
    assert file.bytes_read == file.size_bytes


def test_zstd_is_unpacked_in_all_its_frames_or_refused(write):
    zstandard = components.module("zstandard")
    rows = b"".join(b"%d,1\n" % (60 * at) for at in range(30_000))
    packed = zstandard.compress(b"time,a\n") + zstandard.compress(rows)
    assert samples(write(packed))[0] == [(60.0 * at, "a", 1.0) for at in range(30_000)]
    for broken in (packed[:-9], packed[:40] + b"?" + packed[41:]):
        with pytest.raises(SourceError, match="can't read the file: "):
            samples(write(broken))


def test_an_archive_of_several_files_is_refused_with_their_names(tmp_path):
    path = tmp_path / "samples.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", "time,a\n0,1\n")
        archive.writestr("b.csv", "time,a\n0,1\n")
    with pytest.raises(SourceError, match=r"expected one file in the archive, got 2: a\.csv, b\.csv"):
        read(path)


def test_standard_input_is_read_as_a_file_is(tmp_path):
    command = [sys.executable, "-W", "error", "-m", "ewad", "replay", "-", "--explain"]
    done = subprocess.run(
        command, input="time,a\n2026-01-01,1\n2026-01-02,2\n", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("-: CSV, cells between commas; 2 rows\n")


def test_an_encoding_can_be_named_for_lines_too(write):
    content = '{"time": "2026-01-01T12:00:00Z", "Küche": 1}\n'.encode("latin-1")
    with pytest.raises(SourceError, match="--encoding"):
        read(write(content))
    with read(write(content), FileOptions(encoding="latin-1")) as file:
        assert file.names == ["Küche"]
