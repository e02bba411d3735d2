"""lp_bert: its size, masks, batches, decoding, checkpoints, and whether it says when it has learned nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from baselines.lp_bert import PRETRAINED, LpBert, LpBertSettings, fitting
from baselines.lp_bert.data import Example, Person, hide_days, pack, people, questions
from baselines.lp_bert.decode import choose, predict
from baselines.lp_bert.model import MASK, LPBert, Shape, kept
from baselines.lp_bert.start import vote
from baselines.lp_bert.store import load_weights, save_weights
from bench.adapters.adapter import Context
from bench.adapters.small_world import SmallWorld
from bench.adapters.small_world import people as invented
from bench.data.trajectories import OK, Trajectories
from bench.data.world import World
from bench.errors import UserError
from bench.training import loop
from bench.training.loop import Step, Trainer

TINY = Shape(width=32, layers=2, heads=2, hidden=64)


def walker(days: int, rng: np.random.Generator) -> Person:
    """A person seen about ten times a day, anywhere."""
    d, t = np.nonzero(rng.random((days, 48)) < 0.2)
    return Person(d, t, rng.integers(1, 201, len(d)), rng.integers(1, 201, len(d)))


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world() -> SmallWorld:
    return SmallWorld.make(trainers=8)


def size(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_published_network_has_its_published_size() -> None:
    assert size(LPBert()) == 2_456_880
    assert size(LPBert(Shape(cities=4))) == 2_456_880 + 4 * 128


def test_masks_are_fifteen_days_in_a_row_and_new_each_time() -> None:
    rng = np.random.default_rng(0)
    person = walker(75, rng)
    starts = set()
    for _ in range(40):
        example = hide_days(person, rng, 60, 15)
        days = np.unique(person.d[example.hidden])
        assert len(example.hidden) == len(person.d)
        assert days[-1] - days[0] < 15
        assert example.hidden[(person.d >= days[0]) & (person.d <= days[-1])].all()
        starts.add(days[0])
    assert len(starts) > 15


@given(seen=st.integers(1, 30), hidden=st.integers(1, 10), days=st.integers(2, 75), seed=st.integers(0, 999))
@settings(max_examples=60, deadline=None)
def test_every_mask_hides_some_rows_and_shows_some(seen: int, hidden: int, days: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    person = walker(days, rng)
    if len(person.d) < 2:
        return
    example = hide_days(person, rng, seen, hidden, at_end=0.5)
    assert example.hidden.any()
    assert not example.hidden.all()
    assert len(example.person.d) == len(example.hidden)


def test_tokens_hide_what_is_masked_and_count_gaps() -> None:
    person = Person(*(np.array(v) for v in ([0, 0, 2], [3, 5, 5], [7, 8, 9], [1, 2, 3])))
    tokens = Example(person, np.array([False, True, False])).tokens()
    assert tokens.tolist() == [[1, 1, 3], [4, 6, 6], [7, MASK, 9], [1, MASK, 3], [0, 2, 47]]


@given(seed=st.integers(0, 999), batch=st.integers(1, 7))
@settings(max_examples=4, deadline=None)
def test_an_answer_does_not_depend_on_its_batch(seed: int, batch: int) -> None:
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    model = LPBert(TINY)
    examples = [hide_days(walker(int(rng.integers(3, 12)), rng), rng, 8, 2) for _ in range(7)]
    alone = [next(predict(model, [example], 1, "float32")) for example in examples]
    for one, many in zip(alone, predict(model, examples, batch, "float32"), strict=True):
        assert np.array_equal(one, many)


def test_the_last_layer_at_asked_rows_equals_the_whole_encoder_in_torch() -> None:
    """The same weights in torch's own post-norm encoder give the same logits, in training's mathematics too."""
    torch.manual_seed(0)
    model = LPBert(replace(TINY, dropout=0.0))
    rng = np.random.default_rng(0)
    batch = pack([hide_days(walker(10, rng), rng, 8, 2)])
    reference = torch.nn.TransformerEncoder(
        torch.nn.TransformerEncoderLayer(32, 2, 64, dropout=0.0, batch_first=True), 2, enable_nested_tensor=False
    )
    names = {"self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "wide.", "linear2.": "narrow."}
    for ours, theirs in zip(model.encoder(), reference.layers, strict=True):
        state = ours.state_dict()
        for their, our in names.items():
            state = {key.replace(our, their) if key.startswith(our) else key: value for key, value in state.items()}
        theirs.load_state_dict(state)
    tables = (model.day, model.slot, model.x, model.y, model.gap)
    rows = sum(table(index) for table, index in zip(tables, batch.tokens, strict=True))
    whole = reference(rows[None])[0][batch.asked]
    x, y = model(batch)
    torch.testing.assert_close(x, model.head_x(whole), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(y, model.head_y(whole), rtol=1e-4, atol=1e-5)


def test_dropout_drops_its_share_and_keeps_the_mean() -> None:
    torch.manual_seed(0)
    assert kept(torch.empty(1000, 100), 0.1).float().mean().item() == pytest.approx(0.9, abs=0.005)
    layer = LPBert(Shape()).encoder()[0]
    rows = torch.randn(50, 128)
    dropped = torch.stack([layer.feed_forward(rows, 0.3) for _ in range(200)]).mean(0)
    assert (dropped - layer.feed_forward(rows, 0.0)).abs().mean() < 0.02


def test_dropout_passes_gradients_only_through_what_it_kept() -> None:
    from baselines.lp_bert.model import DroppedRelu

    x = torch.randn(1000, requires_grad=True)
    out = DroppedRelu.apply(x, 0.5)
    out.sum().backward()
    assert torch.equal(x.grad, (out > 0).float())


def test_the_discount_moves_only_when_the_second_is_close() -> None:
    probability = np.log([[0.6, 0.3, 0.1], [0.5, 0.48, 0.02], [0.7, 0.2, 0.1]])
    assert choose(probability.copy(), 0.9, "probability").tolist() == [1, 2, 1]
    assert choose(probability.copy(), 1.0, "probability").tolist() == [1, 1, 1]
    negative = np.array([[-1.0, -1.05], [-1.05, -1.0]])
    assert choose(negative.copy(), 0.9, "logit").tolist() == [1, 1]  # the public code's: what was left comes nearer
    assert choose(negative.copy(), 0.9, "probability").tolist() == [1, 2]


def test_the_discount_is_the_public_codes_unless_told_otherwise() -> None:
    """val_task1.py of the public code multiplies the raw scores of the previous x and y by 0.9."""
    assert (LpBertSettings().penalty, LpBertSettings().penalty_on) == (0.9, "logit")
    assert LpBert.version >= 2, "version 1 discounted probabilities"


def test_questions_put_history_and_queries_in_time_order(world: SmallWorld) -> None:
    split = world.split
    for example, user in zip(questions(split.history, split.queries), split.queries.users, strict=True):
        assert example.hidden.sum() == len(split.queries.of(user))
        assert (np.diff(example.person.d * 48 + example.person.t) > 0).all()


def test_the_start_copies_from_the_history(world: SmallWorld) -> None:
    """Before any training, more of its answers are right than of a random network's."""
    history, truth = world.split.history, world.truth
    both = [user for user in truth.users if len(history.of(user)) > 1]
    truth = truth.only(both)
    examples = questions(history, truth.queries())
    torch.manual_seed(0)
    shares = []
    for model in (LPBert(), LPBert()):
        cells = np.concatenate(list(predict(model, examples, 8, "float32")))
        shares.append(float((cells == np.stack([truth.x, truth.y], 1)).all(1).mean()))
        vote(model)
    voting = LPBert()
    vote(voting)
    cells = np.concatenate(list(predict(voting, examples, 8, "float32")))
    assert size(voting) == 2_456_880
    assert (cells == np.stack([truth.x, truth.y], 1)).all(1).mean() > 0.25 > 2 * max(shares)


