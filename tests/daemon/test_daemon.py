"""What the daemon itself decides; its life as a process is told in tests/system."""

from types import SimpleNamespace

import pytest

from ewad import config
from ewad.daemon.clock import STANDING_SECONDS
from ewad.daemon.daemon import Daemon
from ewad.errors import ConfigError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from tests.daemon.test_clock import NOW, World

DOCUMENT = {"stream": [{"name": "plant", "topic": "plant/#"}], "http": {"listen": "127.0.0.1:0"}}


def message(payload):
    return SimpleNamespace(topic="plant/a", payload=payload, retain=False)


def test_a_clock_that_is_set_back_makes_no_sample_an_old_one():
    world = World()
    daemon = Daemon(config.parse(DOCUMENT, "test", {}), make_clock=world.clock)
    for world.set_by in (NOW, NOW - 10.0, NOW - 0.01, NOW - 600.0, NOW + 1.0):
        daemon.committer.consume([message(b"1")], daemon.clock.now())
        daemon.committer.commit(Acknowledgements(), lambda: None)
        world.passed += 1.0
    group = daemon.engine.groups[0]
    assert group.count[0] == 5
    assert group.out_of_order == 0
    assert group.time[0] == group.seen[0] == NOW + 4.0


def test_times_follow_a_clock_that_is_set_once_no_sample_waits():
    world = World()
    daemon = Daemon(config.parse(DOCUMENT, "test", {}), make_clock=world.clock)
    committer, clock = daemon.committer, daemon.clock
    committer.consume([message(b"1")], clock.now())
    world.set_by -= 3600.0
    committer.follow(clock)
    world.passed += STANDING_SECONDS
    committer.follow(clock)
    assert clock.now() == NOW + STANDING_SECONDS
    committer.commit(Acknowledgements(), lambda: None)
    assert clock.now() == world.wall()
    assert daemon.engine.groups[0].seen[0] == NOW - 3600.0


def with_state(tmp_path, name):
    stream = DOCUMENT["stream"][0] | {"name": name, "kind": "counter"}
    state = {"path": str(tmp_path / "ewad.db"), "durability": "process"}
    return config.parse(DOCUMENT | {"stream": [stream], "state": state}, "test", {})


async def lived(settings, world, *totals):
    """Return a daemon that has started, taken totals a second apart, and stopped."""
    daemon = Daemon(settings, make_clock=world.clock)
    await daemon.start()
    for total in totals:
        daemon.committer.consume([message(b"%d" % total)], daemon.clock.now())
        daemon.committer.commit(Acknowledgements(), lambda: None)
        world.passed += 1.0
    daemon.sinks.close()
    await daemon.store.close()
    await daemon.server.stop()
    return daemon


async def test_totals_that_a_start_takes_for_the_present_stay_so(tmp_path):
    world, settings = World(), with_state(tmp_path, "plant")
    world.set_by += 1e9
    await lived(settings, world, 1, 2)
    world.set_by -= 1e9  # the clock was wrong by its year
    await lived(settings, world)
    world.passed += 1.0
    group = (await lived(settings, world, 12)).engine.groups[0]
    assert group.count[0] == 2
    assert group.value[0] == 10.0


async def test_what_a_block_was_told_is_forgotten_at_a_start_without_it(tmp_path):
    world = World()
    before = await lived(with_state(tmp_path, "plant"), world, 1, 2)
    assert [entry.block for entry in before.store.told.entries()] == ["plant"]
    after = await lived(with_state(tmp_path, "lab"), world, 5)
    assert [entry.block for entry in after.store.told.entries()] == ["lab"]


def test_a_model_that_cannot_be_read_is_a_fault_of_the_configuration(tmp_path):
    (tmp_path / "model.npz").write_bytes(b"no model")
    document = DOCUMENT | {"model": {"m": {"start_from": str(tmp_path / "model.npz")}}}
    document["stream"] = [DOCUMENT["stream"][0] | {"model": "m"}]
    with pytest.raises(ConfigError, match=r"model\.m\.start_from: .*model\.npz: expected a model of ewad"):
        Daemon(config.parse(document, "test", {}))
