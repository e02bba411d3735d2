"""A real PostgreSQL server for the tests of storages."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

GIVEN = "MOBILITY_BENCH_POSTGRES"  # an URL of a server that is there already


def _server_folder() -> Path | None:
    """Where initdb and postgres lie: on the path, or where Debian's package has them."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """Start a server in a folder of its own; yield its URL. Skips where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'psycopg[binary]'")
    if os.environ.get(GIVEN):
        yield os.environ[GIVEN]
        return
    programs = _server_folder()
    if programs is None:
        pytest.skip("no PostgreSQL server is here: apt-get install postgresql")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    if user:
        shutil.chown(folder, user)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data = folder / "data"
    common = {"user": user, "check": True, "cwd": folder, "stdout": subprocess.DEVNULL}
    options = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
    try:
        subprocess.run([programs / "initdb", "-D", data, "-U", "bench", "-A", "trust"], **common)
        log = folder / "log.txt"
        subprocess.run([programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start"], **common)
        try:
            yield f"postgresql+psycopg://bench@127.0.0.1:{port}/postgres"
        finally:
            subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **common)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
