"""Tables as text."""

from ewad.expose.text import aligned


def test_a_table_puts_names_to_the_left_and_numbers_to_the_right():
    assert aligned([("name", "n"), ("a", "1"), ("bcdef", "100")]) == [
        "name     n",
        "a        1",
        "bcdef  100",
    ]
