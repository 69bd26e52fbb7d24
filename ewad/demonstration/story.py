"""What happens to the demo's sensors: real readings, and every twelve seconds each trouble that sensors have.

A trouble takes readings and yields, for each, the text that the sensor publishes, or None where it is silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

CYCLE: Final = 1200  # readings; at 100 a second a picture of 720 points shows most of it
SPIKES: Final = (300, 900)
SPIKE, STEP = 9.0, 4.0  # degrees
STEPPED: Final = range(400, 800)
NOT_A_NUMBER, SILENT = range(500, 550), range(550, 1000)
STUCK: Final = range(600, 1000)
WINDY: Final = 6.0  # m/s; in such wind the door flies open

Trouble = Callable[[Iterator[float]], Iterator[str | None]]


def none(readings: Iterator[float]) -> Iterator[str | None]:
    """Publish the readings as they are."""
    return (_text(value) for value in readings)


def spikes(readings: Iterator[float]) -> Iterator[str | None]:
    """Twice a cycle a single reading is far too high."""
    return (_text(value + (SPIKE if at in SPIKES else 0.0)) for at, value in _placed(readings))


def steps(readings: Iterator[float]) -> Iterator[str | None]:
    """For a third of the cycle all readings are higher, as of a sensor that somebody moved."""
    return (_text(value + (STEP if at in STEPPED else 0.0)) for at, value in _placed(readings))


def fails(readings: Iterator[float]) -> Iterator[str | None]:
    """The sensor prints nan for a while, then nothing, and comes back."""
    for at, value in _placed(readings):
        yield None if at in SILENT else "nan" if at in NOT_A_NUMBER else _text(value)


def sticks(readings: Iterator[float]) -> Iterator[str | None]:
    """The sensor reports one reading over and over again."""
    stuck = ""
    for at, value in _placed(readings):
        if at not in STUCK or not stuck:
            stuck = _text(value)
        yield stuck


def door(readings: Iterator[float]) -> Iterator[str | None]:
    """A door that is open in wind, and reports only that it changes."""
    before = None
    for value in readings:
        now = "open" if value > WINDY else "closed"
        yield None if now == before else now
        before = now


def _placed(readings: Iterator[float]) -> Iterator[tuple[int, float]]:
    """Yield each reading with its place in the cycle."""
    return ((number % CYCLE, value) for number, value in zip(count(), readings))


def _text(value: float) -> str:
    return f"{value:.2f}"
