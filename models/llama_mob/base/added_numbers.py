"""The rows of added numbers in a base's tables: at first means of their digits' rows, written by id.

They are those of "0" to "999", then those of " 0" to " 999". "0" to "9" have the ids that they have in the base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from bench.errors import UserError
from models.llama_mob.base.tokens import NUMBERS, Tokens

INPUT, OUTPUT = "input", "output"
SHARES = ((1.0,), (0.55, 0.45), (0.4, 0.35, 0.25))  # of the digits in a mean, so that 12 and 21 differ


def tables_of(model: PreTrainedModel) -> dict[str, Any]:
    """Return the embeddings and, where it is not tied to them, the head.

    Raises UserError where they are wrapped in something that changes them.
    """
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    if not isinstance(embeddings, nn.Embedding) or type(head) is not nn.Linear:
        raise UserError("llama_mob: numbers cannot be added beside a LoRA that changes the embeddings or the head")
    return {INPUT: embeddings} if head.weight is embeddings.weight else {INPUT: embeddings, OUTPUT: head}


def ids_of(tokens: Tokens) -> Tensor:
    """Return the id of each row, int64 (2000,)."""
    return torch.cat([torch.from_numpy(table) for table in tokens.tables])


def add(model: PreTrainedModel, tokens: Tokens) -> int:
    """Make room in a base's tables for the numbers, and start their rows; return how many weights that adds."""
    tables, size = tables_of(model), max(tokens.added) + 1
    before = sum(table.weight.numel() for table in tables.values())
    for table in tables.values():
        table.weight = _wider(table.weight, size)
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    if OUTPUT not in tables:
        head.weight = embeddings.weight
    embeddings.num_embeddings = head.out_features = model.config.vocab_size = len(embeddings.weight)
    write(model, tokens, {name: start(table.weight, tokens) for name, table in tables.items()})
    return sum(table.weight.numel() for table in tables.values()) - before


def start(table: Tensor, tokens: Tokens) -> Tensor:
    """Return the mean of each number's digits' rows in a table, weighted by their places, float32 (2000, hidden)."""
    shares = torch.zeros(NUMBERS, 10)
    for number in range(NUMBERS):
        digits = str(number)
        for digit, share in zip(digits, SHARES[len(digits) - 1], strict=True):
            shares[number, int(digit)] += share
    ten = table.detach()[torch.from_numpy(tokens.numbers[:10]).to(table.device)].float()
    return (shares.to(ten.device) @ ten).repeat(len(tokens.tables), 1)


@torch.no_grad()
def write(model: PreTrainedModel, tokens: Tokens, rows: Mapping[str, Tensor]) -> None:
    """Put rows, (2000, hidden) by the name of their table, where they belong. Raises UserError for any others."""
    tables, ids = tables_of(model), ids_of(tokens)
    wanted = {name: (len(ids), table.weight.shape[1]) for name, table in tables.items()}
    found = {name: tuple(values.shape) for name, values in rows.items()}
    if found != wanted:
        raise UserError(f"llama_mob: rows of added numbers are {found}, the base needs {wanted}: fit it again")
    for name, table in tables.items():
        table.weight[ids.to(table.weight.device)] = rows[name].to(table.weight)


def _wider(weight: Tensor, size: int) -> nn.Parameter:
    """Return a table with rows for at least so many ids."""
    more = weight.new_zeros(max(0, size - len(weight)), weight.shape[1])
    return nn.Parameter(torch.cat([weight.detach(), more]), requires_grad=weight.requires_grad)
