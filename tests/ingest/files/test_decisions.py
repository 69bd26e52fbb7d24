"""What is decided about a file is decided from all of it: times, order, series, layout, missing values."""

import numpy as np
import pytest

from ewad.errors import SourceError
from ewad.ingest.files import FileOptions, encoding, read
from tests.ingest.files.reading import at, samples, values


def times(rows):
    return [time for time, _, _ in rows]


def moments(*texts):
    return [at(text) for text in texts]


# -- the format of times, from the whole file --

DAY_FIRST = "time,temp\n30/01/2020 00:00,1\n31/01/2020 00:00,2\n05/02/2020 00:00,3\n06/02/2020 00:00,4\n"


@pytest.mark.parametrize("block_bytes", [20, 40, 4 * 2**20])
def test_day_or_month_first_is_decided_once(write, monkeypatch, block_bytes):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block_bytes)
    rows, file = samples(write(DAY_FIRST))
    assert times(rows) == moments("2020-01-30", "2020-01-31", "2020-02-05", "2020-02-06")
    assert file.doubts == []


def test_seconds_that_stand_there_only_sometimes_change_nothing(write):
    content = "time,a\n05/06/2020 23:30,1\n05/06/2020 23:30:30,2\n06/06/2020 23:31,3\n13/06/2020 00:30,4\n"
    rows, _ = samples(write(content))
    expected = moments("2020-06-05 23:30", "2020-06-05 23:30:30", "2020-06-06 23:31", "2020-06-13 00:30")
    assert times(rows) == expected


def test_a_decimal_comma_that_comes_late_is_one(write, monkeypatch):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", 1000)
    content = "time;a\n" + "".join(f"{i};0\n" for i in range(3500)) + "3500;12,5\n"
    rows, _ = samples(write(content))
    assert values(rows) == [0.0] * 3500 + [12.5]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (
            ("01/06/2020 00:00", "02/06/2020 00:00", "03/06/2020 00:00"),
            ("2020-06-01", "2020-06-02", "2020-06-03"),
        ),
        (("06/01/2020", "06/02/2020", "06/03/2020"), ("2020-06-01", "2020-06-02", "2020-06-03")),
        (("22/10/29", "22/10/30", "22/10/31"), ("2022-10-29", "2022-10-30", "2022-10-31")),
        (("29/10/22", "30/10/22", "31/10/22"), ("2022-10-29", "2022-10-30", "2022-10-31")),
        (
            ("2017010100", "2017010101", "2017010102"),
            ("2017-01-01 00:00", "2017-01-01 01:00", "2017-01-01 02:00"),
        ),
        (("202001010010", "202001010020"), ("2020-01-01 00:10", "2020-01-01 00:20")),
        (("20200101030000", "20200101030005"), ("2020-01-01 03:00", "2020-01-01 03:00:05")),
        (("202001", "202002", "202003"), ("2020-01-01", "2020-02-01", "2020-03-01")),
        (("44927.5", "44928.5"), ("2023-01-01 12:00", "2023-01-02 12:00")),
        (("20200101T030000Z", "20200101T040000Z"), ("2020-01-01 03:00", "2020-01-01 04:00")),
        (("2020-01-01 24:00", "2020-01-02 01:00"), ("2020-01-02 00:00", "2020-01-02 01:00")),
        (
            ("Wed, 12 Oct 2022 10:00:00 GMT", "Wed, 12 Oct 2022 11:00:00 GMT"),
            ("2022-10-12 10:00", "2022-10-12 11:00"),
        ),
        (("Wed Oct 12 10:00:00 2022", "Wed Oct 12 11:00:00 2022"), ("2022-10-12 10:00", "2022-10-12 11:00")),
        (("12-Oct-22 10:00", "12-Oct-22 11:00"), ("2022-10-12 10:00", "2022-10-12 11:00")),
        (("05/16/18 04:07:26 PM", "05/16/18 04:08:26 PM"), ("2018-05-16 16:07:26", "2018-05-16 16:08:26")),
        (
            ("2022-10-12T10:00:00.250+02:00", "2022-10-12T10:00:01.250+02:00"),
            ("2022-10-12 08:00:00.25", "2022-10-12 08:00:01.25"),
        ),
        (("2022-01-01 10:00 GMT+2", "2022-01-01 11:00 GMT+2"), ("2022-01-01 08:00", "2022-01-01 09:00")),
        (("2026-07-01 17:00:00 CEST", "2026-07-01 18:00:00 CEST"), ("2026-07-01 15:00", "2026-07-01 16:00")),
        (
            ("2026-07-01T17:00:00[Europe/Berlin]", "2026-07-01T18:00:00[Europe/Berlin]"),
            ("2026-07-01 15:00", "2026-07-01 16:00"),
        ),
        (("2020Q1", "2020Q2"), ("2020-01-01", "2020-04-01")),
        (("Jan 2020", "Feb 2020"), ("2020-01-01", "2020-02-01")),
        (("2020-01", "2020-02"), ("2020-01-01", "2020-02-01")),
    ],
)
def test_times_are_what_people_mean_by_them(write, cells, expected):
    content = "date,a\n" + "".join(f'"{cell}",1\n' for cell in cells)
    rows, file = samples(write(content))
    assert times(rows) == moments(*expected)
    assert file.doubts == []


