"""What the rows of a table learned from: training cities, kept starts, pretraining, and constants tuned before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.adapters.origin import Learning, Tuned
from bench.records.record import Record

KEPT = "start kept"
PLAIN = "plain"  # files city_X.csv.gz, which do not say whose they are


@dataclass(frozen=True)
class Fits:
    """The fits on one training part, by identity.

    kept: those whose start was kept; rejected: after it was tuned; notes: what else is said of them, in words.
    """

    training: str
    made: frozenset[str]
    kept: frozenset[str]
    rejected: frozenset[str]
    notes: tuple[str, ...] = ()

    def join(self, other: Fits) -> Fits:
        """Return the fits of both."""
        both = (self.made | other.made, self.kept | other.kept, self.rejected | other.rejected)
        return Fits(self.training, *both, _unique((*self.notes, *other.notes)))


@dataclass(frozen=True)
class Lineage:
    """What a row learned from, and whose data shaped it.

    fits: one entry a training part, none for a model that learns from nothing; histories: whether test users' histories
    were learned from; seen: cities of its pretraining; starts: the weights that it began with; tuned: everything
    chosen on somebody's data before any fit; touching: those parts of it that were chosen on test users of this table.
    """

    fits: tuple[Fits, ...] = ()
    histories: bool = False
    seen: tuple[str, ...] = ()
    starts: tuple[Learning, ...] = ()
    tuned: tuple[Tuned, ...] = ()
    touching: tuple[Tuned, ...] = ()

    @property
    def learned(self) -> tuple[str, ...]:
        """Training parts that some fit learned from."""
        return tuple(fits.training for fits in self.fits if fits.made > fits.kept)

    @property
    def kept(self) -> tuple[str, ...]:
        """Training parts all of whose fits kept their start."""
        return tuple(fits.training for fits in self.fits if fits.made == fits.kept)

    @property
    def rejected(self) -> bool:
        """Whether a start was kept because fine-tuning was worse on the validation users."""
        return any(fits.rejected for fits in self.fits)

    @property
    def is_start(self) -> bool:
        """Whether the row's weights are its start: nothing was fitted, or every fit was rejected."""
        return not self.learned and bool(self.starts)

    @property
    def short(self) -> str:
        """The label: training parts learned from, and where the start was kept."""
        learned, kept = " | ".join(self.learned), ", ".join(self.kept)
        if learned and kept:
            return f"{learned}; {KEPT} for {kept}"
        return learned or (KEPT if kept else "")


def lineage_of(records: Iterable[Record], touching: Mapping[str, Sequence[Tuned]]) -> Lineage:
    """Read a lineage from done records. touching: by cost identity, see :func:`touched`."""
    records = list(records)
    return join(
        Lineage(
            fits=_fits(record),
            histories=record.case.learns_from == "test histories",
            seen=record.case.seen,
            starts=(record.learning.begin(),) if record.learning and record.learning.start != "none" else (),
            tuned=record.case.tuned,
            touching=tuple(touching.get(record.identity.cost, ())),
        )
        for record in records
    )


def _fits(record: Record) -> tuple[Fits, ...]:
    training = training_of(record)
    if not training:
        return ()
    made, none = frozenset({record.identity.fit}), frozenset[str]()
    rejected = made if record.learning and record.learning.rejected else none
    shots, shipped = record.facts.get("shots"), record.facts.get("shipped")
    shown = isinstance(shots, int) and shots > 0
    notes = [f"{shots} example{'s' if shots != 1 else ''} in the prompt"] if shown else []
    notes += ["shipped fit"] if shipped else []
    return (Fits(training, made, made if record.kept_start and not shown else none, rejected, tuple(notes)),)


def join(parts: Iterable[Lineage]) -> Lineage:
    """Combine several lineages."""
    parts = list(parts)
    fits: dict[str, Fits] = {}
    for one in (one for part in parts for one in part.fits):
        fits[one.training] = fits[one.training].join(one) if one.training in fits else one
    return Lineage(
        fits=tuple(fits[training] for training in sorted(fits)),
        histories=any(part.histories for part in parts),
        seen=tuple(sorted({city for part in parts for city in part.seen})),
        starts=_unique(start for part in parts for start in part.starts),
        tuned=_unique(tuned for part in parts for tuned in part.tuned),
        touching=_unique(tuned for part in parts for tuned in part.touching),
    )


def _unique(values: Iterable[object]) -> tuple:
    found: list[object] = []
    for value in values:
        if value not in found:
            found.append(value)
    return tuple(found)


def touched(record: Record, uids: np.ndarray) -> tuple[Tuned, ...]:
    """Return what in a model was chosen on real test users of this record, by city and uid.

    Files that do not name their challenge count as those of any.
    """
    if record.data is None or record.data.synthetic:
        return ()
    challenge, city = record.data.source.partition(":")[2], record.case.test_city
    return tuple(
        tuned
        for tuned in record.case.tuned
        if challenge in (tuned.challenge, PLAIN) and city in tuned.people and _any_within(uids, *tuned.people[city])
    )


def _any_within(uids: np.ndarray, first: int, last: int) -> bool:
    return bool(((uids >= first) & (uids <= last)).any())


def training_of(record: Record) -> str:
    """Name the training cities: ``B``, ``A+B``; empty for a model that learns from nothing."""
    return "" if record.case.learns_from == "nothing" else "+".join(record.case.train_cities)


def part_of(record: Record) -> str:
    """Name what a record's fit learned from: training cities, a kept start, or nothing. Tables of costs group by it."""
    return KEPT if record.kept_start else training_of(record)
