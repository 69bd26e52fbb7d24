"""What the log says of a state that did not fit as a whole."""

import logging

import pytest

from ewad.daemon.logs import FEW, Seldom
from ewad.engine import Loaded
from ewad.engine.misfits import Misfit
from ewad.store.loaded import REMEDY, TOLD_LINES, tell


@pytest.fixture
def log(caplog):
    """Return a logger whose records pass through the daemon's filter first."""
    seldom = Seldom(lambda: 0.0)
    caplog.handler.addFilter(seldom)
    yield logging.getLogger("ewad.store")
    caplog.handler.removeFilter(seldom)


def test_each_group_that_does_not_fit_is_logged_in_a_line_and_each_part_for_who_looks_closer(log, caplog):
    misfits = [Misfit(f"group {i}: begins anew: parameters", undone=i > 0) for i in range(3 * FEW)]
    parts = [f"group {i}: parameters dropped" for i in range(3 * FEW)]
    tell(log, Loaded(dropped=parts, misfits=misfits))
    lines = [f"state dropped: {line}{REMEDY if undone else ''}" for line, undone in misfits]
    assert caplog.messages == lines
    caplog.clear()
    caplog.set_level("DEBUG", log.name)
    tell(log, Loaded(dropped=parts, misfits=misfits))
    assert caplog.messages == [*lines, *(f"state dropped: {part}" for part in parts)]


def test_without_a_state_file_no_remedy_is_told(log, caplog):
    tell(log, Loaded(misfits=[Misfit("group a: begins anew: parameters", undone=True)]), remedy="")
    assert caplog.messages == ["state dropped: group a: begins anew: parameters"]


def test_of_very_many_the_first_are_logged_and_how_many_there_are_more(log, caplog):
    tell(log, Loaded(misfits=[Misfit(str(i), undone=False) for i in range(TOLD_LINES + 7)]))
    assert caplog.messages[-2:] == [f"state dropped: {TOLD_LINES - 1}", "state dropped: and 7 more"]
