"""What the README says of models and of installing them agrees with the registry and with pyproject.toml."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench.adapters import registry
from bench.protocol import reading
from bench.shipped import find_protocol, protocols

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
INSTALL = re.compile(r"pip install [^&\n]*?-e '?\.(?:\[([\w,-]+)\])?'?")
COMMAND = re.compile(r"bench (run|study) (?:protocols/)?(?:studies/)?([\w-]+)(?:\.yaml)?")


def table_of_models() -> set[str]:
    """The names in code type in the first column of the table below the heading Models."""
    section = README.partition("\n## Models\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def test_the_table_of_models_is_the_registry() -> None:
    named = table_of_models()
    assert named == set(registry.names()), "the table below `## Models` lists every model, and no other"


def extras_of(install: str) -> set[str]:
    """Return the extras that a line installs, those within `all` and `dev` named one by one."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    found = set(filter(None, (INSTALL.search(install) or [""])[1].split(","))) if INSTALL.search(install) else set()
    for _ in range(3):
        inner = {name for extra in found for text in listed[extra] for name in _inner(text)}
        found |= inner
    return found


def _inner(requirement: str) -> list[str]:
    match = re.match(r"mobility-bench\[([\w,-]+)\]", requirement)
    return match[1].split(",") if match else []


def needed(command: str, name: str) -> set[str]:
    """Return the extras that a command of the README needs."""
    models = reading.load(Path(name)).models
    extras = {registry.get(model.use).needs.install for model in models} - {""}
    return {extra[len("mobility-bench[") : -1] for extra in extras} | ({"study"} if command == "study" else set())


def test_the_first_command_installs_what_its_protocol_needs() -> None:
    line = next(line for line in README.splitlines() if INSTALL.search(line) and "bench run" in line)
    ((command, name),) = COMMAND.findall(line)
    assert needed(command, name) <= extras_of(line)


@pytest.mark.parametrize(("command", "name"), sorted(set(COMMAND.findall(README))))
def test_every_protocol_that_the_readme_names_ships(command: str, name: str) -> None:
    assert find_protocol(Path(name)) == protocols()[name]
    assert reading.is_study(Path(name)) == (command == "study")


def test_some_install_line_covers_every_command() -> None:
    installed = [extras_of(line) for line in README.splitlines() if INSTALL.search(line)]
    for command, name in COMMAND.findall(README):
        assert any(needed(command, name) <= extras for extras in installed), f"bench {command} {name}"


def test_the_rows_that_the_readme_shows_are_the_leaderboards() -> None:
    with (ROOT / "results" / "zero_shot" / "leaderboard.csv").open(encoding="utf-8", newline="") as file:
        whole = {row["model"]: row for row in csv.DictReader(file) if row["test_city"] == "all"}
    (block,) = re.findall(r"(?m)^ +# +model: learned from.*?\n(.*?)\n```", README, re.DOTALL)
    shown = [re.split(r"\s{2,}", line.strip()) for line in block.splitlines()]
    assert len(shown) == 10
    for ranks, label, *figures in shown:
        row = whole[label.partition(":")[0]]
        assert ranks == "–".join(dict.fromkeys((row["rank"], row["rank_last"])))
        assert figures == [_figure(row, "geobleu@humob24", 3), _figure(row, "dtw@fixed", 1)], label


def _figure(row: dict[str, str], metric: str, places: int) -> str:
    mean, low, high = (f"{float(row[f'{metric}|{part}']):.{places}f}" for part in ("mean", "low", "high"))
    return f"{mean} [{low}–{high}]"


@pytest.mark.slow
def test_the_python_of_the_readme_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(import bench\n.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["again"].cases.equals(names["run"].cases)
    assert len(names["run"].scores) == 2 * 3 * 20
