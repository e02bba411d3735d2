"""What a worker is granted: its own folders, Python and its packages, system libraries, and what settings name."""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench import cache as cached
from bench.running.confinement import Grants

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/etc", "/sys", "/nix/store", "/gnu/store"),
    *("/opt/cuda", "/opt/nvidia", "/opt/rocm", "/run/nvidia-persistenced", "/run/systemd/resolve", "/tmp/nvidia-mps"),
)
LIBRARIES = ("LD_LIBRARY_PATH", "CUDA_HOME", "CUDA_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR")


def grants(
    settings: Any, *, folders: Iterable[str], reads: Iterable[Path], writes: Iterable[Path], hidden: Iterable[Path],
    gpu: bool,
) -> tuple[Grants, tuple[Path, ...]]:  # fmt: skip
    """Return a worker's grants, and which hidden paths they reach nevertheless.

    settings: the model may read paths in them unless something hidden lies below; folders: where an outsider's
    module lies; hidden: the data, the store, the run, the caches.
    """
    hidden = tuple(path.resolve() for path in hidden)
    named = [path for path in _named(settings) if not _reached((path,), hidden)]
    base, lists = _python()
    for folder in folders:
        base, lists = base | _importable(folder), lists | {folder}
    allowed = {*base, *map(str, (*reads, *named, *_caches()))}
    reached = _reached(map(Path, allowed), hidden)
    return Grants(tuple(sorted(allowed)), tuple(sorted(lists)), tuple(map(str, writes)), gpu), reached


def import_path() -> str:
    """Return a worker's PYTHONPATH: this project first, then the caller's own without the current folder."""
    here = Path.cwd()
    given = [Path(entry).resolve() for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    return os.pathsep.join(map(str, dict.fromkeys((ROOT, *(entry for entry in given if entry != here)))))


@cache
def _python() -> tuple[frozenset[str], frozenset[str]]:
    """Return what Python reads to run and to import, and the folders that it lists on the way."""
    whole = {sys.prefix, sys.base_prefix, sys.exec_prefix, site.getusersitepackages(), *SYSTEM}
    whole.add(str(Path(sys.executable).resolve().parent))
    whole |= {entry for name in LIBRARIES for entry in os.environ.get(name, "").split(os.pathsep) if entry}
    reads, lists = {str(Path(entry).resolve()) for entry in whole if entry != "/"}, set()
    here = Path.cwd()
    for entry in map(Path, (*import_path().split(os.pathsep), *filter(None, sys.path))):
        known = any(entry.resolve().is_relative_to(folder) for folder in reads)
        if entry.is_dir() and not known and (entry.resolve() != here or entry == ROOT):
            reads |= _importable(str(entry))
            lists.add(str(entry))
    return frozenset(reads), frozenset(lists)


def _importable(folder: str) -> frozenset[str]:
    """Return the modules and packages of a folder, not what else lies there; all of a site-packages."""
    if Path(folder).name in ("site-packages", "dist-packages"):
        return frozenset((folder,))
    about = (".py", ".so", ".pyd", ".dist-info", ".egg-info")
    try:
        return frozenset(
            str(path) for path in Path(folder).iterdir() if path.suffix in about or (path / "__init__.py").is_file()
        )
    except OSError:
        return frozenset()


def _named(settings: Any) -> Iterator[Path]:
    """Yield the files and folders that settings name, at any depth."""
    if isinstance(settings, dict):
        settings = list(settings.values())
    if isinstance(settings, list | tuple):
        for value in settings:
            yield from _named(value)
    elif isinstance(settings, str) and settings and len(settings) < 4096 and "\0" not in settings:
        path = Path(settings)
        try:
            if path.exists():
                yield path.resolve()
        except OSError:
            return


def _caches() -> list[Path]:
    """Return the folders of downloaded and converted weights; not the hub's tokens beside."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    hub = Path(os.environ.get("HF_HOME") or home / "huggingface") / "hub"
    torch = Path(os.environ.get("TORCH_HOME") or home / "torch") / "hub"
    return [Path(os.environ.get("HF_HUB_CACHE") or hub), torch, cached.bases()]


def _reached(allowed: Iterable[Path], hidden: Iterable[Path]) -> tuple[Path, ...]:
    """Return the hidden paths that lie at or below an allowed one."""
    roots = [path.resolve() for path in allowed]
    return tuple(path for path in hidden if any(path.is_relative_to(root) for root in roots))
