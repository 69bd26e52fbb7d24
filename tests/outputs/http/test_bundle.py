"""The page as one file: every module once, in order, and nothing from elsewhere."""

import re

import pytest

from ewad.outputs.http import bundle
from ewad.outputs.http.bundle import script_of, self_contained
from ewad.outputs.http.page import FOLDER, VENDOR
from tests import npm

HOSTILE = "</script><script>alert(1)</script>"


def test_each_module_comes_once_and_after_those_that_it_imports():
    script = script_of("report")
    defined = re.findall(r"^const module_(\w+) =", script, re.MULTILINE)
    assert sorted(defined) == sorted(set(defined))
    used = re.findall(r"^const \{.+\} = module_(\w+);", script, re.MULTILINE)
    assert set(used) <= set(defined)
    for name in used:
        assert script.index(f"const module_{name} =") < script.index(f"= module_{name};")


def test_no_import_and_no_export_is_left():
    for path in FOLDER.glob("*.js"):
        left = re.findall(r"^(?:import|export)\b.*", script_of(path.stem), re.MULTILINE)
        assert left == [], path


def test_a_text_of_the_data_ends_no_element():
    page = self_contained("report", HOSTILE, {"title": HOSTILE})
    assert HOSTILE not in page
    assert page.count("</script>") == 3  # data, library, modules


def test_nothing_is_loaded_from_elsewhere():
    page = self_contained("report", "t", {})
    assert not re.search(r"""(?:src|href)=["'](?!data:)""", page.split('<script type="application')[0])
    assert "default-src 'none'" in page


def test_the_library_of_charts_comes_with_the_terms_of_its_licence():
    npm.require_uplot()
    page = self_contained("report", "t", {})
    assert (VENDOR / "LICENSE").read_text() in page
    assert (VENDOR / "uPlot.iife.min.js").read_text() in page
    assert page.index("Permission is hereby granted") < page.index("var uPlot=")


def test_without_the_library_of_charts_there_is_a_page(tmp_path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bundle, "VENDOR", tmp_path)
    page = self_contained("report", "t", {})
    assert "var uPlot=" not in page
    assert "uPlot could not be fetched" in page  # which it says in place of a chart


def test_the_page_asks_for_all_modules_at_once():
    """A browser finds an import when it has what imports it: three round trips, one behind the other."""
    script, page = script_of("app"), (FOLDER / "index.html").read_text()
    imported = set(re.findall(r"^const module_(\w+) = ", script, re.MULTILINE)) - {"app"}
    assert set(re.findall(r'modulepreload" href="/page/(\w+)\.js"', page)) == imported
