"""Free writing: what the model says is read; padding, batches and order change nothing."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from bench.adapters.small_world import people
from bench.data.trajectories import INVALID, MISSING, OK
from bench.data.world import Calendar, Grid
from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import Task
from models.llama_mob.engine.free import SLACK, FreeWriter, draw, uniform
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template
from models.llama_mob.settings import TINY, Decoding, Instruction

TOKENS = Tokens.load(TINY)
GRID = Grid(60, 40)
ROWS = people("R", range(4), 4, GRID)


def make(kind: type[LlamaForCausalLM] = LlamaForCausalLM) -> Any:
    """A small random model whose scores differ enough to choose by."""
    torch.manual_seed(0)
    config = LlamaConfig(
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        vocab_size=TOKENS.size,
        initializer_range=0.3,
    )
    return kind(config).eval()


def template(**parts: object) -> Template:
    return Template.build(Instruction(**parts), GRID, Calendar())


def tasks(words: Template, count: int = 3, queries: int = 4) -> list[Task]:
    """Users of the small world: prompts of unequal length, few queries."""
    found = []
    for user in ROWS.users[:count]:
        rows = ROWS.of(user)
        history, ahead = rows.days(0, 2).take(slice(0, 9 + user[1])), rows.days(3, 3).take(slice(0, queries))
        asked = np.stack([ahead.d, ahead.t], axis=1).astype(np.int64)
        seen = np.stack([history.d, history.t, history.x, history.y], axis=1).astype(np.int64)
        found.append(Task(compile_prompt(words, TOKENS, history, ahead.queries()), user, seen, asked, seed=5))
    return found


def writer(model: Any, **decoding: object) -> FreeWriter:
    return FreeWriter(model, TOKENS, Decoding(mode="free", **decoding), grid=GRID)


class Scripted(LlamaForCausalLM):
    """Writes what it was told, by the length of the prompt; over and over."""

    scripts: dict[int, list[int]]

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **named: Any) -> Any:
        if input_ids.shape[1] > 1:
            mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
            self.telling = [itertools.cycle(self.scripts[length]) for length in mask.sum(dim=1).tolist()]
        output = super().forward(input_ids, attention_mask, **named)
        output.logits[:, -1] = 0.0
        for row, script in enumerate(self.telling):
            output.logits[row, -1, next(script)] = 9.0
        return output


def scripted(of: list[Task], texts: list[str]) -> Any:
    model = make(Scripted)
    lengths = [len(task.compiled.prompt) for task in of]
    assert len(of) == 1 or min(np.diff(sorted(lengths))) > 0
    model.scripts = {n: TOKENS.encode(text) for n, text in zip(lengths, texts, strict=True)}
    return model


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models end no turn: stop them early."""
    monkeypatch.setattr("models.llama_mob.engine.free.SLACK", 4)


@pytest.mark.parametrize("answer", ["json", "minified", "d t x y", "x y"])
def test_what_the_model_writes_is_read(answer: str) -> None:
    words = template(answer=answer, reason=True)
    (one,) = tasks(words, 1)
    cells = np.array([[3, 4], [60, 40], [7, 7], [1, 1]])
    text = words.layout.write(*one.queries.T, *cells.T)
    (result,) = writer(scripted([one], [text + "<|eot_id|>"])).predict([one])
    assert result.cells.tolist() == cells.tolist()
    assert result.text == text
    assert (result.reading.status == OK).all()
    assert result.counts.tokens_read == len(one.compiled.prompt)
    assert result.counts.passes == result.counts.tokens_fed == len(one.compiled.answer) - 1


def test_faults_are_told_apart_and_endless_texts_are_cut() -> None:
    words = template(answer="d t x y", listed=True)
    asked = tasks(words)
    d, t = asked[0].queries[0]
    text = f"{d} {t} 61 5\n9 9 1 1\n{d} {t} 5 5\nno\n<|eot_id|>"
    of = [asked[0], asked[2]]
    results = writer(scripted(of, [text, "9 9 1 1\n"]), batch=2).predict(of)
    first, second = (result.reading for result in results)
    assert first.status.tolist() == [INVALID, MISSING, MISSING, MISSING]
    assert (first.malformed, first.out_of_range, first.surplus, first.duplicates) == (1, 1, 1, 1)
    assert results[0].cells.tolist() == [[0, 0]] * 4
    most = len(asked[2].compiled.answer) * 11 // 10 + SLACK
    assert results[1].counts.tokens_fed == most - 1
    assert second.status.tolist() == [MISSING] * 4
    assert second.surplus == -(-most // 5) - (most % 5 > 0)


@pytest.mark.parametrize("sampling", [{}, {"temperature": 1.0}, {"temperature": 0.8, "top_p": 0.9}])
def test_batches_and_order_change_nothing(sampling: dict[str, float], short: None) -> None:
    model, of = make(), tasks(template(answer="x y"))
    alone = [writer(model, **sampling).predict([task])[0].text for task in of]
    assert len({*alone}) == 3
    for batch in (2, 3, None):
        results = writer(model, batch=batch, **sampling).predict(of[::-1])
        assert [result.text for result in results[::-1]] == alone
    other = [result.text for result in writer(model, **sampling).predict([replace(task, seed=6) for task in of])]
    assert (other == alone) == (not sampling)


def test_greedy_writing_is_the_best_token_of_each_pass(short: None) -> None:
    model, of = make(), tasks(template(answer="x y"), count=2, queries=1)
    for task, result in zip(of, writer(model, batch=2).predict(of), strict=True):
        ids = torch.from_numpy(task.compiled.prompt)[None]
        with torch.inference_mode():
            for _ in range(result.counts.passes + 1):
                ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(dim=-1)], dim=1)
        assert TOKENS.decode(ids[0, len(task.compiled.prompt) :].numpy()) == result.text


