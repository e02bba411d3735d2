"""A split's grids and calendars: from the source, from the protocol, or from the crowd; and who can learn in them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from small_run import TEXT

from bench.adapters import registry
from bench.adapters.small_world import people
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Grid, World
from bench.errors import UserError
from bench.protocol import reading
from bench.protocol.schema import METRICS, DataSpec, MetricsSpec
from bench.running.model import Model, of_adapter
from bench.running.plan import identity
from bench.running.worlds import unlike, with_metrics, worlds_of


class Town(Synthetic):
    """A source whose cities have grids of their own."""

    worlds: ClassVar = {"B": World(), "C": World(Grid(37, 61, 1.0, 24))}

    def world(self, city: str) -> World:
        return self.worlds[city]


def data(**more: Any) -> DataSpec:
    return DataSpec.model_validate({"cities": ["B", "C"], **more})


NOBODY = Trajectories.empty(("B", "C"))


def test_worlds_are_the_sources_unless_the_protocol_says_otherwise() -> None:
    assert worlds_of(data(), ("B", "C"), Town(), NOBODY, NOBODY, 74) == Town.worlds
    stated = {"C": {"first_weekday": "tuesday", "off_days": [3], "breaks": [{"after": 59, "days": 89}]}}
    found = worlds_of(data(calendar=stated), ("B", "C"), Town(), NOBODY, NOBODY, 74)
    assert found["B"] == World()
    assert found["C"].grid == Town.worlds["C"].grid
    assert found["C"].calendar == Calendar(frozenset({0, 6}), frozenset({3}), 2, ((59, 89),))


def test_a_grid_that_the_data_do_not_have_is_refused() -> None:
    worlds_of(data(grid={"width": 200}), ("B",), Town(), NOBODY, NOBODY, 74)
    with pytest.raises(UserError, match=r"200 x 200.*, but city C has 37 x 61 cells of 1000 m, 24 slots a day"):
        worlds_of(data(grid={"width": 200}), ("B", "C"), Town(), NOBODY, NOBODY, 74)


def test_a_learned_calendar_finds_weekends_behind_a_break_and_only_in_what_it_may_see() -> None:
    """The people rest on d % 7 in {0, 6}; behind a break of 3 days these are other weekdays."""
    crowd = people("B", range(40), 28)
    spec = data(calendar={"B": {"learned": True, "breaks": [{"after": 27, "days": 3}]}})
    found = worlds_of(spec, ("B",), Town(), crowd, NOBODY, 41)["B"].calendar
    off = np.flatnonzero(found.is_off(range(42)))
    seen = [day for day in range(28) if day % 7 in (0, 6)]
    assert off.tolist() == seen + [day for day in range(28, 42) if (day + 3) % 7 in (0, 6)]
    alone = worlds_of(spec, ("B",), Town(), people("C", range(3), 28), crowd, 41)["B"].calendar
    assert alone == found, "a city without training users is judged by the histories"


@pytest.mark.parametrize(
    ("calendar", "said"),
    [
        ({"B": {"learned": True, "off_days": [1]}}, "remove off_days"),
        ({"X": {"learned": True}}, "'X' is not among data.cities"),
        ({"B": {"holidays": [1]}}, "Extra inputs"),
    ],
)
def test_calendars_that_say_two_things_or_nothing_are_refused(calendar: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        data(calendar=calendar)


def described(name: str, **changes: Any) -> Model:
    return replace(of_adapter(registry.make(name), "cpu"), **changes)


def test_models_that_know_one_world_do_not_learn_in_two() -> None:
    one, other = World(), Town.worlds["C"]
    monday = World(calendar=Calendar(first_weekday=1))
    strict = described("candidate_boosting", knows_worlds=False)
    assert unlike(strict, ("B",), "C", {"B": one, "C": one}) is None
    assert "a single grid" in str(unlike(strict, ("B",), "C", {"B": one, "C": other}))
    assert "a single calendar" in str(unlike(strict, ("A", "B"), "C", {"A": monday, "B": one, "C": one}))
    assert unlike(strict, ("B",), "C", {"B": one, "C": monday}) is None, "predict has the test city's calendar"
    for name in ("candidate_boosting", "user_mode"):
        assert unlike(described(name), ("A", "B"), "C", {"A": monday, "B": one, "C": other}) is None


def test_default_metrics_give_way_to_those_of_any_grid_and_others_are_refused(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(TEXT.format(models=["user_mode"], limit=9))
    protocol = reading.load(tmp_path / "tiny.yaml", overrides=["splits.0.test=[C]"])
    told: list[str] = []
    assert with_metrics(protocol, Synthetic(users=1), told.append) is protocol
    assert not told
    found = with_metrics(protocol, Town(), told.append).metrics
    assert found == MetricsSpec(main="geobleu@grid", also=("dtw@fixed",))
    assert "37 x 61" in told[0]
    asked = protocol.model_copy(update={"metrics": METRICS.model_copy(update={"also": ("dtw@humob24",)})})
    with pytest.raises(UserError, match=r"geobleu@humob24, dtw@humob24: defined on cells of 500 m.*main: geobleu@grid"):
        with_metrics(asked, Town(), told.append)


def test_worlds_that_are_not_humobs_belong_to_identities() -> None:
    base: dict[str, Any] = {
        "adapter": "m", "version": 1, "settings": {}, "precision": "float32", "seed": 0, "window": ((0, 5), (6, 7)),
        "parts": {"train": "a", "history": "c", "queries": "d"}, "device": "cpu", "threads": 1, "batch_users": 1,
        "train_cities": ("B",), "test_city": "C",
    }  # fmt: skip
    plain = Town.worlds["C"].plain()

    def ids(learns: str, **worlds: Any) -> tuple[str, str]:
        found = identity(**base, learns_from=learns, worlds=worlds)
        return found.fit, found.answers

    usual = ids("train users")
    assert ids("train users", C=plain)[0] == usual[0]
    assert ids("train users", C=plain)[1] != usual[1]
    assert ids("train users", B=plain)[0] != usual[0]
    assert ids("test histories", C=plain)[0] != ids("test histories")[0]
    assert ids("nothing", B=plain) == ids("nothing")
