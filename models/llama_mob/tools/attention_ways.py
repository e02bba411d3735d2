"""Which attention over the cache is fastest on this machine? ``python -m models.llama_mob.tools.attention_ways``.

    python -m models.llama_mob.tools.attention_ways --device cuda --to attention_ways.md

The engine attends to all places of a row under one mask. The others do it in two parts: to what the row held before,
where each token sees all, and to the new tokens among themselves, a chain or a tree; then they weigh both by their
log-sum-exp, as FlashAttention does between blocks (Dao et al., arXiv 2205.14135). All ways answer alike but for
rounding (tests); which is fastest, only the machine can say.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from tabulate import tabulate
from torch import Tensor

from bench.errors import UserError
from bench.files import write_or_print
from models.llama_mob.engine.attention import attend, mask

HIDDEN = -1e4  # finite: a part of which a token sees nothing must weigh nothing, and not be NaN
LAYERS = 4  # each with a cache of its own, so that the GPU's own cache does not hold it from one to the next
REPEATS = 20
Part = tuple[Tensor, Tensor]  # what was mixed (..., n, d) and the log-sum-exp of its scores (..., n)
Attention = Callable[[int], Tensor]  # of a layer; what layers share is made ready before, once a pass


@dataclass(frozen=True)
class Case:
    """A pass: new tokens of some rows, beside what their cache holds.

    query: (rows, heads, tokens, d); keys, values: (layers, rows, kv heads, places, d), the new tokens' from each row's
    ``begins`` on; begins: int64 (rows,); sees: bool (rows, tokens, tokens), which of them each token sees.
    """

    query: Tensor
    keys: Tensor
    values: Tensor
    begins: Tensor
    sees: Tensor

    @classmethod
    def drawn(
        cls, rows: int, tokens: int, places: int, heads: tuple[int, int], width: int, device: str, dtype: torch.dtype
    ) -> Case:
        """Return random numbers for rows of unequal length; heads: of queries, and of keys and values."""
        generator = torch.Generator().manual_seed(0)

        def numbers(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device, dtype)

        most = places - tokens
        begins = torch.randint(most * 7 // 10, most + 1, (rows,), generator=generator).to(device)
        sees = torch.ones(tokens, tokens, dtype=torch.bool).tril().expand(rows, -1, -1).to(device)
        keys, values = (numbers(LAYERS, rows, heads[1], places, width) for _ in range(2))
        return cls(numbers(rows, heads[0], tokens, width), keys, values, begins, sees)

    @property
    def packed(self) -> Tensor:
        """Queries that share keys end to end, (rows, kv heads, group x tokens, d)."""
        rows, _heads, _tokens, width = self.query.shape
        return self.query.reshape(rows, self.keys.shape[2], -1, width)

    @property
    def at(self) -> Tensor:
        """Places of the new tokens, int64 (rows, tokens)."""
        return self.begins[:, None] + torch.arange(self.query.shape[2], device=self.begins.device)


Prefix = Callable[[Case], Callable[[int], Part]]


def as_now(case: Case) -> Attention:
    """Return the engine's own attention: all places under one mask, which a pass makes once for all layers."""
    group = case.query.shape[1] // case.keys.shape[2]
    added = mask(case.at, case.begins[:, None], case.sees, case.keys.shape[3], group, case.query.dtype)
    bare = torch.nn.Module()
    return lambda layer: attend(bare, case.query, case.keys[layer], case.values[layer], added)[0]


def in_two_parts(case: Case, prefix: Prefix) -> Attention:
    """Return attention in two parts, with a way to attend to what was held before."""
    held, new = prefix(case), _among_themselves(case)

    def attention(layer: int) -> Tensor:
        both = [held(layer), new(layer)]
        mixed, _lse = merged(torch.stack([part for part, _ in both]), torch.stack([lse for _, lse in both]), 0)
        return mixed.reshape(case.query.shape).transpose(1, 2)

    return attention


def merged(mixed: Tensor, lse: Tensor, dim: int) -> Part:
    """Return attention over all keys from that over parts of them, which lie along ``dim``."""
    weights = lse.float().softmax(dim=dim)[..., None]
    return (weights * mixed).sum(dim=dim).to(mixed.dtype), lse.float().logsumexp(dim=dim)