def test_a_draw_follows_the_shares_of_the_nucleus() -> None:
    logits = torch.log(torch.tensor([[0.1, 0.5, 0.05, 0.3, 0.05]], dtype=torch.float64)).expand(1000, 5)
    numbers = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    counts = torch.bincount(draw(logits, numbers, 1.0), minlength=5)
    assert counts.tolist() == [100, 500, 50, 300, 50]
    assert torch.bincount(draw(logits, numbers, 0.75), minlength=5).tolist() == [0, 625, 0, 375, 0]
    assert draw(logits, numbers, 1e-9).unique().tolist() == [1]


def test_a_users_random_numbers_hang_on_seed_and_user_alone() -> None:
    assert uniform(1, ("B", 7), 5).tolist() == uniform(1, ("B", 7), 9)[:5].tolist()
    streams = {tuple(uniform(*key, 3)) for key in ((1, ("B", 7)), (2, ("B", 7)), (1, ("C", 7)), (1, ("B", 8)))}
    assert len(streams) == 4
    assert uniform(1, ("B", 7), 5, attempt=1).tolist() == uniform(1, ("B", 7), 5).tolist()
    assert uniform(1, ("B", 7), 5, attempt=2).tolist() != uniform(1, ("B", 7), 5).tolist()


class Retold(Scripted):
    """Tells one story a call, the last one for good."""

    def generate(self, *given: Any, **named: Any) -> Any:
        stories = self.stories
        self.scripts = {
            length: stories[length].pop(0) if len(stories[length]) > 1 else stories[length][0] for length in stories
        }
        return super().generate(*given, **named)


@pytest.mark.parametrize(
    ("attempts", "temperature", "tries"), [(1, 0.1, 1), (2, 0.1, 2), (3, 0.1, 3), (9, 0.1, 3), (3, 0.0, 1)]
)
def test_a_malformed_answer_is_sampled_again(attempts: int, temperature: float, tries: int) -> None:
    """Two answers that are not whole, then one that is: who sampled it right at once is not asked again."""
    words = template(answer="x y")
    both = tasks(words, 2)
    right = words.layout.write(*both[0].queries.T, *np.full((2, 4), 7)) + "<|eot_id|>"
    model = make(Retold)
    lengths = [len(task.compiled.prompt) for task in both]
    short, surplus = "7 7\n<|eot_id|>", right.replace("<|eot_id|>", "1 1\n<|eot_id|>")
    model.stories = {
        n: [TOKENS.encode(text) for text in texts]
        for n, texts in zip(lengths, ([right], [short, surplus, right]), strict=True)
    }
    asked = writer(model, temperature=temperature, attempts=attempts, batch=2)
    first, second = asked.predict(both)
    assert (first.attempts, second.attempts) == (1, tries)
    assert second.whole == (tries == 3)
    assert second.counts.tokens_read == tries * lengths[1]


def test_after_memory_ran_out_fewer_users_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    model, of = make(), tasks(template(answer="x y"))
    expected = [result.text for result in writer(model).predict(of)]
    generate, sizes = model.generate, []

    def narrow(*, input_ids: torch.Tensor, **named: Any) -> torch.Tensor:
        sizes.append(len(input_ids))
        if len(input_ids) > 1:
            raise MemoryError
        return generate(input_ids=input_ids, **named)

    monkeypatch.setattr(model, "generate", narrow)
    done = []
    results = writer(model).predict(of, lambda n, total: done.append((n, total)))
    assert [result.text for result in results] == expected
    assert sizes == [3, 1, 1, 1]
    assert done == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr(model, "generate", lambda **_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(UserError, match="memory ran out with one user"):
        writer(model).predict(of)


def test_who_is_asked_nothing_costs_nothing() -> None:
    (one,) = tasks(template(), 1, queries=0)
    (result,) = writer(make()).predict([one])
    assert (result.text, result.counts.passes, len(result.cells), result.reading.malformed) == ("", 0, 0, 0)
