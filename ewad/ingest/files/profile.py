"""The first pass over a file: everything that is decided about it, from all of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import numpy as np

from ewad.config.syntax import counted, quoted
from ewad.errors import SourceError
from ewad.ingest.files import number_times, times
from ewad.ingest.files.archive import Archive
from ewad.ingest.files.case import (
    LEFT_OUT_SHARE,
    YEAR_1900,
    YEAR_1971,
    YEAR_2001,
    YEAR_2200,
    Clockwork,
    Roles,
)
from ewad.ingest.files.clock import Clock
from ewad.ingest.files.columns import RAW, Column, Track
from ewad.ingest.files.csv import TEXT_NAMES, CsvReader
from ewad.ingest.files.encoding import NotUtf8
from ewad.ingest.files.options import FileOptions
from ewad.ingest.files.roles import decide
from ewad.ingest.files.table import FileReader, Known, Place
from ewad.ingest.files.words import TIME_NAMES, plain_name
from ewad.ingest.formats.reasons import QUOTED
from ewad.ingest.formats.times import LAST_UNIX_SECONDS

HEAD_ROWS = 5000  # rows by which columns are compared with each other
FEW = 20  # streams that are told one by one


@dataclass
class Profile:
    """What is known of a file after the first pass. span: Unix seconds of the first and the last time.

    order: "sorted", "newest first" or "unsorted". left_out: rows by reason. streams: rows of each, as far as
    they are counted. sentinels: notes on values that stand far outside all others.
    """

    roles: Roles
    rows: int
    span: tuple[float, float] | None
    step: float | None
    order: str
    left_out: dict[str, int]
    runs_back: bool = False  # whether most times are earlier than those before them
    gaps: int = 0
    streams: dict[str, int] = field(default_factory=dict)
    different_streams: int = 0
    units: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


def profile(archive: Archive, reader: FileReader, options: FileOptions) -> Profile:
    """Return what is decided about a file. Raises SourceError with what would help."""
    while True:
        try:
            return _Profiler(archive, reader, options).profile()
        except NotUtf8 as error:
            if not isinstance(reader, CsvReader):
                raise SourceError(f"{archive.path}: line {error.line}: expected UTF-8") from error
            reader.fall_back(error)


def text_columns(names: Sequence[str], known: Known, options: FileOptions) -> frozenset[int]:
    """Return the columns whose cells are names or payloads by their headers, whatever they hold."""
    lower = [name.lower() for name in names]
    found = set()
    if options.layout != "wide" and known.layout is None:
        for wanted in (("topic", "payload"), ("stream", "value")):
            if set(wanted) <= set(lower):
                found |= {lower.index(name) for name in wanted if name in TEXT_NAMES}
    if known.layout is not None:
        found |= set(known.streams or ())
    return frozenset(found)


def as_written(work: Clockwork) -> set[int]:
    """Return the columns of times whose cells are wanted as they stand: they have a format."""
    formatted = any(isinstance(form, times.TextForm) and form.format for form in work.forms)
    return set(work.columns) if formatted else set()


class _Profiler:
    def __init__(self, archive: Archive, reader: FileReader, options: FileOptions) -> None:
        self._archive = archive
        self._reader = reader
        self._options = options
        self._texts = text_columns(reader.names, reader.known, options)
        self._rows = 0
        self._head: Any = None

    def profile(self) -> Profile:
        columns = self._columns()
        for frame in self._reader.frames(self._texts | self._names_of_times(), True):
            self._rows += len(frame)
            if self._head is None:
                self._head = frame.table.iloc[:HEAD_ROWS]
            for column in columns:
                column.observe(frame)
        if not self._rows:
            self._fail_without_rows()
        self._check_headless(columns)
        roles = decide(columns, self._reader.known, self._options, self._head, self._fail)
        return self._profile(columns, roles)

    def _columns(self) -> list[Column]:
        known, options = self._reader.known, self._options
        self._reader.left_out.clear()
        columns = []
        written = self._names_of_times()
        for index, name in enumerate(self._reader.names):
            format = options.time_format if index in written else None
            column = Column(index, name, options, comma=known.comma, format=format)
            if index in known.times:
                column.known_times(known.times[index])
            columns.append(column)
        return columns

    def _names_of_times(self) -> set[int]:
        """Return the columns that --time-format is for."""
        options, names = self._options, self._reader.names
        if options.time_format is None:
            return set()
        chosen = [name.strip() for name in (options.time_column or "").split(",")]
        if options.time_column in names:
            chosen = [options.time_column]
        found = {names.index(name) for name in chosen if name in names}
        found |= {int(name) - 1 for name in chosen if name.isdigit() and 1 <= int(name) <= len(names)}
        free = [index for index in range(len(names)) if index not in self._texts]
        if found or not free:
            return found
        plain = {plain_name(names[index]): index for index in reversed(free)}
        named = next((plain[name] for name in TIME_NAMES if name in plain), None)
        return {free[0] if named is None else named}

    def _fail_without_rows(self) -> NoReturn:
        if "cells" in self._reader.left_out:
            self._fail_at(self._reader.left_out["cells"][1])
        self._fail("expected rows below the header, got none")

    def _check_headless(self, columns: Sequence[Column]) -> None:
        """Refuse a file without a header where nothing in it is a date: its first row may be anything."""
        known, options = self._reader.known, self._options
        if known.headless and options.header is None and options.time_column is None:
            dated = any(track.form is not RAW and track.good for column in columns for track in column.tracks)
            apart = any(column.texts and not column.tracks for column in columns)
            if not dated or not apart:
                cells = [self._first_cell(column) for column in columns]
                self._fail(
                    f"expected a header line with column names, got {quoted(','.join(cells))}:"
                    " --no-header, or --names time,NAME,...",
                    1,
                )

    def _first_cell(self, column: Column) -> str:
        frame = next(iter(self._reader.frames(frozenset(), False)))
        return frame.place(0, column.index)[1]

    # -- what came of it --

    def _profile(self, columns: Sequence[Column], roles: Roles) -> Profile:
        left_out = {}
        if "cells" in self._reader.left_out:
            count, shown = self._reader.left_out["cells"]
            self._weigh(count, self._rows + count, shown)
            left_out[f"with too few or too many cells ({shown})"] = count
        checked = self._checked(roles)
        self._weigh_clocks(checked, roles)
        notes = list(roles.notes)
        if checked.repeated and roles.layout == "wide":
            rows = counted(checked.repeated, "row")
            notes.append(f"{rows} of the same time as the row before: each row counts")
        if "short" in self._reader.left_out:
            count, shown = self._reader.left_out["short"]
            notes.append(f"{counted(count, 'row')} with too few cells ({shown}): the missing ones are gaps")
        made = Profile(
            roles,
            self._rows,
            checked.span,
            checked.step,
            checked.order,
            left_out,
            checked.falls > checked.rises,
            notes=[*notes, *checked.notes],
            guesses=[*self._reader.guesses, *roles.guesses],
            doubts=[*roles.doubts, *checked.doubts],
        )
        if checked.bad:
            shown = self._first_bad_time(checked, roles)
            self._weigh(checked.bad, self._rows, shown)
            left_out[f"without a time ({shown})"] = checked.bad
        self._count_streams(made, columns, roles)
        self._note_sentinels(made, columns, roles)
        return made

    def _first_bad_time(self, checked: _CheckedTimes, roles: Roles) -> str:
        line, cell = checked.first_bad or (None, "")
        got = quoted(cell.strip(), QUOTED) if cell.strip() else "an empty cell"
        place = f"line {line}, " if line else ""
        name = self._reader.names[roles.clock.columns[0]]
        expected = "expected a time up to the year 2262" if checked.beyond else "expected a time"
        return f"{place}column {quoted(name)}: {expected}, got {got}"

    def _weigh(self, bad: int, rows: int, shown: str) -> None:
        """Refuse rows that can't be read where they are too many to be left out without consent."""
        if bad > LEFT_OUT_SHARE * rows and not self._options.accept:
            them = "it" if bad == 1 else "them"
            self._fail_at(f"{shown}: {bad:,} of {counted(rows, 'row')}; --accept leaves {them} out")

    def _checked(self, roles: Roles) -> _CheckedTimes:
        """Return what the times come to, from the first pass where that has seen them as they are read."""
        work = roles.clock
        track = work.track
        local = work.zone is not None and (track is None or track.zoned < track.good)
        plain = (
            work.kind == "single"
            and track is not None
            and (track.form is work.forms[0] or work.forms[0] in number_times.UNIX.values())
            and max(-track.low, track.high) * _scale(track, work) < LAST_UNIX_SECONDS
        )
        if not plain or local or track is None:
            return self._check_times(work)
        return _CheckedTimes.of(track, _scale(track, work))

    def _weigh_clocks(self, checked: _CheckedTimes, roles: Roles) -> None:
        """Tell of local times that are taken for UTC though clocks seem to have been put back."""
        if checked.put_back and roles.clock.zone is None and not roles.streams:
            places = counted(checked.put_back, "place")
            checked.doubts.append(
                f"times go back by an hour in {places}, as where clocks are put back: of which zone are they?"
                " (--timezone Europe/Berlin, or UTC)"
            )

    def _check_times(self, work: Clockwork) -> _CheckedTimes:
        """Read the times of the whole file as was decided."""
        checked = self._read_times(work, newest_first=False)
        if checked.falls > checked.rises and isinstance(work.zone, str):
            checked = self._read_times(work, newest_first=True)
        return checked

    def _read_times(self, work: Clockwork, *, newest_first: bool) -> _CheckedTimes:
        clock = Clock(work, newest_first=newest_first)
        track = Track(RAW)
        for frame in self._reader.frames(self._texts | frozenset(as_written(work)), False):
            seconds = clock.seconds(frame.table)
            track.observe(times.Times(seconds, np.zeros(len(seconds), np.bool_)), frame, work.columns[0])
        checked = _CheckedTimes.of(track, 1.0)
        checked.beyond = clock.beyond
        if clock.repeated:
            times_of_it = f"{counted(clock.repeated, 'time')} in an hour that comes twice"
            checked.notes.append(f"{times_of_it}: the order of rows tells the pass")
        if clock.shifted:
            times_of_it = f"{counted(clock.shifted, 'time')} in an hour that the clocks skip"
            said = f"{times_of_it}: read an hour later (--timezone)"
            (checked.doubts if clock.shifted > LEFT_OUT_SHARE * self._rows else checked.notes).append(said)
        return checked

    def _count_streams(self, made: Profile, columns: Sequence[Column], roles: Roles) -> None:
        if roles.layout == "messages":
            topics = columns[roles.streams[0]].different
            made.different_streams = 0 if topics is None else len(topics)
            return
        for value in roles.values:
            column = columns[value.column]
            made.gaps += column.missing
            if value.unit:
                made.units[value.name] = value.unit
        if not roles.streams:
            made.streams = {
                value.name: columns[value.column].numbers + columns[value.column].states
                for value in roles.values
            }
            made.different_streams = len(made.streams)
            return
        different = columns[roles.streams[0]].different if len(roles.streams) == 1 else None
        if different is not None:
            made.streams = {
                name if len(roles.values) == 1 else f"{name}/{value.name}": count
                for name, count in different.items()
                for value in roles.values
            }
            made.different_streams = len(made.streams)

    def _note_sentinels(self, made: Profile, columns: Sequence[Column], roles: Roles) -> None:
        """Tell of values that instruments write where there is no reading, if they stand far outside."""
        wanted = {_number(word) for word in self._options.missing}
        for value in roles.values:
            column = columns[value.column]
            width = column.inner_high - column.inner_low
            for sentinel, count in column.sentinels.items():
                outside = max(column.inner_low - sentinel, sentinel - column.inner_high)
                if sentinel not in wanted and np.isfinite(width) and outside > max(2.0 * width, 1.0):
                    made.doubts.append(
                        f"column {quoted(value.name)}: {counted(count, 'reading')} of {sentinel:g},"
                        f" all others between {column.inner_low:g} and {column.inner_high:g}"
                        f" (--missing {sentinel:g} if none)"
                    )

    def _fail(self, message: str, line: int | None = None, column: str | None = None) -> NoReturn:
        self._archive.close()
        place = "".join([f": line {line}" if line else "", f", column {quoted(column)}" if column else ""])
        place = place if not place.startswith(",") else f": {place[2:]}"
        raise SourceError(f"{self._archive.path}{place}: {message}")

    def _fail_at(self, message: str) -> NoReturn:
        self._archive.close()
        raise SourceError(f"{self._archive.path}: {message}")


