"""The cache: what is rolled back is forgotten, what is kept moves together, rows move whole."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from small_model import SIDE, VOCABULARY, small_model

from models.llama_mob.engine.attention import attending
from models.llama_mob.engine.cache import KeyValueCache
from models.llama_mob.engine.passes import Feed, Passes

MODEL = small_model()
IDS = np.random.default_rng(0).integers(0, VOCABULARY, 40)


def everything(ids: np.ndarray) -> np.ndarray:
    """All scores after each token, by the model's own attention without a cache."""
    with torch.inference_mode():
        return MODEL(input_ids=torch.tensor(ids)[None]).logits[0].numpy()


def line(ids: np.ndarray) -> Feed:
    return Feed(ids, np.arange(len(ids)))


@pytest.fixture
def passes() -> Passes:
    return Passes(MODEL, np.arange(VOCABULARY))


def feed(passes: Passes, cache: KeyValueCache, *feeds: Feed, first: int = 0) -> list[np.ndarray]:
    with torch.inference_mode(), attending(MODEL):
        return passes.feed(cache, feeds, first)


def test_scores_are_the_models_own(passes: Passes) -> None:
    cache = passes.cache(1, 40)
    found = [feed(passes, cache, line(part))[0] for part in np.split(IDS, [10, 11, 14])]
    np.testing.assert_allclose(np.concatenate(found), everything(IDS), atol=1e-4)
    assert cache.lengths.tolist() == [40]


def test_reading_in_chunks(passes: Passes) -> None:
    cache = passes.cache(2, 40)
    for chunk in (7, 20, 39, 100):
        with torch.inference_mode(), attending(MODEL):
            scores = passes.read(cache, 1, IDS[:39], chunk)
        np.testing.assert_allclose(scores, everything(IDS[:39])[-1], atol=1e-4)
    assert cache.lengths.tolist() == [0, 39]


def test_rows_of_unequal_length_do_not_see_each_other(passes: Passes) -> None:
    cache = passes.cache(3, 40)
    parts = [IDS[:5], IDS[3:20], IDS[10:11]]
    more = [IDS[5:13], IDS[20:21], IDS[11:14]]
    feed(passes, cache, *map(line, parts))
    found = feed(passes, cache, *map(line, more))
    for scores, begin, end in zip(found, parts, more, strict=True):
        expected = everything(np.concatenate([begin, end]))[len(begin) :]
        np.testing.assert_allclose(scores, expected, atol=1e-4)


def test_rollback(passes: Passes) -> None:
    cache = passes.cache(1, 40)
    feed(passes, cache, line(IDS[:20]))
    cache.rollback(0, 8)
    (found,) = feed(passes, cache, line(IDS[25:30]))
    expected = everything(np.concatenate([IDS[:8], IDS[25:30]]))[8:]
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="holds 13 tokens, not 14"):
        cache.rollback(0, 14)


def test_keep_leaves_one_branch_of_a_tree(passes: Passes) -> None:
    """Tokens 0 1 | 2 3 | 4 | 5: branches 0 1 2 3 and 0 1 4 5; the second is kept, beside a row that waits."""
    cache = passes.cache(2, 40)
    feed(passes, cache, line(IDS[:6]), line(IDS[:9]))
    sees = np.tri(6, dtype=bool)
    sees[4:, 2:4] = False
    tree = Feed(IDS[10:16], np.array([3, 5]), np.array([0, 1, 2, 3, 2, 3]), sees)
    scores, _other = feed(passes, cache, tree, line(IDS[9:10]))
    branches = [np.concatenate([IDS[:6], IDS[10:14]]), np.concatenate([IDS[:6], IDS[10:12], IDS[14:16]])]
    np.testing.assert_allclose(scores, [everything(branch)[-1] for branch in branches], atol=1e-4)
    cache.keep(0, 6, [0, 1, 4, 5])
    assert cache.lengths.tolist() == [10, 10]
    found = feed(passes, cache, line(IDS[20:23]), line(IDS[10:13]))
    np.testing.assert_allclose(found[0], everything(np.concatenate([branches[1], IDS[20:23]]))[-3:], atol=1e-4)
    np.testing.assert_allclose(found[1], everything(IDS[:13])[-3:], atol=1e-4)


def test_rows_move(passes: Passes) -> None:
    cache = passes.cache(3, 40)
    feed(passes, cache, line(IDS[:20]), first=0)
    feed(passes, cache, line(IDS[5:12]), first=2)
    cache.move(2, 0)
    assert cache.lengths.tolist() == [7, 0, 0]
    (found,) = feed(passes, cache, line(IDS[12:15]))
    np.testing.assert_allclose(found, everything(IDS[5:15])[-3:], atol=1e-4)


def test_scores_of_some_numbers_alone(passes: Passes) -> None:
    some = np.arange(7, 7 + SIDE)
    few = Passes(MODEL, some)
    (all_of_them,) = feed(passes, passes.cache(1, 40), line(IDS))
    (found,) = feed(few, few.cache(1, 40), line(IDS))
    np.testing.assert_allclose(found, all_of_them[:, some], atol=1e-5)
    assert few.numbers_alone


def test_a_head_that_is_no_plain_matrix(passes: Passes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Head(torch.nn.Linear):
        """Stands in for quantized heads and heads with a LoRA."""

    head = Head(64, VOCABULARY, bias=False)
    head.weight = MODEL.lm_head.weight
    monkeypatch.setattr(MODEL, "lm_head", head)
    whole = Passes(MODEL, np.arange(5, 9))
    assert not whole.numbers_alone
    (found,) = feed(whole, whole.cache(1, 40), line(IDS))
    np.testing.assert_allclose(found, everything(IDS)[:, 5:9], atol=1e-4)
