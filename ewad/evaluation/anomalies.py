"""The anomaly score held against labelled windows, as the Numenta benchmark does it.

Source: Lavin & Ahmad 2015; the form of its file of labels, combined_windows.json.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from ewad.config.syntax import counted
from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.errors import SourceError
from ewad.evaluation.methods import BATCH_SAMPLES
from ewad.kernels.memory import Floats
from ewad.numeric.numenta import (
    OUTSIDE,
    PROBATION,
    PROFILES,
    Labelled,
    alarms_of,
    best,
    score_at,
    sweep,
    windows_of,
)
from ewad.outputs.text import aligned

ALARM = 1.0  # the score above which a value counts as an anomaly
DAY = 86_400.0

Spans = list[tuple[float, float]]


@dataclass(frozen=True, eq=False)
class LabelledFile:
    """A file's scores held against its windows.  days: how long that part of it is which counts."""

    name: str
    labelled: Labelled
    days: float

    def found(self, threshold: float) -> int:
        """Return how many of its windows hold a score above the threshold."""
        windows = self.labelled.window[self.labelled.score > threshold]
        return len(np.unique(windows[windows >= 0]))

    @property
    def outside(self) -> Floats:
        """The scores outside its windows that are known."""
        scores: Floats = self.labelled.score[self.labelled.window == OUTSIDE]
        return scores[~np.isnan(scores)]


def labels_of(path: Path) -> dict[str, Spans]:
    """Return the windows of each file that a file of labels names, Unix seconds. Raises SourceError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: [(_seconds(first), _seconds(last)) for first, last in spans] for name, spans in raw.items()
        }
    except OSError as error:
        raise SourceError(f"{path}: can't read the labels: {error.strerror}") from error
    except (ValueError, TypeError, AttributeError) as error:
        form = '{"folder/file.csv": [["2014-04-10 07:15:00", "2014-04-11 16:45:00"]]}'
        raise SourceError(f"{path}: expected labels such as {form}: {error}") from error


def spans_of(path: Path, labels: Mapping[str, Spans]) -> Spans | None:
    """Return the windows of a file: those of the name that its path ends with; None: it is not labelled."""
    parts = path.resolve().parts
    names = (name for name in labels if PurePosixPath(name).parts == parts[-len(PurePosixPath(name).parts) :])
    longest = max(names, key=len, default=None)
    return None if longest is None else labels[longest]


def anomaly_scores(name: str, time: Floats, value: Floats, model: ModelSettings) -> Floats:
    """Return the score of each sample, (n,), as the engine tells it right then; NaN where it tells none."""
    engine = Engine([GroupSettings("evaluate", model=model, out_of_order="accept")])
    engine.add_stream(0, name)
    found = [np.zeros(0)]
    for first in range(0, len(value), BATCH_SAMPLES):
        rows = slice(first, first + BATCH_SAMPLES)
        stream = np.zeros(len(value[rows]), dtype=np.int32)
        found.append(engine.observe(Batch(0, stream, time[rows], value[rows])).anomaly.copy())
    return np.concatenate(found)


def labelled_file(name: str, time: Floats, value: Floats, spans: Spans, model: ModelSettings) -> LabelledFile:
    """Return a file's scores held against its windows."""
    score = alarms_of(anomaly_scores(name, time, value, model))  # an anomaly is one alarm
    labelled = Labelled.of(score, windows_of(time, spans))
    whole = float(time[-1] - time[0]) / DAY if len(time) else 0.0
    return LabelledFile(name, labelled, whole * float(np.mean(labelled.window != PROBATION)))


def halves(files: Sequence[LabelledFile], profile: str) -> float:
    """Return the score where the threshold was chosen on every other file: both halves, by their windows."""
    scores, weights = [], []
    for chosen, judged in ((files[0::2], files[1::2]), (files[1::2], files[0::2])):
        n = sum(file.labelled.n_windows for file in judged)
        if not n or not sum(file.labelled.n_windows for file in chosen):
            return float("nan")
        threshold, _ = best(sweep([file.labelled for file in chosen], PROFILES[profile]))
        scores.append(score_at([file.labelled for file in judged], threshold, PROFILES[profile]))
        weights.append(n)
    return float(np.average(scores, weights=weights))


def anomaly_table(files: Sequence[LabelledFile]) -> str:
    """Return the score of each profile, and what alarms find. Raises SourceError where no window is."""
    if not any(file.labelled.n_windows for file in files):
        raise SourceError("--anomalies: expected a labelled window in the files, got none")
    every = [file.labelled for file in files]
    above = float(np.nextafter(ALARM, 2.0))
    rows = [["profile", "score", "at threshold", "chosen on the other half", f"at {ALARM:g}"]]
    for name, profile in PROFILES.items():
        threshold, score = best(sweep(every, profile))
        at_one = score_at(every, above, profile)
        rows.append([name, f"{score:.1f}", f"{threshold:.3g}", f"{halves(files, name):.1f}", f"{at_one:.1f}"])
    return "\n".join(
        [
            f"score of the Numenta benchmark: {counted(len(files), 'file')},"
            f" {counted(sum(f.n_windows for f in every), 'window')}",
            "100: each window found at its begin and nothing else; 0: no alarm at all",
            "",
            *aligned(rows),
            "",
            *_alarms(files),
        ]
    )


def _alarms(files: Sequence[LabelledFile]) -> Iterator[str]:
    """Yield what an alarm above 1 finds and costs, and what one finds that is false once a week."""
    n, weeks = sum(file.labelled.n_windows for file in files), sum(file.days for file in files) / 7.0
    outside = np.sort(np.concatenate([file.outside for file in files]))[::-1]
    false = int((outside > ALARM).sum())
    found = sum(file.found(ALARM) for file in files)
    yield f"a score above {ALARM:g}: {found} of {n} windows, {false:,} false alarms in {weeks:.0f} weeks"
    rare = float(outside[int(weeks)]) if int(weeks) < len(outside) else 0.0
    found = sum(file.found(rare) for file in files)
    yield f"a score above {rare:.3g}, which is false at most once a week: {found} of {n} windows"


def _seconds(text: str) -> float:
    return float(np.datetime64(text.strip().replace(" ", "T"), "us").astype(np.int64) / 1e6)
