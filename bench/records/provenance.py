"""Which code, which machine: what a record says of where it comes from. No host names, no paths."""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import bench
from bench.adapters.adapter import Adapter
from bench.records.record import Machine, Provenance

PACKAGES = ("numpy", "numba", "pandas", "scikit-learn", "torch", "transformers", "peft")
ROOT = Path(__file__).resolve().parents[2]


def provenance(adapter: type[Adapter]) -> Provenance:
    """Return commit, dirty flag, source hash of the adapter and the time now."""
    commit, dirty = _git_state()
    return Provenance(
        bench_version=bench.__version__,
        commit=commit,
        dirty=dirty,
        adapter_source=source_hash(adapter),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


@cache
def source_hash(adapter: type[Adapter]) -> str:
    """Hash the adapter's Python files: its package if it is one, else its module and the private ones beside it."""
    file = Path(inspect.getfile(adapter))
    in_package = file.parent.name == adapter.name
    files = sorted(file.parent.rglob("*.py")) if in_package else [file, *sorted(file.parent.glob("_[!_]*.py"))]
    digest = hashlib.sha256()
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def machine() -> Machine:
    """Describe this machine's hardware and software."""
    import psutil

    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=round(psutil.virtual_memory().total / 2**30, 1),
        gpu=_gpu_name(),
        system=f"{platform.system()} {platform.machine()}",
        python=platform.python_version(),
        packages=_versions(),
    )


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _gpu_name() -> str | None:
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        lines = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return None
    return lines[0].strip() if lines else None


@cache
def _git_state() -> tuple[str | None, bool]:
    """Return (commit, are there uncommitted changes); (None, False) outside a checkout.

    An installed copy may lie in somebody else's repository, whose commit says nothing of this code.
    """
    if not (ROOT / ".git").exists():
        return None, False
    try:
        run = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 10, "check": True}
        commit = subprocess.run(["git", "rev-parse", "HEAD"], **run).stdout.strip()  # type: ignore[call-overload]
        status = ["git", "status", "--porcelain", "--untracked-files=no"]
        return commit, bool(subprocess.run(status, **run).stdout.strip())  # type: ignore[call-overload]
    except (OSError, subprocess.SubprocessError):
        return None, False
