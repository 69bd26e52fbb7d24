"""Keys that will go: told with the new form, wherever they stand, and as good as before until then."""

import dataclasses

import pytest

from ewad.config import document, parse
from tests.console import ewad

INSTEAD = 'write weight = 0.9 instead; "scale" goes with 2.0'


@pytest.fixture
def going(monkeypatch):
    """Return a function that makes a key of a section one that will go."""

    def make(section, key):
        found = document.SECTIONS[section]
        options = [
            dataclasses.replace(each, instead=INSTEAD) if each.key == key else each
            for each in found.table.options
        ]
        table = dataclasses.replace(found.table, options=tuple(options))
        monkeypatch.setitem(document.SECTIONS, section, found._replace(table=table))

    return make


@pytest.mark.parametrize(
    ("section", "key", "place"),
    [("stream", "scale", "stream[0]"), ("log", "level", "log"), ("model", "lags", "model.m")],
)
def test_a_key_that_will_go_is_told_with_its_place(going, section, key, place):
    text = '[[stream]]\ntopic = "t"\nscale = 2.0\nmodel = "m"\n[model.m]\nlags = 3\n[log]\nlevel = "info"\n'
    going(section, key)
    settings = parse(text, "ewad.toml", {})
    assert settings.deprecated == (f"{place}.{key}: {INSTEAD}",)


def test_it_counts_until_then_and_check_tells_what_to_write(going, tmp_path):
    going("stream", "scale")
    (tmp_path / "ewad.toml").write_text('[[stream]]\ntopic = "t"\nscale = 2.0\n')
    done = ewad("check", cwd=tmp_path)
    assert done.returncode == 0
    assert "scale = 2.0\n" in done.stdout
    assert f"\n# deprecated: stream[0].scale: {INSTEAD}\n" in done.stdout


def test_an_environment_variable_that_sets_it_is_told_too(going):
    going("log", "level")
    assert parse({"stream": [{"topic": "t"}]}, "ewad.toml", {"EWAD_LOG__LEVEL": "debug"}).deprecated


def test_nothing_is_told_of_keys_that_stay():
    assert parse({"stream": [{"topic": "t"}]}, "ewad.toml", {}).deprecated == ()
