"""The documents of [publish]: how streams stand after their last samples, and their forecasts as curves."""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np
from numpy.typing import NDArray

from ewad.config.publish import PLACEHOLDER
from ewad.engine.ahead import times_ahead, usual
from ewad.outputs.registry import Array, Labels, Quantity, told_results
from ewad.outputs.sinks import Observed, Standing

Document = dict[str, Any]
Place = tuple[str, Labels]  # of a number in a document: its word, and what it is told by
STEPS: Final = 9  # of a stream, whose median is how its samples usually come

# the word of a quantity -> its key in an object by horizon, where that is another one
OF_HORIZON: Final = {"forecast": "value"}
# wildcards, and what a broker may end the connection for: control characters, surrogates, and what is none
# Source: MQTT 5.0, 1.5.4 and 4.7.1
NO_TOPIC: Final = re.compile(
    "[+#\0-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef"
    + "".join(chr(plane << 16 | last) for plane in range(17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
MARK: Final = "\0"  # stands for a number, with that of its column behind it
encode: Final = msgspec.json.Encoder().encode


class States(NamedTuple):
    """How streams of a group stand, an entry each in every list. texts: documents behind the names."""

    rows: list[int]
    values: list[float]
    texts: list[bytes]


def topic_of(template: str, group: str, stream: str, labels: Labels) -> str:
    """Return a stream's topic; a label that it does not have is left empty.

    A character that no topic may have stands as in an address: + as %2B, a new line as %0A.
    """
    known = {**dict(labels), "group": group, "stream": stream}
    topic = PLACEHOLDER.sub(lambda found: known.get(found[1], ""), template)
    return NO_TOPIC.sub(lambda found: quote(found[0], errors="replace"), topic)


def names_text(group: str, stream: str, labels: Labels) -> bytes:
    """Return the beginning of a stream's documents: the names that a template may have."""
    return encode({"stream": stream, "group": group, "labels": dict(labels)})[:-1]


def last_samples(observed: Observed) -> NDArray[np.int64]:
    """Return which accepted samples of a batch are the last of their streams, in order."""
    rows = observed.batch.stream[observed.results.accepted].tolist()
    return np.array(sorted({row: index for index, row in enumerate(rows)}.values()), dtype=np.int64)


def states(observed: Observed, last: NDArray[np.int64], unit: str | None) -> States:
    """Return the states of a batch's streams after their last samples (`last_samples`)."""
    batch, results, _, settings, standing = observed
    told = [*told_results(settings, results), *standing]
    samples = results.accepted[last]
    columns = [(_place(quantity, labels), np.asarray(values)[last]) for quantity, labels, values in told]
    return _states(batch.stream[samples], batch.time[samples], batch.value[samples], columns, unit)


def standing_states(standing: Standing, unit: str | None) -> States:
    """Return the states of all streams that an earlier process has left, but of stale ones."""
    fresh = standing.fresh
    columns = [(_place(quantity, labels), values[fresh]) for quantity, labels, values in standing.columns]
    return _states(fresh, standing.time[fresh], standing.value[fresh], columns, unit)


def _place(quantity: Quantity, labels: Labels) -> Place:
    return quantity.word or quantity.column.partition("_{")[0], labels


def _states(
    rows: Array, time: Array, value: Array, columns: Sequence[tuple[Place, Array]], unit: str | None
) -> States:
    """Return states of columns, (n,) each, whose numbers become text together: one by one they cost more."""
    pattern, order = _layout(tuple(place for place, _ in columns), unit)
    if not len(rows):
        return States([], [], [])
    arrays = [time, value, *(values for _, values in columns)]
    numbers = [encode(arrays[index].tolist())[1:-1].split(b",") for index in order]
    return States(rows.tolist(), value.tolist(), [pattern % each for each in zip(*numbers, strict=True)])


@lru_cache(maxsize=1024)
def _layout(places: tuple[Place, ...], unit: str | None) -> tuple[bytes, list[int]]:
    """Return the text of documents, with %b for each number, and of which column each is.

    The columns are time, value, and those of the places.
    """
    document: Document = {"time": f"{MARK}0", "value": f"{MARK}1"}
    for index, (word, labels) in enumerate(places):
        _put(document, word, labels, f"{MARK}{index + 2}")
    text, mark = encode(document).replace(b"%", b"%%"), re.compile(rb'(?<=:)"\\u0000(\d+)"')
    order = [int(found) for found in mark.findall(text)]
    tail = encode(unit).replace(b"%", b"%%")
    return b"," + mark.sub(b"%b", text)[1:-1] + b',"unit":' + tail + b"}", order


def _put(document: Document, word: str, labels: Labels, number: object) -> None:
    """Put a number in its place: by decay, by horizon beside the forecast, or plainly."""
    if not labels:
        document[word] = number
    elif labels[0][0] == "horizon":
        of_horizon = document.setdefault("forecast", {}).setdefault(labels[0][1], {})
        of_horizon[OF_HORIZON.get(word, word)] = number
    else:
        document.setdefault(word, {})[labels[0][1]] = number


class Curves:
    """Makes curves of results: it knows how a stream's samples usually come."""

    def __init__(self) -> None:
        self._steps: dict[tuple[str, str], deque[float]] = {}
        self._begun: set[tuple[str, str]] = set()  # streams that had a forecast

    def take(self, observed: Observed, last: NDArray[np.int64]) -> Iterator[bytes | None]:
        """Yield what is forecast of each of a batch's streams (`last_samples`), the nearest first.

        None for a stream that has had no forecast yet, nothing at all without a model. A time is null until
        it is known how samples come; lower and upper are there with intervals.
        """
        batch, results, streams, settings, _ = observed
        if settings.model is None:
            return
        rows = batch.stream[results.accepted]
        for row, seconds in zip(rows.tolist(), results.elapsed.tolist(), strict=True):
            steps = self._steps.setdefault((settings.name, streams.names[row]), deque(maxlen=STEPS))
            steps.append(seconds)
        told = {
            _place(quantity, labels): values for quantity, labels, values in told_results(settings, results)
        }
        parts = ("forecast",) if settings.model.interval is None else ("forecast", "lower", "upper")
        forecasts = [values for (word, _), values in told.items() if word == "forecast"]
        for index in last.tolist():
            key = settings.name, streams.names[rows.item(index)]
            if key not in self._begun and not any(math.isfinite(values.item(index)) for values in forecasts):
                yield None
                continue
            self._begun.add(key)
            steps = self._steps[key]
            times = times_ahead(settings.model, batch.time.item(results.accepted[index]), usual(steps))
            yield encode(
                [
                    {"time": time}
                    | {
                        OF_HORIZON.get(part, part): told[part, (("horizon", str(horizon)),)].item(index)
                        for part in parts
                    }
                    for horizon, time in zip(settings.model.horizons, times, strict=True)
                ]
            )

    def forget(self, group: str, stream: str) -> None:
        """Let go of a stream."""
        self._steps.pop((group, stream), None)
        self._begun.discard((group, stream))
