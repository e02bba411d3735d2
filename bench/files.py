"""Files written whole or not at all."""

from __future__ import annotations

import hashlib
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then rename it into place; on any error leave nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=f".{_mark(os.getpid())}.part")
    os.close(handle)
    part = Path(name)
    try:
        write(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.chmod(0o644)
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text, whole or not at all."""

    def write(part: Path) -> None:
        part.write_text(text, encoding="utf-8")

    write_with(path, write)


def sweep(folder: Path) -> None:
    """Remove what killed processes of this machine left half-written below a folder; nobody reads it."""
    import psutil

    for part in folder.rglob(".*.part"):
        pid = part.name.rsplit(".", 2)[-2].rpartition("-")[2]
        if pid.isdigit() and part.name.endswith(f".{_mark(int(pid))}.part") and not psutil.pid_exists(int(pid)):
            part.unlink(missing_ok=True)


def _mark(pid: int) -> str:
    """Name a process of this machine, so that a shared folder's other machines are left alone."""
    return f"{hashlib.sha256(platform.node().encode()).hexdigest()[:8]}-{pid}"


def write_or_print(text: str, path: Path | None) -> None:
    """Write text into a file, whose folder is made where it is missing; without a path, print it."""
    if path is None:
        print(text)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