@pytest.mark.parametrize(
    ("header", "cells", "first"),
    [
        ("year", (1880, 1881), "1880-01-01"),
        ("year", (1958.0, 1958.5), "1958-01-01"),
        ("datenum", (737151, 737152), "2018-04-01"),
    ],
)
def test_numbers_that_are_dates_beyond_the_usual_years_are_asked_about(write, header, cells, first):
    rows, file = samples(write(f"{header},a\n{cells[0]},1\n{cells[1]},2\n"))
    assert times(rows)[0] == at(first)
    assert (file.doubts == []) == (cells[0] == 1958.0)


def test_a_month_of_firsts_could_as_well_be_a_year(write):
    content = "date,a\n" + "".join(f"01/{month:02}/2020,{month}\n" for month in range(1, 13))
    assert any("--day-first" in doubt for doubt in samples(write(content))[1].doubts)
    rows, file = samples(write(content), day_first=True)
    assert file.doubts == []
    assert times(rows)[-1] == at("2020-12-01")
    with pytest.raises(SourceError, match=r"--day-first, --month-first.*--accept"):
        read(write(content), certain=True)
    read(write(content), FileOptions(accept=True), certain=True).close()


# -- which column is the time --


@pytest.mark.parametrize(
    ("content", "first", "streams"),
    [
        (
            "id,timestamp,temp\n482400,2016-01-01 00:00:01,21.5\n482401,2016-01-01 00:05:02,21.6\n",
            "2016-01-01 00:00:01",
            {"temp"},
        ),
        (
            "a,b,c\n7,2016-01-01 00:00:01,21.5\n3,2016-01-01 00:05:02,21.6\n",
            "2016-01-01 00:00:01",
            {"a", "c"},
        ),
        ("temp,timestamp\n1,1700000000\n2,1700000001\n", "2023-11-14 22:13:20", {"temp"}),
        (
            "Date,Time,temp\n2021-06-11,09:32:25,21.5\n2021-06-11,09:32:35,21.6\n",
            "2021-06-11 09:32:25",
            {"temp"},
        ),
        ("Date;Time;temp\n11/06/2021;9:32;21,5\n12/06/2021;9:42;21,6\n", "2021-06-11 09:32", {"temp"}),
        ("date,hour,temp\n20210611,0,21.5\n20210611,1,21.6\n", "2021-06-11 00:00", {"temp"}),
        ("year,month,day,hour,temp\n2021,6,11,9,21.5\n2021,6,11,10,21.6\n", "2021-06-11 09:00", {"temp"}),
        (
            "year,month,decimal date,ppm\n1958,3,1958.2027,315.7\n1958,4,1958.2877,317.4\n",
            "1958-03-01",
            {"ppm"},
        ),
        ("No,year,month,day,hour,pm\n1,2010,1,1,0,129\n2,2010,1,1,1,148\n", "2010-01-01", {"pm"}),
        (",time,a\n0,2020-01-01,5\n1,2020-01-02,6\n", "2020-01-01", {"a"}),
        (",a,b\n2020-01-01,5,1\n2020-01-02,6,2\n", "2020-01-01", {"a", "b"}),
        (
            "2021-06-11 09:32:25,hall,21.5\n2021-06-11 09:32:35,hall,21.6\n",
            "2021-06-11 09:32:25",
            {"column_3"},
        ),
    ],
)
def test_the_time_is_the_column_that_holds_it(write, content, first, streams):
    rows, file = samples(write(content))
    assert times(rows)[0] == at(first)
    assert {name for _, name, _ in rows} == streams
    assert file.doubts == []


