import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ewad.numeric.averages import ByCount, ByTime, ExponentialAverage, Held

BETAS = [0.0, 0.5, 0.9, 0.999]


class Smoother:
    """Feeds batches of (stream, time, value) to an ExponentialAverage and collects its answers by stream."""

    def __init__(self, decay, n_streams=1):
        self.average = ExponentialAverage(decay, n_streams)
        self.last = np.full(n_streams, np.nan)
        self.mean = [[] for _ in range(n_streams)]
        self.stddev = [[] for _ in range(n_streams)]

    def feed(self, stream, time, value):
        stream = np.asarray(stream, dtype=np.int64)
        elapsed = np.zeros(len(value))
        for i, (row, now) in enumerate(zip(stream, time, strict=True)):
            elapsed[i] = 0.0 if np.isnan(self.last[row]) else now - self.last[row]
            self.last[row] = now
        value = np.asarray(value, dtype=float)
        for row, m, s in zip(stream, *self.average.update(stream, elapsed, value), strict=True):
            self.mean[row].append(m)
            self.stddev[row].append(s)


def smooth(decay, value, time=None, batch=None):
    """Return mean and stddev of one stream fed in batches of that many samples (all at once by default)."""
    time = np.zeros(len(value)) if time is None else time
    smoother = Smoother(decay)
    batch = batch or len(value)
    for a in range(0, len(value), batch):
        part = slice(a, a + batch)
        smoother.feed(np.zeros(len(value[part]), dtype=int), time[part], value[part])
    return np.array(smoother.mean[0]), np.array(smoother.stddev[0])


def naive(value, decays):
    """Return mean and stddev after each sample from the definition, in long double, in O(n**2).

    decays: (n,) what each sample leaves of the weight of all before it.
    """
    means, stddevs = [], []
    x = np.asarray(value, dtype=np.longdouble)
    for n in range(1, len(x) + 1):
        w = np.ones(n, dtype=np.longdouble)
        for j in range(n - 2, -1, -1):
            w[j] = w[j + 1] * np.longdouble(decays[j + 1])
        mean = np.sum(w * x[:n]) / np.sum(w)
        spread = np.sum(w) ** 2 - np.sum(w * w)
        variance = np.sum(w) * np.sum(w * (x[:n] - mean) ** 2) / spread if n > 1 and spread > 0 else np.nan
        means.append(float(mean))
        stddevs.append(float(np.sqrt(variance)))
    return np.array(means), np.array(stddevs)


def close(got, expected, scale=0.0, rel=1e-12):
    np.testing.assert_allclose(got, expected, rtol=rel, atol=rel * scale, equal_nan=True)


