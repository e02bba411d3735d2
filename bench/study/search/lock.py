"""One driver a study: a lock that ends with its holder, in the file system or in the database server."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.errors import UserError
from bench.study.search.address import Address

if TYPE_CHECKING:
    from sqlalchemy import Connection

PATIENCE_S = 5.0  # a server takes a moment to notice that a killed driver is gone
KEEPALIVE = {"tcp_keepalives_idle": 30, "tcp_keepalives_interval": 10, "tcp_keepalives_count": 3}  # of a lost machine


@contextmanager
def only_driver(address: Address, study: str) -> Iterator[Callable[[], None]]:
    """Be the only driver of a study while the block lasts; yield what raises UserError once that is lost.

    Raises UserError where another driver lives, or where the storage cannot be reached.
    """
    taken = UserError(f"{address}: another 'bench study' is running '{study}'; wait for it to end, or stop it")
    hold = _in_file if address.file else _in_server
    with hold(address, hashlib.sha256(study.encode()).digest(), taken) as check:
        yield check


@contextmanager
def _in_file(address: Address, mark: bytes, taken: UserError) -> Iterator[Callable[[], None]]:
    """Lock a file beside the storage's own; the system frees it when its holder ends, however that is."""
    from filelock import FileLock, Timeout

    assert address.file is not None
    lock = FileLock(f"{address.file}.{mark.hex()[:8]}.lock", timeout=0)
    with address.opening():
        address.file.parent.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except Timeout:
            raise taken from None
    try:
        yield lambda: None
    finally:
        lock.release()


@contextmanager
def _in_server(address: Address, mark: bytes, taken: UserError) -> Iterator[Callable[[], None]]:
    """Take an advisory lock, which the server frees when the connection ends."""
    from sqlalchemy import NullPool, create_engine
    from sqlalchemy.exc import SQLAlchemyError

    assert address.url is not None
    with address.opening():
        connection = create_engine(address.url, poolclass=NullPool, isolation_level="AUTOCOMMIT").connect()
    try:
        with address.opening():
            until = time.monotonic() + PATIENCE_S
            while not _take(connection, mark, address):
                if time.monotonic() > until:
                    raise taken
                time.sleep(0.1)

        def check() -> None:
            try:
                connection.exec_driver_sql("SELECT 1")
            except SQLAlchemyError:
                raise UserError(f"{address}: the connection was lost; start the command again") from None

        yield check
    finally:
        connection.invalidate()
        connection.close()


def _take(connection: Connection, mark: bytes, address: Address) -> bool:
    from sqlalchemy import text

    if connection.dialect.name == "postgresql":
        for name, value in KEEPALIVE.items():
            connection.exec_driver_sql(f"SET {name} = {value}")
        key = int.from_bytes(mark[:8], "big", signed=True)
        return bool(connection.execute(text("SELECT pg_try_advisory_lock(:key)"), {"key": key}).scalar())
    if connection.dialect.name in ("mysql", "mariadb"):
        return bool(connection.execute(text("SELECT GET_LOCK(:key, 0)"), {"key": mark.hex()[:60]}).scalar())
    raise UserError(f"{address}: studies are kept in SQLite, PostgreSQL, MySQL or a journal file; choose one of these")
