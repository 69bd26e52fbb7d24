"""[http]: where the metrics are served, by which certificate, to whom."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from ewad.config import files
from ewad.config.checks import fail
from ewad.config.kinds import choice, parsed, text
from ewad.config.options import DocumentPlace, Option, table_of
from ewad.config.passwords import PasswordHash
from ewad.config.syntax import ListenAddress, format_listen, parse_listen

KEY_CREDENTIAL, USERS_CREDENTIAL = "http_key", "http_users"  # their file names in $CREDENTIALS_DIRECTORY

LISTEN = parsed(parse_listen, "host:port; without a host: every interface", format_listen)


class HttpSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the metrics are served, by which certificate (none: without TLS), to whom."""

    listen: Annotated[
        ListenAddress, Option(LISTEN, "Where to serve `/metrics`, `/healthz`, `/readyz` and a page at `/`.")
    ] = ListenAddress("127.0.0.1", 9466)
    cert_file: Annotated[str | None, Option(text, "The certificate, in PEM, to serve by TLS.")] = None
    key_file: Annotated[
        str | None, Option(text, "The certificate's key; without it $CREDENTIALS_DIRECTORY/http_key.")
    ] = None
    users_file: Annotated[
        str | None,
        Option(
            text,
            "Lines `name:hash` that `ewad hash-password NAME` prints, or $CREDENTIALS_DIRECTORY/http_users:"
            " nobody else is served.",
        ),
    ] = None
    actions: Annotated[
        Literal["local", "users", "off"],
        Option(
            choice("local", "users", "off"),
            "Who may act by `ewad ctl` and POST: who asks from this machine, or a user from anywhere."
            " Where users_file is set only users are let in, in both.",
            since="0.2.0",
        ),
    ] = "local"


HTTP = table_of("[http]", "Where the metrics are served, and to whom.", HttpSettings)


def http_settings(values: dict[str, Any], place: DocumentPlace) -> HttpSettings:
    """Return the settings of checked values. Raises Invalid."""
    files.resolve(values, place.base)
    if "cert_file" in values and "key_file" not in values:
        key = files.credential(KEY_CREDENTIAL, place.environ)
        if key is None:
            raise fail("needs key_file in the same table: set both, or neither", "cert_file")
        values["key_file"] = key
    if "key_file" in values and "cert_file" not in values:
        raise fail("needs cert_file in the same table: set both, or neither", "key_file")
    users_file = values.get("users_file") or files.credential(USERS_CREDENTIAL, place.environ)
    if users_file:
        place.secrets["http_users"] = _users(users_file)
    elif values.get("actions") == "users":
        raise fail('expected users_file beside actions = "users", got none', "actions")
    return HttpSettings(**values)


def _users(file: str) -> dict[str, PasswordHash]:
    """Return the hash of each user in a file of lines name:hash. Empty lines and # comments are skipped."""
    users: dict[str, PasswordHash] = {}
    for number, line in enumerate(files.content(file, "users_file").splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, phc = line.strip().partition(":")
        if not name or name in users:
            raise fail(f"{file}: line {number}: expected a name of its own before a colon", "users_file")
        try:
            users[name] = PasswordHash.parse(phc)
        except ValueError as error:
            raise fail(f"{file}: line {number}: {error}", "users_file") from error
    if not users:  # better nobody is served than everybody
        raise fail(f"{file}: expected a line name:hash for each user, got none", "users_file")
    return users