@dataclass
class _CheckedTimes:
    """What the times of a file come to."""

    span: tuple[float, float] | None
    step: float | None
    order: str
    rises: int
    falls: int
    bad: int
    first_bad: Place | None
    notes: list[str]
    doubts: list[str]
    put_back: int = 0
    repeated: int = 0  # times that are those of the row before
    beyond: bool = False

    @classmethod
    def of(cls, track: Track, scale: float) -> _CheckedTimes:
        order = "sorted" if not track.falls else "unsorted" if track.rises else "newest first"
        span = (track.low * scale, track.high * scale) if track.good else None
        step = track.typical_step
        made = cls(
            span,
            None if step is None else step * scale,
            order,
            track.rises,
            track.falls,
            track.bad,
            track.first_bad,
            [],
            [],
            0 if track.zoned else track.clocks_put_back,
            max(track.good - 1, 0) - track.rises - track.falls,
        )
        if span is not None and (span[0] < YEAR_1900 or span[1] > YEAR_2200):
            made.doubts.append(
                f"times from {_year(span[0])} to {_year(span[1])} (--time-format, --time-column)"
            )
        half = track.longest_step * scale > (track.high - track.low) * scale / 2.0
        if span is not None and 0.0 <= span[0] < YEAR_1971 < YEAR_2001 < span[1] and half:
            made.doubts.append("times of 1970 beside later ones: of a clock that was not set?")
        return made


def _scale(track: Track, work: Clockwork) -> float:
    """Return what a number of the track is in seconds, where it is a number of Unix time."""
    form = work.forms[0]
    unix = track.form is RAW and form in number_times.UNIX.values()
    return (
        float(form.to_seconds(np.array(1.0))) if unix and isinstance(form, number_times.NumberForm) else 1.0
    )


def _year(seconds: float) -> str:
    return f"the year {np.datetime64(int(seconds // 86_400), 'D').astype('datetime64[Y]')}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan
