"""Rests gather messages of a fast broker, and do not hold up one that waits."""

import math

import pytest

from ewad.ingest.mqtt.pacing import (
    BUSY_PACE_SECONDS,
    LONG_PACE_SECONDS,
    MOST_UNRESTED,
    MUCH_BYTES_A_SECOND,
    QUIET_PACE_SECONDS,
    SMALL_WINDOW,
    STEADY_RESTS,
    HeldUp,
    Pacing,
)

IDLE, ANSWER = 0.002, 0.0005  # until a rest is known to have been in vain; from acknowledgement to data


def of_a_window_of_one(pacing, messages, answer=ANSWER, nbytes=30):
    """Return the rests after each message of a broker that sends the next one upon the acknowledgement."""
    now, rests = 0.0, []
    for _ in range(messages):
        rests.append(pacing.seconds(nbytes, 1, now, math.inf))
        if rests[-1]:
            now += rests[-1] + IDLE
            pacing.rested_in_vain(1)
        pacing.acknowledged(now)
        now += answer
    return rests


def test_a_broker_that_waits_for_each_acknowledgement_gets_more_than_a_thousand_a_second():
    rests = of_a_window_of_one(Pacing(), 5000)
    seconds = sum(rests) + IDLE * sum(map(bool, rests)) + 5000 * ANSWER
    assert 5000 / seconds > 1000
    assert [rest > 0 for rest in rests[:10]] == [True, False, True, False, False, True, *[False] * 4]
    assert sum(map(bool, rests[-10 * MOST_UNRESTED :])) <= 10


def test_large_messages_of_a_broker_that_waits_for_each_are_no_longer_rests():
    assert max(of_a_window_of_one(Pacing(), 5000, nbytes=500)) <= QUIET_PACE_SECONDS


def test_reads_of_a_broker_that_sends_on_are_all_followed_by_rests():
    pacing, now = Pacing(), 0.0
    for _ in range(100):  # something always comes during the rest
        rest = pacing.seconds(30, 1, now, math.inf)
        assert rest == pytest.approx(QUIET_PACE_SECONDS, rel=0.01)
        now += rest
        pacing.acknowledged(now)
    assert pacing.seconds(1 << 20, 1, now, math.inf) == BUSY_PACE_SECONDS


def test_messages_that_come_now_and_then_are_no_answers():
    assert all(of_a_window_of_one(Pacing(), 50, answer=0.1))


def test_a_broker_that_begins_to_send_on_is_noticed_at_the_next_rest():
    pacing = Pacing()
    of_a_window_of_one(pacing, 2000)
    now, rests = 1e3, []
    for _ in range(MOST_UNRESTED + 10):
        rests.append(pacing.seconds(30, 1, now, math.inf))
        pacing.acknowledged(now + rests[-1])
        now += rests[-1] + 0.0001
    assert all(rests[-5:])


def test_a_pause_of_a_fast_broker_is_no_waiting():
    pacing, now = Pacing(), 0.0
    for _ in range(50):
        now += 0.012 + pacing.seconds(20_000, SMALL_WINDOW + 1, now, math.inf)
        pacing.rested_in_vain(SMALL_WINDOW + 1)
        pacing.acknowledged(now)
    assert pacing.seconds(30, 1, now, math.inf) > 0


def at_a_rate(pacing, bytes_a_second, rests, patience=math.inf):
    """Return the rests after reads of what a broker sends at this rate, which come after one another."""
    now, found, seconds = 0.0, [], QUIET_PACE_SECONDS
    for _ in range(rests):
        seconds = pacing.seconds(round(bytes_a_second * seconds), SMALL_WINDOW + 1, now, patience)
        now += seconds
        found.append(seconds)
    return found


def test_rests_become_longer_while_each_brings_much():
    rests = at_a_rate(Pacing(), 1.2 * MUCH_BYTES_A_SECOND, 20)
    assert max(rests[: STEADY_RESTS - 1]) <= QUIET_PACE_SECONDS
    assert rests[STEADY_RESTS:] == [LONG_PACE_SECONDS] * (20 - STEADY_RESTS)


def test_rests_stay_short_at_rates_below_that():
    assert max(at_a_rate(Pacing(), 0.8 * MUCH_BYTES_A_SECOND, 50)) <= QUIET_PACE_SECONDS


@pytest.mark.parametrize("bytes_a_second", [1e6, 3e6, 10e6, 20e6])
def test_at_any_rate_a_long_rest_brings_less_than_the_kernel_holds(bytes_a_second):
    rests = at_a_rate(Pacing(), bytes_a_second, 100)
    assert max(rests[-10:]) * bytes_a_second < 128 * 1024


def test_where_somebody_waits_for_results_rests_stay_short():
    assert max(at_a_rate(Pacing(), 1e6, 50, LONG_PACE_SECONDS / 2)) <= QUIET_PACE_SECONDS


def test_a_broker_that_pauses_until_it_is_answered_gets_short_rests():
    pacing, now = Pacing(), 0.0
    for _ in range(50):  # what it has in flight comes by two reads
        for vain in (False, True):
            rest = pacing.seconds(20_000, 500, now, math.inf)
            assert rest <= QUIET_PACE_SECONDS
            now += rest
            if vain:
                now += IDLE
                pacing.rested_in_vain(500)
                pacing.acknowledged(now)


def test_nothing_owed_or_more_to_read_means_a_rest():
    pacing = Pacing()
    of_a_window_of_one(pacing, 100)
    pacing.acknowledged(5.0)
    assert pacing.seconds(30, 0, 5.0, math.inf) > 0


def test_the_time_in_which_reading_was_held_up_adds_up():
    held_up = HeldUp("mqtt://a")
    for now, held in [(0.0, False), (5.0, True), (5.5, True), (6.0, False), (9.0, False), (10.0, True)]:
        held_up.note(held, now)
    assert held_up.seconds == 1.0
    held_up.note(True, 10.25)
    assert held_up.seconds == 1.25


def test_a_long_hold_up_is_told_at_most_once_a_minute(caplog):
    held_up = HeldUp("mqtt://a")
    told = []
    for now, held in [
        (0.0, True),
        (0.9, True),
        (1.1, True),
        (5.0, True),
        (6.0, False),
        (50.0, True),
        (62.0, True),
    ]:
        held_up.note(held, now)
        told.append(caplog.text.count("reading held up url=mqtt://a"))
    assert told == [0, 0, 1, 1, 1, 1, 2]
