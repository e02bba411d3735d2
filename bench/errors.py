"""Errors that a user can mend: one line, no traceback, exit code 2."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can fix. The message says what is wrong, where, and what to do, in one line.

    Raise with several messages to report all faults of one input at once: ``UserError("a", "b")``. Messages may quote
    what a file holds: they are made :func:`printable`.
    """

    def __init__(self, *messages: str) -> None:
        super().__init__(*(printable(message) for message in messages))

    @property
    def messages(self) -> tuple[str, ...]:
        """All faults, one line each."""
        return tuple(str(part) for part in self.args)

    def __str__(self) -> str:
        return "\n".join(self.messages)


def printable(text: str) -> str:
    """Return text from outside as one line that is safe to print: control characters become escapes such as ``\\x1b``.

    A file's content can hold terminal commands, line ends and halves of characters; none of them reaches a terminal.
    """
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def nearest(word: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the closest known name, or the list of names if none is close."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{close[0]}'?"
    return f"; known: {', '.join(names)}" if names else ""
