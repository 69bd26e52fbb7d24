"""Models survive the disk, whole; what is damaged, newer or something else is told."""

from itertools import pairwise

import numpy as np
import pytest

from ewad.engine import ModelSettings
from ewad.errors import StateError
from ewad.numeric.experts import GRADIENT_EXPERTS
from ewad.store.model_file import VERSION, TrainedModel, load, save

MODELS = {
    "linear": TrainedModel("linear", 3, (1, 6), (), np.arange(8.0)),
    "network": TrainedModel("network", 3, (1,), (4,), np.arange(21.0)),
}
SEASONAL = TrainedModel("linear", 3, (1,), (), np.arange(23.0), "full", recalls=True)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model"


@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_back_as_it_was(path, name):
    save(MODELS[name], path)
    model, other = load(path), MODELS[name]
    assert (model.expert, model.lags, model.horizons, model.hidden) == (name, 3, other.horizons, other.hidden)
    np.testing.assert_array_equal(model.theta, other.theta)


def test_a_model_that_sees_a_season_before_starts_its_like_alone(path):
    save(SEASONAL, path)
    settings = ModelSettings("m", experts=("linear", "seasonal_naive"), lags=3, features="full")
    assert load(path).theta_for(settings).tolist() == SEASONAL.theta.tolist()
    message = r"^model m: experts: trained with seasonal_naive .* configured without: linear$"
    with pytest.raises(StateError, match=message):
        load(path).theta_for(ModelSettings("m", lags=3, features="full"))


@pytest.mark.parametrize("expert", ["linear", "network"])
def test_a_model_that_does_not_see_a_season_before_starts_one_that_does_and_says_the_same(expert):
    lags, horizons, hidden = 3, (1, 6), (4, 2)
    n_x, rng = lags + 11, np.random.default_rng(1)
    shape, wide = (GRADIENT_EXPERTS[expert](n, len(horizons), hidden) for n in (n_x, n_x + 8))
    theta = rng.normal(size=shape.n_params)
    model = TrainedModel(expert, lags, horizons, hidden if expert == "network" else (), theta, "full")
    seasonal = {"experts": (expert, "seasonal_naive"), "hidden": hidden, "features": "full"}
    widened = model.theta_for(ModelSettings("m", lags=lags, horizons=horizons, **seasonal))
    assert widened.shape == (wide.n_params,)
    x, layers = rng.normal(size=n_x), hidden if expert == "network" else ()
    seen = np.concatenate([x[:2], rng.normal(size=8), x[2:]])
    said = naive_forecast(theta, [n_x, *layers, len(horizons)], x)
    np.testing.assert_allclose(naive_forecast(widened, [n_x + 8, *layers, len(horizons)], seen), said)


def naive_forecast(theta, sizes, x):
    """Return what a model says: relu layers of (W, b), the linear one with W transposed."""
    at = 0
    for i, (n, m) in enumerate(pairwise(sizes)):
        W, at = theta[at : at + n * m], at + n * m
        b, at = theta[at : at + m], at + m
        x = (W.reshape(n, m).T if len(sizes) == 2 else W.reshape(m, n)) @ x + b
        x = np.maximum(x, 0.0) if i < len(sizes) - 2 else x
    return x


def test_a_file_is_written_under_its_own_name_and_leaves_no_other(path):
    save(MODELS["linear"], path)
    save(MODELS["network"], path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model"]
    assert load(path).expert == "network"


def test_a_model_starts_one_of_its_own_settings():
    theta = MODELS["linear"].theta_for(ModelSettings(experts=("linear",), lags=3, horizons=(1, 6)))
    np.testing.assert_array_equal(theta, MODELS["linear"].theta)
    assert not np.shares_memory(theta, MODELS["linear"].theta)
    MODELS["network"].theta_for(ModelSettings(experts=("network",), lags=3, horizons=(1,), hidden=(4,)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lags": 4}, "model m: lags: trained with 3, configured as 4"),
        ({"horizons": (6, 1)}, "horizons: trained with"),
        ({"experts": ("network",)}, "expert: trained with linear, configured as network"),
    ],
)
def test_a_model_starts_no_other(settings, message):
    with pytest.raises(StateError, match=message):
        MODELS["linear"].theta_for(ModelSettings("m", **{"lags": 3, "horizons": (1, 6), **settings}))


def test_a_file_that_is_missing_or_not_to_be_written_is_told(tmp_path):
    with pytest.raises(StateError, match="can't read the model: No such file"):
        load(tmp_path / "none")
    with pytest.raises(StateError, match="can't write the model"):
        save(MODELS["linear"], tmp_path / "no folder" / "model")


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 broken"], ids=["empty", "text", "broken"])
def test_a_file_of_something_else_is_told(path, content):
    path.write_bytes(content)
    with pytest.raises(StateError, match="expected a model of ewad, got a damaged or other file"):
        load(path)


def test_an_archive_of_something_else_is_told(path):
    with path.open("wb") as file:
        np.savez(file, temperatures=np.zeros(3))
    with pytest.raises(StateError, match=r"expected a model of ewad, got an archive of \['temperatures'\]"):
        load(path)


def test_pickled_objects_are_never_read(path):
    with path.open("wb") as file:
        np.savez(file, format=np.array([object()], dtype=object))
    with pytest.raises(StateError, match="damaged or other file"):
        load(path)


def test_damage_at_any_byte_is_told_or_harmless(path):
    save(MODELS["linear"], path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            model = load(path)
        except StateError:
            continue
        np.testing.assert_array_equal(model.theta, MODELS["linear"].theta)
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(StateError):
            load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": VERSION + 1}, f"made by a newer ewad: version {VERSION + 1}, this one reads up to"),
        ({"theta": np.zeros(5)}, "the model is damaged: theta: expected 8 finite numbers"),
        ({"theta": np.full(8, np.nan)}, "theta: expected 8 finite numbers"),
        ({"expert": "oracle"}, 'expected a known expert and scale, got "oracle"'),
        ({"scale": "furlong"}, 'got "linear", "furlong"'),
        ({"lags": "three"}, "the model is damaged"),
        ({"horizons": None}, "the model is damaged"),
    ],
)
def test_a_model_that_makes_no_sense_is_told(path, changes, message):
    save(MODELS["linear"], path)
    with np.load(path) as archive:
        arrays = {**archive, **changes}
    arrays = {name: value for name, value in arrays.items() if value is not None}
    with path.open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(StateError, match=message):
        load(path)
