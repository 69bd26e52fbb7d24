"""Numbers and tables as text."""

from ewad.config.syntax import counted
from ewad.outputs.text import aligned


def test_one_is_counted_without_a_plural():
    assert [counted(n, "stream") for n in (0, 1, 2000)] == ["0 streams", "1 stream", "2,000 streams"]


def test_a_table_puts_names_to_the_left_and_numbers_to_the_right():
    assert aligned([("name", "n"), ("a", "1"), ("bcdef", "100")]) == [
        "name     n",
        "a        1",
        "bcdef  100",
    ]
