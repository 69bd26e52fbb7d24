"""Records and snapshots on a real disk: what was kept comes back bit for bit, whatever befalls the file."""

import asyncio
import shutil
import sqlite3
import stat
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest

from ewad.engine import ByCount, GroupSettings
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.file import VERSION, StateFile
from tests.store.states import keep, new_store, running, uninterrupted, until


def crashed(path: Path) -> Path:
    """Return a copy of the file and its log as a kill would leave them."""
    copy = path.with_name("crashed") / path.name
    copy.parent.mkdir(exist_ok=True)
    for suffix in ("", "-wal"):
        if Path(f"{path}{suffix}").exists():
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    return copy


@pytest.mark.parametrize("durability", ["power", "process"])
async def test_recovery_is_bit_equal_to_an_engine_that_never_stopped(tmp_path, durability):
    path = tmp_path / "ewad.db"
    async with running(path, durability=durability) as store:
        for seed in range(40):
            await keep(store, seed)
            if seed in (13, 29):
                store.snapshot(store.engine.cut())
                await until(lambda: not store._writer.snapshot_pending)
        copy = crashed(path)
    expected = uninterrupted(range(40)).dump()
    async with running(copy) as recovered:
        assert recovered.engine.dump() == expected
        for seed in range(40, 45):
            await keep(recovered, seed)
        assert recovered.engine.dump() == uninterrupted(range(45)).dump()
    async with running(path) as stopped:
        assert stopped.engine.dump() == expected


async def test_a_crash_before_the_first_snapshot_is_complete_starts_empty(tmp_path):
    path = tmp_path / "ewad.db"
    StateFile(path).close()
    async with running(path) as store:
        assert store.engine.n_streams == 0
        assert store.damaged == 0


async def test_deliveries_come_back_with_the_engine(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0, Acknowledgements(pubacks=[3 << 16 | 1, 2], pubrecs=[7, 8]))
        store.snapshot(store.engine.cut())
        await keep(store, 1, Acknowledgements(pubacks=[4], pubrecs=[9], pubcomps=[7]))
        copy = crashed(path)
    for file in (copy, path):
        async with running(file) as again:
            assert list(again.deliveries.taken) == [3 << 16 | 1, 2, 7, 8, 4, 9]
            assert again.deliveries.unreleased == {8, 9}


@pytest.mark.parametrize("snapshot", [True, False])
async def test_what_was_taken_from_a_lost_session_does_not_come_back(tmp_path, snapshot):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0, Acknowledgements(pubacks=[1], pubrecs=[7]))
        await keep(store, 1, Acknowledgements(pubacks=[2], session_lost=True))
        if snapshot:
            store.snapshot(store.engine.cut())
        await keep(store, 2, Acknowledgements(pubacks=[3]))
        copy = crashed(path)
    for file in (copy, path):
        async with running(file) as again:
            assert list(again.deliveries.taken) == [2, 3]
            assert again.deliveries.unreleased == set()


async def test_the_journal_is_cut_behind_the_second_newest_snapshot(tmp_path):
    async with running(tmp_path / "ewad.db") as store:
        for round_ in range(4):
            for seed in range(5):
                await keep(store, 5 * round_ + seed)
            store.snapshot(store.engine.cut())
            await until(lambda: not store._writer.snapshot_pending)
    file = StateFile(tmp_path / "ewad.db")
    assert len(file.snapshots()) == 2
    assert file.journalled() == (5, 250)
    file.close()


async def test_the_state_file_is_for_its_owner_alone_and_for_one_daemon(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0)
        for each in tmp_path.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
        with pytest.raises(StateError, match=r"ewad\.db: another ewad uses this state file"):
            new_store(path)


# -- damage --


def damage(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    assert database.execute(statement).rowcount > 0
    database.commit()
    database.close()


async def written(path: Path) -> None:
    """Leave a file of two snapshots, after 10 and 20 commits, and of a journal up to 30."""
    async with running(path) as store:
        for seed in range(30):
            await keep(store, seed)
            if seed in (9, 19):
                store.snapshot(store.engine.cut())
                await until(lambda: not store._writer.snapshot_pending)
        copy = crashed(path)
    shutil.move(copy, path)
    shutil.move(f"{copy}-wal", f"{path}-wal")


DAMAGES = {
    "the newest snapshot": (
        "UPDATE piece SET data = x'00' WHERE snapshot = (SELECT max(id) FROM snapshot)",
        30,
    ),
    "a record of the journal": ("UPDATE journal SET record = x'00' WHERE sequence = 26", 25),
    "a record that is no bytes": ("UPDATE journal SET record = 5 WHERE sequence = 26", 25),
    "a whole record that nobody wrote": (
        f"UPDATE journal SET record = x'c0', checksum = {crc32(bytes.fromhex('c0'))} WHERE sequence = 26",
        25,
    ),
    "a missing record": ("DELETE FROM journal WHERE sequence = 23", 22),
    "both snapshots": ("UPDATE piece SET data = x'00'", 0),
}


@pytest.mark.parametrize("what", DAMAGES)
async def test_a_damaged_file_is_set_aside_and_what_is_good_of_it_counts(tmp_path, caplog, what):
    path = tmp_path / "ewad.db"
    await written(path)
    statement, left = DAMAGES[what]
    damage(path, statement)
    async with running(path) as store:
        assert store.engine.dump() == uninterrupted(range(left)).dump()
        assert store.damaged == 1
        await keep(store, left)
    assert len(list(tmp_path.glob("ewad.db.damaged-*Z"))) == 1
    assert "state damaged" in caplog.text
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(left + 1)).dump()
        assert again.damaged == 0


