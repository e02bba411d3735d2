"""One fit on several GPUs: a process each, every one with a share of each step's parts."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, multiprocessing
from torch.distributed.elastic.utils.distributed import get_free_port

from bench.adapters.adapter import Context
from bench.errors import UserError
from bench.files import write_text, write_with

LEARNED, FACTS = "learned.safetensors", "learned.json"
LISTEN_EVERY = 0.2  # seconds

Facts = dict[str, Any]
Learn = Callable[..., tuple[Mapping[str, Tensor], Facts]]


def processes(device: str) -> int:
    """Return how many processes a fit takes: one for each GPU, one on the CPU."""
    return max(1, torch.cuda.device_count()) if device == "cuda" else 1


def world_size() -> int:
    """Return how many processes the fit has of which this is one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def learn_together(count: int, learn: Learn, given: tuple[Any, ...], ctx: Context) -> tuple[dict[str, Tensor], Facts]:
    """Run ``learn(*given, ctx)`` in ``count`` processes; the first one's progress and scores go to the context.

    learn: a function of a module, which returns weights by name and facts. Raises what the context's functions raise,
    after the processes were ended, a process's UserError, and an error with the text of any that failed otherwise.
    """
    spawned = multiprocessing.get_context("spawn")
    events = spawned.SimpleQueue()
    silent = Context(ctx.window, ctx.grid, ctx.calendar, ctx.seed, ctx.device, ctx.threads, ctx.folder)
    arguments = (count, get_free_port(), events, learn, (*given, silent))
    running = multiprocessing.start_processes(_work, arguments, nprocs=count, join=False, start_method="spawn")
    try:
        ended = False
        while not ended:
            try:
                ended = running.join(timeout=LISTEN_EVERY)
            finally:  # what a process said comes before how it, or one that waited for it, ended
                _listen(events, ctx)
            ctx.check_time()
    finally:
        for process in running.processes:
            process.kill()
            process.join()
    facts: Facts = json.loads((ctx.folder / FACTS).read_text(encoding="utf-8"))
    return load_file(ctx.folder / LEARNED), facts


def _listen(events: Any, ctx: Context) -> None:
    """Hand on what the processes said. Raises a process's UserError."""
    while not events.empty():
        event, values = events.get()
        if event == "refused":
            raise UserError(*values)
        getattr(ctx, event)(*values)


def _work(rank: int, count: int, port: int, events: Any, learn: Learn, given: tuple[Any, ...]) -> None:
    """Be one of the processes."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in told.items()})
    *plain, ctx = given
    if ctx.device == "cuda":
        torch.cuda.set_device(rank)
    if rank == 0:
        ctx = replace(
            ctx,
            progress=lambda *values: events.put(("progress", values)),
            intermediate=lambda *values: events.put(("intermediate", values)),
        )
    try:
        learned, facts = learn(*plain, ctx)
    except UserError as error:
        events.put(("refused", error.messages))
        return
    if rank == 0:
        write_with(ctx.folder / LEARNED, lambda part: save_file(dict(learned), part))
        write_text(ctx.folder / FACTS, json.dumps(facts))
    torch.distributed.destroy_process_group()
