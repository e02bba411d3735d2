"""Which users and tokens are learned from, schedules, the loop with its checkpoints, LoRA on disk."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_llama import TINY, small_llama
from torch import Tensor
from transformers import LlamaForCausalLM

from bench.adapters.adapter import Context, OutOfTime
from bench.adapters.small_world import GRID, WINDOW, people
from bench.data.trajectories import Trajectories
from bench.data.world import Calendar, Window
from bench.errors import UserError
from bench.training.checkpoint import STATE
from models.llama_mob.base.permutation import Permutation
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import attention
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import Decoding, LlamaMobSettings
from models.llama_mob.tuning import examples, lora
from models.llama_mob.tuning.fit import fit as tune
from models.llama_mob.tuning.loss import TokenLoss
from models.llama_mob.tuning.task import Data

SHORT = Window(history=(0, 1), horizon=(2, 2))


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens.load(TINY)


@pytest.fixture(scope="module")
def made(tokens: Tokens) -> list[examples.Example]:
    """Six people's examples of about 400 tokens."""
    table = people("B", range(6), 3, GRID)
    template = Template.build(LlamaMobSettings().instruction, GRID, Calendar())
    return examples.examples(table, template, tokens, LlamaMobSettings(input_noise=0), Context(window=SHORT))


# Which users


USERS = [(city, uid) for city in "BCD" for uid in range(40)]


@pytest.mark.parametrize("mix", [None, {"B": 0.5, "C": 0.3, "D": 0.2}])
def test_fewer_trajectories_are_among_more(mix: dict[str, float] | None) -> None:
    few, more = (
        set(examples.choose(USERS, LlamaMobSettings(trajectories=count, mix=mix), Context())) for count in (10, 60)
    )
    assert len(few) == 10
    assert len(more) == 60
    assert few < more
    assert few != set(examples.choose(USERS, LlamaMobSettings(trajectories=10, mix=mix), Context(seed=1)))


def test_the_mix_holds_even_where_a_city_is_short() -> None:
    chosen = examples.choose(USERS, LlamaMobSettings(mix={"B": 3, "C": 1}), Context())
    assert {city: sum(user[0] == city for user in chosen) for city in "BCD"} == {"B": 40, "C": 13, "D": 0}
    with pytest.raises(UserError, match=r"city X.*B, C, D"):
        examples.choose(USERS, LlamaMobSettings(mix={"X": 1}), Context())


@pytest.mark.parametrize("wrong", [{"mix": {"B": -1, "C": 2}}, {"mix": {"B": 0}}, {"mix": {}}, {"targets": ["q"]}])
def test_shares_and_targets_that_mean_nothing_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"0 or more, and one above 0|q_proj"):
        LlamaMobSettings(**wrong)


# Which tokens


def test_an_example_is_the_prompt_and_the_true_answer(made: list[examples.Example], tokens: Tokens) -> None:
    truth = people("B", range(6), 3, GRID).days(2, 2)
    user = truth.of(truth.users[0])
    answer = tokens.decode(made[0].ids[made[0].places + 1])
    rows = [f"{d} {t} {x} {y}\n" for d, t, x, y in zip(user.d, user.t, user.x, user.y, strict=True)]
    assert answer == "".join(rows)
    assert tokens.decode(made[0].targets[made[0].numbers]).split() == [
        str(n) for p in zip(user.x, user.y, strict=True) for n in p
    ]


def test_the_answer_alone_is_learned(made: list[examples.Example]) -> None:
    batch = examples.pack(made[:2])
    length = batch.ids.shape[1]
    want = [row * length + i for row, one in enumerate(made[:2]) for i in one.places + 1]
    assert (batch.places + 1).tolist() == want
    assert batch.targets.tolist() == np.concatenate([one.ids[one.places + 1] for one in made[:2]]).tolist()
    assert int(batch.numbers.sum()) == sum(one.numbers.sum() for one in made[:2])


def test_windows_shift_by_whole_horizons_and_history_days_cut(tokens: Tokens) -> None:
    table = people("B", range(1), 24, GRID)
    cut = list(examples.stretches(table, WINDOW, 3))
    assert [(int(truth.d.min()), int(truth.d.max())) for _history, truth in cut] == [(21, 23), (18, 20), (15, 17)]
    assert all(history.d.max() < truth.d.min() for history, truth in cut)
    assert set(examples.recent(cut[0][0], 4).d.tolist()) == {17, 18, 19, 20}
    early = next(examples.stretches(table.days(0, 19), WINDOW, 1))
    assert early[1].d.max() == 19, "rows that end before the horizon are used to their end"
    assert not list(examples.stretches(Trajectories.empty(("B",)), WINDOW, 2))


