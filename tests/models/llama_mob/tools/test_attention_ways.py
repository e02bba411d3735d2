"""Attention in two parts is the engine's own, but for rounding: chains, trees, rows of unequal length."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.errors import UserError
from models.llama_mob.tools import attention_ways
from models.llama_mob.tools.attention_ways import Case, as_now, by_kernel, by_products, in_two_parts, merged

PREFIXES = {"products": by_products, "kernel": partial(by_kernel, 1), "keys in 4": partial(by_kernel, 4)}


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Passes whose rows hold from nothing to all places before their tokens, a chain or any tree each."""
    rows, tokens, group, heads = (draw(st.integers(1, most)) for most in (3, 7, 3, 2))
    places, width = 4 * draw(st.integers(2, 8)), 8
    generator = torch.Generator().manual_seed(draw(st.integers(0, 99)))
    begins = torch.tensor([draw(st.integers(0, places - tokens)) for _ in range(rows)])
    sees = torch.eye(tokens, dtype=torch.bool).repeat(rows, 1, 1)
    for row in range(rows):
        for token in range(1, tokens):
            parent = draw(st.integers(-1, token - 1))
            if parent >= 0:
                sees[row, token] |= sees[row, parent]
    query = torch.randn(rows, heads * group, tokens, width, generator=generator) * 3
    keys, values = torch.randn(2, 1, rows, heads, places, width, generator=generator) * 3
    return Case(query, keys, values, begins, sees)


@settings(max_examples=60)
@given(case=cases(), prefix=st.sampled_from(sorted(PREFIXES)))
def test_two_parts_are_one_attention(case: Case, prefix: str) -> None:
    wanted = as_now(case)(0)
    torch.testing.assert_close(in_two_parts(case, PREFIXES[prefix])(0), wanted, rtol=1e-4, atol=1e-5)


def test_what_a_row_does_not_hold_is_not_seen() -> None:
    case = Case.drawn(2, 3, 16, (4, 2), 8, "cpu", torch.float32)
    before = {name: in_two_parts(case, prefix)(0) for name, prefix in PREFIXES.items()}
    beyond = torch.arange(16) >= case.begins[:, None] + 3
    for held in (case.keys, case.values):
        held.masked_fill_(beyond[None, :, None, :, None], 77.0)
    for name, prefix in PREFIXES.items():
        torch.testing.assert_close(in_two_parts(case, prefix)(0), before[name])


def test_parts_weigh_by_their_scores() -> None:
    scores, values = torch.tensor([[0.0, 1.0], [2.0, -1.0]]), torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]])
    parts = (scores.softmax(dim=1)[..., None] * values).sum(dim=1)
    mixed, lse = merged(parts, scores.logsumexp(dim=1), 0)
    torch.testing.assert_close(mixed, (scores.flatten().softmax(dim=0)[:, None] * values.reshape(4, 1)).sum(dim=0))
    torch.testing.assert_close(lse, scores.flatten().logsumexp(dim=0))


def test_the_table_names_every_way(tmp_path: Path) -> None:
    attention_ways.main(["--device", "cpu", "--to", str(tmp_path / "a.md")])
    text = (tmp_path / "a.md").read_text()
    for name in attention_ways.WAYS:
        lines = [line for line in text.splitlines() if f"| {name} " in line]
        assert len(lines) == 5
        assert all(("not here" in line) == (name == "two parts, kernel by lengths") for line in lines)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(UserError, match="--device cpu tries a small shape"):
        attention_ways.main([])


@pytest.mark.gpu
@pytest.mark.parametrize("way", sorted(attention_ways.WAYS))
def test_on_cuda_all_ways_answer_alike(way: str) -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    half = Case.drawn(3, 5, 256, (8, 2), 64, "cuda", torch.bfloat16)
    exact = Case(*(part.float() if part.is_floating_point() else part for part in vars(half).values()))
    found = attention_ways.WAYS[way](half)(1).float()
    torch.testing.assert_close(found, as_now(exact)(1), rtol=0.03, atol=0.03)
