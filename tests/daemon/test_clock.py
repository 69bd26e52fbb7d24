"""Times of arrival under a system clock that is set: both clocks are the test's."""

import logging

import numpy as np
import pytest

from ewad.daemon.clock import (
    ABSURD_SECONDS,
    ABSURD_STANDING_SECONDS,
    STANDING_SECONDS,
    ArrivalClock,
)
from ewad.engine import Batch, ByCount, ByTime, Engine, GroupSettings, ModelSettings

NOW = 1.75e9
YEAR = 365 * 86_400.0
ON_A_GRID = ModelSettings(lags=2, every_seconds=60.0, batch_size=2)
GROUP = GroupSettings(
    "plant",
    (ByCount(0.9), ByTime(600.0)),
    model=ON_A_GRID,
    times_are_arrivals=True,
    forget_after_seconds=YEAR,
)


class World:
    """A system clock that can be set, and time that passes."""

    def __init__(self, wall=NOW):
        self.set_by = wall
        self.passed = 0.0

    def wall(self):
        return self.set_by + self.passed

    def monotonic(self):
        return self.passed

    def clock(self, engine):
        return ArrivalClock(engine, self.wall, self.monotonic)


def engine_of(*arrivals, settings=GROUP):
    """Return an engine of a stream for each of these times of arrival, of one sample each."""
    engine = Engine([settings])
    for number, arrival in enumerate(arrivals):
        sample(engine, engine.add_stream(0, f"s{number}"), arrival)
    return engine


def sample(engine, row, arrival, value=1.0):
    batch = Batch(0, np.array([row], dtype=np.int32), np.array([arrival]), np.array([value]), arrival)
    return engine.observe(batch)


def lines(caplog):
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def follow(engine, clock):
    seconds = clock.due()
    if seconds is not None:
        engine.move_times(seconds, clock.now() + seconds)
        clock.follow(seconds)
    return seconds


def test_time_goes_on_by_the_monotonic_clock_whatever_the_system_clock_says():
    world = World()
    clock = world.clock(Engine([GROUP]))
    assert clock.now() == NOW
    for step in (10 * YEAR, -3600.0, -10 * YEAR, 0.0):
        world.set_by = NOW + step
        world.passed += 5.0
        assert clock.now() == NOW + world.passed


@pytest.mark.parametrize("step", [10 * YEAR, 3600.0, -3600.0])
def test_a_step_that_is_taken_back_at_once_moves_nothing_and_is_told(step, caplog):
    world = World()
    engine = engine_of(NOW)
    clock = world.clock(engine)
    before = engine.dump()
    for world.set_by in (NOW, NOW + step, NOW):
        for _ in range(9):
            world.passed += 1.0
            assert follow(engine, clock) is None
    assert engine.dump() == before
    there, back = lines(caplog)
    assert f"step_seconds={step:+.1f}" in there
    assert back.startswith("system clock set back: ")


def test_each_step_and_what_is_followed_is_a_line(caplog):
    caplog.set_level(logging.INFO)
    world = World()
    engine = engine_of(NOW)
    clock = world.clock(engine)
    hours, days = 3 * 3600.0, -2 * 86_400.0
    for offset, seconds in ((hours, 14), (days, 5), (0.0, 5), (hours, 30)):
        world.set_by = NOW + offset
        for _ in range(seconds):
            world.passed += 1.0
            follow(engine, clock)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == [
        f"system clock set step_seconds={hours:+.1f}",
        f"system clock followed step_seconds={hours:+.1f}",
        f"system clock set step_seconds={days - hours:+.1f}",
        f"system clock set step_seconds={-hours:+.1f}",
        "system clock set back",
    ]


