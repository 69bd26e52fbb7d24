"""`ewad.Smoother`: the averages of the engine, held against pandas and `ewad.ewa`."""

import pickle

import numpy as np
import pandas as pd
import pytest

from ewad import Smoother, ewa


def noise(n=200, seed=0):
    return np.random.default_rng(seed).normal(20.0, 3.0, n)


def test_averages_are_those_of_pandas():
    x = pd.Series(noise(), index=pd.date_range("2026-01-01", periods=200, freq="7min"))
    found = Smoother([0.9, 0.98]).fit_transform(x)
    assert list(found) == ["0.9", "0.98"]
    assert found.index.equals(x.index)
    for beta in (0.9, 0.98):
        pandas = x.ewm(alpha=1.0 - beta, adjust=True)
        np.testing.assert_allclose(found[f"{beta}"], pandas.mean(), rtol=1e-12)
    model = Smoother(0.9).fit(x)
    np.testing.assert_allclose(model.mean, x.ewm(alpha=0.1).mean().iloc[-1:], rtol=1e-12)
    np.testing.assert_allclose(model.stddev, x.ewm(alpha=0.1).std().iloc[-1:], rtol=1e-9)


def test_averages_by_time_are_those_of_pandas():
    rng = np.random.default_rng(1)
    times = pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.exponential(60.0, 200).cumsum(), unit="s")
    x = pd.Series(noise(), index=times)
    found = Smoother(half_life="10m").fit_transform(x)
    pandas = x.ewm(halflife="10min", times=times).mean()
    np.testing.assert_allclose(found.iloc[:, 0], pandas, rtol=1e-9)
    with pytest.raises(ValueError, match="times: expected them beside half_life"):
        Smoother(half_life="10m").fit(x.to_numpy())


@pytest.mark.parametrize("word", [{"beta": 0.5}, {"window": 4}, {"span": 9}, {"alpha": 0.2}])
def test_the_words_are_those_of_ewa(word):
    x = noise()
    x[5:8] = np.nan
    np.testing.assert_allclose(Smoother(**word).fit_transform(x), ewa(x, **word), rtol=1e-12)
    table = np.stack([x, noise(seed=2)], axis=1)
    np.testing.assert_allclose(Smoother(**word).fit_transform(table)[:, :, 0], ewa(table, **word), rtol=1e-12)


def test_sample_by_sample_gives_the_same_bits():
    x, model = noise(), Smoother([0.9, 0.98])
    whole = model.fit_transform(x)
    alone = Smoother([0.9, 0.98])
    assert np.isnan(alone.mean).all()
    for i, value in enumerate(x):
        assert np.array_equal(alone.learn_one(value).mean, whole[i])
    again = pickle.loads(pickle.dumps(alone))
    assert np.array_equal(again.learn_one(5.0).mean, alone.learn_one(5.0).mean)


def test_a_frame_has_a_column_for_each_series_and_decay():
    x = pd.DataFrame({"hall": noise(), "attic": noise(seed=2)})
    found = Smoother([0.9, 0.98]).fit_transform(x)
    assert list(found) == [("hall", "0.9"), ("hall", "0.98"), ("attic", "0.9"), ("attic", "0.98")]
    np.testing.assert_allclose(found["attic", "0.98"], x["attic"].ewm(alpha=0.02).mean(), rtol=1e-12)
    assert Smoother().fit(x).mean.shape == (2, 1)


def test_more_words_than_one_are_refused():
    with pytest.raises(ValueError, match="expected one of beta, window"):
        Smoother(0.9, window=3)
