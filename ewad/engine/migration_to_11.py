"""Dumps of version 10 in the form of version 11. What is written here never changes again.

Experts that see all features see the slots of a season before as well; rings of values and waiting examples
are kept in single precision, what is remembered of days and weeks in half as many bins.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine.settings import RECALLS, ModelSettings
from ewad.numeric.experts import NEAR, RECURSIVE_EXPERTS

Arrays = dict[str, NDArray[Any]]  # of a part, by name

FIRST, N_SLOTS = 2, 8  # the columns of the slots, between the week's and the lags
LINEAR = ("linear", "rls")
NETWORKS = ("network", NEAR)
LONGEST, WEEK, BEYOND = 1440, 7, 3  # of rings of values: samples
N_BEFORE, N_NOW = 1010, 506  # bins


class OfVersion10(ModelSettings):
    """A model whose experts see nothing of a season before."""

    @property
    def recalls(self) -> bool:
        """None does."""
        return False


def of_version_10(model: ModelSettings | None) -> ModelSettings | None:
    """Return a model as version 10 knew it."""
    if model is None:
        return None
    return OfVersion10(**{each.name: getattr(model, each.name) for each in dataclasses.fields(model)})


def from_version_10(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], models: Mapping[str, ModelSettings | None]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 11. models: by their group's name.

    Models begin with weights of zero for what they have not seen so far: they forecast as they did.
    """
    groups: list[dict[str, Any]] = []
    moved: dict[str, NDArray[Any]] = {}
    for i, entry in enumerate(header["groups"]):
        contents = [_content(f"{i}/{j}/", arrays) for j in range(len(entry["parts"]))]
        count = next((content["count"] for content in contents if "history" in content), None)
        model = models.get(entry["name"])
        parts = []
        for j, ((kind, meaning), content) in enumerate(zip(entry["parts"], contents, strict=True)):
            if kind == "season" and count is not None:
                content = _ring(content, count, meaning)
            if kind == "slots":
                content = _bins(content)
            if kind == "mini-batch" and "x" in content:
                content = _waiting(content)
            if model is not None and model.recalls:
                meaning, content = _recalling(kind, meaning, content, model)
            parts.append((kind, meaning))
            moved |= {f"{i}/{j}/{name}": array for name, array in content.items()}
        groups.append(entry | {"parts": parts})
    return header | {"groups": groups}, moved


def _content(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name[len(prefix) :]: arrays[name] for name in arrays if name.startswith(prefix)}


def _ring(content: Arrays, count: NDArray[np.int64], meaning: str) -> Arrays:
    """Return a ring of values in single precision, off the newest, with room for what lies beyond a season.

    count: (n,) samples of each stream so far.
    """
    before = content["ring"]
    size = before.shape[1]
    found = re.match(r"season=(\d+)", meaning)
    longest = max(size, min(WEEK * size, LONGEST)) if found else LONGEST
    newest = count[:, None] - 1
    numbers = newest - (newest - np.arange(size)) % size  # of the samples that are there
    base = np.where(count > 0, np.take_along_axis(before, newest % size, axis=1)[:, 0], np.nan)
    ring = np.full((len(before), longest + BEYOND), np.nan, dtype=np.float32)
    row, place = np.nonzero(numbers >= 0)
    kept = before[row, place] - base[row]
    ring[row, numbers[row, place] % ring.shape[1]] = np.where(np.abs(kept) < 1e38, kept, np.nan)
    return content | {"ring": ring, "base": base}


def _bins(content: Arrays) -> Arrays:
    """Return what the slots remember, in fewer bins where a period has more than there are now."""
    before, head, period = content["kept"], content["head"], content["period"]
    every = content["every"][:, None]
    width, wider = (np.maximum(every, period / (n - 2)) for n in (N_BEFORE, N_NOW))
    known = (period > 0.0) & (width > 0.0)
    ratio = np.divide(wider, width, out=np.ones_like(width), where=known)
    newest = np.floor(head / ratio + 0.5)
    bins = newest[..., None] - np.arange(N_NOW)
    theirs = np.floor(bins * ratio[..., None] + 0.5)
    there = known[..., None] & (bins >= 0.0) & (theirs <= head[..., None])
    there &= theirs > head[..., None] - N_BEFORE
    at, to = ((np.where(there, each, 0.0).astype(np.int64)) for each in (theirs % N_BEFORE, bins % N_NOW))
    kept = np.full((*before.shape[:2], N_NOW, before.shape[3]), np.nan, dtype=np.float32)
    row, which, place = np.nonzero(there)
    kept[row, which, to[row, which, place]] = before[row, which, at[row, which, place]]
    filled = np.where(ratio == 1.0, content["filled"], np.minimum(content["filled"], 1.0))
    return content | {"kept": kept, "head": np.where(known, newest, head), "filled": filled}


