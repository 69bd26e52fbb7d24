"""Samples, silence, clocks that are set, and kills, in random order and with too few places for streams.

Whatever comes, the state that is recovered from the file is the one that was recorded last, to the byte; and
an engine that did the same without a kill has the same bytes.
"""

import asyncio
import contextlib
import random
import shutil
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from ewad import config
from ewad.daemon.committer import Committer
from ewad.engine import Engine
from ewad.ingest.intake import Intake
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.store import Store
from tests.daemon.test_clock import NOW, World

SETTINGS = config.parse(
    {
        "stream": [
            {"name": "plant", "topic": "plant/+", "stale_after": "20s", "forget_after": "90s"},
            {"name": "lab", "topic": "lab/+", "half_life": "1m", "stale_after": "40s"},
        ],
        "limits": {"max_streams": 4},
        "state": {"path": "ewad.db", "durability": "process"},
    },
    "test",
    {},
)
TOPICS = [f"{place}/{number}" for place in ("plant", "lab") for number in range(6)]
STEPS = 100
LIMIT_SECONDS = 60.0  # an upper bound that only failures reach


class Life:
    """What a daemon does between its broker and its state file, by clocks of the test."""

    def __init__(self, path: Path | None, world: World) -> None:
        self.path, self.world = path, world
        self.store: Store | None = None
        self.begin()

    def new_engine(self) -> Engine:
        return Engine(SETTINGS.group_settings(), SETTINGS.limits.max_streams)

    def begin(self) -> None:
        if self.path is not None:
            state = msgspec.structs.replace(SETTINGS.state, path=str(self.path))
            self.store = Store(state, "test", self.new_engine, lambda seconds: None)
        self.engine = self.new_engine() if self.store is None else self.store.engine
        self.recovered = self.engine.dump()
        self.intake = Intake(self.engine, SETTINGS.streams)
        self.clock = self.world.clock(self.engine)
        # no time passes: all that is to be forgotten is, in one turn of the loop
        self.committer = Committer(
            self.engine, self.intake, self.store, lambda seconds: None, clock=lambda: 0.0
        )
        if self.store is not None:
            self.store.start(self.intake.adopt(), self.clock.moved)

    async def publish(self, messages: list[tuple[str, bytes]]) -> None:
        """Deliver messages of QoS 1 in one commit; wait for their acknowledgement."""
        self.committer.consume(
            [SimpleNamespace(topic=topic, payload=payload, retain=False) for topic, payload in messages],
            self.clock.now(),
        )
        acknowledged = asyncio.Event()
        self.committer.commit(Acknowledgements(), acknowledged.set)
        self.committer.finish()
        async with asyncio.timeout(LIMIT_SECONDS):
            await acknowledged.wait()

    async def rest(self) -> None:
        """Forget and follow the clock, as often as the daemon looks; wait until that is kept.

        Both wait while a snapshot is being copied; here they come right after it, in any life.
        """
        while self.store is not None and self.store.copying:  # noqa: ASYNC110 (the loop itself copies)
            await asyncio.sleep(0)
        self.committer.forget(self.clock)
        self.committer.follow(self.clock)
        await self.publish([])

    async def restart(self, kill: bool) -> None:
        """End by a kill, which leaves the file as it is now, or by a stop; and start again."""
        if self.store is None:
            self.clock = self.world.clock(self.engine)
            return
        crashed = self.path.with_name(f"{self.path.stem}x.db")
        for suffix in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(f"{self.path}{suffix}", f"{crashed}{suffix}")
        await self.store.close()
        if kill:
            self.path = crashed
        self.begin()


def steps(seed):
    """Yield what happens: a kind, and what belongs to it."""
    rng = random.Random(seed)
    for _ in range(STEPS):
        kind = rng.choices(
            ["publish", "rest", "pass", "set", "snapshot", "stop", "kill"], weights=[10, 4, 4, 1, 1, 1, 3]
        )[0]
        topics = rng.choices(TOPICS, k=rng.randint(1, 6))
        yield (
            kind,
            {
                "messages": [(topic, b"%d" % rng.randint(0, 99)) for topic in topics],
                "seconds": rng.choice([1.0, 7.0, 30.0, 100.0]),
                "step": rng.choice([-3600.0, 3600.0, -25.0, 1e9]),
            },
        )


async def live(life: Life, kind: str, facts: dict) -> None:
    world = life.world
    match kind:
        case "publish":
            await life.publish(facts["messages"])
        case "rest":
            await life.rest()
        case "pass":
            world.passed += facts["seconds"]
        case "set":
            world.set_by += facts["step"]
        case "snapshot" if life.store is not None:
            life.store.snapshot()
        case "stop" | "kill":
            before = life.engine.dump()
            await life.restart(kind == "kill")
            assert life.store is None or life.recovered == before, kind


@pytest.mark.parametrize("seed", range(12))
async def test_what_is_recovered_is_what_was_recorded_and_a_kill_changes_nothing(tmp_path, seed):
    kept, undisturbed = Life(tmp_path / "e.db", World(NOW)), Life(None, World(NOW))
    try:
        for number, (kind, facts) in enumerate(steps(seed)):
            for life in (kept, undisturbed):
                await live(life, kind, facts)
            assert kept.engine.dump() == undisturbed.engine.dump(), (number, kind, facts)
        assert kept.engine.n_streams <= SETTINGS.limits.max_streams
    finally:
        await kept.store.close()


def test_the_sequences_reach_the_limit_and_evict(tmp_path):
    """Of what the other test compares, there is some."""

    async def counts(seed):
        life = Life(None, World(NOW))
        for kind, facts in steps(seed):
            await live(life, kind, facts)
        return life.engine.refused, life.engine.forgotten

    found = [asyncio.run(counts(seed)) for seed in range(12)]
    assert sum(refused > 4 for refused, _ in found) >= 6
    assert sum(forgotten > 4 for _, forgotten in found) >= 6


async def test_streams_that_are_refused_again_after_a_restart_count_once_and_evict_nobody(tmp_path):
    life = Life(tmp_path / "e.db", World(NOW))
    try:
        everyone = [(topic, b"1") for topic in TOPICS]
        await life.publish(everyone)
        await life.rest()
        for _ in range(5):
            await life.restart(kill=True)
            await life.publish(everyone)
            life.world.passed += 30.0  # those of `plant` are stale
            await life.publish(everyone[:2])
        assert life.engine.refused == len(TOPICS) - SETTINGS.limits.max_streams
        await life.rest()
        assert life.engine.forgotten == 0
    finally:
        await life.store.close()


async def test_times_that_were_taken_for_the_present_stay_so_over_a_kill(tmp_path):
    world = World(NOW + 1e9)  # wrong, and right after the first stop
    life = Life(tmp_path / "e.db", world)
    try:
        await life.publish([("plant/0", b"1"), ("plant/1", b"1")])
        await life.restart(kill=False)
        world.set_by = NOW
        await life.restart(kill=False)
        await life.publish([("plant/0", b"2")])
        for _ in range(2):
            before = life.engine.dump()
            await life.restart(kill=True)
            assert life.recovered == before
        assert life.engine.groups[0].count[:2].tolist() == [2, 1]
        assert life.engine.groups[0].seen[:2].max() < NOW + 1000.0
    finally:
        await life.store.close()
