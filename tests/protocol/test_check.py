"""bench check PROTOCOL: what would run."""

from __future__ import annotations

from pathlib import Path

import pytest
from protocol_text import changed
from typer.testing import CliRunner

from bench.cli.app import app
from bench.cli.check import counts
from bench.errors import UserError
from bench.protocol import reading


@pytest.mark.parametrize("argument", [[], ["--scale", "full"]])
def test_check_prints_what_would_run(file: Path, argument: list[str]) -> None:
    result = CliRunner().invoke(app, ["check", str(file), *argument])
    assert result.exit_code == 0, result.output
    for words in ("tiny (version 2, scale", "B -> B, C", "A+B -> C", "The mode", "ranked by geobleu@humob24", "note "):
        assert words in result.output


def test_check_says_what_the_data_lack(file: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "city_B.csv").write_text("uid,d,t,x,y\n1,0,0,5,5\n")
    result = CliRunner().invoke(app, ["check", str(file), "--data", f"humob:{tmp_path}/real"])
    assert "cases with C are skipped: not in the data" in result.output
    assert "cases with A, C are skipped: not in the data" in result.output
    absent = CliRunner().invoke(app, ["check", str(file), "--data", f"humob:{tmp_path}/absent"])
    assert isinstance(absent.exception, UserError)
    changed(file, ("synthetic,", '"humob:nowhere",'), (", options: {users: 50}", ""))
    later = CliRunner().invoke(app, ["check", str(file)])
    assert later.exit_code == 0
    assert "humob:nowhere (not found: say where with --data)" in later.output


def test_counts_of_cases_and_fits(file: Path) -> None:
    assert counts(reading.load(file, scale="full")) == (2 * 3 * 2, 0)