def test_times_in_several_columns_are_named_with_commas(write):
    path = write("D,T,a,b\n11.06.2021,0932,1,2\n11.06.2021,0942,3,4\n")
    rows, _ = samples(path, time_column="D,T", columns=("b",))
    assert rows == [(at("2021-06-11 09:32"), "b", 2.0), (at("2021-06-11 09:42"), "b", 4.0)]
    rows, _ = samples(path, time_column="D,T", time_format="%d.%m.%Y %H%M", columns=("b",))
    assert times(rows) == moments("2021-06-11 09:32", "2021-06-11 09:42")


def test_row_numbers_for_times_are_doubted(write):
    _, file = samples(write("run,a\n1,5\n2,6\n3,7\n"))
    assert any("--time-column" in doubt for doubt in file.doubts)


# -- series told apart by a column --


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "timestamp,sensor,value\n2021-06-11 09:32:25,a,1\n2021-06-11 09:32:35,b,2\n",
            {"a": [1.0], "b": [2.0]},
        ),
        (
            "ts,device,co,humidity\n1594512094.3,b8:27:eb,0.004,51\n1594512094.7,00:0f:00,0.002,75\n",
            {
                "b8:27:eb/co": [0.004],
                "b8:27:eb/humidity": [51.0],
                "00:0f:00/co": [0.002],
                "00:0f:00/humidity": [75.0],
            },
        ),
        (
            "entity_id,state,last_changed\nsensor.t,21.5,2021-06-11T09:32:25Z\nsensor.t,unavailable,2021-06-11T09:33:25Z\n"
            "sensor.t,21.6,2021-06-11T09:34:25Z\n",
            {"sensor.t": [21.5, 21.6]},
        ),
        (
            "unique_id,ds,y\nH1,2020-01-01,1\nH1,2020-01-02,2\nH2,2020-01-01,3\n",
            {"H1": [1.0, 2.0], "H2": [3.0]},
        ),
        ("date,kind,value\n2020-01-01,x,1\n2020-01-01,y,2\n2020-01-02,x,3\n", {"x": [1.0, 3.0], "y": [2.0]}),
        (
            "date,store,item,sales\n2020-01-01,1,1,5\n2020-01-01,1,2,6\n2020-01-01,2,1,7\n2020-01-01,2,2,8\n",
            {"1/1": [5.0], "1/2": [6.0], "2/1": [7.0], "2/2": [8.0]},
        ),
    ],
)
def test_a_column_of_names_makes_a_stream_of_each(write, content, expected):
    rows, file = samples(write(content))
    found = {}
    for _, name, value in rows:
        found.setdefault(name, []).append(value)
    assert found == expected
    assert file.layout == "long"
    assert file.doubts == []


