"""The engine: batches of samples in, averages and forecasts out, live, replayed or recovered alike."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ewad.engine import changed_rows, state
from ewad.engine.batch import Batch, Results
from ewad.engine.blocks import Assembly, Outline, header_of
from ewad.engine.group import Group, silence
from ewad.engine.refusals import Refusals
from ewad.engine.settings import GroupSettings
from ewad.engine.settings_json import EngineSettings
from ewad.engine.snapshot import EngineSnapshot
from ewad.engine.streams import Labels
from ewad.errors import StateError
from ewad.kernels.memory import Floats, Integers

REFUSED = -1
GROUPS_AT_A_TIME = 256  # whose silent streams are looked for: less than a millisecond


class Forgotten(NamedTuple):
    """What `forget` did to a group: the streams that are gone, and those that are in another row now."""

    group: int
    streams: list[str]
    moved: list[str]


class Ending(NamedTuple):
    """Streams of a group whose sender said at a time, Unix seconds, that it is gone."""

    group: int
    streams: list[str]
    time: float


class Leaving(NamedTuple):
    """Streams of a group that are to be forgotten, and when each was seen last, Unix seconds."""

    group: int
    streams: list[str]
    seen: Floats

    def split(self, n: int) -> tuple[Leaving, Leaving]:
        """Return the first n of them and the others."""
        return (
            Leaving(self.group, self.streams[:n], self.seen[:n]),
            Leaving(self.group, self.streams[n:], self.seen[n:]),
        )


class Engine:
    """All groups of streams. It has no clock and does no I/O: its state depends on its samples alone.

    Chunk invariance: a sequence of samples gives the same state and results, bit for bit, in whatever batches
    it comes.
    """

    def __init__(self, groups: Sequence[GroupSettings], max_streams: int = 100_000) -> None:
        self.groups = [Group(settings) for settings in groups]
        self.max_streams = max_streams
        self._room = 0  # for so many more streams, without counting all groups
        self.refused = 0  # streams past max_streams
        self.refusals = Refusals()
        self.forgotten = 0
        self.answered = 0  # how many of the refused the last `forget` knew of

    @property
    def n_streams(self) -> int:
        """The number of streams in all groups."""
        return sum(len(group.streams) for group in self.groups)

    def add_stream(self, group: int, name: str, labels: Labels = ()) -> int:
        """Return the row of the stream in its group, a new one if need be; REFUSED past max_streams.

        A stream that is refused again and again counts once, until streams are forgotten. One that the
        group's own max_streams refuses does not count: no stream of another group makes room for it.
        """
        streams, limit = self.groups[group].streams, self.groups[group].settings.max_streams
        row = streams.find(name)
        if row is not None:
            return row
        if limit is not None and len(streams) >= limit:
            return REFUSED
        if self._room <= 0:
            self._room = self.max_streams - self.n_streams
        if self._room <= 0:
            self.refused += self.refusals.add(self.groups[group].name, name)
            return REFUSED
        self._room -= 1
        return self.groups[group].add_stream(name, labels)

    def has_room(self, group: int, new: Mapping[int, int]) -> bool:
        """Return whether a group may have a further stream. new: group -> others that are to come."""
        own = self.groups[group].settings.max_streams
        of_group = len(self.groups[group].streams) + new.get(group, 0)
        return (own is None or of_group < own) and self.n_streams + sum(new.values()) < self.max_streams

    def forget(self, now: float) -> list[Forgotten]:
        """Forget the streams that have been silent for longer than forget_after; return what was done.

        Rows change: no batch that was made before may be observed afterwards.
        now: Unix seconds. Like `observe`, it gives the same state for the same calls.
        """
        leaving = [each for each in self.leaving(now) if each is not None]
        return [done for each in leaving if (done := self.let_go(each)) is not None]

    def leaving(self, now: float) -> Iterator[Leaving | None]:
        """Yield the streams that have been silent for longer than forget_after, for `let_go`; a group at a
        time, and None now and then where there are none.

        If streams were refused since the last call, stale ones make room for as many, the least recently
        seen first. now: Unix seconds.
        """
        crowded = self.refused - self.answered > self.max_streams - self.n_streams
        limits = [group.settings.forget_after_seconds for group in self.groups]
        groups = [index for index, limit in enumerate(limits) if crowded or limit < math.inf]
        first = GROUPS_AT_A_TIME if not crowded else len(groups)  # who makes room is decided among all
        found = self._leaving_of(groups[:first], now, crowded=crowded) if groups else []
        self.answered = self.refused
        yield from found
        for start in range(first, len(groups), GROUPS_AT_A_TIME):
            yield None
            yield from self._leaving_of(groups[start : start + GROUPS_AT_A_TIME], now)

    def _leaving_of(self, groups: Sequence[int], now: float, *, crowded: bool = False) -> list[Leaving]:
        """Return the streams of these groups that are to leave."""
        limits = [self.groups[index].settings.forget_after_seconds for index in groups]
        # all streams of these groups, one group after the other: thousands of groups have few streams each
        sizes = [len(self.groups[index].streams) for index in groups]
        of = np.repeat(np.arange(len(groups)), sizes)
        silent = silence([self.groups[index] for index in groups], sizes, now)
        leaving = silent > np.array(limits)[of]
        if crowded:
            self._make_room(groups, of, silent, leaving)
        ends = np.cumsum(sizes)
        return [
            self._leaving(groups[k], np.flatnonzero(leaving[ends[k] - sizes[k] : ends[k]]))
            for k in np.unique(of[leaving]).tolist()
        ]

    def _leaving(self, group: int, rows: Integers) -> Leaving:
        names = self.groups[group].streams.names
        return Leaving(group, [names[row] for row in rows.tolist()], self.groups[group].seen[rows])

    def let_go(self, leaving: Leaving) -> Forgotten | None:
        """Forget these streams but for those that were seen since; return what was done, None if nothing."""
        group = self.groups[leaving.group]
        found = [group.streams.find(name) for name in leaving.streams]
        rows = [
            row
            for row, seen in zip(found, leaving.seen.tolist(), strict=True)
            if row is not None and group.seen[row] == seen
        ]
        return self._forget_rows(leaving.group, np.sort(np.array(rows, dtype=np.int64))) if rows else None

    def forget_streams(self, group: int, names: Sequence[str]) -> Forgotten:
        """Forget these streams of a group; return what was done. Raises ValueError if one is unknown."""
        rows = [self.groups[group].streams.find(name) for name in names]
        if None in rows:
            raise ValueError(
                f"{self.groups[group].name}: expected known streams, got {names[rows.index(None)]}"
            )
        return self._forget_rows(group, np.sort(np.array(rows, dtype=np.int64)))

    def _forget_rows(self, group: int, rows: Integers) -> Forgotten:
        self.forgotten += len(rows)
        self._room = 0
        self.refusals.clear()
        return Forgotten(group, *self.groups[group].forget(rows))

    def end_streams(self, ending: Ending) -> Integers:
        """Let streams be stale until their next samples; return their rows. Unknown names are left out."""
        return self.groups[ending.group].end(ending.streams, ending.time)

    def newest_arrival(self, limit: float = math.inf) -> float | None:
        """Return the latest time of arrival up to the limit, Unix seconds; None if there is none."""
        newest = max((group.newest_arrival(limit) for group in self.groups), default=-math.inf)
        return newest if newest > -math.inf else None

    def move_times(self, seconds: float, now: float) -> None:
        """Move all times of arrival by so many seconds, none of them past now: the clock was set.

        No batch that was made before may be observed afterwards. Like `observe`, it gives the same state for
        the same calls.
        """
        for group in self.groups:
            group.move_times(seconds, now)

    def _make_room(
        self, groups: Sequence[int], of: Integers, silent: Floats, leaving: NDArray[np.bool_]
    ) -> None:
        """Let stale streams of any group leave too, the longest silent first, for those that were refused.

        of: (n,) the place of each stream's group in groups.  leaving: (n,), which changes.
        """
        free = self.max_streams - self.n_streams + int(np.count_nonzero(leaving))
        wanted = self.refused - self.answered - free
        if wanted <= 0:
            return
        stale = silent > np.array([self.groups[index].settings.stale_after_seconds for index in groups])[of]
        candidates = np.flatnonzero(stale & ~leaving)
        leaving[candidates[np.argsort(-silent[candidates], kind="stable")[:wanted]]] = True

    def observe(self, batch: Batch) -> Results:
        """Take in a batch of one group and return what stood after each of its samples.

        Raises ValueError, with nothing changed, if the arrays do not fit together, a group or stream is
        unknown, a time is not finite or a value not within VALUE_LIMIT.
        """
        if not 0 <= batch.group < len(self.groups):
            raise ValueError(f"batch: expected group 0 to {len(self.groups) - 1}, got {batch.group}")
        n = len(batch.stream)
        if not len(batch.time) == len(batch.value) == n:
            raise ValueError(
                f"batch: expected {n} times and values, got {len(batch.time)}, {len(batch.value)}"
            )
        if batch.origin is not None and len(batch.origin) != n:
            raise ValueError(f"batch: expected {n} origins, got {len(batch.origin)}")
        return self.groups[batch.group].observe(batch)

    def dump(self) -> bytes:
        """Return the whole state in a portable form: a zip of .npy arrays and a JSON header.

        The header has the digest of the settings.
        """
        whole = self.snapshot()
        return EngineSnapshot({**whole.header, "settings": self.settings.digest}, whole.arrays).to_bytes()

    @property
    def settings(self) -> EngineSettings:
        """What the engine is made of."""
        return EngineSettings(tuple(group.settings for group in self.groups), self.max_streams)

    def dump_rows(self, rows: Mapping[int, Integers]) -> bytes:
        """Return the state of these rows of each group, ascending, and all that belongs to no row.

        With all rows that have changed since another engine stood where this one stands now, new ones and
        those whose stream is another one now among them, `apply_rows` lets that one catch up.
        """
        return changed_rows.dump(self.groups, self.counters(), rows)

    def apply_rows(self, dumped: bytes) -> None:
        """Put rows that another engine of the same settings has dumped into their places here.

        Raises StateError if they are damaged, of other settings or arithmetic, or not all that this engine
        lacks; the engine is then to be thrown away.
        """
        self._set_counters(changed_rows.apply(self.groups, dumped))
        self._room = 0

    def snapshot(self) -> EngineSnapshot:
        """Return the whole state as it is now. Its arrays are views, which the next batch changes."""
        return state.snapshot(self.groups, self.counters())

    def outlines(self) -> tuple[list[Outline], dict[str, Any]]:
        """Return how the state as it is now falls into blocks, and the header that belongs to them."""
        outlines = [Outline(group) for group in self.groups]
        return outlines, header_of([outline.entry for outline in outlines], self.counters())

    def assembly(self, header: dict[str, Any]) -> Assembly:
        """Begin to put this new engine together from blocks and their header."""
        self._set_counters(header)
        return Assembly(self.groups, header)

    def take_over(self, snapshot: EngineSnapshot) -> state.Loaded:
        """Put what fits of another engine's state into this new one; return what became of it."""
        loaded = state.take_over(self.groups, snapshot)
        self._set_counters(snapshot.header)
        return loaded

    def load(self, dump: bytes, *, strict: bool = False) -> state.Loaded:
        """Put what fits of a dumped state into a new engine; return what became of it.

        If nothing was dropped, continuing is bit-equal to never having stopped. strict: only a dump of the
        same settings will do. Raises StateError if that is not so, or if the dump is damaged or of a newer
        version; the engine is then to be thrown away. Raises ValueError if the engine has streams already.
        """
        if self.n_streams:
            raise ValueError(f"engine: expected a new one to load into, got one of {self.n_streams} streams")
        header, loaded = state.load(self.groups, dump)
        theirs = header.get("settings")
        if strict and theirs != self.settings.digest:
            raise StateError(
                f"state: expected a dump of the settings {self.settings.digest[:12]}, got one of "
                f"{theirs[:12] if theirs else 'unknown ones'}: the configuration has changed, "
                "or what this version of ewad takes where it says nothing"
            )
        self._set_counters(header)
        return loaded

    def counters(self) -> dict[str, Any]:
        """Return the counts that belong to the state, by name."""
        counts = {"refused": self.refused, "forgotten": self.forgotten, "answered": self.answered}
        return counts | {"refusals": self.refusals.dump()}

    def _set_counters(self, header: Mapping[str, Any]) -> None:
        self.refused = header["refused"]
        self.forgotten = header.get("forgotten", 0)
        self.answered = header.get("answered", 0)
        self.refusals.load(header.get("refusals", ""))
