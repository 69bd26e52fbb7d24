"""`ewad evaluate` from outside: tables, JSON, folders, and what is refused."""

import json

import numpy as np
import pytest

from ewad import Forecaster
from tests.console import ewad


@pytest.fixture
def folder(tmp_path):
    rng = np.random.default_rng(0)
    hours = np.arange(400)
    for name in ("first", "second"):
        values = 10.0 * np.sin(2.0 * np.pi * hours / 24.0) + rng.normal(size=len(hours))
        rows = (f"{1600000000 + 3600 * t},{v}" for t, v in zip(hours, values, strict=True))
        (tmp_path / f"{name}.csv").write_text("\n".join(["time,x", *rows]) + "\n")
    (tmp_path / "README.md").write_text("what these are\n")
    return tmp_path


def test_a_folder_of_series_beside_persistence_and_seasonal_naive(folder):
    done = ewad("evaluate", folder)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    header = next(line for line in lines if line.startswith("series"))
    assert "ewad" in header
    assert "seasonal naive, a day" in header
    rows = {line.split()[0]: line.split() for line in lines if line.startswith(("first", "second"))}
    assert rows["first"][1] == "400"
    assert float(rows["first"][2]) < 1.0  # a wave: the last value is no good forecast
    assert any(line.startswith("geometric mean") for line in lines)
    assert "README" not in done.stdout


def test_auto_is_what_it_is_where_48_horizons_are_asked_for(folder):
    """With the expert of the nearest horizon, which a model of one horizon has no use for."""
    time, value = np.loadtxt(folder / "first.csv", delimiter=",", skiprows=1).T
    made = Forecaster(horizons=range(1, 49)).fit_predict(value, time).value[100:-1, 0]
    found = json.loads(ewad("evaluate", folder, "--json").stdout)["tasks"][0]["series"][0]
    mine = np.mean((made - value[101:]) ** 2) / np.mean(np.diff(value)[100:] ** 2)
    assert found["methods"]["ewad"]["relative"][0] == pytest.approx(mine)


def test_intervals_are_told_in_windows_too(folder):
    text = ewad("evaluate", folder).stdout
    found = json.loads(ewad("evaluate", folder, "--json").stdout)["tasks"]
    told = [series["methods"]["ewad"] for task in found for series in task["series"]]
    local = np.median([each["local_coverage"] for each in told], axis=0)
    figures = " / ".join(f"{each:.3f}" for each in local)
    assert (
        f"windows of 100 values whose share inside is within 0.1 of what was asked for: {figures}\n" in text
    )
    assert "\nWinkler score in mean widths " in text


def test_json_has_the_same_figures(folder):
    text = ewad("evaluate", folder).stdout
    found = json.loads(ewad("evaluate", folder, "--json").stdout)
    relative = found["tasks"][0]["series"][0]["methods"]["ewad"]["relative"]
    assert " / ".join(f"{each:.3f}" for each in relative) in text
    mean = found["geometric_means"]["ewad"]
    assert mean["series"] == 2
    assert all(
        low <= each <= high for low, each, high in zip(mean["low"], mean["mean"], mean["high"], strict=True)
    )


def test_a_model_of_ones_own_is_measured(folder):
    (folder / "conf").mkdir()
    config = folder / "conf" / "ewad.toml"
    config.write_text(
        '[[stream]]\nname = "t"\ntopic = "t/#"\nmodel = "m"\n[model.m]\nexperts = ["persistence"]\nlags = 2\n'
    )
    done = ewad("evaluate", folder / "first.csv", "-c", config, "--json")
    assert done.returncode == 0, done.stderr
    methods = json.loads(done.stdout)["tasks"][0]["series"][0]["methods"]
    assert methods["ewad"]["error"] == pytest.approx(methods["persistence"]["error"])


def test_a_protocol_says_what_it_needs(folder):
    done = ewad("evaluate", "--protocol", "fsnet", folder / "first.csv")
    assert done.returncode == 1
    assert "first: column x: the fsnet protocol needs 3,696 rows or more, got 400" in done.stderr


def test_an_empty_folder_is_told(tmp_path):
    done = ewad("evaluate", tmp_path)
    assert done.returncode == 2
    assert "expected a folder of files, got none in it" in done.stderr


def test_river_is_measured_where_it_is_installed_and_named_where_not(folder):
    try:
        import river  # noqa: F401
    except ImportError:
        done = ewad("evaluate", folder / "first.csv", "--river")
        assert done.returncode == 2
        assert "--river: needs the package river: pip install river" in done.stderr
    else:
        done = ewad("evaluate", folder / "first.csv", "--river")
        assert done.returncode == 0, done.stderr
        assert "river SNARIMAX(24, 1, 0)" in done.stdout
        assert "river HoltWinters" in done.stdout
