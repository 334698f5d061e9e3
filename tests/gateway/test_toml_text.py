"""TOML that would take too long to read is refused before it is read."""

import tomllib

import pytest

from gateway.toml_text import MAX_DOTS_A_LINE, loads


def test_toml_is_read_as_the_standard_library_reads_it() -> None:
    text = 'a.b.c = 1\n[d]\nday = 2026-11-22\nlist = ["1.5", "2.5"]\n'
    assert loads(text) == tomllib.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 100_000) + " = 1",
        "x = { " + ".".join(["a"] * 100_000) + " = 1 }",
        "[" + ".".join(["a"] * 100_000) + "]",
        "fine = 1\n" + " . ".join(["a"] * (MAX_DOTS_A_LINE + 2)) + " = 1",
    ],
    ids=["key", "inline table", "heading", "spaces between"],
)
def test_a_key_of_very_many_parts_is_refused_at_once(text: str) -> None:
    with pytest.raises(ValueError, match="more than 1,000 dots"):
        loads(text)


def test_as_many_dots_as_a_line_may_have_are_read() -> None:
    assert loads('x = "' + "." * MAX_DOTS_A_LINE + '"') == {"x": "." * MAX_DOTS_A_LINE}
