"""Where cases run: the device, its hardware, threads and workers."""

from __future__ import annotations

from dataclasses import dataclass

from bench.records.provenance import machine


@dataclass(frozen=True)
class Hardware:
    """Where cases run: device, threads of one worker, how many workers at once, and whether others run beside it."""

    device: str
    threads: int
    jobs: int
    shared: bool = False

    @property
    def hardware(self) -> str:
        """The device as the cost's identity names it."""
        return f"{self.device}: {machine().gpu if self.device == 'cuda' else machine().cpu}"


def detect(jobs: int, device: str = "auto") -> Hardware:
    """Choose the device (a GPU if there is one) and share the cores among the workers."""
    chosen = ("cuda" if machine().gpu else "cpu") if device == "auto" else device
    return Hardware(chosen, machine().cores, max(1, jobs))
