"""One fit on several devices: a process each, every one with a share of the batches, kept in step by accelerate."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from torch import multiprocessing

from bench.adapters.adapter import Context
from bench.data.trajectories import Trajectories
from bench.errors import UserError
from bench.files import write_text, write_with
from models.llama_mob.settings import LlamaMobSettings

if TYPE_CHECKING:
    from models.llama_mob.tuning.fit import Facts, Learned

LEARNED, FACTS = "learned.safetensors", "learned.json"
LISTEN_EVERY = 0.2  # seconds

Given = tuple[Trajectories, Trajectories | None, LlamaMobSettings, Context, str]


def processes(device: str) -> int:
    """Return how many processes a fit takes: one for each GPU, one on the CPU."""
    return max(1, torch.cuda.device_count()) if device == "cuda" else 1


def learn_together(
    count: int,
    train: Trajectories,
    validate: Trajectories | None,
    settings: LlamaMobSettings,
    ctx: Context,
    precision: str,
) -> tuple[Learned, Facts]:
    """Run ``fit.learn`` in ``count`` processes; the first one's progress and scores go to the context.

    A step takes ``batch`` x ``accumulate`` trajectories in each process. Raises what the context's functions raise,
    after the processes were ended, a process's UserError, and an error with the text of any that failed otherwise.
    """
    spawned = multiprocessing.get_context("spawn")
    heard = spawned.SimpleQueue()
    silent = Context(ctx.window, ctx.grid, ctx.calendar, ctx.seed, ctx.device, ctx.threads, ctx.folder)
    given = (count, _free_port(), heard, (train, validate, settings, silent, precision))
    running = multiprocessing.start_processes(_work, given, nprocs=count, join=False, start_method="spawn")
    try:
        ended = False
        while not ended:
            try:
                ended = running.join(timeout=LISTEN_EVERY)
            finally:  # what a process said comes before how it, or one that waited for it, ended
                _listen(heard, ctx)
            ctx.check_time()
    finally:
        for process in running.processes:
            process.kill()
            process.join()
    facts: Facts = json.loads((ctx.folder / FACTS).read_text(encoding="utf-8"))
    return load_file(ctx.folder / LEARNED), facts


def _listen(heard: Any, ctx: Context) -> None:
    """Hand on what the processes said. Raises a process's UserError."""
    while not heard.empty():
        event, values = heard.get()
        if event == "refused":
            raise UserError(*values)
        getattr(ctx, event)(*values)


def _work(rank: int, count: int, port: int, heard: Any, given: Given) -> None:
    """Be one of the processes."""
    from models.llama_mob.tuning.fit import learn

    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in told.items()})
    train, validate, settings, ctx, precision = given
    if ctx.device == "cuda":
        torch.cuda.set_device(rank)
    if rank == 0:
        ctx = replace(
            ctx,
            progress=lambda *values: heard.put(("progress", values)),
            intermediate=lambda *values: heard.put(("intermediate", values)),
        )
    try:
        learned, facts = learn(train, validate, settings, ctx, precision)
    except UserError as error:
        heard.put(("refused", error.messages))
        return
    if rank == 0:
        write_with(ctx.folder / LEARNED, lambda part: save_file(learned, part))
        write_text(ctx.folder / FACTS, json.dumps(facts))
    torch.distributed.destroy_process_group()


def _free_port() -> int:
    """Return a port of this machine that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
