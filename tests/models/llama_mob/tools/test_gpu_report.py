"""The report for a GPU, at a small shape on a CPU: every line, drafts that follow given answers, time that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.adapters.adapter import Context, Settings
from bench.data.sources.synthetic import Synthetic
from bench.data.trajectories import Trajectories
from bench.data.world import Window
from bench.errors import UserError
from bench.profiling import profile, roofline
from bench.profiling.profile import Line, Variant
from bench.profiling.roofline import Rates
from bench.running.hardware import Hardware
from models.llama_mob import LlamaMob
from models.llama_mob.base import shapes
from models.llama_mob.settings import LlamaMobSettings
from models.llama_mob.tools import gpu_report
from models.llama_mob.tools.given import GivenMob

SMALL: dict[str, Any] = {
    "vocab_size": 5000,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
}
WINDOW = Window((58, 59), (60, 60))


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape that runs in a moment, on one thread, cities of few users, and rates from a small product."""
    monkeypatch.setattr(roofline, "_SIDE", 128)
    monkeypatch.setattr(roofline, "_COPIED", 1 << 20)
    monkeypatch.setitem(shapes.KNOWN, "small", SMALL)
    monkeypatch.setattr(gpu_report, "detect", lambda jobs, device: Hardware(device, 1, jobs))
    monkeypatch.setattr(gpu_report, "open_source", lambda _spec: Synthetic(seed=4, users=40))


def settings(mode: str, **decoding: Any) -> LlamaMobSettings:
    decoding = {"mode": mode, "batch": 2, **decoding}
    return LlamaMobSettings(weights="random", shape="small", tuning="none", decoding=decoding)


@pytest.fixture(scope="module")
def table() -> Trajectories:
    return Synthetic(seed=4, users=40).load("B")


def test_answers_are_the_given_ones_and_drafts_save_passes(table: Trajectories) -> None:
    ctx = Context(WINDOW)
    people = profile.people(table, ctx, 3, 0)
    passes = {}
    for mode in ("jump_forward", "speculative"):
        model = GivenMob(settings(mode, stop=0.0), table.days(60, 60))
        answers = model.predict(people.history, people.queries, ctx)
        truth = table.days(60, 60).only(people.queries.users)
        assert np.array_equal(answers.x, truth.x)
        assert np.array_equal(answers.y, truth.y)
        passes[mode] = model.usage()["forward_passes"]
    assert passes["jump_forward"] == 2 * len(people.queries) - len(people.queries.users)
    assert passes["speculative"] < passes["jump_forward"]


def test_one_model_is_profiled_in_several_ways(table: Trajectories) -> None:
    """The engine that an adapter holds must be the one of its present settings."""
    ctx, people = Context(WINDOW), profile.people(table, Context(WINDOW), 2, 0)
    model = LlamaMob(settings("jump_forward"))
    ways = {mode: settings(mode) for mode in ("jump_forward", "constrained", "jump_forward")}
    lines = [
        profile.measure(model, people, Variant(mode, 2, way), 2, ctx, lambda: Rates(1e9, 1e9, "a guess"))
        for mode, way in ways.items()
    ]
    assert lines[1].work["forward_passes"] > 2 * lines[0].work["forward_passes"]
    assert lines[0].roofline.total > 0


ARGUMENTS = ["--shape", "small", "--device", "cpu", "--batch", "1,2", "--history-days", "2", "--horizon-days", "1"]


def test_the_report_has_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_report, "COMPARED", 1)
    monkeypatch.setattr(gpu_report, "ALONE", 2)
    gpu_report.main([*ARGUMENTS, "--city", "B", "--to", str(tmp_path / "g.md")])
    assert [file.name for file in tmp_path.iterdir()] == ["g.md"]
    text = (tmp_path / "g.md").read_text()
    for way in ("lp_bert", *gpu_report.FIRST, *gpu_report.LAST):
        expected = 1 if way == "constrained" else 2  # of the batches of one and two users
        assert sum(line.startswith(f"| {way} ") for line in text.splitlines()) == expected
    assert text.count("| float32 speculative-tree ") == text.count("| bfloat16 jump_forward ") == 2
    exact = [line for line in text.splitlines() if "| float32 speculative-tree " in line]
    assert all("100" in line for line in exact)


def test_what_the_time_does_not_allow_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = Line(Variant("lp_bert", 1, Settings()), 1, (0.5,))
    monkeypatch.setattr(gpu_report, "lp_bert", lambda _report: iter([line]))
    gpu_report.main([*ARGUMENTS, "--minutes", "0", "--to", str(tmp_path / "g.md")])
    text = (tmp_path / "g.md").read_text()
    assert "| lp_bert" in text
    assert "| jump" not in text
    assert "Equal answers" not in text


def test_given_answers_must_be_those_of_the_points_asked_for(tmp_path: Path, table: Trajectories) -> None:
    some = table.days(60, 60)
    some.only(some.users[:6]).to_frame().to_csv(tmp_path / "a.csv", index=False)
    options = [*ARGUMENTS, "--city", "B", "--answers", str(tmp_path / "a.csv"), "--to", str(tmp_path / "g.md")]
    report = gpu_report.prepare(gpu_report.options(options), tmp_path)
    assert set(report.given.users) == set(report.people.queries.users) <= set(some.users[:6])
    some.only(some.users[:6]).take(slice(1, None, 2)).to_frame().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(UserError, match="must answer every record of days 60 to 60"):
        gpu_report.prepare(gpu_report.options(options), tmp_path)


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(gpu_report, "machine", lambda: type("M", (), {"gpu": None}))
    with pytest.raises(UserError, match="--device cpu tries a small shape"):
        gpu_report.prepare(gpu_report.options([]), tmp_path)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["--batch", "a"], "--batch: 'a' is not a number of users"),
        (["--answers", "nowhere.csv"], "--answers nowhere.csv: cannot be read (No such file or directory)"),
        (["--answers", __file__], "is no table of uid,d,t,x,y"),
        (["--history-days", "61"], "--history-days 61: must be from 1 to 60"),
        (["--horizon-days", "0"], "--horizon-days 0: must be from 1 to 15"),
        (["--shape", "smal"], "shape 'smal' is not known"),
    ],
)
def test_what_cannot_be_reported_is_one_line(
    wrong: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        gpu_report.main([*ARGUMENTS, "--to", str(tmp_path / "g.md"), *wrong])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1
