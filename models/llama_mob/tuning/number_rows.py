"""The rows of added numbers while they are trained: a parameter of their own, looked up beside a base's tables.

Nothing of the tables is copied in a pass, and their gradient is that of the rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import PreTrainedModel

from bench.errors import UserError
from bench.files import write_with
from models.llama_mob.base import added_numbers
from models.llama_mob.base.tokens import Tokens
from models.llama_mob.tuning import kept

NAME = "number_rows"  # of the parameter, and before the names of what was learned
FILE = "number_rows.safetensors"


class NumberEmbedding(nn.Module):
    """A base's embeddings, with rows of numbers in place of its own."""

    def __init__(self, table: nn.Embedding, rows: nn.Parameter, ids: Tensor) -> None:
        super().__init__()
        self.table, self.number_rows = table, rows
        places = torch.full((table.num_embeddings,), -1)
        places[ids] = torch.arange(len(ids))
        self.register_buffer("places", places.to(table.weight.device), persistent=False)

    def forward(self, ids: Tensor) -> Tensor:
        """Return the embeddings of ids."""
        places = self.get_buffer("places")[ids]
        numbers = F.embedding(places.clamp(min=0), self.number_rows).to(self.table.weight.dtype)
        scale = getattr(self.table, "embed_scale", None)  # Gemma's
        scaled = numbers if scale is None else numbers * scale.to(numbers.dtype)
        return torch.where((places >= 0)[..., None], scaled, self.table(ids))


class NumberHead(nn.Module):
    """A base's head, with rows of numbers in place of its own."""

    def __init__(self, head: nn.Linear, rows: nn.Parameter, ids: Tensor) -> None:
        super().__init__()
        self.head, self.number_rows = head, rows
        self.register_buffer("ids", ids.to(head.weight.device), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens."""
        scores: Tensor = self.head(hidden)
        numbers = F.linear(hidden, self.number_rows.to(hidden.dtype)).to(scores.dtype)
        return scores.index_copy_(-1, self.get_buffer("ids"), numbers)


def attach(model: PreTrainedModel, tokens: Tokens) -> None:
    """Give a base's rows of numbers, as they are, to parameters that are trained; one where the tables are tied."""
    tables, ids = added_numbers.tables_of(model), added_numbers.ids_of(tokens)
    rows = {
        name: nn.Parameter(table.weight.detach()[ids.to(table.weight.device)].float()) for name, table in tables.items()
    }
    embeddings: Any = model.get_input_embeddings()
    head: Any = model.get_output_embeddings()
    inputs = rows[added_numbers.INPUT]
    model.set_input_embeddings(NumberEmbedding(embeddings, inputs, ids))
    model.set_output_embeddings(NumberHead(head, rows.get(added_numbers.OUTPUT, inputs), ids))


def detach(model: PreTrainedModel, tokens: Tokens) -> dict[str, Tensor]:
    """Put the base's tables back with the rows in them; return these on the CPU, by ``NAME.`` and their table."""
    inside: Any = model.get_input_embeddings()
    outside: Any = model.get_output_embeddings()
    model.set_input_embeddings(inside.table)
    model.set_output_embeddings(outside.head)
    held = {added_numbers.INPUT: inside.number_rows, added_numbers.OUTPUT: outside.number_rows}
    rows = {name: held[name].detach().cpu() for name in added_numbers.tables_of(model)}
    added_numbers.write(model, tokens, rows)
    return {f"{NAME}.{name}": values for name, values in rows.items()}


def split(learned: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return what was learned beside the rows of numbers, and these by their table."""
    rows = {name.removeprefix(f"{NAME}."): values for name, values in learned.items() if name.startswith(f"{NAME}.")}
    return {name: values for name, values in learned.items() if not name.startswith(f"{NAME}.")}, rows


def save(learned: Mapping[str, Tensor], folder: Path) -> None:
    """Write the rows among what was learned, if there are any."""
    rows = split(learned)[1]
    if rows:
        write_with(folder / FILE, lambda part: save_file(rows, part))


def load(folder: Path) -> dict[str, Tensor]:
    """Read what save wrote, by names as detach gives them. Raises UserError where it is not there or is broken."""
    path = folder / FILE
    if not path.is_file():
        raise UserError(f"{path}: not there; the rows of added numbers were trained with the LoRA: fit it again")
    return {f"{NAME}.{name}": values for name, values in kept.weights(path).items()}
