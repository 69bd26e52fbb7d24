"""What all estimators are: an engine of one group of streams, fed by arrays, Series and frames."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ewad.engine import Batch, Engine, GroupSettings, Results
from ewad.engine.group import Group
from ewad.engine.settings_json import EngineSettings
from ewad.errors import StateError
from ewad.estimators.given import Given, Kind, Name
from ewad.kernels.memory import Floats
from ewad.numeric.averages import ByTime
from ewad.store.model_file import start_models

BATCH_SAMPLES = 65_536
SETTINGS, FACTS = "settings.json", "estimator.json"  # in a dump, beside the engine's arrays
NAME = "python"  # of the group
KEPT_TIMES = 101  # of the last samples of a series: the median of their 100 steps outlasts gaps


class Estimator:
    """Learns series sample by sample (learn_one), many at once (learn_many), or anew (fit).

    The engine is that of `ewad run` and `ewad replay`: the same samples give the same numbers, bit for bit,
    in whatever pieces they come. Without times a sample counts as a second after the one before it.
    """

    def __init__(self, settings: GroupSettings) -> None:
        self._settings = EngineSettings((settings,))
        self._reset()

    def _reset(self) -> None:
        self._engine = Engine(self._settings.groups, self._settings.max_streams)
        start_models(self._engine)
        self._columns: tuple[Name, ...] = ()
        self._kind: Kind = "array"
        self._timed: bool | None = None  # whether samples have times; None: there were none yet
        self._time = -1.0  # of the last row, with a sample or without
        self._recent: list[Floats] = []  # the times of the last samples of each column
        self._zone: str | None = None  # of the times of pandas; None: they have none

    @property
    def _group(self) -> Group:
        return self._engine.groups[0]

    @property
    def _needs_times(self) -> bool:
        settings = self._settings.groups[0]
        by_time = any(isinstance(decay, ByTime) for decay in settings.decays)
        return by_time or (settings.model is not None and settings.model.every_seconds is not None)

    def learn_one(self, x: float, time: Any = None) -> Self:
        """Learn one sample of a single series.  time: Unix seconds or a datetime, not before the last one."""
        self._learn(Given.of([x], None if time is None else [time]))
        return self

    def learn_many(self, x: ArrayLike, times: ArrayLike | None = None) -> Self:
        """Learn further samples.  x: (n,), or (n, m), a column each series; NaN: no sample.

        times: (n,), by default those of the index. Raises ValueError for other columns than before, and for
        times before the last one.
        """
        self._learn(Given.of(x, times))
        return self

    def fit(self, x: ArrayLike, times: ArrayLike | None = None) -> Self:
        """Forget everything, and learn these samples."""
        self._reset()
        return self.learn_many(x, times)

    def _learn(self, given: Given) -> None:
        for _ in self._observed(given):
            pass

    def _observed(self, given: Given) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], Results]]:
        """Let the engine observe the samples; yield rows and columns of a part of them, and its results."""
        self._check_columns(given)
        if not given.value.size:
            return
        time = self._times(given)
        self._begin(given)
        self._note(time, given.value)
        streams = np.arange(len(given.columns), dtype=np.int32)
        rows_each = max(1, BATCH_SAMPLES // max(1, len(streams)))
        for first in range(0, len(time), rows_each):
            value = given.value[first : first + rows_each]
            rows, columns = np.nonzero(~np.isnan(value))
            if len(rows):
                batch = Batch(0, streams[columns], time[first + rows], value[rows, columns])
                yield first + rows, columns, self._engine.observe(batch)

    def _check_columns(self, given: Given) -> None:
        """Raise ValueError for other columns than those of the first samples."""
        named = given.kind == self._kind == "frame"
        other = given.columns != self._columns if named else len(given.columns) != len(self._columns)
        if self._columns and other:
            raise ValueError(f"x: expected the columns {self._columns}, got {given.columns}")

    def _begin(self, given: Given) -> None:
        """Take the columns of the first samples as those of all."""
        if not self._columns:
            self._columns, self._kind, self._zone = given.columns, given.kind, given.zone
            for number in range(len(given.columns)):  # two columns may have one name
                self._engine.add_stream(0, str(number))
                self._recent.append(np.empty(0))

    def _note(self, time: Floats, value: Floats) -> None:
        """Remember when the last samples of each column were. NaN is no sample."""
        known = ~np.isnan(value)
        for column, before in enumerate(self._recent):
            new = time[known[:, column]][-KEPT_TIMES:]
            self._recent[column] = np.concatenate((before, new))[-KEPT_TIMES:]

    def _times(self, given: Given) -> Floats:
        """Return when the rows were, and remember the last one. Raises ValueError where that goes back."""
        if given.time is None and self._needs_times:
            raise ValueError("times: expected them beside half_life or every, got none")
        if self._timed not in (None, given.time is not None):
            raise ValueError(f"times: expected {'some' if self._timed else 'none'}, as before")
        rows = np.arange(1.0, len(given.value) + 1.0)
        time: Floats = given.time if given.time is not None else self._time + rows
        if self._timed and time[0] < self._time:
            raise ValueError(f"times: must not fall, but the first is {time[0]} after {self._time}")
        self._timed, self._time = given.time is not None, float(time[-1])
        return time

    # -- keeping --

    def dump(self) -> bytes:
        """Return all that has been learnt, and the settings: portable, versioned, without pickle."""
        file = io.BytesIO(self._engine.dump())
        facts = {
            "estimator": type(self).__name__,
            "columns": self._columns,
            "kind": self._kind,
            "timed": self._timed,
            "time": self._time,
            "recent": [times.tolist() for times in self._recent],
            "zone": self._zone,
        }
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(SETTINGS, self._settings.to_json())
            archive.writestr(FACTS, json.dumps(facts))
        return file.getvalue()

    @classmethod
    def load(cls, dump: bytes) -> Self:
        """Return the estimator of a dump, which goes on as if nothing had been between.

        Raises StateError for what is damaged, newer, or another estimator's.
        """
        try:
            with zipfile.ZipFile(io.BytesIO(dump)) as archive:
                facts = json.loads(archive.read(FACTS))
                settings = EngineSettings.from_json(archive.read(SETTINGS))
            recent = [np.array(times, dtype=np.float64) for times in facts["recent"]]
        except (KeyError, ValueError, zipfile.BadZipFile) as error:
            raise StateError(
                f"dump: expected that of an estimator, got another or a damaged one: {error}"
            ) from error
        if facts["estimator"] != cls.__name__:
            raise StateError(f"dump: expected that of a {cls.__name__}, got that of a {facts['estimator']}")
        found = cls.__new__(cls)
        Estimator.__init__(found, settings.groups[0])
        dropped = found._engine.load(dump).dropped
        if dropped:
            raise StateError(f"dump: {'; '.join(dropped)}")
        found._columns, found._kind = tuple(facts["columns"]), facts["kind"]
        found._recent = recent
        for name in ("timed", "time", "zone"):
            setattr(found, f"_{name}", facts[name])
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).load, (self.dump(),)
