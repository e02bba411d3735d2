"""How many users are decoded at a time: as many as memory holds, and half as many after it ran out."""

from __future__ import annotations

from typing import Any

import torch

from models.llama_mob.base.preflight import free_bytes
from models.llama_mob.engine.cache import shape
from models.llama_mob.engine.passes import Passes

SPARED = 0.85  # share of the free memory that is used; the rest is for what this does not count
MOST = {"cuda": 64, "cpu": 16}  # more users at a time are no faster
READ = {"cuda": 64, "cpu": 1}  # the same where prompts are read whole: on a CPU one stays in its cache
CHUNK = {"cuda": 16384, "cpu": 512}  # tokens of a prompt read at a time; one that is read whole needs no mask


def users_at_a_time(passes: Passes, room: int, feed: int) -> int:
    """Return how many rows of ``room`` tokens, fed ``feed`` tokens a pass, fit into free memory; at least 1."""
    kind, size = passes.device.type, passes.dtype.itemsize
    reading = pass_bytes(passes.config, size, min(CHUNK[kind], room), room if room > CHUNK[kind] else 0)
    row = row_bytes(passes.config, size, room) + pass_bytes(passes.config, size, feed, room)
    return int(max(1, min(MOST[kind], (free_bytes(str(passes.device)) * SPARED - reading) // row)))


def users_a_pass(passes: Passes, length: int) -> int:
    """Return how many prompts of ``length`` tokens can be read whole, without a cache, in one pass; at least 1."""
    row = pass_bytes(passes.config, passes.dtype.itemsize, length, 0)
    return int(max(1, min(READ[passes.device.type], free_bytes(str(passes.device)) * SPARED // row)))


def row_bytes(config: Any, size: int, room: int) -> int:
    """Return the bytes of a row's keys and values; ``size``: bytes a number."""
    layers, heads, width = shape(config)
    return 2 * layers * heads * width * room * size


def pass_bytes(config: Any, size: int, tokens: int, room: int) -> int:
    """Return about how many bytes a pass of ``tokens`` of one row takes: hidden states and the mask."""
    _layers, heads, _width = shape(config)
    group = config.num_attention_heads // heads
    states = tokens * (8 * config.hidden_size + 3 * config.intermediate_size) * size
    return int(states + group * tokens * room * (size + 2))


def ran_out(error: BaseException) -> bool:
    """Return whether an error says that memory ran out."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