@pytest.mark.parametrize("step", [3600.0, -3600.0, -10.0, 20 * 86_400.0])
def test_a_step_that_stands_moves_the_state_so_that_elapsed_times_stay(step, caplog):
    world, same = World(), World()
    engine, undisturbed = engine_of(NOW), engine_of(NOW)
    clock, steady = world.clock(engine), same.clock(undisturbed)
    for second in range(1, 600):
        world.passed = same.passed = float(second)
        if second == 100:
            world.set_by += step
        follow(engine, clock)
        for each, its in ((engine, clock), (undisturbed, steady)):
            sample(each, 0, its.now(), float(second % 7))
    group, expected = engine.groups[0], undisturbed.groups[0]
    assert clock.now() == world.wall() == pytest.approx(steady.now() + step)
    assert group.count[0] == 600
    assert group.out_of_order == 0
    assert group.time[0] == group.seen[0] == world.wall()
    for average, other in zip(group.averages, expected.averages, strict=True):
        assert average.mean[0] == pytest.approx(other.mean[0], rel=1e-9)
        assert average.weight[0] == pytest.approx(other.weight[0], rel=1e-9)
    assert group.grid.interval[0] == np.floor(group.time[0] / 60.0)
    if step % 60.0 == 0.0:  # the grid has the same samples in each interval
        np.testing.assert_allclose(group.forecaster.forecast, expected.forecaster.forecast)
        assert group.grid.samples[0] == expected.grid.samples[0]
    assert np.isfinite(group.forecaster.forecast[0, 0])
    assert len(lines(caplog)) == 1


def test_an_absurd_step_is_followed_only_after_a_long_time():
    world = World()
    clock = world.clock(Engine([GROUP]))
    world.set_by += ABSURD_SECONDS + 60.0
    assert clock.due() is None
    world.passed += ABSURD_STANDING_SECONDS - 1.0
    assert clock.due() is None
    world.passed += 1.0
    assert clock.due() == pytest.approx(ABSURD_SECONDS + 60.0)


def test_a_clock_that_is_set_again_stands_from_then_on():
    world = World()
    clock = world.clock(Engine([GROUP]))
    world.set_by += 100.0
    assert clock.due() is None
    world.passed += STANDING_SECONDS - 1.0
    world.set_by += 100.0
    assert clock.due() is None
    world.passed += STANDING_SECONDS
    assert clock.due() == pytest.approx(200.0)


def test_a_clock_that_is_set_for_the_first_time_since_the_machine_started_is_followed_at_once():
    world = World(wall=40.0)
    clock = world.clock(Engine([GROUP]))
    assert clock.now() == 40.0
    world.set_by = NOW
    assert clock.due() == NOW - 40.0


def test_a_clock_that_is_not_set_is_not_followed(caplog):
    world = World(wall=40.0)
    clock = world.clock(engine_of(NOW))
    assert clock.now() == NOW
    for _ in range(3):
        world.passed += 2 * ABSURD_STANDING_SECONDS
        assert clock.due() is None
    assert clock.now() == NOW + world.passed
    assert len(lines(caplog)) == 1


@pytest.mark.parametrize(
    ("newest", "start"),
    [
        (NOW - 60.0, NOW),
        (NOW - 20 * 86_400.0, NOW),
        (NOW + 10.0, NOW + 10.0),
        (NOW + 20 * 86_400.0, NOW + 20 * 86_400.0),
        (NOW - 10 * YEAR, NOW - 10 * YEAR),
    ],
    ids=["after a minute", "after a holiday", "set back a little", "set back by weeks", "absurdly ahead"],
)
def test_it_starts_where_the_state_ended_unless_time_has_passed(newest, start):
    engine = engine_of(newest - 100.0, newest)
    world = World()
    clock = world.clock(engine)
    assert clock.now() == start
    world.passed += 1.0
    for row in (0, 1):
        sample(engine, row, clock.now())
    assert engine.groups[0].count.tolist()[:2] == [2, 2]
    assert engine.groups[0].out_of_order == 0


def test_a_state_from_the_far_future_loses_no_stream_and_is_of_the_present(caplog):
    engine = engine_of(NOW - 50.0, NOW + 10 * YEAR, NOW - 5.0)
    clock = World().clock(engine)
    assert clock.now() == NOW
    assert engine.groups[0].seen[:3].tolist() == [NOW - 50.0, NOW, NOW - 5.0]
    assert engine.forget(clock.now()) == []
    assert len(lines(caplog)) == 1


def test_event_times_stay_where_they_are():
    engine = Engine([GroupSettings("plant")])
    row = engine.add_stream(0, "s")
    engine.observe(Batch(0, np.array([row], dtype=np.int32), np.array([NOW - 77.0]), np.array([1.0]), NOW))
    engine.move_times(-3600.0, NOW)
    assert engine.groups[0].time[row] == NOW - 77.0
    assert engine.groups[0].seen[row] == NOW - 3600.0
