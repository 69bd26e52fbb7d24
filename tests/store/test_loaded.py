"""What the log says of a state that did not fit as a whole."""

import logging

import pytest

from ewad.daemon.logs import FEW, Seldom
from ewad.engine import Loaded
from ewad.store.loaded import TOLD_LINES, tell


@pytest.fixture
def log(caplog):
    """Return a logger whose records pass through the daemon's filter first."""
    seldom = Seldom(lambda: 0.0)
    caplog.handler.addFilter(seldom)
    yield logging.getLogger("ewad.store")
    caplog.handler.removeFilter(seldom)


def test_each_thing_that_was_dropped_is_logged_however_many_there_are_of_one_kind(log, caplog):
    dropped = [f"group a: part {i} dropped" for i in range(3 * FEW)]
    tell(log, Loaded(dropped=dropped))
    assert caplog.messages == [f"state dropped: {line}" for line in dropped]


def test_of_very_many_the_first_are_logged_and_how_many_there_are_more(log, caplog):
    tell(log, Loaded(dropped=[str(i) for i in range(TOLD_LINES + 7)]))
    assert caplog.messages[-2:] == [f"state dropped: {TOLD_LINES - 1}", "state dropped: and 7 more"]
