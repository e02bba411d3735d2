"""llm_api against a server that is made to fail: what is tried again, what is kept, what it costs, where the key is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from stub_server import KEY, Stub, serving

from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import INVALID, MISSING, OK, Answers
from bench.errors import UserError

pytest.importorskip("openai")

from models.llm_api import LlmApi
from models.llm_api.budget import Budget
from models.llm_api.client import Client, hidden
from models.llm_api.settings import LlmApiSettings, Price

WORLD = SmallWorld.make()
SPLIT = WORLD.split
USERS = len(SPLIT.queries.users)


@pytest.fixture
def server() -> Iterator[Stub]:
    with serving() as stub:
        yield stub


def made(stub: Stub, **settings: object) -> LlmApi:
    """Build the adapter for a server, with no waits."""
    return LlmApi(LlmApiSettings(**{"url": stub.url, "wait_seconds": 0.0, "parallel": 1, **settings}))


def ask(adapter: LlmApi, folder: Path) -> Answers:
    return adapter.predict(SPLIT.history, SPLIT.queries, WORLD.context(folder=folder))


def test_all_users_are_answered_in_order(server: Stub, tmp_path: Path) -> None:
    server.slow = 0.1  # so that requests meet
    adapter = made(server, parallel=3)
    answers = ask(adapter, tmp_path)
    for user in SPLIT.history.users:
        rows = SPLIT.queries.users.index(user)
        at = slice(int(SPLIT.queries.starts[rows]), int(SPLIT.queries.starts[rows + 1]))
        past = SPLIT.history.of(user)
        assert (answers.status[at] == OK).all()
        assert set(zip(answers.x[at].tolist(), answers.y[at].tolist(), strict=True)) == {(past.x[-1], past.y[-1])}
    spent = adapter.usage()
    assert spent["requests"] == len(SPLIT.history.users)
    assert spent["users_without_history"] == 1
    assert spent["tokens_read"] > 0
    assert 1 < server.most_at_once <= 3
    assert all(request["response_format"]["type"] == "json_schema" for request in server.requests)
    assert all(request["temperature"] == 0 for request in server.requests)


@pytest.mark.parametrize("fault", [429, 500, 503, "cut", "garbage", "empty"])
def test_faults_are_tried_again(server: Stub, tmp_path: Path, fault: int | str) -> None:
    server.faults = [fault, fault]
    adapter = made(server)
    answers = ask(adapter, tmp_path)
    assert (answers.status == MISSING).sum() == len(SPLIT.queries.of(WORLD.unknown))
    assert adapter.usage()["retries"] == 2
    assert adapter.usage()["users_failed"] == 0


def test_waits_grow_and_heed_the_server(server: Stub, tmp_path: Path) -> None:
    server.faults, server.retry_after = [500, 500, 429], 7
    waits: list[float] = []
    client = Client(LlmApiSettings(url=server.url, wait_seconds=1.5), tmp_path, waits.append)
    client.ask({"model": "stub", "messages": [{"role": "user", "content": "1 2 3 4\n1 3 999 999"}]})
    assert waits == [1.5, 3.0, 7.0]


def test_a_user_whose_request_fails_for_good_is_missing_and_the_others_stay(server: Stub, tmp_path: Path) -> None:
    server.faults = [500, 500]
    adapter = made(server, attempts=2)
    answers = ask(adapter, tmp_path)
    first = SPLIT.queries.of(SPLIT.queries.users[0])
    assert (answers.status[: len(first)] == MISSING).all()
    assert (answers.status[len(first) :] == OK).any()
    assert adapter.usage()["users_failed"] == 1


def test_a_server_that_answers_nobody_fails_the_case(server: Stub, tmp_path: Path) -> None:
    server.always = 500
    with pytest.raises(UserError, match="answered none of"):
        ask(made(server, attempts=1), tmp_path)


@pytest.mark.parametrize("status", [400, 422, 500])  # llama-cpp-python calls it a fault of its own
def test_the_form_falls_back_to_what_the_server_takes(server: Stub, tmp_path: Path, status: int) -> None:
    server.refuses, server.refuses_with = ("json_schema", "json_object"), status
    assert (ask(made(server), tmp_path).status == OK).any()
    assert "response_format" not in server.requests[-1]
    assert [len(request.get("response_format", ())) for request in server.requests[:4]] == [2, 2, 1, 0]
    with pytest.raises(UserError, match=f"refuses the request: status {status}"):
        ask(made(server, structured="json_schema"), tmp_path / "other")


@pytest.mark.parametrize(
    ("said", "status", "count"),
    [
        ("I cannot know that.", MISSING, "missing"),
        ('{"prediction": [[21, ', MISSING, "malformed"),
        ('{"prediction": [[21, 1, 999, 4]]}', INVALID, "surplus"),
    ],
)
def test_what_is_no_answer_is_counted_by_kind(server: Stub, tmp_path: Path, said: str, status: int, count: str) -> None:
    server.says = said
    adapter = made(server)
    answers = ask(adapter, tmp_path)
    assert not (answers.status == OK).any()
    assert adapter.usage()[count] > 0 or (answers.status == status).any()


def test_what_was_asked_before_costs_nothing(server: Stub, tmp_path: Path) -> None:
    first = ask(made(server), tmp_path)
    before = len(server.requests)
    again = made(server, limit_tokens=1)
    second = ask(again, tmp_path)
    assert len(server.requests) == before
    np.testing.assert_array_equal(first.x, second.x)
    assert again.usage()["from_cache"] == len(SPLIT.history.users)
    assert again.usage()["requests"] == 0
    for path in tmp_path.glob("*.json"):
        path.write_text("{")  # half-written: asked again
    ask(made(server), tmp_path)
    assert len(server.requests) == 2 * before


def test_a_budget_stops_and_keeps_what_was_answered(server: Stub, tmp_path: Path) -> None:
    whole = made(server)
    ask(whole, tmp_path / "whole")
    needed = whole.usage()["tokens_read"] + whole.usage()["tokens_fed"]
    price = Price(read=10.0, written=30.0)
    limits = (
        {"limit_tokens": int(needed * 0.8)},
        {"limit_cost": needed * 8e-6, "model": "stub", "prices": {"stub": price}},
    )
    for n, limit in enumerate(limits):
        adapter = made(server, **limit)
        answers = ask(adapter, tmp_path / str(n))
        spent = adapter.usage()
        assert 0 < spent["users_over_budget"] < USERS
        assert (answers.status == OK).any()
        assert spent["tokens_read"] + spent["tokens_fed"] <= needed * 0.8
        assert spent["cost"] <= needed * 8e-6


@given(st.lists(st.tuples(st.integers(1, 4000), st.integers(1, 500)), min_size=1, max_size=30), st.integers(1, 20_000))
def test_a_limit_holds_where_no_prompt_has_more_tokens_a_character(asked: list[tuple[int, int]], limit: int) -> None:
    budget = Budget(tokens=limit)
    for ticket, (characters, longest) in enumerate(asked):
        if budget.reserve(ticket, characters, longest):
            budget.settle(ticket, characters, characters // 2, longest)
    assert budget.taken_tokens <= limit


def test_requests_under_way_count() -> None:
    budget = Budget(tokens=100)
    assert budget.reserve(0, 30, 30)
    assert not budget.reserve(1, 30, 30)
    budget.release(0)
    assert budget.reserve(1, 30, 30)


def test_examples_come_before_the_question(server: Stub, tmp_path: Path) -> None:
    adapter = made(server, shots=2)
    assert adapter.learns_from == "train users"
    adapter.fit(SPLIT.train, None, WORLD.context())
    adapter.save(tmp_path)
    loaded = made(server, shots=2)
    loaded.load(tmp_path)
    ask(loaded, tmp_path / "kept")
    roles = [part["role"] for part in server.requests[0]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert '"prediction"' in server.requests[0]["messages"][2]["content"]
    with pytest.raises(UserError, match="take fewer"):
        made(server, shots=99).fit(SPLIT.train, None, WORLD.context())


def test_the_key_is_taken_from_the_environment_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(key=KEY) as stub:
        monkeypatch.setenv("STUB_API_KEY", KEY)
        adapter = made(stub, key_from="STUB_API_KEY", attempts=1)
        assert adapter.skip(SPLIT) is None
        stub.faults = [500]
        ask(adapter, tmp_path)
        monkeypatch.setenv("STUB_API_KEY", "sk-wrong-0123456789abcdef")
        with pytest.raises(UserError, match="status 401") as caught:
            ask(made(stub, key_from="STUB_API_KEY"), tmp_path / "other")
        assert "sk-wrong" not in str(caught.value)
        assert "abcdef" not in str(caught.value)
    monkeypatch.delenv("STUB_API_KEY")
    assert "has no STUB_API_KEY" in str(adapter.skip(SPLIT))
    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    said = "".join(capfd.readouterr()) + str(adapter.settings.recorded()) + str(adapter.usage()) + str(adapter.facts())
    assert written
    assert KEY not in written + said
    assert KEY[:10] not in written + said


@pytest.mark.parametrize("text", [f"fault for {KEY}.", f"key provided: {KEY[:8]}***{KEY[-4:]}.", f"({KEY})"])
def test_the_key_is_hidden_in_any_text(text: str) -> None:
    assert KEY[:8] not in hidden(text, KEY)
    assert KEY[-6:] not in hidden(text, KEY)


def test_a_server_that_is_not_there_is_a_reason_to_skip() -> None:
    reason = LlmApi(LlmApiSettings(url="http://127.0.0.1:9/v1")).skip(SPLIT)
    assert "no answer" in str(reason)


def test_a_server_with_several_models_needs_a_name() -> None:
    with serving(models=("one", "two")) as stub:
        assert "set model to one" in str(made(stub).skip(SPLIT))
        assert made(stub, model="two").skip(SPLIT) is None


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"url": "https://me:secret@host.org/v1"}, "would be written down"),
        ({"url": "host/v1"}, "must begin with"),
        ({"limit_cost": 1.0, "model": "m"}, "needs the price of 'm'"),
        ({"structured": "json_schema", "instruction": {"answer": "x y"}}, "needs an answer in JSON"),
        ({"key_from": "sk-0123"}, "key_from"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        LlmApiSettings(**settings)
    assert LlmApiSettings().recorded()["url"] == "local"
    assert LlmApiSettings(url="https://api.example.org/v1").recorded()["url"] == "api.example.org"
