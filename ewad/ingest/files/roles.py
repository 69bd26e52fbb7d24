"""Which columns are the time, which tell series apart, which hold the values: decided from the whole file."""

from __future__ import annotations

from collections.abc import Sequence

from ewad.config.syntax import quoted
from ewad.ingest.files.case import (
    Clockwork,
    Fail,
    Roles,
    Value,
)
from ewad.ingest.files.columns import Column
from ewad.ingest.files.options import FileOptions, Layout
from ewad.ingest.files.table import Known
from ewad.ingest.files.time_roles import TimeDecider
from ewad.ingest.files.value_roles import ValueDecider


def decide(columns: Sequence[Column], known: Known, options: FileOptions, head: object, fail: Fail) -> Roles:
    """Return the roles of the columns. head: the first rows, a DataFrame. fail raises SourceError."""
    return _Decider(columns, known, options, head, fail).roles()


class _Decider(TimeDecider, ValueDecider):
    def roles(self) -> Roles:
        layout = self._layout()
        named = self._named_roles(layout)
        self._check_names()
        taken = [index for group in named.values() for index in group]
        clock = self._clock(taken)
        self._check_roles(named, clock)
        streams = named.get("stream", ())
        if layout == "messages":
            order = (named["topic"][0], named["payload"][0])
            return self._made(layout, clock, order, ())
        if layout is None:
            streams = self._series(clock)
            layout = "long" if streams else "wide"
        self.mixed_series = bool(streams) and not self._by_header(layout)
        if self.options.stream_column:
            self._doubt_mixture(streams, clock)
        values = self._values(layout, clock, streams, named.get("value"))
        if layout == "long" and not values:
            self.fail("expected a column of numbers beside those of time and streams, got none")
        return self._made(layout, clock, streams, values)

    def _made(
        self, layout: Layout, clock: Clockwork, streams: tuple[int, ...], values: tuple[Value, ...]
    ) -> Roles:
        return Roles(layout, clock, streams, values, self.notes, self.guesses, self.doubts)

    def _by_header(self, layout: Layout) -> bool:
        """Return whether the headers alone make the file a long one: then every value is to be a number."""
        return layout == "long" and {"stream", "value"} <= {name.lower() for name in self.names}

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

    def _check_roles(self, named: dict[str, tuple[int, ...]], clock: Clockwork) -> None:
        """Refuse a column that is to be two things at once."""
        asked = {
            "--stream-column": named.get("stream", ()),
            "--value-column": named.get("value", ()),
            "--columns": tuple(self._column_named(name) for name in self.options.columns or ()),
        }
        for option, columns in asked.items():
            for index in columns:
                if index in clock.columns:
                    self.fail(
                        f"{option}: expected columns beside that of the time, got {quoted(self.names[index])}"
                    )
        both = set(asked["--stream-column"]) & {*asked["--value-column"], *asked["--columns"]}
        if both:
            self.fail(f"--stream-column: {quoted(self.names[min(both)])} can't be a column of values, too")

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

    def _check_names(self) -> None:
        options = self.options
        for name in options.columns or ():
            self._column_named(name)
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