# The loss


def test_padding_and_company_change_no_loss(made: list[examples.Example], tokens: Tokens) -> None:
    model = TokenLoss(small_llama()).eval()
    both = examples.pack(made[:2])
    together = model(both.ids, both.places, both.targets)
    alone = [model(one.ids, one.places, one.targets) for one in (examples.pack([example]) for example in made[:2])]
    assert torch.allclose(together, torch.cat(alone), atol=1e-5)
    ids = torch.from_numpy(made[0].ids.astype(np.int64))[None]
    labels = torch.where(torch.arange(ids.shape[1]) <= made[0].places[0], -100, ids)
    assert model.model(ids, labels=labels).loss.item() == pytest.approx(alone[0].mean().item(), rel=1e-5)


@pytest.mark.parametrize("template_weight", [0.0, 0.25, 1.0])
def test_known_tokens_count_by_their_weight(
    template_weight: float, made: list[examples.Example], tmp_path: Path
) -> None:
    batch, model = examples.pack(made[:2]), small_llama()
    losses = TokenLoss(model).eval()(batch.ids, batch.places, batch.targets)
    worth = torch.where(batch.numbers, 1.0, template_weight)
    weighed = [replace(one, weights=np.where(one.numbers, 1.0, template_weight).astype(np.float32)) for one in made[:2]]
    facts = fit(model, Data(weighed, []), tmp_path, epochs=1)
    assert facts["loss_first"] == pytest.approx(((losses * worth).sum() / worth.sum()).item(), abs=1e-3)


def test_the_tiny_base_reads_noisy_answers_unless_told_otherwise() -> None:
    settings = {name: LlamaMobSettings(**given) for name, given in BASES.items()}
    assert {name: (one.input_noise, one.template_loss_weight) for name, one in settings.items()} == {
        "tiny": (1.0, 0.02),
        "told": (0.0, 0.02),
        "another": (0.0, 1.0),
        "paper": (0.0, 1.0),
        "paper with tiny": (0.0, 1.0),
    }
    assert [name for name, one in settings.items() if one.decoding.choose == "expected_proximity"] == ["tiny", "told"]


@pytest.mark.parametrize(
    ("decoding", "chosen"),
    [
        ({"mode": "jump_forward"}, "expected_proximity"),
        (Decoding(mode="jump_forward"), "expected_proximity"),
        ({"choose": "greedy"}, "greedy"),
        (Decoding(choose="greedy"), "greedy"),
        ({"temperature": 0.6}, "greedy"),
        ({"mode": "free"}, "greedy"),
    ],
)
def test_the_tiny_base_chooses_the_nearest_number_where_it_can(decoding: Any, chosen: str) -> None:
    assert LlamaMobSettings(decoding=decoding).decoding.choose == chosen


@pytest.mark.parametrize("otherwise", [{"temperature": 0.6}, {"mode": "free"}])
def test_expected_proximity_is_neither_sampled_nor_written_freely(otherwise: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="expected_proximity needs temperature 0"):
        LlamaMobSettings(decoding={"choose": "expected_proximity", **otherwise})


BASES: dict[str, dict[str, Any]] = {
    "tiny": {},
    "told": {"input_noise": 0},
    "another": {"base": "meta-llama/Llama-3.2-1B-Instruct"},
    "paper": {"preset": "paper"},
    "paper with tiny": {"preset": "paper", "base": "tiny"},
}


# The loop


def fit(
    model: Any, data: Data, folder: Path, key: str = "k", precision: str = "float32", **given: Any
) -> dict[str, Any]:
    settings = LlamaMobSettings(**{"batch": 2, "learning_rate": 1e-2, "epochs": 2, **given})
    ctx = Context(folder=folder, **({"deadline": -1.0} if key == "late" else {}))
    return tune(model, data, settings, precision, ctx, key)


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in model.named_parameters()}


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_loss_falls_and_facts_tell_of_it(made: list[examples.Example], tokens: Tokens, tmp_path: Path) -> None:
    model = small_llama()
    facts = fit(model, Data(made[:4], made[4:]), tmp_path, epochs=3)
    assert facts["steps"] == 6
    assert facts["training_tokens"] == 3 * sum(len(one.ids) for one in made[:4])
    assert facts["loss_last"] < facts["loss_first"]
    assert facts["validation_loss"] < facts["start_loss"]
    assert len(str(facts["loss_curve"]).split()) == 6


