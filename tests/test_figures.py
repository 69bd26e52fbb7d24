"""The figures: all of them, small, and nothing but a clear line where they can't be drawn."""

import sys

import numpy as np
import pytest

from ewad.errors import ConfigError
from ewad.figures import DAYS, FIGURES, draw_all, temperatures

README_BYTES = 80_000


def test_the_temperatures_are_a_year_of_the_sample():
    x = temperatures()
    assert len(x) == DAYS
    assert np.isfinite(x).all()
    assert x[0] == 12.8  # 2012-01-01


def test_all_are_drawn_at_readme_size_and_named_as_they_come(tmp_path):
    image = pytest.importorskip("PIL.Image")
    paths = list(draw_all(tmp_path / "new" / "folder"))
    assert [path.stem for path in paths] == list(FIGURES)
    for path in paths:
        assert path.stat().st_size < README_BYTES
        with image.open(path) as picture:
            assert picture.size == (900, 500)


def test_a_figure_is_the_same_file_each_time(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr("ewad.figures.FIGURES", {"saddle": FIGURES["saddle"]})
    (a,), (b,) = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    assert a.read_bytes() == b.read_bytes()


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ConfigError, match=r"^[^\n]*pictures need matplotlib: pip install 'ewad\[plot\]'$"):
        next(draw_all(tmp_path))


def test_a_folder_that_can_t_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't make this folder"):
        next(draw_all(tmp_path / "file"))
