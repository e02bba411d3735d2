"""What is sent: llama_mob's prompt as chat messages, examples before it, and the answer's form as a JSON schema."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.adapters.adapter import Context
from bench.data.trajectories import Queries, Trajectories
from bench.data.world import Window
from models.llama_mob.prompts.template import Template

Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Example:
    """A training user's question and answer."""

    history: Trajectories
    truth: Trajectories


def recent(table: Trajectories, days: int | None) -> Trajectories:
    """Return the last days of a history."""
    if days is None or not len(table):
        return table
    last = int(table.d.max())
    return table.days(last - days + 1, last)


def examples(train: Trajectories, shots: int, window: Window, ctx: Context) -> Trajectories:
    """Draw the training users of the examples; return their rows. A user has rows in both parts of the window."""
    drawn = [train.users[i] for i in ctx.rng("llm_api", "shots").permutation(len(train.users)).tolist()]
    fitting = [user for user in drawn if _cut(train.of(user), window) is not None]
    return train.only(fitting[:shots])


def shown(train: Trajectories, window: Window, days: int | None) -> list[Example]:
    """Return the examples of users that :func:`examples` drew."""
    found = (_cut(train.of(user), window) for user in train.users)
    return [Example(recent(one.history, days), one.truth) for one in found if one is not None]


def _cut(rows: Trajectories, window: Window) -> Example | None:
    """Cut one user's rows into a history and what followed, at the end of the days that are known."""
    last = min(window.horizon[1], int(rows.d.max()))
    first = last - window.horizon_days + 1
    found = Example(rows.days(first - window.history_days, first - 1), rows.days(first, last))
    return found if len(found.history) and len(found.truth) else None


def messages(template: Template, told: Sequence[Example], history: Trajectories, queries: Queries) -> Messages:
    """Return the conversation: the instruction, the examples with their answers, the question."""
    said = [("system", template.system)]
    for one in told:
        said.append(("user", template.question(one.history, one.truth.queries())))
        said.append(("assistant", written(template, one.truth)))
    said.append(("user", template.question(history, queries)))
    return [{"role": role, "content": text} for role, text in said]


def written(template: Template, truth: Trajectories) -> str:
    """Return the answer that is the truth."""
    return template.layout.write(truth.d, truth.t, truth.x, truth.y)


def longest(template: Template, queries: Queries) -> int:
    """Return tokens that an answer may have: a token a character of the answer, and room for other words."""
    return len(template.layout.ends(queries.d, queries.t)[0]) + 64


def schema(template: Template, queries: Queries) -> dict[str, Any]:
    """Return the JSON schema of an answer to these queries."""
    width = 4 if template.layout.keyed else 2
    row = {"type": "array", "items": {"type": "integer"}, "minItems": width, "maxItems": width}
    rows = {"type": "array", "items": row, "minItems": len(queries), "maxItems": len(queries)}
    keys = {"prediction": rows}
    if "reason" in template.layout.begin:
        keys = {"reason": {"type": "string"}, **keys}
    return {"type": "object", "properties": keys, "required": list(keys), "additionalProperties": False}
