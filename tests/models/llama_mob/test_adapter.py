"""The adapter as a whole on a small random base: tuned, saved, loaded, its control, its reasons to be skipped."""

from __future__ import annotations

import json
import multiprocessing
import queue
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from small_llama import small_base

from bench.adapters.adapter import Context, OutOfTime
from bench.adapters.small_world import SmallWorld
from bench.data.trajectories import MISSING, OK, Trajectories
from bench.data.world import Grid, Window
from bench.errors import UserError
from bench.training import distributed
from bench.training.distributed import learn_together
from bench.training.loop import Trainer
from models.llama_mob import NOTES, LlamaMob, LlamaMobSettings
from models.llama_mob.base import preflight
from models.llama_mob.prompts.conversations import Conversation, write_conversations
from models.llama_mob.tuning.fit import learn
from models.llama_mob_parallel import LlamaMobParallel

FAST = {"epochs": 1, "batch": 2, "learning_rate": 1e-2, "rank": 4}


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make(window=Window(history=(0, 2), horizon=(3, 3)), testers=4, trainers=4)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_base(tmp_path_factory.mktemp("bases") / "small")


def made(base: Path, **given: Any) -> LlamaMob:
    return LlamaMob(LlamaMobSettings(**{"base": str(base), **FAST, **given}))


def fitted(world: SmallWorld, folder: Path, base: Path, **given: Any) -> LlamaMob:
    model = made(base, **given)
    model.fit(world.split.train, world.split.validate, world.context(folder=folder))
    return model


def ask(model: LlamaMob, world: SmallWorld) -> Any:
    return model.predict(world.split.history, world.split.queries, world.context())


def test_several_samples_become_one_answer(world: SmallWorld, base: Path) -> None:
    one, three = (made(base, tuning="none", decoding={"temperature": 1.0, "samples": samples}) for samples in (1, 3))
    alone, together = ask(one, world), ask(three, world)
    assert np.array_equal(together.status, alone.status)  # somebody has no history
    assert (together.status == OK).any()
    for user, text in together.raw.items():
        assert text.startswith(alone.raw[user])
        assert text != "\n\n".join([alone.raw[user]] * 3)
    assert three.usage()["users"] == one.usage()["users"]
    assert three.usage()["forward_passes"] > 2 * one.usage()["forward_passes"]


def test_samples_that_agree_are_the_answer(world: SmallWorld, base: Path) -> None:
    sure = {"temperature": 1.0, "top_p": 1e-9, "samples": 3}  # nothing but the most probable number is left
    greedy, agreed = (ask(made(base, tuning="none", decoding=way), world) for way in ({}, sure))
    there = greedy.status == OK
    assert np.array_equal(agreed.status == OK, there)
    assert np.array_equal(agreed.x[there], greedy.x[there])
    assert np.array_equal(agreed.y[there], greedy.y[there])


def test_samples_that_cannot_differ_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature above 0"):
        LlamaMobSettings(decoding={"samples": 2})


@pytest.mark.parametrize("tuning", ["none", "lora", "full"])
def test_saved_and_loaded_it_answers_alike(tuning: str, world: SmallWorld, base: Path, tmp_path: Path) -> None:
    model = made(base, tuning=tuning)
    assert model.learns_from == ("nothing" if tuning == "none" else "train users")
    if tuning != "none":
        model.fit(world.split.train, world.split.validate, world.context(folder=tmp_path / "scratch"))
    (tmp_path / "saved").mkdir()
    model.save(tmp_path / "saved")
    left = {path.name for path in (tmp_path / "saved").iterdir()}
    kept = {
        "none": set(),
        "lora": {"adapter_model.safetensors", "adapter_config.json"},
        "full": {"weights.safetensors"},
    }
    assert left == kept[tuning] | ({NOTES} if tuning != "none" else set())
    fresh = made(base, tuning=tuning)
    fresh.load(tmp_path / "saved")
    one, two = ask(model, world), ask(fresh, world)
    assert np.array_equal(one.x, two.x)
    assert np.array_equal(one.y, two.y)
    assert dict(model.facts()) == dict(fresh.facts())
    assert model.facts()["parameters"] > 0


def test_tuning_changes_answers_and_a_saved_lora_serves_as_a_published_one(
    world: SmallWorld, base: Path, tmp_path: Path
) -> None:
    tuned = fitted(world, tmp_path / "scratch", base)
    (tmp_path / "saved").mkdir()
    tuned.save(tmp_path / "saved")
    published = made(base, lora=tmp_path / "saved", trained_on=("Q",))
    assert published.settings.tuning == "none"
    assert published.seen() == ("Q",)
    plain = ask(made(base, tuning="none"), world)
    assert np.array_equal(ask(published, world).x, ask(tuned, world).x)
    assert not np.array_equal(plain.x, ask(tuned, world).x)


