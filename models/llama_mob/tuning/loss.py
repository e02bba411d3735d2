"""The loss of chosen tokens under a causal language model; nothing is computed for the others."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel

from models.llama_mob.engine.passes import causal_of

AT_ONCE = 2048  # tokens whose scores are held at a time: a vocabulary of 128,256 takes 1 GB of float32 for so many


class TokenLoss(nn.Module):
    """A causal language model that says how improbable the learned tokens are."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, places: Tensor, targets: Tensor) -> Tensor:
        """Return the cross-entropy of each target, float32 (n,); ``places``: flat indices of the tokens before them."""
        hidden = self.hidden(ids, places)
        if len(places) <= AT_ONCE:
            return self._losses(hidden, targets)
        parts = zip(hidden.split(AT_ONCE), targets.split(AT_ONCE), strict=True)
        return torch.cat([checkpoint(self._losses, some, of, use_reentrant=False) for some, of in parts])

    def hidden(self, ids: Tensor, places: Tensor) -> Tensor:
        """Return the decoder's output at the places."""
        rows: Tensor = causal_of(self.model).get_decoder()(input_ids=ids, use_cache=False).last_hidden_state
        return rows.flatten(0, 1)[places]

    def scores(self, hidden: Tensor) -> Tensor:
        """Return the scores of all tokens, float32."""
        scores: Tensor = causal_of(self.model).get_output_embeddings()(hidden)
        return scores.float()

    def _losses(self, hidden: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(self.scores(hidden), targets, reduction="none")