def test_stream_and_value_columns_can_be_named(write):
    path = write("t,who,x,y\n0,a,1,2\n1,b,3,4\n")
    rows, _ = samples(path, stream_column="who", value_column="y")
    assert rows == [(0.0, "a", 2.0), (1.0, "b", 4.0)]
    rows, _ = samples(path, stream_column="who", value_column="y,x")
    assert [name for _, name, _ in rows] == ["a/x", "a/y", "b/x", "b/y"]


# -- order --


def test_newest_first_is_read_in_order_of_time(write):
    rows, file = samples(write("time,temp\n2021-06-13,3\n2021-06-12,2\n2021-06-11,1\n"))
    assert values(rows) == [1.0, 2.0, 3.0]
    assert any("newest first" in line for line in file.summary())


def test_rows_in_no_order_are_sorted_in_bounded_memory(write, monkeypatch):
    from ewad.ingest.files import sorting

    monkeypatch.setattr(sorting, "RUN_SAMPLES", 64)
    monkeypatch.setattr(sorting, "PIECE_SAMPLES", 10)
    monkeypatch.setattr(encoding, "BLOCK_BYTES", 100)
    order = np.random.default_rng(0).integers(0, 200, 1000)
    content = "time,a\n" + "".join(f"{time},{i}\n" for i, time in enumerate(order.tolist()))
    rows, _ = samples(write(content))
    expected = sorted((float(time), "a", float(i)) for i, time in enumerate(order.tolist()))
    assert rows == expected  # those of one time as they came
    rows, _ = samples(write(content), sort=False)
    assert values(rows) == [float(i) for i in range(1000)]


# -- layout --


@pytest.mark.parametrize(
    ("content", "options", "expected"),
    [
        (
            '"Plot Title: hall"\n"#","Date Time, GMT-05:00","T"\n1,05/16/18 04:07:26 PM,21.5\n'
            "2,05/16/18 04:08:26 PM,21.6\n",
            {},
            ("2018-05-16 21:07:26", "T", 21.5),
        ),
        ("sep=;\nSeries;Time;Value\nout;2026-01-01;3\nout;2026-01-02;4\n", {}, ("2026-01-01", "out", 3.0)),
        ("# made by x\n# at y\ntime,a\n2026-01-01,3\n", {}, ("2026-01-01", "a", 3.0)),
        ("# time a\n2026-01-01 3\n2026-01-02 4\n", {}, ("2026-01-01", "a", 3.0)),
        ("!x\n!y\ntime,a\n!z\n2026-01-01,3\n", {"comment": "!"}, ("2026-01-01", "a", 3.0)),
        ("one,two\nthree,four\ntime,a\n2026-01-01,3\n", {"skip_rows": 2}, ("2026-01-01", "a", 3.0)),
        ("time,T,RH\n,°C,%\n2026-01-01,3,4\n", {}, ("2026-01-01", "T", 3.0)),
        (
            "Station;Berlin\nHeight;34 m\n\nDatum;Temp\n01.01.2026;3,5\n02.01.2026;4,5\n",
            {},
            ("2026-01-01", "Temp", 3.5),
        ),
        ("2026-01-01,3\n2026-01-02,4\n", {"header": False}, ("2026-01-01", "column_2", 3.0)),
        ("2026-01-01,3\n2026-01-02,4\n", {"names": ("time", "b")}, ("2026-01-01", "b", 3.0)),
        ("time;a;b;\n2026-01-01;3;4;\n", {}, ("2026-01-01", "a", 3.0)),
        ("time;a\n2026-01-01;3;\n2026-01-02;4;\n", {}, ("2026-01-01", "a", 3.0)),
        ('"time","a"\n"1","2026-01-01",3\n"2","2026-01-02",4\n', {}, ("2026-01-01", "a", 3.0)),
        ("time     a   b\n2026-01-01   3   4\n2026-01-02  3  4\n", {}, ("2026-01-01", "a", 3.0)),
        ("time,Küche\n2026-01-01,3\n".encode("latin-1"), {}, ("2026-01-01", "Küche", 3.0)),
        ("time,Küche\n2026-01-01,3\n".encode("utf-16-le"), {}, ("2026-01-01", "Küche", 3.0)),
        ("time,Küche\n2026-01-01,3\n".encode("cp437"), {"encoding": "cp437"}, ("2026-01-01", "Küche", 3.0)),
    ],
    ids=range(17),
)
def test_the_table_is_found_in_what_surrounds_it(write, content, options, expected):
    rows, _ = samples(write(content), **options)
    assert rows[0] == (at(expected[0]), *expected[1:])


