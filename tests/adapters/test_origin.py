"""What models say of where they come from: whose data chose their constants, and what a fit kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from small_llama import small_base

from baselines.lp_bert import LpBert, LpBertSettings
from bench.adapters import registry
from bench.adapters.adapter import Adapter
from bench.adapters.origin import Learning
from bench.adapters.small_world import SmallWorld
from bench.data.world import Window
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob_parallel import LlamaMobParallel

# days whose figures chose something, by model; whoever is not here saw nobody before its fit
TUNED = {
    "kernel_vote": [(45, 59)],
    "svr": [(45, 59)],
    "forest": [(45, 59)],
    "tt_knn": [(45, 59)],
    "offday_slot_mode": [(60, 74)],
    "candidate_boosting": [(45, 59), (60, 74)],
    "expected_day": [(45, 59), (45, 59), (60, 74)],
    "lp_bert": [(0, 74)],
    "llama_mob": [(0, 74), (45, 59)],
    "llama_mob_parallel": [(0, 74), (45, 59)],
}
SAW_NOBODY = ("user_mode", "user_mean", "slot_mode", "weekday_slot_mode", "bigram", "llm_api")
OF_OTHERS = ("replay", "consensus")  # answers from files: their settings say whose


def test_no_model_is_left_out_here() -> None:
    assert sorted((*TUNED, *SAW_NOBODY, *OF_OTHERS)) == sorted(registry.names())


@pytest.mark.parametrize("name", [*TUNED, *SAW_NOBODY])
def test_each_model_declares_on_whom_it_was_tuned(name: str) -> None:
    tuned = registry.make(name, {}).tuned()
    assert [part.days for part in tuned] == TUNED.get(name, [])
    assert all(part.challenge == "humob2024" and part.people and part.about for part in tuned)


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("lp_bert", {"init": "scratch"}),
        ("llama_mob", {"weights": "random"}),
        ("llama_mob", {"base": "some/base", "tuning": "none"}),
    ],
)
def test_starts_that_do_not_come_from_the_generator_do_not_say_so(name: str, settings: dict[str, Any]) -> None:
    assert registry.make(name, settings).tuned() == ()


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "pretrained"},
        {"start": "hand-set"},
        {"start": "random", "pretrained_on": "people"},
        {"epochs": 2},
        {"epochs": 2, "kept_epoch": 0},
        {"epochs": 2, "kept_epoch": 1, "kept_step": 5, "rejected": True},
        {"epochs": 0, "kept_epoch": 0, "kept_step": 0, "rejected": True},
    ],
)
def test_what_does_not_hang_together_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Learning(**wrong)


@given(epochs=st.integers(0, 9), data=st.data())
def test_a_fit_that_kept_its_start_after_an_epoch_was_rejected(epochs: int, data: st.DataObject) -> None:
    kept = data.draw(st.integers(0, epochs))
    found = Learning(start="random").after(epochs=epochs, kept_epoch=kept, kept_step=7 * kept)
    assert (found.kept_step, found.kept_start, found.rejected) == (7 * kept, kept == 0, kept == 0 and epochs > 0)
    assert found.begin() == Learning(start="random")


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=4, trainers=4)


def small_bert(monkeypatch: pytest.MonkeyPatch, **given: Any) -> LpBert:
    """Return the adapter with a network of a moment."""
    from baselines.lp_bert import model

    tiny = replace(model.Shape(), width=32, layers=2, heads=2, hidden=32)
    monkeypatch.setattr(model, "Shape", lambda **chosen: replace(tiny, **chosen))
    return LpBert(LpBertSettings(**{"init": "scratch", "epochs": 2, **given}))


def told(adapter: Adapter, world: SmallWorld, folder: Path, *, validate: bool = True) -> Learning:
    """Fit, save, load into a fresh adapter, and return what that one says it learned."""
    held_out = world.split.validate if validate else None
    adapter.fit(world.split.train, held_out, world.context(folder=folder))
    (folder / "fit").mkdir()
    adapter.save(folder / "fit")
    again = type(adapter)(adapter.settings)
    again.load(folder / "fit")
    assert again.learning() == adapter.learning()
    return again.learning()


def test_lp_bert_tells_the_kept_epoch(world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(small_bert(monkeypatch), world, tmp_path, validate=False)
    assert (found.start, found.epochs, found.kept_epoch, found.rejected) == ("random", 2, 2, False)
    assert found.kept_step == 2


def test_lp_bert_tells_that_nothing_was_fitted(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = told(small_bert(monkeypatch, epochs=0), world, tmp_path)
    assert (found.epochs, found.kept_start, found.rejected) == (0, True, False)


@pytest.mark.parametrize("model", [LlamaMob, LlamaMobParallel])
def test_llama_mob_tells_that_a_ruinous_fit_was_rejected(
    model: type[LlamaMob], world: SmallWorld, tmp_path: Path
) -> None:
    ruin = {"learning_rate": 30.0, "epochs": 1, "batch": 4, "schedule": "constant", "warm_up_steps": 0, "rank": 2}
    settings = model.Settings(base=str(small_base(tmp_path / "small")), **ruin)
    found = told(model(settings), world, tmp_path)
    assert (found.start, found.epochs, found.kept_epoch, found.kept_step) == ("pretrained", 1, 0, 0)
    assert found.rejected


def test_llama_mob_untuned_is_its_start() -> None:
    found = LlamaMob(LlamaMobSettings(tuning="none")).learning()
    assert (found.start, found.epochs) == ("pretrained", None)
    assert found.hand_set
    assert LlamaMob(LlamaMobSettings(weights="random")).learning() == Learning(start="random")
