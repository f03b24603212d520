"""Values as a person reads them."""

import doctest

from tlkit import printed


def test_examples():
    assert doctest.testmod(printed).failed == 0
    assert doctest.testmod(printed).attempted >= 4


def test_names_are_shown_on_one_line():
    assert printed.shown("a\nb\udcff é 🌻.jpg") == "a\\nb\\udcff é 🌻.jpg"


def test_the_systems_reason_is_lower_case():
    assert printed.why(FileNotFoundError(2, "No such file or directory")) == "no such file or directory"
    assert printed.why(OSError("Odd")) == "odd"
