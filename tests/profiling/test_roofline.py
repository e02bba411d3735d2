"""The roofline time: weights over bandwidth where one user is served, products over rate where many are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.profiling import roofline
from bench.profiling.roofline import Rates, rates_of

# Llama 3's 8B shape in bfloat16 on an H200.
FACTS = {
    "layer_parameters": 6_979_321_856,
    "layer_bytes": 2 * 6_979_321_856,
    "cache_bytes_a_token": 131_072,
    "attention_width": 131_072,
}
WORK = {"tokens_read": 7_500.0, "tokens_fed": 3_600.0, "forward_passes": 400.0}


@pytest.fixture
def h200() -> Rates:
    return rates_of("cuda", "NVIDIA H200", "bfloat16")


def test_one_user_waits_for_the_weights_and_many_for_the_products(h200: Rates) -> None:
    alone, together = (roofline.bound(FACTS, WORK, batch, h200) for batch in (1, 32))
    assert alone.decode == pytest.approx(400 * (2 * 6_979_321_856 + 7_500 * 131_072) / 4.8e12)
    assert together.decode < alone.decode / 5
    assert (
        together.prefill == alone.prefill == pytest.approx(7_500 * (2 * 6_979_321_856 + 2 * 131_072 * 7_500) / 989e12)
    )
    fast_memory = replace(h200, bytes=1e30)
    computed = 3_600 * (2 * 6_979_321_856 + 4 * 131_072 * 7_500) / 989e12
    assert roofline.bound(FACTS, WORK, 32, fast_memory).decode == pytest.approx(computed)
    assert alone.total == alone.prefill + alone.decode


def test_fewer_passes_lower_it(h200: Rates) -> None:
    drafted = roofline.bound(FACTS, {**WORK, "forward_passes": 100.0}, 1, h200)
    assert drafted.decode < roofline.bound(FACTS, WORK, 1, h200).decode / 3


@pytest.mark.parametrize(("facts", "work"), [({}, WORK), ({"parameters": 2_456_880}, WORK), (FACTS, {})])
def test_a_model_that_says_too_little_has_none(facts: dict[str, float], work: dict[str, float], h200: Rates) -> None:
    assert roofline.bound(facts, work, 1, h200) is None


def test_rates_are_those_of_the_card_and_else_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "_SIDE", 512)
    monkeypatch.setattr(roofline, "_COPIED", 1 << 24)
    assert rates_of("cuda", "NVIDIA H100 PCIe", "bfloat16").bytes == 2.0e12
    assert rates_of("cuda", "NVIDIA H100 80GB HBM3", "bfloat16").bytes == 3.35e12
    assert rates_of("cuda", "NVIDIA L40S", "float32").operations == 91.6e12
    here = rates_of("cpu", None, "float32")
    assert here.source.startswith("measured")
    assert 1e8 < here.bytes < 1e13
    assert 1e8 < here.operations < 1e15


def test_rates_are_written_without_exponents(h200: Rates) -> None:
    assert str(h200).startswith("4,800 GB/s or 989 TFLOP/s (")
    assert str(Rates(2e10, 3.5e11, "measured")) == "20 GB/s or 0.35 TFLOP/s (measured)"