def test_the_best_epoch_is_kept(made: list[examples.Example], tokens: Tokens, tmp_path: Path) -> None:
    model = small_llama()
    start = weights(model)
    heard: list[tuple[int, float]] = []
    settings = LlamaMobSettings(batch=4, learning_rate=30.0, schedule="constant", warm_up_steps=0, epochs=1)
    ctx = Context(folder=tmp_path, intermediate=lambda step, value: heard.append((step, value)))
    facts = tune(model, Data(made[:4], made[4:]), settings, "float32", ctx, "k")
    assert facts["best_epoch"] == 0
    assert same(start, weights(model)), "a ruinous epoch leaves the start"
    assert [step for step, _value in heard] == [0, 1]
    assert heard[1][1] < heard[0][1], "higher is better"


@pytest.mark.parametrize(("at_once", "sizes"), [(10**6, {"batch": 1, "accumulate": 4}), (1, {"batch": 4})])
def test_accumulated_or_split_a_batch_is_the_same_step(
    at_once: int,
    sizes: dict[str, int],
    made: list[examples.Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    one, two, start = small_llama(), small_llama(), weights(small_llama())
    monkeypatch.setattr("models.llama_mob.tuning.task.AT_ONCE", 10**6)
    # one epoch of one step: the order of examples does not matter
    fit(one, Data(made[:4], []), tmp_path / "one", batch=4, epochs=1, learning_rate=1e-3)
    monkeypatch.setattr("models.llama_mob.tuning.task.AT_ONCE", at_once)
    fit(two, Data(made[:4], []), tmp_path / "two", epochs=1, learning_rate=1e-3, **sizes)
    moved = weights(one)
    assert not same(moved, start)
    for name, weight in weights(two).items():
        assert (weight - moved[name]).abs().mean() < 0.02 * (moved[name] - start[name]).abs().mean() + 1e-9


def test_gradient_checkpointing_changes_nothing(made: list[examples.Example], tokens: Tokens, tmp_path: Path) -> None:
    one, two = small_llama(), small_llama()
    fit(one, Data(made[:4], []), tmp_path / "one", epochs=1)
    fit(two, Data(made[:4], []), tmp_path / "two", epochs=1, checkpointing=True)
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(one.parameters(), two.parameters(), strict=True))


@pytest.mark.parametrize(
    ("precision", "dropout", "own"), [("bfloat16", 0.0, True), ("bfloat16", 0.1, False), ("float32", 0.0, False)]
)
def test_in_bfloat16_a_cpu_learns_through_the_engines_attention(
    precision: str,
    dropout: float,
    own: bool,
    made: list[examples.Example],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It has no dropout. What is learned is what transformers' own attention learns, but for rounding."""
    calls: list[int] = []
    plain = attention._in_blocks
    monkeypatch.setattr(attention, "_in_blocks", lambda *given: calls.append(1) or plain(*given))
    model = small_llama()
    model.config.attention_dropout = dropout
    data = Data(made[:4], made[4:])
    before = model.config._attn_implementation
    found = fit(model, data, tmp_path / "found", precision=precision)
    assert bool(calls) == own
    assert model.config._attn_implementation == before
    if own:
        wanted = fit(small_llama(), data, tmp_path / "wanted")
        assert found["validation_loss"] == pytest.approx(wanted["validation_loss"], rel=0.02)
        assert found["validation_loss"] < found["start_loss"]


@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_a_killed_fit_goes_on_to_the_same_weights(
    killed_at: int, made: list[examples.Example], tokens: Tokens, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.training.loop.SAVE_EVERY", 0.0)
    data = Data(made[:4], made[4:])
    whole, facts = _tuned(tokens, data, tmp_path / "whole")
    stop = _Stop(killed_at)
    with pytest.raises(OutOfTime):
        _tuned(tokens, data, tmp_path / "killed", stop)
    resumed, resumed_facts = _tuned(tokens, data, tmp_path / "killed")
    assert same(whole, resumed)
    assert facts == resumed_facts


def _tuned(
    tokens: Tokens, data: Data, folder: Path, progress: Callable[[str, float, float], None] | None = None
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    settings = LlamaMobSettings(batch=2, epochs=2, rank=2, dropout=0.1, learning_rate=1e-2)
    model = lora.attach(small_llama(), settings, seed=3)
    ctx = Context(folder=folder, **({"progress": progress} if progress else {}))
    facts = tune(model.get_base_model(), data, settings, "float32", ctx, "k")
    return lora.matrices(model), facts


class _Stop:
    """Progress that ends the fit after some steps, in the middle of an epoch or at its end."""

    def __init__(self, after: int) -> None:
        self.after = after

    def __call__(self, _label: str, done: float, _total: float) -> None:
        if done > self.after:
            raise OutOfTime


def test_a_checkpoint_of_another_fit_is_not_taken_up(
    made: list[examples.Example], tokens: Tokens, tmp_path: Path
) -> None:
    data = Data(made[:4], [])
    fit(small_llama(), data, tmp_path, key="another", epochs=1)
    again, fresh = small_llama(), small_llama()
    fit(again, data, tmp_path, epochs=1)
    fit(fresh, data, tmp_path / "fresh", epochs=1)
    assert same(weights(again), weights(fresh))
    (tmp_path / STATE).write_bytes(b"torn")
    third = small_llama()
    fit(third, data, tmp_path, epochs=1)
    assert same(weights(third), weights(fresh)), "a checkpoint that cannot be read is none"


def test_a_fit_watches_its_time(made: list[examples.Example], tokens: Tokens, tmp_path: Path) -> None:
    with pytest.raises(OutOfTime):
        fit(small_llama(), Data(made[:4], []), tmp_path, key="late")


def test_a_diverging_fit_says_so(made: list[examples.Example], tokens: Tokens, tmp_path: Path) -> None:
    with pytest.raises(FloatingPointError, match="lower learning_rate"):
        fit(small_llama(), Data(made[:4], []), tmp_path, learning_rate=1e30, epochs=3)


# LoRA


def test_lora_trains_its_matrices_alone_and_survives_the_disk(
    made: list[examples.Example], tokens: Tokens, tmp_path: Path
) -> None:
    settings = LlamaMobSettings(rank=2, alpha=4, targets=("q_proj", "down_proj"), batch=2, learning_rate=0.3, epochs=3)
    model = lora.attach(small_llama(), settings, seed=3)
    batch = examples.pack(made[:2])
    start = TokenLoss(small_llama()).eval()(batch.ids, batch.places, batch.targets)
    facts = tune(model.get_base_model(), Data(made[:4], []), settings, "float32", Context(folder=tmp_path), "k")
    assert facts["trained_parameters"] == 2 * 2 * (16 + 16 + 32 + 16)  # layers x rank x (in + out) of both targets
    learned = lora.matrices(model)
    lora.save(learned, settings, tmp_path)
    read = lora.load(tmp_path, settings)
    assert same(learned, read)
    merged = lora.merge(small_llama(), read, settings)
    assert type(merged) is LlamaForCausalLM
    trained = TokenLoss(model.get_base_model()).eval()(batch.ids, batch.places, batch.targets)
    after = TokenLoss(merged).eval()(batch.ids, batch.places, batch.targets)
    assert torch.allclose(after, trained, atol=1e-5)
    assert not torch.allclose(after, start, atol=1e-2)
    from peft import PeftModel

    loaded = PeftModel.from_pretrained(small_llama(), str(tmp_path))
    again = TokenLoss(loaded.get_base_model()).eval()(batch.ids, batch.places, batch.targets)
    assert torch.allclose(again, after, atol=1e-5), "the files are peft's own"


# The control


def test_a_permutation_is_a_bijection_that_is_undone() -> None:
    table = people("B", range(3), 3, GRID)
    renamed = Permutation.of(GRID)
    moved = renamed.apply(table)
    assert (moved.x != table.x).mean() > 0.8
    back = renamed.undo(np.stack([moved.x, moved.y], axis=1))
    assert np.array_equal(back, np.stack([table.x, table.y], axis=1))
    assert sorted(renamed.x[1:].tolist()) == list(range(1, GRID.width + 1))
    assert math.isclose(np.corrcoef(renamed.x[1:], np.arange(GRID.width))[0, 1], 0, abs_tol=0.4)
    assert np.array_equal(Permutation.of(replace(GRID)).y, renamed.y)


def test_weights_that_the_last_step_ruined_are_not_kept(made: list[examples.Example], tmp_path: Path) -> None:
    ruinous = {"learning_rate": 1e38, "warm_up_steps": 0, "epochs": 1, "batch": 4}
    with pytest.raises(FloatingPointError, match="after step 1 of 1"):
        fit(small_llama(), Data(made[:4], []), tmp_path, **ruinous)


def test_a_model_that_peft_wraps_has_the_loss_of_its_own(made: list[examples.Example]) -> None:
    batch = examples.pack(made[:1])
    both = lora.attach(small_llama(), LlamaMobSettings(), 0).eval()
    one, other = (TokenLoss(model)(batch.ids, batch.places, batch.targets) for model in (both, lora.unwrap(both)))
    assert torch.equal(one, other)