class TestByCount:
    @pytest.mark.parametrize("beta", BETAS)
    @pytest.mark.parametrize("batch", [1, 7, 300])
    def test_mean_and_stddev_equal_pandas_ewm(self, beta, batch):
        value = np.random.default_rng(1).normal(20.0, 5.0, 300)
        mean, stddev = smooth(ByCount(beta), value, batch=batch)
        ewm = pd.Series(value).ewm(alpha=1 - beta, adjust=True)
        close(mean, ewm.mean())
        close(stddev, ewm.std())

    @pytest.mark.parametrize("beta", BETAS)
    def test_only_the_deviation_of_a_first_sample_is_unknown(self, beta):
        mean, stddev = smooth(ByCount(beta), np.random.default_rng(2).normal(size=50))
        assert np.isfinite(mean).all()
        assert np.isnan(stddev[0])
        assert np.isfinite(stddev[1:]).all() or beta == 0.0  # without memory there is never a second sample

    def test_streams_mixed_in_one_batch_equal_pandas_each(self):
        rng = np.random.default_rng(3)
        smoother = Smoother(ByCount(0.9), n_streams=5)
        values = [[] for _ in range(5)]
        for n in (1, 40, 3, 200, 17):
            stream, value = rng.integers(0, 5, n), rng.normal(0.0, 3.0, n) + 10
            smoother.feed(stream, np.zeros(n), value)
            for row, v in zip(stream, value, strict=True):
                values[row].append(v)
        for row in range(5):
            ewm = pd.Series(values[row]).ewm(alpha=0.1, adjust=True)
            close(smoother.mean[row], ewm.mean())
            close(smoother.stddev[row], ewm.std())

    def test_a_stream_absent_from_a_batch_keeps_its_state(self):
        average = ExponentialAverage(ByCount(0.9), 3)
        average.update(np.array([0, 1, 2]), np.zeros(3), np.array([1.0, 2.0, 3.0]))
        average.update(np.array([1]), np.zeros(1), np.array([9.0]))
        assert average.mean[[0, 2]].tolist() == [1.0, 3.0]
        assert average.weight.tolist() == [1.0, 1.9, 1.0]

    def test_course_temperatures_give_the_course_raw_and_corrected_values(self):
        average = ExponentialAverage(ByCount(0.98), 1)
        raw, corrected = [], []
        for x in (40.0, 49.0, 45.0):
            mean = average.update(np.array([0]), np.zeros(1), np.array([x]))[0]
            raw.append(average.raw()[0])
            corrected.append(mean[0])
        close(raw, [0.8, 1.764, 2.62872])
        np.testing.assert_allclose(corrected, [40.0, 44.545455, 44.700041], rtol=0, atol=5e-7)  # as printed

    @pytest.mark.parametrize("beta", BETAS)
    def test_raw_is_the_uncorrected_recurrence(self, beta):
        value = np.random.default_rng(4).normal(size=100)
        average = ExponentialAverage(ByCount(beta), 1)
        v = 0.0
        for x in value:
            average.update(np.array([0]), np.zeros(1), np.array([x]))
            v = beta * v + (1 - beta) * x
            close(average.raw(), [v], scale=1.0)

    def test_beta_0_is_the_sample_itself_to_the_last_bit(self):
        value = np.random.default_rng(5).normal(1e6, 1.0, 100)
        mean, _ = smooth(ByCount(0.0), value, batch=9)
        assert mean.tolist() == value.tolist()

    @pytest.mark.parametrize("beta", [-0.1, 1.0, 1.5, math.nan])
    def test_a_beta_outside_0_to_1_raises(self, beta):
        with pytest.raises(ValueError, match=r"beta: must be in \[0, 1\)"):
            ByCount(beta)


class TestByTime:
    @pytest.mark.parametrize("half_life", [0.5, 60.0, 86400.0])
    @pytest.mark.parametrize("batch", [1, 7, 300])
    def test_mean_equals_pandas_ewm_at_irregular_times(self, half_life, batch):
        rng = np.random.default_rng(6)
        value = rng.normal(20.0, 5.0, 300)
        # Whole microseconds, so that pandas' clock of integers holds the same times.
        time = 1.6e9 + np.cumsum(rng.integers(0, 60_000_000, 300)) / 1e6
        micros = np.round((time - 1.6e9) * 1e6).astype("int64")
        mean, _ = smooth(ByTime(half_life), value, micros / 1e6, batch)
        expected = pd.Series(value).ewm(
            halflife=pd.Timedelta(seconds=half_life), times=micros.astype("datetime64[us]")
        )
        close(mean, expected.mean())

    def test_mean_and_stddev_equal_the_definition(self):
        rng = np.random.default_rng(7)
        value = rng.normal(-3.0, 2.0, 120)
        elapsed = rng.exponential(30.0, 120) * (rng.random(120) > 0.2)  # some dt are 0
        mean, stddev = smooth(ByTime(45.0), value, np.cumsum(elapsed), batch=11)
        dt = np.diff(np.cumsum(elapsed), prepend=0.0)
        expected_mean, expected_stddev = naive(value, 0.5 ** (dt / 45.0))
        close(mean, expected_mean)
        close(stddev, expected_stddev)

    def test_even_sampling_equals_the_beta_of_the_interval(self):
        value = np.random.default_rng(8).normal(size=200)
        by_time = smooth(ByTime(10.0), value, np.arange(200) * 10.0)
        by_count = smooth(ByCount(0.5), value)
        close(by_time, by_count)

    def test_samples_of_one_moment_weigh_alike(self):
        value = np.array([3.0, 8.0, 4.0, 9.0])
        mean, stddev = smooth(ByTime(5.0), value, np.full(4, 1e9))
        close(mean, [np.mean(value[: i + 1]) for i in range(4)])
        close(stddev[1:], [np.std(value[: i + 1], ddof=1) for i in range(1, 4)])

    def test_one_half_life_halves_the_weight_of_the_past(self):
        mean, _ = smooth(ByTime(600.0), np.array([0.0, 3.0]), np.array([0.0, 600.0]))
        close(mean, [0.0, 3.0 / 1.5])

    def test_after_a_very_long_silence_the_stream_starts_anew(self):
        value, time = np.array([5.0, 7.0, 1.0, 2.0]), np.array([0.0, 1.0, 1e9, 1e9 + 1.0])
        mean, stddev = smooth(ByTime(1.0), value, time)
        fresh_mean, fresh_stddev = smooth(ByTime(1.0), value[2:], time[2:])
        close(mean[2:], fresh_mean)
        close(stddev[2:], fresh_stddev)

    @pytest.mark.parametrize("half_life", [0.0, -1.0, math.inf, math.nan])
    def test_a_half_life_that_is_no_duration_raises(self, half_life):
        with pytest.raises(ValueError, match="half_life_seconds: must be positive and finite"):
            ByTime(half_life)


