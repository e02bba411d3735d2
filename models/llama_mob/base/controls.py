"""What a base is compared with, to tell what its pretraining is worth: the same weights with something taken away."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedModel

from bench.errors import UserError
from models.llama_mob.base.tokens import Tokens

_TURN = torch.tensor([3, 7, 0, 9, 1, 8, 2, 5, 6, 4])  # which digit's row each digit gets: 3 for 0, 7 for 1, ...


@torch.no_grad()
def shuffle(model: PreTrainedModel, seed: int) -> None:
    """Shuffle the entries of each weight among themselves: their sizes stay, what was learned goes."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.copy_(weight.flatten()[order].view_as(weight))


@torch.no_grad()
def permute_digits(model: PreTrainedModel, tokens: Tokens) -> None:
    """Exchange the rows of the ten digits: a base can copy numbers as before, but none is what it was.

    Raises UserError where numbers are no digits.
    """
    if tokens.single:
        raise UserError(f"{tokens.name}: numbers are tokens of their own: permute_digits has no digits to permute")
    ids = torch.from_numpy(tokens.tables[0][:10, 0]).to(model.device)
    tables: list[Any] = [model.get_input_embeddings(), model.get_output_embeddings()]
    weights = {id(table.weight): table.weight for table in tables}  # one where the two are tied
    for weight in weights.values():
        weight[ids] = weight[ids[_TURN.to(ids.device)]]
