"""The oracle of numbers: what a model's own forward says of each, without the engine, its cache or its tries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import Trajectories
from models.llama_mob import LlamaMob, LlamaMobSettings
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine.sampling import Choice
from models.llama_mob.prompts.compile import compile_prompt
from models.llama_mob.prompts.template import Template

BARE = {"role": False, "grid": False, "quadruple": False, "example": False, "listed": False}
WAYS: list[dict[str, Any]] = [
    {"mode": "constrained"},
    {"mode": "jump_forward", "batch": 1},
    {"mode": "jump_forward"},
    {"mode": "speculative", "draft_tokens": 5, "stop": 0.0},
    {"mode": "speculative", "draft": "tree", "nodes": 7, "stop": 0.0},
]
CHOICES: list[dict[str, Any]] = [
    {"choose": "greedy"},
    {"choose": "expected_proximity"},
    {"temperature": 0.7, "top_p": 0.8},
]


def few(world: SmallWorld, users: int = 2, points: int = 2) -> tuple[Trajectories, Any]:
    """Return the end of some users' histories, and their first queries."""
    split = world.split
    chosen = split.queries.users[:users]
    rows = [split.queries.of(user).take(slice(0, points)) for user in chosen]
    pasts = [split.history.of(user).take(slice(-9, None)) for user in chosen]
    return Trajectories.concat(pasts), type(rows[0]).concat(rows)


def model_of(folder: Path, **more: Any) -> LlamaMob:
    return LlamaMob(LlamaMobSettings(base=str(folder), tuning="none", instruction=BARE, **more))


def logits(model: torch.nn.Module, ids: list[int]) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0, -1].double()


def log_odds(model: torch.nn.Module, tokens: Tokens, before: list[int], after: int, size: int) -> np.ndarray:
    """Return log P of each number: a softmax over tokens of their own, or the chain rule over characters.

    Tokens of their own have a space in front, as in rows ``d t x y``.
    """
    if tokens.single:
        ids = [tokens.encode(f" {number}")[0] for number in range(1, size + 1)]
        return torch.log_softmax(logits(model, before)[ids], dim=0).numpy()
    digit = {str(n): tokens.encode(str(n))[0] for n in range(10)}
    found = np.zeros(size)

    def walk(prefix: str, so_far: float) -> None:
        leads = [n for n in range(1, size + 1) if str(n).startswith(prefix)]
        nexts = sorted({str(n)[len(prefix)] if str(n) != prefix else "" for n in leads})
        if len(nexts) > 1:
            ids = [digit[one] if one else after for one in nexts]
            odds = torch.log_softmax(logits(model, [*before, *(digit[one] for one in prefix)])[ids], dim=0).tolist()
        else:
            odds = [0.0]
        for one, more in zip(nexts, odds, strict=True):
            if one:
                walk(prefix + one, so_far + more)
            else:
                found[int(prefix) - 1] = so_far + more

    walk("", 0.0)
    return found


def plainly(model: LlamaMob, history: Trajectories, queries: Any, ctx: Context) -> np.ndarray:
    """Answer one number after the other, without a cache, by the oracle; cells (n, 2)."""
    ready = model._made_ready(ctx)
    asked, cells = model.settings.decoding, []
    template = Template.build(model.settings.instruction, ctx.grid, ctx.calendar)
    for user in queries.users:
        compiled = compile_prompt(template, ready.tokens, history.of(user), queries.of(user))
        ids = [*compiled.prompt.tolist(), *compiled.fillers[0].tolist()]
        near = asked.choose == "expected_proximity"
        choice = Choice(ctx.seed, user, len(compiled.slots), 200, asked.temperature, asked.top_p, near)
        for slot in range(len(compiled.slots)):
            filler = compiled.fillers[slot + 1].tolist()
            size = (ctx.grid.width, ctx.grid.height)[slot % 2]
            scores = log_odds(ready.model, ready.tokens, ids, (filler or [-1])[0], size)
            number = choice.pick(slot, scores)[0] + 1
            cells.append(number)
            ids += [*compiled.span(slot, number).tolist(), *filler]
    return np.array(cells).reshape(-1, 2)
