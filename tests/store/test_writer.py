"""The thread that writes, worked by hand: what comes in which order, and what it does with a bad disk."""

from pathlib import Path

import pytest

from ewad.ingest.mqtt.deliveries import Acknowledgements, Deliveries
from ewad.store import file as state_file
from ewad.store import frames
from ewad.store.changes import Changes
from ewad.store.file import StateFile
from ewad.store.log import OtherWriterError
from ewad.store.records import Change, Head, Manifest, encode
from ewad.store.recovery import read, recover
from ewad.store.writer import Begin, Commit, Copied, Finish, Writer
from tests.store.states import batch, new_engine, uninterrupted


class Bench:
    """A writer that works when it is told to, on a file that has a snapshot, beside the engine it serves."""

    def __init__(self, path: Path, on_disk_error: str = "wait") -> None:
        self.path = path
        self.released: list[int] = []
        self.engine = new_engine()
        self.changes = Changes(self.engine)
        file, _ = recover(path, "process", "", new_engine, 0.0)
        self.writer = Writer(file, "process", on_disk_error, self.released.append, lambda seconds: None)
        self.put_snapshot(0, whole=True)
        self.work()

    def work(self) -> None:
        """Let the writer write what has been put."""
        self.writer._receive_more()
        while not self.writer._queue.empty() or self.writer._pieces or self.writer._held:
            self.writer._work()

    def once(self) -> None:
        """Let the writer try to write what has been put."""
        self.writer._receive_more()
        self.writer._work()

    def put_commits(self, *seeds: int) -> None:
        for seed in seeds:
            streams, batches = batch(self.engine, seed)
            for each in batches:
                self.changes.touch(each)
                self.engine.observe(each)
            self.writer.put(Commit(seed + 1, Change(streams, batches), 0, 0, Acknowledgements()))

    def begin(self, *, whole: bool) -> int:
        number = self.writer.begun + 1
        self.writer.put(Begin(number, whole))
        self.changes.begin(lambda block, data: self.writer.put(Copied(number, block, data)), whole=whole)
        return number

    def put_snapshot(self, sequence: int, *, whole: bool) -> None:
        self.finish(self.begin(whole=whole), sequence)

    def finish(self, number: int, sequence: int) -> None:
        while self.changes.copy_next():
            pass
        header, blocks = self.changes.copied()
        head = encode(Head.of("", Deliveries()))
        self.writer.put(Finish(number, sequence, Manifest(0.0, head, header, []), blocks))

    def assert_kept(self, commits: int) -> None:
        found = read(self.path, "", new_engine)
        assert (found.damage, found.sequence) == ("", commits)
        assert found.engine.dump() == uninterrupted(range(commits)).dump()


@pytest.fixture
def bench(tmp_path, request):
    made = Bench(tmp_path / "ewad.db", getattr(request, "param", "wait"))
    yield made
    made.writer._open_file.close()


@pytest.mark.parametrize("whole", [True, False])
def test_records_that_wait_with_a_snapshot_are_on_their_side_of_it(bench, whole):
    bench.put_commits(*range(6))
    bench.put_snapshot(6, whole=whole)
    bench.put_commits(*range(6, 10))
    bench.work()
    assert bench.released[-1] == 10
    bench.assert_kept(10)


def test_a_record_is_kept_after_what_has_to_be_written_before_it(bench):
    kept = []

    def after():
        found = read(bench.path, "", new_engine)
        kept.append(found.sequence)

    bench.put_commits(0)
    bench.work()
    bench.writer.put(Commit(2, Change([], []), 0, 0, Acknowledgements(), after))
    bench.work()
    assert kept == [1]
    assert bench.released[-1] == 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_snapshot_that_is_begun_anew_replaces_the_unfinished_one(bench, whole):
    bench.put_commits(*range(4))
    bench.begin(whole=whole)
    bench.changes.copy_next()
    bench.work()
    assert bench.writer.snapshot_pending
    bench.changes.abandon()
    bench.put_snapshot(4, whole=whole)
    bench.work()
    assert not bench.writer.snapshot_pending
    bench.assert_kept(4)
    assert not list(bench.path.parent.glob("*.new"))


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_is_deleted_within_a_snapshot_is_whole_after_it(bench, whole):
    bench.put_commits(*range(4))
    bench.work()
    number = bench.begin(whole=whole)
    bench.changes.copy_next()
    bench.work()
    bench.path.unlink()
    bench.put_commits(4)
    bench.work()
    bench.assert_kept(5)
    bench.finish(number, 4)
    bench.work()
    assert not bench.writer.snapshot_pending
    bench.assert_kept(5)
    assert not list(bench.path.parent.glob("*.new"))


