"""[model.NAME]: a model; its keys are those of the engine's record, and those of every optimizer."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import Any

from ewad.config import checks, files, kinds
from ewad.config.checks import fail
from ewad.config.kinds import Kind
from ewad.config.options import DocumentPlace, Option, Table, options_of
from ewad.engine import MAX_HELD, ModelSettings
from ewad.engine.settings import auto
from ewad.numeric.experts import EXPERTS
from ewad.numeric.optimizers import OPTIMIZERS, Optimizer
from ewad.numeric.schedules import SCHEDULES, Schedule

AUTO = "auto"  # a model that every [[stream]] block may name


def _horizons(value: Any) -> tuple[int, ...]:
    horizons: tuple[int, ...] = HORIZON_LIST(value)
    if list(horizons) != sorted(horizons):
        raise fail(f"expected them ascending, got {list(horizons)}")
    return horizons


def _schedule(value: Any) -> Schedule:
    if not isinstance(value, dict) or "kind" not in value:
        raise fail(f'expected a table such as {{ kind = "constant" }}, got {checks.shown(value)}')
    kind = checks.each([("kind", lambda: kinds.choice(*SCHEDULES)(value["kind"]))])[0]
    options = list(options_of(SCHEDULES[kind]))
    keys = {"kind": kinds.text, **{option.key: option.kind for option in options}}
    constants = checks.table(value, keys, ("rates",) if "rates" in keys else ())
    del constants["kind"]
    return SCHEDULES[kind](**constants)


def _schedule_schema() -> dict[str, Any]:
    forms = []
    for name, schedule in SCHEDULES.items():
        constants = {option.key: option.kind.schema for option in options_of(schedule)}
        properties = {"kind": {"const": name}, **constants}
        forms.append({"properties": properties, "required": ["kind"], "additionalProperties": False})
    return {"type": "object", "oneOf": forms}


def _written_schedule(schedule: Schedule) -> dict[str, Any]:
    kind = type(schedule)
    name = next(name for name, each in SCHEDULES.items() if each is kind)
    return {"kind": name, **{option.key: option.written(schedule) for option in options_of(kind)}}


HORIZON_LIST = kinds.one_or_list_of(kinds.integer(1, 1000))
HORIZONS = dataclasses.replace(HORIZON_LIST, take=_horizons)
SCHEDULE = Kind(_schedule, 'table { kind = "...", ... }', _schedule_schema(), _written_schedule)
OPTIMIZER = kinds.choice(*OPTIMIZERS)
EXPERT = kinds.choice(*EXPERTS)


def _constants() -> Iterator[Option]:
    """Yield the keys of all optimizers, each once."""
    told: set[str] = set()
    for optimizer in OPTIMIZERS.values():
        for option in options_of(optimizer):
            if option.key not in told:
                told.add(option.key)
                users = [each for each, kind in OPTIMIZERS.items() if hasattr(kind(), option.key)]
                text = f"Of {', '.join(users)}. {option.text}"
                yield dataclasses.replace(option, text=text, of=_constant(option.key))


def _constant(key: str) -> Any:
    return lambda model: getattr(model.optimizer, key, None)


def _name(optimizer: Optimizer) -> str:
    return next(name for name, kind in OPTIMIZERS.items() if kind is type(optimizer))


# attribute -> options, of those that a range and a text don't say
FURTHER: dict[str, list[Option]] = {
    "experts": [
        Option(
            kinds.one_or_list_of(EXPERT),
            "The experts whose forecasts are mixed by their track record.",
            example=["persistence", "linear", "network"],
            default_text="all that apply",
        )
    ],
    "hidden": [
        Option(
            kinds.one_or_list_of(kinds.integer(1, 4096), repeats=True),
            "The units of each hidden layer of the network.",
        )
    ],
    "horizons": [
        Option(HORIZONS, "How many samples ahead to forecast; with every, grid steps ahead.", example=[1, 24])
    ],
    "optimizer": [
        Option(OPTIMIZER.into(lambda name: OPTIMIZERS[name](), _name), "What moves the parameters."),
        *_constants(),
    ],
    "schedule": [
        Option(
            SCHEDULE,
            "How the learning rate falls; each kind has constants of its own, see below.",
            example={"kind": "exponential", "base": 0.95},
        )
    ],
    "start_from": [Option(kinds.text, "A file that `ewad train -o` wrote: the parameters to start from.")],
}


def _options() -> Iterator[Option]:
    simple = {option.attribute: option for option in options_of(ModelSettings)}
    usual = ModelSettings()
    for field in dataclasses.fields(ModelSettings):
        if field.name in simple:
            option = simple[field.name]
            if field.name == "resample":  # means nothing without a grid
                option = dataclasses.replace(option, of=lambda m: m.resample if m.every_seconds else None)
            yield option
        for option in FURTHER.get(field.name, ()):
            yield option if option.key else option.placed(field.name, getattr(usual, field.name))


MODEL = Table(
    "[model.NAME]",
    "A model, for blocks that name it. Without experts it needs no tuning, and other keys default as in"
    ' the model "auto": share = "stream", features = "full", lags = 60, interval = 0.9, batch_size = 8,'
    " learning_rate = 0.005, a constant schedule.",
    tuple(_options()),
)
CONSTANTS = {option.key for option in _constants()}


def models(raw: Any, place: DocumentPlace, streams: Table) -> dict[str, ModelSettings]:
    """Return the models of the [model.NAME] tables, by name. Raises Invalid."""
    if not isinstance(raw, dict) or any(not isinstance(item, dict) for item in raw.values()):
        raise fail("expected [model.NAME] tables")
    tables = (
        (name, partial(MODEL.take, item, partial(_model, name, place), streams)) for name, item in raw.items()
    )
    return {model.name: model for model in checks.each(tables)}


def _model(name: str, place: DocumentPlace, values: dict[str, Any]) -> ModelSettings:
    every = values.get("every_seconds")
    if "resample" in values and every is None:
        raise fail('needs every in the same table, such as every = "1m"', "resample")
    if every is not None and values.get("max_gap_seconds", 0.0) > MAX_HELD * every:
        raise fail(f"expected at most {MAX_HELD} times every", "max_gap")
    if "start_from" in values:
        step = ("start_from", partial(files.readable, place.base, values["start_from"]))
        values["start_from"] = str(checks.each([step])[0])
    optimizer = values.pop("optimizer", ModelSettings().optimizer)
    # a constant that this optimizer lacks stays unused: the optimizer is the key that people vary
    constants = {key: values.pop(key) for key in CONSTANTS & values.keys()}
    own = {field.name for field in dataclasses.fields(optimizer)}
    used = {key: value for key, value in constants.items() if key in own}
    values["optimizer"] = dataclasses.replace(optimizer, **used)
    model = ModelSettings(name, **values) if "experts" in values else auto(name, **values)
    if "seasonal" in model.experts and model.features != "full":
        raise fail('expected features = "full" beside "seasonal", got "lags"', "experts")
    return model
