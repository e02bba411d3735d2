"""Messages for users: one line each, safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import UserError, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, déjà vu → ≤ 5", "plain, déjà vu → ≤ 5"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("two\nlines\ttab\r", r"two\nlines\ttab\r"),
        ("half \udcff", r"half \udcff"),
        ("from right \u202e", r"from right \u202e"),
    ],
)
def test_control_characters_are_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert UserError("fine", text).messages == ("fine", shown)


@given(st.text())
def test_a_message_is_one_line_that_any_terminal_bears(text: str) -> None:
    (message,) = UserError(text).messages
    assert message.isprintable()
    message.encode()
