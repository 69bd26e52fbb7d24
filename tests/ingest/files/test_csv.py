import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.errors import SourceError
from ewad.ingest.files import encoding as module
from ewad.ingest.files import read
from ewad.ingest.formats.values import decode_number
from tests.ingest.files.reading import samples, values

DAY = 86400.0


def error(path, **options):
    with pytest.raises(SourceError) as caught:
        samples(path, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message.replace(str(path), "samples.csv")


def test_wide_file_gives_a_stream_per_column_row_by_row(write):
    rows, file = samples(write("time,a,b\n0,1,2\n10,3,\n20,,4\n"))
    assert rows == [(0.0, "a", 1.0), (0.0, "b", 2.0), (10.0, "a", 3.0), (20.0, "b", 4.0)]
    assert file.layout == "wide"


def test_long_file_gives_a_stream_per_name(write):
    rows, file = samples(write("value,Time,stream\n1.5,0,b\n2,1,a\n,2,a\n3,3,NA\n"))
    assert rows == [(0.0, "b", 1.5), (1.0, "a", 2.0), (3.0, "NA", 3.0)]
    assert file.layout == "long"


@pytest.mark.parametrize(
    "cell", ["inf", "-inf", "+Inf", "Infinity", "-INFINITY", "INF", "1e400", "-1e400", "inf\n30,x"]
)
def test_an_infinite_cell_is_a_gap_and_is_counted(write, cell):
    """The last one has a text beside it, so that the column is no column of numbers to pandas."""
    rows, file = samples(write(f"time,a\n0,1\n10,{cell}\n40,2\n"), missing=("x",))
    assert rows == [(0.0, "a", 1.0), (40.0, "a", 2.0)]
    assert file.profile.gaps == 1 + cell.count("\n")
    assert '  streams: "a" (2 rows)' in file.summary()


def test_an_infinite_cell_with_a_decimal_comma_or_in_the_first_row_is_a_gap(write):
    assert samples(write("time,a\n0,inf\n10,1\n20,2\n"))[1].profile.rows == 3
    assert samples(write("time;a\n0;1,5\n10;inf\n"))[0] == [(0.0, "a", 1.5)]


@pytest.mark.parametrize("block_bytes", [20, 4 * 2**20])
def test_a_short_row_ends_in_gaps_and_is_counted(write, monkeypatch, block_bytes):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    rows, file = samples(write("time,a,b,c\n0,1,2,3\n10,4\n20,5,6,7\n30,8,9\n40,,,1\n50,2\n60,3,4\n"))
    assert rows == [
        *((0.0, "a", 1.0), (0.0, "b", 2.0), (0.0, "c", 3.0), (10.0, "a", 4.0)),
        *((20.0, "a", 5.0), (20.0, "b", 6.0), (20.0, "c", 7.0), (30.0, "a", 8.0), (30.0, "b", 9.0)),
        *((40.0, "c", 1.0), (50.0, "a", 2.0), (60.0, "a", 3.0), (60.0, "b", 4.0)),
    ]
    said = "  4 rows with too few cells (line 3: expected 4 columns, got 2): the missing ones are gaps"
    assert said in file.summary()
    assert "  gaps: 8 cells without a reading" in file.summary()


@pytest.mark.parametrize("end", ["", "120000,1049.25,49.5\n120060,10"])
def test_a_lone_short_row_may_be_torn_in_a_number_and_is_left_out(write, end):
    def lines(first):
        return "".join(f"{time},1049.25,49.5\n" for time in range(first, first + 50 * 600, 60))

    rows, file = samples(write(f"time,flow,level\n{lines(0)}30000,10\n{lines(30060)}{end}"), accept=True)
    assert {value for _, _, value in rows} == {1049.25, 49.5}
    said = "with too few or too many cells (line 502: expected 3 columns, got 2)"
    assert any(said in line for line in file.summary())


@pytest.mark.parametrize("header", ["time,a,b\n", "time,a,b\ns,V,A\n"])
@pytest.mark.parametrize("time", ["2024-01-01 00:0{}:00", "170406720{}"])
@pytest.mark.parametrize("count", [2, 3])
def test_short_rows_above_all_others_are_rows(write, header, time, count):
    short = "".join(f"{time.format(i)},{i}.5\n" for i in range(count))
    full = "".join(f"{time.format(i)},{i}.5,7\n" for i in range(count, 9))
    rows, file = samples(write(header + short + full))
    assert [value for _, name, value in rows if name == "a"] == [i + 0.5 for i in range(9)]
    assert len(rows) == 18 - count
    assert not any("header in line" in line for line in file.summary())


def test_a_lone_short_row_above_all_others_is_told(write):
    full = "".join(f"2024-01-01 00:0{i}:00,6.5,7\n" for i in range(1, 9))
    said = "line 2: expected 3 columns, got 2: 1 of 9 rows; --accept leaves it out"
    assert said in error(write(f"time,a,b\n2024-01-01 00:00:00,5.5\n{full}"))


def test_a_date_with_a_text_above_the_header_is_no_row(write):
    rows, _ = samples(write("2024-01-01,Essen\ntime,site,a\n2024-01-01,x,1\n2024-01-02,x,2\n"))
    assert [(name, value) for _, name, value in rows] == [("x", 1.0), ("x", 2.0)]


def test_short_rows_above_all_others_are_rows_without_a_header(write):
    rows, _ = samples(write("0,1\n1,2\n2,3,4\n3,4,5\n4,5,6\n"), header=False, names=("time", "a", "b"))
    assert [value for _, name, value in rows if name == "a"] == [1.0, 2.0, 3.0, 4.0, 5.0]


@pytest.mark.parametrize(("short", "filled"), [("1,2", 2), ("1,x", 0)])
def test_short_and_long_rows_that_sum_up_alike_are_told(write, short, filled):
    odd = f"10,{short}\n11,1,2,3,4\n12,{short}\n13,1,2,3,4\n"
    full = "".join(f"{i},1,2,3\n" for i in range(9))
    path = write(f"time,a,b,c\n{full}{odd}14,1,2,3\n")
    assert "expected 4 columns, got" in error(path)
    rows, file = samples(path, accept=True)
    assert values(rows) == [*9 * [1.0, 2.0, 3.0], *filled * [1.0, 2.0], 1.0, 2.0, 3.0]
    said = f"left out: {4 - filled} rows with too few or too many cells"
    assert any(said in line for line in file.summary())


def test_recorded_messages_keep_topic_and_payload_as_they_were(write):
    file = read(write('time,topic,payload\n1,a/b,"{""v"": 1,\n""w"": 2}"\n2,a/NA,\n3,é, 007 \n'))
    assert file.layout == "messages"
    messages = [message for chunk in file.messages() for message in chunk]
    assert [tuple(message)[:3] for message in messages] == [
        (1.0, "a/b", b'{"v": 1,\n"w": 2}'),
        (2.0, "a/NA", b""),
        (3.0, "é", b"007 "),
    ]


@settings(deadline=None)
@given(value=st.floats(-1e149, 1e149))
def test_a_cell_reads_as_the_same_float_as_a_live_payload(value, tmp_path_factory):
    path = tmp_path_factory.mktemp("csv") / "samples.csv"
    path.write_text(f"time,a\n0,{value!r}\n")
    ((_, _, got),) = samples(path)[0]
    assert got == decode_number(repr(value).encode())


@pytest.mark.parametrize("times", [("253402300800", "253402300860"), ("1700000000", "253402300799")])
def test_a_time_beyond_the_year_2262_is_refused_and_no_other_unit(write, times):
    with pytest.raises(SourceError, match=r'column "time": expected a time up to the year 2262, got "253402'):
        samples(write(f"time,a\n{times[0]},1\n{times[1]},2\n"))


def test_milliseconds_of_1981_are_read_where_the_format_says_so(write):
    rows, _ = samples(write("time,a\n347155200000,1\n347155260000,2\n"), time_format="ms")
    assert [row[0] for row in rows] == [347155200.0, 347155260.0]


@pytest.mark.parametrize(
    ("first", "second", "seconds"),
    [
        ("1700000000", "1700000001.5", (1700000000.0, 1700000001.5)),
        ("1700000000000", "1700000001500", (1700000000.0, 1700000001.5)),
        ("1700000000000000", "1700000001500000", (1700000000.0, 1700000001.5)),
        ("1700000000000000000", "1700000001500000000", (1700000000.0, 1700000001.5)),
        ("0", "60", (0.0, 60.0)),
        ("19700102", "19700201", (DAY, 31 * DAY)),
        ("19650101", "19791231", (-1826 * DAY, 3651 * DAY)),
        ("1970-01-02", "1970-01-03", (DAY, 2 * DAY)),
        ("1970-01-02", "1970-01-02 12:00:00", (DAY, 1.5 * DAY)),
        ("1970-01-02T00:00:00Z", "1970-01-02T01:00:00+01:00", (DAY, DAY)),
        ("1/2/1970", "1/3/1970", (DAY, 2 * DAY)),
        ("13/1/1970", "14/1/1970", (12 * DAY, 13 * DAY)),
        ("1/2/1970", "13/2/1970", (31 * DAY, 43 * DAY)),
        ("Jan 2 1970", "Jan 3 1970", (DAY, 2 * DAY)),
        ("02.01.1970", "03.01.1970", (DAY, 2 * DAY)),
        ("2.1.1970 12:00", "3.1.1970 0:00", (1.5 * DAY, 2 * DAY)),
    ],
)
def test_times_are_read_in_any_usual_form(write, first, second, seconds):
    rows, _ = samples(write(f"time,a\n{first},1\n{second},1\n"))
    assert tuple(time for time, _, _ in rows) == seconds


def test_options_override_the_guesses(write):
    path = write("a,when,b\n1,02.01.1970,2\n")
    rows, _ = samples(path, time_column="when", time_format="%d.%m.%Y", columns=("b",))
    assert rows == [(DAY, "b", 2.0)]
    assert samples(write("time,a\n19700102,1\n"), time_format="%Y%d%m")[0][0][0] == 31 * DAY
    assert [name for _, name, _ in samples(write("time,stream,value\n0,1,2\n"), layout="wide")[0]] == [
        "stream",
        "value",
    ]


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbftime,a,b\n0,1,2\n",
        b"time,a,b\r\n0,1,2\r\n",
        b'"time","a","b"\n"0","1","2"\n',
        b"time;a;b\n0;1;2\n",
        b"time\ta\tb\n0\t1\t2\n",
        b"time;a;b\n0;1,0;2,0\n",
        b"time, a, b\n0, 1, 2\n",
        b"\n\ntime,a,b\n\n0,1,2\n\n",
        b"time,a,b\n0,1,2",
        gzip.compress(b"time,a,b\n0,1,2\n", mtime=0),
        "time,a,b\n0,1,2\n".encode("utf-16"),
        b"time,a,b\r0,1,2\r",
    ],
)
def test_dialects_read_alike(write, content):
    assert samples(write(content))[0] == [(0.0, "a", 1.0), (0.0, "b", 2.0)]


