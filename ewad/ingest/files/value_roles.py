"""Which columns tell series apart, and which hold the values."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.config.syntax import counted, quoted
from ewad.ingest.files.case import (
    LEFT_OUT_SHARE,
    MOSTLY,
    Case,
    Clockwork,
    Value,
)
from ewad.ingest.files.columns import RAW, Column
from ewad.ingest.files.options import Layout
from ewad.ingest.files.words import (
    ANNOTATIONS,
    ROW_NUMBERS,
    SERIES_WORDS,
    plain_name,
    words_of,
)
from ewad.ingest.formats.reasons import QUOTED


class ValueDecider(Case):
    """Decides what the streams of a file are."""

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

    def _doubt_mixture(self, streams: Sequence[int], clock: Clockwork) -> None:
        """Tell of columns that tell rows of one time and stream apart, where most rows need that."""
        import pandas as pd

        head = self.head
        assert isinstance(head, pd.DataFrame)  # noqa: S101
        stamps = [*clock.columns, *streams]
        known = self.known.streams or ()
        others = [
            column
            for column in self.columns
            if column.index not in stamps and (column.index in known or self._is_text(column))
        ]
        mixed = head.duplicated(stamps, keep=False).mean() > MOSTLY
        if mixed and others and not head.duplicated([*stamps, *(each.index for each in others)]).any():
            names = ", ".join(quoted(each.name) for each in self._without_implied(others))
            self.doubts.append(
                f"rows of one time and stream differ in {names} (--stream-column takes several)"
            )

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
                f"column {quoted(column.name)}: {counted(column.numbers, 'number')} and"
                f" {counted(column.texts, 'text')},"
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
        said = f"column {quoted(column.name)}: left out: {counted(column.texts, 'cell')} without a number,"
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
