"""Which column is the time, or which columns together, and how they are read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NoReturn

import numpy as np

from ewad.config.syntax import quoted
from ewad.ingest.files import number_times, zones
from ewad.ingest.files.case import (
    MOSTLY,
    YEAR_1973,
    YEAR_2100,
    Case,
    Clockwork,
)
from ewad.ingest.files.columns import RAW, Column, Track, forms_of_numbers
from ewad.ingest.files.number_times import NumberForm
from ewad.ingest.files.table import Place
from ewad.ingest.files.times import TextForm
from ewad.ingest.files.words import (
    CLOCK_WORDS,
    PARTS,
    TIME_NAMES,
    is_time_name,
    plain_name,
    words_of,
)
from ewad.ingest.formats.reasons import QUOTED

YEARS = (number_times.YEAR, number_times.DECIMAL_YEAR)
# in the names of columns: of numbers that count from 1970 or from a start, and of those that write a date
ELAPSED_WORDS = {"seconds", "sec", "secs", "s", "elapsed", "epoch", "unix", "unixtime", "ms"}
DATE_WORDS = {"year", "date", "jahr", "decimal", "day", "datum", "datetime", "timestamp", "yyyymm", "month"}


class TimeDecider(Case):
    """Decides where rows have their times."""

    def _clock(self, taken: Sequence[int]) -> Clockwork:
        zone = self._zone_option()
        if self.options.time_column:
            return self._chosen_clock(self._columns_named(self.options.time_column), zone, certain=True)
        if self.known.time is not None:
            return self._chosen_clock((self.known.time,), zone, certain=True)
        free = [column for column in self.columns if column.index not in taken]
        if not free:
            self.fail("expected a time column, got none", 1)
        if self.options.time_format is not None:
            return self._chosen_clock((self._formatted(free),), zone, certain=True)
        parts = self._parts(free)
        if parts is not None:
            return self._with_zone(parts, zone)
        best = self._best(free)
        if best is None:
            return self._chosen_clock((self._by_default(free),), zone, certain=False)
        clock = self._with_clock(best, free)
        if clock is not None:
            return self._with_zone(clock, zone)
        return self._chosen_clock((best.index,), zone, certain=is_time_name(best.name))

    def _formatted(self, free: Sequence[Column]) -> int:
        """Return the column that --time-format is for."""
        return next((column for column in free if column.format is not None), free[0]).index

    def _zone_option(self) -> str | float | None:
        if self.options.timezone is None:
            return None
        zone = zones.zone_of(self.options.timezone)
        if zone is None:
            zone = self.options.timezone if zones.is_zone(self.options.timezone) else None
        if zone is None:
            self.fail(
                f"--timezone: expected a name such as Europe/Berlin or an offset such as +02:00,"
                f" got {quoted(self.options.timezone)}"
            )
        return zone

    def _with_zone(self, clock: Clockwork, zone: str | float | None) -> Clockwork:
        if zone is None:
            found = [zones.zone_in_name(self.names[index]) for index in clock.columns]
            zone = next((each for each in found if each is not None), None)
            if zone not in (None, 0.0):
                self.notes.append(
                    f"the zone is that in the name of column {quoted(self.names[clock.columns[0]])}"
                )
        return dataclasses.replace(clock, zone=zone)

    def _by_default(self, free: Sequence[Column]) -> int:
        """Return the column that should be the time though no cell of any column says so."""
        named = [column for column in free if plain_name(column.name) in TIME_NAMES]
        return (named or [column for column in free if is_time_name(column.name)] or list(free))[0].index

    def _best(self, free: Sequence[Column]) -> Column | None:
        """Return the column that most looks like the time; None if none does."""
        ranked = [(self._rank(column), -column.index, column) for column in free]
        some = [each for each in ranked if each[0] > (0, 0)]
        if not some:
            return None
        best = max(some, key=lambda each: each[:2])
        others = [column.name for rank, _, column in ranked if rank >= (3, 0) and column is not best[2]]
        if others and best[0] >= (3, 0):
            shown = ", ".join(quoted(name) for name in others[:3])
            self.guesses.append(
                f"the time is column {quoted(best[2].name)}, not {shown}, which hold times (--time-column)"
            )
        return best[2]

    def _rank(self, column: Column) -> tuple[int, int]:
        """Return how much a column is like the time, by its cells and by its name."""
        plain = plain_name(column.name)
        name = int(is_time_name(column.name))
        if plain in TIME_NAMES or plain.startswith(("time", "date")):
            name = 3 if plain in TIME_NAMES else 2
        if column.index in self.known.times:
            return 4, name
        if not column.tracks:
            return 0, 0
        track = max(column.tracks, key=lambda each: each.share)
        if track.form is not RAW:
            return (3, name) if track.share >= MOSTLY else (0, 0)
        if not column.numbers:
            return 0, 0
        form = forms_of_numbers(column)[0]
        dated = (
            form not in number_times.UNIX.values()
            or YEAR_1973 <= form.to_seconds(np.array(column.low)) <= YEAR_2100
        )
        monotone = not (track.rises and track.falls)
        if dated and name and monotone:
            return 3, name
        if name:
            return 2, name
        if dated and monotone and track.rises and form in number_times.UNIX.values():
            return 2, 0
        return (1, 1) if column.index == 0 and monotone and column.name else (0, 0)

    def _chosen_clock(
        self, columns: tuple[int, ...], zone: str | float | None, *, certain: bool
    ) -> Clockwork:
        if len(columns) == 1:
            return self._single_clock(columns[0], zone, certain=certain)
        if len(set(columns)) < len(columns):
            self.fail(
                f"--time-column: expected different columns, got {quoted(self.options.time_column or '')}"
            )
        if self.options.time_format is not None:
            joined = TextForm("ymd", self.options.time_format)
            rest = [None] * (len(columns) - 1)
            return self._with_zone(Clockwork("joined", columns, (joined, *rest)), zone)
        named = [self.columns[index] for index in columns]
        parts = self._parts(named)
        if parts is not None:
            return self._with_zone(parts, zone)
        days = [column for column in named if column.tracks and not column.is_clock]
        if len(named) == 2 and days:
            clock = next(column for column in named if column is not days[0])
            form, track = self._form(days[0], certain=True)
            return self._with_zone(_day_and_clock(days[0], clock, form, track), zone)
        return self.fail(
            "--time-column: expected a day and a time of day, or year, month and day, got "
            + ", ".join(self.names[index] for index in columns)
        )

    def _single_clock(self, index: int, zone: str | float | None, *, certain: bool) -> Clockwork:
        column = self.columns[index]
        if column.is_clock:
            cell = next(iter(column.different or {"": 0}))
            self.fail(
                f"expected a time, got {quoted(cell, QUOTED)}: a time of day alone; name the column"
                " of days, too: --time-column DAY,TIME",
                self._first_line,
                column.name,
            )
        form, track = self._form(column, certain=certain)
        return self._with_zone(Clockwork("single", (index,), (form,), zone=zone, track=track), zone)

    def _with_clock(self, day: Column, free: Sequence[Column]) -> Clockwork | None:
        """Return day and time of day, where the column holds days alone and another one times of day."""
        if not day.tracks or day.index in self.known.times:
            return None
        track = self._best_track(day)
        numeric = track.form is RAW
        if numeric and forms_of_numbers(day)[0] is not number_times.YYYYMMDD:
            return None
        if not numeric and not track.days_only:
            return None
        for column in free:
            if column is day:
                continue
            by_name = CLOCK_WORDS & words_of(column.name) and column.numbers and column.whole
            if column.is_clock or (by_name and column.low >= 0 and column.high <= 240_000):
                form, found = self._form(day, certain=True)
                return _day_and_clock(day, column, form, found)
        return None

    def _parts(self, free: Sequence[Column]) -> Clockwork | None:
        """Return year, month, day and so on, each in a column of its own."""
        found: dict[str, int] = {}
        for column in free:
            part = PARTS.get(plain_name(column.name))
            if part and column.numbers and not column.texts and column.whole and part not in found:
                found[part] = column.index
        if not {"year", "month"} <= set(found):
            return None
        parts = []
        for part in ("year", "month", "day", "hour", "minute", "second"):
            if part not in found:
                break
            parts.append(part)
        indexes = tuple(found[part] for part in parts)
        if "year" in parts and self.columns[indexes[0]].low < 100:
            return None
        clock = next((column for column in free if column.is_clock), None)
        if parts[-1] == "day" and clock is not None:
            parts, indexes = [*parts, "clock"], (*indexes, clock.index)
        return Clockwork("parts", indexes, (None,) * len(indexes), tuple(parts))

    def _best_track(self, column: Column) -> Track:
        least = min(track.bad for track in column.tracks)
        best = [track for track in column.tracks if track.bad == least]
        return min(best, key=lambda track: (min(track.rises, track.falls), track.travel))

    def _form(self, column: Column, *, certain: bool) -> tuple[TextForm | NumberForm, Track | None]:
        """Return in which form a column's cells are times."""
        if column.index in self.known.times:
            self._weigh_units(column, self.known.times[column.index])
            return self.known.times[column.index], column.tracks[0]
        if not column.tracks:
            if column.numbers and not column.texts:
                return self._number_form(column, None, certain=certain), None
            place = column.first_text or (self._first_line, "")
            self._no_time(column, place)
        track = self._best_track(column)
        if track.form is RAW:
            if not column.numbers:
                self._no_time(column, track.first_bad or (self._first_line, ""))
            return self._number_form(column, track, certain=certain), track
        if not track.good and track.first_bad:
            self._no_time(column, track.first_bad)
        self._weigh_orders(column, track)
        return track.form, track

    def _no_time(self, column: Column, place: Place) -> NoReturn:
        line, cell = place
        got = quoted(cell.strip(), QUOTED) if cell.strip() else "an empty cell"
        self.fail(f"expected a time, got {got}", line, column.name)

    def _weigh_orders(self, column: Column, track: Track) -> None:
        """Tell in which order day and month are read, and whether it could as well be otherwise."""
        if not isinstance(track.form, TextForm) or not track.form.ambiguous:
            return
        said = f"column {quoted(column.name)}: {quoted(track.form.shown)} is read {track.form.name}"
        others = [
            other
            for other in column.tracks
            if other is not track and other.bad == track.bad and other.form is not track.form
        ]
        if not others:
            self.notes.append(said)
            return
        close = [
            other
            for other in others
            if min(other.rises, other.falls) <= min(track.rises, track.falls)
            and (other.low, other.high, other.travel) != (track.low, track.high, track.travel)
            and (other.travel <= 2.0 * track.travel or (other.first_days_only and track.good > 2))
        ]
        (self.doubts if close else self.guesses).append(f"{said} (--day-first, --month-first)")

    def _weigh_units(self, column: Column, form: NumberForm) -> None:
        """Tell of Unix times that are not all in one unit, by their size."""
        if column.other_unit is not None and form in number_times.UNIX.values():
            line, cell = column.other_unit
            where = f" in line {line}" if line else ""
            self.doubts.append(
                f"column {quoted(column.name)}: {cell.strip()}{where} is in another unit of Unix time than"
                f" the times before it, by its size: all are read as {form.name} (--time-format s, or ms)"
            )

    def _number_form(self, column: Column, track: Track | None, *, certain: bool) -> NumberForm:
        """Return the notation of a column of numbers; tell where it could be another one."""
        forms = forms_of_numbers(column)
        name = words_of(column.name)
        form = forms[0]
        self._weigh_units(column, forms[-1])
        elapsed = bool(name & ELAPSED_WORDS)
        if form in number_times.UNIX.values() or elapsed:
            if not certain:
                self._weigh_elapsed(column, forms[-1], elapsed)
            return forms[-1]
        if track is not None and track.rises and track.falls and form in YEARS:
            return forms[-1]
        said = f"column {quoted(column.name)}: numbers are read as {form.name} (--time-format, --time-column)"
        doubtful = form in (*YEARS, number_times.EXCEL, number_times.MATLAB) and not name & DATE_WORDS
        (self.doubts if doubtful else self.guesses).append(said)
        return form

    def _weigh_elapsed(self, column: Column, form: NumberForm, elapsed: bool) -> None:
        """Tell of Unix times of the first years, which may be no times. elapsed: whether the name says so."""
        if form.to_seconds(np.array(column.high)) < YEAR_1973:
            (self.guesses if elapsed else self.doubts).append(
                f"no column looks like a time: column {quoted(column.name)} is taken for one,"
                f" in {form.name} from 1970 on (--time-column names another)"
            )


def _day_and_clock(day: Column, clock: Column, form: TextForm | NumberForm, track: Track | None) -> Clockwork:
    """Return days and times of day together; the largest time of day tells how all of them are written."""
    unit = 1 if clock.high <= 24 else 100 if clock.high <= 2400 else 10_000
    return Clockwork("day and clock", (day.index, clock.index), (form, None), track=track, clock_unit=unit)
