"""Configurations of released versions: they load, and say what they said."""

from pathlib import Path

import pytest

from ewad.config import effective, load, parse

FILES = sorted((Path(__file__).parent / "released").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_configuration_of_a_released_version_loads(path):
    settings = load(path, {})
    assert settings.streams
    again = parse(effective(settings), str(path), {}, base=path.parent)
    assert again.streams == settings.streams
    assert again.models == settings.models


def test_what_the_first_version_could_say_means_what_it_meant():
    settings = load(FILES[0].with_name("0.1.0-all.toml"), {})
    model = settings.models["outdoor"]
    assert (model.lags, model.horizons, type(model.optimizer).__name__) == (24, (1, 6), "Adam")
    assert settings.streams[0].stale_after_seconds == 900
    assert settings.state.commit_interval_seconds == 0.05
