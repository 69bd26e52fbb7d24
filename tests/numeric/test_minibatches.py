"""Mini-batches: every example once an epoch; one code for batch sizes 1 to m; training that ends well."""

import itertools
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.minibatches import Training, batch_size_rule, epoch, partition, shuffled
from ewad.numeric.network import Network
from ewad.numeric.optimizers import OPTIMIZERS, GradientDescent, Momentum
from ewad.numeric.plateau import PlateauDetector
from ewad.numeric.schedules import InverseSqrt, InverseTime, ReduceOnPlateau


def rng(seed=0):
    return np.random.default_rng(seed)


def numbered(m):
    """Return X and Y whose columns tell which example they are."""
    return np.arange(2.0 * m).reshape(2, m), np.arange(m)[None] * 10.0


def regression(m=256, n_x=4, noise=0.0, seed=1):
    """Return a linear problem: network, X, Y and the true theta."""
    random = rng(seed)
    true = random.standard_normal(n_x + 1)
    X = random.standard_normal((n_x, m))
    Y = true[None, :-1] @ X + true[-1] + noise * random.standard_normal((1, m))
    return Network([n_x, 1]), X, Y, true


def trained(training, X, Y, epochs, seed=2):
    return list(training.run(X, Y, epochs, rng(seed)))


class TestBatchSizeRule:
    @pytest.mark.parametrize(("m", "size"), [(1, 1), (64, 64), (2000, 2000), (2001, 1024), (5_000_000, 1024)])
    def test_few_examples_are_one_batch_and_more_go_by_a_power_of_two(self, m, size):
        assert batch_size_rule(m, 20) == size

    @pytest.mark.parametrize(("memory", "size"), [(10**9, 1024), (100_000, 512), (16_000, 64), (1, 64)])
    def test_a_mini_batch_fits_the_memory_given_but_is_never_below_64(self, memory, size):
        assert batch_size_rule(10_000, 20, memory) == size


class TestPartition:
    def test_cuts_five_million_examples_into_5000_mini_batches_of_1000(self):
        X, Y = np.zeros((1, 5_000_000), np.int8), np.zeros((1, 5_000_000), np.int8)
        sizes = {X_t.shape for X_t, _ in partition(X, Y, 1000)}
        assert sizes == {(1, 1000)}
        assert sum(1 for _ in partition(X, Y, 1000)) == 5000

    def test_the_last_may_be_smaller(self):
        assert [X_t.shape[1] for X_t, _ in partition(*numbered(10), 4)] == [4, 4, 2]

    def test_gives_views(self):
        X, Y = numbered(10)
        assert all(X_t.base is X.base and np.shares_memory(Y_t, Y) for X_t, Y_t in partition(X, Y, 4))

    def test_shuffled_keeps_x_and_y_together(self):
        X, Y = shuffled(*numbered(100), rng())
        np.testing.assert_array_equal(X[0] * 10, Y[0])
        assert sorted(X[0]) == list(range(100))
        assert X[0].tolist() != list(range(100))