def test_answers_and_text_agree_and_spending_is_told(world: SmallWorld, base: Path) -> None:
    model = made(base, tuning="none")
    answers = ask(model, world)
    queries = world.split.queries
    for i, user in enumerate(queries.users):
        rows = slice(int(queries.starts[i]), int(queries.starts[i + 1]))
        if user == world.unknown:
            assert (answers.status[rows] == MISSING).all()
            assert user not in answers.raw
            continue
        assert (answers.status[rows] == OK).all()
        columns = (queries.d[rows], queries.t[rows], answers.x[rows], answers.y[rows])
        said = [[int(word) for word in line.split()] for line in answers.raw[user].splitlines()]
        assert said == np.stack(columns, axis=1).tolist()
    spent = model.usage()
    assert spent["users"] == len(queries.users) - 1
    assert 0 < spent["forward_passes"] <= 2 * len(queries)
    assert spent["tokens_read"] > 200 * spent["users"]
    assert spent["decode_seconds"] > 0


def test_free_text_is_read_and_its_faults_are_counted(world: SmallWorld, base: Path) -> None:
    model = made(base, tuning="none", decoding={"mode": "free"})
    answers = ask(model, world)
    assert len(answers) == len(world.split.queries)
    assert (answers.status != OK).any(), "a random base writes no answers"
    spent = model.usage()
    assert spent["malformed"] + spent["missing"] > 0
    assert spent["tokens_fed"] > spent["users"]


def test_a_prompt_that_the_base_cannot_read_is_refused(world: SmallWorld, tmp_path: Path) -> None:
    base = small_base(tmp_path / "short")
    config = json.loads((base / "config.json").read_text())
    (base / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 400}))
    for tuning in ("none", "lora"):
        model = made(base, tuning=tuning)
        with pytest.raises(UserError, match=r"take [\d,]+ tokens, the base reads 400: set rope_scaling to 2\.\d"):
            ask(model, world) if tuning == "none" else model.fit(
                world.split.train, None, world.context(folder=tmp_path)
            )
    assert len(ask(made(base, tuning="none", rope_scaling=3), world))


@pytest.mark.parametrize(
    ("adapter", "instruction"), [(LlamaMobParallel, {}), (LlamaMob, {"answer": "x y"})], ids=["one pass", "x y"]
)
def test_a_question_that_lists_nothing_needs_an_answer_with_keys(
    adapter: type[LlamaMob], instruction: dict[str, str], world: SmallWorld, base: Path, tmp_path: Path
) -> None:
    path = tmp_path / "c.json"
    write_conversations(path, [Conversation(1, "Predict.", "Records:\n1 2 3 4", None)])
    given = {"base": str(base), "tuning": "none", "instruction": {"template": path, **instruction}}
    with pytest.raises(UserError, match=r"c.json: its question lists no points"):
        ask(adapter(adapter.Settings(**given)), world)
    keyed = {**given, "instruction": {"template": path}}
    assert len(ask(LlamaMob(LlamaMobSettings(**keyed)), world))


def test_the_control_reads_other_coordinates_and_answers_in_the_true_ones(world: SmallWorld, base: Path) -> None:
    model = made(base, tuning="none", permute=True)
    answers = ask(model, world)
    from models.llama_mob.base.permutation import Permutation

    user = world.split.queries.users[0]
    said = [[int(word) for word in line.split()] for line in answers.raw[user].splitlines()]
    true = Permutation.of(world.grid).undo(np.array(said)[:, 2:])
    count = len(said)
    assert np.array_equal(true, np.stack([answers.x[:count], answers.y[:count]], axis=1))
    assert not np.array_equal(np.array(said)[:, 2], answers.x[:count])


