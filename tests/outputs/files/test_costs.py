"""The picture of training costs: no optimizer flattens or hides another."""

from functools import partial

import pytest

from ewad.outputs.files.costs import CostCurve, draw_curves, plot_curves
from ewad.outputs.files.pictures import figure_of
from tests import components

components.module("matplotlib")

ADAM = CostCurve("adam", (3.0, 2.0, 1.0), (4.0, 3.0, 2.0))
MOMENTUM = CostCurve("momentum", (3.0, 2.0, 1.0), (4.0, 3.0, 2.0))
WILD = CostCurve("rmsprop", (8900.0,), (1.2,), diverged=True)


def picture(*curves):
    """Return the figure, and its axes of training and of validation."""
    figure = figure_of(partial(plot_curves, curves, 1.1, 1.2), columns=2)
    return figure, *figure.axes


def test_both_panels_say_what_they_show_and_the_legend_stands_for_both():
    figure, *panels = picture(ADAM, MOMENTUM)
    assert [axes.get_title("left") for axes in panels] == ["Cost in training", "Cost in validation"]
    for axes in panels:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "mean squared error, standardised")
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["Adam", "momentum", "persistence"]


def test_a_wide_range_of_costs_has_a_logarithmic_axis():
    _, train, validation = picture(ADAM, WILD)
    assert (train.get_yscale(), validation.get_yscale()) == ("log", "linear")
    _, train, _ = picture(CostCurve("adam", (0.0, 100.0), (1.0, 1.0)))
    assert train.get_yscale() == "linear"  # there is no logarithm of a perfect fit


def test_an_optimizer_that_diverged_is_marked_where_it_did():
    _, train, _ = picture(ADAM, WILD)
    adam, wild, persistence = train.lines
    assert [line.get_label() for line in train.lines] == ["Adam", "RMSprop, diverged", "persistence"]
    assert (adam.get_marker(), persistence.get_marker()) == ("", "None")
    assert wild.get_marker() not in {"", "None"}


def test_optimizers_that_cost_the_same_are_all_seen():
    _, train, _ = picture(*(CostCurve(name, (1.0,), (1.0,)) for name in ("adam", "momentum", "rmsprop")))
    sizes = [line.get_markersize() for line in train.lines[:3]]
    assert sizes == sorted(set(sizes), reverse=True)
    assert {line.get_markerfacecolor() for line in train.lines[:3]} == {"none"}
    _, train, _ = picture(ADAM, MOMENTUM)
    assert train.lines[0].get_linestyle() != train.lines[1].get_linestyle()


@pytest.mark.parametrize("curve", [WILD, ADAM])
def test_epochs_are_whole_numbers(curve):
    figure, *panels = picture(curve)
    figure.draw_without_rendering()
    for axes in panels:
        assert {float(tick) % 1.0 for tick in axes.get_xticks()} == {0.0}


def test_training_that_diverged_at_once_is_in_the_legend_alone(tmp_path):
    draw_curves([ADAM, CostCurve("momentum", (), (), diverged=True)], 1.1, 1.2, tmp_path / "cost.svg")
    assert "<!-- momentum, diverged -->" in (tmp_path / "cost.svg").read_text()