@pytest.mark.parametrize("whole", [True, False])
def test_pieces_of_a_snapshot_do_not_come_into_another_file_that_took_the_place(bench, whole):
    number = bench.begin(whole=whole)
    bench.changes.copy_next()
    bench.work()
    other = bench.path.with_name("other.db")
    StateFile(other).close()
    other.rename(bench.path)
    bench.once()
    bench.once()
    assert bench.writer.gap
    bench.finish(number, 0)
    bench.work()
    assert (bench.writer.finished, bench.writer.failed) == (1, number)
    bench.changes.abandon()
    bench.put_snapshot(0, whole=True)
    bench.work()
    bench.assert_kept(0)


def test_while_the_disk_is_full_all_waits_and_the_file_is_whole(bench, monkeypatch):
    write_all = state_file.write_all

    def full(descriptor: int, data: bytes, at: int) -> None:
        write_all(descriptor, data[: len(data) // 2], at)
        raise OSError(28, "No space left on device")

    bench.put_commits(0)
    with monkeypatch.context() as patched:
        patched.setattr(state_file, "write_all", full)
        bench.once()
        assert "No space left on device" in bench.writer.failing["journal"]
        assert bench.released == []
        bench.assert_kept(0)
        bench.put_snapshot(1, whole=True)
        bench.once()
        assert "snapshot" in bench.writer.failing
        assert not list(bench.path.parent.glob("*.new"))
    bench.once()
    assert "journal" not in bench.writer.failing
    assert bench.released == [1]
    bench.assert_kept(1)


@pytest.mark.parametrize(
    ("bench", "without"),
    [("wait", "acknowledgements wait"), ("continue", "going on without")],
    indirect=["bench"],
)
def test_where_snapshots_alone_fail_the_journal_goes_on_and_the_log_says_so(
    bench, without, monkeypatch, caplog
):
    write_all, fails = state_file.write_all, ["snapshot"]

    def full(descriptor: int, data: bytes, at: int) -> None:
        if fails and ("journal" in fails or descriptor != bench.writer._open_file._file):
            raise OSError(28, "No space left on device")
        write_all(descriptor, data, at)

    monkeypatch.setattr(state_file, "write_all", full)
    for seed in range(2):
        bench.put_commits(seed)
        bench.put_snapshot(seed + 1, whole=True)
        bench.once()
        bench.changes.abandon()
    bench.assert_kept(2)
    fails.append("journal")
    bench.put_commits(2)
    bench.once()
    fails.clear()
    bench.put_snapshot(3, whole=True)
    bench.work()
    assert [record.args[-1] for record in caplog.records if record.levelname == "WARNING"] == [
        "the journal goes on",
        without,
    ]
    bench.assert_kept(3)


def test_a_file_that_another_program_writes_is_left_to_it(bench):
    with bench.path.open("ab") as other:
        other.write(b"theirs")
    content = bench.path.read_bytes()
    bench.put_commits(0)
    bench.once()
    assert "another program writes this file" in bench.writer.failing["journal"]
    assert bench.released == []
    assert bench.path.read_bytes() == content
    assert not list(bench.path.parent.glob("*.damaged-*"))


def test_two_records_of_one_number_are_two_writers_and_no_damage(tmp_path):
    path = tmp_path / "ewad.db"
    StateFile(path).close()
    with path.open("ab") as file:
        file.write(frames.encode(frames.JOURNAL, b"a", 1, 1) + frames.encode(frames.JOURNAL, b"b", 1, 1))
    with pytest.raises(OtherWriterError, match=r"expected record 2, got 1 again: two daemons have written"):
        recover(path, "process", "", new_engine, 0.0)
    assert [each.name for each in tmp_path.iterdir()] == ["ewad.db"]
