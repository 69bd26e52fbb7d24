"""Whatever byte of a state file is another one: the same state comes back, or damage is told."""

import lzma
import random
import re
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from ewad.engine import Engine
from ewad.errors import StateError
from ewad.store import frames, old_log
from ewad.store.reading import open_log
from ewad.store.records import Manifest, decode
from ewad.store.recovery import read
from tests.engine.scenarios import assert_close, state_of
from tests.store.states import crashed, keep, new_engine, new_store, running, snapshot, uninterrupted, until

FLIPS = 400  # of a file of 60 kB
DATA = Path(__file__).parent / "data"


async def written(path: Path, *, whole: bool = True) -> None:
    """Leave a file of two snapshots, after 10 and 20 commits, and a journal up to 30, as after a kill.

    whole: the second snapshot began a file of its own.
    """
    async with running(path) as store:
        for seed in range(30):
            await keep(store, seed)
            if seed in (9, 19):
                await snapshot(store, whole=whole)
        copy = crashed(path)
    for each in copy.parent.iterdir():
        shutil.move(each, path.with_name(each.name))


def frames_of(path: Path, kind: int) -> list[frames.Frame]:
    with path.open("rb") as file:
        found = list(frames.scan(file, path.stat().st_size))
    return [frame for frame in found if frame.kind == kind]


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def record(sequence: int):
    return lambda path: next(f for f in frames_of(path, frames.JOURNAL) if f.sequence == sequence)


DAMAGES = {
    "the newest snapshot": (lambda path: frames_of(path, frames.SNAPSHOT)[-1], 30),
    "a block of the newest snapshot": (lambda path: frames_of(path, frames.BLOCK)[-1], 30),
    "a record of the journal": (record(26), 25),
}


@pytest.mark.parametrize("where", [0, frames.HEAD_BYTES + 5], ids=["head", "payload"])
@pytest.mark.parametrize("what", DAMAGES)
@pytest.mark.parametrize("whole", [True, False])
async def test_a_damaged_file_is_set_aside_and_what_is_good_of_it_counts(
    tmp_path, caplog, what, whole, where
):
    path = tmp_path / "ewad.db"
    await written(path, whole=whole)
    found, left = DAMAGES[what]
    overwrite(path, found(path).start + where, b"\xff\x00\xff")
    content = path.read_bytes()
    async with running(path) as store:
        assert store.engine.dump() == uninterrupted(range(left)).dump()
        assert store.damaged == 1
        await keep(store, left)
    (moved,) = tmp_path.glob("ewad.db.damaged-*Z")
    assert moved.read_bytes() == content
    assert "state damaged" in caplog.text
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(left + 1)).dump()
        assert again.damaged == 0


async def test_a_kill_before_a_damaged_file_is_replaced_leaves_it_as_it_was(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    overwrite(path, record(26)(path).start, b"\xff")
    for _ in range(2):
        store = new_store(path)  # never started
        assert store.damaged == 1
        assert store.engine.dump() == uninterrupted(range(25)).dump()
        store._writer._file.close()


async def test_with_both_snapshots_damaged_a_daemon_begins_anew_and_tells(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path, whole=False)
    for frame in frames_of(path, frames.SNAPSHOT):
        overwrite(path, frame.start, b"\xff")
    async with running(path) as store:
        assert store.engine.n_streams == 0
        assert store.damaged == 1


@pytest.mark.parametrize("content", [b"x", b"pid 4711\n", b"no state " * 5, b"no state " * 1000])
async def test_another_programs_file_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "ewad.db"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"expected a state file of ewad, got another program's file"):
        new_store(path)
    assert path.read_bytes() == content
    assert [each.name for each in tmp_path.iterdir()] == ["ewad.db"]


@pytest.mark.parametrize("content", [b"E", b"EWAD", b"EWADFILE" + b"\xff" * 5000, bytes(5000)])
async def test_what_little_tells_that_it_was_a_state_file_is_set_aside_whole(tmp_path, content):
    path = tmp_path / "ewad.db"
    path.write_bytes(content)
    async with running(path) as store:
        assert store.engine.n_streams == 0
        assert store.damaged == 1
    (moved,) = tmp_path.glob("ewad.db.damaged-*Z")
    assert moved.read_bytes() == content


