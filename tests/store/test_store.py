"""Records and snapshots on a real disk: what was kept comes back bit for bit, whatever befalls the file."""

import asyncio
import os
import sqlite3
import stat
import threading

import numpy as np
import pytest

from ewad.engine import Batch, ByCount, GroupSettings
from ewad.errors import StateError
from ewad.ingest.mqtt.deliveries import Acknowledgements
from ewad.store.file import StateFile
from ewad.store.reading import open_log
from tests.store.states import crashed, keep, new_store, running, snapshot, uninterrupted, until


def cannot(*_: object, **__: object) -> None:
    raise StateError("ewad.db: No space left on device")


@pytest.mark.parametrize("durability", ["power", "process"])
async def test_recovery_is_bit_equal_to_an_engine_that_never_stopped(tmp_path, durability):
    path = tmp_path / "ewad.db"
    async with running(path, durability=durability) as store:
        for seed in range(40):
            await keep(store, seed)
            if seed in (13, 29):
                await snapshot(store)
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
        store.snapshot()
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
            store.snapshot()
        await keep(store, 2, Acknowledgements(pubacks=[3]))
        copy = crashed(path)
    for file in (copy, path):
        async with running(file) as again:
            assert list(again.deliveries.taken) == [2, 3]
            assert again.deliveries.unreleased == set()


async def test_a_file_that_has_grown_is_replaced_and_the_one_before_it_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("ewad.store.store.FILE_BYTES", 0)
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        for round_ in range(4):
            for seed in range(5):
                await keep(store, 5 * round_ + seed)
            await snapshot(store)
    newest, former = open_log(path), open_log(tmp_path / "ewad.db.previous")
    assert newest.records == 0
    assert newest.header.former == former.header.identity
    assert former.records == 5
    assert [snapshot.sequence for snapshot in (*newest.snapshots, *former.snapshots)] == [20, 15]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["ewad.db", "ewad.db.previous"]
    newest.close()
    former.close()


async def test_a_snapshot_writes_what_has_changed_since_the_last(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        for i in range(20_000):
            store.engine.add_stream(1, f"stream {i}")
        await snapshot(store)
        whole = path.stat().st_size
        few = Batch(1, np.array([7, 8], dtype=np.int32), np.full(2, 1.7e9), np.ones(2), 1.7e9)
        store.touch(few)
        store.engine.observe(few)
        await snapshot(store)
        assert path.stat().st_size - whole < whole / 5
        expected = store.engine.dump()
    async with running(path) as again:
        assert again.engine.dump() == expected


async def test_the_state_file_is_for_its_owner_alone_and_for_one_daemon(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0)
        for each in tmp_path.iterdir():
            assert stat.S_IMODE(each.stat().st_mode) == 0o600, each
        with pytest.raises(StateError, match=r"ewad\.db: another ewad uses this state file"):
            new_store(path)


async def test_a_database_of_another_program_is_refused(tmp_path):
    path = tmp_path / "other.db"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (a)")
    database.close()
    with pytest.raises(StateError, match=r"expected a state file of ewad, got another SQLite database"):
        new_store(path)


async def test_a_file_that_is_deleted_underneath_has_everything_again_with_the_next_record(tmp_path, caplog):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await until(lambda: not store._writer.snapshot_pending)
        await keep(store, 0)
        for each in tmp_path.glob("ewad.db*"):
            each.unlink()
        await keep(store, 1)  # acknowledged from here on: a kill must lose nothing of it
        copy = crashed(path)
        await keep(store, 2)
        assert store.writable
    assert caplog.text.count("state file was deleted, and is written again with all that it had") == 1
    assert "state not written" not in caplog.text
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["ewad.db"]
    for file, records in ((copy, 2), (path, 3)):
        async with running(file) as again:
            assert again.engine.dump() == uninterrupted(range(records)).dump()


async def test_a_file_that_is_deleted_while_nothing_comes_is_written_again(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await until(lambda: not store._writer.snapshot_pending)
        await keep(store, 0)
        path.unlink()
        await until(path.exists)
        copy = crashed(path)
    async with running(copy) as again:
        assert again.engine.dump() == uninterrupted(range(1)).dump()


async def test_after_another_file_took_its_place_nothing_is_acknowledged_before_a_snapshot(
    tmp_path, caplog, monkeypatch
):
    monkeypatch.setattr("ewad.store.store.RETRY_SECONDS", 0.0)
    caplog.set_level("INFO")
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await until(lambda: not store._writer.snapshot_pending)
        await keep(store, 0)
        path.rename(tmp_path / "moved.db")
        StateFile(path).close()
        waiting = await keep(store, 1, wait=False)
        await until(lambda: store._writer.gap and store._writer._file is not None)
        assert not store.writable
        assert not waiting.is_set()
        assert "state is written again" not in caplog.text
        await until(store.snapshot_due)
        store.snapshot()
        await until(waiting.is_set)
        await until(lambda: store.writable)
        assert "state is written again" in caplog.text
        copy = crashed(path)
    async with running(copy) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_a_snapshot_at_the_end_is_written_though_another_is_being_written(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path, durability="off") as store:
        await keep(store, 0)
        store.snapshot()
        await keep(store, 1)
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_with_durability_off_the_last_snapshot_counts_after_a_crash(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path, durability="off") as store:
        for seed in range(3):
            await keep(store, seed)
        await until(lambda: not store._writer.snapshot_pending)
        await snapshot(store)
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
        descriptor, store._writer._file._file = store._writer._file._file, os.open(path, os.O_RDONLY)
        waiting = await keep(store, 1, wait=False)
        await until(lambda: not store.writable)
        assert not waiting.is_set()
        os.close(store._writer._file._file)
        store._writer._file._file = descriptor
        await until(waiting.is_set)
        assert store.writable
    assert caplog.text.count("state not written") == 1
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_without_a_journal_a_stop_that_can_not_write_tells_what_is_lost(tmp_path, caplog, monkeypatch):
    path = tmp_path / "ewad.db"
    async with running(path, durability="off") as store:
        await keep(store, 0)
        await until(lambda: not store._writer.snapshot_pending)
        await snapshot(store)
        await keep(store, 1)
        monkeypatch.setattr(StateFile, "begin_snapshot", cannot)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        'state not written at the end reason="ewad.db: No space left on device": '
        "what came since the last write is lost, though acknowledged; "
        "make room on the disk, or mend it, before the next start"
    ]
    monkeypatch.undo()
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(1)).dump()