def test_the_record_names_trajectories_mix_and_curve(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    facts = fitted(world, tmp_path, base, trajectories=3, mix={"Q": 1.0}, epochs=2).facts()
    assert facts["trajectories"] == 3
    assert facts["mix"] == "Q:3"
    assert facts["steps"] == 4
    assert len(str(facts["loss_curve"]).split()) == 4
    assert len(str(facts["validation_curve"]).split()) == 3
    json.dumps(facts, allow_nan=False)


def test_checkpoints_hold_for_the_same_settings_only(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    first = fitted(world, tmp_path, base).facts()
    heard: list[str] = []
    context = world.context(folder=tmp_path, progress=lambda label, _done, _total: heard.append(label))
    again = made(base, decoding={"mode": "jump_forward"})  # a setting of prediction alone
    again.fit(world.split.train, world.split.validate, context)
    assert not heard, "everything was in the checkpoint"
    assert again.facts() == first
    other = made(base, rank=2)
    other.fit(world.split.train, world.split.validate, context)
    assert heard


def test_skipping_says_why(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    split = world.split
    assert made(base).skip(split) is None
    assert "city X" in str(made(base, mix={"X": 1}).skip(split))
    assert "training users" in str(made(base).skip(replace(split, train=Trajectories.empty(("Q",)))))
    assert made(tmp_path).skip(split) is None, "a broken base fails when it is loaded"
    with pytest.raises(UserError, match=r"config\.json: not there"):
        ask(made(tmp_path, tuning="none"), world)
    assert "CUDA" in str(made(base, quantize="4bit").skip(split))
    assert made(base, quantize="4bit").needs.cuda
    huge = LlamaMob(LlamaMobSettings(weights="random", shape="llama-3-8b", tuning="full", precision="float32"))
    assert "GB" in str(huge.skip(split))


def test_what_fits_is_judged_on_the_device_of_the_case(
    world: SmallWorld, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = {"cpu": 10**12, "cuda": 0}
    monkeypatch.setattr(preflight, "free_bytes", free.__getitem__)
    model = made(base)
    assert model.skip(world.split) is None
    model.device = "cuda"
    assert "GPU memory" in str(model.skip(world.split))


def test_what_cannot_be_written_or_learned_is_refused(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    model = made(base)
    with pytest.raises(UserError, match="998"):
        model.fit(
            world.split.train, None, Context(grid=Grid(width=2000, height=10), window=world.window, folder=tmp_path)
        )
    with pytest.raises(UserError, match="no training user"):
        model.fit(world.split.train.days(0, 0), None, world.context(folder=tmp_path))


@pytest.mark.slow
def test_two_processes_learn_what_one_learns(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    heard: list[str] = []
    context = world.context(folder=tmp_path / "two", progress=lambda label, _done, _total: heard.append(label))
    context.folder.mkdir()
    given = (world.split.train, world.split.validate)
    settings = LlamaMobSettings(base=str(base), **{**FAST, "batch": 1, "epochs": 2})
    together, told = learn_together(2, learn, (*given, settings, "float32"), context)
    alone = settings.model_copy(update={"accumulate": 2})
    weights, facts = learn(*given, alone, "float32", world.context(folder=tmp_path / "one"))
    assert facts["steps"] == told["steps"] == 4
    assert facts["loss_last"] == pytest.approx(told["loss_last"], rel=1e-3)
    assert facts["validation_loss"] == pytest.approx(told["validation_loss"], rel=1e-3)
    assert all(torch.allclose(weights[name], together[name], atol=2e-3) for name in weights)
    assert any(weights[name].abs().max() > 1e-2 for name in weights if "lora_B" in name)
    assert heard


@pytest.mark.slow
def test_what_a_process_refuses_is_refused(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    given = (world.split.train.days(0, 0), None, LlamaMobSettings(base=str(base), **FAST), "float32")
    with pytest.raises(UserError, match="no training user has rows"):
        learn_together(2, learn, given, world.context(folder=tmp_path))
    assert not multiprocessing.active_children()


def test_what_a_process_said_comes_before_how_it_ended(world: SmallWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    class Failed:
        processes: ClassVar[list[Any]] = []

        def join(self, timeout: float) -> bool:
            heard.put(("refused", ("no room",)))
            raise RuntimeError("a process failed")

    heard = queue.SimpleQueue[Any]()
    spawned = type("Spawned", (), {"SimpleQueue": lambda _self: heard})
    monkeypatch.setattr(distributed.multiprocessing, "get_context", lambda _name: spawned())
    monkeypatch.setattr(distributed.multiprocessing, "start_processes", lambda *_args, **_named: Failed())
    with pytest.raises(UserError, match="no room"):
        learn_together(2, learn, (world.split.train, None, LlamaMobSettings(), "float32"), world.context())


@pytest.mark.parametrize("tuning", ["lora", "full"])
def test_memory_that_runs_out_in_tuning_is_one_line(
    tuning: str, world: SmallWorld, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(_trainer: Trainer) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    monkeypatch.setattr(Trainer, "run", exhausted)
    with pytest.raises(UserError, match=r"lower batch .*checkpointing: true"):
        fitted(world, tmp_path, base, tuning=tuning)


@pytest.mark.slow
def test_processes_end_with_their_fit(world: SmallWorld, base: Path, tmp_path: Path) -> None:
    def stop(_label: str, _done: float, _total: float) -> None:
        raise OutOfTime

    context = world.context(folder=tmp_path, progress=stop)
    settings = LlamaMobSettings(base=str(base), **FAST)
    with pytest.raises(OutOfTime):
        learn_together(2, learn, (world.split.train, None, settings, "float32"), context)
    assert not multiprocessing.active_children()


def test_a_setting_that_came_later_leaves_what_was_fitted_before_its_identity() -> None:
    plain, by_itself = LlamaMobSettings(), LlamaMobSettings(decoding={"context": "history", "choose": "greedy"})
    assert "context" not in plain.recorded()["decoding"]
    assert by_itself.recorded()["decoding"]["context"] == "history"
    assert plain.decoding.context == "answers"


def test_a_control_says_what_was_done_to_its_start() -> None:
    def starts(**given: Any) -> str | None:
        return LlamaMob(LlamaMobSettings(base="acme/Small", **given)).learning().pretrained_on

    assert starts() == "unknown data (Small)"
    assert starts(weights="shuffled") == "unknown data (Small), each tensor's entries shuffled"
    assert starts(permute_digits=True) == "unknown data (Small), its digits permuted"
    assert LlamaMob(LlamaMobSettings(base="acme/Small", weights="random")).learning().start == "random"
