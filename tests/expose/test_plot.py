"""Pictures of results: what is drawn where, by hand."""

import numpy as np
import pytest

from ewad.engine.settings import GroupSettings
from ewad.expose.plot import PlotSink, forecast_of

NAN = np.nan
COLUMNS = {
    "time": np.array([0.0, 10.0, 20.0, 30.0]),
    "value": np.array([1.0, 3.0, 4.0, 8.0]),
    "forecast_1": np.array([2.0, 4.0, 5.0, 9.0]),
    "lower_1": np.array([0.0, 2.0, 4.0, 8.0]),
    "upper_1": np.array([4.0, 6.0, 6.0, 10.0]),
    "forecast_2": np.array([NAN, 7.0, 8.0, 9.0]),
}


def test_a_forecast_stands_where_it_comes_true():
    near = forecast_of(COLUMNS, 1)
    np.testing.assert_array_equal(near.time, [0.0, 10.0, 20.0, 30.0, 40.0])
    np.testing.assert_array_equal(near.forecast, [NAN, 2.0, 4.0, 5.0, 9.0])
    np.testing.assert_array_equal(near.outside, [False, False, False, True, False])
    far = forecast_of(COLUMNS, 2)
    np.testing.assert_array_equal(far.time[-2:], [40.0, 50.0])
    np.testing.assert_array_equal(far.forecast, [NAN, NAN, NAN, 7.0, 8.0, 9.0])


def test_the_title_says_how_good_the_forecasts_drawn_were():
    # errors 1, 0, 3 of steps 2, 1, 4
    assert forecast_of(COLUMNS, 1).summary() == f"skill {1 - 10 / 21:.2f}, 67 % inside"
    assert forecast_of(COLUMNS, 2).summary() == f"skill {1 - 1 / 25:.2f}"


@pytest.mark.parametrize("n", [1, 2])
def test_without_a_forecast_that_came_true_there_is_nothing_to_say(n):
    columns = {"time": np.arange(float(n)), "value": np.ones(n)}
    assert forecast_of(columns, 1).summary() == ""


def test_values_stand_at_an_axis_of_their_unit(tmp_path):
    pytest.importorskip("matplotlib")
    groups = [GroupSettings(name=name, topics=("t",)) for name in ("indoors", "flow")]
    sink = PlotSink(tmp_path / "two.svg", groups, ["celsius", None])
    smoothed = {f"smoothed_{label}": np.ones(4) for label in groups[0].beta_labels}
    row = {
        "stream": np.array(["a", "b", "b", "a"], object),
        "group": np.array([0, 1, 1, 0]),
        "time": COLUMNS["time"],
    }
    sink.write(row | smoothed | {"value": COLUMNS["value"]})
    sink.close()
    drawn = (tmp_path / "two.svg").read_text()  # each text also stands in a comment
    assert drawn.count("<!-- celsius -->") == 1
