"""Options that fit neither the file nor each other, and what they leave in doubt."""

import json

import pytest

from tests import components
from tests.ingest.files.reading import samples, told, values


@pytest.mark.parametrize("cell", ["1.5", "2.25"])
@pytest.mark.parametrize("between", [",", ";"])
def test_a_decimal_sign_that_is_named_is_the_only_one(write, between, cell):
    path = write(f"time{between}a\n2026-01-01{between}{cell}\n")
    assert f'column "a": expected a number, got "{cell}"' in told(path, decimal=",")
    assert values(samples(path, decimal=".")[0]) == [float(cell)]


def test_a_comma_is_no_decimal_sign_where_the_point_is_named(write):
    path = write("time;a\n2026-01-01;1,234\n2026-01-02;2,5\n")
    assert told(path, decimal=".").startswith('line 3, column "a": expected a number, got "2,5"')
    assert values(samples(path, decimal=",")[0]) == [1.234, 2.5]


@pytest.mark.parametrize("between", [",", ";"])
def test_points_are_of_thousands_where_the_comma_is_named(write, between):
    path = write(f"time{between}a\n2026-01-01{between}1.234\n2026-01-02{between}12\n")
    assert values(samples(path, decimal=",")[0]) == [1234.0, 12.0]
    assert values(samples(path)[0]) == [1.234, 12.0]


WIDE = "time,a,b\n2026-01-01,1,2\n2026-01-02,3,4\n"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"time_column": "time,time"}, '--time-column: expected different columns, got "time,time"'),
        ({"columns": ("time", "a")}, '--columns: expected columns beside that of the time, got "time"'),
        (
            {"stream_column": "a", "time_column": "a"},
            "--stream-column: expected columns beside that of the time",
        ),
        (
            {"stream_column": "a", "value_column": "a"},
            '--stream-column: "a" can\'t be a column of values, too',
        ),
        ({"stream_column": "a", "columns": ("a",)}, '--stream-column: "a" can\'t be a column of values, too'),
        ({"stream_name": "x"}, '--stream-name: expected a name for each stream, got "x" for "b" and "a"'),
        (
            {"stream_column": "a", "value_column": "b", "stream_name": "s/{value}"},
            'got "s/b" for "3" and "1"',
        ),
        ({"skip_rows": 100}, "expected a header and rows, got an empty file"),
        ({"comment": "2"}, "expected rows below the header, got none"),
        ({"time_format": "ms"}, 'line 2, column "time": expected a time, got "2026-01-01"'),
        ({"missing": ("2026-01-01",)}, 'line 2, column "time": expected a time'),
        ({"names": ("time", "a")}, "expected a name for column 3, got none: give names with --names"),
        ({"encoding": "utf-16"}, "try another --encoding"),
        ({"timezone": "../../etc/passwd"}, "--timezone: expected a name such as Europe/Berlin"),
    ],
)
def test_options_that_can_not_be_followed_are_refused(write, options, said):
    assert said in told(write(WIDE), **options)


def test_names_that_a_template_keeps_apart_are_taken(write):
    rows, _ = samples(write(WIDE), stream_name="site/{value}/t")
    assert [name for _, name, _ in rows[:2]] == ["site/a/t", "site/b/t"]


@pytest.mark.parametrize("name", ["time,who,kind,x", "time,who,job,x"])
def test_a_named_column_of_streams_that_leaves_others_mixed_is_doubted(write, name):
    rows = "".join(f"2026-01-0{day},hall,{kind},{day}\n" for day in (1, 2, 3) for kind in "pq")
    path = write(f"{name}\n{rows}")
    other = name.split(",")[2]
    assert f'rows of one time and stream differ in "{other}"' in told(path, stream_column="who")
    assert samples(path, stream_column=f"who,{other}")[1].names == ["hall/p", "hall/q"]


def test_series_of_prometheus_that_share_the_named_label_are_doubted(write):
    series = [
        {"metric": {"__name__": "t", "room": "hall", "job": job}, "values": [[1.7e9, "1"], [1.7e9 + 60, "2"]]}
        for job in ("1", "2")
    ]
    answer = {"status": "success", "data": {"resultType": "matrix", "result": series}}
    path = write(json.dumps(answer), "answer.json")
    assert 'rows of one time and stream differ in "job"' in told(path, stream_column="room")
    assert samples(path)[1].doubts == []


def test_the_zone_of_parquet_s_times_is_told(tmp_path):
    components.module("pyarrow")
    import pandas as pd

    stamps = pd.date_range("2026-01-01", periods=2, freq="h", tz="Europe/Berlin")
    pd.DataFrame({"when": stamps, "a": [1.0, 2.0]}).to_parquet(tmp_path / "a.parquet")
    _, file = samples(tmp_path / "a.parquet")
    assert file.summary()[1] == '  time: column "when", with a zone of their own'
