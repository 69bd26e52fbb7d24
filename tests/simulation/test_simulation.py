"""Exactly once in 2,000 simulated worlds; `make simulate` tries 100,000."""

from collections.abc import Callable

import pytest

from ewad.ingest.mqtt import deliveries
from ewad.ingest.mqtt.deliveries import Deliveries, tag_without_topic
from tests.simulation.broker import ANEW
from tests.simulation.world import World, simulate

SEEDS = 2000
PARTS = 8  # tests that may run side by side


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_and_nothing_counted_twice_whatever_fails(part: int) -> None:
    for seed in range(part, SEEDS, PARTS):
        simulate(seed)


def test_a_seed_gives_the_same_world_again() -> None:
    worlds = [World(7), World(7)]
    for world in worlds:
        world.run()
    assert worlds[0].trace == worlds[1].trace
    assert worlds[0].disk.counted == worlds[1].disk.counted


def test_a_broker_that_numbers_anew_with_each_connection_loses_nothing_and_doubles() -> None:
    doubled = 0
    for seed in range(100):
        world = World(seed, ANEW)
        world.run()
        doubled += world.doubled
    assert doubled > 0  # nothing tells a repetition under another identifier from a new message


def by_payload_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deliveries, "tags", lambda messages: [tag_without_topic(each) for each in messages])


def every_message_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deliveries, "_known", lambda *_: set())


def only_dup_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    known = Deliveries._known
    monkeypatch.setattr(
        Deliveries,
        "_known",
        lambda it, messages, new: known(it, messages, new) if messages[0].duplicate else set(),
    )


def all_that_was_ever_taken_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Deliveries, "_from", lambda it, *_: set(it.taken))


@pytest.mark.parametrize(
    "broken", [by_payload_alone, every_message_is_new, only_dup_repeats, all_that_was_ever_taken_repeats]
)
def test_the_worlds_are_hard_enough_to_tell_a_wrong_ledger(
    broken: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch)
    with pytest.raises(AssertionError, match=r"seed \d+: .*; replay: python -m tests.simulation --seed \d+"):
        for seed in range(SEEDS):
            simulate(seed)
