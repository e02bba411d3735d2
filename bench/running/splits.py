"""A split's data: who trains, validates and is tested, and what a model may see of each. The truth stays apart.

``Prepared.truth`` holds it; ``confinement.py`` keeps it away from a worker. Each user has one role, fixed by a hash of
(city, uid) and so the same in every protocol: 20 % test, 10 % validate, 70 % train. Official target users never train.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from bench.adapters.adapter import Split
from bench.data.sources import Source
from bench.data.trajectories import Trajectories
from bench.protocol.schema import Protocol, Selection, SplitSpec, UsersSpec
from bench.running.worlds import worlds_of

TEST_SHARE, VALIDATE_SHARE = 0.2, 0.1
ROLES = ("train", "validate", "test")
_ROLE = {"train": "training", "validate": "validation", "test": "test"}  # in sentences

Users = dict[str, np.ndarray]  # role -> uids of one city, in hash order


class Skip(Exception):
    """This split cannot be made from these data; the reason is shown in the table."""


class RolesOverlap(RuntimeError):
    """A user has two roles: a fault of the harness, never of the user."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """A split ready to run. ``truth`` holds the cells of ``split.queries``; nothing in ``split`` does.

    notes: where the data differ from what the protocol asked for; users: how many have each role.
    """

    split: Split
    truth: Trajectories
    notes: tuple[str, ...] = ()
    users: Mapping[str, int] = field(default_factory=dict)


def make_split(protocol: Protocol, split: SplitSpec, test_city: str, source: Source) -> Prepared:
    """Cut one split for one of its test cities. Raises Skip with a reason, or the source's UserError."""
    here = source.cities()
    lacking = [city for city in dict.fromkeys((*split.train.cities, test_city)) if city not in here]
    if lacking:
        raise Skip(f"city {', '.join(lacking)} is not in the data ({source.spec} has {', '.join(here) or 'none'})")
    notes: list[str] = []
    train, validate = _training(split, source, notes)
    history, truth = _testing(split, test_city, source, notes)
    if not len(train):
        raise Skip(f"no training users are left in {', '.join(split.train.cities)}")
    prove_disjoint(train, validate, history, truth)
    for city in dict.fromkeys((*split.train.cities, test_city)):
        notes += source.notes(city)
    if split.sees_horizon_dates:
        notes.append("training users are seen on dates of the horizon")
    if split.asked is not None:
        notes.append("validation users are asked, no test users")
    tables = {"train": train, "validate": validate, "test": truth}
    last_day = max(split.window.horizon[1], split.train.days[1])
    return Prepared(
        Split(
            train_cities=split.train.cities,
            test_city=test_city,
            window=split.window,
            train=train,
            validate=validate if len(validate) else None,
            history=history,
            queries=truth.queries(),
            worlds=worlds_of(protocol.data, (*split.train.cities, test_city), source, train, history, last_day),
        ),
        truth,
        tuple(notes),
        {role: len(table.users) for role, table in tables.items()},
    )


def hashes(city: str, uids: np.ndarray) -> np.ndarray:
    """Return a number in [0, 1) for each user, the same everywhere: BLAKE2b of city and uid."""
    words = [hashlib.blake2b(f"{city}\x00{uid}".encode(), digest_size=8).digest() for uid in uids.tolist()]
    return np.frombuffer(b"".join(words), dtype=">u8").astype(np.float64) / 2.0**64