def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the adapter build a small network."""
    from baselines.lp_bert import model

    monkeypatch.setattr(model, "Shape", lambda **given: replace(TINY, **given))


def fit(world: SmallWorld, folder: Path, validate: Trajectories | None = None, **chosen: object) -> LpBert:
    given = {"init": "scratch", "epochs": 3, "batch": 3, "learning_rate": 1e-3, **chosen}
    adapter = LpBert(LpBertSettings(**given))
    adapter.fit(world.split.train, validate, world.context(folder=folder))
    return adapter


def test_a_killed_fit_goes_on_and_ends_the_same(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(monkeypatch)
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    straight = fit(world, tmp_path / "straight", world.split.validate)
    step, killed = Trainer._step, {"after": 4}

    def until(self: Trainer, given: Step) -> None:
        killed["after"] -= 1
        if killed["after"] < 0:
            raise KeyboardInterrupt
        step(self, given)

    monkeypatch.setattr(Trainer, "_step", until)
    with pytest.raises(KeyboardInterrupt):
        fit(world, tmp_path / "killed", world.split.validate)
    steps = []
    monkeypatch.setattr(Trainer, "_step", lambda self, given: steps.append(1) or step(self, given))
    resumed = fit(world, tmp_path / "killed", world.split.validate)
    assert len(steps) == straight.facts()["steps"] - 4
    assert resumed.facts() == straight.facts()
    for ours, theirs in zip(resumed.model.parameters(), straight.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_another_fit_does_not_take_up_the_checkpoint(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(monkeypatch)
    fit(world, tmp_path, epochs=1)
    again = fit(world, tmp_path, epochs=1, learning_rate=2e-3)
    assert again.facts()["steps"] > 0
    clean = fit(world, tmp_path / "clean", epochs=1, learning_rate=2e-3)
    assert all(torch.equal(a, b) for a, b in zip(again.model.parameters(), clean.model.parameters(), strict=True))


def test_masks_differ_from_epoch_to_epoch(world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(monkeypatch)
    seen = []

    def noted(person: Person, *given: object, **named: object) -> Example:
        example = hide_days(person, *given, **named)
        seen.append(tuple(np.flatnonzero(example.hidden)))
        return example

    monkeypatch.setattr(fitting, "hide_days", noted)
    fit(world, tmp_path, epochs=2)
    half = len(seen) // 2
    assert seen[:half] != seen[half:]


def test_the_city_embedding_predicts_its_own_cities_only(
    world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny(monkeypatch)
    adapter = fit(world, tmp_path, epochs=1, city_embedding=True)
    assert adapter.cities == ("Q",)
    assert "R" in (adapter.skip(world.split) or "")
    assert adapter.skip(replace(world.split, test_city="Q")) is None
    assert LpBert().skip(world.split) is None


def test_days_beyond_the_embedding_are_skipped(world: SmallWorld) -> None:
    late = replace(world.split.queries, d=world.split.queries.d + 60)
    assert "day 74" in (LpBert().skip(replace(world.split, queries=late)) or "")


def test_a_fit_that_learned_nothing_says_so(world: SmallWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny(monkeypatch)
    for validate, whom in ((world.split.validate, "validation"), (None, "training")):
        facts = fit(world, tmp_path / whom, validate, epochs=1, learning_rate=1e-6).facts()
        assert whom in str(facts["undertrained"])


def test_a_wide_grid_is_refused(world: SmallWorld) -> None:
    city = world.split.test_city
    wide = replace(world.split, worlds={city: World(replace(world.grid, width=201))})
    assert LpBert().skip(wide) == f"it knows 200 x 200 cells; city {city} has 201 x {world.grid.height}"


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    save_weights(LPBert(replace(TINY, layers=1)), tmp_path / "w.safetensors")
    with pytest.raises(UserError, match="not weights of this network"):
        load_weights(LPBert(TINY), tmp_path / "w.safetensors")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> LpBert:
    """The shipped weights, fitted for no epoch."""
    world = SmallWorld.make()
    adapter = LpBert(LpBertSettings(epochs=0))
    adapter.fit(world.split.train, None, world.context(folder=tmp_path_factory.mktemp("none")))
    return adapter


def test_the_shipped_weights_are_small_and_of_the_published_size(shipped: LpBert) -> None:
    assert PRETRAINED.stat().st_size <= 10_000_000
    assert shipped.facts()["parameters"] == 2_456_880


def test_the_shipped_weights_beat_the_slot_mode_on_new_synthetic_people(shipped: LpBert) -> None:
    from baselines.statistics.slot_mode import SlotMode
    from bench.data.sources.synthetic import Synthetic
    from bench.evaluation.metrics import score_users

    table = Synthetic(seed=77, users=60).load("B").days(39, 62)
    history, truth = table.days(39, 59), table.days(60, 62)
    both = sorted(set(history.users) & set(truth.users))
    history, truth = history.only(both), truth.only(both)
    scores = []
    for model in (shipped, SlotMode()):
        answers = model.predict(history, truth.queries(), Context())
        assert (answers.status == OK).all()
        scores.append(score_users(answers.x, answers.y, truth)["geobleu@humob24"].mean())
    assert scores[0] > scores[1]


def test_people_keep_their_order_and_their_city() -> None:
    table = Trajectories.concat([invented("P", range(2), 3), invented("Q", range(2), 3)])
    found = people(table, ("Q",))
    assert [len(person.d) for person in found] == [len(table.of(user)) for user in table.users]
