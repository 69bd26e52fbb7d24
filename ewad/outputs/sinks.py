"""Sinks: where the results of each batch go, beside what is read at a scrape.

A sink is a file with a class, one with its options, and a line in ewad/config/sinks.py. Live each one runs
in a thread of its own (outputs/running.py), off the path of acknowledgement; in a replay it is called between
two batches.
"""

from __future__ import annotations

import importlib
import queue
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ewad.config import Settings
from ewad.config.sinks import SINKS
from ewad.engine import Batch, Engine, GroupSettings, Results
from ewad.engine.group import Group
from ewad.engine.streams import Streams
from ewad.errors import needs
from ewad.outputs.registry import QUANTITIES, Array, Labels, Quantity, told_standing

T = TypeVar("T")


class Observed(NamedTuple):
    """A batch, and what stood after each of its samples. streams: whose rows these are, for ever.

    standing: what beside the results is told of each accepted sample's stream, (m,) after the batch.
    """

    batch: Batch
    results: Results
    streams: Streams
    settings: GroupSettings
    standing: tuple[tuple[Quantity, Labels, Array], ...] = ()

    def __len__(self) -> int:
        return len(self.results.accepted)

    @classmethod
    def of(cls, engine: Engine, batch: Batch, results: Results) -> Observed:
        """Return what the engine has just observed."""
        group = engine.groups[batch.group]
        standing = told_standing(group, batch.stream[results.accepted].astype(np.int64))
        return cls(batch, results, group.streams, group.settings, (*standing,))


class Standing(NamedTuple):
    """How the streams of a group stand when a sink begins: copies, a row a stream. fresh: not stale.

    columns: what is told of streams, (rows,) each, but for the value.
    """

    streams: Streams
    settings: GroupSettings
    fresh: NDArray[np.int64]
    time: Array
    value: Array
    columns: tuple[tuple[Quantity, Labels, Array], ...]

    @classmethod
    def of(cls, group: Group, now: float) -> Standing:
        """Return how a group stands at this time, Unix seconds."""
        n = len(group.streams)
        columns = [
            (quantity, labels, np.array(values[:n]))
            for quantity in QUANTITIES
            if (quantity.column or quantity.word) and quantity.name != "value" and not quantity.of_models
            for labels, values in quantity.at(group, now)
        ]
        silence = now - group.seen[:n]
        fresh = np.flatnonzero((group.count[:n] > 0) & (silence <= group.settings.stale_after_seconds))
        return cls(
            group.streams, group.settings, fresh, group.time[:n].copy(), group.value[:n].copy(), (*columns,)
        )


class Tally(NamedTuple):
    """What a sink counts that has a queue of its own.

    superseded: results that later ones of their stream replaced before they were written.  written (None: as
    soon as they are flushed), lost, waiting: samples.  failures: attempts to write.
    """

    superseded: int = 0
    written: int | None = None
    lost: int = 0
    waiting: int = 0
    failures: int = 0


class Sink:
    """What a sink does; each method may take its time. One that has no use for some leaves them as they are.

    waits: where it is slower than the samples come, they wait for it, and with them the broker; otherwise
    samples are lost to it, and counted.  durable: what it has flushed outlives the process; so the state has
    samples, and the broker its acknowledgements, only after that.  clock: Unix seconds; in a daemon the time
    of arrival, by which nothing grows old because the system clock is set.
    """

    waits = True
    durable = False
    clock: Callable[[], float] = staticmethod(time.time)

    @property
    def tally(self) -> Tally:
        """What it counts of itself; empty where it writes all at once or fails."""
        return Tally()

    def fits(self, settings: Settings) -> bool:
        """Whether it can go on under these settings; otherwise another one takes its place."""
        return True

    def open(self, groups: Sequence[GroupSettings]) -> None:
        """Begin; or go on with other groups, after a reload. Raises ConfigError or OSError."""

    def stands(self, standing: Standing) -> None:
        """Hear how streams stand when it begins: of an earlier process, or of before a reload."""

    def observed(self, observed: Observed) -> None:
        """Take results. Does no I/O: that is for `flush`."""
        raise NotImplementedError

    def succeed(self, earlier: Sink) -> None:
        """Hear which sink of the same name, which has ended, this one takes the place of; before `open`."""

    def next(self, items: queue.SimpleQueue[T]) -> T:
        """Wait for what is put next, and return it; one with other work does that meanwhile."""
        return items.get()

    def wake(self) -> None:
        """Hear, in another thread, that something has been put."""

    def forgotten(self, settings: GroupSettings, streams: Mapping[str, Labels]) -> None:
        """Hear that these streams of a group are no more. streams: with their labels, as far as known."""

    def request(self, topic: str, payload: bytes) -> None:
        """Hear what would ask a sender of messages to tell all anew."""

    def flush(self) -> None:
        """Write all that has been taken. Raises OSError when it can't now: it is called again then."""

    def close(self) -> None:
        """End, after a last flush."""

    def discard(self) -> None:
        """Let go of everything where the results are not complete; nothing after `close`."""


def chosen(settings: Settings) -> Iterator[tuple[str, Sink]]:
    """Yield name and sink of each one that is on. Raises ConfigError."""
    for name in settings.sinks:
        yield name, make(name, settings)


def make(name: str, settings: Settings) -> Sink:
    """Return the sink of that name; only now is its module imported. Raises ConfigError."""
    entry = SINKS[name]
    if entry.needs:
        needs(entry.needs, name, f"[{name}]")
    module, _, attribute = entry.place.partition(":")
    sink: Sink = getattr(importlib.import_module(module), attribute)(settings)
    return sink


def replayed(sinks: Iterable[Sink], engine: Engine, observed: Iterable[tuple[Batch, Results]]) -> None:
    """Hand each batch of a replay to each of the sinks, and let them write it."""
    told = [Observed.of(engine, batch, results) for batch, results in observed]
    for sink in sinks:
        for each in told:
            sink.observed(each)
        sink.flush()
