"""What can be asked of a running daemon, and what a configuration could not say either."""

import math

import pytest

from ewad.config import parse
from ewad.daemon.actions import _with_rate
from ewad.errors import ConfigError

BLOCK = {"name": "s", "topic": "t", "model": "m"}


def configured(rate):
    return parse({"stream": [BLOCK], "model": {"m": {"horizons": [1], "learning_rate": rate}}}, "test", {})


@pytest.mark.parametrize("rate", [0.0, -1.0, 1e308, math.inf, math.nan])
def test_a_learning_rate_is_refused_as_in_a_configuration(rate):
    with pytest.raises(ConfigError) as of_file:
        configured(rate)
    with pytest.raises(ConfigError) as of_action:
        _with_rate(configured(0.01), "m", rate)
    assert str(of_file.value) == f"test: model.m.{of_action.value}"
    assert "learning_rate: must be in (0, inf)" in str(of_action.value)


@pytest.mark.parametrize("rate", [1e-9, 0.01, 1.0])
def test_a_learning_rate_that_a_configuration_may_have_is_set(rate):
    changed = _with_rate(configured(0.5), "m", rate)
    assert changed.models["m"].learning_rate == configured(rate).models["m"].learning_rate == rate