def _waiting(content: Arrays) -> Arrays:
    """Return waiting examples in single precision."""
    x, y = (content[name].astype(np.float32) for name in ("x", "y"))
    return {"waiting_x": x, "waiting_y": y, "collected": content["collected"]}


def _recalling(kind: str, meaning: str, content: Arrays, model: ModelSettings) -> tuple[str, Arrays]:
    """Return a part of a model whose experts see the slots too, with nothing known of them."""
    if kind == "context":
        context = content["context"]
        nothing = np.zeros((*context.shape[:2], N_SLOTS))
        return f"{meaning}{RECALLS}", content | {"context": np.concatenate([context, nothing], axis=2)}
    every = {name: (name,) for name in model.experts} | {"+".join(model.experts): model.experts}
    layouts = {model.layout_of(name): experts for name, experts in every.items()}
    for layout, experts in layouts.items():
        before = layout.removesuffix(RECALLS)
        if before not in meaning:
            continue
        widen = _widening(model, experts[0] if len(experts) == 1 else "")
        wide = {name: widen(name, array) for name, array in content.items()}
        return meaning.replace(before, layout), wide
    return meaning, content


def _widening(model: ModelSettings, expert: str) -> Callable[[str, NDArray[Any]], NDArray[Any]]:
    """Return what widens an array of an expert, "": of what several have together, by its name."""
    n_y = 1 if expert == NEAR else len(model.horizons)
    units = (model.hidden[0] + 1) // 2 if expert == NEAR else model.hidden[0]

    def widen(name: str, array: NDArray[Any]) -> NDArray[Any]:
        if name == "waiting_x":
            return _inserted(array, 2)
        if name == "covariance" and expert == "rls":
            return _widened_covariance(array, 1.0 / RECURSIVE_EXPERTS[expert])
        if name == "theta" and expert == "rls":
            return _inserted(array, 1)
        if name not in ("theta", "moment_0", "moment_1", "gradient_sum") or array.ndim == 1:
            return array
        if expert == "linear":
            return _inserted(array.reshape(len(array), -1, n_y), 1).reshape(len(array), -1)
        if expert in NETWORKS:
            seen = model.lags + 11
            first = array[:, : units * seen].reshape(len(array), units, seen)
            return np.concatenate(
                [_inserted(first, 2).reshape(len(array), -1), array[:, units * seen :]], axis=1
            )
        return array

    return widen


def _inserted(array: NDArray[Any], axis: int) -> NDArray[Any]:
    """Return an array with zeros where the slots are."""
    zeros = np.zeros((*array.shape[:axis], N_SLOTS, *array.shape[axis + 1 :]), dtype=array.dtype)
    before, behind = np.split(array, [FIRST], axis=axis)
    return np.concatenate([before, zeros, behind], axis=axis)


def _widened_covariance(triangles: NDArray[np.float64], variance: float) -> NDArray[np.float64]:
    """Return lower triangles, row by row, of matrices that know nothing of the slots."""
    n = round((8 * triangles.shape[1] + 1) ** 0.5 - 1) // 2
    wide = n + N_SLOTS
    kept, slots = np.r_[0:FIRST, FIRST + N_SLOTS : wide], np.arange(FIRST, FIRST + N_SLOTS)
    row, column = (kept[each] for each in np.tril_indices(n))
    widened = np.zeros((len(triangles), wide * (wide + 1) // 2))
    widened[:, row * (row + 1) // 2 + column] = triangles
    widened[:, slots * (slots + 3) // 2] = variance
    return widened
