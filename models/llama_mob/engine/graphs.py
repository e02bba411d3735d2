"""Forward passes recorded as CUDA graphs, so that a pass costs its work and not its hundreds of launches.

Used on CUDA alone. A recording has fixed shapes: passes are filled up to few sizes, and each size is recorded once it
has been used some times. Large passes take longer than their launches; they, and all where recording fails, are done
without one, but filled up all the same: attention kernels plan anew for every size they meet.
"""

from __future__ import annotations

import warnings
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import torch
from torch.nn.functional import pad

from models.llama_mob.engine.cache import KeyValueCache
from models.llama_mob.engine.passes import Forward, Packed
from models.llama_mob.engine.sizes import ran_out

PLACES = 2048  # places attended to are filled up to a multiple of this
ROOM = 1024  # the same of the places that a row has
USES = 4  # recording a size takes as long as it saves in about so many passes
LARGEST = 2048  # tokens of a pass, over all rows, up to which it is launched slower than it is done

Run = Callable[[], torch.Tensor]
Recorder = Callable[[Run], tuple[Callable[[], object], torch.Tensor]]
Key = tuple[int, int, int, int, bool]


class Graphs:
    """Stands in for ``Passes.forward`` of the same arguments and result.

    record: takes a pass over fixed tensors; returns what does it again, and the tensor that holds its result then.
    Recordings are dropped with the cache that they write to.
    """

    def __init__(self, forward: Forward, record: Recorder) -> None:
        self._forward, self._record = forward, record
        self._cache: Callable[[], KeyValueCache | None] = lambda: None  # weak: one that is dropped must free its memory
        self._met: Counter[Key] = Counter()
        self._recorded: dict[Key, tuple[Packed, Callable[[], object], torch.Tensor]] = {}
        self._failed = False

    def __call__(self, cache: KeyValueCache, first: int, packed: Packed) -> torch.Tensor:
        """Do a pass; the result holds until the next one."""
        if cache is not self._cache():
            self._cache = weakref.ref(cache, lambda _gone: self._recorded.clear())
            self._met.clear()
            self._recorded.clear()
        rows, tokens = packed.ids.shape
        filled = fill_up(packed, cache.rows - first, cache.room)
        key = (*filled.ids.shape, filled.places, first, filled.sees is not None)
        if self._failed or rows * tokens > LARGEST or not self._known(key, cache, first, filled):
            return self._forward(cache, first, filled)[:rows, :tokens]
        held, replay, hidden = self._recorded[key]
        _copy(filled, held)
        replay()
        return hidden[:rows, :tokens]

    def _known(self, key: Key, cache: KeyValueCache, first: int, filled: Packed) -> bool:
        """Return whether a size is recorded; it is from its ``USES``-th use on."""
        if key in self._recorded:
            return True
        self._met[key] += 1
        if self._met[key] < USES:
            return False
        held = filled.map(torch.clone)
        try:
            self._recorded[key] = (held, *self._record(lambda: self._forward(cache, first, held)))
        except RuntimeError as error:
            if ran_out(error):
                raise
            warnings.warn(f"passes are not recorded as CUDA graphs, and slower: {error}", stacklevel=2)
            self._failed = True
        return not self._failed


def on_cuda() -> Recorder:
    """Return a recorder of CUDA graphs that share their memory; they are replayed one at a time."""
    pool = torch.cuda.graph_pool_handle()
    kept: list[torch.cuda.CUDAGraph] = []

    def capture(run: Run) -> tuple[torch.cuda.CUDAGraph, torch.Tensor]:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=pool):
            result = run()
        return graph, result

    def record(run: Run) -> tuple[Callable[[], object], torch.Tensor]:
        if not kept:  # a pool that all its graphs have left cannot be joined again: this one stays
            kept.append(capture(lambda: torch.zeros(1, device="cuda"))[0])
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):  # a first run outside of the graph lets libraries allocate what they need
            run()
        torch.cuda.current_stream().wait_stream(aside)
        graph, hidden = capture(run)
        return graph.replay, hidden

    return record


def size_of_feed(tokens: int) -> int:
    """Return the next of 1, 2, 3, 4, 6, 8, 12, ..., 64: powers of two, one and a half of each; then of 96, 128, ..."""
    if tokens > 64:
        return -(-tokens // 32) * 32
    power = 1 << (tokens - 1).bit_length()
    return power * 3 // 4 if power >= 4 and tokens <= power * 3 // 4 else power


def room_for(length: int, feed: int) -> int:
    """Return the places that rows of ``length`` tokens need, fed ``feed`` tokens a pass, filled up."""
    return -(-(length + size_of_feed(feed)) // ROOM) * ROOM


def fill_up(packed: Packed, rows: int, room: int) -> Packed:
    """Return a pass of one of few sizes, with at most so many rows and places.

    Added tokens and rows are written where nothing is held, and nobody reads what becomes of them.
    """
    had_rows, had_tokens = packed.ids.shape
    tokens = size_of_feed(had_tokens)
    few_rows = 1 << (had_rows - 1).bit_length() if had_rows <= 8 else -(-had_rows // 8) * 8
    more, below = tokens - had_tokens, min(few_rows, rows) - had_rows
    sees = packed.sees
    if sees is not None:
        own = torch.eye(tokens, dtype=torch.bool, device=sees.device)
        sees = pad(sees, (0, more, 0, more, 0, below)) | own
    return replace(
        packed,
        ids=pad(packed.ids, (0, more, 0, below)),
        positions=pad(packed.positions, (0, more, 0, below)),
        begins=pad(packed.begins, (0, 0, 0, below)),
        sees=sees,
        places=min(-(-(packed.places + more) // PLACES) * PLACES, room),
        plain=False,
    )


def _copy(source: Packed, target: Packed) -> None:
    for name in ("ids", "positions", "begins", "sees"):
        value = getattr(source, name)
        if value is not None:
            getattr(target, name).copy_(value)
