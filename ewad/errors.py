"""The errors of ewad, sorted by whose fault they are.

Each message says what was expected, what came and where.
"""

from importlib.util import find_spec


class EwadError(Exception):
    """Base of all errors that ewad raises on purpose; shown to people without a traceback."""


class ConfigError(EwadError):
    """The operator's: configuration or arguments that can't be used. Stops start-up."""


class DecodeError(EwadError):
    """The publisher's: a payload that is not a sample. Counted under `reason`, skipped, acknowledged.

    field: the path that the configuration has for what is wrong, "" for the whole.
    """

    def __init__(self, reason: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.field = field


class SourceError(EwadError):
    """The network's or a file's: samples can't be read. A network is tried again, a file ends the command."""


class StateError(EwadError):
    """The disk's or a dump's: state that can't be written or read back."""


def needs(module: str, extra: str, what: str) -> None:
    """Raise ConfigError, which says how to install it, where a module of an extra is missing."""
    if find_spec(module) is None:
        raise ConfigError(f"{what} needs {module}, which is not installed: pip install 'ewad[{extra}]'")
