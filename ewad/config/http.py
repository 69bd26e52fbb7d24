"""[http]: where the metrics are served, by which certificate, to whom."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from ewad.config import checks, files
from ewad.config.checks import Check, fail
from ewad.config.passwords import PasswordHash
from ewad.config.settings import HttpSettings
from ewad.config.syntax import parse_listen

KEY_CREDENTIAL, USERS_CREDENTIAL = "http_key", "http_users"  # their file names in $CREDENTIALS_DIRECTORY

HTTP_KEYS: dict[str, Check] = {
    "listen": checks.parsed(parse_listen),
    "cert_file": checks.text,
    "key_file": checks.text,
    "users_file": checks.text,
}


def http_settings(values: dict[str, Any], base: pathlib.Path, environ: Mapping[str, str]) -> HttpSettings:
    """Return the settings of checked values; paths in them are relative to base. Raises Invalid."""
    files.resolve(values, base)
    if "cert_file" in values and "key_file" not in values:
        key = files.credential(KEY_CREDENTIAL, environ)
        if key is None:
            raise fail("expected key_file beside it, got none", "cert_file")
        values["key_file"] = key
    if "key_file" in values and "cert_file" not in values:
        raise fail("expected cert_file beside it, got none", "key_file")
    users_file = values.get("users_file") or files.credential(USERS_CREDENTIAL, environ)
    return HttpSettings(**values, users=_users(users_file) if users_file else {})


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