# -- cells --


@pytest.mark.parametrize(
    "word", ["?", ".", "***", "-", "--", "Null", "#N/A", "unavailable", "unknown", '" "', "NaN"]
)
def test_a_word_for_no_reading_is_a_gap(write, word):
    rows, file = samples(write(f"time,a\n0,1\n1,{word}\n2,3\n"))
    assert values(rows) == [1.0, 3.0]
    assert any("1 cell without a reading" in line for line in file.summary())


def test_a_number_for_no_reading_is_named(write):
    path = write("time,a\n" + "".join(f"{i},{20 + i % 3}\n" for i in range(50)) + "50,-200\n51,-200.0\n")
    rows, file = samples(path)
    assert values(rows)[-2:] == [-200.0, -200.0]
    assert any("--missing -200" in doubt for doubt in file.doubts)
    rows, file = samples(path, missing=("-200",))
    assert len(rows) == 50
    assert file.doubts == []


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("time,a\n0,21.5 °C\n1,22.5 °C\n", [21.5, 22.5]),
        ("time,a\n0,40%\n1,41%\n", [40.0, 41.0]),
        ("time,a\n0,on\n1,off\n", [1.0, 0.0]),
        ("time,a\n0,true\n1,0\n2,false\n", [1.0, 0.0, 0.0]),
        ('time,a\n0,"21,5"\n1,"22,5"\n', [21.5, 22.5]),
        ("time;a;b\n0;21,5;52.51\n1;22,5;52.52\n", [21.5, 52.51, 22.5, 52.52]),
        ('time,a\n0,"1,234.5"\n1,"2,345.5"\n', [1234.5, 2345.5]),
        ("time;a\n0;1.234,5\n1;2.345,5\n", [1234.5, 2345.5]),
    ],
)
def test_cells_are_the_numbers_that_people_see(write, content, expected):
    rows, file = samples(write(content))
    assert values(rows) == expected
    assert file.doubts == []


def test_a_mixed_column_that_nobody_asked_for_is_left_out_and_told(write):
    _, file = samples(write("time,a,b\n0,1,x\n1,2,y\n2,3,4\n"))
    assert file.names == ["a"]
    assert any('column "b": 1 number and 2 texts' in note for note in file.notes)
    with pytest.raises(SourceError, match='column "b": expected a number, got "x"'):
        samples(write("time,a,b\n0,1,x\n1,2,y\n2,3,4\n"), columns=("b",))
    rows, _ = samples(write("time,a,b\n0,1,x\n1,2,y\n2,3,4\n"), columns=("b",), missing=("x", "y"))
    assert values(rows) == [4.0]


def test_rows_without_a_time_are_left_out_up_to_one_in_a_hundred(write):
    good = "".join(f"2020-01-01 {i // 60:02}:{i % 60:02},{i}\n" for i in range(300))
    rows, file = samples(write(f"time,a\n{good}total,5\n"))
    assert len(rows) == 300
    assert any(
        'left out: 1 row without a time (line 302, column "time": expected a time, got "total")' in s
        for s in file.summary()
    )
    with pytest.raises(SourceError, match="5 of 305 rows; --accept leaves them out"):
        samples(write(f"time,a\n{good}" + "total,5\n" * 5))
    rows, _ = samples(write(f"time,a\n{good}" + "total,5\n" * 5), accept=True)
    assert len(rows) == 300