async def test_a_stop_after_the_file_was_replaced_does_not_say_that_nothing_is_lost(
    tmp_path, caplog, monkeypatch
):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await until(lambda: not store._writer.snapshot_pending)
        await keep(store, 0)
        path.rename(tmp_path / "moved.db")
        StateFile(path).close()
        await until(lambda: store._writer.gap)
        monkeypatch.setattr(StateFile, "begin_snapshot", cannot)
    assert "what came since the last write is lost, though acknowledged" in caplog.text
    assert "nothing is lost" not in caplog.text


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
            await snapshot(store)
    copy = crashed(path)
    await store.close()
    again = new_store(copy, groups=after)
    works, lab = again.engine.groups
    plant = store.engine.groups[0]
    assert works.streams.names == plant.streams.names
    kept = {(part.kind, part.meaning): part.arrays() for part in works.parts()}
    for part in plant.parts():
        if part.kind == "anomaly":  # its record is of errors against the first average, which is another now
            continue
        for name, array in part.arrays().items():
            np.testing.assert_array_equal(kept[part.kind, part.meaning][name], array, err_msg=part.meaning)
    assert len(works.parts()) == len(plant.parts()) + 1
    assert lab.streams.names == store.engine.groups[1].streams.names
    assert "group plant: is now works, of the same topics" in caplog.text
    assert "group works: begins anew: anomaly; now: ByCount(beta=0.99)" in caplog.text
    again.start()
    await again.close()


async def test_samples_that_nobody_waits_for_are_left_to_the_next_snapshot_when_too_many_wait(
    tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr("ewad.store.store.MOST_WAITING_SAMPLES", 150)  # three records
    monkeypatch.setattr("ewad.store.store.RETRY_SECONDS", -60.0)
    free, append = threading.Event(), StateFile.append

    def held(self, entries):
        assert free.wait(60)
        return append(self, entries)

    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await snapshot(store)
        monkeypatch.setattr(StateFile, "append", held)
        waiting = [await keep(store, seed, wait=False) for seed in range(3)]
        assert store.writable
        assert (await keep(store, 3, wait=False)).is_set()  # at once: it would make too many
        owed = await keep(store, 4, Acknowledgements(pubacks=[1]), wait=False)
        assert not store.writable
        assert not any(each.is_set() for each in [*waiting, owed])  # what is acknowledged is on the disk
        assert caplog.text.count("150 samples wait for the disk") == 1
        free.set()
        while not store.writable:
            if store.snapshot_due():
                store.snapshot()
            await asyncio.sleep(0.005)
        assert all(each.is_set() for each in [*waiting, owed])
        await keep(store, 5)  # in the journal again
        copy = crashed(path)
    for file in (copy, path):
        async with running(file) as again:
            assert again.engine.dump() == uninterrupted(range(6)).dump()
            assert list(again.deliveries.taken) == [1]
