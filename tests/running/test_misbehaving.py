"""Whatever an adapter does is one failed case: the run goes on, and nothing false is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import Go

from bench.adapters import registry
from bench.running.accepting import Keeper
from bench.running.messages import BadMessage, parse


@pytest.fixture
def model() -> Callable[[str], str]:
    """Register one of the misbehaving adapters; return its name."""
    return lambda name: registry.add(f"misbehaving_models:{name}")


@pytest.mark.parametrize("how", ["error", "exit", "memory"])
@pytest.mark.parametrize("where", ["skip", "fit", "predict", "save", "facts", "usage"])
def test_an_error_in_any_method_is_a_failed_case(go: Go, model: Callable[[str], str], where: str, how: str) -> None:
    _, records, _ = go({"use": model("Fails"), "settings": {"where": where, "how": how}}, "user_mode")
    failed, others = records[::2], records[1::2]
    assert [record.status for record in others] == ["done", "done"]
    assert [record.status for record in failed] == ["failed", "failed"]
    reason = {"error": f"IndexError: list index out of range in {where}", "memory": "MemoryError", "exit": "ended"}[how]
    assert all(reason in str(record.reason) for record in failed)


@pytest.mark.parametrize("where", ["skip", "predict"])
def test_an_error_with_one_city_leaves_the_other(go: Go, model: Callable[[str], str], where: str) -> None:
    _, records, _ = go({"use": model("Fails"), "settings": {"where": where, "city": "C"}})
    assert [(record.case.test_city, record.status) for record in records] == [("C", "failed"), ("D", "done")]


def test_a_fit_that_cannot_be_loaded_is_a_failed_case(go: Go, model: Callable[[str], str]) -> None:
    use = model("Fails")
    go({"use": use, "name": "first", "settings": {"where": "nowhere"}})
    _, records, _ = go({"use": use, "name": "second", "settings": {"where": "load"}})
    assert [record.status for record in records] == ["failed", "failed"]
    assert "in load" in str(records[0].reason)


@pytest.mark.parametrize(
    ("lie", "reason"),
    [
        ("nonsense", "an invalid message"),
        ("wrong_types", "an invalid message"),
        ("foreign_case", "not its own"),
        ("odd_fact", "'parameters' a list"),
        ("link", "cannot be accepted"),
        ("pipe", "cannot be accepted"),
        ("survivor", "ended without an answer"),
    ],
)
def test_a_lie_is_a_failed_case(go: Go, model: Callable[[str], str], tmp_path: Path, lie: str, reason: str) -> None:
    truth = tmp_path / "truth.npz"
    one = np.ones(1, np.int16)
    np.savez(truth, x=one, y=one, status=np.zeros(1, np.int8), raw=np.frombuffer(b"[]", np.uint8))
    settings = {"lie": lie, "target": str(truth).encode().hex()}
    run, records, _ = go({"use": model("Liar"), "settings": settings}, "user_mode")
    assert [record.status for record in records[1::2]] == ["done", "done"]
    assert [record.status for record in records[::2]] == ["failed", "failed"]
    assert reason in str(records[0].reason)
    assert "\x1b" not in str(records[0].reason)
    kept = {record.files["answers"] for record in records if record.status == "done"}
    assert len(list((run.folder.parent / "store" / "answers").glob("*.parquet"))) == len(kept)


def test_a_worker_says_once_whether_it_is_confined() -> None:
    keeper = Keeper.__new__(Keeper)
    keeper.confined, keeper.closed = None, True
    keeper.started(confined=False)
    keeper.started(confined=True)
    assert keeper.confined is False


@given(st.binary(max_size=80) | st.sampled_from([b"[]", b"1", b'{"event": []}', b'{"event": "part"}', b"[" * 5000]))
def test_no_message_of_a_worker_is_taken_on_trust(line: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(line)
