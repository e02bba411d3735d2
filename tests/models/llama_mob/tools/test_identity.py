"""The table of ways of decoding: however numbers are written, every way equals the reference in float32."""

from __future__ import annotations

from pathlib import Path

import pytest
from digit_base import digit_base

from bench.errors import UserError
from models.llama_mob.tools import identity


@pytest.mark.parametrize("numbers", ["own", "digits", "added"])
def test_the_table_says_that_all_ways_answer_alike(
    numbers: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ways = {name: identity.WAYS[name] for name in ("constrained", "jump-forward", "chain of 16")}
    monkeypatch.setattr(identity, "WAYS", ways)
    monkeypatch.setattr(identity, "CHOICES", {"greedy": {"choose": "greedy"}})
    people = identity.people_of("synthetic", ["B"], users=1, seen=(56, 59), asked=(60, 60))
    base = "tiny" if numbers == "own" else str(digit_base(tmp_path))
    rows = identity.compare(people, {"base": base, "numbers": numbers}, precisions=("float32",))
    assert [row[4:] for row in rows] == [["0.0%", "0.0%"]] * 3
    passes = [float(row[3]) for row in rows]
    assert passes[0] > passes[1]
    assert passes[1] > passes[2] or numbers != "own"  # nobody guesses what random weights say
    text = identity.report(rows, people, "python -m ...")
    assert "Made by `python -m ...`" in text
    assert "1 users" in text


def test_nobody_to_ask_is_said() -> None:
    with pytest.raises(UserError, match="no user has records"):
        identity.people_of("synthetic", ["B"], users=0, seen=(56, 59), asked=(60, 60))


@pytest.mark.parametrize("days", ["60", "a-b", "62-60"])
def test_days_are_checked(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        identity.options(["--data", "synthetic", "--seen", days])
    assert "FIRST-LAST" in capsys.readouterr().err
