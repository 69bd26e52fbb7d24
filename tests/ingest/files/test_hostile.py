"""Files that are not what they seem, and damaged ones."""

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, encoding, read
from tests.ingest.files.reading import at, samples, told, values

# -- rows that look like what stands above a table --


def test_states_in_the_first_row_are_no_units(write):
    rows, file = samples(write("time,a,c,d\n2026-01-01,21.5 °C,on,true\n2026-01-02,21.6 °C,off,0\n"))
    assert values(rows) == [21.5, 1.0, 1.0, 21.6, 0.0, 0.0]
    assert not any("units in line" in line for line in file.summary())


def test_a_first_row_with_a_text_for_a_number_is_no_header(write):
    content = "time,a\n2026-01-01,error\n2026-01-02,2\n2026-01-03,3\n"
    assert told(write(content)).startswith('line 2, column "a": expected a number, got "error"')
    assert values(samples(write(content), missing=("error",))[0]) == [2.0, 3.0]


def test_a_first_row_whose_time_is_a_text_is_no_header(write):
    said = told(write("time,a\nstart,1\n2,3\n3,3\n4,4\n"), time_format="s")
    assert said.startswith('line 2, column "time": expected a time, got "start"')


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


def test_a_row_of_influx_that_is_cut_off_is_left_out_and_told(write):
    head = "#datatype,string,long,dateTime:RFC3339,double\n,result,table,_time,_value\n"
    rows = [f",,0,2026-01-01T00:{i // 60:02}:{i % 60:02}Z,{i}\n" for i in range(200)]
    path = write(head + "".join(rows) + ",,0,2026-01-01T01:00:00Z\n", "influx.csv")
    found, file = samples(path)
    assert len(found) == 200
    assert any(
        "left out: 1 row with too few or too many cells (line 203: expected 5 columns, got 4" in each
        for each in file.summary()
    )
    assert "line 13: expected 5 columns, got 4" in told(
        write(head + "".join(rows[:10]) + ",,0,2026-01-01T01:00:00Z\n")
    )


def test_streams_without_a_column_of_numbers_are_refused(write):
    said = "expected a column of numbers beside those of time and streams, got none"
    assert said in told(write("time,who\n1700000000,1\n1700000060,2\n"), stream_column="who")


@pytest.mark.parametrize("cell", ["1e400", "inf", "1e308", "-1e308"])
def test_a_time_beyond_all_bounds_is_none(write, cell):
    assert 'column "time": expected a time' in told(write(f"time,a\n{cell},1\n2,3\n3,3\n"), time_format="s")
    assert 'column "time": expected a time' in told(write(f"time,a\n2,1\n{cell},3\n{cell},3\n"))


def test_times_of_day_are_numbers_of_one_kind(write):
    """10 is ten past midnight where others are 1330, and ten o'clock where none is beyond 24."""
    clocks = [0, 10, 20, 30, 100, 1330, 2350]
    path = write("date,hour,a\n" + "".join(f"20260101,{clock},1\n" for clock in clocks))
    minutes = [60 * (clock // 100) + clock % 100 for clock in clocks]
    assert [time for time, _, _ in samples(path)[0]] == [at("2026-01-01") + 60.0 * each for each in minutes]
    path = write("date,hour,a\n" + "".join(f"20260101,{clock},1\n" for clock in (0, 10, 24)))
    assert [time - at("2026-01-01") for time, _, _ in samples(path)[0]] == [0.0, 36_000.0, 86_400.0]


@pytest.mark.parametrize("cell", ["1e400", "inf", "-5", "9:75", "2561"])
def test_a_time_of_day_beyond_the_day_is_none(write, cell):
    path = write(f"date,hour,a\n20260101,0,1\n20260101,{cell},1\n20260101,2,1\n")
    assert told(path, time_column="date,hour").startswith("line 3, column")


@pytest.mark.parametrize("seed", range(4))
def test_a_damaged_file_is_read_or_refused_in_a_line(tmp_path, seed):
    """Files of the corpus with pieces put in, cut out and doubled, under options that may not fit."""
    random = Random(seed)
    files = sorted(path for path in CORPUS.iterdir() if path.name != "expected.csv")
    path = tmp_path / "damaged"
    for _ in range(60):
        path.write_bytes(damaged(random, random.choice(files).read_bytes()))
        options = FileOptions(
            **random.choice(OPTIONS), **random.choice(FURTHER), accept=random.random() < 0.5
        )
        try:
            with read(path, options, certain=True) as file:
                pieces = file.messages() if file.layout == "messages" else file
                assert all(len(piece) > 0 for piece in pieces)
        except SourceError as error:
            assert str(error).startswith(f"{path}: ")
            assert "\n" not in str(error)


CORPUS = Path(__file__).parent / "corpus"
PIECES = [
    *(b'"', b"\r", b"\n", b",", b";", b"\t", b" ", b":", b"[", b"{", b"}", b"#", b"-"),
    *(b"NaN", b"inf", b"1e400", b"99999999999999999999", b"true", b"24:00", b"2026-01-01", b"\xff", b"\x00"),
]
OPTIONS = [
    {},
    *({"header": False}, {"skip_rows": 1}, {"names": ("a", "b", "c")}, {"comment": "2"}, {"delimiter": ";"}),
    *(
        {"layout": "long"},
        {"layout": "messages"},
        {"layout": "wide"},
        {"encoding": "utf-16"},
        {"sort": False},
    ),
]
FURTHER = [
    {},
    *({"time_column": "1"}, {"time_column": "1,2"}, {"time_format": "s"}, {"timezone": "Europe/Berlin"}),
    *(
        {"stream_column": "2"},
        {"value_column": "2"},
        {"columns": ("2",)},
        {"decimal": ","},
        {"day_first": True},
    ),
]


def damaged(random, content):
    """The content with up to four changes."""
    for _ in range(random.randint(1, 4)):
        place, kind = random.randrange(len(content) + 1), random.random()
        if kind < 0.5:
            content = (
                content[:place] + random.choice(PIECES) + content[place + random.choice((0, 1, 5, 50)) :]
            )
        elif kind < 0.7:
            content = content[:place] + content[place + random.randint(1, 200) :]
        else:
            content = content[:place] + content[place : place + random.randint(1, 300)] + content[place:]
    return content
