"""Files that are not what they seem, and options that fit neither file nor each other."""

import gzip
import json
from datetime import UTC, datetime

import pytest

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, encoding, read
from tests import components
from tests.ingest.files.reading import at, samples


@pytest.fixture
def write(tmp_path):
    def writer(content, name="samples.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return writer


def values(rows):
    return [value for _, _, value in rows]


def told(path, **options):
    """What a file is refused with."""
    with pytest.raises(SourceError) as caught, read(path, FileOptions(**options), certain=True) as file:
        list(file)
    return str(caught.value).removeprefix(f"{path}: ")


# -- rows that look like what stands above a table --


def test_states_in_the_first_row_are_no_units(write):
    rows, file = samples(write("time,a,c,d\n2026-01-01,21.5 °C,on,true\n2026-01-02,21.6 °C,off,0\n"))
    assert values(rows) == [21.5, 1.0, 1.0, 21.6, 0.0, 0.0]
    assert not any("units in line" in line for line in file.summary())


def test_a_first_row_with_a_text_for_a_number_is_no_header(write):
    content = "time,a\n2026-01-01,error\n2026-01-02,2\n2026-01-03,3\n"
    assert told(write(content)).startswith('line 2, column "a": expected a number, got "error"')
    assert values(samples(write(content), missing=("error",))[0]) == [2.0, 3.0]


def test_names_of_columns_that_are_words_for_states_or_years_are_names(write):
    rows, _ = samples(write("Date,Open,2020\n2026-01-01,1,2\n2026-01-02,3,4\n"))
    assert [name for _, name, _ in rows[:2]] == ["Open", "2020"]


def test_what_is_skipped_or_announced_is_no_row_where_there_is_no_header(write):
    body = "2026-01-01;x;1\n2026-01-02;x;2\n2026-01-03;x;3\n"
    assert values(samples(write(body), skip_rows=1)[0]) == [2.0, 3.0]
    assert values(samples(write(f"sep=;\n{body}"))[0]) == [1.0, 2.0, 3.0]


# -- times --

SECONDS = [1_700_000_000 + 60 * i for i in range(10)]
LATER = [1_700_000_600 + 60 * i for i in range(10)]


@pytest.mark.parametrize("block_bytes", [50, 4 * 2**20])
@pytest.mark.parametrize("unit", [1000, 10**6, 10**9])
@pytest.mark.parametrize("first", ["coarse", "fine"])
def test_times_that_change_their_unit_are_refused_with_the_line(write, monkeypatch, block_bytes, unit, first):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block_bytes)
    coarse, fine = SECONDS, [unit * second for second in LATER]
    times = coarse + fine if first == "coarse" else fine + coarse
    path = write("time,a\n" + "".join(f"{time},{i}\n" for i, time in enumerate(times)))
    said = told(path)
    assert f'column "time": {times[10]} in line 12 is in another unit of Unix time' in said
    assert "--time-format s, or ms" in said
    assert len(samples(path, accept=True)[0]) == 20


def test_times_of_json_that_change_their_unit_are_refused(write):
    times = [*SECONDS, *(1000 * second for second in LATER)]
    lines = "".join(json.dumps({"ts": time, "a": 1}) + "\n" for time in times)
    assert 'column "ts": 1700000600000 in line 11 is in another unit' in told(write(lines, "a.jsonl"))


def test_a_unit_that_is_named_is_in_no_doubt(write):
    path = write("time,a\n" + "".join(f"{1000 * time},1\n" for time in [0, *SECONDS]))
    assert "another unit" in told(path)
    assert "another unit" not in " ".join(samples(path, time_format="ms")[1].doubts)


@pytest.mark.parametrize("unset", ["1970-01-01 00:00:05", "1970-01-01T00:00:00Z"])
def test_times_of_a_clock_that_was_not_set_are_doubted(write, unset):
    content = f"time,a\n{unset},0\n" + "".join(f"2026-01-01 00:{i:02}:00,{i}\n" for i in range(20))
    assert "times of 1970 beside later ones: of a clock that was not set?" in told(write(content))
    years = "".join(f"{year}-01-01,{year}\n" for year in range(1970, 2026))
    assert samples(write(f"time,a\n{years}"))[1].doubts == []


