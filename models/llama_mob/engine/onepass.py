"""All cells of some users in one pass: read off at their places 999 999 in the question, with no answer written."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from transformers import PreTrainedModel

from models.llama_mob.base.tokens import Tokens
from models.llama_mob.engine import sizes
from models.llama_mob.engine.batch import Seconds
from models.llama_mob.engine.engine import Counts, Result, Task, fewer
from models.llama_mob.engine.passes import Passes
from models.llama_mob.engine.sampling import check_finite
from models.llama_mob.tuning.examples import placeholders


class OnePassReader:
    """A model tuned to name each hidden number at the number's own place; x and y are named apart.

    The most probable of 1..width and 1..height is taken. batch: users a pass, None: as memory allows; half as many
    after it ran out. They are filled up on the right, where causal attention never looks: nobody's answer depends on
    another's, but for leads as small as rounding errors (``Counts.margin``).
    """

    def __init__(
        self, model: PreTrainedModel, tokens: Tokens, *, width: int, height: int, batch: int | None = None
    ) -> None:
        self.tokens, self.sizes = tokens, (width, height)
        self.seconds = Seconds()
        self._passes, self._limit = Passes(model, np.empty(0, np.int64)), batch

    def predict(self, tasks: Sequence[Task], progress: Callable[[int, int], None]) -> list[Result]:
        """Return the results in the tasks' order; ``progress(done, total)`` is called after each pass and may raise.

        Raises UserError where memory does not do for one user.
        """
        self.seconds, results = Seconds(), dict[int, Result]()
        lengths = [len(task.compiled.prompt) for task in tasks]
        left = sorted(range(len(tasks)), key=lambda i: -lengths[i])
        while left:
            longest = lengths[left[0]]
            users = min(len(left), self._limit or sizes.users_a_pass(self._passes, longest))
            began = time.perf_counter()
            try:
                results |= zip(left[:users], self._read([tasks[i] for i in left[:users]]), strict=True)
            except (RuntimeError, MemoryError) as error:
                self._limit = fewer(error, users, longest)
                continue
            left = left[users:]
            self.seconds.prefill += time.perf_counter() - began
            progress(len(results), len(tasks))
        return [results[i] for i in range(len(tasks))]

    @torch.inference_mode()
    def _read(self, tasks: Sequence[Task]) -> list[Result]:
        """Read some users in one pass."""
        ids = np.zeros((len(tasks), max(len(task.compiled.prompt) for task in tasks)), np.int64)
        for row, task in enumerate(tasks):
            ids[row, : len(task.compiled.prompt)] = task.compiled.prompt
        hidden = self._passes.trunk(
            input_ids=torch.from_numpy(ids).to(self._passes.device), use_cache=False
        ).last_hidden_state
        return [self._named(task, row) for task, row in zip(tasks, hidden, strict=True)]

    def _named(self, task: Task, hidden: torch.Tensor) -> Result:
        """Return what the hidden states (tokens, hidden) of a user name at the places of the cells."""
        places = placeholders(task.compiled, self.tokens, len(task.queries))
        logits = self._passes.head(hidden[torch.from_numpy(places).to(hidden.device)]).float().cpu()
        cells, margin = np.ones((len(task.queries), 2), np.int64), float("inf")
        for axis, (table, size) in enumerate(zip(task.compiled.tables, self.sizes, strict=True)):
            allowed = logits[axis::2, torch.from_numpy(table[1 : size + 1])]
            check_finite(bool(allowed.isfinite().all()))
            cells[:, axis] = allowed.argmax(dim=1).numpy() + 1
            if len(cells) and size > 1:
                best = allowed.topk(2, dim=1).values
                margin = min(margin, float((best[:, 0] - best[:, 1]).min()))
        counts = Counts(tokens_read=len(task.compiled.prompt), passes=1, margin=margin)
        text = "".join(f"{x} {y}\n" for x, y in cells.tolist())
        return Result(cells, text, counts)
