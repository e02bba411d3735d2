"""Rows of added numbers are trained apart, with a rate of their own, saved with the fit, and put back by id."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from digit_base import KINDS, digit_base
from torch.nn import functional as F

from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.world import Window
from bench.errors import UserError
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob.base import added_numbers, base
from models.llama_mob.base.base import Loaded
from models.llama_mob.tuning import number_rows
from models.llama_mob.tuning.loss import TokenLoss

LEARNING = {"numbers": "added", "preset": "short", "rank": 2, "batch": 1, "epochs": 2, "learning_rate": 1e-2}


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=2, trainers=4)


@pytest.fixture(scope="module", params=[True, False], ids=["tied", "untied"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return digit_base(tmp_path_factory.mktemp("added"), tie_word_embeddings=request.param)


def load(folder: Path) -> Loaded:
    return base.load(LlamaMobSettings(base=str(folder), tuning="none", numbers="added"), Context())


def model_of(folder: Path, **more: Any) -> LlamaMob:
    return LlamaMob(LlamaMobSettings(base=str(folder), **{**LEARNING, **more}))


def asked(loaded: Loaded) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ids of a text with numbers, flat places in it, and the ids that follow."""
    ids = torch.tensor([loaded.tokens.encode("60 17 101 9\n60 18 101 99\n[[61,7,1,200]]\n")])
    places = torch.arange(ids.shape[1] - 1)
    return ids, places, ids[0, 1:]


# The parameter


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_training_the_rows_do_what_they_do_in_the_tables(kind: str, tied: bool, tmp_path: Path) -> None:
    loaded = load(digit_base(tmp_path, kind, tie_word_embeddings=tied))
    number_rows.attach(loaded.model, loaded.tokens)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, weight in loaded.model.named_parameters():
            if name.endswith(number_rows.NAME):
                weight.add_(0.2 * torch.randn(weight.shape, generator=generator))
    ids, places, targets = asked(loaded)
    losses = TokenLoss(loaded.model)(ids, places, targets)
    learned = number_rows.detach(loaded.model, loaded.tokens)
    assert sorted(learned) == [f"number_rows.{name}" for name in (["input"] if tied else ["input", "output"])]
    scores = loaded.model(input_ids=ids).logits[0, :-1]
    assert torch.allclose(losses, F.cross_entropy(scores, targets, reduction="none"), atol=1e-5)


def test_the_gradient_is_that_of_the_tables_rows(folder: Path) -> None:
    whole, apart = load(folder), load(folder)
    ids, places, targets = asked(whole)
    TokenLoss(whole.model)(ids, places, targets).sum().backward()
    number_rows.attach(apart.model, apart.tokens)
    TokenLoss(apart.model)(ids, places, targets).sum().backward()
    inside, outside = apart.model.get_input_embeddings(), apart.model.get_output_embeddings()
    own = {added_numbers.INPUT: inside.number_rows, added_numbers.OUTPUT: outside.number_rows}
    at = added_numbers.ids_of(whole.tokens)
    for name, table in added_numbers.tables_of(whole.model).items():
        assert torch.allclose(own[name].grad, table.weight.grad[at], atol=1e-4)
        assert float(table.weight.grad[at].abs().max()) > 1e-3