def roles(
    city: str, uids: np.ndarray, users: UsersSpec, *, tests: bool, targets: Sequence[int] = (), uids_a_user: int = 1
) -> Users:
    """Give every user of a city at most one role; uids come in hash order, so the first 10 are among the first 100.

    Listed users and the last N have their role whatever the hash says (test before validate before train), and nobody
    else has that role. If test users are fixed in this way, those that the hash chose for testing train instead. tests:
    whether the split tests this city; with ``users.roles: city`` this alone decides. targets: official ones; they never
    train. uids_a_user: see World; all windows of one person or animal have one role, or none.
    """
    uids = np.unique(uids)
    owners, drawn = uids // uids_a_user, hashes(city, uids)
    order = np.lexsort((uids, drawn))
    if uids_a_user > 1:
        drawn = hashes(city, owners)
    role = np.select([drawn < TEST_SHARE, drawn < TEST_SHARE + VALIDATE_SHARE], ["test", "validate"], "train")
    if users.roles == "city":
        role[:] = "test" if tests else np.where(role == "test", "train", role)
    if users.test.kind in ("last", "uids"):
        role[role == "test"] = "train"
    if users.validate_.kind == "uids":
        role[role == "validate"] = "train"
    if users.train.kind == "uids":
        role[role == "train"] = ""
    for name, chosen in (("train", users.train), ("validate", users.validate_), ("test", users.test)):
        role[_named(uids, chosen, city)] = name
    role[np.isin(uids, np.asarray(targets, dtype=np.int64)) & (role != "test")] = ""
    for taken, name in (("test", "validate"), ("test", "train"), ("validate", "train")):
        role[np.isin(owners, owners[role == taken]) & (role == name)] = ""
    return {name: uids[order][role[order] == name] for name in ROLES}


def prove_disjoint(train: Trajectories, validate: Trajectories, history: Trajectories, truth: Trajectories) -> None:
    """Raise RolesOverlap if the rows show a user in two roles, or a history of a user who is not asked."""
    trained, tuned, asked = set(train.users), set(validate.users), set(truth.users)
    for what, both in (
        ("trains and is tested", trained & asked),
        ("validates and is tested", tuned & asked),
        ("trains and validates", trained & tuned),
        ("has a history but is not asked", set(history.users) - asked),
    ):
        if both:
            city, uid = min(both)
            raise RolesOverlap(f"user {uid} of city {city} {what}, and {len(both) - 1} more")


def _training(split: SplitSpec, source: Source, notes: list[str]) -> tuple[Trajectories, Trajectories]:
    """Return the rows of training and of validation users on the training days."""
    parts: dict[str, list[Trajectories]] = {"train": [], "validate": []}
    quotas = _quotas(split)
    for city in split.train.cities:
        everyone = source.load(city)
        table = everyone.days(*split.train.days)
        who = _roles(split, city, everyone.uid, source, tests=city in split.test)
        share = split.train.shares.get(city, 1.0)
        for role, chosen, quota in (
            ("train", split.users.train, quotas[city]),
            ("validate", split.users.validate_, split.users.validate_.n),
        ):
            present = who[role][np.isin(who[role], table.uid)]
            wanted = _wanted(chosen, city, quota)
            if wanted is not None and len(present) < wanted:
                notes.append(_fewer(role, wanted, city, len(present)))
            count = len(present) if wanted is None else min(wanted, len(present))
            if role == "train" and chosen.kind in ("all", "uids"):
                count = round(share * len(present))
            parts[role].append(table.take(np.isin(table.uid, present[:count])))
    return _join(parts["train"]), _join(parts["validate"])


def _join(parts: Sequence[Trajectories]) -> Trajectories:
    """Join cities; one alone stays as it is, without a copy."""
    return parts[0] if len(parts) == 1 else Trajectories.concat(parts)