async def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "ewad.db"
    path.touch()
    with pytest.raises(StateError, match=r"expected a state file, got an empty file: put back a whole one"):
        new_store(path)


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    with closing(open_log(path)) as opened:
        header = opened.header._replace(version=frames.VERSION + 1)
    overwrite(path, 0, header.encode())
    before = path.read_bytes()
    newer = f"made by a newer ewad: version {frames.VERSION + 1}, this one reads up to"
    with pytest.raises(StateError, match=newer):
        new_store(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("whole", [True, pytest.param(False, marks=pytest.mark.slow)])
async def test_any_flipped_bit_gives_the_same_state_or_is_told(tmp_path, whole):
    path = tmp_path / "ewad.db"
    await written(path, whole=whole)
    good, expected = path.read_bytes(), uninterrupted(range(30)).dump()
    assert read(path, "ewad at test", new_engine).engine.dump() == expected
    chosen, told = random.Random(1), 0
    kinds = [
        frame for kind in (frames.JOURNAL, frames.SNAPSHOT, frames.BLOCK) for frame in frames_of(path, kind)
    ]
    heads = [frame.start + at for frame in kinds for at in range(frames.HEAD_BYTES)]
    places = [
        *range(frames.HEADER_BYTES),
        *chosen.sample(heads, FLIPS),
        *chosen.sample(range(len(good)), FLIPS),
    ]
    for at in [*places, len(good) - 1]:
        flipped = bytearray(good)
        flipped[at] ^= 1 << chosen.randrange(8)
        path.write_bytes(flipped)
        try:
            found = read(path, "ewad at test", new_engine)
        except StateError:
            told += 1
            continue
        if found.damage:
            told += 1
        else:
            assert found.engine.dump() == expected, at
    assert told > FLIPS


async def test_what_a_kill_leaves_of_a_record_is_no_damage(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    good, last = path.read_bytes(), frames_of(path, frames.JOURNAL)[-1]
    boundary = (last.end - 1) // frames.SECTOR * frames.SECTOR
    assert last.start < boundary
    left = [good[:cut] for cut in (last.start + 1, last.start + frames.HEAD_BYTES, last.end - 1)]
    for content in (*left, good[:boundary] + bytes(last.end - boundary)):
        path.write_bytes(content)
        found = read(path, "ewad at test", new_engine)
        assert not found.damage
        assert found.sequence == 29
    path.write_bytes(good[: last.start + 1])
    async with running(path) as store:  # goes on in the same file
        assert store.damaged == 0
        await keep(store, 29)
    assert read(path, "ewad at test", new_engine).engine.dump() == uninterrupted(range(30)).dump()


async def test_a_record_that_nobody_wrote_is_damage(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    frame = record(30)(path)
    with path.open("r+b") as file:
        file.truncate(frame.start)
    overwrite(path, frame.start, frames.encode(frames.JOURNAL, b"\xc0", 1, 30))
    found = read(path, "ewad at test", new_engine)
    assert "record 30: expected a commit record" in found.damage
    assert found.engine.dump() == uninterrupted(range(29)).dump()


# -- other versions, other machines --


def unpacked(name: str, path: Path) -> Path:
    path.write_bytes(lzma.decompress((DATA / f"{name}.xz").read_bytes()))
    return path


async def test_a_file_of_0_1_0_is_loaded_with_its_journal_and_goes_on_in_this_form(tmp_path):
    path = unpacked("version1.db", tmp_path / "ewad.db")
    unpacked("version1.db-wal", tmp_path / "ewad.db-wal")
    then = new_engine()
    then.load(unpacked("version1.npz", tmp_path / "dump").read_bytes())
    async with running(path) as store:
        assert store.damaged == 0
        assert store.engine.groups[0].streams.names == then.groups[0].streams.names
        mine, theirs = state_of(store.engine), state_of(then)  # replayed by today's kernels
        then_unknown = {name for name in mine if re.search("anomaly|rest/", name)}
        assert_close(
            *({name: each[name] for name in each if name not in then_unknown} for each in (mine, theirs))
        )
        assert list(store.deliveries.taken)[-1] == 29 << 16 | 30
        await keep(store, 30)
        expected = store.engine.dump()
    assert path.read_bytes().startswith(frames.MAGIC)
    assert (tmp_path / "ewad.db.previous").read_bytes().startswith(b"SQLite")
    assert not (tmp_path / "ewad.db-wal").exists()
    async with running(path) as again:
        assert again.engine.dump() == expected


async def test_a_damaged_log_of_a_file_of_0_1_0_is_told_and_both_are_set_aside(tmp_path, caplog):
    unpacked("version1.db", tmp_path / "ewad.db")
    log = unpacked("version1.db-wal", tmp_path / "ewad.db-wal")
    overwrite(log, log.stat().st_size // 2, b"\xff\x00\xff")
    content = log.read_bytes()
    async with running(tmp_path / "ewad.db") as store:
        assert store.damaged == 1
        await until(lambda: not store._writer.snapshot_pending)
    assert "ewad.db-wal: byte" in caplog.text
    (moved,) = tmp_path.glob("ewad.db.damaged-*Z-wal")
    assert moved.read_bytes() == content


def test_any_flipped_bit_of_a_log_of_0_1_0_is_told(tmp_path):
    log = unpacked("version1.db-wal", tmp_path / "ewad.db-wal")
    good, chosen = log.read_bytes(), random.Random(2)
    assert old_log.damage_of(log) == ""
    for at in [*range(32), *(chosen.randrange(len(good)) for _ in range(50))]:
        overwrite(log, at, bytes([good[at] ^ 1 << chosen.randrange(8)]))
        assert old_log.damage_of(log), at
        overwrite(log, at, good[at : at + 1])


def test_what_a_kill_leaves_of_a_log_of_0_1_0_is_no_damage(tmp_path):
    log = unpacked("version1.db-wal", tmp_path / "ewad.db-wal")
    good = log.read_bytes()
    for content in (good[:-1], good[:-5000], good + good[32:4000], good[:32], b""):
        log.write_bytes(content)
        assert old_log.damage_of(log) == ""


async def test_a_file_says_how_its_numbers_are_laid_out_and_names_no_path(tmp_path):
    path = tmp_path / "ewad.db"
    await written(path)
    with path.open("rb") as file:
        payload = frames_of(path, frames.SNAPSHOT)[-1].payload(file)
    manifest = decode(payload, Manifest)
    assert str(tmp_path).encode() not in path.read_bytes()
    assert b'"<f8"' in manifest.header
    assert b'">f8"' not in manifest.header


def test_blocks_of_a_machine_of_the_other_byte_order_are_read():
    engine = uninterrupted(range(8))
    outlines, header = engine.outlines()
    again = Engine([group.settings for group in engine.groups])
    columns = [[c._replace(dtype=c.dtype.replace("<", ">")) for c in outline.columns] for outline in outlines]
    swapped = [outline.entry | {"columns": each} for outline, each in zip(outlines, columns, strict=True)]
    assembly = again.assembly(header | {"groups": swapped})
    assembly.name({b.group: [outlines[b.group].copy(*b[1:])] for b in assembly.name_blocks()})
    for block in assembly.blocks():
        data, at, parts = outlines[block.group].copy(*block[1:]), 0, []
        for column in outlines[block.group].columns:
            if (column.rows is None) == (block.kind == 0):
                n = column.row_bytes * (outlines[block.group].n if column.rows is None else column.rows)
                parts.append(np.frombuffer(data[at : at + n], column.dtype).byteswap().tobytes())
                at += n
        assembly.put(block, b"".join(parts))
    assembly.finish()
    assert again.dump() == engine.dump()