NIGHT = ["01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00", "03:15"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_night_in_which_clocks_go_back_asks_for_the_zone(write, newest_first):
    lines = [f"2026-10-25 {clock},{i}\n" for i, clock in enumerate(NIGHT)]
    path = write("time,a\n" + "".join(reversed(lines) if newest_first else lines))
    assert told(path).startswith("times go back by an hour in 1 place, as where clocks are put back")
    assert values(samples(path, timezone="Europe/Berlin")[0]) == [float(i) for i in range(len(NIGHT))]
    assert samples(path, timezone="UTC")[1].doubts == []


@pytest.mark.parametrize("fall", [-30, -40, -50, -120, -3600])
def test_other_disorder_is_none_of_clocks(write, fall):
    start = at("2026-10-25 02:00")
    minutes = [0, 15, 30, 45, 60, 60 + fall, 75, 90]
    content = "time,a\n" + "".join(f"{_iso(start + 60 * minute)},1\n" for minute in minutes)
    assert samples(write(content))[1].doubts == []


def _iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("year", "said"), [("1880", "1880 to the year 1881"), ("1899", "1899 to the year 1900")]
)
def test_doubtful_years_are_told_as_they_stand(write, year, said):
    path = write(f"year,a\n{year},1\n{int(year) + 1},2\n")
    assert f"times from the year {said}" in told(path)


# -- bytes --

ROWS = [(at("2026-01-01"), "a", 1.0), (at("2026-01-02"), "a", 2.0), (at("2026-01-03"), "a", 3.0)]


@pytest.mark.parametrize(
    "content",
    [
        "time,a\r2026-01-01,1\r2026-01-02,2\r2026-01-03,3\r",
        "time,a\r2026-01-01,1\r2026-01-02,2\r2026-01-03,3",
        "time,a\r\n2026-01-01,1\r2026-01-02,2\n2026-01-03,3\r\n",
        "time,a\n2026-01-01,1\r2026-01-02,2\r2026-01-03,3\r",
        "\ufefftime,a\r2026-01-01,1\r\r2026-01-02,2\r2026-01-03,3\r",
        "made by x\rtime,a\r2026-01-01,1\r2026-01-02,2\r2026-01-03,3\r",
        "# by x\rtime,a\r2026-01-01,1\r2026-01-02,2\r2026-01-03,3\r",
        "time;a\r2026-01-01;1,0\r2026-01-02;2,0\r2026-01-03;3,0\r",
        '"time","a"\r"2026-01-01","1"\r"2026-01-02","2"\r"2026-01-03","3"\r',
        "time a\r2026-01-01 1\r2026-01-02 2\r2026-01-03 3\r",
    ],
)
@pytest.mark.parametrize("block_bytes", [7, 4 * 2**20])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_carriage_return_alone_ends_a_line(write, monkeypatch, content, block_bytes, pack):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block_bytes)
    assert samples(write(pack(content.encode())))[0] == ROWS


def test_carriage_returns_beyond_what_is_surveyed_end_lines_too(write):
    """The first 64 KiB end their lines as today; then a system of old has gone on."""
    lines = [f"{i},{i % 7}" for i in range(30_000)]
    content = "time,a\n" + "".join(line + ("\n" if i < 20_000 else "\r") for i, line in enumerate(lines))
    assert values(samples(write(content), accept=True)[0]) == [float(i % 7) for i in range(30_000)]


def test_line_ends_within_quotes_stay_with_their_cell(write):
    rows, _ = samples(write('time,note,a\r\n2026-01-01,"x\r\ny",1\r\n2026-01-02,z,2\r\n2026-01-03,z,3\r\n'))
    assert rows == ROWS


