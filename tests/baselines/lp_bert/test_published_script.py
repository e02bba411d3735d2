"""``preset: published``: the same weights as the public code's training gives, on the same masks and batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from figures import numbers_of
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from baselines.lp_bert import PUBLISHED, LpBert, LpBertSettings
from baselines.lp_bert.data import Example, Person, hide_once
from baselines.lp_bert.model import MASK, LPBert, Shape
from bench.adapters.small_world import SmallWorld

SMALL = Shape(width=16, layers=2, heads=2, hidden=32)
NAMES = {"self_attn.in_proj_": "qkv.", "self_attn.out_proj.": "out.", "linear1.": "wide.", "linear2.": "narrow."}
LONG_WALK = Person(*(np.array(v) for v in ([0, 0, 3, 20, 20, 40, 60], [1, 5, 9, 1, 7, 4, 4], [5] * 7, [6] * 7)))


class Reference(nn.Module):
    """The published network as torch's own modules have it, with the weights of one of ours."""

    def __init__(self, ours: LPBert) -> None:
        super().__init__()
        shape = ours.shape
        layer = nn.TransformerEncoderLayer(shape.width, shape.heads, shape.hidden, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, shape.layers, enable_nested_tensor=False)
        self.tables = nn.ModuleList(nn.Embedding(*t.weight.shape) for t in tables(ours))
        self.heads = nn.ModuleList(head() for _ in "xy")
        for mine, its in zip(self.tables, tables(ours), strict=True):
            mine.load_state_dict(its.state_dict())
        for mine, its in zip(self.encoder.layers, ours.encoder(), strict=True):
            mine.load_state_dict(renamed(its.state_dict()))
        for mine, its in zip(self.heads, (ours.head_x, ours.head_y), strict=True):
            mine.load_state_dict(dict(zip(mine.state_dict(), its.state_dict().values(), strict=True)))

    def loss(self, examples: list[Example]) -> Tensor:
        """The mean cross-entropy of the hidden x and y of a padded batch."""
        tokens = pad_sequence([torch.from_numpy(one.tokens().T) for one in examples], batch_first=True)
        true = [torch.from_numpy(np.stack([one.person.x, one.person.y], axis=1)) for one in examples]
        rows = sum(table(tokens[..., i]) for i, table in enumerate(self.tables))
        rows = self.encoder(rows, src_key_padding_mask=tokens[..., 0] == 0)
        logits = torch.stack([to_cells(rows) for to_cells in self.heads], dim=-2)
        hidden = tokens[..., 2] == MASK
        return nn.CrossEntropyLoss()(logits[hidden].flatten(0, 1), (pad_sequence(true, True)[hidden] - 1).flatten())


def head() -> nn.Module:
    return nn.Sequential(nn.Linear(SMALL.width, SMALL.bottleneck), nn.ReLU(), nn.Linear(SMALL.bottleneck, 200))


def tables(model: LPBert) -> tuple[nn.Embedding, ...]:
    return model.day, model.slot, model.x, model.y, model.gap


def renamed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    for theirs, ours in NAMES.items():
        state = {key.replace(ours, theirs) if key.startswith(ours) else key: value for key, value in state.items()}
    return state


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    from baselines.lp_bert import model

    monkeypatch.setattr(model, "Shape", lambda **given: replace(SMALL, **given))


def test_published_training_gives_the_weights_of_the_public_codes_loop(
    small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adam at a cosine that moves once an epoch, mean loss, no clipping, masks drawn once, the last weights kept."""
    from baselines.lp_bert import fitting

    world = SmallWorld.make(trainers=5)
    packed: list[list[Example]] = []
    pack = fitting.pack
    monkeypatch.setattr(fitting, "pack", lambda examples: packed.append(list(examples)) or pack(examples))
    given = {"epochs": 3, "batch": 2, "learning_rate": 1e-2, "dropout": 0.0, "attention_dropout": 0.0}
    adapter = LpBert(LpBertSettings(preset="published", **given))
    ctx = world.context(folder=tmp_path)
    adapter.fit(world.split.train, world.split.validate, ctx)

    torch.manual_seed(ctx.seed_for("lp_bert", "start"))
    reference = Reference(LPBert(replace(SMALL, dropout=0.0)).repeat_first_layer())
    optimizer = torch.optim.Adam(reference.parameters(), lr=1e-2)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3)
    assert len(packed) == 9, "three epochs of three batches"
    for number, examples in enumerate(packed):
        reference.loss(examples).backward()
        optimizer.step()
        optimizer.zero_grad()
        if number % 3 == 2:
            scheduler.step()
    assert adapter.model is not None
    for mine, its in zip(adapter.model.encoder(), reference.encoder.layers, strict=True):
        for name, weight in renamed(mine.state_dict()).items():
            ours, theirs = weight.clone(), its.state_dict()[name].clone()
            if name == "self_attn.in_proj_bias":  # keys' biases change no attention: Adam scales their rounding up
                ours[SMALL.width : 2 * SMALL.width] = theirs[SMALL.width : 2 * SMALL.width] = 0.0
            torch.testing.assert_close(ours, theirs, rtol=2e-3, atol=2e-4)
    epochs = [sorted((tuple(one.person.x), tuple(one.hidden)) for b in packed[i : i + 3] for one in b) for i in (0, 3)]
    assert epochs[0] == epochs[1], "the masks of the first epoch are those of the second"


def test_a_published_mask_begins_on_a_day_with_records() -> None:
    rng = np.random.default_rng(0)
    masks = {tuple(np.unique(LONG_WALK.d[hide_once(LONG_WALK, rng, 15).hidden]).tolist()) for _ in range(60)}
    assert masks == {(0, 3), (3,), (20,), (40,)}
    assert hide_once(LONG_WALK.rows(LONG_WALK.d < 5), rng, 15) is None


def test_published_trains_on_the_test_users_histories_and_says_so() -> None:
    assert LpBert(LpBertSettings(preset="published")).learns_from == "test histories"
    assert LpBert().learns_from == "train users"


def test_attention_dropout_drops_in_training_alone() -> None:
    torch.manual_seed(0)
    model = LPBert(replace(SMALL, dropout=0.0, attention_dropout=0.5))
    from baselines.lp_bert.data import pack

    batch = pack([hide_once(LONG_WALK, np.random.default_rng(0), 15)])
    assert not torch.equal(model(batch)[0], model(batch)[0])
    model.eval()
    assert torch.equal(model(batch)[0], model(batch)[0])


def test_the_page_has_a_row_for_every_setting_in_which_published_and_default_differ() -> None:
    page = (Path(__file__).parents[3] / "baselines" / "lp_bert" / "README.md").read_text(encoding="utf-8")
    default = LpBertSettings()
    taken = {"epochs": default.passes(), "learning_rate": default.rate(), "loss": default.aim()}
    ours = {name: taken.get(name, getattr(default, name)) for name in PUBLISHED}
    lines = [line for line in page.splitlines() if line.startswith("|")]
    for name in [name for name, value in PUBLISHED.items() if value != ours[name]]:
        row = next((line for line in lines if f"`{name}`" in line), None)
        assert row, f"{name} is in no row of the table"
        if type(PUBLISHED[name]) in (int, float):
            assert PUBLISHED[name] in numbers_of(row.split("|")[2]), f"{name} is {PUBLISHED[name]}: {row}"


def test_other_settings_come_before_the_preset() -> None:
    chosen = LpBertSettings(preset="published", epochs=2, penalty_on="probability")
    assert (chosen.epochs, chosen.penalty_on, chosen.masks) == (2, "probability", "once")
