"""What is sent: llama_mob's prompt as chat messages, examples before it, and the answer's form as a JSON schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.data.trajectories import Queries, Trajectories
from models.llama_mob.base.layouts import Turn
from models.llama_mob.prompts.template import Template

Messages = list[dict[str, str]]


def messages(template: Template, told: Sequence[Turn], history: Trajectories, queries: Queries) -> Messages:
    """Return the conversation: the instruction, the examples with their answers, the question."""
    said = [("system", template.system)]
    for question, answer in told:
        said += [("user", question), ("assistant", answer)]
    said.append(("user", template.question(history, queries)))
    return [{"role": role, "content": text} for role, text in said]


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
