"""Attention in blocks, the CPU's way in bfloat16, against plain attention in float64."""

import pytest
import torch

from models.llama_mob.engine import attention
from models.llama_mob.engine.attention import attend, mask

HEADS, KV_HEADS, WIDTH = 6, 2, 16
TORCHS = "scaled_dot_product_attention"
ROUNDING = 0.02  # of bfloat16: numbers have 8 bits


def plain(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Attend in float64; hidden: (rows, tokens, places), 0 or -inf."""
    key, value = (part.double().repeat_interleave(HEADS // KV_HEADS, dim=1) for part in (key, value))
    scores = query.double() @ key.transpose(2, 3) * WIDTH**-0.5 + hidden[:, None].double()
    return (scores.softmax(dim=-1) @ value).transpose(1, 2)


def drawn(rows: int, tokens: int, places: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return queries, keys and values."""
    torch.manual_seed(rows * 1000 + tokens)
    query = torch.randn(rows, HEADS, tokens, WIDTH).bfloat16()
    key, value = (torch.randn(rows, KV_HEADS, places, WIDTH).bfloat16() for _ in range(2))
    return query, key, value


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "BLOCK", 5)
    monkeypatch.setattr(attention, TORCHS, lambda *_given, **_more: pytest.fail("torch's own kernel ran"))


@pytest.mark.parametrize("tokens", [2, 5, 6, 12])
def test_without_a_mask_tokens_see_those_before_them(tokens: int) -> None:
    query, key, value = drawn(2, tokens, tokens)
    found, _ = attend(torch.nn.Module(), query, key, value, None)
    hidden = torch.full((tokens, tokens), -torch.inf).triu(1).expand(2, -1, -1)
    torch.testing.assert_close(found.double(), plain(query, key, value, hidden), atol=ROUNDING, rtol=ROUNDING)


def test_a_single_token_sees_all_places() -> None:
    query, key, value = drawn(1, 1, 30)
    found, _ = attend(torch.nn.Module(), query, key, value, None)
    hidden = torch.zeros(1, 1, 30)
    torch.testing.assert_close(found.double(), plain(query, key, value, hidden), atol=ROUNDING, rtol=ROUNDING)


@pytest.mark.parametrize("tree", [False, True])
def test_rows_of_unequal_length_see_what_the_mask_shows(tree: bool) -> None:
    tokens, begins = 7, torch.tensor([[20], [3], [11]])
    query, key, value = drawn(3, tokens, int(begins.max()) + tokens)
    at = begins + torch.arange(tokens)
    sees = None
    if tree:  # the first token, the one before it in turn, and itself
        sees = torch.eye(tokens, dtype=torch.bool).expand(3, -1, -1).clone()
        sees[:, :, 0] = True
        sees[:, 4, 2] = True
    group = HEADS // KV_HEADS
    added = mask(at, begins, sees, key.shape[2], group, torch.bfloat16)
    found, _ = attend(torch.nn.Module(), query, key, value, added)
    wanted = plain(query, key, value, added[:, 0, :tokens])
    torch.testing.assert_close(found.double(), wanted, atol=ROUNDING, rtol=ROUNDING)


def test_it_can_be_learned_through_under_autocast() -> None:
    """Weights stay in float32 in tuning: the context alone asks for bfloat16."""
    query, key, value = (part.float().requires_grad_() for part in drawn(2, 12, 12))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found, _ = attend(torch.nn.Module(), query, key, value, None)
    assert found.dtype == torch.bfloat16
    upstream = torch.randn(found.shape)
    gradients = torch.autograd.grad(found, (query, key, value), upstream.bfloat16())
    hidden = torch.full((12, 12), -torch.inf).triu(1).expand(2, -1, -1)
    wanted = torch.autograd.grad(plain(query, key, value, hidden), (query, key, value), upstream.double())
    for ours, true in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(ours, true, atol=0.05, rtol=0.05)


def test_long_examples_are_learned_from_with_torchs_own_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """It keeps no scores for the way back."""
    monkeypatch.setattr(attention, TORCHS, torch.nn.functional.scaled_dot_product_attention)
    monkeypatch.setattr(attention, "LEARNED", HEADS * 9 * 9 - 1)
    monkeypatch.setattr(attention, "_in_blocks", lambda *_given: pytest.fail("all scores were kept"))
    query, key, value = (part.requires_grad_() for part in drawn(1, 9, 9))
    found, _ = attend(torch.nn.Module(), query, key, value, None)
    assert found.shape == (1, 9, HEADS, WIDTH)
