"""Runs from a protocol to records: good models, bad models, second runs, killed runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_run import HERE, TEXT, Go, Silent

from bench.data.sources import open_source
from bench.protocol import reading
from bench.records.record import read as read_record
from bench.records.store import Run, read_json
from bench.running import hardware, runner
from bench.running.plan import identity_of


def test_what_another_run_finished_meanwhile_is_not_recorded_as_failed(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    real = runner.executor.run_worker

    class Twin(runner.Keeper):
        """Keeps what is made as if another run had made it: this one still waits for it."""

        def part(self, cost_id: str, **content: object) -> None:
            case = self.waiting[cost_id]
            super().part(cost_id, **content)
            self.waiting[cost_id] = case

    def killed(*args: object, **more: object) -> str:
        real(*args, **more)  # type: ignore[arg-type]
        return "out of memory"

    monkeypatch.setattr(runner, "Keeper", Twin)
    monkeypatch.setattr(runner.executor, "run_worker", killed)
    _run, records, said = go("user_mode")
    assert [record.status for record in records] == ["done", "done"]
    assert not any("failed" in line for line in said.lines)


def test_what_another_run_did_whole_meanwhile_is_recorded(go: Go, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    path.write_text(TEXT.format(models=["user_mode"], limit=60).replace("name: tiny", "name: other"))
    wanted = reading.load(path)
    source = open_source(wanted.data.source, seed=wanted.data.seed, options=dict(wanted.data.options))
    late = runner.Runner(wanted, source, tmp_path / "runs", hardware.detect(1, "cpu"), Silent())
    late.plan()
    _run, records, _said = go("user_mode")
    late.work()
    found = [late.run.read(record.identity.cost) for record in records]
    assert [record and (record.status, record.scores) for record in found] == [("done", r.scores) for r in records]


def test_a_protocol_becomes_records_with_scores_cost_and_provenance(go: Go, outside: Callable[[str], str]) -> None:
    run, records, _ = go("user_mode", outside("Home"))
    assert [(r.status, r.case.model, r.case.test_city) for r in records] == [
        ("done", "user_mode", "C"),
        ("done", "home", "C"),
        ("done", "user_mode", "D"),
        ("done", "home", "D"),
    ]
    mode, home = records[:2]
    assert mode.scores["geobleu@humob24"].mean > home.scores["geobleu@humob24"].mean
    assert home.case.train_cities == ("B",)
    assert mode.case.train_cities == ()
    assert home.data is not None
    assert home.cost is not None
    assert mode.cost is not None
    assert (home.data.train_users, home.data.test_users) == (20, 6)
    assert home.cost.fit_seconds is not None
    assert mode.cost.fit_seconds is None
    assert 0 < home.cost.latency_median_s <= home.cost.latency_p95_s
    assert home.cost.peak_memory_mb > 20
    assert home.facts == {"parameters": 2}
    frame = pq.read_table(run.folder / mode.files["scores"]).to_pandas()
    assert len(frame) == 6
    assert frame["geobleu@humob24"].mean() == pytest.approx(mode.scores["geobleu@humob24"].mean)
    assert os.fspath(HERE) not in mode.model_dump_json()


def test_identities_from_records_are_those_of_the_plan(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go("user_mode", outside("Home"))
    assert [identity_of(record) for record in records] == [record.identity for record in records]


def test_a_second_run_does_nothing_and_a_wider_one_just_the_rest(go: Go, outside: Callable[[str], str]) -> None:
    _, first, _ = go("user_mode")
    _, again, said = go("user_mode")
    assert again == first
    assert (said.total, said.before) == (2, 2)
    _, wider, said = go("user_mode", outside("Home"))
    assert (said.total, said.before) == (4, 2)
    assert [r for r in wider if r.case.model == "user_mode"] == first


@pytest.mark.parametrize("jobs", [1, 2])
def test_cases_that_ask_one_fit_differently_share_it(go: Go, outside: Callable[[str], str], jobs: int) -> None:
    use = outside("Shifted")
    models = [{"use": use, "name": f"by {shift}", "settings": {"shift": shift}} for shift in (0, 3)]
    run, records, _ = go(*models, jobs=jobs)
    assert [r.status for r in records] == ["done"] * 4
    assert len({r.identity.fit for r in records}) == 1
    assert len({r.cost.fit_seconds for r in records}) == 1
    assert len(list((run.folder.parent / "store" / "fits").iterdir())) == 1
    plain, moved = (
        pq.read_table(run.folder.parent / "store" / r.files["answers"])["x"].to_numpy() for r in records[:2]
    )
    assert (moved == plain + 3).all()
    assert [identity_of(r) for r in records] == [r.identity for r in records]
    _, _, said = go(*models)
    assert said.before == 4


def test_what_a_model_spent_stands_in_its_record(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go(outside("Counts"), "user_mode")
    counted, plain = records[:2]
    assert plain.cost.usage is None
    spent = counted.cost.usage
    assert (spent.answering["users"], spent.answering["tokens_fed"]) == (6, counted.data.test_points)
    assert spent.answering["forward_passes"] == 18
    assert spent.alone["forward_passes"] == spent.batch["forward_passes"] == 3
    assert spent.alone["tokens_fed"] == pytest.approx(counted.data.test_points / 6)
    assert (spent.alone["drafted"], spent.batch["drafted"]) == (4, pytest.approx(4 / 6))
    assert spent.alone["smallest_margin"] == spent.answering["smallest_margin"] < 1 / 6
    assert "users" not in spent.alone


def test_other_metrics_or_fallbacks_are_scored_again_without_predicting(go: Go) -> None:
    _, first, _ = go("user_mode")
    _, again, said = go("user_mode", overrides=("metrics.also=[dtw@fixed]", "answers.fallback=user_mode"))
    assert said.before == 2
    assert set(again[0].scores) == {"geobleu@humob24", "dtw@fixed"}
    assert again[0].answers.fallback == "user_mode"
    assert again[0].cost == first[0].cost


def test_workers_side_by_side_give_the_same_scores(go: Go, outside: Callable[[str], str], tmp_path: Path) -> None:
    _, one, _ = go("user_mode", outside("Home"))
    (tmp_path / "runs").rename(tmp_path / "before")
    _, two, _ = go("user_mode", "home", jobs=2)
    assert [r.scores for r in one] == [r.scores for r in two]
    assert all(r.cost.alone for r in two)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Raises", r"RuntimeError: no such place \(outside_models.py:\d+\)"),
        ("Dies", "ended with code 7: a last word"),
        ("Short", r"x of shape \(\d+,\) for \d+ queries"),
    ],
)
def test_a_bad_model_fails_with_its_reason_and_the_others_go_on(
    go: Go, outside: Callable[[str], str], name: str, reason: str
) -> None:
    run, records, _ = go(outside(name), "user_mode")
    failed = [r for r in records if r.case.model != "user_mode"]
    assert [r.status for r in failed] == ["failed", "failed"]
    for record in failed:
        assert record.scores == {}
        import re

        assert re.search(reason, record.reason)
        assert "\n" not in record.reason
        assert (run.folder / "logs" / f"{record.identity.cost}.txt").exists()
    assert [r.status for r in records if r.case.model == "user_mode"] == ["done", "done"]


def test_a_model_that_hangs_is_stopped_at_the_limit(
    go: Go, outside: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bench.running.executor.GRACE_S", 0.5)
    _, records, _ = go(outside("Hangs"), limit=0.5)
    assert [r.status for r in records] == ["failed", "failed"]
    assert "time limit of 0.5 s" in records[0].reason


def test_what_a_model_leaves_out_is_filled_counted_and_not_ranked(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go(outside("Outside"))
    answers = records[0].answers
    assert answers.invalid > 0
    assert answers.filled == answers.invalid + answers.missing == answers.asked - answers.ok
    assert answers.coverage == pytest.approx(answers.ok / answers.asked)
    assert "filled by the fallback" in records[0].unranked()
    assert records[0].scores["geobleu@humob24"].misses_as_zero < records[0].scores["geobleu@humob24"].mean


def test_the_truth_is_out_of_reach(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go(outside("Peeks"))
    assert [r.status for r in records] == ["done", "done"]


def test_what_cannot_run_here_is_skipped_with_the_reason(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go(outside("NeedsGpu"))
    assert [(r.status, "no_such_package_at_all" in r.reason) for r in records] == [("skipped", True)] * 2


def test_a_model_hears_of_its_device_before_it_is_asked_to_skip(go: Go, outside: Callable[[str], str]) -> None:
    _, records, _ = go(outside("Homesick"))
    assert [(r.status, r.reason) for r in records] == [("skipped", "not on cpu")] * 2


def test_a_city_that_the_data_lack_is_skipped_with_the_reason(go: Go) -> None:
    _, records, _ = go(
        "user_mode", overrides=("data.cities=[B, C, Z]", "splits=[{train: {cities: [B], days: [0, 74]}, test: [C, Z]}]")
    )
    assert [(r.case.test_city, r.status) for r in records] == [("C", "done"), ("Z", "skipped")]
    assert "Z" in records[1].reason


def test_a_changed_source_under_the_same_version_is_warned_of(go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    go("user_mode")
    monkeypatch.setattr("bench.running.model.source_hash", lambda adapter: "other")
    _, _, said = go("user_mode")
    assert sum("its version 1 has not" in line for line in said.lines) == 2


SCRIPT = [
    sys.executable,
    "-m",
    "bench.cli.app",
    "run",
    "tiny.yaml",
    "--out",
    "runs",
    "--adapter",
    "outside_models:Home",
]


def _scores(folder: Path) -> dict[tuple[str, str], dict[str, float]]:
    run = Run(folder / "runs" / "tiny")
    cases = read_json(run.folder / "run.json")["cases"]
    found = [read_record(run.record_path(case)) for case in cases]
    return {(r.case.model, r.case.test_city): {name: s.mean for name, s in r.scores.items()} for r in found}


@pytest.mark.slow
def test_killed_at_any_moment_a_run_completes_on_the_next_start(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    text = TEXT.format(models="[user_mode, {use: home, settings: {fit_seconds: 1.0}}]", limit=60)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        (folder / "tiny.yaml").write_text(text)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(SCRIPT, cwd=whole, check=True, **quiet)
    for _ in range(20):
        process = subprocess.Popen(SCRIPT, cwd=broken, start_new_session=True, **quiet)
        time.sleep(float(rng.uniform(0.2, 5.0)))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    subprocess.run(SCRIPT, cwd=broken, check=True, **quiet)
    assert _scores(broken) == _scores(whole)
    assert len(_scores(whole)) == 4
    assert not list((broken / "runs").rglob("*.part"))


def test_ctrl_c_stops_the_workers_and_the_next_run_completes(tmp_path: Path) -> None:
    text = TEXT.format(models="[user_mode, {use: home, settings: {fit_seconds: 30}}]", limit=60)
    (tmp_path / "tiny.yaml").write_text(text)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job of a shell ignores it
    process = subprocess.Popen(SCRIPT, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    records = tmp_path / "runs" / "tiny" / "records"
    for _ in range(600):
        if records.exists() and len(list(records.glob("*.json"))) == 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command resumes" in errors
    assert "Traceback" not in errors
    assert len(list(records.glob("*.json"))) == 2
