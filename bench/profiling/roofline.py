"""The roofline: the least time for a language model's passes, by bytes over bandwidth or operations over rate."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

GPUS: dict[str, tuple[float, float, float]] = {
    # name -> bytes/s, dense bfloat16 and float32 operations/s; NVIDIA's data sheets, no sparsity. First match wins.
    "H200": (4.8e12, 989e12, 67e12),
    "H100 PCIe": (2.0e12, 756e12, 51e12),
    "H100": (3.35e12, 989e12, 67e12),
    "A100": (2.0e12, 312e12, 19.5e12),
    "L40S": (864e9, 362e12, 91.6e12),
    "L4": (300e9, 121e12, 30.3e12),
    "RTX A6000": (768e9, 155e12, 38.7e12),
    "RTX 4090": (1008e9, 165e12, 82.6e12),
}
NEEDED = ("layer_bytes", "layer_parameters", "cache_bytes_a_token", "attention_width")
_SIDE, _COPIED, _TRIES = 2048, 1 << 28, 5  # of the matrix product; bytes of the copy


@dataclass(frozen=True)
class Rates:
    """Bytes and operations per second of a device, and the source of these figures."""

    bytes: float
    operations: float
    source: str

    def __str__(self) -> str:
        """``4,800 GB/s or 989 TFLOP/s (H200: NVIDIA's data sheet)``."""
        tera = self.operations / 1e12
        return f"{self.bytes / 1e9:,.0f} GB/s or {tera:,.{0 if tera >= 10 else 2}f} TFLOP/s ({self.source})"


@dataclass(frozen=True)
class Roofline:
    """Least seconds per trajectory, for reading the prompt and for decoding."""

    prefill: float
    decode: float

    @property
    def total(self) -> float:
        """Both together."""
        return self.prefill + self.decode


def rates_of(device: str, gpu: str | None, precision: str) -> Rates:
    """Return the rates of a known GPU; measure those of any other device."""
    if device.startswith("cuda") and gpu:
        for name, (bandwidth, half, single) in GPUS.items():
            if name in gpu:
                return Rates(bandwidth, half if precision == "bfloat16" else single, f"{name}: NVIDIA's data sheet")
    return measured(device, precision)


def measured(device: str, precision: str) -> Rates:
    """Measure a matrix product and a copy, the best of five each."""
    import torch

    from bench.profiling.timing import synchronise

    dtype = getattr(torch, precision)
    one = torch.ones((_SIDE, _SIDE), device=device, dtype=dtype)
    long = torch.zeros(_COPIED // 4, device=device, dtype=torch.float32)
    target = torch.empty_like(long)

    def best(work: object) -> float:
        seconds = []
        for _ in range(_TRIES):
            synchronise(device)
            started = time.perf_counter()
            work()  # type: ignore[operator]
            synchronise(device)
            seconds.append(time.perf_counter() - started)
        return min(seconds)

    operations = 2 * _SIDE**3 / best(lambda: one @ one)
    return Rates(2 * _COPIED / best(lambda: target.copy_(long)), operations, "measured: a matrix product and a copy")


def is_known(facts: Mapping[str, int | float | str], work: Mapping[str, float]) -> bool:
    """Whether a model says enough about its passes for a roofline."""
    return all(isinstance(facts.get(name), int | float) for name in NEEDED) and "tokens_read" in work


def bound(
    facts: Mapping[str, int | float | str], work: Mapping[str, float], batch: int, rates: Rates
) -> Roofline | None:
    """Return the roofline time per trajectory for this work; None if the model does not say enough.

    facts: ``layer_bytes`` and ``layer_parameters`` (of the linear maps every token goes through),
    ``cache_bytes_a_token``, ``attention_width`` (layers x heads x head dim); work: Adapter.usage per trajectory; batch:
    users whose passes share one reading of the weights. Counted: linear maps and attention; reading weights and the
    prompt's cache. Not counted: embeddings, the head, norms, launches.
    """
    if not is_known(facts, work):
        return None
    weights, linear, cached, width = (float(facts[name]) for name in NEEDED)
    read, fed, passes = (work.get(name, 0.0) for name in ("tokens_read", "tokens_fed", "forward_passes"))

    def least(moved: float, computed: float) -> float:
        return max(moved / rates.bytes, computed / rates.operations)

    prefill = least(weights / batch, read * (2 * linear + 2 * width * read))
    decode = least(passes * (weights / batch + read * cached), fed * (2 * linear + 4 * width * read))
    return Roofline(prefill, decode)
