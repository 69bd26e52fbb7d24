"""Dumps of a version in the form of the next. What is written here never changes again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ewad.engine.features import columns, n_columns
from ewad.engine.settings import ModelSettings
from ewad.numeric.experts import GRADIENT_EXPERTS, RECURSIVE_EXPERTS

STREAMS = ("count", "time", "seen", "value")
AVERAGE = ("weight", "pairs", "mean", "scatter")
SCORES = ("forecast", "squared_error", "squared_change")
OF_VERSION_7 = ("near_network", "stack")
EXPERTS = re.compile(r", share=\w+, ([\w+]+), lags=")  # of a layout
UNFINISHED = ("gradient_sum", "squares", "collected")
Arrays = dict[str, NDArray[Any]]  # of a part, by name


def from_version_1(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], models: Mapping[str, ModelSettings | None]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 2.

    Version 1 did not say what a model is called: models, by their group's name, do.
    """
    groups: list[dict[str, Any]] = []
    moved: dict[str, NDArray[Any]] = {}
    for i, entry in enumerate(header["groups"]):
        model = models.get(entry["name"])
        parts = _parts(entry["layout"], "" if model is None else model.name, i, arrays)
        groups.append(entry | {"topics": [], "parts": [(kind, meaning) for kind, meaning, _ in parts]})
        for j, (_, _, content) in enumerate(parts):
            moved |= {f"{i}/{j}/{name}": array for name, array in content.items()}
    return header | {"groups": groups}, moved