class TestEpoch:
    @settings(max_examples=60, deadline=None)
    @given(st.integers(1, 40), st.integers(1, 45), st.integers(1, 50), st.integers(0, 99))
    def test_holds_every_example_once_with_its_target(self, m, batch_size, block, seed):
        batches = list(epoch(*numbered(m), batch_size, rng(seed), block))
        X, Y = np.hstack([X for X, _ in batches]), np.hstack([Y for _, Y in batches])
        assert sorted(X[0]) == list(range(m))
        np.testing.assert_array_equal(X[0] * 10, Y[0])
        sizes = sorted(X.shape[1] for X, _ in batches)
        assert sizes[1:] == [batch_size] * (len(sizes) - 1)
        assert len(sizes) == -(-m // batch_size)

    def test_of_one_block_takes_every_order(self):
        random = rng()
        orders = {tuple(np.hstack([X[0] for X, _ in epoch(*numbered(4), 2, random)])) for _ in range(500)}
        assert orders == set(itertools.permutations(range(4)))

    def test_is_the_same_in_either_memory_order(self):
        X, Y = numbered(100)
        rows, columns = (epoch(matrix, Y, 8, rng()) for matrix in (X, np.asfortranarray(X)))
        for a, b in zip(rows, columns, strict=True):
            np.testing.assert_array_equal(a[0], b[0])
            np.testing.assert_array_equal(a[1], b[1])

    def test_of_blocks_as_small_as_mini_batches_gives_views(self):
        X, Y = numbered(10)
        assert all(np.shares_memory(X_t, X) for X_t, _ in epoch(X, Y, 4, rng(), block=4))

    def test_of_blocks_keeps_neighbours_within_their_block(self):
        for X_t, _ in epoch(*numbered(100), 5, rng(), block=20):
            assert len({int(i) // 20 for i in X_t[0]}) == 1


class TestTraining:
    @pytest.mark.parametrize("batch_size", [1, 32, 100, 256, 1000])
    def test_finds_the_line_at_any_batch_size(self, batch_size):
        net, X, Y, true = regression()
        training = Training(net.gradient, np.zeros(5), learning_rate=0.05, batch_size=batch_size)
        trained(training, X, Y, epochs=400 if batch_size > 1 else 10)
        np.testing.assert_allclose(training.theta, true, rtol=0, atol=0.02)

    def test_at_batch_size_m_is_batch_gradient_descent(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), GradientDescent(), 0.1, batch_size=256)
        trained(training, X, Y, epochs=5)
        theta = np.zeros(5)
        for _ in range(5):
            theta -= 0.1 * net.gradient(theta, X, Y)[1]
        np.testing.assert_allclose(training.theta, theta, rtol=1e-12)

    def test_at_batch_size_1_takes_a_step_per_example(self):
        net, X, Y, _ = regression(m=30)
        progress = trained(Training(net.gradient, np.zeros(5), batch_size=1), X, Y, epochs=2)
        assert [(p.epoch, p.batch, p.batches) for p in progress] == [
            (e, t, 30) for e in (1, 2) for t in range(1, 31)
        ]

    def test_without_a_batch_size_follows_the_rule(self):
        net, X, Y, _ = regression(m=2100)
        assert len(trained(Training(net.gradient, np.zeros(5)), X, Y, epochs=1)) == 3

    def test_leaves_the_parameters_it_was_given_alone(self):
        net, X, Y, _ = regression()
        theta = np.zeros(5)
        trained(Training(net.gradient, theta), X, Y, epochs=1)
        assert not theta.any()

    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_starts_from_parameters_that_are_assigned_and_leaves_those_alone(self, name):
        net, X, Y, _ = regression()
        given = np.full(5, 0.5)
        assigned, built = (
            Training(net.gradient, start, OPTIMIZERS[name]()) for start in (np.zeros(5), given)
        )
        assigned.theta = given
        assert trained(assigned, X, Y, 2) == trained(built, X, Y, 2)
        np.testing.assert_array_equal(assigned.theta, built.theta)
        assert given.tolist() == [0.5] * 5

    def test_goes_on_from_assigned_parameters_with_the_moments_it_has(self):
        net, X, Y, _ = regression(m=8)
        training = Training(net.gradient, np.zeros(5), Momentum(), 0.1)
        trained(training, X, Y, 1)
        training.theta = np.zeros(5)
        trained(training, X, Y, 1)
        J = net.gradient(np.zeros(5), X, Y)[1]
        np.testing.assert_allclose(training.theta, -0.1 * (0.9 * 0.1 + 0.1) * J, rtol=1e-12)

    def test_keeps_the_lowest_loss_of_the_parameters_assigned_last(self):
        net, X, Y, true = regression()
        training = Training(net.gradient, true, GradientDescent(), 30.0)
        trained(training, X, Y, 1)
        training.theta = np.ones(5)
        trained(training, X, Y, 1000)
        assert (training.outcome, training.theta.tolist()) == ("diverged", [1.0] * 5)
        training.theta = true
        trained(training, X, Y, 1)
        assert (training.outcome, training.reason) == ("trained", "")

    def test_is_the_same_from_the_same_generator(self):
        net, X, Y, _ = regression()
        a, b = (Training(net.gradient, np.zeros(5), batch_size=32) for _ in range(2))
        assert trained(a, X, Y, 3) == trained(b, X, Y, 3)
        np.testing.assert_array_equal(a.theta, b.theta)

    def test_goes_on_where_it_ended(self):
        net, X, Y, _ = regression()
        once, twice = (Training(net.gradient, np.zeros(5), batch_size=32) for _ in range(2))
        trained(once, X, Y, 4)
        random = rng(2)
        for _ in range(2):
            list(twice.run(X, Y, 2, random))
        np.testing.assert_array_equal(once.theta, twice.theta)
        assert (twice.epochs, twice.steps) == (4, 32)

    def test_tells_cost_rate_and_gradient_norm_of_each_step(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), GradientDescent(), 0.1, InverseTime(1.0))
        first, second = trained(training, X, Y, epochs=2)
        J, gradient = net.gradient(np.zeros(5), X, Y)
        assert (first.cost, first.loss, first.learning_rate) == pytest.approx((J, J, 0.1), rel=1e-12)
        assert first.gradient_norm == pytest.approx(np.linalg.norm(gradient), rel=1e-12)
        assert second.learning_rate == 0.05
        assert second.loss == pytest.approx((0.9 * first.cost + second.cost) / 1.9)

    def test_decays_per_step_where_the_schedule_does(self):
        net, X, Y, _ = regression(m=2500, n_x=1)
        training = Training(
            net.gradient, np.zeros(2), schedule=InverseSqrt(per="batch"), learning_rate=0.1, batch_size=1
        )
        rates = [p.learning_rate for p in trained(training, X, Y, epochs=2)]
        np.testing.assert_allclose(rates, 0.1 / np.sqrt(np.arange(1, 5001)), rtol=1e-12)

    def test_takes_a_clipped_step_but_tells_the_whole_norm(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), GradientDescent(), 1.0, max_norm=0.01)
        (step,) = trained(training, X, Y, epochs=1)
        assert np.linalg.norm(training.theta) == pytest.approx(0.01)
        assert step.gradient_norm > 0.1

    def test_takes_lists_as_it_does_arrays(self):
        net, X, Y, _ = regression(m=20)
        lists, arrays = Training(net.gradient, [0] * 5), Training(net.gradient, np.zeros(5))
        assert trained(lists, X.tolist(), Y.tolist(), 2) == trained(arrays, X, Y, 2)
        np.testing.assert_array_equal(lists.theta, arrays.theta)
        for X_t, Y_t in (
            shuffled([[1, 2]], [[10, 20]], rng()),
            *partition([[1, 2]], [[10, 20]], np.int64(2)),
            *epoch([[1, 2]], [[10, 20]], 2, rng()),
        ):
            np.testing.assert_array_equal(10 * X_t, Y_t)

    def test_keeps_float32(self):
        net = Network([4, 1], dtype=np.float32)
        _, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5, np.float32))
        trained(training, X.astype(np.float32), Y.astype(np.float32), epochs=2)
        assert training.theta.dtype == np.float32


