"""Where settings come from: a TOML file, the environment, the command line. Every error says which."""

from __future__ import annotations

import pathlib
import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from ewad.config.checks import Invalid, Path, Problem
from ewad.config.document import AUTO, settings_of
from ewad.config.environment import overrides
from ewad.config.files import reason
from ewad.config.options import DocumentPlace
from ewad.config.settings import Settings
from ewad.config.syntax import quoted
from ewad.errors import ConfigError

SHOWN_PROBLEMS = 10
MAX_FILE_BYTES = 16 * 2**20  # far above any configuration; an endless or wrong file must not fill the memory

Origins = dict[Path, str]  # path in the document -> the variable or option that set it


def load(path: pathlib.Path | None, environ: Mapping[str, str]) -> Settings:
    """Return the settings of a TOML file, or of the environment alone. Raises ConfigError."""
    if path is None:
        return parse({}, "configuration", environ)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: can't read the configuration: {reason(error)}") from error
    if len(content) > MAX_FILE_BYTES:
        raise ConfigError(f"{path}: expected a TOML file, got more than {MAX_FILE_BYTES} bytes")
    if b"\0" in content:
        raise ConfigError(f"{path}: expected a TOML file, got binary data")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: line {line}: expected UTF-8, got byte 0x{content[error.start]:02x}"
        ) from error
    return parse(text, str(path), environ, base=path.parent)


def parse(
    source: str | Mapping[str, Any],
    source_name: str,
    environ: Mapping[str, str],
    base: pathlib.Path | None = None,
) -> Settings:
    """Return the settings of a TOML text or a raw document, overridden by environ; file names are below base.

    Raises ConfigError with a line for each problem, ten at most.
    """
    raw = _toml(source, source_name) if isinstance(source, str) else dict(source)
    return _settings(raw, source_name, environ, {}, base or pathlib.Path())


def from_options(
    url: str | None,
    topics: Sequence[str],
    *,
    environ: Mapping[str, str],
    name: str = "default",
    beta: Sequence[float] = (),
    window: Sequence[float] = (),
    half_life: Sequence[str] = (),
    format: str | None = None,
    field: Sequence[str] = (),
    preset: str | None = None,
    listen: str | None = None,
    model: str | None = None,
    horizons: Sequence[int] = (),
) -> Settings:
    """Return the settings of a command line: one block of streams. Raises ConfigError naming the option.

    model: "auto", or the name of a single expert that is all of it; None: no forecasts.
    """
    if horizons and model is None:
        raise ConfigError("--horizons: needs --model")
    block = {
        "topic": list(topics),
        "beta": list(beta),
        "window": list(window),
        "half_life": list(half_life),
        "format": format,
        "field": field[0] if len(field) == 1 else list(field),
        "preset": preset,
        "model": model,
    }
    needed = () if preset else ("topic",)
    given = {key: value for key, value in block.items() if value or key in needed}
    raw: dict[str, Any] = {"stream": [{"name": name, **given}]}
    origins: Origins = {("stream", 0, key): f"--{key.replace('_', '-')}" for key in block}
    origins["stream", 0] = "command line"
    if model is not None:
        experts = {} if model == AUTO else {"experts": [model]}
        raw["model"] = {model: experts | ({"horizons": list(horizons)} if horizons else {})}
        origins["model", model, "horizons"] = "--horizons"
    for section, key, value in (("mqtt", "url", url), ("http", "listen", listen)):
        if value is not None:
            raw[section] = {key: value}
            origins[section, key] = f"--{key}"
    return _settings(raw, "command line", environ, origins, pathlib.Path())


def _toml(text: str, source_name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message, _, place = str(error).rpartition(" (at ")
        if place == "end of document)":
            place = f"line {text.count(chr(10)) + 1})"
        where = place.rstrip(")") if message else "TOML"
        raise ConfigError(f"{source_name}: {where}: {message or error}") from error
    except RecursionError as error:
        raise ConfigError(f"{source_name}: expected TOML, got values nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits
        raise ConfigError(f"{source_name}: expected TOML: {error}") from error


def _settings(
    raw: dict[str, Any], source_name: str, environ: Mapping[str, str], origins: Origins, base: pathlib.Path
) -> Settings:
    problems: list[Problem] = []
    for override in overrides(environ):
        try:
            raw, path = override.applied(raw)
            origins[path] = override.variable
        except Invalid as invalid:
            origins[(override.variable,)] = override.variable
            problems += invalid.below(override.variable)
    try:
        settings = settings_of(raw, DocumentPlace(base, environ))
    except Invalid as invalid:
        problems += invalid.problems
    if not problems:
        return settings
    lines = [f"{_place(path, source_name, origins)}: {message}" for path, message in problems]
    if len(lines) > SHOWN_PROBLEMS:
        lines[SHOWN_PROBLEMS:] = [f"{source_name}: and {len(lines) - SHOWN_PROBLEMS} more"]
    raise ConfigError("\n".join(lines))


def _place(path: Path, source_name: str, origins: Origins) -> str:
    """Return the variable or option that set path, else the source's name; then the rest of the path."""
    for length in range(len(path), 0, -1):
        if path[:length] in origins:
            return origins[path[:length]] + _dotted(path[length:])
    return f"{source_name}: {_dotted(path).removeprefix('.')}" if path else source_name


def _dotted(path: Path) -> str:
    plain = (f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in path)
    return "".join(plain)


def _key(name: str) -> str:
    return name if name.replace("-", "_").isidentifier() else quoted(name)