def from_version_2(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 3.

    The scale now keeps more of a stream. The seasonal expert sees a lag less: what it knew fits no more.
    """
    groups: list[dict[str, Any]] = []
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        parts = []
        for j, (kind, meaning) in enumerate(entry["parts"]):
            gone = kind in ("parameters", "mini-batch") and ", seasonal, " in meaning
            parts.append((kind, f"{meaning}, of version 2" if gone else meaning))
            if kind == "scale":
                moved |= _followed(f"{i}/{j}/", arrays)
        groups.append(entry | {"parts": parts})
    return header | {"groups": groups}, moved


def from_version_3(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 4.

    Averages are of the level relative to the first value. The calibration keeps more of what came, and when a
    stream began; what it did not keep is filled in as if it had come evenly.
    """
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        places = {kind: f"{i}/{j}/" for j, (kind, _) in enumerate(entry["parts"])}
        if "context" in places:
            context, steady = places["context"], arrays[places["scale"] + "steady"]
            origin = np.where(np.isnan(arrays[context + "origin"]), steady, arrays[context + "origin"])
            moved[context + "level"] = steady - origin
            moved[context + "sums"] = arrays[context + "sums"] - origin[:, None] * arrays[context + "weights"]
        if "calibration" in places:
            record = arrays[places["calibration"] + "record"]
            promised, came, agreed, weight = (record[:, :, i] for i in range(4))
            spread = promised * came / np.maximum(weight, 1.0)
            moved[places["calibration"] + "record"] = np.stack(
                [promised, came, agreed, spread, weight, promised, agreed], axis=1
            )
            moved[places["calibration"] + "began"] = np.full(len(record), np.nan)
    return header, moved


def from_version_4(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 5.

    The scale keeps the sizes of moves too: as if they had been normal. The calibration counts who was nearer.
    """
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        for j, (kind, _) in enumerate(entry["parts"]):
            if kind == "scale":
                square, weight = (arrays[f"{i}/{j}/{name}"] for name in ("square", "weight"))
                moved[f"{i}/{j}/size"] = np.sqrt(square) * np.sqrt(weight) * math.sqrt(2.0 / math.pi)
            if kind == "calibration":
                record = arrays[f"{i}/{j}/record"]
                moved[f"{i}/{j}/record"] = np.concatenate([record, np.zeros_like(record[:, :1])], axis=1)
    return header, moved


def from_version_5(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 6.

    What is pending lies side by side: what each expert said, and their mixture, with the forecast;
    half-widths beside them. Of a symmetric matrix the lower triangle is kept.
    """
    groups: list[dict[str, Any]] = []
    moved: dict[str, NDArray[Any]] = {}
    for i, entry in enumerate(header["groups"]):
        prefixes = {(kind, meaning): f"{i}/{j}/" for j, (kind, meaning) in enumerate(entry["parts"])}
        parts: list[tuple[str, str]] = []
        for (kind, meaning), prefix in prefixes.items():
            first = meaning.split(" of ")[0]
            if kind == "pending" and first in ("experts", "mixture"):
                continue
            mine = {name[len(prefix) :]: arrays[name] for name in arrays if name.startswith(prefix)}
            if kind == "pending" and first.startswith("coverage "):
                mine = {"widths": mine["forecasts"]}
            elif kind == "pending":
                mine = {"forecasts": _side_by_side(prefixes, meaning, arrays)}
            if "covariance" in mine:
                rows, columns = np.tril_indices(mine["covariance"].shape[1])
                mine["covariance"] = mine["covariance"][:, rows, columns]
            moved |= {f"{i}/{len(parts)}/{name}": array for name, array in mine.items()}
            parts.append((kind, meaning))
        groups.append(entry | {"parts": parts})
    return header | {"groups": groups}, moved


def from_version_6(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], models: Mapping[str, ModelSettings | None]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 7.

    A model that needs no tuning has further experts, behind those that it had: they have said nothing yet,
    and are counted as far off as the worst of the others. models: by their group's name.
    """
    groups: list[dict[str, Any]] = []
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        model = models.get(entry["name"])
        added = () if model is None else tuple(name for name in model.experts if name in OF_VERSION_7)
        if model is None or model.experts[len(model.experts) - len(added) :] != added:
            groups.append(entry)
            continue
        before = replace(model, experts=model.experts[: len(model.experts) - len(added)]).layout
        parts = []
        for j, (kind, meaning) in enumerate(entry["parts"]):
            parts.append((kind, meaning.replace(before, model.layout)))
            if parts[-1][1] != meaning and kind in ("pending", "track record"):
                moved |= _with_experts(f"{i}/{j}/", arrays, len(added))
        groups.append(entry | {"parts": parts})
    return header | {"groups": groups}, moved


def from_version_7(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 8.

    The stack and the network of the nearest horizon see and are something else, and errors are remembered of
    fewer slots: what they knew fits no more, and what they said says nothing of them. The track record has a
    quick one beside it, the calibration a range where each stream has been: both begin anew.
    """
    groups: list[dict[str, Any]] = []
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        parts = []
        for j, (kind, meaning) in enumerate(entry["parts"]):
            found, prefix = EXPERTS.search(meaning), f"{i}/{j}/"
            experts = found[1].split("+") if found else []
            learner = len(experts) == 1 and experts[0] in OF_VERSION_7
            gone = kind == "slots' errors" or (kind in ("parameters", "moments", "mini-batch") and learner)
            parts.append((kind, f"{meaning}, of version 7" if gone else meaning))
            if kind == "track record":
                moved |= _with_quick_record(prefix, arrays, experts)
            if kind == "calibration":
                nowhere = np.full((len(arrays[f"{prefix}began"]), 3), np.inf)
                moved |= {f"{prefix}low": nowhere, f"{prefix}high": -nowhere}
        groups.append(entry | {"parts": parts})
    return header | {"groups": groups}, moved


def from_version_8(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 9.

    What the slots remember is kept in single precision, levels as what they are off that of now.
    """
    moved = dict(arrays)
    for i, entry in enumerate(header["groups"]):
        for j, (kind, _) in enumerate(entry["parts"]):
            prefix = f"{i}/{j}/"
            if kind == "slots":
                base = arrays[f"{prefix}level"]
                kept = arrays[f"{prefix}kept"] - base[:, None, None, None]
                moved |= {f"{prefix}base": base, f"{prefix}kept": kept.astype(np.float32)}
            if kind == "slots' errors":
                moved[f"{prefix}errors"] = arrays[f"{prefix}errors"].astype(np.float32)
    return header, moved


def from_version_9(
    header: dict[str, Any], arrays: Mapping[str, NDArray[Any]], models: Mapping[str, ModelSettings | None]
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays in the form of version 10.

    Where least squares are among the experts, examples wait once for all of them until a mini-batch is full,
    and no gradients are summed up; nor are they where one example is a mini-batch. models: by their group's
    name.
    """
    groups: list[dict[str, Any]] = []
    moved: dict[str, NDArray[Any]] = {}
    for i, entry in enumerate(header["groups"]):
        parts = {
            (kind, meaning): {name: arrays[f"{i}/{j}/{name}"] for name in _names(f"{i}/{j}/", arrays)}
            for j, (kind, meaning) in enumerate(entry["parts"])
        }
        model = models.get(entry["name"])
        if model is not None and model.learnt_together == model.batch_size:
            parts = _learnt_together(parts, model)
        for j, content in enumerate(parts.values()):
            moved |= {f"{i}/{j}/{name}": array for name, array in content.items()}
        groups.append(entry | {"parts": list(parts)})
    return header | {"groups": groups}, moved


def _names(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> list[str]:
    return [name[len(prefix) :] for name in arrays if name.startswith(prefix)]


def _learnt_together(
    parts: dict[tuple[str, str], Arrays], model: ModelSettings
) -> dict[tuple[str, str], Arrays]:
    """Return the parts of a group with one mini-batch in place of one for each expert.

    They stay, and fit nothing any more, if one that kept examples is missing, or where experts by gradients,
    which kept none, see more of them. No example waits for a model where they had kept more and less.
    """
    size = f"batch_size={model.batch_size}"
    own = {name: ("mini-batch", f"{size}, {model.layout_of(name)}") for name in model.experts}
    squares = [name for name in model.experts if name in RECURSIVE_EXPERTS]
    unseen = set(GRADIENT_EXPERTS) & set(model.experts) and "rls" not in squares
    if model.batch_size > 1 and (unseen or not all(own[name] in parts for name in squares)):
        return parts
    left = {part: content for part, content in parts.items() if part not in own.values()}
    if model.batch_size == 1:
        return left
    kept = {name: parts[own[name]] for name in squares}
    y, collected = (kept[squares[0]][name] for name in ("waiting_y", "collected"))
    x = np.zeros((*y.shape[:2], n_columns(model)))
    for name, content in kept.items():
        sees = columns(model, name)
        x[:, :, sees.start : sees.stop] = content["waiting_x"][:, :, :-1]
        collected = np.where(collected == content["collected"], collected, 0)
    return left | {("mini-batch", f"{size}, {model.layout}"): {"x": x, "y": y, "collected": collected}}


def _with_quick_record(
    prefix: str, arrays: Mapping[str, NDArray[Any]], experts: list[str]
) -> dict[str, NDArray[Any]]:
    """Return a track record of version 8; experts of version 7 are as far off as the worst of the others."""
    record = arrays[f"{prefix}record"].copy()
    begun = [name in OF_VERSION_7 for name in experts]
    if any(begun) and record.size:
        record[..., begun] = record.max(axis=-1, keepdims=True)
    return {
        f"{prefix}record": record,
        f"{prefix}lately": np.zeros_like(record),
        f"{prefix}lately_weight": np.zeros_like(arrays[f"{prefix}weight"]),
    }


def _with_experts(prefix: str, arrays: Mapping[str, NDArray[Any]], n: int) -> dict[str, NDArray[Any]]:
    """Return what is pending, or a track record, with n experts more."""
    moved = {}
    if f"{prefix}forecasts" in arrays:
        pending = arrays[f"{prefix}forecasts"]
        nothing = np.full_like(pending[..., :1], np.nan)
        moved[f"{prefix}forecasts"] = np.concatenate([pending, *[nothing] * n], axis=-1)
    if f"{prefix}record" in arrays:
        record = arrays[f"{prefix}record"]
        worst = record.max(axis=-1, keepdims=True)
        moved[f"{prefix}record"] = np.concatenate([record, *[worst] * n], axis=-1)
    return moved


def _side_by_side(
    prefixes: Mapping[tuple[str, str], str], layout: str, arrays: Mapping[str, NDArray[Any]]
) -> NDArray[Any]:
    """Return forecast, last value, mixture and each expert's word, as far as there are these."""
    pending = arrays[prefixes["pending", layout] + "forecasts"]
    said = prefixes.get(("pending", f"experts of {layout}"))
    if said is None:
        return pending
    mixture, mixed = prefixes.get(("pending", f"mixture of {layout}")), np.full_like(pending[..., :1], np.nan)
    if mixture is not None:
        mixed = arrays[mixture + "forecasts"][..., :1]
    return np.concatenate([pending, mixed, arrays[said + "forecasts"]], axis=2)


def _followed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    steady, square, weight = (arrays[prefix + name] for name in ("steady", "square", "weight"))
    nothing = np.zeros(len(steady), dtype=np.int64)
    further = {
        "last": steady,
        "recent": square / np.maximum(weight, 1.0),
        "stayed": nothing,
        "returned": nothing,
    }
    return {prefix + name: array for name, array in further.items()}


def _parts(
    layout: list[str], model: str, group: int, arrays: Mapping[str, NDArray[Any]]
) -> list[tuple[str, str, dict[str, NDArray[Any]]]]:
    """Return kind, meaning and arrays of each part of a group of that layout."""

    def of(owner: str, *names: str) -> dict[str, NDArray[Any]]:
        return {name: arrays[f"{group}/{owner}/{name}"] for name in names}

    decays = [item for item in layout if item.startswith("By")]
    parts = [("streams", "", of("streams", *STREAMS))]
    parts += [("average", decay, of(f"average{i}", *AVERAGE)) for i, decay in enumerate(decays)]
    if len(layout) == len(decays):
        return parts
    share, expert, *shape, batch_size, optimizer = layout[len(decays) :]
    meaning = ", ".join([model, f"share={share}", expert, *shape])
    count = of("streams", "count")["count"]
    window = {"count": count, "position": count, **of("forecaster", "history")}
    square, weight = of("forecaster", "difference_square", "difference_weight").values()
    scale = {
        "steady": of("streams", "value")["value"],
        "square": square,
        "weight": weight,
        "streak": np.zeros(len(count), dtype=np.int64),
    }
    scores = of("forecaster", *SCORES)
    nothing = np.full_like(scores["forecast"], np.nan)
    scores |= {"lower": nothing, "upper": nothing}
    prefix = f"{group}/learner/"
    learner = {name.removeprefix(prefix): arrays[name] for name in arrays if name.startswith(prefix)}
    moments = {name: array for name, array in learner.items() if name.startswith("moment_")}
    unfinished = {name: learner[name] for name in UNFINISHED}
    kept = {name: array for name, array in learner.items() if name not in moments | unfinished}
    return [
        *parts,
        ("window", "", window),
        ("scale", "", scale),
        ("scores", meaning, scores),
        ("parameters", meaning, kept),
        ("moments", f"{optimizer}, {meaning}", moments),
        ("mini-batch", f"{batch_size}, {meaning}", unfinished),
    ]
