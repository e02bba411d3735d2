"""All cells of a user in one pass: read off at their places 999 999 in the question, with no answer written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from models.llama_mob.engine.batch import Seconds
from models.llama_mob.engine.engine import Counts, Result, Task
from models.llama_mob.tokens import Tokens
from models.llama_mob.tuning.examples import placeholders


class OnePassReader:
    """A model tuned to name each hidden number at the number's own place; x and y are named apart.

    The most probable of 1..width and 1..height is taken. Users are read one after the other, so that nobody's answer
    depends on another's.
    """

    def __init__(self, model: PreTrainedModel, tokens: Tokens, *, width: int, height: int) -> None:
        self.model, self.tokens, self.sizes = model, tokens, (width, height)
        self.seconds = Seconds()

    def predict(self, tasks: Sequence[Task], progress: Callable[[int, int], None]) -> list[Result]:
        """Return the results in the tasks' order; ``progress(done, total)`` is called after each and may raise."""
        self.seconds, results = Seconds(), []
        for task in tasks:
            began = time.perf_counter()
            results.append(self._read(task))
            self.seconds.prefill += time.perf_counter() - began
            progress(len(results), len(tasks))
        return results

    @torch.inference_mode()
    def _read(self, task: Task) -> Result:
        places = placeholders(task.compiled, self.tokens, len(task.queries))
        ids = torch.from_numpy(task.compiled.prompt)[None].to(self.model.device)
        hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state[0, torch.from_numpy(places)]
        logits = self.model.lm_head(hidden).float().cpu()
        cells, margin = np.ones((len(task.queries), 2), np.int64), float("inf")
        for axis, (table, size) in enumerate(zip(task.compiled.tables, self.sizes, strict=True)):
            allowed = logits[axis::2, torch.from_numpy(table[1 : size + 1])]
            cells[:, axis] = allowed.argmax(dim=1).numpy() + 1
            if len(cells) and size > 1:
                best = allowed.topk(2, dim=1).values
                margin = min(margin, float((best[:, 0] - best[:, 1]).min()))
        counts = Counts(tokens_read=len(task.compiled.prompt), passes=1, margin=margin)
        text = "".join(f"{x} {y}\n" for x, y in cells.tolist())
        return Result(cells, text, counts)
