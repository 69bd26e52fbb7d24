"""When the configuration is read again, and what is said of it."""

import asyncio
import logging

import pytest

from ewad import config
from ewad.daemon.reloader import Reloader
from ewad.errors import ConfigError


def settings(name="plant", poll="1s"):
    return config.parse({"stream": [{"name": name, "topic": "a/#"}], "reload": {"poll": poll}}, "test", {})


class Target:
    """Something set by a configuration, which refuses groups called "unfit"."""

    def __init__(self):
        self.settings = settings()
        self.reload_successful = True
        self.applied = []
        self.changed = asyncio.Event()

    async def apply(self, new):
        if new.streams[0].name == "unfit":
            raise ConfigError("unfit")
        self.applied.append(new.streams[0].name)
        self.settings = new
        self.changed.set()


@pytest.fixture
def target():
    return Target()


def reloader_of(target, *reads):
    """Return a reloader that has begun, and whose attempts read these."""
    found = iter(reads)

    def load():
        read = next(found)
        if isinstance(read, Exception):
            raise read
        return read

    reloader = Reloader(load)
    reloader._read = target.settings
    return reloader


async def test_what_is_the_same_is_applied_only_if_asked(target):
    reloader = reloader_of(target, settings(), settings())
    await reloader.reload(target, asked=False)
    assert target.applied == []
    await reloader.reload(target, asked=True)
    assert target.applied == ["plant"]


async def test_what_differs_is_applied_without_being_asked(target):
    await reloader_of(target, settings("other")).reload(target, asked=False)
    assert target.applied == ["other"]


@pytest.mark.parametrize("bad", [ConfigError("no TOML"), settings("unfit")], ids=["unreadable", "unfit"])
async def test_what_stays_bad_is_told_once_and_the_same_as_before_mends_it(target, caplog, bad):
    caplog.set_level(logging.WARNING)
    reloader = reloader_of(target, bad, bad, settings())
    for _ in range(2):
        with pytest.raises(ConfigError):
            await reloader.reload(target, asked=False)
    assert not target.reload_successful
    assert [record.getMessage().split(" error=")[0] for record in caplog.records] == [
        "reload failed, the old configuration stays in force"
    ]
    await reloader.reload(target, asked=False)
    assert target.reload_successful


async def test_asking_wakes_it_at_once(target):
    reloader = reloader_of(target, settings("other", poll="365d"), settings("third", poll="365d"))
    target.settings = settings(poll="365d")
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(reloader.run(target))
        for name in ("other", "third"):
            reloader.ask()
            await target.changed.wait()
            target.changed.clear()
            assert target.applied[-1] == name
        task.cancel()