def test_rows_of_one_time_count_each_and_are_told(write):
    rows, file = samples(write("time,a\n0,1\n10,2\n10,3\n20,4\n"))
    assert values(rows) == [1.0, 2.0, 3.0, 4.0]
    assert "  1 row of the same time as the row before: each row counts" in file.summary()
    _, file = samples(write("time,stream,value\n0,a,1\n0,b,2\n10,a,3\n10,b,4\n"))
    assert not any("same time" in line for line in file.summary())


# -- zones --

AUTUMN = ["01:45", "02:00", "02:15", "02:30", "02:45", "02:00", "02:15", "02:30", "02:45", "03:00"]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("block_bytes", [20, 4 * 2**20])
def test_the_hour_that_comes_twice_is_passed_through_twice(write, monkeypatch, newest_first, block_bytes):
    monkeypatch.setattr(encoding, "BLOCK_BYTES", block_bytes)
    lines = [f"2026-10-25 {clock},{i}\n" for i, clock in enumerate(AUTUMN)]
    content = "time,a\n" + "".join(reversed(lines) if newest_first else lines)
    rows, _ = samples(write(content), timezone="Europe/Berlin")
    start = at("2026-10-24T23:45:00+00:00")
    assert rows == [(start + 900.0 * i, "a", float(i)) for i in range(10)]


def test_the_zone_is_named_or_an_offset(write):
    path = write("time,a\n2026-07-01 12:00,1\n2026-07-02 12:00,2\n")
    assert times(samples(path, timezone="Europe/Berlin")[0])[0] == at("2026-07-01 10:00")
    assert times(samples(path, timezone="+05:30")[0])[0] == at("2026-07-01 06:30")
    with pytest.raises(SourceError, match="--timezone: expected a name such as Europe/Berlin"):
        samples(path, timezone="Berlin")


def test_the_time_that_the_clocks_skip_is_read_an_hour_later_and_told(write):
    content = "time,a\n" + "".join(f"2026-03-29 {clock},1\n" for clock in ("01:30", "02:30", "03:30"))
    rows, file = samples(write(content), timezone="Europe/Berlin")
    assert times(rows) == moments("2026-03-29 00:30", "2026-03-29 01:30", "2026-03-29 01:30")
    assert any("that the clocks skip" in each for each in file.doubts)


# -- no time at all --


@pytest.mark.parametrize(
    "content", ["temp,hum\n21.5,40\n21.7,41\n21.6,42\n", "n,temp\n1,21.5\n2,21.7\n3,21.6\n"]
)
def test_a_table_without_times_is_refused_with_the_remedy(write, content):
    with pytest.raises(
        SourceError, match=r"no column looks like a time: .* from 1970 on \(--time-column"
    ) as told:
        read(write(content), certain=True)
    assert "--accept takes it so" in str(told.value)
    assert len(samples(write(content), accept=True)[0]) == 3


def test_a_time_by_its_name_may_count_from_zero(write):
    rows, file = samples(write("seconds,temp\n1,21.5\n2,21.7\n"))
    assert times(rows) == [1.0, 2.0]
    assert file.doubts == []


def test_of_a_file_that_can_not_be_read_the_first_lines_are_kept_for_people(write):
    with pytest.raises(SourceError) as told:
        read(write("21.5\n21.7\n"))
    assert told.value.__notes__[1:] == ['  line 1: "21.5"', '  line 2: "21.7"']


def test_one_is_no_plural(write):
    with read(write("time,topic,payload\n1700000000,a/t,3\n")) as file:
        assert any("recorded messages of 1 topic" in line for line in file.summary())
        assert any("1 row" in line and "rows" not in line for line in file.summary())
