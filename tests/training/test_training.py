"""`ewad train`: the engine's own examples, an honest split, results that a forecaster can start from."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ewad.demonstration.samples import sample_path
from ewad.engine import Batch, Engine, GroupSettings, ModelSettings
from ewad.errors import ConfigError, SourceError, StateError
from ewad.numeric.local_time import LocalCalendar
from ewad.numeric.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum, RMSprop
from ewad.numeric.schedules import Constant, InverseTime
from ewad.store.model_file import load
from ewad.training.history import TrainingHistory
from ewad.training.training import (
    Examples,
    TrainSettings,
    draw_costs,
    examples_of,
    save,
    split,
    train_files,
)
from tests import components


def walk(n, seed=0):
    """Return a series whose differences remember each other: there is something to learn."""
    steps = np.random.default_rng(seed).standard_normal(n)
    for i in range(1, n):
        steps[i] += 0.8 * steps[i - 1]
    return 20.0 + steps.cumsum()


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "walk.csv"
    rows = (f"{60 * i},{a},{b}" for i, (a, b) in enumerate(zip(walk(400), walk(400, seed=1), strict=True)))
    path.write_text("\n".join(["time,a,b", *rows]))
    return path


MODEL = ModelSettings(lags=4, horizons=(1, 3))


def settings(**changes):
    model = ModelSettings(lags=4, horizons=(1, 3), learning_rate=0.01, schedule=Constant())
    return TrainSettings(**{"model": model, "epochs": 30, "batch_size": 32, **changes})


class TestExamples:
    @pytest.mark.parametrize(
        "seen",
        [
            {},
            {"features": "full"},
            {"features": "full", "experts": ("linear", "seasonal_naive"), "season": 7},
            {"features": "full", "calendar": LocalCalendar("Asia/Tokyo")},
        ],
    )
    def test_are_those_that_the_engine_learns_from(self, seen):
        model, values = ModelSettings(lags=4, horizons=(1, 3), batch_size=10**6, **seen), walk(100)
        engine = Engine([GroupSettings("plant", model=model)])
        engine.add_stream(0, "a")
        engine.observe(Batch(0, np.zeros(100, np.int32), np.arange(100.0), values))
        mine = examples_of(np.arange(100.0), values, model)
        learner = engine.groups[0].forecaster.learner
        assert learner.collected[0] == len(mine)
        # Of a linear model at zero the gradient is -2 X'Y, and the squared error that of the targets.
        expected = -2.0 * np.vstack([mine.X @ mine.Y.T, mine.Y.sum(axis=1)[None]])
        np.testing.assert_allclose(learner.gradient_sum[0], expected.ravel(), rtol=1e-9, atol=1e-12)
        assert learner.squares[0] == pytest.approx(np.sum(mine.Y**2), rel=1e-12)

    def test_know_when_they_begin_and_when_their_last_target_came(self):
        examples = examples_of(np.arange(10.0), walk(10), MODEL)
        assert (examples.origin.tolist(), examples.end.tolist()) == ([4.0, 5.0, 6.0], [7.0, 8.0, 9.0])

    @pytest.mark.parametrize("n", [0, 1, 7])
    def test_are_none_where_the_series_is_too_short(self, n):
        examples = examples_of(np.arange(float(n)), walk(7)[:n], MODEL)
        assert (len(examples), examples.X.shape, examples.Y.shape) == (0, (4, 0), (2, 0))

    def test_of_validation_forecast_nothing_that_training_has_seen(self):
        examples = examples_of(np.arange(100.0), walk(100), MODEL)
        train, validation = split(examples, 0.2)
        assert train.end.max() <= validation.origin.min()
        assert len(validation) == pytest.approx(0.2 * len(examples), abs=4)
        assert len(train) == pytest.approx(0.8 * len(examples), abs=1)

    @given(st.integers(1, 60), st.floats(0.05, 0.95), st.integers(1, 4), st.integers(0, 9))
    def test_share_no_time_with_training_where_samples_carry_the_same_one(self, same, share, ahead, seed):
        # by the day, say: `same` samples carry each time
        model = ModelSettings(lags=4, horizons=(1, ahead) if ahead > 1 else (1,))
        times = np.arange(100) // same * 86_400.0
        train, validation = split(examples_of(times, walk(100, seed), model), share)
        assert len(train)
        border = train.end.max()
        assert not (validation.origin <= border).any()
        assert not (validation.end <= border).any()


class TestHistory:
    def test_a_stream_continues_from_file_to_file_in_order_of_time(self, tmp_path):
        first, second = tmp_path / "1.csv", tmp_path / "2.csv"
        second.write_text("time,a\n30,3\n40,4\n")
        first.write_text("time,a,b\n10,1,7\n20,2,\n")
        series = TrainingHistory([second, first])
        assert {name: (t.tolist(), v.tolist()) for name, (t, v) in series.items()} == {
            "a": ([10, 20, 30, 40], [1, 2, 3, 4]),
            "b": ([10], [7]),
        }
        series.close()

    def test_pieces_of_a_series_give_the_examples_of_the_whole(self, monkeypatch):
        from ewad.training import training

        whole = examples_of(np.arange(500.0), walk(500), MODEL)
        monkeypatch.setattr(training, "PIECE_SAMPLES", 37)
        pieces = examples_of(np.arange(500.0), walk(500), MODEL)
        thinned = examples_of(np.arange(500.0), walk(500), MODEL, 3)
        for name in ("X", "Y", "origin", "end"):
            np.testing.assert_allclose(getattr(pieces, name), getattr(whole, name), rtol=1e-12)
            np.testing.assert_array_equal(getattr(thinned, name), getattr(pieces, name)[..., ::3])

    def test_more_examples_than_the_memory_is_meant_for_are_thinned_and_that_is_said(self, path, monkeypatch):
        from ewad.training import training

        whole = train_files([path], settings(epochs=1))
        monkeypatch.setattr(training, "MOST_EXAMPLE_BYTES", 20_000)
        report = train_files([path], settings(epochs=1))
        assert report.every > 1
        assert f"one of {report.every} is used" in str(report)
        assert report.train_examples < whole.train_examples


class TestTrainFiles:
    def test_compares_optimizers_on_the_same_data_from_the_same_start(self, path):
        names = ("gradient_descent", "momentum", "rmsprop", "adam")
        report = train_files([path], settings(optimizers=names))
        assert [result.optimizer for result in report.results] == list(names)
        for result in report.results:
            assert (result.epochs, result.batch_size, result.reason) == (30, 32, "")
            assert result.train_costs[0] > result.train_costs[-1]
            assert result.validation_cost == result.validation_costs[-1]
        assert report.best.validation_cost < 0.9 * report.validation_persistence
        assert report.streams == 2

    @pytest.mark.parametrize("expert", ["linear", "network"])
    def test_gives_a_model_with_which_the_engine_forecasts_as_well_as_was_told(self, path, tmp_path, expert):
        model = ModelSettings(experts=(expert,), lags=4, horizons=(1,), learning_rate=0.01, hidden=(5,))
        report = train_files([path], settings(model=model))
        save(report, tmp_path / "model")
        started = ModelSettings(experts=(expert,), lags=4, horizons=(1,), hidden=(5,), learning_rate=1e-12)
        engine = Engine([GroupSettings("g", model=started)])
        engine.add_stream(0, "a", ())
        forecaster = engine.groups[0].forecaster
        forecaster.learner.theta[:] = load(tmp_path / "model").theta_for(started)
        values = walk(400)
        engine.observe(Batch(0, np.zeros(400, np.int32), np.arange(400.0), values))
        np.testing.assert_array_less(1 - report.best.validation_cost / report.validation_persistence, 1)
        assert forecaster.skill()[0, 0] > 0.5 * (1 - report.best.train_cost / report.train_persistence)

    def test_is_the_same_every_time(self, path):
        a, b = (train_files([path], settings(epochs=3)) for _ in range(2))
        np.testing.assert_array_equal(a.best.model.theta, b.best.model.theta)

    def test_without_names_uses_the_model_s_optimizer_and_the_rule_for_the_batch_size(self, path):
        report = train_files([path], settings(epochs=1, batch_size=None))
        assert (report.best.optimizer, report.best.batch_size) == ("adam", report.train_examples)

    @pytest.mark.parametrize("batch_size", [None, 1_000_000])
    def test_tells_the_size_of_the_mini_batches_that_it_took(self, tmp_path, batch_size):
        path, sizes = tmp_path / "long.csv", []
        path.write_text("time,a\n" + "".join(f"{i},{x}\n" for i, x in enumerate(walk(3000))))
        model = ModelSettings(lags=60, horizons=(1,), features="full")
        report = train_files(
            [path],
            settings(model=model, epochs=1, batch_size=batch_size),
            on_progress=lambda name, epochs, progress: sizes.append(progress.batches),
        )
        size = 256 if batch_size is None else report.train_examples  # 256 * 71 features * 8 bytes fit 256 KiB
        assert report.best.batch_size == size
        assert sizes[0] == -(-report.train_examples // size)

    def test_tells_its_progress_step_by_step(self, path):
        seen = []
        report = train_files([path], settings(epochs=2), on_progress=lambda *told: seen.append(told))
        batches = -(-report.train_examples // 32)
        assert len(seen) == 2 * batches
        name, epochs, progress = seen[-1]
        assert (name, epochs, progress.epoch, progress.batch) == ("adam", 2, 2, batches)

    def test_stops_on_a_plateau_within_the_default_epochs(self):
        settings = TrainSettings(model=ModelSettings(learning_rate=0.03), stop_on_plateau=True)
        (result,) = train_files([sample_path("ambient_temperature.csv")], settings).results
        assert 10 < result.epochs < 20
        assert f"stopped on a plateau in epoch {result.epochs}" in result.reason
        assert result.train_costs[-1] > 0.99 * min(result.train_costs[:-10])

    def test_takes_no_noise_of_mini_batches_for_a_plateau(self, path):
        (result,) = train_files([path], settings(batch_size=1, epochs=11, stop_on_plateau=True)).results
        assert result.epochs > 10

    def test_that_diverges_says_so_and_keeps_good_parameters(self, path):
        model = ModelSettings(lags=4, horizons=(1,), learning_rate=100.0)
        report = train_files([path], settings(model=model, optimizers=("gradient_descent", "adam")))
        diverged = report.results[0]
        assert "try a learning rate below 100" in diverged.reason
        assert diverged.train_cost <= 1.5 * report.train_persistence
        assert "gradient_descent: diverged" in str(report)

    def test_that_ends_worse_than_it_began_says_so_and_keeps_good_parameters(self):
        model = ModelSettings(experts=("network",), lags=12, horizons=(1, 3), learning_rate=0.1)
        (result,) = (
            report := train_files(
                [sample_path("ambient_temperature.csv")],
                TrainSettings(model=model, optimizers=("rmsprop",), epochs=1),
            )
        ).results
        assert result.validation_costs[0] > 100 * report.validation_persistence
        said = (
            f"ended worse than it began: validation cost {result.validation_costs[0]:.5g}, "
            f"persistence's {report.validation_persistence:.5g}; the parameters of the lowest loss are kept; "
            "try a learning rate below 0.1"
        )
        assert result.reason == said
        assert str(report).endswith(f"\n\nrmsprop: {said}")
        assert result.train_cost <= report.train_persistence * (1.0 + 1e-12)
        assert result.validation_cost <= report.validation_persistence * (1.0 + 1e-12)

    def test_that_forecasts_worse_than_persistence_says_so_and_is_kept(self, tmp_path):
        # what is learnt of the first part is wrong for the last
        path, values = tmp_path / "turn.csv", np.concatenate([np.arange(300) % 2, np.arange(100)])
        path.write_text("time,a\n" + "".join(f"{i},{x}\n" for i, x in enumerate(values)))
        report = train_files([path], settings(model=ModelSettings(lags=1, horizons=(1,), learning_rate=0.1)))
        assert report.best.train_cost < report.train_persistence
        assert report.best_is_worse_than_persistence
        assert report.best.reason == (
            f"forecasts worse than persistence: validation cost {report.best.validation_cost:.5g}, "
            f"persistence's {report.validation_persistence:.5g}; try a learning rate below 0.1"
        )
        assert report.best.model.theta.any()

    def test_at_a_rate_beyond_all_bounds_ends_in_a_table_without_warnings_of_numpy(self, path):
        model = ModelSettings(lags=4, horizons=(1,), learning_rate=1e160)
        report = train_files(
            [path], settings(model=model, optimizers=tuple(OPTIMIZERS), epochs=1, batch_size=10**6)
        )
        for result in report.results:
            assert "ended worse than it began: validation cost inf" in result.reason
            assert result.validation_cost == pytest.approx(report.validation_persistence, rel=1e-12)
        assert not report.best_is_worse_than_persistence

    def test_gives_the_best_of_its_results(self, path, tmp_path):
        report = train_files([path], settings(epochs=5, optimizers=("gradient_descent", "adam", "momentum")))
        costs = {result.validation_cost: result for result in report.results}
        assert len(costs) == 3
        assert report.best is costs[min(costs)]
        save(report, tmp_path / "model")
        np.testing.assert_array_equal(load(tmp_path / "model").theta, report.best.model.theta)
        assert not report.best_is_worse_than_persistence

    def test_prints_an_aligned_table(self, path):
        report = train_files([path], settings(epochs=1, optimizers=("adam", "gradient_descent")))
        counts, _, header, *rows = str(report).splitlines()
        assert counts == (
            f"2 streams: {report.train_examples:,} examples to train on, "
            f"{report.validation_examples} later ones to validate"
        )
        assert " ".join(header.split()) == "optimizer batch size epochs seconds train cost validation cost"
        assert [row.split()[0] for row in rows] == ["adam", "gradient_descent", "(persistence)"]
        assert len({len(line) for line in (header, *rows)}) == 1


def by_hand(train, steps, rate, l2=0.0, max_norm=np.inf, decay_rate=0.0, beta1=0.0):
    """Return theta of a linear model, (n_x + 1, n_y) flat, after steps of momentum on all examples."""
    m, X, Y = len(train), np.vstack([train.X, np.ones(len(train))]), train.Y
    theta, velocity = np.zeros((len(X), len(Y))), 0.0
    for step in range(steps):
        gradient = 2.0 * X @ (X.T @ theta - Y.T) / Y.size
        gradient[:-1] += l2 / m * theta[:-1]
        gradient *= min(1.0, max_norm / np.linalg.norm(gradient))
        velocity = beta1 * velocity + (1.0 - beta1) * gradient
        theta = theta - rate / (1.0 + decay_rate * step) * velocity
    return theta.ravel()


class TestSettingsOfTheModel:
    @pytest.mark.parametrize(
        ("changes", "constants"),
        [
            ({}, {}),
            ({"l2": 100.0}, {"l2": 100.0}),
            ({"max_gradient_norm": 0.05}, {"max_norm": 0.05}),
            ({"schedule": InverseTime(2.0)}, {"decay_rate": 2.0}),
            ({"optimizer": Momentum(beta1=0.3)}, {"beta1": 0.3}),
            ({"learning_rate": 0.2}, {"rate": 0.2}),
        ],
        ids=str,
    )
    def test_are_those_of_the_training(self, path, changes, constants):
        plain = {"learning_rate": 0.1, "schedule": Constant(), "optimizer": GradientDescent()}
        model = ModelSettings(lags=4, horizons=(1, 3), **{**plain, **changes})
        report = train_files([path], settings(model=model, epochs=5, batch_size=10**6))
        with TrainingHistory([path]) as series:
            parts = [examples_of(times, values, model) for times, values in series.values()]
        every = Examples(
            np.hstack([part.X for part in parts]),
            np.hstack([part.Y for part in parts]),
            np.concatenate([part.origin for part in parts]),
            np.concatenate([part.end for part in parts]),
        )
        train, _ = split(every, 0.2)
        expected = by_hand(train, 5, **{"rate": 0.1, **constants})
        np.testing.assert_allclose(report.best.model.theta, expected, rtol=1e-9)

    @pytest.mark.parametrize("own", [RMSprop(beta2=0.9), Adam(epsilon=1.0), Momentum(beta1=0.5)], ids=repr)
    def test_hold_for_the_optimizer_that_is_the_model_s_own_among_others(self, path, own):
        name = next(name for name, kind in OPTIMIZERS.items() if kind is type(own))
        chosen = settings(model=ModelSettings(lags=4, horizons=(1,), optimizer=own), epochs=2)
        alone = train_files([path], chosen).results[0]
        others = settings(model=chosen.model, epochs=2, optimizers=tuple(OPTIMIZERS))
        theirs = {result.optimizer: result for result in train_files([path], others).results}
        assert alone.optimizer == name
        np.testing.assert_array_equal(theirs[name].model.theta, alone.model.theta)
        model = ModelSettings(lags=4, horizons=(1,))
        usual = train_files([path], settings(model=model, optimizers=(name,), epochs=2)).results[0]
        assert not np.allclose(usual.model.theta, alone.model.theta, rtol=1e-3)

    def test_say_what_a_model_was_trained_on(self, path, tmp_path):
        full = ModelSettings(lags=4, horizons=(1,), features="full")
        save(train_files([path], settings(model=full, epochs=1)), tmp_path / "model")
        trained = load(tmp_path / "model")
        assert trained.features == "full"
        assert len(trained.theta_for(full)) == 4 + 11 + 1
        with pytest.raises(StateError, match="features: trained with full"):
            trained.theta_for(ModelSettings(lags=4, horizons=(1,)))

    def test_of_the_shuffling_is_the_seed(self, path):
        zero, one = (train_files([path], settings(epochs=2, seed=seed)).best.model.theta for seed in (0, 1))
        assert not np.allclose(zero, one, rtol=1e-6)


class TestRejects:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"optimizers": ("adm",)}, 'optimizer: unknown "adm"; did you mean "adam"?'),
            ({"validation": 1.0}, r"validation: must be in \(0, 1\)"),
            ({"batch_size": 0}, "batch_size: must be a whole number of 1 or more, got 0"),
            (
                {"model": ModelSettings(experts=("persistence",))},
                "expert: expected one of linear, network to train",
            ),
            ({"model": ModelSettings(every_seconds=60.0)}, "every: expected none to train on files"),
            ({"model": ModelSettings(learning_rate=-1.0)}, "learning_rate: must be positive"),
        ],
    )
    def test_settings_that_can_t_be(self, path, changes, message):
        with pytest.raises(ConfigError, match=message):
            train_files([path], settings(**changes))

    def test_files_that_are_too_short(self, tmp_path):
        short = tmp_path / "short.csv"
        short.write_text("time,a\n1,1\n2,2\n")
        with pytest.raises(SourceError, match=r"short.csv: expected a stream of 8 samples or more .* has 2"):
            train_files([short], settings())

    def test_recorded_messages(self, tmp_path):
        messages = tmp_path / "messages.csv"
        messages.write_text("time,topic,payload\n1,a/b,2.5\n")
        with pytest.raises(
            SourceError, match="expected columns of numbers to train on, got recorded messages"
        ):
            train_files([messages], settings())


class TestPlot:
    def test_draws_a_picture(self, path, tmp_path):
        components.module("matplotlib")
        draw_costs(train_files([path], settings(epochs=2)), tmp_path / "cost.png")
        assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")

    def test_to_a_suffix_that_is_no_picture_is_told(self, path, tmp_path):
        components.module("matplotlib")
        with pytest.raises(ConfigError, match="can't draw"):
            draw_costs(train_files([path], settings(epochs=1)), tmp_path / "cost.xyz")

    def test_without_matplotlib_says_in_one_line_what_to_install(self, path, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(
            ConfigError,
            match=r"^[^\n]*a picture needs matplotlib, which is not installed: pip install 'ewad\[plot\]'$",
        ):
            draw_costs(train_files([path], settings(epochs=1)), tmp_path / "cost.png")
