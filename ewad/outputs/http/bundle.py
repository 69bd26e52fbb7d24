"""The page's own modules and style in one HTML file, which opens from a disk and asks nobody for anything."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import Any, Final

import msgspec

from ewad.outputs.http.page import FOLDER, VENDOR

IMPORT: Final = re.compile(r'^import (\{.+\}) from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT: Final = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)

# The digests let these scripts and this style in, and nothing else: names out of files stay text.
TEMPLATE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; \
script-src '{library_digest}' '{script_digest}'; \
style-src '{style_digest}'; img-src data:; base-uri 'none'; form-action 'none'">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header><h1>ewad</h1></header>
<main id="main"></main>
<noscript>This page draws by JavaScript what stands in it.</noscript>
<script type="application/json" id="data">{data}</script>
<script>{library}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def self_contained(entry: str, title: str, data: Any) -> str:
    """Return a page on which the module `entry`, such as "report", shows data that msgspec can encode."""
    library, script, style = library_of(), script_of(entry), _style()
    return TEMPLATE.format(
        title=html.escape(title),
        script=script,
        style=style,
        library=library,
        library_digest=_digest(library),
        script_digest=_digest(script),
        style_digest=_digest(style),
        data=msgspec.json.encode(data).decode().replace("<", "\\u003c"),  # no text of it ends the element
    )


def library_of() -> str:
    """Return uPlot with the terms of its licence; "" where it is missing, which the page then says."""
    parts = [VENDOR / "LICENSE", VENDOR / "uPlot.iife.min.js"]
    if not all(path.exists() for path in parts):
        return ""
    terms, library = (path.read_text(encoding="utf-8") for path in parts)
    return f"/*! uPlot\n{terms}*/\n{library}"


def _style() -> str:
    paths = [VENDOR / "uPlot.min.css", FOLDER / "page.css"]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.exists())


def script_of(entry: str) -> str:
    """Return a module and all that it imports as one script: each module is a function of its own names."""
    order: list[str] = []
    texts: dict[str, str] = {}

    def visit(name: str) -> None:
        if name not in texts:
            texts[name] = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
            for _, other in IMPORT.findall(texts[name]):
                visit(other)
            order.append(name)

    visit(entry)
    return "\n".join(_as_function(name, texts[name]) for name in order)


def _as_function(name: str, text: str) -> str:
    exported = ", ".join(EXPORT.findall(text))
    body = EXPORT.sub("", IMPORT.sub(r"const \1 = module_\2;", text))
    return f"const module_{name} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();"


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
