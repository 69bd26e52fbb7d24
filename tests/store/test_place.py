"""Whether a state file can be kept somewhere."""

import os

import pytest

from ewad.store.place import hindrance


def test_nothing_hinders_a_file_in_a_folder_that_is_there(tmp_path):
    assert hindrance(tmp_path / "ewad.db") == ""
    (tmp_path / "ewad.db").touch()
    assert hindrance(tmp_path / "ewad.db") == ""
    (tmp_path / "link.db").symlink_to(tmp_path / "ewad.db")
    assert hindrance(tmp_path / "link.db") == ""


def test_a_folder_that_is_not_there_or_in_the_way_is_told(tmp_path):
    assert f"there is no folder {tmp_path / 'none'} that" in hindrance(tmp_path / "none" / "ewad.db")
    assert "expected a file, got a folder" in hindrance(tmp_path)


@pytest.mark.parametrize(
    ("exists", "name", "words"),
    [(False, "", "may not write into the folder"), (True, "", ""), (True, "ewad.db", "this file")],
)
def test_what_this_user_may_not_write_is_told(tmp_path, monkeypatch, exists, name, words):
    """The tests may run as a user who may do everything."""
    if exists:
        (tmp_path / "ewad.db").touch()
    forbidden = str(tmp_path / name).rstrip("/")
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != forbidden or mode == os.F_OK)
    told = hindrance(tmp_path / "ewad.db")
    assert words in told and bool(words) == bool(told)
