"""llm_api through a run: a confined worker reaches the server, the record says what it took, the key is nowhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_run import Go
from stub_server import KEY, serving

from bench.adapters.usage import total
from bench.running.confinement import available

pytest.importorskip("openai")


def test_a_run_asks_pays_stops_and_goes_on(go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STUB_API_KEY", KEY)
    with serving(key=KEY) as stub:
        settings = {"url": stub.url, "key_from": "STUB_API_KEY", "wait_seconds": 0, "parallel": 1, "history_days": 2}

        def run(**more: object) -> dict[str, float]:
            _made, records, _said = go({"use": "llm_api", "settings": {**settings, **more}})
            assert [record.status for record in records] == ["done", "done"], records
            assert all(record.confined for record in records) or not available()
            spent = [r.cost.usage.answering for r in records if r.cost and r.cost.usage]
            for record, took in zip(records, spent, strict=True):
                assert bool(record.unranked()) == bool(took["users_over_budget"])
            return total(spent)

        stopped = run(limit_tokens=3000)
        assert 0 < stopped["users_over_budget"] < stopped["users"]
        assert stopped["tokens_read"] + stopped["tokens_fed"] <= 3000
        assert stopped["requests"] == len(stub.requests)
        whole = run()
        assert whole["users_over_budget"] == 0
        assert whole["from_cache"] == stopped["requests"]
        assert stopped["requests"] + whole["requests"] == len(stub.requests) == whole["users"]
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any("kept/llm_api" in path.as_posix() for path in files)
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