def _among_themselves(case: Case) -> Callable[[int], Part]:
    """Attend from the new tokens to those of them that each sees."""
    packed = case.packed
    _rows, heads, count, width = packed.shape
    at = case.at[:, None, :, None].expand(-1, heads, -1, width)
    hidden = ~case.sees.repeat(1, count // case.sees.shape[1], 1)[:, None]

    def new(layer: int) -> Part:
        key, value = (held[layer].gather(2, at) for held in (case.keys, case.values))
        scores = (packed @ key.transpose(2, 3)).float() * width**-0.5
        scores = scores.masked_fill(hidden, -torch.inf)
        return scores.softmax(dim=-1).to(value.dtype) @ value, scores.logsumexp(dim=-1)

    return new


def by_products(case: Case) -> Callable[[int], Part]:
    """Attend to what was held by two products, with all scores in memory between."""
    packed, added = case.packed, _padding(case, torch.float32)[:, None, None]

    def prefix(layer: int) -> Part:
        key, value = case.keys[layer], case.values[layer]
        scores = (packed @ key.transpose(2, 3)).float() * key.shape[-1] ** -0.5 + added
        return scores.softmax(dim=-1).to(value.dtype) @ value, scores.logsumexp(dim=-1)

    return prefix


def by_kernel(parts: int, case: Case) -> Callable[[int], Part]:
    """Attend to what was held by a fused kernel, the keys in so many parts, which fill a GPU side by side."""
    packed = case.packed
    rows, heads, count, width = packed.shape
    query = packed.reshape(rows * heads, 1, count, width).expand(-1, parts, -1, -1)
    added = _padding(case, query.dtype).reshape(rows, 1, parts, 1, -1).expand(-1, heads, -1, -1, -1)
    added = added.reshape(rows * heads, parts, 1, -1).expand(-1, -1, count, -1)  # one row of it for all tokens

    def prefix(layer: int) -> Part:
        key, value = (held[layer].reshape(rows * heads, parts, -1, width) for held in (case.keys, case.values))
        if query.is_cuda:
            found = torch.ops.aten._scaled_dot_product_efficient_attention(query, key, value, added, True)
        else:
            found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(query, key, value, attn_mask=added)
        mixed, lse = found[0], found[1][..., :count]
        if parts > 1:
            mixed, lse = merged(mixed, lse, 1)
        return mixed.reshape(rows, heads, count, width), lse.reshape(rows, heads, count)

    return prefix


def by_lengths(case: Case) -> Callable[[int], Part]:
    """Attend to what was held by torch's kernel for sequences of unequal length: no mask, no places beyond a row's.

    Each head of keys is a sequence, so that the cache stays as it lies. On CUDA, from torch 2.13 on.
    """
    from torch.nn.attention.varlen import AuxRequest, varlen_attn

    packed, room, tokens = case.packed, case.keys.shape[3], case.query.shape[2]
    rows, heads, count, width = packed.shape
    group, sequences = count // tokens, rows * heads
    query = packed.reshape(sequences, group, tokens, width).transpose(1, 2).reshape(-1, group, width)
    steps = torch.arange(sequences + 1, device=query.device, dtype=torch.int32)
    ends, lengths = (steps * tokens, steps * room), case.begins.repeat_interleave(heads).int()

    def prefix(layer: int) -> Part:
        mixed, lse = varlen_attn(
            query,
            case.keys[layer].reshape(-1, 1, width),
            case.values[layer].reshape(-1, 1, width),
            *ends,
            tokens,
            room,
            return_aux=AuxRequest(lse=True),
            enable_gqa=True,
            seqused_k=lengths,
        )
        mixed = mixed.reshape(rows, heads, tokens, group, width).transpose(2, 3)
        lse = lse.reshape(rows, heads, tokens, group).transpose(2, 3)
        return mixed.reshape(packed.shape), lse.reshape(rows, heads, count)

    return prefix


def _padding(case: Case, dtype: torch.dtype) -> Tensor:
    """Return what hides places beyond what a row held, (rows, places): no number for each token."""
    places = torch.arange(case.keys.shape[3], device=case.begins.device)
    return torch.zeros((), dtype=dtype, device=places.device).where(places < case.begins[:, None], HIDDEN)


WAYS: dict[str, Callable[[Case], Attention]] = {
    "one mask over all places (the engine)": as_now,
    "two parts, products": lambda case: in_two_parts(case, by_products),
    "two parts, a kernel": lambda case: in_two_parts(case, partial(by_kernel, 1)),
    "two parts, a kernel, keys in 8": lambda case: in_two_parts(case, partial(by_kernel, 8)),
    "two parts, kernel by lengths": lambda case: in_two_parts(case, by_lengths),
}


@torch.inference_mode()
def seconds(attention: Attention, device: str) -> float:
    """Return the seconds of one layer; on CUDA as the engine runs it, recorded as a graph."""

    def run() -> None:
        for layer in range(LAYERS):
            attention(layer)

    run()
    if device == "cuda":
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            run()
        run = graph.replay
        run()
        torch.cuda.synchronize()
    repeats = REPEATS if device == "cuda" else 1
    began = time.perf_counter()
    for _ in range(repeats):
        run()
    if device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / repeats / LAYERS


def measured(given: argparse.Namespace) -> Iterator[list[str]]:
    """Yield a row of the table for each case and way; a way that this machine has not says so."""
    full = given.device == "cuda"
    heads, width, places = ((32, 8), 128, 10_240) if full else ((4, 2), 16, 256)
    dtype = torch.bfloat16 if full else torch.float32
    cases = [(rows, tokens) for rows in (1, 32) for tokens in (12, 72, 176) if rows * tokens <= 2400]
    for rows, tokens in track(cases, "attention", console=Console(stderr=True), transient=True):
        case = Case.drawn(rows, tokens, places, heads, width, given.device, dtype)
        held = 2 * float(case.begins.sum()) * heads[1] * width * case.keys.element_size()
        for name, way in WAYS.items():
            try:
                took = seconds(way(case), given.device)
                found = [f"{1e6 * took:,.0f} µs", f"{held / took / 1e9:,.0f} GB/s"]
            except (ImportError, NotImplementedError, RuntimeError, TypeError) as error:
                found = [f"not here: {(str(error) or type(error).__name__).splitlines()[0][:60]}", "–"]
            yield [str(rows), str(tokens), name, *found]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and write or print the table."""
    about = str(__doc__).splitlines()[0]
    parser = argparse.ArgumentParser(prog="python -m models.llama_mob.tools.attention_ways", description=about)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"), help="cpu: a small shape")
    parser.add_argument("--to", type=Path, help="a Markdown file; without it the table is printed")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        raise UserError("--device cuda: this machine has no GPU; --device cpu tries a small shape")
    where = torch.cuda.get_device_name() if given.device == "cuda" else "CPU, a small shape"
    columns = ["rows", "tokens a row", "attention", "a layer", "keys and values read"]
    table = tabulate(list(measured(given)), columns, tablefmt="pipe", disable_numparse=True)
    write_or_print(f"# Attention over the cache: {where}\n\n{table}\n", given.to)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
