"""Published protocols: their rows, units and baselines, by hand and by naive loops."""

import numpy as np
import pytest

from ewad.engine.settings import auto
from ewad.errors import SourceError
from ewad.evaluation.evaluation import measure, together
from ewad.evaluation.methods import by_engine
from ewad.evaluation.protocols import fsnet, gift_eval, plain


def table(n, step=3600.0, columns=("a", "b"), seed=0):
    rng = np.random.default_rng(seed)
    time = 1.6e9 // 86400 * 86400 + step * np.arange(n)
    wave = np.sin(2.0 * np.pi * time / 86400.0)
    return {name: (time, 10.0 * wave + rng.normal(size=n)) for name in columns}


def test_fsnet_scores_the_rows_and_units_of_the_paper():
    data = table(15_000)
    (task,) = fsnet("ETTh2", data)
    one = task.series[0]
    assert len(one.value) == 14_400
    assert (one.origins[0], one.origins[-1]) == (3_600, 14_399)
    assert one.value[:2_880].mean() == pytest.approx(0.0, abs=1e-12)
    assert one.value[:2_880].std() == pytest.approx(1.0)
    assert task.published["FSNet"] == (0.466,)


def test_fsnet_refuses_what_is_too_short_or_uneven():
    with pytest.raises(
        SourceError, match=r"t: column a: the fsnet protocol needs 3,696 rows or more, got 100"
    ):
        list(fsnet("t", table(100)))
    time, value = table(5_000)["a"]
    time = time.copy()
    time[40:] += 3600.0
    with pytest.raises(SourceError, match=r"even steps .* got a step of 7200 s after row 40"):
        list(fsnet("t", {"a": (time, value)}))


def naive_mase(value, season, n_windows=20, steps=48):
    """MASE of the seasonal naive forecast over the last windows, in loops."""
    scores = []
    for window in range(n_windows):
        first = len(value) - (n_windows - window) * steps
        past = value[:first]
        unit = np.mean([abs(past[t] - past[t - season]) for t in range(season, len(past))])
        errors = [abs(value[first + h] - past[len(past) - season + h % season]) for h in range(steps)]
        scores.append(np.mean(errors) / unit)
    return np.mean(scores)


def test_gift_eval_is_the_mase_of_the_last_windows():
    data = table(1_500)
    (task,) = gift_eval("h", data)
    found = measure(task, auto("auto"))
    mine = found.error["seasonal naive, a day"]
    assert mine[:, 0] == pytest.approx([naive_mase(value, 24) for _, value in data.values()])


def test_gift_eval_makes_hourly_means_of_finer_tables():
    data = table(6_000, step=900.0)
    fine, hourly = gift_eval("q", data)
    assert fine.name == "q"
    assert hourly.name == "q, hourly means"
    assert len(hourly.series[0].value) == 1_500
    assert hourly.series[0].value[0] == pytest.approx(data["a"][1][:4].mean())
    assert hourly.series[0].interval_seconds == 3600.0


def test_gift_eval_refuses_days_and_short_tables():
    with pytest.raises(SourceError, match="needs steps of a minute to an hour, got 86400 s"):
        list(gift_eval("d", table(2_000, step=86400.0)))
    with pytest.raises(SourceError, match="needs 1,009 rows or more, got 1,000"):
        list(gift_eval("h", table(1_000)))


def test_ewad_sees_no_value_before_it_has_come():
    """What comes after the last origin changes no error of forecasts whose targets came before."""
    data = table(600, columns=("a",))
    time, value = data["a"]
    changed = value.copy()
    changed[400:] += 100.0
    (one,), (other,) = (plain("t", {"a": (time, v)}) for v in (value, changed))
    made = []
    for task in (one, other):
        pieces = by_engine(auto("auto"))(task.series[0], 24)
        made.append(np.concatenate([piece.forecast for piece in pieces]))
    assert np.array_equal(made[0][:400], made[1][:400], equal_nan=True)
    assert not np.array_equal(made[0][400:], made[1][400:])


def test_a_series_that_stands_still_is_no_better_and_no_worse():
    time, value = table(600, columns=("a",))["a"]
    (task,) = plain("t", {"a": (time, value), "still": (time, np.ones(600))})
    found = measure(task, auto("auto"))
    assert found.ratio["ewad"][1] == pytest.approx([1.0, 1.0, 1.0])
    assert together([found])["ewad"].n == 2


def test_a_series_too_short_for_a_method_is_left_out_of_its_mean_alone():
    data = table(600, columns=("a",)) | {"short": table(100, columns=("s",))["s"]}
    (task,) = plain("t", data)
    found = together([measure(task, auto("auto", lags=60))])
    assert found["ewad"].n == 1  # its lags take 60 of the 100 samples, and 25 are not scored
    assert found["seasonal naive, a day"].n == 2