# The fit


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_a_fit_trains_the_rows_and_survives_the_disk(
    folder: Path, tuning: str, world: SmallWorld, tmp_path: Path
) -> None:
    model, start = model_of(folder, tuning=tuning), load(folder)
    ctx = world.context(folder=tmp_path / "fit")
    model.fit(world.split.train, None, ctx)
    answers = model.predict(world.split.history, world.split.queries, ctx)
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    again = LlamaMob(model.settings)
    again.load(tmp_path / "saved")
    loaded = again.predict(world.split.history, world.split.queries, ctx)
    assert np.array_equal(answers.x, loaded.x)
    assert np.array_equal(answers.y, loaded.y)
    ready, at = again._made_ready(ctx), added_numbers.ids_of(start.tokens)
    tables = added_numbers.tables_of(ready.model)
    for name, table in added_numbers.tables_of(start.model).items():
        moved = (tables[name].weight.detach() != table.weight.detach()).any(dim=1)
        assert moved[at].any()
        others = torch.ones(len(moved), dtype=torch.bool).scatter_(0, at, False)
        assert moved[others].any() == (tuning == "full")
    rows = 2000 * 32 * len(tables)
    lora = 2 * 2 * (2 * (32 + 32) + 2 * (32 + 16) + 3 * (32 + 48))  # layers x rank x (in + out) of all targets
    facts = again.facts()
    assert facts["numbers"] == "added"
    assert facts["trained_parameters"] == (rows + lora if tuning == "lora" else facts["parameters"])
    assert "tokens for numbers added" in str(again.learning().pretrained_on)


def test_the_rows_have_a_rate_of_their_own(folder: Path, world: SmallWorld, tmp_path: Path) -> None:
    moved = {}
    for rate in (1e-9, 1e-3):
        model = model_of(folder, tuning="lora", numbers_learning_rate=rate)
        model.fit(world.split.train, None, world.context(folder=tmp_path / str(rate)))
        before, after = load(folder), model._learned
        assert after is not None
        start = added_numbers.start(before.model.get_input_embeddings().weight, before.tokens)
        moved[rate] = float((after["number_rows.input"] - start).abs().max())
    assert moved[1e-9] < 1e-6
    assert 1e-4 < moved[1e-3] < 1e-2


def test_a_saved_fit_without_its_rows_is_refused_in_one_line(folder: Path, world: SmallWorld, tmp_path: Path) -> None:
    model = model_of(folder, epochs=1)
    model.fit(world.split.train, None, world.context(folder=tmp_path / "fit"))
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    path = tmp_path / "saved" / added_numbers.FILE
    for content, said in ((path.read_bytes()[:-1], "cannot be read"), (None, "not there; the rows of added numbers")):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UserError, match=said) as caught:
            LlamaMob(model.settings).load(tmp_path / "saved")
        assert len(caught.value.messages) == 1


def test_a_fit_can_be_given_as_a_lora_with_its_rows(folder: Path, world: SmallWorld, tmp_path: Path) -> None:
    model = model_of(folder)
    model.fit(world.split.train, None, world.context(folder=tmp_path / "fit"))
    answers = model.predict(world.split.history, world.split.queries, world.context())
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    given = {"preset": "short", "base": str(folder), "lora": tmp_path / "saved"}
    found = LlamaMob(LlamaMobSettings(numbers="added", **given)).predict(
        world.split.history, world.split.queries, world.context()
    )
    assert np.array_equal(np.stack([found.x, found.y]), np.stack([answers.x, answers.y]))
    with pytest.raises(UserError, match="was tuned with a token added for each number; set numbers: added") as caught:
        base.load(LlamaMobSettings(**given), Context())
    assert len(caught.value.messages) == 1


def test_rows_that_are_not_finite_are_refused(folder: Path) -> None:
    loaded = load(folder)
    rows = {name: torch.full((2000, 32), torch.nan) for name in added_numbers.tables_of(loaded.model)}
    with pytest.raises(UserError, match="not finite"):
        added_numbers.write(loaded.model, loaded.tokens, rows)


def test_a_full_fit_of_digits_is_no_fit_of_added_numbers(folder: Path, world: SmallWorld, tmp_path: Path) -> None:
    digits = model_of(folder, numbers="digits", tuning="full", epochs=1)
    digits.fit(world.split.train, None, world.context(folder=tmp_path / "fit"))
    digits.save(tmp_path)
    added = model_of(folder, tuning="full")
    added.load(tmp_path)
    with pytest.raises(UserError, match="where the base asks for"):
        added.predict(world.split.history, world.split.queries, world.context())