class TestOutcome:
    @pytest.mark.parametrize("name", ["gradient_descent", "momentum"])
    def test_a_rate_that_diverges_stops_and_keeps_the_last_good_parameters(self, name):
        net, X, Y, _ = regression()
        start = rng(5).standard_normal(5) * 0.1
        training = Training(net.gradient, start, OPTIMIZERS[name](), learning_rate=30.0, batch_size=64)
        progress = trained(training, X, Y, epochs=200)
        assert training.outcome == "diverged"
        assert "diverged in epoch" in training.reason
        assert "try a learning rate below 30" in training.reason
        assert len(progress) < 200
        assert net.cost(training.theta, X, Y) <= 1.5 * net.cost(start, X, Y)

    def test_a_rate_that_diverges_slowly_is_told_before_it_overflows(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), GradientDescent(), learning_rate=1.25)
        progress = trained(training, X, Y, epochs=2000)
        assert training.outcome == "diverged"
        assert progress[-1].cost < 1e30
        assert training.theta.tolist() == [0.0] * 5

    @pytest.mark.parametrize("tail", ["zeros", "cauchy"])
    def test_examples_far_apart_in_size_are_no_divergence(self, tail):
        # at batch size 1: 0 while a sensor stands still, or one in 10^3 that is 10^6 times the median
        net = Network([4, 1])
        for seed in range(20):
            random = rng(seed)
            X, noise = random.standard_normal((4, 500)), random.standard_cauchy((1, 500))
            if tail == "zeros":
                moves = random.random(500) < 0.2
                X, noise = X * moves, 3.0 * random.standard_normal((1, 500)) * moves
            training = Training(net.gradient, np.zeros(5), batch_size=1)
            trained(training, X, 0.5 * X[:1] + noise, epochs=1, seed=seed)
            assert training.outcome == "trained"

    def test_can_go_back_to_the_parameters_of_its_lowest_loss(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), GradientDescent(), learning_rate=3.0)
        trained(training, X, Y, epochs=3)
        assert net.cost(training.theta, X, Y) > 100.0 * net.cost(np.zeros(5), X, Y)
        training.keep_lowest()
        assert (training.outcome, training.theta.tolist()) == ("trained", [0.0] * 5)

    def test_how_the_caller_treats_overflow_stays_between_steps(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), batch_size=64)
        with np.errstate(over="raise", invalid="raise"):
            before = np.geterr()
            for _ in training.run(X, Y, 1, rng(5)):
                assert np.geterr() == before

    def test_a_rate_that_diverges_in_the_last_step_is_told_too(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.full(5, 2.0), GradientDescent(), learning_rate=1e308)
        trained(training, X, Y, epochs=1)
        assert training.outcome == "diverged"
        assert training.theta.tolist() == [2.0] * 5

    @pytest.mark.parametrize("max_norm", [None, 1.0])
    @pytest.mark.parametrize("rate", [1e77, 1e150, 1e160, 1e308])
    @pytest.mark.parametrize("name", OPTIMIZERS)
    def test_a_rate_beyond_all_bounds_is_told_without_warnings_of_numpy(self, name, rate, max_norm):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5), OPTIMIZERS[name](), rate, max_norm=max_norm)
        with np.errstate(all="warn"), warnings.catch_warnings():
            warnings.simplefilter("error")
            trained(training, X, Y, epochs=20)
        assert training.outcome == "diverged"
        assert training.theta.tolist() == [0.0] * 5

    def test_a_good_rate_ends_as_trained(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5))
        trained(training, X, Y, epochs=3)
        assert (training.outcome, training.reason) == ("trained", "")

    def test_a_plateau_stops_training_where_asked(self):
        net, X, Y, _ = regression(noise=1.0)
        training = Training(net.gradient, np.zeros(5), learning_rate=0.1, stop_on_plateau=True)
        progress = trained(training, X, Y, epochs=2000)
        assert training.outcome == "plateau"
        assert "stopped on a plateau in epoch" in training.reason
        assert progress[-1].plateau
        assert len(progress) < 500

    def test_a_plateau_is_only_told_where_not_asked_to_stop(self):
        net, X, Y, _ = regression(noise=1.0)
        progress = trained(Training(net.gradient, np.zeros(5), learning_rate=0.1), X, Y, epochs=400)
        assert len(progress) == 400
        assert not progress[5].plateau
        assert all(p.plateau for p in progress[-50:])

    @pytest.mark.parametrize("floor", [0.01, 0.01 * (1.0 - 1e-15)])  # as a power may miss it by a bit
    def test_reduce_on_plateau_lowers_the_rate_and_then_lets_training_stop(self, floor):
        net, X, Y, _ = regression(noise=1.0)
        training = Training(
            net.gradient,
            np.zeros(5),
            learning_rate=0.1,
            schedule=ReduceOnPlateau(0.1, floor=floor),
            detector=PlateauDetector(patience=20),
            stop_on_plateau=True,
        )
        rates = [p.learning_rate for p in trained(training, X, Y, epochs=2000)]
        assert sorted(set(rates), reverse=True) == pytest.approx([0.1, 0.01, 0.001])
        assert training.plateaus == 2
        assert training.outcome == "plateau"


