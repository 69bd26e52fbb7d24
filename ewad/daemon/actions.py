"""What can be asked of a running daemon, done between two batches: nothing is lost or seen half done."""

from __future__ import annotations

import dataclasses
from typing import Any, Protocol

import msgspec

from ewad.config import Settings
from ewad.config.checks import Invalid
from ewad.config.model import MODEL
from ewad.daemon.committer import Committer
from ewad.daemon.reloader import Configured, Reloader
from ewad.engine import Engine
from ewad.errors import ConfigError
from ewad.numeric.schedules import Constant
from ewad.outputs.http.actions import Forget, MarkNormal, Reload, SetLearningRate


class Running(Configured, Protocol):
    """A daemon, as far as actions see it."""

    engine: Engine
    committer: Committer


class Actions:
    """Does what is asked. reloader: None until the daemon runs."""

    def __init__(self, daemon: Running) -> None:
        self._daemon = daemon
        self.reloader: Reloader | None = None

    async def do(self, request: Any) -> str:
        """Do it, and return what was done. Raises LookupError or ConfigError where that can't be."""
        match request:
            case Reload():
                await self._running.reload(self._daemon, asked=True)
                return "the configuration was read again"
            case Forget(stream, group):
                index = self._group_of(stream, group)
                await self._daemon.committer.forget_stream(index, stream)
                return f"forgot {stream}"
            case MarkNormal(stream, group):
                await self._daemon.committer.mark_normal(self._group_of(stream, group), stream)
                return f"took back the anomaly of {stream}"
            case SetLearningRate(model, rate):
                await self._running.change(self._daemon, lambda settings: _with_rate(settings, model, rate))
                return f"the learning rate of {model} is {rate:g}"
        raise TypeError(request)

    @property
    def _running(self) -> Reloader:
        if self.reloader is None:
            raise ConfigError("expected a daemon that runs, got one that starts: try again")
        return self.reloader

    def _group_of(self, stream: str, group: str | None) -> int:
        """Return the index of the group that has a stream of this name. Raises LookupError."""
        for index, each in enumerate(self._daemon.engine.groups):
            if group in (None, each.name) and each.streams.find(stream) is not None:
                return index
        raise LookupError(f"stream: expected one that is known, got {stream[:200]!r}")


def _with_rate(settings: Settings, name: str, rate: float) -> Settings:
    """Return the settings with a model of this learning rate. Raises LookupError or ConfigError."""
    model = settings.models.get(name)
    if model is None:
        raise LookupError(
            f"model: expected one of {', '.join(settings.models) or 'none'}, got {name[:200]!r}"
        )
    try:
        MODEL.kinds["learning_rate"](rate)
    except Invalid as invalid:
        raise ConfigError("; ".join(f"learning_rate: {what}" for _, what in invalid.problems)) from invalid
    changed = dataclasses.replace(model, learning_rate=rate, schedule=Constant())
    return msgspec.structs.replace(settings, models={**settings.models, name: changed})
