"""Snapshots that are copied while samples come: each is of its moment, whatever comes between."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.engine import Batch, ByCount, Engine, GroupSettings, ModelSettings, blocks
from ewad.engine.blocks import NAMES
from ewad.store.changes import Changes

GROUPS = (
    GroupSettings("own", model=ModelSettings("m", share="stream", lags=2, batch_size=2)),
    GroupSettings("shared", (ByCount(0.9),), model=ModelSettings("n", share="group", lags=2, batch_size=2)),
    GroupSettings("smooth"),
)


def test_each_group_is_looked_at_in_a_turn_of_its_own_with_streams_or_without():
    changes = Changes(Engine([GroupSettings(str(number)) for number in range(50)]))
    changes.begin(lambda block, data: None, whole=True)
    assert sum(1 for _ in iter(changes.copy_next, False)) == 50
    header, blocks = changes.copied()
    assert len(msgspec.json.decode(header)["groups"]) == 50
    assert blocks == []


class Disk:
    """What a state file would keep: the newest of each block, of complete snapshots."""

    def __init__(self):
        self.kept, self.added, self.header = {}, {}, b""

    def begin(self, changes, *, whole):
        self.added = {} if whole else dict(self.kept)
        changes.begin(self.added.__setitem__, whole=whole)

    def finish(self, changes):
        while changes.copy_next():
            pass
        self.header, wanted = changes.copied()
        self.kept = {block: self.added[block] for block in wanted}

    def engine(self):
        engine = Engine(GROUPS)
        assembly = engine.assembly(msgspec.json.decode(self.header))
        names = {}
        for block in assembly.name_blocks():
            names.setdefault(block.group, []).append(self.kept[block])
        assembly.name(names)
        for block in assembly.blocks():
            assembly.put(block, self.kept[block])
        assert assembly.finish().dropped == []
        return engine


class Live:
    """An engine under random events."""

    def __init__(self, seed):
        self.engine = Engine(GROUPS)
        self.changes = Changes(self.engine)
        self.rng = np.random.default_rng(seed)
        self.numbers, self.time = itertools.count(), 0.0

    def add(self):
        group = int(self.rng.integers(3))
        for _ in range(int(self.rng.integers(1, 6))):
            self.engine.add_stream(group, f"stream {next(self.numbers)}", (("k", "v"),))

    def observe(self):
        group = int(self.rng.integers(3))
        n = len(self.engine.groups[group].streams)
        if n:
            size = int(self.rng.integers(1, 8))
            rows = self.rng.integers(0, n, size).astype(np.int32)
            self.time += size
            batch = Batch(group, rows, self.time + np.arange(size), self.rng.normal(size=size), self.time)
            self.changes.touch(batch)
            self.engine.observe(batch)

    def forget(self):
        group = int(self.rng.integers(3))
        names = self.engine.groups[group].streams.names
        if names:
            chosen = self.rng.choice(names, size=min(len(names), 2), replace=False).tolist()
            self.changes.forgot(self.engine.forget_streams(group, chosen))


EVENTS = ("add", "observe", "observe", "observe", "forget", "snapshot", "whole", "abandon", "copy")
events = st.lists(st.sampled_from(EVENTS), max_size=60)


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 1 << 30), events=events)
@pytest.mark.slow
def test_a_snapshot_is_of_its_moment_whatever_is_observed_while_it_is_copied(seed, events):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(blocks, "BLOCK_BYTES", 2000)  # a few rows a block
        live, disk = Live(seed), Disk()
        moment = b""

        def finish():
            if live.changes.copying:
                disk.finish(live.changes)
                assert disk.engine().dump() == moment

        for event in ["add", "whole", *events, "snapshot"]:
            if event in ("snapshot", "whole"):
                finish()
                moment = live.engine.dump()
                disk.begin(live.changes, whole=event == "whole")
            elif event == "abandon" and live.changes.copying:
                live.changes.abandon()
            elif event == "copy" and live.changes.copying and not live.changes.copy_next():
                disk.finish(live.changes)
                assert disk.engine().dump() == moment
            elif event == "forget":
                finish()  # streams may not be forgotten before
                live.forget()
            elif event in ("add", "observe"):
                getattr(live, event)()
        finish()


def test_what_has_not_changed_is_not_copied_again():
    live, disk = Live(1), Disk()
    for _ in range(20):
        live.add()
        live.observe()
    disk.begin(live.changes, whole=True)
    disk.finish(live.changes)
    again = []
    live.changes.begin(lambda block, data: again.append(block), whole=False)
    assert not live.changes.copy_next()
    assert again == []
    batch = Batch(0, np.zeros(1, dtype=np.int32), np.array([1e6]), np.ones(1), 1e6)
    live.changes.touch(batch)
    live.engine.observe(batch)
    live.changes.begin(lambda block, data: again.append(block), whole=False)
    while live.changes.copy_next():
        pass
    assert [block[:3] for block in again] == [(0, 0, 0)]
    live.engine.add_stream(2, "new")
    live.changes.begin(lambda block, data: again.append(block), whole=False)
    while live.changes.copy_next():
        pass
    assert (2, NAMES, 0) in again


def test_the_sizes_told_are_about_those_of_the_blocks():
    live, disk = Live(2), Disk()
    for i in range(5000):
        live.engine.add_stream(2, f"stream {i}")
    disk.begin(live.changes, whole=True)
    disk.finish(live.changes)
    written = sum(map(len, disk.kept.values()))
    size = live.changes.size()
    assert size.state == pytest.approx(written, rel=0.5)
    assert size.changed < size.state / 10
    rows = Batch(2, np.arange(3, dtype=np.int32), np.ones(3), np.ones(3), 1.0)
    live.changes.touch(rows)
    assert live.changes.size().changed > size.changed