class TestRejects:
    @pytest.mark.parametrize(
        ("X", "Y", "message"),
        [
            (
                np.zeros((2, 5)),
                np.zeros((1, 4)),
                r"expected \(n_x, m\) and \(n_y, m\), got \(2, 5\) and \(1, 4\)",
            ),
            (np.zeros(5), np.zeros((1, 5)), r"expected \(n_x, m\)"),
            (np.zeros((2, 0)), np.zeros((1, 0)), "expected examples, got none"),
        ],
    )
    def test_examples_that_do_not_fit(self, X, Y, message):
        for call in (
            lambda: list(partition(X, Y, 2)),
            lambda: list(epoch(X, Y, 2, rng())),
            lambda: shuffled(X, Y, rng()),
        ):
            with pytest.raises(ValueError, match=message):
                call()

    @pytest.mark.parametrize("value", [np.nan, np.inf])
    @pytest.mark.parametrize("name", ["X", "Y"])
    def test_numbers_that_are_not_finite_by_place(self, name, value):
        net, X, Y, _ = regression()
        (X if name == "X" else Y)[0, 7] = value
        with pytest.raises(ValueError, match=f"{name}: expected finite numbers, got {value} in row 0"):
            trained(Training(net.gradient, np.ones(5)), X, Y, epochs=1)

    def test_parameters_of_another_shape(self):
        net, X, Y, _ = regression()
        training = Training(net.gradient, np.zeros(5))
        training.theta = np.zeros(4)
        with pytest.raises(ValueError, match=r"theta: expected the shape \(5,\), got \(4,\)"):
            trained(training, X, Y, epochs=1)

    @pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf])
    def test_learning_rates_that_are_none(self, rate):
        with pytest.raises(ValueError, match="learning_rate: must be positive and finite"):
            Training(Network([1, 1]).gradient, np.zeros(2), learning_rate=rate)

    @pytest.mark.parametrize("size", [0, -1, 2.5, "2"])
    def test_batch_sizes_that_are_none(self, size):
        message = f"batch_size: must be a whole number of 1 or more, got {size!r}"
        for call in (
            lambda: Training(Network([1, 1]).gradient, np.zeros(2), batch_size=size),
            lambda: list(partition(*numbered(3), size)),
            lambda: list(epoch(*numbered(3), size, rng())),
        ):
            with pytest.raises(ValueError, match=message):
                call()


class TestLargeData:
    def memory_of_training(self, m, tmp_path, block):
        X = np.lib.format.open_memmap(tmp_path / f"x{m}.npy", mode="w+", dtype=np.float64, shape=(8, m))
        X[:] = rng().standard_normal((8, m))
        Y = X[:1] * 2.0
        training = Training(Network([8, 4, 1]).gradient, np.full(41, 0.1), batch_size=16, block=block)
        tracemalloc.start()
        for _ in training.run(X, Y, 1, rng()):
            pass
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return peak

    @pytest.mark.parametrize("block", [16, 1024])
    def test_on_a_memory_map_takes_the_same_memory_for_any_m(self, tmp_path, block):
        self.memory_of_training(8192, tmp_path, block)
        small, large = (self.memory_of_training(m, tmp_path, block) for m in (8192, 65_536))
        order_of_blocks = 8 * (65_536 - 8192) / block
        assert large - order_of_blocks < 1.1 * small
