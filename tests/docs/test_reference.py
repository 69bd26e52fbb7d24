"""The pages of the reference that the code knows are what it says: `make reference` writes them."""

import pytest

from docs.make_reference import MARK, OUT_OF_ORDER, PAGES, REFERENCE, REMEDIES, written
from ewad.ingest.formats.reasons import REASONS


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name):
    page = (REFERENCE / f"{name}.md").read_text(encoding="utf-8")
    assert MARK in page
    assert page == written(name), "run: make reference"


def test_every_reason_of_a_rejection_has_a_remedy():
    assert list(REMEDIES) == list(REASONS | OUT_OF_ORDER)
