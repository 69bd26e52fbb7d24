"""The documents of [publish]: how a stream stands after its last sample, and its forecasts as a curve."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np

from ewad.config.publish import PLACEHOLDER
from ewad.engine import GroupSettings
from ewad.engine.ahead import times_ahead, usual
from ewad.outputs.registry import Labels, Quantity, told_results
from ewad.outputs.sinks import Observed, Standing

Document = dict[str, Any]
STEPS: Final = 9  # of a stream, whose median is how its samples usually come

# the word of a quantity -> its key in an object by horizon, where that is another one
OF_HORIZON: Final = {"forecast": "value"}


class StreamState(NamedTuple):
    """One stream after its last sample of a batch. document: without the names that a template may have."""

    group: GroupSettings
    stream: str
    labels: Labels
    elapsed: list[float]  # seconds before each of its samples in the batch
    document: Document

    def topic(self, template: str) -> str:
        """Return the topic of the stream."""
        return topic_of(template, self.group.name, self.stream, self.labels)


def topic_of(template: str, group: str, stream: str, labels: Labels) -> str:
    """Return a stream's topic; a label that it does not have is left empty."""
    known = {**dict(labels), "group": group, "stream": stream}
    return PLACEHOLDER.sub(lambda found: known.get(found[1], ""), template)


def states(observed: Observed) -> Iterator[StreamState]:
    """Yield the state of each stream of a batch, in the order of their last samples."""
    batch, results, streams, settings, standing = observed
    rows = batch.stream[results.accepted].tolist()
    last = {row: index for index, row in enumerate(rows)}
    told = [*told_results(settings, results), *standing]
    columns = [(_word(quantity), labels, np.asarray(values)) for quantity, labels, values in told]
    elapsed: dict[int, list[float]] = {}
    for row, seconds in zip(rows, results.elapsed.tolist(), strict=True):
        elapsed.setdefault(row, []).append(seconds)
    for row, index in sorted(last.items(), key=lambda item: item[1]):
        document: Document = {"time": batch.time.item(results.accepted[index])}
        document["value"] = batch.value.item(results.accepted[index])
        for word, labels, values in columns:
            _put(document, word, labels, values.item(index))
        yield StreamState(settings, streams.names[row], streams.labels[row], elapsed[row], document)


def standing_states(standing: Standing) -> Iterator[StreamState]:
    """Yield the state of each stream that an earlier process has left, but of stale ones."""
    columns = [(_word(quantity), labels, values) for quantity, labels, values in standing.columns]
    for row in standing.fresh.tolist():
        document: Document = {"time": standing.time.item(row), "value": standing.value.item(row)}
        for word, labels, values in columns:
            _put(document, word, labels, values.item(row))
        yield StreamState(
            standing.settings, standing.streams.names[row], standing.streams.labels[row], [], document
        )


def _word(quantity: Quantity) -> str:
    return quantity.word or quantity.column.partition("_{")[0]


def _put(document: Document, word: str, labels: Labels, value: float) -> None:
    """Put a number in its place: by decay, by horizon beside the forecast, or plainly."""
    if not labels:
        document[word] = value
    elif labels[0][0] == "horizon":
        of_horizon = document.setdefault("forecast", {}).setdefault(labels[0][1], {})
        of_horizon[OF_HORIZON.get(word, word)] = value
    else:
        document.setdefault(word, {})[labels[0][1]] = value


class Curves:
    """Makes curves of states: it knows how a stream's samples usually come."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], deque[float]] = {}

    def take(self, state: StreamState) -> list[Document] | None:
        """Return what is forecast of a stream, the nearest first; None without a model.

        A time is null until it is known how samples come; lower and upper are there with intervals.
        """
        model = state.group.model
        if model is None:
            return None
        steps = self._steps.setdefault((state.group.name, state.stream), deque(maxlen=STEPS))
        steps.extend(state.elapsed)
        times = times_ahead(model, state.document["time"], usual(steps))
        of_horizon = state.document["forecast"]
        parts = ("value",) if model.interval is None else ("value", "lower", "upper")
        return [
            {"time": time, **{part: of_horizon[str(horizon)][part] for part in parts}}
            for horizon, time in zip(model.horizons, times, strict=True)
        ]

    def forget(self, group: str, stream: str) -> None:
        """Let go of a stream."""
        self._steps.pop((group, stream), None)
