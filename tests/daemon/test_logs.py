import logging

from ewad.daemon.logs import FEW, Seldom


def logged(seldom, times, text, *facts, level=logging.WARNING, name="ewad.x"):
    """Return what of so many records of one kind is logged."""
    records = [logging.LogRecord(name, level, "", 0, text, facts, None) for _ in range(times)]
    return [
        record.getMessage() + getattr(record, "kept_back", "") for record in records if seldom.filter(record)
    ]


def test_a_few_warnings_of_a_kind_a_minute_are_logged_and_the_next_tells_of_the_others():
    now = 0.0
    seldom = Seldom(lambda: now)
    assert logged(seldom, 2_801, "no descriptor fd=%d", 7) == ["no descriptor fd=7"] * FEW
    now = 59.9
    assert logged(seldom, 1, "no descriptor fd=%d", 8) == []
    now = 60.0
    assert logged(seldom, 2, "no descriptor fd=%d", 9) == [
        f"no descriptor fd=9 (and {2_802 - FEW:,} more like it were not logged)",
        "no descriptor fd=9",
    ]


def test_other_kinds_and_what_is_no_warning_are_logged_all_the_same():
    seldom = Seldom(lambda: 0.0)
    logged(seldom, 100, "one")
    assert logged(seldom, 1, "two") == ["two"]
    assert logged(seldom, 1, "one", name="ewad.y") == ["one"]
    assert logged(seldom, 100, "one", level=logging.INFO) == ["one"] * 100


def test_countless_kinds_take_no_memory_without_end():
    seldom = Seldom(lambda: 0.0)
    for i in range(5_000):
        logged(seldom, 1, f"kind {i}")
    assert len(seldom._kinds) <= 1_000


def test_what_is_said_once_by_itself_is_never_held_back():
    seldom = Seldom(lambda: 0.0)
    for i in range(3 * FEW):
        record = logging.LogRecord("ewad.x", logging.WARNING, "", 0, "rejected reason=%s", (str(i),), None)
        record.bounded = True
        assert seldom.filter(record)
