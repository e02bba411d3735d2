"""Sweeps: lists that multiply models and splits, with names that tell them apart."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from bench.adapters import registry
from bench.adapters.adapter import PerUser, Settings
from bench.errors import UserError
from bench.protocol import reading
from bench.protocol.schema import Protocol


class _Knobs(Settings):
    rank: int = 4
    rate: float = 0.1
    tuning: str = "lora"


class Dial(PerUser):
    """An adapter with settings to turn."""

    name: ClassVar[str] = "dial"
    Settings: ClassVar[type[Settings]] = _Knobs

    def answer(self, history, queries, ctx):  # type: ignore[no-untyped-def]
        return queries.d, queries.t


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A protocol whose sweep each test writes anew, with an adapter that has settings."""
    known = {**registry.names(), "dial": "tests:Dial"}
    found = {"dial": Dial}
    get = registry.get
    monkeypatch.setattr(registry, "names", lambda: known)
    monkeypatch.setattr(registry, "get", lambda name: found.get(name) or get(name))
    path = tmp_path / "p.yaml"
    path.write_text(
        "schema: 1\nname: p\nversion: 1\nabout: Sweeps.\n"
        "data: {cities: [A, B]}\nwindow: {history: [0, 9], horizon: [10, 12]}\n"
        "splits:\n  - {train: {cities: [A], days: [0, 9]}, test: [B]}\n"
        "  - {train: {cities: [B], days: [0, 9]}, test: [A], users: {test: 3}}\n"
        "users: {train: 50, test: 9}\n"
        "models: [user_mode, dial, {use: dial, name: Dial v2.5, settings: {rate: 0.5}}]\n"
        "metrics: {main: dtw@fixed}\nfloor: false\n"
    )
    return path


def load(file: Path, sweep: str) -> Protocol:
    with file.open("a") as out:
        out.write(f"sweep: {sweep}\n")
    return reading.load(file)


def faults(file: Path, sweep: str) -> list[str]:
    with pytest.raises(UserError) as caught:
        load(file, sweep)
    return [message.replace(f"{file.parent}/", "") for message in caught.value.messages]


def test_models_multiply_and_are_named(file: Path) -> None:
    read = load(file, "{models.dial.rank: [4, 8], models.dial.tuning: [lora, full]}")
    assert [(model.name, model.settings) for model in read.models] == [
        ("user_mode", {}),
        ("dial rank=4 tuning=lora", {"rank": 4, "tuning": "lora"}),
        ("dial rank=4 tuning=full", {"rank": 4, "tuning": "full"}),
        ("dial rank=8 tuning=lora", {"rank": 8, "tuning": "lora"}),
        ("dial rank=8 tuning=full", {"rank": 8, "tuning": "full"}),
        ("Dial v2.5", {"rate": 0.5}),
    ]


def test_a_name_with_points_is_reached(file: Path) -> None:
    read = load(file, "{models.Dial v2.5.rank: [1, 2]}")
    assert [model.name for model in read.models] == ["user_mode", "dial", "Dial v2.5 rank=1", "Dial v2.5 rank=2"]
    assert read.models[-1].settings == {"rate": 0.5, "rank": 2}


def test_an_adapter_reaches_all_its_models_where_none_has_its_name(file: Path) -> None:
    file.write_text(file.read_text().replace("user_mode, dial, {", "{use: dial, name: One}, {"))
    read = load(file, "{models.dial.rank: [1, 2]}")
    assert [model.name for model in read.models] == ["One rank=1", "One rank=2", "Dial v2.5 rank=1", "Dial v2.5 rank=2"]


def test_splits_multiply_over_users_and_windows(file: Path) -> None:
    read = load(file, "{users.train: [10, all], window.history: [[0, 9], [5, 9]]}")
    assert [split.label for split in read.splits] == [
        f"{cities} (users.train={users} window.history=[{first},9])"
        for cities in ("A -> B", "B -> A")
        for users in ("10", "all")
        for first in (0, 5)
    ]
    assert [str(split.users.train) for split in read.splits[:4]] == ["10", "10", "all", "all"]
    assert [split.window.history[0] for split in read.splits[:4]] == [0, 5, 0, 5]
    assert [str(split.users.test) for split in read.splits] == ["9"] * 4 + ["3"] * 4


def test_set_reaches_a_sweep_and_refuses_what_is_swept(file: Path) -> None:
    load(file, "{models.dial.rank: [4, 8]}")
    read = reading.load(file, overrides=["sweep.models.dial.rank=[2]", "models.Dial v2.5.rank=9"])
    assert [model.name for model in read.models] == ["user_mode", "dial rank=2", "Dial v2.5"]
    assert read.models[-1].settings == {"rate": 0.5, "rank": 9}
    with pytest.raises(UserError, match=r"models.dial.rank is swept; set sweep.models.dial.rank=\[VALUE\] instead"):
        reading.load(file, overrides=["models.dial.rank=3"])


def test_only_keeps_variants_by_any_of_their_names(file: Path) -> None:
    load(file, "{models.dial.rank: [4, 8]}")
    assert [m.name for m in reading.load(file, only=["dial rank=8"]).models] == ["dial rank=8"]
    assert [m.name for m in reading.load(file, only=["dial"]).models] == ["dial rank=4", "dial rank=8", "Dial v2.5"]


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        ("{models.dail.rank: [1]}", "p.yaml:14: sweep.models.dail.rank: no such model; did you mean 'dial'?"),
        ("{models.dial.rnak: [1]}", "p.yaml:14: models.dial.rnak: unknown key; did you mean 'rank'?"),
        ("{models.dial: [1]}", "name the setting too, e.g. models.dial.SETTING"),
        ("{models.dial.rank: [1, one]}", "p.yaml:14: models.dial.rank: should be a valid integer"),
        ("{models.dial.rank: 4}", "sweep.models.dial.rank: a list of values is needed, not a number (4)"),
        ("{models.dial.rank: []}", "a list of values is needed, not a list"),
        ("{models.dial.rank: [4, 4]}", "sweep.models.dial.rank: a value appears twice; keep one"),
        ("{user.train: [4]}", "sweep.user.train: cannot be swept; did you mean 'users.train'?"),
        ("{users.trian: [4]}", "p.yaml:14: users.trian: unknown key; did you mean 'train'?"),
        (
            "{window.history: [[0, 9], [0, 10]]}",
            "p.yaml:14: window: the horizon [10, 12] must follow the history [0, 10]",
        ),
        ("[models.dial.rank]", "p.yaml:14: sweep: a mapping of lists is needed, not a list"),
    ],
)
def test_faults_of_sweeps(file: Path, sweep: str, words: str) -> None:
    found = faults(file, sweep)
    assert any(words in message for message in found), found
