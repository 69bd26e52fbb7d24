"""`ewad train` as a command, and what run and replay make of its file."""

import csv

import pytest

from ewad.samples import sample_path
from tests.system.daemon import ewad, failed

OFFICE = sample_path("ambient_temperature.csv")
CONFIG = """
[[stream]]
name = "office"
topic = "#"
model = "m"
[model.m]
lags = 12
horizons = [1, 3]
{more}
"""


def last_loss(path):
    with path.open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["loss"])


def test_optimizers_are_compared_in_a_table_and_a_picture(tmp_path):
    result = ewad(
        "train",
        OFFICE,
        "--optimizer",
        "adam,gradient_descent",
        "--epochs",
        "3",
        "--plot",
        tmp_path / "cost.png",
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    for word in ("optimizer", "batch size", "epochs", "seconds", "train cost", "validation cost"):
        assert word in result.stdout
    assert "\nadam " in result.stdout
    assert "\ngradient_descent " in result.stdout
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_a_trained_model_gives_replay_a_better_start(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(CONFIG.format(more=""))
    trained = ewad("train", OFFICE, "-c", config, "--epochs", "60", "-o", tmp_path / "model.npz")
    assert trained.returncode == 0, trained.stderr
    losses = []
    for more in ("", 'start_from = "model.npz"'):
        config.write_text(CONFIG.format(more=more))
        result = ewad("replay", OFFICE, "-c", config, "-o", tmp_path / "results.csv")
        assert result.returncode == 0, result.stderr
        losses.append(last_loss(tmp_path / "results.csv"))
    assert losses[1] < losses[0]


def test_a_model_that_does_not_fit_is_one_clear_line(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(CONFIG.format(more=""))
    assert ewad("train", OFFICE, "-c", config, "--epochs", "1", "-o", tmp_path / "model.npz").returncode == 0
    config.write_text(CONFIG.format(more='start_from = "model.npz"').replace("lags = 12", "lags = 13"))
    assert "lags: trained with 12, configured as 13" in failed(ewad("replay", OFFICE, "-c", config), 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--optimizer", "adm"], 'did you mean "adam"'),
        (["--model", "outdoor"], 'unknown "outdoor"'),
        (["--validation", "1.5"], "must be in (0, 1)"),
    ],
)
def test_bad_arguments_are_one_clear_line(arguments, words):
    assert words in failed(ewad("train", OFFICE, *arguments), 2)


def test_figures_are_drawn_into_a_folder(tmp_path):
    result = ewad("figures", tmp_path / "figures")
    assert result.returncode == 0, result.stderr
    drawn = result.stdout.split()
    assert len(drawn) == len(list((tmp_path / "figures").glob("*.png"))) >= 8