@pytest.mark.parametrize("encoded", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", "time,a\n2026-01-01,1\n2026-01-02,2\n2026-01-03,3\n", "CSV"),
        (
            "a.jsonl",
            "".join(f'{{"time":"2026-01-0{i}T00:00:00Z","a":{i}}}\n' for i in (1, 2, 3)),
            "JSON lines",
        ),
        (
            "a.json",
            '[{"time":"2026-01-01","a":1},\n{"time":"2026-01-02","a":2},\n{"time":"2026-01-03","a":3}]\n',
            "JSON",
        ),
        (
            "a.lp",
            "".join(
                f"a={i} {1767225600 + 86400 * i - 86400}000000000\n".replace("a=", "a a=") for i in (1, 2, 3)
            ),
            "InfluxDB's line protocol",
        ),
        (
            "influx.csv",
            "#datatype,string,long,dateTime:RFC3339,double,string\n#group,false,false,false,false,true\n"
            "#default,_result,,,,\n,result,table,_time,_value,_measurement\n"
            + "".join(f",,0,2026-01-0{i}T00:00:00Z,{i},a\n" for i in (1, 2, 3)),
            "InfluxDB's annotated CSV",
        ),
    ],
)
def test_a_format_is_recognised_in_every_encoding_with_a_mark_or_zeros(write, encoded, name, content, kind):
    rows, file = samples(write(content.encode(encoded), name))
    assert [(time, value) for time, _, value in rows] == [(time, value) for time, _, value in ROWS]
    assert file.summary()[0].split(": ", 1)[1].startswith(kind)
    assert ("encoding utf-16" in file.summary()[0]) == encoded.startswith("utf-16")


@pytest.mark.parametrize("encoded", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("topics", [("a/b", "c/d"), ("temp", "hum")])
def test_recorded_messages_are_messages_whatever_they_are_stored_as(write, encoded, topics):
    """A table of blanks would mix the topics into one stream."""
    content = "".join(f"2026-01-01T00:0{i}:00+0000 {topics[i % 2]} {i}\n" for i in range(4))
    with read(write(content.encode(encoded), "log.txt")) as file:
        assert file.layout == "messages"
        found = [(message.topic, message.payload) for block in file.messages() for message in block]
    assert found == [(topics[i % 2], b"%d" % i) for i in range(4)]


def test_a_table_of_blanks_with_several_columns_is_no_record_of_messages(write):
    content = "".join(f"2026-01-01T00:0{i}:00 hall {i} 4{i}\n" for i in range(4))
    rows, file = samples(write(content))
    assert file.layout == "wide"
    assert values(rows)[:2] == [0.0, 40.0]


@pytest.mark.parametrize("size", [200_000, 3_000_000])
@pytest.mark.parametrize("ends", ["", "\n"])
def test_a_huge_cell_in_quotes_is_a_cell(write, size, ends):
    note = "z" * size + ends
    content = "time,note,a\n" + "".join(f'2026-01-0{i},"{note}",{i}\n' for i in (1, 2, 3))
    rows, file = samples(write(content))
    assert rows == ROWS
    assert file.notes == ['column "note": text, left out']


def test_a_huge_cell_is_no_number(write):
    said = told(write(f'time,a\n2026-01-01,"{"1" * 200_000}"\n2026-01-02,2\n'))
    assert said.startswith('line 2, column "a": expected a finite number of ordinary size, got "1111')
    assert len(said) < 300


@pytest.mark.parametrize("levels", [300, 900, 2_000, 100_000])
@pytest.mark.parametrize("begin", ["", "[", '{"status":"success","data":{"result":'])
def test_json_of_thousands_of_nested_levels_is_refused_or_read(write, levels, begin):
    path = write(
        begin + '{"a":' * levels + "1" + "}" * levels + "]" * (begin == "[") + "}}" * (len(begin) > 1)
    )
    with pytest.raises(SourceError) as caught:
        read(path, certain=True)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 300 + 2 * levels


def test_an_error_of_prometheus_is_told_in_its_words(write):
    answer = '{"status":"error","errorType":"bad_data","error":"parse error: unexpected end of input"}'
    assert "got its error: parse error: unexpected end of input" in told(write(answer))


# -- options --


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
