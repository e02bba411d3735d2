"""lp_bert: the winner of HuMob 2023, a small BERT over a user's whole window with the horizon masked.

Terashima et al., "Human Mobility Prediction Challenge: Next Location Prediction using Spatiotemporal BERT" (HuMob-
Challenge 2023); 2,456,880 parameters without the city embedding. ``preset: published`` trains as the public code does;
README.md lists how the defaults differ from it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from baselines._decoding import DecodeSettings
from bench.adapters import adapter
from bench.adapters.adapter import Adapter, Context, Needs, Split
from bench.adapters.origin import GENERATOR, Learning, Tuned
from bench.data.trajectories import MISSING, OK, Answers, Queries, Trajectories
from bench.evaluation.decoding import Version
from bench.evaluation.probabilities import AxisProbabilities
from bench.files import write_text

if TYPE_CHECKING:
    from baselines.lp_bert.fitting import Setup
    from baselines.lp_bert.model import LPBert

PACKAGES = ("torch", "transformers", "accelerate", "filelock", "safetensors")
PRETRAINED = Path(__file__).parent / "pretrained" / "lp_bert.safetensors"
START = Learning(
    start="pretrained",
    hand_set="embeddings and attention, so that the network votes over the user's own history",
    pretrained_on="synthetic people",
)
LAST_DAY, CELLS = 74, 200  # what the embeddings hold
# train_task1.py and dataset.py of github.com/caoji2001/LP-BERT at commit 1de9c54, with the script's default arguments.
PUBLISHED: dict[str, Any] = {
    "init": "scratch",
    "epochs": 200,
    "learning_rate": 2e-5,
    "loss": "cross_entropy",
    "batch": 16,
    "schedule": "cosine_by_epoch",
    "warm_up": 0.0,
    "clip_norm": None,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "masks": "once",
    "similar_lengths": False,
    "keep": "last",
    "target_histories": True,
    "precision": "float32",
    "penalty": 0.9,
    "penalty_on": "logit",
}


class LpBertSettings(adapter.Settings):
    """Settings of lp_bert; the network's shape is the published one."""

    preset: Literal["published"] | None = Field(
        None, description="published: the public code's training and decoding; other settings given here override it"
    )
    init: Literal["pretrained", "scratch"] = Field(
        "pretrained",
        description="pretrained: from the shipped weights, of other synthetic cities; scratch: the published way, "
        "which learns nothing in minutes",
    )
    epochs: int | None = Field(
        None,
        ge=0,
        description="passes over the training users; more fit them better and take longer; none: 200, pretrained 2",
    )
    learning_rate: float | None = Field(
        None, gt=0, description="of Adam; higher learns faster and forgets more; none: 2e-5, or 1e-4 if pretrained"
    )
    loss: Literal["cross_entropy", "proximity"] | None = Field(
        None,
        description="cross_entropy: the published one; proximity: nearly what GEO-BLEU counts; none: the published "
        "one from scratch, proximity if pretrained",
    )
    batch: int = Field(16, ge=1, description="users a step; more is steadier, with fewer steps and more memory")
    schedule: Literal["cosine", "cosine_by_epoch", "constant"] = Field(
        "cosine", description="of the learning rate; cosine falls with every step, cosine_by_epoch after each epoch"
    )
    warm_up: float = Field(0.0, ge=0, le=1, description="share of the steps over which the learning rate rises")
    clip_norm: float | None = Field(
        1.0, gt=0, description="largest norm of a step's gradient; lower is steadier and slower; none: any"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="more forgets details of the training users, and learns slower")
    attention_dropout: float = Field(
        0.0, ge=0, lt=1, description="on attention weights; above 0 the CPU's fused kernel cannot be used"
    )
    masks: Literal["each epoch", "once"] = Field(
        "each epoch",
        description="each epoch: of a window of the case's length, any days; once: of all days of a user, from a day "
        "with records on, as in the public code",
    )
    similar_lengths: bool = Field(
        True, description="batches hold users with similar numbers of rows, which is faster; false: any users"
    )
    keep: Literal["best", "last"] = Field(
        "best", description="best: the epoch that scores highest on the validation users, or the start; last: the last"
    )
    target_histories: bool = Field(
        False, description="train on the test users' histories too, as the challenge allows; the row says so"
    )
    mask_at_end: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of masks at the window's end, as in the test; only with masks each epoch",
    )
    city_embedding: bool = Field(
        False,
        description="add a learned vector of the city before the heads; then only training cities can be predicted",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="of matrix products; auto: bfloat16 on CUDA, float32 on CPU, where bfloat16 is faster on some",
    )
    penalty: float = Field(
        0.9, gt=0, le=1, description="factor on the score of the previous answer's x and y; lower moves more; 1 is none"
    )
    penalty_on: Literal["logit", "probability"] = Field(
        "logit", description="what the factor multiplies; logit is the public code's rule, and raises negative scores"
    )
    decode: Literal["axis", "slot", "proximity", "expected_geobleu", "sample"] = Field(
        "axis",
        description="axis: x and y apart with the penalty, as published; the others take both as independent and "
        "decode cells or days, without a penalty",
    )
    score: Version = Field("humob24", description="the GEO-BLEU that expected_geobleu aims at")
    predict_batch: int = Field(16, ge=1, description="users predicted at a time; more needs more memory")
    max_seconds: float | None = Field(
        None, gt=0, description="training stops after this long; the answers then depend on the machine; none: no limit"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_preset(cls, given: Any) -> Any:
        return {**PUBLISHED, **given} if isinstance(given, dict) and given.get("preset") == "published" else given

    def decoding(self) -> DecodeSettings:
        """Return how cells and days are decoded where ``decode`` is not ``axis``."""
        return DecodeSettings.model_validate({"decode": self.decode, "score": self.score})

    def passes(self) -> int:
        """Return the epochs, with the default of the chosen start."""
        return self.epochs if self.epochs is not None else {"scratch": 200, "pretrained": 2}[self.init]

    def rate(self) -> float:
        """Return the learning rate, with the default of the chosen start."""
        return self.learning_rate or {"scratch": 2e-5, "pretrained": 1e-4}[self.init]

    def aim(self) -> Literal["cross_entropy", "proximity"]:
        """Return the loss, with the default of the chosen start."""
        return self.loss or ("cross_entropy" if self.init == "scratch" else "proximity")


class LpBert(Adapter):
    """Embeddings of day, slot, cell and gap, four encoder layers, one head each for x and y; masks anew each epoch."""

    name: ClassVar[str] = "lp_bert"
    version: ClassVar[int] = 2
    Settings: ClassVar[type[adapter.Settings]] = LpBertSettings
    needs: ClassVar[Needs] = Needs(PACKAGES, "mobility-bench[lp-bert]", cpu_gb=2.0)
    knows_worlds: ClassVar[bool] = True
    settings: LpBertSettings

    def __init__(self, settings: adapter.Settings | None = None) -> None:
        super().__init__(settings)
        if self.settings.target_histories:
            self.learns_from = "test histories"  # type: ignore[misc]
        self.model: LPBert | None = None
        self.cities: tuple[str, ...] = ()
        self.learned: dict[str, int | float | str] = {}

    def precision(self, device: str) -> str:
        """Return bfloat16 on CUDA and float32 on CPU unless the settings say otherwise."""
        if self.settings.precision != "auto":
            return self.settings.precision
        return "bfloat16" if device == "cuda" else "float32"

    def skip(self, split: Split) -> str | None:
        """Refuse days and cells beyond the embeddings, and a city without an embedding where there is one."""
        last = max((int(table.d.max()) for table in (split.train, split.queries) if len(table)), default=0)
        if last > LAST_DAY:
            return f"its day embedding ends at day {LAST_DAY}; the split reaches day {last}"
        for city in (*split.train_cities, split.test_city):
            grid = split.world(city).grid
            if max(grid.width, grid.height) > CELLS:
                return f"it knows {CELLS} x {CELLS} cells; city {city} has {grid.width} x {grid.height}"
        if self.settings.city_embedding and split.test_city not in split.train_cities:
            return f"with city_embedding it predicts training cities only; {split.test_city} is not one"
        return None

    def fit(self, train: Trajectories, validate: Trajectories | None, ctx: Context) -> None:
        """Train on the training users' days; keep the best epoch on the validation users, or the last."""
        import torch

        from baselines.lp_bert.fitting import fit
        from bench.training.precision import flushed

        self.cities = tuple(sorted({city for city, _uid in train.users})) if self.settings.city_embedding else ()
        torch.manual_seed(ctx.seed_for("lp_bert", "start"))
        scratch = self.settings.init == "scratch"
        model = self._build(None).repeat_first_layer() if scratch else self._build(PRETRAINED)
        with flushed():
            self.learned = fit(self._setup(ctx), model.to(ctx.device), train, validate if validate else None)
        self.model = model

    def predict(self, history: Trajectories, queries: Queries, ctx: Context) -> Answers:
        """Answer all users, some at a time; a user without a history gets ``missing``."""
        assert self.model is not None, "fit or load first"
        known = set(history.users)
        seen = np.repeat([user in known for user in queries.users], np.diff(queries.starts)).astype(bool)
        cells = np.ones((len(queries), 2), np.int64)
        if seen.any():
            from bench.training.precision import flushed

            with flushed():
                cells[seen] = self._setup(ctx).answer(self.model, history, queries.take(seen))
        return Answers.of(cells[:, 0], cells[:, 1], np.where(seen, OK, MISSING))

    def probabilities(
        self, history: Trajectories, queries: Queries, ctx: Context, shown: Trajectories | None = None
    ) -> AxisProbabilities:
        """Return the softmax of both heads, within the grid; the network takes x and y as independent."""
        assert self.model is not None, "fit or load first"
        from bench.training.precision import flushed

        known = set(history.users)
        seen = np.repeat([user in known for user in queries.users], np.diff(queries.starts)).astype(bool)
        axes = [np.full((len(queries), size), 1 / size, np.float32) for size in (ctx.grid.width, ctx.grid.height)]
        if seen.any():
            with flushed():
                for axis, found in zip(
                    axes, self._setup(ctx).shares(self.model, history, queries.take(seen)), strict=True
                ):
                    axis[seen] = found
        return AxisProbabilities(*axes)

    def save(self, folder: Path) -> None:
        """Write the weights and what is known of the fit."""
        from baselines.lp_bert.store import save_weights

        assert self.model is not None, "fit first"
        save_weights(self.model, folder / "model.safetensors")
        write_text(folder / "lp_bert.json", json.dumps({"cities": self.cities, "facts": self.learned}, indent=1) + "\n")

    def load(self, folder: Path) -> None:
        """Read what save wrote."""
        noted = json.loads((folder / "lp_bert.json").read_text(encoding="utf-8"))
        self.cities, self.learned = tuple(noted["cities"]), noted["facts"]
        self.model = self._build(folder / "model.safetensors")

    def facts(self) -> Mapping[str, int | float | str]:
        """Return parameters, epochs, init, losses, validation scores, and ``undertrained`` with its reason."""
        return self.learned

    def tuned(self) -> tuple[Tuned, ...]:
        """Return whose aggregates the people behind the pretrained start were fitted to."""
        return (GENERATOR,) if self.settings.init == "pretrained" else ()

    def learning(self) -> Learning:
        """Return the start, and the epoch that was kept."""
        start = START if self.settings.init == "pretrained" else Learning(start="random")
        if not self.learned:
            return start
        epochs = int(self.learned["epochs"])
        return start.after(
            epochs=epochs,
            kept_epoch=int(self.learned.get("best_epoch", epochs)),
            kept_step=int(self.learned.get("kept_step", self.learned["steps"])),
        )

    def _setup(self, ctx: Context) -> Setup:
        from baselines.lp_bert.fitting import Setup

        return Setup(self.settings, self.cities, ctx, self.precision(ctx.device))

    def _build(self, weights: Path | None) -> LPBert:
        from baselines.lp_bert.model import LPBert, Shape
        from baselines.lp_bert.store import load_weights

        settings = self.settings
        shape = Shape(dropout=settings.dropout, attention_dropout=settings.attention_dropout, cities=len(self.cities))
        model = LPBert(shape)
        if weights is not None:
            load_weights(model, weights)
        return model
