"""llama_mob_parallel: the base and tuning of llama_mob, but all cells are predicted in one pass.

The question lists what is asked for as ``d t 999 999``; the model is tuned to name each hidden number at its own place.
No answer is written, so that nothing can be malformed, no own mistake is read, and a trajectory costs one pass; but x
and y are named apart, and two places may be mixed. It is another model than llama_mob, not a way to decode it.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import model_validator

from bench.adapters import adapter
from models.llama_mob import LlamaMob
from models.llama_mob.settings import Decoding, LlamaMobSettings


class LlamaMobParallelSettings(LlamaMobSettings):
    """Settings of llama_mob_parallel: those of llama_mob; of those of written answers only ``decoding.batch``."""

    one_pass: ClassVar[bool] = True

    @model_validator(mode="after")
    def _can_be_asked_so(self) -> LlamaMobParallelSettings:
        if not self.instruction.listed:
            raise ValueError("instruction.listed must be true: cells are predicted at their places in the question")
        if self.shots:
            raise ValueError("shots is of llama_mob: examples are answered in writing, and nothing is written here")
        decoding, unset = self.decoding.model_copy(update={"batch": None}), Decoding()
        weights = (self.template_loss_weight, self.history_loss_weight)
        written = (self.input_noise, weights, self.loss, decoding)
        if written != (0.0, (1.0, 0.0), "answer", unset) and self.preset is None:
            raise ValueError(
                "decoding (all but batch), input_noise, template_loss_weight, history_loss_weight and loss are of "
                "llama_mob; nothing is written here"
            )
        return self


class LlamaMobParallel(LlamaMob):
    """Reads a user's records and the points asked for, and names all cells at once."""

    name: ClassVar[str] = "llama_mob_parallel"
    version: ClassVar[int] = 3
    Settings: ClassVar[type[adapter.Settings]] = LlamaMobParallelSettings
    in_context = False
    probabilities = adapter.Adapter.probabilities  # none: llama_mob's are of a written answer
    settings: LlamaMobParallelSettings