DECAYS = [*(ByCount(beta) for beta in BETAS), ByTime(30.0)]


@pytest.mark.parametrize("decay", DECAYS, ids=str)
class TestEveryDecay:
    @pytest.mark.parametrize("constant", [0.0, 0.1, -273.15, 1e300, 5e-324])
    def test_constant_input_has_that_mean_exactly_and_deviation_0_exactly(self, decay, constant):
        mean, stddev = smooth(decay, np.full(500, constant), np.arange(500.0), batch=64)
        assert (mean == constant).all()
        known = ~np.isnan(stddev)
        assert (stddev[known] == 0.0).all()
        assert known[1:].all() or decay == ByCount(0.0)

    def test_a_change_after_long_constancy_is_followed(self, decay):
        value = np.concatenate([np.full(5000, 20.0), np.full(20, 30.0)])
        mean, _ = smooth(decay, value, np.arange(5020.0), batch=512)
        assert (np.diff(mean[4999:]) > 0.0).all() or (decay == ByCount(0.0) and mean[-1] == 30.0)

    def test_a_large_offset_costs_no_more_than_its_own_rounding(self, decay):
        # At 1e6 doubles lie 1.2e-10 apart. The mean is right to that; the deviation (of 1) to a few of it.
        value = 1e6 + np.random.default_rng(9).normal(size=150)
        time = np.arange(150) * 7.0
        mean, stddev = smooth(decay, value, time, batch=13)
        left = decay.beta if isinstance(decay, ByCount) else 0.5 ** (7.0 / 30.0)
        expected_mean, expected_stddev = naive(value, np.full(150, left))
        np.testing.assert_allclose(mean, expected_mean, rtol=0, atol=2 * np.spacing(1e6))
        np.testing.assert_allclose(stddev, expected_stddev, rtol=0, atol=4 * np.spacing(1e6))

    @settings(max_examples=40, deadline=None)
    @given(seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-6, 1e9), data=st.data())
    def test_mean_lies_between_least_and_greatest_and_any_split_gives_the_same(
        self, decay, seed, scale, data
    ):
        rng = np.random.default_rng(seed)
        value = rng.normal(0.0, scale, 60)
        time = np.cumsum(rng.exponential(20.0, 60))
        whole = smooth(decay, value, time)
        split = smooth(decay, value, time, batch=data.draw(st.integers(1, 59)))
        slack = 1e-15 * np.abs(value).max()
        assert value.min() - slack <= whole[0].min() <= whole[0].max() <= value.max() + slack
        close(whole[0], split[0], scale=np.abs(value).max())
        close(whole[1], split[1], scale=np.abs(value).max())


def test_ten_million_samples_do_not_drift():
    # The weights of 0.999 fall below 1e-26 within 60,000 samples: the last of them are all that count.
    rng = np.random.default_rng(10)
    average = ExponentialAverage(ByCount(0.999), 1)
    stream = np.zeros(500_000, dtype=np.int64)
    value = rng.normal(15.0, 4.0, 500_000)
    elapsed = np.zeros(500_000)
    for _ in range(20):
        value = np.roll(value, 12_345)
        mean, stddev = average.update(stream, elapsed, value)
    recent = value[-60_000:]
    w = 0.999 ** np.arange(60_000)[::-1]
    total = math.fsum(w)
    expected = math.fsum(w * recent) / total
    scatter = math.fsum(w * (recent - expected) ** 2)
    variance = scatter * total / (total**2 - math.fsum(w * w))
    assert average.weight[0] == pytest.approx(1 / (1 - 0.999), rel=1e-12)
    assert mean[-1] == average.mean[0] == pytest.approx(expected, rel=1e-12)
    assert stddev[-1] == average.stddev()[0] == pytest.approx(math.sqrt(variance), rel=1e-12)


