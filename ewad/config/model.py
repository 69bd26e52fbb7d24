"""[model.NAME]: a model; its keys are those of the engine's record, and those of every optimizer."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from ewad.config import checks, files, kinds
from ewad.config.checks import fail
from ewad.config.kinds import Kind
from ewad.config.options import DocumentPlace, Option, Table, options_of
from ewad.config.payloads import TIME_ZONE
from ewad.config.syntax import parse_external, quoted
from ewad.engine import MAX_HELD, ModelSettings
from ewad.engine.settings import auto, with_others
from ewad.numeric.experts import EXPERTS, EXTERNAL_EXPERTS, INPUTS, STACK
from ewad.numeric.local_time import LocalCalendar, holidays_of
from ewad.numeric.optimizers import OPTIMIZERS, Optimizer
from ewad.numeric.schedules import SCHEDULES, Schedule

MOST_INPUTS = 8  # each costs ten features, whose regression takes the square of their number
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


def _seasons(value: Any) -> tuple[float, ...]:
    seasons: tuple[float, ...] = SEASON_LIST(value)
    if list(seasons) != sorted(seasons):
        raise fail(f"expected them ascending, got {checks.shown(value)}")
    return seasons


def _input(name: str) -> None:
    """Raise ValueError unless it is a name of a stream."""
    rest = re.sub(r"\{[a-zA-Z_][a-zA-Z0-9_]*\}", "x", name)
    if not name or set(rest) & set("+#{}\0"):
        expected = 'expected the name of a stream, such as "weather/{room}/outdoor", without + and #'
        raise ValueError(f"{expected}, got {quoted(name)}")


def _calendar(value: Any) -> LocalCalendar:
    if not isinstance(value, dict):
        raise fail(f'expected a table such as {{ time_zone = "Europe/Berlin" }}, got {checks.shown(value)}')
    return LocalCalendar(
        **checks.table(value, {"time_zone": TIME_ZONE, "holidays": HOLIDAYS}, ("time_zone",))
    )


def _holidays(value: Any) -> str:
    place = kinds.text(value)
    try:
        holidays_of(place)
    except ValueError as error:
        raise fail(str(error)) from error
    except ImportError as error:
        raise fail("expected the package holidays, found none: pip install 'ewad[holidays]'") from error
    return str(place)


def _written_calendar(calendar: LocalCalendar) -> dict[str, str]:
    holidays = {"holidays": calendar.holidays} if calendar.holidays else {}
    return {"time_zone": calendar.time_zone, **holidays}


HOLIDAYS = Kind(_holidays, "country, or country and part", {"type": "string", "minLength": 1})
CALENDAR = Kind(
    _calendar,
    'table { time_zone = "...", holidays = "..." }',
    {
        "type": "object",
        "properties": {"time_zone": TIME_ZONE.schema, "holidays": HOLIDAYS.schema},
        "required": ["time_zone"],
        "additionalProperties": False,
    },
    _written_calendar,
)
INPUT = kinds.checked(_input, "name of a stream, which may have labels in braces")
SEASON_LIST = kinds.list_of(kinds.duration("1s", "3660d"))
SEASONS = dataclasses.replace(SEASON_LIST, take=_seasons)
EXTERNAL_LIST = kinds.list_of(
    kinds.checked(parse_external, "topic with {stream}, or labels of the stream"), most=len(EXTERNAL_EXPERTS)
)
INPUT_LIST = kinds.list_of(INPUT, most=MOST_INPUTS)
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
    "seasons": [
        Option(
            SEASONS,
            "The periods whose slots the stack remembers; without it those of season, or the two shortest of"
            " a day, a week and a year that have two samples.",
            example=["1d", "7d"],
            since="0.2.0",
        )
    ],
    "calendar": [
        Option(
            CALENDAR,
            "The place whose local time, with its changes, days and weeks follow; a holiday there is like a"
            " Sunday. Without it they are those of UTC.",
            example={"time_zone": "Europe/Berlin", "holidays": "DE"},
            since="0.2.0",
        )
    ],
    "inputs": [
        Option(
            INPUT_LIST,
            "Streams of the same block whose last values help to forecast the others, by name, which may have"
            " labels in braces.",
            example=["weather/{room}/outdoor"],
            since="0.2.0",
        )
    ],
    "external": [
        Option(
            EXTERNAL_LIST,
            "Topics of forecasts that others make, a list of `{time, value}` each: they are scored and mixed"
            " like those of an expert. `{stream}` is the name of a stream.",
            example=["forecast/{stream}"],
            since="0.2.0",
        )
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
    ' the model "auto": share = "stream", features = "full", hidden = [8], interval = 0.9, batch_size = 8,'
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
    if "experts" in values:
        values["experts"] = with_others(values["experts"], values)
    model = ModelSettings(name, **values) if "experts" in values else auto(name, **values)
    if "seasonal" in model.experts and model.features != "full":
        raise fail('expected features = "full" beside "seasonal", got "lags"', "experts")
    others = [name for name in EXTERNAL_EXPERTS if name in model.experts]
    if len(others) != len(model.external) or others != [*EXTERNAL_EXPERTS[: len(others)]]:
        raise fail('needs external in the same table, such as external = ["forecast/{stream}"]', "experts")
    if INPUTS in model.experts and not model.inputs:
        raise fail('needs inputs in the same table, such as inputs = ["outdoor/temperature"]', "experts")
    if model.season is not None and model.seasons:
        raise fail("expected season or seasons, got both", "seasons")
    if STACK in model.experts[:-1]:
        raise fail('expected "stack" to be the last: it hears those before it', "experts")
    return model
