"""The examples of the page on Python run, and give what they show."""

import doctest
from contextlib import chdir
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "howto" / "python.md"


def test_the_examples_give_what_they_show():
    with chdir(ROOT):
        failed, tried = doctest.testfile(str(PAGE), module_relative=False)
    assert (failed, tried > 20) == (0, True)
