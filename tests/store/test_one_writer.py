"""One daemon has a state file, under whatever name another one comes to it."""

import fcntl
import os
import subprocess
import sys

import pytest

from ewad.errors import StateError
from ewad.store.file import GoneError, StateFile
from tests.store.states import keep, new_store, running, snapshot, uninterrupted

IN_USE = r"another ewad uses this state file"


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic link", "hard link"])
async def test_another_name_of_the_file_lets_no_second_daemon_in(tmp_path, link):
    path, name = tmp_path / "ewad.db", tmp_path / "other" / "name.db"
    name.parent.mkdir()
    async with running(path) as store:
        link(path, name)
        await keep(store, 0)
        with pytest.raises(StateError, match=IN_USE):
            new_store(name)
        await snapshot(store, whole=True)  # a new file takes the place of the old one
        await keep(store, 1)
        with pytest.raises(StateError, match=IN_USE):
            new_store(name)
    async with running(path) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()
        assert again.damaged == 0


async def test_a_state_file_behind_a_symbolic_link_stays_behind_it(tmp_path):
    real, name = tmp_path / "disk" / "state.db", tmp_path / "ewad.db"
    real.parent.mkdir()
    name.symlink_to(real)
    for seed in range(2):
        async with running(name) as store:
            await keep(store, seed)
            await snapshot(store, whole=True)
    assert name.is_symlink()
    assert sorted(each.name for each in real.parent.iterdir()) == ["state.db", "state.db.previous"]
    async with running(real) as again:
        assert again.engine.dump() == uninterrupted(range(2)).dump()


async def test_no_file_beside_it_is_the_lock(tmp_path):
    path = tmp_path / "ewad.db"
    async with running(path) as store:
        await keep(store, 0)
        await snapshot(store, whole=True)
        for each in tmp_path.iterdir():
            if each != path:
                each.unlink()
        with pytest.raises(StateError, match=IN_USE):
            new_store(path)


def test_the_lock_ends_with_its_process(tmp_path):
    path = tmp_path / "ewad.db"
    hold = "import os, sys; from pathlib import Path; from ewad.store.file import StateFile\n"
    hold += "StateFile(Path(sys.argv[1])); os._exit(9)"
    assert subprocess.run([sys.executable, "-c", hold, path], check=False).returncode == 9
    StateFile(path).close()


def test_a_file_that_was_replaced_is_not_written_again(tmp_path):
    path = tmp_path / "ewad.db"
    file = StateFile(path)
    path.rename(tmp_path / "moved.db")
    StateFile(path).close()
    with pytest.raises(GoneError, match=r"the file was deleted or replaced"):
        file.check()
    file.close()


async def test_a_file_of_0_1_is_not_taken_from_a_daemon_of_0_1(tmp_path):
    path = tmp_path / "ewad.db"
    path.write_bytes(b"SQLite format 3\0" + bytes(4000))
    with (tmp_path / "ewad.db.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(StateError, match=IN_USE):
            new_store(path)
