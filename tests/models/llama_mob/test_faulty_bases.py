"""Faulty bases from the command line on: faults of the input, cases that fail, and no answer made of broken scores."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import weights_folders as made

from bench.adapters.small_world import SmallWorld
from bench.cli import app
from bench.data.world import Window
from models.llama_mob import LlamaMob
from models.llama_mob_parallel import LlamaMobParallel

PROTOCOL = """\
schema: 1
name: faulty
version: 1
about: Three people, a day.
data: {source: synthetic, cities: [B, C], seed: 1, options: {users: 60}}
window: {history: [58, 59], horizon: [60, 60]}
splits:
  - {train: {cities: [B], days: [58, 60]}, test: [C]}
users: {train: 3, validate: 0, test: 3}
models:
  - {use: llama_mob, name: LM, settings: {tuning: none}}
  - slot_mode
metrics: {main: geobleu@humob24}
"""


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=4, trainers=4)


@pytest.fixture(scope="module")
def loud(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base with finite weights whose scores are too large for their format."""

    def louder(tensors: made.Tensors) -> made.Tensors:
        return tensors | {"lm_head.weight": tensors["lm_head.weight"].sign() * 3e38}

    return made.change(made.base(tmp_path_factory.mktemp("bases") / "loud"), louder)


@pytest.mark.parametrize(
    "decoding",
    [
        {"mode": "constrained"},
        {"mode": "jump_forward"},
        {"mode": "speculative"},
        {"mode": "speculative", "draft": "tree"},
        {"mode": "jump_forward", "temperature": 0.6, "top_p": 0.9},
        {"mode": "jump_forward", "choose": "expected_proximity"},
        {"mode": "free"},
        {"mode": "free", "temperature": 0.6},
    ],
    ids=lambda decoding: " ".join(map(str, decoding.values())),
)
def test_scores_that_are_not_finite_are_no_answer(world: SmallWorld, loud: Path, decoding: dict[str, Any]) -> None:
    model = LlamaMob(LlamaMob.Settings(base=str(loud), tuning="none", decoding=decoding))
    with pytest.raises(FloatingPointError, match="scores are not finite"):
        model.predict(world.split.history, world.split.queries, world.context())


def test_scores_of_one_pass_that_are_not_finite_are_no_answer(world: SmallWorld, loud: Path) -> None:
    model = LlamaMobParallel(LlamaMobParallel.Settings(base=str(loud), tuning="none"))
    with pytest.raises(FloatingPointError, match="scores are not finite"):
        model.predict(world.split.history, world.split.queries, world.context())


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_nothing_is_learned_from_scores_that_are_not_finite(
    world: SmallWorld, loud: Path, tmp_path: Path, tuning: str
) -> None:
    model = LlamaMob(LlamaMob.Settings(base=str(loud), tuning=tuning, rank=2))
    with pytest.raises(FloatingPointError, match="diverged"):
        model.fit(world.split.train, None, world.context(folder=tmp_path))


def test_every_end_mark_ends_a_free_answer(world: SmallWorld, tmp_path: Path) -> None:
    mark = 2366

    def silent(tensors: made.Tensors) -> made.Tensors:
        for name, tensor in tensors.items():
            if "o_proj" in name or "down_proj" in name or name == "lm_head.weight":
                tensor.zero_()
        tensors["model.embed_tokens.weight"].fill_(1.0)
        tensors["lm_head.weight"][mark] = 1.0
        return tensors

    base = made.change(made.base(tmp_path / "silent"), silent)
    fed = []
    for marks in ([2364], [2364, mark]):
        made.edit(base, "generation_config.json", eos_token_id=marks)
        model = LlamaMob(LlamaMob.Settings(base=str(base), tuning="none", decoding={"mode": "free"}))
        answers = model.predict(world.split.history, world.split.queries, world.context())
        fed.append(model.usage()["tokens_fed"])
        assert set(answers.raw.values()) == {""}
    assert fed[0] > 100
    assert fed[1] == 0


def bench(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["bench", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("key", ["base", "lora", "instruction.template"])
def test_what_is_not_there_is_a_fault_of_the_input(
    command: str, key: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(PROTOCOL)
    assert bench(monkeypatch, command, "p.yaml", "--set", f"models.LM.{key}=/nonexistent") == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert f"models.LM.{key}: /nonexistent: there is no such " in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["p.yaml"]


@pytest.mark.slow
def test_a_faulty_base_fails_its_own_case_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    small = made.base(tmp_path / "Small")
    empty = made.change(
        made.lora(small, tmp_path / "lora"),
        lambda t: {name: v[:0] * np.nan for name, v in t.items()},
        made.LORA_WEIGHTS,
    )
    Path("p.yaml").write_text(PROTOCOL)
    given = ["--set", f"models.LM.base={small}", "--set", f"models.LM.lora={empty}"]
    assert bench(monkeypatch, "run", "p.yaml", *given) == 1
    assert "lora_A.weight is 0 x" in capsys.readouterr().err
    records = [json.loads(path.read_text()) for path in Path("runs/faulty/records").iterdir()]
    assert {record["case"]["model"]: record["status"] for record in records} == {"LM": "failed", "slot_mode": "done"}
