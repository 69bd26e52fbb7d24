"""Which columns are the time, which tell series apart, which hold the values: decided from the whole file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np

from ewad.config.checks import nearest
from ewad.config.syntax import quoted
from ewad.ingest.files import times
from ewad.ingest.files.columns import RAW, Column, Track, forms_of_numbers
from ewad.ingest.files.options import FileOptions, Layout
from ewad.ingest.files.table import Known, Place
from ewad.ingest.files.times import NumberForm, TextForm
from ewad.ingest.files.words import (
    ANNOTATIONS,
    CLOCK_WORDS,
    PARTS,
    ROW_NUMBERS,
    SERIES_WORDS,
    TIME_NAMES,
    is_time_name,
    plain_name,
    words_of,
)
from ewad.ingest.formats.reasons import QUOTED

YEAR_1900, YEAR_2200 = -2208988800.0, 7258118400.0
YEAR_1973, YEAR_2100 = 1e8, 4102444800.0
LEFT_OUT_SHARE = 0.01  # of the rows: more than this is refused unless it is accepted
MOSTLY = 0.5


@dataclass(frozen=True)
class Clockwork:
    """How rows get their times. kind: "single" (one column), "day and clock" (two), "parts" (year, ...)
    or "joined" (texts with blanks between them, in one format).

    columns: by index. forms: of the columns, None where a column is a time of day or a part. zone: of times
    without one of their own: hours east, a name, or None for UTC.
    """

    kind: str
    columns: tuple[int, ...]
    forms: tuple[TextForm | NumberForm | None, ...]
    parts: tuple[str, ...] = ()
    zone: str | float | None = None
    track: Track | None = None


@dataclass(frozen=True)
class Value:
    """A column of values: how its texts are read. lenient: texts that are no numbers are gaps."""

    column: int
    name: str
    decimal: str = "."
    unit: str = ""
    lenient: bool = False


@dataclass
class Roles:
    """What was decided. notes are facts; guesses name the option that overrides each; doubts need consent."""

    layout: Layout
    clock: Clockwork
    streams: tuple[int, ...] = ()
    values: tuple[Value, ...] = ()
    notes: list[str] = field(default_factory=list)
    guesses: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)


Fail = Callable[..., NoReturn]


def decide(columns: Sequence[Column], known: Known, options: FileOptions, head: object, fail: Fail) -> Roles:
    """Return the roles of the columns. head: the first rows, a DataFrame. fail raises SourceError."""
    return _Decider(columns, known, options, head, fail).roles()


class _Decider:
    def __init__(
        self, columns: Sequence[Column], known: Known, options: FileOptions, head: object, fail: Fail
    ) -> None:
        self.columns = columns
        self.names = [column.name for column in columns]
        self.known = known
        self.options = options
        self.head = head
        self.fail = fail
        self.notes: list[str] = []
        self.guesses: list[str] = []
        self.doubts: list[str] = []
        self.mixed_series = False  # whether some streams of the file may hold texts, and others numbers

    def roles(self) -> Roles:
        layout = self._layout()
        named = self._named_roles(layout)
        self._check_names()
        taken = [index for group in named.values() for index in group]
        clock = self._clock(taken)
        streams = named.get("stream", ())
        if layout == "messages":
            order = (named["topic"][0], named["payload"][0])
            return self._made(layout, clock, order, ())
        if layout is None:
            streams = self._series(clock)
            layout = "long" if streams else "wide"
        self.mixed_series = bool(streams) and not self._by_header(layout)
        values = self._values(layout, clock, streams, named.get("value"))
        return self._made(layout, clock, streams, values)

    def _made(
        self, layout: Layout, clock: Clockwork, streams: tuple[int, ...], values: tuple[Value, ...]
    ) -> Roles:
        return Roles(layout, clock, streams, values, self.notes, self.guesses, self.doubts)

    def _by_header(self, layout: Layout) -> bool:
        """Return whether the headers alone make the file a long one: then every value is to be a number."""
        return layout == "long" and {"stream", "value"} <= {name.lower() for name in self.names}

    # -- names --

    def _layout(self) -> Layout | None:
        """Return the layout that options, format or names tell; None where the cells are to tell it."""
        options, lower = self.options, {name.lower() for name in self.names}
        if options.layout is not None:
            return options.layout
        if self.known.layout is not None:
            return self.known.layout
        if {"topic", "payload"} <= lower:
            return "messages"
        return "long" if {"stream", "value"} <= lower or options.stream_column else None

    def _named_roles(self, layout: Layout | None) -> dict[str, tuple[int, ...]]:
        """Return the columns that options or names give their roles."""
        roles: dict[str, tuple[int, ...]] = {}
        if self.known.streams is not None and layout != "wide":
            roles["stream"] = self.known.streams
        if self.known.values is not None:
            roles["value"] = self.known.values
        lower = [name.lower() for name in self.names]
        wanted: tuple[str, ...] = ("topic", "payload") if layout == "messages" else ()
        if layout == "long" and not self.options.stream_column and "stream" not in roles:
            wanted = ("stream",) if self.options.value_column or "value" in roles else ("stream", "value")
        for name in wanted:
            if name not in lower:
                self.fail(f"expected a column named {name}, got {', '.join(self.names)}", self._header_line)
            roles[name] = (lower.index(name),)
        if self.options.stream_column:
            roles["stream"] = self._columns_named(self.options.stream_column)
        if self.options.value_column:
            roles["value"] = self._columns_named(self.options.value_column)
        return roles

    @property
    def _header_line(self) -> int:
        return self.known.header_line or 1

    def _columns_named(self, text: str) -> tuple[int, ...]:
        """Return the columns of one name, or of several between commas; of positions where there are none."""
        if text in self.names:
            return (self.names.index(text),)
        return tuple(self._column_named(name.strip()) for name in text.split(","))

    def _column_named(self, name: str) -> int:
        if name in self.names:
            return self.names.index(name)
        if name.isdigit() and 1 <= int(name) <= len(self.names):
            return int(name) - 1
        guess = nearest(name, self.names)
        return self.fail(
            f"expected a column named {quoted(name)}, got {', '.join(self.names)}{guess}", self._header_line
        )

    def _check_names(self) -> None:
        options = self.options
        for name in options.columns or ():
            self._column_named(name)
        if options.columns and options.time_column and options.columns == (options.time_column,):
            self.fail(f"expected columns beside that of the time, got {quoted(options.time_column)} alone", 1)
        for index, name in enumerate(self.names):
            column = self.columns[index]
            held = column.numbers + column.texts + column.states
            if (
                not name
                and held
                and index
                and index not in self.known.times
                and not (column.counts_up and column.rows > 1)
            ):
                self.fail(
                    f"expected a name for column {index + 1}, got none: give names with --names",
                    self._header_line,
                )

    # -- the time --

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
        zone = times.zone_of(self.options.timezone)
        if zone is None:
            zone = self.options.timezone if times.is_zone(self.options.timezone) else None
        if zone is None:
            self.fail(
                f"--timezone: expected a name such as Europe/Berlin or an offset such as +02:00,"
                f" got {quoted(self.options.timezone)}"
            )
        return zone

    def _with_zone(self, clock: Clockwork, zone: str | float | None) -> Clockwork:
        if zone is None:
            found = [times.zone_in_name(self.names[index]) for index in clock.columns]
            zone = next((each for each in found if each is not None), None)
            if zone not in (None, 0.0):
                self.notes.append(
                    f"the zone is that in the name of column {quoted(self.names[clock.columns[0]])}"
                )
        return Clockwork(clock.kind, clock.columns, clock.forms, clock.parts, zone, clock.track)

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
        name = (
            3
            if plain in TIME_NAMES
            else 2
            if plain.startswith(("time", "date"))
            else int(is_time_name(column.name))
        )
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
            form not in times.UNIX.values() or YEAR_1973 <= form.to_seconds(np.array(column.low)) <= YEAR_2100
        )
        monotone = not (track.rises and track.falls)
        if dated and name and monotone:
            return 3, name
        if name:
            return 2, name
        if dated and monotone and track.rises and form in times.UNIX.values():
            return 2, 0
        return (1, 1) if column.index == 0 and monotone and column.name else (0, 0)

    def _chosen_clock(
        self, columns: tuple[int, ...], zone: str | float | None, *, certain: bool
    ) -> Clockwork:
        if len(columns) == 1:
            column = self.columns[columns[0]]
            if column.is_clock:
                cell = next(iter(column.different or {"": 0}))
                self.fail(
                    f"expected a time, got {quoted(cell, QUOTED)}: a time of day alone; name the column"
                    " of days, too: --time-column DAY,TIME",
                    self._first_line,
                    column.name,
                )
            form, track = self._form(column, certain=certain)
            return self._with_zone(Clockwork("single", columns, (form,), zone=zone, track=track), zone)
        if self.options.time_format is not None:
            form = TextForm("ymd", self.options.time_format)
            return self._with_zone(Clockwork("joined", columns, (form, *[None] * (len(columns) - 1))), zone)
        named = [self.columns[index] for index in columns]
        parts = self._parts(named)
        if parts is not None:
            return self._with_zone(parts, zone)
        days = [column for column in named if column.tracks and not column.is_clock]
        if len(named) == 2 and days:
            clock = next(column for column in named if column is not days[0])
            form, track = self._form(days[0], certain=True)
            made = Clockwork("day and clock", (days[0].index, clock.index), (form, None), track=track)
            return self._with_zone(made, zone)
        return self.fail(
            "--time-column: expected a day and a time of day, or year, month and day, got "
            + ", ".join(self.names[index] for index in columns)
        )

    @property
    def _first_line(self) -> int:
        return self._header_line + 1

    def _with_clock(self, day: Column, free: Sequence[Column]) -> Clockwork | None:
        """Return day and time of day, where the column holds days alone and another one times of day."""
        if not day.tracks or day.index in self.known.times:
            return None
        track = self._best_track(day)
        numeric = track.form is RAW
        if numeric and forms_of_numbers(day)[0] is not times.YYYYMMDD:
            return None
        if not numeric and not track.days_only:
            return None
        for column in free:
            if column is day:
                continue
            by_name = CLOCK_WORDS & words_of(column.name) and column.numbers and column.whole
            if column.is_clock or (by_name and column.low >= 0 and column.high <= 240_000):
                form, found = self._form(day, certain=True)
                return Clockwork("day and clock", (day.index, column.index), (form, None), track=found)
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

    def _number_form(self, column: Column, track: Track | None, *, certain: bool) -> NumberForm:
        """Return the notation of a column of numbers; tell where it could be another one."""
        forms = forms_of_numbers(column)
        name = words_of(column.name)
        form = forms[0]
        elapsed = name & {"seconds", "sec", "secs", "s", "elapsed", "epoch", "unix", "unixtime", "ms"}
        if form in times.UNIX.values() or elapsed:
            form = forms[-1]
            if not certain and form.to_seconds(np.array(column.high)) < YEAR_1973:
                said = (
                    f"column {quoted(column.name)} is the time, in {form.name} from 1970 on (--time-column)"
                )
                numbered = column.counts_up and column.rows > 1
                (self.doubts if numbered else self.guesses).append(said)
            return form
        if track is not None and track.rises and track.falls and form in (times.YEAR, times.DECIMAL_YEAR):
            return forms[-1]
        named = name & {
            "year",
            "date",
            "jahr",
            "decimal",
            "day",
            "datum",
            "datetime",
            "timestamp",
            "yyyymm",
            "month",
        }
        said = f"column {quoted(column.name)}: numbers are read as {form.name} (--time-format, --time-column)"
        notation = form in (times.YEAR, times.DECIMAL_YEAR, times.EXCEL, times.MATLAB)
        (self.doubts if notation and not named else self.guesses).append(said)
        return form

    # -- series and values --

    def _series(self, clock: Clockwork) -> tuple[int, ...]:
        """Return the columns that tell series apart; none where there are none."""
        free = [column for column in self.columns if column.index not in clock.columns and column.name]
        texts = [column for column in free if self._is_text(column)]
        numeric = [column for column in free if column.numbers and not self._is_text(column)]
        if not numeric:
            return ()
        found = []
        for column in texts:
            words = words_of(column.name)
            if words & ANNOTATIONS or column.different is None:
                continue
            if words & SERIES_WORDS or self._separate([column], clock):
                found.append(column)
        if not found:
            found = self._numbered(numeric, clock)
        if not found:
            self._doubt_texts(texts, numeric)
            return ()
        # a column that another one implies, as a name does an id, adds nothing
        chosen = self._without_implied(found)
        names = ", ".join(quoted(column.name) for column in chosen)
        self.guesses.append(f"a stream for each {names} (--stream-column, --layout wide)")
        return tuple(column.index for column in chosen)

    def _numbered(self, numeric: Sequence[Column], clock: Clockwork) -> list[Column]:
        """Return the columns of whole numbers, named as ids are, that together tell series apart."""
        found = [
            column
            for column in numeric
            if SERIES_WORDS & words_of(column.name)
            and column.different is not None
            and not column.counts_up
            and 1 < len(column.different) <= max(2, column.rows // 2)
        ]
        return found if found and self._separate(found, clock) else []

    def _is_text(self, column: Column) -> bool:
        dated = column.tracks and column.tracks[0].form is not RAW and column.tracks[0].share >= MOSTLY
        return column.texts > column.numbers + column.states and not dated and not column.is_clock

    def _separate(self, columns: Sequence[Column], clock: Clockwork) -> bool:
        """Return whether rows of one time differ in these columns, and none comes twice with them."""
        import pandas as pd

        head = self.head
        assert isinstance(head, pd.DataFrame)  # noqa: S101
        stamps, cells = list(clock.columns), [column.index for column in columns]
        once = not head.duplicated([*stamps, *cells]).any()
        return bool(once and head.duplicated(stamps).any() and len(head.drop_duplicates(cells)) > 1)

    def _without_implied(self, found: list[Column]) -> list[Column]:
        import pandas as pd

        head = self.head
        assert isinstance(head, pd.DataFrame)  # noqa: S101
        chosen: list[Column] = []
        for column in sorted(found, key=lambda each: -len(each.different or ())):
            before = [each.index for each in chosen]
            joined = len(head.drop_duplicates([*before, column.index]))
            if not chosen or joined > len(head.drop_duplicates(before)):
                chosen.append(column)
        return sorted(chosen, key=lambda each: each.index)

    def _doubt_texts(self, texts: Sequence[Column], numeric: Sequence[Column]) -> None:
        for column in texts:
            different = len(column.different or ())
            words = words_of(column.name)
            if words & ANNOTATIONS or len(numeric) > 1 or not 1 < different <= 100:
                continue
            if 3 * different <= column.rows and self._alternates(column):
                self.doubts.append(
                    f"column {quoted(column.name)} could tell {different} series apart"
                    f" (--stream-column {quoted(column.name)} for that, --columns for the others alone)"
                )

    def _alternates(self, column: Column) -> bool:
        import pandas as pd

        head = self.head
        assert isinstance(head, pd.DataFrame)  # noqa: S101
        cells = head[column.index].astype(str)
        return bool((cells != cells.shift()).mean() > 0.5)

    def _values(
        self, layout: Layout, clock: Clockwork, streams: Sequence[int], named: tuple[int, ...] | None
    ) -> tuple[Value, ...]:
        options = self.options
        lower = {name.lower() for name in self.names}
        if (
            options.columns
            and layout == "long"
            and not options.stream_column
            and lower >= {"stream", "value"}
        ):
            self.fail("expected a wide file to take columns of, got a long one", 1)
        chosen = [self._column_named(name) for name in options.columns or ()]
        asked = set(chosen) | set(named or ())
        candidates = [
            column
            for column in self.columns
            if column.index not in clock.columns
            and column.index not in streams
            and (column.index in asked if asked else True)
        ]
        values, mixed = [], []
        for column in candidates:
            if column.index in asked or self._is_value(column, streams):
                values.append(column)
            elif column.texts and column.numbers:
                mixed.append(column)
            elif column.texts:
                self._leave_out_text(column)
        return self._settled(values, mixed, asked)

    def _leave_out_text(self, column: Column) -> None:
        dated = column.is_clock or (column.tracks and column.tracks[0].form is not RAW)
        self.notes.append(f"column {quoted(column.name)}: {'times' if dated else 'text'}, left out")

    def _is_value(self, column: Column, streams: Sequence[int]) -> bool:
        """Return whether a column that nobody asked for holds values."""
        if not (column.numbers or column.states) or column.texts:
            return False
        name = plain_name(column.name)
        if column.counts_up and column.rows > 1 and (name in ROW_NUMBERS or not column.name):
            self.notes.append(f"column {quoted(column.name or str(column.index + 1))}: row numbers, left out")
            return False
        if not column.name:
            return False
        words = set(name.split())
        if (
            column.tracks
            and column.tracks[0].form is RAW
            and words & {"decimal", "epoch", "timestamp", "unixtime"}
        ):
            self.notes.append(f"column {quoted(column.name)}: times, left out")
            return False
        return True

    def _settled(self, values: list[Column], mixed: list[Column], asked: set[int]) -> tuple[Value, ...]:
        if not values and mixed:
            values, mixed = mixed, []
        for column in mixed:
            line, cell = column.first_text or (None, "")
            where = f" in line {line}" if line else ""
            said = (
                f"column {quoted(column.name)}: {column.numbers:,} numbers and {column.texts:,} texts,"
                f" such as {quoted(cell.strip(), QUOTED)}{where}: left out (--missing, --columns)"
            )
            (self.doubts if column.numbers > column.texts else self.notes).append(said)
        settled = tuple(self._value(column, asked) for column in values)
        if not settled:
            texts = [column for column in self.columns if column.texts]
            rows = max((column.rows for column in self.columns), default=0)
            if texts or not rows:
                self.fail("expected at least one numeric column beside time, got text in all of them")
        return settled

    def _value(self, column: Column, asked: set[int]) -> Value:
        """Return how a column's values are read. Fails where one of its cells is no number."""
        line, cell = column.first_text or (None, "")
        got = quoted(cell.strip(), QUOTED)
        lenient = bool(column.texts) and self.mixed_series and column.numbers + column.states > 0
        if lenient:
            self._note_texts(column, got, line)
        elif column.texts:
            self.fail(f"expected a number, got {got}: --missing {got} if it is no reading", line, column.name)
        if column.first_extreme is not None:
            line, cell = column.first_extreme
            self.fail(
                f"expected a finite number of ordinary size, got {quoted(cell.strip(), QUOTED)}",
                line,
                column.name,
            )
        units = [unit for unit in column.units if unit]
        if len(units) > 1 or (units and column.units[""]):
            shown = ", ".join(quoted(unit) for unit in units)
            some = "" if len(units) > 1 else ", and cells without a unit"
            self.doubts.append(f"column {quoted(column.name)}: units {shown}{some}: they are left off")
        unit = units[0] if units else self.known.units.get(column.index, "")
        return Value(column.index, column.name, self._decimal(column), unit, lenient)

    def _note_texts(self, column: Column, got: str, line: int | None) -> None:
        """Tell of cells that are no numbers in a file of several streams, some of which may hold texts."""
        where = f" in line {line}" if line else ""
        said = f"column {quoted(column.name)}: {column.texts:,} cells that are no numbers are left out,"
        said += f" such as {got}{where} (--missing)"
        named = plain_name(column.name) == "state"  # as Home Assistant has them: of entities of all kinds
        many = column.texts > LEFT_OUT_SHARE * column.rows and not named
        (self.doubts if many else self.notes).append(said)

    def _decimal(self, column: Column) -> str:
        if self.options.decimal is not None:
            return self.options.decimal
        if (column.commas or self.known.comma) and not column.points:
            return ","
        if column.groups and not column.points and not column.commas:
            others = any(other.commas for other in self.columns)
            if self.known.comma or others:
                return ","
            self.doubts.append(
                f"column {quoted(column.name)}: commas are read as those of thousands (--decimal , otherwise)"
            )
        if column.commas and column.points:
            self.doubts.append(f"column {quoted(column.name)}: decimal commas and points (--decimal)")
        return "."
