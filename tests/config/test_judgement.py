"""[stream.anomaly], stuck_after and thresholds."""

import math

import pytest

from ewad.config import effective, parse
from ewad.engine import EngineSettings
from ewad.errors import ConfigError
from ewad.numeric.anomaly import AnomalyPolicy
from ewad.numeric.crossing import Threshold

BLOCK = '[[stream]]\ntopic = "site/{room}/temperature"\n'
FULL = BLOCK + (
    'model = "auto"\nbounds = [0, 100]\nstuck_after = "6h"\n'
    'thresholds = { frost = "< 0", "very hot" = ">30.5" }\n'
    '[stream.anomaly]\ndirection = "up"\nmin_deviation = 0.5\nmin_relative_deviation = 0.02\n'
    'for = "5m"\ncalm = "15m"\n'
)


def test_what_a_block_says_reaches_the_engine_and_survives_the_effective_text_and_json():
    settings = parse(FULL, "ewad.toml", {})
    (group,) = settings.group_settings()
    assert group.anomaly == AnomalyPolicy("up", 0.5, 0.02, 300.0, 900.0)
    assert group.stuck_after_seconds == 6 * 3600.0
    assert (group.lowest, group.highest) == (0.0, 100.0)
    assert group.thresholds == (Threshold("frost", False, 0.0), Threshold("very hot", True, 30.5))
    assert parse(effective(settings), "ewad.toml", {}).streams == settings.streams
    engine = settings.engine_settings()
    assert EngineSettings.from_json(engine.to_json()) == engine


def test_a_block_that_says_nothing_counts_all_deviations():
    (group,) = parse(BLOCK, "ewad.toml", {}).group_settings()
    assert (group.anomaly, group.thresholds) == (AnomalyPolicy(), ())
    assert math.isinf(group.stuck_after_seconds)
    assert (group.lowest, group.highest) == (-math.inf, math.inf)


@pytest.mark.parametrize(
    ("text", "ends"), [("[0, inf]", (0.0, math.inf)), ("[-inf, -1.5]", (-math.inf, -1.5))]
)
def test_one_side_may_have_no_bound(text, ends):
    settings = parse(f'{BLOCK}model = "auto"\nbounds = {text}\n', "ewad.toml", {})
    (group,) = settings.group_settings()
    assert (group.lowest, group.highest) == ends
    assert parse(effective(settings), "ewad.toml", {}).streams == settings.streams
    engine = settings.engine_settings()
    assert EngineSettings.from_json(engine.to_json()) == engine


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (
            'thresholds = { hot = "30" }',
            'thresholds.hot: expected a condition such as "> 30" or "< 0", got "30"',
        ),
        ('thresholds = { hot = ">= 30" }', 'expected a condition such as "> 30" or "< 0"'),
        ('thresholds = { hot = "> 30" }', 'thresholds: needs model in the same block, such as "auto"'),
        ("thresholds = { hot = 30 }", "thresholds.hot: expected a text, got 30"),
        ('thresholds = "> 30"', 'expected a table such as { hot = "> 30" }'),
        ("bounds = [0, 100]", 'bounds: needs model in the same block, such as "auto"'),
        ('model = "auto"\nbounds = [100, 0]', "bounds: expected [lowest, highest], got [100, 0]"),
        ('model = "auto"\nbounds = [0]', "bounds: expected [lowest, highest], got a list"),
        ('model = "auto"\nbounds = [0, nan]', "bounds[1]: must be in [-1e100, 1e100], got nan"),
        ('model = "auto"\nkind = "circular"\nbounds = [0, 360]', "bounds: expected none with circular"),
        ("anomaly = {}", "expected a table of direction, min_deviation"),
        ('anomaly = { direktion = "up" }', 'unknown key "direktion"; did you mean "direction"'),
        ('anomaly = { direction = "upwards" }', "anomaly.direction"),
        ("anomaly = { min_deviation = -1 }", "anomaly.min_deviation: must be in [0, inf)"),
        ("anomaly = { for = 5 }", 'anomaly.for: expected a duration such as "5m", got 5'),
    ],
)
def test_a_mistake_is_told_with_its_place(line, says):
    with pytest.raises(ConfigError) as caught:
        parse(BLOCK + line, "ewad.toml", {})
    assert says in str(caught.value)
