"""`ewad state`: what it says of a file that a daemon has open, and of one that isn't there."""

import stat
from contextlib import closing

import pytest

from ewad.engine import ByCount, ByTime, Engine, GroupSettings, Held
from ewad.errors import StateError
from ewad.store import reading
from ewad.store.described import described
from ewad.store.file import StateFile
from ewad.store.seeding import Seeding
from tests.console import ewad
from tests.store.states import keep, running
from tests.system.daemon import failed

CONFIG = """
[[stream]]
name = "plant"
topic = "plant/#"
model = "m"
[[stream]]
name = "lab"
topic = "lab/#"
[model.m]
experts = ["linear"]
lags = 3
batch_size = 4
[state]
"""


async def test_show_export_and_backup_work_while_the_file_is_in_use(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(CONFIG)
    async with running(tmp_path / "ewad.db") as store:
        for seed in range(6):
            await keep(store, seed)
        shown = ewad("state", "show", "-c", config)
        assert shown.returncode == 0, shown.stderr
        assert "6 records, 300 samples" in shown.stdout
        assert "plant: 2 streams, 150 samples" in shown.stdout
        exported = ewad("state", "export", "-c", config)
        assert exported.returncode == 0, exported.stderr
        head, *rows = exported.stdout.splitlines()
        assert head == "group,stream,samples,time,value,smoothed_0.9,smoothed_0.98"
        assert len(rows) == store.engine.n_streams
        group = store.engine.groups[0]
        assert f"plant,{group.streams.names[0]},{group.count[0]}," in rows[0]
        assert rows[0].split(",")[5] == repr(float(group.averages[0].mean[0]))
        copied = ewad("state", "backup", tmp_path / "copy.db", "-c", config)
        assert copied.returncode == 0, copied.stderr
        assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
        of_the_copy = ewad("state", "show", tmp_path / "copy.db", "-c", config)
        assert of_the_copy.returncode == 0, of_the_copy.stderr
        assert f"{tmp_path / 'copy.db'}  (" in of_the_copy.stdout
        assert "plant: 2 streams, 150 samples" in of_the_copy.stdout
        again = ewad("state", "export", tmp_path / "copy.db", "-c", config)
        assert again.stdout == exported.stdout, again.stderr
        expected = store.engine.dump()
    async with running(tmp_path / "copy.db") as restored:
        assert restored.engine.dump() == expected


@pytest.mark.parametrize("configuration", [None, '[[stream]]\nname = "other"\ntopic = "other/#"\n'])
async def test_a_file_that_is_named_is_read_whatever_the_configuration(tmp_path, monkeypatch, configuration):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    if configuration is not None:
        (folder / "ewad.toml").write_text(configuration)
    async with running(tmp_path / "ewad.db") as store:
        for seed in range(6):
            await keep(store, seed)
        (tmp_path / "ewad.toml").write_text(CONFIG)
        expected = ewad("state", "export", "-c", tmp_path / "ewad.toml")
    shown = ewad("state", "show", tmp_path / "ewad.db")
    assert shown.returncode == 0, shown.stderr
    assert shown.stderr == ""
    assert "plant: 2 streams, 150 samples" in shown.stdout
    assert "lab: 2 streams, 150 samples" in shown.stdout
    exported = ewad("state", "export", tmp_path / "ewad.db")
    assert exported.stdout == expected.stdout, exported.stderr


def test_a_file_describes_its_averages(tmp_path):
    decays = (ByCount(0.9), ByTime(600.0), Held(1e-3))
    groups = (GroupSettings("plant", decays, topics=("plant/#",)),)
    with closing(Seeding(tmp_path / "ewad.db", "", lambda: Engine(groups), 0.0)) as seeding:
        seeding.keep(0.0)
    assert described(tmp_path / "ewad.db") == groups


def test_no_section_no_file_and_a_target_that_exists_are_told_in_a_line(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(CONFIG.replace("[state]", ""))
    assert "expected a [state] section" in failed(ewad("state", "show", "-c", config), 2)
    config.write_text(CONFIG)
    assert "no daemon has kept state there yet" in failed(ewad("state", "show", "-c", config), 1)
    nothing = ewad("state", "show", tmp_path / "copy.db", "-c", config)
    assert "copy.db: no such file" in failed(nothing, 1)
    StateFile(tmp_path / "ewad.db").close()
    taken = ewad("state", "backup", config, "-c", config)
    assert "expected a file that does not exist yet" in failed(taken, 2)
    nowhere = ewad("state", "backup", tmp_path / "no" / "copy.db", "-c", config)
    assert "no/copy.db: No such file or directory" in failed(nowhere, 1)


async def test_a_backup_is_whole_or_absent_and_one_without_its_end_is_refused(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(CONFIG)
    async with running(tmp_path / "ewad.db") as store:
        for seed in range(6):
            await keep(store, seed)
    whole = tmp_path / "whole.db"
    reading.back_up(tmp_path / "ewad.db", whole)
    content = whole.read_bytes()
    for length in (1, 48, 60, len(content) // 2, len(content) - 1):
        (tmp_path / "ewad.db").write_bytes(content[:length])
        shown = ewad("state", "show", "-c", config)
        cut_off = f"expected a whole backup, got {length:,} bytes without an end" in shown.stderr
        assert cut_off or ("damage     " in shown.stdout and "damage     none" not in shown.stdout), length


async def test_a_backup_that_is_killed_leaves_nothing_under_its_name(tmp_path, monkeypatch):
    async with running(tmp_path / "ewad.db") as store:
        await keep(store, 0)

    class KilledError(BaseException):
        pass

    def killed(descriptor):
        raise KilledError

    monkeypatch.setattr("os.fsync", killed)
    with pytest.raises(KilledError):
        reading.back_up(tmp_path / "ewad.db", tmp_path / "copy.db")
    assert [each.name for each in tmp_path.iterdir()] == ["ewad.db"]


async def test_a_damaged_file_is_not_backed_up_as_if_it_were_good(tmp_path):
    async with running(tmp_path / "ewad.db") as store:
        for seed in range(6):
            await keep(store, seed)
    good = (tmp_path / "ewad.db").read_bytes()
    for at in range(0, len(good), 97):
        (tmp_path / "ewad.db").write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(StateError):
            reading.back_up(tmp_path / "ewad.db", tmp_path / "copy.db")
        assert not (tmp_path / "copy.db").exists()