def _testing(split: SplitSpec, city: str, source: Source, notes: list[str]) -> tuple[Trajectories, Trajectories]:
    """Return the history and the truth of the users who are asked: the test users, or some of the validation users."""
    table, masked = source.load(city), source.masked(city)
    everyone = np.concatenate([table.uid, masked.uid])
    asked = table.days(*split.window.horizon)
    role, wanted = _asked(split, city)
    who = _roles(split, city, everyone, source, tests=True)[role]
    present = who[np.isin(who, asked.uid)]
    if role == "validate":
        # Left out are those who would tune if the city trained: so the asked are the same for all training cities.
        tuning = who[np.isin(who, table.days(*split.train.days).uid)]
        tuning = tuning[: _wanted(split.users.validate_, city, split.users.validate_.n)]
        present = present[~np.isin(present, tuning)]
    if not len(present):
        hidden = np.isin(who, masked.uid).sum()
        days = f"days {split.window.horizon[0]}-{split.window.horizon[1]}"
        has = "has" if role == "test" else "is left with"
        if hidden:
            raise Skip(f"the truth of the {hidden} {_ROLE[role]} users of {city} is masked in these data")
        raise Skip(f"no {_ROLE[role]} user of {city} {has} points on {days} ({len(who)} have that role)")
    if wanted is not None and len(present) < wanted:
        notes.append(_fewer(role, wanted, city, len(present)))
    present = present[:wanted]
    truth = asked.take(np.isin(asked.uid, present))
    history = table.days(*split.window.history)
    history = history.take(np.isin(history.uid, present))
    if split.users.ask == "next_stay":
        truth = next_stays(history, truth)
        if not len(truth):
            raise Skip(f"no {_ROLE[role]} user of {city} stays anywhere else in the horizon")
        notes.append(
            f"only next stays are asked for: {len(truth)} of {len(present)} {_ROLE[role]} users of {city} have one"
        )
        history, present = history.take(np.isin(history.uid, truth.uid)), np.unique(truth.uid)
    owners = np.unique(present // source.world(city).uids_a_user)
    if len(owners) < len(present):
        notes.append(
            f"the {len(present)} {_ROLE[role]} users of {city} are windows of {len(owners)}, who are resampled"
        )
    without = len(present) - len(history.users)
    if without:
        notes.append(f"{without} {_ROLE[role]} users of {city} have no history")
    return history, truth


def next_stays(history: Trajectories, horizon: Trajectories) -> Trajectories:
    """Return the first point of each user's next stay in one city; users without one are left out.

    A stay is two consecutive points in one cell on one day. The next stay is the first of the horizon in another cell
    than the last point of the history, as in the literature on next places.
    """
    stays = np.zeros(len(horizon), dtype=bool)
    same = np.ones(max(0, len(horizon) - 1), dtype=bool)
    for name in ("uid", "d", "x", "y"):
        column = getattr(horizon, name)
        same &= column[1:] == column[:-1]
    stays[:-1] = same
    last = {int(history.uid[row]): (history.x[row], history.y[row]) for row in history.starts[1:] - 1 if row >= 0}
    known = np.array([last.get(int(uid), (0, 0)) for uid in horizon.uid]).reshape(-1, 2)
    stays &= (horizon.x != known[:, 0]) | (horizon.y != known[:, 1])
    rows = np.flatnonzero(stays)
    _, first = np.unique(horizon.uid[rows], return_index=True)
    return horizon.take(rows[first])


def _asked(split: SplitSpec, city: str) -> tuple[str, int | None]:
    """Return which role a split asks, and how many users (None: all)."""
    if split.asked is not None:
        return "validate", split.asked
    return "test", _wanted(split.users.test, city, split.users.test.n)


def _roles(split: SplitSpec, city: str, uids: np.ndarray, source: Source, *, tests: bool) -> Users:
    """Give the users of a city their roles in a split."""
    several = source.world(city).uids_a_user
    return roles(city, uids, split.users, tests=tests, targets=source.targets(city), uids_a_user=several)


def _named(uids: np.ndarray, chosen: Selection, city: str) -> np.ndarray:
    """Return which of the sorted uids a selection names explicitly; none for all, count and total."""
    named = np.zeros(len(uids), dtype=bool)
    if chosen.kind == "last":
        named[len(uids) - min(chosen.n, len(uids)) :] = True
    for first, last in chosen.listed(city):
        named |= (uids >= first) & (uids <= last)
    return named


def _wanted(chosen: Selection, city: str, quota: int) -> int | None:
    """Return how many users of a city a selection wants; None: as many as there are."""
    if chosen.kind == "uids":
        return sum(last - first + 1 for first, last in chosen.listed(city))
    return None if chosen.kind == "all" else quota


def _quotas(split: SplitSpec) -> dict[str, int]:
    """Return the number of training users wanted per city: n times the city's share, or its part of the total."""
    chosen, cities = split.users.train, split.train.cities
    shares = np.array([split.train.shares.get(city, 1.0) for city in cities])
    if chosen.kind == "total":
        # Rounding the running sum keeps the total exact.
        shares = np.diff(np.rint(np.cumsum(shares) / shares.sum() * chosen.n), prepend=0)
    else:
        shares = np.maximum(np.rint(shares * chosen.n), 1)
    return dict(zip(cities, shares.astype(int).tolist(), strict=True))


def _fewer(role: str, wanted: int, city: str, have: int) -> str:
    return f"wanted {wanted} {_ROLE[role]} users of {city}, the data have {have}: used {have}"