@pytest.mark.parametrize("content", [b"no database " * 1000, b"SQLite format 3\x00" + b"\xff" * 5000])
async def test_what_is_no_database_is_set_aside_whole(tmp_path, content):
    path = tmp_path / "ewad.db"
    path.write_bytes(content)
    async with running(path) as store:
        assert store.engine.n_streams == 0
        assert store.damaged == 1
    (moved,) = tmp_path.glob("ewad.db.damaged-*Z")
    assert moved.read_bytes() == content


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    damage_free = sqlite3.connect(path)
    damage_free.execute(f"PRAGMA user_version = {VERSION + 1}")
    damage_free.close()
    before = path.read_bytes()
    with pytest.raises(
        StateError, match=f"made by a newer ewad: version {VERSION + 1}, this one reads up to"
    ):
        new_store(path)
    assert path.read_bytes() == before


async def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (a)")
    database.close()
    with pytest.raises(StateError, match=r"expected a state file of ewad, got another SQLite database"):
        new_store(path)


async def test_a_file_that_is_deleted_underneath_is_made_anew_with_everything(tmp_path, caplog):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0)
        for each in tmp_path.glob("ewad.db*"):
            each.unlink()
        waiting = await keep(store, 1, wait=False)
        await until(lambda: store.snapshot_due())
        store.snapshot(store.engine.cut())
        async with asyncio.timeout(20):
            await waiting.wait()
        await keep(store, 2)
        assert store.writable
    assert caplog.text.count("state not written") == 1
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(3)).dump()


async def test_a_snapshot_at_the_end_is_written_though_another_is_being_written(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path, durability="off") as store:
        await keep(store, 0)
        store.snapshot(store.engine.cut())
        await keep(store, 1)
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_with_durability_off_the_last_snapshot_counts_after_a_crash(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path, durability="off") as store:
        for seed in range(3):
            await keep(store, seed)
        await until(lambda: not store._writer.snapshot_pending)
        store.snapshot(store.engine.cut())
        await until(lambda: not store._writer.snapshot_pending)
        await keep(store, 3)
        copy = crashed(path)
    async with running(copy, durability="off") as recovered:
        assert recovered.engine.dump() == uninterrupted(range(3)).dump()
    async with running(path, durability="off") as stopped:
        assert stopped.engine.dump() == uninterrupted(range(4)).dump()


async def test_a_file_that_turns_read_only_is_told_and_mended_without_a_loss(tmp_path, caplog):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0)
        store._writer._file._database.execute("PRAGMA query_only = ON")
        waiting = await keep(store, 1, wait=False)
        await until(lambda: not store.writable)
        assert not waiting.is_set()
        store._writer._file._database.execute("PRAGMA query_only = OFF")
        await until(waiting.is_set)
        assert store.writable
    assert caplog.text.count("state not written") == 1
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_after_a_crash_a_changed_configuration_keeps_what_fits_journal_too(tmp_path, caplog):
    path = tmp_path / "ewad.db"
    short, long = ByCount(0.9), ByCount(0.99)
    before = (GroupSettings("plant", decays=(short,), topics=("site/t",)), GroupSettings("lab"))
    after = (GroupSettings("works", decays=(long, short), topics=("site/t",)), GroupSettings("lab"))
    store = new_store(path, groups=before)
    store.start()
    for seed in range(6):
        await keep(store, seed)
        if seed == 2:
            store.snapshot(store.engine.cut())
            await until(lambda: not store._writer.snapshot_pending)
    copy = crashed(path)
    await store.close()
    again = new_store(copy, groups=after)
    works, lab = again.engine.groups
    plant = store.engine.groups[0]
    assert works.streams.names == plant.streams.names
    kept = {(part.kind, part.meaning): part.arrays() for part in works.parts()}
    for part in plant.parts():
        for name, array in part.arrays().items():
            np.testing.assert_array_equal(kept[part.kind, part.meaning][name], array, err_msg=part.meaning)
    assert len(works.parts()) == len(plant.parts()) + 1
    assert lab.streams.names == store.engine.groups[1].streams.names
    assert "group plant: is now works, of the same topics" in caplog.text
    again.start()
    await again.close()
