"""The conformance suite catches those who break a promise, each by the check that is meant for it."""

from __future__ import annotations

import sys
from pathlib import Path

import broken_models as models
import pytest

from bench.adapters import registry
from bench.adapters.adapter import Adapter
from bench.adapters.conformance import CHECKS, Broken, Check, Subject, answering, conform, describing
from bench.adapters.small_world import SmallWorld
from bench.errors import UserError

CAUGHT = [
    (models.Company, answering.company_does_not_matter),
    (models.Restless, answering.the_same_seed_gives_the_same_answers),
    (models.Unseeded, answering.the_same_seed_gives_the_same_answers),
    (models.Forgetful, answering.saving_keeps_everything),
    (models.Pickles, answering.saving_keeps_everything),
    (models.Scribbles, answering.inputs_stay_as_they_are),
    (models.Outside, answering.every_query_is_answered),
    (models.Short, answering.every_query_is_answered),
    (models.NeedsHistory, answering.nobody_is_too_little),
    (models.Lax, describing.unknown_settings_are_refused),
    (models.Fussy, describing.settings_can_be_handed_on),
    (models.Silent, describing.the_class_is_described),
    (models.Sworn, describing.the_class_is_described),
    (models.Talks, describing.facts_are_scalars),
    (models.Hoards, describing.usage_is_of_the_last_call),
    (models.Misnames, describing.the_class_is_described),
    (models.Shrugs, describing.skip_gives_a_reason_or_none),
]
OUTSIDER = '''
"""A model of somebody else: the user's first cell."""
import numpy as np
from bench.adapters.adapter import PerUser


class FirstCell(PerUser):
    """Answers with the first cell of the history."""

    name = "first_cell"

    def answer(self, history, queries, ctx):
        return np.full(len(queries), history.x[0]), np.full(len(queries), history.y[0])
'''


@pytest.mark.parametrize(("adapter", "check"), CAUGHT, ids=[adapter.__name__ for adapter, _check in CAUGHT])
def test_a_broken_promise_is_caught(adapter: type[Adapter], check: Check, tmp_path: Path) -> None:
    with pytest.raises((Broken, ValueError, IndexError)):
        check(Subject(adapter, {}, tmp_path))


def test_the_whole_suite_says_which_promise_is_broken_and_how() -> None:
    found = {outcome.promise: outcome.broken for outcome in conform(models.NeedsHistory) if outcome.broken}
    promise = str(answering.nobody_is_too_little.__doc__).splitlines()[0]
    assert "IndexError" in found[promise], "what it raises is said"
    assert len(found) < len(CHECKS), "the other checks go on"


@pytest.mark.parametrize("adapter", [models.Good, models.Counted])
def test_a_good_model_passes(adapter: type[Adapter]) -> None:
    assert [outcome for outcome in conform(adapter) if outcome.broken] == []


def test_heavy_imports_are_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "heavy_model.py").write_text("import sklearn\n" + OUTSIDER)
    monkeypatch.syspath_prepend(tmp_path)
    registry.add("heavy_model:FirstCell")
    try:
        with pytest.raises(Broken, match="sklearn"):
            describing.importing_is_light(Subject(registry.get("first_cell"), {}, tmp_path))
    finally:
        registry._extra.clear()


@pytest.fixture
def outsider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with somebody else's module on the path."""
    (tmp_path / "their_models.py").write_text(OUTSIDER)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("their_models", None)
    registry._extra.clear()
    registry._installed.cache_clear()


def test_an_outsiders_model_is_added_by_module_and_class(outsider: Path) -> None:
    assert registry.add("their_models:FirstCell") == "first_cell"
    assert not any(outcome.broken for outcome in conform(registry.get("first_cell")))
    with pytest.raises(UserError, match="did you mean 'first_cell'"):
        registry.get("first_cel")


def test_an_outsiders_model_is_found_by_its_entry_point(outsider: Path) -> None:
    info = outsider / "their_models-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-models\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{registry.ENTRY_POINTS}]\nfirst_cell = their_models:FirstCell\n")
    registry._installed.cache_clear()
    assert registry.names()["first_cell"] == "their_models:FirstCell"
    assert "their_models" not in sys.modules, "listing names imports nothing"
    adapter = registry.make("first_cell")
    world = SmallWorld.make()
    user = world.split.queries.users[0]
    given = adapter.predict(world.split.history.of(user), world.split.queries.of(user), world.context())
    assert set(given.x.tolist()) == {int(world.split.history.of(user).x[0])}
