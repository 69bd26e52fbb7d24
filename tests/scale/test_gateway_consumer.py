"""How commits gather before they go to the log: whole, in order, and none waits for ever."""

from types import SimpleNamespace

import pytest

from ewad import config
from ewad.config import ShardSettings
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.scale import gateway
from ewad.scale.collector import Collector
from ewad.scale.gateway import GatewayConsumer

SETTINGS = config.parse({"stream": [{"name": "t", "topic": "site/{room}"}]}, "test", {})


class Life:
    """A consumer, what it has handed over, and the timers that it has set."""

    def __init__(self):
        self.jobs, self.timers, self.done = [], [], []
        self.consumer = GatewayConsumer(
            Collector(SETTINGS, ShardSettings()),
            self.jobs.append,
            lambda: False,
            lambda seconds, action: self.timers.append(action),
        )

    def consume(self, n=1, room="a"):
        message = SimpleNamespace(topic=f"site/{room}", payload=b"1", retain=False)
        self.consumer.consume([message] * n, 1.0)

    def commit(self, *pubacks, **pending):
        number = len(self.done)
        self.done.append(False)
        self.consumer.commit(
            Acknowledgements([*pubacks], **pending), lambda: self.done.__setitem__(number, True)
        )

    def samples(self):
        return [sum(map(len, job.records)) for job in self.jobs]


@pytest.fixture
def life():
    return Life()


def test_commits_gather_until_the_timer(life):
    for number in range(3):
        life.consume()
        life.commit(number)
    assert life.jobs == []
    (timer,) = life.timers
    timer()
    assert life.samples() == [3]
    assert [*life.jobs[0].pending.pubacks] == [0, 1, 2]
    life.jobs[0].done()
    assert life.done == [True, True, True]


def test_while_many_messages_come_commits_gather_for_five_moments_at_most(life):
    for number in range(gateway.MOST_MOMENTS):
        assert life.jobs == []
        life.consume(gateway.MANY_MESSAGES)
        life.commit(number)
        life.timers[-1]()
    assert life.samples() == [gateway.MOST_MOMENTS * gateway.MANY_MESSAGES]


def test_a_moment_that_brings_little_ends_the_gathering(life):
    life.consume(gateway.MANY_MESSAGES)
    life.commit(0)
    life.timers[-1]()
    assert life.jobs == []
    life.consume(1)
    life.commit(1)
    life.timers[-1]()
    assert life.samples() == [gateway.MANY_MESSAGES + 1]


def test_the_timer_of_what_was_handed_over_does_not_hurry_what_follows(life):
    life.consume(gateway.ENOUGH_MESSAGES)
    life.commit(0)
    life.consume(1)
    life.commit(1)
    life.timers[0]()
    assert life.samples() == [gateway.ENOUGH_MESSAGES]
    life.timers[1]()
    assert life.samples() == [gateway.ENOUGH_MESSAGES, 1]


def test_messages_that_no_commit_covers_are_not_handed_over(life):
    life.consume()
    life.commit(0)
    life.consume()
    life.timers[0]()
    assert life.jobs == []
    life.commit(1)
    assert (life.samples(), [*life.jobs[0].pending.pubacks]) == ([2], [0, 1])


def test_enough_messages_do_not_wait(life):
    life.consume(gateway.ENOUGH_MESSAGES)
    life.commit(0)
    assert life.samples() == [gateway.ENOUGH_MESSAGES]


def test_a_lost_session_stands_between_what_came_before_and_after(life):
    life.consume()
    life.commit(1)
    life.commit(session_lost=True)
    life.consume()
    life.commit(2)
    life.timers[-1]()
    pending = [([*job.pending.pubacks], job.pending.session_lost) for job in life.jobs]
    assert pending == [([1], False), ([], True), ([2], False)]


def test_time_passes_once_nothing_waits(life):
    life.consume()
    life.consumer.tick(5.0)
    assert life.jobs == []
    life.commit(0)
    life.timers[0]()
    assert [[record.tick for record in job.records] for job in life.jobs] == [[None], [5.0]]


def test_a_moved_clock_is_on_record(life):
    life.consumer.move(lambda: (-3.0, 7.0))
    assert [record.moved for record in life.jobs[0].records] == [(-3.0, 7.0)]
    life.consumer.move(lambda: None)
    assert len(life.jobs) == 1
