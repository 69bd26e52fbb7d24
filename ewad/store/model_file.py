"""A trained model as a file: a NumPy .npz archive, versioned, without pickle.

Its arrays, by name:
format, version   "ewad-model", 1
expert            "linear" or "network"
lags, horizons    what it sees and forecasts, in samples: X holds the last `lags` differences of a stream,
                  newest last, Y the changes from the last value to those `horizons` samples later
hidden            units of the network's hidden layers (relu); empty for "linear"
theta             the parameters, flat, float64, as that expert of numeric/experts.py lays them out:
                  linear: (W, b) as (lags + 1, n_horizons), row by row; network: W[1], b[1], W[2], b[2], ...
                  with W[l] of (n[l], n[l-1])
features          "lags" or "full", see ModelSettings; of "full" the lags have others beside them
recalls           whether those of a season before are among these
scale             the unit of X and Y: "rms-difference" - the stream's own root mean square difference so far,
                  exponentially weighted, beta 0.9999
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ewad.engine import Engine, ModelSettings
from ewad.engine.features import FIRST_SLOT, N_SLOT, n_features
from ewad.errors import ConfigError, StateError
from ewad.kernels.memory import Floats
from ewad.numeric.experts import GRADIENT_EXPERTS

FORMAT = "ewad-model"
VERSION = 1
SCALE = "rms-difference"


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """What a forecaster needs to start from; the names are those of ModelSettings.

    recalls: whether the features have those of a season before.
    """

    expert: str
    lags: int
    horizons: tuple[int, ...]
    hidden: tuple[int, ...]
    theta: Floats
    features: str = "lags"
    recalls: bool = False

    def theta_for(self, settings: ModelSettings) -> Floats:
        """Return theta: (n_params,) for a model of these settings. Raises StateError if they differ.

        A model that does not see a season before starts one that does: with weights of zero for it.
        """
        hidden = settings.hidden if settings.expert == "network" else ()
        for name, mine, theirs in (
            ("expert", self.expert, settings.expert),
            ("lags", self.lags, settings.lags),
            ("horizons", self.horizons, settings.horizons),
            ("hidden", self.hidden, hidden),
            ("features", self.features, settings.features),
        ):
            if mine != theirs:
                raise StateError(
                    f"model {settings.name}: {name}: trained with {mine}, configured as {theirs}"
                )
        if self.recalls and not settings.recalls:
            raise StateError(
                f"model {settings.name}: experts: trained with seasonal_naive among them, and so to see a "
                f"season before; configured without: {', '.join(settings.experts)}"
            )
        return self.theta.copy() if self.recalls == settings.recalls else self._widened()

    def _widened(self) -> Floats:
        """Return theta for features that have those of a season before as well."""
        n_x = n_features(self.lags, self.features)
        if self.expert == "linear":
            return np.insert(self.theta.reshape(n_x + 1, -1), [FIRST_SLOT] * N_SLOT, 0.0, axis=0).ravel()
        first = self.hidden[0] * n_x
        weights = np.insert(self.theta[:first].reshape(-1, n_x), [FIRST_SLOT] * N_SLOT, 0.0, axis=1)
        return np.concatenate([weights.ravel(), self.theta[first:]])


def save(model: TrainedModel, path: Path) -> None:
    """Write the model, whole or not at all. Raises StateError where that fails."""
    arrays: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "expert": model.expert,
        "lags": model.lags,
        "horizons": np.array(model.horizons, dtype=np.int64),
        "hidden": np.array(model.hidden, dtype=np.int64),
        "theta": model.theta,
        "scale": SCALE,
        "features": model.features,
        "recalls": model.recalls,
    }
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with unfinished.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise StateError(f"{path}: can't write the model: {error.strerror or error}") from error


def load(path: Path) -> TrainedModel:
    """Read a model. Raises StateError for a file that is missing, damaged, newer, or no model at all."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except OSError as error:
        raise StateError(f"{path}: can't read the model: {error.strerror or error}") from error
    except Exception as error:  # damage shows in as many ways as there are fields in a zip archive
        raise StateError(
            f"{path}: expected a model of ewad, got a damaged or other file ({error})"
        ) from error
    if "format" not in arrays or str(arrays["format"]) != FORMAT:
        raise StateError(f"{path}: expected a model of ewad, got an archive of {sorted(arrays) or 'nothing'}")
    try:
        version = int(arrays["version"])
        if version > VERSION:
            raise StateError(
                f"{path}: made by a newer ewad: version {version}, this one reads up to {VERSION}"
            )
        return _checked(arrays, path)
    except (KeyError, TypeError, ValueError) as error:
        raise StateError(f"{path}: the model is damaged: {error}") from error


def start_models(engine: Engine) -> None:
    """Start the models that are set to from their files. Raises ConfigError for one that does not fit."""
    for group in engine.groups:
        if group.forecaster is not None and group.forecaster.settings.start_from is not None:
            path = Path(group.forecaster.settings.start_from)
            try:
                theta = load(path).theta_for(group.forecaster.settings)
            except StateError as error:
                raise ConfigError(f"model.{group.forecaster.settings.name}.start_from: {error}") from error
            group.forecaster.learner.start_from(theta)


def _checked(arrays: dict[str, Any], path: Path) -> TrainedModel:
    model = TrainedModel(
        str(arrays["expert"]),
        int(arrays["lags"]),
        tuple(int(horizon) for horizon in arrays["horizons"]),
        tuple(int(units) for units in arrays["hidden"]),
        np.asarray(arrays["theta"], dtype=np.float64),
        str(arrays.get("features", "lags")),  # models of before there were others
        bool(arrays.get("recalls", False)),
    )
    if model.features not in ("lags", "full"):
        raise StateError(f'{path}: expected features "lags" or "full", got "{model.features}"')
    if model.expert not in GRADIENT_EXPERTS or str(arrays["scale"]) != SCALE:
        raise StateError(
            f'{path}: expected a known expert and scale, got "{model.expert}", "{arrays["scale"]}"'
        )
    n_x = n_features(model.lags, model.features, model.recalls)
    expected = GRADIENT_EXPERTS[model.expert](n_x, len(model.horizons), model.hidden).n_params
    if model.theta.shape != (expected,) or not np.isfinite(model.theta).all():
        raise StateError(f"{path}: the model is damaged: theta: expected {expected} finite numbers")
    return model
