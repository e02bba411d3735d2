"""The protocols that the project ships: they load, state no default, and ask what they say."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bench.adapters import registry
from bench.cli.app import app
from bench.data.world import Window
from bench.protocol import reading, yamlfile
from bench.protocol.schema import METRICS, AnswersSpec, LimitsSpec, Protocol

ROOT = Path(__file__).resolve().parents[2]

DEFAULTS = {
    "version": 1,
    "data": {"source": "synthetic", "seed": 1},
    "metrics": METRICS.model_dump(mode="json"),
    "answers": AnswersSpec().model_dump(mode="json"),
    "seeds": [0],
    "limits": LimitsSpec().model_dump(mode="json"),
}

SHIPPED = sorted(path.stem for path in (ROOT / "protocols").glob("*.yaml"))


@pytest.mark.parametrize("path", sorted((ROOT / "protocols").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_protocol_shows_the_floor(path: Path) -> None:
    used = {model.use for model in reading.load(path, data="synthetic").models}
    assert set(registry.FLOOR) <= used


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_protocols_load_at_every_scale(name: str) -> None:
    path = ROOT / "protocols" / f"{name}.yaml"
    for scale in reading.scales(path):
        read = reading.load(path, scale=scale)
        assert isinstance(read, Protocol)
        assert read.name == name
    first = path.read_text().splitlines()[0]
    assert first.startswith(f"# bench run protocols/{name}.yaml")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_protocol_says_nothing_that_is_the_default(name: str) -> None:
    said = yamlfile.load(ROOT / "protocols" / f"{name}.yaml")
    for key, default in DEFAULTS.items():
        node = said.get(key)
        assert node is None or node.plain() != default, f"{key} is the default; take it out"
        if node is not None and isinstance(default, dict):
            same = [part for part, value in default.items() if (child := node.get(part)) and child.plain() == value]
            assert not same or key == "metrics", f"{key}.{', '.join(same)}: the default; take it out"


@pytest.mark.parametrize("scale", ["default", "full"])
@pytest.mark.parametrize("name", SHIPPED)
def test_a_resolved_protocol_asks_the_same(name: str, scale: str, tmp_path: Path) -> None:
    path = ROOT / "protocols" / f"{name}.yaml"
    written = CliRunner().invoke(app, ["check", str(path), "--scale", scale, "--resolved"])
    assert written.exit_code == 0
    (tmp_path / "full.yaml").write_text(written.stdout)
    first, again = reading.load(path, scale=scale), reading.load(tmp_path / "full.yaml")
    assert asked(again) == asked(first)
    assert all(written.stdout.count(f"\n{key}:") == 1 for key in DEFAULTS)
    twice = CliRunner().invoke(app, ["check", str(tmp_path / "full.yaml"), "--resolved"])
    assert twice.stdout == written.stdout


def asked(read: Protocol) -> dict[str, object]:
    """Return all that a run looks at: each model with every setting, and everything but the scale's name."""
    models = [(m.use, m.name, registry.make(m.use, dict(m.settings)).settings.recorded()) for m in read.models]
    return {**read.model_dump(exclude={"models", "scale"}), "models": models}


def test_zero_shot_never_tests_where_it_trained() -> None:
    for scale in ("default", "full"):
        read = reading.load(ROOT / "protocols" / "zero_shot.yaml", scale=scale)
        assert [split.train.cities for split in read.splits] == [("B",), ("C",), ("D",)]
        for split in read.splits:
            assert sorted((*split.train.cities, *split.test)) == ["B", "C", "D"]


def test_few_shot_asks_the_same_people_after_each_number_of_trajectories() -> None:
    read = reading.load(ROOT / "protocols" / "few_shot.yaml")
    assert [split.users.train.n for split in read.splits] == [10, 100, 1000]
    assert len({(str(split.users.test), split.test, split.window) for split in read.splits}) == 1


@pytest.mark.parametrize(("name", "main"), [("humob2024", "geobleu@humob24"), ("giscup2025", "geobleu@giscup25")])
def test_challenges_ask_the_official_users_for_the_official_days(name: str, main: str) -> None:
    for scale in ("default", "full"):
        read = reading.load(ROOT / "protocols" / f"{name}.yaml", scale=scale)
        assert read.window == Window((0, 59), (60, 74))
        assert {str(split.users.test) for split in read.splits} == {"last 3000"}
        assert read.metrics.main == main


def test_the_papers_users_at_full_scale() -> None:
    read = reading.load(ROOT / "protocols" / "paper_table.yaml", scale="full")
    assert ["+".join(split.train.cities) for split in read.splits] == ["B", "C", "D", "A+B"]
    assert all(split.test == ("B", "C", "D") for split in read.splits)
    assert {city: read.users.test.listed(city) for city in "BC"} == {"B": ((17600, 17699),), "C": ((13600, 13699),)}
