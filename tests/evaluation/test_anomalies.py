"""Anomaly scores held against labelled windows: what is read, matched, counted and told."""

import json
from pathlib import Path

import numpy as np
import pytest

from ewad.engine.settings import auto
from ewad.errors import SourceError
from ewad.evaluation.anomalies import LabelledFile, anomaly_scores, anomaly_table, labels_of, spans_of
from ewad.numeric.numenta import Labelled
from tests.console import ewad

N = 1000
START = 1_600_000_000.0
BEGIN, END = 700, 720


def spiky():
    value = np.random.default_rng(4).normal(20.0, 1.0, N)
    value[BEGIN : BEGIN + 3] += 60.0
    return START + 3600.0 * np.arange(N), value


def labelled(score, windows=((BEGIN, END),), days=70.0):
    return LabelledFile("f", Labelled.of(np.asarray(score), list(windows)), days)


def test_scores_are_told_before_the_next_sample_is_seen():
    time, value = spiky()
    whole = anomaly_scores("f", time, value, auto("auto"))
    first = anomaly_scores("f", time[:800], value[:800], auto("auto"))
    assert np.array_equal(whole[:800], first, equal_nan=True)
    assert np.nanargmax(whole) in range(BEGIN, BEGIN + 5)


def test_windows_and_false_alarms_are_counted():
    score = np.zeros(N)
    score[[BEGIN + 2, 300, 900]] = 2.0
    file = labelled(score)
    assert file.found(1.0) == 1
    assert sorted(file.outside)[-2:] == [2.0, 2.0]
    told = anomaly_table([file])
    assert "a score above 1: 1 of 1 windows, 2 false alarms in 10 weeks" in told


def test_a_threshold_is_judged_on_files_that_it_was_not_chosen_on():
    good, bad = np.zeros(N), np.zeros(N)
    good[BEGIN], bad[300] = 2.0, 2.0
    score = anomaly_table([labelled(good), labelled(bad)]).splitlines()[4].split()
    assert score[0] == "standard"
    assert float(score[3]) < float(score[1])  # of the other half, below that of both together


def test_files_without_windows_have_no_score():
    with pytest.raises(SourceError, match="expected a labelled window in the files, got none"):
        anomaly_table([labelled(np.zeros(N), windows=())])


def test_a_file_has_the_windows_of_the_longest_name_that_its_path_ends_with():
    labels = {"a.csv": [(0.0, 1.0)], "x/a.csv": [(2.0, 3.0)]}
    assert spans_of(Path("/data/x/a.csv"), labels) == [(2.0, 3.0)]
    assert spans_of(Path("/data/y/a.csv"), labels) == [(0.0, 1.0)]
    assert spans_of(Path("/data/y/ba.csv"), labels) is None


def test_labels_are_read_as_utc_or_refused_with_their_form(tmp_path):
    path = tmp_path / "labels.json"
    path.write_text('{"a.csv": [["1970-01-01 00:00:01.000000", "1970-01-01 00:01:00"]]}')
    assert labels_of(path) == {"a.csv": [(1.0, 60.0)]}
    path.write_text('{"a.csv": [["soon", "later"]]}')
    with pytest.raises(SourceError, match=r"labels\.json: expected labels such as"):
        labels_of(path)
    with pytest.raises(SourceError, match="can't read the labels"):
        labels_of(tmp_path / "none.json")


def test_the_command_scores_a_folder_and_tells_what_it_leaves_out(tmp_path):
    (tmp_path / "data" / "real").mkdir(parents=True)
    time, value = spiky()
    rows = "\n".join(f"{t:.0f},{v}" for t, v in zip(time, value, strict=True))
    for name in ("one", "two"):
        (tmp_path / "data" / "real" / f"{name}.csv").write_text(f"time,value\n{rows}\n")
    stamps = np.array([time[BEGIN], time[END]]).astype("datetime64[s]").astype(str)
    labels = tmp_path / "labels.json"
    labels.write_text(json.dumps({"real/one.csv": [[stamp.replace("T", " ") for stamp in stamps]]}))
    done = ewad("evaluate", "--anomalies", labels, tmp_path / "data")
    assert done.returncode == 0, done.stderr
    assert "1 file, 1 window" in done.stdout
    assert "standard" in done.stdout
    assert f"two.csv: not in {labels}, left out" in done.stderr
    refused = ewad("evaluate", "--anomalies", labels, tmp_path / "data", "--river")
    assert refused.returncode == 2
    assert "--anomalies: not together with --json, --river and --protocol" in refused.stderr
