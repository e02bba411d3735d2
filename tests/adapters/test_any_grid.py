"""Every adapter of the registry works on other grids and slots than HuMob's, and in cities whose grids differ."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_llama import small_base

from bench.adapters import registry
from bench.adapters.adapter import Adapter, Context
from bench.adapters.conformance import (
    Check,
    Subject,
    company_does_not_matter,
    every_query_is_answered,
    nobody_is_too_little,
    saving_keeps_everything,
)
from bench.adapters.small_world import WINDOW, SmallWorld, locked, people
from bench.data.trajectories import OK, Trajectories
from bench.data.world import Calendar, Grid, Window, World
from bench.evaluation.metrics import score_users

HOURS = Grid(37, 61, cell_km=1.0, slots=24)
QUARTERS = Grid(80, 50, cell_km=0.25, slots=96)
GRIDS = {"37 x 61, hours": HOURS, "quarters of an hour": QUARTERS}
PROMISES: tuple[Check, ...] = (every_query_is_answered, nobody_is_too_little, company_does_not_matter)
NETWORKS = {"lp_bert", "llama_mob", "llama_mob_parallel"}  # slow: one day, a default test on one of the grids alone
ONE_DAY = Window(history=(0, 20), horizon=(21, 21))
FROM_FILES = {"replay", "consensus"}
SERVED = {"llm_api"}  # asks a server, with the prompts of llama_mob


def small(name: str, world: SmallWorld, folder: Path) -> dict[str, Any]:
    """Settings that make an adapter small enough for a test, or that it cannot do without."""
    if name in FROM_FILES:
        file = folder / "answers.csv"
        world.truth.to_frame()[["uid", "d", "t", "x", "y"]].to_csv(file, index=False)
        return {"answers": file if name == "replay" else {"R": [file] * 3}}
    if name.startswith("llama_mob"):
        base = {"base": str(small_base(folder / "base")), "rope_scaling": 2.0}  # quarters of an hour make long answers
        return {**base, "history_days": 1, "batch": 2, "learning_rate": 1e-2}
    scratch = {"init": "scratch", "epochs": 1, "batch": 4, "learning_rate": 1e-3}
    return {"candidate_boosting": {"trees": 10, "rows": 5000}, "lp_bert": scratch}.get(name, {})


def cases() -> list[Any]:
    """Every adapter on both grids; networks on the second only where there is time."""
    found = []
    for name in sorted(set(registry.names()) - SERVED):
        for label in GRIDS:
            other = "quarters of an hour" if name != "llama_mob_parallel" else "37 x 61, hours"
            slow = [pytest.mark.slow] if name in NETWORKS and label == other else []
            found.append(pytest.param((name, label), marks=slow, id=f"{name}, {label}"))
    return found


@pytest.fixture(scope="module")
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The adapter of a name, fitted once on one of the grids."""
    name, label = request.param
    adapter = registry.get(name)
    skip_unless_possible(adapter)
    window = ONE_DAY if name in NETWORKS else WINDOW
    folder, world = tmp_path_factory.mktemp(name), SmallWorld.make(GRIDS[label], window, testers=4, trainers=4)
    return Subject(adapter, small(name, world, folder), folder, world)


def skip_unless_possible(adapter: type[Adapter]) -> None:
    lacking = [package for package in adapter.needs.packages if importlib.util.find_spec(package) is None]
    if lacking or adapter.needs.cuda:
        pytest.skip(f"{adapter.name} needs {', '.join(lacking) or 'a GPU'}")


@pytest.mark.parametrize("subject", cases(), indirect=True, scope="module")
@pytest.mark.parametrize("check", [*PROMISES, saving_keeps_everything], ids=lambda check: check.__name__)
def test_every_model_keeps_its_promises_on_any_grid(check: Callable[[Subject], None], subject: Subject) -> None:
    check(subject)


STATISTICS = [
    *("user_mode", "slot_mode", "weekday_slot_mode", "offday_slot_mode", "kernel_vote", "tt_knn"),
    *("forest", "expected_day", "candidate_boosting"),
]


@pytest.mark.parametrize("label", GRIDS)
@pytest.mark.parametrize("name", STATISTICS)
def test_models_of_a_users_own_cells_find_home_and_work_on_any_grid(name: str, label: str, tmp_path: Path) -> None:
    skip_unless_possible(registry.get(name))
    world = SmallWorld.make(GRIDS[label], testers=5, trainers=4)
    subject = Subject(registry.get(name), small(name, world, tmp_path), tmp_path, world)
    own = world.truth.only(world.truth.users[:3])  # those with a whole history
    given = subject.ask(subject.fitted, *own.users)
    scores = score_users(given.x, given.y, own, ("geobleu@grid", "accuracy@v1"), world=World(GRIDS[label]))
    assert scores["accuracy@v1"].mean() > 0.3
    assert (scores["geobleu@grid"] > 0.1).all()


def mixed() -> tuple[SmallWorld, Context]:
    """A split that trains in two cities of different grids and calendars, and asks in a third one."""
    calendar = Calendar(first_weekday=3, breaks=((10, 4),))
    worlds = {"Q": World(HOURS), "S": World(QUARTERS, calendar), "R": World(Grid(60, 40))}
    made, days = SmallWorld.make(worlds["R"].grid, testers=4, trainers=2), 24
    parts = [people(city, range(3), days, worlds[city].grid) for city in ("Q", "S")]
    tables = [Trajectories.concat([part.only(part.users[rows]) for part in parts]) for rows in (slice(2), slice(2, 3))]
    split = replace(
        made.split, train_cities=("Q", "S"), train=locked(tables[0]), validate=locked(tables[1]), worlds=worlds
    )
    return replace(made, split=split), Context(window=made.window, worlds=worlds)


@pytest.mark.parametrize("name", [name for name in sorted(registry.names()) if name not in FROM_FILES])
def test_who_knows_worlds_learns_in_cities_of_different_grids(name: str, tmp_path: Path) -> None:
    adapter = registry.get(name)
    skip_unless_possible(adapter)
    world, ctx = mixed()
    model = adapter(adapter.Settings(**small(name, world, tmp_path)))
    if model.learns_from == "nothing" or not model.knows_worlds:
        pytest.skip("it learns from no city, or on one grid only")
    assert model.skip(world.split) is None
    here = replace(ctx, folder=tmp_path)
    model.fit(world.split.train, world.split.validate, here.at("Q"))
    asked = world.split.history.users[:2]
    queries = world.split.queries.only(asked)
    given = model.predict(world.split.history.only(asked), queries, here.at("R"))
    assert (given.status == OK).all()
    assert np.all((given.x >= 1) & (given.x <= 60) & (given.y >= 1) & (given.y <= 40))
