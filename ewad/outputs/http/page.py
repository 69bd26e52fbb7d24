"""The live page: static files that ask the API. It asks no other host: uPlot is installed with ewad."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from aiohttp import hdrs, web

FOLDER: Final = Path(__file__).parent / "static"
VENDOR: Final = FOLDER / "vendor"  # what fetch_uplot.py brings; the page says so where it is missing
KINDS: Final = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class File(NamedTuple):
    """One file of the page. tag: a digest of what it holds."""

    body: bytes
    kind: str
    tag: str


@cache
def files() -> dict[str, File]:
    """Return the files of the page by their names."""
    found = {}
    for path in sorted([*FOLDER.iterdir(), *VENDOR.glob("*")]):
        if path.suffix in KINDS:
            body = path.read_bytes()
            found[path.name] = File(
                body, KINDS[path.suffix], hashlib.blake2b(body, digest_size=12).hexdigest()
            )
    return found


def routes() -> list[web.RouteDef]:
    """Return the addresses of the page and of its files."""
    return [web.get("/", _serve), web.get("/page/{name}", _serve)]


async def _serve(request: web.Request) -> web.Response:
    file = files().get(request.match_info.get("name", "index.html"))
    if file is None:
        raise web.HTTPNotFound
    headers = {"Content-Security-Policy": POLICY, hdrs.CACHE_CONTROL: "no-cache"}
    if any(each.value == file.tag for each in request.if_none_match or ()):
        response = web.Response(status=304, headers=headers)
    else:
        response = web.Response(body=file.body, content_type=file.kind, charset="utf-8", headers=headers)
    response.etag = file.tag
    return response