def test_ten_million_samples_in_small_reads_drift_no_more():
    # 1,000 streams of 10,000 samples each are the same arithmetic as one stream, read after read.
    rng = np.random.default_rng(11)
    average = ExponentialAverage(ByCount(0.999), 1000)
    stream = np.arange(1000, dtype=np.int64)
    value = rng.normal(15.0, 4.0, (10_000, 1000))
    for row in value:
        average.update(stream, np.zeros(1000), row)
    ewm = pd.DataFrame(value[:, :3]).ewm(alpha=1 - 0.999, adjust=True)
    close(average.mean[:3], ewm.mean().iloc[-1], rel=1e-12)
    close(average.stddev()[:3], ewm.std().iloc[-1], rel=1e-12)


def integrated(time, value, half_life, until):
    """Return mean and standard deviation of a held value over all time until then, by their integrals."""
    ends = np.append(time[1:], until)
    weight = 0.5 ** ((until - ends) / half_life) - 0.5 ** ((until - np.asarray(time)) / half_life)
    mean = np.sum(weight * value) / np.sum(weight)
    return mean, np.sqrt(np.sum(weight * (value - mean) ** 2) / np.sum(weight))


class TestHeld:
    @pytest.mark.parametrize(
        ("half_life", "samples", "later"),
        [
            (600, [(0, 10), (3600, 20)], {0: 10.0, 600: 15.039, 1200: 17.529}),
            (900, [(0, 10), *((3600 + 5 * i, 12 + i / 10) for i in range(5))], {0: 10.035, 3600: 12.261}),
            (900, [*((60 * i, 10) for i in range(60)), (3600, 20)], {3600: 19.412}),
        ],
    )
    def test_what_counts_is_how_long_a_value_stood(self, half_life, samples, later):
        smoother = Smoother(Held(half_life))
        smoother.feed([0] * len(samples), *zip(*samples, strict=True))
        told = {seconds: round(smoother.average.after(np.array([seconds]))[0].item(), 3) for seconds in later}
        assert told == later

    @given(
        st.lists(st.tuples(st.floats(1, 5000), st.floats(-100, 100)), min_size=2, max_size=20),
        st.floats(0, 5000),
    )
    def test_mean_and_deviation_are_those_of_the_integrals(self, samples, silence):
        steps, value = (np.array(each) for each in zip(*samples, strict=True))
        time = np.cumsum(steps)
        means, _ = smooth(Held(300.0), value, time)
        close(
            means[1:],
            [integrated(time[:n], value[:n], 300.0, time[n])[0] for n in range(1, len(time))],
            100,
            1e-9,
        )
        smoother = Smoother(Held(300.0))
        smoother.feed([0] * len(value), time, value)
        mean, stddev = smoother.average.after(np.array([silence]))
        expected = integrated(time, value, 300.0, time[-1] + silence)
        close(mean, expected[0], 100, 1e-9)
        close(stddev, expected[1], 100, 1e-6)

    def test_the_same_value_again_changes_nothing(self):
        often, _ = smooth(Held(60.0), [3.0] * 50 + [8.0], np.arange(51.0))
        seldom, _ = smooth(Held(60.0), [3.0, 8.0], np.array([0.0, 50.0]))
        assert often[-1] == seldom[-1] == 3.0

    def test_a_first_value_is_the_average_at_once_and_what_has_none_is_not_known(self):
        smoother = Smoother(Held(60.0), 2)
        smoother.feed([0, 0], [5.0, 5.0], [7.0, 9.0])
        assert smoother.mean[0] == [7.0, 9.0]
        np.testing.assert_array_equal(smoother.average.smoothed(), [9.0, np.nan])
        for seconds in (0.0, 60.0):
            np.testing.assert_array_equal(smoother.average.after(np.full(2, seconds))[0], [9.0, np.nan])

    def test_averages_that_are_not_held_stand_still(self):
        smoother = Smoother(ByTime(60.0))
        smoother.feed([0, 0], [0.0, 60.0], [1.0, 2.0])
        assert smoother.average.after(np.array([3600.0]))[0] == smoother.average.smoothed()
