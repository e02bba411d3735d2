"""``preset: paper``: the weights that the published script's trainer gives, and its way to ask again."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from figures import numbers_of
from small_llama import TINY, small_llama
from transformers import get_scheduler

from bench.adapters.adapter import Context
from bench.adapters.small_world import GRID, people
from bench.data.world import Calendar, Window
from bench.errors import UserError
from models.llama_mob import LlamaMob
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.presets import PAPER
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tuning import examples, task
from models.llama_mob.tuning.fit import fit
from models.llama_mob.tuning.task import Data, recipe_of

ROWS = {"instruction": {"answer": "d t x y", "reason": False}}
IN_WORDS = ("rope_scaling", "input_noise", "template_loss_weight")  # of the settings that are numbers
CPU = {"preset": "paper", "base": "tiny", "quantize": None, "optimizer": "adamw", **ROWS}


def paper(**given: Any) -> LlamaMobSettings:
    return LlamaMobSettings(**{**CPU, **given})


@pytest.fixture(scope="module")
def made() -> list[examples.Example]:
    """Six people's whole conversations."""
    settings, ctx = paper(), Context(window=Window(history=(0, 1), horizon=(2, 2)))
    template = Template.build(settings.instruction, GRID, Calendar())
    return examples.examples(people("B", range(6), 3, GRID), template, Tokens.load(TINY), settings, ctx)


def test_the_whole_conversation_is_learned(made: list[examples.Example]) -> None:
    for one in made:
        assert one.places.tolist() == list(range(len(one.ids) - 1))
        assert np.array_equal(one.targets, one.ids[1:])
        assert (one.weights == 1).all()


def test_tuning_gives_the_weights_of_the_published_trainer(
    made: list[examples.Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Four passes a step that count alike, clipped at 1, one cosine over all epochs that rises for five steps."""
    packed: list[examples.Example] = []
    monkeypatch.setattr(task, "AT_ONCE", 10**6)
    pack = task.pack
    monkeypatch.setattr(task, "pack", lambda chosen: packed.extend(chosen) or pack(chosen))
    model, reference, train = small_llama(), small_llama(), [*made[:4], *made[:4]]
    settings = paper(epochs=5, learning_rate=1e-3)
    fit(model, Data(train, []), settings, "float32", Context(folder=tmp_path), "k")

    assert len(packed) == 5 * 8
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-3, weight_decay=0.01)
    scheduler = get_scheduler("cosine_with_restarts", optimizer, num_warmup_steps=5, num_training_steps=10)
    for first in range(0, 40, 4):
        for one in packed[first : first + 4]:
            ids = torch.from_numpy(one.ids.astype(np.int64))[None]
            (reference(ids, labels=ids).loss / 4).backward()
        torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        optimizer.zero_grad()
    for (name, mine), its in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(mine, its, rtol=1e-3, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_the_cosine_falls_once_over_all_epochs() -> None:
    rates = recipe_of(paper(), "float32").rates(10)
    shares = [rates(step) for step in range(30)]
    assert shares[:6] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    assert all(after < before for before, after in itertools.pairwise(shares[5:]))


def test_the_best_of_the_validations_after_training_began_is_kept(
    made: list[examples.Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the start is better: the script's trainer never validates it."""
    scores, heard = iter([0.0, -3.0, -1.0, -2.0, -4.0]), []
    monkeypatch.setattr(task.Tuning, "score", lambda *_given: next(scores))
    settings = paper(epochs=3, validate_every=2, accumulate=1)
    ctx = Context(folder=tmp_path, intermediate=lambda number, score: heard.append((number, score)))
    facts = fit(small_llama(), Data(made[:3], made[3:]), settings, "float32", ctx, "k")
    assert heard == [(0, 0.0), (1, -3.0), (2, -1.0), (3, -2.0), (4, -4.0)], "the start, and steps 2, 4, 6 and 8 of 9"
    assert (facts["kept_step"], facts["best_epoch"], facts["validation_loss"]) == (4, 2, 1.0)


def test_validation_takes_the_users_mean_loss_of_the_whole_conversation(
    made: list[examples.Example], tmp_path: Path
) -> None:
    model = small_llama()
    with torch.no_grad():
        losses = [
            model(ids, labels=ids).loss.item() for ids in (torch.from_numpy(one.ids.astype(int))[None] for one in made)
        ]
    facts = fit(small_llama(), Data(made[:1], made), paper(epochs=0), "float32", Context(folder=tmp_path), "k")
    assert facts["start_loss"] == pytest.approx(np.mean(losses), abs=1e-3)


def test_8_bit_moments_need_bitsandbytes_and_say_so(
    made: list[examples.Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = paper(optimizer="adamw_8bit")
    assert "bitsandbytes" in LlamaMob(settings).needs.packages
    monkeypatch.setitem(sys.modules, "bitsandbytes.optim", None)
    with pytest.raises(UserError, match="needs bitsandbytes"):
        fit(small_llama(), Data(made[:1], []), settings, "float32", Context(folder=tmp_path), "k")


def test_8_bit_moments_survive_a_kill(
    made: list[examples.Example], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("bitsandbytes")
    monkeypatch.setattr("bench.training.loop.SAVE_EVERY", 0.0)
    settings = paper(optimizer="adamw_8bit", epochs=2, accumulate=1, warm_up_steps=0, validate_every=None)

    def stop(_label: str, done: float, _total: float) -> None:
        if done == 3:
            raise KeyboardInterrupt

    whole, resumed, data = small_llama(), small_llama(), Data(made[:3], [])
    for model in (whole, resumed):  # moments of fewer than 4,096 weights would stay in 32 bits
        model.resize_token_embeddings(8192)
    second = small_llama()
    second.resize_token_embeddings(8192)
    second.load_state_dict(whole.state_dict())
    resumed.load_state_dict(whole.state_dict())
    fit(whole, data, settings, "float32", Context(folder=tmp_path / "whole"), "k")
    with pytest.raises(KeyboardInterrupt):
        fit(resumed, data, settings, "float32", Context(folder=tmp_path / "killed", progress=stop), "k")
    fit(second, data, settings, "float32", Context(folder=tmp_path / "killed"), "k")
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), second.parameters(), strict=True))


def test_the_page_has_a_row_for_every_setting_in_which_paper_and_default_differ() -> None:
    page = (Path(__file__).parents[4] / "models" / "llama_mob" / "README.md").read_text(encoding="utf-8")
    default = LlamaMobSettings()
    lines = [line for line in page.splitlines() if line.startswith("|")]
    names = [name for name in PAPER if name not in ("instruction", "decoding") and differs(default, name)]
    names += [f"{part}.{name}" for part in ("instruction", "decoding") for name in PAPER[part]]
    for name in names:
        row = next((line for line in lines if f"`{name}`" in line), None)
        assert row, f"{name} is in no row of the table"
        part, _, within = name.rpartition(".")
        value = PAPER[part][within] if part else PAPER[name]
        if type(value) in (int, float) and name not in IN_WORDS:
            assert value in numbers_of(row.split("|")[2]), f"{name} is {value}: {row}"


def differs(default: LlamaMobSettings, name: str) -> bool:
    taken = {"alpha": default.scale(), "learning_rate": default.rate()}
    return bool(PAPER[name] != taken.get(name, getattr(default, name)))


def test_three_answers_at_most_are_sampled() -> None:
    assert LlamaMobSettings(preset="paper").decoding.attempts == 3
    assert replace(LlamaMob(LlamaMobSettings(preset="paper")).needs).cuda, "4-bit weights"
