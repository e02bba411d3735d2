"""The number format in which a network computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch


def autocast(device: str, precision: str) -> AbstractContextManager[None]:
    """Return the context in which a network computes: bfloat16 for matrix products where asked for."""
    return torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "bfloat16")


@contextmanager
def flushed() -> Iterator[None]:
    """Flush denormal numbers to zero meanwhile: they are slow and mean nothing here, but others may need them."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
