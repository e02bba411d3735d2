"""A model's origin: whose data its constants were chosen on, and what its fit learned."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Tuned(_Part):
    """What in a model was chosen on whose data before any fit: constants, its author's choices, shipped weights.

    what: the words before the cities, e.g. ``constants tuned on``; challenge: whose files hold the people; people: city
    -> first and last uid; days: first and last day looked at; about: the rest, in one sentence.
    """

    what: str
    challenge: str
    people: dict[str, tuple[int, int]]
    days: tuple[int, int]
    about: str


# The 100 users each of B and C on whom the seed paper validated: the real people that this project has looked at.
LOOKED_AT = {"B": (17600, 17699), "C": (13600, 13699)}
GENERATOR = Tuned(
    what="start pretrained on synthetic people fitted to",
    challenge="humob2024",
    people=LOOKED_AT,
    days=(0, 74),
    about="the generator of the synthetic people was fitted to aggregates of 100 users each of B and C of HuMob 2024, "
    "and to what per-user statistics score on their days 60-74",
)


def constants_tuned(about: str) -> Tuned:
    """Constants tuned as the project tunes its statistics: on the last 15 days of history, in B alone."""
    return Tuned(
        what="constants tuned on", challenge="humob2024", people={"B": LOOKED_AT["B"]}, days=(45, 59), about=about
    )


def choices_made(about: str) -> Tuned:
    """Choices that the author made knowing the scores of both cities' users on the days to predict."""
    return Tuned(what="choices made on", challenge="humob2024", people=LOOKED_AT, days=(60, 74), about=about)


class Learning(_Part):
    """What a fit learned: the weights it began with, and those it kept.

    start: ``none`` for a model without weights. hand_set: what in the start was set by hand; pretrained_on: what it was
    pretrained on. epochs: passes over the training users that were made; kept_epoch and kept_step: how far the kept
    weights were trained, 0 being the start; None where nothing was fitted. rejected: fine-tuning was tried, and the
    start scored best on the validation users.
    """

    start: Literal["none", "random", "hand-set", "pretrained"] = "none"
    hand_set: str | None = None
    pretrained_on: str | None = None
    epochs: int | None = None
    kept_epoch: int | None = None
    kept_step: int | None = None
    rejected: bool = False

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if (self.start == "pretrained") != (self.pretrained_on is not None):
            raise ValueError("pretrained_on is needed for a pretrained start, and for no other")
        if self.start == "hand-set" and self.hand_set is None:
            raise ValueError("hand_set is needed for a start set by hand")
        if len({part is None for part in (self.epochs, self.kept_epoch, self.kept_step)}) > 1:
            raise ValueError("epochs, kept_epoch and kept_step go together")
        if self.rejected and not (self.epochs and self.kept_start):
            raise ValueError("rejected is for a fit that made epochs and kept epoch 0")
        return self

    @property
    def kept_start(self) -> bool:
        """Whether a fit was asked for and its weights are those it began with."""
        return self.kept_epoch == 0

    def begin(self) -> Self:
        """Return the start alone, without what a fit kept."""
        fit = {"epochs": None, "kept_epoch": None, "kept_step": None, "rejected": False}
        return self.model_copy(update=fit)

    def after(self, *, epochs: int, kept_epoch: int, kept_step: int) -> Self:
        """Return this start with what a fit of ``epochs`` passes kept."""
        rejected = epochs > 0 and kept_epoch == 0
        kept = {"epochs": epochs, "kept_epoch": kept_epoch, "kept_step": kept_step, "rejected": rejected}
        return type(self).model_validate(self.model_dump() | kept)
