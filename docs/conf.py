"""How Sphinx makes a site of these pages (`make docs`), which are plain Markdown as code hosts show it."""

import os
import re
from pathlib import Path

import ewad

ROOT = Path(__file__).parent.parent

project = "ewad"
author = "The contributors of ewad"
version = release = ewad.__version__
extensions = ["myst_parser"]
html_theme = "furo"
html_title = f"ewad {version}"
html_copy_source = False
html_show_copyright = False
myst_heading_anchors = 3
highlight_language = "text"  # of blocks that are indented and name no language
suppress_warnings = ["myst.header"]  # a page may begin below its title with what tables need

LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)\s#]+)(#[^)\s]*)?\)")


def _leave_outside(app, docname, source):  # type: ignore[no-untyped-def]
    """Show a link to a file of the project that is no page as its text and its place in the project."""
    page = (Path(app.srcdir) / docname).parent

    def shown(link):  # type: ignore[no-untyped-def]
        target = os.path.normpath(page / link[2])
        if "://" in link[2] or Path(target).is_relative_to(app.srcdir):
            return link[0]
        place = Path(target).relative_to(ROOT).as_posix()
        text = link[1].strip("`")
        return f"`{place}`" if text == place else f"{link[1]} (`{place}`)"

    source[0] = LINK.sub(shown, source[0])


def setup(app):  # type: ignore[no-untyped-def]
    """Called by Sphinx."""
    app.connect("source-read", _leave_outside)