def test_a_column_of_text_is_left_out_with_a_note(write):
    rows, file = samples(write("time,a,weather,why\n0,1,rain,x y\n1,2,sun,z\n"))
    assert [name for _, name, _ in rows] == ["a", "a"]
    assert file.notes == ['column "weather": text, left out', 'column "why": text, left out']


def test_blocks_join_without_a_seam(write, monkeypatch):
    content = "time,a,w,b\n" + "".join(f'{i},{i / 7!r},"x\ny",{i if i > 50 else ""}\n' for i in range(100))
    whole, _ = samples(write(content))
    monkeypatch.setattr(module, "BLOCK_BYTES", 37)
    pieces, file = samples(write(content))
    assert pieces == whole
    assert len(file.notes) == 1
    assert file.bytes_read == file.size_bytes == len(content)


@pytest.mark.parametrize("block_bytes", [20, 4 * 2**20])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "expected a header and rows, got an empty file"),
        ("\n \n", "expected a header and rows, got an empty file"),
        ("time,a\n", "expected rows below the header, got none"),
        ("time\n1\n", "line 1: expected a time column and at least one numeric column, got one column"),
        ("1,2\n3,4\n", 'line 1: expected a header line with column names, got "1,2"'),
        ("time,a,a\n0,1,2\n", 'line 1: expected different column names, got "a" twice'),
        ("time,,a\n0,1,2\n", "line 1: expected a name for column 2, got none"),
        ("time,a\n0,x\n1,y\n", "expected at least one numeric column beside time, got text in all of them"),
        ("time,a\n0,1\n1,abc\n", 'line 3, column "a": expected a number, got "abc"'),
        ("time;a\n0;1,5\n1;abc\n", 'line 3, column "a": expected a number, got "abc"'),
        ('time,a,b\n0,1,"x\ny"\n\n1,abc,z\n', 'line 5, column "a": expected a number, got "abc"'),
        ("time,a\n0,1\n1,1_000\n", 'line 3, column "a": expected a number, got "1_000"'),
        ("time,a\n0,1\n1,1e200\n", 'column "a": expected a finite number of ordinary size, got "1e200"'),
        ("time,a\nsoon,1\n", 'line 2, column "time": expected a time, got "soon"'),
        ("time,a\n1970-01-01,1\n1970-13-01,1\n", 'line 3, column "time": expected a time, got "1970-13-01"'),
        ("time,a\n0,1\n,1\n", 'line 3, column "time": expected a time, got an empty cell'),
        ("time,a\n0,1\n1,2,3\n", "line 3: expected 2 columns, got 3"),
        ("time,a,b\n0,1,2\n1\n", "line 3: expected 3 columns, got 1: 1 of 2 rows; --accept leaves it out"),
        ("time,a,b\n0,1,2\n1,2", "line 3: expected 3 columns, got 2"),
        ("time,a,b\n0,1\n1,2,3,4\n", "line 2: expected 3 columns, got 2"),
        ("time a b\n0 1 2\n1 2\n2 3 4\n", "line 3: expected 3 columns, got 2"),
        ("time,a,b\n0,1,2\n1,off by one\n2,1,3\n", "line 3: expected 3 columns, got 2"),
        ("time,value,sensor\n0,1,x\n1,2\n2,1,y\n", "line 3: expected 3 columns, got 2"),
        ("time,a\n0,1,2\n1\n", "line 2: expected 2 columns, got 3"),
        ('time,a\n0,"1\n1,2\n', "line 2: expected every quote to be closed"),
        ('time,a\n0,"1"\n1,"2\n"\n2,"3\n4,5', "line 5: expected every quote to be closed"),
        ("time,a\n20240228,1\n20240230,2\n", 'line 3, column "time": expected a time, got "20240230"'),
        ("time,a\n23:00,1\n00:00,2\n", 'line 2, column "time": expected a time, got "23:00"'),
        ("time,a\n9:15:30 pm,1\n", 'line 2, column "time": expected a time, got "9:15:30 pm"'),
        ("time,stream,value\n0,a,1\n1,a,x\n", 'line 3, column "value": expected a number, got "x"'),
        ("time,stream,value\n0,a,1\n1,,2\n", 'line 3, column "stream": expected the name of a stream'),
        (b"time,a\n0,\xff\n", "line 2: expected UTF-8, got byte 0xff"),
        (b"time,a\n\x00\x01\x02\n", "expected text, got binary data"),
        (b"\x1f\x8b\x08\x00junk", "can't read the file"),
        (gzip.compress(b"time,a\n0,1\n", mtime=0)[:-9], "can't read the file"),
    ],
)
def test_an_unreadable_file_is_told_with_its_place(write, monkeypatch, content, says, block_bytes):
    monkeypatch.setattr(module, "BLOCK_BYTES", block_bytes)
    assert says in error(write(content))


