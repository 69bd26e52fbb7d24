"""`ewad train` as a command, and what run and replay make of its file."""

import csv
import os
import pty
import subprocess
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from ewad.demonstration.samples import sample_path
from ewad.numeric.minibatches import Progress
from tests.console import ewad
from tests.system.daemon import EWAD, environment, failed

OFFICE = sample_path("ambient_temperature.csv")
CONFIG = """
[[stream]]
name = "office"
topic = "#"
model = "m"
[model.m]
experts = ["linear"]
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
    assert result.stderr.startswith(f"{OFFICE}: CSV, ")
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


def test_a_model_worse_than_persistence_is_saved_and_said_to_be(tmp_path):
    # what is learnt of the first part, to go back and forth, is wrong for the last
    path, config = tmp_path / "turn.csv", tmp_path / "ewad.toml"
    path.write_text("time,a\n" + "".join(f"{i},{i % 2 if i < 300 else i}\n" for i in range(400)))
    config.write_text(CONFIG.format(more="learning_rate = 0.1").replace("lags = 12", "lags = 1"))
    result = ewad(
        "train", path, "--optimizer", "adam,momentum", "--batch-size", "32", "-o", "m.npz", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    *_, adam, momentum, saved = result.stdout.splitlines()
    assert adam.startswith("adam: forecasts worse than persistence: validation cost ")
    assert momentum.startswith("momentum: forecasts worse than persistence: validation cost ")
    assert adam.endswith("; try a learning rate below 0.1")
    assert "'s model saved in m.npz, though it forecasts worse than persistence: start_from = " in saved
    assert (tmp_path / "m.npz").stat().st_size


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
        (["--optimizer", ","], 'expected names between commas, such as adam,momentum, got ","'),
        (["--optimizer", ""], 'expected names between commas, such as adam,momentum, got ""'),
        (["--model", "outdoor"], '--model: unknown "outdoor"; known: none'),
        (["--validation", "1.5"], "must be in (0, 1)"),
        (["-o", "/dev/full"], "/dev/full: can't write there"),
    ],
)
def test_bad_arguments_are_one_clear_line(arguments, words):
    assert words in failed(ewad("train", OFFICE, *arguments), 2)


def test_a_model_that_is_not_known_is_told_with_the_nearest_name(tmp_path):
    config = tmp_path / "ewad.toml"
    config.write_text(
        CONFIG.format(more="").replace("[model.m]", "[model.outdoor]").replace('"m"', '"outdoor"')
    )
    said = failed(ewad("train", OFFICE, "-c", config, "--model", "outdor"), 2)
    assert said == 'ewad: --model: unknown "outdor"; did you mean "outdoor"? known: outdoor\n'


@pytest.mark.parametrize("name", ["wave.csv", "./wave.csv", "link.csv", "hard.csv"])
def test_a_file_named_twice_is_refused(wave, tmp_path, name):
    (tmp_path / "link.csv").symlink_to(wave)
    (tmp_path / "hard.csv").hardlink_to(wave)
    said = failed(ewad("train", "wave.csv", name, cwd=tmp_path), 2)
    assert said == f"ewad: {Path(name)}: expected each file once, got the same one as wave.csv\n"


def test_the_seed_is_that_of_the_shuffling(wave):
    rows = [
        ewad("train", wave, "--seed", seed, "--batch-size", "16", "--epochs", "1")
        .stdout.splitlines()[3]
        .split()
        for seed in "001"
    ]
    costs = [row[-2:] for row in rows]
    assert costs[0] == costs[1] != costs[2]


@pytest.mark.slow
def test_figures_are_drawn_into_a_folder(tmp_path):
    result = ewad("figures", tmp_path / "figures")
    assert result.returncode == 0, result.stderr
    drawn = result.stdout.split()
    assert len(drawn) == len(list((tmp_path / "figures").glob("*.png"))) >= 8


@pytest.fixture
def wave(tmp_path):
    path = tmp_path / "wave.csv"
    path.write_text("time,w\n" + "".join(f"{i},{i % 9}\n" for i in range(200)))
    return path


@pytest.mark.parametrize("option", ["-o", "--plot"])
def test_an_output_that_is_the_input_is_refused(wave, option):
    before = wave.read_text()
    assert "expected a file of its own" in failed(ewad("train", wave, option, wave), 2)
    assert wave.read_text() == before


@pytest.mark.parametrize(
    ("options", "words"),
    [(["-o", "missing/m.npz"], "missing/m.npz"), (["--plot", "cost.xyz"], "cost.xyz: can't draw")],
)
def test_an_output_that_cannot_be_is_told_before_the_training(tmp_path, options, words):
    # the history is missing, too: what is told first was looked at first
    assert words in failed(ewad("train", tmp_path / "none.csv", *options, cwd=tmp_path), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_written_does_not_cost_the_model(wave, tmp_path):
    (tmp_path / "cost.png").symlink_to("/dev/full")
    result = ewad("train", wave, "--epochs", "1", "-o", "m.npz", "--plot", "cost.png", cwd=tmp_path)
    assert failed(result, 1) == "ewad: cost.png: can't write the file: No space left on device\n"
    assert (tmp_path / "m.npz").stat().st_size


def test_ewad_toml_counts_as_with_the_other_commands(wave, tmp_path):
    (tmp_path / "ewad.toml").write_text(CONFIG.format(more="").replace("lags = 12", "lags = 250"))
    assert "(250 lags, 3 ahead)" in failed(ewad("train", wave, cwd=tmp_path), 1)
    (tmp_path / "ewad.toml").write_text("[model")
    assert failed(ewad("train", wave, cwd=tmp_path), 2).startswith("ewad: ewad.toml: ")


def test_the_hint_for_start_from_holds_in_any_folder(wave, tmp_path):
    (tmp_path / "there").mkdir()
    trained = ewad("train", wave, "--epochs", "1", "-o", "m.npz", cwd=tmp_path)
    hint = trained.stdout.splitlines()[-1].partition(": ")[2]
    assert hint == f'start_from = "{tmp_path.resolve() / "m.npz"}"'
    config = tmp_path / "there" / "my.toml"
    config.write_text(
        f'[[stream]]\nname = "t"\ntopic = "#"\nmodel = "m"\n[model.m]\nexperts = ["linear"]\n{hint}\n'
    )
    assert ewad("replay", wave, "-c", config).returncode == 0


def test_options_say_how_the_history_is_read(tmp_path):
    path = tmp_path / "odd.csv"
    path.write_text("a|when\n" + "".join(f"{i % 9}|{i}\n" for i in range(200)))
    result = ewad("train", path, "--delimiter", "|", "--time-column", "when", "--epochs", "1")
    assert result.returncode == 0, result.stderr
    assert "1 stream:" in result.stdout


def on_a_terminal(*arguments):
    """Return what a command writes to a terminal's stderr."""
    terminal, stderr = pty.openpty()
    try:
        process = subprocess.Popen([*EWAD, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=stderr,
                                   env=environment(TERM="xterm", COLUMNS="120"))  # fmt: skip
        os.close(stderr)
        said = b""
        while True:
            try:
                more = os.read(terminal, 65536)
            except OSError:  # Linux' way to say that nobody holds the other end any more
                break
            if not more:
                break
            said += more
        assert process.wait(60) == 0, said
        return said.decode()
    finally:
        os.close(terminal)


def test_a_terminal_shows_the_progress_of_training_with_loss_and_rate(wave):
    said = on_a_terminal("train", wave, "--epochs", "2", "--optimizer", "adam,momentum")
    for words in ("adam", "momentum", "100%", "epoch 2", "loss ", "rate "):
        assert words in said


def test_the_bar_is_drawn_ten_times_a_second_and_at_the_end_of_each_optimizer(monkeypatch):
    from ewad.commands import train

    now, drawn = [0.0], []

    @contextmanager
    def bar(length, label, **_):
        yield SimpleNamespace(
            update=lambda steps, progress: drawn.append((label, now[0], steps, progress.batch))
        )

    monkeypatch.setattr(train.click, "progressbar", bar)
    monkeypatch.setattr(train.sys.stderr, "isatty", lambda: True, raising=False)
    with train._Bars(clock=lambda: now[0]) as bars:
        for name in ("adam", "momentum"):
            for batch in range(1, 1001):
                now[0] = batch / 1024
                bars.show(name, 1, Progress(1, batch, 1000, 1.0, 1.0, 0.1, 1.0, False))
            now[0] = 0.0
    for name in ("adam", "momentum"):
        of_one = [entry for entry in drawn if entry[0] == name]
        assert 9 <= len(of_one) <= 11
        assert sum(steps for _, _, steps, _ in of_one) == 1000
        assert of_one[-1][-1] == 1000


def test_a_terminal_shows_the_progress_of_a_replay(wave):
    said = on_a_terminal("replay", wave)
    assert "wave.csv" in said
    assert "100%" in said


def test_without_a_terminal_there_is_no_bar(wave):
    assert "%" not in ewad("train", wave, "--epochs", "1").stderr
    assert ewad("replay", wave).stderr.startswith("200 samples of 1 stream in ")


def test_the_seconds_are_those_of_training_alone(wave, monkeypatch):
    from ewad.training import training

    now = [0.0]
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def slow(optimizer, epochs, progress):
        now[0] += 10.0

    report = training.train_files([Path(wave)], training.TrainSettings(epochs=2), on_progress=slow)
    assert report.best.seconds == 0.0
    assert now[0] > 0.0


def test_it_says_which_configuration_it_read(tmp_path, monkeypatch):
    (tmp_path / "ewad.toml").write_text(CONFIG.format(more=""))
    monkeypatch.chdir(tmp_path)
    result = ewad("train", OFFICE, "--epochs", "1", "--optimizer", "adam")
    assert result.stderr.startswith("configuration: ewad.toml\n")
