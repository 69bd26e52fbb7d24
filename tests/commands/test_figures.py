"""The figures: all of them, small, and nothing but a clear line where they can't be drawn."""

import re
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from ewad.commands.figures import DAYS, ENLARGED, FIGURES, draw_all, temperatures
from ewad.errors import ConfigError
from ewad.numeric.schedules import SCHEDULES
from ewad.outputs.files.pictures import figure_of
from tests import components

ROOT = Path(__file__).parents[2]
README_BYTES = 80_000
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = [
    path.parent / shown
    for path in PAGES
    for shown in re.findall(r"\(((?:docs/|\.\./)?figures/\S+)\)", path.read_text(encoding="utf-8"))
]


def test_the_temperatures_are_a_year_of_the_sample():
    x = temperatures()
    assert len(x) == DAYS
    assert np.isfinite(x).all()
    assert x[0] == 12.8  # 2012-01-01


@pytest.mark.slow
def test_all_are_drawn_at_readme_size_and_named_as_they_come(tmp_path):
    image = components.module("PIL.Image")
    paths = list(draw_all(tmp_path / "new" / "folder"))
    assert [path.stem for path in paths] == list(FIGURES)
    for path in paths:
        assert path.stat().st_size < README_BYTES
        with image.open(path) as picture:
            assert picture.size == (900, 500)


@pytest.fixture(params=FIGURES)
def figure(request):
    """Each figure, as matplotlib has it."""
    components.module("matplotlib")
    plot, columns = FIGURES[request.param]
    return figure_of(plot, columns=columns, enlarged=ENLARGED.get(request.param, 1.0))


def legend_texts(of):
    return [text.get_text() for legend in of for text in legend.get_texts()]


def test_each_panel_says_what_it_shows_and_what_its_lines_are(figure):
    shared = legend_texts(figure.legends)
    for axes in figure.axes:
        assert axes.get_title("left")
        assert axes.get_xlabel()
        assert axes.get_ylabel()
        own = legend_texts([axes.get_legend()] if axes.get_legend() else [])
        _, names = axes.get_legend_handles_labels()
        assert names
        assert names in (own, shared)


def test_no_line_leaves_its_panel(figure):
    for axes in figure.axes:
        (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        for line in axes.lines:
            if line.get_transform() == axes.transData:
                x, y = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
                assert left <= x.min() <= x.max() <= right
                assert bottom <= y.min() <= y.max() <= top


def test_every_schedule_is_drawn():
    components.module("matplotlib")
    plot, columns = FIGURES["schedules"]
    names = legend_texts(axes.get_legend() for axes in figure_of(plot, columns=columns).axes)
    assert len(names) == len(SCHEDULES) + 1  # the inverse square root per epoch, and per mini-batch


def test_optimizers_are_told_with_their_settings():
    components.module("matplotlib")
    legend = figure_of(FIGURES["optimizers"][0]).axes[0].get_legend()
    assert legend.get_title().get_text() == "by learning rate and β"
    assert "RMSprop 0.25, β₂ = 0.9" in legend_texts([legend])  # not its default


def pinned(package):
    """Return the version that this project is developed with."""
    pins = (ROOT / "requirements-dev.txt").read_text()
    return re.search(rf"^{package}==(\S+)", pins, re.MULTILINE)[1]


@pytest.mark.parametrize("shown", SHOWN)
def test_the_pictures_of_the_pages_are_those_that_the_command_draws(shown, tmp_path, monkeypatch):
    components.module("matplotlib")
    for package in ("matplotlib", "pillow", "numpy"):
        if version(package) != pinned(package):
            pytest.skip(f"drawn with {package} {pinned(package)}, this is {version(package)}")
    monkeypatch.setattr("ewad.commands.figures.FIGURES", {shown.stem: FIGURES[shown.stem]})
    (drawn,) = draw_all(tmp_path)
    same = drawn.read_bytes() == shown.read_bytes()  # a diff of them would say nothing
    assert same, f"{shown}: expected what `ewad figures` draws; draw it anew"


def test_a_figure_is_the_same_file_each_time(tmp_path, monkeypatch):
    components.module("matplotlib")
    monkeypatch.setattr("ewad.commands.figures.FIGURES", {"saddle": FIGURES["saddle"]})
    (a,), (b,) = draw_all(tmp_path / "a"), draw_all(tmp_path / "b")
    assert a.read_bytes() == b.read_bytes()


def test_without_matplotlib_one_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(
        ConfigError,
        match=r"^[^\n]*a picture needs matplotlib, which is not installed: pip install 'ewad\[plot\]'$",
    ):
        next(draw_all(tmp_path))


def test_a_folder_that_can_t_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="can't make this folder"):
        next(draw_all(tmp_path / "file"))