def test_a_recorded_message_without_a_topic_is_told_with_its_place(write):
    with read(write("time,topic,payload\n0,a,1\n1,,2\n")) as file, pytest.raises(SourceError) as caught:
        list(file.messages())
    assert str(caught.value).endswith('line 3, column "topic": expected a topic, got an empty cell')


def test_unreadable_paths_are_told(tmp_path):
    assert error(tmp_path / "none.csv") == "samples.csv: can't read the file: No such file or directory"
    assert "Is a directory" in error(tmp_path)


def test_unknown_columns_in_options_are_told(write):
    path = write("time,a\n0,1\n")
    assert 'expected a column named "x", got time, a' in error(path, time_column="x")
    assert 'expected a column named "y", got time, a' in error(path, columns=("y",))
    assert "expected a column named stream, got time, a" in error(path, layout="long")
    said = error(path, time_column="time", columns=("time",))
    assert said.endswith('--columns: expected columns beside that of the time, got "time"')
    path = write("time,indoor,outdoor\n0,1,2\n")
    said = error(path, columns=("outdor",))
    assert 'expected a column named "outdor", got time, indoor, outdoor; did you mean "outdoor"?' in said


@settings(deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_give_samples_or_one_located_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("csv") / "samples.csv"
    path.write_bytes(b"time,a\n" + content)
    try:
        rows, _ = samples(path)
    except SourceError as caught:
        assert str(path) in str(caught)
    else:
        assert all(np.isfinite(time) and np.isfinite(value) for time, _, value in rows)


@pytest.mark.parametrize("time", ["02.01.1970", "02.01.1970 00:00", "1970-01-02"])
def test_commas_are_decimal_between_semicolons_beside_dates_with_dots(write, time):
    assert samples(write(f"time;a;b\n{time};21,4;-0,5\n"))[0] == [(DAY, "a", 21.4), (DAY, "b", -0.5)]


def test_the_samples_of_the_project_are_read():
    for path in Path("samples").glob("*.csv"):
        rows, _ = samples(path)
        assert len(rows) > 100


@pytest.mark.parametrize("word", ["now", "today"])
def test_the_time_of_the_replay_is_no_time_of_a_sample(write, word):
    message = error(write(f"time,a\n2020-01-01,1\n{word},2\n"))
    said = f'samples.csv: line 3, column "time": expected a time, got "{word}"'
    assert message == f"{said}: 1 of 2 rows; --accept leaves it out"
