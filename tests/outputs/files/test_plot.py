"""Pictures of results: what is drawn where, by hand."""

import numpy as np
import pytest

from ewad.engine.settings import GroupSettings, ModelSettings
from ewad.numeric.averages import ByCount
from ewad.outputs.files.plot import PlotSink, forecast_of, limits
from tests import components

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
    components.module("matplotlib")
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


def test_ordinary_values_have_a_quarter_of_their_range_as_margin():
    value = np.random.default_rng(0).normal(size=500)
    low, high = value.min(), value.max()
    assert limits(value) == pytest.approx((low - (high - low) / 4, high + (high - low) / 4))


@pytest.mark.parametrize("n", [10, 300])
def test_one_spike_does_not_flatten_the_others(n):
    value = np.append(np.linspace(0.0, 8.0, n), 1e6)
    assert limits(value) == pytest.approx((-2.0, 10.0))
    assert limits(-value) == pytest.approx((-10.0, 2.0))


def test_rare_steps_of_a_constant_and_few_values_are_no_spikes():
    assert limits(np.array([0.0] * 400 + [1.0])) == (-0.25, 1.25)
    assert limits(np.array([1.0, 3.0, 4.0, 9.0])) == (-1.0, 11.0)
    assert limits(np.ones(5)) is None
    assert limits(np.array([NAN])) is None


def linear_group(**model):
    return GroupSettings("g", decays=(), model=ModelSettings("m", **model))


def drawn(group, columns):
    """Return the axes of a stream `a` of the group with these results."""
    components.module("matplotlib")
    sink = PlotSink("unused.png", [group], ["celsius"])
    n = len(columns["time"])
    sink.write({"stream": np.full(n, "a", object), "group": np.zeros(n, np.int64)} | columns)
    return sink.figure().axes


def labels(axis):
    return [text.get_text() for text in axis.get_legend().get_texts()]


def test_values_and_forecasts_beyond_the_panel_are_marked_at_its_edge():
    value = np.append(np.linspace(0.0, 8.0, 20), [1e6, -2e6, 3.0])
    columns = {"time": np.arange(23.0), "value": value, "forecast_1": value}
    (axis,) = drawn(linear_group(), columns)
    assert axis.get_ylim() == (-2.0, 10.0)
    said = ["1 value above, to 1e+06", "1 value below, to -2e+06"]
    assert labels(axis)[-4:] == [*said, "1 forecast above, to 1e+06", "1 forecast below, to -2e+06"]
    marks = {line.get_label(): line for line in axis.lines}
    np.testing.assert_array_equal(marks[said[0]].get_ydata(), [1.0])  # of the panel's height
    np.testing.assert_array_equal(marks[said[0]].get_xdata(), np.array([20], "datetime64[s]"))


def test_a_model_on_a_grid_is_drawn_by_its_intervals():
    # three samples a minute: what the model sees is their mean
    n = 90
    value = np.arange(n) // 3 + np.tile([-1.0, 0.0, 1.0], n // 3)
    columns = {"time": 20.0 * np.arange(n), "value": value, "forecast_1": value}
    (axis,) = drawn(linear_group(every_seconds=60.0), columns)
    line = next(line for line in axis.lines if line.get_label() == "mean of 1m")
    np.testing.assert_array_equal(line.get_ydata(), np.arange(29.0))
    np.testing.assert_array_equal(line.get_xdata(), (30 + 60 * np.arange(29)).astype("datetime64[s]"))
    assert "1 ahead, skill" in axis.get_title("left")


def test_a_grid_of_which_nothing_has_closed_is_told():
    (axis,) = drawn(linear_group(every_seconds=86400.0), COLUMNS)
    assert axis.get_title("left") == "a: none of its intervals of 1d has closed"


def test_of_several_horizons_the_nearest_and_the_farthest_have_a_panel():
    columns = COLUMNS | {"forecast_3": np.array([NAN, 7.0, 8.0, 9.0]), "smoothed_0.9": COLUMNS["value"]}
    group = GroupSettings("g", decays=(ByCount(0.9),), model=ModelSettings("m", horizons=(1, 2, 3)))
    near, far = drawn(group, columns)
    assert near.get_title("left") == f"a: 1 ahead, skill {1 - 10 / 21:.2f}, 67 % inside"
    assert far.get_title("left") == "a: 3 ahead, none verified yet"
    assert labels(near) == ["forecast, 1 ahead", "outside its interval", "value", "smoothed 0.9"]
    assert labels(far) == ["forecast, 3 ahead", "value"]
    assert near.get_xlim() == far.get_xlim()
    assert near.get_ylim() == far.get_ylim()
    assert near.get_ylabel() == far.get_ylabel() == "celsius"


def test_a_skill_that_rounds_to_zero_has_no_sign():
    columns = {"time": np.arange(3.0), "value": np.array([0.0, 1.0, 2.0])}
    columns["forecast_1"] = columns["value"] - 1e-9
    assert forecast_of(columns, 1).summary() == "skill 0.00"


def test_the_axis_says_its_zone(tmp_path):
    components.module("matplotlib")
    sink = PlotSink(tmp_path / "one.svg", [GroupSettings(name="t", topics=("t",))], [None], "Europe/Berlin")
    assert sink.figure().axes[-1].get_xlabel() == "time, Europe/Berlin"
    sink.close()
    assert (tmp_path / "one.svg").stat().st_size
