"""One driver a study: a second one is refused while the first lives, in every kind of storage."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from study_text import STORAGES, TEXT, spec_of
from toy_driver import drive

from bench.errors import UserError
from bench.study.search.address import Address
from bench.study.search.lock import only_driver


@pytest.mark.parametrize("kind", STORAGES)
def test_a_second_driver_is_refused_in_one_line_while_the_first_lives(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    address = Address.parse(spec_of(kind, tmp_path, request), "--storage")
    with only_driver(address, "one 1"):
        with pytest.raises(UserError) as raised, only_driver(address, "one 1"):
            pass
        with only_driver(address, "another 1"):  # a storage may hold several studies
            pass
    (said,) = raised.value.messages
    assert said.startswith(f"--storage {spec_of(kind, tmp_path, request)[:8]}")
    assert said.endswith(": another 'bench study' is running 'one 1'; wait for it to end, or stop it")
    with only_driver(address, "one 1"):  # free again
        pass


@pytest.mark.parametrize("kind", STORAGES)
def test_the_lock_of_a_killed_driver_is_free(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    spec, path, log = spec_of(kind, tmp_path, request), tmp_path / "tiny.yaml", tmp_path / "log.txt"
    path.write_text(TEXT.replace("name: tiny", f"name: l{abs(hash(str(tmp_path)))}"))
    driver = multiprocessing.get_context("spawn").Process(target=drive, args=(str(path), spec, str(log), 0.1, 1))
    driver.start()
    while not log.exists():
        assert driver.is_alive()
        time.sleep(0.01)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bench.study.search.lock.PATIENCE_S", 0.0)
        with pytest.raises(UserError, match="another 'bench study' is running"):
            drive(str(path), spec, str(log), 0.0, 1)
    driver.kill()
    driver.join()
    drive(str(path), spec, str(log), 0.0, 1)
    assert "[6/6]" in log.read_text()


def test_a_server_whose_connection_was_lost_is_told(postgres: str) -> None:
    import psycopg

    with only_driver(Address.parse(postgres), "lost 1") as still_alone:
        still_alone()
        with psycopg.connect(postgres.replace("+psycopg", ""), autocommit=True) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
            )
        with pytest.raises(UserError, match="the connection was lost"):
            still_alone()


def test_a_database_without_locks_is_refused(tmp_path: Path) -> None:
    from sqlalchemy import create_engine

    from bench.study.search import lock

    address = Address.parse(f"sqlite:///{tmp_path}/x.db")
    with create_engine(str(address.url)).connect() as one, pytest.raises(UserError, match="choose one of these"):
        lock._take(one, b"12345678", address)
